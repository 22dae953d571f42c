"""Whether the groups of a spec's optimizers name parameters that its models have."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from xprun.plugins.registry import Registry
from xprun.runner.resolve.parameter_groups import GROUPS, fits, groups_of, some_of
from xprun.runner.workload.workload import make_workload, trained_parameters
from xprun.specs import Diagnostic, Run, Spec, expand


def unmatched_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield the patterns of groups that fit no trained parameter of a model that they are used with."""
    known: dict[tuple[str, ...], list[str]] = {}
    told = set()
    for run in expand(spec):
        optimizer = run.choices["optimizer"]
        model = tuple(run.choices[section].identity for section in ("data", "model", "loss"))
        if groups_of(optimizer) and model not in known:
            known[model] = _names(registry, run)
        for pattern in groups_of(optimizer):
            path = (*optimizer.alternative.path, GROUPS, pattern)
            if known[model] and path not in told and not any(fits(name, pattern) for name in known[model]):
                told.add(path)
                message = f"matches no trained parameter of {run.choices['model'].label}"
                yield Diagnostic(path, message, f"it has {some_of(known[model])}", "key")


def _names(registry: Registry, run: Run) -> list[str]:
    """Return the names of the parameters that a run trains; none where its model cannot be made, as the run tells."""
    try:
        work = make_workload(registry, run, torch.device("cpu"))
        return list(trained_parameters(work.make_model(run.seed)))
    except (Exception, SystemExit):  # whatever a component raises
        return []
