"""Words for what is wrong: pydantic's findings in a user's language, and the name that was probably meant."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from xprun.specs.language.diagnostics import Diagnostic, UnknownKey
from xprun.specs.language.dotted_paths import Path, at, dotted
from xprun.specs.language.keywords import NEVER_SWEPT, WORDS
from xprun.specs.language.other_notations import Kind, Meant, meant_instead
from xprun.specs.language.schema import DEVICE_PATTERN

# What newcomers from other tools write, and the field's standard term that is used here.
SYNONYMS = {
    "learning_rate": "lr",
    "step_size": "lr",
    "alpha": "lr",
    "eta": "lr",
    "batchsize": "batch_size",
    "batch": "batch_size",
    "max_epochs": "epochs",
    "num_epochs": "epochs",
    "max_steps": "steps",
    "iterations": "steps",
    "seed": "seeds",
    "grad_clip": "clip_norm",
    "gradient_clip_val": "clip_norm",
    "max_grad_norm": "clip_norm",
    "accumulate_grad_batches": "accumulate",
    "gradient_accumulation_steps": "accumulate",
    "amp": "autocast",
    "mixed_precision": "autocast",
    "precision": "autocast",
    "ema": "average",
    "swa": "average",
    "beta1": "betas",
    "beta2": "betas",
    "epsilon": "eps",
    "type": "name",
    "dataset": "data",
    "criterion": "loss",
    "optim": "optimizer",
    "asha": "successive_halving",
    "sha": "successive_halving",
    "hyperband": "successive_halving",
    "tpe": "optuna",
    "mse": "MSELoss",
    "meansquarederror": "MSELoss",
    "cross_entropy": "CrossEntropyLoss",
    "gpu": "cuda",
    "all": "full",
    "double": "float64",
    "single": "float32",
    "float": "float32",
    "bf16": "bfloat16",
    "early_stopping": "patience",
    "min_delta": "loss_below",
}

LONGEST_NAME = 60  # characters of a name that are shown and compared
MOST_LISTED = 25  # names; of more, only the nearest are shown
NEAREST_LISTED = 6

TYPES = {
    "float_type": "must be a number",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "finite_number": "must be finite",
    "model_type": "must be a table",
    "missing": "is missing",
}

TABLES = {  # an example of each table that is a setting of the spec's own sections
    "run.stop": "{ patience = 5 }, { loss_below = 0.01 } or { max_seconds = 60 }",
    "run.stop.metric_reached": '{ "valid.accuracy" = 0.95 }',
    "run.save": '"last" or "best"',
    "run.average": "{ ema = 0.999 } or { swa_from = 0.75 }",
    "compare.target": '{ "valid.accuracy" = 0.95 }',
}
KINDS: dict[str, Kind] = {  # which kind of value pydantic misses
    "float_type": "number",
    "finite_number": "number",
    "int_type": "integer",
    "int_from_float": "integer",
    "bool_type": "boolean",
    "string_type": "string",
    "literal_error": "word",
    "list_type": "list",
    "tuple_type": "list",
}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant: by synonym, by spelling, or by its last part."""
    by_lower = {k.lower(): k for k in known}
    lower = name[:LONGEST_NAME].lower().lstrip("-+~")
    if (synonym := SYNONYMS.get(lower)) in by_lower.values():
        return synonym
    swapped = [original for k, original in by_lower.items() if sorted(k) == sorted(lower)]
    if swapped:
        return swapped[0]
    if close := difflib.get_close_matches(lower, by_lower, n=1, cutoff=0.7 if len(lower) > 3 else 0.6):
        return by_lower[close[0]]
    by_last = {k.rpartition(".")[2]: original for k, original in by_lower.items()}
    close = difflib.get_close_matches(lower.rpartition(".")[2], by_last, n=1, cutoff=0.7)
    return by_last[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'lr'?`, or nothing when no known name is near."""
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def quoted(name: Any) -> str:
    """Return a name in quotes, as messages show it; a long one is shortened."""
    text = str(name)
    return repr(text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "...")


def listed(name: str, known: Iterable[str], where: str = "") -> str:
    """Return the known names as a list; of many, those nearest to a name, and `where` all are listed."""
    names = list(known)
    if len(names) <= MOST_LISTED:
        return ", ".join(names)
    lower = name[:LONGEST_NAME].lower()
    likeness = {k: difflib.SequenceMatcher(None, k.lower(), lower).ratio() for k in names}
    near = sorted(sorted(names, key=lambda k: -likeness[k])[:NEAREST_LISTED], key=names.index)
    return f"{', '.join(near)}, ... ({len(names)} in all{where and f'; {where} lists them'})"


def unknown_key(path: Path, owner: str, known: list[str]) -> Diagnostic:
    """Return the problem of a key that its table does not take."""
    takes = f"{owner} takes {listed(str(path[-1]), known)}" if known else f"{owner} takes no settings"
    near = did_you_mean(str(path[-1]), known)
    return UnknownKey(path, f"{owner} has no such setting{near}", takes, at="key", has_near=bool(near))


def value_problems(
    error: ValidationError, path: Path, value: Any, model: type[BaseModel] | None = None
) -> list[Diagnostic]:
    """Return one problem a place for a value that pydantic refused; `path` is where the value stands.

    The complaints of a union's members about one place are joined by "or". `model` is that of a section of the spec
    itself, of which only `[run]` has settings that may be swept.
    """
    by_place: dict[Path, list[Any]] = {}
    problems: list[Diagnostic] = []
    sweeps = model is None or path == ("run",)
    for detail in error.errors(include_url=False):
        place = _real_place(detail["loc"], value)
        if detail["type"] == "extra_forbidden":
            known = known_keys(model, tuple(part for part in place[:-1] if isinstance(part, str))) if model else []
            problems.append(unknown_key(path + place, dotted((*path, *place[:-1])), known))
        else:
            by_place.setdefault(place, []).append(detail)
    for place in _deepest(by_place):
        details = by_place[place]
        wishes = map(_expectation, details)
        wish = " or ".join(dict.fromkeys(w for w in wishes if w)).replace(" or must be ", " or ")
        found = at(value, place)
        meant = _meant(found, {detail["type"] for detail in details})
        meant = meant if sweeps or not (meant and meant.is_sweep) else None
        word = _near_word(found, _words_of(details)) if isinstance(found, str) and not meant else None
        near = f"; did you mean {word!r}?" if word else ""
        help_text = _table_example(path + place, details) if not meant and not near else ""
        wrong = Diagnostic(path + place, f"{wish}, not {show(found)}{near}", help_text, meant=meant)
        is_sweep = isinstance(found, list) and found and not any(one["type"] == "value_error" for one in details)
        if is_sweep and ".".join(map(str, path + place)) in NEVER_SWEPT:
            wrong = never_swept(path + place)
        problems.append(_sweep_typo(path + place, found) or wrong)
    misspelt = {problem.path[:-1] for problem in problems if isinstance(problem, UnknownKey)}
    return [problem for problem in problems if problem.path not in misspelt]


def _words_of(details: list[Any]) -> list[str]:
    """Return the words of which a setting takes one."""
    words = [
        word for one in details if one["type"] == "literal_error" for word in _WORD.findall(one["ctx"]["expected"])
    ]
    is_device = any(one["type"] == "string_pattern_mismatch" for one in details)
    return [*words, *(["auto", "cpu", "cuda", "mps"] if is_device else [])]


def _near_word(text: str, words: list[str]) -> str | None:
    """Return the word that was meant among few: another spelling or term of it, and not just one that looks like it."""
    lower, digits = text.lower(), re.sub(r"\D", "", text)
    words = [word for word in words if not digits or re.sub(r"\D", "", word) in ("", digits)]
    begins = [
        word for word in words if len(lower) > 2 and (word.lower().startswith(lower) or lower.startswith(word.lower()))
    ]
    by_lower = {word.lower(): word for word in words}
    close = difflib.get_close_matches(lower, by_lower, n=1, cutoff=0.8)
    synonym = SYNONYMS.get(lower)
    return synonym if synonym in words else by_lower[close[0]] if close else begins[0] if begins else None


_WORD = re.compile(r"'([^']+)'")


def _table_example(path: Path, details: list[Any]) -> str:
    """Return how a table is written where something else stands."""
    is_table = any(one["type"] in ("model_type", "dict_type") for one in details)
    example = TABLES.get(".".join(str(part) for part in path if isinstance(part, str)), "")
    return f"write {path[-1]} = {example}" if is_table and example else ""


def _meant(found: Any, refused: set[str]) -> Meant | None:
    """Return what a value was meant to be, of which pydantic refused nothing but the type."""
    refused -= {"none_required", "model_type", "dict_type"}
    return meant_instead(found, {KINDS[one] for one in refused}) if refused and refused <= KINDS.keys() else None


def _deepest(by_place: dict[Path, list[Any]]) -> list[Path]:
    """Return the places without those around others: a list with a wrong item is not wrong for being a list."""
    around = {place[:length] for place in by_place for length in range(len(place))}
    missing = {place for place, details in by_place.items() if any(one["type"] == "missing" for one in details)}
    return [place for place in by_place if place not in around or place in missing]


def _sweep_typo(path: Path, value: Any) -> Diagnostic | None:
    """Return the problem of a table that was meant as a sweep: `{ gird = [0.1, 0.01] }`."""
    for key, content in value.items() if isinstance(value, dict) and "name" not in value else ():
        if key in WORDS:
            return never_swept(path)
        near = nearest(key, WORDS)
        if near and isinstance(content, list):
            message = f"there is no sweep {quoted(key)}; did you mean {near!r}?"
            return Diagnostic((*path, key), message, f"a sweep is one of {', '.join(WORDS)}", "key")
    return None


def never_swept(path: Path) -> Diagnostic:
    """Return the problem of a sweep where all runs of a spec have one value, with what to do instead."""
    plain = [str(part) for part in path if isinstance(part, str)]
    keys = (".".join(plain), plain[0], plain[-1])
    return Diagnostic(path, "cannot be swept", next((NEVER_SWEPT[key] for key in keys if key in NEVER_SWEPT), ""))


def known_keys(model: type[BaseModel], place: Path) -> list[str]:
    """Return the fields of the tables that a model of pydantic has at a place."""
    models = [model]
    for key in place:
        annotations = [m.model_fields[key].annotation for m in models if key in m.model_fields]
        models = [inner for annotation in annotations for inner in _models_in(annotation)]
    return [name for m in models for name in m.model_fields]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def show(value: Any) -> str:
    """Return a value as it would stand in a spec, shortened."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = "..."
    return text if len(text) <= 40 else text[:37] + "..."


def _real_place(loc: Path, value: Any) -> Path:
    """Return pydantic's location without the tags of unions, which are no keys of the value."""
    place: Path = ()
    for key in loc:
        inside = at(value, place)
        in_table = isinstance(inside, dict) and key in inside
        in_list = isinstance(inside, list) and isinstance(key, int) and key < len(inside)
        place = (*place, key) if in_table or in_list else place
    return place


def _expectation(detail: Any) -> str:
    """Return what pydantic expected: `Input should be greater than 0` becomes `must be greater than 0`."""
    if detail["type"] == "none_required":
        return ""
    if detail["type"] == "string_pattern_mismatch" and detail["ctx"]["pattern"] == DEVICE_PATTERN:
        return "must be auto, cpu, cuda, cuda:1 or mps"
    if detail["type"] == "missing" and detail["loc"] and isinstance(detail["loc"][-1], int):
        return f"must have at least {detail['loc'][-1] + 1} values"
    if detail["type"] == "too_short":
        least = detail["ctx"]["min_length"]
        return f"must have at least {least} {plural('value', least)}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return TYPES.get(detail["type"]) or message.replace("Input should be", "must be")


def plural(word: str, count: int) -> str:
    """Return a noun as it stands beside a count."""
    if count == 1 or word == "data":
        return word
    return word + ("es" if word.endswith(("s", "ch")) else "s")
