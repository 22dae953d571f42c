"""The ordinary loop: one run, forward, backward, step."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn
from xprun.runner.batches import batches
from xprun.runner.build import own_settings
from xprun.runner.outcome import Outcome, Recorder
from xprun.runner.rules import read_rule
from xprun.runner.schedule import Schedule
from xprun.runner.updates import Update, make_update
from xprun.runner.workload import Workload
from xprun.specs import Run

REPORTED_PARAMETERS = 16  # a model with at most so many numbers has them as columns of the results


def train_alone(work: Workload, run: Run) -> Outcome:
    """Train one run to its end and return what became of it; an exception of a component is the caller's."""
    with torch.random.fork_rng(devices=[work.device] if work.device.type == "cuda" else []):
        torch.manual_seed(run.seed)  # what random layers draw from
        return _train(work, run)


def _train(work: Workload, run: Run) -> Outcome:
    start = time.perf_counter()
    module = work.make_model(run.seed)
    update = _make_update(work, run, module)
    outcome, recorder = Outcome(run.id, "done"), Recorder()
    feed = batches(work.train.inputs, work.train.targets, work.batch_size, run.seed)
    module.train()
    for end in work.schedule.block_ends():
        losses = []
        for _ in range(outcome.steps, end):
            x, y = next(feed)
            losses.append(update.step(lambda: work.loss(module(x), y), len(x)))  # noqa: B023 - called at once
        _look(outcome, recorder, torch.stack(losses), work.schedule)
        if outcome.status == "done" and work.schedule.evaluates_after(end):
            _evaluate(outcome, recorder, work, module)
        if outcome.status != "done":
            break
    if outcome.status == "done":
        _finish(outcome, module)
    outcome.epochs = work.schedule.epoch_of(outcome.steps)
    outcome.history = recorder.history()
    outcome.seconds = time.perf_counter() - start
    return outcome


def _make_update(work: Workload, run: Run, module: nn.Module) -> Update:
    choice = run.choices["optimizer"]
    component = work.registry.find("optimizer", choice.name)
    thing = component.load()
    settings = own_settings(work.registry, component, choice.settings)
    return make_update(thing if isinstance(thing, type) else read_rule(thing), module, settings)


def _look(outcome: Outcome, recorder: Recorder, losses: Tensor, schedule: Schedule) -> None:
    """Fetch the losses of the steps since the last look, keep those the history wants, and see whether one diverged."""
    values = losses.double().cpu().numpy()
    steps = np.arange(outcome.steps + 1, outcome.steps + len(values) + 1)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        steps, values = steps[: wrong[0] + 1], values[: wrong[0] + 1]
        outcome.status, outcome.reason = "diverged", f"the loss is {values[-1]} at step {steps[-1]}"
    outcome.steps = int(steps[-1])
    keep = (steps % schedule.record_every == 0) | (steps == 1) | (steps == schedule.steps)
    keep[-1] |= outcome.status == "diverged"
    recorder.add("loss", steps[keep], values[keep])


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
        if metric.endswith(".loss") and not math.isfinite(number) and outcome.status == "done":
            outcome.status, outcome.reason = "diverged", f"{metric} is {number} after step {outcome.steps}"


def _finish(outcome: Outcome, module: nn.Module) -> None:
    """See that the last step left finite parameters, and keep those of a tiny model."""
    named = [(name, p.detach()) for name, p in module.named_parameters()]
    if not all(bool(p.isfinite().all()) for _, p in named):
        outcome.status, outcome.reason = "diverged", f"parameters are not finite after step {outcome.steps}"
    elif sum(p.numel() for _, p in named) <= REPORTED_PARAMETERS:
        outcome.parameters = {key: value for name, p in named for key, value in _numbers(name, p)}


def _numbers(name: str, parameter: Tensor) -> list[tuple[str, float]]:
    values = parameter.double().flatten().tolist()
    return [(name, values[0])] if len(values) == 1 else [(f"{name}[{i}]", v) for i, v in enumerate(values)]
