"""What workers print: passed on line by line, so that the lines of several, and a live display, do not mix."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys

LONGEST = 1 << 16  # characters of an unfinished line that are held back at most; also what a pipe holds


class OutputStream:
    """The reading end of a worker's stdout or stderr, forwarded to the stream of that `name` in this process."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self._name = descriptor, name
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def fileno(self) -> int:
        return self._descriptor

    def forward(self) -> bool:
        """Pass on the lines that have arrived, as many as a pipe holds; return whether more may come."""
        try:
            received = os.read(self._descriptor, LONGEST)
        except BlockingIOError:
            return True
        except OSError:
            return False
        lines, end, self._rest = (self._rest + self._decoder.decode(received)).rpartition("\n")
        self._write(lines + end)
        if len(self._rest) > LONGEST:
            self.flush()
        return bool(received)

    def flush(self) -> None:
        """Pass on a line that has not ended."""
        rest, self._rest = self._rest, ""
        self._write(f"{rest}\n" if rest else "")

    def _write(self, text: str) -> None:
        stream = getattr(sys, self._name)
        if text and stream is not None:  # a daemon may have none
            with contextlib.suppress(OSError, ValueError):  # nobody listens, or it is closed
                stream.write(text)
                stream.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1
