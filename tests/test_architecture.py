"""The dependency direction of the folders is law, and the light parts stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "specs": {"xprun.plugins", "xprun.runner", "xprun.reports", "torch", "pandas", "seaborn"},
    "plugins": {"xprun.specs", "xprun.runner", "xprun.reports", "pandas", "seaborn"},
    "runner": {"xprun.reports", "seaborn"},
    "reports": {"xprun.specs", "xprun.plugins", "xprun.runner", "torch"},
}
ALLOWED = {("runner/cli.py", "xprun.reports")}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_follow_the_dependency_direction(folder: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for name in imports(file)
        for ban in FORBIDDEN[folder]
        if (name == ban or name.startswith(f"{ban}.")) and (file.relative_to(ROOT).as_posix(), ban) not in ALLOWED
    ]
    assert wrong == []


LAYERS = {  # the folders of the runner, each with those that it must not know
    "store": {"checks", "commands", "engine", "training"},
    "training": {"checks", "commands", "engine"},
    "engine": {"checks", "commands"},
    "checks": {"commands", "engine", "store"},
    "workers": {"checks", "commands", "engine", "store", "training"},
}


@pytest.mark.parametrize("folder", LAYERS)
def test_the_folders_of_the_runner_are_layers(folder: str) -> None:
    banned = tuple(f"xprun.runner.{other}." for other in LAYERS[folder])
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sorted((ROOT / "runner" / folder).rglob("*.py"))
        for name in imports(file)
        if f"{name}.".startswith(banned)
    ]
    assert wrong == []


def test_there_is_no_folder_that_would_shadow_the_installed_package() -> None:
    assert not (ROOT / "xprun").exists()


NEEDS_TORCH = {"three_gradients"}  # its gradient by hand is compared with autograd's
LIGHT = [
    ["--help"],
    ["check", "good.toml"],
    ["check", "broken.toml"],
    ["check", "good.toml", "--set", "optimizer.lr=[0.1, -1]"],
    ["check", "--json", "broken.toml"],
    ["check", *sorted({path.stem for path in (ROOT / "specs").glob("*.toml")} - NEEDS_TORCH)],
    ["ls"],
]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_light_commands_import_no_heavy_package(arguments: list[str], tmp_path: Path, line_spec: str) -> None:
    (tmp_path / "good.toml").write_text(line_spec, encoding="utf-8")
    (tmp_path / "broken.toml").write_text(line_spec.replace("lr", "rl"), encoding="utf-8")
    program = (
        "import sys; from xprun.runner.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'pandas', 'seaborn', 'matplotlib', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_parser_with_positions_is_imported_only_for_an_error(tmp_path: Path, line_spec: str) -> None:
    (tmp_path / "good.toml").write_text(line_spec, encoding="utf-8")
    program = (
        "import sys; from xprun.runner.cli import main\n"
        "try: main(['check', 'good.toml'])\n"
        "except SystemExit: pass\n"
        "assert 'tree_sitter' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True)
