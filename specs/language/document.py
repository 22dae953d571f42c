"""A spec as it is read: its data, with `extends`, `--set` and `${...}` followed, and the place of everything in it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from xprun.specs.language.diagnostics import CONTROL, Diagnostic, Diagnostics, SpecError, printable
from xprun.specs.language.dotted_paths import Path as KeyPath
from xprun.specs.language.dotted_paths import at as value_at
from xprun.specs.language.dotted_paths import dotted
from xprun.specs.language.extends import MAX_BASES, ExtendsError, follow, merged
from xprun.specs.language.library import FOLDER, shipped_specs
from xprun.specs.language.listed_problems import TASK, ListedProblem, read_problems
from xprun.specs.language.overrides import Override, OverrideError, apply, read_override
from xprun.specs.language.references import Reference, resolve_references
from xprun.specs.language.schema import PROBLEM_SECTION
from xprun.specs.language.source import MAX_INTEGER, Source, Span, TextError, parse, parse_plainly, read_source
from xprun.specs.language.wording import listed, nearest, show

LONGEST_WRITTEN = 12  # characters of a number that is shown as it is written
SET = "--set"  # the file, and the path, of what is given there


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a line: `line` and `column` count from 1, columns are characters. `rank` orders the files."""

    file: str
    line: int = 0
    column: int = 0
    length: int = 0
    source: str = ""
    rank: int = 0

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def position(self) -> tuple[int, int]:
        return self.line, self.column


@dataclass
class Document:
    """The text of a spec and what it says.

    `bases` are the files it extends, the nearest first; `overrides` are values given with `--set`; `references` say
    what each `${...}` stands for, and `problems` which of them lead nowhere. All of it is kept in order to tell where a
    value came from. `listed` are the documents of its `[[problem]]`s, by their number: each is one of a spec, with a
    `label`; its paths are those inside of that. `own` is the table of one, the first `own_bases` are what that extends,
    and `ranks` are those of its files.
    """

    file: str
    text: str
    data: dict[str, Any]
    bases: list[Source] = field(default_factory=list)
    overrides: list[Override] = field(default_factory=list)
    references: dict[KeyPath, Reference] = field(default_factory=dict)
    broken: Place | None = None
    sets: tuple[str, ...] = ()
    problems: list[Diagnostic] = field(default_factory=list)
    listed: dict[int, Document] = field(default_factory=dict)
    label: str = ""
    own: Source | None = None
    ranks: tuple[int, ...] = ()
    own_bases: int = 0

    def __post_init__(self) -> None:
        self._own = self.own or Source(self.file, self.text, self.data)

    def place(self, path: KeyPath, at: Literal["key", "value"] = "value") -> Place:
        """Return where the key or value of a path stands, or the nearest thing around it that exists."""
        if self.broken:
            return self.broken
        if inside := self._inside(path):
            return inside.place(path[2:], at)
        if path[:1] == (SET,):
            number = int(path[1])
            text = self.sets[number - 1]
            return Place(SET, number, 1, max(1, len(text)), text, rank=-1)
        for number in range(len(self.overrides), 0, -1):
            override = self.overrides[number - 1]
            if span := override.find(path, at):
                return Place(SET, number, *span, override.text, rank=-1)
        rank, source = self._owner(path)
        line, column, length = _nearest(source, path, at)
        text = source.line(line) if length else ""
        rank = self.ranks[rank] if self.ranks else rank
        return Place(source.file, line, column, min(length, len(text) - column + 1), text, rank)

    def _inside(self, path: KeyPath) -> Document | None:
        """Return the problem in which a path lies."""
        is_inside = path[:1] == (PROBLEM_SECTION,) and len(path) > 2
        return self.listed.get(path[1]) if is_inside and isinstance(path[1], int) else None

    def set_key(self, path: KeyPath) -> str:
        """Return the dotted key with which `--set` gives the value at a path, or nothing where a file does."""
        if inside := self._inside(path):
            return inside.set_key(path[2:])
        for override in reversed(self.overrides):
            if override.covers(path):
                return override.key if override.gives(path) else dotted(path)
        return ""

    def written(self, path: KeyPath, value: Any) -> str:
        """Return a plain value as it is written at a path, `1e-3`, and a string without its quotes."""
        if isinstance(value, str):
            return value
        place = self.place(path)
        text = place.source[place.column - 1 : place.column - 1 + place.length]
        try:
            is_whole = parse_plainly(f"x = {text}") == {"x": value}
        except (TextError, ValueError, RecursionError):
            is_whole = False
        if is_whole and len(text) <= LONGEST_WRITTEN:
            return text
        return f"{value:.6g}" if isinstance(value, float) else show(value)

    def is_inherited(self, path: KeyPath) -> bool:
        """Whether the key of a path stands in a spec that this one extends; or, of a problem, in one that lists it."""
        if inside := self._inside(path):
            return inside.is_inherited(path[2:])
        return not any(override.find(path, "key") for override in self.overrides) and self._owner(path)[0] > 0

    def home(self, path: KeyPath) -> str:
        """Return the spec in whose folder the file is that a value names.

        It is the one that is read; what a problem says of itself, or a shipped spec, is beside that.
        """
        _, source = self._owner(path)
        is_elsewhere = self.own is not None or Path(source.file).parent.resolve().is_relative_to(FOLDER.resolve())
        given = any(override.find(path, "value") for override in self.overrides)
        return source.file if is_elsewhere and not given else self.file

    def is_of_all(self, path: KeyPath) -> bool:
        """Whether what stands at a path of a problem is said by the spec that lists it, and so on all problems."""
        return any(o.find(path, "value") for o in self.overrides) or self._owner(path)[0] > self.own_bases

    def note(self, path: KeyPath) -> str:
        """Return where the value at a path comes from when it is a reference, or nothing."""
        if inside := self._inside(path):
            return inside.note(path[2:])
        for length in range(len(path), 0, -1):
            if reference := self.references.get(path[:length]):
                return f"{reference.text} is set at {self.place(reference.target).name}"
        return ""

    def as_run(self) -> str:
        """Return the text of the spec, and as comments whatever else decided its runs."""
        sets = "".join(f"# --set {line}\n" for override in self.overrides for line in override.text.splitlines())
        bases = "".join(
            f"\n# {source.file}, which the above extends:\n"
            + "".join(f"# {line}\n" for line in source.text.splitlines())
            for source in self._every_base()
        )
        return sets + self.text + bases

    def _every_base(self) -> list[Source]:
        """Return the files that decide the runs beside the spec's own, those of its problems included."""
        files = {source.file: source for source in self.bases}
        for problem in self.listed.values():
            files |= {source.file: source for source in problem.bases if source.file not in (*files, self.file)}
        return list(files.values())

    def _owner(self, path: KeyPath) -> tuple[int, Source]:
        """Return the file that the value at a path comes from, with its rank."""
        candidates = list(enumerate([self._own, *self.bases]))
        for length in range(1, len(path) + 1):
            holding = [(rank, source) for rank, source in candidates if _has(source.data, path[:length])]
            if not holding:
                break
            is_table = isinstance(value_at(holding[0][1].data, path[:length]), dict)
            candidates = holding if is_table else holding[:1]
        return candidates[0]


def read_document(path: Path, sets: tuple[str, ...] = (), if_missing: str = "") -> Document:
    """Read a spec, what it extends and the `--set key=value` texts, and follow its references.

    `if_missing` is what helps where there is no such file, in the place of the names of others.

    Raises SpecError when a file is missing, too large, not UTF-8 or not TOML, when `extends` leads nowhere or in a
    circle, and for `--set` texts that make no sense. References that lead nowhere are among its `problems`.
    """
    return _complete(_read(path, Document(str(path), "", {}), if_missing), sets)


def read_text(text: str, file: str, sets: tuple[str, ...] = ()) -> Document:
    """Read the text of a spec, which errors call `file`; raise SpecError as `read_document` does."""
    try:
        return _complete(Source(file, text, parse(text)), sets)
    except TextError as error:
        error.source_line = text.split("\n")[error.line - 1] if error.line else ""
        raise _unreadable(Document(file, text, {}), error) from None


def _complete(own: Source, sets: tuple[str, ...]) -> Document:
    document = Document(own.file, own.text, own.data)
    try:
        document.bases = list(follow(own))
        document.data = merged([own, *document.bases])
    except ExtendsError as error:
        raise SpecError(_alone(error.source), [error.problem]) from None
    except TextError as error:
        raise _unreadable(Document(error.file, "", {}), error) from None
    _override(document, sets)
    _refuse_foreign_values(document)
    _read_listed(document)
    listed = {key: value for key, value in document.data.items() if key == PROBLEM_SECTION}
    problems = Diagnostics(document)
    rest = {key: value for key, value in document.data.items() if key != PROBLEM_SECTION}
    rest, document.references = resolve_references(rest, problems)
    document.data, document.problems = rest | listed, problems
    return document


def _read_listed(document: Document) -> None:
    """Read the problems that a document lists; raise SpecError where a file that one extends cannot be read."""
    if PROBLEM_SECTION not in document.data:
        return
    rank, source = document._owner((PROBLEM_SECTION,))
    root = Path(source.file if rank and not _is_below(source, document) else document.file).parent.resolve()
    files = [document._own, *document.bases]
    try:
        for problem in read_problems(document.data, source, root):
            document.listed[problem.number] = _listed(document, problem, files, rank)
    except ExtendsError as error:
        raise SpecError(_alone(error.source), [error.problem]) from None
    except TextError as error:
        raise _unreadable(Document(error.file, "", {}), error) from None


def _is_below(source: Source, document: Document) -> bool:
    """Whether a file lies in the folder of a document: a shipped list of problems reaches from its own folder."""
    return Path(source.file).resolve().is_relative_to(Path(document.file).parent.resolve())


def _listed(document: Document, problem: ListedProblem, files: list[Source], rank: int) -> Document:
    """Return the document of a problem: its table, what that extends, and then the spec that lists it."""
    behind = len(files) + (MAX_BASES + 1) * problem.number
    ranks = (rank, *range(behind, behind + len(problem.bases)), *range(len(files)))
    found = Document(
        document.file,
        document.text,
        problem.data,
        [*problem.bases, *files],
        sets=document.sets,
        label=problem.label,
        own=problem.own,
        ranks=ranks,
        own_bases=len(problem.bases),
    )
    for override in document.overrides:
        found.overrides.append(override.inside((PROBLEM_SECTION, problem.number)))
        if override.path[0] in TASK:
            with suppress(OverrideError):  # told of the spec, or of no place in this problem
                found.data = apply(found.data, override)
    _refuse_foreign_values(found)
    problems = Diagnostics(found)
    found.data, found.references = resolve_references(found.data, problems)
    found.problems = problems
    return found


def _read(path: Path, document: Document, if_missing: str) -> Source:
    try:
        return read_source(path, str(path))
    except TextError as error:
        if not _exists(path):
            error.help = error.help or if_missing or _neighbours(path)
        elif path.is_dir():
            error.help = error.help or _specs_in(path)
        elif path.suffix not in (".toml", ""):
            help_text = _OTHER_FILES.get(path.suffix.lower(), "")
            error = TextError("is not a spec, which is a TOML file", 1, 1, help_text, str(path))
        raise _unreadable(document, error) from None


_AS_TOML = "in a spec a section is written [optimizer], and a setting lr = 0.1; xprun init starts one"
_OTHER_FILES = {
    ".py": "components of your own are given with --plugin FILE, next to a spec",
    ".csv": "a spec names a table of data under [data]: file = ...; xprun report FOLDER reads results",
    ".yaml": _AS_TOML,
    ".yml": _AS_TOML,
    ".json": _AS_TOML,
}


def _specs_in(path: Path) -> str:
    """Return which specs there are in a folder."""
    found = sorted(one.name for one in path.glob("*.toml"))
    return (
        f"specs in that folder: {listed('', [str(path / name) for name in found])}"
        if found
        else "name a spec, a TOML file"
    )


def _unreadable(document: Document, error: TextError) -> SpecError:
    document.broken = Place(document.file, error.line, error.column, error.length, error.source_line)
    return SpecError(document, [Diagnostic((), error.reason, error.help)])


def _alone(source: Source) -> Document:
    return Document(source.file, source.text, source.data, own=source)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _neighbours(path: Path) -> str:
    try:
        found = sorted(p.name for p in path.parent.glob("*.toml") if p.name != "pyproject.toml")
    except (OSError, ValueError):
        found = []
    shipped = list(shipped_specs())
    by_stem = {name.removesuffix(".toml"): name for name in found}
    near_stem = nearest(path.name, by_stem)
    near = by_stem.get(path.name) or nearest(path.name, [*found, *shipped])
    near = near if near in found or near_stem is None else by_stem[near_stem]
    meant = f"did you mean {near}?\n" if near else ""
    beside = f"specs in that folder: {listed(path.name, found)}\n" if found else ""
    return f"{meant}{beside}specs that come with xprun: {listed(path.name, shipped)}"


def _override(document: Document, sets: tuple[str, ...]) -> None:
    """Put the values of `--set` into the document's data; raise SpecError with all that make no sense."""
    document.sets, problems = sets, Diagnostics(document)
    for number, text in enumerate(sets, 1):
        try:
            override = read_override(text)
            document.data = apply(document.data, override)
            document.overrides.append(override)
        except OverrideError as error:
            problems.append(Diagnostic((SET, number), str(error), error.help))
    if problems:
        raise SpecError(document, problems)


def _refuse_foreign_values(document: Document) -> None:
    """Raise SpecError for what TOML knows and a spec has no use for.

    That is dates, numbers beyond 64 bits, and control characters in texts and keys.
    """
    problems = Diagnostics(document)
    for path, value in _leaves(document.data, ()):
        texts = "".join(part for part in (*path, value) if isinstance(part, str))
        if control := CONTROL.search(texts):
            problems.append(Diagnostic(path, f"contains the control character {printable(control[0])}", "remove it"))
        elif isinstance(value, datetime.date | datetime.time):
            problems.append(Diagnostic(path, "is a date or a time; no setting takes one", "strings need quotes"))
        elif isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
            problems.append(Diagnostic(path, "is an integer of more than 64 bits", "write a smaller one"))
    if problems:
        raise SpecError(document, problems)


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _has(data: Any, path: KeyPath) -> bool:
    try:
        value_at(data, path)
    except LookupError:
        return False
    return True


def _nearest(source: Source, path: KeyPath, at: str) -> Span:
    """Return the span of a path, or of the nearest thing around it; `[x]` stands for `[[x]]` written once."""
    while path:
        single = (path[0], *path[2:]) if path[1:2] == (0,) else path
        if found := source.find(path, at) or source.find(single, at):
            return found
        path = path[:-1]
    return source.find((), at) or (1, 1, 0)
