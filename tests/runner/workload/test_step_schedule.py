"""When a loop looks up, what it keeps and when it evaluates, in memory that does not grow with what is asked for."""

from __future__ import annotations

from itertools import islice, pairwise
from math import log2
from typing import Any

import numpy as np
import pytest
from xprun.runner.engine.metric_history import MetricHistory
from xprun.runner.workload.step_schedule import MAX_EVALUATIONS, MAX_POINTS, Schedule
from xprun.specs import RunSettings


def schedule_of(per_epoch: int = 7, **settings: Any) -> Schedule:
    return Schedule.of(RunSettings.model_validate(settings), per_epoch, evaluates=True)


@pytest.mark.parametrize(
    ("settings", "block"),
    [
        ({"steps": 3000}, 1000),
        ({"epochs": 450, "evaluate_every": 4}, 1000),
        ({"steps": 500, "stop": {"loss_below": 0.1}}, 1),
        ({"steps": 4000, "stop": {"max_seconds": 9.0}}, 20),
        ({"steps": 4000, "stop": {"max_seconds": 9.0}, "evaluate_every": 3}, 20),
    ],
)
@pytest.mark.parametrize("after", [0, 35, 333])
@pytest.mark.parametrize("saved", [None, 10])
def test_a_loop_looks_up_at_evaluations_checkpoints_and_the_end(
    settings: dict[str, Any], block: int, after: int, saved: int | None
) -> None:
    schedule = schedule_of(**settings)
    wanted = [
        step
        for step in range(after + 1, schedule.steps + 1)
        if step % block == 0 or schedule.evaluates_after(step) or schedule.saves_after(step, saved)
    ]
    assert list(schedule.block_ends(after, saved)) == wanted


@pytest.mark.parametrize("length", [{"steps": 10**7}, {"epochs": 10**9}, {"steps": 2**62}])
def test_a_run_with_a_limit_on_time_keeps_ever_fewer_steps(length: dict[str, int]) -> None:
    schedule = schedule_of(1, stop={"max_seconds": 2.0}, **length)
    ends = [0, *islice(schedule.block_ends(), 20_000)]
    kept = [step for a, b in pairwise(ends) for step in _kept(schedule, a, b)]
    evaluated = [step for step in ends[1:] if schedule.evaluates_after(step)]
    assert kept[:MAX_POINTS] == [*range(1, MAX_POINTS + 1)]
    assert evaluated[:MAX_EVALUATIONS] == [*range(1, MAX_EVALUATIONS + 1)]
    for found, most in ((kept, MAX_POINTS), (evaluated, MAX_EVALUATIONS)):
        assert len(found) < most * (1 + log2(found[-1] / most))
        assert all(b - a <= max(1, b // most * 2.5) for a, b in pairwise(found))


def _kept(schedule: Schedule, before: int, end: int) -> list[int]:
    steps = np.arange(before + 1, end + 1)
    kept: list[int] = steps[schedule.records(steps)].tolist()
    return kept


def test_what_is_not_recorded_takes_no_memory() -> None:
    history = MetricHistory(1, 1)
    for _ in range(3):
        history.add(np.array([], dtype=np.int64), np.zeros((0, 1, 1)), np.array([0]))
    assert not history._blocks


@pytest.mark.parametrize("every", [None, 4, 12])
@pytest.mark.parametrize("steps", [1, 4, 30, 1001])
def test_evaluations_are_counted_as_they_are_made(every: int | None, steps: int) -> None:
    schedule = Schedule(steps, 4, every, 1)
    assert schedule.evaluations(steps) == 1 + sum(map(schedule.evaluates_after, schedule.block_ends()))


def test_what_takes_no_step_is_evaluated_once() -> None:
    assert Schedule(0, 4, 4, 1).evaluations(0) == 1
