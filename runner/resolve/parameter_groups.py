"""Which settings each parameter of a model has: those of its optimizer, and over them those of the groups it is in."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from xprun.errors import Error
from xprun.plugins.registry import Registry
from xprun.plugins.signature import HANDED_IN
from xprun.specs import Choice, Diagnostic, Spec

GROUPS = "groups"
MOST_SHOWN = 20  # names of parameters


class GroupError(Error, ValueError):
    """The groups of an optimizer do not fit the parameters of a model, or the optimizer."""


@dataclass(frozen=True)
class Grouping:
    """The parameters of a model in parts that share their settings.

    `overrides` are what each part has instead of the optimizer's settings; the first part, of which no pattern says
    anything and which may be empty, has none. `members` tells by name which part a parameter is in.
    """

    overrides: tuple[dict[str, Any], ...]
    members: dict[str, int]


def groups_of(choice: Choice) -> dict[str, dict[str, Any]]:
    """Return the settings of an optimizer's groups by pattern, in their order; another may mean its own by groups."""
    return choice.settings.get(GROUPS, {}) if GROUPS in choice.alternative.ordered else {}


def group_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield the groups of optimizers that make theirs themselves."""
    for alternative in spec.sections["optimizer"]:
        signature = registry.find("optimizer", alternative.name).signature
        handed_in = set(HANDED_IN) & inspect.signature(signature).parameters.keys()
        if alternative.settings.get(GROUPS) and handed_in and "params" not in handed_in:
            takes = " and ".join(sorted(handed_in))
            message = f"{alternative.name} takes {takes}, and makes the groups of its parameters itself"
            yield Diagnostic((*alternative.path, GROUPS), message, "let it take params, or leave groups out", "key")


def group_parameters(names: Iterable[str], groups: dict[str, dict[str, Any]]) -> Grouping:
    """Return parameters by the patterns that fit them; of one setting in several of these, the last counts.

    Raises GroupError for a pattern that fits none.
    """
    fitting = {name: tuple(pattern for pattern in groups if fits(name, pattern)) for name in names}
    for pattern in groups:
        if not any(pattern in patterns for patterns in fitting.values()):
            known = some_of(list(fitting))
            raise GroupError(f"{GROUPS} matches no trained parameter of the model: {pattern!r}; it has {known}")
    parts = list(dict.fromkeys([(), *fitting.values()]))
    overrides = tuple({k: v for pattern in part for k, v in groups[pattern].items()} for part in parts)
    return Grouping(overrides, {name: parts.index(patterns) for name, patterns in fitting.items()})


def fits(name: str, pattern: str) -> bool:
    """Whether a pattern names a parameter: by its whole name, by the last part of it, or with `*`."""
    return fnmatchcase(name, pattern) or name.rpartition(".")[2] == pattern


def some_of(names: list[str]) -> str:
    """Return the first of the names, and how many there are."""
    return ", ".join(names[:MOST_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > MOST_SHOWN else "")
