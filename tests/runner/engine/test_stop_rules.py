"""Stop rules end a run at the step that fulfils them, alone and together, and touch nobody else."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.training import MakePlan, agree, all_together, each_alone
from xprun.runner.cli.main import main
from xprun.runner.engine import stop_rules as stopping
from xprun.runner.engine.loop import Training
from xprun.runner.engine.stop_rules import StopRules
from xprun.runner.results.outcome import Outcome
from xprun.specs.language.schema import Stop

SPEC = """
data = { name = "digits", valid = 0.8, batch_size = 64 }
model = { layers = [{ name = "Linear", in_features = 64, out_features = 10 }] }
loss = { name = "CrossEntropyLoss" }
optimizer = [
  { name = "SGD", lr = { grid = [0.01, 0.1, 0.3, 1e308] } },
  { name = "Adam", lr = { grid = [0.01, 0.1] } },
]
run = { epochs = 12, seeds = 2, dtype = "float64", metrics = ["accuracy"], record_every = 5, stop = STOP }
"""
REACHED = '{ metric_reached = { "valid.accuracy" = 0.85 } }'


def spec(stop: str) -> str:
    return SPEC.replace("STOP", stop)


def curve(outcome: Outcome, metric: str) -> list[float]:
    return outcome.history[metric].values.tolist()


ALL_OF_THEM = '{ loss_below = 0.3, patience = 2, metric_reached = { "train.accuracy" = 0.95 } }'


@pytest.mark.parametrize(
    ("program", "stop"),
    [
        ("linear-stack", REACHED),
        ("linear-stack", '{ metric_reached = { "valid.loss" = 0.6 } }'),
        ("linear-stack", "{ patience = 1 }"),
        ("linear-stack", '{ patience = { evaluations = 2, metric = "valid.accuracy" } }'),
        ("linear-stack", ALL_OF_THEM),
        ("traced", ALL_OF_THEM),
    ],
)
def test_rules_end_the_same_runs_at_the_same_steps_together_and_alone(stop: str, program: str, plan: MakePlan) -> None:
    runs = plan(spec(stop)).runs
    found = all_together(runs, program)
    agree(found, each_alone(runs))
    assert {"stopped", "diverged"} <= {outcome.status for outcome in found.values()}


def test_a_metric_is_reached_at_the_first_evaluation_that_is_as_good(plan: MakePlan) -> None:
    outcomes = all_together(plan(spec(REACHED)).runs).values()
    stopped = [o for o in outcomes if o.status == "stopped"]
    assert len({o.steps for o in stopped}) > 1
    for outcome in stopped:
        *before, last = curve(outcome, "valid.accuracy")
        assert last >= 0.85 > max(before, default=0.0)
        assert outcome.reason == f"valid.accuracy {last:.6g} after step {outcome.steps} reached 0.85"
        assert outcome.history["loss"].steps[-1] == outcome.steps == outcome.history["valid.loss"].steps[-1]


def test_patience_counts_evaluations_without_a_new_best(plan: MakePlan) -> None:
    text = spec('{ patience = { evaluations = 2, metric = "valid.accuracy" } }')
    stopped = [o for o in all_together(plan(text).runs).values() if o.status == "stopped"]
    assert stopped
    for outcome in stopped:
        values = np.array(curve(outcome, "valid.accuracy"))
        best = int(values[:-2].argmax())
        assert best == len(values) - 3  # the best one, and the two that it was waited for
        assert values[best] >= values[-2:].max()
        assert outcome.reason.startswith(f"valid.accuracy has not improved on {values[best]:.6g} in 2 evaluat")


def test_who_goes_on_is_not_touched_by_a_bit(plan: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "leave_out_ended", lambda training: None)  # narrower products round differently
    early, late = plan(spec(REACHED)).runs, plan(spec(REACHED.replace("0.85", "2.0"))).runs
    one, other = all_together(early), all_together(late)
    pairs = [(one[a.id], other[b.id]) for a, b in zip(early, late, strict=True)]
    assert {a.status for a, _ in pairs} == {"done", "stopped", "diverged"}
    for a, b in pairs:
        if a.status == "done":
            assert all(np.array_equal(a.history[metric].values, b.history[metric].values) for metric in a.history)


@pytest.mark.parametrize("way", [each_alone, all_together])
def test_time_is_up_at_a_look_at_the_clock(
    way: Callable[..., dict[str, Outcome]], plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        """Each look at it takes a second."""

        now = 0.0

        @classmethod
        def perf_counter(cls) -> float:
            cls.now += 1.0
            return cls.now

    monkeypatch.setattr(stopping, "time", Clock)
    runs = [run for run in plan(spec("{ max_seconds = 3 }")).runs if run.choices["optimizer"].name == "Adam"]
    for outcome in way(runs).values():
        assert (outcome.status, outcome.steps) == ("stopped", 18)  # looks: 6, 12 and 18, where epochs end
        assert outcome.reason == "3 s passed at step 18"
        assert outcome.history["valid.accuracy"].steps[-1] == 18


@pytest.mark.parametrize("length", ["steps = 10_000_000", "epochs = 1_000_000_000", f"epochs = {2**62}"])
@pytest.mark.parametrize("way", [each_alone, all_together])
def test_a_length_beyond_reach_leaves_it_to_the_clock(
    way: Callable[..., dict[str, Outcome]], length: str, plan: MakePlan
) -> None:
    text = spec("{ max_seconds = 0.05 }").replace("epochs = 12, seeds = 2", length).replace(", record_every = 5", "")
    runs = [run for run in plan(text).runs if run.choices["optimizer"].name == "Adam"]
    for outcome in way(runs).values():
        assert outcome.status == "stopped"
        assert outcome.history["loss"].steps.tolist() == [*range(1, outcome.steps + 1)]
        assert len(outcome.history["valid.accuracy"].steps) >= outcome.steps // 6


def test_a_run_in_time_is_done(plan: MakePlan) -> None:
    assert {o.status for o in all_together(plan(spec("{ max_seconds = 1000 }")).runs).values()} == {"done", "diverged"}


@pytest.mark.parametrize(
    ("stop", "told"),
    [
        ("{}", "must have at least one of loss_below, metric_reached, patience, max_seconds"),
        ("{ patients = 3 }", "run.stop.patients: run.stop has no such setting"),
        ("{ max_seconds = 0 }", "run.stop.max_seconds: must be greater than 0, not 0"),
        (
            '{ metric_reached = { "valid.acuracy" = 1 } }',
            "no metric 'valid.acuracy' at their evaluations; did you mean",
        ),
        ('{ metric_reached = { "loss" = 1 } }', "the runs have no metric 'loss' at their evaluations"),
        ('{ patience = { evaluations = 3, metric = "valid.mae" } }', "no metric 'valid.mae' at their evaluations"),
    ],
)
def test_a_rule_that_watches_nothing_is_an_error_with_its_place(
    stop: str, told: str, write: Callable[[str], Path]
) -> None:
    message = CliRunner().invoke(main, ["check", str(write(spec(stop)))]).stderr
    assert told in message
    assert "spec.toml:9:" in message


def test_early_stopping_needs_rows_that_are_held_out(write: Callable[[str], Path]) -> None:
    path = write(spec("{ patience = 3 }"))
    assert CliRunner().invoke(main, ["check", str(path)]).exit_code == 0
    for share in ("0.0", "[0.2, 0.0]"):
        message = CliRunner().invoke(main, ["check", str(path), "--set", f"data.valid={share}"]).stderr
        assert "run.stop.patience: the runs have no metric 'valid.loss' at their evaluations" in message
        assert "set data.valid = 0.2 to hold rows out" in message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([math.nan] * 3, "valid.loss was never a number in 2 evaluations up to step 2"),
        ([1.0, math.nan, math.nan], "valid.loss has not improved on 1 in 2 evaluations up to step 3"),
        ([math.nan, 2.0, 3.0, math.nan], "valid.loss has not improved on 2 in 2 evaluations up to step 4"),
    ],
)
def test_patience_tells_a_result_that_is_no_number(values: list[float], words: str) -> None:
    rules = StopRules(Stop(patience=2), {}, (1, 1))
    found = [
        rules.after_evaluation({"valid.loss": np.array([[value]])}, np.array([[True]]), step, np.array([0]))
        for step, value in enumerate(values, 1)
    ]
    assert next(reasons for reasons in found if reasons) == {(0, 0): words}
