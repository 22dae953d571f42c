"""The text of one TOML file, its data, and where everything in it stands."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import tomli
from xprun.specs.language.dotted_paths import MAX_PARTS, Path

if TYPE_CHECKING:
    import pathlib

    from xprun.specs.language.positions import Positions

MAX_BYTES = 250_000
MAX_DEPTH = 64
MAX_INTEGER = 2**63  # what TOML guarantees

Span = tuple[int, int, int]  # line and column from 1, length; in characters


class TextError(Exception):
    """A file holds no TOML that a spec could be: why, and where (line 0 for the whole of it)."""

    def __init__(
        self, reason: str, line: int = 0, column: int = 0, help_text: str = "", file: str = "", length: int = 1
    ) -> None:
        super().__init__(reason)
        self.length = length
        self.reason, self.line, self.column, self.help = reason, line, column, help_text
        self.file, self.source_line = file, ""


@dataclass
class Source:
    """A text and what it says. `file` is its name as the user gave it."""

    file: str
    text: str
    data: dict[str, Any]

    def find(self, path: Path, at: str) -> Span | None:
        """Return where the key or value of exactly this path stands."""
        positions = self._positions
        return positions.find(path, at) or positions.find(path, "key") or positions.find(path, "value")

    def line(self, number: int) -> str:
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")  # not splitlines: a form feed in a text ends no line

    @cached_property
    def _positions(self) -> Positions:
        from xprun.specs.language.positions import Positions

        return Positions(self.text)


def decode(content: bytes) -> str:
    """Return the text of a file, its line ends as `\\n`. Raises TextError when it is too large or not UTF-8."""
    if len(content) > MAX_BYTES:
        raise TextError(f"is larger than the limit of {MAX_BYTES:,} bytes")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TextError("is UTF-16, not UTF-8", 1, 1, "save it as UTF-8 (PowerShell: Out-File -Encoding utf8)")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        wrong = TextError(f"is not UTF-8 (byte 0x{content[error.start]:02x})", line, column, "save it as UTF-8")
        wrong.source_line = content.split(b"\n")[line - 1].decode(errors="replace").rstrip("\r")
        raise wrong from None


def parse(text: str) -> dict[str, Any]:
    """Return the data of a TOML text. Raises TextError with the place of what is wrong."""
    try:
        return parse_plainly(text)
    except tomli.TOMLDecodeError as error:
        raise _what_is_wrong(text, error) from None
    except RecursionError:
        raise TextError("invalid TOML: nested too deeply") from None
    except ValueError:  # Python refuses to read a number of thousands of digits
        raise TextError("invalid TOML: a number has too many digits") from None


def parse_plainly(text: str) -> dict[str, Any]:
    """Return the data of a TOML text; raise TextError where it is nested too deeply, ValueError where it is no TOML."""
    _refuse_depth(text)
    return tomli.loads(text)


def _what_is_wrong(text: str, error: tomli.TOMLDecodeError) -> TextError:
    from xprun.specs.language.toml_mistakes import explain

    mistake = explain(text, error.msg, error.pos)
    line = text.count("\n", 0, mistake.position) + 1
    column = mistake.position - text.rfind("\n", 0, mistake.position)
    return TextError(mistake.reason, line, column, mistake.help, length=mistake.length)


_TOKENS = re.compile(
    r'"""(?:[^\\"]|\\.|"(?!""))*+(?:"""|\Z)'
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\.)*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+"
    r"|[\[\]{}.=,\n]",
    re.DOTALL,
)


def _refuse_depth(text: str) -> None:
    """Raise TextError for brackets or dotted keys so deep that reading them would take long."""
    depth = parts = 0
    for token in _TOKENS.finditer(text):
        sign = token[0]
        if sign == ".":
            parts += 1
        elif sign in "=,\n[]{}":
            parts = 0
            depth = max(0, depth + (sign in "[{") - (sign in "]}"))
        if depth > MAX_DEPTH or parts >= MAX_PARTS:
            what = "brackets are nested" if depth > MAX_DEPTH else "a dotted key is nested"
            line = text.count("\n", 0, token.start()) + 1
            column = token.start() - text.rfind("\n", 0, token.start())
            raise TextError(f"{what} more than {MAX_PARTS} levels deep", line, column)


def read_source(path: pathlib.Path, file: str) -> Source:
    """Return the source in a file, which errors call `file`. Raises TextError when it is no TOML text."""
    text = ""
    try:
        with path.open("rb") as stream:
            text = decode(stream.read(MAX_BYTES + 1))
        return Source(file, text, parse(text))
    except TextError as error:
        error.file = file
        if text:
            error.source_line = text.split("\n")[error.line - 1]
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TextError(f"cannot be read: {reason[0].lower()}{reason[1:]}", file=file) from None
