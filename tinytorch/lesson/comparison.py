"""Fair comparisons, the pictures: loss curves at four learning rates, paths over a surface, paths that move.

Every function returns its figure and leaves the rest to the caller: show it, save it, or throw it away.
Nothing is written to disk. Needs matplotlib (the extra `plot`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from tinytorch.lesson import plotting  # before matplotlib: it says what to do where that is missing
from tinytorch.lesson.problems import REGRESSION, Problem, Surface
from tinytorch.lesson.tuning import Maker, follow

from matplotlib import rc_context
from matplotlib.animation import FuncAnimation
from matplotlib.figure import Figure

RATES = (0.001, 0.01, 0.1, 1.0)


def makers_by_name(optimizers: Iterable[Maker] | Mapping[str, Maker]) -> dict[str, Maker]:
    """Name -> maker; classes are called by their own name.

    Raises:
        TypeError: neither a list of classes nor a dictionary of functions.
        ValueError: it is empty, or two classes have the same name.
    """
    if isinstance(optimizers, Mapping):
        makers = dict(optimizers)
    elif isinstance(optimizers, Iterable) and not isinstance(optimizers, str):
        classes = list(optimizers)
        unnamed = [one for one in classes if not isinstance(one, type)]
        if unnamed:
            raise TypeError(
                f"a list holds optimizer classes, got {unnamed[0]!r}; name it: {{'name': function}}"
            )
        makers = {one.__name__: one for one in classes}
        if len(makers) < len(classes):
            raise ValueError("two optimizers have the same name; give a dictionary: {'name': class}")
    else:
        raise TypeError(
            f"optimizers must be a list of classes or a dictionary, got {type(optimizers).__name__}"
        )
    if not makers:
        raise ValueError("no optimizers to compare: the list is empty")
    uncallable = [name for name, make in makers.items() if not callable(make)]
    if uncallable:
        raise TypeError(f"{uncallable[0]!r} must be a class or a function make(parameters, learning_rate)")
    return makers


def line_looks() -> Iterable[dict]:
    """Color and line style of one curve after another: no two of the first 32 are alike."""
    styles, colors = plotting.LINE_STYLES, plotting.COLORS
    for i in range(len(styles) * len(colors)):
        style = styles[(i + i // len(colors)) % len(styles)]
        yield {"color": colors[i % len(colors)], "linestyle": style}


def compare_optimizers(
    optimizers: Iterable[Maker] | Mapping[str, Maker],
    rates: Iterable[float] = RATES,
    problem: Problem = REGRESSION,
    goal: float = 0.1,
    steps: int = 1000,
    seed: int = 0,
    highest_loss: float = 30.0,
) -> Figure:
    """Draw the loss curves of several optimizers from one start, a panel for each learning rate.

    Args:
        optimizers: a list of optimizer classes, or name -> `make(parameters, learning_rate)`.
        rates: the learning rates; four make a grid of 2 × 2.
        problem: what to minimize; by default the regression on five examples.
        goal: a curve ends where its loss is at most this; a dot marks it and the legend gives the steps.
        steps: where it ends otherwise.
        seed: chooses the start, the same for every curve, and the noise.
        highest_loss: upper end of the loss axis.

    Returns:
        The figure; neither shown nor saved.

    Raises:
        TypeError, ValueError: optimizers that cannot be named or called, or no rates.

    Example:
        >>> from tinytorch.core.optimizers import SGD, Adam
        >>> figure = compare_optimizers([SGD, Adam], steps=20)
        >>> [axes.get_title("left") for axes in figure.axes]
        ['learning rate 0.001', 'learning rate 0.01', 'learning rate 0.1', 'learning rate 1']
    """
    makers, rates = makers_by_name(optimizers), list(rates)
    if not rates:
        raise ValueError("no learning rates to compare: the list is empty")
    columns, rows = min(2, len(rates)), math.ceil(len(rates) / 2)
    with rc_context(plotting.STYLE):
        figure = Figure(figsize=(5.2 * columns, 3.0 * rows + 0.2))
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(rates) :]:
            axes.remove()
        for axes, rate in zip(grid.flat, rates):
            axes.set(title=f"learning rate {rate:g}", ylim=(0, highest_loss), xlim=(0, steps))
            axes.set_xscale("symlog", linthresh=1, linscale=0.3)
            axes.axhline(goal, color=plotting.GRAY, linewidth=0.8)
            for (name, make), look in zip(makers.items(), line_looks()):
                draw_curve(axes, follow(problem, make, rate, steps, seed, goal), name, goal, look)
            axes.set_xticks([0, *decades(steps)])
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=9, handlelength=2.6)
        for axes in grid[-1]:
            axes.set_xlabel("step")
        for axes in grid[:, 0]:
            axes.set_ylabel("mean squared error")
    return figure


def decades(largest: int) -> list[int]:
    """The powers of ten from 1 to `largest`."""
    return [10**i for i in range(len(str(largest)))]


def draw_curve(axes, losses: np.ndarray, name: str, goal: float, look: dict) -> None:
    """One loss curve; the legend says where it ended."""
    taken, finite = len(losses) - 1, losses[np.isfinite(losses)]
    if len(finite) < len(losses):
        end = "diverges"
    elif losses[-1] <= goal:
        end = f"{taken} steps"
        axes.plot(taken, losses[-1], "o", color=look["color"], markersize=5, clip_on=False, zorder=3)
    else:
        end = f"ends at {losses[-1]:.3g}"
    axes.plot(np.arange(len(finite)), finite, label=f"{name}: {end}", **look)


def draw_paths(axes, surface: Surface, paths: Mapping[str, np.ndarray]) -> None:
    """Draw ways over the contour lines of a surface: a ring at the start, a square at the end, stars for minima.

    Args:
        axes: matplotlib Axes to draw on.
        surface: where the ways lead over.
        paths: name -> array (points, 2), the start first; see `minimize`.
    """
    draw_ground(axes, surface)
    for (name, path), look in zip(paths.items(), line_looks()):
        plotting.draw_path(axes, path, name, look["color"], look["linestyle"])
        axes.plot(*path[-1], "s", color=look["color"], markersize=6, markeredgecolor="white", zorder=3)


def draw_ground(axes, surface: Surface) -> None:
    """The contour lines and the minima of a surface."""
    plotting.draw_surface(axes, surface.height, surface.x_range, surface.y_range, levels=surface.levels)
    for minimum in surface.minima:
        axes.plot(*minimum, "*", color=plotting.BLACK, markersize=11, markeredgecolor="white", zorder=4)
    axes.set(xlabel="x", ylabel="y")


def plot_paths(surface: Surface, paths: Mapping[str, np.ndarray]) -> Figure:
    """Draw the ways of several optimizers over a surface.

    Args:
        surface: where the ways lead over.
        paths: name -> array (points, 2), the start first; see `minimize`.

    Returns:
        The figure; neither shown nor saved.

    Example:
        >>> from tinytorch.core.optimizers import SGD
        >>> from tinytorch.lesson.problems import RAVINE
        >>> from tinytorch.lesson.tuning import minimize
        >>> figure = plot_paths(RAVINE, {"SGD, rate 0.4": minimize(RAVINE, SGD, 0.4, steps=20)})
        >>> figure.axes[0].get_title("left")
        'ravine'
    """
    with rc_context(plotting.STYLE):
        figure = Figure(figsize=(7.0, 3.8))
        axes = figure.subplots()
        draw_paths(axes, surface, paths)
        axes.set_title(surface.name)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def animate_paths(
    surface: Surface, paths: Mapping[str, np.ndarray], frames: int = 60, tail: int = 12
) -> FuncAnimation:
    """Let several optimizers run over a surface at the same time.

    Args:
        surface: where they run.
        paths: name -> array (points, 2), the start first. The longest sets the length; the others
            wait at their end.
        frames: number of pictures, over which the steps are spread evenly.
        tail: how many steps back a way is drawn in full color; the rest of it is pale.

    Returns:
        The animation; `.save("paths.gif", writer="pillow")` or `.to_jshtml()` do the rest.
    """
    paths = {name: np.asarray(path) for name, path in paths.items()}
    last = max(len(path) for path in paths.values()) - 1
    moments = np.unique(np.linspace(0, last, frames).round().astype(int))
    with rc_context(plotting.STYLE):
        figure = Figure(figsize=(6.4, 3.6))
        axes = figure.subplots()
        draw_ground(axes, surface)
        lines = {}
        for (name, path), look in zip(paths.items(), line_looks()):
            lines[name] = (
                axes.plot([], [], color=look["color"], linewidth=1, alpha=0.35)[0],
                axes.plot([], [], linewidth=2, **look)[0],
                axes.plot(
                    [], [], "o", color=look["color"], markersize=8, markeredgecolor="white", label=name
                )[0],
            )
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))

    def draw(step: int) -> list:
        axes.set_title(f"{surface.name}, step {step}", loc="left")
        for name, (whole, recent, head) in lines.items():
            path = paths[name][: step + 1]
            whole.set_data(*path.T)
            recent.set_data(*path[-tail - 1 :].T)
            head.set_data(*path[-1:].T)
        return [line for group in lines.values() for line in group]

    return FuncAnimation(figure, draw, frames=moments, interval=100)
