"""`--require rank<=3`."""

from __future__ import annotations

import pytest
from xprun.runner.bench.requirements import read_requirement

FOUND = {
    "rank": 3.0,
    "mean_rank": 2.5,
    "wins": 4.0,
    "ties": 1.0,
    "losses": 0.0,
    "score": 0.75,
    "passes": 2.0,
    "fails": 1.0,
}


@pytest.mark.parametrize("text", ["rank<=3", "rank == 3", "passes>=2", "losses<1", "score > 0.7", "mean_rank<3"])
def test_a_bound_holds(text: str) -> None:
    assert read_requirement(text).holds(FOUND)


@pytest.mark.parametrize("text", ["rank<3", "rank>3", "passes>=3", "score==0.7"])
def test_a_bound_does_not_hold(text: str) -> None:
    assert not read_requirement(text).holds(FOUND)


@pytest.mark.parametrize("text", ["rank", "rank<=", "rang<=3", "rank<=three", "rank=3", "rank<=1e"])
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rank<=3|is not a number"):
        read_requirement(text)
