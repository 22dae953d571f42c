"""An error that the user can mend is a message and an exit code, whatever command it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from support.folders import Case, write_folder
from xprun.errors import Error
from xprun.runner.cli.main import main
from xprun.runner.results.atomic_files import OutputError
from xprun.runner.workload.devices import DeviceError
from xprun.specs import SpecError

Write = Callable[..., Path]
Xprun = Callable[..., Result]
TAKEN = """
from xprun.plugins import {kind}

@{kind}("{name}")
def mine(w, g):
    return w
"""


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xprun:
    """Return a function that runs the command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("kind", "name", "command"),
    [("optimizer", "scratch.adam", "ls"), ("metric", "accuracy", "spec.toml"), ("launcher", "processes", "spec.toml")],
)
def test_a_plugin_that_takes_a_name_is_told_in_one_line(
    tmp_path: Path, write: Write, line_spec: str, kind: str, name: str, command: str
) -> None:
    write(line_spec)
    (tmp_path / "taken.py").write_text(TAKEN.format(kind=kind, name=name), encoding="utf-8")
    program = [sys.executable, "-m", "xprun", command, "--plugin", "taken.py"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert f"two plugins register the {kind} {name!r}: " in line
    assert "built-in (xprun." in line
    assert "taken.py:4)" in line


def test_debug_shows_where_an_error_came_from(xprun: Xprun, write: Write, line_spec: str) -> None:
    wrong = write(line_spec.replace("lr =", "rl ="))
    assert isinstance(xprun("check", wrong, "--debug").exception, SpecError)
    assert isinstance(xprun(wrong, "--debug").exception, SpecError)
    assert isinstance(xprun("diff", "--debug", "here", "there").exception, Error)
    right = write(line_spec)
    assert isinstance(xprun(right, "--debug", "--device", "cuda:99").exception, DeviceError)
    Path("taken").write_text("a file, no folder", encoding="utf-8")
    assert isinstance(xprun(right, "--debug", "-o", "taken").exception, OutputError)


def test_a_wrong_spec_does_not_keep_the_next_one_from_being_run(xprun: Xprun, write: Write, line_spec: str) -> None:
    wrong, right = write(line_spec.replace("lr =", "rl ="), "wrong.toml"), write(line_spec, "right.toml")
    assert xprun(wrong, right).exit_code == 2
    assert Path("runs/right/results.csv").exists()
    assert xprun("check", wrong, right).stdout == f"{right}: ok, 1 runs\n"


def test_a_message_names_the_spec_and_how_to_go_on(xprun: Xprun, write: Write, line_spec: str) -> None:
    path = write(line_spec)
    assert xprun(path, "--device", "cuda:99").stderr.startswith(f"{path}: device: there is no device 'cuda:99'")
    assert xprun("plan", path, "--device", "cuda:99").stderr.startswith(f"{path}: device: there is no device 'cuda:99'")
    assert xprun(path, "--only", "x").stderr == (
        f"{path}: there is no run 'x' in this spec; run ids are in the column 'run' of results.csv\n"
    )
    Path("taken").write_text("a file, no folder", encoding="utf-8")
    full = xprun(path, "-o", "taken", "--set", "run.seeds=2")
    assert full.exit_code == 3
    assert full.stderr.endswith(f"; what was saved is kept. To go on: xprun {path} -o taken --set run.seeds=2\n")


def test_a_report_that_cannot_be_made_keeps_the_runs(
    xprun: Xprun, write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xprun import reports

    def fail(*arguments: object) -> None:
        raise reports.ReportError("results.csv: no column 'run'")

    monkeypatch.setattr(reports, "write_report", fail)
    result = xprun(write(line_spec))
    assert result.exit_code == 3
    assert result.stderr.endswith("there is no new report: results.csv: no column 'run'; the runs are kept\n")
    assert Path("runs/spec/results.csv").exists()


def test_a_broken_plugin_breaks_a_check_in_json_too(xprun: Xprun, write: Write, line_spec: str) -> None:
    Path("broken.py").write_text("import nowhere\n", encoding="utf-8")
    result = xprun("check", "--json", write(line_spec), "--plugin", "broken.py")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("broken.py:1: the plugin cannot be imported: ")


@pytest.mark.parametrize("absent", [["data", "model", "loss"], ["data"], ["model", "loss"]])
def test_a_report_of_a_table_made_by_hand_needs_no_section_that_is_not_compared(
    xprun: Xprun, tmp_path: Path, absent: list[str]
) -> None:
    made = write_folder(tmp_path / "made", [Case("A", 0.1, [1.0, 2.0]), Case("B", 0.1, [3.0, 4.0])], resolved=False)
    table = pd.read_csv(made / "results.csv")
    sections = [name for name in table if name.partition(".")[0] in absent]
    table.drop(columns=sections).to_csv(made / "results.csv", index=False)
    result = xprun("report", made)
    assert result.exit_code == 0, result.output
    assert "B" in (made / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("absent", ["optimizer", "seed", "status", "steps", "seconds"])
def test_a_table_of_which_no_report_can_be_made_is_told_in_one_line(xprun: Xprun, tmp_path: Path, absent: str) -> None:
    made = write_folder(tmp_path / "made", [Case("A", 0.1, [1.0, 2.0])], resolved=False)
    table = pd.read_csv(made / "results.csv")
    gone = ["data", "model", "loss"] if absent == "optimizer" else []
    table.drop(columns=[absent, *gone]).to_csv(made / "results.csv", index=False)
    result = xprun("report", made)
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert "results.csv" in line


def test_a_wrong_use_of_a_command_shows_how_it_is_used(xprun: Xprun) -> None:
    for arguments in (["ls", "optimiser"], ["diff", "one"], ["check", "--no-such-option", "x"], ["run"]):
        result = xprun(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("Usage: ")


def test_verdicts_and_plans_in_json_are_whole(xprun: Xprun, write: Write, line_spec: str) -> None:
    path = write(line_spec)
    assert json.loads(xprun("test", "--json", "-q", path).stdout)[0]["runs"] == {"done": 1}
    assert json.loads(xprun("plan", "--json", path).stdout)[0]["cached"] == 1


def test_all_specs_are_checked_before_one_is_trained(xprun: Xprun, write: Write, line_spec: str) -> None:
    right, wrong = write(line_spec, "right.toml"), write(line_spec.replace("lr =", "rl ="), "wrong.toml")
    other = write(line_spec.replace("line", "lime", 1), "other.toml")
    result = xprun(right, wrong, other)
    assert result.exit_code == 2
    heads = [line for line in result.stderr.splitlines() if line.startswith((str(wrong), str(other), "right: "))]
    assert [head.split(":")[0] for head in heads][:3] == [str(wrong), str(other), "right"]
    assert result.stderr.endswith(f"not run, as told above: {wrong}, {other}\n")
    assert Path("runs/right/results.csv").exists()


@pytest.mark.parametrize("command", ["plan", "check", "report"])
def test_a_command_behind_a_spec_is_told_to_stand_first(
    xprun: Xprun, write: Write, line_spec: str, command: str
) -> None:
    result = xprun(write(line_spec), command)
    assert result.exit_code == 2
    assert f"{command} is a command, which stands first: xprun {command} SPEC" in result.stderr
    assert not Path("runs").exists()


def test_two_specs_with_one_folder_are_refused(xprun: Xprun, write: Write, line_spec: str) -> None:
    first = write(f'name = "same"\n{line_spec}', "first.toml")
    second = write(f'name = "same"\n{line_spec.replace("0.1", "0.2")}', "second.toml")
    result = xprun(first, second)
    assert result.exit_code == 2
    assert f"{first} and {second} would both write to runs/same; give one of them another name" in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize("lr", ["1e308", "1.7e308", "1e-320"])
def test_a_grid_with_an_extreme_setting_has_its_report(xprun: Xprun, write: Write, line_spec: str, lr: str) -> None:
    spec = write(line_spec.replace("scratch.gd", "SGD").replace("lr = 0.1", f"lr = {{ grid = [0.01, {lr}] }}"))
    result = xprun(spec, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert "missing" not in result.stderr
    assert "## Sensitivity" in Path("out/report.md").read_text(encoding="utf-8")
