"""The workloads that the benchmarks share, and a bare PyTorch loop over the same runs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import Registry
from xprun.runner.planning.plan import Plan, make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.workload.workload import Workload
from xprun.specs import Run, read_document, read_spec

LINE = """
data = { name = "line", samples = 500, batch_size = "full" }
model = { layers = [{ name = "Linear", in_features = 1, out_features = 1 }] }
loss = { name = "MSELoss" }
"""
TWO_FEATURES = """
data = { name = "linear", samples = 1000, batch_size = 10 }
model = { layers = [{ name = "Linear", in_features = 2, out_features = 1 }] }
loss = { name = "MSELoss" }
"""
DIGITS_MLP = """
data = { name = "digits", batch_size = 64 }
loss = { name = "CrossEntropyLoss" }
[model]
layers = [
  { name = "Linear", in_features = 64, out_features = 32 },
  { name = "ReLU" },
  { name = "Linear", in_features = 32, out_features = 10 },
]
"""
SOFTMAX = """
data = { name = "images", batch_size = 256 }
model = { layers = [{ name = "Flatten" }, { name = "Linear", in_features = 784, out_features = 10 }] }
loss = { name = "CrossEntropyLoss" }
"""
WIDE_MLP = """
data = { name = "images", batch_size = 256 }
loss = { name = "CrossEntropyLoss" }
[model]
layers = [
  { name = "Flatten" },
  { name = "Linear", in_features = 784, out_features = 128 },
  { name = "ReLU" },
  { name = "Linear", in_features = 128, out_features = 10 },
]
"""
CNN = """
data = { name = "images", batch_size = 64 }
loss = { name = "CrossEntropyLoss" }
[model]
layers = [
  { name = "Conv2d", in_channels = 1, out_channels = 8, kernel_size = 3 },
  { name = "ReLU" },
  { name = "MaxPool2d", kernel_size = 2 },
  { name = "Flatten" },
  { name = "Linear", in_features = 1352, out_features = 10 },
]
"""
SMALL_CNN = """
data = { name = "digits", flat = false, batch_size = 64 }
loss = { name = "CrossEntropyLoss" }
[model]
layers = [
  { name = "Conv2d", in_channels = 1, out_channels = 8, kernel_size = 3 },
  { name = "ReLU" },
  { name = "MaxPool2d", kernel_size = 2 },
  { name = "Flatten" },
  { name = "Linear", in_features = 72, out_features = 10 },
]
"""
NORMED_MLP = DIGITS_MLP.replace(
    '{ name = "ReLU" },', '{ name = "LayerNorm", normalized_shape = 32 }, { name = "GELU" },'
)

IMAGES_PLUGIN = '''
"""Random grey images in the shape of MNIST, for timing only."""

import torch
from xprun.plugins import data
from xprun.plugins.datasets.table import Table


@data("images")
def images(*, samples: int = 10240) -> Table:
    generator = torch.Generator().manual_seed(0)
    return Table(
        torch.rand(samples, 1, 28, 28, generator=generator),
        torch.randint(0, 10, (samples,), generator=generator),
    )
'''

# Five families of optimizers; learning rates are small enough for no run to diverge.
OPTIMIZERS = {
    "SGD": {},
    "SGD momentum": {"momentum": 0.9},
    "RMSprop": {},
    "Adagrad": {},
    "Adam": {},
}
SEEDS = 4


def make_spec(workload: str, runs: int, steps: int, engine: str = "auto") -> str:
    """Return the text of a spec of that many runs: five families, learning rates, and seeds where they divide."""
    seeds = SEEDS if runs % SEEDS == 0 else 1
    settings = runs // seeds
    counts = [settings // 5 + (i < settings % 5) for i in range(5)]
    optimizers = [
        f'[[optimizer]]\nname = "{label.split()[0]}"\nlabel = "{label}"\n'
        + "".join(f"{key} = {value}\n" for key, value in extra.items())
        + f"lr = {{ logspace = [1e-4, 1e-3], num = {count} }}\n"
        for (label, extra), count in zip(OPTIMIZERS.items(), counts, strict=True)
        if count
    ]
    run = f'[run]\nsteps = {steps}\nseeds = {seeds}\nengine = "{engine}"\n'
    return workload + "\n".join(optimizers) + run


def load(text: str) -> tuple[Plan, Registry]:
    """Return the plan of a spec's text."""
    with tempfile.TemporaryDirectory() as folder:
        plugin, path = Path(folder) / "images.py", Path(folder) / "spec.toml"
        plugin.write_text(IMAGES_PLUGIN, encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        known = open_registry()
        needed = '"images"' in text and "images" not in known.names("data")  # others are measured without foreign code
        registry = open_registry((plugin,)) if needed else known
        spec = resolve(read_spec(read_document(path)), registry)
    return make_plan(spec, "cpu"), registry


def bare_run(work: Workload, run: Run, steps: int) -> list[float]:
    """Train one run as a tutorial does, with the torch.optim class; return the losses."""
    X, y = work.train.inputs, work.train.targets
    rows, batch_size = len(X), work.batch_size
    settings = {k: v for k, v in run.choices["optimizer"].settings.items() if k in ("lr", "momentum")}
    model = work.make_model(run.seed)
    criterion = nn.MSELoss() if y.is_floating_point() else nn.CrossEntropyLoss()
    opt = getattr(torch.optim, run.choices["optimizer"].name)(model.parameters(), **settings)
    losses: list[torch.Tensor] = []
    while len(losses) < steps:
        order = torch.randperm(rows) if batch_size else None
        for start in range(0, rows, batch_size or rows):
            chosen = order[start : start + batch_size] if batch_size and order is not None else slice(None)
            opt.zero_grad()
            loss = criterion(model(X[chosen]), y[chosen])
            loss.backward()
            opt.step()
            losses.append(loss.detach())
            if len(losses) == steps:
                break
    result: list[float] = torch.stack(losses).tolist()
    return result


def seconds(function: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
