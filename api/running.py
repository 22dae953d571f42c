"""Runs a spec for a Python program or a notebook, and returns its results."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from xprun.plugins.machine import most_processes
from xprun.results import Results
from xprun.runner.launchers.choice import choose
from xprun.runner.launchers.registration import open_registry
from xprun.runner.planning.search_size import refuse_long_search
from xprun.runner.resolve.ineffective_settings import notes_of
from xprun.runner.resolve.resolver import MAX_RUNS, resolve
from xprun.runner.results.atomic_files import folder_name
from xprun.runner.workload.checks_with_torch import check_with_torch
from xprun.specs import Diagnostic, Document, SpecError, read_document, read_spec, read_text
from xprun.specs.language.library import find_spec
from xprun.specs.language.writer import toml_of, toml_value

Settings = Mapping[str, Any] | Iterable[str]


def run(
    spec: str | Path | Mapping[str, Any],
    *,
    output: str | Path | None = None,
    settings: Settings = (),
    device: str | None = None,
    plugins: Iterable[str | Path] = (),
    jobs: int = 0,
    launcher: str | Mapping[str, Any] | None = None,
    max_runs: int | None = None,
    quiet: bool = False,
    **earlier: Settings,
) -> Results:
    """Train the runs of a spec that the output folder lacks, and return the results of all of them.

    `spec` is a file, the name of a shipped spec, or a dictionary that says what a file would say. `settings` changes
    some, as in `{"optimizer.lr": [0.1, 0.01]}`; a list sweeps. `plugins` are files of components; those that this
    program has registered are known anyway. With `jobs` runs are trained in so many supervised processes, as on the
    command line, which know files of components only; or a `launcher` trains them, `"ray"` or
    `{"name": "ray", "cpus": 2}`. `settings` was called `set`, which still works with a warning.

    Unless `quiet`, progress and notes are printed on stderr. Notes go to the logger `xprun` anyway; where the
    program has configured logging, they are left to that.

    Raises SpecError, whose text shows every mistake with its place, PluginError, LauncherError for a launcher that
    cannot be used here, and ValueError for settings that it does not take, or more `jobs` than the machine can use.
    A run that fails is a row with that status and raises nothing.
    """
    if jobs > most_processes():
        raise ValueError(f"jobs={jobs}: at most {most_processes()} processes can do something at once on this machine")
    if jobs and launcher is not None:
        raise ValueError("jobs= is for processes of this machine, launcher= for another place: pass one of them")
    document = _read(spec, _called_set(settings, earlier) if earlier else settings)
    files = tuple(map(Path, plugins))
    registry = open_registry(files)
    chosen = choose(launcher, registry)
    resolved = resolve(read_spec(document), registry, max_runs or MAX_RUNS)
    refuse_long_search(resolved, max_runs or MAX_RUNS)
    resolved = check_with_torch(resolved, registry)

    from xprun.runner.needed_packages import require_torch

    require_torch()
    from xprun.runner.experiment import Options, run_experiment
    from xprun.runner.process.interrupts import interruptible
    from xprun.runner.process.log import are_notes_routed, note, notes_on_stderr
    from xprun.runner.status.progress import Narrator, Several, Silent
    from xprun.runner.status.status_writer import Publisher
    from xprun.runner.workload.devices import DeviceError

    folder = Path(output) if output else Path("runs") / folder_name(resolved.name)
    narrator = Silent() if quiet else Narrator(live=sys.stderr.isatty())
    progress = Several(narrator, Publisher(folder))
    options = Options(folder, files, device, workers=jobs if launcher is None else None, launcher=chosen)
    try:
        with nullcontext() if quiet or are_notes_routed() else notes_on_stderr(), interruptible() as interrupts:
            for text in notes_of(resolved):
                note(text)
            run_experiment(resolved, registry, options, progress, interrupts)
    except DeviceError as error:
        raise SpecError(document, [Diagnostic(("device",), str(error))]) from None
    if interrupts.number is not None:  # also where all runs have ended: the program has more to do
        raise KeyboardInterrupt
    return Results(folder)


def _called_set(settings: Settings, earlier: dict[str, Settings]) -> Settings:
    """Return the settings that were given by the name that they had first."""
    unknown = [name for name in earlier if name != "set"]
    if unknown:
        raise TypeError(f"run() got an unexpected keyword argument {unknown[0]!r}")
    if settings:
        raise TypeError("run() got settings= and set=, which is the earlier word for it")
    warnings.warn("run(set=...) is now run(settings=...)", DeprecationWarning, stacklevel=3)
    return earlier["set"]


def _read(spec: str | Path | Mapping[str, Any], settings: Settings) -> Document:
    if isinstance(settings, str):  # one, which is no list of letters
        settings = [settings]
    sets = (
        tuple(f"{k}={toml_value(v, k)}" for k, v in settings.items())
        if isinstance(settings, Mapping)
        else tuple(settings)
    )
    if isinstance(spec, Mapping):
        return read_text(toml_of(spec), "dictionary", sets)
    return read_document(find_spec(Path(spec)), sets)
