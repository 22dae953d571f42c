"""Images with what a model took them for."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from xprun.reports.presentation.style import INK
from xprun.reports.stats.analysis import Analysis
from xprun.runner.results.results_schema import RUN, VALUE

COLUMNS = 4
WRONG = "#d55e00"
TILE = 1.4  # inches


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
    """A grid of images, each with what it was taken for and how surely; wrong ones in a frame."""
    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * TILE, rows * (TILE + 0.12) + 0.4), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, sample in zip(panels, found, strict=False):
        grey = sample.image.shape[2] == 1
        axes.imshow(sample.image[..., 0] if grey else sample.image, cmap="gray", vmin=0, vmax=255, interpolation="none")
        axes.set_title(f"{sample.words} ({sample.probability:.0%})", fontsize=9, fontweight="normal", pad=4)
        axes.spines[:].set(visible=not sample.right, color=WRONG, linewidth=2)
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure
