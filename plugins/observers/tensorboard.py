"""TensorBoard: curves, settings and the model of a run as event files, and the curves so far while it trains."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xprun.plugins.observers.tensorboard_graph import graph_definition
from xprun.plugins.python_packages import find_package
from xprun.plugins.registry import observer

History = dict[str, tuple[Iterable[int], Iterable[float]]]
SO_FAR = "events.out.tfevents.0.so-far"  # before the name that the whole history has, so that it is read first


@observer("tensorboard")
def tensorboard() -> EventFiles:
    """Curves, the model's graph, and settings with results in HPARAMS; needs `pip install 'xprun[tensorboard]'`."""
    if find_package("tensorboard") is None:
        raise ModuleNotFoundError("tensorboard is not installed: pip install 'xprun[tensorboard]'")
    return EventFiles()


class EventFiles:
    """Writes a run that has ended, and before that what it has reached so far."""

    def __call__(
        self,
        folder: Path,
        settings: dict[str, str | float],
        history: History,
        results: dict[str, float],
        graph: dict[str, Any] | None = None,
    ) -> None:
        """Write the curves (steps and values) of each metric, the graph, and what results the settings led to."""
        from torch.utils.tensorboard import SummaryWriter

        _append(folder, {})  # who is reading what there was so far looks there, and then goes on to the next file
        with SummaryWriter(str(folder)) as writer:
            assert writer.file_writer is not None
            writer.file_writer.add_event(_start(), step=0)  # in the place of what was read of the run so far
            for metric, (steps, values) in history.items():
                for step, value in zip(steps, values, strict=True):
                    writer.add_scalar(tag(metric), value, int(step))
            if graph:
                writer.file_writer.add_event(_event(graph_def=graph_definition(graph)))
            finite = {tag(name): value for name, value in results.items() if math.isfinite(value)}
            writer.add_hparams(settings, finite, run_name=".")

    def advance(self, folder: Path, settings: dict[str, str | float], history: History) -> None:
        """Append what is new since the last call; TensorBoard reads the file as it grows."""
        _append(folder, history)


def tag(metric: str) -> str:
    """Return what TensorBoard calls a metric: `valid/accuracy`, so that those of the same rows stand together."""
    return metric.replace(".", "/", 1)


def _append(folder: Path, history: History) -> None:
    """Append points to the file of what there is so far; begin it where it is not there."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    path = folder / SO_FAR
    is_new = not path.exists()
    with path.open("ab") as file:
        records = RecordWriter(file)
        for event in [*([_event(file_version="brain.Event:2")] if is_new else []), *_scalars(history)]:
            records.write(event.SerializeToString())


def _scalars(history: History) -> Iterable[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary

    for metric, (steps, values) in history.items():
        for step, value in zip(steps, values, strict=True):
            scalar = Summary(value=[Summary.Value(tag=tag(metric), simple_value=value)])
            yield _event(step=int(step), summary=scalar)


def _start() -> Any:
    """Return the event by which TensorBoard forgets what it has read of a run from a step on."""
    from tensorboard.compat.proto.event_pb2 import SessionLog

    return _event(session_log=SessionLog(status=SessionLog.START))


def _event(**content: Any) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), **content)
