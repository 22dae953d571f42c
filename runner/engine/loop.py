"""The loop: steps the runs of a grid, records and evaluates them, ends each when its time has come, and saves them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from xprun.runner.engine.backend_steps import BackendSteps
from xprun.runner.engine.checkpoint_tracker import CheckpointTracker
from xprun.runner.engine.compiled_blocks import CompiledBlocks, compile_if_it_repays
from xprun.runner.engine.evaluation import Evaluation
from xprun.runner.engine.metric_history import MetricHistory, Numbers
from xprun.runner.engine.optimizers import make_optimizers
from xprun.runner.engine.programs.program import Program
from xprun.runner.engine.running_averages import RunningAverages
from xprun.runner.engine.stop_rules import Mask, Reasons, StopRules
from xprun.runner.engine.training_watch import TrainingWatch
from xprun.runner.engine.trajectory_recorder import (
    REPORTED_PARAMETERS,
    TrajectoryRecorder,
    number_places,
    numbers,
    wanted_steps,
)
from xprun.runner.engine.weight_average import with_average
from xprun.runner.results.outcome import Engine, Outcome, Series, Status
from xprun.runner.results.results_schema import LOSS, LOSS_PER_ROW, TEST, is_of_step, is_of_test
from xprun.runner.store.snapshots import Snapshot, State
from xprun.runner.workload.device_generators import own_draws
from xprun.runner.workload.device_transfer import fetched
from xprun.runner.workload.run_grid import Batch, Grid
from xprun.runner.workload.workload import Workload
from xprun.specs import Run
from xprun.specs.language.schema import SaveBest


class CancelledError(Exception):
    """The training was asked to end before its time; its numbers are of no use."""


class Blocks(Protocol):
    """What takes many steps of a training in one call."""

    def most(self, batch: Batch) -> int:
        """Return how many steps a call may have at most, with batches like this one."""

    def take(self, training: Training, batches: list[Batch]) -> Tensor | None:
        """Take a step with each batch of one shape and return the losses [n, S, k], or None where it takes none."""


class Training:
    """The runs [S, K] of a grid in training, a lone run being [1, 1], and which of them are still open.

    A run that diverges or stops is closed at that step: what its numbers do afterwards is not looked at, and they
    touch no other run's. Columns whose runs have all ended are left out from the next look on. Another thread may
    set `cancelled`, to have the training end at its next step with CancelledError. A `watch` is told how far it is.

    `columns` [k] are the numbers in the whole grid of the columns that are left; `open` [S, K] is about the whole.
    """

    def __init__(self, work: Workload, program: Program, grid: Grid, watch: TrainingWatch | None = None) -> None:
        self.started, self.watch = time.perf_counter(), watch
        self.work, self.program, self.grid = work, program, grid
        shape = (grid.groups, grid.columns)
        self.checkpoints = CheckpointTracker(work.save, shape)
        self.rules = StopRules(work.schedule.stop, work.goals, shape)
        program.begin(_modules(work, grid))
        self.optimizers = with_average(work, grid, program, make_optimizers(work, grid, program))
        self.feed = program.batches(work.feed, [group[0].seed for group in grid.runs])
        self.evaluation = Evaluation(work, program)
        self.running = RunningAverages(work, program) if work.averages_batches else None
        self.trajectory = self._make_trajectory()
        self.steps = 0
        self.losses: Numbers = np.full(shape, np.nan)  # of the latest step
        self.columns = np.arange(grid.columns)
        self.open = np.ones(shape, dtype=bool)
        self.ended: dict[tuple[int, int], Outcome] = {}
        self.measured_until: dict[tuple[int, int], int] = {}
        self.histories: dict[str, MetricHistory] = {}
        self.cancelled = threading.Event()
        self.compiled: CompiledBlocks | None = None
        self.in_blocks = 0  # steps that were taken by these
        self._set_mode(training=True)

    def train(self, snapshot: Snapshot | None = None) -> None:
        """Train all runs to their ends, and save them to a snapshot from time to time."""
        if not self.work.schedule.steps:
            self._evaluate()
        elif not self.steps:
            self._measure_untrained()
        try:
            self._train_blocks(snapshot)
        finally:
            if self.compiled:
                self.compiled.stop()
        self._finish(self.open)

    def _train_blocks(self, snapshot: Snapshot | None) -> None:
        """Train until the last step, or until all runs have ended."""
        schedule = self.work.schedule
        every = snapshot.every if snapshot else None  # without it, a snapshot is only there to go on from
        for end in schedule.block_ends(self.steps, every):
            start, before = time.perf_counter(), self.steps
            self._look(self.advance(end))
            seconds = (time.perf_counter() - start) / (end - before)
            self.compiled = self.compiled or compile_if_it_repays(self, seconds, saved=every is not None)
            if schedule.evaluates_after(end) and len(self.ended) < len(self.grid):
                self._evaluate()
            self.leave_out_ended()
            if len(self.ended) == len(self.grid):
                break
            if snapshot and schedule.saves_after(end, every):
                snapshot.write(self.state(), end, schedule.steps)

    # --- steps

    def advance(self, end: int) -> Tensor:
        """Take the steps up to `end`; return their losses [steps, S, k]."""
        with torch.set_grad_enabled(self.optimizers.builds_graphs):
            if self.blocks:
                losses = torch.cat(list(self._steps_in_blocks(self.blocks, end)))
            else:
                losses = torch.stack(list(self._steps(end)))
        return losses.view(-1, *self.program.shape)

    def _steps(self, end: int) -> Iterator[Tensor]:
        """Take the steps up to `end`; yield the losses of each."""
        while self.steps < end:
            if self.cancelled.is_set():
                raise CancelledError
            losses = self.step(next(self.feed))
            if self.watch:
                self.watch.look(self, losses)
            yield losses

    @property
    def blocks(self) -> Blocks | None:
        """What takes many steps at once, if anything does: a backend, or a compiled loop."""
        if isinstance(self.optimizers, BackendSteps):
            return self.optimizers
        return self.compiled if self.compiled and self.compiled.work else None

    def _steps_in_blocks(self, blocks: Blocks, end: int) -> Iterator[Tensor]:
        """Take the steps up to `end`, many at once where that can be; yield the losses [n, S, k] of each call."""
        batch: Batch | None = None
        while self.steps < end:
            if self.cancelled.is_set():
                raise CancelledError
            batches = [batch or next(self.feed)]
            batch = None
            most = min(blocks.most(batches[0]), end - self.steps, self.trajectory.until(self.steps + 1))
            most = min(most, self.running.until(self.steps + 1)) if self.running else most
            while len(batches) < most:
                batch = next(self.feed)
                if batch[0].shape != batches[0][0].shape:  # the last one of an epoch has fewer rows
                    break
                batches.append(batch)
                batch = None
            losses = blocks.take(self, batches)
            losses = torch.stack([self.step(b) for b in batches]) if losses is None else losses
            if self.watch:
                self.watch.look(self, losses[-1])
            yield losses

    def step(self, batch: Batch) -> Tensor:
        """Take one step with a batch; return its losses [S, k]."""
        self.steps += 1
        batches = len(batch) if self.work.accumulate > 1 else 1
        self.trajectory.before(self.steps, batches)
        if self.running:
            self.running.before(self.steps, batches)
        return self.optimizers.step(batch, self.steps)

    # --- looks: what the losses and the measures say about each run

    def _look(self, losses: Tensor) -> None:
        """Fetch the losses since the last look, keep those that the history wants, and close runs that have ended."""
        values = fetched(losses).numpy()
        steps = np.arange(self.steps - len(values) + 1, self.steps + 1)
        kept = self.work.schedule.records(steps)
        self._history("loss").add(steps[kept], values[kept], self.columns)
        for number, at, values_there in self.trajectory.take():
            self._history(number).add(at, values_there, self.columns)
        here = self.open[:, self.columns]
        finite = np.isfinite(values).all(0)
        if not finite.all():
            self._close_diverged(here & ~finite, values, steps)
        self.losses = values[-1]
        if self.work.schedule.stop:
            last = self.steps == self.work.schedule.steps
            self._stop(self.rules.after_step(self.losses, here & finite, self.steps, last=last))

    def _close_diverged(self, diverged: Mask, values: Numbers, steps: NDArray[np.int64]) -> None:
        """Close the runs [S, k] of whose losses [steps, S, k] one is not finite, at that step."""
        for s, i in np.argwhere(diverged):
            wrong = int(np.flatnonzero(~np.isfinite(values[:, s, i]))[0])
            step, loss = int(steps[wrong]), float(values[wrong, s, i])
            self._history("loss").add_last(s, self.columns[i], step, loss)
            self._close(s, self.columns[i], "diverged", f"the loss is {loss} at step {step}", step, measured=False)

    def _measure_untrained(self) -> None:
        """Begin histories with what is measured of runs before their first step: it may be the best, but ends none.

        Nothing that a step depends on is touched: no optimizer is asked for its parameters, and what a model draws
        while it is measured is not missed afterwards.
        """
        self.program.train(False)
        with torch.no_grad(), own_draws(self.work.device):
            measured = self.evaluation.measure()
        self.program.train(True)
        for metric, values in measured.items():
            self._history(metric).add(np.zeros(1, dtype=np.int64), values[None], self.columns)
        self.checkpoints.evaluated(measured, self.open, self.columns, self.program.tensors)

    def _evaluate(self) -> None:
        """Measure all runs on every split; one whose loss is not finite there has diverged, and others may stop."""
        step = np.array([self.steps])
        with self._evaluating():
            measured = self._measure()
            for metric, values in measured.items():
                self._history(metric).add(step, values[None], self.columns)
            here = self._measured(measured, self.open)
        if self.work.schedule.stop:
            reasons = self.rules.after_evaluation(measured, here, self.steps, self.columns)
            self._keep_last(reasons, measured)
            self._end(reasons)

    def _stop(self, reasons: Reasons) -> None:
        """Measure the runs that have a reason to end before another step changes them, and end them."""
        if not reasons:
            return
        with self._evaluating():
            measured = self._measure()
            self._keep_last(reasons, measured)
            here = self._measured(measured, self._whole(reasons))
        self._end({(s, i): reason for (s, i), reason in reasons.items() if here[s, i]})

    def _measure(self) -> dict[str, Numbers]:
        """Return what is measured of all runs [S, k] now, or has been in the course of the epoch."""
        return {**(self.running.averages() if self.running else {}), **self.evaluation.measure()}

    def _measured(self, measured: dict[str, Numbers], chosen: Mask) -> Mask:
        """Close those of the chosen runs [S, K] that have diverged, and keep what is best of the others [S, k]."""
        self._close_unmeasurable(measured, chosen)
        here: Mask = (chosen & self.open)[:, self.columns]
        self.checkpoints.evaluated(measured, here, self.columns, self.program.tensors)
        return here

    def _close_unmeasurable(self, measured: dict[str, Numbers], chosen: Mask) -> None:
        """Close those of the chosen runs [S, K] that have diverged: a measured loss is not finite."""
        for metric, values in measured.items():
            if metric.endswith(".loss") and not is_of_test(metric) and not np.isfinite(values).all():
                for s, i in np.argwhere((chosen & self.open)[:, self.columns] & ~np.isfinite(values)):
                    reason = f"{metric} is {values[s, i]} after step {self.steps}"
                    self._close(s, self.columns[i], "diverged", reason, self.steps)

    def _keep_last(self, reasons: Reasons, measured: dict[str, Numbers]) -> None:
        """Have the latest loss and measures of runs that end in their histories, which others go on without."""
        for s, i in reasons:
            for metric, values in {"loss": self.losses, **measured}.items():
                self._history(metric).add_last(s, self.columns[i], self.steps, values[s, i])

    def _end(self, reasons: Reasons) -> None:
        """End the runs that have a reason to."""
        if reasons:
            self._finish(self._whole(reasons), {(s, int(self.columns[i])): why for (s, i), why in reasons.items()})

    def _whole(self, places: Reasons) -> Mask:
        """Return which runs of the whole grid [S, K] stand in these places of the columns at hand."""
        chosen = np.zeros_like(self.open)
        for s, i in places:
            chosen[s, self.columns[i]] = True
        return chosen

    def leave_out_ended(self) -> None:
        """Go on without the columns of which no run is open."""
        if not self.ended:
            return
        left = np.flatnonzero(self.open[:, self.columns].any(0))
        if len(left) in (0, len(self.columns)) or (self.compiled and 2 * len(left) > len(self.columns)):
            return
        self._keep(left)

    def _keep(self, left: NDArray[np.int64]) -> None:
        """Go on with these of the columns at hand."""
        index = torch.from_numpy(left).to(self.work.device)
        self.program.keep(index)
        if self.running:
            self.running.keep(index)
        self.optimizers.keep(left.tolist())
        self.columns = self.columns[left]
        if self.compiled:
            self.compiled.stop()
        self.compiled = None

    # --- ends

    def _finish(self, chosen: Mask, reasons: dict[tuple[int, int], str] | None = None) -> None:
        """Close runs [S, K] that came to their end, or were stopped for a reason; keep what is measured at the end."""
        here = chosen[:, self.columns]
        if not here.any():
            return
        with self._evaluating():
            finite = self.program.finite().cpu().numpy()
            self.checkpoints.ended(here & finite, self.columns, self.program.tensors)
            at_end = self.evaluation.at_end(here & finite)
            matrices = self.evaluation.matrices() if (here & finite).any() else {}
            visuals = self.evaluation.visuals(here & finite)
            parameters = self._reported_parameters()
        for s, i in np.argwhere(here):
            k = int(self.columns[i])
            if not finite[s, i]:
                self._close(s, k, "diverged", f"parameters are not finite after step {self.steps}", self.steps)
                continue
            reason = reasons[s, k] if reasons else ""
            outcome = self._close(s, k, "stopped" if reason else "done", reason, self.steps)
            outcome.parameters = {key: x for name, view in parameters.items() for key, x in numbers(name, view[s, i])}
            outcome.matrices = {name: values[s, i].tolist() for name, values in matrices.items()}
            outcome.visuals = visuals[s, i]
            for metric, values in at_end.items():
                self._history(metric).add_last(s, k, self.steps, float(values[s, i]))

    def _close(self, s: int, k: int, status: Status, reason: str, steps: int, *, measured: bool = True) -> Outcome:
        """End a run after so many steps; `measured` tells whether an evaluation after the last of them counts."""
        outcome = Outcome(self.grid.runs[s][k].id, status, reason, steps, self.work.schedule.epoch_of(steps))
        self.open[s, k] = False
        self.ended[int(s), int(k)] = outcome
        self.measured_until[int(s), int(k)] = steps if measured else steps - 1
        return outcome

    @property
    def engine(self) -> Engine:
        """How the runs are trained, as their rows tell it."""
        return "compiled" if self.in_blocks else "together" if self.program.batched else "alone"

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes of all runs with their histories."""
        in_steps = set(filter(is_of_step, self.histories))
        for (s, k), outcome in self.ended.items():
            until = dict.fromkeys(self.histories, self.measured_until[s, k]) | dict.fromkeys(in_steps, outcome.steps)
            found = {metric: history.series(s, k, until[metric]) for metric, history in self.histories.items()}
            outcome.history = self._with_loss_per_row({metric: series for metric, series in found.items() if series})
            if outcome.ended_well or any(outcome.trained(metric) for metric in found.keys() - in_steps):
                outcome.state = self.checkpoints.kept_of(s, k)  # of one that diverged at once there is but the start
            outcome.kept = self._measured_as_kept(outcome, self.grid.runs[s][k])
        return [self.ended[s, k] for s, k, _ in self.grid.cells()]

    def _with_loss_per_row(self, history: dict[str, Series]) -> dict[str, Series]:
        """Return a history with the loss of the steps per row, where it is a sum."""
        losses = history.get(LOSS)
        if losses is None or not self.work.summed:
            return history
        per_row = losses.values / self.work.rows_of_steps(losses.steps)
        return {LOSS: losses, LOSS_PER_ROW: Series(losses.steps, per_row), **history}

    def _measured_as_kept(self, outcome: Outcome, run: Run) -> dict[str, float]:
        """Return what the best checkpoint of a run reaches on the test rows: `test.loss`, ...; nothing of others."""
        if not (self.work.test and isinstance(self.work.save, SaveBest) and outcome.state):
            return {}
        module = self.work.make_model(run.seed).eval()
        module.load_state_dict({name: torch.from_numpy(values) for name, values in outcome.state.items()})
        with torch.no_grad():
            measured = self.work.measure(module, {TEST: self.work.test})
        return {metric: float(value) for metric, value in measured.items()}

    # --- snapshots

    def state(self) -> State:
        return {
            "step": self.steps,
            "seconds": time.perf_counter() - self.started,
            "columns": torch.from_numpy(self.columns),
            "open": torch.from_numpy(self.open),
            "program": self.program.state(),
            "optimizers": self.optimizers.state(),
            "feed": self.feed.state(),
            "running": self.running.state() if self.running else None,
            "rules": self.rules.state(),
            "checkpoints": self.checkpoints.state(),
            "histories": {metric: history.state() for metric, history in self.histories.items()},
            "ended": [[*cell, self.measured_until[cell], dict(vars(outcome))] for cell, outcome in self.ended.items()],
            "compiled": self.compiled.state() if self.compiled else None,
            "in_blocks": self.in_blocks,
        }

    def restore(self, state: State) -> None:
        self.in_blocks = state.get("in_blocks", 0)
        self.steps, self.started = state["step"], time.perf_counter() - state["seconds"]
        if len(state["columns"]) < len(self.columns):
            self._keep(state["columns"].numpy())
        self.open = state["open"].numpy()
        self.program.restore(state["program"])
        self.optimizers.restore(state["optimizers"])
        self.feed.restore(state["feed"])
        if self.running:
            self.running.restore(state["running"])
        self.rules.restore(state["rules"])
        self.checkpoints.restore(state["checkpoints"], self.work.device)
        for metric, found in state["histories"].items():
            self._history(metric).restore(found)
        for s, k, until, outcome in state["ended"]:
            self.ended[s, k], self.measured_until[s, k] = Outcome(**outcome), until
        if state["compiled"]:
            self.compiled = CompiledBlocks()
            self.compiled.restore(state["compiled"])

    # --- what the above is made of

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Let models and optimizers be as they are measured, saved and shown, without gradients.

        A snapshot is taken between steps, in the midst of training, so that taking one changes no bit.
        """
        self._set_mode(training=False)
        try:
            with torch.no_grad():
                yield
        finally:
            self._set_mode(training=True)

    def _set_mode(self, *, training: bool) -> None:
        self.program.train(training)
        self.optimizers.train(training)

    def _reported_parameters(self) -> dict[str, Tensor]:
        """Return copies of the parameters [S, k, *shape] of tiny models by name; nothing for others."""
        if self.program.parameters > REPORTED_PARAMETERS:
            return {}
        return self.program.views(self.program.flat.cpu().clone())

    def _history(self, metric: str) -> MetricHistory:
        if metric not in self.histories:
            self.histories[metric] = MetricHistory(self.grid.groups, self.grid.columns)
        return self.histories[metric]

    def _make_trajectory(self) -> TrajectoryRecorder:
        size = self.program.parameters
        steps = wanted_steps(self.work, size)
        places = number_places(self.program.views(torch.arange(size))) if steps else {}
        return TrajectoryRecorder(
            steps, places, lambda: self.optimizers.look(lambda: self.program.flat.clone()), self.program
        )


def _modules(work: Workload, grid: Grid) -> list[list[nn.Module]]:
    """Return a freshly made module for each run; runs of one seed share it, since stacks only read it."""
    made: dict[int, nn.Module] = {}
    for _, _, run in grid.cells():
        if run.seed not in made:
            made[run.seed] = work.make_model(run.seed)
    return [[made[run.seed] for run in group] for group in grid.runs]
