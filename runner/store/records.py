"""A run as the store keeps it: its outcome, its history, where it came from, and a digest over all of that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, get_type_hints

import numpy as np
from annotated_types import Interval
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from xprun.runner.results.outcome import Outcome, Series

Curve = tuple[str, bytes, bytes]  # a metric, its steps as <i8, its values as <f8
BYTES = 8  # of a step or a value
KEPT = [field for field in fields(Outcome) if field.name not in ("run", "history", "state")]
STORED_AS = {
    "cacheable": "lasting",
    "visuals": "pictures",
}  # fields whose name in the store is older than that in the code
CALLED = {STORED_AS.get(field.name, field.name): field.name for field in KEPT}  # by the name in the store
COUNT = Annotated[int, Interval(ge=0, lt=2**63)]
TYPES = {name: COUNT if hint is int else hint for name, hint in get_type_hints(Outcome).items()}
# What the JSON of an outcome holds. An older one lacks the fields that came later.
Kept: type[BaseModel] = create_model(
    "Kept",
    __config__=ConfigDict(strict=True),
    **{
        STORED_AS.get(field.name, field.name): (
            TYPES[field.name],
            ... if field.default is field.default_factory is MISSING else None,
        )
        for field in KEPT
    },
)  # type: ignore[call-overload]
ORIGIN = TypeAdapter(dict[str, str | int | list[str]])


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
        lengths = str([len(part) for part in parts]).encode()  # as JSON has it
        return hashlib.sha256(b"".join([lengths, *parts])).hexdigest()

    @property
    def cacheable(self) -> bool:
        """Whether the outcome stands, or is to be tried again (`Outcome.cacheable`)."""
        return bool(json.loads(self.outcome).get(STORED_AS["cacheable"], True))

    def verifies(self, digest: object) -> bool:
        """Whether the record is what was written with this digest, and an outcome; what was read may be of any type."""
        return self.verified(digest) is not None

    def verified(self, digest: object) -> BaseModel | None:
        """Return what the JSON of the outcome holds where the record `verifies`, else None."""
        whole = type(self.run) is type(self.outcome) is type(self.origin) is str
        for metric, steps, values in self.curves:
            whole = whole and type(metric) is str and type(steps) is type(values) is bytes
        if not whole or self.digest != digest:
            return None
        try:  # a digest does not tell who has written it
            ORIGIN.validate_json(self.origin, strict=True)
            kept = Kept.model_validate_json(self.outcome)
        except ValidationError:
            return None
        fits = all(len(steps) == len(values) and len(steps) % BYTES == 0 for _, steps, values in self.curves)
        return kept if fits else None


def to_record(outcome: Outcome, origin: str) -> Record:
    curves = sorted(
        (metric, _bytes(series.steps, "<i8"), _bytes(series.values, "<f8"))
        for metric, series in outcome.history.items()
    )
    kept = {key: getattr(outcome, name) for key, name in CALLED.items()}
    return Record(outcome.run, json.dumps(kept), origin, tuple(curves))


def verified_outcomes(records: Iterable[tuple[Record, object]]) -> Iterator[Outcome]:
    """Yield the outcomes of those records that verify against the digests beside them."""
    for record, digest in records:
        if (kept := record.verified(digest)) is not None:
            yield to_outcome(record, kept)


def to_outcome(record: Record, kept: BaseModel | None = None) -> Outcome:
    """Return the outcome of a record; `kept` is what its JSON holds, where that is known."""
    stored = kept or Kept.model_validate_json(record.outcome)
    told = {CALLED[key]: getattr(stored, key) for key in stored.model_fields_set}
    history = {m: Series(np.frombuffer(s, "<i8"), np.frombuffer(v, "<f8")) for m, s, v in record.curves if s}
    return Outcome(record.run, **told, history=history)


def _bytes(numbers: Any, kind: str) -> bytes:
    return bytes(numbers.astype(kind, copy=False).tobytes())
