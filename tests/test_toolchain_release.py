"""The release: the same by every route, proven on the built tree, put in place at once or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from conftest import COUNTING

from tinytorch.course import cli
from tinytorch.course.execute import execute
from tinytorch.course.leaks import Secrets
from tinytorch.course.notebooks import build
from tinytorch.course.project import CourseError, Module, Project
from tinytorch.course.release import course_config, exception_line, prove, release


ESSAY = (
    '"grade_id": "essay-even", "locked": false, "points": 2.5, "schema_version": 3, "solution": true, "task": false}'
)


@pytest.fixture
def copy(released_course: Project, tmp_path: Path) -> Project:
    """A copy of the released tiny course, to be spoilt."""
    return Project(shutil.copytree(released_course.root, tmp_path / "copy", symlinks=True))


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _change(project: Project, name: str, old: str, new: str) -> Module:
    """Change a source and build it."""
    module = project.module(name)
    text = module.source.read_text()
    assert old in text
    module.source.write_text(text.replace(old, new))
    os.utime(module.source, (time.time() + 60, time.time() + 60))
    build(project, [module])
    return module


def test_only_the_notebooks_are_released(released_course: Project):
    assert set(_tree(released_course.release_dir)) == {
        "01_doubling/doubling_dev.ipynb",
        "02_counting/counting_dev.ipynb",
    }


def test_a_solution_is_replaced_by_a_stub_that_names_it(released_course: Project):
    notebook = nbformat.read(released_course.release_dir / "01_doubling" / "doubling_dev.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == "number-class")
    assert (
        cell.source
        == '''\
#| export
class Number:
    """A number.

    Args:
        value: anything NumPy takes.
    """

    def __init__(self, value: float):
        raise NotImplementedError("exercise 'number-class': write Number.__init__")

    def double(self) -> float:
        """Twice the number."""
        raise NotImplementedError("exercise 'number-class': write Number.double")'''
    )


def test_releasing_again_gives_the_same_bytes(copy: Project):
    before = _tree(copy.release_dir)
    release(copy, copy.modules())
    assert _tree(copy.release_dir) == before


def test_the_gradebook_knows_the_graded_cells(released_course: Project):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{released_course.course_root / 'gradebook.db'}") as gradebook:
        points = {
            (notebook.assignment.name, cell.name): cell.max_score
            for assignment in gradebook.assignments
            for notebook in assignment.notebooks
            for cell in notebook.grade_cells
        }
    assert points == {
        ("01_doubling", "test-number"): 3,
        ("01_doubling", "test-double"): 2,
        ("02_counting", "test-count"): 4,
        ("02_counting", "essay-even"): 2.5,
    }


def test_nothing_scratch_is_left_behind(released_course: Project):
    assert list(released_course.build_dir.iterdir()) == []


def test_a_good_release_is_proven(copy: Project):
    assert prove(copy, copy.module("01")) == []


def _in_release(copy: Project, change: object) -> list[str]:
    """Change the released notebook of 01 with a function of it, and try to prove it."""
    path = copy.release_dir / "01_doubling" / "doubling_dev.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)
    return prove(copy, copy.module("01"))


def test_the_proof_finds_a_source_beside_the_notebook(copy: Project):
    module = copy.module("01")
    shutil.copyfile(module.source, copy.release_dir / module.name / module.source.name)
    found = prove(copy, module)
    assert "doubling_dev.py is in the release; only doubling_dev.ipynb belongs there" in found[0]
    assert any(
        "holds the solution line 'self.value = np.asarray(value, dtype=float)'" in line for line in found
    )


def test_the_proof_finds_a_solution_line_in_text_however_it_is_spaced(copy: Project):
    def plant(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[3].source += "\n\nHint: `twice=self.value+self.value`"

    assert _in_release(copy, plant) == [
        "modules/release/01_doubling/doubling_dev.ipynb: "
        "cell 4 (markdown) holds the solution line 'twice = self.value + self.value'"
    ]


def test_the_proof_finds_anything_but_the_invitation_where_students_answer_in_words(copy: Project):
    path = copy.release_dir / "02_counting" / "counting_dev.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source += " Two sentences will do."
    nbformat.write(notebook, path)
    [line] = prove(copy, copy.module("02"))
    assert "cell 'essay-even' is not the source with its solutions replaced" in line


def test_the_proof_finds_an_answer_in_words_that_gets_points_by_itself(copy: Project):
    from tinytorch.course.execute import run_notebook
    from tinytorch.course.notebooks import read_source
    from tinytorch.course.release import prove_blank, prove_reference

    reference = read_source(copy.module("02"))
    assert prove_reference(run_notebook(copy, reference)) == []
    released = nbformat.read(copy.release_dir / "02_counting" / "counting_dev.ipynb", as_version=4)
    assert [line for line in prove_reference(run_notebook(copy, released)) if "essay" in line] == [
        "cell 'essay-even' is a written answer, but was given points without a person"
    ]
    released.cells[-1].source = "Never."
    [line] = prove_blank(run_notebook(copy, released))
    assert line == "cell 'essay-even' waits for a person's mark for blank work; it must give 0"


def test_the_proof_finds_a_solution_line_in_an_output(copy: Project):
    def plant(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="return float(twice)\n")]

    found = _in_release(copy, plant)
    assert any("holds the solution line 'return float(twice)' in its outputs" in line for line in found)


def test_the_proof_finds_a_solution_line_in_metadata(copy: Project):
    def plant(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[0].metadata["tags"] = ["return float(twice)"]

    assert any("in its outputs or metadata" in line for line in _in_release(copy, plant))


def test_the_proof_finds_an_output_and_an_execution_count(copy: Project):
    def plant(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="8.0\n")]
        notebook.cells[-1].execution_count = 3

    found = _in_release(copy, plant)
    assert any("cell 8 (code) has outputs" in line for line in found)
    assert any("cell 8 (code) has an execution count" in line for line in found)


def test_the_proof_finds_left_over_metadata(copy: Project):
    def plant(notebook: nbformat.NotebookNode) -> None:
        notebook.metadata["jupytext"] = {"formats": "ipynb,py"}
        notebook.cells[1].metadata["lines_to_next_cell"] = 2

    found = _in_release(copy, plant)
    assert any("the notebook has metadata 'jupytext'" in line for line in found)
    assert any("cell 2 (code) has metadata 'lines_to_next_cell'" in line for line in found)


def test_the_proof_finds_a_weakened_test(copy: Project):
    def plant(notebook: nbformat.NotebookNode) -> None:
        next(cell for cell in notebook.cells if cell.id == "test-double").metadata["nbgrader"]["points"] = 1

    assert any("cell 'test-double' has other nbgrader metadata" in line for line in _in_release(copy, plant))


def test_the_proof_finds_a_release_of_an_older_source(copy: Project):
    _change(copy, "01", "twice of it", "twice it")
    assert any(
        "cell 4 (markdown) is not the source with its solutions replaced" in line
        for line in prove(copy, copy.module("01"))
    )


def test_a_missing_release_is_one_line(copy: Project):
    shutil.rmtree(copy.release_dir / "01_doubling")
    assert prove(copy, copy.module("01")) == [
        "modules/release/01_doubling/doubling_dev.ipynb: there is no release; run `make release`"
    ]


def test_given_code_and_short_lines_are_no_secrets(course: Project):
    secrets = Secrets.of(course.modules())
    assert set(secrets.lines.values()) == {
        "self.value = np.asarray(value, dtype=float)",
        "twice = self.value + self.value",
        "return float(twice)",
        "for value in values:",
        "total += Number(value).double()",
        "Never: twice a whole number is even, and so is every sum of even numbers.",
        "**Marking.** 1 point for the doubled number, 1.5 points for the sum.",
    }
    given = COUNTING + "\n# %%\ndef given(values):\n    for value in values:\n        return float(twice)\n"
    course.module("02").source.write_text(given)
    assert "for value in values:" not in Secrets.of(course.modules()).lines.values()


@pytest.mark.parametrize(
    ("name", "old", "new", "failure"),
    [
        (
            "01",
            '    assert Number(1.5).double() == 3.0, "twice 1.5 is 3.0"',
            "    pass",
            "cell 'test-double' gives 2 of 2 points for blank work; it must give 0",
        ),
        (
            "01",
            "# %% [markdown]\n# ## Exercise",
            "# %%\nNumber\n\n# %% [markdown]\n# ## Exercise",
            "cell 4 (code) raised NameError: name 'Number' is not defined",
        ),
        (
            "01",
            "print(Number(4.0).double())",
            "print(undefined)",
            "cell 8 (code) raises NameError: name 'undefined' is not defined on blank work",
        ),
        (
            "01",
            '# %% tags=["demo", "raises-exception"]\n',
            "# %%\n",
            "blank work does not run to the end: cell 8 (code) raised NotImplementedError: exercise '",
        ),
        (
            "01",
            "assert Number(1.5).double() == 3.0",
            "import math\n    math.sqrt('two')",
            "cell 'test-double' raises TypeError",
        ),
        (
            "01",
            ".double() == 3.0",
            ".double() == 4.0",
            "cell 'test-double': the reference raises AssertionError: twice",
        ),
        (
            "01",
            '    assert Number(1.5).double() == 3.0, "twice 1.5 is 3.0"',
            "    import sys\n    Number(1.5)\n    print('careful', file=sys.stderr)",
            "cell 'test-double' gives the reference 0 of 2 points; it must give all",
        ),
        (
            "02",
            '"2 + 4 is 6"\n',
            '"2 + 4 is 6"\n    print("good")\n',
            "cell 'test-count' prints or returns something; a graded cell is silent",
        ),
        (
            "02",
            'count([1.0, 2.0]) == 6.0, "2',
            'count(NUMBERS) == 6.0, "2',
            "cell 'test-count': the reference raises NameError: name 'NUMBERS' is not defined",
        ),
        (
            "01",
            "# Keep the value as an array",
            "# Write `self.value = np.asarray(value, dtype=float)`",
            "cell 4 (markdown) holds the solution line 'self.value = np.asarray(value, dtype=float)'",
        ),
        (
            "02",
            "# Of whole numbers",
            "# Never: twice a whole number is even, and so is every sum of even numbers. Of whole numbers",
            "cell 6 (markdown) holds the solution line 'Never: twice a whole number is even, and so is every",
        ),
        (
            "02",
            f'[markdown] nbgrader={{"grade": true, {ESSAY}',
            "[markdown]",
            "02_counting: cell 7 (markdown) has solution marks but no \"solution\": true; see `make check`",
        ),
        (
            "02",
            f'"grade": true, {ESSAY}',
            '"grade": false, "grade_id": "essay-even", "locked": false, "schema_version": 3, "solution": true, '
            '"task": false}',
            "02_counting: cell 'essay-even' has a model answer but no \"grade\": true; see `make check`",
        ),
        (
            "02",
            "# ### BEGIN SOLUTION\n# Never",
            "# Never",
            "counting_dev.py: cell 'essay-even': '### END SOLUTION' without '### BEGIN SOLUTION' before it",
        ),
    ],
)
def test_what_may_not_be_released_is_refused_and_the_last_release_stays(
    copy: Project, name: str, old: str, new: str, failure: str
):
    before = _tree(copy.release_dir)
    gradebook = (copy.course_root / "gradebook.db").read_bytes()
    _change(copy, name, old, new)
    with pytest.raises(CourseError) as caught:
        release(copy, copy.modules())
    assert failure in str(caught.value)
    assert _tree(copy.release_dir) == before
    assert (copy.course_root / "gradebook.db").read_bytes() == gradebook
    assert list(copy.build_dir.iterdir()) == []


def test_a_mark_out_of_place_is_told_with_its_cell(copy: Project):
    for old, cell in (("# ### BEGIN SOLUTION\n", "essay-even"), ("    ### BEGIN SOLUTION\n", "count-function")):
        _change(copy, "02", old, "")
        with pytest.raises(CourseError) as caught:
            release(copy, [copy.module("02")])
        assert str(caught.value) == (
            f"02_counting: cell '{cell}': '### END SOLUTION' without '### BEGIN SOLUTION' before it"
        )


def test_a_demo_may_define_nothing_that_grading_needs(copy: Project):
    _change(
        copy,
        "02",
        '# %% nbgrader={"grade": true',
        '# %% tags=["demo", "raises-exception"]\nNUMBERS = [1.0, 2.0]\n\n# %% nbgrader={"grade": true',
    )
    _change(copy, "02", "count([1.0, 2.0]) == 6.0", "count(NUMBERS) == 6.0")
    with pytest.raises(CourseError, match="the reference raises NameError: name 'NUMBERS' is not defined"):
        release(copy, [copy.module("02")])


def test_a_stale_notebook_is_not_released(copy: Project):
    module = copy.module("01")
    module.source.write_text(module.source.read_text().replace("twice of it", "twice it"))
    with pytest.raises(
        CourseError, match="doubling_dev.ipynb does not match doubling_dev.py; run `make notebooks` first"
    ):
        release(copy, [module])


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_cells_that_submissions_do_not_have_are_explained(copy: Project):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{copy.course_root / 'gradebook.db'}") as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("02_counting", "ada")
    _change(
        copy,
        "02",
        "test_count()\n",
        'test_count()\n\n# %% nbgrader={"grade": false, "grade_id": "given", '
        '"locked": true, "schema_version": 3, "solution": false, "task": false}\n1\n',
    )
    with pytest.raises(
        CourseError, match="02_counting: modules/gradebook.db has submissions made with other cells"
    ):
        release(copy, [copy.module("02")])


def test_an_option_nbgrader_does_not_know_stops_the_release(copy: Project):
    path = copy.root / "nbgrader_config.py"
    path.write_text(path.read_text() + "\nget_config().ClearSolutions.code_stubb = {}\n")
    with pytest.raises(CourseError, match="nbgrader_config.py: .*code_stubb"):
        release(copy, [copy.module("01")])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            '"grade_id": "test-count"',
            '"grade_id": "test-count", "hint": "m"',
            "ValidationError: Additional properties are not allowed ('hint' was unexpected)",
        ),
        (
            '"points": 4, "schema_version": 3, "solution": false, "task": false',
            '"points": 4, "schema_version": 3, "solution": false, "task": true',
            "ValidationError: Task cells have to be markdown: def test_count():",
        ),
    ],
)
def test_what_nbgrader_refuses_is_told_by_its_reason(copy: Project, old: str, new: str, reason: str):
    _change(copy, "02", old, new)
    with pytest.raises(CourseError) as caught:
        release(copy, [copy.module("02")])
    assert str(caught.value) == f"02_counting: {reason}; `make check` may say where"


def test_a_release_for_a_gradebook_that_is_none_names_the_gradebook(copy: Project):
    (copy.course_root / "gradebook.db").write_bytes(b"this is no database at all, not even nearly one")
    with pytest.raises(CourseError) as caught:
        release(copy, [copy.module("02")])
    text = str(caught.value)
    assert text.startswith("02_counting: the gradebook modules/gradebook.db cannot be used: ")
    assert "file is not a database" in text and "\n" not in text and "sqlalche.me" not in text


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        ("Traceback (most recent call last):\n  File a\n    f()\na.b.SomeError: why\nmore\n  x: y\n", "SomeError: why"),
        ("Traceback (most recent call last):\n  File a\nKeyboardInterrupt\n", "KeyboardInterrupt"),
        (
            "Traceback (most recent call last):\n  File a\nKeyError: 1\n\nDuring handling of the above exception, "
            "another exception occurred:\n\nTraceback (most recent call last):\n  File a\nx.CourseError: do: this\n",
            "do: this",
        ),
    ],
)
def test_the_line_that_says_why_is_found_in_a_traceback(trace: str, line: str):
    assert exception_line(trace) == line


def test_what_the_system_refuses_is_one_line(
    copy: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(copy.root)

    def told(*command: str) -> str:
        capsys.readouterr()
        assert cli.main([*command]) == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if "proven" not in line]
        assert len(lines) == 1, lines
        return lines[0]

    shutil.rmtree(copy.release_dir)
    copy.release_dir.write_text("a file")
    line = told("release", "01")
    assert line.startswith("tinytorch: modules/release: File exists; move what is there away")
    notebook = copy.module("01").notebook
    notebook.unlink()
    notebook.mkdir()
    line = told("notebooks", "01")
    assert line.startswith("tinytorch: modules/source/01_doubling/doubling_dev.ipynb: Is a directory; a file belongs")
    assert [entry.name for entry in notebook.parent.iterdir() if entry.name.startswith(".")] == []
    module = copy.module("02")
    (copy.core_dir / "counting.py").unlink()

    def full(handle: int, mode: str) -> object:
        os.close(handle)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tinytorch.course.project.os.fdopen", full)
    line = told("export", module.name)
    assert line == "tinytorch: No space left on device; make room on this disk, then run this again"


def test_the_command_tells_all_that_is_wrong_line_by_line(
    copy: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    _change(copy, "01", '    assert Number(1.5).double() == 3.0, "twice 1.5 is 3.0"', "    pass")
    _change(copy, "01", '    assert Number(2.0).value == 2.0, "Number(2.0) should keep 2.0"', "    pass")
    monkeypatch.chdir(copy.root)
    assert cli.main(["release", "--module", "01"]) == 1
    path = "tinytorch: modules/release/01_doubling/doubling_dev.ipynb"
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("tinytorch: ")] == [
        f"{path}: cell 'test-number' gives 3 of 3 points for blank work; it must give 0",
        f"{path}: cell 'test-double' gives 2 of 2 points for blank work; it must give 0",
    ]


def test_executing_keeps_the_outputs_outside_the_sources(copy: Project):
    before = _tree(copy.source_dir)
    (path, *_) = execute(copy, copy.modules())
    assert path == copy.build_dir / "executed" / "01_doubling.ipynb"
    assert nbformat.read(path, as_version=4).cells[-1].outputs[0].text == "8.0\n"
    assert _tree(copy.source_dir) == before


def test_executing_fails_on_an_error_that_is_tagged_as_allowed(copy: Project):
    _change(copy, "01", "print(Number(4.0).double())", "1 / 0")
    with pytest.raises(
        CourseError,
        match=r"doubling_dev.py: cell 8 \(code\) \(line 66\): the reference raises ZeroDivisionError",
    ):
        execute(copy, copy.modules())


def test_later_modules_run_on_the_package_of_this_checkout(copy: Project):
    path = copy.core_dir / "doubling.py"
    path.write_text(path.read_text().replace("self.value + self.value", "self.value + 1000"))
    with pytest.raises(
        CourseError, match=r"cell 'test-count' \(line 37\): the reference raises AssertionError"
    ):
        execute(copy, [copy.module("02")])


def test_one_command_does_it_all(
    course: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(course.course_root)
    assert cli.main(["course"]) == 0
    titles = [line for line in capsys.readouterr().out.splitlines() if line.startswith("== ")]
    assert titles == ["== notebooks", "== export", "== execute", "== check", "== release", "== examples"]
    assert set(_tree(course.release_dir)) == {
        "01_doubling/doubling_dev.ipynb",
        "02_counting/counting_dev.ipynb",
    }
    assert (course.core_dir / "counting.py").is_file()


def test_cleaning_keeps_what_people_made(
    copy: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    kept = [
        copy.course_root / "gradebook.db",
        copy.course_root / "submitted" / "ada" / "01_doubling" / "x.ipynb",
        copy.course_root / "autograded" / "ada" / "x.ipynb",
        copy.course_root / "grades.csv",
        copy.module("01").source,
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(copy.root)
    assert cli.main(["clean"]) == 0
    assert all(path.is_file() for path in kept)
    assert not list(copy.source_dir.rglob("*.ipynb"))
    assert not copy.release_dir.exists() and not copy.build_dir.exists()


# The same release by every route.


def _environment(**more: str) -> dict[str, str]:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "JUPYTER"))
    }
    return {**environment, **more}


def _without_release(project: Project) -> dict[str, bytes]:
    expected = _tree(project.release_dir)
    shutil.rmtree(project.release_dir)
    return expected


@pytest.mark.parametrize("folder", [".", "modules"])
def test_nbgraders_own_command_makes_the_same_release(copy: Project, folder: str):
    expected = _without_release(copy)
    for module in copy.modules():
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", "generate_assignment", module.name, "--force"],
            cwd=copy.root / folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "not recognized" not in done.stderr
        assert "No nbgrader_config.py file found" not in done.stderr
    assert _tree(copy.release_dir) == expected


def test_nbgraders_own_command_refuses_a_leak_too(copy: Project):
    _change(copy, "01", "# Keep the value", "# Write `return float(twice)`; keep the value")
    (copy.source_dir / "02_counting" / "solutions.txt").write_text("42")
    for name, reason in (
        ("01_doubling", "holds the solution line"),
        ("02_counting", "solutions.txt is in the release"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", "generate_assignment", name, "--force"],
            cwd=copy.root,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert reason in done.stderr
        assert not (copy.release_dir / name).exists()


@pytest.fixture
def server(copy: Project, tmp_path: Path) -> Iterator[str]:
    """A Jupyter server with formgrader, started elsewhere; `make setup` writes the file it finds."""
    config, elsewhere = tmp_path / "etc", tmp_path / "elsewhere"
    config.mkdir()
    elsewhere.mkdir()
    (config / "nbgrader_config.py").write_text(cli.jupyter_config_text(copy))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "jupyter_server",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--IdentityProvider.token=secret",
        f"--ServerApp.root_dir={copy.root}",
        "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
    ]
    environment = _environment(
        JUPYTER_CONFIG_PATH=str(config),
        JUPYTER_RUNTIME_DIR=str(tmp_path / "runtime"),
        JUPYTER_DATA_DIR=str(tmp_path / "data"),
    )
    with open(tmp_path / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=elsewhere, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/api?token=secret")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def test_formgraders_button_makes_the_same_release(copy: Project, server: str):
    expected = _without_release(copy)
    for module in copy.modules():
        request = urllib.request.Request(
            f"{server}/formgrader/api/assignment/{module.name}/assign",
            method="POST",
            headers={"Authorization": "token secret"},
        )
        with urllib.request.urlopen(request) as answer:
            said = json.load(answer)
        assert said["success"], said
    assert _tree(copy.release_dir) == expected


def test_the_configuration_is_the_same_from_both_folders(copy: Project):
    from traitlets.config.loader import PyFileConfigLoader

    inner = PyFileConfigLoader("nbgrader_config.py", path=str(copy.course_root)).load_config()
    assert inner == course_config(copy)
    assert inner.CourseDirectory.root == str(copy.course_root)
    assert "*.py" in inner.CourseDirectory.ignore
