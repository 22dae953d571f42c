"""The columns of a run's row that tell how it ended and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from xprun.runner.results.compared_value import steps_to_target
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import (
    DEVICE,
    ENGINE,
    EPOCHS,
    HOST,
    REASON,
    SECONDS,
    STATUS,
    STEPS,
    STEPS_COLUMN,
    THREADS,
    TOGETHER,
    TORCH,
    Comparison,
    best,
    checkpoint,
    final,
    is_of_test,
    parameter,
    reference,
)
from xprun.specs import Run

Pairs = list[tuple[Run, Outcome]]  # runs that have ended, in the order of the plan


def result_columns(outcome: Outcome, goals: Mapping[str, str], comparison: Comparison | None) -> dict[str, Any]:
    """Return how a run ended (`status`, `steps`, ...) and what came out (`final.loss`, `best.loss`, `param.w`, ...).

    And its steps to the target, where runs are compared by these.
    """
    timed = comparison is not None and comparison.by_time
    steps = {STEPS_COLUMN.name: steps_to_target(comparison, outcome)} if comparison and timed else {}
    return {**_ending(outcome), **steps, **_metrics(outcome, goals)}


def _ending(outcome: Outcome) -> dict[str, Any]:
    names = (STATUS, REASON, STEPS, EPOCHS, SECONDS, TOGETHER, ENGINE, TORCH, HOST, DEVICE, THREADS)
    return {name: getattr(outcome, name) for name in names}


def _metrics(outcome: Outcome, goals: Mapping[str, str]) -> dict[str, Any]:
    """Return `final.<metric>` of a run that came to its end, `best.<metric>` but of test rows, `checkpoint.<metric>` of
    what is kept, `param.<name>` of a tiny model, and `reference.<name>`, what is known in closed form."""
    row: dict[str, Any] = {}
    for metric, goal in goals.items():
        series = outcome.trained(metric)
        row[final(metric)] = float(series.values[-1]) if series and outcome.ended_well else np.nan
        if not is_of_test(metric):
            row[best(metric)] = outcome.best(metric, goal)
    row |= {checkpoint(metric): value for metric, value in outcome.kept.items()}
    row |= {parameter(name): value for name, value in outcome.parameters.items()}
    return row | {reference(name): value for name, value in outcome.reference.items()}
