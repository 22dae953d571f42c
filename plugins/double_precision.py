"""Numbers in double precision, on whatever device they are: some have none, as Apple's GPUs have."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def in_double(numbers: Tensor) -> Tensor:
    """Return numbers in double precision: on their device, or on the CPU where that has no such numbers."""
    return numbers.double() if has_double(numbers.device.type) else numbers.cpu().double()


@cache
def has_double(kind: str) -> bool:
    """Whether a kind of device, such as `cuda`, has numbers in double precision; it is asked for one."""
    import torch

    if kind in ("cpu", "cuda", "meta"):
        return True
    try:
        torch.zeros(1, dtype=torch.float64, device=kind)
    except (RuntimeError, TypeError):
        return False
    return True
