"""TensorBoard: the curves and settings of a run as an event file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from xprun.plugins.python_packages import find_package
from xprun.plugins.registry import observer

History = dict[str, tuple[Iterable[int], Iterable[float]]]


@observer("tensorboard")
def tensorboard() -> Callable[[Path, dict[str, str | float], History, dict[str, float]], None]:
    """Curves by step, and settings with results in the HPARAMS tab; needs `pip install 'xprun[tensorboard]'`."""
    if find_package("tensorboard") is None:
        raise ModuleNotFoundError("tensorboard is not installed: pip install 'xprun[tensorboard]'")
    return write_events


def write_events(folder: Path, settings: dict[str, str | float], history: History, results: dict[str, float]) -> None:
    """Write the curves (steps and values) of each metric, and the results for the settings that led to them."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for metric, (steps, values) in history.items():
            for step, value in zip(steps, values, strict=True):
                writer.add_scalar(metric, value, int(step))
        finite = {name: value for name, value in results.items() if math.isfinite(value)}
        writer.add_hparams(settings, finite, run_name=".")
