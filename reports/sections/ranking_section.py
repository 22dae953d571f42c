"""What came out best: each alternative at its chosen setting."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.figures.interval_dots import dots_figure
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import (
    Column,
    Listing,
    exact,
    intervals,
    key_columns,
    listed,
    listing,
    marked,
    numbers,
    percent,
    plus_minus,
    setting_texts,
    short_names,
    texts,
)
from xprun.reports.presentation.style import SHOWN
from xprun.reports.sections.blocks import Folded, Gallery, Grid, Part, Section, Span, Text
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.closed_form import floor_sentence
from xprun.reports.stats.steps_to_target import amortised
from xprun.reports.stats.variance_shares import variance_shares
from xprun.reports.text.findings import bad_runs
from xprun.runner.results.results_schema import SECONDS, STATUSES, VALUE

SETTINGS_SHOWN = 500
BEYOND = 0.25  # of the range of all values: how far an interval may reach over it in the small plots


def ranking_section(analysis: Analysis) -> Section:
    """The ranking, what is known in closed form, and every setting."""
    comparison, finals = analysis.comparison, analysis.finals
    parts: list[Part] = [ranking_alone(analysis)]
    floor = floor_sentence(finals, comparison.shown)
    if floor:
        parts.append(Text(floor))
    parts.append(Gallery([draw(_dots(analysis), analysis)]))
    if comparison.repeats:
        parts.append(Grid(shares_listing(analysis), "Where the spread comes from: shares of the variance"))
    settings = settings_listing(analysis.summary, comparison)
    how = f"Every setting, best first, by {comparison.chosen}"
    every = Folded(f"Every setting ({settings.total})", [Grid(settings, how)])
    return Section("ranking", "Ranking", [*parts, every])


def ranking_alone(analysis: Analysis) -> Grid:
    """The ranking without its picture, and without the other settings."""
    places = spans(analysis.finals, analysis.ranking)
    return Grid(ranking_listing(analysis), _caption(analysis), places if any(places) else [])


def _caption(analysis: Analysis) -> str:
    comparison = analysis.comparison
    better = "lower" if comparison.ascending else "higher"
    chosen = f", chosen by {comparison.chosen}" if comparison.reported else ""
    fresh = ", on fresh seeds" if analysis.confirmed else ""
    timed = f"; {comparison.how_timed}" if comparison.by_time else ""
    return (
        f"Each alternative ({comparison.alternative_is}){analysis.at_best}{chosen}{fresh}, "
        f"by {analysis.measure} ({better} is better){timed}"
    )


def _dots(analysis: Analysis) -> Plot:
    title = f"{analysis.measure} of every seed, by {listed(analysis.comparison.by)}"
    facts = analysis.ranking.set_index("alternative")
    cross = "\N{MULTIPLICATION SIGN}"
    bad = (
        f" {cross} at the edge: runs that {analysis.trouble}, so there is no mean."
        if analysis.best["bad"].any()
        else ""
    )
    return Plot(
        name="final",
        title=title,
        caption=(
            f"Each alternative{analysis.at_best}; seeds of one value stand one above the other. Line: the mean"
            f"{_bar(analysis)}."
            f"{bad}{analysis.omitted}"
        ),
        alt=listed([f"{name} {_told(facts.loc[name])}" for name in analysis.shown], SHOWN),
        figures={
            "": partial(
                dots_figure,
                analysis.best,
                analysis.ranking,
                analysis.style,
                title,
                worst_low=not analysis.comparison.ascending,
            )
        },
    )


def _told(facts: Any) -> str:
    if facts["bad"]:
        return bad_runs(facts)
    return plus_minus(facts["mean"], facts["sd"])


def _bar(analysis: Analysis) -> str:
    return "; bar: its 95% interval" if analysis.ranking["mean_low"].notna().any() else ""


def ranking_listing(analysis: Analysis) -> Listing:
    """One row an alternative at its chosen setting."""
    ranking, comparison = analysis.ranking, analysis.comparison
    shared = bool(amortised(analysis.finals).loc[ranking.index].any())
    usual = analysis.trouble == "failed or diverged"
    bad = "failed, diverged or not there" if comparison.by_time else analysis.trouble if usual else "without a number"
    columns = [
        texts("alternative", marked(ranking["alternative"], comparison.baseline)),
        exact("rank", ranking["rank"]),
        numbers("mean", ranking["mean"], like=_values(ranking)),
        _interval(analysis),
        *_spread(ranking, ends=False),
        *([texts("best setting", setting_texts(ranking, comparison.keys))] if comparison.keys else []),
        *([Column(bad, _of(ranking["all_bad"], ranking["all_runs"]), number=True)] if ranking["all_bad"].any() else []),
        numbers("seconds, amortised" if shared else "seconds", ranking[SECONDS], digits=3),
    ]
    return listing(columns)


def _interval(analysis: Analysis) -> Column:
    """The intervals of the means, or the range of the runs where settings were chosen on them."""
    ranking = analysis.ranking
    if analysis.exploratory:
        column = intervals("low to high", ranking["low"], ranking["high"], like=_values(ranking))
    else:
        column = intervals("95% interval", ranking["mean_low"], ranking["mean_high"], like=_values(ranking))
    rows = zip(column.cells, (row for _, row in ranking.iterrows()), strict=True)
    return Column(column.head, [bad_runs(row) if row["bad"] else cell for cell, row in rows], number=True)


def spans(finals: pd.DataFrame, ranking: pd.DataFrame) -> list[Span | None]:
    """For each row of a ranking where its values lie between the lowest and the highest; None without a mean."""
    low, high = ranking["low"].min(), ranking["high"].max()
    if not high > low:
        return [None] * len(ranking)
    low, high = low - BEYOND * (high - low), high + BEYOND * (high - low)
    groups = finals.groupby("setting")[VALUE]

    def places(values: Any) -> list[float]:
        return [round(min(1.0, max(0.0, (value - low) / (high - low))) * 100, 2) for value in values]

    def span(setting: Any, facts: Any) -> Span:
        mean, interval_low, interval_high = places([facts[0], *(facts[1:] if facts[1] == facts[1] else facts[[0, 0]])])
        return Span(mean, interval_low, interval_high, places(groups.get_group(setting)))

    facts = ranking[["mean", "mean_low", "mean_high"]]
    pairs = zip(facts.index, facts.to_numpy(), strict=True)
    return [None if np.isnan(row[0]) else span(setting, row) for setting, row in pairs]


def shares_listing(analysis: Analysis) -> Listing:
    """One row an alternative: how much of its spread comes from the seed, the split, the fold."""
    table = variance_shares(analysis.finals, analysis.comparison)
    names = short_names(analysis.comparison.repeats)
    columns = [
        Column(names.get(str(name), str(name)), percent(table[name]), number=True)
        for name in table
        if name != "alternative"
    ]
    return listing([texts("alternative", table["alternative"]), *columns])


def settings_listing(summary: pd.DataFrame, comparison: Comparison) -> Listing:
    """One row a setting, best first."""
    like = _values(summary)
    columns = [
        texts("alternative", summary["alternative"]),
        *key_columns(summary, comparison.keys),
        numbers("mean", summary["mean"], like=like),
        intervals("95% interval", summary["mean_low"], summary["mean_high"], like=like),
        numbers("median", summary["median"], like=like),
        numbers("IQM", summary["iqm"], like=like),
        *_spread(summary),
        texts("ended", _statuses(summary)),
    ]
    return listing(columns, SETTINGS_SHOWN)


def _spread(table: pd.DataFrame, *, ends: bool = True) -> list[Column]:
    """Sd, range and number of seeds."""
    return [
        numbers("sd", table["sd"], like=_values(table)),
        *([intervals("low to high", table["low"], table["high"], like=_values(table))] if ends else []),
        Column("n", _of(table["n"], table["runs"], only_if_less=True), number=True),
    ]


def _values(table: pd.DataFrame) -> list[pd.Series]:
    """What is of one quantity in a ranking, and written with the same decimals."""
    return [table[name] for name in ("mean", "mean_low", "mean_high", "low", "high", "sd")]


def _of(part: pd.Series, whole: pd.Series, *, only_if_less: bool = False) -> list[str]:
    pairs = zip(part, whole, strict=True)
    return [str(a) if only_if_less and a == b else f"{a} of {b}" for a, b in pairs]


def _statuses(summary: pd.DataFrame) -> list[str]:
    rows = summary[list(STATUSES)].itertuples(index=False)
    return [", ".join(f"{n} {status}" for status, n in zip(STATUSES, row, strict=True) if n) for row in rows]
