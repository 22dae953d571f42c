"""Helpers of the fault tests. They have a short form, and with XPRUN_FAULTS=long in the environment a long one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fault_runs import GRID, Driver, Experiment, build_shim, run_once


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    driver = Driver(build_shim(tmp_path_factory.mktemp("shim")))
    yield driver
    driver.stop()


@pytest.fixture(scope="session")
def uninterrupted(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Return an experiment that was run once, from its start to its end."""
    return run_once(driver, GRID, tmp_path_factory.mktemp("uninterrupted"))
