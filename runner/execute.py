"""Carries out one cohort; a run that breaks becomes a row, and the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from xprun.plugins.discovery import open_registry
from xprun.runner.alone import train_alone
from xprun.runner.engine import Piece, choose, make_program
from xprun.runner.layout import Grid
from xprun.runner.memory import keep_freed_memory
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Cohort
from xprun.runner.threads import threads_for
from xprun.runner.together import train_together
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
    keep_freed_memory()
    torch.set_flush_denormal(True)  # denormal numbers make products tens of times slower
    registry = open_registry(context.plugins)
    try:
        work = make_workload(registry, cohort.runs[0], torch.device(context.device))
    except Exception as error:
        yield from (failure(run, error, context) for run in cohort.runs)
        return
    torch.set_num_threads(threads_for(work))
    yield from train(work, cohort.runs, context)


def train(work: Workload, runs: list[Run], context: Context) -> Iterator[Outcome]:
    """Yield the outcomes of runs of one workload, trained in the pieces that the engine chooses."""
    try:
        pieces = choose(work, runs)
    except Exception:  # a component breaks at its first step: the ordinary loop tells which run, and why
        pieces = [Piece(Grid([runs]), None, "", 0.0)]
    for piece in pieces:
        yield from _together(work, piece, context) if piece.program else _alone(work, piece.runs, context)


def _together(work: Workload, piece: Piece, context: Context) -> Iterator[Outcome]:
    """Yield the outcomes of runs trained at once; if that breaks, each is tried alone."""
    assert piece.program is not None
    try:
        outcomes = train_together(work, make_program(work, piece.grid, piece.program), piece.grid)
    except Exception as error:
        if context.debug:
            traceback.print_exception(error)
        yield from _alone(work, piece.runs, context)
        return
    yield from outcomes


def _alone(work: Workload, runs: list[Run], context: Context) -> Iterator[Outcome]:
    for run in runs:
        try:
            yield train_alone(work, run)
        except Exception as error:
            yield failure(run, error, context)


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
