"""The curves that runs have fitted to data of one feature, beside the data: `fits.csv`."""

from __future__ import annotations

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
from xprun.runner.results.results_schema import DATA_ROWS, FITS, FITTED_CURVE, RUN, SERIES, SHARED, TRUE_CURVE, X, Y
from xprun.runner.results.run_columns import components_key
from xprun.specs import Run

MOST = 300  # training rows that are kept of a data set
Points = NDArray[np.float64]  # [n, 2]: x, y


@dataclass(frozen=True)
class Data:
    """Training rows of one feature, evenly spread over all, and the true curve where the data know it."""

    rows: Points
    truth: Points | None


def data_sets(pairs: Pairs) -> list[Run]:
    """Return the first run on each data set to which runs have fitted a curve."""
    firsts: dict[str, Run] = {}
    for run, outcome in pairs:
        if "fit" in outcome.visuals:
            firsts.setdefault(components_key(run, SHARED["data"]), run)
    return list(firsts.values())


def data_of(runs: list[Run], context: Context) -> list[Data | str]:
    """Return what the runs were fitted to, or why that cannot be told. It runs the code of components."""
    return [_data(run, context) for run in runs]


def _data(run: Run, context: Context) -> Data | str:
    from xprun.runner.execution.cohort_execution import FAULTS, workload_of
    from xprun.runner.workload.visual_data import curve_places, true_curve

    try:
        work = workload_of(Cohort([run]), context)
        table, x = work.train, curve_places(work)
        assert x is not None  # the run has a curve over it
        rows = np.linspace(0, len(table) - 1, min(MOST, len(table))).round().astype(int)
        found = np.stack([table.one_tensor[:, 0].cpu().numpy()[rows], table.targets[:, 0].cpu().numpy()[rows]], 1)
        truth = true_curve(table, x)
        return Data(found, None if truth is None else np.stack([x.cpu().numpy(), truth.cpu().numpy()], 1))
    except FAULTS as error:  # the runs tell what is wrong with a component
        return f"{type(error).__name__}: {words_of(error)[:200]}"


def write_fits(folder: Path, pairs: Pairs, runs: list[Run], found: list[Data | str]) -> list[Path]:
    """Write `fits.csv`: `run`, `series` ("data", "truth" or "fit"), `x` and `y`.

    Rows and truth stand under the first run on a data set. No file is left where no run has fitted a curve.
    """
    path, parts = folder / FITS.file, []
    for run, data in zip(runs, found, strict=True):
        if isinstance(data, str):
            note(f"the data of {run.choices['data'].label} cannot be shown: {data}")
            continue
        parts.append((run.id, DATA_ROWS, data.rows))
        if data.truth is not None:
            parts.append((run.id, TRUE_CURVE, data.truth))
    parts += [(run.id, FITTED_CURVE, np.array(o.visuals["fit"]).T) for run, o in pairs if "fit" in o.visuals]
    if not parts:
        path.unlink(missing_ok=True)
        return []
    sizes, points = [len(points) for *_, points in parts], np.concatenate([points for *_, points in parts])
    names = {name: np.repeat([part[i] for part in parts], sizes) for i, name in enumerate((RUN, SERIES))}
    import pandas as pd  # not where a worker reads data

    table = pd.DataFrame({**names, X: points[:, 0], Y: points[:, 1]})
    return [replace_file(path, partial(table.to_csv, index=False, lineterminator="\n", float_format="%.9g"))]
