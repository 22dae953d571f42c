"""Plugins of installed distributions: found by entry point, imported when asked for, never in each other's way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BROKEN = Path(__file__).parent.parent / "third_party" / "broken"
RULE = "from xprun.plugins import optimizer\n@optimizer({name!r})\ndef rule(w, g, *, lr=0.1):\n    return w - lr * g\n"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

Xprun = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Return a function that installs a distribution of one module `<name>_code` with these entry points."""

    def add(name: str, points: str, code: str) -> None:
        folder = tmp_path / "installed" / f"{name}-1.5.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n", encoding="utf-8")
        (folder / "entry_points.txt").write_text(f"[xprun.plugins]\n{points}\n", encoding="utf-8")
        (folder.parent / f"{name}_code.py").write_text(code, encoding="utf-8")

    return add


@pytest.fixture
def xprun(tmp_path: Path, line_spec: str) -> Xprun:
    """Return a function that runs the command in a process that sees what was installed."""
    (tmp_path / "spec.toml").write_text(line_spec, encoding="utf-8")

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        program = f"from xprun.runner.cli.main import main; main({list(arguments)!r})"
        variables = os.environ | {"PYTHONPATH": str(tmp_path / "installed")} | environment
        return subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )

    return run


def test_a_module_registers_by_its_decorators(xprun: Xprun, install: Install) -> None:
    install("good", "good = good_code", RULE.format(name="good.rule"))
    assert xprun("check", "spec.toml", "--set", "optimizer.name=good.rule").stdout == "spec.toml: ok, 1 runs\n"
    assert "optimizer  good.rule" in (listed := xprun("ls").stdout)
    assert "good 1.5" in listed
    assert "from good 1.5 (good_code, " in xprun("describe", "good.rule").stdout


def test_an_editable_distribution_is_known_by_the_modules_that_it_imports(
    xprun: Xprun, install: Install, tmp_path: Path
) -> None:
    aided = "import aided_numbers\n" + RULE.format(name="aided.rule").replace("- lr", "- aided_numbers.FACTOR * lr")
    install("aided", "aided = aided_code", aided)
    numbers = tmp_path / "installed/aided_numbers.py"
    numbers.write_text("FACTOR = 1\n", encoding="utf-8")
    spec = ["spec.toml", "--set", "optimizer.name=aided.rule", "-o", "out"]
    assert xprun(*spec, "-j", "0").returncode == 0
    assert "1 cached, 0 to run" in xprun("plan", *spec).stdout
    numbers.write_text("FACTOR = 2\n", encoding="utf-8")
    assert "to run: 1 run: aided_numbers.py changed, which aided.rule reads" in xprun("plan", *spec).stdout


def test_a_bare_function_is_called_as_its_entry_point_and_listed_without_an_import(
    xprun: Xprun, install: Install
) -> None:
    install("bare", "simple = bare_code:rule", "print('imported')\ndef rule(w, g, *, lr=0.1):\n    return w - lr * g\n")
    listed = xprun("ls").stdout
    assert "plugin     simple" in listed
    assert "imported\n" not in listed
    assert xprun("check", "spec.toml").stdout == "spec.toml: ok, 1 runs\n"
    checked = xprun("check", "spec.toml", "--set", "optimizer.name=simple")
    assert checked.stdout == "imported\nspec.toml: ok, 1 runs\n"


def test_a_bare_function_that_makes_an_optimizer_is_one(xprun: Xprun, install: Install) -> None:
    install(
        "bare",
        "made = bare_code:made",
        "def made(params, *, lr=0.1):\n    import torch\n    return torch.optim.SGD(params, lr=lr)\n",
    )
    checked = xprun("check", "spec.toml", "--set", "optimizer.name=made")
    assert checked.stdout == "spec.toml: ok, 1 runs\n"


def test_a_rule_that_asks_for_what_no_rule_is_given_is_broken(xprun: Xprun, install: Install) -> None:
    install("bad", "bad = bad_code", RULE.format(name="bad.rule").replace("w, g", "w, g, epoch"))
    asked = xprun("check", "spec.toml", "--set", "optimizer.name=bad.rule")
    assert asked.returncode == 3
    assert "asks for 'epoch', which no rule is given: t is the step, from 1, and T the number of steps" in asked.stderr


def test_a_broken_plugin_is_listed_with_its_reason_and_fails_only_who_asks_for_it(
    xprun: Xprun, install: Install
) -> None:
    install("bad", "bad = bad_code", "x = 1\nimport nowhere\n")
    install("good", "good = good_code", RULE.format(name="good.rule"))
    listed = xprun("ls")
    assert "broken: ModuleNotFoundError: No module named 'nowhere'" in listed.stdout
    assert "bad_code.py:2)" in listed.stdout
    assert "good.rule" in listed.stdout
    assert xprun("check", "spec.toml", "--set", "optimizer.name=good.rule").returncode == 0
    asked = xprun("check", "spec.toml", "--set", "optimizer.name=bad.rule")
    assert asked.returncode == 3
    assert "bad of bad 1.5: ModuleNotFoundError" in asked.stderr
    other = xprun("check", "spec.toml", "--set", "optimizer.name=god.rule")
    assert other.returncode == 2
    assert "did you mean 'good.rule'?" in other.stderr
    assert "broken plugin, perhaps the missing one: bad of bad 1.5" in other.stderr


@pytest.mark.parametrize("end", ["SystemExit: 7", "KeyboardInterrupt: 7", "GeneratorExit: 7"])
def test_a_plugin_that_ends_the_process_is_only_broken(xprun: Xprun, install: Install, end: str) -> None:
    install("bad", "bad = bad_code", f"raise {end.partition(':')[0]}(7)\n")
    listed = xprun("ls")
    assert listed.returncode == 0
    assert f"broken: {end}" in listed.stdout


def test_a_name_of_two_distributions_is_an_error_that_shows_both(xprun: Xprun, install: Install) -> None:
    install("one", "one = one_code", RULE.format(name="both"))
    install("two", "two = two_code", RULE.format(name="both"))
    asked = xprun("check", "spec.toml", "--set", "optimizer.name=both")
    assert asked.returncode == 3
    for origin in ("one 1.5 (one_code, ", "one_code.py:2)", "two 1.5 (two_code, ", "two_code.py:2)"):
        assert origin in asked.stderr


def test_another_release_is_another_identity(xprun: Xprun, install: Install, tmp_path: Path) -> None:
    install("good", "good = good_code", RULE.format(name="good.rule"))
    told = []
    for _ in range(2):
        told.append(xprun("spec.toml", "--set", "optimizer.name=good.rule", "-o", "out").stderr)
        (tmp_path / "installed/good-1.5.dist-info").rename(tmp_path / "installed/good-1.6.dist-info")
        told.append(xprun("spec.toml", "--set", "optimizer.name=good.rule", "-o", "out").stderr)
        (tmp_path / "installed/good-1.6.dist-info").rename(tmp_path / "installed/good-1.5.dist-info")
    assert ["1 cached" in text for text in told] == [False, False, True, True]


def test_something_of_no_known_kind_is_told_to_be_decorated(xprun: Xprun, install: Install) -> None:
    install("odd", "odd = odd_code:odd", "def odd(prediction, target):\n    return 0\n")
    assert 'decorate it, for example with @loss("name")' in xprun("ls", "loss").stdout


@pytest.mark.parametrize("kind", ["key", "section", "percent", "header", "letters"])
def test_a_broken_distribution_is_named_and_disturbs_nobody(
    xprun: Xprun, install: Install, tmp_path: Path, kind: str
) -> None:
    install("good", "good = good_code", RULE.format(name="good.rule"))
    name = f"broken_{kind}-1.0"
    shutil.copytree(BROKEN / f"{name}.dist-info", tmp_path / "installed" / f"{name}.dist-info")
    checked = xprun("check", "spec.toml", "--set", "optimizer.name=good.rule", **(ASCII if kind == "letters" else {}))
    assert checked.stdout == "spec.toml: ok, 1 runs\n"
    assert checked.stderr.startswith(f"warning: the distribution {name} has a broken entry_points.txt: ")
    assert checked.stderr.count("\n") == 1
