"""What is set a second time in a TOML text, where the first is, and what was probably meant."""

from __future__ import annotations

from dataclasses import dataclass

from tree_sitter import Node
from xprun.specs.language.dotted_paths import Path, dotted
from xprun.specs.language.positions import declarations
from xprun.specs.language.schema import COMPONENT_SECTIONS

REPEATABLE = (*COMPONENT_SECTIONS, "exclude", "expect")


@dataclass(frozen=True, slots=True)
class Repeated:
    """What is wrong with the second one, where it stands in the text, and what would help."""

    reason: str
    position: int
    length: int
    help: str


@dataclass(frozen=True, slots=True)
class _Declared:
    """One key or header: its path, its node, and the node that it belongs to (a pair, a table, an array's element)."""

    path: Path
    key: Node

    @property
    def owner(self) -> Node:
        owner = self.key.parent
        return owner if owner is not None else self.key

    @property
    def is_header(self) -> bool:
        return self.owner.type != "pair"

    @property
    def is_double(self) -> bool:
        return self.owner.type == "table_array_element"

    @property
    def line(self) -> int:
        return self.key.start_point[0] + 1

    @property
    def written(self) -> str:
        """How the key stands in the text: `lr`, `[loss]`, `[[optimizer]]`."""
        key = (self.key.text or b"").decode()
        return f"[[{key}]]" if self.is_double else f"[{key}]" if self.is_header else key

    @property
    def value(self) -> Node | None:
        return None if self.is_header else self.owner.named_children[1]

    def ends(self) -> int:
        return self.key.end_byte if self.is_header else self.owner.end_byte


def find_repeated(text: str, position: int) -> Repeated | None:
    """Return what the declaration that ends at a position of the text repeats, or None where it is not found."""
    end = len(text[:position].encode())
    found = [_Declared(path, key) for path, key in declarations(text)]
    before = [one for one in found if one.key.start_byte < end]
    second = next((one for one in before if one.ends() == end), before[-1] if before else None)
    if second is None:
        return None
    earlier = [one for one in found if one.key.start_byte < second.key.start_byte]
    first = _first(second, earlier)
    if first is None:
        return None
    begins = len(text.encode()[: second.key.start_byte].decode())
    length = len((second.key.text or b"").decode())
    reason, help_text = _words(first, second)
    return Repeated(reason, begins, length, help_text)


def _first(second: _Declared, earlier: list[_Declared]) -> _Declared | None:
    """Return what the second repeats: the same path, one inside which it lies, or one that lies inside it."""
    path = second.path
    same = [one for one in earlier if one.path == path]
    around = [one for one in earlier if not one.is_header and path[: len(one.path)] == one.path]
    inside = [one for one in earlier if one.path[: len(path)] == path]
    return next(iter([*same, *around, *inside]), None)


def _words(first: _Declared, second: _Declared) -> tuple[str, str]:
    name, line = dotted(second.path), first.line
    if first.is_header:
        return f"{first.written} is there already, at line {line}", _header_twice(first, second)
    value = first.value
    kind = value.type if value else ""
    if not second.is_header and first.path == second.path:
        return f"{name} is set already, at line {line}", _key_twice(first, second)
    if len(first.path) > len(second.path):
        inner = dotted(first.path[len(second.path) :])
        help_text = f"write {inner} = {_text(value)} under {second.written}, and remove line {line}"
        return f"{name} is there already, by {first.written} at line {line}", help_text
    return f"{dotted(first.path)} is set already, at line {line}", _closed(first, second, kind)


def _header_twice(first: _Declared, second: _Declared) -> str:
    double = f"[[{dotted(second.path)}]]"
    if not second.is_header:
        return f"write its settings under {first.written}"
    if len(second.path) > 1 or second.path[0] not in REPEATABLE:
        return f"write these settings under the first {first.written}"
    where = f"at line {first.line}, too" if second.is_double else "here, too" if first.is_double else "in both places"
    why = ": each one is an alternative" if second.path[0] in COMPONENT_SECTIONS else ""
    return f"write {double} {where}{why}"


def _key_twice(first: _Declared, second: _Declared) -> str:
    values = [_text(first.value), _text(second.value)]
    swept = f", or try both: {second.path[-1]} = {{ grid = [{', '.join(values)}] }}"
    plain = {"integer", "float", "string", "boolean"}
    is_setting = (
        len(second.path) > 1 and second.path[0] in COMPONENT_SECTIONS and second.path[-1] not in ("name", "label")
    )
    both_plain = all(one.value is not None and one.value.type in plain for one in (first, second))
    return "remove one of them" + (swept if is_setting and both_plain and values[0] != values[1] else "")


def _closed(first: _Declared, second: _Declared, kind: str) -> str:
    """Return what helps where the first is a whole value, to which nothing can be added."""
    section, rest = dotted(first.path), dotted(second.path[len(first.path) :])
    if kind == "inline_table":
        more = f", or write both as [[{section}]]" if not rest and section in REPEATABLE else ""
        return f"write {rest or 'its settings'} inside the braces at line {first.line}{more}"
    if kind == "array":
        return f"add it to the list at line {first.line}, or write each item of that as [[{section}]]"
    if kind == "string" and len(first.path) == 1:
        return f"write name = {_text(first.value)} under [{section}], and remove line {first.line}"
    return f"it is {_text(first.value)}, so it has no settings: remove one of them"


def _text(value: Node | None) -> str:
    text = (value.text or b"").decode() if value else ""
    return text if "\n" not in text and len(text) <= 60 else "..."
