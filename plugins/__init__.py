"""Components and their registry: what a plugin author imports."""

from xprun.plugins.datasets.stream import Stream
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import (
    data,
    init,
    launcher,
    layer,
    loss,
    metric,
    model,
    observer,
    optimizer,
    scheduler,
    transform,
)
from xprun.plugins.types import (
    Decay,
    Fraction,
    Init,
    Layer,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Scheduler,
    SpecFile,
    Transform,
    Vector,
)

__all__ = [
    "Decay",
    "Fraction",
    "Init",
    "Layer",
    "NonNegative",
    "NonNegativeInt",
    "Positive",
    "PositiveInt",
    "Scheduler",
    "SpecFile",
    "Stream",
    "Table",
    "Transform",
    "Vector",
    "data",
    "init",
    "launcher",
    "layer",
    "loss",
    "metric",
    "model",
    "observer",
    "optimizer",
    "scheduler",
    "transform",
]
