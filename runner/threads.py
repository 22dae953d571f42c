"""How many threads a program deserves: waking a second one costs more than a small product takes."""

from __future__ import annotations

import torch
from xprun.runner.workload import Workload

SMALL = 10_000_000  # parameters times rows of a batch: about the multiplications of a step's forward pass
AVAILABLE = torch.get_num_threads()


def threads_for(work: Workload, workers: int = 1) -> int:
    """Return 1 for a small program, and a worker's share of torch's threads for a large one."""
    parameters = sum(p.numel() for p in work.make_model(0).parameters())
    rows = work.batch_size or len(work.train)
    return 1 if parameters * rows < SMALL else max(1, AVAILABLE // workers)
