"""The second stage: of each alternative, on each problem, the setting that the search chose, on fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from xprun.runner.results.compared_value import chosen_by
from xprun.runner.results.results_schema import Comparison
from xprun.runner.results.run_columns import values_of
from xprun.runner.results.setting_choice import choose, merit
from xprun.specs import Choice, Run, RunSettings
from xprun.specs.language.expansion import with_seeds
from xprun.specs.language.identity import identity_of
from xprun.specs.language.repeats import without_repeats

if TYPE_CHECKING:
    from xprun.runner.results.outcome import Outcome  # with numpy

Labels = tuple[str, ...]  # of an alternative and the problem that it is tried on: one for each section
Settings = dict[str, list[Run]]  # the runs of each setting, in the order of the spec
Choose = Callable[[Settings], str | None]


def by_setting(runs: Iterable[Run], by: Sequence[str]) -> dict[Labels, Settings]:
    """Return the runs by alternative and problem, and by setting: everything in a run but its seed and its repeats.

    The values of settings among `by`, what is compared, are alternatives.
    """
    name = _SettingNames()
    found: dict[Labels, Settings] = {}
    for run in runs:
        values = values_of(run, by)
        labels = (
            run.problem,
            *(choice.label for choice in run.choices.values()),
            *(repr(values.get(name)) for name in by),
        )
        found.setdefault(labels, {}).setdefault(name.of(run), []).append(run)
    return found


def confirmation(
    runs: Sequence[Run], by: Sequence[str], seeds: Sequence[int], salt: str, chosen: Choose
) -> tuple[list[Run], list[Run]]:
    """Return the runs of the second stage, and a run of each alternative and problem of which no setting is chosen.

    A setting that is repeated on several samples or splits of the data is confirmed on each of them.
    """
    confirmed: list[Run] = []
    left_out: list[Run] = []
    for settings in by_setting(runs, by).values():
        setting = chosen(settings)
        if setting is None:
            left_out.append(settings[first_of(settings)][0])
        else:
            repeats = {run.choices["data"].identity: run for run in reversed(settings[setting])}
            confirmed += [again for run in reversed(repeats.values()) for again in with_seeds(run, seeds, salt)]
    return confirmed, left_out


def best_of(outcomes: Mapping[str, Outcome], comparison_of: Callable[[Run], Comparison]) -> Choose:
    """Return what chooses a setting by the outcomes of its runs; None where all runs of the best failed or diverged."""

    def best(settings: Settings) -> str | None:
        comparison = comparison_of(settings[first_of(settings)][0])
        value = partial(chosen_by, comparison)
        values = {setting: [value(outcomes[run.id]) for run in runs] for setting, runs in settings.items()}
        return choose(values, comparison.goal)

    return best


def merit_by(
    outcomes: Mapping[str, Outcome], comparison_of: Callable[[Run], Comparison]
) -> Callable[[Sequence[Run]], tuple[float, float] | None]:
    """Return what orders settings by the outcomes of their runs, as `best_of` does; None until all have ended."""

    def merit_of(runs: Sequence[Run]) -> tuple[float, float] | None:
        if any(run.id not in outcomes for run in runs):
            return None
        comparison = comparison_of(runs[0])
        return merit([chosen_by(comparison, outcomes[run.id]) for run in runs], comparison.goal)

    return merit_of


def first_of(settings: Settings) -> str:
    """Return the first setting of an alternative, which stands for the chosen one as long as that is not known."""
    return next(iter(settings))


class _SettingNames:
    """Names settings, each part of them once, however many runs it is in."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def of(self, run: Run) -> str:
        return "\n".join([*map(self._name, run.choices.values()), self._name(run.settings)])

    def _name(self, part: Choice | RunSettings) -> str:
        if id(part) not in self._names:
            self._names[id(part)] = without_repeats(part).identity if isinstance(part, Choice) else identity_of(part)
        return self._names[id(part)]
