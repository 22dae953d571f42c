"""Starts workers: forked by a server process, or each as a new Python where a fork is not safe."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from xprun.errors import Error
from xprun.runner.workers.parent_link import LONGEST_COMMAND

CAN_FORK = sys.platform.startswith("linux")  # elsewhere a fork may hang in a system's own libraries
PRELOADED = ("xprun.runner.preload",)  # what nearly every task needs; torch with it
GRACE = 1.0  # seconds in which the server has to end
PROGRAM = "from xprun.runner.workers.{module} import {function}; {function}({arguments})"


class WorkerStartError(Error):
    """No workers can be started."""

    exit_code = 3
    remedy = ". To go on without workers: {again} -j 0"


class ForkServerExitError(WorkerStartError):
    """The process from which workers are forked has ended; another may be started."""


class Spawner(Protocol):
    """Starts workers, which it knows by a key, sends them signals, and tells their exit codes.

    One that is to be `warm` may use a core until its first task, so that this goes faster. `control` is what can be
    read when a worker may have ended, or None where one has to look.
    """

    @property
    def control(self) -> socket.socket | None: ...
    def spawn(self, key: int, descriptors: list[int], *, warm: bool = False) -> None: ...
    def signal(self, key: int, number: int) -> None: ...
    def exits(self) -> dict[int, int | None]: ...
    def wake(self) -> None: ...
    def preload(self, module: str) -> None: ...
    def close(self) -> None: ...


class Process(Protocol):
    """What is needed of a `subprocess.Popen`."""

    def kill(self) -> None: ...
    def send_signal(self, number: int) -> None: ...
    def wait(self, timeout: float | None = None) -> object: ...


Start = Callable[[str, str, str, list[int]], Process]


def start_python(module: str, function: str, arguments: str, descriptors: list[int]) -> subprocess.Popen[bytes]:
    """Start a Python that calls a function of this package; it never imports the `__main__` of this process."""
    program = PROGRAM.format(module=module, function=function, arguments=arguments)
    command = [sys.executable, "-P", "-c", program]
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, pass_fds=descriptors, stdin=nothing, stdout=nothing, start_new_session=True)
    except OSError as error:
        raise WorkerStartError(f"no process can be started for workers: {error}") from None


class ForkSpawner:
    """Lets a process that has imported `preloaded` modules fork the workers (`fork_server.py`)."""

    def __init__(self, preloaded: tuple[str, ...] = PRELOADED, start: Start = start_python) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = f"{theirs.fileno()}, {os.getpid()}, {list(preloaded)}"
            self.server = start("fork_server", "main", arguments, [theirs.fileno()])
        self._ready = False
        self._alive: set[int] = set()

    def spawn(self, key: int, descriptors: list[int], *, warm: bool = False) -> None:
        try:
            socket.send_fds(self.control, [f"spawn {key} {int(warm)}".encode()], descriptors)
        except OSError as error:
            raise ForkServerExitError(f"the process that starts workers has gone ({error})") from None
        self._alive.add(key)

    def signal(self, key: int, number: int) -> None:
        self._send(f"signal {key} {int(number)}")

    def _send(self, command: str) -> None:
        with contextlib.suppress(OSError):  # it has gone, and all workers with it
            self.control.send(command.encode())

    def exits(self) -> dict[int, int | None]:
        """Return the exit codes (negative: signals) of the workers that have ended since the last call.

        None: they have ended with the server.
        """
        found: dict[int, int | None] = {}
        while reply := self._receive():
            match reply.decode().split():
                case ["ready"]:
                    self._ready = True
                case ["exited", key, status]:
                    found[int(key)] = int(status)
                    self._alive.discard(int(key))
        if reply is None:  # workers die with their server
            found |= dict.fromkeys(self._alive)
            self._alive.clear()
        return found

    def wake(self) -> None:
        """Let the server go on, if somebody has stopped it: a worker can send it signals."""
        self.server.send_signal(signal.SIGCONT)

    def preload(self, module: str) -> None:
        """Let workers that are forked from now on find one more module imported."""
        self._send(f"import {module}")

    def _receive(self) -> bytes | None:
        """Return a reply, nothing when there is none, and None when the server has gone."""
        try:
            return self.control.recv(LONGEST_COMMAND, socket.MSG_DONTWAIT) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def close(self) -> None:
        """End the server and, with it, all workers."""
        self.exits()
        self._send("exit")
        self.control.close()
        if not self._ready:  # it would listen only after its imports
            self.server.kill()
        try:
            self.server.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()


class SubprocessSpawner:
    """Starts each worker as a process of its own."""

    control = None

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def spawn(self, key: int, descriptors: list[int], *, warm: bool = False) -> None:
        self._processes[key] = start_python("worker", "run_worker", f"{descriptors}, {os.getpid()}", descriptors)

    def signal(self, key: int, number: int) -> None:
        process = self._processes.get(key)
        if process and process.poll() is None:
            process.send_signal(number)

    def exits(self) -> dict[int, int | None]:
        """Return the exit codes (negative: signals) of the workers that have ended since the last call."""
        ended = {key: process for key, process in self._processes.items() if process.poll() is not None}
        self._processes = {key: process for key, process in self._processes.items() if key not in ended}
        return {key: process.returncode for key, process in ended.items()}

    def wake(self) -> None:
        """Do nothing: there is no server."""

    def preload(self, module: str) -> None:
        """Do nothing: each worker imports what it needs."""

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()


_ahead: list[Spawner] = []  # at most one, that nobody has yet


def start_ahead() -> None:
    """Start what workers are made from, whose imports take longer than all else; the next `default_spawner` is it.

    Nothing here is imported for it that takes long itself.
    """
    if CAN_FORK and not _ahead:
        with contextlib.suppress(WorkerStartError):  # who needs workers hears of it
            _ahead.append(ForkSpawner())


@atexit.register
def _close_ahead() -> None:
    while _ahead:
        _ahead.pop().close()


def default_spawner() -> Spawner:
    """Return the spawner of this platform."""
    if _ahead:
        return _ahead.pop()
    return ForkSpawner() if CAN_FORK else SubprocessSpawner()
