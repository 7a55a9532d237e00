"""Fixtures that several test files share: a tiny course of two modules in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tinytorch.course.project import Project

ROOT = Path(__file__).resolve().parent.parent

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""

DOUBLING = (
    HEADER
    + '''\
# %% [markdown]
# # Doubling
#
# > Numbers that know how to double themselves.

# %%
#| default_exp core.doubling

# %%
#| export
import numpy as np

# %% [markdown]
# ## Exercise: a number
#
# Keep the value as an array, then return twice of it.

# %% nbgrader={"grade": false, "grade_id": "number-class", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Number:
    """A number.

    Args:
        value: anything NumPy takes.
    """

    def __init__(self, value: float):
        ### BEGIN SOLUTION
        self.value = np.asarray(value, dtype=float)
        ### END SOLUTION

    def double(self) -> float:
        """Twice the number."""
        ### BEGIN SOLUTION
        twice = self.value + self.value
        return float(twice)
        ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-number", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_number():
    assert Number(2.0).value == 2.0, "Number(2.0) should keep 2.0"


test_number()

# %% nbgrader={"grade": true, "grade_id": "test-double", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_double():
    assert Number(1.5).double() == 3.0, "twice 1.5 is 3.0"


test_double()

# %% tags=["demo", "raises-exception"]
print(Number(4.0).double())
'''
)

COUNTING = (
    HEADER
    + '''\
# %% [markdown]
# # Counting
#
# > Sums of doubled numbers.

# %%
#| default_exp core.counting

# %%
#| export
from tinytorch.core.doubling import Number

# %% nbgrader={"grade": false, "grade_id": "count-function", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def count(values: list[float]) -> float:
    """The sum of all values doubled."""
    ### BEGIN SOLUTION
    total = 0.0
    for value in values:
        total += Number(value).double()
    return total
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-count", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["raises-exception"]
def test_count():
    assert count([1.0, 2.0]) == 6.0, "2 + 4 is 6"


test_count()

# %% [markdown]
# ### Exercise: why it is even
#
# *easy · about 5 minutes · 2 sentences · 2.5 points · essay-even*
#
# Of whole numbers, is `count` ever odd? Say why.

# %% [markdown] nbgrader={"grade": true, "grade_id": "essay-even", "locked": false, "points": 2.5, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Never: twice a whole number is even, and so is every sum of even numbers.
#
# **Marking.** 1 point for the doubled number, 1.5 points for the sum.
# ### END SOLUTION
'''
)


def write_course(root: Path) -> Project:
    """A course of two small modules, 01_doubling and 02_counting, sources only."""
    for number, short, text in ((1, "doubling", DOUBLING), (2, "counting", COUNTING)):
        folder = root / "modules" / "source" / f"{number:02}_{short}"
        folder.mkdir(parents=True)
        (folder / f"{short}_dev.py").write_text(text, encoding="utf-8")
    for name in ("settings.ini", "pyproject.toml", "nbgrader_config.py", "modules/nbgrader_config.py"):
        shutil.copyfile(ROOT / name, root / name)
    (root / "tinytorch" / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py"):
        shutil.copyfile(ROOT / "tinytorch" / name, root / "tinytorch" / name)
    for name in ("course", "lesson"):
        (root / "tinytorch" / name).symlink_to(ROOT / "tinytorch" / name)
    return Project(root)


@pytest.fixture
def course(tmp_path: Path) -> Project:
    """A fresh course of two modules: sources only, nothing built or exported."""
    return write_course(tmp_path / "a course")


@pytest.fixture(scope="session")
def released_course(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A course of two modules, built, exported and released once; tests that change it copy it first."""
    from tinytorch.course.export import export
    from tinytorch.course.notebooks import build
    from tinytorch.course.release import release

    project = write_course(tmp_path_factory.mktemp("released") / "course")
    build(project, project.modules())
    export(project, project.modules())
    release(project, project.modules())
    return project


def copy_sources(root: Path) -> Project:
    """A course with the real modules, sources only, and this checkout's package."""
    (root / "modules").mkdir(parents=True)
    (root / "tinytorch").symlink_to(ROOT / "tinytorch")
    for name in ("settings.ini", "pyproject.toml", "nbgrader_config.py", "modules/nbgrader_config.py"):
        shutil.copyfile(ROOT / name, root / name)
    for name in ("examples", "source"):
        built = shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints")
        shutil.copytree(ROOT / "modules" / name, root / "modules" / name, ignore=built)
    return Project(root)


@pytest.fixture(scope="session")
def real_course(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The real modules, built and released (and so proven) once."""
    from tinytorch.course.notebooks import build
    from tinytorch.course.release import release

    project = copy_sources(tmp_path_factory.mktemp("real") / "course")
    build(project, project.modules())
    release(project, project.modules())
    return project
