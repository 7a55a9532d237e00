"""Ideas without a place in the library still do what they say: worked numbers of the held-back rule."""
from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from tinytorch.core.autograd import Variable
from tinytorch.core.optimizers import SGD
from tinytorch.lesson import ideas
from tinytorch.lesson.ideas import HeldBackSGD


def parameter(values, dtype=np.float64) -> Variable:
    return Variable(np.array(values, dtype))


def follow(optimizer, gradients) -> np.ndarray:
    """The first parameter after a step with each of the gradients."""
    weights = optimizer.parameters[0]
    path = []
    for gradient in gradients:
        weights.grad = Variable(np.array(gradient, weights.data.data.dtype), requires_grad=False)
        optimizer.step()
        path.append(weights.data.data.copy())
    return np.array(path)


def test_doctests():
    result = doctest.testmod(ideas)
    assert result.failed == 0 and result.attempted > 0


@pytest.mark.parametrize("slice_size", [HeldBackSGD.slice_size, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_gradients_wait_until_their_sum_counts(dtype, slice_size):
    """Threshold 2, rate 0.5: sums 1.5, then 3; signs that cancel; exactly the threshold; never reached."""
    kind = type("Held", (HeldBackSGD,), {"slice_size": slice_size})
    weights = parameter([10.0, 10.0, 10.0, 10.0], dtype)
    array, optimizer = weights.data.data, kind([weights], learning_rate=0.5, threshold=2.0)
    path = follow(optimizer, [[1.5, 1.5, -2.0, 0.25], [1.5, -1.0, 0.5, 0.25], [1.0, 1.75, -2.5, 0.25]])
    assert path.tolist() == [[10.0, 10.0, 11.0, 10.0], [8.5, 10.0, 11.0, 10.0], [8.5, 8.875, 12.0, 10.0]]
    assert optimizer.held[weights].tolist() == [1.0, 0.0, 0.0, 0.75]
    assert weights.data.data is array and optimizer.held[weights].dtype == dtype


def test_without_threshold_it_is_gradient_descent():
    gradients = np.random.default_rng(0).normal(size=(20, 3, 2))
    held = follow(HeldBackSGD([parameter(np.ones((3, 2)))], 0.1, threshold=0, weight_decay=0.5), gradients)
    plain = follow(SGD([parameter(np.ones((3, 2)))], 0.1, weight_decay=0.5), gradients)
    assert held.tolist() == plain.tolist()


def test_no_gradient_is_lost():
    gradients = np.random.default_rng(1).normal(size=(50, 4))
    weights = parameter(np.zeros(4))
    optimizer = HeldBackSGD([weights], learning_rate=0.1, threshold=3.0)
    path = follow(optimizer, gradients)
    assert np.allclose(path[-1], -0.1 * (gradients.sum(axis=0) - optimizer.held[weights]))
    assert np.all(np.abs(optimizer.held[weights]) < 3.0)
    assert 0 < np.mean(np.diff(path, axis=0) != 0) < 0.5


def test_a_single_number_and_groups():
    first, second = parameter(1.0), parameter(1.0)
    optimizer = HeldBackSGD([{"parameters": [first]}, {"parameters": [second], "threshold": 0.5}], 1.0)
    for variable in (first, second):
        variable.grad = Variable(0.75, requires_grad=False)
    optimizer.step()
    assert (first.data.item(), second.data.item()) == (1.0, 0.25)


def test_what_is_not_finite_is_not_held_back_in_silence():
    path = follow(HeldBackSGD([parameter([1.0, 1.0, 1.0])], threshold=100.0), [[math.nan, math.inf, 1.0]])
    assert math.isnan(path[0, 0]) and path[0, 1] == -math.inf and path[0, 2] == 1.0


@pytest.mark.parametrize(("threshold", "error"), [(-1, ValueError), (math.inf, ValueError), ("much", TypeError)])
def test_refusals(threshold, error):
    with pytest.raises(error, match="threshold"):
        HeldBackSGD([parameter([1.0])], threshold=threshold)


def test_training_resumes():
    gradients = np.random.default_rng(2).normal(size=(8, 3))
    weights = parameter(np.zeros(3))
    straight = follow(HeldBackSGD([weights], 0.1), gradients)[-1]

    weights = parameter(np.zeros(3))
    optimizer = HeldBackSGD([weights], 0.1)
    half = follow(optimizer, gradients[:4])[-1]
    resumed = HeldBackSGD([parameter(half)], 0.1)
    resumed.load_state_dict(optimizer.state_dict())
    assert follow(resumed, gradients[4:])[-1].tolist() == straight.tolist()
