"""Metadata that gives people away: where a photo was taken, with which camera, and whose it is.

Tags: Exif 2.32 (CIPA DC-008-2019), 4.6; names of XMP: Adobe's XMP specification, part 2, and exifEX of CIPA
DC-010; data sets of IPTC: IIM 4.2, record 2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Literal, TypeAlias

from .blocks import Blocks
from .exif import Directory, directories

__all__ = ["TRACES", "Trace", "traces_in"]

Trace: TypeAlias = Literal["gps", "serial", "owner"]

TRACES: tuple[Trace, ...] = ("gps", "serial", "owner")

_PLACES = frozenset({2, 4, 20, 22})
"""Latitude and longitude of the camera and of what it shows."""

_BODY_SERIAL, _LENS_SERIAL, _DNG_SERIAL, _MAKER_NOTE = 0xA431, 0xA435, 0xC62F, 0x927C
_OWNER_NAME, _ARTIST, _XP_AUTHOR = 0xA430, 0x013B, 0x9C9D

_IN_XMP: tuple[tuple[Trace, re.Pattern[bytes]], ...] = (
    ("gps", re.compile(rb"GPS(?:Dest)?(?:Latitude|Longitude)")),
    ("serial", re.compile(rb"SerialNumber")),
    ("owner", re.compile(rb"OwnerName|dc:creator|tiff:Artist|xmpRights:Owner|CreatorContactInfo")),
)

_OWNERS_IN_IPTC = frozenset({80, 118, 122})
"""By-line, contact, writer."""

_OWNERS_IN_PNG = frozenset({"author", "artist"})
_PACKED_IN_PNG = re.compile(r"raw profile type (exif|app1)", re.IGNORECASE)
"""ImageMagick writes EXIF as hexadecimal text."""


def traces_in(blocks: Blocks) -> tuple[Trace, ...]:
    """What a file's metadata give away.

    Values need not be valid: what one reader takes for broken, another may read. Notes of a camera's maker
    count as a serial number, since they hold one in a form of their own.

    Args:
        blocks: as `metadata_blocks` finds them.

    Raises:
        ValueError: a block of EXIF is broken, so that something may be missing.
    """
    found = set(_all(blocks))
    return tuple(trace for trace in TRACES if trace in found)


def _all(blocks: Blocks) -> Iterator[Trace]:
    packed = [_unpacked(text) for name, text in blocks.texts if _PACKED_IN_PNG.match(name)]
    try:
        for block in (*blocks.exif, *packed):
            yield from _in_exif(*directories(block))
    except struct.error as error:
        raise ValueError("a block of EXIF is broken") from error
    for packet in blocks.xmp:
        plain = packet.replace(b"\x00", b"")  # of UTF-16 as of UTF-8
        yield from (trace for trace, pattern in _IN_XMP if pattern.search(plain))
    for records in blocks.iptc:
        if _OWNERS_IN_IPTC & set(_data_sets(records)):
            yield "owner"
    if any(name.lower() in _OWNERS_IN_PNG and text.strip() for name, text in blocks.texts):
        yield "owner"


def _in_exif(first: Directory, exif: Directory, gps: Directory) -> Iterator[Trace]:
    if _PLACES & gps.keys():
        yield "gps"
    if _says(exif, _BODY_SERIAL, _LENS_SERIAL, _MAKER_NOTE) or _says(first, _DNG_SERIAL):
        yield "serial"
    if _says(exif, _OWNER_NAME) or _says(first, _ARTIST, _XP_AUTHOR):
        yield "owner"


def _says(directory: Directory, *tags: int) -> bool:
    """Whether one of the tags has a value that is not blank."""
    values = (directory.get(tag, b"") for tag in tags)
    return any(value.strip(b" \x00") if isinstance(value, bytes) else value for value in values)


def _unpacked(text: bytes) -> bytes:
    """Hexadecimal digits behind two lines with a name and a length; a text of another form says nothing."""
    try:
        return bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return b""


def _data_sets(records: bytes) -> Iterator[int]:
    """Numbers of the data sets of record 2 that have a value."""
    place = 0
    while place + 5 <= len(records) and records[place] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", records, place + 1)
        if length & 0x8000:  # an extended length, of which no text has need
            return
        if record == 2 and records[place + 5 : place + 5 + length].strip(b" \x00"):
            yield number
        place += 5 + length
