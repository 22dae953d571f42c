"""Handwritten digits, real and offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from xprun.plugins.datasets.bundled import bundled_file
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data
from xprun.plugins.types import AbsentByDefault, Fraction

if TYPE_CHECKING:
    from torch import Tensor

CLASSES = 10
NOISE_SEED = 1  # of the labels that are drawn: the same for all runs


@data("digits")
def digits(
    *,
    flat: bool = True,
    targets: Annotated[Literal["class", "image"], AbsentByDefault()] = "class",
    label_noise: Annotated[Fraction, AbsentByDefault()] = 0.0,
) -> Table:
    """1797 grey images of 8 x 8 pixels in 10 classes, scaled to [0, 1].

    inputs [1797, 64], or [1797, 1, 8, 8] with `flat = false`; targets [1797], or the pixels [1797, 64] with
    `targets = "image"`, for an autoencoder. The share `label_noise` of all rows has a class that was drawn, which one
    time in ten is the right one.
    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), as bundled with scikit-learn.
    """
    import torch

    pixels, classes = _read()
    images = torch.from_numpy(pixels).float() / 16
    inputs = images.flatten(1) if flat else images.unsqueeze(1)
    if targets == "image":
        return Table(inputs, images.flatten(1), image=(1, 8, 8))
    return Table(inputs, _some_drawn(torch.from_numpy(classes), label_noise), image=(1, 8, 8))


def _some_drawn(classes: Tensor, share: float) -> Tensor:
    """Return classes [N] of which a share is drawn uniformly."""
    import torch

    generator = torch.Generator().manual_seed(NOISE_SEED)
    drawn = torch.randint(CLASSES, classes.shape, generator=generator)
    is_drawn = torch.rand(classes.shape, generator=generator) < share
    return torch.where(is_drawn, drawn, classes)


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
