"""Training and held-out curves lie in one plot; `compare.curves` names what a textbook's plot shows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from support.folders import Case
from xprun.reports.data.results_folder import read_tables
from xprun.reports.sections.curves_section import curves_section
from xprun.reports.stats.analysis import Analysis, make_analysis

CASES = [Case("SGD", 0.1, [0.7, 0.8]), Case("Adam", 0.1, [0.8, 0.9])]


def with_parts(folder: Path) -> Path:
    """Adds the accuracy and the loss of training rows, and the loss of held-out ones."""
    history = pd.read_csv(folder / "history.csv", dtype={"run": str})
    valid = history[history["metric"] == "valid.accuracy"]
    more = [valid.assign(metric="train.accuracy", value=valid["value"] + 0.05)]
    more += [valid.assign(metric=f"{part}.loss", value=1 - valid["value"]) for part in ("train", "valid")]
    pd.concat([history, *more]).to_csv(folder / "history.csv", index=False)
    return folder


def analysis_of(folder: Path, *curves: str) -> Analysis:
    tables = read_tables(folder)
    comparison = replace(tables.schema.comparison, curves=list(curves))
    return make_analysis(replace(tables, schema=replace(tables.schema, comparison=comparison)))


def test_training_and_held_out_rows_share_a_plot(make_folder: Callable[..., Path]) -> None:
    section = curves_section(analysis_of(with_parts(make_folder(CASES))))
    loss, accuracy, minibatches = section.pictures
    assert loss.title == "loss (train, valid) over the steps"
    assert accuracy.title == "accuracy (train, valid) over the steps"
    assert [switch.name for switch in accuracy.switches] == ["train", "valid"]
    assert minibatches.title == "loss over the steps"
    svg = accuracy.images.views["linear"]
    for part in ("train", "valid"):
        assert f'data-series="0" data-split="{part}"' in svg
    assert 'data-ticks="epoch"' in svg
    assert 'data-ticks="step"' in svg
    assert '"epoch":25.0' in accuracy.images.hover["linear"]


def test_curves_that_are_named_share_one_plot(make_folder: Callable[..., Path]) -> None:
    names = ["train.loss", "train.accuracy", "valid.accuracy"]
    (picture,) = curves_section(analysis_of(with_parts(make_folder(CASES)), *names)).pictures
    assert list(picture.images.views) == ["Adam", "SGD"]
    assert all(name in picture.images.views["SGD"] for name in names)
    assert "Adam train.loss 0." in picture.alt
