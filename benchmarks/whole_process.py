"""What a whole `xprun SPEC` takes beside `python -c "import torch"`, a process each, in turn.

    python benchmarks/whole_process.py [ROUNDS]

A grid of 20 small runs on the digits (four settings, five seeds, five epochs): with its report, without, and again when
it is finished. Prints the medians of so many rounds (default: 7) and of the ratios to the import in the same round, of
the wall time and of the processor time, which a busy machine changes less.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEC = """
[data]
name = "digits"
valid = 0.2
batch_size = 64
[model]
name = "mlp"
hidden = [32]
[loss]
name = "CrossEntropyLoss"
[optimizer]
name = "SGD"
lr = { grid = [0.01, 0.03, 0.1, 0.3] }
[run]
epochs = 5
seeds = 5
metrics = ["accuracy"]
"""
XPRUN = str(Path(sys.executable).with_name("xprun"))
COMMANDS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "20 runs with a report": [XPRUN, "small.toml", "-o", "pages"],
    "20 runs, --no-report": [XPRUN, "small.toml", "-o", "tables", "--no-report"],
    "the first again": [XPRUN, "small.toml", "-o", "pages"],
}
Seconds = tuple[float, float]  # of the wall, and of the processor


def seconds(command: list[str], folder: Path) -> Seconds:
    """Return the times of one process and of those that it has waited for."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    found: dict[str, list[Seconds]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small.toml").write_text(SPEC, encoding="utf-8")
        for number in range(rounds + 1):  # the first reads the files from the disk
            for output in ("pages", "tables"):
                shutil.rmtree(folder / output, ignore_errors=True)
            for what, command in COMMANDS.items():
                taken = seconds(command, folder)
                found[what] += [taken] if number else []
    for what, times in found.items():
        ratios = [
            statistics.median(own[kind] / base[kind] for own, base in zip(times, found["import torch"], strict=True))
            for kind in (0, 1)
        ]
        wall, processor = (statistics.median(one[kind] for one in times) for kind in (0, 1))
        print(f"{what:<24} {wall:5.2f} s, {ratios[0]:.2f}   processor {processor:5.2f} s, {ratios[1]:.2f}")


if __name__ == "__main__":
    main()
