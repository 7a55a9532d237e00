"""Record what torch.optim does, for tests that run where PyTorch is not installed.

    python tests/recorded/record_pytorch.py

writes `inputs.json`, `sgd.json`, `adam.json` and `training.json` beside this file. Run it only to add a
scenario or to move to another PyTorch. The tests read the numbers; only the live comparison, which runs the
same functions on other inputs, needs PyTorch.

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
LATE = {"matrix": 7}         # no gradient in the first steps
SOMETIMES = {"cube": 5}      # no gradient in every fifth step

TORCH_NAMES = {"learning_rate": "lr", "momentum": "momentum", "weight_decay": "weight_decay",
               "epsilon": "eps"}
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
    result.update({TORCH_NAMES[key]: value for key, value in group.items() if key in TORCH_NAMES})
    if "beta1" in group or "beta2" in group:
        result["betas"] = (group.get("beta1", 0.9), group.get("beta2", 0.999))
    return result


def record(rule: str, groups: list[dict], inputs: dict, dtype: str) -> dict:
    """Run torch.optim's plain loop; the parameters after the recorded steps and the buffers at the end."""
    import torch

    kind = getattr(torch, dtype)
    parameters = {name: torch.tensor(value, dtype=kind, requires_grad=True)
                  for name, value in inputs["parameters"].items()}
    choose = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}[rule]
    optimizer = choose([torch_group(group, parameters) for group in groups], foreach=False)
    trajectory: dict[str, list] = {name: [] for name in parameters}
    steps = len(inputs["gradients"]["scalar"])
    for step in range(steps):
        for name, parameter in parameters.items():
            gradient = inputs["gradients"][name][step]
            parameter.grad = None if gradient is None else torch.tensor(gradient, dtype=kind)
        optimizer.step()
        if step + 1 in RECORDED_STEPS:
            for name, parameter in parameters.items():
                trajectory[name].append(shortest(parameter.detach().numpy()))
    return {"groups": groups, "dtype": dtype, "steps": [step for step in RECORDED_STEPS if step <= steps],
            "trajectory": trajectory, "state": buffers(optimizer, parameters)}


def buffers(optimizer, parameters: dict) -> dict:
    """What the optimizer remembers at the end, under our names."""
    ours = {"momentum_buffer": "momentum_buffer", "exp_avg": "first_moment", "exp_avg_sq": "second_moment"}
    result: dict[str, dict] = {}
    for name, parameter in parameters.items():
        for theirs, buffer in optimizer.state[parameter].items():
            if theirs in ours and buffer is not None:
                result.setdefault(ours[theirs], {})[name] = shortest(buffer.numpy())
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


if __name__ == "__main__":
    main()
