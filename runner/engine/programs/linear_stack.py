"""A batched program for chains of Linear layers and activations: products of stacked matrices, backward by hand.

Everything is feature-major, `[runs, features, rows]`: the loss of a classifier then reduces over a middle axis, which
is many times faster than over a short last one. A layer's weight and bias are one block `[out, in + 1]` whose last
column is the bias, and its input has a last row of ones, so one product does both, forward and backward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from xprun.runner.engine.programs.linear_stack_losses import StackLoss, stack_loss
from xprun.runner.engine.programs.stacked import Stacked
from xprun.runner.workload.linear_chain import Layer, read_layers
from xprun.runner.workload.run_grid import Batch

aten = torch.ops.aten

# activation: forward into `out`; backward in place of `d`, the gradient with respect to its output `h`
ACTIVATIONS: dict[type[nn.Module], tuple[Any, Any]] = {
    nn.ReLU: (
        lambda z, out: torch.clamp_min(z, 0, out=out),
        lambda d, h: aten.threshold_backward.grad_input(d, h, 0, grad_input=d),
    ),
    nn.Tanh: (
        lambda z, out: torch.tanh(z, out=out),
        lambda d, h: aten.tanh_backward.grad_input(d, h, grad_input=d),
    ),
    nn.Sigmoid: (
        lambda z, out: torch.sigmoid(z, out=out),
        lambda d, h: aten.sigmoid_backward.grad_input(d, h, grad_input=d),
    ),
}
NARROW = 16  # columns: up to here products are faster over rows that lie feature by feature


class LinearStack(Stacked):
    """The program of one model; it holds scratch buffers for the shape of the runs at hand."""

    name = "linear-stack"
    pure = True

    def __init__(self, module: nn.Module, layers: list[Layer], loss: StackLoss) -> None:
        self.module, self.layers, self.loss = module, layers, loss
        self.held: dict[str, Tensor] = {}  # its layers have no buffers
        self.parameters = layers[-1].offset + layers[-1].size
        self.narrow = layers[0].columns <= NARROW
        self._scratch: dict[Any, Tensor] = {}

    @classmethod
    def of(cls, module: nn.Module, loss: Any, targets: Tensor) -> LinearStack | str:
        """Return the program, or why the model, the loss or the targets [N, ...] are none for it."""
        layers = read_layers(module, ACTIVATIONS)
        if isinstance(layers, str):
            return layers
        matched = stack_loss(loss)
        if matched is None:
            return f"the loss {type(loss).__name__} is not supported in a Linear stack"
        if not matched.fits(targets, layers[-1].outputs):
            return "its targets and outputs differ in shape"
        return cls(module, layers, matched)

    def pack(self, module: nn.Module) -> Tensor:
        named = dict(module.named_parameters())
        blocks = []
        for layer in self.layers:
            weight = named[layer.weight].detach().reshape(layer.outputs, layer.inputs)
            columns = [weight, named[layer.bias].detach().reshape(-1, 1)] if layer.bias else [weight]
            blocks.append(torch.cat(columns, 1).reshape(-1))
        return torch.cat(blocks)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        found = {}
        for layer in self.layers:
            block = flat[..., layer.offset : layer.offset + layer.size]
            block = block.unflatten(-1, (layer.outputs, layer.columns))
            found[layer.weight] = block[..., : layer.inputs]
            if layer.bias:
                found[layer.bias] = block[..., -1]
        return found

    def prepare(self, inputs: Any, targets: Tensor) -> Batch:
        """Return the rows [N, ...] in the form that batches are gathered from: inputs with a column of ones."""
        inputs = inputs.flatten(1)
        if self.layers[0].bias:
            inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1)
        inputs = inputs.mT.contiguous().mT if self.narrow else inputs.contiguous()
        return (inputs, *self.loss.prepare(targets, self.layers[-1].outputs, inputs.dtype))

    def rows_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return batch[0][..., : self.layers[0].inputs], batch[1]

    def differentiate(self, batch: Batch) -> tuple[Tensor, int]:
        """Write the gradient and return the losses; every run of one of the S groups sees the same rows."""
        flat, gradient = self.flat, self.gradient
        S, K, P = flat.shape
        rows, gradients = flat.view(S * K, P), gradient.view(S * K, P)
        x = batch[0].mT.contiguous().mT if self.narrow else batch[0]
        activated, z = self._forward(flat, x)
        losses, outputs = flat.new_empty(S, K), z.view(S, K, -1, z.shape[2])
        if self.see:
            self.see(self.loss.value(outputs, batch[1:]), outputs.mT, batch[1])
        delta, factor = self.loss.step(outputs, batch[1:], losses)
        delta = delta.view_as(z)
        scale_gradient = delta.numel() > gradient.numel()
        if not scale_gradient:
            delta.mul_(factor)
        for i in range(len(self.layers) - 1, 0, -1):
            layer, before, h = self.layers[i], self.layers[i - 1], activated[i - 1]
            self._block(gradients, layer).copy_(self._product("gradient", i, delta, h.mT))
            weight = self._block(rows, layer)[:, :, : layer.inputs]
            delta = self._product("delta", i, weight.mT, delta)
            ACTIVATIONS[before.activation][1](delta, h[:, : layer.inputs])  # type: ignore[index]
        self._first_gradient(gradient, delta, x)
        if scale_gradient:
            gradient.mul_(factor)
        if self.see_gradient:
            self.see_gradient(gradient.clone())
        return losses, x.shape[1]

    def _forward(self, flat: Tensor, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the inputs of every layer but the first, and the outputs [S * K, C, B]."""
        rows = flat.view(-1, self.parameters)
        first = self.layers[0]
        weight = flat[:, :, : first.size].reshape(x.shape[0], -1, first.columns)
        # One product for each group that shares its rows.
        z = self._product("first", 0, weight, x.mT).view(len(rows), first.outputs, -1)
        activated = []
        for i, (layer, after) in enumerate(zip(self.layers, self.layers[1:], strict=False), 1):
            activated.append(self._activated(layer, after, z))
            z = self._product("z", i, self._block(rows, after), activated[-1])
        return activated, z

    def _first_gradient(self, gradient: Tensor, delta: Tensor, x: Tensor) -> None:
        S, K, _ = gradient.shape
        first = self.layers[0]
        delta = delta.reshape(S, K * first.outputs, -1)
        a, b = (x.mT, delta.mT) if self.narrow else (delta, x)
        product = self._product("first gradient", 0, a, b)
        product = product.mT if self.narrow else product
        gradient[:, :, : first.size].unflatten(2, (first.outputs, first.columns)).copy_(
            product.unflatten(1, (K, first.outputs))
        )

    def predict(self, prepared: Batch, columns: slice) -> Tensor:
        flat = self.columns(columns)
        S, K, P = flat.shape
        _, z = self._forward(flat.view(1, S * K, P), prepared[0].unsqueeze(0))
        return z.view(S, K, *z.shape[1:]).mT

    def losses_of(self, predictions: Tensor, prepared: Batch) -> Tensor:
        return self.loss.value(predictions.mT, tuple(part.unsqueeze(0) for part in prepared[1:]))

    def _block(self, rows: Tensor, layer: Layer) -> Tensor:
        block: Tensor = rows[:, layer.offset : layer.offset + layer.size]
        return block.view(len(rows), layer.outputs, layer.columns)

    def _activated(self, layer: Layer, after: Layer, z: Tensor) -> Tensor:
        """Return the next layer's input [R, O (+ 1), B], with its row of ones."""
        key = ("input", after.offset, z.shape)
        if key not in self._scratch:
            self._scratch[key] = z.new_ones(z.shape[0], after.columns, z.shape[2])
        ACTIVATIONS[layer.activation][0](z, self._scratch[key][:, : after.inputs])  # type: ignore[index]
        return self._scratch[key]

    def _product(self, name: str, i: int, a: Tensor, b: Tensor) -> Tensor:
        """Return the batched product of a and b, in memory that is used again at the next step."""
        key = (name, i, a.shape, b.shape)
        if key not in self._scratch:
            self._scratch[key] = a.new_empty(a.shape[0], a.shape[1], b.shape[2])
        return torch.bmm(a, b, out=self._scratch[key])

    def keep(self, columns: Tensor) -> None:
        super().keep(columns)
        self._scratch.clear()  # it had the shape of all runs

    def numbers_per_run(self, rows: int) -> int:
        features = sum(layer.columns + 2 * layer.outputs for layer in self.layers[1:]) + 3 * self.layers[0].outputs
        return features * rows
