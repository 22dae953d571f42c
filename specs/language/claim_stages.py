"""Which stage a claim is about that does not say so, and how many seeds it can have."""

from __future__ import annotations

from collections.abc import Sequence

from xprun.specs.language.comparison import swept_settings
from xprun.specs.language.confirmation import fresh_seeds, repeats_of, search_seeds
from xprun.specs.language.expectations import Cell, Expectation
from xprun.specs.language.matching import alternatives_of
from xprun.specs.language.parser import Spec
from xprun.specs.language.result_words import CONFIRM, SEARCH, SEED, STAGE


def is_about_search(wheres: Sequence[dict[str, Cell]], spec: Spec) -> bool:
    """Whether a claim that selects runs by these columns is about the search.

    It is where it names a swept setting or a seed of the search. Every other one is about alternatives, and so about
    the runs of their chosen settings on fresh seeds, where the spec has these.
    """
    if spec.confirm is None:
        return True
    searched = search_seeds(spec)
    named = [seed for where in wheres for seed in alternatives_of(where.get(SEED, []))]
    by_seed = any(seed in seeds for seed in named for seeds in searched)
    return by_seed or not {column for where in wheres for column in where}.isdisjoint(swept_settings(spec))


def stage_of(expectation: Expectation, spec: Spec) -> Cell:
    """Return the stage, or stages, that a claim is about: as it says, or else by what it selects."""
    stated = next((where[STAGE] for where in expectation.selections if STAGE in where), None)
    if stated is not None:
        return stated
    return SEARCH if is_about_search(expectation.selections, spec) else CONFIRM


def most_pairs(expectation: Expectation, spec: Spec) -> int:
    """Return at most how many pairs of runs a claim of a resolved spec can have that compares seed by seed."""
    named = [len(set(map(str, alternatives_of(where[SEED])))) for where in expectation.selections if SEED in where]
    searched, fresh = max(map(len, search_seeds(spec))), len(fresh_seeds(spec))
    stages = alternatives_of(stage_of(expectation, spec))
    seeds = max(fresh if stage == CONFIRM else searched for stage in stages)
    return min([*named, seeds]) * repeats_of(spec)
