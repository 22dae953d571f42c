"""How far runs elsewhere are travels in parcels, and through a folder that machines share."""

from __future__ import annotations

from pathlib import Path

from support.progress import progress_of
from xprun.runner.launchers.parcel_files import PROGRESS, read_parcels, read_progress, write_parcel, write_progress
from xprun.runner.launchers.parcels import Parcel
from xprun.runner.process.training_progress import TrainingProgress, heard_by
from xprun.runner.results.outcome import Outcome


def test_whoever_opens_a_parcel_hears_what_was_told_elsewhere() -> None:
    heard: list[TrainingProgress] = []
    told = [progress_of({"a": [1.0]}), progress_of({"a": [1.0, 0.5]})]
    with heard_by(heard.append):
        assert Parcel([Outcome("b", "done")], progress=told).open() == [Outcome("b", "done")]
    assert heard == told


def test_a_folder_holds_the_latest_progress_beside_the_outcomes(tmp_path: Path) -> None:
    assert read_progress(tmp_path) == []
    first, second = progress_of({"a": [1.0]}), progress_of({"a": [1.0, 0.5], "b": [0.25]})
    write_progress(tmp_path, [first])
    write_parcel(tmp_path, 1, Parcel([Outcome("c", "done")], progress=[first]))
    write_progress(tmp_path, [first, second])
    assert read_progress(tmp_path) == [first, second]
    [(parcel, error)] = read_parcels(tmp_path).values()
    assert ([outcome.run for outcome in parcel.outcomes], parcel.progress, error) == (["c"], [], "")


def test_rubbish_in_the_place_of_progress_is_none(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).write_bytes(b"\x00\n{}\n")
    assert read_progress(tmp_path) == []


def test_a_folder_that_cannot_be_written_costs_the_progress_only(tmp_path: Path) -> None:
    write_progress(tmp_path / "gone", [progress_of({"a": [1.0]})])
    assert not (tmp_path / "gone").exists()
