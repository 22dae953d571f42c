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
from xprun.runner.workers.crew import Crew, Worker, crew
from xprun.runner.workers.deaths import LONGEST, Death, Ending, FalseStart, ServerGone
from xprun.runner.workers.hiring import HiringError
from xprun.runner.workers.worker import End, Failure, Item, Said, Training
from xprun.specs import Run

Execute = Callable[[Cohort], Iterable[list[Outcome]]]
NOTHING = "it produced no result"


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
    failed: bool = False  # whether one has, by a fault
    killed: bool = False  # whether its runs have seen their worker killed before

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
            if not any(worker.heard for worker in self.busy):
                self.crew.hear()
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
            limit = task.left[0].settings.timeout
            self.crew.give(worker, self.execute, Cohort(task.left, task.layout), limit=limit)

    def _take(self, worker: Worker, said: Said | Ending) -> Iterator[list[Outcome]]:
        """Yield the outcomes in what a worker says, or those that follow from its death."""
        task = self.busy[worker]
        match said:
            case Training(runs):
                task.prepared, task.training = True, runs
            case Item(outcomes):
                asked = {run.id for run in task.left}
                ended = {outcome.run: outcome for outcome in outcomes if outcome.run in asked}
                task.left, task.first = [run for run in task.left if run.id not in ended], False
                task.failed |= any(outcome.errored for outcome in ended.values())
                if ended:
                    yield list(ended.values())
            case Failure(error=OutputError() as error):  # no fault of a run: nothing can be saved
                raise error
            case End() | Failure():
                del self.busy[worker]
                if isinstance(said, End) and not task.left and not task.failed:
                    self.crew.put_back(worker)
                else:
                    self.crew.drop(worker)  # who knows what was left behind in it
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
                    yield from self._broken(task, said.reason, worker, overdue=said.overdue, killed=said.is_kill)

    def _broken(
        self, task: _Task, reason: str, worker: Worker, *, overdue: bool = False, killed: bool = False
    ) -> Iterator[list[Outcome]]:
        """Yield the outcomes of runs that have come to no end, as far as they are clear; the others are tried again.

        What ends a worker may be a consequence of what was done in it before, so that only a fresh one tells.
        What took too long is not tried again when it is clear which run did: that would take as long once more.
        Whoever has `killed` a worker, a user or a system without memory, need not have meant its runs: a second time
        tells.
        """
        suspects = task.suspects()
        named = {run.id for run in suspects}
        rest = [run for run in task.left if run.id not in named]
        is_fresh = worker.tasks == 1 and task.first and not worker.was_overdue
        clear = overdue or (is_fresh and killed <= task.killed)
        again = [[run] for run in suspects] if task.prepared else [suspects]
        if clear and not task.prepared:
            yield _outcomes(suspects, overdue, f"{reason}, while building its data, model and loss")
        elif clear and len(suspects) == 1:
            yield _outcomes(suspects, overdue, reason)
        else:
            self.todo.extend(_Task(runs, fresh=len(again) == 1, killed=killed) for runs in again)
        if rest:
            self.todo.appendleft(_Task(rest))


def _outcomes(runs: list[Run], overdue: bool, reason: str) -> list[Outcome]:
    status: Status = "timeout" if overdue else "failed"
    return [Outcome(run.id, status, reason[:LONGEST]) for run in runs]
