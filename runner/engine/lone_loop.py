"""The ordinary loop: one run, forward, backward, step."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn
from xprun.runner.engine.checkpoint_tracker import CheckpointTracker
from xprun.runner.engine.history_recorder import Recorder
from xprun.runner.engine.lone_updates import Update, make_update
from xprun.runner.engine.resuming import begin, random_state, restore_random
from xprun.runner.engine.stop_rules import Numbers, Reasons, StopRules
from xprun.runner.engine.trajectory_recorder import TrajectoryRecorder, number_places, numbers, wanted_steps
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.resolve.build import own_settings
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.snapshots import Snapshot, State
from xprun.runner.workload.gradients import loss_of
from xprun.runner.workload.visual_data import as_lists, shown
from xprun.runner.workload.workload import (
    Workload,
    predictions,
    seed_torch,
    split_by_name,
    trained_parameters,
)
from xprun.specs import Run

OPEN, FIRST = np.array([[True]]), np.array([0])  # a lone run among runs [S, K], and its column
REPORTED_PARAMETERS = 16  # a model with at most so many numbers has them as columns of the results


def train_alone(work: Workload, run: Run, snapshot: Snapshot | None = None) -> Outcome:
    """Train one run to its end and return what became of it; an exception of a component is the caller's.

    With a snapshot it goes on from that, and is saved to it from time to time.
    """
    with torch.random.fork_rng(devices=[work.device] if work.device.type == "cuda" else []):
        training = begin(lambda: LoneTraining(work, run), snapshot)
        training.train(snapshot)
        return training.result()


class LoneTraining:
    """A lone run in training."""

    def __init__(self, work: Workload, run: Run) -> None:
        self.started = time.perf_counter()
        self.work = work
        seed_torch(run.seed, work.device)  # what random layers draw from
        self.rules = StopRules(work.schedule.stop, work.goals, (1, 1))
        self.module = work.make_model(run.seed)
        self.update = make_lone_update(work, run, self.module)
        self.outcome, self.recorder = Outcome(run.id, "done"), Recorder()
        self.keeper = CheckpointTracker(work.save, (1, 1))
        self.feed = work.feed.alone(run.seed)
        self.loss_on = loss_of(work, self.module)
        self.trail = _trail_of(work, self.module)
        self._set_mode(training=True)

    def train(self, snapshot: Snapshot | None = None) -> None:
        """Train the run to its end."""
        schedule, every = self.work.schedule, snapshot.every if snapshot else None
        for end in schedule.block_ends(self.outcome.steps, every):
            loss = self._look(self.advance(end))
            status = self.outcome.status
            if status == "stopped" or (status == "done" and schedule.evaluates_after(end)):
                self._evaluate(loss)
            if self.outcome.status != "done":
                break
            if snapshot and schedule.saves_after(end, every):
                snapshot.write(self.state(), end, schedule.steps)
        self._finish()

    def step(self, number: int) -> Tensor:
        """Take the step of a number, counted from 1, and return its loss."""
        self.trail.before(number)
        x, y = next(self.feed)
        return self.update.step(lambda: self.loss_on(x, y), len(x))

    def advance(self, end: int) -> Tensor:
        """Take the steps up to `end`; return their losses [steps]."""
        return torch.stack([self.step(number) for number in range(self.outcome.steps + 1, end + 1)])

    def result(self) -> Outcome:
        """Return what became of the run."""
        self.outcome.state = self.keeper.kept_of(0, 0)
        self.outcome.epochs = self.work.schedule.epoch_of(self.outcome.steps)
        self.outcome.history = self.recorder.history()
        self.outcome.seconds = time.perf_counter() - self.started
        return self.outcome

    def state(self) -> State:
        return {
            "step": self.outcome.steps,
            "seconds": time.perf_counter() - self.started,
            "model": _tensors(self.module),
            "update": self.update.state(),
            "feed": self.feed.state(),
            "random": random_state(self.work.device),
            "rules": self.rules.state(),
            "recorder": self.recorder.state(),
            "keeper": self.keeper.state(),
        }

    def restore(self, state: State) -> None:
        self.outcome.steps, self.started = state["step"], time.perf_counter() - state["seconds"]
        for name, tensor in _tensors(self.module).items():
            tensor.copy_(state["model"][name])
        self.update.restore(state["update"])
        self.feed.restore(state["feed"])
        self.rules.restore(state["rules"])
        self.recorder.restore(state["recorder"])
        self.keeper.restore(state["keeper"], self.work.device)
        restore_random(state["random"], self.work.device)

    def _look(self, losses: Tensor) -> float:
        """Fetch the losses since the last look, keep those the history wants, and see whether one diverged.

        Return the last of them.
        """
        outcome, schedule = self.outcome, self.work.schedule
        values = losses.double().cpu().numpy()
        steps = np.arange(outcome.steps + 1, outcome.steps + len(values) + 1)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            steps, values = steps[: wrong[0] + 1], values[: wrong[0] + 1]
            outcome.status, outcome.reason = "diverged", f"the loss is {values[-1]} at step {steps[-1]}"
        outcome.steps = int(steps[-1])
        if outcome.status == "done" and schedule.stop:
            last = outcome.steps == schedule.steps
            self._obey(self.rules.after_step(values[-1:, None], OPEN, outcome.steps, last=last))
        keep = schedule.records(steps)
        keep[-1] |= outcome.status != "done"
        self.recorder.add("loss", steps[keep], values[keep])
        for number, at, there in self.trail.take():
            walked = at <= outcome.steps  # what a diverged run did after its last step is not its path
            self.recorder.add(number, at[walked], there[walked])
        return float(values[-1])

    def _evaluate(self, loss: float) -> None:
        """Measure the run, of whose last step the loss is known, and see what follows from it."""
        if not self.work.splits:
            return
        self._set_mode(training=False)
        measured = self._measure()
        if measured:
            self.keeper.evaluated(measured, OPEN, FIRST, self._kept)
        self._set_mode(training=True)
        if not measured:
            return
        step = np.array([self.outcome.steps])
        if self.outcome.status != "done" or not self.work.schedule.stop:
            return
        stops = self._obey(self.rules.after_evaluation(measured, OPEN, self.outcome.steps, FIRST))
        if stops and not self.work.schedule.records(step)[0]:
            self.recorder.add("loss", step, np.array([loss]))

    def _obey(self, reasons: Reasons) -> bool:
        """Stop the run if there is a reason to; return whether there is."""
        if reasons:
            self.outcome.status, self.outcome.reason = "stopped", reasons[0, 0]
        return bool(reasons)

    def _measure(self) -> dict[str, Numbers]:
        """Return `train.loss`, `valid.accuracy`, ... of every split [1, 1], or nothing if the run diverged."""
        work, outcome = self.work, self.outcome
        with torch.no_grad():
            measured = {metric: float(value) for metric, value in work.measure(self.module).items()}
        for metric, number in measured.items():
            self.recorder.add(metric, np.array([outcome.steps]), np.array([number]))
            if metric.endswith(".loss") and not math.isfinite(number):
                outcome.status, outcome.reason = "diverged", f"{metric} is {number} after step {outcome.steps}"
        return {} if outcome.status == "diverged" else {name: np.array([[x]]) for name, x in measured.items()}

    def _finish(self) -> None:
        """See that the last step left finite parameters, keep those of a tiny model, and measure the matrices."""
        outcome = self.outcome
        if outcome.status not in ("done", "stopped"):
            return
        self._set_mode(training=False)
        if not all(bool(p.detach().isfinite().all()) for p in self.module.parameters()):
            outcome.status, outcome.reason = "diverged", f"parameters are not finite after step {outcome.steps}"
            return
        trained = trained_parameters(self.module)
        if sum(p.numel() for p in trained.values()) <= REPORTED_PARAMETERS:
            outcome.parameters = {key: value for name, p in trained.items() for key, value in numbers(name, p)}
        with torch.no_grad():
            outcome.matrices = {name: m.tolist() for name, m in self.work.measure_matrices(self.module).items()}
            outcome.pictures = as_lists(shown(self.work, lambda x, _: predictions(self.module, x)[None, None]), 0, 0)
        self.keeper.ended(OPEN, FIRST, self._kept)

    def _set_mode(self, *, training: bool) -> None:
        """Get module and optimizer ready for steps, or for all that looks at the parameters which these lead to.

        A snapshot is taken between steps, in the midst of training, so that taking one changes no bit.
        """
        self.module.train(training)
        self.update.set_mode(training=training)

    def _kept(self) -> dict[str, Tensor]:
        """Return the parameters and buffers as those of runs [1, 1]."""
        return {name: tensor[None, None] for name, tensor in self.module.state_dict().items()}


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return what a module holds, also what it leaves out of its `state_dict`."""
    return {name: p.detach() for name, p in module.named_parameters()} | dict(module.named_buffers())


def _trail_of(work: Workload, module: nn.Module) -> TrajectoryRecorder:
    parameters = [p for p in module.parameters() if p.requires_grad]
    size = sum(p.numel() for p in parameters)
    steps = wanted_steps(work, size)
    places = number_places(split_by_name(module, torch.arange(size))) if steps else {}
    return TrajectoryRecorder(steps, places, lambda: torch.cat([p.detach().reshape(-1) for p in parameters]))


def make_lone_update(work: Workload, run: Run, module: nn.Module) -> Update:
    """Return what takes the steps of a run on its module."""
    choice = run.choices["optimizer"]
    component = work.registry.find("optimizer", choice.name)
    thing = component.load()
    settings = own_settings(work.registry, component, choice.settings)
    rule = thing if isinstance(thing, type) else read_rule(thing)
    return make_update(rule, module, settings, work.timetable(run))
