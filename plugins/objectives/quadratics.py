"""Quadratic bowls: of other curvatures in each direction, turned, in other units, and with noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from xprun.plugins.objectives.objective import Objective, task_generator
from xprun.plugins.registry import objective
from xprun.plugins.types import NonNegative, NonNegativeInt, PositiveInt, Width

if TYPE_CHECKING:
    from torch import Generator, Tensor

Condition = Annotated[float, Ge(1)]


@objective("quadratic")
def quadratic(
    *,
    size: Width = 10,
    condition: Condition = 100.0,
    rotated: bool = False,
    delay: NonNegativeInt = 0,
    seed: NonNegativeInt = 0,
) -> Objective:
    """The sum of h_i x_i^2 / 2, whose curvatures h_i go from 1 / condition to 1, equally far apart in their logarithms.

    With `rotated` x is first turned, so that curvatures belong to no coordinate: the rotation depends on `seed` alone.
    With a `delay` gradients are those of so many steps ago, as of workers that do not wait for each other. It starts
    at a standard normal x. Minimum 0 at 0.
    Source: Nesterov, Introductory Lectures on Convex Optimization (2004), section 2.1; for delays Agarwal and Duchi,
    Distributed delayed stochastic optimization (2011).
    """
    import math

    import torch

    def loss(x: Tensor, h: Tensor) -> Tensor:
        return (h * x.square()).sum() / 2

    def turned(x: Tensor, h: Tensor, Q: Tensor) -> Tensor:
        return loss(Q @ x, h)

    h = torch.logspace(-math.log10(condition), 0, size, dtype=torch.float64)
    return Objective(
        turned if rotated else loss,
        {"x": torch.randn(size, dtype=torch.float64)},
        minimizer={"x": [0.0] * size},
        constants={"h": h, "Q": _rotation(size, seed)} if rotated else {"h": h},
        delay=delay,
    )


@objective("units")
def units(*, size: Width = 9, ratio: Condition = 100.0, spread: NonNegative = 0.1) -> Objective:
    """The sum of (s_i x_i - 1)^2 / 2: inputs in units whose sizes s_i go from ratio^(-1/2) to ratio^(1/2).

    Where one unit is large, the way to go is short and steep: distances 1 / s_i, curvatures s_i^2, so that the
    condition is ratio^2. It starts near 0, where all errors are about 1. Minimum 0 at 1 / s_i.
    Source: LeCun, Bottou, Orr and Müller, Efficient BackProp (1998), section 4.3.
    """
    import math

    import torch

    def loss(x: Tensor, s: Tensor) -> Tensor:
        return (s * x - 1).square().sum() / 2

    half = math.log10(ratio) / 2
    s = torch.logspace(-half, half, size, dtype=torch.float64)
    start = spread * torch.randn(size, dtype=torch.float64) / s
    return Objective(loss, {"x": start}, minimizer={"x": (1 / s).tolist()}, constants={"s": s})


@objective("layer_scales")
def layer_scales(*, size: Width = 5, ratio: Condition = 1e6) -> Objective:
    """The sum of |first|^2, |middle|^2 and |last|^2, halved and weighted ratio^(-1/2), 1 and ratio^(1/2).

    Three layers that have equally far to go, and whose gradients differ in size as those of badly scaled networks do.
    Each starts standard normal. Minimum 0 at 0.
    Source: You, Gitman and Ginsburg, Large batch training of convolutional networks (2017), section 4.
    """
    import math

    import torch

    root = math.sqrt(ratio)

    def loss(first: Tensor, middle: Tensor, last: Tensor) -> Tensor:
        low, level, high = (part.square().sum() for part in (first, middle, last))
        return (low / root + level + high * root) / 2

    names = ("first", "middle", "last")
    start = {name: torch.randn(size, dtype=torch.float64) for name in names}
    return Objective(loss, start, minimizer={name: [0.0] * size for name in names})


@objective("noisy_quadratic")
def noisy_quadratic(*, size: Width = 100, batch: PositiveInt = 1, noise: NonNegative = 1.0) -> Objective:
    """The sum of h_i (x_i - c_i)^2 / 2 with h_i = 1 / i, and centres c_i drawn at every step about 0.

    Their standard deviation is noise / sqrt(h_i batch), so that the gradient's covariance is proportional to the
    curvature, as it is for networks. Measured is the loss for centres of 0. It starts at a standard normal x. Minimum
    0 at 0.
    Source: Zhang et al., Which algorithmic choices matter at which batch sizes? Insights from a noisy quadratic model
    (2019).
    """
    import torch

    h = 1 / torch.arange(1, size + 1, dtype=torch.float64)
    deviation = noise / (h * batch).sqrt()

    def loss(x: Tensor, h: Tensor) -> Tensor:
        return (h * x.square()).sum() / 2

    def sampled(x: Tensor, h: Tensor, deviation: Tensor, noise: Tensor) -> Tensor:
        return loss(x - deviation * noise, h)

    def draw(generator: Generator) -> Tensor:
        return torch.randn(size, generator=generator)

    return Objective(
        loss,
        {"x": torch.randn(size, dtype=torch.float64)},
        minimizer={"x": [0.0] * size},
        sampled=sampled,
        noise=draw,
        constants={"h": h, "deviation": deviation},
    )


def _rotation(size: int, seed: int) -> Tensor:
    """Return an orthogonal matrix [size, size], drawn uniformly."""
    import torch

    generator = task_generator(seed)
    Q, R = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    turned: Tensor = Q * R.diagonal().sign()
    return turned
