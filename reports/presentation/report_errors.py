"""What goes wrong when a folder cannot be reported, said so that a person can mend it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xprun.errors import Error


class ReportError(Error):
    """The tables of a folder lack something that a report needs; the message names the file and the column."""

    exit_code = 2


class NewerFolderError(ReportError):
    """A newer version has written a folder, whose tables this one may misread."""

    exit_code = 3


@contextmanager
def about(*folders: Path) -> Iterator[None]:
    """Turn what nobody has foreseen of tables into a ReportError about their folders: they may hold anything."""
    try:
        yield
    except (Error, OSError):
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ReportError(
            f"{' and '.join(map(str, folders))}: these tables are not as xprun writes them, or xprun is at fault "
            f"(--debug shows where): {why}"
        ) from error
