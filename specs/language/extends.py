"""`extends = "base.toml"`: a spec that lies over another one, which must be in the same folder or below, or shipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from xprun.specs.language.diagnostics import Diagnostic
from xprun.specs.language.dotted_paths import Path, dotted, parse_dotted, removed, settings_in
from xprun.specs.language.library import FOLDER, SHIPPED, shipped_files
from xprun.specs.language.source import Source, read_source
from xprun.specs.language.sweeps import is_sweep
from xprun.specs.language.wording import did_you_mean, listed, nearest, show

MAX_BASES = 10
UNSET = "unset"
NOT_INHERITED = ("extends", "name", UNSET)  # a spec that extends another is another spec


class ExtendsError(Exception):
    """What a file extends cannot be read."""

    def __init__(self, source: Source, message: str, help_text: str = "", path: Path = ("extends",)) -> None:
        super().__init__(message)
        self.source, self.problem = source, Diagnostic(path, message, help_text)


def follow(source: Source) -> Iterator[Source]:
    """Yield what a source extends, what that extends, and so on.

    Raises ExtendsError for a base that is not there, lies outside the folder of the first source or closes a circle.
    """
    return follow_from(source, FilePath(source.file).parent.resolve())


def follow_from(source: Source, root: FilePath) -> Iterator[Source]:
    """Yield what a source extends, and so on, none of which lies outside a folder; a shipped one stays in its own."""
    chain = [FilePath(source.file).resolve()]
    while "extends" in source.data:
        path, root = _base_of(source, root)
        if path.resolve() in chain:
            circle = " -> ".join(p.name for p in [*chain, path])
            raise ExtendsError(source, f"extends itself: {circle}", "remove extends from one of these files")
        if len(chain) > MAX_BASES:
            raise ExtendsError(source, f"extends more than {MAX_BASES} files in a row")
        chain.append(path.resolve())
        source = read_source(path, str(path))
        yield source


def merged(sources: list[Source]) -> dict[str, Any]:
    """Return the data of a source over those of its bases, which come after it, the nearest first.

    What a source unsets is taken from what it inherits; its own settings then stand alone. Raises ExtendsError for an
    `unset` that names nothing inherited.
    """
    data: dict[str, Any] = {}
    for source in reversed(sources):
        inherited = {key: value for key, value in data.items() if key not in NOT_INHERITED}
        for i, path in enumerate(_unset_by(source)):
            inherited = _without(source, inherited, path, i)
        data = laid_over(inherited, source.data)
    return {key: value for key, value in data.items() if key not in ("extends", UNSET)}


def _unset_by(source: Source) -> Iterator[Path]:
    """Yield what a source unsets."""
    if UNSET not in source.data:
        return
    keys = source.data[UNSET]
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        help_text = 'write a list of dotted keys: unset = ["scheduler", "run.search_seed"]'
        raise ExtendsError(source, f"must be a list of strings, not {show(keys)}", help_text, (UNSET,))
    if "extends" not in source.data:
        help_text = "it takes away what is inherited with extends; remove the setting itself"
        raise ExtendsError(source, "unsets nothing, because the spec extends no other", help_text, (UNSET,))
    for i, key in enumerate(keys):
        path = parse_dotted(key)
        if path is None:
            raise ExtendsError(source, "is not a dotted key", 'write for example "run.search_seed"', (UNSET, i))
        yield path


def _without(source: Source, data: dict[str, Any], path: Path, i: int) -> dict[str, Any]:
    try:
        return dict(removed(data, path))
    except LookupError:
        known = [dotted(found) for found in settings_in(data)]
        message = f"the base does not set {dotted(path)}{did_you_mean(dotted(path), known)}"
        raise ExtendsError(source, message, "remove it from the list", (UNSET, i)) from None


def laid_over(base: Any, top: Any) -> dict[str, Any]:
    """Return `top` over `base`: tables are merged; everything else is replaced, lists of tables included."""
    result: dict[str, Any] = dict(base)
    for key, value in top.items():
        old = base.get(key)
        result[key] = laid_over(old, value) if _merges(old, value) else value
    return result


def _merges(old: Any, new: Any) -> bool:
    """Whether a table is laid over another: not where it names another component, and not where a sweep is."""
    if not isinstance(old, dict) or not isinstance(new, dict) or is_sweep(old) or is_sweep(new):
        return False
    return "name" not in new or new["name"] == old.get("name")


def _base_of(source: Source, root: FilePath) -> tuple[FilePath, FilePath]:
    """Return what a source extends, and the folder that this may not reach out of."""
    text = source.data["extends"]
    if not isinstance(text, str) or not text:
        raise ExtendsError(source, f'must be the name of a file, such as "base.toml", not {show(text)}')
    if text.startswith(SHIPPED):
        return _shipped(source, text), FOLDER.resolve()
    path = FilePath(source.file).parent / text
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
    return path, root


def _shipped(source: Source, text: str) -> FilePath:
    known = shipped_files()
    name = text.removeprefix(SHIPPED).removesuffix(".toml")
    if name not in known:
        names = [f"{SHIPPED}{one}" for one in known]
        by_leaf = {one.rpartition("/")[2]: one for one in names}  # a folder that they share makes no two names alike
        near = nearest(name.rpartition("/")[2], by_leaf)
        message = f"xprun has no {show(text)}{f'; did you mean {by_leaf[near]!r}?' if near else ''}"
        raise ExtendsError(source, message, f"it has {listed(text, names)}")
    return known[name]
