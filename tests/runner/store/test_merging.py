"""Folders that were trained apart are put together; what does not fit is told, and nothing damaged is taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

Write = Callable[..., Path]
APART = ["seconds"]  # columns that no two trainings have in common
FILES = ("results.csv", "history.csv", "tables.json", "resolved.json", "spec.toml")


@pytest.fixture(autouse=True)
def _spec(write: Write, line_spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(line_spec.replace("steps = 5", 'steps = 5\nseeds = 6\nengine = "alone"\nsave = "last"'))


def xprun(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def run(*arguments: str) -> None:
    assert xprun("spec.toml", "--no-report", "-q", *arguments).exit_code == 0


def table(folder: str, name: str = "results.csv") -> pd.DataFrame:
    return pd.read_csv(Path(folder, name)).drop(columns=APART, errors="ignore")


def change(statement: str) -> None:
    """Change the store of the folder `a`, and leave no log from which it could be restored."""
    with closing(sqlite3.connect("a/store.sqlite", isolation_level=None)) as database:
        database.execute(statement)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_three_shards_give_the_tables_of_one_run() -> None:
    run("-o", "whole")
    for number in (1, 2, 3):
        run("--shard", f"{number}/3")
    result = xprun("merge", "all", *(f"runs/spec-{number}-of-3" for number in (1, 2, 3)))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        *(f"runs/spec-{number}-of-3: 2 runs" for number in (1, 2, 3)),
        "wrote all: 6 runs",
        "next: xprun SPEC -o all trains none of these again, and writes the report",
    ]
    for name in ("results.csv", "history.csv"):
        pd.testing.assert_frame_equal(table("all", name), table("whole", name))
    for name in FILES[2:]:
        assert Path("all", name).read_bytes() == Path("whole", name).read_bytes()
    assert {path.name for path in Path("all/checkpoints").iterdir()} == {
        path.name for path in Path("whole/checkpoints").iterdir()
    }
    assert "6 cached, 0 to run" in xprun("spec.toml", "-o", "all").stderr


def test_runs_of_other_shards_are_left_out_and_not_cached() -> None:
    assert "; 0 cached, 2 to run in 1 cohort on cpu, 4 left out\n" in xprun("spec.toml", "--shard", "2/3").stderr
    assert "; 2 cached, 0 to run, 4 left out\n" in xprun("spec.toml", "--shard", "2/3").stderr


def test_what_is_missing_is_counted_and_trained_by_the_next_command() -> None:
    run("--shard", "2/3")
    assert "wrote all: 2 runs, 4 of the 6 planned are missing" in xprun("merge", "all", "runs/spec-2-of-3").stdout
    assert "2 cached, 4 to run" in xprun("spec.toml", "-o", "all").stderr


def test_other_specs_and_double_runs_are_told() -> None:
    run("-o", "a")
    run("-o", "b", "--set", "run.seeds=8")
    result = xprun("merge", "all", "a", "b")
    assert result.exit_code == 0
    assert "note: b is of another spec than a; the tables are those of the spec of a" in result.stderr
    assert (
        "note: 6 runs of b are in a, too, 6 of them with other results or times; those of a are kept" in result.stderr
    )
    assert "wrote all: 8 runs" in result.stdout
    assert len(table("all")) == 6


def test_other_versions_are_told() -> None:
    for folder in "ab":
        run("-o", folder)
    path = Path("b/environment.json")
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace('"python": "3', '"python": "2'), encoding="utf-8")
    assert "note: b was trained with python 2." in xprun("merge", "all", "a", "b").stderr


def test_a_record_that_does_not_verify_is_not_taken() -> None:
    run("-o", "a")
    first = "WHERE run = (SELECT min(run) FROM runs)"
    change(f"UPDATE runs SET outcome = replace(outcome, '\"done\"', '\"diverged\"') {first}")
    result = xprun("merge", "all", "a")
    assert "note: a: the store is damaged; its 5 intact runs are merged" in result.stderr
    assert "wrote all: 5 runs, 1 of the 6 planned are missing" in result.stdout


def test_a_run_that_stands_is_kept_before_one_that_lacked_something() -> None:
    run("-o", "a")
    run("-o", "b")
    change("DELETE FROM runs WHERE run = (SELECT min(run) FROM runs)")
    assert "wrote all: 6 runs" in xprun("merge", "all", "a", "b").stdout


def test_what_is_no_output_folder_is_one_line() -> None:
    run("-o", "a")
    result = xprun("merge", "all", "a", "b")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert xprun("merge", "a", "a").exit_code == 2
