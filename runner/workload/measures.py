"""A metric seen from the loops: which of the things that a run knows its function asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import Component, Registry
from xprun.plugins.signature import positional_names
from xprun.plugins.tensor_groups import Tensors, first_rows, tensors_in
from xprun.runner.resolve.build import build
from xprun.runner.workload.model_outputs import Which, pick
from xprun.runner.workload.target_shapes import boundary
from xprun.specs.language.schema import Metric

Parameters = dict[str, Tensor]
KNOWN = (
    "parameters",
    "truth",
    "boundary",
    "ignore_index",
)  # what a metric may ask for by name, after the prediction and the target


@dataclass(frozen=True)
class Measure:
    """`function(prediction, target, ...)`, with what else it asks for; `names` are those things in its order."""

    function: Callable[..., Tensor]
    names: tuple[str, ...]
    given: dict[str, Any]
    component: Component
    output: Which = None  # of several outputs of the model, the one that is measured

    @property
    def needs_parameters(self) -> bool:
        return "parameters" in self.names

    def __call__(self, prediction: Tensors, target: Tensor, parameters: Parameters | None = None) -> Tensor:
        """Return the measure of predictions [N, ...], in a model that has these trained parameters."""
        known = {**self.given, "parameters": parameters}
        return self.function(pick(prediction, self.output), target, *(known[name] for name in self.names))


def make_measure(
    registry: Registry,
    metric: Metric,
    loss: Any,
    data: Table,
    output: Which = None,
    *,
    dtype: torch.dtype = torch.float32,
) -> Measure:
    """Return a metric of a spec with its settings filled in; it measures the `output` that the loss takes, or its own.

    The truth, and vectors among the settings, have the `dtype`.
    Raises TypeError for a function that asks for something unknown, and ValueError where the data lack the truth.
    """
    component = registry.find("metric", metric.name)
    names = positional_names(component.load())[2:]
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise TypeError(f"a metric takes a prediction, a target, and any of {', '.join(KNOWN)}; not {unknown[0]!r}")
    if "truth" in names and not data.truth:
        raise ValueError(f"{metric.name} compares with true parameters, which these data do not have")
    like = tensors_in(first_rows(data.inputs, 1))[0]
    truth = {name: torch.tensor(value, dtype=dtype, device=like.device) for name, value in data.truth.items()}
    function = build(registry, "metric", metric.name, metric.settings, dtype=dtype)
    given = {"truth": truth, "boundary": boundary(loss), "ignore_index": getattr(loss, "ignore_index", None)}
    return Measure(function, names, given, component, metric.settings.get("output", output))
