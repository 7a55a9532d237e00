"""Fair comparisons, the numbers: runs of optimizers, rates tuned on one grid for all, ranks with ties.

A *maker* builds an optimizer from parameters and a learning rate, `make(parameters, learning_rate)`: an
optimizer class, or a function that fixes further settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tinytorch.core.optimizers import Optimizer, check_count
from tinytorch.lesson.problems import Problem, Surface

Maker = Callable[[list, float], Optimizer]

# Four rates a decade, from 0.0001 to 10,000: neighbors differ by a factor of 1.78.
RATES = tuple(float(f"{rate:.2g}") for rate in np.geomspace(1e-4, 1e4, 33))
SEEDS = (0, 1, 2)
NOISE_STREAM = 1  # keeps the noise of a run apart from the numbers that chose its start


def walk(problem: Problem, make: Maker, rate: float, seed: int = 0) -> Iterator[list]:
    """The parameters at the start and after each step, without end; the same Variables every time.

    Numbers that grow beyond all bounds become infinite or nan without a warning: whoever walks looks at them.
    """
    parameters = problem.parameters(seed)
    optimizer = make(parameters, rate)
    draw = np.random.default_rng((seed, NOISE_STREAM))
    while True:
        yield parameters
        with np.errstate(over="ignore", invalid="ignore"):
            problem.differentiate(parameters, draw)
            optimizer.step()


def follow(
    problem: Problem,
    make: Maker,
    rate: float,
    steps: int,
    seed: int = 0,
    goal: float | None = None,
    hold: int = 1,
) -> np.ndarray:
    """The losses of one run: at the start and after each step.

    Args:
        problem: what to minimize.
        make: builds the optimizer.
        rate: its learning rate.
        steps: the most steps to take, at least 0.
        seed: chooses the start and the noise.
        goal: the run ends when the last `hold` losses are at most this; `None`: it uses all steps.
        hold: how many losses in a row must be.

    Returns:
        Up to `steps` + 1 losses, float64. A run whose loss is no longer finite ends with that loss.

    Example:
        >>> from tinytorch.core.optimizers import SGD
        >>> from tinytorch.lesson.problems import RAVINE
        >>> follow(RAVINE, SGD, 0.4, steps=2).round(2).tolist()
        [13.11, 7.8, 5.42]
    """
    steps = check_count("steps", steps, smallest=0)
    losses, kept = [], 0
    for parameters in walk(problem, make, rate, seed):
        with np.errstate(over="ignore", invalid="ignore"):
            losses.append(problem.value(parameters))
        kept = kept + 1 if goal is not None and losses[-1] <= goal else 0
        if len(losses) > steps or kept == hold or not math.isfinite(losses[-1]):
            return np.array(losses)


def minimize(surface: Surface, make: Maker, rate: float, steps: int, seed: int = 0) -> np.ndarray:
    """The way of an optimizer over a surface.

    Args:
        surface: what to minimize.
        make: builds the optimizer.
        rate: its learning rate.
        steps: how many to take, at least 0.
        seed: chooses the start and the noise.

    Returns:
        Array (steps + 1, 2), the start first; shorter if the walk leaves the finite numbers.

    Example:
        >>> from tinytorch.core.optimizers import SGD
        >>> from tinytorch.lesson.problems import SADDLE
        >>> minimize(SADDLE, SGD, 0.5, steps=2).round(3).tolist()
        [[-1.499, -0.001], [-0.749, -0.002], [-0.375, -0.003]]
    """
    steps = check_count("steps", steps, smallest=0)
    points = []
    for (point,) in walk(surface, make, rate, seed):
        position = point.data.data
        if np.isfinite(position).all():
            points.append(position.copy())
        if len(points) > steps or not np.isfinite(position).all():
            return np.array(points)


def steps_to_tolerance(losses, tolerance: float, hold: int = 1) -> int | None:
    """How many steps a run needed to get its loss down to `tolerance`, and keep it there.

    Args:
        losses: at the start and after each step.
        tolerance: the largest loss that counts.
        hold: for how many losses in a row.

    Returns:
        The steps before the first `hold` losses in a row that are all at most `tolerance`, or `None`: never.

    Example:
        >>> steps_to_tolerance([5.0, 1.0, 4.0, 2.0, 1.0, 0.5], tolerance=2.0)
        1
        >>> steps_to_tolerance([5.0, 1.0, 4.0, 2.0, 1.0, 0.5], tolerance=2.0, hold=3)
        3
        >>> steps_to_tolerance([5.0, 1.0, 4.0], tolerance=0.1)
    """
    hold = check_count("hold", hold)
    kept = 0
    for step, loss in enumerate(losses):
        kept = kept + 1 if loss <= tolerance else 0
        if kept == hold:
            return step + 1 - hold
    return None


@dataclass(frozen=True)
class Tuned:
    """The result of a search for an optimizer's best learning rate on one problem.

    Attributes:
        rate: the best of the grid.
        steps: the steps to the goal with it, for each seed; `None` for a seed that did not get there.
        last_loss: the largest of the last losses of the seeds; infinite if one of them diverged.
        at_edge: the best rate is the smallest or the largest of the grid, so a wider one may have a better.
    """

    rate: float
    steps: tuple[int | None, ...]
    last_loss: float = math.nan
    at_edge: bool = False

    @property
    def solved(self) -> bool:
        """Whether every seed reached the goal."""
        return None not in self.steps

    @property
    def total(self) -> float:
        """The steps of all seeds together; infinite if one of them did not get there."""
        return sum(self.steps) if self.solved else math.inf

    @property
    def merit(self) -> tuple[int, float, float]:
        """What makes one rate better than another: more seeds at the goal, fewer steps, a lower last loss."""
        reached = [count for count in self.steps if count is not None]
        return len(reached), -sum(reached), 0.0 if reached else -self.last_loss

    def beaten_by(self, other: Tuned) -> bool:
        """Whether the slowest run of the other needed fewer steps than the fastest of this one."""
        return other.solved and (not self.solved or max(other.steps) < min(self.steps))


def tune(problem: Problem, make: Maker, rates=RATES, seeds=SEEDS, steps: int = 1000) -> Tuned:
    """Search the learning rate with which an optimizer solves a problem in the fewest steps.

    Every rate runs from every seed's start until it has reached the problem's goal and kept it for
    `problem.hold` steps. The best rate is the one with which the most seeds get there; of several, the one
    with the fewest steps in all; where no seed gets there, the one with the lowest last losses; of equals the
    smallest.

    Args:
        problem: what to minimize.
        make: builds the optimizer.
        rates: the grid, the same for all optimizers of a fair comparison.
        seeds: one run for each.
        steps: the budget of a run: a goal not reached within it counts as never.

    Returns:
        The best rate and its steps; see `Tuned`.

    Raises:
        ValueError: no rates or no seeds.

    Example:
        >>> from tinytorch.core.optimizers import SGD
        >>> from tinytorch.lesson.problems import RAVINE
        >>> tuned = tune(RAVINE, SGD, rates=(0.04, 0.4, 4.0))
        >>> tuned.rate, tuned.steps, tuned.at_edge
        (0.4, (53, 53, 53), False)
    """
    rates, seeds = sorted(set(rates), reverse=True), tuple(seeds)
    if not rates or not seeds:
        raise ValueError("a search needs at least one rate and one seed")
    # A search with a quarter of the budget finds most best rates; knowing one spares the others long runs.
    nothing_yet = Tuned(math.nan, (steps // 4,) * len(seeds))
    quick = best_rate(problem, make, rates, seeds, steps // 4, nothing_yet)
    best = best_rate(problem, make, rates, seeds, steps, None if quick is nothing_yet else quick)
    return replace(best, at_edge=best.rate in (rates[0], rates[-1]))


def best_rate(problem: Problem, make: Maker, rates, seeds, steps: int, best: Tuned | None) -> Tuned:
    """The best of some rates, largest first, and of what is known already."""
    for rate in rates:
        tuned = try_rate(problem, make, rate, seeds, steps, best)
        if tuned is not None and (best is None or tuned.merit >= best.merit):
            best = tuned
    return best


def try_rate(
    problem: Problem, make: Maker, rate: float, seeds, steps: int, best: Tuned | None
) -> Tuned | None:
    """What one rate achieves; `None` as soon as it is clear that it is worse than `best`."""
    counts, last_losses = [], []
    for seed in seeds:
        allowance = steps if best is None or not best.solved else min(steps, best.total - sum(counts))
        losses = follow(problem, make, rate, allowance + problem.hold - 1, seed, problem.goal, problem.hold)
        counts.append(steps_to_tolerance(losses, problem.goal, problem.hold))
        last_losses.append(losses[-1] if np.isfinite(losses[-1]) else math.inf)
        if best is not None and best.solved and counts[-1] is None:
            return None
    return Tuned(rate, tuple(counts), float(max(last_losses)))


def ranking(results: dict[str, Tuned]) -> list[tuple[int, str, Tuned]]:
    """Places from best to worst, where what the seeds cannot tell apart shares a place.

    The best is the optimizer with the fewest steps in all. Whoever it does not beat (its slowest run is not
    faster than their fastest) ties with it. The best of the rest takes the next place, and so on; those that
    did not solve every seed share the last.

    Args:
        results: name -> `Tuned`.

    Returns:
        `(place, name, tuned)` for each; the place after a tie of two for 1 is 3.

    Example:
        >>> results = {"a": Tuned(0.1, (10, 14)), "b": Tuned(0.1, (15, 17)), "c": Tuned(1.0, (13, 18))}
        >>> [(place, name) for place, name, _ in ranking(results)]
        [(1, 'a'), (1, 'c'), (3, 'b')]
    """
    waiting = sorted(results.items(), key=lambda item: item[1].total)
    places = []
    while waiting:
        leader = waiting[0][1]
        tied = [item for item in waiting if not item[1].beaten_by(leader)]
        waiting = [item for item in waiting if item[1].beaten_by(leader)]
        places += [(len(places) + 1, *item) for item in tied]
    return places


CAPTION = (
    "Steps until the goal is reached and kept, fewest–most over the seeds, each optimizer at its best learning "
    "rate (after the @) of the same grid; before them, in bold, its place. The best is the optimizer with the "
    "fewest steps in all. Every optimizer whose range overlaps with that of the best ties with it: they share "
    "the place (=), and among the rest the next place is given in the same way. never: not within {steps:,} "
    "steps at any rate, for at least one seed. *: the best rate stands at the edge of the grid."
)


def ranking_table(results: dict[str, dict[str, Tuned]], steps: int | None = None) -> str:
    """A Markdown table of optimizers against problems.

    Args:
        results: problem -> name of an optimizer -> `Tuned`; an optimizer may be missing from a problem.
        steps: the budget of a run; with it, a caption says how to read the table and what a tie is.

    Example:
        >>> print(ranking_table({"bowl": {"a": Tuned(0.1, (5, 7, 6)), "b": Tuned(0.3, (7, 8, 9))}}))
        |  | bowl |
        | --- | --- |
        | a | **1=** 5–7 @ 0.1 |
        | b | **1=** 7–9 @ 0.3 |
    """
    names = list(dict.fromkeys(name for tuned in results.values() for name in tuned))
    cells = {problem: ranking_cells(tuned) for problem, tuned in results.items()}
    rows = [["", *results], ["---"] * (len(results) + 1)]
    rows += [[name, *(cells[problem].get(name, "") for problem in results)] for name in names]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return table if steps is None else f"{table}\n\n{CAPTION.format(steps=steps)}"


def ranking_cells(results: dict[str, Tuned]) -> dict[str, str]:
    """One column of the table: name -> place, steps and rate as text."""
    places = ranking(results)
    taken = [place for place, _, _ in places]
    return {
        name: f"**{place}{'=' * (taken.count(place) > 1)}** {outcome(tuned)}"
        if tuned.solved
        else outcome(tuned)
        for place, name, tuned in places
    }


def outcome(tuned: Tuned) -> str:
    """The steps of the fewest and the most over the seeds and the rate, or never."""
    rate = f"{tuned.rate:g}{'*' * tuned.at_edge}"
    if tuned.solved:
        fewest, most = min(tuned.steps), max(tuned.steps)
        return f"{fewest}{f'–{most}' * (most > fewest)} @ {rate}"
    reached = len(tuned.steps) - tuned.steps.count(None)
    return f"never ({reached} of {len(tuned.steps)} seeds @ {rate})" if reached else "never"
