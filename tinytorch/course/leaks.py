"""What a release must not hold, and where it is looked for: in the built tree, not in the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytorch.course.notebooks import (
    MarkError,
    cell_name,
    is_written,
    model_answer,
    read_source,
    solution_blocks,
)
from tinytorch.course.project import CourseError, Module

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Shorter lines ("return x", "else:") say nothing about an answer.
LONG_ENOUGH = 12

_NOTEBOOK_METADATA = {"kernelspec", "language_info"}
_CELL_METADATA = {"nbgrader", "tags", "deletable", "editable"}


def _squeeze(line: str) -> str:
    """A line without its white space, so that re-indenting or re-spacing hides nothing."""
    return "".join(line.split())


@dataclass(frozen=True)
class Secrets:
    """The lines of all reference solutions that appear nowhere in given code, and of all model answers.

    Attributes:
        lines: from the line without its white space to the line as it is written.
    """

    lines: dict[str, str]

    @classmethod
    def of(cls, modules: Iterable[Module]) -> Secrets:
        """The secrets of ``modules``, read from their sources.

        Raises:
            CourseError: a solution mark is not where it must be.
        """
        solutions: dict[str, str] = {}
        written: dict[str, str] = {}
        given: list[str] = []
        for module in modules:
            for index, cell in enumerate(read_source(module).cells):
                try:
                    if is_written(cell):
                        _keep(model_answer(cell), written)
                    elif cell.cell_type == "code":
                        _sort_lines(cell, solutions, given)
                except MarkError as error:
                    where = f"{module.name}/{module.source.name}: {cell_name(cell, index)}"
                    raise CourseError(f"{where}: {error}") from None
        code = "\n".join(given)
        return cls({key: line for key, line in solutions.items() if key not in code} | written)

    def in_text(self, text: str) -> list[str]:
        """The secret lines that occur in ``text``, in the order of the sources."""
        squeezed = "\n".join(_squeeze(line) for line in text.split("\n"))
        return [line for key, line in self.lines.items() if key in squeezed]

    def in_notebook(self, notebook: NotebookNode) -> list[str]:
        """One sentence for each place in a notebook that gives a solution line away."""
        found = []
        for index, cell in enumerate(notebook.cells):
            for line in self.in_text(cell.source):
                found.append(f"{cell_name(cell, index)} holds the solution line '{line}'")
            rest = {key: value for key, value in cell.items() if key != "source"}
            for line in self.in_text("\n".join(_strings(rest))):
                found.append(
                    f"{cell_name(cell, index)} holds the solution line '{line}' in its outputs or metadata"
                )
        for line in self.in_text("\n".join(_strings(notebook.metadata))):
            found.append(f"the notebook's metadata hold the solution line '{line}'")
        return found


def _sort_lines(cell: NotebookNode, solutions: dict[str, str], given: list[str]) -> None:
    for block in solution_blocks(cell):
        _keep(block.text, solutions)
    given.extend(_squeeze(line) for _, line in given_lines(cell))


def _keep(text: str, secrets: dict[str, str]) -> None:
    for line in text.split("\n"):
        if len(_squeeze(line)) >= LONG_ENOUGH:
            secrets.setdefault(_squeeze(line), line.strip())


def given_lines(cell: NotebookNode) -> list[tuple[int, str]]:
    """What a release keeps of a cell: its lines with their 0-based numbers, without those of solutions.

    Raises:
        MarkError: the solution marks are not where they must be.
    """
    if is_written(cell):
        return []
    inside = {n for block in solution_blocks(cell) for n in range(block.first, block.last + 1)}
    return [(n, line) for n, line in enumerate(cell.source.split("\n")) if n not in inside]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)


def strip_metadata(notebook: NotebookNode) -> None:
    """Take out, in place, the metadata that a student's notebook has no use for."""
    for key in set(notebook.metadata) - _NOTEBOOK_METADATA:
        del notebook.metadata[key]
    for cell in notebook.cells:
        for key in set(cell.metadata) - _CELL_METADATA:
            del cell.metadata[key]


def leftovers(notebook: NotebookNode) -> list[str]:
    """One sentence for each output, execution count or metadata key that a release must not carry."""
    found = [
        f"the notebook has metadata '{key}'" for key in sorted(set(notebook.metadata) - _NOTEBOOK_METADATA)
    ]
    for index, cell in enumerate(notebook.cells):
        name = cell_name(cell, index)
        if cell.get("outputs"):
            found.append(f"{name} has outputs")
        if cell.get("execution_count") is not None:
            found.append(f"{name} has an execution count")
        found += [f"{name} has metadata '{key}'" for key in sorted(set(cell.metadata) - _CELL_METADATA)]
    return found


def strangers(folder: Path, module: Module) -> list[str]:
    """One sentence for each file in a released folder that is not the module's notebook."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir()) if folder.is_dir() else []
    return [
        f"{path.relative_to(folder).as_posix()} is in the release; only {module.notebook.name} belongs there"
        for path in files
        if path != folder / module.notebook.name
    ]
