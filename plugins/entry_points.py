"""The entry points of installed distributions in the group `xprun.plugins`, found although some of them are broken."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import entrypoints

GROUP = "xprun.plugins"


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A name that a distribution gives to a module of its own, or to something in one."""

    name: str
    module: str
    attribute: str
    distribution: str
    version: str

    @property
    def target(self) -> str:
        return f"{self.module}:{self.attribute}" if self.attribute else self.module

    def load(self) -> Any:
        """Import and return the module, or what the attribute names in it."""
        names = self.attribute.split(".") if self.attribute else []
        return reduce(getattr, names, importlib.import_module(self.module))


def find_entry_points() -> tuple[list[EntryPoint], list[str]]:
    """Return the entry points in a fixed order, and a warning for each distribution that is broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a target that is none is only warned of, without the distribution
            points = [_point(p.name, p.module_name, p.object_name, p.distro) for p in entrypoints.get_group_all(GROUP)]
        return sorted(points, key=_order), []
    except Exception:  # whatever a stranger's file does to the parser: the other distributions are still good
        return _find_one_by_one()


def _find_one_by_one() -> tuple[list[EntryPoint], list[str]]:
    """Return what `importlib.metadata`, which reads more leniently, finds in each distribution by itself."""
    found: dict[str, list[EntryPoint]] = {}
    complaints = []
    for folder in _folders():
        distribution = entrypoints.Distribution.from_name_version(folder.stem)
        if distribution.name in found:  # hidden by one that stands before it on the path
            continue
        reason = _complaint(folder)
        try:
            points = importlib.metadata.Distribution.at(folder).entry_points.select(group=GROUP)
            found[distribution.name] = [_point(p.name, p.module, p.attr, distribution) for p in points]
        except Exception as error:
            found[distribution.name] = []
            reason = f"{reason or _one_line(error)}; its plugins are skipped"
        if reason:
            complaints.append(f"the distribution {folder.stem} has a broken entry_points.txt: {reason}")
    return sorted((point for points in found.values() for point in points), key=_order), complaints


def _folders() -> Iterator[Path]:
    """Yield the metadata folders on the path, those that `entrypoints` looks into."""
    for folder in sys.path:
        for kind in ("dist", "egg"):
            yield from (file.parent for file in sorted(Path(folder).glob(f"*.{kind}-info/entry_points.txt")))


def _complaint(folder: Path) -> str:
    """Return why `entrypoints` cannot read a distribution, or nothing when it can."""
    parser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",))
    try:
        parser.read([folder / "entry_points.txt"])
        for name, target in parser[GROUP].items() if GROUP in parser else ():
            entrypoints.EntryPoint.from_string(target, name)
    except Exception as error:
        return _one_line(error)
    return ""


def _point(name: str, module: str, attribute: str | None, distribution: Any) -> EntryPoint:
    return EntryPoint(name, module, attribute or "", distribution.name, distribution.version or "")


def _order(point: EntryPoint) -> tuple[str, str, str]:
    return point.name, point.distribution, point.target


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
