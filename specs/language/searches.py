"""`[search]`: by which method the settings of each alternative are tried, where not every one is trained to the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from xprun.specs.language.diagnostics import Diagnostic, Diagnostics
from xprun.specs.language.sweeps import is_sweep
from xprun.specs.language.wording import never_swept, show

SEARCH_SECTION = "search"


@dataclass(frozen=True)
class Search:
    """The method that `[search]` names, and its settings; whoever knows the components fills in what `starts` it."""

    name: str
    settings: dict[str, Any]
    starts: Callable[..., Any] | None = field(default=None, compare=False)


def read_search(data: dict[str, Any], problems: Diagnostics) -> Search | None:
    """Return the search of a spec; None where it has none, or after adding what is wrong with it to `problems`."""
    if SEARCH_SECTION not in data:
        return None
    table, path = data[SEARCH_SECTION], (SEARCH_SECTION,)
    help_text = 'name the method: [search] name = "successive_halving"'
    if not isinstance(table, dict):
        problems.append(Diagnostic(path, f"must be a table, not {show(table)}", help_text))
        return None
    name = table.get("name")
    if not isinstance(name, str):
        wrong = "is missing" if name is None else f"must be a string, not {show(name)}"
        problems.append(Diagnostic((*path, "name"), wrong, help_text))
        return None
    swept = [key for key, value in table.items() if is_sweep(value)]
    problems += (never_swept((*path, key)) for key in swept)
    return None if swept else Search(name, {key: value for key, value in table.items() if key != "name"})
