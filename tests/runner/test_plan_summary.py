"""A plan says what trains together as surely as it knows: what another probe, or a worker, may change is a `may`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY, data, optimizer
from xprun.runner import plan_summary
from xprun.runner.engine import execution_units as units
from xprun.runner.engine.execution_units import Timed
from xprun.runner.plan_summary import CohortSummary, PlanSummary, as_text, summarize_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.workload import devices
from xprun.specs import read_document, read_spec

Write = Callable[..., Path]
Summarize = Callable[..., PlanSummary]


@pytest.fixture
def summarize(write: Write, line_spec: str, tmp_path: Path) -> Summarize:
    """Return a function that summarizes the plan of a line with four seeds and some changes."""

    def summarized(old: str = "", new: str = "", jobs: int = 0, device: str = "cpu") -> PlanSummary:
        text = f"{line_spec}seeds = 4\n".replace(old, new) if old else f"{line_spec}seeds = 4\n"
        spec = resolve(read_spec(read_document(write(text))), REGISTRY)
        return summarize_plan(spec, REGISTRY, tmp_path / "out", (), device, jobs)

    return summarized


@pytest.mark.parametrize(("factor", "may"), [(1.2, True), (0.9, True), (10.0, False), (0.1, False)])
def test_what_the_times_hardly_tell_apart_may_be_trained_otherwise(
    summarize: Summarize, monkeypatch: pytest.MonkeyPatch, factor: float, may: bool
) -> None:
    probe = units._time

    def timed(work: object, grid: units.Grid, program: str, column: int) -> Timed:
        seconds = 1e-4 * (factor if program == "autograd" else len(grid))
        return Timed(seconds, probe(work, grid, program, column).losses)  # type: ignore[arg-type]

    monkeypatch.setattr(units, "_time", timed)
    summary = summarize()
    [way] = summary.cohorts[0].ways
    assert (way.program is not None) == (factor > 1)
    assert way.is_close == may
    assert ("may train" in as_text(summary)) == may


def test_a_trial_step_that_fails_may_be_that_of_some_runs(summarize: Summarize) -> None:
    @optimizer("breaks")
    def breaks(w, g, *, lr: float = 0.1):  # type: ignore[no-untyped-def]
        raise RuntimeError("no step")

    text = as_text(summarize("scratch.gd", "breaks"))
    assert "train one by one and may fail, because a trial step failed: RuntimeError: no step" in text
    assert "will fail" not in text


def test_data_that_cannot_be_made_fail_for_certain(summarize: Summarize) -> None:
    @data("nothing")
    def nothing(*, samples: int = 20):  # type: ignore[no-untyped-def]
        raise RuntimeError("no data")

    text = as_text(summarize('"line"', '"nothing"'))
    assert "4 runs will fail: RuntimeError: no data" in text
    assert "may" not in text


def test_workers_share_the_runs_of_a_cohort(summarize: Summarize) -> None:
    shared = "3 workers share the runs: a cohort may be cut into up to 6 parts"
    assert shared in as_text(summarize(jobs=3))
    assert "workers" not in as_text(summarize(jobs=0))


@pytest.mark.parametrize(("jobs", "said"), [(1, "cuda:0"), (2, "cuda:0 to cuda:1"), (8, "cuda:0 to cuda:2")])
def test_all_gpus_that_have_work_are_told(
    summarize: Summarize, monkeypatch: pytest.MonkeyPatch, jobs: int, said: str
) -> None:
    monkeypatch.setattr(devices, "present", lambda: ["cuda:0", "cuda:1", "cuda:2", "cpu"])
    monkeypatch.setattr(plan_summary, "_ahead_of", lambda *probe: CohortSummary(4))  # there is no such GPU
    assert as_text(summarize(jobs=jobs, device="cuda")).startswith(
        f"spec: 4 runs (4 seeds); 0 cached, 4 to run on {said}\n"
    )
