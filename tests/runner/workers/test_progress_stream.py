"""How far a worker is reaches its parent without keeping the worker waiting, and without extending a time limit."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.progress import progress_of
from xprun.runner.execution.dispatcher import Dispatcher, Task
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.training_progress import TrainingProgress, heard_by, tell
from xprun.runner.results.outcome import Outcome
from xprun.runner.workers.exits import WorkerExit
from xprun.runner.workers.messages import Result
from xprun.runner.workers.pool import WorkerPool, get_pool
from xprun.runner.workers.progress_stream import AT_ONCE, progress_channel
from xprun.specs import RunSettings

pytestmark = [
    pytest.mark.usefixtures("pool"),
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX"),
]


def runs(*names: str) -> list[Any]:
    parts = {section: SimpleNamespace(identity="") for section in ("data", "model", "loss")}
    whole = {"settings": RunSettings(), "choices": parts, "run_choice": None, "seed": 0}
    return [SimpleNamespace(id=name, **whole) for name in names]


def train(cohort: Cohort) -> Iterator[list[Outcome]]:
    for told in (progress_of({"a": [1.0]}), progress_of({"other": [1.0]})):
        tell(told)
    yield [Outcome("a", "done")]


def test_what_a_worker_tells_is_heard_of_runs_that_it_was_given() -> None:
    heard: list[TrainingProgress] = []
    dispatcher = Dispatcher(get_pool(), train, 1, deque([Task(runs("a"), "")]))
    with heard_by(heard.append):
        outcomes = [[outcome.run for outcome in ended] for ended in dispatcher.outcomes()]
    assert [ended for ended in outcomes if ended] == [["a"]]
    assert heard in ([progress_of({"a": [1.0]})], [])  # where the run had ended when it was read


TELL = """
import time
from xprun.runner.process.training_progress import TrainingProgress, tell
runs = [f"run {{i}}" for i in range({runs})]
for _ in range({times}):
    tell(TrainingProgress("a", runs, len(runs), 1, 10, 1, 4.0, {{"loss": (1, [1.0] * len(runs))}}))
    time.sleep({pause})
"""


def test_who_only_tells_runs_out_of_time_like_anybody_else(pool: WorkerPool) -> None:
    worker = pool.acquire()
    pool.submit(worker, exec, TELL.format(runs=1, times=1000, pause=0.1), {}, limit=2.0)
    answer = pool.wait(worker)
    assert isinstance(answer, WorkerExit)
    assert answer.timed_out
    assert worker.progress.told


def test_a_worker_waits_for_no_parent_that_does_not_read(pool: WorkerPool) -> None:
    """What it tells is much more than the channel holds; that it ends at all is what is tested."""
    worker = pool.acquire()
    pool.submit(worker, exec, TELL.format(runs=200, times=3000, pause=0), {})
    time.sleep(0.5)  # in which nobody reads
    assert isinstance(pool.wait(worker), Result)
    assert 0 < len(worker.progress.told) <= AT_ONCE


def test_rubbish_is_no_progress_and_no_end() -> None:
    stream, telling = progress_channel()
    telling.send(b"\x80\x04rubbish")
    assert stream.forward()
    assert not stream.told
    telling.close()
    stream.close()
