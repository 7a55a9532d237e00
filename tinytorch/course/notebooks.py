"""From percent sources to notebooks, and small readers of what a cell carries."""

from __future__ import annotations

import ast
import copy
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from tinytorch.course.project import CourseError, Module, Project, write_if_changed

if TYPE_CHECKING:
    from nbformat import NotebookNode

BEGIN_SOLUTION = "### BEGIN SOLUTION"
END_SOLUTION = "### END SOLUTION"

# What a release holds in place of a model answer.
INVITATION = "*Write your answer here.*"

# CPython 3.11 counts the depth of a tree wrongly when two threads build one each (gh-106905): a SystemError.
_PARSING = Lock()
_CELL_MARK = re.compile(r"# %%(?: |\[|$)")
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# jupytext keeps notes of its own in a cell's metadata; nothing but jupytext reads them.
_JUPYTEXT_KEYS = ("lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker", "title")


class MarkError(CourseError):
    """A solution mark that stands where it must not; ``line`` is the 0-based line in the cell."""

    def __init__(self, message: str, line: int):
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class SolutionBlock:
    """What a student writes: the lines between two solution marks.

    Attributes:
        qualname: the function it belongs to, ``"Adam.step_param"`` or ``"add.backward"``.
        first: 0-based line of the opening mark in the cell.
        last: 0-based line of the closing mark.
        indent: the white space before the opening mark.
        text: the lines between the marks as they stand in the cell, without the marks.
    """

    qualname: str
    first: int
    last: int
    indent: str
    text: str


def grade_id(cell: NotebookNode) -> str | None:
    """The nbgrader id of a cell, or ``None``."""
    return _nbgrader(cell).get("grade_id")


def is_graded(cell: NotebookNode) -> bool:
    """Whether nbgrader gives points for this cell."""
    return bool(_nbgrader(cell).get("grade", False))


def is_solution(cell: NotebookNode) -> bool:
    """Whether students write in this cell."""
    return bool(_nbgrader(cell).get("solution", False))


def is_written(cell: NotebookNode) -> bool:
    """Whether students answer this cell in words, and a person marks it: text that is graded and a solution."""
    return cell.cell_type == "markdown" and is_graded(cell) and is_solution(cell)


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Whether a cell carries the tag, e.g. ``"demo"``."""
    return tag in clean_tags(cell.metadata.get("tags"))


def clean_tags(tags: Any) -> list[str]:
    """What is a tag in ``tags``, each once; nothing if it is no list."""
    words = [tag for tag in tags if isinstance(tag, str) and tag] if isinstance(tags, list) else []
    return list(dict.fromkeys(tag for tag in words if "," not in tag))


def _nbgrader(cell: NotebookNode) -> dict[str, Any]:
    value = cell.metadata.get("nbgrader", {})
    return value if isinstance(value, dict) else {}


def cell_name(cell: NotebookNode, index: int) -> str:
    """How a cell is named to people: by its grade_id, or by its place (counted from 1)."""
    own = grade_id(cell)
    return f"cell '{own}'" if own else f"cell {index + 1} ({cell.cell_type})"


def has_marks(cell: NotebookNode) -> bool:
    """Whether a cell carries anything that nbgrader takes for a solution mark."""
    return "BEGIN SOLUTION" in cell.source or "END SOLUTION" in cell.source


def stub(grade_id: str, qualname: str) -> str:
    """The one line that stands for a solution block in a release.

    Example:
        >>> stub("adam-class", "Adam.step_param")
        "raise NotImplementedError(\\"exercise 'adam-class': write Adam.step_param\\")"
    """
    return f"raise NotImplementedError(\"exercise '{grade_id}': write {qualname}\")"


# What `stub` writes, to find it again in a release or in a student's notebook.
STUB = re.compile(r"raise NotImplementedError\(\"exercise '(?P<cell>[^']*)': write (?P<function>[\w.]+)\"\)")


def with_stubs(cell: NotebookNode) -> str:
    """The source of a cell with a stub in place of each solution block: what a release holds.

    A model answer gives way to the invitation to write one.

    Raises:
        MarkError: the solution marks are not where they must be.
    """
    if is_written(cell):
        model_answer(cell)
        return INVITATION
    lines = cell.source.split("\n")
    for block in reversed(solution_blocks(cell)):
        lines[block.first : block.last + 1] = [block.indent + stub(grade_id(cell), block.qualname)]
    return "\n".join(lines)


def solution_blocks(cell: NotebookNode) -> list[SolutionBlock]:
    """The solution blocks of a code cell, from top to bottom; text has none.

    Raises:
        MarkError: a mark without its partner, a block without code, or one outside a function body.
    """
    if cell.cell_type != "code":
        return []
    lines = cell.source.split("\n")
    spans = list(_mark_spans(lines))
    if not spans:
        return []
    functions = list(_functions(_tree(cell.source)))
    return [_block(lines, first, last, functions) for first, last in spans]


def model_answer(cell: NotebookNode) -> str:
    """The model answer of a written question, and how it is marked: what stands between the marks of its cell.

    Raises:
        MarkError: there is not one pair of marks with text between them and nothing around them.
    """
    lines = cell.source.split("\n")
    spans = list(_mark_spans(lines))
    if not spans:
        raise MarkError(
            f"a written answer without solution marks; put the model answer between '{BEGIN_SOLUTION}' and "
            f"'{END_SOLUTION}'",
            0,
        )
    first, last = spans[0]
    outside = [n for n, line in enumerate(lines) if line.strip() and not first <= n <= last]
    if outside:
        raise MarkError(
            "more than a model answer; keep one pair of solution marks around it, and the question in the "
            "cell above",
            outside[0],
        )
    text = "\n".join(lines[first + 1 : last])
    if not text.strip():
        raise MarkError("solution marks without a model answer; write it between them", first)
    return text


def _tree(code: str) -> ast.Module:
    with _PARSING:
        return ast.parse(code)


def _mark_spans(lines: list[str]) -> Iterator[tuple[int, int]]:
    """0-based (opening, closing) lines, sought as nbgrader seeks them: anywhere in a line."""
    first: int | None = None
    for number, line in enumerate(lines):
        opens, closes = "BEGIN SOLUTION" in line, "END SOLUTION" in line
        if (opens or closes) and line.strip() not in (BEGIN_SOLUTION, END_SOLUTION):
            raise MarkError(
                f"a solution mark with other text; write '{BEGIN_SOLUTION}' or "
                f"'{END_SOLUTION}' alone on a line",
                number,
            )
        if opens and first is not None:
            raise MarkError(f"a second '{BEGIN_SOLUTION}' before the first is closed", number)
        if closes and first is None:
            raise MarkError(f"'{END_SOLUTION}' without '{BEGIN_SOLUTION}' before it", number)
        if opens:
            first = number
        if closes and first is not None:
            yield first, number
            first = None
    if first is not None:
        raise MarkError(f"'{BEGIN_SOLUTION}' is never closed by '{END_SOLUTION}'", first)


def _functions(node: ast.AST, outer: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Every function and class below ``node`` with its dotted name, outer ones first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = f"{outer}.{child.name}" if outer else child.name
            yield name, child
            yield from _functions(child, name)
        else:
            yield from _functions(child, outer)


def _block(lines: list[str], first: int, last: int, functions: list[tuple[str, ast.AST]]) -> SolutionBlock:
    code = [n for n in range(first + 1, last) if lines[n].strip() and not lines[n].lstrip().startswith("#")]
    if not code:
        raise MarkError("a solution block without code; put the reference answer between the marks", first)
    # Line numbers of ast are 1-based; a body starts below its signature, so that the marks may stand
    # anywhere in it but not around it.
    around = [
        (name, node)
        for name, node in functions
        if node.body[0].lineno - 1 <= code[0] and code[-1] <= node.end_lineno - 1 and node.lineno - 1 < first
    ]
    if not around or isinstance(around[-1][1], ast.ClassDef):
        raise MarkError("a solution mark outside a function body; move the marks inside the function", first)
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    return SolutionBlock(around[-1][0], first, last, indent, "\n".join(lines[first + 1 : last]))


def read_source(module: Module) -> NotebookNode:
    """The notebook of a module, made from its percent source in memory.

    Cell ids follow from the content: the ``grade_id`` where there is one, otherwise a digest of the cell
    (with a running number among equal cells), so that inserting a cell changes no other id.

    Raises:
        CourseError: the source is not percent format, or a code cell is not Python.
    """
    return _parse(module)[0]


def cell_lines(module: Module) -> list[int]:
    """For each cell of :func:`read_source`, the 1-based line of the source its first line stands on."""
    return _parse(module)[1]


def _parse(module: Module) -> tuple[NotebookNode, list[int]]:
    notebook, starts = _parse_text(module, _read_text(module))
    # A caller may change the notebook; the next one must not see that.
    return copy.deepcopy(notebook), list(starts)


@lru_cache(maxsize=64)
def _parse_text(module: Module, text: str) -> tuple[NotebookNode, list[int]]:
    lines = text.split("\n")
    marks = _check_percent(module, lines)
    import jupytext
    from nbformat import ValidationError

    for mark in marks:
        _check_tags(module, lines[mark], mark + 1)
    try:
        notebook = jupytext.reads(text, fmt="py:percent")
    except ValidationError as error:
        raise CourseError(
            f"{_where(module)}: cell metadata that notebooks cannot hold: {error.message.splitlines()[0]}; "
            "keep to nbgrader={…} and tags=[…] behind '# %%'"
        ) from None
    if len(notebook.cells) != len(marks):
        raise CourseError(
            f"{_where(module)}: {len(marks)} cell marks but {len(notebook.cells)} cells; "
            "keep lines that begin with '# %%' out of code and text"
        )
    starts = []
    for cell, mark in zip(notebook.cells, marks):
        start = mark + 1
        while start < len(lines) and cell.source and not lines[start].strip():
            start += 1
        starts.append(start + 1)
        _check_cell(module, cell, lines[mark], mark + 1, start)
    return _clean(notebook), starts


def _where(module: Module, line: int | None = None) -> str:
    path = f"{module.name}/{module.source.name}"
    return path if line is None else f"{path}:{line}"


def _read_text(module: Module) -> str:
    try:
        return module.source.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise CourseError(f"{_where(module)}: there is no such source") from None
    except UnicodeDecodeError as error:
        raise CourseError(f"{_where(module)}: not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _check_percent(module: Module, lines: list[str]) -> list[int]:
    """0-based lines of the cell marks; the header must be there and nothing between it and the first cell."""
    if not lines or lines[0].strip() != "# ---":
        raise CourseError(
            f"{_where(module, 1)}: no jupytext header; begin the file with '# ---' as other modules do"
        )
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == "# ---"), None)
    if end is None or not any("format_name: percent" in line for line in lines[:end]):
        raise CourseError(
            f"{_where(module, 1)}: not percent format; the header must say 'format_name: percent'"
        )
    _check_header(module, lines[1:end])
    marks = [n for n, line in enumerate(lines) if n > end and _CELL_MARK.match(line)]
    if not marks:
        raise CourseError(
            f"{_where(module, end + 1)}: not percent format: no cell; begin each with a line '# %%'"
        )
    stray = next((n for n in range(end + 1, marks[0]) if lines[n].strip()), None)
    if stray is not None:
        raise CourseError(
            f"{_where(module, stray + 1)}: text before the first cell; put a line '# %%' above it"
        )
    return marks


def _check_header(module: Module, lines: list[str]) -> None:
    """The header is YAML of the form that jupytext writes; ``lines`` are those between its marks."""
    import yaml

    remedy = "copy the header of another module"
    try:
        header = yaml.safe_load("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 2 + mark.line if mark else 1
        what = getattr(error, "problem", None) or "it cannot be read"
        raise CourseError(f"{_where(module, line)}: the header is not YAML: {what}; {remedy}") from None
    jupyter = header.get("jupyter") if isinstance(header, dict) else None
    parts = [jupyter] + [jupyter.get(key, {}) for key in ("jupytext", "kernelspec") if isinstance(jupyter, dict)]
    if not all(isinstance(part, dict) for part in parts):
        raise CourseError(
            f"{_where(module, 1)}: a header without 'jupyter:' and, below it, 'jupytext:' and 'kernelspec:' "
            f"with their settings; {remedy}"
        )


def _check_tags(module: Module, mark: str, line: int) -> None:
    """Tags are a list of words; jupytext and nbformat stop at anything else."""
    from jupytext.cell_metadata import parse_key_equal_value

    if " tags=" not in mark:
        return
    tags = parse_key_equal_value(_CELL_MARK.sub("", mark, count=1)).get("tags")
    if not isinstance(tags, list) or tags != clean_tags(tags):
        raise CourseError(
            f"{_where(module, line)}: tags that cannot be read; write a list of different words: "
            'tags=["demo", "raises-exception"]'
        )


def _check_cell(module: Module, cell: NotebookNode, mark: str, mark_line: int, start: int) -> None:
    if "nbgrader" in mark and not isinstance(cell.metadata.get("nbgrader"), dict):
        raise CourseError(
            f"{_where(module, mark_line)}: nbgrader metadata that cannot be read; "
            'write it as nbgrader={"grade": false, …} in valid JSON'
        )
    if cell.cell_type != "code":
        return
    try:
        _tree(cell.source)
    except SyntaxError as error:
        raise CourseError(
            f"{_where(module, start + (error.lineno or 1))}: not Python: {error.msg}; "
            "mend the line (magics such as %time are not used here)"
        ) from None


def _clean(notebook: NotebookNode) -> NotebookNode:
    from nbformat.v4 import new_notebook

    metadata = {"language_info": {"name": "python"}}
    if "kernelspec" in notebook.metadata:
        metadata["kernelspec"] = notebook.metadata["kernelspec"]
    clean = new_notebook(cells=notebook.cells, metadata=metadata, nbformat_minor=5)
    seen: Counter[str] = Counter()
    for cell in clean.cells:
        for key in _JUPYTEXT_KEYS:
            cell.metadata.pop(key, None)
        cell["id"] = _cell_id(cell, seen)
    return clean


def _cell_id(cell: NotebookNode, seen: Counter[str]) -> str:
    own = grade_id(cell)
    if isinstance(own, str) and _CELL_ID.fullmatch(own):
        base = own
    else:
        base = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
    seen[base] += 1
    return base if seen[base] == 1 else f"{base[:56]}-{seen[base]}"


def notebook_text(notebook: NotebookNode) -> str:
    """A notebook as the text of its file: sorted keys, one space of indentation, a newline at the end."""
    import nbformat

    return nbformat.writes(notebook, version=4) + "\n"


def is_stale(module: Module) -> bool:
    """Whether the built notebook is missing or says something else than its source."""
    return not module.notebook.is_file() or _read_content(module.notebook) != _content(read_source(module))


def require_fresh(project: Project, module: Module) -> None:
    """Refuse a module whose notebook was not built from its source as it is now.

    Raises:
        CourseError: the notebook is missing or stale.
    """
    if is_stale(module):
        raise CourseError(
            f"{project.relative(module.notebook)} does not match {module.source.name}; "
            "run `make notebooks` first"
        )


def _content(notebook: NotebookNode) -> list[tuple[Any, ...]]:
    """What people write into a notebook, as opposed to outputs and the notes of the tools that ran it."""
    return [
        (cell.cell_type, cell.source, cell.metadata.get("nbgrader"), cell.metadata.get("tags"))
        for cell in notebook.cells
    ]


def read_notebook(path: Path) -> NotebookNode | None:
    """The notebook in a file, or ``None`` if what the file holds is no notebook."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.reader.NotJSONError, nbformat.ValidationError):
        return None
    return notebook if isinstance(notebook.get("cells"), list) else None


def _read_content(path: Path) -> list[tuple[Any, ...]] | None:
    notebook = read_notebook(path)
    return None if notebook is None else _content(notebook)


def build(project: Project, modules: list[Module]) -> list[Path]:
    """Write the notebooks of ``modules`` beside their sources; only those that changed.

    All sources are read before the first notebook is written: a mistake in one leaves all as they were.

    Returns:
        The notebooks that were written.

    Raises:
        CourseError: a source cannot be read, or a notebook holds edits its source does not have.
    """
    built = [(module, read_source(module)) for module in modules]
    refuse_to_lose_edits(project, modules)
    return [
        module.notebook
        for module, notebook in built
        if write_if_changed(module.notebook, notebook_text(notebook))
    ]


def refuse_to_lose_edits(project: Project, modules: list[Module]) -> None:
    """Someone who typed into a built notebook must not find it overwritten or removed.

    Raises:
        CourseError: a notebook is newer than its source and says something else.
    """
    for module in modules:
        if not module.notebook.is_file() or module.notebook.stat().st_mtime <= module.source.stat().st_mtime:
            continue
        present = _read_content(module.notebook)
        if present is not None and present != _content(read_source(module)):
            raise CourseError(
                f"{project.relative(module.notebook)}: edited after its source {module.source.name}; "
                "move the edits into the source, then delete the notebook"
            )
