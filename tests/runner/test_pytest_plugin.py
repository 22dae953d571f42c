"""Specs under pytest, as someone meets them who has xprun installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from xprun.plugins import data
from xprun.plugins.datasets.missing_files import MissingFilesError
from xprun.plugins.datasets.table import Table
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.cohorts import Cohort

pytest_plugins = "pytester"

GRID = 'lr = { grid = [0.1, 1e30] }\nlabel = "descent"'
EXPECT = """
[[expect]]
where = { optimizer.lr = 0.1 }
value = "loss"
at = [1, 5]
equals = [100, 100]
abs = 100
[[expect]]
where = { optimizer.lr = 1e30 }
status = "diverged"
"""


@pytest.fixture(autouse=True)
def _modules_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a run of pytester imports; it would forget it, and torch and pyarrow stand no second import."""
    monkeypatch.setattr("_pytest.pytester.SysModulesSnapshot.restore", lambda snapshot: None)


@pytest.fixture
def grid_spec(line_spec: str) -> str:
    """A spec of four runs, two of which diverge, with three claims that hold."""
    return line_spec.replace("lr = 0.1", GRID) + "seeds = 2\n" + EXPECT


@pytest.fixture
def specs(pytester: pytest.Pytester, grid_spec: str) -> Path:
    """A folder with a spec, and with TOML files that are none."""
    folder = pytester.mkdir("specs")
    (folder / "grid.toml").write_text(grid_spec, encoding="utf-8")
    (folder / "project").mkdir()
    (folder / "project" / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.xprun]\n', encoding="utf-8")
    (folder / "other.toml").write_text("[data]\n[run]\n[model]\n", encoding="utf-8")
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nxprun_specs = ["specs/*.toml"]\n')
    return folder


@pytest.fixture
def strangers(pytester: pytest.Pytester) -> None:
    """A project that knows nothing of xprun: its settings have the headings of a spec, and its warnings are errors."""
    (pytester.mkdir("conf") / "config.toml").write_text(STRANGE, encoding="utf-8")
    (pytester.path / "config.toml").write_text(STRANGE, encoding="utf-8")
    (pytester.mkdir("tests") / "test_one.py").write_text("def test_one(): pass", encoding="utf-8")
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-config --import-mode=importlib\n")


STRANGE = '[data]\npath = "x.csv"\n[model]\ndepth = 3\n[loss]\n[optimizer]\nlr = 0.1\n[run]\nname = "first"\n'
IDS = [
    "specs/grid.toml::check",
    "specs/grid.toml::run[descent optimizer.lr=0.1 seed=0]",
    "specs/grid.toml::run[descent optimizer.lr=0.1 seed=1]",
    "specs/grid.toml::run[descent optimizer.lr=1e+30 seed=0]",
    "specs/grid.toml::run[descent optimizer.lr=1e+30 seed=1]",
    "specs/grid.toml::expect[optimizer.lr=0.1: loss at step 1 = 100 (abs 100)]",
    "specs/grid.toml::expect[optimizer.lr=0.1: loss at step 5 = 100 (abs 100)]",
    "specs/grid.toml::expect[optimizer.lr=1e+30: status = diverged]",
]


def said(result: pytest.RunResult) -> list[str]:
    """The lines that are about what was not collected."""
    return [line for line in result.outlines if line.startswith("xprun:")]


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("arguments", [[], ["tests"], ["tests/test_one.py"], ["-n", "1"]], ids=" ".join)
def test_the_files_of_strangers_are_left_alone(pytester: pytest.Pytester, arguments: list[str]) -> None:
    result = pytester.runpytest_inprocess("-q", *arguments)
    result.assert_outcomes(passed=1)
    assert said(result) == []
    assert result.ret == 0


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize("xdist", [[], ["-n", "1"]], ids=["one process", "xdist"])
def test_who_names_a_folder_is_told_in_a_line_how_to_collect_what_is_in_it(
    pytester: pytest.Pytester, xdist: list[str]
) -> None:
    result = pytester.runpytest_inprocess("tests", "conf", *xdist)
    result.assert_outcomes(passed=1)
    [line] = said(result)
    assert line.startswith("xprun: not collected: conf/config.toml; pytest --xprun collects")
    assert 'xprun_specs = ["specs/*.toml"]' in line
    assert result.ret == 0


@pytest.mark.parametrize(
    ("option", "count"), [("--xprun", 2), ("specs/grid.toml", 1), ("-oxprun_specs=*/*.toml", 1), ("-otestpaths=.", 0)]
)
def test_specs_are_collected_by_a_flag_by_name_or_by_an_option(
    pytester: pytest.Pytester, line_spec: str, option: str, count: int
) -> None:
    for folder in ("specs", "deep/down"):
        (pytester.path / folder).mkdir(parents=True)
        (pytester.path / folder / "grid.toml").write_text(line_spec, encoding="utf-8")
    lines = pytester.runpytest_inprocess("--collect-only", "-q", option).outlines
    assert sum(line.endswith("::check") for line in lines) == count


def test_an_option_selects_below_the_root_and_no_file_that_is_no_spec(pytester: pytest.Pytester, specs: Path) -> None:
    inner = pytester.mkdir("inner") / "specs"
    inner.mkdir()
    (inner / "grid.toml").write_text((specs / "grid.toml").read_text(encoding="utf-8"), encoding="utf-8")
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line] == IDS


def test_the_tests_of_a_spec_are_its_check_its_runs_and_its_claims(pytester: pytest.Pytester, specs: Path) -> None:
    collected = pytester.runpytest_inprocess("specs", "--collect-only", "-q")
    assert [line for line in collected.outlines if "::" in line] == IDS


@pytest.mark.parametrize("xdist", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_they_pass(pytester: pytest.Pytester, specs: Path, xdist: list[str]) -> None:
    result = pytester.runpytest_inprocess("specs", *xdist)
    result.assert_outcomes(passed=8)


def test_collecting_imports_neither_torch_nor_pandas(pytester: pytest.Pytester, specs: Path) -> None:
    program = (
        "import sys, pytest\n"
        "assert pytest.main(['specs', '--collect-only', '-q']) == 0\n"
        "heavy = {'torch', 'pandas', 'numpy', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_loading_the_plugin_imports_the_standard_library_only() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import xprun.runner.pytest_plugin\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert new <= {'xprun', *sys.stdlib_module_names}, new\n"
        "ours = {name for name in sys.modules if name.startswith('xprun.')}\n"
        "assert ours == {f'xprun.{n}' for n in ('errors', 'optional_imports', 'runner', 'runner.pytest_plugin')}, ours"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_what_is_selected_is_trained(
    pytester: pytest.Pytester, specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[list[str]] = []
    execute = Context.execute

    def listen(context: Context, cohort: Cohort) -> object:
        trained.append([f"{run.choices['optimizer'].settings['lr']} {run.seed}" for run in cohort.runs])
        return execute(context, cohort)

    monkeypatch.setattr(Context, "execute", listen)
    pytester.runpytest_inprocess("specs", "-k", "descent and 0.1").assert_outcomes(passed=2, deselected=6)
    pytester.runpytest_inprocess("specs", "-k", "step").assert_outcomes(passed=2, deselected=6)
    pytester.runpytest_inprocess(IDS[2]).assert_outcomes(passed=1)
    pytester.runpytest_inprocess(IDS[-1]).assert_outcomes(passed=1)
    pytester.runpytest_inprocess("specs/grid.toml::check").assert_outcomes(passed=1)
    both = ["0.1 0", "0.1 1"]
    assert trained == [both, both, ["0.1 1"], ["1e+30 0", "1e+30 1"]]


def test_a_claim_that_does_not_hold_is_shown_with_its_place_and_the_value(
    pytester: pytest.Pytester, specs: Path, grid_spec: str
) -> None:
    wrong = grid_spec.replace("equals = [100, 100]", "equals = [100, 999]")
    (specs / "grid.toml").write_text(wrong, encoding="utf-8")
    result = pytester.runpytest_inprocess("specs")
    result.assert_outcomes(passed=7, failed=1)
    result.stdout.re_match_lines(
        [
            r"specs/grid.toml:22:16: FAILED: optimizer.lr=0.1: loss at step 5 = 999 .*; found 0\.\d+ in descent .*",
            r"run it again: pytest 'specs/grid.toml::expect\[optimizer.lr=0.1: loss at step 5 = 999 \(abs 100\)\]'",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_run_that_fails_is_shown_with_its_reason(pytester: pytest.Pytester, specs: Path, grid_spec: str) -> None:
    (specs / "grid.toml").write_text(grid_spec.replace("MSELoss", "NLLLoss"), encoding="utf-8")
    result = pytester.runpytest_inprocess("specs", "-k", "run and 0.1")
    result.assert_outcomes(failed=2, deselected=6)
    result.stdout.re_match_lines(
        [
            r".*grid.toml: the run failed: loss: NLLLoss fails on .*: RuntimeError: .*",
            r"run it again: pytest 'specs/.*'",
        ]
    )


def test_collecting_a_gradient_by_hand_imports_no_torch_either(
    pytester: pytest.Pytester, specs: Path, grid_spec: str
) -> None:
    by_hand = grid_spec.replace("steps = 5", 'steps = 5\ngradient = "manual"')
    (specs / "grid.toml").write_text(by_hand, encoding="utf-8")
    program = "import sys, pytest; pytest.main(['specs', '--collect-only', '-q']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
    pytester.runpytest_inprocess("specs").assert_outcomes(passed=8)


def test_a_wrong_gradient_by_hand_fails_in_words(pytester: pytest.Pytester, specs: Path, grid_spec: str) -> None:
    wrong = grid_spec.replace("steps = 5", 'steps = 5\ngradient = "manual"').replace("MSELoss", "L1Loss")
    (specs / "grid.toml").write_text(wrong, encoding="utf-8")
    result = pytester.runpytest_inprocess("specs")
    result.assert_outcomes(passed=1, failed=7)
    assert "run.gradient" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_without_its_files_a_spec_is_skipped_with_the_reason(
    pytester: pytest.Pytester, specs: Path, grid_spec: str
) -> None:
    @data("absent")
    def absent() -> Table:
        raise MissingFilesError("there is nothing in data/absent")

    text = grid_spec.replace('"line"\nsamples = 20', '"absent"')
    (specs / "grid.toml").write_text(text, encoding="utf-8")
    result = pytester.runpytest_inprocess("specs", "-rs")
    result.assert_outcomes(passed=1, skipped=7)
    result.stdout.fnmatch_lines(["SKIPPED *: MissingFilesError: there is nothing in data/absent"])


@pytest.mark.parametrize("text", [("lr =", "rl ="), ("[loss]", "[loss"), ("[loss]\n", "")])
def test_a_broken_spec_is_one_failing_test(
    pytester: pytest.Pytester, specs: Path, grid_spec: str, text: tuple[str, str]
) -> None:
    (specs / "grid.toml").write_text(grid_spec.replace(*text), encoding="utf-8")
    result = pytester.runpytest_inprocess("specs")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"specs/grid.toml:\d+:\d+: .*", r"run it again: xprun check specs/grid.toml"])


def test_a_file_that_is_named_is_collected_whatever_is_in_it(pytester: pytest.Pytester, specs: Path) -> None:
    result = pytester.runpytest_inprocess("specs/project/pyproject.toml")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"specs/project/pyproject.toml.*: there is no such section.*"])
    assert pytester.runpytest_inprocess("specs", "--ignore=specs/grid.toml").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_spec_that_extends_another_needs_not_have_all_sections(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", short='extends = "base.toml"\n[run]\nsteps = 3\n')
    assert "short.toml::check" in pytester.runpytest_inprocess("--xprun", "--collect-only", "-q").outlines


def test_code_of_a_project_is_mentioned_once_and_left_out_where_that_is_wanted(
    pytester: pytest.Pytester, specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    (specs / "mine.py").write_text("from pathlib import Path\nPath('ran').touch()\n", encoding="utf-8")
    pytester.makepyprojecttoml('[tool.xprun]\nplugins = ["specs/mine.py"]\n')
    collect = ("specs/grid.toml", "--collect-only", "-q", "-p", "no:cacheprovider")
    mention = "xprun: pyproject.toml names plugins, whose code runs here: specs/mine.py; XPRUN_NO_PROJECT_PLUGINS=1 *"
    with monkeypatch.context() as environment:
        environment.setenv("XPRUN_NO_PROJECT_PLUGINS", "1")
        pytester.runpytest_inprocess(*collect).stdout.no_fnmatch_line("xprun: *")
        assert not (pytester.path / "ran").exists()
    pytester.runpytest_inprocess(*collect).stdout.fnmatch_lines([mention])
    pytester.runpytest_inprocess(*collect).stdout.no_fnmatch_line("xprun: *")
    assert (pytester.path / "ran").exists()


def test_the_second_stage_is_one_test(pytester: pytest.Pytester, specs: Path, grid_spec: str) -> None:
    claims = '[[expect]]\nstatus = "done"\n[[expect]]\nwhere = { seed = 0, optimizer.lr = 0.1 }\nstatus = "done"\n'
    (specs / "grid.toml").write_text(grid_spec + claims + "[confirm]\nseeds = 3\n", encoding="utf-8")
    found = pytester.runpytest_inprocess("specs", "-v", "-p", "no:cacheprovider")
    found.stdout.fnmatch_lines(["*grid.toml::confirm PASSED*", "*::expect?status = done? PASSED*"])
    found.assert_outcomes(passed=1 + 4 + 1 + 5)


def test_a_second_stage_that_fails_says_which_run_did(pytester: pytest.Pytester, specs: Path, line_spec: str) -> None:
    (specs / "mine.py").write_text(FRESH_SEEDS_FAIL, encoding="utf-8")
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\nxprun_specs = ["specs/*.toml"]\n[tool.xprun]\nplugins = ["specs/mine.py"]\n'
    )
    text = line_spec.replace('"linear"', '"only_0"') + "[confirm]\nseeds = 2\n"
    (specs / "grid.toml").write_text(text, encoding="utf-8")
    found = pytester.runpytest_inprocess("specs", "-k", "confirm", "-p", "no:cacheprovider")
    found.stdout.fnmatch_lines(["*scratch.gd seed=1: failed: ArithmeticError: seed 1*", "and 1 more"])
    found.assert_outcomes(failed=1, deselected=2)


FRESH_SEEDS_FAIL = """
import torch
from xprun.plugins import model


@model("only_0")
def only_0(x, y):
    if torch.initial_seed() in (1, 2):
        raise ArithmeticError(f"seed {torch.initial_seed()}")
    return torch.nn.Linear(1, 1)
"""
