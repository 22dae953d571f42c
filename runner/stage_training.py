"""Trains the runs of a stage that the store lacks, and saves each as it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xprun.runner.execution.cost_estimate import Cost, best_workers, costs_of, make_ready, most_workers
from xprun.runner.execution.import_changes import changes_at_import, components_of, listed
from xprun.runner.execution.places import home_of
from xprun.runner.execution.worker_context import Context
from xprun.runner.job import Job
from xprun.runner.launchers.choice import Launcher
from xprun.runner.launchers.launcher_contract import launch
from xprun.runner.needed_packages import used_components
from xprun.runner.outputs.followed_runs import FollowedRuns
from xprun.runner.outputs.run_observers import observe
from xprun.runner.planning.cohorts import Cohort, cohorts_of, unfinished_first
from xprun.runner.planning.plan import keeps_visuals
from xprun.runner.planning.run_identity import origins_of
from xprun.runner.process.log import note
from xprun.runner.process.training_progress import both, guarded, heard_by
from xprun.runner.results.atomic_files import writing
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.snapshots import forget, take_stock
from xprun.runner.workers.isolated import Meanwhile, WorkerError
from xprun.runner.workers.pool import get_pool
from xprun.runner.workload.devices import kind_of
from xprun.specs import Run

TRACING = "torch._dynamo"  # what tracing a model imports, in more than a second
SURVEYED = 8  # cohorts that are looked at to estimate the whole


def cohorts_to_train(job: Job, stage: Sequence[Run]) -> list[Cohort]:
    """Return the cohorts of a stage's runs that are to be trained; those that were cut off go on in their layout."""
    cohorts = cohorts_of(job.wanted(stage))
    to_run = {run.id for cohort in cohorts for run in cohort.runs}
    ended = {run for run, outcome in job.outcomes.items() if not outcome.errored}
    layouts, notes = take_stock(job.options.folder, to_run, ended, {run.id for run in job.plan.runs})
    for text in notes:
        note(text)
    return unfinished_first(cohorts, layouts)


def train(job: Job, stage: Sequence[Run], cohorts: list[Cohort]) -> int:
    """Train cohorts of a stage's runs, save each run as it ends, and return their number."""
    if not cohorts:
        return 0
    options = job.options
    context = Context(
        job.device, job.plugins, options.debug, visuals=keeps_visuals(stage), folder=options.folder.absolute()
    )
    followed = FollowedRuns(job.plan, options.folder, job.plugins, job.run_isolated)
    context = replace(context, tell_every=min(job.progress.every, followed.every))
    launcher, context, cohorts = _prepared(job, stage, cohorts, context)
    runs = {run.id: run for run in stage}
    with heard_by(both(guarded(job.progress.advanced), guarded(followed.advanced))):
        for outcomes in launch(job.registry, launcher, cohorts, context):
            if outcomes:  # else some runs have told how far they are
                _take(job, [runs[outcome.run] for outcome in outcomes], outcomes)
    return sum(len(cohort.runs) for cohort in cohorts)


def _take(job: Job, runs: list[Run], outcomes: list[Outcome]) -> None:
    """Store what became of runs, let observers write it, and tell it."""
    with job.interrupts.held():
        _save(job, runs, outcomes)
    job.left -= len(outcomes)
    folder = job.options.folder
    for run, outcome in zip(runs, outcomes, strict=True):
        with writing(folder):
            observe(job.plan, run, outcome, folder, job.plugins, job.run_isolated, again=True)
        job.progress.ended(run, outcome)


def _prepared(
    job: Job, stage: Sequence[Run], cohorts: list[Cohort], context: Context
) -> tuple[Launcher, Context, list[Cohort]]:
    """Return the launcher of cohorts, the context in which it has them trained, and what is known of each."""
    options = job.options
    if options.launcher is not None and not options.is_local:
        home = home_of(options.folder, used_components(job.plan.spec, job.registry))
        context = replace(context, undoes_imports=_undoes_imports(job, stage, context), home=home)
        return options.launcher, context, cohorts
    context = replace(context, devices=job.devices)
    workers = options.workers
    if workers is None:
        workers, cohorts = _looked_ahead(job, cohorts, context)
    undoes_imports = bool(workers) and _undoes_imports(job, stage, context)
    context = replace(context, workers=max(1, workers), undoes_imports=undoes_imports)
    return Launcher("processes" if workers else "inline"), context, cohorts


def _undoes_imports(job: Job, stage: Sequence[Run], context: Context) -> bool:
    """Return whether the import of components changes what all runs share; workers undo it, which is told here."""
    if not job.registry.has_run_foreign_code:
        return False
    try:
        changes = job.run_isolated(changes_at_import, components_of(stage), context)
    except Exception:  # it cannot be imported, which runs that need it tell
        return True
    if changes:
        note(f"undone, because all runs would compute with it: the import of components changes {listed(changes)}")
    return bool(changes)


def _save(job: Job, runs: list[Run], outcomes: list[Outcome]) -> None:
    """Store what became of runs, after the checkpoints that they have."""
    if any(outcome.state for outcome in outcomes):
        from xprun.runner.store.checkpoints import save_checkpoints  # with torch

        with writing(job.options.folder):
            save_checkpoints(job.options.folder, runs, outcomes)
    job.store.save(outcomes, origins_of(runs, kind_of(job.device)))
    forget(job.options.folder, [outcome.run for outcome in outcomes if not outcome.errored])


def _looked_ahead(job: Job, cohorts: list[Cohort], context: Context) -> tuple[int, list[Cohort]]:
    """Return how many processes will end soonest, and the cohorts with about what each takes.

    It is one, unless the work repays starting more.
    """
    most = most_workers(sum(len(cohort.runs) for cohort in cohorts), context.spread)
    if most == 1:
        return 1, cohorts
    program = cohorts[0].program if len(cohorts) == 1 else ""
    ready = Meanwhile(most - 1 if program else 0, program, make_ready, cohorts[0], context)
    try:
        looked_at = job.run_isolated(costs_of, cohorts[:SURVEYED], context, purpose=program, meanwhile=ready)
        costs = _of_all(looked_at, cohorts)
        workers = best_workers(costs, context.spread)
        if any(cost.traced for cost in looked_at) and job.registry.has_run_foreign_code:
            get_pool().preload(TRACING)  # each cohort will have a worker of its own
        cohorts = [replace(cohort, seconds=cost.whole) for cohort, cost in zip(cohorts, costs, strict=True)]
    except WorkerError as error:
        note(f"could not estimate the training time: {error}")
        workers = most
    except Exception:  # a broken component: the loop reports it as the failure of its runs
        workers = 1
    ready.end(wanted=workers > 1)
    return workers, cohorts


def _of_all(costs: list[Cost], cohorts: list[Cohort]) -> list[Cost]:
    """Return about what each cohort takes: the others as the first ones, which were looked at."""
    others = (costs[i % len(costs)].of_runs(len(cohort.runs)) for i, cohort in enumerate(cohorts[len(costs) :]))
    return [*costs, *others]
