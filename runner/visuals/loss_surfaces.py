"""The loss of small models around where their runs went: the ground under pictures of paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xprun.runner.execution.worker_context import Context
from xprun.runner.outputs.result_columns import Pairs
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.log import note, words_of
from xprun.runner.results.atomic_files import replace_file
from xprun.runner.results.outcome import PARAMETER, Outcome
from xprun.runner.results.results_schema import LOSS, RUN, SHARED, SURFACE
from xprun.runner.results.run_columns import components_key
from xprun.specs import Run

POINTS = {1: 201, 2: 61}  # along each axis, for one parameter and for two
MOST = 12  # surfaces of a spec
PREDICTIONS = 2**27  # of one surface: more would take seconds
MARGIN = 0.12  # of the window, beyond what it must hold
REACH = 1.5  # how far beyond starts and ends, in sizes of the window, a path is followed
FLATTEST = 0.5  # height of a plane over its width
ESCAPED = 0.8  # of its whole extent that a path goes in its second half, where it leaves for good
FAR = 4.0  # times the shortest extent of all paths, from which on one may be left
DIGITS = 6  # of the parameters in the table

Numbers = NDArray[np.float64]
Ranges = Mapping[str, list[float]]


@dataclass(frozen=True)
class Window:
    """Where a surface is computed: around the paths of all runs with the data, model and loss of `run`."""

    run: Run
    names: list[str]  # of the P parameters, as the model has them
    origin: Numbers  # [P]
    directions: Numbers  # [D, P], one or two
    low: Numbers  # [D], along the directions
    high: Numbers  # [D]
    seeds: tuple[int, ...]  # of those runs

    @property
    def points(self) -> Numbers:
        """The grid [G, P], its coordinates as short as the table holds them."""
        axes = [np.linspace(*ends, POINTS[len(self.low)]) for ends in zip(self.low, self.high, strict=True)]
        grid = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], 1)
        values = (self.origin + grid @ self.directions).tolist()
        return np.array([[float(f"{value:.{DIGITS}g}") for value in point] for point in values])


def losses_over(windows: list[Window], context: Context) -> list[Numbers | str]:
    """Return for each window the loss [G] at its points, or why there is none. It runs the code of components."""
    return [_losses(window, context) for window in windows]


def _losses(window: Window, context: Context) -> Numbers | str:
    from xprun.runner.engine.loss_surface import losses_at
    from xprun.runner.execution.cohort_execution import FAULTS, workload_of
    from xprun.runner.workload.device_transfer import fetched  # with torch

    points = window.points
    try:
        work = workload_of(Cohort([window.run]), context)
        if len(points) * len(work.train) > PREDICTIONS:
            return "there are too many training rows"
        losses = losses_at(work, window.names, points, window.seeds)
    except FAULTS as error:  # the runs tell what is wrong with a component
        return f"{type(error).__name__}: {words_of(error)[:200]}"
    return "frozen parameters differ between the seeds" if losses is None else fetched(losses).numpy()


def write_surfaces(folder: Path, windows: list[Window], computed: list[Numbers | str]) -> list[Path]:
    """Write `surface.csv`: `run` (the first with these data, model and loss), the parameters, and the `loss` there.

    No file is left where there is no surface.
    """
    import pandas as pd  # not where a worker computes losses

    path, tables = folder / SURFACE.file, []
    for window, losses in zip(windows, computed, strict=True):
        if isinstance(losses, str):
            note(f"no loss surface for {window.run.choices['model'].label}: {losses}")
        else:
            columns = dict(zip([PARAMETER + name for name in window.names], window.points.T, strict=True))
            tables.append(pd.DataFrame({RUN: window.run.id, **columns, LOSS: losses}))
    if not tables:
        path.unlink(missing_ok=True)
        return []
    table = pd.concat(tables, ignore_index=True)
    table = table[[*(name for name in table if name != LOSS), LOSS]]
    return [replace_file(path, partial(table.to_csv, index=False, lineterminator="\n", float_format="%.9g"))]


def windows(pairs: Pairs, asked: Ranges | None = None) -> list[Window]:
    """Return where to compute surfaces: one for each of the first so many problems whose runs have paths.

    `asked`: the lowest and highest value of parameters of which a spec says what is shown (`compare.window`).
    """
    problems: dict[str, Pairs] = {}
    for run, outcome in pairs:
        if path_names(outcome):
            problems.setdefault(components_key(run, SHARED["surface"]), []).append((run, outcome))
    known = {name for several in problems.values() for name in path_names(several[0][1])}
    for name in [name for name in asked or {} if known and name not in known]:
        note(f"compare.window: no model has a parameter {name} with a path; there are {', '.join(sorted(known))}")
    return [_window(several, asked or {}) for several in list(problems.values())[:MOST]]


def path_names(outcome: Outcome) -> list[str]:
    """Return the names of the numbers whose path a run has left, in the model's order where that is known."""
    found = [name.removeprefix(PARAMETER) for name in outcome.history if name.startswith(PARAMETER)]
    return list(outcome.parameters) if set(outcome.parameters) == set(found) else found


def _window(several: Pairs, asked: Ranges) -> Window:
    run, first = several[0]
    names = path_names(next((outcome for _, outcome in several if outcome.parameters), first))
    paths = [_path(outcome, names) for _, outcome in several]
    came_down = [i for i, (_, outcome) in enumerate(several) if _came_down(outcome)]
    down = [paths[i] for i in came_down]
    settled = settling(down, [_halfway(several[i][1], names, len(paths[i])) for i in came_down])
    corners = [path[0] for path in paths] + [path[-1] for path in settled]
    best = [first.reference.get(PARAMETER + name) for name in names]
    if None not in best:
        corners.append(np.array(best))
    walked = np.concatenate(down or paths)
    origin, directions = plane(np.concatenate(settled or paths), corners[-1])
    low, high = frame((np.stack(corners) - origin) @ directions.T, (walked - origin) @ directions.T)
    if len(names) > len(low):  # a plane has one scale in all directions
        room = np.maximum(FLATTEST * (high - low).max() - (high - low), 0) / 2
        low, high = low - room, high + room
    else:
        wanted = np.array([asked.get(name, ends) for name, *ends in zip(names, low, high, strict=True)])
        low, high = wanted[:, 0], wanted[:, 1]
    return Window(run, names, origin, directions, low, high, tuple(dict.fromkeys(run.seed for run, _ in several)))


def plane(paths: Numbers, end: Numbers) -> tuple[Numbers, Numbers]:
    """Return the origin [P] and directions [D, P] of the plane to show paths [T, P] in: all of it where P is 1 or 2.

    Otherwise it goes through an end [P], and along the two directions in which the paths spread most about it: their
    principal components. Source: Li, Xu, Taylor, Studer and Goldstein, Visualizing the Loss Landscape of Neural Nets,
    NeurIPS 2018, section 7.2.
    """
    if paths.shape[1] <= 2:
        return np.zeros_like(end), np.eye(paths.shape[1])
    directions: Numbers = np.linalg.svd(paths - end, full_matrices=False)[2][:2]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1, keepdims=True), 1)
    return end, directions * np.sign(largest)  # of two opposites the one that is mostly positive


def frame(corners: Numbers, paths: Numbers) -> tuple[Numbers, Numbers]:
    """Return the ends [P] of a window that holds all corners [n, P], and of the paths [m, P] what is not far off."""
    low, high = corners.min(0), corners.max(0)
    size = np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
    low = np.minimum(low, np.maximum(paths.min(0), low - REACH * size))
    high = np.maximum(high, np.minimum(paths.max(0), high + REACH * size))
    size = np.where(high > low, high - low, size)
    return low - MARGIN * size, high + MARGIN * size


def _path(outcome: Outcome, names: list[str]) -> Numbers:
    """Return the finite part of a path [T, P], its end included."""
    path = np.stack([outcome.history[PARAMETER + name].values for name in names], 1)
    if outcome.parameters:
        path = np.vstack([path, [outcome.parameters[name] for name in names]])
    return path[np.isfinite(path).all(1)]


def settling(paths: list[Numbers], halves: list[int]) -> list[Numbers]:
    """Return the paths [T, P] but those that leave for good, as from a saddle into a loss without a least value.

    `halves`: the point of each after half of its steps. One that settles walks most of its way at first; what grows by
    a factor in each step, at last, and then it is far off where others are. Of such alone the shortest is kept.
    """
    least = min(map(_extent, paths), default=0.0)

    def leaves(path: Numbers, half: int) -> bool:
        size = _extent(path)
        return size > FAR * least and float(np.linalg.norm(path[-1] - path[half])) > ESCAPED * size

    return [path for path, half in zip(paths, halves, strict=True) if not leaves(path, half)]


def _halfway(outcome: Outcome, names: list[str], points: int) -> int:
    """Return which of the points of a path is that after half of its steps; the later ones are farther apart."""
    steps = outcome.history[PARAMETER + names[0]].steps
    return min(int(np.searchsorted(steps, steps[-1] / 2)), points - 1)


def _extent(path: Numbers) -> float:
    """Return how far a path goes from its start."""
    return float(np.linalg.norm(path - path[0], axis=1).max())


def _came_down(outcome: Outcome) -> bool:
    losses = outcome.history[LOSS].values
    return outcome.ended_well and bool(losses[-1] <= losses[0])
