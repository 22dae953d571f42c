"""What a worker does while it waits is a training that ends well; what goes wrong in it harms nobody."""

from __future__ import annotations

from xprun.runner.execution.cohort_execution import execute
from xprun.runner.execution.warm_up import WarmUp
from xprun.runner.execution.worker_context import Context


def test_the_training_ends_well() -> None:
    statuses = [outcome.status for several in execute(WarmUp().cohort, Context("cpu")) for outcome in several]
    assert statuses == ["done", "done"]


def test_what_goes_wrong_is_left_to_the_runs_that_are_asked_for() -> None:
    warm_up = WarmUp()
    warm_up.cohort = None  # type: ignore[assignment]
    warm_up()
