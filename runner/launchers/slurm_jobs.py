"""Cohorts as Slurm jobs, submitted by submitit: each leads its parts, and tells outcomes through the output folder.

this process                     jobs/PLACE/ in the output folder        a job, on a node
──────────────────────────────   ─────────────────────────────────────   ──────────────────────
submit ── array of jobs ───────────────────────────────────────────────► lead, part after part
poll ◄────────────────────────── 000001.parcel, 000002.parcel, ... ◄──── outcomes, as they come
killed; the same command again:  job.json: which runs, which job
read what has come, wait on ◄─── more parcels ◄───────────────────────── goes on meanwhile
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from xprun.errors import Error
from xprun.runner.execution.places import PlaceError
from xprun.runner.execution.worker_context import Context
from xprun.runner.launchers.built_in import most_jobs
from xprun.runner.launchers.choice import LauncherError
from xprun.runner.launchers.launcher_contract import lost
from xprun.runner.launchers.parcel_files import read_parcels, read_progress, write_parcel, write_progress
from xprun.runner.launchers.parcels import Parcel, lead_in_parcels
from xprun.runner.planning.cohorts import Cohort, cut
from xprun.runner.process.log import note, words_of
from xprun.runner.process.training_progress import TrainingProgress, tell
from xprun.runner.results.atomic_files import replace_text, writing
from xprun.runner.results.outcome import Outcome
from xprun.runner.workload.devices import kind_of
from xprun.specs.language.wording import plural

FOLDER, DESCRIPTION = "jobs", "job.json"
ARRAY = 1000  # jobs of an array at most, where a site has not changed Slurm's own limit


@dataclass(frozen=True)
class Wanted:
    """What each job asks for; see `xprun describe slurm`."""

    cluster: str
    jobs: int | None
    at_once: int | None
    minutes: int
    cpus: int
    gpus: int | None
    memory: str
    partition: str
    account: str
    more: dict[str, Any]
    requeues: int
    losses: int


@dataclass
class Shift:
    """What one job does: it leads its parts, but for runs whose outcomes are in its folder already."""

    context: Context
    parts: list[Cohort]
    folder: Path

    def __call__(self) -> None:
        told = read_parcels(self.folder)
        ended = {outcome.run for parcel, _ in told.values() for outcome in parcel.outcomes}
        numbers = count(len(list(self.folder.iterdir())))
        try:
            for part in self.parts:
                rest = part.rest({run.id for run in part.runs} - ended)
                for parcel in lead_in_parcels(self.context, rest) if rest.runs else ():
                    if parcel.progress:
                        write_progress(self.folder, parcel.progress)
                    if replace(parcel, progress=[]) != Parcel():
                        write_parcel(self.folder, next(numbers), parcel)
        except PlaceError as error:
            write_parcel(self.folder, next(numbers), Parcel(), str(error))
        except Exception as error:
            words = str(error) if isinstance(error, Error) else f"{type(error).__name__}: {words_of(error)}"
            write_parcel(self.folder, next(numbers), Parcel(), words)

    def checkpoint(self) -> Any:
        """Be queued again by submitit when the job is preempted or its time is over."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


@dataclass(eq=False)
class _Job:
    """A job that was submitted, its parts, and which of their runs have not ended yet."""

    handle: Any
    folder: Path
    parts: list[Cohort]
    pending: set[str]
    losses: int = 0
    read: set[str] = field(default_factory=set)
    is_adopted: bool = False  # whether an earlier command has submitted it
    progress: list[TrainingProgress] = field(default_factory=list)  # as it was told last

    def is_over(self) -> bool:
        if self.is_adopted and self.handle.job_id.isdigit() and type(self.handle).__name__ == "LocalJob":
            return not _is_local_job(int(self.handle.job_id))
        return bool(self.handle.done())

    def cancel(self) -> None:
        with suppress(Exception):  # it may have ended, and Slurm may not answer
            if self.is_adopted and type(self.handle).__name__ == "LocalJob":
                os.kill(int(self.handle.job_id), signal.SIGINT)
            else:
                self.handle.cancel(check=False)


@dataclass
class SlurmJobs:
    """Parts of cohorts as jobs."""

    context: Context
    wanted: Wanted
    poll: float

    def outcomes(self, cohorts: list[Cohort]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of all runs as they come; what jobs of an earlier command have left is taken first."""
        assert self.context.folder is not None
        self._home, self._has_given_up = self.context.folder / FOLDER, False
        executor = self._executor()
        with writing(self.context.folder):
            pending = {run.id: cohort for cohort in cohorts for run in cohort.runs}
            jobs = list(self._adopted(cohorts, set(pending)))
            try:
                for job in list(jobs):
                    yield from self._receive(job, pending)
                    if job.is_over():
                        yield from self._receive(job, pending)  # what it has written in the meantime
                        jobs.remove(job)
                        self._forget(job)
                waited = {run for job in jobs for run in job.pending}
                rest = [cohort.rest(pending.keys() - waited) for cohort in cohorts]
                jobs += self._submit(executor, self._packed([cohort for cohort in rest if cohort.runs]))
                while jobs:
                    for job in list(jobs):
                        over = job.is_over()  # before the look at what it has written
                        yield from self._receive(job, pending)
                        if not job.pending:
                            jobs.remove(job)
                            self._forget(job)
                        elif over:
                            jobs.remove(job)
                            yield from self._lose(job, executor, jobs, pending)
                    if jobs:
                        time.sleep(self.poll)
            finally:
                for job in jobs:
                    job.cancel()
        if not self._has_given_up:
            shutil.rmtree(self._home, ignore_errors=True)

    def _executor(self) -> Any:
        import submitit

        wanted = self.wanted
        try:
            executor = submitit.AutoExecutor(
                self._home / "logs" / "%j", cluster=wanted.cluster, slurm_max_num_timeout=wanted.requeues
            )
        except Exception as error:
            here = 'cluster = "local" runs the jobs on this machine'
            raise LauncherError(f"Slurm is not reached from here ({words_of(error)[:200]}); {here}") from error
        gpus = (1 if kind_of(self.context.device) == "cuda" else 0) if wanted.gpus is None else wanted.gpus
        slurm = {"mem": wanted.memory, "partition": wanted.partition, "account": wanted.account}
        executor.update_parameters(
            name="xprun",
            timeout_min=wanted.minutes,
            cpus_per_task=wanted.cpus,
            slurm_array_parallelism=wanted.at_once or self._most_jobs,
            **({"gpus_per_node": gpus} if gpus else {}),
            **{f"slurm_{name}": value for name, value in slurm.items() if value},
            **({"slurm_additional_parameters": wanted.more} if wanted.more else {}),
        )
        return executor

    @property
    def _most_jobs(self) -> int:
        return most_jobs(self.wanted.jobs, self.wanted.cluster)

    def _packed(self, cohorts: list[Cohort]) -> list[list[Cohort]]:
        """Return the parts of each job: at most so many jobs, of about equally many runs."""
        parts = sorted(cut(cohorts, self._most_jobs), key=lambda part: -len(part.runs))
        packed: list[list[Cohort]] = [[] for _ in range(min(self._most_jobs, len(parts)))]
        for part in parts:
            min(packed, key=lambda several: sum(len(one.runs) for one in several)).append(part)
        return packed

    def _submit(self, executor: Any, packed: list[list[Cohort]], losses: int = 0) -> list[_Job]:
        """Submit a job for each list of parts, in arrays."""
        shifts = []
        for parts in packed:
            folder = self._home / secrets.token_hex(8)
            folder.mkdir(parents=True)
            shifts.append(Shift(self.context.told_by(self._most_jobs, self.poll), parts, folder))
        handles: list[Any] = []
        try:
            for i in range(0, len(shifts), ARRAY):
                with executor.batch():
                    submitted = [executor.submit(shift) for shift in shifts[i : i + ARRAY]]
                handles += submitted
        except Exception as error:
            for handle in handles:
                handle.cancel(check=False)
            raise LauncherError(f"Slurm has refused the jobs: {words_of(error)[-300:]}") from error
        jobs = []
        for handle, shift in zip(handles, shifts, strict=True):
            runs = [run.id for part in shift.parts for run in part.runs]
            description = {"cluster": self.wanted.cluster, "job": handle.job_id, "runs": runs}
            replace_text(shift.folder / DESCRIPTION, json.dumps(description))
            jobs.append(_Job(handle, shift.folder, shift.parts, set(runs), losses))
        return jobs

    def _adopted(self, cohorts: list[Cohort], wanted: set[str]) -> Iterator[_Job]:
        """Yield the jobs of an earlier command in this folder that was killed; those of other runs are cancelled."""
        import submitit

        kinds = {"slurm": submitit.SlurmJob, "local": submitit.LocalJob}
        for path in sorted(self._home.glob(f"*/{DESCRIPTION}")):
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                handle = kinds[told["cluster"]](self._home / "logs" / "%j", told["job"])
                runs = set(map(str, told["runs"]))
            except (OSError, ValueError, LookupError, TypeError):  # anything may stand there
                continue
            parts = [cohort.rest(runs & wanted) for cohort in cohorts]
            job = _Job(handle, path.parent, [part for part in parts if part.runs], runs & wanted, is_adopted=True)
            if job.pending:
                yield job
            else:
                job.cancel()
                self._forget(job)

    def _receive(self, job: _Job, pending: dict[str, Cohort]) -> Iterator[list[Outcome]]:
        """Yield what a job has told since the last look; raise PlaceError for what its place lacks.

        An empty list says that it has told how far runs are.
        """
        for name, (parcel, error) in read_parcels(job.folder, job.read).items():
            job.read.add(name)
            outcomes = [outcome for outcome in parcel.open() if outcome.run in pending and outcome.run in job.pending]
            for outcome in outcomes:
                del pending[outcome.run]
                job.pending.remove(outcome.run)
            if outcomes:
                yield outcomes
            if error and not job.is_adopted:
                raise PlaceError(f"the job {job.handle.job_id}: {error}")
        if (told := read_progress(job.folder)) != job.progress:
            job.progress = told
            for progress in told:
                if job.pending.issuperset(progress.runs):
                    tell(progress)
            yield []

    def _lose(self, job: _Job, executor: Any, jobs: list[_Job], pending: dict[str, Cohort]) -> Iterator[list[Outcome]]:
        """Submit the rest of a job that has ended too early again; yield its outcomes where that was in vain."""
        losses = job.losses + (not job.is_adopted)
        rest = [part.rest(job.pending) for part in job.parts]
        left = f"{len(job.pending):,} {plural('run', len(job.pending))}"
        if losses < self.wanted.losses:
            note(f"the job {job.handle.job_id} has ended without {left}, which another one tries again")
            jobs += self._submit(executor, [[part for part in rest if part.runs]], losses)
            self._forget(job)
            return
        self._has_given_up = True
        logs = self._home / "logs"
        note(f"the job {job.handle.job_id} has ended without {left}, which {losses} jobs have tried; {logs} says more")
        for run in job.pending:
            del pending[run]
        yield lost([run for part in rest for run in part.runs], f"{losses} Slurm jobs that were to train it were lost")

    def _forget(self, job: _Job) -> None:
        shutil.rmtree(job.folder, ignore_errors=True)


def _is_local_job(process: int) -> bool:
    """Whether a process is a job that submitit has started on this machine; ids of processes are used again."""
    with suppress(OSError):
        return b"submitit.local._local" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False
