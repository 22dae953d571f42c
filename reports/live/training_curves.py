"""Draws the curves so far of runs in training: one small plot a metric, one line a run, in the colours of the report.

They are drawn anew every other second, for which the plots of the report would take too long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray
from xprun.reports.page.rendering import render_training
from xprun.reports.presentation.formatting import value_text
from xprun.reports.presentation.style import COLOURS, IN_PAGE

WIDTH, HEIGHT = 340, 170  # of what is inside the axes, in units of the drawing
DECADES = 2.0  # that a curve has to span for a logarithmic axis


@dataclass(frozen=True)
class Line:
    """A line: its points as SVG writes them, and its colour."""

    points: str
    colour: str
    name: str


@dataclass(frozen=True)
class Tick:
    """A tick: where, in units of the drawing, and what stands beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A metric over the steps, or epochs, so far."""

    metric: str
    x_label: str
    latest: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    points: int  # of the longest line


def draw(told: dict[str, Any]) -> str:
    """Return the plots as a piece of HTML; nothing where no run is in training.

    `told`: names of the `alternatives`, the steps of an epoch (`per_epoch`), and by run its `name`, the number of its
    `alternative`, and its `curves`, steps and values by metric.
    """
    runs = told.get("runs", [])
    metrics = dict.fromkeys(metric for run in runs for metric in run["curves"])
    plots = [plot for metric in metrics if (plot := _plot(metric, runs, told["per_epoch"]))]
    shown = sorted({run["alternative"] for run in runs if run["alternative"] < len(told["alternatives"])})
    legend = [(told["alternatives"][i], colour_of(i)) for i in shown]
    return render_training(plots, legend if len(legend) > 1 else [], (WIDTH, HEIGHT)) if plots else ""


def colour_of(alternative: int) -> str:
    """Return the colour of an alternative, by its number."""
    return IN_PAGE[COLOURS[alternative % len(COLOURS)]]


@dataclass(frozen=True)
class _Curve:
    """The finite values of a run, and the steps or epochs at which they were measured."""

    name: str
    colour: str
    at: NDArray[np.float64]
    values: NDArray[np.float64]


def _curves(metric: str, runs: list[dict[str, Any]], scale: int) -> list[_Curve]:
    """Return the curves of a metric of those runs that have a finite value of it; `scale` steps are one on its axis."""
    found = []
    for run in runs:
        steps, values = (np.asarray(part, dtype=float) for part in run["curves"].get(metric, ([], [])))
        finite = np.isfinite(values)
        found.append(_Curve(run["name"], colour_of(run["alternative"]), steps[finite] / scale, values[finite]))
    return [curve for curve in found if len(curve.at)]


def _plot(metric: str, runs: list[dict[str, Any]], per_epoch: int) -> Plot | None:
    """Return the plot of a metric, over epochs where they have several steps; None where no value is finite."""
    curves = _curves(metric, runs, per_epoch)
    if not curves:
        return None
    values = np.concatenate([curve.values for curve in curves])
    is_log = bool((values > 0).all()) and math.log10(values.max() / values.min()) > DECADES
    x_axis = _Axis(0.0, max(float(curve.at[-1]) for curve in curves), WIDTH)
    y_axis = _Axis(float(values.min()), float(values.max()), HEIGHT, is_log=is_log)
    last = [float(curve.values[-1]) for curve in curves]
    return Plot(
        metric,
        "epoch" if per_epoch > 1 else "step",
        " to ".join(dict.fromkeys([value_text(min(last)), value_text(max(last))])),
        [Line(_points(x_axis.place(c.at), HEIGHT - y_axis.place(c.values)), c.colour, c.name) for c in curves],
        x_axis.ticks(whole=True),
        [Tick(HEIGHT - tick.at, tick.text) for tick in y_axis.ticks()],
        max(len(curve.at) for curve in curves),
    )


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


@dataclass(frozen=True)
class _Axis:
    """From values to places from 0 to `length`."""

    low: float
    high: float
    length: int
    is_log: bool = False

    def place(self, values: Any) -> NDArray[np.float64]:
        low, high, at = self.low, self.high, np.asarray(values, dtype=float)
        if self.is_log:
            low, high, at = math.log10(low), math.log10(high), np.log10(at)
        extent = high - low
        return (at - low) / extent * self.length if extent else np.full_like(at, self.length / 2)

    def ticks(self, *, whole: bool = False) -> list[Tick]:
        if self.is_log:
            found = LogLocator(numticks=5).tick_values(self.low, self.high)
        else:
            found = MaxNLocator(4, integer=whole).tick_values(self.low, self.high)
        inside = [float(value) for value in found if self.low <= value <= self.high] or [self.low]
        return [Tick(round(float(self.place(value)), 1), value_text(value)) for value in inside]
