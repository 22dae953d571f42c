"""Data sets have the shapes and values that their docstrings promise."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from xprun.plugins.datasets.digits import digits
from xprun.plugins.datasets.line import line
from xprun.plugins.datasets.linear import linear
from xprun.plugins.datasets.thermometer import thermometer


def test_digits() -> None:
    table = digits()
    assert (table.inputs.shape, table.targets.shape) == ((1797, 64), (1797,))
    assert (table.inputs.min(), table.inputs.max()) == (0, 1)
    assert table.targets.unique().tolist() == list(range(10))
    bunch = load_digits()
    assert table.inputs.double().numpy() * 16 == pytest.approx(bunch.data)
    assert table.targets.tolist() == bunch.target.tolist()
    assert digits(flat=False).inputs.shape == (1797, 1, 8, 8)


def test_thermometer_has_the_published_loss_and_gradient() -> None:
    table = thermometer()
    w, b = torch.tensor(1.0, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    loss = ((table.inputs * w + b - table.targets) ** 2).mean()
    loss.backward()
    assert loss.item() == pytest.approx(1763.8846, rel=1e-6)
    assert w.grad is not None
    assert b.grad is not None
    assert (w.grad.item(), b.grad.item()) == pytest.approx((4517.2969, 82.6), rel=1e-6)


def test_a_line_lies_on_its_line_and_depends_on_its_seed_alone() -> None:
    table = line(w=2.0, b=-1.0, samples=50)
    assert torch.allclose(table.targets, 2 * table.inputs - 1)
    assert torch.equal(table.inputs, line(samples=50).inputs)
    assert not torch.equal(table.inputs, line(samples=50, seed=1).inputs)
    assert table.truth == {"w": [2.0], "b": [-1.0]}


def test_linear_has_the_true_parameters_as_its_least_squares_solution() -> None:
    table = linear()
    X = torch.cat([table.inputs, torch.ones(1000, 1)], 1)
    solution = torch.linalg.lstsq(X, table.targets).solution.flatten().tolist()
    assert solution == pytest.approx([2.0, -3.4, 4.2], abs=2e-3)
