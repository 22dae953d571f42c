"""Dropout in batched programs: layers whose masks are drawn as a lone run draws its own, and handed in."""

from __future__ import annotations

from collections.abc import Callable

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
        """Return a mask for a batch, drawn from a generator of its own device."""
        return draw_mask((rows, *self.shape[1:]), self.p, like, generator)


class DrawnDropout(nn.Module):
    """Dropout of a lone run that draws as `MaskedDropout` does.

    A CPU draws so in any case. The dropout of torch on an accelerator is one kernel with an order of its own.
    """

    def __init__(self, p: float, trailing: int) -> None:
        super().__init__()
        self.p, self.trailing = p, trailing

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        shape = (*x.shape[: x.dim() - self.trailing], *(1 for _ in range(self.trailing)))
        return x * draw_mask(shape, self.p, x)


def draw_mask(shape: tuple[int, ...], p: float, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return a mask, drawn as `torch.nn.functional.dropout` draws it on a CPU: not at all for p = 0 and 1."""
    noise = torch.full(shape, 1 - p, dtype=like.dtype, device=like.device)
    return noise if p in (0, 1) else noise.bernoulli_(1 - p, generator=generator).div_(1 - p)


def with_masks(module: nn.Module) -> tuple[nn.Module, dict[str, MaskedDropout]]:
    """Replace the dropout layers of a module; return it with those that draw, by the names of their masks."""
    module, replaced = _with_dropouts(module, MaskedDropout)
    masked = {name: layer for name, layer in replaced.items() if isinstance(layer, MaskedDropout)}
    return module, {f"{name}.mask" if name else "mask": layer for name, layer in masked.items()}


def with_drawn_masks(module: nn.Module) -> nn.Module:
    """Replace the dropout layers of the module of a lone run by those that draw as runs that train together."""
    return _with_dropouts(module, DrawnDropout)[0]


def _with_dropouts(
    module: nn.Module, make: Callable[[float, int], nn.Module]
) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return a module with other dropout layers, and these by name."""
    replaced: dict[str, nn.Module] = {}
    for name, part in list(module.named_modules()):
        if type(part) in DROPOUTS:
            replaced[name] = make(part.p, DROPOUTS[type(part)]) if part.p else nn.Identity()
            if not name:
                return replaced[name], replaced
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, replaced[name])
    return module, replaced


def draws_at_random(module: nn.Module) -> bool:
    """Whether the masks of a model depend on the seed, so that even a full batch is not the same for all seeds."""
    return any(type(part) in DROPOUTS and part.p for part in module.modules())
