"""Where each key and value of a TOML text stands; imported only when an error must be shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tomli
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

KeyPath = tuple[str | int, ...]
Span = tuple[int, int, int]  # line and column from 1, length; in characters


class Positions:
    """The places of a text; a span is measured when it is asked for, because few of them are."""

    def __init__(self, text: str) -> None:
        source = text.encode()
        self._lines = source.split(b"\n")
        self._tree = Parser(Language(tree_sitter_toml.language())).parse(source)
        self._nodes: dict[tuple[KeyPath, str], Node] = {}
        for path, at, node in _walk(self._tree.root_node, (), {}):
            self._nodes.setdefault((path, at), node)

    def find(self, path: KeyPath, at: str) -> Span | None:
        """Return the span of the key or of the value of exactly this path."""
        node = self._nodes.get((path, at))
        return _span(node, self._lines) if node else None


def declarations(text: str) -> list[tuple[KeyPath, Node]]:
    """Return path and key of every pair and header of a text, in its order."""
    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode())
    found: dict[int, tuple[KeyPath, Node]] = {}
    for path, at, node in _walk(tree.root_node, (), {}):
        if at == "key":
            found.setdefault(node.start_byte, (path, node))  # an element of [[x]] is a place of its own
    return list(found.values())


def _walk(node: Node, base: KeyPath, counts: dict[KeyPath, int]) -> Iterator[tuple[KeyPath, str, Node]]:
    """Yield (path, "key" or "value", node) for everything in a document, table, inline table or array."""
    items = 0
    for child in node.named_children:
        if child.type == "pair":
            yield from _pair(child, base, counts)
        elif child.type in ("table", "table_array_element"):
            yield from _table(child, counts)
        elif node.type == "array" and child.type != "comment":
            yield from _value(child, (*base, items), counts)
            items += 1


def _pair(node: Node, base: KeyPath, counts: dict[KeyPath, int]) -> Iterator[tuple[KeyPath, str, Node]]:
    key, value, *_ = node.named_children  # a comment behind the value is a child, too
    path = (*base, *_parts(key))
    yield path, "key", key
    yield from _value(value, path, counts)


def _value(node: Node, path: KeyPath, counts: dict[KeyPath, int]) -> Iterator[tuple[KeyPath, str, Node]]:
    yield path, "value", node
    yield from _walk(node, path, counts)


def _table(node: Node, counts: dict[KeyPath, int]) -> Iterator[tuple[KeyPath, str, Node]]:
    key = node.named_children[0]
    path: KeyPath = ()
    *parents, last = _parts(key)
    for part in parents:  # [optimizer.x] after [[optimizer]] belongs to the latest optimizer
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    path = (*path, last)
    if node.type == "table_array_element":
        counts[path] = counts.get(path, -1) + 1
        yield path, "key", key
        path = (*path, counts[path])
    yield path, "key", key
    yield from _walk(node, path, counts)


def _parts(key: Node) -> list[str]:
    """Return the parts of a key, `a."b c".d` having three."""
    text = (key.text or b"").decode()
    parts: list[str] = []
    value: Any = tomli.loads(f"{text} = 0")
    while isinstance(value, dict):
        part, value = next(iter(value.items()))
        parts.append(part)
    return parts


def _span(node: Node, lines: list[bytes]) -> Span:
    (row, start), (end_row, end) = node.start_point, node.end_point
    line = lines[row]
    column = len(line[:start].decode())
    return row + 1, column + 1, max(1, len(line[start : end if end_row == row else None].decode()))
