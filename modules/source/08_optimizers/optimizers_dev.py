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
# # 08 · Optimizers
#
# > Optimizers: rules that turn gradients into steps, and a schedule that changes the size of the steps.
#
# | | |
# |---|---|
# | **You build** | `gradient_descent_step`, the base class `Optimizer`, `SGD` with momentum, `Adam`, the base class `Schedule` with `StepLR`, and a complete training loop |
# | **You need** | module 01 (arrays and broadcasting) and module 07 (`Variable`, `backward`, gradients that accumulate) |
# | **Time** | 4 to 6 hours, in sittings that follow the numbered sections |
# | **Exercises** | 10, worth 118 points |
# | **Exported to** | `tinytorch/core/optimizers.py`; module 09 trains networks with it, module 10 adds further rules |
#
# Module 07 answers the question *which way is down?*: after `loss.backward()` every parameter knows its
# gradient. This module answers the next one: *how far do I go?* You will see why one fixed answer for all
# parameters fails, and build the three ideas that deep learning uses instead: let steps gather speed
# (momentum), give each parameter a step of its own (Adam), and take smaller steps as you get closer
# (schedules).
#
# A word on the rhythm. Most ideas begin with a **prediction**: commit to an answer before you run the cell
# below it. A wrong prediction that you made is worth more than a right figure that you only looked at.

# %%
#| default_exp core.optimizers

# %% nbgrader={"grade": false, "grade_id": "optimizers-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
from __future__ import annotations

import copy
import itertools
import math
import numbers
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tinytorch.core.autograd import Variable, add, multiply, subtract
from tinytorch.core.tensor import Tensor

# %% [markdown]
# The next cell holds what the figures and checks of this chapter share. None of it is exported: it belongs to
# the lesson, not to the library. Two names are worth knowing: `leaf(values, gradient)` makes a parameter with
# a given gradient, and `walk(make_optimizer, steps)` lets an optimizer run on a surface and returns the
# points it went through.

# %% nbgrader={"grade": false, "grade_id": "optimizers-setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import time

import matplotlib.pyplot as plt
from IPython.display import Markdown, display

from tinytorch.core.tensor import maximum
from tinytorch.lesson import plotting
from tinytorch.lesson.checks import expect_close, expect_equal, expect_raises

plotting.use_style()

START = (-8.0, -1.8)


def ravine(x, y):
    """A long valley with steep walls: curvature 0.2 along x, 4 along y; of numbers, arrays or Variables."""
    return 0.1 * x**2 + 2 * y**2


def leaf(values, gradient=None, dtype=np.float32) -> Variable:
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


def walk(make_optimizer, steps, surface=ravine, start=START) -> np.ndarray:
    """The points an optimizer visits on a surface: array (steps + 1, 2), the start first."""
    point = Variable(np.array(start))
    optimizer = make_optimizer([point])
    path = [point.data.tolist()]
    for _ in range(steps):
        optimizer.zero_grad()
        surface(point[0], point[1]).backward()
        optimizer.step()
        path.append(point.data.tolist())
    return np.array(path)


def awkward_layouts():
    """Parameters of ones whose numbers do not lie one after another: (what they are, the numbers, the Variable)."""
    transposed = np.ones((2, 3), np.float32).T
    every_other = np.ones((6, 3), np.float32)[::2]
    for name, view in (("stored column by column", transposed), ("every other row of an array", every_other)):
        yield name, view, Variable(Tensor.from_numpy(view))


def label_axes(axes, x="x", y="y", title="") -> None:
    axes.set(xlabel=x, ylabel=y, title=title)

# %% [markdown]
# ## 1. One rate for every direction
#
# **The problem.** A loss with two parameters is a landscape, and the gradient points straight uphill. So walk
# against it:
#
# $$p \leftarrow p - \eta\, g$$
#
# where $p$ is a parameter, $g$ the gradient of the loss with respect to $p$, and $\eta$ (eta) the **learning
# rate**, a positive number you choose. The rule is Cauchy's (1847), and everything in this chapter grows out
# of it.
#
# Take the plainest landscape that causes trouble, a long valley with steep walls:
#
# $$f(x, y) = 0.1\,x^2 + 2\,y^2, \qquad \frac{\partial f}{\partial x} = 0.2\,x, \qquad \frac{\partial f}{\partial y} = 4\,y$$
#
# Its minimum is at $(0, 0)$. The second derivatives, 0.2 and 4, are called **curvatures**: along $y$ the
# ground bends twenty times as sharply as along $x$.
#
# **Predict first.** We start at $(-8, -1.8)$ and take 20 steps. Does the walk reach the minimum with $\eta =
# 0.4$? With $\eta = 0.6$? Write down two answers, then run the cell.

# %% tags=["demo", "raises-exception"]
def plain_walk(rate, steps):
    """Gradient descent on the ravine, by its two formulas."""
    x, y = START
    path = [(x, y)]
    for _ in range(steps):
        x, y = x - rate * 0.2 * x, y - rate * 4 * y
        path.append((x, y))
    return np.array(path)


figure, panels = plt.subplots(1, 2, figsize=(8.2, 3.4), sharey=True)
for axes, rate, steps, color in zip(panels, (0.4, 0.6), (20, 4), (plotting.BLUE, plotting.VERMILLION)):
    plotting.draw_surface(axes, ravine, (-9, 2), (-7.5, 7.5))
    plotting.draw_path(axes, plain_walk(rate, steps), f"{steps} steps", color)
    axes.plot(0, 0, "*", color=plotting.BLACK, markersize=10)
    label_axes(axes, title=f"learning rate {rate}: {steps} steps")
panels[1].set_ylabel("")
plotting.show(
    figure,
    "Two contour maps of a valley. At learning rate 0.4 the path zigzags a little, then creeps along the "
    "floor and stops short of the minimum; at 0.6 it leaps from wall to wall, farther out at each step.",
)

# %% [markdown]
# At 0.4 the walk is stable but slow: after 20 steps it is still short of the star. At 0.6 it takes four steps
# to leave the valley for good. The step from "too slow" to "explodes" is a factor of 1.5.
#
# **Why.** On this surface each coordinate goes its own way. Put the gradient into the rule:
#
# $$x \leftarrow x - \eta \cdot 0.2\,x = (1 - 0.2\,\eta)\,x \qquad\qquad y \leftarrow y - \eta \cdot 4\,y = (1 - 4\,\eta)\,y$$
#
# A step multiplies each coordinate by a **factor** $1 - \eta \cdot \text{curvature}$. The walk settles only
# where every factor lies between $-1$ and $1$; a negative factor means that the coordinate changes sides at
# every step.
#
# *By hand.* At $\eta = 0.4$: $x$ has factor $1 - 0.08 = 0.92$, $y$ has $1 - 1.6 = -0.6$. So $y$ swings from
# side to side and shrinks, $-1.8 \to 1.08 \to -0.648$. At $\eta = 0.6$: $x$ has 0.88, but $y$ has $1 - 2.4 =
# -1.4$, and the swing grows: $-1.8 \to 2.52 \to -3.528$.

# %% tags=["demo", "raises-exception"]
rates = np.linspace(0, 0.7, 141)
figure, axes = plt.subplots(figsize=(6.6, 3.6))
axes.axhspan(-1, 1, color=plotting.SKY, alpha=0.18, linewidth=0)
axes.plot(rates, 1 - 0.2 * rates, color=plotting.BLUE)
axes.plot(rates, 1 - 4 * rates, "--", color=plotting.VERMILLION)
axes.text(0.62, 0.68, "x: 1 − 0.2 η", color=plotting.BLUE, ha="center")
axes.text(0.215, -0.28, "y: 1 − 4 η", color=plotting.VERMILLION, ha="right")
axes.text(0.01, -0.93, "settles: factor between −1 and 1", fontsize=9.5)
for rate in (0.4, 0.6):
    factor = 1 - 4 * rate
    axes.plot([rate, rate], [factor, 1 - 0.2 * rate], ":", color=plotting.GRAY, linewidth=1)
    axes.plot(rate, factor, "o", color=plotting.VERMILLION)
    axes.annotate(f"{factor:.1f}", (rate, factor), (8, 4), textcoords="offset points")
axes.set_xlim(0, 0.7)
label_axes(axes, "learning rate η", "factor per step")
plotting.show(
    figure,
    "The factor by which one step multiplies each coordinate, against the learning rate. The line for y "
    "falls steeply and leaves the band between -1 and 1 at rate 0.5; the line for x stays close to 1.",
)

best_rate = 2 / (0.2 + 4)
print(f"stable below 2/4 = {2 / 4}; best rate 2/(0.2 + 4) = {best_rate:.3f}, "
      f"factors {1 - 0.2 * best_rate:.3f} and {1 - 4 * best_rate:.3f}")

# %% [markdown]
# This is the **learning-rate dilemma**, and the rest of the chapter answers it:
#
# - The *steepest* direction sets the limit: $\eta < 2 / 4$, or the walk explodes.
# - The *flattest* direction sets the pace: at that limit the distance along $x$ shrinks by only a tenth a
#   step.
# - Even the best single rate, $2/(0.2 + 4) \approx 0.476$, makes both factors $\pm 0.905$. With curvatures 1
#   and 1,000, as in real networks, that becomes $\pm 0.998$.
#
# One number has to serve every direction. Momentum gets more out of that one number; Adam gives every
# parameter its own.

# %% [markdown]
# ## 2. Gradient descent
#
# **One step, by hand.** Parameter 2.0, gradient 0.5, rate 0.1: the step is $0.1 \cdot 0.5 = 0.05$, downhill,
# so $2.0 - 0.05 = 1.95$. Parameter 1.0, gradient $-0.2$: the loss falls as the parameter grows, so the step
# goes up, $1.0 - 0.1 \cdot (-0.2) = 1.02$. A parameter that has no gradient (`parameter.grad is None`: it
# took no part in the loss) stays where it is.
#
# **Where the numbers are.** A `Variable` holds a `Tensor`, which holds a NumPy array; its gradient is again a
# `Variable`. So
#
# | you want | you write |
# |---|---|
# | the parameter's array | `parameter.data.data` |
# | its gradient's array | `parameter.grad.data.data` |
#
# **A trap worth knowing.** One gradient that is not a number (`nan`) or is infinite turns the parameter into
# garbage, and every later step spreads it, silently. A step that refuses such a gradient costs you an error
# message; one that does not costs you a night of training.
#
# First two small helpers that are given. One makes sure that a count is an integer. The other turns whatever
# you pass as a rate into a plain Python `float`, and this matters more than it seems. NumPy numbers such as
# `np.float64(0.1)` carry a data type, and multiplying a float32 array by one yields float64: twice the
# memory, silently. A Python float adapts to the array.

# %%
#| exporti
def check_number(name: str, value) -> float:
    """`value` as a plain float; TypeError if it is not a number, ValueError if it is not finite."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def check_count(name: str, value, smallest: int = 1) -> int:
    """`value` as a plain int; TypeError if it is not an integer, ValueError if it is below `smallest`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, got {value}")
    return int(value)

# %% [markdown]
# ### Exercise: one step of gradient descent
#
# *easy · about 15 minutes · 5 to 6 lines · 10 points · gradient-descent-function*
#
# Complete `gradient_descent_step`. The learning rate has been checked and is a Python float.
#
# 1. If the parameter has no gradient, return and change nothing.
# 2. If any element of the gradient is not finite, raise a `ValueError` that says so, before anything changes.
# 3. Move the parameter: $p \leftarrow p - \eta\,g$. Leave the gradient as it is.
#
# You may change the array in place or assign a new `Tensor` to `parameter.data`; keep the data type either
# way.
#
# <details><summary>Hint 1: finite</summary>
#
# `np.isfinite(array)` answers for each element. You need one answer for all of them: `np.all` or `np.any`?
# </details>
# <details><summary>Hint 2: in place</summary>
#
# `a = a - b` makes a new array and binds the name `a` to it; the parameter still holds the old one. `a -= b`
# writes into the array that everybody shares.
# </details>

# %% nbgrader={"grade": false, "grade_id": "gradient-descent-function", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def gradient_descent_step(parameter: Variable, learning_rate: float) -> None:
    """Move one parameter a step against its gradient: p ← p − η·g.

    Args:
        parameter: the Variable to move, of any shape. Without a gradient (`grad` is None) nothing happens.
        learning_rate: η, the length of the step for a gradient of 1; any finite number.

    Raises:
        TypeError: the rate is not a number.
        ValueError: the rate or an element of the gradient is not finite; the parameter is left as it was.

    Example:
        >>> weight = Variable(2.0)
        >>> weight.grad = Variable(0.5)
        >>> gradient_descent_step(weight, learning_rate=0.1)
        >>> round(weight.data.item(), 6)
        1.95

    Source: A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", 1847.
    """
    learning_rate = check_number("learning_rate", learning_rate)
    ### BEGIN SOLUTION
    if parameter.grad is None:
        return
    gradient = parameter.grad.data.data
    if not np.all(np.isfinite(gradient)):
        raise ValueError("the gradient holds values that are not finite; the parameter was not moved")
    parameter.data.data -= learning_rate * gradient
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-gradient-descent", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_gradient_descent():
    for start, gradient, expected in ((2.0, 0.5, 1.95), (1.0, -0.2, 1.02)):
        weight = leaf(start, gradient)
        expect_equal(
            "what gradient_descent_step returns", gradient_descent_step(weight, 0.1), None, "it only moves"
        )
        expect_close(f"{start} with gradient {gradient} at rate 0.1", weight, expected,
                     "is the step learning_rate * gradient, and subtracted?")
        expect_close(
            "the gradient after the step", weight.grad, gradient, "the gradient is read, never changed"
        )

    idle = leaf([3.0, -1.0])
    gradient_descent_step(idle, 0.5)
    expect_close("a parameter without a gradient", idle, [3.0, -1.0], "grad is None: return at once")

    matrix = leaf([[1.0, -2.0, 0.0], [4.0, 0.5, 8.0]], [[2.0, 0.0, -1.0], [-4.0, 0.25, 8.0]])
    gradient_descent_step(matrix, 0.25)
    expect_close("a (2, 3) matrix at rate 0.25", matrix, [[0.5, -2.0, 0.25], [5.0, 0.4375, 6.0]],
                 "every element moves by rate * its own gradient")
    gradient_descent_step(matrix, 0.25)
    expect_close("the same gradient a second time", matrix, [[0.0, -2.0, 0.5], [6.0, 0.375, 4.0]],
                 "start from where the parameter is now")

    for dtype in (np.float32, np.float64):
        weight = leaf([1.0, 2.0], [1.0, -1.0], dtype)
        gradient_descent_step(weight, np.float64(0.5))
        expect_equal(f"data type of a {dtype.__name__} parameter", weight.data.data.dtype, np.dtype(dtype),
                     "the parameter must not be widened")
        expect_close(f"a {dtype.__name__} parameter", weight, [0.5, 2.5])

    for bad in (np.nan, np.inf, -np.inf):
        weight = leaf([1.0, 2.0, 3.0], [0.5, bad, 0.5])
        expect_raises(
            f"a gradient with one element {bad}",
            ValueError,
            lambda: gradient_descent_step(weight, 0.1),
            cause="check every element with np.isfinite before you move anything",
        )
        expect_close(f"the parameter after a gradient of {bad} was refused", weight, [1.0, 2.0, 3.0],
                     "raise first, move afterwards")


test_gradient_descent()

# %% [markdown]
# **Use it.** The ravine again, this time as a user would do it: the loss is computed with Variables,
# `backward()` finds the gradient, your function takes the step. On the left a careful rate, on the right the
# best one there is.

# %% tags=["demo", "raises-exception"]
def descend(rate, steps):
    point = Variable(np.array(START))
    path = [point.data.tolist()]
    for _ in range(steps):
        point.zero_grad()
        ravine(point[0], point[1]).backward()
        gradient_descent_step(point, rate)
        path.append(point.data.tolist())
    return np.array(path)


paths = {rate: descend(rate, 30) for rate in (0.1, 0.476)}
figure, panels = plt.subplots(1, 2, figsize=(8.2, 2.9), sharey=True)
for axes, (rate, path), color in zip(panels, paths.items(), (plotting.GREEN, plotting.BLUE)):
    plotting.draw_surface(axes, ravine, (-9, 2), (-2.4, 2.4))
    plotting.draw_path(axes, path, "", color)
    axes.plot(0, 0, "*", color=plotting.BLACK, markersize=10)
    label_axes(axes, title=f"rate {rate}: {np.hypot(*path[-1]):.2f} left after 30 steps")
panels[1].set_ylabel("")
plotting.show(
    figure,
    "Gradient descent on the valley with 30 steps. At rate 0.1 it drops to the floor at once and then "
    "crawls; at 0.476 it zigzags across the valley for a long time and ends much closer to the minimum.",
)

# %% [markdown]
# Both walks are gradient descent done right. The left one is the *slow valley*: quick down the wall, then it
# crawls, because along the floor the gradient is small and so is the step. The right one *oscillates*: it
# pays for its long strides along $x$ by overshooting along $y$.

# %% [markdown]
# ## 3. One loop for all optimizers
#
# A network has many parameters, and every rule in this chapter does the same things around its one line of
# mathematics: go through the parameters, skip those without a gradient, remember something for each, count.
# Write that loop once, in a base class, and a new optimizer is three lines long. Two things deserve a closer
# look first.
#
# ### Why gradients must be cleared
#
# Module 07 *adds* each new gradient to the one that is there, since a value used twice needs both
# contributions.
#
# **Predict first.** $\text{loss} = 3w$, so its gradient is 3. You call `backward()` on it, do nothing else,
# compute the loss again and call `backward()` again. What is `w.grad`?

# %% tags=["demo", "raises-exception"]
w = Variable(1.0)
multiply(w, 3.0).backward()
first = w.grad.data.item()
multiply(w, 3.0).backward()
second = w.grad.data.item()
w.grad = None
multiply(w, 3.0).backward()
print(f"first backward: {first}, second: {second}, after clearing: {w.grad.data.item()}")

# %% [markdown]
# 6.0: the old gradient is still in there. A loop that forgets to clear takes steps that are too long and
# point in directions that were right long ago. So every optimizer has `zero_grad()`, and every training loop
# calls it once per step. Setting `grad` to `None`, rather than to zeros, frees the memory and marks the
# parameter as "took no part": then an optimizer with memory leaves it alone, instead of moving it on by a
# gradient of 0.
#
# ### Groups and state
#
# Two more words that you will meet in every framework:
#
# - A **parameter group** is a dictionary: some parameters and the hyper-parameters they share. (A
#   **hyper-parameter** is a number *you* choose, such as the learning rate; a parameter is one that training
#   finds.) Most programs have one group. Several let the last layer learn faster than the first, or keep
#   biases free of weight decay.
# - The **state** is what a rule remembers about one parameter from step to step: for momentum an array of its
#   shape, for Adam two. It is made when the parameter is first updated, so an optimizer costs nothing until
#   it is used.
#
# ### Weight decay
#
# **Weight decay** is a pull towards zero. Add $\tfrac{\lambda}{2} p^2$ to the loss for every parameter: large
# weights become expensive, and the network finds a simpler answer. You need not touch the loss, because the
# gradient of that term is $\lambda p$:
#
# $$g \leftarrow g + \lambda\, p$$
#
# This form is called **L2** (for the squared length it adds). *By hand:* $p = 3$, $g = 0.5$, $\lambda = 0.1$:
# $g + \lambda p = 0.5 + 0.3 = 0.8$. Module 10 plugs another kind of decay into the same place.

# %% tags=["demo", "raises-exception"]
p = Variable(3.0)
decay = 0.1
loss = add(multiply(0.5, p), multiply(decay / 2, multiply(p, p)))
loss.backward()
print(f"gradient of 0.5 p + 0.1/2 p² at p = 3, by autograd: {p.grad.data.item():.3f}")
print(f"g + λ p, by the rule:                           {0.5 + decay * 3.0:.3f}")

# %% [markdown]
# ### The plumbing (given)
#
# Some cells are given, since they are good housekeeping rather than optimization; skim them now and come back
# when you wonder. The first turns whatever a user passes into groups and refuses, with one clear line, what
# cannot work. Why is a parameter that appears twice refused? Because it would move twice per step, at twice
# the rate you asked for.

# %%
#| exporti
def check_parameters(parameters: Iterable[Variable], where: str) -> list[Variable]:
    """The Variables as a list; TypeError or ValueError naming the first that cannot be optimized."""
    if isinstance(parameters, Variable):
        raise TypeError(f"{where} is a single Variable; give a list: [parameter]")
    if isinstance(parameters, (str, dict)) or not isinstance(parameters, Iterable):
        raise TypeError(f"{where} must be a list of Variables, got {type(parameters).__name__}")
    parameters = list(parameters)
    if not parameters:
        raise ValueError(f"{where}: the list is empty, there is nothing to optimize")
    for i, parameter in enumerate(parameters):
        if not isinstance(parameter, Variable):
            hint = "; see track in core.autograd" if isinstance(parameter, Tensor) else ""
            raise TypeError(f"{where}[{i}] is of type {type(parameter).__name__}, not a Variable{hint}")
        if parameter.data.data.dtype not in (np.float32, np.float64):
            raise TypeError(f"{where}[{i}] is {parameter.data.data.dtype}; parameters are float32 or float64")
        if not parameter.is_leaf:
            raise ValueError(f"{where}[{i}] is the result of an operation; only leaves can be optimized")
    return parameters


def make_groups(optimizer, parameters, defaults: dict) -> list[dict]:
    """Parameter groups: dictionaries of "parameters" and every hyper-parameter, checked by the optimizer.

    `parameters` is an iterable of Variables (they make one group) or of such dictionaries; hyper-parameters
    that a dictionary does not name come from `defaults`.
    """
    defaults = {name: optimizer.check_hyperparameter(name, value) for name, value in defaults.items()}
    if isinstance(parameters, Iterable) and not isinstance(parameters, (str, dict, Variable)):
        parameters = list(parameters)
    if not (isinstance(parameters, list) and any(isinstance(item, dict) for item in parameters)):
        groups = [{"parameters": check_parameters(parameters, "parameters"), **defaults}]
    else:
        groups = [make_group(optimizer, group, i, defaults) for i, group in enumerate(parameters)]
    for group in groups:
        optimizer.check_group(group)
    refuse_repeated([parameter for group in groups for parameter in group["parameters"]])
    return groups


def make_group(optimizer, group, number: int, defaults: dict) -> dict:
    """One group from a user's dictionary, which is not changed."""
    if not isinstance(group, dict):
        raise TypeError(f"parameters[{number}] is a {type(group).__name__}; do not mix Variables and groups")
    if "parameters" not in group:
        raise ValueError(f"group {number} has no 'parameters'")
    unknown = [name for name in group if name not in defaults and name != "parameters"]
    if unknown:
        known = ", ".join(defaults)
        raise ValueError(f"group {number} has an unknown hyper-parameter {unknown[0]!r}; known: {known}")
    members = check_parameters(group["parameters"], f"group {number}: parameters")
    options = {name: optimizer.check_hyperparameter(name, value)
               for name, value in group.items() if name != "parameters"}
    return {"parameters": members, **defaults, **options}


def refuse_repeated(parameters: list[Variable]) -> None:
    """ValueError if a Variable stands in the list twice: each step would move it twice."""
    first_place: dict[Variable, int] = {}
    for i, parameter in enumerate(parameters):
        if parameter in first_place:
            raise ValueError(f"parameters {first_place[parameter]} and {i} are the same Variable")
        first_place[parameter] = i

# %% [markdown]
# The second is about speed. An update rule written as NumPy expressions makes temporary arrays. For a
# parameter of ten million elements they travel to main memory and back, which takes longer than the
# arithmetic. So the base class hands over a large parameter in **slices** that fit the processor's cache,
# together with the matching slices of gradient and state. A rule works element by element, so it cannot tell
# the difference; your few readable lines simply run faster (section 8 measures it).

# %%
#| exporti
def slice_indices(shape: tuple[int, ...], slice_size: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array of this shape along its longest axis into slices of about `slice_size` elements.

    Indexing with them gives views, whatever the memory layout (flattening a strided array would copy it,
    and an update of the copy would be lost).
    """
    axis = max(range(len(shape)), key=shape.__getitem__)
    count = math.ceil(math.prod(shape) / slice_size)
    length = math.ceil(shape[axis] / count)
    for start in range(0, shape[axis], length):
        yield (slice(None),) * axis + (slice(start, start + length),)


def slices(state: dict, gradient: np.ndarray, parameter: np.ndarray, slice_size: int) -> Iterator[tuple]:
    """`(state, gradient, parameter)` in matching views of about `slice_size` elements.

    Arrays of `state` that have the parameter's shape are cut with it; everything else is passed on whole.
    """
    arrays = {name: value for name, value in state.items()
              if isinstance(value, np.ndarray) and value.shape == parameter.shape}
    rest = {name: value for name, value in state.items() if name not in arrays}
    if all(array.flags.c_contiguous for array in (parameter, gradient, *arrays.values())):
        gradient, parameter = gradient.reshape(-1), parameter.reshape(-1)
        arrays = {name: array.reshape(-1) for name, array in arrays.items()}
    for index in slice_indices(parameter.shape, slice_size):
        part_state = {**rest, **{name: array[index] for name, array in arrays.items()}}
        yield part_state, gradient[index], parameter[index]


def keep_numbers(state: dict, before: dict, after: dict) -> None:
    """Take the numbers that a rule changed in the state of a slice over into `state`.

    Raises:
        TypeError: the rule put a new array into its state; it would be lost with the slice.
    """
    for name, value in after.items():
        if not isinstance(value, np.ndarray):
            state[name] = value
        elif value is not before.get(name):
            raise TypeError(
                f"step_param replaced the array state[{name!r}]; make it in init_state, change it in place"
            )

# %% [markdown]
# ### Exercise: the base class
#
# *medium · about 40 minutes · about 12 lines in three places · 14 points · optimizer-class*
#
# Read the class once from top to bottom: three methods wait for you.
#
# 1. `zero_grad`: set the gradient of every parameter to `None`.
# 2. `step`: go through the groups and through the parameters of each. Where a parameter has a gradient, let
#    the method `update`, which is given, move it. Then count the call in `self.step_count`, whether or not
#    anything moved. (The line above has made sure that every gradient fits, so that a mistake is found before
#    the first parameter moves.)
# 3. `decayed_gradient`: return the gradient that the rule shall use.
#    - If the group's `"weight_decay"` is an object with a method `apply`, return `apply(gradient, group,
#      parameter)` of it. (Module 10 needs this door.)
#    - If it is a number other than 0, return $g + \lambda p$ as a *new* array: the gradient itself belongs to
#      somebody else.
#    - If it is 0, return the gradient itself: no arithmetic, no copy.
#
# <details><summary>Hint 1: what to loop over</summary>
#
# `self.param_groups` is a list of dictionaries; `group["parameters"]` is the list of Variables in one.
# `self.parameters` is the flat list of all.
# </details>
# <details><summary>Hint 2: never compare parameters with ==</summary>
#
# `==` on Variables compares element by element. For "has no gradient" ask with `is` or `is not`.
# </details>
# <details><summary>Hint 3: an object with a method</summary>
#
# `hasattr(thing, "apply")` tells a number from an object that has `apply`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "optimizer-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Optimizer:
    """Base of all optimizers: it owns the loop over parameters; a subclass writes the update of one.

    A subclass defines `step_param`, the rule, and, if the rule remembers something, `init_state`. Both see
    plain arrays and work elementwise and in place, so a parameter of more than `slice_size` elements arrives
    in slices.

    Args:
        parameters: an iterable of Variables (float32 or float64 leaves), or of groups: dictionaries with
            "parameters" and any hyper-parameter that shall differ from those given here.
        learning_rate: size of the step; finite and not negative.
        weight_decay: λ of an L2 penalty, added to the gradient as λ·p; or an object with a method
            `apply(gradient, group, parameter)` that returns the gradient to use, elementwise and without
            changing `gradient`; it may change `parameter`.
        hyperparameters: further numbers that the subclass's rule needs.

    Attributes:
        param_groups: the groups; changing a number in one takes effect at the next step.
        state: for each parameter that has been updated, a dictionary with `"update_count"` and the rule's
            arrays.
        step_count: number of calls of `step`, whether or not a parameter had a gradient.

    Raises:
        TypeError: a single Variable, something that is not a Variable, a data type other than float32 and
            float64, a hyper-parameter that is not a number.
        ValueError: no parameters, the same one twice, one that is not a leaf, an unknown hyper-parameter, or
            one that is negative or not finite.

    Example:
        >>> class Signs(Optimizer):
        ...     def step_param(self, state, group, gradient, parameter):
        ...         parameter -= group["learning_rate"] * np.sign(gradient)
        >>> weight = Variable([1.0, 2.0])
        >>> weight.grad = Variable([0.3, -7.0])
        >>> optimizer = Signs([weight], learning_rate=0.5)
        >>> optimizer.step()
        >>> weight.data.tolist()
        [0.5, 2.5]
    """

    slice_size = 128 * 1024  # elements; such slices stay in the cache from one line of a rule to the next

    def __init__(
        self, parameters: Iterable, learning_rate: float = 0.01, weight_decay=0.0, **hyperparameters
    ):
        defaults = {"learning_rate": learning_rate, "weight_decay": weight_decay, **hyperparameters}
        self.param_groups = make_groups(self, parameters, defaults)
        self.state: dict[Variable, dict] = {}
        self.step_count = 0

    @property
    def parameters(self) -> list[Variable]:
        """All parameters, group after group."""
        return [parameter for group in self.param_groups for parameter in group["parameters"]]

    @property
    def learning_rate(self) -> float:
        """The learning rate of the first group; setting it sets that of every group."""
        return self.param_groups[0]["learning_rate"]

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        value = self.check_hyperparameter("learning_rate", value)
        for group in self.param_groups:
            group["learning_rate"] = value

    def check_hyperparameter(self, name: str, value):
        """The value as the rules use it, a float; a subclass with other needs overrides this.

        Raises:
            TypeError: it is not a number.
            ValueError: it is negative or not finite, or the name begins with "beta" (the memory of a moving
                average) and it is not below 1.
        """
        if name == "weight_decay" and callable(getattr(value, "apply", None)):
            return value
        value = check_number(name, value)
        if value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
        if name.startswith("beta") and value >= 1:
            raise ValueError(f"{name} must lie in [0, 1), got {value}")
        return value

    def check_group(self, group: dict) -> None:
        """Refuse hyper-parameters that do not go together; by default all do."""

    def init_state(self, state: dict, group: dict, parameter: np.ndarray) -> None:
        """Put into `state` the arrays, of the parameter's shape, that the rule remembers; by default none.

        Called before the first update of a parameter.
        """

    def is_initialized(self, state: dict, group: dict) -> bool:
        """Whether `state` holds what the rule needs under the group's present hyper-parameters."""
        return "update_count" in state

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """The rule: update `parameter` and the arrays of `state` in place, elementwise.

        Args:
            state: what `init_state` made, and `"update_count"`: the updates of this parameter, this one
                included. Arrays are changed in place, never replaced. A Python number may be replaced; every
                slice of a large parameter begins with the number of before.
            group: the hyper-parameters.
            gradient: array of the parameter's shape, weight decay included; only read.
            parameter: array to change.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update rule: define step_param")

    def zero_grad(self) -> None:
        """Forget all gradients: the next `backward()` starts afresh."""
        ### BEGIN SOLUTION
        for parameter in self.parameters:
            parameter.grad = None
        ### END SOLUTION

    def step(self, closure: Callable[[], object] | None = None):
        """Update every parameter that has a gradient.

        Gradients that are not finite propagate into the parameters, as in PyTorch.

        Args:
            closure: recomputes loss and gradients and returns the loss; called first.

        Returns:
            What `closure` returned, or None without one.

        Raises:
            NotImplementedError: the class has no update rule.
            TypeError: a gradient is not a Variable, or a parameter is no longer float32 or float64.
            ValueError: a gradient has another shape than its parameter, or a parameter is read-only, or has
                another shape than at its first update. Nothing has moved.
        """
        loss = None if closure is None else closure()
        self.check_step()
        ### BEGIN SOLUTION
        for group in self.param_groups:
            for parameter in group["parameters"]:
                if parameter.grad is not None:
                    self.update(group, parameter)
        self.step_count += 1
        ### END SOLUTION
        return loss

    def decayed_gradient(self, gradient: np.ndarray, group: dict, parameter: np.ndarray) -> np.ndarray:
        """The gradient after weight decay; `gradient` itself is not changed."""
        weight_decay = group["weight_decay"]
        ### BEGIN SOLUTION
        if hasattr(weight_decay, "apply"):
            return weight_decay.apply(gradient, group, parameter)
        if weight_decay:
            return gradient + weight_decay * parameter
        return gradient
        ### END SOLUTION

    def update(self, group: dict, parameter: Variable) -> None:
        """Update one parameter: make its state if need be, count, apply the rule, in slices if it is large."""
        array, gradient = parameter.data.data, parameter.grad.data.data
        if gradient.dtype != array.dtype:  # 8-bit numbers would overflow in g²
            gradient = gradient.astype(array.dtype)
        state = self.state.get(parameter, {})
        if not self.is_initialized(state, group):
            self.init_state(state, group, array)
        state["update_count"] = state.get("update_count", 0) + 1
        self.state[parameter] = state
        if array.size <= self.slice_size:
            self.step_param(state, group, self.decayed_gradient(gradient, group, array), array)
            return
        for part_state, part_gradient, part in slices(state, gradient, array, self.slice_size):
            before = dict(part_state)
            self.step_param(part_state, group, self.decayed_gradient(part_gradient, group, part), part)
            keep_numbers(state, before, part_state)

    def check_step(self) -> None:
        """Refuse a step that could not be completed; see `step`."""
        if type(self).step_param is Optimizer.step_param:
            raise NotImplementedError(f"{type(self).__name__} has no update rule: define step_param")
        for i, parameter in enumerate(self.parameters):
            gradient = parameter.grad
            if gradient is None:
                continue
            if not isinstance(gradient, Variable):
                kind = type(gradient).__name__
                raise TypeError(f"the gradient of parameter {i} is a {kind}, not a Variable")
            array = parameter.data.data
            if gradient.data.data.shape != array.shape:
                raise ValueError(f"the gradient of parameter {i} has shape {gradient.data.data.shape}, "
                                 f"the parameter has shape {array.shape}")
            if not array.flags.writeable:
                raise ValueError(f"the array of parameter {i} is read-only; give the parameter a copy of it")
            if array.dtype.char not in "fd":
                raise TypeError(f"parameter {i} is now {array.dtype}; parameters are float32 or float64")
            for value in self.state.get(parameter, {}).values():
                if isinstance(value, np.ndarray) and value.shape != array.shape:
                    raise ValueError(f"parameter {i} has shape {array.shape} now, but its state was made for shape "
                                     f"{value.shape}; make a new optimizer")

    def state_dict(self) -> dict:
        """Everything needed to continue later, as a dictionary of copies; parameters appear by position.

        Example:
            >>> Optimizer([Variable(1.0)], learning_rate=0.5).state_dict()["param_groups"]
            [{'parameters': [0], 'learning_rate': 0.5, 'weight_decay': 0.0}]
        """
        position = {parameter: i for i, parameter in enumerate(self.parameters)}
        return {
            "step_count": self.step_count,
            "param_groups": [
                copy.deepcopy({**group, "parameters": [position[p] for p in group["parameters"]]})
                for group in self.param_groups
            ],
            "state": {position[parameter]: copy.deepcopy(state) for parameter, state in self.state.items()
                      if parameter in position},
        }

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue where the optimizer that made `state_dict` stood, bit for bit; it is copied.

        Args:
            state_dict: from an optimizer of this class, with parameters of the same shapes in the same order.

        Raises:
            TypeError, ValueError: it does not fit, saying what; the optimizer is left as it was.
        """
        names = ("step_count", "param_groups", "state")
        if not isinstance(state_dict, dict) or set(state_dict) != set(names):
            got = list(state_dict) if isinstance(state_dict, dict) else type(state_dict).__name__
            raise ValueError(f"an optimizer's state dictionary holds {', '.join(names)}; got {got}")
        if not is_count(state_dict["step_count"], 0) or not isinstance(state_dict["state"], dict):
            raise ValueError("in a state dictionary step_count is a count and state a dictionary")
        options = saved_groups(self, state_dict["param_groups"])
        group_of = [values for values, group in zip(options, self.param_groups) for _ in group["parameters"]]
        state = {}
        for position, saved in state_dict["state"].items():
            if not is_count(position, 0) or position >= len(group_of):
                raise ValueError(f"the state dictionary has state for parameter {position!r}, "
                                 f"the optimizer has parameters 0 to {len(group_of) - 1}")
            state[self.parameters[position]] = saved_state(self, group_of[position], position, saved)
        for group, values in zip(self.param_groups, options):
            group.update(values)
        self.state, self.step_count = state, int(state_dict["step_count"])

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            count = len(group["parameters"])
            values = [f"{name}={value}" for name, value in group.items() if name != "parameters"]
            groups.append(", ".join([f"{count} parameter{'s' if count > 1 else ''}", *values]))
        return f"{type(self).__name__}({'; '.join(groups)})"

# %% nbgrader={"grade": true, "grade_id": "test-zero-grad", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_zero_grad():
    first, second, third = leaf([1.0, 2.0], [0.5, 0.5]), leaf(3.0), leaf([[4.0]], [[-1.0]])
    optimizer = Optimizer([{"parameters": [first, second]}, {"parameters": [third], "learning_rate": 0.5}])
    expect_equal("what zero_grad returns", optimizer.zero_grad(), None)
    for name, parameter in (("first", first), ("second", second), ("third, of the other group,", third)):
        expect_equal(f"grad of the {name} parameter after zero_grad", parameter.grad, None,
                     "set grad to None for the parameters of every group")
    expect_close("a parameter after zero_grad", first, [1.0, 2.0], "zero_grad must not move anything")

    multiply(second, 3.0).backward()
    optimizer.zero_grad()
    multiply(second, 3.0).backward()
    expect_close(
        "the gradient of 3w after zero_grad and a second backward",
        second.grad,
        3.0,
        "an old gradient is left",
    )


test_zero_grad()

# %% nbgrader={"grade": true, "grade_id": "test-optimizer", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_optimizer():
    class Descent(Optimizer):
        """The plainest rule; it notes what it is given."""

        def step_param(self, state, group, gradient, parameter):
            seen.append((state["update_count"], gradient, parameter))
            parameter -= group["learning_rate"] * gradient

    class Doubling:
        """A hook like those of module 10: it must be handed exactly (gradient, group, parameter)."""

        def apply(self, gradient, group, parameter):
            parameter *= 0.5
            return 2 * gradient + group["learning_rate"]

    seen = []
    a, b, c = leaf([1.0, -2.0], [0.5, 4.0]), leaf([[3.0]], [[1.0]]), leaf(5.0)
    optimizer = Descent(
        [{"parameters": [a, b]}, {"parameters": [c], "learning_rate": 0.5, "weight_decay": 0.2}], 0.1
    )
    arrays = [parameter.data.data for parameter in (a, b, c)]
    expect_equal("what step returns without a closure", optimizer.step(), None)
    expect_close(
        "the first parameter, rate 0.1", a, [0.95, -2.4], "every parameter with a gradient takes a step"
    )
    expect_close("the second parameter, rate 0.1", b, [[2.9]], "does the loop end after the first parameter?")
    expect_close("a parameter without a gradient", c, 5.0, "skip it: no step, no weight decay, no state")
    expect_equal("whether the first two parameters, and no other, have state",
                 {id(parameter) for parameter in optimizer.state} == {id(a), id(b)}, True,
                 "a parameter without a gradient has had no update")
    expect_equal(
        "whether weight decay 0 hands over the gradient itself",
        seen[0][1] is a.grad.data.data,
        True,
        "with weight_decay 0 return the gradient: no arithmetic, no copy",
    )

    give([a, b, c], [None, [[-2.0]], 3.0])
    expect_equal("what step returns with a closure", optimizer.step(lambda: 7.5), 7.5, "return the loss")
    expect_close("p = 5, g = 3, rate 0.5, weight decay 0.2: 5 - 0.5 * (3 + 0.2 * 5)", c, 3.0,
                 "is the rate of its own group used, and g + weight_decay * p as the gradient?")
    expect_close(
        "the gradient after a step with weight decay",
        c.grad,
        3.0,
        "make a new array: the gradient is not yours",
    )
    expect_close("the second parameter after its second step", b, [[3.1]])
    expect_close("the first parameter, now without a gradient", a, [0.95, -2.4])
    expect_equal(
        "updates noted for the three parameters",
        [optimizer.state[p]["update_count"] for p in (a, b, c)],
        [1, 2, 1],
        "call update once for each parameter that has a gradient",
    )
    optimizer.zero_grad()
    optimizer.step()
    expect_equal("step_count after three calls, one of them without gradients", optimizer.step_count, 3,
                 "count the call, once, whether or not a parameter moved")
    for array, parameter in zip(arrays, (a, b, c)):
        expect_equal(
            "whether a parameter still has the array it began with", parameter.data.data is array, True
        )

    hooked = leaf([4.0, -8.0], [1.0, 3.0])
    Descent([hooked], 0.1, weight_decay=Doubling()).step()
    expect_close("a weight decay object: p/2 - 0.1 * (2 g + 0.1)", hooked, [1.79, -4.61],
                 "return weight_decay.apply(gradient, group, parameter)")
    expect_raises("Optimizer without a rule", NotImplementedError, Optimizer([leaf(1.0, 1.0)]).step)


test_optimizer()

# %% [markdown]
# One piece of plumbing is left. It checks a **state dictionary**, what `state_dict()` returns: everything
# needed to continue an interrupted training as if nothing had happened. All of it is checked before anything
# changes.

# %%
#| exporti
def saved_groups(optimizer: Optimizer, saved) -> list[dict]:
    """The hyper-parameters of each saved group; an error where a group does not fit the optimizer's."""
    count = len(saved) if isinstance(saved, (list, tuple)) else "no list of"
    if count != len(optimizer.param_groups):
        wanted = len(optimizer.param_groups)
        raise ValueError(f"the state dictionary has {count} groups, the optimizer {wanted}")
    positions = iter(range(len(optimizer.parameters)))
    result = []
    for i, (group, other) in enumerate(zip(optimizer.param_groups, saved)):
        if not isinstance(other, dict) or other.keys() != group.keys():
            names = list(other) if isinstance(other, dict) else type(other).__name__
            raise ValueError(f"group {i} of the state dictionary holds {names}, but must hold {list(group)}")
        expected = list(itertools.islice(positions, len(group["parameters"])))
        if list(other["parameters"]) != expected:
            raise ValueError(f"group {i} of the state dictionary has the parameters {other['parameters']}, "
                             f"the optimizer's has {expected}")
        options = {name: optimizer.check_hyperparameter(name, value)
                   for name, value in copy.deepcopy(other).items() if name != "parameters"}
        optimizer.check_group({"parameters": group["parameters"], **options})
        result.append(options)
    return result


def saved_state(optimizer: Optimizer, group: dict, position: int, saved) -> dict:
    """A copy of the saved state of one parameter; ValueError where it does not fit that parameter."""
    where = f"the saved state of parameter {position}"
    if not isinstance(saved, dict) or "update_count" not in saved:
        raise ValueError(f"{where} has no 'update_count'")
    parameter = optimizer.parameters[position].data.data
    fresh = {"update_count": 0}
    optimizer.init_state(fresh, group, parameter)
    saved = {name: plain_number(value, fresh.get(name)) for name, value in saved.items()}
    if not is_count(saved["update_count"], 1):
        count = saved["update_count"]
        raise ValueError(f"{where}: update_count must be a count of at least 1, got {count!r}")
    for name, value in saved.items():
        wanted = fresh.get(name, parameter)
        if name in fresh and isinstance(value, np.ndarray) != isinstance(wanted, np.ndarray):
            raise ValueError(f"{where}: {name!r} is a {type(value).__name__}, not {type(wanted).__name__}")
        if isinstance(value, np.ndarray) and (value.shape, value.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(f"{where}: {name!r} is {value.dtype} of shape {value.shape}, "
                             f"but {wanted.dtype} of shape {wanted.shape} is needed")
    missing = [name for name in fresh if name not in saved]
    if missing and optimizer.is_initialized(saved, group):
        raise ValueError(f"{where} has no {missing[0]!r}")
    return copy.deepcopy(saved)


def plain_number(value, wanted):
    """A NumPy scalar, or a 0-d array where none is wanted, as a Python number: files give them back as such.

    In an update rule a NumPy float64 would widen float32.
    """
    zero_dimensional = isinstance(value, np.ndarray) and value.ndim == 0
    if isinstance(value, np.generic) or zero_dimensional and isinstance(wanted, numbers.Real):
        return value.item()
    return value


def is_count(value, smallest: int) -> bool:
    """Whether `value` is an integer of at least `smallest`; True and False are not."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= smallest

# %% [markdown]
# **Use it.** Your loop and one line of mathematics make a complete optimizer. This one looks only at the
# *sign* of the gradient, an old idea (Rprop, Riedmiller and Braun, 1993) that returns, softened, in Adam.

# %% tags=["demo", "raises-exception"]
class SignDescent(Optimizer):
    def step_param(self, state, group, gradient, parameter):
        parameter -= group["learning_rate"] * np.sign(gradient)


weights, bias = leaf([1.0, -2.0, 3.0], [1e-6, -0.5, 300.0]), leaf(0.0, 2.0)
optimizer = SignDescent(
    [{"parameters": [weights]}, {"parameters": [bias], "learning_rate": 1.0}], learning_rate=0.1
)
optimizer.step()
print(optimizer)
print("weights", weights.numpy(), " bias", bias.numpy())
print("state_dict:", optimizer.state_dict())

# %% [markdown]
# ## 4. Momentum
#
# **The problem.** Gradient descent has no memory. Along the floor of the ravine every gradient says "go
# right", twenty times in a row, and the twentieth step is no bolder than the first. Across the valley they
# say "left, right, left, right", and each is obeyed in full.
#
# **The idea.** Let the parameter have a **velocity** $v$, like a heavy ball rolling down the valley:
# gradients push it, and a part $\mu$ (mu, the **momentum**) of the velocity survives from one step to the
# next. Pushes that agree build up speed; pushes that alternate cancel. With the weight decay of section 3 the
# whole rule is
#
# $$g \leftarrow g + \lambda\, p \qquad\quad v \leftarrow \mu\, v + g \qquad\quad p \leftarrow p - \eta\, v$$
#
# with $v = 0$ at the start (Polyak, 1964; in this form, Sutskever, Martens, Dahl and Hinton, 2013, and
# PyTorch). The first formula is done: the base class hands your rule a gradient with decay included. With
# $\mu = 0$ the velocity *is* the gradient, and the rule is gradient descent.
#
# **By hand.** $p = 1$, $\eta = 0.1$, $\mu = 0.9$, and the gradient is 1 at every step:
#
# | step | $v \leftarrow 0.9\,v + 1$ | $p \leftarrow p - 0.1\,v$ | without momentum |
# |---|---|---|---|
# | 1 | 1 | 0.9 | 0.9 |
# | 2 | 1.9 | 0.71 | 0.8 |
# | 3 | 2.71 | 0.439 | 0.7 |
#
# **Predict first.** If the gradient stays 1 for ever, does $v$ grow without bound? If not, where does it
# stop? (A hint: at the place where it stops, $v = 0.9\,v + 1$.)
#
# There is a look-alike. A *moving average*, $v \leftarrow \mu v + (1 - \mu) g$, is a reasonable thing too
# (Adam uses it), but it is not this rule: it never exceeds the gradient. The names are confused in many
# texts, so look at both.

# %% tags=["demo", "raises-exception"]
heavy_ball, average = [0.0], [0.0]
for _ in range(40):
    heavy_ball.append(0.9 * heavy_ball[-1] + 1.0)
    average.append(0.9 * average[-1] + (1 - 0.9) * 1.0)

figure, axes = plt.subplots(figsize=(6.6, 3.3))
axes.axhline(10, color=plotting.GRAY, linewidth=0.8)
axes.plot(heavy_ball, "o-", markersize=3, color=plotting.BLUE)
axes.plot(average, "s--", markersize=3, color=plotting.VERMILLION)
axes.text(40, 10.15, "1 / (1 − 0.9) = 10", ha="right", color=plotting.BLACK)
axes.text(19, 7.3, "heavy ball: v ← 0.9 v + g", color=plotting.BLUE)
axes.text(19, 1.5, "moving average: v ← 0.9 v + 0.1 g", color=plotting.VERMILLION)
axes.set(xlim=(0, 40.5), ylim=(0, 11.2))
label_axes(axes, "step", "v")
plotting.show(
    figure,
    "The velocity under a constant gradient of 1. The heavy ball's rises towards 10, ten times the gradient; "
    "the moving average rises towards 1.",
)

# %% [markdown]
# The heavy ball approaches $g / (1 - \mu)$: with $\mu = 0.9$ the strides along the floor become **ten times**
# as long. So a rate that suits gradient descent is often too large with momentum. With the
# moving average the parameter takes the same way ten times more slowly: after the three steps of our table it
# stands at 0.9439, where the heavy ball has brought it to 0.439.
#
# ### Exercise: SGD with momentum
#
# *medium · about 30 minutes · about 7 lines · 25 points · sgd-class*
#
# **SGD** is short for *stochastic gradient descent* (Robbins and Monro, 1951): gradient descent where each
# gradient comes from a few examples instead of all, so that it points downhill only on average. The rule does
# not care.
#
# 1. `init_state`: if the group's momentum is not 0, put a velocity of zeros into `state["momentum_buffer"]`,
#    of the shape and type of `parameter`. Without momentum nothing is remembered.
# 2. `step_param`: one line for each formula, in place. `state["momentum_buffer"]` is the array that must hold
#    the new velocity afterwards; with momentum 0 there is none, and the velocity is the gradient itself. Only
#    read `gradient`: it is not yours.
#
# <details><summary>Hint 1: zeros like another array</summary>
#
# `np.zeros_like(array)` has the shape and data type of `array`.
# </details>
# <details><summary>Hint 2: in place</summary>
#
# After `a = b`, two names mean one array. `a *= 2` changes that array, so `b` shows it too; `a = a * 2` makes
# another one, and `b` keeps the old. (A parameter may be a single number, of shape `()`: `a[...] = b` writes into
# such an array too, `a[:] = b` does not.)
# </details>
# <details><summary>Hint 3: an alias</summary>
#
# `state["momentum_buffer"] = gradient` looks like a saving for the first step. Then buffer and gradient are
# one array, and the next `*=` changes the gradient.
# </details>

# %% nbgrader={"grade": false, "grade_id": "sgd-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and L2 weight decay if wanted.

    For each parameter p with gradient g:  g ← g + λ·p,  v ← μ·v + g  (v starts at 0),  p ← p − η·v.

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, by default 0.01.
        momentum: μ, the part of the velocity that survives a step; 0 for none, 0.9 is common.
        weight_decay: λ, or an object with `apply`, see `Optimizer`.

    Raises:
        TypeError, ValueError: see `Optimizer`.

    Example:
        >>> weight = Variable(1.0)
        >>> optimizer = SGD([weight], learning_rate=0.1, momentum=0.9)
        >>> for _ in range(3):
        ...     weight.grad = Variable(1.0)
        ...     optimizer.step()
        ...     print(round(weight.data.item(), 4))
        0.9
        0.71
        0.439

    Sources: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; I.
    Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
    learning", 2013, equations 1 and 2 (there the learning rate stands inside the velocity).
    """

    def __init__(
        self, parameters: Iterable, learning_rate: float = 0.01, momentum: float = 0.0, weight_decay=0.0
    ):
        super().__init__(parameters, learning_rate, weight_decay, momentum=momentum)

    def is_initialized(self, state: dict, group: dict) -> bool:
        """As in `Optimizer`; momentum may be switched on after the first updates."""
        return "update_count" in state and (group["momentum"] == 0 or "momentum_buffer" in state)

    def init_state(self, state: dict, group: dict, parameter: np.ndarray) -> None:
        """A velocity of zeros, where there is momentum."""
        ### BEGIN SOLUTION
        if group["momentum"]:
            state["momentum_buffer"] = np.zeros_like(parameter)
        ### END SOLUTION

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """v ← μ·v + g;  p ← p − η·v."""
        ### BEGIN SOLUTION
        velocity = gradient
        if group["momentum"]:
            velocity = state["momentum_buffer"]
            velocity *= group["momentum"]
            velocity += gradient
        parameter -= group["learning_rate"] * velocity
        ### END SOLUTION

    @property
    def momentum_buffers(self) -> dict[Variable, np.ndarray]:
        """The velocity of each parameter that momentum has moved."""
        return {parameter: state["momentum_buffer"] for parameter, state in self.state.items()
                if "momentum_buffer" in state}

# %% nbgrader={"grade": true, "grade_id": "test-sgd-plain", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_sgd_plain():
    weights = leaf([1.0, -2.0, 3.0])
    array = weights.data.data
    optimizer = SGD([weights], learning_rate=0.5)
    gradients = ([0.4, 0.0, -1.0], [-0.2, 0.0, 0.5], [1.0, 0.0, 0.25], [0.3, 0.0, -0.7])
    expected = ([0.8, -2.0, 3.5], [0.9, -2.0, 3.25], [0.4, -2.0, 3.125], [0.25, -2.0, 3.475])
    for i, (gradient, values) in enumerate(zip(gradients, expected), start=1):
        give([weights], [gradient])
        optimizer.step()
        expect_close(
            f"step {i} without momentum, rate 0.5", weights, values, "momentum 0 is p - learning_rate * g"
        )
        expect_close(f"the gradient after step {i}", weights.grad, gradient, "the gradient is only read")
    expect_equal("whether the parameter still has the array it began with", weights.data.data is array, True,
                 "update in place: parameter -= ..., not parameter = parameter - ...")
    expect_equal("momentum buffers without momentum", len(optimizer.momentum_buffers), 0,
                 "with momentum 0 there is nothing to remember")

    scalar = leaf(1.0, dtype=np.float64)
    optimizer = SGD([scalar], learning_rate=0.1, weight_decay=0.5)
    for i, value in enumerate((0.85, 0.7075), start=1):
        give([scalar], [1.0])
        optimizer.step()
        expect_close(
            f"step {i} with weight decay 0.5",
            scalar,
            value,
            "g + weight_decay * p reaches step_param as gradient",
            tolerance=1e-12,
        )
    expect_equal("data type of a float64 parameter", scalar.data.data.dtype, np.dtype(np.float64))


test_sgd_plain()

# %% nbgrader={"grade": true, "grade_id": "test-sgd-momentum", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_sgd_momentum():
    weight = leaf(1.0)
    optimizer = SGD([weight], learning_rate=0.1, momentum=0.9)
    likely = {0.9: "is the step learning_rate * velocity?",
              0.71: "did you use (1 - momentum) * g, or forget the old velocity?",
              0.439: "is the new velocity kept in state['momentum_buffer']?"}
    for i, (expected, cause) in enumerate(likely.items(), start=1):
        give([weight], [1.0])
        optimizer.step()
        expect_close(f"step {i} of the table, momentum 0.9", weight, expected, cause)
    expect_close("the velocity after three steps", optimizer.momentum_buffers[weight], 2.71,
                 "the learning rate does not belong into the velocity")

    pair = leaf([2.0, -1.0])
    optimizer = SGD([pair], learning_rate=0.1, momentum=0.5)
    gradients = ([1.0, -2.0], [-3.0, 0.0], [0.5, 4.0])
    expected = ([1.9, -0.8], [2.15, -0.7], [2.225, -1.05])
    for i, (gradient, values) in enumerate(zip(gradients, expected), start=1):
        give([pair], [gradient])
        optimizer.step()
        expect_close(
            f"step {i} with changing gradients, momentum 0.5",
            pair,
            values,
            "v = momentum * v + g; p = p - rate * v",
        )
        expect_close(f"the gradient after step {i}", pair.grad, gradient, "the gradient is only read")
        if i == 1:
            first_gradient = pair.grad
    expect_close(
        "the first gradient after the last step",
        first_gradient,
        gradients[0],
        "is the buffer the gradient itself? then *= changes both",
    )


test_sgd_momentum()

# %% nbgrader={"grade": true, "grade_id": "test-sgd", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_sgd():
    a, b = leaf([1.0, -2.0, 3.0]), leaf([[0.5], [-1.5]])
    arrays = a.data.data, b.data.data
    optimizer = SGD([a, b], learning_rate=0.1, momentum=0.8, weight_decay=0.25)
    gradients = (([0.4, 0.0, -1.0], [[2.0], [-1.0]]), ([-0.2, 0.0, 0.5], None),
                 ([1.0, 0.0, 0.25], [[0.5], [1.5]]), ([0.3, 0.0, -0.7], [[-1.0], [0.25]]))
    expected = (([0.935, -1.95, 3.025], [[0.2875], [-1.3625]]),
                ([0.879625, -1.86125, 2.919375], [[0.2875], [-1.3625]]),
                ([0.713334375, -1.74371875, 2.736890625], [[0.0603125], [-1.3684375]]),
                ([0.532468516, -1.606100781, 2.592480859], [[-0.022945313], [-1.363976562]]))
    for i, (given, (first, second)) in enumerate(zip(gradients, expected), start=1):
        give([a, b], given)
        optimizer.step()
        expect_close(
            f"step {i}: the first parameter, momentum 0.8 and weight decay 0.25",
            a,
            first,
            "order: decay into the gradient, gradient into the velocity, velocity times rate from the "
            "parameter",
        )
        expect_close(f"step {i}: the second parameter, without a gradient at step 2", b, second,
                     "without a gradient nothing moves and the velocity waits")
        expect_close(
            f"step {i}: the first gradient afterwards", a.grad, given[0], "the gradient is only read"
        )
        if i == 1:
            velocity = optimizer.momentum_buffers[a]
    buffers = optimizer.momentum_buffers
    expect_equal("whether a velocity is one array from step to step", buffers[a] is velocity, True,
                 "change state['momentum_buffer'] in place: *=, +=")
    expect_close("velocity of the first parameter", buffers[a], [1.808658594, -1.376179688, 1.444097656])
    expect_close("velocity of the second parameter", buffers[b], [[0.832578125], [-0.044609375]],
                 "does each parameter have a velocity of its own?")
    for array, parameter in zip(arrays, (a, b)):
        expect_equal(
            "whether a parameter still has its array", parameter.data.data is array, True, "update in place"
        )
        expect_equal(
            "data type of a velocity",
            buffers[parameter].dtype,
            np.dtype(np.float32),
            "np.zeros_like keeps it",
        )
    expect_equal("step_count after four steps", optimizer.step_count, 4)

    fast, slow = leaf([1.0, 2.0], dtype=np.float64), leaf([3.0], dtype=np.float64)
    optimizer = SGD([{"parameters": [fast], "learning_rate": 0.2, "momentum": 0.5},
                     {"parameters": [slow], "learning_rate": 0.05, "weight_decay": 0.1}])
    for given in (([1.0, -1.0], [2.0]), ([0.5, 2.0], [-1.0])):
        give([fast, slow], given)
        optimizer.step()
    expect_close("two steps in a group with rate 0.2 and momentum 0.5", fast, [0.6, 1.9],
                 "use the hyper-parameters of `group`", tolerance=1e-12)
    expect_close(
        "two steps in a group with rate 0.05 and weight decay 0.1", slow, [2.920575], tolerance=1e-12
    )
    expect_equal("number of velocities when only one group has momentum", len(optimizer.momentum_buffers), 1,
                 "init_state: only where the group's momentum is not 0")

    slow, fast = leaf(1.0), leaf(1.0)
    optimizer = SGD([{"parameters": [slow], "momentum": 0.5}, {"parameters": [fast], "momentum": 0.9}], 0.1)
    for _ in range(2):
        give([slow, fast], [1.0, 1.0])
        optimizer.step()
    expect_close("two steps in groups with momentum 0.5 and 0.9", [slow.data.item(), fast.data.item()], [0.75, 0.71],
                 "use the momentum of `group`")

    for layout, whole, variable in awkward_layouts():
        optimizer = SGD([variable], learning_rate=0.1, momentum=0.9)
        for _ in range(2):
            give([variable], [np.ones(variable.shape)])
            optimizer.step()
        expect_close(f"a parameter that is {layout}, two steps with gradient 1", whole, np.full(whole.shape, 0.71),
                     "change the array you are given; a flattened one may be a copy")

    late = leaf(1.0)
    optimizer = SGD([late], learning_rate=0.1)
    for momentum, value in ((0.0, 0.9), (0.5, 0.8), (0.5, 0.65)):
        optimizer.param_groups[0]["momentum"] = momentum
        give([late], [1.0])
        optimizer.step()
        expect_close(
            f"momentum switched on after the first step (now {momentum})",
            late,
            value,
            "the velocity starts at 0",
        )


test_sgd()

# %% [markdown]
# **Use it: a sweep on the ravine.** One rate, 0.1, far below the limit, and four momenta.
#
# **Predict first.** Which of 0, 0.5, 0.9 and 0.98 comes closest to the minimum in 40 steps? More is better,
# up to where?

# %% tags=["demo", "raises-exception"]
momenta = (0.0, 0.5, 0.9, 0.98)
paths = [walk(lambda p, mu=mu: SGD(p, learning_rate=0.1, momentum=mu), 40) for mu in momenta]
figure, panels = plt.subplots(2, 2, figsize=(8.2, 4.8), sharex=True, sharey=True)
for axes, mu, path, color in zip(panels.flat, momenta, paths, plotting.COLORS):
    plotting.draw_surface(axes, ravine, (-9, 9), (-2.6, 2.6))
    plotting.draw_path(axes, path, "", color)
    axes.plot(0, 0, "*", color=plotting.BLACK, markersize=10)
    label_axes(axes, title=f"momentum {mu}: {np.hypot(*path[-1]):.2f} from the minimum")
for axes in panels[0]:
    axes.set_xlabel("")
for axes in panels[:, 1]:
    axes.set_ylabel("")
plotting.show(
    figure,
    "Forty steps on the valley with four momenta. Without momentum the path crawls; with 0.5 it gets "
    "farther; with 0.9 it swings around the minimum and closes in; with 0.98 it shoots far past the "
    "minimum.",
)

# %% [markdown]
# A ball that never loses speed never stops: 0.98 rolls far past the minimum and needs hundreds of steps to
# settle. Momentum also widens the range of stable rates, from $2 / \text{curvature}$ to $2(1 + \mu) /
# \text{curvature}$. On the ravine with $\mu = 0.9$ the limit moves from 0.5 to $2 \cdot 1.9 / 4 = 0.95$; try
# it.

# %% tags=["demo", "raises-exception"]
for rate in (0.9, 1.0):
    distance = np.hypot(*walk(lambda p: SGD(p, learning_rate=rate, momentum=0.9), 300)[-1])
    print(f"momentum 0.9, learning rate {rate}: {distance:.3g} from the minimum after 300 steps")

# %% [markdown]
# **Save and resume.** A velocity is part of the training: stop without saving it and you start again from
# rest. `state_dict()` keeps it.

# %% tags=["demo", "raises-exception"]
def few_steps(optimizer, weight, steps):
    for _ in range(steps):
        give([weight], [weight.data.data * 0.5])
        optimizer.step()


straight = leaf([4.0, -3.0])
few_steps(SGD([straight], 0.1, momentum=0.9), straight, 6)

weight = leaf([4.0, -3.0])
optimizer = SGD([weight], 0.1, momentum=0.9)
few_steps(optimizer, weight, 3)
saved_weight, saved = weight.data.data.copy(), optimizer.state_dict()

resumed, forgetful = leaf(saved_weight), leaf(saved_weight)
continued = SGD([resumed], 0.1, momentum=0.9)
continued.load_state_dict(saved)
few_steps(continued, resumed, 3)
few_steps(SGD([forgetful], 0.1, momentum=0.9), forgetful, 3)
print("six steps            ", straight.numpy())
print("three, saved, three  ", resumed.numpy())
print("three, forgot, three ", forgetful.numpy())

# %% [markdown]
# ## 5. Adam: a step of its own for each parameter
#
# **The problem.** Momentum still multiplies every gradient by the same rate. In a network gradients differ by
# factors of a million from layer to layer, and a rate that suits one makes another explode or stand still.
#
# **The idea.** Keep two moving averages for each element: of the gradient, and of its square. The first says
# *where to*; the root of the second says *how large gradients usually are here*. Divide one by the other, and
# the unit of the gradient cancels: the step is about $\eta$ whatever its size, and smaller where gradients
# disagree with each other.
#
# That is **Adam**, for *adaptive moments* (Kingma and Ba, 2015, algorithm 1). With $g$ the gradient (weight
# decay already in it) and $t = 1, 2, 3, \ldots$ the number of the update:
#
# $$\begin{aligned}
# m &\leftarrow \beta_1\, m + (1 - \beta_1)\, g &&\text{first moment: average gradient}\\
# v &\leftarrow \beta_2\, v + (1 - \beta_2)\, g^2 &&\text{second moment: average squared gradient}\\
# \hat m &= m / (1 - \beta_1^t), \qquad \hat v = v / (1 - \beta_2^t) &&\text{bias correction}\\
# p &\leftarrow p - \eta\, \hat m / (\sqrt{\hat v} + \epsilon) &&\text{the step}
# \end{aligned}$$
#
# The usual values are $\beta_1 = 0.9$, $\beta_2 = 0.999$, $\epsilon = 10^{-8}$; both moments start at 0. The
# letter $v$ is the paper's, and has nothing to do with the velocity of section 4. We take it in three small
# pieces, written for plain numbers, then put them into the library.
#
# ### Exercise: the two moments
#
# *easy · about 10 minutes · 2 to 3 lines · 4 points · adam-moments*
#
# Complete `update_moments`: return the new $m$ and $v$, and change nothing that you were given. *By hand:*
# $\beta_1 = 0.8$, $\beta_2 = 0.6$, $m = 0.5$, $v = 2$, $g = -2$ gives $m = 0.8 \cdot 0.5 + 0.2 \cdot (-2) =
# 0$ and $v = 0.6 \cdot 2 + 0.4 \cdot 4 = 2.8$.
#
# <details><summary>Hint: squares</summary>
#
# The square of −2 is 4: the second moment never forgets a gradient because of its sign.
# </details>

# %% nbgrader={"grade": false, "grade_id": "adam-moments", "locked": false, "schema_version": 3, "solution": true, "task": false}
def update_moments(m, v, g, beta1, beta2):
    """The two moments of Adam after one more gradient, as a pair (m, v); numbers or arrays."""
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return m, v
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-adam-moments", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_adam_moments():
    m, v = update_moments(0.5, 2.0, -2.0, 0.8, 0.6)
    expect_close("first moment for beta1 0.8, m 0.5, g -2", m, 0.0, "beta1 * m + (1 - beta1) * g")
    expect_close("second moment for beta2 0.6, v 2, g -2", v, 2.8, "beta2 * v + (1 - beta2) * g**2")
    old_m, old_v, g = np.array([0.5, -1.0, 0.0]), np.array([2.0, 0.5, 0.0]), np.array([-2.0, 3.0, 0.0])
    m, v = update_moments(old_m, old_v, g, 0.8, 0.6)
    expect_close("first moments of an array", m, [0.0, -0.2, 0.0], "beta1 belongs to m")
    expect_close(
        "second moments of an array", v, [2.8, 3.9, 0.0], "beta2 belongs to v, and the gradient is squared"
    )
    expect_close("the arrays that were passed in", [old_m, old_v, g], [[0.5, -1, 0], [2, 0.5, 0], [-2, 3, 0]],
                 "return new arrays here; `*=` changes the caller's")


test_adam_moments()

# %% [markdown]
# ### Why the moments need a correction
#
# Both averages start at 0, and with $\beta_2 = 0.999$ only a thousandth of each squared gradient gets in: for
# hundreds of steps $v$ is far too small. How much too small can be computed. If the gradient is always $g$,
# then after $t$ updates $m = (1 - \beta_1^t)\, g$. (One update: $(1 - \beta_1) g$. Two: $\beta_1 (1 -
# \beta_1) g + (1 - \beta_1) g = (1 - \beta_1^2) g$. And so on.) So divide by $1 - \beta^t$, and the average
# is right from the first step on.

# %% tags=["demo", "raises-exception"]
m, g = 0.0, 2.0
for t in range(1, 101):
    m = 0.9 * m + (1 - 0.9) * g
    if t in (1, 2, 10, 100):
        print(f"after {t:3} gradients of 2: average {m:.4f}, predicted {(1 - 0.9**t) * g:.4f}, "
              f"corrected {m / (1 - 0.9**t):.4f}")

# %% [markdown]
# ### Exercise: bias correction
#
# *easy · about 5 minutes · 1 line · 4 points · adam-correction*
#
# Complete `correct_bias`. *By hand:* $\beta = 0.5$, $t = 3$, average 0.7: $0.7 / (1 - 0.125) = 0.8$.

# %% nbgrader={"grade": false, "grade_id": "adam-correction", "locked": false, "schema_version": 3, "solution": true, "task": false}
def correct_bias(average, beta, t):
    """A moving average that began at 0, after t ≥ 1 updates, freed of the pull of that 0."""
    ### BEGIN SOLUTION
    return average / (1 - beta**t)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-adam-correction", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_adam_correction():
    expect_close(
        "average 0.1 after one update with beta 0.9", correct_bias(0.1, 0.9, 1), 1.0, "divide by 1 - beta**t"
    )
    expect_close(
        "average 0.7 after three updates with beta 0.5", correct_bias(0.7, 0.5, 3), 0.8, "t is an exponent"
    )
    expect_close("average 0.004 after two updates with beta 0.999", correct_bias(0.004, 0.999, 2), 2.0010005,
                 "divide by 1 - beta**t")
    array = np.array([1.5, -3.0])
    expect_close("an array after two updates with beta 0.5", correct_bias(array, 0.5, 2), [2.0, -4.0])
    expect_close("the array that was passed in", array, [1.5, -3.0], "return a new array")


test_adam_correction()

# %% [markdown]
# ### Exercise: the path of Adam
#
# *medium · about 15 minutes · 3 lines · 4 points · adam-path*
#
# `adam_path` follows Adam on gradients that are given, and returns all positions, the start first. The loop
# is there; write what happens to `p`, `m` and `v` in one update, with your two functions. The gradient that
# arrives in `g` has weight decay in it.
#
# The position of $\epsilon$ matters. It is added to the root, after the correction. Its first job is to
# prevent a division by 0; its second is to say which gradients count as "no information": where $\sqrt{\hat
# v}$ is far below $\epsilon$, the step fades.
#
# <details><summary>Hint: which t?</summary>
#
# `t` counts 1, 2, 3, …; at $t = 0$ the correction would divide by 0.
# </details>

# %% nbgrader={"grade": false, "grade_id": "adam-path", "locked": false, "schema_version": 3, "solution": true, "task": false}
def adam_path(
    start, gradients, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0
) -> list:
    """The positions of Adam, the start first, when it meets these gradients (numbers, or arrays)."""
    p, m, v, path = start, 0.0, 0.0, [start]
    for t, gradient in enumerate(gradients, start=1):
        g = gradient + weight_decay * p
        ### BEGIN SOLUTION
        m, v = update_moments(m, v, g, beta1, beta2)
        m_hat, v_hat = correct_bias(m, beta1, t), correct_bias(v, beta2, t)
        p = p - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
        ### END SOLUTION
        path.append(p)
    return path

# %% nbgrader={"grade": true, "grade_id": "test-adam-path", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_adam_path():
    path = adam_path(2.0, [1.0, -2.0, 0.5], 0.1, beta1=0.5, beta2=0.75, epsilon=0.5, weight_decay=0.2)
    expect_close("three updates with betas 0.5 and 0.75, epsilon 0.5, decay 0.2", np.array(path),
                 [2.0, 1.926315789, 1.956409623, 1.942563058],
                 "is each beta with its moment, epsilon outside the root, m and v kept for the next update?")
    start = np.array([1.0, -1.0])
    path = adam_path(start, np.array([[0.5, -3.0], [-0.25, 1.0], [2.0, 0.125]]), 0.1)
    expect_close("three updates with the usual values, rate 0.1", path[-1], [0.806301535, -0.831590877])
    expect_close(
        "the start that was passed in", start, [1.0, -1.0], "make a new p; `-=` changes the caller's array"
    )


test_adam_path()

# %% [markdown]
# **Predict first.** The rate is 0.1 and the very first gradient is (a) 0.000001, (b) 1, (c) 1000. How long is
# Adam's first step in each case? And how long would it be *without* the correction: shorter, since everything
# starts at 0, or longer?

# %% tags=["demo", "raises-exception"]
first_gradients = 10.0 ** np.arange(-6, 4)
corrected = -adam_path(np.zeros(10), [first_gradients], 0.1)[1]
m, v = update_moments(0.0, 0.0, first_gradients, 0.9, 0.999)
uncorrected = 0.1 * m / (np.sqrt(v) + 1e-8)

figure, axes = plt.subplots(figsize=(6.6, 3.6))
axes.loglog(first_gradients, 0.1 * first_gradients, ":", color=plotting.BLACK)
axes.loglog(first_gradients, uncorrected, "s--", markersize=4, color=plotting.VERMILLION)
axes.loglog(first_gradients, corrected, "o-", markersize=4, color=plotting.BLUE)
axes.text(1e-6, 0.75, "Adam without correction: 0.316", color=plotting.VERMILLION)
axes.text(1e-6, 0.018, "Adam: 0.1", color=plotting.BLUE)
axes.text(3e-3, 6e-5, "gradient descent: 0.1 · gradient", color=plotting.BLACK)
label_axes(axes, "size of the first gradient", "length of the first step")
plotting.show(
    figure,
    "Length of the first step against the size of the first gradient, both on logarithmic axes. Adam's is "
    "flat at 0.1, without correction flat at 0.316, that of gradient descent is a rising diagonal.",
)
for gradient, with_correction, without in zip(first_gradients[::3], corrected[::3], uncorrected[::3]):
    print(f"first gradient {gradient:8.0e}:  step {with_correction:.4f}, without correction {without:.4f}")

# %% [markdown]
# The first step of Adam is $\eta \cdot \text{sign}(g)$, for a gradient of one millionth as for a thousand:
# then $\hat m = g$ and $\sqrt{\hat v} = |g|$. (At $10^{-6}$ the step is 0.0990, as $\epsilon$ is already one
# hundredth of the root; the uncorrected root is thirty times smaller, so there $\epsilon$ is felt even more.)
# So the first step alone says nothing about the betas; remember that for section 9.
#
# Leaving the correction out makes the first step **longer**, $0.1 / \sqrt{0.001} = 3.16$ times too long: $m$
# is ten times too small, but $\sqrt v$ is thirty times too small. How does that go on? The ratio of an
# uncorrected to a corrected step is $(1 - \beta_1^t) / \sqrt{1 - \beta_2^t}$.

# %% tags=["demo", "raises-exception"]
t = np.arange(1, 3001)
ratio = (1 - 0.9**t) / np.sqrt(1 - 0.999**t)
worst = int(np.argmax(ratio))

figure, axes = plt.subplots(figsize=(6.6, 3.2))
axes.axhline(1, color=plotting.GRAY, linewidth=0.8)
axes.semilogx(t, ratio, color=plotting.VERMILLION)
axes.plot([1, t[worst]], [ratio[0], ratio[worst]], "o", color=plotting.VERMILLION)
axes.annotate(f"{ratio[0]:.2f}", (1, ratio[0]), (8, -12), textcoords="offset points")
axes.annotate(
    f"{ratio[worst]:.2f} at update {t[worst]}", (t[worst], ratio[worst]), (8, 4), textcoords="offset points"
)
axes.set_ylim(0, 7.6)
label_axes(axes, "update t", "uncorrected / corrected step")
plotting.show(
    figure,
    "How many times too long an uncorrected Adam step is: 3.16 at the first update, up to 6.6 at about the "
    "twelfth, and still noticeable after a thousand.",
)

# %% [markdown]
# It becomes worse before it becomes better, and even after a thousand updates the steps are a quarter too
# long. In a training loop this looks like a rate that is "a bit high at first", and people spend days tuning
# around it.
#
# ### Exercise: Adam
#
# *hard · about 40 minutes · about 10 lines · 20 points · adam-class*
#
# Now the library's version: same equations, same symbols, but **in place**. The state keeps its two arrays for
# the whole training, and since a large parameter comes in slices, temporary arrays stay small.
#
# 1. `init_state`: `state["first_moment"]` and `state["second_moment"]`, zeros of the parameter's shape and
#    type.
# 2. `step_param`: read $\beta_1$, $\beta_2$, $t$ and the two arrays into short names; then a line (or two,
#    `*=` and `+=`) per formula. `state["update_count"]` is $t$: the number of updates **this** parameter has
#    had, this one included. The base class counts it.
#
# Why per parameter, and not the number of calls of `step()`? A parameter whose first gradient comes late
# starts its averages late. Corrected with everybody else's $t$, it would move too little.
#
# <details><summary>Hint 1: in place</summary>
#
# One line scales the array in the state by $\beta_1$. What has to be added in the next to complete
# $\beta_1 m + (1 - \beta_1) g$?
# </details>
# <details><summary>Hint 2: the corrected moments</summary>
#
# $\hat m$ and $\hat v$ are temporary: make new arrays for them. If you divide `m` itself, the next step
# starts from the wrong average.
# </details>

# %% nbgrader={"grade": false, "grade_id": "adam-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Adam(Optimizer):
    """Adam: steps from moving averages of each element's gradient and squared gradient.

    For each parameter p with gradient g, at its t-th update:  g ← g + λ·p,  m ← β₁·m + (1 − β₁)·g,
    v ← β₂·v + (1 − β₂)·g²,  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),  p ← p − η·m̂ / (√v̂ + ε).

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, about the length of a step for each element; by default 0.001.
        beta1: β₁ in [0, 1), memory of the average gradient.
        beta2: β₂ in [0, 1), memory of the average squared gradient.
        epsilon: ε, added to the root; gradients far below it hardly move a parameter.
        weight_decay: λ of an L2 penalty, which enters the gradient before the moments (unlike AdamW); or an
            object with `apply`, see `Optimizer`.

    Raises:
        TypeError, ValueError: see `Optimizer`; also for a beta outside [0, 1).

    Example:
        >>> weights = Variable([1.0, 1.0])
        >>> optimizer = Adam([weights], learning_rate=0.1)
        >>> weights.grad = Variable([0.001, -1000.0])
        >>> optimizer.step()
        >>> [round(value, 4) for value in weights.data.tolist()]
        [0.9, 1.1]

    Source: D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.
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

    def init_state(self, state: dict, group: dict, parameter: np.ndarray) -> None:
        """Both moments, of zeros."""
        ### BEGIN SOLUTION
        state["first_moment"] = np.zeros_like(parameter)
        state["second_moment"] = np.zeros_like(parameter)
        ### END SOLUTION

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """The equations of the class, in place."""
        ### BEGIN SOLUTION
        beta1, beta2, t = group["beta1"], group["beta2"], state["update_count"]
        m, v = state["first_moment"], state["second_moment"]
        m *= beta1
        m += (1 - beta1) * gradient
        v *= beta2
        v += (1 - beta2) * gradient**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        parameter -= group["learning_rate"] * m_hat / (np.sqrt(v_hat) + group["epsilon"])
        ### END SOLUTION

    @property
    def first_moment(self) -> dict[Variable, np.ndarray]:
        """m of each parameter that has been updated."""
        return {parameter: state["first_moment"] for parameter, state in self.state.items()
                if "first_moment" in state}

    @property
    def second_moment(self) -> dict[Variable, np.ndarray]:
        """v of each parameter that has been updated."""
        return {parameter: state["second_moment"] for parameter, state in self.state.items()
                if "second_moment" in state}

# %% nbgrader={"grade": true, "grade_id": "test-adam", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_adam():
    a, b = leaf([1.0, -2.0, 3.0]), leaf([[0.5, -1.5]])
    arrays = a.data.data, b.data.data
    optimizer = Adam([a, b], learning_rate=0.1, beta1=0.7, beta2=0.95, epsilon=0.25, weight_decay=0.3)
    gradients = (([0.4, 0.0, -1.0], None), ([-0.2, 0.0, 0.5], [[2.0, -1.0]]),
                 ([1.0, 0.0, 0.25], [[0.5, 1.5]]), ([0.3, 0.0, -0.7], [[-1.0, 0.25]]))
    expected = (([0.926315789, -1.929411765, 3.028571429], [[0.5, -1.5]]),
                ([0.881280336, -1.85940241, 2.966134816], [[0.410416667, -1.414705882]]),
                ([0.812107335, -1.790117061, 2.893633935], [[0.341467707, -1.417047796]]),
                ([0.746490881, -1.721695195, 2.838362121], [[0.324767723, -1.412314458]]))
    for i, (given, (first, second)) in enumerate(zip(gradients, expected), start=1):
        give([a, b], given)
        optimizer.step()
        expect_close(
            f"step {i}: first parameter, betas 0.7 and 0.95, epsilon 0.25, decay 0.3",
            a,
            first,
            "decay before the moments? each beta with its moment? epsilon outside the root and after the "
            "correction?",
        )
        expect_close(f"step {i}: second parameter, whose first gradient comes at step 2", b, second,
                     "is t state['update_count'], the updates of this parameter?")
        expect_close(f"step {i}: the gradient afterwards", a.grad, given[0], "the gradient is only read")
        if i == 1:
            first_arrays = optimizer.first_moment[a], optimizer.second_moment[a]
    moments = optimizer.first_moment, optimizer.second_moment
    for array, moment in zip(first_arrays, moments):
        expect_equal("whether a moment is one array from step to step", moment[a] is array, True,
                     "change the arrays in the state in place: *=, +=")
    expect_close(
        "first moment of the first parameter",
        moments[0][a],
        [0.512090848, -0.425079946, 0.486563548],
        "m_hat is a temporary: do not divide m itself",
    )
    expect_close(
        "second moment of the first parameter",
        moments[1][a],
        [0.111992976, 0.059751904, 0.15308644],
        "v averages the squares of the gradients",
    )
    expect_close("first moment of the second parameter", moments[0][b], [[0.177638344, -0.039810772]])
    expect_close("second moment of the second parameter", moments[1][b], [[0.267314509, 0.151360842]])
    for array, parameter in zip(arrays, (a, b)):
        expect_equal(
            "whether a parameter still has its array", parameter.data.data is array, True, "update in place"
        )
        for moment in moments:
            expect_equal(
                "data type of a moment",
                moment[parameter].dtype,
                np.dtype(np.float32),
                "np.zeros_like keeps it",
            )

    for dtype, tolerance in ((np.float32, 1e-6), (np.float64, 1e-9)):
        weights = leaf([1.0, -1.0], dtype=dtype)
        array, optimizer = weights.data.data, Adam([weights], learning_rate=0.1)
        for gradient, values in (
            ([0.5, -3.0], [0.900000002, -0.9]),
            ([-0.25, 1.0], [0.873366299, -0.859978143]),
            ([2.0, 0.125], [0.806301535, -0.831590877]),
        ):
            give([weights], [gradient])
            optimizer.step()
            expect_close(
                f"the usual betas and epsilon, gradient {gradient}, {dtype.__name__}",
                weights,
                values,
                "is every moment divided by 1 - beta**t?",
                tolerance,
            )
            expect_close("the gradient afterwards", weights.grad, gradient, "the gradient is only read")
        expect_equal(
            "whether the parameter still has its array", weights.data.data is array, True, "update in place"
        )

    tiny = leaf([0.0, 0.0])
    give([tiny], [[1e-6, 0.0]])
    Adam([tiny], learning_rate=0.1).step()
    expect_close("first step for the gradients 1e-6 and 0", tiny, [-0.099009901, 0.0],
                 "epsilon belongs outside the root, after the correction")

    fast, slow = leaf([1.0, 2.0], dtype=np.float64), leaf([3.0], dtype=np.float64)
    optimizer = Adam(
        [
            {"parameters": [fast], "learning_rate": 0.2, "beta1": 0.5, "beta2": 0.8, "epsilon": 0.1},
            {"parameters": [slow], "learning_rate": 0.05, "beta2": 0.99, "epsilon": 0.5, "weight_decay": 0.1},
        ]
    )
    for given in (([1.0, -1.0], [2.0]), ([0.5, 2.0], [-1.0])):
        give([fast, slow], given)
        optimizer.step()
    expect_close(
        "two steps of a group with its own rate, betas and epsilon",
        fast,
        [0.663818419, 2.066410917],
        "use the hyper-parameters of `group`",
        tolerance=1e-8,
    )
    expect_close("two steps of another group, with weight decay", slow, [2.942570086], tolerance=1e-8)

    for layout, whole, variable in awkward_layouts():
        optimizer = Adam([variable], learning_rate=0.1)
        for _ in range(2):
            give([variable], [np.ones(variable.shape)])
            optimizer.step()
        expect_close(f"a parameter that is {layout}, two steps with gradient 1", whole, np.full(whole.shape, 0.8),
                     "change the arrays you are given; a flattened one may be a copy", tolerance=1e-5)

    paused = leaf(1.0)
    optimizer = Adam([paused], learning_rate=0.1)
    for gradient in (1.0, None, 0.0):
        give([paused], [gradient])
        optimizer.step()
    expect_close("second moment after the gradients 1, none, 0", optimizer.second_moment[paused], 0.000999,
                 "a gradient of 0 is a gradient: the moments fade; without one they wait", tolerance=1e-8)


test_adam()

# %% [markdown]
# ## 6. Schedules: smaller steps later
#
# **The problem.** A large rate crosses the landscape quickly; a small one settles precisely. With gradients
# from a few examples at a time this matters twice: they never vanish, so at a constant rate the parameters
# keep jittering around the minimum, at a distance proportional to the rate.
#
# **The idea.** Change the rate over time: a **schedule**. One **epoch** is one pass through all examples, and
# schedules usually count epochs. With the initial rate $\eta_0$ and the epoch $e = 0, 1, 2, \ldots$ of $E$:
#
# | schedule | rate in epoch $e$ | |
# |---|---|---|
# | step | $\eta_0\, \gamma^{\lfloor e / s \rfloor}$ | times $\gamma$ (gamma) after every $s$ epochs; $\lfloor\ \rfloor$ rounds down |
# | exponential | $\eta_0\, \gamma^{e}$ | a little less each epoch |
# | cosine | $\tfrac{1}{2} \eta_0 (1 + \cos(\pi e / E))$ | Loshchilov and Hutter, 2017: gentle at both ends |
# | warm-up | $\eta_0 \min(1, (e + 1) / W)$ | first $W$ epochs from small to full; often before another schedule |
#
# Each is a function of a count and nothing else. That is a virtue: a rate computed afresh from the count
# cannot drift out of step, however often you stop and resume.

# %% tags=["demo", "raises-exception"]
epochs = np.arange(60)
schedules = {
    "step, s = 20, γ = 0.3": 0.1 * 0.3 ** (epochs // 20),
    "exponential, γ = 0.95": 0.1 * 0.95**epochs,
    "cosine, E = 60": 0.1 * (1 + np.cos(np.pi * epochs / 60)) / 2,
    "warm-up, W = 10": 0.1 * np.minimum(1, (epochs + 1) / 10),
}
figure, axes = plt.subplots(figsize=(7.0, 3.5))
for (name, values), color, style in zip(schedules.items(), plotting.COLORS, plotting.LINE_STYLES):
    axes.step(epochs, values, style, where="post", color=color, label=name)
axes.set(xlim=(0, 60), ylim=(0, 0.112))
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
label_axes(axes, "epoch", "learning rate")
plotting.show(
    figure,
    "Four schedules over 60 epochs from a rate of 0.1: a staircase with two drops, an exponential decay, "
    "half a cosine wave, and a warm-up that rises for ten epochs and stays at 0.1.",
)

# %% [markdown]
# ### Two ways to count
#
# `StepLR` is the staircase. Its `step()` is called once per epoch, and here lies the most common mistake with
# schedules: *when* in the epoch?
#
# In this course you call `step()` at the **start** of an epoch. The $k$-th call opens epoch $e = k - 1$, so
# after it the rate is
#
# $$\eta = \eta_0\, \gamma^{\lfloor (k - 1) / s \rfloor}, \qquad k \ge 1,$$
#
# and $\eta_0$ before the first call. PyTorch's `StepLR` is called at the **end** of an epoch: its $k$-th call
# prepares epoch $k$, so its exponent is $\lfloor k / s \rfloor$. In their own place both give every epoch the
# same rate. Call either at the wrong end and the rate drops one epoch early or late, without any error.
#
# **By hand**, for $\eta_0 = 0.1$, $s = 3$, $\gamma = 0.1$:

# %% tags=["demo", "raises-exception"]
rows = [
    "| calls of `step()` so far, k | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |",
    "|---|---|---|---|---|---|---|---|---|",
]
ours = [0.1 * 0.1 ** ((k - 1) // 3) if k else 0.1 for k in range(8)]
pytorch = [0.1 * 0.1 ** (k // 3) for k in range(8)]
rows += ["| rate here: exponent (k − 1) // 3 | " + " | ".join(f"{rate:.3g}" for rate in ours) + " |",
         "| rate in PyTorch: exponent k // 3 | " + " | ".join(f"{rate:.3g}" for rate in pytorch) + " |",
         "| epoch that now runs, here | none | 0 | 1 | 2 | 3 | 4 | 5 | 6 |",
         "| epoch that now runs, PyTorch | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |"]
display(Markdown("\n".join(rows)))

# %% [markdown]
# Read it by epochs: epochs 0, 1, 2 run at 0.1 and epochs 3, 4, 5 at 0.01, in both.
#
# ### Exercise: a schedule
#
# *medium · about 25 minutes · about 8 lines in four places · 10 points · steplr-class*
#
# As with optimizers, a base class does the housekeeping, and a schedule is one formula. `Schedule` knows the
# initial rates and the count; `StepLR` only says what the initial rates are multiplied with in a given epoch.
# Module 10 adds cosine and warm-up in a line each.
#
# 1. `Schedule.__init__` (the argument has been checked): remember in `self.initial_lrs` the present rate of
#    every group, as a list, and in `self.step_count` that `step()` has been called 0 times. Change nothing in
#    the optimizer.
# 2. `Schedule.epoch`: the number of the epoch that is running, $k - 1$ after the $k$-th call; and 0 before
#    the first call, too.
# 3. `Schedule.step`: count the call, then set the rate of each group from **its own initial** rate (not from
#    its present one) and the factor of this epoch.
# 4. `StepLR.factor`: $\gamma^{\lfloor e / s \rfloor}$ for the epoch $e$ it is given.
#
# <details><summary>Hint 1: rounding down</summary>
#
# `//` rounds down: `7 // 3` is 2. It does so for negative numbers too: `-1 // 3` is −1. Before the first call
# that would matter.
# </details>
# <details><summary>Hint 2: two lists side by side</summary>
#
# `zip(first, second)` walks through two lists together. Here they are the optimizer's groups and their
# initial rates.
# </details>

# %% nbgrader={"grade": false, "grade_id": "steplr-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Schedule:
    """Base of schedules: sets every group's learning rate at the start of an epoch; a subclass has the formula.

    Each group's rate is its initial rate times `factor(epoch)`, computed afresh from the count of calls. A
    subclass with options keeps them in attributes called like its constructor's arguments; then `state_dict`
    finds them. One that remembers more than the count names it in `progress` and checks it in
    `check_progress`.

    Args:
        optimizer: whose rates to set; its present ones are the initial ones. The constructor changes nothing.

    Attributes:
        initial_lrs: the initial rate of every group.
        step_count: number of calls of `step`.

    Raises:
        TypeError: not an Optimizer.

    Example:
        >>> class Linear(Schedule):
        ...     def factor(self, epoch):
        ...         return 1 - epoch / 4
        >>> optimizer = SGD([Variable(1.0)], learning_rate=2.0)
        >>> schedule = Linear(optimizer)
        >>> schedule.step()
        >>> schedule.step()
        >>> optimizer.learning_rate
        1.5
    """

    progress = ("step_count",)  # the attributes that say how far the schedule has come

    def __init__(self, optimizer: Optimizer):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__} schedules an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        ### BEGIN SOLUTION
        self.initial_lrs = [group["learning_rate"] for group in optimizer.param_groups]
        self.step_count = 0
        ### END SOLUTION

    def factor(self, epoch: int) -> float:
        """What the initial rates are multiplied with in an epoch (0 is the first); of nothing else."""
        raise NotImplementedError(f"{type(self).__name__} has no rule: define factor")

    @property
    def initial_lr(self) -> float:
        """The initial rate of the first group."""
        return self.initial_lrs[0]

    @property
    def epoch(self) -> int:
        """The epoch that the last call of `step()` opened, counted from 0; 0 before the first call."""
        ### BEGIN SOLUTION
        return max(self.step_count - 1, 0)
        ### END SOLUTION

    def step(self) -> None:
        """Open the next epoch: set the rate of every group."""
        ### BEGIN SOLUTION
        self.step_count += 1
        for group, initial in zip(self.optimizer.param_groups, self.initial_lrs):
            group["learning_rate"] = initial * self.factor(self.epoch)
        ### END SOLUTION

    def get_lr(self) -> float:
        """The rate of the first group as the schedule has it; before the first `step()`, that of epoch 0."""
        return self.initial_lr * self.factor(self.epoch)

    def state_dict(self) -> dict:
        """Everything needed to continue later; the present rates are in the optimizer's `state_dict()`."""
        return copy.deepcopy({name: value for name, value in vars(self).items() if name != "optimizer"})

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue where the schedule that made `state_dict` stood; the optimizer's rates are not touched.

        Raises:
            TypeError, ValueError: it does not fit, saying what; the schedule is left as it was.
        """
        names = self.state_dict().keys()
        if not isinstance(state_dict, dict) or state_dict.keys() != names:
            got = list(state_dict) if isinstance(state_dict, dict) else type(state_dict).__name__
            raise ValueError(f"a {type(self).__name__} state dictionary holds {', '.join(names)}; got {got}")
        options = self.saved_options(state_dict)
        rates = options.pop("initial_lrs")
        groups = self.optimizer.param_groups
        if not isinstance(rates, (list, tuple)) or len(rates) != len(groups):
            raise ValueError(
                f"initial_lrs must be a list of rates, one for each of {len(groups)} groups; got {rates!r}"
            )
        rates = [self.optimizer.check_hyperparameter("learning_rate", rate) for rate in rates]
        progress = {name: self.check_progress(name, options.pop(name)) for name in self.progress}
        checked = type(self)(self.optimizer, **options)
        vars(self).update(vars(checked), initial_lrs=rates, **progress)

    def saved_options(self, state_dict: dict) -> dict:
        """A copy of a state dictionary, each option as the constructor takes it."""
        return copy.deepcopy(state_dict)

    def check_progress(self, name: str, value):
        """A saved value of one attribute of `progress`; ValueError if it is not a count."""
        if not is_count(value, 0):
            raise ValueError(f"{name} must be a count, got {value!r}")
        return int(value)


class StepLR(Schedule):
    """Schedule: multiply the learning rate by gamma after every `step_size` epochs.

    After the k-th call of `step()`, k ≥ 1, each group's rate is  initial · gamma^((k − 1) // step_size): call
    it at the *start* of every epoch. (PyTorch's StepLR, called at the end of an epoch, has the exponent k //
    step_size.)

    Args:
        optimizer: whose rates to set; its present ones are the initial ones. The constructor changes nothing.
        step_size: number of epochs between two changes, at least 1.
        gamma: the factor, positive; by default 0.1.

    Raises:
        TypeError: not an Optimizer, a step_size that is not an integer, a gamma that is not a number.
        ValueError: a step_size below 1, a gamma that is not finite and positive.

    Example:
        >>> optimizer = SGD([Variable(1.0)], learning_rate=0.5)
        >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
        >>> rates = []
        >>> for epoch in range(5):
        ...     scheduler.step()
        ...     rates.append(optimizer.learning_rate)
        >>> rates
        [0.5, 0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        super().__init__(optimizer)
        self.step_size, self.gamma = check_count("step_size", step_size), check_number("gamma", gamma)
        if self.gamma <= 0:
            raise ValueError(f"gamma must be positive, got {gamma}")

    def factor(self, epoch: int) -> float:
        """gamma^(epoch // step_size)."""
        ### BEGIN SOLUTION
        return self.gamma ** (epoch // self.step_size)
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-scheduler", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_scheduler():
    def epochs_seen(schedule):
        seen = [schedule.epoch]
        for _ in range(3):
            schedule.step()
            seen.append(schedule.epoch)
        return seen

    optimizer = SGD([leaf(1.0)], learning_rate=0.1)
    scheduler = StepLR(optimizer, step_size=3, gamma=0.1)
    expect_close(
        "the rate after the constructor", optimizer.learning_rate, 0.1, "the constructor changes nothing"
    )
    expect_equal(
        "step_count after the constructor", scheduler.step_count, 0, "the constructor does not call step()"
    )
    expect_close("initial_lr", scheduler.initial_lr, 0.1)
    expect_close(
        "get_lr() before the first step()",
        scheduler.get_lr(),
        0.1,
        "is -1 // 3 rounded down to -1 in there?",
        tolerance=1e-12,
    )
    for k, rate in enumerate((0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001), start=1):
        if k == 2:
            optimizer.learning_rate = 0.5  # changed by hand: the next call puts the schedule's rate back
        expect_equal("what step() returns", scheduler.step(), None)
        expect_close(f"the rate after call {k}, step_size 3, gamma 0.1", optimizer.learning_rate, rate,
                     "call k opens epoch k - 1: the exponent is (k - 1) // step_size", tolerance=1e-12)
        expect_close(f"get_lr() after call {k}", scheduler.get_lr(), rate, tolerance=1e-12)
        expect_equal("step_count", scheduler.step_count, k, "count each call once")
    expect_close("initial_lr after seven calls", scheduler.initial_lr, 0.1, "the initial rate never changes")

    groups = [
        {"parameters": [leaf(1.0)], "learning_rate": 0.8},
        {"parameters": [leaf(2.0)], "learning_rate": 0.2},
    ]
    optimizer = Adam(groups)
    scheduler = StepLR(optimizer, 1, 0.5)
    for k, (first, second) in enumerate(((0.8, 0.2), (0.4, 0.1), (0.2, 0.05), (0.1, 0.025)), start=1):
        if k == 3:
            optimizer.learning_rate = 0.7
        scheduler.step()
        rates = [group["learning_rate"] for group in optimizer.param_groups]
        expect_close(f"rates of two groups after call {k}, step_size 1, gamma 0.5", rates, [first, second],
                     "scale every group from its own initial rate, not from its present one", tolerance=1e-12)
    expect_close(
        "initial_lrs", scheduler.initial_lrs, [0.8, 0.2], "a list: the rate of every group, never changed"
    )
    expect_close(
        "get_lr() with two groups", scheduler.get_lr(), 0.1, "it speaks of the first group", tolerance=1e-12
    )
    fresh = StepLR(SGD([leaf(1.0)], learning_rate=0.3), 1, 0.5)
    expect_close(
        "get_lr() before the first step(), step_size 1",
        fresh.get_lr(),
        0.3,
        "the exponent there is 0",
        tolerance=1e-12,
    )
    expect_close(
        "factors of the epochs 0 to 5, step_size 2, gamma 0.5",
        [StepLR(optimizer, 2, 0.5).factor(epoch) for epoch in range(6)],
        [1, 1, 0.5, 0.5, 0.25, 0.25],
        "gamma to the power epoch // step_size",
        tolerance=1e-12,
    )
    expect_equal(
        "the epoch before and after the first calls", epochs_seen(fresh), [0, 0, 1, 2], "0, then k - 1"
    )

    class Harmonic(Schedule):
        def factor(self, epoch):
            return 1 / (1 + epoch)

    optimizer = SGD([leaf(1.0)], learning_rate=0.6)
    schedule = Harmonic(optimizer)
    for k, rate in enumerate((0.6, 0.3, 0.2), start=1):
        schedule.step()
        expect_close(f"another schedule, with factor 1 / (1 + epoch), after call {k}", optimizer.learning_rate, rate,
                     "Schedule.step knows nothing of StepLR: ask self.factor", tolerance=1e-12)


test_scheduler()

# %% [markdown]
# ## 7. All of it together: a training loop
#
# Everything is there for a complete training. The model is a line, $\hat y = w x + b$, and the loss of one
# example is the squared error,
#
# $$L = (w x + b - y)^2 .$$
#
# Five examples of $y = 2x + 1$ are shown one at a time, so each step sees one example only: *stochastic*
# gradient descent. One pass of the loop that you will write for every network from now on:
#
# 1. at the start of an epoch: `schedule.step()`;
# 2. for each example: compute the **prediction** and the **loss**;
# 3. `optimizer.zero_grad()`: forget the old gradients;
# 4. `loss.backward()`: compute the new ones;
# 5. `optimizer.step()`: move.
#
# **By hand**, the first step: $w = 0.1$, $b = 0$, example $(1, 3)$. The prediction is 0.1, the error $0.1 - 3
# = -2.9$, the loss 8.41. The gradients are $2 \cdot (-2.9) \cdot 1 = -5.8$ for $w$ and $-5.8$ for $b$. SGD
# with rate 0.01 moves both by 0.058: $w = 0.158$, $b = 0.058$.

# %% tags=["demo", "raises-exception"]
w, b = Variable(0.1), Variable(0.0)
error = subtract(add(multiply(w, 1.0), b), 3.0)
loss = multiply(error, error)
loss.backward()
print(f"loss {loss.data.item():.2f}, gradients {w.grad.data.item():.2f} and {b.grad.data.item():.2f}")
gradient_descent_step(w, 0.01)
gradient_descent_step(b, 0.01)
print(f"after one step: w = {w.data.item():.3f}, b = {b.data.item():.3f}")

# %% [markdown]
# ### Exercise: training
#
# *hard · about 30 minutes · about 14 lines in two places · 15 points · training-integration*
#
# 1. `fit_line`: the loop above, for `epochs` epochs over the pairs of `x_data` and `y_data` in order.
#    `schedule.step()` opens each epoch. Use `add`, `multiply` and `subtract` of the package; plain numbers
#    are welcome as their operands.
# 2. `train_simple_model`: fit the line twice, each time from $w = 0.1$, $b = 0$, with a new optimizer and a
#    new schedule of its own: first `SGD` with rate 0.01 and momentum 0.9, then `Adam` with rate 0.1. Each
#    schedule is made as `scheduler(optimizer, step_size=30, gamma=0.5)`. Return the four numbers `(sgd_w,
#    sgd_b, adam_w, adam_b)`.
#
# <details><summary>Hint 1: from Variable to number</summary>
#
# `w.data.item()` is the Python number in a scalar `Variable`.
# </details>
# <details><summary>Hint 2: the order</summary>
#
# `zero_grad` may stand anywhere between one `step` and the next `backward`. Between `backward` and `step` it
# throws the new gradients away: `step` finds none, and nothing moves.
# </details>

# %% nbgrader={"grade": false, "grade_id": "training-integration", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def fit_line(w: Variable, b: Variable, optimizer: Optimizer, schedule, x_data, y_data, epochs: int) -> None:
    """Train y = w·x + b on the squared error, one example at a time; w and b are changed.

    Args:
        w: the slope, a scalar.
        b: the intercept, a scalar.
        optimizer: holds w and b.
        schedule: its `step()` is called at the start of every epoch.
        x_data: list of numbers.
        y_data: as many numbers.
        epochs: passes through the data.

    Example:
        >>> w, b = Variable(0.0), Variable(0.0)
        >>> optimizer = SGD([w, b], learning_rate=0.1)
        >>> fit_line(w, b, optimizer, StepLR(optimizer, step_size=50), [0.0, 1.0], [1.0, 3.0], epochs=100)
        >>> round(w.data.item(), 1), round(b.data.item(), 1)
        (2.0, 1.0)
    """
    ### BEGIN SOLUTION
    for _ in range(epochs):
        schedule.step()
        for x, y in zip(x_data, y_data):
            prediction = add(multiply(w, x), b)
            error = subtract(prediction, y)
            loss = multiply(error, error)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    ### END SOLUTION


def train_simple_model(
    x_data=None, y_data=None, epochs: int = 60, scheduler=StepLR
) -> tuple[float, float, float, float]:
    """A complete training: fit a line with SGD and with Adam, each under a schedule.

    Both fits start at w = 0.1, b = 0 and see one example at a time: SGD with rate 0.01 and momentum 0.9, Adam
    with rate 0.1.

    Args:
        x_data: numbers; by default 1, 2, 3, 4, 5.
        y_data: as many numbers; by default 2·x + 1.
        epochs: passes through the data, at least 0.
        scheduler: called as `scheduler(optimizer, step_size=30, gamma=0.5)`, once for each optimizer;
            `step()` of what it returns opens every epoch.

    Returns:
        `(sgd_w, sgd_b, adam_w, adam_b)`, Python floats.

    Raises:
        TypeError: epochs is not an integer, or the data hold something that is not a number.
        ValueError: only one of x_data and y_data is given, they differ in length or are empty, or epochs is
            negative.

    Example:
        >>> sgd_w, sgd_b, adam_w, adam_b = train_simple_model()
        >>> round(sgd_w, 2), round(sgd_b, 2)
        (2.0, 1.0)
    """
    if (x_data is None) != (y_data is None):
        raise ValueError("give both x_data and y_data, or neither")
    x_data = [float(x) for x in ((1, 2, 3, 4, 5) if x_data is None else x_data)]
    y_data = [2 * x + 1 for x in x_data] if y_data is None else [float(y) for y in y_data]
    if len(x_data) != len(y_data) or not x_data:
        counts = f"{len(x_data)} and {len(y_data)}"
        raise ValueError(f"x_data and y_data need as many numbers each, at least one; got {counts}")
    epochs = check_count("epochs", epochs, smallest=0)
    ### BEGIN SOLUTION
    sgd_w, sgd_b, adam_w, adam_b = Variable(0.1), Variable(0.0), Variable(0.1), Variable(0.0)
    sgd = SGD([sgd_w, sgd_b], learning_rate=0.01, momentum=0.9)
    fit_line(sgd_w, sgd_b, sgd, scheduler(sgd, step_size=30, gamma=0.5), x_data, y_data, epochs)
    adam = Adam([adam_w, adam_b], learning_rate=0.1)
    fit_line(adam_w, adam_b, adam, scheduler(adam, step_size=30, gamma=0.5), x_data, y_data, epochs)
    return tuple(parameter.data.item() for parameter in (sgd_w, sgd_b, adam_w, adam_b))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-training-integration", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_training_integration():
    x, y = [-1.0, 2.0, 0.5], [2.0, -4.0, 0.0]
    likely = {0: "both fits start at w = 0.1, b = 0", 1: "does the loop use the data it is given, in order?",
              2: "is zero_grad called before every backward?", 40: "are the rates halved from epoch 30 on?"}
    expected = {0: (0.1, 0.0, 0.1, 0.0), 1: (-0.3290638, -0.0426556, -0.1573499, 0.0364201),
                2: (-1.0834192, -0.1455465, -0.3702893, -0.0220344),
                40: (-2.0039827, 0.3310806, -2.0054089, 0.3370404)}
    for epochs, cause in likely.items():
        result = train_simple_model(x, y, epochs=epochs)
        expect_equal(
            "types in the result",
            (type(result), *map(type, result)),
            (tuple, float, float, float, float),
            "take the Python numbers out of the Variables: w.data.item()",
        )
        expect_close(f"(sgd_w, sgd_b, adam_w, adam_b) on three other examples after {epochs} epochs", result,
                     expected[epochs], cause, tolerance=2e-5)

    sgd_w, sgd_b, adam_w, adam_b = train_simple_model()
    expect_close(
        "SGD on y = 2x + 1 after 60 epochs",
        [sgd_w, sgd_b],
        [2.0, 1.0],
        "rate 0.01, momentum 0.9, zero_grad before each backward, one example at a time?",
        tolerance=0.01,
    )
    expect_close(
        "Adam on y = 2x + 1 after 60 epochs",
        [adam_w, adam_b],
        [2.0, 1.0],
        "is Adam's rate 0.1?",
        tolerance=0.15,
    )
    expect_close("Adam on y = 2x + 1 after 60 epochs, exactly", [adam_w, adam_b], [1.9647307, 1.1236563],
                 "does the rate fall to half after 30 epochs?", tolerance=1e-3)

    made = []

    class Recorder:
        """A schedule that notes how it is made and how far its optimizer is at each call."""

        def __init__(self, optimizer, **options):
            self.optimizer, self.options, self.steps_done = optimizer, options, []
            made.append(self)

        def step(self):
            self.steps_done.append(self.optimizer.step_count)
            self.optimizer.learning_rate = 0.0 if len(self.steps_done) == 2 else 0.05

    result = train_simple_model(x, y, epochs=3, scheduler=Recorder)
    expect_equal("schedules made", len(made), 2, "one for each optimizer")
    expect_equal(
        "what they schedule",
        [type(recorder.optimizer) for recorder in made],
        [SGD, Adam],
        "first SGD, then Adam",
    )
    for recorder in made:
        expect_equal("options of a schedule", recorder.options, {"step_size": 30, "gamma": 0.5})
        expect_equal(
            "optimizer steps done at each call of schedule.step(), three examples",
            recorder.steps_done,
            [0, 3, 6],
            "call it once, at the start of every epoch",
        )
    unscheduled = train_simple_model(x, y, epochs=3)
    expect_equal(
        "whether the schedule makes a difference",
        result != unscheduled,
        True,
        "use the schedule you are given",
    )


test_training_integration()

# %% [markdown]
# **Use it.** SGD lands on $(2, 1)$; Adam is close, but not there. Why? Adam's steps have a length of about
# $\eta$ *whatever the gradient*, and they shrink only slowly as the gradient does.
#
# **Predict first.** How does Adam do with the rate 0.01 instead of 0.1? (In 300 steps of at most about 0.01
# each, half of them halved by the schedule, how far can it get?)

# %% tags=["demo", "raises-exception"]
print("SGD and Adam, 60 epochs:", [round(value, 3) for value in train_simple_model()])
w, b = Variable(0.1), Variable(0.0)
timid = Adam([w, b], learning_rate=0.01)
fit_line(w, b, timid, StepLR(timid, step_size=30, gamma=0.5), [1, 2, 3, 4, 5], [3, 5, 7, 9, 11], 60)
print(f"Adam with rate 0.01:     w = {w.data.item():.2f}, b = {b.data.item():.2f}")

# %% [markdown]
# It stops at about (1.42, 1.50): a rate that is too small for Adam does not make learning precise, it makes
# it impossible. The rate says how far you can get, so give it the size of the way to go divided by the number
# of steps you have, and let a schedule do the rest.

# %% [markdown]
# ## 8. Analyze: four ways down
#
# One surface, four rules, 40 steps each from the same place. To make it honest, SGD, momentum and Adam get
# the *noisy* gradients that training with a few examples at a time gives; plain gradient descent gets the
# exact one.

# %%
def noisy_walk(make_optimizer, steps, noise, seed=8) -> np.ndarray:
    """As `walk`, on the ravine, with normally distributed noise added to each gradient."""
    draw = np.random.default_rng(seed)
    point = Variable(np.array(START))
    optimizer = make_optimizer([point])
    path = [point.data.tolist()]
    for _ in range(steps):
        optimizer.zero_grad()
        ravine(point[0], point[1]).backward()
        give([point], [point.grad.data.data + noise * draw.normal(size=2)])
        optimizer.step()
        path.append(point.data.tolist())
    return np.array(path)

# %% tags=["demo", "raises-exception", "readme-figure"]
paths = {
    "gradient descent": walk(lambda p: SGD(p, learning_rate=0.45), 40),
    "SGD": noisy_walk(lambda p: SGD(p, learning_rate=0.15), 40, noise=1.0),
    "momentum": noisy_walk(lambda p: SGD(p, learning_rate=0.08, momentum=0.85), 40, noise=1.0),
    "Adam": noisy_walk(lambda p: Adam(p, learning_rate=0.5), 40, noise=1.0),
}
looks = {
    "gradient descent": (plotting.BLACK, "--", (-6.95, 1.75)),
    "SGD": (plotting.BLUE, "-", (-2.95, -0.7)),
    "momentum": (plotting.GREEN, "-", (2.15, -0.95)),
    "Adam": (plotting.VERMILLION, "-", (-4.1, 0.95)),
}
figure, axes = plt.subplots(figsize=(9.0, 4.4))
x, y = np.meshgrid(np.linspace(-9, 4, 300), np.linspace(-2.3, 2.3, 200))
axes.contourf(x, y, np.sqrt(ravine(x, y)), levels=14, cmap="Greys_r", alpha=0.30)
for name, (color, style, place) in looks.items():
    plotting.draw_path(axes, paths[name], name, color, style)
    axes.text(*place, name, color=color, fontsize=12, fontweight="bold")
axes.plot(0, 0, "*", color=plotting.BLACK, markersize=15, markeredgecolor="white", zorder=4)
label_axes(axes, title="Forty steps from the same start: four ways to turn a gradient into a step")
plotting.show(
    figure,
    "Contour map of a long valley with four paths of 40 steps from the same start. Gradient descent zigzags"
    " between the walls; SGD wanders along the floor and is still short of the minimum; momentum sweeps in "
    "wide curves past the minimum and back; Adam heads for it in a smooth arc.",
)

# %% [markdown]
# Read the picture as four answers to one question, how to turn a gradient into a step:
#
# - **Gradient descent** takes each gradient at its word: it zigzags between the walls and crawls along the
#   floor.
# - **SGD** does the same with noisy gradients. It needs a smaller rate, because a rate near the limit would
#   amplify the noise, so it wanders down to the floor and then crawls. Each of its steps is much cheaper,
#   though: a few examples instead of all.
# - **Momentum** turns the many small agreeing pushes along the floor into speed, overshoots, and swings back.
# - **Adam** divides by the usual size of each gradient, so the steep and the flat direction look alike to it:
#   it heads diagonally across the contour lines.
#
# **Loss curves.** The paths show two parameters; with millions of them one looks at the loss. Here is the fit
# of section 7, epoch by epoch.

# %% tags=["demo", "raises-exception"]
def line_losses(make_optimizer, epochs=60):
    """Mean squared error of the line after each epoch."""
    x, y = np.arange(1.0, 6.0), 2 * np.arange(1.0, 6.0) + 1
    w, b = Variable(0.1), Variable(0.0)
    optimizer = make_optimizer([w, b])
    schedule = StepLR(optimizer, step_size=30, gamma=0.5)
    losses = []
    for _ in range(epochs):
        fit_line(w, b, optimizer, schedule, x, y, 1)
        losses.append(float(np.mean((w.data.item() * x + b.data.item() - y) ** 2)))
    return losses


curves = {"SGD, rate 0.01": line_losses(lambda p: SGD(p, 0.01)),
          "SGD, rate 0.01, momentum 0.9": line_losses(lambda p: SGD(p, 0.01, momentum=0.9)),
          "Adam, rate 0.1": line_losses(lambda p: Adam(p, 0.1)),
          "Adam, rate 0.01": line_losses(lambda p: Adam(p, 0.01))}
figure, axes = plt.subplots(figsize=(7.6, 3.6))
for (name, losses), color, style in zip(curves.items(), plotting.COLORS, plotting.LINE_STYLES):
    axes.semilogy(range(1, 61), losses, style, color=color, label=name)
axes.axvline(30.5, color=plotting.GRAY, linewidth=0.8)
axes.text(31, axes.get_ylim()[1], "rate halved", va="top", color=plotting.BLACK)
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
label_axes(axes, "epoch", "mean squared error")
plotting.show(
    figure,
    "Mean squared error over 60 epochs on a logarithmic axis. Plain SGD drops at once and then crawls; SGD "
    "with momentum swings at first and then falls far below all others; Adam at 0.1 ends slightly below "
    "plain SGD; Adam at 0.01 hardly gets anywhere.",
)

# %% [markdown]
# The fit is a ravine too: plain SGD is at its floor after four epochs and crawls from there, momentum swings
# and then races along it. Adam earns its keep where gradients differ by orders of magnitude, which two
# parameters cannot show. No optimizer is best everywhere. Compare them on *your* problem, each with a rate
# tuned for it; a comparison at one rate for all compares rates.
#
# **What it costs.** Every parameter also needs room for its gradient and its state. Let us measure, on a
# million float32 parameters:

# %% tags=["demo", "raises-exception"]
class InOnePiece(Adam):
    slice_size = 10**12


def cost_of(make_optimizer, size=1_000_000, repeats=15):
    """Megabytes of parameters, gradients and state, and the median time of a step in milliseconds."""
    weights = leaf(np.ones(size), np.full(size, 0.5))
    optimizer = make_optimizer([weights])
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        optimizer.step()
        times.append(1000 * (time.perf_counter() - begin))
    state = [value for value in optimizer.state[weights].values() if isinstance(value, np.ndarray)]
    arrays = [weights.data.data], [weights.grad.data.data], state
    return [sum(array.nbytes for array in kind) / 1e6 for kind in arrays], float(np.median(times))


rows = ["| | parameters | gradients | state | together | time of a step |", "|---|---|---|---|---|---|"]
for name, make in (
    ("SGD", lambda p: SGD(p)),
    ("SGD, momentum", lambda p: SGD(p, momentum=0.9)),
    ("Adam", lambda p: Adam(p)),
    ("Adam, not in slices", lambda p: InOnePiece(p)),
):
    megabytes, milliseconds = cost_of(make)
    cells = [f"{value:.0f} MB" for value in (*megabytes, sum(megabytes))]
    rows.append(f"| {name} | {' | '.join(cells)} | {milliseconds:.2f} ms |")
display(Markdown("\n".join(rows)))

# %% [markdown]
# Two, three and four times the parameters: do not forget the gradients, as many tables do. For a model of a
# billion parameters in float32 that is 8, 12 and 16 GB, before a single example is loaded. The last line is the
# same rule without the slices of section 3: the same arithmetic, with temporary arrays that no longer fit the cache.
#
# **Is my learning rate sensible?** A measure that works for any network: how large is an update compared with
# the parameter it changes? Let us watch $\log_{10}(|\Delta p| / |p|)$ (lengths of whole arrays) for the first
# layer of a small network that learns a sine. Rules of thumb put it near −3: each update changes a weight by
# about a thousandth.

# %% tags=["demo", "raises-exception"]
def update_ratios(rate, steps=300):
    """log10 of |update| / |parameter| of the first weights of a network at each step; the last loss."""
    draw = np.random.default_rng(0)
    x = np.linspace(-3, 3, 64, dtype=np.float32)[:, None]
    y = np.sin(x)
    w1, b1 = leaf(draw.normal(size=(1, 16))), leaf(draw.normal(size=16))
    w2, b2 = leaf(0.25 * draw.normal(size=(16, 1))), leaf(np.zeros(1))
    optimizer = Adam([w1, b1, w2, b2], learning_rate=rate)
    ratios = []
    for _ in range(steps):
        hidden = maximum(Tensor(x) @ w1 + b1, 0.0)
        error = hidden @ w2 + b2 - Tensor(y)
        loss = (error * error).mean()
        optimizer.zero_grad()
        loss.backward()
        before = w1.data.data.copy()
        optimizer.step()
        ratio = np.linalg.norm(w1.data.data - before) / np.linalg.norm(before)
        ratios.append(np.log10(max(ratio, 1e-8)))  # 0, no movement at all, has no logarithm
    return ratios, loss.data.item()


runs = {rate: update_ratios(rate) for rate in (1e-5, 1e-2, 2.0)}
figure, axes = plt.subplots(figsize=(7.6, 3.5))
axes.axhline(-3, color=plotting.GRAY, linewidth=0.8)
for (rate, (ratios, loss)), color, style in zip(runs.items(), plotting.COLORS, plotting.LINE_STYLES):
    axes.plot(ratios, style, color=color, label=f"rate {rate:g}: last loss {loss:.3f}")
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
label_axes(axes, "step", "log₁₀ of |update| / |parameter|")
plotting.show(
    figure,
    "Logarithm of update size over parameter size for three learning rates of Adam. At 0.00001 it stays at "
    "-5 and the loss stays large; at 0.01 it goes from -2 to below -3 and the loss becomes small; at 2 it "
    "begins above 0 and falls to -8, no movement at all, at a large loss.",
)

# %% [markdown]
# A number near 0 means that each step replaces the weights; near −5, that nothing will happen for a very long
# time. The third run has a story: its first updates are larger than the weights themselves and push all
# hidden units to the flat side of $\max(z, 0)$. From there every gradient is 0, so the updates die away, and
# the loss stays where it is. "The updates became tiny" can mean that training has converged or that it is
# dead; the loss beside it tells which. When a training does not work, look here first: it costs two lines.
#
# ## 9. Bug hunt: who checks the optimizer?
#
# You have trusted the tests of this chapter. Now you write one. A function `make_optimizer(parameters,
# **hyperparameters)` builds *something* that claims to be Adam. Is it?
#
# This is harder than it sounds, since most wrong Adams train well enough that nobody notices. One real
# example: an optimizer that counts $t$ for all parameters together passes every test in which all gradients
# arrive from the start. And remember section 5: the first step is $\eta \cdot \text{sign}(g)$ *whatever the
# betas are*, so a check of one step is no check.
#
# **Predict first.** Which of these mistakes would a check with one parameter, constant gradient 1, the usual
# hyper-parameters and ten steps notice: betas swapped? epsilon a thousand times too large? weight decay
# ignored? Run it and see.

# %% tags=["demo", "raises-exception"]
def after_ten_steps(**settings):
    return round(adam_path(2.0, [1.0] * 10, 0.1, **settings)[-1], 6)


print("right Adam         ", after_ten_steps())
print("betas swapped      ", after_ten_steps(beta1=0.999, beta2=0.9))
print("epsilon times 1000 ", after_ten_steps(epsilon=1e-5))
print("decay ignored      ", after_ten_steps(weight_decay=0.0), "(the check asks for none, so none is missing)")

# %% [markdown]
# None of them, to four digits: the corrected averages of a constant are that constant. So a good check needs
#
# - **several steps**, with gradients that **vary** in size and sign;
# - **several parameters**, two of one shape so that a mix-up can happen, and one whose **first gradient comes
#   late**;
# - a coordinate whose gradient is **always 0**;
# - **betas that differ** from the usual values and from each other, an **epsilon large enough** to be felt,
#   and **weight decay** switched on;
# - a look at what must **not** change: the gradients;
# - expected numbers from **elsewhere**: `adam_path`, which you wrote from the equations and which shares no
#   line with the class.
#
# ### Exercise: the bug hunt
#
# *hard · about 40 minutes · about 12 lines · 12 points · bug-hunt*
#
# Complete `follows_adam`: make parameters, let `make_optimizer(parameters, **settings)` build the suspect,
# feed it gradients, and return `True` if every parameter ends (or better: always is) where Adam would be and
# no gradient was touched, `False` otherwise. The settings are given, and the tests call the check with others
# too. Work in float64, so that rounding stays far below any bug.
#
# Your check will meet right optimizers, which it must let pass, and suspects: your own Adam with something
# tampered with from outside. A check that always says `False`, or always `True`, earns nothing.
#
# <details><summary>Hint 1: many numbers, few lines</summary>
#
# `np.random.default_rng(0).normal(size=(6, 2, 3))` gives six steps of gradients for two parameters of three
# elements. Set a column to 0.
# </details>
# <details><summary>Hint 2: a late parameter</summary>
#
# Its gradient is `None` in the first steps. Its path is that of the remaining gradients: `adam_path(start,
# gradients[2:], **settings)`.
# </details>
# <details><summary>Hint 3: was the gradient touched?</summary>
#
# Keep the numbers in an array of your own, give the parameter a `Variable` made from it (`Variable(array)`
# copies), and compare after `step()`.
# </details>

# %% nbgrader={"grade": false, "grade_id": "bug-hunt", "locked": false, "schema_version": 3, "solution": true, "task": false}
def follows_adam(
    make_optimizer, learning_rate=0.1, beta1=0.6, beta2=0.9, epsilon=0.1, weight_decay=0.3
) -> bool:
    """Whether what `make_optimizer(parameters, **settings)` builds moves parameters as Adam does."""
    settings = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon,
                "weight_decay": weight_decay}
    ### BEGIN SOLUTION
    draw = np.random.default_rng(0)
    starts, gradients = draw.normal(size=(2, 3)), draw.normal(size=(6, 2, 3))
    gradients[:, :, 0] = 0.0
    parameters = early, late = [Variable(start) for start in starts]
    optimizer = make_optimizer(parameters, **settings)
    for step, pair in enumerate(gradients):
        given = parameters if step >= 2 else [early]
        give(given, pair)
        optimizer.step()
        if not all(np.array_equal(parameter.grad.data.data, g) for parameter, g in zip(given, pair)):
            return False
    seen = gradients[:, 0], gradients[2:, 1]
    expected = [adam_path(start, g, **settings)[-1] for start, g in zip(starts, seen)]
    return np.allclose([early.data.data, late.data.data], expected)
    ### END SOLUTION

# %% [markdown]
# The next cell is the laboratory: it builds right optimizers and suspects from *your* `Adam`, only by
# what anybody can do from outside. `tampered(before, after)` runs a function before and after every step of
# an Adam. Reading it will tell you what is done to the suspects; what you must work out is how it shows.

# %% nbgrader={"grade": false, "grade_id": "hunt-laboratory", "locked": true, "schema_version": 3, "solution": false, "task": false}
def tampered(before=None, after=None, **changes):
    """A maker of Adams with changed settings (functions of the asked ones) and a hand in every step."""
    usual = {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}

    def make(parameters, **settings):
        changed = {name: change({**usual, **settings}) for name, change in changes.items()}
        optimizer = Adam(parameters, **{**settings, **changed})
        honest_step = optimizer.step

        def step(closure=None):
            if before:
                before(optimizer)
            loss = honest_step(closure)
            if after:
                after(optimizer)
            return loss

        optimizer.step = step
        return optimizer

    return make


class SmallSlices(Adam):
    """The same Adam, handed every parameter in slices of two elements."""

    slice_size = 2


def right_optimizers():
    """Makers of optimizers that are right, by name."""
    return {"your Adam": Adam,
            "your Adam, parameters as a group": lambda p, **s: Adam([{"parameters": p, **s}]),
            "your Adam, from a generator": lambda p, **s: Adam((parameter for parameter in p), **s),
            "your Adam, in slices": SmallSlices, "your Adam, watched": tampered(after=lambda optimizer: None)}


def hunt(check, suspects):
    """Fail unless the check passes all right optimizers, under various settings, and catches all suspects."""

    def verdict(make, **settings):
        answer = check(make, **settings)
        return bool(answer) if isinstance(answer, np.bool_) else answer

    various = (
        {},
        {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
        {"learning_rate": 0.5, "beta1": 0.0, "beta2": 0.5, "epsilon": 1.0, "weight_decay": 0.01},
    )
    for name, make in right_optimizers().items():
        for settings in various:
            expect_equal(
                f"the check of a right one ({name}; settings {settings or 'as given'})",
                verdict(make, **settings),
                True,
                "an innocent is accused: compute what is expected from the settings; is test-adam green?",
            )
    for name, make in suspects.items():
        expect_equal(
            f"the check of a suspect: {name}",
            verdict(make),
            False,
            "it got away: what would make this one visible?",
        )

# %% nbgrader={"grade": true, "grade_id": "test-hunt-settings", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_settings():
    hunt(follows_adam, {
        "the betas are swapped": tampered(beta1=lambda s: s["beta2"], beta2=lambda s: s["beta1"]),
        "beta1 is also used as beta2": tampered(beta2=lambda s: s["beta1"]),
        "epsilon is a thousand times too large": tampered(epsilon=lambda s: 1000 * s["epsilon"]),
        "epsilon is ignored": tampered(epsilon=lambda s: 1e-8),
        "the learning rate is ignored": tampered(learning_rate=lambda s: 0.001),
        "the learning rate falls after each step":
            tampered(after=lambda o: setattr(o, "learning_rate", 0.99 * o.learning_rate)),
    })


test_hunt_settings()

# %% nbgrader={"grade": true, "grade_id": "test-hunt-decay", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_decay():
    def negate(optimizer):
        optimizer.param_groups[0]["weight_decay"] = -0.3

    def shrink(optimizer):
        for parameter in optimizer.parameters:
            if parameter.grad is not None:
                parameter.data.data[...] *= 1 - 0.1 * 0.3

    def spare_idle_coordinates(optimizer):
        for parameter, old in zip(optimizer.parameters, optimizer.before):
            if parameter.grad is not None:
                still = parameter.grad.data.data == 0
                parameter.data.data[still] = old[still]

    def note(optimizer):
        optimizer.before = [parameter.data.data.copy() for parameter in optimizer.parameters]

    hunt(follows_adam, {
        "weight decay is ignored": tampered(weight_decay=lambda s: 0.0),
        "weight decay has the wrong sign": tampered(before=negate),
        "weight decay is twice as strong": tampered(weight_decay=lambda s: 2 * s["weight_decay"]),
        "weight decay shrinks the parameter instead of entering the gradient":
            tampered(before=shrink, weight_decay=lambda s: 0.0),
        "coordinates with gradient 0 do not move": tampered(before=note, after=spare_idle_coordinates),
    })


test_hunt_decay()

# %% nbgrader={"grade": true, "grade_id": "test-hunt-state", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_state():
    def forget(optimizer):
        optimizer.state.clear()

    def share(optimizer):
        first_of = {}
        for state in optimizer.state.values():
            first = first_of.setdefault(state["first_moment"].shape, state)
            state.update({name: first[name] for name in ("first_moment", "second_moment")})

    def count(number):
        def set_count(optimizer):
            for state in optimizer.state.values():
                state["update_count"] = number(optimizer)
        return set_count

    hunt(follows_adam, {
        "all state is lost after each step": tampered(after=forget),
        "parameters of one shape share their moments": tampered(after=share),
        "one count for all parameters": tampered(after=count(lambda o: o.step_count)),
        "the correction is left out": tampered(after=count(lambda o: 10**6)),
        "the correction stays that of the second update": tampered(after=count(lambda o: 1)),
    })


test_hunt_state()

# %% nbgrader={"grade": true, "grade_id": "test-hunt-interference", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_hunt_interference():
    def scale(factor, only=None):
        def scale_gradients(optimizer):
            gradients = [parameter.grad for parameter in optimizer.parameters if parameter.grad is not None]
            if only is not None:  # one of several
                gradients = [gradients[only]] if len(gradients) > 1 else []
            for gradient in gradients:
                gradient.data.data[...] *= factor
        return scale_gradients

    def only_first(optimizer):
        for parameter in optimizer.parameters[1:]:
            parameter.grad = None

    def wanted_later(optimizer):
        optimizer.hidden = [parameter.grad for parameter in optimizer.parameters[1:]]
        only_first(optimizer)

    def put_back(optimizer):
        for parameter, gradient in zip(optimizer.parameters[1:], optimizer.hidden):
            parameter.grad = gradient

    def nudge_idle(optimizer):
        for parameter in optimizer.parameters:
            if parameter.grad is None:
                parameter.data.data[...] *= 0.97

    hunt(follows_adam, {
        "the gradient is doubled in place before the step": tampered(before=scale(2.0)),
        "gradients are used up: halved in place after the step": tampered(after=scale(0.5)),
        "the first gradient is used up": tampered(after=scale(0.5, only=0)),
        "the last gradient is used up": tampered(after=scale(0.5, only=-1)),
        "every step is taken twice": tampered(after=lambda o: Adam.step(o)),
        "nothing ever moves": tampered(learning_rate=lambda s: 0.0),
        "only the first parameter moves": tampered(before=wanted_later, after=put_back),
        "a parameter without a gradient is moved too": tampered(after=nudge_idle),
    })


test_hunt_interference()

# %% [markdown]
# A check like yours is worth keeping: it is the difference between "the loss goes down"
# and "this is Adam".
#
# ## Reflect
#
# Try to answer before you unfold.
#
# <details><summary>1. Doubling all values of a loss doubles every gradient. What does that do to the paths of SGD and of Adam?</summary>
#
# SGD takes steps twice as long, as if the rate had been doubled. Adam divides by the root of the average
# square, which doubles too; its path stays the same, but for $\epsilon$.
# </details>
# <details><summary>2. Why does momentum with rate η behave, on a long straight slope, like gradient descent with rate η/(1 − μ)?</summary>
#
# The velocity approaches $g / (1 - \mu)$ under a constant gradient (section 4), and the step is $\eta$ times
# that. Someone who changes $\mu$ from 0.9 to 0.99 and keeps $\eta$ has made the rate ten times as large.
# </details>
# <details><summary>3. A weight's gradient is 0 for ever, because its input is always 0. With L2 weight decay, what do SGD and Adam do to it?</summary>
#
# SGD shrinks it by the factor $1 - \eta\lambda$ per step. For Adam the gradient is $\lambda p$ alone, and
# dividing by its own size leaves a full step of about $\eta$, however small $\lambda$ is: the weight walks to
# 0 at full speed. This is why module 10 builds AdamW (Loshchilov and Hutter, 2019), which takes the decay out
# of the moments.
# </details>
# <details><summary>4. You resume a training from saved parameters, but with a new Adam. What happens in the first steps?</summary>
#
# The moments start at 0 and $t$ at 1, so the first steps have the full length $\eta$ in the direction of a
# single gradient's signs. If the rate was large, this throws the parameters back: save `state_dict()` too.
# </details>
# <details><summary>5. Gradients come from few examples at a time. Why does a constant rate never settle, and what does a schedule change?</summary>
#
# At the minimum the average gradient is 0, but each single one is not, so every step moves the parameter by
# $\eta$ times the noise. The jitter shrinks only with $\eta$; a falling schedule brings it down (Robbins and
# Monro, 1951).
# </details>

# %% tags=["demo", "raises-exception"]
print("question 3: one weight at 1, gradient 0, rate 0.1, weight decay 0.1, two steps")
for name, make in (
    ("SGD ", lambda p: SGD(p, 0.1, weight_decay=0.1)),
    ("Adam", lambda p: Adam(p, 0.1, weight_decay=0.1)),
):
    weight = leaf(1.0)
    optimizer = make([weight])
    values = []
    for _ in range(2):
        give([weight], [0.0])
        optimizer.step()
        values.append(round(weight.data.item(), 4))
    print(name, values)

# %% [markdown]
# ## What you built
#
# | | rule | in one line |
# |---|---|---|
# | `gradient_descent_step` | $p \leftarrow p - \eta g$ | downhill, at one rate for everything |
# | weight decay (L2) | $g \leftarrow g + \lambda p$ | a pull towards zero |
# | `SGD` | $v \leftarrow \mu v + g,\quad p \leftarrow p - \eta v$ | pushes that agree gather speed |
# | `Adam` | $m, v$ averages of $g, g^2$; $\quad p \leftarrow p - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)$ | each element has a step of its own |
# | `StepLR` | $\eta = \eta_0 \gamma^{\lfloor (k-1)/s \rfloor}$ | smaller steps later |
#
# **In PyTorch** the same things are called
#
# | here | PyTorch | differences |
# |---|---|---|
# | `SGD(p, learning_rate, momentum, weight_decay)` | `torch.optim.SGD(p, lr, momentum, weight_decay)` | there also `dampening`, `nesterov`; the same numbers otherwise |
# | `Adam(p, learning_rate, beta1, beta2, epsilon, weight_decay)` | `torch.optim.Adam(p, lr, betas=(β₁, β₂), eps, weight_decay)` | the same numbers |
# | `Adam(…, weight_decay=λ)` | not `torch.optim.AdamW` | AdamW shrinks the parameter instead: module 10 |
# | `StepLR(optimizer, step_size, gamma)` | `torch.optim.lr_scheduler.StepLR` | here `step()` at the start of an epoch, there at the end (section 6); there the constructor takes a step itself |
# | `param_groups`: key `"parameters"` | key `"params"` | |
# | `optimizer.zero_grad()` | `optimizer.zero_grad()` | both set `grad` to `None` |
#
# **Where it is.** The exported cells of this notebook are `tinytorch/core/optimizers.py`; from now on write
# `from tinytorch.core.optimizers import SGD, Adam, StepLR`. The file is generated: change this notebook, then
# export it again, in a terminal: `tinytorch export --notebook optimizers_dev.ipynb`.
#
# **What comes next.** Module 09 trains networks on handwritten digits with these optimizers. Module 10 adds
# rules that fit into the same two methods, `init_state` and `step_param`: RMSprop, AdaGrad, AdamW, warm-up
# and cosine, and compares them fairly.
