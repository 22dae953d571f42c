"""The workers of this process: takes them on, hands them tasks, hears what they say, and sees how they end."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import selectors
import signal
import socket
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from xprun.runner.workers.deaths import Death, Ending, FalseStart, ServerGone, place_in
from xprun.runner.workers.frames import Inbox, RubbishError, pack
from xprun.runner.workers.hiring import FORKS, ForkServer, Hirer, HiringError, ServerGoneError, Starter
from xprun.runner.workers.streams import Stream
from xprun.runner.workers.worker import SHOW_STACK, End, Failure, Said, Started, Task

SUPERVISES = os.name == "posix"  # elsewhere descriptors cannot be handed on like here
PRELOADED = ("xprun.runner.preload",)  # what nearly every task needs; torch with it
AT_ONCE = 1 << 20  # bytes that are read at once
MOST_FAILED = 10  # attempts in a row to have a worker that takes up a task
GLANCE = 0.05  # seconds between two looks at a worker that is about to be killed
LAST_WORDS = 1.0  # seconds in which such a worker may write down where it is
LATE = 0.5  # seconds by which this process wakes up too late only if it was stopped


@dataclass(eq=False)
class Worker:
    """A worker as its parent sees it. `heard` holds what it said and, at last, its death."""

    key: int
    channel: socket.socket
    streams: list[Stream]
    stack: Any  # the file to which it writes where it was when something went wrong
    inbox: Inbox = field(default_factory=Inbox)
    heard: deque[Said | Ending] = field(default_factory=deque)
    tasks: int = 0  # that it was given
    begun: bool = False  # whether it has taken up the latest
    limit: float | None = None  # seconds that each thing which it says that it does may take
    since: float = math.inf  # when what it does at the moment began
    overdue: bool = False  # whether that took too long
    was_overdue: bool = False  # whether that, or something before it, did
    dead: bool = False
    cause: str = ""  # why we end it
    ask_until: float = 0.0  # when it is killed at the latest, having been asked where it is
    written: int = 0  # bytes of its stack at the last glance

    @property
    def deadline(self) -> float:
        return math.inf if self.limit is None or self.cause else self.since + self.limit

    @property
    def sources(self) -> list[Any]:
        """Where it is heard."""
        return [self.channel, *self.streams]

    def trace(self) -> str:
        self.stack.seek(0)
        return str(self.stack.read(AT_ONCE).decode("utf-8", "replace"))


class Crew:
    """Workers that are idle or at work. Nothing that a component does in one of them harms this process."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._hirer: Hirer | None = None
        self._keys = count(1)
        self._failed = 0  # attempts in a row to have a worker that takes up a task
        self._workers: dict[int, Worker] = {}
        self._idle: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._listened = time.monotonic()  # until when

    def prepare(self) -> None:
        """Let what workers are made from be made ready meanwhile."""
        if self._hirer is None:
            self._hirer = ForkServer(PRELOADED) if FORKS else Starter()
            if control := self._hirer.channel():
                self._selector.register(control, selectors.EVENT_READ)

    def take(self, *, fresh: bool = False) -> Worker:
        """Return an idle worker, or a new one: one that is `fresh` has done nothing before.

        Raises HiringError when there are no descriptors or processes left, or attempt after attempt has failed.
        """
        while self._idle:
            worker = self._idle.pop()
            if fresh:
                self.drop(worker)  # it holds memory
                break
            if not worker.dead:
                return worker
        while self._failed <= MOST_FAILED:
            try:
                self.prepare()
                return self._hire()
            except ServerGoneError:
                self._failed += 1
                self._forget_hirer()
            except OSError as error:
                raise HiringError(f"no worker can be had: {error}") from None
        self._failed = 0
        raise HiringError("workers end before they have begun, perhaps for want of processes or memory")

    def _hire(self) -> Worker:
        assert self._hirer is not None
        key = next(self._keys)
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            channel, other = socket.socketpair()
            theirs.enter_context(other)
            ours.callback(channel.close)
            given, streams = [other.fileno()], []
            for name in ("stdout", "stderr"):
                reader, writer = os.pipe()
                theirs.callback(os.close, writer)
                streams.append(Stream(reader, name))
                ours.callback(streams[-1].close)
                given.append(writer)
            stack = ours.enter_context(_unnamed_file())
            self._hirer.hire(key, [*given, stack.fileno()])
            ours.pop_all()
        worker = self._workers[key] = Worker(key, channel, streams, stack)
        for source in worker.sources:
            os.set_blocking(source.fileno(), False)
            self._selector.register(source, selectors.EVENT_READ, worker)
        return worker

    def give(self, worker: Worker, function: Callable[..., Any], *arguments: Any, limit: float | None = None) -> None:
        """Let a worker call a function; what comes of it is heard later. Raises what `pickle` raises.

        It is ended when `limit` seconds have gone without a word of it: that it has begun, trains other runs, or yields
        an item. Time in which this process does not listen is left out.
        """
        task = pack(Task.of(function, arguments))
        worker.tasks, worker.begun = worker.tasks + 1, False
        worker.limit, worker.since = limit, math.inf
        if worker.dead:  # between two tasks
            worker.heard.append(FalseStart())
            return
        worker.channel.setblocking(True)
        with contextlib.suppress(OSError):  # it has died, which we shall hear
            worker.channel.sendall(task)
        with contextlib.suppress(OSError):
            worker.channel.setblocking(False)

    def answer(self, worker: Worker) -> End | Failure | Ending:
        """Wait for the end of a worker's task, or its own."""
        while True:
            while not worker.heard:
                self.hear()
            said = worker.heard.popleft()
            if isinstance(said, End | Failure | Ending):
                return said

    def put_back(self, worker: Worker) -> None:
        """Keep a worker that has done its task for the next one."""
        for stream in worker.streams:
            stream.flush()
        if worker.cause:
            self.drop(worker)  # it was too late
        elif not worker.dead:
            self._idle.append(worker)

    def end(self, worker: Worker, cause: str) -> None:
        """End a worker, after it has written down where it is; its death is heard soon."""
        if worker.dead or worker.cause:
            return
        worker.cause, worker.ask_until = cause, time.monotonic() + LAST_WORDS
        if SHOW_STACK is not None:
            self._signal(worker, SHOW_STACK)

    def drop(self, worker: Worker) -> None:
        """End a worker at once; nobody wants to hear of it any more."""
        if self._workers.pop(worker.key, None):
            for stream in worker.streams:
                stream.forward()
                stream.flush()
            self._signal(worker, signal.SIGKILL)
            self._let_go(worker)

    def hear(self, timeout: float | None = None) -> None:
        """Wait until some worker has said something, or died, or the time is over; end those that take too long."""
        begin = time.monotonic()
        self._excuse(begin - self._listened)
        wait = self._longest_wait(begin, timeout)
        ready = self._selector.select(wait)
        self._listened = time.monotonic()
        late = 0.0 if wait is None else self._listened - begin - wait
        for key, _ in ready:
            if isinstance(key.data, Worker):
                self._read(key.data, key.fileobj)
        if late > LATE:
            self._excuse(late)
        else:
            self._end_overdue()
        self._kill_those_asked()
        self._bury()

    def _longest_wait(self, now: float, timeout: float | None) -> float | None:
        wait = min((worker.deadline - now for worker in self._workers.values()), default=math.inf)
        if not FORKS or any(worker.ask_until for worker in self._workers.values()):
            wait = min(wait, GLANCE)
        if timeout is not None:
            wait = min(wait, timeout)
        return None if math.isinf(wait) else max(0.0, wait)

    def _excuse(self, seconds: float) -> None:
        """Let time in which we did not listen count for nobody: what they said, or printed, had to wait."""
        for worker in self._workers.values():
            worker.since += seconds

    def _end_overdue(self) -> None:
        for worker in self._workers.values():
            if self._listened >= worker.deadline:
                worker.overdue = worker.was_overdue = True
                self.end(worker, f"it took longer than run.timeout = {worker.limit:g} s")

    def _read(self, worker: Worker, source: Any) -> None:
        """Take what has arrived; a channel with rubbish, or one that is closed, is the end of its worker."""
        if isinstance(source, Stream):
            if not source.forward():
                self._unregister(source)
            return
        try:
            received = worker.channel.recv(AT_ONCE)
            if not math.isinf(worker.since):
                worker.since = self._listened  # a long message may take its time
            self._note(worker, received)
        except BlockingIOError:
            return
        except RubbishError:
            worker.ask_until = time.monotonic()  # at once
        except OSError:
            received = b""
        if not received:
            self._unregister(worker.channel)
            worker.ask_until = worker.ask_until or time.monotonic() + 4 * GLANCE  # unless it is dead already

    def _note(self, worker: Worker, received: bytes) -> None:
        for said in worker.inbox.take(received):
            worker.heard.append(said)
            worker.overdue = False  # something else is being done
            match said:
                case Started():
                    worker.begun, self._failed, worker.since = True, 0, self._listened
                case End() | Failure():
                    worker.since = math.inf

    def _kill_those_asked(self) -> None:
        now = time.monotonic()
        for worker in self._workers.values():
            if worker.ask_until:
                size = os.fstat(worker.stack.fileno()).st_size
                if now > worker.ask_until or (size and size == worker.written and worker.cause):
                    worker.ask_until, worker.cause = 0.0, worker.cause or "it broke its connection to xprun"
                    self._signal(worker, signal.SIGKILL)
                worker.written = size

    def _bury(self) -> None:
        """Note which workers have ended."""
        endings = self._hirer.endings() if self._hirer is not None else {}
        self._failed += None in endings.values()
        for key, status in endings.items():
            if worker := self._workers.pop(key, None):
                self._note_death(worker, status)

    def _note_death(self, worker: Worker, status: int | None) -> None:
        for stream in worker.streams:
            stream.forward()
            stream.flush()
        with contextlib.suppress(OSError, RubbishError):  # its last messages
            while received := worker.channel.recv(AT_ONCE):
                self._note(worker, received)
        if status is None:
            worker.heard.append(ServerGone())
        elif not worker.begun:
            self._failed += 1
            worker.heard.append(FalseStart())
        else:
            worker.heard.append(Death(status, worker.cause, place_in(worker.trace()), worker.overdue))
        self._let_go(worker)

    def _let_go(self, worker: Worker) -> None:
        worker.dead = True
        for source in worker.sources:
            self._unregister(source)
            source.close()
        worker.stack.close()

    def _unregister(self, source: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(source)

    def _signal(self, worker: Worker, number: int) -> None:
        if self._hirer is not None:
            self._hirer.signal(worker.key, number)

    def dismiss(self) -> None:
        """End all workers; what they are made from stays ready."""
        for worker in list(self._workers.values()):
            self.drop(worker)
        self._idle.clear()

    def close(self) -> None:
        """End all workers and what they are made from."""
        if self._owner == os.getpid():
            self.dismiss()
            self._forget_hirer()

    def _forget_hirer(self) -> None:
        """End what workers are made from; those that are there end with it, and whoever waits for them hears of it."""
        self._bury()
        for key in list(self._workers):
            self._note_death(self._workers.pop(key), None)
        if self._hirer is not None:
            if control := self._hirer.channel():
                self._unregister(control)
            self._hirer.close()
            self._hirer = None

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that made it: a fork of it has none of the workers."""
        return self._owner == os.getpid()


def _unnamed_file() -> Any:
    with contextlib.suppress(AttributeError, OSError):  # another system, or a sandbox
        return os.fdopen(os.memfd_create("stack"), "rb")
    return tempfile.TemporaryFile()


class _Mine(threading.local):
    crew: Crew | None = None


_mine = _Mine()


def crew() -> Crew:
    """Return the crew of this thread, which lives as long as the process does."""
    if _mine.crew is None or not _mine.crew.is_ours:
        _mine.crew = Crew()
        atexit.register(_close_if_there, weakref.ref(_mine.crew))
    return _mine.crew


def release() -> None:
    """End the workers of this thread; what they are made from stays ready in the main thread, which lives on."""
    mine = crew()
    if threading.current_thread() is threading.main_thread():
        mine.dismiss()
    else:
        mine.close()


def _close_if_there(found: weakref.ref[Crew]) -> None:
    if mine := found():
        close_at_exit(mine)


def close_at_exit(crew: Crew) -> None:
    """Close a crew in a process that does nothing else any more; a Ctrl-C cannot hurry that up."""
    with contextlib.suppress(ValueError):  # this is not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    crew.close()
