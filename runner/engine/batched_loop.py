"""The batched loop: all runs of a grid in one tensor program, each with a life of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from xprun.runner.engine.checkpoint_tracker import CheckpointTracker
from xprun.runner.engine.compiled_steps import AT_ONCE, CompiledSteps, compile_if_it_repays
from xprun.runner.engine.lone_loop import REPORTED_PARAMETERS
from xprun.runner.engine.optimizer_families import keep_columns, make_families
from xprun.runner.engine.programs.traced import over_runs
from xprun.runner.engine.stacked_histories import Curves, Numbers
from xprun.runner.engine.stop_rules import Reasons, StopRules
from xprun.runner.engine.trajectory_recorder import TrajectoryRecorder, number_places, numbers, wanted_steps
from xprun.runner.results.outcome import PARAMETER, Outcome, Status
from xprun.runner.store.snapshots import Snapshot, State
from xprun.runner.workload.measures import Measure
from xprun.runner.workload.run_grid import Batch, Grid
from xprun.runner.workload.visual_data import LOOKED_AT, as_lists, shown
from xprun.runner.workload.workload import Workload

EVALUATION_NUMBERS = 2**21  # numbers that one chunk of an evaluation works on; more do not fit a cache


class Program(Protocol):
    """A batched forward and backward pass for runs [S, K] of one model."""

    name: str
    module: nn.Module
    parameters: int
    held: dict[str, Tensor]  # what the models hold beside trained parameters, [S, K, ...] by name

    @property
    def pure(self) -> bool: ...

    def begin(self, modules: list[list[nn.Module]]) -> Tensor: ...
    def prepare(self, inputs: Tensor, targets: Tensor) -> Batch: ...
    def rows_of(self, batch: Batch) -> tuple[Tensor, Tensor]: ...
    def step(self, flat: Tensor, batch: Batch, gradient: Tensor, losses: Tensor) -> None: ...
    def predict(self, flat: Tensor, inputs: Tensor, columns: slice) -> Tensor: ...
    def losses_of(self, predictions: Tensor, prepared: Batch) -> Tensor: ...
    def views(self, flat: Tensor) -> dict[str, Tensor]: ...
    def keep(self, columns: Tensor) -> None: ...
    def numbers_per_run(self, rows: int) -> int: ...
    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


class CancelledError(Exception):
    """The training was asked to end before its time; its numbers are of no use."""


class Training:
    """The state of a grid in training: parameters [S, K, P], and which of its runs are still open.

    A run that diverges or stops is closed at that step: what its numbers do afterwards is not looked at, and they
    touch no other run's. Columns whose runs have all ended are left out from the next look on. Another thread may
    set `cancelled`, to have the training end at its next step with CancelledError.

    `columns` [k] are the numbers in the whole grid of the columns that are left; `open` [S, K] is about the whole.
    """

    def __init__(self, work: Workload, program: Program, grid: Grid) -> None:
        self.started = time.perf_counter()
        self.work, self.program, self.grid = work, program, grid
        self.keeper = CheckpointTracker(work.save, (grid.groups, grid.columns))
        self.rules = StopRules(work.schedule.stop, work.goals, (grid.groups, grid.columns))
        modules = _modules(work, grid)
        self.flat = program.begin(modules)
        self.saved = {name: tensor.shape for name, tensor in modules[0][0].state_dict().items()}
        self.gradient = torch.empty_like(self.flat)
        self.trail = self._make_trail()
        self.families = make_families(work.registry, grid, self.flat, work.timetable)
        self.feed = work.feed.together(program.prepare, [group[0].seed for group in grid.runs])
        self.splits = {name: program.prepare(t.inputs, t.targets) for name, t in work.splits.items()}
        self.steps = 0
        self.losses: Numbers = np.full((grid.groups, grid.columns), np.nan)  # of the latest step
        self.columns = np.arange(grid.columns)
        self.open = np.ones((grid.groups, grid.columns), dtype=bool)
        self.ended: dict[tuple[int, int], Outcome] = {}
        self.measured_until: dict[tuple[int, int], int] = {}
        self.curves: dict[str, Curves] = {}
        self.cancelled = threading.Event()
        self.compiled: CompiledSteps | None = None

    def train(self, snapshot: Snapshot | None = None) -> None:
        """Train all runs to their ends, and save them to a snapshot from time to time."""
        schedule, every = self.work.schedule, snapshot.every if snapshot else None
        for end in schedule.block_ends(self.steps, every):
            start, before = time.perf_counter(), self.steps
            self.look(self.advance(end))
            self.compiled = self.compiled or compile_if_it_repays(self, (time.perf_counter() - start) / (end - before))
            if schedule.evaluates_after(end):
                self.evaluate()
            self.leave_out_ended()
            if not self.open.any():
                break
            if snapshot and schedule.saves_after(end, every):
                snapshot.write(self.state(), end, schedule.steps)
        self.finish(self.open)

    def advance(self, end: int) -> Tensor:
        """Take the steps up to `end`; return their losses [steps, S, k]."""
        losses = self.flat.new_empty(end - self.steps, *self.flat.shape[:2])
        with torch.no_grad():
            for rows in losses.split(AT_ONCE if self.compiled else 1):
                if self.cancelled.is_set():
                    raise CancelledError
                batches = [next(self.feed) for _ in rows]
                compiled = self.compiled if not self.trail.wants(self.steps + 1, len(batches)) else None
                if not (compiled and compiled.take(self, batches, rows)):
                    for batch, row in zip(batches, rows, strict=True):
                        self.step(batch, row)
        return losses

    def step(self, batch: Batch, losses: Tensor) -> None:
        """Take one step with a batch and write its losses [S, k]."""
        self.trail.before(self.steps + 1)
        self.program.step(self.flat, batch, self.gradient, losses)
        self.steps += 1
        rows = batch[0].shape[1]
        new = [f.update(self.flat, self.gradient, self.steps, rows, self.program.views) for f in self.families]
        if len(new) == 1:
            self.flat = new[0]
        else:
            for family, part in zip(self.families, new, strict=True):
                self.flat[:, family.start : family.stop].copy_(part)

    def look(self, losses: Tensor) -> None:
        """Fetch the losses since the last look, keep those that the history wants, and close runs that have ended."""
        values = losses.double().cpu().numpy()
        steps = np.arange(self.steps - len(values) + 1, self.steps + 1)
        kept = self.work.schedule.records(steps)
        self._curves("loss").add(steps[kept], values[kept], self.columns)
        for number, at, values_there in self.trail.take():
            self._curves(number).add(at, values_there, self.columns)
        here = self.open[:, self.columns]
        finite = np.isfinite(values).all(0)
        for s, i in np.argwhere(here & ~finite):
            wrong = int(np.flatnonzero(~np.isfinite(values[:, s, i]))[0])
            step, loss = int(steps[wrong]), float(values[wrong, s, i])
            self._curves("loss").add_last(s, self.columns[i], step, loss)
            self._close(s, self.columns[i], "diverged", f"the loss is {loss} at step {step}", step, measured=False)
        self.losses = values[-1]
        if self.work.schedule.stop:
            last = self.steps == self.work.schedule.steps
            self._stop(self.rules.after_step(self.losses, here & finite, self.steps, last=last))

    def _stop(self, reasons: Reasons, measured: dict[str, Numbers] | None = None) -> None:
        """Measure and close the runs that have a reason to end, before another step changes them."""
        if not reasons:
            return
        chosen = np.zeros_like(self.open)
        for s, i in reasons:
            chosen[s, self.columns[i]] = True
        if measured is None:
            measured = self._measure()
            self.keeper.evaluated(measured, chosen[:, self.columns], self.columns, self._tensors)
        for s, i in reasons:
            k = self.columns[i]
            for metric, values in {"loss": self.losses, **measured}.items():
                self._curves(metric).add_last(s, k, self.steps, values[s, i])
        self.finish(chosen, {(s, self.columns[i]): reason for (s, i), reason in reasons.items()})

    def evaluate(self) -> None:
        """Measure all runs on every split; one whose loss is not finite there has diverged, and others may stop."""
        steps, measured = np.array([self.steps]), self._measure()
        for metric, values in measured.items():
            self._curves(metric).add(steps, values[None], self.columns)
            if metric.endswith(".loss"):
                for s, i in np.argwhere(self.open[:, self.columns] & ~np.isfinite(values)):
                    reason = f"{metric} is {values[s, i]} after step {self.steps}"
                    self._close(s, self.columns[i], "diverged", reason, self.steps)
        here = self.open[:, self.columns]
        self.keeper.evaluated(measured, here, self.columns, self._tensors)
        if self.work.schedule.stop:
            self._stop(self.rules.after_evaluation(measured, here, self.steps, self.columns), measured)

    def leave_out_ended(self) -> None:
        """Go on without the columns of which no run is open."""
        left = np.flatnonzero(self.open[:, self.columns].any(0))
        if len(left) in (0, len(self.columns)) or (self.compiled and 2 * len(left) > len(self.columns)):
            return
        self._keep(left)

    def _keep(self, left: NDArray[np.int64]) -> None:
        """Go on with these of the columns at hand."""
        index = torch.from_numpy(left).to(self.flat.device)
        self.flat = self.flat.index_select(1, index)
        self.gradient = torch.empty_like(self.flat)
        self.families = keep_columns(self.families, left.tolist(), self.flat.device)
        self.program.keep(index)
        self.columns = self.columns[left]
        self.compiled = None

    def finish(self, chosen: NDArray[np.bool_], reasons: dict[tuple[int, int], str] | None = None) -> None:
        """Close runs that came to their end, or were stopped for a reason; keep what is measured at the end."""
        finite = self.flat.isfinite().all(2).cpu().numpy()
        self.keeper.ended(chosen[:, self.columns] & finite, self.columns, self._tensors)
        tiny = self.program.parameters <= REPORTED_PARAMETERS
        views = {name: view.cpu() for name, view in self.program.views(self.flat).items()} if tiny else {}
        matrices = self._measure_matrices() if chosen.any() else {}
        pictures = self._shown(chosen[:, self.columns] & finite)
        for s, i in np.argwhere(chosen[:, self.columns]):
            k = self.columns[i]
            if not finite[s, i]:
                self._close(s, k, "diverged", f"parameters are not finite after step {self.steps}", self.steps)
                continue
            reason = reasons[s, k] if reasons else ""
            outcome = self._close(s, k, "stopped" if reason else "done", reason, self.steps)
            outcome.parameters = {key: x for name, view in views.items() for key, x in numbers(name, view[s, i])}
            outcome.matrices = {name: values[s, i].tolist() for name, values in matrices.items()}
            outcome.pictures = pictures[s, i]

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes of all runs with their histories."""
        for (s, k), outcome in self.ended.items():
            in_steps = [metric for metric in self.curves if metric == "loss" or metric.startswith(PARAMETER)]
            until = dict.fromkeys(self.curves, self.measured_until[s, k]) | dict.fromkeys(in_steps, outcome.steps)
            found = {metric: curves.series(s, k, until[metric]) for metric, curves in self.curves.items()}
            outcome.history = {metric: series for metric, series in found.items() if series}
            outcome.state = self.keeper.kept_of(s, k)
        return [self.ended[s, k] for s, k, _ in self.grid.cells()]

    def state(self) -> State:
        return {
            "step": self.steps,
            "seconds": time.perf_counter() - self.started,
            "columns": torch.from_numpy(self.columns),
            "open": torch.from_numpy(self.open),
            "flat": self.flat,
            "families": [family.state() for family in self.families],
            "program": self.program.state(),
            "feed": self.feed.state(),
            "rules": self.rules.state(),
            "keeper": self.keeper.state(),
            "curves": {metric: curves.state() for metric, curves in self.curves.items()},
            "ended": [[*cell, self.measured_until[cell], dict(vars(outcome))] for cell, outcome in self.ended.items()],
            "compiled": self.compiled.state() if self.compiled else None,
        }

    def restore(self, state: State) -> None:
        self.steps, self.started = state["step"], time.perf_counter() - state["seconds"]
        self._keep(state["columns"].numpy())
        self.open, self.flat = state["open"].numpy(), state["flat"].to(self.flat.device)
        for family, found in zip(self.families, state["families"], strict=True):
            family.restore(found)
        self.program.restore(state["program"])
        self.feed.restore(state["feed"])
        self.rules.restore(state["rules"])
        self.keeper.restore(state["keeper"], self.flat.device)
        for metric, found in state["curves"].items():
            self._curves(metric).restore(found)
        for s, k, until, outcome in state["ended"]:
            self.ended[s, k], self.measured_until[s, k] = Outcome(**outcome), until
        if state["compiled"]:
            self.compiled = CompiledSteps()
            self.compiled.restore(state["compiled"])

    def _close(self, s: int, k: int, status: Status, reason: str, steps: int, *, measured: bool = True) -> Outcome:
        """End a run after so many steps; `measured` tells whether an evaluation after the last of them counts."""
        outcome = Outcome(self.grid.runs[s][k].id, status, reason, steps, self.work.schedule.epoch_of(steps))
        self.open[s, k] = False
        self.ended[int(s), int(k)] = outcome
        self.measured_until[int(s), int(k)] = steps if measured else steps - 1
        return outcome

    def _make_trail(self) -> TrajectoryRecorder:
        steps = wanted_steps(self.work, self.program.parameters)
        places = number_places(self.program.views(torch.arange(self.program.parameters))) if steps else {}
        return TrajectoryRecorder(steps, places, lambda: self.flat.clone())

    def _tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds of all runs, [S, k, ...] by name."""
        held, runs = {**self.program.views(self.flat), **self.program.held}, self.flat.shape[:2]
        return {name: held[name].reshape(*runs, *shape) for name, shape in self.saved.items()}

    def _curves(self, metric: str) -> Curves:
        if metric not in self.curves:
            self.curves[metric] = Curves(self.grid.groups, self.grid.columns)
        return self.curves[metric]

    def _measure(self) -> dict[str, Numbers]:
        """Return `train.loss`, `valid.accuracy`, ... as arrays [S, k]."""
        found = {}
        with torch.no_grad():
            for split, table in self.work.splits.items():
                chunks = [self._measure_columns(split, columns) for columns in self._chunks(len(table))]
                for name in chunks[0]:
                    values = torch.cat([chunk[name] for chunk in chunks], 1)
                    found[f"{split}.{name}"] = values.double().cpu().numpy()
        return found

    def _chunks(self, rows: int) -> Iterator[slice]:
        """Yield slices of the columns, small enough for their outputs to fit."""
        per_column = self.grid.groups * max(1, self.program.numbers_per_run(rows))
        width, columns = max(1, EVALUATION_NUMBERS // per_column), len(self.columns)
        return (slice(k, min(k + width, columns)) for k in range(0, columns, width))

    def _measure_columns(self, split: str, columns: slice) -> dict[str, Tensor]:
        """Return the loss and the metrics of some columns, each [S, k]."""
        prepared, targets = self.splits[split], self.work.splits[split].targets
        flat = self.flat[:, columns].contiguous()
        predictions = self.program.predict(flat, prepared[0], columns)
        metrics = self._over_runs(self.work.metrics, predictions, targets, flat)
        return {"loss": self.program.losses_of(predictions, prepared), **metrics}

    def _measure_matrices(self) -> dict[str, Tensor]:
        """Return `valid.confusion`, ... as tensors [S, k, rows, columns]."""
        found: dict[str, Tensor] = {}
        if not self.work.matrices:
            return found
        with torch.no_grad():
            for split, table in self.work.every_split.items():
                inputs = self.program.prepare(table.inputs, table.targets)[0]
                predictions = self.program.predict(self.flat, inputs, slice(None))
                measured = self._over_runs(self.work.matrices, predictions, table.targets, self.flat)
                found |= {f"{split}.{name}": matrix.cpu() for name, matrix in measured.items()}
        return found

    def _shown(self, chosen: NDArray[np.bool_]) -> dict[tuple[int, int], dict[str, list[list[float]]]]:
        """Return what pictures need of the chosen runs [S, k], by their places."""
        found = {}
        with torch.no_grad():
            for columns in self._chunks(LOOKED_AT):
                if chosen[:, columns].any():
                    tables = shown(self.work, partial(self._predict, columns))
                    for s, i in np.argwhere(chosen[:, columns]):
                        found[s, columns.start + i] = as_lists(tables, s, i)
        return found

    def _predict(self, columns: slice, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the outputs [S, k, N, ...] of some columns for rows [N, ...]."""
        flat = self.flat[:, columns].contiguous()
        return self.program.predict(flat, self.program.prepare(inputs, targets)[0], columns)

    def _over_runs(
        self, metrics: dict[str, Measure], predictions: Tensor, targets: Tensor, flat: Tensor
    ) -> dict[str, Tensor]:
        """Return metrics [S, k, ...] of predictions [S, k, N, ...] by runs with the parameters [S, k, P]."""
        return {
            name: over_runs(metric, predictions, targets, self.program.views(flat) if metric.needs_parameters else None)
            for name, metric in metrics.items()
        }


def _modules(work: Workload, grid: Grid) -> list[list[nn.Module]]:
    """Return a freshly made module for each run; runs with one seed share it, since it is only read."""
    made: dict[int, nn.Module] = {}
    for _, _, run in grid.cells():
        if run.seed not in made:
            made[run.seed] = work.make_model(run.seed)
    return [[made[run.seed] for run in group] for group in grid.runs]
