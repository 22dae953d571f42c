"""What an exception says, in one line, whatever its class does when it is asked."""

from __future__ import annotations


def words_of(error: BaseException) -> str:
    """Return the message of an exception on one line; a component's exception may fail to give it."""
    try:
        return " ".join(str(error).split())
    except Exception as another:
        return f"(its message cannot be had: {type(another).__name__})"
