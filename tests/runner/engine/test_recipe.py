"""The recipe of `[run]` does what a loop written by hand does with torch's own functions, alone and together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from support.bfloat16 import needs_bfloat16
from support.cohorts import Cohort, grid, layers, linear, named, points
from support.training import MakePlan
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_avg_fn
from xprun.plugins.registry import data, optimizer
from xprun.runner.engine.execution_units import grids_of, select_strategy
from xprun.runner.engine.weight_average import first_step
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.workload import Workload, autocast_on
from xprun.specs import Run, RunSettings

ROWS = named("points", target="class", rows=42, batch_size=4, valid=0.2)  # 34 rows in nine batches, the last of two
STREAM = named("polynomial", batch_size=4)
NORM = layers(linear(3, 4), named("BatchNorm1d", num_features=4), "Tanh", named("Dropout", p=0.3), linear(4, 3))
STEP = named("StepLR", step_size=3, gamma=0.7, per="step")
TOGETHER = [
    named("Adam", lr=grid(0.003, 0.01), eps=1e-3),
    named("SGD", lr=grid(0.03, 0.1), momentum=0.9),
    named("scratch.momentum", lr=0.1),
    named("by_norm", lr=0.1),
]
# Limits of which one is always, the other sometimes below what is clipped.
RECIPES: dict[str, dict[str, Any]] = {
    "clip_norm": {"clip_norm": grid(0.05, 0.5)},
    "clip_value": {"clip_value": grid(0.01, 0.1)},
    "accumulate": {"accumulate": 4},
    "ema": {"average": {"ema": grid(0.5, 0.9)}},
    "swa": {"average": {"swa_from": 0.4}},
    "all": {"clip_norm": grid(0.05, 0.5), "accumulate": 2, "average": {"ema": grid(0.5, 0.9)}},
    "all, from a step on": {"clip_value": grid(0.01, 0.1), "accumulate": 2, "average": {"swa_from": 0.4}},
}
EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _components(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)
    optimizer("by_norm")(by_norm)


def by_norm(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    """A rule that looks at whole parameters."""
    return w - lr * g / (1 + g.norm())


# --- by hand


class Momentum(torch.optim.Optimizer):
    """`scratch.momentum` as a class of torch."""

    def __init__(self, params: Any, lr: float, keep: float) -> None:
        super().__init__(params, {"lr": lr, "keep": keep})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                v = self.state[p].get("v", torch.zeros_like(p))
                self.state[p]["v"] = v = group["keep"] * v + (1 - group["keep"]) * p.grad
                p -= group["lr"] * v


class ByNorm(torch.optim.Optimizer):
    """`by_norm` as a class of torch."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad / (1 + p.grad.norm())


CLASSES = {"scratch.momentum": Momentum, "by_norm": ByNorm}


@dataclass
class ByHand:
    """What a loop written by hand tells of a run."""

    losses: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)


def batch_groups(work: Workload, run: Run) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Yield the batches of each step: so many, and at the end of an epoch those that are left."""
    feed, size, left = work.feed.alone(run.seed), run.settings.accumulate, work.batches_per_epoch
    while True:
        epoch = list(islice(feed, left or size))
        yield from (epoch[i : i + size] for i in range(0, len(epoch), size))


def train_by_hand(work: Workload, run: Run) -> ByHand:
    """Train as the documentation of torch does."""
    settings, choice, module, found = run.settings, run.choices["optimizer"], work.make_model(run.seed), ByHand()
    torch.manual_seed(run.seed)
    cls = CLASSES.get(choice.name) or getattr(torch.optim, choice.name)
    opt = cls(groups_by_hand(module, choice.settings.get("groups", {})), **without_groups(choice.settings))
    scheduler = torch.optim.lr_scheduler.StepLR(opt, 3, 0.7) if "scheduler" in run.choices else None
    averaged = average_of(module, settings)
    found.valid.append(loss_on_valid(work, module))
    for step, group in enumerate(islice(batch_groups(work, run), work.schedule.steps), 1):

        def closure(group: list[tuple[Tensor, Tensor]] = group) -> float:
            opt.zero_grad()
            total = 0.0
            for x, y in group:
                with torch.autocast("cpu", torch.bfloat16, enabled=settings.autocast == "bfloat16"):
                    loss = work.loss(module(x), y) / len(group)
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
            if settings.clip_norm is not None:
                clip_grad_norm_(module.parameters(), settings.clip_norm)
            if settings.clip_value is not None:
                clip_grad_value_(module.parameters(), settings.clip_value)
            return total

        if choice.name == "LBFGS":
            found.losses.append(opt.step(closure))
        else:
            found.losses.append(closure())
            opt.step()
        if scheduler:
            scheduler.step()
        if averaged and (settings.average.ema is not None or step > settings.average.swa_from * work.schedule.steps):
            averaged.update_parameters(module)
        if work.schedule.evaluates_after(step):
            shown = averaged.module if averaged and averaged.n_averaged else module
            found.valid.append(loss_on_valid(work, shown))
            found.state = {name: tensor.clone() for name, tensor in shown.state_dict().items()}
    return found


def groups_by_hand(module: nn.Module, groups: dict[str, Any]) -> Any:
    """Return the parameters, in groups where those of the biases have settings of their own."""
    if not groups:
        return module.parameters()
    biases = [p for name, p in module.named_parameters() if name.endswith("bias")]
    others = [p for name, p in module.named_parameters() if not name.endswith("bias")]
    return [{"params": others}, {"params": biases, **groups["*.bias"]}]


def without_groups(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "groups"}


def average_of(module: nn.Module, settings: RunSettings) -> Any:
    if settings.average is None:
        return None
    ema = settings.average.ema
    if ema is None:  # the multi_avg_fn of torch divides in single precision
        return AveragedModel(module, avg_fn=get_swa_avg_fn(), use_buffers=True)  # type: ignore[no-untyped-call]
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(ema), use_buffers=True)  # type: ignore[no-untyped-call]


@torch.no_grad()
def loss_on_valid(work: Workload, module: nn.Module) -> float:
    rows = work.valid or work.train
    loss = work.loss(module.eval()(rows.inputs), rows.targets).item()
    module.train()
    return loss


def check(work: Workload, run: Run, outcome: Outcome, **tolerance: float) -> None:
    """See that a run has gone as one by hand."""
    tolerance = tolerance or EXACT
    expected = train_by_hand(work, run)
    assert outcome.status == "done"
    np.testing.assert_allclose(outcome.history["loss"].values, expected.losses, **tolerance)
    measured = outcome.history["valid.loss" if work.valid else "train.loss"].values
    np.testing.assert_allclose(measured, expected.valid, **tolerance)
    assert outcome.state.keys() == expected.state.keys()
    for name, values in outcome.state.items():
        if values.dtype.kind == "f":  # how many batches BatchNorm has seen is counted, not averaged
            np.testing.assert_allclose(values, expected.state[name], err_msg=name, **tolerance)


def run_of(recipe: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"epochs": 3, "save": "last", **recipe, **more}


# --- each part, in every loop

LONE: dict[str, Any] = {
    "a rule on one vector": named("scratch.momentum", lr=0.1),
    "a rule on whole parameters": named("by_norm", lr=0.1),
    "a class": named("Adafactor", lr=0.01),
    "a class with a closure": named("LBFGS", lr=0.1, max_iter=3),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("rule", LONE)
def test_a_lone_run_follows_it(rule: str, recipe: str, plan: MakePlan) -> None:
    moving = {} if rule == "a class with a closure" else {"scheduler": STEP}  # a line search magnifies its rounding
    cohort = Cohort(plan, data=ROWS, optimizer=LONE[rule], **moving, run=run_of(RECIPES[recipe]))
    for run in cohort.runs:
        check(cohort.work, run, cohort.alone()[run.id])


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("program", ["linear-stack", "traced"])
def test_runs_that_train_together_follow_it(program: str, recipe: str, plan: MakePlan) -> None:
    run = run_of(RECIPES[recipe], seeds=2)
    cohort = Cohort(plan, data=ROWS, optimizer=TOGETHER, scheduler=STEP, run=run)
    outcomes = cohort.together(program)
    assert {outcome.together for outcome in outcomes.values()} == {len(cohort.runs)}
    for run in cohort.runs:
        check(cohort.work, run, outcomes[run.id])


@pytest.mark.parametrize("recipe", ["all", "all, from a step on"])
def test_running_statistics_are_averaged_and_each_batch_drops_its_own(recipe: str, plan: MakePlan) -> None:
    cohort = Cohort(plan, data=ROWS, model=NORM, optimizer=TOGETHER[1], run=run_of(RECIPES[recipe], seeds=2))
    for outcomes in (cohort.alone(), cohort.together("traced")):
        for run in cohort.runs:
            check(cohort.work, run, outcomes[run.id])


@pytest.mark.parametrize("recipe", ["accumulate", "all"])
def test_a_step_on_a_stream_draws_all_its_batches(recipe: str, plan: MakePlan) -> None:
    run = {"steps": 150, "save": "last", "metrics": ["mae"], **RECIPES[recipe]}
    sections = {"data": STREAM, "model": named("linear"), "loss": named("SmoothL1Loss")}
    cohort = Cohort(plan, **sections, optimizer=named("SGD", lr=grid(0.03, 0.1)), run=run)
    assert cohort.work.schedule.steps_per_epoch == 100
    for outcomes in (cohort.alone(), cohort.together("linear-stack")):
        for one in cohort.runs:
            check(cohort.work, one, outcomes[one.id], rtol=1e-9)


@pytest.mark.parametrize("name", ["AdamW", "Adafactor"])
def test_groups_of_parameters_follow_it(name: str, plan: MakePlan) -> None:
    grouped = named(name, lr=0.01, weight_decay=0.1, groups={'"*.bias"': {"weight_decay": 0.0, "lr": 0.03}})
    cohort = Cohort(plan, data=ROWS, optimizer=grouped, scheduler=STEP, run=run_of(RECIPES["all"], seeds=2))
    for outcomes in [cohort.alone(), *([cohort.together("linear-stack")] if name == "AdamW" else [])]:
        for run in cohort.runs:
            check(cohort.work, run, outcomes[run.id])


def test_a_gradient_by_hand_is_clipped_like_any_other(plan: MakePlan) -> None:
    sections = {"data": named("line", samples=20, batch_size=4), "model": named("linear"), "loss": named("MSELoss")}
    run = {"epochs": 3, "save": "last", "metrics": ["mae"], "gradient": "manual", **RECIPES["all"]}
    cohort = Cohort(plan, **sections, optimizer=named("SGD", lr=0.1), run=run)
    for one in cohort.runs:
        check(cohort.work, one, cohort.alone()[one.id])


def test_one_group_of_all_seeds_follows_it(plan: MakePlan) -> None:
    full = ROWS | {"batch_size": "full"}
    recipe = {"clip_norm": grid(0.05, 0.5), "average": {"ema": grid(0.5, 0.9)}}
    cohort = Cohort(plan, data=full, optimizer=TOGETHER, run=run_of(recipe, seeds=2))
    outcomes = cohort.check("linear-stack")
    for run in cohort.runs:
        check(cohort.work, run, outcomes[run.id])


def test_shards_have_their_own_numbers(plan: MakePlan) -> None:
    cohort = Cohort(plan, data=ROWS, optimizer=TOGETHER, run=run_of(RECIPES["all"], seeds=2))
    cohort.check("linear-stack", shards=3)


# --- what else a run can do

STOPS = {"metric_reached": {'"valid.loss"': 0.9}}


@pytest.mark.parametrize("program", ["linear-stack", "traced"])
def test_runs_that_end_early_leave_the_others_as_they_are(program: str, plan: MakePlan) -> None:
    rates = [named("SGD", lr=grid(0.01, 0.3, 1.0)), named("SGD", lr=1e10, weight_decay=1e10)]
    recipe = {"clip_norm": grid(0.3, 3.0), "average": {"ema": grid(0.3, 0.8)}, "stop": STOPS}
    cohort = Cohort(plan, data=ROWS, optimizer=rates, run=run_of(recipe, epochs=6, seeds=2, save="best"))
    outcomes = cohort.check(program).values()
    assert {outcome.status for outcome in outcomes} == {"done", "stopped", "diverged"}


def test_before_its_mean_begins_a_run_is_measured_as_it_is(plan: MakePlan) -> None:
    late, never = (Cohort(plan, data=ROWS, run=run_of({**recipe})) for recipe in ({"average": {"swa_from": 0.9}}, {}))
    for one, other in zip(late.alone().values(), never.alone().values(), strict=True):
        with_mean, without = one.history["valid.loss"].values, other.history["valid.loss"].values
        assert with_mean[:3].tolist() == without[:3].tolist()
        assert with_mean[3] != without[3]
        assert one.history["loss"].values.tolist() == other.history["loss"].values.tolist()


@pytest.mark.parametrize(
    ("share", "steps", "first"), [(0.0, 10, 1), (0.75, 100, 76), (0.7, 10, 8), (0.29, 100, 30), (0.999, 10, 10)]
)
def test_a_mean_begins_after_its_share_of_the_steps(share: float, steps: int, first: int) -> None:
    assert first_step(share, steps) == first


def test_the_best_checkpoint_is_the_average_that_was_measured(plan: MakePlan) -> None:
    held_out = ROWS | {"test": 0.2}
    cohort = Cohort(plan, data=held_out, run=run_of({"average": {"ema": 0.9}}, save="best", metrics=["accuracy"]))
    for outcome in [*cohort.alone().values(), *cohort.together("linear-stack").values()]:
        module = cohort.work.make_model(0).eval()
        module.load_state_dict({name: torch.from_numpy(values) for name, values in outcome.state.items()})
        measured = outcome.history["valid.loss"].values
        assert np.abs(measured - loss_on_valid(cohort.work, module)).min() < 1e-12
        assert outcome.kept["test.loss"] > 0


def test_the_path_and_the_end_of_a_tiny_model_are_those_of_its_average(plan: MakePlan) -> None:
    line = {"data": named("line", samples=20), "model": named("linear"), "loss": named("MSELoss")}
    plain, averaged = (
        Cohort(plan, **line, optimizer=named("SGD", lr=0.1), run={"steps": 20, **recipe}).alone().popitem()[1]
        for recipe in ({}, {"average": {"ema": 0.9}})
    )
    before, *weights = [*plain.history["param.w"].values, plain.parameters["w"]]
    expected = [before, weights[0]]
    for w in weights[1:]:
        expected.append(0.9 * expected[-1] + 0.1 * w)
    found = [*averaged.history["param.w"].values, averaged.parameters["w"]]
    np.testing.assert_allclose(found, expected, **EXACT)
    assert averaged.history["loss"].values.tolist() == plain.history["loss"].values.tolist()


def test_a_rule_is_told_the_mean_number_of_rows(plan: MakePlan) -> None:
    seen: list[float] = []

    @optimizer("counting")
    def counting(w: Tensor, g: Tensor, n: float, *, lr: float = 0.1) -> Tensor:
        seen.append(n)
        return w - lr * g

    Cohort(plan, data=ROWS, optimizer=named("counting"), run={"epochs": 1, "accumulate": 2}).alone()
    assert seen[-20:] == [4] * 16 + [2] * 4  # of four parameters each


# --- which runs train together


def test_numbers_of_the_recipe_may_differ_between_runs_that_train_together(plan: MakePlan) -> None:
    recipe = {"clip_norm": grid(0.1, 1.0), "average": {"ema": grid(0.9, 0.99)}}
    cohort = Cohort(plan, data=ROWS, run={"epochs": 1, "seeds": 2, "engine": "together", **recipe})
    [cells] = grids_of(cohort.work, cohort.runs)
    assert len(cells) == 24
    assert {unit.program for unit in select_strategy(cohort.work, cohort.runs)} == {"linear-stack"}
    assert len({run.id for run in cohort.runs}) == 24


def test_what_changes_the_program_divides_the_runs(plan: MakePlan, line_spec: str) -> None:
    text = line_spec.replace('"full"', "5")
    for written in ("accumulate = { grid = [1, 2] }", "average = { swa_from = { grid = [0.5, 0.75] } }"):
        assert len(plan(f"{text}{written}\n").cohorts(set())) == 2


def test_more_batches_than_an_epoch_has_are_refused(plan: MakePlan) -> None:
    with pytest.raises(ValueError, match="accumulate = 10, but an epoch has only 9 batches"):
        Cohort(plan, data=ROWS, run={"epochs": 1, "accumulate": 10})


# --- mixed precision

WIDE = layers(linear(3, 32), "Tanh", linear(32, 3))
LAYER_NORM = layers(linear(3, 32), named("LayerNorm", normalized_shape=[32]), "GELU", linear(32, 3))
ATTENTION = layers(
    named("Unflatten", dim=1, unflattened_size=[3, 1]),
    linear(1, 8),
    named("TransformerEncoderLayer", d_model=8, nhead=2, dim_feedforward=16, dropout=0.0),
    "Flatten",
    linear(24, 3),
)
MIXED = run_of({"autocast": "bfloat16"}, dtype="float32")


@needs_bfloat16
@pytest.mark.parametrize("rule", LONE)
def test_a_lone_run_in_mixed_precision_is_that_by_hand(rule: str, plan: MakePlan) -> None:
    cohort = Cohort(plan, data=ROWS, model=WIDE, optimizer=LONE[rule], run=MIXED)
    [run] = cohort.runs
    check(cohort.work, run, cohort.alone()[run.id], rtol=1e-5, atol=1e-6)


@needs_bfloat16
def test_mixed_precision_rounds(plan: MakePlan) -> None:
    losses = [
        Cohort(plan, data=ROWS, model=WIDE, run=run_of(recipe, dtype="float32")).alone().popitem()[1].history["loss"]
        for recipe in ({}, {"autocast": "bfloat16"})
    ]
    difference = np.abs(losses[0].values - losses[1].values)
    assert 1e-5 < difference.max() < 0.05


@needs_bfloat16
@pytest.mark.parametrize("model", [WIDE, NORM, LAYER_NORM, ATTENTION])
def test_runs_in_mixed_precision_train_together_up_to_its_rounding(model: Any, plan: MakePlan) -> None:
    rows = ROWS | {"rows": 50, "batch_size": 8}  # of two rows BatchNorm makes -1 and 1, whichever is larger
    gentle = named("SGD", lr=grid(0.01, 0.02, 0.03))
    cohort = Cohort(plan, data=rows, model=model, optimizer=gentle, run=MIXED | {"seeds": 2, "engine": "together"})
    [unit] = select_strategy(cohort.work, cohort.runs)
    assert (unit.program, len(unit.grid)) == ("traced", 6), unit.reason
    outcomes = cohort.together("traced")
    for run in cohort.runs:
        check(cohort.work, run, outcomes[run.id], rtol=0.05, atol=0.02)


@needs_bfloat16
def test_the_master_weights_stay_in_single_precision(plan: MakePlan) -> None:
    [outcome] = Cohort(plan, data=ROWS, model=WIDE, optimizer=named("SGD", lr=0.1), run=MIXED).alone().values()
    assert {values.dtype.name for values in outcome.state.values()} == {"float32"}


def test_a_lone_chain_of_layers_says_why_it_is_no_stack(plan: MakePlan) -> None:
    cohort = Cohort(plan, data=ROWS, optimizer=named("SGD"), run=MIXED)
    [unit] = select_strategy(cohort.work, cohort.runs)
    assert (unit.program, unit.reason) == (None, "a single run, and run.autocast casts its products")


def test_a_device_without_mixed_precision_is_named() -> None:
    with pytest.raises(ValueError, match=r'run\.autocast = "bfloat16" cannot be had on meta: '):
        autocast_on(torch.device("meta"))


@pytest.mark.parametrize("recipe", [{"clip_norm": 1.0}, {"accumulate": 2}, {"average": {"ema": 0.9}}])
def test_its_steps_are_not_compiled_and_say_so(
    recipe: dict[str, Any], plan: MakePlan, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = Cohort(plan, data=ROWS, run=run_of(recipe, compile=True))
    cohort.check("linear-stack")
    assert caplog.messages == [f"the steps are not compiled: with run.{next(iter(recipe))} they cannot be"]
