"""Handwritten digits, real and offline."""

from __future__ import annotations

from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data


@data("digits")
def digits(*, flat: bool = True) -> Table:
    """1797 grey images of 8 x 8 pixels in 10 classes, scaled to [0, 1].

    inputs [1797, 64], or [1797, 1, 8, 8] with `flat = false`; targets [1797].
    Source: UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), as bundled with scikit-learn.
    """
    import torch
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32) / 16
    inputs = images.flatten(1) if flat else images.unsqueeze(1)
    return Table(inputs, torch.tensor(bunch.target, dtype=torch.int64))
