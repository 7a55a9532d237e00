"""Each rule of ``make check`` on a course in which exactly that rule is broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import COUNTING, DOUBLING

from tinytorch.course import cli
from tinytorch.course.check import check
from tinytorch.course.export import export
from tinytorch.course.project import Project

SOURCE = "modules/source/02_counting/counting_dev.py"


@pytest.fixture
def exported(course: Project) -> Project:
    """The tiny course with its package exported: nothing to complain about."""
    export(course, course.modules())
    return course


def test_a_good_course_passes(exported: Project):
    assert check(exported, exported.modules()) == []


def _count_with(old: str, new: str) -> str:
    assert old in COUNTING, "the doctored text must be there"
    return COUNTING.replace(old, new, 1)


# The line numbers were counted in the source that conftest.py writes.
@pytest.mark.parametrize(
    ("old", "new", "failure"),
    [
        (
            '"locked": true, ',
            "",
            "cell 'test-count' (line 37): nbgrader metadata without locked; give all of",
        ),
        (
            '"schema_version": 3, "solution": false',
            '"schema_version": 2, "solution": false',
            "cell 'test-count' (line 37): schema_version 2; write \"schema_version\": 3",
        ),
        (
            '"points": 4, ',
            "",
            "cell 'test-count' (line 37): points None; give a graded cell a number of points above 0",
        ),
        ('"points": 4', '"points": 0', "cell 'test-count' (line 37): points 0; give"),
        ('"points": 4', '"points": 1e999', "cell 'test-count' (line 37): points inf; give"),
        ('"points": 4', '"points": Infinity', "cell 'test-count' (line 37): points inf; give"),
        ('"points": 4', '"points": NaN', "cell 'test-count' (line 37): points nan; give"),
        (
            '"grade_id": "test-count"',
            '"grade_id": "test-count", "hint": 3',
            "cell 'test-count' (line 37): nbgrader metadata with 'hint'; remove it; nbgrader knows only",
        ),
        (
            '"points": 4, "schema_version": 3, "solution": false, "task": false',
            '"points": 4, "schema_version": 3, "solution": false, "task": true',
            "cell 'test-count' (line 37): a task cell, which nbgrader takes for text only; write \"task\": false",
        ),
        (
            '"solution": true, "task": false',
            '"solution": true, "task": true',
            "cell 'count-function' (line 26): a task cell",
        ),
        (
            "# %% nbgrader={\"grade\": true",
            '# %% nbgrader={"grade": false, "grade_id": "given", "locked": false, "schema_version": 3, '
            '"solution": false, "task": false}\n1\n\n# %% nbgrader={"grade": true',
            "cell 'given' (line 37): a given cell that is not locked, so that grading would not restore it; write",
        ),
        (
            "from tinytorch.core.doubling import Number",
            "from .doubling import Number",
            "cell 3 (code) (line 23): a relative import; write 'from tinytorch.core.NAME import …'",
        ),
        ('"points": 4', '"points": true', "cell 'test-count' (line 37): points True; give"),
        (
            '"locked": true',
            '"locked": false',
            "cell 'test-count' (line 37): a graded cell that is not locked; write",
        ),
        (
            '"grade_id": "test-count"',
            '"grade_id": "count-function"',
            "cell 'count-function' (line 37): grade_id 'count-function' is that of line 26 too",
        ),
        (
            '"grade_id": "test-count"',
            '"grade_id": "test count"',
            "(line 37): grade_id 'test count'; use letters",
        ),
        (
            ' tags=["raises-exception"]',
            "",
            "cell 'test-count' (line 37): a graded cell without the tag raises-exception",
        ),
        (
            "\n\ntest_count()",
            "\n\n1.5",
            "cell 'test-count' (line 41): a graded cell must end in the call of its own",
        ),
        (
            "\n\ntest_count()",
            "\n\nprint('ok')",
            "cell 'test-count' (line 41): a graded cell must end in the call",
        ),
        (
            "\n\ntest_count()",
            "\n\ncount([])",
            "cell 'test-count' (line 41): a graded cell must end in the call",
        ),
        ("\n\ntest_count()\n", "\n", "cell 'test-count' (line 37): a graded cell must end in the call"),
        (
            "\n\ntest_count()",
            "\n\ndef test_more():\n    test_count()\n\n\ntest_count()",
            "cell 'test-count' (line 41): test_more is defined but never called; call it",
        ),
        (
            '"2 + 4 is 6"',
            '"2 + 4 is 6"\n    return 4',
            "cell 'test-count' (line 39): the test function returns a value",
        ),
        (
            '"2 + 4 is 6"',
            '"2 + 4 is 6"\n    yield',
            "cell 'test-count' (line 39): the test function is a generator",
        ),
        (
            "    ### END SOLUTION\n",
            "",
            "cell 'count-function' (line 29): '### BEGIN SOLUTION' is never closed",
        ),
        ("    ### BEGIN SOLUTION\n", "", "cell 'count-function' (line 33): '### END SOLUTION' without"),
        (
            "    ### BEGIN SOLUTION",
            "    ### BEGIN SOLUTION of count",
            "cell 'count-function' (line 29): a solution mark with other text",
        ),
        (
            '"solution": true',
            '"solution": false',
            "cell 'count-function' (line 26): solution marks in a cell that is not a solution cell",
        ),
        (
            "#| export\ndef count(values: list[float]) -> float:\n",
            "#| export\n### BEGIN SOLUTION\nLIMIT = 3\n### END SOLUTION\ndef count(values: list[float]) -> float:\n",
            "cell 'count-function' (line 27): a solution mark outside a function body; move the marks inside",
        ),
        (
            "from tinytorch.core.doubling import Number",
            "from tinytorch.core.counting import Number",
            "(line 23): imports its own export tinytorch.core.counting",
        ),
        (
            "from tinytorch.core.doubling import Number",
            "import tinytorch.core.tripling as t\nNumber = t.Number",
            "(line 23): imports tinytorch.core.tripling, which no module exports; restore",
        ),
        (
            "from tinytorch.core.doubling import Number",
            "from tinytorch.core.doubling import Number\nimport scipy",
            "(line 24): exported code imports scipy; keep to NumPy",
        ),
        (
            "from tinytorch.core.doubling import Number",
            "import sys\nsys.path.append('..')\nfrom tinytorch.core.doubling import Number",
            "(line 24): sys.path; import earlier modules through the package",
        ),
        (
            "from tinytorch.core.doubling import Number",
            "try:\n    from tinytorch.core.doubling import Number\nexcept ImportError:\n    Number = None",
            "(line 23): an import with a fallback; import it plainly",
        ),
        (
            "#| default_exp core.counting",
            "#| default_exp core.sums",
            "(line 19): exports to core.sums; write",
        ),
        ("#| default_exp core.counting", "pass", "counting_dev.py: no '#| default_exp core.counting'; add"),
        (
            "# > Sums of doubled numbers.\n",
            "# Sums.\n",
            "(line 14): no summary under the title; add a line '> ",
        ),
        ("# # Counting", "# Counting", "(line 14): the first cell is not the title; begin with"),
        (
            "#   kernelspec:\n#     display_name: Python 3\n#     language: python\n#     name: python3\n",
            "",
            "counting_dev.py: no kernelspec in the header; add it",
        ),
    ],
)
def test_each_rule_names_file_cell_line_and_remedy(exported: Project, old: str, new: str, failure: str):
    (exported.root / SOURCE).write_text(_count_with(old, new))
    found = check(exported, exported.modules())
    assert any(line.startswith(SOURCE) and failure in line for line in found), found
    assert all("; " in line for line in found), "each failure says what to do"


def test_marks_around_a_class_are_refused(exported: Project):
    text = DOUBLING.replace("#| export\nclass Number", "#| export\n### BEGIN SOLUTION\nclass Number")
    text = text.replace("    def double", "    pass\n### END SOLUTION\n    def double")
    exported.module("01").source.write_text(
        text.replace("        ### BEGIN SOLUTION\n", "").replace("        ### END SOLUTION\n", "")
    )
    (line,) = [line for line in check(exported, [exported.module("01")])]
    assert "cell 'number-class' (line 32): a solution mark outside a function body" in line


def test_marks_in_a_class_body_are_refused(exported: Project):
    text = DOUBLING.replace(
        "    def double(self)",
        "    ### BEGIN SOLUTION\n    limit = 3\n    ### END SOLUTION\n\n    def double(self)",
    )
    exported.module("01").source.write_text(text)
    assert any(
        "a solution mark outside a function body" in line for line in check(exported, exported.modules())
    )


def test_a_sentence_that_quotes_the_answer_is_found_in_any_module(exported: Project):
    text = _count_with(
        "# > Sums of doubled numbers.\n",
        "# > Sums of doubled numbers.\n#\n# Both are easy: `twice = self.value+self.value`.\n",
    )
    (exported.root / SOURCE).write_text(text)
    assert check(exported, exported.modules()) == [
        f"{SOURCE}: cell 1 (markdown) (line 18): holds the solution line 'twice = self.value + self.value'; "
        "say it in other words"
    ]


def test_two_blocks_in_one_function_are_refused(exported: Project):
    text = _count_with(
        "        total += Number(value).double()\n    return total\n",
        "        total += Number(value).double()\n    ### END SOLUTION\n"
        "    ### BEGIN SOLUTION\n    return total\n",
    )
    (exported.root / SOURCE).write_text(text)
    assert any(
        "two solution blocks in count; keep one" in line for line in check(exported, exported.modules())
    )


def test_importing_a_later_module_is_refused_however_it_is_written(exported: Project):
    for statement in (
        "from tinytorch.core.counting import count",
        "import tinytorch.core.counting",
        "from tinytorch.core import counting",
        "from tinytorch.core.counting import *",
    ):
        exported.module("01").source.write_text(DOUBLING + f"\n# %%\n{statement}\n")
        (line,) = check(exported, [exported.module("01")])
        assert "(line 69): imports tinytorch.core.counting of the later module 02_counting" in line, statement


def test_importing_a_later_module_by_way_of_the_lesson_is_refused(exported: Project):
    lesson = exported.package_dir / "lesson"
    lesson.unlink()
    lesson.mkdir()
    (lesson / "drawing.py").write_text("import math\n")
    (lesson / "races.py").write_text("from tinytorch.lesson import problems\nfrom tinytorch.lesson import races\n")
    (lesson / "problems.py").write_text("def far():\n    from tinytorch.core.counting import count\n")
    cell = "\n# %%\nfrom tinytorch.lesson import drawing\nfrom tinytorch.lesson.races import x\n"
    for name, text, line in (("01", DOUBLING, 70), ("02", COUNTING, 59)):
        module = exported.module(name)
        module.source.write_text(text + cell)
        [failure] = check(exported, [module])
        assert (
            f"(line {line}): imports tinytorch.lesson.races, which needs tinytorch.core.counting of 02_counting; let it"
            in failure
        )
    (lesson / "problems.py").write_text("from tinytorch.core.doubling import Number\n")
    assert check(exported, [exported.module("02")]) == []


def test_a_missing_prerequisite_is_named(exported: Project):
    shutil.rmtree(exported.source_dir / "01_doubling")
    found = check(exported, exported.modules())
    assert any(
        "imports tinytorch.core.doubling, which no module exports; restore "
        "modules/source/NN_doubling/doubling_dev.py" in line
        for line in found
    )
    assert any(line.startswith("tinytorch/core/doubling.py: no module exports this") for line in found)


EXERCISE = "# %% [markdown]\n# ### Exercise: count\n#\n# {line}\n#\n# Write `count`.\n\n"


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("*easy · about 5 minutes · 3 lines · 4 points · count-function*", True),
        ("*easy · about 5 minutes · 3 lines · 5 points · count-function*", False),
        ("*easy · about 5 minutes · 3 lines · 4 points · count*", False),
        ("*easy · about 5 minutes · 3 lines · 4 points*", False),
        ("*easy · about 5 minutes · 4 points*", False),
        ("easy · about 5 minutes · 3 lines · 4 points · count-function", False),
        ("", False),
    ],
)
def test_an_exercise_announces_the_points_it_is_graded_with(exported: Project, line: str, fits: bool):
    source = exported.module("02").source
    cell = '# %% nbgrader={"grade": false, "grade_id": "count-function"'
    assert COUNTING.count(cell) == 1
    source.write_text(COUNTING.replace(cell, EXERCISE.format(line=line) + cell), encoding="utf-8")
    found = check(exported, [exported.module("02")])
    if fits:
        assert found == []
    else:
        [failure] = found
        assert "(line 26): an exercise announced as" in failure and "· 4 points · count-function*" in failure


ESSAY = '"grade_id": "essay-even", "locked": false, "points": 2.5, "schema_version": 3, "solution": true'


@pytest.mark.parametrize(
    ("old", "new", "failures"),
    [
        (
            f'"grade": true, {ESSAY}',
            f'"grade": true, {ESSAY.replace("true", "false")}',
            [
                "cell 'essay-even' (line 51): graded text that is no solution, so that nobody could write there; an answer "
                'in words has "grade": true, "solution": true and points',
                "cell 'essay-even' (line 51): a solution mark in text; keep the marks to code and to written answers",
            ],
        ),
        (
            f'"grade": true, {ESSAY}',
            f'"grade": false, {ESSAY.replace(""""points": 2.5, """, "")}',
            [
                "cell 'essay-even' (line 51): a written answer that is not graded; an answer in words has",
                "cell 'essay-even' (line 51): a solution mark in text",
            ],
        ),
        (
            f'"grade": true, {ESSAY}',
            '"grade": false, "grade_id": "essay-even", "locked": true, "schema_version": 3, "solution": false',
            ["cell 'essay-even' (line 51): nbgrader metadata on text; remove it, or write it in full: an answer in"],
        ),
        (
            f'"grade": true, {ESSAY}',
            f'"grade": true, {ESSAY.replace("false", "true")}',
            ["cell 'essay-even' (line 51): a written answer that is locked; write \"locked\": false"],
        ),
        (
            '"points": 2.5, ',
            "",
            ["cell 'essay-even' (line 51): points None; give a graded cell a number of points above 0"],
        ),
        ('"points": 2.5', '"points": 3', ["cell 6 (markdown) (line 44): an exercise announced as"]),
        ("2.5 points · essay-even", "2.5 points · even", ["cell 6 (markdown) (line 44): an exercise announced as"]),
        (
            f'{ESSAY}, "task": false}}',
            f'{ESSAY}, "task": false}} tags=["demo"]',
            ["cell 'essay-even' (line 51): tags on a written answer, which is never run; remove them"],
        ),
        (
            f'[markdown] nbgrader={{"grade": true, {ESSAY}',
            f'[raw] nbgrader={{"grade": true, {ESSAY}',
            ["cell 'essay-even' (line 51): nbgrader metadata on a raw cell; make it [markdown] or code"],
        ),
        (
            f'[markdown] nbgrader={{"grade": true, {ESSAY}',
            f'nbgrader={{"grade": true, {ESSAY}',
            ["cell 'essay-even' (line 51): graded and solution at once; put the answer into a cell of its own, or, if"],
        ),
        (
            "# ### BEGIN SOLUTION\n",
            "",
            ["cell 'essay-even' (line 54): '### END SOLUTION' without '### BEGIN SOLUTION' before it"],
        ),
        (
            "# ### BEGIN SOLUTION",
            "# ### BEGIN SOLUTION of even",
            ["cell 'essay-even' (line 51): a solution mark with other text; write '### BEGIN SOLUTION'"],
        ),
        (
            "# ### BEGIN SOLUTION",
            "# Of whole numbers:\n# ### BEGIN SOLUTION",
            ["cell 'essay-even' (line 51): more than a model answer; keep one pair of solution marks around it, and"],
        ),
        (
            "for the sum.\n# ### END SOLUTION",
            "for the sum.\n# ### END SOLUTION\n# ### BEGIN SOLUTION\n# more\n# ### END SOLUTION",
            ["cell 'essay-even' (line 56): more than a model answer"],
        ),
        (
            "# Of whole numbers",
            "# ### BEGIN SOLUTION\n# Of whole numbers",
            ["cell 6 (markdown) (line 44): a solution mark in text; keep the marks to code and to written answers"],
        ),
        (
            "# Of whole numbers",
            "# **Marking.** 1 point for the doubled number, 1.5  points for the sum. Of whole numbers",
            ["cell 6 (markdown) (line 48): holds the solution line '**Marking.** 1 point for the doubled number, 1.5"],
        ),
        (
            '    """The sum of all values doubled."""',
            '    """Never: twice a whole number is even, and so is every sum of even numbers."""',
            ["cell 'count-function' (line 28): holds the solution line 'Never: twice a whole number is even, and so is"],
        ),
    ],
)
def test_an_answer_in_words_is_of_one_form(exported: Project, old: str, new: str, failures: list[str]):
    (exported.root / SOURCE).write_text(_count_with(old, new))
    found = check(exported, [exported.module("02")])
    for failure in failures:
        assert any(line.startswith(SOURCE) and failure in line for line in found), found
    assert all("; " in line for line in found), "each failure says what to do"


def test_an_answer_in_words_without_marks_or_text_is_refused(exported: Project):
    start = COUNTING.index("# ### BEGIN SOLUTION")
    for text, failure in (
        ("# Never.\n", "a written answer without solution marks; put the model answer between"),
        ("# ### BEGIN SOLUTION\n#\n# ### END SOLUTION\n", "solution marks without a model answer; write it"),
    ):
        (exported.root / SOURCE).write_text(COUNTING[:start] + text)
        [line] = check(exported, [exported.module("02")])
        assert f"cell 'essay-even' (line 51): {failure}" in line


def test_a_demo_must_be_allowed_to_raise(exported: Project):
    (exported.root / SOURCE).write_text(COUNTING + '\n# %% tags=["demo"]\ncount([1.0])\n')
    assert any(
        "a demo cell without the tag raises-exception" in line for line in check(exported, exported.modules())
    )


def test_only_graded_cells_and_demos_may_raise(exported: Project):
    (exported.root / SOURCE).write_text(COUNTING + '\n# %% tags=["raises-exception"]\n1 / 0\n')
    assert any(
        "raises-exception on a cell that is neither" in line for line in check(exported, exported.modules())
    )


def test_a_package_edited_by_hand_is_found_with_the_difference(exported: Project):
    path = exported.core_dir / "counting.py"
    path.write_text(path.read_text().replace("total = 0.0", "total = 1.0"))
    (line,) = check(exported, exported.modules())
    assert line.startswith(
        "tinytorch/core/counting.py: differs from what counting_dev.py exports; edit counting_dev.py"
    )
    assert "-    total = 1.0" in line and "+    total = 0.0" in line


def test_a_package_never_exported_is_found(course: Project):
    found = check(course, course.modules())
    assert found == [
        "tinytorch/core/doubling.py: missing; run `make export`",
        "tinytorch/core/counting.py: missing; run `make export`",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "failure"),
    [
        (
            "pyproject.toml",
            'name = "tinytorch-course"',
            'name = "tinytorch"',
            "name 'tinytorch' is not lib_name",
        ),
        ("pyproject.toml", 'dynamic = ["version"]', 'version = "0.1.0"', "the version is not dynamic"),
        (
            "pyproject.toml",
            'requires-python = ">=3.11"',
            'requires-python = ">=3.9"',
            "requires-python is not >=3.11",
        ),
        (
            "tinytorch/__init__.py",
            '"0.1.0"',
            '"0.1.1"',
            "tinytorch/__init__.py: not version 0.1.0 of settings.ini",
        ),
        (
            "nbgrader_config.py",
            "configure(get_config(), root)",
            "configure(get_config(), root)\nget_config().Execute.time_out = 3",
            "nbgrader_config.py: Execute has no option time_out",
        ),
        (
            "nbgrader_config.py",
            "configure(get_config(), root)",
            "configure(get_config(), root)\nget_config().Executor.timeout = 3",
            "nbgrader_config.py: c.Executor configures nothing",
        ),
    ],
)
def test_configuration_that_disagrees_is_found(
    exported: Project, name: str, old: str, new: str, failure: str
):
    path = exported.root / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    found = check(exported, exported.modules())
    assert len(found) == 1 and failure in found[0], found


@pytest.mark.parametrize(
    ("name", "data", "failure"),
    [
        ("nbgrader_config.py", b"x = 1\nc = (\n", "nbgrader_config.py:2: not Python: '(' was never closed; mend"),
        ("nbgrader_config.py", b"\n\n1 / 0\n", "nbgrader_config.py:3: ZeroDivisionError: division by zero; mend"),
        ("pyproject.toml", b"# gr\xf6\xdfer\n", "pyproject.toml: cannot be read ("),
        ("pyproject.toml", b"project = 3\n", "pyproject.toml: no table [project]; restore it"),
        ("tinytorch/core/counting.py", b"# gr\xf6\xdfer\n", "tinytorch/core/counting.py: differs from what counting"),
    ],
)
def test_files_that_cannot_be_read_are_failures_like_others(
    exported: Project, name: str, data: bytes, failure: str
):
    (exported.root / name).write_bytes(data)
    found = check(exported, exported.modules())
    assert len(found) == 1 and found[0].startswith(failure), found


def test_settings_in_another_encoding_are_one_line(
    exported: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (exported.root / "settings.ini").write_bytes(b"[DEFAULT]\nlib_path = \xe9\n")
    monkeypatch.chdir(exported.root)
    assert cli.main(["check"]) == 1
    assert capsys.readouterr().err == "tinytorch: settings.ini: not UTF-8 (byte 21); save it as UTF-8\n"


def test_a_missing_export_of_an_imported_module_is_found(exported: Project):
    (exported.core_dir / "doubling.py").unlink()
    assert check(exported, [exported.module("02")]) == [
        "tinytorch/core/doubling.py: missing, but counting_dev.py imports it; run `make export`"
    ]
    (exported.core_dir / "counting.py").unlink()
    assert len(check(exported, exported.modules())) == 2, "each is told once"


def test_a_stray_python_file_among_the_sources_is_found(exported: Project):
    (exported.source_dir / "01_doubling" / "doubling.py").write_text("x = 1\n")
    assert check(exported, exported.modules()) == [
        "modules/source/01_doubling/doubling.py: not a source; a module is a file NN_name/name_dev.py"
    ]


def test_the_command_shows_all_failures_and_fails(
    exported: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(exported.root)
    assert cli.main(["check"]) == 0
    (exported.root / SOURCE).write_text(
        _count_with('"locked": true, "points": 4', '"locked": false, "points": 0')
    )
    capsys.readouterr()
    assert cli.main(["check", "--module", "02"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[-1] == "tinytorch: check found 2 things to mend, listed above"
    assert cli.main(["check", "01"]) == 0


def test_an_unknown_module_is_one_line(
    exported: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(exported.root)
    assert cli.main(["notebooks", "--module", "99"]) == 1
    assert capsys.readouterr().err == "tinytorch: unknown module '99'; there are: 01_doubling, 02_counting\n"


def test_without_the_course_extra_the_command_says_what_to_install(
    exported: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import builtins

    from tinytorch.course import notebooks

    notebooks._parse_text.cache_clear()
    real = builtins.__import__

    def without_jupytext(name: str, *args: object, **kwargs: object):
        if name == "jupytext":
            raise ModuleNotFoundError("No module named 'jupytext'", name="jupytext")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_jupytext)
    monkeypatch.chdir(exported.root)
    assert cli.main(["notebooks"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tinytorch: this needs jupytext, which is not installed") and "'.[course]'" in line


def test_every_make_target_calls_a_command_there_is():
    import re

    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    called = set(re.findall(r"\$\(RUN\) ([\w-]+)", makefile))
    commands = set(cli._parser()._subparsers._group_actions[0].choices)
    assert called and called <= commands
    assert set(re.search(r"\.PHONY: (.*?)\n\n", makefile, re.S)[1].replace("\\\n", " ").split()) == set(
        re.findall(r"^([a-z]+):.*## ", makefile, re.M)
    )
