"""Two swept settings at a time: heat maps."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xprun.reports.figures.axes import FARTHEST, draw_as_shapes
from xprun.reports.presentation.formatting import shorten, value_text
from xprun.reports.presentation.style import RULE

PANELS = 3
ANNOTATED = 60  # cells that have room for their value
SIZE = (5.6, 3.4)


def heat_tables(summary: pd.DataFrame, keys: list[str], alternatives: list[str]) -> dict[str, pd.DataFrame]:
    """By alternative, the means [values of the first key, values of the second], the other settings at their best.

    The first `alternatives` that have at least two values of both. NaN where a run failed or diverged, and where
    nothing was tried.
    """
    tables: dict[str, pd.DataFrame] = {}
    for name in alternatives:
        rows = summary[summary["alternative"] == name].dropna(subset=keys).drop_duplicates(keys)
        if len(tables) < PANELS and (rows[keys].nunique() > 1).all():
            tables[name] = rows.pivot(index=keys[0], columns=keys[1], values="mean").sort_index().sort_index(axis=1)
    return {name: table for name, table in tables.items() if table.notna().any(axis=None)}


def heat_figure(tables: dict[str, pd.DataFrame], title: str, *, ascending: bool) -> Figure:
    """One heat map an alternative (see `heat_tables`), all on one scale: the better, the brighter."""
    import seaborn as sns  # takes a while to import, and few pages need it

    tables = {name: table.clip(-FARTHEST, FARTHEST) for name, table in tables.items()}
    figure = Figure(figsize=SIZE, layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    means = np.concatenate([table.to_numpy(dtype="float64").ravel() for table in tables.values()])
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        sns.heatmap(
            table,
            ax=axes,
            cmap="cividis_r" if ascending else "cividis",
            vmin=float(np.nanmin(means)),
            vmax=float(np.nanmax(means)),
            annot=table.size * len(tables) <= ANNOTATED,
            fmt=".3g",
            annot_kws={"size": 7.5},
            cbar=axes is panels[-1],
            linewidths=0.5,
            linecolor=RULE,
            xticklabels=[value_text(value) for value in table.columns],
            yticklabels=[value_text(value) for value in table.index],
        )
        label_cells(axes)
        axes.set_title(shorten(name, 72 // len(tables)), fontsize=9)
        axes.tick_params(labelrotation=0, labelsize=8)
        axes.set_ylabel(shorten(str(table.index.name)) if axes is panels[0] else "")
        axes.set_xlabel(shorten(str(table.columns.name)))
    draw_as_shapes(panels[-1].collections[0].colorbar)
    figure.suptitle(shorten(title, 60), x=0.02, ha="left", fontsize=11, fontweight="bold")
    return figure


def label_cells(axes: Axes) -> None:
    """Write the values of a heat map in black or white, whichever stands out more from its cell: by 4.5 to 1 at least.

    The contrast ratio of WCAG 2.2; seaborn's own choice goes down to 2.3 to 1.
    """
    mesh: Any = axes.collections[0]
    columns = mesh.get_array().shape[1]
    for text in axes.texts:
        column, row = (int(place) for place in text.get_position())
        red, green, blue, _ = mesh.get_facecolors()[row * columns + column]
        luminance = np.dot([0.2126, 0.7152, 0.0722], [_linear(part) for part in (red, green, blue)])
        text.set_color("black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white")


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
