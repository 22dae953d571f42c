"""Gives tasks to workers, and finds the run that has ended one: it is tried alone, and the others go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from xprun.plugins.machine import usable_cores
from xprun.runner.execution.places import PlaceError
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.layout import Layout
from xprun.runner.process.training_progress import tell
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.results.outcome import Outcome, Status
from xprun.runner.workers.exits import LONGEST, Exit, ForkServerExit, StartFailure, WorkerExit
from xprun.runner.workers.handle import Worker
from xprun.runner.workers.messages import Failure, Item, Message, Result, Reuse, RunsStarted
from xprun.runner.workers.pool import WorkerPool
from xprun.runner.workers.spawner import WorkerStartError
from xprun.specs import Run

Execute = Callable[[Cohort], Iterable[list[Outcome]]]
NO_OUTCOME = "it produced no result"
ENDS_SERVER = "it ended the process from which workers are forked, twice"


@dataclass(eq=False)
class Task:
    """Runs that are given to a worker at once. `fresh`: it must be one that has done nothing before."""

    pending: list[Run]  # those that have not ended
    program: str  # what they share with the other runs of their cohort
    is_part: bool = False  # whether there are any
    layout: Layout | None = None  # in which they go on
    fresh: bool = False
    training: list[str] = field(default_factory=list)  # the runs that are trained at the moment
    prepared: bool = False  # whether the data, model and loss that they share are there
    untouched: bool = True  # whether none of its runs has ended in the worker
    errored: bool = False  # whether one has, by a fault
    killed_before: bool = False  # whether somebody has killed a worker of its runs before
    by_itself: bool = False  # no other is to run beside it, because what workers are forked from ended while it ran

    def part(self, runs: list[Run], **how: Any) -> Task:
        """Return a task of some of its runs."""
        return Task(runs, self.program, self.is_part, **how)

    def suspects(self) -> list[Run]:
        """Return the runs that may have ended the worker: those in training, or all while that is prepared."""
        named = set(self.training)
        return [run for run in self.pending if run.id in named] or self.pending


@dataclass
class Dispatcher:
    """Gives tasks to workers, at most `size` at once, and finds the run that has ended one."""

    pool: WorkerPool
    execute: Execute
    size: int
    queue: deque[Task]
    running: dict[Worker, Task] = field(default_factory=dict)
    slots: dict[Worker, int] = field(default_factory=dict)  # the latest of each worker
    needs_fresh: bool = False  # whether components have run, so that each cohort takes a worker of its own

    def outcomes(self) -> Iterator[list[Outcome]]:
        """Yield the outcomes of all runs, as they come; an empty list where some have told how far they are."""
        while self.queue or self.running:
            self._submit()
            if not any(worker.messages for worker in self.running):
                self.pool.poll()
            if self._pass_on_progress():
                yield []
            for worker in list(self.running):
                while worker in self.running and worker.messages:
                    yield from self._handle(worker, worker.messages.popleft())

    def _pass_on_progress(self) -> bool:
        """Tell how far the runs are that are trained now; return whether any has told."""
        heard = False
        for worker, task in self.running.items():
            while worker.progress.told:
                progress = worker.progress.told.popleft()
                if {progress.unit, *progress.runs} <= {run.id for run in task.pending}:  # else they have ended
                    tell(progress)
                    heard = True
        return heard

    def stop(self) -> None:
        """Kill the workers that are still running, whatever the reason."""
        for worker in self.running:
            self.pool.discard(worker)

    def _submit(self) -> None:
        """Give tasks to workers, as long as there are both."""
        while self.queue and len(self.running) < self.size and not self._must_wait():
            try:
                worker = self.pool.acquire(self.queue[0].program, fresh=self.queue[0].fresh)
            except WorkerStartError:
                if not self.running:
                    raise
                self.size = len(self.running)  # so many there can be
                return
            task = self.running[worker] = self.queue.popleft()
            limit = task.pending[0].settings.timeout
            cohort = Cohort(task.pending, task.layout, task.is_part, self._slot_of(worker))
            self.pool.submit(worker, self.execute, cohort, limit=limit)
        if self.queue and self.needs_fresh:
            self.pool.start_ahead(warm=len(self.running) < usable_cores())

    def _slot_of(self, worker: Worker) -> int:
        """Return the least number that no other worker at work has; the one that it had before, if that is free.

        So each device has as many workers as any other, and a worker that goes on stays on its own.
        """
        taken = {self.slots[other] for other in self.running if other is not worker}
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        before = self.slots.get(worker, free)
        self.slots[worker] = free if before in taken else before
        return self.slots[worker]

    def _must_wait(self) -> bool:
        """Whether the next task, or one that runs, is to be by itself."""
        return bool(self.running) and any(task.by_itself for task in (self.queue[0], *self.running.values()))

    def _handle(self, worker: Worker, message: Message | Exit) -> Iterator[list[Outcome]]:
        """Yield the outcomes in a message of a worker, or those that follow from its end."""
        task = self.running[worker]
        match message:
            case RunsStarted(runs):
                task.prepared, task.training = True, runs
            case Item(outcomes):
                yield from self._take_outcomes(task, outcomes)
            case Failure(error=OutputError() | PlaceError() as error):  # no fault of a run
                raise error
            case Result() | Failure():
                del self.running[worker]
                self.needs_fresh |= worker.reuse is not Reuse.ANY
                if isinstance(message, Result) and not task.pending and not task.errored:
                    goes_on = bool(self.queue) and self.queue[0].program == task.program
                    self.pool.release(worker, task.program if goes_on else "")
                else:
                    self.pool.discard(worker)  # who knows what was left behind in it
                if isinstance(message, Result) and self._is_left_to_others(task, worker):
                    self._go_on_elsewhere(task)
                    return
                reason = message.words if isinstance(message, Failure) else NO_OUTCOME
                yield from self._fail_or_retry(task, worker, reason)
            case StartFailure():
                del self.running[worker]
                self.size = max(1, len(self.running))  # so many cannot be had at the moment
                self._again(task)
            case ForkServerExit():
                del self.running[worker]
                yield from self._after_server_exit(task, worker)
            case WorkerExit():
                del self.running[worker]
                yield from self._fail_or_retry(
                    task, worker, message.reason, timed_out=message.timed_out, killed=message.killed_by_others
                )

    def _again(self, task: Task) -> None:
        """Try what is left of a task once more, next."""
        if task.pending:
            self.queue.appendleft(task.part(task.pending, layout=task.layout, by_itself=task.by_itself))

    def _is_left_to_others(self, task: Task, worker: Worker) -> bool:
        """Whether a worker has left the rest of a task because something in it cannot be put back."""
        return worker.reuse is Reuse.NONE and bool(task.pending) and (len(task.pending) > 1 or not task.untouched)

    def _go_on_elsewhere(self, task: Task) -> None:
        """Leave the rest of a task to another worker; where no run has ended, any may have done it: each to its own."""
        parts = [[run] for run in task.pending] if task.untouched else [task.pending]
        self.queue.extendleft(task.part(runs) for runs in parts)

    def _after_server_exit(self, task: Task, worker: Worker) -> Iterator[list[Outcome]]:
        """Try a task by itself in whose time the process ended from which workers are forked.

        Any run that was at work may have done that, or somebody else. One that is at work by itself when it is done
        again has done it: yield its outcome.
        """
        if not task.pending:
            return
        suspects = task.suspects()
        if not worker.has_started:
            self._again(task)
        elif not task.by_itself:
            self.queue.append(task.part(task.pending, layout=task.layout, by_itself=True))
        elif task.prepared and len(suspects) > 1:
            self.queue.extend(task.part([run], by_itself=True) for run in suspects)
            self._rest(task, suspects)
        else:
            yield _outcomes(suspects, False, ENDS_SERVER)
            self._rest(task, suspects)

    def _rest(self, task: Task, suspects: list[Run]) -> None:
        """Go on next with the runs that are no suspects."""
        named = {run.id for run in suspects}
        if others := [run for run in task.pending if run.id not in named]:
            self.queue.appendleft(task.part(others))

    def _take_outcomes(self, task: Task, outcomes: list[Outcome]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of runs that were asked for, each once."""
        pending = {run.id for run in task.pending}
        ended = {outcome.run: outcome for outcome in outcomes if outcome.run in pending}
        task.pending, task.untouched = [run for run in task.pending if run.id not in ended], False
        task.errored |= any(outcome.errored for outcome in ended.values())
        if ended:
            yield list(ended.values())

    def _fail_or_retry(
        self, task: Task, worker: Worker, reason: str, *, timed_out: bool = False, killed: bool = False
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
        was_fresh = worker.task_count == 1 and task.untouched and not worker.ever_timed_out
        is_clear = timed_out or (was_fresh and killed <= task.killed_before)
        if is_clear and not task.prepared:
            yield _outcomes(suspects, timed_out, f"{reason}, while building its data, model and loss")
        elif is_clear and len(suspects) == 1:
            yield _outcomes(suspects, timed_out, reason)
        else:
            again = [[run] for run in suspects] if task.prepared else [suspects]
            fresh = len(again) == 1
            self.queue.extend(task.part(runs, fresh=fresh, killed_before=killed) for runs in again)
        self._rest(task, suspects)


def _outcomes(runs: list[Run], timed_out: bool, reason: str) -> list[Outcome]:
    status: Status = "timeout" if timed_out else "failed"
    return [Outcome(run.id, status, reason[:LONGEST]) for run in runs]
