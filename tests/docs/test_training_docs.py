"""The examples of docs/training.md are files that work."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from support.bfloat16 import needs_bfloat16
from xprun.plugins.discovery import open_registry
from xprun.runner.cli.main import main
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.resolve.resolver import resolve
from xprun.runner.status.progress import Silent
from xprun.specs import read_document, read_spec

TEXT = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(?:toml|python)\n# (\S+)\n(.*?)```", TEXT, re.DOTALL))
RAY = """
data = { name = "line", b = 0.0 }
model = { name = "ray" }
loss = { name = "MSELoss" }
optimizer = { name = "SGD", lr = 0.1 }
scheduler = { name = "square_root", per = "step" }
run = { steps = 10, gradient = "manual" }
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")


def results(name: str, *plugins: str, sets: tuple[str, ...] = ()) -> pd.DataFrame:
    """Run a spec, without its report; return its results."""
    registry = open_registry(tuple(map(Path, plugins)))
    spec = resolve(read_spec(read_document(Path(name), sets)), registry)
    run_experiment(spec, registry, Options(Path("out"), tuple(map(Path, plugins))), Silent())
    return pd.read_csv("out/results.csv", dtype={"run": str})


def test_schedules_are_compared() -> None:
    table = results("schedules.toml")
    assert table["status"].tolist() == ["done"] * 8
    assert set(table["scheduler"]) == {"constant", "StepLR", "warmup_cosine"}


def test_a_recipe_is_swept() -> None:
    table = results("recipe.toml")
    assert table["status"].tolist() == ["done"] * 12
    assert table["steps"].tolist() == [8 * 45] * 12
    assert set(table["run.clip_norm"]) == {0.5, 5.0}
    assert set(table["run.average.ema"]) == {0.9, 0.99}


@needs_bfloat16
def test_a_run_in_mixed_precision_learns() -> None:
    [accuracy] = results("mixed.toml")["final.valid.accuracy"]
    assert accuracy > 0.8


def test_the_training_rows_are_measured_as_they_are_trained_on() -> None:
    first = ("run.epochs=1",)
    running = results("running.toml", sets=first)
    full = results("running.toml", sets=(*first, "run.measure_train=full"))
    assert running["final.valid.loss"].tolist() == pytest.approx(full["final.valid.loss"].tolist(), rel=1e-3)
    assert (running["final.train.loss"] > full["final.train.loss"]).all()  # it lags behind


def test_runs_stop_early() -> None:
    table = results("early.toml")
    assert "stopped" in set(table["status"])
    assert (table["steps"] < 40 * 23).any()


def test_a_saved_run_predicts() -> None:
    [run] = results("saved.toml")["run"]
    for arguments, rows in (([], 359), (["--data", "train", "-o", "predictions.csv"], 1438)):
        result = CliRunner().invoke(main, ["predict", "out", run[:6], *arguments])
        assert result.exit_code == 0, result.output
        text = Path("predictions.csv").read_text() if arguments else result.stdout
        assert len(text.splitlines()) == rows + 1


def test_long_runs_are_saved_on_their_way() -> None:
    table = results("long.toml", sets=("run.epochs=11", "run.seeds=1"))
    assert table["status"].tolist() == ["done"] * 2


def test_gradients_agree() -> None:
    table = results("three_gradients.toml")
    assert set(table["run.gradient"]) == {"manual", "autograd"}
    assert table["final.loss"].to_numpy() == pytest.approx(table["final.loss"][0], rel=1e-5)


def test_the_plugins_train() -> None:
    Path("ray.toml").write_text(RAY, encoding="utf-8")
    assert results("ray.toml", "ray.py", "square_root.py")["status"].tolist() == ["done"]


def test_groups_of_parameters_train() -> None:
    table = results("no_decay.toml", sets=("run.epochs=1",))
    assert table["status"].tolist() == ["done"] * 3
    assert table['optimizer.groups."1.*".lr'].dropna().tolist() == [0.001, 0.01]


def test_muon_trains_with_its_partner() -> None:
    assert results("muon.toml", sets=("run.epochs=1",))["status"].tolist() == ["done"]


def test_there_is_no_other_example() -> None:
    specs = {
        "no_decay.toml",
        "muon.toml",
        "schedules.toml",
        "recipe.toml",
        "mixed.toml",
        "running.toml",
        "early.toml",
        "fastest.toml",
        "saved.toml",
        "long.toml",
        "three_gradients.toml",
    }
    expected = {*specs, "square_root.py", "ray.py"}
    assert set(FILES) == expected
    assert TEXT.count("```toml") + TEXT.count("```python") == len(expected)


def test_a_saved_run_is_exported_as_shown() -> None:
    trained = CliRunner().invoke(main, ["saved.toml", "--no-report", "-q"])
    assert trained.exit_code == 0, trained.output
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(main, ["export", "runs/saved", "0b"]).stdout
    assert shown
    assert shown in page
