"""How fast a run reaches the target: in steps, and in seconds where a run had its machine to itself."""

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.stats.distributions import shares
from xprun.runner.results.results_schema import METRIC, RUN, SECONDS, STEP, STEPS, TOGETHER, VALUE
from xprun.runner.results.rounding import reached


def steps_to_target(history: pd.DataFrame, judged: pd.DataFrame, comparison: Comparison) -> pd.Series:
    """For each row of `judged`: the first step whose metric reaches the target.

    Infinite where no step does, or where the run failed or diverged. The untrained model, step 0, counts for runs that
    take no step.
    """
    metric, goal = comparison.aim
    rows = history[history[METRIC] == metric]
    rows = rows[(rows[STEP] > 0) | rows[RUN].isin(judged.loc[judged[STEPS] == 0, RUN])]
    assert comparison.target is not None
    ahead = reached(rows[VALUE].to_numpy(dtype="float64"), comparison.target, goal)
    first = rows[ahead].groupby(RUN, observed=True)[STEP].min()
    steps = judged[RUN].map(dict(zip(first.index, first, strict=True)))
    return steps.astype("float64").fillna(np.inf).where(~judged["bad"], np.inf)


def time_to_target(history: pd.DataFrame, judged: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """By setting: `reached` (runs that do), and medians over all its runs of `steps` and `seconds` to the target.

    A run that fails, diverges or does not reach it takes infinitely long. `seconds` are the share of a run's
    wall time that its steps have in all its steps; NaN where runs were trained together, since their time is shared.
    """
    steps = steps_to_target(history, judged, comparison)
    share = steps / judged[STEPS].where(judged[STEPS] > 0)
    seconds = (judged[SECONDS] * share).where(np.isfinite(steps), np.inf)
    table = pd.DataFrame({"reached": np.isfinite(steps), STEPS: steps, SECONDS: seconds})
    groups = table.groupby(judged["setting"], sort=False)
    found = groups.agg(reached=("reached", "sum"), **{name: (name, "median") for name in (STEPS, SECONDS)})
    found[SECONDS] = found[SECONDS].where(~amortised(judged))
    return found


def reached_shares(history: pd.DataFrame, judged: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The share of the runs of each alternative in `judged` that have reached the target by a step: see `shares`."""
    steps = steps_to_target(history, judged, comparison)
    return shares(steps, judged["alternative"], 0.0, float(judged[STEPS].max()))


def amortised(judged: pd.DataFrame) -> pd.Series:
    """By setting: whether its runs were trained together with others, so that their seconds are shares of a whole."""
    together = judged.get(TOGETHER, pd.Series(1, index=judged.index))
    return together.gt(1).groupby(judged["setting"], sort=False).any()
