"""Metrics with settings, labels and matrices: in the columns, in the store, and the same together as alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from support.training import MakePlan, Train
from torch import Tensor
from xprun.plugins.registry import REGISTRY, metric
from xprun.runner.cli.main import main
from xprun.runner.engine.execution_units import ExecutionUnit, grids_of
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.resolve.resolver import columns_of, resolve
from xprun.runner.workload.workload import make_workload
from xprun.specs import SpecError, read_document, read_spec

CPU = torch.device("cpu")
DIGITS = """
data = { name = "digits", valid = 0.2, batch_size = 256 }
model = { name = "softmax" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = { grid = [0.1, 0.3] } }
run = { epochs = 1, seeds = 2, dtype = "float64", metrics = METRICS }
"""
LINEAR = """
data = { name = "linear", samples = 50, batch_size = 10, valid = 0.2 }
model = { name = "linear" }
loss = { name = "MSELoss" }
optimizer = { name = "SGD", lr = { grid = [0.01, 0.1] } }
run = { epochs = 2, seeds = 2, dtype = "float64", metrics = METRICS }
"""
BINARY = """
data = { name = "halves" , batch_size = 8 }
model = { name = "mlp", hidden = [3], activation = "Tanh" }
loss = { name = "BCEWithLogitsLoss" }
optimizer = { name = "Adam", lr = { grid = [0.1, 0.3] } }
run = { steps = 40, dtype = "float64", metrics = METRICS }
"""
CASES = [
    (DIGITS, '["accuracy", { name = "topk", k = 3 }, "confusion"]', ["accuracy", "topk(k=3)"]),
    (LINEAR, '["rmse", "r2", { name = "parameter_error", norm = "l2", label = "off" }]', ["rmse", "r2", "off"]),
    (BINARY, '["accuracy", "confusion"]', ["accuracy"]),
]


@pytest.fixture(autouse=True)
def _halves(_registry_as_installed: None) -> None:
    from xprun.plugins.datasets.table import Table
    from xprun.plugins.registry import data

    @data("halves")
    def halves() -> Table:
        inputs = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
        return Table(inputs, (inputs[:, 0] > 0).long())


@pytest.mark.parametrize(("text", "metrics", "labels"), CASES)
def test_metrics_are_the_same_together_as_alone(text: str, metrics: str, labels: list[str], plan: MakePlan) -> None:
    [cohort] = plan(text.replace("METRICS", metrics)).cohorts(set())
    work = make_workload(REGISTRY, cohort.runs[0], CPU)
    expected = {run.id: train_alone(work, run) for run in cohort.runs}
    for program in (LinearStack.name, "traced"):
        for grid in grids_of(work, cohort.runs):
            for outcome in train_in_shards(work, ExecutionUnit(grid, program, "", None)):
                alone = expected[outcome.run]
                assert outcome.status == alone.status == "done"
                assert {f"train.{label}" for label in labels} < alone.history.keys() == outcome.history.keys()
                for name, series in alone.history.items():
                    assert outcome.history[name].values == pytest.approx(series.values, rel=1e-9), name
                assert outcome.matrices == alone.matrices


def test_a_binary_classification_with_one_output_is_learned(train: Train) -> None:
    outcome = train(BINARY.replace("METRICS", '["accuracy"]'))[0]
    assert outcome.history["train.accuracy"].values[-1] > 0.9


def test_a_binary_loss_refuses_more_classes(train: Train) -> None:
    with pytest.raises(ValueError, match="BCEWithLogitsLoss takes targets from 0 to 1, but these go from 0 to 9"):
        train(DIGITS.replace("METRICS", "[]").replace("CrossEntropyLoss", "BCEWithLogitsLoss"))


def test_outputs_that_would_be_broadcast_are_refused(train: Train, line_spec: str) -> None:
    wide = line_spec.replace('name = "linear"', 'layers = [{ name = "Linear", out_features = 3 }]')
    with pytest.raises(ValueError, match=r"MSELoss compares outputs .* a row has outputs \[3\] and targets \[1\]"):
        train(wide)


def test_a_label_names_the_columns(write: Callable[[str], Path]) -> None:
    metrics = '["accuracy", { name = "topk", k = 3 }, { name = "topk", k = 5, label = "top5" }, "confusion"]'
    spec = resolve(read_spec(read_document(write(DIGITS.replace("METRICS", metrics)))), REGISTRY)
    measured = ["loss", "accuracy", "topk(k=3)", "top5"]
    assert columns_of(spec) == ["loss", *(f"{split}.{name}" for split in ("train", "valid") for name in measured)]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ('["top"]', "run.metrics[0]: there is no metric named 'top'; did you mean 'topk'?"),
        ('[{ name = "top" }]', "run.metrics[0].name: there is no metric named 'top'"),
        ("[{ k = 3 }]", "run.metrics[0]: must name its metric"),
        ("[3]", "run.metrics[0]: "),
        ('[{ name = "topk", n = 3 }]', "run.metrics[0].n: topk has no such setting"),
        ('[{ name = "topk", k = 0 }]', "run.metrics[0].k: must be greater than 0, not 0"),
        ('[{ name = "topk", goal = "min" }]', "run.metrics[0].goal: topk has no such setting"),
        ('["accuracy", "accuracy"]', "run.metrics: two metrics are named 'accuracy'"),
    ],
)
def test_a_wrong_metric_is_told_where_it_stands(metrics: str, message: str, write: Callable[[str], Path]) -> None:
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_document(write(DIGITS.replace("METRICS", metrics)))), REGISTRY)
    assert message in str(caught.value)


def test_matrices_are_a_table_and_cached(write: Callable[[str], Path], tmp_path: Path) -> None:
    spec = write(DIGITS.replace("METRICS", '["accuracy", "confusion"]'))
    for _ in range(2):
        result = CliRunner().invoke(main, [str(spec), "-o", str(tmp_path / "out"), "-j", "1"])
        assert result.exit_code == 0, result.output
    assert "4 cached" in result.stderr
    matrices = pd.read_csv(tmp_path / "out" / "matrices.csv", dtype={"run": str})
    results = pd.read_csv(tmp_path / "out" / "results.csv", dtype={"run": str}).set_index("run")
    assert not any("confusion" in column for column in results.columns)
    for (run, name), cells in matrices.groupby(["run", "metric"]):
        right = cells[cells["row"] == cells["column"]]["value"].sum()
        accuracy = results.loc[run, f"final.{name.replace('confusion', 'accuracy')}"]
        assert right / cells["value"].sum() == pytest.approx(accuracy, abs=1e-6)
    assert set(matrices["metric"]) == {"train.confusion", "valid.confusion"}


def test_a_metric_that_asks_for_something_unknown_says_what_there_is(train: Train, line_spec: str) -> None:
    @metric("mine")
    def mine(p: Tensor, t: Tensor, weights: Tensor) -> Tensor:
        return p.mean()

    with pytest.raises(TypeError, match="and any of parameters, truth, boundary, ignore_index; not 'weights'"):
        train(line_spec, "run.metrics=['mine']")


def test_the_truth_is_wanted_of_data_that_have_none(train: Train) -> None:
    with pytest.raises(ValueError, match="parameter_error compares with true parameters, which these data do not have"):
        train(DIGITS.replace("METRICS", '["parameter_error"]'))


def test_scores_of_torchmetrics_are_the_same_together_as_alone(plan: MakePlan) -> None:
    from support.cohorts import Cohort, named
    from xprun.plugins.datasets.table import Table
    from xprun.plugins.registry import data

    @data("rows")
    def rows() -> Table:
        generator = torch.Generator().manual_seed(3)
        return Table(torch.randn(60, 4, generator=generator), torch.randint(3, (60,), generator=generator))

    metrics = ["f1", "recall", "auroc", named("average_precision", average="weighted"), named("precision", label="p")]
    cohort = Cohort(
        plan,
        data=named("rows", valid=0.3),
        model=named("mlp", hidden=[5]),
        run={"epochs": 2, "seeds": 2, "metrics": metrics},
    )
    for program in cohort.programs:
        for outcome in cohort.check(program).values():
            assert {"train.f1", "valid.auroc", "valid.average_precision(average=weighted)", "valid.p"} < set(
                outcome.history
            )
