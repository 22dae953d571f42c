"""What depends on the number of a step and on settings alone is taken out of the step, and changes no result."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from xprun.runner.engine.hoisted import hoist


def step(t: Tensor, x: Tensor, lr: Tensor, beta: Tensor, w: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    m = beta * m + (1 - beta) * x
    warm = torch.where(t > 3, 1.0, 0.5)
    return w - lr * (1 - 0.5**t) * warm * m / (1 - beta**t), m * (1 + 0.25**t)


STEPS = torch.arange(1, 6, dtype=torch.float64)
OTHERS = [torch.randn(5), torch.rand(7, 1), torch.rand(7, 1), torch.randn(2, 7, 5), torch.randn(2, 7, 5)]


@pytest.mark.parametrize("mode", ["real", "symbolic"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_step_computes_the_same(mode: str, dtype: torch.dtype) -> None:
    others = [part.to(dtype) for part in OTHERS]
    before, left = hoist(make_fx(step, tracing_mode=mode)(STEPS[0], *others), 2, [False, False])
    made = before(STEPS, *others[1:3])
    assert "pow" in before.graph.code
    assert "pow" not in left.code
    assert {tuple(value.shape) for value in made} == {(5,), (5, 7, 1)}
    for i, t in enumerate(STEPS):
        found = left(t, *others, *(value[i] for value in made))
        torch.testing.assert_close(found, step(t, *others), rtol=1e-12 if dtype is torch.float64 else 1e-5, atol=0)


def test_what_depends_on_parameters_or_is_not_pointwise_stays() -> None:
    def other(t: Tensor, lr: Tensor, w: Tensor) -> Tensor:
        return w * (w.mean() + t) + (lr * t).sum()

    lr, w = torch.rand(7, 1), torch.randn(2, 7, 5)
    before, left = hoist(make_fx(other)(STEPS[0], lr, w), 1, [False])
    assert "mean" in left.code
    assert "sum" in left.code
    made = before(STEPS, lr)
    for i, t in enumerate(STEPS):
        torch.testing.assert_close(left(t, lr, w, *(value[i] for value in made)), other(t, lr, w))


def test_a_setting_may_have_a_value_for_each_step() -> None:
    others = OTHERS[1:]
    moving = torch.rand(5, 7, 1)
    before, left = hoist(make_fx(step)(STEPS[0], OTHERS[0], moving[0], *others[1:]), 2, [True, False])
    made = before(STEPS, moving, others[1])
    for i, t in enumerate(STEPS):
        found = left(t, OTHERS[0], moving[i], *others[1:], *(value[i] for value in made))
        torch.testing.assert_close(found, step(t, OTHERS[0], moving[i], *others[1:]), rtol=1e-5, atol=1e-6)
