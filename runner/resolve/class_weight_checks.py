"""Whether a loss can be told to weigh its classes; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from xprun.plugins.registry import Registry
from xprun.runner.resolve.data_parts import values_of
from xprun.specs import Diagnostic, Spec

SETTING = "class_weights"
# The losses that can, and their setting that would say otherwise.
WEIGHTED = {"CrossEntropyLoss": "weight", "NLLLoss": "weight", "BCEWithLogitsLoss": "pos_weight"}


def class_weight_problems(spec: Spec, registry: Registry) -> Iterator[Diagnostic]:
    """Yield losses that have no weights of classes or are given two, and streams, which have no rows to count."""
    streams = [data.name for data in spec.sections["data"] if registry.find("data", data.name).returns == "Stream"]
    for loss in spec.sections["loss"]:
        if not any(values_of(loss, SETTING)):
            continue
        path = (*loss.path, SETTING)
        other = WEIGHTED.get(loss.name)
        if other is None:
            help_text = f"those that have are {', '.join(WEIGHTED)}"
            yield Diagnostic(path, f"{loss.name} has no weights of classes", help_text, "key")
        elif other in loss.written:
            yield Diagnostic(path, f"{other} and {SETTING} both weigh the classes", f"leave {other} out", "key")
        elif streams:
            why = f"{streams[0]} draws fresh rows at every step: there are no rows to count"
            yield Diagnostic(path, why, f"write {other}", "key")
