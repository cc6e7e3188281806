"""EXIF: directories read with care, and a block written from a few parsed values.

Structure: TIFF 6.0 (Adobe, 1992), section 2; tags: Exif 2.32 (CIPA DC-008-2019), 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TypeAlias

from ..outputs import MetadataName, OutputOptions
from .tiff_structure import Entry, nested_directories

__all__ = [
    "NO_METADATA",
    "Directory",
    "Metadata",
    "Position",
    "directories",
    "parse_exif",
    "write_exif",
    "written_entries",
]

Directory: TypeAlias = Mapping[int, bytes | tuple[int, ...] | tuple[Fraction, ...]]
"""Values by tag: bytes for texts and opaque data, otherwise numbers."""

Entries: TypeAlias = dict[int, Entry]
"""Types and values by tag."""

EXIF_POINTER, GPS_POINTER = 0x8769, 0x8825
_COPYRIGHT, _TAKEN, _OFFSET, _VERSION = 0x8298, 0x9003, 0x9011, 0x9000
_ASCII, _BYTE, _RATIONAL, _UNDEFINED = 2, 1, 5, 7
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}

_MOST_ENTRIES = 1000
_MOST_TEXT = 1000
"""Characters of a copyright notice; longer ones are cut."""

_UNITS = 10**7
"""Positions are held in this part of a degree, 1.1 cm of latitude."""


@dataclass(frozen=True)
class Position:
    """Where a photo was taken.

    Attributes:
        latitude: ten-millionths of a degree, north positive.
        longitude: ten-millionths of a degree, east positive.
        altitude_cm: above sea level; None where it is unknown or the position is rounded.
    """

    latitude: int
    longitude: int
    altitude_cm: int | None = None

    def rounded(self, decimals: int) -> Position:
        """To so many decimal places of a degree; without the altitude, which could refine it again."""
        latitude, longitude = (round(value, decimals - 7) for value in (self.latitude, self.longitude))
        return Position(latitude, longitude)


@dataclass(frozen=True)
class Metadata:
    """Metadata that can be kept; None for what a file does not say.

    Attributes:
        taken: date and time, `YYYY:MM:DD HH:MM:SS`.
        offset: of `taken` from UTC, `+HH:MM`.
        position: where it was taken.
        copyright: notice, printable, at most 1,000 characters.
    """

    taken: str | None = None
    offset: str | None = None
    position: Position | None = None
    copyright: str | None = None

    @property
    def names(self) -> tuple[MetadataName, ...]:
        """What is there, in the order of `outputs.METADATA`."""
        found: list[tuple[MetadataName, object]] = [
            ("date", self.taken),
            ("gps", self.position),
            ("copyright", self.copyright),
        ]
        return tuple(name for name, value in found if value is not None)

    def allowed(self, options: OutputOptions) -> Metadata:
        """The part that a user asked to keep."""
        position = self.position if "gps" in options.keep else None
        if position is not None and options.gps_decimals is not None:
            position = position.rounded(options.gps_decimals)
        dated = "date" in options.keep
        return Metadata(
            self.taken if dated else None,
            self.offset if dated else None,
            position,
            self.copyright if "copyright" in options.keep else None,
        )


NO_METADATA = Metadata()


def directories(block: bytes) -> tuple[Directory, Directory, Directory]:
    """The first directory of an EXIF block, and those of EXIF and GPS that it points to.

    Broken entries are passed over; of a repeated tag, the first counts.

    Args:
        block: with or without its `Exif` prefix; a TIFF file is such a block, too.

    Raises:
        struct.error: a directory lies outside of the block.
    """
    tiff = block.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return {}, {}, {}
    first = _directory(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0])
    return first, _pointed(tiff, order, first, EXIF_POINTER), _pointed(tiff, order, first, GPS_POINTER)


def _pointed(tiff: bytes, order: str, first: Directory, pointer: int) -> Directory:
    match first.get(pointer):
        case (int(place),):
            return _directory(tiff, order, place)
        case _:
            return {}


def _directory(tiff: bytes, order: str, place: int) -> Directory:
    found: dict[int, bytes | tuple[int, ...] | tuple[Fraction, ...]] = {}
    (count,) = struct.unpack_from(order + "H", tiff, place)
    for entry in range(place + 2, place + 2 + 12 * min(count, _MOST_ENTRIES), 12):
        tag, kind, values = struct.unpack_from(order + "HHI", tiff, entry)
        size = values * _SIZES.get(kind, 0)
        start = entry + 8
        if size > 4:
            (start,) = struct.unpack_from(order + "I", tiff, start)
        if size and start + size <= len(tiff) and tag not in found:
            found[tag] = _value(tiff[start : start + size], order, kind, values)
    return found


def _value(raw: bytes, order: str, kind: int, count: int) -> bytes | tuple[int, ...] | tuple[Fraction, ...]:
    if kind in (5, 10):
        numbers = struct.unpack(f"{order}{2 * count}{'I' if kind == 5 else 'i'}", raw)
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return tuple(Fraction(over, under) if under else Fraction(-1) for over, under in pairs)
    return struct.unpack(f"{order}{count}{_FORMATS[kind]}", raw) if kind in _FORMATS and kind != 1 else raw


def parse_exif(block: bytes) -> Metadata:
    """The values that can be kept; those that are missing, broken or out of range are None."""
    try:
        first, exif, gps = directories(block)
    except struct.error:
        return Metadata()
    taken = _taken(exif.get(_TAKEN))
    offset = _offset(exif.get(_OFFSET)) if taken else None
    return Metadata(taken, offset, _position(gps), _notice(first.get(_COPYRIGHT)))


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return ""
    return value.rstrip(b"\x00 ").decode("utf-8", "replace")


def _taken(value: object) -> str | None:
    text = _text(value)
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").strftime("%Y:%m:%d %H:%M:%S").rjust(19, "0")
    except ValueError:
        return None


def _offset(value: object) -> str | None:
    text = _text(value)
    is_whole = len(text) == 6 and text[0] in "+-" and text[3] == ":" and (text[1:3] + text[4:]).isdecimal()
    return text if is_whole and text.isascii() and int(text[1:3]) <= 14 and int(text[4:]) < 60 else None


def _notice(value: object) -> str | None:
    """Printable text; the editor's part follows the photographer's behind a NUL."""
    parts = [part.strip() for part in _text(value).split("\x00")]
    text = "; ".join(part for part in parts if part)
    shown = "".join(char for char in text if char.isprintable() and char != "\ufffd")[:_MOST_TEXT].strip()
    return shown or None


def _position(gps: Directory) -> Position | None:
    latitude = _degrees(gps.get(2), gps.get(1), b"NS", 90)
    longitude = _degrees(gps.get(4), gps.get(3), b"EW", 180)
    if latitude is None or longitude is None:
        return None
    return Position(latitude, longitude, _altitude(gps.get(6), gps.get(5)))


def _degrees(value: object, direction: object, signs: bytes, most: int) -> int | None:
    """Degrees, minutes and seconds in ten-millionths of a degree."""
    if not isinstance(direction, bytes) or not isinstance(value, tuple) or len(value) != 3:
        return None
    if direction[:1] not in (signs[:1], signs[1:]) or min(value) < 0:
        return None
    degrees = Fraction(value[0]) + Fraction(value[1]) / 60 + Fraction(value[2]) / 3600
    if degrees > most:
        return None
    return round(degrees * _UNITS) * (-1 if direction[:1] == signs[1:] else 1)


def _altitude(value: object, below: object) -> int | None:
    if not isinstance(value, tuple) or len(value) != 1 or not 0 <= value[0] < 100_000:
        return None
    return round(Fraction(value[0]) * 100) * (-1 if below == b"\x01" else 1)


def written_entries(metadata: Metadata) -> tuple[Entries, Entries, Entries]:
    """The entries of the first directory, and of those of EXIF and GPS, without the pointers to them."""
    first: Entries = {}
    if metadata.copyright is not None:
        first[_COPYRIGHT] = (_ASCII, metadata.copyright.encode() + b"\x00")
    exif: Entries = {}
    if metadata.taken is not None:
        exif = {_VERSION: (_UNDEFINED, b"0232"), _TAKEN: (_ASCII, metadata.taken.encode() + b"\x00")}
        if metadata.offset is not None:
            exif[_OFFSET] = (_ASCII, metadata.offset.encode() + b"\x00")
    return first, exif, {} if metadata.position is None else _gps_entries(metadata.position)


def _gps_entries(position: Position) -> Entries:
    entries: Entries = {0: (_BYTE, b"\x02\x03\x00\x00")}
    for tag, value, signs in ((1, position.latitude, b"NS"), (3, position.longitude, b"EW")):
        entries[tag] = (_ASCII, signs[value < 0 : (value < 0) + 1] + b"\x00")
        entries[tag + 1] = (_RATIONAL, _sexagesimal(abs(value)))
    if position.altitude_cm is not None:
        entries[5] = (_BYTE, bytes([position.altitude_cm < 0]))
        entries[6] = (_RATIONAL, (Fraction(abs(position.altitude_cm), 100),))
    return entries


def _sexagesimal(value: int) -> tuple[Fraction, ...]:
    """Ten-millionths of a degree as degrees, minutes and seconds, exactly: a unit is 0.00036 seconds."""
    degrees, rest = divmod(36 * value, 360_000_000)
    minutes, rest = divmod(rest, 6_000_000)
    return Fraction(degrees), Fraction(minutes), Fraction(rest, 100_000)


def write_exif(metadata: Metadata) -> bytes:
    """A little-endian EXIF block, without prefix, that holds these values and nothing else."""
    return b"II*\x00" + struct.pack("<I", 8) + nested_directories(*written_entries(metadata), position=8)
