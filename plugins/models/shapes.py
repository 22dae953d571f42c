"""What a model reads off the data at hand: how many outputs they want, and whether they are images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def count_outputs(y: Tensor) -> int:
    """Return the outputs that targets want: one per class for integers [N], one a column for others [N, k]."""
    if y.is_floating_point():
        return y.shape[1] if y.dim() > 1 else 1
    return int(y.max()) + 1


def want_images(model: str, x: Tensor, channels: int | None = None) -> None:
    """Raise ValueError where `x` are no images [B, channels, height, width]; None is any number of channels."""
    if x.dim() != 4:
        raise ValueError(f"{model} takes images [channels, height, width], but a row of these data is {[*x.shape[1:]]}")
    if channels is not None and x.shape[1] != channels:
        help_text = (
            ' data.transforms = [{ name = "Grayscale", num_output_channels = 3 }] repeats one channel three times'
        )
        raise ValueError(f"{model} takes images with {channels} channels, but these have {x.shape[1]};{help_text}")
