"""Where batches come from: the rows of a table, or a stream. A seed's batches are the same alone and together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.plugins.machine import want_memory
from xprun.plugins.tensor_groups import LazyRows, Tensors, bytes_of, concatenate, map_parts
from xprun.runner.store.snapshots import State
from xprun.runner.workload.batch_gather import grouped_batches
from xprun.runner.workload.batch_order import Counted, batches
from xprun.runner.workload.data_split import moved
from xprun.runner.workload.run_grid import Batch

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Prepare = Callable[[Tensors, Tensor], Batch]  # rows [N, ...] to what a program gathers them from
MANY_ROWS = 10**6  # of a stream, above which it is asked whether they fit the memory
# Streams draw with seeds of their own, or the first rows would be made of the random numbers of the first parameters. A
# generator takes 32 bits of a seed.
STREAM_SEEDS = 2**31


class Batches(Protocol[T_co]):
    """An infinite, resumable batch iterator."""

    def __iter__(self) -> Iterator[T_co]: ...
    def __next__(self) -> T_co: ...
    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


class Feed(Protocol):
    """The training batches of every seed."""

    @property
    def depends_on_seed(self) -> bool:
        """Whether runs of different seeds see different batches."""

    def alone(self, seed: int) -> Batches[tuple[Tensors, Tensor]]:
        """Return the batches ([B, ...], [B, ...]) of a lone run."""

    def together(self, prepare: Prepare, seeds: list[int]) -> Batches[Batch]:
        """Return prepared batches [S, B, ...]; the s-th group sees what `alone` gives for its seed."""

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

    def alone(self, seed: int) -> Counted[tuple[Tensors, Tensor]]:
        return Counted(partial(batches, self.table.inputs, self.table.targets, self.batch_size, seed))

    def together(self, prepare: Prepare, seeds: list[int]) -> Counted[Batch]:
        if isinstance(self.table.inputs, LazyRows):
            return Counted(partial(self._read_together, prepare, seeds))
        prepared = prepare(self.table.inputs, self.table.targets)
        return Counted(partial(grouped_batches, prepared, self.batch_size, seeds))

    def _read_together(self, prepare: Prepare, seeds: list[int], taken: int) -> Iterator[Batch]:
        """Yield prepared batches of rows that are read for each step."""
        table = self.table
        each = (batches(table.inputs, table.targets, self.batch_size, seed, taken) for seed in seeds)
        for groups in zip(*each, strict=True):
            yield prepared_groups(prepare, *joined(groups), len(seeds))

    def in_process(self) -> Feed:
        return self


@dataclass(frozen=True)
class Drawn:
    """Fresh rows of a stream at every step."""

    stream: Stream
    batch_size: int
    device: torch.device
    dtype: torch.dtype
    first_seed: int = STREAM_SEEDS  # that of the generator of the run of seed 0
    depends_on_seed: bool = True

    def alone(self, seed: int) -> Draws[tuple[Tensors, Tensor]]:
        return Draws(lambda generators: self.draw(generators[0], self.batch_size), [self.first_seed + seed])

    def together(self, prepare: Prepare, seeds: list[int]) -> Draws[Batch]:
        def draw(generators: list[torch.Generator]) -> Batch:
            groups = [self.draw(generator, self.batch_size) for generator in generators]
            return prepared_groups(prepare, *joined(groups), len(seeds))

        return Draws(draw, [self.first_seed + seed for seed in seeds])

    def in_process(self) -> Feed:
        return self

    def draw(self, generator: torch.Generator, rows: int) -> tuple[Tensors, Tensor]:
        """Return so many rows on the device, real numbers in the precision of the run."""
        x, y = self.stream.sample(generator, rows)
        inputs = map_parts(lambda part: moved(part, self.device, self.dtype), x)
        return inputs, moved(y, self.device, self.dtype)


class Draws(Generic[T]):
    """An infinite, resumable batch iterator that draws from one generator a seed; its state is theirs."""

    def __init__(self, draw: Callable[[list[torch.Generator]], T], seeds: list[int]) -> None:
        self._draw = draw
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return self._draw(self._generators)

    def state(self) -> State:
        return {"generators": [generator.get_state() for generator in self._generators]}

    def restore(self, state: State) -> None:
        for generator, found in zip(self._generators, state["generators"], strict=True):
            generator.set_state(found)


def joined(groups: Sequence[tuple[Tensors, Tensor]]) -> tuple[Tensors, Tensor]:
    """Return the batches of several groups, one behind the other."""
    return concatenate([inputs for inputs, _ in groups]), torch.cat([targets for _, targets in groups])


def prepared_groups(prepare: Prepare, x: Tensors, y: Tensor, groups: int) -> Batch:
    """Return the batches of S groups, one behind the other [S * B, ...], as one prepared batch [S, B, ...]."""
    return tuple(part.unflatten(0, (groups, -1)) for part in prepare(x, y))


def sample_of(feed: Drawn, seed: int) -> Table:
    """Return the rows on which a stream is measured: as many as its epoch has, the same for all runs.

    Raises NotEnoughMemoryError where they are more than the memory holds.
    """
    rows = feed.stream.epoch_steps * feed.batch_size
    if rows > MANY_ROWS:
        x, y = feed.draw(torch.Generator(), 1)
        want_memory((bytes_of(x) + y.nbytes) * rows, f"{rows:,} rows to measure", "data", "batch_size")
    x, y = feed.draw(torch.Generator().manual_seed(seed), rows)
    return Table(x, y, feed.stream.truth)
