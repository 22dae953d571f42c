"""Who writes what another tool would take is told what to write here, with the very values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

Write = Callable[..., Path]
Xprun = Callable[..., Result]


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, line_spec: str) -> Xprun:
    """Return a function that runs the command in a folder with the spec `line.toml`."""
    monkeypatch.chdir(tmp_path)
    write(line_spec, "line.toml")
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["optimizer.lr=0.1"], "settings are changed with --set: --set optimizer.lr=0.1"),
        (["+optimizer.x=1"], "--set optimizer.x=1"),
        (["++run.steps=10"], "--set run.steps=10"),
        (["~scheduler"], "--set unset=scheduler"),
        (["optimizer.lr=choice(0.1,0.2)"], "--set 'optimizer.lr=[0.1, 0.2]'"),
        (["optimizer.lr=range(1,10,2)"], "--set 'optimizer.lr={ range = [1, 10, 2] }'"),
        (["optimizer.lr=interval(0.1,1)"], "--set 'optimizer.lr={ uniform = [0.1, 1], samples = 5 }'"),
        (["--optimizer.lr", "0.1"], "write --set optimizer.lr=0.1"),
        (["--optimizer.lr=0.1,0.2"], "write --set 'optimizer.lr=[0.1, 0.2]'"),
        (["--lr", "0.1"], "write --set optimizer.lr=0.1"),
        (["--epochs=5"], "write --set run.epochs=5"),
        (["--max_epochs", "5"], "write --set run.epochs=5"),
        (["--seed", "3"], "write --set 'run.seeds=[3]'"),
        (["--dtype", "float64"], "write --set run.dtype=float64"),
        (["--batch-size", "32"], "write --set data.batch_size=32"),
        (["--optimizer", "Adam"], "write --set optimizer.name=Adam"),
        (["--multirun"], "a list of values is a sweep, without any option"),
        (["-m", "optimizer.lr=0.1,0.2"], "a list of values is a sweep, without any option"),
        (["--gpu", "1"], "write --device cuda:1"),
        (["--gpus", "2"], "write --device cuda"),
        (["--workers", "4"], "write --jobs 4"),
        (["--output-dir", "x"], "write --output x"),
        (["--overwrite"], "write --rerun all"),
        (["--resume"], "run the same command again"),
        (["--dry-run"], "xprun plan SPEC shows what would run"),
        (["--config", "other.toml"], "a spec is given without an option: xprun other.toml"),
        (["--set", "optimizer.lr", "0.1"], "--set takes one word: --set optimizer.lr=0.1"),
        (["--set", "optimizer.lr=[0.1,", "0.2]"], "quote it: --set 'optimizer.lr=[0.1, 0.2]'"),
        (["--set", "optimizer.lr={", "grid", "=", "[1]", "}"], "quote it: --set 'optimizer.lr={ grid = [1] }'"),
    ],
)
def test_words_and_options_of_other_tools(xprun: Xprun, words: list[str], fix: str) -> None:
    result = xprun("line.toml", *words)
    assert result.exit_code == 2
    assert fix in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("command", ["run", "check", "test", "plan"])
def test_every_command_that_takes_specs_tells_so(xprun: Xprun, command: str) -> None:
    assert "write --set optimizer.lr=0.1" in xprun(command, "--lr=0.1", "line.toml").stderr
    assert "--set optimizer.lr=0.1" in xprun(command, "line.toml", "optimizer.lr=0.1").stderr
    assert "write --set optimizer.lr=0.1" in xprun("--lr", "0.1", command, "line.toml").stderr


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("optimizer.lr=0.1,0.2", "several values are a sweep: --set 'optimizer.lr=[0.1, 0.2]'"),
        ("optimizer.lr=0.1:0.5:0.1", "this is a sweep: --set 'optimizer.lr={ range = [0.1, 0.5, 0.1] }'"),
        ("optimizer.lr=.5", "write --set optimizer.lr=0.5"),
        ("optimizer.lr==0.5", "one = is enough: --set optimizer.lr=0.5"),
        ("optimizer.lr=None", "TOML has no None: leave the setting out"),
        ("optimizer.lr=@lr.txt", "no value is read from a file"),
        ("optimizer.lr=", "write a value"),
        ("optimizer.lr:0.1", "write --set optimizer.lr=0.1"),
        ("+optimizer.lr=0.1", "write --set optimizer.lr=0.1"),
        ("optimizer.lr", "write --set optimizer.lr=VALUE"),
        ("optimizer", "for example --set optimizer.name=NAME"),
        ("optimizer=Adam", "write --set optimizer.name=Adam"),
        ("optimizer=SGD,Adam", """alternatives: --set 'optimizer=[{ name = "SGD" }, { name = "Adam" }]'"""),
        ("optimizer.name=SGD,Adam", """write --set 'optimizer=[{ name = "SGD" }, { name = "Adam" }]'"""),
        ('optimizer.name=["SGD", "Adam"]', """write --set 'optimizer=[{ name = "SGD" }, { name = "Adam" }]'"""),
        ("optimizer[1].lr=3", "leave [1] out: optimizer.lr"),
        ("lr=0.1", "write --set optimizer.lr=0.1"),
        ("learning_rate=0.1,0.2", "write --set 'optimizer.lr=[0.1, 0.2]'"),
        ("batch_size=3", "write --set data.batch_size=3"),
        ("steps=3", "write --set run.steps=3"),
        ("run.lr=3", "did you mean 'optimizer.lr'?"),
        ("optimizer.steps=3", "did you mean 'run.steps'?"),
        ("run.metrics=mae", """a list has brackets: --set 'run.metrics=["mae"]'"""),
        ("run.metrics=[mae, rmse]", """a list has brackets: --set 'run.metrics=["mae", "rmse"]'"""),
        ("run.steps=10.0", "an integer has no point: --set run.steps=10"),
        ("run.deterministic=True", "true and false have small letters: --set run.deterministic=true"),
        ("run.deterministic=1", "write --set run.deterministic=true"),
        ("run.dtype=float32,float64", """--set 'run.dtype=["float32", "float64"]'"""),
    ],
)
def test_a_setting_in_another_notation(xprun: Xprun, text: str, fix: str) -> None:
    result = xprun("check", "line.toml", "--set", text)
    assert result.exit_code == 2
    assert fix in result.stderr
    assert "--set:1:" in result.stderr


def test_all_settings_that_make_no_sense_are_told_at_once(xprun: Xprun) -> None:
    result = xprun("check", "line.toml", "--set", "optimizer.lr:1", "--set", "loss=Adam", "--set", "optimizer[3].lr=1")
    heads = [line.split(": ")[0] for line in result.stderr.splitlines() if line.startswith("--set")]
    assert heads == ["--set:1:1", "--set:2:1", "--set:3:1"]


def test_one_alternative_may_be_counted(xprun: Xprun) -> None:
    assert xprun("check", "line.toml", "--set", "optimizer[0].lr=0.5").exit_code == 0
    wrong = xprun("check", "line.toml", "--set", "optimizer[0].lr=-1")
    assert wrong.stderr.startswith("--set:1:17: optimizer.lr: must be greater than 0")
