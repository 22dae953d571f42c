"""How far a model's parameters are from those that a synthetic set was drawn with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from xprun.plugins.registry import metric

if TYPE_CHECKING:
    from torch import Tensor


@metric("parameter_error", goal="min")
def parameter_error(
    prediction: Tensor,
    target: Tensor,
    parameters: dict[str, Tensor],
    truth: dict[str, Tensor],
    *,
    norm: Literal["max", "l2"] = "max",
) -> Tensor:
    """The largest ("max") or the Euclidean ("l2") distance of the trained parameters from the true ones.

    They are matched by name (`w`, `b`) where the model has the data's names, or else in order. Raises ValueError
    where there are not as many of them.
    """
    import torch

    matched = {name: truth[name] for name in parameters} if parameters.keys() <= truth.keys() else truth
    found = torch.cat([value.reshape(-1) for value in parameters.values()])
    true = torch.cat([value.reshape(-1) for value in matched.values()])
    if len(found) != len(true):
        raise ValueError(f"the data have {len(true)} true parameters, but the model trains {len(found)}")
    distance = (found - true).abs()
    return distance.max() if norm == "max" else distance.square().sum().sqrt()
