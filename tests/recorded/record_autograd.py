"""Record the gradients PyTorch finds, for tests that run where it is not installed.

    python tests/recorded/record_autograd.py

writes `autograd.json` beside this file: for each expression of `EXPRESSIONS` its value and its gradients, in
float64. The expressions are texts that PyTorch and `core.autograd` both understand, so that the very same line
is compared.
All inputs are multiples of 1/8, exact in every floating type.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
INPUTS = {
    "x": [[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]],
    "y": [[2.0, 0.5, -1.5], [0.75, -0.25, 1.0]],
    "p": [[0.5, 1.25, 2.0], [1.5, 0.25, 3.0]],
    "row": [1.5, -0.5, 0.75],
    "column": [[2.0], [-0.5]],
    "w": [[0.5, -1.0], [1.25, 0.75], [-0.5, 2.0]],
    "batch": (np.arange(-12, 12).reshape(2, 4, 3) / 8).tolist(),
    "ties": [[1.0, 3.0, 3.0], [3.0, -2.0, -2.0]],
}

EXPRESSIONS = {
    "arithmetic": "(x * y - x / p + 2.0 * x - 3.0 / p - y).sum()",
    "broadcasting": "((x + row) * column - row / p).sum()",
    "powers": "(p ** 2.5 + 2.0 ** x + p ** x + x ** 3.0).sum()",
    "zero to a power": "((x - x) ** 2.0 + (x - x) ** 1.0 + p ** (x - x)).sum()",
    "elementwise": "(p.exp() + p.log() * x.abs() - p.sqrt()).sum()",
    "maximum": "(maximum(x, y) * p + minimum(x, row)).sum()",
    "maximum with ties": "(maximum(ties, ties * 1.0) * x).sum()",
    "largest with ties": "(amax(ties, 1) * 2.0 + amin(ties, 1)).sum()",
    "largest of an axis": "(amax(x * y, 0) * row).sum()",
    "matrix product": "((x @ w) ** 2.0).sum()",
    "matrix and vector": "((x @ row) * (row @ w).sum() + row @ row).sum()",
    "batches": "((batch @ w) @ (x @ w).T).mean()",
    "batch and vector": "((batch @ row) * (batch @ row)).sum()",
    "means": "(x.mean(0) * row).sum() + (y.mean(1) * x.sum(1)).mean()",
    "indexing": "(x[[0, 1, 0, 0]] * y[1] + x[:, 1:].sum() - x[1, -1]).sum()",
    "moving axes": "(batch.reshape(4, 6).T[::2] * 2.0).sum() + (x.T @ y).reshape(9)[4]",
    "a network": "(((maximum(batch @ w, w[0] * 0.0) @ w.T - row) ** 2.0).mean()).sqrt()",
}


def main() -> None:
    import torch

    names = {"maximum": torch.maximum, "minimum": torch.minimum, "amax": torch.amax, "amin": torch.amin}
    recorded = {"torch": torch.__version__.split("+")[0], "expressions": {}}
    for title, expression in EXPRESSIONS.items():
        inputs = {
            name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in INPUTS.items()
        }
        value = eval(expression, {**names, **inputs})
        value.backward()
        gradients = {name: tensor.grad.tolist() for name, tensor in inputs.items() if tensor.grad is not None}
        recorded["expressions"][title] = {"text": expression, "value": value.item(), "gradients": gradients}
    text = json.dumps(recorded, indent=1) + "\n"
    (HERE / "autograd.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
