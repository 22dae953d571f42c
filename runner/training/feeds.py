"""Where batches come from: the rows of a table, or a stream. A seed's batches are the same alone and together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.runner.training.batches import batches
from xprun.runner.training.gathered import grouped_batches
from xprun.runner.training.layout import Batch

Prepare = Callable[[Tensor, Tensor], Batch]  # rows [N, ...] to what a program gathers them from
STREAM_SEEDS = 2**40  # streams draw with seeds of their own, or the first rows would equal the first parameters


class Feed(Protocol):
    """The training batches of every seed, without end."""

    @property
    def depends_on_seed(self) -> bool:
        """Whether runs of different seeds see different batches."""

    def alone(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches ([B, ...], [B, ...]) of a lone run."""

    def together(self, prepare: Prepare, seeds: list[int]) -> Iterator[Batch]:
        """Yield prepared batches [S, B, ...]; the s-th group sees what `alone` yields for its seed."""

    def in_process(self) -> Feed:
        """Return a feed of the same batches that starts no processes, which a few steps would not repay."""


@dataclass(frozen=True)
class Rows:
    """The rows of a table in an order drawn anew for each epoch, or (`batch_size` None) all of them in their own."""

    table: Table
    batch_size: int | None

    @property
    def depends_on_seed(self) -> bool:
        return self.batch_size is not None

    def alone(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        return batches(self.table.inputs, self.table.targets, self.batch_size, seed)

    def together(self, prepare: Prepare, seeds: list[int]) -> Iterator[Batch]:
        return grouped_batches(prepare(self.table.inputs, self.table.targets), self.batch_size, seeds)

    def in_process(self) -> Feed:
        return self


@dataclass(frozen=True)
class Drawn:
    """Fresh rows of a stream at every step."""

    stream: Stream
    batch_size: int
    device: torch.device
    dtype: torch.dtype
    depends_on_seed: bool = True

    def alone(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(STREAM_SEEDS + seed)
        while True:
            yield self.draw(generator, self.batch_size)

    def together(self, prepare: Prepare, seeds: list[int]) -> Iterator[Batch]:
        for groups in zip(*(self.alone(seed) for seed in seeds), strict=True):
            x, y = (torch.cat(parts) for parts in zip(*groups, strict=True))
            yield prepared_groups(prepare, x, y, len(seeds))

    def in_process(self) -> Feed:
        return self

    def draw(self, generator: torch.Generator, rows: int) -> tuple[Tensor, Tensor]:
        """Return so many rows on the device, in the precision of the run."""
        x, y = self.stream.sample(generator, rows)
        kind = self.dtype if y.is_floating_point() else y.dtype
        return x.to(self.device, self.dtype), y.to(self.device, kind)


def prepared_groups(prepare: Prepare, x: Tensor, y: Tensor, groups: int) -> Batch:
    """Return the batches of S groups, one behind the other [S * B, ...], as one prepared batch [S, B, ...]."""
    return tuple(part.unflatten(0, (groups, -1)) for part in prepare(x, y))


def sample_of(feed: Drawn, seed: int) -> Table:
    """Return the rows on which a stream is measured: as many as its epoch has, the same for all runs."""
    x, y = feed.draw(torch.Generator().manual_seed(seed), feed.stream.epoch_steps * feed.batch_size)
    return Table(x, y, feed.stream.truth)
