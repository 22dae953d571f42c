"""Whether gradients by hand are those of the loss: the one check of a spec that takes torch."""

from __future__ import annotations

from xprun.plugins.registry import Registry
from xprun.specs import Spec, SpecError
from xprun.specs.language.expansion import choices_of


def check_gradients(spec: Spec, registry: Registry) -> Spec:
    """Return a resolved spec after trying what no setting tells: gradients by hand, which takes torch.

    Raises SpecError for a gradient that is not the loss's.
    """
    if any(run.settings.get("gradient") == "manual" for run in choices_of(spec.run)):
        from xprun.runner.workload.gradients import gradient_problems

        if problems := list(gradient_problems(spec, registry)):
            raise SpecError(spec.document, problems)
    return spec
