"""How much the settings matter: the final metric against each that was swept."""

import pandas as pd
from xprun.reports.cells import listed, value_text
from xprun.reports.comparison import Comparison
from xprun.reports.curves import sensitivity
from xprun.reports.drawing import Plot, draw
from xprun.reports.evidence import budget_listing, width_listing
from xprun.reports.findings import is_number
from xprun.reports.heat import heat_figure, heat_tables
from xprun.reports.look import SHOWN
from xprun.reports.parts import Gallery, Grid, Part, Section
from xprun.reports.plots import sensitivity_figure, tuning_figure
from xprun.reports.study import Study
from xprun.reports.tuning import expected_best

SENSITIVITIES = 6


def sensitivity_section(study: Study) -> Section:
    """A plot for each numeric setting that was swept, the room around the best, and what tuning is worth."""
    comparison, summary = study.comparison, study.summary
    keys = axes(study)
    if not keys:
        return Section("sensitivity", "Sensitivity", [])
    budgets = budget_listing(summary, comparison)
    plots = [*(_plot(key, study) for key in keys), *_heat(keys[:2], study), *([_tuning(study)] if budgets.rows else [])]
    parts: list[Part] = [Gallery([draw(plot, study) for plot in plots])]
    parts += [Grid(width_listing(summary, key, comparison), f"Room around the best {key}") for key in keys]
    if budgets.rows:
        parts.append(Grid(budgets, f"{_best_of(study)}, drawn at random"))
    return Section("sensitivity", "Sensitivity", parts)


def axes(study: Study) -> list[str]:
    """The settings to plot against: numeric, with at least two values; learning rates first."""
    summary = study.summary
    found = [key for key in study.comparison.keys if is_number(summary[key]) and summary[key].nunique() > 1]
    return sorted(found, key=lambda key: not key.endswith(".lr"))[:SENSITIVITIES]


def _plot(key: str, study: Study) -> Plot:
    comparison = study.comparison
    points = sensitivity(study.summary, key)
    points = points[points["alternative"].isin(list(study.style))]
    title = f"final {comparison.metric} against {key}"
    others = ", the other settings at their best" if len(comparison.keys) > 1 else ""
    caption = f"The {title}{others}: the mean over seeds, and a band from the lowest to the highest."
    return Plot(
        name=f"sensitivity-{key}",
        title=title,
        caption=caption + _crossed(points) + study.omitted,
        alt=_best_values(points, comparison),
        figures={
            "": sensitivity_figure(points, study.style, f"final {comparison.metric}", key, not comparison.ascending)
        },
        alternatives=points["alternative"],
    )


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
    return f" {cross} marks values with runs that did not end well: {listed(where, 8)}." if where else ""


def _best_of(study: Study) -> str:
    return f"Expected final {study.comparison.metric} of the best of so many settings"


def _tuning(study: Study) -> Plot:
    expected = expected_best(study.summary, study.comparison)
    expected = expected[expected["alternative"].isin(list(study.style))]
    last = expected.drop_duplicates("alternative", keep="last").set_index("alternative")
    ends = [f"{name} {value_text(last['expected'][name])} of {last['tried'][name]}" for name in study.shown]
    return Plot(
        name="tuning",
        title=f"expected final {study.comparison.metric} against settings tried",
        caption=(
            f"{_best_of(study)}, drawn at random without replacement: what tuning an alternative is worth, and how "
            "many settings it takes. A line begins where so many settings cannot all be ones that did not end well."
            + study.omitted
        ),
        alt="Best of all: " + listed(ends, SHOWN),
        figures={"": tuning_figure(expected, study.style, f"expected final {study.comparison.metric}")},
        alternatives=expected["alternative"],
    )


def _heat(keys: list[str], study: Study) -> list[Plot]:
    """The heat map of the first two settings that were swept; none where no alternative has several values of both."""
    comparison = study.comparison
    tables = heat_tables(study.summary, keys, list(study.ranking["alternative"])) if len(keys) == 2 else {}
    if not tables:
        return []
    title = f"final {comparison.metric} against {keys[0]} and {keys[1]}"
    best = {
        name: table.min(axis=None) if comparison.ascending else table.max(axis=None) for name, table in tables.items()
    }
    caption = (
        f"The {title}: the mean over seeds, the brighter the better. Empty where a run did not end well, and where "
        f"nothing was tried. The first {len(tables)} alternatives that have several values of both."
    )
    alt = "Best: " + listed([f"{name} {value_text(value)}" for name, value in best.items()])
    figure = heat_figure(tables, f"final {comparison.metric}", ascending=comparison.ascending)
    return [Plot(f"heat-{keys[0]}-{keys[1]}", title, caption, alt, {"": figure})]
