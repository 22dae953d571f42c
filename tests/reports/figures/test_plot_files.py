"""File names of plots: readable, plain on every system, and no two the same."""

import re

import pytest
from xprun.reports.figures.plot_files import file_name


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sensitivity-optimizer.lr", "sensitivity-optimizer.lr"),
        ("sensitivity-data.transforms[1].p", "sensitivity-data.transforms.1.p"),
        ("sensitivity-model.layers[0].out_features", "sensitivity-model.layers.0.out_features"),
        ("heat-optimizer.betas[0]-optimizer.lr", "heat-optimizer.betas.0-optimizer.lr"),
    ],
)
def test_paths_of_settings_are_kept_as_they_read(name: str, file: str) -> None:
    assert file_name(name) == file


@pytest.mark.parametrize("label", ["valid.topk(k=5)", "loss / accuracy", "Größe ✓", "../../etc", "a" * 300, "日本"])
def test_other_names_are_plain_and_told_apart(label: str) -> None:
    name = file_name(f"curve-{label}")
    assert re.fullmatch(r"curve(-[A-Za-z0-9._-]+)?-[0-9a-f]{4}", name), name
    assert len(name) <= 75
    assert name != file_name(f"curve-{label}!")
