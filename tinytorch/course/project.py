"""Where things are: the project, its modules and the folders the tools write to."""

from __future__ import annotations

import configparser
import os
import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_FOLDER = re.compile(r"(?P<number>\d\d)_(?P<short>[a-z][a-z0-9_]*)")


class CourseError(Exception):
    """A mistake a person can mend.

    ``str(error)`` is the one line shown: what was wrong, where, and what to do about it.
    """


@dataclass(frozen=True)
class Module:
    """One module of the course.

    Attributes:
        number: its place in the series, e.g. ``8``.
        name: the name of its folder and of the nbgrader assignment, ``"08_optimizers"``.
        short: the name without the number, ``"optimizers"``.
        folder: ``modules/source/08_optimizers``.
        source: ``…/optimizers_dev.py``, the percent source a person edits.
        notebook: ``…/optimizers_dev.ipynb``, built from it.
    """

    number: int
    name: str
    short: str
    folder: Path
    source: Path
    notebook: Path


@dataclass(frozen=True)
class Project:
    """A checkout of the course, found by its ``settings.ini``.

    Example:
        >>> project = find_project()
        >>> project.module("08").name
        '08_optimizers'
    """

    root: Path

    @cached_property
    def settings(self) -> dict[str, str]:
        """The ``[DEFAULT]`` section of ``settings.ini``, nbdev's configuration."""
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string((self.root / "settings.ini").read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise CourseError(f"settings.ini: not UTF-8 (byte {error.start}); save it as UTF-8") from None
        except configparser.Error as error:
            raise CourseError(f"settings.ini: {str(error).splitlines()[0]}; put this right first") from None
        return dict(parser.defaults())

    def setting(self, key: str) -> str:
        """One value of ``settings.ini``; a missing key is a :class:`CourseError`."""
        try:
            return self.settings[key]
        except KeyError:
            raise CourseError(f"settings.ini: no '{key}'; add a line '{key} = …' below [DEFAULT]") from None

    @property
    def source_dir(self) -> Path:
        """``modules/source``: the percent sources and the notebooks built from them."""
        return self.root / self.setting("nbs_path")

    @property
    def course_root(self) -> Path:
        """``modules``: the nbgrader course, with release, submissions and gradebook."""
        return self.source_dir.parent

    @property
    def package_dir(self) -> Path:
        """``tinytorch``: the package."""
        return self.root / self.setting("lib_path")

    @property
    def core_dir(self) -> Path:
        """``tinytorch/core``: what is exported from the sources."""
        return self.package_dir / "core"

    @property
    def release_dir(self) -> Path:
        """``modules/release``: the notebooks students get."""
        return self.course_root / "release"

    @property
    def build_dir(self) -> Path:
        """``build``: scratch results (executed notebooks, example gradings); never committed."""
        return self.root / "build"

    def relative(self, path: Path) -> str:
        """``path`` as it is shown to people: from the project's root, with forward slashes."""
        try:
            return printable(path.relative_to(self.root).as_posix())
        except ValueError:
            return printable(str(path))

    def modules(self) -> list[Module]:
        """All modules that have a source, by number.

        Raises:
            CourseError: there is none, or two share a number.
        """
        found: list[Module] = []
        folders = sorted(self.source_dir.iterdir()) if self.source_dir.is_dir() else []
        for folder in folders:
            match = _FOLDER.fullmatch(folder.name)
            if match is None:
                continue
            source = folder / f"{match['short']}_dev.py"
            if not source.is_file():
                continue
            if found and found[-1].number == int(match["number"]):
                raise CourseError(
                    f"{self.relative(folder)}: {found[-1].name} has the number {match['number']} already; "
                    "rename one of the two"
                )
            found.append(
                Module(
                    int(match["number"]),
                    folder.name,
                    match["short"],
                    folder,
                    source,
                    source.with_suffix(".ipynb"),
                )
            )
        if not found:
            raise CourseError(
                f"{self.relative(self.source_dir)}: no modules here; a module is a file NN_name/name_dev.py"
            )
        return found

    def module(self, name: str) -> Module:
        """The module called ``name``: ``"08_optimizers"``, ``"08"``, ``"8"`` or ``"optimizers"``.

        Raises:
            CourseError: no module is called that; the message lists those there are.
        """
        modules = self.modules()
        wanted = name.strip().rstrip("/")
        for module in modules:
            if wanted in (module.name, module.short):
                return module
            if wanted.isascii() and wanted.isdigit() and int(wanted) == module.number:
                return module
        raise CourseError(f"unknown module '{name}'; there are: {', '.join(m.name for m in modules)}")

    def select(self, name: str | None) -> list[Module]:
        """The modules a command works on: the one called ``name``, or all of them."""
        return [self.module(name)] if name else self.modules()


def find_project(start: Path | None = None) -> Project:
    """The project that ``start`` (by default the current folder) is in.

    Raises:
        CourseError: neither ``start`` nor a folder above it holds the course.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "settings.ini").is_file() and (folder / "modules").is_dir():
            return Project(folder)
    raise CourseError(
        f"{start}: no course here or above; run this inside a checkout "
        "(the folder with settings.ini and modules/)"
    )


def printable(text: str) -> str:
    """``text`` on one line of a terminal: what cannot be printed is escaped as in Python.

    Example:
        >>> print(printable("two\\nlines"))
        two\\nlines
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def write_if_changed(path: Path, text: str) -> bool:
    """Write ``text`` to ``path`` in one stroke, unless it holds exactly that already.

    Returns:
        Whether anything was written. A reader sees the old file or the new one, never half of either.
    """
    data = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        # mkstemp makes private files; what is built here is meant to be shared like any other file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(scratch, 0o666 & ~mask)
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    return True
