"""Where optimizers went: the paths of runs through one or two parameters, and the loss below them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import RectBivariateSpline
from xprun.reports.floor import reference_value
from xprun.reports.study import Study

PREFIX = "param."
FINE = 2  # how many times finer a surface is drawn than it was computed
PROBLEM = ("data", "model", "loss")  # the sections that decide a surface


@dataclass(frozen=True)
class Surface:
    """The loss over one or two parameters: `loss` [X], or [X, Y], at the values of `axes`, which ascend."""

    names: list[str]
    axes: list[np.ndarray]
    loss: np.ndarray

    def finer(self) -> "Surface":
        """The same with points between its points, by cubic splines; as it is where it is not finite."""
        if len(self.axes) == 1 or not np.isfinite(self.loss).all():
            return self
        axes = [np.linspace(axis[0], axis[-1], FINE * (len(axis) - 1) + 1) for axis in self.axes]
        return Surface(self.names, axes, RectBivariateSpline(*self.axes, self.loss)(*axes))

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Which of the points [T, P] lie in the window [T]."""
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


def scenes(study: Study) -> list[Scene]:
    """One scene for each surface over which an alternative has a path, in the order of the ranking."""
    runs = study.tables.runs
    grounds = _surfaces(study.tables.surface, runs)
    problems = _problems(runs)
    steps = _steps(study)
    found: dict[str, dict[str, str]] = {}
    for alternative, run in study.typical.items():
        if run in steps and problems[run] in grounds:
            found.setdefault(problems[run], {})[str(alternative)] = run
    return [_scene(grounds[problem], chosen, steps, runs) for problem, chosen in found.items()]


def _scene(surface: Surface, chosen: dict[str, str], steps: dict[str, pd.DataFrame], runs: pd.DataFrame) -> Scene:
    paths, lost = {}, set()
    for alternative, run in chosen.items():
        path = _whole(steps[run], runs[runs["run"] == run], surface.names)
        cut = _cut(path, surface)
        if len(cut) < len(path):
            lost.add(alternative)
        paths[alternative] = _with_loss(cut, surface)
    drawn = runs[runs["run"].isin(list(chosen.values()))]
    best = [reference_value(drawn, name) for name in surface.names]
    known = [value for value in best if value is not None]
    return Scene(surface, paths, lost, known if len(known) == len(best) else None)


def _surfaces(table: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Surface]:
    """The surfaces by the problem that they belong to."""
    problems = _problems(runs)
    groups = [(run, rows.dropna(axis="columns", how="all")) for run, rows in table.groupby("run", sort=False)]
    return {problems[run]: _surface(rows) for run, rows in groups if run in problems.index}


def _surface(rows: pd.DataFrame) -> Surface:
    names = [name for name in map(str, rows) if name.startswith(PREFIX)]
    loss = rows.set_index(names)["loss"].sort_index()
    axes = [np.unique(rows[name].to_numpy()) for name in names]
    return Surface(names, axes, loss.to_numpy().reshape([len(axis) for axis in axes]))


def _problems(runs: pd.DataFrame) -> pd.Series:
    """By run, its data, model and loss with their settings, as text."""
    columns = [name for name in map(str, runs) if name.partition(".")[0] in PROBLEM or name == "run.dtype"]
    return pd.Series(map(str, runs[columns].itertuples(index=False, name=None)), index=runs["run"])


def _steps(study: Study) -> dict[str, pd.DataFrame]:
    """By run, of the typical ones, its parameters before the steps that were recorded: columns of their names."""
    history = study.tables.history
    rows = history[history["run"].isin(study.typical.to_numpy())]
    rows = rows[rows["metric"].astype(str).str.startswith(PREFIX)]
    text = rows.assign(run=rows["run"].astype(str), metric=rows["metric"].astype(str))
    tables = {
        str(run): group.pivot(index="step", columns="metric", values="value") for run, group in text.groupby("run")
    }
    return {run: table.dropna() for run, table in tables.items()}


def _whole(steps: pd.DataFrame, row: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """A path with its end: `taken`, the steps taken, and the parameters then. `row`: that of its run."""
    path = steps[names].reset_index().rename(columns={"step": "taken"})
    end = row[["steps", *names]].rename(columns={"steps": "taken"}).dropna()
    return pd.concat([path.assign(taken=path["taken"] - 1), end], ignore_index=True)


def _cut(path: pd.DataFrame, surface: Surface) -> pd.DataFrame:
    """The path until it leaves the window for good, its last point then on the window's edge."""
    points = path[surface.names].to_numpy(dtype="float64")
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
    """`taken`, `x` and `y` of a path over two parameters, or over one and its loss."""
    x = path[surface.names[0]]
    y = path[surface.names[1]] if len(surface.names) == 2 else np.interp(x, surface.axes[0], surface.loss)
    return pd.DataFrame({"taken": path["taken"].astype("int64"), "x": x, "y": y})
