"""Cohorts on a Ray cluster: each part is a Ray task, which leads a supervised worker of xprun's on its node.

Ray cares for machines, and for processes that are lost; time limits, crashes of components and the search for the run
that caused them are xprun's, as they are on one machine. A task trains nothing itself.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from xprun.errors import Error
from xprun.runner.execution.worker_context import Context
from xprun.runner.launchers.choice import LauncherError
from xprun.runner.launchers.launcher_contract import lost
from xprun.runner.launchers.parcels import lead_in_parcels
from xprun.runner.planning.cohorts import Cohort, cut
from xprun.runner.process.interrupts import NUMBERS, restore
from xprun.runner.process.log import note, words_of
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.devices import kind_of
from xprun.specs.language.wording import plural

CONNECTING = 5.0  # seconds in which an address answers
LOOK = 1.0  # seconds between two looks whether this process was interrupted
LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
AHEAD = 2  # tasks that wait at Ray for each that runs: a node that is free finds the next one there
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(eq=False)
class _Part:
    """Runs that are trained by one task, those that have not ended, and how often a task of theirs was lost."""

    cohort: Cohort
    pending: set[str] = field(default_factory=set)
    losses: int = 0

    def __post_init__(self) -> None:
        self.pending = {run.id for run in self.cohort.runs}


@dataclass
class RayTasks:
    """Parts of cohorts as tasks; see `xprun describe ray` for the settings."""

    context: Context
    address: str
    cpus: float
    gpus: float | None
    resources: Mapping[str, float]
    tasks: int | None
    losses: int

    def outcomes(self, cohorts: list[Cohort]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of all runs as they come; a task that is lost is done again, elsewhere."""
        with _connected(self.address or os.environ.get("RAY_ADDRESS", "")) as ray:
            slots = self.tasks or self._room(ray)
            ask = {"num_cpus": self.cpus, "num_gpus": self._gpus, "resources": dict(self.resources)}
            task = ray.remote(**ask, max_retries=0, num_returns="streaming")(lead_in_parcels)
            context = self.context.told_by(slots)
            queue = deque(map(_Part, cut(cohorts, slots)))
            running: dict[Any, _Part] = {}
            try:
                while queue or running:
                    while queue and len(running) < AHEAD * slots:
                        part = queue.popleft()
                        running[task.remote(context, part.cohort.rest(part.pending))] = part
                    with _interruptible():
                        found = ray.wait(list(running), num_returns=1, timeout=LOOK)[0]
                    for ready in found:
                        yield from self._handle(ray, ready, running, queue)
            finally:
                for ready in running:
                    with suppress(Exception):  # the cluster may be gone
                        ray.cancel(ready, force=True)  # the worker below it ends with it

    @property
    def _gpus(self) -> float:
        return float(kind_of(self.context.device) == "cuda") if self.gpus is None else self.gpus

    def _room(self, ray: Any) -> int:
        """Return how many tasks the nodes have room for at a time; raise LauncherError where it is none."""
        asked = {"CPU": self.cpus, "GPU": self._gpus, **self.resources}
        asked = {name: amount for name, amount in asked.items() if amount}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(int(min(there.get(name, 0) / amount for name, amount in asked.items())) for there in nodes)
        if room:
            return room
        wanted = ", ".join(f"{name} {amount:g}" for name, amount in asked.items())
        kinds = dict.fromkeys(asked)
        most = ", ".join(f"{name} {max((there.get(name, 0) for there in nodes), default=0):g}" for name in kinds)
        raise LauncherError(f"no node of the Ray cluster has room for a task of {wanted}: the largest have {most}")

    def _handle(self, ray: Any, ready: Any, running: dict[Any, _Part], queue: deque[_Part]) -> Iterator[list[Outcome]]:
        """Yield the outcomes in the next parcel of a task, or what follows from its end."""
        part = running[ready]
        try:
            with _interruptible():
                parcel = ray.get(next(ready))
        except StopIteration:
            del running[ready]
            if part.pending:
                yield from self._lose(part, queue, "it ended without a word")
        except ray.exceptions.RayTaskError as error:  # what `lead` has raised there
            raise _raised_there(error) from error
        except ray.exceptions.RayError as error:
            del running[ready]
            yield from self._lose(part, queue, type(error).__name__)
        else:
            outcomes = [outcome for outcome in parcel.open() if outcome.run in part.pending]
            part.pending -= {outcome.run for outcome in outcomes}
            yield outcomes

    def _lose(self, part: _Part, queue: deque[_Part], why: str) -> Iterator[list[Outcome]]:
        """Try the rest of a part again, first of all; yield its outcomes where that was in vain too often."""
        part.losses += 1
        count = len(part.pending)
        left = f"{count:,} {plural('run', count)} of it {'is' if count == 1 else 'are'}"
        if part.losses < self.losses:
            note(f"a Ray task was lost ({why}); {left} tried again")
            queue.appendleft(part)
            return
        note(f"a Ray task was lost {part.losses} times ({why}); {left} given up")
        runs = part.cohort.rest(part.pending).runs
        part.pending = set()
        yield lost(runs, f"the Ray task that trained it was lost {part.losses} times: {why}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise what the handler of a signal raises in the middle of Ray's own code, which makes a SystemError of it."""
    try:
        yield
    except SystemError as error:
        raise error.__cause__ or error from None


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to a cluster, or start one that is "local"; raise LauncherError where there is none."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    _refuse_silent(ray, address)
    if begun := not ray.is_initialized():
        _begin(ray, address)
    try:
        yield ray
    finally:
        if begun:
            ray.shutdown()


def _begin(ray: Any, address: str) -> None:
    import signal

    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    local = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address or "auto", logging_level=logging.ERROR, log_to_driver=False, **local)
    except Exception as error:  # its own, and those of what it is made of
        why = f"{type(error).__name__}: {words_of(error)[:300]}"
        where = f"the Ray cluster {address}" if address else "a Ray cluster on this machine"
        begin = 'start one with ray start --head, or for this command: { name = "ray", address = "local" }'
        raise LauncherError(f"{where} is not reached ({why}); {begin}") from error
    finally:
        with suppress(ValueError):  # this is not the main thread, in which Ray takes SIGTERM for itself
            restore(handlers)


def _refuse_silent(ray: Any, address: str) -> None:
    """Raise LauncherError at once for an address where nobody answers; Ray would try for a minute."""
    if address.startswith("ray://"):
        raise LauncherError(f"{address}: Ray Client is not supported; start xprun on a node of the cluster")
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    if host in LOOPBACK:  # for which Ray takes the address by which others reach this machine
        host = ray.util.get_node_ip_address()
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING).close()
    except OSError as error:
        why = f"{host}:{port}: {error.strerror or error}"
        raise LauncherError(f"the Ray cluster {address} is not reached ({why})") from None


def _raised_there(error: Any) -> Exception:
    """Return what a task has raised, of xprun's errors that one, as if it were raised here."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Error):
        return cause
    return LauncherError(f"a Ray task failed: {words_of(error)[-300:]}")
