"""A table of the user's own: a CSV file beside the spec."""

from __future__ import annotations

import csv as reader
import difflib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xprun.errors import Error
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data
from xprun.plugins.types import SpecFile


class CsvError(Error, ValueError):
    """A file is no table of numbers as the spec describes it."""


def wrong_columns(
    *, file: Path, target: str, columns: list[str] | None, leave_out: list[str], delimiter: str, **_: object
) -> Iterator[tuple[str, str]]:
    """Yield each setting that names a column which the file has not; only the file's first line is read."""
    named = [("target", target), *(("columns", c) for c in columns or ()), *(("leave_out", c) for c in leave_out)]
    try:
        with _lines(file, delimiter) as lines:
            sheet = Sheet(file.name, _names(next(lines, [])), [])
    except CsvError as error:
        yield "file", str(error)
        return
    for setting, column in named:
        if column not in sheet.header:
            yield setting, sheet.lacks(column)


@data("csv", check=wrong_columns)
def csv(
    *,
    file: SpecFile,
    target: str,
    classes: bool | None = None,
    columns: list[str] | None = None,
    leave_out: list[str] = [],  # noqa: B006 - read, never changed
    delimiter: str = ",",
) -> Table:
    """The rows of a CSV file in the spec's folder; its first line names the columns.

    inputs [N, columns]: those listed in `columns`, or all but the target and those in `leave_out`. The column `target`
    is what to predict: a number, targets [N, 1]; or with `classes = true` a class, targets [N], numbered from 0 in
    the order of its values. Where `classes` is left out, a column with any text in it holds classes, one of numbers
    does not. Numbers are read in double precision; `run.dtype` says what they are trained in.
    Raises CsvError that names the row (the first below the header is 1) and the column of what is wrong.
    """
    import torch

    sheet = _read(Path(file), delimiter)
    inputs = [sheet.numbers(name) for name in _inputs(sheet, target, columns, leave_out)]
    if classes is None:
        classes = not all(_is_number(cell) for cell in sheet.cells(target))
    numbers = torch.tensor(inputs, dtype=torch.float64).T.contiguous()
    if classes:
        return Table(numbers, torch.tensor(sheet.classes(target)))
    return Table(numbers, torch.tensor(sheet.numbers(target), dtype=torch.float64).unsqueeze(1))


@dataclass(frozen=True)
class Sheet:
    """The cells of a file, as text, below the names of their columns."""

    file: str
    header: list[str]
    rows: list[list[str]]

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column, from top to bottom; raise CsvError where there is no such column."""
        if column not in self.header:
            raise CsvError(self.lacks(column))
        k = self.header.index(column)
        return [row[k].strip() for row in self.rows]

    def lacks(self, column: str) -> str:
        """Return that there is no such column, and which one was probably meant."""
        near = difflib.get_close_matches(column, self.header, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return f"{self.file} has no column {column!r}{meant} (it has {', '.join(self.header[:20])})"

    def numbers(self, column: str) -> list[float]:
        cells = self.cells(column)
        for i, cell in enumerate(cells, 1):
            if not _is_number(cell):
                found = f"{cell!r} is not a number" if cell else "the cell is empty"
                help_text = f"put a number there, or exclude the column: data.leave_out = [{column!r}]"
                raise CsvError(f"{self.file}: row {i}, column {column!r}: {found}; {help_text}")
        return [float(cell) for cell in cells]

    def classes(self, column: str) -> list[int]:
        """Return the number of each cell's class; classes are in the order of numbers, or else of the alphabet."""
        cells = self.cells(column)
        if "" in cells:
            raise CsvError(f"{self.file}: row {cells.index('') + 1}, column {column!r}: the cell is empty")
        names = sorted(set(cells), key=float if all(map(_is_number, cells)) else None)
        number = {name: i for i, name in enumerate(names)}
        return [number[cell] for cell in cells]


@contextmanager
def _lines(path: Path, delimiter: str) -> Iterator[Iterator[list[str]]]:
    """Give the lines of a file that are not empty, cut into cells; raise CsvError where it is no such text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield (row for row in reader.reader(file, delimiter=delimiter) if row)
    except UnicodeDecodeError as error:
        raise CsvError(f"{path.name} is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    except (reader.Error, TypeError) as error:
        raise CsvError(f"{path.name} cannot be read as CSV: {error}") from None


def _read(path: Path, delimiter: str) -> Sheet:
    """Return the cells of a file; raise CsvError where it is empty, no text, or its rows differ in length."""
    with _lines(path, delimiter) as lines:
        header, *rows = [next(lines, []), *lines]
    header = _names(header)
    twice = [name for name in header if header.count(name) > 1]
    if not header:
        raise CsvError(f"{path.name} is empty; its first line must name the columns")
    if twice:
        raise CsvError(f"{path.name}: two columns are named {twice[0]!r}")
    for i, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise CsvError(f"{path.name}: row {i} has {len(row)} cells, and the header names {len(header)} columns")
    if not rows:
        raise CsvError(f"{path.name} has no rows below its header")
    return Sheet(path.name, header, rows)


def _names(cells: list[str]) -> list[str]:
    return [name.strip() for name in cells]


def _inputs(sheet: Sheet, target: str, columns: list[str] | None, leave_out: Sequence[str]) -> list[str]:
    """Return the names of the input columns; raise CsvError where there are none or one of them is the target."""
    for name in (target, *leave_out):
        sheet.cells(name)
    chosen = sheet.header if columns is None else columns
    if columns is not None and target in columns:
        raise CsvError(f"the target {target!r} is one of data.columns, so it would predict itself")
    inputs = [name for name in chosen if name != target and name not in leave_out]
    if not inputs:
        raise CsvError(f"{sheet.file}: no columns are left to predict {target!r} from")
    return inputs


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False
