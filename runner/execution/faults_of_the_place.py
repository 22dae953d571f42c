"""Tells whether a run failed because of what this machine lacks now: another one, or this one later, may do it."""

from __future__ import annotations

from xprun.plugins.datasets.missing_files import MissingFilesError
from xprun.plugins.machine import NotEnoughMemoryError
from xprun.plugins.python_packages import PackageError
from xprun.plugins.registry import PluginError, UnknownComponentError
from xprun.runner.workload.devices import DeviceError

# A file, a module, a package of components or a device that is not here.
ABSENT = (
    DeviceError,
    FileNotFoundError,
    ImportError,
    MissingFilesError,
    PackageError,
    PluginError,
    UnknownComponentError,
)


def is_fault_of_the_place(error: BaseException) -> bool:
    """Return whether an error, or what it was raised from, is about what is absent here, or about too little memory."""
    return isinstance(error, NotEnoughMemoryError) or is_about_absence(error)


def is_about_absence(error: BaseException | None) -> bool:
    """Return whether an error, or what it was raised from, is about what is absent here."""
    return error is not None and (isinstance(error, ABSENT) or is_about_absence(error.__cause__))
