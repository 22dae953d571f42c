"""Runs commands in forked children of a process that has imported everything, and sends them signals.

It reads jobs as lines of JSON and writes what became of each as another line. The workers of a command are forked by
a fork, too: nothing here has computed anything with torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from xprun.reports.page import writing  # noqa: F401
from xprun.runner.cli.main import main
from xprun.runner.workers import fork_server
from xprun.runner.workers.pool import WorkerPool, close_at_exit, get_pool, set_pool
from xprun.runner.workers.spawner import ForkSpawner

PATIENCE = 2.0  # seconds after the end of a command in which everything that it started must have ended


class Forked:
    """A fork in the place of a `subprocess.Popen`."""

    def __init__(self, module: str, function: str, arguments: str, descriptors: list[int]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            eval(f"function({arguments})", {"function": getattr(fork_server, function)})

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def start(job: dict[str, Any]) -> int:
    """Fork a child that carries out the command of a job, and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    set_pool(WorkerPool(lambda: ForkSpawner(start=Forked)))
    output = os.open(job["output"], os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(job["folder"])
    code = 99
    try:
        main(job["command"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        close_at_exit(get_pool())
        os._exit(code)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Do a job, and return how it ended, and whether something is left of it.

    Its signals are sent at instants after the start, or after it has said a certain word.
    """
    reader, writer = os.pipe()  # whose other end is open as long as one of its processes lives
    pid = start(job)
    os.close(writer)
    while job["when"] and job["when"] not in Path(job["output"]).read_text(encoding="utf-8"):
        time.sleep(0.01)
    begin = latest = time.monotonic()
    for seconds, number in job["signals"]:
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        latest = time.monotonic()
        os.kill(pid, number)  # a child that has ended waits for us, so that the id is still its own
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    ended = time.monotonic()
    left = not select.select([reader], [], [], PATIENCE)[0]
    os.close(reader)
    return {"code": code, "seconds": ended - begin, "after": ended - latest, "left": left}


if __name__ == "__main__":
    os.environ.pop("XPRUN_JOBS", None)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
