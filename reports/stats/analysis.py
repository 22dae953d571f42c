"""What every section of a report starts from: the tables of a folder, judged, summarised and ranked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison, keys_of, read_comparison
from xprun.reports.data.results_folder import Tables
from xprun.reports.data.row_keys import with_row_keys
from xprun.reports.presentation.formats import DEFAULT
from xprun.reports.presentation.formatting import listed
from xprun.reports.presentation.style import SHOWN, Stroke, strokes
from xprun.reports.stats.pairwise import Pairwise, level_divisor, over_blocks
from xprun.reports.stats.problem_scores import problem_of, rank_table
from xprun.reports.stats.ranking import comparable, final_runs, judge, rank, summarise
from xprun.runner.results.results_schema import (
    BETWEEN,
    ENDED_WELL,
    PROBLEM,
    RUN,
    SEARCH,
    SEED,
    STAGE,
    STATUS,
    VALUE,
    compared_settings,
)

FEW = 4  # problems of which all is drawn


@dataclass(frozen=True, eq=False)
class Analysis:
    """The tables of a folder, or of one problem in it, and what the comparison makes of them.

    `judged`: all rows of runs, valued by what chooses the settings; `summary`: every setting of the search, see
    `summarise`. `finals`: the runs that stand for the alternatives, each at its chosen setting, valued by what is
    reported: those on fresh seeds where there are such, `confirmed`. `ranking`: of these, see `rank`. `order`: all
    alternatives, best first. `formats`: what is written. `problems`: an analysis for each problem, by its label, where
    there are several; `number` is which one this is, from 1, or 0. `present` are the labels of the problems that have
    runs, `absent` those of the ones that were planned and have none. `side_by_side`: how many problems are tested on
    the page. `strokes_taken`: how many strokes of the page stand for other alternatives.
    """

    tables: Tables
    comparison: Comparison
    judged: pd.DataFrame
    summary: pd.DataFrame
    finals: pd.DataFrame
    ranking: pd.DataFrame
    order: list[str]
    confirmed: bool = False
    side_by_side: int = 1
    formats: tuple[str, ...] = DEFAULT
    problems: dict[str, "Analysis"] = field(default_factory=dict)
    number: int = 0
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    strokes_taken: int = 0

    @property
    def is_one_of_many(self) -> bool:
        """Whether it is of one problem among so many that each has the most telling plots alone."""
        return self.side_by_side > FEW

    @cached_property
    def style(self) -> dict[str, Stroke]:
        """A stroke for each alternative that plots show, best first."""
        return strokes(self.order, self.strokes_taken)

    @cached_property
    def shown(self) -> list[str]:
        """The alternatives that plots show, as they are ranked here."""
        return [name for name in self.ranking["alternative"] if name in self.style]

    @cached_property
    def best(self) -> pd.DataFrame:
        """The final runs of the alternatives that plots show."""
        return self.finals[self.finals["alternative"].isin(self.shown)]

    @property
    def chosen(self) -> bool:
        """Whether an alternative had settings to choose from."""
        return bool((self.ranking["tried"] > 1).any())

    @property
    def at_best(self) -> str:
        """Words for captions on which of its settings an alternative is shown with; empty where it has but one."""
        return " at its best setting" if self.chosen else ""

    @property
    def exploratory(self) -> bool:
        """Whether settings were chosen on the runs that would have to test them: then nothing can be concluded."""
        return self.chosen and not self.confirmed

    @cached_property
    def pairwise(self) -> Pairwise:
        """Every pair of alternatives, block by block."""
        values = comparable(self.finals, self.comparison)
        blocks = values.groupby([self.finals["block"], self.finals["alternative"]]).mean().unstack()
        return over_blocks(
            blocks[list(self.ranking["alternative"])],
            ascending=self.comparison.ascending,
            tolerance=self.comparison.tolerance,
            families=level_divisor(self.side_by_side),
            exploratory=self.exploratory,
        )

    @property
    def blocks(self) -> int:
        """How many seeds, or other repeats, the alternatives are judged by: the least of all."""
        return int(self.ranking["runs"].min())

    @cached_property
    def typical(self) -> pd.Series:
        """For each alternative that plots show, a run at its best setting to show alone: of one seed, where they can.

        It is the seed whose runs lie closest to the medians of their alternatives, in ranks, so that all start at the
        same place; without a seed that all have, each has its median run. Failed and diverged runs rank last.
        """
        ranks = (
            comparable(self.best, self.comparison)
            .groupby(self.best["setting"])
            .rank(method="first", ascending=self.comparison.ascending)
        )
        size = ranks.groupby(self.best["setting"]).transform("size")
        table = self.best.assign(distance=(ranks - (size + 1) // 2).abs())
        seeds = table.groupby(SEED).agg(distance=("distance", "sum"), n=("alternative", "nunique"))
        shared = seeds[seeds["n"] == table["alternative"].nunique()]
        if len(shared):
            table = table[table[SEED] == shared["distance"].idxmin()]
        chosen = table.sort_values("distance", kind="stable").drop_duplicates("alternative").set_index("alternative")
        return chosen[RUN].reindex(self.shown)

    def whose(self, alternatives: list[str]) -> str:
        """Words for captions that say which runs stand for these alternatives."""
        seeds = self.best.set_index(RUN)[SEED][self.typical[alternatives]]
        if self.best[SEED].nunique() == 1:
            return f"with seed {seeds.iloc[0]}"
        if seeds.nunique() == 1:
            return f"with seed {seeds.iloc[0]}, whose runs are closest to the median {self.measure}"
        told = listed([f"{name} {seed}" for name, seed in zip(alternatives, seeds, strict=True)], SHOWN)
        return f"with the seed of the median {self.measure} ({told})"

    @cached_property
    def trouble(self) -> str:
        """What became of the bad runs, in words that follow on from `runs`: `failed or diverged`, if no more."""
        bad = self.judged[self.judged["bad"]]
        ended = bad[STATUS].isin(ENDED_WELL)
        if self.comparison.by_time:
            return "failed, diverged or never reached the target"
        nothing = f"have no number as {self.comparison.shown}"
        return "failed or diverged" if not ended.any() else nothing if ended.all() else f"failed, diverged or {nothing}"

    @property
    def run_settings(self) -> dict[str, Any]:
        """The settings of `[run]`: of a problem that a spec lists its own, else those of the first run."""
        resolved, runs = self.tables.resolved, self.tables.runs
        listed = {one.get("label"): one.get(RUN) for one in resolved.get("problems") or ()}
        own = listed.get(runs[PROBLEM].iloc[0]) if PROBLEM in runs else None
        return own or resolved.get("spec", {}).get(RUN) or {}

    @property
    def measure(self) -> str:
        """What the alternatives are ranked by, in words: `final valid.accuracy`."""
        if self.comparison.is_mixed and self.problems:
            return "the metric of each problem"
        return self.comparison.in_words(self.comparison.shown)

    @property
    def omitted(self) -> str:
        """A sentence for captions where there are more alternatives than plots show; empty otherwise."""
        return f" Only the best {SHOWN} of {len(self.order)} alternatives are drawn." if len(self.order) > SHOWN else ""


def make_analysis(tables: Tables, formats: tuple[str, ...] = DEFAULT) -> Analysis:
    """The analysis of `tables`. `ReportError` where they cannot answer what is compared."""
    tables = with_row_keys(tables)
    comparison = read_comparison(tables)
    if not comparison.problems:
        return _analysis(tables, comparison, formats)
    groups = tables.runs.groupby(problem_of(tables.runs, comparison), sort=False)
    present = tuple(str(label) for label, _ in groups)
    planned = (BETWEEN.join(labels) for labels in comparison.schema.problems)
    whole = _analysis(tables, comparison.on(present[0]) if len(present) == 1 else comparison, formats)
    whole = replace(whole, present=present, absent=tuple(label for label in planned if label not in present))
    if len(present) == 1:
        return whole
    parts = {
        label: replace(_analysis(one, comparison.on(label), formats), side_by_side=len(present))
        for label, one in _by_problem(tables, dict(list(groups))).items()
    }
    if comparison.is_mixed:  # each run is judged by the metric of its problem
        judged = pd.concat([part.judged for part in parts.values()])[["bad", VALUE]].reindex(whole.judged.index)
        whole = replace(whole, judged=whole.judged.assign(**{str(name): judged[name] for name in judged}))
    ranks = rank_table({label: part.ranking for label, part in parts.items()})
    order = [str(name) for name in ranks]
    numbered = enumerate(parts.items(), 1)
    return replace(
        whole,
        order=order,
        problems={label: replace(part, order=order, number=number) for number, (label, part) in numbered},
    )


def _by_problem(tables: Tables, runs: Mapping[Any, pd.DataFrame]) -> dict[str, Tables]:
    """The tables of each problem, by its label; the history is gone through once."""
    problem = {run: place for place, rows in enumerate(runs.values()) for run in rows[RUN]}
    places = tables.history[RUN].map(problem).to_numpy(dtype="float64", na_value=np.nan)
    order = np.argsort(places, kind="stable")
    cuts = np.searchsorted(places[order], np.arange(len(runs) + 1))
    return {
        str(label): replace(tables, runs=rows, history=tables.history.take(order[cuts[i] : cuts[i + 1]]))
        for i, (label, rows) in enumerate(runs.items())
    }


def by_sections(analysis: Analysis) -> Analysis:
    """The analysis in which values of settings are settings again, where they are what is compared."""
    settings = compared_settings(analysis.comparison.by)
    if not settings:
        return analysis
    by = [name for name in analysis.comparison.by if name not in settings] or ["optimizer"]
    found = _analysis(analysis.tables, replace(analysis.comparison, by=by), analysis.formats)
    places = {name: place for place, name in enumerate(analysis.order)}
    firsts = analysis.judged["alternative"].map(places).groupby(found.judged["alternative"]).min()
    return replace(
        found,
        order=[str(name) for name in firsts.sort_values().index],
        number=analysis.number,
        side_by_side=analysis.side_by_side,
        strokes_taken=len(analysis.style),
    )


def _analysis(tables: Tables, comparison: Comparison, formats: tuple[str, ...]) -> Analysis:
    comparison = replace(comparison, keys=keys_of(tables, comparison.by))
    judged = judge(tables.runs, comparison)
    search = judged[judged[STAGE] == SEARCH]
    summary = summarise(search, comparison)
    finals, confirmed = final_runs(judged, summary, comparison)
    ranking = rank(summarise(finals, comparison), summary)
    if not confirmed and (ranking["tried"] > 1).any():  # an interval of the best of several would not hold what it says
        ranking[["mean_low", "mean_high"]] = np.nan
    return Analysis(
        tables,
        comparison,
        judged,
        summary,
        finals,
        ranking,
        list(ranking["alternative"]),
        formats=formats,
        confirmed=confirmed,
    )
