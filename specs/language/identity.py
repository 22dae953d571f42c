"""What of the settings of `[run]` decides the results of a run, as text."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from pydantic import BaseModel
from xprun.specs.language.schema import AbsentByDefault, RunSettings

# Settings that decide which runs there are or how they are carried out, and no result of a run.
NOT_IDENTITY = {"seeds", "engine", "compile", "search_seed", "observers", "timeout", "checkpoint_every"}


class _OfLatest:
    """A function of settings that remembers its latest value: neighbours in a grid have the very same settings."""

    def __init__(self, function: Callable[[RunSettings], str]) -> None:
        self._function = function
        self._latest: tuple[RunSettings | None, str] = None, ""
        update_wrapper(self, function)

    def __call__(self, settings: RunSettings) -> str:
        known, text = self._latest
        if known is not settings:
            text = self._function(settings)
            self._latest = settings, text
        return text


@_OfLatest
def identity_of(settings: RunSettings) -> str:
    """Return what decides the results of a run, as canonical text; a newer setting at its default is no part of it."""
    return settings.model_dump_json(exclude=_absent(settings) | dict.fromkeys(NOT_IDENTITY, True))


@_OfLatest
def shared_identity_of(settings: RunSettings) -> str:
    """Return what runs that train together share of it: all but their `own_numbers`, of which they have the same."""
    alike: dict[str, Any] = dict.fromkeys(settings.own_numbers, 0.0)
    if "ema" in alike and settings.average:
        alike["average"] = settings.average.model_copy(update={"ema": alike.pop("ema")})
    return identity_of(settings.model_copy(update=alike) if alike else settings)


def _absent(value: Any) -> dict[Any, Any]:
    """Return the settings in a value that are as good as absent, in the form in which pydantic excludes them."""
    found: dict[Any, Any] = {}
    if isinstance(value, list):
        found = {i: _absent(item) for i, item in enumerate(value)}
    elif isinstance(value, BaseModel):
        fields = type(value).model_fields
        found = {name: _is_absent(value, name) or _absent(getattr(value, name)) for name in fields}
    return {key: inner for key, inner in found.items() if inner}


def _is_absent(model: BaseModel, name: str) -> bool:
    field = type(model).model_fields[name]
    is_newer = any(isinstance(mark, AbsentByDefault) for mark in field.metadata)
    return is_newer and getattr(model, name) == field.get_default(call_default_factory=True)
