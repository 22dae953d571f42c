"""Hands ended runs to the observers that a spec names, each with a folder for the run."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import PluginFile
from xprun.runner.execution.worker_context import Context
from xprun.runner.outputs.result_columns import result_columns
from xprun.runner.outputs.tables_description import columns_told, with_outcomes
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.plan import Plan
from xprun.runner.process.log import note, words_of
from xprun.runner.resolve.build import build
from xprun.runner.results.atomic_files import folder_name, replace_folder
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.run_columns import columns_of_run, label_of
from xprun.runner.workers.isolated import WorkerError
from xprun.specs import Run
from xprun.specs.language.result_words import BETWEEN

RunIsolated = Callable[..., Any]
PURPOSE = "observers"  # of a worker: what they write are no numbers of another run
GRAPH = "graph"
OPTIONAL = ("columns", "stage", "run", GRAPH)  # told to observers that have a parameter of that name
UNFINISHED = ".unfinished"  # in a folder that holds what a run has reached so far
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)  # what no observer is to blame for


def observe(
    plan: Plan,
    run: Run,
    outcome: Outcome,
    folder: Path,
    plugins: tuple[Path | PluginFile, ...],
    run_isolated: RunIsolated,
    *,
    again: bool,
) -> None:
    """Let the observers write a run, those that have not written it before or (`again`) all.

    `run_isolated` calls a function where components can do no harm; one that ends the process there is told on stderr.
    """
    for name in run.settings.observers:
        target = folder_of(plan, run, name, folder)
        if again or not target.exists() or (target / UNFINISHED).exists():
            try:
                run_isolated(write_observed, name, plugins, target, _told(plan, run, outcome), run, purpose=PURPOSE)
            except Exception as error:  # whatever an observer raises, the runs are there, and the others' files
                if isinstance(error, OSError) and error.errno in DISK:
                    raise
                reason = error if isinstance(error, WorkerError) else f"{type(error).__name__}: {error}"
                note(f"the observer {name} did not write run {run.id}: {reason}")


def write_observed(
    name: str, plugins: tuple[Path | PluginFile, ...], target: Path, told: dict[str, Any], run: Run
) -> None:
    """Let an observer write what it is told of a run into a folder."""
    observer = build(open_registry(plugins), "observer", name, {})
    if GRAPH in signature(observer).parameters:
        told[GRAPH] = _graph(run, plugins)
    replace_folder(target, partial(observer, **asked_by(observer, told)))


_graphs: dict[tuple[Any, ...], dict[str, Any] | None] = {}  # of this process, by data and model


def _graph(run: Run, plugins: tuple[Path | PluginFile, ...]) -> dict[str, Any] | None:
    """Return the graph of a run's model, made once for all runs that have it; None where there is none."""
    from xprun.runner.execution.cohort_execution import FAULTS, workload_of
    from xprun.runner.workload.model_graph import graph_of_model

    key = (*(run.choices[section].identity for section in ("data", "model")), plugins)
    if key not in _graphs:
        try:
            _graphs[key] = graph_of_model(workload_of(Cohort([run]), Context("cpu", plugins)))
        except FAULTS as error:
            note(f"the graph of the model of run {run.id} cannot be shown: {words_of(error)[:200]}")
            _graphs[key] = None
    return _graphs[key]


def asked_by(call: Callable[..., object], told: dict[str, Any]) -> dict[str, Any]:
    """Return of what observers can be told what one has parameters for."""
    return {key: value for key, value in told.items() if key not in OPTIONAL or key in signature(call).parameters}


def folder_of(plan: Plan, run: Run, name: str, folder: Path) -> Path:
    """Return the folder in which an observer writes a run."""
    return folder / folder_name(name) / f"{folder_name(_label(plan, run))}-{run.id}"


def _told(plan: Plan, run: Run, outcome: Outcome) -> dict[str, Any]:
    """Return what an observer hears of a run: `settings`, `history` and `results`, as plain values.

    One that asks for `columns` hears what each column of the results is, as in `tables.json`; one that asks for `stage`
    whether the run is of the search or confirms it; one that asks for `run` its id; one that asks for
    `graph` the graph of its model (see `graph_of`), which is made where the observer is called.
    """
    schema = with_outcomes(plan.schema, [outcome])
    found = result_columns(outcome, plan.goals, plan.comparison_of(run))
    return {
        "settings": columns_of_run(run),
        "history": {metric: (series.steps, series.values) for metric, series in outcome.history.items()},
        "results": {name: found[name] for name in schema.names("metric") if not math.isnan(found[name])},
        "columns": columns_told(schema),
        "stage": plan.stage_of(run),
        "run": run.id,
    }


def _label(plan: Plan, run: Run) -> str:
    by = plan.comparison.by
    sections = [] if set(by) & set(run.choices) else ["optimizer"]  # values alone tell little
    return label_of(run, [*plan.comparison.problems, *sections, *by] if run.problem else [*sections, *by]).replace(
        BETWEEN, "-"
    )
