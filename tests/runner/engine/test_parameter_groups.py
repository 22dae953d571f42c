"""Groups of parameters by name have settings of their own, as the groups of torch.optim, alone and together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.optimizer_classes import Both
from support.optimizers_by_hand import ByHand, spec_of
from support.python_blocks import python_block
from support.training import MakePlan, all_together, each_alone
from support.unused_parameters import Heads
from torch import nn
from xprun.plugins import model, optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine import compiled_blocks
from xprun.runner.engine.compiled_blocks import CompiledBlocks
from xprun.runner.engine.execution_units import grids_of, make_program, select_strategy
from xprun.runner.engine.loop import Training
from xprun.runner.resolve.parameter_groups import GroupError, group_parameters
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.workload import make_workload
from xprun.specs import Run, SpecError

GROUPS = '{ "*.bias" = { weight_decay = 0.0 }, "2.*" = { lr = LR } }'
WARMUP = '[scheduler]\nname = "LinearLR"\nstart_factor = 0.1\ntotal_iters = 7\nper = "step"'
CYCLE = '[scheduler]\nname = "OneCycleLR"\nmax_lr = 0.2\nper = "step"'


def groups_by_hand(hand: ByHand, lr: float, decay: float) -> list[dict[str, Any]]:
    """Return the groups above as torch takes them; a bias of the last layer is in both."""
    named = hand.named
    own: dict[str, dict[str, Any]] = {name: {} for name in named}
    for name in named:
        own[name] |= {"weight_decay": 0.0} if name.endswith(".bias") else {"weight_decay": decay}
        own[name] |= {"lr": lr} if name.startswith("2.") else {}
    return [{"params": [named[name]], **settings} for name, settings in own.items()]


def losses(outcome: Outcome) -> list[float]:
    return outcome.history["loss"].values.tolist()


def lr_of(run: Run) -> float:
    return float(run.choices["optimizer"].settings["lr"])


CLASSES = {
    "SGD": (torch.optim.SGD, "momentum = 0.9", {"momentum": 0.9}),
    "AdamW": (torch.optim.AdamW, "", {}),
    "RMSprop": (torch.optim.RMSprop, "centered = true", {"centered": True}),
    "Adafactor": (torch.optim.Adafactor, "", {}),
}


def check(plan: MakePlan, name: str, outcomes: Any, scheduler: str = "", make: Any = None) -> None:
    """See that runs of two learning rates, in two groups, and two seeds are as by hand."""
    cls, written, settings = CLASSES[name]
    more = f"{written}, " if written else ""
    text = spec_of(
        f'{{ name = "{name}", {more}weight_decay = 0.1, lr = {{ grid = [0.05, 0.02] }}, '
        f"groups = {GROUPS.replace('LR', '{ grid = [0.1, 0.01] }')} }}",
        scheduler=scheduler,
        run="seeds = 2",
    )
    runs = plan(text).runs
    assert len(runs) == 8
    found = outcomes(runs)
    for run in runs:
        own = run.choices["optimizer"].settings["groups"]["2.*"]["lr"]
        hand = ByHand(run.seed)
        made = cls(groups_by_hand(hand, own, 0.1), lr=lr_of(run), **settings)
        hand.train(made, make(made).step if make else lambda: None)
        np.testing.assert_allclose(losses(found[run.id]), hand.losses, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CLASSES)
def test_groups_train_alone_as_those_of_torch(name: str, plan: MakePlan) -> None:
    check(plan, name, each_alone)


@pytest.mark.parametrize("program", ["linear-stack", "traced"])
@pytest.mark.parametrize("name", ["SGD", "AdamW", "RMSprop"])
def test_groups_train_together_as_those_of_torch(name: str, program: str, plan: MakePlan) -> None:
    check(plan, name, lambda runs: all_together(runs, program))


def test_groups_and_losses_are_known_to_steps_that_are_compiled(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function that is compiled takes the steps that are taken otherwise."""
    optimizer("by_loss")(lambda w, g, loss, T, *, lr=0.1: w - lr * loss / T * g)
    groups = GROUPS.replace("LR", "{ grid = [0.1, 0.01] }")
    rules = (
        f'{{ name = "AdamW", lr = 0.02, groups = {groups} }}',
        '{ name = "by_loss", groups = { "bias" = { lr = 0.5 } } }',
    )
    runs = plan(spec_of(f"[{', '.join(rules)}]", run="seeds = 2")).runs
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    [grid] = grids_of(work, runs)
    monkeypatch.setattr(compiled_blocks, "block_for", python_block)
    blocks, ordinary = (Training(work, make_program(work, grid, "linear-stack"), grid) for _ in range(2))
    blocks.compiled = CompiledBlocks()
    found, expected = blocks.advance(12), ordinary.advance(12)
    assert blocks.compiled.state()["compared"]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def warmup(made: Any) -> Any:
    return torch.optim.lr_scheduler.LinearLR(made, start_factor=0.1, total_iters=7)


def cycle(made: Any) -> Any:
    return torch.optim.lr_scheduler.OneCycleLR(made, max_lr=0.2, total_steps=19)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Adafactor"])
def test_a_scheduler_scales_each_groups_own_rate_alone(name: str, plan: MakePlan) -> None:
    check(plan, name, each_alone, WARMUP, warmup)


@pytest.mark.parametrize("program", ["linear-stack", "traced"])
def test_a_scheduler_scales_each_groups_own_rate_together(program: str, plan: MakePlan) -> None:
    check(plan, "AdamW", lambda runs: all_together(runs, program), WARMUP, warmup)


@pytest.mark.parametrize("outcomes", [each_alone, all_together])
def test_a_scheduler_that_moves_momentum_moves_it_in_all_groups(outcomes: Any, plan: MakePlan) -> None:
    check(plan, "AdamW", outcomes, CYCLE.replace("max_lr = 0.2", "max_lr = 0.2\ntotal_steps = 19"), cycle)


class Clipped:
    """An optimizer whose gradients are clipped first."""

    def __init__(self, made: torch.optim.Optimizer) -> None:
        self.made, self.zero_grad = made, made.zero_grad

    def step(self) -> None:
        torch.nn.utils.clip_grad_norm_([p for group in self.made.param_groups for p in group["params"]], 0.5)
        self.made.step()


@pytest.mark.parametrize("outcomes", [each_alone, lambda runs: all_together(runs, "traced")])
def test_groups_go_with_the_rest_of_a_recipe(outcomes: Any, plan: MakePlan) -> None:
    """No decay of biases, a warm-up, clipped gradients, and a head that no step uses."""
    model("heads")(lambda x, y: Heads())
    optimizers = '{ name = "AdamW", lr = { grid = [0.02, 0.05] }, groups = { "bias" = { weight_decay = 0.0 } } }'
    runs = plan(spec_of(optimizers, model='{ name = "heads" }', scheduler=WARMUP, run="clip_norm = 0.5")).runs
    found = outcomes(runs)
    for run in runs:
        hand = ByHand(make=Heads)
        groups = [{"params": [p], "weight_decay": 0.01 * (not n.endswith("bias"))} for n, p in hand.named.items()]
        made = torch.optim.AdamW(groups, lr=lr_of(run))
        hand.train(Clipped(made), warmup(made).step)
        np.testing.assert_allclose(losses(found[run.id]), hand.losses, rtol=1e-12, atol=1e-12)


# --- rules of users


def by_norm(w: torch.Tensor, g: torch.Tensor, m: torch.Tensor, *, lr: float = 0.1, keep: float = 0.5) -> Any:
    m = keep * m + g / (1 + g.norm())
    return w - lr * m, m


class ByNorm:
    """The rule by hand, in the groups of the test below."""

    def __init__(self, named: dict[str, nn.Parameter], lr: float) -> None:
        self.named, self.lr = named, lr
        self.memory = {name: torch.zeros_like(p) for name, p in named.items()}

    def zero_grad(self) -> None:
        for p in self.named.values():
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for name, p in self.named.items():
            own = {"lr": self.lr, "keep": 0.1} if name.endswith("bias") else {"lr": 0.05, "keep": 0.9}
            new, self.memory[name] = by_norm(p, p.grad, self.memory[name], **own)  # type: ignore[arg-type]
            p.copy_(new)


@pytest.mark.parametrize("outcomes", [each_alone, all_together, lambda runs: all_together(runs, "traced")])
def test_a_rule_on_whole_parameters_has_groups(outcomes: Any, plan: MakePlan) -> None:
    optimizer("by_norm")(by_norm)
    groups = '{ "*" = { keep = 0.9 }, "bias" = { lr = { grid = [0.0, 0.2] }, keep = 0.1 } }'
    runs = plan(spec_of(f'{{ name = "by_norm", lr = 0.05, groups = {groups} }}')).runs
    found = outcomes(runs)
    for run in runs:
        lr = run.choices["optimizer"].settings["groups"]["bias"]["lr"]
        hand = ByHand()
        hand.train(ByNorm(hand.named, lr))
        np.testing.assert_allclose(losses(found[run.id]), hand.losses, rtol=1e-12, atol=1e-12)


def test_a_switch_in_a_group_trains_alone(plan: MakePlan) -> None:
    """It would be two formulas in one call."""
    text = spec_of(
        '{ name = "SGD", lr = { grid = [0.1, 0.2] }, momentum = 0.9, groups = { "bias" = { nesterov = true } } }'
    )
    runs = plan(text).runs
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    units = select_strategy(work, runs)
    assert {unit.program for unit in units} == {None}
    assert "its groups differ in nesterov, which is no number" in units[0].reason
    for run, outcome in zip(runs, each_alone(runs).values(), strict=True):
        hand = ByHand()
        groups = [{"params": [p], "nesterov": name.endswith("bias")} for name, p in hand.named.items()]
        hand.train(torch.optim.SGD(groups, lr=lr_of(run), momentum=0.9))
        np.testing.assert_allclose(losses(outcome), hand.losses, rtol=1e-12, atol=1e-12)


# --- which parameters are meant


def test_settings_of_all_patterns_that_fit_are_merged_and_the_last_counts() -> None:
    found = group_parameters(
        ["a.weight", "a.bias", "b.bias"], {"*": {"lr": 1, "eps": 2}, "bias": {"lr": 3}, "b.*": {"lr": 4}}
    )
    assert {name: found.overrides[part] for name, part in found.members.items()} == {
        "a.weight": {"lr": 1, "eps": 2},
        "a.bias": {"lr": 3, "eps": 2},
        "b.bias": {"lr": 4, "eps": 2},
    }
    assert found.overrides[0] == {}


def test_the_order_of_patterns_is_part_of_a_runs_id(plan: MakePlan) -> None:
    texts = ('{ "*" = { lr = 0.1 }, "bias" = { lr = 0.2 } }', '{ "bias" = { lr = 0.2 }, "*" = { lr = 0.1 } }')
    ids = {plan(spec_of(f'{{ name = "SGD", groups = {text} }}')).runs[0].id for text in texts}
    assert len(ids) == 2
    assert plan(spec_of('{ name = "SGD", groups = {} }')).runs[0].id == plan(spec_of('{ name = "SGD" }')).runs[0].id


def test_whole_tables_of_groups_are_swept(plan: MakePlan) -> None:
    table = '{ "bias" = { lr = 0.0 } }'
    runs = plan(spec_of(f'{{ name = "SGD", lr = 0.2, groups = {{ grid = [{{}}, {table}] }} }}')).runs
    for written, run in zip(("", f", groups = {table}"), runs, strict=True):
        assert run.id == plan(spec_of(f'{{ name = "SGD", lr = 0.2{written} }}')).runs[0].id
    for found in (each_alone(runs), all_together(runs)):
        for run, lr in zip(runs, (0.2, 0.0), strict=True):
            hand = ByHand()
            groups = [{"params": [p], "lr": lr if name.endswith("bias") else 0.2} for name, p in hand.named.items()]
            hand.train(torch.optim.SGD(groups, lr=0.2))
            np.testing.assert_allclose(losses(found[run.id]), hand.losses, rtol=1e-12, atol=1e-12)


def test_alternatives_are_told_apart_by_their_groups(plan: MakePlan) -> None:
    groups = 'groups = { "bias" = { lr = 0.0 }, "2.*" = { lr = { grid = [0.5] } } }'
    runs = plan(spec_of(f'[{{ name = "SGD", groups = {{}} }}, {{ name = "SGD", {groups} }}]')).runs
    assert [run.choices["optimizer"].label for run in runs] == ["SGD", "SGD groups=bias,2.*"]


def test_a_pattern_that_fits_nothing_costs_only_its_runs(plan: MakePlan) -> None:
    runs = plan(spec_of('[{ name = "SGD", groups = { "head.*" = { lr = 0.1 } } }, { name = "SGD", label = "b" }]')).runs
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    reasons = [unit.reason for unit in select_strategy(work, runs)]
    assert any(reason.startswith("it will fail: groups matches no trained parameter") for reason in reasons)
    with pytest.raises(GroupError, match=r"'head.\*'; it has 0.weight, 0.bias, 2.weight, 2.bias"):
        each_alone(runs[:1])


# --- classes of users


class Leaky(torch.optim.SGD):
    """Groups of its own: the parameters with one axis are slower."""

    def __init__(self, params: Any, lr: float = 0.1, slow: float = 0.1) -> None:
        params = list(params)
        thin, thick = [p for p in params if p.ndim == 1], [p for p in params if p.ndim != 1]
        super().__init__([{"params": thick}, {"params": thin, "lr": slow * lr}], lr=lr)


def layerwise(model: nn.Module, *, lr: float = 0.1, decay: float = 0.5) -> torch.optim.Optimizer:
    """A factory: each layer before the last is slower."""
    layers = [layer for layer in model.children() if list(layer.parameters())]
    groups = [{"params": list(l.parameters()), "lr": lr * decay**i} for i, l in enumerate(reversed(layers))]  # noqa: E741
    return torch.optim.AdamW(groups, lr=lr)


@pytest.mark.parametrize("scheduler", ["", WARMUP])
def test_a_class_that_makes_groups_keeps_their_rates_apart(scheduler: str, plan: MakePlan) -> None:
    optimizer("leaky")(Leaky)
    [outcome] = each_alone(plan(spec_of('{ name = "leaky", lr = 0.2 }', scheduler=scheduler)).runs).values()
    hand = ByHand()
    made = Leaky(hand.model.parameters(), lr=0.2)
    hand.train(made, warmup(made).step if scheduler else lambda: None)
    np.testing.assert_allclose(losses(outcome), hand.losses, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scheduler", ["", WARMUP])
def test_a_function_may_return_an_optimizer(scheduler: str, plan: MakePlan) -> None:
    optimizer("layerwise")(layerwise)
    [outcome] = each_alone(plan(spec_of('{ name = "layerwise", lr = 0.02 }', scheduler=scheduler)).runs).values()
    hand = ByHand()
    made = layerwise(hand.model, lr=0.02)
    hand.train(made, warmup(made).step if scheduler else lambda: None)
    np.testing.assert_allclose(losses(outcome), hand.losses, rtol=1e-12, atol=1e-12)


def test_a_scheduler_reaches_the_optimizers_inside_a_class(plan: MakePlan) -> None:
    optimizer("both")(Both)
    [outcome] = each_alone(plan(spec_of('{ name = "both", lr = 0.05 }', scheduler=WARMUP)).runs).values()
    hand = ByHand()
    matrices = torch.optim.Muon([p for p in hand.model.parameters() if p.ndim == 2], lr=0.05)
    others = torch.optim.AdamW([p for p in hand.model.parameters() if p.ndim != 2], lr=0.005)
    schedulers = [warmup(matrices), warmup(others)]
    hand.train([matrices, others], lambda: [one.step() for one in schedulers])
    np.testing.assert_allclose(losses(outcome), hand.losses, rtol=1e-12, atol=1e-12)


class Scaled(torch.optim.SGD):
    """A setting that is none of its groups'."""

    def __init__(self, params: Any, lr: float = 0.1, scale: float = 1.0) -> None:
        super().__init__(params, lr=scale * lr)


@pytest.mark.parametrize(
    ("thing", "group", "message"),
    [
        (Scaled, "scale = 0.5", "Scaled has no 'scale' for each group of parameters; its groups have dampening, "),
        (Leaky, "lr = 0.5", "Leaky takes no groups of parameters: 'dict' object has no attribute 'ndim'"),
        (layerwise, "lr = 0.5", "tried takes model, and makes the groups of its parameters itself"),
    ],
)
def test_groups_that_an_optimizer_cannot_have_are_an_error(
    thing: Any, group: str, message: str, plan: MakePlan
) -> None:
    optimizer("tried")(thing)
    with pytest.raises((GroupError, SpecError), match=message):
        each_alone(plan(spec_of(f'{{ name = "tried", groups = {{ "bias" = {{ {group} }} }} }}')).runs)


class Late(torch.optim.SGD):
    """It makes what it steps with when it steps."""

    inner: Any = None

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        if self.inner is None:
            self.inner = torch.optim.SGD([p for group in self.param_groups for p in group["params"]], lr=0.1)
        self.inner.step()


def test_an_optimizer_out_of_a_schedulers_reach_is_an_error(plan: MakePlan) -> None:
    optimizer("late")(Late)
    text = spec_of('{ name = "late", lr = 0.1 }', scheduler=WARMUP)
    with pytest.raises(ValueError, match="makes an optimizer in its first step, which no scheduler reaches"):
        each_alone(plan(text).runs)
