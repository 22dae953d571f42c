"""Every alternative against the baseline, problem by problem."""

from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.stats.averages import CONFIDENCE, RESAMPLES
from xprun.reports.stats.paired_over_seeds import LEVEL, holm
from xprun.reports.stats.rank_tests import TESTABLE_PROBLEMS
from xprun.runner.results.paired_test import sign_flip_test, signed_ranks


def against_baseline_over(scores: pd.DataFrame, ranks: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """By alternative other than the baseline: how it does against the baseline over all problems.

    `better`, `level` and `worse` (problems, by rank), `improvement` (see `mean_improvement`) with its interval `low` to
    `high`, `ahead` (what is tested speaks for the alternative), `p` (Wilcoxon's signed-rank test, 1945, of the
    differences in mean score: Demsar, 2006, section 3.1.3; NaN below five problems), `corrected` (Holm) and `finding`.
    Empty where there is no such baseline.

    `scores`: see `problems.scores`; `ranks`: see `problems.rank_table`.
    """
    if baseline is None or baseline not in ranks:
        return pd.DataFrame()
    others = [str(name) for name in ranks if name != baseline]
    table = pd.DataFrame([_compare(scores, ranks, name, baseline) for name in others], index=others)
    if len(table):
        table["corrected"] = holm(table["p"].to_numpy(dtype="float64"))
        table["finding"] = [_finding(*row) for row in zip(table["corrected"], table["ahead"], strict=True)]
    return table


def mean_improvement(first: list[np.ndarray], second: list[np.ndarray]) -> tuple[float, float, float]:
    """How often a run of the first beats one of the second on the same problem, and its 95% interval.

    The mean over problems of the probability of improvement, with a stratified bootstrap over the seeds (Agarwal et
    al., 2021, section 4.3). Runs [n] of each problem, larger is better; ties count half. NaN ends for single seeds.
    """
    random = np.random.default_rng(0)
    shares, drawn = [], []
    for one, other in zip(first, second, strict=True):
        wins = (one[:, None] > other) + 0.5 * (one[:, None] == other)
        weights = [random.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n for n in wins.shape]
        shares.append(wins.mean())
        drawn.append(np.einsum("rn,nm,rm->r", weights[0], wins, weights[1]))
    if max(map(len, [*first, *second])) < 2:
        return float(np.mean(shares)), np.nan, np.nan
    low, high = np.quantile(np.mean(drawn, axis=0), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(np.mean(shares)), float(low), float(high)


def wilcoxon(differences: np.ndarray) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test (1945), exact up to 14 differences, with ties."""
    return sign_flip_test(signed_ranks(differences))


def _compare(scores: pd.DataFrame, ranks: pd.DataFrame, name: str, baseline: str) -> dict[str, Any]:
    one, other = _by_problem(scores, name), _by_problem(scores, baseline)
    improvement, low, high = mean_improvement(one, other)
    differences = np.array([a.mean() - b.mean() for a, b in zip(one, other, strict=True)])
    ahead = np.sign(ranks[baseline] - ranks[name])
    return {
        "better": int((ahead > 0).sum()),
        "level": int((ahead == 0).sum()),
        "worse": int((ahead < 0).sum()),
        "improvement": improvement,
        "low": low,
        "high": high,
        "ahead": bool(signed_ranks(differences).sum() > 0),
        "p": wilcoxon(differences) if len(differences) >= TESTABLE_PROBLEMS else np.nan,
    }


def _by_problem(scores: pd.DataFrame, name: str) -> list[np.ndarray]:
    groups = scores[scores["alternative"] == name].groupby("problem", sort=True)["score"]
    return [group.to_numpy() for _, group in groups]


def _finding(corrected: float, ahead: bool) -> str:
    if corrected != corrected:
        return "too few problems"
    if corrected >= LEVEL:
        return "inconclusive"
    return "better" if ahead else "worse"
