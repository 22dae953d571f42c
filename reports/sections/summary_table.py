"""The table of the first screen: what differs in practice, one row an alternative."""

import pandas as pd
from xprun.reports.presentation.formatting import (
    NONE,
    Column,
    Listing,
    decimals,
    listing,
    marked,
    numbers,
    setting_texts,
    shorten,
    texts,
    value_text,
)
from xprun.reports.sections.blocks import Grid
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.letter_groups import letter_groups
from xprun.reports.stats.loss_per_row import loss_per_row
from xprun.reports.stats.pairwise import BLOCKS_NEEDED, Pairwise
from xprun.reports.stats.steps_to_target import time_to_target
from xprun.reports.text.findings import bad_runs
from xprun.reports.text.problem_findings import Overall
from xprun.runner.results.results_schema import STEPS

ROWS = 10  # alternatives that the first screen has room for
LETTERED = 60  # alternatives up to which groups are worked out
NAME = 28  # characters of a label
GROUP = "group"
SHARED_LETTER = "Alternatives that share a letter cannot be told apart."


def summary_table(analysis: Analysis, overall: Overall | None = None) -> Grid:
    """The best alternatives, with what they reach, how fast, how often they fail, and which cannot be told apart."""
    table = _of_problems(analysis, overall) if overall is not None else _of_one_problem(analysis)
    left_out = table.total - len(table.rows)
    notes = [SHARED_LETTER] if GROUP in table.head else []
    notes += [f"{left_out} more are in the ranking."] if left_out else []
    return Grid(table, " ".join(notes), is_whole=False)


def _of_one_problem(analysis: Analysis) -> Listing:
    ranking, comparison = analysis.ranking, analysis.comparison
    names = [str(name) for name in ranking["alternative"]]
    columns = [
        texts("alternative", [shorten(name, NAME) for name in marked(names, comparison.baseline)]),
        Column(analysis.measure, _results(ranking), number=True),
        *_per_row(analysis),
        *_groups(names, analysis.pairwise, is_tested=_is_tested(analysis)),  # a phone shows it beside what it is about
    ]
    if comparison.target is not None and not comparison.by_time and not analysis.tables.history.empty:
        steps = time_to_target(analysis.tables.history, analysis.finals, comparison)[STEPS].loc[ranking.index]
        told = [value_text(value) if value != float("inf") else "never" for value in steps]
        columns.append(Column(f"steps to {value_text(comparison.target)}", told, number=True))
    if ranking["all_bad"].any():
        pairs = zip(ranking["all_bad"], ranking["all_runs"], strict=True)
        columns.append(Column("failed", [f"{bad:.0f} of {runs:.0f}" for bad, runs in pairs], number=True))
    if comparison.keys:
        columns.append(texts("at", setting_texts(ranking, comparison.keys)))
    return listing(columns, ROWS)


def _of_problems(analysis: Analysis, overall: Overall) -> Listing:
    names, ranks = overall.names, overall.ranks
    best = ranks.eq(ranks.min(axis=1), axis=0).sum()
    totals = analysis.judged.groupby("alternative")["bad"].agg(["sum", "size"]).loc[names]
    columns = [
        texts("alternative", [shorten(name, NAME) for name in marked(names, analysis.comparison.baseline)]),
        Column("mean rank", [f"{rank:.2f}" for rank in ranks.mean()], number=True),
        Column("best on", [f"{best[name]} of {len(ranks)}" for name in names], number=True),
        *_groups(names, overall.pairwise, is_tested=overall.is_tested),
    ]
    if totals["sum"].any():
        columns.append(Column("failed", [f"{bad} of {runs}" for bad, runs in totals.to_numpy()], number=True))
    return listing(columns, ROWS)


def _per_row(analysis: Analysis) -> list[Column]:
    """What a loss that is a sum comes to for one row; no column for other metrics."""
    means = loss_per_row(analysis.finals, analysis.comparison.shown)
    return (
        [] if means is None or analysis.comparison.by_time else [numbers("per row", means.loc[analysis.ranking.index])]
    )


def _results(ranking: pd.DataFrame) -> list[str]:
    """Mean and standard deviation of each, all with the same decimals; or what became of its runs."""
    show = decimals(pd.concat([ranking["mean"], ranking["sd"]]))

    def told(row: pd.Series) -> str:
        if row["bad"]:
            return bad_runs(row)
        return show(row["mean"]) if row["sd"] != row["sd"] else f"{show(row['mean'])} ± {show(row['sd'])}"

    return [told(row) for _, row in ranking.iterrows()]


def _is_tested(analysis: Analysis) -> bool:
    """Whether pairs of alternatives have p-values."""
    return not analysis.exploratory and analysis.blocks >= BLOCKS_NEEDED


def _groups(names: list[str], pairwise: Pairwise, *, is_tested: bool) -> list[Column]:
    """The letters; no column where nothing is tested, or there is nothing to tell apart."""
    if not is_tested or not 1 < len(names) <= LETTERED:
        return []
    letters = letter_groups(names, pairwise.are_told_apart)
    return [Column(GROUP, [letters[name] or NONE for name in names])]
