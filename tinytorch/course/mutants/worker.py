"""The process that runs mutants: started by :mod:`tinytorch.course.mutants`, never imported by it.

It reads one job a line from standard input (JSON) and answers one line for each changed cell. The cells
before the changed one are run once; from there every mutant is a fork, so that none sees another's traces
and none pays for imports again.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import linecache
import os
import resource
import select
import signal
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from typing import Any

MEMORY_BYTES = 4 << 30


def main() -> None:
    """Answer jobs until standard input ends."""
    reply = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    for line in sys.stdin:
        job = json.loads(line)
        _import_ahead(job["cells"])
        for answer in _in_fork(partial(_job, job), seconds=None):
            reply.write(json.dumps(answer) + "\n")
            reply.flush()


def _import_ahead(cells: list[dict[str, Any]]) -> None:
    """Import what the cells import, so that no mutant spends time on it."""
    for cell in cells:
        for node in ast.parse(cell["source"]).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                statement = ast.Module([node], type_ignores=[])
                # A statement that fails here fails again, and is reported, where the cell itself is run.
                with contextlib.suppress(Exception):
                    exec(compile(statement, "<imports>", "exec"), {"__name__": "__main__"})


def _job(job: dict[str, Any], send: Callable[[Any], None]) -> None:
    """Run the cells before the changed one, then fork for each of its versions with all that follows."""
    cells, changed = job["cells"], job["changed"]
    namespace = _namespace()
    for number in range(changed):
        failure = _run_cell(cells[number], number, namespace)
        if failure is not None:
            send({"died": f"cell '{cells[number]['id']}' fails without any change: {failure}"})
            return
    for source in job["sources"]:
        rest = [dict(cells[changed], source=source), *cells[changed + 1 :]]
        send(_one(rest, changed, namespace, job["cpu"]))


def _one(cells: list[dict[str, Any]], first: int, namespace: dict[str, Any], cpu: float) -> dict[str, Any]:
    answers = list(_in_fork(lambda send: send(_notice(cells, first, namespace, cpu)), seconds=30 + 10 * cpu))
    if not answers or "died" in answers[-1]:
        how = answers[-1]["died"] if answers else "ended the kernel"
        return {"noticed_by": "", "how": how, "cpu": cpu}
    return answers[0]


def _notice(cells: list[dict[str, Any]], first: int, namespace: dict[str, Any], cpu: float) -> dict[str, Any]:
    """The first graded cell that fails; any other may fail, as in a notebook, and the next one runs."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # CPU seconds, not seconds: a machine that is busy with something else must not make a mutant look
    # noticed.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    start = time.process_time()
    noticed_by, how = None, ""
    for number, cell in enumerate(cells, first):
        failure = _run_cell(cell, number, namespace)
        if failure is not None:
            noticed_by, how = cell["id"], failure
            break
    return {"noticed_by": noticed_by, "how": how, "cpu": time.process_time() - start}


def _namespace() -> dict[str, Any]:
    """A fresh ``__main__``, as a kernel has."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    module.__dict__["display"] = lambda *objects, **options: None
    return module.__dict__


def _run_cell(cell: dict[str, Any], number: int, namespace: dict[str, Any]) -> str | None:
    """Run a cell; for a graded one that would not get its points, say why.

    The rule is nbgrader's: an error or any text on standard error is no points.
    """
    name = f"<cell {number}>"
    linecache.cache[name] = (len(cell["source"]), None, cell["source"].splitlines(keepends=True), name)
    errors = io.StringIO()
    failure = None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            exec(compile(cell["source"], name, "exec"), namespace)
        except BaseException as error:
            failure = f"{type(error).__name__}: {error}".split("\n")[0]
    if not cell["graded"]:
        return None
    return failure or (f"text on stderr: {errors.getvalue().splitlines()[0]}" if errors.getvalue() else None)


def _in_fork(work: Callable[[Callable[[Any], None]], None], seconds: float | None):
    """Run ``work`` in a forked child and yield what it sends; at the end ``{"died": why}`` if it did."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = 1
        try:
            with os.fdopen(write, "w", encoding="utf-8") as stream:

                def send(message: Any) -> None:
                    stream.write(json.dumps(message) + "\n")
                    stream.flush()

                work(send)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    try:
        yield from _messages(read, child, seconds)
    finally:
        os.close(read)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        yield {"died": "time-out" if -code in (signal.SIGPROF, signal.SIGKILL) else "ended the kernel"}


def _messages(read: int, child: int, seconds: float | None):
    pending = b""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        if not select.select([read], [], [], left)[0]:
            os.kill(child, signal.SIGKILL)
            return
        data = os.read(read, 65536)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


if __name__ == "__main__":
    main()
