"""Two result folders side by side: what became better or worse, setting by setting and seed by seed."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from xprun.reports.data.compared import Comparison, read_comparison
from xprun.reports.data.results_folder import Tables
from xprun.reports.presentation.formatting import (
    Column,
    Listing,
    counted,
    exact,
    intervals,
    listed,
    listing,
    numbers,
    setting_texts,
    texts,
)
from xprun.reports.presentation.report_errors import ReportError
from xprun.reports.stats.averages import bootstrap
from xprun.reports.stats.paired_over_seeds import LEVEL, TESTABLE
from xprun.reports.stats.ranking import comparable, judge, rank, summarise
from xprun.reports.text.comparison_tables import finding_text, p_texts
from xprun.runner.results.paired_test import differences_of, max_t_test, signed_ranks
from xprun.runner.results.results_schema import SEED

REGRESSIONS = ("worse", "broken")


@dataclass(frozen=True)
class Tolerance:
    """How much worse still counts as no regression: in units of the metric, or as a share of the first mean."""

    size: float
    relative: bool = False

    def of(self, mean: float) -> float:
        """The tolerance in units of the metric, beside this mean."""
        return self.size * abs(mean) if self.relative else self.size


def read_tolerance(text: str) -> Tolerance:
    """`0.01` in units of the metric, `1%` of the mean. `ValueError` for anything else."""
    number = text.strip()
    size = float(number.removesuffix("%"))
    if not 0 <= size < np.inf:
        raise ValueError(f"{text}: a tolerance must be a finite number, 0 or more")
    return Tolerance(size / 100, relative=True) if number.endswith("%") else Tolerance(size)


def compare_tables(first: Tables, second: Tables, tolerance: Tolerance) -> pd.DataFrame:
    """One row an alternative of the first folder, and problem where there are several, at its best setting there.

    `alternative`, `setting` (as text), `first` and `second` (means), `n` (seeds that both have), `change` (mean of
    second less first) with its 95% bootstrap interval `low` to `high`, `broken` (seeds that finished in the first and
    not in the second), `p` (see `worse_test`; NaN below five seeds), and `finding`: "worse" beyond the tolerance,
    "broken", "missing" from the second, "better" (significantly, whatever the tolerance), "inconclusive", or
    "too few seeds".

    Metric, goal and what is compared are those of the first folder. `ReportError` where the second lacks the metric.
    """
    comparison = read_comparison(first)
    if comparison.metric not in second.schema.compared_metrics:
        known = ", ".join(second.schema.compared_metrics)
        raise ReportError(f"the second folder has no metric {comparison.metric!r}; it has {known}")
    by = [*comparison.problems, *comparison.by]
    keys = dict.fromkeys([*comparison.keys, *read_comparison(second).keys])
    comparison = replace(comparison, by=by, keys=[key for key in keys if key not in by])
    judged = _judge_both(first, second, comparison)
    before = judged[judged["side"] == 0]
    ranking = rank(summarise(before, comparison))
    pairs = {setting: _values(judged[judged["setting"] == setting], comparison) for setting in ranking.index}
    excess = {setting: _excess(values, tolerance, comparison) for setting, values in pairs.items()}
    table = pd.DataFrame([_facts(values) for values in pairs.values()], index=ranking.index)
    table.insert(0, "alternative", ranking["alternative"])
    table.insert(1, "setting", setting_texts(ranking, comparison.keys))
    if not table["n"].any():
        raise ReportError("the two folders share no setting and seed, so there is nothing to compare")
    table["p"] = worse_test(list(excess.values()))
    better = worse_test([-_excess(values, Tolerance(0.0), comparison) for values in pairs.values()]) < LEVEL
    facts = zip(table["n"], table["broken"], table["p"], better, strict=True)
    table["finding"] = [_finding(*fact) for fact in facts]
    return table


def unfinished(first: Tables, second: Tables) -> list[str]:
    """What is to be said of folders that lack some of the runs that were planned."""
    return [
        f"The {which} folder is not finished: it has {len(tables.runs)} of {tables.schema.planned} planned runs."
        for which, tables in (("first", first), ("second", second))
        if len(tables.runs) < tables.schema.planned
    ]


def worse_test(excess: list[pd.Series]) -> np.ndarray:
    """One p-value for each series [seeds] of "no more than 0, give or take": one-sided, corrected for their number.

    The signs of all series are flipped together, seed by seed: see `max_t_test`. Unlike Holm's correction, it can find
    something with five seeds however many series there are. Series that are clearly below 0 have p = 1 and are not
    counted (Hansen, A test for superior predictive ability, 2005): their flipped signs would hide the others. NaN for
    a series of fewer than five seeds.
    """
    found = np.array([np.nan if len(values) < TESTABLE else 1.0 for values in excess])
    tested = [i for i, values in enumerate(excess) if len(values) >= TESTABLE and not _clearly_below(values)]
    if tested:
        scores = pd.concat([_score(excess[i]) for i in tested], axis=1).fillna(0.0).to_numpy()
        found[tested] = max_t_test(scores, "greater")
    return found


def _clearly_below(excess: pd.Series) -> bool:
    """Whether the t statistic lies below Hansen's threshold, which no series of mean 0 keeps below as n grows."""
    n, finite = len(excess), bool(np.isfinite(excess).all())
    return finite and excess.mean() < -np.sqrt(2 * np.log(np.log(n))) * excess.std(ddof=1) / np.sqrt(n)


def difference_listing(table: pd.DataFrame) -> Listing:
    """The comparison as text."""
    columns = [
        texts("alternative", table["alternative"]),
        texts("setting", table["setting"]),
        numbers("first", table["first"]),
        numbers("second", table["second"]),
        numbers("change", table["change"]),
        intervals("95% interval", table["low"], table["high"]),
        exact("seeds", table["n"]),
        Column("p worse", p_texts(table["p"]), number=True),
        texts(
            "finding", [_words(*row) for row in zip(_unless_identical(table), table["n"], table["broken"], strict=True)]
        ),
    ]
    return listing(columns)


def _unless_identical(table: pd.DataFrame) -> pd.Series:
    """Return the findings, "identical" where no seed changed."""
    unchanged = (table[["change", "low", "high"]] == 0).all(axis=1) & (table["finding"] == "inconclusive")
    return table["finding"].mask(unchanged, "identical")


def _judge_both(first: Tables, second: Tables, comparison: Comparison) -> pd.DataFrame:
    """The runs of both, judged alike: runs of the same setting have the same number in `setting`."""
    for where, runs in (("first", first.runs), ("second", second.runs)):
        lacking = [name for name in [*comparison.by, *comparison.keys] if name not in runs]
        if lacking:
            raise ReportError(f"the {where} folder has no column {listed(lacking)}, which distinguishes the settings")
    both = pd.concat([first.runs.assign(side=0), second.runs.assign(side=1)], ignore_index=True)
    return judge(both, comparison)


def _values(runs: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """The values [seeds, 2] at the seeds that both folders have; a bad run has the worst, an infinity."""
    values = comparable(runs, comparison).groupby([runs[SEED], runs["side"]]).mean()
    return values.unstack().reindex(columns=[0, 1]).dropna()


def _excess(values: pd.DataFrame, tolerance: Tolerance, comparison: Comparison) -> pd.Series:
    """By seed: how much worse than tolerated the second is."""
    worse = differences_of(*values.to_numpy().T) * (-1 if comparison.ascending else 1)
    well = values[0][np.isfinite(values[0])]
    return pd.Series(worse, index=values.index) - (tolerance.of(well.mean()) if len(well) else 0.0)


def _score(excess: pd.Series) -> pd.Series:
    """Scaled so that sums under flipped signs lie between -1 and 1; the signed ranks, where one is infinite."""
    if not np.isfinite(excess).all():
        excess = pd.Series(signed_ranks(excess.to_numpy()), index=excess.index)
    length = np.sqrt(len(excess) * (excess**2).sum())
    return excess / length if length > 0 else excess


def _facts(values: pd.DataFrame) -> dict[str, Any]:
    ended = np.isfinite(values)
    change = -differences_of(*values.to_numpy().T)
    whole = len(values) > 0 and bool(ended.all(axis=None))
    low, high = bootstrap(change[None])[0] if whole else (np.nan, np.nan)
    return {
        "n": len(values),
        "first": values[0].mean() if len(values) and ended[0].all() else np.nan,
        "second": values[1].mean() if len(values) and ended[1].all() else np.nan,
        "change": change.mean() if whole else np.nan,
        "low": low,
        "high": high,
        "broken": int((ended[0] & ~ended[1]).sum()),
    }


def _finding(n: int, broken: int, p: float, better: bool) -> str:
    if n == 0:
        return "missing"
    if broken:
        return "broken"
    if n < TESTABLE:
        return "too few seeds"
    return "worse" if p < LEVEL else "better" if better else "inconclusive"


def _words(finding: str, n: int, broken: int) -> str:
    if finding == "missing":
        return "missing from the second folder"
    if finding == "identical":
        return "identical"
    if finding == "broken":
        return f"{broken} of {n} now fail or diverge"
    return "worse beyond tolerance" if finding == "worse" else finding_text(finding, counted(n, "seed"))
