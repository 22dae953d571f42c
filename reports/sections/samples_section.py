"""Samples: images of the data with what the best runs take them for."""

from functools import partial

from xprun.reports.figures.image_samples import Sample, sample_figure, samples
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import listed, shorten
from xprun.reports.sections.blocks import Folded, Gallery, Part, Section
from xprun.reports.stats.analysis import Analysis

DRAWN = 4  # alternatives
WHAT_IMAGES_ARE = (
    "Predicted classes and their probabilities: the first images, then the most confident mistakes, framed."
)
TOLD = 8  # images that are described in words


def samples_section(analysis: Analysis) -> Section:
    """Images for each of the best alternatives; empty where the data are no images of classes."""
    found = samples(analysis)
    more = f" Drawn for the best {DRAWN} of {len(found)} alternatives." if len(found) > DRAWN else ""
    alike = _alike({name: several for name, (_, several) in found.items()})
    chosen = [(name, *found[name]) for name in list(alike)[:DRAWN]]
    names = {run: analysis.tables.schema.class_names([run]) for _, run, _ in chosen}
    plots = [
        _plot(number, name, run, several, names[run], alike[name])
        for number, (name, run, several) in enumerate(chosen, 1)
    ]
    pictures = [draw(plot, analysis) for plot in plots]
    parts: list[Part] = [Gallery(pictures[:1], WHAT_IMAGES_ARE + more)] if pictures else []
    if len(pictures) > 1:
        parts.append(
            Folded(f"The same for {listed([shorten(name) for name, *_ in chosen[1:]])}", [Gallery(pictures[1:])])
        )
    return Section("samples", "Sample predictions", parts)


def _alike(found: dict[str, list[Sample]]) -> dict[str, list[str]]:
    """The alternatives whose images differ from those before, each with the later ones that see just the same."""
    groups: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for name, several in found.items():
        groups.setdefault(tuple(sorted((one.row, one.prediction) for one in several)), []).append(name)
    return {first: others for first, *others in groups.values()}


def _plot(number: int, name: str, run: str, found: list[Sample], names: list[str], alike: list[str]) -> Plot:
    wrong = sum(not sample.right for sample in found)
    title = f"what {shorten(name)} sees"
    told = [f"row {s.row}: {s.words(names)} ({s.probability:.0%})" for s in sorted(found, key=lambda s: s.right)]
    return Plot(
        name=f"samples-{number}",
        title=title,
        caption=(
            f"By the best run of {name} ({run}); {wrong} of {len(found)} here are wrong."
            + (f" The same of {listed(alike)}." if alike else "")
        ),
        alt=listed(told, TOLD),
        figures={"": partial(sample_figure, found, title, names)},
    )
