"""Samples: images of the data with what the best runs take them for."""

from xprun.reports.cells import listed, shorten
from xprun.reports.drawing import Plot, draw
from xprun.reports.parts import Gallery, Section
from xprun.reports.samples import Sample, sample_figure, samples
from xprun.reports.study import Study

DRAWN = 4  # alternatives
TOLD = 8  # images that are described in words


def samples_section(study: Study) -> Section:
    """Images for each of the best alternatives; empty where the data are no images of classes."""
    found = samples(study)
    more = f" Drawn for the best {DRAWN} of {len(found)} alternatives." if len(found) > DRAWN else ""
    chosen = list(found.items())[:DRAWN]
    plots = [_plot(number, name, run, several, more) for number, (name, (run, several)) in enumerate(chosen, 1)]
    return Section("samples", "Sample predictions", [Gallery([draw(plot, study) for plot in plots])] if plots else [])


def _plot(number: int, name: str, run: str, found: list[Sample], more: str) -> Plot:
    wrong = sum(not sample.right for sample in found)
    title = f"what {shorten(name)} sees"
    told = [f"row {s.row}: {s.words} ({s.probability:.0%})" for s in sorted(found, key=lambda s: s.right)]
    return Plot(
        name=f"samples-{number}",
        title=title,
        caption=(
            f"Predicted classes and their probabilities, by the best run of {name} ({run}): the first images, then the "
            f"mistakes of which it is surest, in frames ({wrong} of {len(found)} here are wrong).{more}"
        ),
        alt=listed(told, TOLD),
        figures={"": sample_figure(found, title)},
    )
