"""Which runs of which stage a claim is about."""

from __future__ import annotations

from dataclasses import replace

from xprun.runner.planning.plan import Plan, distinct
from xprun.runner.results.results_schema import CONFIRM, SEARCH, STAGE
from xprun.specs import Expectation, Run
from xprun.specs.language.claim_stages import stage_of
from xprun.specs.language.expectations import Cell, selects
from xprun.specs.language.matching import alternatives_of


def staged(expectation: Expectation, plan: Plan) -> Expectation:
    """Return a claim that names its stage, as claims do that are written without one: see `stage_of`."""
    if plan.spec.confirm is None:
        return expectation
    stage = stage_of(expectation, plan.spec)
    beats = None if expectation.beats is None else {STAGE: stage, **expectation.beats}
    return replace(expectation, where={STAGE: stage, **expectation.where}, beats=beats)


def family_of(expectation: Expectation, plan: Plan) -> list[Expectation]:
    """Return the claims that are corrected together with one, itself included."""
    if expectation.family is None:
        return [expectation]
    return [claim for claim in plan.spec.expectations if claim.family == expectation.family]


def selected(plan: Plan, where: dict[str, Cell]) -> list[Run]:
    """Return the runs of a plan that a selection means, each once, whatever it is called."""
    return distinct(run for run, columns in zip(plan.rows, plan.selectable, strict=True) if selects(where, columns))


def needs_confirmation(expectation: Expectation) -> bool:
    """Whether a claim that names its stage is about runs of the second one."""
    return any(CONFIRM in alternatives_of(where.get(STAGE, SEARCH)) for where in expectation.selections)
