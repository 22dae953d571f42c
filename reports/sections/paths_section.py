"""Paths: how the optimizers moved through the parameters of a small model."""

from functools import partial
from typing import Any

import pandas as pd
from xprun.reports.figures.contours import axis_names, path_figure
from xprun.reports.figures.parameter_paths import Scene, scenes
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import counted, listed, shorten, value_text
from xprun.reports.presentation.style import SHOWN
from xprun.reports.sections.blocks import Gallery, Section
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.results_schema import RUN, SHARED, alternative_label, parameter_name

DRAWN = 4  # surfaces


def paths_section(analysis: Analysis) -> Section:
    """One plot for each surface; empty where models have many parameters, or their paths were not kept."""
    found = scenes(analysis)
    more = f" The first {DRAWN} of {len(found)} surfaces are drawn." if len(found) > DRAWN else ""
    plots = [_plot(number, scene, analysis, more) for number, scene in enumerate(found[:DRAWN], 1)]
    return Section("paths", "Paths over the loss", [Gallery([draw(plot, analysis) for plot in plots])] if plots else [])


def _plot(number: int, scene: Scene, analysis: Analysis, more: str) -> Plot:
    names = list(map(parameter_name, scene.surface.names))
    title = f"paths through {listed(names)}{_where(scene, analysis)}"
    return Plot(
        name=f"paths-{number}",
        title=title,
        caption=_caption(scene, analysis) + more + analysis.omitted,
        alt=_ends(scene, analysis),
        figures={"": partial(path_figure, scene, analysis.style, shorten(title, 60))},
        alternatives=list(scene.paths),
        motion=_motion(scene, analysis),
    )


def _where(scene: Scene, analysis: Analysis) -> str:
    """Which problem it is, in words, where the alternatives differ in more than how they are trained."""
    runs = analysis.tables.runs
    drawn = runs[runs[RUN].isin(analysis.typical[list(scene.paths)])]
    deciding = [name for name in analysis.comparison.by if name.partition(".")[0] in SHARED["surface"]]
    labels = [alternative_label({name: drawn[name].iloc[0]}, [name]) for name in deciding if drawn[name].nunique() == 1]
    return ": " + ", ".join(labels) if labels else ""


def _caption(scene: Scene, analysis: Analysis) -> str:
    ground = "The curve is the loss" if len(scene.surface.names) == 1 else "Contours: the loss"
    if scene.surface.is_plane:
        ground = f"Paths projected onto the plane in which they spread most. {ground}"
    plus = "; + is least squares in closed form" if scene.best else ""
    cross = "\N{MULTIPLICATION SIGN}"
    lost = f" {cross} marks where a path leaves the picture for good." if scene.lost else ""
    return (
        f"{ground} on all training rows{plus}. Each alternative{analysis.at_best} starts at the ring, "
        f"{analysis.whose(list(scene.paths))}.{lost} Early steps are shown one by one, later ones less often."
    )


def _ends(scene: Scene, analysis: Analysis) -> str:
    """Where the paths start and end, in numbers."""
    places, names = [], axis_names(scene.surface)[: len(scene.surface.axes)]
    for name in analysis.style:
        if name not in scene.paths:
            continue
        path = scene.paths[name]
        last = path.iloc[-1]
        how = "leaves" if name in scene.lost else "ends"
        steps = counted(int(last["taken"]), "step")
        places.append(f"{name} {how} at {_place(last, names)} after {steps}, from {_place(path.iloc[0], names)}")
    return listed(places, SHOWN)


def _place(point: pd.Series, names: tuple[str, ...]) -> str:
    return " ".join(f"{name}={value_text(point[axis])}" for name, axis in zip(names, "xy", strict=False))


def _motion(scene: Scene, analysis: Analysis) -> list[dict[str, Any]]:
    return [
        {"number": analysis.style[name].number, "name": name, "taken": path["taken"], "x": path["x"], "y": path["y"]}
        for name, path in scene.paths.items()
    ]
