"""`unset` takes away what a spec inherits, and an inherited setting without effect is no mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.ineffective_settings import notes_of
from xprun.runner.resolve.resolver import resolve
from xprun.specs import Spec, SpecError, read_document, read_spec

Write = Callable[..., Path]
BASE = """
[data]
name = "digits"
valid = 0.2
[model]
name = "softmax"
[loss]
name = "CrossEntropyLoss"
[[optimizer]]
name = "SGD"
lr = 0.1
momentum = 0.9
[[optimizer]]
name = "SGD"
label = "plain"
[scheduler]
name = "ExponentialLR"
gamma = 0.9
per = "epoch"
[run]
epochs = 2
search_seed = 3
stop = { patience = 2, loss_below = 0.1 }
"""


@pytest.fixture
def load(write: Write) -> Callable[..., Spec]:
    """Return a function from the text of a spec over the base, and `--set` texts, to the resolved spec."""

    def loaded(text: str, *sets: str) -> Spec:
        write(BASE.replace("search_seed = 3\n", "") if "search_seed" not in text else BASE, "base.toml")
        path = write(f'extends = "base.toml"\n{text}')
        return resolve(read_spec(read_document(path, sets)), REGISTRY)

    return loaded


Load = Callable[..., Spec]


def test_a_section_is_taken_away(load: Load) -> None:
    assert "scheduler" in load("").sections
    assert "scheduler" not in load('unset = ["scheduler"]').sections
    assert "scheduler" not in load("", "unset=scheduler").sections
    assert "scheduler" not in load("", 'unset=["scheduler", "run.stop"]').sections


def test_a_setting_is_taken_away_before_the_own_ones_are_laid_over(load: Load) -> None:
    run = load('unset = ["run.epochs"]\n[run]\nsteps = 7').run.settings
    assert (run["epochs"], run["steps"]) == (None, 7)


def test_a_setting_of_all_alternatives_or_of_one_of_them(load: Load) -> None:
    assert [a.settings["momentum"] for a in load("").sections["optimizer"]] == [0.9, 0.0]
    assert [a.settings["momentum"] for a in load('unset = ["optimizer.momentum"]').sections["optimizer"]] == [0.0, 0.0]
    assert [a.settings["lr"] for a in load('unset = ["optimizer[0].lr"]').sections["optimizer"]] == [1e-3, 1e-3]
    assert [a.label for a in load('unset = ["optimizer[0]"]').sections["optimizer"]] == ["plain"]


def test_a_part_of_a_table(load: Load) -> None:
    stop = load('unset = ["run.stop.patience"]').run.settings["stop"]
    assert (stop["patience"], stop["loss_below"]) == (None, 0.1)


def test_a_section_that_is_unset_and_written_stands_alone(load: Load) -> None:
    [optimizer] = load('unset = ["optimizer"]\n[optimizer]\nname = "SGD"\nlr = 0.5').sections["optimizer"]
    assert (optimizer.settings["lr"], optimizer.settings["momentum"]) == (0.5, 0.0)


@pytest.mark.parametrize("key", ["run.stepz", "run.search_seeds", "schedule", "optimizer.lrr", "optimizer[7]"])
def test_what_the_base_does_not_set_cannot_be_unset(load: Load, key: str) -> None:
    with pytest.raises(SpecError, match="the base does not set"):
        load(f'unset = ["{key}"]')
    with pytest.raises(SpecError, match="the spec does not set"):
        load("", f"unset={key}")


def test_an_inherited_setting_without_effect_is_a_note(load: Load) -> None:
    spec = load("title = 'search_seed'")
    [note] = notes_of(spec)
    assert "base.toml:22:1: run.search_seed: has no effect, because there is no random sweep" in note
    assert 'unset = ["run.search_seed"] takes it away' in note
    assert not list(notes_of(load('unset = ["run.search_seed"]')))
    with pytest.raises(SpecError, match=r"spec.toml:3:1: run.search_seed: has no effect"):
        load("[run]\nsearch_seed = 4")
    with pytest.raises(SpecError, match=r"--set:1:1: run.search_seed: has no effect"):
        load("", "run.search_seed=4")


def test_two_lengths_of_which_one_is_inherited_name_the_cure(load: Load) -> None:
    with pytest.raises(SpecError) as caught:
        load("[run]\nsteps = 7")
    assert "sets both epochs and steps" in str(caught.value)
    assert 'unset = ["run.epochs"] at the top takes the inherited one away' in str(caught.value)


@pytest.mark.parametrize(
    "keys", ['"run.stop"', '"run.stop.patience", "run.stop.loss_below"', '"run.stop.loss_below", "run.stop.patience"']
)
def test_a_table_goes_with_the_last_thing_in_it(load: Load, keys: str) -> None:
    assert load(f"unset = [{keys}]").run.settings["stop"] is None
    assert load("", f"unset=[{keys}]").run.settings["stop"] is None
