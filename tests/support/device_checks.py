"""Trainings on the pretended accelerator beside the same on the CPU; they are called in a process that has it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from support import pretend_accelerator as pretend
from torch import Tensor
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY, optimizer
from xprun.runner.engine.compiled_blocks import FEWEST, CompiledBlocks
from xprun.runner.engine.execution_units import (
    PROBE_STEPS,
    ExecutionUnit,
    _candidates,
    _shards,
    grids_of,
    make_program,
    select_strategy,
    time_alone,
)
from xprun.runner.engine.graph_blocks import GraphBlock
from xprun.runner.engine.least_squares import least_squares
from xprun.runner.engine.loop import Training
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.engine.step_function import step_function
from xprun.runner.engine.thread_counts import threads_for
from xprun.runner.execution.cohort_execution import train
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.snapshots import Snapshot
from xprun.runner.workload.batch_gather import grouped_batches
from xprun.runner.workload.device_generators import random_state, restore_random, seed_torch
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Run, read_document, read_spec

FOLDER = tempfile.TemporaryDirectory()  # of the spec, and of a text
CPU, ACCELERATOR = torch.device("cpu"), torch.device("privateuseone:0")  # as it is called before it has its name

LINE = '{ name = "line", noise = 0.1, samples = 40, batch_size = 8, valid = 0.2 }'
DIGITS = '{ name = "digits", valid = 0.85, test = 0.1, batch_size = 30 }'  # 90 rows, 3 steps an epoch
IMAGES = DIGITS.replace("}", ", flat = false }")
VERSE = '{ name = "text", file = "verse.txt", sequence_length = 8, valid = 0.2, batch_size = 6 }'
POEM = (
    "Tyger Tyger, burning bright, in the forests of the night; what immortal hand or eye could frame thy symmetry? " * 3
)
SMALL = """{ layers = [
  { name = "Linear", in_features = 64, out_features = 8 }, MIDDLE
  { name = "Linear", in_features = 8, out_features = 10 },
] }"""
MLP = SMALL.replace("MIDDLE", '{ name = "Tanh" },')
DROPOUT = SMALL.replace("MIDDLE", '{ name = "Dropout", p = 0.4 }, { name = "Tanh" }, { name = "Dropout", p = 0.2 },')
NORM = SMALL.replace("MIDDLE", '{ name = "BatchNorm1d", num_features = 8 }, { name = "ReLU" },')
CNN = """{ layers = [
  { name = "Conv2d", in_channels = 1, out_channels = 3, kernel_size = 3, padding = 1 }, MIDDLE { name = "ReLU" },
  { name = "MaxPool2d", kernel_size = 2 }, { name = "Flatten" },
  { name = "Linear", in_features = 48, out_features = 10 },
] }"""
TRANSFORMER = '{ name = "transformer", d_model = 8, nhead = 2, num_layers = 1, dropout = 0.2 }'
RULES = ("AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop", "ASGD", "scratch.adam")
TWO = """[
  { name = "SGD", lr = { grid = [0.01, 0.1] }, momentum = 0.9 }, { name = "Adam", lr = { grid = [0.001, 0.01] } },
]"""
WARM = '[scheduler]\nname = "OneCycleLR"\nmax_lr = { grid = [0.1, 0.3] }\nper = "step"'
GROUPS = '{ name = "AdamW", lr = 0.02, groups = { "*.bias" = { betas = [0.5, 0.9] }, "2.*" = { lr = 0.05 } } }'
RECIPE = 'clip_norm = { grid = [0.1, 1.0] }\naccumulate = 2\naverage = { ema = 0.8 }\nsave = "best"'
LOSS = '{ name = "CrossEntropyLoss" }'
PLAIN = {"data": DIGITS, "model": MLP, "loss": LOSS, "optimizer": TWO, "more": "", "run": ""}

TOGETHER: dict[str, dict[str, Any]] = {
    "a line": {"data": LINE, "model": '{ name = "linear" }', "loss": '{ name = "MSELoss" }', "metrics": ["mae", "r2"]},
    "many runs": {
        "data": LINE,
        "model": '{ name = "linear" }',
        "loss": '{ name = "MSELoss" }',
        "metrics": ["mae"],
        "optimizer": '{ name = "Adam", lr = { logspace = [1e-3, 0.1], num = 32 } }',
    },
    "a Linear stack": {"run": 'save = "best"'},
    "a Linear stack, traced": {"program": "traced"},
    "full batches": {"data": DIGITS.replace("30", '"full"')},
    "every rule": {"optimizer": f"[ {', '.join(f'{{ name = {name!r} }}' for name in RULES)} ]".replace("'", '"')},
    "settings that differ": {
        "optimizer": '{ name = "RAdam", lr = 0.01, betas = { grid = [[0.9, 0.99], [0.8, 0.999]] } }'
    },
    "a rule that looks at whole parameters": {"optimizer": '{ name = "normalised", lr = { grid = [0.001, 0.01] } }'},
    "a scheduler": {"optimizer": '{ name = "SGD", lr = 0.1, momentum = 0.9 }', "more": WARM},
    "groups of parameters": {"optimizer": GROUPS},
    "runs that diverge": {"optimizer": '{ name = "SGD", lr = { grid = [0.1, 1e30] } }'},
    "runs that stop": {"run": "stop = { loss_below = 2.0 }"},
    "clipped, accumulated and averaged": {"run": RECIPE},
    "averages over the batches": {"run": 'measure_train = "running"'},
    "test rows at each evaluation": {"run": 'measure_test = "each"\nsave = "last"'},
    "a CNN": {"data": IMAGES, "model": CNN.replace("MIDDLE", ""), "program": "traced"},
    "a CNN with BatchNorm": {
        "data": IMAGES,
        "model": CNN.replace("MIDDLE", '{ name = "BatchNorm2d", num_features = 3 },'),
        "program": "traced",
        "run": 'save = "best"',
    },
    "dropout": {"model": DROPOUT, "program": "traced"},
    "a transformer of tokens": {"data": VERSE, "model": TRANSFORMER, "program": "traced", "metrics": ["accuracy"]},
    "a stream": {
        "data": '{ name = "polynomial", batch_size = 8 }',
        "model": '{ name = "linear" }',
        "loss": '{ name = "MSELoss" }',
        "metrics": ["mae"],
        "run": "steps = 6",
    },
    "rows changed at random": {
        "data": '{ name = "FakeData", size = 40, image_size = [1, 8, 8], num_classes = 10, valid = 0.2, batch_size = 8,'
        ' transforms = [{ name = "RandomHorizontalFlip" }] }',
        "model": '{ layers = [ { name = "Flatten" }, { name = "Linear", in_features = 64, out_features = 10 } ] }',
        "program": "traced",
    },
}
ALONE: dict[str, dict[str, Any]] = {
    "a torch class": {"optimizer": '{ name = "Adafactor", lr = 0.01 }'},
    "a torch class with a closure": {"optimizer": '{ name = "LBFGS", lr = 0.1, max_iter = 3, history_size = 3 }'},
    "a pair of torch classes": {"optimizer": '{ name = "Muon", lr = 0.02 }', "more": WARM},
    "LSTM of tokens": {"data": VERSE, "model": '{ name = "char_lstm", hidden_size = 8 }', "metrics": ["accuracy"]},
    "a gradient by hand": {
        "data": LINE,
        "model": '{ name = "linear" }',
        "loss": '{ name = "MSELoss" }',
        "metrics": ["mae"],
        "run": 'gradient = "manual"',
    },
}
CASES = TOGETHER | ALONE


def runs_of(name: str, **run: Any) -> list[Run]:
    """Return the runs of a case; further settings of `[run]` stand over its own."""
    case = {**PLAIN, "metrics": ["accuracy", "confusion"], **CASES[name]}
    length = {} if "steps" in case["run"] else {"epochs": 2}
    settings = {"dtype": "float64", "seeds": 2, "metrics": case["metrics"], **length, **run}
    lines = [f"{key} = {case[key]}" for key in ("data", "model", "loss", "optimizer")]
    lines += [
        case["more"],
        "[run]",
        case["run"],
        *(f"{key} = {_toml(value)}" for key, value in settings.items()),
    ]
    registry = open_registry()
    optimizer("normalised")(normalised)
    file = Path(FOLDER.name, "spec.toml")
    Path(FOLDER.name, "verse.txt").write_text(POEM, encoding="utf-8")
    file.write_text("\n".join(lines), encoding="utf-8")
    return make_plan(resolve(read_spec(read_document(file)), registry), "cpu").runs


def normalised(w: Tensor, g: Tensor, *, lr: float = 0.1) -> Tensor:
    """A rule that looks at the norm of a whole parameter."""
    return w - lr * g / (g.norm() + 1e-9)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


# --- trainings


def work_of(runs: list[Run], device: torch.device) -> Workload:
    return make_workload(REGISTRY, runs[0], device)


def trained(runs: list[Run], device: torch.device, program: str | None) -> dict[str, Outcome]:
    """Return the outcomes of runs by id: trained together in a program, or (None) the first and last each alone."""
    work = work_of(runs, device)
    if program is None:
        return {run.id: train_alone(work, run) for run in (runs[0], runs[-1])}
    units = [ExecutionUnit(grid, program, "", None) for grid in grids_of(work, runs)]
    return {outcome.run: outcome for unit in units for outcome in train_in_shards(work, unit)}


def see_equal(found: dict[str, Outcome], expected: dict[str, Outcome], tolerance: float = 1e-9) -> None:
    """See that outcomes are the same, their numbers up to rounding, and that what they hold is plain or on the CPU."""
    assert found.keys() == expected.keys()
    for run, outcome in found.items():
        other = expected[run]
        assert (outcome.status, outcome.steps) == (other.status, other.steps), f"{outcome.reason} and {other.reason}"
        assert outcome.history.keys() == other.history.keys()
        for metric, series in outcome.history.items():
            values = other.history[metric].values
            np.testing.assert_allclose(series.values, values, tolerance, tolerance, err_msg=f"{run} {metric}")
        assert outcome.state.keys() == other.state.keys()
        for part, values in outcome.state.items():
            np.testing.assert_allclose(values, other.state[part], tolerance, tolerance, err_msg=part)
        assert outcome.matrices.keys() == other.matrices.keys()
        assert outcome.visuals.keys() == other.visuals.keys()
        for kind, rows in outcome.visuals.items():
            np.testing.assert_allclose(rows, other.visuals[kind], tolerance, tolerance, err_msg=kind)


def ways_of(name: str) -> list[str | None]:
    """Return the programs in which the runs of a case can be trained."""
    return [CASES[name].get("program", "linear-stack"), None] if name in TOGETHER else [None]


def same_as_on_the_cpu(name: str, program: str | None) -> None:
    """See that the runs of a case become on the accelerator what they become on the CPU."""
    runs = runs_of(name)
    see_equal(trained(runs, ACCELERATOR, program), trained(runs, CPU, program))


def without_double_precision(name: str, program: str | None) -> None:
    """See the same in single precision, of a device that has no other."""
    runs = runs_of(name, dtype="float32")
    expected = trained(runs, CPU, program)
    with pretend.with_less(has_double=False):
        found = trained(runs, ACCELERATOR, program)
    see_equal(found, expected, 1e-3)


def float64_is_refused_where_there_is_none() -> None:
    """See that a spec which asks for double precision is told that the device has none."""
    runs = runs_of("a line")
    with pretend.with_less(has_double=False):
        try:
            work_of(runs, ACCELERATOR)
        except ValueError as error:
            assert str(error) == 'run.dtype = "float64" cannot be had on pretend, which has no double precision', error
        else:
            raise AssertionError("it was not refused")


def resumes_to_the_bit(name: str, program: str | None) -> None:
    """See that a training on the accelerator that is cut off goes on from its snapshot as if it had not been."""
    runs = runs_of(name, checkpoint_every=1)
    work = work_of(runs, ACCELERATOR)
    grid = Grid([[runs[0]]]) if program is None else grids_of(work, runs)[0]
    unit = ExecutionUnit(grid, program, "", None)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Snapshot(Path(folder), unit.layout, 0, 1)
        begun = Training(work, make_program(work, grid, program or Autograd.name), grid)
        begun._measure_untrained()
        begun._look(begun.advance(min(work.schedule.steps_per_epoch, work.schedule.steps // 2)))
        if work.schedule.evaluates_after(begun.steps):
            begun._evaluate()
        snapshot.write(begun.state(), begun.steps, work.schedule.steps)
        draw_something()
        if program is None:
            found = [train_alone(work, runs[0], snapshot)]
        else:
            found = train_in_shards(work, unit, lambda shard: snapshot)
    expected = [train_alone(work, runs[0])] if program is None else train_in_shards(work, unit)
    see_equal({one.run: one for one in found}, {one.run: one for one in expected}, 0.0)


def draw_something() -> None:
    """Move the generators on, as other runs of the process do."""
    torch.rand(7)
    torch.zeros(7).to(ACCELERATOR).bernoulli_(0.5)


# --- what is drawn at random


def dropout_is_that_of_runs_that_train_together() -> None:
    """See that a lone run drops what it drops beside others, though the accelerator has a dropout of its own."""
    runs = runs_of("dropout")
    alone = trained(runs, ACCELERATOR, None)
    together = trained(runs, ACCELERATOR, "traced")
    see_equal({run: together[run] for run in alone}, alone)
    [unit] = units_of(runs_of("dropout", engine="together"))
    assert unit.program == "traced", unit.reason


def an_evaluation_seeds_nothing() -> None:
    """See that models which are made, and rows which are tried, in the midst of a training draw nothing of its own."""
    runs = runs_of("dropout")
    work = work_of(runs, ACCELERATOR)
    draw_something()  # or it may be where a seed has put it
    before = random_state(ACCELERATOR)
    work.make_model(3)
    assert work.rows_at_once
    select_strategy(work, runs)
    train_alone(work, runs[0])
    after = random_state(ACCELERATOR)
    assert all(torch.equal(after[kind], state) for kind, state in before.items())


def a_run_seeds_its_own_device() -> None:
    """See that the second of two devices is seeded, and not the one that is current."""
    first, second = pretend.Module.default_generators
    first.manual_seed(1)
    untouched = first.get_state()
    second_device = torch.device("privateuseone:1")
    for seed in (5, 6):
        seed_torch(seed, second_device)
        assert second.initial_seed() == seed
    assert torch.equal(first.get_state(), untouched)
    saved = random_state(second_device)
    second.manual_seed(9)
    restore_random(saved, second_device)
    assert torch.equal(second.get_state(), saved[pretend.NAME])


# --- how it is used

LITTLE = 1500  # bytes of a tensor of many runs, of which half has room


def units_of(runs: list[Run], threads: int = 4) -> list[ExecutionUnit]:
    return select_strategy(work_of(runs, ACCELERATOR), runs, threads)


def it_is_not_cut_into_shards() -> None:
    """See that no threads share what an accelerator does, however long its steps are."""
    runs = runs_of("a Linear stack", engine="together")
    work = work_of(runs, ACCELERATOR)
    long = ExecutionUnit(grids_of(work, runs)[0], "linear-stack", "", 10.0)
    assert _shards(work, long, 4) == 1
    assert _shards(replace(work, device=CPU), long, 4) > 1
    large = replace(work, batch_size=10**9)
    assert (threads_for(large, 4), threads_for(replace(large, device=CPU), 4)) == (1, 4)


def its_memory_says_how_many_train_at_once() -> None:
    """See that a hundred traced runs are one unit where they fit, and several where few bytes are free."""
    runs = runs_of("a CNN", seeds=25, engine="together")
    work = work_of(runs, ACCELERATOR)
    [grid] = grids_of(work, runs)
    assert list(_candidates(work, grid, "traced")) == [4]  # columns, with 25 seeds each
    assert list(_candidates(work_of(runs, CPU), grid, "traced")) == [2]
    with pretend.with_less(free=25 * 2**20):
        assert list(_candidates(work, grid, "traced")) == [1]


def it_goes_on_with_half(*, tried: bool) -> None:
    """See that trainings of which a tensor does not fit are cut until it does, and become what they would be.

    That a trial tells, or where none is `tried`, as of a training that was cut off, the training itself.
    """
    runs = runs_of("many runs", engine="together", seeds=1)
    work = work_of(runs, ACCELERATOR)
    [unit] = select_strategy(work, runs)
    layout = None if tried else unit.layout
    context = Context(pretend.DEVICE)
    expected = {one.run: one for part in train(work, runs, context, layout) for one in part}
    assert {one.together for one in expected.values()} == {len(runs)}
    with pretend.with_less(largest=LITTLE):
        found = {one.run: one for part in train(work, runs, context, layout) for one in part}
    see_equal(found, expected)
    assert 1 < max(one.together for one in found.values()) < len(runs), [one.together for one in found.values()]


def an_evaluation_goes_on_with_half() -> None:
    """See that an evaluation that does not fit is made of fewer runs at once."""
    runs = runs_of("many runs")
    work = work_of(runs, ACCELERATOR)
    [grid] = grids_of(work, runs)
    training = Training(work, make_program(work, grid, "linear-stack"), grid)
    expected = training.evaluation.measure()
    before = training.evaluation.numbers
    with pretend.with_less(largest=LITTLE):
        found = training.evaluation.measure()
    assert training.evaluation.numbers < before
    for metric, values in expected.items():
        np.testing.assert_allclose(found[metric], values, 1e-12, err_msg=metric)


def a_step_waits_for_nothing(name: str, program: str | None) -> None:
    """See that steps between two looks neither wait for the accelerator nor copy to it."""
    runs = runs_of(name)
    work = work_of(runs, ACCELERATOR)
    grid = Grid([[runs[0]]]) if program is None else grids_of(work, runs)[0]
    training = Training(work, make_program(work, grid, program or Autograd.name), grid)
    training.advance(2)
    pretend.MACHINE.forget()
    training.advance(3)
    assert pretend.MACHINE.launches
    assert (pretend.MACHINE.waits, pretend.MACHINE.copied) == (0, 0)


def orders_are_few_bytes() -> None:
    """See that the order of an epoch goes to the accelerator in two bytes a row, and says what it says on the CPU."""
    prepared = (torch.arange(300.0).unsqueeze(1),)
    seeds = list(range(5))
    there = tuple(part.to(ACCELERATOR) for part in prepared)
    pretend.MACHINE.forget()
    found = [next(feed)[0] for feed in [grouped_batches(there, 100, seeds)] for _ in range(3)]
    assert pretend.MACHINE.copied == 2 * 5 * 300
    expected = [next(feed)[0] for feed in [grouped_batches(prepared, 100, seeds)] for _ in range(3)]
    assert all(torch.equal(one.cpu(), other) for one, other in zip(found, expected, strict=True))


def a_trial_waits() -> None:
    """See that the time of a trial step is that of its arithmetic, not of handing it over."""
    runs = runs_of("a Linear stack")
    work = work_of(runs, ACCELERATOR)
    training_waits = []
    original = pretend.Module.synchronize
    pretend.Module.synchronize = staticmethod(lambda device=None: training_waits.append(device))  # type: ignore[assignment]
    try:
        time_alone(work, runs[0])
    finally:
        pretend.Module.synchronize = staticmethod(original)  # type: ignore[assignment]
    assert len(training_waits) == PROBE_STEPS


# --- graphs

LONG: dict[str, Any] = {"epochs": 24, "evaluate_every": 12}  # two looks, and many steps between


def graphs_take_the_same_steps(name: str, program: str) -> None:
    """See that steps which are recorded once, and asked for by one call each time, are those of the ordinary loop."""
    runs = runs_of(name, compile=True, **LONG)
    pretend.MACHINE.forget()
    found = trained(runs, ACCELERATOR, program)
    assert pretend.MACHINE.launches["graph"] >= 2, "no graph was taken"
    see_equal(found, trained(runs_of(name, compile=False, **LONG), ACCELERATOR, program))


def steps_that_cannot_be_recorded_are_taken_one_by_one(name: str, program: str) -> None:
    """See that a training whose steps are no function of tensors goes on as if nobody had tried."""
    runs = runs_of(name, compile=True, **LONG)
    pretend.MACHINE.forget()
    found = trained(runs, ACCELERATOR, program)
    assert not pretend.MACHINE.launches["graph"]
    see_equal(found, trained(runs_of(name, compile=False, **LONG), ACCELERATOR, program))


def a_graph_is_not_drawn_from_unknown_generators() -> None:
    """See that the pretended graph refuses what one of CUDA does, so that a block without its generators is found."""
    runs = runs_of("dropout", compile=True)
    work = work_of(runs, ACCELERATOR)
    training = Training(work, make_program(work, grids_of(work, runs)[0], "traced"), grids_of(work, runs)[0])
    blocks = CompiledBlocks()
    batches = [next(training.feed) for _ in range(FEWEST)]
    blocks._function = step_function(training, may_draw=True)
    arguments = blocks._arguments(training, batches)
    assert GraphBlock(blocks._function, arguments, False, training.program.generators)(arguments)
    try:
        GraphBlock(blocks._function, arguments, False)(arguments)
    except RuntimeError as error:
        assert "not registered" in str(error)
    else:
        raise AssertionError("it drew from a generator that a graph would not move on")


def the_optimum_is_solved_for_on_the_cpu() -> None:
    """See that the closed form of a line is found, for which a device may lack the solver and the precision."""
    runs = runs_of("a line", dtype="float32")
    expected = least_squares(work_of(runs, CPU))
    with pretend.with_less(has_double=False):
        found = least_squares(work_of(runs, ACCELERATOR))
    assert found.keys() == expected.keys() and len(found) > 3
    np.testing.assert_allclose(list(found.values()), list(expected.values()), 1e-6)
