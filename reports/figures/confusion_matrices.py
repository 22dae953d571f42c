"""Confusion matrices: which classes were taken for which, over all seeds of the best settings."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from xprun.reports.presentation.formatting import listed, shorten, value_text
from xprun.reports.presentation.style import INK
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.class_names import class_labels, label_of
from xprun.runner.results.results_schema import COLUMN, METRIC, ROW, RUN, VALID, VALUE

COMPONENT = "confusion"
ANNOTATED = 20  # classes up to which each cell has room for its count
MOST = 60  # classes of a matrix that is drawn
WRONG = "#d55e00"
OPACITY = {True: 0.3, False: 0.6}  # of a cell that holds a whole row: on the diagonal, and off it
SIZE = (5.6, 4.9)
LABEL = 20  # characters of the name of a class
ACROSS = 40  # characters below the matrix that stand side by side; more are turned


def confusions(analysis: Analysis) -> tuple[str, dict[str, np.ndarray]]:
    """The split, and by alternative the counts [actual, predicted] at its best setting, summed over the seeds.

    Of the held-out rows where there are such; none for alternatives without a matrix.
    """
    table = analysis.tables.matrices
    known = [matrix for matrix in analysis.tables.schema.matrices if matrix.component == COMPONENT]
    known.sort(key=lambda matrix: matrix.split != VALID)
    drawn = next((matrix for matrix in known if (table[METRIC] == matrix.name).any()), None)
    if drawn is None:
        return "", {}
    rows = table[(table[METRIC] == drawn.name) & table[RUN].isin(analysis.best[RUN])]
    alternatives = rows[RUN].map(analysis.best.set_index(RUN)["alternative"])
    found = {str(alternative): _matrix(cells) for alternative, cells in rows.groupby(alternatives)}
    return drawn.split, {name: found[name] for name in analysis.shown if name in found}


def _matrix(cells: pd.DataFrame) -> np.ndarray:
    return cells.pivot_table(index=ROW, columns=COLUMN, values=VALUE, aggfunc="sum").fillna(0).to_numpy()


def classes_of(analysis: Analysis, alternative: str) -> list[str]:
    """The names of the classes that an alternative's matrix counts; none where its runs do not agree on them."""
    rows = analysis.best
    return analysis.tables.schema.class_names(rows.loc[rows["alternative"] == alternative, RUN])


def accuracy(counts: np.ndarray) -> float:
    """The share of all rows on the diagonal."""
    return float(np.trace(counts) / counts.sum()) if counts.sum() else float("nan")


def mistakes_text(counts: np.ndarray, names: Sequence[str] = (), most: int = 3) -> str:
    """The most frequent mistakes in words, `8 for 1 (12 of 180)` or `cat for dog (...)`; empty where there are none."""
    labels = class_labels(names, shorten)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = [np.unravel_index(place, wrong.shape) for place in order]
    told = [
        f"{label_of(i, labels)} for {label_of(j, labels)} ({value_text(wrong[i, j])} of {value_text(counts[i].sum())})"
        for i, j in cells
        if wrong[i, j]
    ]
    return listed(told)


def confusion_figure(counts: np.ndarray, title: str, names: Sequence[str] = ()) -> Figure:
    """Counts [actual, predicted] as a grid, shaded by their share of the row: ink where right, orange where wrong."""
    classes = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    for i, j in np.argwhere(counts > 0):
        right = i == j
        opacity = OPACITY[bool(right)] * np.sqrt(shares[i, j])
        axes.add_patch(
            Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=INK if right else WRONG, alpha=opacity, linewidth=0)
        )
        if classes <= ANNOTATED:
            size = 8.5 if classes <= 12 else 6.5
            axes.text(j, i, value_text(counts[i, j]), ha="center", va="center", fontsize=size)
    axes.set(
        xlim=(-0.5, classes - 0.5), ylim=(classes - 0.5, -0.5), xlabel="predicted", ylabel="actual", aspect="equal"
    )
    ticks = np.arange(0, classes, 1 if classes <= ANNOTATED else 5)
    labels = class_labels(names, partial(shorten, length=LABEL))
    told = [label_of(tick, labels) for tick in ticks.tolist()]
    side_by_side = len(ticks) * max(map(len, told), default=0) <= ACROSS
    axes.set_xticks(ticks, told, rotation=0 if side_by_side else 90)
    axes.set_yticks(ticks, told)
    axes.grid(visible=False)
    axes.set_title(title)
    return figure
