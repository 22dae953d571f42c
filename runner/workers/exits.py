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
LOST_CONNECTION = 70  # the exit code of a worker that cannot talk to its parent any more


@dataclass(frozen=True)
class WorkerExit:
    """A worker has ended in the middle of its task.

    `status` is its exit code, or the negative of the signal that ended it; `kill_reason` why we ended it ourselves;
    `stack` where it was, innermost call first; `timed_out` whether what it did took longer than its limit.
    """

    status: int
    kill_reason: str = ""
    stack: str = ""
    timed_out: bool = False

    @property
    def killed_by_others(self) -> bool:
        """Whether a user or the system has killed it."""
        return not self.kill_reason and self.status == -signal.SIGKILL

    @property
    def reason(self) -> str:
        """The words for it in a table."""
        return f"{self.kill_reason or _describe(self.status)}{f', at {self.stack}' if self.stack else ''}"[:LONGEST]


@dataclass(frozen=True)
class StartFailure:
    """A worker has ended before it took up its task, which is not to blame: for want of processes or memory."""


@dataclass(frozen=True)
class ForkServerExit:
    """The process from which workers are forked has ended, and the worker with it, through no fault of its own."""


Exit = WorkerExit | StartFailure | ForkServerExit


def _describe(status: int) -> str:
    if status == LOST_CONNECTION:
        return f"its process exited with code {status}: it had lost its connection to xprun"
    if status >= 0:
        return f"its process exited with code {status}"
    if -status == signal.SIGKILL:
        return "its process was killed (SIGKILL), probably out of memory"
    try:
        return f"its process was ended by {signal.Signals(-status).name} ({signal.strsignal(-status)})"
    except ValueError:
        return f"its process was ended by signal {-status}"


def summarize_stack(trace: str) -> str:
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
