"""The data: what the runs were trained and measured on."""

from functools import partial
from typing import Any

from xprun.reports.data.described_data import DataSet
from xprun.reports.figures.data_pictures import can_be_drawn, data_figure
from xprun.reports.figures.plot_files import Plot, draw
from xprun.reports.presentation.formatting import Column, Listing, counted, listed, listing, percent, texts, value_text
from xprun.reports.sections.blocks import Gallery, Grid, Part, Section
from xprun.reports.stats.analysis import Analysis

DRAWN = 4  # data sets


def data_section(analysis: Analysis) -> Section:
    """Shapes, types, classes and a few rows of each data set; empty where `data.json` is not there."""
    parts: list[Part] = []
    for number, data in enumerate(analysis.tables.data_sets, 1):
        parts.append(Grid(parts_listing(data), f"Parts of {data.label}"))
        if (balance := balance_listing(data)).rows:
            parts.append(Grid(balance, f"Classes of {data.label}: rows, and their share"))
        if can_be_drawn(data) and number <= DRAWN:
            parts.append(Gallery([draw(_plot(number, data), analysis)]))
    return Section("data", "Data", parts)


def parts_listing(data: DataSet) -> Listing:
    """One row a part: how many rows it has, of which shape and type."""
    columns = [
        texts("part", [part.get("part", "") for part in data.parts]),
        Column("rows", [value_text(part.get("rows")) for part in data.parts], number=True),
        texts("a row of inputs", [part.get("inputs", "") for part in data.parts]),
        texts("targets", [_targets(part) for part in data.parts]),
        *(
            Column(head, [value_text(part.get(name)) for part in data.parts], number=True)
            for name, head in (("low", "least"), ("high", "largest"), ("mean", "mean"), ("sd", "sd"))
        ),
    ]
    return listing(columns)


def _targets(part: dict[str, Any]) -> str:
    return counted(part["classes"], "class").replace("classs", "classes") if part.get("classes") else part["targets"]


def balance_listing(data: DataSet) -> Listing:
    """One row a class: its name, and how many rows each part has of it; none where they are not classes."""
    counted_parts = [part for part in data.parts if part.get("counts")]
    classes = max((len(part["counts"]) for part in counted_parts), default=0)
    if not classes:
        return listing([])
    names = [data.classes[i] if i < len(data.classes) else str(i) for i in range(classes)]
    columns = [texts("class", names)]
    for part in counted_parts:
        counts = [*part["counts"], *[0] * (classes - len(part["counts"]))]
        shares = percent([count / max(1, sum(counts)) for count in counts])
        told = [f"{count} ({share})" for count, share in zip(counts, shares, strict=True)]
        columns.append(Column(str(part["part"]), told, number=True))
    return listing(columns)


def _plot(number: int, data: DataSet) -> Plot:
    shown = (
        f"{counted(len(data.images), 'image')}" if len(data.images) else f"{counted(len(data.points), 'training row')}"
    )
    sizes = listed([f"{part['part']} {part['rows']}" for part in data.parts])
    return Plot(
        name=f"data-{number}",
        title=f"rows of {data.label}",
        caption=f"The first of the {'held-out images, with their classes' if len(data.images) else 'training rows'}.",
        alt=f"{shown}; rows: {sizes}",
        figures={"": partial(data_figure, data)},
    )
