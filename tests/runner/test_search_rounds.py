"""`[search]`: rounds follow from what is stored, none is trained twice, and only whole runs are results."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import click.testing
import pandas as pd
import pytest
from xprun.plugins.registry import REGISTRY
from xprun.reports.data.results_folder import read_tables
from xprun.runner.cli.main import main
from xprun.runner.experiment import Options, Report, run_experiment
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.status.progress import Silent, headline
from xprun.specs import Run, read_document, read_spec

SPEC = """
[data]
name = "line"
samples = 20
batch_size = "full"
[model]
name = "linear"
[loss]
name = "MSELoss"
[[optimizer]]
name = "scratch.gd"
lr = { loguniform = [1e-4, 0.5], samples = 9 }
[[optimizer]]
name = "SGD"
lr = { loguniform = [1e-4, 0.5], samples = 9 }
momentum = { uniform = [0.0, 0.9], samples = 9 }
[search]
name = "successive_halving"
[run]
steps = 18
seeds = 2
[confirm]
seeds = 3
"""
SHORTER, WHOLE, CONFIRMED = 2 * 2 * (9 + 3), 2 * 2 * 1, 2 * 3
OPTUNA = SPEC.replace('"successive_halving"', '"optuna"\nsampler = "RandomSampler"\nrounds = 3')


class Listener(Silent):
    """Notes which runs were trained, and interrupts after one of them."""

    def __init__(self, stop_after: int) -> None:
        self.trained: list[str] = []
        self.stop_after = stop_after

    def ended(self, run: Run, outcome: object) -> None:
        self.trained.append(run.id)
        if len(self.trained) == self.stop_after:
            os.kill(os.getpid(), signal.SIGINT)


Go = Callable[..., tuple[Report, list[str]]]


@pytest.fixture
def go(tmp_path: Path, write: Callable[[str], Path]) -> Go:
    """Return a function that runs a spec in one folder, and returns the report and the ids of the runs it trained."""

    def run(text: str = SPEC, *, stop_after: int = 0, folder: str = "out") -> tuple[Report, list[str]]:
        listener = Listener(stop_after)
        spec = resolve(read_spec(read_document(write(text))), REGISTRY)
        return run_experiment(spec, REGISTRY, Options(tmp_path / folder), listener), listener.trained

    return run


def results(report: Report) -> pd.DataFrame:
    return pd.read_csv(report.folder / "results.csv", dtype={"run": str})


def test_the_best_of_short_runs_go_on_and_are_confirmed(go: Go) -> None:
    report, trained = go()
    table = results(report)
    assert table["stage"].value_counts().to_dict() == {"screen": SHORTER, "search": WHOLE, "confirm": CONFIRMED}
    assert table.groupby("stage")["steps"].unique().map(sorted).to_dict() == {
        "screen": [2, 6],
        "search": [18],
        "confirm": [18],
    }
    first = table[(table["steps"] == 2) & (table["optimizer"] == "scratch.gd")].groupby("optimizer.lr")["final.loss"]
    second = table[(table["steps"] == 6) & (table["optimizer"] == "scratch.gd")]
    assert set(second["optimizer.lr"]) == set(first.mean().nsmallest(3).index)
    assert len(trained) == report.total == report.statuses.total()
    assert go()[1] == []


def test_what_is_cut_off_goes_on_with_the_same_rounds(go: Go) -> None:
    alone = SPEC.replace("[run]", "[run]\nengine = 'alone'")
    whole = set(results(go(alone, folder="whole")[0])["run"])
    parts = [go(alone, stop_after=number) for number in (5, 31, 8, 0)]
    assert [report.interrupted for report, _ in parts] == [signal.SIGINT] * 3 + [None]
    trained = [run for _, some in parts for run in some]
    assert len(trained) == len(set(trained))
    assert set(results(parts[-1][0])["run"]) == set(trained) == whole


def test_the_report_is_about_whole_runs(go: Go) -> None:
    tables = read_tables(go()[0].folder)
    assert len(tables.runs) == tables.schema.planned == WHOLE + CONFIRMED
    assert set(tables.history["run"]) == set(tables.runs["run"])


def test_whole_runs_of_a_search_are_those_of_its_grid(go: Go) -> None:
    go()
    _, trained = go(SPEC.replace('[search]\nname = "successive_halving"\n', "").replace("[confirm]\nseeds = 3\n", ""))
    assert len(trained) == 2 * 2 * 9 - WHOLE


def test_a_plan_tells_the_rounds_and_what_they_cost(write: Callable[[str], Path]) -> None:
    plan = make_plan(resolve(read_spec(read_document(write(SPEC))), REGISTRY), "cpu")
    assert plan.stages == {"screen": SHORTER, "search": WHOLE, "confirm": CONFIRMED}
    assert headline(plan) == (
        "52 search runs (2 optimizers, 2 seeds, 9 at 1/9 + 3 at 1/3 + 1 settings each, as long as 3 to the end), "
        "then 2 x 3 confirmation runs"
    )


def test_samplers_of_optuna_draw_the_later_rounds(go: Go) -> None:
    pytest.importorskip("optuna")
    report, trained = go(OPTUNA)
    table = results(report)
    assert table["stage"].value_counts().to_dict() == {"search": 2 * 2 * 9, "confirm": CONFIRMED}
    drawn = table[(table["stage"] == "search") & (table["optimizer"] == "SGD")]
    assert drawn["optimizer.lr"].nunique() == drawn["optimizer.momentum"].nunique() == 9
    assert drawn["optimizer.lr"].between(1e-4, 0.5).all() and drawn["optimizer.momentum"].between(0, 0.9).all()
    grid, _ = go(SPEC.replace('[search]\nname = "successive_halving"\n', ""), folder="grid")
    assert len(set(results(grid)["run"]) & set(trained)) >= 2 * 2 * 3  # the first round is that of a random search
    assert go(OPTUNA)[1] == []


def test_without_optuna_its_name_is_told(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    monkeypatch.chdir(write(OPTUNA).parent)
    result = click.testing.CliRunner().invoke(main, [str(write(OPTUNA))])
    assert result.exit_code == 3
    assert "search optuna: optuna is not installed: pip install optuna" in result.stderr


def test_a_claim_waits_for_the_rounds(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    claim = '[[expect]]\nwhere = { optimizer = "SGD", stage = "confirm" }\nvalue = "loss"\nmax = 1e9\n'
    path = write(SPEC + claim)
    monkeypatch.chdir(path.parent)
    result = click.testing.CliRunner().invoke(main, ["test", str(path)])
    assert result.exit_code == 0, result.output
    assert "1 of 1 expectations hold" in result.output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"successive_halving"', '"asha"', "there is no search named 'asha'"),
        ('"successive_halving"', '"optuna"\nsampler = "Best"', "must be one of TPESampler"),
        ('"successive_halving"', '"successive_halving"\nfactor = 1', "must be greater than or equal to 2"),
        ('"successive_halving"', '"successive_halving"\nrounds = { grid = [1, 2] }', "cannot be swept"),
        ('name = "successive_halving"', "rounds = 3", 'name the method: [search] name = "successive_halving"'),
        ("steps = 18", "steps = 8", "its first round trains for 1/9 of 8 steps, which is less than one"),
        ("steps = 18", "steps = { grid = [18, 27] }", "so their length cannot be swept"),
        (
            'momentum = { uniform = [0.0, 0.9], samples = 9 }\n[search]\nname = "successive_halving"',
            'momentum = { grid = [0.0, 0.9] }\n[search]\nname = "optuna"',
            "lists its values, and optuna draws them",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(old: str, new: str, said: str, write: Callable[[str], Path]) -> None:
    assert old in SPEC
    result = click.testing.CliRunner().invoke(main, ["check", str(write(SPEC.replace(old, new)))])
    assert result.exit_code == 2, result.output
    assert said in result.stdout + result.stderr
    assert "Traceback" not in result.output


def test_a_search_without_sweeps_has_no_effect(write: Callable[[str], Path]) -> None:
    text = SPEC.replace("{ loguniform = [1e-4, 0.5], samples = 9 }", "0.1").replace(
        "{ uniform = [0.0, 0.9], samples = 9 }", "0.5"
    )
    result = click.testing.CliRunner().invoke(main, ["check", str(write(text))])
    assert result.exit_code == 2
    assert "has no effect, because there is one setting of each alternative" in result.stdout + result.stderr


def test_what_is_counted_is_what_all_rounds_train(tmp_path: Path) -> None:
    path = tmp_path / "search.toml"
    path.write_text(SPEC, encoding="utf-8")
    search = SHORTER + WHOLE

    def check(*arguments: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(main, ["check", str(path), *arguments])

    assert f"ok, at most {search} runs, then {CONFIRMED} on fresh seeds" in check().stdout
    assert f'"runs": {search}' in check("--json").stdout
    assert check("--max-runs", str(search + CONFIRMED)).exit_code == 0
    refused = check("--max-runs", str(search + CONFIRMED - 1))
    assert refused.exit_code == 2
    assert f"its rounds are up to {search} runs and up to {CONFIRMED} more on fresh seeds" in refused.output
    assert f"--max-runs {search + CONFIRMED}" in refused.output
