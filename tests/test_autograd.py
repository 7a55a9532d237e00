"""core.autograd against worked numbers, complex steps and numbers recorded from PyTorch."""
from __future__ import annotations

import copy
import doctest
import gc
import json
import pickle
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from recorded.record_autograd import EXPRESSIONS, INPUTS

import tinytorch.core.autograd as autograd
from tinytorch.core.autograd import (
    Node, Variable, accumulate, add, backward_order, check_gradients, divide, exp, getitem, input_gradients,
    log, matmul, max, maximum, mean, min, minimum, multiply, negate, no_grad, numerical_gradient, power,
    reshape, sqrt, subtract, sum,
    transpose, unbroadcast,
)
from tinytorch.core.tensor import Operation, Tensor

RECORDED = json.loads((Path(__file__).parent / "recorded" / "autograd.json").read_text(encoding="utf-8"))


def numbers(value) -> np.ndarray:
    """The array inside a Variable, a Tensor or a gradient."""
    return value.data.data if isinstance(value, Variable) else value.data


def gradients(function, *arguments) -> list[np.ndarray]:
    variables = [Variable(np.asarray(argument, dtype=np.float64)) for argument in arguments]
    function(*variables).backward()
    return [numbers(variable.grad) for variable in variables]


def test_doctests():
    result = doctest.testmod(autograd, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 10
    assert result.failed == 0


# ---------------------------------------------------------------- against PyTorch

@pytest.mark.parametrize("title", EXPRESSIONS)
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_gradients_recorded_from_pytorch(title, dtype, tolerance):
    recorded = RECORDED["expressions"][title]
    assert recorded["text"] == EXPRESSIONS[title], "run tests/recorded/record_autograd.py again"
    inputs = {name: Variable(np.array(value, dtype=dtype)) for name, value in INPUTS.items()}
    names = {
        "maximum": maximum, "minimum": minimum,
        "amax": lambda x, axis: max(x, axis=axis), "amin": lambda x, axis: min(x, axis=axis),
    }
    result = eval(EXPRESSIONS[title], {**names, **inputs})
    assert result.dtype == dtype
    np.testing.assert_allclose(result.item(), recorded["value"], rtol=tolerance)
    with np.errstate(all="ignore"):
        result.backward()
    reached = {name for name, variable in inputs.items() if variable.grad is not None}
    assert reached == set(recorded["gradients"])
    for name, expected in recorded["gradients"].items():
        scale = float(np.max(np.abs(expected))) or 1.0
        got = numbers(inputs[name].grad)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale, err_msg=name)


# ---------------------------------------------------------------- against complex steps, over shapes

def complex_step(function, point: np.ndarray) -> np.ndarray:
    """Exact to the last digits for an analytic function: the imaginary part of f(x + ih), divided by h."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        moved = point.astype(np.complex128)
        moved[index] += 1e-30j
        gradient[index] = np.sum(function(moved)).imag / 1e-30
    return gradient


shapes = arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)
ANALYTIC = {
    "add": (add, np.add), "subtract": (subtract, np.subtract), "multiply": (multiply, np.multiply),
    "divide": (divide, np.divide), "power": (power, np.power),
}


@pytest.mark.parametrize("name", ANALYTIC)
@settings(deadline=None, max_examples=40)
@given(shapes=shapes, seed=st.integers(0, 2**16))
def test_binary_operations_over_broadcast_shapes(name, shapes, seed):
    operation, reference = ANALYTIC[name]
    generator = np.random.default_rng(seed)
    a, b = (generator.uniform(0.5, 2.0, shape) for shape in shapes.input_shapes)
    weights = generator.standard_normal(shapes.result_shape)
    got = gradients(lambda a, b: (operation(a, b) * weights).sum(), a, b)
    expected = complex_step(lambda a: reference(a, b) * weights, a)
    np.testing.assert_allclose(got[0], expected, rtol=1e-12, atol=1e-14)
    expected = complex_step(lambda b: reference(a, b) * weights, b)
    np.testing.assert_allclose(got[1], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "negate"])
@settings(deadline=None, max_examples=20)
@given(x=arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, max_dims=3, max_side=3),
                       elements=st.floats(0.1, 5)))
def test_elementwise_operations_over_shapes(name, x):
    operation = {"exp": exp, "log": log, "sqrt": sqrt, "negate": negate}[name]
    reference = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "negate": np.negative}[name]
    [got] = gradients(lambda x: operation(x).sum(), x)
    np.testing.assert_allclose(got, complex_step(reference, x), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_matmul_over_vectors_matrices_and_batches(data, seed):
    shapes = data.draw(arrays.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2,
                                                            max_side=3))
    generator = np.random.default_rng(seed)
    a, b = (generator.standard_normal(shape) for shape in shapes.input_shapes)
    weights = generator.standard_normal(shapes.result_shape)
    got = gradients(lambda a, b: (matmul(a, b) * weights).sum(), a, b)
    expected = complex_step(lambda a: np.matmul(a, b) * weights, a)
    np.testing.assert_allclose(got[0], expected, rtol=1e-11, atol=1e-13)
    expected = complex_step(lambda b: np.matmul(a, b) * weights, b)
    np.testing.assert_allclose(got[1], expected, rtol=1e-11, atol=1e-13)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(["sum", "mean"]), keepdims=st.booleans())
def test_sum_and_mean_over_axes(data, name, keepdims):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=3, max_side=3))
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1),
                               arrays.valid_tuple_axes(len(shape))))
    x = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    operation, reference = {"sum": (sum, np.sum), "mean": (mean, np.mean)}[name]
    weights = np.random.default_rng(1).standard_normal(reference(x, axis=axis, keepdims=keepdims).shape)
    [got] = gradients(lambda x: (operation(x, axis=axis, keepdims=keepdims) * weights).sum(), x)
    expected = complex_step(lambda x: reference(x, axis=axis, keepdims=keepdims) * weights, x)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_transpose_with_any_axes(data):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=3))
    ndim = len(shape)
    axes = [axis - data.draw(st.sampled_from([0, ndim])) for axis in data.draw(st.permutations(range(ndim)))]
    x = np.arange(float(np.prod(shape))).reshape(shape)
    weights = np.random.default_rng(1).standard_normal(np.transpose(x, axes).shape)
    [got] = gradients(lambda x: (transpose(x, axes=tuple(axes)) * weights).sum(), x)
    expected = np.zeros(shape)
    for index in np.ndindex(weights.shape):
        source = [0] * len(shape)
        for position, axis in enumerate(axes):
            source[axis] = index[position]
        expected[tuple(source)] = weights[index]
    np.testing.assert_array_equal(got, expected)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_basic_indices(data):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=3, max_side=4))
    index = data.draw(arrays.basic_indices(shape, allow_newaxis=True))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    [got] = gradients(lambda x: (getitem(x, index=index) * 3.0).sum(), x)
    expected = np.zeros(shape)
    expected[index] = 3.0
    np.testing.assert_array_equal(got, expected)


@settings(deadline=None, max_examples=60)
@given(shapes=arrays.mutually_broadcastable_shapes(num_shapes=1, base_shape=(2, 3, 4), max_dims=3))
def test_unbroadcast_is_the_transpose_of_broadcasting(shapes):
    """<broadcast(x), g> = <x, unbroadcast(g)> for every x and g."""
    [shape] = shapes.input_shapes
    generator = np.random.default_rng(0)
    x = generator.integers(-5, 6, shape).astype(float)
    g = generator.integers(-5, 6, shapes.result_shape).astype(float)
    got = unbroadcast(g, shape)
    assert got.shape == shape
    assert np.vdot(np.broadcast_to(x, g.shape), g) == np.vdot(x, got)


# ---------------------------------------------------------------- conventions at special points

def test_maximum_and_extremes_share_at_ties():
    a, b = [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]
    assert np.array_equal(gradients(lambda a, b: maximum(a, b).sum(), a, b), [[0, 0.5, 1], [1, 0.5, 0]])
    assert np.array_equal(gradients(lambda a, b: minimum(a, b).sum(), a, b), [[1, 0.5, 0], [0, 0.5, 1]])
    assert gradients(lambda x: max(x), [[4.0, 1.0], [4.0, 4.0]])[0].tolist() == [[1 / 3, 0], [1 / 3, 1 / 3]]
    [got] = gradients(lambda x: x.min(axis=0).sum(), [[4.0, 1.0], [4.0, 1.0]])
    assert got.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_abs_has_slope_zero_at_zero():
    assert gradients(lambda x: abs(x).sum(), [-2.0, 0.0, 3.0])[0].tolist() == [-1, 0, 1]


def test_power_is_finite_where_the_derivative_is():
    with np.errstate(all="raise"):
        base, exponent = gradients(lambda a, b: (a ** b).sum(), [0.0, 0.0, 0.0, 5.0], [0.0, 1.0, 2.0, 0.0])
    assert base.tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(exponent, [0, 0, 0, np.log(5)], rtol=1e-15)


def test_repeated_indices_add():
    [got] = gradients(lambda x: (x[[0, 2, 0]] * np.array([[1.0], [10.0], [100.0]])).sum(), np.zeros((3, 2)))
    assert got.tolist() == [[101, 101], [0, 0], [10, 10]]


def test_index_by_mask_and_by_tensor():
    [got] = gradients(lambda x: (x[x > 0] * 2.0).sum(), [-1.0, 3.0, 5.0])
    assert got.tolist() == [0, 2, 2]
    [got] = gradients(lambda x: x[Tensor([1, 1])].sum(), [-1.0, 3.0, 5.0])
    assert got.tolist() == [0, 2, 0]


# ---------------------------------------------------------------- Variable

def test_a_tensor_is_shared_and_everything_else_copied():
    tensor, array = Tensor([1.0, 2.0]), np.array([1.0, 2.0])
    assert Variable(tensor).data.data is tensor.data
    assert Variable(Variable(tensor)).data.data is tensor.data
    variable = Variable(array)
    array[0] = 9.0
    assert variable.tolist() == [1.0, 2.0]
    assert variable.dtype == np.float64
    assert Variable([1.0, 2.0]).dtype == Variable(3).dtype == np.float32


def test_integers_become_float32_where_a_gradient_is_wanted():
    for whole in ([1, 2], np.array([True]), Tensor([1]), 3):
        assert Variable(whole).dtype == np.float32
    assert Variable([1, 2], requires_grad=False).dtype == np.int64
    assert Variable(np.array([1], np.int32), requires_grad=False).dtype == np.int32


def test_assigning_data_shares_and_keeps_floating():
    w = Variable([1.0])
    array = np.array([5.0], np.float32)
    w.data = array
    assert w.data.data is array
    tensor = Tensor([7.0])
    w.data = tensor
    assert w.data is tensor
    w.data = 3.0
    assert w.item() == 3.0
    with pytest.raises(TypeError, match="floating numbers, not int64"):
        w.data = np.array([1])
    assert w.item() == 3.0
    label = Variable([1], requires_grad=False)
    label.data = np.array([4])
    assert label.tolist() == [4]


def test_detach_shares_data_and_cuts_the_past():
    w = Variable([1.0, 2.0])
    y = w * 3.0
    cut = y.detach()
    assert cut.data is y.data
    assert (cut.requires_grad, cut.grad_fn, cut.is_leaf) == (False, None, True)
    (cut * w).sum().backward()
    assert w.grad.tolist() == [3.0, 6.0]


def test_repr_names_how_it_was_made():
    w = Variable([1.0, 2.0])
    assert repr(w) == "Variable([1., 2.], requires_grad=True)"
    assert repr(w * 2.0) == "Variable([2., 4.], grad_fn=<grad_fn multiply>)"
    wide = Variable(np.array(1.5), requires_grad=False)
    assert repr(wide) == "Variable(1.5, dtype=float64, requires_grad=False)"


@pytest.mark.parametrize("other", [
    3.0, 3, np.float64(3.0), np.array([3.0, 3.0]), Tensor([3.0, 3.0]), [3.0, 3.0],
    Variable([3.0, 3.0], requires_grad=False),
], ids=lambda other: type(other).__name__)
def test_the_other_operand_may_be_anything_on_either_side(other):
    for result, value, slope in [
        (lambda w: w + other, 5, 1), (lambda w: other + w, 5, 1),
        (lambda w: w - other, -1, 1), (lambda w: other - w, 1, -1),
        (lambda w: w * other, 6, 3), (lambda w: other * w, 6, 3),
        (lambda w: w / other, 2 / 3, 1 / 3), (lambda w: other / w, 1.5, -0.75),
        (lambda w: w ** other, 8, 12), (lambda w: other ** w, 9, 9 * np.log(3)),
    ]:
        w = Variable([2.0, 2.0])
        y = result(w)
        assert isinstance(y, Variable) and y.dtype == np.float32
        np.testing.assert_allclose(numbers(y), [value, value], rtol=1e-6)
        y.sum().backward()
        assert w.grad.dtype == np.float32
        np.testing.assert_allclose(numbers(w.grad), [slope, slope], rtol=1e-6)


def test_matmul_with_an_array_on_either_side():
    w = Variable([1.0, 2.0])
    (np.array([[3.0, 4.0]]) @ w).backward()
    assert w.grad.tolist() == [3.0, 4.0]
    w.zero_grad()
    (w @ Tensor([5.0, 6.0])).backward()
    assert w.grad.tolist() == [5.0, 6.0]


def test_comparisons_are_plain_tensors():
    assert type(Variable([1.0]) > 0.0) is Tensor
    assert (Variable([1.0, -1.0]) > 0.0).tolist() == [True, False]


def test_every_gradient_has_the_data_type_of_its_variable():
    wide, narrow = Variable(np.array([1.0, 2.0])), Variable([3.0, 4.0])
    (wide * narrow).mean().backward()
    assert (wide.grad.dtype, narrow.grad.dtype) == (np.float64, np.float32)
    half = Variable(np.array([1.0, 2.0], np.float16))
    (half * half).mean().backward()
    assert half.grad.dtype == np.float16
    assert half.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("function", [
    lambda x: x.mean(), lambda x: x.max(), lambda x: x.max(axis=1).sum(), lambda x: maximum(x, 0.0).sum(),
    lambda x: (x ** 2).sum(), lambda x: (x / 3).sum(), lambda x: x.mean(axis=(0, 1)),
    lambda x: (2 ** x).sum(), lambda x: (x.T @ x).sum(), lambda x: abs(x).sum(),
])
def test_float32_is_never_widened(function):
    seen = []

    @Operation
    def watch(x):
        return x * 1

    @watch.define_backward
    def watch_backward(gradient, output, x):
        seen.append(gradient.dtype)
        return gradient

    x = Variable([[1.0, -2.0], [3.0, 0.5]])
    function(watch(x)).backward()
    assert seen == [np.float32]
    assert x.grad.dtype == np.float32


# ---------------------------------------------------------------- backward

def test_worked_example():
    x = Variable(3.0)
    y = x * x + x
    y.backward()
    assert x.grad.item() == 7.0
    assert (x.grad.requires_grad, x.grad.grad_fn) == (False, None)


def test_backward_accumulates_over_calls_and_over_graphs():
    x = Variable([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    first = x.grad
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    (x * 10.0).sum().backward()
    assert x.grad.tolist() == [14.0, 18.0]
    assert first.tolist() == [2.0, 4.0]
    x.zero_grad()
    assert x.grad is None


def test_a_gradient_may_be_given_in_any_form():
    for gradient in ([1.0, -2.0], np.array([1.0, -2.0]), Tensor([1, -2]), Variable([1.0, -2.0])):
        x = Variable([3.0, 4.0])
        (x * x).backward(gradient)
        assert x.grad.tolist() == [6.0, -16.0]
        assert x.grad.dtype == np.float32


def test_one_element_of_any_shape_needs_no_gradient():
    x = Variable([[3.0]])
    (x * x).backward()
    assert x.grad.tolist() == [[6.0]]


def test_backward_on_a_leaf():
    x = Variable(2.0)
    x.backward()
    assert x.grad.item() == 1.0


def test_refusals_of_backward():
    x = Variable([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"single number, not shape \(3,\)"):
        (x * 2.0).backward()
    with pytest.raises(ValueError, match=r"shape \(3,\) got a gradient of shape \(2,\)"):
        (x * 2.0).backward([1.0, 1.0])
    with pytest.raises(ValueError, match=r"shape \(3,\) got a gradient of shape \(\)"):
        (x * 2.0).backward(1.0)
    with pytest.raises(RuntimeError, match="requires no gradient"):
        Variable(1.0, requires_grad=False).backward()
    with no_grad():
        y = x.sum()
    with pytest.raises(RuntimeError, match="requires no gradient"):
        y.backward()
    with pytest.raises(TypeError):
        x.sum().backward("one")
    assert x.grad is None


def test_a_backward_that_breaks_its_promise_is_named():
    @Operation
    def careless(a, b):
        return a + b

    careless.define_backward(lambda gradient, output, a, b: gradient)
    with pytest.raises(ValueError, match="careless returned 1 gradients for 2 inputs"):
        careless(Variable(1.0), 2.0).backward()
    careless.define_backward(lambda gradient, output, a, b: (np.ones(2), np.ones(5)))
    with pytest.raises(ValueError, match=r"gradient of shape \(5,\) does not fit an input of shape \(2,\)"):
        careless(Variable([1.0, 1.0]), Variable([1.0, 1.0])).sum().backward()


def test_gradients_own_their_arrays():
    given = np.array([1.0, 1.0], np.float32)
    a, b, c = Variable([1.0, 2.0]), Variable([3.0, 4.0]), Variable([5.0, 6.0])
    ((a + b) + c.reshape(2)).backward(given)
    owned = [numbers(variable.grad) for variable in (a, b, c)]
    everything = [given, *owned, a.data.data, b.data.data, c.data.data]
    for i, one in enumerate(owned, start=1):
        assert one.flags.owndata and one.flags.writeable
        assert not any(np.shares_memory(one, other) for j, other in enumerate(everything) if j != i)


@pytest.mark.parametrize("function", [
    lambda x: x.sum(), lambda x: x.mean(axis=0).sum(), lambda x: x.T.sum(), lambda x: x[0].sum(),
    lambda x: x.reshape(4).sum(), lambda x: x.max(), lambda x: (x + x).sum(), lambda x: x,
    lambda x: (x - Variable(np.zeros((2, 2), np.float32))).sum(),
])
def test_a_gradient_can_be_written_to(function):
    x = Variable([[1.0, 2.0], [3.0, 4.0]])
    y = function(x)
    seed = np.ones(y.shape, np.float32)
    y.backward(seed)
    before = numbers(x.grad).copy()
    numbers(x.grad)[0, 0] += 1.0
    assert (numbers(x.grad) - before).tolist() == [[1, 0], [0, 0]]
    assert np.all(seed == 1)
    assert x.tolist() == [[1, 2], [3, 4]]


def test_one_array_returned_for_two_inputs_becomes_two_gradients():
    @Operation
    def both(a, b):
        return a + b

    @both.define_backward
    def both_backward(gradient, output, a, b):
        doubled = gradient * 2
        return doubled, doubled

    a, b = Variable([1.0]), Variable([2.0])
    both(a, b).backward()
    assert not np.shares_memory(numbers(a.grad), numbers(b.grad))


def test_inputs_without_gradient_cost_nothing():
    def unwanted():
        raise AssertionError("computed in vain")

    @Operation
    def guarded(a, b):
        return a * b

    guarded.define_backward(lambda gradient, output, a, b: (lambda: gradient * b, unwanted))
    w = Variable([2.0])
    for other in (3.0, np.array([3.0]), Tensor([3.0]), Variable([3.0], requires_grad=False)):
        w.zero_grad()
        guarded(w, other).backward()
        assert w.grad.tolist() == [3.0]


def test_no_gradient_wanted_means_no_graph():
    x = Variable([1.0, 2.0], requires_grad=False)
    for y in (x * 2.0, x @ x, x.sum(), x[0], 2.0 ** x, maximum(x, 1.0)):
        assert (y.requires_grad, y.grad_fn, y.is_leaf) == (False, None, True)


def test_only_leaves_keep_their_gradient_unless_asked():
    x = Variable(2.0)
    y = x * 3.0
    z = y * y
    z.backward()
    assert (y.grad, z.grad) == (None, None)
    y.retain_grad()
    z.retain_grad()
    z.backward()
    assert (z.grad.item(), y.grad.item(), x.grad.item()) == (1.0, 12.0, 72.0)
    assert not np.shares_memory(numbers(y.grad), numbers(z.grad))


def test_where_nothing_flows_the_walk_goes_on():
    @Operation
    def stop(x):
        return x * 1

    stop.define_backward(lambda gradient, output, x: None)
    x = Variable(2.0)
    (stop(x * x) + x).backward()
    assert x.grad.item() == 1.0


def test_a_failing_backward_leaves_leaves_it_did_not_reach():
    @Operation
    def broken(x):
        return x * 1

    @broken.define_backward
    def broken_backward(gradient, output, x):
        raise ZeroDivisionError("on purpose")

    x = Variable(2.0)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        broken(x * 3.0).backward()
    assert x.grad is None


# ---------------------------------------------------------------- the graph

def test_a_chain_of_a_hundred_thousand():
    x = y = Variable(1.0)
    for _ in range(100_000):
        y = -y
    y.backward()
    assert x.grad.item() == 1.0
    del y
    gc.collect()


def test_forty_doublings_visit_each_node_once():
    calls = []

    @Operation
    def doubled(a, b):
        return a + b

    @doubled.define_backward
    def doubled_backward(gradient, output, a, b):
        calls.append(float(gradient))
        return gradient, gradient

    x = y = Variable(1.0)
    for _ in range(40):
        y = doubled(y, y)
    y.backward()
    assert x.grad.item() == 2.0 ** 40
    assert calls == [2.0 ** k for k in range(40)]


def test_order_is_newest_first_and_complete():
    x = Variable(1.0)
    a = x * 2.0
    b = a * a
    c = a + b
    d = b * c
    assert [id(variable) for variable in backward_order(d)] == [id(d), id(c), id(b), id(a)]
    assert backward_order(x) == []


def test_the_graph_is_freed_with_its_end_and_without_the_collector():
    gc.disable()
    try:
        w = Variable([1.0, 2.0])
        hidden = w * 3.0
        watcher, node = weakref.ref(hidden), hidden.grad_fn
        loss = (hidden * hidden).sum()
        loss.backward()
        assert isinstance(node, Node)
        del hidden, node
        assert watcher() is not None
        del loss
        assert watcher() is None
        assert w.grad.tolist() == [18.0, 36.0]
    finally:
        gc.enable()


def test_a_gradient_holds_no_graph():
    w = Variable([1.0, 2.0])
    loss = (w * w).sum()
    watcher = weakref.ref(loss)
    loss.backward()
    gradient = w.grad
    del loss
    gc.collect()
    assert watcher() is None
    assert gradient.tolist() == [2.0, 4.0]


def test_variables_can_be_copied_deeply():
    w = Variable([1.0, 2.0])
    (w * w).sum().backward()
    twin = copy.deepcopy(w)
    numbers(twin)[0] = 9.0
    assert w.tolist() == [1.0, 2.0]
    assert twin.grad.tolist() == [2.0, 4.0]
    assert twin.requires_grad


def test_input_gradients_and_accumulate_by_themselves():
    w = Variable([[1.0, 2.0], [3.0, 4.0]])
    bias = Variable([10.0, 20.0])
    pairs = input_gradients((w + bias).grad_fn, np.array([[1, 2], [3, 4]], np.float32))
    assert [variable is expected for (variable, _), expected in zip(pairs, (w, bias))] == [True, True]
    assert pairs[1][1].tolist() == [4, 6]
    accumulate(bias, pairs[1][1])
    accumulate(bias, np.array([1, 1], np.float32))
    assert bias.grad.tolist() == [5, 7]


# ---------------------------------------------------------------- no_grad

def test_no_grad_nests_and_survives_errors():
    w = Variable(2.0)
    with no_grad():
        with pytest.raises(KeyError):
            with no_grad():
                raise KeyError
        assert (w * 2.0).grad_fn is None
    assert (w * 2.0).requires_grad


def test_no_grad_decorates():
    w = Variable(2.0)

    @no_grad()
    def evaluate(factor):
        return w * factor

    assert [evaluate(3.0).requires_grad, evaluate(4.0).requires_grad] == [False, False]
    assert (w * 2.0).requires_grad


def test_no_grad_is_of_one_thread_only():
    w, seen = Variable(2.0), []
    with no_grad():
        worker = threading.Thread(target=lambda: seen.append((w * 2.0).requires_grad))
        worker.start()
        worker.join()
    assert seen == [True]


# ---------------------------------------------------------------- measuring

def test_numerical_gradient_of_a_cubic_is_exact_up_to_epsilon_squared():
    assert numerical_gradient(lambda x: float(x ** 3), 2, epsilon=0.5) == 12.25
    point = np.array([[1, 2], [3, 4]])
    got = numerical_gradient(lambda p: float(p[0, 0] * p[1, 1] - p[0, 1] ** 2), point, epsilon=0.5)
    assert got.tolist() == [[4, -4], [0, 1]]
    assert point.tolist() == [[1, 2], [3, 4]]


def spoiled(change):
    operation = Operation(lambda a, b: a * b)
    operation.__name__ = "spoiled"
    operation.define_backward(lambda gradient, output, a, b: (gradient * b, change(gradient * a)))
    return operation


def test_check_gradients_accepts_what_is_right():
    check_gradients(lambda a, b: (a @ b).exp() / a.sum(), np.ones((2, 3)), [[0.5], [1.0], [-2.0]])
    check_gradients(lambda a, n: a * n, Tensor([1, 2]), Variable(3))
    check_gradients(lambda x: x * x * x, 1000.0)
    check_gradients(lambda a, b: a + b.detach() * 0.0, 1.0, 2.0)


@pytest.mark.parametrize("change", [
    lambda g: -g, lambda g: g * 1.00001, lambda g: g + 1e-5, lambda g: None, lambda g: g * np.nan,
    lambda g: g[::-1], lambda g: np.full_like(g, g.mean()),
])
def test_check_gradients_names_what_is_wrong(change):
    message = r"argument 1 at index \(0,\): backward gives .*, central differences .*"
    with pytest.raises(AssertionError, match=message):
        check_gradients(spoiled(change), [2.0, -3.0, 0.5], [1.0, 4.0, -1.0])


def test_refusals_of_check_gradients():
    with pytest.raises(ValueError, match="at least one input"):
        check_gradients(lambda: Variable(1.0))
    with pytest.raises(TypeError, match="not Tensor"):
        check_gradients(lambda x: x.data, 1.0)
    narrow = Operation(lambda x: x.astype(np.float32))
    narrow.define_backward(lambda gradient, output, x: gradient)
    with pytest.raises(TypeError, match="float32"):
        check_gradients(narrow, 1.0)


def test_check_gradients_leaves_its_inputs_alone():
    w = Variable([1.0, 2.0])
    check_gradients(lambda x: x * x, w)
    assert w.grad is None
    assert w.dtype == np.float32


# ---------------------------------------------------------------- every operation has a backward

def test_every_differentiable_operation_of_core_tensor_has_a_backward():
    import tinytorch.core.tensor as tensor

    operations = [value for value in vars(tensor).values() if isinstance(value, Operation)]
    with_backward = {operation.__name__ for operation in operations if operation.backward is not None}
    assert with_backward == {
        "add", "subtract", "multiply", "divide", "power", "negate", "matmul", "sum", "mean", "max", "min",
        "exp", "log", "sqrt", "abs", "maximum", "minimum", "reshape", "transpose", "getitem",
    }
    assert with_backward == {operation.__name__ for operation in operations if operation.differentiable}


def test_reshape_sends_gradients_home():
    weights = np.arange(6.0).reshape(3, 2)
    [got] = gradients(lambda x: (reshape(x, shape=(3, 2)) * weights).sum(), np.zeros((2, 3)))
    assert got.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_frozen_leaf_gets_no_gradient_and_thaws_again() -> None:
    w, b = Variable([2.0, 3.0]), Variable([1.0, 1.0])
    w.requires_grad = False
    (w * b).sum().backward()
    assert w.grad is None and b.grad.tolist() == [2.0, 3.0]
    w.requires_grad = True
    (w * b).sum().backward()
    assert w.grad.tolist() == [1.0, 1.0] and b.grad.tolist() == [4.0, 6.0]


def test_requires_grad_is_refused_where_it_makes_no_sense() -> None:
    w = Variable([2.0, 3.0])
    with pytest.raises(ValueError, match="detach"):
        (w * 2.0).requires_grad = False
    with pytest.raises(TypeError, match="int64"):
        Variable([1, 2], requires_grad=False).requires_grad = True


def test_numpy_does_not_drop_a_graph_silently() -> None:
    w = Variable([2.0, 3.0])
    with pytest.raises(TypeError, match="detach"):
        np.asarray(w * 2.0)
    assert np.asarray(w.detach()).tolist() == [2.0, 3.0]
    assert (w * 2.0).numpy().tolist() == [4.0, 6.0]


def test_a_computed_variable_is_not_copied_with_its_graph() -> None:
    w = Variable([1.0])
    for computed in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="detach"):
            computed(w * 2.0)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(w)))
    assert twin.tolist() == [1.0] and twin.requires_grad and twin.is_leaf


def test_an_index_array_may_change_after_its_use() -> None:
    w, index = Variable([1.0, 2.0, 3.0]), np.array([0, 0])
    picked = w[index]
    index[:] = 2
    picked.sum().backward()
    assert w.grad.tolist() == [2.0, 0.0, 0.0]
