"""Run notebooks from top to bottom in a kernel, in a scratch folder, on the code of this checkout."""

from __future__ import annotations

import asyncio
import copy
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tinytorch.course.notebooks import build, cell_lines, cell_name, notebook_text, read_source
from tinytorch.course.project import CourseError, Module, Project, write_if_changed

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Two kernels keep two cores busy; more would only make timings shown in the notebooks noisier.
WORKERS = 2
CELL_TIMEOUT = 300


@dataclass(frozen=True)
class CellError:
    """An error among the outputs of a cell: its place in the notebook, the exception's name and message."""

    index: int
    name: str
    message: str

    @property
    def line(self) -> str:
        """The exception as one line."""
        return f"{self.name}: {self.message.strip().splitlines()[0] if self.message.strip() else ''}".rstrip(
            ": "
        )


@dataclass(frozen=True)
class Run:
    """A notebook that was run.

    Attributes:
        notebook: with its outputs.
        stopped: why the run did not reach the end ("cell 5 (code) raised NameError: …"), or ``None``.
    """

    notebook: NotebookNode
    stopped: str | None

    @property
    def errors(self) -> list[CellError]:
        """Every error among the outputs, in the order of the cells."""
        return [
            CellError(index, output.ename, output.evalue)
            for index, cell in enumerate(self.notebook.cells)
            for output in cell.get("outputs", [])
            if output.output_type == "error"
        ]


def run_notebook(
    project: Project,
    notebook: NotebookNode,
    timeout: int = CELL_TIMEOUT,
    on_cell: Callable[[int], None] | None = None,
) -> Run:
    """Run a copy of ``notebook`` as "Run All" does: an error stops it, unless its cell is tagged as allowed.

    Args:
        project: its root is put first on the kernel's path, so that ``tinytorch`` is this checkout's.
        notebook: left as it is.
        timeout: seconds for one cell.
        on_cell: called with the number of cells done so far.

    Returns:
        The run; a dead kernel or a time-out is told in ``Run.stopped``.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = copy.deepcopy(notebook)

    def complete(cell: NotebookNode, cell_index: int) -> None:
        if on_cell is not None:
            on_cell(cell_index + 1)

    stopped = None
    with tempfile.TemporaryDirectory() as scratch:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": scratch}},
            on_cell_complete=complete,
            # Otherwise each kernel warns that it listens on a local port.
            extra_arguments=["--log-level=ERROR"],
        )
        try:
            # Unlike client.execute(), this closes the event loop of a worker thread when it is done.
            asyncio.run(client.async_execute(env=kernel_environment(project, Path(scratch))))
        except CellExecutionError as error:
            stopped = f"{_last_run(notebook)} raised {error.ename}: {error.evalue}"
        except CellTimeoutError:
            stopped = f"{_last_run(notebook)} ran longer than {timeout} s"
        except DeadKernelError:
            stopped = f"{_last_run(notebook)} ended its kernel"
    return Run(notebook, stopped.strip().splitlines()[0] if stopped else None)


def kernel_environment(project: Project, scratch: Path) -> dict[str, str]:
    """The environment of a kernel: this checkout's ``tinytorch`` first, nothing of anybody's start-up files."""
    environment = dict(os.environ)
    path = [str(project.root), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    # Neither a person's start-up files nor what another notebook left there.
    environment["IPYTHONDIR"] = str(scratch / ".ipython")
    return environment


def _last_run(notebook: NotebookNode) -> str:
    """The cell that was running when things ended: the last one with outputs or an execution count."""
    ran = [i for i, cell in enumerate(notebook.cells) if cell.get("outputs") or cell.get("execution_count")]
    return cell_name(notebook.cells[ran[-1]], ran[-1]) if ran else "the first cell"


class Progress:
    """One line for each notebook when it is done; on a terminal also the cell it is at."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stderr
        self._at: dict[str, str] = {}
        self._lock = threading.Lock()

    def at(self, name: str, cell: int, cells: int) -> None:
        """Note that ``name`` has done ``cell`` of its ``cells``."""
        with self._lock:
            self._at[name] = f"{name} {cell}/{cells}"
            if self._stream.isatty():
                print(f"\r\033[K{'   '.join(self._at.values())}"[:100], end="", file=self._stream, flush=True)

    def done(self, name: str, text: str) -> None:
        """Print the line of ``name``, which is finished."""
        with self._lock:
            self._at.pop(name, None)
            start = "\r\033[K" if self._stream.isatty() else ""
            print(f"{start}{name:<28} {text}", file=self._stream, flush=True)


def execute(project: Project, modules: list[Module]) -> list[Path]:
    """Run the reference notebooks whole, demonstrations included, and keep them with their outputs.

    Returns:
        The executed notebooks, ``build/executed/NN_name.ipynb``.

    Raises:
        CourseError: a cell raised (tagged raises-exception or not); one line for each error.
    """
    build(project, modules)
    progress = Progress()

    def one(module: Module) -> tuple[Path, list[str]]:
        start = time.perf_counter()
        notebook = read_source(module)
        cells = len(notebook.cells)
        run = run_notebook(project, notebook, on_cell=lambda n: progress.at(module.name, n, cells))
        path = project.build_dir / "executed" / f"{module.name}.ipynb"
        write_if_changed(path, notebook_text(run.notebook))
        progress.done(module.name, f"{cells} cells in {time.perf_counter() - start:.1f} s")
        return path, failures(project, module, run)

    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(one, modules))
    wrong = [line for _, lines in results for line in lines]
    if wrong:
        raise CourseError("\n".join(wrong))
    return [path for path, _ in results]


def failures(project: Project, module: Module, run: Run) -> list[str]:
    """One line for each error in the run of a reference notebook, which may not hold any."""
    source = project.relative(module.source)
    starts = cell_lines(module)
    lines = [
        f"{source}: {cell_name(run.notebook.cells[error.index], error.index)} (line {starts[error.index]}): "
        f"the reference raises {error.line}"
        for error in run.errors
    ]
    return lines or ([f"{source}: {run.stopped}"] if run.stopped else [])
