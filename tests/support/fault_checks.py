"""What holds after a fault, whatever it was."""

from __future__ import annotations

from pathlib import Path

from support.fault_runs import Experiment


def check_end(experiment: Experiment, uninterrupted: Experiment) -> None:
    """See that no run was trained again after it was reported, and that the tables are as if nothing had happened."""
    reported = experiment.reported()
    assert len(reported) == len(set(reported))
    assert experiment.tables() == uninterrupted.tables()
    assert not list(experiment.folder.glob("store.sqlite.damaged*"))


def calls_of(uninterrupted: Experiment, tmp_path: Path) -> int:
    """Return how many calls that change files an uninterrupted run makes."""
    experiment = Experiment(uninterrupted.driver, uninterrupted.spec, tmp_path / "counted")
    return experiment.run(fault={"at": 10**9, "until": 10**9, "errno": 0}).calls


def spread(calls: int, wanted: int) -> list[int]:
    """Return that many calls, from the first to the last."""
    return sorted({1 + round(i * (calls - 1) / (wanted - 1)) for i in range(wanted)})
