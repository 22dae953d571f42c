"""What another process can see of a grid while it runs: how far it is, and the tables of the runs that have ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pandas as pd
import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.process.training_progress import TrainingProgress
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Several, Silent
from xprun.runner.status.status_reader import curves, gather, look, recover
from xprun.runner.status.status_writer import Publisher
from xprun.specs import Run, read_document, read_spec

Write = Callable[..., Path]
TABLES = ("results.csv", "history.csv")


class Watcher(Silent):
    """Looks at the folder each time that a run has ended."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told, self.rows = folder, [look(folder)], list[int]()

    def ended(self, run: Run, outcome: Outcome) -> None:
        self.told.append(look(self.folder, os.getpid()))
        into = self.folder.parent / f"seen {len(self.told)}"
        into.mkdir()
        self.rows.append(len(pd.read_csv(gather(self.folder, into) / "results.csv")))

    def finish(self) -> None:
        self.told.append(look(self.folder))


@pytest.fixture
def grid(tmp_path: Path, write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    """A watched grid of two good and two diverging runs, whose pace nothing limits."""
    monkeypatch.setattr("xprun.runner.status.status_writer.EVERY", 0.0)
    monkeypatch.setattr("xprun.runner.status.status_writer.SHARE", 0)
    text = line_spec.replace("lr = 0.1", "lr = { grid = [0.1, 1e30] }").replace("steps = 5", "steps = 5\nseeds = 2")
    spec = resolve(read_spec(read_document(write(text + 'engine = "alone"\n'), ())), REGISTRY)
    watcher = Watcher(tmp_path / "out")
    run_experiment(spec, REGISTRY, Options(watcher.folder, workers=0), Several(Publisher(watcher.folder), watcher))
    return watcher


def test_a_grid_tells_how_far_it_is(grid: Watcher) -> None:
    texts = [told["text"].partition(";")[0] for told in grid.told]
    assert texts[0] == f"nothing is writing {grid.folder}"
    assert texts[1:3] == ["1 of 4 runs ended", "2 of 4 runs ended"]
    assert texts[4] == "4 of 4 runs ended, 2 diverged"
    assert grid.told[1]["text"].endswith("left")
    assert [told["state"] for told in grid.told[1:]] == ["running"] * 5
    assert grid.told[-1]["text"].endswith("writing the tables")
    over = look(grid.folder)
    assert (over["state"], over["done"]) == ("over", 1.0)
    assert over["text"].endswith(f"the report is {grid.folder / 'report.html'}")


def test_the_tables_grow_with_the_store_and_end_as_they_are_written(grid: Watcher, tmp_path: Path) -> None:
    assert grid.rows == [1, 2, 3, 4]
    assert gather(grid.folder, tmp_path) == grid.folder
    last = tmp_path / "seen 5"
    for name in TABLES:
        assert (last / name).read_bytes() == (grid.folder / name).read_bytes()
    facts = [json.loads((folder / "resolved.json").read_text(encoding="utf-8")) for folder in (last, grid.folder)]
    assert facts[0] == facts[1]


def test_what_is_in_training_counts_and_has_its_curves(
    tmp_path: Path, write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told as often as it can be, and no more once the grid has ended."""
    monkeypatch.setattr("xprun.runner.status.status_writer.EVERY", 0.0)
    monkeypatch.setattr("xprun.runner.status.status_writer.SHARE", 0)
    monkeypatch.setattr("xprun.runner.status.status_writer.SHARE", 0.0)
    spec = resolve(
        read_spec(read_document(write(line_spec.replace("steps = 5", "steps = 5\nseeds = 2")), ())), REGISTRY
    )
    folder, seen = tmp_path / "out", list[tuple[dict[str, Any], dict[str, Any]]]()

    class Looker(Silent):
        every = 0.0

        def advanced(self, progress: TrainingProgress) -> None:
            seen.append((look(folder, os.getpid()), curves(folder)))

    publisher = Publisher(folder, live=True)
    run_experiment(spec, REGISTRY, Options(folder, workers=0), Several(publisher, Looker()))
    told, drawn = seen[1]
    assert told["done"] == pytest.approx(0.4)
    assert told["text"].startswith("0 of 2 runs ended; about")
    assert told["training"].startswith("2 runs at step 2 of 5, best now")
    assert len(drawn["alternatives"]) == 1
    assert [run["curves"]["loss"][0] for run in drawn["runs"]] == [[1, 2], [1, 2]]
    assert look(folder)["training"] == ""
    assert curves(folder) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"alternatives": [], "per_epoch": 0, "runs": []}', "\x00"])
def test_damaged_curves_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / ".curves.json").write_text(text, encoding="utf-8")
    assert curves(tmp_path) == {}


def test_a_grid_that_was_killed_is_interrupted_and_shows_what_it_has_saved(grid: Watcher, tmp_path: Path) -> None:
    (grid.folder / "results.csv").unlink()
    told = json.loads((grid.folder / ".progress.json").read_text(encoding="utf-8"))
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    killed = told | {"process": dead.pid, "over": False, "statuses": {"done": 2}}
    (grid.folder / ".progress.json").write_text(json.dumps(killed), encoding="utf-8")
    (grid.folder / ".holder.json").write_text("{}", encoding="utf-8")
    assert look(grid.folder)["state"] == "interrupted"
    into = tmp_path / "into"
    into.mkdir()
    assert len(pd.read_csv(gather(grid.folder, into) / "results.csv")) == 4
    (grid.folder / "claims.csv").touch()
    recover(grid.folder)
    assert len(pd.read_csv(grid.folder / "results.csv")) == 4
    assert not (grid.folder / "claims.csv").exists()
    (grid.folder / "results.csv").write_text("as it was written\n", encoding="utf-8")
    recover(grid.folder)
    assert (grid.folder / "results.csv").read_text(encoding="utf-8") == "as it was written\n"


def test_what_another_process_left_is_no_progress(grid: Watcher) -> None:
    told = look(grid.folder, process=1)
    assert (told["state"], told["ended"], told["text"]) == ("running", 0, "starting")


def test_a_full_disk_does_not_disturb_who_trains(tmp_path: Path) -> None:
    publisher: Any = Publisher(tmp_path / "there is no such folder")
    publisher._write(".progress.json", {})


def test_a_browser_can_watch_from_the_first_run_to_the_last(tmp_path: Path, write: Write, line_spec: str) -> None:
    write(line_spec + 'seeds = 3\nengine = "alone"\n')
    options = ["spec.toml", "--live-at", "0", "-j", "0"]
    command = [sys.executable, "-c", f"from xprun.runner.cli.main import main; main({options})"]
    with subprocess.Popen(command, cwd=tmp_path, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr
        url = next(line for line in process.stderr if line.startswith("live: ")).removeprefix("live: ").strip()
        assert url.startswith("http://127.0.0.1:")
        told: dict[str, Any] = {}
        with suppress(OSError):  # it ends
            while not told.get("final"):
                told = json.loads(urlopen(f"{url}progress.json").read())
                time.sleep(0.2)
            page = urlopen(url).read().decode()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "wrote runs/spec/results.csv" in out
    assert told["state"] == "over"
    assert "<h2>Ranking</h2>" in page
    assert "3 runs" in page


@pytest.mark.parametrize(
    "text",
    ["[]", "3", "[[1, 2]]", "{}", '{"statuses": 1}', "[" * 9999, '{"process": 1, "to_run": 0, "statuses": {}}', "\xff"],
)
def test_progress_that_nobody_wrote_like_this_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".progress.json").write_bytes(text.encode("latin-1"))
    assert look(tmp_path)["state"] == "over"
    recover(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".progress.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"rows": 3}', '{"rows": [{}]}'])
def test_a_plan_that_is_damaged_is_told(tmp_path: Path, text: str) -> None:
    progress = {"process": 1 << 22, "name": "x", "to_run": 2, "cached": 0, "started": 1.0, "over": False}
    (tmp_path / ".progress.json").write_text(json.dumps(progress | {"statuses": {"done": 1}}), encoding="utf-8")
    (tmp_path / ".planned.json").write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match=r"planned.json is damaged"):
        recover(tmp_path)
