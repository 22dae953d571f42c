"""A driver that is killed loses the run in flight, and nothing that it has reported."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.fault_checks import calls_of, check_end, spread
from support.fault_runs import RUNS, Ending, Experiment, rounds, without_seconds
from xprun.runner.store.recovery import read_store


@pytest.fixture
def fresh(uninterrupted: Experiment, tmp_path: Path) -> Experiment:
    return Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / "out")


WORKERS = [None, 1, 2]  # as many as the size of the work repays, one, two


def test_a_driver_killed_at_random_instants_goes_on_where_it_was(uninterrupted: Experiment, fresh: Experiment) -> None:
    chance = random.Random(0)
    kills, finished, wanted, latest = 0, 0, rounds(5, 400), 0.5
    while kills < wanted:
        latest *= 1.02  # in the end some run ends before, however busy the machine is
        ending = fresh.run(kill_after=[chance.uniform(0, latest)], workers=chance.choice(WORKERS))
        kills += ending.code == -9
        assert ending.code in (-9, 0), ending.output
        if ending.code == 0:
            check_end(fresh, uninterrupted)
            finished, latest = finished + 1, 0.6 * ending.seconds
            fresh = Experiment(fresh.driver, fresh.spec, fresh.folder.with_name(f"out{finished}"))
    assert fresh.run().code == 0
    check_end(fresh, uninterrupted)
    print(f"the driver was killed {kills} times at random; {finished + 1} grids finished")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers as Linux tells them")
def test_a_worker_killed_at_random_instants_costs_nobody_a_run(uninterrupted: Experiment, tmp_path: Path) -> None:
    chance = random.Random(0)
    kills, number, latest = 0, 0, 1.0
    while kills < rounds(4, 250):
        experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / f"out{number}")
        ending = experiment.run(kill_worker_after=[chance.uniform(0, latest)], workers=chance.choice(WORKERS))
        check_one_go(experiment, ending, uninterrupted)
        kills, number, latest = kills + ending.killed, number + 1, ending.seconds
    print(f"a worker was killed {kills} times at random; {number} grids finished in one go")


def test_a_worker_killed_at_a_system_call_costs_nobody_a_run(uninterrupted: Experiment, tmp_path: Path) -> None:
    if not uninterrupted.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    chance = random.Random(0)
    for number in range(rounds(3, 100)):
        experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / f"out{number}")
        call = chance.randint(1, 50)  # of the about 60 that the worker makes to hear and to tell, and to write
        ending = experiment.run(worker_fault={"at": call, "until": call, "errno": 0}, workers=chance.choice([1, 2]))
        assert experiment.folder.with_suffix(".0.struck").exists()
        check_one_go(experiment, ending, uninterrupted)


def check_one_go(experiment: Experiment, ending: Ending, uninterrupted: Experiment) -> None:
    """See that a call has finished everything by itself."""
    assert ending.code == 0, ending.output
    assert len(experiment.reported()) == RUNS
    check_end(experiment, uninterrupted)


def test_a_driver_killed_at_a_system_call_goes_on_where_it_was(uninterrupted: Experiment, tmp_path: Path) -> None:
    if not uninterrupted.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    calls = calls_of(uninterrupted, tmp_path) - VARY
    for number, call in enumerate(spread(calls, rounds(4, 200))):
        experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / f"out{number}")
        assert experiment.run(fault={"at": call, "until": call, "errno": 0}).code == -9
        ending = experiment.run()
        assert ending.code == 0, ending.output
        check_end(experiment, uninterrupted)


VARY = 20  # calls by which runs may differ, because a row takes more room the more digits its times have


STRUCK = [
    "fsync",
    "fdatasync",
    "pwrite64",
    "rename",
    "unlink",
    "openat",
    "write",
    "sendto",
    "recvfrom",
    "mmap",
    "close",
]
LIMIT = ["strace", "-o", "/dev/null"]


def test_a_command_killed_at_any_kind_of_system_call_goes_on(uninterrupted: Experiment, tmp_path: Path) -> None:
    """The real command, under strace: not only calls that change files, and no process that is forked for the tests."""
    if not shutil.which("strace") or subprocess.run([*LIMIT, "true"], check=False).returncode:
        pytest.skip("needs strace, and the permission to use it")
    chance = random.Random(0)
    kills = number = 0
    while kills < rounds(1, 50):
        experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / f"out{number}")
        call, when = chance.choice(STRUCK), round(math.exp(chance.uniform(0, math.log(200))))
        strike = [*LIMIT, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={when}"]
        command = [sys.executable, "-c", COMMAND, str(experiment.spec), "-o", str(experiment.folder), "-q"]
        done = subprocess.run([*strike, *command], capture_output=True, text=True, check=False)
        assert done.returncode in (-9, 0), done.stderr
        kills, number = kills + (done.returncode == -9), number + 1
        assert experiment.run().code == 0
        check_end(experiment, uninterrupted)
    print(f"the command was killed {kills} times at system calls")


COMMAND = "from xprun.runner.cli.main import main; main()"


def test_a_reader_never_sees_half_a_file(uninterrupted: Experiment, tmp_path: Path) -> None:
    experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / "out")
    first = experiment.run(pages=True, fault={"at": 10**9, "until": 10**9, "errno": 0})
    assert first.code == 0, first.output
    reader = Reader(experiment.folder)
    reader.start()
    chance = random.Random(0)
    kills = 0
    try:
        while kills < rounds(4, 250):
            call = chance.randint(1, first.calls or 1)
            fault = {"at": call, "until": call, "errno": 0} if experiment.driver.can_fail_io else None
            ending = experiment.run(pages=True, rerun="all", fault=fault)  # all files are written anew
            assert ending.code in (-9, 0), ending.output
            kills += ending.code == -9 or fault is None
        assert experiment.run(pages=True).code == 0
    finally:
        reader.stop()
    assert reader.reads > 0
    assert reader.bad == []
    assert experiment.tables() == uninterrupted.tables()
    print(f"all files were read {reader.reads} times during {kills} kills, none of them by halves")


class Reader(threading.Thread):
    """Reads every file of an output folder again and again, and notes those that are not whole, or are gone."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.files = sorted(path for path in folder.rglob("[!.]*.*") if path.is_file())
        self.lines = {path: lines_of(path) for path in self.files if path.suffix in LINES}
        assert {path.suffix for path in self.files} >= {".csv", ".html", ".md", ".png", ".json", ".sqlite"}
        self.reads, self.bad = 0, list[str]()
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.001):
            for path in self.files:
                try:
                    whole = self.is_whole(path)
                except (OSError, ValueError, sqlite3.Error) as error:
                    self.bad.append(f"{path}: {error}")
                else:
                    self.bad += [] if whole else [f"{path}: {path.read_bytes()[-200:]!r}"]
            self.reads += 1

    def is_whole(self, path: Path) -> bool:
        if path.suffix == ".sqlite":
            records, damaged = read_store(path)
            return len(records) == RUNS and not damaged
        if path.suffix in LINES:
            return lines_of(path) == self.lines[path]
        content = path.read_bytes()
        if path.suffix == ".json":
            return bool(json.loads(content))
        start, end = ENDS.get(path.suffix, (b"", b"\n"))
        return content.startswith(start) and content.endswith(end)

    def stop(self) -> None:
        self._end.set()
        self.join()


ENDS = {
    ".html": (b"<!DOCTYPE html>", b"</html>\n"),
    ".png": (b"\x89PNG", b"IEND\xaeB`\x82"),
    ".parquet": (b"PAR1", b"PAR1"),
}
LINES = (".csv", ".md")  # of these every line must be there


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file but for its times, and in a page for all numbers and what git says of the sources."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return without_seconds(text).splitlines()
    return [line for line in re.sub(r"\d[\d.e:+-]*", "0", text).splitlines() if not line.startswith("| git")]
