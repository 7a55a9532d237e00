"""Export: from a source notebook to a file of the package, through nbdev.

nbdev decides what is exported (``#| export``), what ``__all__`` holds and how imports inside the package are
written. What it cannot know is added here: solution marks are taken out, the header names the percent source
(the file a person can edit), and the marks between cells make room for the spacing of PEP 8.
"""

from __future__ import annotations

import ast
import copy
import re
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any

from tinytorch.course.notebooks import (
    BEGIN_SOLUTION,
    END_SOLUTION,
    STUB,
    cell_name,
    notebook_text,
    read_notebook,
    read_source,
)
from tinytorch.course.project import CourseError, Module, Project, write_if_changed

if TYPE_CHECKING:
    from nbformat import NotebookNode

_DEFAULT_EXP = re.compile(r"^#\|\s*default_exp\s+(\S+)\s*$", re.MULTILINE)
_EXPORT = re.compile(r"^#\|\s*exporti?\b", re.MULTILINE)
_VERSION = re.compile(r'^__version__ = ".*"$', re.MULTILINE)


def default_exp(notebook: NotebookNode) -> str | None:
    """The module a notebook exports to, e.g. ``"core.optimizers"``, or ``None``."""
    for cell in notebook.cells:
        match = _DEFAULT_EXP.search(cell.source) if cell.cell_type == "code" else None
        if match:
            return match[1]
    return None


def is_exported(cell: NotebookNode) -> bool:
    """Whether a cell carries ``#| export`` or ``#| exporti``."""
    return cell.cell_type == "code" and _EXPORT.search(cell.source) is not None


def target(project: Project, module: Module) -> Path:
    """The file of the package that ``module`` exports to.

    Raises:
        CourseError: the notebook has no ``#| default_exp``.
    """
    name = default_exp(read_source(module))
    if name is None:
        raise CourseError(
            f"{module.name}/{module.source.name}: no '#| default_exp core.{module.short}'; "
            "add a cell with that line"
        )
    return project.package_dir.joinpath(*name.split(".")).with_suffix(".py")


def export_text(project: Project, module: Module) -> str:
    """What the package's file says when ``module`` is exported; nothing is written into the project."""
    path = target(project, module)
    source = Path(
        *[".."] * len(path.parent.relative_to(project.root).parts), module.source.relative_to(project.root)
    )
    return render(read_source(module), source.as_posix())


def render(notebook: NotebookNode, origin: str) -> str:
    """Export a notebook in memory.

    Args:
        notebook: a course notebook, the reference or a student's own.
        origin: the path for the header, as seen from the exported file.

    Returns:
        The text of the Python file.

    Raises:
        CourseError: nothing is exported, or the result would not be Python.
    """
    name = default_exp(notebook)
    if name is None or not any(is_exported(cell) for cell in notebook.cells):
        raise CourseError(
            f"{origin}: exports nothing; it needs '#| default_exp core.NAME' and cells with '#| export'"
        )
    _refuse_relative_imports(notebook, origin)
    try:
        return tidy(_through_nbdev(notebook, name, origin))
    except SyntaxError as error:
        raise CourseError(f"{origin}: the exported code is not Python: {error.msg}: {error.text}") from None


def relative_imports(cell: NotebookNode) -> list[int]:
    """0-based lines of a code cell that import relative to a package, which a notebook is not part of."""
    return [
        node.lineno - 1
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]


def _refuse_relative_imports(notebook: NotebookNode, origin: str) -> None:
    for index, cell in enumerate(notebook.cells):
        try:
            lines = relative_imports(cell) if is_exported(cell) else []
        except SyntaxError as error:
            raise CourseError(
                f"{origin}: {cell_name(cell, index)}: the exported code is not Python: {error.msg} "
                f"(line {error.lineno} of the cell); mend it"
            ) from None
        if lines:
            raise CourseError(
                f"{origin}: {cell_name(cell, index)}: {cell.source.splitlines()[lines[0]].strip()!r} is a "
                "relative import; write 'from tinytorch.core.NAME import …'"
            )


def _through_nbdev(notebook: NotebookNode, name: str, origin: str) -> str:
    from nbdev.export import nb_export
    from nbdev.maker import ModuleMaker

    # Unlike anything a cell says, so that these lines, and no others, can be taken out again.
    mark = f"# %% {uuid.uuid4().hex}"

    class CourseModuleMaker(ModuleMaker):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.dest2nb, self.hdr = origin, mark

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "module.ipynb"
        path.write_text(notebook_text(_without_marks(notebook)), encoding="utf-8")
        package = Path(scratch) / "tinytorch"
        nb_export(path, lib_path=package, mod_maker=CourseModuleMaker)
        text = package.joinpath(*name.split(".")).with_suffix(".py").read_text(encoding="utf-8")
    return "\n".join("" if line.startswith(mark) else line for line in text.split("\n"))


def _without_marks(notebook: NotebookNode) -> NotebookNode:
    clean = copy.deepcopy(notebook)
    for cell in clean.cells:
        kept = [
            line for line in cell.source.split("\n") if line.strip() not in (BEGIN_SOLUTION, END_SOLUTION)
        ]
        cell.source = "\n".join(kept)
    return clean


def tidy(text: str) -> str:
    """Space a module as PEP 8 asks: two blank lines around definitions, at most one elsewhere.

    Only lines between top-level statements are touched.
    """
    text = _wrap_all(text.replace("# %% auto #0\n", ""))
    lines = [line.rstrip() if not line.strip() else line for line in text.split("\n")]
    body = ast.parse(text).body
    if not body:
        return text.strip("\n") + "\n"
    out = lines[: body[0].end_lineno]
    for before, after in zip(body, body[1:]):
        start = min([after.lineno] + [d.lineno for d in getattr(after, "decorator_list", [])]) - 1
        if start < before.end_lineno:  # two statements on one line
            out += lines[before.end_lineno : after.end_lineno]
            continue
        definition = any(
            isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) for n in (before, after)
        )
        out += _gap(lines[before.end_lineno : start], definition)
        out += lines[start : after.end_lineno]
    out += _gap(lines[body[-1].end_lineno :], False) if any(lines[body[-1].end_lineno :]) else []
    return "\n".join(out).strip("\n") + "\n"


def _gap(between: list[str], definition: bool) -> list[str]:
    """Blank lines and comments between two statements; a comment right above a statement stays there."""
    comments = list(between)
    while comments and not comments[0].strip():
        comments.pop(0)
    leading = len(between) - len(comments)
    collapsed: list[str] = []
    for line in comments:
        if line.strip() or (collapsed and collapsed[-1].strip()):
            collapsed.append(line)
    return [""] * (2 if definition else min(leading, 1)) + collapsed


def _wrap_all(text: str) -> str:
    """nbdev writes ``__all__`` up to 120 columns wide; the course's lines end at 100."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "__all__":
            names = ", ".join(f'"{name}"' for name in ast.literal_eval(node.value))
            wrap = TextWrapper(
                width=100, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False
            )
            lines = text.split("\n")
            lines[node.lineno - 1 : node.end_lineno] = wrap.wrap(f"__all__ = [{names}]")
            return "\n".join(lines)
    return text


def init_text(project: Project) -> str:
    """``tinytorch/__init__.py`` with the version of ``settings.ini``."""
    path = project.package_dir / "__init__.py"
    text = path.read_text(encoding="utf-8")
    if not _VERSION.search(text):
        raise CourseError(f"{project.relative(path)}: no line '__version__ = \"…\"'; add one")
    return _VERSION.sub(f'__version__ = "{project.setting("version")}"', text)


def export(project: Project, modules: list[Module]) -> list[Path]:
    """Write the package's files for ``modules`` and the version; only what changed.

    Returns:
        The files that were written.
    """
    texts = [(target(project, module), export_text(project, module)) for module in modules]
    texts.append((project.package_dir / "__init__.py", init_text(project)))
    return [path for path, text in texts if write_if_changed(path, text)]


@dataclass(frozen=True)
class OwnExport:
    """A student's export.

    Attributes:
        path: the file written.
        unwritten: the functions that are still stubs in it.
        lost: names that the file had before and has no more: a cell may have been deleted.
    """

    path: Path
    unwritten: list[str]
    lost: list[str]


def export_own(notebook: Path, into: Path | None = None) -> OwnExport:
    """Export a student's own notebook into a ``tinytorch`` package, where the next module finds it.

    Args:
        notebook: the notebook, e.g. ``optimizers_dev.ipynb``.
        into: the package's folder (the one with ``core`` in it); by default the imported ``tinytorch``.

    Returns:
        What was written, and what is missing in it.

    Raises:
        CourseError: the file is not a notebook, exports nothing, or does not hold Python.
    """
    import tinytorch

    if not notebook.is_file():
        raise CourseError(f"{notebook}: there is no such file; name your notebook")
    read = read_notebook(notebook)
    if read is None:
        raise CourseError(f"{notebook}: not a notebook; name the .ipynb you worked in")
    package = into or Path(tinytorch.__file__).parent
    if not (package / "core").is_dir():
        raise CourseError(f"{package}: no tinytorch package (a folder with core in it); name one with --into")
    name = default_exp(read)
    if name is None or not re.fullmatch(r"core\.[a-z][a-z0-9_]*", name):
        raise CourseError(f"{notebook}: no '#| default_exp core.NAME'; put that cell of the module back")
    text = render(read, notebook.name)
    path = package.joinpath(*name.split(".")).with_suffix(".py")
    before = _public_names(path.read_text(encoding="utf-8")) if path.is_file() else set()
    write_if_changed(path, text)
    unwritten = [match["function"] for line in text.split("\n") if (match := STUB.fullmatch(line.strip()))]
    return OwnExport(path, unwritten, sorted(before - _public_names(text)))


def _public_names(text: str) -> set[str]:
    """What ``__all__`` of a module names."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()
