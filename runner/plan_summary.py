"""Tells what a run of a spec would do: runs, cached, how they are grouped and why, how long and how much memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xprun.plugins.registry import Registry
from xprun.runner.execution.cost_estimate import Cost, best_workers, estimate, seconds_with
from xprun.runner.execution.worker_context import Context
from xprun.runner.launchers.choice import Launcher, planned_device
from xprun.runner.planning.cohorts import Cohort, cohorts_of, cut
from xprun.runner.planning.plan import Plan, distinct, make_plan
from xprun.runner.planning.run_identity import not_read_of, why_to_run
from xprun.runner.resolve.showable import what_shows
from xprun.runner.results.atomic_files import writing
from xprun.runner.results.results_schema import CONFIRM, SCREEN, SEARCH, Stage
from xprun.runner.status.progress import duplicates, headline
from xprun.runner.store.records import to_outcome
from xprun.runner.store.recovery import read_store
from xprun.runner.store.snapshots import read_places
from xprun.runner.workers.isolated import WorkerError, run_isolated
from xprun.runner.workload.devices import DeviceError, all_of, kind_of, pick, told
from xprun.specs import Run, Spec
from xprun.specs.language.wording import plural

if TYPE_CHECKING:
    from xprun.runner.engine.execution_units import ExecutionUnit

# Seconds, as measured on two cores of a server of 2023.
START = 2.0  # of Python, xprun and torch, before a run is trained
IMPORTS = 2.5  # of pandas and matplotlib
PICTURE = 0.3  # in both formats that are written by default
PICTURES = 2  # that every report has, beside those of metrics and swept settings
SHOWN = 0.05  # seconds of evaluation from which on a cohort tells them


@dataclass(frozen=True)
class Way:
    """How some runs of a cohort are trained: in a batched `program`, or each alone (None), and why.

    `is_close`: other ways took about as long in the probe, so that they may be trained otherwise.
    """

    runs: int
    program: str | None
    parts: int
    threads: int
    reason: str
    is_close: bool = False


@dataclass(frozen=True)
class CohortSummary:
    """What is ahead of a cohort; its `cost` in one process and bytes of `memory` are estimates.

    `seconds` are those of training, `evaluation` those of evaluations.

    `error`: it will fail or, where a trial step of all its runs has failed (`may_run`), runs of it may.
    """

    runs: int
    steps: int = 0
    seconds: float = 0.0
    evaluation: float = 0.0
    memory: int = 0
    ways: list[Way] = field(default_factory=list)
    error: str = ""
    stage: Stage = SEARCH
    may_run: bool = False
    cost: Cost | None = None
    problem: str = ""  # its label, where the spec lists some


@dataclass(frozen=True)
class Unfinished:
    """Runs whose training was cut off, and where they go on."""

    runs: int
    step: int
    steps: int


@dataclass(frozen=True)
class StageSummary:
    """How many runs a stage has. Those of the second are `estimated` as long as the search does not tell them."""

    runs: int
    cached: int
    to_run: int
    estimated: bool = False


@dataclass(frozen=True)
class PlanSummary:
    """What a run of a spec would do. `runs` are distinct; `duplicates` more in the spec equal one of them.

    Counts, seconds and cohorts are those of both stages. `seconds` of training and `evaluation_seconds` are those of
    one process; `worker_seconds` are those until the `workers` have trained all runs, their start included, and
    `report_seconds` come then. `can_show` tells what so many seeds and comparisons can show.

    `why` tells of the runs to run why they are not cached, where any are; `damaged` whether the store is. `unfinished`
    runs go on from where they were saved. `not_looked_at` is what components read and no id covers.
    """

    name: str
    headline: str
    runs: int
    cached: int
    to_run: int
    why: list[str]
    unfinished: list[Unfinished]
    damaged: bool
    duplicates: int
    device: str  # `cuda:0 to cuda:3` where several of this machine have work
    seconds: float
    evaluation_seconds: float
    worker_seconds: float
    report_seconds: float
    memory: int
    cohorts: list[CohortSummary]
    timeout: float | None = None  # seconds that a run, or runs that are trained together, may take
    stages: dict[Stage, StageSummary] = field(default_factory=dict)
    can_show: str = ""
    not_looked_at: list[str] = field(default_factory=list)
    launcher: str = ""  # that trains elsewhere; the seconds of training are as on this machine
    parts: int = 0  # in which it trains the cohorts; 0: not known
    workers: int = 1  # processes that share the runs, each of which trains its part of a cohort together


def summarize_plan(
    spec: Spec,
    registry: Registry,
    folder: Path,
    plugins: tuple[Path, ...],
    wanted_device: str | None,
    jobs: int | None = None,
    launcher: Launcher | None = None,
) -> PlanSummary:
    """Return what a run of a resolved spec would do, from a short probe of each of its cohorts.

    The probes run in a worker process, or where `jobs` is 0 in this one. `jobs` are otherwise the worker processes of
    the run; None: as many as repay. A `launcher` that trains elsewhere has places of its own in their stead.
    Raises DeviceError for a device that is absent, and OutputError for a store that cannot be read.
    """
    elsewhere = launcher if launcher and not launcher.is_local else None
    device = planned_device(launcher, wanted_device or spec.head.device)
    kind, here = kind_of(device), _present(device) if elsewhere else device
    if elsewhere:
        jobs = None
    plan = make_plan(spec, kind)
    with writing(folder):
        stored, damaged = read_store(folder / "store.sqlite")
    cached = {run for run, record in stored.items() if record.cacheable}
    plan, _ = plan.followed(lambda runs: {run: to_outcome(stored[run]) for run in runs if run in stored})
    stages = _stages(plan)
    left = {stage: cohorts_of(runs, leave_out=cached) for stage, runs in stages.items()}
    missing = [run for cohorts in left.values() for cohort in cohorts for run in cohort.runs]
    cohorts = [
        replace(
            _ahead_of(cohort, Context(here, plugins, workers=jobs or 1), jobs),
            stage=stage,
            problem=cohort.runs[0].problem,
        )
        for stage, several in left.items()
        for cohort in several
    ]
    costs = [cohort.cost for cohort in cohorts if cohort.cost]
    devices = (device,) if elsewhere else all_of(wanted_device or spec.head.device)
    if elsewhere:
        workers = elsewhere.places or 1
    elif jobs is None:
        workers = best_workers(costs, devices)
    else:
        workers = max(1, jobs)
    return PlanSummary(
        name=spec.name,
        headline=headline(plan),
        runs=plan.total,
        cached=plan.total - len(missing),
        to_run=len(missing),
        why=why_to_run(missing, kind, {run: record.origin for run, record in stored.items()}) if stored else [],
        unfinished=_unfinished(folder, {run.id for run in missing}),
        damaged=damaged,
        duplicates=plan.duplicates,
        device=told(devices[:workers]),
        seconds=sum(cohort.seconds for cohort in cohorts),
        evaluation_seconds=sum(cohort.evaluation for cohort in cohorts),
        worker_seconds=_worker_seconds(workers, costs),
        report_seconds=_report_seconds(plan),
        memory=max((cohort.memory for cohort in cohorts), default=0),
        cohorts=cohorts,
        timeout=min((run.settings.timeout for run in missing if run.settings.timeout), default=None),
        stages={stage: _stage(plan, stage, runs, cached) for stage, runs in stages.items()},
        can_show=what_shows(spec),
        not_looked_at=not_read_of(plan.searched),
        launcher=str(elsewhere or ""),
        parts=_parts(left.values(), elsewhere),
        workers=workers,
    )


def _present(device: str) -> str:
    """Return the device of this machine on which the probes run: of that kind, or the CPU."""
    try:
        return pick(device)
    except DeviceError:
        return "cpu"


def _parts(stages: Iterable[list[Cohort]], launcher: Launcher | None) -> int:
    """Return in how many parts a launcher trains cohorts; 0 where its settings do not tell."""
    if launcher is None or launcher.places is None:
        return 0
    return sum(len(cut(cohorts, launcher.places)) for cohorts in stages)


def _stages(plan: Plan) -> dict[Stage, list[Run]]:
    """Return the runs of each stage; before the search is complete, the first setting of each alternative is taken."""
    shorter = distinct(plan.outlook.shorter)
    stages: dict[Stage, list[Run]] = {**({SCREEN: shorter} if shorter else {}), SEARCH: distinct(plan.outlook.full)}
    if plan.spec.confirm is not None:
        stages[CONFIRM] = plan.expected if plan.confirmed is None else plan.confirmed
    return stages


def _stage(plan: Plan, stage: Stage, runs: list[Run], cached: set[str]) -> StageSummary:
    to_run = sum(run.id not in cached for run in runs)
    return StageSummary(len(runs), len(runs) - to_run, to_run, stage == CONFIRM and plan.confirmed is None)


def _unfinished(folder: Path, to_run: set[str]) -> list[Unfinished]:
    """Return where unfinished trainings of these runs go on; of shards, the one that is least far."""
    found: dict[str, Unfinished] = {}
    with writing(folder):
        for _, place, _ in read_places(folder):
            if place and to_run.issuperset(place.layout.every_run):
                known = found.get(place.layout.key)
                step = min(place.step, known.step) if known else place.step
                found[place.layout.key] = Unfinished(len(place.layout.every_run), step, place.steps)
    return list(found.values())


def as_text(ahead: PlanSummary) -> str:
    """Return the plan as lines to read."""
    todo = f"{ahead.cached:,} cached, {ahead.to_run:,} to run on {ahead.device}"
    lines = [f"{ahead.name}: {ahead.headline}; {todo}"]
    if ahead.damaged:
        lines.append("the store is damaged; intact runs count as cached, and the next run keeps them")
    if ahead.why:
        lines.append(f"to run: {', '.join(ahead.why)}")
    lines += [f"not looked at: {thing}; a change of it trains no run again" for thing in ahead.not_looked_at]
    lines += [
        f"{part.runs:,} {plural('run', part.runs)} interrupted: resuming at step {part.step:,} of {part.steps:,}"
        for part in ahead.unfinished
    ]
    if ahead.duplicates:
        lines.append(duplicates(ahead.duplicates))
    for number, cohort in enumerate(ahead.cohorts, 1):
        if cohort.stage == CONFIRM and (number == 1 or ahead.cohorts[number - 2].stage != CONFIRM):
            lines.append(_second_stage(ahead.stages[CONFIRM]))
        lines += _cohort_lines(number, cohort)
    if ahead.timeout is not None:
        limit = f"anything that takes longer than run.timeout = {ahead.timeout:g} s is stopped"
        lines.append(f"{limit}; runs that trained together are then retried one by one, with the same limit each")
    if ahead.launcher and ahead.cohorts:
        lines.append(_launcher_line(ahead))
    elif ahead.workers > 1 and ahead.cohorts:
        shared = f"{ahead.workers} workers share the runs: a cohort may be cut into up to {2 * ahead.workers} parts"
        lines.append(f"{shared}, and what trains together is chosen for each of them")
    if ahead.can_show:
        lines.append(ahead.can_show)
    if ahead.cohorts:
        lines.append(_time_line(ahead))
        report = f"then about {ahead.report_seconds:.0f} s for tables and report"
        lines.append(f"{report}; --no-report leaves the report out")
    return "\n".join(lines)


def _launcher_line(ahead: PlanSummary) -> str:
    """Return in how many parts a launcher trains the cohorts, and on what."""
    if not ahead.parts:
        return f"{ahead.launcher} trains them on {ahead.device}: a cohort is cut into two parts for each place it has"
    at_once = f"at most {ahead.workers} at a time" if ahead.workers > 1 else "one after the other"
    return (
        f"{ahead.launcher} trains them in {ahead.parts:,} {plural('part', ahead.parts)}, {at_once}, on {ahead.device}"
    )


def _worker_seconds(workers: int, costs: list[Cost]) -> float:
    """Return the seconds until so many workers have trained all runs, from the start of xprun on."""
    return START + costs[-1].start + seconds_with(workers, costs) if costs else 0.0


def _time_line(ahead: PlanSummary) -> str:
    """Return how long it takes until all runs have ended, of what that is made, and how much memory."""
    places = "places" if ahead.launcher else "workers"
    processes = f"{ahead.workers} {places}" if ahead.workers > 1 else "one process"
    parts = f"{ahead.seconds:.1f} s of training and {ahead.evaluation_seconds:.1f} s of evaluation"
    shared = f"{parts} are shared by them" if ahead.workers > 1 else f"{parts}, the rest is start-up"
    memory = f"about {_megabytes(ahead.memory)} of tensors, not counting activations"
    return f"about {ahead.worker_seconds:.1f} s in {processes}: {shared}; {memory}"


def _report_seconds(plan: Plan) -> float:
    """Return about how long tables and report take; most of it are imports, and the pictures of each problem."""
    pictures = PICTURES + len(plan.metrics) + 2 * len(plan.comparison.swept)
    return IMPORTS + PICTURE * pictures * max(1, len(plan.schema.problems))


def _second_stage(stage: StageSummary) -> str:
    """Return what stands over the cohorts of the second stage."""
    of = "the first setting of each alternative stands for the one that the search will choose"
    return f"then {stage.to_run:,} {plural('run', stage.to_run)} on fresh seeds{f'; {of}' if stage.estimated else ''}:"


def _ahead_of(cohort: Cohort, context: Context, jobs: int | None) -> CohortSummary:
    """Return what is ahead of a cohort, whatever its components do when they are tried."""
    if jobs == 0:
        return _cohort(cohort, context)
    try:
        return run_isolated(_cohort, cohort, context, limit=cohort.runs[0].settings.timeout)
    except WorkerError as error:
        return CohortSummary(len(cohort.runs), error=str(error))


def _cohort(cohort: Cohort, context: Context) -> CohortSummary:
    runs = len(cohort.runs)
    try:
        outlook = estimate(cohort, context)
    except (Exception, SystemExit) as error:  # the plan is still worth telling
        return CohortSummary(runs, error=f"{type(error).__name__}: {error}", may_run=_can_be_made(cohort, context))
    cost = outlook.cost
    return CohortSummary(
        runs, outlook.steps, cost.training, cost.evaluation, outlook.memory, _ways(outlook.units), cost=cost
    )


def _can_be_made(cohort: Cohort, context: Context) -> bool:
    """Whether data, model and loss of a cohort can be made: then its runs are tried one by one."""
    try:  # torch is imported here, too
        from xprun.runner.execution.cohort_execution import workload_of

        workload_of(cohort, context)
    except (Exception, SystemExit):
        return False
    return True


def _ways(units: list[ExecutionUnit]) -> list[Way]:
    told: dict[tuple[str | None, str], list[ExecutionUnit]] = {}
    for unit in units:
        told.setdefault((unit.program, unit.reason), []).append(unit)
    return [
        Way(
            runs=sum(len(p.grid) for p in same),
            program=program,
            parts=len(same),
            threads=same[0].threads * same[0].shards,
            reason=reason,
            is_close=same[0].is_close,
        )
        for (program, reason), same in told.items()
    ]


def _cohort_lines(number: int, cohort: CohortSummary) -> list[str]:
    runs = f"{cohort.runs:,} {plural('run', cohort.runs)}{f' of {cohort.problem}' if cohort.problem else ''}"
    if cohort.error:
        fate = "train one by one and may fail, because a trial step failed" if cohort.may_run else "will fail"
        return [f"cohort {number}: {runs} {fate}: {cohort.error}"]
    evaluation = f" and {cohort.evaluation:.1f} s of evaluation" if cohort.evaluation >= SHOWN else ""
    estimate = f"about {cohort.seconds:.1f} s{evaluation}, {_megabytes(cohort.memory)}"
    return [f"cohort {number}: {runs}, {cohort.steps:,} steps each, {estimate}", *map(_way_line, cohort.ways)]


def _way_line(way: Way) -> str:
    parts = f" in {way.parts} parts" if way.program and way.parts > 1 else ""
    threads = f", {way.threads} threads" if way.threads > 1 else ""
    how = f"together{parts} ({way.program}{threads})" if way.program else "alone"
    train = "may train " if way.is_close else ""
    return f"  {way.runs:,} {plural('run', way.runs)} {train}{how}: {way.reason}"


def _megabytes(memory: int) -> str:
    return f"{memory / 1e6:,.1f} MB"
