"""CPU against GPU: the same numbers in every loop, and run-steps a second of grids of 1 to 10,000 runs.

`python benchmarks/gpu.py [--device cuda:0] [--seconds 480] [--sizes 1,64,1024,10000] [--out gpu.json]`

1. Agreement: each case is trained on the CPU and on the device in float64, alone and together, and in graphs of steps;
   the largest difference of a loss or metric is printed, relative to 1. What raises is told, and the rest goes on.
2. Speed: run-steps a second of a bare PyTorch loop and of a lone run, then of so many runs together: steps one by one,
   and in graphs. With the peak of the device's memory.

Each line is printed as it comes, and kept in the file, so that a job which is cut off has told what it found. Without a
GPU it says so and does nothing; `--device cpu` runs all of it there, to see that the script itself works.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import workloads as w
from xprun.runner.engine.allocator import keep_freed_memory
from xprun.runner.engine.compiled_blocks import CompiledBlocks
from xprun.runner.engine.execution_units import ExecutionUnit, grids_of, make_program
from xprun.runner.engine.graph_blocks import has_graphs
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.device_memory import release_memory
from xprun.runner.workload.device_transfer import synchronise
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import make_workload

CPU = torch.device("cpu")
RUN = '[run]\nsteps = {steps}\nseeds = 2\ndtype = "float64"\nmetrics = ["{metric}"]\n{more}\n'
TWO = '[[optimizer]]\nname = "SGD"\nlr = {{ grid = [0.01, 0.1] }}\nmomentum = 0.9\n{}'.format(
    '[[optimizer]]\nname = "Adam"\nlr = { grid = [0.001, 0.01] }\n'
)
STEP = '[scheduler]\nname = "StepLR"\nper = "step"\nstep_size = 10\ngamma = { grid = [0.5, 0.9] }\n'
RULES = ("AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD", "scratch.adam")
EVERY_RULE = "".join(f'[[optimizer]]\nname = "{name}"\n' for name in RULES)
DIGITS = w.DIGITS_MLP.replace("batch_size = 64", "valid = 0.2, batch_size = 64")
CNN = w.SMALL_CNN.replace("batch_size = 64", "valid = 0.2, batch_size = 64")
NORM = CNN.replace('{ name = "ReLU" },', '{ name = "BatchNorm2d", num_features = 8 }, { name = "ReLU" },')
DROPOUT = DIGITS.replace('{ name = "ReLU" },', '{ name = "ReLU" }, { name = "Dropout", p = 0.3 },')
# The text of a spec, the program of its runs together, and whether its numbers are those of the CPU: masks are not.
CASES: dict[str, tuple[str, str | None, bool]] = {
    "line": (w.LINE + TWO + RUN.format(steps=40, metric="mae", more=""), "linear-stack", True),
    "MLP": (DIGITS + TWO + RUN.format(steps=40, metric="accuracy", more='save = "best"'), "linear-stack", True),
    "MLP, traced": (DIGITS + TWO + RUN.format(steps=40, metric="accuracy", more=""), "traced", True),
    "every rule": (DIGITS + EVERY_RULE + RUN.format(steps=20, metric="accuracy", more=""), "linear-stack", True),
    "scheduler": (DIGITS + TWO + STEP + RUN.format(steps=40, metric="accuracy", more=""), "linear-stack", True),
    "CNN": (CNN + TWO + RUN.format(steps=20, metric="accuracy", more=""), "traced", True),
    "BatchNorm": (NORM + TWO + RUN.format(steps=20, metric="accuracy", more=""), "traced", True),
    "dropout": (DROPOUT + TWO + RUN.format(steps=20, metric="accuracy", more=""), "traced", False),
    "LBFGS": (DIGITS + '[optimizer]\nname = "LBFGS"\n' + RUN.format(steps=5, metric="accuracy", more=""), None, True),
}
TOLERANCE = 1e-8
SPEED = {"line": (w.LINE, "linear-stack"), "MLP": (w.DIGITS_MLP, "linear-stack"), "28 x 28 CNN": (w.CNN, "traced")}
STEPS = 1_000_000  # of which as many are taken as there is time for


class Report:
    """What was found, printed as it comes and kept in a file; it knows what time is left."""

    def __init__(self, file: Path, seconds: float) -> None:
        self.file, self.end, self.found = file, time.perf_counter() + seconds, dict[str, str]()

    def note(self, key: str, find: Callable[[], str]) -> None:
        """Keep what is found, or that it was not."""
        try:
            self.found[key] = find()
        except Exception as error:
            self.found[key] = f"RAISES {type(error).__name__}: {str(error)[:300]}"
        print(f"{key}: {self.found[key]}", flush=True)
        self.file.write_text(json.dumps(self.found, indent=1), encoding="utf-8")

    @property
    def left(self) -> float:
        return self.end - time.perf_counter()


# --- agreement


def outcomes(text: str, program: str | None, device: torch.device, more: str = "") -> dict[str, Outcome]:
    """Return what becomes of the runs of a spec on a device."""
    plan, registry = w.load(text.replace("[run]\n", f"[run]\n{more}\n"))
    work = make_workload(registry, plan.runs[0], device)
    if program is None:
        return {run.id: train_alone(work, run) for run in plan.runs}
    units = [ExecutionUnit(grid, program, "", None) for grid in grids_of(work, plan.runs)]
    return {outcome.run: outcome for unit in units for outcome in train_in_shards(work, unit)}


def difference(found: dict[str, Outcome], expected: dict[str, Outcome]) -> str:
    """Return the largest difference of a number in the histories."""
    worst = 0.0
    for run, other in expected.items():
        outcome = found[run]
        if (outcome.status, outcome.steps) != (other.status, other.steps):
            return f"WRONG: {outcome.status} after {outcome.steps} steps, not {other.status} after {other.steps}"
        for metric, series in other.history.items():
            off = np.abs(outcome.history[metric].values - series.values) / np.maximum(1, np.abs(series.values))
            worst = max(worst, float(off.max()))
    return f"{'ok' if worst <= TOLERANCE else 'WRONG'} {worst:.1e}"


def agreement(report: Report, device: torch.device) -> None:
    for name, (text, program, as_on_cpu) in CASES.items():
        alone = outcomes(text, None, CPU if as_on_cpu else device)
        if as_on_cpu:
            report.note(f"{name}, alone", lambda: difference(outcomes(text, None, device), alone))  # noqa: B023
        if program:
            report.note(f"{name}, {program}", lambda: difference(outcomes(text, program, device), alone))  # noqa: B023
        if program and has_graphs(device):
            always = "compile = true"
            report.note(f"{name}, in graphs", lambda: difference(outcomes(text, program, device, always), alone))  # noqa: B023


# --- speed


def speed(report: Report, device: torch.device, sizes: list[int]) -> None:
    for name, (text, program) in SPEED.items():
        report.note(f"{name}, a bare loop", lambda: bare(text, device))  # noqa: B023
        report.note(f"{name}, a lone run", lambda: timed(text, 1, Autograd.name, device))  # noqa: B023
        for runs in sizes:
            for graphs in (False, True) if has_graphs(device) else (False,):
                if report.left < 30:
                    print("no time is left")
                    return
                how = "in graphs" if graphs else "step by step"
                report.note(f"{name}, {runs:,} runs {how}", lambda: timed(text, runs, program, device, graphs=graphs))  # noqa: B023
                release_memory(device)


def bare(text: str, device: torch.device) -> str:
    """Return the steps a second of one run in an ordinary loop."""
    plan, registry = w.load(w.make_spec(text, 1, STEPS))
    work = make_workload(registry, plan.runs[0], device)
    return _per_second(lambda steps: w.bare_run(work, plan.runs[0], steps), 1, device)


def timed(text: str, runs: int, program: str, device: torch.device, *, graphs: bool = False) -> str:
    """Return the run-steps a second of so many runs in a program, and the memory that they took."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    plan, registry = w.load(w.make_spec(text, runs, STEPS))
    work = make_workload(registry, plan.runs[0], device)
    [grid] = grids_of(work, plan.runs) if program != Autograd.name else [Grid([[plan.runs[0]]])]
    training = Training(work, make_program(work, grid, program), grid)
    if graphs:
        training.compiled = CompiledBlocks()
    speed = _per_second(lambda steps: training.advance(training.steps + steps), runs, device)
    if graphs and not training.compiled.work:
        return "the steps cannot be recorded"
    peak = f", {torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MiB" if device.type == "cuda" else ""
    return speed + peak


def _per_second(take: Callable[[int], object], runs: int, device: torch.device, budget: float = 3.0) -> str:
    """Return the run-steps a second of `take(n)`, which takes n steps: of as many as fit a few seconds."""

    def seconds(steps: int) -> float:
        def taken() -> None:
            take(steps)
            synchronise(device)

        return w.seconds(taken)

    seconds(40)  # memory, libraries, graphs
    steps = max(40, min(20_000, int(budget / max(1e-6, seconds(40) / 40))))
    per_step = seconds(steps) / steps
    return f"{runs / per_step:,.0f} run-steps/s, {per_step * 1e6:,.0f} us a step"


def arguments() -> argparse.Namespace:
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    found.add_argument("--device", default="cuda:0")
    found.add_argument("--seconds", type=float, default=480.0)
    found.add_argument("--sizes", default="1,64,1024,10000")
    found.add_argument("--out", type=Path, default=Path("gpu.json"))
    return found.parse_args()


def machine(device: torch.device) -> Iterator[str]:
    yield f"torch {torch.__version__} on {device}"
    if device.type == "cuda":
        yield f"{torch.cuda.get_device_name(device)}, {torch.cuda.device_count()} of them; tf32 in products: "
        yield f"{torch.backends.cuda.matmul.allow_tf32}, in cudnn: {torch.backends.cudnn.allow_tf32}"


def main() -> None:
    asked = arguments()
    device = torch.device(asked.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no CUDA GPU on this machine: nothing was measured (--device cpu tries the script itself)")
    keep_freed_memory()
    torch.set_flush_denormal(True)
    report = Report(asked.out, asked.seconds)
    report.note("machine", lambda: ", ".join(machine(device)))
    agreement(report, device)
    speed(report, device, [int(size) for size in asked.sizes.split(",")])
    amiss = [key for key, found in report.found.items() if found.startswith(("WRONG", "RAISES"))]
    print(f"{len(amiss)} amiss", *amiss, sep="\n  ")


if __name__ == "__main__":
    main()
