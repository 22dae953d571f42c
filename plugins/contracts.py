"""What a component of each kind must be able to take: held against its signature when it is registered."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from xprun.plugins.kinds import KINDS, PARTS, SPLITTING
from xprun.plugins.signature import makes_optimizer, positional_names, type_name

if TYPE_CHECKING:
    from xprun.plugins.registry import Component

# The positional arguments with which a function is called, by kind, for people. What is asked for by name is not here.
CALLED_WITH = {
    "data": (),
    "transform": ("image",),
    "model": ("x", "y"),
    "objective": (),
    "init": ("tensor",),
    "loss": ("prediction", "target"),
    "metric": ("prediction", "target"),
    "scheduler": ("lr", "t", "T"),
    "launcher": ("cohorts", "context"),
    "backend": ("task",),
}
A_CLASS = "write a torch.optim.Optimizer class, which may take it"
# Names of positional parameters that no update rule means as a state, and what to do instead.
NO_STATES = {
    "params": A_CLASS,
    "parameters": "a rule sees one parameter, w",
    "named_parameters": A_CLASS,
    "model": A_CLASS,
    "module": A_CLASS,
    "closure": A_CLASS,
    "batch": "n is the number of its rows",
    "epoch": "t is the step, from 1, and T the number of steps in all",
    "steps": "T is the number of steps in all",
    "lr": "write settings after a *, as in (w, g, *, lr=0.1)",
    "learning_rate": "write settings after a *, as in (w, g, *, lr=0.1)",
    "weight_decay": "write settings after a *, as in (w, g, *, weight_decay=0.0)",
}


def misfit(component: Component) -> str:
    """Return in words why a component cannot do what its kind is for, or nothing."""
    return _other_arguments(component) or _other_meaning(component) or _unserved_name(component)


def _other_arguments(component: Component) -> str:
    """Return that a function does not take what it will be called with."""
    kind, thing = "objective" if component.is_objective else component.kind, component.signature
    if inspect.isclass(thing):
        if kind != "metric":
            return ""  # it is made with its settings, and called later
        return (
            f"the metric {component.name!r}, {component.origin}, is a class: write a function of prediction and target"
        )
    if kind not in CALLED_WITH:
        return ""
    given, takes = CALLED_WITH[kind], positional_names(thing)
    positional = [p for p in inspect.signature(thing).parameters.values() if p.name in takes]
    required = [p for p in positional if p.default is p.empty]
    collects = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(thing).parameters.values())
    too_many = len(required) > len(given) and kind != "metric"  # which may ask for more by name
    if not too_many and (len(positional) >= len(given) or collects):
        return ""
    noun = "data set" if kind == "data" else kind
    article = "an" if noun[0] in "aeiou" else "a"
    called = f"is called with ({', '.join(given)})" if given else "is called with settings only, after a *"
    return f"the {kind} {component.name!r}, {component.origin}, takes ({', '.join(takes)}): {article} {noun} {called}"


def _other_meaning(component: Component) -> str:
    """Return which setting of a data set is called as a part of the rows and is something else.

    A part may stand in for the common one, as `valid: Fraction | Literal["official"]` does: it takes the same numbers.
    Nothing stands in for the folds, which xprun makes itself.
    """
    if component.kind != "data":
        return ""
    common = KINDS[component.kind].common_settings
    for name in sorted(inspect.signature(component.signature).parameters.keys() & set(SPLITTING)):
        own = component.settings.get(name)
        if name not in PARTS or own is None or not own.takes_numbers_of(common[name]):
            means = type_name(common[name].annotation) if name in common else "which part is held out in this run"
            return (
                f"the setting {name!r} of the data set {component.name!r}, {component.origin}, is not what "
                f"data.{name} is of every data set ({means}): give it another name"
            )
    return ""


def _unserved_name(component: Component) -> str:
    """Return what an update rule asks for that no rule is given; it would be a state of zeros."""
    if component.kind != "optimizer" or makes_optimizer(component.signature):
        return ""
    for name in positional_names(component.signature):
        if name in NO_STATES:
            return (
                f"the update rule {component.name!r}, {component.origin}, asks for {name!r}, which no rule is given: "
                f"{NO_STATES[name]}; a state needs another name"
            )
    return ""
