"""From submissions to grades: the nbgrader cycle on one tree of folders.

The way of a submission, one module a step, each with plain data in between::

    collect   the files of a student          -> Submission   (readable, or the reason why not)
    restore   the release around the answers  -> Restored
    execute   THE place that runs it          -> Execution    (the notebook with outputs)
    score     THE place that gives points     -> CellScore, one for each graded cell
    record    THE place that writes grades    -> gradebook, autograded/, CSV

:mod:`~tinytorch.course.grading.cycle` joins them, :mod:`~tinytorch.course.grading.publish` hands the result
out. A question that is answered in words is graded by a person: its score stays open, and the mark given in
formgrader is kept. Gradebook and folders are nbgrader's own, so formgrader and ``nbgrader autograde``,
``generate_feedback`` and ``export`` go on working on the same tree.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tinytorch.course.project import Module, Project

if TYPE_CHECKING:
    from tinytorch.course.grading.cycle import Report
    from tinytorch.course.grading.record import Row


def autograde(
    project: Project,
    modules: list[Module],
    student: str | None = None,
    force: bool = False,
    out: TextIO | None = None,
) -> Report:
    """Grade the submissions of ``modules``, print the table, fail if anything was unusual.

    Args:
        project: the project.
        modules: the assignments.
        student: grade this student only.
        force: grade also what has not changed since it was graded.
        out: where the report goes; standard output by default.

    Raises:
        CourseError: there is nothing to grade, or something unusual was found (after grading all the others).
    """
    from tinytorch.course.grading.cycle import run

    return run(project, modules, student, force, out)


def feedback(
    project: Project, modules: list[Module], student: str | None = None, out: TextIO | None = None
) -> list[Path]:
    """Write a page for each graded submission, with nbgrader's own generator, into ``modules/feedback``.

    Args:
        project: the project.
        modules: the assignments.
        student: this student only.
        out: where a line for each page goes; standard output by default.

    Returns:
        The folders written.

    Raises:
        CourseError: nothing has been graded, or a page could not be made (after making all the others).
    """
    from tinytorch.course.grading.publish import write_feedback

    return write_feedback(project, modules, student, out)


def grades(
    project: Project, modules: list[Module], csv: Path | None = None, out: TextIO | None = None
) -> list[Row]:
    """Print the grades of ``modules`` and write them as CSV.

    Args:
        project: the project.
        modules: the assignments.
        csv: the file to write, ``modules/grades.csv`` by default.
        out: where the tables go; standard output by default.

    Returns:
        The grades.

    Raises:
        CourseError: nothing has been graded, or the file cannot be written.
    """
    from tinytorch.course.grading.publish import write_grades

    return write_grades(project, modules, csv, out)
