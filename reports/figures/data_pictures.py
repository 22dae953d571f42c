"""Rows of a data set as a picture: a grid of images, or a scatter of one or two features."""

import numpy as np
from matplotlib.figure import Figure
from xprun.reports.data.described_data import DataSet
from xprun.reports.figures.image_samples import Sample, sample_figure
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import COLOURS, INK, MARKERS

SIZE = (5.6, 3.4)
SIDE = 12  # images that are shown


def can_be_drawn(data: DataSet) -> bool:
    """Whether there are rows that can be seen."""
    return bool(len(data.images) or len(data.points))


def data_figure(data: DataSet) -> Figure:
    """Images with their classes, or points: the target over one feature, or two features coloured by the class."""
    title = f"rows of {shorten(data.label)}"
    return _images(data, title) if len(data.images) else _scatter(data, title)


def _images(data: DataSet, title: str) -> Figure:
    shown = list(zip(range(SIDE), data.targets, data.images, strict=False))
    return sample_figure(
        [Sample(i, target, target, 1.0, image) for i, target, image in shown], title, data.classes, sure=False
    )


def _scatter(data: DataSet, title: str) -> Figure:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    points = data.points[np.isfinite(data.points).all(1)]
    if points.shape[1] == 2:
        axes.plot(points[:, 0], points[:, 1], ".", color=INK, alpha=0.6)
        axes.set(xlabel="x", ylabel="target")
        axes.set_title(f"{title}: target over the feature")
        return figure
    axes.set(xlabel="feature 1", ylabel="feature 2")
    axes.set_title(f"{title}: feature 2 over feature 1")
    targets = points[:, 2]
    if len(np.unique(targets)) > len(COLOURS):
        drawn = axes.scatter(points[:, 0], points[:, 1], c=targets, s=14, cmap="viridis")
        del drawn
        return figure
    for i, target in enumerate(np.unique(targets)):
        name = data.classes[int(target)] if 0 <= int(target) < len(data.classes) else f"{target:g}"
        rows = points[targets == target]
        axes.plot(
            rows[:, 0], rows[:, 1], MARKERS[i], color=COLOURS[i], markersize=4, alpha=0.8, label=shorten(name, 24)
        )
    axes.legend(loc="best", fontsize=8)
    return figure
