"""Picks the device that a spec asks for, and sets up torch for it."""

from __future__ import annotations

import torch


class DeviceError(Exception):
    """The device that was asked for is not on this machine."""


def pick(wanted: str) -> torch.device:
    """Return the device; `auto` is the first of cuda, mps and cpu that is there.

    Raises DeviceError, naming the devices present, for one that is absent.
    """
    there = present()
    if wanted == "auto":
        return torch.device(there[0])
    name = "cuda:0" if wanted == "cuda" else wanted
    if name not in there:
        raise DeviceError(f"there is no device {wanted!r} on this machine; it has {', '.join(there)}")
    return torch.device(name)


def present() -> list[str]:
    """Return the devices of this machine, the fastest first."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]
