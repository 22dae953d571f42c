"""`check` and `plan`: what can be said of a spec, or of an optimizer, before anything is trained."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from xprun.runner.cli.loading import default_folder, load_launcher, load_spec, open_registry
from xprun.runner.cli.options import (
    SpecOptions,
    device_option,
    jobs_option,
    json_option,
    launcher_option,
    output_option,
    spec_options,
    specs_argument,
)
from xprun.runner.cli.spec_command import SpecCommand
from xprun.runner.cli.terminal import FAILED, OK, WRONG, exit_code_of, say, say_json

if TYPE_CHECKING:
    from xprun.plugins.registry import Component, Registry
    from xprun.runner.plan_summary import PlanSummary
    from xprun.specs import Spec


@click.command(cls=SpecCommand)
@click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SPEC...|OPTIMIZER...")
@click.option("--against", metavar="OPTIMIZER|BACKEND", help="Where an optimizer departs from this one.")
@click.option("--build", is_flag=True, help="Build data and models, too, and pass two rows through each.")
@json_option
@spec_options
def check(specs: tuple[Path, ...], against: str | None, build: bool, as_json: bool, options: SpecOptions) -> int:
    """Check a spec for errors without running it.

    With the name of an optimizer, check that instead: it takes steps over fixed gradients. Looked for are values that
    are not finite, inputs changed in place, results of a wrong shape or type, settings without effect, and a difference
    between alone and batched.
    """
    from xprun.runner.process.log import notes_on_stderr

    registry = open_registry(options.plugins)
    with notes_on_stderr():
        if as_json:
            found = [_check_as_object(path, registry, options, build=build) for path in specs]
            say_json(found)
            return WRONG if any(one["errors"] for one in found) else OK
        one = partial(_check, against=against, registry=registry, options=options, build=build)
        return max(exit_code_of(partial(one, path), spec=path) for path in specs)


def _load(path: Path, registry: Registry, options: SpecOptions, *, build: bool) -> Spec:
    """Return a checked spec, of which each model can be built where that is asked for; raise SpecError."""
    spec = load_spec(path, registry, options)
    if build:
        from xprun.runner.needed_packages import require_torch
        from xprun.specs import SpecError

        require_torch()
        from xprun.runner.workload.build_check import build_problems

        if problems := list(build_problems(spec, registry)):
            raise SpecError(spec.document, problems)
    return spec


def _check_as_object(path: Path, registry: Registry, options: SpecOptions, *, build: bool) -> dict[str, Any]:
    """Return what a check of a spec finds: `spec`, `runs` (at most; null with errors), `errors` and `can_show`."""
    from xprun.runner.planning.search_size import count_search
    from xprun.runner.resolve.showable import what_shows
    from xprun.specs import SpecError

    try:
        spec = _load(path, registry, options, build=build)
        runs, errors, can_show = count_search(spec), [], what_shows(spec)
    except SpecError as error:
        runs, errors, can_show = None, error.as_objects(), ""
    return {"spec": str(path), "runs": runs, "errors": errors, "can_show": can_show}


def _check(path: Path, against: str | None, registry: Registry, options: SpecOptions, *, build: bool) -> int:
    """Check a spec or an optimizer, say what came out, and return the exit code."""
    from xprun.runner.planning.search_size import count_search
    from xprun.runner.resolve.output_notes import output_notes
    from xprun.runner.resolve.showable import what_shows
    from xprun.specs.language.confirmation import count_confirmation
    from xprun.specs.language.library import find_spec

    is_spec = path.suffix == ".toml" or os.path.exists(find_spec(path))  # noqa: PTH110 - see find_spec
    if against or not is_spec:
        code = _check_optimizer(str(path), against, registry, options)
        if code is not None:
            return code
    spec = _load(path, registry, options, build=build)
    confirming = count_confirmation(spec)
    then = f", then {confirming:,} on fresh seeds" if confirming else ""
    most = "" if spec.search is None else "at most "
    say(f"{path}: ok, {most}{count_search(spec):,} runs{then}")
    if can_show := what_shows(spec):
        say(f"  {can_show}")
    for line in output_notes(spec, registry):
        say(f"note: {line}")
    return OK


def _check_optimizer(name: str, against: str | None, registry: Registry, options: SpecOptions) -> int | None:
    """Try an optimizer, say what came out, and return the exit code; None when there is none of that name."""
    from xprun.plugins.registry import UnknownComponentError
    from xprun.runner.resolve.forgotten_plugins import advice
    from xprun.specs.language.wording import did_you_mean

    try:
        component = registry.find("optimizer", name)
        backend = _backend(registry, against)
        if against and not backend:
            registry.find("optimizer", against)
        from xprun.runner.needed_packages import import_torch

        import_torch()
        from xprun.runner.optimizer_check.optimizer_trial import read_given, try_optimizer

        given = read_given(component, options.sets)
        trial = try_optimizer(registry, name, given, None if backend else against)
        if backend and not trial.problems:
            from xprun.runner.optimizer_check.backend_trial import agreement

            trial.checks.append(agreement(registry, backend, name, given, options.plugins))
    except UnknownComponentError as error:
        forgotten = advice("optimizer", error.name)
        if against is None and not forgotten:
            return None
        instead = f"; {forgotten}" if forgotten else did_you_mean(error.name, error.known)
        raise click.UsageError(f"{error}{instead}") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    say(trial.render())
    return FAILED if trial.problems else OK


def _backend(registry: Registry, name: str | None) -> Component | None:
    """Return the backend of that name, if there is one and its framework is installed."""
    from xprun.plugins.registry import UnknownComponentError
    from xprun.runner.resolve.backend_checks import require_framework

    if name is None:
        return None
    try:
        backend = registry.find("backend", name)
    except UnknownComponentError:
        return None
    require_framework(backend)
    return backend


@click.command(cls=SpecCommand)
@specs_argument
@output_option
@device_option
@jobs_option
@launcher_option
@json_option
@spec_options
def plan(
    specs: tuple[Path, ...],
    output: Path | None,
    device: str | None,
    jobs: int | None,
    launcher: str | None,
    as_json: bool,
    options: SpecOptions,
) -> int:
    """Show what would run, and how long it takes.

    Which runs are cached and which are not, and why; which are trained together; an estimate of time and memory, as it
    is on this machine; with a launcher, into how many parts the runs are cut.
    """
    registry = open_registry(options.plugins)
    chosen = load_launcher(launcher, registry)
    found: list[PlanSummary] = []

    def summarize(path: Path) -> None:
        from xprun.runner.needed_packages import require_torch
        from xprun.runner.plan_summary import as_text, summarize_plan

        spec = load_spec(path, registry, options)
        require_torch()
        folder = output or default_folder(spec)
        found.append(summarize_plan(spec, registry, folder, options.plugins, device, jobs, chosen))
        if not as_json:
            say(as_text(found[-1]))

    from xprun.runner.process.log import notes_on_stderr

    with notes_on_stderr():
        for path in specs:
            if code := exit_code_of(partial(summarize, path), spec=path):
                return code
    if as_json:
        say_json([asdict(summary) for summary in found])
    return OK
