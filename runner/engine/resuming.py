"""Resumes a training from its snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from xprun.runner.process.log import note
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.store.snapshots import Snapshot, State


class Resumable(Protocol):
    """A training whose state, plain values and tensors, holds all that its further steps depend on."""

    def state(self) -> State: ...
    def restore(self, state: State) -> None: ...


T = TypeVar("T", bound=Resumable)


def begin(make: Callable[[], T], snapshot: Snapshot | None) -> T:
    """Return a training at its snapshot, or at its beginning where there is none or it cannot be restored."""
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
        note(f"{snapshot.path.name} cannot be resumed; its runs start again: {why}")
        snapshot.remove()
        return make()
    return training
