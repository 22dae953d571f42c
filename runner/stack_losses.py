"""Losses of the Linear-stack program, with their gradients written out, for outputs [S, K, C, B]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from xprun.runner.layout import Batch


class StackLoss(Protocol):
    """A mean over rows and outputs, as `torch.nn` computes it for one run."""

    def fits(self, targets: Tensor, outputs: int) -> bool:
        """Whether targets [N, ...] are what the loss takes beside so many outputs."""

    def prepare(self, targets: Tensor, outputs: int, dtype: torch.dtype) -> Batch:
        """Return what is gathered for the rows of a batch, each [N, ...]."""

    def value(self, z: Tensor, targets: Batch) -> Tensor:
        """Return the losses [S, K] of outputs `z` [S, K, C, B] for prepared targets [1 or S, B, ...]."""

    def step(self, z: Tensor, targets: Batch, losses: Tensor) -> tuple[Tensor, float]:
        """Write the losses [S, K]; return the gradient with respect to `z`, in the memory of `z`, and its factor."""


class CrossEntropy:
    """-log softmax(z) at the target class, for integer targets [N]."""

    def fits(self, targets: Tensor, outputs: int) -> bool:
        whole = targets.dim() == 1 and targets.dtype == torch.int64
        return whole and int(targets.min()) >= 0 and int(targets.max()) < outputs

    def prepare(self, targets: Tensor, outputs: int, dtype: torch.dtype) -> Batch:
        one_hot = nn.functional.one_hot(targets, outputs).to(dtype)
        return targets, one_hot

    def value(self, z: Tensor, targets: Batch) -> Tensor:
        return self._mean(z.log_softmax(2), targets[0])

    def step(self, z: Tensor, targets: Batch, losses: Tensor) -> tuple[Tensor, float]:
        classes, one_hot = targets
        log_p = torch.log_softmax(z, 2)
        losses.copy_(self._mean(log_p, classes))
        return torch.exp(log_p, out=z).sub_(one_hot.mT.contiguous().unsqueeze(1)), 1 / z.shape[3]

    def _mean(self, log_p: Tensor, classes: Tensor) -> Tensor:
        S, K, _, B = log_p.shape
        return log_p.gather(2, classes.view(-1, 1, 1, B).expand(S, K, 1, B)).mean((2, 3)).neg_()


class Elementwise:
    """The mean of a function of the difference between output and target."""

    def __init__(self, of_difference: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) -> None:
        self.of_difference, self.slope = of_difference, slope

    def fits(self, targets: Tensor, outputs: int) -> bool:
        return targets.shape[1:] == (outputs,) and targets.is_floating_point()

    def prepare(self, targets: Tensor, outputs: int, dtype: torch.dtype) -> Batch:
        return (targets.reshape(len(targets), -1),)

    def value(self, z: Tensor, targets: Batch) -> Tensor:
        return self.of_difference(z - targets[0].mT.unsqueeze(1)).mean((2, 3))

    def step(self, z: Tensor, targets: Batch, losses: Tensor) -> tuple[Tensor, float]:
        difference = z.sub_(targets[0].mT.unsqueeze(1))
        torch.mean(self.of_difference(difference), (2, 3), out=losses)
        return self.slope(difference), 1 / (z.shape[2] * z.shape[3])


class SquaredError(Elementwise):
    """The mean of the squared difference; its slope, twice the difference, needs no pass of its own."""

    def __init__(self) -> None:
        super().__init__(torch.square, lambda difference: difference)

    def step(self, z: Tensor, targets: Batch, losses: Tensor) -> tuple[Tensor, float]:
        difference, factor = super().step(z, targets, losses)
        return difference, 2 * factor


def stack_loss(loss: Any) -> StackLoss | None:
    """Return the stack's form of a loss, or None where it has none."""
    if type(loss) is nn.CrossEntropyLoss:
        plain = loss.weight is None and loss.label_smoothing == 0 and loss.ignore_index == -100
        return CrossEntropy() if plain and loss.reduction == "mean" else None
    if type(loss) is nn.MSELoss and loss.reduction == "mean":
        return SquaredError()
    if type(loss) is nn.L1Loss and loss.reduction == "mean":
        return Elementwise(torch.abs, torch.sign)
    if type(loss) is nn.HuberLoss and loss.reduction == "mean":
        delta = loss.delta
        return Elementwise(lambda d: _huber(d, delta), lambda d: d.clamp(-delta, delta))
    if type(loss) is nn.SmoothL1Loss and loss.reduction == "mean" and loss.beta > 0:
        beta = loss.beta
        return Elementwise(lambda d: _huber(d, beta) / beta, lambda d: (d / beta).clamp(-1, 1))
    return None


def _huber(d: Tensor, delta: float) -> Tensor:
    """d^2 / 2 up to delta, and from there the straight line that continues it."""
    size = d.abs()
    return torch.where(size < delta, 0.5 * d * d, delta * (size - 0.5 * delta))
