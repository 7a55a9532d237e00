"""THE one place that writes grades: gradebook, ``autograded/`` and the CSV.

All through nbgrader's own tables, so that every other nbgrader command reads what stands there. A grading
replaces every automatic score of the submission, also those of cells it says nothing about; what people
entered by hand (scores, comments, extra credit) stays.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tinytorch.course.grading.collect import Submission
from tinytorch.course.grading.score import CellScore
from tinytorch.course.grading.tree import CourseTree, quiet_log
from tinytorch.course.notebooks import (
    grade_id,
    is_graded,
    is_solution,
    is_written,
    notebook_text,
    read_notebook,
)
from tinytorch.course.project import CourseError, Module, write_if_changed

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import Gradebook, Grade, SubmittedNotebook


@dataclass(frozen=True)
class Graded:
    """The result of grading one submission.

    Attributes:
        submission: what was graded.
        scores: one for each graded cell of the release.
        notebook: the executed notebook, ``None`` if the submission could not be read.
        notes: anything unusual, one line each.
        seconds: how long it took.
        digest: of everything the result follows from (see :func:`digest`).
    """

    submission: Submission
    scores: tuple[CellScore, ...]
    notebook: NotebookNode | None
    notes: tuple[str, ...]
    seconds: float
    digest: str


@dataclass(frozen=True)
class Row:
    """What the gradebook says of one student in one assignment.

    Attributes:
        student, assignment: who and what.
        points: by graded cell, in the order of the release; ``None`` where a person still has to grade.
        maxima: the points each cell can give.
        penalty: points taken off because it came late.
        notes: what was unusual when it was graded.
        by_hand: by graded cell, the automatic score where a person gave another one, which counts.
        outdated: written answers that changed after a person marked them; the mark counts all the same.
    """

    student: str
    assignment: str
    points: dict[str, float | None]
    maxima: dict[str, float]
    penalty: float = 0.0
    notes: tuple[str, ...] = ()
    by_hand: dict[str, float] = field(default_factory=dict)
    outdated: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The points of all cells, without the penalty; not below 0."""
        return max(0.0, sum(points or 0.0 for points in self.points.values()) - self.penalty)

    @property
    def unmarked(self) -> int:
        """How many answers wait for a person's mark; the total counts each as 0."""
        return sum(points is None for points in self.points.values())

    @property
    def maximum(self) -> float:
        """The points of a perfect submission."""
        return sum(self.maxima.values())


def digest(tree: CourseTree, submission: Submission, released: Path) -> str:
    """A fingerprint of what a grade follows from: the submission, the release, and the package it imports."""
    digest = hashlib.sha256()
    package = tree.project.package_dir
    code = [*sorted((package / "core").glob("*.py")), *sorted((package / "lesson").glob("*.py"))]
    parts = [submission.data, (submission.timestamp or "").encode(), released.read_bytes()]
    parts += [path.read_bytes() for path in code]
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def is_graded_already(tree: CourseTree, submission: Submission, fingerprint: str) -> bool:
    """Whether the last grading of this submission followed from exactly the same."""
    return _own_metadata(_autograded_file(tree, submission)).get("graded") == fingerprint


def _autograded_file(tree: CourseTree, submission: Submission) -> Path:
    return tree.autograded(submission.student, submission.module) / submission.module.notebook.name


def _own_metadata(path: Path) -> dict:
    """What :func:`_write_autograded` left in the notebook, nothing if something else wrote it."""
    try:
        own = json.loads(path.read_bytes())["metadata"]["tinytorch"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return own if isinstance(own, dict) else {}


def register(tree: CourseTree, module: Module) -> None:
    """Tell the tree's gradebook of an assignment, from its release.

    The gradebook of the course learns of it when the release is made; the one of the examples learns of it
    here.
    """
    from nbgrader.preprocessors import SaveCells

    released = tree.released_notebook(module)
    with tree.gradebook() as gradebook:
        gradebook.update_or_create_assignment(module.name)
    with tree.told():
        SaveCells(log=quiet_log()).preprocess(released, _resources(tree, module))


def check_assignment(tree: CourseTree, module: Module, released: NotebookNode) -> None:
    """Make sure that gradebook and release speak of the same cells and points.

    Raises:
        CourseError: they do not, or the gradebook has never heard of the assignment.
    """
    from nbgrader.api import MissingEntry

    remedy = f"run `make release MODULE={module.number:02}` first"
    with tree.gradebook() as gradebook:
        try:
            notebook = gradebook.find_notebook(module.notebook.stem, module.name)
        except MissingEntry:
            raise CourseError(f"the gradebook does not know {module.name}; {remedy}") from None
        known = {cell.name: float(cell.max_score) for cell in (*notebook.grade_cells, *notebook.task_cells)}
    wanted = {
        grade_id(cell): float(cell.metadata["nbgrader"]["points"])
        for cell in released.cells
        if is_graded(cell)
    }
    if known != wanted:
        cells = sorted({name for name, _ in known.items() ^ wanted.items()})
        raise CourseError(f"{module.name}: gradebook and release differ in {', '.join(cells)}; {remedy}")


def record(tree: CourseTree, graded: Graded) -> None:
    """Write the result of one submission; the files last, so that a run cut short is simply repeated."""
    submission = graded.submission
    place = tree.autograded(submission.student, submission.module)
    same = _unchanged_answers(_autograded_file(tree, submission), graded.notebook)
    if place.exists():
        shutil.rmtree(place)
    with tree.gradebook() as gradebook:
        _write_scores(gradebook, graded, same)
    if graded.notebook is None:
        page = tree.feedback(submission.student, submission.module)
        if page.exists():
            shutil.rmtree(page)
        return
    _assign_penalty(tree, submission, graded.notebook)
    _write_autograded(tree, graded, place)


def _unchanged_answers(before: Path, notebook: NotebookNode | None) -> set[str]:
    """The written answers that say what they said when they were graded last."""
    said = _written_answers(read_notebook(before) if before.is_file() else None)
    return {name for name, text in _written_answers(notebook).items() if said.get(name) == text}


def _written_answers(notebook: NotebookNode | None) -> dict[str, str]:
    return {grade_id(cell): cell.source for cell in notebook.cells if is_written(cell)} if notebook else {}


def _write_scores(gradebook: Gradebook, graded: Graded, same: set[str]) -> None:
    submission = graded.submission
    gradebook.update_or_create_student(submission.student)
    gradebook.update_or_create_submission(
        submission.module.name, submission.student, timestamp=submission.timestamp
    )
    notebook = gradebook.find_submission_notebook(
        submission.module.notebook.stem, submission.module.name, submission.student
    )
    scores = {cell.grade_id: cell.points for cell in graded.scores}
    notebook.late_submission_penalty = None
    for grade in notebook.grades:
        grade.auto_score = scores.get(grade.name, 0.0)
        marked = grade.manual_score is not None and not grade.needs_manual_grade
        # nbgrader asks for every mark again; one of an answer that is still the same was given to just that.
        if not (marked and grade.name in same):
            grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
    _write_comments(notebook, graded.notebook)
    gradebook.db.commit()


def _write_comments(notebook: SubmittedNotebook, executed: NotebookNode | None) -> None:
    """nbgrader's own remark on answers that are still as released."""
    from nbgrader.utils import compute_checksum

    blank = {
        grade_id(cell)
        for cell in (executed.cells if executed else [])
        if is_solution(cell) and cell.metadata["nbgrader"].get("checksum") == compute_checksum(cell)
    }
    for comment in notebook.comments:
        comment.auto_comment = "No response." if comment.name in blank else None


def _resources(tree: CourseTree, module: Module, student: str = "") -> dict:
    return {
        "nbgrader": {
            "notebook": module.notebook.stem,
            "assignment": module.name,
            "student": student,
            "db_url": tree.directory().db_url,
        }
    }


def _assign_penalty(tree: CourseTree, submission: Submission, notebook: NotebookNode) -> None:
    """Points off for a late submission, if the course has a rule for it (none by default)."""
    from nbgrader.preprocessors import AssignLatePenalties

    resources = _resources(tree, submission.module, submission.student)
    with tree.told():
        AssignLatePenalties(config=tree.config, log=quiet_log()).preprocess(notebook, resources)


def _write_autograded(tree: CourseTree, graded: Graded, place: Path) -> None:
    from nbgrader.preprocessors import LimitOutput

    notebook, _ = LimitOutput(config=tree.config, log=quiet_log()).preprocess(graded.notebook, {})
    notebook.metadata["tinytorch"] = {"graded": graded.digest, "notes": list(graded.notes)}
    if graded.submission.timestamp is not None:
        write_if_changed(place / "timestamp.txt", graded.submission.timestamp + "\n")
    path = place / graded.submission.module.notebook.name
    write_if_changed(path, notebook_text(notebook))
    # As nbgrader leaves them: what was graded is not edited afterwards.
    for file in place.iterdir():
        os.chmod(file, 0o444)


# ---------------------------------------------------------------------- reading and exporting grades


def known_students(tree: CourseTree, module: Module) -> set[str]:
    """Who has a submission of ``module`` in the gradebook."""
    with tree.gradebook() as gradebook:
        return {submission.student.id for submission in gradebook.assignment_submissions(module.name)}


def rows(tree: CourseTree, module: Module, students: list[str] | None = None) -> list[Row]:
    """What the gradebook holds for one assignment, by student.

    Args:
        tree: the course.
        module: the assignment.
        students: only these; ``None`` for all that have a submission.
    """
    from nbgrader.api import MissingEntry

    with tree.gradebook() as gradebook:
        try:
            notebook = gradebook.find_notebook(module.notebook.stem, module.name)
        except MissingEntry:
            return []
        order = [cell.name for cell in notebook.source_cells]
        cells = [*notebook.grade_cells, *notebook.task_cells]
        maxima = {
            cell.name: float(cell.max_score)
            for cell in sorted(cells, key=lambda cell: order.index(cell.name))
        }
        found = [
            _row(tree, module, submitted, maxima)
            for submitted in notebook.submissions
            if students is None or submitted.student.id in students
        ]
    return sorted(found, key=lambda row: row.student)


def _row(tree: CourseTree, module: Module, submitted: SubmittedNotebook, maxima: dict[str, float]) -> Row:
    grades = {grade.name: grade for grade in submitted.grades}
    student = submitted.student.id
    metadata = _own_metadata(tree.autograded(student, module) / module.notebook.name)
    return Row(
        student,
        module.name,
        {name: _points(grades.get(name)) for name in maxima},
        maxima,
        submitted.late_submission_penalty or 0.0,
        tuple(metadata.get("notes", ())),
        {
            name: float(grades[name].auto_score)
            for name in maxima
            if name in grades and grades[name].manual_score is not None and grades[name].auto_score is not None
        },
        tuple(name for name in maxima if name in grades and _is_outdated(grades[name])),
    )


def _is_outdated(grade: Grade) -> bool:
    return grade.auto_score is None and grade.manual_score is not None and grade.needs_manual_grade


def _points(grade: Grade | None) -> float | None:
    if grade is None:
        return 0.0
    return None if grade.auto_score is None and grade.manual_score is None else float(grade.score)


def write_csv(path: Path, found: list[Row]) -> None:
    """Write grades as CSV: a line for each graded cell, and one with the cell ``total`` for each assignment.

    Columns are student, assignment, graded_cell, score, max_score, note; a score a person still has to give is
    empty. The note says what was unusual about a submission and how many of its answers wait for a mark (on its
    total), that one does, or that a score was given by hand.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "assignment", "graded_cell", "score", "max_score", "note"])
    for row in sorted(found, key=lambda row: (row.student, row.assignment)):
        start = [_cell(row.student), row.assignment]
        for name, points in row.points.items():
            writer.writerow([*start, name, number(points), number(row.maxima[name]), _note(row, name)])
        if row.penalty:
            writer.writerow([*start, "late penalty", number(-row.penalty), "", ""])
        waiting = [f"{row.unmarked} to be marked"] if row.unmarked else []
        notes = _cell("; ".join([*row.notes, *waiting]))
        writer.writerow([*start, "total", number(row.total), number(row.maximum), notes])
    write_if_changed(path, text.getvalue())


def _note(row: Row, name: str) -> str:
    if row.points[name] is None:
        return "to be marked"
    if name in row.outdated:
        return "by hand; the answer has changed since"
    return f"by hand; automatic {number(row.by_hand[name])}" if name in row.by_hand else ""


def _cell(text: str) -> str:
    """A student chooses the name of a folder; a spreadsheet must not take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def number(value: float | None) -> str:
    """Points as people write them: ``10``, ``7.5``; empty for none."""
    return "" if value is None else f"{round(value, 2):g}"
