"""The processes of this machine, as far as tests of clusters look at them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

PATIENCE = 600.0  # seconds in which whatever is waited for has happened, on a busy machine, too


def all_processes() -> Iterator[tuple[int, int, str]]:
    """Yield the id, the parent and the command line of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
            if state != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield int(folder.name), int(parent), command.strip()


def below(root: int) -> list[int]:
    """Return the ids of what a process has started, and what that has, the nearest first."""
    children: dict[int, list[int]] = {}
    for process, parent, _ in all_processes():
        children.setdefault(parent, []).append(process)
    found = list(children.get(root, []))
    for process in found:
        found += children.get(process, [])
    return found


def called(name: str, root: int) -> list[int]:
    """Return the processes below one whose command begins like that."""
    family = set(below(root))
    return [process for process, _, command in all_processes() if process in family and command.startswith(name)]


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a command that ends with an exit code; return what it has said on stderr."""
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, errors
    return errors


def wait_for(what: Callable[[], object], during: subprocess.Popen[str] | None = None) -> None:
    """Wait until a function finds something, which is to happen while a command runs."""
    until = time.monotonic() + PATIENCE
    while not what():
        if during is not None and during.poll() is not None:
            raise AssertionError(f"it has not happened: {during.communicate()}")
        assert time.monotonic() < until, "it has not happened"
        time.sleep(0.2)
