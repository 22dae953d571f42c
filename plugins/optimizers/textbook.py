"""The update rules of a first course, written as a student writes them on paper.

They are not `torch.optim`'s rules of the same names: Momentum is an average that weights the new gradient 0.8,
RMSProp and Adam keep 0.8 of the old average, and Adam does not correct its bias.

They are made of operators only, `s**0.5` for a root, so that they run on the tensors of every framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xprun.plugins.registry import optimizer
from xprun.plugins.types import Fraction, Positive

if TYPE_CHECKING:
    from torch import Tensor


@optimizer("scratch.gd")
def gd(w: Tensor, g: Tensor, *, lr: Positive = 0.01) -> Tensor:
    """Gradient descent: a step against the gradient (Cauchy, 1847)."""
    return w - lr * g


@optimizer("scratch.minibatch_sgd")
def minibatch_sgd(w: Tensor, g: Tensor, n: int, *, lr: Positive = 0.01) -> Tensor:
    """Gradient descent for a loss summed over a batch of n rows, such as `squared`: it divides by n.

    Source: Zhang, Lipton, Li and Smola, Dive into Deep Learning, section 3.4.
    """
    return w - lr * g / n


@optimizer("scratch.momentum")
def momentum(w: Tensor, g: Tensor, v: Tensor, *, lr: Positive = 0.01, keep: Fraction = 0.2) -> tuple[Tensor, ...]:
    """A step along an average of the gradients; it keeps 0.2 of the old average (Polyak, 1964)."""
    v = keep * v + (1 - keep) * g
    return w - lr * v, v


@optimizer("scratch.adagrad")
def adagrad(w: Tensor, g: Tensor, s: Tensor, *, lr: Positive = 0.01, delta: Positive = 1e-7) -> tuple[Tensor, ...]:
    """Steps scaled by the root of the sum of all squared gradients (Duchi, Hazan and Singer, 2011)."""
    s = s + g**2
    return w - lr * g / (s**0.5 + delta), s


@optimizer("scratch.rmsprop")
def rmsprop(
    w: Tensor, g: Tensor, s: Tensor, *, lr: Positive = 0.01, keep: Fraction = 0.8, delta: Positive = 1e-7
) -> tuple[Tensor, ...]:
    """Steps scaled by the root of an average of the squared gradients (Tieleman and Hinton, 2012)."""
    s = keep * s + (1 - keep) * g**2
    return w - lr * g / (s**0.5 + delta), s


@optimizer("scratch.adam")
def adam(
    w: Tensor,
    g: Tensor,
    v: Tensor,
    s: Tensor,
    *,
    lr: Positive = 0.01,
    keep: Fraction = 0.8,
    delta: Positive = 1e-7,
) -> tuple[Tensor, ...]:
    """Averages of the gradient and of its square, without bias correction (after Kingma and Ba, 2015)."""
    v = keep * v + (1 - keep) * g
    s = keep * s + (1 - keep) * g**2
    return w - lr * v / (s**0.5 + delta), v, s
