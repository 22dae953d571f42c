"""Shared by all tests: a clean registry for each, and a small spec to start from."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from functools import partial
from inspect import signature
from pathlib import Path

import click.testing
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from xprun.plugins.registry import REGISTRY
from xprun.runner.launchers.registration import open_registry

# Small tensors are computed faster by one thread, and tests that run side by side do not get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Runs are trained in the process of the tests, which has torch already and knows what they register.
os.environ.setdefault("XPRUN_JOBS", "0")

if "mix_stderr" in signature(click.testing.CliRunner).parameters:  # click before 8.2: both streams, and both as one
    click.testing.CliRunner = partial(click.testing.CliRunner, mix_stderr=False)  # type: ignore[assignment, misc]
    output = property(lambda self: self.stdout + self.stderr)
    click.testing.Result.output = output  # type: ignore[assignment, method-assign]

# Commands that the tests interrupt inherit what is done with signals. A script that starts tests by `command &` ignores
# Ctrl-C, and `nohup` the end of a terminal: such a command would go on for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for name in {"SIGHUP", "SIGQUIT", "SIGTERM"} & set(vars(signal)):
    if signal.getsignal(vars(signal)[name]) is signal.SIG_IGN:
        signal.signal(vars(signal)[name], signal.SIG_DFL)

HANGS = 900.0  # seconds after which a test is taken to hang; the slowest takes half a minute on a quiet machine

collect_ignore_glob = ["*.toml"]  # specs in here are material of tests, and no tests themselves

LINE = """
[data]
name = "line"
samples = 20
batch_size = "full"
[model]
name = "linear"
[loss]
name = "MSELoss"
[optimizer]
name = "scratch.gd"
lr = 0.1
[run]
steps = 5
"""


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a process whose test hangs, with all stacks: pytest-xdist names the test and goes on in another process."""
    if os.environ.get("XPRUN_FAULTS") != "long":
        faulthandler.dump_traceback_later(HANGS, file=item.config.stash[fault_handler_stderr_fd_key], exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def _registry_as_installed() -> Iterator[None]:
    """Take away what a test registered."""
    open_registry()
    before = REGISTRY.copy()
    yield
    REGISTRY.restore(before)
    for plugin in REGISTRY.plugins:
        vars(plugin).pop("asked_for", None)  # by which environment.json names the packages in use
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)  # as a run has set it for its process; other tests need such numbers


@pytest.fixture
def line_spec() -> str:
    """The text of the smallest useful spec: a line, one optimizer, five steps."""
    return LINE


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes the text of a spec to a file of the test's folder."""

    def write_spec(text: str, name: str = "spec.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_spec
