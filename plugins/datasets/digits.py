"""Handwritten digits, real and offline."""

from __future__ import annotations

from typing import Any

from xprun.plugins.datasets.bundled import bundled_file
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data


@data("digits")
def digits(*, flat: bool = True) -> Table:
    """1797 grey images of 8 x 8 pixels in 10 classes, scaled to [0, 1].

    inputs [1797, 64], or [1797, 1, 8, 8] with `flat = false`; targets [1797].
    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), as bundled with scikit-learn.
    """
    import torch

    pixels, classes = _read()
    images = torch.from_numpy(pixels).float() / 16
    inputs = images.flatten(1) if flat else images.unsqueeze(1)
    return Table(inputs, torch.from_numpy(classes), image=(1, 8, 8))


def _read() -> tuple[Any, Any]:
    """Return the pixels [1797, 8, 8] and the classes [1797] as arrays."""
    import numpy as np

    path = bundled_file("digits.csv.gz")
    if path is None:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return bunch.images, bunch.target
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64)
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]
