"""How well classes are told apart.

Targets are classes [N] beside one score for each class [N, classes], or numbers beside as many outputs, of which those
above `boundary` speak for the second class. Targets may also be a class at each of L places [N, L] beside scores
[N, classes, L]. Those that equal the loss's `ignore_index` are left out, as the loss leaves them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.double_precision import in_double
from xprun.plugins.registry import metric
from xprun.plugins.types import PositiveInt

if TYPE_CHECKING:
    from torch import Tensor

MOST_CLASSES = 100  # of a confusion matrix; a larger one is no table to look at


@metric("accuracy", goal="max")
def accuracy(prediction: Tensor, target: Tensor, boundary: float | None, ignore_index: int | None = None) -> Tensor:
    """The share of examples whose class is predicted, from 0 to 1; of sequences, the share of places.

    The predicted class has the largest score. A model with one output, trained with a binary loss, predicts the second
    class where its output is above 0 (`BCEWithLogitsLoss`) or 0.5 (`BCELoss`). Targets that the loss ignores
    (`ignore_index`) do not count.
    """
    predicted, actual = predicted_and_actual(prediction, target, boundary)
    return _share(predicted == actual, target, ignore_index)


@metric("topk", goal="max")
def topk(prediction: Tensor, target: Tensor, ignore_index: int | None = None, *, k: PositiveInt = 5) -> Tensor:
    """The share of examples [N] whose class is among the `k` largest scores [N, classes], from 0 to 1."""
    if prediction.dim() != target.dim() + 1 or target.is_floating_point() or k > prediction.shape[1]:
        shape = [*prediction.shape]
        raise ValueError(f"topk(k={k}) needs at least {k} scores [N, classes] and classes [N], not outputs {shape}")
    return _share((prediction.topk(k, 1).indices == target.unsqueeze(1)).any(1), target, ignore_index)


@metric("perplexity", goal="min")
def perplexity(prediction: Tensor, target: Tensor, ignore_index: int | None = None) -> Tensor:
    """Among how many equally likely classes a model hesitates on average: e to the power of the cross-entropy.

    It is 1 where the right class is always certain, and the number of classes where all are as likely.
    """
    from torch.nn.functional import cross_entropy

    if prediction.dim() != target.dim() + 1 or target.is_floating_point():
        shapes = f"not outputs {[*prediction.shape]} and targets {[*target.shape]}"
        raise ValueError(f"perplexity needs scores [N, classes, ...] and classes [N, ...], {shapes}")
    return cross_entropy(prediction, target, ignore_index=-100 if ignore_index is None else ignore_index).exp()


@metric("confusion", goal="none")
def confusion(prediction: Tensor, target: Tensor, boundary: float | None, ignore_index: int | None = None) -> Tensor:
    """The confusion matrix [classes, classes]: how many examples of the row's class are predicted as the column's.

    It is counted once, at the end of a run, for at most 100 classes.
    """
    from torch.nn.functional import one_hot

    predicted, actual = predicted_and_actual(prediction, target, boundary)
    classes = prediction.shape[1] if prediction.dim() > 1 and prediction.shape[1] > 1 else 2
    if classes > MOST_CLASSES or (predicted.dim() > 1 and prediction.dim() == predicted.dim()):
        raise ValueError(f"confusion takes at most {MOST_CLASSES} classes, one per row")
    counted = _counted(target, ignore_index)
    if counted is not None:
        actual = actual.where(counted, 0)
    rows = one_hot(actual.flatten().long(), classes).float()
    rows = rows if counted is None else rows * counted.flatten().unsqueeze(1)
    return rows.mT @ one_hot(predicted.flatten().long(), classes).float()


def _counted(target: Tensor, ignore_index: int | None) -> Tensor | None:
    """Return which targets the loss does not ignore; None where it ignores none, as of targets that are no classes."""
    return None if ignore_index is None or target.is_floating_point() else target != ignore_index


def _share(right: Tensor, target: Tensor, ignore_index: int | None) -> Tensor:
    """Return the share of those that are right among those that count, in double precision: 45 of 50 are 0.9."""
    counted = _counted(target, ignore_index)
    if counted is None:
        return in_double(right.sum()) / right.numel()
    return in_double((right & counted).sum()) / in_double(counted.sum())


def predicted_and_actual(prediction: Tensor, target: Tensor, boundary: float | None) -> tuple[Tensor, Tensor]:
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
