"""The registry as commands and programs open it: with the launchers, which need the runner."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xprun.plugins import discovery
from xprun.plugins.registry import Registry
from xprun.runner.launchers import built_in as built_in  # registers them before any plugin can take their names


def open_registry(files: Iterable[Path] = ()) -> Registry:
    """Return the registry with all components and launchers; raise PluginError for a file that is broken."""
    return discovery.open_registry(files)
