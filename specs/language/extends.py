"""`extends = "base.toml"`: a spec that lies over another one, which must be in the same folder or below."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xprun.specs.language.diagnostics import Diagnostic
from xprun.specs.language.source import Source, read_source
from xprun.specs.language.sweeps import is_sweep
from xprun.specs.language.wording import show

MAX_BASES = 10
NOT_INHERITED = ("extends", "name")  # a spec that extends another is another spec


class ExtendsError(Exception):
    """What a file extends cannot be read."""

    def __init__(self, source: Source, message: str, help_text: str = "") -> None:
        super().__init__(message)
        self.source, self.problem = source, Diagnostic(("extends",), message, help_text)


def follow(source: Source) -> Iterator[Source]:
    """Yield what a source extends, what that extends, and so on.

    Raises ExtendsError for a base that is not there, lies outside the folder of the first source or closes a circle.
    """
    root = Path(source.file).parent.resolve()
    chain = [Path(source.file).resolve()]
    while "extends" in source.data:
        path = _base_of(source, root)
        if path.resolve() in chain:
            circle = " -> ".join(p.name for p in [*chain, path])
            raise ExtendsError(source, f"extends itself: {circle}", "remove extends from one of these files")
        if len(chain) > MAX_BASES:
            raise ExtendsError(source, f"extends more than {MAX_BASES} files in a row")
        chain.append(path.resolve())
        source = read_source(path, str(path))
        yield source


def merged(sources: list[Source]) -> dict[str, Any]:
    """Return the data of a source over those of its bases, which come after it, the nearest first."""
    data: dict[str, Any] = {}
    for source in reversed(sources):
        data = _over({k: v for k, v in data.items() if k not in NOT_INHERITED}, source.data)
    return {key: value for key, value in data.items() if key != "extends"}


def _over(base: Any, top: Any) -> dict[str, Any]:
    """Return `top` over `base`: tables are merged; everything else is replaced, lists of tables included."""
    result: dict[str, Any] = dict(base)
    for key, value in top.items():
        old = base.get(key)
        result[key] = _over(old, value) if _merges(old, value) else value
    return result


def _merges(old: Any, new: Any) -> bool:
    """Whether a table is laid over another: not where it names another component, and not where a sweep is."""
    if not isinstance(old, dict) or not isinstance(new, dict) or is_sweep(old) or is_sweep(new):
        return False
    return "name" not in new or new["name"] == old.get("name")


def _base_of(source: Source, root: Path) -> Path:
    text = source.data["extends"]
    if not isinstance(text, str) or not text:
        raise ExtendsError(source, f'must be the name of a file, such as "base.toml", not {show(text)}')
    path = Path(source.file).parent / text
    try:
        inside = path.resolve().is_relative_to(root)
        is_file = inside and path.is_file()
    except (OSError, ValueError, RuntimeError):
        raise ExtendsError(source, "is not a valid file name") from None
    if not inside:
        raise ExtendsError(
            source, "points outside the folder of the spec", "a base spec must be in the same folder or below it"
        )
    if not is_file:
        raise ExtendsError(source, f"there is no file {show(text)}", "the path is relative to this file")
    return path
