"""From what is on the command line to a registry and a checked spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from xprun.runner.cli.terminal import complain, leaves_out_project_plugins

if TYPE_CHECKING:
    from xprun.plugins.registry import Registry
    from xprun.runner.cli.options import SpecOptions
    from xprun.runner.launchers.choice import Launcher
    from xprun.specs import Document, Spec


def open_registry(plugins: tuple[Path, ...]) -> Registry:
    """Return the registry with the components of these files; raise PluginError for one that is broken."""
    from xprun.runner.launchers import registration

    registry = registration.open_registry(plugins)
    for complaint in registry.complaints:
        complain(f"warning: {complaint}")
    return registry


def read(path: Path, sets: tuple[str, ...] = ()) -> Document:
    """Return what a file, or a shipped spec of that name, says; raise SpecError where it cannot be read."""
    from xprun.specs import read_document
    from xprun.specs.language.library import find_spec

    commands: Any = click.get_current_context().find_root().command
    is_command = str(path) in getattr(commands, "commands", {})
    hint = f"{path} is a command, which stands first: xprun {path} SPEC" if is_command else ""
    return read_document(find_spec(path), sets, hint)


def load_spec(path: Path, registry: Registry, options: SpecOptions) -> Spec:
    """Return a checked spec; raise SpecError with everything that is wrong with it, and PluginError."""
    from xprun.runner.planning.search_size import refuse_long_search
    from xprun.runner.process.log import note
    from xprun.runner.resolve.ineffective_settings import notes_of
    from xprun.runner.resolve.resolver import resolve
    from xprun.runner.workload.checks_with_torch import check_with_torch
    from xprun.specs import read_spec

    spec = resolve(read_spec(read(path, options.sets)), registry, options.max_runs)
    refuse_long_search(spec, options.max_runs)
    for text in notes_of(spec):
        note(text)
    return check_with_torch(spec, registry)


def load_launcher(given: str | None, registry: Registry) -> Launcher | None:
    """Return the launcher that was asked for, or that of the project; None where nobody asks for one.

    Raises LauncherSettingsError, LauncherError and PluginError.
    """
    from xprun.plugins.project_plugins import project_launcher
    from xprun.runner.launchers.choice import choose

    return choose(given, registry, None if leaves_out_project_plugins() else project_launcher())


def default_folder(spec: Spec) -> Path:
    """Return the output folder of a spec where `-o` names none."""
    from xprun.runner.results.atomic_files import folder_name

    return Path("runs") / folder_name(spec.name)
