"""What xprun and its workers send each other: pickles with a mark, a length and a checksum, so that rubbish shows."""

from __future__ import annotations

import os
import pickle
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

HEADER = struct.Struct("!4sQI")  # the mark, the bytes of the pickle, their CRC-32
MARK = b"\x89xpr"
CHUNK = 1 << 20  # bytes that are read at once


class ProtocolError(Exception):
    """What came through a channel is no message."""


@dataclass(frozen=True)
class ParentState:
    """The state of the parent process that a task finds in its worker."""

    folder: str
    environment: dict[str, str]
    path: list[str]
    arguments: list[str]

    @classmethod
    def current(cls) -> ParentState:
        """Return the state of this process."""
        try:
            folder = os.getcwd()  # noqa: PTH109 - as it is
        except FileNotFoundError:  # it has been removed
            folder = os.sep
        return cls(folder, dict(os.environ), list(sys.path), list(sys.argv))


@dataclass(frozen=True)
class Task:
    """A call for a worker, to the worker. `call` is the pickle of a function and its arguments."""

    state: ParentState
    call: bytes

    @classmethod
    def of(cls, function: Any, arguments: tuple[Any, ...]) -> Task:
        """Return a task of this process; raise whatever `pickle` raises for what cannot travel."""
        return cls(ParentState.current(), pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL))


@dataclass(frozen=True)
class TaskStarted:
    """The worker has taken up its task."""


@dataclass(frozen=True)
class RunsStarted:
    """These runs are trained from now on."""

    runs: list[str]


@dataclass(frozen=True)
class Note:
    """What the worker has logged, for the logger of the parent."""

    level: int
    text: str


@dataclass(frozen=True)
class Item:
    """One of the values that a generator yields."""

    value: Any


class Reuse(Enum):
    """For which tasks a worker may be used again, by the code that has run in it."""

    ANY = "any"  # xprun's own, and that of what it builds on
    SAME_PURPOSE = "same purpose"  # that of components: it may have changed what others compute
    NONE = "none"  # it has left behind what cannot be undone


@dataclass(frozen=True)
class Result:
    """The task has ended; `value` is what its function returned."""

    value: Any = None
    reuse: Reuse = Reuse.ANY


@dataclass(frozen=True)
class Failure:
    """The function of a task has raised, or what it gave cannot be sent.

    `error` is what was raised, if xprun or Python itself defines it and it holds plain values only, else None: the
    parent runs no code of components.
    """

    words: str
    trace: str
    error: BaseException | None


Message = TaskStarted | RunsStarted | Item | Result | Failure


def encode(message: Any) -> bytes:
    """Return a message as bytes; raise whatever `pickle` raises for what cannot travel."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(MARK, len(content), zlib.crc32(content)) + content


class Decoder:
    """Assembles messages from the pieces in which they arrive."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> Iterator[Any]:
        """Yield the messages that are complete now; raise ProtocolError for what is none."""
        self._bytes += received
        while len(self._bytes) >= HEADER.size:
            mark, size, checksum = HEADER.unpack_from(self._bytes)
            if mark != MARK:
                raise ProtocolError(f"not a message: {bytes(self._bytes[: HEADER.size])!r}")
            end = HEADER.size + size
            if len(self._bytes) < end:
                return
            content = bytes(memoryview(self._bytes)[HEADER.size : end])
            del self._bytes[:end]
            yield _decode(content, checksum)


def _decode(content: bytes, checksum: int) -> Any:
    if zlib.crc32(content) != checksum:
        raise ProtocolError("a message with a wrong checksum")
    try:
        return pickle.loads(content)
    except Exception as error:  # whatever the classes in it raise
        raise ProtocolError(f"a message that cannot be read: {error}") from error


def receive(channel: socket.socket) -> Iterator[Any]:
    """Yield the messages of a blocking channel until the other side closes it."""
    decoder = Decoder()
    while received := channel.recv(CHUNK):
        yield from decoder.feed(received)
