"""A function's signature is its schema: keyword-only parameters are settings, their annotations are the checks."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from xprun.plugins.types import (
    AbsentByDefault,
    AsTensor,
    ByParameter,
    FolderContent,
    NotIdentity,
    OfKind,
    SpecRelativePath,
)

REQUIRED = inspect.Parameter.empty
# What an optimizer that is a class, or a function that makes one, is handed by name; other parameters are settings.
HANDED_IN = ("params", "named_parameters", "model")
UNTOLD = 1000  # the least upper bound that stands against slips, and not for what a setting means
ROWS = ("x", "y")  # what a model may be made with


@dataclass(frozen=True)
class Setting:
    """One setting: its name, its type (any annotation pydantic understands) and its default."""

    name: str
    annotation: Any
    default: Any = REQUIRED

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def example(self) -> Any:
        """Some value that the setting may have: its default, or else one of its type."""
        candidates: tuple[Any, ...] = (0.5, 1, True, "a", [])
        return next((v for v in candidates if self._fits(v)), None) if self.required else self.default

    def _fits(self, value: Any) -> bool:
        try:
            self.read(value)
        except ValidationError:
            return False
        return True

    def takes_numbers_of(self, other: Setting) -> bool:
        """Whether it takes those numbers that another setting takes, as far as a few can tell."""
        return all(self._fits(number) == other._fits(number) for number in (-1, 0, 0.25, 1, 2, 2.5))

    @cached_property
    def component_kind(self) -> str | None:
        """The kind of the components that the value holds (itself, or as items), or None for plain values."""
        return next((mark.kind for mark in _marks(self.annotation) if isinstance(mark, OfKind)), None)

    @cached_property
    def is_vector(self) -> bool:
        """Whether the component wants its list of numbers as a tensor."""
        return any(isinstance(mark, AsTensor) for mark in _marks(self.annotation))

    @cached_property
    def is_file(self) -> bool:
        """Whether the value names a file beside the spec."""
        return any(isinstance(mark, SpecRelativePath) for mark in _marks(self.annotation))

    @cached_property
    def is_folder(self) -> bool:
        """Whether a string names a folder whose files decide results."""
        return any(isinstance(mark, FolderContent) for mark in _marks(self.annotation))

    @cached_property
    def is_by_parameter(self) -> bool:
        """Whether the value is a table from patterns of parameter names to settings of the component's own."""
        return any(isinstance(mark, ByParameter) for mark in _marks(self.annotation))

    @cached_property
    def is_identity(self) -> bool:
        """Whether another value may give other results."""
        return not any(isinstance(mark, NotIdentity) for mark in _marks(self.annotation))

    @cached_property
    def is_absent_by_default(self) -> bool:
        """Whether its default means the same as a component without it, as one was before."""
        return any(isinstance(mark, AbsentByDefault) for mark in _marks(self.annotation))

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.annotation, config=ConfigDict(strict=True, allow_inf_nan=False))

    @cached_property
    def typed_default(self) -> Any:
        """The default in the setting's own type, so that leaving it out and writing it are the same."""
        try:
            return self.read(self.default)
        except ValidationError:
            return self.default

    def read(self, value: Any) -> Any:
        """Return the value in its own type (`1` becomes `1.0` for a float).

        Raises pydantic.ValidationError for a value of another type or outside its bounds.
        """
        return self.adapter.validate_json(json.dumps(value, default=str), strict=True)


def read_settings(function: Callable[..., Any]) -> dict[str, Setting]:
    """Return the settings that a function takes: its keyword-only parameters; of a class, see `_class_settings`.

    Raises TypeError when an annotation cannot be evaluated; a missing one is inferred from the default.
    """
    if inspect.isclass(function):
        return _class_settings(function)
    names = getattr(inspect.unwrap(function), "__globals__", {})
    parameters = inspect.signature(function).parameters.values()
    return {p.name: Setting(p.name, _annotation(p, names), p.default) for p in parameters if p.kind is p.KEYWORD_ONLY}


def _class_settings(cls: Any) -> dict[str, Setting]:
    """Return the settings of a class, such as one of torch.optim: the named parameters of its constructor.

    Not those that are HANDED_IN, and none whose default could not stand in a spec. Such a class was not written for
    specs: what its annotations say in other words than a spec's is not checked.
    """
    names = getattr(cls.__init__, "__globals__", {})
    parameters = inspect.signature(cls).parameters.values()
    handed_in = (*HANDED_IN, *ROWS) if takes_rows(cls) else HANDED_IN
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in handed_in]
    return {p.name: Setting(p.name, _lenient_annotation(p, names), p.default) for p in named if _is_plain(p.default)}


def _lenient_annotation(parameter: inspect.Parameter, names: dict[str, Any]) -> Any:
    try:
        annotation = _annotation(parameter, names)
        TypeAdapter(annotation)
    except (TypeError, PydanticUserError):
        return Any
    return annotation | None if parameter.default is None and annotation is not Any else annotation


def _is_plain(value: Any) -> bool:
    """Whether a default is a value that a spec can hold, or is missing."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or value is REQUIRED or isinstance(value, bool | int | float | str)


def positional_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters that the runner fills in."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def takes_rows(cls: Callable[..., Any]) -> bool:
    """Whether a class of a model is made with a few rows of inputs and all targets, and not with its settings alone."""
    return positional_names(cls)[:2] == ROWS


def makes_optimizer(function: Callable[..., Any]) -> bool:
    """Whether an optimizer component is a class or makes an object of one, and is no update rule."""
    return inspect.isclass(function) or not set(HANDED_IN).isdisjoint(positional_names(function)[:1])


def type_name(annotation: Any) -> str:
    """Return an annotation as a reader of a TOML file would put it: `number > 0`, `0 <= x < 1`, `list of integers`."""
    if get_origin(annotation) is Annotated:
        base, *marks = get_args(annotation)
        kinds = [f"{mark.kind} component" for mark in marks if isinstance(mark, OfKind)]
        kinds += ["file beside the spec" for mark in marks if isinstance(mark, SpecRelativePath)]
        kinds += ["folder" for mark in marks if isinstance(mark, FolderContent)]
        kinds += ["table of settings by parameter" for mark in marks if isinstance(mark, ByParameter)]
        return kinds[0] if kinds else _bounded(type_name(base), marks)
    if get_origin(annotation) in (list, tuple):
        items = [type_name(a) for a in get_args(annotation) if a is not Ellipsis]
        return f"list of {_plural(items[0])}" if len(set(items)) == 1 else f"[{', '.join(items)}]"
    if get_origin(annotation) is dict:
        return f"table of {type_name(get_args(annotation)[1])}"
    if get_origin(annotation) is not None:
        members = [type_name(a) if not isinstance(a, str) else repr(a) for a in get_args(annotation)]
        return " or ".join(m for m in members if m != "nothing")
    words = {
        float: "number",
        int: "integer",
        bool: "boolean",
        str: "string",
        type(None): "nothing",
        Any: "any",
    }
    return words.get(annotation, str(annotation))


def _bounded(name: str, marks: list[Any]) -> str:
    """Return a type with its bounds: `number > 0`, and `0 <= x < 1` where it is bounded on both sides.

    A number that only a slip of the keyboard exceeds is not told.
    """
    low = [(sign, getattr(m, key)) for m in marks for key, sign in (("gt", "<"), ("ge", "<=")) if hasattr(m, key)]
    high = [(sign, getattr(m, key)) for m in marks for key, sign in (("lt", "<"), ("le", "<=")) if hasattr(m, key)]
    high = [] if low and high and high[0][1] >= UNTOLD else high
    if low and high:
        between = f"{low[0][1]} {low[0][0]} x {high[0][0]} {high[0][1]}"
        return between if name == "number" else f"{name}, {between}"
    bounds = [f" {sign.replace('<', '>')} {bound}" for sign, bound in low] + [
        f" {sign} {bound}" for sign, bound in high
    ]
    return name + "".join(bounds)


def _plural(name: str) -> str:
    """Return a type's name as it stands after "list of": `numbers > 0`, `numbers, 0 <= x < 1`."""
    if re.match(r"[-\d]", name):
        return f"numbers, {name}"
    return re.sub(r"^(number|integer|string|boolean|table|list|\w+ component)\b", r"\1s", name)


def _annotation(parameter: inspect.Parameter, names: dict[str, Any]) -> Any:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return next((t for t in (bool, int, float, str) if type(parameter.default) is t), Any)
    if isinstance(annotation, str):
        try:
            return eval(annotation, names)
        except NameError as error:
            raise TypeError(f"the type of the setting {parameter.name!r} cannot be read: {error}") from error
    return annotation


def _marks(annotation: Any) -> list[Any]:
    """Return the marks on a type, however deep they stand in it."""
    found = list(annotation.__metadata__) if get_origin(annotation) is Annotated else []
    for argument in get_args(annotation):
        found += _marks(argument)
    return found
