"""What hangs beside the training, where xprun tries and shows components, costs a note and not the grid."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from xprun.plugins.discovery import open_registry
from xprun.runner.experiment import Options, Report, run_experiment
from xprun.runner.resolve.resolver import resolve
from xprun.runner.status.progress import Silent
from xprun.specs import read_document, read_spec

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
PLUGIN = """
import time
from pathlib import Path
from torch import nn
from xprun.plugins import model, optimizer

@optimizer("slow")
def slow(w, g, t, *, lr: float = 0.1, hangs: bool = False):
    if hangs and t == 1:
        time.sleep(10**6)
    return w - lr * g

@model("shy")
def shy(x, y, *, hangs_after: str):
    "Hangs once there is a file."
    if Path(hangs_after).exists():
        time.sleep(10**6)
    return nn.Linear(x.shape[-1], y.shape[-1])
"""
GRID = """
device = "cpu"
[data]
name = "line"
samples = 20
batch_size = "full"
[model]
name = "shy"
hangs_after = "{hangs_after}"
[loss]
name = "MSELoss"
[optimizer]
name = "slow"
[run]
steps = 3
engine = "alone"
"""
Go = Callable[..., tuple[Report, pd.DataFrame]]


@pytest.fixture
def go(tmp_path: Path) -> Go:
    """Return a function that trains the grid with a model that hangs once there is a file, and gives `results.csv`."""

    def run(hangs_after: Path, *sets: str, workers: int | None = 1) -> tuple[Report, pd.DataFrame]:
        plugin, spec_file = tmp_path / "slow.py", tmp_path / "grid.toml"
        plugin.write_text(PLUGIN, encoding="utf-8")
        spec_file.write_text(GRID.format(hangs_after=hangs_after), encoding="utf-8")
        registry = open_registry((plugin,))
        spec = resolve(read_spec(read_document(spec_file, sets)), registry)
        report = run_experiment(spec, registry, Options(tmp_path / "out", (plugin,), workers=workers), Silent())
        return report, pd.read_csv(tmp_path / "out" / "results.csv", keep_default_na=False)

    return run


def test_a_survey_that_hangs_ends_with_the_time_limit(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    _, table = go(tmp_path / "never", "optimizer.hangs=[true, false]", "run.timeout=0.5", workers=None)
    assert dict(zip(table["optimizer.hangs"].astype(str), table["status"], strict=True)) == {
        "True": "timeout",
        "False": "done",
    }
    assert "could not estimate the training time: it took longer than run.timeout" in caplog.text


def test_a_model_that_hangs_while_it_is_shown_is_a_note(go: Go, tmp_path: Path) -> None:
    report, table = go(tmp_path / "out" / "results.csv", "run.timeout=0.5")
    assert table["status"].tolist() == ["done"]
    assert report.interrupted is None
    assert "took longer than run.timeout = 0.5 s, at slow.py:" in (tmp_path / "out" / "models.txt").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_what_hangs_beside_the_training(go: Go, tmp_path: Path, number: int) -> None:
    results = tmp_path / "out" / "results.csv"

    def interrupt() -> None:
        while not results.exists():
            time.sleep(0.05)
        time.sleep(0.3)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt, daemon=True).start()
    report, table = go(results)
    assert report.interrupted == number
    assert table["status"].tolist() == ["done"]
    assert not (tmp_path / "out" / "models.txt").exists()
