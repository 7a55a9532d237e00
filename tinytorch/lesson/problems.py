"""Problems to compare optimizers on: five surfaces, a small regression, linear data that come in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tinytorch.core.autograd import Variable
from tinytorch.core.tensor import Tensor, maximum


class Problem:
    """Something to minimize: where to start, the loss to judge by, and the gradients that a step gets to see.

    Attributes:
        name: for figures and tables.
        goal: the loss that counts as solved.
        hold: for how many losses in a row the goal must be kept; 1 where passing it once is enough.
    """

    name: str
    goal: float
    hold = 1

    def parameters(self, seed: int = 0) -> list[Variable]:
        """Fresh float64 parameters at the start of this seed: the same seed, the same start."""
        raise NotImplementedError(f"{type(self).__name__} has no start: define parameters")

    def loss(self, parameters: list) -> Variable | Tensor:
        """The whole loss, without noise; of Tensors it is a Tensor, and no graph is built."""
        raise NotImplementedError(f"{type(self).__name__} has no loss: define loss")

    def differentiate(self, parameters: list[Variable], draw: np.random.Generator) -> None:
        """Give every parameter the gradient that one step follows; by default that of the whole loss."""
        clear(parameters)
        self.loss(parameters).backward()

    def value(self, parameters: list[Variable]) -> float:
        """The whole loss as a number."""
        return self.loss([parameter.data for parameter in parameters]).item()


@dataclass(frozen=True)
class Surface(Problem):
    """A landscape over two parameters, which can be drawn.

    Args:
        name: for figures and tables.
        height: function of x and y: of numbers, arrays or Variables.
        slope: function of x and y: the two derivatives of the height.
        start: where walks begin, (x, y).
        minima: the lowest points.
        x_range: the x a picture shows, smallest and largest.
        y_range: the y it shows.
        levels: heights of its contour lines.
        tolerance: the goal lies this much above the lowest height.
        lowest: that height.
        spread: standard deviation of each coordinate of the start over the seeds.
        noise: standard deviation of the normal noise on each component of a step's gradient.
        hold: for how many steps in a row the goal must be kept: a walk may fly through it, or leap out
            again.

    Example:
        >>> RAVINE.height(-8.0, 1.0)
        8.4
        >>> round(RAVINE.goal, 6)
        0.001
    """

    name: str
    height: Callable
    slope: Callable
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    levels: tuple[float, ...]
    tolerance: float
    lowest: float = 0.0
    spread: float = 0.1
    noise: float = 0.0
    hold: int = 100

    @property
    def goal(self) -> float:
        """The height that counts as solved."""
        return self.lowest + self.tolerance

    def parameters(self, seed: int = 0) -> list[Variable]:
        """One parameter, the point (x, y): the start, a little off it for each seed."""
        offset = np.random.default_rng(seed).normal(size=2)
        return [Variable(np.array(self.start) + self.spread * offset)]

    def loss(self, parameters: list) -> Variable | Tensor:
        """The height of the point."""
        (point,) = parameters
        return self.height(point[0], point[1])

    def differentiate(self, parameters: list[Variable], draw: np.random.Generator) -> None:
        """The slope by its formula, several times faster than by a graph, and noise."""
        (point,) = parameters
        gradient = np.array(self.slope(*point.data.data))
        if self.noise:
            gradient += self.noise * draw.normal(size=2)
        point.grad = Variable(gradient, requires_grad=False)

    def value(self, parameters: list[Variable]) -> float:
        """The height of the point as a number."""
        return float(self.height(*parameters[0].data.data))


def clear(parameters: list[Variable]) -> None:
    """Forget all gradients."""
    for parameter in parameters:
        parameter.grad = None


def rosenbrock(x, y):
    """A banana-shaped valley with a nearly flat floor (H. H. Rosenbrock, 1960)."""
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def rosenbrock_slope(x, y):
    """Its derivatives."""
    beside = y - x**2
    return -2 * (1 - x) - 400 * x * beside, 200 * beside


def beale(x, y):
    """A plateau between steep corners (E. M. L. Beale, 1958)."""
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def beale_slope(x, y):
    """Its derivatives."""
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return 2 * (a * (y - 1) + b * (y**2 - 1) + c * (y**3 - 1)), 2 * x * (a + 2 * b * y + 3 * c * y**2)


def ravine(x, y):
    """A long valley with steep walls: curvature 0.2 along x, 4 along y."""
    return 0.1 * x**2 + 2 * y**2


def turned_ravine(x, y):
    """The ravine turned by 45 degrees: ravine((x + y)/√2, (y - x)/√2), multiplied out."""
    return 1.05 * (x**2 + y**2) - 1.9 * x * y


def powers(first: float, last: float, count: int) -> tuple[float, ...]:
    """Heights of contour lines that grow by a constant factor."""
    return tuple(np.geomspace(first, last, count))


def squares(last: float, count: int) -> tuple[float, ...]:
    """Heights of contour lines that stand evenly on a parabola."""
    return tuple(last * (np.arange(1, count + 1) / count) ** 2)


RAVINE = Surface(
    name="ravine",
    height=ravine,
    slope=lambda x, y: (0.2 * x, 4 * y),
    start=(-8.0, -1.8),
    minima=((0.0, 0.0),),
    x_range=(-9.5, 3.0),
    y_range=(-3.0, 3.0),
    levels=squares(27.0, 12),
    tolerance=0.001,
    spread=0.3,
)
ROSENBROCK = Surface(
    name="Rosenbrock",
    height=rosenbrock,
    slope=rosenbrock_slope,
    start=(-1.2, 1.0),
    minima=((1.0, 1.0),),
    x_range=(-1.9, 1.9),
    y_range=(-1.3, 2.6),
    levels=powers(0.05, 1500.0, 14),
    tolerance=0.01,
)
BEALE = Surface(
    name="Beale",
    height=beale,
    slope=beale_slope,
    start=(1.0, 1.5),
    minima=((3.0, 0.5),),
    x_range=(-0.5, 4.5),
    y_range=(-1.8, 2.2),
    levels=powers(0.02, 5000.0, 16),
    tolerance=0.01,
)
SADDLE = Surface(
    name="saddle",
    height=lambda x, y: x**2 / 2 + y**4 / 4 - y**2 / 2,
    slope=lambda x, y: (x, y**3 - y),
    start=(-1.5, 0.0),
    minima=((0.0, -1.0), (0.0, 1.0)),
    x_range=(-1.9, 1.5),
    y_range=(-1.6, 1.6),
    levels=tuple(np.arange(-0.24, 2.0, 0.12)),
    tolerance=0.001,
    lowest=-0.25,
    spread=0.01,
)
NOISY_BOWL = Surface(
    name="noisy bowl",
    height=lambda x, y: x**2 / 2 + 2 * y**2,
    slope=lambda x, y: (x, 4 * y),
    start=(-4.0, 2.5),
    minima=((0.0, 0.0),),
    x_range=(-5.0, 2.5),
    y_range=(-2.2, 3.2),
    levels=squares(28.0, 12),
    tolerance=0.2,
    spread=0.3,
    noise=2.0,
)
# The ravine once more, turned by 45 degrees: a walk that treats both directions alike does not notice.
TURNED_RAVINE = Surface(
    name="turned ravine",
    height=turned_ravine,
    slope=lambda x, y: (2.1 * x - 1.9 * y, 2.1 * y - 1.9 * x),
    start=((-8.0 + 1.8) / math.sqrt(2), (-8.0 - 1.8) / math.sqrt(2)),
    minima=((0.0, 0.0),),
    x_range=(-8.5, 2.0),
    y_range=(-8.5, 2.0),
    levels=RAVINE.levels,
    tolerance=RAVINE.tolerance,
    spread=RAVINE.spread,
)
SURFACES = (RAVINE, ROSENBROCK, BEALE, SADDLE, NOISY_BOWL)

# Five examples of three features, the columns x₃, x₂, x₁; the targets are a column, like the predictions.
X = np.array([[0.7, 0.3, 0.7], [0.4, 1.0, 0.4], [0.2, 1.1, 0.1], [0.4, 0.7, 0.2], [0.1, 0.5, 0.3]])
Y = 0.8 * X[:, [0]] ** 3 + 0.1 * X[:, [1]] ** 2 + 0.5 * X[:, [2]] + 4


@dataclass(frozen=True, eq=False)
class SmallNetwork(Problem):
    """Regression by a network of 3 inputs, 3 hidden units max(z, 0) and 1 output, on the mean squared error.

    Args:
        name: for figures and tables.
        x: examples, (n, 3).
        y: targets, (n, 1). A row of n would broadcast against the column of predictions to (n, n).
        goal: the loss that counts as solved.

    Example:
        >>> REGRESSION.y[:, 0].round(4).tolist()
        [4.6334, 4.3512, 4.1774, 4.2002, 4.1758]
        >>> round(REGRESSION.value(REGRESSION.parameters(seed=0)), 2)
        23.36
    """

    name: str = "regression"
    x: np.ndarray = field(default_factory=X.copy)
    y: np.ndarray = field(default_factory=Y.copy)
    goal: float = 0.1

    def parameters(self, seed: int = 0) -> list[Variable]:
        """Weights (3, 3), biases (3,), weights (3, 1) and bias (1,): He's normal weights, biases of 0.

        Source: K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers", 2015, equation 10.
        """
        draw = np.random.default_rng(seed)
        deviation = np.sqrt(2 / 3)
        arrays = (
            deviation * draw.normal(size=(3, 3)),
            np.zeros(3),
            deviation * draw.normal(size=(3, 1)),
            np.zeros(1),
        )
        return [Variable(array) for array in arrays]

    def predict(self, parameters: list) -> Variable | Tensor:
        """The outputs of the network, (n, 1)."""
        w1, b1, w2, b2 = parameters
        hidden = maximum(Tensor.from_numpy(self.x) @ w1 + b1, 0.0)
        return hidden @ w2 + b2

    def loss(self, parameters: list) -> Variable | Tensor:
        """The mean squared error."""
        error = self.predict(parameters) - Tensor.from_numpy(self.y)
        return (error * error).mean()


REGRESSION = SmallNetwork()


@dataclass(frozen=True, eq=False)
class LinearData(Problem):
    """Linear regression on data that come in random batches: every step sees a noisy gradient.

    The targets are x·w + noise, for weights w of normal numbers; training begins at 0.

    Args:
        batch_size: examples a step sees, drawn with replacement; `None` for all of them.
        examples: how many there are.
        features: normal numbers whose scales fall from 1 to 0.2, so the curvatures differ by a factor of 25.
        label_noise: standard deviation of the noise of the targets.
        tolerance: the goal lies this much above the lowest loss that any weights reach.
        hold: for how many steps in a row the goal must be kept.

    Attributes:
        x: (examples, features).
        y: (examples, 1).
        lowest: the loss of the least-squares solution.

    Example:
        >>> data = LinearData(batch_size=4)
        >>> data.x.shape, data.y.shape
        ((512, 8), (512, 1))
        >>> data.value(data.parameters()) > data.goal > data.lowest
        True
    """

    batch_size: int | None = None
    examples: int = 512
    features: int = 8
    label_noise: float = 1.0
    tolerance: float = 0.1
    hold: int = 10
    x: np.ndarray = field(init=False, repr=False)
    y: np.ndarray = field(init=False, repr=False)
    lowest: float = field(init=False)

    def __post_init__(self):
        draw = np.random.default_rng(0)
        x = draw.normal(size=(self.examples, self.features)) * np.geomspace(1, 0.2, self.features)
        noise = self.label_noise * draw.normal(size=(self.examples, 1))
        y = x @ draw.normal(size=(self.features, 1)) + noise
        best = np.linalg.lstsq(x, y, rcond=None)[0]
        for name, value in (("x", x), ("y", y), ("lowest", float(np.mean((x @ best - y) ** 2)))):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """Says the size of the batches."""
        return f"linear data, {f'batches of {self.batch_size}' if self.batch_size else 'all at once'}"

    @property
    def goal(self) -> float:
        """The loss that counts as solved."""
        return self.lowest + self.tolerance

    def parameters(self, seed: int = 0) -> list[Variable]:
        """The weights (features, 1), zeros for every seed: the seed chooses the batches."""
        return [Variable(np.zeros((self.features, 1)))]

    def loss(self, parameters: list) -> Variable | Tensor:
        """The mean squared error over all examples."""
        return mean_squared_error(self.x, self.y, parameters[0])

    def differentiate(self, parameters: list[Variable], draw: np.random.Generator) -> None:
        """The gradient of the mean squared error over a batch drawn at random."""
        if self.batch_size is None:
            return super().differentiate(parameters, draw)
        chosen = draw.integers(self.examples, size=self.batch_size)
        clear(parameters)
        mean_squared_error(self.x[chosen], self.y[chosen], parameters[0]).backward()


def mean_squared_error(x: np.ndarray, y: np.ndarray, weights):
    """Of the predictions x·weights."""
    error = Tensor.from_numpy(x) @ weights - Tensor.from_numpy(y)
    return (error * error).mean()
