"""What someone who only imports the package meets: NumPy alone, no prints, types, one clear line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tinytorch.course.check import check
from tinytorch.course.project import find_project

ROOT = Path(__file__).resolve().parent.parent
CORE = sorted(path.stem for path in (ROOT / "tinytorch" / "core").glob("*.py") if path.stem != "__init__")

FOREIGN = """
import sys
{statement}
own = sys.stdlib_module_names | {{"numpy", "tinytorch", "__main__"}}
tops = {{name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}}
# What start-up files of the environment bring along (editable installs, for one) is none of the package's.
print(sorted(tops - own - before))
"""


def _foreign(statement: str) -> str:
    text = "import sys\nbefore = {name.partition('.')[0] for name in sys.modules}\n" + FOREIGN.format(
        statement=statement
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", CORE)
def test_importing_the_core_needs_numpy_alone_and_prints_nothing(name: str):
    assert _foreign(f"import tinytorch.core.{name}") == "[]\n"


def test_the_command_itself_needs_nothing_but_python():
    assert _foreign("import tinytorch.course.cli as c; c._parser()") == "[]\n"


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "tinytorch" / "py.typed").is_file()


def test_this_checkout_passes_its_own_check():
    project = find_project(ROOT)
    assert check(project, project.modules()) == []


def test_what_was_tested_is_pinned_and_holds_no_torch():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {
        "nbdev",
        "execnb",
        "fastcore",
        "ghapi",
        "nbgrader",
        "jupytext",
        "numpy",
        "matplotlib",
        "pytest",
    } <= set(pins)
    assert pins["nbdev"].startswith("2.4.") and pins["execnb"].startswith("0.1.")
    assert not {name for name in pins if "torch" in name}
