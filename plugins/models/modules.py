"""The torch.nn.Module classes behind built-in models; imported when a model is built."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class LinearRegression(nn.Module):
    """x [B, features] -> x w + b [B, 1], with the parameters `w` [features] and `b` [1]."""

    def __init__(self, features: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(features)
        self.w = nn.Parameter(torch.empty(features).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(1).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.w.unsqueeze(0), self.b)

    def gradient(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Return the derivatives of the mean squared error: by the chain rule, 2 (x w + b - y) times x, and times 1.

        Source: Stevens, Antiga and Viehmann, Deep Learning with PyTorch (2020), section 5.4.2.
        """
        dloss = 2 * (self(x) - y) / len(x)
        return {"w": (dloss * x).sum(0), "b": dloss.sum(0)}
