"""What a paired test of so many seeds and comparisons can show at all, which is known before anything is trained."""

from __future__ import annotations

from math import atan, comb, cos, floor, log2, pi, sin, sqrt
from statistics import NormalDist

BLOCKS_NEEDED = 6  # of fewer, even signs that all agree are no rarer than 2 in 32 by chance
LEVEL = 0.05  # of all comparisons together, two-sided
POWER = 0.8
CONFIRM_OPTION = "--set confirm.seeds=10"
COARSE = {6: 1.3, 7: 1.08}  # how much more a difference takes where there are few ways to flip signs, by simulation
LIKE_NORMAL = 300  # degrees of freedom beyond which Student's distribution is the normal one


def what_can_be_shown(seeds: int, alternatives: int, *, chosen: bool, confirm: int = 0, repeats: int = 1) -> str:
    """Return in words what the runs of a comparison can tell; nothing where nothing is compared.

    `seeds` are those of the search, `confirm` the fresh ones of the second stage, 0 without one; `repeats` how often
    each setting is tried beside its seeds. `chosen`: an alternative has several settings, of which one is chosen.
    """
    if alternatives < 2:
        return ""
    if chosen and not confirm:
        return "exploratory: settings are chosen on the seeds that would test them; add [confirm] seeds = 10"
    number, fresh = (confirm, "fresh ") if confirm else (seeds, "")
    blocks, tests = number * repeats, comb(alternatives, 2)
    what = f"{_count(number, f'{fresh}seed')}{f' x {repeats:,} repeats' if repeats > 1 else ''}"
    if blocks < BLOCKS_NEEDED:
        more = CONFIRM_OPTION if confirm else f"--set run.seeds={BLOCKS_NEEDED}, or [confirm] seeds = 10"
        return f"{what} cannot show any difference: a paired test needs at least {BLOCKS_NEEDED} ({more})"
    compared = f"{_count(tests, 'comparison')} of {alternatives:,} alternatives"
    size = f"about {least_difference(blocks, tests):.2g} standard deviations of the paired differences"
    return f"{what}, {compared}: differences above {size} would show ({POWER:.0%} power)"


def level_divisor(problems: int) -> float:
    """Return by how much the level of a page with so many problems is divided for each single one.

    Where all problems together are tested, too, that has two thirds of the level, and the single ones share the rest.
    """
    return 3.0 * problems if problems >= BLOCKS_NEEDED else float(problems)


def seeds_needed(problems: int) -> int:
    """Return the least number of seeds of which any difference on one of so many problems can be found.

    Where all n seeds agree, the p-value of a pair is 2 / 2^n.
    """
    return max(BLOCKS_NEEDED, floor(log2(2 * level_divisor(problems) / LEVEL)) + 1)


def least_difference(blocks: int, comparisons: int) -> float:
    """Return the mean difference, in standard deviations of the paired ones, that is found with a power of 80%.

    That of Student's t at the level of one comparison by Bonferroni's correction, which is close to the sign-flip test
    by the largest of all comparisons (`paired_test.max_t_test`): tests/runner/results/test_what_shows.py simulates it.
    """
    needed = students_t(LEVEL / comparisons, blocks - 1) + NormalDist().inv_cdf(POWER)
    return needed / sqrt(blocks) * COARSE.get(blocks, 1.0)


def students_t(outside: float, freedom: int) -> float:
    """Return the t that Student's variable of so many degrees of freedom exceeds, on either side, that often.

    The distribution is a finite sum: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3-4.
    """
    if freedom > LIKE_NORMAL:
        return NormalDist().inv_cdf(1 - outside / 2)
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - _within(middle, freedom) > outside else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Return how often Student's variable lies between -t and t."""
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= (k - 1) / k * cos(angle) ** 2
        total += term
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
