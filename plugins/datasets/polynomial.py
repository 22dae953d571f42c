"""A polynomial of degree four, of which every step sees fresh points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Le
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.registry import data
from xprun.plugins.types import NonNegativeInt

if TYPE_CHECKING:
    from torch import Generator, Tensor

Degree = Annotated[int, Gt(0), Le(1000)]  # above it even 1.1 to that power is beyond single precision


@data("polynomial")
def polynomial(*, degree: Degree = 4, seed: NonNegativeInt = 5000) -> Stream:
    """Points on y = w1 x + w2 x^2 + ... + b, fresh ones at every step: x standard normal, in ascending order.

    inputs [B, degree], the powers of x from 1 on; targets [B, 1]. `seed` draws w and then b, normal with a standard
    deviation of 5; x depends on the run's seed.
    Source: the polynomial fit of the PyTorch examples, github.com/pytorch/examples, regression/main.py.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(degree, 1, generator=generator) * 5
    b = torch.randn(1, generator=generator) * 5

    def sample(generator: Generator, rows: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(rows, generator=generator).sort().values
        X = torch.stack([x**power for power in range(1, degree + 1)], 1)
        return X, X @ w + b

    return Stream(sample, truth={"w": w.flatten().tolist(), "b": b.tolist()})
