"""What a worker process does: it carries out what comes through its channel until its parent is gone."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from xprun.runner.words import words_of
from xprun.runner.workers import child
from xprun.runner.workers.deaths import LOST
from xprun.runner.workers.frames import pack, receive

SHOW_STACK = signal.SIGUSR1 if hasattr(signal, "SIGUSR1") else None  # the signal that asks where it is
IGNORED = ("SIGINT", "SIGTERM", "SIGHUP")  # they are the parent's to handle


@dataclass(frozen=True)
class Setting:
    """Where the parent stands when it hires a worker."""

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

    `error` is what was raised, if xprun or Python itself defines it, else None: others need not exist in the parent.
    """

    words: str
    trace: str
    error: BaseException | None


Said = Started | Training | Item | End | Failure


def work(descriptors: list[int], boss: int) -> NoReturn:
    """Be a worker with these descriptors for its channel, stdout, stderr and stack, whose parent has that id."""
    try:
        channel = _settle_in(descriptors, boss)
        _take_over(receive(channel))
        child.listen(lambda runs: channel.sendall(pack(Training(runs))))
        while True:
            _do(channel, *receive(channel))
            _flush()
    except EOFError:  # the parent wants no more of us
        os._exit(0)
    finally:  # whatever else it is, the parent cannot be told
        os._exit(LOST)


def _settle_in(descriptors: list[int], boss: int) -> socket.socket:
    """Set this process up: a session of its own, no signals but the parent's, and where its streams go."""
    child.die_with(boss)
    if os.getsid(0) != os.getpid():
        os.setsid()  # what it starts can be ended with it, and a Ctrl-C of the terminal does not reach it
    for name in IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    channel, out, err, stack = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the descriptor
    sys.stdout = sys.__stdout__ = _text(1)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2)  # type: ignore[misc]
    faulthandler.enable(stack)
    if SHOW_STACK is not None:
        faulthandler.register(SHOW_STACK, stack)
    return socket.socket(fileno=channel)


def _text(descriptor: int) -> Any:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a component may have closed it, or put something else in its place
            stream.flush()


def _take_over(setting: Setting) -> None:
    os.environ.clear()
    os.environ.update(setting.environment)
    sys.path[:], sys.argv[:] = setting.path, setting.arguments
    with contextlib.suppress(OSError):  # the folder is gone
        os.chdir(setting.folder)


def _do(channel: socket.socket, function: Any, arguments: tuple[Any, ...]) -> None:
    """Do one task and send what comes of it."""
    try:
        channel.sendall(pack(Started()))
        value = function(*arguments)
        if isinstance(value, Iterator):
            for item in value:
                channel.sendall(pack(Item(item)))  # at once, so that it is saved whatever becomes of this process
            value = None
        message = pack(End(value))
    except OSError as error:
        if _is_gone(channel):
            raise
        message = _failure(error)
    except BaseException as error:  # a component may raise anything, SystemExit too
        message = _failure(error)
    channel.sendall(message)


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
    ours = type(error).__module__.partition(".")[0] in ("builtins", "xprun")
    try:
        return pack(Failure(words, trace, error if ours else None))
    except Exception:
        return pack(Failure(words, trace, None))
