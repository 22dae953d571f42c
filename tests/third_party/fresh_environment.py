"""Distributions of third parties, installed beside xprun in a fresh virtual environment. `make third-party` runs this.

The environment has its own xprun, built as a wheel, and borrows torch and the other dependencies from the one that runs
the tests: to install them again would take minutes and show nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGES = ("api", "specs", "plugins", "runner", "reports")
SOURCES = (*PACKAGES, "pyproject.toml", "setup.py", "README.md", "LICENSE")
BROKEN = sorted(path.stem for path in (HERE / "broken").iterdir())

Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fresh")


@pytest.fixture(scope="module")
def call(folder: Path) -> Call:
    """Return a function that runs a program of the environment, which has xprun and the third party's plugins."""
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    [site] = environment.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    (folder / "source").mkdir()
    for name in SOURCES:
        _copy(ROOT / name, folder / "source" / name)
    _copy(HERE / "acme", folder / "acme")
    _install(environment, folder / "source")
    _install(environment, folder / "acme")
    for path in (HERE / "broken").iterdir():
        shutil.copytree(path, site / path.name)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(program: str, *arguments: str, cwd: Path = folder) -> subprocess.CompletedProcess[str]:
        command = [environment / "bin" / program, *arguments]
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)

    return run


def _copy(source: Path, target: Path) -> None:
    """Copy sources, so that building them leaves nothing in the repository."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    else:
        shutil.copy(source, target)


def _install(environment: Path, source: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_environment_has_its_own_xprun(call: Call, folder: Path) -> None:
    where = call("python", "-c", "import xprun.runner; print(xprun.runner.__file__)").stdout
    assert where.startswith(str(folder / "environment"))


def test_the_root_package_is_the_installed_one_even_beside_a_clone(call: Call, folder: Path) -> None:
    (folder / "source").rename(folder / "xprun")  # a clone, called as git calls it
    program = "from xprun import run, open_results, Error, __version__ as v; import xprun; print(v, xprun.__file__)"
    version, where = call("python", "-c", program).stdout.split()
    assert where.startswith(str(folder / "environment"))
    assert call("python", "-m", "xprun", "--version").stdout == f"xprun, version {version}\n"


def test_everything_that_is_no_code_is_installed_too(folder: Path) -> None:
    [installed] = (folder / "environment").glob("lib/python*/site-packages/xprun")
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        assert (installed / name.removeprefix("api/")).is_file(), name


def test_a_spec_uses_the_components_of_another_distribution_by_name(call: Call, folder: Path) -> None:
    shutil.copy(HERE / "rings.toml", folder / "rings.toml")
    done = call("xprun", "rings.toml")
    assert done.returncode == 0, done.stderr
    results = pd.read_csv(folder / "runs/rings/results.csv")
    assert results["status"].tolist() == ["done"] * 8
    assert set(results["optimizer"]) == {"acme.signum", "acme_plain", "acme_heavyball"}
    assert results["final.valid.acme.confidence"].between(0, 1).all()
    environment = json.loads((folder / "runs/rings/environment.json").read_text(encoding="utf-8"))
    assert environment["plugins"] == ["acme_xprun 1.2"]
    assert "![How long runs took." in (folder / "runs/rings/report.md").read_text(encoding="utf-8")


def test_the_broken_distributions_beside_it_are_named_and_nothing_else(call: Call, folder: Path) -> None:
    shutil.copy(HERE / "rings.toml", folder / "rings.toml")
    done = call("xprun", "check", "rings.toml")
    assert done.stdout.splitlines()[0] == "rings.toml: ok, 8 runs"
    warned = [line.split()[3] for line in done.stderr.splitlines()]
    assert sorted(warned) == [name for name in BROKEN if "letters" not in name]  # those are fine where UTF-8 is spoken


def test_components_are_listed_with_their_distribution(call: Call) -> None:
    listed = call("xprun", "ls").stdout
    for name in ("acme.signum", "acme.rings", "acme.brier", "acme.confidence", "acme.speed"):
        assert any(name in line and "acme_xprun 1.2" in line for line in listed.splitlines())
    assert "acme_xprun.bare:HeavyBall, imported when it is asked for" in listed
    assert "from acme_xprun 1.2 (acme_xprun.bare, " in call("xprun", "describe", "acme_heavyball").stdout


def test_its_launcher_is_chosen_and_trains_what_two_workers_would(call: Call, folder: Path) -> None:
    shutil.copy(HERE / "rings.toml", folder / "rings.toml")
    assert "acme.pool" in call("xprun", "ls", "launcher").stdout
    assert "places  integer > 0; default 2" in call("xprun", "describe", "acme.pool").stdout
    for arguments in (("-j", "2", "-o", "here"), ("--launcher", "acme.pool", "-o", "there")):
        done = call("xprun", "rings.toml", "--no-report", *arguments)
        assert done.returncode == 0, done.stderr
    here, there = (pd.read_csv(folder / name / "results.csv").drop(columns="seconds") for name in ("here", "there"))
    pd.testing.assert_frame_equal(here, there)


def test_a_setting_of_its_launcher_is_checked_before_anything_runs(call: Call, folder: Path) -> None:
    shutil.copy(HERE / "rings.toml", folder / "rings.toml")
    done = call("xprun", "rings.toml", "-o", "none", "--launcher", '{ name = "acme.pool", places = 0 }')
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "launcher acme.pool: places: must be greater than 0, not 0",
    )
    assert not (folder / "none").exists()


def test_the_optimizers_of_the_distribution_are_right(call: Call) -> None:
    for name in ("acme.signum", "acme_plain", "acme_heavyball"):
        done = call("xprun", "check", name)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_generated_distribution_installs_and_its_own_test_passes(call: Call, folder: Path) -> None:
    assert call("xprun", "new", "plugin", "shiny-rules").returncode == 0
    _install(folder / "environment", folder / "shiny-rules")
    tested = call("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder / "shiny-rules")
    assert "1 passed" in tested.stdout, tested.stdout + tested.stderr
    assert "shiny_rules 0.1.0" in call("xprun", "ls", "optimizer").stdout


def test_a_shipped_spec_is_found_by_its_name(call: Call, folder: Path) -> None:
    done = call("xprun", "init", "mine.toml", "--from", "line")
    assert done.returncode == 0, done.stderr
    checked = call("xprun", "check", "mine.toml")
    assert checked.stdout.startswith("mine.toml: ok, ")
