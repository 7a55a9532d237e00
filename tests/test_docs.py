"""What the pages in docs/ show as code runs, one block after another, and says what the page says."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

from tinytorch.course.project import Project

PAGE = (ROOT / "docs" / "importer.md").read_text(encoding="utf-8")


def test_the_code_of_the_importers_page_runs_from_top_to_bottom(tmp_path: Path):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    [said] = re.findall(r"`\.venv/bin/python fit\.py` prints `(.*)`\.", PAGE)
    assert done.stdout == f"{said}\n"
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png", "paths.png"}, "only what the page itself saves"


def test_the_importers_page_names_what_there_is():
    for module in Project(ROOT).modules():
        core = importlib.import_module(f"tinytorch.core.{module.short}")
        [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `tinytorch.core.{module.short}` |")]
        named = re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", row.split("|")[2])))
        assert [name for name in named if not hasattr(core, name)] == [], module.name
        if module.number >= 10:  # the earlier ones keep helpers that a page of names need not list
            assert sorted(set(core.__all__) - set(named)) == [], module.name
