"""What an exception says, whatever somebody's class does instead of saying it."""

from __future__ import annotations


def words_of(error: BaseException) -> str:
    """Return the message of an exception on one line; a component's exception may fail to give it."""
    try:
        return " ".join(str(error).split())
    except Exception as another:
        return f"(its message is not available: {type(another).__name__})"
