"""Plots of others stand in the report, and one that fails costs its own picture only."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from support.folders import Case
from xprun.plugins.kinds import PLOT_RECEIVES
from xprun.plugins.plots.scatter import scatter
from xprun.reports import write_report
from xprun.reports.data.results_folder import read_tables
from xprun.reports.sections.plugin_plots_section import tables_of
from xprun.reports.stats.analysis import make_analysis

Make = Callable[..., Path]
CASES = [Case("SGD", 0.1, [0.8, 0.9]), Case("Adam", 0.1, [0.7, None])]


@dataclass
class PluginPlot:
    draw: Callable[..., Any]
    name: str = "my.plot"
    title: str = "My <plot>"
    caption: str = "What it shows."


def reported(folder: Path, *draws: Callable[..., Any]) -> tuple[str, str]:
    write_report(folder, plots=[PluginPlot(draw) for draw in draws])
    return (folder / "report.html").read_text(encoding="utf-8"), (folder / "report.md").read_text(encoding="utf-8")


def bars(ranking: pd.DataFrame, palette: dict[str, str]) -> tuple[Figure, str]:
    figure = Figure()
    names = ranking["alternative"]
    figure.subplots().bar(names, ranking["mean"], color=[palette[name] for name in names])
    return figure, f"best {ranking['mean'].max():g}"


def test_a_plot_has_a_section_in_every_page(make_folder: Make) -> None:
    folder = make_folder(CASES)
    page, markdown = reported(folder, bars)
    assert '<a href="#plot-1">My &lt;plot&gt;</a>' in page
    assert 'aria-label="My &lt;plot&gt;. best 0.85."' in page
    assert "var(--series-1)" in page.split('id="plot-1"')[1]
    assert "![My &lt;plot&gt;. best 0.85](plots/plot-1.png)\n\nWhat it shows." in markdown
    assert (folder / "plots" / "plot-1.png").is_file()


def test_a_plot_may_come_from_pyplot(make_folder: Make) -> None:
    def with_pyplot(runs: pd.DataFrame, history: pd.DataFrame) -> Figure:
        figure, axes = pyplot.subplots()
        axes.plot(history["step"], history["value"])
        return figure

    before = pyplot.get_fignums()
    _, markdown = reported(make_folder(CASES), with_pyplot)
    assert "![My &lt;plot&gt;. What it shows.](plots/plot-1.png)" in markdown
    assert pyplot.get_fignums() == before


def test_a_figure_keeps_its_own_legend(make_folder: Make) -> None:
    def with_legend() -> Figure:
        figure = Figure()
        figure.subplots().plot([1, 2], label="one line")
        figure.legend()
        return figure

    page, _ = reported(make_folder(CASES), with_legend)
    assert ">one line<" in page


def fails(runs: pd.DataFrame) -> Figure:
    raise ValueError("no <luck>")


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (fails, "my.plot did not draw this plot: ValueError: no &lt;luck&gt;"),
        (lambda ranking: "a text", "my.plot did not draw this plot: TypeError: it returned str, and not a matplotlib"),
        (lambda tables: Figure(), "my.plot did not draw this plot: KeyError: "),
    ],
)
def test_one_that_fails_is_a_note(make_folder: Make, draw: Callable[..., Any], reason: str) -> None:
    page, markdown = reported(make_folder(CASES), draw, bars)
    assert reason in page
    assert "plots/plot-2.png" in markdown
    assert "## Runs" in markdown


def test_a_plot_that_adds_columns_changes_no_other(make_folder: Make) -> None:
    def spoils(runs: pd.DataFrame, ranking: pd.DataFrame) -> Figure:
        runs["status"], ranking["mean"] = "spoilt", 0.0
        return Figure()

    _, markdown = reported(make_folder(CASES), spoils, bars)
    assert "best 0.85" in markdown
    assert "spoilt" not in markdown


def test_a_raster_image_is_allowed_where_there_is_one(make_folder: Make) -> None:
    def raster() -> Figure:
        figure = Figure()
        figure.subplots().imshow([[0, 1], [1, 0]])
        return figure

    assert "img-src data:" in reported(make_folder(CASES), raster)[0]
    assert "img-src" not in reported(make_folder(CASES), bars)[0]


def test_plots_are_given_what_the_check_says(make_folder: Make) -> None:
    assert tuple(tables_of(make_analysis(read_tables(make_folder(CASES))))) == PLOT_RECEIVES


def test_two_columns_against_each_other(make_folder: Make) -> None:
    runs = tables_of(make_analysis(read_tables(make_folder(CASES))))["runs"]
    figure, words = scatter(runs, {"SGD": "#0072b2"}, x="seconds", y="final.valid.accuracy")
    assert words == "3 of 4 runs have both seconds and final.valid.accuracy"
    points = [tuple(map(float, point)) for part in figure.axes[0].collections for point in part.get_offsets()]
    assert points == [(0.05, 0.8), (0.05, 0.9), (0.05, 0.7)]
    with pytest.raises(ValueError, match=r"no column 'minutes'; it has run, data, model"):
        scatter(runs, {}, x="minutes", y="seconds")
