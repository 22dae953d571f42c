"""Trains a grid in lanes: parts of it, each by a thread of its own, so that every core has work.

Lanes never wait for each other before the end, which makes them safe where threads inside an operation are not: beside
a busy process those were measured to be ten times slower than one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from xprun.runner.engine.batched_loop import Training
from xprun.runner.engine.execution_units import ExecutionUnit, make_program
from xprun.runner.engine.resuming import begin
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.snapshots import Snapshot
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload


def train_in_lanes(
    work: Workload, piece: ExecutionUnit, snapshot_of: Callable[[int], Snapshot | None] = lambda lane: None
) -> list[Outcome]:
    """Train the runs of a piece at once and return their outcomes; each has an equal share of the wall time.

    Each lane goes on from its snapshot, which `snapshot_of` gives for its number, and is saved to it.
    """
    grids = piece.grid.cut(piece.lanes)
    lanes = [_Lane(work, piece, grid, snapshot_of(i)) for i, grid in enumerate(grids)]
    if len(lanes) == 1:
        lanes[0].train()
    else:
        _side_by_side(lanes)
    outcomes = [outcome for lane in lanes for outcome in lane.training.outcomes()]
    share = (time.perf_counter() - min(lane.training.started for lane in lanes)) / len(outcomes)
    for outcome in outcomes:
        outcome.seconds, outcome.together = share, len(outcomes)
    return outcomes


class _Lane:
    """A part of a piece, and where it is saved."""

    def __init__(self, work: Workload, piece: ExecutionUnit, grid: Grid, snapshot: Snapshot | None) -> None:
        assert piece.program is not None
        program, self.snapshot = piece.program, snapshot
        self.training = begin(lambda: Training(work, make_program(work, grid, program), grid), snapshot)

    def train(self) -> None:
        self.training.train(self.snapshot)


def _side_by_side(lanes: list[_Lane]) -> None:
    """Train each lane in a thread; whatever ends one of them, or the wait for them, ends all."""
    with ThreadPoolExecutor(len(lanes)) as pool:
        try:
            for future in [pool.submit(_train_in_thread, lane) for lane in lanes]:
                future.result()
        except BaseException:
            for lane in lanes:
                lane.training.cancelled.set()
            raise


def _train_in_thread(lane: _Lane) -> None:
    torch.set_num_threads(1)  # both settings belong to the thread that makes them
    torch.set_flush_denormal(True)
    lane.train()
