"""The plan groups runs by program, says what is ahead, and workers give the same results."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from support.training import MakePlan
from xprun.runner.cli.main import main
from xprun.runner.planning.cohorts import Cohort, cut, parts_of
from xprun.runner.planning.run_identity import origins_of
from xprun.specs import SpecError, apart_from_seeds


def test_a_cohort_shares_everything_but_optimizer_and_seed(plan: MakePlan, line_spec: str) -> None:
    more = '[[optimizer]]\nname = "Adam"\nlr = { grid = [0.1, 0.2] }\n'
    text = line_spec.replace("[optimizer]", "[[optimizer]]").replace("[run]", more + "[run]\nseeds = 2")
    made = plan(text, "data.samples=[20, 30]")
    cohorts = made.cohorts(leave_out=set())
    assert [len(cohort.runs) for cohort in cohorts] == [6, 6]
    assert len({cohort.program for cohort in cohorts}) == 2
    first = {run.id for run in cohorts[0].runs}
    assert [len(c.runs) for c in made.cohorts(leave_out=first)] == [6]


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 100])
def test_a_cohort_is_split_without_loss(plan: MakePlan, line_spec: str, parts: int) -> None:
    runs = plan(line_spec, "optimizer.lr=[0.1, 0.2, 0.3]", "run.seeds=4").runs
    split = Cohort(runs).split(parts)
    assert sorted(run.id for part in split for run in part.runs) == sorted(run.id for run in runs)
    assert len(split) == min(parts, 12)
    if parts <= 3:
        assert all(len({run.seed for run in part.runs}) == 4 for part in split)


def test_what_is_short_beside_all_the_rest_stays_whole(plan: MakePlan, line_spec: str) -> None:
    runs = plan(line_spec, "optimizer.lr=[0.1, 0.2, 0.3]", "run.seeds=4").runs
    alike = [Cohort(runs)] * 4
    assert [len(part.runs) for part in cut(alike, 2)] == [12, 12, 12, 12]
    assert [len(part.runs) for part in cut(alike[:1], 2)] == [3, 3, 3, 3]  # two parts a place
    assert cut(alike[:1], 1) == alike[:1]
    timed = [Cohort(runs, seconds=seconds) for seconds in (8.0, 1.0, 1.0)]
    assert [len(part.runs) for part in cut(timed, 2)] == [3, 3, 3, 3, 12, 12]  # none longer than a quarter of all
    known = [Cohort(runs, seconds=1.0), Cohort(runs[:4])]  # else by the numbers of runs
    assert [len(part.runs) for part in cut(known, 2)] == [4, 4, 4, 4]


@pytest.mark.parametrize(
    ("lengths", "places", "parts"),
    [([1.0] * 16, 2, [1] * 16), ([1.0], 3, [6]), ([3.0, 1.0], 2, [3, 1]), ([0.0, 0.0], 2, [1, 1]), ([5.0], 1, [1])],
)
def test_no_part_is_longer_than_half_of_what_a_place_does(lengths: list[float], places: int, parts: list[int]) -> None:
    assert parts_of(lengths, places) == parts


def test_a_cohort_is_the_same_when_it_has_been_sent(plan: MakePlan, line_spec: str) -> None:
    made = plan(line_spec, "optimizer.lr=[0.1, 0.2]", "run.clip_norm=[1.0, 2.0]", "run.seeds=3")
    runs = sorted(made.runs, key=lambda run: run.id)  # seeds of a setting stand apart
    sent = pickle.loads(pickle.dumps(Cohort(runs, is_part=True)))
    assert sent == Cohort(runs, is_part=True)
    assert len(pickle.dumps(Cohort(made.runs))) < len(pickle.dumps(made.runs))


def test_what_the_seeds_of_a_setting_share_is_asked_once(plan: MakePlan, line_spec: str) -> None:
    made = plan(line_spec, "optimizer.lr=[0.1, 0.2]", "run.clip_norm=[1.0, 2.0]", "run.seeds=3")
    found = list(apart_from_seeds(made.runs))
    told = [(run.choices["optimizer"].settings["lr"], run.settings.clip_norm) for run in found]
    assert sorted(told) == [(0.1, 1.0), (0.1, 2.0), (0.2, 1.0), (0.2, 2.0)]


def test_an_origin_tells_the_seed_and_all_that_its_setting_is_made_of(plan: MakePlan, line_spec: str) -> None:
    made = plan(line_spec, "optimizer.lr=[0.1, 0.2]", "run.seeds=3")
    origins = origins_of(made.runs, "cpu")
    assert [json.loads(origins[run.id])["seed"] for run in made.runs] == [run.seed for run in made.runs]
    assert all(json.dumps(json.loads(text), sort_keys=True) == text for text in origins.values())
    assert [origins_of([run], "cpu")[run.id] for run in made.runs] == list(origins.values())


def test_worker_processes_give_the_same_tables(
    line_spec: str, write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from xprun.plugins import optimizer\n@optimizer('mine')\ndef mine(w, g, *, lr=0.1):\n    return w - lr * g\n",
        encoding="utf-8",
    )
    spec = write(line_spec.replace("scratch.gd", "mine"))
    common = [str(spec), "--plugin", "mine.py", "--set", "run.seeds=3", "--set", "optimizer.lr=[0.1, 0.2]", "-q"]
    tables = []
    for jobs in ("0", "1", "2"):
        result = CliRunner().invoke(main, [*common, "-j", jobs, "-o", jobs])
        assert result.exit_code == 0, result.output
        tables.append(pd.read_csv(tmp_path / jobs / "history.csv"))
    for table in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], table, rtol=1e-6)


def test_plan_tells_what_is_ahead(line_spec: str, write: Callable[[str], Path], tmp_path: Path) -> None:
    more = '[[optimizer]]\nname = "LBFGS"\n'
    text = line_spec.replace("[optimizer]", "[[optimizer]]").replace("[run]", more + "[run]\nseeds = 2")
    arguments = [str(write(text)), "-o", str(tmp_path / "out"), "--set", "run.seeds=2"]
    told = CliRunner().invoke(main, ["plan", *arguments]).stdout
    assert "0 cached, 4 to run on cpu" in told
    assert "2 runs together (linear-stack): a chain of Linear layers" in told or "2 runs alone: alone" in told
    assert "takes longer" not in told
    assert "2 runs alone: LBFGS is an optimizer class, not an update rule" in told
    assert not (tmp_path / "out").exists()
    assert CliRunner().invoke(main, arguments).exit_code == 0
    limited = CliRunner().invoke(main, ["plan", *arguments, "--set", "run.timeout=60", "--set", "run.steps=6"]).stdout
    assert (
        "anything that takes longer than run.timeout = 60 s is stopped; runs that trained together are then" in limited
    )
    assert "4 cached, 0 to run" in CliRunner().invoke(main, ["plan", *arguments]).stdout


def test_the_runs_of_a_worker_that_dies_are_failed_and_the_others_go_on(
    line_spec: str, write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import os\nfrom xprun.plugins import optimizer\n"
        "@optimizer('mine')\ndef mine(w, g, *, lr=0.1, die: bool = False):\n"
        "    if die:\n        os._exit(7)\n    return w - lr * g\n",
        encoding="utf-8",
    )
    text = line_spec.replace("scratch.gd", "mine")
    command = [str(write(text)), "--plugin", "mine.py", "--set", "optimizer.die=[false, true]", "-j", "2", "-o", "out"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    table = pd.read_csv(tmp_path / "out" / "results.csv").set_index("optimizer.die")
    assert table["status"].to_dict() == {False: "done", True: "failed"}
    assert table["reason"][True] == "its process exited with code 7"


def several(line_spec: str) -> str:
    """Two optimizers, two losses and two data sets."""
    text = line_spec
    for section in ("data", "loss", "optimizer"):
        one = re.search(rf"\[{section}\]\n(.*?)\n(?=\[|$)", text, re.DOTALL)
        assert one
        twice = "".join(f'[[{section}]]\nlabel = "{section} {i}"\n{one[1]}\n' for i in (1, 2))
        text = text.replace(one[0], twice)
    return text


@pytest.mark.parametrize(
    ("by", "compared", "problems"),
    [
        (None, ["loss", "optimizer"], ["data"]),  # data sets are tried on, unless they alone differ
        ("optimizer", ["optimizer"], ["data", "loss"]),
        ("data", ["data"], ["loss", "optimizer"]),
        (["data", "loss", "optimizer"], ["data", "loss", "optimizer"], []),
    ],
)
def test_what_is_compared_on_what(
    plan: MakePlan, line_spec: str, by: str | list[str] | None, compared: list[str], problems: list[str]
) -> None:
    text = several(line_spec) + (f"\n[compare]\nby = {json.dumps(by)}\n" if by else "")
    found = plan(text).comparison
    assert (found.by, found.problems) == (compared, problems)


def test_data_sets_alone_are_compared(plan: MakePlan, line_spec: str) -> None:
    two = line_spec.replace("[data]", '[[data]]\nlabel = "few"\nname = "line"\nsamples = 10\n\n[[data]]')
    assert (plan(two).comparison.by, plan(two).comparison.problems) == (["data"], [])


def test_a_baseline_may_be_made_by_two_sections(plan: MakePlan, line_spec: str) -> None:
    text = several(line_spec) + '\n[compare]\nbaseline = "loss 1 · optimizer 2"\n'
    assert plan(text).comparison.baseline == "loss 1 · optimizer 2"
    with pytest.raises(SpecError, match="no alternative is labelled 'loss 1'"):
        plan(text.replace(" · optimizer 2", ""))
