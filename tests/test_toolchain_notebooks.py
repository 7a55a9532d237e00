"""Projects, sources, notebooks and the package made from them."""

from __future__ import annotations

import ast
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from conftest import DOUBLING, HEADER, write_course

from tinytorch.course.export import export, export_own, tidy
from tinytorch.course.notebooks import (
    build,
    cell_lines,
    grade_id,
    is_stale,
    read_source,
    solution_blocks,
    stub,
)
from tinytorch.course.project import CourseError, Project, find_project, write_if_changed


def _source(course: Project, text: str) -> None:
    course.module("01").source.write_text(text, encoding="utf-8")


def test_a_module_is_found_by_any_of_its_names(course: Project):
    for name in ("02_counting", "02", "2", "counting", "02_counting/"):
        assert course.module(name).name == "02_counting"


def test_the_project_is_found_from_a_folder_deep_inside(course: Project):
    assert find_project(course.source_dir / "01_doubling").root == course.root.resolve()


def test_outside_a_course_the_message_says_where_to_go(tmp_path: Path):
    with pytest.raises(CourseError, match="no course here or above; run this inside a checkout"):
        find_project(tmp_path)


def test_an_unknown_module_is_answered_with_those_there_are(course: Project):
    with pytest.raises(CourseError, match="unknown module '99'; there are: 01_doubling, 02_counting"):
        course.select("99")


def test_a_course_without_modules_says_what_a_module_is(course: Project):
    shutil.rmtree(course.source_dir / "01_doubling")
    shutil.rmtree(course.source_dir / "02_counting")
    with pytest.raises(
        CourseError, match="modules/source: no modules here; a module is a file NN_name/name_dev.py"
    ):
        course.modules()


def test_two_modules_with_one_number_are_refused(course: Project):
    folder = course.source_dir / "02_zebra"
    folder.mkdir()
    (folder / "zebra_dev.py").write_text(DOUBLING)
    with pytest.raises(CourseError, match="02_counting has the number 02 already"):
        course.modules()


def test_building_twice_writes_once_and_the_same_bytes(course: Project):
    written = build(course, course.modules())
    assert [path.name for path in written] == ["doubling_dev.ipynb", "counting_dev.ipynb"]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in written}
    assert build(course, course.modules()) == []
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in written} == before


def test_another_clone_builds_and_exports_the_same_bytes(course: Project, tmp_path: Path):
    other = write_course(tmp_path / "elsewhere" / "clone")
    for project in (course, other):
        build(project, project.modules())
        export(project, project.modules())
    for path in (*course.source_dir.rglob("*.ipynb"), *course.core_dir.glob("*.py")):
        assert path.read_bytes() == (other.root / path.relative_to(course.root)).read_bytes(), path.name


def test_a_new_cell_changes_no_other_id(course: Project):
    module = course.module("01")
    before = [cell.id for cell in read_source(module).cells]
    _source(
        course,
        DOUBLING.replace("# %%\n#| export\nimport numpy", "# %%\nnew = 1\n\n# %%\n#| export\nimport numpy"),
    )
    after = [cell.id for cell in read_source(module).cells]
    assert len(after) == len(before) + 1
    assert set(before) < set(after)


def test_graded_and_solution_cells_are_called_by_their_grade_id(course: Project):
    cells = read_source(course.module("01")).cells
    assert [cell.id for cell in cells if grade_id(cell)] == ["number-class", "test-number", "test-double"]


def test_cells_that_say_the_same_get_different_ids(course: Project):
    _source(course, DOUBLING + "\n# %%\n1\n\n# %%\n1\n")
    ids = [cell.id for cell in read_source(course.module("01")).cells]
    assert len(set(ids)) == len(ids)


def test_a_built_notebook_is_valid_and_keeps_no_notes_of_jupytext(course: Project):
    (path, *_) = build(course, course.modules())
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert {key for cell in notebook.cells for key in cell.metadata} == {"nbgrader", "tags"}


def test_lines_of_cells_are_those_of_the_source(course: Project):
    module = course.module("01")
    lines = module.source.read_text().split("\n")
    for cell, line in zip(read_source(module).cells, cell_lines(module), strict=True):
        assert cell.source.split("\n")[0] in lines[line - 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("print('hello')\n", "doubling_dev.py:1: no jupytext header"),
        (HEADER.replace("percent", "light") + "# %%\n1\n", "not percent format; the header must say"),
        (HEADER + "x = 1\n", "not percent format: no cell; begin each with a line '# %%'"),
        (HEADER + "x = 1\n# %%\n1\n", "doubling_dev.py:13: text before the first cell"),
        (HEADER + "# %%\nx = 1\nx = = 2\n", "doubling_dev.py:15: not Python"),
        (HEADER + "# %%\n%matplotlib inline\n", "doubling_dev.py:14: not Python"),
        (HEADER + '# %% nbgrader={"grade": false, oops}\n1\n', "doubling_dev.py:13: nbgrader metadata"),
        *(
            (HEADER + f"# %% tags={tags}\n1\n", "doubling_dev.py:13: tags that cannot be read; write a list of")
            for tags in ('"demo"', "[1]", "null", '["demo", "demo"]', '["a,b"]', "[")
        ),
        (HEADER + '# %% collapsed="yes"\n1\n', "doubling_dev.py: cell metadata that notebooks cannot hold: 'yes' is"),
        (
            HEADER.replace("jupytext:", "jupytext: [") + "# %%\n1\n",
            "doubling_dev.py:5: the header is not YAML: expected ',' or ']', but got ':'; copy the header",
        ),
        (HEADER.replace("jupyter:", "jupiter:") + "# %%\n1\n", "doubling_dev.py:1: a header without 'jupyter:'"),
    ],
)
def test_a_source_that_is_not_percent_format_is_refused_by_line(course: Project, text: str, message: str):
    _source(course, text)
    with pytest.raises(CourseError) as caught:
        build(course, course.modules())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(course.source_dir.rglob("*.ipynb")), (
        "a mistake in one source must leave all notebooks unbuilt"
    )


def test_a_source_in_another_encoding_is_refused(course: Project):
    course.module("01").source.write_bytes(DOUBLING.encode() + "# größer".encode("latin-1"))
    with pytest.raises(CourseError, match="not UTF-8"):
        read_source(course.module("01"))


def test_windows_line_ends_build_the_same_notebook(course: Project):
    module = course.module("01")
    expected = read_source(module)
    module.source.write_bytes(DOUBLING.replace("\n", "\r\n").encode())
    assert read_source(module) == expected


def test_a_notebook_is_stale_when_its_source_says_something_else(course: Project):
    module = course.module("01")
    assert is_stale(module)
    build(course, [module])
    assert not is_stale(module)
    _source(course, DOUBLING.replace("twice of it", "twice it"))
    assert is_stale(module)


def test_edits_made_in_the_built_notebook_are_not_overwritten(course: Project):
    module = course.module("01")
    build(course, [module])
    module.notebook.write_text(module.notebook.read_text().replace("twice of it", "twice it"))
    later = module.source.stat().st_mtime + 5
    os.utime(module.notebook, (later, later))
    with pytest.raises(CourseError, match="doubling_dev.ipynb: edited after its source"):
        build(course, [module])
    assert "twice it" in module.notebook.read_text()


def test_points_changed_in_the_built_notebook_are_not_overwritten(course: Project):
    module = course.module("01")
    build(course, [module])
    module.notebook.write_text(module.notebook.read_text().replace('"points": 3', '"points": 5'))
    later = module.source.stat().st_mtime + 5
    os.utime(module.notebook, (later, later))
    with pytest.raises(CourseError, match="edited after its source"):
        build(course, [module])
    assert is_stale(module)


def test_outputs_in_a_built_notebook_are_no_edits(course: Project):
    module = course.module("01")
    build(course, [module])
    clean = module.notebook.read_bytes()
    notebook = nbformat.read(module.notebook, as_version=4)
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="8.0\n")]
    nbformat.write(notebook, module.notebook)
    later = module.source.stat().st_mtime + 5
    os.utime(module.notebook, (later, later))
    assert build(course, [module]) == [module.notebook]
    assert module.notebook.read_bytes() == clean


def test_solution_blocks_know_their_function(course: Project):
    cell = next(cell for cell in read_source(course.module("01")).cells if grade_id(cell) == "number-class")
    first, second = solution_blocks(cell)
    assert (first.qualname, second.qualname) == ("Number.__init__", "Number.double")
    assert first.text == "        self.value = np.asarray(value, dtype=float)"
    assert cell.source.split("\n")[second.first].strip() == "### BEGIN SOLUTION"
    assert cell.source.split("\n")[second.last].strip() == "### END SOLUTION"
    assert second.indent == " " * 8


def test_a_block_belongs_to_the_function_around_it_not_to_one_inside_it():
    cell = nbformat.v4.new_code_cell(
        "def add(a, b):\n"
        "    def backward(g):\n"
        "        ### BEGIN SOLUTION\n"
        "        return g, g\n"
        "        ### END SOLUTION\n"
        "    ### BEGIN SOLUTION\n"
        "    def helper():\n"
        "        return a\n"
        "    return helper() + b\n"
        "    ### END SOLUTION\n"
    )
    assert [block.qualname for block in solution_blocks(cell)] == ["add.backward", "add"]


def test_threads_build_their_syntax_trees_one_after_another(course: Project, monkeypatch: pytest.MonkeyPatch):
    """Releases are proven two at a time; CPython 3.11 stops now and then when two trees are built at once."""
    cell = next(cell for cell in read_source(course.module("01")).cells if grade_id(cell) == "number-class")
    real, building, most = ast.parse, [], []

    def slow(source: str) -> ast.Module:
        building.append(source)
        time.sleep(0.02)
        most.append(len(building))
        building.pop()
        return real(source)

    monkeypatch.setattr(ast, "parse", slow)
    with ThreadPoolExecutor(2) as pool:
        names = [[b.qualname for b in blocks] for blocks in pool.map(solution_blocks, [cell] * 4)]
    assert names == [["Number.__init__", "Number.double"]] * 4
    assert most == [1, 1, 1, 1]


def test_the_stub_names_exercise_and_function():
    with pytest.raises(NotImplementedError, match="^exercise 'adam-class': write Adam.step_param$"):
        exec(stub("adam-class", "Adam.step_param"))


def test_the_exported_file_reads_as_a_library(course: Project):
    export(course, course.modules())
    assert (
        (course.core_dir / "doubling.py").read_text()
        == '''\
"""Numbers that know how to double themselves."""

# AUTOGENERATED! DO NOT EDIT! File to edit: ../../modules/source/01_doubling/doubling_dev.py.

__all__ = ["Number"]

import numpy as np


class Number:
    """A number.

    Args:
        value: anything NumPy takes.
    """

    def __init__(self, value: float):
        self.value = np.asarray(value, dtype=float)

    def double(self) -> float:
        """Twice the number."""
        twice = self.value + self.value
        return float(twice)
'''
    )


def test_the_path_in_the_header_leads_to_the_source(course: Project):
    export(course, course.modules())
    text = (course.core_dir / "counting.py").read_text()
    path = text.split("File to edit: ")[1].split("\n")[0].removesuffix(".")
    assert (course.core_dir / path).resolve() == course.module("02").source.resolve()


def test_exporting_twice_writes_once(course: Project):
    assert {path.name for path in export(course, course.modules())} == {"doubling.py", "counting.py"}
    assert export(course, course.modules()) == []


def test_the_version_of_the_package_is_that_of_the_settings(course: Project):
    settings = course.root / "settings.ini"
    settings.write_text(settings.read_text().replace("version = 0.1.0", "version = 3.2.1"))
    fresh = Project(course.root)
    assert fresh.package_dir / "__init__.py" in export(fresh, fresh.modules())
    assert '__version__ = "3.2.1"' in (course.package_dir / "__init__.py").read_text()


def test_tidy_spaces_definitions_and_keeps_comments_with_what_they_explain():
    function = "# about f\ndef f():\n    '''a\n\n\n\n    b'''\n"
    text = f"import os\n\n\n\nX = 1\n{function}Y = 2\n\n@f\nclass C: pass\n# the end\n"
    assert tidy(text) == f"import os\n\nX = 1\n\n\n{function}\n\nY = 2\n\n\n@f\nclass C: pass\n# the end\n"


def test_a_student_exports_their_own_code_and_hears_what_is_left(released_course: Project, tmp_path: Path):
    notebook = nbformat.read(released_course.release_dir / "01_doubling" / "doubling_dev.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if grade_id(cell) == "number-class")
    cell.source = cell.source.replace(stub("number-class", "Number.__init__"), "self.value = value * 1.0")
    mine = tmp_path / "mine.ipynb"
    nbformat.write(notebook, mine)
    (tmp_path / "tinytorch" / "core").mkdir(parents=True)
    done = export_own(mine, tmp_path / "tinytorch")
    assert done.path == tmp_path / "tinytorch" / "core" / "doubling.py"
    assert (done.unwritten, done.lost) == (["Number.double"], [])
    assert "self.value = value * 1.0" in done.path.read_text()

    notebook.cells = [other for other in notebook.cells if grade_id(other) != "number-class"]
    notebook.cells.append(nbformat.v4.new_code_cell("#| export\nLEFT = 1"))
    nbformat.write(notebook, mine)
    assert export_own(mine, tmp_path / "tinytorch").lost == ["Number"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "not a notebook"), ("{}", "not a notebook"), ("hello", "not a notebook"), (None, "no such file")],
)
def test_a_student_who_exports_something_else_is_told_so(tmp_path: Path, content: str | None, message: str):
    path = tmp_path / "mine.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CourseError, match=message):
        export_own(path, tmp_path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from .doubling import Number", r"mine.ipynb: cell 2 \(code\): 'from .doubling import Number' is a relative"),
        ("x = = 2", r"mine.ipynb: cell 2 \(code\): the exported code is not Python: .* \(line 2 of the cell\); mend"),
    ],
)
def test_a_cell_that_cannot_be_exported_is_named(tmp_path: Path, code: str, message: str):
    new_cell = nbformat.v4.new_code_cell
    cells = [new_cell("#| default_exp core.mine"), new_cell(f"#| export\n{code}")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "mine.ipynb")
    (tmp_path / "core").mkdir()
    with pytest.raises(CourseError, match=message) as error:
        export_own(tmp_path / "mine.ipynb", tmp_path)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "core").iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    write_if_changed(path, "old")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError):
        write_if_changed(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
