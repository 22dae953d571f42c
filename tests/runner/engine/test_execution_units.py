"""The engine trains runs together where that is right and faster, alone otherwise, and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.cohorts import DATA, SGD, Cohort, grid, layers, linear, named, points, same
from support.room import limit
from support.training import MakePlan
from torch import Tensor, nn
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data, model, optimizer
from xprun.plugins.types import Vector
from xprun.runner.engine import execution_units as units
from xprun.runner.engine.execution_units import ExecutionUnit, make_program, select_strategy
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.execution.cohort_execution import execute, train
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.plan import Cohort as PlannedCohort
from xprun.runner.results.outcome import Outcome

CONTEXT = Context("cpu")
UNSTACKED = layers(linear(3, 4), "GELU", linear(4, 3))  # no chain that the Linear stack knows
RATES = named("Adam", lr=grid(0.003, 0.01, 0.03))


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small cohorts be traced, too, and all their runs train at once, whatever a busy machine finds faster."""
    monkeypatch.setattr(units, "TRACING_REPAYS", 0.0)
    monkeypatch.setattr(units, "SIZES", ())


def ways(units: list[ExecutionUnit]) -> dict[str, tuple[str | None, str]]:
    """Return for each run the program that trains it and the reason."""
    return {run.id: (unit.program, unit.reason) for unit in units for run in unit.runs}


def check(cohort: Cohort) -> dict[str, Outcome]:
    """See that the engine's outcomes are those of the ordinary loop, each run once; return them."""
    found = [o for part in train(cohort.work, cohort.runs, CONTEXT) for o in part]
    assert sorted(outcome.run for outcome in found) == sorted(run.id for run in cohort.runs)
    expected = cohort.alone()
    for outcome in found:
        same(outcome, expected[outcome.run])
    return {outcome.run: outcome for outcome in found}


# --- which way


def test_many_small_runs_are_trained_together(plan: MakePlan) -> None:
    cohort = Cohort(plan, optimizer=[SGD, RATES], run={"epochs": 3, "seeds": 2})
    [unit] = select_strategy(cohort.work, cohort.runs)
    assert unit.program == "linear-stack"
    assert unit.reason.startswith("a chain of Linear layers; ")
    assert unit.seconds_per_step > 0
    assert {outcome.together for outcome in check(cohort).values()} == {12}


def test_a_trace_takes_all_runs_of_a_tiny_model_and_few_of_a_wide_one(plan: MakePlan) -> None:
    rates = named("Adam", lr={"logspace": [1e-4, 1e-1], "num": 100})
    for width, columns in ((4, 100), (2000, 64)):
        model = layers(linear(3, width), "GELU", linear(width, 3))
        cohort = Cohort(plan, model=model, optimizer=[rates], run={"epochs": 1, "seeds": 1})
        [runs] = units.grids_of(cohort.work, cohort.runs)
        assert next(units._candidates(cohort.work, runs, "traced")) == columns


def test_optimizers_that_are_no_rules_are_trained_alone_beside_the_others(plan: MakePlan) -> None:
    model = layers(linear(3, 4, bias=False), "Tanh", linear(4, 3, bias=False))  # Muon takes matrices only
    classes = [named("LBFGS", max_iter=3), named("Adafactor"), named("Muon")]
    cohort = Cohort(plan, model=model, optimizer=[SGD, *classes], run={"epochs": 2, "seeds": 4})
    chosen = ways(select_strategy(cohort.work, cohort.runs))
    for run in cohort.runs:
        name = run.choices["optimizer"].name
        alone = (None, f"{name} is an optimizer class, not an update rule")
        assert chosen[run.id] == alone if name != "SGD" else chosen[run.id][0] == "linear-stack"
    outcomes = check(cohort)
    assert {outcomes[run.id].together for run in cohort.runs if run.choices["optimizer"].name == "SGD"} == {12}


def test_alone_is_obeyed(plan: MakePlan) -> None:
    cohort = Cohort(plan, run={"epochs": 2, "seeds": 4, "engine": "alone"})
    assert set(ways(select_strategy(cohort.work, cohort.runs)).values()) == {(None, "run.engine asks for it")}
    assert {outcome.together for outcome in check(cohort).values()} == {1}


def test_together_is_obeyed_even_by_one_run(plan: MakePlan) -> None:
    for wanted, together in {"together": True, "auto": False}.items():
        run = {"epochs": 2, "engine": wanted}
        cohort = Cohort(plan, model=UNSTACKED, optimizer=named("SGD", lr=0.1), run=run)
        [unit] = select_strategy(cohort.work, cohort.runs)
        assert (unit.program is not None) == together
        check(cohort)


def test_runs_that_are_faster_alone_are_trained_alone(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    true = units.time_alone
    monkeypatch.setattr(units, "time_alone", lambda work, run: replace(true(work, run), seconds=1e-9))
    cohort = Cohort(plan, run={"epochs": 2, "seeds": 4})
    [unit] = select_strategy(cohort.work, cohort.runs)
    assert unit.program is None
    assert unit.reason.startswith("0 us per step alone, ")
    assert {outcome.together for outcome in check(cohort).values()} == {1}


def test_a_model_is_traced_only_where_that_repays(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = Cohort(plan, model=UNSTACKED, run={"steps": 4, "seeds": 4})
    monkeypatch.setattr(units, "TRACING_REPAYS", 1e9)  # seconds
    [unit] = select_strategy(cohort.work, cohort.runs)
    assert unit.program is None
    assert "GELU" in unit.reason
    assert "trac" in unit.reason
    monkeypatch.setattr(units, "TRACING_REPAYS", 0.0)
    [unit] = select_strategy(cohort.work, cohort.runs)
    assert unit.program == "traced"


def test_a_model_that_cannot_be_batched_is_trained_alone(plan: MakePlan) -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            h: Tensor = self.inner(x)
            return h if h.sum() > 0 else 2 * h

    model("branching")(lambda x, y: Branching())
    cohort = Cohort(plan, model=named("branching"), run={"epochs": 3, "seeds": 4})
    [unit] = select_strategy(cohort.work, cohort.runs)
    assert unit.program is None
    assert unit.reason.startswith("it cannot be batched (RuntimeError: vmap: It looks like you're ")
    assert {outcome.status for outcome in check(cohort).values()} == {"done"}


def test_a_run_that_magnifies_rounding_does_not_send_the_others_alone(plan: MakePlan) -> None:
    data = named("digits", batch_size="full")
    model = layers(linear(64, 32), "Tanh", linear(32, 32), "Tanh", linear(32, 10))
    optimizers, run = named("Adam", lr=grid(1000.0, 0.01, 0.003)), {"steps": 20, "dtype": "float32"}
    cohort = Cohort(plan, data=data, model=model, optimizer=optimizers, run=run | {"engine": "together"})
    assert {unit.program for unit in select_strategy(cohort.work, cohort.runs)} == {"linear-stack"}


# --- how many at once


@pytest.mark.parametrize(
    ("model", "batch_size"), [(layers(linear(3, 3)), 8), (layers(linear(3, 3)), "full"), (UNSTACKED, 8)]
)
def test_runs_that_do_not_fit_the_memory_are_trained_in_units(
    model: dict[str, Any], batch_size: Any, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimizers = [SGD, named("scratch.adam", lr=grid(0.01, 0.03))]
    data, run = DATA | {"batch_size": batch_size}, {"epochs": 3, "seeds": 2, "engine": "together"}
    cohort = Cohort(plan, data=data, model=model, optimizer=optimizers, run=run)
    [whole] = select_strategy(cohort.work, cohort.runs)
    assert len(whole.runs) == 10
    per_run = work_of_a_run(cohort, whole)
    limit(monkeypatch, step=6 * per_run)
    chosen = select_strategy(cohort.work, cohort.runs)
    assert [len(unit.runs) for unit in chosen] == [6, 4]
    assert all(unit.program == whole.program for unit in chosen)
    assert sorted(outcome.together for outcome in check(cohort).values()) == [4] * 4 + [6] * 6


def work_of_a_run(cohort: Cohort, whole: ExecutionUnit) -> int:
    """Return the bytes that the engine counts for one run in a step."""
    assert whole.program is not None
    program = make_program(cohort.work, whole.grid, whole.program)
    numbers = program.numbers_per_run(cohort.work.batch_size or len(cohort.work.train)) + 6 * program.parameters
    return numbers * cohort.work.train.inputs.element_size()


def test_a_setting_is_trained_with_all_its_seeds_however_little_memory_there_is(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, step=0)
    cohort = Cohort(plan, run={"epochs": 3, "seeds": 2, "engine": "together"})
    assert {outcome.together for outcome in check(cohort).values()} == {2}


# --- what breaks


def test_a_rule_that_breaks_lets_the_other_families_finish(plan: MakePlan) -> None:
    @optimizer("breaking")
    def breaking(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
        if t > 20:
            raise ValueError("no more")
        return w - lr * g

    cohort = Cohort(plan, optimizer=[SGD, named("breaking"), RATES], run={"steps": 24, "seeds": 2})
    outcomes = {outcome.run: outcome for part in execute(PlannedCohort(cohort.runs), CONTEXT) for outcome in part}
    expected = Cohort(plan, optimizer=[SGD, RATES], run={"steps": 24, "seeds": 2}).alone()
    assert len(outcomes) == 14
    for run in cohort.runs:
        if run.choices["optimizer"].name == "breaking":
            assert (outcomes[run.id].status, outcomes[run.id].reason) == ("failed", "ValueError: no more")
        else:
            same(outcomes[run.id], expected[run.id])
            assert outcomes[run.id].together > 1


def test_a_rule_that_breaks_at_once_keeps_no_other_from_being_trained_together(plan: MakePlan) -> None:
    @optimizer("broken")
    def broken(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
        return w - lr * g.no_such_thing  # type: ignore[no-any-return, attr-defined]

    cohort = Cohort(plan, optimizer=[SGD, named("broken"), RATES], run={"epochs": 2, "seeds": 2})
    outcomes = [o for part in train(cohort.work, cohort.runs, CONTEXT) for o in part]
    assert (
        sorted((outcome.status, outcome.together) for outcome in outcomes) == [("done", 12)] * 12 + [("failed", 1)] * 2
    )
    alone = [unit for unit in select_strategy(cohort.work, cohort.runs) if unit.program is None]
    assert {unit.reason for unit in alone} == {
        "a trial step of it fails: 'Tensor' object has no attribute 'no_such_thing'"
    }


def test_a_rule_that_returns_too_little_says_what_is_asked_for(plan: MakePlan) -> None:
    @optimizer("short")
    def short(w: Tensor, g: Tensor, m: Tensor, v: Tensor, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
        return w - lr * g, m

    cohort = Cohort(plan, optimizer=[SGD, named("short")], run={"epochs": 2, "seeds": 2})
    outcomes = [o for part in train(cohort.work, cohort.runs, CONTEXT) for o in part]
    [reason] = {outcome.reason for outcome in outcomes if outcome.status == "failed"}
    assert reason.startswith("UpdateRuleError: short (test_execution_units.py:")
    assert reason.endswith(") returns 2 values; its signature asks for 3: w, m, v")


def test_a_rule_that_cannot_be_batched_keeps_no_other_from_being_trained_together(plan: MakePlan) -> None:
    @optimizer("looking")
    def looking(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
        return w - lr * g if g.norm() > 1 else w - 2 * lr * g

    optimizers = [SGD, named("looking", lr=grid(0.01, 0.02)), RATES]
    cohort = Cohort(plan, optimizer=optimizers, run={"epochs": 2, "seeds": 2})
    outcomes = check(cohort)
    for run in cohort.runs:
        alone = run.choices["optimizer"].name == "looking"
        assert (outcomes[run.id].together == 1) == alone


# Rules that cannot be stacked as they are must still be trained right.


def branching(w: Tensor, g: Tensor, v: Tensor, *, lr: float = 0.1, keep: float = 0.0) -> Any:
    v = keep * v + g if keep else g.clone()
    return w - lr * v, v


def with_vector(w: Tensor, g: Tensor, *, lr: float = 0.1, parts: Vector = [0.5, 0.5]) -> Tensor:  # noqa: B006
    return w - lr * sum(float(part) for part in parts) * g  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rule", "settings"),
    [(branching, {"keep": grid(0.0, 0.5)}), (with_vector, {"parts": grid([0.5, 0.5], [0.1, 0.2, 0.3])})],
    ids=["branching", "with a vector"],
)
def test_any_rule_is_trained_right(rule: Callable[..., Any], settings: dict[str, Any], plan: MakePlan) -> None:
    optimizer("mine")(rule)
    optimizers = [SGD, named("mine", lr=grid(0.03, 0.1), **settings)]
    cohort = Cohort(plan, optimizer=optimizers, run={"epochs": 3, "seeds": 2, "engine": "together"})
    assert {outcome.status for outcome in check(cohort).values()} == {"done"}


# --- models and data that a program could easily get wrong: it must see that, or get them right


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 3)


class Dropping(Inner):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.4)


class FunctionalDropout(Inner):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(nn.functional.dropout(self.first(x), 0.4, self.training))
        return result


class Noisy(Inner):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(self.first(x + torch.randn_like(x) if self.training else x))
        return result


class DropsTwice(Dropping):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(self.drop(self.drop(self.first(x))))
        return result


class DropsTransposed(Dropping):
    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).t().contiguous().t()  # the same numbers, in another order in memory
        result: Tensor = self.second(self.drop(h))
        return result


class DropsPairs(Dropping):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(self.drop(self.first(x).reshape(-1, 2)).reshape(-1, 4))
        return result


class Counts(Inner):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += self.training
        result: Tensor = self.second(self.first(x)) * (1 + self.count)
        return result


class ReplacesBuffer(Inner):
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.count = self.count + 1
        result: Tensor = self.second(self.first(x)) * (1 + self.count)
        return result


def shared_activation() -> nn.Module:
    act = nn.Tanh()
    return nn.Sequential(nn.Linear(3, 4), act, nn.Linear(4, 3), act)


def shared_layer() -> nn.Module:
    last = nn.Linear(3, 3)
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), last, nn.Tanh(), last)


def with_hook() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    module[1].register_forward_hook(lambda module, inputs, output: 2 * output)
    return module


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    module[2].weight = module[0].weight
    return module


def partly_frozen() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
    module[0].requires_grad_(False)
    return module


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.inner(x.unsqueeze(2))[0][:, -1])
        return result


MODELS: dict[str, Callable[[], nn.Module]] = {
    "functional dropout": FunctionalDropout,
    "noise": Noisy,
    "one dropout twice": DropsTwice,
    "dropout of a transposed tensor": DropsTransposed,
    "dropout of more rows": DropsPairs,
    "a count": Counts,
    "a buffer that is replaced": ReplacesBuffer,
    "a shared activation": shared_activation,
    "a shared layer": shared_layer,
    "a hook": with_hook,
    "tied weights": tied,
    "frozen parameters": partly_frozen,
    "LSTM": Recurrent,
    "AlphaDropout": lambda: nn.Sequential(nn.Linear(3, 4), nn.AlphaDropout(0.3), nn.Linear(4, 3)),
    "RReLU": lambda: nn.Sequential(nn.Linear(3, 4), nn.RReLU(), nn.Linear(4, 3)),
    "a cumulative BatchNorm": lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=None), nn.Linear(4, 3)),
}


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", MODELS)
def test_any_model_is_trained_right(name: str, plan: MakePlan) -> None:
    model("mine")(lambda x, y: MODELS[name]())
    cohort = Cohort(plan, model=named("mine"), run={"epochs": 3, "seeds": 2, "engine": "together"})
    assert {outcome.status for outcome in check(cohort).values()} == {"done"}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (with_hook, "hooks"),
        (partly_frozen, "frozen"),
        (shared_activation, "does not end in a Linear layer"),
        pytest.param(tied, "share"),
        pytest.param(shared_layer, "share"),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3)), "two Linear layers"),
        (lambda: nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 3)), "GELU"),
        (lambda: nn.Sequential(nn.Tanh(), nn.Linear(3, 3)), "Tanh"),
    ],
)
def test_a_model_that_is_no_chain_of_linear_layers_says_why(make: Callable[[], nn.Module], reason: str) -> None:
    found = LinearStack.of(make(), nn.MSELoss(), torch.zeros(5, 3))
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize(
    ("loss", "targets", "fits"),
    [
        (nn.MSELoss(), torch.zeros(5, 3), True),
        (nn.MSELoss(), torch.zeros(5, 1), False),
        (nn.MSELoss(), torch.zeros(5), False),
        (nn.MSELoss(), torch.zeros(5, 4, 3), False),
        (nn.MSELoss(reduction="sum"), torch.zeros(5, 3), True),
        (nn.CrossEntropyLoss(), torch.tensor([0, 1, 2]), True),
        (nn.CrossEntropyLoss(), torch.tensor([0, 1, 3]), False),
        (nn.CrossEntropyLoss(), torch.tensor([0, 1, -100]), False),
        (nn.CrossEntropyLoss(), torch.ones(5, 3) / 3, False),
        (nn.CrossEntropyLoss(label_smoothing=0.1), torch.tensor([0, 1, 2]), False),
        (nn.CrossEntropyLoss(weight=torch.ones(3)), torch.tensor([0, 1, 2]), False),
    ],
)
def test_the_linear_stack_takes_targets_that_its_losses_are_written_for(
    loss: nn.Module, targets: Tensor, fits: bool
) -> None:
    chain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
    assert isinstance(LinearStack.of(chain, loss, targets), LinearStack) == fits


def numbers(*, rows: int = 20) -> Table:
    return points(target="real", rows=rows)


def flat_numbers(*, rows: int = 20) -> Table:
    table = points(target="real", rows=rows)
    return Table(table.inputs, table.targets.flatten())


def whole_numbers(*, rows: int = 20) -> Table:
    table = points(target="class", rows=rows)
    return Table(table.inputs, table.targets.unsqueeze(1))


def sequences(*, rows: int = 20) -> Table:
    table = points(target="reals", rows=rows, shape=[4, 3])
    return Table(table.inputs, table.inputs.cumsum(1))


def partly_labelled(*, rows: int = 20) -> Table:
    table = points(target="class", rows=rows)
    table.targets[::3] = -100  # what CrossEntropyLoss leaves out
    return table


def probabilities(*, rows: int = 20) -> Table:
    return points(target="probabilities", rows=rows)


TABLES: dict[str, tuple[Callable[..., Table], int, str]] = {
    "numbers": (numbers, 1, "MSELoss"),
    "numbers without an axis": (flat_numbers, 1, "MSELoss"),
    "whole numbers": (whole_numbers, 1, "MSELoss"),
    "sequences": (sequences, 3, "MSELoss"),
    "partly labelled": (partly_labelled, 3, "CrossEntropyLoss"),
    "probabilities": (probabilities, 3, "CrossEntropyLoss"),
}


@pytest.mark.parametrize("name", TABLES)
def test_any_targets_are_trained_right(name: str, plan: MakePlan) -> None:
    table, outputs, loss = TABLES[name]
    data("mine")(table)
    cohort = Cohort(
        plan,
        data=named("mine", batch_size=8, valid=0.2),
        model=layers(linear(3, 4), "Tanh", linear(4, outputs)),
        loss=named(loss),
        run={"epochs": 3, "seeds": 2},
    )
    assert {outcome.status for outcome in check(cohort).values()} == {"done"}


def test_more_runs_than_a_unit_may_have_are_trained_in_several(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "LARGEST", 4)
    cohort = Cohort(plan, optimizer=[named("Adam", lr=grid(0.003, 0.01, 0.03, 0.1))], run={"epochs": 3, "seeds": 2})
    found = select_strategy(cohort.work, cohort.runs)
    assert sum(len(unit.runs) for unit in found) == 8
    assert max(len(unit.runs) for unit in found) <= 4
    check(cohort)
