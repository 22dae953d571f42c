"""The gradient of a Linear stack as a pure function, for a compiler: of any number of runs, and writing into nothing.

The layout is that of the program: feature-major, a bias as the last column of its block, and inputs with a row of ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from xprun.runner.engine.programs.linear_stack import LinearStack
    from xprun.runner.workload.linear_chain import Layer

Gradient = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

FEW = 3  # inputs up to which a sum of products is written out, which a compiler fuses with what comes before and after

# activation: forward, and the gradient with respect to its input by that to its output, `d`, and its output, `h`
ACTIVATIONS: dict[type[nn.Module], tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    nn.ReLU: (lambda z: z.clamp_min(0), lambda d, h: d.where(h > 0, 0)),
    nn.Tanh: (torch.tanh, lambda d, h: d * (1 - h * h)),
    nn.Sigmoid: (torch.sigmoid, lambda d, h: d * (h * (1 - h))),
}


def gradient_of(stack: LinearStack) -> Gradient:
    """Return what makes gradients [S, K, P] and losses [S, K] of parameters [S, K, P] and a batch [S, B, ...]."""
    layers, loss = stack.layers, stack.loss

    def gradient(flat: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        blocks = [_block(flat, layer) for layer in layers]
        z, inputs = _first(blocks[0], x, layers[0]), []
        for layer, block, weights in zip(layers, blocks[1:], layers[1:], strict=False):
            h = ACTIVATIONS[layer.activation][0](z)  # type: ignore[index]
            inputs.append(torch.cat([h, torch.ones_like(h[:, :, :1])], 2) if weights.bias else h)
            z = _product(block, inputs[-1])
        losses, delta = loss.gradient(z, y)
        parts = []
        for layer, block, h, before in zip(layers[:0:-1], blocks[:0:-1], inputs[::-1], layers[-2::-1], strict=True):
            parts.append(_product(delta, h.mT).flatten(2))
            through = _product(block[..., : layer.inputs].mT, delta)
            delta = ACTIVATIONS[before.activation][1](through, h[:, :, : layer.inputs])  # type: ignore[index]
        parts.append(_first_gradient(delta, x, layers[0]).flatten(2))
        return (parts[0] if len(parts) == 1 else torch.cat(parts[::-1], 2)), losses

    return gradient


def _block(flat: Tensor, layer: Layer) -> Any:
    """Return the block [S, K, out, in (+ 1)] of a layer."""
    return flat[:, :, layer.offset : layer.offset + layer.size].unflatten(2, (layer.outputs, layer.columns))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return the products [S, K, n, m] of a [S, K, n, k] and b [S, K, k, m]."""
    product: Tensor = torch.bmm(a.flatten(0, 1), b.flatten(0, 1)).unflatten(0, a.shape[:2])
    return product


def _first(block: Tensor, x: Tensor, layer: Layer) -> Tensor:
    """Return the outputs [S, K, out, B] of the first layer: one product for all runs of a group, which share x."""
    if layer.inputs <= FEW:
        terms = [block[..., i, None] * x[:, None, None, :, i] for i in range(layer.inputs)]
        z = sum(terms[1:], terms[0])
        return z + block[..., layer.inputs, None] if layer.bias else z
    S, K = block.shape[:2]
    z = torch.bmm(block[..., : layer.inputs].reshape(S, K * layer.outputs, layer.inputs), x.mT)
    z = z.view(S, K, layer.outputs, x.shape[1])
    return z + block[..., layer.inputs, None] if layer.bias else z


def _first_gradient(delta: Tensor, x: Tensor, layer: Layer) -> Tensor:
    """Return the gradient [S, K, out, in (+ 1)] of the first layer for that of its outputs [S, K, out, B]."""
    S, K = delta.shape[:2]
    if layer.inputs <= FEW:
        columns = [(delta * x[:, None, None, :, i]).sum(3) for i in range(layer.inputs)]
        columns = [*columns, delta.sum(3)] if layer.bias else columns
        # Of three dimensions, for which the compiler keeps the order in memory.
        stacked = torch.cat([column.view(S, -1, 1) for column in columns], 2)
        return stacked.view(S, K, layer.outputs, layer.columns)
    product = torch.bmm(delta.reshape(S, K * layer.outputs, x.shape[1]), x).view(S, K, layer.outputs, layer.inputs)
    return torch.cat([product, delta.sum(3, keepdim=True)], 3) if layer.bias else product
