"""A run of no epochs, or no steps, is measured as it starts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main

SPEC = """
data = { name = "digits", valid = 0.2 }
model = { name = "MODEL" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = { grid = [0.1, 0.2] } }
run = { LENGTH = 0, seeds = 2, metrics = ["accuracy"], save = "last" }
SCHEDULER
"""


@pytest.mark.parametrize(
    ("model", "length", "scheduler"),
    [
        ("softmax", "epochs", ""),
        ("mlp", "steps", ""),
        ("softmax", "epochs", 'scheduler = { name = "ExponentialLR", per = "epoch", gamma = 0.9 }'),
    ],
)
def test_the_untrained_model_is_measured(
    model: str, length: str, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = SPEC.replace("MODEL", model).replace("LENGTH", length).replace("SCHEDULER", scheduler)
    Path("s.toml").write_text(text, encoding="utf-8")
    for arguments in (["check", "s.toml"], ["plan", "s.toml"], ["s.toml"], ["report", "runs/s"]):
        found = CliRunner().invoke(main, arguments)
        assert found.exit_code == 0, found.output
    results, history = pd.read_csv("runs/s/results.csv"), pd.read_csv("runs/s/history.csv")
    assert set(results["status"]) == {"done"}
    assert set(results["steps"]) == {0}
    assert results["final.valid.accuracy"].between(0, 0.5).all()
    assert set(history["step"]) == {0}
    first = results[results["seed"] == 0]
    assert first["final.valid.loss"].nunique() == 1  # nothing but the seed decides


@pytest.mark.parametrize("length", ["epochs", "steps"])
def test_less_than_nothing_is_refused(length: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SPEC.replace("MODEL", "softmax").replace("LENGTH = 0", f"{length} = -1").replace("SCHEDULER", ""))
    found = CliRunner().invoke(main, ["check", str(path)])
    assert found.exit_code == 2
    assert f"run.{length}: must be greater than or equal to 0, not -1" in found.output
