"""Stores the findings of each frame as they are made, so that an interrupted first pass can continue.

Records are appended: a header, boxes, scores, kinds and whether each is to be covered. A kill may leave the
last record incomplete; it is then cut off.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import FileIO
from pathlib import Path

import numpy as np

from ..detections import Detections
from .tracks import Found

__all__ = ["Log"]

_HEAD = struct.Struct("<iqII")
"""Frame, time stamp, number of boxes, CRC-32 of the rest."""

_BOX = np.dtype([("xyxy", "<f4", (4,)), ("score", "<f4"), ("kind", "u1"), ("covered", "?")])


class Log:
    """A log; use it in a `with` statement.

    Args:
        path: its path; None stores nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[int, tuple[int, Found]] = {}
        self._file: FileIO | None = None

    def __enter__(self) -> Log:
        """Reads the existing records and opens the file for more."""
        if self._path is None:
            return self
        with suppress(OSError):
            end = self._read(self._path.read_bytes() if self._path.exists() else b"")
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = FileIO(self._path, "ab")
            self._file.truncate(end)
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file and keeps it."""
        if self._file:
            self._file.close()
            self._file = None

    def find(self, number: int, stamp: int) -> Found | None:
        """The findings of a frame from before the interruption.

        Args:
            number: of the frame.
            stamp: its time stamp, which must be the same.
        """
        entry = self._known.pop(number, None)
        return entry[1] if entry and entry[0] == stamp else None

    def add(self, number: int, stamp: int, found: Found) -> Found:
        """Stores the findings of a frame, and returns them."""
        boxes = np.zeros(len(found.faces), _BOX)
        boxes["xyxy"], boxes["score"] = found.faces.xyxy, found.faces.score
        boxes["kind"], boxes["covered"] = found.faces.kind, found.covered
        body = boxes.tobytes()
        if self._file:
            line = _HEAD.pack(number, stamp, len(boxes), zlib.crc32(body)) + body
            with suppress(OSError):
                if self._file.write(line) == len(line):
                    return found
            self._file.close()  # a full disk ends the log, not the run
            self._file = None
        return found

    def _read(self, data: bytes) -> int:
        """Reads all complete records; returns the position where they end."""
        place = 0
        while place + _HEAD.size <= len(data):
            number, stamp, count, check = _HEAD.unpack_from(data, place)
            body = data[place + _HEAD.size : place + _HEAD.size + count * _BOX.itemsize]
            if len(body) != count * _BOX.itemsize or zlib.crc32(body) != check:
                break
            boxes = np.frombuffer(body, _BOX)
            faces = Detections.of(boxes["xyxy"], boxes["score"], kind=boxes["kind"])
            self._known[number] = stamp, Found(faces, boxes["covered"].copy())
            place += _HEAD.size + len(body)
        return place
