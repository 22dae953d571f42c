"""What the import of components changes for all runs of a process: it is undone, so that no run computes with it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from xprun.plugins.discovery import open_registry
from xprun.runner.execution.worker_context import Context
from xprun.runner.workers.parent_link import is_worker
from xprun.specs import Run

SHOWN = 3  # changes that are told

Used = frozenset[tuple[str, str]]  # components, each by its kind and name


def components_of(runs: Iterable[Run]) -> Used:
    """Return the components that runs use."""
    return frozenset((kind, choice.name) for run in runs for kind, choice in run.choices.items())


def changes_at_import(used: Used, context: Context) -> list[str]:
    """Import files of components, and components; put back what that changes for all runs, and return it in words.

    A file is imported for runs that use nothing of it, too. What is wrong with a component is told where it is used.
    """
    from xprun.runner.execution.unchanged_state import put_back  # with torch
    from xprun.runner.process.global_state import GlobalState
    from xprun.runner.process.patches import namespaces

    if not is_worker():
        namespaces().look()
    before = GlobalState.now()
    registry = open_registry(context.plugins)
    for kind, name in used:
        with suppress(Exception, SystemExit):
            registry.find(kind, name).load()
    return put_back(before)[0]


def listed(changes: list[str]) -> str:
    """Return changes as one text, of many the first ones."""
    return "; ".join(changes[:SHOWN]) + (f"; and {len(changes) - SHOWN} more" if len(changes) > SHOWN else "")
