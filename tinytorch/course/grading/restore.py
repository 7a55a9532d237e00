"""Put the release back around a student's answers.

Test cells, given cells, points and metadata always come from the release; answers, and cells a student added,
come from the submission and keep their places.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinytorch.course.notebooks import grade_id, has_tag, is_graded, is_solution, is_written

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass(frozen=True)
class Restored:
    """A submission that is ready to run.

    Attributes:
        notebook: the notebook to run.
        demos: places of the release's own demonstration cells, which grading leaves out.
        notes: what had to be put right, one line each.
    """

    notebook: NotebookNode
    demos: frozenset[int]
    notes: tuple[str, ...]


def restore(submitted: NotebookNode, released: NotebookNode) -> Restored:
    """Rebuild the notebook to be graded.

    Args:
        submitted: the notebook a student handed in; left as it is.
        released: the notebook students were given.

    Returns:
        The notebook with every graded cell of the release in it exactly once. Of two cells with the same id
        the later one counts, the earlier stays as an ordinary cell. An answer whose id was lost stays as an
        ordinary cell too, and so is still run.
    """
    from nbformat.v4 import new_notebook

    given = {grade_id(cell): cell for cell in released.cells if grade_id(cell)}
    notes: list[str] = []
    cells = _own_or_given([copy.deepcopy(cell) for cell in submitted.cells], given, notes)
    _note_order(cells, given, notes)
    _add_missing(cells, released, notes)
    _number(cells)
    notebook = new_notebook(cells=cells, metadata=copy.deepcopy(released.metadata), nbformat_minor=5)
    demos = {cell.source for cell in released.cells if cell.cell_type == "code" and has_tag(cell, "demo")}
    left_out = frozenset(
        n for n, cell in enumerate(cells) if cell.cell_type == "code" and cell.source in demos
    )
    return Restored(notebook, left_out, tuple(notes))


def _own_or_given(
    cells: list[NotebookNode], given: dict[str, NotebookNode], notes: list[str]
) -> list[NotebookNode]:
    """Each cell as the release has it, or as an ordinary cell of the student's."""
    last = {_claimed_id(cell): position for position, cell in enumerate(cells)}
    for position, cell in enumerate(cells):
        name = _claimed_id(cell)
        counts = name in given and last[name] == position
        if name in given and not counts:
            notes.append(f"cell '{name}' is there twice; the later one counts")
        if counts:
            _as_given(cell, given[name], notes)
        else:
            cell.metadata.pop("nbgrader", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return cells


def _claimed_id(cell: NotebookNode) -> str | None:
    name = grade_id(cell)
    return name if isinstance(name, str) else None


def _as_given(cell: NotebookNode, given: NotebookNode, notes: list[str]) -> None:
    name = grade_id(given)
    if cell.cell_type != given.cell_type:
        notes.append(f"cell '{name}' was turned into {cell.cell_type}; put right")
        cell.cell_type = given.cell_type
        cell.pop("attachments", None)
        if given.cell_type != "code":
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    if not is_solution(given):
        if _lines(cell.source) != _lines(given.source):
            notes.append(f"given cell '{name}' was edited; put right")
        cell.source = given.source
    elif is_written(given) and "".join(cell.source.split()) in ("", "".join(given.source.split())):
        # White space is no answer, for nbgrader's own grading neither.
        cell.source = given.source
    cell.metadata["nbgrader"] = copy.deepcopy(given.metadata["nbgrader"])


def _lines(source: str) -> list[str]:
    return [line.rstrip() for line in source.rstrip().split("\n")]


def _note_order(cells: list[NotebookNode], given: dict[str, NotebookNode], notes: list[str]) -> None:
    """A test that runs before the answer it asks for gives no points, whatever the answer: say where to look."""
    present = [grade_id(cell) for cell in cells if grade_id(cell)]
    wanted = [name for name in given if name in present]
    moved = next(((name, other) for name, other in zip(present, wanted) if name != other), None)
    if moved:
        notes.append(f"the cells stand in another order than released: '{moved[0]}' comes before '{moved[1]}'")


def _add_missing(cells: list[NotebookNode], released: NotebookNode, notes: list[str]) -> None:
    """Insert each missing cell before the next cell of the release that is there.

    Not after the one before: where an answer lost its id, the restored test must still come after that
    answer. For the same reason a missing answer is not replaced by its stub, which would undo the code that
    lost its id.
    """
    order = [cell for cell in released.cells if grade_id(cell)]
    for position, missing in reversed(list(enumerate(order))):
        name = grade_id(missing)
        present = {grade_id(cell): place for place, cell in enumerate(cells) if grade_id(cell)}
        if name in present:
            continue
        if is_solution(missing) and not is_graded(missing):
            notes.append(f"answer cell '{name}' is missing")
            continue
        kind = "answer" if is_written(missing) else "test" if is_graded(missing) else "given"
        notes.append(f"{kind} cell '{name}' is missing; put back{' blank' if is_written(missing) else ''}")
        after = [present[grade_id(cell)] for cell in order[position + 1 :] if grade_id(cell) in present]
        cells.insert(min(after, default=len(cells)), copy.deepcopy(missing))


def _number(cells: list[NotebookNode]) -> None:
    """Give each cell an id of its own; the format asks for it since version 4.5."""
    used: set[str] = set()
    for position, cell in enumerate(cells):
        wanted = cell.get("id") or f"cell-{position}"
        number, name = 1, wanted
        while name in used:
            number += 1
            name = f"{wanted[:56]}-{number}"
        used.add(name)
        cell["id"] = name
