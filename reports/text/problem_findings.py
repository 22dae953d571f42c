"""Several problems together: where the alternatives stand, in words and as tables."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from xprun.reports.presentation.formatting import (
    Column,
    Listing,
    counted,
    intervals,
    listed,
    listing,
    marked,
    numbers,
    p_texts,
    percent,
    plus_minus,
    texts,
)
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import BLOCKS_NEEDED, INCONCLUSIVE, Pair, Pairwise, over_problems
from xprun.reports.stats.problem_scores import averages_over, rank_table, scores
from xprun.reports.stats.ranking import comparable
from xprun.reports.text.findings import bad_runs, cautions, finding_text, none_ended_well
from xprun.runner.results.what_shows import CONFIRM_OPTION


@dataclass(frozen=True)
class Overall:
    """The problems of an analysis taken together.

    `ranks`: see `rank_table`; `scores`: see `scores`; `pairwise`: every pair of alternatives, problem by problem.
    """

    ranks: pd.DataFrame
    scores: pd.DataFrame
    pairwise: Pairwise

    @property
    def names(self) -> list[str]:
        """The alternatives, the best mean rank first."""
        return [str(name) for name in self.ranks]

    @property
    def is_tested(self) -> bool:
        """Whether there are enough problems to test anything, and settings were not chosen on the same runs."""
        return len(self.ranks) >= BLOCKS_NEEDED and not self.pairwise.exploratory


@lru_cache(maxsize=1)  # every part of a page asks for the same
def take_together(analysis: Analysis) -> Overall:
    """The problems of an analysis that has several."""
    parts = analysis.problems
    ranks = rank_table({label: part.ranking for label, part in parts.items()})
    found = scores({label: part.finals for label, part in parts.items()}, analysis.order, analysis.comparison)
    runs = [_larger_is_better(part) for part in parts.values()]
    exploratory = any(part.exploratory and not part.finals["bad"].all() for part in parts.values())
    return Overall(ranks, found, over_problems(runs, [str(name) for name in ranks], exploratory=exploratory))


def _larger_is_better(analysis: Analysis) -> dict[str, np.ndarray]:
    """The final values [n] of each alternative, larger being better."""
    sign = -1 if analysis.comparison.ascending else 1
    values = comparable(analysis.finals, analysis.comparison) * sign
    return {str(name): group.to_numpy() for name, group in values.groupby(analysis.finals["alternative"])}


def verdict_over(analysis: Analysis, overall: Overall) -> str:
    """Return a sentence about the alternative with the best mean rank and the next, the conclusion first."""
    means, n, names = overall.ranks.mean(), len(overall.ranks), overall.names
    if overall.scores["bad"].all():
        return none_ended_well(analysis)
    over = f"{n} of {n + len(analysis.absent)} planned problems" if analysis.absent else f"{n} problems"
    what = f"{names[0]} has the best mean rank over {over}, {means.iloc[0]:.2f} ({_won(overall.ranks, names[0])})"
    if len(names) == 1:
        return f"{what}; there is no other alternative to compare."
    lead, sureness = _sureness(overall)
    tied = [name for name in names if means[name] == means.iloc[0]]
    if len(tied) > 1:
        return f"{_tie(overall.ranks, tied, over)}; {sureness}."
    return f"{lead}{what}, ahead of {names[1]} with {means.iloc[1]:.2f}; {sureness}."


def _sureness(overall: Overall) -> tuple[str, str]:
    """Return the first words of a verdict, and how sure it is."""
    n, names = len(overall.ranks), overall.names
    if overall.pairwise.exploratory:
        why = (
            "settings were chosen on these runs, which therefore cannot test this; to conclude something, confirm them"
        )
        return "Exploratory: ", f"{why} on fresh seeds: {CONFIRM_OPTION}"
    if not overall.is_tested:
        return "No clear winner: ", f"{counted(n, 'problem')} cannot separate them; at least {BLOCKS_NEEDED} are needed"
    pairs = [overall.pairwise.of(names[0], name) for name in names[1:]]
    rivals = [pair.second for pair in pairs if not pair.told_apart]
    test = f"p = {p_texts([pairs[0].adjusted])[0]} against {names[1]}, for {counted(n, 'problem')}"
    if not rivals:
        others = f"{names[1]} and every other" if len(names) > 2 else names[1]
        return "", f"it is better than {others} ({test})"
    several = f"{len(rivals)} of {len(names) - 1} others" if len(rivals) < len(names) - 1 else "any other"
    several = several if len(names) > 2 else names[1]
    return "No clear winner: ", f"it cannot be told apart from {several} ({test})"


def cautions_over(analysis: Analysis) -> list[str]:
    """What a careful reader would object to the problems, each objection once with the problems that it is about."""
    found: dict[str, list[str]] = {}
    for label, part in analysis.problems.items():
        for caution in cautions(part):
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
    totals = analysis.judged.groupby("alternative")["bad"].agg(["sum", "size"]).loc[names]
    columns = [
        texts("alternative", marked(names, analysis.comparison.baseline)),
        Column("mean rank", [f"{rank:.2f}" for rank in overall.ranks.mean()], number=True),
        Column("best on", [_of(overall.ranks, name) for name in names], number=True),
        numbers("mean score", table["mean"], digits=3),
        *(
            []
            if overall.pairwise.exploratory
            else [intervals("95% interval", table["mean_low"], table["mean_high"], digits=3)]
        ),
        Column("failed or diverged", [f"{bad} of {runs}" for bad, runs in totals.to_numpy()], number=True),
    ]
    return listing(columns)


def averages_listing(overall: Overall) -> Listing:
    """The averages of the scores that the ranking leaves out."""
    table = averages_over(overall.scores, overall.names)
    columns = [numbers(head, table[name], digits=3) for head, name in (("median", "median"), ("IQM", "iqm"))]
    return listing([texts("alternative", table.index), *columns])


def standings_listing(analysis: Analysis, overall: Overall) -> Listing:
    """One row a problem: the rank of each alternative there, its mean and its sd over the seeds."""
    columns = [texts("problem", analysis.problems)]
    for name in overall.names:
        rows = [part.ranking[part.ranking["alternative"] == name] for part in analysis.problems.values()]
        columns.append(Column(name, [_standing(row) for row in rows], number=True))
    return listing(columns)


def overall_baseline_listing(analysis: Analysis, overall: Overall) -> Listing:
    """One row an alternative against the baseline, over all problems."""
    baseline = analysis.comparison.baseline
    if baseline not in overall.names or len(overall.names) < 2:
        return listing([])
    pairs = overall.pairwise.against(baseline)
    low, high = (pd.Series([getattr(pair, end) + 0.5 for pair in pairs]).clip(0, 1) for end in ("low", "high"))
    tested = overall.is_tested
    columns = [
        texts("alternative", [pair.first for pair in pairs]),
        Column("wins, ties, losses", [f"{pair.wins}, {pair.ties}, {pair.losses}" for pair in pairs], number=True),
        Column("probability of improvement", percent([pair.improvement for pair in pairs]), number=True),
        Column("95% interval" if tested else "lowest to highest", _percents(low, high), number=True),
        *([Column("p", p_texts([pair.adjusted for pair in pairs]), number=True)] if tested else []),
        texts("finding", [_finding_over(pair) for pair in pairs]),
    ]
    return listing(columns)


def _finding_over(pair: Pair) -> str:
    """Return a finding in words; what would have shown is a probability of improvement."""
    if pair.tested and pair.finding == INCONCLUSIVE and 0 < pair.shows < 0.5:
        return f"inconclusive (from {0.5 + pair.shows:.0%} it would show)"
    return finding_text(replace(pair, shows=math.nan), "problem")


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


def _percents(low: pd.Series, high: pd.Series) -> list[str]:
    pairs = zip(percent(low), percent(high), strict=True)
    return [a if a == b else f"{a} to {b}" for a, b in pairs]
