"""What is saved comes back, and nothing appears by halves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from xprun.runner.outcome import Outcome, Series
from xprun.runner.store import Store


def outcome(run: str = "a", value: float = 0.5) -> Outcome:
    series = Series(np.array([1, 2, 5]), np.array([value, np.inf, np.nan]))
    return Outcome(run, "diverged", "the loss is inf", 5, 1.25, 0.1, 3, {"loss": series}, {"w": 0.1 + 0.2})


def test_an_outcome_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "folder")
    store.save([outcome()])
    store.close()
    found = Store(tmp_path / "deep" / "folder").load("a")
    assert found is not None
    assert (found.status, found.reason, found.steps, found.epochs) == ("diverged", "the loss is inf", 5, 1.25)
    assert found.together == 3
    assert found.parameters == {"w": 0.1 + 0.2}
    assert found.history["loss"].steps.tolist() == [1, 2, 5]
    assert np.array_equal(found.history["loss"].values, [0.5, np.inf, np.nan], equal_nan=True)


def test_a_second_outcome_replaces_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save([outcome(), outcome("b")])
    store.save([Outcome("a", "failed", "no")])
    found = store.load("a")
    assert found is not None
    assert (found.status, found.history) == ("failed", {})
    assert store.finished() == {"a", "b"}
    assert store.load("c") is None


def test_a_save_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bad = outcome("b")
    bad.history["loss"] = Series(np.array([1]), None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        store.save([outcome("a"), bad])
    assert store.finished() == set()
