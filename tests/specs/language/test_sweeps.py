"""Sweeps stand for the values that their words promise."""

from __future__ import annotations

from typing import Any

import pytest
from xprun.specs.language.sweeps import is_sweep, read_sweep


@pytest.mark.parametrize(
    ("sweep", "values"),
    [
        ({"grid": [0.1, 0.01]}, [0.1, 0.01]),
        ({"grid": ["a", True, [1, 2]]}, ["a", True, [1, 2]]),
        ({"linspace": [0, 1], "num": 5}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"linspace": [3, 4], "num": 1}, [3.0]),
        ({"logspace": [1e-3, 1.0], "num": 4}, [0.001, 0.01, 0.1, 1.0]),
        ({"logspace": [1.0, 1e-2], "num": 3}, [1.0, 0.1, 0.01]),
        ({"range": [3]}, [0, 1, 2]),
        ({"range": [10, 0, -4]}, [10, 6, 2]),
        ({"range": [0.1, 0.4, 0.1]}, [0.1, 0.2, 0.3]),
    ],
)
def test_values(sweep: dict[str, Any], values: list[Any]) -> None:
    found, problems = read_sweep(sweep, ())
    assert problems == []
    assert list(found) == values


def test_a_huge_sweep_is_counted_without_being_made() -> None:
    values, _ = read_sweep({"linspace": [0, 1], "num": 10**12}, ())
    assert len(values) == 10**12


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"grid": []}, "this grid has no values"),
        ({"grid": 3}, "this grid must be a list, not 3"),
        ({"range": [1, 1]}, "[1, 1] has no values"),
        ({"range": [0, 1, 0]}, "must be [start, stop, step] with a step other than 0"),
        ({"linspace": [0, 1]}, "needs the number of values: { linspace = [0, 1], num = 5 }"),
        ({"linspace": [0, 1], "num": 0}, "must be an integer above 0, not 0"),
        ({"linspace": [0, "a"], "num": 2}, 'must hold numbers only, not [0, "a"]'),
        ({"logspace": [0, 1], "num": 2}, "must be above 0, not [0, 1]"),
        ({"linspace": [0, 1], "nun": 2}, "a linspace sweep has no such setting; did you mean 'num'?"),
    ],
)
def test_a_wrong_sweep_says_what_is_wrong(sweep: dict[str, Any], message: str) -> None:
    assert message in [problem.message for problem in read_sweep(sweep, ())[1]]


def test_a_component_with_a_setting_of_that_name_is_no_sweep() -> None:
    assert not is_sweep({"name": "Shift", "range": [0, 1]})
    assert is_sweep({"range": [0, 1]})
