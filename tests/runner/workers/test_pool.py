"""A worker that hangs, dies, or is spoilt costs no other one, and nothing is left of any."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from xprun.plugins.discovery import open_registry
from xprun.runner.execution.dispatcher import Dispatcher, Task
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.results.outcome import Outcome
from xprun.runner.workers import spawner as spawners
from xprun.runner.workers.exits import ForkServerExit, StartFailure, WorkerExit
from xprun.runner.workers.handle import Worker
from xprun.runner.workers.isolated import WorkerError, run_isolated
from xprun.runner.workers.messages import Result
from xprun.runner.workers.pool import WorkerPool, get_pool, release_pool, set_pool
from xprun.runner.workers.spawner import (
    ForkSpawner,
    Spawner,
    SubprocessSpawner,
    WorkerStartError,
    default_spawner,
    start_ahead,
)
from xprun.specs import RunSettings

pytestmark = [
    pytest.mark.usefixtures("pool"),
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX"),
]


def answer_too_much(cohort: Cohort) -> Iterator[list[Outcome]]:
    for run in [*cohort.runs, *cohort.runs]:
        yield [Outcome(run.id, "done"), Outcome("another", "done")]


def test_only_one_outcome_of_each_run_that_is_asked_for_is_believed() -> None:
    parts = {section: SimpleNamespace(identity="") for section in ("data", "model", "loss")}
    whole = {"settings": RunSettings(), "choices": parts, "run_choice": None, "seed": 0}
    runs: list[Any] = [SimpleNamespace(id=name, **whole) for name in "ab"]
    dispatcher = Dispatcher(get_pool(), answer_too_much, 1, deque([Task(runs, "")]))
    ended = [outcome.run for outcomes in dispatcher.outcomes() for outcome in outcomes]
    assert ended == ["a", "b"]


def test_an_idle_worker_is_not_kept_beside_a_fresh_one(pool: WorkerPool) -> None:
    run_isolated(os.getpid)
    fresh = pool.acquire(fresh=True)
    assert list(pool.workers.values()) == [fresh]
    assert fresh.task_count == 0


def test_nothing_is_left_in_a_thread_that_has_done_its_work(pool: WorkerPool) -> None:
    left: list[Spawner | None] = []

    def work() -> None:
        set_pool(WorkerPool(pool.make_spawner))
        run_isolated(os.getpid)
        release_pool()
        left.append(get_pool().spawner)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert left == [None]


def run_components(folder: Path) -> int:
    """Import a file of components, and return the process in which that was done."""
    file = folder / "own.py"
    file.write_text("", encoding="utf-8")
    open_registry((file,))
    return os.getpid()


def test_where_components_have_run_nothing_else_does_but_what_has_the_same_purpose(tmp_path: Path) -> None:
    worker = run_isolated(run_components, tmp_path)
    assert run_isolated(os.getpid) != worker
    worker = run_isolated(run_components, tmp_path, purpose="pictures")
    assert run_isolated(run_components, tmp_path, purpose="pictures") == worker
    assert run_isolated(os.getpid) != worker
    assert run_isolated(os.getpid, purpose="others") != worker


def test_a_worker_that_was_started_ahead_is_the_next_fresh_one(pool: WorkerPool) -> None:
    run_isolated(os.getpid)
    pool.start_ahead()
    pool.start_ahead()
    assert len(pool.workers) == 2
    assert pool.acquire(fresh=True) is list(pool.workers.values())[-1]


WARM = """
import os
done_in = []
def warm_up():
    done_in.append(os.getpid())
"""
WHERE = "import sys, os; assert (os.getpid() in sys.modules['warm_module'].done_in) is {}"


@pytest.mark.parametrize("warm", [True, False])
def test_a_worker_that_may_use_a_core_until_its_task_is_warm_then(
    pool: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    only_forked(pool)
    (tmp_path / "warm_module.py").write_text(WARM, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    pool.make_spawner = lambda: ForkSpawner(preloaded=("warm_module",))
    pool.prepare()
    pool.start_ahead(warm=warm)
    for is_warm in (warm, False):
        worker = pool.acquire(fresh=True)
        pool.submit(worker, exec, WHERE.format(is_warm), {})
        assert isinstance(pool.wait(worker), Result)


def test_workers_to_come_find_a_module_that_they_will_need(pool: WorkerPool) -> None:
    only_forked(pool)
    for preloaded in (False, True):
        worker = pool.acquire(fresh=True)
        pool.submit(worker, exec, f"import sys; assert ('colorsys' in sys.modules) is {preloaded}", {})
        assert isinstance(pool.wait(worker), Result)
        pool.preload("colorsys")
        pool.preload("no_such_module")  # whoever needs it tells


SPOILERS = [
    "import sys; sys.stdout.close()",
    "import sys; sys.stdout = sys.stderr = None",
    "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
    "import sys; sys.settrace(lambda *args: 1 / 0)",
]


def print_half_a_line() -> None:
    print("half a line", end="")


def test_what_arrives_after_the_result_is_not_mixed_with_the_next_task(
    pool: WorkerPool, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = pool.acquire()
    for _ in range(2):
        pool.submit(worker, print_half_a_line)
        while not any(isinstance(message, Result) for message in worker.messages):
            with contextlib.suppress(BlockingIOError):
                worker.receive(time.monotonic())  # and not what it printed
        worker.messages.clear()
        pool.release(worker)
        worker = pool.acquire()
    assert capfd.readouterr().out == 2 * "half a line\n"


def asleep(pool: WorkerPool) -> Worker:
    """Return a worker at a task that it will not end."""
    worker = pool.acquire()
    pool.submit(worker, time.sleep, 10**6)
    while not worker.has_started:
        pool.poll()
    worker.messages.clear()
    return worker


def test_what_spoils_a_worker_harms_no_other(pool: WorkerPool) -> None:
    sleeper = asleep(pool)
    for spoiler in SPOILERS:
        worker = pool.acquire(fresh=True)
        pool.submit(worker, exec, spoiler, {})
        pool.wait(worker)
        pool.poll(0.05)
    assert not sleeper.messages


def test_when_the_server_dies_whoever_waits_for_a_worker_hears_of_it(pool: WorkerPool) -> None:
    sleeper = asleep(pool)
    spawner = pool.spawner
    if isinstance(spawner, ForkSpawner):
        spawner.server.kill()
        spawner.server.wait()
        assert run_isolated(divmod, 7, 2) == (3, 1)
        assert list(sleeper.messages) == [ForkServerExit()]


KILL = "import os, signal; os.kill(os.getppid(), signal.{})"


def only_forked(pool: WorkerPool) -> None:
    if pool.make_spawner is SubprocessSpawner:
        pytest.skip("there is no process from which workers are forked")


def test_what_ends_the_process_that_forks_workers_is_not_tried_for_ever(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    only_forked(pool)
    with pytest.raises(WorkerError, match="has ended 2 times in a row"):
        run_isolated(exec, f"{KILL.format('SIGKILL')}; import time; time.sleep(77)", {})
    assert run_isolated(divmod, 7, 2) == (3, 1)
    assert caplog.text.count("another one is started") == 2


def test_the_process_that_forks_workers_goes_on_when_it_was_stopped(pool: WorkerPool) -> None:
    only_forked(pool)
    run_isolated(exec, KILL.format("SIGSTOP"), {})
    assert run_isolated(divmod, 7, 2) == (3, 1)
    worker = pool.acquire(fresh=True)
    pool.submit(worker, exec, f"{KILL.format('SIGSTOP')}; os._exit(3)", {})
    answer = pool.wait(worker)
    assert isinstance(answer, WorkerExit)
    assert answer.status == 3


DAEMONS = {
    "forks twice": "os.fork() or (os.setsid(), os.fork() or tell(), os._exit(0))",
    "forks three times": "os.fork() or (os.setsid(), os.fork() or (os.setsid(), os.fork() or tell(), os._exit(0)))",
    "is another program": "tell(Popen(['sh', '-c', 'sleep 77 & sleep 77'], start_new_session=True).pid)",
    "has children": "os.fork() or (os.setsid(), os.fork() or (tell(), os.fork(), time.sleep(77)), os._exit(0))",
}
DAEMON = """
import os, time
from pathlib import Path
from subprocess import Popen

def tell(pid=0):
    Path({file!r}).write_text(str(pid or os.getpid()))
    if not pid:
        time.sleep(77)

{call}
while not Path({file!r}).exists() or not Path({file!r}).read_text():
    time.sleep(0.01)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nobody adopts orphans")
@pytest.mark.parametrize("kind", DAEMONS)
@pytest.mark.parametrize("end", ["discard", "close"])
def test_a_daemon_ends_with_its_worker(pool: WorkerPool, tmp_path: Path, kind: str, end: str) -> None:
    only_forked(pool)
    sleeper, file = asleep(pool), tmp_path / "pid"
    worker = pool.acquire(fresh=True)
    pool.submit(worker, exec, DAEMON.format(file=str(file), call=DAEMONS[kind]), {})
    assert isinstance(pool.wait(worker), Result)
    os.kill(int(file.read_text()), 0)
    if end == "discard":
        pool.discard(worker)
    else:
        pool.close()
    assert_gone(int(file.read_text()))
    assert not sleeper.messages or end == "close"


def test_a_worker_that_dies_before_it_begins_costs_neither_its_task_nor_the_others(pool: WorkerPool) -> None:
    sleeper = asleep(pool)
    worker = pool.acquire()
    pool.signal(worker, 9)
    pool.submit(worker, divmod, 7, 2)
    assert pool.wait(worker) == StartFailure()
    assert run_isolated(divmod, 7, 2) == (3, 1)
    assert not sleeper.messages


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is forked")
def test_where_nothing_can_be_forked_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os; os.fork = lambda: os.open('/there/is/none', 0)"
    (tmp_path / "no_forks.py").write_text(program, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = WorkerPool(lambda: ForkSpawner(preloaded=("no_forks",)))
    set_pool(pool)
    with pytest.raises(WorkerStartError, match="want of processes"):
        run_isolated(divmod, 7, 2)
    pool.close()


HALF_A_MESSAGE = r"""
import os, time
for descriptor in range(3, 30):
    try:
        os.write(descriptor, b"\x89xpr\0")
    except OSError:
        pass
time.sleep(1000)
"""


def test_half_a_message_stops_nobody_and_no_time_limit(pool: WorkerPool) -> None:
    worker = pool.acquire()
    pool.submit(worker, exec, HALF_A_MESSAGE, {}, limit=0.5)
    assert run_isolated(divmod, 7, 2) == (3, 1)
    answer = pool.wait(worker)
    assert isinstance(answer, WorkerExit)
    assert answer.timed_out


def test_time_in_which_the_parent_does_not_listen_is_no_time_of_a_worker(pool: WorkerPool) -> None:
    worker = pool.acquire()
    pool.submit(worker, print, "x" * 10**6, limit=0.5)  # more than a pipe holds
    while not worker.has_started:
        pool.poll()
    time.sleep(0.8)
    assert isinstance(pool.wait(worker), Result)


STOPPED = """
import os
from xprun.runner.workers.isolated import run_isolated
from xprun.runner.workers.pool import WorkerPool, set_pool
from xprun.runner.workers.spawner import ForkSpawner, SubprocessSpawner

set_pool(WorkerPool({spawner}))
print(run_isolated(os.getpid), flush=True)
run_isolated(exec, "import time\\nfor _ in range(20): time.sleep(0.05)", {{}}, limit=3.0)
print("done", flush=True)
"""


@pytest.mark.parametrize("stops", [[4.0], [2.0, 2.0], [1.2, 1.2, 1.2]], ids=str)
def test_time_in_which_everything_is_stopped_is_no_time_of_a_worker(
    tmp_path: Path, pool: WorkerPool, stops: list[float]
) -> None:
    spawner = "SubprocessSpawner" if pool.make_spawner is SubprocessSpawner else "lambda: ForkSpawner(())"
    (tmp_path / "script.py").write_text(STOPPED.format(spawner=spawner), encoding="utf-8")
    with subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout
        everything = script.pid, int(script.stdout.readline())
        for seconds in stops:
            time.sleep(0.1)
            for number, wait in ((signal.SIGSTOP, seconds), (signal.SIGCONT, 0.0)):
                for pid in everything:
                    os.kill(pid, number)
                time.sleep(wait)
        assert script.stdout.read() == "done\n"


WITHOUT_GUARD = """
import os, itertools, threading
from xprun.runner.workers.isolated import run_isolated
from xprun.runner.workers.pool import WorkerPool, set_pool
from xprun.runner.workers.spawner import ForkSpawner, SubprocessSpawner

set_pool(WorkerPool({spawner}))
print(run_isolated(os.getpid), flush=True)
print(run_isolated(eval, "__import__('subprocess').Popen(['sleep', '77']).pid"), flush=True)
daemon = "__import__('subprocess').run('setsid sleep 77 >&- 2>&- & echo $!', shell=True, capture_output=True).stdout"
print(int(run_isolated(eval, daemon)), flush=True)
threading.Timer(0.3, os.kill, (os.getpid(), 9)).start()
run_isolated(sum, itertools.repeat(0))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a thread watches, which needs its turn")
def test_a_worker_dies_with_its_parent_even_while_it_hangs(tmp_path: Path, pool: WorkerPool) -> None:
    is_forked = pool.make_spawner is not SubprocessSpawner
    spawner = "lambda: ForkSpawner(())" if is_forked else "SubprocessSpawner"
    (tmp_path / "script.py").write_text(WITHOUT_GUARD.format(spawner=spawner), encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True, check=False)
    worker, helper, daemon = map(int, done.stdout.split())
    assert done.returncode == -9
    assert_gone(worker)
    if is_forked:
        assert_gone(helper)
        assert_gone(daemon)
    else:
        os.kill(helper, 9)
        os.kill(daemon, 9)


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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")
def test_what_workers_are_made_from_may_be_started_ahead() -> None:
    start_ahead()
    start_ahead()  # once is enough
    [started] = spawners._ahead
    ahead, other = default_spawner(), default_spawner()
    assert isinstance(ahead, ForkSpawner) and isinstance(other, ForkSpawner)
    assert ahead is started and other is not started
    pool = WorkerPool(lambda: ahead)
    worker = pool.acquire()
    pool.submit(worker, os.getppid)
    assert pool.wait(worker) == Result(ahead.server.pid)  # type: ignore[attr-defined]
    pool.close()
    other.close()
