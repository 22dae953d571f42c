"""Picks the device that a spec asks for, and sets up torch for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch use only deterministic algorithms for a while, if that is wanted; an operation without one raises."""
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses without it
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
