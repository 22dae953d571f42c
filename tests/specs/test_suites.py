"""The shipped suites list problems that are there, each once."""

from __future__ import annotations

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import read_document, read_spec
from xprun.specs.language.library import shipped_files, suites

pytestmark = pytest.mark.skipif("problems/rosenbrock" not in shipped_files(), reason="the problems come with the suite")


@pytest.mark.parametrize("name", sorted(suites()))
def test_a_suite_is_right(name: str) -> None:
    spec = resolve(read_spec(read_document(suites()[name])), REGISTRY)
    assert len({part.problem for part in spec.listed}) == len(spec.listed) >= 16
    assert all(part.compare.target is not None for part in spec.listed)


def test_the_quick_suite_is_part_of_the_full_one() -> None:
    quick, full = ({part.label for part in read_document(suites()[name]).listed.values()} for name in ("quick", "full"))
    assert quick < full
