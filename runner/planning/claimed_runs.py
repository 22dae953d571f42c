"""Which runs of which stage a claim is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xprun.runner.planning.plan import Plan
from xprun.runner.results.results_schema import CONFIRM, SEARCH, SEED, STAGE, Stage
from xprun.specs import Expectation, Run
from xprun.specs.language.confirmation import search_seeds
from xprun.specs.language.expectations import Cell, selects
from xprun.specs.language.matching import alternatives_of


def staged(expectation: Expectation, plan: Plan) -> Expectation:
    """Return a claim that names its stage, as claims do that are written without one.

    One that names a swept setting or a seed of the search is about the search. Every other one is about alternatives,
    and so about the runs of their chosen settings on fresh seeds, where the spec has these.
    """
    if plan.spec.confirm is None:
        return expectation
    wheres = [expectation.where, expectation.beats or {}]
    named = next((where[STAGE] for where in wheres if STAGE in where), None)
    stage: Cell = _stage(wheres, plan) if named is None else named
    beats = None if expectation.beats is None else {STAGE: stage, **expectation.beats}
    return replace(expectation, where={STAGE: stage, **expectation.where}, beats=beats)


def selections(expectation: Expectation) -> Iterator[dict[str, Cell]]:
    """Yield what a claim selects: its `where`, then its `beats`."""
    return (where for where in (expectation.where, expectation.beats) if where is not None)


def selected(plan: Plan, where: dict[str, Cell]) -> list[Run]:
    """Return the runs of a plan that a selection means."""
    return [run for run, columns in zip(plan.runs, plan.columns, strict=True) if selects(where, columns)]


def needs_confirmation(expectation: Expectation) -> bool:
    """Whether a claim that names its stage is about runs of the second one."""
    return any(CONFIRM in alternatives_of(where.get(STAGE, SEARCH)) for where in selections(expectation))


def _stage(wheres: list[dict[str, Cell]], plan: Plan) -> Stage:
    columns = {column: cell for where in wheres for column, cell in where.items()}
    searched = search_seeds(plan.spec)
    named = [seed for where in wheres for seed in alternatives_of(where.get(SEED, []))]
    by_seed = any(seed in seeds for seed in named for seeds in searched)
    return SEARCH if by_seed or not columns.keys().isdisjoint(plan.comparison.swept) else CONFIRM
