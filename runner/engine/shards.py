"""Trains execution units: a grid in shards, parts of it with a thread each, so that every core has work; or a lone run.

Shards never wait for each other before the end, which makes them safe where threads inside an operation are not: beside
a busy process those were measured to be ten times slower than one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from xprun.runner.engine.execution_units import ExecutionUnit, make_program
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.resuming import begin
from xprun.runner.engine.training_watch import make_watch
from xprun.runner.process.training_progress import NEVER, Hear, listener
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.snapshots import Snapshot
from xprun.runner.workload.device_generators import own_draws
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload
from xprun.specs import Run


def train_alone(work: Workload, run: Run, snapshot: Snapshot | None = None, *, tell_every: float = NEVER) -> Outcome:
    """Train one run by the ordinary backward pass and return its outcome; an exception of a component is the caller's.

    With a snapshot it goes on from that, and is saved to it from time to time. Whoever listens in this thread is told
    how far it is, at most every so many seconds.
    """
    with own_draws(work.device):
        shard = _Shard(work, Autograd.name, Grid([[run]]), snapshot, tell_every, listener())
        shard.train()
        [outcome] = _outcomes([shard])
        return outcome


def train_in_shards(
    work: Workload,
    unit: ExecutionUnit,
    snapshot_of: Callable[[int], Snapshot | None] = lambda shard: None,
    *,
    tell_every: float = NEVER,
) -> list[Outcome]:
    """Train the runs of a unit at once and return their outcomes.

    Each shard goes on from its snapshot, which `snapshot_of` gives for its number, and is saved to it. Whoever listens
    in this thread is told how far each is, at most every so many seconds.
    """
    assert unit.program is not None
    grids = unit.grid.cut(unit.shards)
    hear = listener()
    shards = [_Shard(work, unit.program, grid, snapshot_of(i), tell_every, hear) for i, grid in enumerate(grids)]
    if len(shards) == 1:
        shards[0].train()
    else:
        _side_by_side(shards)
    return _outcomes(shards)


class _Shard:
    """A part of a unit, and where it is saved."""

    def __init__(
        self,
        work: Workload,
        program: str,
        grid: Grid,
        snapshot: Snapshot | None,
        tell_every: float,
        hear: Hear | None,
    ) -> None:
        self.snapshot, watch = snapshot, make_watch(tell_every, hear)
        self.training = begin(lambda: Training(work, make_program(work, grid, program), grid, watch), snapshot)

    def train(self) -> None:
        self.training.train(self.snapshot)

    def outcomes(self) -> list[Outcome]:
        """Return what became of the runs, and how they were trained."""
        outcomes = self.training.outcomes()
        for outcome in outcomes:
            outcome.engine = self.training.engine
        return outcomes


def _outcomes(shards: list[_Shard]) -> list[Outcome]:
    """Return the outcomes of all runs, which have an equal share of the wall time each."""
    outcomes = [outcome for shard in shards for outcome in shard.outcomes()]
    share = (time.perf_counter() - min(shard.training.started for shard in shards)) / len(outcomes)
    for outcome in outcomes:
        outcome.seconds, outcome.together, outcome.torch = share, len(outcomes), str(torch.__version__)
    return outcomes


def _side_by_side(shards: list[_Shard]) -> None:
    """Train each shard in a thread; whatever ends one of them, or the wait for them, ends all."""
    with ThreadPoolExecutor(len(shards)) as pool:
        try:
            for future in [pool.submit(_train_in_thread, shard) for shard in shards]:
                future.result()
        except BaseException:
            for shard in shards:
                shard.training.cancelled.set()
            raise


def _train_in_thread(shard: _Shard) -> None:
    torch.set_num_threads(1)  # both settings belong to the thread that makes them
    torch.set_flush_denormal(True)
    shard.train()
