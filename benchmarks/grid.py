"""What a grid costs beside a bare PyTorch loop over the same runs: one process, one thread, alternated repeats.

`python benchmarks/grid.py [WORKLOAD...]` prints the speed-up of the engine (training only, the probe that chooses a
program included) and of the whole job (spec to tables on disk, imports apart). The bare loop is run for all runs of
R = 64 and, of larger grids, for 64 of them, spread over the grid, and scaled up. A lone run (R = 1) is a ratio of
times: 1.00 is the bare loop.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import workloads as w
from xprun.runner.engine.allocator import keep_freed_memory
from xprun.runner.engine.thread_counts import AVAILABLE
from xprun.runner.execution.cohort_execution import train
from xprun.runner.execution.worker_context import Context
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.planning.plan import Plan
from xprun.runner.status.progress import Silent
from xprun.runner.workload.workload import make_workload


@dataclass(frozen=True)
class Case:
    """A workload with the steps of a run, and the sizes to measure."""

    text: str
    steps: int
    sizes: tuple[int, ...] = (1, 8, 64, 256)


CASES = {
    "line 500 x 1, full batch": Case(w.LINE, 500),
    "two features, batch 10": Case(w.TWO_FEATURES, 300),
    "digits MLP 64-32-10, batch 64": Case(w.DIGITS_MLP, 140),
    "softmax 784-10, batch 256": Case(w.SOFTMAX, 80),
    "MLP 784-128-10, batch 256": Case(w.WIDE_MLP, 40, (1, 8, 64)),
    "28 x 28 CNN, batch 64": Case(w.CNN, 40, (1, 8, 64)),
    "8 x 8 CNN, batch 64": Case(w.SMALL_CNN, 140, (1, 8, 64)),
    "MLP with LayerNorm and GELU": Case(w.NORMED_MLP, 140, (1, 8, 64)),
}
REPEATS = 3
BARE_RUNS = 64


def engine(plan: Plan, registry: object) -> float:
    """Return the seconds in which the engine trains all runs of a plan."""
    work = make_workload(registry, plan.runs[0], torch.device("cpu"))  # type: ignore[arg-type]
    return w.seconds(lambda: list(train(work, plan.runs, Context("cpu", debug=True, workers=AVAILABLE))))


def job(plan: Plan, registry: object) -> float:
    """Return the seconds from a checked spec to tables on disk."""
    with tempfile.TemporaryDirectory() as folder:
        options = Options(Path(folder), device="cpu")
        return w.seconds(lambda: run_experiment(plan.spec, registry, options, Silent()))  # type: ignore[arg-type]


def bare(plan: Plan, registry: object, steps: int) -> float:
    """Return the seconds of the bare loop over all runs of a plan, extrapolated above BARE_RUNS."""
    work = make_workload(registry, plan.runs[0], torch.device("cpu"))  # type: ignore[arg-type]
    chosen = plan.runs[:: max(1, len(plan.runs) // BARE_RUNS)]
    spent = w.seconds(lambda: [w.bare_run(work, run, steps) for run in chosen])
    return spent / len(chosen) * len(plan.runs)


def measure(case: Case, runs: int) -> tuple[float, float, float]:
    """Return the medians of the bare loop's seconds a run-step, the engine's speed-up and the job's."""
    plan, registry = w.load(w.make_spec(case.text, runs, case.steps))
    engine(plan, registry)
    samples = [(bare(plan, registry, case.steps), engine(plan, registry), job(plan, registry)) for _ in range(REPEATS)]
    loop = statistics.median(b for b, _, _ in samples)
    return (
        loop / runs / case.steps,
        statistics.median(b / e for b, e, _ in samples),
        statistics.median(b / j for b, _, j in samples),
    )


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.set_flush_denormal(True)
    wanted = sys.argv[1:]
    print(f"torch {torch.__version__}, 1 thread; speed-up over the bare loop: engine (whole job)")
    print("| workload | bare loop, a step | " + " | ".join(f"R = {r}" for r in (1, 8, 64, 256)) + " |")
    print("|---|---|---|---|---|---|")
    for name, case in CASES.items():
        if wanted and not any(word in name for word in wanted):
            continue
        print(f"| {name} |", end="", flush=True)
        for i, runs in enumerate(case.sizes):
            step, of_engine, of_job = measure(case, runs)
            first = f" {step * 1e6:.0f} us |" if i == 0 else ""
            print(f"{first} {of_engine:.2f} ({of_job:.2f}) |", end="", flush=True)
        print(" |" * (4 - len(case.sizes)), flush=True)


if __name__ == "__main__":
    main()
