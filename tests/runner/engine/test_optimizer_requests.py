"""What an optimizer may ask for: rules the loss, the steps in all and a name; classes a closure, the model, a graph."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from support.optimizer_classes import SAM, AdaHessian, AliG, Undeclared
from support.optimizers_by_hand import STEPS, ByHand, spec_of
from support.training import MakePlan, all_together, each_alone
from torch import Tensor, nn
from xprun.plugins import optimizer
from xprun.plugins.registry import REGISTRY, PluginError
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.optimizer_check.optimizer_trial import try_optimizer
from xprun.runner.results.outcome import Outcome

WARMUP = '[scheduler]\nname = "LinearLR"\nstart_factor = 0.1\ntotal_iters = 7\nper = "step"'


def close(outcome: Outcome, hand: ByHand) -> None:
    np.testing.assert_allclose(outcome.history["loss"].values, hand.losses, rtol=1e-12, atol=1e-12)


# --- rules


def polyak(w: Tensor, g: Tensor, m: Tensor, t: int, loss: Tensor, T: int, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    """Steps as long as the loss, along an average, that end at zero with the training."""
    m = 0.5 * m + g * loss
    return w - lr * (1 - t / T) * m, m


def by_name(w: Tensor, g: Tensor, name: str, *, lr: float = 0.1) -> Tensor:
    return w - (0.0 if name == "0.bias" else lr) * g


def normed(w: Tensor, g: Tensor, loss: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * loss * g / (1 + g.norm())


class Rule:
    """A rule by hand."""

    def __init__(self, hand: ByHand, move: Any) -> None:
        self.hand, self.move, self.t, self.m = hand, move, 0, {n: torch.zeros_like(p) for n, p in hand.named.items()}

    def zero_grad(self) -> None:
        self.hand.model.zero_grad()

    @torch.no_grad()
    def step(self) -> None:
        self.t += 1
        loss = self.hand.latest
        for name, p in self.hand.named.items():
            p.copy_(self.move(self, name, p, p.grad, loss))


def polyak_by_hand(rule: Rule, name: str, w: Tensor, g: Tensor, loss: Tensor) -> Tensor:
    new, rule.m[name] = polyak(w, g, rule.m[name], rule.t, loss, STEPS, lr=0.05)
    return new


MOVES = {
    polyak: polyak_by_hand,
    by_name: lambda rule, name, w, g, loss: by_name(w, g, name, lr=0.05),
    normed: lambda rule, name, w, g, loss: normed(w, g, loss, lr=0.05),
}
OUTCOMES = {"alone": each_alone, "stack": all_together, "traced": lambda runs: all_together(runs, "traced")}


@pytest.mark.parametrize("way", OUTCOMES)
@pytest.mark.parametrize("rule", MOVES)
def test_a_rule_is_given_what_it_names(rule: Any, way: str, plan: MakePlan) -> None:
    optimizer("tried")(rule)
    assert read_rule(rule).elementwise == (rule is polyak)
    runs = plan(spec_of('{ name = "tried", lr = { grid = [0.05, 0.2] } }', run="seeds = 2")).runs
    found = OUTCOMES[way](runs)  # type: ignore[operator]
    for run in runs:
        if run.choices["optimizer"].settings["lr"] == 0.05:
            hand = ByHand(run.seed)
            close(found[run.id], hand.train(Rule(hand, MOVES[rule])))


@pytest.mark.parametrize("rule", MOVES)
def test_what_a_rule_names_is_known_to_a_check(rule: Any) -> None:
    optimizer("tried")(rule)
    assert try_optimizer(REGISTRY, "tried").problems == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda w, g, closure, *, lr=0.1: w, "asks for 'closure', which no rule is given: write a torch.optim"),
        (lambda w, g, epoch, *, lr=0.1: w, "asks for 'epoch', which no rule is given: t is the step, from 1, and T"),
        (lambda w, g, lr=0.1: w, r"asks for 'lr', which no rule is given: write settings after a \*"),
        (lambda w, g, model, *, lr=0.1: w, "asks for 'model'"),
    ],
)
def test_a_name_that_is_not_served_is_an_error_at_registration(rule: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        optimizer("tried")(rule)


# --- classes


class Named(torch.optim.SGD):
    """Biases do not decay."""

    def __init__(self, named_parameters: Any, lr: float = 0.1, weight_decay: float = 0.1) -> None:
        groups = [
            {"params": [p], "weight_decay": 0.0 if n.endswith("bias") else weight_decay} for n, p in named_parameters
        ]
        super().__init__(groups, lr=lr)


class OfModel(torch.optim.SGD):
    """The last layer is faster."""

    def __init__(self, params: Any, model: nn.Module, lr: float = 0.1, last: float = 2.0) -> None:
        *_, layer = model.children()
        faster = {id(p) for p in layer.parameters()}
        super().__init__([{"params": [p], "lr": lr * last if id(p) in faster else lr} for p in params], lr=lr)


@pytest.mark.parametrize("cls", [Named, OfModel])
def test_a_class_is_handed_what_its_constructor_names(cls: Any, plan: MakePlan) -> None:
    optimizer("tried")(cls)
    assert not {"params", "named_parameters", "model"} & REGISTRY.find("optimizer", "tried").settings.keys()
    hand = ByHand()
    parameters: dict[str, Any] = (
        {"params": hand.model.parameters(), "model": hand.model}
        if cls is OfModel
        else {"named_parameters": hand.model.named_parameters()}
    )
    [outcome] = each_alone(plan(spec_of('{ name = "tried", lr = 0.2 }')).runs).values()
    close(outcome, hand.train(cls(**parameters, lr=0.2)))
    if cls is Named:
        assert try_optimizer(REGISTRY, "tried").problems == []


def test_a_class_that_makes_something_else_is_an_error(plan: MakePlan) -> None:
    optimizer("tried")(factory_of_nothing)
    with pytest.raises(TypeError, match="factory_of_nothing returns a list, not a torch"):
        each_alone(plan(spec_of('{ name = "tried" }')).runs)


def factory_of_nothing(params: Any, *, lr: float = 0.1) -> Any:
    return list(params)


# --- closures


def with_closure(hand: ByHand, made: Any, *, before: bool, after: Any = lambda: None) -> ByHand:
    """Train with an optimizer whose step takes a closure, as its authors do: SAM wants the gradients before."""
    for x, y in hand.batches():

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            made.zero_grad()
            loss = hand.loss(x, y)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()

        if before:
            hand.losses.append(closure().item())
            made.step(closure)
        else:
            hand.losses.append(float(made.step(closure)))
        after()
    return hand


CLOSURES = {
    "SAM": (SAM, 'name = "tried", lr = 0.05', {"lr": 0.05}, True),
    "AliG": (AliG, 'name = "tried", max_lr = 0.5', {"max_lr": 0.5}, False),
    "LBFGS": (torch.optim.LBFGS, 'name = "LBFGS", lr = 0.1, max_iter = 3', {"lr": 0.1, "max_iter": 3}, False),
}


@pytest.mark.parametrize("name", CLOSURES)
def test_a_class_with_a_closure_trains_as_by_hand(name: str, plan: MakePlan) -> None:
    cls, written, settings, before = CLOSURES[name]
    optimizer("tried")(cls)
    [outcome] = each_alone(plan(spec_of(f"{{ {written} }}")).runs).values()
    hand = ByHand()
    close(outcome, with_closure(hand, cls(hand.model.parameters(), **settings), before=before))


@pytest.mark.parametrize("name", ["SAM", "LBFGS"])
def test_a_closure_sees_the_layers_as_they_are_in_training(name: str, plan: MakePlan) -> None:
    """Dropout draws once for each evaluation, and a known loss is not evaluated again."""
    cls, written, settings, before = CLOSURES[name]
    optimizer("tried")(cls)
    text = spec_of(f"{{ {written} }}", middle="Dropout", run='metrics = ["accuracy"]\nevaluate_every = 1')
    [outcome] = each_alone(plan(text).runs).values()
    hand = ByHand(middle=nn.Dropout)
    close(outcome, with_closure(hand, cls(hand.model.parameters(), **settings), before=before))
    assert outcome.history["valid.loss"].values[-1] == pytest.approx(hand.valid_loss(), rel=1e-12)


def test_a_scheduler_reaches_the_optimizer_inside_sam(plan: MakePlan) -> None:
    optimizer("tried")(SAM)
    [outcome] = each_alone(plan(spec_of('{ name = "tried", lr = 0.2 }', scheduler=WARMUP)).runs).values()
    hand = ByHand()
    made = SAM(hand.model.parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.LinearLR(made.base_optimizer, start_factor=0.1, total_iters=7)
    close(outcome, with_closure(hand, made, before=True, after=scheduler.step))


@pytest.mark.parametrize("cls", [SAM, AliG, AdaHessian, Undeclared])
def test_a_check_and_the_loop_agree_on_what_a_class_asks_for(cls: Any) -> None:
    optimizer("tried")(cls)
    assert try_optimizer(REGISTRY, "tried").problems == []


# --- gradients that are differentiable themselves


@pytest.mark.parametrize("cls", [AdaHessian, Undeclared])
def test_a_class_may_ask_for_a_graph(cls: Any, plan: MakePlan) -> None:
    optimizer("tried")(cls)
    [outcome] = each_alone(plan(spec_of('{ name = "tried", lr = 0.05 }')).runs).values()
    hand = ByHand()
    made = AdaHessian(hand.model.parameters(), lr=0.05)
    for x, y in hand.batches():
        made.zero_grad()
        loss = hand.loss(x, y)
        with warnings.catch_warnings(action="ignore"):  # torch says, once, that the graph is not freed by itself
            loss.backward(create_graph=True)  # type: ignore[no-untyped-call]
        made.step()
        hand.losses.append(loss.item())
    close(outcome, hand)


class Failing(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        raise ArithmeticError("nothing helps")


def test_what_a_class_says_first_is_told_where_nothing_helps(plan: MakePlan) -> None:
    optimizer("tried")(Failing)
    with pytest.raises(ArithmeticError, match="nothing helps"):
        each_alone(plan(spec_of('{ name = "tried" }')).runs)


class Careless(torch.optim.SGD):
    """It counts before it says what it lacks, and draws random numbers."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr=lr)
        self.steps = 0

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        self.steps += 1
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(torch.rand_like(p), alpha=1e-3 / math.sqrt(self.steps))
        if closure is None:
            raise RuntimeError("a closure is needed")
        return super().step()


def test_a_step_that_was_refused_leaves_no_trace(plan: MakePlan) -> None:
    optimizer("tried")(Careless)
    [outcome] = each_alone(plan(spec_of('{ name = "tried" }')).runs).values()
    hand = ByHand()
    made = Careless(hand.model.parameters())
    for x, y in hand.batches():
        made.zero_grad()
        loss = hand.loss(x, y)
        loss.backward()  # type: ignore[no-untyped-call]
        made.step(lambda: loss)  # noqa: B023
        hand.losses.append(loss.item())
    close(outcome, hand)
