"""What there is to name in a spec, as text: the rows of `xprun ls`, and a component in detail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from xprun.plugins.registry import Component, Plugin, Registry


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
    settings = component.schema
    lines += ["", "  settings:" if settings else "  no settings"]
    width = max((len(name) for name in settings), default=0)
    for setting in settings.values():
        default = "required" if setting.required else f"default {setting.default!r}"
        lines.append(f"    {setting.name:<{width}}  {type_name(setting.annotation)}; {default}")
    return "\n".join(lines)


def complete_kinds(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the kinds of components that the shell may complete to."""
    from xprun.plugins.kinds import KINDS

    return [CompletionItem(kind) for kind in KINDS if kind.startswith(incomplete)]


def complete_components(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of components, and of plugins that are not imported for it."""
    from xprun.plugins.discovery import open_registry

    registry = open_registry()
    names = {component.name for component in registry.components()} | {plugin.name for plugin in registry.plugins}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def complete_shipped(
    context: click.Context, parameter: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    """Return the names of shipped specs that the shell may complete to."""
    from xprun.specs.language.library import shipped_specs

    return [CompletionItem(name) for name in shipped_specs() if name.startswith(incomplete)]
