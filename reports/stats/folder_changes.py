"""What became better or worse between two result folders: paired by block, and tested on each side."""

from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.data.results_folder import Tables
from xprun.reports.presentation.formatting import setting_texts
from xprun.reports.presentation.report_errors import ReportError
from xprun.reports.stats.folder_pairing import common_comparison, runs_to_compare
from xprun.reports.stats.ranking import comparable
from xprun.reports.stats.simultaneous_tests import LEVEL, SimultaneousTests
from xprun.runner.results.paired_test import differences_of, tested_values
from xprun.runner.results.results_schema import PROBLEM
from xprun.runner.results.rounding import within

ONE_SIDED = 2 * LEVEL  # of the two-sided test: each side, worse and better, is tested at 5%
BLOCKS_NEEDED = 5  # of which a one-sided test of one comparison can say anything: 1 / 2^5 < LEVEL

Change = Literal["identical", "better", "worse", "within tolerance", "inconclusive", "broken", "missing"]
CHANGES: tuple[Change, ...] = get_args(Change)
IDENTICAL, BETTER, WORSE, WITHIN, INCONCLUSIVE, BROKEN, MISSING = CHANGES
REGRESSIONS = (WORSE, BROKEN)


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
    try:
        size = float(number.removesuffix("%"))
    except ValueError:
        raise ValueError(f"{text}: a tolerance is a number, 0.01, or a percentage, 1%") from None
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
    groups = list(judged.groupby("alternative", sort=False))
    own = [comparison.on(str(runs[PROBLEM].iloc[0])) if PROBLEM in runs else comparison for _, runs in groups]
    rows = [_values(name, runs, one) for (name, runs), one in zip(groups, own, strict=True)]
    told = pd.DataFrame([row.facts for row in rows])
    if not told["n"].any():
        raise ReportError("the two folders share no setting and seed, so there is nothing to compare")
    changes = pd.concat([row.changes for row in rows], axis=1).to_numpy(dtype="float64")
    tests = SimultaneousTests(changes, level=ONE_SIDED)
    told["tolerated"] = [tolerance.of(mean) if mean == mean else 0.0 for mean in told["first"]]
    numbered = enumerate(row for _, row in told.iterrows())
    found = [_judge(tests, c, row, rows[c].values, ascending=own[c].ascending) for c, row in numbered]
    table = told.assign(**{name: [row[name] for row in found] for name in ("low", "high", "shows", "finding")})
    if comparison.is_mixed:
        return table
    order = table["first"].fillna(np.inf if comparison.ascending else -np.inf)
    return table.loc[order.sort_values(ascending=comparison.ascending, kind="stable").index]


@dataclass(frozen=True)
class _Row:
    facts: dict[str, Any]
    changes: "pd.Series[float]"
    values: list[float]  # that the changes are of


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
    return _Row(facts, pd.Series(change, index=pairs.index), pairs.to_numpy().ravel().tolist())


def _judge(
    tests: SimultaneousTests, column: int, row: pd.Series, values: list[float], *, ascending: bool
) -> dict[str, Any]:
    """The interval of a change of these values, the least that would have shown, and the finding."""
    known, sign = tests.known(column), 1 if ascending else -1
    testable = len(known) >= BLOCKS_NEEDED
    if not np.isfinite(known).all() or not len(known):
        better = testable and tests.adjusted[column] < ONE_SIDED and tested_values(known).sum() * sign < 0
        finding = MISSING if not len(known) else BROKEN if row["broken"] else BETTER if better else INCONCLUSIVE
        return {"low": np.nan, "high": np.nan, "shows": np.nan, "finding": finding}
    low, high = tests.interval(column) if testable else (known.min(), known.max())
    shows = max(high - known.mean(), known.mean() - low) if testable else np.nan
    least, most = sorted([low * sign, high * sign])  # how much worse it is
    finding = _finding(least, most, row["tolerated"], values) if testable else INCONCLUSIVE
    return {"low": low, "high": high, "shows": shows, "finding": finding if known.any() else IDENTICAL}


def _finding(least: float, most: float, tolerated: float, values: list[float]) -> Change:
    """The finding where a change of these values lies between the least and the most that it may be worse."""
    if not within(least, tolerated, values):
        return WORSE
    if most < 0:
        return BETTER
    return WITHIN if within(most, tolerated, values) else INCONCLUSIVE
