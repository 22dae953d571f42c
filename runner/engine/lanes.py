"""Trains a grid in lanes: parts of it, each by a thread of its own, so that every core has work.

Lanes never wait for each other before the end, which makes them safe where threads inside an operation are not: beside
a busy process those were measured to be ten times slower than one thread.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import torch
from xprun.runner.engine.pieces import Piece, make_program
from xprun.runner.engine.together import Training
from xprun.runner.outcome import Outcome
from xprun.runner.training.workload import Workload


def train_in_lanes(work: Workload, piece: Piece) -> list[Outcome]:
    """Train the runs of a piece at once and return their outcomes; each has an equal share of the wall time."""
    assert piece.program is not None
    start = time.perf_counter()
    lanes = [Training(work, make_program(work, grid, piece.program), grid) for grid in piece.grid.cut(piece.lanes)]
    if len(lanes) == 1:
        lanes[0].train()
    else:
        _side_by_side(lanes)
    outcomes = [outcome for lane in lanes for outcome in lane.outcomes()]
    share = (time.perf_counter() - start) / len(outcomes)
    for outcome in outcomes:
        outcome.seconds, outcome.together = share, len(outcomes)
    return outcomes


def _side_by_side(lanes: list[Training]) -> None:
    """Train each lane in a thread; whatever ends one of them, or the wait for them, ends all."""
    with ThreadPoolExecutor(len(lanes)) as pool:
        try:
            for future in [pool.submit(_train_in_thread, lane) for lane in lanes]:
                future.result()
        except BaseException:
            for lane in lanes:
                lane.cancelled.set()
            raise


def _train_in_thread(lane: Training) -> None:
    torch.set_num_threads(1)  # both settings belong to the thread that makes them
    torch.set_flush_denormal(True)
    lane.train()
