"""What a report is made of: sections, and in them texts, tables and pictures; templates only arrange it.

Each kind of part has a template in `templates/html/` and one in `templates/markdown/`, by the name in `template`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from xprun.reports.figures.plot_files import Picture
from xprun.reports.presentation.formatting import Listing


@dataclass(frozen=True)
class Span:
    """Where seeds, their mean and its interval lie on an axis from 0 to 100 that all rows of a ranking share."""

    mean: float
    low: float
    high: float
    seeds: list[float]


@dataclass(frozen=True)
class Part:
    """A piece of a section."""

    template: ClassVar[str]


@dataclass(frozen=True)
class Text(Part):
    """A paragraph."""

    template = "text"
    text: str


@dataclass(frozen=True)
class Sentences(Part):
    """A list of sentences."""

    template = "sentences"
    items: list[str]


@dataclass(frozen=True)
class Grid(Part):
    """A table. `spans`: a small plot for each row; `command`: copied with a run's id for RUN; `statuses`: a filter by
    words and by these.

    `prose`: its texts are long, so that they take several lines. `is_whole`: whether a note tells of rows left out.
    """

    template = "grid"
    listing: Listing
    caption: str = ""
    spans: list[Span | None] = field(default_factory=list)
    command: str = ""
    statuses: tuple[str, ...] = ()
    prose: bool = False
    is_whole: bool = True


@dataclass(frozen=True)
class Gallery(Part):
    """Pictures side by side. `caption`: what is to be said of all of them, once.

    `natural`: they are as large as they were drawn, where there is room for it.
    """

    template = "gallery"
    pictures: list[Picture]
    caption: str = ""
    natural: bool = False


@dataclass(frozen=True)
class Code(Part):
    """A text as it stands in a file, in the language that a Markdown fence names."""

    template = "code"
    text: str
    language: str


@dataclass(frozen=True)
class Facts(Part):
    """Names and values."""

    template = "facts"
    listing: Listing


@dataclass(frozen=True)
class Folded(Part):
    """Parts that are shown when a reader asks for them."""

    template = "folded"
    summary: str
    parts: list[Part]


@dataclass(frozen=True)
class Section:
    """A part of the page with a title; `id` is its anchor. One without parts is left out."""

    id: str
    title: str
    parts: list[Part]

    @property
    def pictures(self) -> list[Picture]:
        """Its pictures, in order."""
        return list(_pictures(self.parts))


def _pictures(parts: Sequence[Part]) -> Iterator[Picture]:
    for part in parts:
        if isinstance(part, Gallery):
            yield from part.pictures
        elif isinstance(part, Folded):
            yield from _pictures(part.parts)
