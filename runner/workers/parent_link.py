"""The ties of a worker to its parent: it reports which runs it trains, and dies when the parent does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of Linux's <sys/prctl.h>
LONGEST_COMMAND = 64  # bytes of what the parent tells the process that forks workers
POLL_INTERVAL = 0.5  # seconds between two looks for the parent where the kernel does not tell


class _Reporter:
    """What reports to the parent: nothing, unless this process is a worker; and whether it is to be its last task."""

    report: Callable[[list[str]], None] | None = None
    retired = False


def now_training(runs: Sequence[str]) -> None:
    """Report which runs are trained from now on: if this process ends, it was because of them.

    Where a time limit is set, it counts from here.
    """
    if _Reporter.report is not None:
        _Reporter.report(list(runs))


def report_with(report: Callable[[list[str]], None]) -> None:
    """Let `report` be called with the runs that this process begins to train."""
    _Reporter.report = report


def is_worker() -> bool:
    """Return whether this process is one that its parent can replace."""
    return _Reporter.report is not None


def retire() -> None:
    """Let a worker do no more than what it has begun: something in it is not as it was, and cannot be put back."""
    _Reporter.retired = is_worker()


def is_retired() -> bool:
    """Return whether what is left of a task is for another worker."""
    return _Reporter.retired


def die_with(parent_pid: int) -> None:
    """Let this process be killed when its parent, of that process id, ends in whatever way."""
    if not _set_parent_death_signal(signal.SIGKILL):
        threading.Thread(target=_watch, args=(parent_pid,), daemon=True).start()
    if os.getppid() != parent_pid:  # it ended before we asked
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with` where the kernel was asked."""
    _set_parent_death_signal(0)


def adopt_orphans() -> None:
    """Let this process become the parent of what is started below it and loses its own parent, as a daemon does."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _set_parent_death_signal(number: int) -> bool:
    return _prctl(PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> bool:
    """Ask the kernel for something; return whether it is Linux's, and does it."""
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(AttributeError, OSError):
        return bool(ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0) == 0)
    return False


def _watch(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(POLL_INTERVAL)
    os._exit(1)
