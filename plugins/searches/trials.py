"""What a search is given and what it yields: settings, the ranges they are drawn from, and rounds of trials."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]  # of settings, by their dotted names: {"optimizer.lr": 0.1}
Merit = tuple[float, float]  # the share of a trial's runs that failed or diverged, and its cost; the less the better


@dataclass(frozen=True)
class Interval:
    """The numbers from which a setting is drawn, evenly, or with `log` evenly in their logarithms."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """The values of which one is drawn."""

    values: Sequence[Any]


Space = Mapping[str, Interval | Choices]  # of each setting that is drawn, by its dotted name


@dataclass(frozen=True)
class Trial:
    """A setting that is tried, and the share of a run's length for which it is: 1 is to the end."""

    values: Values
    share: float = 1.0


# Yields the trials of a round, which train together, and is sent their merits in the same order; ends with the search.
# It is started anew whenever somebody asks what comes next, and so depends on what it is sent alone.
Rounds = Generator[list[Trial], list[Merit], None]
