"""Groups of alternatives that cannot be told apart, as letters: two that share a letter are not told apart."""

from collections.abc import Callable
from itertools import combinations
from string import ascii_lowercase


def letter_groups(names: list[str], told_apart: Callable[[str, str], bool]) -> dict[str, str]:
    """The letters of each name: two names share one if, and only if, they are not told apart.

    `names`: best first, so that `a` is the group of the best. The insert-and-absorb algorithm of Piepho, An algorithm
    for a letter-based representation of all-pairwise comparisons (2004).
    """
    groups = [frozenset(names)]
    for first, second in combinations(names, 2):
        if told_apart(first, second):
            groups = _absorbed([part for group in groups for part in _split(group, first, second)])
    place = {name: i for i, name in enumerate(names)}
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    return {name: "".join(_letter(i) for i, group in enumerate(groups) if name in group) for name in names}


def _split(group: frozenset[str], first: str, second: str) -> list[frozenset[str]]:
    """A group, or the two that it becomes where it has both of two names that are told apart."""
    return [group - {first}, group - {second}] if {first, second} <= group else [group]


def _absorbed(groups: list[frozenset[str]]) -> list[frozenset[str]]:
    """The groups that lie in no other one, each once."""
    once = list(dict.fromkeys(groups))
    return [group for group in once if not any(group < other for other in once)]


def _letter(number: int) -> str:
    """`a` to `z`, and then `a1`, `b1`, ..."""
    more, letter = divmod(number, len(ascii_lowercase))
    return f"{ascii_lowercase[letter]}{more or ''}"
