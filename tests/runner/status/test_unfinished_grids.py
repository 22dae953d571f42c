"""A spec whose training is cut off goes on from its snapshots when it is run again, in the same company."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from support.training import MakePlan
from torch import Tensor
from xprun.plugins.registry import REGISTRY, optimizer
from xprun.runner.cli.main import main
from xprun.runner.engine.execution_units import ExecutionUnit, grids_of
from xprun.runner.engine.loop import Training
from xprun.runner.execution import cohort_execution as execute
from xprun.runner.experiment import Options, run_experiment
from xprun.runner.plan_summary import as_text, summarize_plan
from xprun.runner.planning.cohorts import Cohort, unfinished_first
from xprun.runner.planning.layout import Layout
from xprun.runner.resolve.resolver import resolve
from xprun.runner.status.progress import Silent
from xprun.runner.store import snapshots
from xprun.runner.store.snapshots import Snapshot, forget, read_places, take_stock
from xprun.runner.workload.batch_order import Counted
from xprun.specs import read_document, read_spec

GRID = """
data = { name = "line", samples = 20, batch_size = 4 }
model = { name = "linear" }
loss = { name = "MSELoss" }
optimizer = { name = "test.damped", lr = { grid = [0.1, 0.05, 0.02] } }
run = { epochs = 20, seeds = 2, checkpoint_every = 1, record_every = 1, metrics = ["mae"], engine = "ENGINE" }
"""


class Cut(BaseException):
    """Stands for whatever ends a process."""


def damped(w: Tensor, g: Tensor, m: Tensor, *, lr: float = 0.1) -> tuple[Tensor, Tensor]:
    m = 0.9 * m + g
    return w - lr * m, m


class Lab:
    """A spec in a folder, and how often a batch was taken."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.steps, self.cut_at = folder, 0, -1
        take = Counted.__next__

        def counted(feed: Any) -> Any:
            if self.steps == self.cut_at:
                raise Cut
            self.steps += 1
            return take(feed)

        monkeypatch.setattr(Counted, "__next__", counted)
        monkeypatch.setattr(execute, "select_strategy", self.select_strategy)

    def select_strategy(self, work: Any, runs: Any, threads: int) -> list[ExecutionUnit]:
        """Choose without a probe, which would take steps and let its timing decide."""
        self.chosen = [run.id for run in runs]
        program = "linear-stack" if runs[0].settings.engine == "together" else None
        return [ExecutionUnit(grid, program, "", None) for grid in grids_of(work, runs)]

    def run(self, text: str, out: str = "out", cut: int = -1, **options: Any) -> pd.DataFrame | None:
        """Run a spec until it is cut off, or to its end; return the history then."""
        path, self.chosen = self.folder / "spec.toml", list[str]()
        path.write_text(text, encoding="utf-8")
        self.steps, self.cut_at = 0, cut
        spec = resolve(read_spec(read_document(path)), REGISTRY)
        try:
            run_experiment(spec, REGISTRY, Options(self.folder / out, workers=0, **options), Silent())
        except Cut:
            return None
        return pd.read_csv(self.folder / out / "history.csv").sort_values(["run", "metric", "step"])

    def plan(self, out: str = "out") -> str:
        self.cut_at = -1
        spec = resolve(read_spec(read_document(self.folder / "spec.toml")), REGISTRY)
        return as_text(summarize_plan(spec, REGISTRY, self.folder / out, (), None, jobs=0))

    def states(self, out: str = "out") -> list[Path]:
        return sorted((self.folder / out / "resume").glob("*"))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    optimizer("test.damped")(damped)
    return Lab(tmp_path, monkeypatch)


TOGETHER, ALONE = GRID.replace("ENGINE", "together"), GRID.replace("ENGINE", "alone")


@pytest.mark.parametrize(("text", "cut", "left"), [(TOGETHER, 53, 50), (ALONE, 253, 350)])
def test_a_spec_goes_on_where_it_was_cut_off(text: str, cut: int, left: int, lab: Lab) -> None:
    whole = lab.run(text, "whole")
    assert lab.run(text, cut=cut) is None
    assert len(lab.states()) == 1
    again = lab.run(text)
    assert lab.steps == left
    assert whole is not None
    assert again is not None
    pd.testing.assert_frame_equal(again.reset_index(drop=True), whole.reset_index(drop=True), check_exact=True)
    assert lab.states() == lab.states("whole") == []


def test_it_goes_on_in_the_same_company_beside_new_runs(lab: Lab) -> None:
    """Alone, or with others beside it, its numbers would be rounded otherwise."""
    whole = lab.run(TOGETHER, "whole")
    lab.run(TOGETHER, cut=53)
    more = lab.run(TOGETHER.replace("seeds = 2", "seeds = 3"))
    assert whole is not None
    assert more is not None
    same = more[more["run"].isin(whole["run"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, whole.reset_index(drop=True), check_exact=True)
    assert len(lab.chosen) == 3


def test_a_layout_without_the_setting_goes_on_and_is_saved_no_more(lab: Lab) -> None:
    lab.run(TOGETHER, cut=53)
    lab.run(TOGETHER.replace("checkpoint_every = 1, ", ""), cut=20)
    lab.run(TOGETHER)
    assert lab.steps == 50


def test_plan_tells_where_runs_go_on(lab: Lab) -> None:
    lab.run(TOGETHER, cut=53)
    assert "6 runs interrupted: resuming at step 50 of 100" in lab.plan()
    lab.run(TOGETHER)
    assert "interrupted" not in lab.plan()


def test_the_command_tells_how_many_runs_go_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xprun.reports.write_report", lambda *_: [])
    lab.run(TOGETHER, cut=53)
    lab.cut_at = -1
    command = [str(lab.folder / "spec.toml"), "-o", str(lab.folder / "out"), "-j", "0"]
    lines = CliRunner().invoke(main, command).stderr.splitlines()
    assert lines[0].endswith("0 cached, 6 to run in 1 cohort on cpu")
    assert lines[1] == "6 of them resume where they were interrupted"
    assert CliRunner().invoke(main, command).stderr.splitlines()[0].endswith("6 cached, 0 to run")


def test_a_damaged_state_is_told_and_its_runs_start_again(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.run(TOGETHER, cut=53)
    [path] = lab.states()
    content = path.read_bytes()
    for wrong in (content[:-1], content[:200] + b"?" + content[201:], b""):
        path.write_bytes(wrong)
        caplog.clear()
        assert "interrupted" not in lab.plan()
        lab.run(TOGETHER, cut=53)
        assert lab.steps == 53
        assert caplog.messages == [f"resume/{path.name} is damaged; its runs start again from the beginning"]


@pytest.mark.parametrize("place", [b"nonsense", b"[1]", b'{"layout": {"runs": 3}}', b'{"layout": 1}', b"\xff"])
def test_a_state_that_another_program_has_written_is_told(
    place: bytes, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    content = place + b"\n..."
    path = lab.folder / "out" / "resume" / "x.state"
    path.parent.mkdir(parents=True)
    path.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    forget(lab.folder / "out", ["a"])
    lab.run(TOGETHER, cut=3)
    assert "resume/x.state is not what this version of xprun writes; its runs start again" in caplog.text
    assert lab.states() == []


def test_a_state_of_another_version_is_told_and_not_used(
    lab: Lab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run(TOGETHER, cut=53)
    monkeypatch.setattr(snapshots, "made_by", lambda: "a newer one")
    lab.run(TOGETHER)
    assert lab.steps == 100
    assert "was made by another version of xprun or torch; its runs start again" in caplog.text


def test_a_state_that_the_spec_does_not_ask_for_is_kept_and_told(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.run(TOGETHER, cut=53)
    lab.run(TOGETHER.replace("epochs = 20", "epochs = 2"))
    assert "1 state of other interrupted runs is kept in " in caplog.text
    caplog.clear()
    lab.run(TOGETHER.replace("epochs = 20", "epochs = 2"))
    assert caplog.messages == []
    lab.run(TOGETHER)
    assert lab.steps == 50


def test_what_a_kill_left_of_ended_runs_is_removed(lab: Lab) -> None:
    lab.run(TOGETHER, cut=53)
    [path] = lab.states()
    content = path.read_bytes()
    lab.run(TOGETHER)
    path.write_bytes(content)
    lab.run(TOGETHER)
    assert lab.states() == []
    path.write_bytes(content)
    lab.run(TOGETHER, rerun="all")
    assert lab.steps == 100


def test_a_run_that_failed_for_want_of_something_goes_on_when_it_is_tried_again(lab: Lab) -> None:
    missing = [True]

    def needy(w: Tensor, g: Tensor, t: int, *, lr: float = 0.1) -> Tensor:
        if t == 60 and missing:
            raise MemoryError("no room")
        return w - lr * g

    optimizer("test.needy")(needy)
    text = ALONE.replace("test.damped", "test.needy")
    lab.run(text)
    assert lab.steps == 6 * 60
    lab.run(text)
    assert (lab.steps, len(lab.states())) == (0, 6)
    missing.clear()
    lab.run(text, rerun="failed")
    assert (lab.steps, len(lab.states())) == (6 * 45, 0)


def test_a_run_that_was_tried_alone_goes_on_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Training.step

    def breaking(training: Training, batch: Any) -> Tensor:
        if training.program.batched and training.steps == 59:
            raise RuntimeError("no")
        return step(training, batch)

    monkeypatch.setattr(Training, "step", breaking)
    lab.run(TOGETHER, cut=60 + 250)
    assert [place.step for _, place, _ in read_places(lab.folder / "out") if place] == [50]
    lab.run(TOGETHER)
    assert lab.steps == 50 + 60 + 300  # the third run; the others together, and then alone
    results = pd.read_csv(lab.folder / "out" / "results.csv")
    assert results["status"].tolist() == ["done"] * 6


@pytest.mark.parametrize("text", [TOGETHER, ALONE])
@pytest.mark.parametrize("jobs", [0, 1])
def test_a_state_that_cannot_be_written_ends_the_work_with_one_line(
    jobs: int, text: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xprun.reports.write_report", lambda *_: [])  # it takes longest
    (lab.folder / "spec.toml").write_text(text.replace("test.damped", "scratch.momentum"), encoding="utf-8")
    obstacle = lab.folder / "out" / "resume"
    obstacle.parent.mkdir()
    obstacle.touch()
    command = [str(lab.folder / "spec.toml"), "-o", str(lab.folder / "out"), "-q", "-j", str(jobs)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert "out cannot be used: File exists; what was saved is kept. To go on: xprun" in result.stderr
    obstacle.unlink()
    assert CliRunner().invoke(main, command).exit_code == 0


def test_the_setting_is_no_part_of_a_run(plan: MakePlan, lab: Lab) -> None:
    one, other = plan(TOGETHER), plan(TOGETHER.replace("checkpoint_every = 1", "checkpoint_every = 7"))
    assert [run.id for run in one.runs] == [run.id for run in other.runs]


# --- the parts


def a_layout(*runs: str, program: str | None = "linear-stack") -> Layout:
    return Layout([[*runs]], program, 1)


def test_stock_takes_the_larger_of_two_layouts_with_the_same_run(tmp_path: Path) -> None:
    for layout in (a_layout("b", program=None), a_layout("a", "b"), a_layout("c", program=None)):
        Snapshot(tmp_path, layout).write({}, 1, 2)
    layouts, notes = take_stock(tmp_path, {"a", "b", "c"}, set(), {"a", "b", "c"})
    assert [layout.every_run for layout in layouts] == [["a", "b"], ["c"]]
    assert notes == []
    layouts, notes = take_stock(tmp_path, {"b", "c"}, set(), {"b", "c"})
    assert [layout.every_run for layout in layouts] == [["b"], ["c"]]
    assert len(notes) == 1
    forget(tmp_path, ["b"])
    assert [place.layout.every_run for _, place, _ in read_places(tmp_path) if place] == [["c"]]


def test_no_code_in_a_state_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("code from a file was run",)

    snapshot = Snapshot(tmp_path, a_layout("a"))
    snapshot.write({"weights": Evil()}, 1, 2)
    with pytest.raises(Exception, match="weights_only"):
        snapshot.read()
    assert capsys.readouterr().out == ""


def test_an_unfinished_training_is_one_cohort_whatever_the_number_of_workers(plan: MakePlan, lab: Lab) -> None:
    [cohort] = plan(TOGETHER).cohorts(set())
    layout = Layout([[run.id for run in cohort.runs[:4]]], "linear-stack", 1)
    first, rest = unfinished_first([cohort], [layout])
    assert (first.layout, rest.layout) == (layout, None)
    assert (len(first.runs), len(rest.runs)) == (4, 2)
    assert first.split(8) == [first]
    assert [part.layout for part in rest.split(2)] == [None, None]
    assert unfinished_first([Cohort(cohort.runs[:4])], [layout]) == [replace(first)]


def test_a_place_is_plain_text(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path, a_layout("a"), 3)
    snapshot.write({"x": [1, 2.5, None]}, 4, 9)
    _, line, _ = snapshot.path.read_bytes().split(b"\n", 2)
    assert json.loads(line)["step"] == 4
    assert snapshot.read() == {"x": [1, 2.5, None]}
