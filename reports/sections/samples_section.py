"""Samples: images of the data with what the best runs take them for."""

from functools import partial

from xprun.reports.figures.image_samples import Sample, sample_figure, samples
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import listed, shorten
from xprun.reports.sections.blocks import Gallery, Section
from xprun.reports.stats.analysis import Analysis

DRAWN = 4  # alternatives
TOLD = 8  # images that are described in words


def samples_section(analysis: Analysis) -> Section:
    """Images for each of the best alternatives; empty where the data are no images of classes."""
    found = samples(analysis)
    more = f" Drawn for the best {DRAWN} of {len(found)} alternatives." if len(found) > DRAWN else ""
    chosen = list(found.items())[:DRAWN]
    names = {run: analysis.tables.schema.class_names([run]) for run, _ in found.values()}
    plots = [
        _plot(number, name, run, several, names[run], more) for number, (name, (run, several)) in enumerate(chosen, 1)
    ]
    return Section(
        "samples", "Sample predictions", [Gallery([draw(plot, analysis) for plot in plots])] if plots else []
    )


def _plot(number: int, name: str, run: str, found: list[Sample], names: list[str], more: str) -> Plot:
    wrong = sum(not sample.right for sample in found)
    title = f"what {shorten(name)} sees"
    told = [f"row {s.row}: {s.words(names)} ({s.probability:.0%})" for s in sorted(found, key=lambda s: s.right)]
    return Plot(
        name=f"samples-{number}",
        title=title,
        caption=(
            f"Predicted classes and their probabilities, by the best run of {name} ({run}): the first images, then the "
            f"most confident mistakes, framed ({wrong} of {len(found)} here are wrong).{more}"
        ),
        alt=listed(told, TOLD),
        figures={"": partial(sample_figure, found, title, names)},
    )
