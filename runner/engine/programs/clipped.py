"""Gradient clipping: what an optimizer is given is no longer, or has no larger component, than a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from xprun.runner.engine.programs.program import Program
from xprun.runner.engine.programs.wrapper import ProgramWrapper

EPS = 1e-6  # of torch.nn.utils.clip_grad_norm_
Gradients = Sequence[Tensor | None]  # of the parameters of a module; None where one takes no part


class Clipped(ProgramWrapper):
    """A program with clipped gradients, in each of the forms in which optimizers ask for them.

    The `limit` of a batched program is a tensor [k, 1], one for each column; that of a lone run is a number.
    """

    def __init__(self, program: Program, limits: list[float]) -> None:
        super().__init__(program)
        self._limits = limits
        self.limit: Any = limits[0]

    def begin(self, modules: list[list[nn.Module]]) -> None:
        self.program.begin(modules)
        if self.program.batched:
            self.limit = self.program.flat.new_tensor(self._limits).unsqueeze(1)

    def keep(self, columns: Tensor) -> None:
        self.program.keep(columns)
        self.limit = self.limit.index_select(0, columns)

    def differentiate(self, batch: Any) -> Any:
        found = self.program.differentiate(batch)
        self.clip(self.program.gradient)
        return found

    def gradients(self, batch: Any) -> tuple[Tensor, Gradients]:
        loss, gradients = self.program.gradients(batch)
        return loss, self.clip_each(gradients)

    def backward(self, batch: Any, *, create_graph: bool = False) -> Tensor:
        loss: Tensor = self.program.backward(batch, create_graph=create_graph)
        self.clip_grads(self.program.trained)
        return loss

    def clip(self, gradient: Tensor) -> None:
        """Clip gradients [..., P] in place."""
        raise NotImplementedError

    def clip_each(self, gradients: Gradients) -> Gradients:
        """Return the gradients of a module's parameters, clipped."""
        raise NotImplementedError

    def clip_grads(self, parameters: Sequence[Tensor]) -> None:
        """Clip the `grad` of a module's parameters in place."""
        raise NotImplementedError


class ClippedByNorm(Clipped):
    """g <- g min(1, c / (|g| + 1e-6)), where |g| is the norm over all parameters of a run.

    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013, in the form of
    `torch.nn.utils.clip_grad_norm_`.
    """

    def clip(self, gradient: Tensor) -> None:
        gradient.mul_(self._factor(torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)))

    def clip_each(self, gradients: Gradients) -> Gradients:
        norms = [torch.linalg.vector_norm(g) for g in gradients if g is not None]
        if not norms:
            return gradients
        factor = self._factor(torch.linalg.vector_norm(torch.stack(norms)))
        return [None if g is None else g * factor for g in gradients]

    def clip_grads(self, parameters: Sequence[Tensor]) -> None:
        clip_grad_norm_(parameters, self.limit)

    def _factor(self, norm: Tensor) -> Tensor:
        factor: Tensor = self.limit / (norm + EPS)
        return factor.clamp_(max=1)


class ClippedByValue(Clipped):
    """Each component of g <- min(c, max(-c, g)), as `torch.nn.utils.clip_grad_value_`."""

    def clip(self, gradient: Tensor) -> None:
        gradient.clamp_(-self.limit, self.limit)

    def clip_each(self, gradients: Gradients) -> Gradients:
        return [None if g is None else g.clamp(-self.limit, self.limit) for g in gradients]

    def clip_grads(self, parameters: Sequence[Tensor]) -> None:
        clip_grad_value_(parameters, self.limit)
