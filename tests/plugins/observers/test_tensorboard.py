"""TensorBoard reads what a run leaves behind: curves, settings and results, also of runs that were cached."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from xprun.plugins.observers.tensorboard import tensorboard
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.atomic_files import replace_folder
from xprun.runner.status.progress import Silent
from xprun.specs import read_document, read_spec

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")

SPEC = """
data = { name = "line", samples = 20, batch_size = 5 }
model = { name = "linear" }
loss = { name = "MSELoss" }
optimizer = { name = "scratch.gd", label = "a/b: c", lr = { grid = [0.1, 0.5] } }
run = { epochs = 3, metrics = ["mae"] }
"""


def run(path: Path, folder: Path, *sets: str) -> None:
    spec = resolve(read_spec(read_document(path, sets)), REGISTRY)
    run_experiment(spec, REGISTRY, Options(folder), Silent())


def read(folder: Path) -> Any:
    """Return what TensorBoard finds in a log directory."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return events


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_has_its_curves_and_settings_in_a_directory_of_its_own(
    write: Callable[[str], Path], tmp_path: Path
) -> None:
    run(write(SPEC), tmp_path / "out", 'run.observers=["tensorboard"]')
    logs = sorted((tmp_path / "out" / "tensorboard").iterdir())
    assert len(logs) == 2
    assert all(log.name.startswith("a_b_c-") for log in logs)
    events = read(logs[0])
    assert [point.step for point in events.Scalars("loss")] == list(range(1, 13))
    assert [point.step for point in events.Scalars("train/mae")] == [0, 4, 8, 12]
    assert {"final/train.mae", "best/loss"} <= set(events.Tags()["scalars"])
    [given, linear, output] = events.Graph().node
    assert (given.name, linear.name, linear.input[0], output.input[0]) == ("input", "linear", "input", "linear")
    assert [size.size for size in given.attr["_output_shapes"].list.shape[0].dim] == [-1, 1]
    assert linear.attr["parameters"].i == 2
    started = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"optimizer.lr" in started
    assert b"a/b: c" in started


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_runs_of_an_earlier_call_are_written_too_and_none_is_trained_again(
    write: Callable[[str], Path], tmp_path: Path
) -> None:
    path, folder = write(SPEC), tmp_path / "out"
    run(path, folder)
    before = (folder / "results.csv").read_text()
    assert not (folder / "tensorboard").exists()
    run(path, folder, 'run.observers=["tensorboard"]')
    assert len(list((folder / "tensorboard").iterdir())) == 2
    assert (folder / "results.csv").read_text() == before
    files = sorted((folder / "tensorboard").rglob("events*"))
    run(path, folder, 'run.observers=["tensorboard"]')
    assert sorted((folder / "tensorboard").rglob("events*")) == files


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_who_reads_a_run_so_far_reads_the_whole_when_it_has_ended(tmp_path: Path) -> None:
    """No point twice: TensorBoard has an earlier step for an error, and draws a line back."""
    observer, folder = tensorboard(), tmp_path / "run"
    folder.mkdir()
    observer.advance(folder, {}, {"valid.mae": ([5], [1.0])})
    events = read(folder)
    observer.advance(folder, {}, {"valid.mae": ([7, 9], [0.5, 0.25])})
    events.Reload()
    assert [(point.step, point.value) for point in events.Scalars("valid/mae")] == [(5, 1.0), (7, 0.5), (9, 0.25)]
    history = {"valid.mae": (range(1, 11), [1 / step for step in range(1, 11)])}
    replace_folder(folder, lambda into: observer(into, {"lr": 0.1}, history, {"final.valid.mae": 0.1}))
    events.Reload()
    assert [point.step for point in events.Scalars("valid/mae")] == list(range(1, 11))


def test_a_missing_package_is_told_before_anything_is_trained(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xprun.plugins.observers.tensorboard.find_package", lambda name: None)
    result = CliRunner().invoke(main, ["check", str(write(SPEC)), "--set", 'run.observers=["tensorboard"]'])
    assert result.exit_code == 2
    assert "tensorboard is not installed: pip install 'xprun[tensorboard]'" in result.stderr


def test_an_unknown_observer_is_told(write: Callable[[str], Path]) -> None:
    path = write(SPEC.replace("epochs = 3", 'epochs = 3, observers = ["tensorbord"]'))
    message = CliRunner().invoke(main, ["check", str(path)]).stderr
    assert "there is no observer named 'tensorbord'; did you mean 'tensorboard'?" in message
    assert ":6:" in message
