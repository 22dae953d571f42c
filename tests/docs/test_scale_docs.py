"""The launcher of the page is the one that CI installs and runs, and what the page shows is what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli
from click.testing import CliRunner
from xprun.plugins.discovery import load_file
from xprun.plugins.registry import REGISTRY
from xprun.runner.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def code(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_launcher_of_the_page_is_that_of_the_third_party(tmp_path: Path) -> None:
    shipped = (ROOT / "tests/third_party/acme/acme_xprun/launchers.py").read_text(encoding="utf-8")
    assert code("python").partition("\n")[2] == shipped.partition("\n\n")[2]
    file = tmp_path / "my_launcher.py"
    file.write_text(code("python"), encoding="utf-8")
    load_file(REGISTRY, file)
    assert REGISTRY.find("launcher", "acme.pool").settings["places"].default == 2


def test_the_project_of_the_page_chooses_a_launcher() -> None:
    assert tomli.loads(code("toml"))["tool"]["xprun"]["launcher"] == {"name": "ray", "cpus": 2}


@pytest.mark.parametrize("given", re.findall(r"--launcher '(.*?)'", PAGE))
def test_launchers_of_the_page_take_what_is_written(given: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["plan", str(tmp_path / "none.toml"), "--launcher", given])
    assert "launcher " not in result.stderr.replace("needs ", "") or "pip install 'xprun[" in result.stderr
    assert "setting" not in result.stderr


def test_the_refusal_of_the_page_is_what_is_said(tmp_path: Path) -> None:
    said = (
        CliRunner().invoke(main, ["plan", str(tmp_path / "x.toml"), "--launcher", '{ name = "ray", cpu = 2 }']).stderr
    )
    assert said == "launcher ray: there is no setting 'cpu'; did you mean 'cpus'?\n"
    assert f"`{said.strip()}`" in PAGE
