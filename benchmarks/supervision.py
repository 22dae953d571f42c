"""What supervised workers cost beside training in xprun's own process: a grid of runs of about a second each.

    python benchmarks/supervision.py [RUNS] [REPEATS]

trains the same grid (default: 100 runs, one by one) in this process and in one supervised worker, in turn (default: 3
times), and prints what the second takes longer, the start of the worker included. That costs the same for any number of
runs and is told apart. The promise is at most 5% for 100 runs.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import torch
import workloads as w
from xprun.plugins.registry import Registry
from xprun.runner.engine.execution_units import time_alone
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.status.progress import Silent
from xprun.runner.workers.pool import get_pool
from xprun.runner.workload.workload import make_workload
from xprun.specs import Spec

PROMISED = 0.05
SECONDS = 1.0  # that a run is to take
RUN = 'optimizer = {{ name = "scratch.adam", lr = 0.01 }}\nrun = {{ steps = {}, seeds = {}, engine = "alone" }}\n'


def load(steps: int, runs: int) -> tuple[Spec, Registry]:
    plan, registry = w.load(RUN.format(steps, runs) + w.DIGITS_MLP)
    return plan.spec, registry


def steps_of_a_second() -> int:
    plan, registry = w.load(RUN.format(100, 1) + w.DIGITS_MLP)
    work = make_workload(registry, plan.runs[0], torch.device("cpu"))
    return round(SECONDS / time_alone(work, plan.runs[0]).seconds)


def seconds(spec: Spec, registry: Registry, workers: int) -> float:
    """Return the wall time of the grid in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(Path(folder), device="cpu", workers=workers)
        return w.seconds(lambda: run_experiment(spec, registry, options, Silent()))  # type: ignore[arg-type]


def supervised_seconds(spec: Spec, registry: Registry) -> float:
    """Return the wall time with a worker that has to be made first, from the import of torch on."""
    found = seconds(spec, registry, 1)
    get_pool().close()
    return found


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    torch.set_num_threads(1)
    steps = steps_of_a_second()
    start, grid = load(1, 1), load(steps, runs)
    starts = [supervised_seconds(*start) - seconds(*start, workers=0) for _ in range(3)]
    print(f"{runs} runs of {steps:,} steps; the start of a worker takes {statistics.median(starts):.2f} s")
    pairs = [(seconds(*grid, workers=0), supervised_seconds(*grid)) for _ in range(repeats)]
    for here, there in pairs:
        print(f"in this process {here:.1f} s, supervised {there:.1f} s: {there / here - 1:+.1%}", flush=True)
    costs = statistics.median(there / here - 1 for here, there in pairs)
    print(f"supervision costs {costs:+.1%} in the median of {repeats} pairs (promised for 100 runs: {PROMISED:.0%})")
    sys.exit(costs > PROMISED and runs >= 100)


if __name__ == "__main__":
    main()
