"""A measured number and a number of a spec are the same but for rounding, wherever they are compared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from xprun.runner.results.rounding import precision_of, reached, same, within


@pytest.mark.parametrize(("part", "whole"), [(9, 10), (7, 10), (29, 30), (1, 3), (45, 50)])
@pytest.mark.parametrize("goal", ["min", "max"])
def test_a_share_meets_its_decimal_in_either_precision(part: int, whole: int, goal: str) -> None:
    for measured in (float(np.float32(part) / np.float32(whole)), part / whole):
        assert reached(np.array([measured, math.nan]), part / whole, goal).tolist() == [True, False]
        assert same(measured, part / whole)


@pytest.mark.parametrize(("measured", "aim"), [(0.9, 0.900001), (0.5, 0.5001), (7.0, 7.00001), (1e-8, 2e-8)])
def test_another_number_is_another(measured: float, aim: float) -> None:
    for value in (measured, float(np.float32(measured))):
        assert not same(value, aim)
        assert not reached(np.array([value]), aim, "max")[0]
        assert reached(np.array([value]), aim, "min")[0]


def test_double_precision_is_compared_to_twelve_digits() -> None:
    assert same(sum([0.1] * 10), 1.0)
    assert not same(1 / 3, 0.3333333)
    assert not same(2.0000001, 2.0)


def test_a_mean_is_as_precise_as_what_it_is_of() -> None:
    single = [float(np.float32(0.7)), float(np.float32(0.9))]
    assert math.isclose(sum(single) / 2, 0.8, rel_tol=precision_of(single))
    assert precision_of([0.7, single[0]]) < precision_of(single)
    assert precision_of([1e300]) < precision_of(single)


@pytest.mark.parametrize("pair", [(0.9, 0.89), (0.3, 0.29), (17.11, 17.1)])
def test_a_difference_is_within_a_tolerance_of_its_size(pair: tuple[float, float]) -> None:
    for one, other in (pair, [float(np.float32(value)) for value in pair]):
        assert within(one - other, 0.01, [one, other])
        assert not within(one - other, 0.009, [one, other])
        assert not within(one - other, 0.0, [one, other])
