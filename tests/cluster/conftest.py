"""What is trained on a cluster, and by two workers of this machine, with what tables are compared."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from support.processes import finish

PLUGIN = """
import os, time
from xprun.plugins import optimizer

@optimizer("mine.slow")
def slow(w, g, *, lr=0.1, pause=0.01):
    time.sleep(pause)
    return w - lr * g

@optimizer("mine.counts")
def counts(w, g, t, *, lr=0.1):
    with open("steps.txt", "a") as file:
        print(int(t), file=file)
    time.sleep(0.01)
    return w - lr * g

@optimizer("mine.exits")
def exits(w, g, t, *, lr=0.1):
    if t == 3:
        os._exit(3)
    return w - lr * g

@optimizer("mine.hangs")
def hangs(w, g, t, *, lr=0.1):
    if t == 3:
        time.sleep(1000)
    return w - lr * g
"""
SPEC = """
[data]
name = "line"
samples = 20
batch_size = "full"
[model]
name = "linear"
[loss]
name = "MSELoss"
[[optimizer]]
name = "mine.slow"
lr = { grid = [0.01, 0.02, 0.03, 0.04] }
[run]
steps = 40
seeds = 3
engine = "alone"
"""
LONG = SPEC.replace("mine.slow", "mine.counts").replace("{ grid = [0.01, 0.02, 0.03, 0.04] }", "0.01")
LONG = LONG.replace("steps = 40", "steps = 400\ncheckpoint_every = 50").replace("seeds = 3", "seeds = 1")
FAULT = """
[[optimizer]]
name = "mine.{fault}"
[run]
timeout = 10
"""
FAULTS = ("exits", "hangs")
PLACE = ["seconds", "host", "device"]  # columns that another place has otherwise

Xprun = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session", autouse=True)
def _only_when_asked() -> None:
    """Skip where nobody has asked for minutes in which nothing else should run."""
    if "XPRUN_CLUSTER" not in os.environ:
        pytest.skip("`make cluster` runs it")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "mine.py").write_text(PLUGIN, encoding="utf-8")
    (folder / "spec.toml").write_text(SPEC, encoding="utf-8")
    (folder / "long.toml").write_text(LONG, encoding="utf-8")
    for fault in FAULTS:
        spec = SPEC.replace("[run]\n", FAULT.format(fault=fault)).replace("seeds = 3", "seeds = 1")
        (folder / f"{fault}.toml").write_text(spec, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def start(folder: Path) -> Iterator[Xprun]:
    """Return a function that starts a command in the folder of the session, at whose end none runs any more."""
    begun = []

    def begin(spec: str, output: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "xprun", spec, "-o", output, "--plugin", "mine.py", "--no-report", *arguments]
        variables = {name: text for name, text in os.environ.items() if name != "XPRUN_JOBS"}
        begun.append(
            subprocess.Popen(
                command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()  # but those of tests that have failed have ended before
        process.communicate()


@pytest.fixture(scope="session")
def by_two_workers(start: Xprun) -> Callable[[str], str]:
    """Return a function that trains a spec by two workers of this machine, and gives the name of its output folder."""

    @cache
    def train(spec: str) -> str:
        output = f"{spec}-here"
        finish(start(f"{spec}.toml", output, "-j", "2"), code=1 if spec in FAULTS else 0)
        return output

    return train


@pytest.fixture
def assert_same(folder: Path, by_two_workers: Callable[[str], str]) -> Callable[..., None]:
    """Return a function that compares the tables of an output folder with those of two workers, to the byte."""

    def compare(output: str, spec: str = "spec") -> None:
        for name in ("results.csv", "history.csv"):
            here, there = (
                pd.read_csv(folder / at / name, dtype=str, keep_default_na=False).drop(columns=PLACE, errors="ignore")
                for at in (by_two_workers(spec), output)
            )
            pd.testing.assert_frame_equal(here, there)

    return compare


@pytest.fixture(scope="session")
def stored(folder: Path) -> Callable[[str], int]:
    """Return a function that counts the runs that an output folder has stored so far."""

    def count(output: str) -> int:
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{folder / output}/store.sqlite?mode=ro", uri=True)) as database,
        ):
            return int(database.execute("SELECT count(*) FROM runs").fetchone()[0])
        return 0

    return count
