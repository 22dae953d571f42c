"""`xprun bench`: candidates and others are tuned alike, and what one bench has trained no other does again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import pandas as pd
import pytest
from xprun.runner.cli.main import main

SUITE = """
title = "two tiny problems"
[optimizer]
name = "SGD"
[[problem]]
label = "noisy line"
data = { name = "line", samples = 40, valid = 0.3 }
model = { name = "linear" }
loss = { name = "MSELoss" }
run = { epochs = 2 }
compare = { target = { "valid.loss" = 0.3 } }
[[problem]]
label = "narrow valley"
title = "Momentum gets along a narrow valley."
data = { name = "line", samples = 20, batch_size = "full", noise = 0.0 }
model = { name = "linear" }
loss = { name = "MSELoss" }
run = { steps = 25 }
compare = { metric = "loss", target = 0.01 }
"""
ALIKE = ("--suite", "tiny.toml", "--budget", "3", "--seeds", "6", "--search-seeds", "1", "--against", "SGD")


@pytest.fixture(autouse=True)
def _suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(SUITE, encoding="utf-8")


def bench(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["bench", *arguments])


def test_a_candidate_is_ranked_and_its_spec_can_be_run_again() -> None:
    result = bench("Adam", *ALIKE, "--no-report")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Adam on 2 problems, tuned with 3 settings each, confirmed on 6 fresh seeds: rank "), (
        lines
    )
    assert lines[1].startswith("  passes ") and lines[1].partition(";")[0].endswith("of 1 diagnostic")
    spec = Path("bench-Adam.toml").read_text(encoding="utf-8")
    assert 'extends = "tiny.toml"' in spec and "lr = { grid = [" in spec
    assert 'baseline = "SGD"' in spec and 'candidates = ["Adam"]' in spec
    again = click.testing.CliRunner().invoke(main, ["bench-Adam.toml", "--format", "md"])
    assert "36 cached, 0 to run" in again.stderr, again.output
    assert "\nAdam: rank 2 of 2, passes " in Path("runs/bench-Adam/report.md").read_text(encoding="utf-8")
    runs = pd.read_csv("runs/bench-Adam/results.csv")
    assert runs.groupby(["problem", "optimizer"]).size().unique().tolist() == [9]


def test_a_second_candidate_trains_itself_alone() -> None:
    bench("Adam", *ALIKE, "--no-report")
    result = bench("RMSprop", *ALIKE, "--no-report")
    assert "18 runs were trained for benches beside this one" in result.stderr
    assert "18/18 runs" in result.stderr  # 3 rates, then 6 fresh seeds, on 2 problems
    trained = pd.read_csv("runs/bench-RMSprop/results.csv").groupby("optimizer")["run"].apply(set)
    first = pd.read_csv("runs/bench-Adam/results.csv").groupby("optimizer")["run"].apply(set)
    assert trained["SGD"] == first["SGD"]


def test_json_and_requirements_are_for_pipelines() -> None:
    result = bench("Adam", "RMSprop", *ALIKE, "--no-report", "--json", "--require", "rank<=3")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {one["name"] for one in found["candidates"]} == {"Adam", "RMSprop"}
    assert all(one["passes"] + one["fails"] == 1 and 0 <= one["score"] <= 1 for one in found["candidates"])
    assert Path(found["spec"]).is_file()
    result = bench("Adam", "RMSprop", *ALIKE, "--no-report", "-q", "--require", "rank<=1")
    assert result.exit_code == 1
    assert "rank<=1 does not hold: rank is" in result.stderr
    assert result.stdout == ""


def alike(value: Any) -> Any:
    """A number but for its last digits: in which place of a stack a run stands may change how it is rounded."""
    return pytest.approx(value, rel=1e-5) if isinstance(value, float) else value


def test_equal_rules_tie_whatever_they_are_called() -> None:
    rule = "def {0}(w, g, *, lr: Positive = 0.1):\n    return w - lr * g\n"
    names = ("z_copy", "a_copy")
    rules = "".join(f'@optimizer("{name}")\n{rule.format(name)}' for name in names)
    Path("mine.py").write_text(f"from xprun.plugins import optimizer, Positive\n{rules}", encoding="utf-8")
    both = []
    for order in (names, names[::-1]):
        result = bench(*order, *ALIKE, "--no-report", "--json", "--plugin", "mine.py")
        assert result.exit_code == 0, result.output
        found = {one.pop("name"): one for one in json.loads(result.stdout)["candidates"]}
        assert found["a_copy"] == {key: alike(value) for key, value in found["z_copy"].items()}
        assert found["a_copy"]["wins"] == found["a_copy"]["losses"] == 0
        both.append(found)
    assert both[0] == both[1]


def test_one_that_diverges_everywhere_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    Path("mine.py").write_text(
        "from xprun.plugins import optimizer, Positive\n"
        '@optimizer("uphill")\n'
        "def uphill(w, g, s, *, lr: Positive = 0.1):\n"
        "    return w * float('nan') + lr * g\n",
        encoding="utf-8",
    )
    result = bench("uphill", *ALIKE, "--no-report", "--plugin", "mine.py")
    assert result.exit_code == 0, result.output
    assert ": rank 2 of 2 (behind SGD" in result.stdout
    assert "no run of it came to its end on noisy line and narrow valley" in result.stdout
    assert "--plugin mine.py" in Path("bench-uphill.toml").read_text(encoding="utf-8")


def test_a_problem_that_a_candidate_cannot_train_is_told_once_and_the_others_go_on() -> None:
    Path("mine.py").write_text(
        "from xprun.plugins import optimizer, Positive\n"
        '@optimizer("picky")\n'
        "def picky(w, g, s, *, lr: Positive = 0.1):\n"
        "    if w.numel() and w.ndim == 0:\n"
        "        raise ValueError('needs a vector')\n"
        "    return w - lr * g\n",
        encoding="utf-8",
    )
    result = bench("picky", *ALIKE, "--no-report", "--plugin", "mine.py")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("needs a vector") <= 4
    assert ": rank " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Adamm", *ALIKE), "there is no optimizer named 'Adamm'; did you mean 'Adam'?"),
        (("Adam", "--suite", "tinny.toml"), "there is no suite 'tinny.toml'"),
        (("Adam", "--suite", "quik"), "there is no suite 'quik'; did you mean 'quick'?\n"),
        (("Adam", *ALIKE, "--budget", "0"), "0 is not in the range x>=1"),
        (("Adam", *ALIKE, "--space", "lr=1..0.1"), "the ends are positive, the smaller one first"),
        (("Adam", *ALIKE, "--space", "rate=0.1..1"), "none of the optimizers has that setting"),
        (("Adam", *ALIKE, "--space", "Adam.rate=0.1..1"), "Adam has no setting 'rate'"),
        (("Adam", *ALIKE, "--require", "rang<=3"), "write for example rank<=3"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    result = bench(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(Path().glob("runs/*"))


def test_a_mistake_in_the_suite_is_told_in_its_file() -> None:
    Path("tiny.toml").write_text(SUITE.replace('"MSELoss"', '"MSELosss"', 1), encoding="utf-8")
    result = bench("Adam", *ALIKE)
    assert result.exit_code == 2
    assert "tiny.toml:9:17: problem[0].loss.name: there is no loss named 'MSELosss'" in result.stderr


def test_a_spec_of_somebody_else_is_not_overwritten() -> None:
    Path("bench-Adam.toml").write_text("mine", encoding="utf-8")
    result = bench("Adam", *ALIKE)
    assert result.exit_code == 2 and "was not written by xprun bench" in result.stderr
    assert Path("bench-Adam.toml").read_text(encoding="utf-8") == "mine"


def test_too_few_seeds_are_told_before_anything_is_trained() -> None:
    few, enough = (bench("Adam", *ALIKE[:5], seeds, *ALIKE[6:], "--no-report") for seeds in ("6", "7"))
    note = "note: 6 fresh seeds cannot tell two optimizers apart on any one of 2 problems; --seeds 7 can"
    assert note in few.stderr and "cannot tell two" not in enough.stderr


def test_the_spec_alone_is_written_where_that_is_asked_for() -> None:
    result = bench("Adam", *ALIKE, "--spec-only")
    assert result.stdout == "wrote bench-Adam.toml\n"
    assert click.testing.CliRunner().invoke(main, ["check", "bench-Adam.toml"]).exit_code == 0
