"""What a value that is written as another tool writes it, or nearly as TOML, is in a spec: `0.1,0.2`, `True`, `.5`."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import tomli
from xprun.specs.language.keywords import RANDOM

Kind = Literal["number", "integer", "boolean", "string", "word", "list"]
MOST_LISTED = 100  # values of a range
LONGEST = 200  # characters of a value that are looked at


@dataclass(frozen=True, slots=True)
class Meant:
    """What a value stands for: the TOML to write instead, empty where there is none, and why.

    `is_sweep`: it is several values, of which `toml` is the list or, with `{`, another sweep.
    """

    why: str
    toml: str = ""
    is_sweep: bool = False

    def in_file(self) -> str:
        """Return the help for a file."""
        toml = f"{{ grid = {self.toml} }}" if self.is_sweep and self.toml.startswith("[") else self.toml
        return f"{self.why}: {toml}" if toml and self.why else self.why or f"write {toml}"

    def on_command_line(self, key: str) -> str:
        """Return the help for `--set`."""
        if not self.toml:
            return self.why
        option = f"--set {shlex.quote(f'{key}={self.toml}')}"
        return f"{self.why}: {option}" if self.why else f"write {option}"


def meant_by(text: str) -> Meant | None:
    """Return what a value that is no TOML, or is a string, was probably meant to be; None where that is unclear."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        return None
    return next((meant for reading in _READINGS if (meant := reading(text))), None)


def meant_instead(value: Any, kinds: set[Kind]) -> Meant | None:
    """Return what a value of TOML was meant to be, where a setting takes values of other kinds."""
    if isinstance(value, str):
        return _meant_string(value, kinds)
    if isinstance(value, float) and not math.isfinite(value):
        return _not_finite(str(value))
    if isinstance(value, dict):
        return _table_of_another_tool(value)
    if "boolean" in kinds and value in (0, 1):
        return Meant("", "true" if value else "false")
    if isinstance(value, list):
        items = [_plain(item) for item in value if not isinstance(item, dict | list)]
        return Meant("several values are a sweep", _written(items), is_sweep=True) if items else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if "list" in kinds:
        return Meant("a list has brackets", f"[{_plain(value)}]")
    if "integer" in kinds and value == int(value):
        return Meant("an integer has no point", f"{value:.0f}")
    return Meant("a string has quotes", f'"{_plain(value)}"') if kinds == {"string"} else None


def _table_of_another_tool(table: dict[str, Any]) -> Meant | None:
    """Return the sweep that a table stands for: `{ values = [0.1, 0.2] }`, `{ min = 0.1, max = 1.0 }`."""
    (key, values), *others = table.items() or [("", None)]
    if key in ("values", "choices", "options", "list") and isinstance(values, list) and not others:
        return Meant("these values are a sweep", _written([_plain(value) for value in values]), is_sweep=True)
    for first, last in (("min", "max"), ("low", "high"), ("lower", "upper"), ("start", "stop"), ("start", "end")):
        if first in table and last in table and not isinstance(table[first], dict | list):
            ends = [_plain(table[first]), _plain(table[last])]
            if "step" in table:
                return _sweep("range", [*ends, _plain(table["step"])])
            count = [_plain(table[word]) for word in ("num", "samples", "n", "count") if word in table][:1]
            is_log = table.get("log") is True or "log" in str(table.get("distribution", ""))
            word = "linspace" if "num" in table or first == "start" else "uniform"
            return _sweep(_LOG[word] if is_log else word, [*ends, *count])
    return None


_LOG = {"linspace": "logspace", "uniform": "loguniform"}


def _meant_string(text: str, kinds: set[Kind]) -> Meant | None:
    """Return what a string was meant to be, where a setting takes values of other kinds."""
    if not text:
        return Meant("write a value")
    if text.startswith("=") and is_toml(text[1:]):
        return Meant("one = is enough", text[1:].strip())
    if "list" in kinds:
        found = _in_brackets(text) or several(text)
        return Meant("a list has brackets", _as_list(found.toml) if found else f'["{text}"]')
    return several(text) if kinds <= {"word", "string"} else meant_by(text)


def _as_list(toml: str) -> str:
    """Return a list, or a range of integers, as a list; a setting that is one takes no sweep for it."""
    ends = re.fullmatch(r"\{ range = \[(-?\d+), (-?\d+)(?:, (\d+))?\] \}", toml)
    if ends is None:
        return toml
    values = range(int(ends[1]), int(ends[2]), int(ends[3] or 1) or 1)
    return str(list(values)) if 0 < len(values) <= MOST_LISTED else toml


def _plain(value: Any) -> str:
    """Return a value of TOML as it is written."""
    return json.dumps(value, ensure_ascii=False, default=str)


def several(text: str) -> Meant | None:
    """Return what stands for several values, and nothing else, in a text."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        return None
    readings = (_in_brackets, _call, _ends, _list)
    found = next((meant for reading in readings if (meant := reading(text))), None)
    return found if found and found.is_sweep else None


def is_toml(text: str) -> bool:
    """Whether a text is one value of TOML."""
    try:
        return list(tomli.loads(f"x = {text}")) == ["x"]
    except (ValueError, RecursionError):
        return False


def number_of(text: str) -> str | None:
    """Return a number as TOML writes it: `.5` is 0.5, `01` is 1, `1e-3.` is 1e-3; None for a text that is none."""
    text = text.replace("\N{MINUS SIGN}", "-").strip("_")
    match = re.fullmatch(r"([+-]?)(\d[\d_]*)?(\.)?(\d[\d_]*)?(?:[eE]([+-]?\d+)\.?)?[fFdDlL]?", text)
    if match is None or not (match[2] or match[4]):
        return None
    sign, whole, point, share, exponent = match.groups()
    plain = sign + ((whole or "0").lstrip("0_") or "0") + (f".{share or 0}" if point else "")
    plain += f"e{exponent}" if exponent is not None else ""
    return plain if is_toml(plain) else None


def _boolean(text: str) -> Meant | None:
    for word, others in (("true", "true yes on"), ("false", "false no off")):
        if text.lower() in others.split() and text != word:
            return Meant("true and false have small letters" if text.lower() == word else "", word)
    return None


def _null(text: str) -> Meant | None:
    is_null = text.lower() in ("none", "null", "nil", "~", "undefined")
    return Meant(f"TOML has no {text}: leave the setting out, which gives its default") if is_null else None


def _not_finite(text: str) -> Meant | None:
    is_one = re.fullmatch(r"(?i)[+-]?(nan|inf|infinity)", text)
    return Meant(f"no setting takes {text}: leave it out, or write a finite number") if is_one else None


def _quoted(text: str) -> Meant | None:
    return (
        Meant("a value that is not a string has no quotes", text)
        if is_toml(text) and not text.startswith(("'", '"'))
        else None
    )


def _number(text: str) -> Meant | None:
    if text.endswith("%") and (share := number_of(text[:-1].strip())):
        return Meant("a share is a number", f"{float(share) / 100:.12g}")
    if re.fullmatch(r"\d+[kKM]", text):
        return Meant("a number has digits only", text[:-1] + ("_000_000" if text[-1] == "M" else "_000"))
    if re.fullmatch(r"\d{1,3}(?:[ ',]\d{3})+", text) and not re.match(r"0|\d+,[1-9]", text):
        return Meant("digits may be parted by underscores", re.sub("[ ',]", "_", text))
    number = number_of(text)
    return Meant("", number) if number and number != text else None


def _arithmetic(text: str) -> Meant | None:
    match = re.fullmatch(r"([\d.eE+-]+?)\s*(\*\*|\^|\*|/)\s*([\d.eE+-]+)", text)
    numbers = [number_of(match[1]), number_of(match[3])] if match else []
    if match is None or None in numbers:
        return None
    try:
        result = _CALCULATE[match[2]](float(numbers[0] or 0), float(numbers[1] or 0))
    except (ArithmeticError, ValueError):
        return None
    is_real = isinstance(result, float) and math.isfinite(result)
    return Meant("TOML does not calculate: write the result", f"{result:.12g}") if is_real else None


_CALCULATE: dict[str, Callable[[float, float], float]] = {
    "**": lambda a, b: a**b,
    "^": lambda a, b: a**b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def _in_brackets(text: str) -> Meant | None:
    """Return what a tuple, a list with bare words, or a table of YAML or Python is."""
    if text[0] + text[-1] == "()":
        items = list(_items(text[1:-1]))
        return Meant("a list has square brackets", _written(items)) if items else None
    if text[0] + text[-1] == "[]":
        if (ends := _ends(text[1:-1])) and not is_toml(text):
            return ends
        items = list(_items(text[1:-1]))
        return Meant("strings in a list have quotes", _written(items)) if items and not is_toml(text) else None
    if text[0] + text[-1] == "{}":
        table = re.sub(r"""(['"]?)(\w+)\1\s*:\s*""", r"\2 = ", text)
        if table != text and is_toml(table):
            return Meant("a table has equals signs", table)
        items = list(_items(text[1:-1])) if "=" not in text else []
        return Meant("several values are a sweep", _written(items), is_sweep=True) if items else None
    return None


def _call(text: str) -> Meant | None:
    """Return the sweep that a function of Hydra, Ray, Optuna, W&B or numpy stands for: `choice(0.1, 0.2)`."""
    match = re.fullmatch(r"(?:\w+\.)*(\w+)\((.*)\)", text)
    word = _SWEEPS.get(match[1].lower().replace("_", "")) if match else None
    if match is None or word is None:
        return None
    inner = match[2].strip()
    inner = inner[1:-1] if inner[:1] + inner[-1:] in ("[]", "()") else inner
    items = list(_items(re.sub(r"\b(?:start|stop|step|low|high|num|size)\s*=\s*", "", inner)))
    if not items:
        return None
    if word == "grid":
        return Meant("these values are a sweep", _written(items), is_sweep=True)
    if word == "logspace" and match[1].lower() == "logspace" and _are_exponents(items):
        items[:2] = [f"1e{item}" for item in items[:2]]
    return _sweep(word, items)


_SWEEPS = {"choice": "grid", "grid": "grid", "gridsearch": "grid", "values": "grid", "suggestcategorical": "grid"}
_SWEEPS |= {"range": "range", "arange": "range", "linspace": "linspace", "logspace": "logspace"}
_SWEEPS |= {"geomspace": "logspace", "interval": "uniform", "uniform": "uniform", "suggestfloat": "uniform"}
_SWEEPS |= {"suggestuniform": "uniform", "loguniform": "loguniform", "loguniformvalues": "loguniform"}
_SWEEPS |= {"suggestloguniform": "loguniform"}


def _are_exponents(items: list[str]) -> bool:
    """Whether the ends of numpy's logspace are exponents that can stand behind an `e`."""
    return len(items) > 1 and all(re.fullmatch(r"[+-]?\d+", item) for item in items[:2])


def _sweep(word: str, items: list[str]) -> Meant | None:
    """Return a sweep with its ends and, as a third item, the number of its values."""
    if word == "range":
        return Meant("this is a sweep", f"{{ range = {_written(items)} }}", is_sweep=True) if len(items) < 4 else None
    if len(items) not in (2, 3):
        return None
    count = items[2] if len(items) == 3 and items[2].isdigit() else "5"
    key = "samples" if word in RANDOM else "num"
    return Meant("this is a sweep", f"{{ {word} = {_written(items[:2])}, {key} = {count} }}", is_sweep=True)


def _ends(text: str) -> Meant | None:
    """Return the sweep of `0.1:0.5:0.1` or `1..9`."""
    number = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    if match := re.fullmatch(rf"{number}\s*:\s*{number}(?:\s*:\s*{number})?", text):
        return _sweep("range" if match[3] else "linspace", [number_of(end) or end for end in match.groups() if end])
    if match := re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\.\.=?([+-]?\d+(?:\.\d+)?)", text):
        return _sweep("linspace" if "." in match[1] + match[2] else "range", [match[1], match[2]])
    return None


def _list(text: str) -> Meant | None:
    """Return the sweep over values between commas, or numbers between spaces."""
    if re.fullmatch(r"0,\d+", text):
        point, both = text.replace(",", "."), text.replace(",", ", ")
        return Meant(f"a decimal number has a point, {point}; two values are a sweep", f"[{both}]", is_sweep=True)
    parts = [part.strip() for part in text.split(",")] if "," in text else text.split()
    plain = all(number_of(part) or is_toml(part) or ("," in text and _is_word(part)) for part in parts)
    if len(parts) < 2 or not plain:
        return None
    return Meant("several values are a sweep", _written(parts), is_sweep=True)


def _environment(text: str) -> Meant | None:
    if re.fullmatch(r"\$[A-Za-z_]\w*|%\w+%", text):
        return Meant(f"a spec reads no environment variables: give the value with --set SETTING={text}")
    if re.fullmatch(r"\$\{[^{}]*\}", text):
        return Meant("a reference is a string", f'"{text}"')
    if text.startswith("@"):
        return Meant(
            'no value is read from a file: write it here, or in a spec that this one extends (extends = "...")'
        )
    return None


def _string(text: str) -> Meant | None:
    """Return the string that a word without quotes, or with typographic or prefixed ones, is."""
    if match := re.fullmatch(
        "[\u201c\u201d\u201e\u00ab\u2018\u2019\u201a`](.*)[\u201c\u201d\u00bb\u2018\u2019`]", text
    ):
        return Meant("a string has straight quotes", f'"{match[1]}"')
    if match := re.fullmatch(r"""[rR](["'])([^'"]*)\1""", text):
        return Meant("what stands in single quotes is taken as it is", f"'{match[2]}'")
    if match := re.fullmatch(r"""[bfuBFU]{1,2}(["'].*["'])""", text):
        return Meant("a string has no letter in front", match[1])
    return None


def bare_word(text: str) -> Meant | None:
    """Return the string that words without quotes are."""
    is_bare = re.fullmatch(r"[A-Za-z_./~][\w .:/+-]*", text) and not is_toml(text)
    return Meant("a string needs quotes", f'"{text}"') if is_bare else None


_READINGS = (
    _boolean,
    _null,
    _not_finite,
    _quoted,
    _number,
    _arithmetic,
    _in_brackets,
    _call,
    _ends,
    _list,
    _environment,
    _string,
)


def _items(text: str) -> Iterator[str]:
    """Yield the values of a list, words among them in quotes; nothing where one is neither."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return iter(parts if all(number_of(part) or is_toml(part) or _is_word(part) for part in parts) else [])


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_][\w.-]*", text))


def _written(items: list[str]) -> str:
    return f"[{', '.join(map(_item, items))}]"


def _item(text: str) -> str:
    if text in ("True", "False"):
        return text.lower()
    if is_toml(text):
        return text if not text.startswith("'") else f'"{text[1:-1]}"'
    return number_of(text) or f'"{text}"'
