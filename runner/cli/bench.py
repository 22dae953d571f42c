"""`bench`: where an optimizer stands among others, tuned alike on the problems of a suite."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from xprun.runner.cli.completion import complete_components, complete_suites
from xprun.runner.cli.loading import load_spec, open_registry
from xprun.runner.cli.options import RunOptions, json_option, run_options
from xprun.runner.cli.run import PagesError, run_all
from xprun.runner.cli.terminal import FAILED, OK, complain, exit_code_of, say, say_json

if TYPE_CHECKING:
    from xprun.plugins.registry import Registry
    from xprun.runner.bench.bench_spec import Entrant
    from xprun.runner.bench.requirements import Requirement
    from xprun.runner.bench.search_spaces import Space
    from xprun.runner.experiment import Report
    from xprun.specs import Spec

Names = tuple[str, ...]


def _read_names(context: click.Context, option: click.Parameter, given: str | None) -> Names | None:
    return None if given is None else tuple(name.strip() for name in given.split(",") if name.strip())


def _read_each(reader: str, module: str) -> Any:
    """Return a callback that reads each text with a function, which is imported when there is one."""

    def read(context: click.Context, option: click.Parameter, given: Names) -> tuple[Any, ...]:
        from importlib import import_module

        function = getattr(import_module(f"xprun.runner.bench.{module}"), reader) if given else None
        try:
            return tuple(function(text) for text in given) if function else ()
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


Command = TypeVar("Command", bound=Callable[..., Any])


def _count(name: str, default: int, told: str) -> Callable[[Command], Command]:
    """Return an option that takes a number from 1 on."""
    return click.option(name, type=click.IntRange(1), default=default, show_default=True, metavar="N", help=told)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="OPTIMIZER...", shell_complete=complete_components)
@click.option(
    "--against", metavar="NAMES", callback=_read_names, help="What they are held against: SGD,Momentum,AdamW."
)
@click.option(
    "--suite",
    default="quick",
    show_default=True,
    metavar="NAME|SPEC",
    shell_complete=complete_suites,
    help="The problems: quick, full, or a spec that lists some.",
)
@_count("--budget", 10, "Settings that each optimizer is tuned with.")
@_count("--seeds", 14, "Fresh seeds that confirm the chosen ones.")
@_count("--search-seeds", 3, "Seeds that choose a setting.")
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="LOW..HIGH",
    callback=_read_each("read_space", "search_spaces"),
    help="What is tuned: lr=1e-4..1, or NAME.lr=1e-4..1.",
)
@click.option(
    "--require",
    "requirements",
    multiple=True,
    metavar="BOUND",
    callback=_read_each("read_requirement", "requirements"),
    help="Exit with 1 unless 'rank<=3'. Repeatable.",
)
@click.option("--spec-only", is_flag=True, help="Write the spec, and run nothing.")
@json_option
@run_options
def bench(
    names: Names,
    against: Names | None,
    suite: str,
    budget: int,
    seeds: int,
    search_seeds: int,
    spaces: tuple[Space, ...],
    requirements: tuple[Requirement, ...],
    spec_only: bool,
    as_json: bool,
    options: RunOptions,
) -> int:
    """Rank an optimizer among others, tuned alike.

    Each gets the same number of settings on each problem of a suite, and its best one fresh seeds. What is run is
    a spec in the output folder, which can be changed in a copy; what was run for another candidate is not run again.
    """
    from xprun.runner.bench.bench_spec import AGAINST

    registry = open_registry(options.plugins)
    entrants = _entrants(names, AGAINST if against is None else against, registry, spaces, budget)
    candidates = [entrant.label for entrant in entrants if entrant.label in names]
    path, folder = _write_spec(candidates, entrants, suite, options, search=search_seeds, fresh=seeds)
    if spec_only:
        say(f"wrote {path}")
        return OK
    options = replace(options, output=folder)
    code = exit_code_of(partial(_take_over, path, folder, registry, options), spec=path)
    if code:
        return code
    found: list[dict[str, Any]] = []
    tell = partial(_tell, candidates=candidates, found=found, quiet=as_json or options.quiet)
    code = run_all((path,), options, tell)
    if as_json:
        say_json({"spec": str(path), "folder": str(folder), "candidates": found})
    failed = [one for one in found for requirement in requirements if not _holds(requirement, one)]
    return code if code > FAILED else FAILED if failed or (requirements and not found) else OK if found else code


def _entrants(
    names: Names, against: Names, registry: Registry, spaces: tuple[Space, ...], budget: int
) -> list[Entrant]:
    """Return the candidates and the others, each once, with what is tuned of them."""
    from xprun.plugins.registry import UnknownComponentError
    from xprun.runner.bench.bench_spec import find_entrant, tuned
    from xprun.runner.bench.search_spaces import SpaceError
    from xprun.runner.resolve.forgotten_plugins import advice
    from xprun.specs.language.wording import did_you_mean

    found: list[Entrant] = []
    for name in dict.fromkeys((*names, *against)):
        try:
            entrant, note = tuned(find_entrant(name, registry), spaces, budget)
        except UnknownComponentError as error:
            forgotten = advice("optimizer", error.name)
            instead = f"; {forgotten}" if forgotten else did_you_mean(error.name, error.known)
            raise click.UsageError(f"{error}{instead}") from None
        except SpaceError as error:
            raise click.UsageError(str(error)) from None
        if note:
            complain(f"note: {note}")
        found.append(entrant)
    _refuse_unused(spaces, found)
    return found


def _refuse_unused(spaces: Iterable[Space], entrants: list[Entrant]) -> None:
    for space in spaces:
        if not any(space.is_of(entrant.component.name) and space.key in entrant.sweeps for entrant in entrants):
            whose = f"{space.owner}.{space.key}" if space.owner else space.key
            raise click.UsageError(f"--space {whose}: none of the optimizers has that setting")


def _write_spec(
    candidates: list[str], entrants: list[Entrant], suite: str, options: RunOptions, *, search: int, fresh: int
) -> tuple[Path, Path]:
    """Write the spec of a bench, and return its path and the output folder.

    It stands in the output folder; where the suite is a file, which no spec elsewhere may reach, beside that.
    """
    from xprun.runner.bench.bench_spec import MARK, bench_spec
    from xprun.runner.results.atomic_files import folder_name, replace_text, writing
    from xprun.specs.language.library import find_suite

    extends = find_suite(suite)
    is_file = Path(extends).suffix == ".toml" and Path(extends).is_file()
    if not extends:
        from xprun.specs.language.library import suites
        from xprun.specs.language.wording import did_you_mean

        known = list(suites())
        instead = did_you_mean(suite, known) or f": name {' or '.join(known)}, or a file"
        raise click.UsageError(f"there is no suite {suite!r}{instead}")
    name = folder_name(f"bench-{'-'.join(candidates)}")
    folder = options.output or Path("runs") / name
    path = Path(extends).parent / f"{name}.toml" if is_file else folder / "bench.toml"
    if path.is_file() and not path.read_text(encoding="utf-8").startswith(MARK):
        raise click.UsageError(f"{path} was not written by xprun bench: move it away, or name another folder with -o")
    others = [entrant.label for entrant in entrants if entrant.label not in candidates]
    text = bench_spec(
        name,
        f"{_in_words(candidates)} on the {Path(suite).stem if is_file else suite} suite",
        _command(path, folder, options),
        Path(extends).name if is_file else extends,
        entrants,
        candidates=candidates,
        baseline=next(iter(others), None),
        search=search,
        fresh=fresh,
    )
    with writing(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    return path, folder


def _in_words(candidates: list[str]) -> str:
    """Return the candidates as a title names them: by their number where they are many."""
    if len(candidates) > 3:
        return f"{len(candidates)} optimizers"
    *others, last = candidates
    return f"{', '.join(others)} and {last}" if others else last


def _command(path: Path, folder: Path, options: RunOptions) -> str:
    plugins = [word for plugin in options.plugins for word in ("--plugin", str(plugin))]
    return shlex.join(["xprun", str(path), "-o", str(folder), *plugins])


def _take_over(path: Path, folder: Path, registry: Registry, options: RunOptions) -> int:
    """Copy what the folders beside this one have of the runs of a spec."""
    from xprun.runner.needed_packages import require_torch

    spec = load_spec(path, registry, options)
    _note_on_few_seeds(spec)
    require_torch()
    from xprun.runner.bench.shared_runs import runs_of, take_over
    from xprun.runner.planning.plan import make_plan
    from xprun.runner.workload.devices import kind_of, pick

    plan = make_plan(spec, kind_of(pick(options.device or spec.head.device)))
    number = take_over(folder, runs_of(plan))
    if number and not options.quiet:
        complain(f"{number:,} runs were trained for benches beside this one")
    return OK


def _note_on_few_seeds(spec: Spec) -> None:
    """Say where all seeds may agree on a problem, and there is nothing to be found nevertheless."""
    from xprun.runner.results.what_shows import seeds_needed
    from xprun.specs.language.confirmation import fresh_seeds

    problems, seeds = len(spec.parts), len(fresh_seeds(spec))
    if seeds < (needed := seeds_needed(problems)):
        where = f"any one of {problems} problems" if problems > 1 else "it"
        complain(f"note: {seeds} fresh seeds cannot tell two optimizers apart on {where}; --seeds {needed} can")


def _tell(path: Path, result: Report, *, candidates: list[str], found: list[dict[str, Any]], quiet: bool) -> None:
    """Say where the candidates stand, the best first; nothing where the training was cut off."""
    from xprun import reports

    if not result.statuses or result.interrupted is not None:
        return
    try:
        found += reports.scoreboard(result.folder, candidates)
    except reports.ReportError as error:
        raise PagesError(f"there is no scoreboard: {error}; the runs are kept") from error
    for one in found:
        text = one.pop("text")
        if not quiet:
            say(text)


def _holds(requirement: Requirement, found: dict[str, Any]) -> bool:
    """Return whether a candidate meets a requirement, and say where it does not."""
    if requirement.holds(found):
        return True
    complain(
        f"{found['name']}: {requirement.text} does not hold: {requirement.measure} is {found[requirement.measure]:g}"
    )
    return False
