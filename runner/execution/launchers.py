"""Launchers: what executes cohorts. A distributed engine can be plugged in here without touching loops or store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from xprun.plugins.registry import launcher
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.layout import Layout
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.results.outcome import Outcome, Status
from xprun.runner.workers.exits import LONGEST, Exit, ForkServerExit, StartFailure, WorkerExit
from xprun.runner.workers.handle import Worker
from xprun.runner.workers.messages import Failure, Item, Message, Result, RunsStarted
from xprun.runner.workers.pool import WorkerPool, get_pool
from xprun.runner.workers.spawner import WorkerStartError
from xprun.specs import Run

Execute = Callable[[Cohort], Iterable[list[Outcome]]]
NO_OUTCOME = "it produced no result"


@launcher("inline")
def inline(cohorts: list[Cohort], execute: Execute, workers: int) -> Iterator[list[Outcome]]:
    """One cohort after the other in this process: for a debugger."""
    for cohort in cohorts:
        yield from execute(cohort)


@launcher("processes")
def processes(cohorts: list[Cohort], execute: Execute, workers: int) -> Iterator[list[Outcome]]:
    """Cohorts, cut into parts where there are several workers, in supervised processes of this machine.

    Whatever ends a worker, the other runs go on. If several runs were trained together in it, each is tried alone, so
    that only the one that did it is `failed`, or `timeout` after `run.timeout` seconds.
    """
    parts = [part for cohort in cohorts for part in (cohort.split(2 * workers) if workers > 1 else [cohort])]
    tasks = deque(_Task(part.runs, part.layout) for part in parts)
    dispatcher = _Dispatcher(get_pool(), execute, workers, tasks)
    try:
        yield from dispatcher.outcomes()
    finally:
        dispatcher.stop()


@dataclass(eq=False)
class _Task:
    """Runs that are given to a worker at once. `fresh`: it must be one that has done nothing before."""

    pending: list[Run]  # those that have not ended
    layout: Layout | None = None  # in which they go on
    fresh: bool = False
    training: list[str] = field(default_factory=list)  # the runs that are trained at the moment
    prepared: bool = False  # whether the data, model and loss that they share are there
    untouched: bool = True  # whether none of its runs has ended in the worker
    errored: bool = False  # whether one has, by a fault
    killed_before: bool = False  # whether somebody has killed a worker of its runs before

    def suspects(self) -> list[Run]:
        """Return the runs that may have ended the worker: those in training, or all while that is prepared."""
        named = set(self.training)
        return [run for run in self.pending if run.id in named] or self.pending


@dataclass
class _Dispatcher:
    """Gives tasks to workers, at most `size` at once, and finds the run that has ended one."""

    pool: WorkerPool
    execute: Execute
    size: int
    queue: deque[_Task]
    running: dict[Worker, _Task] = field(default_factory=dict)

    def outcomes(self) -> Iterator[list[Outcome]]:
        """Yield the outcomes of all runs, as they come."""
        while self.queue or self.running:
            self._submit()
            if not any(worker.messages for worker in self.running):
                self.pool.poll()
            for worker in list(self.running):
                while worker in self.running and worker.messages:
                    yield from self._handle(worker, worker.messages.popleft())

    def stop(self) -> None:
        """Kill the workers that are still running, whatever the reason."""
        for worker in self.running:
            self.pool.discard(worker)

    def _submit(self) -> None:
        """Give tasks to workers, as long as there are both."""
        while self.queue and len(self.running) < self.size:
            try:
                worker = self.pool.acquire(fresh=self.queue[0].fresh)
            except WorkerStartError:
                if not self.running:
                    raise
                self.size = len(self.running)  # so many there can be
                return
            task = self.running[worker] = self.queue.popleft()
            limit = task.pending[0].settings.timeout
            self.pool.submit(worker, self.execute, Cohort(task.pending, task.layout), limit=limit)

    def _handle(self, worker: Worker, message: Message | Exit) -> Iterator[list[Outcome]]:
        """Yield the outcomes in a message of a worker, or those that follow from its end."""
        task = self.running[worker]
        match message:
            case RunsStarted(runs):
                task.prepared, task.training = True, runs
            case Item(outcomes):
                yield from self._take_outcomes(task, outcomes)
            case Failure(error=OutputError() as error):  # no fault of a run: nothing can be saved
                raise error
            case Result() | Failure():
                del self.running[worker]
                if isinstance(message, Result) and not task.pending and not task.errored:
                    self.pool.release(worker)
                else:
                    self.pool.discard(worker)  # who knows what was left behind in it
                reason = message.words if isinstance(message, Failure) else NO_OUTCOME
                yield from self._fail_or_retry(task, worker, reason)
            case ForkServerExit() | StartFailure():
                del self.running[worker]
                if isinstance(message, StartFailure):  # so many cannot be had at the moment
                    self.size = max(1, len(self.running))
                self.queue.extendleft([_Task(task.pending, task.layout)] if task.pending else [])
            case WorkerExit():
                del self.running[worker]
                yield from self._fail_or_retry(
                    task, worker, message.reason, timed_out=message.timed_out, killed=message.killed_by_others
                )

    def _take_outcomes(self, task: _Task, outcomes: list[Outcome]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of runs that were asked for, each once."""
        pending = {run.id for run in task.pending}
        ended = {outcome.run: outcome for outcome in outcomes if outcome.run in pending}
        task.pending, task.untouched = [run for run in task.pending if run.id not in ended], False
        task.errored |= any(outcome.errored for outcome in ended.values())
        if ended:
            yield list(ended.values())

    def _fail_or_retry(
        self, task: _Task, worker: Worker, reason: str, *, timed_out: bool = False, killed: bool = False
    ) -> Iterator[list[Outcome]]:
        """Yield the outcomes of pending runs as far as it is clear which one is guilty; the others are tried again.

        What ends a worker may be a consequence of what was done in it before, so that only a fresh one tells.
        What took too long is not tried again when it is clear which run did: that would take as long once more.
        Whoever has `killed` a worker, a user or a system without memory, need not have meant its runs: a second time
        tells.
        """
        if not task.pending:
            return
        suspects = task.suspects()
        named = {run.id for run in suspects}
        others = [run for run in task.pending if run.id not in named]
        was_fresh = worker.task_count == 1 and task.untouched and not worker.ever_timed_out
        is_clear = timed_out or (was_fresh and killed <= task.killed_before)
        if is_clear and not task.prepared:
            yield _outcomes(suspects, timed_out, f"{reason}, while building its data, model and loss")
        elif is_clear and len(suspects) == 1:
            yield _outcomes(suspects, timed_out, reason)
        else:
            again = [[run] for run in suspects] if task.prepared else [suspects]
            self.queue.extend(_Task(runs, fresh=len(again) == 1, killed_before=killed) for runs in again)
        if others:
            self.queue.appendleft(_Task(others))


def _outcomes(runs: list[Run], timed_out: bool, reason: str) -> list[Outcome]:
    status: Status = "timeout" if timed_out else "failed"
    return [Outcome(run.id, status, reason[:LONGEST]) for run in runs]
