"""What a component raises when files that it needs are not on this machine."""

from __future__ import annotations

from xprun.errors import Error


class MissingFilesError(Error):
    """Files are absent; a run that failed for it is tried again when it is asked for again."""


class FileChangedError(MissingFilesError):
    """The file that a run is about is there no more: another content stands in its place."""
