"""Data as torch users have them: data sets and loaders of torch, rows too large to be copied, and rare classes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from support.cohorts import Cohort, named
from support.room import limit
from support.training import MakePlan, Train
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data
from xprun.plugins.tensor_groups import LazyRows
from xprun.runner.cli.main import main
from xprun.runner.workload import dataset_rows, stored_rows
from xprun.runner.workload.batch_order import batches, epoch_orders
from xprun.runner.workload.dataset_rows import DatasetRows
from xprun.runner.workload.stored_rows import StoredRows

ROWS = 40


def generated() -> tuple[Tensor, Tensor]:
    """Return inputs [40, 3] and classes [40], most of which are 0."""
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(ROWS, 3, generator=generator)
    return inputs, (inputs[:, 0] > 0.5).long() + (inputs[:, 0] > 1.5).long()


class Plain(Dataset[Any]):
    """Items that are always the same."""

    def __init__(self) -> None:
        self.inputs, self.targets = generated()

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        return self.inputs[number], int(self.targets[number])


class Noisy(Plain):
    """Items with noise from all three generators."""

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        x, y = super().__getitem__(number)
        return x + 0.1 * torch.randn(3) + 0.1 * random.random() + 0.1 * np.random.rand(), y


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield torch.ones(3), 0


MADE: dict[str, Callable[[], Any]] = {
    "table": lambda: Table(*generated()),
    "tensors": lambda: TensorDataset(*generated()),
    "plain": Plain,
    "loader": lambda: DataLoader(Plain(), batch_size=8, shuffle=True),
    "noisy": Noisy,
    "two workers": lambda: DataLoader(Noisy(), batch_size=8, num_workers=2),
    "endless": Endless,
    "sampler": lambda: DataLoader(Plain(), batch_size=8, sampler=WeightedRandomSampler([1.0] * ROWS, ROWS)),
    "other batches": lambda: DataLoader(Plain(), batch_size=16, shuffle=True),
    "drop last": lambda: DataLoader(Plain(), batch_size=8, drop_last=True),
    "local": lambda: DataLoader(local(), batch_size=8, num_workers=1),
    "scalars": lambda: [(1.0)],
}


def local() -> Dataset[Any]:
    class Local(Plain):
        pass

    return Local()


@pytest.fixture(autouse=True)
def _made(_registry_as_installed: None) -> None:
    @data("made")
    def made(*, form: str) -> Any:
        return MADE[form]()


def cohort(plan: MakePlan, form: str, **sections: Any) -> Cohort:
    return Cohort(
        plan,
        **{
            "data": named("made", form=form, batch_size=8, valid=0.2, **sections.pop("more", {})),
            "model": named("mlp", hidden=[4], activation="Tanh"),
            "optimizer": named("SGD", lr={"grid": [0.1, 0.3]}),
            "run": {"epochs": 3, "seeds": 2, "metrics": ["accuracy", "confusion"]},
            **sections,
        },
    )


def losses(outcomes: dict[str, Any]) -> list[list[float]]:
    return [list(outcome.history["loss"].values) for outcome in outcomes.values()]


@pytest.mark.parametrize("form", ["tensors", "plain", "loader"])
def test_a_data_set_that_is_always_the_same_is_a_table(form: str, plan: MakePlan) -> None:
    made = cohort(plan, form)
    assert isinstance(made.work.train.inputs, Tensor)
    assert losses(made.check("linear-stack")) == losses(cohort(plan, "table").together("linear-stack"))


def test_a_data_set_that_draws_at_random_is_read_anew_in_each_epoch(plan: MakePlan) -> None:
    made = cohort(plan, "noisy")
    for program in ("linear-stack", "traced"):
        outcomes = made.check(program)
        assert {"train.accuracy", "valid.accuracy"} < next(iter(outcomes.values())).history.keys()
    feed = made.work.feed.alone(0)
    first, second = ([next(feed) for _ in range(4)] for _ in range(2))
    orders = [order.tolist() for order in islice(epoch_orders(len(made.work.train), 0), 2)]
    by_row = [
        dict(zip(order, torch.cat([x for x, _ in seen]), strict=True))
        for order, seen in zip(orders, (first, second), strict=True)
    ]
    assert not any(torch.equal(by_row[0][row], by_row[1][row]) for row in range(len(made.work.train)))
    before = torch.get_rng_state(), random.getstate()
    next(feed)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


def test_the_losses_are_those_of_a_hand_written_loop(plan: MakePlan) -> None:
    made = cohort(plan, "noisy")
    outcomes = made.alone()
    for run in made.runs:
        module, expected = made.work.make_model(run.seed), []
        optimizer = torch.optim.SGD(module.parameters(), lr=run.choices["optimizer"].settings["lr"])
        for x, y in islice(made.work.feed.alone(run.seed), made.work.schedule.steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(module(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            expected.append(loss.item())
        np.testing.assert_allclose(outcomes[run.id].history["loss"].values, expected, 1e-12)


def test_a_data_set_that_draws_at_random_goes_on_where_it_was(plan: MakePlan) -> None:
    feed = cohort(plan, "noisy").work.feed
    first, second = feed.alone(1), feed.alone(1)
    for _ in range(6):
        next(first)
    second.restore(first.state())
    for (x, y), (again, same) in zip(islice(first, 3), islice(second, 3), strict=True):
        assert torch.equal(x, again)
        assert torch.equal(y, same)


def test_workers_change_no_result(plan: MakePlan) -> None:
    assert losses(cohort(plan, "two workers").together("linear-stack")) == losses(
        cohort(plan, "noisy").together("linear-stack")
    )


@pytest.mark.parametrize(
    ("form", "error", "message"),
    [
        ("endless", ValueError, "made returned data without a length: return a Stream"),
        ("sampler", ValueError, r'has a WeightedRandomSampler, .* loss.class_weights = "balanced" weighs rare classes'),
        ("other batches", ValueError, r"batch_size=16, but data.batch_size is 8: write data.batch_size = 16"),
        ("drop last", ValueError, "has drop_last, which xprun does not do"),
        ("local", ValueError, "num_workers=1, but its data set cannot be sent to other processes"),
        ("scalars", TypeError, "the data set made returned a list: return Table"),
    ],
)
def test_what_a_loader_asks_for_in_vain_is_told(
    form: str, error: type[Exception], message: str, plan: MakePlan
) -> None:
    with pytest.raises(error, match=message):
        cohort(plan, form)


def test_items_that_are_no_pairs_are_told(train: Train) -> None:
    @data("alone")
    def alone() -> Any:
        return [torch.ones(3)] and _Alone()

    spec = """
    data = { name = "alone" }
    model = { name = "softmax" }
    loss = { name = "MSELoss" }
    optimizer = { name = "SGD" }
    run = { steps = 1 }
    """
    with pytest.raises(ValueError, match=r"an item of _Alone must be \(inputs, target\), not a Tensor"):
        train(spec)


class _Alone(Plain):
    def __getitem__(self, number: int) -> Any:
        return self.inputs[number]


# --- rows that are too large to be copied


@pytest.mark.parametrize("standardise", [False, True])
def test_large_tables_are_trained_and_measured_as_small_ones(
    standardise: bool, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = {"more": {"test": 0.1, "standardise": standardise}}
    small = cohort(plan, "table", **sections)
    monkeypatch.setattr(stored_rows, "LARGE", 0)
    large = cohort(plan, "table", more={"test": 0.1, "standardise": standardise})
    assert isinstance(large.work.train.inputs, StoredRows)
    for program in ("linear-stack", "traced"):
        expected, found = small.together(program), large.check(program)
        for run in large.runs:
            for name, series in expected[run.id].history.items():
                np.testing.assert_allclose(found[run.id].history[name].values, series.values, 1e-9, err_msg=name)
            assert found[run.id].matrices == expected[run.id].matrices


def test_a_file_in_memory_is_not_copied(tmp_path: Path, plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    generated()[0].numpy().tofile(tmp_path / "rows.bin")
    mapped = torch.from_file(str(tmp_path / "rows.bin"), shared=False, size=ROWS * 3).view(ROWS, 3)

    @data("mapped")
    def of_file() -> Table:
        return Table(mapped, generated()[1])

    monkeypatch.setattr(stored_rows, "LARGE", 0)
    work = cohort(plan, "table", data=named("mapped", batch_size=8, valid=0.2)).work
    assert work.valid is not None
    for part in (work.train, work.valid):
        assert isinstance(part.inputs, StoredRows)
        assert isinstance(part.inputs.stored, Tensor)
        assert part.inputs.stored.data_ptr() == mapped.data_ptr()


def test_a_large_data_set_of_torch_is_not_kept(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    small = cohort(plan, "plain").together("linear-stack")
    monkeypatch.setattr(dataset_rows, "LARGE", 100)
    made = cohort(plan, "plain")
    assert isinstance(made.work.train.inputs, DatasetRows)
    assert isinstance(made.work.train.inputs, LazyRows)
    for found, expected in zip(losses(made.together("linear-stack")), losses(small), strict=True):
        np.testing.assert_allclose(found, expected, 1e-12)


def test_rows_that_are_predicted_in_pieces_are_measured_as_a_whole(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cohort(plan, "table", more={"test": 0.1})
    expected = made.together("traced")
    limit(monkeypatch, outputs=200)
    found = made.together("traced")
    for run in made.runs:
        for name, series in expected[run.id].history.items():
            np.testing.assert_allclose(found[run.id].history[name].values, series.values, 1e-12, err_msg=name)
        assert found[run.id].matrices == expected[run.id].matrices


# --- rare classes


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "BCEWithLogitsLoss"])
def test_balanced_classes_weigh_as_by_hand(name: str, plan: MakePlan) -> None:
    if name == "BCEWithLogitsLoss":
        MADE["halves"] = lambda: Table(generated()[0], (generated()[1] > 0).long())
    made = cohort(
        plan, "halves" if name == "BCEWithLogitsLoss" else "table", loss=named(name, class_weights="balanced")
    )
    y = made.work.train.targets
    if name == "BCEWithLogitsLoss":
        weighed: nn.Module = nn.BCEWithLogitsLoss(pos_weight=(y == 0).sum().double() / (y == 1).sum())
    else:
        weighed = nn.CrossEntropyLoss(weight=len(y) / (3 * torch.bincount(y).double()))
    outcomes = made.check("traced")
    for run in made.runs:
        module, expected = made.work.make_model(run.seed), []
        optimizer = torch.optim.SGD(module.parameters(), lr=run.choices["optimizer"].settings["lr"])
        for x, target in islice(batches(made.work.train.inputs, y, 8, run.seed), made.work.schedule.steps):
            optimizer.zero_grad()
            loss = weighed(module(x), target)
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
        np.testing.assert_allclose(outcomes[run.id].history["loss"].values, expected, 1e-12)


PLUGIN = """
import torch
from torch.utils.data import DataLoader, Dataset
from xprun.plugins import NonNegativeInt, data


class Noisy(Dataset):
    def __len__(self):
        return 40

    def __getitem__(self, number):
        return torch.full((3,), float(number)) + torch.randn(3), number % 2


@data("noisy")
def noisy(*, num_workers: NonNegativeInt = 0):
    return DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=num_workers)
"""
SPEC = """
data = { name = "noisy", batch_size = 8, num_workers = 2 }
model = { name = "softmax" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD" }
run = { epochs = 2 }
"""


def test_a_loader_of_a_plugin_file_is_read_in_processes_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "noisy.toml").write_text(SPEC, encoding="utf-8")
    arguments = ["--plugin", str(tmp_path / "noisy.py"), str(tmp_path / "noisy.toml"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
