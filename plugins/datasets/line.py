"""A noisy straight line."""

from __future__ import annotations

from xprun.plugins.datasets.table import Table
from xprun.plugins.machine import want_memory
from xprun.plugins.registry import data
from xprun.plugins.types import NonNegative, NonNegativeInt, Rows

BYTES = 4 * 4  # of a point: its x, y, noise, and an intermediate sum


@data("line")
def line(
    *, w: float = 3.0, b: float = 0.8, noise: NonNegative = 0.0, samples: Rows = 500, seed: NonNegativeInt = 0
) -> Table:
    """Points on y = w x + b, x uniform on [0, 1), with normal noise of that standard deviation.

    inputs [samples, 1], targets [samples, 1]. The points depend on `seed` alone, not on the run's seed.
    """
    import torch

    want_memory(BYTES * samples, f"{samples:,} samples", "data", "samples")
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(samples, 1, generator=generator)
    y = w * x + b + noise * torch.randn(samples, 1, generator=generator)
    return Table(x, y, truth={"w": [w], "b": [b]})
