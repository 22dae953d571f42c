"""How much of a device one piece of work may take: what suits the caches of a CPU, or fits the memory of a GPU."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import torch

NUMBER = 8  # bytes of the widest


@dataclass(frozen=True)
class Room:
    """How much is worked on at once.

    `step` are the bytes that the runs of one unit take in a step. `evaluation` and `outputs` are numbers: those that
    one chunk of an evaluation works on, and those that the layers of one run put out for the rows that are measured at
    once. `epoch` are the bytes of the batches of all seeds up to which a whole epoch is put in order at once. `runs`
    are those of a traced model that are trained at once, if any number of them is too many; more of a model so small
    that all of them work on no more than so many numbers, `traced`, in a step.
    """

    step: int
    evaluation: int
    outputs: int
    epoch: int
    runs: int | None
    traced: int = 0


# Of an evaluation, more numbers do not fit a cache; a trace of more runs is no faster for a run.
CPU = Room(step=2**30, evaluation=2**21, outputs=2**26, epoch=2**26, runs=64, traced=2**17)


def room_on(device: torch.device) -> Room:
    """Return the room on a device; that of an accelerator is what is free there, which changes."""
    if device.type == "cpu":
        return CPU
    free = free_memory(device)
    numbers = free // 4 // NUMBER
    return Room(step=free // 2, evaluation=numbers, outputs=numbers, epoch=free // 8, runs=None)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on an accelerator, those that torch keeps for its next tensors included."""
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    module = torch.get_device_module(device)
    free, _ = module.mem_get_info(device)
    kept: int = module.memory_reserved(device) - module.memory_allocated(device)
    return int(free) + kept


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception tells that an accelerator has too little memory; its parts may go there one by one."""
    of_metal = isinstance(error, RuntimeError) and str(error).startswith("MPS backend out of memory")
    return of_metal or isinstance(error, torch.OutOfMemoryError)


def release_memory(device: torch.device) -> None:
    """Give back what torch keeps of an accelerator's memory, of which other tensors may have need."""
    if device.type != "cpu":
        gc.collect()
        torch.get_device_module(device).empty_cache()
