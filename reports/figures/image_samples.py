"""Images with what a model took them for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from xprun.reports.presentation.formatting import shorten
from xprun.reports.presentation.style import INK
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.class_names import class_labels, label_of
from xprun.runner.results.results_schema import RUN, VALUE

COLUMNS = 4
WRONG = "#d55e00"
TILE, GAP, WORDS, HEADING = 1.4, 0.12, 0.24, 0.4  # inches: of an image, between two, of a line, of the title
LINE = 0.15  # inches: of one more line
LABEL = 13  # characters of the name of a class


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

    def told(self, labels: Sequence[str] = ()) -> tuple[str, str]:
        """`3` and nothing, or `3` and `not 8`: the prediction and, where it is wrong, the truth, by their labels."""
        truth = "" if self.right else f"not {label_of(self.target, labels)}"
        return label_of(self.prediction, labels), truth

    def words(self, names: Sequence[str] = ()) -> str:
        """`3`, or `3, not 8`; where the classes have names, `sneaker, not sandal`."""
        return ", ".join(filter(None, self.told(class_labels(names, shorten))))


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


def sample_figure(found: list[Sample], title: str, names: Sequence[str] = (), *, sure: bool = True) -> Figure:
    """A grid of images, each with what it was taken for and how surely; wrong ones in a frame.

    `sure`: whether the probabilities are told. All stand in one axes, in units of an image: axes of their own, laid
    out, take several times as long to draw.
    """
    labels = class_labels(names, partial(shorten, length=LABEL))
    texts, above = _texts(found, labels) if sure else ([sample.told(labels)[0] for sample in found], WORDS)
    rows = -(-len(found) // COLUMNS)
    width, height = COLUMNS * TILE, rows * (TILE + above) + HEADING
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0 - HEADING / height), frameon=False, xticks=[], yticks=[])
    for number, (sample, text) in enumerate(zip(found, texts, strict=True)):
        _draw(axes, sample, text, left=number % COLUMNS * TILE, top=number // COLUMNS * (TILE + above) + above)
    axes.set(xlim=(0, width), ylim=(rows * (TILE + above), 0), aspect="auto")
    figure.text(0.02, 1.0 - HEADING / 2 / height, title, va="center", fontsize=11, fontweight="bold", color=INK)
    return figure


def _texts(found: list[Sample], labels: list[str]) -> tuple[list[str], float]:
    """What stands above each image, and its height; names have a line for the prediction and one for the truth."""
    told = [(sample.told(labels), f"({sample.probability:.0%})") for sample in found]
    if not labels:
        return [f"{', '.join(filter(None, words))} {surely}" for words, surely in told], WORDS
    return [f"{prediction} {surely}\n{truth}".rstrip() for (prediction, truth), surely in told], WORDS + LINE


def _draw(axes: Axes, sample: Sample, text: str, left: float, top: float) -> None:
    """One image below its text, as large as its place and its shape allow."""
    tall, wide = sample.image.shape[:2]
    scale = (TILE - GAP) / max(tall, wide)
    x, y = left + (TILE - wide * scale) / 2, top
    extent = (x, x + wide * scale, y + tall * scale, y)
    pixels = sample.image[..., 0] if sample.image.shape[2] == 1 else sample.image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="none", extent=extent)
    axes.text(left + TILE / 2, top - 0.05, text, fontsize=9, ha="center", va="bottom")
    if not sample.right:
        frame = Rectangle((x, y), wide * scale, tall * scale, fill=False, edgecolor=WRONG, linewidth=2)
        axes.add_patch(frame)
