"""How often a page, `xprun diff` or a claim is wrong: tables whose truth is known, judged by the code of xprun.

    python benchmarks/calibration.py [--long]

Prints the tables of docs/report.md. The short form takes less than a minute and has few simulations, so that its
shares are rough; `--long` has 2,000 a row and takes about twenty minutes of one core.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import product

import numpy as np
import pandas as pd
from simulated_tables import (
    FAILING,
    HEAVY,
    NORMAL,
    PAIR_SD,
    TIES,
    Noise,
    Page,
    Setup,
    differences,
    draw_values,
    pages,
    simulate,
)
from xprun.reports.stats.analysis import make_analysis
from xprun.reports.stats.folder_changes import WORSE
from xprun.reports.stats.intervals import mean_interval
from xprun.reports.stats.pairwise import BETTER, BLOCKS_NEEDED, over_blocks
from xprun.reports.text.findings import verdict
from xprun.reports.text.problem_findings import take_together, verdict_over
from xprun.runner.results.paired_test import differences_of, paired_test

LONG, SHORT = 2000, 40
LEAST = 20  # simulations of a row that only informs
CONFIDENCE = 0.95  # of a claim

# Alternatives that are equal in truth: whatever is said is false.
EQUAL = [
    Setup(seeds=5),
    Setup(seeds=6),
    Setup(seeds=10),
    Setup(seeds=20),
    Setup(5, 6),
    Setup(5, 20),
    Setup(10, 6),
    Setup(10, 10),
    Setup(5, 10, noise=HEAVY),
    Setup(2, 20, noise=HEAVY),
    Setup(5, 10, noise=TIES),
    Setup(5, 10, noise=FAILING),
    Setup(10, 6, noise=FAILING),
]
CONFIRMED = [
    Setup(2, 6, 25, confirm=True),
    Setup(2, 10, 25, confirm=True),
    Setup(2, 20, 25, confirm=True),
    Setup(5, 10, 5, confirm=True),
    Setup(10, 10, 25, confirm=True),
    Setup(5, 10, 5, confirm=True, noise=HEAVY),
    Setup(5, 10, 5, confirm=True, noise=TIES),
    Setup(5, 10, 25, confirm=True, noise=FAILING),
]
OVER_PROBLEMS = [
    Setup(5, 10, 5, confirm=True, problems=3),
    Setup(2, 10, 5, confirm=True, problems=6),
    Setup(5, 10, 5, confirm=True, problems=6),
    Setup(10, 10, problems=6),
    Setup(2, 10, 5, confirm=True, problems=20),
    Setup(5, 6, problems=20),
    Setup(2, 10, problems=20, noise=HEAVY),
    Setup(2, 10, problems=20, noise=TIES),
    Setup(2, 10, problems=20, noise=FAILING),
]
EXPLORED = [Setup(2, 10, 5), Setup(2, 20, 25), Setup(5, 10, 25), Setup(2, 10, 5, problems=6)]
FOLDERS = [
    Setup(1, 5),
    Setup(10, 5),
    Setup(1, 5, 25),
    Setup(1, 10, 25),
    Setup(2, 20, 5),
    Setup(1, 5, 25, confirm=True),
    Setup(5, 10, 25, confirm=True),
    Setup(5, 10, noise=HEAVY),
    Setup(5, 10, noise=TIES),
    Setup(5, 10, 5, noise=FAILING),
]
CLAIMED = [(n, noise) for noise in (NORMAL, HEAVY, TIES, FAILING) for n in (5, 10, 20)]
PROMISED = Setup(2, 10, ahead=2)  # by 2 standard deviations of the paired differences: power of at least 80%
AHEAD = [
    Setup(2, 6, ahead=2),
    Setup(2, 20, ahead=2),
    Setup(10, 6, ahead=2),
    Setup(10, 10, ahead=2),
    Setup(2, 10, 25, confirm=True, ahead=2),
]
BEHIND = [Setup(1, 5, behind=2), Setup(10, 5, behind=2), Setup(1, 10, behind=2)]

PAIR, OVER, WINNER, ANY = "a pair told apart", "over the problems", "a winner named", "anything"
HOLDS, GIVEN, GOOD = "holds", "better than a given other", "too good: "

Shares = dict[str, float]
Row = tuple[str, int, Shares]  # the conditions, how many simulations, and what was found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"by default all: {', '.join(TABLES)}")
    parser.add_argument("--long", action="store_true", help=f"{LONG} simulations a row instead of {SHORT}")
    options = parser.parse_args()
    cases = LONG if options.long else SHORT
    if cases == SHORT:
        print(f"{SHORT} simulations a row or fewer, so the shares are rough; --long has {LONG}.")
    for name in options.tables or TABLES:
        heads, rows = TABLES[name]
        show(name, heads, rows(cases))


def false_rows(cases: int) -> Iterator[Row]:
    """Yield how often something is said on a page whose alternatives are equal in truth."""
    for setup in [*EQUAL, *CONFIRMED, *OVER_PROBLEMS]:
        yield setup.text, cases, page_findings(setup, cases)


def exploratory_rows(cases: int) -> Iterator[Row]:
    """Yield the same where the seeds that judge have chosen the settings; all cases go through the whole page."""
    for setup in EXPLORED:
        yield setup.text, max(LEAST, cases // 20), page_findings(setup, max(LEAST, cases // 20))


def diff_rows(cases: int) -> Iterator[Row]:
    """Yield how often `xprun diff` says worse of folders that are equal in truth."""
    for setup in FOLDERS:
        yield setup.text, cases, diff_findings(setup, cases)


def claim_rows(cases: int) -> Iterator[Row]:
    """Yield how often a claim holds of alternatives that are equal in truth."""
    for n, noise in CLAIMED:
        yield f"{n} seeds, {noise}", cases, claims(n, noise, cases)


def chosen_rows(cases: int) -> Iterator[Row]:
    """Yield what the mean of a chosen setting is worth, where as many seeds confirm as have searched."""
    for settings, n in product((5, 25), (5, 10)):
        setup = Setup(1, n, settings, confirm=True, search_seeds=n)
        yield setup.text, cases, chosen_means(setup, cases)


def interval_rows(cases: int) -> Iterator[Row]:
    """Yield how often 95% intervals hold the truth."""
    for n in (2, 3, 5, 10, 20):
        yield f"a mean, {n} seeds", 10 * cases, {HOLDS: mean_coverage(n, 10 * cases)}
    for n in (6, 10):
        yield f"the difference of 2 alternatives, {n} seeds", cases, {HOLDS: difference_coverage(2, n, cases)}
    yield "all 10 differences of 5 alternatives, 10 seeds", cases // 4, {HOLDS: difference_coverage(5, 10, cases // 4)}


def power_rows(cases: int) -> Iterator[Row]:
    """Yield how often a page finds an alternative that is ahead; the first row is the one that is promised."""
    for setup, n in [(PROMISED, cases), *((setup, max(LEAST, cases // 10)) for setup in AHEAD)]:
        yield setup.text, n, page_power(setup, n)


def diff_power_rows(cases: int) -> Iterator[Row]:
    """Yield how often `xprun diff` finds a folder that is behind."""
    for setup in BEHIND:
        yield setup.text, max(LEAST, cases // 10), diff_findings(setup, max(LEAST, cases // 10))


def page_findings(setup: Setup, cases: int, seed: int = 0) -> Shares:
    """Return how often a page says something about alternatives, each share by what it says."""
    found = shares((said_by(page) for page in pages(setup, cases, generator(seed))), cases)
    return {OVER: 0.0, **found} if setup.problems >= BLOCKS_NEEDED else found


def said_by(page: Page) -> list[str]:
    """Return what a page says; the text is made only where a test allows it to conclude something."""
    exploratory = page.batch.exploratory
    found = []
    if (page.may_conclude or exploratory) and page.tells_apart:
        found.append(PAIR)
    if len(page.values) == 1:
        winner = bool(found or exploratory) and " is best: " in verdict(page.whole)
    elif page.may_conclude_over_problems or exploratory:
        overall = take_together(page.whole)
        names = overall.names
        if any(pair.told_apart for name in names for pair in overall.pairwise.against(name)):
            found.append(OVER)
        winner = "it is better than" in verdict_over(page.whole, overall)
    else:
        winner = False
    return [*found, *([WINNER] if winner else []), *([ANY] if found else [])]


def diff_findings(setup: Setup, cases: int, seed: int = 0) -> Shares:
    """Return how often `xprun diff` calls an alternative of the second folder worse."""
    made = differences(setup, cases, generator(seed))
    worse = (case.may_conclude and (case.table["finding"] == WORSE).any() for case in made)
    return shares(([str(WORSE)] if found else [] for found in worse), cases)


def claims(n: int, noise: Noise, cases: int, seed: int = 0) -> Shares:
    """Return how often `beats` holds of two equal alternatives."""
    random, setup = generator(seed), Setup(seeds=n, noise=noise)
    values = draw_values(setup, random.normal(size=(cases, 1, 1, 1, n)), np.zeros((2, 1, 1)), 1, random)
    scores = np.where(np.isnan(values), -np.inf, values)[:, 0, :, 0]
    held = [1 - paired_test(differences_of(*pair), "greater") >= CONFIDENCE for pair in scores]
    return shares(([HOLDS] if holds else [] for holds in held), cases)


def chosen_means(setup: Setup, cases: int, seed: int = 0) -> Shares:
    """Return how much too good the mean of the chosen setting is, in sd of a run's own noise, and its interval."""
    (tables,) = simulate(setup, cases, generator(seed))
    analysis = make_analysis(tables)
    searched = analysis.summary.drop_duplicates("alternative")["mean"]
    ranking = analysis.ranking
    holds = (ranking["mean_low"] <= 0) & (ranking["mean_high"] >= 0)
    return {
        GOOD + "search": searched.mean(),
        GOOD + "page": ranking["mean"].mean(),
        HOLDS: holds.mean(),
    }


def mean_coverage(n: int, cases: int, seed: int = 0) -> float:
    """Return how often the interval of a mean of n normal values holds the true mean."""
    low, high = mean_interval(generator(seed).normal(size=(cases, n))).T
    return float(((low <= 0) & (high >= 0)).mean())


def difference_coverage(alternatives: int, n: int, cases: int, seed: int = 0) -> float:
    """Return how often the intervals of all differences hold the true ones, which are 1 sd and its multiples."""
    truth, random = np.arange(alternatives) * PAIR_SD, generator(seed)
    return sum(_all_hold(truth + random.normal(size=(n, alternatives)), truth) for _ in range(cases)) / cases


def _all_hold(values: np.ndarray, truth: np.ndarray) -> bool:
    pairs = over_blocks(pd.DataFrame(values), ascending=False)
    differences = {(one, other): truth[int(one)] - truth[int(other)] for one, other in pairs.columns}
    return all(pairs.of(*pair).low <= true <= pairs.of(*pair).high for pair, true in differences.items())


def page_power(setup: Setup, cases: int, seed: int = 0) -> Shares:
    """Return how often the first alternative, which is ahead, is found better than another, and named the winner."""
    return shares((_found_ahead(page) for page in pages(setup, cases, generator(seed))), cases)


def _found_ahead(page: Page) -> list[str]:
    first, second = page.batch.order[:2]
    better = page.whole.pairwise.of(first, second).finding == BETTER
    winner = " is best: " in verdict(page.whole) and page.whole.ranking["alternative"].iloc[0] == first
    return [*([GIVEN] if better else []), *([WINNER] if winner else [])]


def generator(seed: int) -> np.random.Generator:
    """Return random numbers from a fixed seed."""
    return np.random.default_rng(seed)


def shares(found: Iterable[list[str]], cases: int) -> Shares:
    """Return the share of cases in which each word was found."""
    counts = Counter(word for words in found for word in words)
    return {word: count / cases for word, count in counts.items()}


def show(title: str, heads: list[str], rows: Iterable[Row]) -> None:
    """Print a table in Markdown, row by row."""
    print(f"\n{title}\n\n| conditions | simulations | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 2)}", flush=True)
    for conditions, cases, found in rows:
        told = [_text(head, found.get(head)) for head in heads]
        print(f"| {conditions} | {cases:,} | {' | '.join(told)} |", flush=True)


def _text(head: str, value: float | None) -> str:
    if head == OVER and value is None:
        return ""  # so few problems are not tested
    return f"{value:+.2f}" if head.startswith(GOOD) else f"{value or 0:.1%}"


TABLES: dict[str, tuple[list[str], Callable[[int], Iterator[Row]]]] = {
    "intervals": ([HOLDS], interval_rows),
    "chosen": ([GOOD + "search", GOOD + "page", HOLDS], chosen_rows),
    "claims": ([HOLDS], claim_rows),
    "power": ([GIVEN, WINNER], power_rows),
    "diff-power": ([WORSE], diff_power_rows),
    "exploratory": ([PAIR, WINNER, OVER], exploratory_rows),
    "diff": ([WORSE], diff_rows),
    "false": ([PAIR, WINNER, OVER, ANY], false_rows),
}

if __name__ == "__main__":
    main()
