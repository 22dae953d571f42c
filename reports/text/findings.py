"""The verdict in words: what came out best, how sure that is, and what speaks against it."""

import numpy as np
import pandas as pd
from xprun.reports.data.compared import Comparison
from xprun.reports.data.results_folder import metrics
from xprun.reports.presentation.formatting import (
    counted,
    decimals,
    listed,
    plus_minus,
    setting_texts,
    short_names,
    value_text,
)
from xprun.reports.stats.averages import bootstrap
from xprun.reports.stats.paired_tests import LEVEL, TESTABLE, paired_values, sign_flip_test, subtract
from xprun.reports.stats.ranking import STATUSES, at_edge


def verdict(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> str:
    """One or two sentences about the best alternative and the next, with the spread and the number of seeds."""
    names = _names(ranking, comparison)
    best = ranking.iloc[0]
    if best["bad"]:
        return _none_ended_everywhere(best, names[0], comparison)
    what = f"{names[0]} reached the best mean {comparison.metric}: {_result(best)}{_over(best)}"
    return f"{what}{_next(judged, ranking, names, comparison)}"


def none_ended_well(comparison: Comparison) -> str:
    """The verdict where there is nothing to compare."""
    return f"Every setting has only runs that did not end well, so there is no {comparison.metric} to compare."


def counts(runs: pd.DataFrame) -> dict[str, int]:
    """How many runs have each status, in a fixed order; other words that the table holds come last."""
    found = runs["status"].value_counts(sort=False)
    order = [*STATUSES, *sorted(set(found.index) - set(STATUSES))]
    return {status: int(found[status]) for status in order if status in found}


def unfinished(runs: pd.DataFrame, planned: int | None) -> list[str]:
    """A sentence where runs of the plan are not in the table; none otherwise."""
    if not planned or len(runs) >= planned:
        return []
    return [f"Not finished: {len(runs)} of {planned} planned runs are in the table."]


def cautions(runs: pd.DataFrame, summary: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> list[str]:
    """What a careful reader would object, one sentence each; empty where nothing does."""
    found = [
        _selection(runs, comparison),
        _few_seeds(ranking),
        _edges(summary, ranking, comparison),
        _budgets(ranking),
        _troubled(ranking),
    ]
    return [caution for caution in found if caution]


def _none_ended_everywhere(best: pd.Series, name: str, comparison: Comparison) -> str:
    if best["bad"] == best["runs"]:
        return none_ended_well(comparison)
    return (
        f"No setting ended well in all its seeds, so there is no best {comparison.metric}. "
        f"The nearest is {name}: {best['bad']} of {counted(best['runs'], 'run')} did not end well."
    )


def _names(ranking: pd.DataFrame, comparison: Comparison) -> list[str]:
    settings = setting_texts(ranking, comparison.keys)
    pairs = zip(ranking["alternative"], settings, strict=True)
    return [f"{name} at {setting}" if setting else name for name, setting in pairs]


def _result(row: pd.Series) -> str:
    return plus_minus(row["mean"], row["sd"])


def _over(row: pd.Series) -> str:
    return f" (sd over {row['n']} seeds)" if row["n"] > 1 else " (n = 1, so the spread is unknown)"


def _next(judged: pd.DataFrame, ranking: pd.DataFrame, names: list[str], comparison: Comparison) -> str:
    if len(ranking) == 1:
        return "; there is no other alternative to compare it with."
    best, second = ranking.iloc[0], ranking.iloc[1]
    if second["bad"]:
        return "; no other alternative has a setting whose runs all ended well."
    how = "level with" if best["rank"] == second["rank"] else "ahead of"
    return f", {how} {names[1]} with {_result(second)}; {_sureness(judged, best, second, comparison)}"


def _sureness(judged: pd.DataFrame, best: pd.Series, second: pd.Series, comparison: Comparison) -> str:
    n = min(best["n"], second["n"])
    if n == 1:
        return "one seed each cannot tell them apart."
    overlap = best["low"] <= second["high"] and second["low"] <= best["high"]
    differences = subtract(paired_values(judged, best.name, second.name, comparison))
    if len(differences) < TESTABLE:
        return _by_range(overlap, n)
    ranges = "the ranges overlap" if overlap else "the ranges do not overlap"
    tested = _tested(sign_flip_test(differences), len(differences))
    return f"{_by_how_much(differences)}{ranges}; {tested}."


def _by_how_much(differences: np.ndarray) -> str:
    """The size of the mean difference, and its interval; nothing where they are all equal."""
    size, (low, high) = abs(differences.mean()), bootstrap(differences[None])[0] * np.sign(differences.mean())
    if not size:
        return ""
    show = decimals(pd.Series([size, low, high]), 2)
    return f"they differ by {show(size)} (95% interval {show(min(low, high))} to {show(max(low, high))}), "


def _tested(p: float, n: int) -> str:
    return f"a sign-flip test over {n} shared seeds gives p = {p:.2g}, {_told(p, n)}"


def _told(p: float, n: int) -> str:
    if p < LEVEL:
        return "so the seeds tell them apart"
    if p <= 2 ** (1 - n):
        return f"the least that {n} seeds can give, so it takes more to tell them apart"
    return "so the seeds do not distinguish them"


def _by_range(overlap: bool, n: int) -> str:
    if overlap:
        return f"the ranges overlap, so n = {n} seeds do not distinguish them."
    return f"the ranges do not overlap, but n = {n} seeds are too few for a test."


def _selection(runs: pd.DataFrame, comparison: Comparison) -> str:
    held_out = [name for name in metrics(runs) if name.startswith("valid.")]
    if not held_out or comparison.metric.startswith("valid."):
        return ""
    return (
        f"Settings are chosen, and ranked, by {comparison.metric} on the rows of the training, although rows were held "
        f"out: compare by {listed(held_out)} to see what carries over to others."
    )


def _few_seeds(ranking: pd.DataFrame) -> str:
    n = int(ranking["runs"].min())
    if n >= TESTABLE:
        return ""
    return f"Few seeds: with n = {n} no significance test is made; small differences mean little."


def _edges(summary: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> str:
    names = short_names(comparison.keys)
    numeric = [key for key in comparison.keys if is_number(summary[key])]
    found = [
        f"{row.alternative} ({names[key]}={value_text(row.value)}, the {row.end})"
        for key in numeric
        for row in at_edge(summary, ranking, key).itertuples()
    ]
    return f"Best at the edge of its sweep, so a better value may lie beyond: {listed(found)}." if found else ""


def _budgets(ranking: pd.DataFrame) -> str:
    tried = ranking.set_index("alternative")["tried"]
    if tried.nunique() == 1:
        return ""
    return (
        f"Unequal tuning budgets: from {counted(tried.min(), 'setting')} ({tried.idxmin()}) "
        f"to {tried.max()} ({tried.idxmax()}); "
        "more settings tried means more chances for a lucky best."
    )


def _troubled(ranking: pd.DataFrame) -> str:
    bad = ranking[ranking["bad"] > 0]
    names = listed([f"{row.alternative} ({row.bad} of {row.runs})" for row in bad.itertuples()])
    return f"Ranked last, because even the best setting has runs that did not end well: {names}." if names else ""


def is_number(values: pd.Series) -> bool:
    """Whether a setting is a quantity that can be an axis."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
