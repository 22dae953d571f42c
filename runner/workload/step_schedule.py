"""When things happen in a run: its steps, its evaluations, and which steps the history keeps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xprun.specs import RunSettings
from xprun.specs.language.schema import Stop

MAX_POINTS = 2000
MAX_EVALUATIONS = 200
BLOCK = 1000  # steps between two looks at the losses; a look costs a synchronisation of the device
CLOCK_BLOCK = 20  # steps between two looks at the clock, where a stop rule asks for the time


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run of `steps` steps, `steps_per_epoch` of them an epoch; one of none is only measured.

    An interval that is None grows with the steps that are over, for a run that ends when its time is up: how many steps
    it asks for tells nothing of how many it will take.
    """

    steps: int
    steps_per_epoch: int
    evaluate_every: int | None  # steps
    record_every: int | None  # steps
    stop: Stop | None = None

    @classmethod
    def of(cls, settings: RunSettings, per_epoch: int, *, evaluates: bool) -> Schedule:
        """Return the schedule of a run with so many steps an epoch, which has something to evaluate or not."""
        steps = (settings.epochs or 0) * per_epoch if settings.steps is None else settings.steps
        timed = settings.stop is not None and settings.stop.max_seconds is not None
        epochs = settings.evaluate_every or (None if timed else math.ceil(steps / per_epoch / MAX_EVALUATIONS) or 1)
        return cls(
            steps,
            per_epoch,
            (epochs and epochs * per_epoch) if evaluates else max(1, steps),
            settings.record_every or (None if timed else _round_interval(steps, MAX_POINTS)),
            settings.stop,
        )

    def block_ends(self, after: int = 0, checkpoint_every: int | None = None) -> Iterator[int]:
        """Yield the steps after which a loop looks up: evaluations, the end, and at most so many steps between.

        `checkpoint_every` so many epochs is one, too; steps up to `after` are left out.
        """
        block = BLOCK
        if self.stop and self.stop.max_seconds is not None:
            block = CLOCK_BLOCK
        if self.stop and self.stop.loss_below is not None:
            block = 1  # the rule must see each loss before the next step
        saved = (checkpoint_every or max(1, self.steps)) * self.steps_per_epoch
        evaluation = end = after
        while end < self.steps:
            if evaluation <= end:
                evaluation = self._next_evaluation(end)
            end = min(end - end % block + block, end - end % saved + saved, evaluation, self.steps)
            yield end

    def saves_after(self, step: int, checkpoint_every: int | None) -> bool:
        """Whether a training is saved after a step, where that is asked for every so many epochs."""
        every = (checkpoint_every or self.steps) * self.steps_per_epoch
        return step < self.steps and step % every == 0

    def evaluates_after(self, step: int) -> bool:
        return step == self.steps or step % self._evaluates_every(step) == 0

    def records(self, steps: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these steps, of which each follows the one before, the history of the loss keeps."""
        first, last = self._records_every(int(steps[0])), self._records_every(int(steps[-1]))
        every = first if first == last else np.array([self._records_every(step) for step in steps.tolist()])
        kept: NDArray[np.bool_] = (steps % every == 0) | (steps == 1) | (steps == self.steps)
        return kept

    def seconds(self, per_step: float) -> float:
        """Return how long a run, or runs that are trained together, take at most when a step takes so many seconds."""
        limit = self.stop.max_seconds if self.stop else None
        return per_step * self.steps if limit is None else min(per_step * self.steps, limit)

    def evaluations(self, steps: int) -> int:
        """Return how many evaluations there are in the first so many steps, of which the last is evaluated.

        That of the untrained model is the first.
        """
        if self.evaluate_every:
            return 1 - (-steps // self.evaluate_every)
        found, step = 1, 0
        while step < steps:
            found, step = found + 1, self._next_evaluation(step)
        return found

    def epoch_of(self, step: int) -> float:
        return step / self.steps_per_epoch

    def _next_evaluation(self, step: int) -> int:
        """Return the first step after this one that is evaluated."""
        while True:
            every = self._evaluates_every(step + 1)
            step += every - step % every
            if step >= self.steps or self.evaluates_after(step):
                return step

    def _evaluates_every(self, step: int) -> int:
        """Return how many steps are between evaluations up to this step."""
        if self.evaluate_every:
            return self.evaluate_every
        return _round_interval(math.ceil(step / self.steps_per_epoch), MAX_EVALUATIONS) * self.steps_per_epoch

    def _records_every(self, step: int) -> int:
        """Return how many steps are between those that are kept up to this step."""
        return self.record_every or _round_interval(step, MAX_POINTS)


def _round_interval(steps: int, most: int) -> int:
    """Return 1, 2, 5, 10, 20, ... such that at most so many steps are kept."""
    interval = 1
    while steps / interval > most:
        leading = int(str(interval)[0])
        interval = interval * 5 // 2 if leading == 2 else interval * 2
    return interval
