"""Products of parameters, as deep networks are: gradients that vanish, explode, or depend on how long weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.objectives.objective import Objective, task_generator
from xprun.plugins.registry import objective
from xprun.plugins.types import Depth, NonNegative, NonNegativeInt, Positive, Width

if TYPE_CHECKING:
    from torch import Tensor


@objective("chain")
def chain(*, depth: Depth = 10, weight: Positive = 0.5, spread: NonNegative = 0.02) -> Objective:
    """(w_1 w_2 ... w_depth - 1)^2 / 2, all weights at about `weight` first: a deep linear network of one unit.

    A gradient is a product of depth - 1 weights: it vanishes where they start below 1, and explodes above. Minimum 0.
    Source: Bengio, Simard and Frasconi, Learning long-term dependencies with gradient descent is difficult (1994);
    Shamir, Exponential convergence time of gradient descent for one-dimensional deep linear neural networks (2019).
    """
    import torch

    def loss(w: Tensor) -> Tensor:
        return (w.prod() - 1) ** 2 / 2

    start = weight * (1 + spread * torch.randn(depth, dtype=torch.float64))
    return Objective(loss, {"w": start}, minimizer={"w": [1.0] * depth})


@objective("matrix_chain")
def matrix_chain(
    *, size: Width = 4, weight: Positive = 0.1, condition: Positive = 10.0, seed: NonNegativeInt = 0
) -> Objective:
    """|third second first - A|^2 / 2 for matrices [size, size]: a deep linear network, with saddles on its way.

    The singular values of A go from 1 / condition to 1, equally far apart in their logarithms; its singular vectors
    depend on `seed` alone. Matrices start normal, of the standard deviation `weight`. Minimum 0.
    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks (2014).
    """
    import math

    import torch

    def loss(first: Tensor, second: Tensor, third: Tensor, A: Tensor) -> Tensor:
        return ((third @ second @ first - A) ** 2).sum() / 2

    generator = task_generator(seed)
    values = torch.logspace(-math.log10(condition), 0, size, dtype=torch.float64)
    drawn = torch.randn(2, size, size, generator=generator, dtype=torch.float64)
    left, right = (torch.linalg.qr(part)[0] for part in drawn)
    start = {name: weight * torch.randn(size, size, dtype=torch.float64) for name in ("first", "second", "third")}
    return Objective(loss, start, constants={"A": left * values @ right})


@objective("scale_invariant")
def scale_invariant(*, size: Width = 10, length: Positive = 100.0, seed: NonNegativeInt = 0) -> Objective:
    """|v / |v| - w|^2 / 2: weights v before a normalisation, whose length changes nothing but their gradient.

    As w has the length 1, it is 1 - cos(v, w). The gradient is at right angles to v, and small where v is long: it is
    `length` long at first, and longer with every step. The direction w depends on `seed` alone, where it starts on the
    seed of the run. Minimum 0 where v points along w.
    Source: van Laarhoven, L2 regularization versus batch and weight normalization (2017).
    """
    import torch

    def loss(v: Tensor, w: Tensor) -> Tensor:
        return (v / (v @ v).sqrt() - w).square().sum() / 2

    generator = task_generator(seed)
    w = torch.randn(size, generator=generator, dtype=torch.float64)
    w = w / w.norm()
    start = torch.randn(size, dtype=torch.float64)
    return Objective(loss, {"v": length * start / start.norm()}, minimizer={"v": w.tolist()}, constants={"w": w})
