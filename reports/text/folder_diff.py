"""Two result folders side by side: what became better or worse, block by block."""

import math
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from xprun.reports.data.compared import Comparison, read_comparison
from xprun.reports.data.results_folder import Tables
from xprun.reports.presentation.formatting import (
    Listing,
    counted,
    exact,
    intervals,
    listed,
    listing,
    numbers,
    setting_texts,
    texts,
    value_text,
)
from xprun.reports.presentation.report_errors import ReportError
from xprun.reports.stats.ranking import comparable, final_runs, judge, summarise, valued
from xprun.reports.stats.simultaneous_tests import LEVEL, SimultaneousTests
from xprun.runner.results.paired_test import differences_of, tested_values
from xprun.runner.results.results_schema import SEARCH, STAGE

ONE_SIDED = 2 * LEVEL  # of the two-sided test: each side, worse and better, is tested at 5%
BLOCKS_NEEDED = 5  # of which a one-sided test of one comparison can say anything: 1 / 2^5 < LEVEL

Change = Literal["identical", "better", "worse", "within tolerance", "inconclusive", "broken", "missing"]
CHANGES: tuple[Change, ...] = get_args(Change)
IDENTICAL, BETTER, WORSE, WITHIN, INCONCLUSIVE, BROKEN, MISSING = CHANGES
REGRESSIONS = (WORSE, BROKEN)
HELD_OUT = ("valid", "test", "k_folds")


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
    """One row an alternative of the first folder, and problem where there are several.

    `alternative`, `setting` (as text), `first` and `second` (means), `n` (blocks that both have), `change` (mean of
    second less first) with the interval `low` to `high` of what the test at 5% a side does not reject, below five
    blocks the least and the largest change, `broken` (runs that finished in the first and not in the second),
    `tolerated`, `shows` (the least change that would have shown), and `finding`: see `CHANGES`.

    Where both folders have runs on fresh seeds, those are compared, each folder at its own choice; elsewhere both at
    the setting with the best mean over both. Metric, goal and what is compared are those of the first folder.
    `ReportError` where the second lacks the metric, or where the two hold out different rows.
    """
    comparison = common_comparison(first, second)
    return compare_runs(runs_to_compare(first, second, comparison), comparison, tolerance)


def compare_runs(judged: pd.DataFrame, comparison: Comparison, tolerance: Tolerance) -> pd.DataFrame:
    """The table of `compare_tables`, from the runs of both folders at the settings that are compared."""
    rows = [_values(name, runs, comparison) for name, runs in judged.groupby("alternative", sort=False)]
    told = pd.DataFrame([row.facts for row in rows])
    if not told["n"].any():
        raise ReportError("the two folders share no setting and seed, so there is nothing to compare")
    changes = pd.concat([row.changes for row in rows], axis=1).to_numpy(dtype="float64")
    tests = SimultaneousTests(changes, level=ONE_SIDED)
    told["tolerated"] = [tolerance.of(mean) if mean == mean else 0.0 for mean in told["first"]]
    numbered = enumerate(row for _, row in told.iterrows())
    found = [_judge(tests, column, row, ascending=comparison.ascending) for column, row in numbered]
    table = told.assign(**{name: [row[name] for row in found] for name in ("low", "high", "shows", "finding")})
    order = table["first"].fillna(np.inf if comparison.ascending else -np.inf)
    return table.loc[order.sort_values(ascending=comparison.ascending, kind="stable").index]


def undecided(table: pd.DataFrame, *, ascending: bool) -> list[str]:
    """A sentence for each inconclusive alternative whose mean is worse by more than is tolerated."""
    worse = table["change"] * (1 if ascending else -1)
    rows = table[(table["finding"] == INCONCLUSIVE) & (worse > table["tolerated"])]
    return [_doubt(row) for row in rows.itertuples()]


def unfinished(first: Tables, second: Tables) -> list[str]:
    """What is to be said of folders that lack some of the runs that were planned."""
    return [
        f"The {which} folder is not finished: it has {len(tables.runs)} of {tables.schema.planned} planned runs."
        for which, tables in (("first", first), ("second", second))
        if len(tables.runs) < tables.schema.planned
    ]


def difference_listing(table: pd.DataFrame) -> Listing:
    """The comparison as text."""
    columns = [
        texts("alternative", table["alternative"]),
        texts("setting", table["setting"]),
        numbers("first", table["first"]),
        numbers("second", table["second"]),
        numbers("change", table["change"]),
        intervals("90% interval", table["low"], table["high"]),
        exact("seeds", table["n"]),
        texts("finding", [_words(row) for row in table.itertuples()]),
    ]
    return listing(columns)


@dataclass(frozen=True)
class _Row:
    facts: dict[str, Any]
    changes: "pd.Series[float]"


def common_comparison(first: Tables, second: Tables) -> Comparison:
    """The comparison of the first folder, with what tells the settings of both apart."""
    comparison = read_comparison(first)
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


def _values(name: Any, runs: pd.DataFrame, comparison: Comparison) -> _Row:
    """What is known of an alternative in both folders, and the change at each block."""
    table = comparable(runs, comparison).groupby([runs["block"], runs["side"]]).mean().unstack()
    pairs = table.reindex(columns=[0, 1]).dropna()
    ended = np.isfinite(pairs)
    change = -differences_of(*pairs.to_numpy().T) if len(pairs) else np.empty(0)
    sides = [runs[runs["side"] == side].drop_duplicates("setting") for side in (0, 1)]
    settings = [setting_texts(side, comparison.keys) for side in sides]
    facts = {
        "alternative": name,
        "setting": " → ".join(dict.fromkeys(chain.from_iterable(settings))),
        "first": pairs[0].mean() if len(pairs) and ended[0].all() else np.nan,
        "second": pairs[1].mean() if len(pairs) and ended[1].all() else np.nan,
        "n": len(pairs),
        "change": change.mean() if len(pairs) and ended.all(axis=None) else np.nan,
        "broken": int((ended[0] & ~ended[1]).sum()),
    }
    return _Row(facts, pd.Series(change, index=pairs.index))


def _judge(tests: SimultaneousTests, column: int, row: pd.Series, *, ascending: bool) -> dict[str, Any]:
    """The interval of a change, the least that would have shown, and the finding."""
    known, sign = tests.known(column), 1 if ascending else -1
    testable = len(known) >= BLOCKS_NEEDED
    if not np.isfinite(known).all() or not len(known):
        better = testable and tests.adjusted[column] < ONE_SIDED and tested_values(known).sum() * sign < 0
        finding = MISSING if not len(known) else BROKEN if row["broken"] else BETTER if better else INCONCLUSIVE
        return {"low": np.nan, "high": np.nan, "shows": np.nan, "finding": finding}
    low, high = tests.interval(column) if testable else (known.min(), known.max())
    shows = max(high - known.mean(), known.mean() - low) if testable else np.nan
    least, most = sorted([low * sign, high * sign])  # how much worse it is
    finding = _finding(least, most, row["tolerated"]) if testable else INCONCLUSIVE
    return {"low": low, "high": high, "shows": shows, "finding": finding if known.any() else IDENTICAL}


def _finding(least: float, most: float, tolerated: float) -> Change:
    """The finding where a change lies between the least and the most that it may be worse."""
    if least > tolerated:
        return WORSE
    if most < 0:
        return BETTER
    return WITHIN if most <= tolerated else INCONCLUSIVE


def _words(row: Any) -> str:
    if row.finding == MISSING:
        return "missing from the second folder"
    if row.finding == BROKEN:
        return f"{row.broken} of {row.n} now fail or diverge"
    if row.finding == WORSE:
        return "worse beyond tolerance" if row.tolerated else "worse"
    if row.finding == INCONCLUSIVE:
        return f"inconclusive ({counted(row.n, 'seed')}{_would_show(row)})"
    return str(row.finding)


def _doubt(row: Any) -> str:
    n = counted(row.n, "seed")
    size = value_text(abs(row.change))
    return f"{row.alternative}: worse by {size} on average, and {n} cannot say whether that is chance{_would_show(row)}"


def _would_show(row: Any) -> str:
    if row.n < BLOCKS_NEEDED:
        return f"; {BLOCKS_NEEDED} are needed"
    return f"; changes above {value_text(float(f'{row.shows:.2g}'))} would show" if 0 < row.shows < math.inf else ""
