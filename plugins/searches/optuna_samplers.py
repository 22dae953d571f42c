"""The samplers of Optuna, asked for the settings of a round and told what became of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from xprun.plugins.python_packages import PackageError, said_of_broken, why_not
from xprun.plugins.registry import search
from xprun.plugins.searches.trials import Choices, Interval, Merit, Rounds, Space, Trial, Values
from xprun.plugins.types import NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

SAMPLERS = ("TPESampler", "GPSampler", "QMCSampler", "RandomSampler")
DIGITS = 12  # of a number that is drawn, as the language has them


def _known_sampler(sampler: str, **others: Any) -> Iterator[tuple[str, str]]:
    if sampler not in SAMPLERS:
        yield "sampler", f"must be one of {', '.join(SAMPLERS)}"


@search("optuna", check=_known_sampler)
def optuna(
    settings: list[Values],
    space: Space,
    *,
    sampler: str = "TPESampler",
    rounds: PositiveInt = 4,
    seed: NonNegativeInt = 0,
) -> Rounds:
    """Try as many settings as the sweeps have samples, in `rounds`, each of which a `sampler` of Optuna proposes.

    The first round has the samples of the sweeps themselves. After each the sampler is told the mean of the metric
    over the seeds, infinity where a run failed or diverged. It is one of TPESampler, GPSampler, QMCSampler
    and RandomSampler, and draws with this `seed`. Needs the extra `optuna`.
    Source: Akiba et al., Optuna: A next-generation hyperparameter optimization framework (2019).
    """
    if why := why_not("optuna"):
        raise PackageError(f"search optuna: {said_of_broken('optuna', why)}")
    shares = [len(settings) * i // rounds for i in range(rounds + 1)]
    sizes = [stop - start for start, stop in pairwise(shares) if stop > start]
    told = settings[: sizes[0]]
    merits = yield [Trial(values) for values in told]
    study, distributions = _make_study(sampler, seed), {name: _distribution(drawn) for name, drawn in space.items()}
    for values, merit in zip(told, merits, strict=True):
        study.add_trial(_as_told(values, merit, space, distributions))
    for size in sizes[1:]:
        asked = [study.ask(distributions) for _ in range(size)]
        merits = yield [Trial({name: _drawn(space[name], one.params[name]) for name in space}) for one in asked]
        for one, merit in zip(asked, merits, strict=True):
            study.tell(one, _value(merit))


def _make_study(sampler: str, seed: int) -> Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    more = {"constant_liar": True} if sampler == "TPESampler" else {}  # for those of a round not to be all alike
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # who names a sampler wants it
        return optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed, **more))


def _as_told(values: Values, merit: Merit, space: Space, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """Return a trial of which nobody was asked."""
    from optuna.trial import create_trial

    known = {name: _position(drawn, values[name]) for name, drawn in space.items()}
    return create_trial(params=known, distributions=distributions, value=_value(merit))


def _distribution(drawn: Interval | Choices) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(drawn, Choices):
        return CategoricalDistribution(range(len(drawn.values)))
    return FloatDistribution(drawn.low, drawn.high, log=drawn.log)


def _position(drawn: Interval | Choices, value: Any) -> Any:
    """Return what Optuna knows a value by: the number of a choice."""
    return list(drawn.values).index(value) if isinstance(drawn, Choices) else value


def _drawn(drawn: Interval | Choices, position: Any) -> Any:
    if isinstance(drawn, Choices):
        return drawn.values[position]
    return min(max(float(f"{position:.{DIGITS}g}"), drawn.low), drawn.high)


def _value(merit: Merit) -> float:
    failed, cost = merit
    return float("inf") if failed else cost
