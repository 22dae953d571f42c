"""What the shell completes: kinds and names of components, and shipped specs. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def complete_kinds(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the kinds of components that the shell may complete to."""
    from xprun.plugins.kinds import KINDS

    return _beginning(incomplete, KINDS)


def complete_components(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of components, and of plugins that are not imported for it."""
    from xprun.runner.launchers.registration import open_registry

    registry = open_registry()
    names = {component.name for component in registry.components()} | {plugin.name for plugin in registry.plugins}
    return _beginning(incomplete, sorted(names))


def complete_launchers(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of launchers, those of installed plugins included."""
    from xprun.runner.launchers.registration import open_registry

    return _beginning(incomplete, sorted(open_registry().names("launcher")))


def complete_shipped(
    context: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """Return the names of shipped specs that the shell may complete to."""
    from xprun.specs.language.library import shipped_specs

    return _beginning(incomplete, shipped_specs())


def complete_suites(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of the shipped suites, or that it is a file."""
    from click.shell_completion import CompletionItem
    from xprun.specs.language.library import suites

    return _beginning(incomplete, suites()) or [CompletionItem(incomplete, type="file")]


def _beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
