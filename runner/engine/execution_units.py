"""Chooses how the runs of a cohort are trained: together in which program and how many at once, or alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from xprun.plugins.signature import makes_optimizer
from xprun.plugins.tensor_groups import first_rows
from xprun.runner.engine.loop import Training
from xprun.runner.engine.optimizer_families import can_join, families_of, program_key
from xprun.runner.engine.programs.autograd import Autograd
from xprun.runner.engine.programs.dropout_masks import draws_at_random
from xprun.runner.engine.programs.linear_stack import LinearStack
from xprun.runner.engine.programs.program import Program
from xprun.runner.engine.programs.traced import Traced
from xprun.runner.engine.recipe import with_recipe
from xprun.runner.engine.thread_counts import threads_for, using_threads
from xprun.runner.engine.update_rules import read_rule
from xprun.runner.planning.layout import Layout
from xprun.runner.process.log import words_of
from xprun.runner.resolve.build import own_settings
from xprun.runner.resolve.parameter_groups import GroupError, group_parameters, groups_of
from xprun.runner.resolve.timetable import ScheduleError
from xprun.runner.workload.device_generators import own_draws
from xprun.runner.workload.device_memory import is_out_of_memory, release_memory, room_on
from xprun.runner.workload.device_transfer import fetched, synchronise
from xprun.runner.workload.run_grid import Grid, make_grids
from xprun.runner.workload.workload import Workload, trained_parameters
from xprun.specs import Run
from xprun.specs.language.schema import TORCH

LARGEST = 2**16  # runs of a unit: of more, a step costs no less a run, while their trial and their outcomes take memory
PROBE_STEPS = 4
SIZES = (256, 64, 16, 4)  # runs at once that are tried beside all of them
TRACING_REPAYS = 1.0  # seconds of lone training below which tracing a model is not worth its start
TRACING_IS_LITTLE = 100.0  # seconds of lone training beside which its start is nothing
LONE_STACK = 5_000_000  # parameters times rows up to which the stack is faster for a lone run, too
LONG_STEP = 1e-3  # seconds
NOISE = 1.5  # the factor by which the same steps, measured twice, may differ
SHARD_STEP = 1e-3  # seconds: a shard whose steps are shorter waits for the interpreter more than it computes
AGREEMENT = 1e-3  # relative and absolute; rounding is far below it after a few steps, another computation far above
ROUGH_AGREEMENT = 3e-2  # the same of products in bfloat16, which has 8 bits
STACKED = "a chain of Linear layers"


@dataclass(frozen=True)
class ExecutionUnit:
    """Runs that are trained in one go: a grid in a program, or (`program` None) one after the other.

    `reason` says why, for people; `seconds_per_step` is what a step of all its runs was measured to take, if it was.
    `threads` work on each operation; a unit in `shards` is cut, and each shard trained by a thread of its own.
    `is_close`: it was chosen by times so near to one another that another probe may choose otherwise.
    """

    grid: Grid
    program: str | None
    reason: str
    seconds_per_step: float | None
    threads: int = 1
    shards: int = 1
    is_close: bool = False

    @property
    def runs(self) -> list[Run]:
        return self.grid.every_run

    @property
    def layout(self) -> Layout:
        """What a snapshot of it tells."""
        return Layout([[run.id for run in group] for group in self.grid.runs], self.program, self.threads, self.shards)


def from_layout(layout: Layout, runs: list[Run]) -> ExecutionUnit:
    """Return runs as the execution unit that they were part of when their training was cut off."""
    by_id = {run.id: run for run in runs}
    grid = Grid([[by_id[run] for run in group] for group in layout.runs])
    return ExecutionUnit(grid, layout.program, "it continues as it was started", None, layout.threads, layout.shards)


@dataclass(frozen=True)
class Timed:
    """What a probe found: the seconds of a step, and the losses [steps] of one run, by which ways can be compared."""

    seconds: float
    losses: Tensor


def select_strategy(work: Workload, runs: list[Run], threads: int = 1) -> list[ExecutionUnit]:
    """Return the execution units in which the runs of a cohort are trained fastest, by a short probe of each way.

    `threads` is how many of them a step may use.
    """
    if not work.schedule.steps:
        return [_alone([run], "it is only measured", 0.0) for run in runs]
    if work.backend != TORCH:
        return [_by_backend(work, runs)]
    work = replace(work, feed=work.feed.in_process())
    used = threads_for(work, threads)
    with using_threads(used):
        units = [replace(unit, threads=used) for unit in _choose(work, runs)]
    return [replace(unit, shards=_shards(work, unit, threads // used)) for unit in units]


def _by_backend(work: Workload, runs: list[Run]) -> ExecutionUnit:
    """Return the unit of runs whose steps a backend takes, timed as torch takes them: the backend is not imported."""
    seconds = time_alone(replace(work, backend=TORCH), runs[0]).seconds
    return _alone(runs, f"{work.backend} takes the steps of one run after the other; timed with {TORCH}", seconds)


def _shards(work: Workload, unit: ExecutionUnit, most: int) -> int:
    """Return into how many shards to cut a unit: stacks are built of operations long enough to run side by side.

    An accelerator does its operations side by side by itself; threads would wait for each other before it.
    """
    if work.device.type != "cpu" or unit.program != LinearStack.name or unit.seconds_per_step is None:
        return 1
    return max(1, min(most, unit.grid.columns, int(unit.seconds_per_step / SHARD_STEP)))


def _choose(work: Workload, runs: list[Run]) -> list[ExecutionUnit]:
    wanted = runs[0].settings.engine
    units: list[ExecutionUnit] = []
    joinable: list[Run] = []
    faults = _faults(work, runs)
    names = list(trained_parameters(work.make_model(runs[0].seed))) if any(map(_has_groups, runs)) else []
    latest, fault, obstacle = None, "", ""
    for run in runs:
        if latest is None or run.choices is not latest.choices:  # else it differs in its seed only
            fault = _setting_fault(work, run, names) or faults[program_key(run)]
            obstacle = "run.engine asks for it" if wanted == "alone" else _obstacle(work, run)
            latest = run
        if fault or obstacle:
            units.append(_alone([run], fault or obstacle, 0.0 if fault else None))
        else:
            joinable.append(run)
    if joinable:
        for grid in grids_of(work, joinable):
            units += _units(work, grid, forced=wanted == "together")
    return units


def _obstacle(work: Workload, run: Run) -> str:
    """Return why a run cannot be trained together with others, or nothing when it can."""
    if work.manual:
        return "its manual gradient is for one run"
    return can_join(work.registry, run)


def _setting_fault(work: Workload, run: Run, names: list[str]) -> str:
    """Return why there is no timetable for a run, or no group for its parameters, whose `names` are given."""
    try:
        work.timetable(run)
        if groups := groups_of(run.choices["optimizer"]):
            group_parameters(names, groups)
    except (ScheduleError, GroupError) as error:
        return f"it will fail: {error}"
    return ""


def _faults(work: Workload, runs: list[Run]) -> dict[str, str]:
    """Return for each family of runs why its first steps will fail, or nothing where they do not.

    Each is tried by itself, so that one that breaks keeps no other from being trained together.
    """
    first = {program_key(run): run for run in reversed(runs)}
    if len(first) == 1:
        return dict.fromkeys(first, "")
    parameters = trained_parameters(work.make_model(runs[0].seed))
    return {key: _fault(work, run, parameters) for key, run in first.items()}


def _fault(work: Workload, run: Run, parameters: dict[str, Tensor]) -> str:
    """Return what an update rule raises in two steps on a copy of some parameters, or nothing."""
    component = work.registry.find("optimizer", run.choices["optimizer"].name)
    thing = component.load()
    if makes_optimizer(thing):
        return ""
    try:
        settings = own_settings(work.registry, component, run.choices["optimizer"].settings, work.dtype)
        read_rule(thing).try_steps({name: w.detach().clone() for name, w in parameters.items()}, settings)
    except (Exception, SystemExit) as error:
        return f"a trial step of it fails: {words_of(error)}"
    return ""


def _has_groups(run: Run) -> bool:
    return bool(groups_of(run.choices["optimizer"]))


def grids_of(work: Workload, runs: list[Run]) -> list[Grid]:
    """Return the runs as grids: one group where all see the same rows and draw nothing, else one for each seed."""
    one_group = not work.feed.depends_on_seed and not draws_at_random(work.make_model(0))
    return make_grids(runs, program_key, one_group=one_group)


def make_program(work: Workload, grid: Grid, name: str) -> Program:
    """Return a fresh program for the runs of a grid, whose gradients are those that `[run]` asks for."""
    return with_recipe(work, grid, _plain_program(work, grid, name))


def _plain_program(work: Workload, grid: Grid, name: str) -> Program:
    if name == Autograd.name:
        [run] = grid.every_run
        return Autograd(work, run.seed)
    module = work.make_model(grid.runs[0][0].seed)
    if name == LinearStack.name:
        stack = LinearStack.of(module, work.loss, work.train.targets)
        assert isinstance(stack, LinearStack)
        return stack
    mixed = work.in_training if work.autocast else None
    return Traced(module, work.loss, [group[0].seed for group in grid.runs], first_rows(work.train.inputs, 4), mixed)


def _match_stack(work: Workload) -> LinearStack | str:
    """Return the stack of a model, or why it is none, or not to be trained as one."""
    if work.autocast:
        return "run.autocast casts its products"
    return LinearStack.of(work.make_model(0), work.loss, work.train.targets)


def _units(work: Workload, grid: Grid, *, forced: bool) -> list[ExecutionUnit]:
    """Return the units of one grid."""
    matched = _match_stack(work)
    stacked = isinstance(matched, LinearStack)
    if len(grid) == 1 and not forced:
        return [_lone(work, grid, matched)]
    alone = time_alone(work, grid.runs[0][0])
    obstacle = "" if forced or stacked else _too_short_to_trace(work, grid, alone.seconds)
    repays = False if forced or stacked else _nearly_repays(work, grid, alone.seconds)
    if obstacle:
        return [_alone(grid.every_run, f"{matched}; {obstacle}", alone.seconds, is_close=repays)]
    program, why = (LinearStack.name, STACKED) if stacked else (Traced.name, str(matched))
    try:
        units = _best_size(work, grid, program, why, alone, forced=forced)
        return [replace(unit, is_close=unit.is_close or repays) for unit in units]
    except Exception as error:  # whatever vmap and tracing cannot do; the ordinary loop can
        return _without_those_that_break(work, grid, program, error, alone, forced=forced)


def _without_those_that_break(
    work: Workload, grid: Grid, program: str, error: Exception, alone: Timed, *, forced: bool
) -> list[ExecutionUnit]:
    """Return the units of a grid of which a trial has failed: of the families that do so by themselves, and the rest.

    All its runs are alone where none is to blame by itself, or all are.
    """
    errors = {columns: _error_of(work, grid.keep(list(columns[:1])), program) for columns in families_of(grid)}
    broken = {columns: found for columns, found in errors.items() if found}
    sound = [k for columns in errors.keys() - broken.keys() for k in columns]
    if not broken or not sound:
        return [_alone(grid.every_run, _cannot_be_batched(error), alone.seconds)]
    units = [_alone(grid.keep(list(columns)).every_run, _cannot_be_batched(e)) for columns, e in broken.items()]
    return units + _units(work, grid.keep(sorted(sound)), forced=forced)


def _error_of(work: Workload, grid: Grid, program: str) -> Exception | None:
    """Return what the first steps of a grid raise, or None."""
    try:
        _time(work, grid, program, 0)
    except Exception as error:
        return error
    return None


def _cannot_be_batched(error: Exception) -> str:
    return f"it cannot be batched ({type(error).__name__}: {words_of(error)[:120]})"


def _lone(work: Workload, grid: Grid, matched: LinearStack | str) -> ExecutionUnit:
    """Return the unit of a lone run, without a probe: a small stack saves overhead, tracing never repays."""
    if isinstance(matched, str):
        return ExecutionUnit(grid, None, f"a single run, and {matched}", None)
    if matched.parameters * (work.batch_size or len(work.train)) > LONE_STACK:
        return ExecutionUnit(grid, None, "a single run with large matrix products", None)
    return ExecutionUnit(grid, LinearStack.name, STACKED, None)


def _nearly_repays(work: Workload, grid: Grid, alone: float) -> bool:
    """Whether another probe may judge otherwise whether tracing is worth its time."""
    return len({bool(_too_short_to_trace(work, grid, alone * noise)) for noise in (1 / NOISE, NOISE)}) > 1


def _too_short_to_trace(work: Workload, grid: Grid, alone: float) -> str:
    """Return why tracing would cost more time than it may save, or nothing.

    Steps of more than LONG_STEP are spent on arithmetic, which stacking does not make less: there tracing must cost
    a small share of the whole, because it will probably be in vain.
    """
    total = work.schedule.seconds(alone) * len(grid)
    repays = TRACING_REPAYS if alone < LONG_STEP else TRACING_IS_LITTLE
    return f"all its steps take {total:.1f} s one by one, too little to be worth tracing" if total < repays else ""


def _best_size(
    work: Workload, grid: Grid, program: str, why: str, alone: Timed, *, forced: bool
) -> list[ExecutionUnit]:
    """Return the grid cut into units of the size whose steps cost least a run, or alone when that costs less.

    Sizes that an accelerator has not the memory for are halved until it has.
    """
    candidates = list(_candidates(work, grid, program))
    while True:
        try:
            return _best_of(work, grid, program, why, alone, candidates, forced=forced)
        except Exception as error:
            if not is_out_of_memory(error) or max(candidates) == 1:
                raise
        release_memory(work.device)
        half = max(candidates) // 2
        candidates = [half, *(size for size in candidates if size < half)]


def _best_of(
    work: Workload, grid: Grid, program: str, why: str, alone: Timed, candidates: list[int], *, forced: bool
) -> list[ExecutionUnit]:
    """Return the grid cut into units of the best of some sizes, of which the first is the largest, or alone."""
    best_columns, best = 0, float("inf")
    tolerance = ROUGH_AGREEMENT if work.autocast else AGREEMENT
    gentlest = min(range(min(candidates)), key=lambda k: _lr(grid.runs[0][k]))  # magnifies rounding least
    expected = time_alone(work, grid.runs[0][gentlest]).losses
    for columns in candidates:
        together = _time(work, grid.first(columns), program, gentlest)
        if not torch.allclose(together.losses, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
            return [_alone(grid.every_run, "its losses would differ from those of the ordinary loop", alone.seconds)]
        cost = together.seconds / (grid.groups * columns)
        if cost < 0.95 * best:  # of equals the larger
            best_columns, best = columns, cost
    times = f"{alone.seconds * 1e6:.0f} us per step alone, {best * 1e6:.1f} us per run together"
    is_close = not forced and 1 / NOISE < alone.seconds / best < NOISE
    if alone.seconds < best and not forced:
        return [_alone(grid.every_run, times, alone.seconds, is_close=is_close)]
    cuts = range(0, grid.columns, best_columns)
    parts = [grid.keep(list(range(k, min(k + best_columns, grid.columns)))) for k in cuts]
    return [ExecutionUnit(part, program, f"{why}; {times}", best * len(part), is_close=is_close) for part in parts]


def _candidates(work: Workload, grid: Grid, program: str) -> Iterator[int]:
    """Yield numbers of columns to try, from as many as fit the memory down."""
    rows = work.batch_size or len(work.train)
    made = make_program(work, grid, program)
    numbers = made.numbers_per_run(rows) + 6 * made.parameters
    room = room_on(work.device)
    fitting = room.step // (numbers * work.dtype.itemsize * grid.groups)
    most = min(grid.columns, max(1, min(fitting, LARGEST // grid.groups)))
    if program == Traced.name:  # it is traced anew for each size, so only one is tried
        yield min(most, max(1, max(room.runs, room.traced // numbers) // grid.groups)) if room.runs else most
    else:
        yield most
        yield from (size // grid.groups for size in SIZES if 0 < size // grid.groups < most)


def _lr(run: Run) -> float:
    value = run.choices["optimizer"].settings.get("lr", 0.0)
    return value if isinstance(value, float) else 0.0


def _time(work: Workload, grid: Grid, program: str, column: int) -> Timed:
    """Return the seconds of one step of a grid, and the losses of the first seed of a column.

    The shortest time of a few steps counts, of which the first pay for memory that the others find.
    """
    training, seconds, losses = Training(work, make_program(work, grid, program), grid), [], []
    for number in range(1, PROBE_STEPS + 1):
        start = time.perf_counter()
        losses.append(training.advance(number)[0, 0, column])
        synchronise(work.device)
        seconds.append(time.perf_counter() - start)
    return Timed(min(seconds), fetched(torch.stack(losses)))


def time_alone(work: Workload, run: Run) -> Timed:
    """Return the seconds of one step of a lone run, and its losses."""
    with own_draws(work.device):
        return _time(work, Grid([[run]]), Autograd.name, 0)


def _alone(runs: list[Run], reason: str, seconds: float | None = None, *, is_close: bool = False) -> ExecutionUnit:
    measured = None if seconds is None else seconds * len(runs)
    return ExecutionUnit(Grid([runs]), None, reason, measured, is_close=is_close)
