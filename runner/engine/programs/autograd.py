"""The program of a lone run: the ordinary forward and backward pass of its module, for whatever cannot be batched."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from xprun.plugins.tensor_groups import Tensors, map_parts
from xprun.runner.engine.programs.dropout_masks import with_drawn_masks
from xprun.runner.engine.programs.program import See, SeeGradient
from xprun.runner.store.snapshots import State
from xprun.runner.workload.batch_feeds import Batches, Feed
from xprun.runner.workload.device_generators import random_state, restore_random, seed_torch
from xprun.runner.workload.evaluation_rows import predictions
from xprun.runner.workload.gradients import loss_of
from xprun.runner.workload.measures import Measure
from xprun.runner.workload.workload import Workload, named_views, trained_parameters

Rows = tuple[Tensors, Tensor]  # inputs and targets [B, ...] of a batch


class Autograd:
    """One run, the grid [1, 1]: its module holds the parameters.

    Rules that work on one vector have the module's parameters laid out as views of it (`flatten`), others get them
    one by one (`trained`), with their gradients as a list or in their `grad`.
    """

    name = "autograd"
    batched = False
    shape = (1, 1)
    rows_at_once = None  # there is one run, whose rows are cut by `predictions`
    weights: Tensor  # [P], once flattened, as is their gradient
    gradient: Tensor
    see_gradient: SeeGradient | None = None

    def __init__(self, work: Workload, seed: int) -> None:
        self.work, self.seed = work, seed
        self.flattened = False

    def begin(self, modules: list[list[nn.Module]]) -> None:
        seed_torch(self.seed, self.work.device)  # what random layers draw from
        [[module]] = modules
        self.module = module if self.work.device.type == "cpu" else with_drawn_masks(module)
        named = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        self.names, self.trained = list(named), list(named.values())
        self._sparse = any(getattr(part, "sparse", False) is True for part in self.module.modules())
        self.parameters = sum(p.numel() for p in self.trained)
        self.loss_of = loss_of(self.work, self.module)

    # --- the backward pass, for each kind of optimizer

    def flatten(self, order: Sequence[int]) -> None:
        """Lay the parameters out in an order as views of one vector, and have memory for their gradient."""
        self.names, self.trained = [self.names[i] for i in order], [self.trained[i] for i in order]
        self.weights = torch.cat([p.detach().reshape(-1) for p in self.trained])
        for parameter, part in zip(self.trained, self.weights.split([p.numel() for p in self.trained]), strict=True):
            parameter.data = part.view_as(parameter)
        self.gradient, self.flattened = torch.empty_like(self.weights), True

    def gradients(self, batch: Rows) -> tuple[Tensor, Sequence[Tensor | None]]:
        """Return the loss of a batch and the gradients of the `trained` parameters, None where one takes no part."""
        with torch.enable_grad():
            loss = self.loss_of(*batch)
        gradients: Sequence[Tensor | None] = torch.autograd.grad(loss, self.trained, allow_unused=True)
        if self._sparse:
            gradients = [_dense(g) for g in gradients]
        if self.see_gradient:
            self.see_gradient(self._as_one(gradients))
        return loss.detach(), gradients

    def backward(self, batch: Rows, *, create_graph: bool = False) -> Tensor:
        """Return the loss of a batch; add its gradient to the `grad` of each parameter that has a part in it.

        With `create_graph` the gradients are differentiable themselves.
        """
        if self.see_gradient is None:
            return self._backward(batch, create_graph=create_graph)
        before = self._as_one([_dense(p.grad) for p in self.trained])
        loss = self._backward(batch, create_graph=create_graph)
        self.see_gradient(self._as_one([_dense(p.grad) for p in self.trained]).detach() - before.detach())
        return loss

    def _backward(self, batch: Rows, *, create_graph: bool) -> Tensor:
        loss = self.loss_of(*batch)
        if not create_graph:
            loss.backward()
            return loss
        with warnings.catch_warnings(action="ignore"):  # of memory that is not freed; the optimizer frees it
            loss.backward(create_graph=True)
        return loss

    def _as_one(self, gradients: Sequence[Tensor | None]) -> Tensor:
        """Return gradients of the `trained` parameters as one tensor [1, 1, P], zero where one takes no part."""
        pairs = zip(self.trained, gradients, strict=True)
        return torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for p, g in pairs]).view(1, 1, -1)

    def rows_in(self, batch: Rows) -> int:
        return len(batch[1])

    # --- see `Program`

    @property
    def flat(self) -> Tensor:
        flat = self.weights if self.flattened else torch.cat([p.detach().reshape(-1) for p in self.trained])
        return flat[None, None]

    def batches(self, feed: Feed, seeds: list[int]) -> Batches[Rows]:
        return feed.alone(self.seed)

    def watch(self, see: See) -> None:
        criterion = self.work.loss

        def seen(outputs: Any, targets: Tensor) -> Tensor:
            loss = criterion(outputs, targets)
            of_one_run = map_parts(lambda part: part.detach()[None, None], outputs)
            see(loss.detach()[None, None], of_one_run, targets[None])
            return loss

        self.loss_of = loss_of(replace(self.work, loss=seen), self.module)

    def watch_gradient(self, see: SeeGradient | None) -> None:
        self.see_gradient = see

    def prepare(self, inputs: Tensors, targets: Tensor) -> Rows:
        return inputs, targets

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        return named_views(flat, {name: p.shape for name, p in zip(self.names, self.trained, strict=True)})

    def tensors(self) -> dict[str, Tensor]:
        return {name: tensor[None, None] for name, tensor in self.module.state_dict().items()}

    def moving(self) -> list[Tensor]:
        return [self.flat, *(buffer[None, None] for buffer in self._statistics)]

    @torch.no_grad()
    def put(self, tensors: list[Tensor]) -> None:
        flat, *statistics = (tensor[0, 0] for tensor in tensors)
        for name, part in self.views(flat).items():
            self.module.get_parameter(name).copy_(part)
        for buffer, found in zip(self._statistics, statistics, strict=True):
            buffer.copy_(found)

    @property
    def _statistics(self) -> list[Tensor]:
        return [buffer for buffer in self.module.buffers() if buffer.is_floating_point()]

    def finite(self) -> Tensor:
        return torch.tensor([[all(bool(p.detach().isfinite().all()) for p in self.module.parameters())]])

    def train(self, mode: bool) -> None:
        self.module.train(mode)

    def predict(self, prepared: Rows, columns: slice) -> Tensors:
        return map_parts(lambda part: part[None, None], predictions(self.module, prepared[0], self.work.rows_at_once))

    def measure(
        self, metrics: dict[str, Measure], prepared: Rows, targets: Tensor, columns: slice
    ) -> dict[str, Tensor]:
        return self._judge(predictions(self.module, prepared[0], self.work.rows_at_once), metrics, targets)

    def judge(
        self, loss: Any, metrics: dict[str, Measure], predictions: Tensors, targets: Tensor, columns: slice
    ) -> dict[str, Tensor]:
        return self._judge(map_parts(lambda part: part[0, 0], predictions), metrics, targets)

    def _judge(self, outputs: Tensors, metrics: dict[str, Measure], targets: Tensor) -> dict[str, Tensor]:
        parameters = trained_parameters(self.module)
        measured = {name: _as_tensor(metric(outputs, targets, parameters)) for name, metric in metrics.items()}
        return {"loss": self.work.loss(outputs, targets), **measured}

    def keep(self, columns: Tensor) -> None:
        """Nothing can leave."""

    def numbers_per_run(self, rows: int) -> int:
        return rows  # there is one run, which is measured as a whole

    def state(self) -> State:
        return {"model": _all_tensors(self.module), "random": random_state(self.work.device)}

    def restore(self, state: State) -> None:
        for name, tensor in _all_tensors(self.module).items():
            tensor.copy_(state["model"][name])
        restore_random(state["random"], self.work.device)


def _dense(gradient: Tensor | None) -> Tensor | None:
    """Return a gradient as update rules take it."""
    return gradient.to_dense() if gradient is not None and gradient.is_sparse else gradient


def _as_tensor(measured: Any) -> Tensor:
    """Return what a metric has measured as a tensor, a Python number as precise as it is."""
    if isinstance(measured, float):
        return torch.tensor(measured, dtype=torch.float64)
    return torch.as_tensor(measured)


def _all_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return what a module holds, also what it leaves out of its `state_dict`."""
    return {name: p.detach() for name, p in module.named_parameters()} | dict(module.named_buffers())
