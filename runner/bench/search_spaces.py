"""What is tuned of an optimizer: the learning rate around its default, or settings between two numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from xprun.plugins.registry import Component
from xprun.specs.language.wording import did_you_mean, listed

LR = "lr"
LOWEST, DECADES = 1e-4, 4.5  # where rates begin, unless the default lies elsewhere, and how far they reach
MARGIN = 1.0  # decades at least that are tried on either side of the default
FORM = "lr=1e-4..1, or NAME.lr=1e-4..1 for one optimizer"
_SPACE = re.compile(r"(?:(?P<owner>.+)\.)?(?P<key>[A-Za-z_]\w*)=(?P<low>[^.=]+(?:\.\d[^.=]*)?)\.\.(?P<high>.+)")


class SpaceError(ValueError):
    """A search space makes no sense, or is none of an optimizer's settings."""


@dataclass(frozen=True)
class Space:
    """The numbers between which a setting is tuned: of one optimizer, its `owner`, or of all that have it."""

    key: str
    low: float
    high: float
    owner: str = ""

    def is_of(self, name: str) -> bool:
        return self.owner in ("", name)


def read_space(text: str) -> Space:
    """Return what a text such as `lr=1e-4..1` says; raise SpaceError where it is none."""
    match = _SPACE.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        low, high = float(match["low"]), float(match["high"])
    except ValueError:
        raise SpaceError(f"{text}: a space is written {FORM}") from None
    if not 0 < low < high < math.inf:
        raise SpaceError(f"{text}: the ends are positive, the smaller one first, as in {FORM}")
    return Space(match["key"], low, high, match["owner"] or "")


def tuned_settings(component: Component, spaces: Sequence[Space], budget: int) -> dict[str, Any]:
    """Return the sweeps that tune an optimizer with a budget of settings, by setting, as a spec has them.

    Without a space that is its learning rate, in equal steps of the logarithm, among them its default; nothing where
    it has none. One space is stepped through, several are drawn from jointly.
    Raises SpaceError for a setting that it does not have, or a number that it does not take.
    """
    schema = component.settings
    own = [space for space in spaces if space.is_of(component.name) and (space.owner or space.key in schema)]
    own = [space for space in own if space.owner or not any(o.owner and o.key == space.key for o in own)]
    for space in own:
        if space.key not in schema:
            near = did_you_mean(space.key, schema)
            raise SpaceError(f"{component.name} has no setting {space.key!r}{near}; it has {listed(space.key, schema)}")
    if not own:
        return _around_default(component, budget)
    default = {space.key: schema[space.key].default for space in own}
    if len(own) > 1:
        drawn = {space.key: {"loguniform": [space.low, space.high], "samples": budget} for space in own}
        _check(component, {space.key: [space.low, space.high] for space in own})
        return drawn
    (space,) = own
    values = _steps(space.low, space.high, budget)
    inside = isinstance(default[space.key], int | float) and space.low <= default[space.key] <= space.high
    values = _with(values, float(default[space.key])) if inside else values
    _check(component, {space.key: values})
    return {space.key: {"grid": values}}


def _around_default(component: Component, budget: int) -> dict[str, Any]:
    """Return the sweep over learning rates, of which the default is one."""
    setting = component.settings.get(LR)
    if setting is None:
        return {}
    default = setting.default if isinstance(setting.default, int | float) and not setting.required else 0
    if not default > 0:
        values = _steps(LOWEST, LOWEST * 10**DECADES, budget)
    elif budget == 1:
        values = [float(default)]
    else:
        step = DECADES / (budget - 1)
        below, margin = round(math.log10(default / LOWEST) / step), min(round(MARGIN / step), (budget - 1) // 2)
        below = min(max(below, margin), budget - 1 - margin)
        values = [float(default) if i == below else _plain(default * 10 ** (step * (i - below))) for i in range(budget)]
    _check(component, {LR: values})
    return {LR: {"grid": values}}


def _steps(low: float, high: float, number: int) -> list[float]:
    """Return numbers in equal steps of the logarithm, ends included; the middle for one."""
    if number == 1:
        return [_plain(math.sqrt(low * high))]
    ratio = math.log(high / low) / (number - 1)
    return [_plain(low * math.exp(ratio * i)) for i in range(number)]


def _with(values: list[float], default: float) -> list[float]:
    """Return the values with the default in the place of the one that is nearest to it."""
    nearest = min(values, key=lambda value: abs(math.log(value / default)))
    return [default if value == nearest else value for value in values]


def _plain(value: float) -> float:
    return float(f"{value:.4g}")


def _check(component: Component, values: dict[str, list[float]]) -> None:
    """Raise SpaceError for a number that a setting does not take."""
    for key, several in values.items():
        for value in several:
            try:
                component.settings[key].read(value)
            except ValidationError:
                example = f"--space {component.name}.{key}=LOW..HIGH"
                raise SpaceError(f"{component.name} takes no {key} = {value:g}; say which: {example}") from None


def without_space(component: Component, names: Iterable[str]) -> str:
    """Return what is said of an optimizer that has no learning rate."""
    return (
        f"{component.name} has no setting {LR!r}, so it is taken as it is and not tuned; "
        f"--space {component.name}.SETTING=LOW..HIGH tunes one of {', '.join(names) or 'none'}"
    )
