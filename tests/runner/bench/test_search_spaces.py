"""What is tuned of an optimizer: its learning rate around the default, or what `--space` says."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from xprun.plugins import NonNegative, Positive, optimizer
from xprun.plugins.registry import REGISTRY
from xprun.runner.bench.bench_spec import find_entrant, tuned
from xprun.runner.bench.search_spaces import Space, SpaceError, read_space, tuned_settings


def rates(name: str, budget: int = 10, *spaces: Space) -> list[float]:
    found: list[float] = tuned_settings(REGISTRY.find("optimizer", name), spaces, budget)["lr"]["grid"]
    return found


@pytest.mark.parametrize("name", ["SGD", "Adam", "NAdam", "Adadelta", "Adagrad", "Rprop", "scratch.adam"])
@pytest.mark.parametrize("budget", [1, 2, 3, 5, 10, 30])
def test_the_default_is_one_of_as_many_rates_as_the_budget(name: str, budget: int) -> None:
    found = rates(name, budget)
    assert REGISTRY.find("optimizer", name).settings["lr"].default in found
    assert len(set(found)) == budget
    assert found == sorted(found)
    steps = [math.log10(high / low) for low, high in pairwise(found)]
    assert steps == pytest.approx([4.5 / (budget - 1)] * (budget - 1) if budget > 1 else [], rel=5e-3)


def test_at_least_a_decade_is_tried_on_either_side_of_the_default() -> None:
    for name in ("SGD", "Adadelta", "Rprop"):
        found, default = rates(name), float(REGISTRY.find("optimizer", name).settings["lr"].default)
        assert found[0] <= default / 9.9 and found[-1] >= default * 9.9


def test_common_defaults_share_their_rates() -> None:
    assert rates("SGD") == rates("Adam") == [1e-4, 3.162e-4, 1e-3, 3.162e-3, 0.01, 0.03162, 0.1, 0.3162, 1.0, 3.162]


def test_a_space_is_stepped_through_with_the_default_in_it() -> None:
    assert rates("NAdam", 4, read_space("lr=1e-3..1")) == [0.002, 0.01, 0.1, 1.0]
    assert rates("Adam", 3, read_space("lr=0.1..10")) == [0.1, 1.0, 10.0]
    assert rates("Adam", 1, read_space("lr=0.1..10")) == [1.0]


def test_a_space_of_one_optimizer_is_none_of_another() -> None:
    own = read_space("Adam.lr=0.1..10")
    assert rates("Adam", 3, own) == [0.1, 1.0, 10.0]
    assert rates("SGD", 3, own) == rates("SGD", 3)
    assert rates("Adam", 3, read_space("lr=1e-5..1e-3"), own) == [0.1, 1.0, 10.0]
    assert read_space("pytorch_optimizer.Lion.lr=1e-5..0.1") == Space("lr", 1e-5, 0.1, "pytorch_optimizer.Lion")


def test_several_settings_are_drawn_together() -> None:
    component = REGISTRY.find("optimizer", "Adam")
    found = tuned_settings(component, [read_space("lr=1e-3..1"), read_space("weight_decay=1e-5..0.1")], 7)
    assert found == {
        "lr": {"loguniform": [1e-3, 1.0], "samples": 7},
        "weight_decay": {"loguniform": [1e-5, 0.1], "samples": 7},
    }


@pytest.mark.parametrize("text", ["lr", "lr=1", "lr=1..", "lr=0..1", "lr=1..0.1", "lr=a..b", "=1..2", "lr=1..inf"])
def test_what_is_no_space_is_refused(text: str) -> None:
    with pytest.raises(SpaceError):
        read_space(text)


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(SpaceError, match="SGD has no setting 'momentun'; did you mean 'momentum'"):
        tuned_settings(REGISTRY.find("optimizer", "SGD"), [read_space("SGD.momentun=0.1..0.9")], 3)


def test_a_number_that_a_setting_does_not_take_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"scratch\.adam takes no keep = 2; say which"):
        tuned_settings(REGISTRY.find("optimizer", "scratch.adam"), [read_space("scratch.adam.keep=0.5..2")], 3)


def test_an_optimizer_without_a_rate_is_taken_as_it_is() -> None:
    @optimizer("free.descent")
    def descent(w, g, s, *, size: Positive = 0.1, keep: NonNegative = 0.0):  # type: ignore[no-untyped-def]
        return w - size * g

    entrant, note = tuned(find_entrant("free.descent", REGISTRY), [], 10)
    assert (entrant.sweeps, entrant.tried) == ({}, 1)
    assert note.startswith("free.descent has no setting 'lr', so it is taken as it is")
    assert "size, keep" in note
    entrant, note = tuned(find_entrant("free.descent", REGISTRY), [read_space("free.descent.size=1e-3..1")], 4)
    assert (entrant.tried, note) == (4, "")


def test_a_name_of_the_field_stands_for_settings() -> None:
    entrant, _ = tuned(find_entrant("Momentum", REGISTRY), [], 3)
    assert 'name = "SGD"\nlabel = "Momentum"\nmomentum = 0.9\nlr = { grid = [' in entrant.as_toml()
    entrant, _ = tuned(find_entrant("Momentum", REGISTRY), [read_space("momentum=0.5..0.99")], 3)
    assert entrant.as_toml().count("momentum =") == 1
