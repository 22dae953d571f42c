"""What schedulers make of the settings of a family, step by step: numbers where all runs agree, or one for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from xprun.runner.engine.per_run import doubles_on
from xprun.runner.resolve.timetable import Timetable
from xprun.runner.workload.device_transfer import sent

BLOCK = 1000  # steps whose values are laid out at once


class SettingsSchedule:
    """The timetables of n runs; `own` [n] are the momenta of those whose timetable has none."""

    def __init__(self, timetables: list[Timetable], own: list[float | None], like: Tensor) -> None:
        self.timetables, self.own, self.like = timetables, own, like
        self.agree = all(timetable == timetables[0] for timetable in timetables)
        self.cycles = any(timetable.momentum for timetable in timetables)
        self._start, self._lr, self._momentum = 0, torch.empty(0), torch.empty(0)

    def changes_at(self, step: int) -> bool:
        """Whether the values for this step may differ from those for the step before."""
        return not self.agree or self.timetables[0].changes_at(step)

    def at(self, step: int) -> tuple[Any, Any]:
        """Return the learning rate, and the momentum or None, for a step counted from 1: numbers, or tensors [n]."""
        if self.agree:
            found = self.timetables[0].settings_at(step, {})
            return found["lr"], found.get("momentum")
        if not self._start < step <= self._start + len(self._lr):
            self._fill(step - 1)
        i = step - 1 - self._start
        return self._lr[i], self._momentum[i] if self.cycles else None

    def over(self, start: int, count: int) -> tuple[Tensor, Tensor | None]:
        """Return the learning rates [count, n] of the steps after `start`, and the momenta, or None, as doubles."""
        lr = self._table([_values(t, t.lr, start, count) for t in self.timetables])
        if not self.cycles:
            return lr, None
        pairs = zip(self.timetables, self.own, strict=True)
        momenta = [_values(t, t.momentum or [own] * len(t.lr), start, count) for t, own in pairs]
        return lr, self._table(momenta)

    def keep(self, columns: list[int]) -> SettingsSchedule:
        """Return the schedule of these columns only."""
        return SettingsSchedule([self.timetables[i] for i in columns], [self.own[i] for i in columns], self.like)

    def _fill(self, start: int) -> None:
        """Lay out the values [BLOCK, n] of the steps after `start`."""
        self._start = start
        self._lr, momentum = self.over(start, BLOCK)
        self._momentum = self._momentum if momentum is None else momentum

    def _table(self, columns: list[NDArray[np.float64]]) -> Tensor:
        return sent(torch.from_numpy(np.stack(columns, 1)), doubles_on(self.like.device))


def _values(timetable: Timetable, values: Sequence[Any], start: int, count: int) -> NDArray[np.float64]:
    """Return a run's values [count] for the steps after `start`, the last one again where the run is over."""
    ticks = np.minimum(np.arange(start, start + count) // timetable.interval, len(values) - 1)
    part: NDArray[np.float64] = np.array(values[ticks[0] : ticks[-1] + 1], dtype=np.float64)
    found: NDArray[np.float64] = part[ticks - ticks[0]]
    return found
