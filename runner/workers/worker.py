"""What a worker process does: it carries out what comes through its channel until its parent is gone."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from xprun.runner.process.log import words_of
from xprun.runner.workers import child
from xprun.runner.workers.deaths import LOST
from xprun.runner.workers.frames import pack, receive

SHOW_STACK = signal.SIGUSR1 if hasattr(signal, "SIGUSR1") else None  # the signal that asks where it is
NOT_OURS = ("SIGINT", "SIGTERM", "SIGHUP")  # they are the parent's to handle
PLAIN = {str, bytes, int, float, bool, type(None)}  # of which a message can be made without code of a component


@dataclass(frozen=True)
class Setting:
    """Where the parent stands when it gives a task."""

    folder: str
    environment: dict[str, str]
    path: list[str]
    arguments: list[str]

    @classmethod
    def here(cls) -> Setting:
        try:
            folder = os.getcwd()  # noqa: PTH109 - as it is
        except FileNotFoundError:  # it has been removed
            folder = os.sep
        return cls(folder, dict(os.environ), list(sys.path), list(sys.argv))


@dataclass(frozen=True)
class Task:
    """What a worker is to do, and where it stands then. `call` is the pickle of a function and its arguments."""

    setting: Setting
    call: bytes

    @classmethod
    def of(cls, function: Any, arguments: tuple[Any, ...]) -> Task:
        return cls(Setting.here(), pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL))


@dataclass(frozen=True)
class Started:
    """The task has been taken up."""


@dataclass(frozen=True)
class Training:
    """These runs are trained from now on."""

    runs: list[str]


@dataclass(frozen=True)
class Item:
    """One of the values that a generator yields."""

    value: Any


@dataclass(frozen=True)
class End:
    """The task has ended; `value` is what its function returned."""

    value: Any = None


@dataclass(frozen=True)
class Failure:
    """The function of a task has raised, or what it gave cannot be sent.

    `error` is what was raised, if xprun or Python itself defines it and it holds plain values only, else None: the
    parent runs no code of components.
    """

    words: str
    trace: str
    error: BaseException | None


Said = Started | Training | Item | End | Failure


def work(descriptors: list[int], boss: int) -> NoReturn:
    """Be a worker with these descriptors for its channel, stdout, stderr and stack, whose parent has that id."""
    try:
        channel = _Channel(_settle_in(descriptors, boss))
        child.listen(lambda runs: channel.send(pack(Training(runs))))
        while True:
            _do(channel, receive(channel.socket))
    except EOFError:  # the parent wants no more of us
        os._exit(0)
    finally:  # whatever else it is, the parent cannot be told
        os._exit(LOST)


def _settle_in(descriptors: list[int], boss: int) -> socket.socket:
    """Set this process up: a session of its own, no signals but the parent's, and where its streams go."""
    child.die_with(boss)
    if os.getsid(0) != os.getpid():
        os.setsid()  # what it starts can be ended with it, and a Ctrl-C of the terminal does not reach it
    leave_to_parent()
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    channel, out, err, stack = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    faulthandler.enable(stack)
    if SHOW_STACK is not None:
        faulthandler.register(SHOW_STACK, stack)
    return socket.socket(fileno=channel)


def leave_to_parent() -> None:
    """Let the signals do nothing that are the parent's to handle.

    They are not ignored: what a component starts would ignore them, too, and could not be ended by it.
    """
    for name in NOT_OURS:
        signal.signal(getattr(signal, name), lambda number, frame: None)


def _text(descriptor: int) -> Any:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a component may have closed it, or put something else in its place
            stream.flush()


def _take_over(setting: Setting) -> None:
    """Stand where the parent does, whatever the task before has left behind."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the descriptor
    sys.stdout = sys.__stdout__ = _text(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2)  # type: ignore[misc]
    if torch := sys.modules.get("torch"):
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
    leave_to_parent()
    os.environ.clear()
    os.environ.update(setting.environment)
    sys.path[:], sys.argv[:] = setting.path, setting.arguments
    with contextlib.suppress(OSError):  # the folder is gone
        os.chdir(setting.folder)


@dataclass(frozen=True)
class _Channel:
    """The way to the parent, for the worker only: a component may fork it, and forget to end the fork."""

    socket: socket.socket
    owner: int = field(default_factory=os.getpid)

    def send(self, message: bytes) -> None:
        if os.getpid() != self.owner:
            os._exit(LOST)
        self.socket.sendall(message)


def _do(channel: _Channel, task: Task) -> None:
    """Do one task and send what comes of it."""
    _take_over(task.setting)
    try:
        channel.send(pack(Started()))
        function, arguments = pickle.loads(task.call)
        value = function(*arguments)
        if isinstance(value, Iterator):
            for item in value:
                channel.send(pack(Item(item)))  # at once, so that it is saved whatever becomes of this process
            value = None
        message = pack(End(value))
    except OSError as error:
        if _is_gone(channel.socket):
            raise
        message = _failure(error)
    except BaseException as error:  # a component may raise anything, SystemExit too
        message = _failure(error)
    _flush()
    channel.send(message)


def _is_gone(channel: socket.socket) -> bool:
    """Whether the channel has been closed: by the parent's end, or by a component here."""
    try:
        channel.getpeername()
    except OSError:
        return True
    return False


def _failure(error: BaseException) -> bytes:
    words = f"{type(error).__name__}: {words_of(error)}"
    trace = "".join(traceback.format_exception(error))
    return pack(Failure(words, trace, error if _can_be_made_again(error) else None))


def _can_be_made_again(error: BaseException) -> bool:
    """Whether the parent can make such an error without code of a component."""
    if type(error).__module__.partition(".")[0] not in ("builtins", "xprun"):
        return False
    try:
        reduced: Any = error.__reduce__()
        made_by, arguments, *state = reduced
        parts = [*arguments, *(part for table in state for part in table.values())]
        return made_by is type(error) and {type(part) for part in parts} <= PLAIN and bool(made_by(*arguments))
    except Exception:
        return False
