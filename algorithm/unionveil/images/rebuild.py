"""A HEIC or AVIF before it is decoded: its container is rebuilt if every byte is accounted for."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from ..errors import ImageTooLarge
from . import av1, isobmff
from .coded import Cicp, NotAccounted
from .icc import clean_profile
from .isobmff import Container, Item
from .parameter_sets import named_colours
from .sequence import read_track
from .still import (
    Still,
    bare,
    coded_items,
    read_colours,
    read_crop,
    read_light_level,
    read_still,
    write_still,
)

__all__ = ["Rebuilt", "check_sizes", "rebuild"]

_CHROMA = (400, 420, 422, 444)


@dataclass(frozen=True)
class Rebuilt:
    """A file before its pixels are decoded.

    Attributes:
        source: the file to decode.
        accounted: whether it may be an output: it holds one image and nothing else. Only decoding shows how
            much of its entropy-coded data is used (`tails.py`).
        items: the coded items of the image; empty if the file could not be parsed.
        plain: whether the only item is shown as it is, neither rotated nor cropped nor with alpha.
        streams: whether some of them have several entropy-coded streams.
        depth: bits per sample, if known.
        chroma: 400 (grey), 420, 422 or 444, if known.
        cicp: colours that the file gives.
        icc: colour profile, cleaned.
        light_level: content light level (`clli`).
        crop_xywh: the part of `source` that is shown, before it is rotated; libavif does not apply it.
    """

    source: bytes
    accounted: bool = False
    items: tuple[Item, ...] = ()
    plain: bool = False
    streams: bool = False
    depth: int | None = None
    chroma: int | None = None
    cicp: Cicp | None = None
    icc: bytes | None = None
    light_level: tuple[int, int] | None = None
    crop_xywh: tuple[int, int, int, int] | None = None


def rebuild(data: bytes) -> Rebuilt:
    """Parses a file and rebuilds it if possible.

    Raises:
        UnreadableImage: the file is cut off.
    """
    try:
        container = isobmff.read(data)
    except NotAccounted:
        return _sequence(data)
    try:
        still = read_still(container)
    except NotAccounted:
        return _unaccounted(data, container)
    return _accounted(still)


def _accounted(still: Still) -> Rebuilt:
    first = still.colours.tiles[0]
    still = replace(still, icc=_clean(still.icc, first.chroma))
    source = write_still(still)
    return Rebuilt(
        source,
        True,
        tuple(coded_items(isobmff.read(source))),
        still.alpha is None and len(still.colours.tiles) == 1 and not (still.transforms or still.crop_wh),
        any(tile.streams for layer in (still.colours, still.alpha) if layer for tile in layer.tiles),
        first.depth,
        first.chroma,
        still.cicp or first.cicp,
        still.icc,
        still.light_level,
    )


def _sequence(data: bytes) -> Rebuilt:
    track = read_track(data)
    if track is None:
        return Rebuilt(data)
    depth, chroma = _read_av1c(track.configuration)
    return Rebuilt(data, depth=depth, chroma=chroma, cicp=track.cicp, icc=_clean(track.icc, chroma))


def _unaccounted(data: bytes, container: Container) -> Rebuilt:
    """Collects the properties that the file declares, to re-encode it with them."""
    try:
        items = tuple(coded_items(container))
        primary = container.items[container.primary]
        depth, chroma = _configured(items[0])
        own, inner = read_colours(primary), read_colours(items[0])
        crop = read_crop(primary) if items[0].kind == b"av01" else None
        light_level = read_light_level(primary)
    except (NotAccounted, KeyError, IndexError, struct.error, ZeroDivisionError):
        return Rebuilt(data)
    if crop is not None and len(items) == 1 and primary is items[0]:
        # OpenCV refuses crops that are not on whole pixels, and some others.
        data = bare(primary)
    return Rebuilt(
        data,
        items=items,
        depth=depth,
        chroma=chroma,
        cicp=own[0] or inner[0] or _coded_colours(items[0]),
        icc=_clean(own[1] or inner[1], chroma),
        light_level=light_level,
        crop_xywh=crop,
    )


def _coded_colours(item: Item) -> Cicp | None:
    if item.kind == b"av01":
        return av1.named_colours(item.data)
    return named_colours((item.bodies(b"hvcC") or [b""])[0])


def _configured(item: Item) -> tuple[int | None, int | None]:
    """Depth and chroma sampling in the configuration of a coded item."""
    for body in item.bodies(b"hvcC"):
        return 8 + (body[17] & 7), _CHROMA[body[16] & 3]
    for body in item.bodies(b"av1C"):
        return _read_av1c(body)
    return None, None


def _read_av1c(body: bytes) -> tuple[int, int]:
    depth = 8 + 2 * (body[2] >> 6 & 1) + 2 * (body[2] >> 5 & 1)
    return depth, 400 if body[2] & 16 else (444, 420, 422, 420)[body[2] >> 2 & 3]


def _clean(icc: bytes | None, chroma: int | None) -> bytes | None:
    return clean_profile(icc, 1 if chroma == 400 else 3) if icc else None


def check_sizes(rebuilt: Rebuilt, max_pixels: float) -> None:
    """Refuses an image made of parts that are far larger than itself.

    Raises:
        ImageTooLarge: they have more than four times the pixels that an image may have.
    """
    pixels = 0
    for item in rebuilt.items:
        for body in item.bodies(b"ispe"):
            width, height = struct.unpack_from(">II", body, 4) if len(body) >= 12 else (0, 0)
            pixels += width * height
    if pixels > 4 * max_pixels:
        raise ImageTooLarge(pixels, int(max_pixels))
