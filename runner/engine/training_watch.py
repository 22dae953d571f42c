"""Tells, while runs train, how far they are: now and then by the clock, and only where somebody listens."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor
from xprun.runner.process.training_progress import MOST_RUNS, NEVER, Hear, TrainingProgress
from xprun.runner.results.outcome import PARAMETER
from xprun.runner.workload.device_transfer import fetched

if TYPE_CHECKING:
    from xprun.runner.engine.loop import Training

_telling = threading.Lock()  # shards are trained in threads, and share a listener


class TrainingWatch:
    """Tells a listener how far a training is, at most every so many seconds.

    It reads what has been computed anyway, and changes nothing: neither what is computed, nor when.
    """

    def __init__(self, every: float, hear: Hear) -> None:
        self._every, self._hear = every, hear
        self._due = time.monotonic() + every

    def look(self, training: Training, losses: Tensor) -> None:
        """Tell how far a training is whose latest step had these `losses` [S, k], if it is time to."""
        if time.monotonic() < self._due:
            return
        with _telling:
            self._hear(progress_of(training, fetched(losses).numpy().reshape(training.program.shape)))
        self._due = time.monotonic() + self._every


def make_watch(every: float, hear: Hear | None) -> TrainingWatch | None:
    """Return a watch for a listener; None where there is nobody, or who never wants to be told."""
    return TrainingWatch(every, hear) if hear is not None and every < NEVER else None


def progress_of(training: Training, losses: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> TrainingProgress:
    """Return how far a training is; `losses` [S, k] are those of the latest step."""
    schedule, grid = training.work.schedule, training.grid
    cells = np.argwhere(training.open[:, training.columns])
    told = cells[:MOST_RUNS]
    rows, places = told[:, 0], told[:, 1]
    latest = {"loss": (training.steps, losses[rows, places].tolist())}
    for metric, history in training.histories.items():
        if metric != "loss" and not metric.startswith(PARAMETER) and (newest := history.newest()):
            step, table = newest
            latest[metric] = step, table[rows, training.columns[places]].tolist()
    return TrainingProgress(
        unit=grid.runs[0][0].id,
        runs=[grid.runs[s][k].id for s, k in zip(rows, training.columns[places], strict=True)],
        open=len(cells),
        step=training.steps,
        steps=schedule.steps,
        per_epoch=schedule.steps_per_epoch,
        seconds_left=_seconds_left(training),
        latest=latest,
    )


def _seconds_left(training: Training) -> float:
    """Return about how long a training has still to go, at the pace that it had so far."""
    passed = time.perf_counter() - training.started
    left = training.work.schedule.steps - training.steps
    return min(passed / training.steps * left if training.steps else math.inf, training.rules.seconds_left)
