"""Runs experiments in forked children of a process that has imported everything, so that each costs no start.

It reads a list of jobs as a line of JSON, runs them side by side, and writes what became of them as another line.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY
from xprun.runner.checks.check import resolve
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.outcome import Outcome
from xprun.runner.progress import Silent
from xprun.runner.store.files import OutputError
from xprun.runner.store.lock import InUseError
from xprun.specs import Run, read_document, read_spec

SHIM = ctypes.CDLL(os.environ["LD_PRELOAD"]) if "LD_PRELOAD" in os.environ else None


class Log(Silent):
    """Appends the id of every run to a file when it is reported as ended."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _set_fault(spared=self._file)

    def ended(self, run: Run, outcome: Outcome) -> None:
        os.write(self._file, f"{run.id}\n".encode())


def work(job: dict[str, Any]) -> int:
    """Run the experiment of a job and return the exit code that the command would have."""
    try:
        spec = resolve(read_spec(read_document(Path(job["spec"]), job["sets"])), REGISTRY)
        _arm(job.get("fault"))
        run_experiment(spec, REGISTRY, Options(Path(job["folder"]), workers=0), Log(job["log"]))
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
    """Do jobs side by side, killing those that are to be killed, and return how each ended."""
    begin = time.monotonic()
    pids = [start(job) for job in jobs]
    for seconds, pid in sorted(
        (job["kill_after"], pid) for job, pid in zip(jobs, pids, strict=True) if "kill_after" in job
    ):
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        os.kill(pid, signal.SIGKILL)  # a child that has ended waits for us, so that the id is still its own
    return [_ending(job, pid, begin) for job, pid in zip(jobs, pids, strict=True)]


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
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
