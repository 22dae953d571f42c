"""How well classes are told apart.

Targets are classes [N] beside one score for each class [N, classes], or numbers beside as many outputs, of which those
above `boundary` speak for the second class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.registry import metric
from xprun.plugins.types import PositiveInt

if TYPE_CHECKING:
    from torch import Tensor

MOST_CLASSES = 100  # of a confusion matrix; a larger one is no table to look at


@metric("accuracy", goal="max")
def accuracy(prediction: Tensor, target: Tensor, boundary: float | None) -> Tensor:
    """The share of examples whose class is predicted, from 0 to 1.

    The predicted class has the largest score. A model with one output, trained with a binary loss, predicts the second
    class where its output is above 0 (`BCEWithLogitsLoss`) or 0.5 (`BCELoss`).
    """
    predicted, actual = _classes(prediction, target, boundary)
    return (predicted == actual).float().mean()


@metric("topk", goal="max")
def topk(prediction: Tensor, target: Tensor, *, k: PositiveInt = 5) -> Tensor:
    """The share of examples [N] whose class is among the `k` largest scores [N, classes], from 0 to 1."""
    if prediction.dim() != 2 or target.is_floating_point() or k > prediction.shape[1]:
        shape = [*prediction.shape]
        raise ValueError(f"topk(k={k}) needs at least {k} scores [N, classes] and classes [N], not outputs {shape}")
    return (prediction.topk(k, 1).indices == target.unsqueeze(1)).any(1).float().mean()


@metric("confusion", goal="none")
def confusion(prediction: Tensor, target: Tensor, boundary: float | None) -> Tensor:
    """The confusion matrix [classes, classes]: how many examples of the row's class are predicted as the column's.

    It is counted once, at the end of a run, for at most 100 classes.
    """
    from torch.nn.functional import one_hot

    predicted, actual = _classes(prediction, target, boundary)
    classes = prediction.shape[1] if prediction.dim() > 1 and prediction.shape[1] > 1 else 2
    if classes > MOST_CLASSES or predicted.dim() > 1:
        raise ValueError(f"confusion takes at most {MOST_CLASSES} classes, one per row")
    return one_hot(actual.long(), classes).float().mT @ one_hot(predicted.long(), classes).float()


def _classes(prediction: Tensor, target: Tensor, boundary: float | None) -> tuple[Tensor, Tensor]:
    """Return the predicted and the actual classes [N]; [N, k] where each of k outputs tells two classes apart."""
    if boundary is None and prediction.shape[1:] == (1,):
        raise ValueError(
            "a single output cannot separate classes under this loss; use BCEWithLogitsLoss for one output"
        )
    if not target.is_floating_point():
        return prediction.max(1).indices, target  # five times as fast as argmax on a CPU
    if boundary is None:
        return prediction.max(1).indices, target.max(1).indices
    if not bool(((target == 0) | (target.abs() == 1)).all()):
        raise ValueError("the targets are not classes: these metrics are for classification")
    predicted, actual = prediction > boundary, target > boundary
    return (predicted.squeeze(1), actual.squeeze(1)) if prediction.shape[1:] == (1,) else (predicted, actual)
