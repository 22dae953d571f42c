"""Compiled steps give the outcomes of the ordinary loop, and are used where they repay the compiler's seconds."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.cohorts import MSE, REAL, TINY, WILD, Cohort, grid, layers, linear, named, points
from support.training import MakePlan
from torch import Tensor
from xprun.plugins.registry import data, optimizer
from xprun.runner.engine import compiled_steps as compiled
from xprun.runner.engine import stop_rules
from xprun.runner.engine.compiled_steps import AT_ONCE, CompiledSteps, compile_if_it_repays
from xprun.runner.engine.execution_units import make_program
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.linear_stack import LinearStack

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
SGD = named("SGD", lr=grid(0.01, 0.03))


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)


def a_cohort(plan: MakePlan, optimizers: Any = SGD, model: Any = TINY, rows: Any = "full", **run: Any) -> Cohort:
    settings = {"steps": 31, "seeds": 2, "compile": True, "evaluate_every": 10, **run}
    return Cohort(plan, data=REAL | {"batch_size": rows}, model=model, loss=MSE, optimizer=optimizers, run=settings)


def train(cohort: Cohort) -> Training:
    [cells] = cohort.grids
    training = Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells)
    training.train()
    return training


@needs_compiler
@pytest.mark.parametrize(
    ("rows", "every", "program", "optimizers"),
    [
        (3, 2, "linear-stack", [named("SGD", lr=grid(0.03, WILD), momentum=0.5), named("Adam", lr=grid(0.01, 0.1))]),
        ("full", 10, "traced", [named("scratch.gd", lr=grid(0.03, WILD))]),
    ],
)
def test_compiled_steps_give_the_outcomes_of_the_ordinary_loop(
    rows: Any,
    every: int,
    program: str,
    optimizers: Any,
    plan: MakePlan,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mini-batches of which the last is smaller, families with and without state, a run that diverges."""
    calls = 0

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        function = compile_really(*arguments)

        def call(*tensors: Tensor) -> Any:
            nonlocal calls
            calls += 1
            return function(*tensors)

        return call

    compile_really = compiled._compile
    monkeypatch.setattr(compiled, "_compile", counted)
    outcomes = a_cohort(plan, optimizers, rows=rows, steps=60, evaluate_every=every).check(program).values()
    assert {outcome.status for outcome in outcomes} == {"done", "diverged"}
    assert calls > 2
    assert "not compiled" not in caplog.text


def test_without_a_compiler_the_runs_are_trained_all_the_same(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(*_: Any) -> Any:
        raise RuntimeError("no working C++ compiler was found")

    monkeypatch.setattr(compiled, "_compile", no_compiler)
    a_cohort(plan).check(LinearStack.name)
    assert caplog.messages == ["the steps are not compiled: RuntimeError: no working C++ compiler was found"]


@pytest.mark.parametrize("works", [True, False])
def test_the_compiler_does_not_use_up_the_time_of_a_run(
    works: bool, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0

    def compile_slowly(training: Training, _: Any) -> Any:
        nonlocal seconds
        seconds += 1000
        if not works:
            raise RuntimeError("no working C++ compiler was found")
        return lambda *_: (training.program.flat, torch.zeros(AT_ONCE, *training.program.shape, dtype=torch.float64))

    monkeypatch.setattr(compiled, "_compile", compile_slowly)
    monkeypatch.setattr(stop_rules, "time", SimpleNamespace(perf_counter=lambda: seconds))
    outcomes = train(a_cohort(plan, stop={"max_seconds": 10})).outcomes()
    assert seconds == 1000
    assert {outcome.status for outcome in outcomes} == {"done"}


@pytest.mark.parametrize(("limit", "repays"), [(2, False), (10, False), (1000, True)])
def test_the_compiler_repays_in_the_time_that_a_run_has(limit: float, repays: bool, plan: MakePlan) -> None:
    cohort = a_cohort(plan, steps=10**12, compile="auto", stop={"max_seconds": limit})
    [cells] = cohort.grids
    training = Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells)
    assert bool(compile_if_it_repays(training, 1e-4)) == repays


def test_compiled_steps_that_compute_something_else_are_not_used(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(training: Training, batches: Any) -> Any:
        return lambda flat, t, *others: (flat, flat.new_zeros(AT_ONCE, *flat.shape[:2]), *others[:0])

    monkeypatch.setattr(compiled, "_compile", wrong)
    a_cohort(plan).check(LinearStack.name)
    assert "their losses would be others" in caplog.text


def by_norm(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    return w - lr * g / (1 + g.norm())


@pytest.mark.parametrize(
    ("optimizers", "model", "why"),
    [
        (named("test.by_norm"), TINY, "a rule looks at whole parameters"),
        (SGD, layers(linear(3, 4), named("Dropout"), linear(4, 1)), "the model draws random numbers"),
    ],
)
def test_what_cannot_be_compiled_is_said(
    optimizers: Any, model: Any, why: str, plan: MakePlan, caplog: pytest.LogCaptureFixture
) -> None:
    optimizer("test.by_norm")(by_norm)
    a_cohort(plan, optimizers, model).check("traced")
    assert why in caplog.text


def test_steps_are_compiled_where_that_repays(plan: MakePlan) -> None:
    def chosen(seconds: float, compile: Any, steps: int = 100_000) -> CompiledSteps | None:
        cohort = a_cohort(plan, compile=compile, steps=steps)
        [cells] = cohort.grids
        training = Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells)
        return compile_if_it_repays(training, seconds)

    assert chosen(5e-4, "auto")
    assert not chosen(5e-5, "auto")  # 5 seconds in all
    assert not chosen(1e-2, "auto")  # arithmetic
    assert not chosen(5e-4, False)
    assert chosen(5e-5, True)
    assert not chosen(5e-5, True, steps=3)
