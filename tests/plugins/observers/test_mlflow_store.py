"""MLflow's own client finds each run once, with its settings, its curves and its results, before and after its end."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from xprun.plugins.observers.mlflow_store import EXPERIMENT, STORE, mlflow

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed: pip install 'xprun[mlflow]'"
    ),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]
SETTINGS: dict[str, str | float] = {"optimizer": "SGD", "optimizer.lr": 0.1}


def runs_of(folder: Path) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient((folder / STORE).as_uri())
    [experiment] = [found for found in client.search_experiments() if found.name == EXPERIMENT]
    return [(run, client) for run in client.search_runs([experiment.experiment_id])]


def test_a_run_is_there_while_it_trains_and_whole_when_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    observer, folder = mlflow(), tmp_path / "SGD-abc"
    for step in (3, 5):
        observer.advance(folder, SETTINGS, {"valid.mae": ([step], [1 / step])}, run="abc")
    [(run, client)] = runs_of(tmp_path)
    assert (run.info.status, run.info.run_name) == ("RUNNING", "SGD-abc")
    assert [point.step for point in client.get_metric_history(run.info.run_id, "valid.mae")] == [3, 5]
    history = {"valid.mae": (range(1, 8), [1 / step for step in range(1, 8)]), "loss": ([1, 2], [float("nan"), 2.0])}
    observer(folder, SETTINGS, history, {"final.valid.mae": 0.125}, run="abc")
    observer(folder.with_name("Adam-def"), SETTINGS, {}, {}, run="def")
    found = {run.data.tags["xprun.run"]: run for run, _ in runs_of(tmp_path)}
    assert found.keys() == {"abc", "def"}
    run = found["abc"]
    assert (run.info.status, run.data.params) == ("FINISHED", {"optimizer": "SGD", "optimizer.lr": "0.1"})
    assert run.data.metrics == {"valid.mae": pytest.approx(1 / 7), "loss": 2.0, "final.valid.mae": 0.125}
    assert [point.step for point in client.get_metric_history(run.info.run_id, "valid.mae")] == list(range(1, 8))
