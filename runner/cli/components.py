"""`ls` and `describe`: the components that a spec may name, as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from xprun.runner.cli.completion import complete_components, complete_kinds
from xprun.runner.cli.loading import open_registry
from xprun.runner.cli.options import plugin_options
from xprun.runner.cli.terminal import say

if TYPE_CHECKING:
    from xprun.plugins.registry import Component, Plugin, Registry


@click.command()
@click.argument("kind", required=False, shell_complete=complete_kinds)
@plugin_options
def ls(kind: str | None, plugins: tuple[Path, ...]) -> None:
    """List the components, all or of one KIND.

    Each with where it comes from: xprun, torch, a distribution, or a file of yours.
    """
    from xprun.plugins.kinds import KINDS
    from xprun.specs.language.wording import did_you_mean

    if kind is not None and kind not in KINDS:
        raise click.UsageError(
            f"there is no kind {kind!r}{did_you_mean(kind, KINDS)}\nthe kinds are {', '.join(KINDS)}"
        )
    for row in component_rows(open_registry(plugins), kind):
        say(row)
    from xprun.plugins.torch_api import SOURCES
    from xprun.plugins.torch_api.installed_names import names_here

    if kind is None or kind in SOURCES:
        say(f"(names of {', '.join(f'{package} {release}' for package, release in names_here().releases.items())})")


@click.command()
@click.argument("name", shell_complete=complete_components)
@plugin_options
def describe(name: str, plugins: tuple[Path, ...]) -> None:
    """Show a component's settings and source."""
    from xprun.runner.resolve.forgotten_plugins import advice
    from xprun.specs.language.wording import did_you_mean

    registry = open_registry(plugins)
    found = registry.find_any(name)
    if not found:
        names = [component.name for component in registry.components()]
        forgotten = advice(None, name)
        instead = f"; {forgotten}" if forgotten else did_you_mean(name, names)
        raise click.UsageError(f"there is no component {name!r}{instead}")
    say("\n\n".join(describe_component(component) for component in found))


def component_rows(registry: Registry, kind: str | None) -> Iterator[str]:
    """Yield a line for each component, or for those of one kind, then for each plugin that is broken.

    A plugin that is a single function or class is listed by its own name without being imported; it must be where a
    kind is asked for, and where it is a module, whose components have names of their own.
    """
    for plugin in registry.plugins:
        if kind or ":" not in plugin.target:
            plugin.load(registry)
    rows = [(c.kind, c.name, c.origin.source, c.doc.partition("\n")[0]) for c in registry.components(kind)]
    rows += [("plugin", p.name, p.source, _state(p)) for p in registry.plugins if p.reason or not p.loaded]
    names, sources = (max((len(row[i]) for row in rows), default=0) for i in (1, 2))
    for row in rows:
        yield f"{row[0]:<10} {row[1]:<{names}}  {row[2]:<{sources}}  {row[3]}".rstrip()


def _state(plugin: Plugin) -> str:
    reason = " ".join(plugin.reason.split())
    return f"broken: {reason}" if reason else f"{plugin.target}, imported when it is asked for"


def describe_component(component: Component) -> str:
    """Return a component's documentation, source and settings as text."""
    from xprun.plugins.signature import type_name

    lines = [f"{component.kind} {component.name}", f"  from {component.origin}", ""]
    lines += [f"  {line}".rstrip() for line in component.doc.splitlines()]
    if component.parts:
        lines += ["", f"  brings its own {' and '.join(component.parts)} rows"]
    settings = component.schema
    lines += ["", "  settings:" if settings else "  no settings"]
    width = max((len(name) for name in settings), default=0)
    for setting in settings.values():
        default = "required" if setting.required else f"default {setting.default!r}"
        lines.append(f"    {setting.name:<{width}}  {type_name(setting.annotation)}; {default}")
    return "\n".join(lines)
