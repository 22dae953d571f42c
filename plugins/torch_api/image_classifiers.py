"""The image classifiers of torchvision.models, with as many outputs as the data have classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xprun.plugins.datasets.missing_files import MissingFilesError
from xprun.plugins.models.shapes import count_outputs, want_images
from xprun.plugins.torchvision_import import import_torchvision

if TYPE_CHECKING:
    from torch import Tensor, nn

# Builders whose training output is a tuple of the scores and those of auxiliary heads, unless they are told not to.
WITH_AUXILIARY_HEADS = {"googlenet", "inception_v3"}


def classifier(
    name: str, x: Tensor, y: Tensor, *, weights: str | None = None, num_classes: int | None = None
) -> nn.Module:
    """Return the model of that name for colour images `x` [B, 3, H, W] and targets `y`, of which all classes count.

    With `weights` its last layer is replaced by a fresh one. Raises ValueError for inputs that are no colour images,
    and MissingFilesError for weights that can be neither found nor fetched.
    """
    want_images(name, x, channels=3)
    outputs = num_classes or count_outputs(y)
    settings = {"aux_logits": False} if name in WITH_AUXILIARY_HEADS else {}
    build = import_torchvision().models.get_model_builder(name)
    if weights is None:
        fresh = {"init_weights": True} if name in WITH_AUXILIARY_HEADS else {}
        module: nn.Module = build(num_classes=outputs, **settings, **fresh)
        return module
    module = _pretrained(build, name, weights, settings)
    replace_head(module, outputs)
    return module


def _pretrained(build: Any, name: str, weights: str, settings: dict[str, Any]) -> nn.Module:
    import torch

    try:
        module: nn.Module = build(weights=weights, progress=False, **settings)
    except OSError as error:  # urllib's errors are OSErrors, and so are those of a full disk
        folder = f"{torch.hub.get_dir()}/checkpoints"
        help_text = f"connect to the network once, put the file into {folder}, or leave `weights` out"
        raise MissingFilesError(f"the weights {weights} of {name} cannot be fetched ({error}); {help_text}") from error
    return module


def replace_head(module: nn.Module, outputs: int) -> None:
    """Replace a classifier's last Linear layer or 1 x 1 convolution by a fresh one with a number of outputs."""
    from torch import nn

    heads = [(path, part) for path, part in module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    path, old = heads[-1]
    parent, _, last = path.rpartition(".")
    new: nn.Module
    if isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, outputs, bias=old.bias is not None)
    else:
        new = nn.Conv2d(old.in_channels, outputs, kernel_size=1, bias=old.bias is not None)
    setattr(module.get_submodule(parent), last, new)
