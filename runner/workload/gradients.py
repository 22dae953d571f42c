"""The loss of a step with its gradient: by autograd, or by the formula that a model brings itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from xprun.errors import Error
from xprun.plugins.registry import Registry
from xprun.plugins.tensor_groups import Tensors, call, first_rows
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Diagnostic, Run, Spec, expand

ROWS = 8  # on which a formula is compared with autograd
CURE = 'correct it, or write gradient = "autograd"'
TOLERANCE = 1e-6  # relative and absolute, in double precision


class GradientError(Error, ValueError):
    """A model's own gradient is missing, incomplete or wrong."""


def loss_of(work: Workload, module: nn.Module) -> Callable[[Tensors, Tensor], Tensor]:
    """Return the loss of a batch (x, y) as a scalar with a gradient."""
    if not work.manual:
        return work.in_training(lambda x, y: work.loss(call(module, x), y))
    names, parameters = zip(*module.named_parameters(), strict=True)
    formula: Any = module.gradient

    def computed(x: Any, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        gradients = formula(x, y)
        return work.loss(call(module, x), y), [gradients[name] for name in names]

    return lambda x, y: _ByHand.apply(computed, x, y, *parameters)  # type: ignore[no-untyped-call]


def gradient_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield what is wrong with the hand-written gradients that a resolved spec asks for."""
    seen = set()
    for run in expand(spec):
        key = tuple(run.choices[section].identity for section in ("data", "model", "loss"))
        if run.settings.gradient == "manual" and key not in seen:
            seen.add(key)
            try:
                _compare(registry, run)
            except GradientError as error:
                yield Diagnostic(("run", "gradient"), str(error), CURE)
            except (Exception, SystemExit) as error:  # whatever a component raises on its first rows
                message = f"the manual gradient cannot be checked: {type(error).__name__}: {error}"
                yield Diagnostic(("run", "gradient"), message, CURE)


def _compare(registry: Registry, run: Run) -> None:
    """Raise GradientError where a model's own gradient differs from autograd's on a few rows of the data."""
    run = Run(**{**vars(run), "settings": run.settings.model_copy(update={"dtype": "float64"})})
    work = make_workload(registry, run, torch.device("cpu"))
    module, x, y = work.make_model(run.seed), first_rows(work.train.inputs, ROWS), work.train.targets[:ROWS]
    named = dict(module.named_parameters())
    expected = torch.autograd.grad(work.loss(call(module, x), y), list(named.values()), materialize_grads=True)
    for (name, right), own in zip(zip(named, expected, strict=True), _own_gradients(module, x, y), strict=True):
        if not torch.allclose(own, right, TOLERANCE, TOLERANCE):
            off = (own - right).abs().max()
            loss = run.choices["loss"].label
            message = f"the manual gradient of {run.choices['model'].name} is not that of {loss}: {name} is"
            raise GradientError(f"{message} off by {off:.3g} from autograd's")


def _own_gradients(module: nn.Module, x: Any, y: Tensor) -> list[Tensor]:
    """Return the gradients that a model brings, in the order of its parameters."""
    formula: Any = getattr(module, "gradient", None)
    if formula is None:
        raise GradientError(f"the model {type(module).__name__} has no manual gradient")
    with torch.no_grad():
        found = formula(x, y)
    for name, parameter in module.named_parameters():
        if name not in found or found[name].shape != parameter.shape:
            has = f"of shape {list(found[name].shape)}" if name in found else "missing"
            shape = list(parameter.shape)
            raise GradientError(f"the gradient of {name} {shape} that {type(module).__name__} returns is {has}")
    return [found[name] for name, _ in module.named_parameters()]


class _ByHand(torch.autograd.Function):
    """A loss whose derivatives are a model's own formula: whatever asks autograd for them gets it."""

    @staticmethod
    def forward(ctx: Any, computed: Any, x: Any, y: Tensor, *parameters: Tensor) -> Tensor:
        loss: Tensor
        loss, gradients = computed(x, y)
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        return (None, None, None, *(upstream[0] * gradient for gradient in ctx.saved_tensors))
