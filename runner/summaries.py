"""What the models of a plan look like: their layers, output shapes and numbers of parameters, as text."""

from __future__ import annotations

from xprun.runner.context import Context
from xprun.runner.plan import Cohort
from xprun.runner.words import words_of
from xprun.specs import Run

MOST = 12  # models that are shown


def describe_models(runs: list[Run], context: Context) -> str:
    """Return the summaries of the distinct models of some runs, at most twelve, each under the label that it has."""
    distinct = {(run.choices["data"].label, run.choices["model"].identity): run for run in reversed(runs)}
    chosen = list(distinct.values())[::-1]
    left_out = [f"and {len(chosen) - MOST} more models\n"] if len(chosen) > MOST else []
    return "\n".join([_described(run, context) for run in chosen[:MOST]] + left_out)


def _described(run: Run, context: Context) -> str:
    model = run.choices["model"]
    swept = ", ".join(f"{'.'.join(map(str, path))}={value}" for path, value in model.swept.items())
    title = f"{model.label}{f' at {swept}' if swept else ''} on {run.choices['data'].label}"
    try:
        return f"{title}\n{_summary(run, context)}\n"
    except Exception as error:  # the runs tell what is wrong with the model
        return f"{title}\ncannot be shown: {words_of(error)[:200]}\n"


def _summary(run: Run, context: Context) -> str:
    """Return torchinfo's table for one row of the data."""
    from torchinfo import summary
    from xprun.runner.execute import workload_of

    work = workload_of(Cohort([run]), context)
    columns = ("output_size", "num_params", "trainable")
    found = summary(
        work.make_model(0), input_data=work.train.inputs[:1], col_names=columns, row_settings=("var_names",), verbose=0
    )
    return str(found)
