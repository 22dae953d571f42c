"""What a candidate must reach, for a pipeline: `rank<=3`, `passes>=14`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
MEASURES = ("rank", "mean_rank", "wins", "ties", "losses", "score", "passes", "fails")
_FORM = re.compile(rf"\s*(\w+)\s*({'|'.join(SIGNS)})\s*([-+.\deE]+)\s*")


@dataclass(frozen=True)
class Requirement:
    """One bound on a measure of the scoreboard."""

    text: str
    measure: str
    sign: str
    bound: float

    def holds(self, found: Mapping[str, float]) -> bool:
        return SIGNS[self.sign](found[self.measure], self.bound)


def read_requirement(text: str) -> Requirement:
    """Return what a text such as `rank<=3` requires; raise ValueError where it makes no sense."""
    match = _FORM.fullmatch(text)
    if match is None or match[1] not in MEASURES:
        raise ValueError(f"{text}: write for example rank<=3; there is {', '.join(MEASURES)}")
    try:
        return Requirement(text.strip(), match[1], match[2], float(match[3]))
    except ValueError:
        raise ValueError(f"{text}: {match[3]} is not a number") from None
