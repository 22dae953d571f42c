"""A run as the store keeps it: its outcome, its history, where it came from, and a digest over all of that."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from xprun.runner.outcome import Outcome, Series

Curve = tuple[str, bytes, bytes]  # a metric, its steps as <i8, its values as <f8
KEPT = tuple(field.name for field in fields(Outcome) if field.name not in ("run", "history", "state"))


@dataclass(frozen=True)
class Record:
    """One stored run. `outcome` and `origin` are JSON; `curves` are in the order of their metrics."""

    run: str
    outcome: str
    origin: str
    curves: tuple[Curve, ...]

    @property
    def digest(self) -> str:
        """A checksum over every byte of the record and where each part of it ends."""
        parts = [self.run.encode(), self.outcome.encode(), self.origin.encode()]
        parts += [part for metric, steps, values in self.curves for part in (metric.encode(), steps, values)]
        lengths = json.dumps([len(part) for part in parts]).encode()
        return hashlib.sha256(b"".join([lengths, *parts])).hexdigest()

    @property
    def lasting(self) -> bool:
        """Whether the outcome stands, or is to be tried again (`Outcome.lasting`)."""
        return bool(json.loads(self.outcome).get("lasting", True))

    def verifies(self, digest: object) -> bool:
        """Whether the record is what was written with this digest; what was read may be of any type."""
        texts = (self.run, self.outcome, self.origin, *(metric for metric, _, _ in self.curves))
        blobs = [blob for _, steps, values in self.curves for blob in (steps, values)]
        whole = all(isinstance(text, str) for text in texts) and all(isinstance(blob, bytes) for blob in blobs)
        return whole and self.digest == digest


def to_record(outcome: Outcome, origin: str) -> Record:
    curves = sorted(
        (metric, _bytes(series.steps, "<i8"), _bytes(series.values, "<f8"))
        for metric, series in outcome.history.items()
    )
    return Record(outcome.run, json.dumps({name: getattr(outcome, name) for name in KEPT}), origin, tuple(curves))


def to_outcome(record: Record) -> Outcome:
    kept = {name: value for name, value in json.loads(record.outcome).items() if name in KEPT}
    history = {m: Series(np.frombuffer(s, "<i8"), np.frombuffer(v, "<f8")) for m, s, v in record.curves}
    return Outcome(record.run, **kept, history=history)


def _bytes(numbers: Any, kind: str) -> bytes:
    return bytes(numbers.astype(kind).tobytes())
