"""Brings a training to where its snapshot was taken."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.store.snapshots import Snapshot, State


class Resumable(Protocol):
    """What can tell all that its further steps depend on, as plain values and tensors, and take it up again."""

    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


T = TypeVar("T", bound=Resumable)


def begin(make: Callable[[], T], snapshot: Snapshot | None) -> T:
    """Return a training at its snapshot, or at its beginning where there is none or it cannot be taken up."""
    training = make()
    try:
        state = snapshot.read() if snapshot else None
        if state is not None:
            training.restore(state)
    except OutputError:
        raise
    except Exception as error:  # a damaged file, or a component that is not as it was
        assert snapshot is not None
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        print(f"note: {snapshot.path.name} cannot be resumed; its runs start again: {why}", file=sys.stderr)
        snapshot.remove()
        return make()
    return training


def random_state(device: torch.device) -> State:
    """Return where the generators are that random layers draw from."""
    on_device = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state(), **on_device}


def restore_random(state: State, device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
