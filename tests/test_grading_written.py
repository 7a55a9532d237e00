"""Answers in words: released blank, handed in, left to a person, marked, and marked again when they change."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell

from tinytorch.course import cli, examples, grading
from tinytorch.course.grading.cycle import grade
from tinytorch.course.grading.record import rows
from tinytorch.course.grading.tree import CourseTree
from tinytorch.course.notebooks import INVITATION, notebook_text, read_source
from tinytorch.course.project import CourseError, Project

NAME, FILE, ESSAY = "02_counting", "counting_dev", "essay-even"
ANSWER = "No: each number is doubled, and a sum of even numbers is even."


@pytest.fixture
def project(released_course: Project, tmp_path: Path) -> Project:
    """A released course of its own, with no submissions."""
    return Project(shutil.copytree(released_course.root, tmp_path / "the course", symlinks=True))


def blank(project: Project) -> nbformat.NotebookNode:
    return nbformat.read(project.release_dir / NAME / f"{FILE}.ipynb", as_version=4)


def cell(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    return next(cell for cell in notebook.cells if cell.id == name)


def answered(project: Project, text: str | None = ANSWER) -> nbformat.NotebookNode:
    """The release with the reference's code and, unless ``None``, this answer in words."""
    notebook = blank(project)
    cell(notebook, "count-function").source = cell(read_source(project.module(NAME)), "count-function").source
    if text is not None:
        cell(notebook, ESSAY).source = text
    return notebook


def hand_in(project: Project, student: str, notebook: nbformat.NotebookNode) -> None:
    path = project.course_root / "submitted" / student / NAME / f"{FILE}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook_text(notebook))


def graded(project: Project, **options) -> dict:
    """Grade the class quietly; the row of each student."""
    report = grade(CourseTree.of(project), [project.module(NAME)], **options)
    return {row.student: row for row in report.rows}


def mark(project: Project, student: str, score: float) -> None:
    """What formgrader writes when a person types a score."""
    with CourseTree.of(project).gradebook() as gradebook:
        entry = gradebook.find_grade(ESSAY, FILE, NAME, student)
        entry.manual_score, entry.needs_manual_grade = score, False
        gradebook.db.commit()


def entry(project: Project, student: str) -> tuple[float | None, float | None, bool]:
    """Automatic score, score by hand, and whether a person is asked to look."""
    with CourseTree.of(project).gradebook() as gradebook:
        found = gradebook.find_grade(ESSAY, FILE, NAME, student)
        return found.auto_score, found.manual_score, found.needs_manual_grade


def executed(project: Project, student: str) -> nbformat.NotebookNode:
    return nbformat.read(project.course_root / "autograded" / student / NAME / f"{FILE}.ipynb", as_version=4)


# ---------------------------------------------------------------------- from the release to the table


def test_the_release_invites_to_write_where_the_source_holds_the_model_answer(project: Project):
    source, released = read_source(project.module(NAME)), blank(project)
    assert "twice a whole number" in cell(source, ESSAY).source
    own = cell(released, ESSAY)
    assert (own.cell_type, own.source) == ("markdown", "*Write your answer here.*")
    assert own.metadata.nbgrader.points == 2.5 and own.metadata.nbgrader.solution and own.metadata.nbgrader.grade
    assert "even" not in notebook_text(released).replace(ESSAY, "").replace("why it is even", "")


def test_a_class_with_every_kind_of_answer(project: Project):
    hand_in(project, "anna", answered(project))
    hand_in(project, "blank", blank(project))
    hand_in(project, "code only", answered(project, None))
    hand_in(project, "emptied", answered(project, " \n\n"))
    hand_in(project, "below", answered(project, f"{INVITATION}\n\nNever."))
    deleted = answered(project)
    deleted.cells = [each for each in deleted.cells if each.id != ESSAY]
    hand_in(project, "deleted", deleted)
    out = io.StringIO()
    with pytest.raises(CourseError, match="^1 submission needs a look"):
        grading.autograde(project, [project.module(NAME)], out=out)
    text = out.getvalue()
    assert (
        text[text.index("\n02_counting\n") :]
        == """
02_counting

student    count  essay even  total
-----------------------------------
anna           4           -      4
below          4           -      4
blank          0           0      0
code only      4           0      4
deleted *      4           0      4
emptied        4           0      4
-----------------------------------
maximum        4         2.5    6.5
- to be marked by a person, in formgrader; counts 0 in the total until then (2 answers)
* deleted: answer cell 'essay-even' is missing; put back blank
"""
    )
    [line] = [line for line in text.splitlines() if "  anna  " in line]
    assert "4 of 6.5" in line and line.endswith("1 written answer")
    assert entry(project, "anna") == (None, None, True)
    assert entry(project, "blank") == entry(project, "emptied") == entry(project, "deleted") == (0.0, None, False)
    with CourseTree.of(project).gradebook() as gradebook:
        said = {
            student: gradebook.find_comment(ESSAY, FILE, NAME, student).auto_comment
            for student in ("anna", "blank", "emptied", "deleted")
        }
    assert said == {"anna": None, **dict.fromkeys(("blank", "emptied", "deleted"), "No response.")}


def test_a_class_that_only_waits_for_marks_ends_well(project: Project):
    hand_in(project, "anna", answered(project))
    report = grading.autograde(project, [project.module(NAME)], out=io.StringIO())
    assert report.unusual == 0 and report.rows[0].unmarked == 1


def test_late_work_is_dealt_with_as_ever(project: Project):
    import datetime

    with (project.root / "nbgrader_config.py").open("a") as file:
        file.write("get_config().LateSubmissionPlugin.penalty_method = 'zero'\n")
    with CourseTree.of(project).gradebook() as gradebook:
        gradebook.update_or_create_assignment(NAME, duedate=datetime.datetime(2026, 2, 1))
    hand_in(project, "anna", answered(project))
    (project.course_root / "submitted" / "anna" / NAME / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC\n")
    row = graded(project)["anna"]
    assert (row.penalty, row.total, row.unmarked) == (4.0, 0.0, 1)


# ---------------------------------------------------------------------- what students do to the cell


def turned_into_code(notebook, own):
    own.cell_type, own.outputs, own.execution_count = "code", [], None


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (turned_into_code, "cell 'essay-even' was turned into code; put right"),
        (lambda notebook, own: own.update(cell_type="raw"), "cell 'essay-even' was turned into raw; put right"),
        (lambda notebook, own: own.metadata.nbgrader.update(points=99), None),
        (lambda notebook, own: own.metadata.nbgrader.update(grade=False), None),
        (lambda notebook, own: own.metadata.nbgrader.update(solution=False, locked=True), None),
        (lambda notebook, own: own.metadata.nbgrader.pop("checksum"), None),
        (lambda notebook, own: own.metadata.nbgrader.update(schema_version=1), None),
        (
            lambda notebook, own: notebook.cells.insert(0, notebook.cells.pop()),
            "the cells stand in another order than released: 'essay-even' comes before 'count-function'",
        ),
    ],
)
def test_whatever_is_done_to_the_cell_the_answer_is_taken_over(project: Project, change, note):
    notebook = answered(project)
    change(notebook, cell(notebook, ESSAY))
    hand_in(project, "anna", notebook)
    row = graded(project)["anna"]
    assert (row.points, row.maxima[ESSAY]) == ({"test-count": 4.0, ESSAY: None}, 2.5)
    assert row.notes == ((note,) if note else ())
    [own] = [each for each in executed(project, "anna").cells if each.metadata.get("nbgrader", {}).get("grade_id") == ESSAY]
    assert (own.cell_type, own.source) == ("markdown", ANSWER)
    assert own.metadata.nbgrader == cell(blank(project), ESSAY).metadata.nbgrader


def test_of_two_answers_the_later_counts(project: Project):
    notebook = answered(project, "an earlier thought")
    again = new_markdown_cell(ANSWER, id="again", metadata=cell(notebook, ESSAY).metadata)
    notebook.cells.append(again)
    hand_in(project, "anna", notebook)
    row = graded(project)["anna"]
    assert row.points[ESSAY] is None and row.notes == ("cell 'essay-even' is there twice; the later one counts",)
    kept = [(each.source, "nbgrader" in each.metadata) for each in executed(project, "anna").cells[-2:]]
    assert kept == [("an earlier thought", False), (ANSWER, True)]


def test_an_answer_that_lost_its_id_is_told(project: Project):
    notebook = answered(project)
    cell(notebook, ESSAY).metadata.clear()
    hand_in(project, "anna", notebook)
    row = graded(project)["anna"]
    assert row.notes == ("answer cell 'essay-even' is missing; put back blank",)
    assert ANSWER in [each.source for each in executed(project, "anna").cells]


def test_pictures_in_an_answer_are_kept(project: Project):
    notebook = answered(project, "![sketch](attachment:a.png)")
    picture = {"a.png": {"image/png": "iVBORw0KGgo="}}
    cell(notebook, ESSAY).attachments = picture
    hand_in(project, "anna", notebook)
    assert graded(project)["anna"].points[ESSAY] is None
    assert cell(executed(project, "anna"), ESSAY).attachments == picture


# ---------------------------------------------------------------------- marks


def test_a_mark_counts_and_survives_every_grading_of_the_same_answer(project: Project):
    hand_in(project, "anna", answered(project))
    graded(project)
    mark(project, "anna", 2.0)
    assert graded(project)["anna"].total == 6.0, "skipped, since nothing has changed"
    for _ in range(2):
        row = graded(project, force=True)["anna"]
        assert (row.points[ESSAY], row.total, row.unmarked, row.outdated, row.by_hand) == (2.0, 6.0, 0, (), {})
        assert entry(project, "anna") == (None, 2.0, False)
    # Other code, the same words: nothing to mark again.
    worse = answered(project)
    cell(worse, "count-function").source = cell(blank(project), "count-function").source
    hand_in(project, "anna", worse)
    row = graded(project)["anna"]
    assert (row.points, row.total, row.outdated) == ({"test-count": 0.0, ESSAY: 2.0}, 2.0, ())
    assert entry(project, "anna") == (None, 2.0, False)


def test_no_points_by_hand_is_a_mark_too(project: Project):
    hand_in(project, "anna", answered(project, "Often."))
    graded(project)
    mark(project, "anna", 0.0)
    row = graded(project, force=True)["anna"]
    assert (row.points[ESSAY], row.unmarked, entry(project, "anna")) == (0.0, 0, (None, 0.0, False))
    grading.feedback(project, [project.module(NAME)], out=io.StringIO())
    page = (project.course_root / "feedback" / "anna" / NAME / f"{FILE}.html").read_text()
    assert "0 / 2.5" in summary(page) and summary(page).count('class="lost"') == 1 and "o be marked" not in page


def test_a_mark_for_another_answer_stays_and_asks_to_be_looked_at_again(project: Project):
    hand_in(project, "anna", answered(project, "Hm."))
    graded(project)
    mark(project, "anna", 0.5)
    hand_in(project, "anna", answered(project))
    for force in (False, True):
        out = io.StringIO()
        grading.autograde(project, [project.module(NAME)], force=force, out=out)
        assert out.getvalue().endswith("anna: essay-even is 0.5 by hand, for an answer that has changed since\n")
        assert entry(project, "anna") == (None, 0.5, True)
    mark(project, "anna", 2.5)
    row = graded(project, force=True)["anna"]
    assert (row.total, row.outdated) == (6.5, ())
    hand_in(project, "anna", answered(project, None))
    row = graded(project)["anna"]
    assert (row.points[ESSAY], row.by_hand) == (2.5, {ESSAY: 0.0})
    assert entry(project, "anna") == (0.0, 2.5, True)


def test_an_answer_that_can_no_longer_be_read_gives_nothing_by_itself(project: Project):
    hand_in(project, "anna", answered(project))
    hand_in(project, "bob", answered(project))
    graded(project)
    mark(project, "bob", 1.0)
    for student in ("anna", "bob"):
        (project.course_root / "submitted" / student / NAME / f"{FILE}.ipynb").write_text("")
    found = graded(project)
    assert (found["anna"].points[ESSAY], found["bob"].points[ESSAY]) == (0.0, 1.0)
    assert entry(project, "bob") == (0.0, 1.0, True)
    hand_in(project, "bob", answered(project))
    graded(project)
    assert entry(project, "bob") == (None, 1.0, True), "what was marked cannot be compared any more"


# ---------------------------------------------------------------------- handing out


def summary(page: str) -> str:
    return page[page.index('id="course-summary"') : page.index("</table>")]


def test_feedback_and_csv_say_what_is_open_and_then_the_mark(project: Project):
    modules = [project.module(NAME)]
    hand_in(project, "anna", answered(project, "Score: 0.0 / never."))
    hand_in(project, "blank", blank(project))
    graded(project)
    page = project.course_root / "feedback" / "anna" / NAME / f"{FILE}.html"
    grading.feedback(project, modules, out=io.StringIO())
    text = page.read_text()
    assert "4 of 6.5 points. 2.5 of these are still to be marked by a person." in summary(text)
    assert "- / 2.5" in summary(text) and "to be marked</td>" in summary(text) and 'class="lost"' not in summary(text)
    cells = text[text.index('id="notebook-container"') :]
    assert "To be marked: up to 2.5" in cells and cells.count("Score: 0.0 /") == 1, "the student's own words stay"
    other = (project.course_root / "feedback" / "blank" / NAME / f"{FILE}.html").read_text()
    assert "0 of 6.5 points.\n" in summary(other) and "0 / 2.5" in summary(other) and "No response." in summary(other)
    grading.grades(project, modules, out=io.StringIO())
    assert (
        (project.course_root / "grades.csv").read_text()
        == """\
student,assignment,graded_cell,score,max_score,note
anna,02_counting,test-count,4,4,
anna,02_counting,essay-even,,2.5,to be marked
anna,02_counting,total,4,6.5,1 to be marked
blank,02_counting,test-count,0,4,
blank,02_counting,essay-even,0,2.5,
blank,02_counting,total,0,6.5,
"""
    )

    mark(project, "anna", 1.5)
    with CourseTree.of(project).gradebook() as gradebook:
        gradebook.find_comment(ESSAY, FILE, NAME, "anna").manual_comment = "and the sum?"
        gradebook.db.commit()
    grading.feedback(project, modules, student="anna", out=io.StringIO())
    text = page.read_text()
    assert "5.5 of 6.5 points.\n" in summary(text) and "1.5 / 2.5" in summary(text) and "and the sum?" in summary(text)
    assert "Score: 1.5 / 2.5" in text and "o be marked" not in text
    out = io.StringIO()
    grading.grades(project, modules, out=out)
    assert "anna         4         1.5    5.5\n" in out.getvalue() and "to be marked" not in out.getvalue()
    assert "anna,02_counting,total,5.5,6.5,\n" in (project.course_root / "grades.csv").read_text()


def test_the_commands_do_it_all(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    hand_in(project, "anna", answered(project))
    monkeypatch.chdir(project.root)
    for command in ("autograde", "feedback", "grades"):
        assert cli.main([command, "02"]) == 0
        assert ("- to be marked by a person" in capsys.readouterr().out) == (command != "feedback")
    assert (project.course_root / "feedback" / "anna" / NAME / f"{FILE}.html").is_file()


def test_plain_nbgrader_gives_the_same_and_hands_it_out(project: Project):
    """Its autograde leaves open what we leave open; its feedback and its export read our marks."""
    hand_in(project, "anna", answered(project))
    hand_in(project, "blank", blank(project))
    deleted = answered(project, None)
    hand_in(project, "code only", deleted)
    ours = {student: row.points for student, row in graded(project).items()}
    mark(project, "anna", 2.0)
    script = f"""
from nbgrader.apps import NbGraderApp
for words in (["generate_feedback", {NAME!r}], ["export", "--to", "nbgrader.csv"], ["autograde", {NAME!r}, "--force"]):
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
    page = (project.course_root / "feedback" / "anna" / NAME / f"{FILE}.html").read_text()
    assert "Written response</a> (Score: 2.0 / 2.5)" in page
    with (project.root / "nbgrader.csv").open() as file:
        scores = {
            row["student_id"]: (float(row["score"]), float(row["max_score"]))
            for row in csv.DictReader(file)
            if row["assignment"] == NAME
        }
    assert scores == {"anna": (6.0, 6.5), "blank": (0.0, 6.5), "code only": (4.0, 6.5)}
    theirs = {row.student: row for row in rows(CourseTree.of(project), project.module(NAME))}
    assert {student: row.points for student, row in theirs.items()} == {**ours, "anna": {"test-count": 4.0, ESSAY: 2.0}}
    # It asks for every mark again; so the next of our gradings does not take the question back.
    assert theirs["anna"].outdated == (ESSAY,)
    assert graded(project, force=True)["anna"].outdated == (ESSAY,)


def test_formgrader_lists_what_waits_for_a_person(project: Project):
    from nbgrader.apps.api import NbGraderAPI

    hand_in(project, "anna", answered(project))
    hand_in(project, "blank", blank(project))
    graded(project)
    tree = CourseTree.of(project)

    def seen() -> dict[str, tuple]:
        api = NbGraderAPI(tree.directory(), config=tree.config)
        return {
            each["student"]: (each["needs_manual_grade"], each["written_score"], each["max_written_score"], each["score"])
            for each in api.get_submissions(NAME)
        }

    assert seen() == {"anna": (True, 0.0, 2.5, 4.0), "blank": (False, 0.0, 2.5, 0.0)}
    mark(project, "anna", 2.0)
    assert seen()["anna"] == (False, 2.0, 2.5, 6.0)


def test_formgraders_page_of_a_submission_has_the_answer_and_a_field_for_its_mark(project: Project):
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions import formgrader

    hand_in(project, "anna", answered(project))
    graded(project)
    exporter = HTMLExporter(
        template_name="formgrade", extra_template_basedirs=[str(Path(formgrader.__file__).parent / "templates")]
    )
    resources = {
        "assignment_id": NAME,
        "notebook_id": FILE,
        "submission_id": "1",
        "index": 0,
        "total": 1,
        "base_url": "",
        "mathjax_url": "",
        "last_name": None,
        "first_name": None,
        "notebook_path": "",
        "keyword_options": {},
        "metadata": {"name": FILE},
    }
    page, _ = exporter.from_notebook_node(executed(project, "anna"), resources)
    assert "each number is doubled" in page
    assert f'<input class="score tabbable" id="{ESSAY}"' in page and f'id="{ESSAY}-comment"' in page
    assert "/ 2.5" in page


# ---------------------------------------------------------------------- examples

GOOD = """\
# A student who answers in code and in words.

# %% count-function: count
return 2.0 * sum(values)

# %% essay-even [markdown]
# Never, since it is twice the sum:
#
#     2 * sum(values)
"""


def keep(project: Project, **texts: str) -> None:
    folder = examples.folder(project, project.module(NAME))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


def test_examples_answer_in_words_or_leave_it(project: Project):
    base = "# based on: good\n"
    silent = GOOD[: GOOD.index("# %% essay")]
    keep(project, good=GOOD, other=base + "# %% essay-even [markdown]\n# No.\n", blank="", silent=silent)
    out = io.StringIO()
    report = examples.run(project, [project.module(NAME)], out=out)
    assert {row.student: row.points[ESSAY] for row in report.rows} == {
        "blank": 0.0, "good": None, "other": None, "silent": 0.0,
    }  # fmt: skip
    assert "until then (2 answers)" in out.getvalue()
    tree = examples.example_tree(project)
    texts = {
        name: cell(nbformat.read(tree.submission(name, project.module(NAME)) / f"{FILE}.ipynb", 4), ESSAY).source
        for name in ("good", "other", "silent")
    }
    assert texts == {
        "good": "Never, since it is twice the sum:\n\n    2 * sum(values)",
        "other": "No.",
        "silent": INVITATION,
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("essay-even", "essay-odd", "example 'good' answers essay-odd in words, but the release has no such question"),
        ("essay-even", "test-count", "example 'good' answers test-count in words, but the release has no such"),
        (
            "# Never,",
            "Never,",
            "modules/examples/02_counting/good.py:7: an answer in words stands in comments; write '# Never,",
        ),
        (
            " [markdown]",
            " [text]",
            "modules/examples/02_counting/good.py:6: not a section; write '# %% grade_id: Class.function', or "
            "'# %% grade_id [markdown]'",
        ),
        (
            GOOD[GOOD.index("# Never") :],
            "#\n",
            "modules/examples/02_counting/good.py: the answer to essay-even is empty; write it or take it out",
        ),
    ],
)  # fmt: skip
def test_answers_in_words_that_do_not_fit(project: Project, old: str, new: str, message: str):
    assert GOOD.count(old) == 1
    keep(project, good=GOOD.replace(old, new))
    with pytest.raises(CourseError) as error:
        examples.run(project, [project.module(NAME)], out=io.StringIO())
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_mutants_and_export_look_past_answers_in_words(project: Project):
    from tinytorch.course import mutants
    from tinytorch.course.export import export_text

    result = mutants.examine(project, project.module(NAME), count=3)
    assert {outcome.mutant.cell for outcome in result.outcomes} == {"count-function"}
    text = export_text(project, project.module(NAME))
    assert "even" not in text and "SOLUTION" not in text
    assert json.loads((project.course_root / "source" / NAME / f"{FILE}.ipynb").read_text())["cells"][-1]["id"] == ESSAY
