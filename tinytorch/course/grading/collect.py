"""Find what students handed in, and say of each whether it can be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytorch.course.grading.tree import CourseTree
from tinytorch.course.notebooks import clean_tags
from tinytorch.course.project import CourseError, Module, printable

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one module.

    Attributes:
        student: the student's id, the name of the folder.
        module: the assignment.
        data: the bytes of the notebook file, empty if there is none.
        notebook: the notebook, or ``None`` if it cannot be read.
        problem: why it cannot be read, in one line that a student understands, or ``None``.
        timestamp: the text of ``timestamp.txt``, ``None`` without one.
        notes: what else is unusual about the files, one line each.
    """

    student: str
    module: Module
    data: bytes
    notebook: NotebookNode | None
    problem: str | None
    timestamp: str | None = None
    notes: tuple[str, ...] = ()


class Unreadable(Exception):
    """A file that is not a notebook; the text says why."""


def students(tree: CourseTree, module: Module, student: str | None = None) -> list[str]:
    """Who handed something in for ``module``, in order.

    Args:
        tree: the course.
        module: the assignment.
        student: look at this one only.
    """
    if not tree.submitted.is_dir():
        return []
    names = sorted(folder.name for folder in tree.submitted.iterdir() if not folder.name.startswith("."))
    return [name for name in names if student in (None, name) and tree.submission(name, module).is_dir()]


def strays(tree: CourseTree) -> list[str]:
    """What lies in ``submitted`` but in no place where it would be graded, one line each."""
    if not tree.submitted.is_dir():
        return []
    known = {module.name for module in tree.project.modules()}
    found = []
    for student in sorted(tree.submitted.iterdir()):
        if student.name.startswith("."):
            continue
        if not student.is_dir():
            found.append(f"submitted/{student.name}: a file; it belongs into submitted/STUDENT/NN_name/")
            continue
        for entry in sorted(student.iterdir()):
            where = f"submitted/{student.name}/{entry.name}"
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                found.append(f"{where}: a file; it belongs into submitted/{student.name}/NN_name/")
            elif entry.name not in known:
                found.append(f"{where}: no module is called that; there are {', '.join(sorted(known))}")
    return found


def read(tree: CourseTree, module: Module, student: str) -> Submission:
    """Read what ``student`` handed in; whatever is wrong with it is told, never raised."""
    folder = tree.submission(student, module)
    data, notebook, problem = b"", None, None
    try:
        data = _bytes(folder, module.notebook.name)
        notebook = parse(data)
    except Unreadable as error:
        problem = str(error)
    timestamp, notes = _timestamp(folder / "timestamp.txt")
    return Submission(student, module, data, notebook, problem, timestamp, notes)


def _timestamp(path: Path) -> tuple[str | None, tuple[str, ...]]:
    """When the submission came, as nbgrader notes it; a file that holds no time is told."""
    from nbgrader.utils import parse_utc

    try:
        text = path.read_text(encoding="utf-8").strip()
        parse_utc(text)
    except FileNotFoundError:
        return None, ()
    except (OSError, ValueError, OverflowError):
        return None, ("timestamp.txt holds no time; graded as if there were none",)
    return text, ()


def _bytes(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if path.is_file():
            return path.read_bytes()
        others = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() == ".ipynb")
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    if path.is_dir():
        raise Unreadable(f"{name} is a folder")
    if others:
        raise Unreadable(f"no {name}, but '{others[0]}'; rename it")
    raise Unreadable(f"no {name} in the folder")


def parse(data: bytes) -> NotebookNode:
    """The notebook in ``data``, in the current format.

    Raises:
        Unreadable: it is empty, not UTF-8, not JSON, or not a notebook.
    """
    if not data.strip():
        raise Unreadable("the file is empty")
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"not a notebook: not JSON from line {error.lineno} on ({error.msg})") from None
    except RecursionError:
        raise Unreadable("not a notebook: nested too deeply") from None
    return _validated(document)


def _validated(document: Any) -> NotebookNode:
    """The notebook, checked against the schema of its own format version, then brought to the current one."""
    import nbformat
    from nbformat.converter import convert

    version = document.get("nbformat") if isinstance(document, dict) else None
    if version not in (3, 4) or not isinstance(document.get("cells" if version == 4 else "worksheets"), list):
        raise Unreadable("not a notebook: JSON, but without format number and cells")
    if version == 4:
        _complete(document)
    try:
        nbformat.validate(document, relax_add_props=True)
        return convert(nbformat.reader.reads(json.dumps(document)), 4)
    except nbformat.ValidationError as error:
        # jsonschema's message is one line that says what; the rest of its text is the whole cell.
        raise Unreadable(f"not a valid notebook: {str(error.message).splitlines()[0][:120]}") from None


def _complete(document: dict[str, Any]) -> None:
    """Put right, in place, what nothing depends on: it is no reason not to read an answer."""
    document["metadata"] = {}
    document.setdefault("nbformat_minor", 5)
    used: set[str] = set()
    for number, cell in enumerate(document["cells"]):
        if not isinstance(cell, dict):
            raise Unreadable(f"not a valid notebook: cell {number + 1} is not a cell")
        cell["metadata"] = _needed(cell.get("metadata"))
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if document["nbformat_minor"] not in range(5):
            if not isinstance(cell.get("id"), str) or cell["id"] in used:
                cell["id"] = f"cell-{number}"
            used.add(cell["id"])


def _needed(metadata: Any) -> dict[str, Any]:
    """Of a cell's metadata what grading reads, in a form that notebooks may have."""
    if not isinstance(metadata, dict):
        return {}
    needed = {key: metadata[key] for key in ("nbgrader", "tags") if key in metadata}
    if "tags" in needed:
        needed["tags"] = clean_tags(needed["tags"])
    return needed


def require_some(tree: CourseTree, modules: list[Module], student: str | None) -> None:
    """Refuse to grade nothing.

    Raises:
        CourseError: no student handed anything in for any of ``modules``.
    """
    if any(students(tree, module, student) for module in modules):
        return
    module = modules[-1]
    place = tree.project.relative(tree.submission(student or "STUDENT", module) / module.notebook.name)
    whose = f"of '{student}' " if student else ""
    what = module.name if len(modules) == 1 else "any module"
    hint = "".join(f"; but {printable(line)}" for line in strays(tree)[:1])
    raise CourseError(f"no submission {whose}for {what}; put it at {place}{hint}")
