"""A text of the user's own, character by character: a file beside the spec."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from xprun.errors import Error
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import data
from xprun.plugins.types import Fraction, PositiveInt, SpecFile


class TextError(Error, ValueError):
    """A file is no text that can be cut into sequences as the spec says."""


def unusable_text(*, file: Path, sequence_length: int, **_: object) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the file, or with a length that it is too short for."""
    try:
        written = _read(file)
    except TextError as error:
        yield "file", str(error)
        return
    if len(written) <= sequence_length:
        yield "sequence_length", _too_short(file, written, sequence_length)


@data("text", check=unusable_text)
def text(*, file: SpecFile, sequence_length: PositiveInt = 64, valid: Fraction = 0.1, test: Fraction = 0.0) -> Table:
    """The characters of a UTF-8 file in the spec's folder, to predict each from those before it.

    The text is cut into sequences of `sequence_length` characters, one behind the other: inputs [N, L] are the numbers
    of the characters, in the order of their code points, and targets [N, L] those that follow each. What is left at
    the end is too short for a sequence and dropped. The last rows are held out, in their order: first the share
    `valid`, then the share `test`.
    Raises TextError.
    """
    import torch

    path = Path(file)
    written = _read(path)
    rows = (len(written) - 1) // sequence_length
    if not rows:
        raise TextError(_too_short(path, written, sequence_length))
    used = written[: rows * sequence_length + 1]
    number = {character: i for i, character in enumerate(sorted(set(used)))}
    ids = torch.tensor([number[character] for character in used])
    inputs, targets = ids[:-1].view(rows, -1), ids[1:].view(rows, -1)
    held = [math.floor(rows * share + 0.5) for share in (valid, test)]
    for name, share, count in zip(("valid", "test"), (valid, test), held, strict=True):
        if share and not count:
            raise TextError(f"{name} = {share:g} holds out none of the {rows} sequences of {path.name}")
    if sum(held) >= rows:
        raise TextError(f"valid = {valid:g} and test = {test:g} hold out all {rows} sequences of {path.name}")

    def part(start: int, stop: int) -> Table | None:
        return Table(inputs[start:stop], targets[start:stop]) if start < stop else None

    first, second = rows - sum(held), rows - held[1]
    return Table(inputs[:first], targets[:first], valid=part(first, second), test=part(second, rows))


def _read(path: Path) -> str:
    """Return what stands in a file; raise TextError where that is nothing, or no UTF-8."""
    try:
        written = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TextError(f"{path.name} is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    if not written:
        raise TextError(f"{path.name} is empty")
    return written


def _too_short(path: Path, written: str, sequence_length: int) -> str:
    return (
        f"{path.name} has {len(written)} characters, too few for one sequence of {sequence_length} and what follows it"
    )
