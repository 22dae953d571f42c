"""The history of a metric: one array for all runs while they train, cut to each run's length at the end."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from xprun.runner.results.outcome import Series
from xprun.runner.store.snapshots import State

Numbers = NDArray[np.float64]
Steps = NDArray[np.int64]


class MetricHistory:
    """A metric of all runs [S, K], recorded at the same steps."""

    def __init__(self, groups: int, columns: int) -> None:
        self._shape = groups, columns
        self._blocks: list[tuple[Steps, Numbers, Steps]] = []
        self._extra: dict[tuple[int, int], tuple[int, float]] = {}

    def add(self, steps: Steps, values: Numbers, columns: Steps) -> None:
        """Add values [T, S, k] measured at `steps` [T] for these columns [k]."""
        if len(steps):
            self._blocks.append((steps, values, columns))

    def add_last(self, s: int, k: int, step: int, value: float) -> None:
        """Add the value of one run at its last step, which the others' steps need not contain."""
        self._extra[s, k] = step, value

    def newest(self) -> tuple[int, Numbers] | None:
        """Return the latest step that all open runs were measured at, and the values [S, K]; NaN for columns that left.

        None where there is none.
        """
        if not self._blocks or not len(self._blocks[-1][0]):
            return None
        steps, values, columns = self._blocks[-1]
        return int(steps[-1]), self._table(values[-1], columns)

    def untrained(self) -> Numbers | None:
        """Return the values [S, K] before the first step, which is step 0; None where there are none."""
        if not self._blocks or not len(self._blocks[0][0]):
            return None
        steps, values, columns = self._blocks[0]
        return None if steps[0] else self._table(values[0], columns)

    def _table(self, values: Numbers, columns: Steps) -> Numbers:
        """Return values [S, k] of some columns as those of all [S, K]; NaN for the others."""
        table = np.full(self._shape, np.nan)
        table[:, columns] = values
        return table

    def series(self, s: int, k: int, until: int) -> Series | None:
        """Return the series of one run up to its last step, or None where nothing was measured."""
        all_steps, table = self._join()
        count = int(np.searchsorted(all_steps, until, side="right"))
        steps, values = all_steps[:count], table[:count, s, k]
        last = self._extra.get((s, k))
        if last and (count == 0 or steps[-1] != last[0]):
            steps, values = np.append(steps, last[0]), np.append(values, last[1])
        return Series(steps, values) if len(steps) else None

    def state(self) -> State:
        steps, table = self._join()
        return {
            "steps": torch.from_numpy(steps),
            "table": torch.from_numpy(table),
            "extra": [[*map(int, (s, k, step)), float(value)] for (s, k), (step, value) in self._extra.items()],
        }

    def restore(self, state: State) -> None:
        self._blocks = [(state["steps"].numpy(), state["table"].numpy(), np.arange(self._shape[1]))]
        self._extra = {(s, k): (step, value) for s, k, step, value in state["extra"]}

    def _join(self) -> tuple[Steps, Numbers]:
        """Return all steps [T] and the table [T, S, K]; NaN where a column had left."""
        if len(self._blocks) != 1 or len(self._blocks[0][2]) < self._shape[1]:
            length = sum(len(steps) for steps, _, _ in self._blocks)
            table = np.full((length, *self._shape), np.nan)
            start = 0
            for steps, values, columns in self._blocks:
                table[start : start + len(steps), :, columns] = values
                start += len(steps)
            all_steps = np.concatenate([np.array([], dtype=np.int64), *(steps for steps, _, _ in self._blocks)])
            self._blocks = [(all_steps, table, np.arange(self._shape[1]))]
        return self._blocks[0][:2]
