"""How a worker ended, in words: which signal or exit code, and where in the Python code it was."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path

FRAME = re.compile(r'  File "(.*)", line (\d+) in (.*)')
WAITING = ("/threading.py", "/concurrent/futures/", "/queue.py", "/selectors.py")  # a thread there waits for others
OWN = str(Path(__file__).parent.parent)  # the runner, by which components are called
SHOWN = 3  # calls of each end of a stack
LONGEST = 500  # characters of a reason
LOST = 70  # the exit code of a worker that cannot talk to its parent any more


@dataclass(frozen=True)
class Death:
    """A worker has ended. `cause` is why we ended it ourselves, and `stack` where it was, innermost call first.
    `overdue`: what it did at the moment took longer than its limit.

    `status` is its exit code, or the negative of the signal that ended it.
    """

    status: int
    cause: str = ""
    stack: str = ""
    overdue: bool = False

    @property
    def is_kill(self) -> bool:
        """Whether somebody else has killed it."""
        return not self.cause and self.status == -signal.SIGKILL

    @property
    def reason(self) -> str:
        """What a table says of it."""
        return f"{self.cause or _ending(self.status)}{f', at {self.stack}' if self.stack else ''}"[:LONGEST]


@dataclass(frozen=True)
class FalseStart:
    """A worker has ended before it took up its task, which is not to blame: for want of processes or memory."""


@dataclass(frozen=True)
class ServerGone:
    """What workers are made from has ended, and the worker with it, through no fault of its own."""


Ending = Death | FalseStart | ServerGone


def _ending(status: int) -> str:
    if status == LOST:
        return f"its process exited with code {status}: it had lost its connection to xprun"
    if status >= 0:
        return f"its process exited with code {status}"
    if -status == signal.SIGKILL:
        return "its process was killed (SIGKILL), probably out of memory"
    try:
        return f"its process was ended by {signal.Signals(-status).name} ({signal.strsignal(-status)})"
    except ValueError:
        return f"its process was ended by signal {-status}"


def place_in(trace: str) -> str:
    """Return where `faulthandler` found a process: `solve.py:7 in invert < rule.py:40 in step`, or nothing.

    Of several threads it is the current one, or another where that one only waits. The calls of the runner itself are
    left out, if there are others.
    """
    parts = re.split(r"^(Current thread|Thread) ", trace, flags=re.MULTILINE)[1:]
    stacks = [(kind, FRAME.findall(part)) for kind, part in zip(parts[::2], parts[1::2], strict=True)]
    busy = [stack for _, stack in stacks if stack and not any(part in stack[0][0] for part in WAITING)]
    current = [stack for kind, stack in stacks if stack and kind.startswith("Current")]
    stack = next(iter([*busy, *current]), [])
    calls = [frame for frame in stack if not frame[0].startswith((OWN, "<"))] or stack
    calls = calls if len(calls) <= 2 * SHOWN else [*calls[:SHOWN], *calls[-SHOWN:]]
    return " < ".join(f"{Path(file).name}:{line} in {function}" for file, line, function in calls)
