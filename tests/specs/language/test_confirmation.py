"""`[confirm]` says on which fresh seeds the chosen settings are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import Spec, SpecError, read_document, read_spec
from xprun.specs.language.confirmation import chooses, count_confirmation, fresh_seeds, repeats_of

Read = Callable[..., Spec]


@pytest.fixture
def read(write: Callable[[str], Path], line_spec: str) -> Read:
    def resolved(*sets: str, text: str = line_spec, max_runs: int = 1000) -> Spec:
        return resolve(read_spec(read_document(write(text), sets)), REGISTRY, max_runs)

    return resolved


def test_a_number_takes_the_seeds_after_the_largest_of_the_search(read: Read) -> None:
    assert list(fresh_seeds(read("run.seeds=3", "confirm.seeds=2"))) == [3, 4]
    assert list(fresh_seeds(read("run.seeds=[7, 2]", "confirm.seeds=2"))) == [8, 9]


def test_a_list_is_taken_as_written(read: Read) -> None:
    assert list(fresh_seeds(read("run.seeds=3", "confirm.seeds=[30, 4]"))) == [30, 4]
    with pytest.raises(SpecError, match=r"2 is one of run.seeds"):
        read("run.seeds=3", "confirm.seeds=[30, 2]")


def test_there_are_seeds_after_the_largest(read: Read) -> None:
    with pytest.raises(SpecError, match="no 10 seeds after the largest"):
        read(f"run.seeds=[{2**63 - 5}]", "confirm.seeds=10")


def test_without_the_section_there_is_no_second_stage(read: Read) -> None:
    assert (list(fresh_seeds(read())), count_confirmation(read())) == ([], 0)


def test_one_setting_of_each_alternative_is_confirmed_on_each_problem(read: Read, line_spec: str) -> None:
    text = line_spec.replace("[optimizer]", "[[optimizer]]") + '[[optimizer]]\nname = "Adam"\n'
    text = text.replace("[data]", '[[data]]\nlabel = "other"\nname = "line"\nsamples = 9\n[[data]]')
    assert count_confirmation(read("optimizer.lr=[0.1, 0.2, 0.3]", "confirm.seeds=10", text=text)) == 2 * 2 * 10
    split = ("data.valid=0.5", "data.split_seed=[0, 1, 2]", "confirm.seeds=10")
    assert count_confirmation(read(*split, text=text)) == 2 * 2 * 3 * 10
    ablated = text + "[ablate]\n'optimizer.lr' = 0.7\n"
    assert count_confirmation(read("confirm.seeds=10", text=ablated)) == 4 * 2 * 10


def test_the_limit_is_for_both_stages(read: Read) -> None:
    sets = ("optimizer.lr=[0.1, 0.2]", "run.seeds=2", "confirm.seeds=7")
    assert read(*sets, max_runs=11)
    with pytest.raises(SpecError, match=r"4 runs and up to 7 more on fresh seeds, more than the limit of 10") as caught:
        read(*sets, max_runs=10)
    assert "--max-runs 11" in str(caught.value)


def test_settings_are_chosen_where_an_alternative_has_several(read: Read, line_spec: str) -> None:
    assert not chooses(read())
    assert not chooses(read("optimizer.lr=[0.1, 0.2]")), "the values are what is compared"
    assert chooses(read("optimizer.lr=[0.1, 0.2]", "compare.by=optimizer"))
    assert chooses(read("optimizer.lr=[0.1, 0.2]", "confirm.seeds=6"))
    assert not chooses(read("data.valid=0.5", "data.split_seed=[0, 1, 2]"))
    assert repeats_of(read("data.valid=0.5", "data.split_seed=[0, 1, 2]")) == 3
    excluded = line_spec + '[[exclude]]\n"optimizer.lr" = 0.2\n'
    assert not chooses(read("optimizer.lr=[0.1, 0.2]", "compare.by=optimizer", text=excluded))
    assert chooses(read("optimizer.lr=[0.1, 0.2, 0.3]", "compare.by=optimizer", text=excluded))
