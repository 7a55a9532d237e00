"""An independent reference of the update rules: plain Python numbers, one coordinate at a time, whole sums.

The library keeps running averages in arrays. Here every average is the weighted sum over all past gradients
that the papers say it is, added up with `math.fsum`; nothing is remembered but the gradients themselves and,
where a rule is a sum or a maximum over its own past results, those:

- momentum (Polyak, 1964; heavy ball): v_t = sum over s of momentum ** (t - s) * g_s; with dampening every g_s
  but the first counts 1 - dampening times; Nesterov's step is g_t + momentum * v_t (Sutskever et al., 2013,
  as PyTorch writes it)
- a moving average is (1 - beta) * sum over s of beta ** (t - s) * g_s. As 1 - beta ** t = (1 - beta) * sum
  over s of beta ** (t - s), the debiased one is the average of the gradients with the weights beta ** (t - s)
- Adam (Kingma and Ba, 2015, section 3): the debiased averages of the gradients and of their squares
- RMSprop (Tieleman and Hinton, 2012): the average of the squares, not debiased; centered (Graves, 2013,
  equations 38 to 45), their variance, here as a sum of positive terms: with W the sum of the weights and m
  the average, v - m ** 2 = sum of w_s * (g_s - m) ** 2 + (1 - W) * m ** 2
- AdaGrad (Duchi et al., 2011): the sum of the squares
- AMSGrad (Reddi et al., 2018, algorithm 2) divides by the largest average of squares so far, RAdam (Liu et
  al., 2020, algorithm 2) rectifies the step by the variance that few squares leave, NAdam (Dozat, 2016,
  algorithm 2) looks one momentum ahead

L2 weight decay adds weight_decay * p to the gradient, with p as it stood before the update; L1 adds its sign.
Decoupled decay takes learning_rate * weight_decay of p (absolute: weight_decay) away before the update; under
L1 that length itself, never past 0. A gradient of None means that the parameter has no gradient at that step:
nothing happens, nothing is counted.
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


def moving_averages(values: Sequence[float], beta: float, debias: bool) -> list[float]:
    """The exponentially weighted average after each value.

    >>> [round(v, 3) for v in moving_averages([1.0, 1.0, 3.0], beta=0.5, debias=False)]
    [0.5, 0.75, 1.875]
    """
    def average(seen: Sequence[float]) -> float:
        return weighted_average(seen, beta) if debias else (1 - beta) * weighted_sum(seen, beta)

    return [average(values[:i]) for i in range(1, len(values) + 1)]


def path(start: float, gradients: Sequence[float | None], move: Callable[[list[float]], float],
         learning_rate: float, weight_decay: float = 0.0, **decay) -> list[float]:
    """The coordinate after each step; `move(history)` is the step of rate 1 given all gradients so far."""
    here, history, result = float(start), [], []
    for gradient in gradients:
        if gradient is not None:
            here, gradient = decayed(here, float(gradient), learning_rate, weight_decay, **decay)
            history.append(gradient)
            here = here - learning_rate * move(history)
        result.append(here)
    return result


def decayed(here: float, gradient: float, learning_rate: float, weight_decay: float, decoupled: bool = False,
            absolute: bool = False, norm: str = "l2") -> tuple[float, float]:
    """The coordinate and its gradient after weight decay.

    >>> decayed(-2.0, 0.5, learning_rate=0.1, weight_decay=0.5)
    (-2.0, -0.5)
    >>> decayed(-2.0, 0.5, learning_rate=0.5, weight_decay=0.25, decoupled=True, norm="l1")
    (-1.875, 0.5)
    """
    size = abs(here) if norm == "l2" else float(here != 0)
    if not decoupled:
        return here, gradient + math.copysign(weight_decay * size, here)
    length = weight_decay * size * (1.0 if absolute else learning_rate)
    if norm == "l1":
        length = min(length, abs(here))
    return here - math.copysign(length, here), gradient


def sgd_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.01,
             momentum: float = 0.0, weight_decay: float = 0.0, **decay) -> list[float]:
    """One coordinate under SGD, after each step.

    >>> [round(p, 3) for p in sgd_path(1.0, [1.0, 1.0, 1.0], learning_rate=0.1, momentum=0.9)]
    [0.9, 0.71, 0.439]
    """
    def move(history: list[float]) -> float:
        return weighted_sum(history, momentum)

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


def momentum_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.01,
                  momentum: float = 0.9, weight_decay: float = 0.0, dampening: float = 0.0,
                  nesterov: bool = False, average: bool = False, debias: bool = False,
                  **decay) -> list[float]:
    """One coordinate under momentum in each of its forms, after each step.

    >>> [round(p, 4) for p in momentum_path(1.0, [1.0] * 3, learning_rate=0.1, momentum=0.9, nesterov=True)]
    [0.81, 0.539, 0.1951]
    >>> [round(p, 4) for p in momentum_path(1.0, [1.0] * 3, learning_rate=0.1, momentum=0.9, average=True)]
    [0.99, 0.971, 0.9439]
    """
    def move(history: list[float]) -> float:
        if debias:
            return weighted_average(history, momentum)
        if average:
            return (1 - momentum) * weighted_sum(history, momentum)
        velocity = weighted_sum(history[:1] + [(1 - dampening) * g for g in history[1:]], momentum)
        return history[-1] + momentum * velocity if nesterov else velocity

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


def rmsprop_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.01,
                 alpha: float = 0.9, epsilon: float = 1e-5, centered: bool = False, momentum: float = 0.0,
                 weight_decay: float = 0.0, **decay) -> list[float]:
    """One coordinate under RMSprop, after each step.

    >>> [round(p, 4) for p in rmsprop_path(1.0, [2.0, 2.0], learning_rate=0.1, alpha=0.75, epsilon=1.0)]
    [0.9, 0.8139]
    """
    steps: list[float] = []

    def move(history: list[float]) -> float:
        mean = (1 - alpha) * weighted_sum(history, alpha) if centered else 0.0
        spread = (1 - alpha) * weighted_sum([(g - mean) ** 2 for g in history], alpha)
        variance = spread + alpha ** len(history) * mean**2
        steps.append(history[-1] / (math.sqrt(variance) + epsilon))
        return weighted_sum(steps, momentum)

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


def adagrad_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.01,
                 epsilon: float = 1e-10, weight_decay: float = 0.0, **decay) -> list[float]:
    """One coordinate under AdaGrad, after each step.

    >>> [round(p, 3) for p in adagrad_path(1.0, [3.0, 4.0], learning_rate=0.1)]
    [0.9, 0.82]
    """
    def move(history: list[float]) -> float:
        return history[-1] / (math.sqrt(math.fsum(g * g for g in history)) + epsilon)

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


def adam_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.001,
              beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8,
              weight_decay: float = 0.0, **decay) -> list[float]:
    """One coordinate under Adam, after each step.

    >>> [round(p, 3) for p in adam_path(1.0, [5.0, 5.0, 5.0], learning_rate=0.1)]
    [0.9, 0.8, 0.7]
    """
    def move(history: list[float]) -> float:
        direction = weighted_average(history, beta1)
        magnitude = math.sqrt(weighted_average([g * g for g in history], beta2))
        return direction / (magnitude + epsilon)

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


def adamw_path(start: float, gradients: Sequence[float | None], weight_decay: float = 0.01,
               **options) -> list[float]:
    """One coordinate under AdamW, after each step.

    >>> [round(p, 3) for p in adamw_path(1.0, [1.0, 0.0], learning_rate=0.1, beta1=0.0, weight_decay=0.1)]
    [0.89, 0.881]
    """
    return adam_path(start, gradients, weight_decay=weight_decay, decoupled=True, **options)


def nadam_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.002,
               beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 0.0,
               momentum_decay: float = 0.004, **decay) -> list[float]:
    """One coordinate under NAdam, after each step.

    With momentum_decay 0 every momentum is beta1 / 2; here 0.25, so that the first step is
    (0.75 / 0.75 * 1 + 0.25 / 0.9375 * 0.5) times the rate.

    >>> options = {"learning_rate": 0.3, "beta1": 0.5, "beta2": 0.5, "momentum_decay": 0.0}
    >>> [round(p, 3) for p in nadam_path(1.0, [1.0], **options)]
    [0.66]
    """
    def move(history: list[float]) -> float:
        count = len(history)
        momenta = [beta1 * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in range(1, count + 2)]
        now = (1 - momenta[-2]) / (1 - math.prod(momenta[:-1])) * history[-1]
        ahead = momenta[-1] / (1 - math.prod(momenta)) * (1 - beta1) * weighted_sum(history, beta1)
        return (now + ahead) / (math.sqrt(weighted_average([g * g for g in history], beta2)) + epsilon)

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


def amsgrad_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.001,
                 beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 0.0,
                 **decay) -> list[float]:
    """One coordinate under AMSGrad, after each step; the maximum is of the averages before their correction.

    Gradients 4, 1 with betas 0 and 0.5: the averages are 8 and 4.5, the second step is 1 / sqrt(8 / 0.75).

    >>> [round(p, 4) for p in amsgrad_path(1.0, [4.0, 1.0], learning_rate=0.1, beta1=0.0, beta2=0.5)]
    [0.9, 0.8694]
    """
    squares: list[float] = []

    def move(history: list[float]) -> float:
        squares.append((1 - beta2) * weighted_sum([g * g for g in history], beta2))
        magnitude = math.sqrt(max(squares) / (1 - beta2 ** len(history)))
        return weighted_average(history, beta1) / (magnitude + epsilon)

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


def radam_path(start: float, gradients: Sequence[float | None], learning_rate: float = 0.001,
               beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 0.0,
               **decay) -> list[float]:
    """One coordinate under RAdam, after each step; epsilon joins the root of the average not yet corrected.

    >>> [round(p, 3) for p in radam_path(1.0, [2.0] * 5, learning_rate=0.1, beta2=0.9, epsilon=0.0)]
    [0.8, 0.6, 0.4, 0.2, 0.0]
    """
    def move(history: list[float]) -> float:
        count = len(history)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * count * beta2**count / (1 - beta2**count)
        direction = weighted_average(history, beta1)
        if length <= 5:
            return direction
        ratios = (length - 4) / (longest - 4) * (length - 2) / (longest - 2) * longest / length
        root = math.sqrt((1 - beta2) * weighted_sum([g * g for g in history], beta2))
        return direction * math.sqrt(ratios * (1 - beta2**count)) / (root + epsilon)

    return path(start, gradients, move, learning_rate, weight_decay, **decay)


RULES = {"SGD": sgd_path, "Adam": adam_path, "MomentumSGD": momentum_path, "RMSprop": rmsprop_path,
         "AdaGrad": adagrad_path, "AdamW": adamw_path, "NAdam": nadam_path, "AMSGrad": amsgrad_path,
         "RAdam": radam_path}


def array_path(rule: str, start: np.ndarray, gradients: Sequence[np.ndarray | None],
               **hyperparameters) -> np.ndarray:
    """A whole parameter under one of `RULES`: float64, of shape (steps, *start.shape)."""
    start = np.asarray(start, dtype=np.float64)
    columns = []
    for index in np.ndindex(start.shape):
        column = [None if gradient is None else float(np.asarray(gradient)[index]) for gradient in gradients]
        columns.append(RULES[rule](start[index], column, **hyperparameters))
    return np.array(columns, dtype=np.float64).T.reshape(len(gradients), *start.shape)
