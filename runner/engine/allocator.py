"""Keeps freed memory for the next tensor instead of giving it back to the system after every operation."""

from __future__ import annotations

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 2**28  # bytes


@cache
def keep_freed_memory() -> bool:
    """Tell the C library's allocator to reuse memory; return whether it listens (glibc does).

    By default each tensor above some 100 kB is mapped anew, zeroed page by page, and unmapped: products of stacked
    matrices were measured to take three times as long for it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(bool(mallopt(option, KEPT)) for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD))
