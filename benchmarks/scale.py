"""How long a very large grid takes around its training, and how much memory: each a process of its own.

    python benchmarks/scale.py [RUNS]

prints for RUNS runs of two steps (default: 100,000) the wall time, the processor time and the peak memory of the
largest process, of the grid without a report, of the same command again, and of the plan of a grid ten times as large.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

SPEC = """
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
lr = {{ linspace = [0.01, 0.1], num = {rates} }}
[run]
steps = 2
seeds = 100
"""
XPRUN = str(Path(sys.executable).with_name("xprun"))
TICKS = os.sysconf("SC_CLK_TCK")  # a second, of the times in /proc


def measured(command: list[str], folder: Path) -> str:
    """Return the seconds and the memory of a command and of all processes below it, in words."""
    peaks: dict[int, float] = {}
    used: dict[int, float] = {}
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for pid in tree(process.pid):
                with suppress(OSError, LookupError):  # it has ended
                    peaks[pid], used[pid] = look(pid)
            time.sleep(0.02)
    assert process.returncode == 0, command
    wall = time.perf_counter() - started
    return f"{wall:6.1f} s, processor {sum(used.values()):6.1f} s, {max(peaks.values()):.2f} GB"


def tree(pid: int) -> list[int]:
    """Return a process and those below it."""
    with suppress(OSError):
        below = [task.joinpath("children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
        return [pid, *(one for children in below for child in children for one in tree(int(child)))]
    return []


def look(pid: int) -> tuple[float, float]:
    """Return the peak memory of a process in GB, and the seconds of the processor that it has used."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e6, (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, rates in (("grid.toml", runs // 100), ("larger.toml", runs // 10)):
            (folder / file).write_text(SPEC.format(rates=rates), encoding="utf-8")
        grid = [XPRUN, "grid.toml", "-o", "out", "--no-report", "--max-runs", str(runs)]
        print(f"{runs:,} runs:             {measured(grid, folder)}", flush=True)
        print(f"the same again:           {measured(grid, folder)}", flush=True)
        plan = [XPRUN, "plan", "larger.toml", "--max-runs", str(10 * runs)]
        print(f"the plan of {10 * runs:,}: {measured(plan, folder)}", flush=True)


if __name__ == "__main__":
    main()
