"""Small mistakes, one at a time: what a reference answer looks like with one thing wrong in it.

This half of ``make mutants`` only reads and writes source text; :mod:`tinytorch.course.mutants` runs the
result. The changes are the classical operators of mutation testing (DeMillo, Lipton and Sayward, "Hints on
Test Data Selection", 1978), chosen after the mistakes students make in numerical code: a sign, an operator,
a constant, a neighbouring name or key, a forgotten line, swapped arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinytorch.course.notebooks import SolutionBlock, grade_id, solution_blocks

if TYPE_CHECKING:
    from nbformat import NotebookNode

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.And: "and",
    ast.Or: "or",
}
_SWAPS: dict[str, tuple[str, ...]] = {
    "+": ("-", "*"),
    "-": ("+", "*"),
    "*": ("/", "+"),
    "/": ("*", "-"),
    "//": ("/", "*"),
    "%": ("//",),
    "**": ("*",),
    "@": ("*",),
    "&": ("|",),
    "|": ("&",),
    "^": ("&",),
    "<<": (">>",),
    ">>": ("<<",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "is": ("is not",),
    "is not": ("is",),
    "in": ("not in",),
    "not in": ("in",),
    "and": ("or",),
    "or": ("and",),
}
# Functions with a neighbour that is called the same way.
_SIBLINGS = {
    "sum": "mean",
    "mean": "sum",
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "any": "all",
    "all": "any",
    "exp": "log",
    "log": "exp",
    "sqrt": "square",
    "square": "sqrt",
    "add": "subtract",
    "subtract": "add",
    "multiply": "divide",
    "divide": "multiply",
    "append": "remove",
}
# Swapping their arguments changes nothing.
_SYMMETRIC = {
    "max",
    "min",
    "maximum",
    "minimum",
    "add",
    "multiply",
    "array_equal",
    "logical_and",
    "logical_or",
}
# Strings in other places are texts for people; these calls take a string as a key.
_KEYED_CALLS = {"get", "setdefault", "pop", "getattr", "setattr", "hasattr", "delattr"}


@dataclass(frozen=True)
class Mutant:
    """A solution cell with one change.

    Attributes:
        cell: the ``grade_id`` of the solution cell.
        block: the function changed, ``"Adam.step_param"``.
        kind: what was done, ``"operator"``, ``"statement dropped"``, …
        line: 0-based line of the change in the cell.
        original: the changed line (or lines, joined) without indentation, as it was.
        mutated: the same as it is now.
        source: the whole cell, changed.
    """

    cell: str
    block: str
    kind: str
    line: int
    original: str
    mutated: str
    source: str


@dataclass(frozen=True)
class _Edit:
    """Bytes ``start`` to ``end`` become ``text``; ``whole`` is the expression that must stay one."""

    kind: str
    start: int
    end: int
    text: str
    whole: tuple[int, int] | None = None


def mutants_of(cell: NotebookNode) -> list[Mutant]:
    """Every mutant of the solution blocks of a cell, in source order, no two the same program.

    Args:
        cell: a solution cell of a source notebook, with its solution marks.

    Returns:
        The mutants; none of them equals the cell itself, and each is valid Python.

    Example:
        >>> from nbformat.v4 import new_code_cell
        >>> cell = new_code_cell(
        ...     "def step(p, g):\\n    ### BEGIN SOLUTION\\n    return p - g\\n    ### END SOLUTION",
        ...     metadata={"nbgrader": {"grade_id": "step", "solution": True}})
        >>> [mutant.mutated for mutant in mutants_of(cell)][:4]
        ['return None', 'return -(p - g)', 'pass', 'return p + g']
    """
    source = cell.source
    tree = ast.parse(source)
    text = _Text(source)
    seen = {ast.dump(tree)}
    found: list[Mutant] = []
    for block in solution_blocks(cell):
        for edit in _Block(tree, text, block).edits():
            changed, parsed = text.changed(edit)
            if parsed is None or parsed in seen:
                continue
            seen.add(parsed)
            line, original, mutated = _changed_lines(source, changed)
            found.append(
                Mutant(grade_id(cell) or "", block.qualname, edit.kind, line, original, mutated, changed)
            )
    return found


def _parsed(source: str) -> str | None:
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:
        return None


def _changed_lines(source: str, changed: str) -> tuple[int, str, str]:
    """0-based first line that differs, and what stood and stands there, stripped and joined by spaces."""
    before, after = source.split("\n"), changed.split("\n")
    first = next(n for n, (old, new) in enumerate(zip(before, after)) if old != new)
    same = 0
    while (
        same < min(len(before), len(after)) - first - 1
        and before[len(before) - 1 - same] == after[len(after) - 1 - same]
    ):
        same += 1
    return first, _joined(before[first : len(before) - same]), _joined(after[first : len(after) - same])


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())


class _Text:
    """The source of a cell in bytes, since that is how :mod:`ast` counts columns."""

    def __init__(self, source: str):
        self.bytes = source.encode("utf-8")
        self.starts = [0]
        for line in self.bytes.split(b"\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)

    def span(self, node: ast.AST) -> tuple[int, int]:
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def of(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.bytes[start:end].decode("utf-8")

    def between(self, left: ast.AST, right: ast.AST) -> tuple[int, str]:
        """Where the text between two nodes begins, and that text."""
        start, end = self.span(left)[1], self.span(right)[0]
        return start, self.bytes[start:end].decode("utf-8")

    def apply(self, edit: _Edit) -> str:
        return (self.bytes[: edit.start] + edit.text.encode("utf-8") + self.bytes[edit.end :]).decode("utf-8")

    def changed(self, edit: _Edit) -> tuple[str, str | None]:
        """The changed source and its tree; in brackets where the changed expression would bind otherwise."""
        plain = self.apply(edit)
        parsed = _parsed(plain)
        if edit.whole is None:
            return plain, parsed
        start, end = edit.whole
        inner = self.bytes[start : edit.start] + edit.text.encode("utf-8") + self.bytes[edit.end : end]
        bracketed = self.apply(_Edit(edit.kind, start, end, f"({inner.decode('utf-8')})"))
        meant = _parsed(bracketed)
        return (plain, parsed) if parsed == meant else (bracketed, meant)


class _Block:
    """One solution block: its nodes, the names around it, and the changes that can be made."""

    def __init__(self, tree: ast.Module, text: _Text, block: SolutionBlock):
        self.tree, self.text = tree, text
        # ast counts lines from 1; the marks themselves are comments.
        self.first, self.last = block.first + 2, block.last
        self.attributes, self.keys = _vocabulary(tree)
        # Another name before ["key"] always fails: such mutants would only make the count look better.
        self.dictionaries = {id(node.value) for node in ast.walk(tree) if _has_text_key(node)}

        # In "x in (a, b)" the order says nothing.
        self.collections = {
            id(node.comparators[-1])
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare) and isinstance(node.ops[-1], (ast.In, ast.NotIn))
        }

    def edits(self) -> Iterator[_Edit]:
        for node, functions in self._nodes(self.tree, ()):
            for name in type(node).__mro__:
                rule: Callable | None = getattr(self, f"_on_{name.__name__.lower()}", None)
                if rule is not None:
                    yield from rule(node, functions)

    def _nodes(
        self, node: ast.AST, functions: tuple[ast.AST, ...]
    ) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
        """Nodes inside the block in source order, with the functions around each, outermost first.

        Annotations, texts for people (f-strings, what is raised, messages of assertions) stay as they are.
        """
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            functions = (*functions, node)
        if self._inside(node):
            yield node, functions
            if isinstance(node, (ast.Raise, ast.JoinedStr)):
                return
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "msg", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self._nodes(child, functions)

    def _inside(self, node: ast.AST) -> bool:
        return hasattr(node, "lineno") and self.first <= node.lineno and node.end_lineno <= self.last

    # ------------------------------------------------------------------ helpers

    def _replace(self, kind: str, node: ast.AST, text: str) -> _Edit:
        start, end = self.text.span(node)
        # A name or a number binds the same anywhere.
        binds = isinstance(node, ast.expr) and not text.isidentifier() and not text.isdigit()
        return _Edit(kind, start, end, text, (start, end) if binds else None)

    def _operator(self, whole: ast.AST, left: ast.AST, right: ast.AST, operator: str) -> Iterator[_Edit]:
        begin, gap = self.text.between(left, right)
        at = gap.find(operator)
        if at < 0:
            return
        start = begin + len(gap[:at].encode("utf-8"))
        for other in _SWAPS[operator]:
            yield _Edit("operator", start, start + len(operator), other, self.text.span(whole))

    def _condition(self, test: ast.expr) -> Iterator[_Edit]:
        yield self._replace("condition", test, f"not ({self.text.of(test)})")
        yield self._replace("condition", test, "True")
        yield self._replace("condition", test, "False")

    # ------------------------------------------------------------------ statements

    def _on_stmt(self, node: ast.stmt, functions) -> Iterator[_Edit]:
        if isinstance(node, (ast.Pass, ast.FunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)) or _is_text(
            node
        ):
            return
        yield self._replace("statement dropped", node, "pass")

    def _on_if(self, node: ast.If, functions) -> Iterator[_Edit]:
        yield from self._condition(node.test)

    def _on_while(self, node: ast.While, functions) -> Iterator[_Edit]:
        yield from self._condition(node.test)

    def _on_with(self, node: ast.With, functions) -> Iterator[_Edit]:
        start = self.text.span(node)[0]
        end = self.text.span(node.items[-1].optional_vars or node.items[-1].context_expr)[1]
        yield _Edit("with dropped", start, end, "if True")

    def _on_break(self, node: ast.Break, functions) -> Iterator[_Edit]:
        yield self._replace("loop", node, "continue")

    def _on_continue(self, node: ast.Continue, functions) -> Iterator[_Edit]:
        yield self._replace("loop", node, "break")

    def _on_return(self, node: ast.Return, functions) -> Iterator[_Edit]:
        if node.value is None:
            return
        yield self._replace("return", node.value, "None")
        yield from self._negated(node.value)

    def _on_assign(self, node: ast.Assign, functions) -> Iterator[_Edit]:
        yield from self._negated(node.value)

    def _negated(self, value: ast.expr) -> Iterator[_Edit]:
        if isinstance(value, (ast.BinOp, ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
            yield self._replace("sign", value, f"-({self.text.of(value)})")

    def _on_augassign(self, node: ast.AugAssign, functions) -> Iterator[_Edit]:
        operator = _OPERATORS[type(node.op)]
        begin, gap = self.text.between(node.target, node.value)
        start = begin + len(gap[: gap.find(f"{operator}=")].encode("utf-8"))
        for other in (*(f"{swap}=" for swap in _SWAPS[operator]), "="):
            yield _Edit("assignment", start, start + len(operator) + 1, other)

    # ------------------------------------------------------------------ expressions

    def _on_binop(self, node: ast.BinOp, functions) -> Iterator[_Edit]:
        yield from self._operator(node, node.left, node.right, _OPERATORS[type(node.op)])
        yield self._replace("operand dropped", node, self.text.of(node.left))
        yield self._replace("operand dropped", node, self.text.of(node.right))

    def _on_compare(self, node: ast.Compare, functions) -> Iterator[_Edit]:
        lefts = [node.left, *node.comparators]
        for left, operator, right in zip(lefts, node.ops, node.comparators):
            yield from self._operator(node, left, right, _OPERATORS[type(operator)])

    def _on_boolop(self, node: ast.BoolOp, functions) -> Iterator[_Edit]:
        operator = _OPERATORS[type(node.op)]
        for left, right in zip(node.values, node.values[1:]):
            yield from self._operator(node, left, right, operator)
        for dropped in range(len(node.values)):
            rest = [self.text.of(value) for n, value in enumerate(node.values) if n != dropped]
            yield self._replace("operand dropped", node, f" {operator} ".join(rest))

    def _on_unaryop(self, node: ast.UnaryOp, functions) -> Iterator[_Edit]:
        yield self._replace("operator", node, self.text.of(node.operand))

    def _on_ifexp(self, node: ast.IfExp, functions) -> Iterator[_Edit]:
        yield self._replace("condition", node, self.text.of(node.body))
        yield self._replace("condition", node, self.text.of(node.orelse))

    def _on_listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, functions) -> Iterator[_Edit]:
        for loop in node.generators:
            for test in loop.ifs:
                yield from self._condition(test)

    _on_setcomp = _on_generatorexp = _on_dictcomp = _on_listcomp

    def _on_tuple(self, node: ast.Tuple | ast.List, functions) -> Iterator[_Edit]:
        if id(node) not in self.collections:
            yield from self._neighbours("order", node.elts)

    _on_list = _on_tuple

    def _on_dict(self, node: ast.Dict, functions) -> Iterator[_Edit]:
        yield from self._neighbours("order", node.values)
        for key in node.keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield from self._other_keys(key, None)

    def _neighbours(self, kind: str, nodes: list[ast.expr]) -> Iterator[_Edit]:
        """Two that stand beside each other, swapped."""
        for left, right in zip(nodes, nodes[1:]):
            gap = self.text.between(left, right)[1]
            start, end = self.text.span(left)[0], self.text.span(right)[1]
            yield _Edit(kind, start, end, f"{self.text.of(right)}{gap}{self.text.of(left)}")

    def _on_call(self, node: ast.Call, functions) -> Iterator[_Edit]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in _SYMMETRIC:
            yield from self._neighbours("arguments", node.args)
        if (
            len(node.args) == 1
            and not node.keywords
            and not isinstance(node.args[0], (ast.Starred, ast.GeneratorExp))
        ):
            yield self._replace("call dropped", node, self.text.of(node.args[0]))
        if not node.args and not node.keywords and isinstance(node.func, ast.Attribute):
            yield self._replace("call dropped", node, self.text.of(node.func.value))
        for keyword in node.keywords:
            yield from self._without_keyword(node, keyword)
        if name in _SIBLINGS:
            end = self.text.span(node.func)[1]
            yield _Edit("function", end - len(name), end, _SIBLINGS[name])
        if name in _KEYED_CALLS:
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield from self._other_keys(argument, None)

    def _without_keyword(self, node: ast.Call, dropped: ast.keyword) -> Iterator[_Edit]:
        parts = [self.text.of(part) for part in (*node.args, *node.keywords) if part is not dropped]
        yield self._replace("argument dropped", node, f"{self.text.of(node.func)}({', '.join(parts)})")

    def _on_name(self, node: ast.Name, functions) -> Iterator[_Edit]:
        names = _local_names(functions)
        if isinstance(node.ctx, ast.Load) and node.id in names and id(node) not in self.dictionaries:
            for other in names:
                if other != node.id:
                    yield self._replace("name", node, other)

    def _on_attribute(self, node: ast.Attribute, functions) -> Iterator[_Edit]:
        others = self.attributes.get(ast.unparse(node.value), [])
        if node.attr in others:
            end = self.text.span(node)[1]
            for other in others:
                if other != node.attr:
                    yield _Edit("attribute", end - len(node.attr.encode("utf-8")), end, other)

    def _on_subscript(self, node: ast.Subscript, functions) -> Iterator[_Edit]:
        if _has_text_key(node):
            yield from self._other_keys(node.slice, ast.unparse(node.value))

    def _other_keys(self, key: ast.Constant, base: str | None) -> Iterator[_Edit]:
        known = self.keys.get(base) or []
        if len(known) < 2:
            known = self.keys[None]
        others = [other for other in known if other != key.value] or [f"{key.value}_"]
        for other in others:
            yield self._replace("key", key, f'"{other}"')

    def _on_constant(self, node: ast.Constant, functions) -> Iterator[_Edit]:
        for other in _other_constants(node.value):
            yield self._replace("constant", node, repr(other))


def _is_text(node: ast.stmt) -> bool:
    """A statement that is only a string or an ellipsis does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _has_text_key(node: ast.AST) -> bool:
    """A subscript with a string: ``state["first_moment"]``."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    )


def _other_constants(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return {0: [1, -1], 1: [0, 2, -1]}.get(value, [value + 1, value - 1, -value])
    if isinstance(value, float):
        return {0.0: [1.0], 1.0: [0.0, 2.0, -1.0]}.get(value, [2 * value, value + 1, -value])
    return []


def _local_names(functions: tuple[ast.AST, ...]) -> list[str]:
    """Arguments and assigned names of the functions around a node, in order, without ``self``."""
    names: dict[str, None] = {}
    for function in functions:
        arguments = function.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                names[argument.arg] = None
        body = function.body if isinstance(function.body, list) else [function.body]
        for node in (inner for statement in body for inner in ast.walk(statement)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names[node.id] = None
    return [name for name in names if name not in ("self", "cls", "_")]


def _vocabulary(tree: ast.Module) -> tuple[dict[str, list[str]], dict[str | None, list[str]]]:
    """What a cell reads: attributes (not methods) by the expression before the dot, and string keys by the
    expression before the bracket; under ``None`` all keys."""
    attributes: dict[str, dict[str, None]] = {}
    keys: dict[str | None, dict[str, None]] = {None: {}}
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in called:
            attributes.setdefault(ast.unparse(node.value), {})[node.attr] = None
        if _has_text_key(node):
            keys.setdefault(ast.unparse(node.value), {})[node.slice.value] = None
            keys[None][node.slice.value] = None
    return {base: list(names) for base, names in attributes.items()}, {
        base: list(k) for base, k in keys.items()
    }
