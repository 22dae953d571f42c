"""Launchers: what executes cohorts. A distributed engine can be plugged in here without touching loops or store."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from xprun.plugins.registry import launcher
from xprun.runner.outcome import Outcome, Status
from xprun.runner.plan import Cohort
from xprun.runner.store.files import OutputError
from xprun.runner.store.snapshots import Layout
from xprun.runner.workers.crew import Crew, Worker, crew
from xprun.runner.workers.deaths import LONGEST, Death, Ending, FalseStart, ServerGone
from xprun.runner.workers.hiring import HiringError
from xprun.runner.workers.worker import End, Failure, Item, Said, Started, Training
from xprun.specs import Run

Execute = Callable[[Cohort], Iterable[list[Outcome]]]
NOTHING = "nothing came of it"


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
    shift = _Shift(crew(), execute, workers, deque(_Task(part.runs, part.layout) for part in parts))
    try:
        yield from shift.outcomes()
    finally:
        shift.end()


@dataclass(eq=False)
class _Task:
    """Runs that a worker is given at once. `fresh`: it must be one that has done nothing before."""

    left: list[Run]  # those that have not ended
    layout: Layout | None = None  # in which they go on
    fresh: bool = False
    training: list[str] = field(default_factory=list)  # the runs that are trained at the moment
    prepared: bool = False  # whether the data, model and loss that they share are there
    first: bool = True  # whether none of its runs has ended in the worker
    since: float = math.inf  # when what is done at the moment began
    asked_to_end: bool = False
    overdue: bool = False  # whether it is what is done at the moment that took too long

    def goes_on(self, training: list[str] | None = None) -> None:
        """Note that something new has begun."""
        self.since, self.overdue = time.monotonic(), False
        if training is not None:
            self.prepared, self.training = True, training

    @property
    def limit(self) -> float | None:
        """Seconds that what is done at the moment may take."""
        return self.left[0].settings.timeout if self.left else None

    @property
    def deadline(self) -> float:
        return math.inf if self.limit is None else self.since + self.limit

    def suspects(self) -> list[Run]:
        """Return the runs that may have ended the worker: those in training, or all while that is prepared."""
        named = set(self.training)
        return [run for run in self.left if run.id in named] or self.left


@dataclass
class _Shift:
    """The work of a launcher: tasks to be done, and who does which."""

    crew: Crew
    execute: Execute
    size: int
    todo: deque[_Task]
    busy: dict[Worker, _Task] = field(default_factory=dict)

    def outcomes(self) -> Iterator[list[Outcome]]:
        """Yield the outcomes of all runs, as they come."""
        while self.todo or self.busy:
            self._hand_out()
            self._wait()
            for worker in list(self.busy):
                while worker in self.busy and worker.heard:
                    yield from self._take(worker, worker.heard.popleft())

    def end(self) -> None:
        """Let nobody work any more, whatever has ended the shift."""
        for worker in self.busy:
            self.crew.drop(worker)

    def _hand_out(self) -> None:
        while self.todo and len(self.busy) < self.size:
            try:
                worker = self.crew.take(fresh=self.todo[0].fresh)
            except HiringError:
                if not self.busy:
                    raise
                self.size = len(self.busy)  # so many there can be
                return
            task = self.busy[worker] = self.todo.popleft()
            self.crew.give(worker, self.execute, Cohort(task.left, task.layout))

    def _wait(self) -> None:
        """Wait for a worker to say something; end those that take too long."""
        if any(worker.heard for worker in self.busy):
            return
        next_deadline = min((t.deadline for t in self.busy.values() if not t.asked_to_end), default=math.inf)
        self.crew.hear(None if math.isinf(next_deadline) else max(0.0, next_deadline - time.monotonic()))
        for worker, task in self.busy.items():
            if not worker.heard and not task.asked_to_end and time.monotonic() >= task.deadline:
                task.asked_to_end = task.overdue = True
                self.crew.end(worker, f"it took longer than run.timeout = {task.limit:g} s")

    def _take(self, worker: Worker, said: Said | Ending) -> Iterator[list[Outcome]]:
        """Yield the outcomes in what a worker says, or those that follow from its death."""
        task = self.busy[worker]
        match said:
            case Started():
                task.goes_on()
            case Training(runs):
                task.goes_on(runs)
            case Item(outcomes):
                ended = {outcome.run for outcome in outcomes}
                task.left, task.first = [run for run in task.left if run.id not in ended], False
                task.goes_on()
                yield outcomes
            case Failure(error=OutputError() as error):  # no fault of a run: nothing can be saved
                raise error
            case End() | Failure():
                del self.busy[worker]
                self.crew.put_back(worker)
                if task.left:
                    yield from self._broken(task, said.words if isinstance(said, Failure) else NOTHING, worker)
            case ServerGone() | FalseStart():
                del self.busy[worker]
                if isinstance(said, FalseStart):  # so many cannot be had at the moment
                    self.size = max(1, len(self.busy))
                self.todo.extendleft([_Task(task.left, task.layout)] if task.left else [])
            case Death():
                del self.busy[worker]
                if task.left:
                    yield from self._broken(task, said.reason, worker)

    def _broken(self, task: _Task, reason: str, worker: Worker) -> Iterator[list[Outcome]]:
        """Yield the outcomes of runs that have come to no end, as far as they are clear; the others are tried again.

        What ends a worker may be a consequence of what was done in it before, so that only a fresh one tells.
        """
        suspects = task.suspects()
        named = {run.id for run in suspects}
        rest = [run for run in task.left if run.id not in named]
        clear = task.overdue or (worker.tasks == 1 and task.first and not task.asked_to_end)
        again = [[run] for run in suspects] if task.prepared else [suspects]
        if clear and not task.prepared:
            yield _outcomes(task, suspects, f"{reason}; its data, model and loss were being made")
        elif clear and len(suspects) == 1:
            yield _outcomes(task, suspects, reason)
        else:
            self.todo.extend(_Task(runs, fresh=len(again) == 1) for runs in again)
        if rest:
            self.todo.appendleft(_Task(rest))


def _outcomes(task: _Task, runs: list[Run], reason: str) -> list[Outcome]:
    status: Status = "timeout" if task.overdue else "failed"
    return [Outcome(run.id, status, reason[:LONGEST]) for run in runs]
