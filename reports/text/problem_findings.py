"""Several problems together: where the alternatives stand, in words and as tables."""

from dataclasses import dataclass

import pandas as pd
from xprun.reports.presentation.formatting import (
    Column,
    Listing,
    counted,
    intervals,
    listed,
    listing,
    numbers,
    plus_minus,
    texts,
)
from xprun.reports.stats.analysis import Analysis, at_best
from xprun.reports.stats.paired_over_problems import against_baseline_over, wilcoxon
from xprun.reports.stats.paired_over_seeds import LEVEL, SEEDS_NEEDED
from xprun.reports.stats.problem_scores import averages_over, rank_table, scores
from xprun.reports.stats.rank_tests import TESTABLE_PROBLEMS, critical_difference, friedman
from xprun.reports.text.comparison_tables import finding_text, p_texts, percent
from xprun.reports.text.findings import bad_runs, cautions, none_ended_well


@dataclass(frozen=True)
class Overall:
    """The problems of an analysis taken together. `ranks`: see `rank_table`; `scores`: see `scores`.

    `p`: of the test that all alternatives do alike; NaN with fewer than five problems, or a single alternative.
    """

    ranks: pd.DataFrame
    scores: pd.DataFrame
    p: float

    @property
    def names(self) -> list[str]:
        """The alternatives, the best mean rank first."""
        return [str(name) for name in self.ranks]

    @property
    def difference(self) -> float:
        """How far two mean ranks must be apart; infinite where the alternatives may all do alike."""
        return critical_difference(*self.ranks.T.shape) if self.p < LEVEL else float("inf")


def take_together(analysis: Analysis) -> Overall:
    """The problems of an analysis that has several."""
    ranks = rank_table({label: part.ranking for label, part in analysis.problems.items()})
    found = scores(
        {label: at_best(part) for label, part in analysis.problems.items()}, analysis.order, analysis.comparison
    )
    return Overall(ranks, found, _test(ranks, found))


def verdict_over(analysis: Analysis, overall: Overall) -> str:
    """Return a sentence about the alternative with the best mean rank and the next, the conclusion first."""
    means, n = overall.ranks.mean(), len(overall.ranks)
    names = overall.names
    if overall.scores["bad"].all():
        return none_ended_well(analysis.comparison)
    over = f"{n} of {n + len(analysis.absent)} planned problems" if analysis.absent else f"{n} problems"
    what = f"{names[0]} has the best mean rank over {over}, {means.iloc[0]:.2f} ({_won(overall.ranks, names[0])})"
    if len(names) == 1:
        return f"{what}; there is no other alternative to compare."
    significant, sureness = _sureness(overall)
    tied = [name for name in names if means[name] == means.iloc[0]]
    if len(tied) > 1:
        return f"{_tie(overall.ranks, tied, over)}; {sureness}."
    lead = "" if significant else "No clear winner: "
    return f"{lead}{what}, ahead of {names[1]} with {means.iloc[1]:.2f}; {sureness}."


def cautions_over(analysis: Analysis) -> list[str]:
    """What a careful reader would object to the problems, each objection once with the problems that it is about."""
    found: dict[str, list[str]] = {}
    for label, part in analysis.problems.items():
        for caution in cautions(part.summary, part.ranking, part.comparison):
            found.setdefault(caution, []).append(label)
    everywhere = len(analysis.problems)
    told = [text if len(at) == everywhere else f"{listed(at)}: {text}" for text, at in found.items()]
    return absent_problems(analysis) + told + _absent(analysis)


def absent_problems(analysis: Analysis) -> list[str]:
    """A sentence where problems that were planned have no run; none otherwise."""
    if not analysis.absent:
        return []
    planned = len(analysis.present) + len(analysis.absent)
    return [
        f"Nothing is known of {len(analysis.absent)} of {counted(planned, 'planned problem')}, on which there is no "
        f"run: {listed(list(analysis.absent))}."
    ]


def on_one_problem(analysis: Analysis) -> str:
    """What stands before a verdict that is about one of several planned problems; nothing otherwise."""
    planned = len(analysis.present) + len(analysis.absent)
    return f"On {analysis.present[0]} alone, 1 of {planned} planned problems: " if analysis.absent else ""


def overall_listing(analysis: Analysis, overall: Overall) -> Listing:
    """One row an alternative, over all problems."""
    names = overall.names
    table = averages_over(overall.scores, names)
    totals = analysis.summary.groupby("alternative")[["bad", "runs"]].sum().loc[names]
    columns = [
        texts("alternative", _marked(names, analysis.comparison.baseline)),
        Column("mean rank", [f"{rank:.2f}" for rank in overall.ranks.mean()], number=True),
        Column("best on", [_of(overall.ranks, name) for name in names], number=True),
        numbers("score (IQM)", table["iqm"], digits=3),
        intervals("95% interval", table["iqm_low"], table["iqm_high"], digits=3),
        Column("failed or diverged", [f"{bad} of {runs}" for bad, runs in totals.to_numpy()], number=True),
    ]
    return listing(columns)


def averages_listing(overall: Overall) -> Listing:
    """The averages of the scores that the ranking leaves out."""
    table = averages_over(overall.scores, overall.names)
    columns = [texts("alternative", table.index)]
    for label in ("mean", "median"):
        columns.append(numbers(label, table[label], digits=3))
        columns.append(intervals("95% interval", table[f"{label}_low"], table[f"{label}_high"], digits=3))
    return listing(columns)


def standings_listing(analysis: Analysis, overall: Overall) -> Listing:
    """One row a problem: the rank of each alternative there, its mean and its sd over the seeds."""
    columns = [texts("problem", analysis.problems)]
    for name in overall.names:
        rows = [part.ranking[part.ranking["alternative"] == name] for part in analysis.problems.values()]
        columns.append(Column(name, [_standing(row) for row in rows], number=True))
    return listing(columns)


def overall_baseline_listing(analysis: Analysis, overall: Overall) -> Listing:
    """One row an alternative against the baseline, over all problems."""
    table = against_baseline_over(overall.scores, overall.ranks, analysis.comparison.baseline)
    if table.empty:
        return listing([])
    duels = zip(table["better"], table["level"], table["worse"], strict=True)
    columns = [
        texts("alternative", table.index),
        Column("wins, ties, losses", [f"{a}, {b}, {c}" for a, b, c in duels], number=True),
        Column("probability of improvement", percent(table["improvement"]), number=True),
        Column("95% interval", _percents(table["low"], table["high"]), number=True),
        Column("p", p_texts(table["p"]), number=True),
        Column("p, Holm", p_texts(table["corrected"]), number=True),
        texts("finding", [finding_text(f, counted(len(overall.ranks), "problem")) for f in table["finding"]]),
    ]
    return listing(columns)


def _test(ranks: pd.DataFrame, scores: pd.DataFrame) -> float:
    """Friedman's test, and Wilcoxon's of the mean scores where there are only two alternatives."""
    n, k = ranks.shape
    if n < TESTABLE_PROBLEMS or k < 2:
        return float("nan")
    if k > 2:
        return friedman(ranks)
    means = scores.groupby(["problem", "alternative"])["score"].mean().unstack()
    return wilcoxon((means.iloc[:, 0] - means.iloc[:, 1]).to_numpy())


def _sureness(overall: Overall) -> tuple[bool, str]:
    """Return whether the first two can be told apart, and the words for it."""
    n, k = overall.ranks.shape
    needed = TESTABLE_PROBLEMS if k > 2 else SEEDS_NEEDED  # of pairs, whatever they are pairs of
    if n < needed:
        return False, f"{counted(n, 'problem')} cannot separate them; at least {needed} are needed"
    if k == 2:
        significant = overall.p < LEVEL
        return significant, f"the difference is {_not(significant)}significant (Wilcoxon's test: p = {overall.p:.2g})"
    test = f"Friedman's test: p = {overall.p:.2g}"
    if not overall.p < LEVEL:
        return False, f"the alternatives do not differ significantly over {n} problems ({test})"
    gap = overall.ranks.mean().iloc[1] - overall.ranks.mean().iloc[0]
    significant = bool(gap > overall.difference)
    nemenyi = f"Nemenyi's critical difference: {overall.difference:.2f}"
    return significant, f"the difference in rank, {gap:.2f}, is {_not(significant)}significant ({test}; {nemenyi})"


def _not(significant: bool) -> str:
    return "" if significant else "not "


def _tie(ranks: pd.DataFrame, tied: list[str], over: str) -> str:
    """Return `SGD and Adam tie over 2 problems: each is best on 1 of 2 (mean rank 1.50)`."""
    wins = {_of(ranks, name) for name in tied}
    each = f": each is best on {wins.pop()}" if len(wins) == 1 else ""
    return f"{listed(tied)} tie over {over}{each} (mean rank {ranks[tied[0]].mean():.2f})"


def _won(ranks: pd.DataFrame, name: str) -> str:
    return f"best on {_of(ranks, name)}"


def _of(ranks: pd.DataFrame, name: str) -> str:
    return f"{int((ranks[name] == ranks.min(axis=1)).sum())} of {len(ranks)}"


def _standing(row: pd.DataFrame) -> str:
    """Return `0.972 ± 0.004 (1)`: mean and sd, and the rank; equals share the better rank, as in a ranking."""
    if row.empty:
        return "not run"
    facts = row.iloc[0]
    what = bad_runs(facts) if facts["bad"] else plus_minus(facts["mean"], facts["sd"])
    return f"{what} ({facts['rank']:g})"


def _absent(analysis: Analysis) -> list[str]:
    have = {
        name: sum(name in set(p.ranking["alternative"]) for p in analysis.problems.values()) for name in analysis.order
    }
    lacking = [f"{name} ({n} of {len(analysis.problems)})" for name, n in have.items() if n < len(analysis.problems)]
    return [f"Not run on every problem, and ranked last where missing: {listed(lacking)}."] if lacking else []


def _marked(names: list[str], baseline: str | None) -> list[str]:
    return [f"{name} (baseline)" if name == baseline else name for name in names]


def _percents(low: pd.Series, high: pd.Series) -> list[str]:
    pairs = zip(percent(low), percent(high), strict=True)
    return [a if a == b else f"{a} to {b}" for a, b in pairs]
