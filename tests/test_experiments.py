"""`make experiments` and `make bench` run their scripts; the sweeps of module 10 find what they found."""

from __future__ import annotations

import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT

from tinytorch.core.optimizers import SGD, Adam
from tinytorch.course import cli
from tinytorch.lesson.problems import RAVINE
from tinytorch.lesson.tuning import outcome

SCRIPT = ROOT / "experiments" / "adaptive_optimizers.py"


@pytest.fixture
def scripts(course, monkeypatch):
    """Writes scripts into a folder of a small course, which is the current folder."""
    monkeypatch.chdir(course.root)

    def write(folder, **texts):
        (course.root / folder).mkdir()
        for name, text in texts.items():
            (course.root / folder / f"{name}.py").write_text(text, encoding="utf-8")
        return course.root / folder

    return write


@pytest.mark.parametrize(
    "command, folder, prefix", [("experiments", "experiments", ""), ("bench", "benchmarks", "bench_")]
)
def test_every_script_runs_in_order_with_this_python_at_the_root(scripts, capfd, command, folder, prefix):
    say = "import os, sys; print(__file__.rpartition(os.sep)[2], sys.executable, os.getcwd())"
    where = scripts(
        folder, **{f"{prefix}b": say, f"{prefix}a": say, "other": "print('not a script of this kind')"}
    )
    if not prefix:
        (where / "other.py").unlink()
    (where / "results.md").write_text("not a script", encoding="utf-8")
    assert cli.main([command]) == 0
    lines = [line.split(" ", 1) for line in capfd.readouterr().out.splitlines()]
    assert [name for name, _ in lines] == [f"{prefix}a.py", f"{prefix}b.py"]
    assert {rest for _, rest in lines} == {f"{sys.executable} {where.parent}"}


@pytest.mark.parametrize(
    "command, folder, prefix", [("experiments", "experiments", ""), ("bench", "benchmarks", "bench_")]
)
def test_a_script_that_fails_ends_it_with_one_line(scripts, capfd, command, folder, prefix):
    scripts(folder, **{f"{prefix}a": "import sys; sys.exit(3)", f"{prefix}b": "print('still run')"})
    assert cli.main([command]) == 1
    out, err = capfd.readouterr()
    assert err.splitlines() == [f"tinytorch: {folder}/{prefix}a.py ended with status 3; see above"]
    assert "still run" not in out


def test_without_scripts_it_says_what_is_missing(scripts, capfd):
    assert cli.main(["experiments"]) == 1
    assert (
        capfd.readouterr().err == "tinytorch: experiments: no *.py here; restore them from the repository\n"
    )


# ---------------------------------------------------------------------------------- the sweeps of module 10
@pytest.fixture(scope="module")
def sweeps():
    """The script as a module; what it sets in the environment for its own process is undone."""
    environment = dict(os.environ)
    specification = importlib.util.spec_from_file_location("sweeps_of_module_10", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    os.environ.clear()
    os.environ.update(environment)
    yield module
    del sys.modules[module.__name__]


def committed_tables() -> list[dict[str, dict[str, str]]]:
    """The tables of the committed results: problem -> optimizer -> cell."""
    tables = []
    for section in SCRIPT.with_suffix(".md").read_text(encoding="utf-8").split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        tables.append(
            {problem: {row[0]: row[i] for row in rows} for i, problem in enumerate(head) if problem}
        )
    return tables


def test_the_committed_tables_hold_every_sweep(sweeps):
    tables = committed_tables()
    assert [list(table) for table in tables] == [list(sweep.problems) for sweep in sweeps.SWEEPS]
    for table, sweep in zip(tables, sweeps.SWEEPS):
        for cells in table.values():
            assert list(cells) == list(sweep.optimizers)
            assert all(cells.values())


def test_no_best_rate_of_the_committed_tables_is_at_the_edge_of_the_grid():
    assert not [
        cell
        for table in committed_tables()
        for cells in table.values()
        for cell in cells.values()
        if cell.endswith("*")
    ]


@pytest.mark.parametrize(
    "sweep, problem, optimizer",
    [
        (0, "ravine", "gradient descent"),
        (0, "ravine", "Adam"),
        (0, "saddle", "Nesterov"),
        (0, "turned ravine", "heavy ball"),
        (1, "loss 0.1", "gradient descent"),
        (2, "all 512", "debiased average"),
        (3, "batches of 16", "held back below 3"),
    ],
)
def test_the_committed_numbers_are_found_again(sweeps, sweep, problem, optimizer):
    _, _, cell = committed_tables()[sweep][problem][optimizer].partition(" ")
    assert outcome(sweeps.tune_one(sweep, problem, optimizer)) == cell


@pytest.fixture
def small_sweep(sweeps, monkeypatch, tmp_path):
    """The script with one small table, threads in place of processes, and its results elsewhere."""
    small = sweeps.Sweep("Small", "Two rules.", {"ravine": RAVINE}, {"descent": SGD, "Adam": Adam})
    monkeypatch.setattr(sweeps, "SWEEPS", (small,))
    monkeypatch.setattr(sweeps, "STEPS", 100)
    monkeypatch.setattr(sweeps, "RESULTS", tmp_path / "results.md")
    monkeypatch.setattr(sweeps, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(sys, "argv", ["adaptive_optimizers.py", "--processes", "1"])
    return sweeps


def test_the_sweeps_show_progress_and_write_their_tables(small_sweep, capsys):
    small_sweep.main()
    *progress, last = capsys.readouterr().out.splitlines()
    assert sorted(line[:7] for line in progress) == ["[  1/2]", "[  2/2]"]
    assert "results.md" in last
    text = small_sweep.RESULTS.read_text(encoding="utf-8")
    assert "## Small\n\nTwo rules.\n\n|  | ravine |\n| --- | --- |\n| descent | **1** 67 @ 0.32 |\n" in text


def test_sweeps_that_fail_leave_the_committed_results_alone(small_sweep, monkeypatch):
    small_sweep.RESULTS.write_text("as it was", encoding="utf-8")

    def broken(*key):
        raise RuntimeError("a wrong rule")

    monkeypatch.setattr(small_sweep, "tune_one", broken)
    with pytest.raises(RuntimeError, match="a wrong rule"):
        small_sweep.main()
    assert small_sweep.RESULTS.read_text(encoding="utf-8") == "as it was"
    assert len(list(small_sweep.RESULTS.parent.iterdir())) == 1


def test_a_number_of_processes_that_can_do_nothing_is_refused(small_sweep, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["adaptive_optimizers.py", "--processes", "0"])
    with pytest.raises(SystemExit) as stop:
        small_sweep.main()
    assert stop.value.code == 2
    assert "--processes must be at least 1" in capsys.readouterr().err
