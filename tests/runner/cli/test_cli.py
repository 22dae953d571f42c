"""The command line as a user meets it: output, errors and exit codes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

Write = Callable[..., Path]


@pytest.fixture
def xprun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


def test_a_spec_becomes_tables_and_reports(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    result = xprun(write(line_spec), "--set", "run.seeds=2")
    assert result.exit_code == 0, result.stderr
    folder = Path("runs/spec")
    for name in ("results.csv", "history.csv", "report.html", "report.md"):
        assert (folder / name).stat().st_size > 0
        assert name in result.stdout
    assert "2 runs" in result.stderr
    again = xprun(write(line_spec), "--set", "run.seeds=2")
    assert "2 cached, 0 to run" in again.stderr


def test_the_verdict_is_told_before_pages_are_made(
    xprun: Callable[..., Result], write: Write, line_spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_room(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("xprun.reports.write_report", without_room)
    result = xprun(write(line_spec), "-o", "out")
    assert result.exit_code == 3
    assert result.stdout.startswith("One result: scratch.gd reached a mean final loss")
    assert "wrote" not in result.stdout


def test_a_finished_grid_needs_neither_torch_nor_pandas(write: Write, line_spec: str, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom xprun.runner.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(write(line_spec)), "-o", str(tmp_path / "out")]
    supervised = {**os.environ, "XPRUN_JOBS": "1"}
    done = [subprocess.run(command, env=supervised, capture_output=True, text=True, check=True) for _ in range(2)]
    first, again = (one.stdout for one in done)
    assert first.splitlines()[:-1] == again.splitlines()[:-1]
    assert first.splitlines()[-1] == "['matplotlib', 'pandas', 'scipy']"
    assert again.splitlines()[-1] == "[]"


def test_report_is_made_again_from_the_tables(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    xprun(write(line_spec), "-o", "out")
    before = Path("out/report.html").read_bytes()
    Path("out/report.html").unlink()
    Path("out/store.sqlite").unlink()
    assert xprun("report", "out").exit_code == 0
    assert Path("out/report.html").read_bytes() == before


def test_one_run_is_run_again_in_a_folder_of_its_own(
    xprun: Callable[..., Result], write: Write, line_spec: str
) -> None:
    path = write(line_spec + '[[expect]]\nwhere = { seed = 1 }\nvalue = "loss"\nmin = 1000\n')
    xprun(path, "--set", "run.seeds=2", "-o", "all")
    _, first, _ = Path("all/results.csv").read_text(encoding="utf-8").splitlines()
    run = first.partition(",")[0]
    result = xprun(path, "--set", "run.seeds=2", "--only", run, "-o", "again")
    assert result.exit_code == 0, result.stderr  # a claim about the others is none about this one
    rows = Path("again/results.csv").read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["run", run]
    assert (Path("all/report.html").read_text(encoding="utf-8")).count("--only RUN -o runs/RUN") == 2
    wrong = xprun(path, "--set", "run.seeds=2", "--only", "nothing", "-o", "again")
    assert wrong.exit_code == 2
    assert "there is no run 'nothing' in this spec" in wrong.stderr


def test_a_label_is_no_formula_in_csv_and_itself_in_the_report(
    xprun: Callable[..., Result], write: Write, line_spec: str
) -> None:
    label = "=cmd|' /C calc'!A0"
    xprun(write(line_spec.replace("lr = 0.1", f'lr = 0.1\nlabel = "{label}"')), "-o", "out")
    table = Path("out/results.csv").read_text(encoding="utf-8")
    assert f",'{label}," in table
    assert f",{label}" not in table
    assert f"{label}</td>".replace("'", "&#39;") in Path("out/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("problems", [1, 2])
def test_a_grid_in_which_no_run_ends_well_has_a_page_that_says_so(
    xprun: Callable[..., Result], write: Write, line_spec: str, problems: int
) -> None:
    other = '[[data]]\nname = "thermometer"\nbatch_size = "full"\n'
    text = other * (problems - 1) + line_spec.replace("[data]", "[[data]]").replace("0.1", "{ grid = [1e29, 1e30] }")
    formats = ("--format", "html,md,latex,pdf")
    result = xprun(write(text), "-o", "out", "--set", "run.seeds=2", *formats)
    assert result.exit_code == 0, result.output
    told = "All runs failed or diverged, so there is no loss to compare."
    assert told in result.stdout
    for name in ("report.html", "report.md"):
        assert told in Path("out", name).read_text(encoding="utf-8")
    assert "2 of 2 diverged](plots/" in Path("out/report.md").read_text(encoding="utf-8")
    assert xprun("report", "out", *formats).exit_code == 0
    assert xprun("diff", "out", "out").exit_code == 0


def test_diff_tells_a_regression_by_its_exit_code(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    xprun(write(line_spec), "--set", "run.seeds=5", "-o", "before")
    xprun(write(line_spec), "--set", "run.seeds=5", "--set", "run.steps=4", "-o", "after")
    assert xprun("diff", "before", "before").exit_code == 0
    worse = xprun("diff", "before", "after")
    assert worse.exit_code == 1
    assert "worse" in worse.stdout
    assert xprun("diff", "before", "after", "--tolerance", "1000%", "--markdown").exit_code == 0
    assert xprun("diff", "before", "after", "--tolerance", "some").exit_code == 2
    assert "no such file" in xprun("diff", "before", "nowhere").stderr


def test_a_failed_run_gives_exit_code_1(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    Path("mine.py").write_text(
        "from xprun.plugins import optimizer\n\n@optimizer('mine')\ndef mine(w, g, *, lr=0.1):\n    return w - 1 / 0\n",
        encoding="utf-8",
    )
    result = xprun("--plugin", "mine.py", write(line_spec.replace("scratch.gd", "mine")))
    assert result.exit_code == 1
    assert "failed: ZeroDivisionError: division by zero (mine.py:5)" in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("scratch.gd", "scratch.gdd"), "did you mean 'scratch.gd'?"),
        (("lr =", "rl ="), "spec.toml:12:1: optimizer.rl: scratch.gd has no such setting; did you mean 'lr'?"),
        (("0.1", "'a'"), 'must be a number, not "a"'),
        (("0.1", "{ grid = [] }"), "this grid has no values"),
        (("[loss]", "[loss"), "invalid TOML"),
        (("[data]", 'device = "cuda:99"\n[data]'), "there is no device 'cuda:99' on this machine"),
    ],
)
def test_a_wrong_spec_gives_one_clear_message_and_exit_code_2(
    xprun: Callable[..., Result], write: Write, line_spec: str, change: tuple[str, str], message: str
) -> None:
    result = xprun(write(line_spec.replace(*change)))
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("spec.toml") == 1
    assert "Traceback" not in result.stderr


def test_a_missing_spec_is_told_with_what_was_probably_meant(xprun: Callable[..., Result]) -> None:
    assert "did you mean optimizers?" in xprun("check", "optimisers").stderr
    assert "there is no command or spec 'chek'; did you mean 'check'?" in xprun("chek", "x.toml").stderr


def test_check_as_json_gives_errors_as_objects(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    good = write(line_spec, "good.toml")
    wrong = write(line_spec.replace("lr = 0.1", "rl = 0.1"), "wrong.toml")
    result = xprun("check", "--json", good, wrong)
    assert result.exit_code == 2
    first, second = json.loads(result.stdout)
    assert (first["runs"], first["errors"]) == (1, [])
    (error,) = second["errors"]
    assert (error["line"], error["column"], error["length"], error["field"]) == (12, 1, 2, "optimizer.rl")
    assert error["message"] == "scratch.gd has no such setting; did you mean 'lr'?"
    assert (error["help"], error["source"]) == ("scratch.gd takes lr, groups", "rl = 0.1")


def test_plan_tells_duplicates_time_memory_and_why(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    spec = write(line_spec.replace("lr = 0.1", "lr = { grid = [0.1, 0.2, 0.2] }"))
    text = xprun("plan", spec).stdout
    assert "1 run of the spec are duplicates and run once" in text
    assert "s in one process: 0.0 s of training and 0.0 s of evaluation, the rest is start-up" in text
    assert "MB of tensors" in text
    (ahead,) = json.loads(xprun("plan", "--json", spec, "--set", "run.engine=alone").stdout)
    assert (ahead["runs"], ahead["duplicates"], ahead["cached"], ahead["to_run"]) == (2, 1, 0, 2)
    (cohort,) = ahead["cohorts"]
    assert (cohort["runs"], cohort["steps"], cohort["error"]) == (2, 5, "")
    assert cohort["memory"] == 20 * 2 * 4 + 4 * 2 * 4  # points, then a line's two numbers in four copies
    (way,) = cohort["ways"]
    assert (way["runs"], way["program"], way["reason"]) == (2, None, "run.engine asks for it")


@pytest.mark.parametrize("arguments", [["missing.toml"], ["check", "missing.toml"], ["chek", "x"], ["ls", "optimiser"]])
def test_a_wrong_command_gives_exit_code_2(xprun: Callable[..., Result], arguments: list[str]) -> None:
    result = xprun(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("before", "command", "told"),
    [
        ("--plugin own.py", "plan", "1 run"),
        ("--plugin=own.py", "plan", "1 run"),
        ("-j 2", "plan", "1 run"),
        ("-j2 -o out --set run.steps=3", "plan", "1 run"),
        ("--set optimizer.lr=[1,2,3]", "check", "ok, 3 runs"),
        ("--json --max-runs 5", "check", '"runs": 1'),
        ("-q", "run", ""),
    ],
)
def test_options_may_stand_before_a_command(
    xprun: Callable[..., Result], write: Write, line_spec: str, before: str, command: str, told: str
) -> None:
    Path("own.py").write_text("", encoding="utf-8")
    result = xprun(*before.split(), command, write(line_spec))
    assert result.exit_code == 0, result.output
    assert told in result.stdout
    assert Path("runs").exists() == (command == "run")
    after = xprun(command, write(line_spec), *before.split())
    assert (after.exit_code, told in after.stdout) == (0, True)


@pytest.mark.parametrize("before", ["-q", "-o out", "-qv", "-j 2 --rerun=all"])
def test_an_option_that_a_command_does_not_know_is_refused_before_it(
    xprun: Callable[..., Result], write: Write, line_spec: str, before: str
) -> None:
    result = xprun(*before.split(), "check", write(line_spec))
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    assert not Path("runs").exists()


def test_a_file_with_the_name_of_a_command_is_a_spec_after_options(
    xprun: Callable[..., Result], write: Write, line_spec: str
) -> None:
    assert xprun("-q", "--", "plan").stderr.startswith("plan: cannot be read")
    write(line_spec, "plan")
    assert xprun("-q", "-o", "out", "plan").exit_code == 0
    assert Path("out/results.csv").exists()


def test_a_missing_spec_is_told_before_another_is_trained(
    xprun: Callable[..., Result], write: Write, line_spec: str
) -> None:
    for words in (["missing.toml"], ["plan"], ["missing.toml", "line"]):
        result = xprun(write(line_spec), *words)
        assert result.exit_code == 2
        assert f"{words[0]}: cannot be read: no such file or directory" in result.stderr
    assert not Path("runs").exists()


def test_a_broken_plugin_gives_exit_code_3(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    Path("broken.py").write_text("import nowhere\n", encoding="utf-8")
    result = xprun("check", write(line_spec), "--plugin", "broken.py")
    assert result.exit_code == 3
    assert "broken.py:1: the plugin cannot be imported: ModuleNotFoundError" in result.stderr


def test_check_says_how_many_runs_there_are(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    assert "ok, 3 runs" in xprun("check", write(line_spec), "--set", "optimizer.lr=[1, 2, 3]").stdout
    assert xprun("check", write(line_spec), "--set", "optimizer.lr=[1, 2, 3]", "--max-runs", "2").exit_code == 2


def test_ls_and_describe_show_where_things_come_from(xprun: Callable[..., Result]) -> None:
    listed = xprun("ls", "optimizer").stdout
    assert "scratch.adam" in listed
    assert "torch.optim" in listed
    described = xprun("describe", "scratch.adam").stdout
    assert "textbook.py:" in described
    assert "keep    0 <= x <= 1; default 0.8" in described
    assert "did you mean 'scratch.adam'" in xprun("describe", "scratch.adm").stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_child_process_is_interrupted_in_good_order(tmp_path: Path, line_spec: str, jobs: str) -> None:
    (tmp_path / "spec.toml").write_text(
        line_spec.replace("steps = 5", "steps = 20\nseeds = 9000\nengine = 'alone'"), encoding="utf-8"
    )
    program = f"from xprun.runner.cli.main import main; main(['-v', '-j', '{jobs}', 'spec.toml'])"
    command = [sys.executable, "-c", program]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, text=True, **pipes) as process:  # type: ignore[call-overload]
        next(line for line in iter(process.stderr.readline, "") if " done" in line)
        process.terminate()
        rest = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "To go on: xprun spec.toml -o runs/spec" in rest
    assert len((tmp_path / "runs/spec/results.csv").read_text(encoding="utf-8").splitlines()) > 1


def test_a_time_limit_takes_a_worker_and_is_not_part_of_a_run(
    xprun: Callable[..., Result], write: Write, line_spec: str
) -> None:
    refused = xprun(write(line_spec), "-j", "0", "--timeout", "9")
    assert refused.exit_code == 2
    assert "run.timeout: needs a worker process, but -j 0 runs without one" in refused.stderr
    assert xprun(write(line_spec), "-j", "0").exit_code == 0
    again = xprun(write(line_spec), "-j", "1", "--timeout", "9")
    assert again.exit_code == 0
    assert "1 cached, 0 to run" in again.stderr


CLAIMS = """
[[expect]]
value = "steps"
equals = 5
[[expect]]
value = "loss"
max = 0.0
"""


def test_each_expectation_is_told_with_its_place(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    result = xprun("test", write(line_spec + CLAIMS))
    assert result.exit_code == 1
    first, second, count = result.stdout.splitlines()
    assert first.endswith("spec.toml:16:3: ok: steps = 5; found 5")
    assert "spec.toml:19:3: FAILED: final.loss <= 0; found " in second
    assert count.endswith("spec.toml: 1 of 2 expectations hold")
    good = write((line_spec + CLAIMS).replace("max = 0.0", "max = 100.0"))
    again = xprun("test", good)
    assert again.exit_code == 0
    assert "1 cached, 0 to run" in again.stderr


def test_verdicts_as_json(xprun: Callable[..., Result], write: Write, line_spec: str) -> None:
    result = xprun("test", "--json", "--quiet", write(line_spec + CLAIMS))
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert (found["spec"], found["folder"], found["runs"]) == (str(write(line_spec)), "runs/spec", {"done": 1})
    first, second = found["claims"]
    assert (first["claim"], first["verdict"], first["found"]) == ("steps = 5", "ok", "5")
    assert second["verdict"] == "FAILED"
    assert second["place"].endswith("spec.toml:19:3")


def test_an_expectation_that_does_not_hold_gives_exit_code_1(
    xprun: Callable[..., Result], write: Write, line_spec: str
) -> None:
    result = xprun(write(line_spec + CLAIMS))
    assert result.exit_code == 1
    assert "spec.toml:19:3: FAILED: final.loss <= 0; found " in result.stderr
    assert "steps = 5" not in result.stderr
