"""The release: what students get, made by nbgrader and proven on the built tree before anyone sees it."""

from __future__ import annotations

import copy
import logging
import os
import re
import shutil
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytorch.course.execute import WORKERS, Progress, Run, run_notebook
from tinytorch.course.grading.score import score
from tinytorch.course.leaks import Secrets, leftovers, strangers
from tinytorch.course.notebooks import (
    cell_name,
    grade_id,
    has_tag,
    is_graded,
    is_written,
    read_notebook,
    read_source,
    require_fresh,
    with_stubs,
)
from tinytorch.course.project import CourseError, Module, Project, printable

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from traitlets.config import Config


def release(project: Project, modules: list[Module]) -> list[Path]:
    """Build the student notebooks of ``modules``, prove them, and only then put them into place.

    The gradebook learns of the assignments as with ``nbgrader generate_assignment``. A release that fails
    leaves the previous one, and the gradebook, as they were.

    Returns:
        The released folders.

    Raises:
        CourseError: a stale notebook, a refusal of nbgrader, or what :func:`prove` found, one line each.
    """
    for module in modules:
        require_fresh(project, module)
    project.build_dir.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=project.build_dir, prefix="release-") as scratch:
        trial, final = Path(scratch) / "trial", Path(scratch) / "final"
        gradebook = Path(scratch) / "gradebook.db"
        if (project.course_root / "gradebook.db").is_file():
            shutil.copyfile(project.course_root / "gradebook.db", gradebook)
        generate(project, modules, trial, f"sqlite:///{gradebook}")
        wrong = prove_all(project, modules, trial)
        if wrong:
            raise CourseError("\n".join(wrong))
        generate(project, modules, final)
        return [_put(project, final / module.name, Path(scratch) / "old") for module in modules]


def _put(project: Project, new: Path, old: Path) -> Path:
    """Put a proven folder in the place of the one released before."""
    place = project.release_dir / new.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        old.mkdir(exist_ok=True)
        os.replace(place, old / new.name)
    os.replace(new, place)
    return place


def course_config(project: Project) -> Config:
    """nbgrader's configuration of this course, as its own commands read it.

    Raises:
        CourseError: there is none, or it cannot be run.
    """
    from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

    name = "nbgrader_config.py"
    try:
        return PyFileConfigLoader(name, path=str(project.root)).load_config()
    except (CourseError, ModuleNotFoundError):
        raise
    except ConfigFileNotFound:
        raise CourseError(f"{name}: missing; restore it, or releases would hold the solutions") from None
    except SyntaxError as error:
        raise CourseError(f"{name}:{error.lineno}: not Python: {error.msg}; mend the line") from None
    except Exception as error:
        # The file is a program: it can raise anything.
        lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if Path(at.filename).name == name]
        raise CourseError(
            f"{name}:{lines[-1] if lines else 1}: {type(error).__name__}: {printable(str(error))}; mend the line"
        ) from None


def exception_line(trace: str) -> str:
    """The exception that a formatted traceback ends in, without what its message says on further lines.

    Of exceptions raised while others were handled it is the last. A mistake that this tooling tells comes
    without the name of its class.

    Example:
        >>> exception_line("Traceback (most recent call last):\\n  File …\\na.B: why\\n  more\\nand more\\n")
        'B: why'
    """
    last = trace.rpartition("Traceback (most recent call last):\n")[2]
    line = next((line for line in last.splitlines() if line and not line[0].isspace()), trace.strip())
    return re.sub(r"^(?:\w+\.)*(?=\w+(?::|$))", "", line).removeprefix("CourseError: ")


class _Log(logging.Handler):
    """Keeps what nbgrader says, so that one line of it can be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelno, record.getMessage()))

    def reason(self) -> str:
        """What the first traceback was about, or the first error."""
        errors = [text for level, text in self.lines if level >= logging.ERROR]
        traces = [text for text in errors if text.startswith("Traceback")]
        if traces:
            return exception_line(traces[0])
        return (errors or ["nbgrader gave no reason"])[0].strip().splitlines()[0]

    def unknown(self) -> list[str]:
        return [text for _, text in self.lines if "not recognized" in text]


def generate(project: Project, modules: list[Module], place: Path, db_url: str | None = None) -> None:
    """Run nbgrader's ``GenerateAssignment`` for ``modules``.

    Args:
        project: the course; its ``nbgrader_config.py`` is used.
        modules: the assignments.
        place: the folder that gets one folder a module.
        db_url: the gradebook; by default the one of the course.

    Raises:
        CourseError: nbgrader refused, or its configuration names an option it does not know.
    """
    from nbgrader.converters.base import NbGraderException
    from nbgrader.converters.generate_assignment import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    config = course_config(project)
    config.CourseDirectory.release_directory = str(place)
    if db_url is not None:
        config.CourseDirectory.db_url = db_url
    for module in modules:
        log, handler = logging.Logger("tinytorch.release", logging.INFO), _Log()
        log.addHandler(handler)
        directory = CourseDirectory(config=config, log=log, assignment_id=module.name)
        try:
            GenerateAssignment(coursedir=directory, config=config, log=log, force=True).start()
        except (NbGraderException, SystemExit):
            raise CourseError(_explain(module, handler.reason())) from None
        if handler.unknown():
            raise CourseError(f"nbgrader_config.py: {handler.unknown()[0]}; mend or remove that line")


def _explain(module: Module, reason: str) -> str:
    if "Cannot add or remove cells" in reason or "there are submissions associated with it" in reason:
        return (
            f"{module.name}: modules/gradebook.db has submissions made with other cells; move it away, "
            "release, and autograde the submissions again (marks given by hand are in the file you moved)"
        )
    if "(sqlite3." in reason:
        return f"{module.name}: {gradebook_trouble('modules/gradebook.db', reason)}"
    # A mistake that this tooling tells names its remedy; an exception of nbgrader does not.
    own = re.match(r"\w+(Error|Exception): ", reason) is None
    return f"{module.name}: {reason}" if own else f"{module.name}: {reason}; `make check` may say where"


def gradebook_trouble(name: str, reason: str) -> str:
    """Why a gradebook cannot be used and what to do about it, in one line.

    Args:
        name: the gradebook as it is called to people.
        reason: what SQLAlchemy says; only its first line is told.
    """
    reason = reason.splitlines()[0]
    if "database is locked" in reason:
        return f"the gradebook {name} is in use by another program; close that, then run this again"
    if "disk is full" in reason:
        return f"the gradebook {name} cannot be written: the disk is full; make room, then run this again"
    if "readonly database" in reason:
        return f"the gradebook {name} cannot be written; make it and its folder writable for yourself"
    return (
        f"the gradebook {name} cannot be used: {reason}; "
        "back it up, then run `nbgrader db upgrade`, or move it away and release again"
    )


def prove_all(project: Project, modules: list[Module], place: Path) -> list[str]:
    """:func:`prove` for several modules, two at a time."""
    progress = Progress()

    def one(module: Module) -> list[str]:
        start = time.perf_counter()
        found = prove(project, module, place / module.name)
        verdict = "not released" if found else "proven"
        progress.done(module.name, f"release {verdict} in {time.perf_counter() - start:.1f} s")
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        return [line for lines in pool.map(one, modules) for line in lines]


def prove(project: Project, module: Module, folder: Path | None = None) -> list[str]:
    """Look at a built release as a student would find it, and run it.

    Args:
        project: the course.
        module: the module released.
        folder: the folder to look at, by default ``modules/release/NN_name``.

    Returns:
        One line for each thing wrong; none if all is well: no solution line and nothing but the notebook in
        it, no outputs or left-over metadata, a run to the end with only the errors allowed, 0 points for
        blank work on every graded cell, and for the reference full marks, but for its written answers, which
        a person has to mark.
    """
    folder = folder or project.release_dir / module.name
    where = f"{project.release_dir.relative_to(project.root).as_posix()}/{module.name}"
    found = _prove_files(project, module, folder)
    if not found:
        notebook = read_notebook(folder / module.notebook.name)
        reference = read_source(module)
        found = _prove_text(reference, notebook)
        found = found or prove_blank(run_notebook(project, notebook)) + prove_reference(
            run_notebook(project, without_demos(reference))
        )
    return [f"{where}/{module.notebook.name}: {line}" for line in found]


def _prove_files(project: Project, module: Module, folder: Path) -> list[str]:
    path = folder / module.notebook.name
    if not path.is_file():
        return ["there is no release; run `make release`"]
    secrets = Secrets.of(project.modules())
    found = strangers(folder, module)
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p != path):
        text = file.read_bytes().decode("utf-8", errors="replace")
        found += [f"{file.name} holds the solution line '{line}'" for line in secrets.in_text(text)]
    notebook = read_notebook(path)
    if notebook is None:
        return [*found, "not a notebook any more; run `make release`"]
    return found + secrets.in_notebook(notebook) + leftovers(notebook)


def _prove_text(reference: NotebookNode, notebook: NotebookNode) -> list[str]:
    """Cell by cell, the release is the reference with its solution blocks replaced by stubs."""
    if len(reference.cells) != len(notebook.cells):
        return [f"{len(notebook.cells)} cells, the source has {len(reference.cells)}; run `make release`"]
    found = []
    for index, (cell, given) in enumerate(zip(reference.cells, notebook.cells)):
        if with_stubs(cell) != given.source:
            found.append(
                f"{cell_name(cell, index)} is not the source with its solutions replaced; run `make release`"
            )
        if _contract(cell) != _contract(given):
            found.append(
                f"{cell_name(cell, index)} has other nbgrader metadata than its source; run `make release`"
            )
    return found


def _contract(cell: NotebookNode) -> dict[str, Any]:
    keys = ("grade_id", "grade", "solution", "locked", "points", "task")
    nbgrader = cell.metadata.get("nbgrader", {})
    return {key: nbgrader[key] for key in keys if key in nbgrader}


def without_demos(notebook: NotebookNode) -> NotebookNode:
    """A copy without the cells that only demonstrate: what grading needs, and quick."""
    short = copy.deepcopy(notebook)
    short.cells = [cell for cell in short.cells if not has_tag(cell, "demo")]
    return short


def prove_blank(run: Run) -> list[str]:
    """What is wrong with the run of a blank release: a stop, a forbidden error, a point for nothing."""
    found = [f"blank work does not run to the end: {run.stopped}"] if run.stopped else []
    for error in run.errors:
        cell = run.notebook.cells[error.index]
        graded = is_graded(cell) and error.name in ("NotImplementedError", "AssertionError")
        stubbed = error.name == "NotImplementedError" and error.message.startswith("exercise '")
        if not graded and not (has_tag(cell, "demo") and stubbed):
            found.append(
                f"{cell_name(cell, error.index)} raises {error.line} on blank work; only a stub's "
                "NotImplementedError in demo cells, and AssertionError in graded cells, are allowed"
            )
    for cell in [] if run.stopped else score(run.notebook):
        if cell.points != 0:
            what = "waits for a person's mark" if cell.points is None else f"gives {cell.points:g} of {cell.maximum:g} points"
            found.append(f"cell '{cell.grade_id}' {what} for blank work; it must give 0")
    return found


def prove_reference(run: Run) -> list[str]:
    """What is wrong with the run of the reference: a stop, an error, less than full marks."""
    found = (
        [f"the reference does not run to the end without its demo cells: {run.stopped}"]
        if run.stopped
        else []
    )
    for error in run.errors:
        found.append(
            f"{cell_name(run.notebook.cells[error.index], error.index)}: the reference raises {error.line}"
        )
    for index, cell in enumerate(run.notebook.cells):
        if is_graded(cell) and any(output.output_type != "error" for output in cell.get("outputs", [])):
            found.append(f"{cell_name(cell, index)} prints or returns something; a graded cell is silent")
    written = {grade_id(cell) for cell in run.notebook.cells if is_written(cell)}
    for cell in [] if run.stopped else score(run.notebook):
        if cell.grade_id in written:
            if cell.points is not None:
                found.append(f"cell '{cell.grade_id}' is a written answer, but was given points without a person")
        elif cell.points != cell.maximum:
            found.append(
                f"cell '{cell.grade_id}' gives the reference {cell.points or 0:g} of {cell.maximum:g} points; it must give all"
            )
    return found
