"""The plots that a spec asks for: functions of plugins, drawn from the tables of a report.

A function that fails costs its own picture and nothing else.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from matplotlib.figure import Figure
from xprun.reports.cells import shorten
from xprun.reports.drawing import Picture, Plot, draw
from xprun.reports.parts import Gallery, Part, Section, Text
from xprun.reports.study import Study


class Asked(Protocol):
    """A plot that somebody asks for. `draw` takes tables by name: see `tables_of`."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def caption(self) -> str: ...
    @property
    def draw(self) -> Callable[..., Any]: ...


def asked_sections(study: Study, plots: Iterable[Asked]) -> Iterator[Section]:
    """A section for each plot, or for the reason why there is none."""
    for i, plot in enumerate(plots, 1):
        yield Section(f"plot-{i}", shorten(plot.title, 60), [_part(plot, f"plot-{i}", study)])


def tables_of(study: Study) -> dict[str, Any]:
    """What a plot is given, by the names of its positional parameters.

    `runs`: the columns of `results.csv`, and `alternative`, `value` (the final metric compared, NaN where it is not
    finite) and `bad` (did not end well). `history`: as in `history.csv`. `settings`: one row a setting, with `mean`,
    `sd`, `mean_low` and `mean_high`. `ranking`: one row an alternative at its best setting. `palette`: the colour of
    each alternative that plots show. `compare`: `metric`, `goal`, `target`, `baseline`, `by`.
    """
    comparison = study.comparison
    return {
        "runs": study.judged.copy(deep=False),
        "history": study.tables.history.copy(deep=False),
        "settings": study.summary.copy(deep=False),
        "ranking": study.ranking.copy(deep=False),
        "palette": {name: stroke.colour for name, stroke in study.style.items()},
        "compare": {name: getattr(comparison, name) for name in ("metric", "goal", "target", "baseline", "by")},
    }


def _part(plot: Asked, file: str, study: Study) -> Part:
    try:
        return Gallery([_picture(plot, file, study)])
    except Exception as error:  # of somebody else's code, after all runs have ended
        return Text(f"{plot.name} did not draw this plot: {type(error).__name__}: {error}")


def _picture(plot: Asked, file: str, study: Study) -> Picture:
    tables = tables_of(study)
    wanted = [p for p in inspect.signature(plot.draw).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    drawn = plot.draw(*(tables[parameter.name] for parameter in wanted))
    figure, words = drawn if isinstance(drawn, tuple) else (drawn, plot.caption)
    if not isinstance(figure, Figure):
        raise TypeError(f"it returned {type(figure).__name__}, and not a matplotlib Figure")
    try:
        return draw(Plot(file, plot.title, plot.caption, str(words), {"": figure}), study)
    finally:
        if "matplotlib.pyplot" in sys.modules:  # which keeps the figures that it made
            sys.modules["matplotlib.pyplot"].close(figure)
