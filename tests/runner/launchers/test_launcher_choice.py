"""A launcher is chosen by name, with settings that are checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.commands import xprun_without
from xprun.plugins import PositiveInt, launcher
from xprun.plugins.registry import REGISTRY, PluginError
from xprun.runner.cli.main import main
from xprun.runner.launchers.choice import Given, Launcher, LauncherSettingsError, choose

Write = Callable[[str], Path]
PROJECT = "[tool.xprun]\nlauncher = "
LONG = {"name": "mine", "queue": "long"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    @launcher("mine")
    def mine(cohorts: Any, context: Any, *, places: PositiveInt = 2, queue: str = "short") -> Iterator[Any]:
        """In so many places."""
        for cohort in cohorts:
            yield from context.execute(cohort)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["spec.toml", "-o", "out", "-q", "--no-report", *arguments])


@pytest.mark.parametrize(
    ("given", "project", "chosen"),
    [
        (None, None, None),
        ("", None, None),
        ("mine", None, Launcher("mine")),
        ('{ name = "mine", places = 3 }', None, Launcher("mine", {"places": 3})),
        ({"name": "mine", "places": 3}, None, Launcher("mine", {"places": 3})),
        (None, LONG, Launcher("mine", {"queue": "long"})),
        ('{ name = "mine", places = 3 }', LONG, Launcher("mine", {"queue": "long", "places": 3})),
        ("inline", LONG, Launcher("inline")),
    ],
)  # fmt: skip
def test_what_is_asked_for_stands_before_what_the_project_says(
    given: Given, project: Given, chosen: Launcher | None
) -> None:
    assert choose(given, REGISTRY, project) == chosen


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("mien", "there is no launcher named 'mien'; did you mean 'mine'?"),
        ("{ name = ", "--launcher: invalid TOML: Invalid value (at end of document)"),
        ("{ places = 2 }", "--launcher must be a name, or a table with one: { name = "),
        ('{ name = "mine", place = 2 }', "launcher mine: there is no setting 'place'; did you mean 'places'?"),
        ('{ name = "mine", places = "2" }', 'launcher mine: places: must be an integer, not "2"'),
        ('{ name = "mine", places = 0, queue = 1 }', "launcher mine: places: must be greater than 0, not 0; queue: "),
        ('{ name = "inline", jobs = 2 }', "launcher inline: there is no setting 'jobs'; it takes none"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line(given: str, words: str) -> None:
    with pytest.raises(LauncherSettingsError) as raised:
        choose(given, REGISTRY)
    assert str(raised.value).startswith(words)
    assert (raised.value.exit_code, str(raised.value).count("\n")) == (2, 0)


def test_a_launcher_is_told_as_it_can_be_asked_for() -> None:
    address = "a-machine-of-a-long-name.example.org:6379"
    told = str(Launcher("ray", {"address": address, "cpus": 2.0, "resources": {"a100": 1.0}}))
    assert told == f'{{ name = "ray", address = "{address}", cpus = 2.0, resources = {{ a100 = 1.0 }} }}'


def test_the_command_line_tells_it_before_it_writes(write: Write, line_spec: str) -> None:
    write(line_spec)
    result = run("--launcher", '{ name = "mine", places = 0 }')
    assert (result.exit_code, result.stderr) == (2, "launcher mine: places: must be greater than 0, not 0\n")
    assert not Path("out").exists()


def test_a_name_that_is_taken_is_one_line_and_exit_code_3(write: Write, line_spec: str) -> None:
    write(line_spec)
    Path("mine.py").write_text(
        'from xprun.plugins import launcher\n\n@launcher("processes")\ndef processes(cohorts, context):\n    ...\n',
        encoding="utf-8",
    )
    result = run("--plugin", "mine.py")
    assert result.exit_code == 3
    assert result.stderr.startswith("two plugins register the launcher 'processes': ")
    assert result.stderr.count("\n") == 1


def test_a_function_that_takes_something_else_is_refused() -> None:
    with pytest.raises(PluginError, match=r"takes \(cohorts\): a launcher is called with \(cohorts, context\)"):

        @launcher("odd")
        def odd(cohorts: Any) -> None: ...


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_extra_is_one_line_and_exit_code_3(
    name: str, package: str, write: Write, line_spec: str, tmp_path: Path
) -> None:
    done = xprun_without([package], write(line_spec), "--launcher", name, folder=tmp_path)
    assert (done.returncode, done.stderr) == (3, f"the launcher {name} needs {package}: pip install 'xprun[{name}]'\n")


def test_a_project_chooses_the_launcher_and_can_be_left_out(write: Write, line_spec: str) -> None:
    write(line_spec)
    Path("pyproject.toml").write_text(f'{PROJECT}{{ name = "mine", places = 0 }}\n', encoding="utf-8")
    assert "launcher mine: places" in run().stderr
    assert run("--no-project-plugins").exit_code == 0


@pytest.mark.parametrize("name", ["mine", "inline"])
def test_processes_of_this_machine_are_not_counted_for_another_launcher(
    name: str, write: Write, line_spec: str
) -> None:
    write(line_spec)
    result = run("--launcher", name, "-j", "2")
    assert result.exit_code == 2
    assert f"-j is for processes of this machine; {name} takes settings instead" in result.stderr


def test_inline_is_what_no_workers_are(write: Write, line_spec: str) -> None:
    write(line_spec)
    assert run("--launcher", "inline").exit_code == 0
    help_text = CliRunner().invoke(main, ["run", "--help"]).stdout
    assert "--launcher NAME" in help_text


def test_the_plan_tells_the_launcher_and_what_it_trains_on(write: Write, line_spec: str) -> None:
    write(line_spec)
    told = CliRunner().invoke(main, ["plan", "spec.toml", "--launcher", "mine", "--device", "cuda"]).stdout
    assert "1 to run on cuda" in told
    assert "mine trains them on cuda: a cohort is cut into two parts for each place it has" in told


@pytest.mark.skipif(find_spec("submitit") is None, reason="needs the extra: pip install 'xprun[slurm]'")
def test_the_plan_tells_the_parts_of_a_launcher_that_knows_its_places(write: Write, line_spec: str) -> None:
    write(line_spec.replace("steps = 5", "steps = 5\nseeds = 9"))
    asked = '{ name = "slurm", jobs = 4, at_once = 2 }'
    told = CliRunner().invoke(main, ["plan", "spec.toml", "--launcher", asked]).stdout
    assert "trains them in 4 parts, at most 2 at a time, on cpu" in told
    assert "s in 2 places: " in told
