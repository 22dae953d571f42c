"""Stands for the compiler of blocks: a loop in Python over the step function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def python_block(function: Any, arguments: list[Tensor], *, shared: bool) -> Any:
    """Return what a compiled block of these arguments would compute, step after step."""
    handed = len(function.settings)

    def block(arguments: list[Tensor]) -> list[Tensor]:
        flat, t, x, y, *others = arguments
        settings, states, losses = others[:handed], others[handed:], []
        for i, now in enumerate(t):
            rows = (x, y) if shared else (x[i], y[i])
            flat, loss, *states = function.call(flat, now, *rows, *settings, *states)
            losses.append(loss)
        return [flat, torch.stack(losses), *states]

    return block
