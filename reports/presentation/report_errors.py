"""What goes wrong when a folder cannot be reported, said so that a person can mend it."""

from xprun.errors import Error


class ReportError(Error):
    """The tables of a folder lack something that a report needs; the message names the file and the column."""

    exit_code = 2


class NewerFolderError(ReportError):
    """A newer version has written a folder, whose tables this one may misread."""

    exit_code = 3
