"""What a worker tells the process that supervises it, and how it follows that process into death."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG = 1  # of Linux's <sys/prctl.h>
WATCHED = 0.5  # seconds between two looks where the kernel does not tell


class _Listener:
    """Who hears what this process is doing: nobody, unless it is a worker."""

    hear: Callable[[list[str]], None] | None = None


def now_training(runs: Sequence[str]) -> None:
    """Tell the supervisor which runs are trained from now on: if this process ends, it was because of them.

    Where a time limit is set, it counts from here.
    """
    if _Listener.hear is not None:
        _Listener.hear(list(runs))


def listen(hear: Callable[[list[str]], None]) -> None:
    """Let `hear` be called with the runs that this process begins to train."""
    _Listener.hear = hear


def die_with(parent: int) -> None:
    """Let this process be killed when its parent, of that process id, ends in whatever way."""
    if not _ask_the_kernel(signal.SIGKILL):
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def outlive_parent() -> None:
    """Take back what `die_with` has asked the kernel for."""
    _ask_the_kernel(0)


def _ask_the_kernel(number: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(AttributeError, OSError):
        return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) == 0)
    return False


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCHED)
    os._exit(1)
