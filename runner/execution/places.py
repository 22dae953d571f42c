"""Compares the place where a cohort is to be trained with the one where it was planned, before its first run."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from xprun.errors import Error
from xprun.plugins.python_packages import release_of
from xprun.plugins.registry import Component, Registry
from xprun.runner.execution.worker_context import Context, Home
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.log import note
from xprun.runner.resolve.spec_files import ResolvedFolder, ResolvedSpecFile
from xprun.runner.store.folder_lock import mark_of
from xprun.runner.store.snapshots import FOLDER, made_by
from xprun.runner.workload.devices import DeviceError, pick
from xprun.specs import apart_from_seeds


class PlaceError(Error):
    """A place where runs were to be trained lacks what they need, or has it in another version; no run was tried."""

    exit_code = 3
    context = "{spec}: "


def home_of(folder: Path, components: Iterable[Component]) -> Home:
    """Return what other places are compared with: this process, which holds the output folder."""
    used = {(one.kind, one.name, one.fingerprint) for one in components}
    return Home(str(Path.cwd()), tuple(_versions().items()), tuple(sorted(used)), mark_of(folder))


def arrive(context: Context, cohort: Cohort) -> Context:
    """Return a context for the training of a cohort here, on a device of this machine.

    Raises PlaceError where this place has other versions than the one where the cohort was planned, no device of that
    kind, or not the files that its runs name. A folder that it does not share is left alone: nothing is saved on the
    way there, which is said where a run asks for it.
    """
    home = context.home
    if home is None:
        return context
    here = _versions()
    if other := [f"{name} {here[name]} (not {there})" for name, there in home.versions if here[name] != there]:
        raise PlaceError(f"{_here()} has {', '.join(other)}; results depend on these")
    if missing := next(_missing_files(cohort, home.folder), None):
        raise PlaceError(f"{_here()} has no {missing}; put it there, or into a folder that the machines share")
    try:
        device = pick(context.device)
    except DeviceError as error:
        raise PlaceError(f"{_here()}: {error}") from None
    return replace(context, device=device, workers=1, folder=_shared(context.folder, home, cohort))


def enter(folder: str) -> None:
    """Work in the folder in which the runs were planned, where there is one of that path."""
    with suppress(OSError):
        os.chdir(folder)


def refuse_other_components(registry: Registry, home: Home) -> None:
    """Raise PlaceError for a component whose source is not that of which the runs have their ids.

    Raises what `find` raises for one that is absent or broken.
    """
    for kind, name, fingerprint in home.components:
        found = registry.find(kind, name)
        if found.fingerprint != fingerprint:
            raise PlaceError(f"{_here()} has another version of the {kind} {name!r}, {found.origin}")


def absence(error: BaseException) -> PlaceError:
    """Return what is told of an error that is about what this place lacks."""
    return PlaceError(f"{_here()}: {error}")


def _here() -> str:
    return f"the machine {platform.node()}"


def _versions() -> dict[str, str]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, "torch": release_of("torch"), "xprun": f"{release_of('xprun')} ({made_by()})"}


def _missing_files(cohort: Cohort, folder: str) -> Iterator[str]:
    for run in apart_from_seeds(cohort.runs):
        for choice in (*run.choices.values(), run.run_choice):
            for value in _plain_values(choice.settings):
                if isinstance(value, ResolvedSpecFile) and not value.path.is_file():
                    yield f"file {value.path}"
                if isinstance(value, ResolvedFolder) and value.digest and not Path(folder, value).is_dir():
                    yield f"folder {Path(folder, value)}"


def _plain_values(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _plain_values(inner)
    else:
        yield value


def _shared(folder: Path | None, home: Home, cohort: Cohort) -> Path | None:
    """Return the output folder if this machine shares it, else None."""
    if folder is None or (home.holder and mark_of(folder) == home.holder):
        return folder
    if any(run.settings.checkpoint_every for run in cohort.runs):
        lost = "runs that are interrupted there start again from the beginning"
        note(f"a machine that does not share {folder} saves nothing in its {FOLDER}/: {lost}")
    return None
