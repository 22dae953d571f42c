"""Losses that add up over the rows of a batch: they are told per row, too, whatever the size of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xprun.plugins.registry import Component
from xprun.runner.resolve.data_parts import values_of
from xprun.specs import Alternative, Spec

REDUCTION, SUM = "reduction", "sum"  # as the losses of torch.nn have it


def is_sum(loss: Component, settings: Mapping[str, Any]) -> bool:
    """Whether a loss with these settings is a sum over its rows, and no mean: it says so, or `reduction` does."""
    return loss.sums or settings.get(REDUCTION) == SUM


def some_are_sums(spec: Spec) -> bool:
    """Whether a loss of a resolved spec is a sum."""
    return any(_may_be_sum(loss) for variant in spec.variants() for loss in variant.sections["loss"])


def _may_be_sum(loss: Alternative) -> bool:
    return loss.sums or SUM in values_of(loss, REDUCTION)
