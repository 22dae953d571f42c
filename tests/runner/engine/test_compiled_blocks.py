"""Compiled blocks give the outcomes of the ordinary loop, and are used where they repay the compiler's seconds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.cohorts import MSE, REAL, TINY, WILD, Cohort, grid, layers, linear, named, points
from support.python_blocks import python_block
from support.training import MakePlan
from torch import Tensor
from xprun.plugins.registry import data, optimizer
from xprun.runner.engine import block_cache as cache
from xprun.runner.engine import block_compiler as compiler
from xprun.runner.engine import compiled_blocks, stop_rules
from xprun.runner.engine.block_compiler import CompilerError
from xprun.runner.engine.compiled_blocks import FEWEST, CompiledBlocks, compile_if_it_repays
from xprun.runner.engine.execution_units import ExecutionUnit, make_program
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.engine.shards import train_in_shards
from xprun.runner.engine.step_function import StepFunction
from xprun.runner.planning.layout import Layout
from xprun.runner.process.training_progress import TrainingProgress, heard_by
from xprun.runner.store.snapshots import Snapshot

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
SGD = named("SGD", lr=grid(0.01, 0.03))


@pytest.fixture(autouse=True)
def _points(_registry_as_installed: None, one_thread: None) -> None:
    data("points")(points)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own for the tests that compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield cache.cache_folder() / "blocks"


def a_cohort(
    plan: MakePlan, optimizers: Any = SGD, model: Any = TINY, rows: Any = "full", scheduler: Any = None, **run: Any
) -> Cohort:
    settings = {"steps": 31, "seeds": 2, "compile": True, "evaluate_every": 10, **run}
    more = {"scheduler": scheduler} if scheduler else {}
    return Cohort(
        plan, data=REAL | {"batch_size": rows}, model=model, loss=MSE, optimizer=optimizers, **more, run=settings
    )


def train(cohort: Cohort) -> Training:
    [cells] = cohort.grids
    training = Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells)
    training.train()
    return training


@pytest.fixture
def steps_in_blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each call of a block takes."""
    taken: list[int] = []

    def counted(*arguments: Any, **more: Any) -> Any:
        block = really(*arguments, **more)

        def call(arguments: list[Tensor]) -> list[Tensor]:
            taken.append(len(arguments[0]))
            return block(arguments)

        return call

    really = compiled_blocks.block_for
    monkeypatch.setattr(compiled_blocks, "block_for", counted)
    return taken


TWO_FAMILIES = [named("SGD", lr=grid(0.03, WILD), momentum=0.5), named("Adam", lr=grid(0.01, 0.1))]


@needs_compiler
@pytest.mark.parametrize(
    ("rows", "every", "program", "optimizers"),
    [(3, 4, "linear-stack", TWO_FAMILIES), ("full", 10, "traced", [named("scratch.gd", lr=grid(0.03, WILD))])],
)
def test_blocks_give_the_outcomes_of_the_ordinary_loop(
    rows: Any,
    every: int,
    program: str,
    optimizers: Any,
    plan: MakePlan,
    caplog: pytest.LogCaptureFixture,
    kept: Path,
    steps_in_blocks: list[int],
) -> None:
    """Mini-batches of which the last is smaller, families with and without state, a run that diverges."""
    outcomes = a_cohort(plan, optimizers, rows=rows, steps=60, evaluate_every=every).check(program).values()
    assert {outcome.status for outcome in outcomes} == {"done", "diverged"}
    assert max(steps_in_blocks) >= 5
    assert sum(steps_in_blocks) > 25
    assert caplog.messages == []


@needs_compiler
def test_who_looks_at_blocks_sees_them_and_changes_not_a_bit(
    plan: MakePlan, kept: Path, steps_in_blocks: list[int]
) -> None:
    cohort, heard = a_cohort(plan), list[TrainingProgress]()
    [unit] = [ExecutionUnit(cells, LinearStack.name, "", None) for cells in cohort.grids]
    unseen = train_in_shards(cohort.work, unit, tell_every=0.0)
    with heard_by(heard.append):
        seen = train_in_shards(cohort.work, unit, tell_every=0.0)
    assert max(steps_in_blocks) >= 5
    assert len(heard) > 1
    assert heard[-1].step == 31
    for before, after in zip(unseen, seen, strict=True):
        assert before.parameters == after.parameters
        assert before.history["loss"].values.tobytes() == after.history["loss"].values.tobytes()


@needs_compiler
@pytest.mark.parametrize("program", ["linear-stack", "traced"])
def test_schedulers_are_part_of_blocks(program: str, plan: MakePlan, kept: Path, steps_in_blocks: list[int]) -> None:
    """Of which one moves the momentum, too; runs of other rates have other timetables."""
    optimizers = [named("SGD", lr=grid(0.01, 0.03), momentum=0.5), named("Adam", lr=0.01)]
    cycle = named("OneCycleLR", max_lr=0.1, per="step")
    a_cohort(plan, optimizers, rows=3, scheduler=cycle, steps=60, evaluate_every=4).check(program)
    assert max(steps_in_blocks) >= 5
    before = sum(steps_in_blocks)
    steps = named("StepLR", step_size=2, gamma=0.5, per="epoch")
    a_cohort(plan, optimizers, rows=3, scheduler=steps, steps=60, evaluate_every=4).check(program)
    assert sum(steps_in_blocks) == 2 * before


@needs_compiler
@pytest.mark.parametrize("rows", ["full", 3])
def test_other_rates_seeds_and_numbers_of_runs_are_not_compiled_again(
    rows: Any, plan: MakePlan, kept: Path, monkeypatch: pytest.MonkeyPatch, steps_in_blocks: list[int]
) -> None:
    a_cohort(plan, TWO_FAMILIES, rows=rows).check(LinearStack.name)
    before = sum(steps_in_blocks)
    monkeypatch.setattr(cache, "Compiler", no_compiler)
    others = [named("SGD", lr=grid(0.02, 0.07, 0.01), momentum=0.1, weight_decay=0.1), named("Adam", lr=0.01)]
    for seeds in ([7, 8, 9], [1]):
        a_cohort(plan, others, rows=rows, seeds=seeds).check(LinearStack.name)
    assert sum(steps_in_blocks) == 3 * before


def test_a_damaged_block_is_compiled_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files stand for blocks here, and are whole or not by what is written in them."""

    class Writer:
        def __init__(self, function: Any, arguments: Any, shared: bool, file: Path) -> None:
            self.file = file
            file.write_text("whole", encoding="utf-8")

        def is_at_work(self, *, wait: bool) -> bool:
            return False

    def load(file: Path) -> Any:
        if file.read_text(encoding="utf-8") != "whole":
            raise CompilerError("it is damaged")
        return file

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "Compiler", Writer)
    monkeypatch.setattr(cache, "load_block", load)
    function, arguments = StepFunction(len, [], "a step"), [torch.zeros(1)] * 4  # type: ignore[arg-type]
    file: Any = cache.block_for(function, arguments, shared=True, how="wait")
    file.write_text("who", encoding="utf-8")
    assert cache.block_for(function, arguments, shared=True, how="kept") is None
    assert cache.block_for(function, arguments, shared=True, how="wait") == file
    assert list((tmp_path / "xprun/blocks").iterdir()) == [file]
    assert file.read_text(encoding="utf-8") == "whole"
    another = StepFunction(len, [], "another step")  # type: ignore[arg-type]
    assert cache.block_for(another, arguments, shared=True, how="wait") != file


def no_compiler(*_: Any, **__: Any) -> Any:
    raise CompilerError("no working C++ compiler was found")


def test_without_a_compiler_the_runs_are_trained_all_the_same(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "Compiler", no_compiler)
    a_cohort(plan).check(LinearStack.name)
    assert caplog.messages == ["the steps are not compiled: no working C++ compiler was found"]
    assert not list((tmp_path / "xprun/blocks").iterdir())


def test_a_cache_that_cannot_be_written_costs_only_the_compiler(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "xprun").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    a_cohort(plan).check(LinearStack.name)
    assert caplog.messages == [f"the steps are not compiled: the cache {tmp_path / 'xprun/blocks'}: Not a directory"]


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("fail()", "ValueError: no such operation"),
        ("os.kill(os.getpid(), 9)", "the compiler ended with -9"),
        ("time.sleep(1000)", "the compiler took more than 0 s"),
        ("None", "the compiler ended with 0"),
    ],
)
def test_a_compiler_that_fails_or_hangs_is_an_error(
    does: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiler, "LONGEST", 0.4 if "sleep" in does else 60.0)
    monkeypatch.setattr(compiler, "compile_block", lambda *_: eval(does, {"os": os, "time": time, "fail": fail}))
    with pytest.raises(CompilerError, match=told):
        compiler.Compiler(None, [], True, tmp_path / "made").is_at_work(wait=True)  # type: ignore[arg-type]


def fail() -> None:
    raise ValueError("no such operation")


def test_the_cache_is_bounded_and_tidied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_FILES", 3)
    for age, name in enumerate(["new", "younger", "killed.making12", "older", "oldest"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age * 90_000,) * 2)
    (tmp_path / "scratch of one that was killed").mkdir()
    os.utime(tmp_path / "scratch of one that was killed", (0, 0))
    cache._tidy(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"new", "younger"}


@pytest.mark.parametrize("works", [True, False])
def test_the_compiler_does_not_use_up_the_time_of_a_run(
    works: bool, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0

    def compile_slowly(*arguments: Any, **more: Any) -> Any:
        nonlocal seconds
        seconds += 1000
        return python_block(*arguments, **more) if works else no_compiler()

    monkeypatch.setattr(compiled_blocks, "block_for", compile_slowly)
    monkeypatch.setattr(stop_rules, "time", SimpleNamespace(perf_counter=lambda: seconds))
    outcomes = train(a_cohort(plan, stop={"max_seconds": 10})).outcomes()
    assert seconds == 1000
    assert {outcome.status for outcome in outcomes} == {"done"}


@pytest.mark.parametrize(("limit", "repays"), [(2, False), (7, False), (1000, True)])
def test_the_compiler_repays_in_the_time_that_a_run_has(limit: float, repays: bool, plan: MakePlan) -> None:
    cohort = a_cohort(plan, steps=10**12, compile="auto", stop={"max_seconds": limit})
    [cells] = cohort.grids
    training = Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells)
    assert how_of(compile_if_it_repays(training, 1e-4, saved=False)) == ("beside" if repays else "kept")
    assert how_of(compile_if_it_repays(training, 1e-4, saved=True)) == ("wait" if repays else None)


@pytest.mark.parametrize(("every", "how"), [(None, "beside"), (7, "wait")])
def test_only_a_training_that_is_saved_waits_for_the_compiler(
    every: int | None, how: str, plan: MakePlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each training in an output folder has a snapshot, in case that an earlier one was saved."""
    asked: list[str] = []

    def block(*arguments: Any, how: str, **more: Any) -> Any:
        asked.append(how)
        return python_block(*arguments, how=how, **more)

    monkeypatch.setattr(compiled_blocks, "block_for", block)
    monkeypatch.setattr(compiled_blocks, "REPAYS", 0.0)
    monkeypatch.setattr(compiled_blocks, "LOADS", 0.0)
    cohort = a_cohort(plan, compile="auto")
    [cells] = cohort.grids
    snapshot = Snapshot(
        tmp_path, Layout([[run.id for run in runs] for runs in cells.runs], LinearStack.name, 1), every=every
    )
    Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells).train(snapshot)
    assert asked
    assert set(asked) == {how}


def how_of(blocks: CompiledBlocks | None) -> str | None:
    return blocks and blocks.how


def test_blocks_that_compute_something_else_are_not_used(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(*_: Any, **__: Any) -> Any:
        return lambda given: [given[3].new_zeros(len(given[0]), *given[3].shape[:2]), given[3]]

    monkeypatch.setattr(compiled_blocks, "block_for", wrong)
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
    def chosen(seconds: float, compile: Any, steps: int = 100_000) -> str | None:
        cohort = a_cohort(plan, compile=compile, steps=steps)
        [cells] = cohort.grids
        training = Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells)
        return how_of(compile_if_it_repays(training, seconds, saved=False))

    assert chosen(5e-4, "auto") == "beside"
    assert chosen(5e-5, "auto") == "kept"  # 5 seconds in all
    assert chosen(1e-6, "auto") is None
    assert chosen(1e-2, "auto") is None  # arithmetic
    assert chosen(5e-4, False) is None
    assert chosen(5e-5, True) == "wait"
    assert chosen(5e-5, True, steps=FEWEST - 1) is None


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file after which the compiler makes another, which stands for a block."""

    def compile_when_told(function: Any, arguments: Any, shared: bool, file: Path) -> None:
        while not told.exists():
            time.sleep(0.01)
        file.touch()

    told = tmp_path / "go"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "compile_block", compile_when_told)
    return told


def beside(plan: MakePlan) -> Training:
    cohort = a_cohort(plan, steps=40)
    [cells] = cohort.grids
    training = Training(cohort.work, make_program(cohort.work, cells, LinearStack.name), cells)
    training.compiled = CompiledBlocks("beside")
    return training


def test_steps_are_ordinary_ones_while_the_compiler_is_at_work(
    go: Path, plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, taken = beside(plan), []

    def load(file: Path) -> Any:
        def block(arguments: list[Tensor]) -> list[Tensor]:
            taken.append(len(arguments[0]))
            assert training.compiled
            return list(python_block(training.compiled._function, arguments, shared=True, how="kept")(arguments))

        return block

    monkeypatch.setattr(cache, "load_block", load)
    training.advance(10)
    assert training.steps == 10
    assert taken == []
    go.touch()
    [at_work] = cache._compilers.values()
    at_work.is_at_work(wait=True)
    training.advance(30)
    assert training.steps == 30
    assert sum(taken) >= 15
    assert not cache._compilers


def test_a_compiler_ends_with_the_training_that_it_is_for(go: Path, plan: MakePlan) -> None:
    training = beside(plan)
    training.advance(10)
    [at_work] = cache._compilers.values()
    training.train()
    assert {outcome.status for outcome in training.outcomes()} == {"done"}
    assert not cache._compilers
    with pytest.raises(ProcessLookupError):
        os.kill(at_work._pid, 0)
    assert not list((go.parent / "xprun/blocks").iterdir())
