"""The alternatives of a section, with their sweeps as axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xprun.specs.language.diagnostics import Diagnostic, Diagnostics
from xprun.specs.language.dotted_paths import Path, replaced
from xprun.specs.language.folds import FOLD, K_FOLDS, fold_problems, folds_of
from xprun.specs.language.keywords import LISTED
from xprun.specs.language.other_notations import meant_instead
from xprun.specs.language.overrides import Values, as_alternatives
from xprun.specs.language.sweeps import is_random, is_sweep, read_sweep
from xprun.specs.language.wording import never_swept, show

COMMON_KEYS = ("name", "label")
DRAWN_TOGETHER = "random sweeps"  # the tag of random sweeps that are written without `with`


@dataclass(frozen=True)
class Axis:
    """A swept setting: its path inside its section, and its values.

    Axes with the same `tag` move together. `options` are the values as they are listed in the document at `listed_at`,
    where they are; one that another setting implies is `listed_at` that. `is_open`:
    they are a list from `--set`, which may be meant as the setting's one value. `drawn` is the table of a random one.
    """

    path: Path
    values: Sequence[Any]
    tag: str | None = None
    options: list[Any] | None = None
    listed_at: Path = ()
    is_open: bool = False
    drawn: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_random(self) -> bool:
        return bool(self.drawn)

    @property
    def key(self) -> str:
        """The setting of the section in which the axis is."""
        return str(self.path[0])

    def inside(self, alternative: Alternative) -> Path:
        """Return where the axis stands in the document."""
        implied = self.options is None and self.listed_at
        return self.listed_at if implied else (*alternative.path, *self.path)


@dataclass(frozen=True)
class Alternative:
    """One way to fill a section: a component's name, its constant settings and its axes.

    `path` is where it stands in the document. `settings` hold each axis' first value. `shown` are settings that tables
    show although they are not swept. `fingerprint` identifies the component's sources; where these are several files,
    `reads` has a hash of each by its name, and `not_read` is what could not be looked at. `cache_neutral` names
    settings that change no result, `absent_by_default` those, with their defaults, that change none at these, `ordered`
    tables in which the order of keys counts. `defaults` are those of swept settings, where these have one. `own_parts`
    are the rows that a data set itself keeps apart. `sums`: a loss adds up over its rows, whatever its settings.
    `frameworks` of `[run]` are what each backend but torch is made of,
    hashes and versions by name. All this and the defaults are filled in by whoever knows the
    components.
    """

    section: str
    path: Path
    name: str
    settings: dict[str, Any]
    axes: tuple[Axis, ...] = ()
    label: str = ""
    written: tuple[str, ...] = ()
    fingerprint: str = ""
    reads: Mapping[str, str] = field(default_factory=dict)
    not_read: tuple[str, ...] = ()
    cache_neutral: frozenset[str] = frozenset()
    absent_by_default: Mapping[str, Any] = field(default_factory=dict)
    ordered: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    own_parts: frozenset[str] = frozenset()
    sums: bool = False
    shown: tuple[Path, ...] = ()
    told: frozenset[Path] = frozenset()
    frameworks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def with_value(self, axis: Axis) -> Alternative:
        """Return the alternative in which an axis is the setting's one value, a list."""
        settings = replaced(self.settings, axis.path, list(axis.values))
        return replace(self, settings=settings, axes=tuple(a for a in self.axes if a is not axis))


def read_alternatives(data: dict[str, Any], section: str, problems: Diagnostics, seed: int) -> Iterator[Alternative]:
    """Yield the alternatives of a section that is written once, `[x]`, or several times, `[[x]]`."""
    written = data.get(section, [])
    if written == [] and section in data:
        help_text = f'write [[{section}]] with name = "...", once for each alternative'
        problems.append(Diagnostic((section,), "has no alternatives", help_text))
    for path, table in tables_of(data, section):
        if isinstance(table, dict):
            yield from read_alternative(section, path, table, problems, seed)
        else:
            name = table if isinstance(table, str) else "..."
            help_text = f'name the component: [{section}] name = "{name}"'
            problems.append(Diagnostic(path, f"must be a table, not {show(table)}", help_text))


def tables_of(data: dict[str, Any], section: str) -> Iterator[tuple[Path, Any]]:
    """Yield path and content of each table of a section, however often it is written."""
    written = data.get(section, [])
    if isinstance(written, list):
        yield from (((section, i), table) for i, table in enumerate(written))
    else:
        yield (section,), written


def read_alternative(
    section: str, path: Path, table: dict[str, Any], problems: Diagnostics, seed: int
) -> Iterator[Alternative]:
    """Yield the alternative that a table describes, or nothing when it does not name its component."""
    name = table.get("name", "layers" if section == "model" and "layers" in table else None)
    label = table.get("label", "")
    if not isinstance(name, str):
        wrong = "is missing" if name is None else f"must be a string, not {show(name)}"
        help_text = f'name the component: [{section}] name = "..."'
        swept = table if name is None and is_sweep(table) else name
        if isinstance(swept, list) or is_sweep(swept):
            listed = swept.get("grid") if isinstance(swept, dict) else swept
            names = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
            given = problems.document.set_key((*path, "name")) and not path[1:]
            instead = as_alternatives(section, names) if given else f"[[{section}]] once for each"
            wrong, help_text = "cannot be swept", f"each component is an alternative: write {instead}"
        problems.append(Diagnostic((*path, "name"), wrong, help_text))
    if is_sweep(label):
        problems.append(never_swept((*path, "label")))
    elif not isinstance(label, str) or (label == "" and "label" in table):
        meant = meant_instead(label, {"string"})
        problems.append(Diagnostic((*path, "label"), f"must be a string, not {show(label)}", meant=meant))
    settings = {key: value for key, value in table.items() if key not in COMMON_KEYS}
    written = tuple(settings)
    settings, axes = split_axes(settings, path, problems, seed)
    if section == "data":
        problems += fold_problems(table, [axis.key for axis in axes], path)
        settings, axes = _with_folds(settings, axes, path)
    if isinstance(name, str):
        yield Alternative(section, path, name, settings, axes, str(label), written)


def _with_folds(
    settings: dict[str, Any], axes: tuple[Axis, ...], path: Path
) -> tuple[dict[str, Any], tuple[Axis, ...]]:
    """Return the settings and sweeps of a data set with that over its folds, where it asks for some."""
    folds = folds_of(settings)
    if not folds:
        return settings, axes
    return {**settings, FOLD: 0}, (*axes, Axis((FOLD,), folds, listed_at=(*path, K_FOLDS)))


def split_axes(
    settings: dict[str, Any], path: Path, problems: Diagnostics, seed: int
) -> tuple[dict[str, Any], tuple[Axis, ...]]:
    """Return the settings with each sweep's first value in its place, and the sweeps as axes, empty if wrong."""
    axes = []
    found = [found for key, value in settings.items() for found in _find_sweeps(value, (key,))]
    for inner, sweep in found:  # a section is itself no sweep, whatever its keys are called
        axis, wrong = _read_axis(sweep, path, inner, seed)
        problems += wrong
        settings = replaced(settings, inner, axis.values[0] if len(axis.values) else None)
        axes.append(axis)
    return settings, tuple(axes)


def _read_axis(sweep: Any, path: Path, inner: Path, seed: int) -> tuple[Axis, list[Diagnostic]]:
    whole = path + inner
    if isinstance(sweep, Values):
        return Axis(inner, sweep, options=list(sweep), listed_at=whole, is_open=True), []
    values, problems = read_sweep(sweep, whole, seed)
    drawn = is_random(sweep)
    tag = sweep.get("with", DRAWN_TOGETHER if drawn else None)
    axis = Axis(inner, values, tag if isinstance(tag, str) else None, drawn=sweep if drawn else {})
    word = next((word for word in LISTED if word in sweep), None)
    if word is not None and not problems:
        axis = replace(axis, options=sweep[word], listed_at=(*whole, word))
    return axis, problems


def _find_sweeps(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if is_sweep(value) or isinstance(value, Values):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _find_sweeps(inner, (*path, key))
