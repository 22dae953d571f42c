"""A grid beside the same grid as an expert writes it in JAX, `jit(vmap(scan))`: whole processes, in turns.

    python benchmarks/beside_jax.py [WORKLOAD...] [--rounds N]

trains 64 runs of 2,000 steps (five families of optimizers, learning rates, seeds) of each workload with both tools, one
thread each. It prints the medians of so many rounds (default: 3): the wall and the processor time of the whole process,
and the seconds of its training without start and compiler. JAX reads data, starting parameters and orders of batches
from a file, and keeps losses in memory; `xprun SPEC --no-report` makes the data, and writes its store and tables. It
runs with compiled blocks that are kept from an earlier job ("warm") and with an empty cache ("cold"). The final losses
of each run are compared, except where the last batch of an epoch is smaller, which the JAX program leaves out to have
one shape; there, their average is. JAX is part of the extra `peers`.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

RUNS, STEPS = 64, 2000
WORKLOADS = {
    "line": "LINE",
    "two features": "TWO_FEATURES",
    "digits MLP": "DIGITS_MLP",
    "softmax 784-10": "SOFTMAX",
    "MLP 784-128-10": "WIDE_MLP",
}
TOLERANCE = 1e-3  # of the final losses, relative


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jax", type=Path)
    chosen = parser.parse_args()
    if chosen.jax:
        return train_in_jax(chosen.jax)
    print(f"{RUNS} runs of {STEPS:,} steps, one thread; seconds (of the processor), medians of {chosen.rounds} rounds")
    print("| workload | JAX | xprun, warm | xprun, cold | JAX's training | xprun's training, warm |")
    print("|---|---|---|---|---|---|")
    for name in chosen.workloads:
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} | {measure(WORKLOADS[name], Path(folder), chosen.rounds)} |", flush=True)
    return None


def measure(workload: str, folder: Path, rounds: int) -> str:
    write_inputs(workload, folder)
    plugin = ["--plugin", str(folder / "images.py")] if (folder / "images.py").exists() else []
    out = folder / "out"
    jax = [sys.executable, __file__, "--jax", str(folder / "inputs.npz")]
    xprun = [sys.executable, "-m", "xprun", *plugin, str(folder / "spec.toml"), "-o", str(out), "--no-report"]
    taken: dict[str, list[tuple[float, float, float]]] = {"jax": [], "warm": [], "cold": []}
    seconds([*xprun, "--set", "run.compile=true"], folder / "cache")  # keeps the blocks, where steps are worth them
    for number in range(rounds):
        wall, processor, said = seconds(jax, folder / "cache")
        taken["jax"].append((wall, processor, float(said)))
        for cache in ("warm", "cold"):
            shutil.rmtree(out)
            wall, processor, _ = seconds(xprun, folder / ("cache" if cache == "warm" else f"empty{number}"))
            taken[cache].append((wall, processor, training_of(out)))
    compare(out, folder / "losses.npy", exactly=workload != "DIGITS_MLP")
    middle = {tool: [statistics.median(part) for part in zip(*times, strict=True)] for tool, times in taken.items()}
    whole = " | ".join(f"{middle[tool][0]:.1f} ({middle[tool][1]:.1f})" for tool in ("jax", "warm", "cold"))
    return f"{whole} | {middle['jax'][2]:.2f} | {middle['warm'][2]:.2f}"


def seconds(command: list[str], cache: Path) -> tuple[float, float, str]:
    """Return the wall and the processor time of a command and its children, and what it says."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XLA_FLAGS": flags, "XDG_CACHE_HOME": str(cache)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def write_inputs(workload: str, folder: Path) -> None:
    """Write the spec, the plugin that it needs, and the same data, starts, rates and rules for JAX."""
    import torch
    import workloads as w
    from xprun.runner.workload.workload import make_workload

    text = getattr(w, workload)
    spec = w.make_spec(text, RUNS, STEPS)
    (folder / "spec.toml").write_text(spec, encoding="utf-8")
    if '"images"' in text:
        (folder / "images.py").write_text(w.IMAGES_PLUGIN, encoding="utf-8")
    plan, registry = w.load(spec)
    work = make_workload(registry, plan.runs[0], torch.device("cpu"))
    starts = [[p.detach().t().numpy() for p in work.make_model(seed).parameters()] for seed in range(w.SEEDS)]
    np.savez(
        folder / "inputs.npz",
        inputs=work.train.inputs.flatten(1).numpy(),
        targets=work.train.targets.numpy(),
        orders=[rows_of_steps(len(work.train), work.batch_size or 0, seed) for seed in range(w.SEEDS)],
        rules=[run.choices["optimizer"].alternative.label for run in plan.runs],
        rates=[run.choices["optimizer"].settings["lr"] for run in plan.runs],
        seeds=[run.seed for run in plan.runs],
        **{f"start{i}": np.stack(parts) for i, parts in enumerate(zip(*starts, strict=True))},
    )
    (folder / "ids.txt").write_text("\n".join(run.id for run in plan.runs), encoding="utf-8")


def rows_of_steps(rows: int, size: int, seed: int) -> np.ndarray:
    """Return the rows of each step's batch, as xprun takes them: [STEPS, size]; for a full one [0]."""
    from xprun.runner.workload.batch_order import epoch_orders

    batches = rows // size if size else 0
    epochs = islice(epoch_orders(rows, seed), -(-STEPS // batches) if size else 0)
    found = [order[: batches * size].reshape(-1, size).numpy() for order in epochs]
    return np.concatenate(found)[:STEPS].astype(np.int32) if size else np.zeros(0, np.int32)


def training_of(out: Path) -> float:
    """Return the seconds that the training of all runs took."""
    with (out / "results.csv").open(encoding="utf-8") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file))


def compare(out: Path, losses: Path, *, exactly: bool) -> None:
    """Raise AssertionError where the tools' final losses differ: of each run, or on the average over all."""
    with (out / "results.csv").open(encoding="utf-8") as file:
        found = {row["run"]: float(row["final.loss"]) for row in csv.DictReader(file)}
    ours = np.array([found[run] for run in (out.parent / "ids.txt").read_text(encoding="utf-8").split()])
    theirs = np.load(losses)
    if exactly:
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=1e-6)
    else:
        np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=0.1)


# --- the same in JAX: pure functions of one run, mapped over the runs of a family, scanned over steps


def train_in_jax(file: Path) -> None:
    """Train all runs as one program; print the seconds of the training alone, and keep the final losses."""
    import jax
    import jax.numpy as jnp

    given = np.load(file)
    X, y = jnp.asarray(given["inputs"]), jnp.asarray(given["targets"])
    starts = [jnp.asarray(given[key]) for key in sorted(key for key in given if key.startswith("start"))]
    rates, seeds = jnp.asarray(given["rates"], jnp.float32), jnp.asarray(given["seeds"])
    orders = jnp.asarray(given["orders"]) if given["orders"].size else None
    families = {rule: np.flatnonzero(given["rules"] == rule) for rule in dict.fromkeys(given["rules"].tolist())}

    def loss_of(parameters: list[Any], x: Any, target: Any) -> Any:
        for i in range(0, len(parameters), 2):
            x = x @ parameters[i] + parameters[i + 1]
            x = jax.nn.relu(x) if i + 2 < len(parameters) else x
        if target.ndim == 2:
            return jnp.mean((x - target) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), target[:, None], 1))

    def train(rule: Any, lr: Any, seed: Any, order: Any) -> Any:
        parameters = [start[seed] for start in starts]
        states = [(jnp.zeros_like(p), jnp.zeros_like(p)) for p in parameters]

        def step(carry: Any, now: Any) -> Any:
            parameters, states = carry
            t, rows = now
            x, target = (X, y) if rows is None else (X[rows], y[rows])
            loss, slopes = jax.value_and_grad(loss_of)(parameters, x, target)
            moved = [rule(p, g, s, lr, t) for p, g, s in zip(parameters, slopes, states, strict=True)]
            return ([p for p, _ in moved], [s for _, s in moved]), loss

        return jax.lax.scan(step, (parameters, states), (jnp.arange(1.0, STEPS + 1), order))[1]

    @jax.jit
    def everything(rates: Any, seeds: Any) -> Any:
        losses = jnp.zeros((RUNS, STEPS))
        for rule, runs in families.items():
            one = lambda lr, seed, rule=rule: train(RULES[rule], lr, seed, None if orders is None else orders[seed])  # noqa: E731
            losses = losses.at[runs].set(jax.vmap(one)(rates[runs], seeds[runs]))
        return losses

    program = everything.lower(rates, seeds).compile()
    start = time.perf_counter()
    losses = jax.block_until_ready(program(rates, seeds))
    print(time.perf_counter() - start)
    np.save(file.with_name("losses.npy"), losses[:, -1])


def sgd(p: Any, g: Any, s: Any, lr: Any, t: Any) -> Any:
    return p - lr * g, s


def momentum(p: Any, g: Any, s: Any, lr: Any, t: Any) -> Any:
    m = 0.9 * s[0] + g
    return p - lr * m, (m, s[1])


def rmsprop(p: Any, g: Any, s: Any, lr: Any, t: Any) -> Any:
    v = 0.99 * s[1] + 0.01 * g * g
    return p - lr * g / (v**0.5 + 1e-8), (s[0], v)


def adagrad(p: Any, g: Any, s: Any, lr: Any, t: Any) -> Any:
    v = s[1] + g * g
    return p - lr * g / (v**0.5 + 1e-10), (s[0], v)


def adam(p: Any, g: Any, s: Any, lr: Any, t: Any) -> Any:
    m, v = 0.9 * s[0] + 0.1 * g, 0.999 * s[1] + 0.001 * g * g
    return p - lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8), (m, v)


RULES = {"SGD": sgd, "SGD momentum": momentum, "RMSprop": rmsprop, "Adagrad": adagrad, "Adam": adam}


if __name__ == "__main__":
    main()
