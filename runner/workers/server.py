"""The process from which workers are forked: it imports what they need once, and computes nothing itself.

A fork costs milliseconds, the import of torch seconds. A process in which torch has computed anything cannot be
forked: the threads of OpenMP are not there in the child, which waits for them for ever.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import warnings
from typing import NoReturn

from xprun.runner.workers import child
from xprun.runner.workers.deaths import LOST
from xprun.runner.workers.worker import leave_to_parent, work

LOOK = 0.5  # seconds between two looks whether the parent is there
MESSAGE = 64  # bytes of the longest message
DESCRIPTORS = 4  # of a worker: channel, stdout, stderr, stack


def main(descriptor: int, boss: int, modules: list[str]) -> NoReturn:
    """Serve at a descriptor that was inherited."""
    serve(socket.socket(fileno=descriptor), boss, modules)


def serve(control: socket.socket, boss: int, modules: list[str]) -> NoReturn:
    """Import modules, then fork workers and tell of their ends until the parent, of id `boss`, is gone.

    The parent sends `hire KEY` with four descriptors, `signal KEY NUMBER` and `end`; this process sends
    `ready` and `ended KEY STATUS`.
    """
    workers: dict[int, str] = {}  # process id: key
    try:
        _set_up(boss)
        for module in modules:
            _import(module)
        child.outlive_parent()  # from here on we look ourselves, so that the workers' own children can be ended, too
        gc.collect()
        gc.freeze()  # the pages of what is imported stay shared
        control.send(b"ready")
        _serve(control, boss, workers)
    finally:
        for pid in workers:
            _signal(pid, signal.SIGKILL)
        os._exit(0)


def _set_up(boss: int) -> None:
    child.die_with(boss)
    leave_to_parent()


def _import(module: str) -> None:
    with contextlib.suppress(Exception):  # the worker that needs it raises what is wrong with it
        importlib.import_module(module)


def _serve(control: socket.socket, boss: int, workers: dict[int, str]) -> None:
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while os.getppid() == boss:
        ready = select.select([control.fileno(), reader], [], [], LOOK)[0]
        if reader in ready:
            os.read(reader, 1 << 16)
        for pid in list(workers):
            _tell_if_ended(control, pid, workers)
        if control.fileno() in ready:
            message, descriptors, *_ = socket.recv_fds(control, MESSAGE, DESCRIPTORS)
            if message in (b"", b"end"):
                return
            _obey(message.decode().split(), descriptors, control, workers, (reader, writer))


def _obey(
    words: list[str], descriptors: list[int], control: socket.socket, workers: dict[int, str], own: tuple[int, int]
) -> None:
    match words:
        case ["hire", key]:
            try:
                workers[_fork(descriptors, control, own)] = key
            except OSError:  # no more processes, or no memory
                control.send(f"ended {key} {LOST}".encode())
            for descriptor in descriptors:
                os.close(descriptor)
        case ["signal", key, number]:
            for pid in [pid for pid, of in workers.items() if of == key]:
                _signal(pid, int(number), group=int(number) == signal.SIGKILL)


def _fork(descriptors: list[int], control: socket.socket, own: tuple[int, int]) -> int:
    """Fork a worker with these descriptors and return its process id."""
    server = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: those of OpenBLAS know what a fork is
        pid = os.fork()
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            for descriptor in own:
                os.close(descriptor)
            work(descriptors, server)
        finally:  # no frame of the server may go on in a worker: it would end the others
            os._exit(LOST)
    return pid


def _tell_if_ended(control: socket.socket, pid: int, workers: dict[int, str]) -> None:
    """Tell the parent if a worker has ended, and end what it has started."""
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return
    _signal(pid, signal.SIGKILL)  # while its id is still its own
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    control.send(f"ended {workers.pop(pid)} {status}".encode())


def _signal(pid: int, number: int, *, group: bool = True) -> None:
    """Send a signal to a worker, and to what it has started."""
    with contextlib.suppress(OSError):
        os.kill(pid, number)
    if group:
        with contextlib.suppress(OSError):
            os.killpg(pid, number)
