"""Numbers, names and tables as the text that people read."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

NONE = "\N{EN DASH}"
MOST_PLACES = 6  # after the point
FURTHER = 2  # places more than the largest number needs, for the sake of the smallest
# What has no picture, or turns the rest of a line round; tabs and ends of lines are not here.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Column:
    """One column of a listing."""

    head: str
    cells: list[str]
    number: bool = False


@dataclass(frozen=True)
class Listing:
    """A table as text. `total`: how many rows there are, of which `rows` are the first."""

    head: list[str]
    number: list[bool]
    rows: list[tuple[str, ...]]
    total: int


def listing(columns: list[Column], limit: int | None = None) -> Listing:
    """The columns side by side, cut to `limit` rows; without those in which no row of several has anything."""
    columns = [column for column in columns if len(column.cells) < 2 or any(cell != NONE for cell in column.cells)]
    rows = list(zip(*(column.cells for column in columns), strict=True))
    return Listing([c.head for c in columns], [c.number for c in columns], rows[:limit], len(rows))


def texts(head: str, values: Iterable[Any]) -> Column:
    """A column of text."""
    return Column(head, [value_text(value) for value in values])


def numbers(head: str, values: pd.Series, digits: int = 4, like: Sequence[pd.Series] = ()) -> Column:
    """A column of measured numbers, with as many decimals as its largest needs for a number of digits.

    `like`: columns of the same quantity, which are written with the same decimals.
    """
    show = decimals(pd.concat(list(like)) if like else values, digits)
    return Column(head, [show(value) for value in values], number=True)


def exact(head: str, values: pd.Series) -> Column:
    """A column of counts or settings, each as short as it can be written."""
    return Column(head, [value_text(value) for value in values], number=is_number(values))


def is_number(values: pd.Series) -> bool:
    """Whether a setting is a quantity that can be an axis."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def decimals(values: pd.Series, digits: int = 4) -> Callable[[float], str]:
    """A way to write all these numbers alike: fixed decimals, or powers of ten where all are very large or small.

    The largest has so many digits and the smallest, if it is not too far from it, two. One that would be written as
    nothing but zeros is a power of ten.
    """
    finite = values[values.notna() & (values.abs() < math.inf) & (values != 0)].abs()
    if finite.empty:
        return value_text
    first, least = (math.floor(math.log10(value)) for value in (finite.max(), finite.min()))
    if first >= 6 or first < -5:
        return lambda value: f"{value:.2e}" if math.isfinite(value) and value else value_text(value)
    places = max(0, digits - 1 - first)
    places = min(MOST_PLACES, max(places, min(1 - least, places + FURTHER)))

    def show(value: float) -> str:
        if not math.isfinite(value):
            return value_text(value)
        return f"{value:.1e}" if value and abs(value) < 0.5 * 10**-places else f"{value:.{places}f}"

    return show


def value_text(value: Any) -> str:
    """A setting or a number in at most four digits: `0.03162`, `60000`, `full`; a dash for none."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return NONE
    if isinstance(value, bool) or not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "-∞"}.get(value, str(value))
    return str(int(value)) if value == int(value) and abs(value) < 1e7 else f"{value:.4g}"


def intervals(head: str, low: pd.Series, high: pd.Series, digits: int = 4, like: Sequence[pd.Series] = ()) -> Column:
    """A column of ranges, `0.961 to 0.974`; a dash where an end is missing. `like`: see `numbers`."""
    show = decimals(pd.concat(list(like) or [low, high]), digits)
    pairs = zip(low, high, strict=True)
    return Column(head, [f"{show(a)} to {show(b)}" if a == a and b == b else NONE for a, b in pairs], number=True)


def plus_minus(mean: float, spread: float) -> str:
    """`0.972 ± 0.004`: the spread in two digits, and the mean with as many decimals; without one, four digits."""
    if not spread > 0:
        return value_text(mean) if spread != 0 else f"{value_text(mean)} ± 0"
    if math.isinf(spread):  # of numbers whose squares are too large
        return f"{value_text(mean)} ± ∞"
    places = 1 - math.floor(math.log10(spread))
    if not 0 <= places <= 6:
        return f"{mean:.3g} ± {spread:.2g}"
    return f"{mean:.{places}f} ± {spread:.{places}f}"


def short_names(keys: list[str]) -> dict[str, str]:
    """`optimizer.lr` as `lr`, where no other key would be called the same."""
    last = [key.partition(".")[2] or key for key in keys]
    return {key: short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)}


def setting_texts(table: pd.DataFrame, keys: list[str]) -> list[str]:
    """For each row, `lr=0.03, momentum=0.9`: the settings that it has."""
    names = short_names(keys)
    columns = [[f"{names[key]}={value_text(v)}" if v == v and v != "" else "" for v in table[key]] for key in keys]
    rows = zip(*columns, strict=True) if columns else [()] * len(table)
    return [", ".join(filter(None, row)) for row in rows]


def shorten(text: str, length: int = 40) -> str:
    """One printable line of at most `length` characters."""
    line = " ".join(CONTROL.sub(" ", text).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def visible(text: str) -> str:
    """The text with an escape in the place of every control character but tabs and ends of lines."""
    return CONTROL.sub(lambda c: c[0].encode("unicode_escape").decode(), text)


def listed(items: list[str], limit: int = 6) -> str:
    """`a, b and c`, or `a, b and 7 more`."""
    if len(items) > limit:
        items = [*items[: limit - 1], f"{len(items) - limit + 1} more"]
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""


def counted(n: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def p_texts(values: Iterable[float]) -> list[str]:
    """p-values in two digits; a dash where no test was made."""
    return [NONE if p != p else f"{p:.2g}" if p >= 0.001 else "< 0.001" for p in values]


def percent(shares: Iterable[float]) -> list[str]:
    """Shares as whole percentages; a dash for none."""
    return [NONE if share != share else f"{share:.0%}" for share in shares]


def ranges(low: pd.Series, high: pd.Series) -> list[str]:
    """Each range in as few words as will do: `0.01 to 0.1`, or `0.01` where it is a single value."""
    pairs = zip(low, high, strict=True)
    return [value_text(a) if a == b or a != a else f"{value_text(a)} to {value_text(b)}" for a, b in pairs]


def marked(names: Iterable[str], baseline: str | None) -> list[str]:
    """Names, one of them with a word that says that it is the baseline."""
    return [f"{name} (baseline)" if name == baseline else name for name in names]


def key_columns(table: pd.DataFrame, keys: list[str]) -> list[Column]:
    """A column for each setting, under its short name."""
    return [exact(name, table[key]) for key, name in short_names(keys).items()]
