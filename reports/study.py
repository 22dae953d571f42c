"""What every section of a report starts from: the tables of a folder, judged, summarised and ranked."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from xprun.reports.comparison import Comparison, read_comparison
from xprun.reports.look import SHOWN, Stroke, strokes
from xprun.reports.statistics import judge, rank, summarise
from xprun.reports.tables import Tables

FORMATS = ("html", "md")


@dataclass(frozen=True)
class Study:
    """The tables of a folder and what the comparison makes of them.

    `judged`: see `statistics.judge`; `summary`: see `summarise`; `ranking`: see `rank`. `formats`: what is written.
    """

    tables: Tables
    comparison: Comparison
    judged: pd.DataFrame
    summary: pd.DataFrame
    ranking: pd.DataFrame
    formats: tuple[str, ...] = FORMATS

    @cached_property
    def style(self) -> dict[str, Stroke]:
        """A stroke for each alternative that plots show, best first."""
        return strokes(list(self.ranking["alternative"]))

    @cached_property
    def best(self) -> pd.DataFrame:
        """The judged runs of the alternatives that plots show, each at its best setting."""
        return self.judged[self.judged["setting"].isin(self.ranking.index[: len(self.style)])]

    @property
    def omitted(self) -> str:
        """A sentence for captions where there are more alternatives than plots show; empty otherwise."""
        return f" Only the best {SHOWN} of {len(self.ranking)} are drawn." if len(self.ranking) > SHOWN else ""


def make_study(tables: Tables, formats: tuple[str, ...] = FORMATS) -> Study:
    """The study of `tables`. `ReportError` where they cannot answer what is compared."""
    comparison = read_comparison(tables)
    judged = judge(tables.runs, comparison)
    summary = summarise(judged, comparison)
    return Study(tables, comparison, judged, summary, rank(summary), formats)
