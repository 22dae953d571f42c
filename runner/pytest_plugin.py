"""`pytest specs`: a spec is a file of tests, whose items are its check, its runs and its expectations.

Every pytest on a machine with xprun loads this, so nothing is imported until a spec is found. Specs are collected where
somebody asks for it: other programs have settings with the same headings.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
import warnings
from collections.abc import Iterator
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xprun.runner.spec_under_test import Proof, Results

SECTIONS = ("data", "model", "loss", "optimizer", "run")
HEADING = re.compile(rf"^[ \t]*\[{{1,2}}[ \t]*({'|'.join(SECTIONS)})[ \t]*\]", re.MULTILINE)
PROBLEMS = re.compile(r"^[ \t]*\[\[[ \t]*problem[ \t]*\]\]", re.MULTILINE)
EXTENDS = re.compile(r"^[ \t]*extends[ \t]*=", re.MULTILINE)


LISTED = pytest.StashKey[set[Path]]()
LEFT_OUT = pytest.StashKey[dict[str, None]]()
MENTIONS = pytest.StashKey[dict[str, None]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("xprun").addoption("--xprun", action="store_true", help="Collect every TOML file that is a spec.")
    parser.addini("xprun_specs", "Specs to collect: globs, relative to the root directory.", type="args")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collect a TOML file that the user names, or that is a spec by its content where such are asked for."""
    if file_path.suffix != ".toml":
        return None
    named = parent.session.isinitpath(file_path)
    return SpecFile.from_parent(parent, path=file_path) if named or is_wanted(file_path, parent) else None


def is_wanted(file: Path, parent: pytest.Collector) -> bool:
    """Whether a file is a spec that options ask for; others are remembered where the user names a folder of theirs."""
    if not looks_like_a_spec(file):
        return False
    config, session = parent.config, parent.session
    if config.getoption("--xprun") or file in listed(config):
        return True
    if config.args_source is config.ArgsSource.ARGS and any(map(session.isinitpath, file.parents)):
        left_out(config)[os.path.relpath(file)] = None
    return False


def listed(config: pytest.Config) -> set[Path]:
    """The files that the option `xprun_specs` of the project selects, looked for once."""
    if LISTED not in config.stash:
        root = config.rootpath
        found = [glob(each, root_dir=root, recursive=True) for each in config.getini("xprun_specs")]  # noqa: PTH207
        config.stash[LISTED] = {root / name for names in found for name in names}
    return config.stash[LISTED]


def left_out(config: pytest.Config) -> dict[str, None]:
    """The specs, in the order in which they were seen, that nobody asks for in folders that the user names."""
    return config.stash.setdefault(LEFT_OUT, {})


def mentions(config: pytest.Config) -> dict[str, None]:
    """What is said of plugins of the project, the first time that they are run."""
    return config.stash.setdefault(MENTIONS, {})


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let a worker of pytest-xdist tell what it left out, and what is to be said."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["xprun"] = list(left_out(config)), list(mentions(config))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    files, said = getattr(node, "workeroutput", {}).get("xprun", ((), ()))
    left_out(node.config).update(dict.fromkeys(files))
    mentions(node.config).update(dict.fromkeys(said))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which plugins of the project were run, and in one line which files were probably meant to be collected."""
    for mention in mentions(config):
        terminalreporter.write_line(inert(f"xprun: {mention}"))
    files = list(left_out(config))
    if files:
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        how = 'pytest --xprun collects specs, and so does xprun_specs = ["specs/*.toml"] among the options of pytest'
        told = inert(f"xprun: not collected: {', '.join(files[:3])}{more}; {how}")
        terminalreporter.write_line(told, yellow=True)


def inert(text: str) -> str:
    """A text of several lines in which nothing can drive the terminal."""
    from xprun.specs.language.diagnostics import printable

    return printable(text, keep_tabs=True, keep_lines=True)


def looks_like_a_spec(file: Path) -> bool:
    """Whether a file has the sections of a spec, of which one may be missing, extends another, or lists problems."""
    text = file.read_bytes().decode(errors="replace")
    found = {match[1] for match in HEADING.finditer(text)}
    return len(found) >= len(SECTIONS) - 1 or (
        bool(found) and (EXTENDS.search(text) or PROBLEMS.search(text)) is not None
    )


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

        proof = Proof(Path(self.shown))
        if proof.mention:
            mentions(self.config)[proof.mention] = None
        return proof

    @cached_property
    def results(self) -> Results:
        """The results of the runs that the selected tests of this spec need."""
        folder = tempfile.TemporaryDirectory(prefix="xprun-")
        self.config.add_cleanup(folder.cleanup)
        tests = [test for test in self.session.items if isinstance(test, ResultTest) and test.parent is self]
        with warnings.catch_warnings():  # a component's warning is no error here, as it is none for `xprun`
            warnings.simplefilter("default")
            wanted, confirm = {run for test in tests for run in test.runs}, any(test.confirms for test in tests)
            return self.proof.train(wanted, Path(folder.name), confirm=confirm)

    def skip_without_framework(self) -> None:
        """Skip a test whose runs need a framework that is not installed."""
        from xprun.runner.resolve.backend_checks import MissingFrameworkError

        try:
            self.proof.want_frameworks()
        except MissingFrameworkError as error:
            pytest.skip(str(error))

    def collect(self) -> Iterator[pytest.Item]:
        from xprun.errors import Error

        try:
            tests = list(self._result_tests())
        except Error as error:
            yield CheckTest.from_parent(self, name="check", problem=str(error))
            return
        yield CheckTest.from_parent(self, name="check", problem="")
        yield from tests

    def _result_tests(self) -> Iterator[ResultTest]:
        for number, name in enumerate(self.proof.run_names()):
            yield RunTest.from_parent(self, name=f"run[{name}]", number=number)
        if self.proof.has_confirmation:
            yield ConfirmTest.from_parent(self, name="confirm", number=0)
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
            pytest.fail(inert(f"{self.problem}\nrun it again: {again}"), pytrace=False)


class ResultTest(pytest.Item):
    """A test of one run, of the second stage or of one claim, which fails in words."""

    parent: SpecFile

    def __init__(self, *, number: int, **common: Any) -> None:
        super().__init__(**common)
        self.number = number

    def setup(self) -> None:
        self.parent.skip_without_framework()

    @property
    def runs(self) -> set[int]:
        """The numbers of the runs whose results the test looks at."""
        raise NotImplementedError

    @property
    def confirms(self) -> bool:
        """Whether the test looks at the second stage, which takes the whole search."""
        return False

    def skip_without_files(self) -> None:
        """Skip a test of a run whose data are not on this machine."""
        results = self.parent.results
        outcomes = results.outcomes if self.confirms else (results.outcomes[run] for run in self.runs)
        absent = next((outcome.reason for outcome in outcomes if outcome and not outcome.cacheable), None)
        if absent is not None:
            pytest.skip(absent)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what keeps the whole spec from being trained in words, and what is a bug with its traceback."""
        from xprun.errors import Error

        known = isinstance(excinfo.value, Error)
        return inert(f"{self.parent.shown}: {excinfo.value}") if known else super().repr_failure(excinfo, style)

    def fail(self, words: str) -> None:
        again = shlex.quote(f"{self.parent.shown}::{self.name}")
        pytest.fail(inert(f"{words}\nrun it again: pytest {again}"), pytrace=False)


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


class ConfirmTest(ResultTest):
    """The second stage comes to an end: the chosen settings, on fresh seeds."""

    @property
    def runs(self) -> set[int]:
        return set()

    @property
    def confirms(self) -> bool:
        return True

    def runtest(self) -> None:
        confirmed = self.parent.results.confirmed
        assert confirmed is not None
        self.skip_without_files()
        broken = [
            f"{name}: {outcome.status}: {outcome.reason}" for name, outcome in confirmed.items() if outcome.errored
        ]
        if broken:
            more = f"\nand {len(broken) - 1} more" if len(broken) > 1 else ""
            self.fail(f"{self.parent.shown}: {broken[0]}{more}")


class ExpectTest(ResultTest):
    """A claim of the spec holds."""

    @property
    def runs(self) -> set[int]:
        return self.parent.proof.runs_of(self.number)

    @property
    def confirms(self) -> bool:
        return self.parent.proof.needs_confirmation(self.number)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.parent.proof.line_of(self.number) - 1, self.name

    def runtest(self) -> None:
        verdict = self.parent.results.verdicts[self.number]
        self.skip_without_files()
        if not verdict.holds:
            self.fail(verdict.line)
