"""A JSON Schema of the spec language with every installed component, by which editors complete, explain and check."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from xprun.plugins.registry import Component, Registry
from xprun.plugins.signature import Setting, type_name
from xprun.runner.resolve.objective_sections import BROUGHT
from xprun.specs.language.expectations import ExpectTable
from xprun.specs.language.extends import UNSET
from xprun.specs.language.keywords import LISTED, NEVER_SWEPT, WORDS
from xprun.specs.language.listed_problems import COMPARED, SEEDS, TASK
from xprun.specs.language.schema import (
    COMPONENT_SECTIONS,
    OWN_SECTIONS,
    PROBLEM_SECTION,
    REQUIRED_SECTIONS,
    Head,
    RunSettings,
    Strict,
)
from xprun.specs.language.searches import SEARCH_SECTION

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE: Schema = {
    "type": "string",
    "pattern": r"\$\{.+\}",
    "description": "The value at a dotted key: ${run.epochs}.",
}
NUMBER: Schema = {"type": "number"}
TITLE: Schema = {"type": "string", "description": "What passing it means, or what it is, in a few words."}
LABEL: Schema = {"type": "string", "description": "The name in tables and plots."}
# Tombi warns of every key that a table's schema does not name, unless it says that further ones are welcome.
FURTHER: Schema = {"additionalProperties": True}
NAMED: list[Schema] = [{"required": ["name"], **FURTHER}, {"required": ["layers"], **FURTHER}]
COMPLETE: Schema = {"anyOf": [{"type": "array"}, *NAMED], **FURTHER}
OVER: Schema = {
    "type": "object",
    "minProperties": 1,
    "not": {"anyOf": NAMED, **FURTHER},
    "description": "Merged over the same table of the spec that this one extends.",
    **FURTHER,
}
DOTTED: Schema = {
    "type": "object",
    "minProperties": 1,
    **FURTHER,
    "propertyNames": {"pattern": rf"^({'|'.join((*COMPONENT_SECTIONS, 'run'))})\b"},
}
OTHERS: dict[str, Schema] = {
    "extends": {"type": "string", "minLength": 1, "description": "The spec that this one extends and overrides."},
    "unset": {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "minLength": 1},
        "description": 'What is not inherited from the spec that this one extends: ["scheduler", "run.search_seed"].',
    },
    "exclude": {
        "anyOf": [DOTTED, {"type": "array", "minItems": 1, "items": DOTTED}],
        "description": 'Combinations to leave out, by dotted keys: { "optimizer.lr" = 1.0 }.',
    },
    "ablate": {**DOTTED, "description": 'Settings to change one at a time: "optimizer.momentum" = 0.0.'},
}
COLUMNS: Schema = {"type": "object", "description": "Result columns and their values.", **FURTHER}
LENGTH: Schema = {"oneOf": [{"required": ["epochs"], **FURTHER}, {"required": ["steps"], **FURTHER}], **FURTHER}
LABELLED = (*COMPONENT_SECTIONS, "metric", "plot")
NOT_IN_SPECS = ("launcher", "backend")


def make_schema(registry: Registry) -> Schema:
    """Return the schema of a whole spec; the plugins of installed distributions are imported for it."""
    registry.import_plugins()
    maker = _Maker(registry)
    components = maker.components()
    own = {"run": maker.run(), "confirm": _confirm(), "compare": maker.compare()}
    sections = {section: _section(section) for section in COMPONENT_SECTIONS}
    problem = {PROBLEM_SECTION: _problems(own["run"], own["compare"])}
    return {
        "$schema": DIALECT,
        "title": "An experiment for xprun",
        "type": "object",
        "properties": {
            **_plain_table(Head)["properties"],
            **sections,
            **own,
            **problem,
            SEARCH_SECTION: _ref(SEARCH_SECTION),
            **OTHERS,
            "expect": _expectations(),
        },
        "additionalProperties": False,
        "if": {  # then the base, or each problem, says what is left out here
            "anyOf": [{"required": ["extends"], **FURTHER}, {"required": [PROBLEM_SECTION], **FURTHER}],
            **FURTHER,
        },
        "else": {
            "properties": {**dict.fromkeys(sections, COMPLETE), "run": LENGTH},
            **FURTHER,
            **_needed_sections(registry),
        },
        "$defs": {**components, **maker.types, "over": OVER, "reference": REFERENCE, "numbers": _number_sweeps()},
    }


def _needed_sections(registry: Registry) -> Schema:
    """Return which sections a whole spec has: one of an objective has neither data nor a loss."""
    names = [c.name for c in registry.components("model") if c.is_objective]
    table = {"type": "object", "required": ["name"], "properties": {"name": {"enum": names}}, **FURTHER}
    model = {"anyOf": [table, {"type": "array", "minItems": 1, "items": table}]}
    return {
        "if": {"required": ["model"], "properties": {"model": model}, **FURTHER},
        "then": {
            "required": [section for section in REQUIRED_SECTIONS if section not in BROUGHT],
            "properties": dict.fromkeys(BROUGHT, False),
            **FURTHER,
        },
        "else": {"required": list(REQUIRED_SECTIONS), **FURTHER},
    }


class _Maker:
    """Makes the schemas of components; `types` holds those of settings, of which there are few, once each."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.types: dict[str, Schema] = {}
        self._references: dict[str, Schema] = {}

    def components(self) -> dict[str, Schema]:
        """Return a definition for each component that a spec can name, and for each kind: any of its components."""
        components = [c for c in self.registry.components() if c.kind not in NOT_IN_SPECS]
        kinds: dict[str, Schema] = {}
        for c in components:
            kinds.setdefault(c.kind, {"oneOf": []})["oneOf"].append(_ref(f"{c.kind}.{c.name}"))
        return kinds | {f"{c.kind}.{c.name}": self.component(c) for c in components}

    def component(self, component: Component) -> Schema:
        settings = component.schema
        label = {"label": LABEL} if component.kind in LABELLED else {}
        needed = [setting.name for setting in settings.values() if setting.required]
        return {
            "type": "object",
            "description": component.doc,
            "properties": {
                "name": {"const": component.name},
                **label,
                **{n: self.setting(s, component.kind) for n, s in settings.items() if not s.is_by_parameter},
                **{n: self.by_parameter(component) for n, s in settings.items() if s.is_by_parameter},
            },
            "required": needed if component.name in needed else ["name", *needed],  # `layers = [...]` needs no name
            "additionalProperties": False,
        }

    def by_parameter(self, component: Component) -> Schema:
        """Return a table from patterns of parameter names to the component's own settings."""
        own = {name: self.type(setting.annotation) for name, setting in component.settings.items()}
        table = {"type": "object", "minProperties": 1, "properties": own, "additionalProperties": False}
        return {"type": "object", "description": "Other settings, by parameter names.", "additionalProperties": table}

    def setting(self, setting: Setting, kind: str) -> Schema:
        """Return a reference to the setting's type, with its default where TOML can write it."""
        written = not setting.required and setting.default is not None
        swept = not {kind, f"{kind}.{setting.name}"} & NEVER_SWEPT.keys()
        return {
            **self.type(setting.annotation, sweeps=swept),
            **({"default": setting.typed_default} if written else {}),
        }

    def type(self, annotation: Any, *, sweeps: bool = True) -> Schema:
        """Return a reference to the definition of a type, made when it is first met."""
        key = repr((annotation, sweeps))
        if key not in self._references:
            schema = _open(TypeAdapter(annotation).json_schema(), sweeps=sweeps)
            words = type_name(annotation) if sweeps else f"{type_name(annotation)}, not swept"
            self._references[key] = self._define(words, schema)
        return self._references[key]

    def _define(self, words: str, schema: Schema) -> Schema:
        named = words.replace(">=", "from").replace("<=", "to").replace(">", "above").replace("<", "below")
        name = re.sub(r"\W+", "-", named).strip("-")
        while self.types.setdefault(name, {"description": words, **schema}) != {"description": words, **schema}:
            name += "-"
        return _ref(name)

    def run(self) -> Schema:
        """Return the table `[run]`, in which most settings may be swept."""
        table = _plain_table(RunSettings)
        _need_distinct(table["properties"]["seeds"])
        settings = {n: _open(s, sweeps=f"run.{n}" not in NEVER_SWEPT) for n, s in table["properties"].items()}
        items = {"anyOf": [*map(_opened, self.metric(table)), _ref("reference")]}
        return {**table, "properties": {**settings, "metrics": {"type": "array", "items": items}}}

    def compare(self) -> Schema:
        """Return the table `[compare]`."""
        table = _plain_table(OWN_SECTIONS["compare"])
        plots = [c for c in self.registry.components("plot") if not any(s.required for s in c.settings.values())]
        item = {"anyOf": [{"enum": [plot.name for plot in plots]}, _ref("plot")]}
        properties = {**table["properties"], "plots": {**table["properties"]["plots"], "items": item}}
        return {**table, "properties": properties}

    def metric(self, run: Schema) -> list[Schema]:
        """Return the forms of an item of `run.metrics`: a name, or a table where the language takes one, too."""
        takes_tables = run["properties"]["metrics"]["items"] != {"type": "string"}
        return [{"enum": self.registry.names("metric")}, *([{"component": "metric"}] if takes_tables else [])]


def _plain_table(model: type[Strict]) -> Schema:
    """Return the schema of one of the language's own tables, without sweeps."""
    schema = model.model_json_schema()
    plain: Schema = _plain(schema, schema.get("$defs", {}))
    return plain


def _confirm() -> Schema:
    """Return the table `[confirm]`."""
    table = _plain_table(OWN_SECTIONS["confirm"])
    _need_distinct(table["properties"]["seeds"])
    return table


def _need_distinct(seeds: Schema) -> None:
    """Let a list of seeds name at least one, each once."""
    for kind in seeds["anyOf"]:
        kind |= {"minItems": 1, "uniqueItems": True} if kind["type"] == "array" else {}


def _expectations() -> Schema:
    """Return the schema of `[[expect]]`, whose conditions are columns of results, dotted or as tables."""
    table = _plain_table(ExpectTable)
    table["properties"] |= {"where": COLUMNS, "beats": {**COLUMNS, "minProperties": 1}}
    return {"anyOf": [table, {"type": "array", "minItems": 1, "items": table}]}


def _problems(run: Schema, compare: Schema) -> Schema:
    """Return the list of `[[problem]]`s, each of which has sections of its own."""
    once = {section: {"anyOf": [_ref(section), _ref("over")]} for section in TASK if section in COMPONENT_SECTIONS}
    own = {"run": _less(run, SEEDS), "compare": _less(compare, COMPARED)}
    heads = {key: OTHERS[key] for key in ("extends", UNSET)} | {"label": LABEL, "title": TITLE}
    table = {"type": "object", "properties": {**heads, **once, **own}, "additionalProperties": False}
    told = "A task with data, a model and a loss of its own, on which the optimizers are compared."
    return {"type": "array", "minItems": 1, "items": table, "description": told}


def _less(table: Schema, keys: Iterable[str]) -> Schema:
    properties = {key: schema for key, schema in table["properties"].items() if key not in keys}
    return {**table, "properties": properties}


def _plain(schema: Any, defs: dict[str, Schema]) -> Any:
    """Return a schema with its definitions in their places, and without titles and nulls, which TOML lacks."""
    if isinstance(schema, list):
        return [_plain(item, defs) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = {**defs[schema["$ref"].rpartition("/")[2]], **schema}
    is_written = schema.get("default") not in (None, math.inf, -math.inf)
    dropped = {"title", "$ref", "$defs", *([] if is_written else ["default"])}
    return {
        key: {n: _plain(s, defs) for n, s in value.items()} if key == "properties" else _plain(value, defs)
        for key, value in schema.items()
        if key not in dropped
    }


def _open(schema: Schema, *, sweeps: bool = True) -> Schema:
    """Return a schema that also takes a reference, and a sweep, in the place of the value and of each part of it."""
    outside = {key: value for key, value in schema.items() if key in ("description", "default")}
    inside = {key: value for key, value in schema.items() if key not in outside}
    if not inside:
        return schema
    members = [member for member in inside.get("anyOf", [inside]) if member != {"type": "null"}]
    members = [_opened(member, sweeps=sweeps) for member in members]
    kinds = {member.get("type") for member in members}
    others = [] if "string" in kinds and not any("enum" in m or "const" in m for m in members) else [_ref("reference")]
    if not sweeps:
        return {**outside, "anyOf": [*members, *others]}
    numbers = [_ref("numbers")] if kinds & {"number", "integer"} else []
    return {**outside, "anyOf": [*members, *others, *(_values(word, members) for word in sorted(LISTED)), *numbers]}


def _opened(member: Schema, *, sweeps: bool = True) -> Schema:
    """Return one kind of value with its parts opened."""
    if "component" in member:
        return _ref(member["component"])
    parts: Schema = {}
    for key in ("items", "additionalProperties"):
        if isinstance(member.get(key), dict):
            parts[key] = _open(member[key], sweeps=sweeps)
    if "prefixItems" in member:
        parts["prefixItems"] = [_open(item, sweeps=sweeps) for item in member["prefixItems"]]
    if "properties" in member:
        parts["properties"] = {name: _open(schema, sweeps=sweeps) for name, schema in member["properties"].items()}
    return {**member, **parts}


def _values(word: str, members: list[Schema]) -> Schema:
    """Return the sweep that lists its values."""
    return _sweep(word, {"type": "array", "minItems": 1, "items": {"anyOf": [*members, _ref("reference")]}})


def _number_sweeps() -> Schema:
    """Return the sweeps that compute their values."""
    return {"oneOf": [_sweep(word, _ends(word)) for word in WORDS if word not in LISTED]}


def _ends(word: str) -> Schema:
    """Return what a sweep computes its values from: first and last, or start, stop and step."""
    if word == "range":
        step = {"type": "number", "not": {"const": 0}}
        return {"type": "array", "minItems": 1, "maxItems": 3, "prefixItems": [NUMBER, NUMBER, step], "items": False}
    item = {**NUMBER, "exclusiveMinimum": 0} if word.startswith("log") else NUMBER
    return {"type": "array", "minItems": 2, "maxItems": 2, "items": item}


def _sweep(word: str, values: Schema) -> Schema:
    counts = {key: {"type": "integer", "minimum": 1} for key in WORDS.get(word, ())}
    return {
        "type": "object",
        "properties": {word: values, **counts, "with": {"type": "string", "minLength": 1}},
        "required": [word, *counts],
        "additionalProperties": False,
    }


def _section(name: str) -> Schema:
    """Return a section that is written once, several times, or over one of a base."""
    several = {"type": "array", "minItems": 1, "items": _ref(name)}
    return {"anyOf": [_ref(name), several, _ref("over")]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
