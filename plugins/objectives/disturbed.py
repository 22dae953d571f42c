"""Simple bowls whose gradients are disturbed: rare, wild, skewed, broken, or of a minimum that moves.

Where noise z is added to a gradient, the loss of a step is the loss plus z . x, whose gradient that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Lt
from xprun.plugins.objectives.objective import Objective
from xprun.plugins.registry import objective
from xprun.plugins.types import NonNegative, Positive, Width

if TYPE_CHECKING:
    from torch import Generator, Tensor


@objective("heavy_tails")
def heavy_tails(*, size: Width = 10, tail: Positive = 1.5, noise: NonNegative = 1.0) -> Objective:
    """|x|^2 / 2 with noise in its gradient that has, for a `tail` of less than 2, no variance.

    Each component is a sign times (u^(-1/tail) - 1) for a uniform u, a symmetric Pareto variable, times `noise`.
    It starts at a standard normal x. Minimum 0 at 0.
    Source: Zhang et al., Why are adaptive methods good for attention models? (2020).
    """
    import torch

    def loss(x: Tensor) -> Tensor:
        return (x**2).sum() / 2

    def sampled(x: Tensor, noise: Tensor) -> Tensor:
        return loss(x) + (noise * x).sum()

    def draw(generator: Generator) -> Tensor:
        u = 1 - torch.rand(size, generator=generator, dtype=torch.float64)  # not 0
        sign = torch.rand(size, generator=generator).sub_(0.5).sign_()
        return noise * sign * (u ** (-1 / tail) - 1)

    return _bowl(loss, size, sampled, draw)


@objective("rare_events")
def rare_events(
    *, size: Width = 10, chance: Annotated[float, Gt(0), Lt(1)] = 0.02, noise: NonNegative = 1.0
) -> Objective:
    """|x|^2 / 2 with noise in its gradient that is small and of one sign mostly, and rarely large and of the other.

    It is -noise, or with the `chance` noise (1 - chance) / chance: 0 on average, but not for who looks at signs, or
    divides by what was seen lately. It starts at a standard normal x. Minimum 0 at 0.
    Source: after the example of Reddi, Kale and Kumar, On the convergence of Adam and beyond (2018), section 3.
    """
    import torch

    def loss(x: Tensor) -> Tensor:
        return (x**2).sum() / 2

    def sampled(x: Tensor, noise: Tensor) -> Tensor:
        return loss(x) + (noise * x).sum()

    def draw(generator: Generator) -> Tensor:
        is_rare = torch.rand(size, generator=generator) < chance
        return noise * torch.where(is_rare, (1 - chance) / chance, -1.0)

    return _bowl(loss, size, sampled, draw)


@objective("sparse_gradients")
def sparse_gradients(
    *,
    size: Width = 20,
    rarest: Annotated[float, Gt(0), Lt(1)] = 0.01,
    distance: NonNegative = 10.0,
    noise: NonNegative = 1.0,
) -> Objective:
    """The mean of sqrt(1 + (x_i - distance)^2) - 1, of which a step sees each x_i with a chance p_i of its own.

    The chances go from `rarest` to 1, equally far apart in their logarithms, and what is seen is not weighted by them,
    as of features that few rows have. Seen components get normal noise of that standard deviation. It starts near 0.
    Measured is the mean over all i, whatever their chance: nobody is to be left behind. Minimum 0 at `distance`.
    Source: Duchi, Hazan and Singer, Adaptive subgradient methods for online learning (2011), section 1.3.
    """
    import math

    import torch

    def each(x: Tensor) -> Tensor:
        return (1 + (x - distance).square()).sqrt() - 1

    def loss(x: Tensor) -> Tensor:
        return each(x).mean()

    def sampled(x: Tensor, noise: Tensor) -> Tensor:
        return (noise[0] * each(x) + noise[1] * x).sum()

    chances = torch.logspace(math.log10(rarest), 0, size)

    def draw(generator: Generator) -> Tensor:
        seen = (torch.rand(size, generator=generator) < chances).float()
        return torch.stack([seen, seen * noise * torch.randn(size, generator=generator)])

    start = {"x": 0.1 * torch.randn(size, dtype=torch.float64)}
    return Objective(loss, start, minimizer={"x": [distance] * size}, sampled=sampled, noise=draw)


@objective("kinks")
def kinks(*, size: Width = 10, ratio: Annotated[float, Gt(0)] = 100.0) -> Objective:
    """The sum of a_i |x_i|, whose gradients jump at 0 and never become small; a_i from 1 / sqrt(ratio) to sqrt(ratio).

    It starts at a standard normal x. Minimum 0 at 0.
    Source: Shor, Minimization Methods for Non-Differentiable Functions (1985).
    """
    import math

    import torch

    def loss(x: Tensor, a: Tensor) -> Tensor:
        return (a * x.abs()).sum()

    half = math.log10(ratio) / 2
    start = {"x": torch.randn(size, dtype=torch.float64)}
    a = torch.logspace(-half, half, size, dtype=torch.float64)
    return Objective(loss, start, minimizer={"x": [0.0] * size}, constants={"a": a})


@objective("drifting_optimum")
def drifting_optimum(*, turn: Positive = 1000.0, radius: Positive = 1.0, noise: NonNegative = 0.5) -> Objective:
    """((x - u)^2 + (y - v)^2) / 2, whose minimum (u, v) goes once around a circle about 0 in `turn` steps.

    The gradient has normal noise of that standard deviation: who follows closely, follows the noise. Measured is the
    loss for where the minimum is by then. It starts near (0, 0). Minimum 0.
    Source: Widrow and Stearns, Adaptive Signal Processing (1985), on lag and noise in tracking.
    """
    import math

    import torch

    def loss(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        angle = 2 * math.pi * t / turn
        return ((x - radius * torch.cos(angle)).square() + (y - radius * torch.sin(angle)).square()) / 2

    def sampled(x: Tensor, y: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return loss(x, y, t) + noise[0] * x + noise[1] * y

    def draw(generator: Generator) -> Tensor:
        return noise * torch.randn(2, generator=generator)

    start = {name: 0.1 * torch.randn((), dtype=torch.float64) for name in ("x", "y")}
    return Objective(loss, start, sampled=sampled, noise=draw)


def _bowl(loss: object, size: int, sampled: object, draw: object) -> Objective:
    """Return an objective of one vector that starts standard normal and has its minimum of 0 at 0."""
    import torch

    start = {"x": torch.randn(size, dtype=torch.float64)}
    return Objective(loss, start, minimizer={"x": [0.0] * size}, sampled=sampled, noise=draw)  # type: ignore[arg-type]
