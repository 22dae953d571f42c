"""Sweeps: a table such as `{ grid = [0.1, 0.01] }` that stands for several values of a setting."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from xprun.specs.language.diagnostics import Diagnostic
from xprun.specs.language.dotted_paths import Path, dotted
from xprun.specs.language.keywords import LISTED, RANDOM, WORDS
from xprun.specs.language.wording import show, unknown_key

MAX_VALUES = 10**12
LARGEST = 1e100


def is_sweep(value: Any) -> bool:
    """Whether a value is meant as a sweep: a table with one of the words, and not a component."""
    return isinstance(value, dict) and "name" not in value and any(word in value for word in WORDS)


def is_random(sweep: dict[str, Any]) -> bool:
    """Whether the values of a sweep are drawn."""
    return any(word in sweep for word in RANDOM)


def read_sweep(table: dict[str, Any], path: Path, seed: int = 0) -> tuple[Sequence[Any], list[Diagnostic]]:
    """Return the values of a sweep, computed when they are asked for, or what is wrong with it.

    Draws depend on `seed` and on the setting's dotted name, and on nothing else: another sweep in the spec, or
    more samples, change none of them.
    """
    word = next(word for word in WORDS if word in table)
    known = [word, *WORDS[word], "with"]
    problems = [unknown_key((*path, key), f"a {word} sweep", known) for key in table if key not in known]
    problems += _problems_of(word, table, path)
    return ([], problems) if problems else (_values_of(word, table, path, seed), [])


def _problems_of(word: str, table: dict[str, Any], path: Path) -> Iterator[Diagnostic]:
    here, values = (*path, word), table[word]
    if not isinstance(table.get("with", ""), str) or table.get("with") == "":
        yield Diagnostic((*path, "with"), f"must be a string, not {show(table['with'])}")
    if not isinstance(values, list) or not values:
        what = "has no values" if values == [] else f"must be a list, not {show(values)}"
        yield Diagnostic(here, f"this {word} {what}", f"write at least one value: {{ {word} = [0.1, 0.01] }}")
    elif word not in LISTED and (wrong := list(_number_problems(word, values, here))):
        yield from wrong
        return
    if WORDS[word] and table.keys() <= {word, *WORDS[word], "with"}:
        yield from _count_problems(word, table, path)


def _number_problems(word: str, values: list[Any], here: Path) -> Iterator[Diagnostic]:
    if not all(_is_number(v) for v in values):
        yield Diagnostic(here, f"must hold numbers only, not {show(values)}")
    elif any(abs(v) > LARGEST for v in values):
        yield Diagnostic(here, f"must hold numbers of at most {LARGEST:g}, not {show(values)}")
    elif word == "range":
        yield from _range_problems(values, here)
    elif len(values) != 2:
        yield Diagnostic(here, f"must be [first, last], not {show(values)}", _shorter(word, values))
    elif word.startswith("log") and min(values) < 1 / LARGEST:
        yield Diagnostic(here, f"must be above 0, not {show(values)}", "the ends are values, not exponents")


def _shorter(word: str, values: list[Any]) -> str:
    """Return what other ends than two were meant as: the number of values as a third, or the values themselves."""
    if len(values) == 3 and isinstance(values[2], int) and values[2] > 1:
        return f"write {{ {word} = {show(values[:2])}, {WORDS[word][0]} = {values[2]} }}"
    return f"these values alone are {{ grid = {show(values)} }}"


def _range_problems(values: list[Any], here: Path) -> Iterator[Diagnostic]:
    if len(values) > 3 or (len(values) == 3 and values[2] == 0):
        yield Diagnostic(here, "must be [start, stop, step] with a step other than 0")
    elif (count := _range_length(values)) == 0:
        yield Diagnostic(here, f"{show(values)} has no values")
    elif count > MAX_VALUES:
        yield Diagnostic(here, f"{show(values)} has more than {MAX_VALUES:,} values")


def _count_problems(word: str, table: dict[str, Any], path: Path) -> Iterator[Diagnostic]:
    key = WORDS[word][0]
    count = table.get(key)
    if count is None:
        written = f"{{ {word} = {show(table[word])}, {key} = 5 }}"
        yield Diagnostic(path, f"needs the number of {'values' if key == 'num' else 'samples'}: {written}")
    elif isinstance(count, bool) or not isinstance(count, int) or count < 1:
        yield Diagnostic((*path, key), f"must be an integer above 0, not {show(count)}")
    elif count > MAX_VALUES:
        yield Diagnostic((*path, key), f"must be at most {MAX_VALUES:,}, not {show(count)}")


def _values_of(word: str, table: dict[str, Any], path: Path, seed: int) -> Sequence[Any]:
    values = table[word]
    if word == "grid":
        return list(values)
    if word == "range":
        return _range(values)
    if word == "choice":
        draw = _stream(path, seed)
        return Computed(table["samples"], lambda i: values[int(draw(i) * len(values))])
    first, last = map(float, values)
    if word in RANDOM:
        draw = _stream(path, seed)
        return Computed(table["samples"], lambda i: _between(word, first, last, draw(i)))
    num = table["num"]
    ends = {0: first, num - 1: last} if num > 1 else {0: first}
    return Computed(num, lambda i: ends[i] if i in ends else _between(word, first, last, i / (num - 1)))


def _stream(path: Path, seed: int) -> Callable[[int], float]:
    """Return the i-th draw of a setting, uniform in [0, 1): a hash of seed, name and i.

    The alternatives of a section draw the same numbers, as they train with the same seeds.
    """
    name = dotted((path[0], *path[2:]) if isinstance(path[1], int) else path)

    def draw(i: int) -> float:
        digest = hashlib.sha256(f"{seed}\n{name}\n{i}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64

    return draw


def _range(values: list[Any]) -> Sequence[Any]:
    if all(isinstance(v, int) for v in values):
        return range(*values)
    start, _, step = _range_ends(values)
    return Computed(_range_length(values), lambda i: _round(start + i * step))


def _range_length(values: list[Any]) -> int:
    start, stop, step = _range_ends(values)
    if all(isinstance(v, int) for v in values):
        return max(0, -int((start - stop) // step))
    share = (stop - start) / step
    return max(0, math.ceil(share - 1e-9)) if share < MAX_VALUES else MAX_VALUES + 1


def _range_ends(values: list[Any]) -> tuple[Any, Any, Any]:
    start, stop, step = {1: (0, *values, 1), 2: (*values, 1)}.get(len(values), tuple(values))
    return start, stop, step


def _between(word: str, first: float, last: float, share: float) -> float:
    return _round(first * (last / first) ** share if word.startswith("log") else first + (last - first) * share)


def _round(value: float) -> float:
    """Return the value to 12 digits, so that the middle of 0.001 .. 1 is 0.01 and not 0.010000000000000002."""
    return float(f"{value:.12g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class Computed(Sequence[Any]):
    """A sequence whose items are computed when asked for: a grid of 10^9 values can be counted at once."""

    def __init__(self, count: int, item: Callable[[int], Any]) -> None:
        self._count, self._item = count, item

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self._count:
            raise IndexError(i)
        return self._item(i)
