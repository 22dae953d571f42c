"""How many threads a program deserves.

Waking a second thread costs more than a small product takes, and where another process keeps a core busy, threads that
wait for each other after every operation can make a step many times slower. Spare cores go to worker processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from xprun.runner.workload.workload import Workload

SMALL = 50_000_000  # parameters times rows of a batch: about the multiplications of a step's forward pass
AVAILABLE = torch.get_num_threads()


def share(workers: int) -> int:
    """Return how many threads each of so many processes may use."""
    return max(1, AVAILABLE // workers)


def threads_for(work: Workload, most: int) -> int:
    """Return 1 for a small program or one on an accelerator, and `most` for a large one."""
    if work.device.type != "cpu":
        return 1
    parameters = sum(p.numel() for p in work.make_model(0).parameters())
    rows = work.batch_size or len(work.train)
    return 1 if parameters * rows < SMALL else most


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
