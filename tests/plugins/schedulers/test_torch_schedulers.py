"""Every schedule in closed form gives the learning rates and momenta of the torch class of its name."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler
from xprun.plugins.registry import REGISTRY
from xprun.plugins.schedulers.basic import warmup_cosine
from xprun.plugins.schedulers.torch_schedulers import FUNCTIONAL_SCHEDULERS, UNSUPPORTED_SCHEDULERS
from xprun.plugins.signature import read_settings

T, LR = 24, 0.3

# Of the classes' settings those that a spec has no use for: functions, and what it says elsewhere or otherwise.
LEFT_OUT = {"optimizer", "last_epoch", "scale_fn", "scale_mode", "epochs", "steps_per_epoch"}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 5}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [3, 3, 10], "gamma": 0.5}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 40}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 10}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 12, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 24}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.02}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "step_size_down": 5, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 24}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 40, "anneal_strategy": "linear", "base_momentum": 0.7}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 24, "three_phase": True, "pct_start": 0.4, "div_factor": 5.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 24, "cycle_momentum": False}),
]
PAIRS: list[tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]] = [
    (("LinearLR", {"total_iters": 6}), ("ExponentialLR", {"gamma": 0.9})),
    (("ConstantLR", {"total_iters": 6}), ("CosineAnnealingLR", {"T_max": 18})),
    (("LinearLR", {"total_iters": 6}), ("StepLR", {"step_size": 4})),
    (("ConstantLR", {"total_iters": 3}), ("PolynomialLR", {"total_iters": 10})),
]


def torchs(make: Any, optimizer: type[torch.optim.Optimizer] = torch.optim.SGD) -> list[tuple[float, float]]:
    """Return the rates and momenta that a class of torch sets over T times."""
    opt = optimizer([torch.nn.Parameter(torch.zeros(1))], lr=LR)  # type: ignore[call-arg]
    schedule, found = make(opt), []
    for _ in range(T):
        group = opt.param_groups[0]
        found.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        opt.step()
        schedule.step()
    return found


def ours(schedule: Any, momentum: float = 0.0) -> list[tuple[float, float]]:
    found = [schedule(LR, t, T) for t in range(T)]
    return [one if isinstance(one, tuple) else (one, momentum) for one in found]


def same(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a == pytest.approx(b, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=lambda x: str(x))
def test_a_schedule_is_that_of_its_class(name: str, settings: dict[str, Any]) -> None:
    make = functools.partial(getattr(lr_scheduler, name), **settings)
    same(ours(functools.partial(FUNCTIONAL_SCHEDULERS[name], **settings)), torchs(make))


def test_the_momentum_of_adam_is_its_first_beta() -> None:
    settings = {"max_lr": 1.0, "total_steps": T}
    make = functools.partial(lr_scheduler.OneCycleLR, **settings)  # type: ignore[arg-type]
    same(ours(functools.partial(FUNCTIONAL_SCHEDULERS["OneCycleLR"], **settings)), torchs(make, torch.optim.Adam))


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(name for name, _ in pair))
def test_schedules_in_sequence_are_those_of_the_class(pair: Any) -> None:
    def make(opt: Any) -> Any:
        return lr_scheduler.SequentialLR(opt, [getattr(lr_scheduler, n)(opt, **s) for n, s in pair], [6])

    parts = [functools.partial(FUNCTIONAL_SCHEDULERS[name], **settings) for name, settings in pair]
    same(ours(functools.partial(FUNCTIONAL_SCHEDULERS["SequentialLR"], schedulers=parts, milestones=[6])), torchs(make))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(name for name, _ in pair))
def test_chained_schedules_are_those_of_the_class(pair: Any) -> None:
    def make(opt: Any) -> Any:
        return lr_scheduler.ChainedScheduler([getattr(lr_scheduler, n)(opt, **s) for n, s in pair])

    parts = [functools.partial(FUNCTIONAL_SCHEDULERS[name], **settings) for name, settings in pair]
    same(ours(functools.partial(FUNCTIONAL_SCHEDULERS["ChainedScheduler"], schedulers=parts)), torchs(make))


def test_what_is_no_factor_cannot_be_chained() -> None:
    cosine = functools.partial(FUNCTIONAL_SCHEDULERS["CosineAnnealingLR"], T_max=5, eta_min=0.01)
    with pytest.raises(ValueError, match="is not a factor"):
        FUNCTIONAL_SCHEDULERS["ChainedScheduler"](LR, 2, T, schedulers=[cosine])


def test_a_cycle_must_not_end_before_the_run() -> None:
    with pytest.raises(ValueError, match="total_steps = 10 ends before the run, which has 24; leave it out"):
        FUNCTIONAL_SCHEDULERS["OneCycleLR"](LR, 0, T, max_lr=1.0, total_steps=10)
    assert FUNCTIONAL_SCHEDULERS["OneCycleLR"](LR, T - 1, T, max_lr=1.0)[0] == pytest.approx(1.0 / 25 / 1e4)


def test_every_class_that_depends_on_time_alone_is_there_and_the_others_say_why_not() -> None:
    bases = {"LRScheduler", "_LRScheduler"}
    classes = {
        name: thing
        for name, thing in vars(lr_scheduler).items()
        if inspect.isclass(thing) and issubclass(thing, lr_scheduler.LRScheduler) and name not in bases
    }
    assert set(classes) == set(FUNCTIONAL_SCHEDULERS) | set(UNSUPPORTED_SCHEDULERS)
    assert set(FUNCTIONAL_SCHEDULERS) <= set(REGISTRY.names("scheduler"))


@pytest.mark.parametrize("name", FUNCTIONAL_SCHEDULERS)
def test_a_schedule_has_the_settings_and_defaults_of_its_class(name: str) -> None:
    parameters = inspect.signature(getattr(lr_scheduler, name)).parameters
    theirs = {n: p.default for n, p in parameters.items() if n not in LEFT_OUT}
    assert {n: setting.default for n, setting in read_settings(FUNCTIONAL_SCHEDULERS[name]).items()} == theirs


def test_warmup_cosine_rises_to_the_rate_and_falls_towards_the_final_share() -> None:
    rates = [warmup_cosine(1.0, t, 10, warmup=4, final=0.1) for t in range(10)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[7] == pytest.approx(0.55)
    assert 0.1 < rates[-1] < 0.2
    with pytest.raises(ValueError, match="warmup = 10 takes up the whole run"):
        warmup_cosine(1.0, 0, 10, warmup=10)
