"""How runs are laid out while they train in one go; it outlives the process that began them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Layout:
    """Runs that are trained in one go, and how: a training goes on to the bit only in the same layout.

    `runs[s][k]` are the ids of a grid, `program` is the one they are trained in (None: a lone run by the
    ordinary backward pass), by so many `threads` an operation, in so many `shards`.
    """

    runs: list[list[str]]
    program: str | None
    threads: int
    shards: int = 1

    @property
    def every_run(self) -> list[str]:
        return [run for group in self.runs for run in group]

    @cached_property
    def key(self) -> str:
        """What tells it from other layouts, as a name for files."""
        text = json.dumps([self.runs, self.program, self.threads, self.shards])
        return hashlib.sha256(text.encode()).hexdigest()[:12]
