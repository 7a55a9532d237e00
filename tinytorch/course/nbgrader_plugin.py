"""What nbgrader runs for this course: stubs with names, and a last look at what is about to be released.

``nbgrader_config.py`` puts these classes into nbgrader's own pipeline, so that its command, formgrader's buttons
and ``make release`` make the same release.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nbgrader.converters.generate_assignment import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor

from tinytorch.course.grading.execute import CELL_SECONDS
from tinytorch.course.leaks import Secrets, strangers, strip_metadata
from tinytorch.course.notebooks import (
    MarkError,
    cell_name,
    has_marks,
    is_solution,
    is_written,
    require_fresh,
    with_stubs,
)
from tinytorch.course.project import CourseError, find_project


class NamedStubs(ClearSolutions):
    """Replaces each solution block by one line that names the exercise and the function, and each model answer."""

    def preprocess_cell(self, cell: Any, resources: dict, cell_index: int) -> tuple[Any, dict]:
        """Clear one cell; a solution cell without marks is refused instead of being emptied."""
        marked, name = has_marks(cell), cell_name(cell, cell_index)
        if is_solution(cell) and not marked:
            raise CourseError(f"{name} is a solution cell without solution marks; see `make check`")
        if marked and not is_solution(cell):
            raise CourseError(f'{name} has solution marks but no "solution": true; see `make check`')
        if marked and cell.cell_type != "code" and not is_written(cell):
            raise CourseError(f'{name} has a model answer but no "grade": true; see `make check`')
        try:
            cell.source = with_stubs(cell)
        except MarkError as error:
            raise CourseError(f"{name}: {error}") from None
        return cell, resources


class FreshSource(NbGraderPreprocessor):
    """Refuses a notebook that was not built from the source as it is now."""

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Return the notebook as it came, or raise :class:`CourseError`."""
        project = find_project(Path(resources["metadata"]["path"]))
        module = project.module(resources["nbgrader"]["assignment"])
        require_fresh(project, module)
        return nb, resources


class CleanRelease(NbGraderPreprocessor):
    """Takes out metadata that only tools read, then refuses to release anything of a solution."""

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        """Return the notebook without left-overs, or raise :class:`CourseError`."""
        project = find_project(Path(resources["metadata"]["path"]))
        module = project.module(resources["nbgrader"]["assignment"])
        strip_metadata(nb)
        found = Secrets.of(project.modules()).in_notebook(nb)
        found += strangers(self._destination(module.name), module)
        if found:
            more = f" (and {len(found) - 1} more of this kind)" if len(found) > 1 else ""
            raise CourseError(f"{found[0]}{more}; not released")
        return nb, resources

    def _destination(self, assignment: str) -> Path:
        converter = self.parent
        while converter is not None and not hasattr(converter, "coursedir"):
            converter = converter.parent
        directory = converter.coursedir
        return Path(directory.format_path(directory.release_directory, ".", assignment))


def configure(c: Any, root: Path) -> None:
    """Fill nbgrader's configuration ``c`` for the course in ``root``.

    Args:
        c: the configuration object of a ``nbgrader_config.py``.
        root: the project's root, the folder with ``settings.ini``.
    """
    project = find_project(root)
    # nbgrader starts `alembic` by its bare name when it makes a gradebook; it is beside this Python.
    scripts, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    if scripts not in path.split(os.pathsep):
        os.environ["PATH"] = scripts + os.pathsep + path
    c.CourseDirectory.root = str(project.course_root)
    c.CourseDirectory.course_id = "tinytorch"
    # nbgrader copies every other file of a source folder into the release, the source with all solutions too.
    c.CourseDirectory.ignore = [".*", "__pycache__", "*.pyc", "*.py", "feedback"]
    steps = [NamedStubs if step is ClearSolutions else step for step in GenerateAssignment().preprocessors]
    c.GenerateAssignment.preprocessors = [FreshSource, *steps, CleanRelease]
    # A test cell that a student deleted is put back and scored.
    c.OverwriteCells.add_missing_cells = True
    c.Execute.timeout = CELL_SECONDS
