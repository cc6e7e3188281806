"""A job's log as served by a node: frames of a Docker stream."""

from __future__ import annotations

import struct
import unicodedata

_FRAME = struct.Struct(">BxxxL")
"""Header of a frame in a Docker log: stream (0 stdin, 1 stdout, 2 stderr), three zero bytes, length
(Docker Engine API, "Attach to a container", stream format)."""


def log_text(data: bytes) -> str:
    """A job's log as text, without the headers of Docker's frames, safe to print on a terminal.

    Args:
        data: the log as served by the node; a log without frames is returned unchanged, and so is the rest
            after a truncated frame.
    """
    parts, place = [], 0
    while place + _FRAME.size <= len(data):
        stream, length = _FRAME.unpack_from(data, place)
        if stream > 2 or data[place + 1 : place + 4] != b"\0\0\0":
            break
        parts.append(data[place + _FRAME.size : place + _FRAME.size + length])
        place += _FRAME.size + length
    text = (b"".join(parts) + data[place:]).decode("utf-8", "replace")
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char)[0] != "C")
