"""Holds components to leave what all runs share as they found it: other runs compute with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xprun.errors import Error
from xprun.plugins.registry import REGISTRY
from xprun.runner.execution.import_changes import listed
from xprun.runner.process.global_state import GlobalState
from xprun.runner.process.log import words_of
from xprun.runner.workers.parent_link import is_worker, retire


class GlobalStateError(Exception):
    """A component has changed what all runs of a process share, and left it so; `then` it failed, if it did."""

    def __init__(self, changes: list[str], then: BaseException | None = None) -> None:
        also = f"; then {type(then).__name__}: {words_of(then)}" if then else ""
        super().__init__(f"it changed what all runs share, and left it so: {listed(changes)}{also}")


class SpoiltProcessError(BaseException):  # no Exception: nothing that catches a component's errors can go on
    """What a component has changed cannot be put back, so that no other run can be trained in this worker."""

    def __init__(self, error: GlobalStateError) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def unchanged_state(*, thorough: bool = True) -> Iterator[None]:
    """Raise GlobalStateError where code inside leaves global state changed; put it back in any case.

    Raises SpoiltProcessError where that cannot be done in a worker. What xprun brings itself is trusted. A look that is
    not `thorough` leaves to the next what was replaced in modules and classes; to see that takes milliseconds.
    """
    if not REGISTRY.has_run_foreign_code:
        yield
        return
    before, error = GlobalState.now(), None
    try:
        yield
    except BaseException as raised:
        error = raised
    changes, is_restored = put_back(before, thorough=thorough)
    if changes and not isinstance(error, Error):  # that was raised on purpose
        told = GlobalStateError(changes, error)
        raise (told if is_restored or not is_worker() else SpoiltProcessError(told)) from error
    if error:
        raise error


def put_back(state: GlobalState, *, thorough: bool = True) -> tuple[list[str], bool]:
    """Put this process back into a state; return what may have changed the numbers of other runs, and if it is undone.

    A worker of which something cannot be put back does no more than it has begun.
    """
    changes, is_restored = state.restore(thorough=thorough)
    if not is_restored:
        retire()
    return changes, is_restored
