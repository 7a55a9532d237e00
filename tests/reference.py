"""An independent reference of the update rules: plain Python numbers, one coordinate at a time, whole sums.

The library keeps running averages in arrays. Here every average is the weighted sum over all past gradients
that the papers say it is, added up with `math.fsum`; nothing is remembered but the gradients themselves:

- momentum (Polyak, 1964; heavy ball): v_t = sum over s of momentum ** (t - s) * g_s
- Adam (Kingma and Ba, 2015, section 3): m_t = (1 - beta1) * sum over s of beta1 ** (t - s) * g_s, divided by
  1 - beta1 ** t. As 1 - beta1 ** t = (1 - beta1) * sum over s of beta1 ** (t - s), the corrected moment is the
  average of the gradients with the weights beta1 ** (t - s); likewise for the squares.

L2 weight decay adds weight_decay * p to the gradient, with p as it stood before the update.
A gradient of None means that the parameter has no gradient at that step: nothing happens, nothing is counted.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def weighted_sum(values: Sequence[float], base: float) -> float:
    """The sum of base ** age * value; the newest value has age 0."""
    newest = len(values) - 1
    return math.fsum(base ** (newest - i) * value for i, value in enumerate(values))


def weighted_average(values: Sequence[float], base: float) -> float:
    """The average of the values with the weights base ** age; the newest value has age 0."""
    return weighted_sum(values, base) / weighted_sum([1.0] * len(values), base)


def path(start: float, gradients: Sequence[float | None], move: Callable[[list[float]], float],
         learning_rate: float, weight_decay: float) -> list[float]:
    """The coordinate after each step; `move(history)` is the step of rate 1 given all gradients so far."""
    here, history, result = float(start), [], []
    for gradient in gradients:
        if gradient is not None:
            history.append(float(gradient) + weight_decay * here)
            here = here - learning_rate * move(history)
        result.append(here)
    return result


def sgd_path(start: float, gradients: Sequence[float | None], learning_rate: float, momentum: float = 0.0,
             weight_decay: float = 0.0) -> list[float]:
    """One coordinate under SGD, after each step.

    >>> [round(p, 3) for p in sgd_path(1.0, [1.0, 1.0, 1.0], learning_rate=0.1, momentum=0.9)]
    [0.9, 0.71, 0.439]
    """
    def move(history: list[float]) -> float:
        return weighted_sum(history, momentum)

    return path(start, gradients, move, learning_rate, weight_decay)


def adam_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.001,
              beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
              weight_decay: float = 0.0) -> list[float]:
    """One coordinate under Adam, after each step.

    >>> [round(p, 3) for p in adam_path(1.0, [5.0, 5.0, 5.0], learning_rate=0.1)]
    [0.9, 0.8, 0.7]
    """
    def move(history: list[float]) -> float:
        direction = weighted_average(history, beta1)
        magnitude = math.sqrt(weighted_average([g * g for g in history], beta2))
        return direction / (magnitude + epsilon)

    return path(start, gradients, move, learning_rate, weight_decay)


RULES = {"SGD": sgd_path, "Adam": adam_path}


def array_path(rule: str, start: np.ndarray, gradients: Sequence[np.ndarray | None],
               **hyperparameters) -> np.ndarray:
    """A whole parameter under `rule` ("SGD", "Adam"): float64, of shape (steps, *start.shape)."""
    start = np.asarray(start, dtype=np.float64)
    columns = []
    for index in np.ndindex(start.shape):
        column = [None if gradient is None else float(np.asarray(gradient)[index]) for gradient in gradients]
        columns.append(RULES[rule](start[index], column, **hyperparameters))
    return np.array(columns, dtype=np.float64).T.reshape(len(gradients), *start.shape)
