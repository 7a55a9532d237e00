"""The optimizers of the package: worked numbers, contract of the base, refusals, memory layouts, resuming."""
from __future__ import annotations

import copy
import doctest
import io
import math
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import array_path
from tinytorch.core import optimizers
from tinytorch.core.autograd import Variable, multiply
from tinytorch.core.optimizers import (
    SGD, Adam, Optimizer, Schedule, StepLR, fit_line, gradient_descent_step, train_simple_model,
)
from tinytorch.core.tensor import Tensor

MAKERS = {
    "SGD": lambda parameters: SGD(parameters, learning_rate=0.1),
    "SGD with momentum": lambda parameters: SGD(parameters, learning_rate=0.1, momentum=0.9),
    "SGD with momentum and L2": lambda parameters: SGD(parameters, learning_rate=0.1, momentum=0.9,
                                                       weight_decay=0.2),
    "Adam": lambda parameters: Adam(parameters, learning_rate=0.1),
    "Adam with L2": lambda parameters: Adam(parameters, learning_rate=0.1, beta1=0.7, weight_decay=0.2),
}
every_rule = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def parameter(value, gradient=None, dtype=np.float64) -> Variable:
    """A Variable with a gradient, both of this type."""
    result = Variable(np.array(value, dtype=dtype))
    if gradient is not None:
        set_gradient(result, gradient)
    return result


def set_gradient(variable: Variable, gradient) -> None:
    dtype = variable.data.data.dtype
    variable.grad = Variable(np.array(gradient, dtype=dtype), requires_grad=False)


def value(variable: Variable) -> np.ndarray:
    return variable.data.data


def run(optimizer: Optimizer, variable: Variable, gradients: list) -> list:
    """The values of the parameter after each of the steps with these gradients (None: no gradient)."""
    values = []
    for gradient in gradients:
        variable.grad = None
        if gradient is not None:
            set_gradient(variable, gradient)
        optimizer.step()
        values.append(value(variable).tolist())
    return values


def snapshot(optimizer: Optimizer) -> tuple:
    """Everything an optimizer could have changed, as comparable bytes."""
    return bits(optimizer.state_dict()), [bits(value(p)) for p in optimizer.parameters]


def bits(thing):
    """A nested structure with arrays replaced by type, shape and bytes, and floats by their exact digits."""
    if isinstance(thing, dict):
        return {key: bits(part) for key, part in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [bits(part) for part in thing]
    if isinstance(thing, np.ndarray):
        return str(thing.dtype), thing.shape, thing.tobytes()
    return float.hex(thing) if isinstance(thing, float) else thing


# gradient_descent_step

def test_gradient_descent_worked_numbers():
    for start, gradient, expected in [(2.0, 0.5, 1.95), (1.0, -0.2, 1.02), (3.0, 0.0, 3.0)]:
        p = parameter(start, gradient)
        assert gradient_descent_step(p, 0.1) is None
        assert value(p).item() == pytest.approx(expected, abs=1e-15)
        assert p.grad.data.data.item() == gradient


def test_gradient_descent_updates_every_element_by_its_own_gradient():
    p = parameter([[1.0, 2.0], [3.0, 4.0]], [[10.0, 0.0], [-10.0, 1.0]])
    gradient_descent_step(p, 0.5)
    assert value(p).tolist() == [[-4.0, 2.0], [8.0, 3.5]]


@pytest.mark.parametrize("rate, factors", [(0.4, (0.92, -0.6)), (0.5, (0.9, -1.0)), (0.6, (0.88, -1.4))])
def test_gradient_descent_on_the_ravine_multiplies_each_coordinate_by_its_factor(rate, factors):
    """f = 0.1 x² + 2 y², curvatures 0.2 and 4: factors 1 - 0.2 rate and 1 - 4 rate, stable below 2 / 4."""
    point, curvatures = parameter([10.0, 1.0]), Tensor(np.array([0.1, 2.0]))
    for step in range(1, 6):
        point.grad = None
        (curvatures * point**2).sum().backward()
        gradient_descent_step(point, rate)
        expected = [10.0 * factors[0] ** step, factors[1] ** step]
        np.testing.assert_allclose(value(point), expected, rtol=1e-12)


def test_gradient_descent_without_gradient_changes_nothing():
    p = parameter([1.0, -2.0])
    gradient_descent_step(p, 0.1)
    assert value(p).tolist() == [1.0, -2.0] and p.grad is None


@pytest.mark.parametrize("gradient, rate", [
    (math.nan, 0.1), (math.inf, 0.1), (-math.inf, 0.1), (1.0, math.nan), (1.0, math.inf)])
def test_gradient_descent_refuses_what_is_not_finite(gradient, rate):
    p = parameter([1.0, 2.0], [0.0, gradient])
    with pytest.raises(ValueError, match="finite"):
        gradient_descent_step(p, rate)
    assert value(p).tolist() == [1.0, 2.0]


def test_gradient_descent_keeps_float32_under_a_numpy_rate():
    p = parameter([1.0], [1.0], np.float32)
    gradient_descent_step(p, np.float64(0.1))
    assert value(p).dtype == np.float32
    assert value(p)[0] == np.float32(1) - np.float32(0.1)


# The worked tables

@pytest.mark.parametrize("options, expected", [
    ({}, [0.9, 0.8, 0.7]),
    ({"momentum": 0.9}, [0.9, 0.71, 0.439]),
    ({"momentum": 0.5}, [0.9, 0.75, 0.575]),
    ({"weight_decay": 0.5}, [0.85, 0.7075, 0.572125]),
    ({"momentum": 0.9, "weight_decay": 0.5}, [0.85, 0.5725, 0.194125]),
])
def test_sgd_table(options, expected):
    """p = 1, gradient 1 at each step, rate 0.1.

    The last row by hand: g = 1 + .5 = 1.5, v = 1.5, p = .85; then g = 1.425, v = 2.775, p = .5725;
    then g = 1.28625, v = 3.78375, p = .194125.
    """
    p = parameter(1.0)
    assert run(SGD([p], learning_rate=0.1, **options), p, [1.0] * 3) == pytest.approx(expected, abs=1e-14)


def test_adam_first_step_is_the_rate_times_the_sign():
    """Whatever the betas: m_hat = g and v_hat = g * g, so p moves by rate * g / (|g| + epsilon)."""
    gradients = [1e-6, -1e-3, 1.0, -1e3]
    for options in ({}, {"beta1": 0.3, "beta2": 0.6}):
        p = parameter(np.zeros(4))
        [moved] = run(Adam([p], learning_rate=0.1, **options), p, [gradients])
        assert moved == pytest.approx([-0.1 / 1.01, 0.1, -0.1, 0.1], rel=1e-4)
        assert moved[0] == pytest.approx(-0.0990099, abs=1e-7)


def test_adam_second_step_worked_by_hand():
    """Gradients 1 then 3, beta1 = beta2 = 0.5, epsilon = 1, rate 1, p = 0.

    Step 1: m_hat = 1, v_hat = 1, p = -1 / (1 + 1) = -.5.
    Step 2: m = .25 + 1.5 = 1.75, m_hat = 1.75 / .75 = 7/3; v = .25 + 4.5 = 4.75, v_hat = 19/3.
    """
    p = parameter(0.0)
    values = run(Adam([p], learning_rate=1.0, beta1=0.5, beta2=0.5, epsilon=1.0), p, [1.0, 3.0])
    assert values == pytest.approx([-0.5, -0.5 - (7 / 3) / (math.sqrt(19 / 3) + 1)], abs=1e-15)


def test_adam_under_constant_l2_alone_walks_the_full_rate():
    p = parameter(1.0)
    optimizer = Adam([p], learning_rate=0.1, weight_decay=0.1)
    assert run(optimizer, p, [0.0, 0.0]) == pytest.approx([0.9, 0.8], abs=2e-3)


def test_late_gradients_start_their_own_bias_correction():
    """Under a count of steps shared by all parameters the late one would move 25.6 % too little."""
    early, late = parameter(1.0), parameter(1.0)
    optimizer = Adam([early, late], learning_rate=0.1)
    for step in range(5):
        set_gradient(early, 1.0)
        if step >= 4:
            set_gradient(late, 1.0)
        optimizer.step()
    assert value(late).item() == pytest.approx(0.9, abs=1e-8)
    assert optimizer.state[early]["update_count"] == 5 and optimizer.state[late]["update_count"] == 1
    assert optimizer.step_count == 5


# The base class

class Descent(Optimizer):
    """The smallest subclass: only what the rule needs."""

    def step_param(self, state, group, gradient, parameter):
        parameter -= group["learning_rate"] * gradient


class CountingAverage(Optimizer):
    """A subclass with state and a hyper-parameter of its own; p becomes the average of its gradients."""

    slice_size = 4

    def __init__(self, parameters, learning_rate=1.0, scale=1.0):
        super().__init__(parameters, learning_rate, scale=scale)

    def init_state(self, state, group, parameter):
        state["total"] = np.zeros_like(parameter)

    def step_param(self, state, group, gradient, parameter):
        assert type(gradient) is np.ndarray and type(parameter) is np.ndarray
        state["total"] += gradient
        parameter[...] = group["scale"] * state["total"] / state["update_count"]


def test_a_subclass_needs_only_its_rule():
    p = parameter([1.0, 2.0])
    optimizer = Descent([p], learning_rate=0.5)
    assert run(optimizer, p, [[2.0, -2.0]]) == [[0.0, 3.0]]
    assert optimizer.param_groups == [{"parameters": [p], "learning_rate": 0.5, "weight_decay": 0.0}]


@pytest.mark.parametrize("shape", [(), (3,), (10,), (2, 3, 3)])
def test_a_subclass_with_state_gets_matching_slices(shape):
    p = parameter(np.zeros(shape))
    gradients = [np.arange(p.size, dtype=float).reshape(shape) + shift for shift in (0.0, 3.0, 6.0)]
    last = run(CountingAverage([p], scale=2.0), p, gradients)[-1]
    np.testing.assert_array_equal(last, 2.0 * gradients[1])


class CountsForItself(Optimizer):
    """A rule that keeps a number beside its arrays."""

    slice_size = 4

    def init_state(self, state, group, parameter):
        state["factor"] = 1.0

    def step_param(self, state, group, gradient, parameter):
        state["factor"] /= 2
        parameter -= state["factor"] * gradient


@pytest.mark.parametrize("size", [1, 4, 5, 11])
def test_a_number_in_the_state_changes_once_a_step_however_many_slices(size):
    p = parameter(np.zeros(size))
    assert run(CountsForItself([p]), p, [np.ones(size)] * 2) == [[-0.5] * size, [-0.75] * size]


def test_a_rule_that_replaces_an_array_of_its_state_is_refused():
    class Replacing(CountingAverage):
        def step_param(self, state, group, gradient, parameter):
            state["total"] = state["total"] + gradient

    optimizer = Replacing([parameter(np.zeros(9), np.ones(9))])
    with pytest.raises(TypeError, match="total.*in place"):
        optimizer.step()


def test_a_rule_that_cannot_start_leaves_nothing_behind():
    class Broken(Descent):
        def init_state(self, state, group, parameter):
            state["half"] = np.zeros_like(parameter)
            raise ZeroDivisionError

    optimizer = Broken([parameter(1.0, 1.0)])
    before = snapshot(optimizer)
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    assert snapshot(optimizer) == before


def test_a_subclass_may_refuse_combinations_of_hyperparameters():
    class Either(Descent):
        def __init__(self, parameters, **options):
            super().__init__(parameters, **{"first": 0.0, "second": 0.0, **options})

        def check_group(self, group):
            if group["first"] and group["second"]:
                raise ValueError("first and second exclude each other")

    optimizer = Either([parameter(1.0)], first=1.0)
    with pytest.raises(ValueError, match="exclude"):
        Either([{"parameters": [parameter(1.0)], "second": 1.0}], first=1.0)
    saved = edited("param_groups", 0, "second", 1.0)(optimizer.state_dict())
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match="exclude"):
        optimizer.load_state_dict(saved)
    assert snapshot(optimizer) == before


def test_the_base_alone_cannot_step():
    p = parameter(1.0, 1.0)
    optimizer = Optimizer([p])
    before = snapshot(optimizer)
    with pytest.raises(NotImplementedError, match="Optimizer"):
        optimizer.step()
    assert snapshot(optimizer) == before
    with pytest.raises(NotImplementedError, match="Optimizer"):
        optimizer.step_param({}, {}, np.ones(()), np.ones(()))


def test_parameters_may_come_from_a_generator():
    variables = [parameter(float(i), 1.0) for i in range(3)]
    optimizer = SGD((p for p in variables), learning_rate=1.0)
    optimizer.step()
    assert [value(p).item() for p in variables] == [-1.0, 0.0, 1.0]
    assert all(a is b for a, b in zip(optimizer.parameters, variables, strict=True))


def test_groups_may_come_from_a_generator():
    a, b = parameter(1.0, 1.0), parameter(2.0, 1.0)
    given = [{"parameters": [p], "learning_rate": rate} for p, rate in ((a, 0.5), (b, 2.0))]
    SGD(group for group in given).step()
    assert (value(a).item(), value(b).item()) == (0.5, 0.0)
    assert given[0] == {"parameters": [a], "learning_rate": 0.5}, "the caller's dictionary was changed"


def test_zero_grad_forgets_all_gradients():
    a, b, c = parameter(1.0, 1.0), parameter(1.0, 2.0), parameter(1.0)
    SGD([{"parameters": [a]}, {"parameters": [b, c]}]).zero_grad()
    assert a.grad is None and b.grad is None and c.grad is None


def test_groups_have_their_own_hyperparameters_and_inherit_the_rest():
    a, b = parameter(1.0, 1.0), parameter(1.0, 1.0)
    groups = [{"parameters": iter([a]), "learning_rate": 0.5}, {"parameters": [b], "weight_decay": 1.0}]
    optimizer = SGD(groups, learning_rate=0.25, momentum=0.5)
    assert [{k: v for k, v in group.items() if k != "parameters"} for group in optimizer.param_groups] == [
        {"learning_rate": 0.5, "weight_decay": 0.0, "momentum": 0.5},
        {"learning_rate": 0.25, "weight_decay": 1.0, "momentum": 0.5}]
    optimizer.step()
    assert (value(a).item(), value(b).item()) == (0.5, 0.5)
    optimizer.step()  # a: v = 1.5, p = .5 - .75; b: g = 1.5, v = .5 * 2 + 1.5 = 2.5, p = .5 - .625
    assert (value(a).item(), value(b).item()) == (-0.25, -0.125)


def test_learning_rate_reads_the_first_group_and_sets_all():
    a, b = parameter(1.0), parameter(1.0)
    optimizer = SGD([{"parameters": [a], "learning_rate": 0.5}, {"parameters": [b]}], learning_rate=0.25)
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate = np.float32(0.125)
    assert [group["learning_rate"] for group in optimizer.param_groups] == [0.125, 0.125]
    assert type(optimizer.learning_rate) is float
    for refused in (-1.0, math.nan, math.inf, "0.1", None, True):
        with pytest.raises((ValueError, TypeError), match="learning_rate"):
            optimizer.learning_rate = refused
    assert [group["learning_rate"] for group in optimizer.param_groups] == [0.125, 0.125]


def test_defaults():
    p = parameter(1.0)
    assert Optimizer([p]).param_groups == [{"parameters": [p], "learning_rate": 0.01, "weight_decay": 0.0}]
    assert SGD([p]).param_groups == [
        {"parameters": [p], "learning_rate": 0.01, "weight_decay": 0.0, "momentum": 0.0}]
    assert Adam([p]).param_groups == [
        {"parameters": [p], "learning_rate": 0.001, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999,
         "epsilon": 1e-8}]


def test_hyperparameters_become_plain_floats():
    p = parameter(1.0)
    groups = [{"parameters": [p], "beta1": np.float32(0.5)}]
    optimizer = Adam(groups, learning_rate=1, epsilon=np.float64(1e-3))
    group = optimizer.param_groups[0]
    assert {name: type(v) for name, v in group.items() if name != "parameters"} == dict.fromkeys(
        ["learning_rate", "weight_decay", "beta1", "beta2", "epsilon"], float)
    assert group["beta1"] == 0.5 and group["learning_rate"] == 1.0


@every_rule
def test_a_numpy_rate_never_widens_float32(make):
    """The same numbers, bit for bit, as with a Python rate: nothing was computed in float64 on the way."""
    plain, numpy = parameter([1.0, -2.0], dtype=np.float32), parameter([1.0, -2.0], dtype=np.float32)
    first, second = make([plain]), make([numpy])
    second.learning_rate = np.float64(0.1)
    for step in range(5):
        gradient = [[1.0, 0.3], [0.7, -1.1]][step % 2]
        assert run(first, plain, [gradient]) == run(second, numpy, [gradient])
    assert value(numpy).dtype == np.float32
    kept = [array for array in second.state[numpy].values() if isinstance(array, np.ndarray)]
    assert all(array.dtype == np.float32 for array in kept)


def test_the_closure_is_called_once_before_the_update_and_its_loss_returned():
    p = parameter(3.0)
    optimizer = SGD([p], learning_rate=0.1)
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = multiply(p, p)
        loss.backward()
        seen.append(loss)
        return loss

    loss = optimizer.step(closure)
    assert loss is seen[0] and len(seen) == 1
    assert loss.item() == 9.0 and value(p).item() == pytest.approx(3.0 - 0.1 * 6.0, abs=1e-15)
    assert optimizer.step() is None


def test_a_closure_that_fails_changes_nothing():
    optimizer = SGD([parameter(1.0, 1.0)], momentum=0.9)
    before = snapshot(optimizer)
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    assert snapshot(optimizer) == before


def test_step_count_counts_calls_and_update_count_updates():
    a, b = parameter(1.0, 1.0), parameter(1.0)
    optimizer = SGD([a, b])
    optimizer.step()
    a.grad = None
    optimizer.step()
    assert optimizer.step_count == 2
    assert optimizer.state[a]["update_count"] == 1 and not optimizer.state.get(b)


def test_state_is_made_at_the_first_update_of_its_parameter():
    a, b = parameter([1.0, 2.0], [1.0, 1.0]), parameter(1.0)
    for optimizer, kept in ((SGD([a, b], momentum=0.9), "momentum_buffers"), (SGD([a, b]), None),
                            (Adam([a, b]), "first_moment"), (Adam([a, b]), "second_moment")):
        assert len(optimizer.state) == 0
        optimizer.step()
        if kept is None:
            assert len(optimizer.momentum_buffers) == 0
        else:
            assert len(getattr(optimizer, kept)) == 1


def test_the_buffers_hold_what_the_equations_say():
    p = parameter(1.0)
    sgd = SGD([p], learning_rate=0.1, momentum=0.9)
    run(sgd, p, [1.0, 2.0])
    assert sgd.momentum_buffers == {p: pytest.approx(0.9 * 1.0 + 2.0)}
    adam = Adam([p], beta1=0.9, beta2=0.99)
    run(adam, p, [1.0, 2.0])
    assert adam.first_moment == {p: pytest.approx(0.9 * 0.1 + 0.1 * 2.0)}
    assert adam.second_moment == {p: pytest.approx(0.99 * 0.01 + 0.01 * 4.0)}


@pytest.mark.parametrize("momentum, expected", [(0.5, [0.8, 0.65]), (1.0, [0.8, 0.6])])
def test_momentum_may_be_switched_on_later(momentum, expected):
    p = parameter(1.0)
    optimizer = SGD([p], learning_rate=0.1)
    run(optimizer, p, [1.0])
    optimizer.param_groups[0]["momentum"] = momentum
    assert run(optimizer, p, [1.0, 1.0]) == pytest.approx(expected, abs=1e-15)
    assert optimizer.state[p]["update_count"] == 3


def test_two_parameters_of_one_shape_do_not_share_state():
    a, b = parameter([0.0, 0.0]), parameter([0.0, 0.0])
    optimizer = Adam([a, b], learning_rate=0.1)
    for _ in range(2):
        set_gradient(a, [1.0, 1.0])
        set_gradient(b, [-2.0, 2.0])
        optimizer.step()
    moments = list(optimizer.first_moment.values())
    assert not np.shares_memory(*moments)
    np.testing.assert_allclose(moments[0], [0.19, 0.19])
    np.testing.assert_allclose(moments[1], [-0.38, 0.38])


@every_rule
def test_gradients_are_only_read(make):
    p = parameter([1.0, 2.0, 3.0], [0.5, 0.0, -1.0])
    gradient = p.grad.data.data
    gradient.flags.writeable = False
    optimizer = make([p])
    optimizer.step()
    optimizer.step()
    assert gradient.tolist() == [0.5, 0.0, -1.0] and p.grad.data.data is gradient
    kept = [array for array in optimizer.state[p].values() if isinstance(array, np.ndarray)]
    assert not any(np.shares_memory(array, gradient) for array in kept)


@every_rule
def test_the_array_is_updated_in_place_and_read_afresh_at_each_step(make):
    p = parameter([1.0, 2.0], [1.0, 1.0])
    first = value(p)
    optimizer = make([p])
    optimizer.step()
    assert value(p) is first and first.tolist() != [1.0, 2.0]
    after_first = first.tolist()
    assigned = np.array([10.0, 20.0])
    p.data = Tensor.from_numpy(assigned)
    optimizer.step()
    assert first.tolist() == after_first
    assert value(p) is assigned and assigned[0] != 10.0


def test_assigning_data_keeps_the_state():
    p = parameter(1.0)
    optimizer = SGD([p], learning_rate=0.1, momentum=0.9)
    run(optimizer, p, [1.0])
    p.data = Tensor(np.array(5.0))
    assert run(optimizer, p, [1.0]) == pytest.approx([5.0 - 0.1 * 1.9])


@every_rule
def test_a_step_leaves_the_parameter_a_leaf_that_can_be_trained_on(make):
    p = parameter([1.0, 2.0])
    optimizer = make([p])
    for _ in range(2):
        optimizer.zero_grad()
        (p * p).sum().backward()
        assert p.grad.data.tolist() == (2 * value(p)).tolist()
        optimizer.step()
        assert p.is_leaf and p.grad_fn is None and p.requires_grad


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@every_rule
def test_gradients_that_are_not_finite_spoil_only_their_own_coordinate(make, bad):
    clean, spoilt = parameter([1.0, 1.0]), parameter([1.0, 1.0])
    first, second = make([clean]), make([spoilt])
    with np.errstate(invalid="ignore", over="ignore"):
        run(first, clean, [[0.5, 0.5]] * 2)
        run(second, spoilt, [[0.5, bad], [0.5, 0.5]])
    assert value(spoilt)[0] == value(clean)[0]
    assert not np.isfinite(value(spoilt)[1])


def test_repr_names_the_rule_and_its_numbers():
    text = repr(SGD([parameter(1.0), parameter(2.0)], learning_rate=0.125, momentum=0.5))
    assert "SGD" in text and "0.125" in text and "0.5" in text


# Weight decay

class Shrink:
    """A decay that takes hold of the parameter instead of the gradient."""

    def __init__(self, strength: float):
        self.strength = strength

    def apply(self, gradient, group, parameter):
        parameter *= 1 - group["learning_rate"] * self.strength
        return gradient


def test_a_decay_object_takes_the_place_of_l2():
    """Decoupled decay, p = 1, g = 1, rate and decay .1: p shrinks to .99, then moves by .1 to .89."""
    for gradients, expected in (([1.0], [0.89]), ([0.0, 0.0], [0.99, 0.9801])):
        p = parameter(1.0)
        optimizer = Adam([p], learning_rate=0.1, weight_decay=Shrink(0.1))
        assert run(optimizer, p, gradients) == pytest.approx(expected, abs=1e-8)


def test_a_decay_object_belongs_to_a_group_and_sees_every_slice_once():
    decayed, free = parameter(np.ones(10), np.zeros(10)), parameter(1.0, 0.0)
    tiny = type("Tiny", (SGD,), {"slice_size": 3})
    groups = [{"parameters": [decayed], "weight_decay": Shrink(1.0)}, {"parameters": [free]}]
    tiny(groups, learning_rate=0.5).step()
    assert value(decayed).tolist() == [0.5] * 10 and value(free).item() == 1.0


def test_a_decay_object_survives_saving():
    p = parameter(1.0)
    hook = Shrink(0.5)
    optimizer = SGD([p], weight_decay=hook)
    assert optimizer.state_dict()["param_groups"][0]["weight_decay"].strength == 0.5
    other = SGD([parameter(1.0)], weight_decay=0.0)
    other.load_state_dict(optimizer.state_dict())
    assert run(other, other.parameters[0], [0.0]) == [1 - 0.01 * 0.5]


# Refusals

SHARED = Variable(np.array(1.0))
BAD_PARAMETERS = [
    ([], ValueError, "empty|no param"),
    (iter(()), ValueError, "empty|no param"),
    ([{"parameters": []}], ValueError, "empty|no param"),
    (SHARED, TypeError, r"list|\["),
    ([{"parameters": SHARED}], TypeError, r"list|\["),
    ([SHARED, SHARED], ValueError, "same|twice"),
    ([{"parameters": [SHARED]}, {"parameters": [SHARED]}], ValueError, "same|twice"),
    ([SHARED, np.zeros(3)], TypeError, "1.*ndarray"),
    ([Tensor([1.0])], TypeError, "Tensor"),
    ([1.0], TypeError, "float"),
    ("ab", TypeError, "str"),
    (None, TypeError, "None"),
    (3, TypeError, "int"),
    ({"parameters": [SHARED]}, TypeError, "dict"),
    ([{"learning_rate": 0.1}], ValueError, "parameters"),
    ([{"parameters": [SHARED], "lr": 0.1}], ValueError, "lr"),
    ([{"parameters": [SHARED]}, Variable(np.array(2.0))], TypeError, "group"),
    ([Variable(np.array(2.0)), {"parameters": [SHARED]}], TypeError, "group"),
    ([Variable(np.array([1.0], dtype=np.float16))], TypeError, "float16"),
    ([Variable(np.array([1, 2]), requires_grad=False)], TypeError, "int"),
    ([multiply(SHARED, 2.0)], ValueError, "leaf|leaves"),
]


@pytest.mark.parametrize("make", [Optimizer, SGD, Adam])
@pytest.mark.parametrize("parameters, error, message", BAD_PARAMETERS, ids=range(len(BAD_PARAMETERS)))
def test_what_cannot_be_optimized_is_refused(make, parameters, error, message):
    if hasattr(parameters, "__next__"):
        parameters = iter(())
    with pytest.raises(error, match=message) as refusal:
        make(parameters)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name, maker", [
    (name, maker) for maker, names in ((Optimizer, ["learning_rate", "weight_decay"]),
                                       (SGD, ["learning_rate", "momentum", "weight_decay"]),
                                       (Adam, ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay"]))
    for name in names])
@pytest.mark.parametrize("bad, error", [
    (-0.1, ValueError), (math.nan, ValueError), (math.inf, ValueError), (-math.inf, ValueError),
    pytest.param(10**400, ValueError, id="too large for a float"),
    ("0.1", TypeError), (None, TypeError), (True, TypeError), ([0.1], TypeError), (1j, TypeError)])
def test_a_bad_hyperparameter_is_refused_by_name(maker, name, bad, error):
    with pytest.raises(error, match=name):
        maker([parameter(1.0)], **{name: bad})
    with pytest.raises(error, match=name):
        maker([{"parameters": [parameter(1.0)], name: bad}])


@pytest.mark.parametrize("name", ["beta1", "beta2"])
def test_a_beta_lies_below_one(name):
    for bad in (1.0, 1, 1.5):
        with pytest.raises(ValueError, match=name):
            Adam([parameter(1.0)], **{name: bad})
    Adam([parameter(1.0)], **{name: 0.0})


@every_rule
def test_a_gradient_of_another_shape_is_refused_before_anything_moves(make):
    good, bad = parameter([1.0, 2.0], [1.0, 1.0]), parameter([[1.0, 2.0]], [[1.0, 1.0]])
    optimizer = make([good, bad])
    optimizer.step()
    for wrong in ([1.0, 1.0], 1.0, [[1.0], [1.0]]):
        set_gradient(bad, wrong)
        before = snapshot(optimizer)
        with pytest.raises(ValueError) as refusal:
            optimizer.step()
        assert str(np.shape(wrong)) in str(refusal.value) and "(1, 2)" in str(refusal.value)
        assert snapshot(optimizer) == before


@every_rule
def test_a_read_only_parameter_is_refused_before_anything_moves(make):
    good, bad = parameter([1.0, 2.0], [1.0, 1.0]), parameter([1.0, 2.0], [1.0, 1.0])
    optimizer = make([good, bad])
    bad.data = Tensor.from_numpy(np.broadcast_to(1.0, (2,)))
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match="1.*read-only"):
        optimizer.step()
    assert snapshot(optimizer) == before


def test_a_gradient_that_is_no_variable_is_refused():
    p = parameter(1.0)
    optimizer = SGD([p])
    before = snapshot(optimizer)
    p.grad = np.array(1.0)
    with pytest.raises(TypeError, match="ndarray"):
        optimizer.step()
    assert snapshot(optimizer) == before


# Memory layouts, slices and allocations

LAYOUTS = {
    "C": lambda shape: np.zeros(shape),
    "Fortran": lambda shape: np.zeros(shape, order="F"),
    "strided": lambda shape: np.zeros([2 * n for n in shape])[tuple(slice(None, None, 2) for _ in shape)],
    "reversed": lambda shape: np.zeros(shape)[tuple(slice(None, None, -1) for _ in shape)],
    "permuted": lambda shape: np.moveaxis(np.zeros(shape[-1:] + shape[:-1]), 0, -1),
}


def laid_out(values: np.ndarray, layout: str) -> np.ndarray:
    result = LAYOUTS[layout](values.shape) if values.ndim else np.zeros(())
    result[...] = values
    return result


@settings(max_examples=150, deadline=None)
@given(shape=st.lists(st.integers(0, 5), max_size=4).map(tuple), layout=st.sampled_from(sorted(LAYOUTS)),
       gradient_layout=st.sampled_from(sorted(LAYOUTS)), slice_size=st.integers(1, 30),
       rule=st.sampled_from(sorted(MAKERS)), seed=st.integers(0, 1000))
def test_slices_and_layouts_change_no_bit(shape, layout, gradient_layout, slice_size, rule, seed):
    generator = np.random.default_rng(seed)
    start, *gradients = generator.standard_normal((4, *shape))
    whole, sliced = Variable(start), Variable(Tensor.from_numpy(laid_out(start, layout)))
    array = value(sliced)
    first, second = MAKERS[rule]([whole]), MAKERS[rule]([sliced])
    second.slice_size = slice_size
    for gradient in gradients:
        whole.grad = Variable(gradient)
        sliced.grad = Variable(Tensor.from_numpy(laid_out(gradient, gradient_layout)))
        first.step()
        second.step()
    assert value(sliced) is array
    np.testing.assert_array_equal(array, value(whole))


def test_an_update_through_a_view_leaves_its_surroundings_alone():
    base = np.zeros((6, 6))
    p = Variable(Tensor.from_numpy(base[1:5:2, ::3]))
    set_gradient(p, np.ones((2, 2)))
    SGD([p], learning_rate=1.0).step()
    expected = np.zeros((6, 6))
    expected[np.ix_([1, 3], [0, 3])] = -1.0
    np.testing.assert_array_equal(base, expected)


@every_rule
def test_a_large_array_is_sliced_and_agrees_with_the_reference(make):
    """200,001 numbers with three gradients in turn: each number follows the path it would take alone."""
    optimizer = make([parameter(np.ones(200_001))])
    [p] = optimizer.parameters
    pattern = np.tile([1.0, -0.5, 0.0], 66_667)
    for scale in (1.0, 2.0, -1.0):
        set_gradient(p, scale * pattern)
        optimizer.step()
    group = {k: v for k, v in optimizer.param_groups[0].items() if k != "parameters"}
    rule = "Adam" if isinstance(optimizer, Adam) else "SGD"
    gradients = [scale * pattern[:3] for scale in (1.0, 2.0, -1.0)]
    expected = array_path(rule, np.ones(3), gradients, **group)[-1]
    np.testing.assert_allclose(value(p).reshape(-1, 3), np.tile(expected, (66_667, 1)), rtol=0, atol=1e-14)


LARGE = {
    "flat": lambda: np.zeros(4_000_000, np.float32),
    "Fortran": lambda: np.zeros((2000, 2000), np.float32, order="F"),
    "strided": lambda: np.zeros((2000, 4000), np.float32)[:, ::2],
    "tall": lambda: np.zeros((4_000_000, 1), np.float32)[::-1],
}


@pytest.mark.parametrize("layout", LARGE)
@every_rule
def test_a_steady_step_allocates_nothing_of_the_parameters_size(make, layout):
    array = LARGE[layout]()
    p = Variable(Tensor.from_numpy(array))
    p.grad = Variable(Tensor.from_numpy(np.ones(array.shape, np.float32)))
    optimizer = make([p])
    optimizer.step()
    tracemalloc.start()
    try:
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < array.size * array.itemsize / 4, f"a step held {peak / 2**20:.1f} MiB"


# Saving and resuming

def through_pickle(saved: dict) -> dict:
    return pickle.loads(pickle.dumps(saved))


def through_npz(saved: dict) -> dict:
    """As a training script would keep it: in an .npz file, from which counts come back as 0-d arrays."""
    arrays = {f"{position}.{name}": kept
              for position, state in saved["state"].items() for name, kept in state.items()}
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    result = {"step_count": saved["step_count"], "param_groups": saved["param_groups"], "state": {}}
    with np.load(file) as stored:
        for key in stored.files:
            position, name = key.split(".")
            result["state"].setdefault(int(position), {})[name] = stored[key]
    return result


def numpy_counts(saved: dict) -> dict:
    """Counts as NumPy integers, which is what indexing a loaded array gives."""
    saved = copy.deepcopy(saved)
    saved["step_count"] = np.int64(saved["step_count"])
    for state in saved["state"].values():
        state["update_count"] = np.int64(state["update_count"])
    return saved


def make_training(make, dtype) -> tuple[Optimizer, list[Variable]]:
    variables = [parameter(np.full(shape, 0.5), dtype=dtype) for shape in ((), (3,), (2, 2), (2, 1, 2))]
    groups = [{"parameters": variables[:2]}, {"parameters": variables[2:], "learning_rate": 0.03}]
    return make(groups), variables


def train(optimizer: Optimizer, variables: list[Variable], steps: range) -> None:
    for step in steps:
        generator = np.random.default_rng(step)
        for i, variable in enumerate(variables):
            gradient = generator.standard_normal(variable.shape)
            variable.grad = None
            if (step + i) % 4:
                set_gradient(variable, gradient)
        optimizer.step()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("carry", [copy.deepcopy, through_pickle, through_npz, numpy_counts])
@pytest.mark.parametrize("before", [0, 1, 7])
@every_rule
def test_training_resumes_bit_for_bit(make, before, carry, dtype):
    optimizer, variables = make_training(make, dtype)
    train(optimizer, variables, range(before))
    saved, arrays = carry(optimizer.state_dict()), [value(v).copy() for v in variables]
    train(optimizer, variables, range(before, 15))

    resumed, others = make_training(make, dtype)
    resumed.learning_rate = 7.0  # what is loaded replaces it
    for variable, array in zip(others, arrays):
        variable.data = Tensor(array)
    resumed.load_state_dict(saved)
    train(resumed, others, range(before, 15))
    assert snapshot(resumed) == snapshot(optimizer)


@every_rule
def test_the_state_dictionary_shares_no_memory(make):
    optimizer, variables = make_training(make, np.float64)
    train(optimizer, variables, range(5))
    saved = optimizer.state_dict()
    frozen = bits(saved)
    train(optimizer, variables, range(5, 8))
    assert bits(saved) == frozen
    other, _ = make_training(make, np.float64)
    other.load_state_dict(saved)
    train(other, other.parameters, range(5, 8))
    assert bits(saved) == frozen
    saved["param_groups"][0]["learning_rate"] = 99.0
    assert other.learning_rate == optimizer.learning_rate == 0.1


def test_a_whole_optimizer_can_be_copied_and_pickled():
    for carry in (copy.deepcopy, through_pickle):
        optimizer, variables = make_training(MAKERS["Adam"], np.float64)
        train(optimizer, variables, range(4))
        twin = carry(optimizer)
        assert snapshot(twin) == snapshot(optimizer)
        train(optimizer, variables, range(4, 8))
        train(twin, twin.parameters, range(4, 8))
        assert snapshot(twin) == snapshot(optimizer)
        assert not any(np.shares_memory(value(a), value(b)) for a, b in zip(twin.parameters, variables))


def edited(*path_and_value):
    """An edit of a state dictionary: the last argument is put at the place that those before it name."""
    *path, last, new = path_and_value

    def edit(saved: dict):
        inner = saved
        for key in path:
            inner = inner[key]
        inner[last] = new
        return saved

    return edit


def without(*path):
    *path, last = path

    def edit(saved: dict):
        inner = saved
        for key in path:
            inner = inner[key]
        del inner[last]
        return saved

    return edit


MISFITS = {
    "not a dictionary": lambda saved: [saved],
    "no step count": without("step_count"),
    "no groups": without("param_groups"),
    "no state": without("state"),
    "an unknown key": edited("extra", 1),
    "a negative step count": edited("step_count", -1),
    "a fractional step count": edited("step_count", 1.5),
    "groups are no list": edited("param_groups", {}),
    "state is no dictionary": edited("state", []),
    "one group too few": lambda saved: {**saved, "param_groups": saved["param_groups"][:1]},
    "one group too many": lambda saved: {**saved, "param_groups": saved["param_groups"] * 2},
    "a group of another size": edited("param_groups", 0, "parameters", [0]),
    "a group without its rate": without("param_groups", 0, "learning_rate"),
    "a group of another rule": edited("param_groups", 0, "nesterov", 1.0),
    "a group that is none": edited("param_groups", 1, 3),
    "a negative rate": edited("param_groups", 1, "learning_rate", -1.0),
    "a rate that is no number": edited("param_groups", 1, "learning_rate", "fast"),
    "a beta of one": edited("param_groups", 1, "beta2", 1.0),
    "state of a parameter too many": edited("state", 4, {"update_count": 1}),
    "state under a name": edited("state", "w", {"update_count": 1}),
    "state that is none": edited("state", 3, None),
    "a count of zero": edited("state", 3, "update_count", 0),
    "a count that is a float": edited("state", 3, "update_count", 2.0),
    "no count": without("state", 3, "update_count"),
    "no second moment": without("state", 3, "second_moment"),
    "a moment of another shape": edited("state", 3, "first_moment", np.zeros((2, 2))),
    "a moment of another type": edited("state", 3, "first_moment", np.zeros((2, 1, 2), np.float32)),
    "a moment that is a list": edited("state", 3, "first_moment", [[[0.0, 0.0]], [[0.0, 0.0]]]),
}


@pytest.mark.parametrize("misfit", MISFITS.values(), ids=MISFITS.keys())
def test_a_state_dictionary_that_does_not_fit_changes_nothing(misfit):
    optimizer, variables = make_training(MAKERS["Adam"], np.float64)
    train(optimizer, variables, range(5))
    saved = misfit(optimizer.state_dict())
    train(optimizer, variables, range(5, 7))
    before = snapshot(optimizer)
    with pytest.raises((ValueError, TypeError)) as refusal:
        optimizer.load_state_dict(saved)
    assert len(str(refusal.value)) > 20 and "\n" not in str(refusal.value)
    assert snapshot(optimizer) == before


def test_state_for_a_parameter_too_many_is_refused_with_the_positions_there_are():
    optimizer, _ = make_training(MAKERS["Adam"], np.float64)
    with pytest.raises(ValueError, match="4.* 0 to 3"):
        optimizer.load_state_dict(edited("state", 4, {"update_count": 1})(optimizer.state_dict()))


def test_the_state_of_another_optimizer_does_not_fit():
    sgd, variables = make_training(MAKERS["SGD with momentum"], np.float64)
    train(sgd, variables, range(3))
    adam, _ = make_training(MAKERS["Adam"], np.float64)
    with pytest.raises(ValueError, match="momentum"):
        adam.load_state_dict(sgd.state_dict())


# StepLR

def rates_after_calls(schedule: StepLR, calls: int) -> list[float]:
    rates = []
    for _ in range(calls):
        schedule.step()
        rates.append(schedule.optimizer.learning_rate)
        assert schedule.get_lr() == pytest.approx(rates[-1], rel=1e-15)
    return rates


def test_steplr_table():
    """The k-th call opens epoch k - 1; PyTorch's k // step_size, at an epoch's end, is one call ahead."""
    schedule = StepLR(SGD([parameter(1.0)], learning_rate=0.1), step_size=3, gamma=0.1)
    ours = rates_after_calls(schedule, 7)
    assert ours == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001], rel=1e-12)
    pytorch = [0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]
    assert pytorch[:-1] == pytest.approx(ours[1:], rel=1e-12)
    assert schedule.step_count == 7 and schedule.initial_lr == 0.1


def test_the_steplr_constructor_changes_nothing():
    optimizer = SGD([parameter(1.0)], learning_rate=0.1)
    before = snapshot(optimizer)
    schedule = StepLR(optimizer, step_size=1)
    assert snapshot(optimizer) == before
    assert schedule.get_lr() == 0.1 and schedule.step_count == 0 and schedule.gamma == 0.1


def test_steplr_scales_each_group_from_its_own_rate():
    groups = [{"parameters": [parameter(1.0)], "learning_rate": 0.5}, {"parameters": [parameter(1.0)]}]
    optimizer = SGD(groups, learning_rate=0.125)
    schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    for _ in range(5):
        schedule.step()
    assert [group["learning_rate"] for group in optimizer.param_groups] == [0.125, 0.03125]
    assert schedule.get_lr() == 0.125 and schedule.initial_lr == 0.5


def test_steplr_rates_come_from_the_initial_rate_without_drift():
    schedule = StepLR(SGD([parameter(1.0)], learning_rate=0.3), step_size=1, gamma=0.7)
    rates = rates_after_calls(schedule, 60)
    assert rates == [0.3 * 0.7**k for k in range(60)]


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_steplr_resumes(calls):
    first = StepLR(SGD([parameter(1.0)], learning_rate=0.5), step_size=2, gamma=0.5)
    rates_after_calls(first, calls)
    saved = through_pickle(first.state_dict())
    expected = rates_after_calls(first, 6)
    second = StepLR(SGD([parameter(1.0)], learning_rate=9.0), step_size=7, gamma=0.9)
    second.load_state_dict(saved)
    assert rates_after_calls(second, 6) == expected
    assert second.initial_lr == 0.5


class Halving(Schedule):
    """A schedule with an option of its own."""

    def __init__(self, optimizer, base=2.0):
        super().__init__(optimizer)
        self.base = base

    def factor(self, epoch):
        return self.base**-epoch


def test_a_schedule_needs_only_its_factor():
    groups = [{"parameters": [parameter(1.0)], "learning_rate": 8.0}, {"parameters": [parameter(1.0)]}]
    optimizer = SGD(groups, learning_rate=4.0)
    schedule = Halving(optimizer)
    for expected in ([8.0, 4.0], [4.0, 2.0], [2.0, 1.0]):
        schedule.step()
        assert [group["learning_rate"] for group in optimizer.param_groups] == expected
        assert schedule.get_lr() == expected[0] and schedule.initial_lr == 8.0
    resumed = Halving(SGD(groups, learning_rate=1.0), base=3.0)
    resumed.load_state_dict(schedule.state_dict())
    resumed.step()
    assert [group["learning_rate"] for group in resumed.optimizer.param_groups] == [1.0, 0.5]


def test_the_base_of_schedules_alone_cannot_step():
    optimizer = SGD([parameter(1.0)], learning_rate=0.1)
    with pytest.raises(NotImplementedError, match="factor"):
        Schedule(optimizer).step()
    assert optimizer.learning_rate == 0.1
    with pytest.raises(TypeError, match="list"):
        Schedule([parameter(1.0)])


@pytest.mark.parametrize("misfit", [
    lambda saved: None, lambda saved: [], lambda saved: {}, without("gamma"), edited("extra", 1),
    edited("step_count", -1), edited("step_count", 1.0), edited("step_size", 0), edited("gamma", -1.0),
    edited("gamma", "half"), edited("initial_lrs", [-1.0]), edited("initial_lrs", 0.5),
    edited("initial_lrs", [])], ids=range(13))
def test_steplr_refuses_a_state_that_does_not_fit(misfit):
    schedule = StepLR(SGD([parameter(1.0)], learning_rate=0.5), step_size=2, gamma=0.5)
    schedule.step()
    before = schedule.state_dict()
    with pytest.raises((ValueError, TypeError)):
        schedule.load_state_dict(misfit(schedule.state_dict()))
    assert schedule.state_dict() == before


def test_steplr_refuses_the_state_of_other_groups():
    one = StepLR(SGD([parameter(1.0)], learning_rate=0.5), step_size=2)
    two = StepLR(SGD([{"parameters": [parameter(1.0)]}, {"parameters": [parameter(1.0)]}]), step_size=2)
    before = two.state_dict()
    with pytest.raises(ValueError):
        two.load_state_dict(one.state_dict())
    assert two.state_dict() == before


@pytest.mark.parametrize("options, error", [
    ({"step_size": 0}, ValueError), ({"step_size": -1}, ValueError), ({"step_size": 1.5}, TypeError),
    ({"step_size": True}, TypeError), ({"step_size": "3"}, TypeError), ({"step_size": None}, TypeError),
    ({"step_size": 1, "gamma": -0.1}, ValueError), ({"step_size": 1, "gamma": 0}, ValueError),
    ({"step_size": 1, "gamma": math.nan}, ValueError),
    ({"step_size": 1, "gamma": math.inf}, ValueError), ({"step_size": 1, "gamma": "0.1"}, TypeError)])
def test_steplr_refusals(options, error):
    optimizer = SGD([parameter(1.0)])
    with pytest.raises(error, match="gamma" if "gamma" in options else "step_size"):
        StepLR(optimizer, **options)
    with pytest.raises(TypeError):
        StepLR([parameter(1.0)], step_size=1)


# The training loop

def line_by_hand(x_data, y_data, epochs, move) -> tuple[float, float]:
    """Fit y = w x + b in plain Python: `move(gradients, rate_factor)` gives the step of both coordinates."""
    history: list[tuple[float, float]] = []
    w, b = 0.1, 0.0
    for epoch in range(epochs):
        for x, y in zip(x_data, y_data):
            error = w * x + b - y
            history.append((2 * error * x, 2 * error))
            dw, db = move(history, 0.5 ** (epoch // 30))
            w, b = w - dw, b - db
    return w, b


def sgd_move(history, factor):
    """The heavy ball, its velocity summed afresh over the last 200 gradients (0.9 ** 200 is 7e-10)."""
    newest_first = history[:-201:-1]
    return [factor * 0.01 * sum(0.9**age * g[k] for age, g in enumerate(newest_first)) for k in (0, 1)]


def adam_move(history, factor):
    def average(values, beta):
        weights = [beta ** (len(values) - 1 - i) for i in range(len(values))]
        return math.fsum(w * v for w, v in zip(weights, values)) / math.fsum(weights)

    return [factor * 0.1 * average([g[k] for g in history], 0.9)
            / (math.sqrt(average([g[k] ** 2 for g in history], 0.999)) + 1e-8) for k in (0, 1)]


def test_train_simple_model_reaches_the_documented_values():
    sgd_w, sgd_b, adam_w, adam_b = train_simple_model()
    assert (sgd_w, sgd_b) == pytest.approx((2.0, 1.0), abs=1e-3)
    assert (adam_w, adam_b) == pytest.approx((1.965, 1.124), abs=1e-3)
    assert all(type(number) is float for number in (sgd_w, sgd_b, adam_w, adam_b))


def test_adam_at_a_hundredth_cannot_get_there_in_time():
    """150 updates at 0.01 and 150 at 0.005 cover about 2.25 of way at most; it stops at (1.42, 1.50)."""
    w, b = Variable(0.1), Variable(0.0)
    optimizer = Adam([w, b], learning_rate=0.01)
    x_data, y_data = [1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 5.0, 7.0, 9.0, 11.0]
    fit_line(w, b, optimizer, StepLR(optimizer, 30, 0.5), x_data, y_data, epochs=60)
    assert (w.data.item(), b.data.item()) == pytest.approx((1.42, 1.50), abs=0.01)
    assert optimizer.step_count == 300


def test_train_simple_model_is_the_same_every_time():
    assert train_simple_model(epochs=3) == train_simple_model(epochs=3)


@pytest.mark.parametrize("epochs", [1, 30, 33])
def test_train_simple_model_follows_the_plain_loop_on_other_data(epochs):
    x_data, y_data = [-1.0, 0.5, 2.0], [2.5, 1.0, -0.5]
    sgd, adam = (line_by_hand(x_data, y_data, epochs, move) for move in (sgd_move, adam_move))
    assert train_simple_model(x_data, y_data, epochs=epochs) == pytest.approx((*sgd, *adam), abs=1e-4)


@pytest.mark.parametrize("arguments, error, message", [
    ({"x_data": [1.0]}, ValueError, "y_data"),
    ({"y_data": [1.0]}, ValueError, "x_data"),
    ({"x_data": [1.0, 2.0], "y_data": [1.0]}, ValueError, "2 and 1"),
    ({"x_data": [], "y_data": []}, ValueError, "at least one"),
    ({"epochs": -1}, ValueError, "epochs"),
    ({"epochs": 1.5}, TypeError, "epochs"),
    ({"epochs": True}, TypeError, "epochs"),
    ({"x_data": ["a"], "y_data": [1.0]}, (TypeError, ValueError), "float")])
def test_train_simple_model_refuses_what_it_cannot_train(arguments, error, message):
    with pytest.raises(error, match=message):
        train_simple_model(**arguments)


def test_train_simple_model_without_epochs_returns_the_starting_line():
    assert train_simple_model(epochs=0) == pytest.approx((0.1, 0.0, 0.1, 0.0), abs=1e-7)


def test_train_simple_model_opens_every_epoch_with_each_schedule():
    made = []

    class Recording:
        def __init__(self, optimizer, step_size, gamma):
            self.optimizer, self.steps_before = optimizer, []
            made.append((type(optimizer).__name__, step_size, gamma, self))

        def step(self):
            self.steps_before.append(self.optimizer.step_count)

    train_simple_model([1.0, 2.0], [1.0, 2.0], epochs=3, scheduler=Recording)
    assert sorted(entry[:3] for entry in made) == [("Adam", 30, 0.5), ("SGD", 30, 0.5)]
    assert all(entry[3].steps_before == [0, 2, 4] for entry in made)
    assert all(entry[3].optimizer.step_count == 6 for entry in made)


# The package

def test_importing_the_optimizers_brings_nothing_but_numpy_and_prints_nothing():
    program = ("import sys, numpy; before = set(sys.modules); import tinytorch.core.optimizers; "
               "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
               "print(*sorted(new - {'tinytorch'} - sys.stdlib_module_names), end='')")
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_examples_of_the_documentation_are_true():
    result = doctest.testmod(optimizers)
    assert result.failed == 0 and result.attempted >= 8


@pytest.mark.parametrize("name", ["gradient_descent_step", "Optimizer", "SGD", "Adam", "StepLR",
                                  "train_simple_model"])
def test_what_the_package_promises_is_exported_and_documented(name):
    assert name in optimizers.__all__
    assert ">>>" in getattr(optimizers, name).__doc__


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (np.zeros(3, np.float32), ValueError, r"^parameter 1 has shape \(3,\) now, .* \(2,\); make a new optimizer$"),
        (np.zeros(2, np.float16), TypeError, "^parameter 1 is now float16; parameters are float32 or float64$"),
    ],
)
def test_a_parameter_that_was_exchanged_is_refused_before_anything_moves(changed, error, message):
    first, second = Variable([1.0, 2.0]), Variable([3.0, 4.0])
    optimizer = Adam([first, second], learning_rate=0.1)
    for parameter in (first, second):
        parameter.grad = Variable([1.0, 1.0])
    optimizer.step()
    second.data = changed
    second.grad = Variable(np.ones_like(changed))
    before = first.data.tolist()
    with pytest.raises(error, match=message):
        optimizer.step()
    assert first.data.tolist() == before and optimizer.step_count == 1
    assert optimizer.state[first]["update_count"] == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16])
def test_a_gradient_of_narrow_numbers_does_not_overflow(dtype):
    narrow, wide = Variable([1.0]), Variable([1.0])
    narrow.grad = Variable(np.array([100], dtype), requires_grad=False)
    wide.grad = Variable([100.0])
    for parameter in (narrow, wide):
        Adam([parameter], learning_rate=0.1).step()
    assert narrow.data.tolist() == wide.data.tolist()


def test_state_of_a_parameter_that_left_its_group_is_not_saved():
    stays, leaves = Variable([1.0]), Variable([2.0])
    optimizer = SGD([stays, leaves], learning_rate=0.1, momentum=0.9)
    for parameter in (stays, leaves):
        parameter.grad = Variable([1.0])
    optimizer.step()
    optimizer.param_groups[0]["parameters"] = [stays]
    saved = optimizer.state_dict()
    assert list(saved["state"]) == [0] and saved["param_groups"][0]["parameters"] == [0]
