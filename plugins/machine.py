"""What the machine at hand is: its name, its cores, and its memory, for what would take more than there is."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from xprun.errors import Error
from xprun.plugins.blame import blaming

GB = 10**9
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container
PROCESSES_PER_CORE = 4  # more than these wait for one another, whatever they do
FEWEST_PROCESSES = 16


class NotEnoughMemoryError(Error, ValueError):
    """What a spec asks for takes more memory than this machine has; another one may do it."""


@cache
def host_mark() -> str:
    """Return a short hash of this machine's name: it tells machines apart in tables that others may read."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_processes() -> int:
    """Return how many processes can do something useful at once."""
    return max(FEWEST_PROCESSES, PROCESSES_PER_CORE * usable_cores())


@cache
def memory() -> int:
    """Return the bytes of memory that there are, for all processes; more than any where that is not known."""
    found = [sys.maxsize]
    with suppress(AttributeError, ValueError, OSError):  # not on every system
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in CGROUP_LIMITS:
        with suppress(ValueError, OSError):  # "max" is none
            found.append(int(Path(limit).read_text()))
    return min(found)


def want_memory(needed: int, what: str, section: str, *inside: str | int) -> None:
    """Raise NotEnoughMemoryError where `what` stands at a place of a spec and takes more bytes than there are."""
    if needed > memory():
        with blaming(section, what, *inside):
            there_is = f"this machine has {memory() / GB:,.0f}"
            raise NotEnoughMemoryError(f"it takes about {needed / GB:,.0f} GB of memory, and {there_is}")
