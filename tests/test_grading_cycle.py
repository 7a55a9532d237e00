"""The whole way of a class: submissions in, grades out, whatever some of the files look like."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from tinytorch.course import grading
from tinytorch.course.grading import execute as execution
from tinytorch.course.grading.cycle import grade
from tinytorch.course.grading.record import rows
from tinytorch.course.grading.restore import restore
from tinytorch.course.grading.tree import CourseTree
from tinytorch.course.notebooks import notebook_text, read_source
from tinytorch.course.project import CourseError, Project

NAME = "01_doubling"


@pytest.fixture
def project(released_course: Project, tmp_path: Path) -> Project:
    """A released course of its own, with no submissions."""
    copied = tmp_path / "the course"
    shutil.copytree(released_course.root, copied, symlinks=True)
    return Project(copied)


def blank(project: Project):
    import nbformat

    module = project.module(NAME)
    return nbformat.read(project.release_dir / NAME / module.notebook.name, as_version=4)


def good(project: Project):
    """The release with the reference's answers."""
    notebook, reference = blank(project), read_source(project.module(NAME))
    for cell, answer in zip(notebook.cells, reference.cells):
        cell.source = answer.source
    return notebook


def wrong(project: Project):
    """Only ``double`` is wrong."""
    notebook = good(project)
    answer = next(cell for cell in notebook.cells if cell.id == "number-class")
    answer.source = answer.source.replace("self.value + self.value", "self.value * self.value")
    return notebook


def hand_in(project: Project, student: str, what) -> Path:
    path = project.course_root / "submitted" / student / NAME / "doubling_dev.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(what if isinstance(what, bytes) else notebook_text(what).encode())
    return path


def with_cell(notebook, source: str, before: str | None = None):
    """A copy with one more code cell, before the cell called ``before`` or at the end."""
    changed = copy.deepcopy(notebook)
    at = next((n for n, cell in enumerate(changed.cells) if cell.id == before), len(changed.cells))
    changed.cells.insert(at, new_code_cell(source))
    return changed


def graded(project: Project, **options) -> dict[str, dict[str, float | None]]:
    """Grade the class quietly; the points of each student."""
    report = grade(CourseTree.of(project), [project.module(NAME)], **options)
    return {row.student: row.points for row in report.rows}


FULL = {"test-number": 3.0, "test-double": 2.0}
NONE = {"test-number": 0.0, "test-double": 0.0}


def test_a_class_with_every_kind_of_submission(project: Project):
    hand_in(project, "anna", good(project))
    hand_in(project, "blank", blank(project))
    hand_in(project, "empty", b"")
    hand_in(project, "latin", "é".encode("latin-1"))
    hand_in(project, "half", notebook_text(good(project)).encode()[:500])
    hand_in(project, "wrong", wrong(project))
    hand_in(project, "renamed", b"{}").rename(
        project.course_root / "submitted" / "renamed" / NAME / "homework (1).ipynb"
    )
    (project.course_root / "submitted" / "nothing" / NAME).mkdir(parents=True)
    (project.course_root / "submitted" / "nothing" / "02_counting.ipynb").write_text("{}")
    (project.course_root / "submitted" / "typo" / "01_dubbling").mkdir(parents=True)
    out = io.StringIO()
    with pytest.raises(CourseError, match="^7 submissions need a look: see the lines marked"):
        grading.autograde(project, [project.module(NAME)], out=out)
    text = out.getvalue()
    assert (
        text[text.index("\n01_doubling\n") :]
        == """
01_doubling

student    number  double  total
--------------------------------
anna            3       2      5
blank           0       0      0
empty *         0       0      0
half *          0       0      0
latin *         0       0      0
nothing *       0       0      0
renamed *       0       0      0
wrong           3       0      3
--------------------------------
maximum         3       2      5
* empty: the file is empty
* half: not a notebook: not JSON from line 29 on (Unterminated string starting at)
* latin: not UTF-8 (byte 0)
* nothing: no doubling_dev.ipynb in the folder
* renamed: no doubling_dev.ipynb, but 'homework (1).ipynb'; rename it
! submitted/nothing/02_counting.ipynb: a file; it belongs into submitted/nothing/NN_name/
! submitted/typo/01_dubbling: no module is called that; there are 01_doubling, 02_counting
"""
    )
    assert [line.split()[2] for line in text.splitlines()[:8]] == [
        "anna",
        "blank",
        "empty",
        "half",
        "latin",
        "nothing",
        "renamed",
        "wrong",
    ]


def test_a_class_without_a_fault_ends_well_and_is_not_graded_twice(project: Project):
    hand_in(project, "anna", good(project))
    out = io.StringIO()
    report = grading.autograde(project, [project.module(NAME)], out=out)
    assert [row.points for row in report.rows] == [FULL] and report.unusual == 0
    file = project.course_root / "autograded" / "anna" / NAME / "doubling_dev.ipynb"
    first = file.stat()
    out = io.StringIO()
    report = grading.autograde(project, [project.module(NAME)], out=out)
    assert [row.points for row in report.rows] == [FULL]
    assert "graded before, nothing has changed" in out.getvalue()
    assert file.stat().st_mtime_ns == first.st_mtime_ns
    grading.autograde(project, [project.module(NAME)], force=True, out=io.StringIO())
    assert file.stat().st_mtime_ns != first.st_mtime_ns


def test_a_gradebook_that_was_moved_away_is_filled_again(project: Project):
    from tinytorch.course.release import generate

    hand_in(project, "anna", good(project))
    assert graded(project) == {"anna": FULL}
    (project.course_root / "gradebook.db").unlink()
    with pytest.raises(
        CourseError, match="^the gradebook does not know 01_doubling; run `make release MODULE=01` first"
    ):
        graded(project)
    generate(project, [project.module(NAME)], project.build_dir / "again")
    assert graded(project) == {"anna": FULL}


KILL = "import os\nos._exit(1)"


def test_grading_again_leaves_no_old_score(project: Project):
    again = {
        "died early": (
            with_cell(good(project), KILL, "number-class"),
            NONE,
            "cell 5 (code) ended its kernel",
        ),
        "died late": (
            with_cell(good(project), KILL, "test-double"),
            {**FULL, "test-double": 0.0},
            "cell 7 (code) ended its kernel",
        ),
        "emptied": (b"", NONE, "the file is empty"),
        "worse": (wrong(project), {**FULL, "test-double": 0.0}, None),
    }
    for student in again:
        hand_in(project, student, good(project))
    assert graded(project) == dict.fromkeys(again, FULL)
    for student, (notebook, _, _) in again.items():
        hand_in(project, student, notebook)
    report = grade(CourseTree.of(project), [project.module(NAME)])
    wanted = {student: points for student, (_, points, _) in again.items()}
    assert {row.student: row.points for row in report.rows} == wanted
    assert {row.student: row.notes for row in report.rows} == {
        student: (note,) if note else () for student, (_, _, note) in again.items()
    }
    # and so says the gradebook itself, asked afresh
    assert {row.student: row.points for row in rows(CourseTree.of(project), project.module(NAME))} == wanted


def test_a_deleted_test_cell_is_put_back_and_scored(project: Project):
    hand_in(project, "anna", good(project))
    hand_in(project, "wrong", wrong(project))
    assert graded(project)["wrong"]["test-double"] == 0.0
    for student, notebook in (("anna", good(project)), ("wrong", wrong(project))):
        notebook.cells = [cell for cell in notebook.cells if cell.id != "test-double"]
        hand_in(project, student, notebook)
    assert graded(project) == {"anna": FULL, "wrong": {**FULL, "test-double": 0.0}}


def test_what_a_person_entered_stays_and_asks_to_be_looked_at_again(project: Project):
    hand_in(project, "anna", wrong(project))
    graded(project)
    tree = CourseTree.of(project)
    with tree.gradebook() as gradebook:
        mark = gradebook.find_grade("test-double", "doubling_dev", NAME, "anna")
        mark.manual_score, mark.extra_credit = 1.5, 0.25
        gradebook.find_comment("number-class", "doubling_dev", NAME, "anna").manual_comment = "nearly"
        gradebook.db.commit()
    hand_in(project, "anna", blank(project))
    assert graded(project) == {"anna": {"test-number": 0.0, "test-double": 1.75}}
    with tree.gradebook() as gradebook:
        mark = gradebook.find_grade("test-double", "doubling_dev", NAME, "anna")
        assert (mark.auto_score, mark.manual_score, mark.needs_manual_grade) == (0.0, 1.5, True)
        comment = gradebook.find_comment("number-class", "doubling_dev", NAME, "anna")
        assert (comment.manual_comment, comment.auto_comment) == ("nearly", "No response.")


def test_late_work_loses_what_the_course_says(project: Project):
    import datetime

    with (project.root / "nbgrader_config.py").open("a") as file:
        file.write("get_config().LateSubmissionPlugin.penalty_method = 'zero'\n")
    with CourseTree.of(project).gradebook() as gradebook:
        gradebook.update_or_create_assignment(NAME, duedate=datetime.datetime(2026, 2, 1))
    for student, day in (("early", 1), ("late", 3)):
        stamp = hand_in(project, student, wrong(project)).with_name("timestamp.txt")
        stamp.write_text(f"2026-0{day}-01 12:00:00 UTC\n")
    report = grade(CourseTree.of(project), [project.module(NAME)])
    assert {row.student: (row.penalty, row.total) for row in report.rows} == {
        "early": (0.0, 3.0),
        "late": (3.0, 0.0),
    }


def test_a_fault_of_the_grader_is_one_row_and_no_old_score(project: Project, monkeypatch):
    hand_in(project, "anna", good(project))
    hand_in(project, "bob", good(project))
    assert graded(project) == {"anna": FULL, "bob": FULL}

    def fails_once(notebook, released):
        if any("mine" in cell.source for cell in notebook.cells):
            raise KeyError("something nobody thought of")
        return restore(notebook, released)

    monkeypatch.setattr("tinytorch.course.grading.cycle.restore", fails_once)
    hand_in(project, "anna", with_cell(good(project), "mine = 1"))
    report = grade(CourseTree.of(project), [project.module(NAME)], force=True)
    assert {row.student: row.points for row in report.rows} == {"anna": NONE, "bob": FULL}
    assert report.rows[0].notes == ("the grader failed: KeyError: 'something nobody thought of'",)


def test_one_student_only(project: Project):
    hand_in(project, "anna", good(project))
    hand_in(project, "bob", good(project))
    assert graded(project, student="bob") == {"bob": FULL}
    assert not (project.course_root / "autograded" / "anna").exists()


def test_submissions_do_not_meet_each_other_nor_other_files(project: Project):
    """A start-up file, a module named like NumPy, a file written: the next student sees none of it."""
    plant = (
        "import IPython, pathlib\n"
        "folder = pathlib.Path(IPython.paths.get_ipython_dir()) / 'profile_default' / 'startup'\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / '00.py').write_text('planted = 1')\n"
        "pathlib.Path('numpy.py').write_text('planted = 1')"
    )
    look = (
        "import pathlib, numpy\nassert 'planted' not in globals() and not hasattr(numpy, 'planted')\n"
        "assert list(pathlib.Path().glob('*.py')) == []"
    )
    hand_in(project, "anna", with_cell(blank(project), plant))
    hand_in(project, "bob", with_cell(good(project), look + "\nseen = 1", "test-number"))
    beside = project.course_root / "submitted" / "bob" / NAME / "numpy.py"
    beside.write_text("planted = 1")
    assert graded(project) == {"anna": NONE, "bob": FULL}
    executed = json.loads(
        (project.course_root / "autograded" / "bob" / NAME / "doubling_dev.ipynb").read_text()
    )
    [mine] = [cell for cell in executed["cells"] if "seen = 1" in "".join(cell["source"])]
    assert mine["outputs"] == []


def test_a_cell_that_does_not_end_is_interrupted_and_the_rest_is_scored(project: Project):
    notebook = with_cell(good(project), "import time\ntime.sleep(600)", "test-number")
    done = execution.execute(project, notebook, cell_seconds=3)
    assert done.notes == ("cell 6 (code) ran longer than 3 s",)
    from tinytorch.course.grading.score import score

    assert {cell.grade_id: cell.points for cell in score(done.notebook)} == FULL


def test_a_cell_that_cannot_be_interrupted_ends_the_run_but_keeps_what_was_earned(project: Project):
    stubborn = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)"
    notebook = with_cell(good(project), stubborn, "test-double")
    done = execution.execute(project, notebook, cell_seconds=3)
    assert done.notes[-1] == "cell 7 (code) could not be interrupted"
    from tinytorch.course.grading.score import score

    assert {cell.grade_id: cell.points for cell in score(done.notebook)} == {**FULL, "test-double": 0.0}


def test_demonstrations_of_the_release_are_left_out_and_own_cells_run(project: Project):
    notebook = with_cell(good(project), "print('mine')")
    hand_in(project, "anna", notebook)
    graded(project)
    executed = json.loads(
        (project.course_root / "autograded" / "anna" / NAME / "doubling_dev.ipynb").read_text()
    )
    outputs = {"".join(cell["source"]): cell.get("outputs") for cell in executed["cells"]}
    assert outputs["print(Number(4.0).double())"] == []
    assert outputs["print('mine')"][0]["text"] == ["mine\n"]


def test_text_on_stderr_costs_points_and_is_told(project: Project):
    notebook = good(project)
    answer = next(cell for cell in notebook.cells if cell.id == "number-class")
    answer.source = answer.source.replace("twice =", "import sys; print('hm', file=sys.stderr); twice =")
    hand_in(project, "anna", notebook)
    report = grade(CourseTree.of(project), [project.module(NAME)])
    assert report.rows[0].notes == ("cell 'test-double' has no points because of text on stderr: hm",)
    assert report.rows[0].points == {**FULL, "test-double": 0.0}


# ---------------------------------------------------------------------- nothing to grade


def test_no_submissions_at_all(project: Project):
    place = "modules/submitted/STUDENT/01_doubling/doubling_dev.ipynb"
    with pytest.raises(CourseError, match=f"^no submission for 01_doubling; put it at {place}$"):
        graded(project)


def test_a_student_who_handed_in_nothing(project: Project):
    hand_in(project, "anna", good(project))
    with pytest.raises(
        CourseError, match="^no submission of 'bob' for 01_doubling; put it at modules/submitted/bob/01_"
    ):
        graded(project, student="bob")


def test_submissions_in_the_wrong_place_are_pointed_at(project: Project):
    place = project.course_root / "submitted" / "anna.ipynb"
    place.parent.mkdir()
    place.write_text("{}")
    with pytest.raises(
        CourseError, match="; but submitted/anna.ipynb: a file; it belongs into submitted/STUDENT/NN_na"
    ):
        graded(project)


def test_no_release(project: Project):
    hand_in(project, "anna", good(project))
    shutil.rmtree(project.release_dir / NAME)
    with pytest.raises(
        CourseError, match="^01_doubling has not been released; run `make release MODULE=01` first$"
    ):
        graded(project)


def test_a_release_the_gradebook_does_not_know(project: Project):
    import nbformat

    hand_in(project, "anna", good(project))
    path = project.release_dir / NAME / "doubling_dev.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.id == "test-double").metadata.nbgrader.points = 7
    path.write_text(notebook_text(notebook))
    with pytest.raises(
        CourseError, match="^01_doubling: gradebook and release differ in test-double; run `make release"
    ):
        graded(project)


def test_a_gradebook_that_is_none(project: Project):
    hand_in(project, "anna", good(project))
    (project.course_root / "gradebook.db").write_bytes(b"this is no database at all, not even nearly one")
    with pytest.raises(CourseError) as error:
        graded(project)
    assert str(error.value).startswith("the gradebook sqlite:///") and "\n" not in str(error.value)


@pytest.mark.parametrize("command", [grading.feedback, grading.grades])
def test_nothing_graded_yet(project: Project, command):
    with pytest.raises(CourseError, match="^nothing has been graded yet of 0[12]_.*; run `make autograde` first$"):
        command(project, [project.module(NAME)], out=io.StringIO())


# ---------------------------------------------------------------------- handing out


def test_feedback_and_csv(project: Project, tmp_path: Path):
    hand_in(project, "anna", good(project))
    hand_in(project, "bob [2]", wrong(project))
    hand_in(project, "=cmd", b"")
    graded(project)
    modules = [project.module(NAME)]
    out = io.StringIO()
    places = grading.feedback(project, modules, out=out)
    assert [place.parent.name for place in places] == ["anna", "bob [2]"]
    page = (places[1] / "doubling_dev.html").read_text()
    summary = page[page.index('id="course-summary"') : page.index("</table>")]
    assert "<title>01_doubling · bob [2]</title>" in page
    assert "3 of 5 points." in summary and summary.count('class="lost"') == 1
    assert '<a href="#test-double">test-double</a>' in summary and "0 / 2" in summary
    assert "AssertionError: twice 1.5 is 3.0" in summary
    assert out.getvalue().splitlines()[0] == "01_doubling  1/2  modules/feedback/anna/01_doubling"

    out = io.StringIO()
    grading.grades(project, modules, out=out)
    assert (
        (project.course_root / "grades.csv").read_text()
        == """\
student,assignment,graded_cell,score,max_score,note
'=cmd,01_doubling,test-number,0,3,
'=cmd,01_doubling,test-double,0,2,
'=cmd,01_doubling,total,0,5,the file is empty
anna,01_doubling,test-number,3,3,
anna,01_doubling,test-double,2,2,
anna,01_doubling,total,5,5,
bob [2],01_doubling,test-number,3,3,
bob [2],01_doubling,test-double,0,2,
bob [2],01_doubling,total,3,5,
"""
    )
    assert "* =cmd: the file is empty" in out.getvalue()
    grading.grades(project, modules, csv=tmp_path / "elsewhere.csv", out=io.StringIO())
    assert (tmp_path / "elsewhere.csv").read_bytes() == (project.course_root / "grades.csv").read_bytes()
    with pytest.raises(CourseError, match="cannot be written: .*; choose another file$"):
        grading.grades(project, modules, csv=tmp_path, out=io.StringIO())


def test_a_page_that_cannot_be_made_is_told_and_the_others_are_made(project: Project):
    for student in ("anna", "bob"):
        hand_in(project, student, blank(project))
    graded(project)
    broken = project.course_root / "autograded" / "anna" / NAME / "doubling_dev.ipynb"
    broken.chmod(0o644)
    broken.write_text("{}")
    with pytest.raises(CourseError) as error:
        grading.feedback(project, [project.module(NAME)], out=io.StringIO())
    assert str(error.value).startswith(f"no feedback for anna {NAME}: nbgrader could not make the page: ")
    assert "Please see" not in str(error.value) and "gave no reason" not in str(error.value)
    assert (project.course_root / "feedback" / "bob" / NAME / "doubling_dev.html").is_file()


def test_feedback_of_what_can_no_longer_be_read_is_taken_away(project: Project):
    hand_in(project, "anna", good(project))
    graded(project)
    [place] = grading.feedback(project, [project.module(NAME)], out=io.StringIO())
    hand_in(project, "anna", b"")
    graded(project)
    assert not place.exists()


def test_formgrader_sees_what_was_graded_here(project: Project):
    from nbgrader.apps.api import NbGraderAPI

    stamp = hand_in(project, "anna", wrong(project)).with_name("timestamp.txt")
    stamp.write_text("2026-02-03 04:05:06 UTC\n")
    hand_in(project, "bob", good(project)).with_name("timestamp.txt").write_text("yesterday, I think")
    report = grade(CourseTree.of(project), [project.module(NAME)])
    assert {row.student: row.notes for row in report.rows} == {
        "anna": (),
        "bob": ("timestamp.txt holds no time; graded as if there were none",),
    }
    stamp.parents[1].parent.joinpath("bob", NAME, "timestamp.txt").unlink()
    api = NbGraderAPI(CourseTree.of(project).directory(), config=CourseTree.of(project).config)
    seen = {each["student"]: each for each in api.get_submissions(NAME)}
    assert {name: (each["autograded"], each["score"]) for name, each in seen.items()} == {
        "anna": (True, 3.0),
        "bob": (True, 5.0),
    }
    assert seen["anna"]["timestamp"] == "2026-02-03T04:05:06"
    # Handed in again without a time: the old one must not stay.
    stamp.unlink()
    grade(CourseTree.of(project), [project.module(NAME)])
    with CourseTree.of(project).gradebook() as gradebook:
        assert gradebook.find_submission(NAME, "anna").timestamp is None


def test_plain_nbgrader_works_on_the_same_tree(project: Project):
    """Its autograde gives honest work the same points; its feedback and export read what was graded here."""
    hand_in(project, "anna", good(project))
    hand_in(project, "blank", blank(project))
    hand_in(project, "wrong", wrong(project))
    ours = graded(project)
    # One process for three commands: each start costs seconds.
    commands = [
        ["autograde", NAME, "--force"],
        ["generate_feedback", NAME],
        ["export", "--to", "nbgrader.csv"],
    ]
    script = f"""
from nbgrader.apps import NbGraderApp
for words in {commands}:
    NbGraderApp.clear_instance()
    NbGraderApp.launch_instance(argv=words)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project.root,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, PYTHONPATH=str(project.root)),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = {row.student: row.points for row in rows(CourseTree.of(project), project.module(NAME))}
    assert theirs == ours == {"anna": FULL, "blank": NONE, "wrong": {**FULL, "test-double": 0.0}}
    assert (project.course_root / "feedback" / "wrong" / NAME / "doubling_dev.html").is_file()
    with (project.root / "nbgrader.csv").open() as file:
        assert {
            row["student_id"]: float(row["score"])
            for row in csv.DictReader(file)
            if row["assignment"] == NAME
        } == {"anna": 5.0, "blank": 0.0, "wrong": 3.0}


def test_nbgrader_hands_out_what_was_graded_here(project: Project):
    """Its feedback and its export read our grading, with nothing of its own run before."""
    from nbgrader.plugins import CsvExportPlugin

    hand_in(project, "wrong", wrong(project))
    graded(project)
    tree = CourseTree.of(project)
    with tree.gradebook() as gradebook:
        CsvExportPlugin(to=str(project.root / "nbgrader.csv")).export(gradebook)
    with (project.root / "nbgrader.csv").open() as file:
        [row] = [row for row in csv.DictReader(file) if row["assignment"] == NAME]
    assert (row["student_id"], float(row["score"]), float(row["max_score"])) == ("wrong", 3.0, 5.0)


# ---------------------------------------------------------------------- what else can be in the way


HOLDER = """
import sys
from pathlib import Path
from tinytorch.course.grading.tree import CourseTree
from tinytorch.course.project import Project
with CourseTree.of(Project(Path(sys.argv[1]))).alone():
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="no file locks of this kind")
def test_two_gradings_do_not_meet_and_a_killed_one_holds_nobody_up(project: Project):
    hand_in(project, "anna", good(project))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(project.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(project.root)},
    )
    with holder:
        assert holder.stdout.readline() == "holding\n"
        for command in (grading.autograde, grading.feedback):
            with pytest.raises(CourseError) as error:
                command(project, [project.module(NAME)], out=io.StringIO())
            assert str(error.value) == (
                "another grading runs on modules/gradebook.db; wait until it has ended, then run this again"
            )
        assert not (project.course_root / "autograded").exists(), "nothing half-written"
        # Examples are graded in a tree of their own.
        with CourseTree(project, project.build_dir / "examples").alone():
            pass
        holder.kill()
    grading.autograde(project, [project.module(NAME)], out=io.StringIO())
    assert (project.course_root / "autograded" / "anna" / NAME / "doubling_dev.ipynb").is_file()


@pytest.mark.parametrize("how", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_gradebook_in_use_is_not_called_broken(project: Project, how: str, monkeypatch):
    import sqlite3

    import sqlalchemy

    real = sqlalchemy.create_engine
    monkeypatch.setattr(
        "nbgrader.api.create_engine", lambda url, **rest: real(url, connect_args={"timeout": 0}, **rest)
    )
    hand_in(project, "anna", good(project))
    other = sqlite3.connect(project.course_root / "gradebook.db")
    other.execute(f"BEGIN {how}")
    with pytest.raises(CourseError, match="gradebook.db is in use by another program; close that, then") as error:
        graded(project)
    assert "\n" not in str(error.value) and "upgrade" not in str(error.value)
    other.rollback()
    other.close()
    assert graded(project) == {"anna": FULL}


@pytest.mark.parametrize("text", ["{", "", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "[]"])
def test_a_spoilt_release_is_one_line(project: Project, text: str):
    hand_in(project, "anna", good(project))
    (project.release_dir / NAME / "doubling_dev.ipynb").write_text(text)
    with pytest.raises(
        CourseError,
        match="^modules/release/01_doubling/doubling_dev.ipynb: not a notebook any more; "
        "run `make release MODULE=01`$",
    ):
        graded(project)


def test_a_name_with_a_line_break_breaks_no_line(project: Project):
    hand_in(project, "with\nnewline\x1b[31m", b"")
    out = io.StringIO()
    with pytest.raises(CourseError, match="^1 submission needs a look"):
        grading.autograde(project, [project.module(NAME)], out=out)
    shown = "with\\nnewline\\x1b[31m"
    assert f"01_doubling  1/1  {shown}  the file is empty" in out.getvalue().splitlines()
    assert f"{shown} *       0       0      0" in out.getvalue().splitlines()
    assert f"* {shown}: the file is empty" in out.getvalue().splitlines()
