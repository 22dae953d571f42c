"""Comparisons seed by seed: every alternative against the baseline, with one correction for all of them."""

from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.compared import Comparison
from xprun.reports.stats.averages import bootstrap
from xprun.reports.stats.ranking import comparable
from xprun.runner.results.paired_test import differences_of, paired_test, tested_values
from xprun.runner.results.results_schema import SEED

TESTABLE = 5  # pairs; with fewer, no outcome at all is as rare as 1 in 16
LEVEL = 0.05
SEEDS_NEEDED = 6  # pairs of which a two-sided test of a single pair can be significant: 2 / 2^6 < LEVEL


def against_baseline(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """One row an alternative other than the baseline, in the order of `ranking`, each at its best setting.

    `alternative`, `n` (seeds in common), `bad` (of them with a bad run on either side), `difference` (mean of
    alternative less baseline), `low` and `high` (its 95% bootstrap interval), `effect` (see `effect_size`),
    `improvement` (see `probability_of_improvement`), `ahead` (what is tested speaks for the alternative), `p` (see
    `paired_test`; NaN below five pairs), `corrected` (Holm) and `finding` ("better", "worse" or "inconclusive";
    "too few seeds" where none was tested). Empty where there is no such baseline.
    """
    base = ranking.index[ranking["alternative"] == comparison.baseline]
    if base.empty:
        return pd.DataFrame()
    others = ranking.index[ranking["alternative"] != comparison.baseline]
    rows = [{"alternative": ranking["alternative"][k], **_compare(judged, k, base[0], comparison)} for k in others]
    table = pd.DataFrame(rows, index=others)
    if rows:
        table["corrected"] = holm(table["p"].to_numpy(dtype="float64"))
        facts = zip(table["n"], table["corrected"], table["ahead"], strict=True)
        table["finding"] = [_finding(*fact) for fact in facts]
    return table


def paired_values(judged: pd.DataFrame, first: Any, second: Any, comparison: Comparison) -> np.ndarray:
    """The values [n, 2] of two settings (by number) at the seeds that both have; a bad run has the worst: an infinity.

    Where several runs of a setting share a seed, their mean.
    """
    runs = judged[judged["setting"].isin([first, second])]
    table = comparable(runs, comparison).groupby([runs[SEED], runs["setting"]]).mean().unstack()
    return np.asarray(table[[first, second]].dropna(), dtype="float64")


def effect_size(differences: np.ndarray) -> float:
    """The mean difference in standard deviations of the differences: Cohen's d_z (Cohen, 1988, section 2.3.5).

    NaN for fewer than two, and where all are equal or one is infinite.
    """
    if len(differences) < 2 or not np.isfinite(differences).all() or np.ptp(differences) == 0:
        return float("nan")
    return float(differences.mean() / differences.std(ddof=1))


def probability_of_improvement(first: np.ndarray, second: np.ndarray, *, ascending: bool) -> float:
    """How often a run of the first, picked at random, is better than one of the second; ties count half.

    The Mann-Whitney statistic over its largest value (Agarwal et al., 2021, section 4.3).
    """
    one, other = (second[None, :], first[:, None]) if ascending else (first[:, None], second[None, :])
    return float(np.mean((one > other) + 0.5 * (one == other)))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values [k] corrected for k tests: Holm's step-down procedure (1979). NaN, a test not made, does not count."""
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    corrected = np.full(len(p), np.nan)
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return corrected


def _compare(judged: pd.DataFrame, first: Any, base: Any, comparison: Comparison) -> dict[str, Any]:
    values = paired_values(judged, first, base, comparison)
    differences, n = differences_of(*values.T), len(values)
    whole = n > 0 and bool(np.isfinite(values).all())
    low, high = bootstrap(differences[None])[0] if whole else (np.nan, np.nan)
    return {
        "n": n,
        "bad": int((~np.isfinite(values)).any(axis=1).sum()),
        "difference": differences.mean() if whole else np.nan,
        "low": low,
        "high": high,
        "effect": effect_size(differences),
        "improvement": probability_of_improvement(*values.T, ascending=comparison.ascending) if n else np.nan,
        "ahead": bool(tested_values(differences).sum() * (-1 if comparison.ascending else 1) > 0),
        "p": paired_test(differences) if n >= TESTABLE else np.nan,
    }


def _finding(n: int, corrected: float, ahead: bool) -> str:
    if n < TESTABLE:
        return "too few seeds"
    if corrected >= LEVEL:
        return "inconclusive"
    return "better" if ahead else "worse"
