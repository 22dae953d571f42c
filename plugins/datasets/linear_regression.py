"""The synthetic linear regression with two features."""

from __future__ import annotations

from xprun.plugins.datasets.table import Table
from xprun.plugins.machine import want_memory
from xprun.plugins.registry import data
from xprun.plugins.types import NonNegative, NonNegativeInt, Rows


@data("linear")
def linear(
    *,
    w: list[float] = [2.0, -3.4],  # noqa: B006 - read, never changed
    b: float = 4.2,
    noise: NonNegative = 0.01,
    samples: Rows = 1000,
    seed: NonNegativeInt = 0,
) -> Table:
    """Examples of y = X w + b + noise, X standard normal.

    inputs [samples, len(w)], targets [samples, 1]. They depend on `seed` alone, not on the run's seed.
    Source: Zhang, Lipton, Li and Smola, Dive into Deep Learning, section 3.3.
    """
    import torch

    want_memory(4 * samples * (len(w) + 3), f"{samples:,} samples", "data", "samples")
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(samples, len(w), generator=generator)
    y = X @ torch.tensor(w).unsqueeze(1) + b + noise * torch.randn(samples, 1, generator=generator)
    return Table(X, y, truth={"w": w, "b": [b]})
