"""Mutants: which changes are made, and whether the run notices what it should."""

from __future__ import annotations

import doctest
import io
import json
from pathlib import Path

import pytest
from conftest import HEADER, ROOT, write_course
from nbformat.v4 import new_code_cell

from tinytorch.course import mutants
from tinytorch.course.mutants import mutations
from tinytorch.course.mutants.mutations import mutants_of
from tinytorch.course.notebooks import is_solution, is_written, read_source
from tinytorch.course.project import CourseError, Module, Project


def cell(body: str, given: str = "") -> object:
    """A solution cell: a function ``f(a, b)`` with ``body`` as the answer."""
    lines = ["### BEGIN SOLUTION", *body.split("\n"), "### END SOLUTION"]
    source = "\n".join(
        [
            "def f(a, b):",
            *(f"    {line}" for line in given.split("\n") if line),
            *(f"    {line}" for line in lines),
        ]
    )
    return new_code_cell(source, metadata={"nbgrader": {"grade_id": "f", "solution": True}})


def changes(body: str, given: str = "") -> list[str]:
    return [mutant.mutated for mutant in mutants_of(cell(body, given))]


def test_doctests():
    assert doctest.testmod(mutations).failed == 0
    assert doctest.testmod(mutations).attempted > 0


def test_every_mutant_of_a_small_answer():
    assert sorted(changes("return a - b")) == sorted(
        [
            "return a + b",
            "return a * b",  # another operator
            "return a",
            "return b",  # an operand left out
            "return b - b",
            "return a - a",  # another name
            "return -(a - b)",
            "return None",
            "pass",
        ]
    )


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("a += b", ["a -= b", "a *= b", "a = b", "pass", "a += a"]),
        (
            "if a < b:\n    a[0] = 1",
            ["if a <= b:", "if a >= b:", "if not (a < b):", "if True:", "if False:", "a[0] = 2"],
        ),
        ("return a and not b", ["return a or not b", "return a", "return not b", "return a and b"]),
        ("return 0.5 * a", ["return 1.0 * a", "return 1.5 * a", "return -0.5 * a", "return 0.5 / a"]),
        ("return a, b", ["return b, a", "return None"]),
        ("return f(a, b)", ["return f(b, a)"]),
        (
            "return a.sum(axis=0)",
            ["return a.sum()", "return a.mean(axis=0)", "return a.sum(axis=1)", "return a.sum(axis=-1)"],
        ),
        ("return a.copy()", ["return a"]),
        ("return float(a)", ["return a"]),
        ("a['m'] = b['v']\nb['m'] = 1", ["a[\"v\"] = b['v']", "a['m'] = b[\"m\"]"]),
        ("a.grad = b.grad\na.data = b.data", ["a.data = b.grad", "a.grad = b.data"]),
        ("for a in b:\n    break", ["continue"]),
        ("with a:\n    b[0] = 1", ["if True:"]),
        ("return [n for n in a if n]", ["return [n for n in a if True]", "return [n for n in a if not (n)]"]),
        ("return a if a else b", ["return a", "return b"]),
        ("return {'x': a, 'y': b}", ["return {'x': b, 'y': a}"]),
        ("return a is None", ["return a is not None"]),
        ("return True", ["return False"]),
    ],
)
def test_mutants_that_must_be_among_those_made(body, wanted):
    made = changes(body)
    assert [line for line in wanted if line not in made] == []


def test_a_changed_operator_keeps_its_operands():
    # a * b / a with + for * means (a + b) / a; without the brackets it would be a + b / a.
    assert "return (a + b) / a" in changes("return a * b / a")
    # Where nothing binds otherwise, no brackets are added.
    assert "return a / b / a" in changes("return a * b / a")


def test_only_the_solution_block_is_changed():
    for mutant in mutants_of(cell("return a - b", given="a = a * 2 + 1")):
        assert "    a = a * 2 + 1\n" in mutant.source
        assert mutant.source.startswith("def f(a, b):\n")


def test_texts_for_people_are_left_alone():
    made = changes("if a:\n    raise ValueError(f'a is {a + 1}')\nassert b, 'b ' + str(b)")
    assert [line for line in made if "ValueError" in line] == []
    assert "pass" in made, "a refusal that is left out is a mistake like any other"
    assert [line for line in made if line.startswith("assert") and not line.endswith(", 'b ' + str(b)")] == []


def test_changes_that_change_nothing_are_not_made():
    assert "return max(b, a)" not in changes("return max(a, b)")
    assert "return a in (b, a)" not in changes("return a in (a, b)")
    assert "return f(b, a)" in changes("return f(a, b)")


def test_columns_are_counted_in_characters_not_bytes():
    assert "return 'é', a - b" in changes("return 'é', a + b")


def test_no_two_mutants_are_the_same_program_and_each_is_python():
    found = mutants_of(cell("a = -a\nif a == 0 or b == 0:\n    return a ** 2 - 1\nreturn (a + b) * 2"))
    sources = [mutant.source for mutant in found]
    assert len(set(sources)) == len(sources) > 40
    assert (
        cell("a = -a\nif a == 0 or b == 0:\n    return a ** 2 - 1\nreturn (a + b) * 2").source not in sources
    )
    for source in sources:
        compile(source, "mutant", "exec")


def test_a_change_over_several_lines_is_told_as_one():
    [mutant] = [m for m in mutants_of(cell("return (a +\n        b)")) if m.mutated == "pass"]
    assert mutant.original == "return (a + b)"
    assert (mutant.line, mutant.block, mutant.kind) == (2, "f", "statement dropped")


# ---------------------------------------------------------------------- running them


def mark(name: str, **flags: object) -> str:
    """The line that begins a cell nbgrader knows."""
    nbgrader = {"grade_id": name, "schema_version": 3, "task": False, **flags}
    return f"\n# %% nbgrader={json.dumps(nbgrader)}\n"


ANSWER = mark("answer", grade=False, locked=False, solution=True)
TEST = mark("test-it", grade=True, locked=True, solution=False, points=3)
START = HEADER + "# %% [markdown]\n# # Small\n#\n# > One.\n\n# %%\n#| default_exp core.small\n"


def small_course(root: Path, answer: str, test: str, more: str = "") -> tuple[Project, Module]:
    """A course with one module: a solution cell, what stands between, and one graded cell."""
    project = write_course(root)
    for module in project.modules():
        module.source.unlink()
    folder = project.source_dir / "03_small"
    folder.mkdir()
    (folder / "small_dev.py").write_text(START + ANSWER + answer + more + TEST + test, encoding="utf-8")
    return project, project.module("03")


HALF = """def half(a):
    ### BEGIN SOLUTION
    return a / 2
    ### END SOLUTION
"""


def survivors(project: Project, module: Module) -> list[str]:
    return [mutant.mutated for mutant in mutants.examine(project, module).unexplained]


def test_a_test_that_looks_closely_notices_every_mutant(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(6) == 3.0\n\n\ntest_it()\n"
    )
    result = mutants.examine(project, module)
    assert result.unexplained == []
    assert {outcome.noticed_by for outcome in result.outcomes} == {"test-it"}
    # return a / 2: * and - for /, a, 2, -(…), None, pass, and 3, 1, -2 for 2
    assert len(result.outcomes) == 10


def test_a_test_that_hardly_looks_lets_mutants_through(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(2) == 1.0\n\n\ntest_it()\n"
    )
    # 2 / 2 is 1, but so is nothing else: the drop of an operand gives 2, a - 2 gives 0, a / 1 gives 2.
    assert survivors(project, module) == []
    project, module = small_course(
        tmp_path / "b", HALF, "def test_it():\n    assert half(4) == 2.0\n\n\ntest_it()\n"
    )
    assert survivors(project, module) == ["return a - 2", "return 2"]


def test_what_survives_is_reported_with_file_line_and_diff(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(4) == 2.0\n\n\ntest_it()\n"
    )
    out = io.StringIO()
    with pytest.raises(
        CourseError, match="^2 mutants survive all graded cells; strengthen a graded cell, or explain"
    ):
        mutants.run(project, [module], out=out)
    line = 1 + module.source.read_text().splitlines().index("    return a / 2")
    assert (
        f"survives: modules/source/03_small/small_dev.py:{line}: answer, half (operator)\n"
        "  - return a / 2\n  + return a - 2\n"
    ) in out.getvalue()
    row = next(line for line in out.getvalue().splitlines() if line.startswith("answer "))
    assert row.split()[1:5] == ["10", "8", "0", "2"]


def explain(project: Project, module: Module, text: str) -> None:
    path = project.course_root / "mutants" / f"{module.name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


ENTRY = """
[[equivalent]]
cell = "answer"
original = "return a / 2"
mutated = "{}"
reason = "because"
"""


def test_an_explained_survivor_is_no_failure(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(4) == 2.0\n\n\ntest_it()\n"
    )
    explain(project, module, ENTRY.format("return a - 2") + ENTRY.format("return 2"))
    [result] = mutants.run(project, [module], out=io.StringIO())
    assert (result.unexplained, result.stale) == ([], [])


def test_an_explanation_of_what_is_noticed_is_stale(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(6) == 3.0\n\n\ntest_it()\n"
    )
    explain(project, module, ENTRY.format("return a - 2") + ENTRY.format("return a / 7"))
    out = io.StringIO()
    with pytest.raises(CourseError, match="^2 stale entries in modules/mutants; take them out"):
        mutants.run(project, [module], out=out)
    assert "'return a - 2': test-it notices it, so it is not equivalent" in out.getvalue()
    assert "'return a / 7': there is no such mutant" in out.getvalue()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[equivalent]\n", "not TOML"),
        (
            '[[equivalent]]\ncell = "answer"\n',
            "entry 1: missing, unknown or empty: mutated, original, reason",
        ),
        (ENTRY.format("x").replace('"because"', '" "'), "entry 1: missing, unknown or empty: reason"),
        (ENTRY.format("x") + 'why = "y"\n', "entry 1: missing, unknown or empty: why"),
        ("[equivalents]\n", "unknown table 'equivalents'"),
    ],
)
def test_a_list_of_equivalents_that_cannot_be_read(tmp_path, text, message):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(6) == 3.0\n\n\ntest_it()\n"
    )
    explain(project, module, text)
    with pytest.raises(CourseError) as error:
        mutants.examine(project, module)
    assert str(error.value).startswith("modules/mutants/03_small.toml: ") and message in str(error.value)
    assert "\n" not in str(error.value).strip()


def test_a_reference_that_fails_its_own_test_is_told_at_once(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(6) == 4.0, 'no'\n\n\ntest_it()\n"
    )
    with pytest.raises(
        CourseError, match="^03_small: the reference fails its own test: test-it: AssertionError: no;"
    ):
        mutants.examine(project, module)


def test_an_endless_loop_and_a_dead_kernel_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "MINIMUM_CPU_SECONDS", 0.2)
    loop = """def count(a):
    ### BEGIN SOLUTION
    while a != 0:
        a -= 1
    ### END SOLUTION
    if a != 0:
        import os
        os._exit(3)
    return a
"""
    project, module = small_course(
        tmp_path, loop, "def test_it():\n    assert count(3) == 0\n\n\ntest_it()\n"
    )
    result = mutants.examine(project, module)
    by = {outcome.mutant.mutated: outcome.noticed_by for outcome in result.outcomes}
    assert by["a += 1"] == by["while True:"] == "time-out"
    assert by["while False:"] == "ended the kernel"
    assert result.unexplained == []


def test_cells_run_as_in_a_notebook_scored_by_nbgrader(tmp_path):
    """A cell after an error still runs, demonstrations do not, and text on stderr costs the points."""
    between = """
# %%
raise RuntimeError("a cell that fails is no reason to stop")

# %% tags=["demo"]
half = None

# %%
factor = 1
"""
    test = """def test_it():
    import warnings
    if half(4) != 2.0:
        warnings.warn("hm")
    assert factor == 1


test_it()
"""
    project, module = small_course(tmp_path, HALF, test, between)
    result = mutants.examine(project, module)
    assert [mutant.mutated for mutant in result.unexplained] == ["return a - 2", "return 2"]
    assert any(outcome.how.startswith("text on stderr: ") for outcome in result.outcomes)


def test_no_mutant_leaves_traces_for_the_next(tmp_path):
    test = """import sys


def test_it():
    assert not hasattr(sys, "seen")
    sys.seen = True
    assert half(6) == 3.0


test_it()
"""
    # With a trace the first assertion would fail for every mutant after the first; without, this test
    # notices none.
    project, module = small_course(tmp_path, HALF, test.replace("== 3.0", "is not None or True"))
    assert len(survivors(project, module)) == 10


def test_a_sample_is_drawn_by_its_seed(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(6) == 3.0\n\n\ntest_it()\n"
    )

    def draw(seed: int) -> list[str]:
        return [
            outcome.mutant.mutated
            for outcome in mutants.examine(project, module, count=4, seed=seed).outcomes
        ]

    assert draw(1) == draw(1) != draw(2)
    assert len(draw(1)) == 4


def test_a_sample_looks_for_no_stale_entries(tmp_path):
    project, module = small_course(
        tmp_path, HALF, "def test_it():\n    assert half(6) == 3.0\n\n\ntest_it()\n"
    )
    explain(project, module, ENTRY.format("return a / 7"))
    assert mutants.examine(project, module, count=3).stale == []


# ---------------------------------------------------------------------- the real modules


@pytest.mark.parametrize("module", ["01", "07", "08", "10"])
def test_a_sample_of_the_mutants_of_each_module_is_noticed(module):
    """`make mutants` runs them all."""
    project = Project(ROOT)
    result = mutants.examine(project, project.module(module), count=80, seed=1, jobs=1)
    assert [(m.cell, m.original, m.mutated) for m in result.unexplained] == []
    assert len(result.outcomes) == 80


@pytest.mark.parametrize("module", ["01", "07", "08", "10"])
def test_every_explained_mutant_exists(module):
    """A changed line in a source must take its explanation along; noticing needs the whole run."""
    project = Project(ROOT)
    made = [
        mutant
        for cell in read_source(project.module(module)).cells
        if is_solution(cell) and not is_written(cell)
        for mutant in mutants_of(cell)
    ]
    entries = mutants.read_equivalents(project, project.module(module))
    assert [entry for entry in entries if not any(entry.explains(mutant) for mutant in made)] == []
