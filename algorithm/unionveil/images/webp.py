"""WebP, still and animated: chunks kept by allow-list.

Container: RFC 9649, section 2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial

from ..errors import UnreadableImage
from ..formats import ImageFormat
from .orientation import read_orientation
from .picture import Frame, Picture, Rendering, writer
from .pillow import check_size, opened, read_frames, save_frames, to_image

__all__ = ["read"]

_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ICCP"})
_ICC_FLAG, _ALPHA_FLAG, _ANIMATION_FLAG = 0x20, 0x10, 0x02

_QUALITY = 90
"""libwebp's quality for lossy outputs: a file does not say which it was written with."""


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a WebP; see `images.decode`."""
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise UnreadableImage("the WebP is cut off")
    kept = []
    kinds: set[bytes] = set()
    frames = 0
    orientation = 1
    for kind, body in _chunks(data[12 : size + 8]):
        if kind == b"VP8X" and len(body) >= 10:
            flags = body[0] & (_ICC_FLAG | _ALPHA_FLAG | _ANIMATION_FLAG)
            kept.append(_chunk(kind, bytes([flags, 0, 0, 0]) + body[4:10]))
        elif kind == b"ANMF" and len(body) >= 16:
            inner = [(name, part) for name, part in _chunks(body[16:]) if name in _PIXELS]
            kinds.update(name for name, _ in inner)
            frames += 1
            kept.append(_chunk(kind, body[:16] + b"".join(_chunk(name, part) for name, part in inner)))
        elif kind in _PIXELS:
            kinds.add(kind)
            kept.append(_chunk(kind, body))
        elif kind == b"EXIF":
            orientation = read_orientation(body)
    inside = b"WEBP" + b"".join(kept)
    clean = b"RIFF" + struct.pack("<I", len(inside)) + inside
    with opened(clean, "WEBP") as image:
        check_size(image.size, max(frames, 1), max_pixels)
        decoded = read_frames(image, orientation=orientation)
        loop, icc = int(image.info.get("loop", 0)), image.info.get("icc_profile")
    encode = partial(_encode, lossless=b"VP8 " not in kinds, loop=loop, icc=icc)
    return Picture(
        ImageFormat.WEBP,
        decoded,
        writer(decoded, encode, clean if orientation == 1 else None),
        Rendering(icc),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        if position + 8 + length > len(data):
            raise UnreadableImage("the WebP is cut off inside a chunk")
        yield data[position : position + 4], data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def _encode(frames: tuple[Frame, ...], *, lossless: bool, loop: int, icc: bytes | None) -> bytes:
    """Encodes a WebP.

    Args:
        frames: of 8 bits.
        lossless: whether every frame of the input was.
        loop: repetitions of an animation, 0 for ever.
        icc: colour profile.
    """
    return save_frames(
        [to_image(frame) for frame in frames],
        [round(frame.duration_ms) for frame in frames],
        "WEBP",
        lossless=lossless,
        quality=_QUALITY,
        exact=True,  # colours under transparent pixels stay as they are
        icc_profile=icc or b"",
        loop=loop,
    )
