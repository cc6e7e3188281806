"""One coded image of a HEIC or AVIF, with every byte accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

__all__ = ["Cicp", "Codec", "CodedImage", "NotAccounted"]

Cicp: TypeAlias = tuple[int, int, int, bool]
"""Colour primaries, transfer characteristics, matrix coefficients (ITU-T H.273), full range."""


class NotAccounted(Exception):
    """The file has bytes that its image does not need, or might not need; the image has to be re-encoded."""


class Codec(Enum):
    """Item types of ISO/IEC 23008-12 and AV1 Image File Format."""

    HEVC = b"hvc1"
    AV1 = b"av01"


@dataclass(frozen=True)
class CodedImage:
    """A coded image that may be written into a new file.

    Attributes:
        codec: how it is coded.
        size_wh: width and height in pixels, as decoded.
        hidden_wh: columns at the right and rows at the bottom that are coded but not shown: parts of the last
            blocks.
        depth: bits per sample.
        chroma: 400 (grey), 420, 422 or 444.
        configuration: body of the `hvcC` or `av1C` box, written from parsed values.
        data: the coded item. How much of its last part, the entropy-coded data, a decoder uses can only be
            found by decoding (`tails.py`).
        cicp: colour description inside the coded data, if there is one.
        profile: `general_profile_idc` of HEVC, `seq_profile` of AV1.
        streams: whether its entropy-coded data are several streams, each with its own end.
    """

    codec: Codec
    size_wh: tuple[int, int]
    hidden_wh: tuple[int, int]
    depth: int
    chroma: int
    configuration: bytes
    data: bytes
    cicp: Cicp | None
    profile: int
    streams: bool = False
