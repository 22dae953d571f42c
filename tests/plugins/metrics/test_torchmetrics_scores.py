"""Scores of torchmetrics are those of scikit-learn, for one output as for several, and leave out what is ignored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn import metrics as sklearn
from torch import Tensor
from xprun.plugins.metrics import torchmetrics_scores as scores
from xprun.plugins.registry import REGISTRY
from xprun.runner.resolve.resolver import resolve
from xprun.specs import SpecError, read_document, read_spec

IGNORED = -100
CLASSES: dict[str, Callable[..., float]] = {
    "f1": sklearn.f1_score,
    "precision": sklearn.precision_score,
    "recall": sklearn.recall_score,
}
SPEC = """
data = { name = "digits" }
model = { name = "softmax" }
loss = { name = "CrossEntropyLoss" }
optimizer = { name = "SGD" }
run = { epochs = 1, metrics = [METRIC] }
"""


def classified(classes: int = 3) -> tuple[Tensor, Tensor]:
    """Return scores [60, classes] and classes [60], some of which are ignored."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(classes, (60,), generator=generator)
    prediction = torch.randn(60, classes, generator=generator) + torch.nn.functional.one_hot(target, classes)
    target[::7] = IGNORED
    return prediction, target


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_scores_of_classes_are_those_of_scikit_learn(name: str, average: str) -> None:
    prediction, target = classified()
    kept = target != IGNORED
    expected = CLASSES[name](target[kept], prediction[kept].argmax(1), average=average)
    found = getattr(scores, name)(prediction, target, None, IGNORED, average=average)
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_areas_under_curves_are_those_of_scikit_learn(average: Any) -> None:
    prediction, target = classified()
    kept = target != IGNORED
    shares, one_hot = prediction[kept].softmax(1), torch.nn.functional.one_hot(target[kept], 3)
    found = scores.auroc(prediction, target, None, IGNORED, average=average)
    expected = sklearn.roc_auc_score(target[kept], shares.double(), multi_class="ovr", average=average)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found = scores.average_precision(prediction, target, None, IGNORED, average=average)
    assert found.item() == pytest.approx(sklearn.average_precision_score(one_hot, shares, average=average), rel=1e-5)


@pytest.mark.parametrize("boundary", [0.0, 0.5])
def test_one_output_is_that_of_the_second_class(boundary: float) -> None:
    generator = torch.Generator().manual_seed(1)
    target = torch.randint(2, (50, 1), generator=generator).float()
    prediction = torch.randn(50, 1, generator=generator) + target
    prediction = prediction if boundary == 0 else prediction.sigmoid()
    for name, expected in CLASSES.items():
        found = getattr(scores, name)(prediction, target, boundary, None)
        assert found.item() == pytest.approx(expected(target[:, 0], prediction[:, 0] > boundary), rel=1e-6), name
    assert scores.auroc(prediction, target, boundary, None).item() == pytest.approx(
        sklearn.roc_auc_score(target[:, 0], prediction[:, 0]), rel=1e-6
    )
    assert scores.average_precision(prediction, target, boundary, None).item() == pytest.approx(
        sklearn.average_precision_score(target[:, 0], prediction[:, 0]), rel=1e-6
    )


@pytest.mark.parametrize("metric", ['"f1"', '{ name = "auroc", average = "weighted" }'])
def test_without_the_package_check_says_how_to_get_it(
    metric: str, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "find_package", lambda name: None)
    with pytest.raises(SpecError) as caught:
        resolve(read_spec(read_document(write(SPEC.replace("METRIC", metric)))), REGISTRY)
    assert "needs the package torchmetrics: pip install 'xprun[metrics]'" in caught.value.render()
    assert ": run.metrics[0]" in caught.value.render()


def test_they_are_listed_without_importing_the_package() -> None:
    code = """
import sys
from click.testing import CliRunner
from xprun.runner.cli.main import main
found = CliRunner().invoke(main, ["ls", "metric"]).output
assert "average_precision" in found and "auroc" in found, found
assert not {"torch", "torchmetrics", "torchvision"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
