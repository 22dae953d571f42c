"""What is wrong between settings of one of torch's classes, each of which is right by itself; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Problems = Iterator[tuple[str, str]]  # a setting, and what is wrong with it
Check = Callable[..., Problems]


def uneven_groups(*, in_channels: int | None, out_channels: int, groups: int, **_: object) -> Problems:
    """A convolution of which not every group has as many channels as the others."""
    for setting, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels is not None and channels % groups:
            yield "groups", f"must divide {setting}, but {channels} is no multiple of {groups}"


def convolution(*, padding: Any, stride: Any, **settings: Any) -> Problems:
    yield from uneven_groups(**settings)
    if padding == "same" and any(step != 1 for step in _each(stride)):
        yield "padding", '"same" is for a stride of 1; write the number of pixels'


def transposed(*, stride: Any, dilation: Any, output_padding: Any, **settings: Any) -> Problems:
    yield from uneven_groups(**settings)
    for padding, step, spread in zip(*_as_long(output_padding, stride, dilation), strict=True):
        if padding >= max(step, spread):
            yield "output_padding", f"must be below the stride or the dilation, not {padding}"
            return


def pooling(*, kernel_size: Any, padding: Any, **_: object) -> Problems:
    """A border of which some windows would see nothing else."""
    for size, border in zip(*_as_long(kernel_size, padding), strict=True):
        if 2 * border > size:
            yield "padding", f"must be at most half of kernel_size, and {border} is more than half of {size}"
            return


def group_norm(*, num_groups: int, num_channels: int, **_: object) -> Problems:
    if num_channels % num_groups:
        yield "num_groups", f"must divide num_channels, but {num_channels} is no multiple of {num_groups}"


def embedding(*, num_embeddings: int, padding_idx: int | None, **_: object) -> Problems:
    if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
        yield "padding_idx", f"must be one of the {num_embeddings} embeddings, from 0 to {num_embeddings - 1}"


def hardtanh(*, min_val: float, max_val: float, **_: object) -> Problems:
    if max_val <= min_val:
        yield "max_val", f"must be above min_val, which is {min_val:g}"


def rrelu(*, lower: float, upper: float, **_: object) -> Problems:
    if upper < lower:
        yield "upper", f"must not be below lower, which is {lower:g}"


def flatten(*, start_dim: int, end_dim: int) -> Problems:
    if (start_dim < 0) == (end_dim < 0) and end_dim < start_dim:
        yield "end_dim", f"must not be before start_dim, which is {start_dim}"


def one_size(size: str, share: str) -> Check:
    """Return a check that a layer is told one of two sizes of what it gives."""

    def check(**settings: Any) -> Problems:
        given = [name for name in (size, share) if settings[name] is not None]
        if len(given) != 1:
            what = "one of them" if given else "one"
            yield (share if given else "name"), f"needs {size} or {share}: write {what}"

    return check


def upsample(*, mode: str, align_corners: bool | None, **settings: Any) -> Problems:
    yield from one_size("size", "scale_factor")(**settings)
    if align_corners is not None and mode not in INTERPOLATED:
        yield "align_corners", f"is for {', '.join(INTERPOLATED)}, not for {mode}"


def blur(*, kernel_size: Any, **_: object) -> Problems:
    if any(size % 2 == 0 for size in _each(kernel_size)):
        yield "kernel_size", "must be odd, so that a pixel is in the middle"


def between(low: str, high: str) -> Check:
    """Return a check that two settings are the ends of a range."""

    def check(**settings: Any) -> Problems:
        if settings[high] < settings[low]:
            yield high, f"must not be below {low}, which is {settings[low]:g}"

    return check


def _each(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _as_long(*values: Any) -> list[list[Any]]:
    """Return values as lists of one length; a number stands for as many as there are axes."""
    lists = [_each(value) for value in values]
    length = max(map(len, lists))
    return [found * length if len(found) == 1 else found[:length] for found in lists]


INTERPOLATED = ("linear", "bilinear", "bicubic", "trilinear")
CHECKS: dict[tuple[str, str], Check] = {
    **{("layer", f"Conv{n}d"): convolution for n in (1, 2, 3)},
    **{("layer", f"ConvTranspose{n}d"): transposed for n in (1, 2, 3)},
    **{("layer", f"{how}Pool{n}d"): pooling for how in ("Max", "Avg") for n in (1, 2, 3)},
    **{("layer", f"FractionalMaxPool{n}d"): one_size("output_size", "output_ratio") for n in (2, 3)},
    ("layer", "GroupNorm"): group_norm,
    ("layer", "Embedding"): embedding,
    ("layer", "EmbeddingBag"): embedding,
    ("layer", "Hardtanh"): hardtanh,
    ("layer", "RReLU"): rrelu,
    ("layer", "Flatten"): flatten,
    ("layer", "Upsample"): upsample,
    ("layer", "UpsamplingNearest2d"): one_size("size", "scale_factor"),
    ("transform", "GaussianBlur"): blur,
    ("transform", "RandomResize"): between("min_size", "max_size"),
    ("init", "uniform_"): between("a", "b"),
    ("init", "trunc_normal_"): between("a", "b"),
}
