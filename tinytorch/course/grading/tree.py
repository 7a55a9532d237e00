"""The folders of one nbgrader course, and nbgrader's configuration for them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tinytorch.course.notebooks import read_notebook
from tinytorch.course.project import CourseError, Module, Project

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None


@dataclass(frozen=True)
class CourseTree:
    """Where submissions come in and grades come out.

    Attributes:
        project: the checkout: its configuration, and the package that submissions import.
        root: the folder of ``submitted``, ``autograded``, ``feedback`` and ``gradebook.db``.
    """

    project: Project
    root: Path

    @classmethod
    def of(cls, project: Project) -> CourseTree:
        """The course itself, in ``modules``."""
        return cls(project, project.course_root)

    @property
    def submitted(self) -> Path:
        """One folder a student, in it one folder an assignment."""
        return self.root / "submitted"

    def submission(self, student: str, module: Module) -> Path:
        """What a student handed in for a module."""
        return self.submitted / student / module.name

    def autograded(self, student: str, module: Module) -> Path:
        """The executed submission."""
        return self.root / "autograded" / student / module.name

    def feedback(self, student: str, module: Module) -> Path:
        """The pages a student gets back."""
        return self.root / "feedback" / student / module.name

    def released(self, module: Module) -> Path:
        """The notebook that students were given; the example course grades against it too.

        Raises:
            CourseError: it has not been built.
        """
        path = self.project.release_dir / module.name / module.notebook.name
        if not path.is_file():
            raise CourseError(
                f"{module.name} has not been released; run `make release MODULE={module.number:02}` first"
            )
        return path

    def released_notebook(self, module: Module) -> NotebookNode:
        """The notebook in :meth:`released`.

        Raises:
            CourseError: it has not been built, or something spoilt it since.
        """
        path = self.released(module)
        notebook = read_notebook(path)
        if notebook is None:
            raise CourseError(
                f"{self.project.relative(path)}: not a notebook any more; "
                f"run `make release MODULE={module.number:02}`"
            )
        return notebook

    @cached_property
    def config(self) -> Config:
        """nbgrader's configuration, as its own commands read it, for this tree."""
        from tinytorch.course.release import course_config

        config = course_config(self.project)
        if self.root != self.project.course_root:
            config.CourseDirectory.root = str(self.root)
            # A database of the real course must not learn of examples.
            config.CourseDirectory.db_url = f"sqlite:///{self.root / 'gradebook.db'}"
        return config

    def directory(self, module: Module | None = None) -> CourseDirectory:
        """nbgrader's own view of these folders, for one assignment."""
        from nbgrader.coursedir import CourseDirectory

        return CourseDirectory(
            config=self.config, log=quiet_log(), assignment_id=module.name if module else ""
        )

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """The gradebook, open for the time of a ``with``.

        Raises:
            CourseError: it cannot be opened or written, or another version of nbgrader made it.
        """
        from nbgrader.api import Assignment, Gradebook
        from sqlalchemy.exc import SAWarning

        directory = self.directory()
        with warnings.catch_warnings(), self.told():
            # nbgrader builds its rows in an order that SQLAlchemy remarks on.
            warnings.simplefilter("ignore", SAWarning)
            with Gradebook(directory.db_url, directory.course_id) as gradebook:
                gradebook.db.query(Assignment).all()
                yield gradebook
                gradebook.engine.dispose()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turns what the database refuses into a line that says what to do."""
        from nbgrader.api import InvalidEntry
        from sqlalchemy.exc import SQLAlchemyError

        from tinytorch.course.release import gradebook_trouble

        # nbgrader writes a traceback there before it raises.
        log = logging.getLogger("tornado.application")
        before, log.disabled = log.disabled, True
        try:
            yield
        except (SQLAlchemyError, InvalidEntry) as error:
            raise CourseError(gradebook_trouble(self.directory().db_url, str(error))) from None
        finally:
            log.disabled = before

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else grades this tree for the time of a ``with``; the system lets go of it with the process.

        Raises:
            CourseError: another process does.
        """
        if fcntl is None:
            yield
            return
        # Beside the tree, because that of the examples is made anew each time.
        path = self.root.with_name(f".{self.root.name}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CourseError(
                    f"another grading runs on {self.project.relative(self.root / 'gradebook.db')}; "
                    "wait until it has ended, then run this again"
                ) from None
            yield


def quiet_log() -> logging.Logger:
    """A logger for nbgrader that says nothing: what matters is said by the caller."""
    log = logging.Logger("tinytorch.grading", logging.CRITICAL)
    log.addHandler(logging.NullHandler())
    return log
