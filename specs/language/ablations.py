"""`[ablate]`: for each of its keys the runs of the spec once more, with that one setting changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from xprun.specs.language.alternatives import COMMON_KEYS, Alternative, read_alternative, split_axes, tables_of
from xprun.specs.language.diagnostics import Diagnostic, Diagnostics
from xprun.specs.language.dotted_paths import Path, dotted, replaced
from xprun.specs.language.filters import flattened, read_key
from xprun.specs.language.schema import OPTIONAL_SECTIONS
from xprun.specs.language.wording import show


@dataclass(frozen=True)
class Ablation:
    """One changed setting: where it stands in `[ablate]`, and the section's alternatives with it."""

    path: Path
    section: str
    setting: Path
    value: Any
    alternatives: tuple[Alternative, ...]

    def moved(self, problem: Diagnostic, alternative: Alternative) -> Iterator[Diagnostic]:
        """Yield a problem of a changed alternative at its place in `[ablate]`, unless the base has it, too."""
        yield from _moved(problem, (*alternative.path, *self.setting), self.path)


def read_ablations(data: dict[str, Any], problems: Diagnostics, seed: int) -> Iterator[Ablation]:
    """Yield the ablations of a spec."""
    written = data.get("ablate")
    if written is not None and (not isinstance(written, dict) or not written):
        help_text = 'write for example "optimizer.momentum" = 0.0'
        problems.append(Diagnostic(("ablate",), f"must be a table of settings, not {show(written)}", help_text))
    elif written:
        for key, path, value in flattened(written, ("ablate",)):
            yield from _ablation(key, path, value, data, problems, seed)


def _ablation(
    key: str, path: Path, value: Any, data: dict[str, Any], problems: Diagnostics, seed: int
) -> Iterator[Ablation]:
    target = read_key(key, path, problems)
    if target is None:
        return
    section, *rest = target
    which, setting = (rest[0], rest[1:]) if rest and isinstance(rest[0], int) else (None, rest)
    if not setting or setting[0] in COMMON_KEYS:
        help_text = f"write another component as an alternative: [[{section}]]"
        problems.append(Diagnostic(path, 'must name a setting, such as "optimizer.lr"', help_text, "key"))
        return
    if section in OPTIONAL_SECTIONS and section not in data:
        problems.append(Diagnostic(path, f"the spec has no [{section}]", f"write [{section}] first", "key"))
        return
    tables = [(at, table) for at, table in tables_of(data, str(section)) if isinstance(table, dict)]
    chosen = tables if which is None else [(at, table) for at, table in tables if at[1:] == (which,)]
    changed = [(at, _changed(table, tuple(setting), value)) for at, table in chosen]
    alternatives: list[Alternative] = []
    scratch = Diagnostics(problems.document)
    for at, table in changed:
        if table is not None:
            alternatives += _read(str(section), at, table, scratch, seed)
            problems += (moved for problem in scratch for moved in _moved(problem, (*at, *setting), path))
    if tables and not any(table is not None for _, table in changed):
        whole = dotted((section, setting[0]))
        help_text = f'change {whole} as a whole: "{whole}" = ...' if len(setting) > 1 else ""
        message = f"[{section}] has no such setting"
        problems.append(Diagnostic(path, message, help_text, "key", about=((str(section),),)))
    yield Ablation(path, str(section), tuple(setting), value, tuple(alternatives))


def _read(section: str, path: Path, table: dict[str, Any], problems: Diagnostics, seed: int) -> Iterator[Alternative]:
    if section == "run":
        settings, axes = split_axes(table, path, problems, seed)
        yield Alternative("run", path, "run", settings, axes)
    else:
        yield from read_alternative(section, path, table, problems, seed)


def _moved(problem: Diagnostic, inside: Path, to: Path) -> Iterator[Diagnostic]:
    if problem.path[: len(inside)] == inside:
        yield replace(problem, path=to + problem.path[len(inside) :])


def _changed(table: dict[str, Any], setting: Path, value: Any) -> dict[str, Any] | None:
    """Return a table with a setting changed, or None when it has no place for it."""
    try:
        return dict(replaced(table, setting, value))
    except (LookupError, TypeError, AttributeError):
        return None
