"""How much the settings matter: the final metric against each that was swept."""

from functools import partial
from typing import Any

import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.figures.draw_points import PANELS, described_draws, draws_figure
from xprun.reports.figures.heat_maps import heat_figure, heat_tables
from xprun.reports.figures.line_plots import sensitivity_figure, tuning_figure
from xprun.reports.figures.parallel_coordinates import parallel_figure
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import (
    Column,
    Listing,
    decimals,
    exact,
    is_number,
    listed,
    listing,
    numbers,
    ranges,
    short_names,
    shorten,
    texts,
    value_text,
)
from xprun.reports.presentation.style import SHOWN
from xprun.reports.sections.blocks import Gallery, Grid, Part, Section
from xprun.reports.stats.analysis import Analysis, by_sections
from xprun.reports.stats.curve_averages import sensitivity
from xprun.reports.stats.tuning import expected_best, good_widths, moving_with

SENSITIVITIES = 6
SEVERAL = 3  # settings from which on a plot shows all of them at once
BUDGETS_SHOWN = (1, 2, 3, 5, 10, 20, 50)


def sensitivity_section(analysis: Analysis) -> Section:
    """A plot for each numeric setting that was swept, the range of good values, and what tuning is worth."""
    analysis = by_sections(analysis)
    comparison, summary = analysis.comparison, analysis.summary
    keys = axes(analysis)
    if not keys:
        return Section("sensitivity", "Sensitivity", [])
    budgets = budget_listing(summary, comparison)
    linked = {key: moving_with(summary, key, comparison) for key in keys}
    alone = {key: _varied_alone(key, linked[key], summary) for key in keys}
    crossed = [key for key in keys if not linked[key]]
    plots = [
        *(plot for key in keys for plot in [*_plot(key, alone[key], analysis), *_draws(key, linked[key], analysis)]),
        *_heat(crossed[:2], analysis),
        *_parallel(analysis),
        *([_tuning(analysis)] if budgets.rows and not analysis.is_one_of_many else []),
    ]
    tried = [key for key in keys if len(alone[key])]
    parts: list[Part] = [Gallery([draw(plot, analysis) for plot in plots])]
    parts += [Grid(width_listing(alone[key], key, comparison), f"Range of good values: {key}") for key in tried]
    if budgets.rows:
        parts.append(Grid(budgets, _best_of(analysis)))
    return Section("sensitivity", "Sensitivity", parts)


def _varied_alone(key: str, linked: dict[str, list[str]], summary: pd.DataFrame) -> pd.DataFrame:
    """The settings of the alternatives in which `key` does not change with others, if it changes in any of them."""
    rows = summary[~summary["alternative"].isin(linked)]
    several = rows.groupby("alternative")[key].nunique().gt(1).any()
    return rows if several else rows.iloc[:0]


def axes(analysis: Analysis) -> list[str]:
    """The settings to plot against: numeric, with at least two values; learning rates first."""
    summary = analysis.summary
    found = [key for key in analysis.comparison.keys if is_number(summary[key]) and summary[key].nunique() > 1]
    return sorted(found, key=lambda key: not key.endswith(".lr"))[:SENSITIVITIES]


def _plot(key: str, summary: pd.DataFrame, analysis: Analysis) -> list[Plot]:
    """The line of each alternative in `summary` over the values of a setting; none where there is no alternative."""
    comparison = analysis.comparison
    points = sensitivity(summary, key)
    points = points[points["alternative"].isin(list(analysis.style))]
    if points.empty:
        return []
    title = f"{comparison.chosen} against {key}"
    others = "The other settings at their best. " if len(comparison.keys) > 1 else ""
    caption = f"{others}The mean over seeds, with a band from the lowest to the highest."
    plot = Plot(
        name=f"sensitivity-{key}",
        title=title,
        caption=caption + _crossed(points) + analysis.omitted,
        alt=_best_values(points, comparison),
        figures={"": partial(sensitivity_figure, points, analysis.style, title, key, not comparison.ascending)},
        alternatives=points["alternative"],
        hover={"": _points(points, analysis)},
        x=short_names(comparison.keys).get(key, key),
    )
    return [plot]


def _draws(key: str, linked: dict[str, list[str]], analysis: Analysis) -> list[Plot]:
    """The points of the alternatives in which a setting was varied together with others, coloured by one of these."""
    comparison, rows = analysis.comparison, analysis.summary.dropna(subset=["mean"])
    plots: list[Plot] = []
    for colour in dict.fromkeys(partners[0] for partners in linked.values()):
        names = [name for name in analysis.shown if linked.get(name, [""])[0] == colour]
        tables = {name: rows[rows["alternative"] == name] for name in names}
        shown = {name: table for name, table in tables.items() if len(table)}
        others = listed(list(dict.fromkeys(other for name in shown for other in linked[name])))
        title = f"{comparison.chosen} against {key}"
        shown, left = dict(list(shown.items())[:PANELS]), len(shown) - PANELS
        caption = (
            f"Varied together with {others}: a point for each setting without failed or diverged runs, coloured by "
            f"{colour}."
        )
        if shown:
            plots.append(
                Plot(
                    name=f"draws-{key}" + (f"-{colour}" if plots else ""),
                    title=title,
                    caption=caption + (f" Shown for {listed(list(shown))}." if left > 0 else ""),
                    alt="Best: " + listed(described_draws(shown, key, colour, ascending=comparison.ascending)),
                    figures={"": partial(draws_figure, shown, key, colour, title)},
                )
            )
    return plots


def _points(points: pd.DataFrame, analysis: Analysis) -> list[dict[str, Any]]:
    """The points of all lines, for the values at the pointer."""
    show = decimals(points["mean"])
    return [
        {
            "number": analysis.style[str(name)].number,
            "name": name,
            "x": [float(f"{value:.6g}") for value in rows["x"]],
            "y": [show(value) for value in rows["mean"]],
        }
        for name, rows in points.dropna(subset=["mean"]).groupby("alternative", sort=False)
    ]


def _parallel(analysis: Analysis) -> list[Plot]:
    """All settings at once, where an alternative has at least three that were swept."""
    comparison, rows, plots = analysis.comparison, analysis.summary.dropna(subset=["mean"]), list[Plot]()
    for name in analysis.shown:
        table = rows[rows["alternative"] == name]
        keys = [key for key in axes(analysis) if table[key].nunique() > 1]
        if len(keys) >= SEVERAL and len(plots) < PANELS and len(table) > 1:
            short = short_names(comparison.keys)
            best = listed([f"{short[key]} {value_text(table[key].iloc[0])}" for key in keys])
            title = f"{shorten(name, 20)}: {comparison.chosen} against {len(keys)} settings"
            plots.append(
                Plot(
                    name=f"parallel-{name}",
                    title=title,
                    caption=f"{len(table)} settings without failed or diverged runs, a line each; the best in orange.",
                    alt=f"Best: {value_text(table['mean'].iloc[0])} with {best}",
                    figures={
                        "": partial(
                            parallel_figure,
                            table.rename(columns=short),
                            [short[key] for key in keys],
                            title,
                            comparison.chosen,
                            ascending=comparison.ascending,
                        )
                    },
                )
            )
    return plots


def _best_values(points: pd.DataFrame, comparison: Comparison) -> str:
    best = points.dropna(subset=["mean"]).sort_values("mean", ascending=comparison.ascending, kind="stable")
    rows = best.drop_duplicates("alternative").itertuples()
    return "Best: " + listed(
        [f"{row.alternative} {value_text(row.mean)} at {value_text(row.x)}" for row in rows], SHOWN
    )


def _crossed(points: pd.DataFrame) -> str:
    bad = points[points["bad"] > 0]
    where = [f"{row.alternative} at {value_text(row.x)} ({row.bad} of {row.runs})" for row in bad.itertuples()]
    cross = "\N{MULTIPLICATION SIGN}"
    return f" {cross} marks values with runs that failed or diverged: {listed(where, 8)}." if where else ""


def _best_of(analysis: Analysis) -> str:
    return f"Expected best {analysis.comparison.metric} after trying k random settings"


def _tuning(analysis: Analysis) -> Plot:
    expected = expected_best(analysis.summary, analysis.comparison)
    expected = expected[expected["alternative"].isin(list(analysis.style))]
    last = expected.drop_duplicates("alternative", keep="last").set_index("alternative")
    ends = [f"{name} {value_text(last['expected'][name])} of {last['tried'][name]}" for name in analysis.shown]
    return Plot(
        name="tuning",
        title=f"expected {analysis.comparison.chosen} against settings tried",
        caption=(
            f"{_best_of(analysis)}, drawn without replacement: what tuning is worth, and how many settings it takes. A "
            "line starts at the first k for which at least one setting without failed or diverged runs is certain."
            + analysis.omitted
        ),
        alt="After all settings: " + listed(ends, SHOWN),
        figures={"": partial(tuning_figure, expected, analysis.style, f"expected {analysis.comparison.chosen}")},
        alternatives=expected["alternative"],
    )


def _heat(keys: list[str], analysis: Analysis) -> list[Plot]:
    """The heat map of the first two settings that were swept; none where no alternative has several values of both."""
    comparison = analysis.comparison
    tables = heat_tables(analysis.summary, keys, list(analysis.ranking["alternative"])) if len(keys) == 2 else {}
    if not tables:
        return []
    title = f"{comparison.chosen} against {keys[0]} and {keys[1]}"
    best = {
        name: table.min(axis=None) if comparison.ascending else table.max(axis=None) for name, table in tables.items()
    }
    caption = (
        f"The {title}: the mean over seeds; brighter is better. Empty where a run failed or diverged, or nothing was "
        f"tried. Shown for {listed(list(tables))}."
    )
    alt = "Best: " + listed([f"{name} {value_text(value)}" for name, value in best.items()])
    figure = partial(heat_figure, tables, comparison.chosen, ascending=comparison.ascending)
    return [Plot(f"heat-{keys[0]}-{keys[1]}", title, caption, alt, {"": figure})]


def width_listing(summary: pd.DataFrame, key: str, comparison: Comparison) -> Listing:
    """One row an alternative: its best value of a setting and the values around it that are nearly as good."""
    table = good_widths(summary, key, comparison)
    name = short_names(comparison.keys)[key]
    columns = [
        texts("alternative", table["alternative"]),
        exact(f"best {name}", table["best"]),
        texts("within 5% of the best", ranges(table["low"], table["high"])),
        Column("values", [f"{a} of {b}" for a, b in zip(table["within"], table["tried"], strict=True)], number=True),
        texts("failed or diverged at", ranges(table["bad_low"], table["bad_high"])),
    ]
    return listing(columns)


def budget_listing(summary: pd.DataFrame, comparison: Comparison) -> Listing:
    """One row an alternative: what to expect of the best of 1, 2, 3, 5 ... settings; none where nothing was tuned."""
    table = expected_best(summary, comparison)
    table = table[table["tried"].isin(BUDGETS_SHOWN)].pivot(index="alternative", columns="tried", values="expected")
    if len(table.columns) < 2:
        return listing([])
    names = [name for name in summary["alternative"].unique() if name in table.index]
    like = [table[k] for k in table]
    columns = [numbers(f"best of {k}", table[k].loc[names], like=like) for k in table]
    return listing([texts("alternative", names), *columns])
