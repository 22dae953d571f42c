"""The main loop of a worker process: it carries out what comes through its channel until its parent is gone."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from xprun.runner.process import training_progress
from xprun.runner.process.log import LOGGER, warn_by_notes, words_of
from xprun.runner.process.training_progress import TrainingProgress
from xprun.runner.workers import parent_link
from xprun.runner.workers.exits import LOST_CONNECTION
from xprun.runner.workers.messages import (
    Failure,
    Item,
    Note,
    ParentState,
    Result,
    Reuse,
    RunsStarted,
    Task,
    TaskStarted,
    encode,
    receive,
)

DUMP_STACK = signal.SIGUSR1 if hasattr(signal, "SIGUSR1") else None  # the signal that asks a worker where it is
HANDLED_BY_PARENT = ("SIGINT", "SIGTERM", "SIGHUP")
PLAIN = {str, bytes, int, float, bool, type(None)}  # of which an error can be made without code of a component


def run_worker(descriptors: list[int], parent_pid: int, warm_up: Callable[[], object] | None = None) -> NoReturn:
    """Be a worker, which first does the `warm_up`.

    The descriptors are those of its channel, the one for progress, stdout, stderr and stack.
    """
    try:
        channel, progress = _set_up(descriptors, parent_pid)
        LOGGER.propagate = False  # a component may have its own idea of what is logged, in here
        warn_by_notes()
        if warm_up:
            warm_up()  # before anything is told to the parent
        parent_link.report_with(lambda runs: channel.send(encode(RunsStarted(runs))))
        training_progress.listen_with(progress.send)
        LOGGER.addHandler(_NotesToParent(channel))
        for task in receive(channel.socket):
            _run(channel, task)
        os._exit(0)  # the parent wants no more of us
    finally:  # whatever else it is, the parent cannot be told
        os._exit(LOST_CONNECTION)


def _set_up(descriptors: list[int], parent_pid: int) -> tuple[_Channel, _ProgressChannel]:
    """Give this process a session of its own, no signals but the parent's, and its streams; return the channels."""
    parent_link.die_with(parent_pid)
    if os.getsid(0) != os.getpid():
        os.setsid()  # what it starts can be ended with it, and a Ctrl-C of the terminal does not reach it
    parent_link.adopt_orphans()  # so that, at our end, all that is left of us is handed to our parent
    leave_signals_to_parent()
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    channel, progress, out, err, stack = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    faulthandler.enable(stack)
    if DUMP_STACK is not None:
        faulthandler.register(DUMP_STACK, stack)
    return _Channel(socket.socket(fileno=channel)), _ProgressChannel(socket.socket(fileno=progress))


def leave_signals_to_parent() -> None:
    """Let the signals do nothing that are the parent's to handle.

    They are not ignored: what a component starts would ignore them, too, and could not be ended by it.
    """
    for name in HANDLED_BY_PARENT:
        signal.signal(getattr(signal, name), lambda number, frame: None)


def _text(descriptor: int) -> Any:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a component may have closed it, or put something else in its place
            stream.flush()


def _take_over(state: ParentState) -> None:
    """Restore the state of the parent, whatever the task before has left behind."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the descriptor
    sys.stdout = sys.__stdout__ = _text(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2)  # type: ignore[misc]
    if torch := sys.modules.get("torch"):
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
    leave_signals_to_parent()
    os.environ.clear()
    os.environ.update(state.environment)
    sys.path[:], sys.argv[:] = state.path, state.arguments
    with contextlib.suppress(OSError):  # the folder is gone
        os.chdir(state.folder)


@dataclass(frozen=True)
class _Channel:
    """The way to the parent, for the worker only: a component may fork it, and forget to end the fork."""

    socket: socket.socket
    owner: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)  # shards are trained in threads, which log notes

    def send(self, message: bytes) -> None:
        if os.getpid() != self.owner:
            os._exit(LOST_CONNECTION)
        with self.lock:
            self.socket.sendall(message)


@dataclass(frozen=True)
class _ProgressChannel:
    """Tells the parent how far a training is, and waits for nobody: what finds no room is lost."""

    socket: socket.socket
    owner: int = field(default_factory=os.getpid)

    def send(self, progress: TrainingProgress) -> None:
        if os.getpid() == self.owner:  # a fork of a component trains nothing that the parent asked for
            with contextlib.suppress(OSError):
                self.socket.send(training_progress.encode(progress))


class _NotesToParent(logging.Handler):
    """Sends what is logged in this worker to the parent."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        if os.getpid() == self._channel.owner:  # a fork of a component has no parent that listens
            with contextlib.suppress(OSError):  # whoever sends the next message meets it, too
                self._channel.send(encode(Note(record.levelno, record.getMessage())))


def _run(channel: _Channel, task: Task) -> None:
    """Carry out one task and send what comes of it."""
    _take_over(task.state)
    try:
        channel.send(encode(TaskStarted()))
        function, arguments = pickle.loads(task.call)
        value = function(*arguments)
        if isinstance(value, Iterator):
            for item in value:
                channel.send(encode(Item(item)))  # at once, so that it is saved whatever becomes of this process
            value = None
        message = encode(Result(value, _reuse()))
    except OSError as error:
        if _is_closed(channel.socket):
            raise
        message = _failure(error)
    except BaseException as error:  # a component may raise anything, SystemExit too
        message = _failure(error)
    _flush()
    channel.send(message)


def _reuse() -> Reuse:
    """Return what this process may be used for after this task."""
    if parent_link.is_retired():
        return Reuse.NONE
    registry = sys.modules.get("xprun.plugins.registry")  # without it, no component has run
    return Reuse.SAME_PURPOSE if registry and registry.REGISTRY.has_run_foreign_code else Reuse.ANY


def _is_closed(channel: socket.socket) -> bool:
    """Whether the channel has been closed: by the parent's end, or by a component here."""
    try:
        channel.getpeername()
    except OSError:
        return True
    return False


def _failure(error: BaseException) -> bytes:
    words = f"{type(error).__name__}: {words_of(error)}"
    trace = "".join(traceback.format_exception(error))
    return encode(Failure(words, trace, error if _is_plain(error) else None))


def _is_plain(error: BaseException) -> bool:
    """Whether the parent can make such an error without code of a component."""
    ours = type(error).__module__.partition(".")[0] in ("builtins", "xprun")
    if not ours or not isinstance(error, Exception):  # a component's SystemExit is not the parent's
        return False
    try:
        reduced: Any = error.__reduce__()
        made_by, arguments, *state = reduced
        parts = [*arguments, *(part for table in state for part in table.values())]
        return made_by is type(error) and {type(part) for part in parts} <= PLAIN and bool(made_by(*arguments))
    except Exception:
        return False
