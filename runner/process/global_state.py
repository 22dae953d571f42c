"""What all runs of a process share, at an instant: what a component has changed of it is told, and put back."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from xprun.runner.process.global_settings import GlobalSetting, global_settings
from xprun.runner.process.patches import namespaces

LONGEST = 60  # characters of two values that are told
SHOWN = 3  # changes that are told
BUSY = 0.3  # of a core, which threads that were left behind use
NAP = 0.02  # seconds in which that is measured


@cache
def _settings() -> tuple[GlobalSetting, ...]:
    return global_settings()


@dataclass(frozen=True)
class GlobalState:
    """The state of this process at an instant."""

    values: list[Any]
    threads: frozenset[int]

    @classmethod
    def now(cls) -> GlobalState:
        namespaces().see_imported()
        return cls([_read(setting) for setting in _settings()], frozenset(sys._current_frames()))

    def restore(self, *, thorough: bool = True) -> tuple[list[str], bool]:
        """Put back what has changed since; return what of it may change the numbers of other runs, each in words.

        And whether all is as it was: nothing refuses to be put back, and no thread is left that needs a core.
        """
        changed = self._differences()
        for setting, before, _ in changed:
            _write(setting, before)
        patches = namespaces().patches() if thorough else []
        for patch in patches:
            with suppress(AttributeError, TypeError):  # what it belongs to cannot be changed in Python
                patch.undo()
        told = [_told(*difference) for difference in changed if difference[0].counts]
        told += [f"{patch.name} was replaced" for patch in patches]
        is_restored = not (changed and self._differences()) and not (patches and namespaces().patches())
        return told, is_restored and not self._has_busy_threads()

    def _differences(self) -> list[tuple[GlobalSetting, Any, Any]]:
        found = zip(_settings(), self.values, map(_read, _settings()), strict=True)
        return [one for one in found if one[1] != one[2] and one[0].matters(one[1], one[2])]

    def _has_busy_threads(self) -> bool:
        """Whether threads that have been started since use a core while this one sleeps."""
        if not frozenset(sys._current_frames()) - self.threads:
            return False
        before = time.process_time()
        time.sleep(NAP)
        return time.process_time() - before > BUSY * NAP


def _read(setting: GlobalSetting) -> Any:
    try:
        return setting.read()
    except Exception as error:  # a flag that cannot be read in the state in which another is
        return repr(error)


def _write(setting: GlobalSetting, value: Any) -> None:
    if setting.write is None:
        return
    try:
        setting.write(value)
    except Exception:  # it cannot be put back, which is seen
        return


def _told(setting: GlobalSetting, before: Any, after: Any) -> str:
    if len(str(before)) + len(str(after)) > LONGEST:
        return f"{setting.name} was changed"
    return f"{setting.name} was {before} and is {after}"
