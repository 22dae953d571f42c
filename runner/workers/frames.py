"""Messages between xprun and its workers: pickles with a mark, their length and a checksum, so that rubbish shows."""

from __future__ import annotations

import pickle
import socket
import struct
import zlib
from collections.abc import Iterator
from typing import Any

HEADER = struct.Struct("!4sQI")  # the mark, the bytes of the pickle, their CRC-32
MARK = b"\x89xpr"


class RubbishError(Exception):
    """What came through a channel is no message."""


def pack(message: Any) -> bytes:
    """Return a message as bytes; raise whatever `pickle` raises for what cannot travel."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(MARK, len(content), zlib.crc32(content)) + content


def receive(channel: socket.socket) -> Any:
    """Wait for a message and return it; raise EOFError when the other side has gone."""
    size, checksum = _read_header(_exactly(channel, HEADER.size))
    return _unpack(_exactly(channel, size), checksum)


class Inbox:
    """Puts messages together from the pieces in which they arrive."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, received: bytes) -> Iterator[Any]:
        """Yield the messages that are whole now; raise RubbishError for what is none."""
        self._bytes += received
        while len(self._bytes) >= HEADER.size:
            size, checksum = _read_header(self._bytes[: HEADER.size])
            end = HEADER.size + size
            if len(self._bytes) < end:
                return
            content = bytes(memoryview(self._bytes)[HEADER.size : end])
            del self._bytes[:end]
            yield _unpack(content, checksum)


def _read_header(header: bytes | bytearray) -> tuple[int, int]:
    mark, size, checksum = HEADER.unpack(header)
    if mark != MARK:
        raise RubbishError(f"not a message: {bytes(header)!r}")
    return size, checksum


def _unpack(content: bytes, checksum: int) -> Any:
    if zlib.crc32(content) != checksum:
        raise RubbishError("a message with a wrong checksum")
    try:
        return pickle.loads(content)
    except Exception as error:  # whatever the classes in it raise
        raise RubbishError(f"a message that cannot be read: {error}") from error


def _exactly(channel: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = channel.recv(min(size - len(received), 1 << 20))
        if not part:
            raise EOFError
        received += part
    return bytes(received)
