"""Example submissions: answers kept by exercise and put into the release, so that they never go stale.

An example is a file ``modules/examples/NN_name/WHO.py``: a comment that says who this is, and one section a
function, its body without indentation::

    # A student who left the bias correction out.
    # based on: good
    # %% adam-class: Adam.step_param
    state["first_moment"] *= self.beta1
    …

An answer in words is a section of comment lines::

    # %% essay-decay [markdown]
    # The decay comes first, because …

``based on`` takes the answers of another example where this one has none of its own. What has no answer stays
as it is in the release. ``make examples`` grades them in ``build/examples``, away from the real course.
"""

from __future__ import annotations

import copy
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tinytorch.course.grading.tree import CourseTree
from tinytorch.course.notebooks import STUB, grade_id, is_written, notebook_text, stub
from tinytorch.course.project import CourseError, Module, Project, write_if_changed

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from tinytorch.course.grading.cycle import Report

# The example that has to write every function.
COMPLETE = "good"

# What stands for the function where an answer is given in words.
WORDS = "[markdown]"

_SECTION = re.compile(r"# %% (?P<cell>\S+)(?:: (?P<function>\S+)| (?P<words>\[markdown\]))\s*")
_BASE = re.compile(r"# based on: (?P<name>\S+)\s*")

Exercise = tuple[str, str]


@dataclass(frozen=True)
class Example:
    """The answers of one example.

    Attributes:
        name: the file without ``.py``; the name of the student in the gradebook of the examples.
        about: who this is, from the comment at the top.
        path: the file.
        base: the example it builds on, or ``None``.
        answers: the bodies by (grade_id, function), one for each solution block of that function; the text of
            an answer in words by (grade_id, ``WORDS``).
    """

    name: str
    about: str
    path: Path
    base: str | None
    answers: dict[Exercise, list[str]]


def run(project: Project, modules: list[Module], out: TextIO | None = None) -> Report:
    """``make examples``: grade the examples of ``modules`` and print the table student × graded cell.

    Args:
        project: the project; the modules have been released.
        modules: those without examples are left out.
        out: where the table goes; standard output by default.

    Returns:
        The grades.

    Raises:
        CourseError: a release is missing, an answer does not fit it, or something went wrong in grading.
    """
    from tinytorch.course.grading.cycle import Report, grade, tables

    out = out or sys.stdout
    chosen = [module for module in modules if folder(project, module).is_dir()]
    if not chosen:
        out.write(f"no example submissions for {', '.join(module.name for module in modules)}\n")
        return Report()
    with example_tree(project).alone():
        tree = submit(project, chosen)
        report = grade(tree, chosen, force=True, progress=out)
    out.write(tables(report.rows))
    out.flush()
    odd = [f"{row.student}: {note}" for row in report.rows for note in row.notes]
    if odd:
        raise CourseError(f"an example submission could not be graded as it should: {odd[0]}")
    return report


def folder(project: Project, module: Module) -> Path:
    """Where the examples of a module are kept."""
    return project.course_root / "examples" / module.name


def example_tree(project: Project) -> CourseTree:
    """The course of its own that the examples are graded in, ``build/examples``."""
    return CourseTree(project, project.build_dir / "examples")


def submit(project: Project, modules: list[Module]) -> CourseTree:
    """Make the course of the examples, with every example handed in and nothing graded."""
    from tinytorch.course.grading.record import register

    tree = example_tree(project)
    notebooks = []
    for module in modules:
        released = tree.released_notebook(module)
        notebooks += [
            (module, example.name, splice(released, example)) for example in read_examples(project, module)
        ]
    if tree.root.exists():
        shutil.rmtree(tree.root)
    tree.root.mkdir(parents=True)
    for module in modules:
        register(tree, module)
    for module, name, notebook in notebooks:
        write_if_changed(tree.submission(name, module) / module.notebook.name, notebook_text(notebook))
    return tree


def read_examples(project: Project, module: Module) -> list[Example]:
    """The examples of a module by name, each with the answers it takes from the one it builds on.

    Raises:
        CourseError: a file cannot be read, or builds on one that is not there or on itself.
    """
    own = {path.stem: _read(project, path) for path in sorted(folder(project, module).glob("*.py"))}
    return [_with_base(project, example, own) for example in own.values()]


def _with_base(project: Project, example: Example, own: dict[str, Example]) -> Example:
    answers: dict[Exercise, list[str]] = dict(example.answers)
    seen, base = [example.name], example.base
    while base is not None:
        if base not in own or base in seen:
            what = "builds on itself" if base in seen else f"is based on '{base}', which is not there"
            raise CourseError(f"{project.relative(example.path)}: {what}; there are {', '.join(own)}")
        answers = {**own[base].answers, **answers}
        seen.append(base)
        base = own[base].base
    return Example(example.name, example.about, example.path, example.base, answers)


def _read(project: Project, path: Path) -> Example:
    where = project.relative(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CourseError(f"{where}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    about: list[str] = []
    base: str | None = None
    answers: dict[Exercise, list[list[str]]] = {}
    body: list[str] | None = None
    words = False
    for number, line in enumerate(lines, 1):
        section, building = _SECTION.fullmatch(line), _BASE.fullmatch(line)
        if section:
            body, words = [], section["words"] is not None
            answers.setdefault((section["cell"], section["function"] or WORDS), []).append(body)
        elif line.startswith("# %%"):
            raise CourseError(
                f"{where}:{number}: not a section; write '# %% grade_id: Class.function', or '# %% grade_id "
                f"{WORDS}' for an answer in words"
            )
        elif body is not None and words:
            if line.strip() and not line.startswith("#"):
                raise CourseError(f"{where}:{number}: an answer in words stands in comments; write '# {line}'")
            body.append(line.removeprefix("#").removeprefix(" "))
        elif body is not None:
            body.append(line)
        elif building:
            base = building["name"]
        elif line.startswith("#"):
            about.append(line.lstrip("# "))
        elif line.strip():
            raise CourseError(f"{where}:{number}: an answer before the first '# %% grade_id: Class.function'")
    return Example(path.stem, " ".join(about), path, base, dict(_bodies(where, answers)))


def _bodies(where: str, answers: dict[Exercise, list[list[str]]]) -> Iterator[tuple[Exercise, list[str]]]:
    for (cell, function), bodies in answers.items():
        texts = ["\n".join(body).strip("\n") for body in bodies]
        if not all(text.strip() for text in texts):
            raise CourseError(f"{where}: the answer to {_named(cell, function)} is empty; write it or take it out")
        yield (cell, function), texts


def _named(cell: str, function: str) -> str:
    return cell if function == WORDS else f"{cell}: {function}"


def splice(released: NotebookNode, example: Example) -> NotebookNode:
    """The release with the stubs replaced by the answers of ``example``.

    Args:
        released: a released notebook; left as it is.
        example: the answers, those of its base included.

    Raises:
        CourseError: an answer has no place in the release, or ``good`` leaves a stub without an answer.
    """
    notebook = copy.deepcopy(released)
    left = {exercise: list(bodies) for exercise, bodies in example.answers.items()}
    unanswered: list[Exercise] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = "\n".join(_filled(cell.source.split("\n"), left, unanswered))
        elif is_written(cell) and left.get((grade_id(cell), WORDS)):
            cell.source = left[grade_id(cell), WORDS].pop()
    for (name, function), bodies in left.items():
        if bodies and function == WORDS:
            raise CourseError(
                f"example '{example.name}' answers {name} in words, but the release has no such question left for "
                "it; mend the name or take the answer out"
            )
        if bodies:
            raise CourseError(
                f"example '{example.name}' answers {name}: {function}, but the release has no line "
                f"'{stub(name, function)}' left for it; mend the name or take the answer out"
            )
    if example.name == COMPLETE and unanswered:
        name, function = unanswered[0]
        raise CourseError(
            f"example '{example.name}' has no answer to {name}: {function}, which the release leaves "
            f"to students; add a section '# %% {name}: {function}' to {example.path.name}"
        )
    return notebook


def _filled(lines: list[str], left: dict[Exercise, list[str]], unanswered: list[Exercise]) -> Iterator[str]:
    for line in lines:
        match = STUB.fullmatch(line.strip())
        if match is None:
            yield line
            continue
        exercise = (match["cell"], match["function"])
        if not left.get(exercise):
            unanswered.append(exercise)
            yield line
            continue
        indent = line[: len(line) - len(line.lstrip())]
        for answer in left[exercise].pop(0).split("\n"):
            yield indent + answer if answer.strip() else ""
