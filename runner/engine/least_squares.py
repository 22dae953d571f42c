"""The closed-form optimum of linear least squares: the floor that no training of such a model goes below."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.datasets.table import Table
from xprun.plugins.losses.squared import squared
from xprun.plugins.tensor_groups import Inputs
from xprun.runner.engine.trajectory_recorder import REPORTED_PARAMETERS, numbers
from xprun.runner.results.results_schema import LOSS, LOSS_PER_ROW, PARAMETER
from xprun.runner.workload.batch_feeds import Rows
from xprun.runner.workload.device_transfer import fetched
from xprun.runner.workload.linear_chain import Layer, read_layers
from xprun.runner.workload.workload import Workload

LARGEST = 2**26  # numbers in the inputs; solving for more would cost more than it tells


def least_squares(work: Workload) -> dict[str, float]:
    """Return what the best parameters of a linear model reach, in double precision.

    Keys: `loss`, the mean over the batches of an epoch; `train.loss`, `valid.rmse`, ... as the runs measure them; and
    `param.<name>` of a tiny model. Empty for other models, for losses that are no squared error, for frozen
    parameters, and for fresh rows at every step.
    """
    if not is_squared_error(work.loss) or not isinstance(work.feed, Rows) or not _is_solvable(work.train.inputs):
        return {}
    work = replace(work, device=torch.device("cpu"))  # others have no such solver, or no double precision
    module = work.make_model(0).double().eval()
    layers = read_layers(module, ())
    if isinstance(layers, str) or len(layers) > 1:
        return {}
    valid, test = (_double(part) if part else None for part in (work.valid, work.test))
    exact = replace(work, train=_double(work.train), valid=valid, test=test, dtype=torch.float64)
    with torch.no_grad():
        _solve(module, layers[0], exact.train)
        whole = exact.loss(module(exact.train.inputs), exact.train.targets)
        found = {LOSS: whole / _batches(work), **({LOSS_PER_ROW: whole / len(exact.train)} if work.summed else {})}
        found |= exact.measure(module, {**exact.splits, **exact.splits_at_end})
    return {name: float(value) for name, value in found.items()} | _parameters(module)


def is_squared_error(loss: Any) -> bool:
    """Whether the least squares solution has the least loss."""
    return loss is squared or type(loss) is nn.MSELoss


def _is_solvable(inputs: Inputs) -> bool:
    return isinstance(inputs, Tensor) and inputs.is_floating_point() and _is_small(inputs)


def _is_small(inputs: Tensor) -> bool:
    return inputs.numel() <= LARGEST and bool(inputs.isfinite().all())


def _solve(module: nn.Module, layer: Layer, table: Table) -> None:
    """Give the one Linear layer of a module its least squares solution; of several, the smallest."""
    inputs = table.one_tensor.flatten(1)
    columns = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1) if layer.bias else inputs
    solution = torch.linalg.lstsq(columns, table.targets, driver="gelsd").solution
    parameters = dict(module.named_parameters())
    parameters[layer.weight].copy_(solution[: layer.inputs].mT.view_as(parameters[layer.weight]))
    if layer.bias:
        parameters[layer.bias].copy_(solution[-1].view_as(parameters[layer.bias]))


def _batches(work: Workload) -> float:
    """Return how many times a batch's loss that of all rows is: a sum grows with its rows, a mean does not."""
    return (work.batches_per_epoch or 1) if work.summed else 1


def _double(table: Table) -> Table:
    return replace(table, inputs=fetched(table.one_tensor), targets=fetched(table.targets))


def _parameters(module: nn.Module) -> dict[str, float]:
    named: list[tuple[str, Tensor]] = [(name, p.detach()) for name, p in module.named_parameters()]
    if sum(p.numel() for _, p in named) > REPORTED_PARAMETERS:
        return {}
    return {PARAMETER + key: value for name, p in named for key, value in numbers(name, p)}
