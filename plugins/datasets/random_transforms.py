"""Which transforms of images are random: those that draw a random number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Image = Callable[["Tensor"], "Tensor"]


def in_turn(transforms: Sequence[Image], image: Tensor) -> Tensor:
    """Return the image [C, H, W] after one transform after the other."""
    for transform in transforms:
        image = transform(image)
    return image


def random_ones(transforms: Sequence[Image], image: Tensor) -> list[bool]:
    """Return for each of some transforms, applied in turn to an image [C, H, W], whether it is random.

    It is if it draws from torch's default generator: for that image, or for the image at more than twice its size,
    because a random crop of an image that is no larger than the crop draws nothing.
    """
    import torch

    height, width = image.shape[1:]
    large = torch.nn.functional.interpolate(image[None], (2 * height + 1, 2 * width + 1))[0]
    found = []
    for transform in transforms:
        before = torch.get_rng_state()
        image, large = transform(image), transform(large)
        found.append(not torch.equal(before, torch.get_rng_state()))
    return found


def first_random(transforms: Sequence[Image], image: Tensor) -> int:
    """Return how many transforms stand before the first random one."""
    return [*random_ones(transforms, image), True].index(True)
