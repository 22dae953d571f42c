"""What can only be asked of a spec with torch: gradients by hand, models for backends, parameters that groups name."""

from __future__ import annotations

from xprun.plugins.python_packages import find_package, why_not
from xprun.plugins.registry import Registry
from xprun.runner.process.log import note
from xprun.runner.resolve.backend_checks import backends_of, require_frameworks
from xprun.runner.resolve.parameter_groups import GROUPS
from xprun.specs import Diagnostic, Spec, SpecError
from xprun.specs.language.expansion import choices_of


def check_with_torch(spec: Spec, registry: Registry) -> Spec:
    """Return a resolved spec after trying what no setting tells; without torch where there is nothing of the kind.

    Where there is no torch, a note says what was not checked. Raises SpecError for a gradient that is not the
    loss's, for a model or data that a backend does not take, and for groups that name no parameter of a model, and
    MissingFrameworkError where the framework of a backend is not installed.
    """
    for part in spec.listed:
        check_with_torch(part, registry)
    if spec.listed:
        return spec
    require_frameworks(spec, registry)
    problems: list[Diagnostic] = []
    is_manual = any(run.settings.get("gradient") == "manual" for run in choices_of(spec.run))
    has_groups = any(alternative.settings.get(GROUPS) for alternative in spec.sections["optimizer"])
    has_backends = bool(backends_of(spec))
    unchecked = {"run.gradient": is_manual, f"optimizer.{GROUPS}": has_groups, "run.backend": has_backends}
    needs_torch = [setting for setting, is_set in unchecked.items() if is_set]
    if needs_torch and (why := _why_no_torch()):
        for setting in needs_torch:
            note(f"{spec.document.file}: {setting} needs torch, which {why}: not checked")
        return spec
    if is_manual:
        from xprun.runner.workload.gradients import gradient_problems

        problems += gradient_problems(spec, registry)
    if has_backends:
        from xprun.runner.workload.backend_task import network_problems

        problems += network_problems(spec, registry)
    if has_groups:
        from xprun.runner.workload.named_groups import unmatched_problems

        problems += unmatched_problems(spec, registry)
    if problems:
        raise SpecError(spec.document, problems)
    return spec


def _why_no_torch() -> str:
    """Return why torch is not to be had, or nothing once it is imported."""
    if find_package("torch") is None:
        return "is not installed"
    why = why_not("torch")
    return f"cannot be imported ({why})" if why else ""
