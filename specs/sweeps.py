"""Sweeps: a table such as `{ grid = [0.1, 0.01] }` that stands for several values of a setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from xprun.specs.errors import Path, Problem
from xprun.specs.wording import show, unknown_key

# Each word of the language with the other keys its table takes.
WORDS = {"grid": (), "linspace": ("num",), "logspace": ("num",), "range": ()}


def is_sweep(value: Any) -> bool:
    """Whether a value is meant as a sweep: a table with one of the words, and not a component."""
    return isinstance(value, dict) and "name" not in value and any(word in value for word in WORDS)


def read_sweep(table: dict[str, Any], path: Path) -> tuple[Sequence[Any], list[Problem]]:
    """Return the values of a sweep, computed when they are asked for, or what is wrong with it."""
    word = next(word for word in WORDS if word in table)
    known = [word, *WORDS[word]]
    problems = [unknown_key((*path, key), f"a {word} sweep", known) for key in table if key not in known]
    problems += _problems_of(word, table, path)
    return ([], problems) if problems else (_values_of(word, table), [])


def _problems_of(word: str, table: dict[str, Any], path: Path) -> list[Problem]:
    here, values = (*path, word), table[word]
    if not isinstance(values, list) or not values:
        what = "has no values" if values == [] else f"must be a list, not {show(values)}"
        return [Problem(here, f"this {word} {what}", "write at least one value: { grid = [0.1, 0.01] }")]
    if word == "grid":
        return []
    if not all(_is_number(v) for v in values):
        return [Problem(here, f"must hold numbers only, not {show(values)}")]
    if word == "range":
        return _range_problems(values, here)
    return _space_problems(word, table, path)


def _range_problems(values: list[Any], here: Path) -> list[Problem]:
    if len(values) > 3 or (len(values) == 3 and values[2] == 0):
        return [Problem(here, "must be [start, stop, step], the step not 0")]
    if len(_range(values)) == 0:
        return [Problem(here, f"{show(values)} has no values")]
    return []


def _space_problems(word: str, table: dict[str, Any], path: Path) -> list[Problem]:
    ends, num = table[word], table.get("num")
    if len(ends) != 2:
        return [Problem((*path, word), "must be [first, last]")]
    if word == "logspace" and min(ends) <= 0:
        return [Problem((*path, word), f"must lie above 0, not {show(ends)}", "the ends are values, not exponents")]
    if num is None:
        return [Problem(path, f"needs the number of values: {{ {word} = {show(ends)}, num = 5 }}")]
    if isinstance(num, bool) or not isinstance(num, int) or num < 1:
        return [Problem((*path, "num"), f"must be a whole number above 0, not {show(num)}")]
    return []


def _values_of(word: str, table: dict[str, Any]) -> Sequence[Any]:
    values = table[word]
    if word == "grid":
        return list(values)
    if word == "range":
        return _range(values)
    first, last = map(float, values)
    return _Computed(table["num"], lambda i, n: _between(word, first, last, i, n))


def _range(values: list[Any]) -> Sequence[Any]:
    if all(isinstance(v, int) for v in values):
        return range(*values)
    start, stop, step = {1: (0.0, *values, 1.0), 2: (*values, 1.0)}.get(len(values), tuple(values))
    count = max(0, math.ceil((stop - start) / step - 1e-9))
    return _Computed(count, lambda i, _: _round(start + i * step))


def _between(word: str, first: float, last: float, i: int, n: int) -> float:
    if i == 0 or n == 1:
        return first
    if i == n - 1:
        return last
    share = i / (n - 1)
    return _round(first + (last - first) * share if word == "linspace" else first * (last / first) ** share)


def _round(value: float) -> float:
    """Return the value to 12 digits, so that the middle of 0.001 .. 1 is 0.01 and not 0.010000000000000002."""
    return float(f"{value:.12g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class _Computed(Sequence[Any]):
    """A sequence whose items are computed when asked for: a grid of 10^9 values can be counted at once."""

    def __init__(self, count: int, item: Any) -> None:
        self._count, self._item = count, item

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self._count:
            raise IndexError(i)
        return self._item(i, self._count)
