"""The options that commands share, each set of them handed on as one typed value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from xprun.runner.cli.completion import complete_launchers
from xprun.runner.cli.terminal import DEBUG, NO_PROJECT_PLUGINS, complain

if TYPE_CHECKING:
    from xprun.runner.planning.plan_shards import PlanShard

Option = Callable[[Any], Any]


@dataclass(frozen=True)
class SpecOptions:
    """How specs are read."""

    sets: tuple[str, ...]
    plugins: tuple[Path, ...]
    max_runs: int


@dataclass(frozen=True)
class RunOptions(SpecOptions):
    """How specs are run, and what is told of it."""

    output: Path | None
    device: str | None
    jobs: int | None
    launcher: str | None
    timeout: float | None
    rerun: Literal["failed", "all"] | None
    only: tuple[str, ...]
    shard: PlanShard | None
    formats: tuple[str, ...]
    report: bool
    quiet: bool
    verbose: bool
    live: bool
    live_at: tuple[str, int] | None


def _with_project_plugins(context: click.Context, option: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the files of `[tool.xprun] plugins`, then those that were given; say so the first time in a folder."""
    if context.resilient_parsing or context.meta.get(NO_PROJECT_PLUGINS):  # the shell asks for completions
        return given
    from xprun.plugins.project_plugins import first_mention, project_plugins

    files = project_plugins()
    if mention := first_mention(files, "--no-project-plugins"):
        complain(f"note: {mention}")
    return tuple(dict.fromkeys((*files, *given)))


def _read_formats(context: click.Context, option: click.Parameter, given: str) -> tuple[str, ...]:
    from xprun.reports import read_formats

    try:
        return read_formats(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _read_address(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    from xprun.reports.live.live_server import read_address

    try:
        return read_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _read_shard(context: click.Context, option: click.Parameter, text: str | None) -> PlanShard | None:
    if text is None:
        return None
    from xprun.runner.planning.plan_shards import PlanShard

    try:
        return PlanShard.read(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _bounded_jobs(context: click.Context, option: click.Parameter, given: int | None) -> int | None:
    """Return the number of processes, unless they are more than the machine can use."""
    if given is None:
        return None
    from xprun.plugins.machine import most_processes, usable_cores

    if given > most_processes():
        cores = f"{usable_cores()} core{'s' * (usable_cores() > 1)}"
        raise click.BadParameter(f"{given:,} processes on {cores}; at most {most_processes()} can do something at once")
    return given


def _note_debug(context: click.Context, option: click.Parameter, given: bool) -> None:
    context.meta[DEBUG] = given


def _note_no_project_plugins(context: click.Context, option: click.Parameter, given: bool) -> None:
    context.meta[NO_PROJECT_PLUGINS] = given


set_option = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change a setting; a list sweeps it. Repeatable."
)
plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=_with_project_plugins,
    help="A Python file with components of your own. Repeatable.",
)
no_project_plugins_option = click.option(
    "--no-project-plugins",
    is_flag=True,
    is_eager=True,  # for the other option, which would run them
    expose_value=False,
    callback=_note_no_project_plugins,
    help="Leave out the plugins, and the launcher, that pyproject.toml names here.",
)
max_runs_option = click.option(
    "--max-runs", type=click.IntRange(1), default=100_000, show_default=True, metavar="N", help="Refuse larger grids."
)
debug_option = click.option(
    "--debug",
    is_flag=True,
    is_eager=True,  # for the errors of other options
    expose_value=False,
    callback=_note_debug,
    help="Show tracebacks of errors.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER", help="The output folder (default: runs/NAME)."
)
device_option = click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps, instead of the spec's.")
jobs_option = click.option(
    "-j",
    "--jobs",
    type=click.IntRange(0),
    metavar="N",
    envvar="XPRUN_JOBS",
    callback=_bounded_jobs,
    help="Worker processes (default: as many as pay off). 0: run in this process, for a debugger.",
)
launcher_option = click.option(
    "--launcher",
    metavar="NAME",
    envvar="XPRUN_LAUNCHER",
    shell_complete=complete_launchers,
    help="Where to train: processes, ray, slurm, a plugin's; with settings: '{ name = \"ray\", cpus = 2 }'.",
)
format_option = click.option(
    "--format",
    "formats",
    default="html,md",
    show_default=True,
    metavar="NAMES",
    callback=_read_formats,
    help="How to write the report: html, md, latex (tables), pdf (plots).",
)
live_option = click.option("--live", is_flag=True, help="Serve the report to a browser on this machine during the run.")
live_at_option = click.option(
    "--live-at",
    metavar="[HOST:]PORT",
    callback=_read_address,
    help="The same at another port, or to other machines: --live-at 0.0.0.0:8000.",
)
specs_argument = click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SPEC...")
SPEC_OPTIONS = (set_option, plugin_option, no_project_plugins_option, max_runs_option, debug_option)
RUN_OPTIONS = (
    output_option,
    device_option,
    jobs_option,
    launcher_option,
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="How long a run may take: run.timeout.",
    ),
    click.option(
        "--rerun",
        type=click.Choice(["failed", "all"]),
        help="Run cached runs again: those that failed or timed out, or all.",
    ),
    click.option("--only", multiple=True, metavar="RUN", help="Train this run, by its id in results.csv. Repeatable."),
    click.option(
        "--shard",
        metavar="K/N",
        callback=_read_shard,
        help="Train the K-th of N parts of the grid; `xprun merge` puts their folders together.",
    ),
    format_option,
    click.option("--no-report", "report", is_flag=True, default=True, flag_value=False, help="Write the tables only."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Print every run as it ends."),
    live_option,
    live_at_option,
)


def plugin_options(function: Any) -> Any:
    """Add the options of every command that lists or uses components, and reads no spec."""
    return plugin_option(no_project_plugins_option(debug_option(function)))


def spec_options(function: Callable[..., int]) -> Any:
    """Add the options of every command that reads a spec; the function takes them as `options`."""
    return _taking(SpecOptions, SPEC_OPTIONS, function)


def run_options(function: Callable[..., int]) -> Any:
    """Add the options of every command that trains; the function takes them as `options`."""
    return _taking(RunOptions, (*RUN_OPTIONS, *SPEC_OPTIONS), function)


def _taking(kind: type[Any], options: tuple[Option, ...], function: Callable[..., int]) -> Any:
    @wraps(function)
    def command(**given: Any) -> int:
        value = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        return function(options=value, **given)

    wrapped: Any = command
    for option in reversed(options):  # so that --help shows them in this order
        wrapped = option(wrapped)
    return wrapped
