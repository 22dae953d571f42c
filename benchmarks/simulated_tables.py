"""Tables of runs whose truth is known, many at once, and what pages and `xprun diff` say of each.

A *case* is one simulated page. The cases of a batch share one table, in which every case, problem and alternative has a
label of its own: the code of the pages then chooses their settings in one go, and tests each case by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from xprun.reports.data.folder_comparison import Comparison
from xprun.reports.data.results_folder import Tables
from xprun.reports.stats.analysis import Analysis, make_analysis
from xprun.reports.stats.folder_changes import ONE_SIDED, Tolerance, compare_runs
from xprun.reports.stats.folder_pairing import common_comparison, runs_to_compare
from xprun.reports.stats.pairwise import BLOCKS_NEEDED, level_divisor, over_problems
from xprun.reports.stats.ranking import comparable
from xprun.reports.stats.simultaneous_tests import LEVEL
from xprun.runner.results import results_schema as rs
from xprun.runner.results.paired_test import ROUNDING, differences_of, flips, on_one_scale
from xprun.runner.results.setting_choice import choose

Numbers = NDArray[Any]
Noise = Literal["normal", "heavy-tailed", "ties", "10% failing"]
NOISES: tuple[Noise, ...] = get_args(Noise)
NORMAL, HEAVY, TIES, FAILING = NOISES

SEARCH_SEEDS = 3  # of a search that is confirmed
FRESH = 100  # the first seed that confirms
FAIL = 0.1  # the share of runs that fail
ROWS = 50  # of which an accuracy is: it has ties
BATCH = 250  # cases of a table
AT_ONCE = 2**22  # sums in memory
PAIR_SD = np.sqrt(2)  # of a paired difference, normal noise: both runs have a noise of their own
CASE, PROBLEM, NAME = "case", "problem", "name"  # which part of the simulation a run is of
METRIC = rs.metric_of("valid", "accuracy", "max")
VALUE = rs.final(METRIC.name)
BY, DATA, KEY = "optimizer", "data", "optimizer.lr"


@dataclass(frozen=True)
class Setup:
    """A comparison of alternatives that are equal in truth, or of which the first is `ahead`.

    Every alternative has `settings`, all equally good, so that a search among them can only choose by luck. `seeds`
    judge: with `confirm` fresh ones, after a search on `search_seeds`; without it those of the search. A run's value is
    the effect of its seed, which the alternatives share, and a noise of its own, both of sd 1 (`ties`: the accuracy of
    50 rows). `ahead`, of the first alternative, is in standard deviations of a paired difference; so is `behind`, by
    which the second folder of two is worse.
    """

    alternatives: int = 2
    seeds: int = 10
    settings: int = 1
    confirm: bool = False
    problems: int = 1
    noise: Noise = NORMAL
    ahead: float = 0.0
    behind: float = 0.0
    search_seeds: int = SEARCH_SEEDS

    @property
    def text(self) -> str:
        """What is special about it, in words."""
        parts = [
            f"{self.problems} problems" if self.problems > 1 else "",
            f"{self.alternatives} alternatives" if self.alternatives > 1 else "1 alternative",
            f"{self.settings} settings" if self.settings > 1 else "",
            f"{self.seeds} {'fresh ' if self.confirm else ''}seeds",
            self.noise if self.noise != NORMAL else "",
        ]
        return ", ".join(filter(None, parts))


def simulate(setup: Setup, cases: int, random: np.random.Generator, folders: int = 1) -> list[Tables]:
    """Return the tables of some folders, each with the runs of so many cases; the folders share the seeds' effects."""
    searched = setup.search_seeds if setup.confirm else setup.seeds
    shape = (cases, setup.problems, 1, 1)
    effects = [random.normal(size=(*shape, n)) for n in (searched, setup.seeds if setup.confirm else 0)]
    return [_tables(setup, effects, random, behind=setup.behind * folder) for folder in range(folders)]


def _tables(setup: Setup, effects: list[Numbers], random: np.random.Generator, behind: float) -> Tables:
    truth = np.full((setup.alternatives, 1, 1), -behind * PAIR_SD)
    truth[0] += setup.ahead * PAIR_SD
    search = draw_values(setup, effects[0], truth, setup.settings, random)
    runs = [_rows(search, np.arange(setup.settings), 0).assign(**{rs.STAGE: rs.SEARCH})]
    if setup.confirm:
        fresh = draw_values(setup, effects[1], truth, 1, random)
        chosen = _chosen(search)
        rows = _rows(fresh, chosen, FRESH).assign(**{rs.STAGE: rs.CONFIRM})
        runs.append(rows[rows[KEY] >= 0])  # nothing confirms an alternative of which every run failed
    return _described(pd.concat(runs, ignore_index=True))


def draw_values(setup: Setup, effects: Numbers, truth: Numbers, settings: int, random: np.random.Generator) -> Numbers:
    """Return final values [cases, problems, alternatives, settings, seeds]; NaN for a run that failed."""
    shape = (*effects.shape[:2], setup.alternatives, settings, effects.shape[-1])
    own = random.standard_t(2, size=shape) if setup.noise == HEAVY else random.normal(size=shape)
    if setup.noise == TIES:
        return np.asarray(random.binomial(ROWS, np.clip(0.9 + 0.03 * effects, 0, 1), size=shape) / ROWS)
    values = truth + effects + own
    return np.where(random.random(shape) < FAIL, np.nan, values) if setup.noise == FAILING else values


def _chosen(search: Numbers) -> Numbers:
    """Return the setting [cases, problems, alternatives, 1] that the second stage trains; -1 for none."""
    flat = search.reshape(-1, *search.shape[-2:])
    chosen = [choose(dict(enumerate(settings)), METRIC.goal) for settings in flat]
    return np.array([-1 if setting is None else setting for setting in chosen]).reshape(*search.shape[:3], 1)


def _rows(values: Numbers, settings: Numbers, first_seed: int) -> pd.DataFrame:
    """Return one row a run."""
    case, problem, name, _, seed = (axis.ravel() for axis in np.indices(values.shape))
    setting = np.broadcast_to(settings[..., None], values.shape).ravel()
    return pd.DataFrame(
        {CASE: case, PROBLEM: problem, NAME: name, KEY: setting, rs.SEED: seed + first_seed, VALUE: values.ravel()}
    )


def _described(runs: pd.DataFrame) -> Tables:
    labels = runs.groupby([CASE, PROBLEM, NAME]).ngroup()
    ended = np.where(runs[VALUE].isna(), rs.FAILED, rs.DONE)
    runs[rs.RUN], runs[BY], runs[rs.STATUS] = np.arange(len(runs)).astype(str), labels.astype(str), ended
    runs[[rs.STEPS, rs.EPOCHS, rs.SECONDS]] = 1.0
    columns = [rs.RUN_COLUMN, rs.section_column(BY), rs.setting_column(KEY, BY, "number", swept=True), rs.SEED_COLUMN]
    comparison = rs.Comparison(METRIC.name, METRIC.goal, by=[BY], swept=[KEY])
    schema = rs.ResultsSchema(comparison, metrics=[METRIC])
    return Tables(runs, schema.with_columns([*columns, *rs.ENDING_COLUMNS, *rs.metric_columns([METRIC])]))


@dataclass(frozen=True)
class Page:
    """One case: the final values [seeds, alternatives] on each of its problems, the least p-value of each, and the
    analysis of the whole batch.

    The analysis of the case itself, which takes longer, is only made where a p-value says that it may conclude.
    """

    batch: Analysis
    case: int
    values: list[Numbers]
    least_p: Numbers

    @cached_property
    def parts(self) -> list[Analysis]:
        """The analysis of each problem."""
        finals, ranking = (table[table[CASE] == self.case] for table in (self.batch.finals, self.batch.ranking))
        ranked, problems = dict(iter(ranking.groupby(PROBLEM))), len(self.values)
        return [
            replace(self.batch, finals=runs, ranking=ranked[problem], side_by_side=problems)
            for problem, runs in finals.groupby(PROBLEM)
        ]

    @property
    def whole(self) -> Analysis:
        """The analysis of the page, as `make_analysis` gives it."""
        if len(self.parts) == 1:
            return self.parts[0]
        return replace(self.parts[0], problems={f"problem {i}": part for i, part in enumerate(self.parts)})

    @property
    def may_conclude(self) -> bool:
        """Whether some corrected p-value of a problem is small enough; else no pair of it can be told apart."""
        return bool((level_divisor(len(self.values)) * self.least_p < LEVEL).any())

    @property
    def may_conclude_over_problems(self) -> bool:
        """The same of all problems together."""
        if len(self.values) < BLOCKS_NEEDED:
            return False
        names = [str(i) for i in range(self.values[0].shape[1])]
        runs = [{name: column[~np.isnan(column)] for name, column in zip(names, v.T, strict=True)} for v in self.values]
        return bool(over_problems(runs, names).tests.adjusted.min() < LEVEL)

    @property
    def tells_apart(self) -> bool:
        """Whether the page calls one alternative better than another on some problem."""
        pairs = list(combinations(self.batch.order, 2))
        return any(part.pairwise.are_told_apart(*pair) for part in self.parts for pair in pairs)


def pages(setup: Setup, cases: int, random: np.random.Generator) -> Iterator[Page]:
    """Yield what a page makes of each case."""
    for size in batches(cases):
        (tables,) = simulate(setup, size, random)
        yield from split(make_analysis(tables))


def split(analysis: Analysis) -> Iterator[Page]:
    """Yield the pages of the cases that share a table; the names of the alternatives are the same in all."""
    finals, ranking = analysis.finals, analysis.ranking
    where = finals.drop_duplicates("alternative").set_index("alternative")[[CASE, PROBLEM, NAME]]
    ranking = ranking.join(where, on="alternative")
    finals, ranking = (
        table.assign(alternative="alternative " + table[NAME].astype(str)) for table in (finals, ranking)
    )
    batch = replace(analysis, finals=finals, ranking=ranking, order=sorted(finals["alternative"].unique()))
    keys = [finals[name] for name in (CASE, PROBLEM, "block", NAME)]
    values = _parts(comparable(finals, analysis.comparison).groupby(keys).mean().unstack(), 2)
    problems = len(values) // (int(finals[CASE].max()) + 1)
    found = least_p_values([_pairs(part) for part in values])
    for case, start in enumerate(range(0, len(values), problems)):
        these = slice(start, start + problems)
        yield Page(batch, case, values[these], found[these])


@dataclass(frozen=True)
class Difference:
    """One case of two folders: the least p-value of its changes, and the runs of the whole batch."""

    batch: pd.DataFrame
    case: int
    least_p: float
    comparison: Comparison

    @property
    def may_conclude(self) -> bool:
        """Whether some corrected p-value is small enough; else there is no better and no worse."""
        return self.least_p < ONE_SIDED

    @property
    def table(self) -> pd.DataFrame:
        """What `xprun diff` says."""
        return compare_runs(self.batch[self.batch[CASE] == self.case], self.comparison, Tolerance(0.0))


def differences(setup: Setup, cases: int, random: np.random.Generator) -> Iterator[Difference]:
    """Yield what `xprun diff` compares in two folders that are equal in truth, or of which the second is behind."""
    for size in batches(cases):
        yield from compare_cases(*simulate(setup, size, random, folders=2))


def compare_cases(first: Tables, second: Tables) -> Iterator[Difference]:
    """Yield the cases that share the tables of two folders."""
    comparison = common_comparison(first, second)
    judged = runs_to_compare(first, second, comparison)
    values = comparable(judged, comparison).groupby([judged[name] for name in (CASE, "block", NAME, "side")])
    both = values.mean().unstack()
    changes = pd.Series(differences_of(both[1].to_numpy(), both[0].to_numpy()), both.index).unstack()
    for case, least_p in enumerate(least_p_values(_parts(changes, 1))):
        yield Difference(judged, case, float(least_p), comparison)


def table_of_one_case(tables: Tables, case: int) -> Tables:
    """Return the folder of one case alone, its problems as data sets, as `xprun` would have written it."""
    runs = tables.runs[tables.runs[CASE] == case]
    told = {BY: "alternative " + runs[NAME].astype(str), DATA: "problem " + runs[PROBLEM].astype(str)}
    schema = tables.schema.with_columns([rs.section_column(DATA), *tables.schema.columns])
    comparison = replace(schema.comparison, problems=[DATA])
    return replace(tables, runs=runs.assign(**told), schema=replace(schema, comparison=comparison))


def _parts(table: pd.DataFrame, keys: int) -> list[Numbers]:
    """Return the rows of a sorted table that share its first keys."""
    codes = np.stack([table.index.get_level_values(key) for key in range(keys)])
    return np.split(table.to_numpy(), np.flatnonzero((np.diff(codes) != 0).any(axis=0)) + 1)


def _pairs(values: Numbers) -> Numbers:
    """Return the differences [seeds, pairs] of the columns, as `over_blocks` does."""
    return np.stack([differences_of(one, other) for one, other in combinations(values.T, 2)], axis=1)


def least_p_values(tests: list[Numbers]) -> Numbers:
    """Return the least corrected p-value of each of many tests, of which each has differences [seeds, comparisons].

    That of `SimultaneousTests`, for all that have as many seeds in one go, since one by one they take the most time.
    """
    found = np.ones(len(tests))
    for n, k in {test.shape for test in tests}:
        alike = [i for i, test in enumerate(tests) if test.shape == (n, k)]
        at_once = max(1, AT_ONCE // (len(flips(n)) * k))
        for part in np.split(alike, range(at_once, len(alike), at_once)):
            scaled = np.stack([_on_one_scale(tests[i]) for i in part], axis=1)
            sums = np.abs(flips(n) @ scaled.reshape(n, -1)).reshape(-1, len(part), k).max(axis=-1)
            found[part] = (sums >= sums[0] - ROUNDING * n).mean(axis=0)  # the first signs are all positive
    return found


def _on_one_scale(differences: Numbers) -> Numbers:
    """Return each column of differences [seeds, comparisons] on one scale; all at once where all are finite."""
    if not np.isfinite(differences).all():
        return np.stack([on_one_scale(column) for column in differences.T], axis=1)
    length = np.sqrt(len(differences) * (differences**2).sum(axis=0))
    return differences / np.where(length > 0, length, 1.0)


def batches(cases: int) -> Iterator[int]:
    """Yield the sizes of batches of cases."""
    for start in range(0, cases, BATCH):
        yield min(BATCH, cases - start)
