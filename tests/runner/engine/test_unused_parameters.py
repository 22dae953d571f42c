"""A parameter without a part in the loss of a step is left as it is, as in torch: no decay, no momentum, no step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.optimizers_by_hand import ByHand, spec_of
from support.training import MakePlan, all_together, each_alone
from support.unused_parameters import Heads, LayerDrop
from torch import Tensor
from xprun.plugins import model, optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.engine.execution_units import grids_of, make_program, select_strategy
from xprun.runner.engine.loop import Training
from xprun.runner.workload.workload import make_workload

WARMUP = '[scheduler]\nname = "LinearLR"\nstart_factor = 0.1\ntotal_iters = 7\nper = "step"'
RULES = {
    "SGD": ("lr = 0.1, momentum = 0.9, weight_decay = 0.1", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    "AdamW": ("lr = 0.02, weight_decay = 0.1", {"lr": 0.02, "weight_decay": 0.1}),
    "RAdam": ("lr = 0.02, weight_decay = 0.1", {"lr": 0.02, "weight_decay": 0.1}),
    "RMSprop": ("lr = 0.01, weight_decay = 0.1", {"lr": 0.01, "weight_decay": 0.1}),
    "Rprop": ("lr = 0.01", {"lr": 0.01}),
    "Adafactor": ("lr = 0.05, weight_decay = 0.1", {"lr": 0.05, "weight_decay": 0.1}),
}
PLAIN = [(rule, "") for rule in (*RULES, "by_norm")]
SCHEDULED = [(rule, WARMUP) for rule in RULES]


def by_norm(w: Tensor, g: Tensor, m: Tensor, t: int, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    """A rule on whole parameters, which decays them and counts."""
    m = 0.9 * m + g / (1 + g.norm()) / t
    return 0.99 * w - lr * m, m


class ByNorm:
    """The same by hand."""

    def __init__(self, parameters: Any, lr: float = 0.1) -> None:
        self.state = {p: [torch.zeros_like(p), 0] for p in parameters}
        self.param_groups = [{"lr": lr}]

    def zero_grad(self) -> None:
        for p in self.state:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for p, (m, t) in self.state.items():
            if p.grad is not None:
                new, m = by_norm(p, p.grad, m, t + 1, lr=self.param_groups[0]["lr"])
                p.copy_(new)
                self.state[p] = [m, t + 1]


@pytest.fixture(autouse=True)
def _components(_registry_as_installed: None) -> None:
    model("heads")(lambda x, y: Heads())
    model("layer_drop")(lambda x, y: LayerDrop())
    optimizer("by_norm")(by_norm)


def runs_of(plan: MakePlan, kind: str, rule: str, more: str = "", run: str = 'save = "last"') -> Any:
    written = RULES[rule][0] if rule in RULES else "lr = 0.1"
    text = spec_of(f'{{ name = "{rule}", {written} }}', model=f'{{ name = "{kind}" }}', scheduler=more, run=run)
    return plan(text).runs


def hand_of(kind: Any, rule: str, seed: int, scheduler: str = "") -> ByHand:
    hand = ByHand(seed, make=kind)
    parameters = list(hand.model.parameters())
    made: Any = getattr(torch.optim, rule)(parameters, **RULES[rule][1]) if rule in RULES else ByNorm(parameters)
    after = torch.optim.lr_scheduler.LinearLR(made, start_factor=0.1, total_iters=7).step if scheduler else lambda: None
    return hand.train(made, after)


def same(found: Any, hand: ByHand) -> None:
    np.testing.assert_allclose(found.history["loss"].values, hand.losses, rtol=1e-12, atol=1e-12)
    for name, p in hand.named.items():
        np.testing.assert_allclose(found.state[name], p.detach().numpy(), rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", [Heads, LayerDrop])
@pytest.mark.parametrize(("rule", "scheduler"), [*PLAIN, *SCHEDULED])
def test_alone(rule: str, scheduler: str, kind: Any, plan: MakePlan) -> None:
    name = {Heads: "heads", LayerDrop: "layer_drop"}[kind]
    for run, found in zip(runs := runs_of(plan, name, rule, scheduler), each_alone(runs).values(), strict=True):
        same(found, hand_of(kind, rule, run.seed, scheduler))


@pytest.mark.parametrize(("rule", "scheduler"), [case for case in [*PLAIN, *SCHEDULED] if case[0] != "Adafactor"])
def test_together(rule: str, scheduler: str, plan: MakePlan) -> None:
    runs = runs_of(plan, "heads", rule, scheduler, 'save = "last"\nseeds = 2')
    found = all_together(runs, "traced")
    for run in runs:
        same(found[run.id], hand_of(Heads, rule, run.seed, scheduler))


def test_two_families_together(plan: MakePlan) -> None:
    rules = (
        '{ name = "SGD", lr = 0.1, momentum = 0.9, weight_decay = 0.1 }',
        '{ name = "AdamW", lr = 0.02, weight_decay = 0.1 }',
    )
    text = spec_of(f"[{', '.join(rules)}]", model='{ name = "heads" }', run='save = "last"')
    runs = plan(text).runs
    found = all_together(runs, "traced")
    for run in runs:
        same(found[run.id], hand_of(Heads, run.choices["optimizer"].name, 0))


def test_a_layer_that_is_dropped_at_random_trains_alone(plan: MakePlan) -> None:
    runs = runs_of(plan, "layer_drop", "AdamW", run='seeds = 4\nengine = "together"')
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    units = select_strategy(work, runs)
    assert {unit.program for unit in units} == {None}
    assert "it cannot be batched" in units[0].reason


def test_steps_with_an_unused_parameter_are_not_compiled(plan: MakePlan) -> None:
    from xprun.runner.engine.step_function import NotPureError, step_function

    runs = runs_of(plan, "heads", "AdamW", run="seeds = 2")
    work = make_workload(REGISTRY, runs[0], torch.device("cpu"))
    [grid] = grids_of(work, runs)
    training = Training(work, make_program(work, grid, "traced"), grid)
    training.advance(1)
    with pytest.raises(NotPureError, match="some parameters have no part in the loss"):
        step_function(training)
