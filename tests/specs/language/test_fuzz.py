"""Whatever stands in a spec, checking it gives runs or a clean error; `XPRUN_FUZZ=10` tries ten times as many."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xprun.plugins.discovery import open_registry
from xprun.plugins.kinds import KINDS
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import SpecError, expand, read_document, read_spec
from xprun.specs.language.keywords import WORDS
from xprun.specs.language.library import shipped_specs
from xprun.specs.language.schema import RunSettings, known_sections

TIMES = int(os.environ.get("XPRUN_FUZZ", "1"))  # 1 makes 2,000 specs, 10 makes 20,000
SPECS = {path.name: path.read_text(encoding="utf-8") for path in shipped_specs().values()}
PIECES = sorted({piece for text in SPECS.values() for piece in re.findall(r"\w+|\s+|.", text)})


def many(number: int) -> Any:
    """Return the settings of a property that is tried so many times; always the same ones, unless there are more."""
    return settings(
        max_examples=number * TIMES,
        deadline=None,
        database=None,
        derandomize=TIMES == 1,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True)
def _denormal_numbers() -> None:
    """Tests that train have denormal numbers flushed to zero in their process; Hypothesis cannot draw numbers then."""
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    for name, text in SPECS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "spec.toml"


def check(file: Path, content: bytes, sets: tuple[str, ...] = ()) -> None:
    """Check a spec, and expand a good one; a bad one must say so in a way that can be shown."""
    file.write_bytes(content)
    try:
        expand(resolve(read_spec(read_document(file, sets)), REGISTRY, max_runs=500))
    except SpecError as error:
        heads = [line for line in error.render().splitlines() if not line.startswith(" ")]
        assert heads
        assert all(c.isprintable() or c in "\n\t" for c in error.render())
        assert all(problem["message"] for problem in error.as_objects())
        json.dumps(error.as_objects())


def toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool | float) else str(value)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**70), 2**70) | st.integers(-2, 5) | st.floats() | st.floats(0, 1)
open_registry()
names = st.sampled_from(sorted({component.name for kind in KINDS for component in REGISTRY.components(kind)}))
WORDS_OF_SPECS = ["name", "label", "lr", "momentum", "layers", "init", "where", "with"]
keys = st.sampled_from([*known_sections(), *RunSettings.model_fields, *WORDS_OF_SPECS]) | texts
dotted_keys = st.lists(keys | st.integers(0, 3).map(lambda i: f"[{i}]"), max_size=4).map(
    lambda parts: ".".join(map(str, parts)).replace(".[", "[")
)
references = dotted_keys.map(lambda key: f"${{{key}}}") | texts.map(lambda text: f"$${{{text}")
scalars = numbers | st.booleans() | texts | references | names | st.just(0.1)
sweeps = st.builds(
    lambda word, values, number, tag: {word: values, **number, **({"with": tag} if tag else {})},
    st.sampled_from(list(WORDS)),
    st.lists(scalars, max_size=4) | st.lists(st.floats(0.01, 1), min_size=2, max_size=2) | scalars,
    st.sampled_from([{}, {"num": 3}, {"samples": 3}, {"num": 10**9}, {"samples": "a"}]),
    st.sampled_from(["", "", "a", "b", 1]),
)
values = st.recursive(
    scalars | sweeps,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
        | st.builds(lambda name, rest: {"name": name, **rest}, names, st.dictionaries(keys, inner, max_size=2))
    ),
    max_leaves=6,
)
GOOD: dict[str, Any] = {
    "data": {"name": "digits", "valid": 0.2, "batch_size": 64},
    "model": {
        "layers": [
            {"name": "Linear", "in_features": 64, "out_features": 8},
            {"name": "Dropout", "p": {"grid": [0.1, 0.2]}},
            {"name": "Linear", "in_features": 8, "out_features": 10},
        ],
        "init": {"weight": {"name": "xavier_uniform_"}},
    },
    "loss": {"name": "CrossEntropyLoss"},
    "optimizer": [{"name": "SGD", "lr": {"grid": [0.1, 0.2]}}, {"name": "Adam", "betas": [0.9, 0.99]}],
    "run": {"epochs": 2, "seeds": 2, "metrics": ["accuracy"]},
    "compare": {"metric": "valid.accuracy"},
    "exclude": [{"optimizer": "Adam", "model.layers[1].p": 0.1}],
    "ablate": {"optimizer.weight_decay": 0.1},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any, key: str) -> Any:
    """Return a value with something else at a path, or with one more key in the table there."""
    if not path:
        return {**value, key: new} if isinstance(value, dict) and key else new
    try:
        copy = value.copy()
        copy[path[0]] = changed(copy[path[0]], path[1:], new, key)
    except (LookupError, TypeError, AttributeError):  # an earlier change took it away
        return value
    return copy


set_texts = st.builds(lambda key, value: f"{key}={toml(value)}", dotted_keys, values)
edits = st.lists(
    st.tuples(st.sampled_from([place for place in places(GOOD) if place]), values, keys | st.just("")), max_size=3
)


@many(1000)
@given(
    edits=edits, sets=st.lists(st.builds(lambda key, value: f"{key}={toml(value)}", dotted_keys, values), max_size=1)
)
def test_a_good_spec_with_anything_in_it(file: Path, edits: list[Any], sets: list[str]) -> None:
    spec = GOOD
    for path, new, key in edits:
        spec = changed(spec, path, new, key)
    if isinstance(spec, dict):
        check(file, "\n".join(f"{toml(key)} = {toml(value)}" for key, value in spec.items()).encode(), tuple(sets))


@many(300)
@given(spec=st.dictionaries(keys, values, max_size=6))
def test_any_structure(file: Path, spec: dict[str, Any]) -> None:
    check(file, "\n".join(f"{toml(key)} = {toml(value)}" for key, value in spec.items()).encode())


@many(400)
@given(
    name=st.sampled_from(sorted(SPECS)),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 0.1)),
    piece=st.lists(st.sampled_from(PIECES) | texts, max_size=3),
    set_text=st.text(max_size=10) | st.just("optimizer.lr=1"),
)
def test_a_shipped_spec_with_a_piece_replaced(
    file: Path, name: str, cut: tuple[float, float], piece: list[str], set_text: str
) -> None:
    text = SPECS[name]
    start = int(cut[0] * len(text))
    text = text[:start] + "".join(piece) + text[start + int(cut[1] * len(text)) :]
    check(file, text.encode(errors="surrogateescape"), (set_text,) if cut[1] < 0.02 else ())


@many(300)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes(file: Path, content: bytes) -> None:
    check(file, content)
