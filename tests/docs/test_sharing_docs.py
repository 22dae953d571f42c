"""The examples of the pages on plugins, Python and editors work, and print what the pages show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tomli
from click.testing import CliRunner, Result
from xprun.runner.cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
PLUGINS, PYTHON, EDITORS = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("plugins", "python", "editors")
)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def shown(page: str) -> dict[str, str]:
    """Return what the page shows below each command."""
    return dict(re.findall(r"^\$ (.*)\n((?:(?!```|\$ ).*\n)*)", page, re.MULTILINE))


def xprun(command: str) -> Result:
    return CliRunner().invoke(main, command.split()[1:])


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _components() -> None:
    Path("my_components.py").write_text(blocks(PLUGINS, "python")[0], encoding="utf-8")
    Path("waves.toml").write_text(blocks(PLUGINS, "toml")[0], encoding="utf-8")


@pytest.mark.usefixtures("_components")
def test_components_of_five_kinds_train() -> None:
    result = xprun("xprun --plugin my_components.py waves.toml")
    assert result.exit_code == 0, result.stderr
    results = pd.read_csv("runs/waves/results.csv")
    assert results["status"].tolist() == ["done"] * 12
    assert results["final.valid.my.within"].between(0, 1).all()


@pytest.mark.usefixtures("_components")
def test_a_data_set_with_parts_of_its_own_trains() -> None:
    Path("my_parts.py").write_text(next(b for b in blocks(PLUGINS, "python") if "my.parts" in b), encoding="utf-8")
    spec = Path("waves.toml").read_text(encoding="utf-8")
    spec = spec.replace('name = "my.waves"\nvalid = 0.25', 'name = "my.parts"')
    Path("waves.toml").write_text(spec, encoding="utf-8")
    result = xprun("xprun --plugin my_components.py --plugin my_parts.py waves.toml")
    assert result.exit_code == 0, result.stderr
    results = pd.read_csv("runs/waves/results.csv")
    assert {"final.valid.my.within", "final.test.my.within", "final.test.loss"} < set(results)
    assert results["final.test.my.within"].between(0, 1).all()
    assert "brings its own valid and test rows" in xprun("xprun describe my.parts --plugin my_parts.py").stdout


@pytest.mark.usefixtures("_components")
def test_the_project_names_its_plugins() -> None:
    Path("pyproject.toml").write_text(blocks(PLUGINS, "toml")[1], encoding="utf-8")
    assert xprun("xprun check waves.toml").stdout.startswith("waves.toml: ok, 12 runs\n")


@pytest.mark.usefixtures("_components")
@pytest.mark.parametrize("command", [c for c in shown(PLUGINS) if c.startswith("xprun check")])
def test_a_trial_prints_what_is_shown(command: str) -> None:
    assert xprun(command).stdout == shown(PLUGINS)[command]


ASKING = """
data = { name = "digits", valid = 0.2, batch_size = 64 }
model = { layers = [{ name = "Linear", in_features = 64, out_features = 10 }] }
loss = { name = "CrossEntropyLoss" }
optimizer = [{ name = "my.polyak" }, { name = "my.layerwise" }, { name = "my.sam" }]
scheduler = { name = "warmup_cosine", warmup = 5, per = "step" }
run = { epochs = 2 }
"""


def test_optimizers_that_ask_for_more_train() -> None:
    Path("asking.py").write_text(next(b for b in blocks(PLUGINS, "python") if "my.polyak" in b), encoding="utf-8")
    Path("asking.toml").write_text(ASKING, encoding="utf-8")
    result = xprun("xprun --plugin asking.py asking.toml")
    assert result.exit_code == 0, result.output
    assert (pd.read_csv("runs/asking/results.csv")["final.valid.loss"] < 2.25).all()
    for name in ("my.polyak", "my.layerwise", "my.sam"):
        assert xprun(f"xprun check --plugin asking.py {name}").exit_code == 0


def test_an_optimizer_from_pypi_is_wrapped_in_a_few_lines() -> None:
    pytest.importorskip("lion_pytorch", reason="the package that the page wraps; CI does without it")
    wrapped = next(block for block in blocks(PLUGINS, "python") if "from lion_pytorch" in block)
    Path("lion.py").write_text(wrapped, encoding="utf-8")
    assert xprun("xprun check --plugin lion.py lion").exit_code == 0
    assert "weight_decay" in xprun("xprun describe lion --plugin lion.py").stdout


def test_the_entry_points_that_are_shown_are_toml() -> None:
    points = tomli.loads(next(b for b in blocks(PLUGINS, "toml") if "entry-points" in b))["project"]["entry-points"][
        "xprun.plugins"
    ]
    assert points["acme_lion"] == "acme_rules.lion:Lion"


def test_the_python_examples_run_one_after_the_other() -> None:
    for example in blocks(PYTHON, "python"):
        Path("example.py").write_text(example, encoding="utf-8")
        done = subprocess.run([sys.executable, "example.py"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert {"line", "signs"} <= {folder.name for folder in Path("runs").iterdir()}


def test_init_says_what_is_shown() -> None:
    command = "xprun init mine.toml"
    assert xprun(command).stdout == shown(EDITORS)[command]
    assert Path("mine.toml").read_text(encoding="utf-8").startswith(blocks(EDITORS, "toml")[0])


def test_the_optimizers_of_a_package_are_named_as_in_python() -> None:
    spec = next(block for block in blocks(PLUGINS, "toml") if "pytorch_optimizer.Lion" in block)
    Path("published.toml").write_text(spec, encoding="utf-8")
    assert xprun("xprun check published.toml").exit_code == 0
    result = xprun("xprun published.toml")
    assert result.exit_code == 0, result.stderr
    results = pd.read_csv("runs/published/results.csv")
    assert results["status"].tolist() == ["done"] * 8
    assert "Decay rates for update interpolation" in xprun("xprun describe pytorch_optimizer.Lion").stdout
