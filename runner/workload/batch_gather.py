"""Batches for stacked runs: gathered once for each seed, into memory that is used again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from xprun.runner.workload.batch_order import epoch_orders, place
from xprun.runner.workload.device_memory import room_on
from xprun.runner.workload.device_transfer import sent_numbers
from xprun.runner.workload.run_grid import Batch


def grouped_batches(prepared: Batch, batch_size: int | None, seeds: list[int], taken: int = 0) -> Iterator[Batch]:
    """Yield batches [S, B, ...] of prepared rows [N, ...], the s-th group in the order that `seeds[s]` gives.

    Each group sees what `batches` yields for its seed: of a full batch (`batch_size` None) all the same rows. The
    first `taken` batches are left out.
    """
    if batch_size is None:
        whole = tuple(part.expand(len(seeds), *part.shape) for part in prepared)
        while True:
            yield whole
    epochs, more = place(taken, len(prepared[0]), batch_size)
    orders = [islice(epoch_orders(len(prepared[0]), seed), epochs, None) for seed in seeds]
    yield from islice(_in_order(prepared, batch_size, orders), more, None)


def _in_order(prepared: Batch, batch_size: int, orders: Sequence[Iterator[Tensor]]) -> Iterator[Batch]:
    """Yield the batches of each epoch's orders, one for each group."""
    rows, device = len(prepared[0]), prepared[0].device
    epoch_bytes = len(orders) * sum(part.numel() * part.element_size() for part in prepared)
    at_once = epoch_bytes <= room_on(device).epoch
    while True:
        order = sent_numbers(torch.stack([next(one) for one in orders]), rows, device)  # [S, N]
        if at_once:
            epoch = _gather(prepared, order)
            for start in range(0, rows, batch_size):
                yield tuple(part[:, start : start + batch_size] for part in epoch)
        else:
            for chosen in order.split(batch_size, 1):
                yield _gather(prepared, chosen)


def _gather(prepared: Batch, order: Tensor) -> Batch:
    """Return rows [S, B, ...] for row numbers [S, B]."""
    flat = order.reshape(-1)
    return tuple(part.index_select(0, flat).unflatten(0, order.shape) for part in prepared)
