"""The rounds of `[search]`: which settings are tried for how long, as far as the outcomes of earlier rounds tell.

What a round is follows from the stored outcomes of those before it and from nothing else, as the second stage follows
from the search: whoever is killed at any instant finds the same rounds again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from xprun.plugins.searches.trials import Choices, Interval, Merit, Space, Trial, Values
from xprun.plugins.signature import positional_names
from xprun.runner.planning.second_stage import Settings, by_setting
from xprun.specs import Run
from xprun.specs.language.alternatives import Axis
from xprun.specs.language.expansion import with_values
from xprun.specs.language.repeats import searched_axes
from xprun.specs.language.searches import Search

LENGTHS = ("steps", "epochs")
MeritOf = Callable[[Sequence[Run]], Merit | None]  # None for runs that have not all ended


@dataclass
class Rounds:
    """The runs of the rounds that are known: `shorter` ones, and those of `full` length, each in order.

    `complete`: no round is to come. `sizes` are the settings of each round and the share of the length, by alternative
    and problem.
    """

    shorter: list[Run] = field(default_factory=list)
    full: list[Run] = field(default_factory=list)
    complete: bool = True
    sizes: list[list[tuple[int, float]]] = field(default_factory=list)


def rounds_of(search: Search, grid: Sequence[Run], by: Sequence[str], salt: str, merit_of: MeritOf) -> Rounds:
    """Return the rounds of a search over the settings that sweeps stand for, of each alternative on each problem."""
    found = Rounds()
    for settings in by_setting(grid, by).values():
        found.sizes.append([])
        _follow(search, settings, by, salt, merit_of, found)
    return found


def _follow(search: Search, settings: Settings, by: Sequence[str], salt: str, merit_of: MeritOf, found: Rounds) -> None:
    """Add the rounds of one alternative on one problem."""
    tables = [_values_of(runs[0], by) for runs in settings.values()]
    known = list(zip(tables, settings.values(), strict=True))
    rounds = start(search, tables, space_of(next(iter(settings.values()))[0], by))
    merits: list[Merit] | None = None
    while True:
        try:
            trials = rounds.send(merits)
        except StopIteration:
            return
        runs = [_runs_of(trial, known, salt) for trial in trials]
        for trial, several in zip(trials, runs, strict=True):
            (found.full if trial.share >= 1 else found.shorter).extend(several)
        found.sizes[-1].append((len(trials), min(trial.share for trial in trials)))
        told = [merit_of(several) for several in runs]
        if None in told:
            found.complete = False
            return
        merits = [merit for merit in told if merit is not None]


def start(search: Search, settings: Sequence[Values], space: Space) -> Any:
    """Return the generator of a search; it is handed what its method asks for by name."""
    assert search.starts is not None
    known = {"settings": list(settings), "space": space}
    return search.starts(*(known[name] for name in positional_names(search.starts)), **search.settings)


def space_of(run: Run, by: Sequence[str]) -> dict[str, Interval | Choices]:
    """Return what each setting of an alternative that is drawn is drawn from, by its dotted name."""
    choices = (*run.choices.values(), run.run_choice)
    axes = [named for choice in choices for named in searched_axes(choice.alternative, by)]
    return {name: _drawn_from(axis) for name, axis in axes if axis.is_random}


def _drawn_from(axis: Axis) -> Interval | Choices:
    if "choice" in axis.drawn:
        return Choices(axis.drawn["choice"])
    word = next(word for word in ("uniform", "loguniform") if word in axis.drawn)
    low, high = sorted(map(float, axis.drawn[word]))
    return Interval(low, high, log=word == "loguniform")


def _values_of(run: Run, by: Sequence[str]) -> dict[str, Any]:
    """Return the values of a run's settings of which a search chooses, by dotted name."""
    choices = (*run.choices.values(), run.run_choice)
    return {name: choice.swept[axis.path] for choice in choices for name, axis in searched_axes(choice.alternative, by)}


def _runs_of(trial: Trial, known: list[tuple[dict[str, Any], list[Run]]], salt: str) -> list[Run]:
    """Return the runs of a trial: those that the sweeps stand for, or such with other values, or shorter ones."""
    values = dict(trial.values)
    same = next((runs for table, runs in known if table == values), None)
    runs = known[0][1] if same is None else same
    changes = {} if same is not None else values
    if trial.share < 1:
        key = next(key for key in LENGTHS if runs[0].run_choice.settings.get(key) is not None)
        changes = {**changes, f"run.{key}": max(1, round(runs[0].run_choice.settings[key] * trial.share))}
    return with_values(runs, changes, salt) if changes else runs
