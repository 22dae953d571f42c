"""What a lone run costs beside a loop written by hand: medians of alternated repeats, one process, one thread.

Run it with `python benchmarks/overhead.py`. The bare loop is the one of every PyTorch tutorial; both do the same
steps on the same data and keep the loss of each step. xprun runs `autograd` here, with the rule that stands for
the `torch.optim` class (its twin) and with the from-scratch rule of that name.
"""

from __future__ import annotations

import statistics

import torch
import workloads as w
from xprun.runner.engine.allocator import keep_freed_memory
from xprun.runner.engine.shards import train_alone
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Run

REPEATS = 25
# The workloads with the steps of a run.
CASES = {
    "line 500 x 1": (w.LINE, 1000),
    "digits MLP 64-32-10": (w.DIGITS_MLP, 435),
    "digits CNN 8 x 8": (w.SMALL_CNN, 145),
}
CLASSES = ("SGD", "Adam")
RULES = {"SGD": "scratch.gd", "Adam": "scratch.adam"}


def lone(workload: str, steps: int, optimizer: str) -> tuple[Workload, Run]:
    """Return the workload and the only run of a spec with one optimizer."""
    head = f'optimizer = {{ name = "{optimizer}", lr = 0.01 }}\nrun = {{ steps = {steps} }}\n'
    plan, registry = w.load(head + workload)
    return make_workload(registry, plan.runs[0], torch.device("cpu")), plan.runs[0]


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.set_flush_denormal(True)
    print(f"torch {torch.__version__}, 1 thread, medians of {REPEATS} alternated repeats; 1.00 is the bare loop")
    print(f"{'workload':<24} {'optimizer':<10} {'bare loop':>12} {'twin':>8} {'scratch rule':>14}")
    for name, (text, steps) in CASES.items():
        for optimizer in CLASSES:
            twin, rule = lone(text, steps, optimizer), lone(text, steps, RULES[optimizer])
            candidates = [
                lambda t=twin, n=steps: w.bare_run(*t, n),
                lambda t=twin: train_alone(*t),
                lambda t=rule: train_alone(*t),
            ]
            for candidate in candidates:
                candidate()  # warm up
            samples = [[w.seconds(candidate) for candidate in candidates] for _ in range(REPEATS)]
            loop = statistics.median(s[0] for s in samples) / steps * 1e6
            ratios = [statistics.median(s[i] / s[0] for s in samples) for i in (1, 2)]
            print(f"{name:<24} {optimizer:<10} {loop:>9.0f} us {ratios[0]:>8.2f} {ratios[1]:>14.2f}", flush=True)


if __name__ == "__main__":
    main()
