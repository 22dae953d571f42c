"""A run that takes its time is seen while it trains: on the live page, in TensorBoard, on a terminal, in lines."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

SPEC = """
data = { name = "line", samples = 40, batch_size = 10, valid = 0.2 }
model = { name = "linear" }
loss = { name = "MSELoss" }
optimizer = [{ name = "SGD", lr = 0.001 }, { name = "Adam", lr = 0.001 }]
run = { epochs = 10_000_000, evaluate_every = 500, metrics = ["mae"] }
"""
POINTS = 10
TRIES = 600  # each of a fifth of a second


@contextmanager
def training(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Train for longer than anybody looks, and end that."""
    (folder / "spec.toml").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "xprun", "spec.toml", "-o", "out", *options]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(found: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """Return what is found as soon as it is there; the training must not have ended by then."""
    for _ in range(TRIES):
        assert process.poll() is None, process.communicate()[1]
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError("nothing was seen while the runs trained")


def ask(url: str) -> str:
    """Return an answer; an empty one where the server has too much to do."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
    return ""


def test_the_live_page_draws_the_curves_so_far(tmp_path: Path) -> None:
    with training(tmp_path, "-j", "1", "--live-at", "0") as process:
        assert process.stderr is not None
        url = process.stderr.readline().removeprefix("live: ").strip()

        def most_points() -> int:
            return max(map(int, re.findall(r'data-points="(\d+)"', ask(f"{url}training.html"))), default=0)

        until(lambda: most_points() >= POINTS, process)
        drawn = until(lambda: ask(f"{url}training.html"), process)
        told = json.loads(until(lambda: ask(f"{url}progress.json"), process))
    assert set(re.findall(r"<figcaption>([\w.]+):", drawn)) == {"loss", "train.loss", "train.mae", "valid.mae"}
    assert (told["state"], told["ended"]) == ("running", 0)
    assert 0 < told["done"] < 1
    assert re.match(
        r"2 runs at epoch .* of 10,000,000, best now (SGD|Adam) seed=0: loss .*valid\.mae", told["training"]
    )


@pytest.mark.parametrize("jobs", ["1", "0"], ids=["in a worker", "here"])
@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_a_run_that_is_still_going(tmp_path: Path, jobs: str) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with training(tmp_path, "-j", jobs, "--set", 'run.observers=["tensorboard"]') as process:
        [log, *_] = until(lambda: list(tmp_path.glob("out/tensorboard/SGD-*")), process)
        events = EventAccumulator(str(log))

        def steps() -> list[int]:
            events.Reload()
            return [point.step for point in events.Scalars("loss")] if events.Tags()["scalars"] else []

        seen = until(lambda: found if len(found := steps()) >= 3 else [], process)
        more = until(lambda: found if len(found := steps()) > len(seen) else [], process)
        until(lambda: steps() and {"train/mae", "valid/mae"} <= set(events.Tags()["scalars"]), process)
    assert more == sorted(set(more))


def test_verbose_lines_have_numbers_while_runs_train(tmp_path: Path) -> None:
    with training(tmp_path, "-v") as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        line = next(line for line in lines if "epoch" in line)
    values = r"loss [\d.e-]+(, .*)?; [\d.]+ (s|min|h) left"
    assert re.match(rf"  2 runs at epoch [\d,]+ of 10,000,000, best now (SGD|Adam) seed=0: {values}$", line)
