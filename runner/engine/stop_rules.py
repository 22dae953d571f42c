"""Stop rules: which of some runs have fulfilled one, at a step or at an evaluation, and the words for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from xprun.runner.results.results_schema import LOSSES
from xprun.runner.results.rounding import reached
from xprun.runner.store.snapshots import State
from xprun.specs.language.schema import Stop

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Reasons = dict[tuple[int, int], str]  # by the place of a run in the arrays at hand


class StopRules:
    """The rules of `run.stop` for runs [S, K], a lone run being [1, 1], and what they remember of them.

    `goals` says of each metric whether less ("min") or more ("max") is better. The clock starts now, and stands still
    while `off_the_clock`.
    """

    def __init__(self, stop: Stop | None, goals: dict[str, str], shape: tuple[int, int]) -> None:
        self.stop, self.goals = stop or Stop.model_construct(), goals
        self.started = time.perf_counter()
        self.best: Numbers = np.full(shape, np.nan)
        self.waited = np.zeros(shape, dtype=np.int64)

    @property
    def seconds_left(self) -> float:
        limit = self.stop.max_seconds
        return math.inf if limit is None else limit - (time.perf_counter() - self.started)

    @contextmanager
    def off_the_clock(self) -> Iterator[None]:
        """Count the time of what is no training, such as the compiler's, towards no limit."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.started += time.perf_counter() - began

    def after_step(self, losses: Numbers, open_: Mask, step: int, *, last: bool) -> Reasons:
        """Return the reasons to end after a step with these losses [S, k], the `last` of the run or not."""
        found: Reasons = {}
        below = self.stop.loss_below
        if not last and self.seconds_left <= 0:
            found |= dict.fromkeys(_cells(open_), f"{self.stop.max_seconds:g} s passed at step {step}")
        if below is not None:
            for s, i in _cells(open_ & (losses < below)):
                found[s, i] = f"the loss {losses[s, i]:.6g} at step {step} is below {below:g}"
        return found

    def after_evaluation(
        self, measured: dict[str, Numbers], open_: Mask, step: int, columns: NDArray[np.int64]
    ) -> Reasons:
        """Return the reasons to end after an evaluation [S, k] of the runs in these columns [k] of all."""
        found = self._impatience(measured, open_, step, columns)
        for column, aim in self.stop.metric_reached.items():
            values = measured[column]
            for s, i in _cells(open_ & reached(values, aim, self._goal(column))):
                found[s, i] = f"{column} {values[s, i]:.6g} after step {step} reached {aim:g}"
        return found

    def state(self) -> State:
        return {
            "seconds": time.perf_counter() - self.started,
            "best": torch.from_numpy(self.best),
            "waited": torch.from_numpy(self.waited),
        }

    def restore(self, state: State) -> None:
        self.started = time.perf_counter() - state["seconds"]
        self.best, self.waited = state["best"].numpy(), state["waited"].numpy()

    def _impatience(self, measured: dict[str, Numbers], open_: Mask, step: int, columns: NDArray[np.int64]) -> Reasons:
        """Note which runs have improved, and return the reasons of those that have not for too long."""
        patience = self.stop.early_stopping
        if patience is None:
            return {}
        values, best = measured[patience.metric], self.best[:, columns]
        better = improved(values, best, self._goal(patience.metric))
        self.best[:, columns] = np.where(better, values, best)
        self.waited[:, columns] = np.where(better, 0, self.waited[:, columns] + 1)
        return {
            (s, i): f"{patience.metric} {_unimproved(self.best[s, columns[i]])} in {patience.evaluations} "
            f"evaluations up to step {step}"
            for s, i in _cells(open_ & (self.waited[:, columns] >= patience.evaluations))
        }

    def _goal(self, column: str) -> str:
        name = column.partition(".")[2]
        return "min" if name in LOSSES else self.goals[name]


def _unimproved(best: float) -> str:
    return "was never a number" if np.isnan(best) else f"has not improved on {best:.6g}"


def improved(values: Numbers, best: Numbers, goal: str) -> Mask:
    """Return which values are better than the best so far, NaN where there is none yet."""
    better: Mask = (values > best if goal == "max" else values < best) | (np.isnan(best) & ~np.isnan(values))
    return better


def _cells(mask: Mask) -> Iterator[tuple[int, int]]:
    """Yield the places that are true."""
    return zip(*(axis.tolist() for axis in mask.nonzero()), strict=True)
