"""Models of which a step leaves some parameters out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Heads(nn.Module):
    """Two heads, of which one is in use, a parameter that is not, and a layer between them."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Parameter(torch.ones(3))
        self.body = nn.Linear(64, 8)
        self.unused = nn.Linear(8, 2)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).tanh())  # type: ignore[no-any-return]


class LayerDrop(nn.Module):
    """A layer that a step leaves out at random (Fan et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.dropped, self.head = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).tanh()
        if not self.training or torch.rand(()) < 0.5:
            hidden = hidden + self.dropped(hidden).tanh()
        return self.head(hidden)  # type: ignore[no-any-return]
