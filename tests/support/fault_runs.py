"""Experiments in processes of their own, that are killed, damaged and taken up again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAULTS = Path(__file__).parents[1] / "faults"
LONG = os.environ.get("XPRUN_FAULTS") == "long"


GRID = """
[data]
name = "line"
samples = 20
batch_size = "full"
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "scratch.gd"
lr = { grid = [0.1, 0.05, 0.02, 0.01] }
[run]
steps = 20
seeds = 4
engine = "alone"  # trained together, runs differ in their last bits with the company they have
"""


RUNS = 16


def rounds(short: int, long: int) -> int:
    """Return how often to try: `short` in the normal test run, `long` under `make faults`."""
    return long if LONG else short


@dataclass
class Ending:
    """How a job ended: exit code (negative: killed), what it said, its process, time and calls that change files.

    `killed`: how many processes, it or its workers, were killed at an instant.
    """

    code: int
    output: str
    pid: int
    seconds: float
    calls: int
    killed: int


class Driver:
    """Runs experiments in processes of their own (`driver.py`)."""

    def __init__(self, shim: Path | None) -> None:
        self.can_fail_io = shim is not None
        environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"LD_PRELOAD": str(shim)} if shim else {})
        command = [sys.executable, str(FAULTS / "driver.py")]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)

    def run(self, *jobs: dict[str, Any]) -> list[Ending]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        return [Ending(**ending) for ending in json.loads(self._process.stdout.readline())]

    def stop(self) -> None:
        self._process.communicate()


@dataclass
class Experiment:
    """A spec with an output folder, run by a driver any number of times, in so many workers."""

    driver: Driver
    spec: Path
    folder: Path
    sets: list[str] = field(default_factory=list)
    first: Ending | None = None
    workers: int | None = 1

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    def job(self, number: int = 0, **how: Any) -> dict[str, Any]:
        output = str(self.folder.with_suffix(f".{number}.out"))
        paths = {"spec": str(self.spec), "folder": str(self.folder), "log": str(self.log), "output": output}
        return {**paths, "sets": self.sets, "workers": self.workers, **how}

    def run(self, **how: Any) -> Ending:
        return self.driver.run(self.job(**how))[0]

    def reported(self) -> list[str]:
        """Return the ids of the runs that were reported as ended, in that order."""
        return self.log.read_text(encoding="utf-8").split() if self.log.exists() else []

    def tables(self) -> dict[str, str]:
        """Return the content of the tables, the column `seconds` left out."""
        return {name: without_seconds((self.folder / name).read_text(encoding="utf-8")) for name in TABLES}


TABLES = ("results.csv", "history.csv")


def run_once(driver: Driver, text: str, folder: Path) -> Experiment:
    """Return an experiment of a spec that was run once, from its start to its end."""
    spec = folder / "grid.toml"
    spec.write_text(text, encoding="utf-8")
    experiment = Experiment(driver, spec, folder / "out")
    experiment.first = experiment.run()
    assert experiment.first.code == 0, experiment.first.output
    return experiment


def without_seconds(table: str) -> str:
    rows = [line.split(",") for line in table.splitlines(keepends=True)]
    column = rows[0].index("seconds") if "seconds" in rows[0] else None
    return "".join(",".join(cell for i, cell in enumerate(row) if i != column) for row in rows)


def build_shim(folder: Path) -> Path | None:
    """Return the library that counts and fails calls, or None where it cannot be built."""
    if not sys.platform.startswith("linux") or not shutil.which("cc"):
        return None
    library = folder / "io_faults.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", library, FAULTS / "io_faults.c"]
    return library if subprocess.run(command, check=False).returncode == 0 else None
