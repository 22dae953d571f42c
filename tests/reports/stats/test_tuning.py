"""How forgiving a setting is, and what tuning buys."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
from support.folders import Case, Parts
from xprun.reports.stats.tuning import expected_best, good_widths

KEY = "optimizer.lr"


def test_the_width_of_good_settings_ends_at_a_gap(parts: Callable[..., Parts]) -> None:
    means = {0.001: 0.99, 0.01: 0.5, 0.1: 0.96, 0.2: 1.0, 0.3: 0.955, 1.0: None, 2.0: None}
    comparison, _, summary, _ = parts(*(Case("A", lr, [value]) for lr, value in means.items()))
    (row,) = good_widths(summary, KEY, comparison).to_dict("records")
    assert (row["tried"], row["best"], row["within"], row["low"], row["high"]) == (7, 0.2, 3, 0.1, 0.3)
    assert (row["bad_low"], row["bad_high"]) == (1.0, 2.0)


def test_losses_are_near_from_above(parts: Callable[..., Parts]) -> None:
    comparison, _, summary, _ = parts(
        *(Case("A", lr, [v]) for lr, v in ((0.1, 2.0), (0.2, 2.09), (0.3, 2.2))), goal="min"
    )
    (row,) = good_widths(summary, KEY, comparison).to_dict("records")
    assert (row["best"], row["within"], row["high"]) == (0.1, 2, 0.2)


def test_all_diverged_has_no_best(parts: Callable[..., Parts]) -> None:
    comparison, _, summary, _ = parts(Case("A", 0.1, [None]), Case("A", 0.2, [None]))
    (row,) = good_widths(summary, KEY, comparison).to_dict("records")
    assert row["within"] == 0
    assert np.isnan(row["best"])


def test_the_expected_best_is_the_mean_over_all_draws(parts: Callable[..., Parts]) -> None:
    values = [0.3, 0.9, 0.1, 0.7]
    comparison, _, summary, _ = parts(*(Case("A", 0.1 * k, [v]) for k, v in enumerate(values, 1)))
    table = expected_best(summary, comparison)
    by_hand = [np.mean([max(drawn) for drawn in combinations(values, k)]) for k in (1, 2, 3, 4)]
    assert table["tried"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(table["expected"], by_hand)


def test_draws_that_may_all_diverge_have_no_expectation(parts: Callable[..., Parts]) -> None:
    cases = [Case("A", 0.1, [0.3]), Case("A", 0.2, [0.5]), Case("A", 0.3, [None])]
    comparison, _, summary, _ = parts(*cases, goal="min")
    np.testing.assert_allclose(expected_best(summary, comparison)["expected"], [np.nan, (0.3 + 0.3 + 0.5) / 3, 0.3])


def test_many_settings_do_not_overflow(parts: Callable[..., Parts]) -> None:
    comparison, _, _, _ = parts(Case("A", 0.1, [0.5]))
    table = expected_best(pd.DataFrame({"alternative": "A", "mean": np.arange(1, 2001) / 2000}), comparison)
    assert table["expected"].iloc[-1] == 1
    assert table["expected"].is_monotonic_increasing
