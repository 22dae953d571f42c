"""Whether components leave the rows that they are given as they were; others would train on what they made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.blame import blaming
from xprun.plugins.registry import Component
from xprun.plugins.tensor_groups import Tensors, call, map_parts, tensors_in

NOT_IN_PLACE = "compute with copies, as in x = x + 1 or x.clone()"


def outputs_of(name: str, module: nn.Module, inputs: Tensors) -> Any:
    """Return what a model makes of some rows; raise ValueError where it changes them in place."""
    given = map_parts(torch.clone, inputs)
    outputs = call(module, given)
    if not _equal(inputs, given):
        first = next((part for part in module.modules() if getattr(part, "inplace", False)), None)
        cure = f"write inplace = false for {type(first).__name__}" if first else NOT_IN_PLACE
        with blaming("model", name):
            raise ValueError(f"it changes its inputs in place, which are the data's: {cure}")
    return outputs


def refuse_changes(component: Component, function: Callable[..., Any], outputs: Any, targets: Tensor) -> None:
    """Raise ValueError where a loss or a metric changes the outputs or the targets in place.

    Whatever else it raises is told in training.
    """
    given = (map_parts(torch.clone, outputs), targets.clone())
    try:
        function(*given)
    except Exception:
        return
    if not (_equal(outputs, given[0]) and _equal(targets, given[1])):
        which = (
            "targets, which are the data's" if _equal(outputs, given[0]) else "predictions, which others measure, too"
        )
        raise ValueError(f"the {component.kind} {component.name} changes its {which}, in place: {NOT_IN_PLACE}")


def _equal(one: Tensors, other: Tensors) -> bool:
    """Whether tensors have the same numbers, NaN being one."""
    pairs = zip(tensors_in(one), tensors_in(other), strict=True)
    return all(bool(((a == b) | ((a != a) & (b != b))).all()) for a, b in pairs)
