"""Map-style data sets of torch and their loaders: read once into a table, or anew each time where that is needed."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)
from xprun.plugins.datasets.table import Table, class_names_of
from xprun.plugins.tensor_groups import Tensors, bytes_of, concatenate
from xprun.runner.process.log import words_of
from xprun.runner.workload.keyed_seeds import Key, seed_of
from xprun.runner.workload.stored_rows import LARGE, Change, NumberedRows

AT_ONCE = 256  # items that are put together at a time when all are read
MEASURED = -1  # stands for the run's seed where a row is read to be measured

Collate = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Items:
    """A map-style data set, and how a loader makes batches of its items in so many processes."""

    dataset: Any
    collate: Collate = default_collate
    workers: int = 0

    def read(self, numbers: Sequence[int]) -> tuple[Tensors, Tensor]:
        """Return the inputs and targets of items; all but the last member of an item are inputs."""
        batch = self.collate([self.dataset[number] for number in numbers])
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise ValueError(f"an item of {type(self.dataset).__name__} must be (inputs, target), not a {_kind(batch)}")
        *inputs, targets = batch
        several = tuple(inputs) if len(inputs) > 1 else inputs[0]
        return tuple(several) if isinstance(several, list) else several, targets

    def read_each(self, numbers: Sequence[int], keys: Sequence[Key]) -> Tensors:
        """Return the inputs of items, each of which draws at random as its key says."""
        with own_randomness():
            read = []
            for number, key in zip(numbers, keys, strict=True):
                seed_everything(seed_of(key))
                read.append(self.dataset[number])
            return Items(read, self.collate).read(range(len(read)))[0]


@dataclass(frozen=True)
class DatasetRows(NumberedRows):
    """Some rows of a data set, by their numbers [n] in it, which are fetched anew each time that they are read."""

    items: Items
    numbers: Tensor
    changes: tuple[Change, ...] = ()

    def read(self, rows: Tensor) -> Tensors:
        numbers = self.numbers[rows.cpu()].tolist()
        return self.after_changes(self.items.read_each(numbers, [(MEASURED, 0, number) for number in numbers]))


def is_dataset(made: Any) -> bool:
    return isinstance(made, Dataset | DataLoader)


def table_of(name: str, made: Any, batch_size: int | None) -> Table:
    """Return the table of a `torch.utils.data.Dataset` or `DataLoader` that a data set has made.

    Its items are read once. They are kept in memory where they are not too large and draw nothing at random, from
    the generators of torch, numpy and Python; otherwise their targets alone are.
    Raises ValueError for what a loader asks for and xprun does not do.
    """
    items = _items_of(name, made, batch_size)
    dataset = items.dataset
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise ValueError(f"{name} returned data without a length: return a Stream, of which each step draws fresh rows")
    if not len(dataset):
        raise ValueError(f"the {type(dataset).__name__} of {name} is empty")
    if isinstance(dataset, TensorDataset) and items.collate is default_collate:
        *inputs, targets = dataset.tensors
        return Table(tuple(inputs) if len(inputs) > 1 else inputs[0], targets, class_names=class_names_of(dataset))
    kept, targets = _read_all(items)
    rows = DatasetRows(items, torch.arange(len(dataset))) if kept is None else kept
    return Table(rows, targets, class_names=class_names_of(dataset))


def _items_of(name: str, made: Any, batch_size: int | None) -> Items:
    """Return the items of a data set, or of a loader that asks for nothing that would be passed over."""
    if not isinstance(made, DataLoader):
        return Items(made)
    if isinstance(made.dataset, IterableDataset):
        return Items(made.dataset)
    if type(made.sampler) not in (RandomSampler, SequentialSampler):
        raise ValueError(
            f"the loader of {name} has a {type(made.sampler).__name__}, but the run's seed draws the order of rows; "
            'leave it out: loss.class_weights = "balanced" weighs rare classes'
        )
    if made.batch_size is None or made.drop_last:
        what = "batches of its own" if made.batch_size is None else "drop_last"
        raise ValueError(f"the loader of {name} has {what}, which xprun does not do: data.batch_size makes the batches")
    if batch_size is not None and made.batch_size != batch_size:
        raise ValueError(
            f"the loader of {name} has batch_size={made.batch_size}, but data.batch_size is {batch_size}: write "
            f"data.batch_size = {made.batch_size}, or return the loader's data set"
        )
    items = Items(made.dataset, made.collate_fn, made.num_workers)
    _check_workers(name, items)
    return items


def _check_workers(name: str, items: Items) -> None:
    """Raise ValueError for a data set that cannot be sent to the processes that it is to be read in."""
    if not items.workers:
        return
    try:
        pickle.dumps((items.dataset, items.collate))
    except Exception as error:  # whatever the parts of a data set raise
        raise ValueError(
            f"the loader of {name} has num_workers={items.workers}, but its data set cannot be sent to other processes "
            f"({words_of(error)[:150]}): define its class at the top of a file, or leave num_workers out"
        ) from error


def _read_all(items: Items) -> tuple[Tensors | None, Tensor]:
    """Return the inputs of all items, or None where they draw at random or are too large, and their targets."""
    inputs: list[Tensors] = []
    targets: list[Tensor] = []
    size, random_before = 0, _random_state()
    with own_randomness():
        for start in range(0, len(items.dataset), AT_ONCE):
            x, y = items.read(range(start, min(start + AT_ONCE, len(items.dataset))))
            targets.append(y)
            size += bytes_of(x)
            if size <= LARGE:
                inputs.append(x)
            else:
                inputs.clear()
        draws = _random_state() != random_before
    return None if draws or size > LARGE else concatenate(inputs), torch.cat(targets)


def _random_state() -> tuple[bytes, bytes, Any]:
    """Return where the generators are that a data set may draw from."""
    return torch.get_rng_state().numpy().tobytes(), pickle.dumps(np.random.get_state()), random.getstate()


@contextmanager
def own_randomness() -> Iterator[None]:
    """Leave the generators that a data set may draw from as they were."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def seed_everything(seed: int) -> None:
    """Seed the generators that a data set may draw from."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def _kind(batch: Any) -> str:
    return f"{type(batch).__name__} of length {len(batch)}" if isinstance(batch, tuple | list) else type(batch).__name__
