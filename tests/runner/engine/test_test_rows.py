"""The test rows are measured when a run has ended, whatever trains it, and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from support.cohorts import DATA, MLP, SGD, Cohort, grid, layers, linear, named, points
from support.room import limit
from support.training import MakePlan
from xprun.plugins.registry import data
from xprun.runner.cli.main import main
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.workload import Workload

PARTS = DATA | {"test": 0.2}
BEST = {
    "epochs": 8,
    "seeds": 2,
    "metrics": ["accuracy", "confusion"],
    "save": "best",
    "stop": {"patience": {"evaluations": 3, "metric": "valid.accuracy"}},
}
STEEP = named("SGD", lr=grid(0.03, 0.3, 3.0))  # they stop at different steps
NORM = layers(linear(3, 4), named("BatchNorm1d", num_features=4), "Tanh", named("Dropout", p=0.3), linear(4, 3))
TEST = ("test.loss", "test.accuracy")


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)


def measured_again(work: Workload, outcome: Outcome) -> dict[str, float]:
    """Return what a model with the state of a checkpoint reaches on the test rows, by torch alone."""
    module = work.make_model(0).eval()
    module.load_state_dict({name: torch.from_numpy(values) for name, values in outcome.state.items()})
    assert work.test is not None
    with torch.no_grad():
        scores = module(work.test.inputs)
    hits = (scores.argmax(1) == work.test.targets).double().mean()
    return {
        "test.loss": float(torch.nn.functional.cross_entropy(scores, work.test.targets)),
        "test.accuracy": float(hits),
    }


@pytest.mark.parametrize("save", ["best", "last"])
@pytest.mark.parametrize(("program", "model"), [("linear-stack", MLP), ("traced", NORM)])
def test_the_end_and_the_checkpoint_are_measured_alone_and_together(
    program: str, model: dict[str, Any], save: str, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, evaluation=64)  # several chunks of columns
    cohort = Cohort(plan, data=PARTS, model=model, optimizer=STEEP, run=BEST | {"save": save})
    outcomes = cohort.check(program).values()
    assert len({outcome.steps for outcome in outcomes}) > 1
    for outcome in outcomes:
        assert {outcome.history[name].steps.tolist()[0] for name in TEST} == {outcome.steps}
        assert set(outcome.matrices) == {"train.confusion", "valid.confusion", "test.confusion"}
        again = measured_again(cohort.work, outcome)
        found = outcome.kept if save == "best" else {name: outcome.history[name].values[-1] for name in TEST}
        assert found == pytest.approx(again)
        assert bool(outcome.kept) == (save == "best")
    if save == "best":
        assert any(o.kept["test.loss"] != pytest.approx(o.history["test.loss"].values[-1]) for o in outcomes)


@pytest.mark.parametrize("program", ["linear-stack", "alone"])
def test_a_curve_of_the_test_rows_changes_no_other_number(program: str, plan: MakePlan) -> None:
    def train(**more: Any) -> dict[str, Outcome]:
        cohort = Cohort(plan, data=PARTS, optimizer=STEEP, run=BEST | more)
        return cohort.alone() if program == "alone" else cohort.together(program)

    for once, often in zip(train().values(), train(measure_test="each").values(), strict=True):
        assert once.run != often.run
        assert (once.steps, once.reason, once.kept) == (often.steps, often.reason, often.kept)
        assert often.history["test.loss"].steps.tolist() == often.history["valid.loss"].steps.tolist()
        for name, series in once.history.items():
            compared = often.history[name].values[-1:] if name in TEST else often.history[name].values
            assert series.values.tolist() == compared.tolist(), name


def test_a_run_whose_test_loss_overflows_has_not_diverged(plan: MakePlan) -> None:
    @data("far", parts=("test",))
    def far() -> Any:
        from dataclasses import replace

        near = points(target="class")
        return replace(near, test=replace(near, inputs=near.inputs.double() * 1e308))

    for each in ("end", "each"):
        run = {"epochs": 2, "measure_test": each, "metrics": ["accuracy"]}
        for outcome in Cohort(plan, data=named("far", batch_size=8), run=run, optimizer=SGD).alone().values():
            assert outcome.status == "done"


def test_a_run_that_diverged_has_no_end_to_measure(plan: MakePlan) -> None:
    run = {"epochs": 8, "metrics": ["accuracy"], "save": "best"}
    optimizers = named("SGD", lr=0.03, weight_decay=grid(0.0, 1e30))
    cohort = Cohort(plan, data=PARTS, optimizer=optimizers, run=run)
    ended = {outcome.status: outcome for outcome in cohort.check("linear-stack").values()}
    assert "test.loss" in ended["done"].history
    assert "test.loss" not in ended["diverged"].history
    assert "test.loss" in ended["diverged"].kept  # of its best evaluation, which came before


SPEC = """
data = { name = "digits", valid = 0.7, test = 0.1, batch_size = 64 }
model = { layers = [{ name = "Linear", in_features = 64, out_features = 10 }] }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = 0.3 }
run = { epochs = 5, seeds = 2, metrics = ["accuracy", "confusion"], save = "best" }
compare = { at = "checkpoint" }
[[expect]]
value = "test.accuracy"
min = 0.8
[[expect]]
value = "final.test.accuracy"
min = 0.8
[[expect]]
value = "checkpoint.test.accuracy"
min = 0.8
[[expect]]
value = "checkpoint.test.loss"
max = 0.1
"""


def test_the_tables_claims_and_predictions_know_the_test_rows(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [str(write(SPEC))])
    assert done.exit_code == 1, done.stderr  # one claim does not hold
    claims = pd.read_csv("runs/spec/claims.csv")
    assert claims["verdict"].tolist() == ["ok", "ok", "ok", "FAILED"]
    results = pd.read_csv("runs/spec/results.csv", dtype={"run": str})
    assert set(pd.read_csv("runs/spec/matrices.csv")["metric"]) > {"test.confusion"}
    run = results.iloc[0]
    answer = CliRunner().invoke(main, ["predict", "runs/spec", run["run"], "--data", "test", "-o", "test.csv"])
    assert answer.exit_code == 0, answer.stderr
    predicted = pd.read_csv("test.csv")
    assert len(predicted) == 180
    hits = (predicted["target"] == predicted["prediction"]).mean()
    assert hits == pytest.approx(run["checkpoint.test.accuracy"])
    again = CliRunner().invoke(main, [str(write(SPEC))])
    assert "2 cached" in again.stderr
    assert pd.read_csv("runs/spec/results.csv", dtype={"run": str}).equals(results)
