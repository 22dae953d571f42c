"""The pure gradient of a Linear stack is that of autograd, for every loss and number of runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from xprun.plugins.losses.squared import squared
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.engine.programs.linear_stack_gradient import FEW, gradient_of

S, K, B = 3, 4, 7


def deep(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 6), nn.ReLU(), nn.Linear(6, 4, bias=False), nn.Tanh(),
        nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, outputs),
    )  # fmt: skip


CLASSES = torch.randint(0, 4, (S, B))
CASES: dict[str, tuple[nn.Module, Any, int, Tensor]] = {
    "classes": (deep(5, 4), nn.CrossEntropyLoss(), 5, CLASSES),
    "few inputs": (deep(FEW, 2), nn.MSELoss(), FEW, torch.randn(S, B, 2)),
    "sums": (deep(5, 1), nn.BCEWithLogitsLoss(reduction="sum"), 5, torch.rand(S, B, 1)),
    "one number": (nn.Linear(1, 1), nn.HuberLoss(delta=0.3), 1, torch.randn(S, B, 1)),
    "no bias": (nn.Linear(FEW, 2, bias=False), squared, FEW, torch.randn(S, B, 2)),
    "wide, no bias": (nn.Linear(6, 2, bias=False), nn.L1Loss(), 6, torch.randn(S, B, 2)),
    "smooth": (nn.Linear(5, 2), nn.SmoothL1Loss(beta=0.4), 5, torch.randn(S, B, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_and_losses_are_those_of_autograd(name: str) -> None:
    part, loss, inputs, y = CASES[name]
    module = (part if isinstance(part, nn.Sequential) else nn.Sequential(part)).double()
    y = y.double() if y.is_floating_point() else y
    stack = LinearStack.of(module, loss, y[0])
    assert isinstance(stack, LinearStack)
    flat, x = torch.randn(S, K, stack.parameters, dtype=torch.float64), torch.randn(S, B, inputs, dtype=torch.float64)
    gradients, losses = gradient_of(stack)(flat, x, y)
    for s in range(S):
        for k in range(K):
            w = flat[s, k].clone().requires_grad_()
            shapes = {key: p.shape for key, p in module.named_parameters()}
            views = {key: view.reshape(shapes[key]) for key, view in stack.views(w).items()}
            expected = loss(functional_call(module, views, (x[s],)), y[s])
            torch.testing.assert_close(losses[s, k], expected, rtol=1e-12, atol=1e-12)
            [slope] = torch.autograd.grad(expected, w)
            torch.testing.assert_close(gradients[s, k], slope, rtol=1e-12, atol=1e-12)


def test_a_unit_that_has_run_to_infinity_passes_nothing_on_where_it_is_off() -> None:
    module = nn.Sequential(nn.Linear(5, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    x, y = torch.ones(1, B, 5, dtype=torch.float64), torch.zeros(1, B, 1, dtype=torch.float64)
    stack = LinearStack.of(module, nn.MSELoss(), y[0])
    assert isinstance(stack, LinearStack)
    flat = stack.pack(module).view(1, 1, -1).clone()
    views = stack.views(flat)
    views["0.bias"][..., 0] = -1000.0  # this unit is off, whatever comes back to it
    views["2.weight"][..., 0] = torch.inf
    views["2.weight"][..., 1] = 0.0
    gradient, _ = gradient_of(stack)(flat, x, torch.full_like(y, 1.0))
    assert not stack.views(gradient)["0.weight"][0, 0, 0].isinf().any()
