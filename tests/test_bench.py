"""The benchmark measures what it says: the workloads, the same training on both sides, verdicts that can be no."""
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
    sgd, adam = bench.RULES
    assert [sgd.target(name) for name in bench.WORKLOADS] == [1.1, 1.0, 1.0, 1.0]
    assert [adam.target(name) for name in bench.WORKLOADS] == [1.0] * 4


def test_every_contestant_takes_steps_and_is_timed(bench):
    for rule in bench.RULES:
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
        textbook = bench.temporary_bytes(rule.textbook(shapes, gradients))
        assert ours < 3_000_000 < 4_000_000 < textbook


def test_a_number_of_rounds_that_measures_nothing_is_refused(bench, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_optimizers.py", "--rounds", "0"])
    with pytest.raises(SystemExit) as stop:
        bench.main()
    assert stop.value.code == 2
    assert "--rounds must be at least 1" in capsys.readouterr().err
