"""Alternatives stay apart in every plot, in lines and in dots."""

from itertools import combinations

from xprun.reports.presentation.style import COLOURS, SHOWN, strokes


def test_no_two_alternatives_look_alike() -> None:
    found = list(strokes([f"rule {i}" for i in range(SHOWN + 3)]).values())
    assert len(found) == SHOWN > len(COLOURS)
    for one, other in combinations(found, 2):
        if one.colour == other.colour:
            assert one.marker != other.marker
            assert one.dashes != other.dashes
            assert other.is_marked > one.is_marked
