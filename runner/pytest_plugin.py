"""`pytest specs`: a spec is a file of tests, whose items are its check, its runs and its expectations.

Every pytest on a machine with xprun loads this, so nothing is imported until a spec is found.
"""

from __future__ import annotations

import re
import shlex
import tempfile
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xprun.runner.spec_under_test import Proof, Results

SECTIONS = ("data", "model", "loss", "optimizer", "run")
HEADING = re.compile(rf"^[ \t]*\[{{1,2}}[ \t]*({'|'.join(SECTIONS)})[ \t]*\]", re.MULTILINE)
EXTENDS = re.compile(r"^[ \t]*extends[ \t]*=", re.MULTILINE)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collect a TOML file that is a spec by its content, or that the user names."""
    if file_path.suffix != ".toml":
        return None
    wanted = parent.session.isinitpath(file_path) or looks_like_a_spec(file_path)
    return SpecFile.from_parent(parent, path=file_path) if wanted else None


def looks_like_a_spec(file: Path) -> bool:
    """Whether a file has the sections of a spec, of which one may be missing, or extends another spec."""
    text = file.read_bytes().decode(errors="replace")
    found = {match[1] for match in HEADING.finditer(text)}
    return len(found) >= len(SECTIONS) - 1 or (bool(found) and EXTENDS.search(text) is not None)


class SpecFile(pytest.File):
    """A spec, whose runs are trained together as soon as one of its tests asks for a result."""

    @property
    def shown(self) -> str:
        """The path as the user would write it."""
        here = Path.cwd()
        return str(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)

    @cached_property
    def proof(self) -> Proof:
        """The spec, read and checked; raises SpecError or PluginError for one that is wrong."""
        from xprun.runner.spec_under_test import Proof

        return Proof(Path(self.shown))

    @cached_property
    def results(self) -> Results:
        """The results of the runs that the selected tests of this spec need."""
        folder = tempfile.TemporaryDirectory(prefix="xprun-")
        self.config.add_cleanup(folder.cleanup)
        tests = [test for test in self.session.items if isinstance(test, ResultTest) and test.parent is self]
        with warnings.catch_warnings():  # a component's warning is no error here, as it is none for `xprun`
            warnings.simplefilter("default")
            return self.proof.train({run for test in tests for run in test.runs}, Path(folder.name))

    def collect(self) -> Iterator[pytest.Item]:
        from xprun.plugins.registry import PluginError
        from xprun.specs import SpecError

        try:
            tests = list(self._result_tests())
        except (SpecError, PluginError) as error:
            yield CheckTest.from_parent(self, name="check", problem=str(error))
            return
        yield CheckTest.from_parent(self, name="check", problem="")
        yield from tests

    def _result_tests(self) -> Iterator[ResultTest]:
        for number, name in enumerate(self.proof.run_names()):
            yield RunTest.from_parent(self, name=f"run[{name}]", number=number)
        for number, name in enumerate(self.proof.claims()):
            yield ExpectTest.from_parent(self, name=f"expect[{name}]", number=number)


class CheckTest(pytest.Item):
    """Nothing is wrong with the spec, as far as can be told without torch."""

    parent: SpecFile

    def __init__(self, *, problem: str, **common: Any) -> None:
        super().__init__(**common)
        self.problem = problem

    def runtest(self) -> None:
        if self.problem:
            again = f"xprun check {shlex.quote(self.parent.shown)}"
            pytest.fail(f"{self.problem}\nrun it again: {again}", pytrace=False)


class ResultTest(pytest.Item):
    """A test of one run or of one claim, which fails in words."""

    parent: SpecFile

    def __init__(self, *, number: int, **common: Any) -> None:
        super().__init__(**common)
        self.number = number

    @property
    def runs(self) -> set[int]:
        """The numbers of the runs whose results the test looks at."""
        raise NotImplementedError

    def skip_without_files(self) -> None:
        """Skip a test of a run whose data are not on this machine."""
        outcomes = (self.parent.results.outcomes[run] for run in self.runs)
        absent = next((outcome.reason for outcome in outcomes if outcome and not outcome.cacheable), None)
        if absent is not None:
            pytest.skip(absent)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what keeps the whole spec from being trained in words, and what is a bug with its traceback."""
        from xprun.runner.workload.devices import DeviceError
        from xprun.specs import SpecError

        known = isinstance(excinfo.value, SpecError | DeviceError)
        return f"{self.parent.shown}: {excinfo.value}" if known else super().repr_failure(excinfo, style)

    def fail(self, words: str) -> None:
        again = shlex.quote(f"{self.parent.shown}::{self.name}")
        pytest.fail(f"{words}\nrun it again: pytest {again}", pytrace=False)


class RunTest(ResultTest):
    """A run comes to an end; that it diverges is a result, no failure."""

    @property
    def runs(self) -> set[int]:
        return {self.number}

    def runtest(self) -> None:
        outcome = self.parent.results.outcomes[self.number]
        assert outcome is not None
        self.skip_without_files()
        if outcome.errored:
            self.fail(f"{self.parent.shown}: the run {outcome.status}: {outcome.reason}")


class ExpectTest(ResultTest):
    """A claim of the spec holds."""

    @property
    def runs(self) -> set[int]:
        return self.parent.proof.runs_of(self.number)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.parent.proof.line_of(self.number) - 1, self.name

    def runtest(self) -> None:
        verdict = self.parent.results.verdicts[self.number]
        self.skip_without_files()
        if not verdict.holds:
            self.fail(verdict.line)
