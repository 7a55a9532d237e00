# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · Tensors
#
# > Arrays of numbers with a shape, a data type and operations on them.
#
# | | |
# |---|---|
# | **You build** | the class `Tensor`; the rules for data types and shapes; arithmetic, matrix product, reductions; the `Operation` that module 07 will teach to run backwards |
# | **You need** | Python (functions, classes, list comprehensions). No linear algebra beyond what is explained here |
# | **Time** | about 4 hours |
# | **Exercises** | 13, worth 120 points |
# | **Exported to** | `tinytorch/core/tensor.py`; every later module imports it |
#
# A photograph, a sentence, a minute of sound, the ten million weights of a network: to a computer that
# learns, each of them is a block of numbers. This block is called a *tensor*, and everything a network does
# is arithmetic on tensors. In this module you build the tensor that all the others will use.
#
# **How to work.** Read, predict, then run. Write your code where a cell says `NotImplementedError`, and run the
# test below it: no output means that it passed. A test that fails says what it tried, what it expected, what
# it got and, often, why.
#
# **Lines that begin with `#|`** are addressed to nbdev, the tool that makes a Python package of the notebook. The next
# cell names the file, `#| export` marks a cell whose code goes there, and `#| exporti` one whose names are internal
# to it. All other cells are the lesson, and stay here.

# %%
#| default_exp core.tensor

# %% nbgrader={"grade": false, "grade_id": "tensor-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| exporti
from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable, Iterator
from itertools import zip_longest

import numpy as np

# %% [markdown]
# NumPy stores the numbers and computes with whole blocks of them at the speed of C. What you add on top is
# what a learning library needs: predictable data types, error messages that help, and operations that can
# later be recorded.
#
# The next cell is for this notebook only: checks for the tests, a style for the figures, and a function that
# draws a block of numbers as a grid of cells.

# %% nbgrader={"grade": false, "grade_id": "tensor-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import time

import matplotlib.pyplot as plt

from tinytorch.lesson import plotting
from tinytorch.lesson.checks import expect_close, expect_equal, expect_raises

plotting.use_style()


def draw_grid(axes, numbers, left=0.0, top=0.0, color=plotting.BLUE, faint=(), label=""):
    """Draw a matrix of numbers as cells of size 1, pale and dotted where (row, column) is in `faint`."""
    numbers = np.atleast_2d(numbers)
    for (row, column), number in np.ndenumerate(numbers):
        pale = (row, column) in faint
        axes.add_patch(plt.Rectangle(
            (left + column, -top - row - 1), 1, 1, facecolor=color, alpha=0.08 if pale else 0.28,
            linewidth=0))
        axes.add_patch(plt.Rectangle(
            (left + column, -top - row - 1), 1, 1, fill=False, edgecolor=color, linewidth=1,
            linestyle=":" if pale else "-"))
        axes.text(left + column + 0.5, -top - row - 0.5, f"{number:g}", ha="center", va="center",
                  color=plotting.GRAY if pale else plotting.BLACK)
    axes.text(left + numbers.shape[1] / 2, -top - numbers.shape[0] - 0.45, label, ha="center", va="center")


def grid_axes(width, height):
    """A figure whose one axes is an empty sheet of `width` by `height` cells."""
    figure, axes = plt.subplots(figsize=(0.46 * width, 0.46 * height))
    axes.set(xlim=(-0.1, width), ylim=(-height, 0.1), aspect="equal")
    axes.axis("off")
    return figure, axes

# %% [markdown]
# ## 1. Numbers and their types
#
# A computer keeps a number in a fixed count of bits. The *data type* (dtype, for short) says how many, and
# what they mean. Two types matter most here, both *floating point* (IEEE Standard 754, 2019): **float32**
# spends 32 bits, or 4 bytes, on each number, **float64** spends 64. Python's own `float` is a float64.
#
# **Predict first.** What does `float32(16777216) + float32(1)` give? (16777216 is $2^{24}$.)

# %% tags=["demo", "raises-exception"]
print("float32:", np.float32(16777216) + np.float32(1))
print("float64:", np.float64(16777216) + np.float64(1))

# %% [markdown]
# The one got lost. A float32 has 24 significant bits, so between $2^{24}$ and $2^{25}$ it can tell only every
# second integer. Wherever you are on the number line, the next number a float can hold is a certain *gap*
# away, and the gap grows with the number:

# %% tags=["demo", "raises-exception"]
magnitudes = np.logspace(-4, 4, 400)
figure, axes = plt.subplots()
for dtype, color, style in ((np.float16, plotting.VERMILLION, "-."), (np.float32, plotting.BLUE, "-"),
                            (np.float64, plotting.GREEN, "--")):
    axes.loglog(magnitudes, np.spacing(magnitudes.astype(dtype)).astype(float), style, color=color)
    axes.annotate(np.dtype(dtype).name, (magnitudes[-1], float(np.spacing(dtype(magnitudes[-1])))),
                  xytext=(6, 0), textcoords="offset points", va="center", color=color)
axes.set(xlabel="a number", ylabel="gap to the next number",
         title="Every float type has gaps; float32 resolves 7 digits")
plotting.show(
    figure,
    alt="Gap between neighboring floating-point numbers against their size, on logarithmic axes. Three "
        "staircases rise side by side: float16 has the widest gaps, float32 is about 8000 times finer, "
        "float64 another 500 million times.",
)

# %% [markdown]
# Float64 is so much finer: why would anyone choose float32? Because networks do not need sixteen digits. The
# gradient that moves a weight is itself an estimate from a handful of examples, good to two or three digits.
# What networks need is *many* numbers, and a processor moves twice as many float32 as float64 in the same
# time:

# %% tags=["demo", "raises-exception"]
print(f"{'dtype':10}{'bytes each':>12}{'10 million weights':>22}{'to double them':>18}")
for dtype in (np.float32, np.float64):
    weights = np.ones(10_000_000, dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        np.multiply(weights, 2, out=weights)
        seconds.append(time.perf_counter() - start)
    megabytes, milliseconds = weights.nbytes / 1e6, np.min(seconds) * 1e3
    print(f"{weights.dtype.name:10}{weights.itemsize:12}{megabytes:19.0f} MB{milliseconds:15.1f} ms")

# %% [markdown]
# So the course computes in float32, as PyTorch does, unless you ask for something else. These are the rules
# of the house:
#
# | you give | the tensor holds |
# |---|---|
# | Python numbers with a decimal point, or lists of them: `1.5`, `[1, 2.5]` | float32 |
# | Python integers, booleans: `3`, `[True, False]` | integers (int64), booleans (bool) |
# | something that has a `dtype` already: a NumPy array, a NumPy number such as `np.float64(2)`, a tensor | that data type: you chose it, the tensor keeps it |
# | any of these and `dtype=…` | what you said |
#
# And a second rule: **a tensor copies what it is given**. If it shared memory with your array, then changing
# the array a week later would change the tensor, and you would look for that mistake for a long time.
#
# NumPy does most of the work. `np.asarray(data)` turns nearly anything into an array, without copying if it
# is one. The helper below does that and refuses what is not a block of real numbers, in one clear line. It is
# given.

# %% nbgrader={"grade": false, "grade_id": "tensor-numbers", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| exporti
def _numbers(data, dtype=None) -> np.ndarray:
    """`data` as an array of real numbers, in `dtype` if there is one; not copied if it is such an array."""
    try:
        # Read as it stands first: asked for floats, NumPy takes the string "1.5" and None for numbers.
        for wanted in (None,) if dtype is None else (None, dtype):
            array = np.asarray(data, wanted)
            if array.dtype.kind not in "biuf":
                name = type(data).__name__
                raise TypeError(f"a tensor holds real numbers, not {name} (read as {array.dtype})")
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no tensor can be made of this {type(data).__name__}: {error}") from None
    return array

# %% tags=["demo", "raises-exception"]
print(_numbers([[1, 2], [3, 4]]).dtype, _numbers([1, 2.5]).dtype, _numbers([1, 2.5], np.float32).dtype)
for wrong in ([[1, 2], [3]], "three", None, 1 + 2j):
    try:
        _numbers(wrong)
    except (TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}")

# %% [markdown]
# ### Exercise: the data type rules
#
# *easy · about 15 minutes · 3 lines · 10 points · to-array*
#
# Write `to_array(data, dtype=None)`. The line above your part has read `data` as it stands: `array`.
#
# 1. If nobody chose a data type (neither `dtype` was given nor has `data` one of its own) and `array` came
#    out as float64, then the wanted `dtype` is `np.float32`.
# 2. Read `data` again with that `dtype`, by `_numbers(data, dtype)`. (`dtype=None` there means: as it
#    stands.)
# 3. Return a **copy** of it.
#
# <details><summary>Hint 1</summary>How do you know that <code>data</code> has a data type of its own?
# <code>hasattr(data, "dtype")</code> is true for NumPy arrays, NumPy numbers and tensors, and false for
# Python numbers and lists.</details>
# <details><summary>Hint 2</summary>Why read again, and not convert <code>array</code>? Because 300 does not
# fit into an 8-bit integer: NumPy refuses to <em>read</em> the Python number 300 as int8, but converts an
# array that holds it to 44 without a word.</details>
# <details><summary>Hint 3</summary><code>np.array(x)</code> copies, <code>np.asarray(x)</code> does
# not.</details>

# %% nbgrader={"grade": false, "grade_id": "to-array", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def to_array(data, dtype=None) -> np.ndarray:
    """A new NumPy array that holds `data`, under the data type rules of the course.

    Python floats and lists of them become float32; Python integers and booleans stay integers (int64) and
    booleans; what has a data type of its own (arrays, NumPy numbers, tensors) keeps it.

    Args:
        data: a number, a (nested) list of numbers, a NumPy array or a tensor; any shape, also 0-d or empty.
        dtype: NumPy data type that overrides the rules; default None.

    Returns:
        A NumPy array of the shape of `data` that shares no memory with it.

    Raises:
        TypeError: `data` is no block of real numbers (strings, None, complex numbers).
        ValueError: its rows differ in length, or a Python number does not fit into `dtype`.

    Example:
        >>> to_array([1.5, 2]).dtype, to_array([1, 2]).dtype, to_array(np.array([1.5])).dtype
        (dtype('float32'), dtype('int64'), dtype('float64'))
    """
    array = _numbers(data)
    ### BEGIN SOLUTION
    if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
        dtype = np.float32
    return np.array(_numbers(data, dtype))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-to-array", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_to_array():
    rules = [
        ("1.5", 1.5, "float32"), ("[1, 2.5]", [1, 2.5], "float32"),
        ("[[0.1], [-2.0]]", [[0.1], [-2.0]], "float32"),
        ("3", 3, "int64"), ("[True, False]", [True, False], "bool"), ("[]", [], "float32"),
        ("a float64 array", np.array([1.5, 2.5]), "float64"),
        ("a float16 array", np.array([1.5], np.float16), "float16"),
        ("an int8 array", np.array([[1, 2]], np.int8), "int8"),
        ("np.float64(2.5)", np.float64(2.5), "float64"),
    ]
    for name, data, dtype in rules:
        got = to_array(data)
        expect_equal(f"type of to_array({name})", type(got), np.ndarray, "return a NumPy array")
        expect_equal(f"dtype of to_array({name})", str(got.dtype), dtype, "only Python floats become float32")
        expect_close(f"to_array({name})", got, np.array(data, dtype))

    class Labeled:
        dtype = np.dtype(np.float64)

        def __array__(self, dtype=None, copy=None):
            return np.array([0.1, 0.2])

    expect_equal("dtype for an object that has dtype float64", str(to_array(Labeled()).dtype), "float64",
                 "hasattr(data, 'dtype'): keep it, it was chosen")
    shared = np.array([1.0, 2.0])

    class Holder:
        data, dtype = shared, shared.dtype

        def __array__(self, dtype=None, copy=None):
            return shared

    copied = to_array(Holder())
    shared[0] = 99.0
    expect_close("to_array(an object that holds an array), after that was changed", copied, [1.0, 2.0],
                 "return a copy, whatever came in")
    for name, data, dtype in (("[1, 2]", [1, 2], np.float64), ("[1.5, 2.5]", [1.5, 2.5], np.int32),
                              ("a float64 array", np.array([0.1]), np.float32), ("0.1", 0.1, np.float64)):
        got = to_array(data, dtype)
        expect_equal(f"to_array({name}, dtype={dtype.__name__})", str(got.dtype), dtype.__name__,
                     "a dtype that is given wins")
    expect_equal("to_array(0.1, dtype=float64)", float(to_array(0.1, np.float64)), 0.1,
                 "all 16 digits must survive: do not pass through float32")
    for dtype in (None, np.float64):
        source = np.array([1.0, 2.0])
        copied = to_array(source, dtype)
        source[0] = 99.0
        expect_close("to_array(array), after the array was changed", copied, [1.0, 2.0],
                     "return a copy: np.array(…)")
    expect_raises("300 as int8", ValueError, lambda: to_array(300, np.int8), "300",
                  cause="read data itself with _numbers(data, dtype), not the array made before")


test_to_array()

# %% [markdown]
# ## 2. The class
#
# An array becomes a tensor when it gets a name and manners. The course has two classes for this:
#
# - `TensorMethods` is the vocabulary: what everything that holds numbers answers to, such as `x.shape`,
#   `x + 1` or `x.mean()`. It is a class of its own because a second kind of tensor will need the same words:
#   the `Variable` of module 07, which remembers how it was computed.
# - `Tensor` is the plain kind: a NumPy array in its attribute `data`, and nothing else.
#
# Four words describe any tensor. For $x = \begin{pmatrix} 1 & 2 & 3 \\ 4 & 5 & 6 \end{pmatrix}$:
#
# | word | meaning | here |
# |---|---|---|
# | `x.shape` | the size along each *axis*, outermost first: rows, then columns | `(2, 3)` |
# | `x.ndim` | how many axes there are | `2` |
# | `x.size` | how many numbers: the product of the shape | `6` |
# | `x.dtype` | the type of each | float32 |
#
# A single number is a tensor too, of shape `()`: no axes, so `ndim` is 0 and `size` is 1 (an empty product).
# It is called a *0-d* tensor, or a scalar. A loss is one. `x.item()` takes the Python number out of it.
#
# The cell below is long and nearly all of it is given: read the first half, then **skim the operators**.
# Python turns `a + b` into `a.__add__(b)`; if `a` does not know what to do (a Python number does not know
# tensors), it tries `b.__radd__(a)`, the *reflected* method. Each of these hands over to an operation, a
# function such as `add` or `matmul`, which you will write in the sections that follow. That they do not exist
# yet is no problem: Python looks a name up when the line runs, not when it is defined.
#
# ### Exercise: item and length
#
# *easy · about 10 minutes · 3 lines each · 5 points · tensor-class*
#
# 1. `item()`: if the tensor does not hold exactly one number, raise a `ValueError` whose message names the
#    shape. Otherwise return the number as a Python number. (Any shape with one element will do: `(1, 1)` as
#    well as `()`.)
# 2. `__len__()`: what `len(x)` returns: the size of the first axis. A 0-d tensor has no first axis: raise a
#    `TypeError`, as Python does for `len(3)`.
#
# <details><summary>Hint 1</summary>NumPy arrays have a method <code>item()</code> of their own, and
# <code>self.data</code> is one.</details>
# <details><summary>Hint 2</summary>An f-string puts a shape into a message:
# <code>f"… shape {self.shape}"</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "tensor-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class TensorMethods:
    """What everything that holds numbers in `data` answers to: attributes, operators and methods.

    Each operator and method calls the operation of its name. Subclasses are `Tensor` and, in module 07,
    `Variable`.
    """

    # Leaves `array + tensor` to the tensor; NumPy would add it to each element of the array in turn.
    __array_ufunc__ = None
    # == compares elements; as a key of a dictionary or member of a set, a tensor is only equal to itself.
    __hash__ = object.__hash__

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis, outermost first; `()` for a single number."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements: the product of the shape."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        """NumPy data type of the elements."""
        return self.data.dtype

    @property
    def T(self):
        """All axes in reverse order: of a matrix, the transpose. Shares memory with the tensor."""
        return transpose(self)

    def item(self) -> float | int | bool:
        """The only element, as a Python number.

        Raises:
            ValueError: the tensor does not have exactly one element.

        Example:
            >>> Tensor([[2.5]]).item()
            2.5
        """
        ### BEGIN SOLUTION
        if self.size != 1:
            raise ValueError(f"item() needs exactly one element, but shape {self.shape} has {self.size}")
        return self.data.item()
        ### END SOLUTION

    def __len__(self) -> int:
        """Size of the first axis.

        Raises:
            TypeError: the tensor is 0-d.
        """
        ### BEGIN SOLUTION
        if self.ndim == 0:
            raise TypeError("a 0-d tensor has no length; item() gives its number")
        return self.shape[0]
        ### END SOLUTION

    def numpy(self) -> np.ndarray:
        """The NumPy array that holds the numbers: shared, not copied."""
        return np.asarray(self.data)

    def tolist(self):
        """The numbers as nested Python lists; a Python number if the tensor is 0-d."""
        return self.data.tolist()

    def __iter__(self) -> Iterator:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} is neither true nor false; pick one element")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.ndim or self.dtype.kind not in "iu":
            raise TypeError(f"an index is a 0-d tensor of integers, not {self.dtype} of shape {self.shape}")
        return self.item()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __add__(self, other):
        return add(self, other)

    def __radd__(self, other):
        return add(other, self)

    def __sub__(self, other):
        return subtract(self, other)

    def __rsub__(self, other):
        return subtract(other, self)

    def __mul__(self, other):
        return multiply(self, other)

    def __rmul__(self, other):
        return multiply(other, self)

    def __truediv__(self, other):
        return divide(self, other)

    def __rtruediv__(self, other):
        return divide(other, self)

    def __pow__(self, other):
        return power(self, other)

    def __rpow__(self, other):
        return power(other, self)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)

    def __neg__(self):
        return negate(self)

    def __abs__(self):
        return abs(self)

    def __eq__(self, other):
        return equal(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other):
        return not_equal(self, other) if _comparable(other) else NotImplemented

    def __lt__(self, other):
        return less(self, other) if _comparable(other) else NotImplemented

    def __le__(self, other):
        return less_equal(self, other) if _comparable(other) else NotImplemented

    def __gt__(self, other):
        return greater(self, other) if _comparable(other) else NotImplemented

    def __ge__(self, other):
        return greater_equal(self, other) if _comparable(other) else NotImplemented

    def __getitem__(self, index):
        return getitem(self, index=_plain_index(index))

    def sum(self, axis=None, keepdims=False):
        """See `sum`."""
        return sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis=None, keepdims=False):
        """See `mean`."""
        return mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis=None, keepdims=False):
        """See `max`."""
        return max(self, axis=axis, keepdims=keepdims)

    def min(self, axis=None, keepdims=False):
        """See `min`."""
        return min(self, axis=axis, keepdims=keepdims)

    def exp(self):
        """See `exp`."""
        return exp(self)

    def log(self):
        """See `log`."""
        return log(self)

    def sqrt(self):
        """See `sqrt`."""
        return sqrt(self)

    def abs(self):
        """See `abs`."""
        return abs(self)

    def reshape(self, *shape):
        """See `reshape`; the shape as one tuple or as separate numbers."""
        return reshape(self, shape=_one_tuple(shape))

    def transpose(self, *axes):
        """See `transpose`; the axes as one tuple or as separate numbers, none for all in reverse."""
        return transpose(self, axes=_one_tuple(axes) or None)

# %% nbgrader={"grade": false, "grade_id": "tensor-class-rest", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
class Tensor(TensorMethods):
    """An array of numbers with a shape, a data type and operations on it.

    Args:
        data: a number, a (nested) list of numbers, a NumPy array or a tensor. It is copied.
        dtype: NumPy data type; by default Python floats become float32 and everything else keeps its type
            (see `to_array`).

    Attributes:
        data: the NumPy array that holds the numbers.

    Raises:
        TypeError: `data` is no block of real numbers.
        ValueError: its rows differ in length, or a Python number does not fit into `dtype`.

    Example:
        >>> x = Tensor([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
        >>> x.shape, x.mean().item(), (10 - x)[0].tolist()
        ((2, 3), 3.5, [9.0, 8.0, 7.0])
    """

    def __init__(self, data, dtype=None):
        self.data = to_array(data, dtype)

    @classmethod
    def from_numpy(cls, array: np.ndarray) -> Tensor:
        """A tensor that shares the memory of `array`: nothing is copied or converted.

        Args:
            array: NumPy array of any shape and numeric type. Changing it changes the tensor, and the other
                way round.

        Raises:
            TypeError: `array` is not a NumPy array.
        """
        if not isinstance(array, np.ndarray):
            raise TypeError(f"from_numpy takes a NumPy array, not {type(array).__name__}; use Tensor(…)")
        tensor = cls.__new__(cls)
        tensor.data = array
        return tensor

    def __setitem__(self, index, value) -> None:
        self.data[_plain_index(index)] = _numbers(value)

    def __repr__(self) -> str:
        numbers = np.array2string(self.data, separator=", ", prefix="Tensor(")
        shape = f", shape={self.shape}" if self.size == 0 else ""
        dtype = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        return f"Tensor({numbers}{shape}{dtype})"


_PLAIN = {Tensor, float, int}


def _comparable(value) -> bool:
    return hasattr(value, "dtype") or isinstance(value, (int, float, list, tuple))


def _plain_index(index):
    """An index as NumPy takes it: tensors in it become arrays. A copy, since a derivative needs it later."""
    if isinstance(index, tuple):
        return tuple(_plain_index(part) for part in index)
    if isinstance(index, (TensorMethods, np.ndarray)):
        return np.array(index)
    return list(index) if isinstance(index, list) else index


def _one_tuple(numbers: tuple) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` alike as `(2, 3)`."""
    return tuple(numbers[0]) if len(numbers) == 1 and isinstance(numbers[0], (tuple, list)) else numbers

# %% nbgrader={"grade": true, "grade_id": "test-tensor-item", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_tensor_item():
    for name, data, number in (("0-d", 2.5, 2.5), ("shape (1,)", [7], 7), ("shape (1, 1)", [[-3.0]], -3.0),
                               ("a boolean", True, True)):
        got = Tensor.from_numpy(np.array(data)).item()
        expect_equal(f"item() of a tensor, {name}", got, number)
        expect_equal(f"type of item(), {name}", type(got), type(number),
                     "a Python number, not a tensor or array: self.data.item()")
    for shape in ((3,), (2, 3), (0,)):
        many = Tensor.from_numpy(np.zeros(shape))
        expect_raises(f"item() of shape {shape}", ValueError, many.item, str(shape),
                      cause="check that size is 1, and name the shape")
    for shape, length in (((4,), 4), ((2, 3), 2), ((0, 5), 0)):
        expect_equal(f"len() for shape {shape}", len(Tensor.from_numpy(np.zeros(shape))), length,
                     "the size of the first axis")
    expect_raises("len() of a 0-d tensor", TypeError, lambda: len(Tensor.from_numpy(np.array(3.0))),
                  cause="there is no first axis: check ndim")


test_tensor_item()

# %% [markdown]
# Two ways to make a tensor from an array: `Tensor(array)` copies, `Tensor.from_numpy(array)` shares. The
# first is what you want nearly always; the second is for code that has just computed the array and knows that
# nobody else will touch it.
#
# **Predict first**: which of the two notices that the array has changed?

# %% tags=["demo", "raises-exception"]
array = np.array([1.0, 2.0, 3.0])
copied, shared = Tensor(array), Tensor.from_numpy(array)
array[0] = 99.0
print(copied)
print(shared)
for data in ([[1, 2, 3], [4, 5, 6]], 2.5, [True], np.zeros((0, 3))):
    print(Tensor(data))

# %% [markdown]
# The printed form names the data type where it is not the one you would expect: float64 here, because the
# array had it. An empty tensor shows its shape.

# %% [markdown]
# ## 3. Shapes that meet
#
# You want to add a bias, one number for each of 3 columns, to a table of 4 rows. Writing the bias out four
# times would waste memory and time. *Broadcasting* does it without writing anything out: an axis of size 1
# *stretches* to the size it meets.

# %% tags=["demo", "raises-exception"]
column, row = np.array([[0], [10], [20]]), np.array([[1, 2, 3, 4]])
figure, axes = grid_axes(16.4, 4)
draw_grid(axes, np.repeat(column, 4, axis=1), 0, 0, plotting.BLUE,
          {(i, j) for i in range(3) for j in (1, 2, 3)}, "(3, 1)")
axes.text(4.7, -1.5, "+", ha="center", va="center", fontsize=16)
draw_grid(axes, np.repeat(row, 3, axis=0), 5.4, 0, plotting.VERMILLION,
          {(i, j) for i in (1, 2) for j in range(4)}, "(1, 4)")
axes.text(10.6, -1.5, "=", ha="center", va="center", fontsize=16)
draw_grid(axes, column + row, 11.8, 0, plotting.GREEN, label="(3, 4)")
plotting.show(
    figure,
    alt="A column of shape (3, 1) stretches to the right and a row of shape (1, 4) stretches downward, both "
        "to a grid of 3 rows and 4 columns; their sum is a table of shape (3, 4). The stretched copies are "
        "drawn pale.",
)

# %% [markdown]
# The pale cells exist nowhere: the same number is read again. Which shapes fit? The rule (NumPy's, and by now
# everybody's; Harris et al., *Array programming with NumPy*, Nature 585, 2020) compares the sizes **from the
# right**:
#
# 1. Write the two shapes below each other, aligned at the right. Where one is shorter, imagine ones on its
#    left.
# 2. Two sizes fit if they are equal, or if one of them is 1. The result has the size that is not 1:
#
# $$c_i = \begin{cases} a_i & \text{if } b_i = 1 \text{ or } a_i = b_i \\ b_i & \text{if } a_i = 1 \\
# \text{error} & \text{otherwise} \end{cases}
# \qquad i = -1, -2, \dots$$
#
# By hand, for `(4, 3)` with `(3,)`, for `(2, 1, 5)` with `(3, 1)`, and for `(4, 3)` with `(4,)`:
#
# | | axis −3 | axis −2 | axis −1 |
# |---|---|---|---|
# | `(4, 3)` | | 4 | 3 |
# | `(3,)` | | *1* | 3 |
# | result | | **4** | **3** |
# | | | | |
# | `(2, 1, 5)` | 2 | 1 | 5 |
# | `(3, 1)` | *1* | 3 | 1 |
# | result | **2** | **3** | **5** |
# | | | | |
# | `(4, 3)` | | 4 | 3 |
# | `(4,)` | | *1* | 4 |
# | result | | | 3 meets 4: **error** |
#
# The last is the classic mistake: one number for each *row* must have the shape `(4, 1)`, not `(4,)`.

# %% tags=["demo", "raises-exception"]
table = np.arange(12).reshape(4, 3)
good, bad = np.array([[10], [20], [30], [40]]), np.array([[10, 20, 30, 40]])
figure, axes = grid_axes(17.8, 5)
draw_grid(axes, table, 0, 0, plotting.BLUE, label="(4, 3)")
axes.text(3.6, -2, "+", ha="center", va="center", fontsize=16)
draw_grid(axes, np.repeat(good, 3, axis=1), 4.2, 0, plotting.GREEN,
          {(i, j) for i in range(4) for j in (1, 2)}, "(4, 1) stretches")
draw_grid(axes, table, 9.4, 0, plotting.BLUE, label="(4, 3)")
axes.text(13, -2, "+", ha="center", va="center", fontsize=16)
draw_grid(axes, bad[:, :3], 13.6, 0, plotting.GREEN)
draw_grid(axes, bad[:, 3:], 16.6, 0, plotting.VERMILLION)
axes.text(15.6, -1.6, "(4,) lies along the columns:\none number too many", ha="center", va="center",
          fontsize=9)
plotting.show(
    figure,
    alt="Left: a table of shape (4, 3) and a column of shape (4, 1) that stretches over the three columns. "
        "Right: the same table and a row of shape (4,), whose fourth number has no column to go to.",
)

# %% [markdown]
# ### Exercise: broadcast two shapes
#
# *medium · about 20 minutes · 7 lines · 15 points · broadcast-shapes*
#
# Write `broadcast_shapes(first, second)`, the shape of the result. No array is involved, only two tuples.
#
# 1. Walk through both shapes from the right. `zip_longest(reversed(first), reversed(second), fillvalue=1)`
#    gives the pairs and imagines the ones.
# 2. If the two sizes differ and neither is 1, raise a `ValueError` such as
#    `shapes (4, 3) and (4,) do not broadcast: 3 does not fit 4, axis -1`. The words are yours; the test looks
#    for both shapes and for `axis -1`, the axis counted from the right.
# 3. Collect the size of each axis and return them in the right order, as a tuple.
#
# A size can be 0 (a table without rows is still a table): 1 stretches to 0 as well, so `max` is not the
# answer.
#
# <details><summary>Hint 1</summary>Which size is the result's? If <code>a</code> is 1, it is <code>b</code>;
# otherwise <code>a</code>.</details>
# <details><summary>Hint 2</summary>You collect from right to left, so the list is in reverse order at the
# end.</details>
# <details><summary>Hint 3</summary>With k sizes collected so far, you stand at axis −1 − k.</details>

# %% nbgrader={"grade": false, "grade_id": "broadcast-shapes", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def broadcast_shapes(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an elementwise operation on arrays of two shapes.

    Sizes are compared from the right; a missing axis counts as 1, and a 1 stretches to the size it meets.

    Args:
        first: shape of one array, a tuple of any length.
        second: shape of the other.

    Returns:
        The shape of the result, as long as the longer of the two.

    Raises:
        ValueError: two sizes differ and neither is 1.

    Example:
        >>> broadcast_shapes((2, 1, 5), (3, 1))
        (2, 3, 5)

    Source:
        Harris et al., Array programming with NumPy, Nature 585 (2020), figure 1e.
    """
    ### BEGIN SOLUTION
    sizes = []
    for a, b in zip_longest(reversed(first), reversed(second), fillvalue=1):
        if a != b and 1 not in (a, b):
            clash = f"{a} does not fit {b}, axis {-1 - len(sizes)}"
            raise ValueError(f"shapes {first} and {second} do not broadcast: {clash}")
        sizes.append(b if a == 1 else a)
    return tuple(reversed(sizes))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-broadcast-shapes", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_broadcast_shapes():
    fits = [
        ((3,), (3,), (3,)), ((3, 1), (1, 4), (3, 4)), ((4, 3), (3,), (4, 3)), ((3,), (4, 3), (4, 3)),
        ((4, 1), (4, 3), (4, 3)),
        ((2, 1, 5), (3, 1), (2, 3, 5)), ((3, 1), (2, 1, 5), (2, 3, 5)), ((), (), ()), ((), (2, 3), (2, 3)),
        ((7,), (), (7,)),
        ((1, 1), (1,), (1, 1)), ((6, 1, 4, 1), (5, 1, 2), (6, 5, 4, 2)), ((0,), (1,), (0,)),
        ((1, 3), (0, 3), (0, 3)), ((0, 2), (), (0, 2)),
    ]
    for first, second, expected in fits:
        expect_equal(f"broadcast_shapes({first}, {second})", broadcast_shapes(first, second), expected,
                     "compare from the right; a 1 stretches; return a tuple, outermost axis first")
    clashes = [((4, 3), (4,), "axis -1"), ((2, 3), (4, 3), "axis -2"), ((4, 3), (2, 3), "axis -2"),
               ((0,), (2,), "axis -1"),
               ((5, 2, 3), (4, 1, 3), "axis -3"), ((2,), (3, 5), "axis -1")]
    for first, second, axis in clashes:
        expect_raises(f"broadcast_shapes({first}, {second})", ValueError,
                      lambda: broadcast_shapes(first, second),
                      str(first), str(second), axis,
                      cause="sizes that differ need a 1 on one side; name both shapes and the axis")


test_broadcast_shapes()

# %% tags=["demo", "raises-exception"]
print(broadcast_shapes((32, 10), (10,)), "a batch of 32 outputs plus a bias")
print(broadcast_shapes((32, 1, 2), (5, 2)), "32 points against 5 centers, in the plane")

# %% [markdown]
# ## 4. Types that meet
#
# Shapes meet, and so do data types. What should a float32 tensor times a float64 number be? NumPy's answer
# for arrays is the *wider* type, so that no digit is lost. For learning, that answer is a trap.
#
# **Predict first**: `weights` is float32. Which type do these have?

# %% tags=["demo", "raises-exception"]
weights = np.ones(3, np.float32)
rate = np.array([0.1, 0.01]).mean()
print("weights * 0.5              ", (weights * 0.5).dtype)
print("weights * rate             ", (weights * rate).dtype, "  (rate is a", type(rate).__name__ + ")")
print("weights * np.array([1,2,3])", (weights * np.array([1, 2, 3])).dtype)

# %% [markdown]
# One `mean()` in the wrong place, or one array of integers, and from there on everything downstream is
# float64: twice the memory, half the speed, and no message. So the course reverses the rule: **the narrowest
# floating type decides**, and nothing widens behind your back. Who has a say, in this order:
#
# 1. the **tensors**: they hold the network, and somebody chose their type;
# 2. if none of them is floating, the NumPy **arrays** and NumPy numbers;
# 3. if none of those is either, the Python **numbers** and lists (as `to_array` reads them: `0.5` is
#    float32).
#
# If no floating type is found at all, only integers and booleans are left; there NumPy's own rule
# (`np.result_type`) is right.
#
# | operation | type | because |
# |---|---|---|
# | float32 tensor × `np.float64(0.1)` | float32 | a tensor is floating: rule 1 |
# | float32 tensor × float64 tensor | float32 | the narrowest of the tensors |
# | float64 tensor × `0.1` | float64 | the only floating tensor |
# | int64 tensor × float64 array | float64 | no floating tensor: rule 2 |
# | int64 tensor × `0.1` | float32 | rule 3 |
# | int64 tensor × `2` | int64 | nothing is floating |
#
# A float64 tensor times a float32 tensor loses digits, then, and that is the price. Code that should serve
# both types, a layer or a loss, writes its constants as Python numbers: they adapt to whatever they meet.
#
# ### Exercise: the common type
#
# *medium · about 15 minutes · 5 lines · 10 points · common-dtype*
#
# Write the rest of `common_dtype(*inputs)`. Three lists are there: the data types of the tensors, of the
# arrays, and of the Python numbers among the inputs.
#
# 1. Go through the three groups in this order. In each, pick the floating types: those whose `dtype.kind` is
#    `"f"`.
# 2. If there is one, return the narrowest: the one with the smallest `dtype.itemsize` (bytes for each
#    number).
# 3. If no group had one, return `np.result_type` of all the types together.
#
# A note on names: this module defines `sum`, `max`, `min` and `abs` for tensors, as NumPy and PyTorch do, and
# they hide Python's functions of these names, here and in the exported file. Where you mean Python's, write
# `builtins.min`. And elsewhere, import the names you need: `from tinytorch.core.tensor import *` would hide
# them there, too.
#
# <details><summary>Hint 1</summary><code>builtins.min(…, key=…)</code> takes a function that says what to
# compare.</details>
# <details><summary>Hint 2</summary>A star in a call spreads a list over the arguments:
# <code>f(*first, *second)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "common-dtype", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def common_dtype(*inputs) -> np.dtype:
    """The one data type in which an operation on `inputs` computes.

    The narrowest floating type among the tensors decides, so that float32 is never silently widened. Where no
    tensor is floating the arrays and NumPy numbers decide, then Python numbers. Integers and booleans alone
    follow NumPy's promotion.

    Args:
        inputs: tensors, arrays, numbers or lists; at least one.

    Returns:
        A NumPy data type.

    Raises:
        TypeError: one of the inputs is no block of real numbers.

    Example:
        >>> common_dtype(Tensor([1.0, 2.0]), np.float64(0.1))
        dtype('float32')
    """
    tensors = [value.dtype for value in inputs if isinstance(value, TensorMethods)]
    arrays = [value.dtype for value in inputs if isinstance(value, (np.ndarray, np.generic))]
    others = [value for value in inputs if not isinstance(value, (TensorMethods, np.ndarray, np.generic))]
    numbers = [to_array(value).dtype for value in others]
    ### BEGIN SOLUTION
    for group in (tensors, arrays, numbers):
        floating = [dtype for dtype in group if dtype.kind == "f"]
        if floating:
            return builtins.min(floating, key=lambda dtype: dtype.itemsize)
    return np.result_type(*tensors, *arrays, *numbers)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-common-dtype", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_common_dtype():
    def tensor(dtype):
        return Tensor.from_numpy(np.zeros(2, dtype))

    half, single, double = tensor(np.float16), tensor(np.float32), tensor(np.float64)
    integer, small, flag = tensor(np.int64), tensor(np.int8), tensor(np.bool_)
    cases = [
        ("float32 tensor, float64 tensor", (single, double), "float32"),
        ("float64 tensor, float32 tensor", (double, single), "float32"),
        ("float64, float16, float32 tensors", (double, half, single), "float16"),
        ("float64 tensor twice", (double, double), "float64"),
        ("float32 tensor, np.float64(0.1)", (single, np.float64(0.1)), "float32"),
        ("float64 tensor, 0.1", (double, 0.1), "float64"),
        ("float64 array, float32 tensor", (np.zeros(2), single), "float32"),
        ("float64 tensor, float32 array", (double, np.zeros(2, np.float32)), "float64"),
        ("float32 tensor, int64 tensor", (single, integer), "float32"),
        ("int64 tensor, float64 tensor", (integer, double), "float64"),
        ("int64 tensor, float64 array", (integer, np.zeros(2)), "float64"),
        ("int64 tensor, np.float16(1)", (integer, np.float16(1)), "float16"),
        ("float64 array, 0.1", (np.zeros(2), 0.1), "float64"),
        ("int64 tensor, 0.1", (integer, 0.1), "float32"), ("a list, 2", ([1.0, 2.0], 2), "float32"),
        ("int64 array, 0.1", (np.zeros(2, int), 0.1), "float32"), ("int64 tensor, 2", (integer, 2), "int64"),
        ("int8 tensor alone", (small,), "int8"),
        ("int8 tensor, int16 array", (small, np.zeros(2, np.int16)), "int16"),
        ("int8 tensor, 1", (small, 1), "int64"), ("int8 tensor, [1, 2]", (small, [1, 2]), "int64"),
        ("bool tensor, True", (flag, True), "bool"), ("bool tensor, 1", (flag, 1), "int64"),
        ("int8 array, True", (np.zeros(2, np.int8), True), "int8"),
    ]
    for name, inputs, expected in cases:
        expect_equal(f"common_dtype of {name}", str(common_dtype(*inputs)), expected,
                     "tensors first, then arrays, then numbers; in the first group with floating types the "
                     "narrowest")


test_common_dtype()

# %% [markdown]
# ## 5. Operations
#
# Addition of tensors is a function: arrays go in, an array comes out. Why not write
# `def add(a, b): return Tensor(a.data + b.data)` and be done? Because of what comes in module 07. There, the
# derivative of a whole computation is found by walking back through its operations, so something must notice
# every operation as it happens. If each of them were a bare function, module 07 would have to write all of
# them again.
#
# So each operation is an *object* that you can call. It knows its computation on plain arrays, `forward`, and
# when it is called it does one of two things:
#
# - Among the inputs is one with a method `record_operation`: the operation **hands itself over**, with all
#   inputs and options, and returns what it gets back. Nothing in this module has that method. In module 07
#   `Variable` has.
# - Otherwise: compute, and wrap the array that comes out in a `Tensor`.
#
# Here only the way forward exists. Module 07 will teach these operations to run backwards, and nothing you
# write today has to be touched for it.
#
# Calling an operation passes through one place, so what is true for all of them is written once. `evaluate`
# brings the inputs to their common type, calls `forward`, adds the name and the shapes to an error, and keeps
# the result from widening (NumPy computes 1 / 2 of integers in float64). The inputs are the parameters of
# `forward` without a default; those with a default, such as `axis=None`, are options.
#
# ### Exercise: the dispatch
#
# *medium · about 15 minutes · 5 lines · 10 points · operation-call*
#
# Read the class, then write the rest of `__call__`. `inputs` is a tuple of arrays, tensors and numbers;
# `options` a dictionary.
#
# 1. If an input has a method `record_operation`, call it with three arguments, the operation itself, the
#    tuple of all inputs and the dictionary of options, and return what it returns. If several have one, ask
#    the first.
# 2. Otherwise get the output from `self.evaluate(inputs, options)`, which returns a pair: the arrays it
#    computed with, and the output.
# 3. Return the output as a `Tensor`, without copying: nobody else holds this array.
#
# <details><summary>Hint 1</summary><code>hasattr(thing, "name")</code> says whether a thing has an attribute
# of that name. Inside a method, the operation itself is <code>self</code>.</details>
# <details><summary>Hint 2</summary>Section 2 showed the way to make a tensor that shares an array.</details>

# %% nbgrader={"grade": false, "grade_id": "operation-call", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Operation:
    """A function of arrays that can be called with tensors, and recorded.

    Called with tensors, arrays and numbers it computes `forward` on plain arrays of one data type and returns
    a `Tensor`. Called with an input that has a method `record_operation` (the `Variable` of module 07) it
    hands itself to that method instead. What an early module defines as an operation, a later one can
    differentiate without touching it.

    Args:
        forward: function of arrays that returns an array. Its parameters without a default are the inputs,
            those with one are options, which may be given by position or by name. It may also return a
            tuple: the array, and after it whatever its derivative will want to use again. Usually given by
            using the class as a decorator.
        differentiable: False for an operation without a derivative, such as a comparison; default True.

    Attributes:
        forward: as given.
        backward: None until `define_backward` sets it.
        differentiable: as given.

    Example:
        >>> @Operation
        ... def scaled(x, by=2.0):
        ...     return x * by
        >>> scaled(Tensor([1.0, 2.0]), by=3.0)
        Tensor([3., 6.])
    """

    def __init__(self, forward: Callable[..., np.ndarray], differentiable: bool = True):
        functools.update_wrapper(self, forward)
        self.forward = forward
        self.backward: Callable | None = None
        self.differentiable = differentiable
        parameters = inspect.signature(forward).parameters.values()
        self._options = [one.name for one in parameters if one.default is not one.empty]
        any_number = any(one.kind is one.VAR_POSITIONAL for one in parameters)
        self._inputs = None if any_number else len(parameters) - len(self._options)

    def __repr__(self) -> str:
        return f"<operation {self.__name__}>"

    def __reduce__(self) -> str:
        # Copied or pickled as part of a network, an operation stays the one object of its name.
        return self.__qualname__

    def define_backward(self, backward: Callable) -> Callable:
        """Decorator that gives the operation its derivative.

        Args:
            backward: function `backward(gradient, output, *inputs, *kept, **options)` of plain arrays that
                returns one gradient for each input (alone if there is one input). `kept` is what `forward`
                returned after the output, usually nothing. `gradient` is that of the loss with respect to
                `output`, has its shape and must not be modified. What is returned for an input may still have
                a broadcast shape (the graph sums it back), may be None (nothing flows there), or a function
                without arguments, called only where its value is wanted.

        Returns:
            `backward`, unchanged.
        """
        self.backward = backward
        return backward

    def __call__(self, *inputs, **options):
        if len(inputs) != self._inputs and self._inputs is not None:
            inputs, options = self._split(inputs, options)
        for name, value in options.items():
            if hasattr(value, "record_operation"):
                raise TypeError(f"{self.__name__}: no gradient flows to an option; make {name!r} an input")
        ### BEGIN SOLUTION
        for value in inputs:
            if hasattr(value, "record_operation"):
                return value.record_operation(self, inputs, options)
        _, output = self.evaluate(inputs, options)
        return Tensor.from_numpy(output)
        ### END SOLUTION

    def evaluate(self, inputs: tuple, options: dict) -> tuple[list[np.ndarray], np.ndarray]:
        """Compute on plain arrays, without wrapping or recording.

        Args:
            inputs: tensors, arrays, numbers or lists.
            options: keyword arguments of `forward`.

        Returns:
            The inputs as arrays of one data type, followed by what `forward` keeps for its derivative; and
            the output. That is in the same type if it is floating; in float32 where NumPy turns integers into
            float64.

        Raises:
            TypeError: an input is no block of real numbers, or one that should have been recorded.
            ValueError, IndexError: what `forward` raises, with the name of the operation and the shapes of
                its inputs.
        """
        arrays = self._arrays(inputs)
        dtype = arrays[0].dtype
        try:
            output = self.forward(*arrays, **options)
        except (ValueError, IndexError) as error:
            kind = ValueError if isinstance(error, ValueError) else IndexError
            raise kind(self._explain(error, [array.shape for array in arrays])) from error
        if isinstance(output, tuple):
            output, *kept = output
            arrays = [*arrays, *kept]
        output = np.asarray(output)
        if output.dtype == _FLOAT64 and dtype != _FLOAT64:
            output = output.astype(dtype if dtype.kind == "f" else np.float32)
        return arrays, output

    def _arrays(self, inputs: tuple) -> list[np.ndarray]:
        """The inputs as arrays of their common data type."""
        dtypes = {value.data.dtype for value in inputs if type(value) is Tensor}
        if len(dtypes) == 1 and {type(value) for value in inputs} <= _PLAIN:
            (dtype,) = dtypes
            if dtype.kind == "f":  # the everyday case: tensors of one type, perhaps a number, no vote
                return [value.data if type(value) is Tensor else np.asarray(value, dtype) for value in inputs]
        for value in inputs:
            if hasattr(value, "record_operation"):
                kind = type(value).__name__
                raise TypeError(f"{self.__name__}: a {kind} of an older class {kind}; run its cells again")
        dtype = common_dtype(*inputs)
        return [_numbers(value, dtype) for value in inputs]

    def _split(self, inputs: tuple, options: dict) -> tuple[tuple, dict]:
        """Options that were given by position, such as the axis in `sum(x, 0)`, move to their names."""
        by_position = dict(zip(self._options, inputs[self._inputs:]))
        surplus = len(inputs) - self._inputs - len(by_position)
        if surplus or by_position.keys() & options.keys():
            by_name = f" and {', '.join(options)} by name" if options else ""
            called = f"{self.__name__}{inspect.signature(self.forward)}"
            raise TypeError(f"{called} cannot be called with {len(inputs)} arguments by position{by_name}")
        return inputs[:self._inputs], by_position | options

    def _explain(self, error: Exception, shapes: list[tuple[int, ...]]) -> str:
        """The message of an error in `forward`, with the name of the operation and its inputs' shapes."""
        if len(shapes) == 2 and str(error).startswith("operands could not be broadcast"):
            try:
                broadcast_shapes(*shapes)
            except ValueError as clash:
                return f"{self.__name__}: {clash}"
        return f"{self.__name__} of shape{'s' * (len(shapes) > 1)} {' and '.join(map(str, shapes))}: {error}"


_FLOAT64 = np.dtype(np.float64)

# %% nbgrader={"grade": true, "grade_id": "test-operation-call", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_operation_call():
    def weighted(a, b, weight=1.0):
        return weight * a + b

    operation = Operation(weighted)
    got = operation(Tensor.from_numpy(np.array([1.0, 2.0])), Tensor.from_numpy(np.array([10.0, 20.0])),
                    weight=3.0)
    expect_equal("type of what an operation on tensors returns", type(got), Tensor,
                 "wrap the output in a Tensor")
    expect_close("3 * [1, 2] + [10, 20]", got, [13.0, 26.0], "pass inputs and options to evaluate")
    expect_close("the same with its option by position",
                 operation(np.array([1.0, 2.0]), np.array([10.0, 20.0]), 3.0), [13.0, 26.0])
    expect_equal("type for plain arrays", type(operation(np.array([1.0]), np.array([2.0]))), Tensor)

    whole = Tensor.from_numpy(np.array([1.0, 2.0, 3.0]))
    part = Operation(lambda x: x[1:])(whole)
    whole.data[1] = 99.0
    expect_close("an output that is a view, after its base was changed", part, [99.0, 3.0],
                 "Tensor.from_numpy shares, Tensor copies")

    class Recorder:
        def __init__(self, name):
            self.name, self.calls = name, []

        def record_operation(self, operation, inputs, options):
            self.calls.append((operation, inputs, options))
            return f"recorded by {self.name}"

    left, right = Recorder("left"), Recorder("right")
    for inputs, asked in (((left, 5.0), left), ((5.0, right), right), ((left, right), left)):
        got = operation(*inputs, weight=2.0)
        expect_equal("a call with a recorder among its inputs", got, f"recorded by {asked.name}",
                     "return what record_operation returns; the first one is asked")
        expect_equal("how often it was asked", len(asked.calls), 1)
        seen, seen_inputs, seen_options = asked.calls.pop()
        expect_equal("the operation handed over is the one that was called", seen is operation, True,
                     "pass self")
        expect_equal("all inputs are handed over, in order", list(map(id, seen_inputs)),
                     list(map(id, inputs)))
        expect_equal("the options handed over", seen_options, {"weight": 2.0})
    expect_equal("calls of the recorder that was not asked", len(right.calls), 0)


test_operation_call()

# %% [markdown]
# ## 6. Arithmetic
#
# Now an operation takes two lines. `@Operation` above a function is a *decorator*: it is the same as writing
# `add = Operation(add)` after it. Inside `forward` you have NumPy arrays of one data type; broadcasting, data
# types and wrapping are taken care of. `add` and `negate` are given:

# %% nbgrader={"grade": false, "grade_id": "arithmetic-siblings", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
@Operation
def add(a, b):
    """Elementwise `a + b`.

    Args:
        a, b: tensors, arrays or numbers whose shapes broadcast.

    Returns:
        Tensor of the broadcast shape, in the common data type.

    Raises:
        ValueError: the shapes do not broadcast; the message names both.

    Example:
        >>> add(Tensor([[1.0], [2.0]]), Tensor([10.0, 20.0])).tolist()
        [[11.0, 21.0], [12.0, 22.0]]
    """
    return a + b


@Operation
def negate(x):
    """Elementwise `-x`.

    Args:
        x: tensor of any shape.

    Returns:
        Tensor of the same shape and data type.
    """
    return -x


def _floating(x: np.ndarray) -> np.ndarray:
    """`x`, in float32 if it holds integers or booleans."""
    return x if x.dtype.kind == "f" else x.astype(np.float32)

# %% [markdown]
# Worked by hand, so that you know what to expect, with broadcasting in the second:
#
# $$\begin{pmatrix} 6 & 8 \end{pmatrix} - \begin{pmatrix} 1 & 4 \end{pmatrix}
# = \begin{pmatrix} 5 & 4 \end{pmatrix} \qquad
# \begin{pmatrix} 6 & 8 \end{pmatrix} \odot \begin{pmatrix} 1 \\ -2 \end{pmatrix}
# = \begin{pmatrix} 6 & 8 \\ -12 & -16 \end{pmatrix} \qquad
# 7 / 2 = 3.5 \qquad 2^{-1} = 0.5$$
#
# ($\odot$ is the elementwise product, so that nobody takes it for the matrix product of section 8.) The last
# two are integers in, floats out: an integer type has no 3.5. `_floating` above turns integers into float32
# and leaves floats alone.
#
# ### Exercise: arithmetic
#
# *easy · about 10 minutes · 1 line each, 3 for `power` · 10 points · arithmetic*
#
# 1. `subtract(a, b)`: $a_i - b_i$.
# 2. `multiply(a, b)`: $a_i\, b_i$.
# 3. `divide(a, b)`: $a_i / b_i$. NumPy makes floats of integers here by itself, and `evaluate` sees to it
#    that they are float32.
# 4. `power(a, b)`: $a_i^{\,b_i}$. Integers to a power of integers stay integers. Except where an exponent is
#    negative, which NumPy refuses for integers: then turn `a` into floats first, with `_floating`.
#
# <details><summary>Hint for power</summary>The kind of a signed integer type is <code>"i"</code>, and
# <code>np.any(b &lt; 0)</code> asks whether any exponent is negative. Both inputs have one data type
# here.</details>

# %% nbgrader={"grade": false, "grade_id": "arithmetic", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@Operation
def subtract(a, b):
    """Elementwise `a - b`.

    Args:
        a, b: tensors, arrays or numbers whose shapes broadcast.

    Returns:
        Tensor of the broadcast shape, in the common data type.

    Raises:
        ValueError: the shapes do not broadcast; the message names both.

    Example:
        >>> subtract(10, Tensor([1, 2]))
        Tensor([9, 8])
    """
    ### BEGIN SOLUTION
    return a - b
    ### END SOLUTION


@Operation
def multiply(a, b):
    """Elementwise `a * b`.

    Args:
        a, b: tensors, arrays or numbers whose shapes broadcast.

    Returns:
        Tensor of the broadcast shape, in the common data type.

    Raises:
        ValueError: the shapes do not broadcast; the message names both.

    Example:
        >>> multiply(Tensor([1.5, 2.0]), 2)
        Tensor([3., 4.])
    """
    ### BEGIN SOLUTION
    return a * b
    ### END SOLUTION


@Operation
def divide(a, b):
    """Elementwise `a / b`, always floating.

    Args:
        a, b: tensors, arrays or numbers whose shapes broadcast.

    Returns:
        Tensor of the broadcast shape, in the common data type; float32 for integers.

    Raises:
        ValueError: the shapes do not broadcast; the message names both.

    Example:
        >>> divide(Tensor([7, 1]), 2)
        Tensor([3.5, 0.5])
    """
    ### BEGIN SOLUTION
    return a / b
    ### END SOLUTION


@Operation
def power(a, b):
    """Elementwise `a` to the power of `b`.

    Args:
        a, b: tensors, arrays or numbers whose shapes broadcast.

    Returns:
        Tensor of the broadcast shape, in the common data type; float32 for integers with a negative exponent
        among them.

    Raises:
        ValueError: the shapes do not broadcast; the message names both.

    Example:
        >>> power(Tensor([2, 3]), 2), power(Tensor([2, 4]), -1)
        (Tensor([4, 9]), Tensor([0.5 , 0.25]))
    """
    ### BEGIN SOLUTION
    if a.dtype.kind == "i" and np.any(b < 0):
        a = _floating(a)
    return a ** b
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-arithmetic", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_arithmetic():
    a, b = Tensor([[6.0, 8.0, -3.0]]), Tensor([[1.0], [-2.0]])
    cases = [
        ("subtract", subtract, [[5.0, 7.0, -4.0], [8.0, 10.0, -1.0]],
         [[-5.0, -7.0, 4.0], [-8.0, -10.0, 1.0]]),
        ("multiply", multiply, [[6.0, 8.0, -3.0], [-12.0, -16.0, 6.0]],
         [[6.0, 8.0, -3.0], [-12.0, -16.0, 6.0]]),
        ("divide", divide, [[6.0, 8.0, -3.0], [-3.0, -4.0, 1.5]],
         [[1 / 6, 0.125, -1 / 3], [-1 / 3, -0.25, 2 / 3]]),
        ("power", power, [[6.0, 8.0, -3.0], [1 / 36, 1 / 64, 1 / 9]],
         [[1.0, 1.0, 1.0], [64.0, 256.0, -0.125]]),
    ]
    for name, operation, forward, swapped in cases:
        got = operation(a, b)
        expect_close(f"{name}((1, 3), (2, 1))", got, forward,
                     "elementwise, a first; broadcasting comes by itself")
        expect_equal(f"dtype of {name} on float32", str(got.dtype), "float32")
        expect_close(f"{name} with its inputs swapped", operation(b, a), swapped,
                     "the order of the inputs matters")
        expect_equal(f"dtype of {name} on float64", str(operation(Tensor([2.0], np.float64), 3.0).dtype),
                     "float64")
        expect_raises(f"{name} of shapes (2,) and (3,)", ValueError,
                      lambda: operation(Tensor([1.0, 2.0]), Tensor([1.0, 2.0, 3.0])), "(2,)", "(3,)", name)

    integers = Tensor([7, 2, -1])
    for tried, got, expected, dtype in (
        ("[7, 2, -1] - 3", integers - 3, [4, -1, -4], "int64"),
        ("3 - [7, 2, -1]", 3 - integers, [-4, 1, 4], "int64"),
        ("[7, 2, -1] * 3", integers * 3, [21, 6, -3], "int64"),
        ("[7, 2, -1] / 2", integers / 2, [3.5, 1.0, -0.5], "float32"),
        ("14 / [7, 2, -1]", 14 / integers, [2.0, 7.0, -14.0], "float32"),
        ("[7, 2, -1] ** 2", integers ** 2, [49, 4, 1], "int64"),
        ("2 ** [0, 3, 5]", 2 ** Tensor([0, 3, 5]), [1, 8, 32], "int64"),
        ("2 ** [2, -1, 0]", 2 ** Tensor([2, -1, 0]), [4.0, 0.5, 1.0], "float32"),
        ("int8 [100] / int8 [8]", divide(Tensor([100], np.int8), Tensor([8], np.int8)), [12.5], "float32"),
        ("[7, 2, -1] ** 0", integers ** 0, [1, 1, 1], "int64"),
    ):
        expect_close(tried, got, expected)
        expect_equal(f"dtype of {tried}", str(got.dtype), dtype,
                     "integers stay integers, except in divide and with a negative exponent")
    tenth = power(Tensor([10.0], np.float64), -1)
    expect_equal("dtype of a float64 tensor to the power -1", str(tenth.dtype), "float64",
                 "only integers with a negative exponent become float32")
    expect_close("10 ** -1 in float64", tenth, [0.1], tolerance=1e-15)
    large = Tensor(np.array([2 ** 53 + 1]))
    expect_equal("(2**53 + 1) ** 1, exactly", (large ** 1).item(), 2 ** 53 + 1,
                 "do not go through floats where the exponents are not negative")


test_arithmetic()

# %% [markdown]
# **Predict first**: what happens in `10 - x`, where Python's integer on the left knows nothing of tensors?
# And with a NumPy array on the left, which could subtract `x` element by element by itself?

# %% tags=["demo", "raises-exception"]
print(Tensor([6, 8]) - Tensor([1, 4]), Tensor(7) / 2, Tensor(2) ** -1)
print(Tensor([6, 8]) * Tensor([[1], [-2]]))
x = Tensor([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
print("10 - x: (10).__sub__(x) gives up, x.__rsub__(10) takes over")
print(10 - x)
left = np.array([10.0, 20.0, 30.0])
print(f"array - x: the array steps back, too; the {left.dtype} array gives a {(left - x).dtype} tensor")
print(left - x)
try:
    x + Tensor([1.0, 2.0])
except ValueError as error:
    print(error)

# %% [markdown]
# The message in the last line comes from *your* `broadcast_shapes`.
#
# ## 7. One number at a time
#
# Comparisons are elementwise too, and give a tensor of booleans. They are operations like the others; only, a
# yes or no has no slope, so they are marked as not differentiable.

# %% nbgrader={"grade": false, "grade_id": "comparisons", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
_comparison = functools.partial(Operation, differentiable=False)


@_comparison
def equal(a, b):
    """Elementwise `a == b`, a tensor of booleans."""
    return a == b


@_comparison
def not_equal(a, b):
    """Elementwise `a != b`, a tensor of booleans."""
    return a != b


@_comparison
def less(a, b):
    """Elementwise `a < b`, a tensor of booleans."""
    return a < b


@_comparison
def less_equal(a, b):
    """Elementwise `a <= b`, a tensor of booleans."""
    return a <= b


@_comparison
def greater(a, b):
    """Elementwise `a > b`, a tensor of booleans."""
    return a > b


@_comparison
def greater_equal(a, b):
    """Elementwise `a >= b`, a tensor of booleans."""
    return a >= b

# %% [markdown]
# Four functions come up in every loss and every optimizer: $e^x$, $\ln x$ (the natural logarithm, `log` in
# code), $\sqrt{x}$ and $|x|$; and the larger or smaller of two numbers, `maximum` and `minimum`, from which
# module 02 makes its first activation.

# %% tags=["demo", "raises-exception"]
points = np.linspace(0.02, 3, 300)
figure, axes = plt.subplots()
for name, function, color, style, height in (("$e^x$", np.exp, plotting.VERMILLION, "--", 4.0),
                                             ("$\\sqrt{x}$", np.sqrt, plotting.GREEN, "-.", 1.73),
                                             ("$\\ln x$", np.log, plotting.BLUE, "-", 1.1)):
    axes.plot(points, function(points), style, color=color)
    axes.text(3.05 if name != "$e^x$" else 1.2, height, name, color=color, va="center")
axes.axhline(0, color=plotting.GRAY, linewidth=0.8)
axes.set(xlabel="x", ylim=(-2.5, 4.5), title="The exponential outgrows everything, the logarithm dives at 0")
plotting.show(
    figure,
    alt="Curves of the exponential, the square root and the natural logarithm for x from 0 to 3. The "
        "exponential passes 4 before x reaches 1.5; the square root rises slowly to 1.7; the logarithm falls "
        "steeply toward minus infinity near 0 and crosses 0 at x = 1.",
)

# %% [markdown]
# ### Exercise: elementwise functions
#
# *easy · about 5 minutes · 1 line each · 5 points · elementwise*
#
# `exp` and `minimum` are given. Write `log`, `sqrt`, `abs` and `maximum` in the same way. `log` and `sqrt` of
# integers are floating: use `_floating`. (NumPy would take the exponential of 8-bit integers in 16-bit
# floats, where 12 is too much already.) `abs` keeps the type.

# %% nbgrader={"grade": false, "grade_id": "elementwise", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@Operation
def exp(x):
    """Elementwise exponential, e to the power of x.

    Args:
        x: tensor of any shape.

    Returns:
        Tensor of the same shape; float32 for integers.
    """
    return np.exp(_floating(x))


@Operation
def log(x):
    """Elementwise natural logarithm.

    Args:
        x: tensor of any shape. At 0 the result is -inf, below it NaN, with NumPy's RuntimeWarning.

    Returns:
        Tensor of the same shape; float32 for integers.
    """
    ### BEGIN SOLUTION
    return np.log(_floating(x))
    ### END SOLUTION


@Operation
def sqrt(x):
    """Elementwise square root.

    Args:
        x: tensor of any shape. Below 0 the result is NaN, with NumPy's RuntimeWarning.

    Returns:
        Tensor of the same shape; float32 for integers.
    """
    ### BEGIN SOLUTION
    return np.sqrt(_floating(x))
    ### END SOLUTION


@Operation
def abs(x):
    """Elementwise absolute value.

    Args:
        x: tensor of any shape.

    Returns:
        Tensor of the same shape and data type.
    """
    ### BEGIN SOLUTION
    return np.abs(x)
    ### END SOLUTION


@Operation
def maximum(a, b):
    """Elementwise larger of two; NaN where one of them is NaN.

    Args:
        a, b: tensors, arrays or numbers whose shapes broadcast.

    Returns:
        Tensor of the broadcast shape, in the common data type.

    Raises:
        ValueError: the shapes do not broadcast; the message names both.

    Example:
        >>> maximum(Tensor([-1.0, 2.0]), 0)
        Tensor([0., 2.])
    """
    ### BEGIN SOLUTION
    return np.maximum(a, b)
    ### END SOLUTION


@Operation
def minimum(a, b):
    """Elementwise smaller of two; NaN where one of them is NaN.

    Args:
        a, b: tensors, arrays or numbers whose shapes broadcast.

    Returns:
        Tensor of the broadcast shape, in the common data type.

    Raises:
        ValueError: the shapes do not broadcast; the message names both.
    """
    return np.minimum(a, b)

# %% nbgrader={"grade": true, "grade_id": "test-elementwise", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_elementwise():
    x = [[0.25, 1.0], [2.718281828, 100.0]]
    cases = [("log", log, x, [[-1.386294361, 0.0], [1.0, 4.605170186]]),
             ("sqrt", sqrt, x, [[0.5, 1.0], [1.648721271, 10.0]]),
             ("abs", abs, [[-1.5, 2.0], [0.0, -7.0]], [[1.5, 2.0], [0.0, 7.0]])]
    for name, operation, data, expected in cases:
        expect_close(f"{name} of a (2, 2) tensor", operation(Tensor(data)), expected)
        expect_close(f"the method {name}()", getattr(Tensor(data), name)(), expected)
        for dtype in (np.float32, np.float64):
            expect_equal(f"dtype of {name} on {dtype.__name__}", str(operation(Tensor(data, dtype)).dtype),
                         dtype.__name__)
    for name, operation, expected in (("log", log, 4.158883083), ("sqrt", sqrt, 8.0)):
        got = operation(Tensor(64, np.int8))
        expect_close(f"{name} of the 8-bit integer 64", got, expected, "compute in float32: _floating(x)")
        expect_equal(f"dtype of {name} of an 8-bit integer", str(got.dtype), "float32",
                     "compute in float32: _floating(x)")
    with np.errstate(all="ignore"):
        expect_close("log of 0 and -1", log(Tensor([0.0, -1.0])), [-np.inf, np.nan],
                     "where there is no logarithm the answer is not a number; hide nothing")
        expect_close("sqrt of -4 and 0", sqrt(Tensor([-4.0, 0.0])), [np.nan, 0.0], "hide nothing")
    kept = abs(Tensor([-3, 4]))
    expect_close("abs of integers", kept, [3, 4])
    expect_equal("dtype of abs of integers", str(kept.dtype), "int64", "abs needs no floats")
    expect_close("maximum([[1, -5]], [[0], [3]])", maximum(Tensor([[1.0, -5.0]]), Tensor([[0.0], [3.0]])),
                 [[1.0, 0.0], [3.0, 3.0]], "the larger of the two, elementwise")
    expect_close("maximum([-1.5, 2], 0)", maximum(Tensor([-1.5, 2.0]), 0), [0.0, 2.0])
    expect_close("maximum with NaN", maximum(Tensor([np.nan, 1.0]), Tensor([1.0, np.nan])), [np.nan, np.nan],
                 "NaN must not disappear: np.maximum")


test_elementwise()

# %% [markdown]
# Use it. **Predict first**: the probability that 200 fair coins all show heads is $0.5^{200}$. What does a
# float32 make of that, and what is its logarithm, $200 \ln 0.5$?

# %% tags=["demo", "raises-exception"]
half = Tensor(0.5)
print("0.5 ** 200      ", half ** 200)
print("200 * log(0.5)  ", 200 * half.log())

# %% [markdown]
# The true value, $6.2 \cdot 10^{-61}$, is smaller than the smallest positive float32, $1.4 \cdot 10^{-45}$,
# and becomes 0. Its logarithm is a harmless −138.6. So probabilities of many things at once are added up as
# logarithms, never multiplied, and you will find a logarithm in nearly every loss.
#
# ## 8. The matrix product
#
# One layer of a network takes a weighted sum of its inputs, once for each output. For a batch of examples
# that is one matrix product, and it is where nearly all the computing time of a network goes. With $A$ of
# shape $(n, k)$ and $B$ of shape $(k, m)$, the product $C = AB$ has the shape $(n, m)$ and
#
# $$C_{ij} = \sum_{p=1}^{k} A_{ip}\, B_{pj}.$$
#
# In words: row $i$ of $A$ and column $j$ of $B$ have the same length $k$; multiply them number by number and
# add up.

# %% tags=["demo", "raises-exception"]
a, b = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 0], [2, -1], [0, 3]])
figure, axes = grid_axes(11.6, 4)
draw_grid(axes, a, 0, 0.5, plotting.BLUE, {(0, 0), (0, 1), (0, 2)}, "A: (2, 3)")
axes.text(3.5, -1.5, "@", ha="center", va="center", fontsize=14)
draw_grid(axes, b, 4, 0, plotting.VERMILLION, {(0, 0), (1, 0), (2, 0)}, "B: (3, 2)")
axes.text(6.6, -1.5, "=", ha="center", va="center", fontsize=16)
draw_grid(axes, a @ b, 7.2, 0.5, plotting.GREEN, {(0, 0), (0, 1), (1, 0)}, "C: (2, 2)")
axes.text(9.4, -2.0, "4·0 + 5·(−1)\n+ 6·3 = 13", va="center", fontsize=9.5, color=plotting.GREEN)
plotting.show(
    figure,
    alt="The second row of A, the numbers 4, 5, 6, and the second column of B, the numbers 0, -1, 3, are "
        "highlighted; their products add up to 13, the highlighted number in the second row and second "
        "column of C.",
)

# %% [markdown]
# The other three, by hand: $C_{11} = 1\cdot 1 + 2\cdot 2 + 3\cdot 0 = 5$,
# $C_{12} = 1\cdot 0 + 2\cdot(-1) + 3\cdot 3 = 7$, $C_{21} = 4\cdot 1 + 5\cdot 2 + 6\cdot 0 = 14$. The
# **inner** sizes must agree, here 3 and 3; the **outer** ones, 2 and 2, are the shape of the result.
#
# ### Exercise: three loops
#
# *medium · about 15 minutes · 7 lines · 10 points · matmul-by-hand*
#
# Write the formula as it stands, on nested lists, with three loops: over $i$, over $j$, and over $p$. `a` is
# a list of $n$ rows of $k$ numbers, `b` a list of $k$ rows of $m$ numbers, none of them empty. Return a list
# of $n$ rows of $m$ numbers. This one stays in the notebook: it is here to understand the product, and to see
# what it costs.
#
# <details><summary>Hint 1</summary>Start from a list of n rows of m zeros. Each row must be a list of its
# own: <code>[row] * n</code> is the same row n times over.</details>
# <details><summary>Hint 2</summary><code>m</code> is the length of any row of <code>b</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "matmul-by-hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
def matmul_by_hand(a: list, b: list) -> list:
    """The matrix product of two nested lists, (n, k) and (k, m), as a nested list (n, m)."""
    n, k, m = len(a), len(b), len(b[0])
    ### BEGIN SOLUTION
    c = [[0.0] * m for _ in range(n)]
    for i in range(n):
        for j in range(m):
            for p in range(k):
                c[i][j] += a[i][p] * b[p][j]
    return c
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-matmul-by-hand", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_matmul_by_hand():
    a, b = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]]
    cases = [
        ("(2, 3) @ (3, 2)", a, b, [[5.0, 7.0], [14.0, 13.0]]),
        ("(3, 2) @ (2, 3)", b, a, [[1.0, 2.0, 3.0], [-2.0, -1.0, 0.0], [12.0, 15.0, 18.0]]),
        ("(1, 3) @ (3, 1)", [[1.0, -2.0, 3.0]], [[2.0], [0.5], [-1.0]], [[-2.0]]),
        ("(2, 1) @ (1, 4)", [[2.0], [-1.0]], [[1.0, 2.0, 3.0, 4.0]],
         [[2.0, 4.0, 6.0, 8.0], [-1.0, -2.0, -3.0, -4.0]]),
    ]
    for tried, left, right, expected in cases:
        got = matmul_by_hand(left, right)
        expect_equal(f"number of rows of {tried}", len(got), len(expected), "one row for each row of a")
        expect_equal(f"{tried}", got, expected, "c[i][j] is the sum over p of a[i][p] * b[p][j]")
    expect_equal("a, after the calls", a, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "do not change the inputs")


test_matmul_by_hand()

# %% [markdown]
# **Predict first**: two matrices of 96 × 96. How many multiplications is that? And how many times faster is
# NumPy, which runs the same sums in compiled code that uses the whole width of the processor: 10, 100, 1000
# times?

# %% tags=["demo", "raises-exception"]
n = 96
left, right = np.random.default_rng(0).standard_normal((2, n, n))
rows, columns = left.tolist(), right.tolist()
start = time.perf_counter()
by_hand = matmul_by_hand(rows, columns)
loops = time.perf_counter() - start
start = time.perf_counter()
for _ in range(100):
    by_numpy = left @ right
compiled = (time.perf_counter() - start) / 100
print(f"{n ** 3:,} multiplications")
print(f"three loops {loops * 1e3:8.2f} ms")
print(f"NumPy       {compiled * 1e3:8.2f} ms, {loops / compiled:,.0f} times faster")
print(f"largest difference {np.abs(by_numpy - by_hand).max():.0e}")

# %% [markdown]
# That factor is the reason why every library of this kind is a thin layer over compiled code, and why you
# will write whole-array expressions, not loops.
#
# The real `matmul` is NumPy's `@`, which also takes
#
# - **vectors**: a vector on the left counts as a row, on the right as a column, and the added axis disappears
#   again: `(k,) @ (k, m)` → `(m,)`, `(n, k) @ (k,)` → `(n,)`, `(k,) @ (k,)` → `()`;
# - **batches**: more than two axes are a stack of matrices, `(…, n, k) @ (…, k, m)` → `(…, n, m)`, where the
#   axes in front broadcast.
#
# What is left for you is to say clearly what went wrong, since a wrong shape in a matrix product is the most
# common error there is in this trade.
#
# ### Exercise: matmul with messages
#
# *medium · about 15 minutes · 6 lines · 10 points · matmul*
#
# 1. If one of the inputs is 0-d, raise a `ValueError` whose message says that each side needs
#    `at least one axis`. (For numbers there is `*`.)
# 2. The inner size of `a` is its last. That of `b` is its second to last, or, if `b` is a vector, its only
#    one. If they differ, raise a `ValueError` that says, for 3 and 2, `the inner sizes 3 and 2 differ`.
#    (`evaluate` puts the name and both shapes in front.)
# 3. Let `broadcast_shapes` check the axes in front: `a.shape[:-2]` against `b.shape[:-2]`. Its message is
#    better than NumPy's.
# 4. Return `a @ b`.
#
# <details><summary>Hint</summary>A slice saves the case distinction: of the last two sizes, or of the only
# one there is, it is the first.</details>

# %% nbgrader={"grade": false, "grade_id": "matmul", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@Operation
def matmul(a, b):
    """Matrix product.

    Args:
        a: tensor (…, n, k), or a vector (k,), which counts as one row.
        b: tensor (…, k, m), or a vector (k,), which counts as one column. The axes in front broadcast.

    Returns:
        Tensor (…, n, m), without the axis of an input that was a vector; in the common data type.

    Raises:
        ValueError: an input is 0-d, the inner sizes differ or the axes in front do not broadcast; the message
            names both shapes.

    Example:
        >>> matmul(Tensor([[1, 2, 3], [4, 5, 6]]), Tensor([1, 0, -1]))
        Tensor([-2, -2])
    """
    ### BEGIN SOLUTION
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("the matrix product needs at least one axis on each side; use * for numbers")
    inner = b.shape[-2:][0]
    if a.shape[-1] != inner:
        raise ValueError(f"the inner sizes {a.shape[-1]} and {inner} differ")
    broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return a @ b
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-matmul", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_matmul():
    a, b = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]]
    stack = [[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]]
    cases = [
        ("(2, 3) @ (3, 2)", a, b, [[5.0, 7.0], [14.0, 13.0]]),
        ("(3,) @ (3, 2)", [1.0, 2.0, 3.0], b, [5.0, 7.0]),
        ("(2, 3) @ (3,)", a, [1.0, 0.0, -1.0], [-2.0, -2.0]),
        ("(3,) @ (3,)", [1.0, 2.0, 3.0], [2.0, 0.0, -1.0], -1.0),
        ("(3, 2, 2) @ (2, 1)", stack, [[3.0], [5.0]], [[[3.0], [10.0]], [[5.0], [3.0]], [[8.0], [0.0]]]),
        ("(1, 2) @ (3, 2, 2)", [[3.0, 5.0]], stack, [[[3.0, 10.0]], [[5.0, 3.0]], [[3.0, 3.0]]]),
        ("(3, 2, 2) @ (3, 2, 2)", stack, stack,
         [[[1.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]]]),
        ("(2, 3) @ (3, 0)", a, np.zeros((3, 0), np.float32), np.zeros((2, 0))),
    ]
    for tried, left, right, expected in cases:
        got = matmul(Tensor(left), Tensor(right))
        expect_close(tried, got, expected, "return a @ b")
        expect_equal(f"dtype of {tried}", str(got.dtype), "float32")
    expect_close("matrix @ array", Tensor(a) @ np.array([1.0, 0.0, -1.0]), [-2.0, -2.0])
    expect_close("array @ matrix", np.array([1.0, 2.0]) @ Tensor(a), [9.0, 12.0, 15.0])

    def product(left, right):
        return lambda: matmul(Tensor(np.ones(left)), Tensor(np.ones(right)))

    for left, right, inner in (((2, 3), (2, 3), "3 and 2"), ((4, 2), (3, 2), "2 and 3"),
                               ((3,), (4,), "3 and 4"), ((2, 3), (2,), "3 and 2"), ((3,), (2, 3), "3 and 2"),
                               ((5, 2, 4), (5, 3, 4), "4 and 3"), ((2,), (5, 3, 2), "2 and 3")):
        expect_raises(f"{left} @ {right}", ValueError, product(left, right), str(left), str(right),
                      f"inner sizes {inner} differ",
                      cause="last of a against second to last of b; give both numbers")
    for left, right in (((), (2, 3)), ((2, 3), ()), ((), ())):
        expect_raises(f"{left} @ {right}", ValueError, product(left, right), "at least one axis",
                      cause="a number has no axes")
    expect_raises("(2, 3, 4) @ (3, 4, 5)", ValueError, product((2, 3, 4), (3, 4, 5)), "(2, 3, 4)",
                  "(3, 4, 5)", "(2,)", "(3,)", "axis -1",
                  cause="check a.shape[:-2] against b.shape[:-2] with broadcast_shapes")


test_matmul()

# %% [markdown]
# ## 9. From many numbers to few
#
# A *reduction* folds an axis away: the sum of all, the mean of each column, the largest in each row. The
# question people get wrong is which axis. Read `axis=0` as "axis 0 **disappears**": of the shape `(2, 3)`
# remains `(3,)`, one number for each column.

# %% tags=["demo", "raises-exception"]
x = np.array([[1, 2, 3], [4, 5, 6]])
figure, axes = grid_axes(17.4, 4)
draw_grid(axes, x, 0, 1, plotting.BLUE, label="x: (2, 3)")
for left, title, numbers, color, label in (
    (4.4, "sum(axis=0)", x.sum(axis=0), plotting.VERMILLION, "(3,)"),
    (8.8, "sum(axis=1)", x.sum(axis=1), plotting.GREEN, "(2,)"),
    (13.1, "… keepdims=True", x.sum(axis=1, keepdims=True), plotting.GREEN, "(2, 1)"),
    (16.2, "sum()", x.sum(), plotting.PURPLE, "()"),
):
    draw_grid(axes, numbers, left, 1, color, label=label)
    axes.text(left + np.atleast_2d(numbers).shape[1] / 2, -0.5, title, ha="center", va="center", fontsize=9.5)
plotting.show(
    figure,
    alt="A table with rows 1 2 3 and 4 5 6. Summing over axis 0 gives one number for each column: 5, 7, 9. "
        "Summing over axis 1 gives one for each row: 6 and 15, of shape (2,), or of shape (2, 1) with "
        "keepdims. The sum of all is 21.",
)

# %% [markdown]
# `keepdims=True` leaves a 1 where the axis was, so that the result broadcasts against the original:
# `x - x.mean(axis=1, keepdims=True)` takes from each row its own mean. `axis` can also be negative (−1 is the
# last) or a tuple of several axes; `None`, the default, means all.
#
# With $N$ the number of elements folded into each result, the mean is
# $\bar{x} = \frac{1}{N} \sum_{i=1}^{N} x_i$. By hand, over axis 0 of the table above: $(1 + 4)/2 = 2.5$,
# $(2 + 5)/2 = 3.5$, $(3 + 6)/2 = 4.5$. Here $N = 2$.
#
# ### Exercise: mean, max and min
#
# *medium · about 15 minutes · 3 lines for the mean, 1 each for the others · 10 points · reductions*
#
# `sum` is given. Write
#
# 1. `mean(x, axis=None, keepdims=False)`: the sum divided by $N$. Find an $N$ that is right for every `axis`,
#    a tuple and `None` included;
# 2. `max` and `min`, like `sum`.
#
# <details><summary>Hint 1</summary>Each element of <code>x</code> goes into exactly one of the sums, and into
# each sum go equally many: how many are there of the one, how many of the other?</details>
# <details><summary>Hint 2</summary>If there are no sums at all (a tensor of shape <code>(0, 3)</code>, along
# axis 1), do not divide by 0 to find N: <code>(total.size or 1)</code> is 1 if the size is 0.</details>

# %% nbgrader={"grade": false, "grade_id": "reductions", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@Operation
def sum(x, axis=None, keepdims=False):
    """Sum over one axis, several, or all.

    Args:
        x: tensor of any shape.
        axis: the axis that is folded away, counted from the end if negative, or a tuple of axes; None
            (default) for all.
        keepdims: True leaves an axis of size 1 in its place; default False.

    Returns:
        Tensor without the axes (or with size 1 there), of the type of `x`; int64 for booleans and small
        integers.

    Raises:
        ValueError: `x` has no such axis.

    Example:
        >>> sum(Tensor([[1, 2, 3], [4, 5, 6]]), axis=0)
        Tensor([5, 7, 9])
    """
    return x.sum(axis=axis, keepdims=keepdims)


@Operation
def mean(x, axis=None, keepdims=False):
    """Arithmetic mean over one axis, several, or all.

    Args:
        x: tensor of any shape.
        axis: the axis that is folded away, counted from the end if negative, or a tuple of axes; None
            (default) for all.
        keepdims: True leaves an axis of size 1 in its place; default False.

    Returns:
        Tensor without the axes (or with size 1 there), of the type of `x`; float32 for integers and booleans.

    Raises:
        ValueError: `x` has no such axis.

    Example:
        >>> mean(Tensor([[1, 2, 3], [4, 5, 6]]), axis=0)
        Tensor([2.5, 3.5, 4.5])
    """
    ### BEGIN SOLUTION
    total = x.sum(axis=axis, keepdims=keepdims)
    count = x.size // (total.size or 1)
    return total / count
    ### END SOLUTION


@Operation
def max(x, axis=None, keepdims=False):
    """Largest element along one axis, several, or all; NaN where there is one.

    Args:
        x: tensor of any shape.
        axis: the axis that is folded away, counted from the end if negative, or a tuple of axes; None
            (default) for all.
        keepdims: True leaves an axis of size 1 in its place; default False.

    Returns:
        Tensor without the axes (or with size 1 there), of the type of `x`.

    Raises:
        ValueError: `x` has no such axis, or no element along it.

    Example:
        >>> max(Tensor([[1, 5], [7, 2]]), axis=1)
        Tensor([5, 7])
    """
    ### BEGIN SOLUTION
    return x.max(axis=axis, keepdims=keepdims)
    ### END SOLUTION


@Operation
def min(x, axis=None, keepdims=False):
    """Smallest element along one axis, several, or all; NaN where there is one.

    Args:
        x: tensor of any shape.
        axis: the axis that is folded away, counted from the end if negative, or a tuple of axes; None
            (default) for all.
        keepdims: True leaves an axis of size 1 in its place; default False.

    Returns:
        Tensor without the axes (or with size 1 there), of the type of `x`.

    Raises:
        ValueError: `x` has no such axis, or no element along it.
    """
    ### BEGIN SOLUTION
    return x.min(axis=axis, keepdims=keepdims)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-reductions", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_reductions():
    x = Tensor([[[3.0, -1.0], [5.0, 2.0], [-4.0, 7.0]], [[0.0, 6.0], [-2.0, 1.0], [8.0, -1.0]]])
    table = [
        ({}, 2.0, 8.0, -4.0),
        ({"axis": 0}, [[1.5, 2.5], [1.5, 1.5], [2.0, 3.0]], [[3.0, 6.0], [5.0, 2.0], [8.0, 7.0]],
         [[0.0, -1.0], [-2.0, 1.0], [-4.0, -1.0]]),
        ({"axis": 1}, [[4 / 3, 8 / 3], [2.0, 2.0]], [[5.0, 7.0], [8.0, 6.0]], [[-4.0, -1.0], [-2.0, -1.0]]),
        ({"axis": -1}, [[1.0, 3.5, 1.5], [3.0, -0.5, 3.5]], [[3.0, 5.0, 7.0], [6.0, 1.0, 8.0]],
         [[-1.0, 2.0, -4.0], [0.0, -2.0, -1.0]]),
        ({"axis": (0, 2)}, [2.0, 1.5, 2.5], [6.0, 5.0, 8.0], [-1.0, -2.0, -4.0]),
        ({"axis": (1, 2), "keepdims": True}, [[[2.0]], [[2.0]]], [[[7.0]], [[8.0]]], [[[-4.0]], [[-2.0]]]),
        ({"axis": 1, "keepdims": True}, [[[4 / 3, 8 / 3]], [[2.0, 2.0]]], [[[5.0, 7.0]], [[8.0, 6.0]]],
         [[[-4.0, -1.0]], [[-2.0, -1.0]]]),
        ({"keepdims": True}, [[[2.0]]], [[[8.0]]], [[[-4.0]]]),
    ]
    for options, *expected in table:
        for operation, numbers in zip((mean, max, min), expected):
            shown = ", ".join(f"{name}={value}" for name, value in options.items())
            expect_close(f"{operation.__name__}({shown}) of shape (2, 3, 2)", operation(x, **options),
                         numbers, "pass on axis and keepdims; N is the number folded into each result")
    for operation in (mean, max, min):
        expect_equal(f"dtype of {operation.__name__} on float64",
                     str(operation(Tensor([1.0, 2.0], np.float64)).dtype), "float64")
        expect_raises(f"{operation.__name__} over axis 2 of shape (2, 3)", ValueError,
                      lambda: operation(Tensor([[1, 2, 3], [4, 5, 6]]), axis=2), "(2, 3)")
        expect_close(f"{operation.__name__} of shape (0, 3) over axis 1",
                     operation(Tensor(np.zeros((0, 3))), axis=1), np.zeros(0),
                     "no rows: no results, and no division by 0")
        expect_close(f"{operation.__name__} of one number", operation(Tensor(-2.5)), -2.5)
    for data, expected in (([1, 2, 4, 6], 3.25), ([True, False, True, True], 0.75)):
        got = mean(Tensor(data))
        expect_close(f"mean of {data}", got, expected, "use /, not //")
        expect_equal(f"dtype of the mean of {data}", str(got.dtype), "float32")
    for operation in (max, min):
        expect_close(f"{operation.__name__} of [1, nan, 2]", operation(Tensor([1.0, np.nan, 2.0])), np.nan,
                     "a number that is none must not be hidden")
    largest = max(Tensor([3, 9, 4]))
    expect_equal("dtype of max of integers", str(largest.dtype), "int64", "a largest integer is an integer")


test_reductions()

# %% [markdown]
# Use it: bring each column of a table to mean 0. **Predict first** which axis that is, and whether it needs
# `keepdims`. And what about the rows?

# %% tags=["demo", "raises-exception"]
heights = Tensor([[1.60, 55.0], [1.75, 70.0], [1.90, 100.0]])
print("means of the columns:", heights.mean(axis=0))
print(heights - heights.mean(axis=0))
try:
    heights - heights.mean(axis=1)
except ValueError as error:
    print("rows, without keepdims:", error)
print("rows, with keepdims:")
print(heights - heights.mean(axis=1, keepdims=True))

# %% [markdown]
# The shape `(2,)` of the column means fits from the right without help; the row means, `(3,)`, need the 1.
# With a table of 3 × 3 the mistake would go through without a message, and the numbers would be wrong. Keep
# the habit: whenever a reduced tensor meets its original, `keepdims=True`.
#
# ## 10. The same numbers, another shape
#
# Memory has no rows and columns. It is one long line, and the table is a way of reading it. A NumPy array
# holds, beside the numbers, its *strides*: how many bytes to step to the next element along each axis. The
# element at index $(i, j)$ lies at byte
#
# $$\text{offset}(i, j) = i \cdot \text{stride}_0 + j \cdot \text{stride}_1.$$
#
# For the table of shape `(2, 3)` in float32, 4 bytes each: one to the right is 4 bytes on, one down is a
# whole row, $3 \cdot 4 = 12$ bytes on. Strides `(12, 4)`. The element at $(1, 2)$ lies at
# $1 \cdot 12 + 2 \cdot 4 = 20$ bytes: the sixth of six. Now swap the strides, `(4, 12)`, and read a shape of
# `(3, 2)`:

# %% tags=["demo", "raises-exception"]
x = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
figure, axes = grid_axes(15, 8)
for left, table, title, color in ((0, x, "x", plotting.BLUE), (8.5, x.T, "x.T", plotting.VERMILLION)):
    rows, columns = table.shape
    draw_grid(axes, table, left + 1, 1, color, label=f"{title}: shape {table.shape}, strides {table.strides}")
    for column in range(6):
        axes.add_patch(plt.Rectangle((left + column, -6.5), 1, 1, fill=False, edgecolor=plotting.GRAY))
        axes.text(left + column + 0.5, -6, f"{x.ravel()[column]:g}", ha="center", va="center")
        axes.text(left + column + 0.5, -6.9, f"{4 * column}", ha="center", va="center", fontsize=8,
                  color=plotting.GRAY)
    for place in range(columns - 1):
        start = place * table.strides[1] / 4 + 0.5
        stop = start + table.strides[1] / 4
        axes.annotate("", (left + stop, -5.45), (left + start, -5.45),
                      arrowprops={"arrowstyle": "->", "color": color, "connectionstyle": "arc3,rad=-0.35"})
axes.text(7.2, -7.6, "memory: one line, with the offset in bytes", ha="center", va="center", fontsize=9,
          color=plotting.GRAY)
plotting.show(
    figure,
    alt="The same six numbers in memory, read in two ways. As x of shape (2, 3) with strides (12, 4), the "
        "first row is 1 2 3: steps of 4 bytes. As its transpose of shape (3, 2) with strides (4, 12), the "
        "first row is 1 4: a step of 12 bytes.",
)

# %% [markdown]
# The transpose moved nothing: it is a *view*, a second way of reading the same memory. So a transpose costs
# the same for six numbers as for six billion, and a change through one view shows in the other. `reshape` is
# a view too whenever strides can express the new shape, and copies otherwise.
#
# ### Exercise: strides
#
# *medium · about 15 minutes · 6 lines · 10 points · strides*
#
# Write `strides_of(shape, itemsize)`: the strides, in bytes, of an array that lies in memory row after row
# (the last axis without gaps, the others around it), as a tuple. Do not make an array.
#
# <details><summary>Hint 1</summary>What is the stride of the last axis? Of the one before it? Work from the
# right.</details>
# <details><summary>Hint 2</summary>Each stride is the size of everything inside it: the stride to its right,
# times the size of the axis to its right.</details>

# %% nbgrader={"grade": false, "grade_id": "strides", "locked": false, "schema_version": 3, "solution": true, "task": false}
def strides_of(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of an array stored row after row, for its shape and the bytes of each element."""
    ### BEGIN SOLUTION
    strides = []
    step = itemsize
    for size in reversed(shape):
        strides.append(step)
        step = step * size
    return tuple(reversed(strides))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-strides", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_strides():
    for shape, itemsize, expected in (((2, 3), 4, (12, 4)), ((6,), 8, (8,)), ((), 4, ()),
                                      ((5, 4, 3), 1, (12, 3, 1)), ((2, 3, 5, 7), 4, (420, 140, 28, 4)),
                                      ((3, 1, 2), 2, (4, 4, 2))):
        expect_equal(f"strides_of({shape}, {itemsize})", strides_of(shape, itemsize), expected,
                     "the last is itemsize; each further one is its right neighbor times that axis' size; a "
                     "tuple")


test_strides()

# %% [markdown]
# Check the formula on real memory: take the bytes of the table, go to the offset of $(1, 2)$, and read 4
# bytes as a float32.

# %% tags=["demo", "raises-exception"]
x = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
strides = strides_of(x.shape, x.itemsize)
offset = 1 * strides[0] + 2 * strides[1]
print("strides", strides, "  NumPy says", x.strides)
print("offset", offset, "  holds", np.frombuffer(x.tobytes()[offset:offset + 4], np.float32)[0],
      "  x[1, 2] is", x[1, 2])

# %% [markdown]
# The operations themselves are NumPy's, and given. Their tensors share memory with `x` where NumPy's arrays
# do.

# %% nbgrader={"grade": false, "grade_id": "views", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
@Operation
def reshape(x, shape=-1):
    """The same elements, in the same order, in another shape.

    Args:
        x: tensor of any shape.
        shape: the new shape, of the same size; one -1 in it stands for what fits. Default -1: one axis.

    Returns:
        Tensor of that shape; it shares memory with `x` wherever strides can express it, and is a copy
        otherwise.

    Raises:
        ValueError: the sizes differ.

    Example:
        >>> reshape(Tensor([[1, 2, 3], [4, 5, 6]]), (3, -1)).tolist()
        [[1, 2], [3, 4], [5, 6]]
    """
    return np.reshape(x, shape)


@Operation
def transpose(x, axes=None):
    """Axes in another order.

    Args:
        x: tensor of any shape.
        axes: tuple that says, for each axis of the result, which axis of `x` it is; None (default) reverses
            all.

    Returns:
        Tensor that shares memory with `x`.

    Raises:
        ValueError: `axes` is no permutation of the axes of `x`.

    Example:
        >>> transpose(Tensor([[[1, 2, 3]]]), (2, 0, 1)).shape
        (3, 1, 1)
    """
    return np.transpose(x, axes)


@Operation
def getitem(x, index=...):
    """Elements of `x` picked by an index; `x[index]` in code.

    Args:
        x: tensor of any shape.
        index: integers, slices, `None`, `...`, arrays of integers or booleans, or a tuple of these, as in
            NumPy.

    Returns:
        Tensor that shares memory with `x` if the index is made of slices, and is a copy otherwise.

    Raises:
        IndexError: an index lies outside `x`, or there are too many.
    """
    return x[index]

# %% [markdown]
# **Predict first**: `a` is a reshaped `x`, `b` its transpose, `c` a reshaped transpose. All of `x` is set to
# 0 after that. Which of the three still holds numbers?

# %% tags=["demo", "raises-exception"]
x = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
a, b, c = x.reshape(3, 2), x.T, x.T.reshape(6)
print("strides of x, x.T:", x.data.strides, x.T.data.strides)
x[...] = 0
for name, tensor in (("a", a), ("b", b), ("c", c)):
    print(name, tensor.tolist())

# %% [markdown]
# `c` reads the memory in the order 1, 4, 2, 5, 3, 6: no single stride does that, so NumPy had to copy.
# Whoever updates parameters in place (module 08) must know this: an update through a copy is lost.
#
# ## 11. Where tensors come from
#
# Weights start as random numbers, biases as zeros. Random numbers in an experiment should be *repeatable*: a
# computer makes them from a *seed*, and the same seed gives the same numbers. A `numpy.random.Generator` is
# such a source. Whoever calls it hands it in, and no hidden global state decides what your network starts
# from.
#
# ### Exercise: random numbers
#
# *easy · about 5 minutes · 2 lines · 5 points · constructors*
#
# `zeros`, `ones` and `arange` are given. Finish `randn`, which draws from the standard normal distribution
# (mean 0, standard deviation 1).
#
# 1. `generator` is a Generator, or an integer seed, or `None` for a fresh, unseeded one.
#    `np.random.default_rng` makes a Generator of all three; one that is a Generator already it returns as it
#    is.
# 2. Its method `standard_normal(shape)` draws float64 numbers. Return them as a tensor of type `dtype`, so
#    that one seed gives the same numbers in every type.

# %% nbgrader={"grade": false, "grade_id": "constructors", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def zeros(*shape, dtype=np.float32) -> Tensor:
    """A tensor of zeros.

    Args:
        shape: sizes, as one tuple or as separate numbers; none at all for a 0-d tensor.
        dtype: NumPy data type; default float32.

    Raises:
        ValueError: a size is negative.

    Example:
        >>> zeros(2, 3).shape
        (2, 3)
    """
    return Tensor(np.zeros(_one_tuple(shape)), dtype)


def ones(*shape, dtype=np.float32) -> Tensor:
    """A tensor of ones; arguments as for `zeros`."""
    return Tensor(np.ones(_one_tuple(shape)), dtype)


def arange(start, stop=None, step=1, dtype=None) -> Tensor:
    """Evenly spaced numbers from `start` up to, and without, `stop`; from 0 up to `start` if that is all
    there is.

    Args:
        start, stop, step: integers or floats; `step` may be negative.
        dtype: NumPy data type; by default int64 if all are integers, else float32.

    Returns:
        Tensor with one axis, of shape (ceil((stop - start) / step),); empty if that is negative.

    Raises:
        ValueError: `step` is 0.

    Example:
        >>> arange(5), arange(1, 2, 0.25)
        (Tensor([0, 1, 2, 3, 4]), Tensor([1.  , 1.25, 1.5 , 1.75]))
    """
    if step == 0:
        raise ValueError("arange needs a step other than 0")
    numbers = np.arange(start, stop, step) if stop is not None else np.arange(0, start, step)
    if dtype is None and numbers.dtype == np.float64:
        dtype = np.float32
    return Tensor(numbers, dtype)


def randn(*shape, generator=None, dtype=np.float32) -> Tensor:
    """Random numbers from the standard normal distribution.

    Args:
        shape: sizes, as one tuple or as separate numbers; none at all for a 0-d tensor.
        generator: `numpy.random.Generator` to draw from, an integer seed, or None (default) for a fresh,
            unseeded one.
        dtype: floating NumPy data type; default float32. One seed gives the same numbers in every type, up to
            rounding.

    Raises:
        ValueError: a size is negative.

    Example:
        >>> randn(2, generator=7).tolist() == randn(2, generator=7).tolist()
        True
    """
    shape = _one_tuple(shape)
    ### BEGIN SOLUTION
    generator = np.random.default_rng(generator)
    return Tensor(generator.standard_normal(shape), dtype)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-randn", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_randn():
    expected = np.random.default_rng(7).standard_normal((2, 3))
    got = randn(2, 3, generator=7)
    expect_equal("type of randn(2, 3)", type(got), Tensor)
    expect_close("randn(2, 3, generator=7)", got, expected,
                 "draw standard_normal(shape) from default_rng(generator)")
    expect_equal("dtype of randn", str(got.dtype), "float32", "pass dtype on to Tensor")
    double = randn((2, 3), generator=7, dtype=np.float64)
    expect_equal("randn in float64, to the last digit", double.tolist(), expected.tolist(),
                 "draw in float64, then convert")
    source = np.random.default_rng(3)
    twice = np.random.default_rng(3).standard_normal(4)
    expect_close("a first draw from a Generator", randn(2, generator=source), twice[:2])
    expect_close("a second draw from the same Generator", randn(2, generator=source), twice[2:],
                 "a Generator goes on where it was; do not start it anew")
    expect_close("randn(2, generator=0)", randn(2, generator=0), np.random.default_rng(0).standard_normal(2),
                 "0 is a seed like any other; only None means unseeded")
    expect_equal("shape of randn()", randn(generator=0).shape, ())
    expect_equal("two unseeded draws are equal", randn(4).tolist() == randn(4).tolist(), False,
                 "None means fresh numbers each time")


test_randn()

# %% tags=["demo", "raises-exception"]
sample = randn(10_000, generator=0).data
grid = np.linspace(-4, 4, 200)
figure, axes = plt.subplots(figsize=(7, 3))
axes.hist(sample, bins=60, density=True, color=plotting.SKY, alpha=0.6, label="10,000 numbers from randn")
axes.plot(grid, np.exp(-grid ** 2 / 2) / np.sqrt(2 * np.pi), color=plotting.VERMILLION,
          label=r"$e^{-x^2/2} / \sqrt{2\pi}$")
axes.set(xlabel="x", ylabel="density")
axes.legend()
plotting.show(
    figure,
    alt="Histogram of 10,000 numbers drawn by randn, which follows the bell curve of the standard normal "
        "density closely.",
)

# %% [markdown]
# ## 12. Everything at once: who is nearest?
#
# Here are points in the plane and a few *centers*. Each point belongs to its nearest center. That is a
# classifier already, and one step of the k-means algorithm (Lloyd, *Least squares quantization in PCM*, IEEE
# Transactions on Information Theory 28, 1982). With $x_i$ the $n$ points and $c_j$ the $k$ centers, all with
# $d$ coordinates, it needs the table of all squared distances,
#
# $$D_{ij} = \sum_{p=1}^{d} (x_{ip} - c_{jp})^2,$$
#
# of shape $(n, k)$. By hand: from $x = (1, 2)$ to $c = (4, -2)$ it is $(-3)^2 + 4^2 = 25$.
#
# ### Exercise: all distances, no loop
#
# *hard · about 20 minutes · 3 lines · 10 points · squared-distances*
#
# Write `squared_distances(points, centers)` with tensors only: no loop, no NumPy function, at most one
# `reshape` and one reduction. (Any other way that gives the right numbers passes, too.)
#
# <details><summary>Hint 1</summary>You want all pairs. In section 3, a column and a row gave a table of all
# pairs.</details>
# <details><summary>Hint 2</summary>Give the points the shape (n, 1, d). What do you get when that meets (k,
# d)?</details>
# <details><summary>Hint 3</summary>The differences have the shape (n, k, d). Which axis must
# disappear?</details>

# %% nbgrader={"grade": false, "grade_id": "squared-distances", "locked": false, "schema_version": 3, "solution": true, "task": false}
def squared_distances(points: Tensor, centers: Tensor) -> Tensor:
    """Squared Euclidean distance of each point (n, d) to each center (k, d): a tensor (n, k)."""
    ### BEGIN SOLUTION
    n, d = points.shape
    difference = points.reshape(n, 1, d) - centers
    return (difference ** 2).sum(axis=2)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-squared-distances", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_squared_distances():
    points = Tensor([[1.0, 2.0], [0.0, 0.0], [-3.0, 4.0]])
    centers = Tensor([[4.0, -2.0], [0.0, 0.0], [1.0, 1.0], [-1.0, 0.5]])
    expected = [[25.0, 5.0, 1.0, 6.25], [20.0, 0.0, 2.0, 1.25], [85.0, 25.0, 25.0, 16.25]]
    expect_close("3 points, 4 centers in the plane", squared_distances(points, centers), expected,
                 "points as (n, 1, d) minus centers, squared, summed over the last axis")
    expect_close("as many points as centers as coordinates",
                 squared_distances(Tensor([[1.0, 0.0], [0.0, 3.0]]), Tensor([[0.0, 0.0], [1.0, 1.0]])),
                 [[1.0, 1.0], [9.0, 5.0]],
                 "row i is for point i, column j for center j")
    expect_close("5 points, 1 center on a line",
                 squared_distances(Tensor([[1.0], [2.0], [-3.0], [0.5], [0.0]]), Tensor([[2.0]])),
                 [[1.0], [0.0], [25.0], [2.25], [4.0]])
    expect_close("1 point, 2 centers in 3 dimensions",
                 squared_distances(Tensor([[1.0, 2.0, 3.0]]), Tensor([[0.0, 0.0, 0.0], [1.0, 4.0, 0.0]])),
                 [[14.0, 13.0]])
    expect_close("no points at all, 4 centers", squared_distances(Tensor(np.zeros((0, 2))), centers),
                 np.zeros((0, 4)), "give the middle axis its size, 1")
    expect_equal("type of the result", type(squared_distances(points, centers)), Tensor, "stay with tensors")
    expect_close("the points, afterwards", points, [[1.0, 2.0], [0.0, 0.0], [-3.0, 4.0]],
                 "do not change the inputs")


test_squared_distances()

# %% [markdown]
# Use it: three clouds of points, and three centers put down at a rough guess. Two steps, again and again:
# each point goes to its nearest center; each center moves to the mean of its points. A mean over some of the
# points is a matrix product: with $M_{ij} = 1$ where point $i$ belongs to center $j$ and 0 elsewhere, the
# sums are $M^\top X$ and the counts are the column sums of $M$. The guesses are (−1, 1), (0, −2) and (0.5,
# 0), and the clouds lie around (−2, −1), (2, −1.5) and (0.5, 2). **Predict first**: which guess ends in which
# cloud?

# %% tags=["demo", "raises-exception"]
source = np.random.default_rng(1)
clouds = Tensor([[-2.0, -1.0], [2.0, -1.5], [0.5, 2.0]])
points = (randn(60, 1, 2, generator=source) * 0.8 + clouds).reshape(180, 2)
centers = Tensor([[-1.0, 1.0], [0.0, -2.0], [0.5, 0.0]])
path = [centers]
for _ in range(5):
    distances = squared_distances(points, centers)
    member = Tensor(distances == distances.min(axis=1, keepdims=True), dtype=np.float32)
    centers = (member.T @ points) / member.sum(axis=0).reshape(3, 1)
    path.append(centers)
path = np.stack([step.data for step in path])
figure, axes = plt.subplots(figsize=(4.8, 4.2))
for j, (color, marker) in enumerate(zip((plotting.BLUE, plotting.VERMILLION, plotting.GREEN), "o^s")):
    own = points.data[member.data[:, j] == 1]
    axes.plot(own[:, 0], own[:, 1], marker, color=color, alpha=0.35, markersize=4, linewidth=0)
    plotting.draw_path(axes, path[:, j], "", plotting.BLACK)
    axes.plot(*path[-1, j], marker, color=color, markersize=11, markeredgecolor=plotting.BLACK)
axes.set(xlabel="first coordinate", ylabel="second coordinate",
         title="Five steps of k-means with your tensor", aspect="equal")
plotting.show(
    figure,
    alt="180 points in three clouds, marked by which center is nearest. Black paths show the three centers "
        "walking from their first guess into the middle of the clouds within five steps.",
)

# %% [markdown]
# The guess (−1, 1) went up, (0, −2), which lay between two clouds, went to the left, and (0.5, 0) was left with the
# lower right one. From other guesses the algorithm may end elsewhere: it only ever improves what it began with.
#
# Arithmetic, broadcasting, comparison, reduction, matrix product, reshape: all in a loop of four lines, and
# nothing in them asks how many points there are. What that costs: `difference` holds $n \cdot k \cdot d$
# numbers before they are summed. With the 60,000 images of 784 pixels that module 06 looks at, and 10
# centers, it is $60000 \cdot 10 \cdot 784 \cdot 4$ bytes:

# %% tags=["demo", "raises-exception"]
n, k, d = 60_000, 10, 784
shape = broadcast_shapes((n, 1, d), (k, d))
print(f"differences {shape}: {np.prod(shape) * 4 / 1e9:.2f} GB; the table itself: {n * k * 4 / 1e6:.1f} MB")

# %% [markdown]
# There is a way without it:
# $\sum_p (x_{ip} - c_{jp})^2 = \sum_p x_{ip}^2 - 2 \sum_p x_{ip} c_{jp} + \sum_p c_{jp}^2$. The middle term
# is a matrix product, the others are one column and one row. Each is small, and broadcasting joins them:

# %% tags=["demo", "raises-exception"]
def expanded_distances(points, centers):
    squares = (points ** 2).sum(axis=1, keepdims=True)
    return squares - 2 * (points @ centers.T) + (centers ** 2).sum(axis=1)


points, centers = randn(500, 784, generator=0), randn(10, 784, generator=1)
direct, expanded = squared_distances(points, centers), expanded_distances(points, centers)
print(f"shape {expanded.shape}, largest relative difference {(abs(expanded - direct) / direct).max():.1e}")
points, centers = points[:, :2] * 0.01, centers[:, :2] * 0.01
for shift in (0, 100):
    direct = squared_distances(points + shift, centers + shift)
    expanded = expanded_distances(points + shift, centers + shift)
    print(f"moved by {shift}: smallest squared distance {direct.min():.1e}, expanded {expanded.min():.1e}")

# %% [markdown]
# Look at the last line: a *negative* squared distance. Far from the origin, large squares are subtracted from
# each other, and the seven digits of a float32 are used up before the difference begins. Two formulas that
# are equal on paper need not be equal in a computer. You will meet this again with the softmax in module 02.
#
# ## 13. What a call costs
#
# Your operations do something NumPy's do not: they look for a recorder, agree on a type, and wrap the result.
# That takes time on each call, whatever the size. When does it matter? **Predict first**: for how many elements is
# the whole call no more than twice as expensive as NumPy's, and for how many no more than a tenth?

# %% tags=["demo", "raises-exception"]
def microseconds(value):
    """The best time of `value * value` in several rounds, after one that warms up."""
    repeats, best = builtins.max(20, 2000 // value.size), np.inf
    for _ in range(8):
        start = time.perf_counter()
        for _ in range(repeats):
            value * value
        best = builtins.min(best, (time.perf_counter() - start) / repeats)
    return best * 1e6


sizes = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
plain = [microseconds(np.ones(size, np.float32)) for size in sizes]
wrapped = [microseconds(Tensor(np.ones(size, np.float32))) for size in sizes]
figure, axes = plt.subplots()
axes.loglog(sizes, plain, "--o", color=plotting.GREEN, markersize=4, label="NumPy array")
axes.loglog(sizes, wrapped, "-s", color=plotting.BLUE, markersize=4, label="Tensor")
axes.set(xlabel="elements", ylabel="microseconds", title="Time of one multiplication x * x")
axes.legend()
plotting.show(
    figure,
    alt="Time of one elementwise multiplication against the number of elements, both axes logarithmic. For "
        "small arrays the Tensor takes longer by a constant time, a microsecond or two; from about a hundred "
        "thousand elements on the two curves meet.",
)
for size, before, after in zip(sizes, plain, wrapped):
    print(f"{size:>9,} elements: {after / before:5.2f} times NumPy's time")

# %% [markdown]
# The wrapper adds the same microsecond or two to every call: many times the work itself for one number, next to nothing
# for a million. That is the bargain behind every library of this kind, and the second reason to compute with whole
# arrays.
#
# **And memory?** Every operation takes memory for its result, and gives it back when nobody needs the result any more. On
# Linux, the C library passes memory that was given back on to the system as soon as a little of it lies free, and the
# next operation has to fetch it again, page by page. In the training step of a small network that takes as long as all
# the arithmetic. The library can be made to keep a reserve: once a large block has been taken and given back, free memory
# up to twice its size stays at hand (`M_TRIM_THRESHOLD` in the manual page `mallopt(3)`). The block is never written to,
# so it costs nothing, and on other systems the two lines do no harm.

# %%
#| exporti
# Make the C library keep freed memory for the next arrays: see M_TRIM_THRESHOLD in mallopt(3).
reserve = np.empty(16 * 2**20, dtype=np.uint8)
del reserve

# %% [markdown]
# ## Reflect
#
# Nothing here is graded. Answer before you unfold.
#
# 1. A colleague's network has been slower since yesterday, and needs more memory. The only change: the
#    pixels, an array of 8-bit integers, are now divided by 255 in NumPy before they become a `Tensor`. What
#    happened?
#    <details><summary>One answer</summary>The quotient is a float64 array, and the tensor keeps the type of
#    an array (section 1). Operations with float32 weights still come out as float32, but each of them first
#    converts all pixels, and what is computed from pixels alone runs in float64.
#    <code>Tensor(pixels, dtype=np.float32)</code> at the border puts it right.</details>
# 2. Predictions have the shape `(100, 1)`, targets `(100,)`. The loss is
#    `((predictions - targets) ** 2).mean()`. No error appears and the training makes no progress. Why?
#    <details><summary>One answer</summary>The difference broadcasts to <code>(100, 100)</code>: every
#    prediction against every target. The best the network can do then is to predict the mean of all
#    targets.</details>
# 3. Why does `x += 1` leave an earlier `y = x` alone for tensors, but not for NumPy arrays? Which is better
#    for module 07?
#    <details><summary>One answer</summary>A tensor has no <code>__iadd__</code>, so Python computes
#    <code>x + 1</code>, a new tensor, and binds the name to it. An array is changed in place. For a graph of
#    operations it must be a new tensor: the old numbers may still be needed to compute a
#    derivative.</details>
# 4. Why is the sum of two int8 tensors, `a + b`, an int8 tensor, but `a.sum()` int64?
#    <details><summary>One answer</summary>Two numbers rarely leave the range; a sum of thousands does so
#    easily. The int8 range ends at 127. This is NumPy's choice, and the reason why the addition of two large
#    int8 tensors can wrap around.</details>
#
# ## What you built
#
# | equation or rule | in code | in the package |
# |---|---|---|
# | data types: Python floats are float32, the narrowest floating type decides | `to_array`, `common_dtype` | yes |
# | $c_i = a_i$ or $b_i$, sizes from the right, 1 stretches | `broadcast_shapes` | yes |
# | call, or hand over | `Operation` | yes |
# | $a - b$, $a \odot b$, $a / b$, $a^b$, $\ln x$, $\sqrt{x}$, $\lvert x \rvert$, $\max(a, b)$ | `subtract` … `maximum` | yes |
# | $C_{ij} = \sum_p A_{ip} B_{pj}$ | `matmul_by_hand`, `matmul` | `matmul` only |
# | $\bar{x} = \frac{1}{N} \sum x_i$, largest, smallest | `mean`, `max`, `min` | yes |
# | offset $= \sum_i \text{index}_i \cdot \text{stride}_i$ | `strides_of` | no, for understanding |
# | $D_{ij} = \sum_p (x_{ip} - c_{jp})^2$ | `squared_distances` | no, an application |
#
# | here | in PyTorch | difference |
# |---|---|---|
# | `Tensor(array)` | `torch.tensor(array)` | both copy and keep the array's type |
# | `Tensor.from_numpy(array)` | `torch.from_numpy(array)` | both share |
# | float32 × float64 tensor | `torch.float32 * torch.float64` | here float32, in PyTorch float64 |
# | `x.sum(axis=1, keepdims=True)` | `x.sum(dim=1, keepdim=True)` | the words |
# | `x.max(axis=1)` | `x.max(dim=1).values` | PyTorch returns positions as well |
# | `x.T` for three axes | `x.permute(2, 1, 0)` | `.T` is for matrices there |
# | `randn(3, generator=7)` | `torch.randn(3, generator=torch.Generator().manual_seed(7))` | other random numbers |
#
# Export your notebook, in a terminal: `tinytorch export --notebook tensor_dev.ipynb`. Every later module begins with
# `from tinytorch.core.tensor import Tensor`. Next
# comes module 02, where `maximum(x, 0)` and `exp` become activations. In module 07 a `Variable` with the
# method `record_operation` steps up to the operations you wrote today, and they answer, unchanged.
