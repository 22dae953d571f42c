"""A plugin that does to its process what no component should do; `how` says what, at its third step."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, get_args

from xprun.plugins import optimizer

How = Literal[
    "sound", "segfault", "abort", "exit", "sys.exit", "sleep", "C loop", "thread", "child", "memory", "killed",
    "closed", "rubbish", "talks", "forks", "traces", "server",
]  # fmt: skip


def loop() -> None:
    """Never return to the interpreter, and keep its lock."""
    sum(itertools.repeat(0))


def thread() -> None:
    sleeper = threading.Thread(target=time.sleep, args=(10**6,))
    sleeper.start()
    sleeper.join()


def child() -> None:
    """Start a process that stays, and wait for it."""
    if os.fork() == 0:
        time.sleep(10**6)
    os.wait()


def allocate() -> None:
    """Ask for more memory than there is."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**36, before[1]))
    try:
        bytearray(2**36)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def rubbish() -> None:
    """Write into whatever is open beside the streams."""
    for descriptor in range(3, 30):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"rubbish" * 10)


def talk() -> None:
    print("a line\n" * 1000, end="", flush=True)
    print("half a line", end="", file=sys.stderr)


def fork() -> None:
    """Forget to end the child."""
    if os.fork() == 0:
        raise SystemExit


def leave_traces() -> None:
    os.chdir("/")
    os.environ.clear()
    sys.path.clear()
    sys.stdout.close()


def end_server() -> None:
    """End the process from which this one was forked, which is the end of this one, too."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(10**6)


FAULTS: dict[str, Callable[[], Any]] = {
    "sound": lambda: None,
    "segfault": lambda: ctypes.string_at(1),
    "abort": os.abort,
    "exit": lambda: os._exit(0),
    "sys.exit": lambda: sys.exit("I give up"),
    "sleep": lambda: time.sleep(10**6),
    "C loop": loop,
    "thread": thread,
    "child": child,
    "memory": allocate,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "closed": lambda: os.closerange(3, 100),
    "rubbish": rubbish,
    "talks": talk,
    "forks": fork,
    "traces": leave_traces,
    "server": end_server,
}
assert FAULTS.keys() == set(get_args(How))


@optimizer("faulty")
def faulty(w: Any, g: Any, t: int, *, lr: float = 0.1, how: How = "sound") -> Any:
    """Gradient descent that does something wrong at its third step."""
    if t == 3:
        FAULTS[how]()
    return w - lr * g
