"""What a lone run costs beside a loop written by hand: medians of alternated repeats, one process, one thread.

Run it with `python benchmarks/overhead.py`. The bare loop is the one of every PyTorch tutorial; both do the same
steps on the same data and keep the loss of each step. `rule` is xprun's own update rule for the same formula.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from xprun.plugins.discovery import open_registry
from xprun.runner.alone import train_alone
from xprun.runner.check import resolve
from xprun.runner.memory import keep_freed_memory
from xprun.runner.plan import make_plan
from xprun.runner.workload import Workload, make_workload
from xprun.specs import Run, read_document, read_spec

REPEATS = 25

LINE = """
data = { name = "line", samples = 500, batch_size = "full" }
model = { layers = [{ name = "Linear", in_features = 1, out_features = 1 }] }
loss = { name = "MSELoss" }
run = { steps = 1000 }
"""
MLP = """
data = { name = "digits", batch_size = 64 }
loss = { name = "CrossEntropyLoss" }
run = { epochs = 15 }
[model]
layers = [
  { name = "Linear", in_features = 64, out_features = 32 },
  { name = "ReLU" },
  { name = "Linear", in_features = 32, out_features = 10 },
]
"""
CNN = """
data = { name = "digits", flat = false, batch_size = 64 }
loss = { name = "CrossEntropyLoss" }
run = { epochs = 5 }
[model]
layers = [
  { name = "Conv2d", in_channels = 1, out_channels = 8, kernel_size = 3 },
  { name = "ReLU" },
  { name = "MaxPool2d", kernel_size = 2 },
  { name = "Flatten" },
  { name = "Linear", in_features = 72, out_features = 10 },
]
"""
RULES = {"SGD": "scratch.gd", "Adam": "scratch.adam"}


def load(text: str, optimizer: str) -> tuple[Workload, Run]:
    """Return the workload and the one run of a spec."""
    registry = open_registry()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.toml"
        path.write_text(f'optimizer = {{ name = "{optimizer}", lr = 0.01 }}\n{text}', encoding="utf-8")
        spec = resolve(read_spec(read_document(path)), registry)
    run = make_plan(spec, registry, "cpu").runs[0]
    return make_workload(registry, run, torch.device("cpu")), run


def bare(work: Workload, optimizer: str) -> None:
    """Train as a tutorial does."""
    X, y = work.train.inputs, work.train.targets
    rows, batch_size = len(X), work.batch_size
    torch.manual_seed(0)
    model = work.make_model(0)
    criterion = nn.MSELoss() if y.is_floating_point() else nn.CrossEntropyLoss()
    opt = getattr(torch.optim, optimizer)(model.parameters(), lr=0.01)
    losses: list[torch.Tensor] = []
    while len(losses) < work.schedule.steps:
        order = torch.randperm(rows) if batch_size else None
        for start in range(0, rows, batch_size or rows):
            chosen = order[start : start + batch_size] if batch_size and order is not None else slice(None)
            opt.zero_grad()
            loss = criterion(model(X[chosen]), y[chosen])
            loss.backward()
            opt.step()
            losses.append(loss.detach())
    torch.stack(losses).tolist()


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.set_flush_denormal(True)
    print(f"torch {torch.__version__}, 1 thread, medians of {REPEATS} alternated repeats; 1.00 is the bare loop")
    print(f"{'workload':<24} {'optimizer':<10} {'bare loop':>12} {'torch class':>12} {'rule':>8}")
    for name, text in {"line 500 x 1": LINE, "digits MLP 64-32-10": MLP, "digits CNN 8 x 8": CNN}.items():
        for optimizer, rule in RULES.items():
            theirs, ours = load(text, optimizer), load(text, rule)
            candidates = [
                lambda w=theirs[0], o=optimizer: bare(w, o),
                lambda w=theirs: train_alone(*w),
                lambda w=ours: train_alone(*w),
            ]
            for candidate in candidates:
                candidate()  # warm up
            samples = [[seconds(candidate) for candidate in candidates] for _ in range(REPEATS)]
            steps = theirs[0].schedule.steps
            loop = statistics.median(s[0] for s in samples) / steps * 1e6
            ratios = [statistics.median(s[i] / s[0] for s in samples) for i in (1, 2)]
            print(f"{name:<24} {optimizer:<10} {loop:>9.0f} us {ratios[0]:>12.2f} {ratios[1]:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
