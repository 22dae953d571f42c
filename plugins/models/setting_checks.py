"""What is wrong between settings of models and layers of sequences; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator


def uneven_heads(*, d_model: int, nhead: int, **_: object) -> Iterator[tuple[str, str]]:
    """Yield that the features cannot be divided among the heads."""
    if d_model % nhead:
        yield "nhead", f"must divide d_model, but {d_model} is no multiple of {nhead}"


def large_projection(*, hidden_size: int, proj_size: int, **_: object) -> Iterator[tuple[str, str]]:
    """Yield that a projection is not smaller than what it projects."""
    if proj_size >= hidden_size:
        yield "proj_size", f"must be below hidden_size, which is {hidden_size}"
