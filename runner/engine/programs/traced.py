"""A batched program for any model: its gradient function under vmap, traced once for each batch shape and replayed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from xprun.plugins.tensor_groups import (
    Tensors,
    arguments_of,
    first_rows,
    map_parts,
    tensors_in,
    with_parts,
)
from xprun.runner.engine.programs.batchable_layers import batchable_attention, normalise_in_single_precision
from xprun.runner.engine.programs.dropout_masks import CannotBatchError, with_masks
from xprun.runner.engine.programs.stacked import Stacked, over_runs
from xprun.runner.engine.programs.traced_graph import without_no_ops
from xprun.runner.store.snapshots import State
from xprun.runner.workload.device_generators import generator_on
from xprun.runner.workload.device_memory import room_on
from xprun.runner.workload.evaluation_rows import numbers_of_a_row
from xprun.runner.workload.run_grid import Batch
from xprun.runner.workload.workload import Forward, named_views


class Traced(Stacked):
    """The program of one model: parameters [S, K, P] in the order of the module, buffers and masks beside them."""

    name = "traced"

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[Any, Tensor], Tensor],
        seeds: list[int],
        inputs: Tensors,
        in_mixed_precision: Callable[[Forward], Forward] | None = None,
    ) -> None:
        self.module, self.masked = with_masks(copy.deepcopy(module))
        self.module.train()
        self.loss, self.form, self.in_mixed_precision = loss, first_rows(inputs, 1), in_mixed_precision
        if in_mixed_precision:
            normalise_in_single_precision(self.module)
        self.shapes = {name: p.shape for name, p in self.module.named_parameters() if p.requires_grad}
        self.parameters = sum(shape.numel() for shape in self.shapes.values())
        device = tensors_in(inputs)[0].device
        self.generators = [generator_on(device, seed) for seed in seeds] if self.masked else []
        self.outputs = room_on(device).outputs  # numbers that the layers of one column put out at once in an evaluation
        self.held: dict[str, Tensor] = {}
        self._programs: dict[Any, Any] = {}
        self._numbers = _numbers_in_training(self.module, inputs)
        if any(layer.uses != 1 for layer in self.masked.values()):
            raise CannotBatchError("a dropout layer is not used exactly once in a step")

    def begin(self, modules: list[list[nn.Module]]) -> None:
        super().begin(modules)
        others = [_others(module) for group in modules for module in group]
        self.held = {
            name: torch.stack([other[name] for other in others]).unflatten(0, self.shape).clone() for name in others[0]
        }

    def pack(self, module: nn.Module) -> Tensor:
        return torch.cat([p.detach().reshape(-1) for p in module.parameters() if p.requires_grad])

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        return named_views(flat, self.shapes)

    def prepare(self, inputs: Tensors, targets: Tensor) -> Batch:
        return *tensors_in(inputs), targets

    def rows_of(self, batch: Batch) -> tuple[Tensors, Tensor]:
        *parts, targets = batch
        return with_parts(self.form, parts), targets

    @property
    def pure(self) -> bool:
        return not self.held and not self.masked

    def differentiate(self, batch: Batch) -> tuple[Tensor, int]:
        x, y = self.rows_of(batch)
        rows = y.shape[1]
        program, self.unused = self._program(batch)
        gradients, found = program(self.views(self.flat), self.held, self.draw_masks(rows), x, y)
        losses = found
        if self.see:
            losses, outputs = found
            self.see(losses, outputs, y)
        torch.cat([g.reshape(*self.shape, -1) for g in gradients.values()], 2, out=self.gradient)
        if self.see_gradient:
            self.see_gradient(self.gradient.clone())
        return losses, rows

    def train(self, mode: bool) -> None:
        self.module.train(mode)

    def predict(self, prepared: Batch, columns: slice) -> Any:
        args, kwargs = arguments_of(self.rows_of(prepared)[0])

        def one(parameters: dict[str, Tensor], state: dict[str, Tensor]) -> Any:
            return functional_call(self.module, {**parameters, **state}, args, kwargs)

        parameters, held = self.views(self.columns(columns)), {name: t[:, columns] for name, t in self.held.items()}
        with batchable_attention():
            return vmap(vmap(one))(parameters, held)

    def losses_of(self, predictions: Any, prepared: Batch) -> Tensor:
        return over_runs(self.loss, predictions, prepared[-1])

    def keep(self, columns: Tensor) -> None:
        super().keep(columns)
        self.held = {name: tensor.index_select(1, columns) for name, tensor in self.held.items()}

    def state(self) -> State:
        return {
            **super().state(),
            "held": self.held,
            "generators": [generator.get_state() for generator in self.generators],
        }

    def restore(self, state: State) -> None:
        super().restore(state)
        self.held = {name: state["held"][name].to(tensor.device) for name, tensor in self.held.items()}
        for generator, found in zip(self.generators, state["generators"], strict=True):
            generator.set_state(found)

    @property
    def rows_at_once(self) -> int | None:
        return max(1, self.outputs // (self.shape[0] * max(1, self.numbers_per_run(1))))

    def numbers_per_run(self, rows: int) -> int:
        return 3 * self._numbers * rows

    def draw_masks(self, rows: int) -> dict[str, Tensor]:
        drawn = [[layer.draw(rows, g, self.flat) for layer in self.masked.values()] for g in self.generators]
        stacked = (torch.stack(masks) for masks in zip(*drawn, strict=True))
        return dict(zip(self.masked, stacked, strict=True))

    def _program(self, batch: Batch) -> Any:
        key = (self.flat.shape, *(part.shape for part in batch))
        if key not in self._programs:
            self._programs[key] = self._trace(*self.rows_of(batch))
            if any(unused != self._programs[key][1] for _, unused in self._programs.values()):
                raise CannotBatchError("some of its parameters have a part in the loss of some batches only")
        return self._programs[key]

    def _trace(self, x: Tensors, y: Tensor) -> tuple[Any, frozenset[str]]:
        """Return the program for batches of a shape, and the names of the parameters that it does not use."""
        from torch.fx.experimental.proxy_tensor import make_fx

        _, K = self.shape

        def seen(parameters: Any, state: Any, masks: Any, x: Tensors, y: Tensor) -> tuple[Tensor, Any]:
            args, kwargs = arguments_of(x)
            outputs = functional_call(self.module, {**parameters, **state, **masks}, args, kwargs)
            return self.loss(outputs, y), outputs

        def loss_of(*everything: Any) -> Tensor:
            return seen(*everything)[0]

        asked: Any = seen if self.see else loss_of
        in_a_step = self.in_mixed_precision(asked) if self.in_mixed_precision else asked

        def all_runs(parameters: Any, state: Any, masks: Any, x: Tensors, y: Tensor) -> Any:
            # Targets are expanded over the runs: some losses cannot be batched over an input without its target.
            targets = y.unsqueeze(1).expand(y.shape[0], K, *y.shape[1:])
            gradient = grad_and_value(in_a_step, has_aux=self.see is not None)
            inner = vmap(gradient, in_dims=(0, 0, None, None, 0))
            return vmap(inner)(parameters, state, masks, x, targets)

        # Tracing runs the program once: on copies, because it changes the running statistics of BatchNorm.
        state = {name: tensor.clone() for name, tensor in self.held.items()}
        masks = {
            name: self.flat.new_ones((y.shape[0], y.shape[1], *layer.shape[1:])) for name, layer in self.masked.items()
        }
        unused = self._unused(loss_of, masks, x, y)
        with batchable_attention():
            traced = make_fx(all_runs)(self.views(self.flat), state, masks, x, y)
        return without_no_ops(traced), unused

    def _unused(self, loss_of: Any, masks: dict[str, Tensor], x: Tensors, y: Tensor) -> frozenset[str]:
        """Return which trained parameters have no part in the loss, by the ordinary backward pass of one run."""
        parameters = {name: p[0, 0].clone().requires_grad_() for name, p in self.views(self.flat).items()}
        state = {name: tensor[0, 0].clone() for name, tensor in self.held.items()}
        first = map_parts(lambda part: part[0], x)
        with torch.enable_grad():
            loss = loss_of(parameters, state, {name: mask[0] for name, mask in masks.items()}, first, y[0])
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        return frozenset(name for name, g in zip(parameters, gradients, strict=True) if g is None)


def _numbers_in_training(module: nn.Module, inputs: Tensors) -> int:
    """Return how many numbers the layers of a module put out for one row.

    The rows that are passed through tell random layers the shape of their masks; running statistics are restored.
    """
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    counted = numbers_of_a_row(module, first_rows(inputs, 4))
    for name, buffer in module.named_buffers():
        buffer.copy_(before[name])
    return counted


def _others(module: nn.Module) -> dict[str, Tensor]:
    """Return what a module holds beside its trained parameters: buffers, and parameters that are frozen."""
    frozen = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
    return {**frozen, **dict(module.named_buffers())}
