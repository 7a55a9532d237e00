"""The table of grades: a line for each student, a column for each graded cell, in at most 100 columns."""

from __future__ import annotations

from collections.abc import Iterator

from tinytorch.course.grading.record import Row, number

WIDTH = 100


def table(rows: list[Row], width: int = WIDTH) -> str:
    """The grades of one assignment as text.

    Args:
        rows: what the gradebook says; all of the same assignment.
        width: columns to keep to. The heads give way first, then the table is cut into several below each other.

    Returns:
        The table, ending in a newline; below it, marked ``*``, what was unusual about a student's submission.
    """
    if not rows:
        return ""
    names = list(rows[0].maxima)
    lines = [rows[0].assignment]
    for part in _parts(rows, names, width):
        lines += _lines(rows, *part)
    for row in rows:
        lines += [f"* {row.student}: {note}" for note in row.notes]
    return "\n".join(lines) + "\n"


def short(name: str) -> str:
    """The head of a graded cell's column: its id without ``test-``."""
    return name.removeprefix("test-")


def _parts(rows: list[Row], names: list[str], width: int) -> Iterator[tuple[list[str], int, bool]]:
    """(columns, longest word in a head, whether the totals follow) of each table needed to stay within ``width``."""
    for longest in range(14, 5, -1):
        if len(max(_lines(rows, names, longest, True), key=len)) <= width:
            yield names, longest, True
            return
    start = 0
    while start < len(names):
        end = start + 1
        while end < len(names) and len(max(_lines(rows, names[start:end + 1], 9, True), key=len)) <= width:
            end += 1
        yield names[start:end], 9, end == len(names)
        start = end


def _lines(rows: list[Row], names: list[str], longest: int, totals: bool) -> list[str]:
    heads = [_head(short(name), longest) for name in names] + ([["total"]] if totals else [])
    body = [_cells(row, names, totals) for row in rows]
    top = [number(rows[0].maxima[name]) for name in names] + ([number(rows[0].maximum)] if totals else [])
    first = max(len(text) for text in ["student", "maximum", *(_marked(row) for row in rows)])
    widths = [max(len(text) for text in [*heads[n], top[n], *(cells[n] for cells in body)]) for n in range(len(heads))]
    height = max(len(head) for head in heads)
    above = [[""] * (height - len(head)) + head for head in heads]
    lines = [""] + [
        _line("student" if level == height - 1 else "", [head[level] for head in above], first, widths)
        for level in range(height)
    ]
    rule = "-" * len(lines[-1])
    lines = [line.rstrip() for line in lines]
    lines += [rule, *(_line(_marked(row), cells, first, widths) for row, cells in zip(rows, body)), rule]
    return lines + [_line("maximum", top, first, widths)]


def _line(name: str, cells: list[str], first: int, widths: list[int]) -> str:
    return f"{name:{first}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths))


def _head(name: str, longest: int) -> list[str]:
    """A head as words below each other; words that fit beside each other share a line."""
    lines: list[str] = []
    for word in name.replace("_", "-").split("-"):
        word = word if len(word) <= longest else word[:longest - 1] + "."
        if lines and len(lines[-1]) + 1 + len(word) <= longest:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _marked(row: Row) -> str:
    return f"{row.student} *" if row.notes else row.student


def _cells(row: Row, names: list[str], totals: bool) -> list[str]:
    # A dash: a person still has to grade this one.
    cells = ["-" if row.points[name] is None else number(row.points[name]) for name in names]
    return cells + ([number(row.total)] if totals else [])
