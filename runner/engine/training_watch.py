"""Tells, while runs train, how far they are: now and then by the clock, and only where somebody listens."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from xprun.runner.engine.metric_history import MetricHistory
from xprun.runner.process.training_progress import MOST_RUNS, NEVER, Hear, TrainingProgress
from xprun.runner.results.results_schema import LOSS_PER_ROW, is_of_step
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
        self._has_told = False

    def look(self, training: Training, losses: Tensor) -> None:
        """Tell how far a training is whose latest step had these `losses` [S, k], if it is time to."""
        if time.monotonic() < self._due:
            return
        progress = progress_of(training, fetched(losses).numpy().reshape(training.program.shape))
        with _telling:
            self._hear(progress if self._has_told else replace(progress, untrained=_untrained(training)))
        self._has_told = True
        self._due = time.monotonic() + self._every


def make_watch(every: float, hear: Hear | None) -> TrainingWatch | None:
    """Return a watch for a listener; None where there is nobody, or who never wants to be told."""
    return TrainingWatch(every, hear) if hear is not None and every < NEVER else None


def progress_of(training: Training, losses: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> TrainingProgress:
    """Return how far a training is; `losses` [S, k] are those of the latest step."""
    schedule, grid = training.work.schedule, training.grid
    rows, places = _told(training)
    latest = {"loss": (training.steps, losses[rows, np.searchsorted(training.columns, places)].tolist())}
    for metric, history in _evaluated(training):
        if newest := history.newest():
            step, table = newest
            latest[metric] = step, table[rows, places].tolist()
    return TrainingProgress(
        unit=grid.runs[0][0].id,
        runs=[grid.runs[s][k].id for s, k in zip(rows, places, strict=True)],
        open=int(training.open.sum()),
        step=training.steps,
        steps=schedule.steps,
        per_epoch=schedule.steps_per_epoch,
        seconds_left=_seconds_left(training),
        latest=latest,
    )


def _untrained(training: Training) -> dict[str, list[float]]:
    """Return by metric what was measured, before their first step, of the runs that are told of."""
    rows, places = _told(training)
    tables = {metric: history.untrained() for metric, history in _evaluated(training)}
    return {metric: table[rows, places].tolist() for metric, table in tables.items() if table is not None}


def _told(training: Training) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places in the grid of the runs that are told of: the first of those that are open."""
    groups, columns = training.open.nonzero()
    return groups[:MOST_RUNS], columns[:MOST_RUNS]


def _evaluated(training: Training) -> Iterator[tuple[str, MetricHistory]]:
    """Yield the histories of what is measured at evaluations, by metric; last what follows from another."""
    for metric, history in sorted(training.histories.items(), key=lambda item: item[0].endswith(LOSS_PER_ROW)):
        if not is_of_step(metric):
            yield metric, history


def _seconds_left(training: Training) -> float:
    """Return about how long a training has still to go, at the pace that it had so far."""
    passed = time.perf_counter() - training.started
    left = training.work.schedule.steps - training.steps
    return min(passed / training.steps * left if training.steps else math.inf, training.rules.seconds_left)
