"""A model whose tensors have shapes and no numbers, on torch's meta device: how large it is, before it is made."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.machine import want_memory
from xprun.plugins.registry import Registry
from xprun.plugins.tensor_groups import Tensors, map_parts
from xprun.runner.resolve.build import build
from xprun.specs import Choice

COPIES = 4  # of a model in training: its parameters, their gradients, and two tensors of an optimizer's state
LARGE = 1000  # a model without a number like this among its settings fits any memory


def model_on_meta(registry: Registry, choice: Choice, x: Tensors, y: Tensor, dtype: torch.dtype) -> nn.Module:
    """Return the model for a few rows x and all targets y, without filling its parameters or freezing any.

    Raises what the model raises when it is made, and perhaps because it needs numbers.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        module: nn.Module = build(
            registry, "model", choice.name, choice.settings, map_parts(lambda part: part.to("meta"), x), y, dtype=dtype
        )
    return module


def want_memory_of_model(registry: Registry, choice: Choice, x: Tensors, y: Tensor, dtype: torch.dtype) -> None:
    """Raise NotEnoughMemoryError where the training of a model takes more memory than there is."""
    if _largest(choice.settings) < LARGE:
        return
    try:
        module = model_on_meta(registry, choice, x, y, dtype)
        parameters = sum(parameter.numel() for parameter in module.parameters())
    except Exception:  # the model tells when it is made
        return
    want_memory(COPIES * parameters * dtype.itemsize, f"{choice.name} of {parameters:,} parameters", "model")


def _largest(settings: Any) -> int:
    """Return the largest integer in settings, however deep."""
    if isinstance(settings, dict | list | tuple):
        parts = settings.values() if isinstance(settings, dict) else settings
        return max(map(_largest, parts), default=0)
    return settings if isinstance(settings, int) else 0
