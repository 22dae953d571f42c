"""What every section of a report starts from: the tables of a folder, judged, summarised and ranked."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd
from xprun.reports.cells import listed
from xprun.reports.comparison import Comparison, keys_of, read_comparison
from xprun.reports.formats import DEFAULT
from xprun.reports.look import SHOWN, Stroke, strokes
from xprun.reports.problems import problem_of, rank_table
from xprun.reports.statistics import judge, rank, summarise
from xprun.reports.tables import Tables


@dataclass(frozen=True)
class Study:
    """The tables of a folder, or of one problem in it, and what the comparison makes of them.

    `judged`: see `statistics.judge`; `summary`: see `summarise`; `ranking`: see `rank`. `order`: all alternatives, best
    first. `formats`: what is written. `problems`: a study for each problem, by its label, where there are several;
    `number` is which one this is, from 1, or 0.
    """

    tables: Tables
    comparison: Comparison
    judged: pd.DataFrame
    summary: pd.DataFrame
    ranking: pd.DataFrame
    order: list[str]
    formats: tuple[str, ...] = DEFAULT
    problems: dict[str, "Study"] = field(default_factory=dict)
    number: int = 0

    @cached_property
    def style(self) -> dict[str, Stroke]:
        """A stroke for each alternative that plots show, best first."""
        return strokes(self.order)

    @cached_property
    def shown(self) -> list[str]:
        """The alternatives that plots show, as they are ranked here."""
        return [name for name in self.ranking["alternative"] if name in self.style]

    @cached_property
    def best(self) -> pd.DataFrame:
        """The judged runs of the alternatives that plots show, each at its best setting."""
        runs = at_best(self)
        return runs[runs["alternative"].isin(self.shown)]

    @cached_property
    def typical(self) -> pd.Series:
        """For each alternative that plots show, a run at its best setting to show alone: of one seed, where they can.

        It is the seed whose runs lie closest to the medians of their alternatives, in ranks, so that all start at the
        same place; without a seed that all have, each has its median run. Runs that did not end well rank last.
        """
        worst = float("inf") if self.comparison.ascending else -float("inf")
        values = self.best["value"].where(~self.best["bad"], worst)
        ranks = values.groupby(self.best["setting"]).rank(method="first", ascending=self.comparison.ascending)
        size = ranks.groupby(self.best["setting"]).transform("size")
        table = self.best.assign(distance=(ranks - (size + 1) // 2).abs())
        seeds = table.groupby("seed").agg(distance=("distance", "sum"), n=("alternative", "nunique"))
        shared = seeds[seeds["n"] == table["alternative"].nunique()]
        if len(shared):
            table = table[table["seed"] == shared["distance"].idxmin()]
        chosen = table.sort_values("distance", kind="stable").drop_duplicates("alternative").set_index("alternative")
        return chosen["run"].reindex(self.shown)

    def whose(self, alternatives: list[str]) -> str:
        """Words for captions that say which runs stand for these alternatives."""
        seeds = self.best.set_index("run")["seed"][self.typical[alternatives]]
        if self.best["seed"].nunique() == 1:
            return f"with seed {seeds.iloc[0]}"
        if seeds.nunique() == 1:
            return f"with seed {seeds.iloc[0]}, whose runs are closest to the median final {self.comparison.metric}"
        told = listed([f"{name} {seed}" for name, seed in zip(alternatives, seeds, strict=True)], SHOWN)
        return f"with the seed of the median final {self.comparison.metric} ({told})"

    @property
    def omitted(self) -> str:
        """A sentence for captions where there are more alternatives than plots show; empty otherwise."""
        return f" Only the best {SHOWN} of {len(self.order)} are drawn." if len(self.order) > SHOWN else ""


def make_study(tables: Tables, formats: tuple[str, ...] = DEFAULT) -> Study:
    """The study of `tables`. `ReportError` where they cannot answer what is compared."""
    comparison = read_comparison(tables)
    whole = _study(tables, comparison, formats)
    if not comparison.problems:
        return whole
    groups = tables.runs.groupby(problem_of(tables.runs, comparison), sort=False)
    parts = {str(label): _study(replace(tables, runs=runs), comparison, formats) for label, runs in groups}
    ranks = rank_table({label: part.ranking for label, part in parts.items()})
    order = [str(name) for name in ranks]
    numbered = enumerate(parts.items(), 1)
    return replace(
        whole,
        order=order,
        problems={label: replace(part, order=order, number=number) for number, (label, part) in numbered},
    )


def at_best(study: Study) -> pd.DataFrame:
    """The judged runs of all alternatives, each at its best setting."""
    return study.judged[study.judged["setting"].isin(study.ranking.index)]


def _study(tables: Tables, comparison: Comparison, formats: tuple[str, ...]) -> Study:
    comparison = replace(comparison, keys=keys_of(tables, comparison.by))
    judged = judge(tables.runs, comparison)
    summary = summarise(judged, comparison)
    ranking = rank(summary)
    return Study(tables, comparison, judged, summary, ranking, list(ranking["alternative"]), formats)
