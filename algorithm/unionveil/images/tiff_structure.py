"""The directories of a TIFF: read strictly, and written from values.

Structure: TIFF 6.0 (Adobe, 1992), section 2; BigTIFF (Aware Systems, 2008), which has offsets of 64 bits.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from ..errors import UnreadableImage, UnsupportedImage

__all__ = [
    "Entry",
    "Field",
    "Tags",
    "Tiff",
    "nested_directories",
    "read_structure",
    "with_entries",
    "write_structure",
]

Field: TypeAlias = bytes | tuple[int, ...] | tuple[Fraction, ...]
Tags: TypeAlias = Mapping[int, Field]
"""Values by tag: bytes for opaque data, otherwise numbers."""

Entry: TypeAlias = tuple[int, Field]
"""Type (see `_FORMATS`) and value."""

_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_BYTES, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 1, 3, 4, 5, 7, 16
_SIZES = {2: 1, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8} | {kind: struct.calcsize(f) for kind, f in _FORMATS.items()}
_OFFSETS, _COUNTS = 273, 279
_EXIF, _GPS = 0x8769, 0x8825
_MOST_PAGES = 10_000
_CLASSIC_LIMIT = (1 << 32) - (1 << 20)


@dataclass(frozen=True)
class Tiff:
    """A whole file.

    Attributes:
        order: `<` or `>`, the byte order of all numbers, as in `struct`.
        big: whether it is a BigTIFF.
        pages: the tags of each directory of the main chain.
    """

    order: str
    big: bool
    pages: tuple[Tags, ...]


def read_structure(data: bytes, wanted: Collection[int], opaque: Collection[int]) -> Tiff:
    """Reads the main chain of directories.

    Args:
        data: a whole file.
        wanted: the tags to read; others are skipped.
        opaque: those of them that are read as bytes, whatever their type.

    Raises:
        UnreadableImage: a directory or a value is outside the file, directories form a loop, or a tag is
            repeated.
        UnsupportedImage: more than 10,000 pages.
    """
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    try:
        (version,) = struct.unpack_from(order + "H", data, 2)
        big = version == 43
        if big and struct.unpack_from(order + "HH", data, 4) != (8, 0):
            raise UnreadableImage("the BigTIFF is damaged: its offsets have an unknown size")
        (first,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        pages = tuple(_read_chain(data, order, big, first, wanted, opaque))
    except (struct.error, OverflowError) as error:
        raise UnreadableImage("the TIFF is cut off: a directory is outside the file") from error
    if not pages:
        raise UnreadableImage("the TIFF is damaged: it holds no picture")
    return Tiff(order, big, pages)


def _read_chain(
    data: bytes, order: str, big: bool, offset: int, wanted: Collection[int], opaque: Collection[int]
) -> Iterator[Tags]:
    seen: set[int] = set()
    count_format, entry_size, next_format = ("Q", 20, "Q") if big else ("H", 12, "I")
    while offset:
        if offset in seen:
            raise UnreadableImage("the TIFF is damaged: its directories form a loop")
        seen.add(offset)
        if len(seen) > _MOST_PAGES:
            raise UnsupportedImage(f"a TIFF of more than {_MOST_PAGES} pages is not handled")
        (count,) = struct.unpack_from(order + count_format, data, offset)
        start = offset + struct.calcsize(count_format)
        end = start + count * entry_size
        (offset,) = struct.unpack_from(order + next_format, data, end)
        yield _read_tags(data, order, big, range(start, end, entry_size), wanted, opaque)


def _read_tags(
    data: bytes, order: str, big: bool, places: range, wanted: Collection[int], opaque: Collection[int]
) -> Tags:
    tags: dict[int, Field] = {}
    for place in places:
        tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, place)
        if tag not in wanted or kind not in _SIZES:
            continue
        if tag in tags:
            raise UnreadableImage(f"the TIFF is damaged: tag {tag} is repeated")
        size = count * _SIZES[kind]
        inline = place + (12 if big else 8)
        if size > (8 if big else 4):
            (inline,) = struct.unpack_from(order + ("Q" if big else "I"), data, inline)
        if inline + size > len(data):
            raise UnreadableImage(f"the TIFF is cut off: tag {tag} is outside the file")
        value = _read_value(data[inline : inline + size], order, kind, count, opaque=tag in opaque)
        if value is not None:
            tags[tag] = value
    return tags


def _read_value(raw: bytes, order: str, kind: int, count: int, *, opaque: bool) -> Field | None:
    """None for types that none of our tags has."""
    if opaque:
        return raw
    if kind == _RATIONAL:
        numbers = struct.unpack(f"{order}{2 * count}I", raw)
        return tuple(
            Fraction(over, under) if under else Fraction(0)
            for over, under in zip(numbers[::2], numbers[1::2], strict=True)
        )
    if kind in (11, 12):
        values = struct.unpack(f"{order}{count}{'f' if kind == 11 else 'd'}", raw)
        return tuple(Fraction(value) if 0 < value < 1e9 else Fraction(0) for value in values)
    return struct.unpack(f"{order}{count}{_FORMATS[kind]}", raw) if kind in _FORMATS else None


def write_structure(
    pages: Sequence[tuple[Mapping[int, Entry], Sequence[bytes | memoryview]]], *, big: bool
) -> bytes:
    """A whole little-endian file.

    Args:
        pages: for each page its tags, without the offsets of its strips, and the strips.
        big: whether to write a BigTIFF; also written if 32-bit offsets do not suffice.
    """
    big = big or sum(len(strip) + 64 for _, strips in pages for strip in strips) > _CLASSIC_LIMIT
    parts: list[bytes | memoryview] = [
        b"II" + (struct.pack("<HHH", 43, 8, 0) if big else struct.pack("<H", 42))
    ]
    parts.append(b"")  # holds the offset of the first directory
    position = 16 if big else 8
    directories = []
    for tags, strips in pages:
        offsets = []
        for strip in strips:
            offsets.append(position)
            parts += [strip, b"\x00"] if len(strip) % 2 else [strip]
            position += len(strip) + len(strip) % 2
        kind = _LONG8 if big else _LONG
        counts = tuple(len(strip) for strip in strips)
        directories.append({**tags, _OFFSETS: (kind, tuple(offsets)), _COUNTS: (kind, counts)})
    parts[1] = struct.pack("<Q" if big else "<I", position)
    for number, tags in enumerate(directories):
        directory = _directory(tags, position, last=number + 1 == len(directories), big=big)
        parts.append(directory)
        position += len(directory)
    return b"".join(parts)


def _directory(tags: Mapping[int, Entry], position: int, *, last: bool, big: bool) -> bytes:
    """One directory followed by its values; the next directory follows directly."""
    pointer = "Q" if big else "I"
    inline_size = struct.calcsize(pointer)
    head = struct.pack("<Q" if big else "<H", len(tags))
    size = len(head) + len(tags) * (20 if big else 12) + inline_size
    entries, values = [], b""
    for tag, (kind, value) in sorted(tags.items()):
        raw = _raw(kind, value)
        count = len(raw) // _SIZES[kind]
        if len(raw) > inline_size:
            place = struct.pack("<" + pointer, position + size + len(values))
            values += raw + b"\x00" * (len(raw) % 2)
        else:
            place = raw.ljust(inline_size, b"\x00")
        entries.append(struct.pack("<HH" + pointer, tag, kind, count) + place)
    following = 0 if last else position + size + len(values)
    return b"".join([head, *entries, struct.pack("<" + pointer, following), values])


def nested_directories(
    first: Mapping[int, Entry],
    exif: Mapping[int, Entry],
    gps: Mapping[int, Entry],
    *,
    position: int,
    following: bool = False,
) -> bytes:
    """A little-endian directory, with those of EXIF and GPS behind it where they have entries.

    Args:
        first: entries of the directory, without the pointers to the other two.
        exif: entries of the EXIF directory.
        gps: entries of the GPS directory.
        position: of the first byte in its file.
        following: whether another directory follows at once.
    """
    inner = [(pointer, entries) for pointer, entries in ((_EXIF, exif), (_GPS, gps)) if entries]
    pointers: dict[int, Entry] = {pointer: (_LONG, (0,)) for pointer, _ in inner}
    place = position + len(_directory({**first, **pointers}, position, last=True, big=False))
    parts = []
    for pointer, entries in inner:
        parts.append(_directory(entries, place, last=True, big=False))
        pointers[pointer] = (_LONG, (place,))
        place += len(parts[-1])
    head = _directory({**first, **pointers}, position, last=True, big=False)
    if following:
        end = 2 + 12 * (len(first) + len(pointers))
        head = head[:end] + struct.pack("<I", place) + head[end + 4 :]
    return b"".join([head, *parts])


def with_entries(
    data: bytes, first: Mapping[int, Entry], exif: Mapping[int, Entry], gps: Mapping[int, Entry]
) -> bytes | None:
    """A file of `write_structure` with more entries in its first directory; None for a BigTIFF.

    Args:
        data: a file whose directories follow one another at its end.
        first: entries of the first directory.
        exif: entries of its EXIF directory.
        gps: entries of its GPS directory.
    """
    if data[:4] != b"II*\x00":
        return None
    (position,) = struct.unpack_from("<I", data, 4)
    parts, place, start = [data[:position]], position, position
    while place:
        (count,) = struct.unpack_from("<H", data, place)
        entries = dict(_entry(data, place + 2 + 12 * number) for number in range(count))
        (place,) = struct.unpack_from("<I", data, place + 2 + 12 * count)
        more = ({**entries, **first}, exif, gps) if start == position else (entries, {}, {})
        parts.append(nested_directories(*more, position=start, following=place > 0))
        start += len(parts[-1])
    return b"".join(parts)


def _entry(data: bytes, place: int) -> tuple[int, Entry]:
    """Tag, type and raw value of one of our own entries."""
    tag, kind, count = struct.unpack_from("<HHI", data, place)
    size = count * _SIZES[kind]
    start = place + 8 if size <= 4 else struct.unpack_from("<I", data, place + 8)[0]
    return tag, (kind, data[start : start + size])


def _raw(kind: int, value: Field) -> bytes:
    if isinstance(value, bytes):
        return value
    if kind == _RATIONAL:
        numbers = [n for number in value for n in (Fraction(number).numerator, Fraction(number).denominator)]
        return struct.pack(f"<{len(numbers)}I", *numbers)
    return struct.pack(f"<{len(value)}{_FORMATS[kind]}", *value)
