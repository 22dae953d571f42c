"""Chooses how the runs of a cohort are trained: together in which program and how many at once, or alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from xprun.runner.alone import make_lone_update
from xprun.runner.batches import batches
from xprun.runner.families import can_join, program_key
from xprun.runner.layout import Grid, make_grids
from xprun.runner.stack import LinearStack
from xprun.runner.together import Program, Training
from xprun.runner.traced import Traced
from xprun.runner.workload import Workload
from xprun.specs import Run

MEMORY = 2**30  # bytes that the runs of one piece may take in a step
PROBE_STEPS = 3
SIZES = (256, 64, 16)  # runs at once that are tried beside all of them
TRACING_REPAYS = 4.0  # seconds of lone training below which tracing a model is not worth its start


@dataclass(frozen=True)
class Piece:
    """Runs that are trained in one go: a grid in a program, or (`program` None) one after the other.

    `reason` says why, for people; `seconds_per_step` is what a step of all its runs was measured to take.
    """

    grid: Grid
    program: str | None
    reason: str
    seconds_per_step: float

    @property
    def runs(self) -> list[Run]:
        return [run for _, _, run in self.grid.cells()]


def choose(work: Workload, runs: list[Run]) -> list[Piece]:
    """Return the pieces in which the runs of a cohort are trained fastest, by a short probe of each way."""
    wanted = runs[0].settings.engine
    pieces: list[Piece] = []
    joinable: list[Run] = []
    for run in runs:
        obstacle = "run.engine asks for it" if wanted == "alone" else can_join(work.registry, run)
        if obstacle:
            pieces.append(_alone(work, [run], obstacle))
        else:
            joinable.append(run)
    if joinable:
        for grid in make_grids(joinable, program_key, full_batch=work.batch_size is None):
            pieces += _pieces(work, grid, forced=wanted == "together")
    return pieces


def make_program(work: Workload, grid: Grid, name: str) -> Program:
    """Return a fresh program for the runs of a grid."""
    module = work.make_model(grid.runs[0][0].seed)
    if name == LinearStack.name:
        stack = LinearStack.of(module, work.loss)
        assert isinstance(stack, LinearStack)
        return stack
    return Traced(module, work.loss, [group[0].seed for group in grid.runs], work.train.inputs)


def _pieces(work: Workload, grid: Grid, *, forced: bool) -> list[Piece]:
    alone = _time_alone(work, grid.runs[0][0])
    matched = LinearStack.of(work.make_model(0), work.loss)
    if isinstance(matched, LinearStack):
        return _best_size(work, grid, LinearStack.name, "a chain of Linear layers", None if forced else alone)
    total = alone * work.schedule.steps * len(grid)
    if not forced and (len(grid) == 1 or total < TRACING_REPAYS):
        return [_alone(work, _all(grid), f"{matched}; tracing it would take longer than its {total:.1f} s", alone)]
    try:
        return _best_size(work, grid, Traced.name, matched, None if forced else alone)
    except Exception as error:  # whatever vmap and tracing cannot do; the ordinary loop can
        words = " ".join(str(error).split())[:120]
        return [_alone(work, _all(grid), f"it cannot be batched ({type(error).__name__}: {words})", alone)]


def _best_size(work: Workload, grid: Grid, program: str, why: str, alone: float | None) -> list[Piece]:
    """Return the grid cut into pieces of the size whose steps cost least a run, or alone when that costs less."""
    best_columns, best = 0, float("inf")
    for columns in _candidates(work, grid, program):
        cost = _time_together(work, grid.keep(list(range(columns))), program) / (grid.groups * columns)
        if cost < 0.95 * best:  # of equals the larger
            best_columns, best = columns, cost
    if alone is not None and alone < best:
        return [_alone(work, _all(grid), f"alone {alone * 1e6:.0f} us a step, together {best * 1e6:.0f}", alone)]
    cuts = range(0, grid.columns, best_columns)
    parts = [grid.keep(list(range(k, min(k + best_columns, grid.columns)))) for k in cuts]
    speedup = f"; alone {alone * 1e6:.0f} us a step, together {best * 1e6:.1f} a run" if alone is not None else ""
    return [Piece(part, program, why + speedup, best * len(part)) for part in parts]


def _candidates(work: Workload, grid: Grid, program: str) -> Iterator[int]:
    """Yield numbers of columns to try, from as many as fit the memory down."""
    rows = work.batch_size or len(work.train)
    made = make_program(work, grid, program)
    numbers = made.numbers_per_run(rows) + 6 * made.parameters
    fitting = max(1, MEMORY // (numbers * work.train.inputs.element_size() * grid.groups))
    most = min(grid.columns, fitting)
    yield most
    if program == LinearStack.name:  # a traced program is traced anew for each size
        yield from (size // grid.groups for size in SIZES if 0 < size // grid.groups < most)


def _time_together(work: Workload, grid: Grid, program: str) -> float:
    """Return the seconds of one step of a grid."""
    training = Training(work, make_program(work, grid, program), grid)
    training.advance(1)
    return _seconds(lambda: training.advance(training.steps + PROBE_STEPS), work) / PROBE_STEPS


def _time_alone(work: Workload, run: Run) -> float:
    """Return the seconds of one step of a lone run."""
    module = work.make_model(run.seed)
    update = make_lone_update(work, run, module)
    feed = batches(work.train.inputs, work.train.targets, work.batch_size, run.seed)

    def steps(count: int) -> None:
        for _ in range(count):
            x, y = next(feed)
            update.step(lambda: work.loss(module(x), y), len(x))  # noqa: B023 - called at once

    with torch.random.fork_rng(devices=[]):
        steps(1)
        return _seconds(lambda: steps(PROBE_STEPS), work) / PROBE_STEPS


def _seconds(function: Any, work: Workload) -> float:
    """Return the shortest of two timings; the first may pay for memory that the second finds."""

    def once() -> float:
        start = time.perf_counter()
        function()
        if work.device.type == "cuda":
            torch.cuda.synchronize(work.device)
        return time.perf_counter() - start

    return min(once(), once())


def _alone(work: Workload, runs: list[Run], reason: str, seconds: float = 0.0) -> Piece:
    return Piece(Grid([runs]), None, reason, seconds * len(runs))


def _all(grid: Grid) -> list[Run]:
    return [run for _, _, run in grid.cells()]
