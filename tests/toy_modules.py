"""A layer, an activation and a network that know nothing of gradient graphs: what modules 02 to 05 look like.

Nothing is imported but NumPy and `core.tensor`; a test holds this file to that. Nothing here asks for
`core.autograd` to exist, and `core.autograd` trains it as it is.
"""
from __future__ import annotations

import numpy as np

from tinytorch.core.tensor import Operation, Tensor, matmul, randn


@Operation
def softplus(x):
    """ln(1 + exp(x)), elementwise."""
    return np.logaddexp(0, x)


@softplus.define_backward
def softplus_backward(gradient, output, x):
    return gradient * np.exp(x - output)


class Dense:
    """x @ weight + bias."""

    def __init__(self, inputs: int, outputs: int, generator: np.random.Generator):
        self.weight = randn(inputs, outputs, generator=generator) / np.sqrt(inputs)
        self.bias = Tensor(np.zeros(outputs, np.float32))

    def __call__(self, x):
        return matmul(x, self.weight) + self.bias

    def named_parameters(self):
        yield "weight", self.weight
        yield "bias", self.bias


class Network:
    """Dense layers in a list with a softplus between them, then a scale from a dictionary."""

    def __init__(self, *sizes: int, seed: int = 0):
        generator = np.random.default_rng(seed)
        self.layers = [Dense(inputs, outputs, generator) for inputs, outputs in zip(sizes, sizes[1:])]
        self.scales = {"output": Tensor([1.0])}

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = softplus(layer(x))
        return self.layers[-1](x) * self.scales["output"]

    def named_parameters(self):
        for position, layer in enumerate(self.layers):
            for name, parameter in layer.named_parameters():
                yield f"layers.{position}.{name}", parameter
        yield "scales.output", self.scales["output"]


class TiedNetwork:
    """Two layers that share one weight: x @ w @ w."""

    def __init__(self, size: int, seed: int = 0):
        self.first = Dense(size, size, np.random.default_rng(seed))
        self.second = Dense(size, size, np.random.default_rng(seed + 1))
        self.second.weight = self.first.weight

    def __call__(self, x):
        return self.second(self.first(x))

    def named_parameters(self):
        for name, layer in (("first", self.first), ("second", self.second)):
            for own, parameter in layer.named_parameters():
                yield f"{name}.{own}", parameter
