"""Every bound in `pyproject.toml` is the version in `constraints-lowest.txt`, on which `make lowest` runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUN = ("metrics", "optimizers", "parquet", "tensorboard", "test", "third-party")
LATEST = (
    "mlflow",
    "onnx",
    "optuna",
    "ray",
    "slurm",
    "tensorflow",
    "wandb",
)  # run on the versions of constraints.txt alone
NOT_RUN = ("browser", "dev", "docs", "peers")  # tools that only work on this repository
EXTRAS = PROJECT["optional-dependencies"]
PROMISED = [Requirement(text) for text in (*PROJECT["dependencies"], *(t for extra in RUN for t in EXTRAS[extra]))]


def pins(file: str) -> dict[str, str]:
    """The version of each package that a file of constraints names."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one.name): next(iter(one.specifier)).version for one in requirements}


PINNED = pins("constraints-lowest.txt")


def test_every_extra_is_run_or_said_not_to_be() -> None:
    assert set(EXTRAS) == {*RUN, *LATEST, *NOT_RUN}


@pytest.mark.parametrize("extra", LATEST)
def test_some_are_promised_on_the_version_that_is_run(extra: str) -> None:
    for bound in (Requirement(text) for text in EXTRAS[extra]):
        assert str(bound.specifier) == f">={pins('constraints.txt')[canonicalize_name(bound.name)]}"


@pytest.mark.parametrize("promised", [r for r in PROMISED if r.name != "xprun"], ids=lambda r: r.name)
def test_the_lowest_version_that_is_promised_is_the_one_that_is_run(promised: Requirement) -> None:
    (bound,) = promised.specifier
    assert bound.operator == ">="
    assert Version(PINNED[canonicalize_name(promised.name)]) == Version(bound.version)
