"""Checks of the sources and of what was exported from them; every failure is found, not only the first."""

from __future__ import annotations

import ast
import difflib
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from tinytorch.course.export import default_exp, export_text, init_text, is_exported, relative_imports, target
from tinytorch.course.leaks import Secrets, given_lines
from tinytorch.course.notebooks import (
    MarkError,
    cell_lines,
    cell_name,
    grade_id,
    has_marks,
    has_tag,
    is_graded,
    is_solution,
    is_written,
    model_answer,
    read_source,
    solution_blocks,
)
from tinytorch.course.project import CourseError, Module, Project

if TYPE_CHECKING:
    from nbformat import NotebookNode

_KEYS = ("grade", "grade_id", "locked", "schema_version", "solution", "task")
_SCHEMA = 3
_EXERCISE_LINE = re.compile(
    r"\*(easy|medium|medium to hard|hard) · about \d+ minutes · .+ · (?P<points>[\d.]+) points? · (?P<ids>[\w-]+(, [\w-]+)*)\*"
)


@dataclass
class _Source:
    """A module's source while it is checked, and the failures found in it."""

    project: Project
    module: Module
    notebook: NotebookNode
    lines: list[int]
    secrets: Secrets
    found: list[str] = field(default_factory=list)

    def fail(self, index: int, what: str, remedy: str, line: int = 0) -> None:
        """Note a failure in a cell; ``line`` is counted from 0 in the cell."""
        cell = self.notebook.cells[index]
        path = self.project.relative(self.module.source)
        self.found.append(
            f"{path}: {cell_name(cell, index)} (line {self.lines[index] + line}): {what}; {remedy}"
        )

    def fail_file(self, what: str, remedy: str) -> None:
        """Note a failure of the file as a whole."""
        self.found.append(f"{self.project.relative(self.module.source)}: {what}; {remedy}")

    def cells(self) -> Iterator[tuple[int, NotebookNode]]:
        """The cells with their places."""
        return enumerate(self.notebook.cells)


def check(project: Project, modules: list[Module]) -> list[str]:
    """Every rule of the house, on the sources of ``modules`` and on the project.

    Returns:
        One line for each failure, naming file, cell and remedy; none if all is well.
    """
    found: list[str] = []
    secrets = _secrets(project)
    for module in modules:
        found += check_source(project, module, secrets)
    found += check_imported(project, modules)
    found += check_names(project)
    found += check_strangers(project)
    found += check_nbgrader_config(project)
    return found


def _secrets(project: Project) -> Secrets:
    """The solution lines of all modules whose sources can be read; the others fail by their own check."""
    readable = []
    for module in project.modules():
        try:
            Secrets.of([module])
        except CourseError:
            continue
        readable.append(module)
    return Secrets.of(readable)


def check_source(project: Project, module: Module, secrets: Secrets) -> list[str]:
    """The rules for one source and for the file of the package it exports to.

    Args:
        project: the course.
        module: the module to look at.
        secrets: what its texts may not give away.

    Returns:
        One line for each failure.
    """
    try:
        source = _Source(project, module, read_source(module), cell_lines(module), secrets)
    except CourseError as error:
        return [f"{project.relative(project.source_dir)}/{error}"]
    for rule in _RULES:
        rule(source)
    if not source.found:
        _exported_as_written(source)
    return source.found


def _head(source: _Source) -> None:
    if "kernelspec" not in source.notebook.metadata:
        source.fail_file("no kernelspec in the header", "add it (display_name, language, name: python3)")
    elif source.notebook.metadata["kernelspec"].get("name") != "python3":
        source.fail_file("the kernelspec is not python3", "write 'name: python3' in the header")
    first = source.notebook.cells[0]
    lines = first.source.splitlines()
    if first.cell_type != "markdown" or not lines or not lines[0].startswith("# "):
        source.fail(0, "the first cell is not the title", "begin with a markdown cell '# Title'")
    elif not any(line.startswith("> ") for line in lines):
        source.fail(
            0, "no summary under the title", "add a line '> what the module is', the package's docstring"
        )


def _export_target(source: _Source) -> None:
    places = [i for i, cell in source.cells() if "#| default_exp" in cell.source and cell.cell_type == "code"]
    wanted = f"core.{source.module.short}"
    if not places:
        source.fail_file(f"no '#| default_exp {wanted}'", "add a code cell with that line")
        return
    for index in places[1:]:
        source.fail(index, "a second '#| default_exp'", "keep one")
    if default_exp(source.notebook) != wanted:
        source.fail(
            places[0], f"exports to {default_exp(source.notebook)}", f"write '#| default_exp {wanted}'"
        )


def _nbgrader_metadata(source: _Source) -> None:
    seen: dict[str, int] = {}
    for index, cell in source.cells():
        if "nbgrader" not in cell.metadata:
            continue
        meta = cell.metadata["nbgrader"]
        missing = [key for key in _KEYS if key not in meta]
        if missing:
            source.fail(
                index, f"nbgrader metadata without {', '.join(missing)}", "give all of " + ", ".join(_KEYS)
            )
            continue
        unknown = sorted(set(meta) - {*_KEYS, "points"})
        if unknown:
            source.fail(
                index,
                f"nbgrader metadata with {', '.join(map(repr, unknown))}",
                "remove it; nbgrader knows only " + ", ".join((*_KEYS, "points")),
            )
        if meta["schema_version"] != _SCHEMA:
            source.fail(
                index, f"schema_version {meta['schema_version']}", f'write "schema_version": {_SCHEMA}'
            )
        for key in ("grade", "locked", "solution", "task"):
            if not isinstance(meta[key], bool):
                source.fail(index, f'"{key}" is {meta[key]!r}', "write true or false")
        if meta["task"]:
            source.fail(index, "a task cell, which nbgrader takes for text only", 'write "task": false')
        if not (meta["grade"] or meta["solution"] or meta["locked"]):
            source.fail(
                index, "a given cell that is not locked, so that grading would not restore it", 'write "locked": true'
            )
        _grade_id(source, index, meta["grade_id"], seen)
        if cell.cell_type != "code":
            _text_metadata(source, index, cell, meta)
        if meta["grade"]:
            _graded_metadata(source, index, cell, meta)
        elif "points" in meta:
            source.fail(
                index, "points on a cell that is not graded", 'remove "points" or write "grade": true'
            )


def _grade_id(source: _Source, index: int, name: Any, seen: dict[str, int]) -> None:
    if not isinstance(name, str) or not name or not name.replace("-", "").replace("_", "").isalnum():
        source.fail(index, f"grade_id {name!r}", "use letters, digits and hyphens")
    elif name in seen:
        source.fail(
            index, f"grade_id '{name}' is that of line {source.lines[seen[name]]} too", "give it another"
        )
    else:
        seen[name] = index


def _text_metadata(source: _Source, index: int, cell: NotebookNode, meta: dict[str, Any]) -> None:
    """Of text, nbgrader knows one kind: an answer in words, graded and solution at once, which a person marks."""
    answer = 'an answer in words has "grade": true, "solution": true and points'
    if cell.cell_type != "markdown":
        source.fail(index, f"nbgrader metadata on a {cell.cell_type} cell", "make it [markdown] or code")
    elif meta["grade"] and not meta["solution"]:
        source.fail(index, "graded text that is no solution, so that nobody could write there", answer)
    elif meta["solution"] and not meta["grade"]:
        source.fail(index, "a written answer that is not graded", answer)
    elif not meta["grade"]:
        source.fail(index, "nbgrader metadata on text", f"remove it, or write it in full: {answer}")
    elif meta["locked"]:
        source.fail(index, "a written answer that is locked", 'write "locked": false')


def _graded_metadata(source: _Source, index: int, cell: NotebookNode, meta: dict[str, Any]) -> None:
    points = meta.get("points")
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 < points < inf:
        source.fail(index, f"points {points!r}", "give a graded cell a number of points above 0")
    if cell.cell_type != "code":
        if cell.metadata.get("tags"):
            source.fail(index, "tags on a written answer, which is never run", "remove them")
        return
    if not meta["locked"]:
        source.fail(index, "a graded cell that is not locked", 'write "locked": true')
    if meta["solution"]:
        source.fail(
            index,
            "graded and solution at once",
            "put the answer into a cell of its own, or, if it is given in words, into a [markdown] cell",
        )
    if not has_tag(cell, "raises-exception"):
        source.fail(index, "a graded cell without the tag raises-exception", 'add tags=["raises-exception"]')
    if has_tag(cell, "demo"):
        source.fail(index, "a graded cell with the tag demo", "remove the tag")


def _exercises_say_what_they_ask(source: _Source) -> None:
    """Below the heading of an exercise: level, minutes, size of the answer, points as graded, and its cells."""
    exercises: list[tuple[int, str]] = []
    points: list[float] = []
    ids: list[list[str]] = []
    for index, cell in source.cells():
        lines = cell.source.split("\n")
        if cell.cell_type == "markdown" and not is_written(cell):
            for number, line in enumerate(lines):
                if line.startswith("### Exercise:"):
                    exercises.append((index, "".join(lines[number + 2 : number + 3])))
                    points.append(0)
                    ids.append([])
        if is_solution(cell) and exercises:
            ids[-1].append(grade_id(cell) or "")
        if is_graded(cell) and exercises:
            value = cell.metadata["nbgrader"].get("points")
            points[-1] += value if isinstance(value, (int, float)) else 0
    for (index, line), worth, cells in zip(exercises, points, map(", ".join, ids)):
        match = _EXERCISE_LINE.fullmatch(line)
        if match is None or float(match["points"]) != worth or match["ids"] != cells:
            source.fail(
                index,
                f"an exercise announced as '{line}'",
                f"write '*easy, medium or hard · about N minutes · size of the answer · {worth:g} points · {cells}*' "
                "two lines below its heading (the graded and the solution cells up to the next exercise)",
            )


def _graded_ends_in_its_test(source: _Source) -> None:
    for index, cell in source.cells():
        if not is_graded(cell) or cell.cell_type != "code":
            continue
        body = ast.parse(cell.source).body
        tests = {
            node.name: node
            for node in body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
        }
        call = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
        own = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in tests
        if not own or call.args or call.keywords:
            last = body[-1].lineno - 1 if body else 0
            source.fail(
                index,
                "a graded cell must end in the call of its own test function",
                "end it with test_…(), defined in the same cell, without arguments",
                last,
            )
            continue
        used = {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
        for name in sorted(set(tests) - used):
            source.fail(index, f"{name} is defined but never called", "call it", tests[name].lineno - 1)
        for node in _own_nodes(tests[call.func.id]):
            if isinstance(node, (ast.Yield, ast.YieldFrom)):
                source.fail(
                    index,
                    "the test function is a generator, so that it checks nothing",
                    "remove the yield",
                    node.lineno - 1,
                )
            elif isinstance(node, ast.Return) and node.value is not None:
                source.fail(
                    index,
                    "the test function returns a value, which nbgrader takes as the score",
                    "let it return nothing",
                    node.lineno - 1,
                )


def _own_nodes(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions inside it."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(node))


def _solution_marks(source: _Source) -> None:
    for index, cell in source.cells():
        marked = has_marks(cell)
        if is_written(cell):
            with _marks_told(source, index):
                model_answer(cell)
            continue
        if cell.cell_type != "code":
            if marked:
                source.fail(index, "a solution mark in text", "keep the marks to code and to written answers")
            continue
        if marked and not is_solution(cell):
            source.fail(
                index, "solution marks in a cell that is not a solution cell", 'write "solution": true'
            )
        if is_solution(cell) and not marked:
            source.fail(index, "a solution cell without solution marks", "mark the lines students write")
        names: list[str] = []
        with _marks_told(source, index):
            names = [block.qualname for block in solution_blocks(cell)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            source.fail(
                index, f"two solution blocks in {name}", "keep one block a function, so that stubs have names"
            )


@contextmanager
def _marks_told(source: _Source, index: int) -> Iterator[None]:
    """Notes what is wrong with the solution marks of a cell."""
    try:
        yield
    except MarkError as error:
        what, _, remedy = str(error).partition("; ")
        source.fail(index, what, remedy or "open and close each block", error.line)


def _demos_may_raise(source: _Source) -> None:
    for index, cell in source.cells():
        if has_tag(cell, "demo") and not has_tag(cell, "raises-exception"):
            source.fail(
                index,
                "a demo cell without the tag raises-exception",
                'write tags=["demo", "raises-exception"], so that Run All passes on blank work',
            )
        if has_tag(cell, "raises-exception") and not has_tag(cell, "demo") and not is_graded(cell):
            source.fail(
                index,
                "raises-exception on a cell that is neither graded nor a demo",
                "add the tag demo, or remove this one",
            )
        if has_tag(cell, "demo") and is_exported(cell):
            source.fail(index, "a demo cell that is exported", "take '#| export' out")


def _imports(source: _Source) -> None:
    modules = {module.short: module for module in source.project.modules()}
    for index, cell in source.cells():
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        for line in relative_imports(cell):
            source.fail(index, "a relative import", "write 'from tinytorch.core.NAME import …'", line)
        for name, line in _imported(tree, "core"):
            _core_import(source, index, modules, name, line)
        for helper, name, line in _through_lesson(source.project, tree):
            if name in modules and modules[name].number >= source.module.number:
                source.fail(
                    index,
                    f"imports tinytorch.lesson.{helper}, which needs tinytorch.core.{name} of {modules[name].name}",
                    "let it do without, or define here what is needed",
                    line,
                )
        for node in ast.walk(tree):
            if _is_sys_path(node):
                source.fail(index, "sys.path", "import earlier modules through the package", node.lineno - 1)
            if isinstance(node, ast.Try) and _catches_import_error(node) and _imports_something(node):
                source.fail(
                    index,
                    "an import with a fallback",
                    "import it plainly; nothing is optional here",
                    node.lineno - 1,
                )


def _imported(tree: ast.AST, part: str) -> Iterator[tuple[str, int]]:
    """(short name, 0-based line) of each module of ``tinytorch.core``, or another part, that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
            if node.module in (f"tinytorch.{part}", "tinytorch"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith(f"tinytorch.{part}."):
                yield name.split(".")[2], node.lineno - 1


def _through_lesson(project: Project, tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """(helper, short name, line) of each core module that comes with a helper of the lesson, at any depth.

    A module that got its own names by that way would be judged on the package's code, not on its own.
    """
    for helper, line in _imported(tree, "lesson"):
        waiting, seen = [helper], set()
        while waiting:
            name = waiting.pop()
            path = project.package_dir / "lesson" / f"{name}.py"
            if name in seen or not path.is_file():
                continue
            seen.add(name)
            inner = ast.parse(path.read_text(encoding="utf-8"))
            waiting += [other for other, _ in _imported(inner, "lesson")]
            yield from ((helper, core, line) for core, _ in _imported(inner, "core"))


def _core_import(source: _Source, index: int, modules: dict[str, Module], name: str, line: int) -> None:
    own = source.module.number
    if name not in modules:
        place = f"{source.project.relative(source.project.source_dir)}/NN_{name}/{name}_dev.py"
        source.fail(
            index,
            f"imports tinytorch.core.{name}, which no module exports",
            f"restore {place} or correct the name",
            line,
        )
    elif modules[name].number == own:
        source.fail(
            index, f"imports its own export tinytorch.core.{name}", "use what the notebook defines", line
        )
    elif modules[name].number > own:
        source.fail(
            index,
            f"imports tinytorch.core.{name} of the later module {modules[name].name}",
            "use only modules with a smaller number",
            line,
        )


def _is_sys_path(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "sys" and any(alias.name == "path" for alias in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    )


def _catches_import_error(node: ast.Try) -> bool:
    names = {
        n.id
        for handler in node.handlers
        if handler.type
        for n in ast.walk(handler.type)
        if isinstance(n, ast.Name)
    }
    bare = any(handler.type is None for handler in node.handlers)
    return bare or bool(names & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def _imports_something(node: ast.Try) -> bool:
    return any(isinstance(n, (ast.Import, ast.ImportFrom)) for part in node.body for n in ast.walk(part))


def _texts_keep_the_secret(source: _Source) -> None:
    """A sentence that quotes a line of the answer would stop the release; here it is found with its line."""
    try:
        cells = [(index, given_lines(cell)) for index, cell in source.cells()]
    except MarkError:  # told by the rule for marks; before it is mended nobody knows what is given
        return
    for index, given in cells:
        if not source.secrets.in_text("\n".join(text for _, text in given)):
            continue
        for number, text in given:
            for line in source.secrets.in_text(text):
                source.fail(index, f"holds the solution line '{line}'", "say it in other words", number)


def _exported_imports(source: _Source) -> None:
    """The package needs NumPy alone: exported code may not import the lesson or anything else."""
    for index, cell in source.cells():
        if not is_exported(cell):
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                top = name.split(".")[0]
                if top in sys.stdlib_module_names or top == "numpy" or name.startswith("tinytorch.core"):
                    continue
                source.fail(
                    index,
                    f"exported code imports {name}",
                    "keep to NumPy, the standard library and tinytorch.core",
                    node.lineno - 1,
                )


def _exported_as_written(source: _Source) -> None:
    path = target(source.project, source.module)
    relative = source.project.relative(path)
    if not path.is_file():
        source.found.append(f"{relative}: missing; run `make export`")
        return
    # An export is UTF-8; whatever else stands there differs from it.
    present = path.read_text(encoding="utf-8", errors="replace")
    wanted = export_text(source.project, source.module)
    if present != wanted:
        diff = _short_diff(present, wanted)
        name = source.module.source.name
        source.found.append(
            f"{relative}: differs from what {name} exports; edit {name}, then run `make export`\n{diff}"
        )


def _short_diff(present: str, wanted: str, limit: int = 8) -> str:
    lines = [
        f"    {line}"
        for line in difflib.unified_diff(
            present.splitlines(), wanted.splitlines(), "package", "source", lineterm="", n=0
        )
        if not line.startswith(("---", "+++"))
    ]
    more = [f"    … {len(lines) - limit} more lines"] if len(lines) > limit else []
    return "\n".join(lines[:limit] + more)


_RULES: tuple[Callable[[_Source], None], ...] = (
    _head,
    _export_target,
    _nbgrader_metadata,
    _graded_ends_in_its_test,
    _exercises_say_what_they_ask,
    _solution_marks,
    _demos_may_raise,
    _imports,
    _exported_imports,
    _texts_keep_the_secret,
)


def check_imported(project: Project, modules: list[Module]) -> list[str]:
    """What ``modules`` import of other modules, themselves or by way of another, has been exported."""
    known = {module.short: module for module in project.modules()}
    found, waiting, seen = [], list(modules), {module.short for module in modules}
    while waiting:
        module = waiting.pop(0)
        try:
            cells = read_source(module).cells
        except CourseError:  # told by the check of that module
            continue
        names = {
            name for cell in cells if cell.cell_type == "code" for name, _ in _imported(ast.parse(cell.source), "core")
        }
        for name in sorted((names & set(known)) - seen):
            seen.add(name)
            waiting.append(known[name])
            path = project.core_dir / f"{name}.py"
            if not path.is_file():
                found.append(
                    f"{project.relative(path)}: missing, but {module.source.name} imports it; run `make export`"
                )
    return found


def check_names(project: Project) -> list[str]:
    """Name and version agree in settings.ini, pyproject.toml and the package."""
    found = []
    try:
        table = tomllib.loads((project.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return [f"pyproject.toml: cannot be read ({error}); mend it"]
    if not isinstance(table, dict):
        return ["pyproject.toml: no table [project]; restore it"]
    if table.get("name") != project.setting("lib_name"):
        found.append(
            f"pyproject.toml: name '{table.get('name')}' is not lib_name '{project.setting('lib_name')}' of "
            "settings.ini; write the same"
        )
    if "version" not in table.get("dynamic", []):
        found.append("pyproject.toml: the version is not dynamic; settings.ini is the one place for it")
    if not table.get("requires-python", "").endswith(project.setting("min_python")):
        found.append(
            f"pyproject.toml: requires-python is not >={project.setting('min_python')}, the min_python of "
            "settings.ini; write the same"
        )
    init = project.package_dir / "__init__.py"
    if init.read_text(encoding="utf-8") != init_text(project):
        found.append(
            f"{project.relative(init)}: not version {project.setting('version')} of settings.ini; "
            "run `make export`"
        )
    return found


def check_strangers(project: Project) -> list[str]:
    """Nothing in ``tinytorch/core`` that no source exports; no source under a wrong name."""
    found = []
    expected = {"__init__"} | {module.short for module in project.modules()}
    for path in sorted(project.core_dir.glob("*.py")):
        if path.stem not in expected:
            found.append(
                f"{project.relative(path)}: no module exports this; remove it or write "
                f"{project.relative(project.source_dir)}/NN_{path.stem}/{path.stem}_dev.py"
            )
    sources = {module.source for module in project.modules()}
    for path in sorted(project.source_dir.rglob("*.py")):
        if path not in sources and ".ipynb_checkpoints" not in path.parts:
            found.append(f"{project.relative(path)}: not a source; a module is a file NN_name/name_dev.py")
    return found


def check_nbgrader_config(project: Project) -> list[str]:
    """No option in ``nbgrader_config.py`` that nbgrader does not know: it would only warn, and do without."""
    from nbgrader.apps.nbgraderapp import NbGraderApp

    from tinytorch.course.release import course_config

    try:
        config = course_config(project)
    except CourseError as error:
        return [str(error)]
    known = {
        name: cls
        for top in NbGraderApp().all_configurable_classes()
        for cls in top.mro()
        if hasattr(cls, "class_trait_names")
        for name in [cls.__name__]
    }
    found = []
    for section, options in sorted(config.items()):
        if section not in known:
            found.append(f"nbgrader_config.py: c.{section} configures nothing in nbgrader; mend or remove it")
            continue
        names = known[section].class_trait_names(config=True)
        found += [
            f"nbgrader_config.py: {section} has no option {name}; mend or remove it"
            for name in sorted(options)
            if name not in names
        ]
    return found
