"""The command line. It starts without torch, pandas and seaborn; they are imported when a run needs them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem
from xprun.runner.cli.catalog import (
    complete_components,
    complete_kinds,
    complete_shipped,
    component_rows,
    describe_component,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from socket import socket

    from xprun.plugins.registry import Registry
    from xprun.runner.experiment import Report
    from xprun.specs import Spec

    Tell = Callable[[Path, Report], None]
    Words = Iterable[str | Path]

OK, FAILED, WRONG, BROKEN, IN_USE = 0, 1, 2, 3, 4
INTERRUPTED = 128  # plus the number of the signal


class SpecOrCommand(click.Group):
    """`xprun SPEC` runs a spec: a first word that is no command is taken for the file of one."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and shipped specs that the first word may become, or that it is a file."""
        found = super().shell_complete(ctx, incomplete) + complete_shipped(ctx, None, incomplete)
        return found or [CompletionItem(incomplete, type="file")]

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            _refuse_unknown_word(args[0], [name for name, command in self.commands.items() if not command.hidden])
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Options before the spec (`xprun -o DIR SPEC`) belong to the hidden command `run`.
        own = {"--help", "-h", "--version"}
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["run", *args]
        return super().parse_args(ctx, args)


def _refuse_unknown_word(word: str, commands: list[str]) -> None:
    """Raise UsageError for a misspelt command: a word that is no file, no shipped spec, and near a command."""
    if word.startswith("-") or Path(word).suffix or Path(word).exists():
        return
    from xprun.specs.language.library import shipped_specs
    from xprun.specs.language.wording import nearest

    near = nearest(word, [*commands, *shipped_specs()])
    if near in commands:
        raise click.UsageError(f"there is no command or spec {word!r}; did you mean {near!r}?")


def _with_project_plugins(context: click.Context, option: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the files of `[tool.xprun] plugins`, then those that were given."""
    from xprun.plugins.discovery import project_plugins
    from xprun.plugins.registry import PluginError

    if context.resilient_parsing:  # the shell asks for completions
        return given
    try:
        return tuple(dict.fromkeys((*project_plugins(), *given)))
    except PluginError as error:
        _complain(str(error))
        sys.exit(BROKEN)


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(path_type=Path),
    callback=_with_project_plugins,
    help="A file of components.",
)


def _read_formats(context: click.Context, option: click.Parameter, given: str) -> tuple[str, ...]:
    from xprun.reports import read_formats

    try:
        return read_formats(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


format_option = click.option(
    "--format",
    "formats",
    default="html,md",
    show_default=True,
    metavar="NAMES",
    callback=_read_formats,
    help="How to write the report: html, md, latex (tables), pdf (plots).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(0),
    envvar="XPRUN_JOBS",
    help="Worker processes (default: what the size of the work repays). 0: this process, for a debugger.",
)


def shared_options(function: Any) -> Any:
    """Add the options of every command that reads a spec."""
    for option in (
        click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a setting; a list sweeps it."),
        plugin_option,
        click.option(
            "--max-runs", type=click.IntRange(1), default=100_000, show_default=True, help="Refuse larger grids."
        ),
        click.option("--debug", is_flag=True, help="Show tracebacks."),
    ):
        function = option(function)
    return function


@click.group(cls=SpecOrCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xprun", prog_name="xprun")
def main() -> None:
    """Run declarative PyTorch experiments and compare them.

    \b
      xprun SPEC...           run the grid that a spec describes, then write tables and reports
      xprun check SPEC...     say what is wrong with a spec, without running it
      xprun test SPEC...      say whether the results are what the spec expects
    """


def _read_address(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, int] | None:
    from xprun.reports.live.live_server import read_address

    try:
        return read_address(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def live_options(function: Any) -> Any:
    """Add the options of every command that can serve its report."""
    at = "The same at another port, or to other machines: --live-at 0.0.0.0:8000."
    for option in (
        click.option("--live-at", metavar="[HOST:]PORT", callback=_read_address, help=at),
        click.option("--live", is_flag=True, help="Serve the report to a browser on this machine while runs end."),
    ):
        function = option(function)
    return function


def running_options(function: Any) -> Any:
    """Add the options of every command that trains."""
    for option in (
        click.option("-o", "--output", type=click.Path(path_type=Path), help="The output folder (default: runs/NAME)."),
        click.option("--device", help="auto, cpu, cuda, cuda:N or mps, instead of the spec's."),
        jobs_option,
        click.option(
            "--timeout", type=click.FloatRange(0, min_open=True), help="Seconds that a run may take: run.timeout."
        ),
        click.option(
            "--rerun",
            type=click.Choice(["failed", "all"]),
            help="Run again what is cached: the runs that failed or timed out, or all.",
        ),
        click.option(
            "--only", multiple=True, metavar="RUN", help="Train this run, by its id in results.csv; repeatable."
        ),
        format_option,
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Print every run as it ends."),
    ):
        function = option(function)
    return live_options(shared_options(function))


@main.command(hidden=True)
@click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SPEC...")
@running_options
def run(specs: tuple[Path, ...], **options: Any) -> None:
    """Run specs, then write their tables and reports."""
    sys.exit(_run_all(specs, _tell_failed_expectations if options["quiet"] else _tell_results, **options))


@main.command()
@click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SPEC...")
@json_option
@running_options
def test(specs: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Run what is missing, then say of each [[expect]] whether it holds."""
    if as_json:
        found: list[dict[str, Any]] = []
        code = _run_all(specs, lambda path, result: found.append(_verdicts_as_object(path, result)), **options)
        click.echo(json.dumps(found, indent=1))
        sys.exit(code)
    sys.exit(_run_all(specs, _tell_failed_expectations if options["quiet"] else _tell_verdicts, **options))


def _verdicts_as_object(path: Path, result: Report) -> dict[str, Any]:
    """Return what `xprun test` finds: `spec`, `folder`, `runs` by how they ended, and `claims` with their verdicts."""
    from xprun.runner.outputs.claim_verdicts import claims_table

    claims = claims_table(result.verdicts).to_dict("records")
    return {"spec": str(path), "folder": str(result.folder), "runs": dict(result.statuses), "claims": claims}


@main.command()
@click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SPEC...|OPTIMIZER...")
@click.option("--against", metavar="OPTIMIZER", help="Where an optimizer departs from this one.")
@json_option
@shared_options
def check(specs: tuple[Path, ...], against: str | None, as_json: bool, **shared: Any) -> None:
    """Say what is wrong with a spec, or with an optimizer; nothing is trained.

    An optimizer takes steps over fixed gradients. It is checked for values that are not finite, inputs changed in
    place, results of a wrong shape or type, settings without effect, and a difference between alone and together.
    """
    if as_json:
        found = [_check_as_object(path, **shared) for path in specs]
        click.echo(json.dumps(found, indent=1))
        sys.exit(WRONG if any(one["errors"] for one in found) else OK)
    sys.exit(max(_check_one(path, against, shared) for path in specs))


def _check_as_object(path: Path, debug: bool, plugins: tuple[Path, ...], **shared: Any) -> dict[str, Any]:
    """Return what a check of a spec finds: `spec`, `runs` (null where there are errors) and `errors`."""
    from xprun.specs import SpecError, count_runs

    try:
        runs, errors = count_runs(_checked(path, _open_registry(plugins, debug), **shared)), []
    except SpecError as error:
        runs, errors = None, error.as_objects()
    return {"spec": str(path), "runs": runs, "errors": errors}


def _check_one(path: Path, against: str | None, shared: dict[str, Any]) -> int:
    """Check a spec or an optimizer, say what came out, and return the exit code."""
    from xprun.specs import count_runs
    from xprun.specs.language.library import find_spec

    is_spec = path.suffix == ".toml" or os.path.exists(find_spec(path))  # noqa: PTH110 - see find_spec
    if against or not is_spec:
        code = _check_optimizer(str(path), against, **shared)
        if code is not None:
            return code
    loaded = _load(path, **shared)
    if loaded:
        _say(f"{path}: ok, {count_runs(loaded[0]):,} runs")
    return OK if loaded else WRONG


def _check_optimizer(
    name: str, against: str | None, *, sets: tuple[str, ...], plugins: tuple[Path, ...], debug: bool, **_: Any
) -> int | None:
    """Try an optimizer, say what came out, and return the exit code; None when there is none of that name."""
    from xprun.plugins.registry import PluginError, UnknownComponentError
    from xprun.specs.language.wording import did_you_mean

    registry = _open_registry(plugins, debug)
    try:
        component = registry.find("optimizer", name)
        if against:
            registry.find("optimizer", against)
        from xprun.runner.optimizer_check.optimizer_trial import read_given, try_optimizer

        trial = try_optimizer(registry, name, read_given(component, sets), against)
    except UnknownComponentError as error:
        if against is None:
            return None
        raise click.UsageError(f"{error}{did_you_mean(error.name, error.known)}") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except PluginError as error:
        _complain(str(error))
        return BROKEN
    _say(trial.render())
    return FAILED if trial.problems else OK


@main.command()
@click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SPEC...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The output folder (default: runs/NAME).")
@click.option("--device", help="auto, cpu, cuda, cuda:N or mps, instead of the spec's.")
@jobs_option
@json_option
@shared_options
def plan(
    specs: tuple[Path, ...], output: Path | None, device: str | None, jobs: int | None, as_json: bool, **shared: Any
) -> None:
    """Say what would be run, what is cached, how runs would be trained together, how long and in how much memory."""
    found = []
    for path in specs:
        loaded = _load(path, **shared)
        if loaded is None:
            sys.exit(WRONG)
        from dataclasses import asdict

        from xprun.runner.plan_summary import as_text, summarize_plan
        from xprun.runner.results.atomic_files import OutputError
        from xprun.runner.workload.devices import DeviceError

        folder = output or _default_folder(loaded[0])
        try:
            ahead = summarize_plan(*loaded, folder, shared["plugins"], device, 1 if jobs is None else jobs)
        except DeviceError as error:
            _complain(f"{path}: device: {error}")
            sys.exit(WRONG)
        except OutputError as error:
            _complain(str(error))
            sys.exit(BROKEN)
        found.append(asdict(ahead))
        if not as_json:
            _say(as_text(ahead))
    if as_json:
        click.echo(json.dumps(found, indent=1))


@main.command()
@click.argument("kind", required=False, shell_complete=complete_kinds)
@plugin_option
def ls(kind: str | None, plugins: tuple[Path, ...]) -> None:
    """List the components, all or of one KIND, with their origin."""
    from xprun.plugins.kinds import KINDS
    from xprun.specs.language.wording import did_you_mean

    if kind is not None and kind not in KINDS:
        raise click.UsageError(
            f"there is no kind {kind!r}{did_you_mean(kind, KINDS)}\nthe kinds are {', '.join(KINDS)}"
        )
    registry = _open_registry(plugins)
    for row in component_rows(registry, kind):
        _say(row)


@main.command()
@click.argument("name", shell_complete=complete_components)
@plugin_option
def describe(name: str, plugins: tuple[Path, ...]) -> None:
    """Describe a component: its settings, defaults and source."""
    from xprun.plugins.registry import PluginError
    from xprun.specs.language.wording import did_you_mean

    registry = _open_registry(plugins)
    try:
        found = registry.find_any(name)
    except PluginError as error:
        _complain(str(error))
        sys.exit(BROKEN)
    if not found:
        names = [c.name for c in registry.components()]
        raise click.UsageError(f"there is no component {name!r}{did_you_mean(name, names)}")
    _say("\n\n".join(describe_component(component) for component in found))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@format_option
@plugin_option
@live_options
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def report(
    folder: Path,
    formats: tuple[str, ...],
    plugins: tuple[Path, ...],
    live: bool,
    live_at: tuple[str, int] | None,
    debug: bool,
) -> None:
    """Make the report of an output folder again from its tables; where xprun was killed, of what it had saved.

    With --live, serve it until Ctrl-C instead, and renew it while another xprun writes the folder.
    """
    from xprun.reports import ReportError, write_report

    if live or live_at:
        _serve(folder, live_at)
        return
    from xprun.runner.results.atomic_files import OutputError
    from xprun.runner.status.folder_status import recover
    from xprun.runner.store.folder_lock import InUseError
    from xprun.runner.visuals.requested_plots import asked_plots

    try:
        recover(folder)
        written = write_report(folder, formats, asked_plots(folder, _open_registry(plugins, debug)))
    except ReportError as error:
        if debug:
            raise
        raise click.UsageError(str(error)) from None
    except (InUseError, OutputError) as error:
        _complain(str(error))
        sys.exit(IN_USE if isinstance(error, InUseError) else BROKEN)
    _say(_written(folder, written))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("name", metavar="RUN")
@click.option("--data", "split", type=click.Choice(["train", "valid"]), help="Which rows (default: those held out).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A CSV file to write, instead of stdout.")
@plugin_option
def predict(folder: Path, name: str, split: str | None, output: Path | None, plugins: tuple[Path, ...]) -> None:
    """Write the predictions of a saved RUN (its id, or the start of it) of an output folder as a table."""
    from xprun.runner.predictions import predictions
    from xprun.runner.results.atomic_files import replace_file
    from xprun.runner.store.checkpoints import CheckpointError

    try:
        table = predictions(folder, name, split, _open_registry(plugins))
    except CheckpointError as error:
        raise click.UsageError(str(error)) from None
    if output is None:
        click.echo(table.to_csv(index=False, lineterminator="\n"), nl=False)
        return
    replace_file(output, lambda path: table.to_csv(path, index=False, lineterminator="\n"))
    _say(f"wrote {output}")


@main.command()
@click.option("-o", "--output", default="xprun.schema.json", show_default=True, type=click.Path(path_type=Path))
@plugin_option
def schema(output: Path, plugins: tuple[Path, ...]) -> None:
    """Write a JSON Schema of specs with all installed components, by which editors complete and check."""
    from xprun.runner.cli.starters import StarterError, write_schema

    try:
        _say(f"wrote {write_schema(output, _open_registry(plugins))}")
    except StarterError as error:
        raise click.UsageError(str(error)) from None


@main.command()
@click.argument("file", default="experiment.toml", type=click.Path(path_type=Path))
@click.option("--from", "source", metavar="SPEC", shell_complete=complete_shipped, help="A shipped spec to copy.")
@plugin_option
def init(file: Path, source: str | None, plugins: tuple[Path, ...]) -> None:
    """Start a spec in FILE (default: experiment.toml), and beside it the schema by which editors complete it."""
    from xprun.runner.cli.starters import StarterError, start_spec

    try:
        written = start_spec(file, source, _open_registry(plugins))
    except StarterError as error:
        raise click.UsageError(str(error)) from None
    _say(f"wrote {' and '.join(map(str, written))}; next: xprun check {file}, then xprun {file}")


@main.group()
def new() -> None:
    """Start a distribution."""


@new.command()
@click.argument("name")
def plugin(name: str) -> None:
    """Start a distribution of plugins called NAME in ./NAME: one optimizer and its test."""
    from xprun.runner.cli.starters import StarterError, start_plugin

    try:
        written = start_plugin(name, Path(name))
    except StarterError as error:
        raise click.UsageError(str(error)) from None
    _say(f"wrote {'  '.join(map(str, written))}")
    _say(f"next: pip install --editable './{name}[test]', then pytest {name}")


@main.command()
@click.argument("first", type=click.Path(path_type=Path), metavar="FOLDER")
@click.argument("second", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option("--tolerance", default="0", show_default=True, help="How much worse is none: 0.01, or 1% of the mean.")
@click.option("--markdown", is_flag=True, help="Print the table in Markdown.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def diff(first: Path, second: Path, tolerance: str, markdown: bool, debug: bool) -> None:
    """Compare two output folders, each alternative at its best setting in the first, seed by seed.

    Exits with 1 where the second is worse by more than the tolerance, as far as five seeds or more can tell, or where
    runs that ended well no longer do.
    """
    from xprun.reports import ReportError, difference

    try:
        table, regressed = difference(first, second, tolerance, markdown=markdown)
    except (ReportError, ValueError) as error:
        if debug:
            raise
        raise click.UsageError(str(error)) from None
    _say(table)
    sys.exit(FAILED if regressed else OK)


def _serve(folder: Path, address: tuple[str, int] | None) -> None:
    """Serve the report of a folder until Ctrl-C."""
    from xprun.reports.live.live_server import serve_until_interrupted
    from xprun.runner.status.folder_status import gather, look

    if not folder.is_dir():
        raise click.UsageError(f"{folder}: no such folder")
    with _listening(address) as listening:
        _complain("Ctrl-C ends it")
        serve_until_interrupted(listening, partial(look, folder), partial(gather, folder))


@contextmanager
def _served(folder: Path, address: tuple[str, int] | None) -> Iterator[None]:
    """Serve the report of a folder that this process writes meanwhile."""
    from xprun.reports.live.live_server import served_beside
    from xprun.runner.status.folder_status import gather, look

    watched = partial(look, folder, os.getpid()), partial(gather, folder)
    with _listening(address) as listening, served_beside(listening, *watched):
        yield


@contextmanager
def _listening(address: tuple[str, int] | None) -> Iterator[socket]:
    """Listen at an address and say where a browser finds it; None: where only this machine can ask."""
    from xprun.reports.live.live_server import LiveError, listen, url_of

    try:
        listening = listen(*(address or ()))
    except LiveError as error:
        raise click.UsageError(str(error)) from None
    with listening:
        _complain(f"live: {url_of(listening)}")
        yield listening


def _run_all(specs: tuple[Path, ...], tell: Tell, *, output: Path | None, **options: Any) -> int:
    """Run specs one after the other and return the exit code: that of the worst."""
    if output and len(specs) > 1:
        raise click.UsageError("-o names one folder, so it takes one spec")
    from xprun.runner.process.interrupts import ending_at_once

    worst = OK
    with ending_at_once():
        for path in specs:
            worst = max(worst, _run_one(path, tell, output=output, **options))
            if worst > INTERRUPTED:
                break
    return worst


def _run_one(
    path: Path,
    tell: Tell,
    *,
    output: Path | None,
    device: str | None,
    jobs: int | None,
    timeout: float | None,
    rerun: Any,
    only: tuple[str, ...],
    quiet: bool,
    verbose: bool,
    formats: tuple[str, ...],
    live: bool,
    live_at: tuple[str, int] | None,
    debug: bool = False,
    **shared: Any,
) -> int:
    """Run one spec and return its exit code."""
    if jobs != 0:
        _make_workers_ready()
    if timeout is not None:
        shared["sets"] = (*shared["sets"], f"run.timeout={timeout}")
    loaded = _load(path, debug=debug, **shared)
    if loaded is None:
        return WRONG
    from xprun.reports import ReportError
    from xprun.runner.experiment import Options, UnknownRunError, run_experiment
    from xprun.runner.process.interrupts import interruptible
    from xprun.runner.results.atomic_files import OutputError, writing
    from xprun.runner.status.live_status import Publisher
    from xprun.runner.status.progress import Meanwhile, Narrator, Several, Silent
    from xprun.runner.store.folder_lock import InUseError
    from xprun.runner.workers.spawner import WorkerStartError
    from xprun.runner.workload.devices import DeviceError
    from xprun.specs import SpecError

    spec, registry = loaded
    if only:
        spec = replace(spec, expectations=())  # they are about all runs
    folder = output or _default_folder(spec)
    options = Options(folder, shared["plugins"], device, debug, jobs, frozenset(only) or None, rerun=rerun)
    again = _command(path, folder, shared["sets"], shared["plugins"], device, only)
    meanwhile = Meanwhile(partial(import_module, "xprun.reports.page.writing"))  # the pages are written at the end
    narrator = Silent() if quiet else Narrator(live=sys.stderr.isatty(), verbose=verbose)
    listeners = Several(narrator, Publisher(folder), meanwhile)
    try:
        with interruptible() as interrupts, _served(folder, live_at) if live or live_at else nullcontext():
            result = run_experiment(spec, registry, options, listeners, interrupts)
            with writing(folder):
                _write_pages(result, formats, registry)
                code = _conclude(path, result, tell)
        if interrupts.number is None:
            return code
        left = result.total - result.statuses.total()
        _complain(f"interrupted; {left} runs are missing. To go on: {again}")
        return INTERRUPTED + interrupts.number
    except DeviceError as error:
        _complain(f"{path}: device: {error}")
        return WRONG
    except SpecError as error:
        _complain(error.render())
        return WRONG
    except InUseError as error:
        _complain(str(error))
        return IN_USE
    except WorkerStartError as error:
        _complain(f"{error}. To go on without workers: {again} -j 0")
        return BROKEN
    except OutputError as error:
        if debug:
            raise
        _complain(f"{error}; what was saved is kept. To go on: {again}")
        return BROKEN
    except ReportError as error:
        if debug:
            raise
        _complain(f"there is no new report: {error}; the runs are kept")
        return BROKEN
    except UnknownRunError as error:
        _complain(f"{path}: {error}")
        return WRONG


def _command(path: Path, folder: Path, sets: Words, plugins: Words, device: str | None, only: Words) -> str:
    """Return the command that goes on with a spec."""
    given = {"--set": sets, "--plugin": plugins, "--device": [device] if device else [], "--only": only}
    options = [word for option, values in given.items() for value in values for word in (option, value)]
    return shlex.join(map(str, ["xprun", path, "-o", folder, *options]))


def _make_workers_ready() -> None:
    """Let what workers are made from import torch while this process reads the spec, if there is a core to spare."""
    if (os.cpu_count() or 1) > 1:
        from xprun.runner.workers.pool import get_pool

        get_pool().prepare()


def _default_folder(spec: Spec) -> Path:
    from xprun.runner.results.atomic_files import folder_name

    return Path("runs") / folder_name(spec.name)


def _write_pages(result: Report, formats: tuple[str, ...], registry: Registry) -> None:
    """Write the report where there is something to report, unless it stands as it would be written."""
    if not result.statuses:
        return
    from xprun import reports
    from xprun.runner.store.export_cache import export, hash_of_sources
    from xprun.runner.visuals.requested_plots import asked_plots

    folder, plots = result.folder, asked_plots(result.folder, registry)
    made_of = [result.made_of, hash_of_sources(Path(reports.__file__).parent), *formats]
    made_of += [plot.fingerprint for plot in plots]
    pages = export(folder, "pages", " ".join(made_of), lambda: reports.write_report(folder, formats, plots))
    result.written = [*result.written, *pages]


def _conclude(path: Path, result: Report, tell: Tell) -> int:
    """Tell what came out, and return the exit code."""
    if result.statuses:
        tell(path, result)
    for reason in result.reasons[:10]:
        _complain(f"failed: {reason}")
    wrong = result.statuses["failed"] + result.statuses["timeout"] + len(result.failed_expectations)
    return FAILED if wrong else OK


def _tell_results(path: Path, result: Report) -> None:
    """Print what came out best, where the tables are, and which expectations do not hold."""
    from xprun.reports import verdict

    _say(verdict(result.folder))
    _say(_written(result.folder, result.written))
    _tell_failed_expectations(path, result)


def _tell_failed_expectations(path: Path, result: Report) -> None:
    for verdict in result.failed_expectations:
        _complain(verdict.line)


def _tell_verdicts(path: Path, result: Report) -> None:
    """Print every expectation with its verdict."""
    for verdict in result.verdicts:
        _say(verdict.line)
    held = sum(verdict.holds is True for verdict in result.verdicts)
    _say(f"{path}: {held} of {len(result.verdicts)} expectations hold")


def _load(
    path: Path, *, sets: tuple[str, ...], plugins: tuple[Path, ...], max_runs: int, debug: bool
) -> tuple[Spec, Registry] | None:
    """Return a checked spec with its registry, or None after saying what is wrong.

    Ends the process where a plugin that the spec asks for is broken.
    """
    from xprun.plugins.registry import PluginError
    from xprun.specs import SpecError

    registry = _open_registry(plugins, debug)
    try:
        return _checked(path, registry, sets, max_runs), registry
    except SpecError as error:
        if debug:
            raise
        _complain(error.render())
        return None
    except PluginError as error:
        if debug:
            raise
        _complain(f"{path}: {error}")
        sys.exit(BROKEN)


def _checked(path: Path, registry: Registry, sets: tuple[str, ...], max_runs: int) -> Spec:
    """Return a checked spec; raise SpecError with everything that is wrong with it."""
    from xprun.runner.resolve.resolver import resolve
    from xprun.runner.workload.gradient_check import check_gradients
    from xprun.specs import read_document, read_spec
    from xprun.specs.language.library import find_spec

    return check_gradients(resolve(read_spec(read_document(find_spec(path), sets)), registry, max_runs), registry)


def _open_registry(plugins: tuple[Path, ...], debug: bool = False) -> Registry:
    from xprun.plugins.discovery import open_registry
    from xprun.plugins.registry import PluginError

    try:
        registry = open_registry(plugins)
    except PluginError as error:
        if debug:
            raise
        _complain(str(error))
        sys.exit(BROKEN)
    for complaint in registry.complaints:
        _complain(f"warning: {complaint}")
    return registry


def _written(folder: Path, written: list[Path]) -> str:
    names = [path.name for path in written if path.parent == folder]
    names += sorted({f"{path.parent.name}/" for path in written if path.suffix in (".tex", ".pdf")})
    return f"wrote {folder}{'/' if names else ''}{'  '.join(names)}"


def _complain(text: str) -> None:
    _say(text, err=True)


def _say(text: str, *, err: bool = False) -> None:
    """Print a text; what is in a name or in the words of an error cannot drive the terminal."""
    from xprun.specs.language.diagnostics import printable

    click.echo(printable(text, keep_tabs=True, keep_lines=True), err=err)
