"""The scoreboard over the problems that a spec lists: wins, losses, diagnostics passed, and what tuning is worth."""

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.pairwise import BETTER, WORSE
from xprun.reports.stats.problem_scores import rank_table, score_scale, scores
from xprun.reports.stats.ranking import valued
from xprun.runner.results.results_schema import PROBLEM, SEARCH, STAGE, STATUS, TRAIN, VALUE, final
from xprun.runner.results.rounding import reached

MOST = 0.5  # of the fresh seeds: more of them must reach the target of a diagnostic


@dataclass(frozen=True)
class Standing:
    """An alternative over all problems.

    `rank`: by mean rank, equals share the better (1, 1, 3); `wins`, `ties` and `losses` over all pairs of a problem and
    another alternative: found better, not told apart, found worse. `score`: the mean over the problems, from 0 to 1;
    `default`: that of its search runs at the default of what was swept, NaN where that was not tried. `passed` are the
    diagnostics whose target most of its runs reach, `failed` the others; on `diverged` problems no run came to its end.
    """

    name: str
    rank: int
    mean_rank: float
    wins: int
    ties: int
    losses: int
    score: float
    default: float
    tried: int
    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)


def parts_of(analysis: Analysis) -> dict[str, Analysis]:
    """The analysis of each problem, by its label, where there is but one, too."""
    return analysis.problems or dict.fromkeys(analysis.present[:1] or ("",), analysis)


def is_diagnostic(comparison: Comparison) -> bool:
    """Whether a problem is passed or failed: its target is of what is trained on, and of no rows held out."""
    metric = comparison.schema.metric(comparison.aim[0])
    return comparison.target is not None and metric is not None and metric.split in (None, TRAIN)


def pass_shares(analysis: Analysis) -> dict[str, float]:
    """The share of an alternative's runs that end at the target of a problem, or beyond it."""
    metric, goal = analysis.comparison.aim
    column = final(metric)
    assert analysis.comparison.target is not None
    if column not in analysis.finals:
        return {}
    ahead = reached(analysis.finals[column].to_numpy(dtype="float64"), analysis.comparison.target, goal)
    ended = ~valued(analysis.finals, column)["bad"].to_numpy()
    shares = pd.Series(ahead & ended).groupby(analysis.finals["alternative"].to_numpy()).mean()
    return {str(name): float(share) for name, share in shares.items()}


def diagnostics(analysis: Analysis) -> dict[str, dict[str, float]]:
    """By diagnostic, the share of the runs of each alternative that pass it."""
    found = {label: part for label, part in parts_of(analysis).items() if is_diagnostic(part.comparison)}
    return {label: {name: pass_shares(part).get(name, 0.0) for name in analysis.order} for label, part in found.items()}


@lru_cache(maxsize=1)  # the page and what is printed ask for the same
def standings(analysis: Analysis) -> list[Standing]:
    """The alternatives over the problems of an analysis, the best mean rank first."""
    parts = parts_of(analysis)
    ranks = rank_table({label: part.ranking for label, part in parts.items()})
    means = ranks.mean()
    places = means.round(9).rank(method="min").astype(int)
    table = scores({label: part.finals for label, part in parts.items()}, analysis.order, analysis.comparison)
    by_problem = table.groupby([PROBLEM, "alternative"])["score"].mean().unstack()
    shares = diagnostics(analysis)
    return [
        Standing(
            name=str(name),
            rank=int(place),
            mean_rank=float(mean),
            **_outcomes(analysis, str(name)),
            score=float(by_problem[str(name)].mean()),
            default=_at_default(analysis, str(name)),
            tried=_tried(analysis, str(name)),
            passed=[label for label, share in shares.items() if share[str(name)] > MOST],
            failed=[label for label, share in shares.items() if share[str(name)] <= MOST],
            diverged=[label for label, part in parts.items() if _never_ended(part, str(name))],
        )
        for name, place, mean in zip(ranks, places, means, strict=True)
    ]


def titles_of(analysis: Analysis) -> dict[str, str]:
    """What each listed problem is, in a few words, as far as that is told."""
    problems = analysis.tables.resolved.get("problems") or ()
    return {str(one.get("label")): str(one.get("title") or "") for one in problems}


def _outcomes(analysis: Analysis, name: str) -> dict[str, int]:
    """Over all problems and other alternatives, how often an alternative was found better, level or worse."""
    found = Counter(
        part.pairwise.of(name, other).finding if part.pairwise.are_told_apart(name, other) else ""
        for part in parts_of(analysis).values()
        if name in part.pairwise.names
        for other in part.pairwise.names
        if other != name
    )
    return {"wins": found[BETTER], "ties": found[""], "losses": found[WORSE]}


def _tried(analysis: Analysis, name: str) -> int:
    tried = [part.ranking.loc[part.ranking["alternative"] == name, "tried"] for part in parts_of(analysis).values()]
    return int(max((int(found.max()) for found in tried if len(found)), default=0))


def _never_ended(part: Analysis, name: str) -> bool:
    rows = part.judged[part.judged["alternative"] == name]
    return bool(len(rows)) and bool(rows["bad"].all())


def _at_default(analysis: Analysis, name: str) -> float:
    """The mean score over the problems of an alternative's search runs at its defaults; NaN where one lacks them."""
    defaults = (analysis.tables.resolved.get("defaults") or {}).get(name, {})
    found = []
    for part in parts_of(analysis).values():
        runs, column = part.judged, part.comparison.shown_column
        wanted = (runs["alternative"] == name) & (runs[STAGE] == SEARCH)
        swept = [key for key in defaults if key in runs]
        for key in swept:
            wanted &= _is_about(runs[key], defaults[key])
        if not swept or not wanted.any():
            return np.nan
        told = valued(runs.loc[wanted, [STATUS, column]], column)  # not all columns, which are hundreds
        scale = score_scale(part.finals[VALUE].mask(part.finals["bad"]), part.comparison)
        found.append(float(scale(told[VALUE].mask(told["bad"])).mean()))
    return float(np.mean(found)) if found else np.nan


def _is_about(values: pd.Series, wanted: Any) -> pd.Series:
    """Which values of a setting are a wanted one, a number but for rounding."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64")
    is_number = isinstance(wanted, int | float) and not isinstance(wanted, bool)
    about = np.isclose(numbers, wanted, rtol=1e-6, atol=0) if is_number else False
    return pd.Series((values == wanted) | about)
