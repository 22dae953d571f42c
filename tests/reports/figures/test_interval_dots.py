"""Seeds with the same value are all seen."""

import numpy as np
from xprun.reports.figures.interval_dots import beside


def test_dots_on_one_place_stand_one_above_the_other() -> None:
    places = beside(np.array([0.5, 0.9, 0.5, 0.5]), 0.01)
    assert places[1] == 0
    assert len({*places[[0, 2, 3]]}) == 3
    assert abs(places).max() <= 1


def test_dots_apart_stay_on_their_line() -> None:
    assert not beside(np.array([0.1, 0.2, 0.3]), 0.01).any()


def test_many_equal_dots_stay_in_their_row() -> None:
    places = beside(np.zeros(100), 0.01)
    assert len(set(places)) == 100
    assert abs(places).max() <= 1
