"""The figures of README and docs: pictures that cells of the executed notebooks draw, taken out as files."""

from __future__ import annotations

import base64
from pathlib import Path

from tinytorch.course.execute import failures, run_notebook
from tinytorch.course.notebooks import has_tag, read_source
from tinytorch.course.project import CourseError, Project

# File in docs/images: the module, and the tag of the one cell that draws it.
FIGURES = {"optimizer_paths.png": ("08_optimizers", "readme-figure")}


def figures(project: Project) -> list[Path]:
    """Run the notebooks that draw a figure of the documentation, and write those that changed.

    Returns:
        The pictures written.

    Raises:
        CourseError: a notebook does not run, or no cell with the tag draws a picture.
    """
    written = []
    for name, (module_name, tag) in FIGURES.items():
        module = project.module(module_name)
        run = run_notebook(project, read_source(module))
        wrong = failures(project, module, run)
        if wrong:
            raise CourseError("\n".join(wrong))
        picture = _picture(run.notebook, tag)
        if picture is None:
            raise CourseError(f"{project.relative(module.source)}: no cell tagged '{tag}' draws a picture; tag the one for {name}")
        path = project.root / "docs" / "images" / name
        if not path.is_file() or path.read_bytes() != picture:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture)
            written.append(path)
    return written


def _picture(notebook, tag: str) -> bytes | None:
    for cell in notebook.cells:
        for output in cell.get("outputs", []) if has_tag(cell, tag) else []:
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output["data"]["image/png"])
    return None
