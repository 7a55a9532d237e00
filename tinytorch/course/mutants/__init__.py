"""Do the graded tests notice mistakes? Run a module's cells with one small mistake at a time and see.

A mutant (see :mod:`tinytorch.course.mutants.mutations`) is noticed when a graded cell of its module fails. One that
is not noticed either shows a hole in the graded tests, or computes the same as the reference: then it
stands, with the reason, in ``modules/mutants/NN_name.toml``::

    [[equivalent]]
    cell = "steplr-class"
    original = "if self.step_count > 0:"
    mutated = "if self.step_count >= 1:"
    reason = "step_count is an integer"
"""

from __future__ import annotations

import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tinytorch.course.mutants.mutations import Mutant, mutants_of
from tinytorch.course.notebooks import cell_lines, grade_id, has_tag, is_graded, is_solution, read_source
from tinytorch.course.project import CourseError, Module, Project

if TYPE_CHECKING:
    from nbformat import NotebookNode

CHUNK = 20
MINIMUM_CPU_SECONDS = 2.0


@dataclass(frozen=True)
class Equivalent:
    """A mutant that no test can notice, and why."""

    cell: str
    original: str
    mutated: str
    reason: str
    block: str | None = None

    def explains(self, mutant: Mutant) -> bool:
        """Whether this entry speaks of ``mutant``."""
        return (self.cell, self.original, self.mutated) == (
            mutant.cell,
            mutant.original,
            mutant.mutated,
        ) and self.block in (None, mutant.block)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutant: the mutant.
        noticed_by: the ``grade_id`` of the first graded cell that failed; ``"time-out"`` or
            ``"ended the kernel"`` where none was reached; ``None`` when all passed.
        how: the first line of the failure.
    """

    mutant: Mutant
    noticed_by: str | None
    how: str


@dataclass
class Result:
    """The mutants of one module.

    Attributes:
        module: the module.
        outcomes: one for each mutant that was run, in source order.
        unexplained: survivors without an entry in the list of equivalents.
        stale: entries of that list that explain nothing any more, each with what is wrong with it.
    """

    module: Module
    outcomes: list[Outcome]
    unexplained: list[Mutant] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)


def run(
    project: Project,
    modules: list[Module],
    count: int | None = None,
    seed: int = 0,
    jobs: int = 2,
    out: TextIO | None = None,
) -> list[Result]:
    """Run the mutants of ``modules``, print the report, and fail on what is left unexplained.

    Args:
        project: the project.
        modules: the modules to look at.
        count: how many mutants of each module to draw; ``None`` for all of them.
        seed: the seed of that draw.
        jobs: worker processes.
        out: where the report goes; standard output by default.

    Returns:
        One result a module.

    Raises:
        CourseError: a reference fails its own graded cells, a mutant survives unexplained, or an entry is
        stale.
    """
    out = out or sys.stdout
    results = []
    for module in modules:
        result = examine(project, module, count, seed, jobs, progress=sys.stderr)
        results.append(result)
        report(project, result, out)
    survivors = sum(len(result.unexplained) for result in results)
    stale = sum(len(result.stale) for result in results)
    if survivors:
        raise CourseError(
            f"{survivors} mutants survive all graded cells; strengthen a graded cell, or explain in "
            "modules/mutants/NN_name.toml why no test can notice them"
        )
    if stale:
        raise CourseError(f"{stale} stale entries in modules/mutants; take them out")
    return results


def examine(
    project: Project,
    module: Module,
    count: int | None = None,
    seed: int = 0,
    jobs: int = 2,
    progress: TextIO | None = None,
) -> Result:
    """Run the mutants of one module without judging them: the result says what was noticed.

    Arguments are those of :func:`run`. With a ``count`` stale entries are not looked for.
    """
    if not hasattr(os, "fork"):
        raise CourseError("mutants need fork(), which this system has not; run them on Linux or macOS")
    equivalents = read_equivalents(project, module)
    notebook = read_source(module)
    mutants = [mutant for cell in _solution_cells(notebook) for mutant in mutants_of(cell)]
    chosen = _draw(mutants, count, seed)
    cells = _cells(notebook)
    with _workers(project, jobs) as workers:
        cpu = _check_reference(module, workers[0], cells)
        outcomes = _outcomes(module, workers, cells, chosen, cpu, progress)
    result = Result(module, outcomes)
    result.unexplained = [
        o.mutant
        for o in outcomes
        if o.noticed_by is None and not any(e.explains(o.mutant) for e in equivalents)
    ]
    if count is None:
        result.stale = list(_stale(equivalents, outcomes))
    return result


def _draw(mutants: list[Mutant], count: int | None, seed: int) -> list[Mutant]:
    if count is None or count >= len(mutants):
        return mutants
    chosen = sorted(random.Random(seed).sample(range(len(mutants)), count))
    return [mutants[index] for index in chosen]


def _solution_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and is_solution(cell)]


def _cells(notebook: NotebookNode) -> list[dict[str, Any]]:
    """The cells that grading runs: code that does not only demonstrate."""
    return [
        {
            "id": grade_id(cell) or cell.id,
            "source": cell.source,
            "graded": is_graded(cell) and not is_solution(cell),
        }
        for cell in notebook.cells
        if cell.cell_type == "code" and not has_tag(cell, "demo")
    ]


# ---------------------------------------------------------------------- the list of equivalents


def read_equivalents(project: Project, module: Module) -> list[Equivalent]:
    """The entries of ``modules/mutants/NN_name.toml``; none where there is no such file.

    Raises:
        CourseError: the file is not TOML, or an entry has a missing, an unknown or an empty key.
    """
    path = project.course_root / "mutants" / f"{module.name}.toml"
    where = project.relative(path)
    if not path.is_file():
        return []
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{where}: not TOML: {error}") from None
    required, optional = {"cell", "original", "mutated", "reason"}, {"block"}
    entries = []
    for number, entry in enumerate(document.get("equivalent", []), 1):
        wrong = sorted((required - entry.keys()) | (entry.keys() - required - optional))
        empty = sorted(key for key, value in entry.items() if not isinstance(value, str) or not value.strip())
        if wrong or empty:
            raise CourseError(
                f"{where}: entry {number}: missing, unknown or empty: {', '.join(wrong + empty)}; an "
                "entry has cell, original, mutated, reason, and block where two functions share a line"
            )
        entries.append(Equivalent(**entry))
    unknown = sorted(document.keys() - {"equivalent"})
    if unknown:
        raise CourseError(f"{where}: unknown table '{unknown[0]}'; entries begin with [[equivalent]]")
    return entries


def _stale(equivalents: list[Equivalent], outcomes: list[Outcome]) -> Iterator[str]:
    for entry in equivalents:
        explained = [outcome for outcome in outcomes if entry.explains(outcome.mutant)]
        line = f"{entry.cell}: '{entry.original}' -> '{entry.mutated}'"
        if not explained:
            yield f"{line}: there is no such mutant"
        elif all(outcome.noticed_by is not None for outcome in explained):
            yield f"{line}: {explained[0].noticed_by} notices it, so it is not equivalent"


# ---------------------------------------------------------------------- running


class _Worker:
    """One process of :mod:`tinytorch.course.mutants.worker`."""

    def __init__(self, project: Project, folder: str):
        # One thread each, no windows, and the same order of sets in every run.
        environment = dict(
            os.environ,
            PYTHONPATH=str(project.root),
            PYTHONHASHSEED="0",
            MPLBACKEND="Agg",
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
            MKL_NUM_THREADS="1",
        )
        script = Path(__file__).with_name("worker.py")
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=folder,
            text=True,
            encoding="utf-8",
        )

    def answers(
        self, cells: list[dict[str, Any]], changed: int, sources: list[str], cpu: float
    ) -> Iterator[dict]:
        """One answer for each of ``sources``, put in place of cell ``changed``."""
        job = {"cells": cells, "changed": changed, "sources": sources, "cpu": cpu}
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise CourseError("a process that runs mutants ended; run `make mutants` again") from None
        for _ in sources:
            line = self.process.stdout.readline()
            if not line:
                raise CourseError("a process that runs mutants ended; run `make mutants` again")
            answer = json.loads(line)
            if "died" in answer:
                raise CourseError(f"mutants: {answer['died']}; see to that, then run `make mutants` again")
            yield answer

    def close(self) -> None:
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def _workers(project: Project, jobs: int) -> Iterator[list[_Worker]]:
    with tempfile.TemporaryDirectory() as folder:
        workers: list[_Worker] = []
        try:
            for _ in range(max(1, jobs)):
                workers.append(_Worker(project, folder))
            yield workers
        finally:
            for worker in workers:
                worker.close()


def _check_reference(module: Module, worker: _Worker, cells: list[dict[str, Any]]) -> float:
    """The CPU seconds a mutant may take, from what the unchanged reference takes."""
    if not any(cell["graded"] for cell in cells):
        raise CourseError(f"{module.name}: no graded cell; there is nothing that could notice a mutant")
    [answer] = worker.answers(cells, 0, [cells[0]["source"]], 60.0)
    if answer["noticed_by"] is not None:
        where = answer["noticed_by"] or "the notebook"
        raise CourseError(
            f"{module.name}: the reference fails its own test: {where}: {answer['how']}; mend that first"
        )
    return MINIMUM_CPU_SECONDS + 10 * answer["cpu"]


def _outcomes(
    module: Module,
    workers: list[_Worker],
    cells: list[dict[str, Any]],
    mutants: list[Mutant],
    cpu: float,
    progress: TextIO | None,
) -> list[Outcome]:
    """Share the mutants out among the workers in chunks that change the same cell; order as given."""
    chunks: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    for chunk in _chunks(mutants):
        chunks.put(chunk)
    positions = {cell["id"]: number for number, cell in enumerate(cells)}
    results: queue.SimpleQueue[tuple[int, dict] | Exception | None] = queue.SimpleQueue()

    def work(worker: _Worker) -> None:
        try:
            while True:
                chunk = chunks.get_nowait()
                sources = [mutants[index].source for index in chunk]
                answers = worker.answers(cells, positions[mutants[chunk[0]].cell], sources, cpu)
                for index, answer in zip(chunk, answers):
                    results.put((index, answer))
        except queue.Empty:
            results.put(None)
        except CourseError as error:
            results.put(error)

    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    outcomes: dict[int, Outcome] = {}
    line = _ProgressLine(f"{module.name}: mutants", len(mutants), progress)
    running = len(threads)
    while running:
        message = results.get()
        if isinstance(message, Exception):
            raise message
        if message is None:
            running -= 1
            continue
        index, answer = message
        outcomes[index] = _outcome(mutants[index], answer)
        line.advance(survived=outcomes[index].noticed_by is None)
    line.close()
    return [outcomes[index] for index in sorted(outcomes)]


def _chunks(mutants: list[Mutant]) -> Iterator[list[int]]:
    chunk: list[int] = []
    for index, mutant in enumerate(mutants):
        if chunk and (len(chunk) == CHUNK or mutants[chunk[0]].cell != mutant.cell):
            yield chunk
            chunk = []
        chunk.append(index)
    if chunk:
        yield chunk


def _outcome(mutant: Mutant, answer: dict[str, Any]) -> Outcome:
    noticed_by = answer["noticed_by"]
    return Outcome(mutant, answer["how"] if noticed_by == "" else noticed_by, answer["how"])


class _ProgressLine:
    """``08_optimizers: mutants 240 of 1210, 3 survive``: rewritten in a terminal, else ten lines."""

    def __init__(self, title: str, total: int, stream: TextIO | None):
        self.title, self.total, self.stream = title, total, stream
        self.done = self.survived = 0
        self.terminal = stream is not None and stream.isatty()

    def advance(self, survived: bool) -> None:
        self.done += 1
        self.survived += survived
        if self.stream is None:
            return
        text = f"{self.title} {self.done} of {self.total}, {self.survived} survive"
        if self.terminal:
            self.stream.write(f"\r{text}")
        elif 10 * self.done // self.total > 10 * (self.done - 1) // self.total:
            self.stream.write(f"{text}\n")
        self.stream.flush()

    def close(self) -> None:
        if self.terminal:
            self.stream.write("\n")


# ---------------------------------------------------------------------- the report


def report(project: Project, result: Result, out: TextIO) -> None:
    """Print a table by solution cell, then every unexplained survivor as a diff and every stale entry."""
    lines = _source_lines(result.module)
    out.write("\n".join(_table(result)) + "\n")
    for mutant in result.unexplained:
        where = f"{project.relative(result.module.source)}:{lines[mutant.cell] + mutant.line}"
        out.write(
            f"\nsurvives: {where}: {mutant.cell}, {mutant.block} ({mutant.kind})\n"
            f"  - {mutant.original}\n  + {mutant.mutated}\n"
        )
    for stale in result.stale:
        out.write(f"\nstale entry in modules/mutants/{result.module.name}.toml: {stale}\n")
    out.flush()


def _source_lines(module: Module) -> dict[str, int]:
    """The line of the percent source on which each solution cell begins."""
    cells = read_source(module).cells
    return {grade_id(cell) or cell.id: line for cell, line in zip(cells, cell_lines(module))}


def _table(result: Result) -> Iterator[str]:
    width = max([len("solution cell"), *(len(outcome.mutant.cell) for outcome in result.outcomes)])
    numbers = f"{'mutants':>7}  {'noticed':>7}  {'equivalent':>10}  {'survive':>7}"
    head = f"{'solution cell':{width}}  {numbers}  noticed by"
    yield f"{result.module.name}: mutants of the reference that the graded cells notice"
    yield head
    yield "-" * len(head)
    for cell in dict.fromkeys(outcome.mutant.cell for outcome in result.outcomes):
        yield _row(cell, [o for o in result.outcomes if o.mutant.cell == cell], result, width, tests=True)
    yield "-" * len(head)
    yield _row("total", result.outcomes, result, width, tests=False)


def _row(name: str, outcomes: list[Outcome], result: Result, width: int, tests: bool) -> str:
    noticed = Counter(outcome.noticed_by for outcome in outcomes if outcome.noticed_by is not None)
    total, found = len(outcomes), noticed.total()
    survive = sum(1 for outcome in outcomes if outcome.mutant in result.unexplained)
    by = ", ".join(f"{test} {number}" for test, number in noticed.most_common())
    share = f"{100 * found / max(1, total - (total - found - survive)):.1f} % of those that can be noticed"
    return (
        f"{name:{width}}  {total:>7}  {found:>7}  {total - found - survive:>10}  {survive:>7}  "
        f"{by if tests else share}"
    )
