"""The id of a run depends on what can change its numbers: those of the first version are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated

import pytest
from xprun.plugins.registry import REGISTRY, Registry
from xprun.plugins.types import AbsentByDefault as AbsentSetting
from xprun.runner.planning.plan import make_plan
from xprun.runner.resolve.resolver import resolve
from xprun.specs import read_document, read_spec, read_text
from xprun.specs.language.identity import identity_of
from xprun.specs.language.schema import AbsentByDefault, RunSettings, Stop

SPECS = Path(__file__).parents[3] / "specs"
KNOWN = json.loads(Path(__file__).with_name("run_ids.json").read_text(encoding="utf-8"))
# Seeds of the first version, where there are others today.
SEEDS = {"batch_sizes": 5, "digits_cnn": 5, "digits_mlp": 5, "line_module": 3, "linear_scratch": 5, "optimizers": 5}


@pytest.fixture
def registry() -> Registry:
    return REGISTRY.copy()


@pytest.mark.parametrize("spec", KNOWN)
def test_runs_that_were_stored_by_the_first_version_are_found(spec: str) -> None:
    sets = (f"run.seeds={SEEDS[spec]}",) if spec in SEEDS else ()
    plan = make_plan(resolve(read_spec(read_document(SPECS / f"{spec}.toml", sets)), REGISTRY), "cpu")
    assert [run.id for run in plan.runs] == KNOWN[spec]


class NewerStop(Stop):
    grace: Annotated[int, AbsentByDefault()] = 0


class Newer(RunSettings):
    """`[run]` as a later version might have it."""

    k_folds: Annotated[int | None, AbsentByDefault()] = None
    warm: Annotated[bool, AbsentByDefault()] = False
    stop: NewerStop | None = None


def ids_of(text: str, registry: Registry) -> list[str]:
    return [run.id for run in make_plan(resolve(read_spec(read_text(text, "spec.toml", ())), registry), "cpu").runs]


def test_a_new_setting_of_run_changes_no_id_until_it_is_set(
    line_spec: str, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    before = ids_of(line_spec, registry)
    for module in ("specs.language.expansion", "specs.language.parser", "runner.resolve.named_results"):
        monkeypatch.setattr(f"xprun.{module}.RunSettings", Newer)
    assert ids_of(line_spec, registry) == before
    assert ids_of(line_spec + "warm = false\n", registry) == before
    assert ids_of(line_spec + "k_folds = 5\n", registry) != before
    assert ids_of(line_spec + "warm = true\n", registry) != before


def test_a_new_setting_inside_one_of_run_changes_no_id_until_it_is_set() -> None:
    older = identity_of(RunSettings(steps=1, stop=Stop(patience=2)))
    assert identity_of(Newer(steps=1, stop=NewerStop(patience=2))) == older
    assert '"grace":1' in identity_of(Newer(steps=1, stop=NewerStop(patience=2, grace=1)))
    assert json.loads(older)["stop"]["patience"] == 2


def add_setting(registry: Registry, kind: str, name: str) -> None:
    """Let a component have a setting that it had not when its runs were stored."""
    component = registry.find(kind, name)
    later = Parameter("later", Parameter.KEYWORD_ONLY, default=0.0, annotation=Annotated[float, AbsentSetting()])
    known = signature(component.signature)

    def newer() -> None: ...

    newer.__signature__ = known.replace(parameters=[*known.parameters.values(), later])  # type: ignore[attr-defined]
    newer.__wrapped__ = component.signature  # type: ignore[attr-defined]
    registry._components[kind][name] = replace(component, signature=newer)


def test_a_new_setting_of_a_component_changes_no_id_until_it_is_set(line_spec: str, registry: Registry) -> None:
    before = ids_of(line_spec, registry)
    add_setting(registry, "optimizer", "scratch.gd")
    assert ids_of(line_spec, registry) == before
    assert ids_of(line_spec.replace("lr = 0.1", "lr = 0.1\nlater = 0"), registry) == before
    assert ids_of(line_spec.replace("lr = 0.1", "lr = 0.1\nlater = 1"), registry) != before
    swept = ids_of(line_spec.replace("lr = 0.1", "lr = 0.1\nlater = { grid = [0, 1] }"), registry)
    assert (swept[0], len(set(swept))) == (before[0], 2)


@pytest.mark.parametrize(
    ("kind", "name", "text", "written"),
    [
        ("metric", "mae", 'metrics = ["mae"]', 'metrics = [{{ name = "mae", label = "mae", later = {} }}]'),
        ("init", "zeros_", "init = { w = { name = 'zeros_' } }", "init = {{ w = {{ name = 'zeros_', later = {} }} }}"),
    ],
)
def test_a_new_setting_of_a_component_in_a_setting_changes_no_id_until_it_is_set(
    line_spec: str, registry: Registry, kind: str, name: str, text: str, written: str
) -> None:
    def spec(setting: str) -> str:
        return line_spec + setting if kind == "metric" else line_spec.replace('"linear"', f'"linear"\n{setting}')

    before = ids_of(spec(text), registry)
    add_setting(registry, kind, name)
    assert ids_of(spec(text), registry) == before
    assert ids_of(spec(written.format("0.0")), registry) == before
    assert ids_of(spec(written.format("2.0")), registry) != before
