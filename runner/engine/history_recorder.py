"""Collects the history of a lone run on its way to an outcome."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from xprun.runner.results.outcome import Series
from xprun.runner.store.snapshots import State


class Recorder:
    """The series of one run so far, by metric."""

    def __init__(self) -> None:
        self._steps: dict[str, list[NDArray[np.int64]]] = {}
        self._values: dict[str, list[NDArray[np.float64]]] = {}

    def add(self, metric: str, steps: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        self._steps.setdefault(metric, []).append(steps)
        self._values.setdefault(metric, []).append(values)

    def history(self) -> dict[str, Series]:
        return {
            metric: Series(np.concatenate(self._steps[metric]), np.concatenate(self._values[metric]))
            for metric in self._steps
        }

    def state(self) -> State:
        history = self.history()
        return {
            "steps": {metric: torch.from_numpy(series.steps) for metric, series in history.items()},
            "values": {metric: torch.from_numpy(series.values) for metric, series in history.items()},
        }

    def restore(self, state: State) -> None:
        self._steps = {metric: [steps.numpy()] for metric, steps in state["steps"].items()}
        self._values = {metric: [values.numpy()] for metric, values in state["values"].items()}
