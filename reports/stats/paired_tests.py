"""Comparisons seed by seed: every alternative against the baseline, with one correction for all of them."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from xprun.reports.data.compared import Comparison
from xprun.reports.stats.averages import bootstrap

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
    worst = np.inf if comparison.ascending else -np.inf
    runs = judged[judged["setting"].isin([first, second])]
    scores = runs["value"].where(~runs["bad"], worst)
    table = scores.groupby([runs["seed"], runs["setting"]]).mean().unstack()
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


def paired_test(differences: np.ndarray) -> float:
    """The two-sided p-value of "the differences are symmetric about 0", by flipping their signs.

    Where one is infinite (a bad run), their signed ranks are flipped instead: Wilcoxon's test (1945), with ties.
    """
    return sign_flip_test(tested_values(differences))


def tested_values(differences: np.ndarray) -> np.ndarray:
    """What `paired_test` sums under random signs: the sign of their own sum is the direction of what it finds."""
    return differences if np.isfinite(differences).all() else signed_ranks(differences)


def signed_ranks(differences: np.ndarray) -> np.ndarray:
    """The ranks of the sizes of the differences, with the signs of these."""
    return np.asarray(np.sign(differences) * rankdata(np.abs(differences)))


def sign_flip_test(differences: np.ndarray) -> float:
    """The two-sided p-value of the mean under random signs (Fisher, The Design of Experiments, 1935).

    Exact up to 14 pairs; beyond, 16384 random flips from a fixed seed.
    """
    sums = np.abs(flips(len(differences)) @ differences)
    return float(np.mean(sums >= np.abs(differences.sum()) * (1 - 1e-12)))


def flips(n: int) -> np.ndarray:
    """Signs [F, n], the first row all positive: every combination up to n = 14, 16384 random ones beyond."""
    if n <= 14:
        return np.array(list(product([1.0, -1.0], repeat=n)))
    signs = np.random.default_rng(0).choice([1.0, -1.0], size=(2**14, n))
    signs[0] = 1.0
    return signs


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
    differences, n = subtract(values), len(values)
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


def subtract(values: np.ndarray) -> np.ndarray:
    """The first less the second of each pair in `values` [n, 2]; 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(values[:, 0] == values[:, 1], 0.0, values[:, 0] - values[:, 1])


def _finding(n: int, corrected: float, ahead: bool) -> str:
    if n < TESTABLE:
        return "too few seeds"
    if corrected >= LEVEL:
        return "inconclusive"
    return "better" if ahead else "worse"
