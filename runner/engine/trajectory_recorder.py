"""The path of a small model: where its parameters were before chosen steps, and the gradients there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from xprun.runner.engine.programs.program import Program
from xprun.runner.results.results_schema import GRADIENT, PARAMETER
from xprun.runner.workload.device_transfer import fetched
from xprun.runner.workload.workload import Workload

REPORTED_PARAMETERS = 16  # a model with at most so many numbers has them as columns of the results
MOST_NUMBERS = 4  # of a model whose path is kept; others have too many for one plot
EVERY = 100  # steps from the first on of which none is left out
MOST = 1000  # steps ahead of which a loop asks
SPACING = 1.04  # of the steps after those


class TrajectoryRecorder:
    """The parameters [*runs, P] that `read` returns, before the steps at which they are wanted, and their gradients.

    A gradient is that of the loss which the history has of the step: on its batch, before its update, and before it is
    clipped; where a step has several batches it is the mean of theirs. An optimizer that asks for more gradients in a
    step is not listened to. `columns` tells where in P each number stands, by the name it has in tables.
    """

    def __init__(
        self, steps: frozenset[int], columns: dict[str, int], read: Callable[[], Tensor], program: Program
    ) -> None:
        self._steps, self._columns, self._read, self._program = steps, columns, read, program
        self._parameters: dict[int, Tensor] = {}  # by step, as are the gradients
        self._gradients: dict[int, Tensor] = {}
        self._batches, self._left = 1, 0  # of the step at hand, and those whose gradient is still to come

    def before(self, step: int, batches: int = 1) -> bool:
        """Look at the parameters that a step of so many batches is about to change; tell whether anybody wants that.

        Its gradient is looked at when the program computes it.
        """
        if step not in self._steps:
            return False
        self._parameters[step] = self._read()
        self._batches = self._left = batches
        self._program.watch_gradient(partial(self._see, step))
        return True

    def _see(self, step: int, gradient: Tensor) -> None:
        """Take in the gradient [*runs, P] of a batch."""
        share = gradient / self._batches if self._batches > 1 else gradient
        self._gradients[step] = share if self._left == self._batches else self._gradients[step] + share
        self._left -= 1
        if not self._left:
            self._program.watch_gradient(None)

    def until(self, step: int) -> int:
        """Return how many steps, from this one on, nobody looks at but the first: before the second none is wanted."""
        return next((i for i in range(1, MOST) if step + i in self._steps), MOST) if self._steps else MOST

    def take(self) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
        """Yield of each number its name, the steps [T] since the last call, and its values [T, *runs] before them.

        Then the same of its gradient.
        """
        for prefix, kept in ((PARAMETER, self._parameters), (GRADIENT, self._gradients)):
            if kept:
                steps, values = np.array(list(kept)), fetched(torch.stack(list(kept.values()))).numpy()
                kept.clear()
                for name, place in self._columns.items():
                    yield prefix + name, steps, values[..., place]


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
