"""Record what torch.optim does, for tests that run where PyTorch is not installed.

    python tests/recorded/record_pytorch.py

writes `inputs.json`, `sgd.json`, `adam.json`, `training.json` and, for the adaptive rules of module 10,
`adaptive_inputs.json`, `adaptive.json` and `schedules.json` beside this file. Run it only to add a scenario
or to move to another PyTorch. The tests read the numbers; only the live comparison, which runs the same
functions on other inputs, needs PyTorch.

All starting points and gradients are multiples of 1/64, hence exact in float32 and in float64: a difference
between two trajectories comes from the update rule or its rounding, never from its input.
"""
from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEED = 8
STEPS = 60
RECORDED_STEPS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 40, 50, 60]
SHAPES = {"scalar": [], "vector": [4], "matrix": [2, 3], "cube": [2, 1, 3], "kernel": [2, 1, 2, 2]}
ALWAYS_ZERO = ("vector", 2)  # the gradient of this coordinate is 0 at every step
ADAPTIVE_STEPS = 100
ADAPTIVE_RECORDED_STEPS = [1, 2, 3, 4, 6, 8, 15, 30, 60, 100]
LATE = {"matrix": 7}         # no gradient in the first steps
SOMETIMES = {"cube": 5}      # no gradient in every fifth step

TORCH_NAMES = {"learning_rate": "lr", "epsilon": "eps", "decoupled": "decoupled_weight_decay"}
SAME_NAMES = ("momentum", "weight_decay", "dampening", "nesterov", "alpha", "centered", "momentum_decay")
TORCH_RULES = {"MomentumSGD": "SGD", "AdaGrad": "Adagrad", "AMSGrad": "Adam"}  # the others have their name
TORCH_BUFFERS = {"momentum_buffer": "momentum_buffer", "exp_avg": "first_moment",
                 "exp_avg_sq": "second_moment", "grad_avg": "first_moment", "square_avg": "second_moment",
                 "sum": "sum_of_squares", "max_exp_avg_sq": "largest_second_moment",
                 "mu_product": "momentum_product"}
EVERYTHING = list(SHAPES)


def one_group(**hyperparameters) -> list[dict]:
    return [{"parameters": EVERYTHING, **hyperparameters}]


SGD_SCENARIOS = {
    "plain": one_group(learning_rate=0.1),
    "momentum": one_group(learning_rate=0.02, momentum=0.9),
    "heavy momentum": one_group(learning_rate=0.003, momentum=0.99),
    "L2": one_group(learning_rate=0.05, weight_decay=0.3),
    "momentum and L2": one_group(learning_rate=0.03, momentum=0.8, weight_decay=0.1),
    "groups": [
        {"parameters": ["scalar", "matrix"], "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0},
        {"parameters": ["vector", "cube"], "learning_rate": 0.01, "momentum": 0.5, "weight_decay": 0.2},
        {"parameters": ["kernel"], "learning_rate": 0.2, "momentum": 0.0, "weight_decay": 0.01},
    ],
}
ADAM_SCENARIOS = {
    "default": one_group(),
    "large rate": one_group(learning_rate=0.1),
    "odd betas": one_group(learning_rate=0.02, beta1=0.37, beta2=0.81),
    "no averaging": one_group(learning_rate=0.01, beta1=0.0, beta2=0.0),
    "big epsilon": one_group(learning_rate=0.05, epsilon=0.7),
    "L2": one_group(learning_rate=0.03, weight_decay=0.4),
    "L2, odd betas and big epsilon": one_group(learning_rate=0.04, beta1=0.6, beta2=0.95, epsilon=0.05,
                                               weight_decay=0.1),
    "groups": [
        {"parameters": ["scalar", "matrix"], "learning_rate": 0.1, "beta1": 0.8, "weight_decay": 0.0},
        {"parameters": ["vector", "cube"], "learning_rate": 0.01, "beta2": 0.9, "weight_decay": 0.2},
        {"parameters": ["kernel"], "learning_rate": 0.05, "epsilon": 0.1, "weight_decay": 0.01},
    ],
}
SCENARIOS = {"SGD": SGD_SCENARIOS, "Adam": ADAM_SCENARIOS}
ADAPTIVE_SCENARIOS = {
    "MomentumSGD": {
        "dampening": one_group(learning_rate=0.02, momentum=0.9, dampening=0.3),
        "dampening and L2": one_group(learning_rate=0.03, momentum=0.8, dampening=0.6, weight_decay=0.1),
        "strong dampening": one_group(learning_rate=0.1, momentum=0.95, dampening=0.95),
        "nesterov": one_group(learning_rate=0.02, momentum=0.9, nesterov=True),
        "nesterov and L2": one_group(learning_rate=0.03, momentum=0.7, nesterov=True, weight_decay=0.2),
        "groups": [
            {"parameters": ["scalar", "matrix"], "learning_rate": 0.03, "momentum": 0.9, "nesterov": True},
            {"parameters": ["vector", "cube"], "learning_rate": 0.05, "momentum": 0.5, "dampening": 0.4,
             "weight_decay": 0.2},
            {"parameters": ["kernel"], "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.01},
        ],
    },
    "RMSprop": {
        "lesson": one_group(alpha=0.9, epsilon=1e-5),
        "long memory": one_group(learning_rate=0.02, alpha=0.99, epsilon=1e-8),
        "centered": one_group(learning_rate=0.02, alpha=0.9, epsilon=1e-5, centered=True),
        "momentum": one_group(learning_rate=0.005, alpha=0.8, epsilon=1e-5, momentum=0.9),
        "big epsilon and L2": one_group(learning_rate=0.05, alpha=0.37, epsilon=0.6, weight_decay=0.3),
        "centered, momentum, big epsilon and L2": one_group(
            learning_rate=0.01, alpha=0.7, epsilon=0.4, centered=True, momentum=0.6, weight_decay=0.1),
        "groups": [
            {"parameters": ["scalar", "matrix"], "learning_rate": 0.05, "alpha": 0.9, "epsilon": 1e-5},
            {"parameters": ["vector", "cube"], "learning_rate": 0.01, "alpha": 0.5, "epsilon": 0.3,
             "centered": True, "weight_decay": 0.2},
            {"parameters": ["kernel"], "learning_rate": 0.02, "alpha": 0.8, "epsilon": 0.01, "momentum": 0.5},
        ],
    },
    "AdaGrad": {
        "default": one_group(),
        "large rate": one_group(learning_rate=0.5),
        "big epsilon and L2": one_group(learning_rate=0.2, epsilon=0.9, weight_decay=0.3),
        "groups": [
            {"parameters": ["scalar", "matrix"], "learning_rate": 0.3},
            {"parameters": ["vector", "cube"], "learning_rate": 0.1, "epsilon": 0.5, "weight_decay": 0.2},
            {"parameters": ["kernel"], "epsilon": 0.01},
        ],
    },
    "AdamW": {
        "default": one_group(),
        "strong decay, odd betas and big epsilon": one_group(learning_rate=0.04, beta1=0.6, beta2=0.95,
                                                             epsilon=0.05, weight_decay=0.7),
        "groups": [
            {"parameters": ["scalar", "matrix"], "learning_rate": 0.1, "beta1": 0.8, "weight_decay": 0.0},
            {"parameters": ["vector", "cube"], "learning_rate": 0.01, "beta2": 0.9},
            {"parameters": ["kernel"], "learning_rate": 0.05, "epsilon": 0.1, "weight_decay": 2.0},
        ],
    },
    "NAdam": {
        "default": one_group(),
        "fast momentum decay": one_group(learning_rate=0.02, momentum_decay=0.3),
        "odd betas, big epsilon and L2": one_group(learning_rate=0.03, beta1=0.6, beta2=0.9, epsilon=0.2,
                                                   weight_decay=0.3, momentum_decay=0.05),
        "decoupled": one_group(learning_rate=0.03, weight_decay=0.4, decoupled=True),
    },
    "AMSGrad": {
        "default": one_group(),
        "short memory": one_group(learning_rate=0.02, beta1=0.7, beta2=0.5),
        "short memory, big epsilon and L2": one_group(learning_rate=0.04, beta2=0.6, epsilon=0.3,
                                                      weight_decay=0.4),
        "decoupled": one_group(learning_rate=0.03, beta2=0.8, weight_decay=0.4, decoupled=True),
    },
    "RAdam": {
        "default": one_group(learning_rate=0.02),  # the first five updates are not rectified
        "short memory": one_group(learning_rate=0.03, beta1=0.6, beta2=0.9),
        "never rectified": one_group(learning_rate=0.01, beta2=0.6),
        "big epsilon and L2": one_group(learning_rate=0.05, beta2=0.95, epsilon=0.5, weight_decay=0.3),
        "decoupled": one_group(learning_rate=0.03, beta2=0.98, weight_decay=0.4, decoupled=True),
    },
}


def make_inputs(seed: int, steps: int = STEPS) -> dict:
    """Starting points and gradients: multiples of 1/64, normally distributed, with a slowly changing mean."""
    generator = np.random.default_rng(seed)

    def numbers(shape: list[int], mean: float = 0.0) -> np.ndarray:
        return np.round(64 * (generator.standard_normal(shape) + mean)) / 64

    parameters = {name: numbers(shape) for name, shape in SHAPES.items()}
    gradients: dict[str, list] = {name: [] for name in SHAPES}
    for step in range(steps):
        for name, shape in SHAPES.items():
            gradient = numbers(shape, mean=np.cos(step / 5))
            if name == ALWAYS_ZERO[0]:
                gradient[ALWAYS_ZERO[1]] = 0.0
            gradients[name].append(None if is_absent(name, step) else gradient.tolist())
    return {"seed": seed, "shapes": SHAPES,
            "parameters": {name: value.tolist() for name, value in parameters.items()}, "gradients": gradients}


def is_absent(name: str, step: int) -> bool:
    """Whether the parameter has no gradient at this step (counted from 0)."""
    return step < LATE.get(name, 0) or (name in SOMETIMES and step % SOMETIMES[name] == 3)


def torch_group(group: dict, parameters: dict) -> dict:
    """Our group of names and hyper-parameters as one for torch.optim."""
    result = {"params": [parameters[name] for name in group["parameters"]]}
    result.update({TORCH_NAMES.get(key, key): value for key, value in group.items()
                   if key in TORCH_NAMES or key in SAME_NAMES})
    if "beta1" in group or "beta2" in group:
        result["betas"] = (group.get("beta1", 0.9), group.get("beta2", 0.999))
    return result


def run(rule: str, groups: list[dict], inputs: dict, dtype: str) -> tuple[dict[str, list[np.ndarray]], dict]:
    """torch.optim's plain loop: every parameter after every step, and the buffers at the end."""
    import torch

    kind = getattr(torch, dtype)
    torch.set_default_dtype(kind)  # of it NAdam makes its product of momenta, whatever the parameters are
    parameters = {name: torch.tensor(value, dtype=kind, requires_grad=True)
                  for name, value in inputs["parameters"].items()}
    options = {"amsgrad": True} if rule == "AMSGrad" else {}
    choose = getattr(torch.optim, TORCH_RULES.get(rule, rule))
    optimizer = choose([torch_group(group, parameters) for group in groups], foreach=False, **options)
    trajectory: dict[str, list] = {name: [] for name in parameters}
    for step in range(len(inputs["gradients"]["scalar"])):
        for name, parameter in parameters.items():
            gradient = inputs["gradients"][name][step]
            parameter.grad = None if gradient is None else torch.tensor(gradient, dtype=kind)
        optimizer.step()
        for name, parameter in parameters.items():
            trajectory[name].append(parameter.detach().numpy().copy())
    torch.set_default_dtype(torch.float32)
    return trajectory, buffers(optimizer, parameters)


def record(rule: str, groups: list[dict], inputs: dict, dtype: str,
           recorded_steps: list[int] = RECORDED_STEPS) -> dict:
    """PyTorch's parameters after the recorded steps and its buffers at the end."""
    trajectory, state = run(rule, groups, inputs, dtype)
    steps = [step for step in recorded_steps if step <= len(inputs["gradients"]["scalar"])]
    return {"groups": groups, "dtype": dtype, "steps": steps,
            "trajectory": {name: [shortest(path[step - 1]) for step in steps]
                           for name, path in trajectory.items()},
            "state": state}


def record_adaptive(rule: str, groups: list[dict], inputs: dict) -> dict:
    """The float64 trajectory, and how far PyTorch's float32 ever is from it."""
    exact, _ = run(rule, groups, inputs, "float64")
    rounded, _ = run(rule, groups, inputs, "float32")
    errors = {name: float(np.abs(np.array(rounded[name], np.float64) - exact[name]).max()) for name in exact}
    return {**record(rule, groups, inputs, "float64", ADAPTIVE_RECORDED_STEPS), "float32_errors": errors}


def buffers(optimizer, parameters: dict) -> dict:
    """What the optimizer remembers at the end, under our names."""
    result: dict[str, dict] = {}
    for name, parameter in parameters.items():
        for theirs, buffer in optimizer.state[parameter].items():
            if theirs in TORCH_BUFFERS and buffer is not None:
                result.setdefault(TORCH_BUFFERS[theirs], {})[name] = shortest(buffer.numpy())
    return result


def shortest(array: np.ndarray) -> list:
    """The numbers, flat, with as many digits as their type needs to be read back exactly."""
    return [float(str(value)) for value in array.reshape(-1)]


def record_training() -> dict:
    """A 3-8-2 network, maximum(x, 0) between the layers, mean squared error, whole batch, in float64."""
    import torch

    generator = np.random.default_rng(SEED)

    def draw(*shape: int) -> np.ndarray:
        return np.round(64 * generator.standard_normal(shape)) / 64

    data = {"x": draw(16, 3), "y": draw(16, 2)}
    weights = {"w1": draw(3, 8), "b1": np.zeros(8), "w2": draw(8, 2), "b2": np.zeros(2)}
    x, y = torch.tensor(data["x"]), torch.tensor(data["y"])
    runs = {}
    for rule, options in {"SGD": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01},
                          "Adam": {"learning_rate": 0.02, "weight_decay": 0.01}}.items():
        parameters = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
        choose = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[rule]
        group = torch_group({"parameters": list(parameters), **options}, parameters)
        optimizer = choose([group], foreach=False)
        losses = []
        for _ in range(40):
            optimizer.zero_grad()
            hidden = torch.maximum(x @ parameters["w1"] + parameters["b1"], torch.zeros(()))
            loss = ((hidden @ parameters["w2"] + parameters["b2"] - y) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        runs[rule] = {"options": options, "losses": losses,
                      "parameters": {name: value.tolist() for name, value in parameters.items()}}
    return {"data": {name: value.tolist() for name, value in data.items()},
            "weights": {name: value.tolist() for name, value in weights.items()}, "runs": runs}


# What the schedules are recorded with: our name of the schedule and our options.
# Epoch e has the rate that is in force before PyTorch's (e + 1)-th call; ours sets it at its (e + 1)-th.
INITIAL_RATES = [0.5, 0.125]
SCHEDULES = {
    "ExponentialLR": [{"gamma": 0.9}, {"gamma": 0.37}, {"gamma": 1.0}],
    "CosineAnnealingLR": [{"epochs": 20}, {"epochs": 7, "min_fraction": 0.2}, {"epochs": 1}],
    "LinearWarmup": [{"batches": 8}, {"batches": 2}],
    "OneCycleLR": [{"batches": 40}, {"batches": 9, "rise": 0.4},
                   {"batches": 30, "rise": 0.5, "start_fraction": 0.1, "end_fraction": 0.001}],
    "warm-up, then cosine": [{"batches": 4, "epochs": 10}],
    "exponential, then warm-up, then cosine": [
        {"gamma": 0.8, "batches": 5, "epochs": 6, "milestones": [3, 8]}],
}
METRICS = {
    "falling, then flat": [5.0, 4.0, 3.0] + [3.0] * 12,
    "noisy": [round(4.0 + 3.0 * np.exp(-i / 6) + np.cos(2.7 * i), 3) for i in range(40)],
    "barely better each time": [1.0 - 0.00005 * i for i in range(20)],
    "rising": [0.1 * i for i in range(20)],
    "worse, then much better": [1.0, 2.0, 2.0, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4, 0.5, 0.5, 0.5, 0.5],
    "nan from the fourth on": [3.0, 2.0, 1.0] + [float("nan")] * 6 + [0.5] + [float("nan")] * 4,
    "nan at first": [float("nan")] * 3 + [2.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    "infinite at first": [float("inf")] * 3 + [2.0] * 5,
}
PLATEAUS = [
    {"gamma": 0.5, "patience": 2},
    {"gamma": 0.5, "patience": 0},
    {"gamma": 0.1, "patience": 1, "cooldown": 3},
    {"gamma": 0.5, "patience": 1, "min_fraction": 0.3},
    {"gamma": 0.5, "patience": 2, "threshold": 0.2},
    {"gamma": 0.25, "patience": 3, "mode": "max"},
    {"gamma": 0.5, "patience": 1, "threshold": 0.05, "mode": "max", "cooldown": 1},
]


def torch_schedule(name: str, optimizer, options: dict):
    """PyTorch's schedule with the same rates; the optimizer's own are the initial ones, or the peak's."""
    from torch.optim import lr_scheduler

    def exponential():
        return lr_scheduler.ExponentialLR(optimizer, options["gamma"])

    def cosine():
        lowest = options.get("min_fraction", 0.0) * rates[0]
        return lr_scheduler.CosineAnnealingLR(optimizer, options["epochs"], eta_min=lowest)

    def warm_up():
        count = options["batches"]
        return lr_scheduler.LinearLR(optimizer, start_factor=1 / count, end_factor=1.0, total_iters=count - 1)

    def one_cycle():
        start, end = options.get("start_fraction", 1 / 25), options.get("end_fraction", 1 / 250_000)
        return lr_scheduler.OneCycleLR(optimizer, max_lr=rates, total_steps=options["batches"],
                                       pct_start=options.get("rise", 0.3), div_factor=1 / start,
                                       final_div_factor=start / end, cycle_momentum=False)

    def chain(*makers, milestones: list[int]):
        return lr_scheduler.SequentialLR(optimizer, [make() for make in makers], milestones)

    rates = [group["lr"] for group in optimizer.param_groups]
    return {
        "ExponentialLR": exponential, "CosineAnnealingLR": cosine, "LinearWarmup": warm_up,
        "OneCycleLR": one_cycle,
        "warm-up, then cosine": lambda: chain(warm_up, cosine, milestones=[options["batches"]]),
        "exponential, then warm-up, then cosine":
            lambda: chain(exponential, warm_up, cosine, milestones=options["milestones"]),
    }[name]()


def record_schedule(name: str, options: dict) -> dict:
    """The rate of each group in each epoch (or batch), as long as the schedule has something to say.

    A group is recorded in a run of its own: the smallest rate of PyTorch's CosineAnnealingLR is one number
    for all groups, ours a fraction of each group's own.
    """
    import torch

    lengths = {"ExponentialLR": 10, "LinearWarmup": options.get("batches", 0) + 5,
               "OneCycleLR": options.get("batches", 0), "CosineAnnealingLR": options.get("epochs", 0) + 1}
    length = lengths.get(name, sum(options.get("milestones", [options.get("batches", 0)])[-1:])
                         + options.get("epochs", 0) + 1)
    columns = []
    for rate in INITIAL_RATES:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
        schedule = torch_schedule(name, optimizer, options)
        column = []
        for epoch in range(length):
            if epoch:
                optimizer.step()
                schedule.step()
            column.append(float(optimizer.param_groups[0]["lr"]))
        columns.append(column)
    return {"options": options, "rates": columns}


def record_plateau(options: dict, metrics: list[float]) -> list[float]:
    """The rate after each metric, of an optimizer that began with the first of the initial rates."""
    import torch

    initial = INITIAL_RATES[0]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=initial)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=options.get("mode", "min"), factor=options["gamma"], patience=options["patience"],
        threshold=options.get("threshold", 1e-4), cooldown=options.get("cooldown", 0),
        min_lr=options.get("min_fraction", 0.0) * initial, eps=0.0)
    rates = []
    for metric in metrics:
        schedule.step(metric)
        rates.append(float(optimizer.param_groups[0]["lr"]))
    return rates


def record_schedules() -> dict:
    return {
        "initial_rates": INITIAL_RATES,
        "schedules": {name: [record_schedule(name, options) for options in each]
                      for name, each in SCHEDULES.items()},
        "metrics": METRICS,
        "plateaus": [{"options": options, "rates": {name: record_plateau(options, metrics)
                                                    for name, metrics in METRICS.items()}}
                     for options in PLATEAUS],
    }


def write(name: str, content: dict) -> None:
    """JSON with one line for each innermost list, so that a change of the numbers can be read in a diff."""
    text = json.dumps(content, indent=1)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda match: " ".join(match.group().split()), text)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


def main() -> None:
    import torch

    header = {"torch": torch.__version__.split("+")[0], "seed": SEED}
    inputs = make_inputs(SEED)
    write("inputs.json", inputs)
    for rule, scenarios in SCENARIOS.items():
        recorded = {name: {dtype: record(rule, groups, inputs, dtype) for dtype in ("float64", "float32")}
                    for name, groups in scenarios.items()}
        write(f"{rule.lower()}.json", {**header, "scenarios": recorded})
    write("training.json", {**header, **record_training()})
    adaptive_inputs = make_inputs(SEED, ADAPTIVE_STEPS)
    write("adaptive_inputs.json", adaptive_inputs)
    write("adaptive.json", {**header, "rules": {
        rule: {name: record_adaptive(rule, groups, adaptive_inputs) for name, groups in scenarios.items()}
        for rule, scenarios in ADAPTIVE_SCENARIOS.items()}})
    write("schedules.json", {**header, **record_schedules()})


if __name__ == "__main__":
    main()
