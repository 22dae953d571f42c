"""What it costs to watch a training: the same steps with nobody looking and with somebody, in turns, in one process.

`python benchmarks/live.py [TURNS]` trains 64 runs of the line and of the digits MLP, by ordinary steps and by compiled
blocks, in turns of about two seconds, and prints

- `nobody`: microseconds of a step of all runs while nobody looks;
- `worker`: the median over the turns of the time with a message every quarter of a second, as a worker sends it to its
  parent, over the time without; and the share of the time that was spent on looking at the clock and telling;
- `here`: the same where xprun trains in its own process (-j 0), which also prints lines, and writes the files of the
  live page.

Medians of turns tell little below the noise of a machine; the shares are measured directly. The promise is at most 2%.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from os import environ
from pathlib import Path

import torch
import workloads as w
from torch import Tensor
from xprun.runner.engine.allocator import keep_freed_memory
from xprun.runner.engine.compiled_blocks import CompiledBlocks
from xprun.runner.engine.execution_units import grids_of, make_program
from xprun.runner.engine.loop import Training
from xprun.runner.engine.training_watch import TrainingWatch
from xprun.runner.planning.plan import Plan
from xprun.runner.process.training_progress import Hear, TrainingProgress, encode
from xprun.runner.status.progress import LIVE, Narrator, Several
from xprun.runner.status.status_writer import Publisher
from xprun.runner.workers.progress_stream import progress_channel
from xprun.runner.workload.workload import make_workload

RUNS, STEPS = 64, 10_000_000
PROMISED = 0.02
SECONDS = 2.0  # of a turn
CASES = {"line 500 x 1, full batch": w.LINE, "digits MLP 64-32-10, batch 64": w.DIGITS_MLP}


class TimedWatch(TrainingWatch):
    """A watch that counts the seconds that are spent on it."""

    spent = 0.0

    def look(self, training: Training, losses: Tensor) -> None:
        start = time.perf_counter()
        super().look(training, losses)
        self.spent += time.perf_counter() - start


def as_worker() -> Hear:
    """Return what sends a message to a parent, and reads it there, which costs more than the worker pays."""
    stream, telling = progress_channel()

    def hear(progress: TrainingProgress) -> None:
        telling.send(encode(progress))
        stream.forward()
        stream.told.clear()

    return hear


def as_here(plan: Plan, folder: Path) -> Hear:
    listeners = Several(Narrator(live=False, verbose=True), Publisher(folder, live=True))
    listeners.start(plan, plan.cohorts(set()), "cpu", 0, 0)
    return listeners.advanced


def main(turns: int = 9) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.set_flush_denormal(True)
    environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
    print(f"torch {torch.__version__}, 1 thread, {RUNS} runs, a message every {LIVE} s, medians of {turns} turns")
    print("| workload | steps | nobody, us a step | worker | share | here | share |")
    print("|---|---|---|---|---|---|---|")
    for name, text in CASES.items():
        for blocks in (False, True):
            print(
                f"| {name} | {'blocks' if blocks else 'ordinary'} | {measure(text, turns, blocks=blocks)} |", flush=True
            )


def measure(text: str, turns: int, *, blocks: bool) -> str:
    plan, registry = w.load(w.make_spec(text, RUNS, STEPS) + "record_every = 1000\n")
    work = make_workload(registry, plan.runs[0], torch.device("cpu"))
    [grid] = grids_of(work, plan.runs)
    training = Training(work, make_program(work, grid, "linear-stack"), grid)
    training.advance(100)
    if blocks:
        training.compiled = CompiledBlocks("wait")
        training.advance(1100)
        assert training.compiled.work
    chunk = 1000  # steps, as the loop takes them at a time
    chunks = max(1, round(SECONDS / w.seconds(lambda: training.advance(training.steps + chunk))))

    def turn() -> float:
        return w.seconds(lambda: [training.advance(training.steps + chunk) for _ in range(chunks)])

    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        hears: dict[str, Callable[[], Hear]] = {"worker": as_worker, "here": lambda: as_here(plan, Path(folder))}
        ratios: dict[str, list[float]] = {how: [] for how in hears}
        shares: dict[str, list[float]] = {how: [] for how in hears}
        alone = []
        heard = {how: make() for how, make in hears.items()}
        for _ in range(turns):
            training.watch = None
            alone.append(turn())
            for how, hear in heard.items():
                training.watch = watch = TimedWatch(LIVE, hear)
                seconds = turn()
                ratios[how].append(seconds / alone[-1])
                shares[how].append(watch.spent / seconds)
    step = statistics.median(alone) / chunks / chunk * 1e6
    told = [f"{statistics.median(ratios[how]):.3f} | {statistics.median(shares[how]):.2%}" for how in hears]
    if any(statistics.median(found) > PROMISED for found in shares.values()):
        told.append(f"more than {PROMISED:.0%}")
    return f"{step:.0f} | {' | '.join(told)}"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
