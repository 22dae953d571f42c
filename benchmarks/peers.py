"""What a grid of 32 runs costs under other tools: seconds a run, with each tool's start-up apart.

Run it with `python benchmarks/peers.py`, or name some of the tools: `python benchmarks/peers.py optuna ray`. The other
tools are the extra `peers`; one that is not installed is skipped. Every tool trains 16 learning rates x 2 seeds on the
line y = 3 x + 0.8: 500 points, full batch, 500 steps of SGD, one thread. The final loss of every run is compared with
the bare loop's, so all do the same work. The tools take turns in three rounds, each time in a fresh process; times and
ratios are medians over the rounds, ratios within a round. Start-up is what a first grid of four runs takes from the
start of the interpreter, less what a second one takes: imports, `ray.init`, whatever is built once.

Each tool is set up as an experienced user would, with everything off that this grid does not need:

- bare: the loop of every PyTorch tutorial, which keeps the loss of each step; two `for` around it. Hydra, Optuna and
  Ray Tune call this same loop.
- xprun: the whole job in a fresh folder: spec read, plan, choice of an engine, store, tables with every loss.
- JAX: one run as a `scan` over its steps, `vmap` over runs, `jit` around it: no files, no tables, nothing but losses.
  It has a line in which the program was compiled before, and one in which each grid is compiled.
- Hydra: `@hydra.main` with `-m` and the basic launcher, in process; logging and the `.hydra` folders are off.
- Optuna: `GridSampler`, study in memory, logging off.
- Lightning: a `Trainer` a run with `barebones=True`, which turns loggers, checkpoints, bar and summary off. It is given
  the batch 500 times in one epoch; a `DataLoader` with one full batch an epoch, the more usual way, has a line too.
- Ray Tune: `grid_search` on two CPUs, so two worker processes share the runs, unlike all others; result files and the
  dashboard are off, actors are reused between runs. Ray's default, a new process for each run, has a line too.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

RATES = [0.001 * 100 ** (i / 15) for i in range(16)]  # 0.001 to 0.1
SEEDS = [0, 1]
FIRST_GRID = RATES[:2]
RUNS = len(RATES) * len(SEEDS)
STEPS = 500
ROUNDS = 3
AT_LEAST = 2.0  # seconds of grids that a process times; it keeps their median
PATIENCE = 20.0  # seconds; a tool whose grid takes longer has one round
TOLERANCE = 1e-3  # relative, of a final loss
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}

Key = tuple[float, int]  # learning rate and seed of a run
Losses = dict[Key, float]  # the final loss of each run


@dataclass(frozen=True)
class Tool:
    """`package` and `module` are its names for pip and for import; `grid` trains learning rates with all seeds."""

    title: str
    package: str
    module: str
    grid: Callable[[list[float]], Losses]


@dataclass(frozen=True)
class Measured:
    """What a tool's process found: seconds of its start-up and of a grid, and the losses of each grid."""

    start_up: float
    seconds: float
    losses: list[Losses]


def points() -> tuple[Tensor, Tensor]:
    x = torch.rand(500, 1, generator=torch.Generator().manual_seed(0))
    return x, 3.0 * x + 0.8


def train(lr: float, seed: int) -> list[float]:
    """Return the loss of each step of one run, by the loop of a tutorial."""
    X, y = points()
    torch.manual_seed(seed)
    model = nn.Linear(1, 1)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses: list[Tensor] = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = criterion(model(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    numbers: list[float] = torch.stack(losses).tolist()
    return numbers


def bare(rates: list[float]) -> Losses:
    return {(lr, seed): train(lr, seed)[-1] for lr in rates for seed in SEEDS}


SPEC = """
data = { name = "line", w = 3.0, b = 0.8, samples = 500, batch_size = "full" }
model = { layers = [{ name = "Linear", in_features = 1, out_features = 1 }] }
loss = { name = "MSELoss" }
optimizer = { name = "SGD", lr = { grid = RATES } }
run = { steps = STEPS, seeds = SEEDS }
device = "cpu"
"""


def xprun_spec(rates: list[float]) -> str:
    return SPEC.replace("RATES", str(rates)).replace("STEPS", str(STEPS)).replace("SEEDS", str(SEEDS))


def xprun(rates: list[float]) -> Losses:
    import pandas as pd
    from xprun.plugins.discovery import open_registry
    from xprun.runner.experiment import Options, run_experiment
    from xprun.runner.resolve.resolver import resolve
    from xprun.runner.status.progress import Silent
    from xprun.specs import read_document, read_spec

    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder) / "line.toml", Path(folder) / "line"
        path.write_text(xprun_spec(rates), encoding="utf-8")
        registry = open_registry()
        spec = resolve(read_spec(read_document(path)), registry)
        run_experiment(spec, registry, Options(output), Silent())
        table = pd.read_csv(output / "results.csv", float_precision="round_trip")
    return dict(zip(zip(table["optimizer.lr"], table["seed"], strict=True), table["final.loss"], strict=True))


def hydra(rates: list[float]) -> Losses:
    import hydra
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store("line", {"lr": 0.1, "seed": 0})
    found: Losses = {}

    @hydra.main(version_base=None, config_path=None, config_name="line")
    def app(config: Any) -> None:
        found[config.lr, config.seed] = train(config.lr, config.seed)[-1]

    quiet = ["hydra.output_subdir=null", "hydra/job_logging=disabled", "hydra/hydra_logging=disabled"]
    sweep = [f"lr={','.join(map(repr, rates))}", f"seed={','.join(map(str, SEEDS))}"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = [sys.argv[0], "-m", *sweep, *quiet, f"hydra.sweep.dir={folder}"]
        with mock.patch.object(sys, "argv", arguments):
            app()
    return found


def optuna(rates: list[float]) -> Losses:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: Any) -> float:
        lr, seed = trial.suggest_float("lr", min(rates), max(rates)), trial.suggest_int("seed", min(SEEDS), max(SEEDS))
        return train(lr, seed)[-1]

    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"lr": rates, "seed": SEEDS}))
    study.optimize(objective, n_trials=len(rates) * len(SEEDS))
    return {(trial.params["lr"], trial.params["seed"]): trial.value for trial in study.trials}


def lightning(rates: list[float], make_data: Callable[[], Iterable[Any]], epochs: int) -> Losses:
    """Train with a Trainer a run; `make_data` returns the batches of one of the epochs."""
    from data import import_torchvision

    import_torchvision()  # Lightning imports it
    from lightning import LightningModule, Trainer

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")

    class Line(LightningModule):
        def __init__(self, lr: float) -> None:
            super().__init__()
            self.lr, self.layer, self.criterion = lr, nn.Linear(1, 1), nn.MSELoss()
            self.losses: list[Tensor] = []

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            loss: Tensor = self.criterion(self.layer(batch[0]), batch[1])
            self.losses.append(loss.detach())
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=self.lr)

    def run(lr: float, seed: int) -> float:
        data = make_data()
        torch.manual_seed(seed)
        module = Line(lr)
        Trainer(barebones=True, accelerator="cpu", devices=1, max_epochs=epochs).fit(module, data)
        losses: list[float] = torch.stack(module.losses).tolist()
        assert len(losses) == STEPS
        return losses[-1]

    return {(lr, seed): run(lr, seed) for lr in rates for seed in SEEDS}


def lightning_one_epoch(rates: list[float]) -> Losses:
    return lightning(rates, lambda: repeat(points(), STEPS), 1)


def lightning_loader(rates: list[float]) -> Losses:
    from torch.utils.data import DataLoader, TensorDataset

    return lightning(rates, lambda: DataLoader(TensorDataset(*points()), batch_size=500), STEPS)


def ray(rates: list[float], reuse_actors: bool) -> Losses:
    import ray
    from ray import tune

    if not ray.is_initialized():
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

    def run(config: dict[str, Any]) -> dict[str, float]:
        torch.set_num_threads(1)
        return {"loss": train(**config)[-1]}

    with tempfile.TemporaryDirectory() as folder:
        results = tune.Tuner(
            run,
            param_space={"lr": tune.grid_search(rates), "seed": tune.grid_search(SEEDS)},
            tune_config=tune.TuneConfig(reuse_actors=reuse_actors),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        return {(r.config["lr"], r.config["seed"]): r.metrics["loss"] for r in results}


@cache
def jax_grid() -> Callable[[Any, Any, Any], Any]:
    """Return what trains runs of rates, weights and biases [R] as one program, and keeps every loss [R, STEPS]."""
    import jax

    x, y = (part.squeeze(1).numpy() for part in points())

    def loss_of(parameters: tuple[Any, Any]) -> Any:
        w, b = parameters
        return ((w * x + b - y) ** 2).mean()

    def run(lr: Any, w: Any, b: Any) -> Any:
        def step(parameters: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Any]:
            loss, slopes = jax.value_and_grad(loss_of)(parameters)
            return tuple(p - lr * slope for p, slope in zip(parameters, slopes, strict=True)), loss

        return jax.lax.scan(step, (w, b), None, length=STEPS)[1]

    return jax.jit(jax.vmap(run))  # type: ignore[no-any-return]


def jax(rates: list[float], *, compiled: bool) -> Losses:
    """Train all runs at once with `jit(vmap(scan))`, as an expert writes it; unless `compiled`, compile that anew."""
    import jax
    import numpy as np

    if not compiled:
        jax.clear_caches()
    keys, starts = [(lr, seed) for lr in rates for seed in SEEDS], {}
    for seed in SEEDS:
        torch.manual_seed(seed)
        starts[seed] = [p.item() for p in nn.Linear(1, 1).parameters()]
    weights = np.array([starts[seed] for _, seed in keys], dtype=np.float32)
    losses = np.asarray(jax_grid()(np.array([lr for lr, _ in keys], dtype=np.float32), weights[:, 0], weights[:, 1]))
    return dict(zip(keys, losses[:, -1].tolist(), strict=True))


TOOLS = {
    "xprun": Tool("xprun", "xprun", "xprun.runner", xprun),
    "bare": Tool("a bare loop", "torch", "torch", bare),
    "jax": Tool("JAX, compiled before", "jax", "jax", lambda rates: jax(rates, compiled=True)),
    "jax-compiler": Tool("JAX, compiler counted", "jax", "jax", lambda rates: jax(rates, compiled=False)),
    "hydra": Tool("Hydra", "hydra-core", "hydra", hydra),
    "optuna": Tool("Optuna", "optuna", "optuna", optuna),
    "lightning": Tool("Lightning", "lightning", "lightning", lightning_one_epoch),
    "lightning-loader": Tool("Lightning, DataLoader", "lightning", "lightning", lightning_loader),
    "ray": Tool("Ray Tune, 2 processes", "ray", "ray.tune", lambda rates: ray(rates, reuse_actors=True)),
    "ray-default": Tool("Ray Tune, actors not reused", "ray", "ray.tune", lambda rates: ray(rates, reuse_actors=False)),
}


def measure(tool: Tool, born: float) -> Measured:
    """Time grids of a tool in this process, which was started at the time `born`."""
    torch.set_num_threads(1)
    timed(tool, FIRST_GRID)
    first = time.time() - born
    second, _ = timed(tool, FIRST_GRID)
    grids = [timed(tool, RATES)]
    while sum(seconds for seconds, _ in grids) < AT_LEAST:
        grids.append(timed(tool, RATES))
    return Measured(first - second, statistics.median(s for s, _ in grids), [losses for _, losses in grids])


def timed(tool: Tool, rates: list[float]) -> tuple[float, Losses]:
    start = time.perf_counter()
    losses = tool.grid(rates)
    return time.perf_counter() - start, losses


def measure_apart(name: str) -> Measured:
    """Return what a fresh process measures, without its chatter. Raises RuntimeError with its last words."""
    with tempfile.TemporaryDirectory() as folder:
        result, chatter = Path(folder) / "measured.pickle", Path(folder) / "chatter"
        command = [sys.executable, __file__, name, "--into", str(result), "--born", str(time.time())]
        with chatter.open("wb") as stream:  # a file: daemons that outlive the process would hold a pipe open
            done = subprocess.run(command, stdout=stream, stderr=stream, env=os.environ | ENVIRONMENT, cwd=folder)
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{chatter.read_text(errors='replace')[-2000:]}")
        return pickle.loads(result.read_bytes())  # type: ignore[no-any-return]


def is_installed(tool: Tool) -> bool:
    try:
        return find_spec(tool.module.partition(".")[0]) is not None
    except ModuleNotFoundError:
        return False


def version_of(tool: Tool) -> str:
    try:
        return version(tool.package)
    except PackageNotFoundError:
        return "from its sources"


def check_equal(name: str, measured: Measured, reference: Losses) -> None:
    """Raise AssertionError unless each run of each grid ended at the loss of the bare loop."""
    for losses in measured.losses:
        assert losses.keys() == reference.keys(), f"{name} did not train the runs of the grid"
        for key, wanted in reference.items():
            assert abs(losses[key] - wanted) <= TOLERANCE * wanted, f"{name} {key}: {losses[key]}, not {wanted}"


def take_turns(names: list[str]) -> dict[str, list[Measured]]:
    """Return what each tool's processes measured, one a round; all runs have been seen to end equal."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(1, ROUNDS + 1):
        for name, rounds in found.items():
            if rounds and rounds[0].seconds > PATIENCE:
                continue
            print(f"round {number} of {ROUNDS}: {name}", file=sys.stderr, flush=True)
            rounds.append(measure_apart(name))
            check_equal(name, rounds[-1], found["bare"][0].losses[0])
    return found


def row(tool: Tool, rounds: list[Measured], ours: list[Measured]) -> str:
    """Return a line of the table: medians over the rounds."""
    if not rounds:
        return f"| {tool.title} | not installed | | | |"
    a_run = statistics.median(one.seconds for one in rounds) / RUNS
    ratio = statistics.median(one.seconds / our.seconds for one, our in zip(rounds, ours, strict=False))
    start_up = statistics.median(one.start_up for one in rounds)
    return f"| {tool.title} | {version_of(tool)} | {a_run * 1e3:.1f} | {ratio:.1f} | {start_up:.1f} |"


def compare(names: list[str]) -> None:
    """Measure tools and print a table in Markdown."""
    asked = [name for name in names if name not in ("bare", "xprun") and is_installed(TOOLS[name])]
    found = take_turns(["bare", "xprun", *asked])
    versions = f"Python {sys.version.split()[0]}, torch {torch.__version__}, 1 thread, {os.cpu_count()} cores"
    print(f"{datetime.date.today()}, {versions}, {RUNS} runs, medians of {ROUNDS} rounds;", end=" ")
    print(f"1 round where a grid takes over {PATIENCE:.0f} s")
    print("\n| tool | version | a run, ms | times xprun | start-up, s |\n|---|---|---|---|---|")
    for name in names:
        print(row(TOOLS[name], found.get(name, []), found["xprun"]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare seconds a run of xprun and of other tools.")
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=f"some of {', '.join(TOOLS)} (default: all)")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--born", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.tools if name not in TOOLS]
    if unknown:
        parser.error(f"there is no tool {unknown[0]!r}; the tools are {', '.join(TOOLS)}")
    if arguments.into:
        arguments.into.write_bytes(pickle.dumps(measure(TOOLS[arguments.tools[0]], arguments.born)))
    else:
        compare(arguments.tools or list(TOOLS))


if __name__ == "__main__":
    main()
