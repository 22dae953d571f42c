"""`run` and `test`: train what is missing of a spec, write its tables and report, and tell what came out."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from xprun.errors import Error
from xprun.runner.cli.earlier_settings import what_is_replaced
from xprun.runner.cli.live_page import served
from xprun.runner.cli.loading import default_folder, load_launcher, load_spec, open_registry, read
from xprun.runner.cli.options import RunOptions, json_option, run_options, specs_argument
from xprun.runner.cli.spec_command import SpecCommand
from xprun.runner.cli.terminal import (
    BROKEN,
    FAILED,
    INTERRUPTED,
    OK,
    complain,
    exit_code_of,
    is_debugging,
    leaves_out_project_plugins,
    say,
    say_json,
    written_line,
)

if TYPE_CHECKING:
    from xprun.plugins.registry import Registry
    from xprun.runner.experiment import Report
    from xprun.runner.launchers.choice import Launcher
    from xprun.runner.status.progress import Progress
    from xprun.specs import Spec

    Tell = Callable[[Path, Report], None]


class PagesError(Error):
    """The runs are stored and in the tables, but there is no verdict on them, or no new report."""

    exit_code = BROKEN


class TrainingCommand(SpecCommand):
    """A command that trains: what workers are made from gets ready while all else is imported and read."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing and self._is_likely_to_train(ctx, args):
            from xprun.runner.workers.spawner import start_ahead

            start_ahead()
        return super().parse_args(ctx, args)

    def _is_likely_to_train(self, ctx: click.Context, args: list[str]) -> bool:
        """Return whether there is a core to spare for it, and a spec of which nothing is stored where it would be."""
        given: dict[str, Any] = {}
        with suppress(click.UsageError):  # it is told in a moment
            given, *_ = self.make_parser(ctx).parse_args(list(args))
        jobs = given.get("jobs") or os.environ.get("XPRUN_JOBS")
        if "help" in given or jobs == "0" or (os.cpu_count() or 1) == 1:
            return False
        folders = [given.get("output") or Path("runs", Path(spec).stem) for spec in given.get("specs") or ()]
        return not all(Path(folder, "store.sqlite").exists() for folder in folders)


@click.command(cls=TrainingCommand)
@specs_argument
@run_options
def run(specs: tuple[Path, ...], options: RunOptions) -> int:
    """Run specs; `xprun SPEC` does the same.

    Every run of the grid that the output folder lacks is trained, then the tables and the report are written.
    """
    return run_all(specs, options, tell_failed_expectations if options.quiet else tell_results)


@click.command(cls=TrainingCommand)
@specs_argument
@json_option
@run_options
def test(specs: tuple[Path, ...], as_json: bool, options: RunOptions) -> int:
    """Run a spec and check what it claims.

    What is missing is run; then each [[expect]] is told with its verdict.
    """
    if not as_json:
        return run_all(specs, options, tell_failed_expectations if options.quiet else tell_verdicts)
    found: list[dict[str, Any]] = []
    code = run_all(specs, options, lambda path, result: found.append(_verdicts_as_object(path, result)))
    say_json(found)
    return code


def run_all(specs: tuple[Path, ...], options: RunOptions, tell: Tell) -> int:
    """Run specs one after the other and return the exit code: that of the worst."""
    if options.output and len(specs) > 1:
        raise click.UsageError("-o names one folder, so it takes one spec")
    missing = [exit_code_of(partial(_refuse_missing, path)) for path in specs] if len(specs) > 1 else []
    if any(missing):
        return max(missing)
    from xprun.runner.needed_packages import require_torch
    from xprun.runner.process.interrupts import ending_at_once
    from xprun.runner.process.log import ERROR, WARNING, notes_on_stderr

    with ending_at_once(), notes_on_stderr(ERROR if options.quiet else WARNING):
        registry = open_registry(options.plugins)
        launcher = load_launcher(options.launcher, registry)
        _refuse_jobs_elsewhere(launcher, options)
        loaded, wrong = _load_all(specs, registry, options)  # what is wrong is told before any other is trained
        if loaded:
            require_torch()
        worst = max(wrong.values(), default=OK)
        for path, spec in loaded:
            is_last = path == loaded[-1][0]
            job = partial(_run_one, path, spec, registry, launcher, options, tell, is_last=is_last)
            worst = max(worst, exit_code_of(job, spec=path))
            if worst > INTERRUPTED:
                break
    if loaded and wrong:
        complain(f"not run, as told above: {', '.join(map(str, wrong))}")
    return worst


def _refuse_jobs_elsewhere(launcher: Launcher | None, options: RunOptions) -> None:
    """Raise UsageError where -j asks for processes of this machine, and the launcher for something else."""
    if launcher is None or click.get_current_context().get_parameter_source("jobs") is not ParameterSource.COMMANDLINE:
        return
    if launcher.name != "processes":
        raise click.UsageError(f"-j is for processes of this machine; {launcher.name} takes settings instead")
    if options.jobs == 0:
        raise click.UsageError("-j 0 runs in this process, which the launcher processes does not")


def _load_all(
    specs: tuple[Path, ...], registry: Registry, options: RunOptions
) -> tuple[list[tuple[Path, Spec]], dict[Path, int]]:
    """Return the specs that are right, and the exit codes of the others, of which everything wrong has been told.

    Raises UsageError where two of them would write to one folder.
    """
    loaded: list[tuple[Path, Spec]] = []
    if options.timeout is not None:
        options = replace(options, sets=(*options.sets, f"run.timeout={options.timeout}"))

    def load(path: Path) -> None:
        loaded.append((path, load_spec(path, registry, options)))

    codes = {path: exit_code_of(partial(load, path), spec=path) for path in specs}
    by_folder: dict[Path, Path] = {}
    for path, spec in loaded:
        if (first := by_folder.setdefault(default_folder(spec), path)) != path:
            message = f"{first} and {path} would both write to {default_folder(spec)}"
            raise click.UsageError(f'{message}; give one of them another name, as in name = "..." at its top')
    return loaded, {path: code for path, code in codes.items() if code}


def _refuse_missing(path: Path) -> None:
    """Raise SpecError for a spec that is not there, which may be a misspelt option or command."""
    from xprun.specs.language.library import find_spec

    if not os.path.exists(find_spec(path)):  # noqa: PTH110 - see find_spec
        read(path)


def _run_one(
    path: Path,
    spec: Spec,
    registry: Registry,
    launcher: Launcher | None,
    options: RunOptions,
    tell: Tell,
    *,
    is_last: bool,
) -> int:
    """Run one spec and return the exit code."""
    if options.only or options.shard:
        spec = replace(spec, expectations=())  # they are about all runs
    folder = options.output or default_folder(spec)
    if options.shard and not options.output:
        folder = folder.with_name(f"{folder.name}-{options.shard.number}-of-{options.shard.count}")
    again = _command(path, folder, options)
    job = partial(_carry_out, path, spec, registry, launcher, folder, options, tell, again, is_last=is_last)
    return exit_code_of(job, spec=path, again=again)


def _carry_out(
    path: Path,
    spec: Spec,
    registry: Registry,
    launcher: Launcher | None,
    folder: Path,
    options: RunOptions,
    tell: Tell,
    again: str,
    *,
    is_last: bool,
) -> int:
    """Train what is missing, write tables and pages, tell what came out, and return the exit code."""
    from xprun.runner.experiment import Options, run_experiment
    from xprun.runner.process.interrupts import interruptible
    from xprun.runner.process.log import note
    from xprun.runner.results.atomic_files import writing

    if replaced := what_is_replaced(folder, [override.text for override in spec.document.overrides]):
        note(replaced)
    job = Options(
        folder,
        options.plugins,
        options.device,
        is_debugging(),
        options.jobs,
        frozenset(options.only) or None,
        rerun=options.rerun,
        launcher=launcher,
        shard=options.shard,
    )
    live = served(folder, options.live_at) if options.live or options.live_at else nullcontext()
    with interruptible() as interrupts, live:
        progress = _listeners(folder, options)
        result = run_experiment(spec, registry, job, progress, interrupts, partial(_conclude, path, tell=tell))
        if options.report:
            with writing(folder):
                write_pages(result, options.formats, registry)
    if result.statuses and tell is tell_results:
        say(written_line(result.folder, result.written))
    missing = _missing(result, is_last=is_last)
    if interrupts.number is None or not missing:
        return FAILED if _is_wrong(result) else OK
    complain(f"interrupted; {missing}. To go on: {again}")
    return INTERRUPTED + interrupts.number


def _missing(result: Report, *, is_last: bool) -> str:
    """Return what an interrupt has kept from being done, in words; nothing where it came too late for that."""
    from xprun.specs.language.wording import plural

    if result.left:
        return f"{result.left:,} {plural('run', result.left)} {'is' if result.left == 1 else 'are'} missing"
    if result.interrupted is not None:
        return "all runs have ended; what observers and pictures show of them is missing"
    return "" if is_last else "all runs of this spec have ended; those of the next ones are missing"


def _listeners(folder: Path, options: RunOptions) -> Progress:
    """Return who hears of runs as they end: the terminal, other processes, and who imports the report meanwhile."""
    from xprun.runner.status.progress import Meanwhile, Narrator, Several, Silent
    from xprun.runner.status.status_writer import Publisher

    meanwhile = Meanwhile(partial(_import_reports, drawing=options.report))
    narrator = Silent() if options.quiet else Narrator(live=sys.stderr.isatty(), verbose=options.verbose)
    return Several(narrator, Publisher(folder, live=bool(options.live or options.live_at)), meanwhile)


def _import_reports(*, drawing: bool) -> None:
    """Import what the tables, the verdict and, with `drawing`, the pages are made with, which takes a second."""
    pages = ["xprun.reports.page.writing"] if drawing else []
    gc.disable()  # what imports make stays: nobody need look at it again and again
    for module in ("xprun.runner.outputs.result_tables", "xprun.reports.text.folder_verdict", "scipy.special", *pages):
        import_module(module)
    gc.freeze()
    gc.enable()


def _command(path: Path, folder: Path, options: RunOptions) -> str:
    """Return the command that goes on with a spec."""
    import shlex

    device = [options.device] if options.device else []
    given = {"--set": options.sets, "--plugin": options.plugins, "--device": device, "--only": options.only}
    words = [word for option, values in given.items() for value in values for word in (option, value)]
    words += ["--launcher", options.launcher] if options.launcher else []
    words += ["--shard", options.shard] if options.shard else []
    words += ["--no-project-plugins"] if leaves_out_project_plugins() else []
    words += [] if options.report else ["--no-report"]
    return shlex.join(map(str, ["xprun", path, "-o", folder, *words]))


def write_pages(result: Report, formats: tuple[str, ...], registry: Registry) -> None:
    """Write the report where there is something to report, unless it stands as it would be written."""
    if not result.statuses:
        return
    from xprun import reports
    from xprun.runner.store.export_cache import export, hash_of_sources
    from xprun.runner.visuals.requested_plots import asked_plots

    folder, plots = result.folder, asked_plots(result.folder, registry)
    made_of = [result.made_of, hash_of_sources(Path(reports.__file__).parent), *formats]
    made_of += [plot.fingerprint for plot in plots]
    try:
        pages = export(folder, "pages", " ".join(made_of), lambda: reports.write_report(folder, formats, plots))
    except reports.ReportError as error:
        raise PagesError(f"there is no new report: {error}; the runs are kept") from error
    result.written = [*result.written, *pages]


def _conclude(path: Path, result: Report, tell: Tell) -> None:
    """Tell what came out."""
    tell(path, result)
    for reason in result.reasons[:10]:
        complain(f"failed: {reason}")


def _is_wrong(result: Report) -> bool:
    """Return whether a run failed, or an expectation does not hold."""
    return bool(result.statuses["failed"] + result.statuses["timeout"] + len(result.failed_expectations))


def tell_results(path: Path, result: Report) -> None:
    """Print what came out best, and which expectations do not hold."""
    from xprun import reports
    from xprun.runner.store.export_cache import hash_of_sources, recall

    made_of = f"{result.made_of} {hash_of_sources(Path(reports.__file__).parent)}"
    try:
        say(recall(result.folder, "conclusion", made_of, partial(reports.conclusion, result.folder)))
    except reports.ReportError as error:
        raise PagesError(f"there is no verdict: {error}; the runs are kept") from error
    tell_failed_expectations(path, result)


def tell_failed_expectations(path: Path, result: Report) -> None:
    """Print the expectations that do not hold."""
    for verdict in result.failed_expectations:
        complain(verdict.line)


def tell_verdicts(path: Path, result: Report) -> None:
    """Print every expectation with its verdict."""
    for verdict in result.verdicts:
        say(verdict.line)
    held = sum(verdict.holds is True for verdict in result.verdicts)
    say(f"{path}: {held} of {len(result.verdicts)} expectations hold")


def _verdicts_as_object(path: Path, result: Report) -> dict[str, Any]:
    """Return what `xprun test` finds: `spec`, `folder`, `runs` by how they ended, and `claims` with their verdicts."""
    from xprun.runner.outputs.claim_verdicts import claims_table

    claims = claims_table(result.verdicts).to_dict("records")
    return {"spec": str(path), "folder": str(result.folder), "runs": dict(result.statuses), "claims": claims}
