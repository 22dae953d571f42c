"""How far workers are with their runs: datagrams, each of which arrives whole or not at all.

They have a channel of their own, so that a worker never waits for a parent that is busy, a time limit counts from what
the worker has achieved and not from what it tells, and rubbish ends nobody.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque

from xprun.runner.process.training_progress import TrainingProgress, decode

LONGEST = 1 << 18  # bytes of a message
AT_ONCE = 16  # messages that are read, and kept, at once: of more, the latest


class ProgressStream:
    """The reading end; `told` holds the latest messages of which nobody has taken notice."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.told: deque[TrainingProgress] = deque(maxlen=AT_ONCE)

    def fileno(self) -> int:
        return self._channel.fileno()

    def forward(self) -> bool:
        """Read what has arrived; return whether more may come."""
        for _ in range(AT_ONCE):
            try:
                received = self._channel.recv(LONGEST)
            except BlockingIOError:
                break
            except OSError:  # the worker has ended
                return False
            if progress := decode(received):
                self.told.append(progress)
        return True

    def close(self) -> None:
        self._channel.close()


def progress_channel() -> tuple[ProgressStream, socket.socket]:
    """Return the reading end of a channel for progress, and the end for the worker; neither waits for the other."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in (ours, theirs):
        end.setblocking(False)
        with contextlib.suppress(OSError):  # less must do
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST)
    return ProgressStream(ours), theirs
