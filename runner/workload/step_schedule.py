"""When things happen in a run: its steps, its evaluations, and which steps the history keeps."""

from __future__ import annotations

import math
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
    """A run of `steps` steps, `steps_per_epoch` of them an epoch; one of none is only measured."""

    steps: int
    steps_per_epoch: int
    evaluate_every: int  # steps
    record_every: int  # steps
    stop: Stop | None = None

    @classmethod
    def of(cls, settings: RunSettings, per_epoch: int, *, evaluates: bool) -> Schedule:
        """Return the schedule of a run with so many steps an epoch, which has something to evaluate or not."""
        steps = (settings.epochs or 0) * per_epoch if settings.steps is None else settings.steps
        epochs = max(1, math.ceil(steps / per_epoch))
        every = settings.evaluate_every or math.ceil(epochs / MAX_EVALUATIONS)
        return cls(
            steps,
            per_epoch,
            every * per_epoch if evaluates else max(1, steps),
            settings.record_every or _round_interval(steps),
            settings.stop,
        )

    def block_ends(self, after: int = 0, checkpoint_every: int | None = None) -> list[int]:
        """Return the steps after which a loop looks up: evaluations, the end, and at most so many steps between.

        `checkpoint_every` so many epochs is one, too; steps up to `after` are left out.
        """
        block = BLOCK
        if self.stop and self.stop.max_seconds is not None:
            block = CLOCK_BLOCK
        if self.stop and self.stop.loss_below is not None:
            block = 1  # the rule must see each loss before the next step
        ends = set(range(self.evaluate_every, self.steps, self.evaluate_every)) | {self.steps}
        saved = (checkpoint_every or max(1, self.steps)) * self.steps_per_epoch
        ends |= set(range(block, self.steps, block)) | set(range(saved, self.steps, saved))
        return sorted(end for end in ends if end > after)

    def saves_after(self, step: int, checkpoint_every: int | None) -> bool:
        """Whether a training is saved after a step, where that is asked for every so many epochs."""
        every = (checkpoint_every or self.steps) * self.steps_per_epoch
        return step < self.steps and step % every == 0

    def evaluates_after(self, step: int) -> bool:
        return step == self.steps or step % self.evaluate_every == 0

    def records(self, steps: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these steps the history of the loss keeps."""
        kept: NDArray[np.bool_] = (steps % self.record_every == 0) | (steps == 1) | (steps == self.steps)
        return kept

    def epoch_of(self, step: int) -> float:
        return step / self.steps_per_epoch


def _round_interval(steps: int) -> int:
    """Return 1, 2, 5, 10, 20, ... such that at most MAX_POINTS steps are kept."""
    interval = 1
    while steps / interval > MAX_POINTS:
        leading = int(str(interval)[0])
        interval = interval * 5 // 2 if leading == 2 else interval * 2
    return interval
