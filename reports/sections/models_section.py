"""The models: what each calls from input to output as a picture, and its layers as text."""

from functools import partial

from xprun.reports.data.described_models import ModelGraph
from xprun.reports.figures.graph_folding import details, distinct, folded
from xprun.reports.figures.model_graphs import can_be_drawn, graph_figure, words_of
from xprun.reports.figures.plot_files import Picture, Plot, draw
from xprun.reports.sections.blocks import Code, Folded, Gallery, Part, Section
from xprun.reports.stats.analysis import Analysis

DRAWN = 4  # models
SHORT = 12  # boxes of a picture that is shown at once
LEGEND = (
    "What a model calls in a forward pass, from top to bottom, with the shape of what goes from one to the next; N is "
    "the number of rows. Blue: with parameters. Filled: a module with several calls in it."
)


def models_section(analysis: Analysis) -> Section:
    """The graph of each of the first distinct models, and the layers of every model."""
    graphs = [graph for graph in distinct(analysis.tables.graphs) if can_be_drawn(folded(graph))][:DRAWN]
    drawn = [_pictures(f"model-{number}", graph, analysis) for number, graph in enumerate(graphs, 1)]
    is_short = [len(graph.nodes) <= SHORT for graph in graphs]
    at_once = [picture for pictures, short in zip(drawn, is_short, strict=True) if short for picture in pictures]
    parts: list[Part] = [Gallery(at_once, LEGEND, natural=True)] if at_once else []
    for graph, pictures, short in zip(graphs, drawn, is_short, strict=True):
        if not short:
            parts.append(Folded(f"Graph of {graph.title}", [Gallery(pictures, LEGEND, natural=True)]))
    if text := analysis.tables.models:
        parts.append(Folded("Layers, output shapes and numbers of parameters", [Code(text, "text")]))
    return Section("models", "Models", parts)


def _pictures(name: str, graph: ModelGraph, analysis: Analysis) -> list[Picture]:
    """The picture of a graph, and of what is in the modules that it shows as a whole."""
    inner = [part for part in details(graph) if can_be_drawn(folded(part))]
    return [
        _picture(name, graph, _told(graph), analysis),
        *(_picture(f"{name}-part-{i}", part, f"In {part.title}", analysis) for i, part in enumerate(inner, 1)),
    ]


def _told(graph: ModelGraph) -> str:
    frozen = f", {graph.trainable:,} of them trained" if graph.trainable != graph.parameters else ""
    return f"{graph.title}: {graph.parameters:,} parameters{frozen}"


def _picture(name: str, graph: ModelGraph, caption: str, analysis: Analysis) -> Picture:
    shown = folded(graph)
    return draw(
        Plot(name, f"graph of {graph.title}", caption, words_of(shown), {"": partial(graph_figure, shown)}), analysis
    )
