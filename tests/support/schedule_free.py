"""A plugin: gradient descent without a schedule, whose result is an average and whose steps start elsewhere."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from xprun.plugins import optimizer


class Averaged(torch.optim.Optimizer):
    """Schedule-free gradient descent (Defazio et al., 2024): the parameters are y in training and x in evaluation."""

    def __init__(self, params: Any, lr: float = 0.1, beta: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "training": False, "k": 0})

    def train(self) -> None:
        for group in self.param_groups:
            if not group["training"]:
                self._move(group, 1 - group["beta"])  # x -> y
            group["training"] = True

    def eval(self) -> None:
        for group in self.param_groups:
            if group["training"]:
                self._move(group, 1 - 1 / group["beta"])  # y -> x
            group["training"] = False

    @torch.no_grad()
    def _move(self, group: dict[str, Any], share: float) -> None:
        for p in group["params"]:
            if "z" in self.state[p]:
                p.lerp_(self.state[p]["z"], share)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> None:
        for group in self.param_groups:
            if not group["training"]:
                raise RuntimeError("the optimizer is not in training mode")
            lr, beta = group["lr"], group["beta"]
            group["k"] += 1
            share = 1 / group["k"]
            for p in group["params"]:
                z = self.state[p].setdefault("z", p.clone())
                p.lerp_(z, share).add_(p.grad, alpha=lr * (beta * (1 - share) - 1))
                z.sub_(p.grad, alpha=lr)


optimizer("averaged")(Averaged)
