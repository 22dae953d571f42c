"""Small optimizers of the field that ask for more than a gradient, or keep more than a state for each parameter."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Closure = Callable[[], Tensor]


class SAM(Optimizer):
    """Sharpness-aware minimization (Foret et al., 2021): the gradient counts where the loss is largest nearby.

    It holds the optimizer that takes the step, and wants the gradients of the parameters before its step.
    """

    def __init__(self, params: Any, lr: float = 0.1, rho: float = 0.05, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "rho": rho})
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr=lr, momentum=momentum)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> None:  # type: ignore[override]
        assert closure is not None, "SAM requires a closure"
        parameters = [p for group in self.param_groups for p in group["params"]]
        norm = torch.stack([p.grad.norm() for p in parameters]).norm()
        moves = [self.param_groups[0]["rho"] / (norm + 1e-12) * p.grad for p in parameters]
        for p, move in zip(parameters, moves, strict=True):
            p.add_(move)
        self.zero_grad()
        with torch.enable_grad():
            closure()
        for p, move in zip(parameters, moves, strict=True):
            p.sub_(move)
        self.base_optimizer.step()


class AliG(Optimizer):
    """Adaptive learning rates for interpolation with gradients (Berrada et al., 2020)."""

    def __init__(self, params: Any, max_lr: float = 1.0) -> None:
        super().__init__(params, {"max_lr": max_lr})

    @torch.no_grad()
    def step(self, closure: Closure) -> float:  # type: ignore[override]
        with torch.enable_grad():
            loss = float(closure())
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        squared = sum(float(p.grad.square().sum()) for p in parameters)
        for group in self.param_groups:
            rate = min(group["max_lr"], loss / (squared + 1e-5))
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(p.grad, alpha=rate)
        return loss


class AdaHessian(Optimizer):
    """AdaHessian (Yao et al., 2021): Adam with the diagonal of the Hessian, estimated by Hutchinson's method."""

    create_graph = True

    def __init__(self, params: Any, lr: float = 0.1, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        super().__init__(params, {"lr": lr, "betas": betas})
        self.generator = torch.Generator().manual_seed(7)
        self.steps = 0

    def step(self, closure: Closure | None = None) -> None:  # type: ignore[override]
        self.steps += 1
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        signs = [2.0 * torch.randint(0, 2, p.shape, generator=self.generator).to(p) - 1 for p in parameters]
        products = torch.autograd.grad([p.grad for p in parameters], parameters, signs)  # type: ignore[misc]
        with torch.no_grad():
            for group in self.param_groups:
                beta1, beta2 = group["betas"]
                for p, sign, product in zip(parameters, signs, products, strict=True):
                    state = self.state[p]
                    m = state.setdefault("m", torch.zeros_like(p)).lerp_(p.grad, 1 - beta1)
                    v = state.setdefault("v", torch.zeros_like(p)).lerp_((sign * product).square(), 1 - beta2)
                    root = (v / (1 - beta2**self.steps)).sqrt() + 1e-4
                    p.sub_(group["lr"] / (1 - beta1**self.steps) * m / root)


class Undeclared(AdaHessian):
    """The same, which does not say that it needs differentiable gradients before it is in want of them."""

    create_graph = False


class Both(Optimizer):
    """Two optimizers inside one, which the groups of the outer one say nothing about."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        params = list(params)
        super().__init__(params, {"lr": lr})
        self.inner = {
            "matrices": torch.optim.Muon([p for p in params if p.ndim == 2], lr=lr),
            "others": torch.optim.AdamW([p for p in params if p.ndim != 2], lr=0.1 * lr),
        }

    def step(self, closure: Closure | None = None) -> None:  # type: ignore[override]
        for one in self.inner.values():
            one.step()


class Clock:
    """An object with a state."""

    def __init__(self) -> None:
        self.ticks, self.recent = 0, deque[float](maxlen=3)


class Lookahead(Optimizer):
    """Slow weights that follow fast ones (Zhang et al., 2019), which it keeps in lists and objects of its own."""

    def __init__(self, params: Any, lr: float = 0.1, k: int = 4) -> None:
        super().__init__(params, {"lr": lr})
        self.k, self.clock = k, Clock()
        self.fast = torch.optim.Adam(self.param_groups, lr=lr)
        self.parameters = [p for group in self.param_groups for p in group["params"]]
        self.slow: list[Tensor] = []
        self.norms: dict[int, float] = {}
        self.before: Tensor = self.parameters[0]  # a parameter, until there is an earlier one
        self.scale = torch.ones(())

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> None:  # type: ignore[override]
        self.slow = self.slow or [p.clone() for p in self.parameters]
        self.before = self.parameters[0].clone()
        self.fast.step()
        self.parameters[0].lerp_(self.before, 0.01)
        for p in self.parameters:
            p.mul_(1 - 1e-4 * self.norms.get(id(p), 0.0))
            self.norms[id(p)] = float(p.norm())
        self.clock.ticks += 1
        self.clock.recent.append(float(self.parameters[0].norm()))
        self.scale.mul_(0.99 + 0.001 * sum(self.clock.recent))
        if self.clock.ticks % self.k == 0:
            for p, slow in zip(self.parameters, self.slow, strict=True):
                slow.lerp_(p, 0.5 * min(1.0, float(self.scale)))
                p.copy_(slow)


class Opaque(torch.optim.SGD):
    """It keeps an object for each parameter that nobody can save."""

    def step(self, closure: Closure | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["clock"] = Clock()
        super().step()
