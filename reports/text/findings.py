"""The verdict in words: what came out best, how sure that is, and what speaks against it."""

import numpy as np
import pandas as pd
from xprun.reports.data.compared import Comparison
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
from xprun.reports.stats.paired_over_seeds import LEVEL, SEEDS_NEEDED, TESTABLE, paired_values
from xprun.reports.stats.ranking import at_edge
from xprun.runner.results.paired_test import differences_of, sign_flip_test
from xprun.runner.results.results_schema import ENDED_WELL, STATUS, STATUSES, TRAIN, VALID


def verdict(judged: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> str:
    """Return a sentence about the best alternative and the next, the conclusion first."""
    names = _names(ranking, comparison)
    best = ranking.iloc[0]
    if best["bad"]:
        return _none_ended_everywhere(best, names[0], comparison)
    if len(ranking) == 1:
        return f"{names[0]} reached a mean {_with_metric(best, comparison)}; there is no other alternative to compare."
    return _compared(judged, ranking, names, comparison)


def none_ended_well(comparison: Comparison) -> str:
    """The verdict where there is nothing to compare."""
    return f"All runs failed or diverged, so there is no {comparison.metric} to compare."


def counts(runs: pd.DataFrame) -> dict[str, int]:
    """Return how many runs have each status, in a fixed order; statuses that are not known come last."""
    found = runs[STATUS].value_counts(sort=False)
    order = [*STATUSES, *sorted(set(found.index) - set(STATUSES))]
    return {status: int(found[status]) for status in order if status in found}


def unfinished(runs: pd.DataFrame, planned: int) -> list[str]:
    """Return a sentence where planned runs are missing from the table; none otherwise."""
    if len(runs) >= planned:
        return []
    return [f"Not finished: only {len(runs)} of {planned} planned runs are in the table."]


def cautions(summary: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> list[str]:
    """Return what speaks against the verdict, a sentence each."""
    found = [
        _selection(comparison),
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
        f"Every setting has failed or diverged runs, so there is no best {comparison.metric}. "
        f"The closest is {name}: {best['bad']} of {counted(best['runs'], 'run')} failed or diverged."
    )


def _names(ranking: pd.DataFrame, comparison: Comparison) -> list[str]:
    settings = setting_texts(ranking, comparison.keys)
    pairs = zip(ranking["alternative"], settings, strict=True)
    return [f"{name} at {setting}" if setting else name for name, setting in pairs]


def _result(row: pd.Series) -> str:
    return plus_minus(row["mean"], row["sd"])


def _over(row: pd.Series) -> str:
    return f"sd over {row['n']} seeds" if row["n"] > 1 else "one seed, so the spread is unknown"


def _with_metric(row: pd.Series, comparison: Comparison) -> str:
    return f"{comparison.metric} of {_result(row)} ({_over(row)})"


def _compared(judged: pd.DataFrame, ranking: pd.DataFrame, names: list[str], comparison: Comparison) -> str:
    best, second = ranking.iloc[0], ranking.iloc[1]
    what = f"{names[0]} has the best mean {comparison.metric}, {_result(best)} ({_over(best)})"
    if second["bad"]:
        return f"{what}; every other alternative has failed or diverged runs at all its settings."
    significant, sureness = _sureness(judged, best, second, comparison)
    tied = ranking[ranking["rank"] == best["rank"]]
    if len(tied) > 1:
        means = listed([_result(row) for _, row in tied.iterrows()])
        return f"{listed(names[: len(tied)])} tie: mean {comparison.metric} {means} ({_over(best)}); {sureness}."
    lead = "" if significant else "No clear winner: "
    return f"{lead}{what}, ahead of {names[1]} with {_result(second)}; {sureness}."


def _sureness(judged: pd.DataFrame, best: pd.Series, second: pd.Series, comparison: Comparison) -> tuple[bool, str]:
    """Return whether the first two can be told apart, and the words for it."""
    differences = differences_of(*paired_values(judged, best.name, second.name, comparison).T)
    n = len(differences)
    if n < TESTABLE:
        return False, _too_few(min(best["n"], second["n"]))
    p, size = sign_flip_test(differences), _by_how_much(differences)
    test = f" (sign-flip test over {n} shared seeds: p = {p:.2g})"
    if n < SEEDS_NEEDED:
        return False, f"{size}, but {_too_few(n, test)}" if size else _too_few(n, test)
    return p < LEVEL, f"{size or 'a difference of 0'}, which is {'' if p < LEVEL else 'not '}significant{test}"


def _by_how_much(differences: np.ndarray) -> str:
    """Return the size of the mean difference and its interval; nothing where the means are equal."""
    size, (low, high) = abs(differences.mean()), bootstrap(differences[None])[0] * np.sign(differences.mean())
    if not size:
        return ""
    show = decimals(pd.Series([size, low, high]), 2)
    return f"the difference is {show(size)} (95% interval {show(min(low, high))} to {show(max(low, high))})"


def _too_few(n: int, test: str = "") -> str:
    seeds = "one seed each" if n == 1 else f"{n} seeds"
    return f"{seeds} cannot separate them{test}; run at least {SEEDS_NEEDED} (--set run.seeds={SEEDS_NEEDED})"


def _selection(comparison: Comparison) -> str:
    schema = comparison.schema
    held_out = [metric.name for metric in schema.metrics if metric.split == VALID]
    compared = schema.metric(comparison.metric)
    if not held_out or (compared and compared.split not in (None, TRAIN)):
        return ""
    return (
        f"Settings are chosen and ranked by {comparison.metric} on the training rows, although rows were held out: "
        f"set compare.metric to {listed(held_out)} to see what generalises."
    )


def _few_seeds(ranking: pd.DataFrame) -> str:
    n = int(ranking["runs"].min())
    if n >= TESTABLE:
        return ""
    return f"Few seeds: {n} per setting, so there is no significance test; small differences mean little."


def _edges(summary: pd.DataFrame, ranking: pd.DataFrame, comparison: Comparison) -> str:
    names = short_names(comparison.keys)
    numeric = [key for key in comparison.keys if is_number(summary[key])]
    found = [
        f"{row.alternative} ({names[key]}={value_text(row.value)}, the {row.end})"
        for key in numeric
        for row in at_edge(summary, ranking, key).itertuples()
    ]
    return f"Best value at the edge of the sweep, so a better one may lie beyond it: {listed(found)}." if found else ""


def _budgets(ranking: pd.DataFrame) -> str:
    tried = ranking.set_index("alternative")["tried"]
    if tried.nunique() == 1:
        return ""
    return (
        f"Unequal tuning budgets: from {counted(tried.min(), 'setting')} ({tried.idxmin()}) "
        f"to {tried.max()} ({tried.idxmax()}); "
        "more settings mean more chances of a lucky best."
    )


def _troubled(ranking: pd.DataFrame) -> str:
    bad = ranking[ranking["bad"] > 0]
    names = listed([f"{row.alternative} ({row.bad} of {row.runs})" for row in bad.itertuples()])
    return f"Ranked last, because runs failed or diverged even at the best setting: {names}." if names else ""


def bad_runs(row: pd.Series) -> str:
    """Return what became of the bad runs of a setting: `1 of 5 diverged`, `2 diverged, 1 failed of 5`."""
    ended = [f"{row[status]:.0f} {status}" for status in STATUSES if status not in ENDED_WELL and row[status]]
    without = row["bad"] - sum(row[status] for status in STATUSES if status not in ENDED_WELL)
    parts = ended + ([f"{without:.0f} without a value"] if without else [])
    count, _, how = parts[0].partition(" ")
    of = f"of {row['runs']:.0f}"
    return f"{count} {of} {how}" if len(parts) == 1 else f"{', '.join(parts)} {of}"


def is_number(values: pd.Series) -> bool:
    """Whether a setting is a quantity that can be an axis."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
