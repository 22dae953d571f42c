"""Metrics measure what their definitions say."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import confusion_matrix, r2_score, root_mean_squared_error, top_k_accuracy_score
from torch import Tensor
from xprun.plugins.losses.squared import squared
from xprun.plugins.metrics.classification import accuracy, confusion, topk
from xprun.plugins.metrics.regression import mae, r2, rmse
from xprun.plugins.metrics.truth import parameter_error


@pytest.fixture
def scores() -> tuple[Tensor, Tensor]:
    """Scores [40, 4] and classes [40]."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(40, 4, generator=generator), torch.arange(40) % 4


def test_the_accuracy_is_the_share_of_the_largest_scores(scores: tuple[Tensor, Tensor]) -> None:
    assert accuracy(*scores, None).item() == pytest.approx((scores[0].argmax(1) == scores[1]).float().mean().item())
    assert accuracy(torch.eye(3), torch.eye(3), None).item() == 1


@pytest.mark.parametrize(("boundary", "expected"), [(0.0, 0.75), (0.5, 0.5)])
def test_one_output_predicts_the_second_class_above_the_boundary(boundary: float, expected: float) -> None:
    prediction = torch.tensor([[-1.0], [0.25], [0.75], [2.0]])
    assert accuracy(prediction, torch.tensor([[0.0], [1.0], [0.0], [1.0]]), boundary).item() == expected


def test_measures_of_classes_refuse_other_targets() -> None:
    with pytest.raises(ValueError, match="the targets are not classes"):
        accuracy(torch.rand(4, 1), torch.tensor([[0.3], [2.0], [1.0], [0.0]]), 0.5)
    with pytest.raises(ValueError, match="cannot separate classes"):
        accuracy(torch.rand(4, 1), torch.tensor([0, 1, 1, 0]), None)
    with pytest.raises(ValueError, match=r"topk\(k=5\) needs at least 5 scores"):
        topk(torch.rand(4, 3), torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_topk_is_that_of_scikit_learn(k: int, scores: tuple[Tensor, Tensor]) -> None:
    assert topk(*scores, k=k).item() == pytest.approx(top_k_accuracy_score(scores[1], scores[0], k=k))


def test_confusion_is_that_of_scikit_learn(scores: tuple[Tensor, Tensor]) -> None:
    expected = confusion_matrix(scores[1], scores[0].argmax(1))
    assert confusion(*scores, None).tolist() == expected.tolist()
    binary = confusion(torch.tensor([[2.0], [-1.0], [3.0]]), torch.tensor([[1.0], [1.0], [0.0]]), 0.0)
    assert binary.tolist() == [[0, 1], [1, 1]]


def test_regressions_are_measured_as_by_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(30, 2, generator=generator)
    prediction = target + torch.randn(30, 2, generator=generator)
    assert rmse(prediction[:, :1], target[:, :1]).item() == pytest.approx(
        root_mean_squared_error(target[:, :1], prediction[:, :1])
    )
    assert r2(prediction, target).item() == pytest.approx(r2_score(target, prediction), rel=1e-5)
    assert mae(torch.tensor([[1.0], [5.0]]), torch.tensor([[2.0], [2.0]])).item() == 2


@pytest.mark.parametrize("metric", [mae, rmse, r2])
def test_a_regression_refuses_to_broadcast(metric: object) -> None:
    with pytest.raises(ValueError, match="takes outputs and targets of one shape"):
        metric(torch.rand(4, 1), torch.rand(4))  # type: ignore[operator]


def test_the_parameter_error_matches_by_name_and_else_in_order() -> None:
    x, truth = torch.zeros(1), {"w": torch.tensor([2.0, -3.0]), "b": torch.tensor([4.0])}
    named = {"b": torch.tensor([4.5]), "w": torch.tensor([2.0, -4.0])}
    assert parameter_error(x, x, named, truth).item() == 1
    assert parameter_error(x, x, named, truth, norm="l2").item() == pytest.approx(1.25**0.5)
    in_order = {"0.weight": torch.tensor([[2.0, -4.0]]), "0.bias": torch.tensor([4.0])}
    assert parameter_error(x, x, in_order, truth).item() == 1
    assert parameter_error(x, x, {"b": torch.tensor([3.75])}, truth).item() == 0.25
    with pytest.raises(ValueError, match="the data have 3 true parameters, but the model trains 4"):
        parameter_error(x, x, {"weight": torch.zeros(4)}, truth)


def test_squared_is_half_the_sum_of_the_squared_errors() -> None:
    assert squared(torch.tensor([[1.0], [5.0]]), torch.tensor([[2.0], [2.0]])).item() == 5
