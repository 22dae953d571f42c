"""The main job: a resolved spec in, trained runs, a store and two tables out."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from xprun.errors import Error
from xprun.plugins.discovery import as_executed
from xprun.plugins.registry import PluginFile, Registry
from xprun.runner.execution import launchers as _launchers  # noqa: F401 - registers the built-in launchers
from xprun.runner.execution.context import Context
from xprun.runner.execution.cost_estimate import seconds_of
from xprun.runner.outputs.claim_verdicts import Verdict, claims_table, evaluate
from xprun.runner.outputs.environment import describe_environment, torch_facts
from xprun.runner.outputs.result_tables import Pairs, write_tables
from xprun.runner.outputs.run_observers import observe
from xprun.runner.planning.cohorts import Cohort, unfinished_first
from xprun.runner.planning.plan import Plan, describe, make_plan
from xprun.runner.planning.run_identity import origin_of
from xprun.runner.process.interrupts import InterruptError, Interrupts, interruptible
from xprun.runner.process.log import note
from xprun.runner.resolve.data_parts import note_on_new_parts
from xprun.runner.results.atomic_files import remove_leftovers, replace_text, writing
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import FAILED
from xprun.runner.status.progress import Progress
from xprun.runner.store.export_cache import export, hash_of_sources
from xprun.runner.store.folder_lock import hold
from xprun.runner.store.run_store import Store
from xprun.runner.store.snapshots import forget, take_stock
from xprun.runner.visuals.fitted_curves import data_of, data_sets, write_fits
from xprun.runner.visuals.loss_surfaces import losses_over, windows, write_surfaces
from xprun.runner.visuals.model_summaries import distinct_models, summaries, title_of
from xprun.runner.visuals.sample_images import best_runs, pixels_of, wanted_rows, write_samples
from xprun.runner.workers.isolated import WorkerError, run_isolated
from xprun.runner.workers.pool import SUPERVISES, get_pool, release_pool
from xprun.runner.workload.devices import kind_of, pick
from xprun.specs import Diagnostic, Run, Spec, SpecError

T = TypeVar("T")
WORKERS_REPAY = 15.0  # seconds of training below which starting worker processes costs more than they save
SURVEYED = 8  # cohorts that are looked at to estimate the whole


@dataclass(frozen=True)
class Options:
    """How to carry out an experiment; none of it changes a result."""

    folder: Path
    plugins: tuple[Path, ...] = ()
    device: str | None = None
    debug: bool = False
    workers: int | None = 0  # processes; None: as many as the size of the work repays, 0: this one, unsupervised
    only: frozenset[str] | None = None  # ids of the runs to train; None: all
    rerun: Literal["failed", "all"] | None = None  # which of the stored runs to train again; failed: and timed out


@dataclass
class Report:
    """What became of an experiment."""

    folder: Path
    total: int
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    interrupted: int | None = None  # the signal that ended it early
    written: list[Path] = field(default_factory=list)
    made_of: str = ""  # a hash of everything that tables and pages show
    verdicts: list[Verdict] = field(default_factory=list)  # on the expectations of the spec, in their order

    @property
    def failed_expectations(self) -> list[Verdict]:
        """The verdicts on expectations that do not hold."""
        return [verdict for verdict in self.verdicts if verdict.holds is False]


class UnknownRunError(Error, LookupError):
    """A spec stands for no run of this id."""

    exit_code = 2
    context = "{spec}: "


def run_experiment(
    spec: Spec, registry: Registry, options: Options, progress: Progress, interrupts: Interrupts | None = None
) -> Report:
    """Train the runs of a spec that the output folder lacks, and write the tables of all of them.

    A first interrupt (SIGINT, SIGTERM, SIGHUP) ends the training: every finished run is kept, and the tables hold
    those. A second one has its usual effect. `interrupts` are those of a caller who has more to do afterwards.
    Raises SpecError for a time limit without workers, DeviceError for a device that is absent, UnknownRunError where
    `options.only` names a run that the spec does not stand for, InUseError when another process writes the folder, and
    OutputError when it cannot be written: what was saved before is kept.
    """
    if not SUPERVISES:
        options = replace(options, workers=0)
    device = pick(options.device or spec.head.device)
    plan = make_plan(spec, kind_of(device))
    if changed := note_on_new_parts(spec, registry):
        note(changed)
    for unknown in sorted((options.only or frozenset()) - {run.id for run in plan.runs}):
        raise UnknownRunError(
            f"there is no run {unknown!r} in this spec; run ids are in the column 'run' of results.csv"
        )
    _refuse_limit_without_workers(plan, options)
    with hold(options.folder):
        with writing(options.folder):
            remove_leftovers(options.folder)
        with closing(Store(options.folder)) as store:
            try:
                with interruptible() if interrupts is None else nullcontext(interrupts) as heard:
                    return _carry_out(_Job(plan, store, options, device, registry, progress, heard))
            finally:
                release_pool()


def _refuse_limit_without_workers(plan: Plan, options: Options) -> None:
    if options.workers == 0 and any(run.settings.timeout for run in plan.runs):
        help_text = "leave out -j 0, or pass jobs=1 in Python"
        problem = Diagnostic(("run", "timeout"), "needs a worker process, but -j 0 runs without one", help_text)
        raise SpecError(plan.spec.document, [problem])


@dataclass(frozen=True)
class _Job:
    """What every part of an experiment needs."""

    plan: Plan
    store: Store
    options: Options
    device: str
    registry: Registry
    progress: Progress
    interrupts: Interrupts

    @property
    def plugins(self) -> tuple[Path | PluginFile, ...]:
        """The plugin files with the text by which the runs have their ids: somebody may edit them meanwhile."""
        return as_executed(self.registry, self.options.plugins)

    @cached_property
    def longest(self) -> float | None:
        """Seconds that the run with the longest limit may take; asked once, not for each run that is observed."""
        return max((run.settings.timeout for run in self.plan.runs if run.settings.timeout), default=None)

    def run_isolated(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns that runs code of components; in a worker process it can do no harm.

        It may take as long as a run may, and an interrupt ends it.
        """
        with self.interrupts.raised():
            if self.options.workers == 0:
                return function(*arguments)
            return run_isolated(function, *arguments, limit=self.longest)

    def map_isolated(self, function: Callable[[list[Any], Context], list[T | str]], items: list[Any]) -> list[T | str]:
        """Return what a function makes of each item, each called in a worker, or why there is nothing."""
        context = Context(self.device, self.plugins)
        made: list[T | str] = []
        for item in items:
            try:
                made += self.run_isolated(function, [item], context)
            except WorkerError as error:
                made.append(str(error))
        return made


def _carry_out(job: _Job) -> Report:
    plan, store, options = job.plan, job.store, job.options
    report = Report(options.folder, len(plan.runs))
    if store.recovery_note:
        note(store.recovery_note)
    outcomes = store.outcomes(run.id for run in plan.runs)
    kept = {run for run, outcome in outcomes.items() if not _is_wanted_again(outcome, options)}
    try:
        with job.interrupts.raised():
            trained = _train(job, kept, outcomes)
    except InterruptError as interrupt:
        report.interrupted, trained = interrupt.number, 1
    finally:
        get_pool().stop_workers()  # what comes now is not done where components have trained
        job.progress.finish()
    if trained:
        outcomes = store.outcomes(run.id for run in plan.runs)
    pairs = [(run, outcomes[run.id]) for run in plan.runs if run.id in outcomes]
    report.statuses = Counter(outcome.status for _, outcome in pairs)
    report.reasons = list(dict.fromkeys(o.reason for _, o in pairs if o.errored))
    if report.interrupted is None:
        report.verdicts = [evaluate(expectation, plan, outcomes) for expectation in plan.spec.expectations]
    report.made_of = _made_of(plan, store, report.verdicts)
    if pairs:
        with writing(options.folder):
            _write(job, report, pairs, anew=trained > 0)
    return report


def _write(job: _Job, report: Report, pairs: Pairs, *, anew: bool) -> None:
    """Write tables, what observers make of the runs, and what reports need beside them; `anew`: runs were trained."""
    folder = job.options.folder
    tables = partial(write_tables, folder, job.plan, pairs, claims_table(report.verdicts))
    report.written = export(folder, "tables", report.made_of, tables)
    _write_background(job, anew=anew)
    if report.interrupted is None:
        try:
            _write_made_by_components(job, report, pairs, anew=anew)
        except InterruptError as interrupt:
            report.interrupted = interrupt.number


def _write_made_by_components(job: _Job, report: Report, pairs: Pairs, *, anew: bool) -> None:
    """Write that for which code of components is run; an interrupt may end it."""
    folder = job.options.folder
    for run, outcome in pairs:  # those of earlier calls, too
        observe(job.plan, run, outcome, folder, job.plugins, job.run_isolated, again=False)
    if anew or not (folder / "models.txt").is_file():
        _write_models(job)
    for name, write in {"surfaces": _write_surfaces, "fits": _write_fits, "samples": _write_samples}.items():
        export(folder, name, report.made_of, partial(write, job, pairs))


def _made_of(plan: Plan, store: Store, verdicts: list[Verdict]) -> str:
    """Return a hash of everything that tables and pages show."""
    parts = [
        hash_of_sources(Path(__file__).parent),
        plan.spec.document.as_run(),
        json.dumps([describe(plan), plan.goals], default=str),
        str(find_spec("pyarrow") is not None),
        store.stamp(run.id for run in plan.runs),
        "\n".join(verdict.line for verdict in verdicts),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _is_wanted_again(outcome: Outcome, options: Options) -> bool:
    return not outcome.cacheable or options.rerun == "all" or (options.rerun == FAILED and outcome.errored)


def _train(job: _Job, kept: set[str], stored: dict[str, Outcome]) -> int:
    """Train the runs of a plan that are not kept, save each as it ends, and return their number."""
    plan, options = job.plan, job.options
    others = {run.id for run in plan.runs if options.only is not None and run.id not in options.only}
    cohorts = _cohorts(job, kept | others, stored)
    with job.interrupts.held():
        job.progress.start(plan, cohorts, job.device)
    if not cohorts:
        return 0
    context = Context(
        job.device, job.plugins, options.debug, visuals=plan.keeps_visuals, folder=options.folder.absolute()
    )
    workers = _workers(job, cohorts, context) if options.workers is None else options.workers
    context = replace(context, workers=max(1, workers))
    runs = {run.id: run for run in plan.runs}
    launch = job.registry.find("launcher", "processes" if workers else "inline").load()
    for outcomes in launch(cohorts, context.execute, workers):
        with job.interrupts.held():
            _save(job, [runs[outcome.run] for outcome in outcomes], outcomes)
        for outcome in outcomes:
            with writing(options.folder):
                observe(plan, runs[outcome.run], outcome, options.folder, job.plugins, job.run_isolated, again=True)
            job.progress.ended(runs[outcome.run], outcome)
    return sum(len(cohort.runs) for cohort in cohorts)


def _cohorts(job: _Job, leave_out: set[str], stored: dict[str, Outcome]) -> list[Cohort]:
    """Return the cohorts of the runs that are not left out; those whose training was cut off go on in their layout."""
    cohorts = job.plan.cohorts(leave_out)
    to_run = {run.id for cohort in cohorts for run in cohort.runs}
    ended = {run for run, outcome in stored.items() if not outcome.errored}
    layouts, notes = take_stock(job.options.folder, to_run, ended, {run.id for run in job.plan.runs})
    for text in notes:
        note(text)
    return unfinished_first(cohorts, layouts)


def _save(job: _Job, runs: list[Run], outcomes: list[Outcome]) -> None:
    """Store what became of runs, after the checkpoints that they have."""
    if any(outcome.state for outcome in outcomes):
        from xprun.runner.store.checkpoints import save_checkpoints  # with torch

        with writing(job.options.folder):
            save_checkpoints(job.options.folder, runs, outcomes)
    job.store.save(outcomes, {run.id: origin_of(run, kind_of(job.device)) for run in runs})
    forget(job.options.folder, [outcome.run for outcome in outcomes if not outcome.errored])


def _workers(job: _Job, cohorts: list[Cohort], context: Context) -> int:
    """Return how many processes will end soonest: one, unless the work repays starting more."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores == 1 or context.device != "cpu" or sum(len(cohort.runs) for cohort in cohorts) < 2:
        return 1
    try:
        seconds = job.run_isolated(seconds_of, cohorts[:SURVEYED], context)
    except WorkerError as error:
        note(f"could not estimate the training time: {error}")
        return cores
    except Exception:  # a broken component: the loop reports it as the failure of its runs
        return 1
    whole = seconds * len(cohorts) / max(1, min(SURVEYED, len(cohorts)))
    return cores if whole > WORKERS_REPAY else 1


def _write_background(job: _Job, *, anew: bool) -> None:
    """Write what the reports need beside the tables: the spec as run, as resolved, and the environment.

    The environment is the one in which runs were trained, so that it is written only when some were, `anew`.
    """
    folder, plan = job.options.folder, job.plan
    replace_text(folder / "spec.toml", plan.spec.document.as_run())
    replace_text(folder / "resolved.json", json.dumps(describe(plan), indent=1, default=str) + "\n")
    if anew or not (folder / "environment.json").exists():
        facts = torch_facts(job.device) if job.options.workers == 0 else run_isolated(torch_facts, job.device)
        environment = describe_environment(job.device, job.options.plugins, job.registry, facts)
        replace_text(folder / "environment.json", json.dumps(environment, indent=1) + "\n")


def _write_models(job: _Job) -> None:
    """Write what the models look like; building them again costs little beside a run."""
    runs, left_out = distinct_models(job.plan.runs)
    described = zip(runs, job.map_isolated(summaries, runs), strict=True)
    shown = [f"{title_of(run)}\n{summary}\n" for run, summary in described]
    more = [f"and {left_out} more models\n"] if left_out else []
    replace_text(job.options.folder / "models.txt", "\n".join(shown + more))


def _write_surfaces(job: _Job, pairs: Pairs) -> list[Path]:
    """Write the loss around the paths of runs with one or two parameters."""
    found = windows(pairs)
    return write_surfaces(job.options.folder, found, job.map_isolated(losses_over, found))


def _write_fits(job: _Job, pairs: Pairs) -> list[Path]:
    """Write the curves that runs have fitted, and the data beside them."""
    found = data_sets(pairs)
    return write_fits(job.options.folder, pairs, found, job.map_isolated(data_of, found))


def _write_samples(job: _Job, pairs: Pairs) -> list[Path]:
    """Write images with what the best runs took them for."""
    best = best_runs(job.plan, pairs)
    wanted = wanted_rows(best)
    return write_samples(job.options.folder, best, wanted, job.map_isolated(pixels_of, wanted))
