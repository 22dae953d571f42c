"""How many rows of an evaluation go through a model at once: as many as repay a call, and still fit a cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.tensor_groups import (
    Inputs,
    Tensors,
    call,
    concatenate,
    count_rows,
    first_rows,
    split_into,
    tensors_in,
)
from xprun.runner.workload.device_generators import own_draws

MOST_ROWS = 4096
MOST_TOKENS = 2**15  # of rows of integers, which are tokens: not more numbers than these
MOST_NUMBERS = 2**22  # that the layers put out for the rows: more leave the cache, and LeNet took twice as long for it
FEWEST_ROWS = 32  # whatever the layers put out: fewer are not worth the calls


def predictions(module: nn.Module, inputs: Inputs, rows: int) -> Any:
    """Return the outputs [N, ...] of a module for inputs [N, ...], so many rows at a time."""
    return concatenate([call(module, x) for x in split_into(inputs, rows)])


def rows_at_once(module: nn.Module, inputs: Inputs) -> int:
    """Return how many of such rows are to go through a module, which is ready to be measured, at once."""
    few = first_rows(inputs, 1)
    tokens = [part.numel() for part in tensors_in(few) if not part.is_floating_point()]
    if tokens:
        return max(1, min(MOST_ROWS, MOST_TOKENS // max(1, *tokens)))
    with torch.no_grad(), own_draws(tensors_in(few)[0].device):
        fitting = MOST_NUMBERS // max(1, numbers_of_a_row(module, few))
    return min(MOST_ROWS, max(FEWEST_ROWS, 2 ** (fitting.bit_length() - 1) if fitting else 0))


def numbers_of_a_row(module: nn.Module, few: Tensors) -> int:
    """Return how many numbers the layers of a module put out for one row, found by passing a few rows through it."""
    counted = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal counted
        counted += output.numel() if isinstance(output, Tensor) else 0

    handles = [m.register_forward_hook(count) for m in module.modules() if not list(m.children())]
    try:
        with torch.no_grad():
            call(module, few)
    finally:
        for handle in handles:
            handle.remove()
    return counted // count_rows(few)
