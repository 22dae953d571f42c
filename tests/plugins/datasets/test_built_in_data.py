"""Data sets have the shapes and values that their docstrings promise."""

from __future__ import annotations

import pytest
import torch
from sklearn import datasets
from xprun.plugins.datasets.digits import digits
from xprun.plugins.datasets.line import line
from xprun.plugins.datasets.linear_regression import linear
from xprun.plugins.datasets.polynomial import polynomial
from xprun.plugins.datasets.thermometer import thermometer
from xprun.plugins.registry import REGISTRY


def test_digits() -> None:
    table = digits()
    assert (table.inputs.shape, table.targets.shape) == ((1797, 64), (1797,))
    assert (table.inputs.min(), table.inputs.max()) == (0, 1)
    assert table.targets.unique().tolist() == list(range(10))
    bunch = datasets.load_digits()
    assert table.inputs.double().numpy() * 16 == pytest.approx(bunch.data)
    assert table.targets.tolist() == bunch.target.tolist()
    assert digits(flat=False).inputs.shape == (1797, 1, 8, 8)


def test_digits_can_be_their_own_targets_or_wrongly_labelled() -> None:
    plain, images, noisy = digits(), digits(targets="image"), digits(label_noise=0.4)
    assert torch.equal(images.targets, plain.one_tensor)
    assert torch.equal(noisy.one_tensor, plain.one_tensor)
    wrong = (noisy.targets != plain.targets).double().mean()
    assert float(wrong) == pytest.approx(0.4 * 0.9, abs=0.03)
    assert torch.equal(noisy.targets, digits(label_noise=0.4).targets)


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


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_the_tables_of_scikit_learn_are_those_that_its_own_functions_give(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = REGISTRY.find("data", name).load()
    bunch = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    table = load()
    assert table.inputs.numpy() == pytest.approx(bunch.data)
    assert table.targets.flatten().tolist() == bunch.target.tolist()
    assert table.targets.is_floating_point() == (name == "diabetes")
    monkeypatch.setattr("xprun.plugins.datasets.sklearn_tables.bundled_file", lambda name: None)
    moved = load()
    assert torch.equal(moved.inputs, table.inputs)
    assert torch.equal(moved.targets, table.targets)


def test_the_polynomial_has_the_published_parameters_and_fresh_sorted_points() -> None:
    stream = polynomial()
    torch.manual_seed(5000)
    w, b = torch.randn(4, 1) * 5, torch.randn(1) * 5
    assert (stream.truth["w"], stream.truth["b"]) == (w.flatten().tolist(), b.tolist())
    generator = torch.Generator().manual_seed(0)
    x, y = stream.sample(generator, 32)
    assert (x.shape, y.shape) == ((32, 4), (32, 1))
    assert torch.equal(x[:, 0], x[:, 0].sort().values)
    assert torch.equal(x[:, 2], x[:, 0] ** 3)
    assert torch.allclose(y, x @ w + b)
    assert not torch.equal(x, stream.sample(generator, 32)[0])
