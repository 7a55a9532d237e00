"""The tensor: worked numbers, NumPy in float64 as the reference, every refusal, and who shares memory."""

from __future__ import annotations

import copy
import doctest
import math
import operator
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core import tensor as module
from tinytorch.core.tensor import (
    Operation,
    Tensor,
    TensorMethods,
    arange,
    broadcast_shapes,
    common_dtype,
    matmul,
    maximum,
    mean,
    minimum,
    ones,
    power,
    randn,
    reshape,
    to_array,
    transpose,
    zeros,
)

sampled = settings(max_examples=60, deadline=None, derandomize=True)
FLOATS = (np.float32, np.float64)
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def numbers(shape, dtype, low=-8.0, high=8.0):
    """Arrays of moderate numbers, so that rounding is all that separates float32 from the reference."""
    width = np.dtype(dtype).itemsize * 8
    return hnp.arrays(dtype, shape,
                      elements=st.floats(low, high,
                                         width=width).map(lambda x: 0.0 if -1e-3 < x < 1e-3 else x))


def close(got: Tensor, expected, dtype) -> None:
    expected = np.asarray(expected)
    assert type(got) is Tensor
    assert got.dtype == dtype
    assert got.shape == expected.shape
    tolerance = TOLERANCE[np.dtype(dtype).name]
    np.testing.assert_allclose(got.data.astype(np.float64), expected, rtol=tolerance, atol=tolerance * 10)


def test_the_examples_in_the_documentation_are_true():
    finder = doctest.DocTestFinder()
    runner = doctest.DocTestRunner()
    documented = [value for value in vars(module).values() if getattr(value, "__module__",
                                                                      None) == module.__name__]
    examples = 0
    for value in documented:
        text = value.forward if isinstance(value, Operation) else value
        for test in finder.find(text, globs=dict(vars(module))):
            examples += len(test.examples)
            runner.run(test)
    assert runner.failures == 0
    assert examples > 20


# ---------------------------------------------------------------- making tensors


@pytest.mark.parametrize(("data", "dtype", "shape"), [
    (1.5, "float32", ()), (3, "int64", ()), (True, "bool", ()), ([1, 2.5], "float32", (2,)),
    ([[1, 2], [3, 4]], "int64", (2, 2)),
    ((0.5, 1.5), "float32", (2,)), ([], "float32", (0,)), ([[], []], "float32", (2, 0)),
    (np.float64(2), "float64", ()),
    (np.float16(2), "float16", ()), (np.int8(2), "int8", ()), (np.zeros((2, 3)), "float64", (2, 3)),
    (np.zeros(2, np.uint8), "uint8", (2,)),
    ([np.float64(1), np.float64(2)], "float32", (2,)), (range(3), "int64", (3,)),
    (float("nan"), "float32", ()),
])
def test_the_data_type_of_what_is_given(data, dtype, shape):
    tensor = Tensor(data)
    assert tensor.dtype == dtype
    assert tensor.shape == shape
    np.testing.assert_array_equal(tensor.data, np.array(data, dtype))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "bool"])
def test_a_tensor_of_a_tensor_keeps_its_type_and_a_dtype_overrides_it(dtype):
    source = Tensor(np.array([0, 1, 1], dtype))
    assert Tensor(source).dtype == dtype
    assert Tensor([source, source]).shape == (2, 3)
    for other in (np.float32, np.float64, np.int32):
        assert Tensor(source, dtype=other).dtype == other
        assert Tensor([0, 1, 1], dtype=other).dtype == other


def test_python_numbers_keep_all_digits_in_float64():
    assert Tensor(0.1, dtype=np.float64).item() == 0.1
    assert Tensor([0.1, 1e-300], dtype=np.float64).tolist() == [0.1, 1e-300]


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
def test_a_tensor_copies_what_it_is_given(dtype):
    array = np.arange(6.0).reshape(2, 3)
    for data in (array, array.T, array[:, ::2], Tensor.from_numpy(array)):
        assert not np.shares_memory(Tensor(data, dtype).data, array)
        assert not np.shares_memory(to_array(data, dtype), array)


def test_from_numpy_shares_and_refuses_what_has_no_memory_to_share():
    array = np.arange(3)
    shared = Tensor.from_numpy(array)
    assert shared.data is array
    shared[0] = 7
    assert array[0] == 7
    with pytest.raises(TypeError, match="from_numpy takes a NumPy array, not list"):
        Tensor.from_numpy([1, 2])


@pytest.mark.parametrize(("data", "dtype", "error", "mentions"), [
    ([[1, 2], [3]], None, ValueError, "inhomogeneous"), ("1.5", None, TypeError, "real numbers, not str"),
    ("1.5", np.float32, TypeError, "str"),
    (["1", "2"], float, TypeError, "list"), (None, None, TypeError, "NoneType"),
    (None, np.float32, TypeError, "NoneType"),
    ([1.0, None], None, TypeError, "object"), ([1.0, None], np.float32, TypeError, "object"),
    (1j, None, TypeError, "complex"),
    (np.array([1j]), np.float32, TypeError, "complex128"), (1.0, np.complex64, TypeError, "complex64"),
    ({"a": 1}, None, TypeError, "dict"),
    ((x for x in [1]), None, TypeError, "generator"), (2 ** 70, None, TypeError, "int"),
    (np.array(["a"]), None, TypeError, "ndarray"),
    (np.datetime64("2020-01-01"), None, TypeError, "datetime64"), (300, np.int8, ValueError, "300"),
    ([1, -1], np.uint8, ValueError, "-1"),
    (float("nan"), np.int64, ValueError, "NaN"), (len, None, TypeError, "builtin"),
])
def test_what_is_no_block_of_real_numbers_is_refused_in_one_line(data, dtype, error, mentions):
    with pytest.raises(error, match=mentions) as caught:
        Tensor(data, dtype)
    assert "\n" not in str(caught.value)


def test_constructors():
    assert zeros(2, 3).tolist() == [[0.0] * 3] * 2 == zeros((2, 3)).tolist()
    assert ones([2], dtype=np.int32).tolist() == [1, 1]
    assert zeros().shape == ones(()).shape == randn(generator=0).shape == ()
    assert {str(make(2).dtype) for make in (zeros, ones, randn)} == {"float32"}
    assert ones(2, dtype=np.float64).dtype == zeros(0, dtype=np.float64).dtype == np.float64
    assert (arange(4).tolist(), str(arange(4).dtype)) == ([0, 1, 2, 3], "int64")
    assert (arange(2, 5).tolist(), arange(5, 0, -2).tolist(), arange(3, 1).tolist()) == ([2, 3, 4], [5, 3, 1],
                                                                                         [])
    assert (arange(0, 1, 0.25).tolist(), str(arange(0, 1, 0.25).dtype)) == ([0, 0.25, 0.5, 0.75], "float32")
    assert arange(0).dtype == np.int64
    assert arange(3, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="step other than 0"):
        arange(0, 3, 0)
    for make in (zeros, ones, randn):
        with pytest.raises(ValueError, match="negative"):
            make(2, -1)


def test_random_numbers_come_from_the_generator_that_is_handed_in():
    reference = np.random.default_rng(5).standard_normal((3, 2))
    assert randn(3, 2, generator=5, dtype=np.float64).tolist() == reference.tolist()
    np.testing.assert_array_equal(randn((3, 2), generator=5).data, reference.astype(np.float32))
    source = np.random.default_rng(5)
    halves = [randn(3, generator=source, dtype=np.float64).tolist() for _ in range(2)]
    assert halves[0] + halves[1] == reference.ravel().tolist()
    state = np.random.get_state()[1].tolist()
    assert randn(5).tolist() != randn(5).tolist()
    assert np.random.get_state()[1].tolist() == state


# ---------------------------------------------------------------- shapes and data types that meet


@sampled
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=4))
def test_shapes_that_fit(shapes):
    first, second = shapes.input_shapes
    assert broadcast_shapes(first, second) == shapes.result_shape


@sampled
@given(*[hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)] * 2)
def test_any_two_shapes_as_numpy_has_it(first, second):
    try:
        expected = np.broadcast_shapes(first, second)
    except ValueError:
        with pytest.raises(ValueError) as caught:
            broadcast_shapes(first, second)
        assert str(first) in str(caught.value) and str(second) in str(caught.value)
    else:
        assert broadcast_shapes(first, second) == expected


OTHER_OPERANDS = [0.5, 2, True, np.float64(0.5), np.float16(0.5), np.int64(2), np.array([1.0, 2.0]),
                  np.array([1, 2]), [0.5, 1.5],
                  Tensor([1.0, 2.0], np.float64), Tensor([1, 2]), Tensor(True), np.array(2.0),
                  np.array([True, True])]


@pytest.mark.parametrize("other", OTHER_OPERANDS,
                         ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}")
@pytest.mark.parametrize("act",
                         [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, maximum,
                          minimum])
def test_nothing_widens_a_float32_tensor(act, other):
    single = Tensor([1.5, 2.5])
    narrowest = np.float16 if isinstance(other, Tensor) and other.dtype == np.float16 else np.float32
    plain = np.asarray(other, np.float64)
    for got, expected in ((act(single, other), (single.data.astype(float), plain)),
                          (act(other, single), (plain, single.data.astype(float)))):
        reference = {maximum: np.maximum, minimum: np.minimum}.get(act, act)(*expected)
        close(got, reference, narrowest)


@pytest.mark.parametrize("other",
                         [0.5, 2, np.float32(0.5), np.array([1, 2]), np.array([1.0, 2.0], np.float32)])
def test_float64_stays_float64(other):
    double = Tensor([1.5, 2.5], np.float64)
    for act in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow):
        assert act(double, other).dtype == act(other, double).dtype == np.float64


def test_float64_with_a_number_computes_with_all_its_digits():
    assert (Tensor(1.0, np.float64) + 0.1).item() == 1.1
    assert (Tensor(3.0, np.float64) * np.float64(0.1)).item() == 3.0 * 0.1


def test_integers_become_float32_where_they_must_and_stay_integers_elsewhere():
    integers = Tensor([1, 2, 4])
    for got in (integers / 2, 2 / integers, integers.mean(), integers.exp(), integers.log(), integers.sqrt(),
                2 ** -integers,
                integers * 0.5, integers + Tensor(0.5), Tensor([True, False]).mean(),
                Tensor([3], np.int8).exp()):
        assert got.dtype == np.float32
    for got in (integers + 1, integers - integers, integers * np.int64(3), integers ** 2, -integers,
                abs(integers), integers.sum(),
                integers.max(), integers.min(), integers @ integers, integers.reshape(3, 1), integers[1]):
        assert got.dtype == np.int64
    assert (integers / 2).tolist() == [0.5, 1.0, 2.0]
    assert math.isclose(Tensor([12], np.int8).exp().item(), 162754.7914, rel_tol=1e-6)
    assert Tensor([True, False, True]).sum().item() == 2


def test_an_operation_that_slips_into_float64_is_brought_back():
    sloppy = Operation(lambda x: x * np.array(2.0))
    assert sloppy(Tensor([1.0])).dtype == np.float32
    assert sloppy(Tensor([1.0], np.float16)).dtype == np.float16
    assert sloppy(Tensor([1])).dtype == np.float32
    assert sloppy(Tensor([1.0], np.float64)).dtype == np.float64


def test_the_narrowest_tensor_decides_then_arrays_then_numbers():
    single, double, integer = Tensor([1.0]), Tensor([1.0], np.float64), Tensor([1])
    assert common_dtype(single, double) == common_dtype(double, np.zeros(1), single) == np.float32
    for inputs in ((integer, np.zeros(1)), (double, 0.5), (double, np.float32(1))):
        assert common_dtype(*inputs) == np.float64
    assert common_dtype(integer, 0.5) == common_dtype(integer, np.zeros(1, np.int8), [0.5]) == np.float32
    assert common_dtype(integer, np.zeros(1), 0.5, np.zeros(1, np.float32)) == np.float32
    assert common_dtype(Tensor([1], np.int8), Tensor([1], np.int16)) == np.int16


# ---------------------------------------------------------------- arithmetic

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv]


@sampled
@given(st.data(), st.sampled_from(BINARY), st.sampled_from(FLOATS),
       hnp.mutually_broadcastable_shapes(num_shapes=2, max_side=3, max_dims=3))
def test_arithmetic_against_float64(data, act, dtype, shapes):
    a, b = (data.draw(numbers(shape, dtype)) for shape in shapes.input_shapes)
    if act is operator.truediv:
        b = np.where(np.abs(b) < 0.25, dtype(1), b)
    expected = act(a.astype(np.float64), b.astype(np.float64))
    close(act(Tensor(a), Tensor(b)), expected, dtype)
    close(act(Tensor(a), b), expected, dtype)
    close(act(a, Tensor(b)), expected, dtype)


@sampled
@given(st.data(), st.sampled_from(FLOATS),
       hnp.mutually_broadcastable_shapes(num_shapes=2, max_side=3, max_dims=3))
def test_power_maximum_minimum_against_float64(data, dtype, shapes):
    base = data.draw(numbers(shapes.input_shapes[0], dtype, 0.25, 4.0))
    exponent = data.draw(numbers(shapes.input_shapes[1], dtype, -3.0, 3.0))
    wide = base.astype(np.float64), exponent.astype(np.float64)
    got = power(Tensor(base), Tensor(exponent))
    np.testing.assert_allclose(got.data, np.power(*wide), rtol=1e-5)
    assert got.dtype == dtype
    close(maximum(Tensor(base), Tensor(exponent)), np.maximum(*wide), dtype)
    close(minimum(Tensor(base), Tensor(exponent)), np.minimum(*wide), dtype)


@sampled
@given(st.data(), st.sampled_from(FLOATS), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
def test_elementwise_functions_against_float64(data, dtype, shape):
    x = data.draw(numbers(shape, dtype))
    positive = np.abs(x) + dtype(0.25)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(Tensor(x).exp().data, np.exp(wide), rtol=1e-5)
    close(Tensor(positive).log(), np.log(positive.astype(np.float64)), dtype)
    close(Tensor(positive).sqrt(), np.sqrt(positive.astype(np.float64)), dtype)
    close(abs(Tensor(x)), np.abs(wide), dtype)
    close(-Tensor(x), -wide, dtype)


def test_numbers_and_arrays_on_either_side():
    x = Tensor([1.0, 2.0, 4.0])
    cases = [
        (10 - x, [9, 8, 6]), (x - 10, [-9, -8, -6]), (8 / x, [8, 4, 2]), (x / 2, [0.5, 1, 2]),
        (2 ** x, [2, 4, 16]), (x ** 2, [1, 4, 16]),
        (np.float64(3) * x, [3, 6, 12]), (x * np.float64(3), [3, 6, 12]),
        (np.array([1.0, 2.0, 3.0]) - x, [0, 0, -1]),
        (np.array(10) - x, [9, 8, 6]), ([1, 1, 1] + x, [2, 3, 5]), (x + (1, 1, 1), [2, 3, 5]),
        (True + x, [2, 3, 5]),
        (np.array([1.0, 0.0, 1.0]) @ x, 5), (x @ np.array([1.0, 0.0, 1.0]), 5), ([0, 0, 1] @ x, 4),
        (sum([x, x]), [2, 4, 8]),
    ]
    for got, expected in cases:
        close(got, expected, np.float32)


def test_in_place_operators_make_a_new_tensor():
    x = y = Tensor([1.0, 2.0])
    x += 1
    assert (x.tolist(), y.tolist()) == ([2.0, 3.0], [1.0, 2.0])
    array = np.array([1.0, 2.0])
    with pytest.raises(TypeError):
        array += Tensor([1.0, 1.0])
    assert array.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("act", [*BINARY, operator.pow, operator.eq, operator.lt, maximum])
@pytest.mark.parametrize(("first", "second"), [((2, 3), (2,)), ((4,), (3,)), ((2, 1, 3), (2, 2))])
def test_shapes_that_do_not_fit_are_both_named(act, first, second):
    with pytest.raises(ValueError) as caught:
        act(Tensor(np.ones(first)), Tensor(np.ones(second)))
    message = str(caught.value)
    assert str(first) in message and str(second) in message and "\n" not in message


@pytest.mark.parametrize("wrong",
                         [None, "1.5", 1j, np.array([1j]), object(), np.array(["a"]), [None], {"a": 1}])
@pytest.mark.parametrize("act", [operator.add, operator.truediv, operator.matmul])
def test_what_is_no_number_is_refused_in_arithmetic(act, wrong):
    for inputs in ((Tensor([1.0]), wrong), (wrong, Tensor([1.0]))):
        with pytest.raises(TypeError):
            act(*inputs)


def test_arithmetic_leaves_its_inputs_alone_and_owns_its_result():
    a, b = Tensor([[1.0, -2.0]]), Tensor([[3.0], [4.0]])
    for act in (*BINARY, operator.pow, maximum, minimum, operator.eq):
        got = act(a, b)
        assert not np.shares_memory(got.data, a.data) and not np.shares_memory(got.data, b.data)
    for got in (-a, abs(a), a.exp(), a.sum(axis=()), a.max(axis=0), a.mean(axis=0), a + 0, a * 1, a ** 1,
                a @ ones(2, 2)):
        assert not np.shares_memory(got.data, a.data)
    assert (a.tolist(), b.tolist()) == ([[1.0, -2.0]], [[3.0], [4.0]])


# ---------------------------------------------------------------- comparisons


def test_comparisons_are_elementwise_booleans():
    x = Tensor([1.0, 2.0, 3.0])
    expected = {operator.eq: [False, True, False], operator.ne: [True, False, True],
                operator.lt: [True, False, False],
                operator.le: [True, True, False], operator.gt: [False, False, True],
                operator.ge: [False, True, True]}
    for act, truth in expected.items():
        for other in (2, 2.0, np.float64(2), Tensor(2), [2, 2, 2], np.array([2.0, 2.0, 2.0])):
            assert act(x, other).tolist() == truth
            assert act(x, other).dtype == bool
    assert (2 < x).tolist() == (np.array([2.0, 2.0, 2.0]) < x).tolist() == [False, False, True]
    assert (Tensor(0.1) == np.float64(0.1)).item() is True


def test_comparison_with_what_is_no_number():
    x = Tensor([1.0, 2.0])
    assert (x == None) is False and (None == x) is False and (x == "a") is False  # noqa: E711
    assert (x != None) is True and (x == object()) is False  # noqa: E711
    for act in (operator.lt, operator.le, operator.gt, operator.ge):
        with pytest.raises(TypeError):
            act(x, None)


def test_a_tensor_is_a_key_by_identity():
    x, same = Tensor(1.0), Tensor(1.0)
    seen = {x: "x", same: "same"}
    assert (seen[x], seen[same], len({x, same, x})) == ("x", "same", 2)


# ---------------------------------------------------------------- matrix product, reductions, views


def loops(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The matrix product of two matrices by its definition."""
    return np.array([[math.fsum(x * y for x, y in zip(row, column)) for column in b.T] for row in a])


@sampled
@given(st.data(), st.sampled_from(FLOATS), st.tuples(*[st.integers(1, 4)] * 3))
def test_matmul_against_its_definition(data, dtype, sizes):
    n, k, m = sizes
    a, b = data.draw(numbers((n, k), dtype)), data.draw(numbers((k, m), dtype))
    expected = loops(a.astype(np.float64), b.astype(np.float64))
    close(Tensor(a) @ Tensor(b), expected, dtype)
    close(Tensor(a) @ Tensor(b[:, 0]), expected[:, 0], dtype)
    close(Tensor(a[0]) @ Tensor(b), expected[0], dtype)
    close(Tensor(a[0]) @ Tensor(b[:, 0]), expected[0, 0], dtype)
    close(Tensor(b).T @ Tensor(a).T, expected.T, dtype)


def test_matmul_of_stacks():
    a, b = np.random.default_rng(0).standard_normal((2, 1, 2,
                                                     3)), np.random.default_rng(1).standard_normal((4, 3, 2))
    got = matmul(Tensor(a), Tensor(b))
    assert got.shape == (2, 4, 2, 2)
    for i in range(2):
        for j in range(4):
            np.testing.assert_allclose(got.data[i, j], loops(a[i, 0], b[j]), rtol=1e-12)


@pytest.mark.parametrize(("first", "second", "reason"), [
    ((2, 3), (2, 3), "inner sizes 3 and 2"), ((3,), (4,), "inner sizes 3 and 4"),
    ((3,), (2, 3), "inner sizes 3 and 2"), ((), (3,), "at least one axis"),
    ((2, 2), (), "at least one axis"), ((2, 3, 4), (5, 4, 1), r"shapes \(2,\) and \(5,\) do not broadcast"),
])
def test_matmul_of_shapes_that_do_not_fit(first, second, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        Tensor(np.ones(first)) @ Tensor(np.ones(second))
    assert str(caught.value).startswith(f"matmul of shapes {first} and {second}: ")


@st.composite
def shape_and_axis(draw):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.nothing()
    several = hnp.valid_tuple_axes(len(shape), min_size=0) if shape else st.just(())
    return shape, draw(st.none() | axes | several)


@sampled
@given(st.data(), st.sampled_from(FLOATS), shape_and_axis(), st.booleans())
def test_reductions_against_float64(data, dtype, drawn, keepdims):
    shape, axis = drawn
    x = data.draw(numbers(shape, dtype))
    wide = x.astype(np.float64)
    for name in ("sum", "mean", "max", "min"):
        expected = getattr(np, name)(wide, axis=axis, keepdims=keepdims)
        close(getattr(Tensor(x), name)(axis=axis, keepdims=keepdims), expected, dtype)
        close(getattr(module, name)(Tensor(x), axis, keepdims), expected, dtype)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_an_axis_that_is_not_there(name):
    for axis in (2, -3, (0, 5)):
        with pytest.raises(ValueError, match=rf"{name} of shape \(2, 3\): axis"):
            getattr(zeros(2, 3), name)(axis=axis)
    with pytest.raises(ValueError, match="duplicate"):
        getattr(zeros(2, 3), name)(axis=(0, 0))


def test_reductions_of_nothing():
    empty = zeros(0, 3)
    assert empty.sum(axis=0).tolist() == [0.0, 0.0, 0.0] and empty.mean(axis=1).shape == (0,)
    with pytest.warns(RuntimeWarning):
        assert np.isnan(empty.mean(axis=0).data).all()
    with pytest.raises(ValueError, match=r"max of shape \(0, 3\)"):
        empty.max()


@sampled
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
def test_transposed_and_reshaped_elements(data, shape):
    x = np.arange(math.prod(shape)).reshape(shape)
    axes = data.draw(st.permutations(range(len(shape))))
    got = Tensor(x).transpose(*axes)
    assert got.shape == tuple(shape[axis] for axis in axes)
    for index in np.ndindex(*shape):
        assert got.data[tuple(index[axis] for axis in axes)] == x[index]
    assert Tensor(x).T.shape == shape[::-1]
    assert Tensor(x).reshape(-1).tolist() == list(range(x.size))
    assert got.reshape(shape[::-1]).shape == shape[::-1]


def test_the_ways_to_call_reshape_and_transpose():
    x = arange(6)
    calls = [x.reshape(2, 3), x.reshape((2, 3)), x.reshape([2, -1])]
    for got in (*calls, reshape(x, (2, 3)), reshape(x, shape=(2, 3))):
        assert got.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert reshape(x.reshape(2, 3)).shape == (6,)
    assert Tensor([[5]]).reshape().shape == ()
    cube = zeros(2, 3, 4)
    for got in (cube.transpose(), cube.T, transpose(cube)):
        assert got.shape == (4, 3, 2)
    for got in (cube.transpose(1, 0, 2), cube.transpose((1, 0, 2)), transpose(cube, (1, 0, 2))):
        assert got.shape == (3, 2, 4)
    with pytest.raises(ValueError, match=r"reshape of shape \(6,\).*\(4,\)"):
        x.reshape(4)
    with pytest.raises(ValueError, match=r"transpose of shape \(2, 3, 4\)"):
        cube.transpose(0, 1)


def test_views_share_memory_and_copies_do_not():
    x = Tensor(np.zeros((2, 3)))
    for view in (x.T, x.reshape(3, 2), x.reshape(-1), x[0], x[:, 1:], x[..., None], x.transpose(1, 0)):
        assert np.shares_memory(view.data, x.data)
    for copied in (x.T.reshape(6), x[[0, 1]], x[x == 0], x[Tensor([1, 0])]):
        assert not np.shares_memory(copied.data, x.data)
    x.T[2, 1] = 5
    assert x.tolist() == [[0, 0, 0], [0, 0, 5]]


# ---------------------------------------------------------------- one tensor as Python sees it


def test_item_and_the_conversions():
    for data, value in ((2.5, 2.5), ([[7]], 7), ([True], True)):
        item = Tensor(data).item()
        assert (item, type(item)) == (value, type(value))
    assert (float(Tensor([3])), int(Tensor(3.7)), bool(Tensor([[0.0]])), bool(Tensor(2)),
            f"{Tensor(0.12345):.3f}") == (3.0, 3, False, True, "0.123")
    assert (math.sqrt(Tensor(4.0)), [10, 20, 30][Tensor(1)], list(range(Tensor(2)))) == (2.0, 20, [0, 1])
    for shape in ((2,), (0,), (2, 2)):
        several = zeros(*shape)
        for convert in (several.item, lambda: float(several), lambda: int(several), lambda: bool(several),
                        lambda: f"{several:.1f}"):
            with pytest.raises(ValueError) as caught:
                convert()
            assert str(shape) in str(caught.value)
    for wrong in (Tensor(1.0), Tensor([1]), Tensor(True)):
        with pytest.raises(TypeError, match="index"):
            operator.index(wrong)


def test_length_and_iteration():
    x = Tensor([[1, 2], [3, 4], [5, 6]])
    assert len(x) == 3 and [row.tolist() for row in x] == [[1, 2], [3, 4], [5, 6]]
    assert 2 in Tensor([1, 2]) and 5 not in Tensor([1, 2])
    first, second = Tensor([1.5, 2.5])
    assert (type(first), first.item(), second.item()) == (Tensor, 1.5, 2.5)
    for use in (len, iter, list):
        with pytest.raises(TypeError, match="0-d"):
            use(Tensor(1.0))


def test_attributes_and_tolist():
    x = zeros(2, 3, 4)
    assert (x.shape, x.ndim, x.size, x.dtype) == ((2, 3, 4), 3, 24, np.float32)
    assert (Tensor(1.0).shape, Tensor(1.0).ndim, Tensor(1.0).size) == ((), 0, 1)
    assert Tensor(2.5).tolist() == 2.5 and Tensor([[1], [2]]).tolist() == [[1], [2]]


def test_repr():
    assert repr(Tensor([1.0, 2.5])) == "Tensor([1. , 2.5])"
    assert repr(Tensor([[1, 2], [3, 4]])) == "Tensor([[1, 2],\n        [3, 4]])"
    assert repr(Tensor(3.0)) == str(Tensor(3.0)) == f"{Tensor(3.0)}" == "Tensor(3.)"
    assert repr(Tensor([1.0], np.float64)) == "Tensor([1.], dtype=float64)"
    assert repr(Tensor([1], np.int8)) == "Tensor([1], dtype=int8)"
    assert repr(Tensor([True])) == "Tensor([ True])"
    assert repr(zeros(0, 3)) == "Tensor([], shape=(0, 3))"
    assert len(repr(zeros(1000, 1000))) < 500


def test_indexing_as_numpy_with_tensors_in_the_index():
    array = np.arange(24.0).reshape(2, 3, 4)
    x = Tensor(array)
    rows, mask = np.array([1, 0]), array > 10
    for plain, given in (((1,), 1), ((1, 2, 3), (1, 2, 3)), ((slice(None), -1), (slice(None), -1)),
                         ((..., 0), (..., 0)), ((None, 1), (None, 1)),
                         (rows, Tensor(rows)), ((rows, rows), (Tensor(rows), Tensor(rows))),
                         (mask, Tensor(mask)), (mask, x > 10),
                         ((0, rows), (Tensor(0), [1, 0])), ((slice(1, 2),), slice(Tensor(1), Tensor(2)))):
        got = x[given]
        assert type(got) is Tensor
        np.testing.assert_array_equal(got.data, array[plain])
    with pytest.raises(IndexError, match=r"getitem of shape \(2, 3, 4\): index 5 is out of bounds"):
        x[5]
    with pytest.raises(IndexError, match="too many indices"):
        x[0, 0, 0, 0]
    with pytest.raises(IndexError):
        x[Tensor([0.5])]


def test_assignment():
    x = zeros(2, 3)
    x[0] = [1, 2, 3]
    x[1, Tensor([0, 2])] = Tensor([7.0, 9.0])
    x[x == 2] = -1
    assert x.tolist() == [[1, -1, 3], [7, 0, 9]] and x.dtype == np.float32
    x[...] = np.float64(0.1)
    assert x.dtype == np.float32
    with pytest.raises(ValueError):
        x[0] = [1, 2]
    with pytest.raises(TypeError, match="NoneType"):
        x[0] = None


def test_numpy_reads_a_tensor():
    x = Tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.data) and not np.shares_memory(np.array(x), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(TypeError):
        np.exp(x)


def test_copies_and_pickles():
    x = Tensor([1.0, 2.0])
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(other) is Tensor and other.tolist() == [1.0, 2.0]
        assert not np.shares_memory(other.data, x.data)
    for operation in (module.add, module.sum, module.equal):
        assert copy.copy(operation) is operation
        assert copy.deepcopy([operation])[0] is operation
        assert pickle.loads(pickle.dumps(operation)) is operation


# ---------------------------------------------------------------- operations and the protocol of recording


class Recorded(TensorMethods):
    """A toy of what module 07 builds: holds a Tensor, notes each operation and its options."""

    def __init__(self, data, history=()):
        self.data, self.history = data, tuple(history)

    def record_operation(self, operation, inputs, options):
        tensors = [value.data if isinstance(value, Recorded) else value for value in inputs]
        _, output = operation.evaluate(tensors, options)
        before = [step for value in inputs if isinstance(value, Recorded) for step in value.history]
        return Recorded(Tensor.from_numpy(output), [*before, (operation.__name__, options)])


def test_every_operator_and_method_hands_itself_over():
    x = Recorded(Tensor([[1.0, 2.0], [3.0, 4.0]]))
    plain = x.data
    calls = {
        "add": [lambda v: v + 1, lambda v: 1 + v, lambda v: plain + v, lambda v: v + plain.data,
                lambda v: plain.data + v],
        "subtract": [lambda v: v - 1, lambda v: 1 - v, lambda v: plain - v],
        "multiply": [lambda v: v * 2.0, lambda v: 2.0 * v],
        "divide": [lambda v: v / 2, lambda v: 2 / v], "power": [lambda v: v ** 2, lambda v: 2 ** v],
        "negate": [lambda v: -v],
        "matmul": [lambda v: v @ plain, lambda v: plain @ v, lambda v: plain.data @ v],
        "abs": [abs, lambda v: v.abs()], "exp": [lambda v: v.exp()],
        "log": [lambda v: v.log()], "sqrt": [lambda v: v.sqrt()], "sum": [lambda v: v.sum()],
        "mean": [lambda v: v.mean(axis=0)],
        "max": [lambda v: v.max(axis=1)], "min": [lambda v: v.min()], "reshape": [lambda v: v.reshape(4)],
        "transpose": [lambda v: v.T, lambda v: v.transpose(1, 0)],
        "getitem": [lambda v: v[0], lambda v: v[:, Tensor([0])]], "equal": [lambda v: v == 1],
        "less": [lambda v: v < 1], "greater": [lambda v: 1 < v],
        "not_equal": [lambda v: v != 1], "less_equal": [lambda v: v <= 1],
        "greater_equal": [lambda v: v >= 1], "maximum": [lambda v: maximum(v, 0)],
        "minimum": [lambda v: minimum(0, v)],
    }
    for name, functions in calls.items():
        for function in functions:
            got, expected = function(x), function(plain)
            assert type(got) is Recorded and [step[0] for step in got.history] == [name]
            np.testing.assert_array_equal(got.data.data, expected.data)
            assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    assert [name for name, _ in ((2 * x + 1).sum() / 4).history] == ["multiply", "add", "sum", "divide"]
    assert (x.sum().item(), float(x[0, 0]), len(x), x.tolist()) == (10.0, 1.0, 2, [[1.0, 2.0], [3.0, 4.0]])
    assert Tensor(x).tolist() == plain.tolist() and np.asarray(x).shape == (2, 2)


def test_options_arrive_by_name_however_they_are_given():
    x = Recorded(zeros(2, 3))
    assert module.sum(x, 1).history[-1] == module.sum(x, axis=1).history[-1] == ("sum", {"axis": 1})
    assert mean(x, 0, True).history[-1] == ("mean", {"axis": 0, "keepdims": True})
    assert reshape(x, (3, 2)).history[-1] == ("reshape", {"shape": (3, 2)})
    assert x.sum(axis=1).history[-1] == ("sum", {"axis": 1, "keepdims": False})


@pytest.mark.parametrize("call", [
    lambda x: module.add(x), lambda x: module.add(x, x, x), lambda x: module.sum(x, 0, True, 1),
    lambda x: module.sum(x, 0, axis=0),
    lambda x: module.sum(), lambda x: module.sum(x, dim=0), lambda x: module.exp(x, x),
    lambda x: module.sum(x, axis="rows"),
])
def test_an_operation_refuses_arguments_it_does_not_have(call):
    with pytest.raises(TypeError) as caught:
        call(zeros(2, 3))
    assert "\n" not in str(caught.value)


def test_an_operation_knows_its_name_documentation_and_derivative():
    @Operation
    def scaled(x, by=2.0):
        """x times a number."""
        return x * by

    assert (repr(scaled), scaled.__doc__, scaled.differentiable, scaled.backward) == ("<operation scaled>",
                                                                                      "x times a number.",
                                                                                      True, None)

    @scaled.define_backward
    def scaled_backward(gradient, output, x, by=2.0):
        return gradient * by

    assert scaled.backward is scaled_backward
    assert scaled_backward(np.array([1.0]), None, None, by=3.0).tolist() == [3.0]
    assert not module.equal.differentiable and module.add.differentiable


def test_an_operation_of_any_number_of_inputs():
    @Operation
    def stack(*parts, axis=0):
        return np.stack(parts, axis)

    assert stack(Tensor([1.0, 2.0]), [3, 4], np.array([5.0, 6.0]), axis=1).tolist() == [[1, 3, 5], [2, 4, 6]]
    assert stack(Tensor([1.0]), Tensor([2.0], np.float64)).dtype == np.float32
    with pytest.raises(ValueError, match=r"stack of shapes \(1,\) and \(2,\)"):
        stack(Tensor([1.0]), Tensor([1.0, 2.0]))


def test_evaluate_returns_the_arrays_it_computed_with():
    x = Tensor([1.0, 2.0])
    arrays, output = module.multiply.evaluate((x, np.float64(3)), {})
    assert arrays[0] is x.data and [array.dtype for array in arrays] == [np.float32] * 2
    assert (output.tolist(), output.dtype) == ([3.0, 6.0], np.float32)


def test_what_forward_keeps_for_its_derivative_follows_the_inputs():
    @Operation
    def largest(x, axis=-1):
        where = np.argmax(x, axis=axis)
        return np.max(x, axis=axis), where

    assert largest(Tensor([[1.0, 5.0], [7.0, 2.0]])).tolist() == [5.0, 7.0]
    arrays, output = largest.evaluate((Tensor([[1.0, 5.0], [7.0, 2.0]]),), {"axis": 0})
    assert (len(arrays), arrays[1].tolist(), output.tolist()) == (2, [1, 0], [7.0, 5.0])


def test_a_recorder_is_no_option_and_never_computed_with_unseen():
    @Operation
    def linear(x, weight, bias=None):
        return x @ weight if bias is None else x @ weight + bias

    x, weight, bias = ones(1, 2), Recorded(ones(2, 3)), Recorded(ones(3))
    for call in (lambda: linear(x, weight, bias), lambda: linear(x, weight, bias=bias)):
        with pytest.raises(TypeError, match="linear: no gradient flows to an option; make 'bias' an input"):
            call()
    for inputs in ((x, bias), (bias, 2.0)):
        with pytest.raises(TypeError, match="add: a Recorded of an older class Recorded"):
            module.add.evaluate(inputs, {})


def test_an_error_inside_forward_keeps_its_origin():
    @Operation
    def broken(x):
        raise ValueError("no such luck")

    with pytest.raises(ValueError, match=r"broken of shape \(2,\): no such luck") as caught:
        broken(ones(2))
    assert str(caught.value.__cause__) == "no such luck"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("number", [3, 0.1, -2.5])
def test_a_python_number_takes_the_type_of_the_tensor(dtype, number):
    got = Tensor([1.5, -2.0], dtype) * number
    assert got.dtype == dtype
    assert got.tolist() == (np.array([1.5, -2.0], dtype) * dtype(number)).tolist()


def test_numpy_gives_the_array_itself():
    x = Tensor([1.0, 2.0])
    assert x.numpy() is x.data and Recorded(x).numpy() is x.data
