"""A long training that is killed, again and again, goes on from its last saved state and ends as an undisturbed one."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fault_runs import Driver, Experiment, rounds
from xprun.runner.store.run_store import Store
from xprun.runner.store.snapshots import read_places

LONG_RUNS = """
[data]
name = "line"
samples = 20
batch_size = 5
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "scratch.momentum"
lr = { grid = [0.1, 0.01] }
[run]
gradient = { grid = ["manual", "autograd"] }  # by hand each run trains alone
epochs = 20
record_every = 1
metrics = ["mae"]
checkpoint_every = 1
save = "best"
engine = "together"
"""
Fresh = Callable[[str], Experiment]


@pytest.fixture(scope="module")
def undisturbed(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Return an experiment that was run once, from its start to its end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    spec = folder / "long.toml"
    spec.write_text(LONG_RUNS, encoding="utf-8")
    experiment = Experiment(driver, spec, folder / "out", workers=0)  # which saves states itself, where faults strike
    experiment.first = experiment.run(**NEVER)
    assert experiment.first.code == 0, experiment.first.output
    return experiment


NEVER = {"fault": {"at": 10**9, "until": 10**9, "errno": 0}}  # count calls, and fail none


@pytest.fixture
def fresh(undisturbed: Experiment, tmp_path: Path) -> Fresh:
    return lambda name: Experiment(undisturbed.driver, undisturbed.spec, tmp_path / name, workers=0)


def steps_saved(experiment: Experiment) -> int:
    """Return how many steps of unfinished trainings are saved."""
    return sum(place.step for _, place, _ in read_places(experiment.folder) if place)


def is_stored(experiment: Experiment, undisturbed: Experiment) -> bool:
    """Return whether the run has ended and is stored; the kill may have come before it was reported."""
    store = Store(experiment.folder)
    try:
        return bool(store.outcomes(undisturbed.reported()))
    finally:
        store.close()


def check_end(experiment: Experiment, undisturbed: Experiment) -> None:
    assert experiment.tables() == undisturbed.tables()
    assert checkpoints(experiment) == checkpoints(undisturbed)
    assert not list((experiment.folder / "resume").iterdir())


def checkpoints(experiment: Experiment) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (experiment.folder / "checkpoints").iterdir()}


def test_a_training_killed_at_a_system_call_does_the_rest_only(undisturbed: Experiment, fresh: Fresh) -> None:
    """Every state is saved by the same number of calls, so that calls tell how many epochs were done."""
    assert undisturbed.first
    if not undisturbed.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    calls = []
    for number in range(rounds(2, 200)):
        call = round(undisturbed.first.calls * (0.15 + 0.35 * number / (rounds(2, 200) - 1)))
        experiment = fresh(f"out{number}")
        assert experiment.run(fault={"at": call, "until": call, "errno": 0}).code == -9
        ending = experiment.run(**NEVER)
        assert ending.code == 0, ending.output
        check_end(experiment, undisturbed)
        calls.append(call + ending.calls)
    assert max(calls) - min(calls) < VARY


VARY = 30  # calls by which a second start, and an epoch that is done again, differ from others


def test_a_training_killed_again_and_again_gets_to_its_end(undisturbed: Experiment, fresh: Fresh) -> None:
    assert undisturbed.first
    chance, kills, finished = random.Random(0), 0, 0
    experiment, latest = fresh("out0"), 0
    while kills < rounds(4, 300):
        ending = experiment.run(kill_after=[chance.uniform(0, 0.4 * undisturbed.first.seconds)])
        assert ending.code in (-9, 0), ending.output
        kills += ending.code == -9
        if ending.code == 0:
            check_end(experiment, undisturbed)
            finished += 1
            experiment, latest = fresh(f"out{finished}"), 0
        elif not experiment.reported() and not is_stored(experiment, undisturbed):  # of those nothing is saved any more
            assert steps_saved(experiment) >= latest
            latest = steps_saved(experiment)
    assert experiment.run().code == 0
    check_end(experiment, undisturbed)
    print(f"{kills} kills, {finished + 1} trainings finished")


@pytest.mark.parametrize(("error", "lasting"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_a_disk_that_fails_while_a_state_is_saved_costs_one_line(
    error: int, lasting: bool, undisturbed: Experiment, fresh: Fresh
) -> None:
    assert undisturbed.first
    if not undisturbed.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    for number in range(rounds(1, 75)):
        call = round(undisturbed.first.calls * (0.15 + 0.4 * number / 75)) + 1
        experiment = fresh(f"out{number}")
        ending = experiment.run(fault={"at": call, "until": 10**9 if lasting else call, "errno": error})
        assert (ending.code, ending.output.count("\n")) in ((3, 1), (0, 0)), (call, ending.output)
        assert experiment.run().code == 0
        check_end(experiment, undisturbed)


def test_a_damaged_state_costs_time_and_nothing_else(undisturbed: Experiment, fresh: Fresh) -> None:
    assert undisturbed.first
    if not undisturbed.driver.can_fail_io:
        pytest.skip("needs Linux and a C compiler")
    chance = random.Random(1)
    for number in range(rounds(1, 200)):
        experiment = fresh(f"out{number}")
        call = undisturbed.first.calls // 3
        experiment.run(fault={"at": call, "until": call, "errno": 0})
        for path in (experiment.folder / "resume").glob("*.state"):
            path.write_bytes(damaged(path.read_bytes(), chance))
        ending = experiment.run()
        assert ending.code == 0, ending.output
        assert "is damaged; its runs start again from the beginning" in ending.output
        check_end(experiment, undisturbed)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return content with a bit flipped, or a part of it zeroed, cut off or left out."""
    a, b = sorted(chance.sample(range(len(content)), 2))
    ways = [
        content[:a] + bytes([content[a] ^ 1 << chance.randrange(8)]) + content[a + 1 :],
        content[:a] + b"\1" * (b - a) + content[b:],
        content[:a],
        content[:a] + content[b:],
    ]
    return chance.choice(ways)
