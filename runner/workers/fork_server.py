"""The process from which workers are forked: it imports what they need once, and computes nothing itself.

A fork costs milliseconds, the import of torch seconds. A process in which torch has computed anything cannot be
forked: the threads of OpenMP are not there in the child, which waits for them for ever.

Why this, `spawner.py` and `messages.py`, and not `multiprocessing` with its forkserver, Pipe and connection.wait? What
was found with Python 3.11:

- A fork that fails for want of processes raises in its server, which ends, and every worker with it. Here one start
  fails, and the work goes on with the workers that there are.
- `Connection.recv` blocks until a message is complete: a component that writes five bytes into the pipe and sleeps, or
  a worker that is killed in a message while a process that it started holds the pipe, stops xprun and all time limits.
- Its server notices the end of the parent by a pipe that all workers inherit: after a kill -9 of xprun, a worker in a
  loop in C, what it has started, the server, the resource tracker and a temporary folder are left for ever.
- It reaps a worker before the parent hears of it, so that its id may be another's when what it started is killed.
- Every worker imports `__main__` again, unless functions are replaced that are not documented.

To mend each of these takes a server loop, a decoder and a start of one's own, which is what there is here.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import time
import warnings
from collections.abc import Callable, Container
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from xprun.runner.workers import parent_link
from xprun.runner.workers.exits import LOST_CONNECTION
from xprun.runner.workers.parent_link import LONGEST_COMMAND
from xprun.runner.workers.worker import leave_signals_to_parent, run_worker

POLL_INTERVAL = 0.5  # seconds between two looks whether the parent is there
ORPHANS_GRACE = 1.0  # seconds in which what is killed has ended, unless it waits for a disk
ORPHANS_INTERVAL = 0.002  # seconds between two looks at them
DESCRIPTORS = 5  # of a worker: channel, the one for progress, stdout, stderr, stack


def main(descriptor: int, parent_pid: int, modules: list[str]) -> NoReturn:
    """Serve at a descriptor that was inherited."""
    serve(socket.socket(fileno=descriptor), parent_pid, modules)


def serve(control: socket.socket, parent_pid: int, modules: list[str]) -> NoReturn:
    """Import modules, then fork workers and report their ends until the parent is gone.

    The parent sends `spawn KEY WARM` with five descriptors, `import MODULE`, `signal KEY NUMBER` and `exit`; this
    process sends `ready` and `exited KEY STATUS`.
    """
    workers: dict[int, str] = {}  # process id: key
    try:
        parent_link.die_with(parent_pid)
        leave_signals_to_parent()
        gc.disable()  # a tenth of the time of imports, which make objects that stay
        warm_ups = [getattr(_import(module), "warm_up", None) for module in modules]
        parent_link.adopt_orphans()
        parent_link.outlive_parent()  # from here on we look ourselves, so that what workers have started ends, too
        gc.collect()
        gc.freeze()  # the pages of what is imported stay shared
        gc.enable()
        control.send(b"ready")
        _serve(control, parent_pid, workers, lambda: [warm_up() for warm_up in warm_ups if warm_up])
    finally:
        for pid in workers:
            _signal(pid, signal.SIGKILL)
        _end_orphans(spared=())
        os._exit(0)


def _import(module: str) -> ModuleType | None:
    with contextlib.suppress(Exception):  # the worker that needs it raises what is wrong with it
        return importlib.import_module(module)
    return None


def _serve(control: socket.socket, parent_pid: int, workers: dict[int, str], warm_up: Callable[[], object]) -> None:
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while os.getppid() == parent_pid:
        ready = select.select([control.fileno(), reader], [], [], POLL_INTERVAL)[0]
        if reader in ready:
            os.read(reader, 1 << 16)
        for pid in list(workers):
            _report_if_exited(control, pid, workers)
        if control.fileno() in ready:
            command, descriptors, *_ = socket.recv_fds(control, LONGEST_COMMAND, DESCRIPTORS)
            if command in (b"", b"exit"):
                return
            _execute(command.decode().split(), descriptors, control, workers, (reader, writer), warm_up)


def _execute(
    command: list[str],
    descriptors: list[int],
    control: socket.socket,
    workers: dict[int, str],
    own: tuple[int, int],
    warm_up: Callable[[], object],
) -> None:
    match command:
        case ["spawn", key, warm]:
            try:
                workers[_fork(descriptors, control, own, warm_up if warm == "1" else None)] = key
            except OSError:  # no more processes, or no memory
                control.send(f"exited {key} {LOST_CONNECTION}".encode())
            for descriptor in descriptors:
                os.close(descriptor)
        case ["import", module]:
            _import(module)
            gc.freeze()
        case ["signal", key, number]:
            for pid in [pid for pid, of in workers.items() if of == key]:
                _signal(pid, int(number), group=int(number) == signal.SIGKILL)


def _fork(
    descriptors: list[int], control: socket.socket, own: tuple[int, int], warm_up: Callable[[], object] | None
) -> int:
    """Fork a worker with these descriptors and return its process id."""
    server_pid = os.getpid()
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
            run_worker(descriptors, server_pid, warm_up)
        finally:  # no frame of the server may go on in a worker: it would end the others
            os._exit(LOST_CONNECTION)
    return pid


def _report_if_exited(control: socket.socket, pid: int, workers: dict[int, str]) -> None:
    """Tell the parent if a worker has ended, and end what it has started."""
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return
    _signal(pid, signal.SIGKILL)  # while its id is still its own
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    key = workers.pop(pid)
    _end_orphans(spared=workers)
    control.send(f"exited {key} {status}".encode())


def _end_orphans(spared: Container[int]) -> None:
    """End what a worker has left behind that is in no session of it: it is a child of ours now, as workers are.

    What is ended may leave children, too.
    """
    deadline = time.monotonic() + ORPHANS_GRACE
    while (orphans := [pid for pid in _children() if pid not in spared]) and time.monotonic() < deadline:
        for pid in orphans:
            _signal(pid, signal.SIGKILL)
        time.sleep(ORPHANS_INTERVAL)
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _children() -> list[int]:
    """Return the process ids of the children of this process, where the kernel tells them."""
    with contextlib.suppress(OSError):
        return list(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))
    return []


def _signal(pid: int, number: int, *, group: bool = True) -> None:
    """Send a signal to a worker, and to what it has started."""
    with contextlib.suppress(OSError):
        os.kill(pid, number)
    if group:
        with contextlib.suppress(OSError):
            os.killpg(pid, number)
