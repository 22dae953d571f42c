"""An interrupt ends a command in good order, a second one at once; nothing that it started is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.fault_runs import rounds
from xprun.runner.store.recovery import read_store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
GRID = """
device = "cpu"
[data]
name = "line"
samples = 20
batch_size = "full"
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "faulty"
lr = { linspace = [0.01, 0.1], num = 1000 }
[run]
steps = 300
engine = "alone"
"""
RUNS = 1000
PLUGIN = Path(__file__).with_name("faulty.py")
NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@dataclass
class Ending:
    """How a command ended, how long it took in all and after the last signal, and whether processes were left."""

    code: int
    seconds: float
    after: float
    left: bool
    output: str


Command = Callable[..., Ending]


@pytest.fixture(scope="module")
def helper() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("interrupted.py"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def xprun(helper: subprocess.Popen[str], tmp_path: Path) -> Command:
    """Return a function that runs the grid with further arguments, and sends signals at instants after `when`."""
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")

    def run(*arguments: str, signals: list[tuple[float, int]], when: str = "") -> Ending:
        (tmp_path / "said").write_text("", encoding="utf-8")
        job: dict[str, Any] = {"folder": str(tmp_path), "output": str(tmp_path / "said")}
        job |= {"signals": signals, "when": when}
        job["command"] = ["grid.toml", "--plugin", str(PLUGIN), "-v", *arguments]
        assert helper.stdin and helper.stdout
        helper.stdin.write(json.dumps(job) + "\n")
        helper.stdin.flush()
        ending = json.loads(helper.stdout.readline())
        return Ending(**ending, output=(tmp_path / "said").read_text(encoding="utf-8"))

    return run


def test_the_first_interrupt_ends_the_work_in_good_order(xprun: Command, tmp_path: Path) -> None:
    chance = random.Random(0)
    for number in range(rounds(2, 70)):
        wanted, out = NUMBERS[number % 3], tmp_path / f"out{number}"
        when = " done" if number % 4 != 1 else ""
        ending = xprun("-j", "2", "-o", out.name, signals=[(chance.uniform(0.0, 1.0), wanted)], when=when)
        assert not ending.left
        if ending.code == -wanted:  # before it had begun
            assert not when
            assert not out.exists()
            continue
        assert ending.code == 128 + wanted, ending.output
        check_order(ending, out)
        assert f"To go on: xprun grid.toml -o {out.name} --plugin {PLUGIN}" in ending.output


def check_order(ending: Ending, out: Path) -> None:
    """See that what was reported is stored, and the tables hold it."""
    stored, damaged = read_store(out / "store.sqlite")
    assert not damaged
    reported = [line.split()[0] for line in ending.output.splitlines() if " done" in line]
    assert set(reported) <= set(stored)
    if stored:
        table = pd.read_csv(out / "results.csv", dtype={"run": str})
        assert set(table["run"]) == set(stored)
        assert f"Not finished: only {len(stored)} of {RUNS} planned runs" in (out / "report.md").read_text(
            encoding="utf-8"
        )


def test_the_second_interrupt_ends_it_at_once_and_leaves_no_half_file(xprun: Command, tmp_path: Path) -> None:
    chance = random.Random(1)
    for number in range(rounds(1, 30)):
        first, second, out = chance.choice(NUMBERS), chance.choice(NUMBERS), tmp_path / f"out{number}"
        instant = chance.uniform(0.0, 0.5)
        later = instant + chance.uniform(0.1, 0.5)  # two of one number at once are one
        signals = [(instant, int(first)), (later, int(second))]
        ending = xprun("-j", "2", "-o", out.name, signals=signals, when=" done")
        assert ending.code == -second, ending.output
        assert ending.after < 1
        assert not ending.left
        if (out / "results.csv").exists():
            assert len(pd.read_csv(out / "results.csv")) > 0
        assert not read_store(out / "store.sqlite")[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_nothing_is_left_of_workers_that_hang(xprun: Command, number: int, code: int) -> None:
    sets = ["--set", "optimizer.how=['sound', 'C loop', 'child']", "--set", "optimizer.lr=0.1"]
    ending = xprun("-j", "2", *sets, "-o", "out", signals=[(0.5, number)], when=" done")
    assert ending.code == code, ending.output
    assert not ending.left
