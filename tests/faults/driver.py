"""Runs experiments in forked children of a process that has imported everything, so that each costs no start.

It reads a list of jobs as a line of JSON, runs them side by side, and writes what became of them as another line. The
children do what the command does, with workers and, if a job asks for them, pages. Only the process that workers are
forked from is itself forked, where the command starts a new Python.
"""

from __future__ import annotations

import ast
import ctypes
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.run import write_pages
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.process.log import notes_on_stderr
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.runner.store.folder_lock import InUseError
from xprun.runner.workers import fork_server, worker
from xprun.runner.workers.pool import WorkerPool, get_pool, set_pool
from xprun.runner.workers.spawner import PRELOADED, ForkSpawner
from xprun.specs import Run, read_document, read_spec

PAGES = (
    "xprun.reports.page.writing",
    "xprun.runner.outputs.result_tables",
)  # what pages and tables import, in time for all jobs
SHIM = ctypes.CDLL(os.environ["LD_PRELOAD"]) if "LD_PRELOAD" in os.environ else None


class Log(Silent):
    """Appends the id of every run to a file when it is reported as ended."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _set_fault(spared=self._file)

    def ended(self, run: Run, outcome: Outcome) -> None:
        os.write(self._file, f"{run.id}\n".encode())


class Forked:
    """A forked process, as `subprocess.Popen` has one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def wait(self, timeout: float | None = None) -> None:
        end = time.monotonic() + (timeout or 10.0)
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("server", timeout or 10.0)
            time.sleep(0.005)


def start_forked(module: str, function: str, arguments: str, descriptors: list[int]) -> Forked:
    """Fork what workers are forked from; it inherits no files, as if it had been started."""
    pid = os.fork()
    if pid:
        return Forked(pid)
    _arm(None)
    os.setsid()
    (kept,) = descriptors
    os.closerange(3, kept)
    os.closerange(kept + 1, 1000)
    return fork_server.main(*ast.literal_eval(f"({arguments})"))


def be_struck(descriptors: list[int], parent_pid: int, warm_up: Callable[[], object] | None) -> NoReturn:
    """Be a worker; the first one is struck by what its job has for a worker."""
    fault = JOB.get("worker_fault")
    if fault and _is_first(Path(JOB["output"]).with_suffix(".struck")):
        _set_fault(**fault, calls=0, talk=1)
    worker.run_worker(descriptors, parent_pid, warm_up)


def _is_first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


JOB: dict[str, Any] = {}  # that of this process
fork_server.run_worker = be_struck


def work(job: dict[str, Any]) -> int:
    """Run the experiment of a job and return the exit code that the command would have."""
    JOB.update(job)
    try:
        spec = resolve(read_spec(read_document(Path(job["spec"]), job["sets"])), REGISTRY)
        set_pool(WorkerPool(lambda: ForkSpawner(start=start_forked)))
        get_pool().prepare()
        _arm(job.get("fault"))
        options = Options(Path(job["folder"]), workers=job["workers"], rerun=job.get("rerun"))
        with notes_on_stderr():
            report = run_experiment(spec, REGISTRY, options, Log(job["log"]))
        if job.get("pages"):
            write_pages(report, ("html", "md"), REGISTRY)
    except InUseError as error:
        print(error)
        return 4
    except OutputError as error:
        print(error)
        return 3
    except BaseException:
        traceback.print_exc()
        return 99
    finally:
        calls = _io_calls()
        _arm(None)
        Path(job["output"]).with_suffix(".calls").write_text(str(calls), encoding="utf-8")
        get_pool().close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _arm(fault: dict[str, int] | None) -> None:
    _set_fault(**fault, calls=0) if fault else _set_fault(at=0)


def _set_fault(**settings: int) -> None:
    if SHIM:
        for name, value in settings.items():
            ctypes.c_int.in_dll(SHIM, f"fault_{name}").value = value


def _io_calls() -> int:
    return ctypes.c_int.in_dll(SHIM, "fault_calls").value if SHIM else 0


def start(job: dict[str, Any]) -> int:
    """Fork a child that does a job, and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os._exit(work(job))


def run(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do jobs side by side, killing those that are to be killed, or their workers, and return how each ended."""
    begin = time.monotonic()
    pids = [start(job) for job in jobs]
    kills = [(after, pid, key) for job, pid in zip(jobs, pids, strict=True) for key, after in _kills_of(job)]
    killed = dict.fromkeys(pids, 0)
    for after, pid, key in sorted(kills):
        time.sleep(max(0.0, begin + after - time.monotonic()))
        victims = [pid] if key == "kill_after" else _workers_of(pid)[:1]
        for victim in victims:  # a child that has ended waits for us, so that its id is still its own
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed[pid] += 1
    return [_ending(job, pid, begin) | {"killed": killed[pid]} for job, pid in zip(jobs, pids, strict=True)]


def _kills_of(job: dict[str, Any]) -> list[tuple[str, float]]:
    return [(key, after) for key in ("kill_after", "kill_worker_after") for after in job.get(key, [])]


def _workers_of(pid: int) -> list[int]:
    """Return the workers of a job, in any order: the children of its child."""
    workers = [worker for server in _children(pid) for worker in _children(server)]
    random.shuffle(workers)
    return workers


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _ending(job: dict[str, Any], pid: int, begin: float) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    output = Path(job["output"])
    return {
        "code": code,
        "pid": pid,
        "seconds": time.monotonic() - begin,
        "output": _read(output),
        "calls": int(_read(output.with_suffix(".calls")) or 0),
    }


def _read(path: Path) -> str:
    """Return the text of a file, which a killed child may not have written."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    open_registry()
    for module in (*PRELOADED, *PAGES):
        importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
