"""The graded cells of a module, run on answers that are not the reference's."""

from __future__ import annotations

import functools
import textwrap
import warnings
from pathlib import Path

from tinytorch.course.notebooks import (
    grade_id, has_tag, is_graded, is_solution, read_source, solution_blocks, stub,
)
from tinytorch.course.project import find_project

Answers = dict[str, str]  # "grade id of the solution cell: qualified name" -> the text of the answer


class Exercises:
    """The exercises of one module; an answer is the body of a solution block.

    Args:
        module: its name, such as "08_optimizers".
    """

    def __init__(self, module: str):
        self.module = module

    @functools.cached_property
    def cells(self) -> tuple:
        """The code cells that count for the grade, in order."""
        notebook = read_source(find_project(Path(__file__)).module(self.module))
        code = (cell for cell in notebook.cells if cell.cell_type == "code")
        return tuple(cell for cell in code if not has_tag(cell, "demo"))

    @functools.cached_property
    def reference(self) -> Answers:
        return {
            f"{grade_id(cell)}: {block.qualname}": textwrap.dedent(block.text)
            for cell in self.cells
            if is_solution(cell)
            for block in solution_blocks(cell)
        }

    @property
    def graded(self) -> tuple:
        """The graded cells."""
        return tuple(cell for cell in self.cells if is_graded(cell))

    @property
    def points(self) -> dict[str, float]:
        return {grade_id(cell): cell.metadata["nbgrader"]["points"] for cell in self.graded}

    @property
    def blank(self) -> Answers:
        """What a release has in place of the answers."""
        return {name: stub(*name.split(": ")) for name in self.reference}

    def failures(self, answers: Answers, graded: tuple[str, ...] | None = None) -> dict[str, Exception]:
        """Run the module with these answers for the reference's: what graded cells (all by default) raise."""
        unknown = answers.keys() - self.reference.keys()
        assert not unknown, f"no such solution block: {unknown}"
        namespace: dict = {"__name__": "__main__"}
        raised = {}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for cell in self.cells:
                source = with_answers(cell, answers) if is_solution(cell) else cell.source
                if not is_graded(cell):
                    exec(compile(source, grade_id(cell) or "cell", "exec"), namespace)
                elif graded is None or grade_id(cell) in graded:
                    try:
                        exec(compile(source, grade_id(cell), "exec"), namespace)
                    except Exception as error:
                        raised[grade_id(cell)] = error
        return raised

    def changed(self, block: str, *replacements: tuple[str, str]) -> Answers:
        """The reference answer of a block with pieces of its text replaced."""
        text = self.reference[block]
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} must stand once in the answer of {block}"
            text = text.replace(old, new)
        return {block: text}


def with_answers(cell, answers: Answers) -> str:
    lines = cell.source.split("\n")
    for block in reversed(solution_blocks(cell)):
        body = answers.get(f"{grade_id(cell)}: {block.qualname}", textwrap.dedent(block.text))
        lines[block.first : block.last + 1] = textwrap.indent(
            textwrap.dedent(body).strip("\n"), block.indent
        ).split("\n")
    return "\n".join(lines)
