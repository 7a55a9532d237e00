"""The printed table of grades and the scores of single cells."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_output

from tinytorch.course.grading.record import Row, number, write_csv
from tinytorch.course.grading.score import CellScore, nothing, score
from tinytorch.course.grading.table import table


def row(student: str, points: list[float | None], maxima: dict[str, float], **rest: object) -> Row:
    return Row(student, "08_optimizers", dict(zip(maxima, points)), maxima, **rest)


SHORT = {"test-sgd": 15.0, "test-gradient-descent": 10.0}


def test_a_small_table():
    rows = [
        row("anna", [15, 7.5], SHORT),
        row("bob", [None, 0], SHORT),
        row("cyd", [1, 1], SHORT, notes=("late",)),
    ]
    assert (
        table(rows)
        == """\
08_optimizers

              gradient
student  sgd   descent  total
-----------------------------
anna      15       7.5   22.5
bob        -         0      0
cyd *      1         1      2
-----------------------------
maximum   15        10     25
- to be marked by a person, in formgrader; counts 0 in the total until then (1 answer)
* cyd: late
"""
    )


def test_a_penalty_is_taken_off_the_total_but_never_below_nothing():
    assert row("a", [10, 2], SHORT, penalty=5.0).total == 7.0
    assert row("a", [1, 0], SHORT, penalty=5.0).total == 0.0


def test_names_that_do_not_fit_stand_below_and_letters_above():
    maxima = {
        f"test-{name}": 10.0
        for name in (
            "gradient-descent",
            "zero-grad",
            "optimizer",
            "sgd-plain",
            "sgd-momentum",
            "sgd",
            "adam-moments",
            "adam-correction",
            "adam-path",
            "adam",
            "scheduler",
            "training-integration",
            "hunt-settings",
        )
    }
    assert (
        table([row("no_bias_correction", [10.0] * 13, maxima)])
        == """\
08_optimizers

student              a   b   c   d   e   f   g   h   i   j   k   l   m  total
-----------------------------------------------------------------------------
no_bias_correction  10  10  10  10  10  10  10  10  10  10  10  10  10    130
-----------------------------------------------------------------------------
maximum             10  10  10  10  10  10  10  10  10  10  10  10  10    130

a gradient-descent      e sgd-momentum          i adam-path             m hunt-settings
b zero-grad             f sgd                   j adam
c optimizer             g adam-moments          k scheduler
d sgd-plain             h adam-correction       l training-integration
"""
    )


def test_more_cells_than_fit_are_cut_into_tables_that_do():
    maxima = {f"test-number-{n}-of-many": 10.0 for n in range(40)}
    text = table([row("somebody", [10.0] * 40, maxima)])
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("maximum") == 2 and text.count("total") == 1 and "an number-39-of-many" in text
    assert sum(line.split()[1:].count("10") for line in text.splitlines() if line.startswith("maximum")) == 40


@pytest.mark.parametrize(
    ("value", "text"), [(10.0, "10"), (7.5, "7.5"), (0.0, "0"), (1 / 3, "0.33"), (None, "")]
)
def test_points_as_people_write_them(value, text):
    assert number(value) == text


def test_csv_leaves_open_what_a_person_has_to_grade(tmp_path):
    write_csv(tmp_path / "g.csv", [row("b", [1, 2], SHORT, penalty=1.0), row("a", [None, 2], SHORT)])
    assert (tmp_path / "g.csv").read_text().splitlines()[1:] == [
        "a,08_optimizers,test-sgd,,15,to be marked",
        "a,08_optimizers,test-gradient-descent,2,10,",
        "a,08_optimizers,total,2,25,1 to be marked",
        "b,08_optimizers,test-sgd,1,15,",
        "b,08_optimizers,test-gradient-descent,2,10,",
        "b,08_optimizers,late penalty,-1,,",
        "b,08_optimizers,total,2,25,",
    ]


def test_a_score_given_by_hand_says_so(tmp_path):
    marked = row("ada", [12.5, 10], SHORT, by_hand={"test-sgd": 15.0})
    assert table([marked]).splitlines()[-1] == "ada: sgd is 12.5 by hand (automatic 15)"
    write_csv(tmp_path / "g.csv", [marked])
    assert "ada,08_optimizers,test-sgd,12.5,15,by hand; automatic 15" in (tmp_path / "g.csv").read_text()


def test_a_mark_for_an_answer_that_has_changed_since_counts_and_says_so(tmp_path):
    marked = row("ada", [12.5, 10], SHORT, outdated=("test-sgd",), notes=("late",))
    assert table([marked]).splitlines()[-2:] == [
        "* ada: late",
        "ada: sgd is 12.5 by hand, for an answer that has changed since",
    ]
    assert marked.total == 22.5 and marked.unmarked == 0
    write_csv(tmp_path / "g.csv", [marked])
    assert (tmp_path / "g.csv").read_text().splitlines()[1:] == [
        "ada,08_optimizers,test-sgd,12.5,15,by hand; the answer has changed since",
        "ada,08_optimizers,test-gradient-descent,10,10,",
        "ada,08_optimizers,total,22.5,25,late",
    ]


# ---------------------------------------------------------------------- points from outputs


def graded(*outputs, points: float = 3):
    cell = new_code_cell(
        "test()",
        outputs=list(outputs),
        metadata={
            "nbgrader": {
                "grade": True,
                "grade_id": "t",
                "locked": True,
                "points": points,
                "schema_version": 3,
                "solution": False,
                "task": False,
            }
        },
    )
    from nbformat.v4 import new_notebook

    return new_notebook(cells=[new_code_cell("not graded"), cell])


ERROR = new_output("error", ename="AssertionError", evalue="step 2: expected 0.71\nmore", traceback=[])
PRINT = new_output("stream", name="stdout", text="hello")
WARNING = new_output("stream", name="stderr", text="careful\nthere")


def value(text: str):
    return new_output("execute_result", data={"text/plain": text})


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        ([], CellScore("t", 3.0, 3.0)),
        ([PRINT], CellScore("t", 3.0, 3.0)),
        ([PRINT, ERROR], CellScore("t", 0.0, 3.0, "AssertionError: step 2: expected 0.71")),
        (
            [WARNING],
            CellScore("t", 0.0, 3.0, "careful", "cell 't' has no points because of text on stderr: careful"),
        ),
        ([value("1.5")], CellScore("t", 1.5, 3.0)),
    ],
)
def test_points_follow_from_outputs(outputs, wanted):
    assert score(graded(*outputs)) == [wanted]


def test_a_value_above_the_maximum_costs_this_cell_only():
    [cell] = score(graded(value("99")))
    assert cell.points == 0.0
    assert cell.note.startswith("cell 't' returned a value that is no score: ")


def test_nothing_for_what_cannot_be_read():
    assert nothing(graded(), "the file is empty") == [CellScore("t", 0.0, 3.0, "the file is empty")]
