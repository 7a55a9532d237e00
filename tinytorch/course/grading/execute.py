"""THE one place that executes a submission.

Today: a kernel of its own for each, as this user, in an empty scratch folder. Whoever makes this a sandbox
keeps :func:`execute` as it is: a notebook in, the same notebook with outputs out, and nothing raised
whatever the student's code does.
"""

from __future__ import annotations

import asyncio
import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinytorch.course.execute import kernel_environment
from tinytorch.course.grading.tree import quiet_log
from tinytorch.course.notebooks import cell_name
from tinytorch.course.project import Project

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_SECONDS = 30
TIMEOUT = "CellTimeout"


@dataclass(frozen=True)
class Execution:
    """A submission that was run.

    Attributes:
        notebook: with the outputs of every cell. A cell that was not reached has an error among its outputs.
        notes: what ended it early or took too long, one line each.
    """

    notebook: NotebookNode
    notes: tuple[str, ...]


def execute(
    project: Project,
    notebook: NotebookNode,
    leave_out: frozenset[int] = frozenset(),
    cell_seconds: int = CELL_SECONDS,
) -> Execution:
    """Run every code cell from top to bottom, errors or not.

    Args:
        project: its ``tinytorch`` is the one that the submission imports.
        notebook: what to run; left as it is.
        leave_out: places of cells that are not run.
        cell_seconds: a cell that takes longer is interrupted, and the next one runs.

    Returns:
        The notebook with its outputs.
    """
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = copy.deepcopy(notebook)
    notes: list[str] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        client = _client(notebook, leave_out, cell_seconds, scratch, notes)
        try:
            # Unlike client.execute(), this closes the event loop of a worker thread when it is done.
            asyncio.run(client.async_execute(env=kernel_environment(project, Path(scratch))))
        except DeadKernelError:
            notes.append(f"{_at(client)} ended its kernel")
        except CellTimeoutError:
            notes.append(f"{_at(client)} could not be interrupted")
        except (CellExecutionError, RuntimeError, OSError) as error:
            notes.append(f"{_at(client)} could not be run: {str(error).splitlines()[0]}")
        _mark_rest(client, leave_out)
    return Execution(notebook, tuple(notes))


def _client(
    notebook: NotebookNode, leave_out: frozenset[int], cell_seconds: int, scratch: str, notes: list[str]
) -> Any:
    """nbclient's runner, which leaves cells out and turns a time-out into an error of that cell."""
    from nbclient import NotebookClient

    class Runner(NotebookClient):
        at: int | None = None

        async def async_execute_cell(
            self, cell: NotebookNode, cell_index: int, **options: Any
        ) -> NotebookNode:
            if cell_index in leave_out:
                return cell
            self.at = cell_index
            return await super().async_execute_cell(cell, cell_index, **options)

    def executed(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        runner.reached.add(cell_index)
        content = execute_reply["content"]
        if content["status"] != "error":
            return
        if content["ename"] == TIMEOUT:
            notes.append(f"{cell_name(cell, cell_index)} ran longer than {cell_seconds} s")
        # An error nobody printed: the code took over the kernel's way of showing errors, or caught the
        # interrupt.
        if not any(output.output_type == "error" for output in cell.outputs):
            cell.outputs.append(_error(content["ename"], content["evalue"]))

    runner = Runner(
        notebook,
        timeout=cell_seconds,
        kernel_name="python3",
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout={
            "ename": TIMEOUT,
            "evalue": f"this cell ran longer than {cell_seconds} s",
            "traceback": [],
            "status": "error",
        },
        raise_on_iopub_timeout=True,
        record_timing=False,
        resources={"metadata": {"path": scratch}},
        log=quiet_log(),
        on_cell_executed=executed,
        extra_arguments=["--log-level=CRITICAL", "--HistoryManager.hist_file=:memory:"],
    )
    runner.reached = set()
    return runner


def _at(client: Any) -> str:
    return "the notebook" if client.at is None else cell_name(client.nb.cells[client.at], client.at)


def _error(name: str, message: str) -> NotebookNode:
    from nbformat.v4 import new_output

    return new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])


def _mark_rest(client: Any, leave_out: frozenset[int]) -> None:
    """A cell that was not reached must not look like one that passed."""
    for number, cell in enumerate(client.nb.cells):
        left = cell.cell_type == "code" and cell.source.strip() and number not in leave_out | client.reached
        if left and not any(output.output_type == "error" for output in cell.outputs):
            where = "here" if number == client.at else f"at {_at(client)}"
            cell.outputs.append(_error("NotRun", f"the run ended {where}"))
