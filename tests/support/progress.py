"""Progress of trainings from plain values."""

from __future__ import annotations

from typing import Any

from xprun.runner.process.training_progress import TrainingProgress


def progress_of(losses: dict[str, list[float]], step: int | None = None, **values: Any) -> TrainingProgress:
    """Return the progress of runs with these losses so far, one a step; `values` are in the place of the plain ones."""
    runs = list(losses)
    taken = step or max(map(len, losses.values()))
    told: dict[str, Any] = {"unit": runs[0], "runs": runs, "open": len(runs), "step": taken, "steps": 10}
    told |= {"per_epoch": 1, "seconds_left": 4.0, "latest": {"loss": (taken, [found[-1] for found in losses.values()])}}
    return TrainingProgress(**told | values)
