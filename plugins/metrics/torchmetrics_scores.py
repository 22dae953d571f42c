"""Scores of a classification by the package torchmetrics, which is imported when one of them is measured."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from xprun.plugins.double_precision import in_double
from xprun.plugins.metrics.classification import predicted_and_actual
from xprun.plugins.python_packages import find_package
from xprun.plugins.registry import metric

if TYPE_CHECKING:
    from torch import Tensor

Average = Literal["macro", "micro", "weighted"]
AverageOfCurves = Literal["macro", "weighted"]


def needs_package(**settings: object) -> Iterator[tuple[str, str]]:
    """Yield that torchmetrics is not installed."""
    if find_package("torchmetrics") is None:
        yield "name", "needs the package torchmetrics: pip install 'xprun[metrics]'"


@metric("f1", goal="max", check=needs_package)
def f1(
    prediction: Tensor, target: Tensor, boundary: float | None, ignore_index: int | None, *, average: Average = "macro"
) -> Tensor:
    """The harmonic mean of precision and recall, from 0 to 1 (`torchmetrics.functional.f1_score`).

    Of several classes the mean over them ("macro"), that weighted by their examples ("weighted"), or that of all
    examples ("micro"). Of one output it is that of the second class. Needs `pip install 'xprun[metrics]'`.
    """
    return _of_classes("f1_score", prediction, target, boundary, ignore_index, average)


@metric("precision", goal="max", check=needs_package)
def precision(
    prediction: Tensor, target: Tensor, boundary: float | None, ignore_index: int | None, *, average: Average = "macro"
) -> Tensor:
    """The share of examples predicted as a class that are of it, from 0 to 1 (`torchmetrics.functional.precision`).

    Of several classes as `average` says, see `f1`; of one output, of the second class. Needs
    `pip install 'xprun[metrics]'`.
    """
    return _of_classes("precision", prediction, target, boundary, ignore_index, average)


@metric("recall", goal="max", check=needs_package)
def recall(
    prediction: Tensor, target: Tensor, boundary: float | None, ignore_index: int | None, *, average: Average = "macro"
) -> Tensor:
    """The share of the examples of a class that are predicted as it, from 0 to 1 (`torchmetrics.functional.recall`).

    Of several classes as `average` says, see `f1`; of one output, of the second class. Needs
    `pip install 'xprun[metrics]'`.
    """
    return _of_classes("recall", prediction, target, boundary, ignore_index, average)


@metric("auroc", goal="max", check=needs_package)
def auroc(
    prediction: Tensor,
    target: Tensor,
    boundary: float | None,
    ignore_index: int | None,
    *,
    average: AverageOfCurves = "macro",
) -> Tensor:
    """The area under the ROC curve, of each class against the others (`torchmetrics.functional.auroc`).

    It is 1 where every example of a class has a larger score than all others, and 0.5 by chance. Needs
    `pip install 'xprun[metrics]'`.
    """
    return _of_scores("auroc", prediction, target, boundary, ignore_index, average)


@metric("average_precision", goal="max", check=needs_package)
def average_precision(
    prediction: Tensor,
    target: Tensor,
    boundary: float | None,
    ignore_index: int | None,
    *,
    average: AverageOfCurves = "macro",
) -> Tensor:
    """The area under the curve of precision and recall (`torchmetrics.functional.average_precision`).

    Of several classes it is that of each against the others. Needs `pip install 'xprun[metrics]'`.
    """
    return _of_scores("average_precision", prediction, target, boundary, ignore_index, average)


def _of_classes(
    name: str, prediction: Tensor, target: Tensor, boundary: float | None, ignore_index: int | None, average: str
) -> Tensor:
    """Return a score of the predicted classes alone, in double precision, of the counts that torchmetrics makes.

    Its own scores are the same in single precision, in which 9 of 10 are less than 0.9. A score of nothing is 0, and
    "macro" leaves out classes that are neither there nor predicted, as torchmetrics has it.
    """
    predicted, actual = predicted_and_actual(prediction, target, boundary)
    task = _outputs(prediction, boundary)
    counts = in_double(_measured("stat_scores", predicted, actual, task, ignore_index, "none")).reshape(-1, 5)
    hits, false_alarms, _, misses, support = (counts.sum(0, keepdim=True) if average == "micro" else counts).unbind(1)
    share = _share(name, hits, false_alarms, misses)
    if average == "weighted":
        weight = support
    else:
        weight = (
            (hits + false_alarms + misses > 0).to(share.dtype)
            if task[0] == "multiclass"
            else share.new_ones(len(share))
        )
    return (weight * share).sum() / weight.sum().clamp_min(1)


def _share(name: str, hits: Tensor, false_alarms: Tensor, misses: Tensor) -> Tensor:
    """Return a score of each class from its counts [classes]; 0 where there is nothing to count."""
    part, whole = {
        "precision": (hits, hits + false_alarms),
        "recall": (hits, hits + misses),
        "f1_score": (2 * hits, 2 * hits + false_alarms + misses),
    }[name]
    return (part / whole).where(whole > 0, 0.0)


def _of_scores(
    name: str, prediction: Tensor, target: Tensor, boundary: float | None, ignore_index: int | None, average: str
) -> Tensor:
    """Return a score that looks at how examples are ordered; in double precision, where no two scores fall together."""
    _, actual = predicted_and_actual(prediction, target, boundary)
    scores = in_double(prediction)
    actual = actual.to(scores.device)
    if boundary is not None:
        scores = scores.squeeze(1) if actual.dim() == 1 else scores
        scores = scores if boundary == 0.5 else scores.sigmoid()
    else:
        scores = scores.softmax(1)
    return _measured(name, scores, actual, _outputs(prediction, boundary), ignore_index, average)


def _outputs(prediction: Tensor, boundary: float | None) -> tuple[str, int]:
    """Return the kind of task in torchmetrics' words, and how many classes or labels it has."""
    outputs = prediction.shape[1]
    if boundary is None:
        return "multiclass", outputs
    return ("binary", 1) if outputs == 1 else ("multilabel", outputs)


def _measured(
    name: str, predicted: Tensor, actual: Tensor, task: tuple[str, int], ignore_index: int | None, average: str
) -> Tensor:
    kind, count = task
    settings: dict[str, Any] = {"average": average}
    if kind == "multiclass":
        settings |= {"num_classes": count, "ignore_index": ignore_index}
    if kind == "multilabel":
        settings |= {"num_labels": count}
    if kind == "binary":
        settings = {}
    function = getattr(_classification(), f"{kind}_{name}")
    measured: Tensor = function(predicted, actual.long(), **settings)
    return measured


@cache
def _classification() -> Any:
    """Return `torchmetrics.functional.classification`; torchmetrics imports torchvision, where that is installed."""
    from xprun.plugins.torchvision_import import import_torchvision

    import_torchvision()
    import torchmetrics.functional.classification

    return torchmetrics.functional.classification
