"""Losses of the Linear-stack program, with their gradients written out, for outputs [S, K, C, B]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from xprun.plugins.losses.squared import squared
from xprun.runner.workload.run_grid import Batch

Elementwise = Callable[[Tensor], Tensor]


class StackLoss(Protocol):
    """A loss of a batch, as `torch.nn` computes it for one run."""

    def fits(self, targets: Tensor, outputs: int) -> bool:
        """Whether targets [N, ...] are what the loss takes beside so many outputs."""

    def prepare(self, targets: Tensor, outputs: int, dtype: torch.dtype) -> Batch:
        """Return what is gathered for the rows of a batch, each [N, ...]."""

    def value(self, z: Tensor, targets: Batch) -> Tensor:
        """Return the losses [S, K] of outputs `z` [S, K, C, B] for prepared targets [1 or S, B, ...]."""

    def step(self, z: Tensor, targets: Batch, losses: Tensor) -> tuple[Tensor, float]:
        """Write the losses [S, K]; return the gradient with respect to `z`, in the memory of `z`, and its factor."""

    def gradient(self, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses [S, K] and the gradient with respect to `z` for targets [S, B, ...], and change nothing."""


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

    def gradient(self, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        classes = torch.arange(z.shape[2], device=z.device).view(1, 1, -1, 1)
        hot = (targets[:, None, None, :] == classes).to(z.dtype)
        log_p = z.log_softmax(2)
        return -(log_p * hot).sum(2).mean(2), (log_p.exp() - hot) / z.shape[3]

    def _mean(self, log_p: Tensor, classes: Tensor) -> Tensor:
        S, K, _, B = log_p.shape
        return log_p.gather(2, classes.view(-1, 1, 1, B).expand(S, K, 1, B)).mean((2, 3)).neg_()


class OneByOne:
    """The mean over rows and outputs, or with `total` the sum, of a loss of each output and its target."""

    def __init__(self, *, total: bool = False) -> None:
        self.total = total

    def fits(self, targets: Tensor, outputs: int) -> bool:
        return targets.shape[1:] == (outputs,) and targets.is_floating_point()

    def prepare(self, targets: Tensor, outputs: int, dtype: torch.dtype) -> Batch:
        return (targets.reshape(len(targets), -1),)

    def reduce(self, each: Tensor, losses: Tensor | None = None) -> Tensor:
        """Return the losses [S, K] of those of each output [S, K, C, B]; write them where a tensor is given."""
        result: Tensor = (torch.sum if self.total else torch.mean)(each, (2, 3), out=losses)
        return result

    def share(self, z: Tensor) -> float:
        """Return the weight that one output has in the loss."""
        return 1.0 if self.total else 1 / (z.shape[2] * z.shape[3])


class OfDifference(OneByOne):
    """A function of the difference between output and target, with its slope up to a constant factor."""

    def __init__(self, function: Elementwise, slope: Elementwise, factor: float = 1.0, *, total: bool = False) -> None:
        super().__init__(total=total)
        self.function, self.slope, self.factor = function, slope, factor

    def value(self, z: Tensor, targets: Batch) -> Tensor:
        return self.reduce(self.function(z - targets[0].mT.unsqueeze(1)))

    def step(self, z: Tensor, targets: Batch, losses: Tensor) -> tuple[Tensor, float]:
        difference = z.sub_(targets[0].mT.unsqueeze(1))
        self.reduce(self.function(difference), losses)
        return self.slope(difference), self.factor * self.share(z)

    def gradient(self, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        difference = z - _by_output(targets)
        return self.reduce(self.function(difference)), self.slope(difference) * (self.factor * self.share(z))


class BinaryCrossEntropy(OneByOne):
    """-y log p - (1 - y) log(1 - p) for p = sigmoid(z) and targets y from 0 to 1."""

    def value(self, z: Tensor, targets: Batch) -> Tensor:
        y = targets[0].mT.unsqueeze(1)
        return self.reduce((1 - y) * z - nn.functional.logsigmoid(z))

    def step(self, z: Tensor, targets: Batch, losses: Tensor) -> tuple[Tensor, float]:
        losses.copy_(self.value(z, targets))
        return z.sigmoid_().sub_(targets[0].mT.unsqueeze(1)), self.share(z)

    def gradient(self, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        y = _by_output(targets)
        losses = self.reduce((1 - y) * z - nn.functional.logsigmoid(z))
        return losses, (z.sigmoid() - y) * self.share(z)


def _by_output(targets: Tensor) -> Tensor:
    """Return targets [S, B, C] as [S, 1, C, B], beside outputs."""
    return targets.mT.unsqueeze(1)


def stack_loss(loss: Any) -> StackLoss | None:
    """Return the stack's form of a loss, or None where it has none."""
    if loss is squared:
        return OfDifference(lambda d: d.square() / 2, _itself, total=True)
    if getattr(loss, "reduction", None) not in ("mean", "sum"):
        return None
    total = loss.reduction == "sum"
    if type(loss) is nn.CrossEntropyLoss:
        plain = loss.weight is None and loss.label_smoothing == 0 and loss.ignore_index == -100
        return CrossEntropy() if plain and not total else None
    if type(loss) is nn.BCEWithLogitsLoss:
        return BinaryCrossEntropy(total=total) if loss.weight is None and loss.pos_weight is None else None
    if type(loss) is nn.MSELoss:
        return OfDifference(torch.square, _itself, 2.0, total=total)
    if type(loss) is nn.L1Loss:
        return OfDifference(torch.abs, torch.sign, total=total)
    if type(loss) is nn.HuberLoss:
        delta = loss.delta
        return OfDifference(lambda d: _huber(d, delta), lambda d: d.clamp(-delta, delta), total=total)
    if type(loss) is nn.SmoothL1Loss and loss.beta > 0:
        beta = loss.beta
        return OfDifference(lambda d: _huber(d, beta) / beta, lambda d: (d / beta).clamp(-1, 1), total=total)
    return None


def _itself(difference: Tensor) -> Tensor:
    """The slope of a square, up to its factor: needs no pass of its own."""
    return difference


def _huber(d: Tensor, delta: float) -> Tensor:
    """d^2 / 2 up to delta, and from there the straight line that continues it."""
    size = d.abs()
    return torch.where(size < delta, 0.5 * d * d, delta * (size - 0.5 * delta))
