"""Dropout in batched programs: layers whose masks are drawn as a lone run draws its own, and handed in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DROPOUTS = {nn.Dropout: 0, nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3}  # trailing axes that share a mask


class CannotBatchError(Exception):
    """The model does something that has no batched form here."""


class MaskedDropout(nn.Module):
    """Dropout whose mask is handed in, drawn from a run's own generator."""

    mask: Tensor

    def __init__(self, p: float, trailing: int) -> None:
        super().__init__()
        self.p, self.trailing = p, trailing
        self.shape: tuple[int, ...] = ()
        self.uses = 0
        self.register_buffer("mask", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        if not self.shape and not x.is_contiguous():
            raise CannotBatchError(
                "a dropout layer gets a transposed tensor, for which a single run draws other numbers"
            )
        self.uses += 1
        self.shape = (*x.shape[: x.dim() - self.trailing], *(1 for _ in range(self.trailing)))
        return x * self.mask

    def draw(self, rows: int, generator: torch.Generator, like: Tensor) -> Tensor:
        """Return a mask for a batch, drawn as `torch.nn.functional.dropout` draws it: not at all for p = 0 and 1."""
        noise = torch.full((rows, *self.shape[1:]), 1 - self.p, dtype=like.dtype, device=like.device)
        return noise if self.p in (0, 1) else noise.bernoulli_(1 - self.p, generator=generator).div_(1 - self.p)


def with_masks(module: nn.Module) -> tuple[nn.Module, dict[str, MaskedDropout]]:
    """Replace the dropout layers of a module; return it with those that draw, by the names of their masks."""
    masked = {}
    for name, part in list(module.named_modules()):
        if type(part) in DROPOUTS:
            layer = MaskedDropout(part.p, DROPOUTS[type(part)]) if part.p else nn.Identity()
            if isinstance(layer, MaskedDropout):
                masked[f"{name}.mask" if name else "mask"] = layer
            if not name:
                return layer, masked
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, layer)
    return module, masked


def draws_at_random(module: nn.Module) -> bool:
    """Whether the masks of a model depend on the seed, so that even a full batch is not the same for all seeds."""
    return any(type(part) in DROPOUTS and part.p for part in module.modules())
