"""The loss of a model at many places of its parameters at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap
from xprun.plugins.tensor_groups import LazyRows, arguments_of, map_parts
from xprun.runner.engine.programs.stacked import over_runs
from xprun.runner.engine.trajectory_recorder import number_places
from xprun.runner.workload.workload import Workload, split_by_name, untrained

AT_ONCE = 2**22  # predictions that are held in memory


def losses_at(work: Workload, names: list[str], points: NDArray[np.float64], seeds: tuple[int, ...]) -> Tensor | None:
    """Return the losses [G] on all training rows of models with the parameters `points` [G, P], `names` their order.

    None where a model holds something else that differs between the seeds: then there is no one loss at a place; and
    for rows that are not in memory.
    """
    if isinstance(work.train.inputs, LazyRows) or _depends_on(work, seeds):
        return None
    module = work.make_model(seeds[0]).eval()
    places = number_places(split_by_name(module, torch.arange(len(names))))
    ordered = points[:, [names.index(name) for name in places]]
    parts = torch.as_tensor(ordered, dtype=work.dtype, device=work.device).split(max(1, AT_ONCE // len(work.train)))
    with torch.no_grad():
        return torch.cat([_losses(work, module, part) for part in parts])


def _depends_on(work: Workload, seeds: tuple[int, ...]) -> bool:
    """Whether models hold something beside their trained parameters that their seed has drawn."""
    first, *others = (untrained(work.make_model(seed)) for seed in seeds)
    return any(not torch.equal(first[name], other[name]) for other in others for name in first)


def _losses(work: Workload, module: nn.Module, points: Tensor) -> Tensor:
    """Return the losses [n] at the points [n, P], in the order of the module's parameters."""

    inputs: Any = work.train.inputs
    arguments = arguments_of(inputs)

    def predict(point: Tensor) -> Any:
        return functional_call(module, split_by_name(module, point), *arguments)

    outputs = map_parts(lambda part: part.unsqueeze(0), vmap(predict)(points))
    return over_runs(work.loss, outputs, work.train.targets)[0]
