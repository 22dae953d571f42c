"""What compiled blocks save in long trainings: steps beside a bare PyTorch loop, one process, one thread, in turns.

`python benchmarks/blocks.py [WORKLOAD...]` prints, for grids of 64 and 256 runs of 20,000 steps, the microseconds of a
run's step in the bare loop and the speed-up over it of the ordinary loop and of compiled blocks that are kept from
before, and the seconds of the compiler. All are timed over a part of the steps, which is no small one, in three turns;
evaluations and the start are apart. Final parameters of both ways are compared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from os import environ

import torch
import workloads as w
from xprun.runner.engine.allocator import keep_freed_memory
from xprun.runner.engine.compiled_blocks import CompiledBlocks
from xprun.runner.engine.execution_units import grids_of, make_program
from xprun.runner.engine.loop import Training
from xprun.runner.planning.plan import Plan
from xprun.runner.workload.workload import Workload, make_workload

STEPS = 20_000
TURNS = 3
CASES = {  # with the steps that are timed: of the bare loop, and of the engine
    "line 500 x 1, full batch": (w.LINE, 500, 2000),
    "two features, batch 10": (w.TWO_FEATURES, 500, 2000),
    "digits MLP 64-32-10, batch 64": (w.DIGITS_MLP, 200, 300),
}
TOLERANCE = 1e-2  # of parameters after some thousand steps in float32


def training_of(work: Workload, plan: Plan) -> Training:
    [grid] = grids_of(work, plan.runs)
    return Training(work, make_program(work, grid, "linear-stack"), grid)


def of_step(training: Training, steps: int) -> float:
    """Return the seconds of a run's step."""
    return w.seconds(lambda: training.advance(training.steps + steps)) / steps / len(training.grid)


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.set_flush_denormal(True)
    environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
    print(f"torch {torch.__version__}, 1 thread, {STEPS:,} steps; speed-up over the bare loop: ordinary steps, blocks")
    print("| workload | runs | bare loop, a step | ordinary | blocks | compiler, s |")
    print("|---|---|---|---|---|---|")
    for name, (text, bare_steps, steps) in CASES.items():
        if len(sys.argv) == 1 or any(word in name for word in sys.argv[1:]):
            for runs in (64, 256):
                print(f"| {name} | {runs} | {measure(text, runs, bare_steps, steps)} |", flush=True)


def measure(text: str, runs: int, bare_steps: int, steps: int) -> str:
    plan, registry = w.load(w.make_spec(text, runs, STEPS) + "record_every = 100\n")
    work = make_workload(registry, plan.runs[0], torch.device("cpu"))
    ordinary, blocks = training_of(work, plan), training_of(work, plan)
    ordinary.advance(200)
    blocks.advance(100)
    blocks.compiled = CompiledBlocks("wait")
    compiler = w.seconds(lambda: blocks.advance(200))
    samples = []
    for _ in range(TURNS):
        bare = w.seconds(lambda: [w.bare_run(work, run, bare_steps) for run in plan.runs[:: runs // 8]]) / 8
        samples.append((bare / bare_steps, of_step(ordinary, steps), of_step(blocks, steps)))
    assert blocks.compiled.work
    torch.testing.assert_close(blocks.program.flat, ordinary.program.flat, rtol=TOLERANCE, atol=TOLERANCE)
    bare, eager, block = (statistics.median(times) for times in zip(*samples, strict=True))
    return f"{bare * 1e6:.0f} us | {bare / eager:.1f} | {bare / block:.0f} | {compiler:.1f}"


if __name__ == "__main__":
    main()
