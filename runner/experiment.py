"""The main job: a resolved spec in, trained runs, a store and tables out. Plan, search, confirm, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from xprun.errors import Error
from xprun.plugins.registry import Registry
from xprun.runner.folder_writing import hash_of_content, write_environment, write_made_by_components, write_results
from xprun.runner.job import Job
from xprun.runner.job import Options as Options
from xprun.runner.launchers.choice import planned_device
from xprun.runner.needed_packages import require_packages
from xprun.runner.outputs.claim_verdicts import Verdict, evaluate
from xprun.runner.outputs.result_columns import Pairs
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.plan import Plan, make_plan
from xprun.runner.planning.run_identity import not_read_of
from xprun.runner.process.interrupts import InterruptError, Interrupts, interruptible
from xprun.runner.process.log import note
from xprun.runner.resolve.data_parts import note_on_new_parts
from xprun.runner.resolve.output_notes import output_notes
from xprun.runner.results.atomic_files import remove_leftovers, writing
from xprun.runner.results.results_schema import CONFIRM
from xprun.runner.stage_training import cohorts_to_train, train
from xprun.runner.status.progress import Progress
from xprun.runner.store.folder_lock import hold
from xprun.runner.store.run_store import Store
from xprun.runner.workers.pool import SUPERVISES, get_pool, release_pool
from xprun.runner.workload.devices import kind_of
from xprun.specs import Diagnostic, Spec, SpecError
from xprun.specs.language.document import Document
from xprun.specs.language.dotted_paths import parse_dotted
from xprun.specs.language.filters import SECTIONS


@dataclass
class Report:
    """What became of an experiment."""

    folder: Path
    total: int
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    interrupted: int | None = None  # the signal that ended it early
    left: int = 0  # runs that were to be trained and have not ended
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
    spec: Spec,
    registry: Registry,
    options: Options,
    progress: Progress,
    interrupts: Interrupts | None = None,
    tell: Callable[[Report], object] = lambda report: None,
) -> Report:
    """Train the runs of a spec that the output folder lacks, and write the tables of all of them.

    A first interrupt (SIGINT, SIGTERM, SIGHUP) ends the training: every finished run is kept, and the tables hold
    those. A second one has its usual effect. `interrupts` are those of a caller who has more to do afterwards. `tell`
    hears what came out as soon as the tables are there; what pictures need of the runs is written after it.
    Raises SpecError for a time limit without workers, DeviceError for a device that is absent, UnknownRunError where
    `options.only` names a run that the spec does not stand for, InUseError when another process writes the folder, and
    OutputError when it cannot be written: what was saved before is kept.
    """
    options = replace(options, workers=_processes(options))
    device = planned_device(options.launcher, options.device or spec.head.device)
    plan = make_plan(spec, kind_of(device))
    if changed := note_on_new_parts(spec, registry):
        note(changed)
    for thing in not_read_of(plan.searched):
        note(f"not looked at: {thing}; a change of it trains no run again")
    for line in output_notes(spec, registry):
        note(line)
    if spec.confirm is None or not options.folder.exists():  # else the store tells which runs the second stage has
        _refuse_unknown_runs(plan, options)
    _refuse_limit_without_workers(plan, options)
    with hold(options.folder):
        with writing(options.folder):
            remove_leftovers(options.folder)
        with closing(Store(options.folder)) as store:
            try:
                with interruptible() if interrupts is None else nullcontext(interrupts) as heard:
                    return _carry_out(Job(plan, store, options, device, registry, progress, heard, {}), tell)
            finally:
                release_pool()


def _processes(options: Options) -> int | None:
    """Return how many processes of this machine train, or do what is isolated beside it; None: as many as pay off."""
    if not SUPERVISES or (options.launcher and options.launcher.name == "inline"):
        return 0
    return options.workers if options.launcher is None else options.workers or None


def _refuse_unknown_runs(plan: Plan, options: Options) -> None:
    for unknown in sorted((options.only or frozenset()) - {run.id for run in plan.runs}):
        later = plan.spec.confirm is not None and plan.confirmed is None
        raise UnknownRunError(
            f"there is no run {unknown!r} in this spec; run ids are in the column 'run' of results.csv"
            + ("; those of the confirmation are known once the search is complete" if later else "")
        )


def _refuse_limit_without_workers(plan: Plan, options: Options) -> None:
    if options.workers == 0 and any(run.settings.timeout for run in plan.searched):
        help_text = "leave out -j 0, or pass jobs=1 in Python"
        problem = Diagnostic(("run", "timeout"), "needs a worker process, but -j 0 runs without one", help_text)
        raise SpecError(plan.spec.document, [problem])


def _carry_out(job: Job, tell: Callable[[Report], object]) -> Report:
    """Search, confirm, judge the claims, write and tell."""
    if job.store.recovery_note:
        note(job.store.recovery_note)
    job.look()
    _refuse_unknown_runs(job.plan, job.options)
    report = Report(job.options.folder, job.plan.total)
    job.left = len(job.wanted(job.plan.searched)) + _ahead(job)
    trained = True
    try:
        with job.interrupts.raised():
            trained = search_and_confirm(job) > 0
    except InterruptError as interrupt:
        report.interrupted = interrupt.number if job.left else None  # else it came when all had ended
    finally:
        get_pool().stop_workers()  # what comes now is not done where components have trained
        job.progress.finish()
    report.left = job.left
    if trained:
        job.look()
    pairs = [(run, job.outcomes[run.id]) for run in job.plan.runs if run.id in job.outcomes]
    _tell(job, report, pairs)
    job.store.check_place()
    if pairs:
        with writing(job.options.folder):
            report.written = write_results(job, pairs, report.made_of, report.verdicts)
        tell(report)
        with writing(job.options.folder):
            _write_more(job, report, pairs, anew=trained)
    job.store.check_place()
    return report


def search_and_confirm(job: Job) -> int:
    """Train what the store lacks of both stages, and return the number of runs.

    The second stage follows from the outcomes of the first as they are stored, and from nothing else: whoever is
    killed at any instant finds the same one again.
    """
    searching, later = cohorts_to_train(job, job.plan.searched), _ahead(job)
    if searching or later:
        _prepare(job)
    if searching:
        require_packages(job)
    job.progress.start(job.plan, searching, job.where, later, _left_out(job, searching, later))
    trained = train(job, job.plan.searched, searching)
    if trained and (job.plan.spec.confirm is not None or not job.plan.is_searched):
        known = {run.id for run in job.plan.searched}
        job.look()
        trained += _train_further_rounds(job, known)
    if job.plan.confirmed is None:
        job.left = 0
        return trained
    confirming = cohorts_to_train(job, job.plan.confirmed)
    job.left = sum(len(cohort.runs) for cohort in confirming)
    if confirming and not trained:
        require_packages(job)
    for label in job.plan.unconfirmed if trained or confirming else ():
        note(f"{label} is not confirmed: every run of its best setting failed or diverged")
    job.progress.confirm(job.plan, confirming, job.where)
    return trained + train(job, job.plan.confirmed, confirming)


def _train_further_rounds(job: Job, known: set[str]) -> int:
    """Train the rounds of a search that follow from the `known` runs, one after the other; return how many runs."""
    trained = 0
    while further := [run for run in job.plan.searched if run.id not in known]:
        known |= {run.id for run in further}
        job.progress.extended(job.plan)
        trained += train(job, further, cohorts_to_train(job, further))
        job.look()
    return trained


def _prepare(job: Job) -> None:
    """Let workers get ready, and whoever listens use the time."""
    if job.options.workers != 0:
        get_pool().prepare()
    job.progress.prepare()


def _ahead(job: Job) -> int:
    """Return how many runs later rounds and the second stage will train, as far as the store tells beforehand."""
    if job.plan.confirmed is None and job.options.shard:
        return 0  # they take the whole search, of which a shard is a part
    known = sum(job.plan.stages[stage] for stage in job.plan.stages if stage != CONFIRM)
    rounds = 0 if job.plan.is_searched or job.options.only else known - len(job.plan.searched)
    if job.plan.spec.confirm is None:
        return rounds
    return rounds + len(job.wanted(job.plan.expected if job.plan.confirmed is None else job.plan.confirmed))


def _left_out(job: Job, searching: list[Cohort], later: int) -> int:
    """Return how many runs are neither stored nor to be trained: those of other shards, or that nobody asks for."""
    if job.options.shard is None and job.options.only is None:
        return 0
    wanted = {run.id for stage in (job.plan.searched, job.plan.confirmed or []) for run in job.wanted(stage)}
    stored = sum(run.id in job.outcomes and run.id not in wanted for run in job.plan.runs)
    return job.plan.total - stored - later - sum(len(cohort.runs) for cohort in searching)


def _tell(job: Job, report: Report, pairs: Pairs) -> None:
    """Fill in what became of the runs, and the verdicts on the claims unless the training was cut off."""
    report.total = job.plan.total
    report.statuses = Counter(outcome.status for _, outcome in pairs)
    document = job.plan.spec.document
    documents = {part.problem: part.document for part in job.plan.spec.listed}
    report.reasons = list(
        dict.fromkeys(_with_place(documents.get(run.problem, document), o.reason) for run, o in pairs if o.errored)
    )
    if report.interrupted is None:
        report.verdicts = [evaluate(claim, job.plan, job.outcomes) for claim in job.plan.spec.expectations]
    report.made_of = hash_of_content(job, report.verdicts)


def _with_place(document: Document, reason: str) -> str:
    """Return why a run failed, after the place of the component that it tells: `spec.toml:4:8: optimizer: ...`."""
    path = parse_dotted(reason.partition(": ")[0])
    if path is None or path[0] not in SECTIONS:
        return reason
    return f"{document.place((*path, 'name')).name}: {reason}"


def _write_more(job: Job, report: Report, pairs: Pairs, *, anew: bool) -> None:
    """Write the environment, and what observers and pages need of the runs; `anew`: some were trained."""
    write_environment(job, anew=anew)
    if report.interrupted is None:
        try:
            write_made_by_components(job, pairs, report.made_of, anew=anew)
        except InterruptError as interrupt:
            report.interrupted = interrupt.number
