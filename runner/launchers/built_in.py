"""The launchers that xprun brings: their names and settings. What they do is imported when one is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xprun.plugins.registry import launcher
from xprun.plugins.types import NonNegative, Positive, PositiveInt

if TYPE_CHECKING:
    from xprun.runner.execution.worker_context import Context
    from xprun.runner.planning.cohorts import Cohort
    from xprun.runner.results.outcome import Outcome

LOCAL = ("inline", "processes")  # those that train on this machine, with the device that is chosen here
EXTRAS = {"ray": "ray"}  # by launcher: the package that it needs, which the extra of its name has


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
