"""What is measured of all runs of a program at once: losses and metrics, matrices, and what is drawn of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from xprun.plugins.datasets.table import Table
from xprun.plugins.tensor_groups import LazyRows, Tensors, concatenate, split_into
from xprun.runner.engine.metric_history import Numbers
from xprun.runner.engine.programs.program import Program
from xprun.runner.engine.stop_rules import Mask
from xprun.runner.results.results_schema import LOSS
from xprun.runner.workload.data_split import AT_ONCE
from xprun.runner.workload.device_memory import is_out_of_memory, release_memory, room_on
from xprun.runner.workload.device_transfer import fetched
from xprun.runner.workload.measures import Measure
from xprun.runner.workload.visual_data import LOOKED_AT, Visuals, as_lists, read_visuals
from xprun.runner.workload.workload import Workload

T = TypeVar("T")
FEWEST = 2**10  # numbers of a chunk that is not cut any further


class Evaluation:
    """Measures the runs of a program on the data of its workload, a few columns at a time.

    Where an accelerator has not the memory for what was thought to fit, there are half as many from then on.
    """

    def __init__(self, work: Workload, program: Program) -> None:
        self.work, self.program = work, program
        self.numbers = room_on(work.device).evaluation  # that one chunk works on
        self.prepared = {name: self._prepare(table) for name, table in work.splits.items()}

    def measure(self) -> dict[str, Numbers]:
        """Return `train.loss`, `valid.accuracy`, ... as arrays [S, k]."""
        return self._in_what_fits(self._measure)

    def _measure(self) -> dict[str, Numbers]:
        found: dict[str, Numbers] = {}
        for split, table in self.work.splits.items():
            chunks = [
                self._measured(self.work.metrics, table, columns, self.prepared[split])
                for columns in self._chunks(len(table))
            ]
            for name in chunks[0]:
                values = torch.cat([chunk[name] for chunk in chunks], 1) if len(chunks) > 1 else chunks[0][name]
                found |= self._told(split, name, fetched(values).numpy().reshape(self.program.shape), len(table))
        return found

    def _told(self, split: str, name: str, values: Numbers, rows: int) -> dict[str, Numbers]:
        """Return a measure of so many rows as it is told."""
        return self.work.told_losses(split, values, rows) if name == LOSS else {f"{split}.{name}": values}

    def at_end(self, chosen: Mask) -> dict[str, Numbers]:
        """Return what is measured of the chosen runs as they end, `test.loss`, ..., as arrays [S, k]; NaN of others."""
        return self._in_what_fits(partial(self._at_end, chosen))

    def _at_end(self, chosen: Mask) -> dict[str, Numbers]:
        found: dict[str, Numbers] = {}
        for split, table in self.work.splits_at_end.items():
            prepared = self._prepare(table)
            for columns in self._chunks(len(table)):
                if chosen[:, columns].any():
                    for name, values in self._measured(self.work.metrics, table, columns, prepared).items():
                        whole = found.setdefault(f"{split}.{name}", np.full(self.program.shape, np.nan))
                        whole[:, columns] = fetched(values).numpy().reshape(whole[:, columns].shape)
            if chosen.any():
                found |= self.work.told_losses(split, found[f"{split}.{LOSS}"], len(table))
        return found

    def matrices(self) -> dict[str, Tensor]:
        """Return `valid.confusion`, ... as tensors [S, k, rows, columns]."""
        found: dict[str, Tensor] = {}
        if not self.work.matrices:
            return found
        for split, table in self.work.splits_of_matrices.items():
            measured = self._measured(self.work.matrices, table, slice(None), self._prepare(table))
            for name in self.work.matrices:
                matrix = measured[name].cpu()
                found[f"{split}.{name}"] = matrix.reshape(*self.program.shape, *matrix.shape[-2:])
        return found

    def _prepare(self, table: Table) -> Any:
        """Return the rows of a table as the program takes them, or None where it takes them in pieces."""
        most = self.program.rows_at_once
        if isinstance(table.inputs, LazyRows) or (most is not None and most < len(table)):
            return None
        return self.program.prepare(table.inputs, table.targets)

    def _measured(self, metrics: dict[str, Measure], table: Table, columns: slice, prepared: Any) -> dict[str, Tensor]:
        """Return the loss and metrics of some columns on a table; one that is not prepared is predicted in pieces."""
        if prepared is not None:
            return self.program.measure(metrics, prepared, table.targets, columns)
        rows = min(AT_ONCE, self.program.rows_at_once or AT_ONCE)
        pieces = zip(split_into(table.inputs, rows), table.targets.split(rows), strict=True)
        outputs = [self.program.predict(self.program.prepare(x, y), columns) for x, y in pieces]
        return self.program.judge(self.work.loss, metrics, concatenate(outputs, 2), table.targets, columns)

    def visuals(self, chosen: Mask) -> dict[tuple[int, int], Visuals]:
        """Return what is drawn of the chosen runs [S, k], by their places."""
        return self._in_what_fits(partial(self._visuals, chosen))

    def _visuals(self, chosen: Mask) -> dict[tuple[int, int], Visuals]:
        found = {}
        for columns in self._chunks(LOOKED_AT):
            if chosen[:, columns].any():
                tables = read_visuals(self.work, partial(self._predict, columns))
                for s, i in np.argwhere(chosen[:, columns]):
                    found[s, columns.start + i] = as_lists(tables, s, i)
        return found

    def _predict(self, columns: slice, inputs: Tensors, targets: Tensor) -> Tensors:
        """Return the outputs [S, k, N, ...] of some columns for rows [N, ...]."""
        return self.program.predict(self.program.prepare(inputs, targets), columns)

    def _chunks(self, rows: int) -> Iterator[slice]:
        """Yield slices of the columns, small enough for their outputs to fit."""
        groups, columns = self.program.shape
        width = max(1, self.numbers // (groups * max(1, self.program.numbers_per_run(min(rows, AT_ONCE)))))
        return (slice(k, min(k + width, columns)) for k in range(0, columns, width))

    def _in_what_fits(self, look: Callable[[], T]) -> T:
        """Return what a look at the runs finds; one that takes too much memory is taken again, of fewer at once."""
        while True:
            try:
                return look()
            except Exception as error:
                if not is_out_of_memory(error) or self.numbers < FEWEST:
                    raise
            release_memory(self.work.device)
            self.numbers //= 2
