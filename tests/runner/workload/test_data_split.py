"""Rows are trained on, choose, or are reported, and none does two of these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from support.cohorts import points
from support.training import MakePlan
from xprun.plugins.datasets.table import Table
from xprun.plugins.discovery import load_file
from xprun.plugins.registry import REGISTRY, PluginError, data
from xprun.plugins.types import AbsentByDefault, Fraction
from xprun.runner.planning.plan import Plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import SpecError, read_spec, read_text

CPU = torch.device("cpu")
SPEC = """
data = DATA
model = { layers = [{ name = "Linear", in_features = 3, out_features = 3 }] }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD", lr = 0.1 }
run = { epochs = 2, metrics = ["accuracy", "confusion"] }
"""
NUMBERED = SPEC.replace("in_features = 3", "in_features = 1")


@pytest.fixture(autouse=True)
def _rows_with_numbers(_registry_as_installed: None) -> None:
    @data("numbered")
    def numbered() -> Table:
        """Rows that are their own numbers."""
        return Table(torch.arange(40.0).unsqueeze(1), torch.arange(40) % 3)


def work_of(plan: MakePlan, settings: str) -> Workload:
    return make_workload(REGISTRY, plan(NUMBERED.replace("DATA", f'{{ name = "numbered"{settings} }}')).runs[0], CPU)


def rows(table: Table | None) -> list[int]:
    return [] if table is None else [int(row) for row in table.inputs[:, 0]]


def test_the_parts_share_no_row_and_leave_none_out(plan: MakePlan) -> None:
    work = work_of(plan, ", valid = 0.25, test = 0.15, split_seed = 3")
    parts = [rows(table) for table in (work.train, work.valid, work.test)]
    assert [len(part) for part in parts] == [24, 10, 6]
    assert sorted(row for part in parts for row in part) == list(range(40))
    assert all(part == sorted(part) for part in parts)
    other = work_of(plan, ", valid = 0.25, test = 0.15, split_seed = 4")
    assert rows(other.test) != parts[2]


def test_the_rows_that_choose_are_those_of_a_spec_without_a_test_part(plan: MakePlan) -> None:
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    for settings in (", valid = 0.25, split_seed = 3", ", valid = 0.25, test = 0.5, split_seed = 3"):
        assert rows(work_of(plan, settings).valid) == sorted(order[:10].tolist())
    assert rows(work_of(plan, ", valid = 0.25, split_seed = 3").train) == sorted(order[10:].tolist())


def test_a_test_part_of_no_rows_is_the_run_without_one(plan: MakePlan) -> None:
    def ids(settings: str) -> list[str]:
        return [run.id for run in plan(NUMBERED.replace("DATA", f'{{ name = "numbered"{settings} }}')).runs]

    assert ids(", valid = 0.25") == ids(", valid = 0.25, test = 0.0") != ids(", valid = 0.25, test = 0.1")


def test_held_out_rows_are_scaled_as_the_training_rows_are(plan: MakePlan) -> None:
    plain = work_of(plan, ", valid = 0.25, test = 0.15")
    scaled = work_of(plan, ", valid = 0.25, test = 0.15, standardise = true")
    mean, deviation = plain.train.inputs.mean(), plain.train.inputs.std(correction=0)
    assert scaled.test is not None
    assert plain.test is not None
    torch.testing.assert_close(scaled.test.inputs, (plain.test.inputs - mean) / deviation)


def test_parts_that_leave_nothing_to_train_on_are_refused(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match=r"valid = 0.5 and test = 0.5 hold out all rows; nothing is left"):
        work_of(plan, ", valid = 0.5, test = 0.5")
    with pytest.raises(SpecError, match=r"valid = 0.8 and test = 0.2 hold out all rows"):
        work_of(plan, ", valid = { grid = [0.2, 0.8] }, test = 0.2")
    with pytest.raises(ValueError, match=r"valid = 0.5 and test = 0.49 hold out all 40 rows"):
        work_of(plan, ", valid = 0.5, test = 0.49")


def test_shares_that_move_together_may_each_be_large(plan: MakePlan) -> None:
    together = ', valid = { grid = [0.2, 0.7], with = "a" }, test = { grid = [0.7, 0.2], with = "a" }'
    assert len(rows(work_of(plan, together).train)) == 4
    excluded = NUMBERED.replace(
        "DATA", '{ name = "numbered", valid = { grid = [0.2, 0.7] }, test = { grid = [0.7, 0.2] } }'
    )
    assert len(plan('exclude = { "data.valid" = 0.7, "data.test" = 0.7 }\n' + excluded).runs) == 3


def test_each_row_that_is_not_reported_is_held_out_in_one_fold(plan: MakePlan) -> None:
    made = plan(NUMBERED.replace("DATA", '{ name = "numbered", k_folds = 3, test = 0.15, split_seed = 3 }'))
    works = [make_workload(REGISTRY, run, CPU) for run in made.runs]
    assert [len(rows(work.valid)) for work in works] == [12, 11, 11]
    reported = rows(works[0].test)
    assert len(reported) == 6
    held_out = sorted(row for work in works for row in rows(work.valid))
    assert held_out == sorted(set(range(40)) - set(reported))
    for work in works:
        assert rows(work.test) == reported
        assert sorted([*rows(work.train), *rows(work.valid), *reported]) == list(range(40))
    other = plan(NUMBERED.replace("DATA", '{ name = "numbered", k_folds = 3, test = 0.15, split_seed = 4 }'))
    assert rows(make_workload(REGISTRY, other.runs[0], CPU).valid) != rows(works[0].valid)


def test_folds_take_the_place_of_a_share_that_is_held_out_by_default(plan: MakePlan) -> None:
    @data("tenth")
    def tenth(*, valid: Fraction = 0.1) -> Table:
        return Table(torch.arange(40.0).unsqueeze(1), torch.arange(40) % 3)

    made = plan(NUMBERED.replace("DATA", '{ name = "tenth", k_folds = 40 }'))
    assert rows(make_workload(REGISTRY, made.runs[0], CPU).valid) != []
    assert len(rows(make_workload(REGISTRY, made.runs[0], CPU).train)) == 39
    same = plan(NUMBERED.replace("DATA", '{ name = "tenth", k_folds = 40, valid = 0 }'))
    assert [run.id for run in same.runs] == [run.id for run in made.runs]


def test_there_are_at_most_as_many_folds_as_rows(plan: MakePlan) -> None:
    made = plan(NUMBERED.replace("DATA", '{ name = "numbered", k_folds = 37, test = 0.1 }'))
    with pytest.raises(ValueError, match="k_folds = 37 takes at least as many rows, but there are 36"):
        make_workload(REGISTRY, made.runs[0], CPU)


# --- rows that a data set brings itself


@pytest.fixture
def _brings() -> None:
    @data("brings", parts=("valid", "test"))
    def brings() -> Table:
        table, other = points(target="class"), points(target="class", rows=6)
        return Table(table.inputs, table.targets, valid=other, test=points(target="class", rows=7))


@pytest.mark.usefixtures("_brings")
def test_rows_that_a_data_set_brings_are_measured_without_any_setting(plan: MakePlan) -> None:
    made = plan(SPEC.replace("DATA", '{ name = "brings" }'))
    assert (made.comparison.metric, made.comparison.reported) == ("valid.accuracy", "test.accuracy")
    assert [metric.name for metric in made.metrics if not metric.is_loss] == [
        f"{split}.accuracy" for split in ("train", "valid", "test")
    ]
    work = make_workload(REGISTRY, made.runs[0], CPU)
    assert [len(table) for table in work.every_split.values()] == [20, 6, 7]
    assert plan(SPEC.replace("DATA", '{ name = "brings" }'), "compare.metric=valid.loss")


@pytest.mark.usefixtures("_brings")
def test_a_setting_for_rows_that_a_data_set_brings_is_refused(plan: MakePlan) -> None:
    with pytest.raises(SpecError, match="brings brings its own valid rows"):
        plan(SPEC.replace("DATA", '{ name = "brings", valid = 0.2 }'))


@pytest.mark.usefixtures("_brings")
def test_rows_that_a_data_set_brings_are_no_fold(plan: MakePlan) -> None:
    for made in ('"brings"', '"Flowers102"'):
        with pytest.raises(SpecError, match=r"brings its own validation rows, .*\n.*\n.*\n +leave k_folds out"):
            plan(SPEC.replace("DATA", f"{{ name = {made}, k_folds = 5 }}"))


def brought(plan: MakePlan, parts: tuple[str, ...], **tables: Table) -> Workload:
    @data("odd", parts=parts)
    def odd() -> Table:
        table = points(target="class")
        return Table(table.inputs, table.targets, **tables)  # type: ignore[arg-type]

    return make_workload(REGISTRY, plan(SPEC.replace("DATA", '{ name = "odd" }')).runs[0], CPU)


def test_rows_come_as_they_were_declared(plan: MakePlan) -> None:
    with pytest.raises(ValueError, match=r'odd has test rows, .* not declare: write @data\("odd", parts=\("test",\)\)'):
        brought(plan, (), test=points(target="class"))
    with pytest.raises(ValueError, match=r"odd promises valid rows, but its Table has none: return Table\(..., valid="):
        brought(plan, ("valid", "test"), test=points(target="class"))


def test_only_a_data_set_has_parts_and_no_others_than_these() -> None:
    with pytest.raises(ValueError, match="parts of 'odd' are rows of a data set"):
        data("odd", parts=("dev",))
    with pytest.raises(ValueError, match="parts of 'odd' are rows of a data set"):
        REGISTRY.decorator("loss")("odd", parts=("test",))


# --- settings that are called as the parts are


@pytest.mark.parametrize("setting", ["test: bool = False", "test: int = 5", "valid: str = 'dev'", "test: float = 0.1"])
def test_a_setting_that_is_called_as_a_part_and_is_none_is_refused_with_its_file(tmp_path: Path, setting: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f'from xprun.plugins import data\n@data("mine.set")\ndef one(*, {setting}):\n    """No."""\n')
    with pytest.raises(PluginError) as caught:
        load_file(REGISTRY, file)
    name = setting.partition(":")[0]
    told = str(caught.value)
    assert f"the setting '{name}' of the data set 'mine.set'" in told
    assert str(file) in told
    assert "(0 <= x <= 1): give it another name" in told


@pytest.mark.parametrize("setting", ["k_folds: int = 5", "fold: int = 0", "k_folds: int | None = None"])
def test_a_setting_that_is_called_as_the_folds_are_is_refused(tmp_path: Path, setting: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f'from xprun.plugins import data\n@data("mine.set")\ndef one(*, {setting}):\n    """No."""\n')
    with pytest.raises(PluginError, match=rf"'{setting.partition(':')[0]}' of the data set 'mine.set'.* another name"):
        load_file(REGISTRY, file)


def test_a_setting_that_is_called_as_a_part_may_be_one(plan: MakePlan) -> None:
    @data("mine")
    def mine(*, test: Fraction | str = "official", valid: Annotated[Fraction, AbsentByDefault()] = 0.2) -> Table:
        table = points(target="class")
        return Table(table.inputs, table.targets, test=points(target="class", rows=5) if test == "official" else None)

    def parts(settings: str) -> list[int]:
        made = plan(SPEC.replace("DATA", f'{{ name = "mine"{settings} }}'))
        return [len(table) for table in make_workload(REGISTRY, made.runs[0], CPU).every_split.values()]

    assert parts("") == [16, 4, 5]
    assert parts(", test = 0.1, valid = 0") == [18, 2]
    with pytest.raises(ValueError, match="mine promises test rows"):
        parts(', test = "oficial"')


def test_folds_of_stl10_are_no_part() -> None:
    assert "folds" in REGISTRY.find("data", "STL10").schema


# --- what may be asked of the test rows


def wrong(text: str, write: Callable[[str], Path]) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_text(text, "spec.toml", ())), REGISTRY)
    return [(problem.message, problem.help) for problem in caught.value.problems]


HELD_OUT = NUMBERED.replace("DATA", '{ name = "numbered", valid = 0.2, test = 0.2 }')
REFUSED = {
    "compare": 'compare = { metric = "test.accuracy" }',
    "patience": 'run.stop.patience = { evaluations = 2, metric = "test.accuracy" }',
    "target": 'run.stop.metric_reached = { "test.accuracy" = 0.9 }',
    "save": 'run.save = { metric = "test.accuracy", goal = "max" }',
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_nothing_chooses_by_the_test_rows(text: str, write: Any) -> None:
    spec = HELD_OUT.replace('run = { epochs = 2, metrics = ["accuracy", "confusion"] }', "")
    spec += f'run.epochs = 2\nrun.metrics = ["accuracy"]\n{text}\n'
    told = "test.accuracy is of the test rows, which choose nothing"
    assert wrong(spec, write) == [(told, "choose by valid.accuracy; the report shows test.accuracy")]


def test_a_ranking_by_checkpoints_needs_those_of_the_best_evaluation(plan: MakePlan, write: Any) -> None:
    asked = HELD_OUT + 'compare = { at = "checkpoint", tolerance = 0.01 }\n'
    [(message, cure)] = wrong(asked, write)
    assert message == 'ranks by the checkpoint of the best evaluation, which only run.save = "best" keeps'
    assert cure == 'write run.save = "best", or leave at out'
    made: Plan = plan(asked.replace("epochs = 2", 'epochs = 2, save = "best"'))
    assert (made.comparison.at, made.comparison.tolerance) == ("checkpoint", 0.01)
    assert "checkpoint.test.accuracy" in made.schema.names("metric")
    assert not [name for name in made.schema.names("metric") if name.startswith("best.test.")]


def test_a_tolerance_is_no_negative_number(write: Any) -> None:
    assert wrong(HELD_OUT + "compare.tolerance = -0.1\n", write)
    assert wrong(HELD_OUT + "compare.tolerance = inf\n", write)


def test_measuring_test_rows_that_are_not_there_has_no_effect(write: Any) -> None:
    text = HELD_OUT.replace(", test = 0.2", "").replace("epochs = 2", 'epochs = 2, measure_test = "each"')
    told = "has no effect, because no rows are held out for the test"
    assert wrong(text, write) == [(told, "write for example data.test = 0.2")]


@pytest.mark.parametrize(
    ("value", "told", "cure"),
    [
        ("best.test.accuracy", "test.accuracy is of the test rows", "claim final.test.accuracy, or"),
        ("checkpoint.valid.accuracy", "a kept checkpoint is measured on the test rows only", "claim best.valid"),
        ("checkpoint.test.accuracy", "no checkpoint of a best evaluation is kept", 'write run.save = "best"'),
        ("checkpoint.test.acuracy", "the runs of this spec have no result 'test.acuracy'", "they have"),
    ],
)
def test_a_claim_about_what_is_not_measured_is_refused(value: str, told: str, cure: str, write: Any) -> None:
    [(message, help_text)] = wrong(HELD_OUT + f'[[expect]]\nvalue = "{value}"\nmin = 0\n', write)
    assert message.startswith(told)
    assert help_text.startswith(cure)


@pytest.mark.parametrize("share", ["valid = 0.01", "test = 0.001", "valid = 0.5, test = 0.0124"])
def test_a_share_that_holds_out_no_row_is_an_error(share: str, plan: MakePlan) -> None:
    with pytest.raises(ValueError, match="it holds out none of 40 rows; hold out more, or leave"):
        work_of(plan, f", {share}")
