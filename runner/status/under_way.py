"""The trainings that are under way, in words: how far each is, its loss and metrics, and how long it still takes."""

from __future__ import annotations

import math
from collections.abc import Callable

from xprun.runner.process.training_progress import TrainingProgress
from xprun.runner.results.results_schema import Comparison

MOST_METRICS = 4  # that a line tells
Name = Callable[[str], str]  # of a run, by its id


class UnderWay:
    """What each training that is under way has told last."""

    def __init__(self) -> None:
        self._units: dict[str, TrainingProgress] = {}

    def hear(self, progress: TrainingProgress) -> None:
        self._units[progress.unit] = progress

    def ended(self, run: str) -> None:
        """Forget a training that has ended: with its runs, of which one names it."""
        self._units.pop(run, None)

    def __len__(self) -> int:
        return len(self._units)

    @property
    def done(self) -> float:
        """How many runs the steps that were taken amount to."""
        return sum(told.open * told.step / max(1, told.steps) for told in self._units.values())


def line(progress: TrainingProgress, comparison: Comparison, name: Name) -> str:
    """Return what is told of a training: `Adam lr=0.1 seed=0: epoch 3 of 20, loss 0.231, valid.mae 0.4; 12 s left`.

    Of several runs, the values are those of the best at the moment.
    """
    best = best_run(progress, comparison)
    several = f"{progress.open:,} runs at {position(progress)}, best now {name(best)}:" if progress.open > 1 else ""
    lone = f"{name(best)}: {position(progress)}," if name(best) else f"{position(progress)},"
    left = f"; {duration(progress.seconds_left)} left" if math.isfinite(progress.seconds_left) else ""
    return f"{several or lone} {_values(progress, best, comparison)}{left}"


def position(progress: TrainingProgress) -> str:
    """Return where a training is: `epoch 3 of 20`, or `step 1,200 of 5,000` where an epoch is a step, or no whole one.

    Epochs that are over are counted, with one decimal while there are few.
    """
    epochs, rest = divmod(progress.steps, progress.per_epoch)
    if progress.per_epoch == 1 or rest:
        return f"step {progress.step:,} of {progress.steps:,}"
    at = progress.step / progress.per_epoch
    return f"epoch {at:.1f} of {epochs:,}" if epochs < 100 and not at.is_integer() else f"epoch {at:,.0f} of {epochs:,}"


def best_run(progress: TrainingProgress, comparison: Comparison) -> str:
    """Return the run whose latest value is best: of the metric that runs are compared by, or of the loss before that.

    A value that is not finite is the worst.
    """
    metric, goal = comparison.measured
    metric, goal = (metric, goal) if progress.has_trained(metric) else ("loss", "min")
    costs = [-value if goal == "max" else value for value in progress.latest[metric][1]]
    return min(zip(progress.runs, costs, strict=True), key=lambda pair: _worst_last(pair[1]))[0]


def duration(seconds: float) -> str:
    """Return seconds as `12 s`, `5 min` or `2.5 h`."""
    minutes, hours = round(seconds / 60), seconds / 3600
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{hours:.1f} h"


def _worst_last(cost: float) -> float:
    return cost if math.isfinite(cost) else math.inf


def _values(progress: TrainingProgress, run: str, comparison: Comparison) -> str:
    """Return the latest values of a run: the loss, the metric that decides, and others while there is room."""
    values = progress.values(run)
    first = [metric for metric in ("loss", comparison.measured[0]) if metric in values]
    metrics = [*dict.fromkeys([*first, *values])][:MOST_METRICS]
    return ", ".join(f"{metric} {values[metric][1]:.4g}" for metric in metrics)
