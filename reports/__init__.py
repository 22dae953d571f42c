"""Turns the tables of an output folder into pages that people read: `report.html`, `report.md` and its plots."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xprun.reports.presentation.formats import DEFAULT, read_formats
from xprun.reports.presentation.report_errors import ReportError, about

if TYPE_CHECKING:
    import pandas
    from xprun.reports.sections.plugin_plots_section import PluginPlot
    from xprun.runner.results.results_schema import ResultsSchema

__all__ = [
    "DataDescription",
    "Difference",
    "ReportError",
    "alternatives",
    "conclusion",
    "describe_data",
    "difference",
    "ranking",
    "read_formats",
    "schema",
    "scoreboard",
    "verdict",
    "write_report",
]


@dataclass(frozen=True)
class DataDescription:
    """A data set as text, and what draws rows of it as PNG; None where they cannot be seen."""

    text: str
    picture: Callable[[], bytes] | None


@dataclass(frozen=True)
class Difference:
    """Two folders compared: the table as text, and whether anything is worse for sure (`regressed`).

    `undecided`: a sentence for each alternative that looks worse, of which nobody can tell with so few seeds.
    """

    text: str
    regressed: bool
    undecided: list[str]


def write_report(folder: Path, formats: tuple[str, ...] = DEFAULT, plots: Iterable["PluginPlot"] = ()) -> list[Path]:
    """The paths written into `folder`: by default the plots, `report.md` and `report.html`.

    `formats`: see `formats.FORMATS`. `plots`: functions of others that draw the same tables; see `sections.asked`.
    Raises `ReportError` where a table is missing or lacks a column. pandas and matplotlib load here, not on import.
    """
    from xprun.reports.page.writing import write_report

    return write_report(folder, formats, plots)


def describe_data(summary: dict[str, Any]) -> DataDescription:
    """What a data set is, as text and as a picture. `summary`: as the runner's `data_summaries.summarize` makes it."""
    from xprun.reports.data.described_data import data_set
    from xprun.reports.figures.data_pictures import can_be_drawn, data_figure
    from xprun.reports.figures.image_files import to_png
    from xprun.reports.page.rendering import render_listing
    from xprun.reports.presentation.style import theme
    from xprun.reports.sections.data_section import balance_listing, parts_listing

    data = data_set(summary)
    tables = [table for table in (parts_listing(data), balance_listing(data)) if table.rows]

    def picture() -> bytes:
        with theme():
            return to_png(data_figure(data))

    return DataDescription(
        "\n\n".join([data.label, *map(render_listing, tables)]), picture if can_be_drawn(data) else None
    )


def verdict(folder: Path) -> str:
    """What came out best in `folder`, in a sentence or two: the first words of its report. Reads no history."""
    from xprun.reports.text.folder_verdict import read_verdict

    with about(folder):
        return read_verdict(folder)


def conclusion(folder: Path) -> str:
    """What the report on `folder` concludes in a short line, and below it the verdict. Reads no history."""
    from xprun.reports.text.folder_verdict import read_conclusion

    with about(folder):
        return read_conclusion(folder)


def scoreboard(folder: Path, candidates: list[str]) -> "list[dict[str, Any]]":
    """Where these alternatives stand over the problems in `folder`, the best first: values, and `text` in words.

    `name rank mean_rank wins ties losses score untuned_score tried passed failed passes fails diverged`. `ReportError`
    where a table is missing or lacks a column. Reads no history.
    """
    from xprun.reports.data.results_folder import read_results
    from xprun.reports.stats.analysis import make_analysis
    from xprun.reports.text.candidate_findings import candidate_findings

    with about(folder):
        return candidate_findings(make_analysis(read_results(folder)), candidates)


def schema(folder: Path) -> "ResultsSchema":
    """What the tables in `folder` hold: columns with their roles, what is compared, and what was planned.

    `ReportError` where a table is missing or lacks a column, or a newer version has written it. Reads no history.
    """
    from xprun.reports.data.results_folder import read_results

    with about(folder):
        return read_results(folder).schema


def ranking(folder: Path) -> "pandas.DataFrame":
    """One row for each setting in `folder`, the best first: see `stats.ranking.rank_settings`.

    `ReportError` where a table is missing or lacks a column. Reads no history.
    """
    from xprun.reports.data.results_folder import read_results
    from xprun.reports.stats.ranking import rank_settings

    with about(folder):
        return rank_settings(read_results(folder))


def alternatives(folder: Path) -> "pandas.DataFrame":
    """One row for each alternative in `folder` at its chosen setting, as its report ranks them: see
    `stats.ranking.rank_alternatives`.

    `ReportError` where a table is missing or lacks a column. Reads no history.
    """
    from xprun.reports.data.results_folder import read_results
    from xprun.reports.stats.ranking import rank_alternatives

    with about(folder):
        return rank_alternatives(read_results(folder))


def difference(first: Path, second: Path, tolerance: str = "0", *, markdown: bool = False) -> "Difference":
    """What became of the results in `first` in those of `second`.

    `tolerance`: how much worse is no regression, `0.01` in units of the metric compared or `1%` of the first mean.
    `ValueError` for another tolerance, `ReportError` for folders that cannot be compared. Reads no history.
    """
    from xprun.reports.data.folder_comparison import read_comparison
    from xprun.reports.data.results_folder import read_results
    from xprun.reports.page.rendering import render_listing
    from xprun.reports.stats.folder_changes import REGRESSIONS, compare_tables, read_tolerance
    from xprun.reports.text.folder_diff import difference_listing, undecided, unfinished
    from xprun.reports.text.ways_trained import trained_otherwise

    ignored = read_tolerance(tolerance)
    with about(first, second):
        both = read_results(first), read_results(second)
        table = compare_tables(*both, ignored)
        shown = render_listing(difference_listing(table), markdown=markdown)
        return Difference(
            "\n\n".join([shown, *unfinished(*both), *trained_otherwise(both[0].runs, both[1].runs)]),
            bool(table["finding"].isin(REGRESSIONS).any()),
            undecided(table, ascending=read_comparison(both[0]).ascending),
        )
