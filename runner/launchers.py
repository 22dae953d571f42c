"""Launchers: what executes cohorts. A distributed engine can be plugged in here without touching loops or store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from xprun.plugins.registry import launcher
from xprun.runner.outcome import Outcome
from xprun.runner.plan import Cohort


@launcher("inline")
def inline(cohorts: list[Cohort], execute: Callable[[Cohort], Iterable[Outcome]]) -> Iterator[Outcome]:
    """One cohort after the other in this process."""
    for cohort in cohorts:
        yield from execute(cohort)
