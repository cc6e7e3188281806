"""Camera raw files that begin like TIFF files: recognized by their first directory.

A TIFF reader would mistake the small preview inside for the photo.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["raw_maker"]

# Tags of TIFF 6.0, its supplement 1 (SubIFDs), TIFF/EP (ISO 12234-2) and DNG 1.7.
_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION = 254, 259, 262, 271, 330, 50706
_REDUCED = 1
_COLOUR_FILTER_ARRAY, _LINEAR_RAW = 32803, 34892

_RAW_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 65000, 65535})
"""Sony ARW, Epson ERF, Samsung SRW, Nikon NEF, Kodak DCR, Pentax PEF (libtiff's tiff.h, ExifTool)."""

_MOST_ENTRIES = 512


def raw_maker(data: bytes) -> str | None:
    """The name of a raw format whose files begin like TIFF; None for other TIFF files.

    Args:
        data: the file, or enough of it to contain its first directory; classic TIFF only.
    """
    order = {b"II": "little", b"MM": "big"}.get(bytes(data[:2]))
    if order is None:
        return None
    tags = dict(_first_directory(bytes(data[: 1 << 16]), order))
    if _DNG_VERSION in tags:
        return "DNG"
    photometric = tags.get(_PHOTOMETRIC)
    is_preview = tags.get(_SUBFILE_TYPE, 0) & _REDUCED and _SUB_IFDS in tags and _MAKE in tags
    if (
        is_preview
        or photometric in (_COLOUR_FILTER_ARRAY, _LINEAR_RAW)
        or tags.get(_COMPRESSION) in _RAW_COMPRESSIONS
    ):
        return "NEF, ARW or another kind of TIFF"
    return None


def _first_directory(data: bytes, order: str) -> Iterator[tuple[int, int]]:
    """Tags of the first directory with their first value, or the offset of their values."""

    def number(place: int, size: int) -> int:
        return int.from_bytes(data[place : place + size], "little" if order == "little" else "big")

    place = number(4, 4)
    for entry in range(min(number(place, 2), _MOST_ENTRIES)):
        start = place + 2 + 12 * entry
        if start + 12 > len(data):
            return
        size = {1: 1, 3: 2}.get(number(start + 2, 2), 4)  # BYTE, SHORT; all others are read as LONG
        yield number(start, 2), number(start + 8, size)
