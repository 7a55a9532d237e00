"""Restoring the release around a student's answers, and reading files that may be anything."""

from __future__ import annotations

import copy
import json
import random

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tinytorch.course.grading.collect import Unreadable, parse
from tinytorch.course.grading.restore import restore
from tinytorch.course.notebooks import grade_id


def code(source: str, name: str, **flags: object):
    nbgrader = {
        "grade_id": name,
        "grade": False,
        "solution": False,
        "locked": True,
        "task": False,
        "schema_version": 3,
        "checksum": f"sum of {name}",
        **flags,
    }
    return new_code_cell(source, metadata={"nbgrader": nbgrader}, id=name)


def released():
    """given, answer, test, a demonstration, second answer, second test, a question graded by a person."""
    question = new_markdown_cell(
        "why?",
        id="why",
        metadata={
            "nbgrader": {
                "grade_id": "why",
                "grade": True,
                "solution": True,
                "locked": False,
                "task": False,
                "schema_version": 3,
                "points": 4,
                "checksum": "sum of why",
            }
        },
    )
    return new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[
            code("import numpy", "imports"),
            code("stub one", "one", solution=True, locked=False),
            code("test one", "test-one", grade=True, points=3),
            new_code_cell("plot()", metadata={"tags": ["demo"]}, id="demo"),
            code("stub two", "two", solution=True, locked=False),
            code("test two", "test-two", grade=True, points=2),
            question,
        ],
    )


def handed_in():
    """What a student hands in who did all of it."""
    notebook = copy.deepcopy(released())
    cell(notebook, "one").source = "answer one"
    cell(notebook, "two").source = "answer two"
    cell(notebook, "why").source = "because"
    return notebook


def cell(notebook, name: str):
    return next(cell for cell in notebook.cells if cell.id == name)


def sources(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells]


COMPLETE = ["import numpy", "answer one", "test one", "plot()", "answer two", "test two", "because"]


def test_an_untouched_notebook_stays_as_it_is():
    restored = restore(handed_in(), released())
    assert sources(restored.notebook) == COMPLETE
    assert restored.notes == ()
    assert restored.demos == {3}


def test_own_cells_keep_their_places_and_run():
    notebook = handed_in()
    notebook.cells.insert(2, new_code_cell("helper()"))
    notebook.cells.insert(0, new_markdown_cell("notes to myself"))
    restored = restore(notebook, released())
    assert sources(restored.notebook) == [
        "notes to myself",
        "import numpy",
        "answer one",
        "helper()",
        *COMPLETE[2:],
    ]
    assert restored.demos == {5}


def test_a_demonstration_that_a_student_changed_is_run():
    notebook = handed_in()
    cell(notebook, "demo").source = "plot(); helper = 1"
    assert restore(notebook, released()).demos == frozenset()


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda cell: cell.update(source="pass"), "given cell 'test-two' was edited; put right"),
        (lambda cell: cell.metadata.nbgrader.update(points=999), None),
        (lambda cell: cell.metadata.nbgrader.update(grade=False), None),
        (lambda cell: cell.metadata.nbgrader.update(solution=True), None),
        (lambda cell: cell.metadata.nbgrader.update(schema_version=99), None),
        (lambda cell: cell.metadata.nbgrader.update(locked=False), None),
        (
            lambda cell: cell.update(cell_type="markdown"),
            "cell 'test-two' was turned into markdown; put right",
        ),
        (lambda cell: cell.metadata.pop("nbgrader"), "test cell 'test-two' is missing; put back"),
        (
            lambda cell: cell.metadata.nbgrader.update(grade_id="other"),
            "test cell 'test-two' is missing; put back",
        ),
        (lambda cell: cell.metadata.update(nbgrader="text"), "test cell 'test-two' is missing; put back"),
    ],
)
def test_whatever_is_done_to_a_test_cell_it_counts_as_released(change, note):
    notebook = handed_in()
    change(cell(notebook, "test-two"))
    restored = restore(notebook, released())
    graded = [c for c in restored.notebook.cells if grade_id(c) == "test-two"]
    [test] = graded
    assert (test.cell_type, test.source) == ("code", "test two")
    assert test.metadata.nbgrader == cell(released(), "test-two").metadata.nbgrader
    assert restored.notes == ((note,) if note else ())
    order = [grade_id(c) for c in restored.notebook.cells]
    assert order.index("two") < order.index("test-two") < order.index("why")


def test_white_space_at_the_ends_of_lines_is_no_edit():
    notebook = handed_in()
    cell(notebook, "test-two").source = "test two  \n"
    assert restore(notebook, released()).notes == ()


def test_of_two_cells_with_one_id_the_later_counts():
    notebook = handed_in()
    notebook.cells.insert(3, copy.deepcopy(cell(notebook, "one")))
    notebook.cells[3].source = "answer one, again"
    restored = restore(notebook, released())
    assert sources(restored.notebook)[1:4] == ["answer one", "test one", "answer one, again"]
    assert [grade_id(c) for c in restored.notebook.cells].count("one") == 1
    assert grade_id(restored.notebook.cells[3]) == "one"
    assert restored.notes == (
        "cell 'one' is there twice; the later one counts",
        "the cells stand in another order than released: 'test-one' comes before 'one'",
    )
    assert len({c.id for c in restored.notebook.cells}) == len(restored.notebook.cells)


@pytest.mark.parametrize(
    ("change", "pair"),
    [
        (lambda cells: cells.reverse(), "'why' comes before 'imports'"),
        (lambda cells: cells.insert(1, cells.pop(2)), "'test-one' comes before 'one'"),
        # 'one' itself was moved to the end, behind 'why'.
        (lambda cells: cells.append(cells.pop(1)), "'test-one' comes before 'one'"),
        (lambda cells: cells.insert(0, cells.pop(3)), None),  # a demonstration has no id
    ],
)
def test_another_order_of_the_cells_is_told(change, pair):
    notebook = handed_in()
    change(notebook.cells)
    note = f"the cells stand in another order than released: {pair}"
    assert restore(notebook, released()).notes == ((note,) if pair else ())


def test_an_answer_that_lost_its_id_is_still_run_before_its_test():
    notebook = handed_in()
    cell(notebook, "two").metadata.clear()
    del notebook.cells[5]
    restored = restore(notebook, released())
    assert sources(restored.notebook) == COMPLETE
    assert set(restored.notes) == {
        "answer cell 'two' is missing",
        "test cell 'test-two' is missing; put back",
    }


def test_missing_cells_come_back_in_order_at_the_start_and_at_the_end():
    notebook = handed_in()
    notebook.cells = [c for c in notebook.cells if c.id in ("one", "demo", "two")]
    restored = restore(notebook, released())
    assert sources(restored.notebook) == [
        "import numpy",
        "answer one",
        "plot()",
        "test one",
        "answer two",
        "test two",
        "why?",
    ]
    assert len(restored.notes) == 4


def test_an_empty_notebook_has_every_graded_cell():
    restored = restore(new_notebook(), released())
    assert sources(restored.notebook) == ["import numpy", "test one", "test two", "why?"]


def test_any_order_and_any_loss_leaves_every_graded_cell_once():
    seeds = random.Random(8)
    for _ in range(200):
        notebook = handed_in()
        notebook.cells = seeds.choices(notebook.cells, k=seeds.randrange(12))
        notebook.cells = [copy.deepcopy(c) for c in notebook.cells]
        restored = restore(notebook, released()).notebook
        names = [grade_id(c) for c in restored.cells if grade_id(c)]
        assert sorted(names) == sorted(set(names)) and {"imports", "test-one", "test-two", "why"} <= set(
            names
        )
        assert len({c.id for c in restored.cells}) == len(restored.cells)


def test_answer_turned_into_markdown_becomes_code_again():
    notebook = handed_in()
    answer = cell(notebook, "one")
    answer.cell_type = "markdown"
    for key in ("outputs", "execution_count"):
        del answer[key]
    restored = restore(notebook, released())
    assert cell(restored.notebook, "one").cell_type == "code"
    assert cell(restored.notebook, "one").outputs == []


def test_outputs_a_student_saved_are_gone():
    notebook = handed_in()
    cell(notebook, "test-one").outputs = [{"output_type": "stream", "name": "stdout", "text": "all passed"}]
    assert [c.outputs for c in restore(notebook, released()).notebook.cells if c.cell_type == "code"] == [
        []
    ] * 6


# ---------------------------------------------------------------------- reading


def document(**changes: object) -> bytes:
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {
                "cell_type": "code",
                "id": "a",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": ["x = 1\n", "y"],
            },
        ],
        **changes,
    }
    return json.dumps(notebook).encode()


def test_a_notebook_is_read():
    assert parse(document()).cells[0].source == "x = 1\ny"
    assert parse(b"\xef\xbb\xbf" + document()).cells[0].source == "x = 1\ny"


@pytest.mark.parametrize("minor", [0, 4, 5])
def test_what_editors_leave_out_is_no_reason_to_refuse(minor):
    bare = [{"cell_type": "code", "source": "x"}, {"cell_type": "markdown", "source": "y"}]
    assert [c.source for c in parse(document(nbformat_minor=minor, cells=bare)).cells] == ["x", "y"]


def test_cells_with_the_same_id_are_no_reason_to_refuse():
    twice = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": text} for text in "xy"]
    assert [c.source for c in parse(document(cells=twice)).cells] == ["x", "y"]


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        (None, {}),
        ("text", {}),
        ([1], {}),
        ({"tags": "demo"}, {"tags": []}),
        ({"tags": ["demo", 1, "demo", "a,b", ""]}, {"tags": ["demo"]}),
        ({"tags": None, "nbgrader": {"grade_id": "one"}}, {"tags": [], "nbgrader": {"grade_id": "one"}}),
        ({"collapsed": "yes", "name": 3, "jupyter": []}, {}),
    ],
)
def test_metadata_of_a_cell_cost_no_other_cell(metadata, kept):
    spoilt = {"cell_type": "code", "source": "x", "metadata": metadata}
    sound = {"cell_type": "code", "source": "y", "metadata": {"nbgrader": {"grade_id": "two"}}}
    first, second = parse(document(cells=[spoilt, sound])).cells
    assert (first.source, first.metadata) == ("x", kept)
    assert (second.source, second.metadata) == ("y", {"nbgrader": {"grade_id": "two"}})


def test_metadata_of_the_whole_notebook_are_no_reason_to_refuse():
    assert (
        parse(document(metadata={"kernelspec": {"name": "a kernel of my own"}})).cells[0].source == "x = 1\ny"
    )


def test_an_old_notebook_is_read():
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [
            {
                "metadata": {},
                "cells": [
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": ["x = 1"],
                        "language": "python",
                        "metadata": {},
                        "outputs": [],
                    }
                ],
            }
        ],
    }
    assert parse(json.dumps(old).encode()).cells[0].source == "x = 1"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (document().decode().encode("utf-16"), "not UTF-8 (byte 0)"),
        (b"print('hello')", "not a notebook: not JSON from line 1 on"),
        (document()[:-20], "not a notebook: not JSON from line 1 on"),
        (b"<<<<<<< HEAD\n" + document(), "not a notebook: not JSON from line 1 on"),
        (b"[]", "not a notebook: JSON, but without format number and cells"),
        (b"3", "not a notebook: JSON, but without format number and cells"),
        (b"{}", "not a notebook: JSON, but without format number and cells"),
        (b'{"nbformat": 4, "cells": 3}', "not a notebook: JSON, but without format number and cells"),
        (b'{"nbformat": 99, "cells": []}', "not a notebook: JSON, but without format number and cells"),
        (document(cells=["x"]), "not a valid notebook: cell 1 is not a cell"),
        (document(cells=[{"cell_type": "code", "source": 3}]), "not a valid notebook: "),
        (document(cells=[{"cell_type": "video", "source": "x"}]), "not a valid notebook: "),
        (b"[" * 100_000, "not a notebook: nested too deeply"),
    ],
)
def test_what_is_no_notebook_is_told_in_one_line(data, reason):
    with pytest.raises(Unreadable) as error:
        parse(data)
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200
