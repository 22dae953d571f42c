"""The order in which a run sees its rows: a function of the seed alone, so it is the same however runs are grouped."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

GATHER_AT_ONCE = 2**26  # bytes: below this, a whole epoch is put in order by one gather


def epoch_orders(rows: int, seed: int) -> Iterator[Tensor]:
    """Yield a permutation [rows] of the row numbers for each epoch, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randperm(rows, generator=generator)


def batches(inputs: Tensor, targets: Tensor, batch_size: int | None, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches ([B, ...], [B, ...]) epoch after epoch, without end; the last one of an epoch may be smaller.

    `batch_size` None is a full batch: all rows, in their own order.
    """
    if batch_size is None:
        while True:
            yield inputs, targets
    at_once = inputs.numel() * inputs.element_size() <= GATHER_AT_ONCE
    for order in epoch_orders(len(inputs), seed):
        order = order.to(inputs.device)
        if at_once:
            x, y = inputs.index_select(0, order), targets.index_select(0, order)
            yield from zip(x.split(batch_size), y.split(batch_size), strict=True)
        else:
            for rows in order.split(batch_size):
                yield inputs.index_select(0, rows), targets.index_select(0, rows)
