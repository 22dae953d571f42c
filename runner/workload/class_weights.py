"""Weights by which rare classes count as much as frequent ones, from the training rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def balance(loss: Any, targets: Tensor, classes: int) -> None:
    """Give a loss the weights that balance the classes of the training rows' targets.

    A class weighs n / (classes x its rows), as in scikit-learn; one that the rows lack weighs as one that has a row.
    `BCEWithLogitsLoss` weighs the second class, of each output, by the rows of the first over those of the second.
    """
    if isinstance(loss, nn.BCEWithLogitsLoss):
        second = targets.double().sum(0)
        loss.pos_weight = (len(targets) - second) / second.clamp_min(1)
        return
    counted = targets[targets != loss.ignore_index].flatten()
    rows = torch.bincount(counted, minlength=classes)
    loss.weight = len(counted) / (classes * rows.clamp_min(1).double())
