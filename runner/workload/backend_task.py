"""One run as a backend is given it, and the models and data of a spec that no backend is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from xprun.plugins.backends.backend_contract import LinearLayer, Task
from xprun.plugins.registry import Registry
from xprun.runner.process.log import words_of
from xprun.runner.resolve.backend_checks import refusals, rule_of
from xprun.runner.resolve.build import own_settings
from xprun.runner.workload.linear_chain import read_layers
from xprun.runner.workload.workload import Workload, make_workload
from xprun.specs import Diagnostic, Run, Spec, apart_from_seeds, expand
from xprun.specs.language.schema import TORCH

# Activations without parameters, which a backend may know by their names.
ACTIVATIONS = frozenset(
    {
        *(nn.CELU, nn.ELU, nn.GELU, nn.Hardtanh, nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.SELU),
        *(nn.Sigmoid, nn.SiLU, nn.Softplus, nn.Softsign, nn.Tanh, nn.Tanhshrink),
    }
)
CURE = 'write backend = "torch"; docs/backends.md lists what other backends train'


def make_task(work: Workload, run: Run) -> Task:
    """Return a run as its backend trains it; raise ValueError where the model is none for it."""
    module = work.make_model(run.seed)
    layers = _layers(module)
    if isinstance(layers, str):
        raise ValueError(layers)
    optimizer, loss = run.choices["optimizer"], run.choices["loss"]
    component = work.registry.find("optimizer", optimizer.name)
    return Task(
        layers,
        {name: parameter.detach().cpu().numpy().copy() for name, parameter in module.named_parameters()},
        loss.name,
        "sum" if work.summed else "mean",
        run.settings.gradient,
        optimizer.name,
        rule_of(component),
        own_settings(work.registry, component, optimizer.settings, work.dtype),
        run.settings.dtype,
        work.schedule.steps,
    )


def network_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield the models and data of a resolved spec that its backends do not take; each combination is built once."""
    seen = set()
    for run in apart_from_seeds(expand(spec)):
        parts = [run.choices[section] for section in ("data", "model", "loss")]
        key = (*(part.identity for part in parts), run.settings.backend, run.settings.gradient)
        if run.settings.backend != TORCH and key not in seen:
            seen.add(key)
            try:
                yield from _problems_of(registry, run)
            except (Exception, SystemExit) as error:  # whatever a component raises on its first rows
                message = f"it cannot be told whether {run.settings.backend} trains this: {type(error).__name__}: "
                yield Diagnostic((*run.choices["model"].alternative.path, "name"), message + words_of(error), CURE)


def _problems_of(registry: Registry, run: Run) -> Iterator[Diagnostic]:
    work, name = make_workload(registry, run, torch.device("cpu")), run.settings.backend
    layers = _layers(work.make_model(run.seed))
    if isinstance(layers, str):
        path = (*run.choices["model"].alternative.path, "name")
        yield Diagnostic(path, f"a backend such as {name} trains chains of Linear layers: {layers}", CURE)
    elif why := _other_data(work, run.choices["loss"].name):
        path = (*run.choices["data"].alternative.path, "name")
        yield Diagnostic(path, f"a backend such as {name} trains on tables of numbers: {why}", CURE)
    else:
        activations = tuple(layer.activation for layer in layers if layer.activation)
        yield from refusals(registry, {**run.choices, "run": run.run_choice}, activations)


def _layers(module: nn.Module) -> tuple[LinearLayer, ...] | str:
    """Return the layers of a module as a backend is given them, or why there are none."""
    for part in module.modules():
        if type(part) in ACTIVATIONS and repr(part) != repr(type(part)()):
            return f"{part} has settings that a backend is not told"
    layers = read_layers(module, ACTIVATIONS)
    if isinstance(layers, str):
        return layers
    names = [layer.activation.__name__ if layer.activation else "" for layer in layers]
    return tuple(LinearLayer(one.weight, one.bias, name) for one, name in zip(layers, names, strict=True))


def _other_data(work: Workload, loss: str) -> str:
    """Return why the rows of a workload are no table of numbers, or nothing."""
    inputs, targets = cast(Any, work.train.inputs), work.train.targets
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        return "the inputs are several tensors, not numbers, or not in memory"
    if not targets.is_floating_point() and (targets.dim() != 1 or loss != "CrossEntropyLoss"):
        return f"the targets are integers of the shape {[*targets.shape[1:]]} a row, which {loss} does not take there"
    if targets.is_floating_point() and (targets.dim() != 2 or loss == "CrossEntropyLoss"):
        return f"the targets are numbers of the shape {[*targets.shape[1:]]} a row, which {loss} does not take there"
    return ""
