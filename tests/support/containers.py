"""HEIC, AVIF and WebP files changed after encoding."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from unionveil.images import Patch, isobmff
from unionveil.images.isobmff import Container, Item, Property, Reference
from unionveil.images.picture import Picture, Written

HEIC = (b"heic", b"mif1", b"heic")
AVIF = (b"avif", b"avif", b"mif1", b"miaf")
ONE_STREAM = {"x265:wpp": "0", "x265:pools": "none"}


def heic(pixels: np.ndarray, *, bit_depth: int = 10, **options: Any) -> bytes:
    """A HEIC of `(H, W)` or `(H, W, C)` pixels as other encoders write it, in one entropy-coded stream."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels] + (";16" if pixels.dtype == np.uint16 else "")
    out = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bit_depth > 10
    try:
        pillow_heif.encode(
            mode, pixels.shape[1::-1], pixels.tobytes(), out, enc_params=dict(ONE_STREAM), **options
        )
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    return out.getvalue()


def only_item(data: bytes) -> Item:
    """The primary item of a file."""
    container = isobmff.read(data)
    return container.items[container.primary]


def single(item: Item, brands: tuple[bytes, ...] = HEIC) -> bytes:
    """A file of one item."""
    return isobmff.write(Container(1, {1: item}), brands)


def changed(data: bytes, change: Callable[[Item], Item], brands: tuple[bytes, ...] = HEIC) -> bytes:
    """A file with its primary item changed."""
    container = isobmff.read(data)
    items = {**container.items, container.primary: change(container.items[container.primary])}
    return isobmff.write(replace(container, items=items), brands)


def with_property(item: Item, kind: bytes, body: bytes, *, essential: bool = False) -> Item:
    """An item with one property replaced or added."""
    others = tuple(each for each in item.properties if each.kind != kind)
    return replace(item, properties=(*others, Property(kind, body, essential)))


def ispe(width: int, height: int) -> bytes:
    return struct.pack(">III", 0, width, height)


def clap(full_wh: tuple[int, int], x: int, y: int, width: int, height: int) -> bytes:
    offsets = 2 * x + width - full_wh[0], 2, 2 * y + height - full_wh[1], 2
    return struct.pack(">IIIIiIiI", width, 1, height, 1, *offsets)


def grid(
    tiles: list[Item],
    columns: int,
    rows: int,
    canvas_wh: tuple[int, int],
    brands: tuple[bytes, ...] = HEIC,
    hidden: bool = True,
    numbers: list[int] | None = None,
) -> bytes:
    """A picture made of tiles."""
    data = struct.pack(">4BHH", 0, 0, rows - 1, columns - 1, *canvas_wh)
    head = Item(b"grid", (Property(b"ispe", ispe(*canvas_wh)),), data)
    items = {1: head} | {index: replace(tile, hidden=hidden) for index, tile in enumerate(tiles, 2)}
    references = (Reference(b"dimg", 1, tuple(numbers or range(2, 2 + len(tiles)))),)
    return isobmff.write(Container(1, items, references), brands)


def save(image: Image.Image, format_name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format_name, **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunks(data: bytes, start: int = 12) -> list[tuple[bytes, bytes]]:
    """Chunks of a WebP, or of a frame in it."""
    found = []
    while start + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, start)
        found.append((kind, data[start + 8 : start + 8 + length]))
        start += 8 + length + length % 2
    return found


def untouched(picture: Picture) -> Written:
    """The output without a cover."""
    return picture.write([()] * len(picture.frames))


def re_encoded(picture: Picture) -> Written:
    """The output with covers: patches that cover no pixel, so that all pixels can be compared."""
    nowhere = Patch(slice(0, 1), slice(0, 1), np.zeros((1, 1, 1), np.uint8), np.zeros((1, 1), bool))
    return picture.write([(nowhere,)] * len(picture.frames))
