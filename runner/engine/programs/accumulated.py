"""Gradient accumulation: a step sees several batches, and its gradient is the mean of theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from xprun.runner.engine.programs.program import Program
from xprun.runner.engine.programs.wrapper import ProgramWrapper
from xprun.runner.store.snapshots import State
from xprun.runner.workload.batch_feeds import Batches, Feed


class BatchGroups:
    """An infinite, resumable iterator over lists of `size` batches, of which the last of an epoch may be shorter.

    `per_epoch` None: no epoch cuts them.
    """

    def __init__(self, batches: Batches[Any], size: int, per_epoch: int | None) -> None:
        self._batches, self._size, self._per_epoch = batches, size, per_epoch
        self._left = per_epoch or size  # batches of the epoch

    def __iter__(self) -> Iterator[list[Any]]:
        return self

    def __next__(self) -> list[Any]:
        count = min(self._size, self._left)
        self._left = (self._left - count) or self._per_epoch or self._size
        return [next(self._batches) for _ in range(count)]

    def state(self) -> State:
        return {"batches": self._batches.state(), "left": self._left}

    def restore(self, state: State) -> None:
        self._batches.restore(state["batches"])
        self._left = state["left"]


class Accumulated(ProgramWrapper):
    """A program whose batches are lists of batches, and whose losses and gradients are the means of theirs.

    So is the number of rows that a rule may ask for.
    """

    def __init__(self, program: Program, size: int, per_epoch: int | None) -> None:
        super().__init__(program)
        self._size, self._per_epoch = size, per_epoch
        self.unused: frozenset[str] = frozenset()  # parameters that have no part in any of the batches

    def batches(self, feed: Feed, seeds: list[int]) -> BatchGroups:
        return BatchGroups(self.program.batches(feed, seeds), self._size, self._per_epoch)

    def differentiate(self, batches: list[Any]) -> tuple[Tensor, float]:
        losses, rows = self.program.differentiate(batches[0])
        self.unused = self.program.unused
        if len(batches) == 1:
            return losses, rows
        total, losses = self.program.gradient.clone(), losses.clone()
        for batch in batches[1:]:
            more, count = self.program.differentiate(batch)
            self.unused &= self.program.unused
            total += self.program.gradient
            losses += more
            rows += count
        torch.div(total, len(batches), out=self.program.gradient)
        return losses / len(batches), rows / len(batches)

    def gradients(self, batches: list[Any]) -> tuple[Tensor, Sequence[Tensor | None]]:
        losses, gradients = zip(*(self.program.gradients(batch) for batch in batches), strict=True)
        return torch.stack(losses).mean(), [_mean(parts, len(batches)) for parts in zip(*gradients, strict=True)]

    def backward(self, batches: list[Any], *, create_graph: bool = False) -> Tensor:
        losses = [self.program.backward(batch, create_graph=create_graph) for batch in batches]
        for parameter in self.program.trained:
            if parameter.grad is not None:
                parameter.grad = parameter.grad / len(batches)
        return torch.stack(losses).mean()

    def rows_in(self, batches: list[Any]) -> float:
        rows: float = sum(map(self.program.rows_in, batches)) / len(batches)
        return rows


def _mean(parts: Sequence[Tensor | None], count: int) -> Tensor | None:
    """Return the mean of a parameter's gradients, zero where it takes no part; None where it never does."""
    found = [part for part in parts if part is not None]
    return torch.stack(found).sum(0) / count if found else None
