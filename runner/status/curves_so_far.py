"""The curves, so far, of runs that are in training: a bounded number of them, each of a bounded number of points."""

from __future__ import annotations

from dataclasses import dataclass, field

from xprun.runner.process.training_progress import TrainingProgress
from xprun.runner.results.results_schema import LOSS_PER_ROW

MOST_RUNS = 60  # that are drawn at a time
MOST_METRICS = 4
MOST_POINTS = 120  # of a curve; beyond, every second one is left out

Curve = tuple[list[int], list[float]]  # steps, and the values there


@dataclass
class CurvesSoFar:
    """What runs in training have told, by run and metric; `per_epoch` are the steps of an epoch of the latest."""

    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)
    per_epoch: int = 1

    def hear(self, progress: TrainingProgress, first: str) -> None:
        """Add the latest points of the runs that are drawn; where there are many metrics, `first` is among them."""
        self.per_epoch = progress.per_epoch
        wanted = sorted(progress.latest, key=lambda metric: _rank(metric, first))[:MOST_METRICS]
        for at, run in enumerate(progress.runs):
            if run in self.curves or len(self.curves) < MOST_RUNS:
                curves = self.curves.setdefault(run, {})
                for metric in wanted:
                    if metric in progress.untrained:
                        _add(curves.setdefault(metric, ([], [])), 0, progress.untrained[metric][at])
                    step, values = progress.latest[metric]
                    _add(curves.setdefault(metric, ([], [])), step, values[at])

    def ended(self, run: str) -> None:
        """Leave out a run that has ended: the report shows it."""
        self.curves.pop(run, None)


def _rank(metric: str, first: str) -> tuple[bool, bool, str]:
    """Return what sorts metrics by how much they tell: a loss per row has the curve of the loss that it is of."""
    return metric not in ("loss", first), metric.endswith(LOSS_PER_ROW), metric


def _add(curve: Curve, step: int, value: float) -> None:
    """Add a point where it is a new one; one of a training that has begun again takes the place of what was there."""
    steps, values = curve
    if steps and step < steps[-1]:
        steps.clear()
        values.clear()
    if not steps or step > steps[-1]:
        steps.append(step)
        values.append(value)
    if len(steps) > MOST_POINTS:
        del steps[1:-1:2], values[1:-1:2]
