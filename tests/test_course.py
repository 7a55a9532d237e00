"""The real modules, as `make course` builds, runs and releases them."""

from __future__ import annotations

import nbformat
import pytest
from conftest import ROOT, copy_sources

from tinytorch.course.check import check
from tinytorch.course.execute import execute
from tinytorch.course.notebooks import build, is_graded, is_solution, solution_blocks
from tinytorch.course.project import Project
from tinytorch.course.release import generate

# Points that the course promises for certain cells; others may stand beside them.
PROMISED = {
    "08_optimizers": {
        "test-gradient-descent": 10,
        "test-sgd": 15,
        "test-adam": 20,
        "test-scheduler": 10,
        "test-training-integration": 15,
    }
}


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def executed(real_course: Project) -> dict[str, nbformat.NotebookNode]:
    """The reference notebooks with their outputs; an error in any cell fails here."""
    return {path.stem: read(path) for path in execute(real_course, real_course.modules())}


def test_the_committed_package_is_what_the_sources_export():
    project = Project(ROOT)
    assert check(project, project.modules()) == []


def test_another_checkout_builds_and_releases_the_same_bytes(real_course, tmp_path):
    other = copy_sources(tmp_path / "another place")
    build(other, other.modules())
    generate(other, other.modules(), other.release_dir)
    for module in other.modules():
        twin = real_course.module(module.name)
        assert module.notebook.read_bytes() == twin.notebook.read_bytes()
        name = f"{module.name}/{module.notebook.name}"
        assert (other.release_dir / name).read_bytes() == (real_course.release_dir / name).read_bytes()
    assert build(other, other.modules()) == []


def test_a_release_has_a_stub_for_every_solution_block(real_course):
    for module in real_course.modules():
        reference = read(module.notebook)
        released = read(real_course.release_dir / module.name / module.notebook.name)
        blocks = [block for cell in reference.cells if is_solution(cell) for block in solution_blocks(cell)]
        text = "\n".join(cell.source for cell in released.cells)
        assert blocks
        assert text.count('raise NotImplementedError("exercise ') == len(blocks)
        assert "SOLUTION" not in text


def test_the_promised_cells_are_there_with_their_points(real_course):
    for name, promised in PROMISED.items():
        cells = filter(is_graded, read(real_course.module(name).notebook).cells)
        points = {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points for cell in cells}
        assert {cell: points.get(cell) for cell in promised} == promised


def test_every_reference_notebook_draws_figures_with_alternative_text(executed):
    for name, notebook in executed.items():
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        pictures = [output for output in outputs if "image/png" in output.get("data", {})]
        assert len(pictures) >= 5, name
        for picture in pictures:
            assert len(picture.metadata["image/png"]["alt"]) > 40, name


def test_a_reference_notebook_says_nothing_on_stderr(executed):
    for name, notebook in executed.items():
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        assert [output.text for output in outputs if output.get("name") == "stderr"] == [], name
