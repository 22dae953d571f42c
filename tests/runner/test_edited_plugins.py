"""What somebody edits while a grid runs changes no result, and no number is stored under an id that is not its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from xprun.plugins.discovery import load_file
from xprun.plugins.registry import REGISTRY
from xprun.runner.experiment import Options, Report, run_experiment
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.specs import Run, SpecError, read_document, read_spec

RULE = """
from xprun.plugins import observer, optimizer

@optimizer("mine")
def mine(w, g, *, lr=0.1):
    return w - lr * g

@observer("broken")
def broken():
    def write(folder, settings, history, results):
        raise ValueError("no such dashboard")

    return write

@observer("wrong")
def wrong(folder, settings, history, results):
    pass
"""
SPEC = """
[data]
name = "csv"
file = "points.csv"
target = "y"
batch_size = { grid = [2, "full"] }
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "mine"
[run]
steps = 3
"""
POINTS = "x,y\n0,1\n1,3\n2,5\n3,7\n"
Train = Callable[..., Report]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Return a function that trains the two cohorts of the spec and changes a file when the first has ended."""
    rule, points = tmp_path / "mine.py", tmp_path / "points.csv"
    (tmp_path / "two.toml").write_text(SPEC, encoding="utf-8")

    def run(folder: str, *sets: str, **changed: str) -> Report:
        rule.write_text(RULE, encoding="utf-8")
        points.write_text(POINTS, encoding="utf-8")
        load_file(REGISTRY, rule)

        class Editor(Silent):
            def ended(self, run: Run, outcome: Outcome) -> None:
                for name, text in changed.items():
                    next(tmp_path.glob(f"{name}.*")).write_text(text, encoding="utf-8")

        spec = resolve(read_spec(read_document(tmp_path / "two.toml", sets)), REGISTRY)
        options = Options(tmp_path / folder, plugins=(rule,), workers=0)
        return run_experiment(spec, REGISTRY, options, Editor())

    return run


def losses(folder: Path) -> list[float]:
    return list(pd.read_csv(folder / "results.csv")["final.loss"])


def test_a_grid_goes_on_with_the_formula_that_it_began_with(train: Train, tmp_path: Path) -> None:
    train("untouched")
    report = train("edited", mine=RULE.replace("w - lr", "w - 0.5 * lr"))
    assert report.statuses == {"done": 2}
    assert losses(tmp_path / "edited") == losses(tmp_path / "untouched")


def test_a_grid_goes_on_with_the_modules_that_it_began_with(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "edited_aide", None)  # type: ignore[arg-type] # to be taken away afterwards
    del sys.modules["edited_aide"]
    (tmp_path / "edited_aide.py").write_text("FACTOR = 1", encoding="utf-8")
    aided = "import edited_aide\n" + RULE.replace("w - lr", "w - edited_aide.FACTOR * lr")
    monkeypatch.setitem(globals(), "RULE", aided)
    train("untouched")
    report = train("edited", edited_aide="FACTOR = 2")
    assert report.statuses == {"done": 2}
    assert losses(tmp_path / "edited") == losses(tmp_path / "untouched")


def test_runs_on_data_that_were_changed_meanwhile_fail_and_are_tried_again_by_themselves(
    train: Train, tmp_path: Path
) -> None:
    report = train("out", points=POINTS.replace("7", "70"))
    assert report.statuses == {"done": 1, "failed": 1}
    assert report.reasons == ["FileChangedError: points.csv changed while the grid was running; run it again"]
    assert train("out").statuses == {"done": 2}  # the file is as it was


def test_an_observer_that_breaks_costs_no_run_and_no_table(
    train: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = train("out", 'run.observers=["broken"]')
    assert report.statuses == {"done": 2}
    assert len(losses(tmp_path / "out")) == 2
    assert "the observer broken did not write run" in caplog.text
    assert "ValueError: no such dashboard" in caplog.text


def test_an_observer_that_cannot_be_made_is_an_error_of_the_spec(train: Train) -> None:
    with pytest.raises(SpecError, match="the observer wrong cannot be created: TypeError"):
        train("out", 'run.observers=["wrong"]')
