"""Jobs of submitit's local executor give the tables of two workers, whatever is lost meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.processes import all_processes, below, finish, wait_for

pytestmark = pytest.mark.skipif(find_spec("submitit") is None, reason="needs the extra: pip install 'xprun[slurm]'")

LAUNCHER = ("--launcher", '{ name = "slurm", cluster = "local", jobs = 2, poll = 0.1 }')
JOB = "submitit.core._submit"
Xprun = Callable[..., "subprocess.Popen[str]"]
Stored = Callable[[str], int]
AssertSame = Callable[..., None]


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


@pytest.mark.parametrize("fault", ["exits", "hangs"])
def test_a_plugin_with_a_fault_costs_its_own_run_only(fault: str, start: Xprun, assert_same: AssertSame) -> None:
    finish(start(f"{fault}.toml", f"{fault}-jobs", *LAUNCHER), code=1)
    assert_same(f"{fault}-jobs", fault)


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
    process.wait()  # but not for its output, which the jobs of the local executor have, too
    kept, working = stored("outlived"), leaders(folder / "outlived")
    assert 0 < kept < 12 and len(working) == 2
    said = finish(start("spec.toml", "outlived", *LAUNCHER))
    assert f"{kept} cached, {12 - kept} to run" in said
    assert "tries again" not in said
    assert not leaders(folder / "outlived") and not workers(folder / "outlived")
    assert_same("outlived")


def test_a_job_out_of_time_is_queued_again_and_goes_on_where_it_was_saved(
    start: Xprun, assert_same: AssertSame, folder: Path
) -> None:
    steps = folder / "steps.txt"
    process = start("long.toml", "requeued", *LAUNCHER)
    wait_for(lambda: steps.exists() and "\n200\n" in steps.read_text(encoding="utf-8"), process)
    for leader in leaders(folder / "requeued"):
        os.kill(leader, signal.SIGUSR2)  # as Slurm does before it ends a job
    said = finish(process)
    assert "ended without" not in said
    times = Counter(steps.read_text(encoding="utf-8").split())  # by step: how often it was taken, with two parameters
    assert len(times) == 400
    assert times["1"] == 2  # it did not begin again
    assert_same("requeued", "long")
