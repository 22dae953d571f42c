"""Turns names and settings into live components: the place where torch is first needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from xprun.plugins.blame import blaming, described
from xprun.plugins.registry import Component, Registry
from xprun.plugins.signature import Setting, takes_rows
from xprun.runner.resolve.parameter_groups import fits, some_of
from xprun.runner.resolve.spec_files import ResolvedFolder, ResolvedSpecFile
from xprun.specs.language.dotted_paths import Path as Place

if TYPE_CHECKING:
    import torch
    from xprun.plugins.objectives.objective import Objective

# Kinds whose component is called once to make something; the others are called again and again with settings.
MAKERS = {"data", "model", "observer"}
LIBRARIES = ("torch.", "torchvision.")  # sources of components whose exceptions say nothing of the spec


def build(
    registry: Registry,
    kind: str,
    name: str,
    settings: dict[str, Any],
    *inputs: Any,
    dtype: torch.dtype | None = None,
    place: Place | None = None,
) -> Any:
    """Return the component: what a maker makes of its inputs, or a function with its settings filled in.

    Vectors among the settings get the `dtype`, or torch's default. A layer comes as a function, too: its model calls
    it when it is the layer's turn to draw its parameters. `place` is where it stands in the spec: its section, and the
    way from there; an exception of a library's class tells it.
    """
    place = place or (kind,)
    component = registry.find(kind, name)
    thing = component.load()
    own = own_settings(registry, component, settings, dtype, place)
    make = _blaming(component, thing, settings, place)
    if component.is_objective:
        return objective_module(make, own)
    if kind == "model" and inspect.isclass(thing) and not takes_rows(thing):
        return make(**own)
    if kind in MAKERS or (inspect.isclass(thing) and kind != "layer"):
        return make(*inputs, **own)
    thing = make if kind == "layer" else thing
    return partial(thing, **own) if own else thing


def objective_module(make: Callable[..., Objective], settings: dict[str, Any]) -> torch.nn.Module:
    """Return an objective as the module whose parameters are trained."""
    from xprun.plugins.objectives.objective_module import ObjectiveModule

    return ObjectiveModule(make(**settings))


def is_of_library(component: Component) -> bool:
    """Whether a component is a class of torch or of a package, whose exceptions say nothing of a spec."""
    return component.origin.source.startswith(LIBRARIES)


def _blaming(component: Component, thing: Any, settings: dict[str, Any], place: Place) -> Any:
    """Return what makes a component; one of a library lets its exceptions tell where it stands in the spec."""
    if component.kind == "data" or not is_of_library(component):  # data sets say what they lack
        return thing
    known = component.settings
    given = {n: value for n, value in settings.items() if n in known and value != known[n].typed_default}
    section, *inside = place

    def make(*inputs: Any, **own: Any) -> Any:
        with blaming(str(section), f"{described(component.name, given)} cannot be made", *inside):
            return thing(*inputs, **own)

    return make


def own_settings(
    registry: Registry,
    component: Component,
    settings: dict[str, Any],
    dtype: torch.dtype | None = None,
    place: Place = (),
) -> dict[str, Any]:
    """Return a component's own settings as it takes them: components built, vectors as tensors, files as paths.

    A vector is rounded once, from the numbers of the spec to the `dtype`, or to torch's default.
    """
    return {
        name: _live(registry, component.settings[name], value, dtype, (*place, name))
        for name, value in settings.items()
        if name in component.settings
    }


def _live(registry: Registry, setting: Setting, value: Any, dtype: torch.dtype | None, place: Place) -> Any:
    if setting.component_kind:
        return _nested(registry, setting.component_kind, value, dtype, place)
    if isinstance(value, ResolvedFolder | ResolvedSpecFile):
        return value.found()
    if setting.is_vector and isinstance(value, list):
        import torch

        return torch.tensor(value, dtype=dtype)
    return value


def _nested(registry: Registry, kind: str, value: Any, dtype: torch.dtype | None, place: Place) -> Any:
    if isinstance(value, list):
        return [_nested(registry, kind, item, dtype, (*place, i)) for i, item in enumerate(value)]
    if "name" not in value:
        return {key: _nested(registry, kind, item, dtype, (*place, key)) for key, item in value.items()}
    if kind == "optimizer":
        return _optimizer_maker(registry, value, dtype)
    own = {key: inner for key, inner in value.items() if key != "name"}
    return build(registry, kind, value["name"], own, dtype=dtype, place=place)


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
        with blaming("model", "freeze", "freeze"):
            raise ValueError(f"freeze = {keys} leaves no parameter of the model to train")


def named_parameters(module: torch.nn.Module, key: str, setting: str) -> list[torch.nn.Parameter]:
    """Return the parameters that a key names: by whole name, by the last part of it, or by a pattern with `*`.

    Raises ValueError, which tells the setting that the key stands in, when there is none.
    """
    parameters = dict(module.named_parameters())
    chosen = [p for name, p in parameters.items() if fits(name, key)]
    if not chosen:
        with blaming("model", repr(key), setting):
            raise ValueError(
                f"{setting} matches no parameter of the model: {key!r}; it has {some_of(list(parameters))}"
            )
    return chosen
