"""`[[expect]]`: claims about the results of a spec's runs, which no run depends on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import Field
from xprun.specs.language.diagnostics import Diagnostic, Path
from xprun.specs.language.matching import alternatives_of, fits
from xprun.specs.language.result_words import COUNTED, MEASURED, SEED, STAGE, Moment, Status
from xprun.specs.language.schema import Strict

Cell = str | bool | int | float | list[Any]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Step = Annotated[int, Ge(0)]
COMMON = {"where", "value", "at"}
FORMS = {  # what is claimed, and the keys that go with it
    "min": COMMON | {"min", "max", "over"},
    "max": COMMON | {"min", "max", "over"},
    "equals": COMMON | {"equals", "rel", "abs", "over"},
    "beats": COMMON | {"beats", "confidence", "family"},
    "status": {"where", "status"},
}


class ExpectTable(Strict):
    """One `[[expect]]` as written.

    `where` selects runs by columns of `results.csv`; left out, all are meant. `value` is a result column, or a metric
    with `at` a step, "final" or "best". `at` and `equals` may be lists of one length: a table of published values.
    `over` says what `min`, `max` and `equals` hold for: every run, or the mean or median over the runs. `beats` selects
    the runs to be better than, seed by seed, with at least this `confidence`. Claims of one `family` share it: it is
    the confidence that all of them hold together.
    """

    where: dict[str, Cell] = Field(default_factory=dict)
    value: str = ""
    at: Step | list[Step] | Moment = "final"
    min: Finite = -math.inf
    max: Finite = math.inf
    equals: Finite | list[Finite] | None = None
    rel: Annotated[Finite, Ge(0)] = 0.0
    abs: Annotated[Finite, Ge(0)] = 0.0
    over: Literal["all", "mean", "median"] = "all"
    status: Status | None = None
    beats: dict[str, Cell] | None = None
    confidence: Annotated[float, Gt(0), Lt(1)] = 0.95
    family: str | None = None


@dataclass(frozen=True)
class Expectation:
    """One claim, which stands at `path` in the `[[expect]]` at `table`.

    `value` is a result column or, where `step` is given, a metric.
    """

    table: Path
    path: Path
    where: dict[str, Cell]
    value: str
    step: int | None
    min: float
    max: float
    equals: float | None
    rel: float
    abs: float
    over: str
    status: str | None
    beats: dict[str, Cell] | None
    confidence: float
    family: str | None

    def holds_for(self, value: float, precision: float) -> bool:
        """Whether a value fulfils `min`, `max` or `equals`; NaN fulfils nothing.

        `precision` is the relative size of what rounding may have changed in it.
        """
        if self.equals is not None:
            return math.isclose(value, self.equals, rel_tol=max(self.rel, precision), abs_tol=self.abs)
        at_an_end = any(math.isclose(value, end, rel_tol=precision) for end in (self.min, self.max))
        return self.min <= value <= self.max or (at_an_end and math.isfinite(value))

    @property
    def selections(self) -> list[dict[str, Cell]]:
        """What it selects: its `where`, then its `beats`."""
        return [where for where in (self.where, self.beats) if where is not None]

    @property
    def claim(self) -> str:
        """The claim in words: `scratch.adam optimizer.lr=0.01: best.valid.accuracy >= 0.95`."""
        runs = words(self.where)
        return f"{runs}: {self._claimed}" if runs else self._claimed

    @property
    def _claimed(self) -> str:
        if self.status:
            return f"status = {self.status}"
        if self.beats is not None:
            family = f" in the family {self.family}" if self.family else ""
            return f"{self.subject} beats {words(self.beats)} with confidence {self.confidence:g}{family}"
        if self.equals is not None:
            return f"{self.subject} = {self.equals:.12g}{self._tolerance}"
        ends = [f">= {self.min:.12g}"] * math.isfinite(self.min) + [f"<= {self.max:.12g}"] * math.isfinite(self.max)
        return f"{self.subject} {' and '.join(ends)}"

    @property
    def subject(self) -> str:
        """What is claimed of: `mean final.valid.accuracy`, `loss at step 30000`."""
        over = "" if self.over == "all" else f"{self.over} "
        return f"{over}{self.value}" + (f" at step {self.step}" if self.step is not None else "")

    @property
    def _tolerance(self) -> str:
        parts = [f"{name} {size:g}" for name, size in (("rel", self.rel), ("abs", self.abs)) if size]
        return f" ({', '.join(parts)})" if parts else ""


def words(where: dict[str, Cell]) -> str:
    """Return a selection as its runs are called: `scratch.adam optimizer.lr=0.01 seed=0`."""
    parts = [(key, " or ".join(map(str, alternatives_of(cell)))) for key, cell in where.items()]
    return " ".join(cell if _names_a_section(key) else f"{key}={cell}" for key, cell in parts)


def selects(where: dict[str, Cell], row: dict[str, Any]) -> bool:
    """Whether a run, given as the row of its labels, settings and seed, is one of those meant."""
    return all(column in row and fits(row[column], cell) for column, cell in where.items())


def expectations_of(table: ExpectTable, path: Path, problems: list[Diagnostic]) -> Iterator[Expectation]:
    """Yield the claims of one `[[expect]]`: one, or as many as its list of published values is long."""
    wrong = list(_problems(table, path))
    problems += wrong
    if wrong:
        return
    listed = isinstance(table.equals, list)
    steps = table.at if isinstance(table.at, list) else [table.at]
    values = table.equals if isinstance(table.equals, list) else [table.equals]
    for i, (at, equals) in enumerate(zip(steps, values, strict=True)):
        yield Expectation(
            table=path,
            path=(*path, "equals", i) if listed else path,
            value=table.value if _is_column(table.value) or isinstance(at, int) else f"{at}.{table.value}",
            step=at if isinstance(at, int) else None,
            equals=equals,
            **table.model_dump(exclude={"value", "at", "equals"}),
        )


def flattened(where: Any) -> Any:
    """Return a selection with dotted keys: what TOML makes of `{ optimizer.lr = 1 }` is `{ "optimizer.lr" = 1 }`."""
    if not isinstance(where, dict):
        return where
    flat: dict[str, Any] = {}
    for key, value in where.items():
        inner = flattened(value)
        flat |= {f"{key}.{name}": cell for name, cell in inner.items()} if isinstance(inner, dict) else {key: inner}
    return flat


def _problems(table: ExpectTable, path: Path) -> Iterator[Diagnostic]:
    written = table.model_fields_set
    forms = [form for form in FORMS if form in written]
    if not forms:
        yield Diagnostic(path, "makes no claim", f"write one of {', '.join(FORMS)}", "key")
    elif useless := sorted(written - FORMS[forms[0]]):
        for key in useless:
            yield Diagnostic((*path, key), f"has no effect together with {forms[0]}", at="key")
    elif "value" in FORMS[forms[0]] and not table.value:
        help_text = 'name a result column or a metric: value = "final.loss"'
        yield Diagnostic(path, "does not say which value it is about", help_text, "key")
    else:
        yield from _value_problems(table, path)


def _value_problems(table: ExpectTable, path: Path) -> Iterator[Diagnostic]:
    if _is_column(table.value) and "at" in table.model_fields_set:
        wrong = f"has no effect on {table.value}, which is one number per run"
        yield Diagnostic((*path, "at"), wrong, "a metric such as loss has a value at each step", "key")
    if table.min > table.max:
        yield Diagnostic((*path, "min"), f"is above max, which is {table.max:g}")
    lengths = {len(x) if isinstance(x, list) else None for x in (table.at, table.equals)}
    if len(lengths) > 1:
        help_text = "give as many steps as values: at = [10, 20], equals = [0.5, 0.25]"
        yield Diagnostic(
            (*path, "at" if isinstance(table.at, list) else "equals"), "at and equals differ in length", help_text
        )


def _is_column(value: str) -> bool:
    return value in COUNTED or value.startswith(MEASURED)


def _names_a_section(column: str) -> bool:
    return "." not in column and column not in (SEED, STAGE)
