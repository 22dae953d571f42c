"""The sections that a spec leaves out where its models are objectives, which bring their own data and loss."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from xprun.plugins.registry import OBJECTIVE, Registry, UnknownComponentError
from xprun.specs import Diagnostic, Spec, read_spec
from xprun.specs.language.wording import quoted

BROUGHT = ("data", "loss")  # each of them is the component of the name OBJECTIVE
IMPLIED = {section: {"name": OBJECTIVE} for section in BROUGHT}
SUBOPTIMALITY = "suboptimality"


def with_brought_sections(spec: Spec, registry: Registry) -> Spec:
    """Return the spec as if it said what its objectives bring; any other spec as it is."""
    if not any(_is_objective(registry, model.name) for model in spec.sections["model"]):
        return spec
    document = copy.copy(spec.document)
    document.data = _completed(document.data)
    return read_spec(document)


def objective_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield data and losses that are given to objectives, objectives beside other models, and what only they have."""
    objectives = [model for model in spec.sections["model"] if _is_objective(registry, model.name)]
    if not objectives:
        yield from _without_objective(spec)
        return
    name = objectives[0].name
    if len(objectives) < len(spec.sections["model"]):
        other = next(model for model in spec.sections["model"] if model not in objectives)
        message = f"{name} is an objective, which has no data, and {quoted(other.name)} needs some"
        yield Diagnostic((*objectives[0].path, "name"), message, "compare them in a spec each")
        return
    for section in BROUGHT:
        if spec.document.data.get(section) not in (None, IMPLIED[section]):
            message = f"{name} is an objective, which brings its own {section}"
            yield Diagnostic((section,), message, f"leave [{section}] out", "key")
    if isinstance(spec.run.settings.get("epochs"), int):
        message = f"{name} is an objective, which has no rows and so no epochs"
        yield Diagnostic(("run", "epochs"), message, "write steps = 1000", "key")


def _without_objective(spec: Spec) -> Iterator[Diagnostic]:
    """Yield what only an objective has, in a spec of other models."""
    message = "is what an objective brings, and this model is none"
    for section in BROUGHT:
        yield from (
            Diagnostic((*given.path, "name"), message, "name another one")
            for given in spec.sections[section]
            if given.name == OBJECTIVE
        )
    metrics = spec.run.settings.get("metrics")
    for i, metric in enumerate(metrics if isinstance(metrics, list) else []):
        if SUBOPTIMALITY in (metric, metric.get("name") if isinstance(metric, dict) else None):
            yield Diagnostic(("run", "metrics", i), message, "leave it out")


def _is_objective(registry: Registry, name: str) -> bool:
    """Whether a model is an objective."""
    try:
        return registry.find("model", name).is_objective
    except UnknownComponentError:
        return False


def _completed(data: dict[str, Any]) -> dict[str, Any]:
    """Return a spec's data with the sections that it leaves out; what it measures is, with the rest, how far it is."""
    run = data.get("run")
    metrics = run.get("metrics", []) if isinstance(run, dict) else None
    if isinstance(metrics, list) and SUBOPTIMALITY not in metrics:
        data = {**data, "run": {**data["run"], "metrics": [*metrics, SUBOPTIMALITY]}}
    return {**IMPLIED, **data}
