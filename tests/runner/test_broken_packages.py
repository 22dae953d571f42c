"""A package that is installed and cannot be imported costs only what needs it, and is told where a spec names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import xprun

BREAKS = {
    "built for another numpy": "raise ImportError('numpy.core.multiarray failed to import')",
    "of another version": "raise AttributeError(\"module 'numpy' has no attribute 'bool8'\")",
    "without its library": "raise OSError('libarrow.so.1500: cannot open shared object file')",
    "that complains": "raise RuntimeError('compiled against an older API')",
    "that exits": "raise SystemExit('no licence')",
}
Break = Callable[[str, str], Path]


@pytest.fixture
def broken(tmp_path: Path) -> Break:
    """Return a function that puts a package of that name and text in front of the installed ones."""

    def put(package: str, text: str) -> Path:
        folder = tmp_path / "front" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text, encoding="utf-8")
        return folder.parent

    return put


@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_pyarrow_costs_the_parquet_files_alone(
    how: str, broken: Break, write: Callable[[str], Path], line_spec: str, tmp_path: Path
) -> None:
    front = broken("pyarrow", BREAKS[how])
    done = xprun(write(line_spec), "-o", "out", folder=tmp_path, front=front)
    assert done.returncode == 0, done.stderr
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    assert told.startswith("note: not written: results.parquet, history.parquet; the CSV files have the same. pyarrow ")
    assert told.endswith("): pip install --force-reinstall pyarrow, or uninstall it")
    cause = BREAKS[how].partition("('")[2].rstrip("')") or "no attribute 'bool8'"
    assert cause in told
    assert {"results.csv", "history.csv"} <= {path.name for path in (tmp_path / "out").glob("*.csv")}
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert (tmp_path / "out/report.html").is_file()
    again = xprun(write(line_spec), "-o", "out", folder=tmp_path, front=front)
    assert again.returncode == 0
    assert "1 cached, 0 to run" in again.stderr


@pytest.mark.parametrize("package", ["numexpr", "bottleneck", "statsmodels"])
def test_a_broken_package_that_other_libraries_try_costs_nothing(
    package: str, broken: Break, write: Callable[[str], Path], line_spec: str, tmp_path: Path
) -> None:
    front = broken(package, BREAKS["of another version"])
    done = xprun(write(line_spec), "-o", "out", folder=tmp_path, front=front)
    assert done.returncode == 0, done.stderr
    assert "note:" not in done.stderr


NAMED = {
    "tensorboard": ('observers = ["tensorboard"]', "observer tensorboard"),
    "torchmetrics": ('metrics = ["f1"]', "metric f1"),
    "pytorch_optimizer": ("", "optimizer pytorch_optimizer.Lion"),
    "torchvision": ("", "data FakeData"),
    "torch": ("", ""),
}


@pytest.mark.parametrize("how", ["built for another numpy", "of another version", "that exits"])
@pytest.mark.parametrize("package", NAMED)
def test_a_broken_package_that_a_spec_needs_is_told_before_anything_is_trained(
    package: str, how: str, broken: Break, write: Callable[[str], Path], line_spec: str, tmp_path: Path
) -> None:
    front = broken(package, BREAKS[how])
    more, whose = NAMED[package]
    text = line_spec + more
    if package == "pytorch_optimizer":
        (front / package / "optimizer.py").touch()
        text = text.replace("scratch.gd", "pytorch_optimizer.Lion")
        cls = "class Lion(Optimizer):\n    def __init__(self, params, lr=0.1): pass\n"
        source = f"from torch.optim import Optimizer\n{cls}"
        (front / package / "__init__.py").write_text(f"{source}{BREAKS[how]}\n", encoding="utf-8")
    if package == "torchvision":
        text = text.replace('"line"\nsamples = 20', '"FakeData"')
    if package == "torchmetrics":
        text = text.replace('"line"\nsamples = 20', '"iris"').replace('"linear"', '"softmax"')
        text = text.replace("MSELoss", "CrossEntropyLoss")
    done = xprun(write(text), "-o", "out", folder=tmp_path, front=front)
    assert done.returncode == 3, done.stderr
    *_, last = done.stderr.splitlines()
    name = f"{whose}: {package}" if whose else package
    assert last.startswith(f"{name} cannot be imported ("), done.stderr
    assert last.endswith(f": pip install --force-reinstall {package}")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out/results.csv").exists()


def test_a_broken_torch_is_told_where_workers_would_train(
    broken: Break, write: Callable[[str], Path], line_spec: str, tmp_path: Path
) -> None:
    front = broken("torch", BREAKS["without its library"])
    done = xprun(write(line_spec), "-o", "out", folder=tmp_path, front=front, jobs=1)
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith("torch cannot be imported (OSError: libarrow.so.1500: cannot open")


def test_a_broken_torch_is_told_by_what_needs_it_at_once(broken: Break, tmp_path: Path) -> None:
    front = broken("torch", BREAKS["without its library"])
    cannot = "torch cannot be imported (OSError: libarrow.so.1500: cannot open shared object file)"
    tried = xprun("check", "SGD", folder=tmp_path, front=front)
    assert (tried.returncode, tried.stderr) == (3, f"{cannot}: pip install --force-reinstall torch\n")
    checked = xprun("check", "three_gradients", folder=tmp_path, front=front)
    assert checked.returncode == 0
    (told,) = checked.stderr.splitlines()
    assert told.endswith(
        "three_gradients.toml: run.gradient needs torch, which cannot be imported (OSError: libarrow.so.1500: "
        "cannot open shared object file): not checked"
    )
    planned = xprun("plan", "line", folder=tmp_path, front=front)
    assert "Traceback" not in planned.stderr
    assert "OSError: libarrow.so.1500" in planned.stdout + planned.stderr


def test_a_broken_package_that_a_spec_does_not_name_costs_nothing(
    broken: Break, write: Callable[[str], Path], line_spec: str, tmp_path: Path
) -> None:
    front = broken("torchmetrics", BREAKS["that complains"])
    for package in ("tensorboard", "pytorch_optimizer", "timm", "torchvision"):
        broken(package, BREAKS["that complains"])
    done = xprun(write(line_spec), "-o", "out", folder=tmp_path, front=front)
    assert done.returncode == 0, done.stderr
    assert "note:" not in done.stderr
