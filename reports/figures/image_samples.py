"""Images with what a model took them for."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from xprun.reports.presentation.style import INK
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.results_schema import RUN, VALUE

COLUMNS = 4
WRONG = "#d55e00"
TILE, GAP, WORDS, HEADING = 1.4, 0.12, 0.24, 0.4  # inches: of an image, between two, of a line, of the title


@dataclass(frozen=True)
class Sample:
    """One image [H, W, C], from 0 to 255, and its class as it is and as a run predicts it, with the probability."""

    row: int
    target: int
    prediction: int
    probability: float
    image: np.ndarray

    @property
    def right(self) -> bool:
        return self.target == self.prediction

    @property
    def words(self) -> str:
        """`3`, or `3, not 8`: the prediction and, where it is wrong, the truth."""
        return f"{self.prediction}" if self.right else f"{self.prediction}, not {self.target}"


def samples(analysis: Analysis) -> dict[str, tuple[str, list[Sample]]]:
    """By alternative its best run of which images were kept, and those images."""
    table, images = analysis.tables.samples, analysis.tables.images
    runs = analysis.judged[analysis.judged[RUN].isin(table[RUN]) & ~analysis.judged["bad"]]
    best = runs.sort_values(VALUE, ascending=analysis.comparison.ascending, kind="stable").drop_duplicates(
        "alternative"
    )
    chosen = {str(name): str(run) for name, run in zip(best["alternative"], best[RUN], strict=True)}
    rows = {name: table[table[RUN] == run] for name, run in chosen.items()}
    found = {name: (chosen[name], _samples(rows[name], images)) for name in analysis.shown if name in chosen}
    return {name: (run, several) for name, (run, several) in found.items() if several}


def _samples(rows: pd.DataFrame, images: dict[str, np.ndarray]) -> list[Sample]:
    facts = zip(*(rows[name] for name in ("row", "target", "prediction", "probability", "image")), strict=True)
    return [Sample(int(r), int(t), int(p), float(q), images[str(i)]) for r, t, p, q, i in facts if str(i) in images]


def sample_figure(found: list[Sample], title: str) -> Figure:
    """A grid of images, each with what it was taken for and how surely; wrong ones in a frame.

    All stand in one axes, in units of an image: axes of their own, laid out, take several times as long to draw.
    """
    rows = -(-len(found) // COLUMNS)
    width, height = COLUMNS * TILE, rows * (TILE + WORDS) + HEADING
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0 - HEADING / height), frameon=False, xticks=[], yticks=[])
    for number, sample in enumerate(found):
        _draw(axes, sample, left=number % COLUMNS * TILE, top=number // COLUMNS * (TILE + WORDS))
    axes.set(xlim=(0, width), ylim=(rows * (TILE + WORDS), 0), aspect="auto")
    figure.text(0.02, 1.0 - HEADING / 2 / height, title, va="center", fontsize=11, fontweight="bold", color=INK)
    return figure


def _draw(axes: Axes, sample: Sample, left: float, top: float) -> None:
    """One image below its words, as large as its place and its shape allow."""
    tall, wide = sample.image.shape[:2]
    scale = (TILE - GAP) / max(tall, wide)
    x, y = left + (TILE - wide * scale) / 2, top + WORDS
    extent = (x, x + wide * scale, y + tall * scale, y)
    pixels = sample.image[..., 0] if sample.image.shape[2] == 1 else sample.image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="none", extent=extent)
    words = f"{sample.words} ({sample.probability:.0%})"
    axes.text(left + TILE / 2, top + WORDS - 0.05, words, fontsize=9, ha="center", va="bottom")
    if not sample.right:
        frame = Rectangle((x, y), wide * scale, tall * scale, fill=False, edgecolor=WRONG, linewidth=2)
        axes.add_patch(frame)
