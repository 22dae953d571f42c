"""Sentences on how runs were trained, which decides their last digits."""

from __future__ import annotations

import pandas as pd
import pytest
from xprun.reports.text.ways_trained import trained_otherwise, ways_trained

RUNS = pd.DataFrame(
    {
        "run": ["a", "b", "c"],
        "engine": ["together", "together", "alone"],
        "torch": "2.13.0",
        "host": "1f2e",
        "device": "cpu",
    }
)


def test_the_folder_tells_how_many_were_trained_in_which_way() -> None:
    assert ways_trained(RUNS) == ["Trained: 2 together and 1 alone; with torch 2.13.0."]


@pytest.mark.parametrize(
    ("column", "other", "told"),
    [("torch", "2.14.0", "They differ in torch"), ("host", "99aa", "in machine"), ("device", "cuda:0", "in device")],
)
def test_a_folder_that_mixes_says_so(column: str, other: str, told: str) -> None:
    mixed = RUNS.assign(**{column: [RUNS[column][0], other, other]})
    assert told in ways_trained(mixed)[1]


def test_runs_of_earlier_versions_do_not_tell() -> None:
    assert ways_trained(RUNS.drop(columns="engine")) == []
    assert ways_trained(RUNS.assign(engine=[float("nan"), "", "alone"])) == ["Trained: 1 alone; with torch 2.13.0."]
    assert trained_otherwise(RUNS, RUNS.drop(columns="host")) == []


def test_two_folders_whose_runs_were_trained_alike_say_nothing() -> None:
    assert trained_otherwise(RUNS, RUNS.iloc[::-1]) == []


def test_two_folders_tell_which_runs_were_trained_otherwise() -> None:
    other = RUNS.assign(engine=["compiled", "together", "alone"], run=["a", "b", "d"])
    [told] = trained_otherwise(RUNS, other)
    assert told == (
        "1 of the 2 runs that both folders have were trained in another way (engine): "
        "their last digits may differ for that alone."
    )
