"""THE one place that turns the outputs of a run into points.

Today by nbgrader's own rule: an error or text on stderr is no points, silence is all of them, and what is
written in words waits for a person unless it still says what the release says. Whoever
compares with an oracle keeps :func:`score` as it is: an executed notebook in, one :class:`CellScore` a
graded cell out.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinytorch.course.notebooks import grade_id, is_graded

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass(frozen=True)
class CellScore:
    """The points of one graded cell.

    Attributes:
        grade_id: the cell.
        points: the points given; ``None`` where a person has to grade.
        maximum: the points it can give.
        reason: the first line of what cost points, empty at full marks.
        note: anything that an instructor should look at, or ``None``.
    """

    grade_id: str
    points: float | None
    maximum: float
    reason: str = ""
    note: str | None = None


def score(notebook: NotebookNode) -> list[CellScore]:
    """The points of every graded cell of an executed notebook, in the order of the cells."""
    return [_score_cell(cell) for cell in notebook.cells if is_graded(cell)]


def nothing(notebook: NotebookNode, reason: str) -> list[CellScore]:
    """No points on any graded cell of a release: what a submission that cannot be read gets."""
    return [
        CellScore(grade_id(cell), 0.0, float(cell.metadata["nbgrader"]["points"]), reason)
        for cell in notebook.cells
        if is_graded(cell)
    ]


def _score_cell(cell: NotebookNode) -> CellScore:
    from nbgrader.utils import determine_grade

    name = grade_id(cell)
    maximum = float(cell.metadata["nbgrader"]["points"])
    try:
        points, _ = determine_grade(cell, logging.Logger("tinytorch.score"))
    except ValueError as error:
        return CellScore(
            name, 0.0, maximum, str(error), f"cell '{name}' returned a value that is no score: {error}"
        )
    if points is None or points == maximum:
        return CellScore(name, points, maximum)
    return CellScore(name, float(points), maximum, *_reason(cell, name))


def _reason(cell: NotebookNode, name: str) -> tuple[str, str | None]:
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            return f"{output.ename}: {output.evalue}".strip().split("\n")[0], None
        if output.output_type == "stream" and output.name == "stderr":
            line = output.text.strip().split("\n")[0]
            return line, f"cell '{name}' has no points because of text on stderr: {line}"
    return "", None
