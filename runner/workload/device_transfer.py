"""Between the CPU and the device of a run: rows that go there, results that come back, and the wait for them."""

from __future__ import annotations

import torch
from torch import Tensor

PINNED = 2**26  # bytes up to which a copy is worth memory that cannot be moved


def fetched(numbers: Tensor) -> Tensor:
    """Return numbers in double precision on the CPU. They are fetched first: a device may have no such numbers."""
    return numbers.detach().cpu().double()


def sent(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor on a device, in a precision that it is given before: a device may not have its own.

    CUDA fetches a batch by itself, while the CPU goes on: from memory that cannot be moved meanwhile.
    """
    converted = tensor if dtype is None else tensor.to(dtype)
    if device.type == "cuda" and converted.device.type == "cpu" and converted.nbytes <= PINNED:
        return converted.pin_memory().to(device, non_blocking=True)
    return converted.to(device)


def sent_numbers(numbers: Tensor, below: int, device: torch.device) -> Tensor:
    """Return integers, from 0 to less than `below`, on a device: a quarter of their bytes, or half, go there."""
    return numbers if device.type == "cpu" else sent(numbers.to(narrowest(below)), device).long()


def narrowest(below: int) -> torch.dtype:
    """Return the type of the fewest bytes for integers from 0 to less than `below`."""
    return next(kind for kind in (torch.int16, torch.int32, torch.int64) if below <= torch.iinfo(kind).max)


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what it was told to; a CPU always has."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type != "cpu":
        torch.get_device_module(device).synchronize(device)
