"""What plots show of a trained model: its curve over a single feature, its answers to some images."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from xprun.plugins.datasets.table import Table
from xprun.plugins.tensor_groups import Inputs, Tensors, first_rows
from xprun.runner.workload.model_outputs import pick
from xprun.runner.workload.target_shapes import SHARES, SIGNS
from xprun.runner.workload.workload import Workload

Predict = Callable[[Tensor, Tensor], Tensors]  # inputs [N, ...], targets of their kind -> outputs [S, K, N, ...]
Visuals = dict[str, list[list[float]]]  # tables of numbers, by what they show

POINTS = 50  # of a curve
POWERS = 1e-4  # how far, relatively, columns may be from the powers of the first
LOOKED_AT = 2000  # rows among which mistakes are sought
FIRST, MISTAKES = 8, 8  # rows that are kept: the first, and the most confident mistakes after them
SIDE = 48  # pixels of an image that is shown


def read_visuals(work: Workload, predict: Predict) -> dict[str, Tensor]:
    """Return what plots need of runs, by kind; nothing where they are not wanted, or the data are of another kind.

    `fit` [S, K, 2, 50]: x, and the prediction there, of a regression by one feature. `samples` [S, K, 16, 4]: row,
    target, predicted class and its probability, of images; NaN where there are fewer.
    """
    found: dict[str, Tensor] = {}
    if not work.visuals:
        return found
    if (x := curve_places(work)) is not None:
        outputs = pick(predict(features(x, work.train), x.unsqueeze(1)), work.output)
        if isinstance(outputs, Tensor) and outputs.shape[2:] == (len(x), 1):
            y = outputs.squeeze(-1)
            found["fit"] = torch.stack([x.expand_as(y), y], -2)
    if (table := images(work)) is not None:
        outputs = pick(predict(table.one_tensor, table.targets), work.output)
        if isinstance(outputs, Tensor) and outputs.dim() == 4 and outputs.shape[2] == len(table):
            found["samples"] = samples(outputs, table.targets)
    return found


def as_lists(found: dict[str, Tensor], s: int, k: int) -> Visuals:
    """Return the visuals of one run, without the rows that it lacks."""
    tables = {kind: tensor[s, k].tolist() for kind, tensor in found.items()}
    return {kind: [row for row in rows if not isnan(row[0])] for kind, rows in tables.items()}


def curve_places(work: Workload) -> Tensor | None:
    """Return x [50] over the range of the one feature of a regression; None for other data."""
    x, targets = feature(work.train.inputs), work.train.targets
    if x is None or targets.shape != (len(x), 1) or isinstance(work.loss, (*SHARES, *SIGNS)):
        return None
    return torch.linspace(float(x.min()), float(x.max()), POINTS, dtype=x.dtype, device=x.device)


def feature(inputs: Inputs) -> Tensor | None:
    """Return x [N] where the inputs [N, k] are x and its powers up to k; None where they are not."""
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or inputs.dim() != 2 or not inputs.shape[1]:
        return None
    x = inputs[:, 0]
    return x if torch.allclose(inputs, _powers(x, inputs.shape[1]), rtol=POWERS, atol=POWERS) else None


def features(x: Tensor, like: Table) -> Tensor:
    """Return inputs [n, k] at the places x [n], as those of a table are."""
    return _powers(x, like.one_tensor.shape[1])


def _powers(x: Tensor, k: int) -> Tensor:
    return torch.stack([x**power for power in range(1, k + 1)], 1)


def images(work: Workload) -> Table | None:
    """Return the rows to choose samples from, held out where some are; None unless they are images with classes."""
    table = work.valid or work.test or work.train
    if table.image is None or table.targets.is_floating_point() or table.targets.dim() != 1:
        return None
    return Table(first_rows(table.inputs, LOOKED_AT), table.targets[:LOOKED_AT], image=table.image)


def samples(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return row, target, predicted class and its probability [..., 16, 4] for scores [..., N, classes].

    The first rows, and then those later ones whose wrong class has the largest probability.
    """
    probabilities, predicted = outputs.softmax(-1).max(-1)
    rows = torch.arange(len(targets), device=targets.device)
    mistakes = (predicted != targets) & (rows >= FIRST)
    confidence, worst = torch.where(mistakes, probabilities, -1.0).topk(min(MISTAKES, len(targets)), -1)
    first = rows[:FIRST].expand(*worst.shape[:-1], -1)
    chosen = torch.cat([first, worst], -1)
    columns = [chosen, targets[chosen], predicted.gather(-1, chosen), probabilities.gather(-1, chosen)]
    table = torch.stack([column.to(probabilities.dtype) for column in columns], -1)
    none = torch.cat([torch.zeros_like(first, dtype=torch.bool), confidence < 0], -1)
    return table.masked_fill(none.unsqueeze(-1), float("nan"))


def true_curve(table: Table, x: Tensor) -> Tensor | None:
    """Return the curve [n] at the places x [n] of data that know their w [k] and b; None where they do not."""
    if table.truth.keys() != {"w", "b"} or len(table.truth["w"]) != table.one_tensor.shape[1]:
        return None
    w, b = (torch.tensor(table.truth[name], dtype=x.dtype, device=x.device) for name in ("w", "b"))
    return features(x, table) @ w + b


def pixels(work: Workload, rows: list[int]) -> NDArray[np.uint8]:
    """Return the pixels [n, H, W, C] of rows among which samples were chosen, each image over its own range if it must.

    Large images are shrunk to at most 48 pixels a side.
    """
    table = images(work)
    assert table is not None and table.image is not None  # a run has samples of it
    found = table.one_tensor[rows].float().cpu().reshape(len(rows), *table.image)
    low, high = found.amin((1, 2, 3), keepdim=True), found.amax((1, 2, 3), keepdim=True)
    outside = (low < 0) | (high > 1)
    found = torch.where(outside, (found - low) / (high - low).clamp_min(1e-12), found)
    if max(found.shape[2:]) > SIDE:
        scale = SIDE / max(found.shape[2:])
        found = nn.functional.interpolate(found, scale_factor=scale, mode="area")
    return (found * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
