"""Whether the last layer of a model gives what its loss takes: what to know of it before training, without torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xprun.plugins.registry import Registry
from xprun.specs import Spec
from xprun.specs.language.dotted_paths import Path, dotted
from xprun.specs.language.expansion import choices_of

# Losses that take the softmax or the sigmoid themselves: of scores, and not of what these layers make of them.
OF_SCORES = {
    "CrossEntropyLoss": ("softmax", ("Softmax", "LogSoftmax", "Sigmoid", "LogSigmoid")),
    "BCEWithLogitsLoss": ("sigmoid", ("Sigmoid", "LogSigmoid", "Softmax", "LogSoftmax")),
    "MultiLabelSoftMarginLoss": ("sigmoid", ("Sigmoid", "LogSigmoid", "Softmax", "LogSoftmax")),
}
# Losses that take what a layer has to make of scores: what, the layer, and the loss that does without it.
OF_LAYERS = {
    "NLLLoss": ("the logarithms of probabilities", "LogSoftmax", "CrossEntropyLoss"),
    "BCELoss": ("probabilities", "Sigmoid", "BCEWithLogitsLoss"),
}
FITTING = {"NLLLoss": ("LogSoftmax",), "BCELoss": ("Sigmoid", "Hardsigmoid", "Softmax")}  # last layers of the two
OF_TORCH = ("torch.nn",)
SCORING = ("built-in", "torchvision.models")  # sources of models that end with a Linear layer


def output_notes(spec: Spec, registry: Registry) -> list[str]:
    """Return a line for each pair of a model's last layer and a loss that is taught otherwise than was meant.

    `spec.toml:5:3: model.layers[2]: Softmax before CrossEntropyLoss, which takes the softmax itself: leave it out`.
    """
    if spec.listed:
        return list(dict.fromkeys(line for part in spec.listed for line in output_notes(part, registry)))
    found: dict[str, None] = {}
    for variant in spec.variants():
        for model in variant.sections["model"]:
            for choice in choices_of(model):
                ends = last_layer(choice.settings.get("layers"), (*model.path, "layers"))
                if ends is None and registry.find("model", model.name).origin.source in SCORING:
                    ends = "", (*model.path, "name")
                if ends is None or (ends[0] and registry.find("layer", ends[0]).origin.source not in OF_TORCH):
                    continue  # a plugin's own may end with anything
                for loss in variant.sections["loss"]:
                    found |= dict.fromkeys(_notes(spec, model.name, *ends, loss.name))
    return list(found)


def last_layer(layers: Any, path: Path) -> tuple[str, Path] | None:
    """Return the name of the last of some layers, and where it stands; None for what are no layers."""
    if not isinstance(layers, list) or not layers or not isinstance(layers[-1], dict):
        return None
    last, place = layers[-1], (*path, len(layers) - 1)
    if last.get("name") == "Sequential":
        return last_layer(last.get("layers"), (*place, "layers"))
    return str(last.get("name")), place


def _notes(spec: Spec, model: str, last: str, path: Path, loss: str) -> Iterator[str]:
    if loss in OF_SCORES:
        function, layers = OF_SCORES[loss]
        if last in layers:
            yield f"{_place(spec, path)}: {last} before {loss}, which takes the {function} itself: leave {last} out"
    if loss in OF_LAYERS:
        taken, layer, other = OF_LAYERS[loss]
        if last not in FITTING[loss]:
            ends = f"a model that ends with {last}" if last else f"the scores of {model}"
            yield f"{_place(spec, path)}: {loss} takes {taken}, and gets {ends}: end with {layer}, or use {other}"


def _place(spec: Spec, path: Path) -> str:
    return f"{spec.document.place(path).name}: {dotted(path)}"
