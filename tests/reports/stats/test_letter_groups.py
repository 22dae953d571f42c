"""Letters say just which alternatives cannot be told apart."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from xprun.reports.stats.letter_groups import letter_groups


def letters(names: str, *apart: str) -> dict[str, str]:
    """The letters where the pairs `apart`, each of two names, are told apart."""
    pairs = {frozenset(pair) for pair in apart}
    return letter_groups(list(names), lambda one, other: frozenset((one, other)) in pairs)


def test_one_group_where_nothing_is_told_apart() -> None:
    assert letters("ABC") == {"A": "a", "B": "a", "C": "a"}


def test_every_one_has_its_letter_where_all_are_told_apart() -> None:
    assert letters("ABC", "AB", "AC", "BC") == {"A": "a", "B": "b", "C": "c"}


def test_an_example_by_hand() -> None:
    """Best to worst: A, B, C, D. A is better than C and D, B than D: the lines under them are AB, BC and CD."""
    assert letters("ABCD", "AC", "AD", "BD") == {"A": "a", "B": "ab", "C": "bc", "D": "c"}


def test_groups_need_not_be_neighbours() -> None:
    """The first and the last are not told apart, since the last one's seeds differ so much; the middle is from both."""
    assert letters("ABC", "AB", "BC") == {"A": "a", "B": "b", "C": "a"}


@given(st.lists(st.booleans(), min_size=15, max_size=15))
def test_two_share_a_letter_just_if_they_are_not_told_apart(apart: list[bool]) -> None:
    names = "ABCDEF"
    pairs = list(combinations(names, 2))
    told = {pair for pair, yes in zip(pairs, apart, strict=True) if yes}
    found = letters(names, *("".join(pair) for pair in told))
    assert {pair for pair in pairs if not set(found[pair[0]]) & set(found[pair[1]])} == told
    assert all(found.values())
