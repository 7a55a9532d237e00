"""The table of grades: a line for each student, a column for each graded cell, in at most 100 columns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice, product
from string import ascii_lowercase

from tinytorch.course.grading.record import Row, number
from tinytorch.course.project import printable

WIDTH = 100
# A word in a head is cut to no less than this; before that the columns get letters, and the words a legend.
SHORTEST_WORD = 9
LONGEST_WORD = 14

_WAITING = "- to be marked by a person, in formgrader; counts 0 in the total until then ({})"


@dataclass(frozen=True)
class _Column:
    """A column: what stands above it, line by line, and in it, row by row, the maxima last."""

    head: list[str]
    cells: list[str]

    @property
    def width(self) -> int:
        return max(len(text) for text in (*self.head, *self.cells))


def table(rows: list[Row], width: int = WIDTH) -> str:
    """The grades of one assignment as text.

    Args:
        rows: what the gradebook says; all of the same assignment.
        width: columns to keep to.

    Returns:
        The table, ending in a newline. Where the names of the graded cells do not fit above their columns,
        letters stand there and the names below the table; a table wider still is cut into several. At the
        end what a ``-`` says, if there is one; marked ``*``, what was unusual about a submission; and which
        scores a person gave.
    """
    if not rows:
        return ""
    names = list(rows[0].maxima)
    left = [printable(row.student) + (" *" if row.notes else "") for row in rows]
    columns, legend = _fitting(rows, left, names, width)
    lines = [rows[0].assignment]
    for part in _parts(left, columns, width):
        lines += ["", *_lines(left, part)]
    waiting = sum(row.unmarked for row in rows)
    notes = [_WAITING.format(f"{waiting} answer{'s'[: waiting > 1]}")] if waiting else []
    notes += [f"* {row.student}: {note}" for row in rows for note in row.notes]
    notes += [
        f"{row.student}: {short(name)} is {_points(row, name)} by hand (automatic {number(automatic)})"
        for row in rows
        for name, automatic in row.by_hand.items()
    ]
    notes += [
        f"{row.student}: {short(name)} is {_points(row, name)} by hand, for an answer that has changed since"
        for row in rows
        for name in row.outdated
    ]
    if legend:
        lines += ["", *legend, *([""] if notes else [])]
    lines += map(printable, notes)
    return "\n".join(lines) + "\n"


def short(name: str) -> str:
    """What a graded cell is called in the table: its id without ``test-``."""
    return name.removeprefix("test-")


def _fitting(
    rows: list[Row], left: list[str], names: list[str], width: int
) -> tuple[list[_Column], list[str]]:
    """The columns, with the longest heads that fit, and the legend they need."""
    total = _Column(["total"], [*(number(row.total) for row in rows), number(rows[0].maximum)])
    bodies = [[*(_points(row, name) for row in rows), number(rows[0].maxima[name])] for name in names]
    for longest in range(LONGEST_WORD, SHORTEST_WORD - 1, -1):
        columns = [_Column(_head(short(name), longest), body) for name, body in zip(names, bodies)] + [total]
        if _width(left, columns) <= width:
            return columns, []
    letters = list(islice(_letters(), len(names)))
    columns = [_Column([letter], body) for letter, body in zip(letters, bodies)] + [total]
    return columns, _legend([f"{letter} {short(name)}" for letter, name in zip(letters, names)], width)


def _letters():
    """a, b, … z, aa, ab, …"""
    for length in count(1):
        yield from ("".join(letters) for letters in product(ascii_lowercase, repeat=length))


def _legend(entries: list[str], width: int) -> list[str]:
    """The entries in columns, to be read downwards."""
    each = max(len(entry) for entry in entries) + 2
    across = max(1, (width + 2) // each)
    height = -(-len(entries) // across)
    return ["".join(f"{entry:{each}}" for entry in entries[line::height]).rstrip() for line in range(height)]


def _head(name: str, longest: int) -> list[str]:
    """A head as words below each other; words that fit beside each other share a line."""
    lines: list[str] = []
    for word in name.replace("_", "-").split("-"):
        word = word if len(word) <= longest else word[: longest - 1] + "."
        if lines and len(lines[-1]) + 1 + len(word) <= longest:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _points(row: Row, name: str) -> str:
    # A dash: a person still has to grade this one.
    return "-" if row.points[name] is None else number(row.points[name])


def _first(left: list[str]) -> int:
    return max(len(text) for text in ("student", "maximum", *left))


def _width(left: list[str], columns: list[_Column]) -> int:
    return _first(left) + sum(2 + column.width for column in columns)


def _parts(left: list[str], columns: list[_Column], width: int) -> list[list[_Column]]:
    """The columns in groups that fit beside each other; all in one wherever possible."""
    parts: list[list[_Column]] = [[]]
    for column in columns:
        if parts[-1] and _width(left, [*parts[-1], column]) > width:
            parts.append([])
        parts[-1].append(column)
    return parts


def _lines(left: list[str], columns: list[_Column]) -> list[str]:
    height = max(len(column.head) for column in columns)
    heads = [[""] * (height - len(column.head)) + column.head for column in columns]
    rule = "-" * _width(left, columns)
    lines = [
        _line("student" if level == height - 1 else "", [head[level] for head in heads], left, columns)
        for level in range(height)
    ]
    lines.append(rule)
    lines += [
        _line(name, [column.cells[row] for column in columns], left, columns) for row, name in enumerate(left)
    ]
    return [*lines, rule, _line("maximum", [column.cells[-1] for column in columns], left, columns)]


def _line(name: str, cells: list[str], left: list[str], columns: list[_Column]) -> str:
    text = "".join(f"  {cell:>{column.width}}" for cell, column in zip(cells, columns))
    return f"{name:{_first(left)}}{text}".rstrip()
