"""A function is called in another process, and whatever becomes of that process, this one goes on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from xprun.runner.workers import isolated
from xprun.runner.workers.isolated import Meanwhile, WorkerError, run_isolated
from xprun.runner.workers.parent_link import now_training
from xprun.runner.workers.pool import WorkerPool

pytestmark = [
    pytest.mark.usefixtures("pool"),
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX"),
]


def test_a_function_is_called_in_another_process_which_is_used_again() -> None:
    worker = run_isolated(os.getpid)
    assert worker != os.getpid()
    assert run_isolated(os.getpid) == worker
    assert run_isolated(divmod, 7, 2) == (3, 1)


def test_what_the_function_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        run_isolated(divmod, 1, 0)
    assert "In the worker:\nTraceback" in raised.value.__notes__[0]
    with pytest.raises(FileNotFoundError):
        run_isolated(os.stat, "/there/is/none")
    assert run_isolated(divmod, 7, 2) == (3, 1)


def test_no_code_of_a_component_is_run_to_tell_what_it_raised(tmp_path: Path) -> None:
    thing = f"class Thing:\n    def __reduce__(self): return open, ({str(tmp_path / 'made')!r}, 'w')\n"
    with pytest.raises(WorkerError, match="ValueError"):
        run_isolated(exec, f"{thing}raise ValueError('x', Thing())", {})
    assert not list(tmp_path.iterdir())


def test_a_worker_is_brought_back_to_where_its_parent_stands_and_not_used_after_a_failure() -> None:
    here, path = Path.cwd(), sys.path
    worker = run_isolated(os.getpid)
    run_isolated(exec, "import os, sys; os.chdir('/'); os.environ.clear(); sys.path.clear(); sys.stdout.close()", {})
    assert run_isolated(os.getpid) == worker
    assert Path(run_isolated(os.getcwd)) == here
    assert run_isolated(os.getenv, "PATH") == os.environ["PATH"]
    assert run_isolated(eval, "__import__('sys').path, __import__('sys').stdout.closed") == (path, False)
    with pytest.raises(ZeroDivisionError):
        run_isolated(divmod, 1, 0)
    assert run_isolated(os.getpid) != worker


def test_a_fork_that_a_component_forgets_does_not_answer_for_the_worker() -> None:
    for _ in range(3):
        run_isolated(exec, "import os\nif os.fork() == 0: raise SystemExit", {})
        assert run_isolated(divmod, 7, 2) == (3, 1)


def test_a_component_can_end_what_it_has_started() -> None:
    program = "import subprocess; p = subprocess.Popen(['sleep', '9']); p.terminate(); assert p.wait() == -15"
    run_isolated(exec, program, {})


def test_where_there_is_no_stdout_what_is_printed_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    run_isolated(print, "nobody hears it")


def test_a_value_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises((TypeError, WorkerError), match="pickle"):
        run_isolated(sys._getframe)


def test_the_death_of_the_worker_is_an_error_and_the_next_call_finds_another() -> None:
    worker = run_isolated(os.getpid)
    with pytest.raises(WorkerError, match=r"exited with code 3"):
        run_isolated(os._exit, 3)
    with pytest.raises(WorkerError, match=r"was ended by SIGABRT \(Aborted\)"):
        run_isolated(os.abort)
    assert run_isolated(os.getpid) not in (worker, os.getpid())


def test_what_takes_longer_than_its_limit_is_ended_and_told_where_it_was() -> None:
    with pytest.raises(WorkerError, match=r"took longer than run.timeout = 0.2 s"):
        run_isolated(time.sleep, 10**6, limit=0.2)
    assert run_isolated(divmod, 7, 2, limit=10.0) == (3, 1)


def test_a_worker_stands_where_its_parent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XPRUN_TEST", "here")
    assert Path(run_isolated(os.getcwd)) == tmp_path
    assert run_isolated(os.getenv, "XPRUN_TEST") == "here"


@pytest.mark.parametrize("limit", [1e300, 1e15, 3e6])
def test_a_limit_may_be_longer_than_the_system_can_wait(limit: float) -> None:
    assert run_isolated(time.sleep, 0.2, limit=limit) is None


def long_call() -> int:
    now_training(["a run"])
    time.sleep(1.0)
    return os.getpid()


@pytest.mark.parametrize("wanted", [True, False])
def test_other_workers_get_ready_in_the_course_of_a_long_call(
    wanted: bool, pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "LONG", 0.1)
    ready = Meanwhile(2, "a program", os.getpid)
    run_isolated(long_call, purpose="a program", meanwhile=ready)
    ready.end(wanted=wanted)
    known = set(pool.workers)
    assert len(known) == (3 if wanted else 1)
    taken = [pool.acquire("a program") for _ in range(3)]
    assert {worker.key for worker in taken} & known == known


def test_a_short_call_is_over_before_others_begin(pool: WorkerPool) -> None:
    ready = Meanwhile(2, "a program", os.getpid)
    run_isolated(divmod, 7, 2, meanwhile=ready)
    ready.end(wanted=True)
    assert len(pool.workers) == 1


def test_those_that_fail_to_get_ready_are_ended(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "LONG", 0.1)
    ready = Meanwhile(1, "a program", divmod, 1, 0)
    run_isolated(long_call, meanwhile=ready)
    ready.end(wanted=True)
    assert len(pool.workers) == 1
