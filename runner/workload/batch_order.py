"""The order in which a run sees its rows: a function of the seed alone, so it is the same however runs are grouped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

import torch
from torch import Tensor
from xprun.plugins.tensor_groups import Inputs, LazyRows, Tensors, bytes_of, split_into, take_rows
from xprun.runner.store.snapshots import State
from xprun.runner.workload.device_memory import room_on
from xprun.runner.workload.device_transfer import sent_numbers

T = TypeVar("T")


class Counted(Generic[T]):
    """An infinite, resumable batch iterator; its state is the number of batches consumed.

    `begin(n)` makes the iterator over the batches after the first n.
    """

    def __init__(self, begin: Callable[[int], Iterator[T]]) -> None:
        self._begin = begin
        self.restore({"taken": 0})

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        self._taken += 1
        return next(self._batches)

    def state(self) -> State:
        return {"taken": self._taken}

    def restore(self, state: State) -> None:
        self._taken: int = state["taken"]
        self._batches = self._begin(self._taken)


def epoch_orders(rows: int, seed: int) -> Iterator[Tensor]:
    """Yield a permutation [rows] of the row numbers for each epoch, infinitely."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randperm(rows, generator=generator)


def place(taken: int, rows: int, batch_size: int) -> tuple[int, int]:
    """Return how many whole epochs so many batches are, and how many batches of the next one."""
    return divmod(taken, math.ceil(rows / batch_size))


def batches(
    inputs: Inputs, targets: Tensor, batch_size: int | None, seed: int, taken: int = 0
) -> Iterator[tuple[Tensors, Tensor]]:
    """Yield batches ([B, ...], [B, ...]) epoch after epoch, infinitely; the last one of an epoch may be smaller.

    `batch_size` None is a full batch: all rows, in their own order. The first `taken` batches are skipped.
    """
    if batch_size is None:
        whole = inputs.read(torch.arange(len(inputs))) if isinstance(inputs, LazyRows) else inputs
        while True:
            yield whole, targets
    epochs, more = place(taken, len(targets), batch_size)
    orders = islice(epoch_orders(len(targets), seed), epochs, None)
    yield from islice(_in_order(inputs, targets, batch_size, orders), more, None)


def _in_order(
    inputs: Inputs, targets: Tensor, batch_size: int, orders: Iterator[Tensor]
) -> Iterator[tuple[Tensors, Tensor]]:
    """Yield the batches of each epoch's order."""
    at_once = not isinstance(inputs, LazyRows) and bytes_of(inputs) <= room_on(targets.device).epoch
    for order in orders:
        order = sent_numbers(order, len(targets), targets.device)
        if at_once:
            x, y = take_rows(inputs, order), targets.index_select(0, order)
            yield from zip(split_into(x, batch_size), y.split(batch_size), strict=True)
        else:
            for rows in order.split(batch_size):
                yield take_rows(inputs, rows), targets.index_select(0, rows)
