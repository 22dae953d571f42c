"""Batches of rows that are changed at random, each time anew: by a DataLoader, reproducibly for every seed."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from xprun.plugins.datasets.table import Table
from xprun.plugins.discovery import load_file
from xprun.plugins.machine import most_processes
from xprun.plugins.registry import REGISTRY, PluginFile
from xprun.plugins.tensor_groups import Tensors
from xprun.plugins.torchvision_import import import_torchvision
from xprun.runner.workers.parent_link import die_with
from xprun.runner.workload.batch_feeds import Feed, Prepare, prepared_groups
from xprun.runner.workload.batch_order import Counted, epoch_orders, place
from xprun.runner.workload.data_split import moved
from xprun.runner.workload.dataset_rows import DatasetRows
from xprun.runner.workload.device_transfer import sent
from xprun.runner.workload.keyed_seeds import Key, seed_of
from xprun.runner.workload.run_grid import Batch

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Augmented:
    """The rows of a table in the order of `Rows`, each changed by the table's augmentation."""

    table: Table
    batch_size: int | None
    device: torch.device
    dtype: torch.dtype
    workers: int
    depends_on_seed: bool = True

    def alone(self, seed: int) -> Counted[tuple[Tensors, Tensor]]:
        return Counted(partial(self._load, [seed]))

    def together(self, prepare: Prepare, seeds: list[int]) -> Counted[Batch]:
        def begin(taken: int) -> Iterator[Batch]:
            return (prepared_groups(prepare, x, y, len(seeds)) for x, y in self._load(seeds, taken))

        return Counted(begin)

    def in_process(self) -> Feed:
        return replace(self, workers=0)

    def _load(self, seeds: list[int], taken: int) -> Iterator[tuple[Tensors, Tensor]]:
        """Yield the batches of all seeds concatenated, [S * B, ...], [S * B, ...]; the first `taken` are skipped."""
        is_daemon = multiprocessing.current_process().daemon  # which may have no children
        workers = 0 if is_daemon else min(self.workers, most_processes())
        loader: DataLoader[Any] = DataLoader(
            self._rows(),
            batch_sampler=_Steps(seeds, len(self.table), self.batch_size, taken),
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # or it would draw from the one that random layers draw from
            worker_init_fn=_follow if workers else None,
        )
        for x, y in loader:
            yield self._read(x), sent(y, self.device)

    def _rows(self) -> Dataset[Any]:
        return _AugmentedRows(self.table)

    def _read(self, inputs: Any) -> Tensors:
        return moved(inputs, self.device, self.dtype)


@dataclass(frozen=True)
class Fetched(Augmented):
    """The rows of a table that are fetched from a data set of torch, each time anew."""

    def _rows(self) -> Dataset[Any]:
        return _FetchedRows(self.table)

    def _read(self, inputs: Any) -> Tensors:
        assert isinstance(self.table.inputs, DatasetRows)
        return self.table.inputs.after_changes(inputs)


def _follow(number: int) -> None:
    """Let a helper of the loader die with the process that started it, however that ends."""
    die_with(os.getppid())


class _Steps:
    """An infinite iterator over the keys of each step's rows; the first `taken` steps are skipped."""

    def __init__(self, seeds: list[int], rows: int, batch_size: int | None, taken: int) -> None:
        self.seeds, self.rows, self.batch_size, self.taken = seeds, rows, batch_size, taken

    def __iter__(self) -> Iterator[list[Key]]:
        for steps in zip(*(self._of(seed) for seed in self.seeds), strict=True):
            yield [key for keys in steps for key in keys]

    def _of(self, seed: int) -> Iterator[list[Key]]:
        size = self.batch_size or self.rows
        orders = epoch_orders(self.rows, seed) if self.batch_size else (torch.arange(self.rows) for _ in count())
        epochs, more = place(self.taken, self.rows, size)
        steps = (
            [(seed, epoch, row) for row in rows.tolist()]
            for epoch, order in islice(enumerate(orders), epochs, None)
            for rows in order.split(size)
        )
        return islice(steps, more, None)


class _AugmentedRows(Dataset[Any]):
    """Changed rows by key; its pickle, which goes to the worker processes, holds plain arrays."""

    def __init__(self, table: Table) -> None:
        assert table.augmentation is not None
        self.rows, self.transforms = table.augmentation.rows, table.augmentation.steps
        self.targets = table.targets.cpu()

    def __getitems__(self, keys: list[Key]) -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng(devices=[]):
            changed = torch.stack([self._changed(key) for key in keys])
        return changed, self.targets[[row for _, _, row in keys]]

    def _changed(self, key: Key) -> Tensor:
        torch.default_generator.manual_seed(seed_of(key))
        row = self.rows[key[2]].clone()  # which a transform may change in place
        for transform in self.transforms:
            row = transform(row)
        return row

    def __getstate__(self) -> dict[str, Any]:
        arrays = self.rows.numpy(), self.targets.numpy()
        return {"arrays": arrays, "transforms": pickle.dumps(self.transforms), "plugins": _plugins()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        import_torchvision()  # before pickle does, which would not know how
        self.rows, self.targets = map(torch.from_numpy, state["arrays"])
        self.transforms = _Unpickler(io.BytesIO(state["transforms"]), state["plugins"]).load()


class _FetchedRows(Dataset[Any]):
    """Rows of a data set of torch by key; its pickle, which goes to the worker processes, holds plain arrays."""

    def __init__(self, table: Table) -> None:
        assert isinstance(table.inputs, DatasetRows)
        self.items, self.numbers = table.inputs.items, table.inputs.numbers
        self.targets = table.targets.cpu()

    def __getitems__(self, keys: list[Key]) -> tuple[Tensors, Tensor]:
        rows = [row for _, _, row in keys]
        return self.items.read_each(self.numbers[rows].tolist(), keys), self.targets[rows]

    def __getstate__(self) -> dict[str, Any]:
        arrays = self.numbers.numpy(), self.targets.numpy()
        return {"arrays": arrays, "items": pickle.dumps(self.items), "plugins": _plugins()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.numbers, self.targets = map(torch.from_numpy, state["arrays"])
        self.items = _Unpickler(io.BytesIO(state["items"]), state["plugins"]).load()


def _plugins() -> dict[str, PluginFile]:
    """Return the plugin files that are loaded, by the names of their modules."""
    modules = {name: m.__file__ for name, m in sys.modules.items() if name.startswith("xprun_plugin_")}
    return {name: REGISTRY.files[file] for name, file in modules.items() if file in REGISTRY.files}


class _Unpickler(pickle.Unpickler):
    """Finds functions of plugin files, which no import finds, by the files of their modules."""

    def __init__(self, file: io.BytesIO, plugins: dict[str, PluginFile]) -> None:
        super().__init__(file)
        self.plugins = plugins

    def find_class(self, module: str, name: str) -> Any:
        if module in self.plugins and module not in sys.modules:
            load_file(REGISTRY, self.plugins[module])
        return super().find_class(module, name)


def _as_it_is(batch: Any) -> Any:
    return batch
