"""The workers of a machine are spread over its GPUs."""

from __future__ import annotations

import pickle
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from xprun.runner.execution.cost_estimate import Cost, best_workers
from xprun.runner.execution.dispatcher import Dispatcher, Task
from xprun.runner.execution.worker_context import Context
from xprun.runner.job import Job, Options
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.results.outcome import Outcome
from xprun.runner.workers.messages import Item, Result, Reuse
from xprun.runner.workload import devices
from xprun.runner.workload.devices import DeviceError, all_of
from xprun.specs import RunSettings

TWO = ("cuda:0", "cuda:1")


@dataclass(eq=False)
class FakeWorker:
    messages: deque[Any] = field(default_factory=deque)
    progress: Any = field(default_factory=lambda: SimpleNamespace(told=deque()))
    reuse: Reuse = Reuse.ANY


class FakePool:
    """Workers that end their tasks in the order in which they were given, and tell which of them ran at once."""

    def __init__(self) -> None:
        self.idle: list[FakeWorker] = []
        self.running: list[tuple[FakeWorker, Cohort]] = []
        self.seen: list[tuple[FakeWorker, int]] = []
        self.together: list[list[int]] = []

    def acquire(self, purpose: str, *, fresh: bool = False) -> FakeWorker:
        return self.idle.pop() if self.idle else FakeWorker()

    def submit(self, worker: FakeWorker, execute: Any, cohort: Cohort, *, limit: float | None) -> None:
        self.running.append((worker, cohort))
        self.seen.append((worker, cohort.slot))

    def poll(self) -> None:
        self.together.append([cohort.slot for _, cohort in self.running])
        worker, cohort = self.running.pop(0)
        worker.messages += [Item([Outcome(run.id, "done") for run in cohort.runs]), Result()]

    def release(self, worker: FakeWorker, purpose: str = "") -> None:
        self.idle.append(worker)


def spread(workers: int, tasks: int) -> FakePool:
    """Have so many tasks done by so many workers."""
    pool: Any = FakePool()
    runs: list[Any] = [SimpleNamespace(id=str(i), settings=RunSettings()) for i in range(tasks)]
    dispatcher = Dispatcher(pool, lambda cohort: [], workers, deque(Task([run], "", is_part=True) for run in runs))
    assert sorted(o.run for outcomes in dispatcher.outcomes() for o in outcomes) == sorted(run.id for run in runs)
    return pool  # type: ignore[no-any-return]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_at_once_are_spread_evenly(workers: int) -> None:
    """Guards `-j 4 --device cuda`, which put four workers on one GPU."""
    context, pool = Context("cuda:0", devices=TWO), spread(workers, 9)
    for slots in pool.together:
        found = Counter(context.in_slot(slot).device for slot in slots)
        assert max(found[device] for device in TWO) - min(found[device] for device in TWO) <= 1 + (len(slots) < workers)
    assert {context.in_slot(slot).device for _, slot in pool.seen} == set(TWO[:workers])


def test_a_worker_stays_on_its_device() -> None:
    slots: dict[FakeWorker, set[int]] = {}
    for worker, slot in spread(2, 9).seen:
        slots.setdefault(worker, set()).add(slot)
    assert list(slots.values()) == [{0}, {1}]


def test_a_cohort_keeps_its_slot_on_the_way_to_a_worker() -> None:
    settings, choices = RunSettings(), {}  # type: ignore[var-annotated]
    run: Any = SimpleNamespace(choices=choices, settings=settings, run_choice=None, problem=None, seed=0, id="a")
    assert pickle.loads(pickle.dumps(Cohort([run], slot=3))).slot == 3


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("cuda", TWO), ("auto", TWO), ("cuda:1", ("cuda:1",)), ("cpu", ("cpu",))],
)
def test_all_gpus_are_used_unless_one_is_named(
    wanted: str, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "present", lambda: [*TWO, "cpu"])
    assert all_of(wanted) == found


@pytest.mark.parametrize(
    ("workers", "said"), [(None, "up to 2 GPUs"), (0, "cuda:0"), (1, "cuda:0"), (2, "cuda:0 to cuda:1")]
)
def test_the_devices_that_have_work_are_told(workers: int | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards a plan and a progress that say `on cuda:0` where several GPUs train."""
    monkeypatch.setattr(devices, "present", lambda: [*TWO, "cpu"])
    unused: Any = None
    plan: Any = SimpleNamespace(spec=SimpleNamespace(head=SimpleNamespace(device="auto")))
    options = Options(Path("out"), workers=workers)
    assert Job(plan, unused, options, "cuda:0", unused, unused, unused, {}).where == said


def test_a_mac_has_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "present", lambda: ["mps", "cpu"])
    assert all_of("auto") == ("mps",)
    with pytest.raises(DeviceError, match="there is no device 'cuda'"):
        all_of("cuda")


def test_each_gpu_has_one_worker_where_that_repays() -> None:
    cost = Cost(8, start=1.0, training=40.0, evaluation=8.0, crowded=40.0)
    assert best_workers([cost], TWO) == 2
    assert best_workers([cost], ["cuda:0"]) == 1


def test_without_several_devices_all_have_the_same() -> None:
    context = Context("mps")
    assert context.spread == ("mps",)
    assert context.in_slot(5) == context
