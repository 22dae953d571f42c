"""The workers of a thread: starts them, hands them tasks, collects their messages, and sees how they end.

    caller                      WorkerPool                    fork server              worker
    ─────────────────────────   ───────────────────────────   ──────────────────────   ────────────────
    acquire() ────────────────► Spawner ──── spawn KEY ─────► fork ──────────────────► run_worker
    submit(worker, f) ────────► Worker ───── Task ───────────────────────────────────► f(...)
    worker.messages ◄─ poll() ◄ Worker ◄──── TaskStarted, RunsStarted, Item ◄───────── reports and yields
    worker.messages ◄─ poll() ◄ Worker ◄──── Result | Failure ◄─────────────────────── returns or raises
    sys.stdout ◄────── poll() ◄ OutputStream ◄─ whole lines ◄───────────────────────── prints
    worker.messages ◄─ poll() ◄ Spawner ◄─── exited KEY ───── reap ◄────────────────── ends, however
      WorkerExit                               and the stack that faulthandler wrote into a file without a name

Everything happens in the thread that calls `poll`; there is no other. It also ends workers that exceed their limit.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import selectors
import signal
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

from xprun.runner.process.log import note
from xprun.runner.workers.exits import Exit
from xprun.runner.workers.handle import Worker, connect
from xprun.runner.workers.messages import Failure, ProtocolError, Result, Task, encode
from xprun.runner.workers.output_streams import OutputStream
from xprun.runner.workers.progress_stream import ProgressStream
from xprun.runner.workers.spawner import ForkServerExitError, Spawner, WorkerStartError, default_spawner
from xprun.runner.workers.worker import DUMP_STACK

SUPERVISES = os.name == "posix"  # elsewhere descriptors cannot be handed on like here
MOST_FAILED = 10  # attempts in a row to have a worker that takes up a task
LONGEST_WAIT = 86400.0  # seconds; of longer ones the system's own question overflows
POLL_INTERVAL = 0.05  # seconds between two looks at a worker that is about to be killed
STACK_GRACE = 1.0  # seconds in which such a worker may write down where it is
TICK = 0.25  # seconds that a wait takes at most while there is a time limit; what it takes longer, we were stopped
LATE = 0.1  # seconds by which this process wakes up too late only if it was stopped, or had no turn
SILENCE = 2.0  # seconds without an answer after which the process that starts workers may have been stopped


class WorkerPool:
    """Workers that are idle or at work. Nothing that a component does in one of them harms this process."""

    def __init__(self, make_spawner: Callable[[], Spawner] = default_spawner) -> None:
        self._owner = os.getpid()
        self.make_spawner = make_spawner
        self.spawner: Spawner | None = None
        self._keys = count(1)
        self._failed_starts = 0  # in a row
        self.workers: dict[int, Worker] = {}
        self._idle: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._polled_until = time.monotonic()

    def prepare(self) -> None:
        """Start what workers are made from, and return at once: it gets ready meanwhile."""
        if self.spawner is None:
            self.spawner = self.make_spawner()
            if self.spawner.control:
                self._selector.register(self.spawner.control, selectors.EVENT_READ)

    def acquire(self, purpose: str = "", *, fresh: bool = False) -> Worker:
        """Return an idle worker, or a new one: one that is `fresh` has done nothing before.

        One in which code of components has run is used again only for the same `purpose`: a component may have changed
        what others compute. Raises WorkerStartError when there are no descriptors or processes left, or attempt after
        attempt has failed.
        """
        self._idle = [worker for worker in self._idle if not worker.dead]
        if found := next((worker for worker in self._idle if worker.fits(purpose, fresh=fresh)), None):
            self._idle.remove(found)
            return found
        if fresh and self._idle:
            self.discard(self._idle.pop())  # it holds memory
        while self._failed_starts <= MOST_FAILED:
            try:
                self.prepare()
                return self._spawn()
            except ForkServerExitError:
                self._failed_starts += 1
                note("the process from which workers are forked has ended; another one is started")
                self._close_spawner()
            except OSError as error:
                raise WorkerStartError(f"no worker can be had: {error}") from None
        self._failed_starts = 0
        raise WorkerStartError("workers end before they have begun, perhaps for want of processes or memory")

    def start_ahead(self, *, warm: bool = False) -> None:
        """Start a worker that the next who acquires one finds ready, unless there is one, or none can be had now.

        `warm`: it may use a core until then.
        """
        if self.spawner is not None and all(worker.task_count for worker in self._idle):
            with contextlib.suppress(OSError, WorkerStartError):
                ahead = self._spawn(warm=warm)
                self._idle.append(ahead)  # the last: one that has done something of use comes before it

    def preload(self, module: str) -> None:
        """Let workers that start from now on find one more module imported, where they are forked."""
        if self.spawner is not None:
            self.spawner.preload(module)

    def _spawn(self, *, warm: bool = False) -> Worker:
        assert self.spawner is not None
        with connect(next(self._keys)) as (worker, descriptors):
            self.spawner.spawn(worker.key, descriptors, warm=warm)
        self.workers[worker.key] = worker
        for source in worker.sources:
            self._selector.register(source, selectors.EVENT_READ, worker)
        return worker

    def submit(self, worker: Worker, function: Callable[..., Any], *arguments: Any, limit: float | None = None) -> None:
        """Let a worker call a function; its messages come later. Raises what `pickle` raises.

        It is ended when `limit` seconds have gone without a message: that it has started, trains other runs, or yields
        an item. Time in which this process does not poll is left out.
        """
        worker.send(encode(Task.of(function, arguments)), limit)

    def wait(
        self, worker: Worker, after: float = math.inf, meanwhile: Callable[[], None] | None = None
    ) -> Result | Failure | Exit:
        """Wait for the end of a worker's task, or its own.

        So many seconds `after` it has said something first, do something else `meanwhile`.
        """
        until = math.inf
        while True:
            while not worker.messages:
                left = until - time.monotonic()
                if meanwhile and left <= 0:
                    meanwhile()
                    meanwhile = None
                self.poll(None if meanwhile is None or math.isinf(left) else left)
            message = worker.messages.popleft()
            if isinstance(message, Result | Failure | Exit):
                return message
            until = min(until, time.monotonic() + after)

    def release(self, worker: Worker, purpose: str = "") -> None:
        """Keep a worker that has done its task for the next one, if one of that purpose may be given to it."""
        worker.flush_output()  # what it printed may arrive after its result: it is not the next task's
        worker.purpose = purpose
        if worker.kill_reason or not worker.fits(purpose):  # it was too late, or is of no use
            self.discard(worker)
        elif not worker.dead:
            self._idle.insert(0, worker)

    def terminate(self, worker: Worker, reason: str) -> None:
        """End a worker after it has written down where it is; its exit is told soon."""
        if worker.dead or worker.kill_reason:
            return
        worker.kill_reason, worker.kill_at = reason, time.monotonic() + STACK_GRACE
        if DUMP_STACK is not None:
            self.signal(worker, DUMP_STACK)

    def discard(self, worker: Worker) -> None:
        """Kill a worker at once; nobody wants to hear of it any more."""
        if self.workers.pop(worker.key, None):
            worker.flush_output()
            self.signal(worker, signal.SIGKILL)
            self._close_worker(worker)

    def poll(self, timeout: float | None = None) -> None:
        """Wait until some worker has a message, or ended, or the time is over; end those that take too long."""
        begin = time.monotonic()
        self._extend_deadlines(begin - self._polled_until)
        wait = self._longest_wait(begin, timeout)
        ready = self._selector.select(wait)
        self._polled_until = time.monotonic()
        late = 0.0 if wait is None else self._polled_until - begin - wait
        for key, _ in ready:
            if isinstance(key.data, Worker):
                self._read(key.data, key.fileobj)
        if late > LATE:
            self._extend_deadlines(late)
        else:
            self._terminate_overdue()
        self._kill_terminated()
        self._wake_spawner()
        self._reap()

    def _longest_wait(self, now: float, timeout: float | None) -> float | None:
        wait = min((worker.deadline - now for worker in self.workers.values()), default=math.inf)
        if not math.isinf(wait):
            wait = min(wait, TICK)
        if any(worker.asked_at for worker in self.workers.values()):
            wait = min(wait, SILENCE)
        tells_exits = self.spawner is not None and self.spawner.control is not None
        if not tells_exits or any(worker.kill_at for worker in self.workers.values()):
            wait = min(wait, POLL_INTERVAL)
        if timeout is not None:
            wait = min(wait, timeout)
        return None if math.isinf(wait) else min(max(0.0, wait), LONGEST_WAIT)

    def _extend_deadlines(self, seconds: float) -> None:
        """Let time in which we did not poll count for nobody: what they said, or printed, had to wait."""
        for worker in self.workers.values():
            worker.active_since += seconds

    def _terminate_overdue(self) -> None:
        for worker in self.workers.values():
            if self._polled_until >= worker.deadline:
                worker.timed_out = worker.ever_timed_out = True
                self.terminate(worker, f"it took longer than run.timeout = {worker.limit:g} s")

    def _read(self, worker: Worker, source: Any) -> None:
        """Take what has arrived; a channel with rubbish, or one that is closed, is the end of its worker."""
        if isinstance(source, OutputStream | ProgressStream):
            if not source.forward():
                self._unregister(source)
            return
        had_started = worker.has_started
        try:
            is_open = worker.receive(self._polled_until)
        except BlockingIOError:
            return
        except ProtocolError:
            worker.kill_at, is_open = time.monotonic(), True  # at once
        if worker.has_started and not had_started:
            self._failed_starts = 0
        if not is_open:
            self._unregister(worker.channel)
            worker.kill_at = worker.kill_at or time.monotonic() + 4 * POLL_INTERVAL  # unless it is dead already

    def _kill_terminated(self) -> None:
        now = time.monotonic()
        for worker in self.workers.values():
            if not worker.kill_at:
                continue
            has_written = worker.has_written_stack()
            if now > worker.kill_at or (has_written and worker.kill_reason):
                worker.kill_at, worker.kill_reason = 0.0, worker.kill_reason or "it broke its connection to xprun"
                self.signal(worker, signal.SIGKILL)
                worker.asked_at = now

    def _wake_spawner(self) -> None:
        """Let what starts workers, and tells their ends, go on where it has not done so for a while."""
        silent = [worker for worker in self.workers.values() if 0 < worker.asked_at < self._polled_until - SILENCE]
        for worker in silent:
            worker.asked_at = self._polled_until
        if silent and self.spawner is not None:
            self.spawner.wake()

    def _reap(self) -> None:
        """Note which workers have ended."""
        exits = self.spawner.exits() if self.spawner is not None else {}
        self._failed_starts += None in exits.values()
        for key, status in exits.items():
            if worker := self.workers.pop(key, None):
                self._note_exit(worker, status)

    def _note_exit(self, worker: Worker, status: int | None) -> None:
        worker.note_exit(status, self._polled_until)
        if status is not None:
            self._failed_starts = 0 if worker.has_started else self._failed_starts + 1
        self._close_worker(worker)

    def _close_worker(self, worker: Worker) -> None:
        for source in worker.sources:
            self._unregister(source)
        worker.close()

    def _unregister(self, source: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(source)

    def signal(self, worker: Worker, number: int) -> None:
        """Send a signal to a worker; SIGKILL also to what it has started."""
        if self.spawner is not None:
            self.spawner.signal(worker.key, number)

    def stop_workers(self) -> None:
        """Kill all workers; what they are made from stays ready."""
        for worker in list(self.workers.values()):
            self.discard(worker)
        self._idle.clear()

    def close(self) -> None:
        """End all workers and what they are made from."""
        if self.is_ours:
            self.stop_workers()
            self._close_spawner()

    def _close_spawner(self) -> None:
        """End what workers are made from; those that are there end with it, and whoever waits for them hears of it."""
        self._reap()
        for key in list(self.workers):
            self._note_exit(self.workers.pop(key), None)
        if self.spawner is not None:
            if self.spawner.control:
                self._unregister(self.spawner.control)
            self.spawner.close()
            self.spawner = None

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that made it: a fork of it has none of the workers."""
        return self._owner == os.getpid()


class _OfThread(threading.local):
    pool: WorkerPool | None = None


_of_thread = _OfThread()


def get_pool() -> WorkerPool:
    """Return the pool of this thread, which lives as long as the process does."""
    if _of_thread.pool is None or not _of_thread.pool.is_ours:
        set_pool(WorkerPool())
    assert _of_thread.pool is not None
    return _of_thread.pool


def set_pool(pool: WorkerPool) -> None:
    """Make a pool that of this thread; it is closed when the process ends."""
    _of_thread.pool = pool
    atexit.register(_close_if_alive, weakref.ref(pool))


def release_pool() -> None:
    """End the workers of this thread; what they are made from stays ready in the main thread, which lives on."""
    if threading.current_thread() is threading.main_thread():
        get_pool().stop_workers()
    else:
        get_pool().close()


def _close_if_alive(found: weakref.ref[WorkerPool]) -> None:
    if pool := found():
        close_at_exit(pool)


def close_at_exit(pool: WorkerPool) -> None:
    """Close a pool in a process that does nothing else any more; a Ctrl-C cannot hurry that up."""
    with contextlib.suppress(ValueError):  # this is not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    pool.close()
