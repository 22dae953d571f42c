"""The names and settings of the installed torch and torchvision: as xprun ships them, or of another release its own.

These are read once, by a process that imports torch for it, and kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from xprun.plugins.cache_folder import cache_folder
from xprun.plugins.python_packages import ABSENT, release_of

MODULES = {
    "torch": ("optim_classes", "nn_layers", "nn_losses", "nn_init"),
    "torchvision": ("vision_datasets", "vision_transforms", "vision_models"),
}
LONGEST = 300  # seconds that reading names may take, which is an import of torch
PROGRAM = "from xprun.plugins.torch_api.generate import print_texts; print_texts({package!r})"
Texts = dict[str, str]  # of generated modules, by name


class NamesError(Exception):
    """The names of a package cannot be read."""


@dataclass
class Names:
    """The generated modules by name; `releases` of which they are, by package; and what could not be read."""

    modules: dict[str, Any] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


@cache
def names_here() -> Names:
    """Return the names of what is installed in this environment."""
    return find_names({package: release_of(package) for package in MODULES}, read_in_process, cache_folder())


def find_names(installed: dict[str, str], read: Callable[[str], Texts], folder: Path) -> Names:
    """Return the names of installed releases, by package; those that xprun does not ship come from a cache `folder`.

    What is not there is `read`, and kept there. Where that fails, the names that xprun ships stand for them.
    """
    found = Names()
    for package, release in installed.items():
        shipped = {name: _shipped(name) for name in MODULES[package]}
        known = _release_in(next(iter(shipped.values())).__doc__ or "")
        found.modules |= shipped
        found.releases[package] = known
        if release in (known, ABSENT):
            continue
        try:
            found.modules |= _executed(_cached(folder / f"{package}-{release}-{_generator()}.json", package, read))
            found.releases[package] = release
        except Exception as error:  # whatever another release has become
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            found.complaints.append(
                f"{package} {release} is installed, and its names cannot be read ({why}); those of {known} are known"
            )
    return found


def read_in_process(package: str) -> Texts:
    """Return the generated modules of an installed package, from a process that imports it; raise NamesError."""
    command = [sys.executable, "-P", "-c", PROGRAM.format(package=package)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NamesError(str(error)) from None
    if done.returncode:
        raise NamesError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    texts: Texts = json.loads(done.stdout.splitlines()[-1])
    return texts


def _cached(file: Path, package: str, read: Callable[[str], Texts]) -> Texts:
    """Return what is in a file of the cache, or else what is read, and put that there; no cache is no harm."""
    with suppress(OSError, ValueError):
        digest, _, content = file.read_bytes().partition(b"\n")
        if digest.decode() == hashlib.sha256(content).hexdigest():
            kept: Texts = json.loads(content)
            return kept
    texts = read(package)
    content = json.dumps(texts).encode()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    return texts


def _replace(file: Path, content: bytes) -> None:
    """Put a file in the place of what is there, whole or not at all, whoever else does the same."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(descriptor, "wb") as temporary:
            temporary.write(content)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _executed(texts: Texts) -> dict[str, ModuleType]:
    made = {}
    for name, text in texts.items():
        made[name] = module = ModuleType(f"{__package__}.generated.{name}")
        exec(compile(text, f"<{name}>", "exec", dont_inherit=True), vars(module))
    return made


def _shipped(name: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.generated.{name}")


def _release_in(doc: str) -> str:
    """Return the release that a generated module names in its first line."""
    told = re.search(r"from \w+ (\S+?);", doc)
    return told[1] if told else ""


@cache
def _generator() -> str:
    """Return a hash of what makes the modules, which another version of xprun may do otherwise."""
    files: Iterable[Path] = sorted([*Path(__file__).parent.glob("*.py"), Path(__file__).parents[1] / "types.py"])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
