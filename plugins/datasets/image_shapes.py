"""The shapes of images that the sets of torchvision give, as far as they are known without their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shape = tuple[int | None, int | None, int | None]  # channels, height, width; None is not known
UNKNOWN: Shape = (None, None, None)
GREY, COLOUR = 1, 3
OF_SHAPE: dict[Shape, tuple[str, ...]] = {
    (GREY, 28, 28): ("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST"),
    (GREY, 16, 16): ("USPS", "SEMEION"),
    (GREY, 48, 48): ("FER2013",),
    (GREY, 105, 105): ("Omniglot",),
    (COLOUR, 32, 32): ("CIFAR10", "CIFAR100", "SVHN"),
    (COLOUR, 64, 64): ("EuroSAT",),
    (COLOUR, 96, 96): ("PCAM", "STL10"),
}
SHAPES = {name: shape for shape, names in OF_SHAPE.items() for name in names}
IN_COLOUR = (
    "CLEVRClassification", "Country211", "DTD", "FGVCAircraft", "Flowers102", "Food101", "GTSRB", "ImageFolder",
    "ImageNet", "Imagenette", "OxfordIIITPet", "Places365", "RenderedSST2", "SUN397", "StanfordCars",
)  # of any size; a file in grey is read as one in colour  # fmt: skip


def shape_of(name: str, settings: Mapping[str, Any]) -> Shape:
    """Return the shape of the images of a set with these settings."""
    if name == "FakeData":
        size: list[int] = list(settings.get("image_size") or ())
        return (size[0], size[1], size[2]) if len(size) == 3 else UNKNOWN
    return SHAPES.get(name, (COLOUR if name in IN_COLOUR else None, None, None))
