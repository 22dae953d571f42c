"""The launchers that xprun brings: their names and settings. What they do is imported when one is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from xprun.plugins.machine import usable_cores
from xprun.plugins.registry import launcher
from xprun.plugins.types import NonNegative, Positive, PositiveInt

if TYPE_CHECKING:
    from xprun.runner.execution.worker_context import Context
    from xprun.runner.planning.cohorts import Cohort
    from xprun.runner.results.outcome import Outcome

LOCAL = ("inline", "processes")  # those that train on this machine, with the device that is chosen here
EXTRAS = {"ray": "ray", "slurm": "submitit"}  # by launcher: the package that it needs, which the extra of its name has


JOBS = 100  # of Slurm that are submitted unless the user says otherwise


def most_jobs(jobs: int | None, cluster: str) -> int:
    """Return how many jobs the launcher slurm submits at most: what was asked for, or as many as pay off."""
    return jobs or (usable_cores() if cluster == "local" else JOBS)


@launcher("inline")
def inline(cohorts: list[Cohort], context: Context) -> Iterator[list[Outcome]]:
    """One cohort after the other in this process: for a debugger. The same as -j 0."""
    for cohort in cohorts:
        yield from context.execute(cohort)


@launcher("processes")
def processes(cohorts: list[Cohort], context: Context) -> Iterator[list[Outcome]]:
    """Supervised processes of this machine, as many as -j says or as pay off: what is done where none is chosen.

    Cohorts are cut into parts where there are several workers. Whatever ends a worker, the other runs go on. If several
    runs were trained together in it, each is tried alone, so that only the one that did it is `failed`, or `timeout`
    after `run.timeout` seconds.
    """
    from xprun.runner.execution.leading import lead_all

    return lead_all(context, cohorts)


@launcher("ray")
def ray(
    cohorts: list[Cohort],
    context: Context,
    *,
    address: str = "",
    cpus: Positive = 1.0,
    gpus: NonNegative | None = None,
    resources: dict[str, Positive] = {},  # noqa: B006 - read, never changed
    tasks: PositiveInt | None = None,
    losses: PositiveInt = 3,
) -> Iterator[list[Outcome]]:
    """Parts of cohorts as tasks of a Ray cluster, each supervised on its node: pip install 'xprun[ray]'.

    `address` is that of the cluster, such as "10.0.0.1:6379"; left out, it is $RAY_ADDRESS or the cluster that runs on
    this machine; "local" starts one for the time of the command. A task asks for so many `cpus`, `gpus` (1 for runs on
    cuda) and named `resources`; at most so many `tasks` run at a time (default: what the cluster has room for). A part
    of which the worker or the node is lost goes to another; after so many `losses` its runs are told as failed, and
    tried again by the next command.
    """
    from xprun.runner.launchers.ray_cluster import RayTasks

    return RayTasks(context, address, cpus, gpus, resources, tasks, losses).outcomes(cohorts)


@launcher("slurm")
def slurm(
    cohorts: list[Cohort],
    context: Context,
    *,
    cluster: Literal["slurm", "local"] = "slurm",
    jobs: PositiveInt | None = None,
    at_once: PositiveInt | None = None,
    minutes: PositiveInt = 60,
    cpus: PositiveInt = 1,
    gpus: PositiveInt | None = None,
    memory: str = "",
    partition: str = "",
    account: str = "",
    more: dict[str, Any] = {},  # noqa: B006
    requeues: PositiveInt = 10,
    losses: PositiveInt = 3,
    poll: Positive = 1.0,
) -> Iterator[list[Outcome]]:
    """Parts of cohorts as an array of Slurm jobs, submitted by submitit: pip install 'xprun[slurm]'.

    The output folder must be one that all machines share: outcomes come through it as they end. There are at most so
    many `jobs` (default: 100), into which the parts are packed, and `at_once` of them run at a time. Each asks for so
    many `minutes`, `cpus`, `gpus` (1 for runs on cuda) and `memory` ("8GB"), in a `partition` and for an `account`;
    `more` are other options of sbatch, `{ constraint = "a100" }`. A job that is preempted, or out of time, is queued
    again so many `requeues` times, and goes on where its runs were saved (run.checkpoint_every). What jobs leave undone
    that end too early is submitted again; after so many `losses` its runs are told as failed, and tried again by the
    next command. `poll` seconds lie between two looks at the folder. The `cluster` "local" runs the jobs on this
    machine, without Slurm.
    """
    from xprun.runner.launchers.slurm_jobs import SlurmJobs, Wanted

    wanted = Wanted(
        cluster, jobs, at_once, minutes, cpus, gpus, memory, partition, account, dict(more), requeues, losses
    )
    return SlurmJobs(context, wanted, poll).outcomes(cohorts)
