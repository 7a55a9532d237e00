"""Whole trajectories: ours against numbers recorded from PyTorch and against the reference of unrolled sums."""
from __future__ import annotations

import doctest
import functools
import json
from pathlib import Path

import numpy as np
import pytest

import reference as reference_module
from recorded import record_pytorch
from reference import array_path
from tinytorch.core import adaptive_optimizers
from tinytorch.core.adaptive_optimizers import WeightDecay
from tinytorch.core.autograd import Variable, matmul, maximum, mean
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor

RECORDED = Path(__file__).parent / "recorded"
OPTIMIZERS = {"SGD": SGD, "Adam": Adam}
ADAPTIVE = {rule: getattr(adaptive_optimizers, rule) for rule in record_pytorch.ADAPTIVE_SCENARIOS}
STATE_NAMES = set(record_pytorch.TORCH_BUFFERS.values())


def load(name: str) -> dict:
    return json.loads((RECORDED / name).read_text(encoding="utf-8"))


def scenarios() -> list:
    return [pytest.param(rule, runs, id=f"{rule} {name}")
            for rule in OPTIMIZERS for name, runs in load(f"{rule.lower()}.json")["scenarios"].items()]


def adaptive_scenarios() -> list:
    return [pytest.param(rule, name, id=f"{rule} {name}")
            for rule, runs in load("adaptive.json")["rules"].items() for name in runs]


@functools.cache
def adaptive_run(rule: str, name: str) -> tuple[dict, dict, dict[str, np.ndarray]]:
    """A recorded scenario, its inputs, and the reference's path through them."""
    run, inputs = load("adaptive.json")["rules"][rule][name], load("adaptive_inputs.json")
    return run, inputs, run_reference(rule, run["groups"], inputs)


def our_group(group: dict, variables: dict) -> dict:
    """A recorded group as our optimizers take it: decoupled decay is an object of its own."""
    group = {**group, "parameters": [variables[name] for name in group["parameters"]]}
    if group.pop("decoupled", False):
        group["weight_decay"] = WeightDecay(group["weight_decay"])
    return group


def run_ours(rule: str, groups: list[dict], inputs: dict,
             dtype: str) -> tuple[dict[str, list[np.ndarray]], dict]:
    """Our optimizer on the inputs: the parameters after every step, and what it remembers at the end."""
    variables = {name: Variable(np.array(value, dtype=dtype)) for name, value in inputs["parameters"].items()}
    optimizer = {**OPTIMIZERS, **ADAPTIVE}[rule]([our_group(group, variables) for group in groups])
    trajectory: dict[str, list[np.ndarray]] = {name: [] for name in variables}
    for step in range(len(inputs["gradients"]["scalar"])):
        for name, variable in variables.items():
            gradient = inputs["gradients"][name][step]
            variable.grad = None if gradient is None else Variable(np.array(gradient, dtype=dtype))
        optimizer.step()
        for name, variable in variables.items():
            trajectory[name].append(variable.data.data.copy())
    state = {kept: {name: optimizer.state[variable][kept] for name, variable in variables.items()
                    if kept in optimizer.state.get(variable, {})} for kept in STATE_NAMES}
    return trajectory, {kept: arrays for kept, arrays in state.items() if arrays}


def run_reference(rule: str, groups: list[dict], inputs: dict) -> dict[str, np.ndarray]:
    """The same in float64 by unrolled sums."""
    result = {}
    for group in groups:
        hyperparameters = {name: value for name, value in group.items() if name != "parameters"}
        for name in group["parameters"]:
            start = np.array(inputs["parameters"][name])
            result[name] = array_path(rule, start, inputs["gradients"][name], **hyperparameters)
    return result


def theirs(run: dict, name: str) -> np.ndarray:
    """PyTorch's values of a parameter, one row for each recorded step."""
    return np.array(run["trajectory"][name], dtype=run["dtype"])


def at_recorded_steps(path, run: dict) -> np.ndarray:
    """Rows of flat values of `path` at the recorded steps."""
    return np.array([np.ravel(path[step - 1]) for step in run["steps"]])


@pytest.mark.parametrize("rule, runs", scenarios())
def test_float64_agrees_with_pytorch_and_the_reference_to_twelve_digits(rule, runs):
    run, inputs = runs["float64"], load("inputs.json")
    ours, _ = run_ours(rule, run["groups"], inputs, "float64")
    reference = run_reference(rule, run["groups"], inputs)
    for name in ours:
        np.testing.assert_allclose(at_recorded_steps(ours[name], run), theirs(run, name), rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.array(ours[name]), reference[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule, runs", scenarios())
def test_float32_is_as_exact_as_pytorch(rule, runs):
    run, inputs = runs["float32"], load("inputs.json")
    ours, _ = run_ours(rule, run["groups"], inputs, "float32")
    reference = run_reference(rule, run["groups"], inputs)
    for name in ours:
        exact = at_recorded_steps(reference[name], run)
        assert ours[name][-1].dtype == np.float32
        our_error = np.abs(at_recorded_steps(ours[name], run) - exact).max()
        their_error = np.abs(theirs(run, name) - exact).max()
        assert our_error <= 2 * their_error + 1e-6, f"{name}: {our_error:.2g}, PyTorch {their_error:.2g}"


@pytest.mark.parametrize("rule, runs", scenarios())
def test_what_is_remembered_agrees_with_pytorch(rule, runs):
    run = runs["float64"]
    _, ours = run_ours(rule, run["groups"], load("inputs.json"), "float64")
    assert {kept: set(arrays) for kept, arrays in ours.items()} == \
        {kept: set(arrays) for kept, arrays in run["state"].items()}
    for kept, arrays in run["state"].items():
        for name, expected in arrays.items():
            np.testing.assert_allclose(np.ravel(ours[kept][name]), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule, name", adaptive_scenarios())
def test_the_adaptive_reference_agrees_with_pytorch(rule, name):
    """Two ways to the same numbers that share no line: what is left is the rounding of 100 steps."""
    run, _, reference = adaptive_run(rule, name)
    for parameter, path in reference.items():
        np.testing.assert_allclose(at_recorded_steps(path, run), theirs(run, parameter), rtol=0, atol=1e-13)


@pytest.mark.parametrize("rule, name", adaptive_scenarios())
def test_an_adaptive_rule_agrees_over_100_steps_to_twelve_digits(rule, name):
    run, inputs, reference = adaptive_run(rule, name)
    ours, state = run_ours(rule, run["groups"], inputs, "float64")
    for parameter, path in ours.items():
        assert len(path) == 100
        np.testing.assert_allclose(at_recorded_steps(path, run), theirs(run, parameter), rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.array(path), reference[parameter], rtol=0, atol=1e-12)
    assert {kept: set(arrays) for kept, arrays in state.items()} == \
        {kept: set(arrays) for kept, arrays in run["state"].items()}
    for kept, arrays in run["state"].items():
        for parameter, expected in arrays.items():
            np.testing.assert_allclose(np.ravel(state[kept][parameter]), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule, name", adaptive_scenarios())
def test_an_adaptive_rule_in_float32_is_as_exact_as_pytorch(rule, name):
    run, inputs, reference = adaptive_run(rule, name)
    ours, _ = run_ours(rule, run["groups"], inputs, "float32")
    for parameter, path in ours.items():
        assert path[-1].dtype == np.float32
        error = np.abs(np.array(path) - reference[parameter]).max()
        their_error = run["float32_errors"][parameter]
        assert error <= 2 * their_error + 1e-6, f"{parameter}: {error:.2g}, PyTorch {their_error:.2g}"


def test_the_recorded_rules_meet_every_branch():
    """Both branches of RAdam, a maximum that AMSGrad keeps, inputs that go on from those of module 08."""
    rules = load("adaptive.json")["rules"]
    kept = rules["AMSGrad"]["short memory"]["state"]
    assert all(np.any(np.array(kept["largest_second_moment"][name]) > np.array(kept["second_moment"][name]))
               for name in ("vector", "matrix", "cube", "kernel"))
    lengths = {beta2: [2 / (1 - beta2) - 1 - 2 * t * beta2**t / (1 - beta2**t) for t in range(1, 101)]
               for beta2 in (0.999, 0.9, 0.6)}
    assert [sum(length <= 5 for length in each) for each in lengths.values()] == [5, 5, 100]
    inputs, shorter = load("adaptive_inputs.json"), load("inputs.json")
    assert inputs["parameters"] == shorter["parameters"]
    assert all(inputs["gradients"][name][:60] == shorter["gradients"][name] for name in shorter["shapes"])


def test_the_reference_gives_the_tables_of_the_papers():
    result = doctest.testmod(reference_module)
    assert result.failed == 0 and result.attempted == 14


def test_the_recorded_inputs_hold_the_hard_cases():
    """A zero coordinate, late and missing gradients, 0-d to 4-D: without them the tests would say little."""
    inputs = load("inputs.json")
    gradients = inputs["gradients"]
    assert sorted(len(shape) for shape in inputs["shapes"].values()) == [0, 1, 2, 3, 4]
    assert all(gradient[2] == 0.0 for gradient in gradients["vector"])
    assert gradients["matrix"][:7] == [None] * 7 and gradients["matrix"][7] is not None
    assert sum(gradient is None for gradient in gradients["cube"]) == 12
    values = np.array(gradients["kernel"])
    assert len(values) == 60 and np.array_equal(values, values.astype(np.float32)) and np.ptp(values) > 2


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_training_a_network_follows_pytorch(rule):
    """Forward, backward and step together: a 3-8-2 network with maximum(x, 0), 40 steps in float64."""
    recorded = load("training.json")
    run = recorded["runs"][rule]
    x, y = (Tensor(np.array(recorded["data"][name])) for name in ("x", "y"))
    weights = {name: Variable(np.array(value)) for name, value in recorded["weights"].items()}
    optimizer = OPTIMIZERS[rule](weights.values(), **run["options"])
    losses = []
    for _ in run["losses"]:
        optimizer.zero_grad()
        hidden = maximum(matmul(x, weights["w1"]) + weights["b1"], 0.0)
        loss = mean((matmul(hidden, weights["w2"]) + weights["b2"] - y) ** 2)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    np.testing.assert_allclose(losses, run["losses"], rtol=1e-12)
    for name, expected in run["parameters"].items():
        np.testing.assert_allclose(weights[name].data.data, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule, groups", [pytest.param(rule, groups, id=f"{rule} {name}")
                                          for scenarios in (record_pytorch.SCENARIOS,
                                                            record_pytorch.ADAPTIVE_SCENARIOS)
                                          for rule, named in scenarios.items()
                                          for name, groups in named.items()])
def test_live_pytorch_agrees_on_other_inputs(rule, groups):
    pytest.importorskip("torch")
    inputs = record_pytorch.make_inputs(seed=2024, steps=30)
    run = record_pytorch.record(rule, groups, inputs, "float64")
    ours, _ = run_ours(rule, groups, inputs, "float64")
    for name in ours:
        np.testing.assert_allclose(at_recorded_steps(ours[name], run), theirs(run, name), rtol=0, atol=1e-12)
