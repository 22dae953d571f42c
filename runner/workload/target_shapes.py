"""Targets in the form that a loss compares with outputs, so that no loss broadcasts one against the other unnoticed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.blame import blaming
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.plugins.losses.squared import squared
from xprun.specs.language.wording import plural

SHARES = (nn.BCELoss, nn.BCEWithLogitsLoss)  # targets from 0 to 1
SIGNS = (nn.SoftMarginLoss, nn.HingeEmbeddingLoss)  # targets -1 and 1
CLASSES = (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss)  # targets are the numbers of outputs
DISTANCES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss)


def compares_one_by_one(loss: Any) -> bool:
    """Whether a loss compares each output with a target of its own, so that both must have one shape."""
    return loss is squared or isinstance(loss, (*SHARES, *SIGNS, *DISTANCES))


def targets_for(loss: Any, targets: Tensor) -> Tensor:
    """Return targets as a loss takes them: for one that compares one by one, classes [N] become numbers [N, 1].

    A model then has one output. A loss of signs gets -1 and 1 for the classes 0 and 1. Raises ValueError for values
    that the loss has no meaning for.
    """
    if not compares_one_by_one(loss):
        return targets
    classes = not targets.is_floating_point()
    numbers = (targets.unsqueeze(1) if targets.dim() == 1 else targets).to(
        torch.get_default_dtype() if classes else targets.dtype
    )
    if isinstance(loss, SIGNS) and classes:
        _want(loss, numbers, 0, 1)
        return numbers * 2 - 1
    if isinstance(loss, SHARES):
        _want(loss, numbers, 0, 1)
    return numbers


def with_targets_for(loss: Any, made: Table | Stream) -> Table | Stream:
    """Return a table with its targets as the loss takes them; see `targets_for`. A stream draws them as it will."""
    if isinstance(made, Stream):
        return made
    valid, test = (
        replace(part, targets=targets_for(loss, part.targets)) if part else None for part in (made.valid, made.test)
    )
    return replace(made, targets=targets_for(loss, made.targets), valid=valid, test=test)


def check_outputs(loss: Any, outputs: Tensor, targets: Tensor) -> None:
    """Raise ValueError where a loss that compares one by one gets outputs of another shape than the targets'."""
    if compares_one_by_one(loss) and outputs.shape != targets.shape:
        shapes = f"a row has outputs {[*outputs.shape[1:]]} and targets {[*targets.shape[1:]]}"
        help_text = "give the last layer as many outputs, or for classes use CrossEntropyLoss"
        raise ValueError(f"{_name(loss)} compares outputs with targets one by one, but {shapes}: {help_text}")


def check_classes(loss: Any, outputs: Tensor, targets: Tensor) -> None:
    """Raise ValueError where a loss of classes gets fewer outputs than there are classes among the targets [N, ...].

    And where its weights are not one for each output. On a GPU either would end the process.
    """
    if not isinstance(loss, CLASSES) or targets.is_floating_point() or outputs.dim() < 2:
        return
    counted = targets[targets != getattr(loss, "ignore_index", -100)]
    classes = 1 + int(counted.max()) if len(counted) else 0
    if classes > outputs.shape[1]:
        with blaming("model", f"it has {outputs.shape[1]} {plural('output', outputs.shape[1])}"):
            raise ValueError(f"the targets are classes from 0 to {classes - 1}: the last layer needs {classes} outputs")
    if loss.weight is not None and len(loss.weight) != outputs.shape[1]:
        with blaming("loss", f"weight has {len(loss.weight)} {plural('value', len(loss.weight))}"):
            raise ValueError(f"it takes one for each of the {outputs.shape[1]} outputs")


def boundary(loss: Any) -> float | None:
    """Return the output above which a loss speaks for the second of two classes; None where classes compete."""
    if isinstance(loss, nn.BCELoss):
        return 0.5
    if isinstance(loss, (nn.BCEWithLogitsLoss, *SIGNS)):
        return 0.0
    return 0.5 if compares_one_by_one(loss) else None


def _want(loss: Any, targets: Tensor, low: float, high: float) -> None:
    least, most = float(targets.min()), float(targets.max())
    if least < low or most > high:
        raise ValueError(
            f"{_name(loss)} takes targets from {low:g} to {high:g}, but these go from {least:g} to {most:g}; "
            "for several classes use CrossEntropyLoss"
        )


def _name(loss: Any) -> str:
    return str(getattr(loss, "__name__", type(loss).__name__))
