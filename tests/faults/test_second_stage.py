"""Killed at any instant of the search or of the second stage, the tables are as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fault_checks import calls_of, check_end, spread
from support.fault_runs import GRID, Driver, Experiment, rounds, run_once

TWO_STAGES = GRID.replace("seeds = 4", "seeds = 2") + "[confirm]\nseeds = 6\n"
SEARCHED, CONFIRMED = 8, 6


@pytest.fixture(scope="module")
def whole(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Return an experiment of two stages that was run once, from its start to its end."""
    experiment = run_once(driver, TWO_STAGES, tmp_path_factory.mktemp("two_stages"))
    assert len(experiment.reported()) == SEARCHED + CONFIRMED
    return experiment


def fresh(whole: Experiment, tmp_path: Path) -> Iterator[Experiment]:
    """Yield experiments of the same spec in folders of their own."""
    number = 0
    while True:
        yield Experiment(whole.driver, whole.spec, tmp_path / f"out{number}")
        number += 1


def test_killed_at_random_instants_of_both_stages(whole: Experiment, tmp_path: Path) -> None:
    chance = random.Random(0)
    experiments = fresh(whole, tmp_path)
    experiment, kills, latest = next(experiments), 0, 0.5
    while kills < rounds(4, 50):
        latest *= 1.02  # in the end some run ends before, however busy the machine is
        ending = experiment.run(kill_after=[chance.uniform(0, latest)], workers=chance.choice([None, 1, 2]))
        kills += ending.code == -9
        assert ending.code in (-9, 0), ending.output
        if ending.code == 0:
            check_end(experiment, whole)
            experiment, latest = next(experiments), 0.6 * ending.seconds
    assert experiment.run().code == 0
    check_end(experiment, whole)


def test_killed_at_calls_of_both_stages(whole: Experiment, tmp_path: Path) -> None:
    if not whole.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    instants = spread(calls_of(whole, tmp_path) - 20, rounds(5, 50))  # the number of calls varies a little
    reached = []
    for call, experiment in zip(instants, fresh(whole, tmp_path), strict=False):
        assert experiment.run(fault={"at": call, "until": call, "errno": 0}).code == -9
        reached.append(len(experiment.reported()))
        ending = experiment.run()
        assert ending.code == 0, ending.output
        check_end(experiment, whole)
    assert any(runs < SEARCHED for runs in reached)
    assert any(runs > SEARCHED for runs in reached)
