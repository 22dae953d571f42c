"""The sources that an alternative is made of, as one hash that its runs have their ids of, and as a list."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from xprun.plugins.followed_imports import Reads


@dataclass
class MadeOf:
    """The sources of an alternative: of its components, and of what else is read for them, by name."""

    fingerprints: list[str] = field(default_factory=list)
    reads: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)

    def add(self, fingerprint: str, reads: Reads) -> None:
        self.fingerprints.append(fingerprint)
        self.reads |= reads.digests
        self.unknown |= dict.fromkeys(reads.unknown)

    @property
    def digest(self) -> str:
        """One hash of it all."""
        return _hash_of([*self.fingerprints, *(f"{name} {digest}" for name, digest in self.reads.items())])

    @property
    def listed(self) -> dict[str, str]:
        """A hash of each thing that is read, and under "" one of the components' own sources; empty: these are all."""
        return {"": _hash_of(self.fingerprints), **self.reads} if self.reads else {}


def _hash_of(sources: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(set(sources))).encode()).hexdigest()[:16]
