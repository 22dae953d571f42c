"""Which values a selection means: one rule for `[[exclude]]` and for the `where` of claims."""

from __future__ import annotations

import json
import math
from typing import Any

SAME = 5e-4  # numbers need to be given to four digits, which is what reports show


def fits(found: Any, wanted: Any) -> bool:
    """Whether a setting is what a selection asks for; a list asks for any of its values, or for the whole list."""
    return _same(found, wanted) or (isinstance(wanted, list) and any(_same(found, one) for one in wanted))


def alternatives_of(wanted: Any) -> list[Any]:
    """Return the values of which a selection asks for any."""
    return wanted if isinstance(wanted, list) else [wanted]


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and isinstance(found, str):
        return found == json.dumps(wanted)  # a table holds a list as JSON
    if _is_number(found) and _is_number(wanted):
        exact = isinstance(found, int) and isinstance(wanted, int)
        return found == wanted if exact else math.isclose(found, wanted, rel_tol=SAME)
    return type(found) is type(wanted) and bool(found == wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
