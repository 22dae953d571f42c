"""What is wrong with a text that is no TOML, and the fix; imported only when an error must be shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from xprun.specs.language.other_notations import bare_word, is_toml, meant_by
from xprun.specs.language.repeated_keys import find_repeated

LONGEST = 300  # characters of a line that are looked at


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, where in the text (from 0, in characters), and what would help."""

    reason: str
    position: int
    length: int = 1
    help: str = ""


def explain(text: str, reason: str, position: int) -> Mistake:
    """Return what is wrong with a text that the TOML library gave up at a position, with these words of its own."""
    if reason.startswith(("Cannot", "Duplicate")) and (repeated := find_repeated(text, position)):
        return Mistake(repeated.reason, repeated.position, repeated.length, repeated.help)
    around = _Around(text, reason, position)
    looks = _LOOKS if position - around.start < LONGEST else ()
    found = next((mistake for look in looks if (mistake := look(around))), None)
    plain = f"invalid TOML: {reason[0].lower()}{reason[1:]}"
    return found or Mistake(plain, position)


@dataclass(frozen=True)
class _Around:
    """The text, what the library says of it, and what stands around the place where it gave up."""

    text: str
    reason: str
    position: int

    @property
    def start(self) -> int:
        """Where the line begins."""
        return self.text.rfind("\n", 0, self.position) + 1

    @property
    def line(self) -> str:
        """The line, without a comment that ends it."""
        end = self.text.find("\n", self.start)
        line = self.text[self.start : end if end >= 0 else None][:LONGEST]
        return re.sub(r"""^((?:[^"'#]|"[^"]*"|'[^']*')*)#.*""", r"\1", line).rstrip()

    @property
    def before(self) -> str:
        return self.line[: self.position - self.start]

    @property
    def after(self) -> str:
        return self.line[self.position - self.start :]

    @property
    def value(self) -> tuple[str, int]:
        """The value that could not be read, to the end of the line or of its place in brackets, and where it begins."""
        at = max(self.before.rfind(sign) for sign in "=[,{") + 1
        rest = self.line[at:]
        if self.opened:
            rest = re.match(r"""(?:\([^)]*\)|"[^"]*"|'[^']*'|[^,\]}])*""", rest)[0]  # type: ignore[index]
        blank = len(rest) - len(rest.lstrip())
        return rest.strip(), self.start + at + blank

    @property
    def opened(self) -> list[int]:
        """The places of the brackets that are open here."""
        stack: list[int] = []
        for token in _TOKENS.finditer(self.text, 0, self.position):
            if token[0] in "[{":
                stack.append(token.start())
            elif token[0] in "]}" and stack:
                stack.pop()
        return stack


_TOKENS = re.compile(
    r'"""(?:[^\\"]|\\.|"(?!""))*+(?:"""|\Z)|\'\'\'(?:[^\']|\'(?!\'\'))*+(?:\'\'\'|\Z)'
    r'|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|\#[^\n]*+|[\[\]{}]',
    re.DOTALL,
)


_AS_TOML = "in a spec a section is written [optimizer], and a setting lr = 0.1; xprun init starts one"


def _another_format(around: _Around) -> Mistake | None:
    head = around.text.lstrip()[:LONGEST]
    first = around.text[: around.position].strip() == ""
    if first and head.startswith("{"):
        return Mistake("is JSON, not TOML", around.position, 1, _AS_TOML)
    if first and head.startswith("<") and not head.startswith("<<<"):
        return Mistake("is not TOML", around.position, 1, _AS_TOML)
    if around.line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        return Mistake("has a merge conflict", around.start, 7, "keep one of the two sides and remove the marks")
    if "\0" in around.text:
        return Mistake("holds null bytes, so it is no text in UTF-8", around.position, 1, "save it as UTF-8")
    return None


def _odd_character(around: _Around) -> Mistake | None:
    """Return a character that looks like another one or like none: a space that is none, a minus sign of typography."""
    sign = around.text[around.position : around.position + 1]
    category = unicodedata.category(sign) if sign else ""
    if category[:1] not in ("Z", "C", "P", "S") or sign in "\n" or (sign.isascii() and sign.isprintable()):
        return None
    if sign in _QUOTES:
        return None
    code = f"U+{ord(sign):04X}"
    what = unicodedata.name(sign, "control character").lower()
    if category[0] == "Z":
        help_text = "write a plain space in its place"
    elif sign == "\r":
        help_text = "save the file with line ends of Unix or Windows"
    elif category[0] == "C":
        help_text = "remove it: it cannot be seen"
    else:
        help_text = "write - in its place" if category == "Pd" or sign == "\N{MINUS SIGN}" else "put strings in quotes"
    return Mistake(f"invalid TOML: there is a {what} ({code})", around.position, 1, help_text)


_QUOTES = "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a"


def _string(around: _Around) -> Mistake | None:
    """Return what is wrong inside a string."""
    if around.reason.startswith(("Unescaped", "Invalid hex", "Escaped")):
        return _backslash(around)
    open_at = [token.start() for token in _TOKENS.finditer(around.text, 0, around.position) if token[0][0] in "\"'"]
    if open_at and around.reason.startswith(
        ("Illegal character '\\n'", "Unterminated", "Expected \"'", "Found invalid")
    ):
        begins = open_at[-1]
        quote = around.text[begins]
        if around.text.startswith(quote * 3, begins):
            return Mistake("invalid TOML: this string is not closed", begins, 3, f"write {quote * 3} at its end")
        help_text = f"write {quote} at its end; a string over several lines stands in {quote * 3}"
        return Mistake("invalid TOML: this string is not closed", begins, around.position - begins, help_text)
    return None


def _backslash(around: _Around) -> Mistake:
    """Return the string in which a backslash begins no escape: a path of Windows, a regular expression."""
    begins = _opening_quote(around.text[around.start : around.position])
    written = re.match(r'"((?:[^"\\\n]|\\.)*)"', around.text[around.start + begins :])
    literal = written[1].replace('\\"', '"') if written else ""
    single = f"'{literal}'" if literal and "'" not in literal else "'...'"
    help_text = f"in double quotes a backslash begins an escape; write single quotes: {single}"
    at = around.text.rfind("\\", 0, around.position + 1)
    return Mistake("invalid TOML: this backslash begins no escape", at, 1, help_text)


def _opening_quote(before: str) -> int:
    """Return where the string begins that is still open at the end of a piece of a line."""
    opened, at = "", 0
    escaped = False
    for i, sign in enumerate(before):
        if opened == '"' and sign == "\\" and not escaped:
            escaped = True
            continue
        if sign in "\"'" and not escaped and opened in ("", sign):
            opened, at = ("" if opened else sign), i
        escaped = False
    return at


def _header(around: _Around) -> Mistake | None:
    """Return a header that is not closed, or has a name that needs quotes."""
    match = re.match(r"\s*(\[\[?)\s*([^\[\]]*)", around.line)
    if match is None or not around.reason.startswith(("Expected ']", "Expected newline")):
        return None
    opening, name = match[1], match[2].strip()
    closing = "]" * len(opening)
    if around.reason.startswith("Expected ']"):
        spaced = " " in name and not re.search("[\"'.]", name)
        help_text = f"write {opening}{name.replace(' ', '_') if spaced else name}{closing}"
        what = "a name has no spaces" if spaced else f"{closing} is missing"
        return Mistake(f"invalid TOML: {what}", around.position, 1, help_text)
    if around.reason.startswith("Expected newline"):
        return Mistake("invalid TOML: a section stands on a line of its own", around.position, len(around.after) or 1)
    return None


def _key(around: _Around) -> Mistake | None:
    """Return a line that is no `key = value`: of YAML, without the sign, or with a key that needs quotes."""
    if not around.reason.startswith(("Expected '='", "Invalid statement", "Invalid initial")):
        return None
    key, sign, value = _split(around)
    place = around.position, max(1, len(sign))
    if sign in (":", ":=", "+=", "=>", "->"):
        if not value and not around.opened:
            return Mistake("invalid TOML: this looks like YAML", *place, f"a section is written [{key}]")
        return Mistake(f"invalid TOML: {sign} stands for =", *place, f"write {key} = {_as_toml(value)}")
    if around.reason.startswith("Expected '='"):
        return _no_sign(around, key, value)
    word = re.match(r"[^\s=]*", around.after)[0]  # type: ignore[index]
    length = max(1, len(word))
    if around.after.startswith("="):
        return Mistake("invalid TOML: there is no key in front of =", around.position)
    if re.match(r"//|;|%|!|/\*|--", around.after):
        return Mistake("invalid TOML: this is not a key", around.position, length, "a comment begins with #")
    if around.after.startswith("-"):
        return Mistake("invalid TOML: this looks like YAML", around.position, 1, "a list is written [1, 2]")
    if "=" in around.after and word:
        help_text = f'other keys than letters, digits, - and _ need quotes: "{word}" ='
        return Mistake("invalid TOML: this is not a key", around.position, length, help_text)
    return None


def _split(around: _Around) -> tuple[str, str, str]:
    """Return key, sign and value around the place where an equals sign is expected."""
    begins = max(around.before.rfind(sign) for sign in "{,") + 1
    sign = re.match(r"\s*(:=|\+=|=>|->|:(?!:))?\s*", around.after)
    value = around.after[sign.end() :] if sign else ""
    if around.opened:
        value = re.match(r"""(?:\[[^\]]*\]|"[^"]*"|'[^']*'|[^,}])*""", value)[0]  # type: ignore[index]
    return around.before[begins:].strip(), (sign[1] or "") if sign else "", value.strip()


def _no_sign(around: _Around, key: str, value: str) -> Mistake:
    if key == "-":
        return Mistake("invalid TOML: this looks like YAML", around.position, 1, "a list is written [1, 2]")
    if around.opened and (is_toml(key) or meant_by(key)):
        begins = around.opened[-1]
        inside = around.text[begins : around.text.find("}", begins) + 1]
        grid = re.fullmatch(r"\{\s*(\w+)\s*=\s*([^\[\]{}=]*?)\s*\}", inside)
        help_text = f"write {{ {grid[1]} = [{grid[2]}] }}" if grid else "a list has square brackets: [1, 2]"
        return Mistake(
            "invalid TOML: there is no key in front of this value",
            around.text.rindex(key, 0, around.position),
            len(key),
            help_text,
        )
    odd = re.match(r"([^\s=\"']+)\s*=", f"{key}{around.after}")
    if odd and not re.fullmatch(r"[\w.-]+", odd[1], re.ASCII):
        help_text = f'other keys than letters a to z, digits, - and _ need quotes: "{odd[1]}" ='
        return Mistake("invalid TOML: this is not a key", around.position, 1, help_text)
    words = re.fullmatch(r"([\w.-]+(?: +[\w.-]+)*)\s*=\s*(.*)", f"{key} {value}")
    if words:
        return Mistake(
            "invalid TOML: a key has no spaces", around.position, 1, f"write {words[1].replace(' ', '_')} = {words[2]}"
        )
    written = f"{key} = {_as_toml(value)}" if value and len(value) <= 80 else f"{key} = ..."
    return Mistake(f"invalid TOML: {key} has no value", around.position, 1, f"write {written}")


def _as_toml(value: str) -> str:
    """Return a value as TOML writes it, as far as that can be told."""
    if is_toml(value):
        return value
    meant = meant_by(value) or bare_word(value)
    return (meant.toml if meant else "") or value


def _open_bracket(around: _Around) -> Mistake | None:
    """Return a list or an inline table that lacks a comma or its end."""
    if not around.reason.startswith(("Unclosed", "Invalid value")) or not around.opened:
        return None
    begins = around.opened[-1]
    opening = around.text[begins]
    closing = {"[": "]", "{": "}"}[opening]
    line = around.text.count("\n", 0, begins) + 1
    inside = around.text[begins + 1 : around.position]
    what = "list" if opening == "[" else "table in braces"
    starts_line = not around.before.strip()
    next_statement = starts_line and re.match(r"\[\[?[\w.\"' -]+\]\]?$|[\w.-]+\s*=", around.after)
    ended = not around.after or around.after[0] in "]}" or (next_statement and opening == "[")
    if (around.reason.startswith("Invalid value") and not ended) or around.after.startswith(".."):
        return None
    if ended or (next_statement and around.after.startswith("[")):
        where = f"line {line}" if around.start > begins else f"column {begins - around.start + 1}"
        reason = f"invalid TOML: the {what} that begins at {where} is not closed"
        return Mistake(reason, begins, 1, f"write {closing} at its end")
    if inside.strip() and re.match(r"""["'\[{\w+.-]""", around.after):
        either = f", or {closing} at the end of the {what} that begins at line {line}" if next_statement else ""
        return Mistake("invalid TOML: a comma is missing", around.position, 1, f"write a comma before this{either}")
    return None


def _value(around: _Around) -> Mistake | None:
    """Return a value that is written as another language writes it."""
    value, begins = around.value
    sign = re.match(r"[=:]+", around.after) if around.reason.startswith("Invalid value") else None
    if sign and around.before.rstrip().endswith(("=", ":")):
        return Mistake("invalid TOML: one = stands between key and value", around.position, len(sign[0]))
    if not value:
        return Mistake(
            "invalid TOML: there is no value behind =", around.position, 1, "write one, or leave the line out"
        )
    meant = meant_by(value) or bare_word(value)
    if meant is None:
        return _second_statement(around, value)
    return Mistake(f"invalid TOML: {value} is not a value", begins, len(value), meant.in_file())


def _second_statement(around: _Around, value: str) -> Mistake | None:
    """Return what stands behind a value on its line."""
    if not around.reason.startswith("Expected newline"):
        return None
    after = around.after.strip()
    if match := re.match(r"(?:[,;]\s*)?([\w.-]+)\s*=", after):
        help_text = f"write {match[1]} on a line of its own"
        return Mistake("invalid TOML: there are two settings on one line", around.position, len(after), help_text)
    if after in (",", ";"):
        return Mistake(f"invalid TOML: a line ends without {after}", around.position, 1, f"remove the {after}")
    if re.match(r"//|--|;|%|/\*", after):
        return Mistake("invalid TOML: this is not a comment", around.position, len(after), "a comment begins with #")
    help_text = f'a string needs quotes: "{value}"' if '"' not in value else "a line holds one setting"
    return Mistake("invalid TOML: this cannot stand behind the value", around.position, max(1, len(after)), help_text)


_LOOKS: tuple[Callable[[_Around], Mistake | None], ...] = (
    _another_format,
    _string,
    _odd_character,
    _header,
    _key,
    _open_bracket,
    _value,
)
