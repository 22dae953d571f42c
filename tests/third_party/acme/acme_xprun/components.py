"""An optimizer, a data set, a loss, a metric and a plot, registered by decorators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xprun.plugins import Decay, NonNegativeInt, Positive, PositiveInt, Table, data, loss, metric, optimizer, plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from torch import Tensor


@optimizer("acme.signum")
def signum(w: Tensor, g: Tensor, m: Tensor, *, lr: Positive = 0.01, momentum: Decay = 0.9) -> tuple[Tensor, Tensor]:
    """A step of the same length in every coordinate, by the sign of an averaged gradient (Bernstein et al., 2018)."""
    m = momentum * m + (1 - momentum) * g
    return w - lr * m.sign(), m


@data("acme.rings")
def rings(*, samples: PositiveInt = 200, seed: NonNegativeInt = 0) -> Table:
    """Two rings around the origin, radius 1 and 2: inputs [samples, 2], targets [samples] of 2 classes."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(samples, generator=generator)
    inner = torch.arange(samples) % 2
    radius = 2.0 - inner + 0.1 * torch.randn(samples, generator=generator)
    return Table(torch.stack([radius * angle.cos(), radius * angle.sin()], 1), inner)


@loss("acme.brier")
def brier(prediction: Tensor, target: Tensor) -> Tensor:
    """The squared distance of the class probabilities to the true class, averaged (Brier, 1950)."""
    import torch

    truth = torch.nn.functional.one_hot(target, prediction.shape[1])
    return ((prediction.softmax(1) - truth) ** 2).sum(1).mean()


@metric("acme.confidence", goal="max")
def confidence(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean probability that is given to the true class."""
    return prediction.softmax(1).gather(1, target.unsqueeze(1)).mean()


@plot("acme.speed")
def speed(runs: DataFrame, palette: dict[str, str], *, unit: Literal["seconds", "steps"] = "seconds") -> Figure:
    """How long each run took."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(runs)), runs[unit], color=[palette.get(name, "grey") for name in runs["alternative"]])
    axes.set(xlabel=unit, yticks=range(len(runs)), yticklabels=runs["run"])
    return figure
