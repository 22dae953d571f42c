"""The map of problems and alternatives: how good each is on each, at a glance."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from xprun.reports.figures.axes import draw_as_shapes
from xprun.reports.figures.heat_maps import label_cells
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import RULE
from xprun.runner.results.results_schema import PROBLEM

CELL = 0.27  # inches, of a row
WIDTH = 7.2


def map_figure(scores: pd.DataFrame, ranks: pd.DataFrame, title: str) -> Figure:
    """Scores from 0 to 1 [problems, alternatives] as colours, the better the brighter, with ranks in the cells."""
    import seaborn as sns  # takes a while to import, and few pages need it

    figure = Figure(figsize=(WIDTH, 1.9 + CELL * len(scores)), layout="constrained")
    axes = figure.subplots()
    sns.heatmap(
        scores.astype("float64"),
        ax=axes,
        cmap="cividis",
        vmin=0.0,
        vmax=1.0,
        annot=ranks.to_numpy(dtype="float64"),
        fmt=".0f",
        annot_kws={"size": 7.5},
        cbar_kws={"label": "score", "shrink": min(1.0, 6 / max(1, len(scores)))},
        linewidths=0.5,
        linecolor=RULE,
        xticklabels=[shorten(str(name), 24) for name in scores.columns],
        yticklabels=[shorten(str(label), 34) for label in scores.index],
    )
    label_cells(axes)
    axes.tick_params(labelsize=8)
    axes.tick_params(axis="x", labelrotation=35 if len(scores.columns) > 4 else 0)
    for label in axes.get_xticklabels() if len(scores.columns) > 4 else ():
        label.set_horizontalalignment("right")
        label.set_rotation_mode("anchor")
    axes.tick_params(axis="y", labelrotation=0)
    axes.set_xlabel("")
    axes.set_ylabel("")
    draw_as_shapes(axes.collections[0].colorbar)
    figure.suptitle(shorten(title, 70), x=0.02, ha="left", fontsize=11, fontweight="bold")
    return figure


def mean_scores(scores: pd.DataFrame, problems: list[str], names: list[str]) -> pd.DataFrame:
    """The mean score [problems, alternatives] of the runs in a table of scores."""
    means = scores.groupby([PROBLEM, "alternative"])["score"].mean().unstack()
    return means.reindex(index=problems, columns=names).fillna(0.0).astype(np.float64)
