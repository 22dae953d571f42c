"""A page is the same whether one process draws it or two, whatever becomes of the second."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import Case
from xprun.reports import write_report
from xprun.reports.figures import drawing_processes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")

Make = Callable[..., Path]
CASES = [Case("SGD", lr, [0.9 - lr, 0.8]) for lr in (0.1, 0.2, 0.3)] + [Case("Adam", 0.1, [0.8, 0.7])]


def page(folder: Path, monkeypatch: pytest.MonkeyPatch, *, helped: bool) -> dict[str, bytes]:
    """Return the files of the report, by name."""
    monkeypatch.setattr(drawing_processes, "_can_fork", lambda: helped)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in write_report(folder)}


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The forks that a test makes."""
    made: list[int] = []
    fork = os.fork

    def noted() -> int:
        made.append(fork())
        return made[-1]

    monkeypatch.setattr(os, "fork", noted)
    return made


def test_a_helper_changes_no_byte(make_folder: Make, monkeypatch: pytest.MonkeyPatch, forks: list[int]) -> None:
    folder = make_folder(CASES)
    assert page(folder, monkeypatch, helped=True) == page(folder, monkeypatch, helped=False)
    assert len(forks) == 1
    with pytest.raises(ChildProcessError):  # nothing is left of it
        os.waitpid(forks[0], os.WNOHANG)


def test_the_helper_draws_some_of_the_pictures(make_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[dict[str, Any]] = []
    wait = drawing_processes._Helped.wait

    def noted(self: drawing_processes._Helped) -> dict[str, Any]:
        waited.append(wait(self))
        return waited[-1]

    monkeypatch.setattr(drawing_processes._Helped, "wait", noted)
    pages = page(make_folder(CASES), monkeypatch, helped=True)
    pictures = {Path(name).stem for name in pages if name.startswith("plots/")}
    assert waited[0]
    assert waited[0].keys() < pictures


def test_what_a_helper_fails_to_draw_is_drawn_without_it(make_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder(CASES)
    expected = page(folder, monkeypatch, helped=False)
    monkeypatch.setattr(drawing_processes._Helper, "takes", lambda self, name, draw: os._exit(3))
    assert page(folder, monkeypatch, helped=True) == expected
