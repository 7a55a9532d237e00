"""The sweeps of module 10: every optimizer at its own best learning rate, on problems small enough for that.

    make experiments
    python experiments/adaptive_optimizers.py

For each problem and each optimizer the learning rate is searched on one grid (`RATES` in
`tinytorch.lesson.tuning`), with three seeds a rate. The tables go to adaptive_optimizers.md beside this script,
in one stroke at the end. Another machine, or arrays that lie otherwise in memory, may round a sum differently,
which can shift a count by a step, and by more where a run is chaotic (NAdam on Rosenbrock's surface).
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[name] = "1"  # read when NumPy is imported, so it stands before it

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tinytorch.core.adaptive_optimizers import AdaGrad, AdamW, AMSGrad, MomentumSGD, NAdam, RAdam, RMSprop
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.course.project import write_if_changed
from tinytorch.lesson.ideas import HeldBackSGD
from tinytorch.lesson.problems import NOISY_BOWL, REGRESSION, SURFACES, TURNED_RAVINE, LinearData, Problem
from tinytorch.lesson.tuning import CAPTION, RATES, SEEDS, Maker, Tuned, outcome, ranking_table, tune

RESULTS = Path(__file__).with_suffix(".md")
STEPS = 2000  # the budget of a run

OPTIMIZERS: dict[str, Maker] = {
    "gradient descent": SGD,
    "heavy ball": partial(MomentumSGD, momentum=0.9),
    "Nesterov": partial(MomentumSGD, momentum=0.9, nesterov=True),
    "debiased average": partial(MomentumSGD, momentum=0.9, average=True, debias=True),
    "AdaGrad": AdaGrad,
    "RMSprop": RMSprop,
    "Adam": Adam,
    "NAdam": NAdam,
    "AMSGrad": AMSGrad,
    "RAdam": RAdam,
}
MOMENTUM_RULES: dict[str, Maker] = {
    "gradient descent": SGD,
    "PyTorch's rule: heavy ball": partial(MomentumSGD, momentum=0.9),
    "PyTorch's rule: dampening 0.9": partial(MomentumSGD, momentum=0.9, dampening=0.9),
    "average": partial(MomentumSGD, momentum=0.9, average=True),
    "debiased average": partial(MomentumSGD, momentum=0.9, average=True, debias=True),
}
HELD_BACK: dict[str, Maker] = {
    "gradient descent": SGD,
    **{
        f"held back below {threshold:g}": partial(HeldBackSGD, threshold=threshold)
        for threshold in (0.3, 1, 3, 10, 30)
    },
}
BATCHES = {
    "batches of 1": LinearData(1),
    "batches of 4": LinearData(4),
    "batches of 16": LinearData(16),
    "batches of 64": LinearData(64),
    "all 512": LinearData(None),
}


@dataclass(frozen=True)
class Sweep:
    """One table: every optimizer on every problem."""

    title: str
    text: str
    problems: dict[str, Problem]
    optimizers: dict[str, Maker]


SWEEPS = (
    Sweep(
        "Surfaces",
        "The goal of each surface is a height a little above its lowest, kept for 100 steps: an optimizer that "
        "flies through the minimum, or leaps out of it again, has not solved it. A seed shifts the start a "
        "little and, on the noisy bowl, draws the noise. The turned ravine is the ravine turned by 45 degrees.",
        {surface.name: surface for surface in (*SURFACES, TURNED_RAVINE)},
        OPTIMIZERS,
    ),
    Sweep(
        "Regression on five examples",
        "A network of 3 inputs, 3 hidden units and 1 output; a seed draws its initial weights. The first goal, a "
        "mean squared error of 0.1, is passed by any network that outputs the mean of the targets (0.031); the "
        "second, 0.003, asks it to learn from the inputs.",
        {"loss 0.1": REGRESSION, "loss 0.003": replace(REGRESSION, goal=0.003)},
        {**OPTIMIZERS, "AdamW": AdamW},
    ),
    Sweep(
        "Debiased momentum, PyTorch's rule and batch size",
        "Linear regression with 8 weights on 512 examples, a random batch a step; the goal lies 0.1 above the "
        "lowest loss, kept for 10 steps. A seed draws the batches. Momentum is 0.9.",
        BATCHES,
        MOMENTUM_RULES,
    ),
    Sweep(
        "Holding small gradients back",
        "The same problems and the noisy bowl, for the rule of `tinytorch.lesson.ideas`: a gradient is added up "
        "until its size reaches a threshold, and only then moves the parameter.",
        {
            **{name: BATCHES[name] for name in ("batches of 1", "batches of 4", "batches of 16")},
            NOISY_BOWL.name: NOISY_BOWL,
        },
        HELD_BACK,
    ),
)
INTRODUCTION = f"""\
# Adaptive optimizers: the sweeps

Written by `make experiments` (`experiments/adaptive_optimizers.py`): change nothing here by hand. Every
optimizer has its learning rate searched on the same grid of {len(RATES)} rates from {RATES[0]:g} to {RATES[-1]:,.0f}, four a
decade; all its other settings are the defaults of this package unless the name says otherwise. The numbers of
a table are those of the {len(SEEDS)} seeds that chose the rate, so small differences mean nothing, and every optimizer
looks a little better than it would on fresh seeds.

{CAPTION.format(steps=STEPS)}
"""


def tune_one(sweep: int, problem: str, optimizer: str) -> Tuned:
    """One cell of a table; named by keys, because functions do not travel between processes."""
    chosen = SWEEPS[sweep]
    return tune(chosen.problems[problem], chosen.optimizers[optimizer], steps=STEPS)


def run_all(processes: int) -> dict[tuple[int, str, str], Tuned]:
    """Every cell of every table, with a line of progress for each."""
    keys = [
        (i, problem, optimizer)
        for i, sweep in enumerate(SWEEPS)
        for problem in sweep.problems
        for optimizer in sweep.optimizers
    ]
    results = {}
    with ProcessPoolExecutor(processes) as pool:
        waiting = {pool.submit(tune_one, *key): key for key in keys}
        for future in as_completed(waiting):
            key = waiting[future]
            results[key] = future.result()
            _, problem, optimizer = key
            print(
                f"[{len(results):3}/{len(keys)}] {problem}, {optimizer}: {outcome(results[key])}", flush=True
            )
    return results


def report(results: dict[tuple[int, str, str], Tuned]) -> str:
    """All tables as one Markdown text."""
    parts = [INTRODUCTION]
    for i, sweep in enumerate(SWEEPS):
        columns = {
            problem: {optimizer: results[i, problem, optimizer] for optimizer in sweep.optimizers}
            for problem in sweep.problems
        }
        parts.append(f"## {sweep.title}\n\n{sweep.text}\n\n{ranking_table(columns)}\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tune and compare the optimizers of module 10.")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="default: one for each processor"
    )
    processes = parser.parse_args().processes
    if processes < 1:
        parser.error("--processes must be at least 1")
    try:
        text = report(run_all(processes))
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was written")
    changed = write_if_changed(RESULTS, text)
    print(f"{'wrote' if changed else 'unchanged:'} {RESULTS.parent.name}/{RESULTS.name}")


if __name__ == "__main__":
    main()
