"""Stands for the compiler of blocks: a loop in Python over the step function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def python_block(function: Any, arguments: list[Tensor], *, shared: bool, how: str) -> Any:
    """Return what a compiled block of these arguments would compute, step after step."""
    families, handed = len(function.families), len(function.settings)

    def block(arguments: list[Tensor]) -> list[Tensor]:
        t, x, y, *others = arguments
        parameters, settings, states = others[:families], others[families:][:handed], others[families + handed :]
        losses = []
        for i, now in enumerate(t):
            rows = (x, y) if shared else (x[i], y[i])
            own = [one[i] if moves else one for one, moves in zip(settings, function.moves, strict=True)]
            found = function.call(now, *rows, *parameters, *own, *states)
            parameters, states = found[:families], found[families + 1 :]
            losses.append(found[families])
        return [torch.stack(losses), *parameters, *states]

    return block
