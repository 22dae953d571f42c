"""A Ray cluster of two nodes gives the tables of two workers, whatever is lost meanwhile, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.processes import all_processes, below, called, finish, wait_for

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra: pip install 'xprun[ray]'")

HERE = Path(__file__).parent
TASK = "ray::lead_in_parcels"
Xprun = Callable[..., "subprocess.Popen[str]"]
Stored = Callable[[str], int]
AssertSame = Callable[..., None]


class Nodes:
    """The cluster, and what runs on it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process, self.address = process, process.stdout.readline().strip()

    @property
    def launcher(self) -> tuple[str, str]:
        return "--launcher", f'{{ name = "ray", address = "{self.address}" }}'

    def kill_one(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("kill\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "killed\n"

    def tasks(self) -> list[int]:
        return called(TASK, self.process.pid)

    def workers(self) -> list[int]:
        """The workers of xprun that train in tasks: what the process has forked from which they are."""
        return [worker for task in self.tasks() for server in below(task)[:1] for worker in below(server)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        command = [sys.executable, str(HERE / "two_nodes.py"), temp]
        quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=quiet, text=True, **pipes) as process:
            yield Nodes(process)
            assert process.stdin
            process.stdin.close()


def test_the_tables_are_those_of_two_workers(nodes: Nodes, start: Xprun, assert_same: AssertSame, folder: Path) -> None:
    said = finish(start("spec.toml", "plain", *nodes.launcher))
    assert said.splitlines()[0].startswith("spec: 12 runs (3 seeds); 0 cached, 12 to run in 1 cohort on cpu by ")
    assert "ray::" not in said and "INFO" not in said
    assert_same("plain")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_command_that_reaches_no_cluster_exits_with_one_line(host: str, start: Xprun, folder: Path) -> None:
    launcher = f'{{ name = "ray", address = "{host}:1" }}'
    said = finish(start("spec.toml", "nowhere", "--launcher", launcher, "-q"), code=3)
    last = said.splitlines()[-1]  # before it, Ray warns of a machine without a network
    assert last.startswith(f"spec.toml: the Ray cluster {host}:1 is not reached (")


@pytest.mark.parametrize("fault", ["exits", "hangs"])
def test_a_plugin_with_a_fault_costs_its_own_run_only(
    fault: str, nodes: Nodes, start: Xprun, assert_same: AssertSame
) -> None:
    finish(start(f"{fault}.toml", f"{fault}-tasks", *nodes.launcher), code=1)
    assert_same(f"{fault}-tasks", fault)


@pytest.mark.parametrize("what", ["task", "worker", "node"])
def test_what_is_killed_is_made_up_for(
    what: str, nodes: Nodes, start: Xprun, stored: Stored, assert_same: AssertSame
) -> None:
    process = start("spec.toml", what, *nodes.launcher)
    wait_for(lambda: stored(what) and nodes.workers(), process)
    if what == "node":
        nodes.kill_one()
    else:
        found = nodes.tasks() if what == "task" else nodes.workers()
        os.kill(found[0], signal.SIGKILL)
    said = finish(process)
    assert ("a Ray task was lost" in said) == (what != "worker")
    assert_same(what)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_command_leaves_nothing_and_the_same_one_completes_it(
    number: signal.Signals, nodes: Nodes, start: Xprun, stored: Stored, assert_same: AssertSame
) -> None:
    output = number.name
    process = start("spec.toml", output, *nodes.launcher)
    wait_for(lambda: stored(output) and nodes.workers(), process)
    busy = {*below(process.pid), *nodes.tasks(), *(pid for task in nodes.tasks() for pid in below(task))}
    process.send_signal(number)
    said = finish(process, -number if number == signal.SIGKILL else 128 + number)
    wait_for(lambda: not busy & {pid for pid, _, _ in all_processes()})
    kept = stored(output)
    assert 0 < kept < 12
    if number == signal.SIGINT:
        assert f"interrupted; {12 - kept} runs are missing. To go on: xprun spec.toml" in said
        assert "--launcher" in said
    again = finish(start("spec.toml", output, *nodes.launcher))
    assert f"{kept} cached, {12 - kept} to run" in again
    assert_same(output)
