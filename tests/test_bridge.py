"""The bridge: what was written with `core.tensor` alone is trained by `core.autograd`, unchanged."""
from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_modules
from toy_modules import Dense, Network, TiedNetwork, softplus

from tinytorch.core.autograd import Variable, check_gradients, no_grad, track
from tinytorch.core.tensor import Operation, Tensor

ROOT = Path(__file__).resolve().parent.parent
INPUTS = np.linspace(-2, 2, 24, dtype=np.float32).reshape(8, 3)


def test_the_toy_modules_import_nothing_but_numpy_and_core_tensor():
    tree = ast.parse(Path(toy_modules.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "numpy", "tinytorch.core.tensor"}


def test_without_autograd_they_compute_the_same_numbers():
    """A process that never imports core.autograd against the tracked network here."""
    program = (
        "import sys, numpy as np\n"
        "from toy_modules import Network\n"
        "from tinytorch.core.tensor import Tensor\n"
        "out = Network(3, 5, 2, seed=4)(Tensor(np.linspace(-2, 2, 24, dtype=np.float32).reshape(8, 3)))\n"
        "assert 'tinytorch.core.autograd' not in sys.modules\n"
        "assert type(out) is Tensor\n"
        "print(out.data.tobytes().hex())\n"
    )
    paths = [str(ROOT / "tests"), str(ROOT)]
    program = f"import sys; sys.path[:0] = {paths!r}\n" + program
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    tracked = track(Network(3, 5, 2, seed=4))(Tensor(INPUTS))
    assert isinstance(tracked, Variable)
    assert tracked.data.data.tobytes().hex() == result.stdout.strip()


def test_track_shares_the_arrays_and_returns_the_module():
    network = Network(3, 4, 1)
    tensors = dict(network.named_parameters())
    assert track(network) is network
    variables = dict(network.named_parameters())
    assert list(variables) == list(tensors)
    assert len(variables) == 5
    for name, variable in variables.items():
        assert type(variable) is Variable and variable.requires_grad and variable.is_leaf
        assert variable.data.data is tensors[name].data
    assert network.layers[1].bias is variables["layers.1.bias"]
    assert network.scales["output"] is variables["scales.output"]


def test_tracking_twice_keeps_the_variables():
    network = track(Network(3, 4, 1))
    before = dict(network.named_parameters())
    track(network)
    assert all(variable is before[name] for name, variable in network.named_parameters())


def test_a_shared_tensor_becomes_one_variable_with_both_contributions():
    network = track(TiedNetwork(2))
    assert network.first.weight is network.second.weight
    weight = network.first.weight.data.data.astype(np.float64)
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    network(Tensor(x.astype(np.float32))).sum().backward()
    # d(sum of x w w) / dw = xᵀ (1 wᵀ) + (x w)ᵀ 1
    ones = np.ones((2, 2))
    expected = x.T @ (ones @ weight.T) + (x @ weight).T @ ones
    np.testing.assert_allclose(network.first.weight.grad.data.data, expected, rtol=1e-5)


def test_gradients_of_the_network_agree_with_measuring():
    network = Network(3, 4, 2, seed=3)
    arrays = [parameter.data.astype(np.float64) for _, parameter in network.named_parameters()]
    x = Variable(INPUTS.astype(np.float64), requires_grad=False)

    def output(weight1, bias1, weight2, bias2, scale):
        return (softplus(x @ weight1 + bias1) @ weight2 + bias2) * scale

    check_gradients(output, *arrays)


def test_plain_gradient_descent_trains_the_network():
    network = track(Network(1, 16, 1, seed=5))
    x = np.linspace(-3, 3, 64, dtype=np.float32).reshape(-1, 1)
    losses = []
    for _ in range(1500):
        error = network(Tensor(x)) - np.sin(x)
        loss = (error * error).mean()
        for _, parameter in network.named_parameters():
            parameter.zero_grad()
        loss.backward()
        for _, parameter in network.named_parameters():
            assert parameter.grad.dtype == np.float32
            parameter.data.data -= np.float32(0.02) * parameter.grad.data.data
        losses.append(loss.item())
    line = np.polynomial.Polynomial.fit(x[:, 0], np.sin(x[:, 0]), 1)
    assert losses[0] > 1.0
    assert losses[-1] < 0.7 * np.mean((line(x) - np.sin(x)) ** 2)  # better than the best straight line
    with no_grad():
        assert network(Tensor(x)).grad_fn is None


def test_softplus_of_a_tensor_is_a_tensor_and_of_a_variable_is_recorded():
    assert type(softplus(Tensor([0.0]))) is Tensor
    recorded = softplus(Variable([0.0]))
    assert recorded.grad_fn.operation is softplus
    np.testing.assert_allclose(recorded.data.data, [np.log(2)], rtol=1e-6)
    check_gradients(softplus, [-30.0, -1.0, 0.0, 2.0, 30.0])


def test_an_operation_without_backward_is_refused_only_where_a_gradient_is_wanted():
    cube = Operation(lambda x: x ** 3)
    cube.__name__ = "cube"
    assert cube(Variable(2.0, requires_grad=False)).item() == 8.0
    with no_grad():
        assert cube(Variable(2.0)).item() == 8.0
    with pytest.raises(NotImplementedError, match="cube has no backward.*define_backward"):
        cube(Variable(2.0))


class Holder:
    """A module whose named_parameters() says whatever a test wants."""

    def __init__(self, pairs, **attributes):
        self.pairs = pairs
        self.__dict__.update(attributes)

    def named_parameters(self):
        return iter(self.pairs)


GOOD, OTHER = Tensor([1.0]), Tensor([2.0])


@pytest.mark.parametrize("module, error, message", [
    (object(), TypeError, "named_parameters.*object"),
    (Holder([("good", GOOD), ("nowhere", OTHER)], good=GOOD), ValueError, "'nowhere'.*dotted path"),
    (Holder([("good", GOOD), ("layers.2", OTHER)], good=GOOD, layers=[OTHER]), ValueError,
     "'layers.2'.*list"),
    (Holder([("good", GOOD), ("layers.x", OTHER)], good=GOOD, layers=[OTHER]), ValueError,
     "'layers.x'.*list"),
    (Holder([("good", GOOD), ("table.b", OTHER)], good=GOOD, table={"a": OTHER}), ValueError,
     "'table.b'.*dict"),
    (Holder([("good", GOOD), ("good", OTHER)], good=GOOD), ValueError, "'good'.*another object"),
    (Holder([("good", GOOD), ("count", Tensor([1, 2]))], good=GOOD), TypeError, "'count'.*int64"),
    (Holder([("good", GOOD), ("array", np.ones(2))], good=GOOD), TypeError, "'array'.*ndarray"),
    (Holder([("good", GOOD), ("pair.0", OTHER)], good=GOOD, pair=(OTHER,)), TypeError, "'pair.0'.*tuple"),
])
def test_what_track_refuses_leaves_the_module_as_it_was(module, error, message):
    with pytest.raises(error, match=message):
        track(module)
    assert getattr(module, "good", GOOD) is GOOD


def test_dictionary_keys_need_not_be_text():
    module = track(Holder([("table.3", OTHER)], table={3: OTHER}))
    assert list(module.table) == [3]
    assert type(module.table[3]) is Variable


def test_a_layer_may_be_called_with_a_variable_before_it_is_tracked():
    layer = Dense(2, 1, np.random.default_rng(0))
    x = Variable([[1.0, 2.0]])
    layer(x).sum().backward()
    np.testing.assert_allclose(x.grad.data.data, layer.weight.data.T)
    assert type(layer.weight) is Tensor
