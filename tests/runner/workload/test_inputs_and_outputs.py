"""Models that take token ids, tuples or dictionaries, and return several tensors, train as in a loop by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from support.cohorts import Cohort, layers, named
from support.training import MakePlan, Train
from torch import Tensor, nn
from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data, loss, metric, model
from xprun.plugins.tensor_groups import call
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.batch_order import batches
from xprun.specs import Run

ROWS = 30


def generated() -> tuple[Tensor, Tensor, Tensor]:
    """Return token ids [30, 4], real numbers [30, 3] and classes [30]."""
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(7, (ROWS, 4), generator=generator)
    return tokens, torch.randn(ROWS, 3, generator=generator), torch.arange(ROWS) % 3


class Bag(nn.Module):
    """Token ids -> scores."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.scores = nn.Embedding(7, 5), nn.Linear(5, 3)

    def forward(self, tokens: Tensor) -> Any:
        return self.scores(self.embedding(tokens).mean(1))


class Both(Bag):
    """Token ids and real numbers -> scores."""

    def __init__(self) -> None:
        super().__init__()
        self.more = nn.Linear(3, 3)

    def forward(self, tokens: Tensor, numbers: Tensor) -> Any:
        return super().forward(tokens) + self.more(numbers)


class Two(Bag):
    """Token ids -> scores and their squares."""

    def forward(self, tokens: Tensor) -> Any:
        scores = super().forward(tokens)
        return scores.square(), scores


class Named(Bag):
    """Token ids -> scores and a number, by name."""

    def forward(self, tokens: Tensor) -> Any:
        scores = super().forward(tokens)
        return {"scores": scores, "sum": scores.sum(1)}


@pytest.fixture(autouse=True)
def _components(_registry_as_installed: None) -> None:
    tokens, numbers, classes = generated()
    forms: dict[str, Any] = {
        "ids": tokens,
        "pair": (tokens, numbers),
        "by name": {"numbers": numbers, "tokens": tokens},
    }

    @data("rows")
    def rows(*, form: str) -> Table:
        return Table(forms[form], classes)

    @data("drawn")
    def drawn() -> Stream:
        def sample(generator: torch.Generator, rows: int) -> tuple[Any, Tensor]:
            chosen = torch.randint(ROWS, (rows,), generator=generator)
            return (tokens[chosen], numbers[chosen]), classes[chosen]

        return Stream(sample, epoch_steps=3)

    for cls in (Bag, Both, Two, Named):
        model(cls.__name__)(maker(cls))

    @loss("regularised")
    def regularised(outputs: Any, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs["scores"], target) + 0.1 * outputs["sum"].square().mean()

    @metric("mean_square", goal="min")
    def mean_square(prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.mean()


def maker(cls: type[nn.Module]) -> Callable[..., nn.Module]:
    def make(x: Any, y: Tensor) -> nn.Module:
        return cls()

    return make


def cohort(plan: MakePlan, form: str, name: str, **sections: Any) -> Cohort:
    return Cohort(
        plan,
        **{
            "data": named("rows", form=form, batch_size=8, valid=0.2),
            "model": named(name),
            "optimizer": named("Adam", lr={"grid": [0.01, 0.1]}),
            "run": {"epochs": 4, "seeds": 2, "metrics": ["accuracy"]},
            **sections,
        },
    )


def by_hand(cohort: Cohort, run: Run, loss: Callable[[Any, Tensor], Tensor]) -> Iterator[float]:
    """Yield the losses of an ordinary loop."""
    work = cohort.work
    module = work.make_model(run.seed)
    optimizer = torch.optim.Adam(module.parameters(), lr=run.choices["optimizer"].settings["lr"])
    feed = batches(work.train.inputs, work.train.targets, work.batch_size, run.seed)
    for x, y in islice(feed, work.schedule.steps):
        optimizer.zero_grad()
        value = loss(call(module, x), y)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield value.item()


def agrees(cohort: Cohort, outcomes: dict[str, Outcome], loss: Callable[[Any, Tensor], Tensor]) -> None:
    for run in cohort.runs:
        assert outcomes[run.id].status == "done", outcomes[run.id].reason
        expected = list(by_hand(cohort, run, loss))
        np.testing.assert_allclose(outcomes[run.id].history["loss"].values, expected, 1e-12)


CASES: list[tuple[str, str, Any, Callable[[Any, Tensor], Tensor]]] = [
    ("ids", "Bag", {}, nn.functional.cross_entropy),
    ("pair", "Both", {}, nn.functional.cross_entropy),
    ("by name", "Both", {}, nn.functional.cross_entropy),
    ("ids", "Two", {"output": 1}, lambda outputs, y: nn.functional.cross_entropy(outputs[1], y)),
    ("ids", "Named", {"output": "scores"}, lambda outputs, y: nn.functional.cross_entropy(outputs["scores"], y)),
]


@pytest.mark.parametrize(("form", "name", "settings", "loss"), CASES, ids=[f"{f}-{n}" for f, n, _, _ in CASES])
def test_a_model_trains_together_as_alone_and_as_by_hand(
    form: str, name: str, settings: Any, loss: Callable[[Any, Tensor], Tensor], plan: MakePlan
) -> None:
    made = cohort(plan, form, name, loss=named("CrossEntropyLoss", **settings))
    outcomes = made.check("traced")
    agrees(made, outcomes, loss)
    agrees(made, made.alone(), loss)
    assert all({"train.accuracy", "valid.accuracy"} < outcome.history.keys() for outcome in outcomes.values())


def test_a_loss_of_ones_own_takes_all_outputs_and_metrics_take_theirs(plan: MakePlan) -> None:
    metrics = [named("accuracy", output="scores"), named("mean_square", output="sum")]
    made = cohort(plan, "ids", "Named", loss=named("regularised"), run={"epochs": 3, "seeds": 2, "metrics": metrics})
    outcomes = made.check("traced")
    agrees(made, outcomes, lambda o, y: nn.functional.cross_entropy(o["scores"], y) + 0.1 * o["sum"].square().mean())
    assert "valid.accuracy(output='scores')" in next(iter(outcomes.values())).history or any(
        "accuracy" in name for name in next(iter(outcomes.values())).history
    )


def test_a_stream_of_pairs_trains_together_as_alone(plan: MakePlan) -> None:
    made = Cohort(
        plan,
        data=named("drawn", batch_size=8),
        model=named("Both"),
        optimizer=named("SGD", lr={"grid": [0.1, 0.3]}),
        run={"steps": 6, "seeds": 2, "metrics": ["accuracy"]},
    )
    made.check("traced")


def test_integers_stay_integers_and_real_numbers_take_the_precision_of_the_run(plan: MakePlan) -> None:
    tokens, numbers = cohort(plan, "pair", "Both").work.train.inputs
    assert (tokens.dtype, numbers.dtype) == (torch.int64, torch.float64)


def test_standardise_scales_the_real_numbers_alone(plan: MakePlan) -> None:
    work = cohort(plan, "pair", "Both", data=named("rows", form="pair", valid=0.2, standardise=True)).work
    tokens, numbers = work.train.inputs
    assert tokens.dtype == torch.int64
    torch.testing.assert_close(numbers.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="these inputs are integers: leave it out"):
        cohort(plan, "ids", "Bag", data=named("rows", form="ids", standardise=True))


@pytest.mark.parametrize(
    ("form", "sections", "message"),
    [
        (
            "ids",
            {"model": layers(named("Embedding", num_embeddings=2, embedding_dim=3), "Flatten")},
            r"no place for a token id of its inputs, which go up to \d in the first rows: an Embedding needs",
        ),
        ("ids", {"model": named("softmax")}, r"does not take these inputs, which are integers \(int64\): an Embedding"),
        (
            "ids",
            {"model": named("Two")},
            r"returns 2 tensors, and CrossEntropyLoss takes one: set loss.output \(0, 1\)",
        ),
        (
            "ids",
            {"model": named("Two"), "loss": named("CrossEntropyLoss", output=2)},
            "the model has no output 2; loss.output is one of 0, 1",
        ),
        (
            "ids",
            {"model": named("Bag"), "loss": named("CrossEntropyLoss", output=0)},
            "the loss.output is 0, but the model returns one tensor: leave it out",
        ),
        (
            "ids",
            {"model": named("Named"), "loss": named("regularised")},
            r"and accuracy takes one: set output of the metric accuracy \('scores', 'sum'\)",
        ),
    ],
)
def test_a_wrong_form_is_told_before_training(form: str, sections: Any, message: str, plan: MakePlan) -> None:
    with pytest.raises(ValueError, match=message):
        cohort(plan, form, "Bag", **sections)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        ((torch.ones(3, 2), torch.ones(3)), TypeError, "the data set odd returned a tuple: return Table"),
        (Table(np.ones((3, 2)), torch.ones(3)), TypeError, "the Table of odd holds a ndarray"),  # type: ignore[arg-type]
        (Table(torch.ones(3, 2), torch.ones(4)), ValueError, "of odd differ in their rows: 3 and 4"),
    ],
)
def test_what_is_no_table_is_told(made: Any, error: type[Exception], message: str, train: Train) -> None:
    @data("odd")
    def odd() -> Any:
        return made

    spec = """
    data = { name = "odd" }
    model = { name = "softmax" }
    loss = { name = "MSELoss" }
    optimizer = { name = "SGD" }
    run = { steps = 1 }
    """
    with pytest.raises(error, match=message):
        train(spec)
