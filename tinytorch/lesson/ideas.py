"""Ideas tried in the course that did not earn a place in the library, kept so that anyone can try again."""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinytorch.core.optimizers import Optimizer


class HeldBackSGD(Optimizer):
    """Gradient descent that holds a gradient near zero back until several steps have added up.

    For each element of a parameter p with gradient g:  h ← h + g  (h starts at 0); where |h| ≥ τ:
    p ← p − η·h,  h ← 0. Elsewhere p stays, and h goes on adding. So no gradient is lost, some come late; with
    τ = 0 the rule is plain gradient descent.

    Args:
        parameters: Variables or groups, see `Optimizer`.
        learning_rate: η, by default 0.01.
        threshold: τ, in the unit of the gradient; finite and not negative, by default 1.
        weight_decay: λ, or an object with `apply`, see `Optimizer`.

    Raises:
        TypeError, ValueError: see `Optimizer`.

    Example:
        >>> from tinytorch.core.autograd import Variable
        >>> weights = Variable([1.0, 1.0])
        >>> optimizer = HeldBackSGD([weights], learning_rate=0.5, threshold=1.0)
        >>> for _ in range(2):
        ...     weights.grad = Variable([0.75, 0.25])
        ...     optimizer.step()
        ...     print(weights.data.tolist())
        [1.0, 1.0]
        [0.25, 1.0]
        >>> optimizer.held[weights].tolist()
        [0.0, 0.5]

    Source: an idea of this course's authors, who found that it does not help (module 10, section 2). The same
    state saves communication between machines: S. U. Stich, J.-B. Cordonnier and M. Jaggi, "Sparsified SGD
    with Memory", 2018, algorithm 1 (there the largest elements move, however small they are).
    """

    def __init__(
        self, parameters: Iterable, learning_rate: float = 0.01, threshold: float = 1.0, weight_decay=0.0
    ):
        super().__init__(parameters, learning_rate, weight_decay, threshold=threshold)

    def init_state(self, state: dict, group: dict, parameter: np.ndarray) -> None:
        """Nothing held back yet: zeros."""
        state["held"] = np.zeros_like(parameter)

    def step_param(self, state: dict, group: dict, gradient: np.ndarray, parameter: np.ndarray) -> None:
        """h ← h + g;  where |h| ≥ τ:  p ← p − η·h,  h ← 0."""
        held = state["held"]
        held += gradient
        ready = ~(np.abs(held) < group["threshold"])  # nan is ready: it must not be held back in silence
        parameter -= group["learning_rate"] * np.where(ready, held, 0)
        held[ready] = 0

    @property
    def held(self) -> dict:
        """What is held back of each parameter that has had a gradient: an array of its shape."""
        return {parameter: state["held"] for parameter, state in self.state.items() if "held" in state}
