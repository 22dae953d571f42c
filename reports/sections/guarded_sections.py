"""A section that cannot be made costs its own place on the page, and nothing else.

Numbers near the largest that a computer holds, as a learning rate of 1e308 is, have no axis, since its margins are no
numbers any more.
"""

import logging
from collections.abc import Callable
from typing import Any

from xprun.errors import Error
from xprun.reports.sections.blocks import Section, Text

LOGGER = logging.getLogger("xprun")


def made(make: Callable[..., Section], *arguments: Any) -> Section:
    """The section that a function makes, or one that says why there is none. A ReportError is one of the whole page."""
    try:
        return make(*arguments)
    except (Error, OSError):
        raise
    except Exception as error:
        name = make.__name__.strip("_").removesuffix("_section")
        why = f"{type(error).__name__}: {error}"
        LOGGER.warning("%s", f"a part of the report is missing: {name}: {why}")
        return Section(name, name.capitalize(), [Text(f"This part could not be made: {why}")])
