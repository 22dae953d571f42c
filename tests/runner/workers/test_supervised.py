"""A function is called in another process, and whatever becomes of that process, this one goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from xprun.runner.execution.launchers import processes
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.results.outcome import Outcome
from xprun.runner.workers import crew as crew_module
from xprun.runner.workers import hiring
from xprun.runner.workers.crew import Crew, Worker, crew, release
from xprun.runner.workers.deaths import FalseStart, ServerGone
from xprun.runner.workers.hiring import ForkServer, Hirer, HiringError
from xprun.runner.workers.supervised import WorkerError, supervised
from xprun.runner.workers.worker import End


@pytest.fixture(params=["forked", "started anew"])
def _a_crew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let workers be forked by a server that imports nothing beforehand, or be started one by one."""
    monkeypatch.setattr(crew_module, "PRELOADED", ())
    monkeypatch.setattr(crew_module, "FORKS", request.param == "forked" and sys.platform.startswith("linux"))
    crew = Crew()
    monkeypatch.setattr(crew_module._mine, "crew", crew)
    yield
    crew.close()


pytestmark = [
    pytest.mark.usefixtures("_a_crew"),
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX"),
]


def test_a_function_is_called_in_another_process_which_is_used_again() -> None:
    worker = supervised(os.getpid)
    assert worker != os.getpid()
    assert supervised(os.getpid) == worker
    assert supervised(divmod, 7, 2) == (3, 1)


def test_what_the_function_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        supervised(divmod, 1, 0)
    assert "In the worker:\nTraceback" in raised.value.__notes__[0]
    with pytest.raises(FileNotFoundError):
        supervised(os.stat, "/there/is/none")
    assert supervised(divmod, 7, 2) == (3, 1)


def test_no_code_of_a_component_is_run_to_tell_what_it_raised(tmp_path: Path) -> None:
    thing = f"class Thing:\n    def __reduce__(self): return open, ({str(tmp_path / 'made')!r}, 'w')\n"
    with pytest.raises(WorkerError, match="ValueError"):
        supervised(exec, f"{thing}raise ValueError('x', Thing())", {})
    assert not list(tmp_path.iterdir())


def test_a_worker_is_brought_back_to_where_its_parent_stands_and_not_used_after_a_failure() -> None:
    here, path = Path.cwd(), sys.path
    worker = supervised(os.getpid)
    supervised(exec, "import os, sys; os.chdir('/'); os.environ.clear(); sys.path.clear(); sys.stdout.close()", {})
    assert supervised(os.getpid) == worker
    assert Path(supervised(os.getcwd)) == here
    assert supervised(os.getenv, "PATH") == os.environ["PATH"]
    assert supervised(eval, "__import__('sys').path, __import__('sys').stdout.closed") == (path, False)
    with pytest.raises(ZeroDivisionError):
        supervised(divmod, 1, 0)
    assert supervised(os.getpid) != worker


def test_a_fork_that_a_component_forgets_does_not_answer_for_the_worker() -> None:
    for _ in range(3):
        supervised(exec, "import os\nif os.fork() == 0: raise SystemExit", {})
        assert supervised(divmod, 7, 2) == (3, 1)


def answer_too_much(cohort: Cohort) -> Iterator[list[Outcome]]:
    for run in [*cohort.runs, *cohort.runs]:
        yield [Outcome(run.id, "done"), Outcome("another", "done")]


def test_only_one_outcome_of_each_run_that_is_asked_for_is_believed() -> None:
    runs: list[Any] = [SimpleNamespace(id=name, settings=SimpleNamespace(timeout=None)) for name in "ab"]
    ended = [outcome.run for outcomes in processes([Cohort(runs)], answer_too_much, 1) for outcome in outcomes]
    assert ended == ["a", "b"]


def test_a_component_can_end_what_it_has_started() -> None:
    program = "import subprocess; p = subprocess.Popen(['sleep', '9']); p.terminate(); assert p.wait() == -15"
    supervised(exec, program, {})


def test_where_there_is_no_stdout_what_is_printed_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    supervised(print, "nobody hears it")


def test_an_idle_worker_is_not_kept_beside_a_fresh_one() -> None:
    supervised(os.getpid)
    fresh = crew().take(fresh=True)
    assert list(crew()._workers.values()) == [fresh]
    assert fresh.tasks == 0


def test_nothing_is_left_in_a_thread_that_has_done_its_work() -> None:
    left: list[Hirer | None] = []

    def work() -> None:
        supervised(os.getpid)
        release()
        left.append(crew()._hirer)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert left == [None]


def test_a_value_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises((TypeError, WorkerError), match="pickle"):
        supervised(sys._getframe)


def test_the_death_of_the_worker_is_an_error_and_the_next_call_finds_another() -> None:
    worker = supervised(os.getpid)
    with pytest.raises(WorkerError, match=r"exited with code 3"):
        supervised(os._exit, 3)
    with pytest.raises(WorkerError, match=r"was ended by SIGABRT \(Aborted\)"):
        supervised(os.abort)
    assert supervised(os.getpid) not in (worker, os.getpid())


SPOILERS = [
    "import sys; sys.stdout.close()",
    "import sys; sys.stdout = sys.stderr = None",
    "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
    "import sys; sys.settrace(lambda *args: 1 / 0)",
]


def asleep() -> Worker:
    """Return a worker at a task that it will not end."""
    worker = crew().take()
    crew().give(worker, time.sleep, 10**6)
    while not worker.begun:
        crew().hear()
    worker.heard.clear()
    return worker


def test_what_spoils_a_worker_harms_no_other() -> None:
    sleeper = asleep()
    for spoiler in SPOILERS:
        worker = crew().take(fresh=True)
        crew().give(worker, exec, spoiler, {})
        crew().answer(worker)
        crew().hear(0.05)
    assert not sleeper.heard


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is no server")
def test_when_the_server_dies_whoever_waits_for_a_worker_hears_of_it() -> None:
    sleeper = asleep()
    server = crew()._hirer
    if isinstance(server, ForkServer):
        server._process.kill()
        server._process.wait()
        assert supervised(divmod, 7, 2) == (3, 1)
        assert list(sleeper.heard) == [ServerGone()]


def test_a_worker_that_dies_before_it_begins_costs_neither_its_task_nor_the_others() -> None:
    sleeper = asleep()
    worker = crew().take()
    crew()._signal(worker, 9)
    crew().give(worker, divmod, 7, 2)
    assert crew().answer(worker) == FalseStart()
    assert supervised(divmod, 7, 2) == (3, 1)
    assert not sleeper.heard


def test_where_nothing_can_be_forked_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiring, "START", f"import os; os.fork = lambda: os.open('/there/is/none', 0); {hiring.START}")
    if crew_module.FORKS:
        with pytest.raises(HiringError, match="want of processes"):
            supervised(divmod, 7, 2)


def test_what_takes_longer_than_its_limit_is_ended_and_told_where_it_was() -> None:
    with pytest.raises(WorkerError, match=r"took longer than run.timeout = 0.2 s"):
        supervised(time.sleep, 10**6, limit=0.2)
    assert supervised(divmod, 7, 2, limit=10.0) == (3, 1)


def test_time_in_which_the_parent_does_not_listen_is_no_time_of_a_worker() -> None:
    worker = crew().take()
    crew().give(worker, print, "x" * 10**6, limit=0.5)  # more than a pipe holds
    while not worker.begun:
        crew().hear()
    time.sleep(0.8)
    assert isinstance(crew().answer(worker), End)


def test_a_worker_stands_where_its_parent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XPRUN_TEST", "here")
    assert Path(supervised(os.getcwd)) == tmp_path
    assert supervised(os.getenv, "XPRUN_TEST") == "here"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a thread watches, which needs its turn")
def test_a_worker_dies_with_its_parent_even_while_it_hangs(tmp_path: Path) -> None:
    program = (
        "import os, itertools, threading\n"  # no guard of __main__: it is not imported by a worker
        "from xprun.runner.workers import crew\n"
        f"crew.PRELOADED, crew.FORKS = (), {crew_module.FORKS}\n"
        "from xprun.runner.workers.supervised import supervised\n"
        "print(supervised(os.getpid), flush=True)\n"
        "threading.Timer(0.3, os._exit, (9,)).start()\n"
        "supervised(sum, itertools.repeat(0))\n"
    )
    (tmp_path / "script.py").write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    assert_gone(int(done.stdout))


def assert_gone(pid: int) -> None:
    """See that a process ends within two seconds."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} is still there")
