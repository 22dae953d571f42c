"""How runs were trained, as far as it decides the last digits of their numbers."""

from __future__ import annotations

import pandas as pd
from xprun.reports.presentation.formatting import counted, listed
from xprun.runner.results.results_schema import DEVICE, ENGINE, HOST, RUN, TORCH

WAYS = {ENGINE: "engine", TORCH: "torch", HOST: "machine", DEVICE: "device"}


def ways_trained(runs: pd.DataFrame) -> list[str]:
    """Sentences on how the runs of a folder were trained; none where that is not known."""
    known = _known(runs)
    if known.empty:
        return []
    engines = [f"{number} {engine}" for engine, number in known[ENGINE].value_counts().items()]
    told = [f"Trained: {listed(engines)}; with torch {listed(sorted(known[TORCH].unique()))}."]
    if mixed := [name for column, name in WAYS.items() if column != ENGINE and known[column].nunique() > 1]:
        told.append(f"They differ in {listed(mixed)}: runs with equal settings need not agree to the last digit there.")
    return told


def trained_otherwise(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    """A sentence where runs that two folders have were trained in other ways, which rounds their numbers otherwise."""
    one, two = (_known(runs).drop_duplicates(RUN).set_index(RUN) for runs in (first, second))
    both = one.index.intersection(two.index)
    if one.empty or two.empty or both.empty:
        return []
    differs = {name: one.loc[both, column].ne(two.loc[both, column]) for column, name in WAYS.items()}
    number = int(pd.DataFrame(differs).any(axis=1).sum())
    if not number:
        return []
    what = listed([name for name, where in differs.items() if where.any()])
    runs = f"{number} of the {counted(len(both), 'run')} that both folders have"
    return [f"{runs} were trained in another way ({what}): their last digits may differ for that alone."]


def _known(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of which it is known; folders of earlier versions do not tell it."""
    if not set(WAYS) <= set(runs.columns):
        return runs.iloc[:0]
    return runs[runs[ENGINE].fillna("").ne("")]
