"""The ordinary loop: one run, forward, backward, step."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn
from xprun.runner.outcome import Outcome, Recorder
from xprun.runner.training.build import own_settings
from xprun.runner.training.gradients import loss_of
from xprun.runner.training.keeper import Keeper
from xprun.runner.training.rules import read_rule
from xprun.runner.training.schedule import Schedule
from xprun.runner.training.stopping import Numbers, Reasons, StopRules
from xprun.runner.training.trail import Trail, number_places, numbers, wanted_steps
from xprun.runner.training.updates import Update, make_update
from xprun.runner.training.workload import Workload, seed_torch, trained_parameters
from xprun.specs import Run

OPEN, FIRST = np.array([[True]]), np.array([0])  # a lone run among runs [S, K], and its column
REPORTED_PARAMETERS = 16  # a model with at most so many numbers has them as columns of the results


def train_alone(work: Workload, run: Run) -> Outcome:
    """Train one run to its end and return what became of it; an exception of a component is the caller's."""
    with torch.random.fork_rng(devices=[work.device] if work.device.type == "cuda" else []):
        seed_torch(run.seed, work.device)  # what random layers draw from
        return _train(work, run)


def _train(work: Workload, run: Run) -> Outcome:
    start = time.perf_counter()
    rules = StopRules(work.schedule.stop, work.goals, (1, 1))
    module = work.make_model(run.seed)
    update = make_lone_update(work, run, module)
    outcome, recorder = Outcome(run.id, "done"), Recorder()
    keeper = Keeper(work.save, (1, 1))
    feed = work.feed.alone(run.seed)
    loss_on = loss_of(work, module)
    trail = _trail_of(work, module)
    module.train()
    for end in work.schedule.block_ends():
        losses = []
        for step in range(outcome.steps + 1, end + 1):
            trail.before(step)
            x, y = next(feed)
            losses.append(update.step(lambda: loss_on(x, y), len(x)))  # noqa: B023 - called at once
        loss = _look(outcome, recorder, torch.stack(losses), work.schedule, rules)
        for number, steps, values in trail.take():
            walked = steps <= outcome.steps  # what a diverged run did after its last step is not its path
            recorder.add(number, steps[walked], values[walked])
        if outcome.status == "stopped" or (outcome.status == "done" and work.schedule.evaluates_after(end)):
            measured = _evaluate(outcome, recorder, work, module)
            if measured:
                keeper.evaluated(measured, OPEN, FIRST, lambda: state_of(module))
                _stop_after(measured, loss, outcome, recorder, work.schedule, rules)
        if outcome.status != "done":
            break
    if outcome.status in ("done", "stopped"):
        _finish(outcome, work, module)
    if outcome.status in ("done", "stopped"):
        keeper.ended(OPEN, FIRST, lambda: state_of(module))
    outcome.state = keeper.state(0, 0)
    outcome.epochs = work.schedule.epoch_of(outcome.steps)
    outcome.history = recorder.history()
    outcome.seconds = time.perf_counter() - start
    return outcome


def _trail_of(work: Workload, module: nn.Module) -> Trail:
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    sizes = [p.numel() for p in parameters.values()]
    steps = wanted_steps(work, sum(sizes))
    places = torch.arange(sum(sizes)).split(sizes) if steps else ()
    names = number_places(dict(zip(parameters, places, strict=False)))
    return Trail(steps, names, lambda: torch.cat([p.detach().reshape(-1) for p in parameters.values()]))


def make_lone_update(work: Workload, run: Run, module: nn.Module) -> Update:
    """Return what takes the steps of a run on its module."""
    choice = run.choices["optimizer"]
    component = work.registry.find("optimizer", choice.name)
    thing = component.load()
    settings = own_settings(work.registry, component, choice.settings)
    rule = thing if isinstance(thing, type) else read_rule(thing)
    return make_update(rule, module, settings, work.timetable(run))


def _look(outcome: Outcome, recorder: Recorder, losses: Tensor, schedule: Schedule, rules: StopRules) -> float:
    """Fetch the losses of the steps since the last look, keep those the history wants, and see whether one diverged.

    Return the last of them.
    """
    values = losses.double().cpu().numpy()
    steps = np.arange(outcome.steps + 1, outcome.steps + len(values) + 1)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        steps, values = steps[: wrong[0] + 1], values[: wrong[0] + 1]
        outcome.status, outcome.reason = "diverged", f"the loss is {values[-1]} at step {steps[-1]}"
    outcome.steps = int(steps[-1])
    if outcome.status == "done" and schedule.stop:
        _obey(outcome, rules.after_step(values[-1:, None], OPEN, outcome.steps, last=outcome.steps == schedule.steps))
    keep = schedule.records(steps)
    keep[-1] |= outcome.status != "done"
    recorder.add("loss", steps[keep], values[keep])
    return float(values[-1])


def _stop_after(
    measured: dict[str, Numbers],
    loss: float,
    outcome: Outcome,
    recorder: Recorder,
    schedule: Schedule,
    rules: StopRules,
) -> None:
    """Stop the run if an evaluation fulfils a rule, and see that the history has the loss of its last step."""
    if outcome.status != "done" or not schedule.stop:
        return
    step = np.array([outcome.steps])
    stops = _obey(outcome, rules.after_evaluation(measured, OPEN, outcome.steps, FIRST))
    if stops and not schedule.records(step)[0]:
        recorder.add("loss", step, np.array([loss]))


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module as those of runs [1, 1]."""
    return {name: tensor[None, None] for name, tensor in module.state_dict().items()}


def _obey(outcome: Outcome, reasons: Reasons) -> bool:
    """Stop the run if there is a reason to; return whether there is."""
    if reasons:
        outcome.status, outcome.reason = "stopped", reasons[0, 0]
    return bool(reasons)


def _evaluate(outcome: Outcome, recorder: Recorder, work: Workload, module: nn.Module) -> dict[str, Numbers]:
    """Measure the run on every split; return `train.loss`, `valid.accuracy`, ... [1, 1], or nothing if it diverged."""
    if not work.splits:
        return {}
    module.eval()
    with torch.no_grad():
        measured = {metric: float(value) for metric, value in work.measure(module).items()}
    module.train()
    step = np.array([outcome.steps])
    for metric, number in measured.items():
        recorder.add(metric, step, np.array([number]))
        if metric.endswith(".loss") and not math.isfinite(number):
            outcome.status, outcome.reason = "diverged", f"{metric} is {number} after step {outcome.steps}"
    return {} if outcome.status == "diverged" else {name: np.array([[x]]) for name, x in measured.items()}


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
