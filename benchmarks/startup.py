"""How long the command line takes to answer, process start included; fails when it takes longer than promised.

    python benchmarks/startup.py [rounds]

prints the median and the quickest of a few rounds; the promise is held against the median.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROMISED = {  # seconds, on a machine with two cores
    "xprun --help": 0.15,
    "xprun check optimizers": 0.4,
    "xprun check wrong.toml": 0.4,
}
WRONG = """
[data]
name = "digit"
[model]
layers = [{ name = "Linear", in_feature = 64, out_features = 10 }]
[loss]
name = "CrossEntropyLoss"
[optimizer]
name = "SGD"
lr = { gird = [0.1, 0.01] }
[run]
epochs = "two"
"""


def seconds(command: str, folder: str) -> float:
    """Return the wall time of one process."""
    program = [str(Path(sys.executable).with_name("xprun")), *command.split()[1:]]
    started = time.perf_counter()
    subprocess.run(program, cwd=folder, capture_output=True, check=False)
    return time.perf_counter() - started


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    late = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "wrong.toml").write_text(WRONG, encoding="utf-8")
        for command, promised in PROMISED.items():
            seconds(command, folder)  # the first one reads the files from the disk
            times = [seconds(command, folder) for _ in range(rounds)]
            median = statistics.median(times)
            print(f"{command:<24} median {median:.3f} s, quickest {min(times):.3f} s (promised: {promised} s)")
            late += [command] if median > promised else []
    sys.exit(f"too slow: {', '.join(late)}" if late else 0)


if __name__ == "__main__":
    main()
