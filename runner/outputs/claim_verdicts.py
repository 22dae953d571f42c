"""Whether the results of a plan's runs are what its spec expects."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import numpy as np
from xprun.runner.outputs.result_columns import result_columns
from xprun.runner.planning.claimed_runs import family_of, needs_confirmation, selected, staged
from xprun.runner.planning.plan import Plan
from xprun.runner.results.outcome import Outcome, Series
from xprun.runner.results.paired_test import differences_of, max_t_test, on_one_scale, paired_test
from xprun.runner.results.results_schema import (
    BEST,
    CHECKPOINT,
    CLAIMS,
    DOES_NOT_HOLD,
    DONE,
    FINAL,
    GRADIENT,
    HOLDS,
    NOT_JUDGED,
    is_of_test,
)
from xprun.runner.results.rounding import precision_of
from xprun.runner.results.run_columns import full_name, sections_that_differ
from xprun.specs import Expectation, Run
from xprun.specs.language.diagnostics import printable
from xprun.specs.language.repeats import block_of

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3  # runs named in the verdict on a claim that does not hold
Differences = dict[tuple[Any, ...], float]  # by what a pair of runs shares
OVER: dict[str, Callable[[list[float]], float]] = {"mean": fmean, "median": median}


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds, and the value found. `place` is where it stands: `file:line:col`.

    Where a run that it is about failed, nobody can tell: `holds` is None, and `found` says why.
    """

    claim: str
    place: str
    holds: bool | None
    found: str

    @property
    def word(self) -> str:
        return {True: HOLDS, False: DOES_NOT_HOLD, None: NOT_JUDGED}[self.holds]

    @property
    def line(self) -> str:
        """The verdict in the form of a compiler's message."""
        found = f"found {self.found}" if re.match(r"-?\d", self.found) else self.found
        return printable(f"{self.place}: {self.word}: {self.claim}; {found}")


def evaluate(expectation: Expectation, plan: Plan, outcomes: Mapping[str, Outcome]) -> Verdict:
    """Return the verdict on one claim, from the outcomes by run id."""
    holds, found = _judge(staged(expectation, plan), plan, outcomes)
    place = plan.spec.document.place(expectation.path, "key").name
    return Verdict(expectation.claim, place, holds, found)


def claims_table(verdicts: list[Verdict]) -> pd.DataFrame:
    """Return one row a claim: `place`, `claim`, `verdict` and `found`."""
    rows = [(verdict.place, verdict.claim, verdict.word, verdict.found) for verdict in verdicts]
    import pandas as pd

    return pd.DataFrame(rows, columns=CLAIMS.names)


def _judge(expectation: Expectation, plan: Plan, outcomes: Mapping[str, Outcome]) -> tuple[bool | None, str]:
    if needs_confirmation(expectation) and plan.confirmed is None:
        lacking = sum(run.id not in outcomes for run in plan.searched)
        return False, f"not confirmed: {lacking} of {len(plan.searched)} runs of the search are not trained"
    groups = [selected(plan, where) for where in expectation.selections]
    for runs, which in zip(groups, ("where", "beats"), strict=False):
        if not runs:
            return False, f"no run matches `{which}`{_unconfirmed(expectation, plan)}"
        lacking = sum(run.id not in outcomes for run in runs)
        if lacking:
            return False, f"not trained: {lacking} of {len(runs)} runs"
    broken = [outcomes[run.id] for runs in groups for run in runs if outcomes[run.id].errored]
    if broken and not expectation.status:
        return None, f"{len(broken)} of {sum(map(len, groups))} runs failed: {broken[0].reason}"
    if expectation.beats is not None:
        return _judge_pairs(expectation, plan, outcomes)
    differing = sections_that_differ(plan.rows)
    named = {full_name(run, differing): run for run in groups[0]}
    ended = {name: outcomes[run.id] for name, run in named.items()}
    if expectation.status:
        return _judge_statuses(expectation.status, ended)
    values = {name: _value(expectation, plan, run, outcomes[run.id]) for name, run in named.items()}
    return _judge_values(expectation, values, ended)


def _unconfirmed(expectation: Expectation, plan: Plan) -> str:
    """Return in words which alternatives have no runs of the second stage, for a claim about that."""
    if not plan.unconfirmed or not needs_confirmation(expectation):
        return ""
    return f"; not confirmed, because every run of the best setting failed or diverged: {', '.join(plan.unconfirmed)}"


def _judge_statuses(status: str, ended: dict[str, Outcome]) -> tuple[bool, str]:
    counts = Counter(outcome.status for outcome in ended.values())
    return set(counts) == {status}, ", ".join(f"{n} {status}" for status, n in counts.items())


def _judge_values(expectation: Expectation, values: dict[str, float], ended: dict[str, Outcome]) -> tuple[bool, str]:
    absent = {name: _why(expectation, ended[name]) for name, value in values.items() if math.isnan(value)}
    if absent:
        return False, _listed([f"no value in {name}: {why}" for name, why in absent.items()])
    if expectation.over != "all":
        value = OVER[expectation.over](list(values.values()))
        holds = expectation.holds_for(value, precision_of(values.values()))
        return holds, f"{_number(value)} over {len(values)} runs"
    wrong = {name: x for name, x in values.items() if not expectation.holds_for(x, precision_of([x]))}
    if wrong:
        listed = _listed([f"{_number(value)} in {name}" for name, value in wrong.items()])
        return False, listed + (f" ({len(wrong)} of {len(values)} runs)" if len(values) > 1 else "")
    low, high = _number(min(values.values())), _number(max(values.values()))
    return True, low if low == high else f"{low} to {high} in {len(values)} runs"


def _judge_pairs(expectation: Expectation, plan: Plan, outcomes: Mapping[str, Outcome]) -> tuple[bool, str]:
    """Judge "better, seed by seed", by the one-sided sign-flip test of paired differences.

    n pairs can give no more confidence than 1 - 2^-n: five of them are enough for 0.95. Claims of one family are
    corrected together, by flipping the signs of all of them at once (max-T).
    """
    ahead, wrong = _differences(expectation, plan, outcomes)
    if wrong:
        return False, wrong
    if expectation.family is None:
        confidence, family = 1 - paired_test(np.array(list(ahead.values())), "greater"), ""
    else:
        confidence, family = _in_family(expectation, ahead, plan, outcomes)
    size, noun = _number(fmean(ahead.values())), "seeds" if all(len(block) == 1 for block in ahead) else "repeats"
    found = f"better by {size} on average over {len(ahead)} {noun}, confidence {confidence:.3g}{family}"
    return confidence >= expectation.confidence, found + _too_few(len(ahead), expectation.confidence, noun)


def _in_family(
    expectation: Expectation, ahead: Differences, plan: Plan, outcomes: Mapping[str, Outcome]
) -> tuple[float, str]:
    """Return the confidence of a claim among those of its family that can be judged, and how many these are."""
    others = [claim for claim in family_of(expectation, plan) if claim.path != expectation.path]
    judged = [differences for claim in others for differences, wrong in [_of_claim(claim, plan, outcomes)] if not wrong]
    columns = [ahead, *judged]
    blocks = list(dict.fromkeys(block for column in columns for block in column))
    table = np.array([[column.get(block, math.nan) for block in blocks] for column in columns])
    p = max_t_test(np.stack([on_one_scale(row) for row in table], axis=1), "greater")
    return 1 - float(p[0]), f" for all {len(columns)} claims of the family" if judged else ""


def _of_claim(claim: Expectation, plan: Plan, outcomes: Mapping[str, Outcome]) -> tuple[Differences, str]:
    return _differences(staged(claim, plan), plan, outcomes)


def _differences(expectation: Expectation, plan: Plan, outcomes: Mapping[str, Outcome]) -> tuple[Differences, str]:
    """Return by how much the first is better at each seed, and repeat of the data, or in words why there is nothing."""
    groups = [selected(plan, where) for where in expectation.selections]
    for runs, which in zip(groups, ("where", "beats"), strict=True):
        if any(run.id not in outcomes for run in runs) or not runs:
            return {}, f"no run matches `{which}`" if not runs else "not trained"
        block, n = Counter(map(block_of, runs)).most_common(1)[0]
        if n > 1:
            return {}, f"`{which}` matches {n} runs with seed {block[0]}; a pair needs one"
    sign = -1 if _goal(expectation, plan) == "min" else 1
    first, second = (
        {block_of(run): _score(sign * _value(expectation, plan, run, outcomes[run.id])) for run in runs}
        for runs in groups
    )
    shared = [block for block in first if block in second]
    if not shared:
        return {}, "no shared seeds"
    ahead = differences_of(*np.array([(first[block], second[block]) for block in shared]).T)
    if lacking := int(np.isnan(ahead).sum()):
        return {}, f"no value in {lacking} of {len(shared)} pairs"
    return dict(zip(shared, ahead.tolist(), strict=True)), ""


def _score(value: float) -> float:
    """Return a value of which more is better; one that is infinite is the worst, and none stays NaN."""
    return -math.inf if math.isinf(value) else value


def _too_few(pairs: int, confidence: float, noun: str) -> str:
    if 1 - 0.5**pairs >= confidence:
        return ""
    needed = math.ceil(-math.log2(1 - confidence))
    return f"; confidence {confidence:g} needs at least {needed} {noun}"


def _value(expectation: Expectation, plan: Plan, run: Run, outcome: Outcome) -> float:
    """Return the value a claim is about, NaN where the run has none."""
    if expectation.step is None:
        return float(result_columns(outcome, plan.goals, plan.comparison_of(run)).get(expectation.value, math.nan))
    series = outcome.history.get(expectation.value)
    there = _at(series, expectation.step) if series else np.array([])
    return float(there[0]) if len(there) else math.nan


def _at(series: Series, step: int) -> np.ndarray:
    """Return what was recorded at a step [1], or nothing [0]."""
    return np.compress(series.steps == step, series.values)


def _goal(expectation: Expectation, plan: Plan) -> str:
    columns = {column.name: column.metric for column in plan.schema.columns}
    metric = columns.get(expectation.value) if expectation.step is None else expectation.value
    return plan.comparison.goal if metric == plan.comparison.metric else plan.goals.get(metric or "", "min")


def _why(expectation: Expectation, outcome: Outcome) -> str:
    """Return why a run lacks the value of a claim."""
    if outcome.status != DONE:
        return f"the run {outcome.status} after {outcome.steps} steps"
    name = expectation.value
    metric = name
    if expectation.step is None:
        metric = name.removeprefix(FINAL).removeprefix(BEST).removeprefix(CHECKPOINT)
    series = outcome.history.get(metric)
    if series and np.isnan(series.values[-1:] if expectation.step is None else _at(series, expectation.step)).any():
        return f"its {metric} is not a number (NaN)"
    if series is None and name.startswith(GRADIENT):
        return "its gradients were not recorded: its model has more than 4 numbers, or an earlier version trained it"
    if expectation.step is not None:
        see = "run.measure_test" if is_of_test(expectation.value) else "run.record_every"
        return f"nothing was recorded at that step (see {see}, run.evaluate_every)"
    return f"the run has no {name}"


def _listed(items: list[str]) -> str:
    return "; ".join(items[:SHOWN]) + ("; ..." if len(items) > SHOWN else "")


def _number(value: float) -> str:
    return f"{value:.7g}"
