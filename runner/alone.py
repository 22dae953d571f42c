"""The ordinary loop: one run, forward, backward, step."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn
from xprun.runner.build import own_settings
from xprun.runner.outcome import Outcome, Recorder
from xprun.runner.rules import read_rule
from xprun.runner.schedule import Schedule
from xprun.runner.updates import Update, make_update
from xprun.runner.workload import Workload, seed_torch, trained_parameters
from xprun.specs import Run

REPORTED_PARAMETERS = 16  # a model with at most so many numbers has them as columns of the results


def train_alone(work: Workload, run: Run) -> Outcome:
    """Train one run to its end and return what became of it; an exception of a component is the caller's."""
    with torch.random.fork_rng(devices=[work.device] if work.device.type == "cuda" else []):
        seed_torch(run.seed, work.device)  # what random layers draw from
        return _train(work, run)


def _train(work: Workload, run: Run) -> Outcome:
    start = time.perf_counter()
    module = work.make_model(run.seed)
    update = make_lone_update(work, run, module)
    outcome, recorder = Outcome(run.id, "done"), Recorder()
    feed = work.feed.alone(run.seed)
    module.train()
    for end in work.schedule.block_ends():
        losses = []
        for _ in range(outcome.steps, end):
            x, y = next(feed)
            losses.append(update.step(lambda: work.loss(module(x), y), len(x)))  # noqa: B023 - called at once
        _look(outcome, recorder, torch.stack(losses), work.schedule)
        if outcome.status == "stopped" or (outcome.status == "done" and work.schedule.evaluates_after(end)):
            _evaluate(outcome, recorder, work, module)
        if outcome.status != "done":
            break
    if outcome.status in ("done", "stopped"):
        _finish(outcome, work, module)
    outcome.epochs = work.schedule.epoch_of(outcome.steps)
    outcome.history = recorder.history()
    outcome.seconds = time.perf_counter() - start
    return outcome


def make_lone_update(work: Workload, run: Run, module: nn.Module) -> Update:
    """Return what takes the steps of a run on its module."""
    choice = run.choices["optimizer"]
    component = work.registry.find("optimizer", choice.name)
    thing = component.load()
    settings = own_settings(work.registry, component, choice.settings)
    rule = thing if isinstance(thing, type) else read_rule(thing)
    return make_update(rule, module, settings, work.timetable(run))


def _look(outcome: Outcome, recorder: Recorder, losses: Tensor, schedule: Schedule) -> None:
    """Fetch the losses of the steps since the last look, keep those the history wants, and see whether one diverged."""
    values = losses.double().cpu().numpy()
    steps = np.arange(outcome.steps + 1, outcome.steps + len(values) + 1)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        steps, values = steps[: wrong[0] + 1], values[: wrong[0] + 1]
        outcome.status, outcome.reason = "diverged", f"the loss is {values[-1]} at step {steps[-1]}"
    elif schedule.loss_below is not None and values[-1] < schedule.loss_below:
        outcome.status, outcome.reason = "stopped", stop_reason(values[-1], int(steps[-1]), schedule)
    outcome.steps = int(steps[-1])
    keep = schedule.records(steps)
    keep[-1] |= outcome.status != "done"
    recorder.add("loss", steps[keep], values[keep])


def stop_reason(loss: float, step: int, schedule: Schedule) -> str:
    return f"the loss {loss:.6g} of step {step} is below {schedule.loss_below:g}"


def _evaluate(outcome: Outcome, recorder: Recorder, work: Workload, module: nn.Module) -> None:
    if not work.splits:
        return
    module.eval()
    with torch.no_grad():
        measured = work.measure(module)
    module.train()
    step = np.array([outcome.steps])
    for metric, value in measured.items():
        number = float(value)
        recorder.add(metric, step, np.array([number]))
        if metric.endswith(".loss") and not math.isfinite(number):
            outcome.status, outcome.reason = "diverged", f"{metric} is {number} after step {outcome.steps}"


def _finish(outcome: Outcome, work: Workload, module: nn.Module) -> None:
    """See that the last step left finite parameters, keep those of a tiny model, and measure the matrices."""
    named = [(name, p.detach()) for name, p in module.named_parameters()]
    if not all(bool(p.isfinite().all()) for _, p in named):
        outcome.status, outcome.reason = "diverged", f"parameters are not finite after step {outcome.steps}"
        return
    trained = trained_parameters(module)
    if sum(p.numel() for p in trained.values()) <= REPORTED_PARAMETERS:
        outcome.parameters = {key: value for name, p in trained.items() for key, value in numbers(name, p)}
    module.eval()
    with torch.no_grad():
        outcome.matrices = {name: m.tolist() for name, m in work.measure_matrices(module).items()}


def numbers(name: str, parameter: Tensor) -> list[tuple[str, float]]:
    """Return the numbers of a parameter with the names they have in tables: `b`, or `w[0]`, `w[1]`."""
    values = parameter.double().flatten().tolist()
    return [(name, values[0])] if len(values) == 1 else [(f"{name}[{i}]", v) for i, v in enumerate(values)]
