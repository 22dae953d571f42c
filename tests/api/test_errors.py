"""Every error that a user can meet is an `xprun.Error`, whose exit code is that of the command line."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import pytest
import xprun
from xprun import Error

# What is raised and caught inside a package, before any user sees it.
INTERNAL = {
    "CancelledError",
    "CannotBatchError",
    "CompilerError",
    "ExtendsError",
    "GlobalStateError",
    "InterruptError",
    "NamesError",
    "NewerSchemaError",
    "NotPlainError",
    "NotPythonError",
    "NotPureError",
    "OverrideError",
    "ProtocolError",
    "SchemaError",
    "SnapshotError",
    "SpaceError",
    "SpecFileError",
    "SpoiltProcessError",
    "TextError",
    "_DamagedError",
    "_UnresolvedError",
}
EXIT_CODES = {
    "CheckpointError": 2,
    "CsvError": 1,
    "DeviceError": 2,
    "ExportError": 1,
    "FileChangedError": 1,
    "FolderError": 2,
    "ForkServerExitError": 3,
    "GradientError": 1,
    "GroupError": 1,
    "InUseError": 4,
    "LauncherError": 3,
    "LauncherSettingsError": 2,
    "LiveError": 2,
    "MissingFilesError": 1,
    "MissingFrameworkError": 3,
    "MovedError": 3,
    "NameTakenError": 3,
    "NewerFolderError": 3,
    "NotEnoughMemoryError": 1,
    "OutputError": 3,
    "PackageError": 3,
    "PagesError": 3,
    "PlaceError": 3,
    "PluginError": 3,
    "ReportError": 2,
    "ScheduleError": 1,
    "SpecError": 2,
    "StarterError": 2,
    "UnknownComponentError": 2,
    "UnknownRunError": 2,
    "UnsavableError": 1,
    "UpdateRuleError": 1,
    "WorkerError": 3,
    "WorkerStartError": 3,
}

# Modules that import what need not be installed.
OF_EXTRAS = {f"xprun.plugins.backends.tensorflow_{part}" for part in ("import", "training", "updates")}


@pytest.fixture(scope="module")
def exceptions() -> dict[str, type[BaseException]]:
    """The exception classes that the modules of xprun define, by name."""
    return {found.__name__: found for found in _defined()}


def _defined() -> Iterator[type[BaseException]]:
    for module in pkgutil.walk_packages(xprun.__path__, "xprun."):
        if module.name.endswith("__main__") or ".plugin_template" in module.name or ".generate" in module.name:
            continue
        if module.name in OF_EXTRAS:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == module.name:
                yield value


def test_whatever_a_user_can_meet_has_the_one_base(exceptions: dict[str, type[BaseException]]) -> None:
    apart = {name for name, found in exceptions.items() if not issubclass(found, Error)}
    assert apart == INTERNAL


def test_every_error_knows_its_exit_code(exceptions: dict[str, type[BaseException]]) -> None:
    known = {name: found.exit_code for name, found in exceptions.items() if issubclass(found, Error)}
    assert known == {"Error": 1, **EXIT_CODES}


@pytest.mark.parametrize(("name", "base"), [("CsvError", ValueError), ("UnknownRunError", LookupError)])
def test_an_error_is_still_what_it_was_before_there_was_a_base(
    exceptions: dict[str, type[BaseException]], name: str, base: type[BaseException]
) -> None:
    assert issubclass(exceptions[name], base)


def test_an_error_passes_between_processes(exceptions: dict[str, type[BaseException]]) -> None:
    for name in ("OutputError", "DeviceError", "CsvError"):
        again = pickle.loads(pickle.dumps(exceptions[name]("words")))
        assert (type(again), str(again)) == (exceptions[name], "words")
