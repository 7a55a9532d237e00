"""The benchmark measures what it says: workloads, the same training on all sides, verdicts that can be no."""
from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "bench_optimizers.py"


@pytest.fixture(scope="module")
def bench():
    """The script as a module; what it sets in the environment for its own process is undone."""
    environment = dict(os.environ)
    specification = importlib.util.spec_from_file_location("bench_optimizers", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    os.environ.clear()
    os.environ.update(environment)
    yield module
    del sys.modules[module.__name__]


def test_the_workloads_are_those_of_the_targets(bench):
    counts = {name: (len(shapes), sum(bench.np.prod(shape) for shape in shapes))
              for name, shapes in bench.WORKLOADS.items()}
    assert counts == {"one array of 10 million": (1, 10_000_000), "784-128-10 network": (4, 101_770),
                      "200 arrays of 64 x 64": (200, 819_200), "1,000 arrays of 16": (1000, 16_000)}
    targets = {rule.name: [rule.target(name) for name in bench.WORKLOADS] for rule in bench.RULES}
    assert targets.pop("SGD with momentum") == [1.1, 1.0, 1.0, 1.0]
    assert targets.pop("dampened momentum") == [1.1, 1.0, 1.0, 1.0]
    assert targets.pop("debiased momentum") == [None] * 4, "PyTorch has no such rule"
    assert set(map(tuple, targets.values())) == {(1.0,) * 4}


def test_every_rule_of_the_package_has_its_row(bench):
    rows = {type(rule.ours([bench.Variable([1.0])])).__name__ for rule in bench.RULES}
    assert rows == {"SGD", "MomentumSGD", "RMSprop", "AdaGrad", "Adam", "AdamW", "NAdam", "AMSGrad", "RAdam"}
    assert len(bench.RULES) == 12 and len({rule.name for rule in bench.RULES}) == 12


def parameters_of(step) -> list:
    """The arrays that a contestant's step moves."""
    owner = step.__self__
    if not hasattr(owner, "param_groups"):
        return owner.parameters
    [group] = owner.param_groups
    return [p.data.data for p in group["parameters"]] if "parameters" in group else \
        [p.detach().numpy() for p in group["params"]]


def test_all_contestants_of_a_row_follow_the_same_rule(bench):
    """Nine steps, past the branch of RAdam, on gradients that stay the same as in the benchmark."""
    for rule in bench.RULES:
        steps = bench.optimizer_steps(rule, [(3,), (2, 2)])
        for _ in range(9):
            for step in steps.values():
                step()
        if rule.name == "Nesterov momentum":
            steps.pop("foreach", None)  # it changes the gradients, which a training loop computes afresh
        for column, step in steps.items():
            for ours, theirs in zip(parameters_of(steps["ours"]), parameters_of(step), strict=True):
                bench.np.testing.assert_allclose(theirs, ours, rtol=1e-4, err_msg=f"{rule.name}, {column}")
                assert abs(ours - 1).max() > 1e-3, f"{rule.name} did not move"


def test_every_contestant_takes_steps_and_is_timed(bench):
    for rule in (bench.RULES[0], bench.RULES[3]):
        samples = bench.measure(bench.optimizer_steps(rule, [(3,), (2, 2)]), rounds=2)
        assert {"ours", "textbook"} <= set(samples)
        assert all(len(values) == 2 and min(values) > 0 for values in samples.values())


def test_all_sides_train_the_same_network(bench):
    """The losses of the first steps, from the same weights and batch, agree between the contestants."""
    for rule in bench.RULES:
        losses = {column: [step() for _ in range(5)] for column, step in bench.training_steps(rule).items()}
        assert losses["ours"][4] < losses["ours"][0]
        for values in losses.values():
            assert values == pytest.approx(losses["ours"], rel=1e-4)


@pytest.mark.parametrize("ours, expected", [
    ([1.0, 1.0, 9.0], ["0.50", "<= 1.0", "yes"]), ([2.0, 2.0, 2.0], ["1.00", "<= 1.0", "yes"]),
    ([2.2, 2.2, 2.2], ["1.10", "<= 1.0", "NO"])])
def test_the_verdict_is_on_the_median_of_the_ratios(bench, ours, expected):
    samples = {"ours": ours, "torch": [2.0, 2.0, 2.0]}
    assert bench.verdict(samples, "ours", "torch", 1.0) == expected


def test_without_pytorch_there_is_no_verdict(bench):
    assert bench.verdict({"ours": [1.0]}, "ours", "torch", 1.1) == ["-", "<= 1.1", "-"]
    assert bench.milliseconds({"ours": [0.001]}, "torch") == "-"


def test_our_step_holds_less_than_the_textbook_expression(bench):
    for rule in bench.RULES:
        shapes = [(1_000_000,)]
        gradients = bench.make_gradients(shapes)
        ours = bench.temporary_bytes(bench.our_step(rule, shapes, gradients))
        textbook = bench.temporary_bytes(bench.Textbook(rule, shapes, gradients).step)
        assert ours < 3_000_000 < 4_000_000 < textbook


def test_a_number_of_rounds_that_measures_nothing_is_refused(bench, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_optimizers.py", "--rounds", "0"])
    with pytest.raises(SystemExit) as stop:
        bench.main()
    assert stop.value.code == 2
    assert "--rounds must be at least 1" in capsys.readouterr().err
