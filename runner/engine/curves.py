"""The histories of stacked runs: kept as whole arrays while they train, cut to each run's length at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from xprun.runner.outcome import Series

Numbers = NDArray[np.float64]
Steps = NDArray[np.int64]


class Curves:
    """One quantity of all runs [S, K], measured at the same steps."""

    def __init__(self, groups: int, columns: int) -> None:
        self._shape = groups, columns
        self._blocks: list[tuple[Steps, Numbers, Steps]] = []
        self._extra: dict[tuple[int, int], tuple[int, float]] = {}
        self._table: tuple[Steps, Numbers] | None = None

    def add(self, steps: Steps, values: Numbers, columns: Steps) -> None:
        """Add values [T, S, k] measured at `steps` [T] for these columns [k]."""
        self._blocks.append((steps, values, columns))

    def add_last(self, s: int, k: int, step: int, value: float) -> None:
        """Add the value of one run at its last step, which the others' steps need not contain."""
        self._extra[s, k] = step, value

    def series(self, s: int, k: int, until: int) -> Series | None:
        """Return the series of one run up to its last step, or None where nothing was measured."""
        all_steps, table = self._table or self._join()
        count = int(np.searchsorted(all_steps, until, side="right"))
        steps, values = all_steps[:count], table[s, k, :count]
        last = self._extra.get((s, k))
        if last and (count == 0 or steps[-1] != last[0]):
            steps, values = np.append(steps, last[0]), np.append(values, last[1])
        return Series(steps, values) if len(steps) else None

    def _join(self) -> tuple[Steps, Numbers]:
        """Return all steps [T] and the table [S, K, T]; NaN where a column had left."""
        steps = np.concatenate([block[0] for block in self._blocks]) if self._blocks else np.array([], dtype=np.int64)
        table = np.full((*self._shape, len(steps)), np.nan)
        start = 0
        for block_steps, values, columns in self._blocks:
            table[:, columns, start : start + len(block_steps)] = values.transpose(1, 2, 0)
            start += len(block_steps)
        self._blocks.clear()
        self._table = steps, table
        return self._table
