"""Where optimizers went: the paths of runs through their parameters, and the loss below them."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from xprun.reports.presentation.report_errors import ReportError
from xprun.reports.stats.analysis import Analysis
from xprun.reports.stats.closed_form import reference_value
from xprun.runner.results.results_schema import LOSS, METRIC, RUN, STEP, STEPS, SURFACE, VALUE

FINE = 2  # how many times finer a surface is drawn than it was computed


@dataclass(frozen=True)
class Surface:
    """The loss over parameters: `loss` [X], or [X, Y], at the values of `axes`, which ascend.

    The axes are the parameters that `names` lists, or the directions [2, P] of a plane through `origin` [P] where there
    are more than two.
    """

    names: list[str]
    axes: list[np.ndarray]
    loss: np.ndarray
    origin: np.ndarray
    directions: np.ndarray

    @property
    def is_plane(self) -> bool:
        """Whether it is only a part of all parameters."""
        return len(self.names) > 2

    def place(self, points: np.ndarray) -> np.ndarray:
        """Where the points [T, P], or what is closest to them, lie along the axes [T, D]."""
        with np.errstate(invalid="ignore", over="ignore"):  # a path may go as far as numbers do
            return np.asarray((points - self.origin) @ self.directions.T)

    def finer(self) -> "Surface":
        """The same with points between its points, by cubic splines; as it is where it is not finite."""
        if len(self.axes) == 1 or not np.isfinite(self.loss).all():
            return self
        from scipy.interpolate import RectBivariateSpline  # takes a while to import, and few pages need it

        axes = [np.linspace(axis[0], axis[-1], FINE * (len(axis) - 1) + 1) for axis in self.axes]
        return replace(self, axes=axes, loss=RectBivariateSpline(*self.axes, self.loss)(*axes))

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Which of the points [T, D] lie in the window [T]."""
        low, high = (np.array([axis[end] for axis in self.axes]) for end in (0, -1))
        with np.errstate(invalid="ignore"):
            return np.asarray(((points >= low) & (points <= high)).all(axis=1))


@dataclass(frozen=True)
class Scene:
    """A surface, and over it the path of a typical run of each alternative.

    `paths`: by alternative `taken` (steps), and `x`, `y` there; y is the loss where there is one parameter. `lost`: the
    alternatives whose path leaves the window and does not come back. `best`: the optimum, where it is known.
    """

    surface: Surface
    paths: dict[str, pd.DataFrame]
    lost: set[str]
    best: list[float] | None


def scenes(analysis: Analysis) -> list[Scene]:
    """One scene for each surface over which an alternative has a path, in the order of the ranking."""
    runs = analysis.tables.runs
    if analysis.tables.surface.empty:
        return []  # histories may be long
    groups = analysis.tables.schema.group_of("surface")
    surfaces = _surfaces(analysis.tables.surface, groups)
    steps = _steps(analysis)
    found: dict[int, dict[str, str]] = {}
    for alternative, run in analysis.typical.items():
        if run in steps and groups.get(run) in surfaces:
            found.setdefault(groups[run], {})[str(alternative)] = run
    return [_scene(surfaces[group], chosen, steps, runs) for group, chosen in found.items()]


def _scene(surface: Surface, chosen: dict[str, str], steps: dict[str, pd.DataFrame], runs: pd.DataFrame) -> Scene:
    paths, lost = {}, set()
    for alternative, run in chosen.items():
        path = _whole(steps[run], runs[runs[RUN] == run], surface)
        cut = _cut(path, surface)
        if len(cut) < len(path):
            lost.add(alternative)
        paths[alternative] = _with_loss(cut, surface)
    drawn = runs[runs[RUN].isin(list(chosen.values()))]
    best = [reference_value(drawn, name) for name in surface.names]
    known = np.array([value for value in best if value is not None])
    return Scene(surface, paths, lost, surface.place(known).tolist() if len(known) == len(best) else None)


def _surfaces(table: pd.DataFrame, groups: dict[str, int]) -> dict[int, Surface]:
    """The surfaces by the group of runs that move over them."""
    parts = [(str(run), rows.dropna(axis="columns", how="all")) for run, rows in table.groupby(RUN, sort=False)]
    return {groups[run]: _surface(rows) for run, rows in parts if run in groups}


def _surface(rows: pd.DataFrame) -> Surface:
    names = _parameters(rows)
    if LOSS not in rows or not names:
        raise ReportError(f"{SURFACE.file}: no loss over a parameter")
    points, loss, count = rows[names].to_numpy(), rows[LOSS].to_numpy(), len(names)
    axes = [np.unique(points[:, i]) for i in range(count)]
    sizes = [len(axis) for axis in axes] if count <= 2 else [round(len(rows) ** 0.5)] * 2
    if math.prod(sizes) != len(rows) or min(sizes) < 2:
        raise ReportError(f"{SURFACE.file}: the points of run {rows[RUN].iloc[0]} are no grid")
    if count <= 2:
        return Surface(names, axes, loss.reshape([len(axis) for axis in axes]), np.zeros(count), np.eye(count))
    side = round(len(rows) ** 0.5)
    corner, first, second = points[0], points[-side], points[side - 1]
    edges = np.stack([first, second]) - corner
    lengths = np.linalg.norm(edges, axis=1)
    axes = [np.linspace(0, length, side) for length in lengths]
    return Surface(names, axes, loss.reshape(side, side), corner, edges / lengths[:, None])


def _parameters(surface: pd.DataFrame) -> list[str]:
    """The columns of a surface that say where."""
    return [name for name in map(str, surface) if name not in SURFACE.fixed]


def _steps(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """By run, of the typical ones, its parameters before the steps that were recorded: columns of their names."""
    history = analysis.tables.history
    rows = history[history[RUN].isin(analysis.typical.to_numpy())]
    rows = rows[rows[METRIC].isin(_parameters(analysis.tables.surface))]
    text = rows.astype({RUN: "str", METRIC: "str"})
    tables = {str(run): group.pivot(index=STEP, columns=METRIC, values=VALUE) for run, group in text.groupby(RUN)}
    return {run: table.dropna() for run, table in tables.items()}


def _whole(steps: pd.DataFrame, row: pd.DataFrame, surface: Surface) -> pd.DataFrame:
    """A path with its end: `taken`, the steps taken, and where it then lies along the axes. `row`: that of its run."""
    names = surface.names
    path = steps[names].reset_index().rename(columns={STEP: "taken"})
    end = row.reindex(columns=[STEPS, *names]).rename(columns={STEPS: "taken"}).dropna()
    whole = pd.concat([path.assign(taken=path["taken"] - 1), end], ignore_index=True)
    places = surface.place(whole[names].to_numpy(dtype="float64"))
    return pd.DataFrame({"taken": whole["taken"], **dict(zip("xy", places.T, strict=False))})


def _cut(path: pd.DataFrame, surface: Surface) -> pd.DataFrame:
    """The path until it leaves the window for good, its last point then on the window's edge."""
    points = path.drop(columns="taken").to_numpy()
    inside = np.flatnonzero(surface.holds(points))
    last = int(inside[-1]) if len(inside) else 0
    if last == len(path) - 1 or not len(inside):
        return path
    cut = path.iloc[: last + 2].copy()
    cut.iloc[-1, -points.shape[1] :] = _edge(points[last], points[last + 1], surface)
    return cut


def _edge(inside: np.ndarray, outside: np.ndarray, surface: Surface) -> np.ndarray:
    """Where the way from a point in the window to one outside of it crosses its edge."""
    ends = np.array([[axis[0], axis[-1]] for axis in surface.axes])
    way = outside - inside
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(way > 0, (ends[:, 1] - inside) / way, np.where(way < 0, (ends[:, 0] - inside) / way, np.inf))
    edge: np.ndarray = inside + np.clip(np.nanmin(shares), 0, 1) * way
    return edge


def _with_loss(path: pd.DataFrame, surface: Surface) -> pd.DataFrame:
    """`taken`, `x` and `y` of a path; y is the loss where there is one parameter."""
    y = path["y"] if "y" in path else np.interp(path["x"], surface.axes[0], surface.loss)
    return path.assign(taken=path["taken"].astype("int64"), y=y)
