"""Components and their registry: what a plugin author imports."""

from xprun.plugins.registry import data, init, launcher, layer, loss, metric, model, optimizer
from xprun.plugins.types import (
    Decay,
    Fraction,
    Init,
    Layer,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    SpecFile,
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
    "SpecFile",
    "Vector",
    "data",
    "init",
    "launcher",
    "layer",
    "loss",
    "metric",
    "model",
    "optimizer",
]
