"""Finds schedulers that do not fit the optimizers or the length of a spec's runs, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from xprun.plugins.registry import Registry
from xprun.runner.resolve.timetable import ScheduleError, is_idle, ticks_of, values_of
from xprun.specs import Alternative, Choice, Diagnostic, Spec
from xprun.specs.language.expansion import choices_of

CURE = "change its settings so that it acts within the run, or remove [scheduler]"
LONG = 1000  # ticks: what is wrong with one of them and with so many is wrong whatever the data's length


def scheduler_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield what is wrong with the schedulers of a resolved spec, as far as it can be known without its data."""
    schedulers = spec.sections.get("scheduler", ())
    if not schedulers:
        return
    for optimizer in spec.sections["optimizer"]:
        if "lr" not in optimizer.settings:
            message = f"{optimizer.name} has no setting 'lr' for a scheduler to change"
            yield Diagnostic(
                (*optimizer.path, "name"), message, "remove [scheduler], or give the optimizer a setting lr"
            )
            return
    for alternative in schedulers:
        for choice in choices_of(alternative):
            yield from _choice_problems(spec, registry, alternative, choice)


def _setting_in(message: str, choice: Choice) -> str:
    """Return the setting with which a message begins after the scheduler's name, or "name"."""
    first = message.removeprefix(f"{choice.name}: ").partition(" ")[0].rstrip(":")
    return first if first in choice.alternative.written else "name"


def _at_any_length(registry: Registry, choice: Choice, lr: float) -> str | None:
    """Return what is wrong with a scheduler in a run much longer than one tick."""
    try:
        values_of(registry, choice.name, choice.settings, lr, LONG)
    except ScheduleError as error:
        return str(error)
    return None


def _choice_problems(spec: Spec, registry: Registry, alternative: Alternative, choice: Choice) -> Iterator[Diagnostic]:
    """Yield what is wrong with one combination of a scheduler's settings in the longest run of the spec."""
    per = choice.settings["per"]
    lengths = [ticks_of(run.settings, per) for run in choices_of(spec.run)]
    ticks = max((ticks for ticks in lengths if ticks), default=None)
    path = (*alternative.path, "name")
    for optimizer in spec.sections["optimizer"]:
        settings = optimizer.settings
        try:
            lr, momentum = values_of(registry, choice.name, choice.settings, settings["lr"], ticks or 1)
        except ScheduleError as error:
            if ticks or str(error) == _at_any_length(registry, choice, settings["lr"]):
                yield Diagnostic((*alternative.path, _setting_in(str(error), choice)), str(error))
            return
        if momentum and not {"momentum", "betas"} & settings.keys():
            message = f"{choice.name} cycles the momentum, and {optimizer.name} has none"
            yield Diagnostic(path, message, "write cycle_momentum = false")
        if ticks and is_idle(registry, choice.name, lr, momentum, settings):
            written = "".join(f" with {path[-1]} = {value}" for path, value in choice.swept.items())
            yield Diagnostic(
                path, f"{choice.name}{written} leaves the learning rate unchanged in all {ticks} {per}s", CURE
            )
            return
