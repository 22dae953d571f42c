"""Confusion: which classes each alternative takes for which others."""

from functools import partial

import numpy as np
from xprun.reports.figures.confusion_matrices import (
    MOST,
    accuracy,
    classes_of,
    confusion_figure,
    confusions,
    mistakes_text,
)
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import shorten
from xprun.reports.sections.blocks import Gallery, Part, Section, Text
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.results_schema import VALID

DRAWN = 4  # alternatives

TITLE = "Confusion"


def confusion_section(analysis: Analysis) -> Section:
    """One matrix for each of the best alternatives; empty where `run.metrics` does not ask for `confusion`."""
    split, found = confusions(analysis)
    if any(len(counts) > MOST for counts in found.values()):
        return Section("confusion", TITLE, [Text(f"Matrices of more than {MOST} classes are in matrices.csv.")])
    chosen = list(found.items())[:DRAWN]
    more = f" Drawn for the best {DRAWN} of {len(found)} alternatives." if len(found) > DRAWN else ""
    plots = [_plot(number, name, counts, classes_of(analysis, name)) for number, (name, counts) in enumerate(chosen, 1)]
    parts: list[Part] = [Gallery([draw(plot, analysis) for plot in plots], _how_to_read(split) + more)] if plots else []
    return Section("confusion", TITLE, parts)


def _how_to_read(split: str) -> str:
    rows = "held-out" if split == VALID else "training"
    return (
        f"How many {rows} rows of each actual class (row) were predicted as each class (column), each alternative at "
        "its best setting, all seeds together. The stronger the colour, the larger the share of the row; orange: wrong."
    )


def _plot(number: int, name: str, counts: np.ndarray, classes: list[str]) -> Plot:
    title = f"{shorten(name)}: {accuracy(counts):.1%} right"
    mistakes = mistakes_text(counts, classes)
    return Plot(
        name=f"confusion-{number}",
        title=title,
        caption=f"Most frequent mistakes: {mistakes}." if mistakes else "There is no mistake.",
        alt=f"Most frequent mistakes: {mistakes}" if mistakes else "No mistakes",
        figures={"": partial(confusion_figure, counts, title, classes)},
    )
