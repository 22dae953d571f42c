"""How far the training of runs is, told while it goes on: small plain values, of which any may be lost or late.

Whoever trains tells it; whoever listens in that thread hears it. A worker passes it on to its parent, a machine
elsewhere to the process that waits for it. Nothing depends on it: no result, no time limit, no end of a run.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import ConfigDict, TypeAdapter, ValidationError
from xprun.runner.process.log import note, words_of

MOST_RUNS = 256  # runs whose values one message carries
NEVER = math.inf  # seconds between two messages where nobody listens


@dataclass(frozen=True)
class TrainingProgress:
    """How far runs that are trained at once are.

    `unit` stays the same in the course of their training. `open` of them have not ended, of which `runs` are the first,
    at most MOST_RUNS. They have taken `step` of `steps` steps, of which `per_epoch` make an epoch, and have about
    `seconds_left` to go. `latest` holds by metric the step at which it was measured last, and the values of `runs`;
    `untrained`, in the first message, those from before the first step, which is step 0.
    """

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="constants")

    unit: str
    runs: list[str]
    open: int
    step: int
    steps: int
    per_epoch: int
    seconds_left: float
    latest: dict[str, tuple[int, list[float]]]
    untrained: dict[str, list[float]] = field(default_factory=dict)

    def has_trained(self, metric: str) -> bool:
        """Whether a metric has been measured since the first step, so that it tells of the training."""
        return metric in self.latest and self.latest[metric][0] > 0

    def values(self, run: str) -> dict[str, tuple[int, float]]:
        """Return the latest step and value of each metric of one of `runs`."""
        at = self.runs.index(run)
        return {metric: (step, values[at]) for metric, (step, values) in self.latest.items()}


Hear = Callable[[TrainingProgress], None]
_JSON = TypeAdapter(TrainingProgress)


def encode(progress: TrainingProgress) -> bytes:
    """Return it as JSON, with NaN and Infinity."""
    return _JSON.dump_json(progress)


def decode(content: bytes) -> TrainingProgress | None:
    """Return what was encoded; None for anything else: it runs no code, whoever has written it."""
    try:
        progress = _JSON.validate_json(content)
    except ValidationError:
        return None
    sizes = {len(values) for values in [*(v for _, v in progress.latest.values()), *progress.untrained.values()]}
    is_whole = sizes <= {len(progress.runs)} and len(progress.runs) <= MOST_RUNS and progress.step >= 0
    return progress if is_whole and progress.per_epoch > 0 and progress.step <= progress.steps else None


class _OfThread(threading.local):
    hear: Hear | None = None


_listening = _OfThread()


def listener() -> Hear | None:
    """Return who listens in this thread."""
    return _listening.hear


def tell(progress: TrainingProgress) -> None:
    """Let whoever listens in this thread hear how far a training is."""
    if _listening.hear is not None:
        _listening.hear(progress)


def listen_with(hear: Hear | None) -> None:
    """Let `hear` be told of what is trained in this thread from now on."""
    _listening.hear = hear


def guarded(hear: Hear) -> Hear:
    """Return `hear`, but that no fault of it reaches those who train: they are told no more, which is noted."""
    failed = False

    def heard(progress: TrainingProgress) -> None:
        nonlocal failed
        if failed:
            return
        try:
            hear(progress)
        except Exception as error:
            failed = True
            note(f"progress within runs is no longer shown: {type(error).__name__}: {words_of(error)[:200]}")

    return heard


def both(first: Hear, second: Hear) -> Hear:
    """Return what lets two listeners hear, one after the other."""

    def heard(progress: TrainingProgress) -> None:
        first(progress)
        second(progress)

    return heard


@contextmanager
def heard_by(hear: Hear) -> Iterator[None]:
    """Let `hear` be told meanwhile."""
    before = listener()
    listen_with(hear)
    try:
        yield
    finally:
        listen_with(before)
