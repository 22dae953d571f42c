"""The loss over parameters as contours, or as a curve over a single one, with paths over it."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from xprun.reports.figures.axes import canvas, use_log
from xprun.reports.figures.parameter_paths import Scene, Surface
from xprun.reports.presentation.formatting import value_text
from xprun.reports.presentation.style import INK, Stroke
from xprun.runner.results.results_schema import LOSS, parameter_name

DEPTH = 4.5  # decades of the loss above its least that contours tell apart
DARKEST = 0.2  # opacity where the loss is highest
FAINT = (*to_rgba(INK)[:3], 0.45)
ROOM = 0.3  # shares of the picture that a line with a label takes
DOTTED = 80  # steps up to which each is a dot on its path


def path_figure(scene: Scene, strokes: dict[str, Stroke], title: str) -> Figure:
    """The paths of a scene over its loss: from a ring at the start to a mark at the end, or a cross at the edge."""
    strokes = {name: stroke for name, stroke in strokes.items() if name in scene.paths}
    names = axis_names(scene.surface)
    figure, axes = canvas(strokes, title, names[0])
    axes.grid(visible=False)
    if scene.surface.is_plane:
        axes.set_ylabel(names[1], labelpad=2)
    else:
        axes.set_ylabel(names[1], rotation=0, labelpad=8)
    draw = _draw_contours if len(scene.surface.axes) == 2 else _draw_curve
    draw(axes, scene.surface)
    if scene.best:
        _draw_best(axes, scene)
    for name, stroke in reversed(strokes.items()):  # the best lies on top
        _draw_path(axes, scene, name, stroke)
    return figure


def axis_names(surface: Surface) -> tuple[str, str]:
    """What lies along the two axes of a plot."""
    if surface.is_plane:
        return "first direction", "second direction"
    first, second = ([*map(parameter_name, surface.names), LOSS])[:2]
    return first, second


def _draw_contours(axes: Axes, surface: Surface) -> None:
    """Lines and shades of equal loss: the higher, the more ink."""
    fine = surface.finer()
    x, y = fine.axes
    levels = contour_levels(fine.loss)
    shades = [(*to_rgba(INK)[:3], DARKEST * i / len(levels)) for i in range(1, len(levels) + 1)]
    axes.contourf(x, y, fine.loss.T, levels=[*levels, math.inf], colors=shades)
    lines = axes.contour(x, y, fine.loss.T, levels=levels, colors=[FAINT], linewidths=0.5)
    wide = [level for level, segments in zip(levels, lines.allsegs, strict=True) if _has_room(segments, fine)]
    axes.clabel(lines, wide, fmt=lambda level: value_text(float(f"{level:.3g}")), fontsize=7, colors=[INK])
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])


def _has_room(segments: list[np.ndarray], surface: Surface) -> bool:
    """Whether the longest line of a level is large enough for a label."""
    sizes = np.array([np.ptp(axis) for axis in surface.axes])
    return any((np.ptp(segment, axis=0) / sizes).max() > ROOM for segment in segments if len(segment))


def contour_levels(loss: np.ndarray) -> list[float]:
    """Values of the loss to draw lines at: 1, 3, 10, ... times a power of ten above the least, in ascending order."""
    finite = loss[np.isfinite(loss)]
    least, span = float(finite.min()), float(np.ptp(finite))
    if not span > 0:
        return [least]
    top = math.floor(2 * math.log10(span)) / 2
    halves = np.arange(top - DEPTH, top + 0.25, 0.5)
    levels = [least + float(f"{10**half:.1g}") for half in halves]
    return list(dict.fromkeys(levels))  # above a large loss the smallest steps are lost to rounding


def _draw_curve(axes: Axes, surface: Surface) -> None:
    """The loss over one parameter."""
    [x], loss = surface.axes, surface.loss
    if loss.min() > 0 and loss.max() > 100 * loss.min():
        use_log(axes)
    axes.plot(x, loss, color=INK, linewidth=1.0, alpha=0.6)
    axes.set_xlim(x[0], x[-1])


def _draw_best(axes: Axes, scene: Scene) -> None:
    assert scene.best is not None
    surface = scene.surface
    y = scene.best[1] if len(scene.best) == 2 else np.interp(scene.best[0], surface.axes[0], surface.loss)
    axes.plot([scene.best[0]], [y], marker="+", color=INK, markersize=11, markeredgewidth=1.4, zorder=4)


def _draw_path(axes: Axes, scene: Scene, name: str, stroke: Stroke) -> None:
    path, colour, group = scene.paths[name], stroke.colour, stroke.group
    x, y = path["x"].to_numpy(), path["y"].to_numpy()
    (line,) = axes.plot(x, y, color=colour, linewidth=1.4, gid=group)
    line.set_dashes(stroke.dashes) if stroke.dashes else None
    if len(path) <= DOTTED:
        axes.plot(x, y, ".", color=colour, markersize=4, gid=group)
    axes.plot(x[:1], y[:1], "o", markerfacecolor="none", markeredgecolor=colour, markersize=8, gid=group)
    mark = "x" if name in scene.lost else stroke.marker
    axes.plot(
        x[-1:], y[-1:], mark, color=colour, markersize=6.5, markeredgewidth=1.8, clip_on=False, gid=group, zorder=5
    )
