"""``make feedback`` and ``make grades``: pages for students and a CSV for the office."""

from __future__ import annotations

import copy
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tinytorch.course.grading import collect
from tinytorch.course.grading.cycle import tables
from tinytorch.course.grading.record import Row, rows, write_csv
from tinytorch.course.grading.tree import CourseTree, quiet_log
from tinytorch.course.project import CourseError, Module, Project, printable
from tinytorch.course.release import exception_line

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from traitlets.config import Config

TEMPLATES = Path(__file__).with_name("templates")


def nothing_graded(modules: list[Module]) -> str:
    """Why there is nothing to hand out."""
    names = ", ".join(module.name for module in modules)
    return f"nothing has been graded yet of {names}; run `make autograde` first"


def write_feedback(
    project: Project, modules: list[Module], student: str | None, out: TextIO | None
) -> list[Path]:
    """See :func:`tinytorch.course.grading.feedback`."""
    tree = CourseTree.of(project)
    with tree.alone():
        return _write_pages(tree, modules, student, out or sys.stdout)


def _write_pages(tree: CourseTree, modules: list[Module], student: str | None, out: TextIO) -> list[Path]:
    graded = [
        (module, row.student)
        for module in modules
        for row in rows(tree, module)
        if student in (None, row.student)
        and (tree.autograded(row.student, module) / module.notebook.name).is_file()
    ]
    if not graded:
        raise CourseError(nothing_graded(modules))
    failed = []
    for number, (module, name) in enumerate(graded, 1):
        reason = _page(tree, module, name)
        place = tree.project.relative(tree.feedback(name, module))
        out.write(f"{module.name}  {number:>{len(str(len(graded)))}}/{len(graded)}  {reason or place}\n")
        out.flush()
        if reason:
            failed.append(f"{printable(name)} {module.name}: {reason}")
    if failed:
        raise CourseError(
            f"no feedback for {failed[0]}" + (f", and {len(failed) - 1} more" if failed[1:] else "")
        )
    return [tree.feedback(name, module) for module, name in graded]


def _page(tree: CourseTree, module: Module, student: str) -> str | None:
    """Make one page; the reason if that failed."""
    from nbgrader.converters.base import NbGraderException
    from nbgrader.converters.generate_feedback import GenerateFeedback
    from nbgrader.preprocessors import GetGrades

    folder = tree.autograded(student, module)

    class MarksToo(GetGrades):
        def _get_score(self, cell: NotebookNode, resources: dict) -> None:
            # nbgrader's page says 0 for an answer that nobody has marked yet.
            super()._get_score(cell, resources)
            own = cell.metadata.nbgrader
            mark = self.gradebook.find_grade(own["grade_id"], self.notebook_id, self.assignment_id, self.student_id)
            own["unmarked"] = mark.auto_score is None and mark.manual_score is None

    class OnePage(GenerateFeedback):
        def init_notebooks(self) -> None:
            # nbgrader takes the student for a pattern, and so misses names with brackets in them.
            self.assignments = {str(folder): [str(folder / module.notebook.name)]}

    log, errors = quiet_log(), _Errors(logging.ERROR)
    log.setLevel(logging.ERROR)
    log.addHandler(errors)
    try:
        page = OnePage(coursedir=tree.directory(module), config=_config(tree), log=log, force=True)
        page.preprocessors = [MarksToo if step is GetGrades else step for step in page.preprocessors]
        page.start()
    except (NbGraderException, SystemExit):
        return f"nbgrader could not make the page: {errors.reason}"
    return None


def _config(tree: CourseTree) -> Config:
    """The course's configuration, with its own page instead of nbgrader's; that one is found too, to build on."""
    import nbgrader.server_extensions.formgrader as formgrader

    config = copy.deepcopy(tree.config)
    config.HTMLExporter.template_name = "course_feedback"
    config.HTMLExporter.template_file = "page.html.j2"
    config.HTMLExporter.extra_template_basedirs = [
        str(TEMPLATES),
        str(Path(formgrader.__file__).parent / "templates"),
    ]
    return config


class _Errors(logging.Handler):
    """Keeps the reason among what nbgrader logs: its exception only says that there is one."""

    reason = "it gave no reason"

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        if text.startswith("Traceback"):
            self.reason = exception_line(text)


def write_grades(project: Project, modules: list[Module], to: Path | None, out: TextIO | None) -> list[Row]:
    """See :func:`tinytorch.course.grading.grades`."""
    out = out or sys.stdout
    tree = CourseTree.of(project)
    found: list[Row] = []
    for module in modules:
        found += [_with_problem(tree, module, row) for row in rows(tree, module)]
    if not found:
        raise CourseError(nothing_graded(modules))
    path = to or tree.root / "grades.csv"
    try:
        write_csv(path, found)
    except OSError as error:
        raise CourseError(f"{path}: cannot be written: {error.strerror}; choose another file") from None
    out.write(tables(found).lstrip("\n"))
    out.write(f"\n{project.relative(path)}: {len(found)} submissions\n")
    return found


def _with_problem(tree: CourseTree, module: Module, row: Row) -> Row:
    """A submission that cannot be read leaves no notebook with notes; say again what is wrong."""
    if row.notes or not tree.submission(row.student, module).is_dir():
        return row
    problem = collect.read(tree, module, row.student).problem
    return row if problem is None else replace(row, notes=(problem,))
