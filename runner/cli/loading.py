"""From what is on the command line to a registry and a checked spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xprun.runner.cli.terminal import complain

if TYPE_CHECKING:
    from xprun.plugins.registry import Registry
    from xprun.runner.cli.options import SpecOptions
    from xprun.specs import Spec


def open_registry(plugins: tuple[Path, ...]) -> Registry:
    """Return the registry with the components of these files; raise PluginError for one that is broken."""
    from xprun.plugins import discovery

    registry = discovery.open_registry(plugins)
    for complaint in registry.complaints:
        complain(f"warning: {complaint}")
    return registry


def load_spec(path: Path, registry: Registry, options: SpecOptions) -> Spec:
    """Return a checked spec; raise SpecError with everything that is wrong with it, and PluginError."""
    from xprun.runner.resolve.resolver import resolve
    from xprun.runner.workload.checks_with_torch import check_with_torch
    from xprun.specs import read_document, read_spec
    from xprun.specs.language.library import find_spec

    spec = read_spec(read_document(find_spec(path), options.sets))
    return check_with_torch(resolve(spec, registry, options.max_runs), registry)


def default_folder(spec: Spec) -> Path:
    """Return the output folder of a spec where `-o` names none."""
    from xprun.runner.results.atomic_files import folder_name

    return Path("runs") / folder_name(spec.name)
