"""A spec becomes a folder of tables; failures are rows; what is finished is not done again."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from xprun.plugins import loss, optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.experiment import Options, Report, run_experiment
from xprun.runner.resolve.resolver import resolve
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.results.outcome import Outcome
from xprun.runner.status.progress import Silent
from xprun.runner.store.database import write_records
from xprun.runner.workload.devices import DeviceError
from xprun.specs import Run, read_document, read_spec


class Listener(Silent):
    """Notes which runs were trained."""

    def __init__(self, at_each: Callable[[], None] = lambda: None) -> None:
        self.trained: list[str] = []
        self.at_each = at_each

    def ended(self, run: Run, outcome: Outcome) -> None:
        self.trained.append(run.id)
        self.at_each()


Go = Callable[..., tuple[Report, Listener]]


@pytest.fixture
def go(tmp_path: Path, write: Callable[[str], Path]) -> Go:
    def run(text: str, *sets: str, at_each: Callable[[], None] = lambda: None) -> tuple[Report, Listener]:
        listener = Listener(at_each)
        spec = resolve(read_spec(read_document(write(text), sets)), REGISTRY)
        return run_experiment(spec, REGISTRY, Options(tmp_path / "out"), listener), listener

    return run


def test_the_tables_have_their_documented_columns_and_types(go: Go, line_spec: str) -> None:
    text = line_spec.replace("[optimizer]", '[[optimizer]]\nname = "SGD"\nmomentum = 0.9\nlr = 0.1\n[[optimizer]]')
    report, _ = go(text, "run.seeds=2", "run.metrics=['mae']", "data.valid=0.25")
    results = pd.read_csv(report.folder / "results.csv")
    assert list(results.columns) == [
        "run", "data", "model", "loss", "optimizer",
        "data.samples", "data.batch_size", "data.valid", "optimizer.momentum", "optimizer.lr",
        "seed", "stage", "status", "reason", "steps", "epochs", "seconds", "together",
        "engine", "torch", "host", "device", "threads",
        "final.loss", "final.train.loss", "final.train.mae", "final.valid.loss", "final.valid.mae",
        "best.loss", "best.train.loss", "best.train.mae", "best.valid.loss", "best.valid.mae",
        "param.w", "param.b",
        "reference.loss", "reference.train.loss", "reference.train.mae", "reference.valid.loss", "reference.valid.mae",
        "reference.param.w", "reference.param.b",
    ]  # fmt: skip
    assert results["optimizer"].tolist() == ["SGD", "SGD", "scratch.gd", "scratch.gd"]
    assert results["optimizer.momentum"].isna().tolist() == [False, False, True, True]
    assert results["steps"].tolist() == [5] * 4
    history = pd.read_csv(report.folder / "history.csv")
    assert list(history.columns) == ["run", "step", "epoch", "metric", "value"]
    counts = history.groupby("metric")["run"].value_counts().groupby("metric").unique()
    assert {metric: numbers.tolist() for metric, numbers in counts.items()} == {
        metric: [5] if metric == "loss" or metric.startswith(("param.", "grad.")) else [6] for metric in counts.index
    }  # the untrained model is measured, too
    last = history[(history.metric == "loss") & (history.step == 5)].set_index("run")["value"]
    assert last[results["run"]].tolist() == results["final.loss"].tolist()
    resolved = json.loads((report.folder / "resolved.json").read_text(encoding="utf-8"))
    assert resolved["compare"]["metric"] == "valid.mae"
    as_run = (report.folder / "spec.toml").read_text(encoding="utf-8")
    assert as_run.startswith("# --set run.seeds=2\n")
    assert as_run.endswith(text)
    assert json.loads((report.folder / "environment.json").read_text(encoding="utf-8"))["device"] == "cpu"


def test_diverged_and_failed_runs_are_rows(go: Go, line_spec: str) -> None:
    @optimizer("fragile")
    def fragile(w: torch.Tensor, g: torch.Tensor, t: int, *, lr: float = 0.1, sound: bool = True) -> torch.Tensor:
        if t == 3 and not sound:
            raise ArithmeticError("no\nmore")
        return w - lr * g

    text = line_spec.replace("scratch.gd", "fragile").replace("steps = 5", "steps = 5\nengine = 'together'")
    report, _ = go(text, "optimizer.lr=[0.1, 1e30]", "optimizer.sound=[true, false]")
    results = pd.read_csv(report.folder / "results.csv")
    assert results["status"].tolist() == ["done", "failed", "diverged", "failed"]
    assert results["reason"][1] == "ArithmeticError: no more"
    assert results["final.loss"].isna().tolist() == [False, True, True, True]
    assert report.statuses == {"done": 1, "failed": 2, "diverged": 1}
    assert report.reasons == ["ArithmeticError: no more"]


def test_a_component_that_cannot_be_built_fails_every_run_of_its_program(go: Go, line_spec: str) -> None:
    @loss("not.scalar")
    def not_scalar(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return prediction - target

    report, _ = go(line_spec.replace("MSELoss", "not.scalar"))
    assert report.statuses == {"failed": 1}
    assert "scalar" in report.reasons[0]


def test_a_second_run_has_nothing_to_do_and_writes_the_same_tables(go: Go, line_spec: str) -> None:
    report, first = go(line_spec, "run.seeds=3")
    before = (report.folder / "history.csv").read_bytes(), (report.folder / "results.csv").read_bytes()
    report, second = go(line_spec, "run.seeds=3")
    assert len(first.trained) == 3
    assert second.trained == []
    assert before == ((report.folder / "history.csv").read_bytes(), (report.folder / "results.csv").read_bytes())


def test_only_what_is_new_is_trained(go: Go, line_spec: str) -> None:
    go(line_spec, "run.seeds=2")
    report, listener = go(line_spec, "run.seeds=3", "optimizer.lr=[0.1, 0.2]")
    assert len(listener.trained) == 4
    assert len(pd.read_csv(report.folder / "results.csv")) == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_finished(go: Go, line_spec: str, number: signal.Signals) -> None:
    one_by_one = ("run.seeds=5", "run.engine=alone")
    report, listener = go(line_spec, *one_by_one, at_each=lambda: os.kill(os.getpid(), number))
    assert report.interrupted == number
    assert len(listener.trained) == 1
    assert len(pd.read_csv(report.folder / "results.csv")) == 1
    report, listener = go(line_spec, *one_by_one)
    assert len(listener.trained) == 4
    assert len(pd.read_csv(report.folder / "results.csv")) == 5


def test_an_interrupt_lets_a_save_come_to_its_end(go: Go, line_spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        write_records(*arguments)

    monkeypatch.setattr("xprun.runner.store.run_store.write_records", interrupted)
    report, listener = go(line_spec, "run.seeds=3", "run.engine=alone")
    assert (report.interrupted, listener.trained) == (signal.SIGTERM, [])
    assert report.statuses == {"done": 1}


@pytest.mark.parametrize("sets", [(), ("run.seeds=3",), ("run.seeds=2", "run.engine=alone")])
def test_an_interrupt_after_the_last_run_leaves_no_run_out(go: Go, line_spec: str, sets: tuple[str, ...]) -> None:
    claim = '[[expect]]\nstatus = "done"\n'
    ended: list[int] = []

    def interrupt_the_last() -> None:
        ended.append(1)
        if len(ended) == (3 if "run.seeds=3" in sets else 2 if sets else 1):
            os.kill(os.getpid(), signal.SIGTERM)

    report, _ = go(line_spec + claim, *sets, at_each=interrupt_the_last)
    assert report.left == 0
    assert [verdict.holds for verdict in report.verdicts] == [True]
    assert report.interrupted == signal.SIGTERM  # what components make of the runs waits for the next call
    report, listener = go(line_spec + claim, *sets)
    assert (report.interrupted, report.left, listener.trained) == (None, 0, [])


def test_what_an_interrupt_leaves_out_is_counted(go: Go, line_spec: str) -> None:
    one_by_one = ("run.seeds=5", "run.engine=alone")
    report, _ = go(line_spec, *one_by_one, at_each=lambda: os.kill(os.getpid(), signal.SIGINT))
    assert report.left == 4
    text = line_spec + "[confirm]\nseeds = 3\n"
    report, _ = go(text, "run.engine=alone", at_each=lambda: os.kill(os.getpid(), signal.SIGINT))
    assert report.left == 2


def renamed(out: Path) -> None:
    out.rename(out.with_name("elsewhere"))


def replaced(out: Path) -> None:
    renamed(out)
    out.mkdir()


def removed(out: Path) -> None:
    shutil.rmtree(out)


def robbed(out: Path) -> None:
    (out / "store.sqlite").unlink()


@pytest.mark.parametrize("happens", [renamed, replaced, removed, robbed])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_folder_that_is_moved_or_removed_while_it_is_written_is_no_success(
    go: Go, line_spec: str, tmp_path: Path, happens: Callable[[Path], None], seeds: int
) -> None:
    out, ended = tmp_path / "out", []

    def happen_once() -> None:
        if not ended:
            happens(out)
        ended.append(1)

    with pytest.raises(OutputError, match=r"was moved, removed or replaced|cannot be used") as raised:
        go(line_spec, f"run.seeds={seeds}", "run.engine=alone", "run.checkpoint_every=1", at_each=happen_once)
    assert raised.value.exit_code == 3
    assert len(ended) == 1
    assert not (out / "results.csv").exists()


def test_equal_runs_are_trained_once(go: Go, line_spec: str) -> None:
    report, listener = go(line_spec, "optimizer.lr=[0.1, 0.1]")
    assert len(listener.trained) == report.total == 1


def test_an_absent_device_names_those_present(go: Go, line_spec: str) -> None:
    if torch.backends.mps.is_available():
        pytest.skip("this machine has an mps device")
    with pytest.raises(DeviceError, match=r"there is no device 'mps' on this machine; it has .*cpu"):
        go('device = "mps"\n' + line_spec)


def test_the_verdicts_on_claims_are_a_table_as_long_as_there_are_claims(go: Go, line_spec: str, tmp_path: Path) -> None:
    claims = '[[expect]]\nvalue = "steps"\nequals = 5\n[[expect]]\nwhere = { seed = 0 }\nvalue = "loss"\nmax = 0.0\n'
    go(line_spec + claims)
    table = pd.read_csv(tmp_path / "out" / "claims.csv")
    assert table["verdict"].tolist() == ["ok", "FAILED"]
    assert table["claim"].tolist() == ["steps = 5", "seed=0: final.loss <= 0"]
    assert table["place"].str.contains(r"spec\.toml:\d+:3$").all()
    report, listener = go(line_spec + claims.replace("0.0", "1e9"))
    assert listener.trained == []
    assert pd.read_csv(tmp_path / "out" / "claims.csv")["verdict"].tolist() == ["ok", "ok"]
    assert tmp_path / "out" / "claims.csv" in report.written
    go(line_spec)
    assert not list((tmp_path / "out").glob("claims.*"))
