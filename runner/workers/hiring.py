"""Where workers come from: forked by a server process, or started anew where a fork is not safe."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import Protocol

from xprun.errors import Error
from xprun.runner.workers.server import MESSAGE

FORKS = sys.platform.startswith("linux")  # elsewhere a fork may hang in a system's own libraries
PATIENCE = 1.0  # seconds in which the server has to end
START = "from xprun.runner.workers.{module} import {function}; {function}({arguments})"


class HiringError(Error):
    """No workers can be had."""

    exit_code = 3
    remedy = ". To go on without workers: {again} -j 0"


class ServerGoneError(HiringError):
    """What workers are made from has ended; another may be started."""


class Hirer(Protocol):
    """Starts workers, which it knows by a key, signals them, and hears of their ends."""

    def hire(self, key: int, descriptors: list[int]) -> None: ...
    def signal(self, key: int, number: int) -> None: ...
    def endings(self) -> dict[int, int | None]: ...
    def channel(self) -> socket.socket | None: ...
    def close(self) -> None: ...


class ForkServer:
    """Has workers forked by a process that has imported `modules` (`server.py`)."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = f"{theirs.fileno()}, {os.getpid()}, {list(modules)}"
            self._process = _start("server", "main", arguments, [theirs.fileno()])
        self._ready = False
        self._hired: set[int] = set()

    def hire(self, key: int, descriptors: list[int]) -> None:
        try:
            socket.send_fds(self._control, [f"hire {key}".encode()], descriptors)
        except OSError as error:
            raise ServerGoneError(f"the process that starts workers has gone ({error})") from None
        self._hired.add(key)

    def signal(self, key: int, number: int) -> None:
        self._say(f"signal {key} {int(number)}")

    def _say(self, message: str) -> None:
        with contextlib.suppress(OSError):  # it has gone, and all workers with it
            self._control.send(message.encode())

    def endings(self) -> dict[int, int | None]:
        """Return the exit codes (negative: signals) of the workers that have ended since the last call.

        None: they have ended with the server.
        """
        found: dict[int, int | None] = {}
        while message := self._hear():
            match message.decode().split():
                case ["ready"]:
                    self._ready = True
                case ["ended", key, status]:
                    found[int(key)] = int(status)
                    self._hired.discard(int(key))
        if message is None:  # workers die with their server
            found |= dict.fromkeys(self._hired)
            self._hired.clear()
        return found

    def _hear(self) -> bytes | None:
        """Return a message, nothing when there is none, and None when the server has gone."""
        try:
            return self._control.recv(MESSAGE, socket.MSG_DONTWAIT) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def channel(self) -> socket.socket:
        return self._control

    def close(self) -> None:
        """End the server and, with it, all workers."""
        self.endings()
        self._say("end")
        self._control.close()
        if not self._ready:  # it would listen only after its imports
            self._process.kill()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Starter:
    """Starts each worker as a process of its own."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def hire(self, key: int, descriptors: list[int]) -> None:
        self._processes[key] = _start("worker", "work", f"{descriptors}, {os.getpid()}", descriptors)

    def signal(self, key: int, number: int) -> None:
        process = self._processes.get(key)
        if process and process.poll() is None:
            process.send_signal(number)

    def endings(self) -> dict[int, int | None]:
        ended = {key: process for key, process in self._processes.items() if process.poll() is not None}
        self._processes = {key: process for key, process in self._processes.items() if key not in ended}
        return {key: process.returncode for key, process in ended.items()}

    def channel(self) -> None:
        return None

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()


def _start(module: str, function: str, arguments: str, descriptors: list[int]) -> subprocess.Popen[bytes]:
    """Start a Python that calls a function of this package; it never imports the `__main__` of this process."""
    program = START.format(module=module, function=function, arguments=arguments)
    command = [sys.executable, "-P", "-c", program]
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, pass_fds=descriptors, stdin=nothing, stdout=nothing, start_new_session=True)
    except OSError as error:
        raise HiringError(f"no process can be started for workers: {error}") from None
