"""Half the squared error, summed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.registry import loss

if TYPE_CHECKING:
    from torch import Tensor


@loss("squared", sums=True)
def squared(prediction: Tensor, target: Tensor) -> Tensor:
    """Half the squared error, summed over the batch: the sum of (prediction - target)^2 / 2.

    Its gradient grows with the batch, so an optimizer divides by the batch's size: `scratch.minibatch_sgd`.
    Source: Zhang, Lipton, Li and Smola, Dive into Deep Learning, section 3.4.
    """
    return (prediction - target).square().sum() / 2
