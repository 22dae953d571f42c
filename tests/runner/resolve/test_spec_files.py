"""A file that a spec names stands beside it, and a run's id changes with what is in it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from xprun.plugins import SpecFile, data
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import REGISTRY
from xprun.runner.planning.plan import Plan
from xprun.runner.workload.workload import make_workload
from xprun.specs import SpecError

MakePlan = Callable[..., Plan]


@pytest.fixture
def text(line_spec: str, tmp_path: Path) -> str:
    """A spec whose data set reads the numbers of a file beside it."""

    @data("numbers")
    def numbers(*, file: SpecFile, second: SpecFile | None = None) -> Table:
        assert isinstance(file, Path)
        column = torch.tensor([[float(line)] for line in file.read_text(encoding="utf-8").split()])
        return Table(column, column)

    (tmp_path / "numbers.txt").write_text("1 2 3", encoding="utf-8")
    return line_spec.replace('name = "line"\nsamples = 20', 'name = "numbers"\nfile = "numbers.txt"')


def test_a_component_gets_the_path_of_the_file_wherever_the_user_stands(plan: MakePlan, text: str) -> None:
    run = pickle.loads(pickle.dumps(plan(text).runs[0]))  # as it travels to a worker process
    assert run.choices["data"].settings["file"] == "numbers.txt"
    assert make_workload(REGISTRY, run, torch.device("cpu")).train.inputs.flatten().tolist() == [1, 2, 3]


def test_a_changed_file_gives_another_run_and_a_moved_spec_does_not(plan: MakePlan, text: str, tmp_path: Path) -> None:
    before = plan(text).runs[0].id
    assert plan(text).runs[0].id == before
    (tmp_path / "numbers.txt").write_text("1 2 4", encoding="utf-8")
    assert plan(text).runs[0].id != before
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "numbers.txt").write_text("1 2 3", encoding="utf-8")
    (tmp_path / "numbers.txt").unlink()
    (tmp_path / "copy").rename(tmp_path / "numbers")
    assert plan(text.replace('"numbers.txt"', '"numbers/numbers.txt"')).runs[0].id != before
    (tmp_path / "numbers" / "numbers.txt").rename(tmp_path / "numbers.txt")
    assert plan(text).runs[0].id == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("number.txt", "there is no file 'number.txt' in the spec's folder; did you mean 'numbers.txt'?"),
        ("/etc/hostname", "is outside the spec's folder"),
        ("../numbers.txt", "is outside the spec's folder"),
        ("x/../numbers.txt", "is outside the spec's folder"),
        ("link.txt", "is outside the spec's folder"),
        ("folder", "there is no file 'folder' in the spec's folder"),
        ("a\\u0000b", "contains the control character"),
    ],
)
def test_any_other_file_is_an_error(plan: MakePlan, text: str, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "link.txt").symlink_to(__file__)
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpecError) as error:
        plan(text.replace("numbers.txt", name))
    assert f"spec.toml:4:8: data.file: {message}" in str(error.value)


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        (r'"sub\new.txt"', r"as in 'sub\new.txt'; write / between folders"),
        (r'"a\tb.txt"', r"as in 'a\tb.txt'; write / between folders"),
        (r"'sub\new.txt'", 'write / between folders, from that of the spec: "sub/new.txt"'),
    ],
)
def test_a_name_with_backslashes_is_told_as_it_should_be(plan: MakePlan, text: str, written: str, advice: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan(text.replace('"numbers.txt"', written))
    assert advice in str(caught.value)
