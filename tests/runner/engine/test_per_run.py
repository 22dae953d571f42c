"""A setting that differs between runs rounds as a plain number does: runs of a stack get the bits of lone ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from xprun.plugins.optimizers import textbook
from xprun.plugins.optimizers.torch_optim import FUNCTIONAL_OPTIMIZERS
from xprun.plugins.signature import read_settings
from xprun.runner.engine.per_run import PerRun
from xprun.runner.engine.update_rules import read_rule

RUNS, STEPS = 5, 20
RULES = {
    **FUNCTIONAL_OPTIMIZERS,
    **{f"scratch.{name}": getattr(textbook, name) for name in ("gd", "momentum", "adagrad", "rmsprop", "adam")},
}


def _number(value: Any, i: int) -> Any:
    """Return the setting of the run i, which is near to the one that is given."""
    return tuple(_number(part, i) for part in value) if isinstance(value, tuple) else value * (1 - i / 40)


def _of_all(values: list[Any]) -> Any:
    if isinstance(values[0], tuple):
        return tuple(map(_of_all, map(list, zip(*values, strict=True))))
    return PerRun(torch.tensor(values, dtype=torch.float64).unsqueeze(1))


def _is_number(value: Any) -> bool:
    parts = value if isinstance(value, tuple) else (value,)
    return all(isinstance(part, float) for part in parts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", RULES)
def test_runs_with_settings_of_their_own_get_the_bits_of_lone_runs(
    name: str, compiled: bool, dtype: torch.dtype
) -> None:
    rule = read_rule(RULES[name])
    settings = {key: one.example for key, one in read_settings(RULES[name]).items()}
    numbers = [key for key, value in settings.items() if _is_number(value)]
    own = [{**settings, **{key: _number(settings[key], i) for key in numbers}} for i in range(RUNS)]
    of_all = {**settings, **{key: _of_all([one[key] for one in own]) for key in numbers}}
    random = torch.Generator().manual_seed(0)
    w = torch.randn(2, RUNS, 7, dtype=dtype, generator=random)
    states = tuple(torch.zeros_like(w) for _ in rule.states)
    alone = [(w[:, i], tuple(state[:, i] for state in states)) for i in range(RUNS)]
    for t in range(1, STEPS + 1):
        g = torch.randn(2, RUNS, 7, dtype=dtype, generator=random)
        step = PerRun(torch.tensor(t, dtype=torch.float64)) if compiled else t
        w, states = rule.update(w, g, states, step, 1, of_all, T=STEPS)
        alone = [rule.update(*one, t, 1, own[i], T=STEPS) for i, one in enumerate(_with(alone, g))]
    assert w.dtype == dtype
    assert torch.equal(w, torch.stack([one for one, _ in alone], 1))


def _with(alone: list[tuple[Tensor, tuple[Tensor, ...]]], g: Tensor) -> list[tuple[Any, ...]]:
    return [(w, g[:, i], states) for i, (w, states) in enumerate(alone)]


CONDITIONS: dict[str, Callable[[Any, Any], Any]] = {
    "where": lambda w, a: torch.where((a > 0.15) & (a < 0.35), w, a * w),
    "a factor": lambda w, a: w * ((a >= 0.2) * 0.3),
    "not": lambda w, a: w.where(~(a == 0.3), -w) if isinstance(a, PerRun) else (-w if a == 0.3 else w),
    "a bound": lambda w, a: w.clamp(-a, a),
    "over": lambda w, a: a / w,
    "an average": lambda w, a: w.lerp(w * w, 1 - a),
    "a root": lambda w, a: w * (1 - a**2) ** 0.5 + 2**a - abs(-a),
    "of torch": lambda w, a: w * torch.sqrt(a) if isinstance(a, PerRun) else w * a**0.5,
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_what_rules_do_with_settings_rounds_as_with_a_number(name: str) -> None:
    w, values = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(1)), [0.1, 0.2, 0.3, 0.4]
    together = CONDITIONS[name](w, _of_all(values))
    assert together.dtype == torch.float32
    for i, value in enumerate(values):
        if name == "where":
            expected = w[:, i] if 0.15 < value < 0.35 else value * w[:, i]
        else:
            expected = CONDITIONS[name](w[:, i], value)
        assert torch.equal(together[:, i], expected)


def test_there_is_no_one_number_and_no_one_truth() -> None:
    setting = _of_all([0.1, 0.2])
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(setting > 0.15)
    with pytest.raises(TypeError, match="not one number"):
        float(setting)
