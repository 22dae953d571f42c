"""What the models of a plan look like: their layers, output shapes and numbers of parameters, as text."""

from __future__ import annotations

from xprun.plugins.tensor_groups import first_rows
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort
from xprun.runner.process.log import words_of
from xprun.specs import Run

MOST = 12  # models that are shown


def distinct_models(runs: list[Run]) -> tuple[list[Run], int]:
    """Return a run of each distinct model on each data set, at most twelve, and the number of those left out."""
    firsts = {(run.choices["data"].label, run.choices["model"].identity): run for run in reversed(runs)}
    chosen = list(firsts.values())[::-1]
    return chosen[:MOST], len(chosen[MOST:])


def title_of(run: Run) -> str:
    """Return what stands over the summary of a run's model."""
    model = run.choices["model"]
    swept = ", ".join(f"{'.'.join(map(str, path))}={value}" for path, value in model.swept.items())
    return f"{model.label}{f' at {swept}' if swept else ''} on {run.choices['data'].label}"


def summaries(runs: list[Run], context: Context) -> list[str]:
    """Return the summaries of the models of runs. It runs the code of components."""
    return [_summary_or_why_not(run, context) for run in runs]


def _summary_or_why_not(run: Run, context: Context) -> str:
    try:
        return _summary(run, context)
    except (Exception, SystemExit) as error:  # the runs tell what is wrong with the model
        return f"cannot be shown: {words_of(error)[:200]}"


def _summary(run: Run, context: Context) -> str:
    """Return torchinfo's table for one row of the data."""
    from torchinfo import summary
    from xprun.runner.execution.cohort_execution import workload_of

    work = workload_of(Cohort([run]), context)
    columns = ("output_size", "num_params", "trainable")
    found = summary(
        work.make_model(0),
        input_data=first_rows(work.train.inputs, 1),
        col_names=columns,
        row_settings=("var_names",),
        verbose=0,
    )
    return str(found)
