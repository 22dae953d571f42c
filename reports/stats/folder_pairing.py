"""The runs of two result folders that can be compared: one question, the same rows, a setting for both."""

from dataclasses import replace
from typing import Any

import pandas as pd
from xprun.reports.data.folder_comparison import Comparison, read_comparison
from xprun.reports.data.results_folder import Tables
from xprun.reports.presentation.formatting import listed, value_text
from xprun.reports.presentation.report_errors import ReportError
from xprun.reports.stats.ranking import final_runs, judge, summarise, valued
from xprun.runner.results.results_schema import PROBLEM, SEARCH, STAGE

HELD_OUT = ("valid", "test", "k_folds")


def common_comparison(first: Tables, second: Tables) -> Comparison:
    """The comparison of the first folder, with what tells the settings of both apart."""
    comparison = read_comparison(first)
    _refuse_other_problems(first, second)
    if comparison.metric not in second.schema.compared_metrics:
        known = ", ".join(second.schema.compared_metrics)
        raise ReportError(f"the second folder has no metric {comparison.metric!r}; it has {known}")
    other = read_comparison(second)
    if comparison.by_time and (comparison.aim, comparison.target) != (other.aim, other.target):
        raise ReportError("the two folders have different targets, so their steps cannot be compared")
    _refuse_other_rows(first, second)
    by = [*comparison.problems, *comparison.by]
    keys = [key for key in dict.fromkeys([*comparison.keys, *other.keys]) if key not in by]
    same = comparison.shown_column in second.runs
    repeats = list(dict.fromkeys([*comparison.repeats, *other.repeats]))
    found = replace(comparison, by=by, keys=keys, repeats=repeats, reported=comparison.reported if same else None)
    for where, tables in (("first", first), ("second", second)):
        lacking = [name for name in [*by, *keys, *repeats] if name not in tables.runs]
        if lacking:
            raise ReportError(f"the {where} folder has no column {listed(lacking)}, which distinguishes the settings")
    return found


def _refuse_other_problems(first: Tables, second: Tables) -> None:
    """Raise ReportError where a listed problem is measured in another way, or by another target, in each folder."""
    here, there = first.schema.by_problem, second.schema.by_problem
    for label in here.keys() & there.keys():
        if (here[label].metric, here[label].goal) != (there[label].metric, there[label].goal):
            raise ReportError(f"the two folders compare {label} by different metrics")
        if here[label].by_time and (here[label].aim, here[label].target) != (there[label].aim, there[label].target):
            raise ReportError(f"the two folders have different targets on {label}, so their steps cannot be compared")


def _refuse_other_rows(first: Tables, second: Tables) -> None:
    """Raise ReportError where a data set of the same label keeps other rows from the training in each folder."""
    here, there = (_held_out(tables) for tables in (first, second))
    for label in here.keys() & there.keys():
        differing = [key for key in HELD_OUT if (here[label].get(key) or 0) != (there[label].get(key) or 0)]
        if differing:
            told = [f"{key} = {value_text(part[label].get(key) or 0)}" for part in (here, there) for key in differing]
            raise ReportError(
                f"the two folders hold out different rows of {label} ({listed(told)}), so their numbers cannot be "
                "compared; run both with the same data.valid and data.test"
            )


def _held_out(tables: Tables) -> dict[str, dict[str, Any]]:
    data = tables.resolved.get("spec", {}).get("data", [])
    return {str(a.get("label") or a.get("name")): a.get("settings", {}) for a in data if isinstance(a, dict)}


def runs_to_compare(first: Tables, second: Tables, comparison: Comparison) -> pd.DataFrame:
    """The runs of both that are compared: their `side`, setting, block and value."""
    both = pd.concat([first.runs.assign(side=0), second.runs.assign(side=1)], ignore_index=True)
    if comparison.schema.by_problem:
        problems = both.groupby(PROBLEM, sort=False)
        return pd.concat([_to_compare(runs, comparison.on(str(label))) for label, runs in problems])
    return _to_compare(both, comparison)


def _to_compare(both: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    judged = judge(both, comparison)
    sides = [judged[judged["side"] == side] for side in (0, 1)]
    finals = [final_runs(runs, summarise(runs[runs[STAGE] == SEARCH], comparison), comparison) for runs in sides]
    if all(confirmed for _, confirmed in finals):
        return pd.concat([runs for runs, _ in finals])
    return valued(_at_common_choice(judged[judged[STAGE] == SEARCH], comparison), comparison.shown_column)


def _at_common_choice(judged: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The runs of each alternative at the setting with the best mean over both folders, of those that both have.

    An alternative of the first folder that the second lacks is taken at its best setting in the first.
    """
    shared = judged.groupby("setting")["side"].transform("nunique") == 2
    known = set(judged.loc[shared, "alternative"])
    among = judged[shared | (~judged["alternative"].isin(known) & (judged["side"] == 0))]
    chosen = summarise(among, comparison).drop_duplicates("alternative")
    return judged[judged["setting"].isin(chosen.index)]
