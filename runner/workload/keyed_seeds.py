"""Seeds for what is drawn for one row at a time, so that it is the same in whichever process and order that happens."""

from __future__ import annotations

import hashlib

Key = tuple[int, int, int]  # seed of the run, epoch, number of the row: what a change of a row depends on


def seed_of(key: Key) -> int:
    """Return a seed for a key, with nothing in common with those of its neighbours."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=7).digest())
