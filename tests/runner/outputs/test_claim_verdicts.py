"""Whether a claim holds, decided from outcomes that were made up for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.training import MakePlan
from xprun.runner.outputs.claim_verdicts import Verdict, evaluate
from xprun.runner.results.outcome import Outcome, Series
from xprun.specs import Run, SpecError

Judge = Callable[..., Verdict]
BEATS = 'where = { optimizer.lr = 0.1 }\nvalue = "loss"\nbeats = { optimizer.lr = 1.0 }'


@pytest.fixture
def judge(plan: MakePlan, line_spec: str) -> Judge:
    """Return a function from an `[[expect]]` and the final losses of the runs to the verdict.

    The runs are those of lr = 0.1 with seeds from 0, then those of lr = 1. NaN stands for a run that diverged.
    """

    def verdict(lines: str, *losses: list[float]) -> Verdict:
        grid = line_spec.replace("lr = 0.1", f"lr = {{ grid = {[0.1, 1.0][: len(losses)]} }}")
        made = plan(f"{grid}seeds = {len(losses[0])}\n[[expect]]\n{lines}")
        outcomes = map(outcome, (run.id for run in made.runs), (loss for group in losses for loss in group))
        return evaluate(made.spec.expectations[0], made, {outcome.run: outcome for outcome in outcomes})

    return verdict


def outcome(run: str, loss: float) -> Outcome:
    series = Series(np.array([1, 5]), np.array([9.0, loss]))
    if np.isnan(loss):
        return Outcome(run, "diverged", steps=5, history={"loss": series})
    return Outcome(run, "done", steps=5, history={"loss": series}, parameters={"w": 3.25}, reference={"loss": 0.125})


@pytest.mark.parametrize(
    ("claim", "losses", "holds", "found"),
    [
        ("max = 0.5", [0.1, 0.5], True, "0.1 to 0.5 in 2 runs"),
        ("max = 0.5", [0.1, 0.6], False, "0.6 in scratch.gd optimizer.lr=0.1 seed=1 (1 of 2 runs)"),
        ("min = 0.5", [0.6], True, "0.6"),
        ("min = 0.5", [0.4], False, "0.4 in scratch.gd optimizer.lr=0.1 seed=0"),
        ("min = 0.5\nmax = 0.7", [0.6, 0.8], False, "0.8 in"),
        ("max = 0.5", [0.1, float("nan")], False, "no value in scratch.gd optimizer.lr=0.1 seed=1: the run diverged"),
        ('max = 0.5\nover = "mean"', [0.1, 0.8], True, "0.45 over 2 runs"),
        ('max = 0.5\nover = "mean"', [0.1, 1.0], False, "0.55 over 2 runs"),
        ('max = 0.5\nover = "median"', [0.1, 0.2, 9.0], True, "0.2 over 3 runs"),
        ('max = 0.5\nover = "mean"', [0.1, float("nan")], False, "no value in"),
        ("equals = 2\nrel = 0.01", [2.019], True, "2.019"),
        ("equals = 2\nrel = 0.01", [2.021], False, "2.021"),
        ("equals = 2\nabs = 0.5", [1.6], True, "1.6"),
        ("equals = 2", [2.0000001], False, "2"),
    ],
)
def test_values(judge: Judge, claim: str, losses: list[float], holds: bool, found: str) -> None:
    verdict = judge(f'value = "loss"\n{claim}', losses)
    assert verdict.holds is holds
    assert verdict.found.startswith(found)


@pytest.mark.parametrize(
    ("lines", "holds", "found"),
    [
        ('value = "loss"\nat = 1\nequals = 9', True, "9"),
        ('value = "loss"\nat = "best"\nequals = 0.25', True, "0.25"),
        (
            'value = "loss"\nat = 3\nmax = 9',
            False,
            "no value in scratch.gd optimizer.lr=0.1 seed=0: nothing was recorded",
        ),
        ('value = "param.w"\nequals = 3.25', True, "3.25"),
        ('value = "reference.loss"\nmax = 0.125', True, "0.125"),
        ('value = "param.v"\nequals = 3.25', False, "no value in"),
        ('value = "steps"\nmax = 5', True, "5"),
    ],
)
def test_where_a_value_is_taken_from(judge: Judge, lines: str, holds: bool, found: str) -> None:
    verdict = judge(lines, [0.25])
    assert verdict.holds is holds
    assert verdict.found.startswith(found)


@pytest.mark.parametrize("at", ["5", '"final"', '"best"'])
def test_a_metric_that_is_no_number_is_said_to_be_none(plan: MakePlan, line_spec: str, at: str) -> None:
    made = plan(f'{line_spec}[[expect]]\nvalue = "loss"\nmax = 1\nat = {at}\n')
    never = Series(np.array([1, 5]), np.array([np.nan, np.nan]))
    outcomes = {run.id: Outcome(run.id, "done", steps=5, history={"loss": never}) for run in made.runs}
    verdict = evaluate(made.spec.expectations[0], made, outcomes)
    assert verdict.found == "no value in scratch.gd seed=0: its loss is not a number (NaN)"


def test_a_claim_is_about_the_runs_that_it_selects(judge: Judge) -> None:
    lines = 'where = { optimizer.lr = 1.0 }\nvalue = "loss"\nmax = 0.5'
    assert judge(lines, [0.9, 0.9], [0.1, 0.1]).holds
    assert not judge(lines, [0.1, 0.1], [0.9, 0.1]).holds


def test_a_claim_that_selects_no_run_fails(judge: Judge) -> None:
    """Each value is there, but no run has both; values that no run has at all are refused before."""
    claim = 'where = { optimizer.lr = 1.0 }\nvalue = "loss"\nmax = 10\n[[exclude]]\noptimizer.lr = 1.0'
    verdict = judge(claim, [0.1], [0.1])
    assert not verdict.holds
    assert verdict.found == "no run matches `where`"


def test_settings_at_their_defaults_select(judge: Judge) -> None:
    assert judge('where = { "data.valid" = 0.0, "run.dtype" = "float32" }\nstatus = "done"', [0.1]).holds


@pytest.mark.parametrize("optimizer", ['name = "Adam"', 'name = "Adam"\nbetas = [0.9, 0.999]', 'name = "NAdam"'])
def test_lists_select_written_or_at_their_defaults(plan: MakePlan, line_spec: str, optimizer: str) -> None:
    spec = line_spec.replace('name = "scratch.gd"', optimizer) + "[[expect]]\nstatus = 'done'\nwhere = "
    made = plan(spec + '{ "optimizer.betas" = [0.9, 0.999] }')
    assert evaluate(made.spec.expectations[0], made, {run.id: outcome(run.id, 0.1) for run in made.runs}).holds
    with pytest.raises(
        SpecError, match=r"no run has optimizer.betas = \[0.9, 0.99\]\n.*\n.*\n +there is \[0.9, 0.999\]"
    ):
        plan(spec + '{ "optimizer.betas" = [0.9, 0.99] }')


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ('where = { optimizer.lr = 0.5 }\nvalue = "loss"\nmax = 10', "no run has optimizer.lr = 0.5"),
        ('where = { optimizer.lr = [0.1, 0.5] }\nvalue = "loss"\nmax = 10', "no run has optimizer.lr = 0.5"),
        ('where = { "data.valid" = 0.9 }\nstatus = "done"', "no run has data.valid = 0.9"),
        ('where = { seed = 7 }\nvalue = "loss"\nmax = 10', "no run has seed 7"),
        (BEATS, "4 pairs of runs cannot give a confidence of 0.95, whatever they find"),
        (f"{BEATS}\nconfidence = 0.94", "4 pairs of runs cannot give a confidence of 0.94"),
    ],
)
def test_what_cannot_hold_is_refused_before_anything_is_trained(judge: Judge, claim: str, message: str) -> None:
    with pytest.raises(SpecError) as found:
        judge(claim, [0.1] * 4, [0.2] * 4)
    assert message in str(found.value)


def test_statuses(judge: Judge) -> None:
    nan = float("nan")
    assert judge('status = "diverged"', [nan, nan]).holds
    assert judge('status = "diverged"', [nan, 0.1]).found == "1 diverged, 1 done"
    assert not judge('status = "diverged"', [nan, 0.1]).holds


def test_five_seeds_ahead_are_enough_for_95_percent_and_four_are_not(judge: Judge) -> None:
    verdict = judge(BEATS, [0.1] * 5, [0.2, 0.3, 0.4, 0.5, 0.6])
    assert verdict.holds
    assert verdict.found == "better by 0.3 on average over 5 seeds, confidence 0.969"
    assert judge(f"{BEATS}\nconfidence = 0.9", [0.1] * 4, [0.2] * 4).holds


def test_what_the_command_line_changes_makes_no_claim_a_mistake(plan: MakePlan, line_spec: str) -> None:
    grid = line_spec.replace("lr = 0.1", "lr = { grid = [0.1, 1.0] }")
    made = plan(f"{grid}seeds = 5\n[[expect]]\n{BEATS}", "run.seeds=2")
    outcomes = {run.id: outcome(run.id, run.choices["optimizer"].settings["lr"]) for run in made.runs}
    verdict = evaluate(made.spec.expectations[0], made, outcomes)
    assert (verdict.holds, verdict.found.partition("; ")[2]) == (False, "confidence 0.95 needs at least 5 seeds")


def test_claims_of_a_family_are_corrected_together(judge: Judge) -> None:
    """A claim and its opposite: together they are a two-sided test, 2 / 2^6."""
    opposite = 'where = { optimizer.lr = 1.0 }\nvalue = "loss"\nbeats = { optimizer.lr = 0.1 }\nfamily = "all"'
    claims = f'{BEATS}\nfamily = "all"\n[[expect]]\n{opposite}'
    verdict = judge(claims, [0.1] * 6, [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert verdict.holds
    assert verdict.found.endswith("over 6 seeds, confidence 0.969 for all 2 claims of the family")
    assert verdict.claim.endswith("beats optimizer.lr=1.0 with confidence 0.95 in the family all")
    assert not judge(claims, [0.1] * 5, [0.2, 0.3, 0.4, 0.5, 0.6]).holds


@pytest.mark.parametrize(
    "losses",
    [
        ([0.2] * 5, [0.1] * 5),  # behind
        ([0.1] * 5, [0.1] * 5),  # level
        ([0.1, 0.1, 0.1, 0.1, 0.2], [0.2, 0.2, 0.2, 0.2, 0.1]),  # once behind
    ],
)
def test_what_the_seeds_do_not_show_is_no_win(judge: Judge, losses: tuple[list[float], list[float]]) -> None:
    assert not judge(BEATS, *losses).holds


def test_seeds_are_paired(judge: Judge) -> None:
    """Each seed is ahead by a little, though the seeds differ by much."""
    assert judge(BEATS, [0.1, 1.1, 2.1, 3.1, 4.1], [0.2, 1.2, 2.2, 3.2, 4.2]).holds


def test_a_diverged_run_wins_nothing_and_loses_nothing(judge: Judge) -> None:
    verdict = judge(BEATS, [0.1] * 5, [0.2, 0.2, 0.2, 0.2, float("nan")])
    assert not verdict.holds
    assert verdict.found == "no value in 1 of 5 pairs"


def test_a_pair_takes_one_run_of_a_seed(judge: Judge) -> None:
    verdict = judge('value = "loss"\nbeats = { optimizer.lr = 1.0 }', [0.1] * 5, [0.2] * 5)
    assert verdict.found == "`where` matches 2 runs with seed 0; a pair needs one"


def test_a_claim_about_a_run_that_failed_cannot_be_judged(plan: MakePlan, line_spec: str) -> None:
    made = plan(f'{line_spec}\n[[expect]]\nvalue = "loss"\nmax = 1e9\n[[expect]]\nstatus = "failed"')
    outcomes = {run.id: Outcome(run.id, "failed", "ValueError: no") for run in made.runs}
    first, second = (evaluate(expectation, made, outcomes) for expectation in made.spec.expectations)
    assert (first.holds, first.found) == (None, "1 of 1 runs failed: ValueError: no")
    assert second.holds


def test_a_run_that_is_not_there_is_no_evidence(plan: MakePlan, line_spec: str) -> None:
    made = plan(f'{line_spec}\n[[expect]]\nvalue = "loss"\nmax = 1e9')
    verdict = evaluate(made.spec.expectations[0], made, {})
    assert (verdict.holds, verdict.found) == (False, "not trained: 1 of 1 runs")


@pytest.fixture
def judge_stages(plan: MakePlan, line_spec: str) -> Judge:
    """Return a function from an `[[expect]]` to its verdict, in a grid whose search prefers lr = 0.1 to lr = 1.

    The losses of seeds 0 and 1, the search, are below 10; those of seeds 2 to 7, on which lr = 0.1 is confirmed, above.
    """

    def verdict(lines: str, *, whole: bool = True) -> Verdict:
        text = line_spec.replace("[optimizer]", "[[optimizer]]\nname = 'Adam'\n[[optimizer]]")
        made = plan(
            f"{text}seeds = 2\n[confirm]\nseeds = 6\n[[expect]]\n{lines}",
            "optimizer[0].lr=0.1",
            "optimizer[1].lr=[0.1, 1.0]",
        )
        outcomes = {run.id: outcome(run.id, loss_of(run)) for run in made.searched[: None if whole else -1]}
        made = made.after(outcomes)
        outcomes |= {run.id: outcome(run.id, loss_of(run)) for run in made.confirmed or ()}
        return evaluate(made.spec.expectations[0], made, outcomes)

    return verdict


def loss_of(run: Run) -> float:
    base = run.choices["optimizer"].settings["lr"] + (10 if run.seed > 1 else 0)
    return float(base) + (0.5 if run.choices["optimizer"].name == "Adam" else 0.0)


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        ('where = { optimizer = "scratch.gd" }', "10.1 over 6 runs"),  # an alternative: as it was confirmed
        ("", "10.35 over 12 runs"),
        ('where = { optimizer = "scratch.gd", "optimizer.lr" = 0.1 }', "0.1 over 2 runs"),  # a setting of the search
        ('where = { optimizer = "scratch.gd", "optimizer.lr" = 1.0 }', "1 over 2 runs"),
        ('where = { optimizer = "scratch.gd", seed = 1 }', "0.55 over 2 runs"),  # a seed of the search
        ('where = { optimizer = "scratch.gd", seed = 5 }', "10.1 over 1 runs"),
        ('where = { optimizer = "scratch.gd", "data.samples" = 20 }', "10.1 over 6 runs"),  # written, and not swept
        ('where = { optimizer = "scratch.gd", stage = "search" }', "0.55 over 4 runs"),
        ('where = { "optimizer.lr" = 0.1, stage = "confirm" }', "10.35 over 12 runs"),
        ('where = { stage = ["search", "confirm"] }', "7.088889 over 18 runs"),
    ],
)
def test_a_claim_about_alternatives_is_about_fresh_seeds(judge_stages: Judge, claim: str, found: str) -> None:
    verdict = judge_stages(f'value = "loss"\nover = "mean"\nmax = 100\n{claim}')
    assert (verdict.found, verdict.holds) == (found, True)


def test_alternatives_are_compared_on_fresh_seeds(judge_stages: Judge) -> None:
    wins = judge_stages('value = "loss"\nwhere = { optimizer = "scratch.gd" }\nbeats = { optimizer = "Adam" }')
    assert wins.found == "better by 0.5 on average over 6 seeds, confidence 0.984"
    two = judge_stages(
        'value = "loss"\nwhere = { stage = "search", optimizer = "Adam" }\nbeats = { "optimizer.lr" = 1.0 }\n'
        "confidence = 0.75"
    )
    assert "over 2 seeds" in two.found
    assert wins.claim == "scratch.gd: final.loss beats Adam with confidence 0.95"


def test_a_claim_about_fresh_seeds_says_that_the_search_is_not_complete(judge_stages: Judge) -> None:
    verdict = judge_stages('value = "loss"\nmax = 100', whole=False)
    assert (verdict.holds, verdict.found) == (False, "not confirmed: 1 of 6 runs of the search are not trained")


def test_data_that_are_drawn_again_make_pairs_of_their_own(plan: MakePlan, line_spec: str) -> None:
    claim = '[[expect]]\nvalue = "loss"\nwhere = { optimizer.lr = 0.1 }\nbeats = { optimizer.lr = 1.0 }\n'
    sets = ("optimizer.lr=[0.1, 1.0]", "data.valid=0.5", "data.split_seed=[0, 1, 2]", "run.seeds=2")
    made = plan(line_spec + claim, *sets)
    outcomes = {run.id: outcome(run.id, run.choices["optimizer"].settings["lr"]) for run in made.runs}
    verdict = evaluate(made.spec.expectations[0], made, outcomes)
    assert verdict.found == "better by 0.9 on average over 6 repeats, confidence 0.984"


def test_the_untrained_model_and_gradients_can_be_claimed(plan: MakePlan, line_spec: str) -> None:
    claims = ['value = "valid.loss"\nat = 0\nequals = 3', 'value = "grad.w"\nat = 1\nequals = 4517.2969\nrel = 1e-6']
    made = plan("\n".join([line_spec, *(f"[[expect]]\n{claim}" for claim in claims)]), "data.valid=0.2")
    history = {
        "valid.loss": Series(np.array([0, 5]), np.array([3.0, 1.0])),
        "grad.w": Series(np.array([1, 2]), np.array([4517.296875, 1859.5])),
    }
    outcomes = {run.id: Outcome(run.id, "done", steps=5, history=history) for run in made.runs}
    found = [evaluate(one, made, outcomes) for one in made.spec.expectations]
    assert [verdict.claim for verdict in found] == [
        "valid.loss at step 0 = 3",
        "grad.w at step 1 = 4517.2969 (rel 1e-06)",
    ]
    assert all(verdict.holds for verdict in found)
    del history["grad.w"]
    assert "its gradients were not recorded" in evaluate(made.spec.expectations[1], made, outcomes).found
