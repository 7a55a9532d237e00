"""Assertions for the graded cells: a failure says what was tried, expected and got, and the likely cause."""
from __future__ import annotations

import numpy as np


def expect_close(tried: str, got, expected, cause: str = "", tolerance: float = 1e-6) -> None:
    """Fail unless `got` has the shape of `expected` and its numbers, within `tolerance` (relative, and absolute near 0).

    Args:
        tried: what was computed, in words: "step 2 with momentum 0.9".
        got: number, array, or anything with a `data` that leads to one (`Tensor`, `Variable`).
        expected: number or array, worked out independently.
        cause: the likely mistake, as a question: "did you use (1 - momentum) * g?".
        tolerance: largest accepted |got - expected| / max(1, |expected|), for each element.

    Raises:
        AssertionError: `tried: expected …, got …: cause`.

    Example:
        >>> expect_close("step 2", 0.881, 0.71, "did you use (1 - momentum) * g?")
        Traceback (most recent call last):
        AssertionError: step 2: expected 0.71, got 0.881: did you use (1 - momentum) * g?
    """
    __tracebackhide__ = True
    expected = np.asarray(expected)
    array = _plain(got)
    if array is None:
        _fail(tried, _show(expected), _describe(got), cause)
    if array.shape != expected.shape:
        _fail(tried, f"shape {expected.shape}", f"shape {array.shape}", cause)
    reference = expected.astype(np.float64)
    difference = np.abs(array.astype(np.float64) - reference)
    bound = tolerance * np.maximum(1.0, np.abs(reference))
    wrong = ~(difference <= bound) & ~_same_non_finite(array, expected)
    if wrong.any():
        where = ""
        if expected.size > 8:
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            where, expected, array = f" at index {index}", expected[index], array[index]
        _fail(tried + where, _show(expected), _show(array), cause)


def expect_equal(tried: str, got, expected, cause: str = "") -> None:
    """Fail unless `got == expected`: for shapes, data types, flags, names and counts.

    Args:
        tried: what was computed, in words.
        got: the value to check.
        expected: the value it must have; its type must agree too where it is a bool, a tuple or None.
        cause: the likely mistake.

    Raises:
        AssertionError: `tried: expected …, got …: cause`.

    Example:
        >>> expect_equal("shape of a (2, 3) tensor", (3, 2), (2, 3), "rows come first")
        Traceback (most recent call last):
        AssertionError: shape of a (2, 3) tensor: expected (2, 3), got (3, 2): rows come first
    """
    __tracebackhide__ = True
    same_kind = type(got) is type(expected) or not isinstance(expected, (bool, tuple, type(None)))
    equal = got == expected if same_kind else False
    if not isinstance(equal, (bool, np.bool_)) or not equal:
        _fail(tried, repr(expected), _describe(got), cause)


def expect_raises(tried: str, error: type[Exception], function, *mentions: str, cause: str = "") -> None:
    """Fail unless calling `function()` raises `error` with a message that contains every one of `mentions`.

    Args:
        tried: what was attempted, in words.
        error: the exception class expected (a subclass is accepted, `NotImplementedError` of a stub is not).
        function: called without arguments.
        mentions: texts the message must contain, such as both shapes.
        cause: the likely mistake.

    Raises:
        AssertionError: nothing was raised, another class was, or the message lacks one of `mentions`.

    Example:
        >>> expect_raises("a ragged list", ValueError, lambda: None, cause="check the rows")
        Traceback (most recent call last):
        AssertionError: a ragged list: expected ValueError, got no error: check the rows
    """
    __tracebackhide__ = True
    try:
        function()
    except error as raised:
        missing = [text for text in mentions if text not in str(raised)]
        if missing:
            _fail(tried, f"a message that says {' and '.join(map(repr, missing))}", repr(str(raised)), cause)
    except NotImplementedError:
        raise
    except Exception as raised:
        _fail(tried, error.__name__, f"{type(raised).__name__}: {raised}", cause)
    else:
        _fail(tried, error.__name__, "no error", cause)


def _plain(value) -> np.ndarray | None:
    """The array of numbers inside a number, array, Tensor or Variable; None if there is none."""
    while not isinstance(value, (np.ndarray, np.generic)) and hasattr(value, "data"):
        value = value.data
    if value is None or isinstance(value, str):
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "biuf" else None


def _same_non_finite(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    if expected.dtype.kind != "f":
        return np.zeros(expected.shape, dtype=bool)
    return (np.isnan(expected) & np.isnan(got)) | (np.isinf(expected) & (got == expected))


def _show(array) -> str:
    return np.array2string(np.asarray(array), separator=", ", precision=7, floatmode="maxprec").replace("\n", "")


def _describe(value) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _fail(tried: str, expected: str, got: str, cause: str) -> None:
    # IPython and pytest leave frames with this name out of a traceback: the student's own lines remain.
    __tracebackhide__ = True
    raise AssertionError(f"{tried}: expected {expected}, got {got}" + (f": {cause}" if cause else ""))
