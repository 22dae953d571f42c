"""Whether the target of a CSV file is what the loss compares with: numbers, or classes; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from xprun.plugins.datasets.csv_file import CsvError, TargetCells, read_target
from xprun.runner.resolve.spec_files import ResolvedSpecFile
from xprun.specs import Alternative, Diagnostic, Spec
from xprun.specs.language.expansion import choices_of
from xprun.specs.language.wording import quoted

OF_NUMBERS = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "PoissonNLLLoss", "squared")
OF_CLASSES = ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")


def target_problems_of(spec: Spec) -> Iterator[Diagnostic]:
    """Yield targets of text under a loss that compares numbers, and numbers under one that compares classes."""
    losses = [loss.name for loss in spec.sections["loss"]]
    of_numbers = next((name for name in losses if name in OF_NUMBERS), None)
    of_classes = next((name for name in losses if name in OF_CLASSES), None)
    for alternative in spec.sections["data"]:
        for column, classes, cells in _targets(alternative) if alternative.name == "csv" else ():
            path = (*alternative.path, "target")
            place = f"row {cells.row}, column {column!r}"
            if cells.kind == "text" and of_numbers and classes is None:
                message = f"{of_numbers} compares numbers, but {place} is text: {quoted(cells.first)}"
                help_text = "write numbers as 1000.5, without commas or units; for classes use CrossEntropyLoss"
                yield Diagnostic(path, message, help_text)
            if cells.kind != "numbers" and of_numbers and classes and cells.values > 2:
                message = f"{of_numbers} would compare the numbers of {cells.values} classes, which say nothing"
                help_text = f"use CrossEntropyLoss; for a quantity leave classes out ({place} is {quoted(cells.first)})"
                yield Diagnostic(path, message, help_text)
            if cells.kind == "numbers" and of_classes and classes is None:
                message = f"{of_classes} compares classes, but a column of numbers is a quantity"
                yield Diagnostic(path, message, "write classes = true if the numbers name classes; else use MSELoss")


def _targets(alternative: Alternative) -> Iterator[tuple[str, bool | None, TargetCells]]:
    """Yield each target column of a CSV file, whether the spec says that it holds classes, and its cells."""
    known: set[str] = set()
    for choice in choices_of(alternative):
        settings, file = choice.settings, choice.settings["file"]
        asked = {name: settings[name] for name in ("file", "target", "delimiter", "classes")}
        if settings["classes"] is False or repr(asked) in known or not isinstance(file, ResolvedSpecFile):
            continue
        known.add(repr(asked))
        with suppress(CsvError):  # which is told where the file is checked
            yield (
                settings["target"],
                settings["classes"],
                read_target(file.path, settings["target"], settings["delimiter"]),
            )
