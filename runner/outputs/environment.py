"""What a result depends on beside the spec: versions, hardware, the state of the code."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xprun.plugins.registry import Registry

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pydantic", "scikit-learn", "seaborn")


def torch_facts(device: str) -> dict[str, Any]:
    """Return what torch says of the hardware; it is to be asked where torch is imported anyway."""
    import torch

    gpu = torch.cuda.get_device_name(torch.device(device)) if device.startswith("cuda") else None
    return {"gpu": gpu, "threads": torch.get_num_threads()}


def describe_environment(
    device: str,
    plugins: tuple[Path, ...],
    registry: Registry,
    facts: dict[str, Any],
    frameworks: Iterable[str] = (),
) -> dict[str, Any]:
    """Return versions, hardware, plugins in use, git state and the command line as plain values.

    `facts` are those of torch, `frameworks` the packages that other backends import.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["xprun", *sys.argv[1:]]),
        "xprun": _version("xprun"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*PACKAGES, *frameworks)},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "device": device,
        **facts,
        "plugins": [*map(str, plugins), *dict.fromkeys(p.source for p in registry.plugins if p.in_use)],
        "git": _git(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git() -> dict[str, Any] | None:
    """Return the commit of the working directory and whether it has changes, or None outside a repository."""

    def ask(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
