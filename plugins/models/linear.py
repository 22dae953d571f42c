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

    module = LinearRegression(x.shape[1])
    with torch.no_grad():
        if w is not None:
            module.w.copy_(torch.as_tensor(w))
        if b is not None:
            module.b.fill_(b)
    return module
