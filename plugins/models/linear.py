"""Linear regression, with its two parameters under the names that texts give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.registry import model

if TYPE_CHECKING:
    from torch import Tensor, nn


@model("linear")
def linear(x: Tensor, y: Tensor, *, w: float | list[float] | None = None, b: float | None = None) -> nn.Module:
    """y = x w + b for inputs [B, features] and targets [B, 1]; parameters `w` [features], `b` [1].

    `w` and `b` are the start values; left out, they are drawn as `torch.nn.Linear` draws them. The model brings the
    gradient of the mean squared error, written by hand, for `run.gradient = "manual"`.
    """
    import torch
    from xprun.plugins.models.modules import LinearRegression

    module, features = LinearRegression(x.shape[1]), x.shape[1]
    if isinstance(w, list) and len(w) != features:
        raise ValueError(f"w has {len(w)} values, but a row has {features} feature{'s' * (features > 1)}")
    if w is not None:
        module.w.data = torch.tensor(w, dtype=torch.float64).expand(features).clone()
    if b is not None:
        module.b.data = torch.tensor([b], dtype=torch.float64)
    return module
