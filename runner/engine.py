"""Chooses how the runs of a cohort are trained: together in which program and how many at once, or alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from xprun.runner.alone import make_lone_update
from xprun.runner.batches import batches
from xprun.runner.families import can_join, program_key
from xprun.runner.layout import Grid, make_grids
from xprun.runner.stack import LinearStack
from xprun.runner.threads import threads_for_lone_run, using_threads
from xprun.runner.together import Program, Training
from xprun.runner.traced import Traced
from xprun.runner.workload import Workload
from xprun.specs import Run

MEMORY = 2**30  # bytes that the runs of one piece may take in a step
PROBE_STEPS = 4
SIZES = (256, 64, 16)  # runs at once that are tried beside all of them
TRACED_SIZE = 64
TRACING_REPAYS = 4.0  # seconds of lone training below which tracing a model is not worth its start
LONG_STEP = 1e-3  # seconds
WAKING_REPAYS = 1e-3  # seconds of a step below which a second thread is not tried
STACKED = "a chain of Linear layers"


@dataclass(frozen=True)
class Piece:
    """Runs that are trained in one go: a grid in a program, or (`program` None) one after the other.

    `reason` says why, for people; `seconds_per_step` is what a step of all its runs was measured to take.
    """

    grid: Grid
    program: str | None
    reason: str
    seconds_per_step: float
    threads: int = 1

    @property
    def runs(self) -> list[Run]:
        return [run for _, _, run in self.grid.cells()]


def choose(work: Workload, runs: list[Run], threads: int = 1) -> list[Piece]:
    """Return the pieces in which the runs of a cohort are trained fastest, by a short probe of each way.

    `threads` is how many of them a piece may use.
    """
    lone_threads = threads_for_lone_run(work, threads)
    with using_threads(lone_threads):
        pieces = _choose(work, runs, threads)
    return [piece if piece.program else replace(piece, threads=lone_threads) for piece in pieces]


def _choose(work: Workload, runs: list[Run], threads: int) -> list[Piece]:
    wanted = runs[0].settings.engine
    pieces: list[Piece] = []
    joinable: list[Run] = []
    for run in runs:
        obstacle = "run.engine asks for it" if wanted == "alone" else can_join(work.registry, run)
        if obstacle:
            pieces.append(_alone([run], obstacle))
        else:
            joinable.append(run)
    if joinable:
        for grid in make_grids(joinable, program_key, full_batch=work.batch_size is None):
            pieces += _pieces(work, grid, threads, forced=wanted == "together")
    return pieces


def make_program(work: Workload, grid: Grid, name: str) -> Program:
    """Return a fresh program for the runs of a grid."""
    module = work.make_model(grid.runs[0][0].seed)
    if name == LinearStack.name:
        stack = LinearStack.of(module, work.loss)
        assert isinstance(stack, LinearStack)
        return stack
    return Traced(module, work.loss, [group[0].seed for group in grid.runs], work.train.inputs)


def _pieces(work: Workload, grid: Grid, threads: int, *, forced: bool) -> list[Piece]:
    """Return the pieces of one grid. A lone run needs no comparison: the stack is no slower, tracing never repays."""
    matched = LinearStack.of(work.make_model(0), work.loss)
    stacked = isinstance(matched, LinearStack)
    if len(grid) == 1 and not forced:
        why = STACKED if stacked else f"a lone run, and {matched}"
        return [Piece(grid, LinearStack.name if stacked else None, why, _time_alone(work, grid.runs[0][0]))]
    alone = None if forced else _time_alone(work, grid.runs[0][0])
    if stacked:
        return _best_size(work, grid, LinearStack.name, STACKED, alone, threads)
    obstacle = _too_short_to_trace(work, grid, alone) if alone else ""
    if obstacle:
        return [_alone(_all(grid), f"{matched}; {obstacle}", alone)]
    try:
        return _best_size(work, grid, Traced.name, str(matched), alone, threads)
    except Exception as error:  # whatever vmap and tracing cannot do; the ordinary loop can
        words = " ".join(str(error).split())[:120]
        return [_alone(_all(grid), f"it cannot be batched ({type(error).__name__}: {words})", alone)]


def _too_short_to_trace(work: Workload, grid: Grid, alone: float) -> str:
    """Return why tracing would cost more time than it may save, or nothing.

    Steps of more than LONG_STEP are spent on arithmetic, which stacking does not make less: there tracing must cost
    a small share of the whole, because it will probably be in vain.
    """
    total = alone * work.schedule.steps * len(grid)
    repays = TRACING_REPAYS * (1 if alone < LONG_STEP else 25)
    return f"all its steps take {total:.1f} s alone, too little to trace it" if total < repays else ""


def _best_size(work: Workload, grid: Grid, program: str, why: str, alone: float | None, threads: int) -> list[Piece]:
    """Return the grid cut into pieces of the size whose steps cost least a run, or alone when that costs less."""
    best_columns, best = 0, float("inf")
    for columns in _candidates(work, grid, program):
        cost = _time_together(work, grid.first(columns), program) / (grid.groups * columns)
        if cost < 0.95 * best:  # of equals the larger
            best_columns, best = columns, cost
    best, used = _with_threads(work, grid.first(best_columns), program, best, threads)
    if alone and alone < best:
        return [_alone(_all(grid), f"alone {alone * 1e6:.0f} us a step, together {best * 1e6:.0f}", alone)]
    cuts = range(0, grid.columns, best_columns)
    parts = [grid.keep(list(range(k, min(k + best_columns, grid.columns)))) for k in cuts]
    speedup = f"; alone {alone * 1e6:.0f} us a step, together {best * 1e6:.1f} a run" if alone else ""
    return [Piece(part, program, why + speedup, best * len(part), used) for part in parts]


def _with_threads(work: Workload, grid: Grid, program: str, single: float, threads: int) -> tuple[float, int]:
    """Return the seconds a run of a step and the threads that give them: one, or all where they clearly help."""
    if threads > 1 and single * len(grid) > WAKING_REPAYS:
        with using_threads(threads):
            several = _time_together(work, grid, program) / len(grid)
        if several < 0.85 * single:
            return several, threads
    return single, 1


def _candidates(work: Workload, grid: Grid, program: str) -> Iterator[int]:
    """Yield numbers of columns to try, from as many as fit the memory down."""
    rows = work.batch_size or len(work.train)
    made = make_program(work, grid, program)
    numbers = made.numbers_per_run(rows) + 6 * made.parameters
    fitting = max(1, MEMORY // (numbers * work.train.inputs.element_size() * grid.groups))
    most = min(grid.columns, fitting)
    if program == Traced.name:  # it is traced anew for each size, so only one is tried
        yield min(most, max(1, TRACED_SIZE // grid.groups))
    else:
        yield most
        yield from (size // grid.groups for size in SIZES if 0 < size // grid.groups < most)


def _time_together(work: Workload, grid: Grid, program: str) -> float:
    """Return the seconds of one step of a grid."""
    training = Training(work, make_program(work, grid, program), grid)
    return _seconds(lambda: training.advance(training.steps + 1), work)


def _time_alone(work: Workload, run: Run) -> float:
    """Return the seconds of one step of a lone run."""
    module = work.make_model(run.seed)
    update = make_lone_update(work, run, module)
    feed = batches(work.train.inputs, work.train.targets, work.batch_size, run.seed)

    def step() -> None:
        x, y = next(feed)
        update.step(lambda: work.loss(module(x), y), len(x))

    with torch.random.fork_rng(devices=[]):
        return _seconds(step, work)


def _seconds(step: Callable[[], object], work: Workload) -> float:
    """Return the shortest time of a few steps; the first pays for memory that the others find."""

    def once() -> float:
        start = time.perf_counter()
        step()
        if work.device.type == "cuda":
            torch.cuda.synchronize(work.device)
        return time.perf_counter() - start

    return min(once() for _ in range(PROBE_STEPS))


def _alone(runs: list[Run], reason: str, seconds: float | None = None) -> Piece:
    return Piece(Grid([runs]), None, reason, (seconds or 0.0) * len(runs))


def _all(grid: Grid) -> list[Run]:
    return [run for _, _, run in grid.cells()]
