"""After the search the chosen setting of each alternative is trained on fresh seeds, and nothing is trained twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from support.training import MakePlan
from xprun.plugins import observer, optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main
from xprun.runner.experiment import Options, Report, UnknownRunError, run_experiment
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.compared_value import chosen_by
from xprun.runner.results.outcome import Outcome, Series
from xprun.runner.results.results_schema import Comparison
from xprun.runner.status.progress import Several, Silent, headline
from xprun.runner.status.status_reader import gather, look
from xprun.runner.status.status_writer import Publisher
from xprun.running import run as run_spec
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
lr = { grid = [0.01, 0.1, 1e30] }
[[optimizer]]
name = "Adam"
lr = { grid = [0.001, 0.1] }
[run]
steps = 5
seeds = 2
[confirm]
seeds = 3
"""
SEARCHED, CONFIRMED = 10, 6


class Listener(Silent):
    """Notes which runs were trained."""

    def __init__(self, at_each: Callable[[], None]) -> None:
        self.trained: list[str] = []
        self.at_each = at_each

    def ended(self, run: Run, outcome: Outcome) -> None:
        self.trained.append(run.id)
        self.at_each()


Go = Callable[..., tuple[Report, list[str]]]


@pytest.fixture
def go(tmp_path: Path, write: Callable[[str], Path]) -> Go:
    """Return a function that runs a spec in one folder, and returns the report and the ids of the runs it trained."""

    def run(
        *sets: str, text: str = SPEC, at_each: Callable[[], None] = lambda: None, **options: object
    ) -> tuple[Report, list[str]]:
        folder = tmp_path / "out"
        listener = Listener(at_each)
        spec = resolve(read_spec(read_document(write(text), sets)), REGISTRY)
        listeners = Several(listener, Publisher(folder))
        report = run_experiment(spec, REGISTRY, Options(folder, **options), listeners)  # type: ignore[arg-type]
        return report, listener.trained

    return run


def results(report: Report) -> pd.DataFrame:
    return pd.read_csv(report.folder / "results.csv", dtype={"run": str})


def stages(report: Report) -> dict[str, int]:
    found: dict[str, int] = json.loads((report.folder / "tables.json").read_text(encoding="utf-8"))["stages"]
    return found


def test_the_chosen_setting_of_each_alternative_is_trained_on_fresh_seeds(go: Go) -> None:
    report, trained = go()
    table = results(report)
    search, confirm = table[table["stage"] == "search"], table[table["stage"] == "confirm"]
    assert (len(search), len(confirm), len(trained)) == (SEARCHED, CONFIRMED, SEARCHED + CONFIRMED)
    assert sorted(confirm["seed"]) == [2, 2, 3, 3, 4, 4]
    means = search[search["status"] == "done"].groupby(["optimizer", "optimizer.lr"])["final.loss"].mean()
    best = {optimizer: means[optimizer].idxmin() for optimizer in ("scratch.gd", "Adam")}
    assert dict(zip(confirm["optimizer"], confirm["optimizer.lr"], strict=True)) == best
    assert stages(report) == {"search": SEARCHED, "confirm": CONFIRMED}
    assert report.total == report.statuses.total() == SEARCHED + CONFIRMED


def test_what_is_stored_is_not_trained_again_by_either_stage(go: Go) -> None:
    report, _ = go("optimizer[0].lr=0.1", "optimizer[1].lr=0.1", "confirm.seeds=[7]", "run.seeds=[0, 1, 2, 3]")
    before = set(results(report)["run"])
    report, trained = go("optimizer[0].lr=0.1", "optimizer[1].lr=0.1")  # of which the search has had all but seed 4
    assert before.isdisjoint(trained)
    assert list(results(report).set_index("run")["seed"][trained]) == [4, 4]
    assert go("optimizer[0].lr=0.1", "optimizer[1].lr=0.1")[1] == []


def test_a_search_that_is_cut_off_has_no_second_stage_yet(go: Go) -> None:
    once = iter([lambda: os.kill(os.getpid(), signal.SIGINT)])
    report, first = go("run.engine='alone'", at_each=lambda: next(once, lambda: None)())
    assert report.interrupted == signal.SIGINT
    assert set(results(report)["stage"]) == {"search"}
    assert stages(report) == {"search": SEARCHED, "confirm": CONFIRMED}
    assert report.total - report.statuses.total() == SEARCHED + CONFIRMED - len(first)
    report, second = go("run.engine='alone'")
    assert set(first).isdisjoint(second)
    assert len(first) + len(second) == SEARCHED + CONFIRMED == len(results(report))


def test_a_second_stage_that_is_cut_off_goes_on(go: Go) -> None:
    go(text=SPEC.replace("[confirm]\nseeds = 3\n", ""))
    once = iter([lambda: os.kill(os.getpid(), signal.SIGINT)])
    report, first = go("run.engine='alone'", at_each=lambda: next(once, lambda: None)())
    assert (report.interrupted, len(first)) == (signal.SIGINT, 1)
    assert list(results(report)["stage"]).count("confirm") == 1
    report, second = go("run.engine='alone'")
    assert len(second) == CONFIRMED - 1
    assert set(first).isdisjoint(second)


def test_an_alternative_that_never_ends_well_is_not_confirmed(go: Go, caplog: pytest.LogCaptureFixture) -> None:
    report, _ = go("optimizer[0].lr=[1e30, 1e31]")
    assert set(results(report).query("stage == 'confirm'")["optimizer"]) == {"Adam"}
    assert "scratch.gd is not confirmed: every run of its best setting failed or diverged" in caplog.text
    assert stages(report) == {"search": 8, "confirm": 3}


def test_one_run_of_the_second_stage_can_be_asked_for(go: Go) -> None:
    wanted = results(go()[0])["run"].iloc[-1]
    assert go(only=frozenset({wanted}))[1] == []
    assert go(only=frozenset({wanted}), rerun="all")[1] == [wanted]
    with pytest.raises(UnknownRunError, match="there is no run 'other' in this spec"):
        go(only=frozenset({"other"}))


def test_before_the_search_is_complete_nobody_knows_the_runs_of_the_second_stage(go: Go) -> None:
    with pytest.raises(UnknownRunError, match="those of the confirmation are known once the search is complete"):
        go(only=frozenset({"other"}))


def test_both_stages_are_trained_again_when_somebody_asks_for_it(go: Go) -> None:
    _, first = go()
    _, again = go(rerun="all")
    assert sorted(first) == sorted(again)


def test_other_splits_of_the_data_repeat_a_setting(go: Go) -> None:
    report, _ = go("data.valid=0.5", "data.split_seed=[0, 1, 2]", "confirm.seeds=2")
    table = results(report)
    confirm = table[table["stage"] == "confirm"]
    assert confirm.groupby("optimizer")["optimizer.lr"].nunique().to_dict() == {"Adam": 1, "scratch.gd": 1}
    assert len(confirm.groupby(["optimizer", "seed", "data.split_seed"])) == len(confirm) == 2 * 2 * 3
    means = table.query("stage == 'search' and status == 'done'").groupby(["optimizer", "optimizer.lr"])
    best = means["final.valid.loss"].mean()["scratch.gd"].idxmin()
    assert set(confirm.query("optimizer == 'scratch.gd'")["optimizer.lr"]) == {best}
    described = json.loads((report.folder / "tables.json").read_text(encoding="utf-8"))
    columns = {column["name"]: column["role"] for column in described["tables"]["results"]["columns"]}
    assert (columns["data.split_seed"], columns["optimizer.lr"]) == ("repeat", "setting")
    assert described["comparison"]["swept"] == ["optimizer.lr"]


def test_each_problem_has_its_own_chosen_setting(go: Go) -> None:
    data = '[[data]]\nname = "line"\nsamples = 20\nbatch_size = "full"\n[[data]]\nlabel = "steep"\nname = "line"\n'
    text = SPEC.replace('[data]\nname = "line"\n', data + "w = 300.0\n")
    report, _ = go(text=text)
    confirm = results(report).query("stage == 'confirm'")
    assert confirm.groupby(["data", "optimizer"]).size().tolist() == [3, 3, 3, 3]
    assert confirm.groupby(["data", "optimizer"])["optimizer.lr"].nunique().tolist() == [1, 1, 1, 1]


def test_where_nothing_is_chosen_the_fresh_seeds_are_added(go: Go) -> None:
    report, _ = go("optimizer[0].lr=0.1", "optimizer[1].lr=0.1")
    assert results(report)["seed"].tolist() == [0, 1, 0, 1, 2, 3, 4, 2, 3, 4]


def test_a_checkpoint_is_chosen_by_its_best_evaluation() -> None:
    series = Series(np.array([1, 2, 3]), np.array([0.5, 0.9, 0.7]))
    ended = Outcome("a", "done", history={"valid.accuracy": series})
    assert chosen_by(Comparison("valid.accuracy", "max"), ended) == 0.7
    assert chosen_by(Comparison("valid.accuracy", "max", at="checkpoint"), ended) == 0.9
    assert chosen_by(Comparison("valid.accuracy", "max", reported="test.accuracy"), ended) == 0.7
    diverged = Outcome("a", "diverged", history={"valid.accuracy": series})
    assert np.isnan(chosen_by(Comparison("valid.accuracy", "max", at="checkpoint"), diverged))


def test_checkpoints_and_observers_have_the_runs_of_both_stages(go: Go) -> None:
    @observer("staged")
    def staged() -> Callable[..., None]:
        def write(folder: Path, settings: object, history: object, results: object, stage: str) -> None:
            (folder / "stage.txt").write_text(stage, encoding="utf-8")

        return write

    report, _ = go("run.save='last'", "run.observers=['staged']")
    told = [path.read_text(encoding="utf-8") for path in (report.folder / "staged").glob("*/stage.txt")]
    assert (told.count("search"), told.count("confirm")) == (SEARCHED, CONFIRMED)
    saved = {path.stem for path in (report.folder / "checkpoints").glob("*.pt")}
    assert saved == set(results(report).query("status == 'done'")["run"])


def test_images_are_those_of_runs_on_fresh_seeds(tmp_path: Path) -> None:
    text = SPEC.replace('name = "line"\nsamples = 20', 'name = "digits"').replace('name = "linear"', 'name = "softmax"')
    spec = tmp_path / "spec.toml"
    spec.write_text(text.replace("MSELoss", "CrossEntropyLoss"), encoding="utf-8")
    found = run_spec(spec, output=tmp_path / "out", quiet=True)
    samples = pd.read_csv(tmp_path / "out" / "samples.csv", dtype={"run": str})
    assert set(samples["run"]) <= set(found.runs.query("stage == 'confirm'")["run"])


def test_python_programs_see_both_stages(tmp_path: Path, write: Callable[[str], Path]) -> None:
    found = run_spec(write(SPEC), output=tmp_path / "out", settings={"confirm.seeds": 2}, quiet=True)
    assert found.runs["stage"].value_counts().to_dict() == {"search": SEARCHED, "confirm": 4}
    assert json.loads((tmp_path / "out" / "resolved.json").read_text(encoding="utf-8"))["confirm"] == {"seeds": [2, 3]}


@pytest.mark.parametrize("stage", ["search", "confirm"])
def test_a_live_page_sees_both_stages(go: Go, tmp_path: Path, stage: str) -> None:
    seen: list[tuple[str, str]] = []
    (tmp_path / "live").mkdir()

    def watch() -> None:
        folder = gather(tmp_path / "out", tmp_path / "live")
        table = pd.read_csv(folder / "results.csv")
        if table["stage"].iloc[-1] == stage and not seen:
            seen.append((look(tmp_path / "out", os.getpid())["text"], json.dumps(stages(Report(folder, 0)))))

    go("run.engine='alone'", at_each=watch)
    [(text, planned)] = seen
    assert "of 16 runs ended" in text
    assert json.loads(planned) == {"search": SEARCHED, "confirm": CONFIRMED}
    assert look(tmp_path / "out")["state"] == "over"


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        ((), "10 search runs (2 optimizers, 2 seeds), then 2 x 3 confirmation runs"),
        (
            ("optimizer[0].lr=[0.1, 0.2]",),
            "2 optimizers x 2 learning rates x 2 seeds = 8 search runs, then 2 x 3 confirmation runs",
        ),
        (("optimizer[0].lr=0.1", "optimizer[1].lr=0.1"), "2 optimizers x 2 seeds = 4 search runs, then 2 x 3 confirm"),
    ],
)
def test_the_headline_tells_the_size_of_both_stages(plan: MakePlan, sets: tuple[str, ...], told: str) -> None:
    assert headline(plan(SPEC, *sets)).startswith(told)


def test_plan_tells_both_stages_before_the_search_and_after(write: Callable[[str], Path], tmp_path: Path) -> None:
    spec, out = str(write(SPEC)), str(tmp_path / "out")
    told = CliRunner().invoke(main, ["plan", spec, "-o", out, "-j", "0"]).stdout
    assert "0 cached, 16 to run" in told
    assert "then 6 runs on fresh seeds; the first setting of each alternative stands for the one" in told
    assert "3 fresh seeds cannot show any difference" in told
    assert CliRunner().invoke(main, [spec, "-o", out, "-q"]).exit_code == 0
    more = CliRunner().invoke(main, ["plan", "--json", spec, "-o", out, "-j", "0", "--set", "confirm.seeds=4"]).stdout
    [summary] = json.loads(more)
    assert summary["stages"] == {
        "search": {"runs": 10, "cached": 10, "to_run": 0, "estimated": False},
        "confirm": {"runs": 8, "cached": 6, "to_run": 2, "estimated": False},
    }


def test_check_tells_what_the_seeds_can_show(write: Callable[[str], Path]) -> None:
    told = CliRunner().invoke(main, ["check", str(write(SPEC)), "--set", "confirm.seeds=10"]).stdout
    assert "ok, 10 runs, then 20 on fresh seeds\n  10 fresh seeds, 1 comparison of 2 alternatives: diff" in told
    exploring = CliRunner().invoke(main, ["check", str(write(SPEC.replace("[confirm]\nseeds = 3", "")))]).stdout
    assert "exploratory: settings are chosen on the seeds that would test them" in exploring


def test_a_run_of_the_second_stage_resumes_where_it_was(go: Go, caplog: pytest.LogCaptureFixture) -> None:
    taken: list[int] = []

    @optimizer("noting")
    def noting(w: torch.Tensor, g: torch.Tensor, t: int, *, lr: float = 0.1) -> torch.Tensor:
        taken.append(t)
        if len(taken) == 2 * 2 * 20 + 33:  # two runs of the search, two parameters; then in the first on fresh seeds
            os.kill(os.getpid(), signal.SIGINT)
        return w - lr * g

    text = SPEC.replace("scratch.gd", "noting").replace("{ grid = [0.01, 0.1, 1e30] }", "0.1")
    text = text[: text.index('[[optimizer]]\nname = "Adam"')] + text[text.index("[run]") :]
    sets = ("run.steps=20", "run.checkpoint_every=5", "run.engine='alone'")
    report, _ = go(*sets, text=text)
    assert (report.interrupted, report.total - report.statuses.total()) == (signal.SIGINT, 3)
    taken.clear()
    report, trained = go(*sets, text=text)
    assert len(trained) == 3
    assert taken[0] > 1
    assert caplog.text == ""
