"""The models that are known by name train, have an output for every class, and keep what is frozen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import URLError

import pytest
import torch
from support.training import MakePlan, Train
from torch import Tensor
from xprun.plugins.datasets.missing_files import MissingFilesError
from xprun.plugins.datasets.table import Table
from xprun.plugins.registry import REGISTRY, data
from xprun.plugins.torch_api.image_classifiers import classifier
from xprun.plugins.torchvision_import import import_torchvision
from xprun.runner.engine.execution_units import ExecutionUnit, grids_of
from xprun.runner.engine.shards import train_alone, train_in_shards
from xprun.runner.workload.workload import Workload, make_workload

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _images(_registry_as_installed: None) -> Iterator[None]:
    @data("images")
    def images(*, channels: int = 1, size: int = 12, classes: int = 3, rows: int = 8, seed: int = 1) -> Table:
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.rand(rows, channels, size, size, generator=generator)
        return Table(inputs, torch.arange(rows) % classes)

    yield


def spec(model: dict[str, Any], *, optimizer: list[Any] | None = None, run: Any = None, **images: Any) -> str:
    sections = {
        "data": {"name": "images", "batch_size": 4} | images,
        "model": model,
        "loss": {"name": "CrossEntropyLoss"},
        "optimizer": optimizer or [{"name": "SGD", "lr": 0.01}],
        "run": {"steps": 2, "metrics": ["accuracy"]} | (run or {}),
    }
    return "\n".join(f"{key} = {toml(value)}" for key, value in sections.items())


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def workload(plan: MakePlan, text: str) -> Workload:
    return make_workload(REGISTRY, plan(text).runs[0], CPU)


@pytest.mark.parametrize(
    ("model", "shapes"),
    [
        ({"name": "softmax"}, [(3, 144)]),
        ({"name": "mlp"}, [(128, 144), (3, 128)]),
        ({"name": "mlp", "hidden": [8, 4], "activation": "Tanh", "dropout": 0.5}, [(8, 144), (4, 8), (3, 4)]),
        ({"name": "lenet"}, [(6, 1, 5, 5), (16, 6, 5, 5), (120, 16), (84, 120), (3, 84)]),
        ({"name": "lenet", "activation": "ReLU", "pool": "MaxPool2d"}, None),
    ],
)
def test_a_classic_trains_and_has_an_output_for_every_class(
    model: dict[str, Any], shapes: list[Any] | None, plan: MakePlan, train: Train
) -> None:
    [outcome] = train(spec(model))
    assert outcome.status == "done"
    matrices = [tuple(p.shape) for p in workload(plan, spec(model)).make_model(0).parameters() if p.dim() > 1]
    assert shapes is None or matrices == shapes


def test_classes_that_are_held_out_have_an_output_too(plan: MakePlan) -> None:
    text = spec({"name": "softmax"}, rows=5, classes=5, valid=0.2)
    work = workload(plan, text)
    assert len(work.train.targets.unique()) == 4
    assert work.make_model(0)(work.train.inputs).shape == (4, 5)


def test_a_multilayer_perceptron_is_a_regression_for_real_targets(train: Train, line_spec: str) -> None:
    [outcome] = train(line_spec.replace('name = "linear"', 'name = "mlp"\nhidden = [4]').replace("gd", "adam"))
    assert outcome.status == "done"
    assert len(outcome.parameters) == 13


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        ("lenet", {"size": 10}, "lenet takes images of at least 12 x 12 pixels, but these are 10 x 10"),
        ("resnet18", {}, r"resnet18 takes images with 3 channels, but these have 1; .*\"Grayscale\""),
    ],
)
def test_images_that_a_model_cannot_take_are_refused(
    model: str, images: dict[str, Any], message: str, plan: MakePlan
) -> None:
    with pytest.raises(ValueError, match=message):
        workload(plan, spec({"name": model}, **images)).make_model(0)


def test_rows_that_are_no_images_are_refused(plan: MakePlan, line_spec: str) -> None:
    text = line_spec.replace('"linear"', '"resnet18"')
    with pytest.raises(ValueError, match=r"resnet18 takes images .*, but a row of these data is \[1\]"):
        workload(plan, text).make_model(0)


# --- torchvision


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_a_classifier_of_torchvision_trains_by_its_name(name: str, train: Train, plan: MakePlan) -> None:
    text = spec({"name": name}, channels=3, size=32)
    [outcome] = train(text)
    assert outcome.status == "done"
    work = workload(plan, text)
    assert work.make_model(0).eval()(work.train.inputs).shape == (8, 3)


def test_inception_has_one_output_in_training() -> None:
    with torch.device("meta"):
        x = torch.empty(2, 3, 75, 75)
    module = classifier("inception_v3", torch.empty(2, 3, 75, 75, device="meta"), torch.arange(4), num_classes=4)
    assert module.to("meta").train()(x).shape == (2, 4)


HEADS = {"alexnet": "classifier.6", "squeezenet1_1": "classifier.1", "resnet18": "fc"}


@pytest.mark.parametrize("name", HEADS)
def test_a_model_with_weights_gets_a_head_for_the_classes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models = import_torchvision().models
    with torch.device("meta"):
        shapes = models.get_model_builder(name)().state_dict()
    learned = {key: torch.full(value.shape, 0.25, dtype=value.dtype) for key, value in shapes.items()}
    monkeypatch.setattr(models._api, "load_state_dict_from_url", lambda *_, **__: learned)
    module = classifier(name, torch.rand(2, 3, 32, 32), torch.tensor([0, 4]), weights="DEFAULT")
    for key, value in module.state_dict().items():
        fresh = key.startswith(HEADS[name])
        assert fresh == (value.shape != learned[key].shape) or value.dim() == 0, key
        assert fresh or bool((value == learned[key]).all()), key
    assert module.state_dict()[f"{HEADS[name]}.weight"].shape[0] == 5


def test_weights_that_cannot_be_fetched_are_told_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise URLError("no route to host")

    monkeypatch.setattr(import_torchvision().models._api, "load_state_dict_from_url", fail)
    with pytest.raises(
        MissingFilesError, match=r"weights DEFAULT of resnet18 cannot be fetched .*no route.*leave `weights`"
    ):
        classifier("resnet18", torch.rand(2, 3, 32, 32), torch.arange(2), weights="DEFAULT")


# --- freeze


def trained(plan: MakePlan, text: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the parameters before and after the training of the first run, alone."""
    work = workload(plan, text)
    module = work.make_model(0)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workload, "make_model", lambda self, seed: module)
        assert train_alone(work, plan(text).runs[0]).status == "done"
    return before, dict(module.named_parameters())


CNN = {
    "layers": [
        {"name": "Conv2d", "out_channels": 2, "kernel_size": 3},
        {"name": "BatchNorm2d"},
        {"name": "ReLU"},
        {"name": "Flatten"},
        {"name": "Linear", "out_features": 3},
    ]
}
DECAYING = [{"name": name, "lr": 0.01, "weight_decay": 0.5} for name in ("SGD", "AdamW", "Adafactor")]


@pytest.mark.parametrize("optimizer", DECAYING, ids=lambda optimizer: str(optimizer["name"]))
def test_what_is_frozen_is_neither_updated_nor_decayed(optimizer: dict[str, Any], plan: MakePlan) -> None:
    before, after = trained(plan, spec(CNN | {"freeze": ["0.*", "1.weight"]}, optimizer=[optimizer]))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"1.bias", "4.weight", "4.bias"}


@pytest.mark.parametrize(
    "model",
    [{"name": "mlp", "hidden": [4], "activation": "Tanh", "freeze": ["1.*"]}, CNN | {"freeze": ["0.*", "1.*"]}],
    ids=["mlp", "cnn"],
)
def test_a_frozen_model_trains_together_as_alone(model: dict[str, Any], plan: MakePlan) -> None:
    text = spec(model, optimizer=[*DECAYING[:2]], run={"steps": 4, "seeds": 2, "dtype": "float64"})
    [cohort] = plan(text).cohorts(set())
    work = make_workload(REGISTRY, cohort.runs[0], CPU)
    alone = {run.id: train_alone(work, run) for run in cohort.runs}
    for grid in grids_of(work, cohort.runs):
        for outcome in train_in_shards(work, ExecutionUnit(grid, "traced", "", None)):
            expected = alone[outcome.run].history
            for metric, series in outcome.history.items():
                assert series.values == pytest.approx(expected[metric].values, rel=1e-9), metric


def test_a_linear_model_can_be_frozen_in_part(train: Train, line_spec: str) -> None:
    [outcome] = train(line_spec.replace('"linear"', '"linear"\nw = 1.5\nb = 0.25\nfreeze = ["w"]'))
    assert set(outcome.parameters) == {"b"}


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (["features.*"], r"freeze matches no parameter of the model: 'features.\*'; it has 0.weight, 0.bias, 1.weight"),
        (["weight", "bias"], r"freeze = \['weight', 'bias'\] leaves no parameter of the model to train"),
    ],
)
def test_a_useless_freeze_is_an_error(freeze: list[str], message: str, plan: MakePlan) -> None:
    with pytest.raises(ValueError, match=message):
        workload(plan, spec(CNN | {"freeze": freeze})).make_model(0)
