"""What a scheduler makes of an optimizer's settings in the course of a run; needs no torch."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from xprun.errors import Error
from xprun.plugins.blame import described
from xprun.plugins.registry import Registry
from xprun.runner.resolve.build import build
from xprun.specs import Run

MAX_TICKS = 10_000_000  # of a run; a value for each is computed before the first step, and kept


class ScheduleError(Error, ValueError):
    """A scheduler cannot do what the spec asks of it in this run."""


@dataclass(frozen=True)
class Timetable:
    """The learning rates of a run, and its momenta where they change too, one for every `interval` steps."""

    interval: int
    lr: Sequence[float]
    momentum: Sequence[float] | None

    def settings_at(self, step: int, settings: dict[str, Any]) -> dict[str, Any]:
        """Return an optimizer's settings with the values for a step, counted from 1."""
        tick = (step - 1) // self.interval
        return scheduled(settings, self.lr[tick], self.momentum[tick] if self.momentum else None)

    def changes_at(self, step: int) -> bool:
        """Whether the values for this step may differ from those for the step before."""
        return (step - 1) % self.interval == 0


def scheduled(settings: dict[str, Any], lr: Any, momentum: Any) -> dict[str, Any]:
    """Return settings with another learning rate and (unless it is None) another momentum, or first of the betas."""
    if momentum is None:
        return {**settings, "lr": lr}
    if "betas" in settings:
        return {**settings, "lr": lr, "betas": (momentum, *settings["betas"][1:])}
    return {**settings, "lr": lr, "momentum": momentum}


def timetable_of(
    registry: Registry, run: Run, steps: int, steps_per_epoch: int, rate: float | None = None
) -> Timetable | None:
    """Return the timetable of a run of so many steps, or None where no scheduler is asked for.

    `rate` is the learning rate of parameters that have another one than the optimizer.
    Raises ScheduleError where the scheduler does not fit the run, or leaves everything as it is.
    """
    choice = run.choices.get("scheduler")
    if choice is None:
        return None
    per = choice.settings["per"]
    interval = steps_per_epoch if per == "epoch" else 1
    ticks = math.ceil(steps / interval)
    optimizer = run.choices["optimizer"].settings
    if rate is not None:
        return Timetable(interval, *values_of(registry, choice.name, choice.settings, rate, ticks))
    lr, momentum = values_of(registry, choice.name, choice.settings, optimizer["lr"], ticks)
    if ticks_of(run.settings.model_dump(), per) is None and is_idle(registry, choice.name, lr, momentum, optimizer):
        raise ScheduleError(f"{choice.name} leaves the learning rate unchanged in all {ticks} {per}s of the run")
    return Timetable(interval, lr, momentum)


def ticks_of(run_settings: dict[str, Any], per: str) -> int | None:
    """Return how many epochs or steps a run has, or None where only its data tell."""
    found: int | None = run_settings.get(f"{per}s")
    return found


def values_of(
    registry: Registry, name: str, settings: dict[str, Any], lr: float, ticks: int
) -> tuple[array[float], array[float] | None]:
    """Return the learning rates [ticks] that a scheduler makes of one, and the momenta [ticks] or None.

    Raises ScheduleError where its settings do not fit each other or the number of ticks.
    """
    function = registry.find("scheduler", name).load()
    return _values(registry, name, function, json.dumps(settings, sort_keys=True), lr, ticks)


def is_idle(registry: Registry, name: str, lr: Sequence[float], momentum: Any, optimizer: dict[str, Any]) -> bool:
    """Whether a scheduler changes nothing, although it has settings that say what to change."""
    says_how = bool(registry.find("scheduler", name).settings)
    return says_how and momentum is None and all(rate == optimizer["lr"] for rate in lr)


@lru_cache(maxsize=1000)
def _values(
    registry: Registry, name: str, function: Callable[..., Any], settings: str, lr: float, ticks: int
) -> tuple[array[float], array[float] | None]:
    own = json.loads(settings)
    schedule = build(registry, "scheduler", name, own)
    if ticks > MAX_TICKS:
        too_many = (
            f"{name} has a value for each {own['per']}, and a run has at most {MAX_TICKS:,} of them, not {ticks:,}"
        )
        raise ScheduleError(f"{too_many}; write the length that the run will have")
    rates, momenta = array("d"), array("d")
    for t in range(ticks):
        rate, momentum = _value(name, schedule, own, lr, t, ticks)
        rates.append(rate)
        if momentum is not None:
            momenta.append(momentum)
    return rates, momenta or None


def _value(
    name: str, schedule: Callable[..., Any], settings: dict[str, Any], lr: float, t: int, ticks: int
) -> tuple[float, float | None]:
    """Return the learning rate at one time, and the momentum or None; raise ScheduleError where it is none."""
    per = settings["per"]
    when = f"in {per} {t + 1} of {ticks}"
    try:
        found = schedule(lr, t, ticks)
        rate, momentum = map(float, found) if isinstance(found, tuple) else (float(found), None)
    except ValueError as error:
        raise ScheduleError(f"{name}: {error}") from None
    except ArithmeticError as error:
        own = {key: value for key, value in settings.items() if key != "per"}
        why = "it would divide by zero" if isinstance(error, ZeroDivisionError) else "it would be too large"
        raise ScheduleError(f"{described(name, own)} gives no learning rate {when}: {why}") from None
    if not 0 <= rate < math.inf:
        raise ScheduleError(f"{name} makes the learning rate {rate:g} {when}; it must be finite, and not below 0")
    return rate, momentum
