"""Jobs of submitit's local executor give the tables of two workers, whatever is lost meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports without changing it
from processes import all_processes, below, called, wait_for

pytestmark = pytest.mark.skipif(find_spec("submitit") is None, reason="needs the extra: pip install 'xprun[slurm]'")

LAUNCHER = ("--launcher", '{ name = "slurm", cluster = "local", jobs = 2, poll = 0.1 }')
JOB = "submitit.core._submit"
Xprun = Callable[..., "subprocess.Popen[str]"]
Stored = Callable[[str], int]
AssertSame = Callable[..., None]


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a command; return what it has said on stderr."""
    _, errors = process.communicate(timeout=900)
    assert process.returncode == code, errors
    return errors


def leaders(folder: Path) -> list[int]:
    """The processes that lead parts: what submitit has started for the jobs of an output folder."""
    return [
        pid for pid, _, command in all_processes() if JOB in command and str(folder) in command and "python" in command
    ]


def workers(folder: Path) -> list[int]:
    return [worker for leader in leaders(folder) for server in below(leader)[:1] for worker in below(server)]


def test_the_tables_are_those_of_two_workers_and_nothing_is_left(
    start: Xprun, assert_same: AssertSame, folder: Path
) -> None:
    finish(start("spec.toml", "jobs", *LAUNCHER))
    assert_same("jobs")
    assert not (folder / "jobs" / "jobs").exists()


def test_plugins_that_exit_or_hang_cost_their_own_runs_only(start: Xprun, assert_same: AssertSame) -> None:
    finish(start("faulty.toml", "faulty-jobs", *LAUNCHER), code=1)
    assert_same("faulty-jobs", "faulty")


@pytest.mark.parametrize("what", ["job", "worker"])
def test_what_is_killed_is_made_up_for(
    what: str, start: Xprun, stored: Stored, assert_same: AssertSame, folder: Path
) -> None:
    output = f"killed-{what}"
    process = start("spec.toml", output, *LAUNCHER)
    wait_for(lambda: stored(output) and workers(folder / output), process)
    os.kill((leaders if what == "job" else workers)(folder / output)[0], signal.SIGKILL)
    assert ("which another one tries again" in finish(process)) == (what == "job")
    assert_same(output)


def test_a_ctrl_c_leaves_nothing_and_the_same_command_goes_on(
    start: Xprun, stored: Stored, assert_same: AssertSame, folder: Path
) -> None:
    process = start("spec.toml", "ended", *LAUNCHER)
    wait_for(lambda: stored("ended") and workers(folder / "ended"), process)
    process.send_signal(signal.SIGINT)
    assert "To go on: xprun spec.toml" in finish(process, 130)
    wait_for(lambda: not leaders(folder / "ended") and not workers(folder / "ended"))
    finish(start("spec.toml", "ended", *LAUNCHER))
    assert_same("ended")


def test_jobs_outlive_a_killed_command_and_the_same_one_waits_for_them(
    start: Xprun, stored: Stored, assert_same: AssertSame, folder: Path
) -> None:
    process = start("spec.toml", "outlived", *LAUNCHER)
    wait_for(lambda: stored("outlived") and workers(folder / "outlived"), process)
    process.kill()
    process.communicate()
    kept, working = stored("outlived"), leaders(folder / "outlived")
    assert 0 < kept < 12 and len(working) == 2
    said = finish(start("spec.toml", "outlived", *LAUNCHER))
    assert f"{kept} cached, {12 - kept} to run" in said
    assert called("xprun", os.getpid()) == []
    assert "tries again" not in said
    assert_same("outlived")


def test_a_job_out_of_time_is_queued_again_and_goes_on_where_it_was_saved(
    start: Xprun, stored: Stored, assert_same: AssertSame, folder: Path
) -> None:
    process = start("spec.toml", "requeued", *LAUNCHER)
    wait_for(lambda: stored("requeued") and workers(folder / "requeued"), process)
    for leader in leaders(folder / "requeued"):
        os.kill(leader, signal.SIGUSR2)  # as Slurm does before it ends a job
    said = finish(process)
    assert "ended without" not in said
    assert_same("requeued")
