"""A section that cannot be made costs its own place on the page, and nothing else.

Numbers near the largest that a computer holds, as a learning rate of 1e308 is, have no axis, since its margins are no
numbers any more.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from xprun.errors import Error
from xprun.reports.sections.blocks import Section, Text

LOGGER = logging.getLogger("xprun")


def all_made(makers: Iterable[Callable[..., Section]], *arguments: Any) -> list[Section]:
    """The sections that functions make, whose pictures may be drawn side by side, or why there is none.

    A ReportError is one of the whole page.
    """
    begun = [(make, _guarded(make, make, *arguments)) for make in makers]
    return [_guarded(make, _drawn, section) for make, section in begun]


def _drawn(section: Section) -> Section:
    """The section when all of its pictures are there."""
    for picture in section.pictures:
        picture.drawing.finish()
    return section


def _guarded(make: Callable[..., Section], function: Callable[..., Section], *arguments: Any) -> Section:
    try:
        return function(*arguments)
    except (Error, OSError):
        raise
    except Exception as error:
        name = make.__name__.strip("_").removesuffix("_section")
        why = f"{type(error).__name__}: {error}"
        LOGGER.warning("%s", f"a part of the report is missing: {name}: {why}")
        return Section(name, name.capitalize(), [Text(f"This part could not be made: {why}")])
