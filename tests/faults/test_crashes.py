"""A component that crashes, exits, hangs or takes too much memory costs its own run, and no other."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.fault_runs import LONG, rounds
from xprun.plugins.discovery import open_registry
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.runner.workers.isolated import run_isolated
from xprun.runner.workers.pool import get_pool
from xprun.runner.workers.spawner import CAN_FORK
from xprun.specs import Run, read_document, read_spec

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
PLUGIN = Path(__file__).with_name("faulty.py")
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
[run]
steps = 5
"""
LIMIT = 1.5  # seconds that a run may take here
TOOK = rf"took longer than run.timeout = {LIMIT} s, at .*"
IN_RULE = r"faulty.py:\d+ in faulty"
REASONS = {  # what is told of each fault
    "segfault": ("failed", rf"ended by SIGSEGV \(Segmentation fault\), at .* < {IN_RULE}"),
    "abort": ("failed", rf"ended by SIGABRT \(Aborted\), at {IN_RULE}"),
    "exit": ("failed", "exited with code 0"),
    "sys.exit": ("failed", r"SystemExit: I give up \(faulty.py:\d+\)"),
    "memory": ("failed", r"MemoryError:  \(faulty.py:\d+\)"),
    "killed": ("failed", r"was killed \(SIGKILL\), probably out of memory"),
    "closed": ("failed", "(?:broke|lost) its connection to xprun"),
    "rubbish": ("failed", "(?:broke|lost) its connection to xprun"),
    "server": ("failed", "it ended the process from which workers are forked, twice"),
    "sleep": ("timeout", TOOK + IN_RULE),
    "C loop": ("timeout", TOOK + rf"in loop < {IN_RULE}"),
    "thread": ("timeout", TOOK + rf"in thread < {IN_RULE}"),
}


class Listener(Silent):
    """Counts how often each run is reported as ended, and when."""

    def __init__(self, at_start: Callable[[], None]) -> None:
        self.ends: Counter[str] = Counter()
        self.times: list[float] = []
        self.at_start = at_start

    def start(self, *counts: object) -> None:
        self.at_start()

    def ended(self, run: Run, outcome: Outcome) -> None:
        self.ends[run.id] += 1
        self.times.append(time.monotonic())


Results = tuple[pd.DataFrame, Listener]


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Results]:
    """Return a function that trains the grid with changed settings and gives `results.csv`, and who ended when."""

    def go(*sets: str, workers: int = 2, at_start: Callable[[], None] = lambda: None) -> Results:
        spec_file = tmp_path / "grid.toml"
        spec_file.write_text(GRID, encoding="utf-8")
        registry, listener = open_registry((PLUGIN,)), Listener(at_start)
        spec = resolve(read_spec(read_document(spec_file, sets)), registry)
        run_experiment(spec, registry, Options(tmp_path / "out", (PLUGIN,), workers=workers), listener)
        return pd.read_csv(tmp_path / "out" / "results.csv", keep_default_na=False), listener

    return go


def swept(*hows: str) -> str:
    return f"optimizer.how={['sound', *hows]}"


def check(table: pd.DataFrame, listener: Listener) -> None:
    """See that every run has what is its own, and ended once."""
    for how, runs in table.groupby("optimizer.how"):
        status, reason = REASONS.get(str(how), ("done", "^$"))
        assert set(runs["status"]) == {status}, runs
        assert runs["reason"].str.contains(reason).all(), runs["reason"].tolist()
    assert set(listener.ends.values()) == {1}
    assert len(listener.ends) == len(table)


CRASHES = ["segfault", "abort", "exit", "sys.exit", "memory", "killed", "closed", "rubbish"]
HARMLESS = ["forks", "traces"]  # to others, and to itself
HANGS = ["sleep", "C loop", "thread"]


@pytest.mark.parametrize("engine", ["together", "alone"])
def test_a_crash_costs_the_run_that_does_it(results: Callable[..., Results], engine: str) -> None:
    check(*results(swept(*CRASHES, *HARMLESS), f"run.engine='{engine}'", f"run.seeds={rounds(1, 25)}"))


@pytest.mark.parametrize(("engine", "hangs"), [("together", HANGS if LONG else HANGS[1:2]), ("alone", HANGS)])
def test_a_hang_ends_after_the_time_limit_and_within_two_seconds(
    results: Callable[..., Results], engine: str, hangs: list[str]
) -> None:
    settings = [f"run.engine='{engine}'", f"run.seeds={rounds(1, 25)}", f"run.timeout={LIMIT}"]
    table, listener = results(swept(*hangs), *settings, workers=len(hangs))
    check(table, listener)
    ends = sorted(listener.times)
    assert max(later - sooner for sooner, later in pairwise(ends)) < LIMIT + 2


def test_the_death_of_what_workers_are_forked_from_costs_no_run(results: Callable[..., Results]) -> None:
    get_pool().prepare()
    spawner: Any = get_pool().spawner
    run_isolated(os.getpid)  # it is ready
    kill = threading.Timer(0.3, spawner.server.kill)
    table, listener = results("run.engine='alone'", "run.seeds=2", "run.steps=4000", at_start=kill.start)
    assert table["status"].tolist() == ["done"] * 2
    assert set(listener.ends.values()) == {1}
    assert spawner is not get_pool().spawner


@pytest.mark.skipif(not CAN_FORK, reason="elsewhere workers are not forked")
@pytest.mark.parametrize("engine", ["together", "alone"])
def test_a_run_that_ends_what_workers_are_forked_from_is_not_tried_for_ever(
    results: Callable[..., Results], engine: str
) -> None:
    check(*results(swept("server"), f"run.engine='{engine}'", "run.seeds=2"))


def test_what_workers_print_arrives_in_whole_lines(
    results: Callable[..., Results], capfd: pytest.CaptureFixture[str]
) -> None:
    results("optimizer.how='talks'", "run.engine='alone'", "run.seeds=4")
    out, err = capfd.readouterr()
    assert out.splitlines() == ["a line"] * 8000  # the rule is called for each parameter
    assert err.splitlines() == [2 * "half a line"] * 4
