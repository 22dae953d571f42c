"""The path of a small model: where its parameters were before chosen steps, for plots of how they moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from xprun.runner.results.outcome import PARAMETER
from xprun.runner.workload.device_transfer import fetched
from xprun.runner.workload.workload import Workload

REPORTED_PARAMETERS = 16  # a model with at most so many numbers has them as columns of the results
MOST_NUMBERS = 4  # of a model whose path is kept; others have too many for one plot
EVERY = 100  # steps from the first on of which none is left out
MOST = 1000  # steps ahead of which a loop asks
SPACING = 1.04  # of the steps after those


class TrajectoryRecorder:
    """The parameters [*runs, P] that `read` returns, before the steps at which they are wanted.

    `columns` tells where in P each number stands, by the name it has in tables.
    """

    def __init__(self, steps: frozenset[int], columns: dict[str, int], read: Callable[[], Tensor]) -> None:
        self._steps, self._columns, self._read = steps, columns, read
        self._kept: list[tuple[int, Tensor]] = []

    def before(self, step: int) -> None:
        """Look at the parameters that a step is about to change."""
        if step in self._steps:
            self._kept.append((step, self._read()))

    def until(self, step: int) -> int:
        """Return how many steps, from this one on, nobody looks at but the first: before the second none is wanted."""
        return next((i for i in range(1, MOST) if step + i in self._steps), MOST) if self._steps else MOST

    def take(self) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
        """Yield of each number its name, the steps [T] since the last call, and its values [T, *runs] before them."""
        if not self._kept:
            return
        steps = np.array([step for step, _ in self._kept])
        values = fetched(torch.stack([parameters for _, parameters in self._kept])).numpy()
        self._kept.clear()
        for name, place in self._columns.items():
            yield PARAMETER + name, steps, values[..., place]


def wanted_steps(work: Workload, parameters: int) -> frozenset[int]:
    """Return the steps before which a model of so many trained numbers is looked at; none where it is not."""
    return path_steps(work.schedule.steps) if work.visuals and 0 < parameters <= MOST_NUMBERS else frozenset()


@cache
def path_steps(steps: int) -> frozenset[int]:
    """Return which steps of a run are looked at: the first 100, then each 4% after the one before, and the last.

    A path turns early and often, and then comes slowly to rest, so that equal distances would miss what happens.
    """
    found, step = set(range(1, min(EVERY, steps) + 1)), float(EVERY)
    while (step := step * SPACING) < steps:
        found.add(int(step))
    return frozenset(found | {steps})


def number_places(views: dict[str, Tensor]) -> dict[str, int]:
    """Return the places of the numbers by their names in tables, from views of the vector 0, 1, ... P-1."""
    return {key: int(place) for name, view in views.items() for key, place in numbers(name, view)}


def numbers(name: str, parameter: Tensor) -> list[tuple[str, float]]:
    """Return the numbers of a parameter with the names they have in tables: `b`, or `w[0]`, `w[1]`."""
    values = fetched(parameter).flatten().tolist()
    return [(name, values[0])] if len(values) == 1 else [(f"{name}[{i}]", v) for i, v in enumerate(values)]
