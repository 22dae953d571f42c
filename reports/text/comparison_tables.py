"""The tables behind a verdict, as text: against the baseline, time to target, range of good values."""

import pandas as pd
from xprun.reports.data.compared import Comparison
from xprun.reports.presentation.formatting import (
    NONE,
    Column,
    Listing,
    counted,
    exact,
    intervals,
    listing,
    numbers,
    short_names,
    texts,
    value_text,
)
from xprun.reports.stats.paired_over_seeds import against_baseline
from xprun.reports.stats.steps_to_target import time_to_target
from xprun.reports.stats.tuning import expected_best, good_widths
from xprun.runner.results.results_schema import SECONDS, STEPS

BUDGETS_SHOWN = (1, 2, 3, 5, 10, 20, 50)


def baseline_listing(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> Listing:
    """One row an alternative against the baseline, each at its best setting."""
    table = against_baseline(judged, ranking, comparison)
    if table.empty:
        return listing([])
    columns = [
        texts("alternative", table["alternative"]),
        numbers("difference", table["difference"]),
        intervals("95% interval", table["low"], table["high"]),
        numbers("effect size", table["effect"], digits=3),
        Column("probability of improvement", percent(table["improvement"]), number=True),
        exact("seeds", table["n"]),
        Column("p", p_texts(table["p"]), number=True),
        Column("p, Holm", p_texts(table["corrected"]), number=True),
        texts("finding", map(finding_text, _unless_identical(table), [counted(n, "seed") for n in table["n"]])),
    ]
    return listing(columns)


def target_listing(
    history: pd.DataFrame, judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison
) -> Listing:
    """One row an alternative at its best setting: how many of its runs reach the target, and how fast."""
    if comparison.target is None:
        return listing([])
    best = judged[judged["setting"].isin(ranking.index)]
    table = time_to_target(history, best, comparison).loc[ranking.index]
    reached = [f"{n} of {runs}" for n, runs in zip(table["reached"], ranking["runs"], strict=True)]
    columns = [
        texts("alternative", ranking["alternative"]),
        Column("runs that reach the target", reached, number=True),
        exact("median steps", table[STEPS]),
        *([numbers("median seconds", table[SECONDS], digits=3)] if table[SECONDS].notna().any() else []),
    ]
    return listing(columns)


def width_listing(summary: pd.DataFrame, key: str, comparison: Comparison) -> Listing:
    """One row an alternative: its best value of a setting and the values around it that are nearly as good."""
    table = good_widths(summary, key, comparison)
    name = short_names(comparison.keys)[key]
    columns = [
        texts("alternative", table["alternative"]),
        exact(f"best {name}", table["best"]),
        texts("within 5% of the best", _ranges(table["low"], table["high"])),
        Column("values", [f"{a} of {b}" for a, b in zip(table["within"], table["tried"], strict=True)], number=True),
        texts("failed or diverged at", _ranges(table["bad_low"], table["bad_high"])),
    ]
    return listing(columns)


def budget_listing(summary: pd.DataFrame, comparison: Comparison) -> Listing:
    """One row an alternative: what to expect of the best of 1, 2, 3, 5 ... settings; none where nothing was tuned."""
    table = expected_best(summary, comparison)
    table = table[table["tried"].isin(BUDGETS_SHOWN)].pivot(index="alternative", columns="tried", values="expected")
    if len(table.columns) < 2:
        return listing([])
    names = [name for name in summary["alternative"].unique() if name in table.index]
    return listing([texts("alternative", names), *(numbers(f"best of {k}", table[k].loc[names]) for k in table)])


def finding_text(finding: str, n: str) -> str:
    """Return a finding in words; one that is open says over how many seeds or problems, such as "5 seeds"."""
    return finding if finding in ("better", "worse", "identical") else f"inconclusive ({n})"


def p_texts(values: pd.Series) -> list[str]:
    """p-values in two digits; a dash where no test was made."""
    return [NONE if p != p else f"{p:.2g}" if p >= 0.001 else "< 0.001" for p in values]


def percent(share: pd.Series) -> list[str]:
    """Shares as whole percentages; a dash for none."""
    return [NONE if value != value else f"{value:.0%}" for value in share]


def _unless_identical(table: pd.DataFrame) -> pd.Series:
    """Return the findings, "identical" where both have the same value at every seed."""
    same = (table[["difference", "low", "high"]] == 0).all(axis=1) & (table["finding"] == "inconclusive")
    return table["finding"].mask(same, "identical")


def _ranges(low: pd.Series, high: pd.Series) -> list[str]:
    pairs = zip(low, high, strict=True)
    return [value_text(a) if a == b or a != a else f"{value_text(a)} to {value_text(b)}" for a, b in pairs]
