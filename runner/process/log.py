"""What is said beside the results: lines on stderr, and what an exception says."""

from __future__ import annotations

import sys

from xprun.specs.language.diagnostics import printable


def say(text: str) -> None:
    """Print a text on stderr; what is in a name or in the words of an error cannot drive the terminal."""
    print(printable(text, keep_tabs=True, keep_lines=True), file=sys.stderr, flush=True)


def words_of(error: BaseException) -> str:
    """Return the message of an exception on one line; a component's exception may fail to give it."""
    try:
        return " ".join(str(error).split())
    except Exception as another:
        return f"(its message is not available: {type(another).__name__})"
