"""The pool of the tests of this folder: its workers are forked, or started one by one, without torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
from xprun.runner.workers.pool import WorkerPool, get_pool, set_pool
from xprun.runner.workers.spawner import ForkSpawner, Spawner, SubprocessSpawner

SPAWNERS: dict[str, Callable[[], Spawner]] = {"started anew": SubprocessSpawner}
if sys.platform.startswith("linux"):
    SPAWNERS["forked"] = lambda: ForkSpawner(preloaded=())


@pytest.fixture(params=sorted(SPAWNERS))
def pool(request: pytest.FixtureRequest) -> Iterator[WorkerPool]:
    """Return the pool of this thread, in each of the ways in which workers are started."""
    before, pool = get_pool(), WorkerPool(SPAWNERS[request.param])
    set_pool(pool)
    yield pool
    pool.close()
    set_pool(before)
