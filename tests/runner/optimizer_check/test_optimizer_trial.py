"""`xprun check NAME` tells whether an optimizer is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from support.training import SCHEDULE_FREE
from torch import Tensor
from xprun.plugins import optimizer
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.optimizer_check.optimizer_trial import try_optimizer

Xprun = Callable[..., Result]


def problems(rule: Any, **options: Any) -> list[str]:
    optimizer("tried")(rule)
    return try_optimizer(REGISTRY, "tried", **options).problems


def good(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1, keep: float = 0.5) -> tuple[Tensor, Tensor]:
    v = keep * v + g
    return w - lr * v, v


def in_place(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    return w - lr * v.mul_(0.5).add_(g), v


def not_finite(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g / g.abs()


def forgetful(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g


def reducing(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    return w - lr * g, (v + g).sum()


def narrowing(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    return w - lr * g, (v + g).float()


def unused(w: Tensor, g: Tensor, *, lr: float = 0.1, momentum: float = 0.9) -> Tensor:
    return w - lr * g


def branching(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g if g.sum() > 0 else w - 2 * lr * g


def peeking(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g * (2 if w.dim() == 1 and isinstance(lr, float) else 1)


def leaving(w: Tensor, g: Tensor, *, lr: float = 0.1, fast: bool = False) -> Tensor:
    if fast:
        raise SystemExit("the fast version is not installed")
    return w - lr * g


def raising(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g.reshape(7)


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (in_place, "it changes v in place; write v = "),
        (not_finite, "with zero gradients in float32 a parameter is nan after step 1"),
        (forgetful, "forgetful (test_optimizer_trial.py:41) returns 1 value; its signature asks for 2: w, v"),
        (reducing, "the new v has the shape [] where the parameter has [3, 4]"),
        (narrowing, "the new v is float32 where the parameter is float64"),
        (unused, "momentum has no effect: "),
        (branching, "it cannot be batched, so its runs train one by one: "),
        (peeking, "in a batch it differs from step 1 on, by "),
        (raising, "it raises RuntimeError: shape '[7]' is invalid"),
        (lambda x: x, "an update rule takes w and g first"),
    ],
)
def test_a_mistake_is_told(rule: Any, wrong: str) -> None:
    found = problems(rule)
    assert found[0].startswith(wrong)


def test_a_setting_that_ends_the_program_is_looked_at() -> None:
    assert problems(leaving) == []


@pytest.mark.parametrize("name", ["scratch.momentum", "scratch.adam", "SGD", "Adam", "RMSprop", "Rprop", "LBFGS"])
def test_the_built_in_ones_are_right(name: str) -> None:
    assert try_optimizer(REGISTRY, name).problems == []


class Reference(torch.optim.SGD):
    """A class of somebody else: its constructor's parameters are its settings."""

    def __init__(self, params: Any, lr: float = 0.1, momentum: float = 0.0) -> None:
        super().__init__(params, lr=lr, momentum=momentum)


def test_a_rule_is_compared_with_a_reference_of_the_same_settings() -> None:
    optimizer("reference")(Reference)
    optimizer("good")(good)
    same = try_optimizer(REGISTRY, "good", {"keep": 0.0}, against="reference")
    assert same.problems == []
    assert "agrees with reference, lr=0.1 momentum=0.0" in same.render()
    found = problems(good, against="reference")
    assert found[0].startswith("it differs from reference from step 2 on, by 0.")


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xprun:
    """Return a function that runs the command in a folder with a rule that is nearly momentum."""
    monkeypatch.chdir(tmp_path)
    Path("rules.py").write_text(
        "from xprun.plugins import optimizer\n\n@optimizer('mine')\n"
        "def mine(w, g, v, *, lr: float = 0.01, keep: float = 0.2):\n"
        "    v = keep * v + (1 - keep) * g\n    return w - lr * v, v\n",
        encoding="utf-8",
    )
    return lambda *arguments: CliRunner().invoke(main, ["check", "--plugin", "rules.py", *arguments])


def test_the_command_tells_and_its_exit_code_too(xprun: Xprun) -> None:
    good = xprun("mine", "--against", "scratch.momentum")
    assert good.exit_code == 0, good.output
    assert good.output.count("  ok     ") == 6
    other = xprun("mine", "--against", "scratch.momentum", "--set", "keep=0.9")
    assert other.exit_code == 0, other.output
    different = xprun("mine", "--against", "scratch.gd", "--set", "lr=0.5")
    assert different.exit_code == 1
    assert "mine: 20 steps over fixed gradients, lr=0.5 keep=0.2" in different.output
    assert (
        "  WRONG  agrees with scratch.gd, lr=0.5\n         it differs from scratch.gd from step 1 on, by "
        in different.output
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine", "--against", "scratch.gdd"], "there is no optimizer named 'scratch.gdd'; did you mean 'scratch.gd'?"),
        (["mine", "--set", "larning=3"], "--set larning=3: mine has no such setting"),
        (["mine", "--set", "lr='a'"], "--set lr='a': must be a number"),
        (["mein"], "mein: cannot be read"),
    ],
)
def test_what_cannot_be_tried_is_told_with_exit_code_2(xprun: Xprun, arguments: list[str], message: str) -> None:
    result = xprun(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_class_with_modes_is_tried_in_that_of_training() -> None:
    open_registry((SCHEDULE_FREE,))
    assert try_optimizer(REGISTRY, "averaged").problems == []


class WarmedUp(torch.optim.SGD):
    """The step grows over the first `warmup_steps`, of which one is none."""

    def __init__(self, params: Any, lr: float = 0.1, warmup_steps: int = 0) -> None:
        super().__init__(params, lr=lr)
        self.warmup_steps, self.steps, self.full = warmup_steps, 0, lr

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.steps += 1
        for group in self.param_groups:
            group["lr"] = self.full * min(1.0, self.steps / max(1, self.warmup_steps))
        super().step()


def test_a_warm_up_is_a_setting_with_an_effect() -> None:
    assert problems(WarmedUp) == []


class InPlace(torch.optim.SGD):
    """It works in the memory of the gradients, as the schedule-free ones do."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                p.grad.mul_(0.5)
        super().step()


def test_a_class_may_work_in_the_memory_of_its_gradients() -> None:
    assert problems(InPlace, settings={"lr": 0.1}) == []
