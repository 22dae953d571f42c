"""The image sets of torchvision: read once, transformed, and kept in memory as a table."""

from __future__ import annotations

import contextlib
import gzip
import inspect
import io
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from errno import ENOENT
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xprun.plugins.blame import Blamed, blame, blaming
from xprun.plugins.datasets.missing_files import MissingFilesError
from xprun.plugins.datasets.random_transforms import first_random, in_turn, random_ones
from xprun.plugins.datasets.table import Augmentation, Table, class_names_of
from xprun.plugins.machine import GB, NotEnoughMemoryError, memory
from xprun.plugins.torchvision_import import import_torchvision

if TYPE_CHECKING:
    from torch import Tensor

Image = Callable[["Tensor"], "Tensor"]
CHANGES_CHANNELS = ("Grayscale", "RGB", "RandomApply", "RandomChoice", "RandomOrder")  # the last three by those inside


def image_set(
    name: str,
    *,
    valid: float | str = 0.0,
    test: float | str = 0.0,
    transforms: Sequence[Image] = (),
    num_workers: int = 0,
    **settings: Any,
) -> Table:
    """Return the set of torchvision with that class name: inputs [N, C, H, W] from 0 to 1, targets [N] of classes.

    Transforms up to the first that draws random numbers are applied once. From there on they are the table's
    augmentation, while rows that are measured get those that draw nothing. `valid` and `test` may name held-out parts;
    where both name one it is valid.
    Raises MissingFilesError where the files are absent, ValueError where the images do not fit together.
    """
    import torch

    cls = getattr(import_torchvision().datasets, name)
    with torch.random.fork_rng(devices=[]):
        train = _open(cls, settings)
        see_that_they_fit(transforms, _pixels(train[0][0]))
        split = first_random(transforms, _pixels(train[0][0]))
        rows, targets = _read(name, train, transforms[:split])
        chance = random_ones(transforms[split:], rows[0])
        plain = [t for t, drawn in zip(transforms[split:], chance, strict=True) if not drawn]
        inputs = _each(rows, plain)
        augmentation = Augmentation(rows, tuple(transforms[split:]), num_workers) if any(chance) else None

        def part(named: float | str) -> Table | None:
            if not isinstance(named, str):
                return None
            apart = _open(cls, {**settings, **_other_part(cls, named)})
            _same_classes(train, apart)
            read = _read(name, apart, [*transforms[:split], *plain])
            held_out = Table(*read, image=_image(inputs), class_names=class_names_of(apart))
            _same_shape(f"the {named} images", held_out.one_tensor[0], inputs[0])
            return held_out

        to_choose, to_report = part(valid), part(test) if test != valid else None
        if augmentation:
            _same_shape("augmented images", in_turn(augmentation.steps, rows[0]), inputs[0])
    return Table(
        inputs,
        targets,
        valid=to_choose,
        augmentation=augmentation,
        image=_image(inputs),
        test=to_report,
        class_names=class_names_of(train),
    )


def see_that_they_fit(transforms: Sequence[Image], image: Tensor) -> None:
    """Raise an exception, which is told the transform, for the first that an image [C, H, W] does not fit.

    That is one that fails, or that makes another number of channels although it is not there for that: torchvision
    broadcasts three means over the one channel of a grey image.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        for number, transform in enumerate(transforms):
            before, name = [*image.shape], _name_of(transform)
            try:
                image = transform(image)
            except Exception as error:
                what = f"{name} fails on an image {before}"
                blame(error, Blamed("data", ("transforms", number), what))
                raise
            if _keeps_channels(transform) and len(image) != before[0]:
                what = f"{name} makes {len(image)} channels of an image {before}"
                with blaming("data", what, "transforms", number):
                    raise ValueError("mean, std and fill need one value for each channel, or one for all")


def _name_of(transform: Image) -> str:
    """Return the name of a transform as a spec has it."""
    inner = getattr(transform, "func", transform)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _keeps_channels(transform: Image) -> bool:
    """Whether a transform is one of torchvision that has no business with the number of channels."""
    return type(transform).__module__.startswith("torchvision.") and type(transform).__name__ not in CHANGES_CHANNELS


def _image(inputs: Tensor) -> tuple[int, int, int] | None:
    """Return the shape in which the rows can be shown, or None where transforms have made something else of them."""
    shape = tuple(inputs.shape[1:])
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 and shape[0] in (1, 3) else None


def parameters_of(cls: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class by name, those included that it passes on to the class it is made from."""
    own = inspect.signature(cls).parameters
    passed_on = any(p.kind is p.VAR_KEYWORD for p in own.values())
    base = parameters_of(cls.__mro__[1]) if passed_on else {}
    return {
        **{n: p for n, p in own.items() if p.kind is not p.VAR_KEYWORD},
        **{n: base[n] for n in base if n not in own},
    }


def _other_part(cls: Any, part: str) -> dict[str, Any]:
    """Return the settings that choose the held-out part of a set: its test flag, a split, or another folder."""
    known = parameters_of(cls)
    if "train" in known:
        return {"train": False}
    return {"split": part} if "split" in known else {"root": part}


def _open(cls: Any, settings: dict[str, Any]) -> Any:
    """Return the data set object; raise MissingFilesError where it finds no files and can fetch none."""
    _unpack(_folder(cls, settings["root"]) if "root" in settings else None)
    said = io.StringIO()  # what torchvision prints of its tries is part of the error, or of no interest
    try:
        with contextlib.redirect_stdout(said):
            return cls(**settings)
    except (RuntimeError, OSError) as error:
        raise MissingFilesError(_what_is_missing(cls, settings, error)) from error


def _unpack(folder: Path | None) -> None:
    """Unpack the `.gz` files of a folder that are not unpacked yet: the form in which MNIST and its like are published.

    Another process may do so at the same time. Raises MissingFilesError for a file that is damaged.
    """
    for packed in sorted(folder.glob("*-ubyte.gz")) if folder else ():
        unpacked = packed.with_suffix("")
        if unpacked.exists():
            continue
        part = unpacked.with_name(f".{unpacked.name}.{os.getpid()}")
        try:
            with gzip.open(packed) as source, part.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            part.replace(unpacked)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise MissingFilesError(f"{packed} is damaged: {error}; put it there again") from None
        except OSError as error:
            raise MissingFilesError(f"{packed} cannot be unpacked beside itself: {error.strerror or error}") from None
        finally:
            part.unlink(missing_ok=True)


def _what_is_missing(cls: Any, settings: dict[str, Any], error: Exception) -> str:
    folder = _folder(cls, settings["root"])
    words = " ".join(str(error).split())
    if settings.get("download"):
        return f"{cls.__name__}: its files cannot be downloaded; put them in {folder} by hand ({words[:200]})"
    can_download = "set data.download = true, or " if "download" in parameters_of(cls) else ""
    says_no_more = words.startswith("Dataset not found") or (isinstance(error, OSError) and error.errno == ENOENT)
    more = "" if says_no_more else f" ({words[:200]})"
    return f"{cls.__name__}: no files in {folder}; {can_download}put them there{more}"


def _folder(cls: Any, root: str) -> Path:
    """Return the folder in which a class looks, as far as it tells without its files."""
    if any(base.__name__ == "MNIST" for base in cls.__mro__):
        return Path(root, cls.__name__, "raw")
    base = getattr(cls, "base_folder", "")
    return Path(root, base if isinstance(base, str) else "")


def _read(name: str, images: Any, transforms: Sequence[Image]) -> tuple[Tensor, Tensor]:
    """Return all images [N, C, H, W] after these transforms, and their classes [N]."""
    import torch

    kept = resident(images)
    if kept is None:
        rows, labels = _decoded(name, images, transforms)
    else:
        pixels, labels = kept
        rows = _each(pixels.float().div_(255), transforms)
    targets = torch.as_tensor(labels)
    if targets.dim() != 1 or targets.is_floating_point():
        raise ValueError(f"the targets of {name} are not classes: {labels[0]!r}")
    return rows, targets.long()


def resident(images: Any) -> tuple[Tensor, Any] | None:
    """Return pixels [N, C, H, W] and labels that a set keeps as arrays, where they are what it gives row by row."""
    import torch

    data = getattr(images, "data", None)
    labels = next((getattr(images, key) for key in ("targets", "labels") if hasattr(images, key)), None)
    if str(getattr(data, "dtype", "")) not in ("uint8", "torch.uint8") or labels is None:
        return None
    data = torch.as_tensor(data)
    if not len(data) == len(labels) == len(images):
        return None
    layouts = [data.unsqueeze(1)] if data.dim() == 3 else [data, data.permute(0, 3, 1, 2)] if data.dim() == 4 else []
    some = [(i, *images[i]) for i in (0, len(images) // 2, len(images) - 1)]
    for pixels in layouts:
        if all(torch.equal(pixels[i], _raw(image)) and int(labels[i]) == label for i, image, label in some):
            return pixels, labels
    return None


def _decoded(name: str, images: Any, transforms: Sequence[Image]) -> tuple[Tensor, list[Any]]:
    """Return the images of files, read one by one, and their labels."""
    import torch

    rows, labels, before = torch.empty(0), [], torch.get_rng_state()
    for i, (image, label) in enumerate(images):
        row = in_turn(transforms, _pixels(image))
        if i == 0:
            _see_that_it_fits(name, len(images), row)
            rows = torch.empty(len(images), *row.shape)
        elif row.shape != rows.shape[1:]:
            shapes = f"{list(rows.shape[1:])} and {list(row.shape)}"
            help_text = "make them one size with transforms: a Resize to [height, width], RGB or Grayscale"
            raise ValueError(f"the images of {name} differ in shape, {shapes}; {help_text}")
        rows[i] = row
        labels.append(label)
    if not torch.equal(before, torch.get_rng_state()):
        raise ValueError("a transform is random for some images only; put it after one that is always random")
    return rows, labels


def _raw(image: Any) -> Tensor:
    """Return the pixels [C, H, W] of an image as they are stored."""
    from torchvision.transforms.v2 import functional

    pixels: Tensor = functional.pil_to_tensor(image)
    return pixels


def _pixels(image: Any) -> Tensor:
    """Return the pixels [C, H, W] of an image as floats from 0 to 1."""
    import torch
    from torchvision.transforms.v2 import functional

    pixels: Tensor = functional.to_dtype(_raw(image), torch.float32, scale=True)
    return pixels


def _each(rows: Tensor, transforms: Sequence[Image]) -> Tensor:
    """Return the rows, each after these transforms."""
    import torch

    return torch.stack([in_turn(transforms, row.clone()) for row in rows]) if transforms else rows


def _see_that_it_fits(name: str, count: int, row: Tensor) -> None:
    """Raise NotEnoughMemoryError for a set that would not fit this machine's memory, before it is read."""
    needed = count * row.numel() * row.element_size()
    if needed > memory():
        images = f"{count:,} images of {list(row.shape)} take {needed / GB:.0f} GB"
        sizes = f"{images}, this machine has {memory() / GB:.0f} GB"
        raise NotEnoughMemoryError(f"{name} does not fit in memory: {sizes}; make the images smaller with a Resize")


def _same_classes(train: Any, apart: Any) -> None:
    """Raise ValueError where the parts of a set number their classes in different ways, as two folders may."""
    here, there = getattr(train, "classes", []), getattr(apart, "classes", [])
    if list(here) != list(there):
        odd = ", ".join(map(repr, sorted(set(here) ^ set(there))[:5]))
        raise ValueError(f"the training and held-out parts have different classes: only one of them has {odd}")


def _same_shape(what: str, row: Tensor, expected: Tensor) -> None:
    if row.shape != expected.shape:
        shapes = f"{list(row.shape)}, and the evaluation images {list(expected.shape)}"
        help_text = "evaluation images get all transforms except the random ones: make both one size"
        raise ValueError(f"{what} have the shape {shapes}; {help_text}")
