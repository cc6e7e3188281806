"""NAL units of HEVC: their layout in an item and their escaping.

Syntax: ITU-T H.265 (2021), 7.3.1; lengths: ISO/IEC 14496-15, 8.3.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["escape", "is_plain", "kind_of", "nal_units", "trimmed", "unescape"]


def nal_units(data: bytes, length_size: int) -> Iterator[bytes]:
    """NAL units of an item, each after its length; raises `ValueError` if a length does not fit."""
    position = 0
    while position < len(data):
        start = position + length_size
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data) or position - start < 2:
            raise ValueError("the lengths of the coded units do not fit")
        yield data[start:position]


def unescape(unit: bytes) -> bytes:
    """A NAL unit without its emulation prevention bytes (7.3.1.1)."""
    return unit.replace(b"\x00\x00\x03", b"\x00\x00")


def escape(rbsp: bytes) -> bytes:
    """A NAL unit with emulation prevention bytes."""
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", rbsp)


def kind_of(unit: bytes) -> int:
    """`nal_unit_type` (table 7-1)."""
    return unit[0] >> 1 & 63


def is_plain(unit: bytes) -> bool:
    """Whether a unit belongs to layer 0 and temporal sub-layer 0, with no forbidden bit set."""
    return unit[0] & 0x81 == 0 and unit[1] == 1


def trimmed(unit: bytes) -> bytes:
    """A slice without the zeros that may follow its end (`cabac_zero_words`, 7.3.2.10)."""
    while True:
        shorter = unit.removesuffix(b"\x00\x00\x03").rstrip(b"\x00")
        if shorter == unit:
            return unit
        unit = shorter
