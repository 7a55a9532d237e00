"""`make experiments` and `make bench` run the scripts of their folder and end non-zero where one fails."""
from __future__ import annotations

import sys

import pytest

from tinytorch.course import cli


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


@pytest.mark.parametrize("command, folder, prefix", [("experiments", "experiments", ""), ("bench", "benchmarks", "bench_")])
def test_every_script_runs_in_order_with_this_python_at_the_root(scripts, capfd, command, folder, prefix):
    say = "import os, sys; print(__file__.rpartition(os.sep)[2], sys.executable, os.getcwd())"
    where = scripts(folder, **{f"{prefix}b": say, f"{prefix}a": say, "other": "print('not a script of this kind')"})
    if not prefix:
        (where / "other.py").unlink()
    (where / "results.md").write_text("not a script", encoding="utf-8")
    assert cli.main([command]) == 0
    lines = [line.split(" ", 1) for line in capfd.readouterr().out.splitlines()]
    assert [name for name, _ in lines] == [f"{prefix}a.py", f"{prefix}b.py"]
    assert {rest for _, rest in lines} == {f"{sys.executable} {where.parent}"}


@pytest.mark.parametrize("command, folder, prefix", [("experiments", "experiments", ""), ("bench", "benchmarks", "bench_")])
def test_a_script_that_fails_ends_it_with_one_line(scripts, capfd, command, folder, prefix):
    scripts(folder, **{f"{prefix}a": "import sys; sys.exit(3)", f"{prefix}b": "print('still run')"})
    assert cli.main([command]) == 1
    out, err = capfd.readouterr()
    assert err.splitlines() == [f"tinytorch: {folder}/{prefix}a.py ended with status 3; see above"]
    assert "still run" not in out


def test_without_scripts_it_says_what_is_missing(scripts, capfd):
    assert cli.main(["experiments"]) == 1
    assert capfd.readouterr().err == "tinytorch: experiments: no *.py here; restore them from the repository\n"
