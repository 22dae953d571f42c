"""A grid trained in shards, each by a thread of its own, gives the outcomes of one that is not."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from support.cohorts import MSE, REAL, TINY, WILD, WILDEST, Cohort, grid, named, points
from support.training import MakePlan
from torch import Tensor
from xprun.plugins.registry import data, optimizer
from xprun.runner.engine import execution_units as units
from xprun.runner.engine.execution_units import ExecutionUnit, select_strategy
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.engine.shards import train_in_shards
from xprun.runner.workload.workload import Workload

MIXED = [named("SGD", lr=grid(0.03, WILD, 0.1)), named("Adam", lr=grid(0.01, WILDEST, 0.1, 0.3))]


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)
    optimizer("test.steady")(steady)
    optimizer("test.breaking")(breaking)


def a_cohort(plan: MakePlan, optimizers: object = MIXED) -> Cohort:
    run = {"steps": 40, "seeds": 2, "metrics": ["mae"], "stop": {"loss_below": 0.02}}
    return Cohort(plan, data=REAL, model=TINY, loss=MSE, optimizer=optimizers, run=run)


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_shards_give_the_outcomes_of_the_ordinary_loop(shards: int, plan: MakePlan) -> None:
    outcomes = a_cohort(plan).check(LinearStack.name, shards).values()
    assert {outcome.status for outcome in outcomes} == {"done", "diverged", "stopped"}
    assert len({(outcome.seconds, outcome.together) for outcome in outcomes}) == 1


def test_long_steps_are_cut_into_a_shard_for_each_thread(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = a_cohort(plan)
    assert {unit.shards for unit in select_strategy(cohort.work, cohort.runs, 2)} == {1}
    monkeypatch.setattr(units, "SHARD_STEP", 1e-9)
    assert {unit.shards for unit in select_strategy(cohort.work, cohort.runs, 2)} == {2}
    assert {unit.shards for unit in select_strategy(cohort.work, cohort.runs, 100)} == {7}  # one for each setting
    assert {unit.shards for unit in select_strategy(cohort.work, cohort.runs, 1)} == {1}


def steady(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g


def breaking(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
    if t == 3:
        raise RuntimeError("one shard breaks")
    return w - lr * g


def a_unit_for_days(plan: MakePlan, second: str) -> tuple[Workload, ExecutionUnit]:
    """Return a unit of two shards, with a rule for each."""
    optimizers = [named("test.steady", lr=grid(0.01, 0.02)), named(second, lr=grid(0.01, 0.02))]
    cohort = Cohort(plan, data=REAL, model=TINY, loss=MSE, optimizer=optimizers, run={"steps": 10**9})
    [cells] = cohort.grids
    return cohort.work, ExecutionUnit(cells, LinearStack.name, "", None, shards=2)


def assert_left(threads: int) -> None:
    """See that so many threads are left, soon: a shard ends at its next step."""
    deadline = time.monotonic() + 20
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == threads


def test_a_shard_that_breaks_ends_the_others(plan: MakePlan) -> None:
    threads = threading.active_count()
    with pytest.raises(RuntimeError, match="one shard breaks"):
        train_in_shards(*a_unit_for_days(plan, "test.breaking"))
    assert_left(threads)


def test_an_interrupt_ends_all_shards(plan: MakePlan) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    threads, before = threading.active_count(), signal.signal(signal.SIGALRM, interrupt)
    try:
        unit = a_unit_for_days(plan, "test.steady")
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            train_in_shards(*unit)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert_left(threads)
