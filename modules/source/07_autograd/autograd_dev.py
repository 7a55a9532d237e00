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
# # 07 · Automatic differentiation
#
# > Reverse-mode automatic differentiation: a graph of operations, walked from the newest to the oldest.
#
# | | |
# |---|---|
# | **You build** | the backward rule of every tensor operation, `Variable`, `backward()`, `no_grad()`, `check_gradients()`, `track()` |
# | **You need** | module 01; what a derivative is and the chain rule for functions of one variable. The rest is built here |
# | **Time** | about 5 hours; good places to stop are marked *Pause* |
# | **Exercises** | 15, worth 120 points |
# | **Exported to** | `tinytorch/core/autograd.py`; every module that trains anything imports it |
#
# A network learns by changing its parameters a little, in the direction that makes its error smaller. To know that
# direction it needs one derivative for each parameter, and there may be millions. In this module you build the
# machine that finds all of them, exactly, for about the price of computing the error itself, and for any program made
# of the operations of module 01.
#
# The way goes from a slope you measure with two function calls, over the rule of each operation, to a graph that
# remembers what was computed and is walked backward. At the end a layer and an activation that have never heard of
# gradients are trained, without a line of them being changed.

# %%
#| default_exp core.autograd

# %% nbgrader={"grade": false, "grade_id": "autograd-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
from __future__ import annotations

import builtins
import contextlib
import itertools
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import numpy as np

from tinytorch.core.tensor import (
    Operation, Tensor, TensorMethods, abs, add, divide, exp, getitem, log, matmul, max, maximum, mean, min,
    minimum, multiply, negate, power, reshape, sqrt, subtract, sum, transpose,
)

_all_ = ["abs", "add", "divide", "exp", "getitem", "log", "matmul", "max", "maximum", "mean", "min",
         "minimum", "multiply", "negate", "power", "reshape", "sqrt", "subtract", "sum", "transpose"]

# %% nbgrader={"grade": false, "grade_id": "autograd-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import sys
import time
import weakref

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from tinytorch.core.tensor import randn
from tinytorch.lesson import plotting
from tinytorch.lesson.checks import expect_close, expect_equal, expect_raises

plotting.use_style()

# %% [markdown]
# The import brings in the operations `sum`, `max`, `min` and `abs` of module 01, and they hide Python's functions of
# the same names for the rest of this notebook. Where Python's own is meant, the code says `builtins.max`.
#
# The next cell holds a helper for pictures of graphs. You need not read it.

# %% nbgrader={"grade": false, "grade_id": "autograd-figures", "locked": true, "schema_version": 3, "solution": false, "task": false}
def draw_boxes(boxes, arrows, size, alt):
    """Draw a graph.

    boxes: {name: (x, y, text, color)}; arrows: [(from name, to name, label, color, bend)].
    """
    figure, axes = plt.subplots(figsize=size)
    axes.set_axis_off()
    xs, ys = [box[0] for box in boxes.values()], [box[1] for box in boxes.values()]
    axes.set(xlim=(np.min(xs) - 0.55, np.max(xs) + 0.55), ylim=(np.min(ys) - 0.45, np.max(ys) + 0.45))
    patches = {}
    for name, (x, y, text, color) in boxes.items():
        frame = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": color, "linewidth": 1.8}
        drawn = axes.text(x, y, text, ha="center", va="center", bbox=frame, zorder=3, fontsize=10)
        patches[name] = drawn
    figure.canvas.draw()
    for start, end, label, color, bend in arrows:
        (x0, y0), (x1, y1) = boxes[start][:2], boxes[end][:2]
        style = {
            "arrowstyle": "-|>", "color": color, "linewidth": 1.4, "connectionstyle": f"arc3,rad={bend}",
            "patchA": patches[start].get_bbox_patch(), "patchB": patches[end].get_bbox_patch(),
            "shrinkA": 2, "shrinkB": 2,
        }
        axes.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=style)
        if label:
            offset = bend / 2
            x, y = (x0 + x1) / 2 + offset * (y1 - y0), (y0 + y1) / 2 - offset * (x1 - x0)
            axes.text(x, y, label, ha="center", va="center", color=color, fontsize=9.5,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    plotting.show(figure, alt=alt)


def draw_graph(root, names, size, alt):
    """Draw the graph that `root` remembers; `names` maps some Variables to what the code calls them."""
    columns, waiting = {}, [(root, 0)]
    while waiting:
        variable, column = waiting.pop()
        columns[variable] = builtins.max(column, columns.get(variable, 0))
        if variable.grad_fn is not None:
            inputs = [value for value in variable.grad_fn.inputs if isinstance(value, Variable)]
            waiting += [(value, column + 1) for value in inputs]
    boxes, arrows = {}, []
    for column in sorted(set(columns.values())):
        members = [variable for variable in columns if columns[variable] == column]
        for row, variable in enumerate(members):
            made = "leaf" if variable.is_leaf else variable.grad_fn.operation.__name__
            name = f"{names[variable]} = " if variable in names else ""
            color = plotting.GREEN if variable.is_leaf else plotting.BLUE
            text = f"{name}{variable.item():.4g}\n{made}"
            boxes[variable] = (-1.6 * column, row - (len(members) - 1) / 2 + 0.18 * (column % 2), text, color)
    for variable in columns:
        if variable.grad_fn is not None:
            for value in dict.fromkeys(v for v in variable.grad_fn.inputs if isinstance(v, Variable)):
                bend = 0.3 if columns[value] - columns[variable] > 1 else 0
                arrows.append((value, variable, "", plotting.GRAY, bend))
    draw_boxes(boxes, arrows, size, alt)


# %% [markdown]
# ## 1. A slope you can measure
#
# The derivative of $f$ at $x$ says how many units $f$ changes for each unit $x$ changes, for very small changes. So
# it can be measured: move $x$ a little to either side, look at $f$, divide the difference of the values by the
# distance between the points. This is the **central difference**:
#
# $$f'(x) \approx \frac{f(x + \varepsilon) - f(x - \varepsilon)}{2\varepsilon}$$
#
# By hand, for $f(x) = x^3$ at $x = 2$ with $\varepsilon = 0.5$: $(15.625 - 3.375) / 1 = 12.25$. The derivative is
# $3x^2 = 12$; the error, 0.25, is exactly $\varepsilon^2$ here. With half the $\varepsilon$ the error is a quarter.

# %% tags=["demo", "raises-exception"]
def cube(x):
    return x ** 3


x, epsilon = 2.0, 0.5
curve = np.linspace(1.2, 2.8, 100)
slope = (cube(x + epsilon) - cube(x - epsilon)) / (2 * epsilon)

figure, axes = plt.subplots(figsize=(6.4, 3.6))
axes.plot(curve, cube(curve), color=plotting.BLUE, label="f(x) = x³")
axes.plot(curve, cube(x) + slope * (curve - x), "--", color=plotting.VERMILLION,
          label=f"measured slope {slope:.2f}, drawn at 2")
axes.plot([x - epsilon, x + epsilon], [cube(x - epsilon), cube(x + epsilon)], "o-", color=plotting.GRAY,
          linewidth=1, label="the two points used")
axes.plot(x, cube(x), "o", color=plotting.BLACK)
axes.set(xlabel="x", ylabel="f(x)")
axes.legend()
plotting.show(figure,
              alt="The curve of x cubed near 2, the two points at 1.5 and 2.5, and a line through the point "
                  "at 2 with the slope measured "
              "between them, 12.25; it almost touches the curve as the tangent would.")

# %% [markdown]
# A function of several numbers has one such slope for each of them: move one number, keep the others where they are.
# All the slopes together, in an array of the same shape as the input, are the **gradient**.
#
# For $f(p, q) = pq + 2q^2$ at $(3, -2)$ the gradient is $(q,\; p + 4q) = (-2, -5)$: one more unit of $p$ lowers $f$
# by 2.
#
# ### Exercise: measure a gradient
#
# *easy · about 15 minutes · 8 lines · 5 points · numerical-gradient*
#
# Write `numerical_gradient(function, point, epsilon)`.
#
# 1. Work on a float64 **copy** of `point`, so that the caller's array stays as it is.
# 2. For each element: add `epsilon`, call the function; subtract it instead, call again; put the element back.
# 3. Store the central difference at the same place of an array of the same shape.
#
# <details><summary>Hint 1</summary>
#
# `np.ndindex(shape)` runs through all indices of an array of any number of axes; for a single number, shape `()`, it
# gives one empty index, and `array[()]` works.
# </details>
# <details><summary>Hint 2</summary>
#
# Remember the original value in a variable of its own. Adding epsilon, subtracting twice that and adding it again
# does not always give back the same number.
# </details>

# %% nbgrader={"grade": false, "grade_id": "numerical-gradient", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def numerical_gradient(function: Callable[[np.ndarray], float], point, epsilon: float = 1e-6) -> np.ndarray:
    """The gradient of a function of an array, measured by central differences.

    Args:
        function: takes a float64 array of the shape of `point` and returns one number.
        point: number or array at which to measure; it is not modified.
        epsilon: distance of the two points on either side, in units of `point`.

    Returns:
        A float64 array of the shape of `point`: `(f(x + epsilon) - f(x - epsilon)) / (2 epsilon)` for each
        element x. It takes two calls of `function` for each; the error is of the order of epsilon squared,
        until rounding takes over.

    Example:
        >>> numerical_gradient(lambda p: float(p[0] * p[1] + 2 * p[1] ** 2), [3.0, -2.0], epsilon=0.5)
        array([-2., -5.])
    """
    ### BEGIN SOLUTION
    point = np.array(point, dtype=np.float64)
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        original = point[index]
        point[index] = original + epsilon
        above = function(point)
        point[index] = original - epsilon
        below = function(point)
        point[index] = original
        gradient[index] = (above - below) / (2 * epsilon)
    return gradient
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-numerical-gradient", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_numerical_gradient():
    def cube(x):
        return float(x ** 3)

    cause = "for x³ the central difference is exactly 3x² + epsilon²; a one-sided difference is not"
    expect_close("x³ at 2, epsilon 0.5", numerical_gradient(cube, 2.0, epsilon=0.5), 12.25, cause)
    expect_close("x³ at -1, epsilon 0.1", numerical_gradient(cube, -1, epsilon=0.1), 3.01, cause)
    expect_close("x³ at 2 with the default epsilon", numerical_gradient(cube, 2), 12.0,
                 "is epsilon used on both sides?", tolerance=1e-8)

    calls = []
    start = np.array([[3, -2], [1, 5]])

    def quadratic(p):
        calls.append(p.copy())
        expect_equal("the caller's array while it is measured", start.tolist(), [[3, -2], [1, 5]],
                     "work on a copy")
        return float(p[0, 0] * p[0, 1] + 2 * p[1, 0] ** 2 + p[1, 0] * p[1, 1])

    got = numerical_gradient(quadratic, start, epsilon=0.25)
    expect_close("p₀₀p₀₁ + 2p₁₀² + p₁₀p₁₁ at [[3, -2], [1, 5]]", got, [[-2.0, 3.0], [9.0, 1.0]],
                 "is each element put back before the next one moves?", tolerance=1e-12)
    expect_equal("data type of the gradient", got.dtype, np.dtype(np.float64),
                 "rounding would swamp a difference in float32")
    expect_equal("calls for four elements", len(calls), 8, "two for each element")
    first, second = sorted(calls[:2], key=lambda point: point[0, 0])
    expect_close("one of the first two points", first, [[2.75, -2.0], [1.0, 5.0]], "move one element only")
    expect_close("the other one", second, [[3.25, -2.0], [1.0, 5.0]], "move one element only")


test_numerical_gradient()

# %% [markdown]
# **Predict first.** If a smaller $\varepsilon$ gives a smaller error, should it be as small as possible? Guess the
# best of $10^{-1}, 10^{-3}, 10^{-5}, 10^{-8}, 10^{-12}$ for the derivative of $e^x$ at 1 in float64, which carries 16
# digits. Then run the cell.

# %% tags=["demo", "raises-exception"]
steps = 10.0 ** np.arange(-13, 0.1, 0.5)
central = [np.abs(float(numerical_gradient(lambda x: float(np.exp(x)), 1.0, step)) - np.e) for step in steps]
forward = np.abs((np.exp(1.0 + steps) - np.e) / steps - np.e)

figure, axes = plt.subplots(figsize=(6.4, 3.6))
axes.loglog(steps, forward, "--", color=plotting.ORANGE, label="one side only: f(x + ε) − f(x)")
axes.loglog(steps, central, color=plotting.BLUE, label="central difference")
axes.axvline(1e-6, color=plotting.GRAY, linewidth=1, linestyle=":")
axes.text(1.35e-6, 3e-12, "our default", color=plotting.BLACK, fontsize=9.5)
axes.set(xlabel="epsilon", ylabel="error of the slope of eˣ at 1", ylim=(1e-12, 1e2))
axes.legend(loc="upper left")
plotting.show(figure,
              alt="Error of a measured slope against epsilon on logarithmic axes. Both curves are V-shaped; "
                  "the central difference "
              "reaches 1e-10 to 1e-11 near epsilon 1e-5, the one-sided difference only about 1e-8.")

# %% [markdown]
# From right to left the error of the central difference falls with $\varepsilon^2$, then it rises again: the two
# function values agree in more and more of their digits, and what the subtraction leaves is mostly rounding. The best
# is near $10^{-5}$; $10^{-6}$ leaves room for functions that bend more sharply.
#
# Measuring needs no calculus, and at the end of this module it will check everything you build. But it is
# approximate, and it is slow: two evaluations for **each** number. A network of a million parameters would have to be
# run two million times for a single step of learning.
#
# ## 2. The chain rule on a graph
#
# Any calculation, however long, is made of small operations. Take
#
# $$c = a \cdot b \qquad d = c + a \qquad L = d^2 \qquad\text{with } a = 2,\; b = -3.$$
#
# Forward: $c = -6$, $d = -4$, $L = 16$. Which effect do $a$ and $b$ have on $L$? Each operation knows only its own
# **local derivative**:
#
# - $L = d^2$: $\partial L/\partial d = 2d = -8$.
# - $d = c + a$: $\partial d/\partial c = 1$ and $\partial d/\partial a = 1$.
# - $c = a b$: $\partial c/\partial a = b = -3$ and $\partial c/\partial b = a = 2$.
#
# The **chain rule**: along a path, local derivatives multiply; where several paths lead from a value to $L$, their
# products add.
#
# - from $b$ there is one path, over $c$ and $d$: $2 \cdot 1 \cdot (-8) = -16$;
# - from $a$ there are two: over $c$ and $d$ it is $-3 \cdot 1 \cdot (-8) = 24$, over $d$ directly
#   $1 \cdot (-8) = -8$. Together $16$.
#
# The number of paths can grow exponentially, so nobody lists them. Instead, go **backward** from $L$: give each value
# one number, its gradient $\partial L/\partial\,\text{value}$. A value passes to each of its inputs its own gradient
# times the local derivative, and an input adds up all it receives. That is reverse-mode automatic differentiation
# (Linnainmaa 1970; Rumelhart, Hinton and Williams 1986 call it back-propagation).

# %% tags=["demo", "raises-exception"]
a, b = 2.0, -3.0
c = a * b
d = c + a
L = d ** 2

L_gradient = 1.0
d_gradient = L_gradient * 2 * d
c_gradient = d_gradient * 1
a_gradient = d_gradient * 1 + c_gradient * b
b_gradient = c_gradient * a
print(f"by the chain rule: dL/da = {a_gradient}, dL/db = {b_gradient}")

forward_arrows = [(start, end, "", plotting.GRAY, 0) for start, end in ("ac", "bc", "ad", "cd", "dL")]
backward_arrows = [
    ("L", "d", f"{d_gradient:g}", plotting.VERMILLION, 0.35),
    ("d", "c", f"{c_gradient:g}", plotting.VERMILLION, 0.35),
    ("d", "a", f"{d_gradient:g}", plotting.VERMILLION, 0.3),
    ("c", "a", f"{c_gradient * b:g}", plotting.VERMILLION, 0.35),
    ("c", "b", f"{c_gradient * a:g}", plotting.VERMILLION, 0.35),
]
draw_boxes(
    {
        "a": (0, 1.3, f"a = {a:g}\ngradient {a_gradient:g}", plotting.GREEN),
        "b": (0, -0.6, f"b = {b:g}\ngradient {b_gradient:g}", plotting.GREEN),
        "c": (1.7, 0, f"c = a b = {c:g}\ngradient {c_gradient:g}", plotting.BLUE),
        "d": (3.4, 0.9, f"d = c + a = {d:g}\ngradient {d_gradient:g}", plotting.BLUE),
        "L": (5.1, 0.9, f"L = d² = {L:g}\ngradient 1", plotting.BLUE),
    },
    forward_arrows + backward_arrows, (8.4, 3.6),
    "A graph of five boxes. Gray arrows lead forward from a and b to c, from c and a to d, from d to L. Red "
    "arrows lead back and carry -8 from L to d, "
    "-8 from d to c and to a, 24 from c to a and -16 from c to b; a adds 24 and -8 to 16.",
)

# %% tags=["demo", "raises-exception"]
def whole(point):
    a, b = point
    return float((a * b + a) ** 2)


print("measured:", numerical_gradient(whole, [2.0, -3.0]))

# %% [markdown]
# The graph uses $a$ twice, and adding both contributions gives what measuring gives: 16 and −16.
#
# ## 3. The rule of each operation
#
# Everything in the graph but the local derivatives is bookkeeping, so begin with those. In module 01 each operation
# became an `Operation` object with room for one thing more, its **backward**. It is registered with a decorator and
# works on plain NumPy arrays:
#
# ```python
# @operation.define_backward
# def operation_backward(gradient, output, *inputs, **options):
#     return one gradient for each input
# ```
#
# - `gradient` is $\partial L/\partial\,\text{output}$, in the shape of the output, whatever $L$ is. It belongs to
#   somebody else: read it, never write to it.
# - `output` is what forward computed, and `inputs` are its arrays (both at hand, so that nothing is computed twice).
# - Returned is $\partial L/\partial\,\text{input}$: the local derivative **times** `gradient`. With one input it may
#   be returned as it is, with several as a tuple.
# - A gradient may be returned as a function without arguments. It is then called only if somebody needs that
#   gradient: in `w * 2`, nobody asks for the gradient of 2. Python's `lambda: …` makes such a function in one line.
#
# Two rules are given as models. $y = a + b$: both local derivatives are 1, so each input gets `gradient` itself.
# $y = -x$: the local derivative is −1.

# %% nbgrader={"grade": false, "grade_id": "add-backward", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| exporti
@add.define_backward
def add_backward(gradient, output, a, b):
    return gradient, gradient


@negate.define_backward
def negate_backward(gradient, output, x):
    return -gradient


# %% [markdown]
# The helper below calls an operation forward and then its backward, as the graph will do later. The tests use it, and
# so can you.

# %% nbgrader={"grade": false, "grade_id": "local-gradients", "locked": true, "schema_version": 3, "solution": false, "task": false}
def local_gradients(operation, gradient, *inputs, **options):
    """The gradients which `operation` passes to `inputs`, as arrays, when its output receives `gradient`."""
    def computed(gradient, *inputs):
        output = np.asarray(operation.forward(*inputs, **options))
        parts = operation.backward(gradient, output, *inputs, **options)
        parts = parts if isinstance(parts, (tuple, list)) else (parts,)
        return [np.asarray(part() if callable(part) else part) for part in parts]

    kept = gradient.copy()
    arrays = computed(gradient, *inputs)
    expect_equal(f"the gradient given to {operation.__name__}", gradient.tolist(), kept.tolist(),
                 "it must not be modified")
    doubles = computed(*(np.asarray(array, np.float64) for array in (gradient, *inputs)))
    expect_equal(f"data types of what {operation.__name__} passes on for float64 inputs",
                 {array.dtype.name for array in doubles}, {"float64"}, "nothing may narrow it")
    return arrays


def floats(numbers):
    return np.array(numbers, dtype=np.float32)


def expect_gradients(tried, got, expected, cause):
    """Each of the arrays `got` has the numbers of `expected` and is float32 as the inputs were."""
    expect_equal(f"{tried}: number of gradients", len(got), len(expected), "one for each input")
    for position, (array, numbers) in enumerate(zip(got, expected)):
        expect_close(f"{tried}: gradient for input {position}", array, numbers, cause)
        expect_equal(f"{tried}: data type for input {position}", array.dtype, np.dtype(np.float32),
                     "float32 came in; nothing may widen it")


# %% tags=["demo", "raises-exception"]
print(local_gradients(add, floats([10.0, 20.0]), floats([1.0, 2.0]), floats([5.0, 5.0])))
print(local_gradients(negate, floats([10.0, 20.0]), floats([1.0, 2.0])))

# %% [markdown]
# ### Exercise: subtract, multiply, divide
#
# *easy · about 10 minutes · 3 lines · 8 points · arithmetic-backward*
#
# Write the three rules. With $g$ for `gradient`:
#
# | $y$ | for $a$ | for $b$ |
# | --- | --- | --- |
# | $a - b$ | $g$ | $-g$ |
# | $a \cdot b$ | $g\,b$ | $g\,a$ |
# | $a / b$ | $g / b$ | $-g\,a / b^2$ |
#
# By hand for `multiply`: $a = (2, -3)$, $b = (-4, 5)$ and $g = (1, 2)$ give $(-4, 10)$ for $a$ and $(2, -6)$ for $b$.
# A multiplication **swaps**: each side receives the other one.
#
# Put the gradients behind `lambda:` where they cost something.
#
# <details><summary>Hint</summary>
#
# $a / b^2$ is `output / b`: forward has done half of the work.
# </details>

# %% nbgrader={"grade": false, "grade_id": "arithmetic-backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| exporti
@subtract.define_backward
def subtract_backward(gradient, output, a, b):
    ### BEGIN SOLUTION
    return gradient, lambda: -gradient
    ### END SOLUTION


@multiply.define_backward
def multiply_backward(gradient, output, a, b):
    ### BEGIN SOLUTION
    return lambda: gradient * b, lambda: gradient * a
    ### END SOLUTION


@divide.define_backward
def divide_backward(gradient, output, a, b):
    ### BEGIN SOLUTION
    return lambda: gradient / b, lambda: -gradient * output / b
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-arithmetic-backward", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_arithmetic_backward():
    a, b = floats([[2, -3], [0.5, 4]]), floats([[-4, 5], [2, -1]])
    gradient = floats([[1, 2], [-1, 3]])
    expect_gradients("subtract", local_gradients(subtract, gradient, a, b), [gradient, [[-1, -2], [1, -3]]],
                     "more of b makes a - b smaller: -gradient for b")
    expect_gradients("multiply", local_gradients(multiply, gradient, a, b),
                     [[[-4, 10], [-2, -3]], [[2, -6], [-0.5, 12]]],
                     "each side receives the gradient times the other side")
    expect_gradients("divide", local_gradients(divide, gradient, a, b),
                     [[[-0.25, 0.4], [-0.5, -3]], [[-0.125, 0.24], [0.125, -12]]],
                     "gradient / b for a, -gradient * a / b² for b")


test_arithmetic_backward()

# %% [markdown]
# ### Exercise: log, sqrt, abs, maximum
#
# *easy · about 15 minutes · 6 lines · 8 points · elementwise-backward*
#
# `exp` and `minimum` are given below. Write the other rules, and keep the data type: float32 in, float32 out.
#
# - $y = \ln x$ has the local derivative $1/x$.
# - $y = \sqrt{x}$ has $\dfrac{1}{2\sqrt{x}}$, and $\sqrt x$ is already there.
# - $y = |x|$ has the sign of $x$: 1, −1, and by convention 0 at 0, where the slope is not defined.
# - $y = \max(a, b)$, elementwise: the larger one receives all of the gradient, the smaller one nothing, since moving
#   it a little changes nothing. At a tie, each receives one half (PyTorch's convention).
#
# By hand for `maximum`: $a = (1, 5, 2)$, $b = (4, 5, -2)$, $g = (1, 2, 3)$ give $(0, 1, 3)$ and $(1, 1, 0)$.
#
# <details><summary>Hint for <code>maximum</code></summary>
#
# `np.where(condition, x, y)` picks elementwise; calls of it nest. It is the mirror of `minimum`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "exp-minimum-backward", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| exporti
@exp.define_backward
def exp_backward(gradient, output, x):
    return gradient * output


@minimum.define_backward
def minimum_backward(gradient, output, a, b):
    return (
        lambda: np.where(a == b, gradient / 2, np.where(a < b, gradient, 0)),
        lambda: np.where(a == b, gradient / 2, np.where(b < a, gradient, 0)),
    )


# %% nbgrader={"grade": false, "grade_id": "elementwise-backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| exporti
@log.define_backward
def log_backward(gradient, output, x):
    ### BEGIN SOLUTION
    return gradient / x
    ### END SOLUTION


@sqrt.define_backward
def sqrt_backward(gradient, output, x):
    ### BEGIN SOLUTION
    return gradient / (2 * output)
    ### END SOLUTION


@abs.define_backward
def abs_backward(gradient, output, x):
    ### BEGIN SOLUTION
    return gradient * np.sign(x)
    ### END SOLUTION


@maximum.define_backward
def maximum_backward(gradient, output, a, b):
    ### BEGIN SOLUTION
    return (
        lambda: np.where(a == b, gradient / 2, np.where(a > b, gradient, 0)),
        lambda: np.where(a == b, gradient / 2, np.where(b > a, gradient, 0)),
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-elementwise-backward", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_elementwise_backward():
    expect_gradients("log", local_gradients(log, floats([1, -2, 5]), floats([0.5, 4, 10])), [[2, -0.5, 0.5]],
                     "the local derivative of the natural logarithm is 1 / x")
    expect_gradients("sqrt", local_gradients(sqrt, floats([1, -2, 3]), floats([4, 0.25, 9])),
                     [[0.25, -2, 0.5]],
                     "gradient / (2 √x)")
    expect_gradients("abs", local_gradients(abs, floats([5, 7, -1]), floats([-2, 0, 3])), [[-5, 0, -1]],
                     "gradient times the sign of x, 0 at 0")
    a, b = floats([[1, 5, 2, -3]]), floats([[4, 5, -2, -1]])
    expect_gradients("maximum with a tie", local_gradients(maximum, floats([[1, 2, 3, 4]]), a, b),
                     [[[0, 1, 3, 0]], [[1, 1, 0, 4]]],
                     "all to the larger one, half to each at a tie")


test_elementwise_backward()

# %% [markdown]
# ### Exercise: power
#
# *medium · about 20 minutes · 4 lines · 6 points · power-backward*
#
# $y = a^b$ depends on the base and on the exponent:
#
# $$\frac{\partial y}{\partial a} = b\,a^{b-1} \qquad\qquad \frac{\partial y}{\partial b} = a^b \ln a$$
#
# By hand, $a = 2$, $b = 3$, $g = 1$: $3 \cdot 4 = 12$ and $8 \ln 2 = 5.545$. Both formulas fall into a hole at
# $a = 0$, where the truth is harmless:
#
# - $b = 0$: $a^0$ is 1 for every $a$, so the base receives 0. The formula says $0 \cdot 0^{-1} = 0 \cdot \infty$,
#   which is not a number.
# - $a = 0$ and $b \ge 0$: $0^b$ is 0 next to this exponent too, so the exponent receives 0 (at $b = 0$ this is a
#   convention, PyTorch's). The formula says $0 \cdot \ln 0 = 0 \cdot (-\infty)$.
#
# Write `base_gradient` and `exponent_gradient` so that these cases give 0, and compute nothing that is not finite on
# the way, or NumPy will warn. (Where $a < 0$, $\ln a$ does not exist in the real numbers; the exponent's gradient is
# then nan, as it should be.)
#
# <details><summary>Hint 1</summary>
#
# Where $b = 0$ the factor $b$ makes the product 0 already, if only the exponent of the other factor is something
# harmless, such as 0 in place of −1.
# </details>
# <details><summary>Hint 2</summary>
#
# Where $a = 0$ and $b \ge 0$, take the logarithm of 1 in place of $a$: `np.where(condition, 1, a)`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "power-backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| exporti
@power.define_backward
def power_backward(gradient, output, a, b):
    def base_gradient():
        ### BEGIN SOLUTION
        return gradient * b * a ** (b - 1 + (b == 0))
        ### END SOLUTION

    def exponent_gradient():
        ### BEGIN SOLUTION
        return gradient * output * np.log(np.where((a == 0) & (b >= 0), 1, a))
        ### END SOLUTION

    return base_gradient, exponent_gradient


# %% nbgrader={"grade": true, "grade_id": "test-power-backward", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_power_backward():
    a, b = floats([2, 3, 4, 0, 0, 0, 5]), floats([3, -1, 0.5, 2, 0, 1, 0])
    gradient = floats([1, 9, 4, 7, 5, 2, 3])
    for_base = [12, -1, 1, 0, 0, 2, 0]
    for_exponent = [5.5451774, 3.2958369, 11.0903549, 0, 0, 0, 4.8283137]
    expect_gradients("power", local_gradients(power, gradient, a, b), [for_base, for_exponent],
                     "b a^(b-1) for the base, a^b ln a for the exponent, 0 instead of nan at a = 0 or b = 0")
    base, exponent = power.backward(floats([-1, 2]), floats([4, -0.5]), floats([-2, -2]), floats([2, -1]))
    expect_close("(-2)² and (-2)⁻¹, for the base", base(), [4, -0.5], "a negative base is fine: b a^(b-1)")
    with np.errstate(all="ignore"):
        expect_close("(-2)², for the exponent", exponent(), [np.nan, np.nan],
                     "the logarithm of a negative number is nan")
        got = local_gradients(power, floats([1]), floats([0]), floats([-1]))
        expect_close("0⁻¹", np.concatenate(got), [-np.inf, -np.inf],
                     "0⁻¹ is infinite and so are its slopes; the rule 0 holds for b ≥ 0 only")
    squares = local_gradients(power, floats([1, -10]), floats([3, 4]), floats(2))
    expect_close("x² with one exponent for all", squares[0], [6, -80], "a single exponent broadcasts")


test_power_backward()

# %% [markdown]
# ## 4. Broadcasting undone
#
# In `x + b` with shapes (2, 3) and (3,), each element of `b` was used in both rows. A value that is used twice
# receives two contributions, and they add. So the gradient which arrives with shape (2, 3) has to be **summed over
# the axes along which broadcasting repeated the value**:
#
# $$\frac{\partial L}{\partial b_j} = \sum_i g_{ij}$$
#
# Broadcasting repeats, its backward sums; the pair will come up again, the other way round, with reductions.

# %% tags=["demo", "raises-exception"]
def draw_grid(axes, numbers, left, top, color, label):
    for (row, column), number in np.ndenumerate(numbers):
        axes.add_patch(Rectangle((left + column, top - row - 1), 1, 1, facecolor="white", edgecolor=color,
                                 linewidth=1.5))
        axes.text(left + column + 0.5, top - row - 0.5, f"{number:g}", ha="center", va="center")
    axes.text(left + numbers.shape[1] / 2, top + 0.3, label, ha="center", color=color)


arriving = np.array([[1.0, 2, 3], [4, 5, 6]])
figure, axes = plt.subplots(figsize=(7.6, 3.0))
axes.set_axis_off()
axes.set(xlim=(-0.3, 15.3), ylim=(-3.1, 3.0), aspect="equal")
draw_grid(axes, arriving, 0, 2, plotting.BLUE, "arrives: shape (2, 3)")
draw_grid(axes, arriving.sum(axis=0, keepdims=True), 0, -1.4, plotting.VERMILLION, "")
axes.text(1.5, -2.9, "for an input of shape (3,)", ha="center", color=plotting.VERMILLION)
draw_grid(axes, arriving, 6, 2, plotting.BLUE, "arrives: shape (2, 3)")
draw_grid(axes, arriving.sum(axis=1, keepdims=True), 10.4, 2, plotting.VERMILLION, "for (2, 1)")
draw_grid(axes, arriving.sum(keepdims=True), 13.6, 1.5, plotting.VERMILLION, "for ()")
arrow = {"arrowstyle": "-|>", "color": plotting.GRAY}
axes.annotate("", xy=(13.55, 1.0), xytext=(11.5, 1.0), arrowprops=arrow)
for column in range(3):
    axes.annotate("", xy=(column + 0.5, -1.35), xytext=(column + 0.5, -0.1), arrowprops=arrow)
for row in range(2):
    axes.annotate("", xy=(10.35, 1.5 - row), xytext=(9.1, 1.5 - row), arrowprops=arrow)
plotting.show(figure,
              alt="A gradient of shape (2, 3) with the numbers 1 to 6. For an input of shape (3,) its "
                  "columns are summed to 5, 7, 9; "
              "for (2, 1) its rows to 6 and 15; for a single number everything to 21.")

# %% [markdown]
# ### Exercise: unbroadcast
#
# *medium · about 20 minutes · 3 lines · 10 points · unbroadcast*
#
# Write `unbroadcast(gradient, shape)`. The lines above the blank are given: the usual case, nothing was broadcast,
# costs nothing, and a shape that cannot have been broadcast is refused.
#
# 1. Broadcasting compares shapes from the right and fills up with 1 on the left. Fill `shape` up in the same way,
#    until it is as long as the gradient's.
# 2. Find the axes where this filled shape has size 1.
# 3. Sum over them, and give the result the shape asked for.
#
# <details><summary>Hint 1</summary>
#
# `(1,) * n + shape` puts n ones before a shape.
# </details>
# <details><summary>Hint 2</summary>
#
# Summing over an axis that had size 1 all along changes no number, so these need no special care. With
# `keepdims=True` the result of the sum is always an array, never a NumPy scalar; `reshape` then takes out the axes
# which filling up had added.
# </details>

# %% nbgrader={"grade": false, "grade_id": "unbroadcast", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def unbroadcast(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum a gradient over the axes along which broadcasting repeated its input.

    Args:
        gradient: array of the shape that broadcasting made.
        shape: the shape of the input before that.

    Returns:
        An array of `shape`; `gradient` itself where that is its shape already.

    Raises:
        ValueError: no broadcasting turns `shape` into the shape of `gradient`.

    Example:
        >>> unbroadcast(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), (2, 1))
        array([[ 6.],
               [15.]])
    """
    if gradient.shape == shape:
        return gradient
    from_the_right = zip(reversed(shape), reversed(gradient.shape))
    if len(shape) > gradient.ndim or not all(size in (1, found) for size, found in from_the_right):
        raise ValueError(f"a gradient of shape {gradient.shape} does not fit an input of shape {shape}")
    ### BEGIN SOLUTION
    filled = (1,) * (gradient.ndim - len(shape)) + shape
    repeated = tuple(axis for axis, size in enumerate(filled) if size == 1)
    return gradient.sum(axis=repeated, keepdims=True).reshape(shape)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-unbroadcast", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_unbroadcast():
    gradient = floats([[1, 2, 3], [4, 5, 6]])
    for shape, expected in [
        ((3,), [5, 7, 9]), ((2, 1), [[6], [15]]), ((1, 3), [[5, 7, 9]]),
        ((1, 1), [[21]]), ((1,), [21]), ((), 21),
    ]:
        got = unbroadcast(gradient, shape)
        expect_close(f"a (2, 3) gradient for an input of shape {shape}", got, expected,
                     "sum over the axes that were repeated, no others")
        expect_equal(f"data type for shape {shape}", got.dtype, np.dtype(np.float32),
                     "a sum of float32 stays float32")
        expect_equal(f"type for shape {shape}", type(got), np.ndarray,
                     "the sum of everything is a NumPy scalar, unless it keeps the axes")
    expect_equal("shape unchanged: the very same array", unbroadcast(gradient, (2, 3)) is gradient, True,
                 "nothing to sum, nothing to copy")
    cube = np.arange(12.0).reshape(2, 3, 2)
    expect_close("a (2, 3, 2) gradient for (3, 1)", unbroadcast(cube, (3, 1)), [[14], [22], [30]],
                 "sum over the new first axis and over the last")
    expect_close("a (2, 3, 2) gradient for (2, 1, 2)", unbroadcast(cube, (2, 1, 2)), [[[6, 9]], [[24, 27]]],
                 "only the middle axis was repeated")
    expect_equal("an axis without elements", unbroadcast(np.ones((2, 0)), (0,)).shape, (0,),
                 "size 0 was not repeated; size 1 was")
    expect_equal("the gradient itself afterwards", gradient.tolist(), [[1, 2, 3], [4, 5, 6]],
                 "it must not be modified")
    expect_raises("a (2, 3) gradient for (2,)", ValueError, lambda: unbroadcast(gradient, (2,)), "(2, 3)",
                  "(2,)")
    expect_raises("a (3,) gradient for (2, 3)", ValueError, lambda: unbroadcast(gradient[0], (2, 3)), "(3,)",
                  "(2, 3)")


test_unbroadcast()

# %% [markdown]
# ## 5. The two gradients of a matrix product
#
# $Y = AB$ with shapes $(n, k)\,(k, m) \to (n, m)$ means $Y_{ij} = \sum_l A_{il} B_{lj}$. The element $A_{il}$ appears
# in the whole row $i$ of $Y$, each time multiplied by $B_{lj}$. Its gradient adds all of these up:
#
# $$\frac{\partial L}{\partial A_{il}} = \sum_j G_{ij} B_{lj}
# \qquad\Longrightarrow\qquad \frac{\partial L}{\partial A} = G\,B^\mathsf{T}, \qquad \frac{\partial L}{\partial B} = A^\mathsf{T} G$$
#
# You need not remember which side is transposed: with $G$ of shape $(n, m)$ there is only one way to multiply that
# gives the shape of $A$, and one that gives the shape of $B$. By hand:
#
# $$A = \begin{pmatrix}1&2\end{pmatrix},\quad B = \begin{pmatrix}3&4\\5&6\end{pmatrix},\quad G = \begin{pmatrix}1&-1\end{pmatrix}$$
#
# $$G B^\mathsf{T} = \begin{pmatrix}-1&-1\end{pmatrix},\qquad A^\mathsf{T} G = \begin{pmatrix}1&-1\\2&-2\end{pmatrix}$$

# %% tags=["demo", "raises-exception"]
def draw_block(axes, left, middle, height, width, text, color):
    axes.add_patch(Rectangle((left, middle - height / 2), width, height, facecolor="white", edgecolor=color,
                             linewidth=1.8))
    axes.text(left + width / 2, middle, text, ha="center", va="center", color=color)
    return left + width


n, k, m = 1.7, 2.7, 1.3
figure, axes = plt.subplots(figsize=(7.6, 3.4))
axes.set_axis_off()
axes.set(xlim=(-0.2, 16.8), ylim=(-5.0, 1.6), aspect="equal")
rows = [
    (0, [("Y\nn × m", n, m, plotting.BLUE), ("=", 0, 0, plotting.BLACK), ("A\nn × k", n, k, plotting.GREEN),
         ("B\nk × m", k, m, plotting.VERMILLION)]),
    (-3.4, [("∂L/∂A", n, k, plotting.GREEN), ("=", 0, 0, plotting.BLACK), ("G", n, m, plotting.BLUE),
            ("Bᵀ", m, k, plotting.VERMILLION)]),
]
for middle, parts in rows:
    left = 0.0
    for text, height, width, color in parts:
        left = draw_block(axes, left, middle, height, width, text, color) + 0.55
left = 10.3
for text, height, width, color in [("∂L/∂B", k, m, plotting.VERMILLION), ("=", 0, 0, plotting.BLACK),
                                   ("Aᵀ", k, n, plotting.GREEN), ("G", n, m, plotting.BLUE)]:
    left = draw_block(axes, left, -3.4, height, width, text, color) + 0.55
plotting.show(figure,
              alt="Blocks drawn to scale: Y of n rows and m columns is A times B. The gradient for A, "
                  "shaped as A, is G times B transposed; the "
              "gradient for B, shaped as B, is A transposed times G.")

# %% [markdown]
# ### Exercise: matmul
#
# *medium · about 30 minutes · 8 lines · 10 points · matmul-backward*
#
# `matmul` takes more than two matrices, and its backward has to follow:
#
# - **Batches**, `(…, n, k) @ (…, k, m)`: the formulas hold for each pair. `array.mT` transposes the last two axes and
#   leaves the others where they are. Axes in front that were broadcast need no care here: the graph will call
#   `unbroadcast` on what you return.
# - **Vectors**: a vector on the left is one row, a vector on the right one column. The result has lost that axis, and
#   so has `gradient`: put it back on both, use the matrix formulas, and take it out of the gradient for `b` again.
#   (In the gradient for `a` the additional row is in front of the last axis, where `unbroadcast` takes it out.)
#
# `rows`, the matrix form of `a`, is given.
#
# 1. Make `columns` from `b` in the same way.
# 2. If `b` is a vector, give `gradient` a new last axis. Then, if `a` is a vector, a new one before the last.
# 3. Return both gradients as functions, so that the product for an input without gradient (the data, in a first
#    layer!) is never computed.
#
# <details><summary>Hint 1</summary>
#
# `b[:, np.newaxis]` turns a vector into a column; `gradient[..., np.newaxis]` adds an axis at the end,
# `gradient[..., np.newaxis, :]` one before the last.
# </details>
# <details><summary>Hint 2</summary>
#
# `product[..., 0]` takes out a last axis of size 1.
# </details>

# %% nbgrader={"grade": false, "grade_id": "matmul-backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| exporti
@matmul.define_backward
def matmul_backward(gradient, output, a, b):
    rows = a if a.ndim > 1 else a[np.newaxis, :]
    ### BEGIN SOLUTION
    columns = b if b.ndim > 1 else b[:, np.newaxis]
    if b.ndim == 1:
        gradient = gradient[..., np.newaxis]
    if a.ndim == 1:
        gradient = gradient[..., np.newaxis, :]

    def b_gradient():
        product = rows.mT @ gradient
        return product[..., 0] if b.ndim == 1 else product

    return lambda: gradient @ columns.mT, b_gradient
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-matmul-backward", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_matmul_backward():
    def draw(*shape):
        return generator.integers(-4, 5, shape).astype(np.float32)

    def folded(gradient, shape):
        return gradient.sum(axis=tuple(range(gradient.ndim - len(shape)))).reshape(shape)

    got = local_gradients(matmul, floats([[1, -1]]), floats([[1, 2]]), floats([[3, 4], [5, 6]]))
    expect_gradients("(1, 2) @ (2, 2)", got,
                     [[[-1, -1]], [[1, -1], [2, -2]]], "G Bᵀ for A and Aᵀ G for B")
    generator = np.random.default_rng(7)
    for left, right, letters in [
        ((2, 3), (3, 4), ("nk", "km", "nm")), ((3,), (3, 4), ("k", "km", "m")),
        ((2, 3), (3,), ("nk", "k", "n")), ((3,), (3,), ("k", "k", "")),
        ((5, 2, 3), (5, 3, 4), ("bnk", "bkm", "bnm")),
        ((5, 2, 3), (3, 4), ("bnk", "km", "bnm")),
        ((2, 3), (5, 3, 4), ("nk", "bkm", "bnm")), ((5, 2, 3), (3,), ("bnk", "k", "bn")),
        ((3,), (5, 3, 2), ("k", "bkm", "bm")),
        ((4, 5, 2, 3), (5, 3, 2), ("cbnk", "bkm", "cbnm")),
    ]:
        a, b = draw(*left), draw(*right)
        of_a, of_b, of_output = letters
        gradient = draw(*[dict(zip(of_a + of_b, left + right))[letter] for letter in of_output])
        got = local_gradients(matmul, gradient, a, b)
        got = [folded(got[0], a.shape), folded(got[1], b.shape)]
        expected = [np.einsum(f"{of_output},{of_b}->{of_a}", gradient, b),
                    np.einsum(f"{of_output},{of_a}->{of_b}", gradient, a)]
        expect_gradients(f"{left} @ {right}", got, expected,
                         "where is the row or column axis that a vector, and the gradient, lack?")


test_matmul_backward()

# %% [markdown]
# *Pause.* The rest of the rules is about shapes.
#
# ## 6. Reductions: backward repeats
#
# A sum is the mirror of broadcasting: forward adds, so backward repeats. Each element of $x$ changes $\sum x$ by as
# much as itself moves, and receives the gradient of its sum unchanged. For that the gradient has to be spread over
# $x$ again: put the reduced axis back with size 1, then broadcast.
#
# The helper `restore_axes` and the rule of `sum` are given. `np.broadcast_to` repeats without copying.

# %% nbgrader={"grade": false, "grade_id": "sum-backward", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| exporti
def restore_axes(reduced: np.ndarray, axis, keepdims: bool) -> np.ndarray:
    """The result of a reduction with its axes put back, size 1 each: it broadcasts against its input."""
    if keepdims or axis is None:  # a single number broadcasts as it is
        return reduced
    return np.expand_dims(reduced, axis)


@sum.define_backward
def sum_backward(gradient, output, x, axis=None, keepdims=False):
    return np.broadcast_to(restore_axes(gradient, axis, keepdims), x.shape)


# %% tags=["demo", "raises-exception"]
x = floats([[1, 5, 5], [2, 0, -1]])
print("sum over axis 1, gradient (4, 6) arrives:\n", local_gradients(sum, floats([4, 6]), x, axis=1)[0])
print("sum over axis 0, gradient (1, 2, 3) arrives:\n", local_gradients(sum, floats([1, 2, 3]), x, axis=0)[0])

# %% [markdown]
# ### Exercise: mean, max and min
#
# *medium · about 20 minutes · 5 lines · 10 points · reduction-backward*
#
# - **mean** is a sum divided by the number of elements which went into each result. So is its gradient.
# - **max** and **min** hand out one of their inputs: only that one receives the gradient. Where several elements tie
#   for the best, each gets an equal share. One function serves for both, because the best element is simply the one
#   that is equal to the output.
#
# By hand: $x = \begin{pmatrix}1&5&5\\2&0&-1\end{pmatrix}$, max over axis 1, $g = (4, 6)$ gives
# $\begin{pmatrix}0&2&2\\6&0&0\end{pmatrix}$.
#
# Two things to watch: `axis` may be `None`, a number (negative too) or a tuple, which `restore_axes` and NumPy both
# understand; and dividing float32 by an array of **integers** makes float64, which would widen everything that comes
# after. (Dividing by a Python integer does not.)
#
# <details><summary>Hint 1, mean</summary>
#
# How many elements went into each result: the size of `x` divided by the size of `output` (or by 1, where the output
# is empty).
# </details>
# <details><summary>Hint 2, max</summary>
#
# `x == restore_axes(output, …)` is an array of booleans. Count the ties with
# `np.sum(…, axis=axis, keepdims=True, dtype=x.dtype)`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "reduction-backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| exporti
@mean.define_backward
def mean_backward(gradient, output, x, axis=None, keepdims=False):
    ### BEGIN SOLUTION
    count = x.size // builtins.max(output.size, 1)
    return np.broadcast_to(restore_axes(gradient, axis, keepdims) / count, x.shape)
    ### END SOLUTION


@max.define_backward
@min.define_backward
def extreme_backward(gradient, output, x, axis=None, keepdims=False):
    ### BEGIN SOLUTION
    best = x == restore_axes(output, axis, keepdims)
    ties = np.sum(best, axis=axis, keepdims=True, dtype=x.dtype)
    return np.where(best, restore_axes(gradient, axis, keepdims) / ties, 0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-reduction-backward", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_reduction_backward():
    x = floats([[1, 5, 5], [2, 0, -1]])
    cause = "divide by the number of elements in each mean, then spread over the shape of x"
    for options, gradient, expected in [
        ({}, 12, [[2, 2, 2], [2, 2, 2]]),
        ({"axis": 0}, [2, 4, -6], [[1, 2, -3], [1, 2, -3]]),
        ({"axis": -1}, [3, 6], [[1, 1, 1], [2, 2, 2]]),
        ({"axis": 1, "keepdims": True}, [[3], [6]], [[1, 1, 1], [2, 2, 2]]),
        ({"axis": (0, 1)}, 6, [[1, 1, 1], [1, 1, 1]]),
        ({"axis": (-1, 0), "keepdims": True}, [[-6]], [[-1, -1, -1], [-1, -1, -1]]),
    ]:
        expect_gradients(f"mean with {options}", local_gradients(mean, floats(gradient), x, **options),
                         [expected], cause)
    cube = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    expect_gradients("mean of (2, 3, 2) over axes (0, -1)",
                     local_gradients(mean, floats([4, 8, -4]), cube, axis=(0, -1)),
                     [[[[1, 1], [2, 2], [-1, -1]]] * 2], cause)
    [got] = local_gradients(mean, floats([]), np.zeros((0, 3), np.float32), axis=1)
    expect_equal("mean over the rows of shape (0, 3)", got.shape, (0, 3),
                 "an empty output must not divide by zero")

    cause = "only elements equal to the output receive anything, ties share equally"
    for operation, options, gradient, expected in [
        (max, {}, 3, [[0, 1.5, 1.5], [0, 0, 0]]),
        (max, {"axis": 1}, [4, 6], [[0, 2, 2], [6, 0, 0]]),
        (max, {"axis": 1, "keepdims": True}, [[4], [6]], [[0, 2, 2], [6, 0, 0]]),
        (max, {"axis": (0, -1), "keepdims": True}, [[3]], [[0, 1.5, 1.5], [0, 0, 0]]),
        (min, {"axis": -2}, [1, 2, -3], [[1, 0, 0], [0, 2, -3]]),
        (min, {"axis": (0, 1)}, 7, [[0, 0, 0], [0, 0, 7]]),
    ]:
        expect_gradients(f"{operation.__name__} with {options}",
                         local_gradients(operation, floats(gradient), x, **options), [expected], cause)
    close = floats([2.0, 2.000001, 1.0])
    expect_gradients("max of two that nearly tie", local_gradients(max, floats(3), close), [[0, 3, 0]], cause)


test_reduction_backward()

# %% [markdown]
# ## 7. Moving elements about: backward moves them back
#
# `reshape`, `transpose` and indexing compute nothing; they only decide where each number goes. Backward sends each
# gradient to the place where its number came from. For `reshape` that is a reshape to the old shape.
#
# **Predict first.** `x[[0, 0, 2]]` picks row 0 twice and never row 1. If the gradients $(1, 10, 100)$ arrive for the
# three rows picked, what do the rows of `x` receive?

# %% nbgrader={"grade": false, "grade_id": "reshape-backward", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| exporti
@reshape.define_backward
def reshape_backward(gradient, output, x, shape=-1):
    return gradient.reshape(x.shape)


# %% [markdown]
# ### Exercise: transpose and indexing
#
# *medium · about 20 minutes · 6 lines · 8 points · shape-backward*
#
# - **transpose**: `axes=None` reverses all axes, and reversing again brings them back. Otherwise axis `i` of the
#   output is axis `axes[i]` of the input, and the way back is the inverse permutation. An axis may be negative: count
#   it from the front first.
# - **getitem**: begin with zeros in the shape and data type of `x`, and **add** each gradient at the index it came
#   from. (Keep your prediction in mind: what happens to a row that was picked twice?)
#
# <details><summary>Hint 1, transpose</summary>
#
# `np.argsort(permutation)` is the inverse of a permutation of 0, 1, 2, …: the place at which 0 stands, then the place
# at which 1 stands, and so on. `-1 % 3` is 2.
# </details>
# <details><summary>Hint 2, getitem</summary>
#
# `array[index] += numbers` writes each place once, however often the index names it.
# `np.add.at(array, index, numbers)` adds every time.
# </details>

# %% nbgrader={"grade": false, "grade_id": "shape-backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| exporti
@transpose.define_backward
def transpose_backward(gradient, output, x, axes=None):
    ### BEGIN SOLUTION
    if axes is None:
        return gradient.T
    return gradient.transpose(np.argsort([axis % x.ndim for axis in axes]))
    ### END SOLUTION


@getitem.define_backward
def getitem_backward(gradient, output, x, index=...):
    ### BEGIN SOLUTION
    result = np.zeros_like(x)
    np.add.at(result, index, gradient)
    return result
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-shape-backward", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_shape_backward():
    got = local_gradients(transpose, floats([[1, 2], [3, 4], [5, 6]]), floats([[0, 0, 0], [0, 0, 0]]))
    expect_gradients("transpose of (2, 3)", got,
                     [[[1, 3, 5], [2, 4, 6]]], "reversing the axes is undone by reversing them again")
    x = np.zeros((2, 3, 4), np.float32)
    gradient = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    expect_gradients("transpose of (2, 3, 4)", local_gradients(transpose, gradient, x),
                     [[[[gradient[k, j, i] for k in range(4)] for j in range(3)] for i in range(2)]],
                     "without axes all of them are reversed, not only the last two")
    for axes, back in [((2, 0, 1), lambda i, j, k: (k, i, j)), ((-1, 0, 1), lambda i, j, k: (k, i, j)),
                       ((-2, -1, 0), lambda i, j, k: (j, k, i)),
                       ((0, -1, 1), lambda i, j, k: (i, k, j))]:
        gradient = np.arange(24, dtype=np.float32).reshape([x.shape[axis] for axis in axes])
        expected = [[[gradient[back(i, j, k)] for k in range(4)] for j in range(3)] for i in range(2)]
        expect_gradients(f"transpose of (2, 3, 4) with axes {axes}",
                         local_gradients(transpose, gradient, x, axes=axes), [expected],
                         "the inverse permutation is not the permutation itself, and a negative axis counts "
                         "from the end")
    x = floats([[1, 2], [3, 4], [5, 6]])
    for index, gradient, expected in [
        ([0, 0, 2], [[1, -2], [10, 20], [100, 200]], [[11, 18], [0, 0], [100, 200]]),
        (1, [7, 8], [[0, 0], [7, 8], [0, 0]]),
        ((2, 0), 9, [[0, 0], [0, 0], [9, 0]]),
        ((slice(None, None, 2), 1), [3, 4], [[0, 3], [0, 0], [0, 4]]),
        (np.array([[True, False], [True, True], [False, False]]), [1, 2, 3], [[1, 0], [2, 3], [0, 0]]),
        ((..., None, -1), [[1], [2], [3]], [[0, 1], [0, 2], [0, 3]]),
        ((slice(None), [1, 1, 1]), [[1, 2, 4], [0, 0, 0], [1, 1, 1]], [[0, 7], [0, 0], [0, 3]]),
    ]:
        got = local_gradients(getitem, floats(gradient), x, index=index)
        expect_gradients(f"x[{index}]", got, [expected],
                         "zeros, and every gradient added at the place its number came from")
    expect_equal("x afterwards", x.tolist(), [[1, 2], [3, 4], [5, 6]], "the input must not be modified")


test_shape_backward()

# %% tags=["demo", "raises-exception"]
x = floats([[1, 2], [3, 4], [5, 6]])
[rows] = local_gradients(getitem, floats([[1, 1], [10, 10], [100, 100]]), x, index=[0, 0, 2])
print("what the rows of x receive from x[[0, 0, 2]]:\n", rows)

# %% [markdown]
# Row 0 was used twice and receives $1 + 10 = 11$, row 1 had no effect and receives 0, row 2 receives 100.

# %% [markdown]
# *Pause.* You have the backward of every operation. What is missing is the graph which calls them in the right order.
#
# ## 8. A Variable remembers how it was made
#
# A `Variable` is a Tensor (in `data`) and three things more:
#
# | attribute | what it is |
# | --- | --- |
# | `requires_grad` | whether a gradient is wanted, for itself or for something it was made from |
# | `grad_fn` | the `Node` which made it: the operation, its inputs, its output. `None` for a **leaf**, which was not computed but given: data or a parameter |
# | `grad` | the gradient, for leaves, once `backward()` has run; before that `None` |
#
# So a graph needs no data structure of its own. A Variable holds its node, the node its inputs, these their nodes:
# whoever holds the loss holds the whole graph, and when the loss is dropped the graph goes with it. No node knows
# which results were made from it, so there are no reference cycles, and Python frees it all at once.
#
# Nodes are **numbered as they are created**. That looks like a detail, and it will save us work in section 9.
#
# How does an operation notice that it is called with a Variable? Module 01 has prepared it: an `Operation` that finds
# an input with a method `record_operation` hands itself over, with its inputs and options. So neither the operations
# nor anything built of them has to know this module.

# %% nbgrader={"grade": false, "grade_id": "node-class", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
class Node:
    """One recorded operation: a vertex of the graph, the `grad_fn` of the Variable it made.

    Attributes:
        operation: the `Operation` that was called.
        inputs: what it was called with: Variables, and Tensors, arrays or numbers, which receive no gradient.
        options: its keyword arguments, such as `axis`.
        arrays: the inputs as arrays, in the one data type of the computation.
        output: the array computed.
        number: nodes count up as they are created, over the whole program.

    Raises:
        NotImplementedError: the operation has no backward.

    Example:
        >>> (Variable(2.0) * 3.0).grad_fn
        <grad_fn multiply>
    """

    __slots__ = ("operation", "inputs", "options", "arrays", "output", "number")
    _numbers = itertools.count()

    def __init__(self, operation: Operation, inputs: tuple, options: dict, arrays: list[np.ndarray],
                 output: np.ndarray):
        if operation.backward is None:
            raise NotImplementedError(
                f"{operation.__name__} has no backward: define one with "
                f"@{operation.__name__}.define_backward, or call it within no_grad()"
            )
        self.operation = operation
        self.inputs = inputs
        self.options = options
        self.arrays = arrays
        self.output = output
        self.number = next(Node._numbers)

    def __repr__(self) -> str:
        return f"<grad_fn {self.operation.__name__}>"


# %% [markdown]
# ### Exercise: record an operation
#
# *medium · about 20 minutes · 4 lines · 6 points · variable-class*
#
# Read the class below: most of it is small. Then write the end of `record_operation`. At that point the operation has
# been computed (`arrays`, `output`), and `result` is a Variable around the output that remembers nothing yet.
#
# 1. Find out whether any of `inputs` is a Variable with `requires_grad`. (Others may be numbers, arrays or Tensors.)
# 2. If so, and recording is on (`_recording.get()` is `True`; section 11 is about turning it off), set
#    `result._requires_grad` to `True` and `result.grad_fn` to a new `Node`.
#
# Otherwise `result` stays as it is: what needs no gradient keeps no graph, and costs nothing later.
#
# <details><summary>Hint</summary>
#
# `any(condition for value in inputs)`; the condition has two parts, and the order in which they stand matters for a
# plain number.
# </details>

# %% nbgrader={"grade": false, "grade_id": "variable-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
_recording = ContextVar("recording", default=True)


class Variable(TensorMethods):
    """A Tensor that remembers how it was made, so that gradients can be sent back to what it was made from.

    It has all operators and methods of a Tensor. The other operand may be a Variable, a Tensor, an array or a
    number, on either side.

    Args:
        data: a Tensor or Variable, whose array is shared; or an array, number or list, which is copied.
        requires_grad: whether a gradient is wanted. If so, integers and booleans become float32, since a
            gradient needs numbers that can move.

    Attributes:
        data: the `Tensor`. A Tensor or an array may be assigned; neither is copied.
        grad: the gradient, a Variable which requires none itself, or `None`. Only leaves keep it (and what
            `retain_grad()` was called on).
        grad_fn: the `Node` that made it, `None` for a leaf.

    Example:
        >>> w = Variable([1.0, -2.0])
        >>> loss = (w * w).sum()
        >>> loss.backward()
        >>> w.grad
        Variable([ 2., -4.], requires_grad=False)
    """

    __slots__ = ("_tensor", "_requires_grad", "_retains_grad", "grad", "grad_fn")

    def __init__(self, data, requires_grad: bool = True):
        if isinstance(data, Variable):
            data = data.data
        tensor = data if isinstance(data, Tensor) else Tensor(data)
        if requires_grad and tensor.dtype.kind != "f":
            tensor = Tensor(tensor, dtype=np.float32)
        self._tensor = tensor
        self._requires_grad = bool(requires_grad)
        self._retains_grad = False
        self.grad: Variable | None = None
        self.grad_fn: Node | None = None

    @property
    def data(self) -> Tensor:
        """The Tensor. A Tensor or an array may be assigned; its memory is then shared."""
        return self._tensor

    @data.setter
    def data(self, value) -> None:
        if isinstance(value, Variable):
            value = value.data
        elif isinstance(value, np.ndarray):
            value = Tensor.from_numpy(value)
        elif not isinstance(value, Tensor):
            value = Tensor(value)
        if self._requires_grad and value.dtype.kind != "f":
            raise TypeError(f"a Variable that requires a gradient holds floating numbers, not {value.dtype}")
        self._tensor = value

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is wanted, for this Variable or for something it was made from.

        Of a leaf it can be set: False freezes a parameter, True thaws it. Setting it on the result of an
        operation is a ValueError, on integers a TypeError.
        """
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if not self.is_leaf:
            raise ValueError("requires_grad of the result of an operation is what its inputs ask for; detach() it instead")
        if wanted and self.dtype.kind != "f":
            raise TypeError(f"a Variable that requires a gradient holds floating numbers, not {self.dtype}")
        self._requires_grad = bool(wanted)

    @property
    def is_leaf(self) -> bool:
        """Whether it was given, not computed by a recorded operation."""
        return self.grad_fn is None

    @property
    def keeps_grad(self) -> bool:
        """Whether `backward()` leaves its gradient in `grad`: a leaf, or after `retain_grad()`."""
        return self.grad_fn is None or self._retains_grad

    def retain_grad(self) -> None:
        """Have `backward()` keep the gradient in `grad` though this is not a leaf, to look at it."""
        self._retains_grad = True

    def zero_grad(self) -> None:
        """Forget the gradient: `grad` becomes `None`."""
        self.grad = None

    def __reduce_ex__(self, protocol):
        if not self.is_leaf:
            raise TypeError("a Variable that was computed carries its whole graph; copy or save detach() of it")
        return super().__reduce_ex__(protocol)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self._requires_grad:
            raise TypeError("a NumPy array remembers no graph; ask for the numbers with numpy(), or detach() first")
        return np.array(self._tensor.data, dtype=dtype, copy=copy)

    def detach(self) -> Variable:
        """A Variable with the same data (shared) and no past: no gradient flows through it."""
        return Variable(self._tensor, requires_grad=False)

    def backward(self, gradient=None) -> None:
        """Add the gradient of this Variable to `grad` of every leaf it was made from.

        Args:
            gradient: the gradient of the final result with respect to this Variable: a number, array, Tensor
                or Variable of its shape. It may be left out for a single number, and is then 1.

        Raises:
            RuntimeError: this Variable requires no gradient.
            ValueError: `gradient` is missing and this is no single number, or has another shape.

        The graph is kept, so `backward()` can be called again; gradients then accumulate. It reads the arrays
        that forward used: do not change them in place in between.

        Example:
            >>> x = Variable(3.0)
            >>> y = x * x + x
            >>> y.backward()
            >>> x.grad.item()
            7.0
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward() on a Variable that requires no gradient: it was made from none that does, or "
                "within no_grad()"
            )
        if gradient is None:
            if self.size != 1:
                raise ValueError(
                    f"backward() without a gradient needs a single number, not shape {self.shape}: "
                    "reduce it with sum() or mean(), or pass a gradient of this shape"
                )
            seed = np.ones(self.shape, dtype=self.dtype)
        else:
            given = Variable(gradient, requires_grad=False)
            if given.shape != self.shape:
                raise ValueError(f"backward() of a Variable of shape {self.shape} got a gradient of shape "
                                 f"{given.shape}")
            seed = np.array(given.data.data, dtype=self.dtype)
        backpropagate(self, seed)

    def __repr__(self) -> str:
        numbers = np.array2string(self._tensor.data, separator=", ", prefix="Variable(")
        dtype = "" if self.dtype == np.float32 else f", dtype={self.dtype}"
        origin = f"requires_grad={self._requires_grad}" if self.is_leaf else f"grad_fn={self.grad_fn}"
        return f"Variable({numbers}{dtype}, {origin})"

    @staticmethod
    def record_operation(operation: Operation, inputs: tuple, options: dict) -> Variable | Tensor:
        """Compute `operation` and, where a gradient is wanted, remember how.

        An `Operation` calls this when a Variable is among its inputs.

        Args:
            operation: the operation called.
            inputs: what it was called with; at least one is a Variable.
            options: its keyword arguments.

        Returns:
            A Variable; a plain Tensor for an operation without derivative, such as a comparison.

        Raises:
            NotImplementedError: a gradient is wanted and the operation has no backward.
        """
        values = [value._tensor if isinstance(value, Variable) else value for value in inputs]
        arrays, output = operation.evaluate(values, options)
        tensor = Tensor.from_numpy(output)
        if not operation.differentiable:
            return tensor
        result = Variable(tensor, requires_grad=False)
        ### BEGIN SOLUTION
        wanted = any(isinstance(value, Variable) and value._requires_grad for value in inputs)
        if wanted and _recording.get():
            result._requires_grad = True
            result.grad_fn = Node(operation, inputs, options, arrays, output)
        ### END SOLUTION
        return result


# %% nbgrader={"grade": true, "grade_id": "test-recording", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_recording():
    w, x = Variable([1.0, -2.0]), Variable([3.0, 4.0], requires_grad=False)
    for tried, result, operation in [
        ("w * x", w * x, multiply), ("x - w", x - w, subtract), ("2 + w", 2 + w, add),
        ("w ** 2", w ** 2, power),
        ("Tensor / w", Tensor([1.0, 1.0]) / w, divide), ("array - w", np.ones(2) - w, subtract),
        ("w.sum(axis=0)", w.sum(axis=0), sum),
    ]:
        expect_equal(f"type of {tried}", type(result), Variable, "return the Variable result")
        expect_equal(f"({tried}).requires_grad", result.requires_grad, True,
                     "one input that requires a gradient is enough")
        expect_equal(f"operation in the grad_fn of {tried}", getattr(result.grad_fn, "operation", None),
                     operation, "record a Node")
        expect_equal(f"({tried}).is_leaf", result.is_leaf, False)
    product = w * x
    expect_close("w * x", product, [3.0, -8.0])
    node = product.grad_fn
    expect_equal("inputs of the node", node.inputs[0] is w and node.inputs[1] is x, True,
                 "the Variables themselves, not their arrays")
    expect_close("arrays of the node", node.arrays[1], [3.0, 4.0])
    expect_equal("output of the node", node.output is product.data.data, True)
    expect_equal("options of the node of sum(axis=0)", w.sum(axis=0, keepdims=True).grad_fn.options,
                 {"axis": 0, "keepdims": True})
    expect_equal("a later node has the higher number", (product + w).grad_fn.number > node.number, True)
    for tried, result in [("x * 2", x * 2), ("x + x", x + x), ("x @ Tensor", x @ Tensor([1.0, 1.0]))]:
        expect_equal(f"({tried}).requires_grad, x needs none", result.requires_grad, False,
                     "no input wants a gradient")
        expect_equal(f"({tried}).grad_fn", result.grad_fn, None, "what needs no gradient keeps no graph")
    token = _recording.set(False)
    try:
        result = w * 2
    finally:
        _recording.reset(token)
    expect_equal("requires_grad of w * 2 while recording is off", result.requires_grad, False,
                 "ask _recording.get()")
    expect_equal("grad_fn of w * 2 while recording is off", result.grad_fn, None, "ask _recording.get()")
    expect_equal("type of w > 0", type(w > 0), Tensor, "a comparison has no derivative")


test_recording()

# %% [markdown]
# The example from section 2, recorded by the machine this time. Green: leaves. Each blue box is a Variable with the
# name of its `grad_fn`.

# %% tags=["demo", "raises-exception"]
a, b = Variable(2.0), Variable(-3.0)
c = a * b
d = c + a
L = d * d
print(L)
print("numbers of the nodes of c, d and L, counted from c:",
      [variable.grad_fn.number - c.grad_fn.number for variable in (c, d, L)])
draw_graph(L, {a: "a", b: "b", c: "c", d: "d", L: "L"}, (8.0, 2.6),
           "The recorded graph: the leaves a = 2 and b = -3 lead to c = multiply, -6; c and a lead to d = "
           "add, -4; d leads to L = multiply, 16.")

# %% [markdown]
# ## 9. Walking the graph
#
# Walking backward takes four steps, and each is an exercise: what one node sends to its inputs; in which order the
# nodes come; how a leaf adds up; and the walk itself.
#
# ### Exercise: what a node sends to its inputs
#
# *medium · about 20 minutes · 6 lines · 8 points · input-gradients*
#
# Write the loop of `input_gradients(node, gradient)`. Given before it: `parts`, what the operation's backward
# returned, one part for each input. For each input and its part:
#
# 1. If the input is no Variable, or requires no gradient, go on. Do not even call the part.
# 2. If the part is callable, call it. `None` means that nothing flows: go on.
# 3. Make it an array of the **input's** data type (a float64 input that met a float32 one computes in float32, and
#    wants its gradient in float64), sum it back to the input's shape, and append the pair `(input, array)`.
#
# After it, given: `_without_aliases`. What is kept in a leaf's `grad` must belong to that leaf alone. `add` returns
# the same `gradient` array twice, `sum` returns a read-only view; if these became two leaves' `grad`, changing one
# would change the other.
#
# <details><summary>Hint</summary>
#
# `np.asarray(array, dtype=…)` copies only where the data type differs.
# </details>

# %% nbgrader={"grade": false, "grade_id": "input-gradients", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def input_gradients(node: Node, gradient: np.ndarray) -> list[tuple[Variable, np.ndarray]]:
    """What a node passes to those of its inputs that require a gradient, when its output receives `gradient`.

    Args:
        node: the recorded operation.
        gradient: array of the shape of its output.

    Returns:
        Pairs of an input and an array in the input's shape and data type. An input that was used twice
        appears twice.

    Raises:
        ValueError: the operation's backward returned another number of gradients than it has inputs, or a
            shape that does not fit.

    Example:
        >>> w = Variable(2.0)
        >>> input_gradients((w * 3.0).grad_fn, np.float32(10.0))
        [(Variable(2., requires_grad=True), array(30., dtype=float32))]
    """
    parts = node.operation.backward(gradient, node.output, *node.arrays, **node.options)
    if not isinstance(parts, (tuple, list)):
        parts = (parts,)
    if len(parts) != len(node.inputs):
        raise ValueError(
            f"the backward of {node.operation.__name__} returned {len(parts)} gradients for "
            f"{len(node.inputs)} inputs: "
            "return one for each, None where nothing flows"
        )
    pairs = []
    ### BEGIN SOLUTION
    for value, part in zip(node.inputs, parts):
        if isinstance(value, Variable) and value.requires_grad:
            array = part() if callable(part) else part
            if array is not None:
                array = np.asarray(array, dtype=value.dtype)
                pairs.append((value, unbroadcast(array, value.shape)))
    ### END SOLUTION
    return _without_aliases(pairs, node, gradient)


def _without_aliases(pairs: list, node: Node, gradient: np.ndarray) -> list:
    """`pairs`, with a copy of each array that `grad` will keep and something else holds."""
    held = {id(gradient), id(node.output), *map(id, node.arrays)}
    owned = []
    for value, array in pairs:
        if value.keeps_grad and (array.base is not None or id(array) in held):
            array = array.copy()
        held.add(id(array))
        owned.append((value, array))
    return owned


# %% nbgrader={"grade": true, "grade_id": "test-input-gradients", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_input_gradients():
    def unwanted():
        raise AssertionError("a gradient was computed for an input that needs none: skip it before calling "
                             "its part")

    @Operation
    def probe(a, b, c):
        return a + b + c

    probe.define_backward(lambda gradient, output, a, b, c: (gradient * 2, lambda: gradient * 3, unwanted))
    a, b = Variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), Variable([0.0, 1.0, 2.0])
    gradient = floats([[1, 2, 3], [4, 5, 6]])
    for kind, c in [("number", 1.0), ("array", np.ones(3)), ("Tensor", Tensor([1.0])),
                    ("Variable without gradient", Variable(1.0, requires_grad=False))]:
        pairs = input_gradients(probe(a, b, c).grad_fn, gradient)
        expect_equal(f"two Variables and one {kind}: number of pairs", len(pairs), 2)
        expect_equal("which inputs", pairs[0][0] is a and pairs[1][0] is b, True,
                     "the pairs stand in the order of the inputs")
        expect_close("gradient for the first", pairs[0][1], [[2, 4, 6], [8, 10, 12]])
        expect_close("gradient for the second, shape (3,)", pairs[1][1], [15, 21, 27],
                     "was it called, and summed over the rows it was broadcast to?")

    @Operation
    def closed(a, b):
        return a + b

    closed.define_backward(lambda gradient, output, a, b: (None, lambda: None))
    expect_equal("pairs where None is returned", input_gradients(closed(b, b).grad_fn, floats([1, 1, 1])), [],
                 "None: nothing flows there")
    half = Operation(lambda a, b: a + b)
    half.define_backward(lambda gradient, output, a, b: (None, gradient))
    pairs = input_gradients(half(b, b).grad_fn, floats([1, 10, 100]))
    expect_equal("pairs where only the first is None", len(pairs), 1, "go on with the next input")
    pairs = input_gradients((Tensor([2.0, 3.0, 4.0]) * b).grad_fn, floats([1, 10, 100]))
    expect_equal("pairs where only the second input is a Variable", len(pairs), 1, "go on with the next input")
    expect_close("the gradient of b in [2, 3, 4] * b", pairs[0][1], [2, 30, 400])
    pairs = input_gradients((b * b).grad_fn, floats([1, 10, 100]))
    expect_close("b * b sends b twice", np.array([array for _, array in pairs]), [[0, 10, 200], [0, 10, 200]])
    pairs = input_gradients((-b).grad_fn, floats([1, 10, 100]))
    expect_close("a single gradient, not in a tuple", pairs[0][1], [-1, -10, -100])

    wide, narrow = Variable(np.array([1.0, 2.0])), Variable([3.0, 4.0])
    pairs = input_gradients((wide * narrow).grad_fn, floats([1, 1]))
    expect_equal("data types of the gradients for float64 * float32",
                 [array.dtype.name for _, array in pairs], ["float64", "float32"],
                 "each in the data type of its Variable")


test_input_gradients()

# %% [markdown]
# ### The order
#
# A node may pass its gradient on only when it is complete: when everybody who used its result has contributed. In the
# graph of section 2, `c` must wait for `d`. The order that guarantees this is called **topological**, and finding one
# is usually a small algorithm of its own.
#
# Here it is free. An operation can only use Variables that exist already, so each node has a **higher number than
# every node it was made from**. Newest first is therefore a topological order: by the time a node's turn comes, all
# that used it, being newer, have had theirs.
#
# Two mistakes are popular, and each passes on small examples.
#
# - *Calling backward recursively*, from each node into its inputs: Python's stack ends after some thousand calls. A
#   loop over a long sequence makes a longer chain than that.
# - *Going into a node once for every use*: with `y = y + y` repeated 40 times, $2^{40}$ visits. The next cell counts
#   them for short chains.

# %% tags=["demo", "raises-exception"]
def visits_of_the_naive_walk(variable):
    """How many nodes a walk visits that goes into each input of each node, seen before or not."""
    if variable.grad_fn is None:
        return 0
    return 1 + builtins.sum(visits_of_the_naive_walk(value) for value in variable.grad_fn.inputs)


lengths, visits, y = range(1, 15), [], Variable(1.0)
for _ in lengths:
    y = y + y
    visits.append(visits_of_the_naive_walk(y))

figure, axes = plt.subplots(figsize=(6.4, 3.4))
axes.semilogy(lengths, visits, "o-", color=plotting.VERMILLION, label="into every use of every node")
axes.semilogy(lengths, lengths, "s--", color=plotting.BLUE, label="each node once")
axes.set(xlabel="length of the chain y = y + y", ylabel="nodes visited")
axes.legend()
plotting.show(figure,
              alt="Nodes visited against the length of the chain on a logarithmic axis. The naive walk "
                  "doubles with every step and reaches "
              "16383 at length 14; visiting each node once grows from 1 to 14.")
days = 2.0 ** 40 / 1e6 / 86400
print(f"length 40 would take {2.0 ** 40 - 1:.2g} visits: at a million a second, {days:.0f} days")

# %% [markdown]
# ### Exercise: newest first
#
# *medium · about 20 minutes · 6 lines · 8 points · backward-order*
#
# Write `backward_order(root)`: all Variables with a `grad_fn` that `root` was made from, and `root` itself, newest
# first, each once. Leaves are not in it.
#
# 1. Keep a set of what was found, and a list of what waits to be looked at. Both begin with `root`, unless it is a
#    leaf: then the answer is an empty list.
# 2. While something waits, take it out, and look at the inputs of its node: each Variable with a `grad_fn` that is
#    not in the set goes into both.
# 3. Sort by the number of the node.
#
# <details><summary>Hint</summary>
#
# `sorted(found, key=lambda variable: …, reverse=True)`. A list is a fine place to wait in: `append` and `pop` work at
# its end.
# </details>

# %% nbgrader={"grade": false, "grade_id": "backward-order", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def backward_order(root: Variable) -> list[Variable]:
    """The computed Variables that `root` depends on, `root` included, newest first.

    That is a topological order: each comes after all that used it, since a node is younger than its inputs.

    Args:
        root: where the walk begins, a loss for example.

    Returns:
        Each Variable with a `grad_fn` once, by the number of its node, highest first; empty for a leaf.

    Example:
        >>> x = Variable(2.0)
        >>> y = x * x
        >>> [variable.grad_fn for variable in backward_order(y + y)]
        [<grad_fn add>, <grad_fn multiply>]
    """
    ### BEGIN SOLUTION
    waiting = [] if root.is_leaf else [root]
    found = set(waiting)
    while waiting:
        for value in waiting.pop().grad_fn.inputs:
            if isinstance(value, Variable) and not value.is_leaf and value not in found:
                found.add(value)
                waiting.append(value)
    return sorted(found, key=lambda variable: variable.grad_fn.number, reverse=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-backward-order", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_backward_order():
    looked_at = [0]

    class Counted(tuple):
        def __iter__(self):
            looked_at[0] += 1
            return super().__iter__()

    def same(got, expected):
        return len(got) == len(expected) and all(one is other for one, other in zip(got, expected))

    x, constant = Variable(2.0), Variable(5.0, requires_grad=False)
    a = x * constant
    b = a + 1.0
    c = a * b
    d = Tensor(3.0) * b
    unused = a - b
    e = c + d
    cause = "newest first, each once, without leaves and without what the root was not made from"
    expect_equal("order of a graph with two branches", same(backward_order(e), [e, d, c, b, a]), True, cause)
    expect_equal("order from the middle", same(backward_order(c), [c, b, a]), True, cause)
    expect_equal("order of another branch", same(backward_order(unused), [unused, b, a]), True, cause)
    f = d + c
    expect_equal("inputs in the other order", same(backward_order(f), [f, d, c, b, a]), True,
                 "creation decides, not the order of the inputs")
    g = a * f
    expect_equal("a short way beside a long one", same(backward_order(g), [g, f, d, c, b, a]), True, cause)
    expect_equal("order of a leaf", backward_order(x), [], "a leaf was not computed")
    y = x
    for _ in range(16):
        y = y + y
        y.grad_fn.inputs = Counted(y.grad_fn.inputs)
    expect_equal("Variables in 16 doublings", len(backward_order(y)), 16,
                 "each once, however often it was used")
    expect_equal("more than 100 looks at the inputs of nodes, in 16 doublings", looked_at[0] > 100, False,
                 "what is in the set already need not wait again")
    for _ in range(1500):
        y = -y
    expect_equal("Variables in a chain of 1,516", len(backward_order(y)), 1516, "a loop, not a recursion")


test_backward_order()

# %% [markdown]
# ### Exercise: accumulate, then walk
#
# *medium to hard · about 40 minutes · 3 + 9 lines · 13 points · backpropagate*
#
# **`accumulate`** adds an array (`contribution`) to a Variable's `grad`: the first contribution becomes the gradient,
# each further one is **added**, in a new array. (The old one may be in somebody's hands: a gradient that was read
# earlier must not change afterwards.) `grad` is a Variable that requires no gradient.
#
# **`backpropagate(root, seed)`** is the walk, which `variable.backward()` calls when it has checked what it was given
# (read it in section 8). It keeps a dictionary `gradients`: for each computed Variable the sum
# of what it received so far. To *deliver* a contribution to a Variable means two things: if it `keeps_grad`,
# accumulate; if it is not a leaf, add the contribution to its entry in `gradients`, without writing into an array
# that is there.
#
# 1. Deliver `seed` to `root`.
# 2. Go through `backward_order(root)`. Take each Variable's gradient out of the dictionary (it is complete now, and
#    not needed again) and deliver what `input_gradients` of its node returns.
# 3. A Variable may have received nothing, if an operation above it returned `None`. Skip it.
#
# By hand for $y = x \cdot x + x$ at $x = 3$: the seed 1 goes to `add`, which sends 1 to $x \cdot x$ and 1 to $x$.
# `multiply` sends $3$ and $3$. Together $1 + 3 + 3 = 7 = 2x + 1$.
#
# <details><summary>Hint 1</summary>
#
# A Variable can be a key of a dictionary: what counts is which object it is, not its numbers.
# </details>
# <details><summary>Hint 2</summary>
#
# Adding two 0-d arrays gives a NumPy scalar, not an array. `np.asarray(…)` makes it one again.
# </details>
# <details><summary>Hint 3</summary>
#
# `deliver` is needed in two places: write it as a function inside `backpropagate`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "backpropagate", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def accumulate(variable: Variable, contribution: np.ndarray) -> None:
    """Add an array to the gradient of a Variable; the first contribution becomes the gradient.

    Args:
        variable: its `grad` is replaced.
        contribution: array of the variable's shape; it belongs to `grad` from then on.

    Example:
        >>> w = Variable(2.0)
        >>> accumulate(w, np.array(1.5, dtype=np.float32))
        >>> accumulate(w, np.array(1.0, dtype=np.float32))
        >>> w.grad.item()
        2.5
    """
    ### BEGIN SOLUTION
    if variable.grad is not None:
        contribution = np.asarray(variable.grad.data.data + contribution)
    variable.grad = Variable(Tensor.from_numpy(contribution), requires_grad=False)
    ### END SOLUTION


def backpropagate(root: Variable, seed: np.ndarray) -> None:
    """Walk the graph of `root` from the newest node to the oldest and add to `grad` of its leaves.

    Args:
        root: where the walk begins.
        seed: the gradient of the final result with respect to `root`, an array of its shape and data type.

    Example:
        >>> x = Variable(3.0)
        >>> backpropagate(x * x + x, np.float32(1.0))
        >>> x.grad.item()
        7.0
    """
    gradients: dict[Variable, np.ndarray] = {}
    ### BEGIN SOLUTION

    def deliver(variable: Variable, contribution: np.ndarray) -> None:
        if variable.keeps_grad:
            accumulate(variable, contribution)
        if not variable.is_leaf:
            earlier = gradients.get(variable)
            gradients[variable] = contribution if earlier is None else np.asarray(earlier + contribution)

    deliver(root, seed)
    for variable in backward_order(root):
        if variable in gradients:
            for value, contribution in input_gradients(variable.grad_fn, gradients.pop(variable)):
                deliver(value, contribution)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-backward", "locked": true, "points": 13, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_backward():
    w = Variable(2.0)
    first = np.array(1.5, dtype=np.float32)
    accumulate(w, first)
    before = w.grad
    expect_close("first contribution", before, 1.5)
    expect_equal("the gradient requires a gradient itself", before.requires_grad, False,
                 "Variable(…, requires_grad=False)")
    accumulate(w, np.array(-4.0, dtype=np.float32))
    expect_close("two contributions, 1.5 and -4", w.grad, -2.5, "add, do not replace")
    expect_close("the gradient that was read before", before, 1.5, "add into a new array, not in place")
    expect_equal("type inside the gradient of a number", type(w.grad.data.data), np.ndarray,
                 "a NumPy scalar is not an array; use np.asarray")

    x = Variable(3.0)
    y = x * x + x
    y.backward()
    expect_close("x * x + x at 3", x.grad, 7.0, "a value used three times receives three contributions")
    y.backward()
    expect_close("a second backward on the same graph", x.grad, 14.0,
                 "gradients accumulate, and the graph is kept")
    x.zero_grad()
    expect_equal("grad after zero_grad()", x.grad, None)

    a, b = Variable(2.0), Variable(-3.0)
    c = a * b
    d = c + a
    (d * d).backward()
    expect_close("dL/da and dL/db of section 2", [a.grad.item(), b.grad.item()], [16.0, -16.0])
    expect_equal("grad of a Variable in between", (c.grad, d.grad), (None, None), "only leaves keep theirs")
    a, b = Variable(2.0), Variable(-3.0)
    c = a * b
    c.retain_grad()
    d = c + a
    (c * d).backward()
    expect_close("gradients of a, b, c for c (c + a)", [a.grad.item(), b.grad.item(), c.grad.item()],
                 [24.0, -20.0, -10.0],
                 "c is used twice: wait for both contributions before going on, and retain their sum")

    leaf = Variable([1.0, 2.0])
    given = floats([5, 6])
    leaf.backward(given)
    expect_close("backward() on a leaf itself", leaf.grad, [5.0, 6.0],
                 "the seed is delivered to the root as well")
    given[0] = 0
    expect_close("after the caller changes the array passed in", leaf.grad, [5.0, 6.0])

    u, v = Variable([[1.0, 2.0], [3.0, 4.0]]), Variable([10.0, 20.0])
    (u + v).backward([[1.0, -2.0], [3.0, 5.0]])
    expect_close("gradient of v in u + v", v.grad, [4.0, 3.0], "broadcasting has to be undone")
    u.grad.data.data[0, 0] = 99.0
    expect_close("gradient of v after changing that of u", v.grad, [4.0, 3.0], "each leaf owns its gradient")
    p, q = Variable([1.0, 1.0]), Variable([1.0, 1.0])
    twice, five_times = p * 2.0, q * 5.0
    total = twice + five_times
    (total + twice).backward([1.0, 10.0])
    expect_close("gradient of p: 2p is used twice, by sums", p.grad, [4.0, 40.0])
    expect_close("gradient of q: 5q is used once, in the first of these sums", q.grad, [5.0, 50.0],
                 "an addition passes one array to both inputs: add contributions into a new array, not in place")
    fine = Variable(np.array([0.1, 0.7]))
    for count in (1, 2):
        (fine * fine * fine).sum().backward()
        expect_close(f"the gradient of x³ in float64, {count} times", fine.grad,
                     [count * 3 * 0.1 * 0.1, count * 3 * 0.7 * 0.7], "float64 keeps 16 digits", tolerance=1e-14)
        expect_equal("its data type", fine.grad.dtype, np.dtype(np.float64))
    summed = Variable([1.0, 2.0, 3.0])
    summed.sum().backward()
    summed.grad.data.data[0] += 1.0
    expect_close("writing into the gradient of a sum", summed.grad, [2.0, 1.0, 1.0])

    calls = []

    @Operation
    def counted(p, q):
        return p + q

    @counted.define_backward
    def counted_backward(gradient, output, p, q):
        calls.append(type(gradient))
        return gradient, gradient

    @Operation
    def stop(p):
        return p * 1

    stop.define_backward(lambda gradient, output, p: None)
    y = start = Variable(1.0)
    for _ in range(12):
        y = counted(y, y)
    y.backward()
    expect_close("12 doublings", start.grad, 4096.0)
    expect_equal("calls of the operation's backward in 12 doublings", len(calls), 12,
                 "each node once, when its gradient is complete")
    expect_equal("what a backward receives", set(calls), {np.ndarray},
                 "a sum of 0-d arrays is a NumPy scalar: use np.asarray")
    start.zero_grad()
    (stop(counted(start, start)) + start).backward()
    expect_close("beside a path where nothing flows", start.grad, 1.0,
                 "a Variable that received nothing is skipped")
    y = start = Variable(1.0)
    for _ in range(1500):
        y = -y
    y.backward()
    expect_close("a chain of 1,500 negations", start.grad, 1.0, "walk in a loop, not by recursion")


test_backward()

# %% [markdown]
# Now the chain that breaks recursion, and the one that breaks naive walks. **Predict** how long each takes.

# %% tags=["demo", "raises-exception"]
def recursive_backward(variable, gradient):
    """The popular mistake: each node calls its inputs."""
    if variable.grad_fn is not None:
        for value, contribution in input_gradients(variable.grad_fn, gradient):
            recursive_backward(value, contribution)


y = x = Variable(1.0)
for _ in range(100_000):
    y = y + 1.0
try:
    recursive_backward(y, np.float32(1.0))
except RecursionError:
    print(f"recursive, 100,000 operations: RecursionError ({sys.getrecursionlimit()} calls at most)")
started = time.perf_counter()
y.backward()
print(f"newest first, 100,000 operations: {time.perf_counter() - started:.2f} s, gradient {x.grad.item():g}")

y = x = Variable(1.0)
for _ in range(40):
    y = y + y
started = time.perf_counter()
y.backward()
print(f"40 doublings: {1000 * (time.perf_counter() - started):.2f} ms, gradient {x.grad.item():.0f} = 2**40")

# %% [markdown]
# The graph lives as long as somebody holds its end. Drop the loss, and all of it is freed at once; a leaf and its
# gradient stay.

# %% tags=["demo", "raises-exception"]
w = Variable([1.0, 2.0])
hidden = w * 3.0
loss = (hidden * hidden).sum()
loss.backward()
watcher = weakref.ref(hidden)
del hidden
print("the loss is held, so the Variable in between is alive:", watcher() is not None)
del loss
print("the loss is dropped; still alive:", watcher() is not None)
print("the gradient stays:", w.grad)

# %% [markdown]
# *Pause.* Backward works. What follows is how to use it in a loop.
#
# ## 10. Gradients accumulate, so forget them in time
#
# Adding to `grad` is what a value used twice needs, and it has a second use: the gradients of several small batches
# add up to that of a large one which would not fit into memory. The price is that a new step has to begin with
# `zero_grad()`, and forgetting it is the most common mistake of all.
#
# **Predict first.** Plain gradient descent on $f(w) = w^2$ from $w = 1$ with rate 0.1 multiplies $w$ by 0.8 each
# step. What happens if the gradient is never set back?

# %% tags=["demo", "raises-exception"]
def descend(forget):
    w, path = Variable(1.0), [1.0]
    for _ in range(30):
        if forget:
            w.zero_grad()
        (w * w).backward()
        w.data = w.data - 0.1 * w.grad.data
        path.append(w.item())
    return path


figure, axes = plt.subplots(figsize=(6.4, 3.2))
axes.axhline(0, color=plotting.GRAY, linewidth=0.8)
axes.plot(descend(forget=True), color=plotting.BLUE, label="zero_grad() before each backward()")
axes.plot(descend(forget=False), "--", color=plotting.VERMILLION, label="never")
axes.set(xlabel="step", ylabel="w", ylim=(-1.1, 1.75))
axes.legend(loc="upper right")
plotting.show(figure,
              alt="The parameter w over 30 steps. With zero_grad it falls smoothly to 0; without it, w "
                  "swings between plus and minus 1 and does not settle.")

# %% [markdown]
# Without `zero_grad()` each step follows the sum of all gradients so far: it gathers speed, runs past the minimum,
# and swings without end. (In module 08 a part of that sum is kept on purpose; it is called momentum.)
#
# ## 11. When no graph is wanted
#
# Evaluating a trained network, or changing a parameter, should leave no trace in any graph. Two tools:
#
# - `variable.detach()` gives the same data without its past;
# - within `with no_grad():` nothing is recorded at all.
#
# The switch is `_recording`, a `ContextVar`: like a global variable, but each thread and each asynchronous task has
# its own value. `set` returns a **token** that remembers the value before, and `reset(token)` restores it.
#
# ### Exercise: no_grad
#
# *easy · about 10 minutes · 5 lines · 5 points · no-grad*
#
# `contextlib.contextmanager` makes a context manager of a function with one `yield`: what stands before it happens on
# entering, what stands after it on leaving. (It can also be used as a decorator, `@no_grad()`.)
#
# 1. Set `_recording` to `False` and keep the token.
# 2. `yield`.
# 3. Reset with the token, **also when the block raises an error**.
#
# <details><summary>Hint</summary>
#
# `try: … finally: …`. Setting it to `True` at the end would be wrong inside another `no_grad()`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "no-grad", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Record no graph within a `with` block, or within a function decorated with `@no_grad()`.

    It nests, and the state before is restored when the block ends, by an error too. Other threads are not
    affected.

    Example:
        >>> w = Variable(2.0)
        >>> with no_grad():
        ...     y = w * 3.0
        >>> y.requires_grad
        False
    """
    ### BEGIN SOLUTION
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-no-grad", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_no_grad():
    w = Variable(2.0)
    with no_grad():
        result = w * 3.0
        with no_grad():
            inner = w * 3.0
        after_inner = w * 3.0
    expect_close("w * 3 within no_grad()", result, 6.0, "it still computes")
    expect_equal("requires_grad within no_grad()", (result.requires_grad, inner.requires_grad),
                 (False, False), "set _recording to False")
    expect_equal("requires_grad after an inner no_grad()", after_inner.requires_grad, False,
                 "restore the value before, which is not always True")
    expect_equal("requires_grad after the block", (w * 3.0).requires_grad, True, "reset when the block ends")

    @no_grad()
    def evaluate():
        return w * 5.0

    expect_equal("requires_grad in a decorated function, called twice",
                 (evaluate().requires_grad, evaluate().requires_grad), (False, False))
    expect_equal("requires_grad after it", (w * 3.0).requires_grad, True)

    def fail(kind):
        with no_grad():
            raise kind("on purpose")

    for kind in (KeyError, KeyboardInterrupt):
        token = _recording.set(True)
        expect_raises(f"{kind.__name__} within no_grad()", kind, lambda: fail(kind), cause="let it pass through")
        after_error = (w * 3.0).requires_grad
        _recording.reset(token)
        expect_equal(f"requires_grad after a {kind.__name__} in the block", after_error, True,
                     "reset in a finally clause: an interrupted cell must not switch recording off for good")


test_no_grad()

# %% [markdown]
# ## 12. Trust, but measure
#
# You have two ways to a gradient which know nothing of each other: the rules, and measuring. It would take a strange
# coincidence for both to be wrong by the same amount. `check_gradients(function, *inputs)` compares them for each input, **in float64**: float32 carries 7 digits,
# and a difference over $10^{-6}$ would be nothing but rounding.
#
# The output need not be a number. It is multiplied by fixed random weights $r$ and summed, $L = \sum_i r_i\,y_i$, so
# that the gradient of $L$ with respect to $y$ is $r$. Equal weights would miss mistakes that cancel in the sum.
#
# A difference is a mistake when it exceeds `tolerance` times the larger of 1 and the expected size:
# $|\text{got} - \text{expected}| \le \text{tolerance} \cdot \max(1, |\text{expected}|)$ must hold for every element.
#
# ### Exercise: check_gradients
#
# *medium · about 30 minutes · 11 lines · 8 points · check-gradients*
#
# Given: `variables` (the inputs as float64 Variables), the `output` for them, and the `weights`. Also given: a
# function `weighted_sum(position, point)`, which is $L$ with input number `position` replaced by the array `point`.
#
# 1. Run the output's `backward` with the weights as its gradient, if the output requires a gradient at all.
# 2. For each variable, measure the gradient of `weighted_sum` at its array with `numerical_gradient`. What backward
#    found is in `grad`; `None` counts as zeros.
# 3. At the first element that is wrong by the rule above, or is nan, raise an `AssertionError` with the text
#    `f"argument {position} at index {index}: backward gives {got:.8g}, central differences {expected:.8g}"`.
#
# <details><summary>Hint 1</summary>
#
# A comparison with nan is always `False`. So ask which elements are **not** good, rather than which are bad.
# </details>
# <details><summary>Hint 2</summary>
#
# `np.ndindex(shape)` runs through the indices, as in section 1.
# </details>

# %% nbgrader={"grade": false, "grade_id": "check-gradients", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def check_gradients(
    function: Callable[..., Variable], *inputs, epsilon: float = 1e-6, tolerance: float = 1e-6
) -> None:
    """Compare `backward()` with central differences, in float64, for every element of every input.

    Args:
        function: takes as many Variables as there are inputs and returns a Variable of any shape; it must
            give the same result each time.
        inputs: numbers, arrays, Tensors or Variables at which to compare; they are converted to float64 and
            not modified.
        epsilon: distance of the two points of the central difference.
        tolerance: largest accepted |got - expected| / max(1, |expected|).

    Raises:
        AssertionError: a gradient is wrong; names the argument, the index, what backward gives and what was
            measured.
        TypeError: the function returns something else than a float64 Variable.
        ValueError: there are no inputs.

    Example:
        >>> check_gradients(lambda a, b: (a * b).sum(), [1.0, 2.0], [[3.0], [4.0]])
    """
    if not inputs:
        raise ValueError("check_gradients() needs at least one input besides the function")
    variables = [Variable(Tensor(value.data if isinstance(value, Variable) else value, np.float64)) for value in inputs]
    output = function(*variables)
    if not isinstance(output, Variable) or output.dtype != np.float64:
        found = f"{output.dtype} numbers" if isinstance(output, Variable) else type(output).__name__
        raise TypeError("check_gradients() needs a function that returns a float64 Variable when it is given "
                        f"float64 ones, not {found}")
    weights = np.array(np.random.default_rng(0).standard_normal(output.shape))

    def weighted_sum(position: int, point: np.ndarray) -> float:
        arguments = [*variables[:position], Variable(point), *variables[position + 1:]]
        with no_grad():
            return float(np.sum(function(*arguments).data.data * weights))

    ### BEGIN SOLUTION
    if output.requires_grad:
        output.backward(weights)
    for position, variable in enumerate(variables):
        start = variable.data.data
        measured = numerical_gradient(lambda point: weighted_sum(position, point), start, epsilon)
        found = np.zeros_like(measured) if variable.grad is None else variable.grad.data.data
        for index in np.ndindex(measured.shape):
            got, expected = found[index], measured[index]
            if not np.abs(got - expected) <= tolerance * np.maximum(1.0, np.abs(expected)):
                raise AssertionError(
                    f"argument {position} at index {index}: "
                    f"backward gives {got:.8g}, central differences {expected:.8g}"
                )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-check-gradients", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_check_gradients():
    def wrong(change):
        """An operation a * b whose gradient for `b` is spoiled by `change`."""
        operation = Operation(lambda a, b: a * b)
        operation.__name__ = "wrong"
        operation.define_backward(lambda gradient, output, a, b: (gradient * b, change(gradient * a)))
        return operation

    a, b = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[2.0, 1.0], [-1.0, 0.5]])
    check_gradients(lambda a, b: a * b - a / b, a, b)
    check_gradients(lambda a: (a * a).sum(), [3, -4])
    check_gradients(lambda a: a * a * a, 1000.0)
    check_gradients(lambda a: -(a * a * a), 1000.0)
    check_gradients(lambda a, b: a + b.detach() * 0.0, 1.0, 2.0)
    check_gradients(lambda a: Variable(np.ones(2), requires_grad=False), 1.0, tolerance=0.0)
    check_gradients(wrong(lambda g: g + 1e-8), a * 1e-3, b)
    check_gradients(wrong(lambda g: g * 1.001), a, b, tolerance=0.01)
    check_gradients(lambda a: a * a * a, 2.0, epsilon=0.01, tolerance=1e-4)
    expect_raises("a function that hides its input from the graph", AssertionError,
                  lambda: check_gradients(lambda a: a.detach() * 2.0, 3.0), "argument 0", "backward gives 0",
                  cause="an output that requires no gradient must be compared as well: its gradient is 0")
    expect_raises("x³ with the coarse epsilon 0.5", AssertionError,
                  lambda: check_gradients(lambda a: a * a * a, 2.0, epsilon=0.5), "argument 0",
                  cause="pass epsilon on")

    def last_only(gradient):
        changed = gradient.copy()
        changed[1, 1] = np.nan
        return changed

    for tried, change, index in [
        ("a sign", lambda g: -g, "(0, 0)"), ("a factor 1.001", lambda g: g * 1.001, "(0, 0)"),
        ("a nan in the last element", last_only, "(1, 1)"),
        ("no gradient", lambda g: None, "(0, 0)"), ("an infinite gradient", lambda g: g * np.inf, "(0, 0)"),
        ("an error of 1.5e-6", lambda g: g + 1.5e-6, "(0, 0)"),
        ("an error of -1.5e-6", lambda g: g - 1.5e-6, "(0, 0)"),
    ]:
        expect_raises(f"{tried} in the gradient of the second argument", AssertionError,
                      lambda: check_gradients(wrong(change), a, b),
                      "argument 1", f"index {index}", "backward gives", "central differences",
                      cause="it must be noticed and named")
    weight = float(np.random.default_rng(0).standard_normal(()))
    expect_raises("the numbers in the message", AssertionError,
                  lambda: check_gradients(wrong(lambda g: 2 * g), 3.0, 5.0),
                  f"backward gives {6 * weight:.10f}"[:21], f"central differences {3 * weight:.10f}"[:26])


test_check_gradients()

# %% [markdown]
# Now let it loose on everything you wrote: each operation, with broadcasting on either side, vectors, batches, axes.
# If a cell of this table is wrong, the message says which argument and where.

# %% tags=["demo", "raises-exception"]
generator = np.random.default_rng(3)
square, row, column = (generator.uniform(0.5, 2.0, shape) for shape in ((3, 4), (4,), (3, 1)))
pairs = [(square, square[::-1]), (square, row), (column, square), (row, column), (square, 1.7), (0.6, row)]
for operation in (add, subtract, multiply, divide, power, maximum, minimum):
    for left, right in pairs:
        check_gradients(operation, left, right)
for operation in (negate, exp, log, sqrt, abs, sum, mean, max, min, transpose):
    check_gradients(operation, square)
for operation in (sum, mean, max, min):
    for axis in (0, -1, (0, 1)):
        check_gradients(lambda x: operation(x, axis=axis), square)
for left, right in [((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (3, 4)),
                    ((5, 1, 2, 3), (6, 3, 2))]:
    check_gradients(matmul, generator.standard_normal(left), generator.standard_normal(right))
check_gradients(lambda x: x.reshape(2, 6).T[[0, 0, 5], ::-1], square)
print("every rule agrees with measuring")

# %% [markdown]
# *Pause.* The machine is complete and checked. Last comes the bridge to the modules around it.
#
# ## 13. The bridge: what was written before trains now
#
# Suppose somebody wrote the next cell right after module 01. There is a new operation with its local derivative, a
# layer, a network; the words *gradient graph* and *Variable* do not occur, and nothing is imported but `core.tensor`.
# Modules 02 to 05 are written in this way.
#
# The activation is the softplus, $y = \ln(1 + e^x)$; its local derivative $e^x / (1 + e^x)$ equals $e^{x - y}$.

# %% nbgrader={"grade": false, "grade_id": "toy-network", "locked": true, "schema_version": 3, "solution": false, "task": false}
@Operation
def softplus(x):
    return np.logaddexp(0, x)


@softplus.define_backward
def softplus_backward(gradient, output, x):
    return gradient * np.exp(x - output)


class ToyDense:
    """A layer: x @ weight + bias."""

    def __init__(self, inputs, outputs, generator):
        self.weight = randn(inputs, outputs, generator=generator) / np.sqrt(inputs)
        self.bias = Tensor(np.zeros(outputs, np.float32))

    def __call__(self, x):
        return x @ self.weight + self.bias

    def named_parameters(self):
        yield "weight", self.weight
        yield "bias", self.bias


class ToyNetwork:
    """Layers with a softplus between them."""

    def __init__(self, *sizes, seed):
        generator = np.random.default_rng(seed)
        self.layers = [ToyDense(inputs, outputs, generator) for inputs, outputs in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = softplus(layer(x))
        return self.layers[-1](x)

    def named_parameters(self):
        for position, layer in enumerate(self.layers):
            for name, parameter in layer.named_parameters():
                yield f"layers.{position}.{name}", parameter


# %% [markdown]
# Every operation in it looks at its inputs: with Tensors it computes, with a Variable among them it hands itself over
# to be recorded. So nothing is missing but Variables in place of the parameters, and that is what `track(module)`
# does: it goes through `module.named_parameters()` and puts a Variable, **sharing the same array**, where each Tensor
# was.
#
# `named_parameters()` yields pairs of a name and a parameter. The name is the path on which one gets there, with
# dots: attributes, positions in a list, keys of a dictionary; `layers.0.weight` is `module.layers[0].weight`.
#
# ### Exercise: track
#
# *medium · about 20 minutes · 8 lines · 7 points · track*
#
# Given: `_find_place(module, name, tensor)` follows a path and returns `(owner, key)`, the object in which the
# parameter stands and under what; if something is wrong with the name or the parameter, it raises.
# `_put(owner, key, value)` puts another object there.
#
# 1. For each pair of `module.named_parameters()`: a parameter which is a Variable already stays. For the others find
#    the place.
# 2. Two names may lead to the **same** Tensor (shared weights). It must become one Variable, used in both places, or
#    the gradients would go separate ways.
# 3. Put the Variables in place only when all places were found: if one is refused, the module stays as it was.
# 4. Return the module.
#
# <details><summary>Hint 1</summary>
#
# Collect triples `(owner, key, variable)` in a list first.
# </details>
# <details><summary>Hint 2</summary>
#
# A dictionary from Tensors to their Variables finds a Tensor met before (as a key it counts by which object it is,
# not by its numbers); `setdefault` looks up and, where there is nothing yet, stores.
# </details>

# %% nbgrader={"grade": false, "grade_id": "track", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def track(module):
    """Make a module of Tensors learn: put a Variable, sharing its array, in place of each of its parameters.

    Args:
        module: an object with `named_parameters()`, which yields pairs of a dotted path and the parameter
            that stands there. The path consists of attributes, positions in lists and keys of dictionaries:
            `"layers.0.weight"`. A parameter that is shared must be yielded under each of its names.

    Returns:
        The module itself. A Tensor with two names has become one Variable; Variables stayed as they were.

    Raises:
        TypeError: no `named_parameters()`, or a parameter that is no Tensor of floating numbers, or stands in
            a tuple.
        ValueError: a path that does not lead to its parameter. The module is unchanged after either error.

    Example:
        >>> class Scale:
        ...     def __init__(self):
        ...         self.factor = Tensor([2.0])
        ...     def __call__(self, x):
        ...         return x * self.factor
        ...     def named_parameters(self):
        ...         yield "factor", self.factor
        >>> track(Scale())(Tensor([3.0]))
        Variable([6.], grad_fn=<grad_fn multiply>)
    """
    if not hasattr(module, "named_parameters"):
        raise TypeError("track() needs a module with a method named_parameters(), which "
                        f"{type(module).__name__} has not")
    ### BEGIN SOLUTION
    variables: dict[Tensor, Variable] = {}
    places = []
    for name, tensor in module.named_parameters():
        if not isinstance(tensor, Variable):
            owner, key = _find_place(module, name, tensor)
            places.append((owner, key, variables.setdefault(tensor, Variable(tensor))))
    for owner, key, variable in places:
        _put(owner, key, variable)
    return module
    ### END SOLUTION


def _find_place(module, name: str, tensor) -> tuple:
    """The object in which parameter `name` stands, and its attribute name, position or key there."""
    if not isinstance(tensor, Tensor) or tensor.dtype.kind != "f":
        kind = f"a Tensor of {tensor.dtype}" if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"parameter {name!r} must be a Tensor of floating numbers, not {kind}")
    owner, found, key = None, module, None
    for part in name.split("."):
        owner = found
        try:
            key, found = _step(owner, part)
        except (AttributeError, LookupError, ValueError):
            kind = type(owner).__name__
            message = f"parameter {name!r}: no {part!r} in a {kind}; a name is a dotted path"
            raise ValueError(message) from None
    if found is not tensor:
        raise ValueError(f"parameter {name!r}: that path leads to another object ({type(found).__name__})")
    if isinstance(owner, tuple):
        raise TypeError(f"parameter {name!r} stands in a tuple, which cannot be changed: use a list")
    return owner, key


def _step(owner, part: str) -> tuple:
    if isinstance(owner, dict):
        key = {str(key): key for key in owner}[part]
        return key, owner[key]
    if isinstance(owner, (list, tuple)):
        return int(part), owner[int(part)]
    return part, getattr(owner, part)


def _put(owner, key, value) -> None:
    if isinstance(owner, (dict, list)):
        owner[key] = value
    else:
        setattr(owner, key, value)


# %% nbgrader={"grade": true, "grade_id": "test-track", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_track():
    class Holder:
        """A module with parameters in attributes, lists and dictionaries."""

        def __init__(self, parameters, **attributes):
            self.parameters = parameters
            self.__dict__.update(attributes)

        def named_parameters(self):
            return self.parameters

    network = ToyNetwork(2, 3, 1, seed=0)
    tensors = dict(network.named_parameters())
    expect_equal("what track() returns", track(network) is network, True, "return the module")
    for name, variable in network.named_parameters():
        expect_equal(f"type of {name}", type(variable), Variable, "put the Variable where the Tensor was")
        expect_equal(f"array of {name} shared", variable.data.data is tensors[name].data, True,
                     "Variable(tensor) shares; a copy would not")
        expect_equal(f"{name}.requires_grad", variable.requires_grad, True)
    weight = network.layers[0].weight
    track(network)
    expect_equal("tracking twice keeps the Variables", network.layers[0].weight is weight, True,
                 "a Variable stays as it is")

    shared, other = Tensor([1.0, 2.0]), Tensor([3.0])
    holder = Holder([("blocks.1.scale", shared), ("table.key", other), ("alias", shared)],
                    blocks=[None, {"scale": shared}], table={"key": other}, alias=shared)
    track(holder)
    expect_equal("a Tensor with two names", holder.alias is holder.blocks[1]["scale"], True,
                 "one Variable for one Tensor, in both places")
    expect_equal("two different Tensors", holder.table["key"] is holder.alias, False)
    expect_close("the parameter in the dictionary", holder.table["key"], [3.0])

    good = Tensor([1.0])
    holder = Holder([("good", good), ("missing", Tensor([2.0]))], good=good)
    expect_raises("a name that leads nowhere", ValueError, lambda: track(holder), "missing")
    expect_equal("the other parameter after that error", holder.good is good, True,
                 "find all places before changing the first")


test_track()

# %% [markdown]
# Before and after, the network computes the same numbers. After, it can say what each of its parameters contributed.

# %% tags=["demo", "raises-exception"]
inputs = np.linspace(-3, 3, 64, dtype=np.float32).reshape(-1, 1)
targets = np.sin(inputs)

network = ToyNetwork(1, 16, 1, seed=5)
before = network(Tensor(inputs))
track(network)
after = network(Tensor(inputs))
print("before:", type(before).__name__, before.tolist()[0], " after:", type(after).__name__,
      after.tolist()[0])
print("the same numbers:", np.array_equal(before.data, after.data.data))
untrained = after.data.data.copy()

losses = []
for step in range(2000):
    error = network(Tensor(inputs)) - targets
    loss = (error * error).mean()
    for _, parameter in network.named_parameters():
        parameter.zero_grad()
    loss.backward()
    for _, parameter in network.named_parameters():
        parameter.data.data -= 0.03 * parameter.grad.data.data
    losses.append(loss.item())

figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.3))
left.semilogy(losses, color=plotting.BLUE)
left.set(xlabel="step", ylabel="mean squared error")
right.plot(inputs, targets, color=plotting.GRAY, linewidth=4, alpha=0.5, label="sin x")
right.plot(inputs, untrained, "--", color=plotting.ORANGE, label="before training")
with no_grad():
    right.plot(inputs, network(Tensor(inputs)).data.data, color=plotting.BLUE, label="after 2,000 steps")
right.set(xlabel="x", ylabel="output")
right.legend()
plotting.show(figure,
              alt="Left, the mean squared error of the toy network falls over 2000 steps of gradient "
                  "descent. Right, its output follows "
              "the sine curve after training; before, it was a gently bent line.")
print(f"mean squared error {losses[0]:.3f} at the start, {losses[-1]:.5f} at the end")

# %% [markdown]
# The first few steps find the height of the curve, which cuts the error to a tenth; bending the line into a wave takes
# all the others. How to get through such a plateau faster is a question for the optimizers of module 08.
#
# Not a line of the toy network was changed, and none of modules 02 to 05 will have to be.
#
# ## 14. What does a gradient cost?
#
# **Predict first.** Measuring takes two evaluations for each parameter. What does `backward()` take, as a multiple of
# one evaluation, for 100 parameters, and for 10,000?

# %% tags=["demo", "raises-exception"]
def seconds(*functions, repeat=25):
    """The best time of each function; they take turns, so that a busy machine slows all of them."""
    best = [np.inf] * len(functions)
    for _ in range(repeat):
        for i, function in enumerate(functions):
            started = time.perf_counter()
            function()
            best[i] = np.minimum(best[i], time.perf_counter() - started)
    return best


generator = np.random.default_rng(0)
batch = Tensor(generator.standard_normal((64, 32)))
counts, costs = [], []
for width in (1, 4, 16, 64, 256, 1024):
    weight = Variable(generator.standard_normal((32, width)))

    @no_grad()
    def forward():
        return softplus(batch @ weight).mean()

    def forward_and_backward():
        weight.zero_grad()
        softplus(batch @ weight).mean().backward()

    evaluation, gradient = seconds(forward, forward_and_backward)
    counts.append(weight.size)
    costs.append(gradient / evaluation)
counts, costs = np.array(counts), np.array(costs)

figure, axes = plt.subplots(figsize=(6.4, 3.5))
axes.loglog(counts, 2 * counts, "--", color=plotting.VERMILLION, label="measuring: 2 evaluations a parameter")
axes.loglog(counts, costs, "o-", color=plotting.BLUE, label="forward and backward, timed")
axes.set(xlabel="number of parameters", ylabel="cost, in evaluations")
axes.legend()
plotting.show(figure,
              alt="Cost of a gradient in units of one evaluation against the number of parameters. "
                  "Measuring rises as a straight line to "
              "65,000; forward and backward together stay between 1 and 4 for all sizes.")
print("forward and backward, in evaluations:", np.round(costs, 1))

# %% [markdown]
# All the derivatives together cost a small multiple of the function itself, **however many there are** (Baur and
# Strassen 1983; Griewank and Walther 2008 call it the cheap gradient principle). The price is memory: every
# intermediate result has to be kept until the walk has passed it.
#
# That is why the direction matters. Going forward through the graph with derivatives would take one pass for each
# *input*; going backward takes one for each *output*, and a loss is a single number.
#
# ## Reflect
#
# Try to answer before you unfold.
#
# <details><summary>1. The rule of <code>sqrt</code> uses <code>output</code>, that of <code>log</code> uses <code>x</code>. Could each use the other?</summary>
#
# $x$ can be had from the output of either ($x = y^2$, $x = e^y$), so yes. Usually the output is kept anyway, since
# the next operation needs it as its input.
# </details>
# <details><summary>2. <code>relu(x) = maximum(x, 0.0)</code>. What is its gradient at exactly 0 with our convention? PyTorch's <code>relu</code> has 0 there, its <code>maximum</code> ½. Does it matter?</summary>
#
# ½. Exact ties are rare in floating numbers, except where a bias of 0 meets an input of 0; any value between 0 and
# 1 is a valid subgradient.
# </details>
# <details><summary>3. Between forward and backward, somebody changes <code>w.data.data</code> in place. Which of <code>w * w</code>, <code>exp(w)</code> and <code>w + 1</code> get a wrong gradient?</summary>
#
# `w * w` reads the array of `w` in backward and is wrong; `exp` reads its own output and `+` reads nothing, both
# are right. PyTorch counts versions of every array and refuses; we only document it.
# </details>
# <details><summary>4. Why does a leaf's <code>grad</code> require no gradient itself? What would have to change so that second derivatives can be had?</summary>
#
# The rules compute with arrays, so nothing is recorded in them. Written with the operations themselves, on
# Variables, backward would record a graph of its own, and one could differentiate that.
# </details>
# <details><summary>5. Somebody adds <code>retain_grad()</code> to every Variable, to be safe. What does it cost?</summary>
#
# Every intermediate gradient stays in memory as long as its Variable lives; normally each is freed as soon as the
# walk has passed.
# </details>
#
# ## What you built
#
# | equation | where | executed in section |
# | --- | --- | --- |
# | $f'(x) \approx (f(x+\varepsilon) - f(x-\varepsilon)) / 2\varepsilon$ | `numerical_gradient` | 1 |
# | $\partial L/\partial\text{input} = \partial L/\partial\text{output} \cdot \partial\text{output}/\partial\text{input}$, summed over all uses | `input_gradients`, `backpropagate` | 2, 9 |
# | $\partial a^b/\partial a = b\,a^{b-1}$, $\;\partial a^b/\partial b = a^b \ln a$ | `power_backward` | 3 |
# | what broadcasting repeated is summed, what a reduction summed is repeated | `unbroadcast`, `sum_backward` | 4, 6 |
# | $\partial L/\partial A = G B^\mathsf{T}$, $\;\partial L/\partial B = A^\mathsf{T} G$ | `matmul_backward` | 5 |
# | $L = \sum_i r_i y_i$, to check an output of any shape | `check_gradients` | 12 |
#
# Export your notebook, in a terminal: `tinytorch export --notebook autograd_dev.ipynb`. From then on:
#
# ```python
# from tinytorch.core.autograd import Variable, add, multiply, no_grad, check_gradients, track
# ```
#
# | here | PyTorch |
# | --- | --- |
# | `Variable(data)` | `torch.tensor(data, requires_grad=True)` |
# | `variable.data.data` | `tensor.detach().numpy()` |
# | `variable.zero_grad()` | `tensor.grad = None` |
# | `@operation.define_backward` | `torch.autograd.Function` |
# | `check_gradients(f, x)` | `torch.autograd.gradcheck(f, x)` |
# | the graph is kept; `backward()` twice accumulates | the graph is freed, unless `retain_graph=True` |
#
# **Next:** a gradient says in which direction to go. How far, and how to go through a narrow valley without bouncing
# off its walls, is the subject of module 08, the optimizers.
#
# *Sources.* W. Baur, V. Strassen, *The complexity of partial derivatives*, Theoretical Computer Science 22, 1983.
# S. Linnainmaa, *The representation of the cumulative rounding error of an algorithm as a Taylor expansion
# of the local rounding errors*, 1970 (reverse mode). D. Rumelhart, G. Hinton, R. Williams, *Learning representations
# by back-propagating errors*, Nature 323, 1986. A. Griewank, A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM
# 2008. A. Baydin, B. Pearlmutter, A. Radul, J. Siskind, *Automatic differentiation in machine learning: a survey*,
# JMLR 18, 2018.
