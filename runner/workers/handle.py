"""A worker as its parent sees it: what it has said, what it has printed, and how long it may take."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from xprun.runner.process.log import LOGGER
from xprun.runner.workers.exits import Exit, ForkServerExit, StartFailure, WorkerExit, summarize_stack
from xprun.runner.workers.messages import (
    CHUNK,
    Decoder,
    Failure,
    Message,
    Note,
    ProtocolError,
    Result,
    Reuse,
    TaskStarted,
)
from xprun.runner.workers.output_streams import OutputStream
from xprun.runner.workers.progress_stream import ProgressStream, progress_channel


@dataclass(eq=False)
class Worker:
    """The parent's end of a worker. `messages` holds what it has sent and, at last, how it ended."""

    key: int
    channel: socket.socket
    progress: ProgressStream
    streams: list[OutputStream]
    stack_file: Any  # in which the worker writes where it was when something went wrong
    messages: deque[Message | Exit] = field(default_factory=deque)
    task_count: int = 0  # tasks that it was given
    purpose: str = ""  # of the tasks that it may be given again
    reuse: Reuse = Reuse.ANY
    has_started: bool = False  # whether it has taken up the latest
    asked_at: float = 0.0  # when the spawner was asked for what has not happened yet: its start, or its end
    limit: float | None = None  # seconds that each thing which it reports may take
    active_since: float = math.inf  # when what it does at the moment began
    timed_out: bool = False  # whether that took too long
    ever_timed_out: bool = False  # whether that, or something before it, did
    dead: bool = False
    kill_reason: str = ""  # why we end it
    kill_at: float = 0.0  # when it is killed at the latest, having been asked where it is
    stack_size: int = 0  # bytes of its stack at the last look
    decoder: Decoder = field(default_factory=Decoder)

    @property
    def sources(self) -> list[Any]:
        """The files that can be read when it says or prints something."""
        return [self.channel, self.progress, *self.streams]

    def fits(self, purpose: str, *, fresh: bool = False) -> bool:
        """Whether it may be given a task of this purpose: any, unless code of components has run in it.

        One that is `fresh` has done nothing before.
        """
        if fresh:
            return not self.task_count
        same = self.reuse is Reuse.SAME_PURPOSE and bool(purpose) and purpose == self.purpose
        return self.reuse is Reuse.ANY or same

    @property
    def deadline(self) -> float:
        return math.inf if self.limit is None or self.kill_reason else self.active_since + self.limit

    def send(self, task: bytes, limit: float | None) -> None:
        """Send a task, whose time begins when the worker says that it has started."""
        self.task_count, self.has_started = self.task_count + 1, False
        self.limit, self.active_since, self.asked_at = limit, math.inf, time.monotonic()
        if self.dead:  # between two tasks
            self.messages.append(StartFailure())
            return
        self.channel.setblocking(True)
        with contextlib.suppress(OSError):  # it has died, which we shall hear
            self.channel.sendall(task)
        with contextlib.suppress(OSError):
            self.channel.setblocking(False)

    def receive(self, now: float) -> bool:
        """Take what has arrived in the channel; return whether more may come.

        Raises BlockingIOError when nothing has, and ProtocolError for rubbish.
        """
        try:
            received = self.channel.recv(CHUNK)
        except BlockingIOError:
            raise
        except OSError:
            return False
        if not math.isinf(self.active_since):
            self.active_since = now  # a long message may take its time
        for message in self.decoder.feed(received):
            if isinstance(message, Note):
                LOGGER.log(message.level, "%s", message.text)
            else:
                self._note(message, now)
        return bool(received)

    def _note(self, message: Message, now: float) -> None:
        self.messages.append(message)
        self.timed_out = False  # something else is being done
        match message:
            case TaskStarted():
                self.has_started, self.active_since, self.asked_at = True, now, 0.0
            case Result(reuse=reuse):
                self.active_since, self.reuse = math.inf, reuse
            case Failure():
                self.active_since, self.reuse = math.inf, Reuse.NONE  # who knows what was left behind in it

    def flush_output(self) -> None:
        """Pass on what it has printed, a line that has not ended, too."""
        for stream in self.streams:
            stream.forward()
            stream.flush()

    def note_exit(self, status: int | None, now: float) -> None:
        """Note that it has ended, with its last words; `status` is None when the fork server has."""
        self.flush_output()
        with contextlib.suppress(BlockingIOError, ProtocolError):
            while self.receive(now):
                pass
        if status is None:
            self.messages.append(ForkServerExit())
        elif not self.has_started:
            self.messages.append(StartFailure())
        else:
            self.messages.append(WorkerExit(status, self.kill_reason, self._stack(), self.timed_out))

    def _stack(self) -> str:
        self.stack_file.seek(0)
        return summarize_stack(self.stack_file.read(CHUNK).decode("utf-8", "replace"))

    def has_written_stack(self) -> bool:
        """Whether it has written down where it is, and nothing more since the last look."""
        before, self.stack_size = self.stack_size, os.fstat(self.stack_file.fileno()).st_size
        return bool(before) and before == self.stack_size

    def close(self) -> None:
        self.dead = True
        for source in (*self.sources, self.stack_file):
            source.close()


@contextlib.contextmanager
def connect(key: int) -> Iterator[tuple[Worker, list[int]]]:
    """Yield a worker and the descriptors of its other ends, which are closed at the end, and all if that fails."""
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        channel, other = socket.socketpair()
        theirs.enter_context(other)
        ours.callback(channel.close)
        progress, telling = progress_channel()
        theirs.enter_context(telling)
        ours.callback(progress.close)
        descriptors, streams = [other.fileno(), telling.fileno()], []
        for name in ("stdout", "stderr"):
            reader, writer = os.pipe()
            theirs.callback(os.close, writer)
            streams.append(OutputStream(reader, name))
            ours.callback(streams[-1].close)
            descriptors.append(writer)
        stack_file = ours.enter_context(_unnamed_file())
        worker = Worker(key, channel, progress, streams, stack_file)
        for source in worker.sources:
            os.set_blocking(source.fileno(), False)
        yield worker, [*descriptors, stack_file.fileno()]
        ours.pop_all()


def _unnamed_file() -> Any:
    with contextlib.suppress(AttributeError, OSError):  # another system, or a sandbox
        return os.fdopen(os.memfd_create("stack"), "rb")
    return tempfile.TemporaryFile()
