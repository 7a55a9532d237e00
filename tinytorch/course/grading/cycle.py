"""Grade what was handed in: every submission to the end, whatever is wrong with one of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TextIO

from tinytorch.course.grading import collect
from tinytorch.course.grading.collect import Submission
from tinytorch.course.grading.execute import execute
from tinytorch.course.grading.record import (
    Graded,
    Row,
    check_assignment,
    digest,
    is_graded_already,
    known_students,
    number,
    record,
    rows,
)
from tinytorch.course.grading.restore import restore
from tinytorch.course.grading.score import nothing, score
from tinytorch.course.grading.table import table
from tinytorch.course.grading.tree import CourseTree
from tinytorch.course.project import CourseError, Module, Project, printable

if TYPE_CHECKING:
    from nbformat import NotebookNode

# A kernel waits more than it computes while it starts and stops; two share two cores well.
WORKERS = 2


@dataclass
class Report:
    """What a grading came to.

    Attributes:
        rows: by student, for each module graded; the notes of a row say what was unusual.
        strays: files and folders in ``submitted`` that are no submission.
    """

    rows: list[Row] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    @property
    def unusual(self) -> int:
        """How many things an instructor should look at."""
        return sum(1 for row in self.rows if row.notes) + len(self.strays)


def run(
    project: Project,
    modules: list[Module],
    student: str | None = None,
    force: bool = False,
    out: TextIO | None = None,
) -> Report:
    """See :func:`tinytorch.course.grading.autograde`."""
    out = out or sys.stdout
    tree = CourseTree.of(project)
    with tree.alone():
        report = grade(tree, modules, student, force, out)
    out.write(tables(report.rows))
    out.writelines(f"! {printable(line)}\n" for line in report.strays)
    out.flush()
    if report.unusual:
        what = "1 submission needs" if report.unusual == 1 else f"{report.unusual} submissions need"
        raise CourseError(f"{what} a look: see the lines marked * and ! above; all others are graded")
    return report


def tables(found: list[Row]) -> str:
    """A table for each assignment among ``found``."""
    parts = [
        table([row for row in found if row.assignment == name])
        for name in dict.fromkeys(row.assignment for row in found)
    ]
    return "".join(f"\n{part}" for part in parts)


def grade(
    tree: CourseTree,
    modules: list[Module],
    student: str | None = None,
    force: bool = False,
    progress: TextIO | None = None,
) -> Report:
    """Grade the submissions of ``modules`` in ``tree``; a line on ``progress`` for each.

    Returns:
        The grades of all that were looked at, from the gradebook.

    Raises:
        CourseError: there is no submission at all, no release, or the gradebook cannot be used.
    """
    collect.require_some(tree, modules, student)
    report = Report(strays=[] if student else collect.strays(tree))
    for module in modules:
        names = collect.students(tree, module, student)
        if names:
            report.rows += _grade_module(tree, module, names, force, progress)
    return report


def _grade_module(
    tree: CourseTree, module: Module, names: list[str], force: bool, progress: TextIO | None
) -> list[Row]:
    released = tree.released_notebook(module)
    check_assignment(tree, module, released)
    notes: dict[str, tuple[str, ...]] = {}
    # A gradebook that was moved away knows nobody, whatever autograded/ still holds.
    known = set() if force else known_students(tree, module)

    def work(name: str) -> Graded:
        return _grade(tree, module, name, released, name in known)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done, graded in enumerate(_in_order(pool, work, names)):
            # One thread writes: the gradebook never sees two writers.
            if graded.digest:
                record(tree, graded)
            _say(progress, module, graded, done + 1, len(names))
            if graded.submission.problem:
                notes[graded.submission.student] = graded.notes
    return [replace(row, notes=notes.get(row.student, row.notes)) for row in rows(tree, module, names)]


def _in_order(pool: ThreadPoolExecutor, work: Callable[[str], Graded], names: list[str]) -> Iterator[Graded]:
    """The results in the order of ``names``, never more than a few of them waiting in memory."""
    waiting = []
    for name in names:
        waiting.append(pool.submit(work, name))
        if len(waiting) > 2 * WORKERS:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def _grade(tree: CourseTree, module: Module, student: str, released: NotebookNode, known: bool) -> Graded:
    """Grade one submission without writing anything.

    One that the gradebook knows and that has not changed comes back without a digest.
    """
    start = time.perf_counter()
    submission = collect.read(tree, module, student)
    fingerprint = digest(tree, submission, tree.released(module))
    if submission.problem is not None:
        return _failed(submission, released, submission.problem, fingerprint)
    if known and is_graded_already(tree, submission, fingerprint):
        return Graded(replace(submission, notebook=None), (), None, (), 0.0, "")
    try:
        restored = restore(submission.notebook, released)
        execution = execute(tree.project, restored.notebook, restored.demos)
        scores = score(execution.notebook)
    except Exception as error:
        # A fault of the grader, met by one submission, is told in its row; the class is graded all the same.
        return _failed(
            submission, released, f"the grader failed: {type(error).__name__}: {error}", fingerprint
        )
    notes = (
        *submission.notes,
        *restored.notes,
        *execution.notes,
        *(cell.note for cell in scores if cell.note),
    )
    return Graded(
        submission, tuple(scores), execution.notebook, notes, time.perf_counter() - start, fingerprint
    )


def _failed(submission: Submission, released: NotebookNode, problem: str, fingerprint: str) -> Graded:
    """No points, and the reason: whatever the gradebook held before must not stand."""
    problem = problem.splitlines()[0]
    submission = replace(submission, notebook=None, problem=problem)
    scores = tuple(nothing(released, problem))
    return Graded(submission, scores, None, (problem, *submission.notes), 0.0, fingerprint)


def _say(progress: TextIO | None, module: Module, graded: Graded, done: int, total: int) -> None:
    if progress is None:
        return
    if graded.submission.problem:
        text = graded.submission.problem
    elif not graded.digest:
        text = "graded before, nothing has changed"
    else:
        points = sum(cell.points or 0.0 for cell in graded.scores)
        maximum = sum(cell.maximum for cell in graded.scores)
        text = f"{number(points):>5} of {number(maximum)}  {graded.seconds:4.1f} s"
        written = sum(cell.points is None for cell in graded.scores)
        text += f"  {written} written answer{'s'[: written > 1]}" if written else ""
        text += "  *" if graded.notes else ""
    name = printable(graded.submission.student)
    progress.write(f"{module.name}  {done:>{len(str(total))}}/{total}  {name:<20}  {printable(text)}\n")
    progress.flush()
