"""Writes tables as CSV, as pandas does, and faster, and so that no text in them is a formula to a spreadsheet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from xprun.runner.results.results_schema import METRIC, RUN
from xprun.specs.language.diagnostics import inert

AT_ONCE = 100_000  # rows whose texts are in memory at a time
OURS = {RUN, METRIC}  # columns of words that no user chose, and millions of them
NEED_QUOTES = re.compile(r'[,"\r\n]')


def write_csv(table: pd.DataFrame, path: Path | TextIO) -> None:
    """Write a table as CSV in UTF-8, numbers with all of their digits, nothing for what is missing."""
    if isinstance(path, Path):
        with path.open("w", encoding="utf-8", newline="") as file:
            _write(table, file)
    else:
        _write(table, path)


def _write(table: pd.DataFrame, file: TextIO) -> None:
    file.write(",".join(_quoted(str(name)) for name in table) + "\n")
    for start in range(0, len(table), AT_ONCE):
        rows = table.iloc[start : start + AT_ONCE]
        columns = (_texts(rows[name], is_ours=name in OURS) for name in table)
        file.writelines(f"{','.join(row)}\n" for row in zip(*columns, strict=True))


def _texts(column: pd.Series[Any], *, is_ours: bool) -> Iterable[str]:
    """Return the values of a column as they stand in the file."""
    if column.dtype.kind == "f":
        return _of_numbers(column.to_numpy())
    if column.dtype.kind in "iub":
        return map(str, column.tolist())
    if isinstance(column.dtype, pd.StringDtype):
        places, distinct = pd.factorize(column)
        texts = [*(_text(value, is_ours=is_ours) for value in distinct), ""]  # the last for -1, where there is none
        return np.array(texts, dtype="object")[places].tolist()  # type: ignore[no-any-return]
    values = column.tolist()
    known = {key: _text(key[1], is_ours=is_ours) for key in set(zip(map(type, values), values, strict=True))}
    return [known[type(value), value] for value in values]


def _of_numbers(values: np.ndarray[Any, Any]) -> list[str]:
    texts = list(map(repr, values.tolist()))
    for missing in np.flatnonzero(np.isnan(values)):
        texts[missing] = ""
    return texts


def _text(value: Any, *, is_ours: bool) -> str:
    if isinstance(value, str):
        return _quoted(value if is_ours else as_text(value))
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if NEED_QUOTES.search(text) else text


def as_text(text: str) -> str:
    """Return a text with control characters escaped, and with a `'` before what a spreadsheet would take for a formula.

    The `'` makes it text there.
    """
    text = inert(text)
    return f"'{text}" if re.match(r"'*[=+\-@\t]", text) else text
