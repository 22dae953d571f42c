"""Learning curves: the loss, and the metric compared, of the training and of the held-out rows, over the steps."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from xprun.reports.figures.line_plots import Curves, allows_log, curve_figure, suits_log, together_figure
from xprun.reports.figures.plot_files import Plot, Switch, draw
from xprun.reports.presentation.formatting import decimals, listed, shorten, value_text
from xprun.reports.presentation.style import SHOWN, SPLIT_WIDTHS
from xprun.reports.sections.blocks import Folded, Gallery, Part, Section
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.closed_form import reference_value
from xprun.reports.stats.curve_averages import BINS, curves, divergences, steps_of_an_epoch
from xprun.reports.stats.loss_per_row import loss_per_row
from xprun.runner.results.results_schema import LOSS, METRIC, STEP, TEST, TRAIN, VALID

TITLE = "Learning curves"
SPLITS = (TRAIN, VALID, TEST)
ONE_BY_ONE = 6  # alternatives of which all curves are drawn in one plot each


@dataclass(frozen=True)
class _Panel:
    """The curves of one quantity: `parts` by split, of the minibatches where that is empty; `metrics` in its order."""

    quantity: str
    metrics: list[str]
    parts: Curves

    @property
    def lines(self) -> pd.DataFrame:
        return pd.concat(list(self.parts.values()), ignore_index=True)


def curves_section(analysis: Analysis) -> Section:
    """A plot for the loss and one for the metric compared, or what `compare.curves` names; empty without a curve."""
    if analysis.comparison.curves:
        plots = _together(analysis)
        return Section("curves", TITLE, [Gallery([draw(plot, analysis) for plot in plots])] if plots else [])
    panels = _panels(analysis)
    main, minibatch = _in_order(panels, analysis)
    parts: list[Part] = []
    if main:
        parts.append(Gallery([draw(_plot(panel, analysis), analysis) for panel in main], _what_curves_are(analysis)))
    if minibatch:
        pictures = [draw(_plot(panel, analysis), analysis) for panel in minibatch]
        parts.append(Folded("Loss of the minibatches", [Gallery(pictures)]))
    return Section("curves", TITLE, parts)


def _panels(analysis: Analysis) -> list[_Panel]:
    """What has curves: the loss of the minibatches, and each quantity that is measured on parts of the data.

    Of one problem among many only what is compared or aimed at, if that has any.
    """
    comparison = analysis.comparison
    aimed = [] if comparison.target is None else [comparison.aim[0]]
    compared = list(dict.fromkeys(map(_quantity, [comparison.measured[0], *aimed])))
    panels = _panels_of(analysis, compared) if analysis.is_one_of_many else []
    return panels or _panels_of(analysis, ["", *dict.fromkeys([LOSS, *compared])])


def _panels_of(analysis: Analysis, quantities: list[str]) -> list[_Panel]:
    """What has curves of some quantities; the empty one is the loss of the minibatches."""
    there = set(map(str, analysis.tables.history[METRIC].unique()))
    found = []
    for quantity in quantities:
        measured = [f"{split}.{quantity}" for split in SPLITS if f"{split}.{quantity}" in there]
        metrics = measured if quantity else [LOSS]
        tables = {_split(name): curves(analysis.tables.history, analysis.best, name) for name in metrics}
        parts = _curves_among(tables)
        if parts:
            found.append(_Panel(quantity or LOSS, [name for name in metrics if _split(name) in parts], parts))
    return found


def _curves_among(tables: Curves) -> Curves:
    """What is there; a part that is measured once, as test rows are at the end, is no curve beside others that are."""
    there = {split: table for split, table in tables.items() if len(table)}
    lines = {split: table for split, table in there.items() if table[STEP].nunique() > 1}
    return lines or there


def _in_order(panels: list[_Panel], analysis: Analysis) -> tuple[list[_Panel], list[_Panel]]:
    """What is shown, and what is folded: the noisy loss of the minibatches where smoother ones say the same."""
    minibatch = [panel for panel in panels if panel.metrics == [LOSS]]
    others = [panel for panel in panels if panel.metrics != [LOSS]]
    smooth = any(panel.quantity == LOSS for panel in others)
    if smooth and analysis.comparison.measured[0] != LOSS:
        return others, minibatch
    return [*minibatch, *others], []


def _quantity(metric: str) -> str:
    """`accuracy` of `valid.accuracy`; the loss of the minibatches is a loss like that of the held-out rows."""
    return metric.partition(".")[2] if metric.partition(".")[0] in SPLITS else metric


def _split(metric: str) -> str:
    return metric.partition(".")[0] if metric != _quantity(metric) else ""


def _plot(panel: _Panel, analysis: Analysis) -> Plot:
    comparison, style, last = analysis.comparison, analysis.style, panel.metrics[-1]
    level = comparison.target if comparison.aim[0] in panel.metrics else None
    floor = reference_value(analysis.best, last)
    lines = panel.lines
    first = suits_log(lines)
    lost = divergences(analysis.tables.history, analysis.best, last)
    epoch = steps_of_an_epoch(analysis.tables.history, analysis.best)
    title = last if len(panel.metrics) == 1 else f"{panel.quantity} ({', '.join(panel.parts)})"
    scales = [first, not first][: 2 if allows_log(lines) else 1]
    drawn = panel.parts if len(panel.parts) > 1 else {"": lines}
    figures = {
        "logarithmic" if log else "linear": partial(
            curve_figure, drawn, style, f"{title} over the steps", level, floor, lost=lost, log=log, epoch=epoch
        )
        for log in scales
    }
    points = _points(panel.parts, analysis)
    return Plot(
        name=f"curve-{last}",
        title=f"{title} over the steps",
        caption=_caption(panel, level, floor) + _per_row(last, analysis) + _ends(lines, lost),
        alt=_last_values(panel.parts[_split(last)], analysis),
        figures=figures,
        alternatives=lines["alternative"],
        hover=dict.fromkeys(figures, points),
        switches=_switches(panel),
        epoch=epoch,
    )


def _switches(panel: _Panel) -> tuple[Switch, ...]:
    return tuple(Switch(split, SPLIT_WIDTHS[split]) for split in panel.parts) if len(panel.parts) > 1 else ()


def _what_curves_are(analysis: Analysis) -> str:
    """What is said once of all curves of a page."""
    return (
        f"Each alternative{analysis.at_best}: the mean over its seeds, with a band from the lowest to the highest. "
        f"Long curves are averaged within at most {BINS} bins; a curve ends where its first failed or diverged run "
        f"ends, and may leave the plot there.{analysis.omitted}"
    )


def _caption(panel: _Panel, level: float | None, floor: float | None) -> str:
    said = []
    if len(panel.parts) > 1:
        said.append(f"Thin: {TRAIN}, thick: {' and '.join(split for split in panel.parts if split != TRAIN)}.")
    elif panel.metrics == [LOSS]:
        said.append("The loss of the minibatches.")
    if level is not None:
        said.append(f"Dotted: the target, {value_text(level)}.")
    if floor is not None:
        said.append(f"Dashed: least squares in closed form, {value_text(floor)}.")
    return " ".join(said)


def _per_row(metric: str, analysis: Analysis) -> str:
    """What a loss that is a sum comes to for one row at the end."""
    means = loss_per_row(analysis.finals, metric)
    if means is None:
        return ""
    pairs = zip(analysis.ranking["alternative"], means.reindex(analysis.ranking.index), strict=True)
    told = [f"{name} {value_text(value)}" for name, value in pairs if value == value]
    return f" {metric} per row, at the end: {listed(told, SHOWN)}."


def _ends(lines: pd.DataFrame, lost: pd.DataFrame) -> str:
    """What a reader should know of lines that do not simply end with the last step."""
    cross = "\N{MULTIPLICATION SIGN}"
    crosses = f" {cross} marks where a run diverged." if len(lost) else ""
    dotted = " Dotted: from where a stop rule ended the first run, with the last values of those that ended."
    return crosses + (dotted if lines["carried"].any() else "")


def _last_values(lines: pd.DataFrame, analysis: Analysis) -> str:
    ends = lines.drop_duplicates("alternative", keep="last").set_index("alternative")["mean"]
    return "At the end: " + listed(
        [f"{name} {value_text(ends[name])}" for name in analysis.style if name in ends], SHOWN
    )


def _points(parts: Curves, analysis: Analysis) -> list[dict[str, Any]]:
    """The points of all lines, the values of one plot in one format."""
    show = decimals(pd.concat([lines["mean"] for lines in parts.values()]))
    return [
        {
            "number": analysis.style[str(name)].number,
            "name": name,
            **({"split": split} if len(parts) > 1 else {}),
            "x": [float(f"{value:.6g}") for value in rows[STEP]],
            "y": [show(value) for value in rows["mean"]],
        }
        for split, lines in parts.items()
        for name, rows in lines.dropna(subset=["mean"]).groupby("alternative", sort=False)
        if name in analysis.style
    ]


def _together(analysis: Analysis) -> list[Plot]:
    """What `compare.curves` names in one plot, as textbooks print it: a view for each of the best alternatives."""
    metrics = analysis.comparison.curves
    tables = {metric: curves(analysis.tables.history, analysis.best, metric) for metric in metrics}
    tables = {metric: lines for metric, lines in tables.items() if len(lines)}
    there = set().union(*(lines["alternative"] for lines in tables.values())) if tables else set()
    names = [name for name in analysis.shown if name in there][:ONE_BY_ONE]
    epoch = steps_of_an_epoch(analysis.tables.history, analysis.best)
    if not names:
        return []
    views = {
        shorten(name, 40): {metric: lines[lines["alternative"] == name] for metric, lines in tables.items()}
        for name in names
    }
    title = listed(list(tables))
    ends = [f"{name} {listed(_ends_of(view))}" for name, view in views.items()]
    return [
        Plot(
            name="curves",
            title=f"{title} over the steps",
            caption=_what_curves_are(analysis),
            alt=f"At the end: {'; '.join(ends)}",
            figures={
                name: partial(together_figure, view, f"{name}: {title}" if len(views) > 1 else title, epoch=epoch)
                for name, view in views.items()
            },
            epoch=epoch,
        )
    ]


def _ends_of(view: Curves) -> list[str]:
    """The last value of each metric."""
    return [f"{metric} {value_text(lines['mean'].iloc[-1])}" for metric, lines in view.items() if len(lines)]
