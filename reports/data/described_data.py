"""What `data.json` says of the data of a folder."""

from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from xprun.reports.data.described_file import read_described


@dataclass(frozen=True)
class DataSet:
    """The data of some runs: see `data_summaries.summarize` of the runner for `parts`.

    `classes`: their names, from 0 on, or none. `images` [n, H, W, C] from 0 to 255 with their `targets` [n]; `points`
    [n, 2 or 3]: features and target. Both are empty where there are none. `truth`: the weights of a linear rule from
    which the targets were drawn, and its constant at the end; empty where that is not known.
    """

    label: str
    parts: list[dict[str, Any]]
    classes: list[str] = field(default_factory=list)
    images: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1, 1), np.uint8))
    targets: list[int] = field(default_factory=list)
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    truth: list[float] = field(default_factory=list)


def read_data_sets(path: Path) -> list[DataSet]:
    """The data sets in a file; none where it is absent, or holds something else."""
    return read_described(path, data_set)


def data_set(content: dict[str, Any]) -> DataSet:
    """A summary as a data set. One of several exceptions where it is none."""
    images = content.get("images")
    pictures: dict[str, Any] = {}
    if images:
        shape = [int(size) for size in images["shape"]]
        pixels = np.frombuffer(b64decode(images["pixels"]), np.uint8).reshape(shape)
        pictures = {"images": pixels, "targets": [int(target) for target in images["targets"]]}
    points = np.array(content.get("points") or np.zeros((0, 2)), dtype="float64")
    if points.ndim != 2:
        raise ValueError("the points are no table")
    parts = [dict(part) for part in content["parts"]]
    told = content.get("truth") or {"w": [], "b": []}
    truth = [float(value) for value in [*told["w"], *told["b"]]]
    names = [str(name) for name in content.get("classes") or []]
    return DataSet(str(content["label"]), parts, names, points=points, truth=truth, **pictures)
