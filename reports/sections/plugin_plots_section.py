"""The plots that a spec asks for: functions of plugins, drawn from the tables of a report.

A function that fails costs its own picture and nothing else.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from matplotlib.figure import Figure
from xprun.reports.figures.plot_files import Picture, Plot, draw
from xprun.reports.presentation.formatting import shorten
from xprun.reports.sections.blocks import Gallery, Part, Section, Text
from xprun.reports.stats.analysis import Analysis


class PluginPlot(Protocol):
    """A plot that somebody asks for. `draw` takes tables by name: see `tables_of`."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def caption(self) -> str: ...
    @property
    def draw(self) -> Callable[..., Any]: ...


def plugin_plot_sections(analysis: Analysis, plots: Iterable[PluginPlot]) -> Iterator[Section]:
    """A section for each plot, or for the reason why there is none."""
    for i, plot in enumerate(plots, 1):
        yield Section(f"plot-{i}", shorten(plot.title, 60), [_part(plot, f"plot-{i}", analysis)])


def tables_of(analysis: Analysis) -> dict[str, Any]:
    """What a plot is given, by the names of its positional parameters.

    `runs`: the columns of `results.csv`, and `alternative`, `value` (the final metric compared, NaN where it is not
    finite) and `bad` (failed or diverged). `history`: as in `history.csv`. `settings`: one row a setting, with `mean`,
    `sd`, `mean_low` and `mean_high`. `ranking`: one row an alternative at its best setting. `palette`: the colour of
    each alternative that plots show. `compare`: `metric`, `goal`, `target`, `baseline`, `by`.
    """
    comparison = analysis.comparison
    return {
        "runs": analysis.judged.copy(deep=False),
        "history": analysis.tables.history.copy(deep=False),
        "settings": analysis.summary.copy(deep=False),
        "ranking": analysis.ranking.copy(deep=False),
        "palette": {name: stroke.colour for name, stroke in analysis.style.items()},
        "compare": {name: getattr(comparison, name) for name in ("metric", "goal", "target", "baseline", "by")},
    }


def _part(plot: PluginPlot, file: str, analysis: Analysis) -> Part:
    try:
        return Gallery([_picture(plot, file, analysis)])
    except Exception as error:  # of somebody else's code, after all runs have ended
        return Text(f"{plot.name} did not draw this plot: {type(error).__name__}: {error}")


def _picture(plot: PluginPlot, file: str, analysis: Analysis) -> Picture:
    tables = tables_of(analysis)
    wanted = [p for p in inspect.signature(plot.draw).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    drawn = plot.draw(*(tables[parameter.name] for parameter in wanted))
    figure, words = drawn if isinstance(drawn, tuple) else (drawn, plot.caption)
    if not isinstance(figure, Figure):
        raise TypeError(f"it returned {type(figure).__name__}, and not a matplotlib Figure")
    try:
        picture = draw(Plot(file, plot.title, plot.caption, str(words), {"": lambda: figure}), analysis)
        picture.drawing.finish()  # what it raises is told as this plot's
        return picture
    finally:
        if "matplotlib.pyplot" in sys.modules:  # which keeps the figures that it made
            sys.modules["matplotlib.pyplot"].close(figure)
