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
# # 10 · Adaptive optimizers
#
# > Adaptive optimizers: averages that follow a moving target, the rules around Adam, weight decay and schedules.
#
# | | |
# |---|---|
# | **You build** | moving averages, complete momentum, RMSprop, AdaGrad, NAdam, AMSGrad, RAdam, AdamW, weight decay as a part of its own, five schedules, a way to chain them, and a learning-rate finder; then you compare them all, fairly |
# | **You need** | module 08 (`Optimizer`, `SGD`, `Adam`, `Schedule`), and through it modules 01 and 07 |
# | **Time** | 10 to 12 hours, in sittings that follow the numbered sections |
# | **Exercises** | 18, worth 138 points: 16 of code, and two questions that a person marks |
# | **Exported to** | `tinytorch/core/adaptive_optimizers.py` |

# %%
#| default_exp core.adaptive_optimizers

# %% nbgrader={"grade": false, "grade_id": "adaptive-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
from __future__ import annotations

import bisect
import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinytorch.core.autograd import Variable
from tinytorch.core.optimizers import SGD, Adam, Optimizer, Schedule, check_count, check_number

# %% [markdown]
# The next cell holds what the figures and checks of this chapter share, most of it as in module 08. None of it is
# exported.

# %% nbgrader={"grade": false, "grade_id": "adaptive-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt
from IPython.display import Markdown, display

from tinytorch.core.tensor import Tensor
from tinytorch.lesson import plotting
from tinytorch.lesson.checks import expect_close, expect_equal, expect_raises

plotting.use_style()


def leaf(values, gradient=None, dtype=np.float64) -> Variable:
    """A parameter with values of its own and, if given, a gradient."""
    variable = Variable(np.array(values, dtype))
    if gradient is not None:
        give([variable], [gradient])
    return variable


def give(parameters, gradients) -> None:
    """Set the gradient of each parameter; None means that it has none."""
    for parameter, gradient in zip(parameters, gradients):
        dtype = parameter.data.data.dtype
        array = None if gradient is None else np.array(gradient, dtype)
        parameter.grad = None if array is None else Variable(array, requires_grad=False)


def run(optimizer, gradients) -> np.ndarray:
    """The first parameter of an optimizer after each step, one row a step; every step gets the next gradient."""
    parameter = optimizer.parameters[0]
    path = []
    for gradient in gradients:
        give([parameter], [gradient])
        optimizer.step()
        path.append(parameter.data.data.copy())
    return np.array(path)


def label_axes(axes, x="x", y="y", title="") -> None:
    axes.set(xlabel=x, ylabel=y, title=title)

# %% [markdown]
# ## 1. Averages that follow a moving target
#
# **The problem.** The gradient of a few examples is the gradient of all of them plus noise: one look at it
# tells you little. Average many and the noise cancels. But the parameters move while you average, so the
# gradient you are after moves too, and the old ones say where it *was*. Momentum, RMSprop and Adam all live
# off one answer to this conflict, an average that forgets. Before it goes into an optimizer, look at it on
# its own.
#
# Two signals serve as test cases:
#
# - a **noisy cosine**: 100 points on $[-3, 3]$, with noise drawn uniformly between $-0.25$ and $0.25$ (a band
#   of width 0.5) added to each. Its target moves;
# - a **cloud**: 200 points on $[-4, 4]$, drawn from a normal distribution with mean 0.3 and standard
#   deviation
#   1. Its target stands still, deep in the noise.
#
# The next cell makes them; what the figures and tests of this section share stands there too.

# %% nbgrader={"grade": false, "grade_id": "averages-data", "locked": true, "schema_version": 3, "solution": false, "task": false}
import weakref

cosine_x = np.linspace(-3, 3, 100)
cosine_target = np.cos(cosine_x)
noisy_cosine = cosine_target + np.random.default_rng(1).uniform(-0.25, 0.25, size=100)

cloud_x = np.linspace(-4, 4, 200)
cloud_target = np.full(200, 0.3)
cloud = np.random.default_rng(32).normal(0.3, 1.0, size=200)


def draw_signal(axes, x, values, target) -> None:
    """A signal as gray dots, what it was before the noise as a dashed line."""
    axes.plot(x, values, "o", color=plotting.GRAY, markersize=2.5, alpha=0.55, markeredgewidth=0)
    axes.plot(x, target, "--", color=plotting.BLACK, linewidth=1.1)


def compare_averages(x, values, target, alt, zoom=None):
    """Plain and debiased averages of a signal for four betas; `zoom` is the range of y in the lower row."""
    figure, panels = plt.subplots(2, 2, figsize=(8.2, 4.8), sharex=True, sharey="row")
    for axes, beta in zip(panels.flat, (0.01, 0.5, 0.9, 0.99)):
        draw_signal(axes, x, values, target)
        axes.plot(x, ewma(values, beta), "--", color=plotting.VERMILLION, linewidth=1.4, label="from 0")
        axes.plot(x, ewma(values, beta, debias=True), color=plotting.BLUE, linewidth=1.6, label="debiased")
        label_axes(axes, "", "", f"β = {beta}")
    for axes in panels[1]:
        axes.set_xlabel("x")
        axes.set_ylim(zoom)
    for axes in panels[:, 0]:
        axes.set_ylabel("value")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    plotting.show(figure, alt)


def watched(values, seen):
    """The values one by one; each is noted in the list `seen` when it is read."""
    for value in values:
        seen.append(value)
        yield value


def still_held(averages, count=6) -> int:
    """How many of `count` arrays are still in memory after `averages` has read them one by one."""
    references = []

    def source():
        for i in range(count):
            array = np.full(3, float(i))
            references.append(weakref.ref(array))
            yield array

    stream = averages(source())
    for _ in range(count):
        next(stream)
    return len([reference for reference in references if reference() is not None])

# %% tags=["demo", "raises-exception"]
figure, panels = plt.subplots(1, 2, figsize=(8.2, 3.0))
draw_signal(panels[0], cosine_x, noisy_cosine, cosine_target)
draw_signal(panels[1], cloud_x, cloud, cloud_target)
label_axes(panels[0], "x", "value", "a moving target: noisy cosine")
label_axes(panels[1], "x", "", "a target that stands still: cloud around 0.3")
plotting.show(
    figure,
    "Two test signals as gray dots. Left, a cosine hump with a narrow band of noise around it; right, a "
    "cloud of points spread from about -2 to 3 around a flat dashed line at 0.3.",
)

# %% [markdown]
# Read both from left to right: $x$ is time, one value arrives after another, and an average may use only what
# has arrived.
#
# ### All values so far
#
# The plainest average is the **running mean**, of everything seen. You need not keep the values for it. With
# $m$ the mean of the first $i - 1$ values, the $i$-th value $x$ changes it to
#
# $$m \leftarrow m + \frac{x - m}{i}, \qquad i = 1, 2, 3, \ldots$$
#
# (Welford, 1962): go a part $1/i$ of the way from the old mean to the new value. The first value takes all of
# the way, the hundredth moves the mean by a hundredth.
#
# **By hand**, for the values 4, 2, 9, 5: $0 + (4 - 0)/1 = 4$, then $4 + (2 - 4)/2 = 3$, then $3 + (9 - 3)/3 =
# 5$, then $5 + (5 - 5)/4 = 5$. And indeed $(4 + 2 + 9 + 5)/4 = 5$.
#
# ### One value at a time
#
# An average that needs only its last value should not ask for all values at once: gradients arrive one a
# step, and there may be millions. Python has a form for this, the **generator function**. It has `yield`
# where another function has `return`: it hands out a value, waits there with all its variables, and goes on
# from the same place when it is asked for the next one. This one hands out the largest value so far:

# %% tags=["demo", "raises-exception"]
def running_largest(values):
    largest = -math.inf
    for value in values:
        largest = max(largest, value)
        yield largest


print(list(running_largest([3, 1, 4, 1, 5])))

stream = running_largest(iter([3, 1, 4, 1, 5]))
print(next(stream), next(stream), next(stream), "… and two values have not been read yet")

# %% [markdown]
# Calling a generator function runs *nothing*, not even the checks of its arguments, until the first value is
# asked for; a wrong argument would go unnoticed for a while. So each of our two averages is an ordinary
# function, which checks at once, around a small generator function `stream`, which averages. The helper below
# joins them: an iterator gives an iterator, and whole arrays go through the same `stream` along their first
# axis. It and the checks beside it are given.

# %%
#| exporti
def averages_of(values, stream: Callable[[Iterator], Iterator]) -> np.ndarray | Iterator:
    """What the generator function `stream` makes of an iterator, or of an array along its first axis."""
    if isinstance(values, Iterator):
        return stream(values)
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or array.ndim == 0:
        kind = f"{type(values).__name__} of {array.dtype} with shape {array.shape}"
        raise TypeError(f"values must be a list or array of numbers, or an iterator; got {kind}")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    return np.array(list(stream(iter(array))), dtype=array.dtype).reshape(array.shape)


def check_memory(name: str, value) -> float:
    """The memory of a moving average as a float; TypeError if not a number, ValueError outside [0, 1)."""
    value = check_number(name, value)
    if not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value}")
    return value


def check_flag(name: str, value) -> bool:
    """`value` as a plain bool; TypeError if it is something else."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)

# %% [markdown]
# ### Exercise: the running mean
#
# *easy · about 15 minutes · about 4 lines · 5 points · moving-average*
#
# Write the generator `stream` inside `moving_average`.
#
# 1. Go through `values`, which may be numbers or arrays, and count them from 1.
# 2. For each, compute the new mean and `yield` it. Keep nothing but the mean and the count, and change
#    nothing that you were given: an array that arrives belongs to somebody else, and so does the mean that
#    you have handed out.
#
# <details><summary>Hint 1: counting from 1</summary>
#
# `enumerate(values)` counts 0, 1, 2, …; it takes a second argument, `start`.
# </details>
# <details><summary>Hint 2: numbers and arrays alike</summary>
#
# Begin with the plain number 0: Python adds a number and an array element by element. After that use `a = a +
# b`, which makes a new array, and not `a += b`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "moving-average", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def moving_average(values) -> np.ndarray | Iterator:
    """The mean of all values so far, after each of them: m ← m + (x − m) / i for the i-th value x.

    Args:
        values: a list or array of numbers, whose first axis is the time; or an iterator of numbers or of
            arrays of one shape, which is read one value at a time and in constant memory.

    Returns:
        An array of the shape of `values` (floating data types are kept, integers become float64); for an
        iterator, an iterator.

    Raises:
        TypeError: `values` are not numbers.

    Example:
        >>> moving_average([4, 2, 9, 5]).tolist()
        [4.0, 3.0, 5.0, 5.0]
        >>> means = moving_average(iter([4, 2, 9, 5]))
        >>> next(means), next(means)
        (4.0, 3.0)

    Source: B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962.
    """

    def stream(values: Iterator) -> Iterator:
        ### BEGIN SOLUTION
        mean = 0.0
        for i, value in enumerate(values, start=1):
            mean = mean + (value - mean) / i
            yield mean
        ### END SOLUTION

    return averages_of(values, stream)

# %% nbgrader={"grade": true, "grade_id": "test-moving-average", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_moving_average():
    expect_close("the running mean of 4, 2, 9, 5", moving_average([4, 2, 9, 5]), [4.0, 3.0, 5.0, 5.0],
                 "go (value - mean) / i of the way, where i counts from 1")
    expect_close("the running mean of -3, 1, -10", moving_average([-3.0, 1.0, -10.0]), [-3.0, -1.0, -4.0])
    expect_equal("data type of the means of integers", moving_average([1, 2]).dtype, np.dtype(np.float64))

    table = np.array([[2.0, -1.0], [4.0, 3.0], [-3.0, 7.0]], np.float32)
    means = moving_average(table)
    expect_close("the running means of three rows", means, [[2, -1], [3, 1], [1, 3]],
                 "every column has a mean of its own, down the rows")
    expect_equal("data type of the means of float32", means.dtype, np.dtype(np.float32))
    expect_close("the rows that were passed in", table, [[2, -1], [4, 3], [-3, 7]],
                 "make a new mean: `+=` on an array changes it for everybody")
    streamed = list(moving_average(iter(table)))
    expect_close("the means of an iterator of rows, looked at when all have been handed out", np.array(streamed),
                 [[2, -1], [3, 1], [1, 3]], "yield a new array each time, not one that changes later")

    seen = []
    stream = moving_average(watched([6.0, 0.0, 3.0, 7.0], seen))
    expect_equal("whether an iterator gives an iterator", isinstance(stream, Iterator), True, "yield each mean")
    expect_equal("values read before a mean is asked for", len(seen), 0)
    for i, expected in enumerate((6.0, 3.0, 3.0, 4.0), start=1):
        expect_close(f"mean {i} of the iterator 6, 0, 3, 7", next(stream), expected)
        expect_equal(f"values read when mean {i} arrives", len(seen), i, "read one value, yield one mean")
    expect_equal("whether the means end with the values", next(stream, "end"), "end")
    expect_equal("whether more than 2 of 6 arrays are kept in memory", still_held(moving_average) > 2, False,
                 "remember the mean and the count, not the values")
    expect_equal("number of means of no values", len(moving_average([])), 0)


test_moving_average()

# %% [markdown]
# **Predict first.** On the cloud the running mean should do well: how close to 0.3 is it after 200 values? (A
# hint: the mean of $n$ values with standard deviation 1 scatters with standard deviation $1/\sqrt n$.) And on
# the cosine: where is the running mean when the cosine is at its top, $x = 0$?

# %% tags=["demo", "raises-exception"]
figure, panels = plt.subplots(1, 2, figsize=(8.2, 3.0))
for axes, x, values, target in (
    (panels[0], cosine_x, noisy_cosine, cosine_target),
    (panels[1], cloud_x, cloud, cloud_target),
):
    draw_signal(axes, x, values, target)
    axes.plot(x, moving_average(values), color=plotting.BLUE)
label_axes(panels[0], "x", "value", "running mean of the cosine")
label_axes(panels[1], "x", "", "running mean of the cloud")
plotting.show(
    figure,
    "The running mean as a blue line. On the cosine it stays far below the hump: it has only just reached "
    "zero where the cosine is at its top, and goes on rising while the cosine falls. On the cloud it jumps "
    "at first, then settles on the dashed line.",
)
print(f"cosine: the running mean is {moving_average(noisy_cosine)[49]:.2f} at the top, where the target is 1")
print(f"cloud: it ends at {moving_average(cloud)[-1]:.2f}; expected 0.3, give or take 1/√200 = {200**-0.5:.2f}")

# %% [markdown]
# The running mean weighs the value of a hundred steps ago like the newest. For a target that stands still
# nothing is better. For one that moves it is hopeless, and it gets worse with time: its weight for new
# values, $1/i$, goes to zero.
#
# ### An average that forgets
#
# So do not let that weight go to zero. Keep it at a constant $1 - \beta$:
#
# $$a \leftarrow \beta\, a + (1 - \beta)\, x, \qquad a = 0 \text{ at the start}$$
#
# This is the **exponentially weighted moving average**, EWMA for short (Roberts, 1959). $\beta$ (beta), in
# $[0, 1)$, is its memory: at $\beta = 0$ the average is the newest value, near 1 it hardly moves. Each value
# enters with weight $1 - \beta$, and every later step multiplies that weight by $\beta$. So a value that is
# $k$ steps old counts with $(1 - \beta)\,\beta^k$: exponentially less the older it is.
#
# **By hand**, for $\beta = 0.5$ and the values 4, 2, 9: $0.5 \cdot 0 + 0.5 \cdot 4 = 2$, then $0.5 \cdot 2 +
# 0.5 \cdot 2 = 2$, then $0.5 \cdot 2 + 0.5 \cdot 9 = 5.5$.
#
# ### The first values
#
# Something is odd there: the first value is 4, and its "average" is 2. The average began at 0, and that 0 is
# in it still, as if it were a value that had been seen for ever. Its weight after $i$ values is $\beta^i$;
# the values share what is left, $1 - \beta^i$. So divide by that:
#
# $$\hat a = \frac{a}{1 - \beta^i}, \qquad i = 1, 2, 3, \ldots$$
#
# This is the **debiased** average (Kingma and Ba, 2015, section 3; you met it in module 08 as
# `correct_bias`). The correction is only for the reader: $a$ itself goes on as it was.
#
# | $i$ | value | $a$ | $1 - 0.5^i$ | $\hat a$ |
# |---|---|---|---|---|
# | 1 | 4 | 2 | 0.5 | 4 |
# | 2 | 2 | 2 | 0.75 | 2.667 |
# | 3 | 9 | 5.5 | 0.875 | 6.286 |
#
# The first debiased average *is* the first value: $(1 - \beta)\,x / (1 - \beta^1) = x$, whatever $\beta$.
# With one observation there is nothing else to say.
#
# ### Exercise: the moving average
#
# *easy · about 20 minutes · about 5 lines · 8 points · ewma*
#
# Write the generator `stream` inside `ewma`. `beta` and `debias` have been checked; an inner function sees
# them.
#
# 1. Update the average with every value, one line for the equation.
# 2. `yield` the average, or, if `debias` is true, the debiased one. Again make new arrays, and keep nothing
#    but the average and the count.
#
# <details><summary>Hint 1: two different things</summary>
#
# The average that you carry on and the one that you hand out are not the same if `debias` is true. Which of
# them belongs on the left of the next update?
# </details>
# <details><summary>Hint 2: a conditional expression</summary>
#
# `yield this if condition else that` fits on one line.
# </details>

# %% nbgrader={"grade": false, "grade_id": "ewma", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def ewma(values, beta: float = 0.9, debias: bool = False) -> np.ndarray | Iterator:
    """The exponentially weighted moving average after each value x: a ← β·a + (1 − β)·x, from a = 0.

    Debiased it is a / (1 − βⁱ) after the i-th value, i = 1, 2, …: the average of the values so far with
    weights β^age, so that the first one is the first value.

    Args:
        values: a list or array of numbers, whose first axis is the time; or an iterator of numbers or of
            arrays of one shape, which is read one value at a time and in constant memory.
        beta: β in [0, 1), the memory; about 1 / (1 − β) values count.
        debias: whether to correct for the start at 0.

    Returns:
        An array of the shape of `values` (floating data types are kept, integers become float64); for an
        iterator, an iterator.

    Raises:
        TypeError: `values` are not numbers, beta is not a number, or debias is not a bool.
        ValueError: beta is outside [0, 1).

    Example:
        >>> ewma([4, 2, 9], beta=0.5).tolist()
        [2.0, 2.0, 5.5]
        >>> [round(average, 3) for average in ewma(iter([4, 2, 9]), beta=0.5, debias=True)]
        [4.0, 2.667, 6.286]

    Sources: S. W. Roberts, "Control chart tests based on geometric moving averages", 1959; D. P. Kingma and
    J. Ba, "Adam: A Method for Stochastic Optimization", 2015, section 3 (the correction).
    """
    beta, debias = check_memory("beta", beta), check_flag("debias", debias)

    def stream(values: Iterator) -> Iterator:
        ### BEGIN SOLUTION
        average = 0.0
        for i, value in enumerate(values, start=1):
            average = beta * average + (1 - beta) * value
            yield average / (1 - beta**i) if debias else average
        ### END SOLUTION

    return averages_of(values, stream)

# %% nbgrader={"grade": true, "grade_id": "test-ewma", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_ewma():
    expect_close("beta 0.5 on 4, 2, 9", ewma([4, 2, 9], beta=0.5), [2.0, 2.0, 5.5],
                 "beta * average + (1 - beta) * value, from 0")
    expect_close("beta 0.75 on 8, 0, -4", ewma([8.0, 0.0, -4.0], 0.75), [2.0, 1.5, 0.125],
                 "beta belongs to the old average, 1 - beta to the new value")
    expect_close("beta 0.9 (the default) on 10, -10, 0, 5", ewma([10.0, -10.0, 0.0, 5.0]),
                 [1.0, -0.1, -0.09, 0.419], "without debias nothing is divided")
    expect_close("beta 0 on 3, -7, 2", ewma([3.0, -7.0, 2.0], beta=0), [3.0, -7.0, 2.0], "no memory at all")

    table = np.array([[8.0, -4.0], [0.0, 4.0], [-4.0, 2.0]], np.float32)
    averages = ewma(table, beta=0.75)
    expect_close("beta 0.75 on three rows", averages, [[2, -1], [1.5, 0.25], [0.125, 0.6875]],
                 "every column has an average of its own, down the rows")
    expect_equal("data type of the averages of float32", averages.dtype, np.dtype(np.float32))
    expect_close("the rows that were passed in", table, [[8, -4], [0, 4], [-4, 2]], "make a new average")
    streamed = list(ewma(iter(table), beta=0.75))
    expect_close("the averages of an iterator of rows, looked at when all have been handed out", np.array(streamed),
                 [[2, -1], [1.5, 0.25], [0.125, 0.6875]], "yield a new array each time, not one that changes later")

    seen = []
    stream = ewma(watched([4.0, 2.0, 9.0], seen), beta=0.5)
    expect_equal("whether an iterator gives an iterator", isinstance(stream, Iterator), True, "yield each average")
    for i, expected in enumerate((2.0, 2.0, 5.5), start=1):
        expect_close(f"average {i} of the iterator 4, 2, 9", next(stream), expected)
        expect_equal(f"values read when average {i} arrives", len(seen), i, "read one value, yield one average")
    expect_equal("whether the averages end with the values", next(stream, "end"), "end")
    expect_equal("whether more than 2 of 6 arrays are kept in memory", still_held(ewma) > 2, False,
                 "remember the average and the count, not the values")


test_ewma()

# %% nbgrader={"grade": true, "grade_id": "test-ewma-debias", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_ewma_debias():
    expect_close("beta 0.5 on 4, 2, 9, debiased", ewma([4, 2, 9], beta=0.5, debias=True), [4.0, 8 / 3, 44 / 7],
                 "hand out average / (1 - beta**i), i from 1, and carry the average itself on")
    expect_close("beta 0.9 on 10, -10, 0, debiased", ewma([10.0, -10.0, 0.0], 0.9, debias=True),
                 [10.0, -0.1 / 0.19, -0.09 / 0.271], "the correction has the i-th power of beta")
    expect_close("beta 0 on 3, -7, 2, debiased", ewma([3.0, -7.0, 2.0], beta=0, debias=True), [3.0, -7.0, 2.0])
    expect_close("beta 0.99 on 5, 5, 5, 5, debiased", ewma([5.0] * 4, 0.99, debias=True), [5.0] * 4,
                 "the average of equal values is that value")

    table = np.array([[6.0, -2.0], [0.0, 4.0]])
    streamed = list(ewma(iter(table), beta=0.5, debias=True))
    expect_close("beta 0.5 on two rows, debiased", np.array(streamed), [[6, -2], [2, 2]])
    expect_close("the rows that were passed in", table, [[6, -2], [0, 4]], "make a new average")
    held = still_held(lambda values: ewma(values, 0.9, debias=True))
    expect_equal("whether more than 2 of 6 arrays are kept in memory", held > 2, False)


test_ewma_debias()

# %% [markdown]
# **Wrong arguments** are found at the call, even for an iterator that has not been read yet:

# %% tags=["demo", "raises-exception"]
for attempt in (
    lambda: ewma(iter([1.0, 2.0]), beta=1.0),
    lambda: ewma([1.0, 2.0], debias="yes"),
    lambda: ewma("a text"),
):
    try:
        attempt()
    except (TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}")

# %% [markdown]
# **Predict first.** The next figure shows the average of the noisy cosine for $\beta = 0.01$, 0.5, 0.9 and
# 0.99, not debiased. Which one follows the dashed line best? Which one is nothing but the noise, which one
# comes too late, and which does not move at all? Commit to four answers.

# %% tags=["demo", "raises-exception"]
betas = (0.01, 0.5, 0.9, 0.99)
figure, panels = plt.subplots(2, 2, figsize=(8.2, 4.8), sharex=True, sharey=True)
for axes, beta in zip(panels.flat, betas):
    averages = ewma(noisy_cosine, beta)
    draw_signal(axes, cosine_x, noisy_cosine, cosine_target)
    axes.plot(cosine_x, averages, color=plotting.VERMILLION)
    error = np.sqrt(np.mean((averages - cosine_target) ** 2))
    label_axes(axes, "", "", f"β = {beta}: off by {error:.2f} on average")
for axes in panels[1]:
    axes.set_xlabel("x")
for axes in panels[:, 0]:
    axes.set_ylabel("value")
plotting.show(
    figure,
    "The moving average of the noisy cosine for four memories. At beta 0.01 it repeats the noise, at 0.5 it "
    "follows the hump closely, at 0.9 the hump comes late and lower, at 0.99 the line stays near zero.",
)

# %% [markdown]
# ("Off by" is the root of the mean squared distance from the dashed line.) $\beta = 0.5$ fits best here. At
# 0.9, the value that everybody uses in optimizers, the average is smooth and *late*: it describes where the
# signal was some ten values ago. Memory always costs lag. And look at the left ends at 0.9 and 0.99: the
# signal begins at $-1$, the average at 0, where it was born. That part is not lag but bias, and dividing by
# $1 - \beta^i$ takes it away.

# %% tags=["demo", "raises-exception"]
compare_averages(
    cosine_x, noisy_cosine, cosine_target,
    "Plain and debiased averages of the noisy cosine. At beta 0.01 and 0.5 the two lines agree after a few "
    "points. At 0.9 the debiased line begins at the first value, near -1, and joins the plain one after "
    "about thirty points. At 0.99 the debiased line is a smooth curve, late and far below the hump, and the "
    "plain one stays near zero.",
)

# %% [markdown]
# Debiasing repairs the start and nothing else: at 0.99 the average now begins where the signal begins, and it
# is still hopelessly late. Now the cloud, whose target stands still.
#
# **Predict first.** Which $\beta$ is best for the cloud? Does the answer change with debiasing? (The lower
# row shows a smaller range of values, so that you can see the difference; most dots lie outside.)

# %% tags=["demo", "raises-exception"]
compare_averages(
    cloud_x, cloud, cloud_target,
    "Plain and debiased averages of the cloud around 0.3. At beta 0.01 and 0.5 both lines jump about like "
    "the points. At 0.9 they wobble around the dashed line. At 0.99 the debiased line is the calmest and is "
    "near the dashed line early on, while the plain one needs more than a hundred points to climb there from "
    "zero.",
    zoom=(-0.8, 1.4),
)

# %% [markdown]
# Here more memory is better, without end: nothing moves, so there is no lag to pay for. But the plain average
# with $\beta = 0.99$ needs a hundred values to climb away from 0; only the debiased one can be trusted early.
# That is why Adam, whose second moment has $\beta_2 = 0.999$, cannot do without the correction.
#
# ### Dividing by nothing
#
# The count starts at 1. Start it at 0, as `enumerate` does if nobody tells it otherwise, and the first
# denominator is $1 - \beta^0 = 0$. This mistake has been published; see what becomes of it:

# %% tags=["demo", "raises-exception"]
def off_by_one(values, beta):
    """The debiased average with the published mistake: i counts from 0."""
    average, result = 0.0, []
    for i, value in enumerate(values):
        average = beta * average + (1 - beta) * value
        result.append(average / (1 - beta**i))
    return result


try:
    off_by_one([4.0, 2.0, 9.0], beta=0.5)
except ZeroDivisionError as error:
    print(f"Python numbers 4, 2, 9:  ZeroDivisionError: {error}")

with np.errstate(divide="ignore", invalid="ignore"):
    wrong = np.array(off_by_one(np.array([[4.0, 0.0], [2.0, 2.0], [9.0, 9.0]]), beta=0.5))
right = ewma([[4, 0], [2, 2], [9, 9]], 0.5, debias=True)
for column, name in enumerate(("4, 2, 9", "0, 2, 9")):
    print(f"NumPy array {name}:  counted from 0 {wrong[:, column].round(3)}, right {right[:, column].round(3)}")

# %% [markdown]
# With Python numbers the program stops, which is the best that can happen. With arrays NumPy prints a warning
# once and goes on: the first average is $\pm\infty$, or `nan` where the value is exactly 0, and a parameter
# that takes one such step is lost for good. The averages after it are finite and still wrong, since $i - 1$
# stands in the exponent: at $\beta = 0.9$ the second is $(1 - 0.9^2)/(1 - 0.9) = 1.9$ times too large.

# %% [markdown]
# ### What the debiased average is
#
# Write the average out. After $i$ values, with the age $k$ of a value counted from the newest ($k = 0$):
#
# $$\hat a = \frac{(1 - \beta) \sum_k \beta^k x_{i-k}}{1 - \beta^i} = \frac{\sum_k \beta^k x_{i-k}}{\sum_k \beta^k}$$
#
# because $1 + \beta + \ldots + \beta^{i-1} = (1 - \beta^i)/(1 - \beta)$. So it is an ordinary **weighted
# average** of what has been seen, with weights $\beta^{\text{age}}$; in the example above, $(1 \cdot 4 + 2
# \cdot 2 + 4 \cdot 9)/7 = 6.286$.

# %% tags=["demo", "raises-exception"]
age = np.arange(100)[::-1]
for beta in (0.5, 0.9, 0.99):
    weighted = np.average(noisy_cosine, weights=beta**age)
    print(f"beta {beta}: debiased {ewma(noisy_cosine, beta, debias=True)[-1]:.12f}, "
          f"weighted average {weighted:.12f}")

age = np.arange(1, 401)
figure, axes = plt.subplots(figsize=(6.6, 3.3))
axes.axhline(math.exp(-1), color=plotting.GRAY, linewidth=0.8)
axes.text(395, math.exp(-1) + 0.02, "1/e", ha="right")
looks = ((0.5, plotting.GREEN, "-."), (0.9, plotting.BLUE, "-"), (0.99, plotting.VERMILLION, "--"))
for beta, color, style in looks:
    memory = 1 / (1 - beta)
    axes.semilogx(age, beta**age, style, color=color)
    axes.plot(memory, beta**memory, "o", color=color)
    axes.annotate(f"β = {beta}", (memory, beta**memory), (8, 3), textcoords="offset points", color=color)
axes.set_xticks([1, 2, 5, 10, 20, 50, 100, 200, 400], ["1", "2", "5", "10", "20", "50", "100", "200", "400"])
axes.minorticks_off()
axes.set(xlim=(1, 400), ylim=(0, 1.05))
label_axes(axes, "age of a value, in steps", "weight, relative to the newest")
plotting.show(
    figure,
    "Weight against age, on a logarithmic axis, for three memories. Each weight falls from 1 to 0; it is "
    "down to about a third at an age of 2 for beta 0.5, of 10 for 0.9 and of 100 for 0.99.",
)

# %% [markdown]
# The weights of all ages add up to $1/(1 - \beta)$ newest values: **2, 10, 100** for $\beta = 0.5$, 0.9,
# 0.99. This is the **effective memory**, and the one number to remember: an average with $\beta = 0.9$ looks
# back about ten steps, Adam's $\beta_2 = 0.999$ about a thousand. (A value of that age has a weight near
# $1/e$ or a little less, and older ones hardly count.)
#
# ### Lag against noise
#
# How much memory is right? Both costs have a formula. If the target moves at a steady speed, the average
# trails it by a fixed number of steps; and of noise with standard deviation $\sigma_x$ in the values,
# $\sigma_a$ is left in the average:
#
# $$\text{lag} = \frac{\beta}{1 - \beta} \text{ steps}, \qquad\qquad \sigma_a = \sqrt{\frac{1 - \beta}{1 + \beta}}\ \sigma_x$$
#
# (The lag is the mean age of a value, $\sum_k k\,(1 - \beta)\,\beta^k$. The second is the root of the sum of
# the squared weights, $(1 - \beta)^2 \sum_k \beta^{2k}$.) At $\beta = 0.9$: nine steps of lag for noise that
# is $0.23$ times as strong.
#
# **Predict first.** From one point to the next the cosine moves up to 0.06, and its noise has a standard
# deviation of $0.5/\sqrt{12} = 0.144$. Nine steps of lag are how far off, at worst? Where does the best
# $\beta$ lie: below 0.5, between 0.5 and 0.9, or above?
#
# An average is a sum, so that of (signal + noise) is that of the signal plus that of the noise: the two
# errors can be measured apart.

# %% tags=["demo", "raises-exception"]
memories = np.geomspace(1, 40, 60)
noise = np.random.default_rng(5).uniform(-0.25, 0.25, size=(100, 200))
late, noisy, total = [], [], []
for beta in 1 - 1 / memories:
    lag = ewma(cosine_target, beta, debias=True) - cosine_target
    jitter = ewma(noise, beta, debias=True)
    late.append(np.sqrt(np.mean(lag**2)))
    noisy.append(np.sqrt(np.mean(jitter**2)))
    total.append(np.sqrt(np.mean((lag[:, None] + jitter) ** 2)))
best = int(np.argmin(total))

figure, axes = plt.subplots(figsize=(6.6, 3.6))
axes.loglog(memories, late, "--", color=plotting.VERMILLION)
axes.loglog(memories, noisy, "-.", color=plotting.GREEN)
axes.loglog(memories, total, color=plotting.BLUE)
axes.plot(memories[best], total[best], "o", color=plotting.BLUE)
axes.annotate(f"best: β = {1 - 1 / memories[best]:.2f}", (memories[best], total[best]), (0, 12),
              textcoords="offset points", ha="center", color=plotting.BLUE)
axes.text(1.02, 0.165, "both together", color=plotting.BLUE)
axes.text(1.85, 0.028, "lag", color=plotting.VERMILLION)
axes.text(14, 0.045, "noise that is left", color=plotting.GREEN)
axes.set_xticks([1, 2, 5, 10, 20, 40], ["1", "2", "5", "10", "20", "40"])
axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1], ["0.02", "0.05", "0.1", "0.2", "0.5", "1"])
axes.minorticks_off()
axes.set_ylim(0.02, 1.2)
label_axes(axes, "effective memory 1 / (1 − β)", "error (root mean square)")
plotting.show(
    figure,
    "Error of the debiased average of the noisy cosine against its memory, on logarithmic axes. The part "
    "from noise falls as memory grows, the part from lag rises; together they have a flat minimum at a "
    "memory of about two values.",
)

# %% [markdown]
# Nine steps of 0.06 are 0.54, where the cosine is steepest: at $\beta = 0.9$ lag is the whole error. On this
# signal about two values are the best memory; twice the noise or half the speed would move the minimum to the
# right. That is all there is to choosing $\beta$: **long memory where the noise is large and the target slow,
# short memory where it is the other way round**. Training is often the first kind. Then 0.9 is a reasonable
# compromise for the gradient; for the squared gradient, which is noisier and whose size changes slowly,
# 0.999.
#
# You know these averages already: $\hat m$ and $\hat v$ of module 08's Adam are the debiased averages of the
# gradients and of their squares. Adam keeps $m$ and $v$ themselves, the averages from 0:

# %% tags=["demo", "raises-exception"]
gradients = np.random.default_rng(7).normal(size=(5, 3))
weights = leaf(np.zeros(3))
optimizer = Adam([weights], beta1=0.9, beta2=0.999)
run(optimizer, gradients)
print("Adam's first moment  ", optimizer.first_moment[weights])
print("ewma of the gradients", ewma(gradients, 0.9)[-1])
print("Adam's second moment ", optimizer.second_moment[weights])
print("ewma of their squares", ewma(gradients**2, 0.999)[-1])

# %% [markdown]
# ## 2. Momentum, complete
#
# **The problem.** Module 08 built one form of momentum, the heavy ball. In papers and libraries you will meet
# four more under the same name, with the same letter $\mu$, and a learning rate tuned for one of them can be
# ten times too large for the next. So put them side by side. All of them keep one buffer $b$ per parameter,
# zero at first, and follow one pattern:
#
# $$b \leftarrow \mu\, b + w\, g \qquad\qquad p \leftarrow p - \eta\, d$$
#
# | form | weight $w$ of the new gradient | direction $d$ | where |
# |---|---|---|---|
# | heavy ball | $1$ | $b$ | Polyak, 1964; PyTorch's default; module 08 |
# | dampened, with $\delta$ | $1$ at the first step, then $1 - \delta$ | $b$ | Torch 7, whose default was $\delta = \mu$; PyTorch's `dampening` |
# | Nesterov | $1$ | $g + \mu\, b$ | Nesterov, 1983, rearranged (below); PyTorch's `nesterov=True` |
# | average | $1 - \mu$ | $b$ | the moving average of section 1; Adam's first moment |
# | debiased average | $1 - \mu$ | $b / (1 - \mu^t)$ | Adam's $\hat m$ |
#
# Here $g$ is the gradient with weight decay in it, and $t$ counts the gradients that this buffer has taken
# in, from 1.
#
# **By hand.** $p = 1$, $\eta = 0.1$, $\mu = 0.9$, and the gradient is 1 three times:
#
# | | step 1 | step 2 | step 3 |
# |---|---|---|---|
# | plain descent | 0.9 | 0.8 | 0.7 |
# | heavy ball: $b = 1,\ 1.9,\ 2.71$ | 0.9 | 0.71 | 0.439 |
# | dampened, $\delta = 0.5$: $b = 1,\ 1.4,\ 1.76$ | 0.9 | 0.76 | 0.584 |
# | dampened, $\delta = 0.9$: $b = 1,\ 1,\ 1$ | 0.9 | 0.8 | 0.7 |
# | Nesterov: $d = 1.9,\ 2.71,\ 3.439$ | 0.81 | 0.539 | 0.1951 |
# | average: $b = 0.1,\ 0.19,\ 0.271$ | 0.99 | 0.971 | 0.9439 |
# | debiased: $0.1/0.1,\ 0.19/0.19,\ 0.271/0.271$ | 0.9 | 0.8 | 0.7 |
#
# While the gradient stays the same, two of these forms cannot be told from plain descent. What distinguishes
# them is what they make of gradients that *change*.
#
# ### What Nesterov's rule looks at
#
# The heavy ball asks for the gradient where it *is*, and then rolls on by $\mu v$ whatever the answer was.
# Nesterov's idea (1983), as Sutskever, Martens, Dahl and Hinton write it (2013, equations 3 and 4): you know
# already that the velocity will carry you on, so carry yourself on first and ask for the gradient *there*.
#
# $$v \leftarrow \mu\, v - \eta\, \nabla f(\theta + \mu\, v) \qquad\qquad \theta \leftarrow \theta + v$$
#
# If the velocity is about to take you up a wall, the gradient on the wall says so one step earlier.

# %% nbgrader={"grade": false, "grade_id": "momentum-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import inspect
import textwrap

from tinytorch.lesson.ideas import HeldBackSGD
from tinytorch.lesson.problems import RAVINE, LinearData
from tinytorch.lesson.tuning import minimize, ranking_table, tune

MU = 0.9
RULES = {  # name: (what makes the optimizer, its color, its line)
    "plain descent": (lambda p, rate: SGD(p, rate), plotting.BLACK, ":"),
    "heavy ball, rate η (1 − μ) (= average)": (
        lambda p, rate: MomentumSGD(p, rate * (1 - MU), MU), plotting.GREEN, "-"
    ),
    "dampened, δ = μ": (lambda p, rate: MomentumSGD(p, rate, MU, dampening=MU), plotting.VERMILLION, "-."),
    "debiased average": (
        lambda p, rate: MomentumSGD(p, rate, MU, average=True, debias=True), plotting.BLUE, "--"
    ),
}


def downhill(point) -> np.ndarray:
    """Minus the gradient of the ravine 0.1 x² + 2 y²."""
    return -np.array([0.2 * point[0], 4 * point[1]])


data = LinearData()
best_weights = np.linalg.lstsq(data.x, data.y, rcond=None)[0]


def batches_of(size):
    """A function (weights, draw) -> gradient on a random batch, another one for each column of weights."""

    def gradient_of(weights, draw):
        chosen = draw.integers(len(data.x), size=(weights.shape[1], size))
        x, y = data.x[chosen], data.y[chosen, 0]
        error = np.einsum("rbf,fr->rb", x, weights) - y
        return 2 / size * np.einsum("rbf,rb->fr", x, error)

    return gradient_of


def train(make, rate, gradient_of, steps, start=np.zeros((8, 10))) -> np.ndarray:
    """Trainings side by side, one in each column of `start`: their weights, an array (steps + 1, *start.shape).

    A rule works element by element, so the columns of one parameter are independent trainings. Their random
    numbers are the same whatever the optimizer.
    """
    weights, draw = leaf(start), np.random.default_rng(0)
    optimizer = make([weights], rate)
    path = [start]
    for _ in range(steps):
        give([weights], [gradient_of(weights.data.data, draw)])
        optimizer.step()
        path.append(weights.data.data.copy())
    return np.array(path)


def excess_loss(path) -> np.ndarray:
    """How far the loss over all examples lies above the lowest possible, for each step and run."""
    away = path - best_weights
    return np.sum(away * (data.x.T @ data.x / len(data.x) @ away), axis=-2)


def bowl_gradient(point, draw) -> np.ndarray:
    """The gradient of x²/2 + 2 y², with normal noise of standard deviation 2."""
    return np.array([[1.0], [4.0]]) * point + 2 * draw.normal(size=point.shape)


def bowl_height(path) -> np.ndarray:
    """The height of the bowl x²/2 + 2 y² for each step and run."""
    return path[:, 0] ** 2 / 2 + 2 * path[:, 1] ** 2


noisy_problems = {  # name: (what is measured, gradient, steps, start)
    "regression, batch 1": (excess_loss, batches_of(1), 400, np.zeros((8, 10))),
    "regression, batch 4": (excess_loss, batches_of(4), 200, np.zeros((8, 10))),
    "noisy bowl": (bowl_height, bowl_gradient, 200, np.tile([[-4.0], [2.5]], 10)),
}

# %% tags=["demo", "raises-exception"]
here, carried = np.array([-6.2, -0.75]), np.array([1.5, 1.5])
ahead = here + carried
heavy_ball, nesterov = ahead + 0.25 * downhill(here), ahead + 0.25 * downhill(ahead)

figure, axes = plt.subplots(figsize=(7.4, 4.0))
plotting.draw_surface(axes, RAVINE.height, (-7.4, -2.4), (-1.3, 1.9))
axes.axhline(0, color=plotting.BLACK, linewidth=0.8, linestyle=":")
for start, end, color, style in (
    (here, ahead, plotting.BLACK, "-"),
    (ahead, heavy_ball, plotting.VERMILLION, "--"),
    (ahead, nesterov, plotting.BLUE, "-"),
):
    arrow = {"arrowstyle": "-|>", "color": color, "linestyle": style, "linewidth": 1.8}
    axes.annotate("", end, start, arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0})
axes.plot(*here, "o", color=plotting.BLACK)
axes.plot(*ahead, "o", color=plotting.BLACK, markerfacecolor="white", zorder=3)
card = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
for x, y, side, text, color in (
    (here[0] - 0.1, here[1], "right", "θ: here", plotting.BLACK),
    (ahead[0] - 0.12, ahead[1] + 0.25, "right", "θ + μ v: where the\nvelocity carries you", plotting.BLACK),
    (heavy_ball[0] + 0.12, 1.5, "left", "heavy ball: the gradient\nof θ pushes it up the wall", plotting.VERMILLION),
    (nesterov[0] + 0.12, 0.35, "left", "Nesterov: the gradient\nthere pulls it back", plotting.BLUE),
    (-7.3, 0.13, "left", "floor of the valley", plotting.BLACK),
):
    axes.text(x, y, text, ha=side, va="center", color=color, bbox=card)
label_axes(axes, title="one step on the ravine")
plotting.show(
    figure,
    "One step across a valley. From a point below the floor the velocity carries to a point above it. From "
    "there the heavy ball adds the step of the old point and lands still higher on the wall; Nesterov's rule "
    "adds the step of the new point, which leads back down to the floor.",
)

# %% [markdown]
# **From there to PyTorch's line.** In that form the gradient is needed at a point where the parameters are
# *not*: every training loop would have to move them, call `backward()`, and move them back. Bengio,
# Boulanger-Lewandowski and Pascanu (2012, section 3.5) found the way out: keep the look-ahead point itself as
# the parameter, $p = \theta + \mu v$. Then $g = \nabla f(p)$ is the ordinary gradient. Write the velocity as
# $v = -\eta\, b$, and the first equation becomes $b \leftarrow \mu b + g$, the heavy ball's buffer. And the
# parameter moves, with $v$ and $\theta$ before and $v'$ and $\theta'$ after the step, by
#
# $$\begin{aligned}
# p' = \theta' + \mu v' = \theta + (1 + \mu)\, v' &= p - \mu v + (1 + \mu)(\mu v - \eta g)\\
# &= p - \eta\,\bigl(g + \mu\,(\mu b + g)\bigr) = p - \eta\,(g + \mu\, b')
# \end{aligned}$$
#
# That is the line $d = g + \mu b$ of the table, with the new buffer. Three things to be honest about:
#
# - The parameter that you read, save and evaluate is the look-ahead point, not $\theta$. They come together
#   as the velocity dies away.
# - The step from $v$ to $-\eta b$ needs a constant rate. When a schedule changes $\eta$, the two forms are
#   different rules: an old velocity keeps the old rate in it, a buffer does not.
# - Nesterov's own method lets $\mu$ grow towards 1 in a fixed sequence, and his proof of faster convergence
#   is for exact gradients of convex functions. With a constant $\mu$ and noisy gradients the rule is a good
#   habit, not a theorem.
#
# On a quadratic with curvature $\lambda$ the gain is plain to see: $\nabla f(\theta + \mu v) =
# \lambda\,(\theta+\mu v)$, so the velocity becomes $\mu (1 - \eta\lambda)\, v - \eta\lambda\,\theta$.
# Nesterov's rule is a heavy ball whose momentum is $\mu (1 - \eta \lambda)$: **smaller where the walls are
# steep**, unchanged along the floor. (Sutskever and others, section 2.1.)

# %% [markdown]
# ### Exercise: every form of momentum
#
# *medium · about 40 minutes · about 6 lines · 14 points · momentum-sgd*
#
# `MomentumSGD` extends the `SGD` of module 08. The loop, the groups and the slices come from there; the
# constructor and the checks are given, and so are the plain heavy ball and plain descent, which it hands up
# to `SGD`. What is left is the table at the head of this section, in `step_param`:
#
# 1. Choose the weight $w$ of the gradient: for `average`, for `dampening` (its first step!), otherwise 1.
# 2. Update the buffer `b`, in place.
# 3. Choose the direction $d$: for `nesterov`, for `debias`, otherwise the buffer.
# 4. Move the parameter, in place.
#
# `t` is given: how many gradients this buffer has taken in, the new one included. It is not quite the update
# count of the parameter. Momentum can be switched on in the middle of training, and a buffer that is made
# late starts its own count; `init_state`, which the base class calls whenever the buffer is missing,
# remembers when that was.
#
# <details><summary>Hint 1: one weight for all</summary>
#
# Without dampening $\delta$ is 0, and then $1 - \delta$ is the weight of the heavy ball and of Nesterov's
# rule. In arithmetic Python's `True` counts as 1 and `False` as 0.
# </details>
# <details><summary>Hint 2: old buffer or new?</summary>
#
# In the table Nesterov's $g + \mu b$ stands to the right of the update of $b$. By hand, first step: $g = 1$,
# $b$ becomes 1, and $d = 1 + 0.9 \cdot 1 = 1.9$.
# </details>
# <details><summary>Hint 3: do not spoil the buffer</summary>
#
# Debiasing is for the step only: `b /= ...` would put the correction into the average of every later step.
# You can divide the rate by $1 - \mu^t$ instead; it is one number, and no further array is needed.
# </details>

# %% nbgrader={"grade": false, "grade_id": "momentum-sgd", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class MomentumSGD(SGD):
    """SGD with every form of momentum in use: heavy ball, dampened, Nesterov's, moving average, debiased.

    For each parameter p with gradient g (weight decay included), at the t-th update of its buffer b, which
    starts at 0:  b ← μ·b + w·g,  p ← p − η·d  with

    - w = 1 and d = b: the heavy ball of `SGD`;
    - `dampening` δ: w = 1 − δ, but w = 1 at t = 1, so that the first buffer is g; d = b;
    - `nesterov`: w = 1 and d = g + μ·b;
    - `average`: w = 1 − μ, at t = 1 too; d = b, or with `debias` d = b / (1 − μᵗ).

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, by default 0.01.
        momentum: μ, the part of the buffer that survives a step, by default 0.9; 0 gives plain descent.
        weight_decay: λ, or an object with `apply`, see `Optimizer`.
        dampening: δ in [0, 1).
        nesterov: whether to step along g + μ·b.
        average: whether the buffer is the moving average of the gradients.
        debias: whether to divide that average by 1 − μᵗ.

    Raises:
        TypeError, ValueError: see `Optimizer`; also for options that do not go together: any of them without
            momentum, `nesterov` with `dampening`, `average` with either or with a momentum of 1 or more,
            `debias` without `average`.

    Example:
        >>> weight = Variable(1.0)
        >>> optimizer = MomentumSGD([weight], learning_rate=0.1, momentum=0.9, nesterov=True)
        >>> for _ in range(3):
        ...     weight.grad = Variable(1.0)
        ...     optimizer.step()
        ...     print(round(weight.data.item(), 4))
        0.81
        0.539
        0.1951

    Sources: I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and
    momentum in deep learning", 2013, equations 1 to 4; Y. Bengio, N. Boulanger-Lewandowski and R. Pascanu,
    "Advances in Optimizing Recurrent Networks", 2012, section 3.5 (Nesterov's rule for the look-ahead point);
    dampening is PyTorch's, after Torch 7.
    """

    def __init__(
        self,
        parameters: Iterable,
        learning_rate: float = 0.01,
        momentum: float = 0.9,
        weight_decay=0.0,
        *,
        dampening: float = 0.0,
        nesterov: bool = False,
        average: bool = False,
        debias: bool = False,
    ):
        options = {"dampening": dampening, "nesterov": nesterov, "average": average, "debias": debias}
        Optimizer.__init__(self, parameters, learning_rate, weight_decay, momentum=momentum, **options)

    def check_hyperparameter(self, name: str, value):
        """As in `Optimizer`; the three switches are bools."""
        if name in ("nesterov", "average", "debias"):
            return check_flag(name, value)
        return super().check_hyperparameter(name, value)

    def check_group(self, group: dict) -> None:
        """Refuse options that contradict each other."""
        momentum, dampening = group["momentum"], group["dampening"]
        chosen = [name for name in ("dampening", "nesterov", "average") if group[name]]
        if dampening >= 1:
            raise ValueError(f"dampening must lie in [0, 1), got {dampening}")
        if chosen and not momentum:
            raise ValueError(f"{chosen[0]} is a form of momentum: give a momentum above 0")
        if len(chosen) > 1:
            raise ValueError(f"{chosen[0]} and {chosen[1]} are different forms of momentum: choose one")
        if group["average"] and momentum >= 1:
            raise ValueError(f"the memory of an average lies below 1, got momentum {momentum}")
        if group["debias"] and not group["average"]:
            raise ValueError("debias corrects the moving average: give average=True too")

    def init_state(self, state: dict, group: dict, parameter: np.ndarray) -> None:
        """The buffer of `SGD`, and how many updates the parameter had had before there was one."""
        super().init_state(state, group, parameter)
        state["momentum_start"] = state.get("update_count", 0)

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """The equations of the class, in place."""
        mu, special = group["momentum"], group["dampening"] or group["nesterov"] or group["average"]
        if not (mu and special):
            super().step_param(state, group, gradient, parameter)
            return
        b, t = state["momentum_buffer"], state["update_count"] - state["momentum_start"]
        ### BEGIN SOLUTION
        weight = 1 - mu if group["average"] else 1 - group["dampening"] * (t > 1)
        b *= mu
        b += weight * gradient
        direction = gradient + mu * b if group["nesterov"] else b
        rate = group["learning_rate"] / (1 - mu**t) if group["debias"] else group["learning_rate"]
        parameter -= rate * direction
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-momentum-dampening", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_momentum_dampening():
    weight = leaf(1.0)
    path = run(MomentumSGD([weight], 0.1, momentum=0.9, dampening=0.5), [1.0, 1.0, 1.0])
    expect_close("dampening 0.5, momentum 0.9, three gradients of 1", path, [0.9, 0.76, 0.584],
                 "the first buffer is g, afterwards momentum * b + (1 - dampening) * g")

    pair = leaf([1.0, -3.0])
    optimizer = MomentumSGD([pair], 0.1, momentum=0.5, dampening=0.25)
    for i, (gradient, expected) in enumerate(((2.0, 0.8), (-1.0, 0.775), (0.5, 0.725)), start=1):
        give([pair], [[gradient, 0.0]])
        optimizer.step()
        expect_close(f"step {i} with dampening 0.25, momentum 0.5", pair, [expected, -3.0],
                     "only the first gradient enters the buffer whole")
        expect_close(f"the gradient after step {i}", pair.grad, [gradient, 0.0], "the gradient is only read")
    expect_close("the buffer after three steps", optimizer.momentum_buffers[pair], [0.5, 0.0],
                 "the learning rate does not belong into the buffer")

    early, late = leaf(1.0), leaf(3.0)
    optimizer = MomentumSGD([early, late], 0.1, momentum=0.5, dampening=0.25)
    steps = (((2.0, None), (0.8, 3.0)), ((-1.0, 2.0), (0.775, 2.8)), ((0.5, -4.0), (0.725, 3.0)))
    for gradients, expected in steps:
        give([early, late], gradients)
        optimizer.step()
        expect_close(f"two parameters after the gradients {gradients}", [early.data.item(), late.data.item()],
                     expected, "each parameter has a first step of its own")

    decayed = run(MomentumSGD([leaf(2.0)], 0.1, 0.5, 0.25, dampening=0.75), [1.0, -1.0, 0.5])
    expect_close("dampening 0.75 with weight decay 0.25", decayed, [1.85, 1.7884375, 1.733978516])


test_momentum_dampening()

# %% nbgrader={"grade": true, "grade_id": "test-momentum-nesterov", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_momentum_nesterov():
    path = run(MomentumSGD([leaf(1.0)], 0.1, momentum=0.9, nesterov=True), [1.0, 1.0, 1.0])
    expect_close("Nesterov, momentum 0.9, three gradients of 1", path, [0.81, 0.539, 0.1951],
                 "step along g + momentum * b, with the new b")

    pair = leaf([1.0, -3.0])
    optimizer = MomentumSGD([pair], 0.1, momentum=0.5, nesterov=True)
    for i, (gradient, expected) in enumerate(((2.0, 0.7), (-1.0, 0.8), (0.5, 0.725)), start=1):
        give([pair], [[gradient, 0.0]])
        optimizer.step()
        expect_close(f"step {i} with Nesterov, momentum 0.5", pair, [expected, -3.0],
                     "b first, then g + momentum * b")
        expect_close(f"the gradient after step {i}", pair.grad, [gradient, 0.0], "the gradient is only read")
    expect_close("the buffer after three steps", optimizer.momentum_buffers[pair], [0.5, 0.0],
                 "the buffer is that of the heavy ball; g + momentum * b is only the direction of the step")

    decayed = run(MomentumSGD([leaf(2.0)], 0.1, 0.5, 0.25, nesterov=True), [1.0, -1.0, 0.5])
    expect_close("Nesterov with weight decay 0.25", decayed, [1.775, 1.8209375, 1.672808594])


test_momentum_nesterov()

# %% nbgrader={"grade": true, "grade_id": "test-momentum-average", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_momentum_average():
    path = run(MomentumSGD([leaf(1.0)], 0.1, momentum=0.9, average=True), [1.0, 1.0, 1.0])
    expect_close("average, momentum 0.9, three gradients of 1", path, [0.99, 0.971, 0.9439],
                 "the average starts at 0: its first gradient, too, enters with weight 1 - momentum")
    path = run(MomentumSGD([leaf(1.0)], 0.1, momentum=0.9, average=True, debias=True), [1.0, 1.0, 1.0])
    expect_close("debiased, momentum 0.9, three gradients of 1", path, [0.9, 0.8, 0.7], "divide by 1 - momentum**t")

    for debias, expected in ((False, (0.9, 1.025, 1.06875)), (True, (0.6, 0.885714286, 0.961389961))):
        pair = leaf([1.0, -3.0])
        optimizer = MomentumSGD([pair], 0.1, momentum=0.75, average=True, debias=debias)
        for i, (gradient, value) in enumerate(zip((4.0, -8.0, 2.0), expected), start=1):
            give([pair], [[gradient, 0.0]])
            optimizer.step()
            expect_close(f"step {i} of the average, momentum 0.75, debias={debias}", pair, [value, -3.0],
                         "b = momentum * b + (1 - momentum) * g; debiased, the step is b / (1 - momentum**t)")
            expect_close(f"the gradient after step {i}", pair.grad, [gradient, 0.0], "the gradient is only read")
        expect_close(f"the buffer after three steps, debias={debias}", optimizer.momentum_buffers[pair],
                     [-0.4375, 0.0], "the correction is for the step; the buffer stays the plain average")

    early, late = leaf(1.0), leaf(3.0)
    optimizer = MomentumSGD([early, late], 0.1, momentum=0.5, average=True, debias=True)
    steps = (((4.0, None), (0.6, 3.0)), ((4.0, 2.0), (0.2, 2.8)), ((4.0, -4.0), (-0.2, 3.0)))
    for gradients, expected in steps:
        give([early, late], gradients)
        optimizer.step()
        expect_close(f"two parameters, debiased, after the gradients {gradients}",
                     [early.data.item(), late.data.item()], expected, "each parameter has a count of its own")

    decayed = run(MomentumSGD([leaf(2.0)], 0.1, 0.5, 0.25, average=True, debias=True), [1.0, -1.0, 0.5])
    expect_close("debiased with weight decay 0.25", decayed, [1.85, 1.835833333, 1.774964286])


test_momentum_average()

# %% nbgrader={"grade": true, "grade_id": "test-momentum-sgd", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_momentum_sgd():
    class Sliced(MomentumSGD):
        """Hands every parameter of more than two elements over in slices."""

        slice_size = 2

    gradients = [[0.4, 0.0, -1.0, 2.0, -0.5], [-0.2, 0.0, 0.5, 1.0, 3.0], [1.0, 0.0, 0.25, -2.0, 0.5]]
    forms = (
        ({"dampening": 0.5}, [0.8704, 1.0, 1.1865, 0.522, 0.827]),
        ({"nesterov": True}, [0.75072, 1.0, 1.1282, 0.5256, 0.3256]),
        ({"average": True}, [0.96768, 1.0, 1.0258, 0.9064, 0.9064]),
        ({"average": True, "debias": True}, [0.908415301, 1.0, 1.116256831, 0.652276867, 0.799817851]),
    )
    for options, expected in forms:
        for kind, dtype in ((MomentumSGD, np.float32), (Sliced, np.float64)):
            weights = leaf(np.ones(5), dtype=dtype)
            array, optimizer = weights.data.data, kind([weights], 0.1, momentum=0.8, **options)
            run(optimizer, gradients[:1])
            buffer = optimizer.momentum_buffers[weights]
            run(optimizer, gradients[1:])
            how = f"{options}, momentum 0.8, {dtype.__name__}{', in slices of 2' * (kind is Sliced)}"
            expect_close(f"three steps with {how}", weights, expected, "work element by element, in place")
            expect_equal(f"data type with {how}", weights.data.data.dtype, np.dtype(dtype))
            expect_equal("whether the parameter still has the array it began with", weights.data.data is array, True,
                         "parameter -= ..., not parameter = parameter - ...")
            expect_equal("whether the buffer is one array from step to step",
                         optimizer.momentum_buffers[weights] is buffer, True, "b *= ..., b += ...")

    plain, dampened, ahead, debiased = (leaf(1.0) for _ in range(4))
    optimizer = MomentumSGD(
        [
            {"parameters": [plain], "momentum": 0.0},
            {"parameters": [dampened], "dampening": 0.25},
            {"parameters": [ahead], "nesterov": True, "learning_rate": 0.2},
            {"parameters": [debiased], "average": True, "debias": True, "momentum": 0.75},
        ],
        learning_rate=0.1,
        momentum=0.5,
    )
    for gradient in (2.0, -1.0, 0.5):
        give(optimizer.parameters, [gradient] * 4)
        optimizer.step()
    expect_close("four groups, each with options of its own, after three steps",
                 [parameter.data.item() for parameter in optimizer.parameters], [0.85, 0.725, 0.45, 0.733590734],
                 "use the rate, the momentum and the options of `group`")

    for options, expected in (({"dampening": 0.5}, (0.9, 0.8, 0.66)),
                              ({"average": True, "debias": True}, (0.9, 0.8, 0.7))):
        late = leaf(1.0)
        optimizer = MomentumSGD([late], 0.1, momentum=0.9, **options)
        optimizer.param_groups[0]["momentum"] = 0.0
        path = list(run(optimizer, [1.0]))
        optimizer.param_groups[0]["momentum"] = 0.9
        path += list(run(optimizer, [1.0, 1.0]))
        expect_close(f"{options}, momentum switched on after the first step", path, expected,
                     "t counts the gradients of the buffer, and is 1 when the buffer is new")


test_momentum_sgd()

# %% [markdown]
# **Use it.** The table from the head of this section, by your class:

# %% tags=["demo", "raises-exception"]
forms = {
    "plain descent": {"momentum": 0.0},
    "heavy ball": {},
    "dampened, δ = 0.5": {"dampening": 0.5},
    "dampened, δ = 0.9": {"dampening": 0.9},
    "Nesterov": {"nesterov": True},
    "average": {"average": True},
    "debiased": {"average": True, "debias": True},
}
rows = ["| p = 1, η = 0.1, μ = 0.9, g = 1 | step 1 | step 2 | step 3 |", "|---|---|---|---|"]
for name, options in forms.items():
    path = run(MomentumSGD([leaf(1.0)], 0.1, **{"momentum": 0.9, **options}), [1.0, 1.0, 1.0])
    rows.append(f"| {name} | " + " | ".join(f"{p:.4g}" for p in path) + " |")
display(Markdown("\n".join(rows)))

# %% [markdown]
# **Options that contradict each other** are refused when the optimizer is made, and before anything has
# moved. A form of momentum without momentum, two forms at once, a correction of an average that is not there:
# whoever writes that has something in mind which will not happen.

# %% tags=["demo", "raises-exception"]
for options in (
    {"momentum": 0.0, "nesterov": True},
    {"nesterov": True, "dampening": 0.5},
    {"average": True, "dampening": 0.9},
    {"debias": True},
    {"average": True, "momentum": 1.0},
    {"dampening": 1.0},
    {"nesterov": 1},
):
    try:
        MomentumSGD([leaf(1.0)], **options)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        print(f"{given:30} {type(error).__name__}: {error}")

# %% [markdown]
# ### Nesterov on the ravine
#
# First the derivation, checked: the two equations of Sutskever and others, with the gradient at the
# look-ahead point, against your class. The points $\theta + \mu v$ should be your parameters.
#
# **Predict first.** They agree for a constant rate. If the rate is halved after 10 of 20 steps, are they
# still equal?

# %% tags=["demo", "raises-exception"]
def look_ahead(rates, mu, start=(-8.0, -1.8)):
    """Nesterov's method on the ravine with the velocity of Sutskever and others: the points θ + μ v."""
    theta, v, points = np.array(start), np.zeros(2), []
    for rate in rates:
        v = mu * v + rate * downhill(theta + mu * v)
        theta = theta + v
        points.append(theta + mu * v)
    return np.array(points)


def class_path(rates, mu, start=(-8.0, -1.8)):
    """The same by MomentumSGD."""
    point, path = leaf(start), []
    optimizer = MomentumSGD([point], momentum=mu, nesterov=True)
    for rate in rates:
        optimizer.learning_rate = rate
        path.append(run(optimizer, [-downhill(point.data.data)])[0])
    return np.array(path)


for name, rates in (("constant rate 0.2", [0.2] * 20), ("rate 0.2, then 0.1", [0.2] * 10 + [0.1] * 10)):
    difference = np.abs(look_ahead(rates, 0.9) - class_path(rates, 0.9)).max()
    print(f"{name}: largest difference {difference:.1e}")

paths = {
    "heavy ball": minimize(RAVINE, lambda p, rate: MomentumSGD(p, rate, 0.9), 0.2, steps=60),
    "Nesterov": minimize(RAVINE, lambda p, rate: MomentumSGD(p, rate, 0.9, nesterov=True), 0.2, steps=60),
}
figure, panels = plt.subplots(1, 2, figsize=(8.2, 3.1), sharey=True)
for axes, (name, path), color in zip(panels, paths.items(), (plotting.VERMILLION, plotting.BLUE)):
    plotting.draw_surface(axes, RAVINE.height, (-9, 6), (-2.6, 2.6))
    plotting.draw_path(axes, path, "", color)
    axes.plot(0, 0, "*", color=plotting.BLACK, markersize=10)
    label_axes(axes, title=f"{name}: {np.hypot(*path[-1]):.2f} left after 60 steps")
panels[1].set_ylabel("")
plotting.show(
    figure,
    "Sixty steps on the valley at the same rate and momentum. The heavy ball swings from wall to wall for a "
    "long time; Nesterov's path stops swinging after a few steps and then oscillates only gently along the "
    "floor.",
)

# %% [markdown]
# Along $y$, where $\eta\lambda = 0.2 \cdot 4 = 0.8$, Nesterov's effective momentum is $0.9 \cdot 0.2 = 0.18$:
# the swing from wall to wall is gone. Along the floor, where $\eta\lambda = 0.04$, it is 0.864, nearly all of
# it. And with a changing rate the two forms part, as announced; PyTorch's form is the one that everybody
# uses.
#
# ### The average is a heavy ball with a smaller rate
#
# Divide the heavy ball's buffer by ten. If $b \leftarrow \mu b + g$, then $a = (1 - \mu)\, b$ obeys
#
# $$a \leftarrow \mu\, a + (1 - \mu)\, g, \qquad\qquad \eta\, a = \eta\,(1 - \mu)\, b$$
#
# so the average form with rate $\eta$ takes exactly the steps of the heavy ball with rate $\eta\,(1 - \mu)$:
# both start at zero, and the factor goes through every line. For $\mu = 0.9$ that is a tenth. A rate of 0.1
# tuned for one is a rate of 1 for the other, and this is the most common reason why a recipe "does not work"
# in another library.
#
# **Predict first.** Five changes are made to both, after 10 of 20 steps or from the start. Which of them end
# the agreement? (a) weight decay is on; (b) the rate is halved in both; (c) $\mu$ goes from 0.9 to 0.5, and
# the heavy ball's rate is matched to the new $1 - \mu$; (d) instead of the average form we take dampening
# $\delta = \mu$, which has the same weight $1 - \mu$ but for its first step; (e) the average is debiased.

# %% tags=["demo", "raises-exception"]
def two_paths(other, weight_decay=0.0, rates=(1.0, 1.0), momenta=(0.9, 0.9)):
    """Largest difference between a heavy ball with matched rate and another form, over 20 steps."""
    gradients = np.random.default_rng(2).normal(size=(20, 4))
    ball = MomentumSGD([leaf(np.ones(4))], momentum=0.9, weight_decay=weight_decay)
    form = MomentumSGD([leaf(np.ones(4))], momentum=0.9, weight_decay=weight_decay, **other)
    paths = [[], []]
    for half, rate, mu in zip((gradients[:10], gradients[10:]), rates, momenta):
        for optimizer, path, matched in ((ball, paths[0], rate * (1 - mu)), (form, paths[1], rate)):
            optimizer.param_groups[0].update(learning_rate=matched, momentum=mu)
            path.extend(run(optimizer, half))
    return np.abs(np.array(paths[0]) - np.array(paths[1])).max()


average = {"average": True}
print(f"the two as they are:        {two_paths(average):.1e}")
print(f"(a) weight decay 0.1:       {two_paths(average, weight_decay=0.1):.1e}")
print(f"(b) rate halved:            {two_paths(average, rates=(1.0, 0.5)):.1e}")
print(f"(c) momentum changed:       {two_paths(average, momenta=(0.9, 0.5)):.1e}")
print(f"(d) dampening = momentum:   {two_paths({'dampening': 0.9}):.1e}")
print(f"(e) debiased:               {two_paths({'average': True, 'debias': True}):.1e}")

# %% [markdown]
# Weight decay and a schedule change nothing, because the rate is not in the buffer. (Where it is, as in $v$
# of the paper's equations, a halved rate does matter.) A changed $\mu$ does: the old gradients sit in the
# heavy ball's buffer at full weight and in the average at a tenth of it, and no single new rate can make up
# for both old and new ones.
#
# And (d) and (e) differ because of the start. What exactly does the first step of dampening do? A step is a
# weighted sum of the gradients so far, so measure the weights: give an optimizer of rate 1 twelve parameters,
# of which number $i$ has the gradient 1 in step $i$ and 0 in all others. The twelfth step shows each weight.

# %% tags=["demo", "raises-exception"]
def weights_in_last_step(steps, **options):
    """With what weight each of the gradients counts in the last step of an optimizer with momentum 0.9."""
    path = run(MomentumSGD([leaf(np.zeros(steps))], 1.0, momentum=0.9, **options), np.eye(steps))
    return path[-2] - path[-1]


figure, panels = plt.subplots(1, 3, figsize=(8.6, 3.0), sharey=True)
for axes, (name, options), color in zip(
    panels,
    {"average": {"average": True}, "dampened, δ = μ": {"dampening": 0.9},
     "debiased": {"average": True, "debias": True}}.items(),
    (plotting.GREEN, plotting.VERMILLION, plotting.BLUE),
):
    weights = weights_in_last_step(12, **options)
    axes.bar(np.arange(1, 13), weights, color=color, width=0.75)
    axes.set_xticks([1, 4, 8, 12])
    label_axes(axes, "gradient of step", "", f"{name}: sum {weights.sum():.2f}")
panels[0].set_ylabel("weight in step 12")
plotting.show(
    figure,
    "Bar charts of the weight of each of twelve gradients in the twelfth step. Average: weights rise towards "
    "the newest, with sum 0.72. Dampened: the same, but the very first gradient has a weight of 0.31, three "
    "times that of the newest; sum 1. Debiased: rising like the average, each a little larger; sum 1.",
)

# %% [markdown]
# The average form simply lacks 28 % at this point. Dampening makes up for it by counting the *first gradient
# ten times*: after twelve steps it is still the loudest voice, three times as loud as the newest gradient.
# Debiasing makes up for it by turning everything up by the same factor. Keep the three pictures in mind for
# the experiment.
#
# ### Experiment: debiased SGD against PyTorch's rules
#
# The problem for this one: a linear regression with eight weights on 512 examples, eight of them at a time,
# ten trainings each. We plot how far the loss lies above the lowest possible one, for three rules with $\mu =
# 0.9$ at the same rate $\eta$: the heavy ball of rate $\eta\,(1 - \mu)$, which is the average form; PyTorch's
# dampening with $\delta = \mu$; and the debiased average.
#
# **Predict first.** At $\eta = 0.1$, which rule is ahead after ten steps? Which one after a hundred? And at
# $\eta = 1$, which is near the largest rate that works: which of the three is in trouble in the first ten
# steps, and which is not?

# %% tags=["demo", "raises-exception"]
three = {name: RULES[name] for name in list(RULES)[1:]}
figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.9), sharey=True)
for axes, rate in zip(panels, (0.1, 1.0)):
    for name, (make, color, style) in three.items():
        losses = excess_loss(train(make, rate, batches_of(8), steps=100)).mean(axis=1)
        axes.semilogy(losses, style, color=color, label=name)
    label_axes(axes, "step", "", f"learning rate η = {rate:g}")
panels[0].set_ylabel("loss above the lowest")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9.5)
plotting.show(
    figure,
    "Loss above the lowest against steps for three rules. At rate 0.1 the debiased rule falls fastest; the "
    "dampened one begins as fast and falls back to the heavy ball; in the end the lines meet. At rate 1 the "
    "dampened rule first rises sevenfold and the debiased one a little, while the heavy ball falls from the "
    "start; after about sixty steps all three jitter together.",
)

# %% [markdown]
# Three observations, and each follows from the bar charts.
#
# - **At a small rate the debiased rule leads, by some five steps here.** The average form spends its first
#   steps filling up. The dampened rule starts as fast as the debiased one, and then keeps following the first
#   gradient past the point where it was right.
# - **At a large rate the slow start is a blessing.** An average lets you use rates far above the limit of
#   plain descent, but only once it is full: its first debiased step is a step of plain descent at that rate,
#   and overshoots. The heavy ball's start from zero acts as a built-in warm-up. The dampened rule, which
#   repeats its overshooting first step for ten more, is worst by far. (Section 7 builds warm-up as a part of
#   its own.)
# - **In the long run it does not matter at all.** The rules differ in the weights of the first few gradients,
#   and after a hundred steps nothing depends on those.
#
# Every rule was made to use the same rate so far. A fair comparison lets each have its own best one. The goal
# is a loss within 0.001 of the lowest on the ravine, within 0.1 on the regression, where a step sees 8 or 64
# examples:

# %% tags=["demo", "raises-exception"]
three = {name: RULES[name][0] for name in list(RULES)[1:]}
results = {problem.name: {name: tune(problem, make, rates=(0.056, 0.1, 0.18, 0.3, 0.56, 1.0), steps=300)
                          for name, make in three.items()}
           for problem in (RAVINE, LinearData(batch_size=8), LinearData(batch_size=64))}
display(Markdown(ranking_table(results, steps=300)))

# %% [markdown]
# With exact or nearly exact gradients (the ravine, batches of 64) the debiased rule saves about ten steps,
# one memory. With noisy ones (batches of 8) the three cannot be told apart on three seeds. So: debiasing is
# right, costs nothing and helps where training is short beside the memory. Adam needs it, since its second
# moment remembers a thousand steps; PyTorch's `SGD`, with a memory of ten, can live without.
#
# ### Experiment: what batch size does
#
# "Short" counts steps, not examples. With a fixed number of examples to see, larger batches mean better
# gradients and fewer steps.
#
# **Predict first.** 512 examples, seen in batches of 1, 4, 16 or 64, so in 512, 128, 32 or 8 steps, at rate
# 0.1. For which batch size does it matter whether the average is debiased? For which does the loss end
# lowest? And which plain property of momentum will show at 8 steps?

# %% tags=["demo", "raises-exception"]
three = {name: RULES[name] for name in RULES if not name.startswith("dampened")}
figure, panels = plt.subplots(1, 4, figsize=(9.4, 3.4), sharey=True)
for axes, batch_size in zip(panels, (1, 4, 16, 64)):
    steps = 512 // batch_size
    for name, (make, color, style) in three.items():
        losses = excess_loss(train(make, 0.1, batches_of(batch_size), steps)).mean(axis=1)
        axes.semilogy(np.arange(steps + 1) * batch_size, losses, style, color=color, label=name, linewidth=1.5)
    axes.set_xticks([0, 256, 512])
    label_axes(axes, "examples seen", "", f"batch {batch_size}: {steps} steps")
panels[0].set_ylabel("loss above the lowest")
handles, labels = panels[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside upper center", ncols=3)
plotting.show(
    figure,
    "Loss above the lowest against examples seen, for batches of 1, 4, 16 and 64 at the same rate. At batch "
    "1 all three lines fall at once and then jitter at the same height; at batch 4 they come down lowest; at "
    "batch 64 the average has hardly moved after its eight steps, while the other two have come much "
    "farther.",
)

# %% [markdown]
# At batch 1 the noise rules: all three fall within a few dozen examples and then jitter at the same height.
# At batch 64 the number of steps rules: the average has taken in eight gradients, $1 - 0.9^8 = 57\,\%$ of its
# weight, and hardly moved. But one rate for all batch sizes is not a fair race either. A gradient of 64
# examples is eight times less noisy than one of a single example, so it deserves larger steps. Once more,
# then, with the best rate of a grid for each rule and each size:

# %% tags=["demo", "raises-exception"]
def at_best_rate(make, batch_size, rates, examples=512, runs=30):
    """The best of some rates for a budget of examples: (rate, final excess loss of each run)."""
    best = None
    for rate in rates:
        with np.errstate(over="ignore", invalid="ignore"):
            path = train(make, rate, batches_of(batch_size), examples // batch_size, np.zeros((8, runs)))
            final = excess_loss(path[-1:])[0]
        if np.isfinite(final).all() and (best is None or final.mean() < best[1].mean()):
            best = rate, final
    return best


batch_sizes, grid = (1, 4, 16, 64), (0.01, 0.018, 0.03, 0.056, 0.1, 0.18, 0.3, 0.56, 1.0, 1.8)
figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.7))
for i, name in enumerate(name for name in RULES if not name.startswith("dampened")):
    make, color, style = RULES[name]
    found = [at_best_rate(make, size, grid) for size in batch_sizes]
    look = {"color": color, "linestyle": style, "marker": "o", "markersize": 4, "linewidth": 1.5}
    sizes = np.array(batch_sizes) * 1.1 ** (i - 1)
    error = [2 * final.std() / np.sqrt(final.size) for _, final in found]
    panels[0].errorbar(sizes, [final.mean() for _, final in found], error, capsize=3, label=name, **look)
    panels[1].plot(sizes, [rate for rate, _ in found], **look)
for axes, ticks in zip(panels, ((0.05, 0.1, 0.2, 0.4), (0.02, 0.05, 0.1, 0.2, 0.5, 1))):
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(batch_sizes, [str(size) for size in batch_sizes])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
label_axes(panels[0], "batch size", "loss above the lowest", "after 512 examples")
label_axes(panels[1], "batch size", "learning rate η", "the best rate of the grid")
figure.legend(loc="outside upper center", ncols=3)
plotting.show(
    figure,
    "Left, the final loss above the lowest at the best learning rate against batch size, with error bars: "
    "level and equal for the three rules at batches of 1 and 4; at 16 the heavy ball is higher; at 64 all "
    "are higher, the heavy ball most, plain descent least. Right, the best rate, which rises with the batch "
    "size and levels off.",
)
for mu in (0.9, 0.5):
    rate, final = at_best_rate(lambda p, rate: MomentumSGD(p, rate, mu, average=True, debias=True), 64, grid)
    print(f"batch 64, debiased, momentum {mu}: {final.mean():.3f} at rate {rate:g}")

# %% [markdown]
# (The bars are two standard errors of the mean over thirty trainings.) What to take home:
#
# - Up to a batch of 16 plain descent and the debiased rule end at the same loss, **if the rate grows with the
#   batch**: 16 times the batch, about 17 times the rate. Noise was the limit, and what reduces noise is the
#   number of examples, however they are divided into steps.
# - At 64 there are too few steps left. The rate cannot grow any further (the curvature forbids it, section 1
#   of module 08), so larger batches waste examples. Where this begins is called the *critical batch size*.
#   (Measured on real networks by Shallue and others, "Measuring the effects of data parallelism on neural
#   network training", 2019.)
# - With few steps the heavy ball pays for its slow start, a little already at 16, and debiasing wins that
#   back. At 64 momentum itself is the burden: eight steps are shorter than its memory of ten, the average
#   still listens to gradients from the start, and plain descent is ahead. With less memory, $\mu = 0.5$,
#   momentum is ahead again (the line below the figure): a good $\mu$ depends on the number of steps.
#
# ### An idea, tried honestly: hold small gradients back
#
# Near zero a gradient is mostly noise, so moving along it seems pointless. An idea that suggests itself:
# **hold it back**. Let each element of a parameter collect its gradients until several batches have added up
# to something that matters, at least a threshold $\tau$ in size; then move by all of it at once, and start
# collecting afresh.
#
# $$h \leftarrow h + g, \qquad \text{where } |h| \ge \tau: \quad p \leftarrow p - \eta\, h, \quad h \leftarrow 0$$
#
# No gradient is lost; with $\tau = 0$ it is plain descent. This is the whole rule, read from the package:

# %% tags=["demo", "raises-exception"]
source = inspect.getsource(HeldBackSGD.step_param)
display(Markdown(f"```python\n{textwrap.dedent(source)}```"))

# %% [markdown]
# **Predict first.** Three noisy problems, ten trainings each: the linear regression with batches of 1 and of
# 4, and a bowl in two parameters whose gradients carry normal noise of standard deviation 2. Both rules get
# the best rate of the same grid, judged by the mean loss of the last quarter of the steps. At which threshold
# is the held-back rule better than plain descent: 0.3, 3, 30? How many of the moves does it save?

# %% tags=["demo", "raises-exception"]
def late_loss(make, problem):
    """At the best rate of a grid: (mean loss of the last quarter of each training, share of moves made)."""
    measure, gradient_of, steps, start = problem
    best = None
    for rate in (0.01, 0.018, 0.03, 0.056, 0.1):
        path = train(make, rate, gradient_of, steps, start)
        late = measure(path)[-steps // 4 :].mean(axis=0)
        if best is None or late.mean() < best[0].mean():
            best = late, np.mean(np.diff(path, axis=0) != 0)
    return best


thresholds = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.7))
panels[0].axhline(1, color=plotting.BLACK, linewidth=0.9)
for i, (name, problem) in enumerate(noisy_problems.items()):
    plain, _ = late_loss(lambda p, rate: SGD(p, rate), problem)
    held_back = [late_loss(lambda p, rate: HeldBackSGD(p, rate, tau), problem) for tau in thresholds]
    differences = np.array([late - plain for late, _ in held_back]) / plain.mean()
    place = np.arange(len(thresholds)) + 0.09 * (i - 1)
    style = {"color": plotting.COLORS[i], "linestyle": plotting.LINE_STYLES[i], "marker": "o", "ms": 4}
    error = 2 * differences.std(axis=1) / np.sqrt(differences.shape[1])
    panels[0].errorbar(place, 1 + differences.mean(axis=1), error, capsize=3, label=name, **style)
    panels[1].plot(place, [100 * moved for _, moved in held_back], **style)
    print(f"{name}: loss relative to plain descent {(1 + differences.mean(axis=1)).round(3)}, "
          f"moving {[f'{moved:.0%}' for _, moved in held_back]}")
for axes in panels:
    axes.set_xticks(range(len(thresholds)), [f"{threshold:g}" for threshold in thresholds])
panels[0].set_ylim(0, None)
panels[1].set_ylim(0, 105)
label_axes(panels[0], "threshold τ", "loss / loss of plain descent", "how good")
label_axes(panels[1], "threshold τ", "elements that move in a step, %", "how busy")
figure.legend(loc="outside upper center", ncols=3)
plotting.show(
    figure,
    "Left, the late loss of the held-back rule relative to plain descent against the threshold, for three "
    "noisy problems: exactly 1 at thresholds up to about 1, then rising, never visibly below. Right, the "
    "share of elements that move in a step, falling from 100 percent towards zero.",
)

# %% [markdown]
# **What came out.** The idea does not work, at least not here: at no threshold is the loss lower than that of
# plain descent by more than a tenth of a percent, far within the noise. Small thresholds change nothing,
# large ones do harm. (The bars are two standard errors of the difference between the rules, which saw the
# same noise.)
#
# **Why.** Held-back gradients are added, not averaged. Put all that has been released and all that is still
# held together: after any number of steps
#
# $$p = p_0 - \eta \sum_i g_i + \eta\, h, \qquad |h| < \tau$$
#
# so the parameter is always within $\eta\tau$ of the place to which plain descent would have carried it with
# *the same gradients, noise and all*. Where $\eta\tau$ is small beside the jitter that is there anyway ($\tau
# = 1$ at a rate of 0.02), nobody notices. Where it is not, the moves come late and in lumps of $\eta\tau$ or
# more. Look at ten trainings at once:

# %% tags=["demo", "raises-exception"]
_, gradient_of, steps, start = noisy_problems["noisy bowl"]
figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True)
for axes, name, color, make in (
    (panels[0], "plain descent", plotting.BLUE, lambda p, rate: SGD(p, rate)),
    (panels[1], "held back, τ = 30", plotting.VERMILLION, lambda p, rate: HeldBackSGD(p, rate, 30.0)),
):
    x = train(make, 0.03, gradient_of, steps, start)[:, 0]
    axes.axhline(0, color=plotting.BLACK, linewidth=0.8, linestyle=":")
    axes.plot(x, drawstyle="steps-post", color=color, linewidth=0.7, alpha=0.45)
    axes.plot(x[:, 4], drawstyle="steps-post", color=color, linewidth=1.8)
    label_axes(axes, "step", "", f"{name}: ±{np.sqrt(np.mean(x[-50:] ** 2)):.2f} at the end")
panels[0].set_ylabel("x (the minimum is at 0)")
plotting.show(
    figure,
    "The x coordinate of ten trainings on the noisy bowl against steps, at rate 0.03. With plain descent all "
    "lines climb to zero and jitter there in a narrow band. Held back, each is a staircase of large steps, "
    "and the lines end on treads spread over a band twice as wide.",
)

# %% [markdown]
# (The ± is the root of the mean of $x^2$ over the last fifty steps and all ten trainings.) What *does* remove
# noise is dividing by the number of gradients: a larger batch, a smaller rate, or an average, which is where
# this chapter began.
#
# The right-hand panel of the comparison shows what the idea is good for. At $\tau = 1$ the regression with
# single examples does exactly as well as plain descent while three elements out of four stay where they are
# in each step; at $\tau = 3$, three percent worse, it is eleven out of twelve. Where a move is expensive,
# because it has to travel from one machine to another, that is worth having: *gradient sparsification with
# memory* is this rule with another choice of what to send (Stich, Cordonnier and Jaggi, "Sparsified SGD with
# Memory", 2018). A negative result, honestly reported, tends to say where to look next.
#
# These were small versions. `make experiments` runs the same comparisons on more problems, thresholds and
# batch sizes.

# %% [markdown]
# ## 3. AdaGrad and RMSprop
#
# **The problem.** A learning rate is multiplied with every gradient, so the gradient's *size* decides how far
# a parameter goes. But the size says little about how far it should go. Take three weights of one network:
#
# | weight | its gradient | one step of gradient descent, $\eta = 0.01$ |
# |---|---|---|
# | in an early layer, behind many multiplications | 0.01 at every step: small, but sure | 0.0001 |
# | seen through small batches | 1, −1, −1, 1, …: volatile, with no direction | 0.01, to and fro |
# | right below the loss | 10 at every step: large | 0.1 |
#
# The first gradient could hardly be clearer about the direction, and its weight crawls. Raise the rate a
# thousand times for its sake, and the third weight flies off.
#
# **The picture.** So measure how large the gradients of a weight usually are, and divide by that. The
# measure must come from gradients that were seen, and there are two natural ways: from *all* of them, or from
# the *recent* ones, with a moving average as in section 1. Below, dots are the gradients of one weight; they
# are ten times as large in the middle third as before and after.
#
# **Predict first.** Which of the two measures will be of the right height in the last third?

# %% tags=["demo", "raises-exception"]
draw = np.random.default_rng(0)
sizes = np.repeat([0.5, 5.0, 0.5], 60)
gradients = sizes * draw.normal(size=180)
root_of_sum = np.sqrt(np.cumsum(gradients**2))
average, recent_size = 0.0, []
for g in gradients:
    average = 0.9 * average + (1 - 0.9) * g**2
    recent_size.append(np.sqrt(average))
recent_size = np.array(recent_size)

figure, axes = plt.subplots(figsize=(7.0, 3.6))
axes.plot(gradients, ".", color=plotting.GRAY, markersize=4)
axes.fill_between(np.arange(180), -recent_size, recent_size, color=plotting.SKY, alpha=0.3, linewidth=0)
axes.plot(recent_size, color=plotting.BLUE)
axes.plot(root_of_sum, "--", color=plotting.VERMILLION)
axes.text(68, 21, "root of the sum\nof all squares", color=plotting.VERMILLION, ha="right")
axes.text(131, 4.6, "root of the average\nof recent squares", color=plotting.BLUE)
axes.set(xlim=(0, 180), ylim=(-15, 46))
label_axes(axes, "step", "gradient")
plotting.show(
    figure,
    "Gradients whose size jumps up tenfold and back. The root of the average of recent squares follows "
    "both jumps as a band around the dots; the root of the sum of all squares only rises and stays high.",
)

# %% [markdown]
# The sum has no way back. That makes the two rules of this section behave differently in everything that
# follows.
#
# **AdaGrad**, for *adaptive gradient* (Duchi, Hazan and Singer, 2011), divides by the root of the sum of all
# squares so far. For each element of a parameter:
#
# $$\begin{aligned}
# s &\leftarrow s + g^2\\
# p &\leftarrow p - \eta\, g / (\sqrt s + \epsilon)
# \end{aligned}$$
#
# **RMSprop** (Hinton, lecture 6e of the Coursera course *Neural Networks for Machine Learning*, 2012; never
# published otherwise) divides by the root of a moving average of squares, the *root mean square*:
#
# $$\begin{aligned}
# v &\leftarrow \alpha\, v + (1 - \alpha)\, g^2\\
# p &\leftarrow p - \eta\, g / (\sqrt v + \epsilon)
# \end{aligned}$$
#
# Both begin at $s = v = 0$. The memory $\alpha$ is 0.9 here, as in the lecture. The small number $\epsilon$
# is added to the root, outside it; it avoids $0/0$, and says below which size a gradient counts as none.
#
# **By hand**, with $\eta = 0.1$, $p = 1$ and the gradients 3, 4, 12 (leave $\epsilon$ out):
#
# | $g$ | $s$ | $\sqrt s$ | AdaGrad's step $0.1\,g/\sqrt s$ | $v$ | $\sqrt v$ | RMSprop's step $0.1\,g/\sqrt v$ |
# |---|---|---|---|---|---|---|
# | 3 | 9 | 3 | 0.1 | 0.9 | 0.949 | 0.316 |
# | 4 | 25 | 5 | 0.08 | 2.41 | 1.552 | 0.258 |
# | 12 | 169 | 13 | 0.092 | 16.569 | 4.071 | 0.295 |
#
# Two things to notice. AdaGrad's first step is $\eta$ whatever the gradient is, since $g/\sqrt{g^2} = \pm
# 1$. RMSprop's first step is $\eta / \sqrt{1 - \alpha} = 3.16\,\eta$: its average begins at 0, and nobody
# corrects the bias. Section 4 comes back to that.

# %% [markdown]
# ### What these rules share
#
# The optimizers of this chapter differ in one or two lines. What they have in common is written once, in a
# class between `Optimizer` and them:
#
# - a rule *names* the arrays it remembers, in `buffers`; that they begin as zeros of the parameter's shape,
#   and that one appears when an option is switched on later, is done here;
# - `Optimizer` already refuses a beta outside $[0, 1)$ and a negative epsilon; $\alpha$, a memory too, is
#   checked here with `check_memory` of section 1.
#
# The second piece is the moving average of section 1 once more, for arrays that an optimizer keeps: in place,
# without a new array for the average.

# %%
#| export
class AdaptiveOptimizer(Optimizer):
    """Base of rules that divide a step by the size its gradients had: what they remember, and the checks.

    A subclass defines `step_param`, the rule, and, where it remembers something else than two moments,
    `buffers`.

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: size of the step; finite and not negative.
        weight_decay: λ of an L2 penalty, or an object with `apply`, see `Optimizer` and `WeightDecay`.
        hyperparameters: further numbers that the subclass's rule needs.

    Raises:
        TypeError, ValueError: see `Optimizer`; also for an `alpha` or a beta outside [0, 1).

    Example:
        >>> class Largest(AdaptiveOptimizer):
        ...     def buffers(self, group):
        ...         return ("largest",)
        ...     def step_param(self, state, group, gradient, parameter):
        ...         np.maximum(state["largest"], abs(gradient), out=state["largest"])
        ...         parameter -= group["learning_rate"] * gradient / (state["largest"] + group["epsilon"])
        >>> weights = Variable([1.0, 1.0])
        >>> optimizer = Largest([weights], learning_rate=0.25, epsilon=0.0)
        >>> weights.grad = Variable([0.001, -1000.0])
        >>> optimizer.step()
        >>> weights.data.tolist()
        [0.75, 1.25]
    """

    def buffers(self, group: dict) -> tuple[str, ...]:
        """Names of the arrays, zeros at first, that the rule remembers under these hyper-parameters."""
        return ("first_moment", "second_moment")

    def check_hyperparameter(self, name: str, value):
        """As in `Optimizer`; `alpha`, the memory of a moving average, must lie in [0, 1)."""
        value = super().check_hyperparameter(name, value)
        return check_memory(name, value) if name == "alpha" else value

    def is_initialized(self, state: dict, group: dict) -> bool:
        """As in `Optimizer`; an option that needs a further array may be switched on later."""
        return super().is_initialized(state, group) and all(name in state for name in self.buffers(group))

    def init_state(self, state: dict, group: dict, parameter: np.ndarray) -> None:
        """An array of zeros for each of `buffers` that is not there."""
        for name in self.buffers(group):
            if name not in state:
                state[name] = np.zeros_like(parameter)

    @property
    def first_moment(self) -> dict[Variable, np.ndarray]:
        """The average gradient of each parameter that has one."""
        return {parameter: state["first_moment"] for parameter, state in self.state.items()
                if "first_moment" in state}

    @property
    def second_moment(self) -> dict[Variable, np.ndarray]:
        """The average squared gradient of each parameter that has one."""
        return {parameter: state["second_moment"] for parameter, state in self.state.items()
                if "second_moment" in state}

# %%
#| exporti
def update_average(average: np.ndarray, value: np.ndarray, beta: float) -> None:
    """average ← β·average + (1 − β)·value, in place."""
    average *= beta
    average += (1 - beta) * value

# %% [markdown]
# The tests of this and the next sections all ask the same question: does the rule do, element by element,
# what its equations say, whatever the shape, the data type, the order in memory and the group? So they share
# one piece, which is given. It lets an optimizer take nine steps with gradients that vary, one that is always
# 0 and one that comes late, and compares every element with plain Python arithmetic: a function
# `move(gradients, …)` that computes the step of *one* element from *all* the gradients it has seen.

# %% nbgrader={"grade": false, "grade_id": "adaptive-expect-rule", "locked": true, "schema_version": 3, "solution": false, "task": false}
STARTS = ([1.0, -2.0, 0.5], [[0.25, -1.5], [3.0, 1.0]], -0.75)
GRADIENTS = (
    ([0.5, 0.0, -1.0], None, 2.0),
    ([-0.25, 0.0, 3.0], None, -1.0),
    ([2.0, 0.0, 0.125], [[1.0, -2.0], [0.0, 0.5]], 0.5),
    ([0.75, 0.0, -0.5], [[-0.5, -1.0], [0.0, 4.0]], 0.0),
    ([-1.5, 0.0, 0.25], None, 1.5),
    ([0.375, 0.0, 1.0], [[0.25, 3.0], [0.0, -1.0]], -2.5),
    ([1.0, 0.0, -2.0], [[2.0, 0.5], [0.0, 0.75]], 0.25),
    ([-0.5, 0.0, 0.75], [[-1.0, 0.125], [0.0, -0.25]], 1.0),
    ([0.25, 0.0, 1.5], [[0.5, -0.75], [0.0, 2.0]], -0.5),
)


def element_path(start, gradients, move, decoupled, learning_rate, weight_decay, **options) -> list[float]:
    """One element after each step; `move(seen, **options)` is its step for a rate of 1."""
    here, seen, path = start, [], []
    for gradient in gradients:
        if gradient is not None:
            penalty = weight_decay * here
            here -= learning_rate * penalty if decoupled else 0.0
            seen.append(gradient if decoupled else gradient + penalty)
            here -= learning_rate * move(seen, **options)
        path.append(here)
    return path


def parameter_path(number, move, decoupled, options) -> np.ndarray:
    """Parameter `number` after each of the nine steps, every element on its own."""
    start = np.array(STARTS[number])
    path = np.empty((len(GRADIENTS), *start.shape))
    for index in np.ndindex(start.shape):
        gradients = [None if given[number] is None else float(np.array(given[number])[index])
                     for given in GRADIENTS]
        path[(slice(None), *index)] = element_path(float(start[index]), gradients, move, decoupled, **options)
    return path


def expect_rule(rule, move, first, second, cause, decoupled=False) -> None:
    """Fail unless an optimizer does for nine steps what plain Python arithmetic does.

    Three runs: float64; float32; and float64 again with a parameter stored column by column, in slices of two
    elements, saved after the fourth step and continued by a new optimizer.

    Args:
        rule: the optimizer's class.
        move: `move(gradients, **options)`: the step, for a rate of 1, of one element that has seen this list.
        first: all hyper-parameters of the first group (shapes (3,) and (2, 2)).
        second: those of the second group (shape ()).
        cause: the likely mistake.
        decoupled: whether weight decay shrinks the element first, instead of entering its gradient.
    """
    expected = [parameter_path(i, move, decoupled, options) for i, options in enumerate((first, first, second))]
    sliced = type(rule.__name__, (rule,), {"slice_size": 2})
    for kind, dtype, order, tolerance in (
        (rule, np.float64, "C", 1e-10), (rule, np.float32, "C", 5e-6), (sliced, np.float64, "F", 1e-10)
    ):
        parameters = [Variable(Tensor.from_numpy(np.array(start, dtype, order=order))) for start in STARTS]
        groups = [{"parameters": parameters[:2], **first}, {"parameters": parameters[2:], **second}]
        optimizer, arrays = kind(groups), [parameter.data.data for parameter in parameters]
        run_name = f"{rule.__name__}, {np.dtype(dtype)}{', in slices' if kind is sliced else ''}"
        for step, given in enumerate(GRADIENTS, start=1):
            give(parameters, given)
            optimizer.step()
            for i, parameter in enumerate(parameters):
                where = f"{run_name}: step {step}, parameter {i}"
                expect_close(where, parameter, expected[i][step - 1], cause, tolerance)
                if given[i] is not None:
                    expect_close(f"{where}: the gradient afterwards", parameter.grad, given[i],
                                 "the gradient is only read")
            if kind is sliced and step == 4:
                saved, optimizer = optimizer.state_dict(), kind(groups)
                optimizer.load_state_dict(saved)
            if step == 6:
                kept = {(i, name): value for i, parameter in enumerate(parameters)
                        for name, value in optimizer.state[parameter].items() if isinstance(value, np.ndarray)}
        for parameter, array in zip(parameters, arrays):
            same = parameter.data.data is array
            expect_equal(f"{run_name}: whether a parameter still has its array", same, True,
                         "update in place: parameter -= ...")
        for (i, name), value in kept.items():
            same = optimizer.state[parameters[i]][name] is value
            expect_equal(f"{run_name}: whether state[{name!r}] is one array from step to step", same, True,
                         "change the arrays of the state in place")
            expect_equal(f"{run_name}: data type of state[{name!r}]", value.dtype, np.dtype(dtype))

# %% [markdown]
# ### Exercise: AdaGrad
#
# *easy · about 10 minutes · 3 lines · 5 points · adagrad*
#
# Complete `AdaGrad.step_param`: one line for each equation. `state["sum_of_squares"]` is $s$; the base class
# has made it. Change it in place, and leave `gradient` as it is. Weight decay is in the gradient already.
#
# <details><summary>Hint: an array by another name</summary>
#
# Let the short name `s` stand for the array in the state. Then `s += ...` changes this array; `s = s + ...`
# makes a new one that the next step never sees.
# </details>

# %% nbgrader={"grade": false, "grade_id": "adagrad", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class AdaGrad(AdaptiveOptimizer):
    """AdaGrad: each element's step is divided by the root of the sum of all its squared gradients.

    For each parameter p with gradient g:  g ← g + λ·p,  s ← s + g²  (s starts at 0),  p ← p − η·g / (√s + ε).
    Steps shrink like 1/√t where gradients stay the same size; elements with rare gradients keep large steps.

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, the length of the first step for each element; by default 0.01.
        epsilon: ε, added to the root; by default 1e-10.
        weight_decay: λ of an L2 penalty, or an object with `apply`, see `Optimizer`.

    Raises:
        TypeError, ValueError: see `Optimizer`.

    Example:
        >>> weight = Variable(1.0)
        >>> optimizer = AdaGrad([weight], learning_rate=0.1)
        >>> for gradient in (3.0, 4.0, 12.0):
        ...     weight.grad = Variable(gradient)
        ...     optimizer.step()
        ...     print(round(weight.data.item(), 4))
        0.9
        0.82
        0.7277

    Source: J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", 2011, figure 1, with the diagonal matrix.
    """

    def __init__(
        self, parameters: Iterable, learning_rate: float = 0.01, epsilon: float = 1e-10, weight_decay=0.0
    ):
        super().__init__(parameters, learning_rate, weight_decay, epsilon=epsilon)

    def buffers(self, group: dict) -> tuple[str, ...]:
        """The sum of the squared gradients."""
        return ("sum_of_squares",)

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """s ← s + g²;  p ← p − η·g / (√s + ε)."""
        ### BEGIN SOLUTION
        s = state["sum_of_squares"]
        s += gradient**2
        parameter -= group["learning_rate"] * gradient / (np.sqrt(s) + group["epsilon"])
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-adagrad", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_adagrad():
    weight = leaf(1.0)
    optimizer = AdaGrad([weight], learning_rate=0.1)
    table = ((3.0, 0.9, "the first step is the learning rate: g / sqrt(g**2) is 1"),
             (4.0, 0.82, "is s kept in the state, 9 + 16 = 25 now, and its root taken?"),
             (12.0, 0.727692308, "9 + 16 + 144 = 169: a sum, not an average"))
    for gradient, expected, cause in table:
        give([weight], [gradient])
        optimizer.step()
        expect_close(f"the table by hand, after the gradient {gradient}", weight, expected, cause)
    expect_close("the sum of the squares 9, 16, 144", optimizer.state[weight]["sum_of_squares"], 169.0,
                 "s += gradient**2")

    idle = leaf([1.0, 2.0], [0.0, 1.0])
    AdaGrad([idle], learning_rate=0.5, epsilon=1.0).step()
    expect_close("gradients 0 and 1 with epsilon 1: 1 / (1 + 1)", idle, [1.0, 1.75],
                 "epsilon is added to the root, after it was taken")

    def move(gradients, epsilon):
        return gradients[-1] / (math.fsum(g * g for g in gradients) ** 0.5 + epsilon)

    expect_rule(
        AdaGrad,
        move,
        {"learning_rate": 0.5, "epsilon": 0.25, "weight_decay": 0.3},
        {"learning_rate": 0.2, "epsilon": 1e-10, "weight_decay": 0.0},
        "s += g**2, then p -= rate * g / (sqrt(s) + epsilon), with the numbers of `group`",
    )
    expect_rule(
        AdaGrad,
        move,
        {"learning_rate": 0.5, "epsilon": 1e-10, "weight_decay": 0.0},
        {"learning_rate": 0.2, "epsilon": 2.0, "weight_decay": 0.1},
        "a gradient that was always 0 divides by epsilon alone, and moves nothing",
    )


test_adagrad()

# %% [markdown]
# ### The centered variant, and momentum
#
# The average of squares mixes two things: how large the gradient is *on average*, and how much it *varies*
# around that average. Graves (2013, equations 38 to 45) keeps the second alone. With a moving average $m$ of
# the gradient itself,
#
# $$m \leftarrow \alpha\, m + (1 - \alpha)\, g \qquad\qquad p \leftarrow p - \eta\, g / (\sqrt{v - m^2} + \epsilon)$$
#
# where $v - m^2$ is the **variance** of recent gradients: the mean of the squares less the square of the
# mean. This **centered** RMSprop takes longer steps where gradients agree. (Graves writes $\epsilon$ inside
# the root; we add it outside, as PyTorch does, for all rules alike.)
#
# A variance is never negative, its *computed* value can be. If all gradients are equal, $v$ and $m^2$ become
# equal too, both are rounded, and the difference may come out as $-10^{-17}$. Its root is not a number, and
# the parameter is lost. So take $\max(v - m^2, 0)$.
#
# A second option is momentum, on the *divided* gradient: with $\mu > 0$,
#
# $$b \leftarrow \mu\, b + g / (\sqrt v + \epsilon) \qquad\qquad p \leftarrow p - \eta\, b$$
#
# *By hand*, centered, with the gradients 3 and 4, $\eta = 0.1$: $m = 0.3$, $v = 0.9$, variance $0.9 - 0.09 =
# 0.81$, step $0.1 \cdot 3 / 0.9 = 0.333$. Then $m = 0.67$, $v = 2.41$, variance $2.41 - 0.449 = 1.961$, step
# $0.1 \cdot 4 / 1.400 = 0.286$.
#
# ### Exercise: RMSprop
#
# *medium · about 25 minutes · about 12 lines · 10 points · rmsprop*
#
# Complete `RMSprop.step_param`. `state["second_moment"]` is $v$; with `group["centered"]` there is also
# `state["first_moment"]`, $m$, and with `group["momentum"]` above 0 `state["momentum_buffer"]`, $b$.
#
# 1. Bring $v$ up to date with `update_average`.
# 2. If centered, bring $m$ up to date, and use the variance, at least 0, where the equation has $v$. The
#    state must keep $v$ itself.
# 3. Divide the gradient by the root plus $\epsilon$.
# 4. If there is momentum, add this into $b$ (in place), and $b$ is the step.
# 5. Move the parameter.
#
# <details><summary>Hint 1: at least 0, element by element</summary>
#
# `np.maximum(array, 0)` makes a new array with the larger of the two in each place.
# </details>
# <details><summary>Hint 2: two meanings of v</summary>
#
# Give the array under the root a name of its own, or bind `v` to a *new* array. What must not happen is that
# `-=` writes the variance into `state["second_moment"]`.
# </details>
# <details><summary>Hint 3: the first two lines</summary>
#
# `update_average` changes its first argument and returns nothing. Its second argument is what is averaged:
# here the square of the gradient.
# </details>

# %% nbgrader={"grade": false, "grade_id": "rmsprop", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class RMSprop(AdaptiveOptimizer):
    """RMSprop: each element's step is divided by the root of a moving average of its squared gradients.

    For each parameter p with gradient g:  g ← g + λ·p,  v ← α·v + (1 − α)·g²,  p ← p − η·g / (√v + ε).
    Centered, the root is that of the variance, at least 0:  m ← α·m + (1 − α)·g,  √max(v − m², 0).
    With momentum:  b ← μ·b + g / (√v + ε),  p ← p − η·b.  Everything starts at 0, without bias correction.

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, about the length of a step for each element; by default 0.01.
        alpha: α in [0, 1), memory of the averages; by default 0.9 (PyTorch: 0.99).
        epsilon: ε, added to the root; by default 1e-5 (PyTorch: 1e-8).
        centered: divide by the root of the variance instead of the mean square. Where gradients agree for
            long, the variance tends to 0 and steps to η·g/ε: choose ε with care.
        momentum: μ, the part of the last step that is taken again; 0 for none.
        weight_decay: λ of an L2 penalty, or an object with `apply`, see `Optimizer`.

    Raises:
        TypeError: see `Optimizer`; also if centered is not True or False.
        ValueError: see `Optimizer`; also for an alpha outside [0, 1).

    Example:
        >>> weights = Variable([1.0, 1.0])
        >>> optimizer = RMSprop([weights], learning_rate=0.01)
        >>> for _ in range(2):
        ...     weights.grad = Variable([0.5, -500.0])
        ...     optimizer.step()
        >>> [round(value, 3) for value in weights.data.tolist()]
        [0.945, 1.055]

    Sources: T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Coursera, 2012 (slides 6e); centered: A. Graves,
    "Generating Sequences With Recurrent Neural Networks", arXiv:1308.0850, 2013, equations 38 to 45 (there ε is
    inside the root).
    """

    def __init__(
        self,
        parameters: Iterable,
        learning_rate: float = 0.01,
        alpha: float = 0.9,
        epsilon: float = 1e-5,
        centered: bool = False,
        momentum: float = 0.0,
        weight_decay=0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay, alpha=alpha, epsilon=epsilon,
                         centered=centered, momentum=momentum)

    def check_hyperparameter(self, name: str, value):
        """As in `AdaptiveOptimizer`; `centered` is True or False."""
        return check_flag(name, value) if name == "centered" else super().check_hyperparameter(name, value)

    def buffers(self, group: dict) -> tuple[str, ...]:
        """The average square; if centered, the average gradient; with momentum, the last step."""
        names = ["second_moment"]
        if group["centered"]:
            names.append("first_moment")
        if group["momentum"]:
            names.append("momentum_buffer")
        return tuple(names)

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """The equations of the class, in place."""
        ### BEGIN SOLUTION
        v = state["second_moment"]
        update_average(v, gradient**2, group["alpha"])
        if group["centered"]:
            m = state["first_moment"]
            update_average(m, gradient, group["alpha"])
            v = np.maximum(v - m**2, 0)
        step = gradient / (np.sqrt(v) + group["epsilon"])
        if group["momentum"]:
            b = state["momentum_buffer"]
            b *= group["momentum"]
            b += step
            step = b
        parameter -= group["learning_rate"] * step
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-rmsprop", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_rmsprop():
    tables = {
        "plain": ({}, (3.0, 0.683772234, "the first step is rate / sqrt(1 - alpha): no bias correction"),
                  (4.0, 0.426109583, "is v kept, 0.9 * 0.9 + 0.1 * 16 = 2.41 now?"),
                  (12.0, 0.13130577, "v = 0.9 * v + 0.1 * g**2, and its root")),
        "centered": ({"centered": True}, (3.0, 0.666666667, "the variance is 0.9 - 0.3**2 = 0.81"),
                     (4.0, 0.381032522, "does the state keep v itself, not the variance?"),
                     (12.0, 0.052212218, "m = 0.9 * m + 0.1 * g, under the root v - m**2")),
        "momentum 0.5": ({"momentum": 0.5}, (3.0, 0.683772234, "the buffer begins at 0"),
                         (4.0, 0.2679957, "b = momentum * b + g / (sqrt(v) + epsilon)"),
                         (12.0, -0.23469638, "is b kept in state['momentum_buffer']?")),
    }
    for name, (options, *table) in tables.items():
        weight = leaf(1.0)
        optimizer = RMSprop([weight], learning_rate=0.1, alpha=0.9, epsilon=0.0, **options)
        for gradient, expected, cause in table:
            give([weight], [gradient])
            optimizer.step()
            expect_close(f"by hand, {name}, after the gradient {gradient}", weight, expected, cause)
        expect_close(f"the average square after 3, 4, 12 ({name})", optimizer.second_moment[weight], 16.569,
                     "update_average(v, gradient**2, alpha), and nothing else changes v")

    state = {"second_moment": np.array([0.99]), "first_moment": np.array([1.0]), "update_count": 100}
    weight = leaf([3.0])
    optimizer = RMSprop([weight], learning_rate=0.25, epsilon=0.5, centered=True)
    with np.errstate(invalid="ignore"):
        optimizer.step_param(state, optimizer.param_groups[0], np.array([1.0]), weight.data.data)
    expect_close("v = 0.991, m = 1: a variance that comes out negative, epsilon 0.5", weight, [2.5],
                 "take np.maximum(v - m**2, 0) before the root: the step is 0.25 * 1 / (0 + 0.5)")

    def move(gradients, alpha, epsilon, centered, momentum):
        total = 0.0
        for t in range(1, len(gradients) + 1):
            weights = [(1 - alpha) * alpha ** (t - 1 - i) for i in range(t)]
            mean = math.fsum(w * g for w, g in zip(weights, gradients)) if centered else 0.0
            square = math.fsum(w * g * g for w, g in zip(weights, gradients)) - mean * mean
            total = momentum * total + gradients[t - 1] / (max(square, 0.0) ** 0.5 + epsilon)
        return total

    plain = {"learning_rate": 0.1, "alpha": 0.75, "epsilon": 1e-5, "centered": False, "momentum": 0.0,
             "weight_decay": 0.0}
    both = {"learning_rate": 0.2, "alpha": 0.6, "epsilon": 0.5, "centered": True, "momentum": 0.8,
            "weight_decay": 0.3}
    cause = "v, then m and the variance if centered, then the division, then momentum if there is any"
    expect_rule(RMSprop, move, plain, both, cause)
    expect_rule(RMSprop, move, both, {**plain, "momentum": 0.7, "epsilon": 2.0}, cause)
    centered = {**plain, "centered": True, "epsilon": 0.1}
    expect_rule(RMSprop, move, centered, {**plain, "weight_decay": 0.1}, cause)


test_rmsprop()

# %% [markdown]
# **Use it: a small, a volatile and a large gradient.** Back to the three weights of the beginning. All rules
# get the rate 0.01.
#
# **Predict first.** How long is the 100th step of AdaGrad and of RMSprop for the gradient 0.01? For the
# gradient 10? And for the volatile one, $\pm 1$ at random: does dividing by the usual size calm it down?

# %% tags=["demo", "raises-exception"]
streams = {"small: 0.01": np.full(100, 0.01),
           "volatile: ±1 at random": np.random.default_rng(0).choice([-1.0, 1.0], 100),
           "large: 10": np.full(100, 10.0)}
rules = {"SGD": (SGD, plotting.BLACK, ":"), "AdaGrad": (AdaGrad, plotting.VERMILLION, "--"),
         "RMSprop": (RMSprop, plotting.BLUE, "-")}
figure, panels = plt.subplots(1, 3, figsize=(8.4, 3.2), sharey=True)
ends = ["| gradient | " + " | ".join(f"{name} after 100 steps" for name in rules) + " |", "|---" * 4 + "|"]
for axes, (stream, gradients) in zip(panels, streams.items()):
    cells = []
    for name, (rule, color, style) in rules.items():
        path = run(rule([leaf(0.0)], learning_rate=0.01), gradients)
        axes.semilogy(np.arange(1, 101), np.abs(np.diff(path, prepend=0.0)), style, color=color)
        cells.append(f"{path[-1]:.3f}")
    ends.append(f"| {stream} | " + " | ".join(cells) + " |")
    label_axes(axes, "step", "", stream)
panels[0].set_ylabel("length of the step")
for name, height in (("SGD", 1.25e-4), ("AdaGrad", 3.2e-3), ("RMSprop", 1.3e-2)):
    panels[0].text(40, height, name, color=rules[name][1])
plotting.show(
    figure,
    "Length of each step under three gradients, on a logarithmic axis. For gradient descent it follows the "
    "gradient: 0.0001, 0.01, 0.1. RMSprop settles at 0.01 and AdaGrad falls like one over the root of the "
    "step in all three panels.",
)
display(Markdown("\n".join(ends)))

# %% [markdown]
# - **Small and large look the same.** The unit of the gradient cancels: multiply all gradients by a thousand,
#   and neither rule notices (but for $\epsilon$). RMSprop's steps settle at $\eta = 0.01$, after a first one
#   of 0.0316.
# - **AdaGrad's steps shrink like $\eta/\sqrt t$** for a gradient of constant size, as $\sqrt s = |g| \sqrt
#   t$. That is a built-in schedule: good for problems that hold still, and it cannot be turned off.
# - **The volatile gradient is *not* calmed down.** Its size is 1, so RMSprop takes full steps of 0.01, left
#   and right at random. Both rules measure squares, and squares have no sign: that half of the steps undo the
#   other half is left to chance, as in plain gradient descent (see where the weight ends, in the table).
#
# That last gap is what Adam closes, in section 4.
#
# **Shrinking and forgetting.** Now a gradient that changes its size for good, as happens when training leaves
# a steep region: 10 for fifty steps, then 0.1.
#
# **Predict first.** What will be the length of each rule's step at step 51? And at step 200?

# %% tags=["demo", "raises-exception"]
gradients = np.repeat([10.0, 0.1], [50, 200])
figure, axes = plt.subplots(figsize=(7.0, 3.4))
for name, (rule, color, style) in rules.items():
    lengths = np.abs(np.diff(run(rule([leaf(0.0)], learning_rate=0.01), gradients), prepend=0.0))
    axes.semilogy(np.arange(1, 251), lengths, style, color=color)
    axes.text(253, lengths[-1], name, color=color, va="center")
axes.axvline(50.5, color=plotting.GRAY, linewidth=0.8)
axes.text(48, 7e-6, "gradient 10", ha="right", color=plotting.BLACK)
axes.text(53, 7e-6, "gradient 0.1", color=plotting.BLACK)
axes.set(xlim=(0, 250), ylim=(4e-6, 0.3))
label_axes(axes, "step", "length of the step")
plotting.show(
    figure,
    "Length of each step when the gradient falls from 10 to 0.1 at step 50. All rules drop to about a "
    "hundredth. RMSprop climbs back to 0.01 within about a hundred steps, AdaGrad stays near 0.00001.",
)

# %% [markdown]
# Both are caught unawares at step 51. RMSprop forgets a tenth of the old squares at every step and is back
# at full length after about a hundred. AdaGrad divides by $\sqrt{50 \cdot 10^2} \approx 71$ for the rest of
# its life.
#
# **Where AdaGrad shines.** It was made for features that are *rare*: a word that occurs in one text of fifty
# has a gradient in one step of fifty, and each of them is precious. The common word has used up its large
# steps long ago; the rare one still has them.

# %% tags=["demo", "raises-exception"]
common, rare = np.ones(500), np.where(np.arange(1, 501) % 50 == 0, 1.0, 0.0)
for name, (rule, _, _) in rules.items():
    ways = [-run(rule([leaf(0.0)], learning_rate=0.01), gradients)[-1] for gradients in (common, rare)]
    print(f"{name:8} way for each gradient of 1:  common {ways[0] / 500:.4f},  rare {ways[1] / 10:.4f}")

# %% [markdown]
# With AdaGrad a rare gradient moves its weight five to six times as far as a common one. With RMSprop a rare
# one counts more too, for another reason: during the 49 steps with gradient 0 it has forgotten that there
# ever was one, and takes each for the first.
#
# **Centered, and its danger.** One more look at the variance. A gradient that is always 1 has none.
#
# **Predict first.** $\epsilon = 10^{-5}$, rate 0.01, gradient 1 at every step. How long do the steps of the
# centered RMSprop become?

# %% tags=["demo", "raises-exception"]
steady, noisy = np.ones(300), 1 + 0.5 * np.random.default_rng(2).normal(size=300)
cases = (("centered, gradient always 1", True, steady, plotting.VERMILLION, "--", 1.8),
         ("centered, gradient 1 ± 0.5", True, noisy, plotting.ORANGE, "-", 0.9),
         ("not centered, gradient always 1", False, steady, plotting.BLUE, "-", 1.8))
figure, axes = plt.subplots(figsize=(7.0, 3.4))
for name, centered, gradients, color, style, width in cases:
    path = run(RMSprop([leaf(0.0)], learning_rate=0.01, centered=centered), gradients)
    lengths = np.abs(np.diff(path, prepend=0.0))
    axes.semilogy(np.arange(1, 301), lengths, style, color=color, label=name, linewidth=width)
axes.set(xlim=(0, 300), ylim=(3e-3, 3e4))
axes.legend(loc="upper left")
label_axes(axes, "step", "length of the step")
plotting.show(
    figure,
    "Length of the steps of RMSprop on a logarithmic axis. Not centered it is 0.01; centered, with noise, "
    "about twice that; centered and without noise it grows exponentially to 1000.",
)

# %% [markdown]
# With noise, as in training on small batches, centering makes these steps about twice as long, as $g /
# \sigma = 1 / 0.5$ ($\sigma$ is the root of the variance): gradients that agree are trusted more. Without
# noise the variance fades like $\alpha^t$, and the steps grow until $\epsilon$ stops them at $\eta\,
# g/\epsilon = 1000$. A weight below a constant slope (a bias under a linear loss, say) is thrown away. If
# you use the centered rule, choose a larger $\epsilon$.
#
# And the rounding? It is no theory. With a gradient of 7 at every step, in float64, the computed variance
# falls below 0:

# %% tags=["demo", "raises-exception"]
v = m = 0.0
for t in range(1, 332):
    v, m = 0.9 * v + (1 - 0.9) * 7.0**2, 0.9 * m + (1 - 0.9) * 7.0
print(f"after {t} gradients of 7: average square {v}, square of the average {m**2}, variance {v - m**2:.1e}")

# %% [markdown]
# PyTorch takes the root without the maximum. In version 2.13, where we tried it, a weight under
# `RMSprop(centered=True)` with $\alpha = 0.9$ becomes `nan` when its gradient is 0.1 at every step: in
# float64 at step 331 (its arithmetic rounds in another order than ours, so other gradients are hit). In
# float32 the gradients 0.7, 3 and 10 do it in fewer than 150 steps. Your class survives; but look again at
# the dashed line before you call that a success.

# %% [markdown]
# ## 4. Adam is momentum and RMSprop
#
# **The problem.** Sections 2 and 3 repaired one thing each:
#
# | | a small, steady gradient | a volatile gradient |
# |---|---|---|
# | momentum, as an average | crawls: the step has the gradient's unit | calmed: opposite signs cancel in $m$ |
# | RMSprop | full steps: the unit cancels | not calmed: squares have no sign |
#
# **The idea.** Do both: let the average gradient say where to, and divide by the root of the average square.
# With $m$ the moving average of section 2 (`average=True`), and $v$ that of section 3, with two memories
# $\beta_1$ and $\beta_2$ in place of $\mu$ and $\alpha$:
#
# $$\begin{aligned}
# m &\leftarrow \beta_1\, m + (1 - \beta_1)\, g &&\text{momentum, as an average}\\
# v &\leftarrow \beta_2\, v + (1 - \beta_2)\, g^2 &&\text{RMSprop}\\
# p &\leftarrow p - \eta\, m / (\sqrt v + \epsilon) &&\text{both}
# \end{aligned}$$
#
# You know these lines. They are module 08's Adam without its two corrections, $\hat m = m/(1 - \beta_1^t)$
# and $\hat v = v/(1 - \beta_2^t)$.
#
# **By hand**, $\eta = 0.1$, both memories 0.9, gradients 3 and 4: $m = 0.3$, then 0.67; $v = 0.9$, then 2.41
# as in section 3. The steps are $0.1 \cdot 0.3/0.949 = 0.0316$ and $0.1 \cdot 0.67/1.552 = 0.0432$.
#
# ### Exercise: Adam from its parts
#
# *easy · about 10 minutes · 4 lines · 6 points · adam-from-parts*
#
# Write `UncorrectedAdam.step_param` with two calls of `update_average` and one line for the step.
# `AdaptiveOptimizer` has made `state["first_moment"]` and `state["second_moment"]`. The class serves this
# section only; the library has the corrected Adam, from module 08.

# %% nbgrader={"grade": false, "grade_id": "adam-from-parts", "locked": false, "schema_version": 3, "solution": true, "task": false}
class UncorrectedAdam(AdaptiveOptimizer):
    """Adam without bias correction: m and v as in Adam, then p ← p − η·m / (√v + ε)."""

    def __init__(self, parameters, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def step_param(self, state, group, gradient, parameter):
        ### BEGIN SOLUTION
        m, v = state["first_moment"], state["second_moment"]
        update_average(m, gradient, group["beta1"])
        update_average(v, gradient**2, group["beta2"])
        parameter -= group["learning_rate"] * m / (np.sqrt(v) + group["epsilon"])
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-adam-from-parts", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_adam_from_parts():
    weight = leaf(1.0)
    optimizer = UncorrectedAdam([weight], learning_rate=0.1, beta1=0.9, beta2=0.9)
    for gradient, expected, cause in (
        (3.0, 0.968377224, "m / (sqrt(v) + epsilon), with m = 0.3 and v = 0.9"),
        (4.0, 0.925218602, "are both averages kept, m = 0.67 and v = 2.41?"),
    ):
        give([weight], [gradient])
        optimizer.step()
        expect_close(f"by hand, after the gradient {gradient}", weight, expected, cause)
    moments = optimizer.first_moment[weight], optimizer.second_moment[weight]
    expect_close("the two moments after 3 and 4", moments, [0.67, 2.41],
                 "update_average(m, gradient, beta1) and update_average(v, gradient**2, beta2)")

    def move(gradients, beta1, beta2, epsilon):
        ages = range(len(gradients) - 1, -1, -1)
        m = math.fsum((1 - beta1) * beta1**age * g for age, g in zip(ages, gradients))
        v = math.fsum((1 - beta2) * beta2**age * g * g for age, g in zip(ages, gradients))
        return m / (v**0.5 + epsilon)

    expect_rule(
        UncorrectedAdam,
        move,
        {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.6, "epsilon": 0.25, "weight_decay": 0.3},
        {"learning_rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
        "each beta with its average, and epsilon outside the root; no correction here",
    )
    expect_rule(
        UncorrectedAdam,
        move,
        {"learning_rate": 0.05, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-8, "weight_decay": 0.0},
        {"learning_rate": 0.1, "beta1": 0.0, "beta2": 0.75, "epsilon": 2.0, "weight_decay": 0.1},
        "a gradient that was always 0 moves nothing",
    )


test_adam_from_parts()

# %% [markdown]
# **Use it.** One weight lives through three phases: a volatile gradient of $\pm 1$ (as often $+1$ as $-1$), a
# steady gradient of 1, and a steady gradient of 0.1. All memories are 0.9.
#
# **Predict first.** For each rule and each phase: are its steps full (about $\eta$), or small?

# %% tags=["demo", "raises-exception"]
volatile = np.random.default_rng(4).permutation(np.repeat([-1.0, 1.0], 30))
gradients = np.concatenate([volatile, np.full(60, 1.0), np.full(90, 0.1)])
weights = [leaf(0.0) for _ in range(3)]
rules = {"momentum, as an average": MomentumSGD([weights[0]], 1.0, momentum=0.9, average=True),
         "RMSprop": RMSprop([weights[1]], 1.0, alpha=0.9),
         "both: Adam without correction": UncorrectedAdam([weights[2]], 1.0, beta1=0.9, beta2=0.9)}
figure, panels = plt.subplots(3, 1, figsize=(7.0, 5.6), sharex=True, sharey=True)
for axes, (name, optimizer), color in zip(panels, rules.items(), plotting.COLORS):
    steps = -np.diff(run(optimizer, gradients), prepend=0.0)
    axes.axhline(0, color=plotting.GRAY, linewidth=0.8)
    axes.bar(np.arange(1, 211), steps, width=1.0, color=color, linewidth=0)
    for border in (60.5, 120.5):
        axes.axvline(border, color=plotting.GRAY, linewidth=0.8, linestyle=":")
    label_axes(axes, "", "step / η", name)
    axes.set(xlim=(0, 211), ylim=(-2.2, 3.4), yticks=(-1, 0, 1, 3))
for place, text in ((30.5, "gradient ±1"), (90.5, "gradient 1"), (165.5, "gradient 0.1")):
    panels[0].text(place, 2.2, text, ha="center")
panels[2].set_xlabel("update")
plotting.show(
    figure,
    "Steps of three rules through three phases. Momentum: small under the volatile gradient, full under a "
    "gradient of 1, a tenth under 0.1. RMSprop: full in all phases, but in both directions in the first. "
    "Both together: small in the first phase, full in the second, and full again in the third after a dip.",
)

# %% [markdown]
# The third row has what each of the others lacks: small steps where gradients contradict each other, full
# steps where they agree, whatever their unit. (The dip after update 120 is the forgetting of section 3. With
# $\beta_2 = 0.999$, Adam's usual value, it would last thousands of steps.)
#
# **"Is" means to the last digit.** Run momentum and RMSprop side by side on the same gradients, and take
# nothing from them but their buffers. One line puts these together. Then compare with your class, not
# approximately but with `==`.

# %% tags=["demo", "raises-exception"]
gradients = np.random.default_rng(5).normal(size=(100, 4)) * [0.001, 1.0, 30.0, 0.0]
parts, whole = [leaf(np.ones(4)), leaf(np.ones(4))], leaf(np.ones(4))
momentum = MomentumSGD([parts[0]], momentum=0.9, average=True)
rmsprop = RMSprop([parts[1]], alpha=0.999)
adam = UncorrectedAdam([whole], learning_rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8)
combined, equal = np.ones(4), []
for gradient in gradients:
    give([*parts, whole], [gradient] * 3)
    for optimizer in (momentum, rmsprop, adam):
        optimizer.step()
    m, v = momentum.momentum_buffers[parts[0]], rmsprop.second_moment[parts[1]]
    combined = combined - 0.1 * m / (np.sqrt(v) + 1e-8)
    equal.append(np.array_equal(combined, whole.data.data))
print(f"{sum(equal)} of {len(equal)} steps equal to the last digit; the end: {combined}")

# %% [markdown]
# ### What the correction is worth
#
# Now compare with module 08's Adam, which corrects both averages. If $\epsilon$ is negligible, an uncorrected
# step is
#
# $$\frac{m / \sqrt v}{\hat m / \sqrt{\hat v}} = \frac{1 - \beta_1^t}{\sqrt{1 - \beta_2^t}}$$
#
# times as long as a corrected one. For the first step with the usual betas that is $0.1/\sqrt{0.001} = 3.16$:
# *too long*, though both averages are too small. Module 08 drew this ratio for $\beta_2 = 0.999$.
#
# **Predict first.** For $\beta_1 = 0.9$ and $\beta_2 = 0.9$, is the first uncorrected step too long or too
# short? For which $\beta_2$ is it just right, and does it stay so? And does the ratio depend on the
# gradients?

# %% tags=["demo", "raises-exception"]
gradients = np.random.default_rng(6).normal(size=2000)
t = np.arange(1, 2001)
marks = np.unique(np.geomspace(1, 2000, 22).astype(int)) - 1
figure, axes = plt.subplots(figsize=(7.0, 3.5))
axes.axhline(1, color=plotting.GRAY, linewidth=0.8)
for beta2, place, color in ((0.999, (14, 6.75), plotting.VERMILLION), (0.99, (30, 2.0), plotting.BLUE),
                            (0.9, (30, 0.45), plotting.GREEN)):
    lengths = [np.diff(run(rule([leaf(0.0)], learning_rate=0.01, beta2=beta2), gradients), prepend=0.0)
               for rule in (UncorrectedAdam, Adam)]
    axes.semilogx(t, (1 - 0.9**t) / np.sqrt(1 - beta2**t), color=color)
    axes.semilogx(t[marks], (lengths[0] / lengths[1])[marks], "o", color=color, markersize=4)
    axes.text(*place, f"β₂ = {beta2}: first {lengths[0][0] / lengths[1][0]:.2f}", color=color)
axes.set_ylim(0, 7.4)
label_axes(axes, "update t", "uncorrected / corrected step")
plotting.show(
    figure,
    "Ratio of uncorrected to corrected Adam steps for three values of beta2, measured dots on the computed "
    "curves. For 0.999 it starts at 3.16 and peaks at 6.6; for 0.99 it starts at 1 and peaks at about 2.1; "
    "for 0.9 it rises from 0.32 to 1.",
)

# %% [markdown]
# The dots are measured on random gradients, the lines are the formula: they agree, so the gradients do not
# matter. With equal betas the early steps are too short, which is harmless. With $\beta_2 = 0.99$ the first
# is just right, as $1 - 0.99 = (1 - 0.9)^2$, and the next are too long all the same. With the usual betas
# they are up to 6.6 times too long, just when the averages know least.
#
# The correction can also be written as a **schedule**. Multiply numerator and denominator of Adam's step by
# $\sqrt{1 - \beta_2^t}$:
#
# $$\eta\, \frac{\hat m}{\sqrt{\hat v} + \epsilon} = \eta_t\, \frac{m}{\sqrt v + \hat\epsilon_t}, \qquad \eta_t = \eta\, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}, \qquad \hat\epsilon_t = \epsilon\, \sqrt{1 - \beta_2^t}$$
#
# Kingma and Ba give this form at the end of their section 2. So module 08's Adam must be your uncorrected one
# with a rate and an epsilon that change from step to step:

# %% tags=["demo", "raises-exception"]
gradients = np.random.default_rng(5).normal(size=(100, 4)) * [0.001, 1.0, 30.0, 0.0]
scheduled, plain = leaf(np.ones(4)), leaf(np.ones(4))
uncorrected, adam = UncorrectedAdam([scheduled]), Adam([plain], learning_rate=0.1, epsilon=0.01)
for t, gradient in enumerate(gradients, start=1):
    root = math.sqrt(1 - 0.999**t)
    uncorrected.param_groups[0].update(learning_rate=0.1 * root / (1 - 0.9**t), epsilon=0.01 * root)
    give([scheduled, plain], [gradient] * 2)
    uncorrected.step()
    adam.step()
difference = np.max(np.abs(scheduled.data.data - plain.data.data))
print(f"after {t} steps: largest difference {difference:.1e}, weights {plain.data.data}")

# %% [markdown]
# They agree but for rounding. Note the epsilon: $\hat\epsilon_t$ is $\epsilon$ times the *root* of $1 -
# \beta_2^t$. You can find it in print without the root. And an implementation that uses this form with a
# constant $\hat\epsilon$ has another epsilon than Adam: at $t = 1$, 32 times as large.
#
# ### A look-alike: RMSprop with momentum
#
# `RMSprop(momentum=0.9)`, here and in PyTorch, combines the same two ideas in the other order:
#
# $$\text{Adam: } \frac{\text{average of } g}{\text{usual size now}} \qquad\qquad \text{RMSprop with momentum: sum of } \frac{g}{\text{usual size at its time}}$$
#
# RMSprop exchanges every gradient into steps at the rate of its own day, and saves up the steps. Adam saves
# up gradients, and exchanges the whole account at today's rate.
#
# **Predict first.** The gradient is 10 for fifty steps and then $-0.1$: the weight has gone past the minimum
# and should turn around. Which of the two turns first? (All memories are 0.9, and RMSprop gets a tenth of the
# rate, since its momentum adds up to ten times a step.)

# %% tags=["demo", "raises-exception"]
gradients = np.repeat([10.0, -0.1], [50, 130])
weights = leaf(0.0), leaf(0.0)
cases = (("Adam", Adam([weights[0]], 0.01, beta2=0.9), plotting.BLUE, "-"),
         ("RMSprop with momentum", RMSprop([weights[1]], 0.001, momentum=0.9), plotting.VERMILLION, "--"))
figure, axes = plt.subplots(figsize=(7.0, 3.4))
for name, optimizer, color, style in cases:
    path = np.append(0.0, run(optimizer, gradients))
    turn = int(np.argmin(path))
    axes.plot(path, style, color=color)
    axes.plot(turn, path[turn], "o", color=color)
    print(f"{name} turns at step {turn}")
axes.axvline(50, color=plotting.GRAY, linewidth=0.8)
axes.text(48, -0.03, "gradient 10", ha="right")
axes.text(52, -0.03, "gradient −0.1")
axes.text(93, -0.71, "Adam", color=plotting.BLUE, ha="center")
axes.text(92, -0.5, "RMSprop with momentum", color=plotting.VERMILLION, ha="center")
axes.set(xlim=(0, 180), ylim=(-0.75, 0.03))
label_axes(axes, "step", "weight")
plotting.show(
    figure,
    "The way of one weight when the gradient changes from 10 to -0.1 at step 50. RMSprop with momentum turns "
    "around earlier, Adam coasts on in the old direction for more than forty steps.",
)

# %% [markdown]
# Both coast on, with what they have saved. But in Adam's account fifty gradients of 10 stand against new ones
# of 0.1: nobody outvotes them before $0.9^k$ has made them a hundred times smaller. RMSprop's account holds
# *steps*, about 1 each, and the new gradients too are soon worth more as $v$ forgets; the turn comes twelve
# steps earlier. Neither is the right one. But they are two rules, and a comparison that says "RMSprop with
# momentum, which is Adam" compares something else.

# %% [markdown]
# ## 5. A base, and three variants of Adam
#
# Since 2014 dozens of rules have been proposed that change a line or two of Adam. This section takes three
# that each name a real weakness and repair it: AMSGrad, NAdam, RAdam. You have what they need:
#
# | who | does |
# |---|---|
# | `Optimizer` (module 08) | the loop, groups, the count of updates, weight decay, slices, saving, the checks of betas and $\epsilon$ |
# | `AdaptiveOptimizer` | arrays of zeros by name, `first_moment` and `second_moment` to look at, the check of $\alpha$ |
# | `update_average` | both moving averages |
# | the rule | its own lines |
#
# How little is left, you can see in a rule of 2023. **Lion** (Chen and others, "Symbolic Discovery of
# Optimization Algorithms", found by a program that searched among programs) takes the sign of an average and
# needs one array instead of two:

# %% tags=["demo", "raises-exception"]
class Lion(AdaptiveOptimizer):
    def __init__(self, parameters, learning_rate=1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0):
        super().__init__(parameters, learning_rate, weight_decay, beta1=beta1, beta2=beta2)

    def buffers(self, group):
        return ("first_moment",)

    def step_param(self, state, group, gradient, parameter):
        m, beta1 = state["first_moment"], group["beta1"]
        parameter -= group["learning_rate"] * np.sign(beta1 * m + (1 - beta1) * gradient)
        update_average(m, gradient, group["beta2"])


print(run(Lion([leaf([1.0, 1.0])], learning_rate=0.1), [[0.001, -50.0], [0.002, 80.0], [-0.1, 1.0]]))

# %% [markdown]
# ### AMSGrad: never forget a large gradient
#
# **The problem.** In section 3 forgetting was a virtue. Reddi, Kale and Kumar (2018) found a problem where
# it is fatal, so plain that one line states it. The gradient does not depend on the weight at all: it is 3 at
# every third step, and $-1$ at the two others. (The paper has any $C > 2$ in place of 3.)
#
# The average gradient is $(3 - 1 - 1)/3 = 1/3$, positive. So every sensible rule should, in the long run,
# make the weight *smaller*; let it live in $[-1, 1]$, then the best place is $-1$.
#
# **By hand**, for Adam without momentum and with a short memory, $\beta_1 = 0$, $\beta_2 = 0.1$. When the 3
# arrives, $v$ becomes $0.1 \cdot 1.07 + 0.9 \cdot 9 = 8.21$, and the step is $-3/\sqrt{8.21} =
# -1.05\,\eta$: the large gradient pays for its own size. Then $v$ forgets, $0.1 \cdot 8.21 + 0.9 = 1.72$,
# and the step is $+1/\sqrt{1.72} = +0.76\,\eta$; then $v = 1.07$ (as assumed), step $+0.97\,\eta$. Together
# $+0.68\,\eta$ in three steps: uphill.
#
# **The idea.** Divide by the *largest* $v$ there ever was. With this one more array, $v^{\max}$, and bias
# correction as in Adam:
#
# $$\begin{aligned}
# m &\leftarrow \beta_1\, m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2\, v + (1 - \beta_2)\, g^2\\
# v^{\max} &\leftarrow \max(v^{\max}, v)\\
# p &\leftarrow p - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v^{\max} / (1 - \beta_2^t)} + \epsilon}
# \end{aligned}$$
#
# The paper's algorithm 2 has no bias correction. PyTorch's `Adam(amsgrad=True)` corrects the maximum as it
# corrects $v$, and so do we. The maximum must be taken of the uncorrected $v$: the corrected one begins large
# for lack of evidence, and a maximum would keep that for ever.
#
# ### Exercise: AMSGrad
#
# *easy · about 15 minutes · about 8 lines in two places · 5 points · amsgrad*
#
# 1. `buffers`: return a tuple of the names of the three arrays, `"first_moment"`, `"second_moment"` and
#    `"largest_second_moment"`.
# 2. `step_param`: the equations, in place.
#
# <details><summary>Hint: a maximum in place</summary>
#
# `np.maximum(a, b)` makes a new array. Like most of NumPy's functions it takes `out=`, an array for the
# result.
# </details>

# %% nbgrader={"grade": false, "grade_id": "amsgrad", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class AMSGrad(AdaptiveOptimizer):
    """AMSGrad: Adam that divides by the largest average square so far.

    For each parameter p with gradient g, at its t-th update:  g ← g + λ·p,  m ← β₁·m + (1 − β₁)·g,
    v ← β₂·v + (1 − β₂)·g²,  v_max ← max(v_max, v),  m̂ = m / (1 − β₁ᵗ),  v̂ = v_max / (1 − β₂ᵗ),
    p ← p − η·m̂ / (√v̂ + ε).

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, about the longest step for each element; by default 0.001.
        beta1: β₁ in [0, 1), memory of the average gradient.
        beta2: β₂ in [0, 1), memory of the average squared gradient.
        epsilon: ε, added to the root.
        weight_decay: λ of an L2 penalty, or an object with `apply`, see `Optimizer`.

    Raises:
        TypeError, ValueError: see `Optimizer`; also for a beta outside [0, 1).

    Example:
        >>> weight = Variable(0.0)
        >>> optimizer = AMSGrad([weight], learning_rate=0.1, beta1=0.0, beta2=0.5)
        >>> for gradient in (4.0, 1.0, 1.0):
        ...     weight.grad = Variable(gradient)
        ...     optimizer.step()
        ...     print(round(weight.data.item(), 4))
        -0.1
        -0.1306
        -0.1637

    Source: S. J. Reddi, S. Kale and S. Kumar, "On the Convergence of Adam and Beyond", 2018, algorithm 2; the
    bias correction, of the maximum too, is PyTorch's.
    """

    def __init__(
        self,
        parameters: Iterable,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay=0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def buffers(self, group: dict) -> tuple[str, ...]:
        """Both moments and the largest second moment."""
        ### BEGIN SOLUTION
        return ("first_moment", "second_moment", "largest_second_moment")
        ### END SOLUTION

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """The equations of the class, in place."""
        ### BEGIN SOLUTION
        t, m, v = state["update_count"], state["first_moment"], state["second_moment"]
        largest = state["largest_second_moment"]
        update_average(m, gradient, group["beta1"])
        update_average(v, gradient**2, group["beta2"])
        np.maximum(largest, v, out=largest)
        m_hat = m / (1 - group["beta1"] ** t)
        v_hat = largest / (1 - group["beta2"] ** t)
        parameter -= group["learning_rate"] * m_hat / (np.sqrt(v_hat) + group["epsilon"])
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-amsgrad", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_amsgrad():
    weight = leaf(0.0)
    optimizer = AMSGrad([weight], learning_rate=0.1, beta1=0.0, beta2=0.5, epsilon=0.0)
    for gradient, expected, cause in (
        (4.0, -0.1, "the first step is the learning rate"),
        (1.0, -0.130618622, "v = 0.5 * 8 + 0.5 * 1 = 4.5 is less than 8: divide by the root of 8 / 0.75"),
        (1.0, -0.163690513, "8 / 0.875 still: is the maximum kept, and taken before the correction?"),
        (8.0, -0.297770818, "v = 33.375 is the largest now"),
    ):
        give([weight], [gradient])
        optimizer.step()
        expect_close(f"beta1 0, beta2 0.5, after the gradient {gradient}", weight, expected, cause)
    expect_close("the average square after 4, 1, 1, 8", optimizer.second_moment[weight], 33.375,
                 "the average itself goes on as in Adam")

    def move(gradients, beta1, beta2, epsilon):
        t = len(gradients)
        m = math.fsum((1 - beta1) * beta1 ** (t - 1 - i) * g for i, g in enumerate(gradients))
        largest = max(math.fsum((1 - beta2) * beta2 ** (last - i) * gradients[i] ** 2 for i in range(last + 1))
                      for last in range(t))
        return m / (1 - beta1**t) / ((largest / (1 - beta2**t)) ** 0.5 + epsilon)

    expect_rule(
        AMSGrad,
        move,
        {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.5, "epsilon": 0.25, "weight_decay": 0.3},
        {"learning_rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
        "m and v as in Adam; the maximum of the uncorrected v; both corrected; epsilon outside the root",
    )
    expect_rule(
        AMSGrad,
        move,
        {"learning_rate": 0.05, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-8, "weight_decay": 0.0},
        {"learning_rate": 0.1, "beta1": 0.6, "beta2": 0.3, "epsilon": 2.0, "weight_decay": 0.1},
        "t is state['update_count'], and a gradient that was always 0 moves nothing",
    )


test_amsgrad()

# %% [markdown]
# **Use it.** The problem of the paper, and a version closer to training: a large gradient of 1010 that is
# *rare*, one in a hundred at random, and $-10$ otherwise (the paper's second experiment). The average there
# is $0.01 \cdot 1010 - 0.99 \cdot 10 = 0.2$: again the best place is $-1$. After each step the weight is
# put back into $[-1, 1]$.
#
# **Predict first.** On the left the memory is short, as in the calculation by hand. Where will each rule end?
# And with Adam's usual betas?

# %% tags=["demo", "raises-exception"]
def walk_between(optimizer, gradients) -> np.ndarray:
    """The weight after each step, kept between -1 and 1."""
    weight, path = optimizer.parameters[0], []
    for gradient in gradients:
        give([weight], [gradient])
        optimizer.step()
        np.clip(weight.data.data, -1, 1, out=weight.data.data)
        path.append(weight.data.item())
    return np.array(path)


third = np.where(np.arange(1500) % 3 == 0, 3.0, -1.0)
hundredth = np.where(np.random.default_rng(2).random(12_000) < 0.01, 1010.0, -10.0)
settings = (("3, −1, −1, …   β₁ = 0, β₂ = 0.1", third, {"learning_rate": 0.01, "beta1": 0.0, "beta2": 0.1}),
            ("1010 or −10   β₁ = 0.9, β₂ = 0.99", hundredth, {"learning_rate": 0.002, "beta2": 0.99}))
rules = (("Adam", Adam, plotting.VERMILLION), ("AMSGrad", AMSGrad, plotting.BLUE))
figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.3), sharey=True)
for axes, (title, gradients, options), places in zip(panels, settings, (((480, 0.84), (790, -0.62)),
                                                                       ((2600, 0.82), (6600, -0.2)))):
    axes.axhline(-1, color=plotting.GREEN, linewidth=0.8)
    for (name, rule, color), place in zip(rules, places):
        axes.plot(walk_between(rule([leaf(0.0)], **options), gradients), color=color, linewidth=1.2)
        axes.text(*place, name, color=color)
    label_axes(axes, "step", "", title)
panels[0].set_ylabel("weight")
panels[1].set_xticks(range(0, 12_001, 4000))
panels[0].text(20, -0.94, "best place", color=plotting.GREEN)
plotting.show(
    figure,
    "The weight on two problems where it should go to -1. With a short memory Adam walks to +1, AMSGrad to "
    "-1. With a rare large gradient Adam climbs towards +1; AMSGrad stays near 0.",
)
usual = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999}
for name, rule, _ in rules:
    end = walk_between(rule([leaf(0.0)], **usual), third)[-1]
    print(f"{name}, usual betas, gradients 3, −1, −1: {end:.2f}")
drift = walk_between(Adam([leaf(0.0)], learning_rate=0.002), hundredth)
print(f"Adam, usual betas, gradients 1010 or −10: {drift[[2999, 5999, 8999, 11_999]].round(2)}")

# %% [markdown]
# Adam goes the wrong way, surely and for good, on a problem where plain gradient descent cannot fail;
# AMSGrad goes the right way. Now for what such figures often leave out.
#
# - With its usual betas Adam *solves* the first problem: a memory of a thousand steps holds hundreds of
#   threes, and $v$ hardly moves. The failure needs a memory short against the distance between large
#   gradients. Every $\beta_2$ has a problem like that, but it need not be yours.
# - On the right AMSGrad does not go the wrong way, but it does not arrive either. Divided by the largest
#   size, a drift of 0.2 in gradients of 1010 drowns in the noise. (So it does for Adam with its usual
#   betas, in the last line above.)
# - The guarantee of the paper, an effective rate that never grows, belongs to the rule without bias
#   correction. Corrected, $v^{\max}/(1 - \beta_2^t)$ falls while $1 - \beta_2^t$ still rises.
# - And one wild gradient now brakes a weight for good. Try it:

# %% tags=["demo", "raises-exception"]
gradients = np.ones(3000)
gradients[9] = 1000.0
for name, rule, _ in rules:
    lengths = -np.diff(run(rule([leaf(0.0)], learning_rate=0.01, beta2=0.99), gradients), prepend=0.0)
    print(f"{name:8} one gradient of 1000 at step 10; step 9 {lengths[8]:.5f}, step 100 {lengths[99]:.5f}, "
          f"step 3000 {lengths[-1]:.5f}")

# %% [markdown]
# ### NAdam: look ahead
#
# **The problem.** Section 2 met Nesterov's momentum: the step uses the velocity that the *next* update will
# have if nothing changes, so the newest gradient counts more, and the ball brakes before the wall. Adam has
# the plain average. When a gradient changes sign, $m$ notices late.
#
# **The idea** (Dozat, 2016). Put the look-ahead into $\hat m$. Adam's $m$ is made of the old $m$ and the new
# $g$:
#
# $$m = \beta_1\, m_{\text{old}} + (1 - \beta_1)\, g \qquad\longrightarrow\qquad \mu\, m + (1 - \mu)\, g$$
#
# On the right the *old* average is replaced by the one that has $g$ in it already, as if the next update's
# momentum were applied now. Dozat lets the momentum $\mu$ grow from about half of $\beta_1$ to $\beta_1$.
# With $\psi$ (psi, the **momentum decay**, 0.004):
#
# $$\mu_t = \beta_1 \left(1 - \tfrac{1}{2} \cdot 0.96^{\,t\,\psi}\right)$$
#
# Since $\mu$ changes, the sum of the weights is no longer $1 - \beta^t$ but $1 - \mu_1 \mu_2 \cdots \mu_t$,
# and the bias correction needs the product of all momenta so far, $\pi$:
#
# $$\begin{aligned}
# m &\leftarrow \beta_1\, m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2\, v + (1 - \beta_2)\, g^2, \qquad \pi \leftarrow \pi\, \mu_t\\
# \hat m &= \frac{1 - \mu_t}{1 - \pi}\, g + \frac{\mu_{t+1}}{1 - \pi\, \mu_{t+1}}\, m, \qquad \hat v = \frac{v}{1 - \beta_2^t}\\
# p &\leftarrow p - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)
# \end{aligned}$$
#
# with $\pi = 1$ at the start. (So PyTorch has it. In Dozat's algorithm 2 the average $m$, too, is made with
# $\mu_t$ instead of $\beta_1$.)
#
# **The picture.** How much does a gradient count that is $0, 1, 2, \ldots$ updates old? Both rules are
# linear in the gradients before the division, so one can simply compute it: let the gradient be 1 once and
# 0 otherwise.
#
# **Predict first.** In Adam the newest gradient has the weight $1 - \beta_1 = 0.1$. In NAdam, after many
# updates: 0.1, 0.19, or more? And early in training, when $\mu \approx 0.45$?

# %% tags=["demo", "raises-exception"]
def momentum_at(t):
    return 0.9 * (1 - 0.5 * 0.96 ** (t * 0.004))


ages, t = np.arange(15), np.geomspace(1, 1e5, 200)
average = (1 - 0.9) * 0.9**ages
figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.3), width_ratios=(1, 1.25))
panels[0].axhline(0.9, color=plotting.GRAY, linewidth=0.8)
panels[0].semilogx(t, momentum_at(t), color=plotting.VERMILLION)
panels[0].text(1.2, 0.92, "β₁", color=plotting.BLACK)
panels[0].set_ylim(0, 1)
label_axes(panels[0], "update t", "momentum μ", "NAdam's momentum grows slowly")
panels[1].plot(ages, average, "o:", color=plotting.BLUE, label="Adam", linewidth=1)
for updates, marker, color in ((100_000, "s", plotting.ORANGE), (100, "^", plotting.VERMILLION)):
    mu = momentum_at(updates)
    weights = mu * average + (1 - mu) * (ages == 0)
    panels[1].plot(ages, weights, f"{marker}:", color=color, label=f"NAdam, t = {updates:,}", linewidth=1)
    panels[1].annotate(f"{weights[0]:.2f}", (0, weights[0]), (8, -3), textcoords="offset points", color=color)
panels[1].legend()
label_axes(panels[1], "age of the gradient", "weight in the step", "the newest gradient counts more")
plotting.show(
    figure,
    "Left: NAdam's momentum rises from 0.45 to 0.9 within a hundred thousand updates. Right: the weight of a "
    "gradient against its age. In Adam it falls from 0.1; in NAdam the newest has 0.19 late in training and "
    "0.59 early, the older ones correspondingly less.",
)

# %% [markdown]
# Late in training the newest gradient counts $(1 - \mu) + \mu\,(1 - \beta_1) = 0.1 + 0.9 \cdot 0.1 = 0.19$,
# nearly twice as much as in Adam. But look at the left panel: with the usual $\psi$ the momentum needs tens
# of thousands of updates to come near 0.9. In a short training NAdam is mostly "Adam that listens to the
# newest gradient".
#
# **By hand**, the first update, for the gradient 2: $\mu_1 = 0.9\,(1 - \tfrac12\, 0.96^{0.004}) = 0.450073$
# and $\mu_2 = 0.450147$, so $\pi = 0.450073$. With $m = 0.2$,
#
# $$\hat m = \frac{0.549927}{0.549927} \cdot 2 + \frac{0.450147}{1 - 0.450073 \cdot 0.450147} \cdot 0.2 = 2 + 0.1129 = 2.1129$$
#
# and $\sqrt{\hat v} = 2$: the first step is $1.056\,\eta$. (Not 1: for $m$ is made with $\beta_1$ but
# corrected with the product of the $\mu$.)
#
# ### Exercise: NAdam
#
# *medium · about 25 minutes · about 8 lines · 8 points · nadam*
#
# Complete `step_param`. `state["momentum_product"]` is $\pi$, a Python number that begins at 1.0. A number,
# unlike an array, is *replaced* in the state; if a parameter comes in slices, the base class gives every
# slice the number of before. `momentum_at` is given: it returns $\mu_i$ for the update $i$.
#
# <details><summary>Hint 1: which π?</summary>
#
# $\mu_t$ is in $\pi$ before you divide. $\mu_{t+1}$ is not: it belongs to the product of the next update,
# and appears only in the second denominator.
# </details>
# <details><summary>Hint 2: which g, which m?</summary>
#
# The gradient appears twice: in $m$, through `update_average`, and on its own in $\hat m$.
# </details>

# %% nbgrader={"grade": false, "grade_id": "nadam", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class NAdam(AdaptiveOptimizer):
    """NAdam: Adam with Nesterov's look-ahead, and a momentum that grows to β₁.

    For each parameter p with gradient g, at its t-th update:  g ← g + λ·p,  m ← β₁·m + (1 − β₁)·g,
    v ← β₂·v + (1 − β₂)·g²,  μₜ = β₁·(1 − 0.96^(t·ψ) / 2),  π ← π·μₜ  (π starts at 1),
    m̂ = (1 − μₜ) / (1 − π) · g + μₜ₊₁ / (1 − π·μₜ₊₁) · m,  v̂ = v / (1 − β₂ᵗ),  p ← p − η·m̂ / (√v̂ + ε).

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, about the length of a step for each element; by default 0.002.
        beta1: β₁ in [0, 1), memory of the average gradient, and the limit of the momentum.
        beta2: β₂ in [0, 1), memory of the average squared gradient.
        epsilon: ε, added to the root.
        weight_decay: λ of an L2 penalty, or an object with `apply`, see `Optimizer`.
        momentum_decay: ψ, how fast the momentum grows from β₁/2 to β₁; by default 0.004.

    Raises:
        TypeError, ValueError: see `Optimizer`; also for a beta outside [0, 1).

    Example:
        >>> weights = Variable([1.0, 1.0])
        >>> optimizer = NAdam([weights], learning_rate=0.1)
        >>> weights.grad = Variable([2.0, -0.002])
        >>> optimizer.step()
        >>> [round(value, 4) for value in weights.data.tolist()]
        [0.8944, 1.1056]

    Source: T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016, algorithm 2; m with β₁ as in PyTorch.
    """

    def __init__(
        self,
        parameters: Iterable,
        learning_rate: float = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay=0.0,
        momentum_decay: float = 0.004,
    ):
        super().__init__(parameters, learning_rate, weight_decay, beta1=beta1, beta2=beta2, epsilon=epsilon,
                         momentum_decay=momentum_decay)

    def init_state(self, state: dict, group: dict, parameter: np.ndarray) -> None:
        """Both moments, and the product of no momenta."""
        super().init_state(state, group, parameter)
        state["momentum_product"] = 1.0

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """The equations of the class, in place."""

        def momentum_at(i: int) -> float:
            return group["beta1"] * (1 - 0.5 * 0.96 ** (i * group["momentum_decay"]))

        ### BEGIN SOLUTION
        t, m, v = state["update_count"], state["first_moment"], state["second_moment"]
        update_average(m, gradient, group["beta1"])
        update_average(v, gradient**2, group["beta2"])
        mu, next_mu = momentum_at(t), momentum_at(t + 1)
        product = state["momentum_product"] = state["momentum_product"] * mu
        m_hat = (1 - mu) / (1 - product) * gradient + next_mu / (1 - product * next_mu) * m
        v_hat = v / (1 - group["beta2"] ** t)
        parameter -= group["learning_rate"] * m_hat / (np.sqrt(v_hat) + group["epsilon"])
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-nadam", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_nadam():
    weight = leaf(1.0)
    optimizer = NAdam([weight], learning_rate=0.1)
    for gradient, expected, cause in (
        (2.0, 0.894354823, "by hand: m_hat = 2.1129, and the root of the corrected v is 2"),
        (-1.0, 0.935465795, "is the product of the momenta kept in state['momentum_product']?"),
        (-1.0, 0.979183632, "is next_mu left out of the product that is kept?"),
    ):
        give([weight], [gradient])
        optimizer.step()
        expect_close(f"the usual betas, rate 0.1, after the gradient {gradient}", weight, expected, cause)
    moments = optimizer.first_moment[weight], optimizer.second_moment[weight]
    expect_close("the moments after 2, −1, −1", moments, [-0.028, 0.005991004],
                 "state['first_moment'] averages the gradients, state['second_moment'] their squares", 1e-8)
    product = optimizer.state[weight]["momentum_product"]
    expect_close("the product of three momenta", product, 0.091214287, "product * mu, once an update", 1e-9)
    expect_equal("whether the product is a plain number", isinstance(product, float), True)

    def move(gradients, beta1, beta2, epsilon, momentum_decay):
        t = len(gradients)
        mus = [beta1 - beta1 * 0.96 ** (i * momentum_decay) / 2 for i in range(1, t + 2)]
        m = math.fsum((1 - beta1) * beta1 ** (t - 1 - i) * g for i, g in enumerate(gradients))
        squares = [beta2 ** (t - 1 - i) for i in range(t)]
        v_hat = math.fsum(w * g * g for w, g in zip(squares, gradients)) / math.fsum(squares)
        now = gradients[-1] * (1 - mus[-2]) / (1 - math.prod(mus[:-1]))
        return (now + m * mus[-1] / (1 - math.prod(mus))) / (v_hat**0.5 + epsilon)

    cause = "m and v with the betas; the product up to mu_t; mu_(t+1) only before m; epsilon outside the root"
    usual = {"learning_rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "momentum_decay": 0.004,
             "weight_decay": 0.0}
    odd = {"learning_rate": 0.1, "beta1": 0.7, "beta2": 0.6, "epsilon": 0.25, "momentum_decay": 5.0,
           "weight_decay": 0.3}
    expect_rule(NAdam, move, usual, odd, cause)
    expect_rule(NAdam, move, odd, usual, cause)


test_nadam()

# %% [markdown]
# **Use it.** A gradient that changes sign once: 1 for forty updates, then $-1$.
#
# **Predict first.** How many updates after the change does Adam turn around? Its $m$ must fall from nearly 1
# through 0, losing a tenth of its distance to $-1$ each time. And NAdam?

# %% tags=["demo", "raises-exception"]
gradients = np.repeat([1.0, -1.0], [40, 30])
figure, axes = plt.subplots(figsize=(7.0, 3.3))
cases = (("Adam", Adam, plotting.BLUE, "-"), ("NAdam", NAdam, plotting.VERMILLION, "--"))
for name, rule, color, style in cases:
    path = np.append(0.0, run(rule([leaf(0.0)], learning_rate=0.01), gradients))
    axes.plot(path, style, color=color)
    turn = int(np.argmin(path))
    axes.plot(turn, path[turn], "o", color=color)
    print(f"{name}: turns {turn - 40} updates after the change")
axes.axvline(40, color=plotting.GRAY, linewidth=0.8)
axes.text(47, -0.46, "Adam", color=plotting.BLUE)
axes.text(43.5, -0.29, "NAdam", color=plotting.VERMILLION)
axes.text(39, -0.03, "gradient 1", ha="right")
axes.text(41, -0.03, "gradient −1")
axes.set(xlim=(0, 70), ylim=(-0.5, 0.02))
label_axes(axes, "update", "weight")
plotting.show(
    figure,
    "The way of a weight whose gradient changes sign at update 40. Adam turns around several updates later, "
    "NAdam almost at once.",
)

# %% [markdown]
# NAdam turns at once: early in training the newest gradient has a weight of 0.59, and 0.59 of $-1$ outvotes
# all that went before. Late in training, with 0.19, the gain is a single update: $0.9\,m - 0.1$ is negative
# as soon as $m < 0.11$. The other side of listening to the newest gradient is that its noise is heard as
# well.

# %% [markdown]
# ### RAdam: how far to trust a young average
#
# **The problem.** Bias correction makes $\hat v$ right *on average*. It cannot make it reliable: at the
# first update $\hat v$ is the square of one gradient, and if that gradient happens to be small by chance,
# the factor $1/\sqrt{\hat v}$ is huge. This is why people let the rate of Adam grow slowly at first, a
# **warm-up**.
#
# **The picture.** Two thousand weights get gradients of the same kind, normal with mean 0 and spread 1. The
# right factor would be 1 for all of them.

# %% tags=["demo", "raises-exception"]
squares = np.random.default_rng(7).normal(size=(2000, 300)) ** 2
v, factors = np.zeros(2000), []
for t in range(1, 301):
    v = 0.999 * v + (1 - 0.999) * squares[:, t - 1]
    factors.append(1 / np.sqrt(v / (1 - 0.999**t)))
low, middle, high = np.percentile(factors, [5, 50, 95], axis=1)
figure, axes = plt.subplots(figsize=(7.0, 3.4))
t = np.arange(1, 301)
axes.fill_between(t, low, high, color=plotting.SKY, alpha=0.35, linewidth=0)
axes.loglog(t, middle, color=plotting.BLUE)
axes.axhline(1, color=plotting.GRAY, linewidth=0.8)
axes.text(1.75, 7.6, "nine of ten weights lie in the band", color=plotting.BLACK)
axes.text(2.3, 1.45, "median", color=plotting.BLUE)
axes.set(xlim=(1, 300), yticks=(0.5, 1, 2, 5, 10), yticklabels=("0.5", "1", "2", "5", "10"))
axes.minorticks_off()
label_axes(axes, "update t", "factor 1 / √v̂")
plotting.show(
    figure,
    "The spread of Adam's factor among 2000 weights with gradients of the same kind. At the first update nine "
    "of ten lie between 0.5 and 16; after ten updates between 0.75 and 1.6; then the band narrows slowly to 1.",
)

# %% [markdown]
# **The idea** (Liu and others, 2020). Compute how many gradients the average $v$ is really worth, and scale
# the step down by how much its factor scatters; **rectified** Adam. A moving average with memory $\beta_2$
# is about as good as a plain average of the last $\rho$ squares, where $\rho$ (rho) grows with $t$ up to
# $\rho_\infty$:
#
# $$\rho_\infty = \frac{2}{1 - \beta_2} - 1, \qquad \rho = \rho_\infty - \frac{2\, t\, \beta_2^t}{1 - \beta_2^t}$$
#
# For the usual $\beta_2 = 0.999$, $\rho_\infty = 1999$, and at the beginning $\rho \approx t$: ten
# gradients seen, ten gradients worth. From that follows the **rectification**, the factor on the step that
# makes up for the scatter:
#
# $$r = \sqrt{\frac{(\rho - 4)(\rho - 2)\,\rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2)\,\rho}}$$
#
# It has a value only for $\rho > 4$: as $\rho$ falls towards 4, the scatter, as the paper estimates it, grows
# without bound. With so few gradients the rule does not divide at all:
#
# $$p \leftarrow \begin{cases} p - \eta\, \hat m\; r\, \sqrt{1 - \beta_2^t}\, /\, (\sqrt v + \epsilon) & \text{if } \rho > 5\\ p - \eta\, \hat m & \text{otherwise} \end{cases} \qquad\text{with}\quad \hat m = m / (1 - \beta_1^t)$$
#
# Two details. The paper (algorithm 2) switches at $\rho > 4$; the authors' program and PyTorch, to be on
# the safe side, at 5, and so do we. And $\epsilon$, which the paper does not have, stands here beside
# $\sqrt v$ **before** the correction; in Adam it stands beside $\sqrt{\hat v}$, after it. That is PyTorch's
# choice, and we follow it digit for digit; an early step feels $\epsilon$ more.
#
# **By hand**, for $\beta_2 = 0.9$: $\rho_\infty = 2/0.1 - 1 = 19$. At $t = 1$, $\rho = 19 - 2 \cdot 0.9/0.1
# = 1$. At $t = 6$, $0.9^6 = 0.5314$, $\rho = 19 - 12 \cdot 0.5314/0.4686 = 5.39$ and $r = \sqrt{(1.39 \cdot
# 3.39 \cdot 19)/(15 \cdot 17 \cdot 5.39)} = 0.255$.
#
# ### Exercise: RAdam
#
# *hard · about 30 minutes · about 12 lines · 8 points · radam*
#
# Complete `step_param`: the moments, the two lengths $\rho_\infty$ and $\rho$, then one of the two steps.
# `math.sqrt` is the root of a number, `np.sqrt` that of an array.
#
# <details><summary>Hint 1: what the two cases share</summary>
#
# Both move along $m$ at the rate $\eta / (1 - \beta_1^t)$. The first multiplies this number by two more
# numbers, and divides by an array.
# </details>
# <details><summary>Hint 2: when is it time to divide?</summary>
#
# With $\beta_2 = 0.999$ the sixth update is the first whose $\rho$ exceeds 5. `t` is
# `state["update_count"]`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "radam", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class RAdam(AdaptiveOptimizer):
    """RAdam: Adam that shortens its steps while the average square is young, and at first does not divide.

    For each parameter p with gradient g, at its t-th update:  g ← g + λ·p,  m ← β₁·m + (1 − β₁)·g,
    v ← β₂·v + (1 − β₂)·g²,  m̂ = m / (1 − β₁ᵗ),  ρ_∞ = 2 / (1 − β₂) − 1,  ρ = ρ_∞ − 2·t·β₂ᵗ / (1 − β₂ᵗ).
    Where ρ > 5:  r = √[(ρ − 4)(ρ − 2)·ρ_∞ / ((ρ_∞ − 4)(ρ_∞ − 2)·ρ)],
    p ← p − η·m̂·r·√(1 − β₂ᵗ) / (√v + ε);  otherwise  p ← p − η·m̂.

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η; by default 0.001. The first steps (five, for the usual beta2) are η times the
            average gradient, in the gradient's own unit.
        beta1: β₁ in [0, 1), memory of the average gradient.
        beta2: β₂ in [0, 1), memory of the average squared gradient; up to 2/3 the rule never divides.
        epsilon: ε, added to the root of v before its correction, as in PyTorch.
        weight_decay: λ of an L2 penalty, or an object with `apply`, see `Optimizer`.

    Raises:
        TypeError, ValueError: see `Optimizer`; also for a beta outside [0, 1).

    Example:
        >>> weight = Variable(1.0)
        >>> optimizer = RAdam([weight], learning_rate=0.1)
        >>> for _ in range(6):
        ...     weight.grad = Variable(0.5)
        ...     optimizer.step()
        ...     print(round(weight.data.item(), 4))
        0.95
        0.9
        0.85
        0.8
        0.75
        0.7474

    Source: L. Liu, H. Jiang, P. He, W. Chen, X. Liu, J. Gao and J. Han, "On the Variance of the Adaptive
    Learning Rate and Beyond", 2020, algorithm 2; the limit 5 instead of 4 as in the authors' program.
    """

    def __init__(
        self,
        parameters: Iterable,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay=0.0,
    ):
        super().__init__(parameters, learning_rate, weight_decay, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """The equations of the class, in place."""
        ### BEGIN SOLUTION
        beta2, t, m, v = group["beta2"], state["update_count"], state["first_moment"], state["second_moment"]
        update_average(m, gradient, group["beta1"])
        update_average(v, gradient**2, beta2)
        rate = group["learning_rate"] / (1 - group["beta1"] ** t)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        if length <= 5:
            parameter -= rate * m
            return
        r = math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
        parameter -= rate * r * math.sqrt(1 - beta2**t) * m / (np.sqrt(v) + group["epsilon"])
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-radam", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_radam():
    weight = leaf(1.0)
    optimizer = RAdam([weight], learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=0.0)
    expected = (0.6, 0.2, -0.2, -0.6, -1.0, -1.025517681, -1.058528383)
    for t, value in enumerate(expected, start=1):
        give([weight], [4.0])
        optimizer.step()
        cause = ("rho is at most 5: rate * m_hat, without a division" if t < 6
                 else "by hand, rho = 5.39 and r = 0.255 at t = 6: the step is 0.1 * r")
        expect_close(f"beta2 0.9, gradient 4 at every update, after update {t}", weight, value, cause)
    moments = optimizer.first_moment[weight], optimizer.second_moment[weight]
    expect_close("the moments after seven gradients of 4", moments, [3.96875, 8.3472496],
                 "state['first_moment'] averages the gradients, state['second_moment'] their squares")

    def move(gradients, beta1, beta2, epsilon):
        t = len(gradients)
        ages = [t - 1 - i for i in range(t)]
        m_hat = (math.fsum(beta1**age * g for age, g in zip(ages, gradients))
                 / math.fsum(beta1**age for age in ages))
        longest = (1 + beta2) / (1 - beta2)
        rho = longest - 2 * t * beta2**t / ((1 - beta2) * math.fsum(beta2**age for age in ages))
        if rho <= 5:
            return m_hat
        v = math.fsum((1 - beta2) * beta2**age * g * g for age, g in zip(ages, gradients))
        r = ((1 - 4 / rho) / (1 - 4 / longest) * (rho - 2) / (longest - 2)) ** 0.5
        return m_hat * r * (1 - beta2**t) ** 0.5 / (v**0.5 + epsilon)

    usual = {"learning_rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
    odd = {"learning_rate": 0.1, "beta1": 0.7, "beta2": 0.85, "epsilon": 0.25, "weight_decay": 0.3}
    cause = "rho against 5; then rate * m_hat, or times r * sqrt(1 - beta2**t) / (sqrt(v) + epsilon)"
    expect_rule(RAdam, move, usual, odd, cause)
    expect_rule(RAdam, move, odd, usual, cause)
    short = {"learning_rate": 0.1, "beta1": 0.6, "beta2": 0.5, "epsilon": 0.25, "weight_decay": 0.0}
    expect_rule(RAdam, move, short, usual, "with beta2 = 0.5, rho never exceeds 3: never divide")


test_radam()

# %% [markdown]
# **Use it.** The rectification over time, and the first steps.
#
# **Predict first.** With the usual betas and rate 0.001, the gradient is always 1000. How long are RAdam's
# first steps? And its sixth?

# %% tags=["demo", "raises-exception"]
def rectification(t, beta2=0.999):
    longest = 2 / (1 - beta2) - 1
    rho = longest - 2 * t * beta2**t / (1 - beta2**t)
    square = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
    return math.sqrt(square) if rho > 5 else np.nan


t = np.unique(np.geomspace(1, 20_000, 200).astype(int))
figure, axes = plt.subplots(figsize=(7.0, 3.2))
axes.semilogx(t, [rectification(i) for i in t], color=plotting.BLUE)
axes.axvspan(1, 5.5, color=plotting.SKY, alpha=0.3, linewidth=0)
axes.text(1.1, 0.9, "first five:\nno division", va="top")
for i, side in ((6, "left"), (100, "right"), (1000, "right")):
    r = rectification(i)
    axes.plot(i, r, "o", color=plotting.BLUE)
    axes.annotate(f"{r:.3f}", (i, r), (-2, 9), textcoords="offset points", ha=side)
axes.set(xlim=(1, 20_000), ylim=(0, 1.05))
label_axes(axes, "update t", "rectification r")
plotting.show(
    figure,
    "The rectification for beta2 = 0.999: undefined for the first five updates, 0.026 at the sixth, 0.215 at "
    "the hundredth, 0.645 at the thousandth, and close to 1 after ten thousand.",
)
for size in (0.001, 1000.0):
    steps = -np.diff(run(RAdam([leaf(0.0)], learning_rate=0.001), np.full(100, size)), prepend=0.0)
    print(f"gradient {size:6}: steps 1 to 5 {steps[0]:.3g}, step 6 {steps[5]:.3g}, step 100 {steps[-1]:.3g}")

# %% [markdown]
# From the sixth update on, RAdam is Adam with a warm-up of its own: nothing to tune, and a rise over some
# five thousand updates. The first five are the price. They are plain momentum, in the unit of the gradient,
# so the unit that adaptive rules are meant to cancel is back: with gradients of 1000 the first steps are
# nearly forty thousand times as long as the sixth. Where your gradients are large, use a warm-up schedule
# (section 7) instead, or clip them.

# %% [markdown]
# ## 6. Weight decay
#
# **The problem.** Among all weights that fit the training examples, small ones usually fit *new* examples
# better: a network with large weights bends sharply between the points it has seen. So one pulls every
# weight a little towards 0 at each step. The classical way is to add a penalty to the loss, half the sum of
# squares times a small $\lambda$ (lambda), whose gradient is $\lambda p$; that is what `weight_decay=λ`
# does in all optimizers since module 08. For plain gradient descent it is the same as shrinking the weight
# by a constant factor before the step:
#
# $$p - \eta\,(g + \lambda p) = (1 - \eta\lambda)\, p - \eta\, g$$
#
# Left, the decay is **added** to the gradient; right, it is **decoupled** from it. For gradient descent the
# two are one, and for thirty years nobody needed two words.
#
# **Predict first.** A weight of 1 has gradient 0 for ever (its input is always 0, say). The rate is 0.1 and
# $\lambda = 0.1$. Gradient descent takes it to 0.99, 0.9801, … Where is it after one and after two steps of
# *Adam*, with the penalty added to the gradient?

# %% tags=["demo", "raises-exception"]
silence = np.zeros(25)
added = run(Adam([leaf(1.0)], learning_rate=0.1, weight_decay=0.1), silence)
shrunk = (1 - 0.1 * 0.1) ** np.arange(1, 26)
figure, axes = plt.subplots(figsize=(7.0, 3.2))
axes.axhline(0, color=plotting.GRAY, linewidth=0.8)
axes.plot(np.append(1.0, added), "s--", markersize=3.5, color=plotting.VERMILLION)
axes.plot(np.append(1.0, shrunk), "o-", markersize=3.5, color=plotting.BLUE)
axes.text(10.3, 0.28, "Adam, λ p added to the gradient", color=plotting.VERMILLION)
axes.text(13, 0.93, "times 1 − η λ at each step", color=plotting.BLUE)
axes.set(xlim=(0, 25))
label_axes(axes, "step", "weight")
plotting.show(
    figure,
    "A weight without gradient. Multiplied by 0.99 at each step it shrinks slowly to 0.78 in 25 steps. Under "
    "Adam with the penalty added it falls by 0.1 a step at first, goes past 0 to -0.27, and swings back.",
)
print("Adam, added:", added[:3].round(3), "  shrunk:", shrunk[:3].round(3))

# %% [markdown]
# Adam divides every gradient by its usual size, *the penalty included*. Where the penalty is all there is,
# $\lambda p / \sqrt{\hat v} \approx 1$ whatever $\lambda$ is: at first a full step of 0.1 each time, ten
# times too fast, and with all that speed past 0 and out at the other side. Where gradients are large, the
# opposite happens: the penalty is divided by a large number, and hardly decays anything. Neither is what
# you asked for.
#
# **The idea** (Loshchilov and Hutter, 2019). Decouple: shrink the weight itself, and let the rule see only
# the gradient of the loss. That is not a property of Adam. It belongs to weight decay, so it becomes a part
# of its own, which every optimizer takes through the door that module 08 left open: `weight_decay` may be
# an object with a method `apply(gradient, group, parameter)` that returns the gradient to use, and may
# change the parameter.
#
# | | L2: towards 0 in proportion | L1: towards 0 by a constant |
# |---|---|---|
# | added to the gradient | $g \leftarrow g + \lambda p$ | $g \leftarrow g + \lambda\, \text{sign}(p)$ |
# | decoupled, $\delta = \eta\lambda$ | $p \leftarrow (1 - \delta)\, p$ | $p \leftarrow p - \text{clip}(p, -\delta, \delta)$ |
# | decoupled and absolute, $\delta = \lambda$ | the same | the same |
#
# **Absolute** means: not multiplied by the learning rate, so a schedule that lowers $\eta$ leaves the decay
# as it is. (The paper is in between: its algorithm 2 multiplies $\lambda$ by the schedule's factor, but not
# by the rate. PyTorch, like the middle row, uses the product.)
#
# **L1** pulls with the same force at any distance. Added to the gradient it can never come to rest: near 0
# it jumps from side to side, $\pm \eta\lambda$. The decoupled form knows how far it is to 0, and goes no
# farther; $\text{clip}(p, -\delta, \delta)$ is $p$ cut off at $\pm\delta$, so a weight within $\delta$ of 0
# becomes *exactly* 0. This is called **soft thresholding**, the proximal step of the L1 norm (Parikh and
# Boyd, 2014, section 6.5.2).

# %% tags=["demo", "raises-exception"]
p = np.linspace(-1, 1, 401)
figure, axes = plt.subplots(figsize=(5.0, 3.7))
axes.axhline(0, color=plotting.GRAY, linewidth=0.8)
axes.plot(p, p, ":", color=plotting.BLACK)
axes.plot(p, 0.5 * p, "--", color=plotting.BLUE)
axes.plot(p, p - np.clip(p, -0.3, 0.3), color=plotting.VERMILLION)
for height, text, color in ((1.0, "before", plotting.BLACK), (0.7, "L1, δ = 0.3", plotting.VERMILLION),
                            (0.5, "L2, δ = 0.5", plotting.BLUE)):
    axes.text(1.04, height, text, color=color, va="center")
axes.set(xlim=(-1, 1), xticks=(-1, -0.3, 0, 0.3, 1), yticks=(-1, 0, 1))
label_axes(axes, "weight", "weight after the decay")
plotting.show(
    figure,
    "The weight after one decoupled decay against the weight before. L2 halves the slope of the line; L1 moves "
    "both halves towards 0 by 0.3 and maps everything between -0.3 and 0.3 to exactly 0.",
)

# %% [markdown]
# **By hand**, $\eta = 0.1$, $\lambda = 2$, gradient 0.5: for $p = 1$, L2 added gives the gradient $0.5 + 2
# \cdot 1 = 2.5$, L1 added $0.5 + 2 = 2.5$ too; decoupled, $\delta = 0.2$: L2 makes the weight $0.8 \cdot 1
# = 0.8$, L1 makes it $1 - 0.2 = 0.8$ too. They differ elsewhere: for $p = -0.15$ the four results are
# $0.5 - 0.3 = 0.2$, $0.5 - 2 = -1.5$, $0.8 \cdot (-0.15) = -0.12$, and 0.
#
# ### Exercise: weight decay as a part
#
# *medium · about 25 minutes · about 9 lines · 10 points · weight-decay*
#
# The options are checked when the object is made, and it is frozen: nothing about it changes afterwards.
# Complete `apply`, which gets plain arrays, and returns the gradient that the rule shall use.
#
# 1. Added: return a *new* array, $g + \lambda p$ or $g + \lambda\, \text{sign}(p)$. The parameter stays.
# 2. Decoupled: the strength $\delta$ is $\eta\lambda$ with the rate of the group, or $\lambda$ if absolute.
#    Change `parameter` in place, and return `gradient` itself.
#
# <details><summary>Hint 1: clip</summary>
#
# `np.clip(array, low, high)` returns a new array with every element cut off at both ends.
# </details>
# <details><summary>Hint 2: in place</summary>
#
# `parameter` is the array of the weight. `parameter *= 0.9` changes the weight; `parameter = parameter * 0.9`
# changes nothing but a local name.
# </details>

# %% nbgrader={"grade": false, "grade_id": "weight-decay", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@dataclass(frozen=True)
class WeightDecay:
    """Weight decay as a part that any optimizer takes: `SGD(parameters, weight_decay=WeightDecay(0.01))`.

    With the gradient g, the learning rate η of the group and λ:

    - added: g ← g + λ·p (L2) or g ← g + λ·sign(p) (L1); the rule then treats it as a part of the gradient;
    - decoupled, δ = η·λ, or absolute, δ = λ, before the update: p ← (1 − δ)·p (L2), or soft thresholding,
      p ← p − clip(p, −δ, δ) (L1): towards 0 by δ, and not beyond.

    Decay comes before the update of the same step. So after a step with decoupled L1, a weight that was set to
    0 has been moved by its gradient; it is exactly 0 again after one more `apply`.

    Args:
        weight_decay: λ, not negative; 0 decays nothing. Decoupled, keep δ well below 1.
        decoupled: decay the parameter itself, instead of adding to the gradient; by default True.
        absolute: decoupled, and not multiplied by the learning rate; by default False.
        norm: "l2" or "l1".

    Raises:
        TypeError: weight_decay is not a number, or decoupled or absolute not True or False.
        ValueError: weight_decay is negative or not finite, or above 1 if absolute; another norm; absolute
            without decoupled.

    Example:
        >>> weights = Variable([1.0, -0.05])
        >>> optimizer = SGD([weights], learning_rate=0.1, weight_decay=WeightDecay(1.0, norm="l1"))
        >>> weights.grad = Variable([0.0, 0.0])
        >>> optimizer.step()
        >>> [round(value, 4) for value in weights.data.tolist()]
        [0.9, 0.0]

    Sources: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019, section 2; L1: N.
    Parikh and S. Boyd, "Proximal Algorithms", 2014, section 6.5.2.
    """

    weight_decay: float
    decoupled: bool = True
    absolute: bool = False
    norm: str = "l2"

    def __post_init__(self):
        strength = check_number("weight_decay", self.weight_decay)
        if strength < 0:
            raise ValueError(f"weight_decay must not be negative, got {strength}")
        decoupled, absolute = check_flag("decoupled", self.decoupled), check_flag("absolute", self.absolute)
        if self.norm not in ("l1", "l2"):
            raise ValueError(f"norm must be 'l1' or 'l2', got {self.norm!r}")
        if absolute and not decoupled:
            raise ValueError("absolute=True needs decoupled=True: the rate multiplies an added penalty")
        if absolute and strength > 1:
            raise ValueError(f"an absolute weight_decay must lie in [0, 1], got {strength}")
        for name, value in (("weight_decay", strength), ("decoupled", decoupled), ("absolute", absolute)):
            object.__setattr__(self, name, value)  # the way a frozen class sets its own fields

    def apply(self, gradient: np.ndarray, group: dict, parameter: np.ndarray) -> np.ndarray:
        """Decay one parameter, in place if decoupled; the gradient to use, `gradient` itself is not changed."""
        ### BEGIN SOLUTION
        if not self.decoupled:
            direction = parameter if self.norm == "l2" else np.sign(parameter)
            return gradient + self.weight_decay * direction
        delta = self.weight_decay if self.absolute else group["learning_rate"] * self.weight_decay
        if self.norm == "l2":
            parameter *= 1 - delta
        else:
            parameter -= np.clip(parameter, -delta, delta)
        return gradient
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-weight-decay", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_weight_decay():
    start, given = [1.0, -0.15, 0.0, -3.0], [0.5, 0.5, -1.0, 0.0]
    cases = (
        ("L2 added", {"decoupled": False}, start, [2.5, 0.2, -1.0, -6.0], "g + weight_decay * p"),
        ("L1 added", {"decoupled": False, "norm": "l1"}, start, [2.5, -1.5, -1.0, -2.0],
         "g + weight_decay * sign(p); the sign of 0 is 0"),
        ("L2 decoupled", {}, [0.8, -0.12, 0.0, -2.4], given, "p * (1 - learning_rate * weight_decay)"),
        ("L1 decoupled", {"norm": "l1"}, [0.8, 0.0, 0.0, -2.8], given,
         "p - clip(p, -delta, delta), with delta = learning_rate * weight_decay = 0.2"),
    )
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-6)):
        for name, options, weights, gradients, cause in cases:
            gradient, parameter = np.array(given, dtype), np.array(start, dtype)
            result = WeightDecay(2.0, **options).apply(gradient, {"learning_rate": 0.1}, parameter)
            expect_close(f"{name}: the gradient returned", result, gradients, cause, tolerance)
            expect_close(f"{name}: the parameter afterwards", parameter, weights, cause, tolerance)
            expect_close(f"{name}: the gradient passed in", gradient, given, "it is only read", tolerance)
            expect_equal(f"{name}: data type of the gradient", result.dtype, np.dtype(dtype))
            if "decoupled" not in options:
                expect_equal(f"{name}: whether the gradient itself is returned", result is gradient, True,
                             "decoupled: no arithmetic on the gradient, no copy")

    for norm, expected in (("l2", [0.75, -0.1125, 0.0, -2.25]), ("l1", [0.75, 0.0, 0.0, -2.75])):
        for rate in (0.1, 0.5):
            parameter = np.array(start)
            decay = WeightDecay(0.25, absolute=True, norm=norm)
            decay.apply(np.array(given), {"learning_rate": rate}, parameter)
            expect_close(f"{norm}, absolute 0.25, rate {rate}", parameter, expected,
                         "absolute: delta is weight_decay, without the learning rate", 1e-12)

    class Sliced(MomentumSGD):
        slice_size = 2

    matrix, scalar = leaf([[1.0, -2.0], [0.05, 4.0]]), leaf(-1.0)
    array = matrix.data.data
    optimizer = Sliced([{"parameters": [matrix], "weight_decay": WeightDecay(0.5, norm="l1")},
                        {"parameters": [scalar], "learning_rate": 0.5, "weight_decay": WeightDecay(0.2)}],
                       learning_rate=0.2, momentum=0.5)
    for expected in (([[0.7, -1.7], [0.0, 3.9]], -1.4), ([[0.3, -1.3], [0.0, 3.8]], -2.01)):
        give([matrix, scalar], [[[1.0, -1.0], [0.0, 0.0]], 1.0])
        optimizer.step()
        expect_close("momentum 0.5 with decoupled L1 in one group", matrix, expected[0],
                     "decay first, by the rate of its group; the velocity must not see it", 1e-12)
        expect_close("momentum 0.5 with decoupled L2 in the other", scalar, expected[1], tolerance=1e-12)
    expect_equal("whether the parameter still has its array", matrix.data.data is array, True, "decay in place")

    added, number = leaf([1.0, -2.0]), leaf([1.0, -2.0])
    for weight, decay in ((added, WeightDecay(0.3, decoupled=False)), (number, 0.3)):
        optimizer = Adam([weight], learning_rate=0.1, weight_decay=decay)
        for gradient in ([1.0, 0.5], [-2.0, 0.0]):
            give([weight], [gradient])
            optimizer.step()
    expect_close("Adam with L2 added by an object, against weight_decay=0.3", added, number.data.data,
                 "decoupled=False is what a number means", 1e-12)


test_weight_decay()

# %% [markdown]
# **Use it.** One part, all optimizers. A weight of 1 with gradient 0, rate and $\lambda$ both 0.1, once
# each way:

# %% tags=["demo", "raises-exception"]
rows = ["| one step, gradient 0 | L2 added | decoupled: η λ | absolute: λ |", "|---|---|---|---|"]
for rule in (SGD, MomentumSGD, AdaGrad, RMSprop, Adam, NAdam, AMSGrad, RAdam):
    ends = []
    for options in ({"decoupled": False}, {}, {"absolute": True}):
        optimizer = rule([leaf(1.0)], learning_rate=0.1, weight_decay=WeightDecay(0.1, **options))
        ends.append(f"{run(optimizer, [0.0])[-1]:.3f}")
    rows.append(f"| {rule.__name__} | " + " | ".join(ends) + " |")
display(Markdown("\n".join(rows)))

# %% [markdown]
# The two columns on the right are the same for every rule; that is what decoupled means. In the column
# *added* the rules that divide have made full steps of a penalty of 0.1, each in its own way. (RAdam's
# first step does not divide.)
#
# And L1, near 0. A weight of 0.05, gradient 0, SGD with $\eta = 0.1$ and $\lambda = 0.2$.
#
# **Predict first.** Write down six steps of each form: added, and decoupled.

# %% tags=["demo", "raises-exception"]
for name, decoupled in (("L1 added    ", False), ("L1 decoupled", True)):
    decay = WeightDecay(0.2, decoupled=decoupled, norm="l1")
    path = run(SGD([leaf(0.05)], learning_rate=0.1, weight_decay=decay), np.zeros(6))
    print(name, path.round(4), "  exactly 0:", path[-1] == 0)

# %% [markdown]
# Added, the weight never comes to rest: it jumps over 0 and back by $\eta\lambda = 0.02$. Decoupled, it
# arrives.
#
# ### AdamW
#
# The best known use has a name of its own. **AdamW** is Adam with decoupled decay, $\lambda = 0.01$ by
# default:
#
# $$p \leftarrow (1 - \eta\lambda)\, p \qquad \text{and then Adam's step with the plain gradient}$$
#
# `Adam(parameters, weight_decay=WeightDecay(0.01))` already does that. A class is still worth having, for
# those who write `AdamW(parameters, weight_decay=0.01)`, and for one trap: training loops change
# `group["weight_decay"]` as they change the learning rate. A *number* assigned there must not turn into an
# added penalty.
#
# **Order matters.** *By hand*, $p = 1$, $g = 1$, $\eta = \lambda = 0.1$, first step of Adam 0.1: decay and
# then step gives $0.99 - 0.1 = 0.890$; step and then decay gives $(1 - 0.1) \cdot 0.99 = 0.891$. The paper
# and PyTorch decay the weight as it was before the update: 0.890.
#
# ### Exercise: AdamW
#
# *easy · about 15 minutes · 4 lines · 4 points · adamw*
#
# Module 08's `Adam` is imported, and stays as it is. Its base class calls `decayed_gradient` before every
# update; AdamW says there what a number means.
#
# 1. If the group's weight decay is an object (it has `apply`), do what the base class does: `super()` knows
#    how.
# 2. If it is a number, shrink `parameter` in place, and return the gradient as it is.

# %% nbgrader={"grade": false, "grade_id": "adamw", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class AdamW(Adam):
    """AdamW: Adam whose weight decay shrinks the parameter itself, before the update.

    For each parameter p with gradient g:  p ← (1 − η·λ)·p, then Adam's update with g alone.

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, about the length of a step for each element; by default 0.001.
        beta1: β₁ in [0, 1), memory of the average gradient.
        beta2: β₂ in [0, 1), memory of the average squared gradient.
        epsilon: ε, added to the root.
        weight_decay: λ, decoupled; by default 0.01. Or an object with `apply`, such as `WeightDecay`, which
            does as it does everywhere.

    Raises:
        TypeError, ValueError: see `Adam`.

    Example:
        >>> weights = Variable([1.0, 1.0])
        >>> optimizer = AdamW([weights], learning_rate=0.1, weight_decay=0.1)
        >>> weights.grad = Variable([1.0, 0.0])
        >>> optimizer.step()
        >>> [round(value, 4) for value in weights.data.tolist()]
        [0.89, 0.99]

    Source: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2, with η·λ
    as in PyTorch.
    """

    def __init__(
        self,
        parameters: Iterable,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay=0.01,
    ):
        super().__init__(parameters, learning_rate, beta1, beta2, epsilon, weight_decay)

    def decayed_gradient(self, gradient: np.ndarray, group: dict, parameter: np.ndarray) -> np.ndarray:
        """`gradient` itself, after the parameter was decayed by a number; an object decays as it does."""
        ### BEGIN SOLUTION
        if hasattr(group["weight_decay"], "apply"):
            return super().decayed_gradient(gradient, group, parameter)
        parameter *= 1 - group["learning_rate"] * group["weight_decay"]
        return gradient
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-adamw", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_adamw():
    weight = leaf([1.0, 1.0], [1.0, 0.0])
    optimizer = AdamW([weight], learning_rate=0.1, weight_decay=0.1)
    optimizer.step()
    expect_close("rate and decay 0.1, gradients 1 and 0", weight, [0.89, 0.99],
                 "decay first: (1 - 0.1 * 0.1) * 1, then Adam's step of 0.1")
    optimizer.param_groups[0].update(weight_decay=0.5, learning_rate=0.2)
    give([weight], [[1.0, 0.0]])
    optimizer.step()
    expect_close("the second step, decay 0.5 and rate 0.2 assigned to the group", weight, [0.601, 0.891],
                 "read both numbers from `group` at every step; a number is decoupled", 1e-7)

    def move(gradients, beta1, beta2, epsilon):
        ages = [len(gradients) - 1 - i for i in range(len(gradients))]
        first, second = ([beta**age for age in ages] for beta in (beta1, beta2))
        m_hat = math.fsum(w * g for w, g in zip(first, gradients)) / math.fsum(first)
        v_hat = math.fsum(w * g * g for w, g in zip(second, gradients)) / math.fsum(second)
        return m_hat / (v_hat**0.5 + epsilon)

    odd = {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.6, "epsilon": 0.25, "weight_decay": 0.7}
    usual = {"learning_rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01}
    cause = "p * (1 - rate * decay) before the update, and the moments without it"
    expect_rule(AdamW, move, odd, usual, cause, decoupled=True)
    without = {**usual, "weight_decay": 0.0}
    expect_rule(AdamW, move, without, {**odd, "weight_decay": 0.2}, cause, decoupled=True)

    class Halving:
        """A hook of somebody else's: all it has is `apply`."""

        def apply(self, gradient, group, parameter):
            parameter *= 0.5
            return gradient

    for decay, expected in ((WeightDecay(0.5, decoupled=False), 0.9), (Halving(), 0.5)):
        weight = leaf(1.0, 0.0)
        AdamW([weight], learning_rate=0.1, weight_decay=decay).step()
        name = type(decay).__name__
        expect_close(f"gradient 0 with a {name}", weight, expected, "an object: as in the base class")


test_adamw()

# %% [markdown]
# **Use it.** The weight without gradient from the beginning of this section, and the order of decay and step:

# %% tags=["demo", "raises-exception"]
for rule in (Adam, AdamW):
    path = run(rule([leaf(1.0)], learning_rate=0.1, weight_decay=0.1), [0.0, 0.0])
    print(f"{rule.__name__:5} with λ = 0.1, gradient 0: {path[0]:.3f}, {path[1]:.3f}")
before = run(AdamW([leaf(1.0)], learning_rate=0.1, weight_decay=0.1), [1.0])[0]
after = run(Adam([leaf(1.0)], learning_rate=0.1), [1.0])[0] * (1 - 0.1 * 0.1)
print(f"gradient 1: decay, then step {before:.3f}; step, then decay {after:.3f}")

# %% [markdown]
# Adam walks on by full steps, AdamW shrinks by one percent a step. Now the other half of the problem:
# weights whose gradients are *large*. Two hundred weights at each of nine sizes start at 1 and see pure
# noise as gradient, so that nothing but the decay has a direction.
#
# **Predict first.** $\eta = 0.001$, $\lambda = 1$, a thousand steps. Under AdamW every weight should be
# left with $(1 - 0.001)^{1000} = 0.37$ of its size, on average. Under Adam with an added penalty: which
# weights decay most, those with small gradients or those with large ones?

# %% tags=["demo", "raises-exception"]
sizes = 10.0 ** np.linspace(-2, 2, 9)
left = {}
for name, rule in (("Adam, penalty added", Adam), ("AdamW", AdamW)):
    weights, draw = leaf(np.ones((9, 200))), np.random.default_rng(8)
    optimizer = rule([weights], learning_rate=0.001, weight_decay=1.0)
    for _ in range(1000):
        weights.grad = Variable(sizes[:, np.newaxis] * draw.normal(size=(9, 200)), requires_grad=False)
        optimizer.step()
    left[name] = weights.data.data.mean(axis=1)

figure, axes = plt.subplots(figsize=(7.0, 3.4))
axes.axhline(0, color=plotting.GRAY, linewidth=0.8)
for (name, values), color, style in zip(left.items(), (plotting.VERMILLION, plotting.BLUE), ("s--", "o-")):
    axes.semilogx(sizes, values, style, markersize=4.5, color=color)
axes.text(1.3, 0.72, "Adam,\npenalty added", color=plotting.VERMILLION, ha="right")
axes.text(0.01, 0.41, "AdamW", color=plotting.BLUE)
axes.set_ylim(-0.05, 1.05)
label_axes(axes, "size of the gradient's noise", "average weight after 1,000 steps")
plotting.show(
    figure,
    "What is left of weights that started at 1. AdamW leaves 0.37 whatever the size of the gradients. Adam "
    "with an added penalty leaves a quarter where gradients are small and nearly all where they are large.",
)

# %% [markdown]
# With an added penalty Adam decays each weight by another amount, and least of all those with the largest
# gradients. AdamW treats all alike. That is the core of the argument for AdamW, in one picture.
#
# **L1 at work: which features matter?** Twenty features, forty examples, noise; only the features 2, 7, 11
# and 16 have any influence on the target. A linear model is trained by SGD with four kinds of decay
# ($\lambda = 0.2$).
#
# **Predict first.** In which of the four are weights *exactly* 0, not just small?

# %% tags=["demo", "raises-exception"]
draw = np.random.default_rng(0)
features, true = draw.normal(size=(40, 20)), np.zeros(20)
true[[2, 7, 11, 16]] = 2.0, -1.5, 1.0, 0.6
target = features @ true + 0.5 * draw.normal(size=40)
kinds = {"L2 added": {"decoupled": False}, "L2 decoupled": {},
         "L1 added": {"decoupled": False, "norm": "l1"}, "L1 decoupled": {"norm": "l1"}}
found = {}
for name, options in kinds.items():
    decay, weights = WeightDecay(0.2, **options), leaf(np.full(20, 0.1))
    optimizer = SGD([weights], learning_rate=0.05, weight_decay=decay)
    for _ in range(1500):
        give([weights], [features.T @ (features @ weights.data.data - target) / 40])
        optimizer.step()
    decay.apply(np.zeros(20), optimizer.param_groups[0], weights.data.data)
    found[name] = weights.data.data

figure, panels = plt.subplots(1, 4, figsize=(9.0, 3.3), sharey=True)
for axes, (name, values) in zip(panels, found.items()):
    for kind, chosen, color, marker in (("relevant", np.flatnonzero(true), plotting.BLUE, "o"),
                                        ("irrelevant", np.flatnonzero(true == 0), plotting.ORANGE, "s")):
        heights = np.maximum(np.abs(values[chosen]), 1e-5)
        axes.semilogy(chosen, heights, marker, markersize=4, color=color, label=kind)
    label_axes(axes, "feature", "", f"{name}\n{np.sum(values == 0)} of 20 exactly 0")
    axes.set(ylim=(6e-6, 5), xticks=(0, 10, 19))
    axes.axhspan(6e-6, 1.7e-5, color=plotting.SKY, alpha=0.3, linewidth=0)
panels[0].set_yticks([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1], ["exactly 0", "0.0001", "0.001", "0.01", "0.1", "1"])
panels[0].minorticks_off()
panels[0].legend(loc="center", bbox_to_anchor=(0.5, 0.3))
panels[0].set_ylabel("size of the weight")
plotting.show(
    figure,
    "Sizes of twenty weights on a logarithmic axis under four kinds of decay. With L2 the sixteen irrelevant "
    "ones lie between 0.01 and 0.3. With L1 added nearly all of them are below 0.02, but none is 0. With L1 "
    "decoupled fifteen of them are exactly 0, and the four relevant ones stand out.",
)

# %% [markdown]
# Only the decoupled L1 gives zeros: the model now says which features it does not use. (One irrelevant
# feature of sixteen is kept: by chance it went along with the noise. And all weights that are kept are too
# small, since L1 pulls at them, too; that is its price.) With plain SGD this is a well-known method, the
# *lasso* (Tibshirani, 1996), solved by proximal gradient descent.
#
# One line in the cell deserves a second look: `decay.apply(…)` after the last step. The decay comes
# *before* the update, so at the end of a step a weight that was just set to 0 has been moved again, by
# $\eta g$, less than the next threshold takes away. Whoever wants the zeros applies the decay once more at
# the end.

# %% [markdown]
# ## 7. Schedules: the rate as a function of time
#
# Module 08 built one schedule, the staircase `StepLR`, on a base class `Schedule` that does the housekeeping.
# It left you a promise: every further schedule is one formula. Recall what the base class does with it:
#
# - `factor(count)` is the formula: what the initial rates are multiplied with. It looks at the count and at
#   nothing else, so a rate can never get out of step;
# - `step()` counts a call and sets every group's rate to its **own initial** rate times `factor(count)`. Call
#   it at the **start**: the first call has count 0, the $k$-th has count $k - 1$;
# - `state_dict()` and `load_state_dict()` save and restore it exactly, and the constructor changes nothing.
#
# This section adds five schedules, a way to chain them, and a tool that finds a rate to start from. What they
# count is up to you, it is whatever you call `step()` for. The table says what is usual:
#
# | schedule | initial rate is multiplied with, $c = 0, 1, 2, \ldots$ | usually counts | at the first call |
# |---|---|---|---|
# | `ExponentialLR` | $\gamma^{c}$ | epochs | 1 |
# | `CosineAnnealingLR` | half a cosine wave from 1 to a minimum | epochs | 1 |
# | `LinearWarmup` | $\min\left(\frac{c + 1}{B}, 1\right)$ | batches | $1/B$ |
# | `OneCycleLR` | half a wave up, half a wave down | batches | 1/25 |
# | `ReduceLROnPlateau` | $\gamma^{r}$ after $r$ reductions | the metric decides | 1 |
# | `SequentialLR` | one schedule after another | as they do | that of the first |
#
# The next cell holds a small task for the experiments of this section: 512 points on two half circles that
# interleave, with some noise, and a network of 16 + 16 units $\max(z, 0)$ that learns to tell them apart.

# %% nbgrader={"grade": false, "grade_id": "schedules-task", "locked": true, "schema_version": 3, "solution": false, "task": false}
from tinytorch.core.tensor import maximum


class Moons:
    """Two interleaving half circles of points, and a 2-16-16-1 network that learns to separate them."""

    def __init__(self, examples=512, batch_size=32):
        draw = np.random.default_rng(0)
        self.side = np.where(np.arange(examples) % 2 == 0, 1.0, -1.0)
        angle = np.pi * draw.uniform(size=examples)
        circle = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
        self.points = self.side[:, None] * circle + 0.15 * draw.normal(size=(examples, 2))
        self.batch_size = batch_size

    def parameters(self, seed=0):
        draw = np.random.default_rng(seed)
        parameters = []
        for inputs, outputs in ((2, 16), (16, 16), (16, 1)):
            weights = math.sqrt(2 / inputs) * draw.normal(size=(inputs, outputs))
            parameters += [Variable(weights), Variable(np.zeros(outputs))]
        return parameters

    def loss(self, parameters, chosen=slice(None)):
        """Mean log loss, log(1 + exp(-side · output)), written so that it never overflows."""
        w1, b1, w2, b2, w3, b3 = parameters
        hidden = maximum(Tensor.from_numpy(self.points[chosen]) @ w1 + b1, 0.0)
        output = maximum(hidden @ w2 + b2, 0.0) @ w3 + b3
        wrong = output.reshape(-1) * Tensor.from_numpy(-self.side[chosen])
        return (maximum(wrong, 0.0) + ((-wrong.abs()).exp() + 1.0).log()).mean()

    def value(self, parameters):
        """The loss over all points, a number."""
        return self.loss([parameter.data for parameter in parameters]).item()

    def closure(self, optimizer, draw):
        """For `optimizer.step(closure)`: zeroes gradients, computes those of a batch, returns its loss."""

        def next_batch():
            optimizer.zero_grad()
            loss = self.loss(optimizer.parameters, draw.integers(len(self.side), size=self.batch_size))
            loss.backward()
            return loss

        return next_batch


MOONS = Moons()


def plain_ticks(axis, values) -> None:
    """Ticks at these values of a logarithmic axis, written as plain numbers."""
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)


def factors(schedule, count) -> list[float]:
    """The factors of a schedule at its first `count` calls, from the rates that `step()` sets."""
    seen = []
    for _ in range(count):
        schedule.step()
        seen.append(schedule.optimizer.learning_rate / schedule.initial_lr)
    return seen


def draw_factors(axes, values, color, title, unit) -> None:
    """A curve of factors against the calls of step(), a ring and its value at the first call."""
    calls = np.arange(1, len(values) + 1)
    axes.plot(calls, values, color=color)
    axes.plot(1, values[0], "o", color=color, markersize=7, markerfacecolor="white", clip_on=False, zorder=3)
    axes.set(xlim=(-1, len(values) + 1), ylim=(-0.03, 1.12))
    label_axes(axes, f"calls of step(), one per {unit}", "", title)


def optimizer_of_rate(rate=1.0):
    """An optimizer to be scheduled; it has nothing to optimize."""
    return SGD([leaf(0.0)], learning_rate=rate)

# %% [markdown]
# ### Four curves
#
# **Exponential.** $\gamma^c$: a little less each time, never a jump.
#
# **Cosine annealing** (Loshchilov and Hutter, 2017, equation 5). Over $E$ epochs the rate falls from $\eta_0$
# to $\eta_{min}$ along half a cosine wave:
#
# $$\eta_c = \eta_{min} + \tfrac{1}{2}\,(\eta_0 - \eta_{min})\left(1 + \cos\frac{\pi c}{E}\right)$$
#
# It stays high for a while, falls fastest in the middle and lands gently. What comes after the end? The
# formula goes on to swing, and so does PyTorch's class: one epoch too many and the rate *rises*. Ours holds
# its minimum.
#
# **Linear warm-up** (Goyal and others, 2017). The first $B$ batches climb from $\eta_0 / B$ to $\eta_0$ in
# equal steps: $\min((c + 1)/B, 1)$. The $+1$ is there since a first batch at rate 0 would be wasted.
#
# **One cycle** (Smith and Topin, 2018). Half a cosine wave up from a 25th of the rate, then half a wave down
# to nearly nothing, and all of training is that one cycle. The peak is higher than any constant rate you
# would dare. With $B$ batches and the *rise* $\rho$ (rho), the part of them that climbs, the corners stand
# where PyTorch puts them:
#
# $$\text{start at } c = 0, \qquad \text{peak at } c = \rho B - 1, \qquad \text{end at } c = B - 1$$
#
# and from there on the rate is held. The optimizer's own rate is the peak. The paper also lowers the momentum
# while the rate climbs, and PyTorch's class does so unless told otherwise; ours sets rates and nothing else.
#
# All three waves are one helper. With `progress` $q$ from 0 to 1,
#
# $$\mathrm{cosine}(a, b, q) = b + (a - b)\,\frac{1 + \cos \pi q}{2}$$
#
# *By hand.* At $q = \tfrac{1}{2}$ the cosine is 0: the middle, $(a + b)/2$. At $q = \tfrac{1}{3}$ it is
# $\tfrac{1}{2}$: three quarters of the height are left. One cycle of 8 batches with rise 0.5, from 0.2 to 1
# to 0.1: the peak is at count $0.5 \cdot 8 - 1 = 3$, so count 1 has come a third of the way, $1 - 0.8 \cdot
# 0.75 = 0.4$, and count 5 is halfway down, at 0.55.

# %%
#| exporti
def check_fraction(name: str, value) -> float:
    """A part of a whole, as a float; TypeError if it is not a number, ValueError outside [0, 1]."""
    value = check_number(name, value)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value}")
    return value


def cosine(start: float, end: float, progress: float) -> float:
    """From `start` (progress 0) to `end` (progress 1) along half a cosine wave."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2

# %% [markdown]
# ### Exercise: four schedules
#
# *easy · about 30 minutes · 7 lines in four places · 10 points · schedules*
#
# Write the four `factor` methods. The options have been checked and are attributes: `self.gamma`,
# `self.epochs`, `self.min_fraction` and so on. All of them are fractions of the initial rate, which stands
# for 1.
#
# 1. `ExponentialLR.factor`: $\gamma^c$.
# 2. `CosineAnnealingLR.factor`: from 1 to `min_fraction` in `epochs` epochs, and the minimum ever after.
# 3. `LinearWarmup.factor`: $(c + 1)/B$, and 1 once that is reached.
# 4. `OneCycleLR.factor`: name the two corners, then answer for a count up to the peak and for one after it.
#    From the end on, the end fraction.
#
# <details><summary>Hint 1: holding the end</summary>
#
# A progress above 1 is what must not reach `cosine`. `min` keeps it down.
# </details>
# <details><summary>Hint 2: progress between two corners</summary>
#
# At count $c$ you have come $(c - \text{first corner})$ of $(\text{second corner} - \text{first corner})$.
# The first corner of the climb is 0.
# </details>

# %% nbgrader={"grade": false, "grade_id": "schedules", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class ExponentialLR(Schedule):
    """Schedule: multiply the learning rate by gamma after every epoch.

    After the k-th call of `step()`, k ≥ 1, each group's rate is  initial · gamma^(k − 1). At the first call
    it is the initial rate.

    Args:
        optimizer: whose rates to set; its present ones are the initial ones. The constructor changes nothing.
        gamma: the factor, in (0, 1].

    Raises:
        TypeError: not an Optimizer, a gamma that is not a number.
        ValueError: a gamma outside (0, 1].

    Example:
        >>> optimizer = SGD([Variable(1.0)], learning_rate=0.8)
        >>> schedule = ExponentialLR(optimizer, gamma=0.5)
        >>> for epoch in range(3):
        ...     schedule.step()
        ...     print(optimizer.learning_rate)
        0.8
        0.4
        0.2
    """

    def __init__(self, optimizer: Optimizer, gamma: float):
        super().__init__(optimizer)
        self.gamma = check_fraction("gamma", gamma)
        if self.gamma == 0:
            raise ValueError("gamma must be positive, got 0.0")

    def factor(self, epoch: int) -> float:
        """gamma^epoch."""
        ### BEGIN SOLUTION
        return self.gamma**epoch
        ### END SOLUTION


class CosineAnnealingLR(Schedule):
    """Schedule: half a cosine wave from the initial rate down to a fraction of it, which is then held.

    After the k-th call of `step()`, k ≥ 1, with e = min(k − 1, epochs) and f the min_fraction, each group's
    rate is  initial · (f + (1 − f)·(1 + cos(π·e / epochs)) / 2). At the first call it is the initial rate.
    (PyTorch's CosineAnnealingLR takes the minimum as a rate, and rises again after the end.)

    Args:
        optimizer: whose rates to set; its present ones are the initial ones. The constructor changes nothing.
        epochs: the length of the half wave, at least 1; in batches where `step()` is called for each of them.
        min_fraction: the minimum, as a part of the initial rate, in [0, 1].

    Raises:
        TypeError: not an Optimizer, epochs that is not an integer, a min_fraction that is not a number.
        ValueError: epochs below 1, a min_fraction outside [0, 1].

    Example:
        >>> optimizer = SGD([Variable(1.0)], learning_rate=0.8)
        >>> schedule = CosineAnnealingLR(optimizer, epochs=2, min_fraction=0.25)
        >>> for epoch in range(4):
        ...     schedule.step()
        ...     print(round(optimizer.learning_rate, 3))
        0.8
        0.5
        0.2
        0.2

    Source: I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017,
    equation 5.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, min_fraction: float = 0.0):
        super().__init__(optimizer)
        self.epochs = check_count("epochs", epochs)
        self.min_fraction = check_fraction("min_fraction", min_fraction)

    def factor(self, epoch: int) -> float:
        """Half a cosine wave from 1 to min_fraction."""
        ### BEGIN SOLUTION
        return cosine(1.0, self.min_fraction, min(epoch / self.epochs, 1.0))
        ### END SOLUTION


class LinearWarmup(Schedule):
    """Schedule: climb to the optimizer's rate in equal steps, one a batch, and stay there.

    After the k-th call of `step()`, k ≥ 1, each group's rate is  initial · min(k / batches, 1). At the first
    call it is  initial / batches.

    Args:
        optimizer: whose rates to set; its present ones are those to climb to. The constructor changes
            nothing, so call `step()` before the first batch.
        batches: the call that reaches the full rate, at least 1.

    Raises:
        TypeError: not an Optimizer, batches that is not an integer.
        ValueError: batches below 1.

    Example:
        >>> optimizer = SGD([Variable(1.0)], learning_rate=0.8)
        >>> schedule = LinearWarmup(optimizer, batches=4)
        >>> for batch in range(5):
        ...     schedule.step()
        ...     print(round(optimizer.learning_rate, 3))
        0.2
        0.4
        0.6
        0.8
        0.8

    Source: P. Goyal and others, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, section
    2.2.
    """

    def __init__(self, optimizer: Optimizer, batches: int):
        super().__init__(optimizer)
        self.batches = check_count("batches", batches)

    def factor(self, batch: int) -> float:
        """(batch + 1) / batches, at most 1."""
        ### BEGIN SOLUTION
        return min((batch + 1) / self.batches, 1.0)
        ### END SOLUTION


class OneCycleLR(Schedule):
    """Schedule: half a cosine wave up to the optimizer's rate, then half a wave down to nearly nothing.

    The k-th call of `step()`, k ≥ 1, opens batch c = k − 1. The factor is `start_fraction` at c = 0 (first
    call), 1 at  c = rise·batches − 1, `end_fraction` at  c = batches − 1, and held from there; cosine waves
    join them. (The numbers are those of PyTorch's OneCycleLR with its initial rate, peak and end. That one
    also cycles the momentum, which this one leaves alone, and raises an error after the end.)

    Args:
        optimizer: whose rates to set; its present ones are the peak. The constructor changes nothing, so call
            `step()` before the first batch.
        batches: length of the whole cycle, usually of all training.
        rise: the part of the batches that climbs; more than one batch must climb and one must fall.
        start_fraction: the first rate as a part of the peak, in [0, 1].
        end_fraction: the last one, in [0, 1].

    Raises:
        TypeError: not an Optimizer, batches that is not an integer, a fraction that is not a number.
        ValueError: batches below 1, a fraction outside [0, 1], a rise without room for both waves.

    Example:
        >>> optimizer = SGD([Variable(1.0)], learning_rate=1.0)
        >>> schedule = OneCycleLR(optimizer, batches=6, rise=0.5)
        >>> for batch in range(6):
        ...     schedule.step()
        ...     print(round(optimizer.learning_rate, 6))
        0.04
        0.52
        1.0
        0.750001
        0.250003
        4e-06

    Source: L. N. Smith and N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2018, section 3; cosine waves in place of its straight lines.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        batches: int,
        rise: float = 0.3,
        start_fraction: float = 1 / 25,
        end_fraction: float = 1 / 250_000,
    ):
        super().__init__(optimizer)
        self.batches, self.rise = check_count("batches", batches), check_fraction("rise", rise)
        self.start_fraction = check_fraction("start_fraction", start_fraction)
        self.end_fraction = check_fraction("end_fraction", end_fraction)
        if not 1 < self.rise * self.batches < self.batches:
            climbing = f"{self.rise:g} · {self.batches} = {self.rise * self.batches:g}"
            raise ValueError(f"more than 1 batch and not all must climb: rise · batches is {climbing}")

    def factor(self, batch: int) -> float:
        """Half a wave from start_fraction to 1, half a wave from 1 to end_fraction."""
        ### BEGIN SOLUTION
        peak, end = self.rise * self.batches - 1, self.batches - 1
        if batch <= peak:
            return cosine(self.start_fraction, 1.0, batch / peak)
        return cosine(1.0, self.end_fraction, min((batch - peak) / (end - peak), 1.0))
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-schedules", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_schedules():
    first = {"parameters": [leaf(1.0)], "learning_rate": 0.8}
    optimizer = SGD([first, {"parameters": [leaf(2.0)], "learning_rate": 0.2}])

    def of(schedule, counts):
        return [schedule.factor(count) for count in counts]

    for gamma, counts, expected in ((0.5, range(4), [1, 0.5, 0.25, 0.125]), (0.9, (2, 0, 1), [0.81, 1, 0.9]),
                                    (1.0, (0, 7), [1, 1])):
        expect_close(f"factors of ExponentialLR, gamma {gamma}, at the counts {list(counts)}",
                     of(ExponentialLR(optimizer, gamma), counts), expected, "gamma to the power of the count",
                     1e-12)

    wave = [1, 0.853553390593, 0.5, 0.146446609407, 0]
    expect_close("factors of CosineAnnealingLR, 4 epochs, at the counts 0 to 4",
                 of(CosineAnnealingLR(optimizer, 4), range(5)), wave, "is the progress epoch / epochs?", 1e-9)
    expect_close("factors of CosineAnnealingLR, 4 epochs, min_fraction 0.2",
                 of(CosineAnnealingLR(optimizer, 4, 0.2), range(5)),
                 [1, 0.882842712475, 0.6, 0.317157287525, 0.2], "from 1 down to min_fraction", 1e-9)
    expect_close("factors of CosineAnnealingLR, 4 epochs, min_fraction 0.2, after the end",
                 of(CosineAnnealingLR(optimizer, 4, 0.2), (5, 6, 8, 100)), [0.2] * 4,
                 "the minimum is held: does the progress go beyond 1?", 1e-9)
    expect_close("factors of CosineAnnealingLR, 3 epochs, out of order",
                 of(CosineAnnealingLR(optimizer, 3), (2, 0, 3, 1)), [0.25, 1, 0, 0.75],
                 "a factor depends on the count it is given and on nothing else", 1e-9)

    expect_close("factors of LinearWarmup, 4 batches, at the counts 0 to 6",
                 of(LinearWarmup(optimizer, 4), range(7)), [0.25, 0.5, 0.75, 1, 1, 1, 1],
                 "(count + 1) / batches, never above 1", 1e-12)
    expect_close("factors of LinearWarmup, 1 batch", of(LinearWarmup(optimizer, 1), (0, 1, 5)), [1, 1, 1],
                 "a warm-up of one batch changes nothing", 1e-12)

    schedule = CosineAnnealingLR(optimizer, 2, 0.5)
    for call, (first, second) in enumerate(((0.8, 0.2), (0.6, 0.15), (0.4, 0.1), (0.4, 0.1)), start=1):
        schedule.step()
        expect_close(f"rates of two groups after call {call}, cosine in 2 epochs to 0.5",
                     [group["learning_rate"] for group in optimizer.param_groups], [first, second],
                     tolerance=1e-9)
        expect_close(f"get_lr() after call {call}", schedule.get_lr(), first, tolerance=1e-9)


test_schedules()

# %% nbgrader={"grade": true, "grade_id": "test-one-cycle", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_one_cycle():
    optimizer = SGD([leaf(1.0)], learning_rate=0.5)
    schedule = OneCycleLR(optimizer, 8, rise=0.5, start_fraction=0.2, end_fraction=0.1)
    expected = [0.2, 0.4, 0.8, 1, 0.868198051534, 0.55, 0.231801948466, 0.1]
    for count, value in enumerate(expected):
        expect_close(f"one cycle of 8 batches, rise 0.5, from 0.2 over 1 to 0.1: factor at count {count}",
                     schedule.factor(count), value, "the peak is at count 0.5 * 8 - 1 = 3, the end at 7",
                     1e-9)
    for count in (8, 9, 14, 1000):
        expect_close(f"the same cycle after its end, at count {count}", schedule.factor(count), 0.1,
                     "the end is held", 1e-9)

    between = OneCycleLR(optimizer, 10, rise=0.25, start_fraction=0.2, end_fraction=0.1)
    for count, value in ((9, 0.1), (2, 0.990166420660), (1, 0.8), (0, 0.2)):
        expect_close(f"one cycle of 10 batches, rise 0.25: factor at count {count}", between.factor(count),
                     value, "the peak lies between two counts, at 0.25 * 10 - 1 = 1.5; do not round it", 1e-9)

    usual = OneCycleLR(optimizer, 10)
    for call, rate in enumerate((0.02, 0.26, 0.5), start=1):
        usual.step()
        expect_close(f"the rate after call {call}, 10 batches, peak 0.5, other options as given",
                     optimizer.learning_rate, rate, "three batches climb from a 25th", 1e-9)
    for _ in range(7):
        usual.step()
    expect_close("the rate after call 10, in millionths of the peak", usual.get_lr() * 2e6, 4.0,
                 "the last batch has the end fraction, 1/250000", 1e-6)


test_one_cycle()

# %% [markdown]
# **Use it.** The four curves, each drawn from what `step()` really sets. The ring is the first call.

# %% tags=["demo", "raises-exception"]
figure, panels = plt.subplots(2, 2, figsize=(8.4, 5.2), sharey=True)
shown = (
    (ExponentialLR(optimizer_of_rate(), 0.95), "exponential, γ = 0.95", "epoch"),
    (CosineAnnealingLR(optimizer_of_rate(), 40, 0.1), "cosine, 40 epochs to 0.1", "epoch"),
    (LinearWarmup(optimizer_of_rate(), 15), "warm-up, 15 batches", "batch"),
    (OneCycleLR(optimizer_of_rate(), 60), "one cycle, 60 batches", "batch"),
)
for axes, (schedule, title, unit), color in zip(panels.flat, shown, plotting.COLORS):
    values = factors(schedule, 60)
    draw_factors(axes, values, color, title, unit)
    offset = (9, 5) if values[0] == 1 else (13, -5)
    note = f"first call: {values[0]:.3g}"
    axes.annotate(note, (1, values[0]), offset, textcoords="offset points", fontsize=9.5)
epochs = np.arange(40, 60)
panels[0, 1].plot(epochs + 1, 0.1 + 0.9 * (1 + np.cos(np.pi * epochs / 40)) / 2, ":", color=plotting.GRAY)
panels[0, 1].text(49, 0.37, "PyTorch's\nrises again", ha="right", fontsize=9.5, color=plotting.BLACK)
for axes in panels[:, 0]:
    axes.set_ylabel("part of the initial rate")
plotting.show(
    figure,
    "Four schedules over 60 calls. Exponential decays from 1; cosine falls along a half wave to 0.1 and "
    "stays, while a dotted line, PyTorch's, rises again; warm-up climbs from 0.067 to 1 in 15 steps; "
    "one cycle climbs from 0.04 to 1 within 18 calls and falls to nearly 0 at call 60.",
)

# %% [markdown]
# Which one should you take? They differ less in the results than in what they ask of you. Cosine and one
# cycle want the length of training beforehand and give you a good end in return. The exponential one does not
# care about the end, and often stops being useful long before it. Warm-up is only a beginning.
#
# **Exactly where it stopped.** Since a rate is computed from a count, continuing is a matter of restoring the
# count. Save after 7 of 12 batches, build everything anew, load:

# %% tags=["demo", "raises-exception"]
whole = OneCycleLR(optimizer_of_rate(0.3), 12)
rates = [(whole.step(), whole.optimizer.learning_rate)[1] for _ in range(12)]

interrupted = OneCycleLR(optimizer_of_rate(0.3), 12)
for _ in range(7):
    interrupted.step()
saved = interrupted.optimizer.state_dict(), interrupted.state_dict()

resumed = OneCycleLR(optimizer_of_rate(), 12)
resumed.optimizer.load_state_dict(saved[0])
resumed.load_state_dict(saved[1])
rest = [(resumed.step(), resumed.optimizer.learning_rate)[1] for _ in range(5)]
print("saved:", saved[1])
print("the same five rates to the last bit:", rest == rates[7:])

# %% [markdown]
# ### Why Adam profits from a warm-up
#
# Section 5 gave RAdam's answer to a weakness of Adam: in its first steps the corrected average $\hat v$ is
# made of very few squares. The first step is $\eta \cdot g/|g|$, a **full step in the direction of a single
# batch's sign**, for every coordinate, however uncertain that sign is. Later, where gradients are mostly
# noise, they cancel in $\hat m$ but not in $\hat v$, and the steps shrink.
#
# By how much? Take the worst case, gradients that are *nothing but* noise of standard deviation 1. For a long
# memory, $\hat v \to 1$, and $\hat m$ is an average whose variance is $(1 - \beta_1)/(1 + \beta_1)$ of one
# gradient's (sum the squares of its weights). With $\beta_1 = 0.9$ a typical step is then $\sqrt{0.1/1.9} =
# 0.23$ of $\eta$. The first step is $1 \cdot \eta$: more than four times as long, at the moment when Adam
# knows least.
#
# **Predict first.** A network has been trained to a loss of about 0.03. You go on training it with a *new*
# Adam at rate 0.1 (the old one's state was not saved). What happens to the loss in the first ten steps? And
# with the first 20 batches as a warm-up? And with RAdam instead?

# %% tags=["demo", "raises-exception"]
noise = 0.01 * np.random.default_rng(0).normal(size=(60, 4000))  # 60 steps of gradients for 4000 coordinates
task = Moons(batch_size=128)


def typical_steps(make, warmup=1):
    """The root of the mean squared step of all coordinates, at every step, as a multiple of the rate."""
    parameter = leaf(np.zeros(4000))
    optimizer = make([parameter])
    schedule = LinearWarmup(optimizer, warmup)
    sizes = []
    for gradient in noise:
        before = parameter.data.data.copy()
        give([parameter], [gradient])
        schedule.step()
        optimizer.step()
        sizes.append(math.sqrt(np.mean((parameter.data.data - before) ** 2)))
    return sizes


def trained_network(seed):
    """The parameters of the moons network after 400 batches."""
    parameters = task.parameters(seed)
    optimizer = Adam(parameters, learning_rate=0.01)
    closure = task.closure(optimizer, np.random.default_rng(seed + 7))
    for _ in range(400):
        optimizer.step(closure)
    return parameters


def continued(make, warmup, seed, starts):
    """The loss before and after each of 60 batches, from the trained parameters on."""
    parameters = [Variable(array.copy()) for array in starts[seed]]
    optimizer = make(parameters)
    schedule = LinearWarmup(optimizer, warmup)
    closure = task.closure(optimizer, np.random.default_rng(seed + 70))
    losses = [task.value(parameters)]
    for _ in range(60):
        schedule.step()
        optimizer.step(closure)
        losses.append(task.value(parameters))
    return losses


starts = [[parameter.data.data for parameter in trained_network(seed)] for seed in range(5)]
contestants = (("Adam", Adam, 1), ("Adam, warm-up 20", Adam, 20), ("RAdam", RAdam, 1))
figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.6))
for (name, kind, warmup), color, style in zip(
    contestants, (plotting.VERMILLION, plotting.BLUE, plotting.GREEN), plotting.LINE_STYLES
):
    sizes = typical_steps(lambda p: kind(p, learning_rate=1.0), warmup)
    panels[0].plot(range(1, 61), sizes, style, color=color)
    curves = [continued(lambda p: kind(p, learning_rate=0.1), warmup, seed, starts) for seed in range(5)]
    panels[1].semilogy(range(61), np.median(curves, axis=0), style, color=color, label=name)
    low, high = np.min(curves, axis=0), np.max(curves, axis=0)
    panels[1].fill_between(range(61), low, high, color=color, alpha=0.12, linewidth=0)
panels[0].axhline(math.sqrt(0.1 / 1.9), color=plotting.GRAY, linewidth=0.8)
panels[0].text(60, 0.25, "0.23", ha="right", fontsize=9.5)
panels[0].set(xlim=(0, 60), ylim=(-0.02, 1.05))
panels[1].set(xlim=(0, 60), ylim=(0.02, 2))
plain_ticks(panels[1].yaxis, (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2))
label_axes(panels[0], "step", "typical step / rate", "gradients of pure noise")
label_axes(panels[1], "batch", "loss, all points", "going on from a trained network")
panels[1].legend(loc="upper right")
plotting.show(
    figure,
    "Left, the typical step on pure noise: Adam starts at 1 and falls to 0.23 over some thirty steps; with "
    "warm-up it climbs from near 0 to the same level; RAdam's stays near 0. Right, the loss of a trained "
    "network over 60 further batches at rate 0.1: plain Adam throws it up tenfold at once, with warm-up it "
    "rises less and later, with RAdam it stays where it was. Bands show the range over five seeds.",
)

# %% [markdown]
# The left picture is the mechanism, the right one its price. Plain Adam leaves the minimum with its very
# first step, to ten times the loss, and needs some thirty batches to find its way back. The warm-up makes the
# uncertain steps small ones; the loss still rises when the rate arrives, since 0.1 is too much for this task,
# but by a fraction. RAdam does not stir: it takes five plain steps, as long as the (small) gradients are, and
# then lets its rate grow with the number of squares it can trust. That is a warm-up by arithmetic, and a long
# one: at $\beta_2 = 0.999$ it has reached a sixth of the rate after 60 steps.
#
# Is a warm-up always worth it? No. On this task, from a *random* start and at a rate of 0.03, it gains
# nothing (try it): there is no good place to be thrown out of. And even here the picture is kinder to plain
# Adam than its beginning suggests: after 60 batches it is back, and no worse off than with the warm-up. A
# warm-up pays where an early wild step does *lasting* harm: deep networks at large rates, large batches,
# fine-tuning.

# %% [markdown]
# ### When progress stops
#
# All schedules so far are decided before training. `ReduceLROnPlateau` watches instead. You tell it after
# every epoch how well it went (a **metric**: a loss to be small, or an accuracy to be large), and when that
# has not improved for a while, it multiplies the rate by $\gamma$. So it alone is called at the **end** of an
# epoch, `step(metric)`, and its rate is
#
# $$\eta = \eta_0 \cdot \max(\gamma^{r}, f), \qquad r = \text{reductions so far},\quad f = \text{smallest fraction}$$
#
# What is an improvement, and what is "a while"? One call does this, in this order:
#
# 1. The epoch is **good** if the metric beats the `best` so far by more than the `threshold`, a part of the
#    best. Then it is the new best, and the count of bad epochs returns to 0. Otherwise the epoch is **bad**
#    and counts as one more. A metric that is not finite is never an improvement.
# 2. After a reduction there may be a **cooldown**: for so many calls bad epochs do not count. Each such call
#    uses up one and sets the count of bad epochs back to 0.
# 3. If there are now **more** than `patience` bad epochs, the rate is reduced once more, the count returns to
#    0 and the cooldown begins.
#
# *By hand*, with $\gamma = 0.5$, patience 1, no cooldown, rate 0.8:
#
# | metric | 5 | 4 | 4 | 4 | 3 | 3 | 3 | 3 |
# |---|---|---|---|---|---|---|---|---|
# | epoch | good | good | bad | bad | good | bad | bad | bad |
# | bad epochs counted | 0 | 0 | 1 | 2, so reduce: 0 | 0 | 1 | 2, so reduce: 0 | 1 |
# | rate afterwards | 0.8 | 0.8 | 0.8 | 0.4 | 0.4 | 0.4 | 0.2 | 0.2 |
#
# ### Exercise: reduce on a plateau
#
# *medium · about 25 minutes · 10 lines in two places · 8 points · plateau*
#
# `is_better` is given, and so is what surrounds your lines in `step`: the metric has been checked (a metric
# that is not finite has become nan, which `is_better` never likes), the call is counted, and the rates are
# set afterwards.
#
# 1. `factor`: $\max(\gamma^r, f)$.
# 2. `step`: the three rules above, on `self.best`, `self.bad_epochs`, `self.cooldown_left` and
#    `self.reductions`.
#
# <details><summary>Hint 1: the order</summary>
#
# An epoch in the cooldown can still be the best one. So the cooldown comes after the comparison, not instead
# of it.
# </details>
# <details><summary>Hint 2: more than</summary>
#
# Patience 0 means that the first bad epoch reduces; patience 2 lets two pass.
# </details>

# %%
#| exporti
def number_or_nan(name: str, value) -> float:
    """A number, or the one element of a Tensor or Variable, as a float: nan if it is not finite.

    Raises:
        TypeError: it is not a number.
        ValueError: a Tensor or Variable of several elements.
    """
    number = value.item() if hasattr(value, "item") else value
    try:
        return check_number(name, number)
    except ValueError:
        return math.nan

# %% nbgrader={"grade": false, "grade_id": "plateau", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class ReduceLROnPlateau(Schedule):
    """Schedule: reduce the learning rate when a metric has stopped improving.

    Unlike the others it is told a metric, and at the *end* of an epoch: `step(metric)`. Each group's rate is
    initial · max(gamma^reductions, min_fraction). An epoch is bad unless its metric beats the best by more
    than `threshold` times the best's size; after more than `patience` bad epochs in a row there is a further
    reduction. The first call has nothing to beat: after it the rate is the initial one.

    Args:
        optimizer: whose rates to set; its present ones are the initial ones. The constructor changes nothing.
        gamma: the factor of a reduction, in (0, 1).
        patience: the number of bad epochs in a row that are let pass, at least 0.
        threshold: the smallest improvement, as a part of the best, in [0, 1].
        mode: "min" where small metrics are good (a loss), "max" where large ones are (an accuracy).
        cooldown: after a reduction, the number of calls in which bad epochs do not count.
        min_fraction: no rate falls below this part of its initial one, in [0, 1].

    Attributes:
        best: the best metric so far, infinite (the worst there is) before the first.
        bad_epochs: bad epochs in a row that count.
        cooldown_left: calls of the cooldown that are left.
        reductions: number of reductions so far.

    Raises:
        TypeError: not an Optimizer; an option that is not of its kind of number.
        ValueError: an option outside its range.

    Example:
        >>> optimizer = SGD([Variable(1.0)], learning_rate=0.8)
        >>> schedule = ReduceLROnPlateau(optimizer, gamma=0.5, patience=1)
        >>> for loss in (5.0, 4.0, 4.0, 4.0, 3.0):
        ...     schedule.step(loss)
        ...     print(optimizer.learning_rate)
        0.8
        0.8
        0.8
        0.4
        0.4

    The rules are those of PyTorch's ReduceLROnPlateau with its relative threshold. Here the threshold also
    means an improvement where metrics are negative, a metric that is not finite is a bad epoch in either
    mode, and a rate changed by hand in between is set back.
    """

    progress = ("step_count", "best", "bad_epochs", "cooldown_left", "reductions")

    def __init__(
        self,
        optimizer: Optimizer,
        gamma: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        mode: str = "min",
        cooldown: int = 0,
        min_fraction: float = 0.0,
    ):
        super().__init__(optimizer)
        self.gamma = check_fraction("gamma", gamma)
        if self.gamma in (0, 1):
            raise ValueError(f"gamma must lie between 0 and 1, got {gamma}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        self.patience = check_count("patience", patience, smallest=0)
        self.cooldown = check_count("cooldown", cooldown, smallest=0)
        self.threshold, self.mode = check_fraction("threshold", threshold), mode
        self.min_fraction = check_fraction("min_fraction", min_fraction)
        self.best = math.inf if mode == "min" else -math.inf
        self.bad_epochs = self.cooldown_left = self.reductions = 0

    def is_better(self, metric: float) -> bool:
        """Whether a metric beats the best by more than the threshold; nan never does."""
        margin = self.threshold * abs(self.best) if math.isfinite(self.best) else 0.0
        return metric < self.best - margin if self.mode == "min" else metric > self.best + margin

    def factor(self, reductions: int) -> float:
        """gamma^reductions, at least min_fraction."""
        ### BEGIN SOLUTION
        return max(self.gamma**reductions, self.min_fraction)
        ### END SOLUTION

    @property
    def epoch(self) -> int:
        """The epoch that runs now: each call has closed one."""
        return self.step_count

    def step(self, metric) -> None:
        """Close an epoch: judge its metric, set the rate of every group.

        Args:
            metric: a number, or a Tensor or Variable of one element.

        Raises:
            TypeError, ValueError: it is not one number; nothing has changed.
        """
        metric = number_or_nan("the metric", metric)
        self.step_count += 1
        ### BEGIN SOLUTION
        if self.is_better(metric):
            self.best, self.bad_epochs = metric, 0
        else:
            self.bad_epochs += 1
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.bad_epochs = 0
        if self.bad_epochs > self.patience:
            self.reductions += 1
            self.bad_epochs, self.cooldown_left = 0, self.cooldown
        ### END SOLUTION
        for group, initial in zip(self.optimizer.param_groups, self.initial_lrs):
            group["learning_rate"] = initial * self.factor(self.reductions)

    def get_lr(self) -> float:
        """The rate of the first group as the schedule has it."""
        return self.initial_lr * self.factor(self.reductions)

    def check_progress(self, name: str, value):
        """A saved value of one attribute of `progress`: a count, but for `best`, which is a number."""
        if name != "best":
            return super().check_progress(name, value)
        return value if isinstance(value, float) and math.isinf(value) else check_number("best", value)

# %% nbgrader={"grade": true, "grade_id": "test-plateau", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_plateau():
    def rates_after(metrics, rate=1.0, **options):
        schedule = ReduceLROnPlateau(optimizer_of_rate(rate), **options)
        rates = []
        for metric in metrics:
            expect_equal("what step() returns", schedule.step(metric), None)
            rates.append(schedule.optimizer.learning_rate)
        return rates

    cases = (
        ("the example of the text", [5, 4, 4, 4, 3, 3, 3, 3], [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2],
         {"rate": 0.8, "gamma": 0.5, "patience": 1}, "more than patience bad epochs in a row reduce"),
        ("patience 0", [2, 2, 2], [1, 0.5, 0.25], {"gamma": 0.5, "patience": 0},
         "the first bad epoch reduces"),
        ("patience 2", [2, 3, 3, 2, 1, 5, 5], [1, 1, 1, 0.1, 0.1, 0.1, 0.1], {"patience": 2},
         "two bad epochs pass, the third reduces; a good one starts the count afresh"),
        ("worse, then a little better than worse", [1, 3, 2, 1.5], [1, 1, 0.5, 0.5],
         {"gamma": 0.5, "patience": 1}, "the best is the best of all epochs, not the last one"),
        ("threshold 0.1", [10, 9.5, 8.9, 8.5, 8.1, 8.0], [1, 1, 1, 1, 0.5, 0.5],
         {"gamma": 0.5, "patience": 1, "threshold": 0.1},
         "a gain of less than a tenth of the best is a bad epoch"),
        ("mode max", [0.5, 0.6, 0.6, 0.4, 0.7, 0.7, 0.7], [1, 1, 1, 0.5, 0.5, 0.5, 0.25],
         {"gamma": 0.5, "patience": 1, "mode": "max"}, "ask is_better, which knows the mode"),
        ("cooldown 2, patience 0", [1] * 8, [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125],
         {"gamma": 0.5, "patience": 0, "cooldown": 2}, "two calls after a reduction do not count as bad"),
        ("cooldown 1, patience 1", [1] * 6, [1, 1, 0.5, 0.5, 0.5, 0.25],
         {"gamma": 0.5, "patience": 1, "cooldown": 1}, "the cooldown sets the count of bad epochs back to 0"),
        ("a best epoch within the cooldown", [1, 1, 0.5, 0.9, 0.9], [1, 0.5, 0.5, 0.5, 0.25],
         {"gamma": 0.5, "patience": 0, "cooldown": 2}, "compare first, then look at the cooldown"),
        ("min_fraction 0.2", [1, 1, 1, 1, 1], [2, 1, 0.5, 0.4, 0.4],
         {"rate": 2.0, "gamma": 0.5, "patience": 0, "min_fraction": 0.2}, "no factor below min_fraction"),
        ("metrics that are not finite", [1, np.nan, np.inf, 0.5, np.nan], [1, 1, 0.5, 0.5, 0.5],
         {"gamma": 0.5, "patience": 1}, "such an epoch is a bad one"),
        ("nan at once", [np.nan, np.nan, 3, 2], [1, 0.5, 0.5, 0.5], {"gamma": 0.5, "patience": 1},
         "nan is never the best"),
    )
    for name, metrics, expected, options, cause in cases:
        got = rates_after(metrics, **options)
        for call, (rate, wanted) in enumerate(zip(got, expected), start=1):
            expect_close(f"{name}: metrics {metrics[:call]}: the rate", rate, wanted, cause, 1e-12)

    first = {"parameters": [leaf(1.0)], "learning_rate": 0.8}
    optimizer = Adam([first, {"parameters": [leaf(2.0)], "learning_rate": 0.2}])
    schedule = ReduceLROnPlateau(optimizer, gamma=0.5, patience=1, cooldown=3)
    names = ("best", "bad_epochs", "cooldown_left", "reductions", "step_count")
    for metrics, expected in (((3.0, 2.0, 2.5), (2.0, 1, 0, 0, 3)), ((2.5,), (2.0, 0, 3, 1, 4))):
        for metric in metrics:
            schedule.step(metric)
        expect_equal(f"{', '.join(names)} after {schedule.step_count} of the metrics 3, 2, 2.5, 2.5",
                     tuple(getattr(schedule, name) for name in names), expected)
    expect_close("rates of two groups", [group["learning_rate"] for group in schedule.optimizer.param_groups],
                 [0.4, 0.1], "every group from its own initial rate", 1e-12)
    expect_close("get_lr()", schedule.get_lr(), 0.4, tolerance=1e-12)
    schedule = ReduceLROnPlateau(optimizer_of_rate(), 0.5, min_fraction=0.2)
    expect_close("factors after 0 to 3 reductions, gamma 0.5, min_fraction 0.2",
                 [schedule.factor(r) for r in range(4)], [1, 0.5, 0.25, 0.2], tolerance=1e-12)


test_plateau()

# %% [markdown]
# **Use it.** SGD with momentum at a rate that is too large to settle, and the loss over all points as the
# metric. Where do you expect the steps of the staircase, and what will the loss do just after each?

# %% tags=["demo", "raises-exception"]
parameters = MOONS.parameters(seed=1)
optimizer = SGD(parameters, learning_rate=0.3, momentum=0.9)
schedule = ReduceLROnPlateau(optimizer, gamma=0.3, patience=5)
closure = MOONS.closure(optimizer, np.random.default_rng(1))
losses, rates, best = [], [], []
for epoch in range(60):
    rates.append(optimizer.learning_rate)
    for batch in range(16):
        optimizer.step(closure)
    losses.append(MOONS.value(parameters))
    schedule.step(losses[-1])
    best.append(schedule.best)

figure, panels = plt.subplots(2, 1, figsize=(7.4, 4.4), sharex=True, height_ratios=(3, 2))
panels[0].semilogy(losses, "o-", color=plotting.BLUE, markersize=3, linewidth=1, label="after the epoch")
panels[0].step(range(60), best, where="post", color=plotting.GRAY, linewidth=1.2, label="best so far")
panels[0].legend(loc="upper right")
panels[1].step(range(60), rates, where="mid", color=plotting.VERMILLION)
panels[1].set_yscale("log")
label_axes(panels[0], "", "loss, all points")
label_axes(panels[1], "epoch", "learning rate")
panels[0].set_ylim(0.018, 0.4)
plain_ticks(panels[0].yaxis, (0.02, 0.05, 0.1, 0.2, 0.4))
plain_ticks(panels[1].yaxis, (0.003, 0.01, 0.03, 0.1, 0.3))
for epoch in np.flatnonzero(np.diff(rates)):
    for axes in panels:
        axes.axvline(epoch + 0.5, color=plotting.GRAY, linewidth=0.7, linestyle=":")
plotting.show(
    figure,
    "Above, the loss over 60 epochs: it jitters at a high level; after each reduction of the rate, marked "
    "by a dotted line, it drops and jitters less. Below, the rate: a staircase that falls by a factor of 0.3 "
    "whenever six epochs brought no new best.",
)

# %% [markdown]
# The first reduction does most of the work: what looked like "cannot learn more" was jitter in proportion to
# the rate. Later ones find less and less, since nothing is left to settle. Note what the schedule does *not*
# know: whether the loss stopped at a minimum or at a standstill such as dead units; a rate reduced on a
# standstill makes it permanent.
#
# Two cautions. A metric that jitters as much as it improves makes "best so far" a matter of luck: use an
# average, or more patience. And take the metric from examples the network is not trained on (module 09), or
# the schedule will be pleased with memorizing.

# %% [markdown]
# ### One after another
#
# Real trainings combine: a warm-up first, then a decay. `SequentialLR` gives each schedule its turn. It
# counts its own calls, and at the **milestones** $m_1 < m_2 < \ldots$ hands over to the next. Each schedule
# sees a count from its own beginning:
#
# $$\mathrm{factor}(c) = \begin{cases} \mathrm{factor}_0(c) & c < m_1 \\ \mathrm{factor}_1(c - m_1) & m_1 \le c < m_2 \\ \ldots \end{cases}$$
#
# *By hand*: a warm-up of 4 batches, cut off at milestone 3 by an exponential decay with $\gamma = 0.5$.
# Counts 0, 1, 2 give 0.25, 0.5, 0.75; counts 3, 4, 5 are the decay's 0, 1, 2 and give 1, 0.5, 0.25.
#
# Because factors are pure functions, this is all: no schedule is stepped but the sequence itself, and one and
# the same schedule may take several turns. What it cannot take is a schedule that remembers more than a
# count; it refuses a `ReduceLROnPlateau`.
#
# ### Exercise: schedules in sequence
#
# *medium · about 15 minutes · 3 lines · 5 points · sequential*
#
# Write `SequentialLR.factor`: whose turn is it, when did that turn begin, and what does that schedule say?
# `self.schedules` and the increasing list `self.milestones` have been checked.
#
# <details><summary>Hint 1: whose turn</summary>
#
# It is the number of milestones that have been reached. `bisect.bisect_right(numbers, value)` tells, for an
# increasing list, how many of its numbers are at most `value`; counting them in a loop is as good.
# </details>
# <details><summary>Hint 2: the beginning of a turn</summary>
#
# Turn 0 begins at count 0, turn 1 at the first milestone. A list that begins with 0 makes this one case.
# </details>

# %% nbgrader={"grade": false, "grade_id": "sequential", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class SequentialLR(Schedule):
    """Schedule: one schedule after another, each counted from its own beginning.

    Up to milestones[0] calls of `step()` follow schedules[0], then those up to milestones[1] follow
    schedules[1], and so on; each group's rate is its initial rate times the factor of the schedule whose turn
    it is. At the first call that is the first factor of schedules[0]. Only the sequence is stepped. The
    schedules give their formulas; their own counts and initial rates play no part.

    Args:
        optimizer: whose rates to set; its present ones are the initial ones. The constructor changes nothing.
        schedules: of the same optimizer, at least one; a schedule may stand there several times.
        milestones: the counts of calls at which the next schedule begins: increasing, at least 1, one fewer
            than schedules.

    Raises:
        TypeError: not an Optimizer, something that is not a Schedule, one that remembers more than the count
            of its calls (`ReduceLROnPlateau`), a milestone that is not an integer.
        ValueError: no schedules, one of another optimizer, too many or too few milestones, or milestones that
            do not increase.

    Example:
        >>> optimizer = SGD([Variable(1.0)], learning_rate=0.8)
        >>> parts = [LinearWarmup(optimizer, batches=2), ExponentialLR(optimizer, gamma=0.5)]
        >>> schedule = SequentialLR(optimizer, parts, milestones=[2])
        >>> for batch in range(5):
        ...     schedule.step()
        ...     print(optimizer.learning_rate)
        0.4
        0.8
        0.8
        0.4
        0.2
    """

    def __init__(self, optimizer: Optimizer, schedules: Iterable[Schedule], milestones: Iterable[int]):
        super().__init__(optimizer)
        for name, values in (("schedules", schedules), ("milestones", milestones)):
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise TypeError(f"{name} must be a list, got {values!r}")
        self.schedules = list(schedules)
        for i, schedule in enumerate(self.schedules):
            self.check_part(f"schedules[{i}]", schedule)
        self.milestones = [check_count(f"milestones[{i}]", value) for i, value in enumerate(milestones)]
        if len(self.milestones) != len(self.schedules) - 1:
            raise ValueError(f"one milestone fewer than schedules is needed, and at least one schedule; got "
                             f"{len(self.schedules)} schedules and {len(self.milestones)} milestones")
        if any(later <= earlier for earlier, later in zip(self.milestones, self.milestones[1:])):
            raise ValueError(f"milestones must increase, got {self.milestones}")

    def check_part(self, name: str, schedule) -> None:
        """Refuse what cannot take a turn."""
        if not isinstance(schedule, Schedule):
            raise TypeError(f"{name} must be a Schedule, got {type(schedule).__name__}")
        if schedule.progress != Schedule.progress:
            raise TypeError(f"{name} is a {type(schedule).__name__}, which needs more than a count of calls; "
                            f"step it by itself")
        if schedule.optimizer is not self.optimizer:
            raise ValueError(f"{name} is a schedule of another optimizer")

    def factor(self, count: int) -> float:
        """The factor of the schedule whose turn it is, at the count from its own beginning."""
        ### BEGIN SOLUTION
        turn = bisect.bisect_right(self.milestones, count)
        begin = [0, *self.milestones][turn]
        return self.schedules[turn].factor(count - begin)
        ### END SOLUTION

    def state_dict(self) -> dict:
        """As in `Schedule`, with the state dictionaries of the schedules as `"schedules"`."""
        own = {name: value for name, value in vars(self).items() if name not in ("optimizer", "schedules")}
        return {**copy.deepcopy(own), "schedules": [schedule.state_dict() for schedule in self.schedules]}

    def saved_options(self, state_dict: dict) -> dict:
        """A copy of a state dictionary, its schedules restored in copies of the present ones."""
        saved = state_dict["schedules"]
        if not isinstance(saved, (list, tuple)) or len(saved) != len(self.schedules):
            count = len(self.schedules)
            raise ValueError(f"schedules must be a list of {count} state dictionaries, got {saved!r}")
        schedules = [copy.copy(schedule) for schedule in self.schedules]
        for schedule, part in zip(schedules, saved):
            schedule.load_state_dict(part)
        return {**super().saved_options({**state_dict, "schedules": None}), "schedules": schedules}

# %% nbgrader={"grade": true, "grade_id": "test-sequential", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_sequential():
    class Ramp(Schedule):
        """Tells at which count it was asked: a digit, plus the count in hundredths."""

        def __init__(self, optimizer, digit):
            super().__init__(optimizer)
            self.digit = digit

        def factor(self, count):
            return self.digit + count / 100

    optimizer = SGD([leaf(1.0)], learning_rate=2.0)
    first, second, third = (Ramp(optimizer, digit) for digit in (1, 2, 3))

    sequence = SequentialLR(optimizer, [first, second], [3])
    expect_close("factors of two schedules with milestone 3, at the counts 0 to 6",
                 [sequence.factor(count) for count in range(7)],
                 [1.00, 1.01, 1.02, 2.00, 2.01, 2.02, 2.03],
                 "the second one begins at count 3, and its own count begins at 0", 1e-12)
    sequence = SequentialLR(optimizer, [first, second, third, first], [1, 4, 6])
    expect_close("factors of four turns with milestones 1, 4, 6, from count 8 backwards",
                 [sequence.factor(count) for count in range(8, -1, -1)],
                 [1.02, 1.01, 1.00, 3.01, 3.00, 2.02, 2.01, 2.00, 1.00],
                 "every turn is counted from its own milestone; the first may come again", 1e-12)
    alone = SequentialLR(optimizer, [second], [])
    expect_close("factors of a single schedule", [alone.factor(count) for count in (0, 1, 9)],
                 [2.00, 2.01, 2.09], "without milestones there is one turn, from count 0 on", 1e-12)
    inner = SequentialLR(optimizer, [first, second], [2])
    outer = SequentialLR(optimizer, [inner, third], [5])
    expect_close("a sequence within a sequence, counts 0 to 6", [outer.factor(count) for count in range(7)],
                 [1.00, 1.01, 2.00, 2.01, 2.02, 3.00, 3.01], tolerance=1e-12)

    for call, rate in enumerate((2.00, 2.02, 4.00, 4.02), start=1):
        inner.step()
        expect_close(f"the rate after call {call}, milestone 2, initial rate 2", optimizer.learning_rate,
                     rate, "call k has count k - 1", 1e-12)
    expect_equal("step_count of the parts", [first.step_count, second.step_count], [0, 0],
                 "ask a part for its factor; do not step it")


test_sequential()

# %% [markdown]
# **Use it.** On the left the pair that most large trainings use today, a warm-up followed by a cosine that
# counts batches too. On the right warm restarts (Loshchilov and Hutter, 2017): the rate jumps back up, to
# leave one valley for another, each time for twice as long. PyTorch has a class for restarts; here they are
# three cosines in a row.

# %% tags=["demo", "raises-exception"]
optimizer = optimizer_of_rate()
pair = SequentialLR(optimizer, [LinearWarmup(optimizer, 20), CosineAnnealingLR(optimizer, 100)], [20])
restarts = SequentialLR(
    optimizer, [CosineAnnealingLR(optimizer, length, 0.02) for length in (17, 34, 68)], [17, 17 + 34]
)
figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.0), sharey=True)
draw_factors(panels[0], factors(pair, 119), plotting.BLUE, "warm-up, then cosine", "batch")
title = "warm restarts: cosines of 17, 34 and 68"
draw_factors(panels[1], factors(restarts, 119), plotting.GREEN, title, "epoch")
for axes, milestones in zip(panels, (pair.milestones, restarts.milestones)):
    for milestone in milestones:
        axes.axvline(milestone + 1, color=plotting.GRAY, linewidth=0.8, linestyle=":")
panels[0].set_ylabel("part of the initial rate")
plotting.show(
    figure,
    "Two chained schedules over 119 calls. Left, a straight climb from 0.05 to 1 in 20 calls, then half a "
    "cosine wave down to 0. Right, three falling cosine waves of doubled lengths, each beginning at 1 again. "
    "Dotted lines mark the milestones.",
)

# %% [markdown]
# ### Where to begin: a finder for the rate
#
# Every schedule multiplies an initial rate. Which one? You could train at each of many rates. Smith (2017,
# section 3.3) needs one short run: take one batch after the other, **raise the rate at every step** by a
# constant factor from far too small to far too large, and watch the loss. At tiny rates nothing happens;
# somewhere the loss begins to fall; at last it explodes. The rates in between are the usable ones.
#
# The losses of single batches jitter, so we look at section 1's debiased average with $\beta = 0.9$. With the
# losses $L_1, L_2, \ldots$ and $a_0 = 0$,
#
# $$a_i = \beta\, a_{i-1} + (1 - \beta)\, L_i, \qquad \hat a_i = \frac{a_i}{1 - \beta^i}$$
#
# The run is over when $\hat a_i$ has **exploded**, which means: exceeds four times the smallest average so
# far (for a loss that may be negative, smallest + 3·|smallest|, which is the same for positive ones).
#
# What number should it suggest? The minimum of the curve is too late, as that rate is about to explode. We
# take the **decade** (a factor of ten in the rate) over which the average falls most, and its middle, as
# rates go: $\sqrt{\text{first} \cdot \text{last}}$. A slope between two neighbors would be mostly jitter.
#
# *By hand*: rates 0.01, 0.1, 1, 10 with averages 5, 4.5, 3, 6. The falls over a decade are 0.5, 1.5 and −3.
# The largest goes from 0.1 to 1, and its middle is $\sqrt{0.1 \cdot 1} \approx 0.316$.
#
# ### Exercise: the range test
#
# *medium · about 30 minutes · about 14 lines in two places · 8 points · rate-finder*
#
# A **closure** is what `optimizer.step(closure)` takes: a function that zeroes the gradients, computes the
# loss of the next batch, calls `backward()` and returns the loss.
#
# 1. `range_test`: for each rate in turn, set it, take a step with the closure, and turn the loss into a
#    number with `number_or_nan`. If the loss is nan, stop without recording it. Otherwise record it in
#    `losses` and the debiased average in `smoothed`; if that has exploded, stop. Return both lists.
# 2. `steepest_decade`: `width` is the number of steps in a decade. Among the falls from `smoothed[i]` to
#    `smoothed[i + width]` find the largest (the first, if there are several). Return the middle of its two
#    rates; or nan, if even that fall is not more than $10^{-9}$ times the size of the average where it
#    begins: the averages of a constant loss differ by that little, from rounding.
#
# What surrounds them is given: `remember` notes parameters, gradients, state and rates, and puts them back
# whatever happens, so that the search leaves no trace.
#
# <details><summary>Hint 1: the first average</summary>
#
# $i$ counts from 1: $\hat a_1 = 0.1\,L_1 / 0.1 = L_1$. `enumerate(rates, start=1)` counts so.
# </details>
# <details><summary>Hint 2: all falls at once</summary>
#
# `a[:-width]` is the array without its last `width` elements, `a[width:]` without its first. Their difference
# is every fall over a decade, and `np.argmax` says where the largest stands.
# </details>

# %% nbgrader={"grade": false, "grade_id": "rate-finder", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| exporti
def remember(optimizer: Optimizer) -> Callable[[], None]:
    """A function that puts an optimizer and its parameters back as they are now, bit for bit.

    Meanwhile the optimizer works on copies of its state and of the gradients; the parameters are overwritten
    with what they were, since others may share their arrays.
    """
    parameters = optimizer.parameters
    tensors = [(parameter.data, parameter.data.data.copy()) for parameter in parameters]
    gradients = [parameter.grad for parameter in parameters]
    rates = [group["learning_rate"] for group in optimizer.param_groups]
    state, step_count = optimizer.state, optimizer.step_count
    optimizer.state = {parameter: copy.deepcopy(values) for parameter, values in state.items()}
    for parameter in parameters:
        parameter.grad = copy.deepcopy(parameter.grad)

    def put_back() -> None:
        for parameter, (tensor, values), gradient in zip(parameters, tensors, gradients):
            tensor.data[...] = values
            parameter.data, parameter.grad = tensor, gradient
        for group, rate in zip(optimizer.param_groups, rates):
            group["learning_rate"] = rate
        optimizer.state, optimizer.step_count = state, step_count

    return put_back


def range_test(
    optimizer: Optimizer, closure: Callable[[], object], rates: Iterable[float]
) -> tuple[list[float], list[float]]:
    """Take a step at each rate; the losses and their debiased averages, up to where the average explodes.

    A loss is the one that the step at its rate began with. One that is not finite ends the test and is left
    out.
    """
    losses, smoothed, average, beta = [], [], 0.0, 0.9
    ### BEGIN SOLUTION
    for i, rate in enumerate(rates, start=1):
        optimizer.learning_rate = rate
        loss = number_or_nan("the loss", optimizer.step(closure))
        if math.isnan(loss):
            break
        average = beta * average + (1 - beta) * loss
        losses.append(loss)
        smoothed.append(average / (1 - beta**i))
        lowest = min(smoothed)
        if smoothed[-1] > lowest + 3 * abs(lowest):
            break
    return losses, smoothed
    ### END SOLUTION


def steepest_decade(rates: np.ndarray, smoothed: np.ndarray) -> float:
    """The middle of the decade of rates over which the smoothed loss falls most; nan if it never falls.

    A test shorter than a decade is looked at as a whole.
    """
    width = max(1, min(round(1 / math.log10(rates[1] / rates[0])), len(rates) - 1))
    ### BEGIN SOLUTION
    falls = smoothed[:-width] - smoothed[width:]
    i = np.argmax(falls)
    return math.sqrt(rates[i] * rates[i + width]) if falls[i] > 1e-9 * abs(smoothed[i]) else math.nan
    ### END SOLUTION

# %%
#| export
class LearningRateSearch(NamedTuple):
    """What `find_learning_rate` saw.

    Attributes:
        rates: the rates that were tried, increasing.
        losses: the loss of a batch before the step at each of them; the last ones may have exploded.
        suggestion: a rate to begin with, or nan if the loss never fell.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float


def find_learning_rate(
    optimizer: Optimizer,
    closure: Callable[[], object],
    smallest: float = 1e-6,
    largest: float = 10.0,
    steps: int = 100,
) -> LearningRateSearch:
    """Raise the learning rate step by step and watch the loss: which rates are usable?

    All groups get the same rates. The test ends early when the debiased average (β = 0.9) of the losses
    exceeds four times its smallest value, or when a loss is not finite. Afterwards, also after an error, the
    parameters, their gradients, the optimizer's state and its rates are what they were. What else the closure
    changes, such as its place in the data, goes on.

    Args:
        optimizer: as it is to be used. A copy of its state and parameters is kept during the search.
        closure: zeroes the gradients, computes the loss of the next batch, calls `backward` and returns the
            loss, as for `Optimizer.step`.
        smallest: the first rate, positive.
        largest: the last one.
        steps: how many, at least 2; with fewer than ten a decade the average lags far behind.

    Returns:
        Rates and losses, for a picture, and a suggestion: the middle of the decade of rates over which the
        average falls most. It is a proposal; with small batches, look at the picture.

    Raises:
        TypeError: not an Optimizer, a closure that cannot be called or returns no number, rates or steps that
            are not numbers.
        ValueError: rates that are not 0 < smallest < largest, fewer than 2 steps, or losses that are not
            finite from the first or second step on.

    Example:
        >>> weight = Variable(3.0)
        >>> optimizer = SGD([weight])
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = weight * weight
        ...     loss.backward()
        ...     return loss
        >>> search = find_learning_rate(optimizer, closure)
        >>> 0.001 < search.suggestion < 1.0
        True
        >>> weight.data.item(), optimizer.learning_rate
        (3.0, 0.01)

    Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"the optimizer must be an Optimizer, got {type(optimizer).__name__}")
    if not callable(closure):
        raise TypeError(f"the closure must be a function that returns the loss, got {type(closure).__name__}")
    smallest, largest = check_number("smallest", smallest), check_number("largest", largest)
    if not 0 < smallest < largest:
        raise ValueError(f"the rates must satisfy 0 < smallest < largest, got {smallest} and {largest}")
    rates = np.geomspace(smallest, largest, check_count("steps", steps, smallest=2))
    put_back = remember(optimizer)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # losses are meant to explode
            losses, smoothed = (np.array(values) for values in range_test(optimizer, closure, rates))
    finally:
        put_back()
    if len(losses) < 2:
        rate = rates[len(losses)]
        raise ValueError(f"loss {len(losses) + 1} was not finite, at rate {rate:.3g}: is it finite before "
                         f"training? Else begin with a smaller rate")
    rates = rates[:len(losses)]
    return LearningRateSearch(rates, losses, steepest_decade(rates, smoothed))

# %% nbgrader={"grade": true, "grade_id": "test-range-test", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_range_test():
    def told(losses, rates=None):
        """A range test whose losses are given, and the rates (of two groups) at which they were asked for."""
        groups = [{"parameters": [leaf(1.0)], "learning_rate": 0.5}, {"parameters": [leaf(2.0)]}]
        optimizer, asked, rest = SGD(groups, learning_rate=0.05), [], iter(losses)

        def closure():
            asked.append([group["learning_rate"] for group in optimizer.param_groups])
            return next(rest)

        return *range_test(optimizer, closure, rates or [0.1] * len(losses)), asked

    losses, smoothed, asked = told([2.0, 4.0, 1.0], rates=[0.01, 0.1, 1.0])
    expect_close("the rates of two groups at each step", asked, [[0.01, 0.01], [0.1, 0.1], [1.0, 1.0]],
                 "set the rate of every group, then step: optimizer.learning_rate = …", 1e-12)
    expect_close("losses 2, 4, 1", losses, [2.0, 4.0, 1.0], tolerance=1e-12)
    expect_close("their debiased averages", smoothed, [2.0, 0.58 / 0.19, 0.622 / 0.271],
                 "a = 0.9 a + 0.1 L, divided by 1 - 0.9^i with i from 1", 1e-12)

    losses, smoothed, _ = told([10.0, 10.0, 80.0, 80.0, 50.0, 10.0])
    expect_equal("losses 10, 10, 80, 80, 50, 10: how many are recorded", len(losses), 4,
                 "the average after the fourth, 48.7, is more than four times the smallest, 10; after the "
                 "third, 35.8, it is not yet")
    expect_close("the last average, which has exploded", smoothed[-1], 16.739 / 0.3439, tolerance=1e-9)
    losses, _, _ = told([10.0, 1.0, 1.0, 25.0, 1.0])
    expect_equal("losses 10, 1, 1, 25, 1: how many are recorded", len(losses), 5,
                 "compare with the smallest average, not with the smallest loss")
    losses, _, _ = told([9.0, 1.0, 0.0, 0.0, 0.0, 99.0, 0.0])
    expect_equal("losses 9, 1, 0, 0, 0, 99, 0: how many are recorded", len(losses), 6,
                 "compare with the smallest average so far, not with the first")
    losses, _, _ = told([-1.0, -2.0, -1.0, -3.0, 40.0, 0.0])
    expect_equal("losses -1, -2, -1, -3, 40, 0: how many are recorded", len(losses), 5,
                 "smallest + 3 |smallest|: a loss may be negative without having exploded")
    losses, _, _ = told([0.0, 0.0, 0.0])
    expect_equal("losses 0, 0, 0: how many are recorded", len(losses), 3, "0 does not exceed 4 times 0")

    for bad in (np.nan, np.inf, -np.inf):
        losses, smoothed, asked = told([1.0, 1.5, bad, 1.0])
        expect_equal(f"a loss {bad} after two others: losses and averages recorded, losses asked for",
                     (len(losses), len(smoothed), len(asked)), (2, 2, 3), "stop, and leave it out")

    weight = leaf(3.0)
    optimizer = SGD([weight], learning_rate=0.7)

    def closure():
        optimizer.zero_grad()
        loss = weight * weight
        loss.backward()
        return loss

    losses, _ = range_test(optimizer, closure, [0.1, 0.25, 0.5, 0.25])
    expect_close("losses p² from p = 3 at the rates 0.1, 0.25, 0.5, 0.25", losses, [9.0, 5.76, 1.44, 0.0],
                 "p goes 3, 2.4, 1.2, 0: take one step at each rate", 1e-9)


test_range_test()

# %% nbgrader={"grade": true, "grade_id": "test-rate-finder", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_rate_finder():
    decades = np.array([0.01, 0.1, 1.0, 10.0])
    halves = np.array([1.0, 3.1622776602, 10.0, 31.622776602, 100.0])
    for rates, smoothed, expected, cause in (
        (decades, [5.0, 4.5, 3.0, 6.0], 0.316227766017, "the largest fall is from 0.1 to 1"),
        (decades, [5.0, 3.0, 1.0, 2.0], 0.0316227766017, "of two equal falls take the first"),
        (decades, [5.0, 5.5, 6.0, 4.0], 3.16227766017, "the last decade counts too"),
        (halves, [9.0, 8.0, 7.5, 5.0, 5.5], 10.0, "two steps make a decade here: 8 falls to 5"),
        (halves, [4.0, 5.0, 6.0, 7.0, 8.0], np.nan, "where nothing falls there is nothing to suggest"),
        (decades, [2.0, 2.0, 2.0, 2.0], np.nan, "a loss that stays does not fall"),
        (decades, [0.0, 0.0, 0.0, 0.0], np.nan, "a loss that stays at 0 does not fall"),
        (decades, [2.0, 2.0, 2.0 - 1.2e-9, 2.0], np.nan, "less than 1e-9 of the average is rounding"),
        (decades, [2.0, 2.0, 2.0 - 3e-9, 2.0], 0.316227766017, "more than 1e-9 of the average is a fall"),
        (decades, [-2.0, -2.0, -2.0 - 1.2e-9, -2.0], np.nan, "the size of the average, which is negative"),
        (decades, [-2.0, -2.0, -2.1, -2.0], 0.316227766017, "a negative loss can fall too"),
        (decades, [0.0, 0.0, 500.0, 500.0 - 1e-7], np.nan, "1e-9 of where the fall begins, of 500"),
        (decades, [0.001, 0.001, 0.001 - 1e-11, 0.001], 0.316227766017, "1e-9 of the average, of 0.001"),
        (np.array([0.1, 0.2, 0.4]), [3.0, 1.0, 2.0], 0.2, "a test shorter than a decade counts as a whole"),
    ):
        expect_close(f"rates {rates.round(4).tolist()}, averages {smoothed}: the suggestion",
                     steepest_decade(rates, np.array(smoothed)), expected, cause, 1e-9)

    weight, other = leaf([3.0, -1.0]), leaf(2.0)
    groups = [{"parameters": [weight], "learning_rate": 0.5}, {"parameters": [other]}]
    optimizer = Adam(groups, learning_rate=0.125)
    give([weight, other], [[1.0, -4.0], 0.5])
    optimizer.step()
    before = weight.data.data.copy(), other.data.item(), optimizer.state_dict()

    def closure():
        optimizer.zero_grad()
        loss = (weight * weight).sum() + other * other
        loss.backward()
        return loss

    search = find_learning_rate(optimizer, closure, smallest=1e-4, largest=1.0, steps=20)
    expect_equal("the first of 20 rates from 0.0001 to 1", round(search.rates[0], 9), 1e-4)
    expect_equal("as many losses as rates", len(search.losses), len(search.rates))
    expect_close("the first loss", search.losses[0], before[0] @ before[0] + before[1] ** 2, tolerance=1e-9)
    inside = bool(search.rates[0] < search.suggestion < search.rates[-1])
    expect_equal("a suggestion among the rates", inside, True)
    for name, parameter, wanted in (("first", weight, before[0]), ("second", other, before[1])):
        same = np.array_equal(parameter.data.data, wanted)
        expect_equal(f"the {name} parameter after the search is what it was, bit for bit", same, True)
    expect_equal("the gradient after the search", weight.grad.data.tolist(), [1.0, -4.0])
    expect_equal("the rates of the groups after the search",
                 [group["learning_rate"] for group in optimizer.param_groups], [0.5, 0.125])
    expect_equal("the moments after the search", optimizer.state_dict()["state"][0]["first_moment"].tolist(),
                 before[2]["state"][0]["first_moment"].tolist())


test_rate_finder()

# %% [markdown]
# **Use it.** On the moons, with batches of 32, for three optimizers. **Predict first:** SGD, SGD with
# momentum 0.9, Adam: which explodes at the smallest rate? And how far apart, in factors of ten, will the
# suggestions be? On the right every pair is put to the test: the loss after 150 batches at constant rates,
# over all points (the middle of three seeds).

# %% tags=["demo", "raises-exception"]
def loss_after(make, rate, seed, batches=150):
    parameters = MOONS.parameters(seed)
    optimizer = make(parameters)
    optimizer.learning_rate = rate
    closure = MOONS.closure(optimizer, np.random.default_rng(seed))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(batches):
            optimizer.step(closure)
        return MOONS.value(parameters)


def search_of(make, seed):
    optimizer = make(MOONS.parameters(seed))
    return find_learning_rate(optimizer, MOONS.closure(optimizer, np.random.default_rng(seed + 100)))


contestants = {"SGD": SGD, "momentum 0.9": lambda p: SGD(p, momentum=0.9), "Adam": Adam}
colors = (plotting.BLUE, plotting.GREEN, plotting.VERMILLION)
looks = dict(zip(contestants, zip(colors, plotting.LINE_STYLES)))
tried = np.geomspace(1e-3, 10, 9)
figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.7))
for name, make in contestants.items():
    color, style = looks[name]
    search = search_of(make, seed=1)
    smoothed = ewma(search.losses, 0.9, debias=True)
    panels[0].semilogx(search.rates, search.losses, color=color, alpha=0.25, linewidth=0.8)
    panels[0].semilogx(search.rates, smoothed, style, color=color, label=name)
    chosen = np.interp(search.suggestion, search.rates, smoothed)
    panels[0].plot(search.suggestion, chosen, "o", color=color, markersize=8, zorder=3)
    finals = [np.median([loss_after(make, rate, seed) for seed in range(3)]) for rate in tried]
    panels[1].loglog(tried, np.minimum(finals, 1.5), style, color=color, marker=".")
    panels[1].axvline(search.suggestion, color=color, linestyle=style, linewidth=1.0, alpha=0.7)
panels[0].set_ylim(0, 1.6)
panels[0].legend(loc="lower left")
panels[1].set_ylim(0.025, 1.2)
plain_ticks(panels[1].yaxis, (0.03, 0.1, 0.3, 1))
label_axes(panels[0], "learning rate of the step", "loss of the batch", "the range test, 100 batches")
label_axes(panels[1], "constant learning rate", "loss after 150 batches", "the test of the test")
plotting.show(
    figure,
    "Left, the averaged losses of three range tests against the learning rate: each is flat, falls, and "
    "explodes; a dot marks the suggestion on the falling part. Right, the loss after 150 batches against "
    "constant rates: bowls for the three optimizers, with the suggestions, vertical lines, on their left "
    "slopes.",
)
for name, make in contestants.items():
    suggestions = [search_of(make, seed).suggestion for seed in range(5)]
    print(f"{name:12}  suggestions for five seeds:", "  ".join(f"{rate:.2g}" for rate in suggestions))

# %% [markdown]
# Three things to take home. Rates do not carry over from one rule to another: what is careful for SGD is
# reckless for Adam, so "at the same learning rate" is no fair comparison (section 8 takes this up). The
# suggestion is on the safe side of the best constant rate; someone who adds a warm-up or a decay can go
# higher. And between seeds the suggestion moves by a factor of several: it finds the right order of
# magnitude for the price of one epoch, and no more than that.

# %% [markdown]
# ## 8. Experiments: which optimizer is best?
#
# You have built a dozen rules by now, and the question can no longer be put off: which one should you use? The
# internet is full of answers, most of them a picture with a few curves, one of which is lower. In this section
# you learn to read such pictures, to draw better ones, and to see what even the good ones cannot tell.
#
# The problems are small: a network with sixteen numbers, and five landscapes over two. That is on purpose. One
# run takes milliseconds, so everything that is usually skipped for lack of time can be done: tune every rule,
# repeat every run, ask what a result depends on. The next cell gets the problems and the tools from the package
# (`tinytorch.lesson`, all of it short enough to read) and names six contestants.

# %% nbgrader={"grade": false, "grade_id": "experiments-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import functools
from dataclasses import replace

from tinytorch.lesson.comparison import animate_paths, compare_optimizers, draw_paths
from tinytorch.lesson.problems import BEALE, RAVINE, REGRESSION, SURFACES, TURNED_RAVINE
from tinytorch.lesson.tuning import RATES, follow, minimize, ranking_table, steps_to_tolerance, tune

CONTESTANTS = {
    "gradient descent": SGD,
    "heavy ball": lambda parameters, rate: MomentumSGD(parameters, rate, momentum=0.9),
    "RMSprop": RMSprop,
    "Adam": Adam,
    "AdaGrad": AdaGrad,
    "NAdam": NAdam,
}
LOOKS = dict(zip(CONTESTANTS, zip(plotting.COLORS, plotting.LINE_STYLES + plotting.LINE_STYLES[:2])))


@functools.cache
def tuned_on(surface) -> dict:
    """Each contestant's best learning rate on a surface and its steps to the goal: rates half a decade apart."""
    return {name: tune(surface, make, RATES[::2], steps=500) for name, make in CONTESTANTS.items()}

# %% [markdown]
# ### One start, four learning rates
#
# The regression set has five examples of three features, and a target that is not linear in them:
#
# $$y = 0.8\,x_3^3 + 0.1\,x_2^2 + 0.5\,x_1 + 4$$
#
# The model is a 3-3-1 network, $\hat y = \max(X W_1 + b_1,\, 0)\, W_2 + b_2$, and the loss is the mean squared
# error. Every curve below starts from the *same* initial weights, and ends as soon as the loss is 0.1, or after
# 1,000 steps. Only the rule and the rate differ.
#
# **Predict first.** The curves start near 23. At rate 0.001, who is first at 0.1: plain descent, the heavy
# ball, or Adam? And at rate 1? Is it the same one at all four rates?

# %% tags=["demo", "raises-exception"]
table = ["| x₃ | x₂ | x₁ | y |", "|---|---|---|---|"]
table += [f"| {' | '.join(f'{value:g}' for value in (*x, *y.round(4)))} |" for x, y in zip(REGRESSION.x, REGRESSION.y)]
display(Markdown("\n".join(table)))
plotting.show(
    compare_optimizers(CONTESTANTS),
    "Loss curves of six optimizers in four panels, one for each learning rate, with the steps to a loss of 0.1 in the "
    "legends. At 0.001 and 0.01 the heavy ball is first; at 0.1 plain descent is, with 9 steps; at 1 the heavy ball "
    "passes the goal after 4 steps in wild swings, while plain descent is thrown out and stays at a loss of 69.",
)

# %% [markdown]
# Here you have four pictures of the kind the internet shows, and you could publish any one of them. With the
# first, the heavy ball is ten times as fast as everybody else; with the third, plain descent beats all
# inventions since; with the fourth, it is useless. All are true, and none compares the *rules*.
#
# **A rate of 0.01 is not the same thing to two rules.** Plain descent multiplies it with a gradient, which may
# be 100 or 0.001. The heavy ball adds up about ten gradients, so its rate counts tenfold (section 2). To Adam
# the rate *is* the length of a step, whatever the gradient: at 0.001 no weight gets farther than 1 in a
# thousand steps, and the output, which has to rise by about 4, takes nearly all of them. A panel at one rate
# compares *rates*, and shows who happens to like this one.
#
# **And what is a loss of 0.1 worth?** Before you trust a goal, ask what it takes to reach it without learning
# anything. A model that ignores its input and always answers with the mean of the targets has a loss that is
# called the **variance** of the targets:

# %% tags=["demo", "raises-exception"]
mean = REGRESSION.y.mean()
print(f"always answering {mean:.4f}: mean squared error {np.mean((REGRESSION.y - mean) ** 2):.4f}")

# %% [markdown]
# A third of 0.1! Every curve that ends at "0.1" has learned that the answer is about 4.3, which takes nothing
# but the output's bias, and need not have looked at $X$ at all. Comparing with the best constant costs one
# line; do it before you admire a loss. It would also have caught the next mistake.
#
# ### The loss falls, and everything is wrong
#
# The targets are a *column*, of shape (5, 1), like the predictions. Suppose that somebody stores them as a row,
# of shape (1, 5), which prints just as nicely.
#
# **Predict first.** What is the shape of `predictions - targets` then? Does anything complain? Does training go
# wrong, and how would you notice: by the loss not falling, by its not passing 0.1, or not at all?

# %% tags=["demo", "raises-exception"]
mistaken = replace(REGRESSION, y=REGRESSION.y.T)
runs = {}
for name, problem in (("targets as a column", REGRESSION), ("targets as a row", mistaken)):
    parameters = problem.parameters(seed=0)
    optimizer = Adam(parameters, learning_rate=0.1)
    losses = []
    for _ in range(601):
        losses.append(problem.value(parameters))
        problem.differentiate(parameters, draw=None)
        optimizer.step()
    runs[name] = losses, problem.predict(parameters).data.data[:, 0]
print("errors:", (REGRESSION.predict(REGRESSION.parameters()).data.data - mistaken.y).shape)

figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.7))
for (name, (losses, predictions)), color, style, marker in zip(
    runs.items(), (plotting.BLUE, plotting.VERMILLION), ("-", "--"), "os"
):
    panels[0].semilogy(losses, style, color=color, label=name)
    panels[1].plot(REGRESSION.y[:, 0], predictions, marker, color=color, markersize=7)
for height, text in ((0.1, "the goal"), (float(REGRESSION.y.var()), "the variance of the targets")):
    panels[0].axhline(height, color=plotting.GRAY, linewidth=0.8)
    panels[0].text(600, height / 1.15, text, ha="right", va="top", fontsize=9)
panels[0].legend()
panels[1].axline((4.4, 4.4), slope=1, color=plotting.GRAY, linewidth=0.8)
panels[1].text(4.5, 4.53, "right answers", ha="right", fontsize=9, color=plotting.BLUE)
panels[1].text(4.63, mean + 0.02, "the mean", ha="right", fontsize=9, color=plotting.VERMILLION)
label_axes(panels[0], "step", "mean squared error")
label_axes(panels[1], "target", "prediction after 600 steps")
plotting.show(
    figure,
    "Left, two loss curves that fall alike and both pass 0.1; with column targets the loss goes on to 0.001, with "
    "row targets it levels off exactly at the variance of the targets. Right, the predictions: on the diagonal with column "
    "targets, all five at the mean with row targets.",
)

# %% [markdown]
# Nothing complains. Broadcasting makes a (5, 5) table of every prediction minus *every* target, and the mean of
# its 25 squares is a perfectly smooth loss. It falls like the right one, and it passes the goal. But it asks
# every prediction to please all five targets at once, and the number that does that best is their mean. In a
# formula, with $n$ examples:
#
# $$\frac{1}{n^2} \sum_{i,j} (\hat y_i - y_j)^2 \;=\; \frac1n \sum_i (\hat y_i - \bar y)^2 \;+\; \frac1n \sum_j (y_j - \bar y)^2$$
#
# The second part does not depend on the network: it is the variance of the targets, and no training gets below
# it. The first part vanishes where all predictions are the mean $\bar y$. The network has learned to ignore its
# inputs.

# %% tags=["demo", "raises-exception"]
predictions, targets = np.random.default_rng(0).normal(size=(5, 1)), REGRESSION.y
left = np.mean((predictions - targets.T) ** 2)
right = np.mean((predictions - targets.mean()) ** 2) + np.mean((targets - targets.mean()) ** 2)
print(f"left side {left:.6f}, right side {right:.6f}")

# %% [markdown]
# The symptom to remember: **a loss that levels off at the variance of the targets**. The cure: check shapes
# where they enter, `assert predictions.shape == targets.shape`. PyTorch's `mse_loss` warns about this, which
# says how often it happens.
#
# ### What a fair comparison is
#
# Back to the question. If one rate for all is unfair, every rule must get its own. So we agree on the rules of
# the game *before* we look at any result:
#
# 1. **The same problems, the same starts**, the same noise. Only the rule differs.
# 2. **The same effort of tuning.** Every rule tries the same grid of learning rates, and counts with its best
#    one. A best rate at the *edge* of the grid is reported: then the grid was too small.
# 3. **A goal and a budget, fixed in advance**: so many steps to come that close; otherwise "never".
# 4. **Several seeds.** Each shifts the start a little and draws new noise. Three are the least that show a
#    spread.
# 5. **Ties are ties.** If the ranges of two rules over the seeds overlap, this test cannot tell them apart, and
#    says so.
#
# Even so, the devil is in the words, here in the word *reached*. Take RMSprop on the ravine of module 08, whose
# goal is a height of 0.001. At rate 3.2 it gets there in 6 steps; at 0.032 it needs 274.
#
# **Predict first.** So is 3.2 the better rate, forty times better? What happens at rate 3.2 once the average of
# the squared gradients has forgotten how steep it was at the start?

# %% tags=["demo", "raises-exception"]
figure, axes = plt.subplots(figsize=(7.4, 3.6))
axes.axhspan(1e-9, RAVINE.goal, color=plotting.SKY, alpha=0.18, linewidth=0)
axes.text(398, 2e-6, "below the goal", ha="right", fontsize=9.5)
for rate, color, style in ((3.2, plotting.VERMILLION, "--"), (0.032, plotting.BLUE, "-")):
    heights = follow(RAVINE, RMSprop, rate, steps=400)
    axes.semilogy(heights, style, color=color, linewidth=1.5, label=f"rate {rate}")
    axes.axhline(2.1 * (rate / 2) ** 2, color=color, linestyle=":", linewidth=1)
    first, kept = (steps_to_tolerance(heights, RAVINE.goal, hold) for hold in (1, 100))
    print(f"rate {rate}: below the goal first at step {first}; for 100 steps in a row",
          "never" if kept is None else f"from step {kept} on")
axes.set(xlim=(0, 400), ylim=(1e-6, 1e3))
axes.legend(loc="upper right", ncols=2)
label_axes(axes, "step", "height on the ravine")
plotting.show(
    figure,
    "Height of RMSprop on the ravine over 400 steps, logarithmic. At rate 3.2 it dives far below the goal within 10 "
    "steps, is thrown out again, and ends at a constant height of 5. At 0.032 it descends slowly, crosses the goal at "
    "step 274 and stays just below it. Dotted lines mark the final heights.",
)

# %% [markdown]
# At rate 3.2 RMSprop dives through the goal, rests there for a dozen steps, and is thrown out again by its own
# arithmetic: the gradients have become tiny, their average follows, and dividing by it makes long steps of
# almost nothing. In the end it hops to and fro across the minimum, where every gradient is as large as the one
# before, $g^2 = v$, so every step is exactly $\eta$ long: from $-\eta/2$ to $\eta/2$ and back, in both
# coordinates. The height of such a point is
#
# $$0.1 \left(\frac{\eta}{2}\right)^2 + 2 \left(\frac{\eta}{2}\right)^2 = 2.1 \left(\frac{\eta}{2}\right)^2$$
#
# which is 5.4 at rate 3.2 and 0.0005 at 0.032: the dotted lines. A rule whose steps do not shrink by themselves
# comes no closer than its rate lets it, and the goal decides which rates are in the game at all. (Or a schedule
# does: section 7.)
#
# So the criterion used from here on is **reached, and kept for 100 steps**. That one word moved RMSprop from 6
# steps to 274. When you read that an optimizer "reaches" something in half the time, ask what the word means
# there.
#
# This is the complete picture on the ravine, every rule at every rate:
#
# **Predict first.** Which rule has the deepest point? Which one the *widest* bowl, so that a badly chosen rate
# costs little?

# %% tags=["demo", "raises-exception"]
figure, axes = plt.subplots(figsize=(8.2, 4.0))
for name, make in CONTESTANTS.items():
    runs = [follow(RAVINE, make, rate, 1099, 0, RAVINE.goal, RAVINE.hold) for rate in RATES[::2]]
    counts = [steps_to_tolerance(losses, RAVINE.goal, RAVINE.hold) for losses in runs]
    counts = [np.nan if count is None else count for count in counts]
    color, style = LOOKS[name]
    axes.loglog(RATES[::2], counts, style, color=color, label=name, marker="o", markersize=4)
axes.set_yticks([3, 10, 30, 100, 300, 1000], ["3", "10", "30", "100", "300", "1,000"])
axes.set_ylim(2, 1200)
axes.minorticks_off()
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
label_axes(axes, "learning rate", "steps to the goal")
plotting.show(
    figure,
    "Steps to the goal on the ravine against the learning rate for six optimizers; where a line ends the goal is not "
    "kept within 1,000 steps. All begin high at small rates. Plain descent, RMSprop and NAdam have narrow ranges; the "
    "heavy ball has a wider bowl and Adam a very wide one near 80 steps; AdaGrad's line falls to 3 steps at rate 1,000.",
)

# %% [markdown]
# A vertical cut through this picture is a comparison at one rate, and you can have almost any order you like by
# choosing where to cut. "Best rate each" compares the lowest points. But look at the *widths* as well: plain
# descent keeps the goal from rate 0.03 to 0.3, RMSprop at two rates of the grid, and Adam at *every* rate from
# 0.03 on: its averages fade, so even after a wild start it comes to rest. Nobody can tune a large training to
# half a decade, and there a wide bowl is worth more than a deep one.
#
# (AdaGrad's 3 steps at rate 1,000 look too good to be true. Hold that thought.)
#
# ### Five landscapes
#
# One landscape favors one rule. So here are five, each of which has something that makes trouble in real losses
# too:
#
# | | height | what is hard about it |
# |---|---|---|
# | ravine | $0.1\,x^2 + 2\,y^2$ | curvatures that differ twentyfold |
# | Rosenbrock (1960) | $(1 - x)^2 + 100\,(y - x^2)^2$ | a curved valley with an almost flat floor |
# | Beale (1958) | $(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2$ | a plateau between steep corners: gradients of all sizes |
# | saddle | $x^2/2 + y^4/4 - y^2/2$ | starts almost on the ridge, where the way out is nearly level |
# | noisy bowl | $x^2/2 + 2\,y^2$ | each component of a gradient comes with normal noise of deviation 2 |
#
# **Predict first.** On which of the five will plain descent do well? Where would you expect a heavy ball to be
# a burden? Who suffers from noise?

# %% tags=["demo", "raises-exception"]
shown = ("gradient descent", "heavy ball", "RMSprop", "Adam")
figure, panels = plt.subplots(3, 2, figsize=(9.2, 9.6))
for axes, surface in zip(panels.flat, SURFACES):
    best = tuned_on(surface)
    lengths = {name: best[name].steps[0] or 500 for name in shown}
    paths = {name: minimize(surface, CONTESTANTS[name], best[name].rate, lengths[name]) for name in shown}
    draw_paths(axes, surface, paths)
    axes.set_title(surface.name)
for axes in panels[:, 1]:
    axes.set_ylabel("")
panels[2, 1].axis("off")
panels[2, 1].legend(*panels[0, 0].get_legend_handles_labels(), loc="center", fontsize=11)
plotting.show(
    figure,
    "Paths of plain descent, the heavy ball, RMSprop and Adam over the contour lines of the five surfaces, each at its best "
    "rate. The heavy ball and Adam swing around the minima; RMSprop and plain descent creep; on the saddle plain descent "
    "and the heavy ball first run along the ridge, RMSprop and Adam leave it at once.",
)

# %% [markdown]
# Each path ends, in a square, where the goal is reached or after 500 steps. You can read the rules off the
# pictures:
#
# - The **heavy ball** overshoots whatever it can, and swings in. Where a valley is long (ravine, Rosenbrock)
#   that pays. On the saddle it is a burden: the valley is short, and most of its 70 steps are spent coming to
#   rest.
# - **RMSprop** and **Adam** leave the ridge of the saddle at once, diagonally: the gradient along $y$ is tiny
#   there, and dividing by its own size makes a full step of it. Plain descent and the heavy ball first run
#   along the ridge to the saddle point.
# - **Plain descent** needs 500 steps for less than the first third of Rosenbrock's valley: its steep walls
#   forbid a rate above 0.002, and on the floor that is next to nothing.
# - On the **noisy bowl** all of them jitter, and all have chosen rates well below those they like without
#   noise.
#
# The same as a race, on Beale's surface. (An animation like this is one call, `animate_paths`, and saved with
# `.save("race.gif", writer="pillow")`.)
#
# **Predict first.** Who is the first to come near the star? Who is there first for good?

# %% tags=["demo", "raises-exception"]
best = tuned_on(BEALE)
race = {name: minimize(BEALE, CONTESTANTS[name], best[name].rate, steps=120) for name in shown}
plotting.show_animation(
    animate_paths(BEALE, race, frames=41),
    "Animation of four optimizers on Beale's surface over 120 steps. Plain descent leads at first; the heavy ball and Adam "
    "make wide detours, overtake it after about 40 steps and come to rest at the minimum, while the others still creep.",
    dots_per_inch=84,
)

# %% [markdown]
# And now the table. Before you look, settle what would convince you: for "X is the best optimizer", on how many
# of five surfaces would it have to be first?

# %% tags=["demo", "raises-exception"]
display(Markdown(ranking_table({surface.name: tuned_on(surface) for surface in SURFACES}, steps=500)))

# %% [markdown]
# Now read it as a skeptic.
#
# - **No rule is first everywhere, and all but one are first somewhere**, alone or in a tie. On the noisy bowl
#   five of six share the first place: with three seeds that is all one can honestly say.
# - **The order changes completely from column to column.** Plain descent is second on the ravine and on the
#   saddle, and never arrives on Rosenbrock's surface.
# - **RMSprop is last nearly everywhere**, but hear its excuse: steps that never shrink (above) need a small
#   rate from the start. With a schedule it would be another contestant. The table compares rules *at a constant
#   rate*.
# - **Even the grid has a say.** Here the rates are half a decade apart, and the heavy ball needs 313 steps or
#   more on Rosenbrock's surface. On a grid twice as fine there is a rate between two of these with which it
#   needs 78 to 160, and it ties with Adam.
#
# That finer grid, 33 rates for eleven rules, more problems and 2,000 steps, takes minutes. It is run by `make
# experiments`, and its tables are kept in the repository, in `experiments/adaptive_optimizers.md`. Three things
# there are worth the walk. The rules that share one idea (Adam, AMSGrad, AdamW) are hardly ever told apart. On
# the regression above, plain descent is first at 0.1, and beaten by Adam, NAdam and AdaGrad when the goal is
# 0.003: a goal that cannot be reached without looking at $X$ reverses the order. And debiased momentum is ahead
# of PyTorch's rule where batches are large and few steps do, and cannot be told from it where they are small
# (section 2).
#
# ### Turn the ravine
#
# AdaGrad's 3 steps. **Predict first.** Turn the ravine by 45 degrees: the same valley, the same walls, the same
# distance, only that its axis now runs along the diagonal. To whom will that make a difference: to plain
# descent? to Adam? to AdaGrad?

# %% tags=["demo", "raises-exception"]
figure, panels = plt.subplots(1, 2, figsize=(9.0, 4.3), width_ratios=(12.5, 10.5))
for axes, surface in zip(panels, (RAVINE, TURNED_RAVINE)):
    draw_paths(axes, surface, {})
    for name, rate in (("gradient descent", 0.32), ("AdaGrad", 3.2)):
        path = minimize(surface, CONTESTANTS[name], rate, steps=40)
        plotting.draw_path(axes, path, f"{name}, rate {rate}", *LOOKS[name])
    axes.set(title=surface.name, aspect="equal")
panels[1].set_ylabel("")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plotting.show(
    figure,
    "Plain descent and AdaGrad on the ravine and on the ravine turned by 45 degrees, 40 steps each. The path of plain "
    "descent is turned with the valley. AdaGrad is near the minimum after a few leaps on the first; on the turned one it "
    "jumps from wall to wall and then creeps along the floor as plain descent does.",
)
ravines = {surface.name: tuned_on(surface) for surface in (RAVINE, TURNED_RAVINE)}
display(Markdown(ranking_table(ravines)))

# %% [markdown]
# **Plain descent and the heavy ball do not notice.** They only add up gradients and multiply them with numbers,
# and all of that turns with the surface. (67 or 66 steps, 80 and 80: the seeds shift the starts differently.)
# **Rules that divide each coordinate by a size of its own see the axes.** On the ravine as we know it, steep
# and flat happen to be $y$ and $x$, and each gets its own measure: for such rules this surface is a gift. On
# the turned one, both coordinates have the same mixture of steep and flat, both measures are alike, and what
# remains of AdaGrad is hardly more than plain descent with a falling rate. Adam loses a little, RMSprop all.
#
# And the 3 steps at rate 1,000? Watch the first coordinates:

# %% tags=["demo", "raises-exception"]
path = minimize(replace(RAVINE, spread=0.0), AdaGrad, 1000.0, steps=4)
print("x:", "  ".join(f"{x:9.3f}" for x in path[:, 0]))
print("y:", "  ".join(f"{y:9.3f}" for y in path[:, 1]))

# %% [markdown]
# One mad leap of 1,000, since AdaGrad's first step is $\eta$ long whatever the gradient is; a second leap back;
# and the third step *lands*. Here is why. Write $\lambda$ for the curvature along the coordinate, so $g =
# \lambda\, p$. The leap makes $s \approx (\lambda\,\eta)^2$, and from then on
#
# $$\eta\, \frac{g}{\sqrt s} \approx \eta\, \frac{\lambda\, p}{\lambda\, \eta} = p$$
#
# The curvature cancels: the step goes exactly to 0, for a steep coordinate as for a flat one. By leaping a long
# way off AdaGrad has *measured* the curvature, and what it does next is **Newton's method** (divide the
# gradient by the curvature). That is a charming trick, and it works on a perfect bowl whose axes are the
# coordinates, and on nothing else: where the surface bends, the leap ends in a place that has nothing to do
# with the start. The table's first prize in its first column was won by a property of the *test*.
#
# ### What these tests say, and what they do not
#
# They do say something. They show *mechanisms*, each of which is at work in large networks too: overshooting,
# escaping from ridges, hopping at a constant rate, noise that caps the rate, axes that matter. They show that
# the rate decides more than the rule. And they show how a ranking comes about, so that you can take others
# apart.
#
# They do **not** tell you which optimizer to use:
#
# - **Two parameters are not two million.** In a network curvatures differ by factors of thousands, most
#   directions are flat, and nothing is aligned with anything.
# - **Only the rate was tuned.** Momentum, the betas and $\epsilon$ stood at their defaults. A rule with more
#   knobs gains more from more tuning: Choi and others ("On Empirical Comparisons of Optimizers for Deep
#   Learning", 2019) show that published rankings turn round when the range of the search is widened.
# - **The same three seeds chose the rate and made the table**, so every number is a little too good. With more
#   patience one would choose on some seeds and report on others.
# - **Steps are not seconds**, and not bytes: Adam's step costs more than plain descent's, and its memory twice
#   the parameters.
# - **The goal was a training loss.** How well the result does on *new* examples is another question; there
#   plain momentum has at times been ahead of Adam (Wilson and others, "The Marginal Value of Adaptive Gradient
#   Methods in Machine Learning", 2017).
#
# Schmidt, Schneider and Hennig ("Descending through a Crowded Valley", 2021) did it on a large scale: fifteen
# optimizers, eight real tasks, more than fifty thousand runs. Their finding is the one you have just seen in
# small: no winner over all tasks; and trying several optimizers at their default settings helps about as much
# as tuning one of them. What follows for daily work is modest and useful. Start with Adam or AdamW, whose bowls
# are wide; tune the rate first, then the schedule; and when somebody shows you a lower curve, ask for the rate,
# the grid, the seeds, the goal, and the axes.

# %% [markdown]
# ## 9. Bug hunt: which mistake is it?
#
# In module 08 you asked of an unknown optimizer: *is this Adam?* Now comes the harder question of someone who
# has to mend it: *what exactly is wrong?* Every mistake below has been published: it stands, or stood for
# years, in a widely read paper, book, course or program. None is stupid. Each trains small examples well
# enough, and each is one line.
#
# **Claims to be AdamW** ($m$, $v$ the moments, $t$ counts the updates of the parameter):
#
# | verdict | what it does | what is right |
# |---|---|---|
# | `"epsilon hat"` | rearranged form $\eta\,\frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \cdot \frac{m}{\sqrt v + \hat\epsilon}$ with $\hat\epsilon = (1 - \beta_2^t)\,\epsilon$ | $\hat\epsilon = \sqrt{1 - \beta_2^t}\;\epsilon$: put $v = (1 - \beta_2^t)\,\hat v$ into the root |
# | `"raw v"` | divides $\hat m$ by $\sqrt v + \epsilon$; the code beside it has $\sqrt{\hat v}$ | $\sqrt{\hat v} + \epsilon$ |
# | `"loose epsilon"` | `p - rate * m_hat / sqrt(v_hat) + epsilon`: parentheses forgotten, so $\epsilon$ is added to the parameter | `p - rate * m_hat / (sqrt(v_hat) + epsilon)` |
# | `"one clock"` | $t$ counts the steps of the optimizer | $t$ counts the updates each parameter has had |
# | `"clock from 0"` | $t$ counts from 0, so the first correction divides by $1 - \beta^0 = 0$ | $t$ counts from 1 |
# | `"decay last"` | the update first, then $p \leftarrow (1 - \eta\lambda)\,p$ | decay first, from the old $p$ |
# | `"decay in the moments"` | $g \leftarrow g + \lambda p$: Adam with L2 | the moments see the gradient of the loss only |
#
# **Claims to be SGD with dampened momentum** ($b$ the buffer, $\mu$ momentum, $\delta$ dampening), or **with
# Nesterov's momentum** ($\delta = 0$):
#
# | verdict | what it does | what is right |
# |---|---|---|
# | `"averaged"` | $b \leftarrow \mu b + (1 - \mu)\,g$ from 0; the text says so, the code beside it has no $(1 - \mu)$ | $b \leftarrow \mu b + (1 - \delta)\,g$ |
# | `"no rate"` | $p \leftarrow p - b$: the learning rate got lost (with Nesterov, from $g + \mu b$) | $p \leftarrow p - \eta\, b$ |
# | `"dampened start"` | dampens the first gradient too | the first buffer is the gradient itself |
# | `"old buffer"` | Nesterov's look-ahead $g + \mu b$ with the buffer from *before* this update | with the one from after it |
#
# Beside these there are right ones (`"right"`) and strangers, with a mistake that is not in the list
# (`"something else"`).
#
# The next cell puts the two tables into Python: one number under each rule, in plain arithmetic, with the
# mistake as an argument. `predict` returns where each parameter should be after each step if a verdict were
# true, and `observe` where a suspect really takes it.

# %% nbgrader={"grade": false, "grade_id": "hunt-catalogue", "locked": true, "schema_version": 3, "solution": false, "task": false}
RIGHT, STRANGER = "right", "something else"


def adamw_number(p, gradients, verdict, learning_rate, beta1, beta2, epsilon, weight_decay):
    """Where AdamW, right or with a published mistake, takes a number; None stands for no gradient."""
    m, v, updates, path = 0.0, 0.0, 0, []
    for steps, g in enumerate(gradients, start=1):
        if g is not None:
            updates += 1
            t = np.float64({"one clock": steps, "clock from 0": updates - 1}.get(verdict, updates))
            kept = 1 - learning_rate * weight_decay
            if verdict == "decay in the moments":
                g = g + weight_decay * p
            elif verdict != "decay last":
                p = kept * p
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            mean, square = m / (1 - beta1**t), v / (1 - beta2**t)
            if verdict == "epsilon hat":
                root = 1 - beta2**t
                p = p - learning_rate * np.sqrt(root) / (1 - beta1**t) * m / (np.sqrt(v) + root * epsilon)
            elif verdict == "raw v":
                p = p - learning_rate * mean / (np.sqrt(v) + epsilon)
            elif verdict == "loose epsilon":
                p = p - learning_rate * mean / np.sqrt(square) + epsilon
            else:
                p = p - learning_rate * mean / (np.sqrt(square) + epsilon)
            if verdict == "decay last":
                p = kept * p
        path.append(p)
    return path


def momentum_number(p, gradients, verdict, learning_rate, momentum, dampening=None):
    """The same for SGD with dampened momentum, or with Nesterov's where there is no `dampening`."""
    b, path = None, []
    for g in gradients:
        if g is not None:
            old = 0.0 if b is None else b
            part = 1 - (momentum if verdict == "averaged" else dampening or 0.0)
            whole = b is None and verdict not in ("averaged", "dampened start")
            b = momentum * old + (g if whole else part * g)
            look = b if dampening is not None else g + momentum * (old if verdict == "old buffer" else b)
            p = p - (look if verdict == "no rate" else learning_rate * look)
        path.append(p)
    return path


class Claim(NamedTuple):
    """What a suspect says it is: the rule for one number, its usual settings, the known mistakes."""

    rule: Callable
    usual: dict
    mistakes: tuple


CLAIMS = {
    "AdamW": Claim(
        adamw_number,
        {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01},
        ("epsilon hat", "raw v", "loose epsilon", "one clock", "clock from 0", "decay last",
         "decay in the moments"),
    ),
    "dampened": Claim(
        momentum_number,
        {"learning_rate": 0.01, "momentum": 0.9, "dampening": 0.5},
        ("averaged", "no rate", "dampened start"),
    ),
    "Nesterov": Claim(
        momentum_number, {"learning_rate": 0.01, "momentum": 0.9}, ("averaged", "no rate", "old buffer")
    ),
}


def predict(claim, verdict, settings, starts, gradients) -> np.ndarray:
    """Where the parameters are after each step, (steps, parameters), if the verdict is true.

    `starts` has a number for each parameter, `gradients` a row for each step with a number or None for each
    parameter.
    """
    with np.errstate(all="ignore"):  # a division by 0 is the point of some mistakes
        paths = [CLAIMS[claim].rule(np.float64(start), column, verdict, **settings)
                 for start, column in zip(starts, zip(*gradients))]
    return np.array(paths).T


def observe(make_optimizer, settings, starts, gradients) -> np.ndarray:
    """Where what `make_optimizer(parameters, **settings)` builds takes them, (steps, parameters)."""
    parameters = [leaf(start) for start in starts]
    optimizer = make_optimizer(parameters, **settings)
    path = []
    for row in gradients:
        give(parameters, row)
        optimizer.step()
        path.append([parameter.data.item() for parameter in parameters])
    return np.array(path)


def difference(first, second) -> float:
    """The largest difference of two paths; infinite where only one of them has a number."""
    if not np.array_equal(np.isfinite(first), np.isfinite(second)):
        return np.inf
    gaps = np.abs(first - second)[np.isfinite(first)]
    return gaps.max() if gaps.size else 0.0


def draw_differences(axes, claim, settings, starts, gradients, title, threshold=1e-3) -> int:
    """How far apart the predictions of any two verdicts are, as a table; the number of pairs too close."""
    verdicts, too_close = (RIGHT, *CLAIMS[claim].mistakes), 0
    paths = [predict(claim, verdict, settings, starts, gradients) for verdict in verdicts]
    for row in range(1, len(verdicts)):
        for column in range(row):
            gap = difference(paths[row], paths[column])
            alike = gap < threshold
            too_close += alike
            color, ink = (plotting.VERMILLION, "white") if alike else (plotting.SKY, plotting.BLACK)
            axes.add_patch(plt.Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, color=color, linewidth=0))
            text = "nan" if gap == np.inf else f"{gap:.2f}" if gap >= 0.1 else f"{gap:.0e}" if gap else "0"
            text = text.replace("e-0", "e-")
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=ink)
    axes.set(xlim=(-0.5, len(verdicts) - 1.5), ylim=(len(verdicts) - 0.5, 0.5), title=title)
    axes.set_xticks(range(len(verdicts) - 1), verdicts[:-1], rotation=35, ha="right")
    axes.set_yticks(range(1, len(verdicts)), verdicts[1:])
    axes.set_aspect(0.72, anchor="N")
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return too_close

# %% [markdown]
# **An experiment can only tell apart what it makes different.** Take the obvious one: one parameter at 1, the
# gradient 1 at each of four steps, everything else as usual. It gives 28 pairs of predictions for the eight
# verdicts on AdamW. **Predict first:** how many of the pairs will differ by a thousandth or more at some
# step? Which verdict stands out at once, and which ones does this experiment confuse with `"right"`?

# %% tags=["demo", "raises-exception"]
figure, axes = plt.subplots(figsize=(6.6, 4.6))
close = draw_differences(axes, "AdamW", CLAIMS["AdamW"].usual, [1.0], [[1.0]] * 4,
                         "largest difference within four steps, g = 1, usual settings")
plotting.show(
    figure,
    "Table of the largest differences between the predictions of eight verdicts on AdamW in the obvious "
    "experiment. Most cells are red, below 0.001: only the rows of 'raw v' and of 'clock from 0' are blue.",
)
print(f"{close} of 28 pairs look alike")

# %% [markdown]
# (`nan`: one of the two is not a number.) `"clock from 0"` divides by 0 and betrays itself, and `"raw v"` has
# steps that are far too long. All others pass for right, and for each other. Nothing is wrong with the
# precision, the differences *are* there, in the fifth digit or the eighth; but a test has to leave room for
# rounding. Turn the settings up until each mistake has to show: that is the design of an experiment.
#
# ### Exercise: the diagnosis
#
# *hard · about 60 minutes · about 12 lines in two places · 12 points · adaptive-hunt*
#
# 1. `experiment(claim)`: settings, starts and gradients for a claim (`"AdamW"`, `"dampened"` or
#    `"Nesterov"`). It may have **at most two parameters and four steps**, and must make **every pair** of
#    verdicts on this claim differ by at least 0.001. `settings` is a dictionary with a number for every name
#    in `CLAIMS[claim].usual`.
# 2. `diagnose(claim, make_optimizer)`: the verdict on the suspect that `make_optimizer(parameters,
#    **settings)` builds: one of `CLAIMS[claim].mistakes`, or `RIGHT`, or `STRANGER`. You get an object with
#    `step()` and nothing else to look at: judge it by what it does.
#
# The line-up is shuffled. Right ones come in several guises (rearranged algebra, parameters in groups or in
# slices), as do mistakes; strangers can be anything, also an optimizer that mistreats one of its parameters.
# An answer that is always the same earns nothing.
#
# <details><summary>Hint 1: which knobs</summary>
#
# Go through the tables and ask of each mistake when it would *not* show: at $\lambda = 0$, at a tiny
# $\epsilon$, at $\eta = 1$, at $\delta = \mu$, with $\beta_1 = \beta_2$, with the same gradient at every
# step, when all gradients come from the start, after one step only. Avoid all of these.
# </details>
# <details><summary>Hint 2: see what you have</summary>
#
# The demo cell after the tests draws the table of differences for your experiments, as above.
# </details>
# <details><summary>Hint 3: comparing paths</summary>
#
# Some right predictions are nan, and nan is not equal to nan unless you say so: `np.allclose(a, b,
# equal_nan=True)`. "The nearest verdict" is not good enough, since a stranger is near to something, too.
# </details>

# %% nbgrader={"grade": false, "grade_id": "adaptive-hunt", "locked": false, "schema_version": 3, "solution": true, "task": false}
def experiment(claim) -> tuple[dict, list, list]:
    """Settings, a start for each parameter and, for each step, a gradient (or None) for each parameter."""
    names = list(CLAIMS[claim].usual)
    ### BEGIN SOLUTION
    settings = {name: 0.3 + 0.1 * i for i, name in enumerate(names)}
    gradients = np.random.default_rng(10).normal(size=(4, 2)).tolist()
    gradients[0][1] = None
    return settings, [1.0, -2.0], gradients
    ### END SOLUTION


def diagnose(claim, make_optimizer) -> str:
    """Which mistake, if any, has what `make_optimizer(parameters, **settings)` builds, by what it does."""
    ### BEGIN SOLUTION
    settings, starts, gradients = experiment(claim)
    seen = observe(make_optimizer, settings, starts, gradients)
    for verdict in (RIGHT, *CLAIMS[claim].mistakes):
        if np.allclose(seen, predict(claim, verdict, settings, starts, gradients), equal_nan=True):
            return verdict
    return STRANGER
    ### END SOLUTION

# %% [markdown]
# The next cell is the line-up room: complete optimizers on module 08's base class. Each has its right form,
# and a mistake is a subclass that changes one thing. Some are written in another algebra than the tables, so
# that you can see how a right formula may look unfamiliar and a wrong one quite at home.

# %% nbgrader={"grade": false, "grade_id": "hunt-line-up", "locked": true, "schema_version": 3, "solution": false, "task": false}
class Candidate(Optimizer):
    """Does its own weight decay; the base class's L2 is off."""

    def decayed_gradient(self, gradient, group, parameter):
        return gradient


class DirectAdamW(Candidate):
    """AdamW from its equations: decay, moments, correction, step. A subclass changes one of the parts."""

    def init_state(self, state, group, parameter):
        state["mean"], state["square"] = np.zeros_like(parameter), np.zeros_like(parameter)

    def clock(self, state):
        return state["update_count"]

    def decay_first(self, gradient, group, parameter):
        parameter -= group["learning_rate"] * group["weight_decay"] * parameter
        return gradient

    def decay_last(self, group, parameter):
        pass

    def move(self, t, state, group):
        mean = state["mean"] / (1 - group["beta1"] ** t)
        return mean / (np.sqrt(state["square"] / (1 - group["beta2"] ** t)) + group["epsilon"])

    def step_param(self, state, group, gradient, parameter):
        gradient = self.decay_first(gradient, group, parameter)
        state["mean"] += (1 - group["beta1"]) * (gradient - state["mean"])
        state["square"] += (1 - group["beta2"]) * (gradient**2 - state["square"])
        parameter -= group["learning_rate"] * self.move(np.float64(self.clock(state)), state, group)
        self.decay_last(group, parameter)


class Rearranged(DirectAdamW):
    """The same: both corrections are taken into the rate, and epsilon is rescaled to go with it."""

    def epsilon_hat(self, epsilon, correction):
        return epsilon * np.sqrt(correction)

    def move(self, t, state, group):
        correction = 1 - group["beta2"] ** t
        rate = np.sqrt(correction) / (1 - group["beta1"] ** t)
        epsilon = self.epsilon_hat(group["epsilon"], correction)
        return rate * state["mean"] / (np.sqrt(state["square"]) + epsilon)


class DecayAtTheEnd(DirectAdamW):
    """The same: what the old parameter loses is taken off after the step."""

    def decay_first(self, gradient, group, parameter):
        self.loss = group["learning_rate"] * group["weight_decay"] * parameter
        return gradient

    def decay_last(self, group, parameter):
        parameter -= self.loss


class WrongEpsilonHat(Rearranged):
    def epsilon_hat(self, epsilon, correction):
        return epsilon * correction


class WrongEpsilonDirect(DirectAdamW):
    """The same mistake in the direct form, where it looks like a correction of epsilon."""

    def move(self, t, state, group):
        correction = 1 - group["beta2"] ** t
        root = np.sqrt(state["square"] / correction) + np.sqrt(correction) * group["epsilon"]
        return state["mean"] / (1 - group["beta1"] ** t) / root


class RawV(DirectAdamW):
    def move(self, t, state, group):
        return state["mean"] / (1 - group["beta1"] ** t) / (np.sqrt(state["square"]) + group["epsilon"])


class LooseEpsilon(DirectAdamW):
    def move(self, t, state, group):
        root = np.sqrt(state["square"] / (1 - group["beta2"] ** t))
        return state["mean"] / (1 - group["beta1"] ** t) / root - group["epsilon"] / group["learning_rate"]


class OneClock(DirectAdamW):
    def clock(self, state):
        return self.step_count + 1


class OneClockRearranged(Rearranged):
    def clock(self, state):
        return self.step_count + 1


class ClockFrom0(DirectAdamW):
    def clock(self, state):
        return state["update_count"] - 1


class DecayLast(DirectAdamW):
    def decay_first(self, gradient, group, parameter):
        return gradient

    def decay_last(self, group, parameter):
        parameter -= group["learning_rate"] * group["weight_decay"] * parameter


class DecayInTheMoments(Rearranged):
    def decay_first(self, gradient, group, parameter):
        return gradient + group["weight_decay"] * parameter


class Rolling(Candidate):
    """SGD with a buffer, dampened or Nesterov's. A subclass changes one of the parts."""

    def init_state(self, state, group, parameter):
        state["buffer"] = np.zeros_like(parameter)

    def part(self, t, group):
        return 1.0 if t == 1 else 1 - group.get("dampening", 0.0)

    def rate(self, group):
        return group["learning_rate"]

    def direction(self, gradient, old, buffer, group):
        return buffer if "dampening" in group else gradient + group["momentum"] * buffer

    def step_param(self, state, group, gradient, parameter):
        old = state["buffer"].copy()
        state["buffer"] *= group["momentum"]
        state["buffer"] += self.part(state["update_count"], group) * gradient
        parameter -= self.rate(group) * self.direction(gradient, old, state["buffer"], group)


class RateInside(Rolling):
    """The same, with the rate in the buffer: v ← μ·v − η·g, p ← p + v (or p + μ·v − η·g)."""

    def step_param(self, state, group, gradient, parameter):
        push = group["learning_rate"] * self.part(state["update_count"], group) * gradient
        state["buffer"] *= group["momentum"]
        state["buffer"] -= push
        parameter += state["buffer"] if "dampening" in group else group["momentum"] * state["buffer"] - push


class Averaged(Rolling):
    def part(self, t, group):
        return 1 - group["momentum"]


class NoRate(Rolling):
    def rate(self, group):
        return 1.0


class DampenedStart(Rolling):
    def part(self, t, group):
        return 1 - group["dampening"]


class OldBuffer(Rolling):
    def direction(self, gradient, old, buffer, group):
        return gradient + group["momentum"] * old


class HeavyBall(Rolling):
    """Nesterov on the old buffer, by another way: g + μ·(old buffer) is the new buffer."""

    def direction(self, gradient, old, buffer, group):
        return buffer


class Unnamed:
    """All that a hunter sees of a suspect."""

    __slots__ = ("step",)

    def __init__(self, optimizer):
        def step():
            with np.errstate(all="ignore"):
                optimizer.step()

        self.step = step


def make_of(kind, before=None, **changes):
    """A maker of optimizers with settings changed by functions of the asked ones, and a hand before steps."""

    def make(parameters, **settings):
        changed = {**settings, **{name: change(settings) for name, change in changes.items()}}
        optimizer = kind(parameters, **changed)
        honest_step = optimizer.step

        def step():
            if before:
                before(optimizer)
            honest_step()

        optimizer.step = step
        return optimizer

    return make


def in_groups(kind):
    """The same, every parameter in a group of its own."""
    return lambda parameters, **settings: kind([{"parameters": [p]} for p in parameters], **settings)


def from_generator(kind):
    """The same, the parameters handed over one by one."""
    return lambda parameters, **settings: kind((parameter for parameter in parameters), **settings)


def line_up(claim, suspects):
    """Fail unless `diagnose` is right on all suspects (verdict, what it is, maker), in random order."""
    for i in np.random.default_rng(len(suspects)).permutation(len(suspects)):
        verdict, description, make = suspects[i]
        answer = diagnose(claim, lambda parameters, **settings: Unnamed(make(parameters, **settings)))
        expect_equal(
            f"the verdict on a suspect that claims to be {claim} ({description})",
            answer,
            verdict,
            "does your experiment part it from the others? Is 'equal' neither too strict nor too loose?",
        )

# %% nbgrader={"grade": true, "grade_id": "test-hunt-experiment", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_experiment():
    for claim, (_, usual, mistakes) in CLAIMS.items():
        settings, starts, gradients = experiment(claim)
        expect_equal(f"names of the settings for {claim}", sorted(settings), sorted(usual))
        expect_equal(f"{claim}: at most two parameters", len(starts) in (1, 2), True)
        expect_equal(f"{claim}: at most four steps", len(gradients) in (1, 2, 3, 4), True)
        expect_equal(f"{claim}: entries in each row of gradients, one a parameter",
                     {len(row) for row in gradients}, {len(starts)})
        verdicts = (RIGHT, *mistakes)
        paths = [predict(claim, verdict, settings, starts, gradients) for verdict in verdicts]
        for i, first in enumerate(verdicts):
            for j, second in enumerate(verdicts[:i]):
                gap = difference(paths[i], paths[j])
                expect_equal(f"{claim}: '{first}' and '{second}' differ by 0.001 or more in your experiment",
                             bool(gap >= 1e-3), True, f"they differ by {gap:.1e}: what would make them part?")


test_hunt_experiment()

# %% nbgrader={"grade": true, "grade_id": "test-hunt-adamw", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_adamw():
    line_up("AdamW", [
        (RIGHT, "from the equations", DirectAdamW),
        (RIGHT, "rearranged", Rearranged),
        (RIGHT, "the decay of the old parameter, taken off at the end", DecayAtTheEnd),
        (RIGHT, "rearranged, parameters in groups", in_groups(Rearranged)),
        ("epsilon hat", "epsilon hat is (1 - beta2^t) epsilon", WrongEpsilonHat),
        ("epsilon hat", "epsilon hat is (1 - beta2^t) epsilon, written directly", WrongEpsilonDirect),
        ("raw v", "the root of v", RawV),
        ("loose epsilon", "epsilon is added to the parameter", LooseEpsilon),
        ("one clock", "t counts steps", OneClock),
        ("one clock", "t counts steps, rearranged", OneClockRearranged),
        ("clock from 0", "t counts from 0", ClockFrom0),
        ("decay last", "decay after the update", DecayLast),
        ("decay in the moments", "decay enters the gradient", DecayInTheMoments),
        ("decay in the moments", "module 08's Adam", Adam),
    ])


test_hunt_adamw()

# %% nbgrader={"grade": true, "grade_id": "test-hunt-momentum", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_momentum():
    line_up("dampened", [
        (RIGHT, "from the equations", Rolling),
        (RIGHT, "the rate inside the buffer", RateInside),
        (RIGHT, "parameters from a generator", from_generator(Rolling)),
        ("averaged", "1 - mu in place of 1 - dampening, from 0", Averaged),
        ("averaged", "dampening is set to mu, the start dampened too",
         make_of(DampenedStart, dampening=lambda s: s["momentum"])),
        ("no rate", "the rate is lost", NoRate),
        ("no rate", "the rate is always 1", make_of(Rolling, learning_rate=lambda s: 1.0)),
        ("dampened start", "the first gradient is dampened", DampenedStart),
    ])
    line_up("Nesterov", [
        (RIGHT, "from the equations", Rolling),
        (RIGHT, "the rate inside the buffer", RateInside),
        (RIGHT, "parameters in groups", in_groups(Rolling)),
        ("averaged", "1 - mu before the gradient", Averaged),
        ("no rate", "the rate is lost", NoRate),
        ("old buffer", "looks ahead with the buffer of before", OldBuffer),
        ("old buffer", "a heavy ball", HeavyBall),
        ("old buffer", "module 08's SGD with momentum", SGD),
    ])


test_hunt_momentum()

# %% nbgrader={"grade": true, "grade_id": "test-hunt-strangers", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_strangers():
    class InsideTheRoot(DirectAdamW):
        def move(self, t, state, group):
            mean = state["mean"] / (1 - group["beta1"] ** t)
            return mean / np.sqrt(state["square"] / (1 - group["beta2"] ** t) + group["epsilon"])

    class NoCorrection(DirectAdamW):
        def clock(self, state):
            return 10**6

    def forget(optimizer):
        optimizer.state.clear()

    def only_first(optimizer):
        for parameter in optimizer.parameters[1:]:
            parameter.grad = None

    def doubled(optimizer):
        for parameter in optimizer.parameters:
            if parameter.grad is not None:
                give([parameter], [2 * parameter.grad.data.data])

    line_up("AdamW", [
        (STRANGER, "the betas are swapped",
         make_of(DirectAdamW, beta1=lambda s: s["beta2"], beta2=lambda s: s["beta1"])),
        (STRANGER, "epsilon inside the root", InsideTheRoot),
        (STRANGER, "no correction", NoCorrection),
        (STRANGER, "the decay is not multiplied with the rate",
         make_of(DirectAdamW, weight_decay=lambda s: s["weight_decay"] / s["learning_rate"])),
        (STRANGER, "only the first parameter moves", make_of(DirectAdamW, only_first)),
        (RIGHT, "rearranged, from a generator", from_generator(Rearranged)),
        ("raw v", "the root of v, parameters in groups", in_groups(RawV)),
    ])
    line_up("dampened", [
        (STRANGER, "the buffer is forgotten", make_of(Rolling, forget)),
        (STRANGER, "every gradient counts twice", make_of(Rolling, doubled)),
        (STRANGER, "dampening is ignored", make_of(Rolling, dampening=lambda s: 0.0)),
        (RIGHT, "parameters in groups", in_groups(RateInside)),
        ("dampened start", "the first gradient is dampened, from a generator", from_generator(DampenedStart)),
    ])
    line_up("Nesterov", [
        (STRANGER, "the momentum is ignored", make_of(Rolling, momentum=lambda s: 0.0)),
        (STRANGER, "half the rate", make_of(Rolling, learning_rate=lambda s: s["learning_rate"] / 2)),
        (STRANGER, "only the first parameter moves", make_of(Rolling, only_first)),
        (RIGHT, "the rate inside the buffer, in groups", in_groups(RateInside)),
        ("old buffer", "a heavy ball, from a generator", from_generator(HeavyBall)),
    ])


test_hunt_strangers()

# %% [markdown]
# Here is what your experiments make of the verdicts. No red cell should be left.

# %% tags=["demo", "raises-exception"]
designs = {claim: experiment(claim) for claim in CLAIMS}
figure, panels = plt.subplots(1, 3, figsize=(10.6, 3.55), width_ratios=(7, 3, 3))
for axes, (claim, design) in zip(panels, designs.items()):
    draw_differences(axes, claim, *design, claim)
plotting.show(
    figure,
    "Three tables of the largest differences between the predictions of all verdicts, for AdamW, dampened "
    "momentum and Nesterov's, in experiments designed to part them: every cell is blue, at least 0.001.",
)

# %% [markdown]
# Two thoughts to take along. *A test is an experiment*: its worth lies not in how many numbers it compares,
# but in how many wrong answers it would have told from the right one. And *the text and the code of a source
# can disagree*: trust neither, take three steps by hand. Every mistake of this section would have been found
# by its author in five minutes that way.

# %% [markdown]
# ## 10. In your own words
#
# Two questions that no test can mark: a person reads what you write. Plain sentences are wanted, with numbers
# from your own runs where you have them.
#
# ### Exercise: two reports
#
# *medium · about 25 minutes · 10 to 14 sentences · 6 points · essay-comparison*
#
# The first report: "On the regression set, at a learning rate of 0.001 and from one start, the heavy ball
# reached a loss of 0.1 in 85 steps. Gradient descent, RMSprop, Adam and NAdam did not reach it in 1,000.
# Adaptive rules are not worth their memory." The second, by the same author, after some criticism: "Every
# rule got its best rate from one grid, with three seeds. The first step at which the ravine's goal was met:
# AdaGrad 3, RMSprop 6, all others later. For ravines, take AdaGrad."
#
# 1. *The first report.* What would its author have concluded at the rates 0.1 and 1? Explain from the update
#    rules why Adam could not win at 0.001, and why gradient descent fails at 1.
# 2. *The second report.* It tunes every rate, and still neither of the two winning numbers means what it
#    says. For AdaGrad and for RMSprop, name the check that shows it, and what that check showed in section 8.
# 3. *Your own case.* You have a network to train, and time for 20 runs. How do you spend them to choose
#    between AdamW and the heavy ball? What do you fix before the first run, and what do you write if the two
#    end closer together than your seeds?
#
# A person marks this answer, two points for each part.

# %% [markdown] nbgrader={"grade": true, "grade_id": "essay-comparison", "locked": false, "points": 6, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# *The first report.* At 0.1 gradient descent is first with 9 steps, ahead of the heavy ball and all adaptive
# rules; at 1 the heavy ball, NAdam, Adam and RMSprop arrive within 16 steps, and gradient descent does not
# arrive at all. So the four panels support at least three different conclusions. Adam's step is about as long
# as its rate, however large the gradient: with 0.001 a weight moves by at most 1 in 1,000 steps, and the
# output has to rise by about 4. Gradient descent's step is the rate times the gradient, and at the start the
# gradients are near 10: at 1 the first steps are as long as that, far above the limit that the curvature
# sets. The loss doubles, the hidden units die, and only the output's bias still jumps to and fro. A rate
# means something else to each rule, so equal rates are not equal conditions.
#
# *The second report.* AdaGrad: turn the ravine by 45 degrees, or look at its path. The 3 steps need the rate
# 1,000: one mad leap measures each curvature, which works where the axes of a perfect
# bowl are the coordinates. On the turned ravine AdaGrad needs 69 steps, gradient descent 66 or 67. RMSprop:
# ask that the goal is not only met but kept. At its rate of 3.2 it flies through the goal in 6 steps and is
# thrown out again, because its steps do not shrink; kept for 100 steps, the goal needs a rate of 0.032 and
# 272 steps or more. Then it is last.
#
# *My own case.* Beforehand: the measure (the loss on examples not trained on, at the end of a schedule of
# fixed length), the grid of rates for each, the same number of runs for both, the same starts and batches.
# For instance seven rates each with one seed, 14 runs, and the other six for three more seeds at the best
# rate of each; if the best rate stands at the edge of its grid, the grid was wrong. If the two ranges overlap
# I write that this test cannot tell them apart, and choose by something else, such as memory or how little a
# wrong rate costs.
#
# **Marking.** Part 1, two points: other winners at the other rates (1), reasons from the rules for both cases
# (1). Part 2, two points: the axes or the leap for AdaGrad (1), reached but not kept for RMSprop (1), each
# with what was seen. Part 3, two points: equal effort and a measure fixed beforehand, within 20 runs (1);
# several seeds and a tie that is called one (1).
# ### END SOLUTION

# %% [markdown]
# ### Exercise: which decay?
#
# *medium · about 20 minutes · 8 to 12 sentences · 6 points · essay-decay*
#
# A network is to be trained with Adam for 10,000 steps, the rate falling from 0.001 to 0 along a cosine.
# Three colleagues propose
#
# - `Adam(parameters, weight_decay=0.01)`,
# - `AdamW(parameters, weight_decay=0.01)`,
# - `Adam(parameters, weight_decay=WeightDecay(0.01, absolute=True))`.
#
# 1. Take two weights of 1. One has gradients that are large and change their sign from batch to batch; the
#    other has gradient 0 for ever. What does each of the three do to each of them in the first steps? Say
#    why.
# 2. What becomes of the decay in each proposal as the cosine comes down?
# 3. Choose one of the three, or a better setting of one, and defend it against the other two.
#
# A person marks this answer, two points for each part.

# %% [markdown] nbgrader={"grade": true, "grade_id": "essay-decay", "locked": false, "points": 6, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# *Two weights.* In the first proposal the penalty 0.01·p is part of the gradient that Adam divides by its
# usual size. For the noisy weight that size is that of its large gradients, so nearly nothing is left of the
# penalty: it hardly decays. For the silent weight the penalty is all there is, and divided by its own size it
# becomes a full step of about 0.001, whatever λ is: a walk to 0 at full speed, and past it. AdamW never lets
# the moments see the decay: both weights shrink by the same factor, 1 - 0.001·0.01, which is very little in a
# step. The third one shrinks both by the factor 0.99 at each step: a thousand times as strong as AdamW at
# this rate.
#
# *Under the cosine.* Adam's steps are multiplied by the rate, and with them whatever the penalty contributes;
# AdamW's factor contains the rate too. So in both the decay fades together with learning, and the balance
# between the two stays. The absolute decay does not know the rate: at the end, when nothing is learned any
# more, it still takes 1 % a step, and no gradient step can hold against it. Over 10,000 steps 0.99 to that
# power is 2e-44, so a silent weight is gone, and at the end the learned ones follow it.
#
# *Choice.* AdamW, with a larger λ: at an average rate of half of 0.001, λ = 0.01 takes about 5 % of a silent
# weight in the whole training (1 - exp(-0.05)), so something like 0.1 is worth a try, tuned together with the
# rate. Against plain Adam: there λ cannot be chosen at all, as it acts least where gradients are large and
# not in proportion to λ where they are small. Against the absolute one: it could be used with λ near 1e-6 and
# lowered with the schedule, but then it is AdamW by hand.
#
# **Marking.** Part 1, two points: the division by the root explains both weights under Adam (1); the same
# factor for both weights, with its size, in the other two (1). Part 2, two points: the decay fades with the
# rate in the first two (1), it does not in the third, with a consequence (1). Part 3, two points: a choice
# that fits what was said (1) with an argument against each of the other two (1). Another choice, well
# defended, earns the same.
# ### END SOLUTION

# %% [markdown]
# ## Reflect
#
# Try to answer before you unfold. The cells below the questions run the numbers for 1, 2 and 3.
#
# <details><summary>1. Somebody multiplies the loss by 1,000. What changes for SGD, for AdamW, and for Adam with an added L2 penalty?</summary>
#
# SGD takes steps a thousand times as long. AdamW takes the same path, but for $\epsilon$: gradients and their
# roots grow alike, and its decay is apart from both. Adam with L2 takes the same *steps* as far as the loss
# is concerned, but the penalty was not multiplied, so beside gradients a thousand times as large it is a
# thousand times weaker. The decay you tuned depends on the scale of the loss.
# </details>
# <details><summary>2. How many arrays of the parameters' size does training hold, with plain SGD, with momentum, AdaGrad, Adam, AMSGrad?</summary>
#
# Two, three, three, four, five. Everyone remembers the parameters and the rule's own arrays; tables of memory
# tend to forget the gradients, which are as large. Centered RMSprop with momentum holds five.
# </details>
# <details><summary>3. A weight belongs to a rare word. Its gradient is 0 for 10,000 steps, then once 1, then 0 again. How far do AdaGrad, RMSprop and Adam move it, in multiples of the rate?</summary>
#
# AdaGrad remembers everything: the sum is $0 + 1$, one step of 1. RMSprop ($\alpha = 0.9$) has forgotten all
# but the new square, $v = 0.1$: a step of $1/\sqrt{0.1} = 3.2$. Adam has $m = 0.1$ and $v = 0.001$, so the
# first step is $0.1/\sqrt{0.001} = 3.2$ as well; but then $m$ fades over ten steps while $v$ stays, and it
# walks on, about 32 in all. One occurrence of a word moves its weight by the rate times 32. (Where the
# gradient is `None` instead of 0, the moments wait, and none of this happens.)
# </details>
# <details><summary>4. You plan a cosine over 100 epochs. At epoch 50 the loss looks flat, so you stop. What did you miss?</summary>
#
# At half time the rate is still half of the initial one, and the loss shows the jitter that belongs to such a
# rate (section 7, plateaus). Most of what the schedule gives comes in its last third. For the same reason two
# runs can only be compared at the end of *their* schedules: a run with a shorter cosine looks better at every
# earlier moment.
# </details>
# <details><summary>5. Why can a plateau schedule not be one of the turns of a `SequentialLR`?</summary>
#
# The others are functions of a count: asked for the factor at count 1,000 they answer, whatever happened
# before. The plateau's factor depends on metrics that nobody but the training knows, and its `step` needs
# one. Purity is what makes chaining, restoring and drawing a schedule in advance possible; watching gives it
# up, and gets in return what no plan can know.
# </details>
# <details><summary>6. A moving average that is debiased equals the first value at the first step. Why is this what one wants of Adam's second moment, and still its weakness?</summary>
#
# Without the correction $v = 0.001\,g^2$ after one step, and the step would be $0.1/\sqrt{0.001} = 3.2$ times
# the rate. Corrected, $\hat v = g^2$ is unbiased: right on average. But an average of one value is as noisy
# as that value, and dividing by its root makes every coordinate's first step a full one. RAdam and warm-up
# mend the noise; no factor in front can.
# </details>

# %% tags=["demo", "raises-exception"]
def last_weight(make, scale):
    draw = np.random.default_rng(3)
    return run(make([leaf(1.0)]), scale * draw.normal(loc=0.5, size=40))[-1]


print("question 1: the weight after 40 noisy gradients, and with the loss times 1,000")
for name, make in (
    ("SGD, rate 0.001                   ", lambda p: SGD(p, 0.001)),
    ("AdamW, rate 0.01, λ = 0.5         ", lambda p: AdamW(p, 0.01, weight_decay=0.5)),
    ("Adam, rate 0.01, λ = 0.5 added    ", lambda p: Adam(p, 0.01, weight_decay=0.5)),
    ("Adam, rate 0.01, without any decay", lambda p: Adam(p, 0.01)),
):
    print(f"  {name}  {last_weight(make, 1):8.4f}  {last_weight(make, 1000):9.4f}")

# %% tags=["demo", "raises-exception"]
print("question 2: arrays of the parameters' size, with parameters and gradients")
for name, make in (
    ("SGD", SGD),
    ("SGD, momentum", lambda p: SGD(p, momentum=0.9)),
    ("AdaGrad", AdaGrad),
    ("RMSprop", RMSprop),
    ("Adam", Adam),
    ("AMSGrad", AMSGrad),
    ("RMSprop, centered, momentum", lambda p: RMSprop(p, centered=True, momentum=0.9)),
):
    weights = leaf(np.zeros(5), np.ones(5))
    optimizer = make([weights])
    optimizer.step()
    kept = [name for name, value in optimizer.state[weights].items() if isinstance(value, np.ndarray)]
    print(f"  {name:28} {2 + len(kept)}   p, g" + "".join(f", {array}" for array in kept))

# %% tags=["demo", "raises-exception"]
print("question 3: one gradient of 1 after 10,000 zeros, then 200 more zeros; in multiples of the rate")
for make in (AdaGrad, RMSprop, Adam):
    path = run(make([leaf(0.0)], learning_rate=1.0), [0.0] * 10_000 + [1.0] + [0.0] * 200)
    print(f"  {make.__name__:8} first step {-path[10_000]:5.2f}, in all {-path[-1]:6.2f}")

# %% [markdown]
# ## What you built
#
# | | rule | in one line |
# |---|---|---|
# | `moving_average` | $m \leftarrow m + (x - m)/i$ | the mean of all so far, one value at a time |
# | `ewma` | $a \leftarrow \beta a + (1 - \beta)\,x$, debiased $a / (1 - \beta^i)$ | the mean of the last $1/(1 - \beta)$ or so |
# | `MomentumSGD` | $b \leftarrow \mu b + w\,g,\quad p \leftarrow p - \eta\, d$ | heavy ball, dampened, Nesterov's, average: choices of $w$ and $d$ |
# | `AdaptiveOptimizer` | | what the next ones share: their arrays, and their checks |
# | `AdaGrad` | $s \leftarrow s + g^2,\quad p \leftarrow p - \eta\, g/(\sqrt s + \epsilon)$ | steps shrink with all that was seen |
# | `RMSprop` | $v$ average of $g^2,\quad p \leftarrow p - \eta\, g/(\sqrt v + \epsilon)$ | AdaGrad that forgets |
# | `AMSGrad` | the largest $v$ so far in Adam's root | a large gradient is never forgotten |
# | `NAdam` | Adam with $\hat m$ made of the next look at $m$ and of $g$ | Nesterov's idea in Adam |
# | `RAdam` | Adam's step times $r_t$, none by $\sqrt{\hat v}$ while it is young | trust the average as it ages |
# | `WeightDecay` | $g \leftarrow g + \lambda p$, or $p \leftarrow (1 - \eta\lambda)\,p$, or $(1 - \lambda)\,p$; L1 alike | a part that every optimizer takes |
# | `AdamW` | $p \leftarrow (1 - \eta\lambda)\,p$, then Adam | decay that the moments do not see |
# | `ExponentialLR` | $\gamma^c$ | a little less each time |
# | `CosineAnnealingLR` | $f + (1 - f)(1 + \cos(\pi c/E))/2$ | gentle at both ends, then held |
# | `LinearWarmup` | $\min((c + 1)/B, 1)$ | small steps while little is known |
# | `OneCycleLR` | half a wave up, half a wave down | all of training is one cycle |
# | `ReduceLROnPlateau` | $\max(\gamma^r, f)$ | less when nothing improves |
# | `SequentialLR` | one after another | a warm-up, then a cosine |
# | `find_learning_rate` | raise the rate until the loss explodes | where to begin |
#
# **In PyTorch** the same things are called
#
# | here | PyTorch | differences |
# |---|---|---|
# | `MomentumSGD` | `torch.optim.SGD` | the same numbers with `momentum`, `dampening`, `nesterov`; `average` and `debias` are not there |
# | `AdaGrad` | `torch.optim.Adagrad` | there also `lr_decay` and an initial sum |
# | `RMSprop` | `torch.optim.RMSprop` | defaults there: `alpha=0.99`, `eps=1e-8`; there centered variances that rounding makes negative give nan |
# | `AMSGrad` | `torch.optim.Adam(amsgrad=True)` | the same numbers |
# | `NAdam`, `RAdam` | `torch.optim.NAdam`, `torch.optim.RAdam` | the same numbers |
# | `AdamW` | `torch.optim.AdamW` | the same numbers |
# | `WeightDecay` | an option of some optimizers | here a part: any optimizer, L1 too, absolute too |
# | `ExponentialLR` | `lr_scheduler.ExponentialLR` | |
# | `CosineAnnealingLR(optimizer, epochs, min_fraction)` | `lr_scheduler.CosineAnnealingLR(optimizer, T_max, eta_min)` | there the minimum is a rate, and after it the rate rises again |
# | `LinearWarmup(optimizer, B)` | `lr_scheduler.LinearLR(optimizer, 1 / B, total_iters=B - 1)` | |
# | `OneCycleLR(optimizer, batches, rise)` | `lr_scheduler.OneCycleLR(optimizer, max_lr, total_steps, pct_start)` | there the peak is an argument, the momentum is cycled too, and steps after the end are an error |
# | `ReduceLROnPlateau(optimizer, gamma)` | `lr_scheduler.ReduceLROnPlateau(optimizer, factor=…)` | thresholds there can be absolute; a relative one misjudges negative metrics there |
# | `SequentialLR` | `lr_scheduler.SequentialLR` | there it refuses a plateau schedule as well |
# | `find_learning_rate` | none | PyTorch Lightning and fastai have one each |
#
# All of PyTorch's schedules take their first step in the constructor and are then called at the **end** of an
# epoch or batch; ours change nothing at first and are called at the **start**. In their own place both give
# every epoch the same rate. The plateau schedules are called at the end in both.
#
# **Where it is.** The exported cells of this notebook are `tinytorch/core/adaptive_optimizers.py`; from now
# on write `from tinytorch.core.adaptive_optimizers import AdamW, CosineAnnealingLR`. The file is generated:
# change this notebook, then export it again, in a terminal: `tinytorch export --notebook
# adaptive_optimizers_dev.ipynb`. The large versions of section 8's comparisons are `make experiments`, with
# the results beside their script in `experiments/`.
#
# **Sources**, in the order of the sections:
#
# - B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962: the
#   running mean.
# - B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964: the heavy ball.
# - Y. Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k²)", 1983;
#   I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
#   learning", 2013.
# - J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods", 2011: AdaGrad.
# - T. Tieleman and G. Hinton, "Lecture 6.5: RMSprop", Coursera, 2012; A. Graves, "Generating Sequences With
#   Recurrent Neural Networks", 2013: the centered variant.
# - D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", 2015.
# - T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016; S. Reddi, S. Kale and S. Kumar, "On the
#   Convergence of Adam and Beyond", 2018: AMSGrad; L. Liu and others, "On the Variance of the Adaptive
#   Learning Rate and Beyond", 2020: RAdam.
# - I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019: AdamW; and "SGDR: Stochastic
#   Gradient Descent with Warm Restarts", 2017: the cosine.
# - P. Goyal and others, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017: warm-up.
# - L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017: the range test; with N. Topin,
#   "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018: one cycle.
# - R. M. Schmidt, F. Schneider and P. Hennig, "Descending through a Crowded Valley: Benchmarking Deep
#   Learning Optimizers", 2021: what a fair comparison of optimizers takes, and how little the winners differ.
#
# **What comes next.** You can now read the optimizer part of almost any training program, and check it.
# Module 09 trains networks on handwritten digits; give its training loop an `AdamW` with a warm-up and a
# cosine, let the finder propose the rate, and compare fairly with what you used before.
