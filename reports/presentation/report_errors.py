"""What goes wrong when a folder cannot be reported, said so that a person can mend it."""


class ReportError(Exception):
    """The tables of a folder lack something that a report needs; the message names the file and the column."""


class NewerFolderError(ReportError):
    """A newer version has written a folder, whose tables this one may misread."""

    exit_code = 3
