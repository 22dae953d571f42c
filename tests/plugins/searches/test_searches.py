"""The methods of `[search]`: what they try in which round, given how good it was."""

from __future__ import annotations

import math
from typing import Any

import pytest
from xprun.plugins import Choices, Interval, Trial, Values
from xprun.plugins.searches.halving import successive_halving
from xprun.plugins.searches.optuna_samplers import optuna

SETTINGS: list[Values] = [{"optimizer.lr": 10.0**-i} for i in range(9)]


def cost(values: Values) -> float:
    """How far a learning rate is from 0.01, in decades."""
    return abs(math.log10(values["optimizer.lr"]) + 2)


def carried_out(rounds: Any, failing: Any = lambda values: 0.0) -> list[list[Trial]]:
    """Return the rounds of a search whose trials are as good as `cost` says."""
    found, merits = [], None
    while True:
        try:
            found.append(rounds.send(merits))
        except StopIteration:
            return found
        merits = [(failing(trial.values), cost(trial.values)) for trial in found[-1]]


def test_halving_lets_the_best_third_go_on_three_times_as_long() -> None:
    rounds = carried_out(successive_halving(SETTINGS))
    assert [[trial.share for trial in several] for several in rounds] == [[1 / 9] * 9, [1 / 3] * 3, [1.0]]
    assert [trial.values for trial in rounds[1]] == SETTINGS[1:4]  # in the order of the spec
    assert [trial.values for trial in rounds[2]] == [SETTINGS[2]]


def test_halving_drops_what_fails_before_what_is_slow() -> None:
    rounds = carried_out(
        successive_halving(SETTINGS, factor=3, rounds=2), lambda values: values["optimizer.lr"] > 0.005
    )
    assert [trial.values for trial in rounds[1]] == SETTINGS[3:6]


def test_halving_keeps_at_least_one_and_may_have_one_round() -> None:
    assert [len(several) for several in carried_out(successive_halving(SETTINGS[:2], rounds=3))] == [2, 1, 1]
    assert carried_out(successive_halving(SETTINGS, rounds=1)) == [[Trial(values) for values in SETTINGS]]


@pytest.mark.parametrize("sampler", ["TPESampler", "RandomSampler", "QMCSampler"])
def test_a_sampler_is_asked_in_rounds_and_draws_the_same_again(sampler: str) -> None:
    pytest.importorskip("optuna")
    space = {"optimizer.lr": Interval(1e-8, 1.0, log=True), "model.activation": Choices(["relu", [1, 2]])}
    settings = [{**values, "model.activation": [1, 2]} for values in SETTINGS]
    first, again = (carried_out(optuna(settings, space, sampler=sampler, rounds=4)) for _ in range(2))
    assert first == again
    assert [len(several) for several in first] == [2, 2, 2, 3]
    assert [trial.values for trial in first[0]] == settings[:2]
    drawn = [trial.values for several in first[1:] for trial in several]
    assert all(
        1e-8 <= values["optimizer.lr"] <= 1 and values["model.activation"] in ("relu", [1, 2]) for values in drawn
    )
    assert len({values["optimizer.lr"] for values in drawn}) == len(drawn)


def test_a_sampler_draws_more_where_it_was_good() -> None:
    pytest.importorskip("optuna")
    space = {"optimizer.lr": Interval(1e-8, 1.0, log=True)}
    settings: list[Values] = [{"optimizer.lr": 10 ** (-8 * (i * 0.618 % 1))} for i in range(60)]
    rounds = carried_out(optuna(settings, space, rounds=6), lambda values: values["optimizer.lr"] > 0.1)
    blind, told = ([cost(trial.values) for trial in several] for several in (rounds[0], rounds[-1]))
    assert sum(told) / len(told) < sum(blind) / len(blind) / 2
