"""Carries out one cohort; a run that breaks becomes a row, and the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from xprun.plugins.blame import blamed_for
from xprun.plugins.discovery import open_registry
from xprun.plugins.machine import host_mark
from xprun.plugins.registry import REGISTRY, PluginFile, Registry
from xprun.runner.engine.allocator import keep_freed_memory
from xprun.runner.engine.execution_units import ExecutionUnit, from_layout, select_strategy
from xprun.runner.engine.least_squares import least_squares
from xprun.runner.engine.optimizer_families import families_of
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.engine.thread_counts import share
from xprun.runner.execution.faults_of_the_place import is_about_absence, is_fault_of_the_place
from xprun.runner.execution.import_changes import changes_at_import, components_of
from xprun.runner.execution.places import PlaceError, absence, enter, refuse_other_components
from xprun.runner.execution.unchanged_state import (
    GlobalStateError,
    SpoiltProcessError,
    unchanged_state,
)
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.layout import Layout
from xprun.runner.process.log import note, words_of
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.snapshots import Snapshot
from xprun.runner.workers.parent_link import is_retired, now_training, retire
from xprun.runner.workload.device_memory import is_out_of_memory, release_memory
from xprun.runner.workload.devices import deterministic
from xprun.runner.workload.failing_part import blame_part
from xprun.runner.workload.run_grid import Grid
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Run
from xprun.specs.language.dotted_paths import dotted

FAULTS = (Exception, SystemExit)  # what a component may raise that ends its run, and nothing else


def execute(cohort: Cohort, context: Context) -> Iterator[list[Outcome]]:
    """Yield the outcomes of a cohort's runs, those that end together in one list.

    Raises nothing that a component raises: such a run has the status `failed`. Away from where the runs were planned,
    PlaceError tells what all of them lack there.
    """
    prepare_torch()
    if context.home:
        enter(context.home.folder)
    is_lone = len(cohort.runs) == 1 and not cohort.is_part
    try:
        yield from _outcomes(cohort, replace(context, is_shared=not is_lone))
    except SpoiltProcessError as spoilt:
        if len(cohort.runs) == 1:  # of several, each is tried in another worker
            yield [failure(cohort.runs[0], spoilt.error, context)]
    if is_lone and REGISTRY.has_run_foreign_code:
        retire()  # nobody has looked at everything that it may have changed


def _outcomes(cohort: Cohort, context: Context) -> Iterator[list[Outcome]]:
    """Yield the outcomes of a cohort's runs, up to the one after which another worker has to go on."""
    try:
        work = workload_of(cohort, context)
    except PlaceError:
        raise
    except FAULTS as error:
        if context.home and is_about_absence(error):
            raise absence(error) from error
        yield [failure(run, error, context) for run in cohort.runs]
        return
    now_training([run.id for run in cohort.runs])
    with deterministic(cohort.runs[0].settings.deterministic):
        reference = _reference(work)
        for outcomes in train(work, cohort.runs, context, cohort.layout):
            for outcome in outcomes:
                outcome.reference = reference
                if outcome.matrices or outcome.visuals:
                    outcome.classes = list(map(str, work.train.class_names))
            yield outcomes
            if is_retired():
                return


def _reference(work: Workload) -> dict[str, float]:
    try:
        with unchanged_state(thorough=False):
            return least_squares(work)
    except FAULTS:  # a component breaks, and so will the runs, which tell it
        return {}


def prepare_torch() -> None:
    """Set up this process for many small tensors."""
    keep_freed_memory()
    torch.set_flush_denormal(True)  # denormal numbers make products tens of times slower
    torch.backends.mha.set_fastpath_enabled(False)  # evaluations compute as training does, alone and together


_latest: dict[tuple[str, str, tuple[Path | PluginFile, ...], bool], Workload] = {}


def workload_of(cohort: Cohort, context: Context) -> Workload:
    """Return the workload of a cohort; the latest one is kept, so that its data are not read twice in a row."""
    key = cohort.program, context.device, context.plugins, context.visuals
    if key not in _latest:
        registry = _imported(cohort, context)
        if context.home:
            refuse_other_components(registry, context.home)
        with unchanged_state(thorough=False):
            made = make_workload(registry, cohort.runs[0], torch.device(context.device))
        _latest.clear()
        _latest[key] = replace(made, visuals=context.visuals)
    return _latest[key]


def _imported(cohort: Cohort, context: Context) -> Registry:
    """Return the registry with what a cohort uses imported."""
    if not context.undoes_imports:
        return open_registry(context.plugins)
    changes_at_import(components_of(cohort.runs), context)
    return REGISTRY


def train(work: Workload, runs: list[Run], context: Context, layout: Layout | None = None) -> Iterator[list[Outcome]]:
    """Yield the outcomes of runs of one workload, trained in the layout given or in units that the engine chooses."""
    for unit in [from_layout(layout, runs)] if layout else _units(work, runs, context):
        torch.set_num_threads(unit.threads)
        now_training([run.id for run in unit.runs])
        for outcomes in _together(work, unit, context) if unit.program else _alone(work, unit, context):
            for outcome in outcomes:
                outcome.host, outcome.device, outcome.threads = host_mark(), context.device, unit.threads * unit.shards
            yield outcomes


def _units(work: Workload, runs: list[Run], context: Context) -> list[ExecutionUnit]:
    try:
        with unchanged_state(thorough=context.is_shared):
            return select_strategy(work, runs, share(context.workers))
    except FAULTS as error:  # a component breaks at its first step: the ordinary loop tells which run, and why
        if len(runs) > 1:
            _note(f"{len(runs)} runs train one by one, because a trial batch of them failed", error, context)
        return [ExecutionUnit(Grid([runs]), None, "", None)]


def _together(work: Workload, unit: ExecutionUnit, context: Context) -> Iterator[list[Outcome]]:
    """Yield the outcomes of runs trained at once; if that breaks, each is tried alone.

    Runs that an accelerator has too little memory for are trained one half after the other.
    """
    try:
        with unchanged_state(thorough=context.is_shared):
            outcomes = train_in_shards(work, unit, partial(_snapshot, unit, context), tell_every=context.tell_every)
    except OutputError:
        raise
    except FAULTS as error:
        for shard in range(unit.shards):
            if snapshot := _snapshot(unit, context, shard):
                snapshot.remove()
        if not is_out_of_memory(error) or len(unit.runs) == 1:
            yield from _apart(work, unit, error, context)
            return
        _note(f"{len(unit.runs)} runs train in two halves, because they do not fit the memory", error, context)
    else:
        yield outcomes
        return
    release_memory(work.device)  # after the exception, which keeps what was computed
    for half in unit.grid.halves():
        part = replace(unit, grid=half, shards=1)
        now_training([run.id for run in part.runs])
        yield from _together(work, part, context)


def _apart(work: Workload, unit: ExecutionUnit, error: BaseException, context: Context) -> Iterator[list[Outcome]]:
    """Yield the outcomes of runs of which some broke the training of all: family by family, else one by one."""
    families = families_of(unit.grid)
    if len(families) == 1:
        if len(unit.runs) > 1:
            _note(f"{len(unit.runs)} runs train one by one, because they failed together", error, context)
        yield from _alone(work, unit, context)
        return
    _note(f"{len(families)} optimizers train apart, because they failed together", error, context)
    for columns in families:
        part = replace(unit, grid=unit.grid.keep(list(columns)), shards=1)
        now_training([run.id for run in part.runs])
        yield from _together(work, part, context)


def _alone(work: Workload, unit: ExecutionUnit, context: Context) -> Iterator[list[Outcome]]:
    for run in unit.runs:
        lone = replace(unit, grid=Grid([[run]]), program=None, shards=1)
        now_training([run.id])
        try:
            with unchanged_state(thorough=context.is_shared):
                outcome = train_alone(work, run, _snapshot(lone, context), tell_every=context.tell_every)
            yield [outcome]
        except OutputError:
            raise
        except SpoiltProcessError as spoilt:
            yield [failure(run, spoilt.error, context)]
        except FAULTS as error:
            with suppress(GlobalStateError), unchanged_state(thorough=context.is_shared):
                blame_part(error, work, run)
            yield [failure(run, error, context)]


def _snapshot(unit: ExecutionUnit, context: Context, shard: int = 0) -> Snapshot | None:
    """Return where a shard of a unit is saved."""
    every = unit.runs[0].settings.checkpoint_every
    return Snapshot(context.folder, unit.layout, shard, every) if context.folder else None


def _note(what: str, error: BaseException, context: Context) -> None:
    """Say on stderr what was done otherwise than planned; nobody should have to guess why a grid is slow."""
    note(f"{what}: {type(error).__name__}: {words_of(error)[:200]}")
    if context.debug:
        traceback.print_exception(error)


def _blamed(run: Run, error: BaseException) -> str:
    """Return what an exception came from, after its place: `model.layers[0]: Linear(...) fails on [16, 64]: `."""
    blamed = blamed_for(error)
    if blamed is None:
        return ""
    path = (*run.choices[blamed.section].alternative.path, *blamed.inside)
    return f"{dotted(path)}: {blamed.what}: "


def failure(run: Run, error: BaseException, context: Context) -> Outcome:
    """Return the outcome of a run that an exception ended: its type, its words, and where it was raised."""
    if context.debug:
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    files = {(p.path if isinstance(p, PluginFile) else p).resolve() for p in context.plugins}
    ours = [frame for frame in frames if Path(frame.filename).resolve() in files]
    place = f" ({Path(ours[-1].filename).name}:{ours[-1].lineno})" if ours else ""
    reason = f"{_blamed(run, error)}{type(error).__name__}: {words_of(error)}{place}"[:500]
    is_of_the_place = is_fault_of_the_place(error) or is_out_of_memory(error)
    return Outcome(run.id, "failed", reason, cacheable=not is_of_the_place)
