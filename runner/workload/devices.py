"""Picks the device that a spec asks for, and sets up torch for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xprun.errors import Error

KINDS = ("cpu", "cuda", "mps")
DRIVERS = ("nvidia*", "nvhost*", "nvgpu*", "nvmap", "kfd", "dxg")  # in /dev, what GPUs are reached through on Linux


class DeviceError(Error):
    """The device that was asked for is not on this machine."""

    exit_code = 2
    context = "{spec}: device: "


def pick(wanted: str) -> str:
    """Return the device, `cuda:0` or the like; `auto` is the first of cuda, mps and cpu that is there.

    Raises DeviceError, naming the devices present, for one that is absent.
    """
    if wanted == "cpu":
        return wanted
    there = present()
    if wanted == "auto":
        return there[0]
    name = "cuda:0" if wanted == "cuda" else wanted
    if name not in there:
        raise DeviceError(f"there is no device {wanted!r} on this machine; it has {', '.join(there)}")
    return name


def anywhere(wanted: str) -> str:
    """Return a device that is to be found on another machine; raise DeviceError for what is no device at all."""
    if kind_of(wanted) not in KINDS:
        raise DeviceError(f"there is no device {wanted!r}: write {', '.join(KINDS)} or cuda:0")
    return wanted


def all_of(wanted: str) -> tuple[str, ...]:
    """Return the devices over which the workers of this machine are spread where one was asked for, the picked first.

    They are all GPUs, unless the spec names one of them. Raises DeviceError as `pick` does.
    """
    picked = pick(wanted)
    if wanted not in ("auto", "cuda") or kind_of(picked) != "cuda":
        return (picked,)
    return tuple(device for device in present() if kind_of(device) == "cuda")


def told(devices: Sequence[str]) -> str:
    """Return how devices of this machine are told that all have work: `cuda:0`, or `cuda:0 to cuda:3`."""
    return devices[0] if len(devices) == 1 else f"{devices[0]} to {devices[-1]}"


def kind_of(device: str) -> str:
    """Return `cuda` for `cuda:1`."""
    return device.partition(":")[0]


def present() -> list[str]:
    """Return the devices of this machine, the fastest first; torch is asked only where there may be more than one."""
    if sys.platform.startswith("linux") and not any(any(Path("/dev").glob(driver)) for driver in DRIVERS):
        return ["cpu"]
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch use only deterministic algorithms for a while, if that is wanted; an operation without one raises."""
    if not wanted:
        yield
        return
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses without it
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
