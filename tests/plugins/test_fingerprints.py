"""A built-in component keeps its fingerprint, and with it every stored run, until its numbers change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY, fingerprint_of_file

KNOWN = json.loads(Path(__file__).with_name("fingerprints.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("component", KNOWN)
def test_a_component_is_known_by_its_first_text_that_computes_the_same(component: str) -> None:
    kind, name = component.split(" ", 1)
    found = REGISTRY.find(kind, name)
    file = Path(found.origin.file)
    assert found.fingerprint == KNOWN[component], (
        f"{file.parent.name}/{file.name} has changed, so that no stored run of {name} is found any more. If its "
        f'numbers cannot have changed, write "{fingerprint_of_file(str(file))}": "{KNOWN[component]}" into '
        "plugins/fingerprints.py; otherwise write the new one into fingerprints.json and say so in the CHANGELOG"
    )
