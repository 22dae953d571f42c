"""Finds transforms that do not fit the images that they are given, as far as these are known; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from xprun.plugins.datasets.image_shapes import UNKNOWN, Shape, shape_of
from xprun.plugins.registry import Registry
from xprun.specs import Diagnostic, Spec
from xprun.specs.language.dotted_paths import Path
from xprun.specs.language.expansion import choices_of
from xprun.specs.language.wording import plural

MOST_PIXELS = 16_384  # of an edge
TRANSFORMS, FILL = "transforms", "fill"
OF_TORCHVISION = "torchvision.transforms.v2"
Settings = dict[str, Any]


def transform_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield settings of transforms that do not fit the channels or the size of the images that reach them."""
    for alternative in spec.sections["data"]:
        if TRANSFORMS not in alternative.settings:
            continue
        known = registry.find("data", alternative.name).origin.source == "torchvision.datasets"
        found: dict[Diagnostic, None] = {}
        for choice in choices_of(alternative):
            shape = shape_of(choice.name, choice.settings) if known else UNKNOWN
            walk = _Walk(registry)
            walk.all(choice.settings[TRANSFORMS], shape, (*alternative.path, TRANSFORMS))
            found |= dict.fromkeys(walk.problems)
        yield from found


class _Walk:
    """Follows the shape of an image through transforms, and collects what does not fit it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[Diagnostic] = []

    def all(self, transforms: list[Settings], shape: Shape, path: Path) -> Shape:
        """Return the shape of an image of this shape after some transforms in turn."""
        for i, settings in enumerate(transforms):
            shape = self.one(settings, shape, (*path, i))
        return shape

    def one(self, settings: Settings, shape: Shape, path: Path) -> Shape:
        """Return the shape of an image after one transform."""
        name = settings["name"]
        if self.registry.find("transform", name).origin.source != OF_TORCHVISION:
            return UNKNOWN  # a plugin's own may make anything of an image
        if TRANSFORMS in settings:
            ends = {self.one(inner, shape, (*path, TRANSFORMS, i)) for i, inner in enumerate(settings[TRANSFORMS])}
            return shape if ends <= {shape} else UNKNOWN
        self.problems += CHECKS.get(name, _no_problems)(settings, shape, path)
        self.problems += _fill_problems(settings, shape, path)
        return SHAPE_AFTER.get(name, _same)(settings, shape)


def _no_problems(settings: Settings, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    yield from ()


def _normalize_problems(settings: Settings, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    """Torchvision broadcasts: three means make three channels of a grey image, without a word."""
    channels, (mean, std) = shape[0], (settings["mean"], settings["std"])
    example = "write one for each channel, or one for all"
    for key, values, noun in (("mean", mean, "mean"), ("std", std, "standard deviation")):
        if not values or (channels and len(values) not in (1, channels)):
            of = f"for {_count(channels, 'channel')}" if channels else "for the channels of an image"
            yield Diagnostic((*path, key), f"{_count(len(values), noun)} {of}", example)
    if not channels and len(mean) > 1 and len(std) > 1 and len(mean) != len(std):
        counts = f"{_count(len(std), 'standard deviation')} for {_count(len(mean), 'mean')}"
        yield Diagnostic((*path, "std"), counts, example)
    for i, deviation in enumerate(std):
        if deviation <= 0:
            yield Diagnostic((*path, "std", i), f"must be above 0, not {deviation:g}: images are divided by it")


def _fill_problems(settings: Settings, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    fill, channels = settings.get(FILL), shape[0]
    if isinstance(fill, list) and channels and len(fill) not in (1, channels):
        message = f"{_count(len(fill), 'value')} for {_count(channels, 'channel')}"
        yield Diagnostic((*path, FILL), message, "write one for each channel, or a number for all")


def _grey_problems(settings: Settings, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    asked = settings.get("num_output_channels", 3)
    if asked not in (1, 3):
        yield Diagnostic((*path, "num_output_channels"), f"must be 1 or 3, not {asked}")
    if shape[0] not in (None, 1, 3):
        message = f"{settings['name']} takes images of 1 or 3 channels, and these have {shape[0]}"
        yield Diagnostic((*path, "name"), message)


def _crop_problems(settings: Settings, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    """A crop that is larger than the image, which torchvision refuses."""
    wanted, image = _two(settings["size"]), _padded(settings, shape)[1:]
    if settings.get("pad_if_needed") or wanted is None or None in image:
        return
    if wanted[0] > (image[0] or 0) or wanted[1] > (image[1] or 0):
        message = f"a crop of {_size(wanted)} is larger than the image, which is {_size(image)}"
        yield Diagnostic((*path, "size"), message, "make it smaller, add padding, or write pad_if_needed = true")


def _size_problems(settings: Settings, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    size = settings["size"]
    sizes = size if isinstance(size, list) else [size]
    if isinstance(size, list) and len(size) not in (1, 2):
        yield Diagnostic((*path, "size"), f"must be one number or [height, width], not {len(size)} numbers")
    elif any(number is not None and number < 1 for number in sizes):
        yield Diagnostic((*path, "size"), "must be at least 1 pixel")
    elif any(number is not None and number > MOST_PIXELS for number in sizes):
        yield Diagnostic((*path, "size"), f"must be at most {MOST_PIXELS:,} pixels")


def _all_of(*checks: Callable[[Settings, Shape, Path], Iterator[Diagnostic]]) -> Any:
    def each(settings: Settings, shape: Shape, path: Path) -> Iterator[Diagnostic]:
        for check in checks:
            yield from check(settings, shape, path)

    return each


def _same(settings: Settings, shape: Shape) -> Shape:
    return shape


def _grey(settings: Settings, shape: Shape) -> Shape:
    return (settings["num_output_channels"], *shape[1:])


def _colour(settings: Settings, shape: Shape) -> Shape:
    return (3, *shape[1:])


def _cropped(settings: Settings, shape: Shape) -> Shape:
    return (shape[0], *(_two(settings["size"]) or (None, None)))


def _resized(settings: Settings, shape: Shape) -> Shape:
    """The shape after `Resize`, of which one number is the length of the shorter edge."""
    size, (channels, height, width) = settings["size"], shape
    if isinstance(size, list) and len(size) == 2:
        return channels, size[0], size[1]
    edge = size[0] if isinstance(size, list) and size else size
    return (channels, edge, edge) if height and height == width and isinstance(edge, int) else (channels, None, None)


def _padded(settings: Settings, shape: Shape) -> Shape:
    padding, (channels, height, width) = settings.get("padding") or 0, shape
    given = [padding] if isinstance(padding, int) else list(padding)
    if len(given) not in (1, 2, 4) or height is None or width is None:
        return channels, None, None
    left, top, right, bottom = (given * 4)[:4] if len(given) < 4 else given
    return channels, height + top + bottom, width + left + right


def _of_any_size(settings: Settings, shape: Shape) -> Shape:
    return shape[0], None, None


def _two(size: Any) -> tuple[int, int] | None:
    """Return a height and a width, of which one number stands for both."""
    sizes = size if isinstance(size, list) else [size, size]
    sizes = sizes * 2 if len(sizes) == 1 else sizes
    return (sizes[0], sizes[1]) if len(sizes) == 2 else None


def _size(size: tuple[int | None, ...]) -> str:
    return " x ".join(map(str, size))


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {plural(noun, number)}"


CHECKS: dict[str, Callable[[Settings, Shape, Path], Iterator[Diagnostic]]] = {
    "CenterCrop": _size_problems,
    "Grayscale": _grey_problems,
    "Normalize": _normalize_problems,
    "RGB": _grey_problems,
    "RandomCrop": _all_of(_size_problems, _crop_problems),
    "RandomResizedCrop": _size_problems,
    "Resize": _size_problems,
}
OF_ANY_SIZE = ("RandomResize", "RandomRotation", "RandomShortestSize", "RandomZoomOut", "ScaleJitter")
OF_ANY_SIZE = ("RandomResize", "RandomRotation", "RandomShortestSize", "RandomZoomOut", "ScaleJitter")
SHAPE_AFTER: dict[str, Callable[[Settings, Shape], Shape]] = {
    **dict.fromkeys(OF_ANY_SIZE, _of_any_size),
    "CenterCrop": _cropped,
    "Grayscale": _grey,
    "Pad": _padded,
    "RGB": _colour,
    "RandomCrop": _cropped,
    "RandomResizedCrop": _cropped,
    "Resize": _resized,
}
