"""Finds settings of `[run]` that contradict each other or the optimizer, and observers that cannot be created."""

from __future__ import annotations

from collections.abc import Iterator

from xprun.plugins.error_words import words_of
from xprun.plugins.registry import Registry, UnknownComponentError
from xprun.plugins.user_signals import noted_signals
from xprun.runner.resolve.build import build
from xprun.runner.resolve.data_parts import values_of
from xprun.specs import Diagnostic, Spec
from xprun.specs.language.dotted_paths import Path
from xprun.specs.language.expansion import choices_of
from xprun.specs.language.wording import did_you_mean, quoted

LINE_SEARCH = "line_search_fn"  # a setting of torch.optim.LBFGS


def recipe_problems(spec: Spec) -> Iterator[Diagnostic]:
    """Yield settings of `[run]` that say two things about the gradient of a step."""
    for choice in choices_of(spec.run):
        settings = choice.settings
        if settings["clip_norm"] is not None and settings["clip_value"] is not None:
            message = "clip_norm clips the gradient already"
            yield Diagnostic(("run", "clip_value"), message, "leave one of them out", "key")
        if settings["autocast"] != "none" and settings["gradient"] == "manual":
            message = "a manual gradient is computed as it is written, in the precision of run.dtype"
            yield Diagnostic(("run", "autocast"), message, "leave autocast out", "key")


def line_search_problems(spec: Spec) -> Iterator[Diagnostic]:
    """Yield optimizers that search along a gradient which is not that of the loss, because it is clipped."""
    clips = [name for name in ("clip_norm", "clip_value") if any(values_of(spec.run, name))]
    for optimizer in spec.sections["optimizer"] if clips else ():
        if any(values_of(optimizer, LINE_SEARCH)):
            message = f"a line search needs the gradient of the loss, which run.{clips[0]} changes"
            yield Diagnostic((*optimizer.path, LINE_SEARCH), message, f"leave {LINE_SEARCH} or {clips[0]} out", "key")


def nesterov_problems(spec: Spec) -> Iterator[Diagnostic]:
    """Yield an SGD with `nesterov` and no momentum, or a damped one: torch.optim.SGD refuses both."""
    for optimizer in spec.sections["optimizer"]:
        if optimizer.name != "SGD" or not any(values_of(optimizer, "nesterov")):
            continue
        path = (*optimizer.path, "nesterov")
        elsewhere = "scheduler" in spec.sections or optimizer.settings.get("groups")  # may give it momentum
        if not any(values_of(optimizer, "momentum")) and not elsewhere:
            help_text = "write momentum = 0.9, or leave nesterov out"
            yield Diagnostic(path, "has no effect without momentum", help_text, "key")
        elif all(values_of(optimizer, "dampening")):
            yield Diagnostic(path, "is defined without dampening only", "leave dampening or nesterov out", "key")


def observer_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield the observers of a spec that are not there, or lack a package."""
    written = spec.run.settings.get("observers", [])
    for i, name in enumerate(written if isinstance(written, list) else []):
        path = ("run", "observers", i)
        if name in written[:i]:
            yield Diagnostic(path, f"{quoted(str(name))} is listed twice", "remove it")
        elif problem := _observer_problem(str(name), path, registry):
            yield problem


def _observer_problem(name: str, path: Path, registry: Registry) -> Diagnostic | None:
    """Return why an observer cannot be created."""
    with noted_signals() as signals:
        try:
            build(registry, "observer", name, {})
        except UnknownComponentError as error:
            message = f"there is no observer named {name!r}{did_you_mean(name, error.known)}"
            return Diagnostic(path, message, f"an observer is one of {', '.join(error.known)}")
        except ImportError as error:
            return Diagnostic(path, str(error))
        except BaseException as error:  # whatever a plugin raises
            if signals:
                raise
            message = f"the observer {name} cannot be created: {type(error).__name__}: {words_of(error)}"
            help_text = "an observer takes no arguments and returns the function that writes a run"
            return Diagnostic(path, message, help_text)
    return None
