"""Turns names and settings into live components: the place where torch is first needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from xprun.plugins.registry import Component, Registry
from xprun.plugins.signature import Setting, takes_rows
from xprun.runner.resolve.parameter_groups import fits, some_of
from xprun.runner.resolve.spec_files import ResolvedSpecFile

if TYPE_CHECKING:
    import torch

# Kinds whose component is called once to make something; the others are called again and again with settings.
MAKERS = {"data", "model", "observer"}


def build(
    registry: Registry,
    kind: str,
    name: str,
    settings: dict[str, Any],
    *inputs: Any,
    dtype: torch.dtype | None = None,
) -> Any:
    """Return the component: what a maker makes of its inputs, or a function with its settings filled in.

    Vectors among the settings get the `dtype`, or torch's default. A layer comes as a function, too: its model calls
    it when it is the layer's turn to draw its parameters.
    """
    component = registry.find(kind, name)
    thing = component.load()
    own = own_settings(registry, component, settings, dtype)
    if kind == "model" and inspect.isclass(thing) and not takes_rows(thing):
        return thing(**own)
    if kind in MAKERS or (inspect.isclass(thing) and kind != "layer"):
        return thing(*inputs, **own)
    return partial(thing, **own) if own else thing


def own_settings(
    registry: Registry, component: Component, settings: dict[str, Any], dtype: torch.dtype | None = None
) -> dict[str, Any]:
    """Return a component's own settings as it takes them: components built, vectors as tensors, files as paths.

    A vector is rounded once, from the numbers of the spec to the `dtype`, or to torch's default.
    """
    return {
        name: _live(registry, component.settings[name], value, dtype)
        for name, value in settings.items()
        if name in component.settings
    }


def _live(registry: Registry, setting: Setting, value: Any, dtype: torch.dtype | None) -> Any:
    if setting.component_kind:
        return _nested(registry, setting.component_kind, value, dtype)
    if isinstance(value, ResolvedSpecFile):
        return value.found()
    if setting.is_vector and isinstance(value, list):
        import torch

        return torch.tensor(value, dtype=dtype)
    return value


def _nested(registry: Registry, kind: str, value: Any, dtype: torch.dtype | None) -> Any:
    if isinstance(value, list):
        return [_nested(registry, kind, item, dtype) for item in value]
    if "name" not in value:
        return {key: _nested(registry, kind, item, dtype) for key, item in value.items()}
    if kind == "optimizer":
        return _optimizer_maker(registry, value, dtype)
    return build(registry, kind, value["name"], {k: v for k, v in value.items() if k != "name"}, dtype=dtype)


def _optimizer_maker(registry: Registry, value: dict[str, Any], dtype: torch.dtype | None) -> Callable[..., Any]:
    """Return a function that makes an optimizer of parameters: of torch.optim the class, not the rule it runs as."""
    component = registry.find("optimizer", value["name"])
    thing = component.load()
    if not inspect.isclass(thing):
        import torch

        thing = getattr(torch.optim, component.name)
    own = own_settings(registry, component, {k: v for k, v in value.items() if k != "name"}, dtype)
    return partial(thing, **own)


def fill_parameters(module: torch.nn.Module, fillers: dict[str, Callable[[torch.Tensor], Any]]) -> None:
    """Apply each initialiser to the parameters that its key names; raise ValueError where it names none.

    Values that are not drawn are left in double precision, for the module to be converted to that of the run: so they
    are rounded once, while what is drawn does not depend on the precision.
    """
    import torch

    for key, fill in fillers.items():
        with torch.no_grad():
            for parameter in named_parameters(module, key, "init"):
                _fill(parameter, fill)


def _fill(parameter: torch.nn.Parameter, fill: Callable[[torch.Tensor], Any]) -> None:
    import torch

    before, values = torch.get_rng_state(), parameter.detach().double()
    fill(values)
    if torch.equal(torch.get_rng_state(), before):
        parameter.data = values
    else:
        torch.set_rng_state(before)
        fill(parameter)


def freeze_parameters(module: torch.nn.Module, keys: list[str]) -> None:
    """Keep the parameters that the keys name as they are in training.

    Raises ValueError for a key that names none, and where nothing is left to train.
    """
    for key in keys:
        for parameter in named_parameters(module, key, "freeze"):
            parameter.requires_grad_(False)
    if keys and not any(parameter.requires_grad for parameter in module.parameters()):
        raise ValueError(f"freeze = {keys} leaves no parameter of the model to train")


def named_parameters(module: torch.nn.Module, key: str, setting: str) -> list[torch.nn.Parameter]:
    """Return the parameters that a key names: by whole name, by the last part of it, or by a pattern with `*`.

    Raises ValueError, which tells the setting that the key stands in, when there is none.
    """
    parameters = dict(module.named_parameters())
    chosen = [p for name, p in parameters.items() if fits(name, key)]
    if not chosen:
        raise ValueError(f"{setting} matches no parameter of the model: {key!r}; it has {some_of(list(parameters))}")
    return chosen
