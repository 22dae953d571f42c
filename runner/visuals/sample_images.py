"""Images with what trained models took them for: `samples.csv`, and their pixels in `images.npz`."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xprun.runner.execution.worker_context import Context
from xprun.runner.outputs.result_columns import Pairs
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.planning.plan import Plan
from xprun.runner.process.log import note, words_of
from xprun.runner.results.atomic_files import replace_file
from xprun.runner.results.compared_value import cost as cost_of
from xprun.runner.results.outcome import Outcome
from xprun.runner.results.results_schema import SAMPLES, SEARCH
from xprun.specs import Run
from xprun.specs.language.schema import COMPONENT_SECTIONS

MOST = 24  # runs whose samples are shown: the best of each combination of alternatives
Wanted = list[tuple[Run, list[int]]]  # a run on each data set, and the rows of it to show
Pixels = NDArray[np.uint8]  # [n, H, W, C]


def best_runs(plan: Plan, pairs: Pairs) -> Pairs:
    """Return the run with the best result of each combination of alternatives, of those that have samples.

    Where a combination has runs on fresh seeds, it is one of these: they are the ones that are ranked.
    """
    best: dict[tuple[str, ...], tuple[tuple[bool, float], Run, Outcome]] = {}
    outcomes = {run.id: outcome for run, outcome in pairs if "samples" in outcome.visuals}
    for run in plan.rows:
        if run.id not in outcomes:
            continue
        outcome = outcomes[run.id]
        cost = plan.stage_of(run) == SEARCH, cost_of(plan.comparison_of(run), outcome)
        if math.isinf(cost[1]):
            continue
        labels = (run.problem, *(run.choices[s].label for s in COMPONENT_SECTIONS if s in run.choices))
        if labels not in best or cost < best[labels][0]:
            best[labels] = cost, run, outcome
    return list({run.id: (run, outcome) for _, run, outcome in list(best.values())[:MOST]}.values())


def wanted_rows(best: Pairs) -> Wanted:
    """Return which rows of which data sets the samples of these runs show."""
    firsts: dict[str, tuple[Run, set[int]]] = {}
    for run, outcome in best:
        _, rows = firsts.setdefault(run.choices["data"].identity, (run, set()))
        rows.update(int(row) for row, *_ in outcome.visuals["samples"])
    return [(run, sorted(rows)) for run, rows in firsts.values()]


def pixels_of(wanted: Wanted, context: Context) -> list[Pixels | str]:
    """Return the pixels of rows, or why they cannot be shown. It runs the code of components."""
    return [_pixels(run, rows, context) for run, rows in wanted]


def _pixels(run: Run, rows: list[int], context: Context) -> Pixels | str:
    from xprun.runner.execution.cohort_execution import FAULTS, workload_of
    from xprun.runner.workload.visual_data import pixels

    try:
        return pixels(workload_of(Cohort([run]), context), rows)
    except FAULTS as error:  # the runs tell what is wrong with a component
        return f"{type(error).__name__}: {words_of(error)[:200]}"


def write_samples(folder: Path, best: Pairs, wanted: Wanted, found: list[Pixels | str]) -> list[Path]:
    """Write `samples.csv`, one row an image of a run, and `images.npz` with the pixels by the number in `image`.

    No files are left where there are no images.
    """
    paths = folder / SAMPLES.file, folder / "images.npz"
    images: dict[str, Pixels] = {}
    places: dict[tuple[str, int], int] = {}
    for (run, rows), pixels in zip(wanted, found, strict=True):
        if isinstance(pixels, str):
            note(f"the images of {run.choices['data'].label} cannot be shown: {pixels}")
            continue
        for row, image in zip(rows, pixels, strict=True):
            places[run.choices["data"].identity, row] = len(images)
            images[str(len(images))] = image
    table = [
        (run.id, int(row), int(target), int(prediction), probability, places[run.choices["data"].identity, int(row)])
        for run, outcome in best
        for row, target, prediction, probability in outcome.visuals["samples"]
        if (run.choices["data"].identity, int(row)) in places
    ]
    if not table:
        for path in paths:
            path.unlink(missing_ok=True)
        return []
    import pandas as pd  # not where a worker reads images

    frame = pd.DataFrame(table, columns=SAMPLES.names)
    write = partial(frame.to_csv, index=False, lineterminator="\n", float_format="%.6g")
    return [replace_file(paths[0], write), replace_file(paths[1], lambda path: _save(path, images))]


def _save(path: Path, images: dict[str, Pixels]) -> None:
    with path.open("wb") as file:  # given a path, numpy would add a suffix
        np.savez_compressed(file, allow_pickle=False, **images)
