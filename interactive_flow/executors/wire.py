"""What goes through the pipes between a run and its worker processes: frames, a header and a body each.

*Orders* go to a worker: functions, calls, and the surroundings to run them in.  *News* come back: that it is there,
what a task prints, its heartbeats and items, results and errors.  Frames are read in whatever pieces a pipe gives,
many at a time, because with short tasks each system call counts.

Pipes are used bare, not as `multiprocessing` connections: those take two system calls for each message, and cannot be
written to without the danger of blocking.
"""

from __future__ import annotations

import os
import struct
from typing import Any

ORDER = struct.Struct("<QBBI")
"""An order: length of its body, what it is, epoch, which function."""

SURROUNDINGS, FUNCTION, CALLS = range(3)
"""The orders.

`SURROUNDINGS`: what `surroundings` gives; forgets all functions.  `FUNCTION`: a task's name and its pickled function.
`CALLS`: a pickled list of what `interactive_flow.executors.lists.Packer.pack` gives.
"""

NEWS = struct.Struct("<QBdd")
"""News: length of the body, what it is, two times in seconds by the worker's clock."""

HELLO, RESULT, ITEMS_OVER, ERROR, BEAT, ITEM, STDOUT, STDERR = range(8)
"""The news.

`HELLO`: the worker is ready; the time is now.  `RESULT`, `ITEMS_OVER`, `ERROR`: a call has ended, with a pickled value,
with nothing but the items that were sent before, with a packed error; the times are its start and its end.  `BEAT`: a
pickled progress and message.  `ITEM`: a pickled item of a generator.  `STDOUT`, `STDERR`: text.
"""

CHUNK = 1 << 16
"""Bytes to read at a time: what a pipe holds."""


class Frames:
    """Cuts a stream of bytes into frames.

    Args:
        header: its first field is the length of the body that follows.
    """

    def __init__(self, header: struct.Struct) -> None:
        self._header = header
        self._rest = bytearray()
        self._wanted = 0

    def feed(self, chunk: bytes) -> list[tuple[tuple[Any, ...], bytes]]:
        """Takes the next bytes; the frames that are complete with them, as fields of the header and body."""
        data = chunk
        if self._rest:
            self._rest += chunk
            if len(self._rest) < self._wanted:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        frames = []
        unpack, size = self._header.unpack_from, self._header.size
        start, end = 0, len(data)
        self._wanted = size
        while end - start >= size:
            fields = unpack(data, start)
            body = start + size
            stop = body + fields[0]
            if stop > end:
                self._wanted = stop - start
                break
            frames.append((fields, data[body:stop]))
            start = stop
        if start < end:
            self._rest += memoryview(data)[start:]
        return frames


def write_all(fd: int, data: bytes) -> None:
    """Writes to a pipe that blocks; small pieces of data go in one piece.

    Raises:
        OSError: nobody reads the pipe any more.
    """
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])
