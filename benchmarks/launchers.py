"""What a Ray cluster of two nodes costs beside two workers of one machine: seconds of whole commands, in turns.

Run it with `python benchmarks/launchers.py`, after `pip install 'xprun[ray]'`. Both nodes are on this machine, each
with one CPU, so that both train with the same two cores: what differs is the way there. Grids of one and of eleven
cohorts tell what a command costs, and what each of their parts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NODES = Path(__file__).parents[1] / "tests" / "cluster" / "two_nodes.py"
REPEATS = 5
PARTS = 4  # of a cohort that two places train
SPEC = """
data = { name = "line", samples = { grid = SAMPLES }, batch_size = "full" }
model = { name = "linear" }
loss = { name = "MSELoss" }
optimizer = { name = "scratch.gd", lr = { grid = [0.01, 0.02, 0.03, 0.04] } }
run = { steps = 100, seeds = 3 }
"""


def seconds(spec: Path, folder: str, *arguments: str) -> float:
    """Return how long a command takes that trains everything and writes the tables."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "xprun", spec, "-o", spec.with_name(folder), "--no-report", "-q", *arguments]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="xprun-", ignore_cleanup_errors=True) as temp:
        nodes = subprocess.Popen([sys.executable, NODES, f"{temp}/r"], stdin=-1, stdout=-1, stderr=-3, text=True)
        assert nodes.stdin and nodes.stdout
        launcher = f'{{ name = "ray", address = "{nodes.stdout.readline().strip()}" }}'
        costs = []
        for cohorts in (1, 11):
            spec = Path(temp, f"{cohorts}.toml")
            spec.write_text(SPEC.replace("SAMPLES", str([20 + i for i in range(cohorts)])), encoding="utf-8")
            here, there = [], []
            for repeat in range(REPEATS):
                here.append(seconds(spec, f"{cohorts}-{repeat}-here", "-j", "2"))
                there.append(seconds(spec, f"{cohorts}-{repeat}-there", "--launcher", launcher))
            costs.append(statistics.median(there) - statistics.median(here))
            times = f"-j 2 {statistics.median(here):.1f} s, ray {statistics.median(there):.1f} s"
            print(f"{cohorts * PARTS:3} parts: {times}, {costs[-1]:+.1f} s", flush=True)
        print(f"a command {costs[0]:+.1f} s, a part {(costs[1] - costs[0]) / (10 * PARTS):+.2f} s more")
        nodes.stdin.close()
        nodes.wait()


if __name__ == "__main__":
    main()
