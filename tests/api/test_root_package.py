"""What `import xprun` gives, from wherever Python is started."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import xprun

ROOT = Path(__file__).parents[2]
FOLDERS = ("api", "specs", "plugins", "runner", "reports")


def python(*arguments: str, cwd: Path) -> str:
    """Return what Python prints that is started in a folder."""
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_everything_that_it_offers_is_there() -> None:
    assert set(dir(xprun)) == set(xprun.__all__)
    assert all(getattr(xprun, name) for name in xprun.__all__)
    assert xprun.__version__ == importlib.metadata.version("xprun")
    with pytest.raises(AttributeError, match="module 'xprun' has no attribute 'runs'"):
        _ = xprun.runs  # type: ignore[attr-defined]


def test_the_import_takes_nothing_that_takes_time(tmp_path: Path) -> None:
    program = "import sys; before = set(sys.modules); import xprun; print(*sorted(set(sys.modules) - before))"
    names = python("-c", program, cwd=tmp_path).split()
    ours = [name for name in names if name.partition(".")[0] not in sys.stdlib_module_names]
    assert ours == ["xprun", "xprun.errors", "xprun.optional_imports"]


def test_the_module_is_the_command(tmp_path: Path) -> None:
    assert python("-m", "xprun", "--version", cwd=tmp_path) == f"xprun, version {xprun.__version__}"
    assert python("-m", "xprun", "--help", cwd=tmp_path).startswith("Usage: xprun ")


def test_a_clone_beside_which_python_is_started_does_not_shadow_the_package(tmp_path: Path) -> None:
    clone = tmp_path / "xprun"
    for folder in FOLDERS:
        (clone / folder).mkdir(parents=True)
        (clone / folder / "__init__.py").write_text("raise RuntimeError('the clone was imported')\n", encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", clone)
    program = "from xprun import run, open_results, Error, __version__; import xprun; print(xprun.__file__)"
    assert not Path(python("-c", program, cwd=tmp_path)).is_relative_to(clone)
    assert python("-m", "xprun", "--version", cwd=tmp_path) == f"xprun, version {xprun.__version__}"
