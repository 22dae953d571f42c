"""The batched loop: all runs of a grid in one tensor program, each with a life of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from xprun.runner.alone import REPORTED_PARAMETERS, numbers, stop_reason
from xprun.runner.families import keep_columns, make_families
from xprun.runner.feed import grouped_batches
from xprun.runner.layout import Batch, Grid
from xprun.runner.outcome import Outcome, Recorder
from xprun.runner.traced import over_runs
from xprun.runner.workload import Workload

EVALUATION_NUMBERS = 2**19  # numbers that one chunk of an evaluation works on; more do not fit a cache


class Program(Protocol):
    """A batched forward and backward pass for runs [S, K] of one model."""

    name: str
    parameters: int

    def begin(self, modules: list[list[nn.Module]]) -> Tensor: ...
    def prepare(self, inputs: Tensor, targets: Tensor) -> Batch: ...
    def step(self, flat: Tensor, batch: Batch, gradient: Tensor, losses: Tensor) -> None: ...
    def predict(self, flat: Tensor, inputs: Tensor, columns: slice) -> Tensor: ...
    def losses_of(self, predictions: Tensor, prepared: Batch) -> Tensor: ...
    def views(self, flat: Tensor) -> dict[str, Tensor]: ...
    def keep(self, columns: Tensor) -> None: ...
    def numbers_per_run(self, rows: int) -> int: ...


def train_together(work: Workload, program: Program, grid: Grid) -> list[Outcome]:
    """Train all runs of a grid at once and return their outcomes.

    A run that diverges or stops is closed at that step: what its numbers do afterwards is not looked at, and they
    touch no other run's. Columns whose runs have all ended are left out from the next evaluation on.
    """
    start = time.perf_counter()
    training = Training(work, program, grid)
    for end in work.schedule.block_ends():
        losses = training.advance(end)
        training.look(losses)
        if work.schedule.evaluates_after(end):
            training.evaluate()
            training.leave_out_ended()
        if training.all_ended:
            break
    training.finish()
    share = (time.perf_counter() - start) / len(grid)
    for outcome in training.outcomes:
        outcome.seconds, outcome.together = share, len(grid)
    return training.outcomes


class Training:
    """The state of a grid in training: parameters [S, K, P], and for each of its runs how it fares."""

    def __init__(self, work: Workload, program: Program, grid: Grid) -> None:
        self.work, self.program, self.grid = work, program, grid
        self.flat = program.begin(_modules(work, grid))
        self.gradient = torch.empty_like(self.flat)
        self.families = make_families(work.registry, grid, self.flat)
        prepared = program.prepare(work.train.inputs, work.train.targets)
        seeds = [group[0].seed for group in grid.runs]
        self.feed = grouped_batches(prepared, work.batch_size, seeds)
        self.splits = {name: program.prepare(t.inputs, t.targets) for name, t in work.splits.items()}
        self.steps = 0
        self.open = {run.id: (Outcome(run.id, "done"), Recorder()) for _, _, run in grid.cells()}
        self.closed: dict[str, Outcome] = {}
        self.order = list(self.open)

    @property
    def all_ended(self) -> bool:
        return not self.open

    @property
    def outcomes(self) -> list[Outcome]:
        return [self.closed[run] for run in self.order]

    def advance(self, end: int) -> Tensor:
        """Take the steps up to `end`; return their losses [steps, S, K]."""
        losses = self.flat.new_empty(end - self.steps, *self.flat.shape[:2])
        with torch.no_grad():
            for row in losses:
                self.step(row)
        return losses

    def step(self, losses: Tensor) -> None:
        batch = next(self.feed)
        self.program.step(self.flat, batch, self.gradient, losses)
        self.steps += 1
        rows = batch[0].shape[1]
        new = [f.update(self.flat, self.gradient, self.steps, rows, self.program.views) for f in self.families]
        self.flat = new[0] if len(new) == 1 else torch.cat(new, 1, out=self.flat)

    def look(self, losses: Tensor) -> None:
        """Fetch the losses since the last look, keep those that the history wants, and close runs that have ended."""
        values = losses.double().cpu().numpy()
        steps = np.arange(self.steps - len(values) + 1, self.steps + 1)
        kept = self.work.schedule.records(steps)
        finite = np.isfinite(values).all(0)
        below = self.work.schedule.loss_below
        stopped = values[-1] < below if below is not None else np.zeros_like(finite)
        for s, k, run in self.grid.cells():
            if run.id not in self.open:
                continue
            outcome, recorder = self.open[run.id]
            if finite[s, k] and not stopped[s, k]:
                recorder.add("loss", steps[kept], values[kept, s, k])
            elif not finite[s, k]:
                self._close_diverged(outcome, recorder, steps, values[:, s, k])
            else:
                recorder.add("loss", steps, values[:, s, k])
                outcome.status, outcome.reason = (
                    "stopped",
                    stop_reason(values[-1, s, k], self.steps, self.work.schedule),
                )
        self._close_stopped()

    def evaluate(self, only: set[str] | None = None) -> None:
        """Measure all open runs, or only some, on every split."""
        with torch.no_grad():
            measured = self._measure() if self.splits else {}
        steps = np.array([self.steps])
        for s, k, run in self.grid.cells():
            if run.id not in self.open or (only is not None and run.id not in only):
                continue
            outcome, recorder = self.open[run.id]
            for metric, values in measured.items():
                recorder.add(metric, steps, values[s, k : k + 1])
                if metric.endswith(".loss") and not np.isfinite(values[s, k]):
                    outcome.status = "diverged"
                    outcome.reason = f"{metric} is {values[s, k]} after step {self.steps}"
            if outcome.status == "diverged":
                self._close(outcome, self.steps)

    def leave_out_ended(self) -> None:
        """Go on without the columns of which no run is open."""
        columns = [k for k in range(self.grid.columns) if any(group[k].id in self.open for group in self.grid.runs)]
        if columns and len(columns) < self.grid.columns:
            index = torch.tensor(columns, device=self.flat.device)
            self.grid = self.grid.keep(columns)
            self.flat = self.flat.index_select(1, index)
            self.gradient = torch.empty_like(self.flat)
            self.families = keep_columns(self.families, columns, self.flat.device)
            self.program.keep(index)

    def finish(self, only: set[str] | None = None) -> None:
        """Close the runs that came to their end, if their parameters are finite; keep those of a tiny model."""
        finite = self.flat.isfinite().all(2).cpu().numpy()
        tiny = self.program.parameters <= REPORTED_PARAMETERS
        views = {name: view.cpu() for name, view in self.program.views(self.flat).items()} if tiny else {}
        for s, k, run in self.grid.cells():
            if run.id not in self.open or (only is not None and run.id not in only):
                continue
            outcome, _ = self.open[run.id]
            if not finite[s, k]:
                outcome.status = "diverged"
                outcome.reason = f"parameters are not finite after step {self.steps}"
            else:
                outcome.parameters = {key: x for name, v in views.items() for key, x in numbers(name, v[s, k])}
            self._close(outcome, self.steps)

    def _close_diverged(
        self, outcome: Outcome, recorder: Recorder, steps: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        wrong = int(np.flatnonzero(~np.isfinite(values))[0])
        steps, values = steps[: wrong + 1], values[: wrong + 1]
        keep = self.work.schedule.records(steps)
        keep[-1] = True
        recorder.add("loss", steps[keep], values[keep])
        outcome.status, outcome.reason = "diverged", f"the loss is {values[-1]} at step {steps[-1]}"
        self._close(outcome, int(steps[-1]))

    def _close_stopped(self) -> None:
        """Measure and close the runs whose stop rule fired in this step, before another step changes them."""
        stopped = {run for run, (outcome, _) in self.open.items() if outcome.status == "stopped"}
        if stopped:
            self.evaluate(only=stopped)
            self.finish(only=stopped)

    def _close(self, outcome: Outcome, steps: int) -> None:
        outcome.steps, outcome.epochs = steps, self.work.schedule.epoch_of(steps)
        outcome.history = self.open.pop(outcome.run)[1].history()
        self.closed[outcome.run] = outcome

    def _measure(self) -> dict[str, NDArray[np.float64]]:
        """Return `train.loss`, `valid.accuracy`, ... as arrays [S, K]."""
        found = {}
        for split, table in self.work.splits.items():
            chunks = [self._measure_columns(split, columns) for columns in self._chunks(len(table))]
            for name in chunks[0]:
                values = torch.cat([chunk[name] for chunk in chunks], 1)
                found[f"{split}.{name}"] = values.double().cpu().numpy()
        return found

    def _chunks(self, rows: int) -> Iterator[slice]:
        """Yield slices of the columns, small enough for their outputs to fit."""
        per_column = self.grid.groups * max(1, self.program.numbers_per_run(rows))
        width = max(1, EVALUATION_NUMBERS // per_column)
        columns = self.grid.columns
        return (slice(k, min(k + width, columns)) for k in range(0, columns, width))

    def _measure_columns(self, split: str, columns: slice) -> dict[str, Tensor]:
        """Return the loss and the metrics of some columns, each [S, k]."""
        prepared, targets = self.splits[split], self.work.splits[split].targets
        predictions = self.program.predict(self.flat[:, columns].contiguous(), prepared[0], columns)
        metrics = {name: over_runs(metric, predictions, targets) for name, metric in self.work.metrics.items()}
        return {"loss": self.program.losses_of(predictions, prepared), **metrics}


def _modules(work: Workload, grid: Grid) -> list[list[nn.Module]]:
    """Return a freshly made module for each run; runs with one seed share it, since it is only read."""
    made: dict[int, Any] = {}
    for _, _, run in grid.cells():
        if run.seed not in made:
            made[run.seed] = work.make_model(run.seed)
    return [[made[run.seed] for run in group] for group in grid.runs]
