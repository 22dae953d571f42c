"""Whether the target of a CSV file is what the loss compares with: numbers, or classes; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from xprun.plugins.datasets.csv_file import CsvError, kind_of_target
from xprun.runner.resolve.spec_files import ResolvedSpecFile
from xprun.specs import Alternative, Choice, Diagnostic, Spec
from xprun.specs.language.expansion import choices_of
from xprun.specs.language.wording import quoted

OF_NUMBERS = ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "PoissonNLLLoss", "squared")
OF_CLASSES = ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")


def target_problems_of(spec: Spec) -> Iterator[Diagnostic]:
    """Yield targets of text under a loss that compares numbers, and numbers under one that compares classes."""
    losses = [loss.name for loss in spec.sections["loss"]]
    for alternative in spec.sections["data"]:
        if alternative.name != "csv":
            continue
        for kind, first in dict.fromkeys(_targets(alternative)):
            path = (*alternative.path, "target")
            if kind == "text" and (loss := next((name for name in losses if name in OF_NUMBERS), None)):
                message = f"{loss} compares numbers, but the column holds text, such as {quoted(first)}"
                help_text = "write numbers as 1000.5, without commas or units; for classes use CrossEntropyLoss"
                yield Diagnostic(path, message, help_text)
            if kind == "numbers" and (loss := next((name for name in losses if name in OF_CLASSES), None)):
                message = f"{loss} compares classes, but a column of numbers is a quantity"
                yield Diagnostic(path, message, "write classes = true if the numbers name classes; else use MSELoss")


def _targets(alternative: Alternative) -> Iterator[tuple[str, str]]:
    """Yield what each target column is, of which the spec leaves that open; see `kind_of_target`."""
    known: set[str] = set()
    for choice in choices_of(alternative):
        asked = {name: choice.settings[name] for name in ("file", "target", "delimiter")}
        if choice.settings["classes"] is None and repr(asked) not in known:
            known.add(repr(asked))
            yield from _target(choice)


def _target(choice: Choice) -> Iterator[tuple[str, str]]:
    file, settings = choice.settings["file"], choice.settings
    if isinstance(file, ResolvedSpecFile):
        try:
            yield kind_of_target(file.path, settings["target"], settings["delimiter"])
        except CsvError:  # which is told where the file is checked
            return
