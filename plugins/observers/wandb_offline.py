"""Weights & Biases: each run as an offline run, which `wandb sync` sends when its user wants that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from xprun.plugins.python_packages import find_package
from xprun.plugins.registry import observer

History = dict[str, tuple[Iterable[int], Iterable[float]]]
PROJECT = "xprun"


@observer("wandb")
def wandb() -> Callable[[Path, dict[str, str | float], History, dict[str, float], str], None]:
    """Offline runs of Weights & Biases, which `wandb sync` sends; needs `pip install 'xprun[wandb]'`.

    They are written when a run has ended: nobody can look at an offline run before it is sent.
    """
    if find_package("wandb") is None:
        raise ModuleNotFoundError("wandb is not installed: pip install 'xprun[wandb]'")
    return write_run


def write_run(
    folder: Path, settings: dict[str, str | float], history: History, results: dict[str, float], run: str
) -> None:
    """Write the curves by step, the settings as its config and the results as its summary. Nothing is sent."""
    import wandb

    quiet = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True
    )
    name = f"{settings.get('optimizer', 'run')}-{run}"
    with wandb.init(
        mode="offline", dir=str(folder), project=PROJECT, name=name, id=run, config=dict(settings), settings=quiet
    ) as writer:
        for step, values in _by_step(history):
            writer.log(values, step=step)
        writer.summary.update(results)


def _by_step(history: History) -> list[tuple[int, dict[str, float]]]:
    """Return what was measured at each step, in their order."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for metric, (steps, values) in history.items():
        for step, value in zip(steps, values, strict=True):
            found[int(step)][metric] = float(value)
    return sorted(found.items())
