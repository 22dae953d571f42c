"""Successive halving: many settings for a short time, the best of them for longer, the best of these to the end."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from xprun.plugins.registry import search
from xprun.plugins.searches.trials import Rounds, Trial, Values
from xprun.plugins.types import PositiveInt


@search("successive_halving")
def successive_halving(settings: list[Values], *, factor: Annotated[int, Ge(2)] = 3, rounds: PositiveInt = 3) -> Rounds:
    """Train all settings for a short time; of each of the `rounds` the best 1 / `factor` go on, `factor` times as long.

    Those of the last one are trained to the end. Every run starts anew, so that a schedule fits its length. A round
    costs about as much as any other: 27 settings with a factor of 3 cost as much as 9 to the end in three rounds.
    Source: Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization (2016).
    ASHA (Li et al., 2020) is the same for workers that do not wait for each other; here a round trains together.
    """
    for left in reversed(range(rounds)):
        merits = yield [Trial(setting, factor**-left) for setting in settings]
        best = sorted(range(len(settings)), key=merits.__getitem__)[: max(1, len(settings) // factor)]
        settings = [settings[i] for i in sorted(best)]
