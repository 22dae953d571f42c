"""Objectives with constants are not compiled: a plan says so, and they train in the ordinary way."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from xprun.runner.cli.main import main

SPEC = """
[model]
name = "NAME"
size = 4
[optimizer]
name = "Adam"
lr = 0.03
[run]
steps = 60
evaluate_every = 30
engine = "together"
compile = true
"""
WHY = "note: the steps are not compiled: an objective with constants cannot be"


def xprun(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", ["quadratic", "noisy_quadratic"])
def test_a_plan_says_that_they_cannot_be_compiled(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.toml").write_text(SPEC.replace("NAME", name), encoding="utf-8")
    assert "its steps cannot be compiled" in xprun("plan", "one.toml")
    alone = xprun("plan", "one.toml", "--set", "run.engine=auto")
    assert "run.compile = true compiles only what trains together" in alone


@pytest.mark.parametrize("name", ["quadratic", "noisy_quadratic"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_they_train_as_without(name: str, seeds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.toml").write_text(SPEC.replace("NAME", name), encoding="utf-8")
    several = ("--set", f"run.seeds={seeds}", "--no-report")
    assert WHY in xprun("one.toml", *several, "-o", "forced")
    assert WHY not in xprun("one.toml", *several, "-o", "plain", "--set", "run.compile=auto")
    forced, plain = (pd.read_csv(Path(folder) / "results.csv") for folder in ("forced", "plain"))
    assert set(forced["engine"]) == set(plain["engine"]) == {"together"}
    assert list(forced["final.train.suboptimality"]) == list(plain["final.train.suboptimality"])
