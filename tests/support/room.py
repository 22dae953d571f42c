"""A CPU on which less is worked on at once, so that small tests are cut as large trainings are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from xprun.runner.workload import device_memory


def limit(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    """Set limits of the CPU's `Room`."""
    monkeypatch.setattr(device_memory, "CPU", replace(device_memory.CPU, **limits))
