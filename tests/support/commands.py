"""Runs the command in a process of its own, with packages in front of the installed ones, or without some of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

WITHOUT = """
import importlib.metadata, sys
absent = {absent!r}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
known = importlib.metadata.Distribution.from_name
def from_name(name):
    if name in absent:
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.Distribution.from_name = from_name
from xprun.runner.cli.main import main
main({arguments!r}, prog_name="xprun")
"""


def xprun(
    *arguments: str | Path, folder: Path, front: Path | None = None, jobs: int = 0, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder; packages in the folder `front` hide installed ones."""
    return _run(["-m", "xprun", *map(str, arguments)], folder, front, jobs, timeout)


def xprun_without(
    absent: Iterable[str], *arguments: str | Path, folder: Path, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command as if these packages were not installed, their metadata included."""
    program = WITHOUT.format(absent=set(absent), arguments=list(map(str, arguments)))
    return _run(["-c", program], folder, None, 0, timeout)


def _run(
    command: list[str], folder: Path, front: Path | None, jobs: int, timeout: float
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XPRUN_JOBS": str(jobs), "OMP_NUM_THREADS": "1"}
    if front:
        environment["PYTHONPATH"] = str(front)
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
