"""What `xprun bench` takes: the quick suite from nothing, and a second candidate beside it, with their pages.

    python benchmarks/bench_command.py [--suite quick|full] [--seeds N]

Ten settings on three seeds for each of six optimizers (scratch.adam and the five baselines), N fresh seeds (default:
10). The second candidate is scratch.rmsprop, which finds the baselines trained. Beside the seconds stands how many
times as long that is as `import torch` on this machine at this moment, in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

XPRUN = str(Path(sys.executable).with_name("xprun"))
CANDIDATES = {"from nothing": "scratch.adam", "a second candidate": "scratch.rmsprop"}


def seconds(command: list[str], folder: str) -> float:
    """Return how long a process takes in a folder."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="quick")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for what, candidate in CANDIDATES.items():
            unit = seconds([sys.executable, "-c", "import torch"], folder)
            command = [XPRUN, "bench", candidate, "--suite", options.suite, "--seeds", str(options.seeds)]
            took = seconds(command, folder)
            print(f"{options.suite}, {what}: {took:.0f} s, {took / unit:.0f} times `import torch` ({unit:.1f} s)")


if __name__ == "__main__":
    main()
