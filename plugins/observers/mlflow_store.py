"""MLflow: settings, curves and results of each run in a store of files, and the curves so far while it trains."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xprun.plugins.python_packages import find_package
from xprun.plugins.registry import observer

if TYPE_CHECKING:
    from mlflow import MlflowClient

History = dict[str, tuple[Iterable[int], Iterable[float]]]
STORE, EXPERIMENT = "store", "xprun"
RUN = "xprun.run"  # the tag that holds the id of a run
METRICS, SETTINGS = 1000, 100  # of one request: MLflow's own limits
LONGEST_SETTING = 500  # characters that MLflow keeps of one in its oldest versions


@observer("mlflow")
def mlflow() -> MlflowRuns:
    """Runs of an MLflow store, in mlflow/store or at $MLFLOW_TRACKING_URI; needs `pip install 'xprun[mlflow]'`."""
    if find_package("mlflow") is None:
        raise ModuleNotFoundError("mlflow is not installed: pip install 'xprun[mlflow]'")
    return MlflowRuns()


class MlflowRuns:
    """Logs a run that has ended, and before that what it has reached so far. A run has one MLflow run at a time."""

    def __call__(
        self,
        folder: Path,
        settings: dict[str, str | float],
        history: History,
        results: dict[str, float],
        run: str,
    ) -> None:
        """Log the whole history, and the results, which have no step, as `final.*`, `best.*` and the like."""
        client = _connect(folder)
        for earlier in _runs(client, run):
            client.delete_run(earlier)  # what it had reached so far, or when it was trained before
        number = _begin(client, settings, run)
        _log(client, number, history)
        _log(client, number, {name: ([0], [value]) for name, value in results.items()})
        client.set_terminated(number)

    def advance(self, folder: Path, settings: dict[str, str | float], history: History, run: str) -> None:
        """Log what is new since the last call."""
        client = _connect(folder)
        running = _runs(client, run, "attributes.status = 'RUNNING'")
        _log(client, running[0] if running else _begin(client, settings, run), history)


def _connect(folder: Path) -> MlflowClient:
    """Return a client of the store that runs share: beside their folders, or where the environment says."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer versions refuse one that nobody has asked for
    from mlflow import MlflowClient

    return MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or (folder.parent / STORE).absolute().as_uri())


def _experiment(client: MlflowClient) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    return str(found.experiment_id if found else client.create_experiment(EXPERIMENT))


def _runs(client: MlflowClient, run: str, more: str = "") -> list[str]:
    """Return the MLflow ids of a run of ours."""
    wanted = " and ".join(filter(None, [f"tags.`{RUN}` = '{run}'", more]))
    return [found.info.run_id for found in client.search_runs([_experiment(client)], wanted)]


def _begin(client: MlflowClient, settings: dict[str, str | float], run: str) -> str:
    from mlflow.entities import Param

    name = f"{settings.get('optimizer', 'run')}-{run}"
    number = client.create_run(_experiment(client), tags={RUN: run}, run_name=name).info.run_id
    parameters = [Param(key, str(value)[:LONGEST_SETTING]) for key, value in settings.items()]
    for start in range(0, len(parameters), SETTINGS):
        client.log_batch(number, params=parameters[start : start + SETTINGS])
    return str(number)


def _log(client: MlflowClient, number: str, history: History) -> None:
    """Log curves; values that are not finite, which some stores refuse, are left out."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points: list[Any] = [
        Metric(metric, float(value), now, int(step))
        for metric, (steps, values) in history.items()
        for step, value in zip(steps, values, strict=True)
        if math.isfinite(value)
    ]
    for start in range(0, len(points), METRICS):
        client.log_batch(number, metrics=points[start : start + METRICS])
