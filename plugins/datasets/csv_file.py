"""A table of the user's own: a CSV file beside the spec."""

from __future__ import annotations

import csv as reader
import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from xprun.errors import Error
from xprun.plugins.datasets.table import Table
from xprun.plugins.look_alikes import look_alikes
from xprun.plugins.registry import data
from xprun.plugins.types import AbsentByDefault, SpecFile

Missing = Literal["error", "drop", "mean", "median", "most_frequent"]
NOTHING = {"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?"}  # words for nothing, in small letters
WITH_COMMA = re.compile(r"[-+]?[0-9.]*(,[0-9]+)+(\.[0-9]+)?")
FEW = 2  # cells of a column that are told one by one
MOST_TOLD = 20  # cells of a file that are told one by one


class CsvError(Error, ValueError):
    """A file is no table of numbers as the spec describes it; `setting` is the one that is wrong."""

    def __init__(self, message: str, setting: str = "file") -> None:
        super().__init__(message)
        self.setting = setting


def wrong_cells(
    *,
    file: Path,
    target: str,
    classes: bool | None,
    columns: list[str] | None,
    leave_out: list[str],
    delimiter: str,
    categories: list[str],
    missing: Missing,
    **_: object,
) -> Iterator[tuple[str, str]]:
    """Yield every setting that names a column which the file has not, or else every cell that cannot be read."""
    lists = {"columns": columns or [], "leave_out": leave_out, "categories": categories}
    named = [("target", target), *((setting, column) for setting, known in lists.items() for column in known)]
    try:
        with _lines(file, delimiter) as lines:
            header = Sheet(file.name, _names(next(lines, [])), [])
        lacking = [(setting, header.lacks(column)) for setting, column in named if column not in header.header]
        yield from lacking
        if lacking:
            return
        sheet = _read(file, delimiter)
        reading = _Reading(sheet, target, classes, _inputs(sheet, target, columns, leave_out), categories, missing)
    except CsvError as error:
        yield error.setting, str(error)
        return
    yield from (("file", problem) for problem in _shortened(list(reading.problems())))


@dataclass(frozen=True)
class TargetCells:
    """What the cells of a target are ("text", "numbers" or "mixed"), how many values, and where the first stands."""

    kind: Literal["text", "numbers", "mixed"]
    values: int
    row: int
    first: str


def read_target(file: Path, target: str, delimiter: str) -> TargetCells:
    """Return what the cells of a column are; raise CsvError for a file that cannot be read, or has no such column."""
    cells = {i: cell for i, cell in enumerate(_read(file, delimiter).cells(target), 1) if not _is_missing(cell)}
    numbers = sum(map(_is_number, cells.values()))
    row, first = next(iter(cells.items()), (1, ""))
    kind: Literal["text", "numbers", "mixed"] = "numbers" if numbers == len(cells) else "mixed" if numbers else "text"
    return TargetCells(kind, len(set(cells.values())), row, first)


@data("csv", check=wrong_cells)
def csv(
    *,
    file: SpecFile,
    target: str,
    classes: bool | None = None,
    columns: list[str] | None = None,
    leave_out: list[str] = [],  # noqa: B006 - read, never changed
    delimiter: str = ",",
    categories: Annotated[list[str], AbsentByDefault()] = [],  # noqa: B006 - read, never changed
    missing: Annotated[Missing, AbsentByDefault()] = "error",
) -> Table:
    """The rows of a CSV file in the spec's folder; its first line names the columns.

    inputs [N, columns]: those listed in `columns`, or all but the target and those in `leave_out`. Each column in
    `categories` becomes one for each of its values, 1 where a row has that value and 0 elsewhere, in the order of the
    values. The column `target` is what to predict: a number, targets [N, 1]; or with `classes = true` a class, targets
    [N], numbered from 0 in the order of its values. Where `classes` is left out, a column of text holds classes, one of
    numbers does not, and one of both is an error. Numbers are read in double precision; `run.dtype` says what they are
    trained in. A cell that is empty, or a word for nothing such as `NA`, is an error, or as `missing` says: "drop"
    leaves its row out, and "mean", "median" and "most_frequent" fill inputs in with that of the column's training rows;
    a category is then one of its own, and a row without a target is still an error.
    Raises CsvError that names the row (the first below the header is 1) and the column of what is wrong.
    """
    import torch

    sheet = _read(Path(file), delimiter)
    reading = _Reading(sheet, target, classes, _inputs(sheet, target, columns, leave_out), categories, missing)
    if problems := list(reading.problems()):
        raise CsvError("; ".join(_shortened(problems, 3)))
    inputs = torch.tensor(reading.inputs(), dtype=torch.float64).T.contiguous()
    fill = None if missing == "error" or missing == "drop" else missing
    if reading.has_classes:
        names = reading.classes()
        number = {name: i for i, name in enumerate(names)}
        targets = torch.tensor([number[cell] for cell in reading.cells(target)])
        return Table(inputs, targets, class_names=tuple(names), missing=fill)
    numbers = torch.tensor([float(cell) for cell in reading.cells(target)], dtype=torch.float64)
    return Table(inputs, numbers.unsqueeze(1), missing=fill)


class _Reading:
    """The columns of a sheet as a spec wants them read: `inputs` by name, some of them categories, and the target."""

    def __init__(
        self,
        sheet: Sheet,
        target: str,
        classes: bool | None,
        inputs: list[str],
        categories: Sequence[str],
        missing: Missing,
    ) -> None:
        self.sheet, self.target, self.names, self.missing = sheet, target, inputs, missing
        if target in categories:
            raise CsvError(
                f"the target {target!r} is one of data.categories; write classes = true for classes", "categories"
            )
        if idle := [name for name in categories if name not in inputs]:
            raise CsvError(f"data.categories has {idle[0]!r}, which is none of the inputs", "categories")
        self.categories = set(categories)
        used = [sheet.cells(name) for name in (*inputs, target)]
        whole = [not any(map(_is_missing, row)) for row in zip(*used, strict=True)]
        self.kept = [i for i, complete in enumerate(whole) if complete or missing != "drop"]
        if not self.kept:
            raise CsvError(f'{sheet.file}: every row lacks something, so that missing = "drop" leaves none')
        found = [cell for cell in self.cells(target) if not _is_missing(cell)]
        self.numbers_among = sum(map(_is_number, found))
        self.mixed = classes is None and 0 < self.numbers_among < len(found)
        self.has_classes = self.numbers_among < len(found) and not self.mixed if classes is None else classes
        named = [*categories, *([target] if self.has_classes else [])]
        self.numbered = {name for name in named if _are_numbers(self.cells(name))}  # whose names are numbers

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column, without those of rows that are left out."""
        cells = self.sheet.cells(column)
        return [cells[i] for i in self.kept]

    def classes(self) -> list[str]:
        """Return the classes, in the order of numbers, or else of the alphabet."""
        return _values(self.cells(self.target))

    def inputs(self) -> list[list[float]]:
        """Return the columns of the inputs; NaN where a number is missing."""
        columns = []
        for name in self.names:
            cells = self.cells(name)
            if name in self.categories:
                cells = cells if self.missing == "error" else ["" if _is_missing(cell) else cell for cell in cells]
                columns += [[float(cell == value) for cell in cells] for value in _values(cells)]
            else:
                columns.append([math.nan if _is_missing(cell) else float(cell) for cell in cells])
        return columns

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the cells, column by column; many of one that want one cure are one problem."""
        for name in (*self.names, self.target):
            cells = self.cells(name)
            by_cure: dict[str, list[str]] = {}
            for i, cell in zip(self.kept, cells, strict=True):
                if wrong := self._wrong(name, cell):
                    what, _, cure = wrong.partition("; ")
                    by_cure.setdefault(cure, []).append(f"{self.sheet.file}: row {i + 1}, column {name!r}: {what}")
            for cure, wrong_cells in by_cure.items():
                many = f", like {len(wrong_cells) - 1:,} more cells of this column" if len(wrong_cells) > FEW else ""
                yield from (f"{cell}{many}; {cure}" for cell in (wrong_cells[:1] if many else wrong_cells))
            if name in self.categories or (name == self.target and self.has_classes):
                for first, other in look_alikes(dict.fromkeys(cells)):
                    place = f"row {self.kept[cells.index(other)] + 1}, column {name!r}"
                    what = f"{other!a} looks like {first!a}, and is another value; write both alike"
                    yield f"{self.sheet.file}: {place}: {what}"

    def _wrong(self, name: str, cell: str) -> str:
        """Return what is wrong with a cell, and what would help; nothing where it can be read."""
        is_target = name == self.target
        is_text = name in self.categories or (is_target and self.has_classes)
        if is_text and cell and self.missing == "error" and not (name in self.numbered and _is_missing(cell)):
            return ""  # a class may be called NA, but not among numbers
        if _is_missing(cell):
            if self.missing != "error" and not is_target:
                return ""
            what = f"{cell!r} is not a number" if cell else "the cell is empty"
            others = "" if is_target else ', or fill such cells in: data.missing = "mean"'
            return f'{what}; leave such rows out: data.missing = "drop"{others}'
        if is_text or _is_number(cell):
            return ""
        if WITH_COMMA.fullmatch(cell):
            cure = "write numbers with a point, and without commas between thousands: 1000.5"
        elif is_target:
            cure = "put a number there, or write data.classes = true if the column holds classes"
        else:
            cure = f"put a number there, list the column in data.categories, or exclude it: data.leave_out = [{name!r}]"
        return f"{cell!r} is not a number; {cure}"


def _shortened(problems: list[str], most: int = MOST_TOLD) -> list[str]:
    """Return the first problems, and how many more there are."""
    more = len(problems) - most
    return problems[:most] + ([f"and {more} more cells that cannot be read"] if more > 0 else [])


def _values(cells: Iterable[str]) -> list[str]:
    """Return the different values of cells, in the order of numbers where all are, or else of the alphabet."""
    known = set(cells)
    return sorted(known, key=float if all(map(_is_number, known)) else None)


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
        other = next((mark for mark in "\t;|," if len(self.header) == 1 and mark in self.header[0]), None)
        if other:
            return f"{self.file} has one column, {self.header[0]!r}: write data.delimiter = {json.dumps(other)}"
        near = difflib.get_close_matches(column, self.header, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return f"{self.file} has no column {column!r}{meant} (it has {', '.join(self.header[:20])})"


@contextmanager
def _lines(path: Path, delimiter: str) -> Iterator[Iterator[list[str]]]:
    """Give the lines of a file that are not empty, cut into cells; raise CsvError where it is no such text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield (row for row in _rows(path.name, file, delimiter) if row)
    except UnicodeDecodeError as error:
        raise CsvError(f"{path.name} is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    except TypeError as error:
        raise CsvError(f"{path.name} cannot be read as CSV: {error}") from None


def _rows(name: str, lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the lines of a file cut into cells; raise CsvError where a quote or a NUL byte would swallow some."""
    taken: list[str] = []  # the lines of a row, which has several where a quoted cell has
    rows = reader.reader(_without_nul(name, lines, taken), delimiter=delimiter, strict=True)
    begun, columns = 0, 0
    while True:
        taken.clear()
        try:
            row = next(rows, None)
        except reader.Error as error:
            raise CsvError(f"{name}: line {begun + 1}: {_about_quotes(str(error))}") from None
        if row is None:
            return
        columns = columns or len(row)
        if len(taken) > 1 and columns > 1 and all(_is_row(line, columns, delimiter) for line in taken):
            raise CsvError(f"{name}: line {begun + 1}: {_about_quotes(f'it ends in line {rows.line_num}')}")
        begun = rows.line_num
        yield row


def _without_nul(name: str, lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    """Yield lines, and put each on the list of those that were taken; raise CsvError for one with a NUL byte."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise CsvError(
                f"{name}: line {number} has a NUL byte, so the file is damaged, or no text; save it as UTF-8"
            )
        taken.append(line)
        yield line


def _about_quotes(error: str) -> str:
    """Return what is wrong with the quotes of a row, and what would help."""
    if "unexpected end" in error or "ends in line" in error:
        end = "the file ends in it" if "unexpected end" in error else error
        return f'a cell begins with a quote (") that is not closed in its row: {end}; close it, or write "" for a quote'
    if "expected after" in error:
        return 'text follows the closing quote (") of a cell; write a quote inside of a quoted cell twice: ""'
    return f"it cannot be read as CSV: {error}"


def _is_row(line: str, columns: int, delimiter: str) -> bool:
    """Whether a line by itself looks like a row of numbers, or of numbers and text."""
    pieces = line.split(delimiter)
    return len(pieces) == columns and any(_is_number(piece) for piece in pieces)


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
    for first, other in look_alikes(header):
        raise CsvError(f"{path.name}: the name of the column {other!a} looks like {first!a}")
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
    if columns and (twice := [name for name in columns if columns.count(name) > 1]):
        raise CsvError(f"{twice[0]!r} is listed twice, so it would be two inputs", "columns")
    chosen = sheet.header if columns is None else columns
    if columns is not None and target in columns:
        raise CsvError(f"the target {target!r} is one of data.columns, so it would predict itself", "columns")
    inputs = [name for name in chosen if name != target and name not in leave_out]
    if "" in inputs:
        index = "an index, as pandas writes one, is no input"
        raise CsvError(f'{sheet.file}: column {sheet.header.index("") + 1} has no name; {index}: data.leave_out = [""]')
    if not inputs:
        raise CsvError(f"{sheet.file}: no columns are left to predict {target!r} from")
    return inputs


def _is_missing(cell: str) -> bool:
    """Whether a cell is empty, or has a word for nothing."""
    return cell.lower() in NOTHING


def _are_numbers(cells: Iterable[str]) -> bool:
    """Whether the cells that are not missing are numbers, and there are some."""
    found = [cell for cell in cells if not _is_missing(cell)]
    return bool(found) and all(map(_is_number, found))


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False
