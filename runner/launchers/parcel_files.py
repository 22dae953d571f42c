"""Parcels as files of a folder that machines share: whole and verified, or none. They are data, and run no code.

How far runs are is one file that is replaced: only the latest is of interest.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xprun.runner.launchers.parcels import Parcel
from xprun.runner.process.training_progress import TrainingProgress, decode, encode
from xprun.runner.results.atomic_files import replace_bytes, replace_text
from xprun.runner.results.outcome import Outcome
from xprun.runner.store.records import Record, to_outcome, to_record

ENDING, PROGRESS = ".parcel", "progress.json"


def write_parcel(folder: Path, number: int, parcel: Parcel, error: str = "") -> None:
    """Write a parcel, or the `error` that ended the work, as the file of that number; raise OSError where it fails.

    What it tells of progress is left out, see `write_progress`.
    """
    content: dict[str, Any] = {"error": error, "notes": parcel.notes, "out": parcel.out, "err": parcel.err}
    content["outcomes"] = [_to_plain(outcome) for outcome in parcel.outcomes]
    text = json.dumps(content).encode()
    replace_bytes(folder / f"{number:06}{ENDING}", hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def read_parcels(folder: Path, known: Iterable[str] = ()) -> dict[str, tuple[Parcel, str]]:
    """Return by file name the parcels that are whole and not `known`, in their order, each with its error."""
    read: dict[str, tuple[Parcel, str]] = {}
    for path in sorted(folder.glob(f"*{ENDING}")):
        if path.name not in set(known):
            with suppress(OSError, ValueError, LookupError, TypeError):  # whoever has written it
                read[path.name] = _read(path.read_bytes())
    return read


def write_progress(folder: Path, progress: list[TrainingProgress]) -> None:
    """Replace what is told of how far runs are; where it fails, nothing is."""
    with suppress(OSError):
        replace_text(folder / PROGRESS, "\n".join(encode(one).decode() for one in progress), durable=False)


def read_progress(folder: Path) -> list[TrainingProgress]:
    """Return what is told of how far runs are; nothing where nobody tells."""
    with suppress(OSError):
        lines = (folder / PROGRESS).read_bytes().splitlines()
        return [progress for line in lines if (progress := decode(line))]
    return []


def _read(content: bytes) -> tuple[Parcel, str]:
    digest, text = content.split(b"\n", 1)
    if hashlib.sha256(text).hexdigest().encode() != digest:
        raise ValueError("not what was written")
    told = json.loads(text)
    outcomes = [_from_plain(plain) for plain in told["outcomes"]]
    return Parcel(outcomes, told["notes"], told["out"], told["err"]), told["error"]


def _to_plain(outcome: Outcome) -> dict[str, Any]:
    record = to_record(outcome, "{}")
    curves = [[metric, _text(steps), _text(values)] for metric, steps, values in record.curves]
    state = {
        name: [values.dtype.str, list(values.shape), _text(values.tobytes())] for name, values in outcome.state.items()
    }
    return {"run": record.run, "outcome": record.outcome, "curves": curves, "digest": record.digest, "state": state}


def _from_plain(plain: dict[str, Any]) -> Outcome:
    curves = tuple((metric, b64decode(steps), b64decode(values)) for metric, steps, values in plain["curves"])
    record = Record(plain["run"], plain["outcome"], "{}", curves)
    if (kept := record.verified(plain["digest"])) is None:
        raise ValueError("not what was written")
    outcome = to_outcome(record, kept)
    outcome.state = {name: _array(*parts) for name, parts in plain["state"].items()}
    return outcome


def _array(kind: str, shape: list[int], text: str) -> NDArray[Any]:
    if np.dtype(kind).hasobject:
        raise ValueError("no numbers")
    return np.frombuffer(b64decode(text), np.dtype(kind)).reshape(shape).copy()


def _text(content: bytes) -> str:
    return b64encode(content).decode()
