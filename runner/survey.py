"""Looks ahead: how the cohorts of a plan would be trained, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from xprun.runner.engine import Piece, choose, time_alone
from xprun.runner.execute import Context, prepare_torch, workload_of
from xprun.runner.plan import Cohort
from xprun.runner.threads import share
from xprun.runner.workload import Workload


@dataclass(frozen=True)
class Outlook:
    """What is ahead of a cohort: its pieces, the steps of a run, and the seconds that all will take."""

    cohort: Cohort
    pieces: list[Piece]
    steps: int
    seconds: float


def survey(cohort: Cohort, context: Context) -> Outlook:
    """Return the outlook of a cohort, from a few steps of each way to train it.

    Raises what a component raises when it is made or takes its first step.
    """
    prepare_torch()
    work = workload_of(cohort, context)
    pieces = choose(work, cohort.runs, share(context.workers))
    seconds = sum(_seconds_per_step(work, piece) for piece in pieces) * work.schedule.steps
    return Outlook(cohort, pieces, work.schedule.steps, seconds)


def _seconds_per_step(work: Workload, piece: Piece) -> float:
    """Return the seconds of a step of all runs of a piece; the engine may have chosen it without measuring."""
    if piece.seconds_per_step is not None:
        return piece.seconds_per_step
    return time_alone(work, piece.runs[0]).seconds * len(piece.runs)
