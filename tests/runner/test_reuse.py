"""What is in the store is not trained again, what is not is told why, and one process at a time writes a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from xprun.plugins.discovery import load_file
from xprun.plugins.registry import REGISTRY
from xprun.reports.data.results_folder import EXACTLY
from xprun.runner.cli.main import main
from xprun.runner.experiment import Options, Report, run_experiment
from xprun.runner.plan_summary import as_text, summarize_plan
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.runner.store.folder_lock import hold
from xprun.runner.store.run_store import Store
from xprun.specs import Run, Spec, read_document, read_spec

RULE = """
from xprun.plugins import optimizer

@optimizer("mine")
def mine(w, g, *, lr=0.1):
    return w - lr * g
"""
TWO = """
title = "Two rules"
[data]
name = "line"
samples = 20
batch_size = "full"
[model]
name = "linear"
[loss]
name = "MSELoss"
[[optimizer]]
name = "mine"
lr = { grid = [0.1, 0.05] }
[[optimizer]]
name = "scratch.gd"
lr = 0.1
[run]
steps = 3
seeds = 2
engine = "alone"
"""


class Lab:
    """A folder with a spec and a file of components, and the runs that each call has trained."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.options = Options(self.out, workers=0)
        self.rule(RULE)

    def rule(self, text: str) -> None:
        (self.folder / "mine.py").write_text(text, encoding="utf-8")
        load_file(REGISTRY, self.folder / "mine.py")

    def spec(self, text: str, *sets: str) -> Spec:
        (self.folder / "two.toml").write_text(text, encoding="utf-8")
        return resolve(read_spec(read_document(self.folder / "two.toml", sets)), REGISTRY)

    def train(self, text: str = TWO, *sets: str, **options: Any) -> list[str]:
        """Return the optimizers, learning rates and seeds of the runs that were trained."""
        trained: list[str] = []

        class Listener(Silent):
            def ended(self, run: Run, outcome: Outcome) -> None:
                rule = run.choices["optimizer"]
                trained.append(f"{rule.name} {rule.settings['lr']} {run.seed}")

        options_here = replace(self.options, **options)
        self.report: Report = run_experiment(self.spec(text, *sets), REGISTRY, options_here, Listener())
        return sorted(trained)

    def plan(self, text: str = TWO, *sets: str) -> list[str]:
        return as_text(summarize_plan(self.spec(text, *sets), REGISTRY, self.out, (), None, jobs=0)).splitlines()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_words_and_order_reuse_everything(lab: Lab) -> None:
    assert len(lab.train()) == 6
    first, second = TWO.index("[[optimizer]]"), TWO.rindex("[[optimizer]]")
    end = TWO.index("[run]")
    swapped = TWO[:first] + TWO[second:end] + TWO[first:second] + TWO[end:]
    assert lab.train(swapped.replace("Two rules", "Rules")) == []
    assert lab.train(TWO + '[compare]\nmetric = "loss"\nbaseline = "mine"\n') == []
    assert lab.train(TWO.replace("lr = 0.1\n", 'lr = 0.1\nlabel = "plain"\n')) == []
    assert "6 cached, 0 to run" in lab.plan(swapped)[0]
    assert not any(line.startswith("to run") for line in lab.plan(swapped))


def test_only_new_seeds_and_learning_rates_are_trained(lab: Lab) -> None:
    lab.train()
    more = TWO.replace("seeds = 2", "seeds = 3").replace("[0.1, 0.05]", "[0.1, 0.05, 0.02]")
    lines = lab.plan(more)
    assert "6 cached, 6 to run" in lines[0]
    assert lines[1] == "to run: 3 runs with new seeds, 3 runs with new settings"
    assert lab.train(more) == [
        "mine 0.02 0", "mine 0.02 1", "mine 0.02 2", "mine 0.05 2", "mine 0.1 2", "scratch.gd 0.1 2",
    ]  # fmt: skip


def test_a_changed_formula_reuses_nothing_of_it(lab: Lab) -> None:
    lab.train()
    before = pd.read_csv(lab.out / "results.csv")
    lab.rule(RULE.replace("- lr", "- 0.5 * lr"))
    lines = lab.plan()
    assert "2 cached, 4 to run" in lines[0]
    assert lines[1] == "to run: 4 runs: the source of mine changed"
    assert lab.train() == ["mine 0.05 0", "mine 0.05 1", "mine 0.1 0", "mine 0.1 1"]
    after = pd.read_csv(lab.out / "results.csv")
    same = before["final.loss"].eq(after["final.loss"])
    assert same.tolist() == [False] * 4 + [True] * 2


def test_how_a_spec_is_put_together_is_no_part_of_a_run(lab: Lab) -> None:
    lab.train()
    (lab.folder / "base.toml").write_text(TWO, encoding="utf-8")
    assert lab.train('extends = "base.toml"\ntitle = "Another"\n[run]\nseeds = 2\n') == []
    assert lab.train(TWO.replace("steps = 3\n", "steps = 3\nrecord_every = 1\n"))  # what is kept differs
    reference = TWO.replace("lr = 0.1\n", 'lr = 0.1\nlabel = "of ${run.steps} steps"\n')
    assert lab.train(reference) == []


def test_sweeps_that_move_together_train_only_new_pairs(lab: Lab) -> None:
    pairs = TWO.replace("steps = 3\n", 'steps = { grid = [3, 4], with = "a" }\n')
    pairs = pairs.replace("lr = { grid = [0.1, 0.05] }", 'lr = { grid = [0.1, 0.05], with = "a" }')
    lab.train(pairs, "run.seeds=1")
    more = pairs.replace("[3, 4]", "[3, 4, 5]").replace("[0.1, 0.05]", "[0.1, 0.05, 0.02]")
    assert lab.train(more, "run.seeds=1") == ["mine 0.02 0", "scratch.gd 0.1 0"]
    assert lab.train(TWO, "run.seeds=1", "run.steps=3") == ["mine 0.05 0"]  # 0.1 was trained with 3 steps


MODEL = """
import torch
from xprun.plugins import model, optimizer

@model("flat")
def flat(x, y):
    return torch.nn.Linear(1, 1)
"""


def test_changed_data_or_a_changed_model_reuses_nothing_of_it(lab: Lab) -> None:
    lab.rule(RULE + MODEL)
    (lab.folder / "a.csv").write_text("x,y\n1,2\n2,3\n3,5\n", encoding="utf-8")
    data = '[data]\nname = "csv"\nfile = "a.csv"\ntarget = "y"\nbatch_size = "full"\n'
    text = data + TWO[TWO.index("[model]") :].replace("[model]", '[[model]]\nname = "flat"\n[[model]]')
    assert len(lab.train(text)) == 12
    assert lab.train(text) == []
    (lab.folder / "a.csv").write_text("x,y\n1,2\n2,3\n3,6\n", encoding="utf-8")
    lines = lab.plan(text)
    assert "0 cached, 12 to run" in lines[0]
    assert lines[1] == "to run: 12 runs: a.csv changed, which csv reads"
    assert len(lab.train(text)) == 12
    (lab.folder / "a.csv").write_text("x,y\n1,2\n2,3\n3,5\n", encoding="utf-8")
    assert lab.train(text) == []  # as it was
    lab.rule(RULE + MODEL.replace("Linear(1, 1)", "Linear(1, 1, bias=False)"))
    lines = lab.plan(text)
    assert "2 cached, 10 to run" in lines[0]  # the rule of the same file may have changed, too
    assert "2 runs: the source of flat, mine changed" in lines[1]
    assert "2 runs: the source of mine changed" in lines[1]


def test_a_changed_module_that_a_plugin_imports_reuses_nothing_of_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(lab.folder)
    (lab.folder / "reuse_aide.py").write_text("FACTOR = 1\n", encoding="utf-8")
    rule = "import reuse_aide\n" + RULE.replace("- lr", "- reuse_aide.FACTOR * lr")
    lab.rule(rule)
    lab.train()
    before = pd.read_csv(lab.out / "results.csv")
    (lab.folder / "reuse_aide.py").write_text("FACTOR = 2\n", encoding="utf-8")
    lab.rule(rule)
    lines = lab.plan()
    assert "2 cached, 4 to run" in lines[0]
    assert lines[1] == "to run: 4 runs: reuse_aide.py changed, which mine reads"
    assert lab.train() == ["mine 0.05 0", "mine 0.05 1", "mine 0.1 0", "mine 0.1 1"]
    after = pd.read_csv(lab.out / "results.csv")
    assert before["final.loss"].eq(after["final.loss"]).tolist() == [False] * 4 + [True] * 2
    lab.rule(rule + "# edited, too\n")
    (lab.folder / "reuse_aide.py").write_text("FACTOR = 3\n", encoding="utf-8")
    lab.rule(rule + "# edited, too\n")
    assert lab.plan()[1] == "to run: 4 runs: the source of mine changed; reuse_aide.py changed, which mine reads"


READER = """
from pathlib import Path
import numpy as np, torch
from xprun.plugins import Folder, Table, data

@data("arrays")
def arrays(*, root: Folder = "arrays"):
    rows = [np.load(file)["rows"] for file in sorted(Path(root).glob("**/*.npz"))]
    points = torch.as_tensor(np.concatenate(rows))
    return Table(points[:, :1], points[:, 1])
"""


def test_changed_files_of_a_folder_reuse_nothing_of_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.folder)
    lab.rule(RULE + READER)
    text = TWO.replace('name = "line"\nsamples = 20', 'name = "arrays"\nroot = "points"')

    def points(file: str, value: float) -> None:
        (lab.folder / "points/more").mkdir(parents=True, exist_ok=True)
        np.savez(lab.folder / "points" / file, rows=np.array([[1.0, value], [2.0, 3.0]], dtype=np.float32))

    points("a.npz", 1.0)
    assert len(lab.train(text)) == 6
    assert lab.train(text) == []
    points("a.npz", 2.0)
    assert lab.plan(text)[1] == "to run: 6 runs: points/ changed, which arrays reads"
    assert len(lab.train(text)) == 6
    points("more/b.npz", 2.0)
    assert len(lab.train(text)) == 6
    (lab.folder / "points/more/b.npz").rename(lab.folder / "points/more/c.npz")
    assert len(lab.train(text)) == 6  # in another order, perhaps
    points("a.npz", 2.0)
    (lab.folder / "points/more/c.npz").unlink()
    assert lab.train(text) == []  # as it was


def test_another_version_of_torch_reuses_nothing_of_its_classes(lab: Lab) -> None:
    text = TWO.replace('name = "scratch.gd"', 'name = "SGD"')
    lab.train(text)
    loss = REGISTRY.find("loss", "MSELoss")
    REGISTRY._components["loss"]["MSELoss"] = replace(loss, fingerprint="another version")
    lines = lab.plan(text)
    assert "0 cached, 6 to run" in lines[0]
    assert lines[1] == "to run: 6 runs: the source of MSELoss changed"


def test_failures_are_kept_until_they_are_asked_for_again(lab: Lab) -> None:
    text = RULE.replace("    return", "    if OFF:\n        raise ArithmeticError('no')\n    return")
    lab.rule("OFF = True\n" + text)
    failed = ["mine 0.05 0", "mine 0.05 1", "mine 0.1 0", "mine 0.1 1"]
    lab.train()
    assert lab.report.statuses == {"failed": 4, "done": 2}
    assert lab.train() == []
    assert lab.report.statuses == {"failed": 4, "done": 2}
    assert lab.train(rerun="failed") == failed
    assert len(lab.train(rerun="all")) == 6
    assert len(pd.read_csv(lab.out / "results.csv")) == 6


@pytest.fixture
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes longest in a command."""
    monkeypatch.setattr("xprun.reports.write_report", lambda folder, formats, plots: [])


@pytest.mark.usefixtures("no_pages")
def test_rerun_is_an_option_of_the_command(lab: Lab) -> None:
    lab.train()
    command = [str(lab.folder / "two.toml"), "--plugin", str(lab.folder / "mine.py"), "-o", str(lab.out), "-v"]
    assert "6 cached, 0 to run" in CliRunner().invoke(main, [*command, "--rerun", "failed"]).stderr
    assert "0 cached, 6 to run" in CliRunner().invoke(main, [*command, "--rerun", "all"]).stderr


def test_a_second_export_has_the_same_bytes(lab: Lab) -> None:
    lab.train()
    exported = {"results.csv", "history.csv", "results.parquet", "history.parquet", "environment.json", "resolved.json"}
    before = {path.name: path.read_bytes() for path in lab.out.iterdir() if path.name in exported}
    assert before.keys() >= {"results.csv", "history.csv", "environment.json"}
    for name in before:
        (lab.out / name).rename(lab.out / f"{name}.first")
    (lab.out / "environment.json.first").rename(lab.out / "environment.json")  # of when the runs were trained
    lab.train()
    assert before == {path.name: path.read_bytes() for path in lab.out.iterdir() if path.name in exported}


def test_exports_are_made_again_only_when_they_would_differ(lab: Lab) -> None:
    def times() -> dict[str, int]:
        return {name: (lab.out / name).stat().st_mtime_ns for name in ("results.csv", "history.csv")}

    lab.train()
    first = times()
    lab.train()
    assert times() == first
    (lab.out / "history.csv").unlink()
    lab.train()
    second = times()
    assert min(second.values()) > max(first.values())
    (lab.out / "results.csv").write_text("edited", encoding="utf-8")
    lab.train()
    assert "edited" not in (lab.out / "results.csv").read_text(encoding="utf-8")
    lab.train(TWO.replace("lr = 0.1\n", 'lr = 0.1\nlabel = "plain"\n'))
    assert "plain" in (lab.out / "results.csv").read_text(encoding="utf-8")
    (lab.out / ".exports.json").write_text("[1]", encoding="utf-8")
    lab.train()
    assert "plain" not in (lab.out / "results.csv").read_text(encoding="utf-8")


def test_parquet_holds_the_same_tables(lab: Lab) -> None:
    pytest.importorskip("pyarrow")
    lab.train(TWO.replace('name = "scratch.gd"\n', 'name = "SGD"\nmomentum = 0.9\nnesterov = true\n'))
    for name in ("results", "history"):
        csv = pd.read_csv(lab.out / f"{name}.csv", **EXACTLY)
        parquet = pd.read_parquet(lab.out / f"{name}.parquet")
        assert csv.to_csv() == parquet.to_csv()


def test_a_damaged_store_is_told_in_one_line_and_what_is_lost_is_trained_again(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.train()
    content = bytearray((lab.out / "store.sqlite").read_bytes())
    content[content.index(b'"status": "done"') + 12 : content.index(b'"status": "done"') + 14] = b"zz"
    (lab.out / "store.sqlite").write_bytes(content)
    lines = lab.plan()
    assert "5 cached, 1 to run" in lines[0]
    assert "the store is damaged; intact runs count as cached, and the next run keeps them" in lines
    assert not (lab.out / "store.sqlite.damaged-1").exists()
    assert len(lab.train()) == 1
    assert lab.report.statuses == {"done": 6}
    told = [message for message in caplog.messages if "damaged" in message]
    assert len(told) == 1
    assert (lab.out / "store.sqlite.damaged-1").exists()


@pytest.mark.usefixtures("no_pages")
def test_a_folder_in_use_gives_exit_code_4_and_can_be_read(lab: Lab) -> None:
    lab.train()
    command = [str(lab.folder / "two.toml"), "--plugin", str(lab.folder / "mine.py"), "-o", str(lab.out)]
    with hold(lab.out):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 4
        assert "out is in use by process " in result.stderr
        assert result.stderr.count("\n") == 1
        assert CliRunner().invoke(main, ["plan", *command]).exit_code == 0
    assert CliRunner().invoke(main, command).exit_code == 0


@pytest.mark.parametrize("command", [[], ["plan"]])
def test_a_newer_store_gives_exit_code_3_and_one_line(lab: Lab, command: list[str]) -> None:
    lab.train()
    store = Store(lab.out)
    store._database.execute("CREATE TABLE marvels (run TEXT)")
    store._database.execute("PRAGMA user_version = 9")
    store.close()
    arguments = [str(lab.folder / "two.toml"), "--plugin", str(lab.folder / "mine.py"), "-o", str(lab.out)]
    result = CliRunner().invoke(main, [*command, *arguments])
    assert result.exit_code == 3
    assert "was written by a newer xprun (version 9;" in result.stderr
    assert result.stderr.count("\n") == 1


def test_leftovers_of_a_killed_process_are_removed(lab: Lab) -> None:
    lab.out.mkdir()
    (lab.out / ".results.csv.123.tmp").write_text("half", encoding="utf-8")
    (lab.out / "tensorboard" / ".gd.123.tmp").mkdir(parents=True)
    lab.train()
    assert not list(lab.out.rglob(".*.tmp"))
