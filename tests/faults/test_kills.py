"""A driver that is killed loses the run in flight, and nothing that it has reported."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest

from .conftest import TABLES, Experiment, rounds, without_seconds


@pytest.fixture
def fresh(uninterrupted: Experiment, tmp_path: Path) -> Experiment:
    return Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / "out")


def check_end(experiment: Experiment, uninterrupted: Experiment) -> None:
    """See that no run was trained again after it was reported, and that the tables are as if nothing had happened."""
    reported = experiment.reported()
    assert len(reported) == len(set(reported))
    assert experiment.tables() == uninterrupted.tables()
    assert not list(experiment.folder.glob("store.sqlite.damaged*"))


def test_a_driver_killed_at_random_instants_goes_on_where_it_was(uninterrupted: Experiment, fresh: Experiment) -> None:
    chance = random.Random(0)
    kills, finished, wanted = 0, 0, rounds(6, 700)
    assert uninterrupted.first
    latest = min(0.5, 0.6 * uninterrupted.first.seconds)  # the first run on a busy machine may have taken long
    while kills < wanted:
        ending = fresh.run(kill_after=chance.uniform(0, latest))
        kills += ending.code == -9
        assert ending.code in (-9, 0), ending.output
        if ending.code == 0:
            check_end(fresh, uninterrupted)
            finished += 1
            fresh = Experiment(fresh.driver, fresh.spec, fresh.folder.with_name(f"out{finished}"))
    assert fresh.run().code == 0
    check_end(fresh, uninterrupted)
    print(f"{kills} kills, {finished + 1} grids finished")


def test_a_driver_killed_at_a_system_call_goes_on_where_it_was(uninterrupted: Experiment, tmp_path: Path) -> None:
    if not uninterrupted.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    calls = calls_of(uninterrupted, tmp_path) - VARY
    for number, call in enumerate(spread(calls, rounds(5, 300))):
        experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / f"out{number}")
        assert experiment.run(fault={"at": call, "until": call, "errno": 0}).code == -9
        ending = experiment.run()
        assert ending.code == 0, ending.output
        check_end(experiment, uninterrupted)


VARY = 20  # calls by which runs may differ, because a row takes more room the more digits its times have


def calls_of(uninterrupted: Experiment, tmp_path: Path) -> int:
    """Return how many calls that change files an uninterrupted run makes."""
    experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / "counted")
    return experiment.run(fault={"at": 10**9, "until": 10**9, "errno": 0}).calls


def spread(calls: int, wanted: int) -> list[int]:
    """Return that many calls, from the first to the last."""
    return sorted({1 + round(i * (calls - 1) / (wanted - 1)) for i in range(wanted)})


def test_a_reader_never_sees_half_a_file(uninterrupted: Experiment, tmp_path: Path) -> None:
    experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / "out", ["run.seeds=2"])
    assert experiment.run().code == 0  # so that there are files to be replaced
    experiment.sets = []
    lines = {line for table in uninterrupted.tables().values() for line in table.splitlines()}
    reader = Reader(experiment.folder, lines)
    reader.start()
    try:
        for call in spread(250, rounds(5, 250)) if experiment.driver.can_fail_io else [1]:
            ending = experiment.run(fault={"at": call, "until": call, "errno": 0})
            assert ending.code in (-9, 0), ending.output
        assert experiment.run().code == 0
    finally:
        reader.stop()
    assert reader.reads > 0
    assert reader.bad == []
    check_end(experiment, uninterrupted)


class Reader(threading.Thread):
    """Reads the tables again and again, and notes every one that is not whole."""

    def __init__(self, folder: Path, lines: set[str]) -> None:
        super().__init__()
        self.folder, self.lines = folder, lines
        self.reads, self.bad = 0, list[str]()
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.001):
            for name in TABLES:
                text = (self.folder / name).read_text(encoding="utf-8")
                whole = text.endswith("\n") and set(without_seconds(text).splitlines()) <= self.lines
                self.bad += [] if whole else [text]
            json.loads((self.folder / "resolved.json").read_text(encoding="utf-8"))
            self.reads += 1

    def stop(self) -> None:
        self._end.set()
        self.join()
