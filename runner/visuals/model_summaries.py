"""What the models of a plan look like: as text, and as the graphs of their forward passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xprun.plugins.registry import OBJECTIVE
from xprun.plugins.tensor_groups import first_rows
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.log import words_of
from xprun.runner.results.atomic_files import replace_text
from xprun.runner.results.results_schema import MODELS_FILE
from xprun.specs import Run

if TYPE_CHECKING:
    from xprun.runner.workload.workload import Workload

MOST = 12  # models that are shown
TEXT = "models.txt"

Summary = dict[str, Any]  # `text`, and the `graph` where there is one


def distinct_models(runs: list[Run]) -> tuple[list[Run], int]:
    """Return a run of each distinct model on each data set, at most twelve, and the number of those left out.

    Objectives, of which there is nothing to see, come last.
    """
    firsts: dict[tuple[str, Any], Run] = {}
    for run in runs:
        firsts.setdefault((run.choices["data"].label, run.choices["model"].identity), run)
    chosen = sorted(firsts.values(), key=lambda run: run.choices["data"].name == OBJECTIVE)
    return chosen[:MOST], len(chosen[MOST:])


def title_of(run: Run) -> str:
    """Return what stands over the summary of a run's model."""
    model = run.choices["model"]
    swept = ", ".join(f"{'.'.join(map(str, path))}={value}" for path, value in model.swept.items())
    return f"{model.label}{f' at {swept}' if swept else ''} on {run.choices['data'].label}"


def summaries(runs: list[Run], context: Context) -> list[Summary | str]:
    """Return the summaries of the models of runs, or why there is none. It runs the code of components."""
    return [_summary_or_why_not(run, context) for run in runs]


def _summary_or_why_not(run: Run, context: Context) -> Summary | str:
    from xprun.runner.execution.cohort_execution import FAULTS, workload_of
    from xprun.runner.workload.model_graph import graph_of_model

    try:
        work = workload_of(Cohort([run]), context)
        text = _table(work)
    except FAULTS as error:  # the runs tell what is wrong with the model
        return f"cannot be shown: {words_of(error)[:200]}"
    try:
        return {"text": text, "graph": graph_of_model(work)}
    except FAULTS as error:
        return f"{text}\nits graph cannot be drawn: {words_of(error)[:200]}"


def _table(work: Workload) -> str:
    """Return torchinfo's table for one row of the data."""
    from torchinfo import summary

    columns = ("output_size", "num_params", "trainable")
    found = summary(
        work.make_model(0),
        input_data=first_rows(work.train.inputs, 1),
        col_names=columns,
        row_settings=("var_names",),
        verbose=0,
    )
    return str(found)


def write_models(folder: Path, runs: list[Run], left_out: int, found: list[Summary | str]) -> None:
    """Write `models.txt`, what each model looks like, and `models.json`, a list of graphs with a `title`."""
    texts, graphs = [], []
    for run, summary in zip(runs, found, strict=True):
        text, graph = (summary, None) if isinstance(summary, str) else (summary["text"], summary["graph"])
        texts.append(f"{title_of(run)}\n{text}\n")
        if graph:
            graphs.append({"title": title_of(run)} | graph)
    texts += [f"and {left_out} more models\n"] if left_out else []
    replace_text(folder / TEXT, "\n".join(texts))
    replace_text(folder / MODELS_FILE, json.dumps(graphs, separators=(",", ":")) + "\n")
