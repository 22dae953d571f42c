"""Carries out one cohort; a run that breaks becomes a row, and the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from xprun.plugins.discovery import open_registry
from xprun.runner.alone import train_alone
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Cohort
from xprun.runner.threads import threads_for
from xprun.runner.workload import Workload, make_workload
from xprun.specs import Run


@dataclass(frozen=True)
class Context:
    """What a worker needs beside the cohort; plain values, so that it can travel to another process."""

    device: str
    plugins: tuple[Path, ...] = ()
    debug: bool = False


def execute(cohort: Cohort, context: Context) -> Iterator[Outcome]:
    """Yield the outcome of each run of the cohort as it ends. Raises nothing that a component raises."""
    torch.set_flush_denormal(True)  # denormal numbers make products tens of times slower
    registry = open_registry(context.plugins)
    try:
        work = make_workload(registry, cohort.runs[0], torch.device(context.device))
    except Exception as error:
        yield from (failure(run, error, context) for run in cohort.runs)
        return
    torch.set_num_threads(threads_for(work))
    for run in cohort.runs:
        yield _guarded(work, run, context)


def failure(run: Run, error: Exception, context: Context) -> Outcome:
    """Return the outcome of a run that an exception ended: its type, its words, and where it was raised."""
    if context.debug:
        traceback.print_exception(error)
    words = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    files = {p.resolve() for p in context.plugins}
    ours = [frame for frame in frames if Path(frame.filename).resolve() in files]
    place = f" ({Path(ours[-1].filename).name}:{ours[-1].lineno})" if ours else ""
    return Outcome(run.id, "failed", f"{type(error).__name__}: {words}{place}"[:500])


def _guarded(work: Workload, run: Run, context: Context) -> Outcome:
    try:
        return train_alone(work, run)
    except Exception as error:
        return failure(run, error, context)
