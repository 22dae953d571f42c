"""A function and two classes that know nothing of xprun: their entry points make them components."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def plain(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    """Gradient descent."""
    return w - lr * g


class HeavyBall(torch.optim.Optimizer):
    """A step along the sum of all gradients, older ones counting less (Polyak, 1964)."""

    def __init__(self, params: object, lr: float = 0.01, friction: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "friction": friction})  # type: ignore[arg-type]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                velocity.mul_(1 - group["friction"]).add_(p.grad)
                p.sub_(velocity, alpha=group["lr"])


class Scale(nn.Module):
    """Each feature multiplied by a number that is learned."""

    def __init__(self, features: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((features,), start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight
