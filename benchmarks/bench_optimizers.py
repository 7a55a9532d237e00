"""How fast the package's optimizers are: against the textbook NumPy expression and against torch.optim.

    make bench                                # with the course's own Python
    python benchmarks/bench_optimizers.py     # with any Python that has this package and PyTorch

One thread, processor time: what other programs take from the machine is not counted. The contestants of a row
take turns, round after round, and each sample is the mean of a batch of steps long enough to be timed; a row
shows the median over the rounds, and as ratio the median of the rounds' ratios. A slower clock or a fuller
cache thus hits all contestants alike. Columns that need PyTorch show "-" where it is missing.
"""
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[name] = "1"  # read when NumPy and PyTorch are imported, so it stands before them

import argparse
import gc
import inspect
import math
import platform
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tinytorch.core.adaptive_optimizers import AdaGrad, AdamW, AMSGrad, MomentumSGD, NAdam, RAdam, RMSprop
from tinytorch.core.autograd import Variable, matmul, maximum, mean
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)

SAMPLE_SECONDS = 0.01
NETWORK = [(784, 128), (128,), (128, 10), (10,)]
LARGE = "one array of 10 million"
WORKLOADS = {
    LARGE: [(10_000_000,)],
    "784-128-10 network": NETWORK,
    "200 arrays of 64 x 64": [(64, 64)] * 200,
    "1,000 arrays of 16": [(16,)] * 1000,
}
COLUMNS = ["ours", "textbook", "torch", "foreach", "fused"]
TRAINING_COLUMNS = ["ours", "torch", "foreach", "fused"]
MODULES = ["tinytorch.core.optimizers", "tinytorch.core.adaptive_optimizers"]
TORCH_OPTIONS = {"torch": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
Steps = dict[str, Callable[[], object]]
Update = Callable[[np.ndarray, np.ndarray, dict, int], np.ndarray]


@dataclass
class Rule:
    """One update rule in the words of each contestant."""

    name: str
    ours: Callable
    textbook: Update
    remembers: tuple[str, ...]
    torch_name: str | None  # None: PyTorch has no such rule
    torch_options: dict
    targets: dict[str, float] = field(default_factory=dict)

    def target(self, workload: str) -> float | None:
        return self.targets.get(workload, 1.0) if self.torch_name else None

    def torch_columns(self) -> dict[str, dict]:
        """The columns that PyTorch can fill, with the options that choose them."""
        if torch is None or self.torch_name is None:
            return {}
        known = inspect.signature(getattr(torch.optim, self.torch_name)).parameters
        return {column: options for column, options in TORCH_OPTIONS.items() if set(options) <= set(known)}


class Textbook:
    """An update as the books print it, a new array for every result, over all parameters."""

    def __init__(self, rule: Rule, shapes: list, gradients: list[np.ndarray]):
        self.update, self.gradients, self.count = rule.textbook, gradients, 0
        self.parameters = [np.ones(shape, np.float32) for shape in shapes]
        self.states: list[dict] = [
            {name: np.zeros(shape, np.float32) for name in rule.remembers} for shape in shapes]

    def step(self) -> None:
        self.count += 1
        for i, (gradient, state) in enumerate(zip(self.gradients, self.states)):
            self.parameters[i] = self.update(self.parameters[i], gradient, state, self.count)


# The rules as the books print them: parameter, gradient, what is remembered, count of the update

def momentum(p, g, state, t, rate=0.01, mu=0.9):
    state["v"] = mu * state["v"] + g
    return p - rate * state["v"]


def dampened_momentum(p, g, state, t, rate=0.01, mu=0.9, dampening=0.5):
    state["b"] = g if t == 1 else mu * state["b"] + (1 - dampening) * g
    return p - rate * state["b"]


def nesterov_momentum(p, g, state, t, rate=0.01, mu=0.9):
    state["b"] = mu * state["b"] + g
    return p - rate * (g + mu * state["b"])


def debiased_momentum(p, g, state, t, rate=0.01, mu=0.9):
    state["m"] = mu * state["m"] + (1 - mu) * g
    return p - rate * state["m"] / (1 - mu**t)


def rmsprop(p, g, state, t, rate=0.01, alpha=0.9, epsilon=1e-5):
    state["v"] = alpha * state["v"] + (1 - alpha) * g**2
    return p - rate * g / (np.sqrt(state["v"]) + epsilon)


def centered_rmsprop(p, g, state, t, rate=0.01, alpha=0.9, epsilon=1e-5):
    state["v"] = alpha * state["v"] + (1 - alpha) * g**2
    state["m"] = alpha * state["m"] + (1 - alpha) * g
    variance = np.maximum(state["v"] - state["m"] ** 2, 0)
    return p - rate * g / (np.sqrt(variance) + epsilon)


def adagrad(p, g, state, t, rate=0.01, epsilon=1e-10):
    state["s"] = state["s"] + g**2
    return p - rate * g / (np.sqrt(state["s"]) + epsilon)


def average_moments(g, state, beta1, beta2):
    state["m"] = beta1 * state["m"] + (1 - beta1) * g
    state["v"] = beta2 * state["v"] + (1 - beta2) * g**2
    return state["m"], state["v"]


def adam(p, g, state, t, rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = average_moments(g, state, beta1, beta2)
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - rate * m_hat / (np.sqrt(v_hat) + epsilon)


def adamw(p, g, state, t, rate=0.001, weight_decay=0.01):
    return adam((1 - rate * weight_decay) * p, g, state, t, rate)


def nadam(p, g, state, t, rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=0.004):
    m, v = average_moments(g, state, beta1, beta2)
    mu, next_mu = (beta1 * (1 - 0.5 * 0.96 ** (decay * i)) for i in (t, t + 1))
    state["product"] = product = mu * state.get("product", 1.0)
    m_hat = (1 - mu) / (1 - product) * g + next_mu / (1 - next_mu * product) * m
    return p - rate * m_hat / (np.sqrt(v / (1 - beta2**t)) + epsilon)


def amsgrad(p, g, state, t, rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = average_moments(g, state, beta1, beta2)
    state["largest"] = np.maximum(state["largest"], v)
    return p - rate * m / (1 - beta1**t) / (np.sqrt(state["largest"] / (1 - beta2**t)) + epsilon)


def radam(p, g, state, t, rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v = average_moments(g, state, beta1, beta2)
    m_hat, longest = m / (1 - beta1**t), 2 / (1 - beta2) - 1
    length = longest - 2 * t * beta2**t / (1 - beta2**t)
    if length <= 5:
        return p - rate * m_hat
    r = math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
    return p - rate * r * m_hat * math.sqrt(1 - beta2**t) / (np.sqrt(v) + epsilon)


# NumPy has no a·x + y in one pass, PyTorch has. On an array far larger than the caches, where the update
# is nothing but that, PyTorch computes while it waits for memory, and our passes over slices in the cache
# add up: four for the heavy ball, five with dampening. Hence two targets above 1; dampening misses its own.
RULES = [
    Rule("SGD with momentum", lambda parameters: SGD(parameters, 0.01, momentum=0.9),
         momentum, ("v",), "SGD", {"lr": 0.01, "momentum": 0.9}, {LARGE: 1.1}),
    Rule("dampened momentum", lambda parameters: MomentumSGD(parameters, 0.01, dampening=0.5),
         dampened_momentum, ("b",), "SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.5}, {LARGE: 1.1}),
    Rule("Nesterov momentum", lambda parameters: MomentumSGD(parameters, 0.01, nesterov=True),
         nesterov_momentum, ("b",), "SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    Rule("debiased momentum", lambda parameters: MomentumSGD(parameters, 0.01, average=True, debias=True),
         debiased_momentum, ("m",), None, {}),
    Rule("RMSprop", lambda parameters: RMSprop(parameters, 0.01),
         rmsprop, ("v",), "RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-5}),
    Rule("centered RMSprop", lambda parameters: RMSprop(parameters, 0.01, centered=True),
         centered_rmsprop, ("v", "m"), "RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-5, "centered": True}),
    Rule("AdaGrad", lambda parameters: AdaGrad(parameters, 0.01), adagrad, ("s",), "Adagrad", {"lr": 0.01}),
    Rule("Adam", lambda parameters: Adam(parameters, 0.001), adam, ("m", "v"), "Adam", {"lr": 0.001}),
    Rule("AdamW", lambda parameters: AdamW(parameters, 0.001), adamw, ("m", "v"), "AdamW", {"lr": 0.001}),
    Rule("NAdam", lambda parameters: NAdam(parameters, 0.002), nadam, ("m", "v"), "NAdam", {"lr": 0.002}),
    Rule("AMSGrad", lambda parameters: AMSGrad(parameters, 0.001),
         amsgrad, ("m", "v", "largest"), "Adam", {"lr": 0.001, "amsgrad": True}),
    Rule("RAdam", lambda parameters: RAdam(parameters, 0.001), radam, ("m", "v"), "RAdam", {"lr": 0.001}),
]


def make_gradients(shapes: list) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]


def our_step(rule: Rule, shapes: list, gradients: list[np.ndarray]) -> Callable[[], object]:
    parameters = [Variable(np.ones(shape, np.float32)) for shape in shapes]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = Variable(Tensor.from_numpy(gradient), requires_grad=False)
    return rule.ours(parameters).step


def torch_step(rule: Rule, shapes: list, gradients: list[np.ndarray], options: dict) -> Callable[[], object]:
    parameters = [torch.ones(shape, requires_grad=True) for shape in shapes]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = torch.tensor(gradient)  # a copy: with Nesterov's momentum, foreach adds to gradients
    return getattr(torch.optim, rule.torch_name)(parameters, **rule.torch_options, **options).step


def optimizer_steps(rule: Rule, shapes: list) -> Steps:
    """One call per contestant that makes one step on parameters of these shapes, with the same gradients."""
    gradients = make_gradients(shapes)
    steps: Steps = {"ours": our_step(rule, shapes, gradients),
                    "textbook": Textbook(rule, shapes, gradients).step}
    for column, options in rule.torch_columns().items():
        steps[column] = torch_step(rule, shapes, gradients, options)
    return steps


def training_steps(rule: Rule) -> Steps:
    """Forward, mean squared error, backward and update of the 784-128-10 network on one batch of 64."""
    weights = [array * np.float32(0.05) for array in make_gradients(NETWORK)]
    x, y = make_gradients([(64, 784), (64, 10)])
    steps: Steps = {"ours": our_training_step(rule, weights, x, y)}
    for column, options in rule.torch_columns().items():
        steps[column] = torch_training_step(rule, weights, x, y, options)
    return steps


def our_training_step(rule: Rule, weights: list[np.ndarray], x: np.ndarray,
                      y: np.ndarray) -> Callable[[], object]:
    w1, b1, w2, b2 = parameters = [Variable(array) for array in weights]
    inputs, targets = Tensor(x), Tensor(y)
    optimizer = rule.ours(parameters)

    def step() -> float:
        optimizer.zero_grad()
        hidden = maximum(matmul(inputs, w1) + b1, 0.0)
        loss = mean((matmul(hidden, w2) + b2 - targets) ** 2)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_training_step(rule: Rule, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray,
                        options: dict) -> Callable[[], object]:
    w1, b1, w2, b2 = parameters = [torch.tensor(array, requires_grad=True) for array in weights]
    inputs, targets, zero = torch.tensor(x), torch.tensor(y), torch.zeros(())
    optimizer = getattr(torch.optim, rule.torch_name)(parameters, **rule.torch_options, **options)

    def step() -> float:
        optimizer.zero_grad()
        hidden = torch.maximum(torch.matmul(inputs, w1) + b1, zero)
        loss = torch.mean((torch.matmul(hidden, w2) + b2 - targets) ** 2)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


# Measuring

def seconds(step: Callable[[], object], count: int) -> float:
    """The mean time of a step over `count` of them, after one that warms the caches up again."""
    step()
    start = time.process_time()
    for _ in range(count):
        step()
    return (time.process_time() - start) / count


def measure(steps: Steps, rounds: int) -> dict[str, list[float]]:
    """Seconds for a step of each contestant, one number for each round."""
    counts = {}
    for column, step in steps.items():
        step()  # allocates the state
        counts[column] = max(1, round(SAMPLE_SECONDS / seconds(step, 1)))
    samples: dict[str, list[float]] = {column: [] for column in steps}
    gc.disable()
    for _ in range(rounds):
        for column, step in steps.items():
            samples[column].append(seconds(step, counts[column]))
        gc.collect()
    gc.enable()
    return samples


def import_seconds(rounds: int) -> dict[str, list[float]]:
    """Seconds to import NumPy and each module of optimizers, in interpreters of their own.

    Both from byte code, as installed packages have it: the first run may write it and does not count.
    """
    program = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    samples: dict[str, list[float]] = {name: [] for name in ("numpy", *MODULES)}
    for _ in range(rounds + 1):
        for name, values in samples.items():
            run = subprocess.run([sys.executable, "-c", program.format(name)], env=environment,
                                 capture_output=True, text=True, check=True)
            values.append(float(run.stdout))
    return {name: values[1:] for name, values in samples.items()}


def temporary_bytes(step: Callable[[], object]) -> int:
    """The most memory a step holds beyond what was there before it, in the steady state."""
    step()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


# Showing

def verdict(samples: dict[str, list[float]], ours: str, other: str, target: float | None) -> list[str]:
    """The last columns of a row: the ratio, the target, and whether it was met."""
    if other not in samples:
        return ["-", "-" if target is None else f"<= {target}", "-"]
    ratio = statistics.median(a / b for a, b in zip(samples[ours], samples[other]))
    if target is None:
        return [f"{ratio:.2f}", "-", "-"]
    return [f"{ratio:.2f}", f"<= {target}", "yes" if ratio <= target else "NO"]


def table(title: str, header: list[str], rows: Iterator[list[str]]) -> None:
    """Print rows as they arrive: the first column to the left, the others to the right."""
    print(f"\n{title}\n")
    widths = [46] + [max(9, len(cell)) for cell in header[1:]]
    for row in [header, ["-" * width for width in widths]]:
        print_row(row, widths)
    for row in rows:
        print_row(row, widths)


def print_row(row: list[str], widths: list[int]) -> None:
    cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
    print("  ".join(cells).rstrip(), flush=True)


def milliseconds(samples: dict[str, list[float]], column: str) -> str:
    return f"{1000 * statistics.median(samples[column]):.3f}" if column in samples else "-"


def optimizer_rows(rounds: int) -> Iterator[list[str]]:
    for rule in RULES:
        for workload, shapes in WORKLOADS.items():
            samples = measure(optimizer_steps(rule, shapes), rounds)
            yield [f"{rule.name}, {workload}", *(milliseconds(samples, column) for column in COLUMNS),
                   *verdict(samples, "ours", "torch", rule.target(workload))]


def training_rows(rounds: int) -> Iterator[list[str]]:
    for rule in RULES:
        samples = measure(training_steps(rule), rounds)
        yield [rule.name, *(milliseconds(samples, column) for column in TRAINING_COLUMNS),
               *verdict(samples, "ours", "torch", None)]


def memory_rows() -> Iterator[list[str]]:
    shapes = WORKLOADS[LARGE]
    for rule in RULES:
        gradients = make_gradients(shapes)
        steps = [our_step(rule, shapes, gradients), Textbook(rule, shapes, gradients).step]
        mebibytes = [temporary_bytes(step) / 2**20 for step in steps]
        yield [f"{rule.name}, {LARGE}", *(f"{size:.2f}" for size in mebibytes)]


def import_rows(rounds: int) -> Iterator[list[str]]:
    samples = import_seconds(rounds)
    for module in MODULES:
        yield [f"import {module}", milliseconds(samples, module), milliseconds(samples, "numpy"),
               *verdict(samples, module, "numpy", 1.3)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the optimizers against NumPy and torch.optim.")
    parser.add_argument("--rounds", type=int, default=15, help="samples of each number (default: 15)")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds must be at least 1")
    torch_version = f"PyTorch {torch.__version__}" if torch is not None else "PyTorch not installed"
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {torch_version}; "
          f"{platform.machine()}, one thread, processor time, float32, median of {rounds} rounds")
    judged = ["ours/torch", "target", "met"]
    table("One optimizer step, milliseconds", ["", *COLUMNS, *judged], optimizer_rows(rounds))
    table("One training step of the 784-128-10 network on a batch of 64, forward to update, milliseconds",
          ["", *TRAINING_COLUMNS, *judged], training_rows(rounds))
    table("Memory held during a step beyond parameters, gradients and state, MiB", ["", "ours", "textbook"],
          memory_rows())
    table("Import in a fresh interpreter, milliseconds", ["", "ours", "numpy", "ours/numpy", "target", "met"],
          import_rows(rounds))


if __name__ == "__main__":
    main()
