"""WebP, still and animated.

Lossless pictures are re-encoded. A lossy one keeps its coded data, cut to what its decoder needs, in a new
container. Container: RFC 9649, section 2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import ImageFormat
from . import vp8
from .icc import clean_profile
from .lossy import faithful, lossy_writer
from .orientation import read_orientation
from .picture import Frame, Picture, Pixels, Rendering
from .pillow import check_size, opened, read_frames, save_frames, to_image

__all__ = ["MOST_SIDE", "encode", "read", "with_exif"]

_ICC_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _ANIMATION_FLAG = 0x20, 0x10, 0x08, 0x02
_KEEP_CANVAS, _OVERWRITE = 0x00, 0x02
"""Disposal and blending of frames: neither."""

MOST_SIDE = 16383
"""Largest side of a coded picture in pixels. The canvas of an animation may be larger."""

_SETTINGS = (90, 95, 98, 100, None)
"""Quality of lossy outputs; the next is used if an output does not match its picture (`lossy.py`). None is
lossless."""


@dataclass(frozen=True)
class _Coded:
    """One coded picture: the body of its `VP8 ` or `VP8L` chunk, and that of its `ALPH` chunk."""

    data: bytes
    lossless: bool
    alpha: bytes | None = None


@dataclass(frozen=True)
class _Placed:
    """A frame of an animation: its position, duration, blending and disposal."""

    x: int
    y: int
    size_wh: tuple[int, int]
    duration_ms: int
    flags: int
    coded: _Coded


@dataclass(frozen=True)
class _File:
    """The content of a WebP: one still picture, or the frames of an animation."""

    frames: tuple[_Placed, ...]
    canvas_wh: tuple[int, int]
    animated: bool = False
    loop: int = 0
    icc: bytes | None = None
    has_alpha: bool = False


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes a WebP; see `images.decode`."""
    try:
        file, orientation = _read_file(data)
    except struct.error as error:
        raise UnreadableImage("the WebP is damaged: one of its parts is too short") from error
    if max(file.canvas_wh) > MOST_SIDE:
        raise UnsupportedImage(f"an animated WebP of more than {MOST_SIDE} pixels a side is not handled")
    frames = _decode(_write_file(file), max_pixels, orientation)
    lossless = all(frame.coded.lossless for frame in file.frames)
    encode = partial(_encode, file=file, lossless=lossless, max_pixels=max_pixels)
    keep = (
        partial(_shortened, file, frames, max_pixels) if orientation == 1 and not lossless else lambda: None
    )
    return Picture(ImageFormat.WEBP, frames, lossy_writer(frames, encode, keep), Rendering(file.icc))


def _decode(data: bytes, max_pixels: float, orientation: int = 1) -> tuple[Frame, ...]:
    with opened(data, "WEBP") as image:
        check_size(image.size, getattr(image, "n_frames", 1), max_pixels)
        return read_frames(image, orientation=orientation)


def _read_file(data: bytes) -> tuple[_File, int]:
    """Parses a file; also returns the orientation. The first counts if a unique part is repeated."""
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise UnreadableImage("the WebP is cut off")
    chunks = list(_chunks(data[12 : size + 8]))
    parts = dict(reversed(chunks))
    orientation = read_orientation(parts.get(b"EXIF", b""))
    icc = clean_profile(parts[b"ICCP"], 3) if b"ICCP" in parts else None
    extended = parts.get(b"VP8X")
    flags = extended[0] if extended else 0
    has_alpha = bool(flags & _ALPHA_FLAG)
    if flags & _ANIMATION_FLAG and extended:
        canvas_wh = _u24(extended, 4) + 1, _u24(extended, 7) + 1
        placed = tuple(_read_placed(body) for kind, body in chunks if kind == b"ANMF")
        (loop,) = struct.unpack_from("<4xH", parts.get(b"ANIM", bytes(6)))
        if placed:
            return _File(placed, canvas_wh, True, loop, icc, has_alpha), orientation
    coded = _read_coded(chunks)
    size_wh = _size(coded)
    if extended and size_wh != (_u24(extended, 4) + 1, _u24(extended, 7) + 1):
        raise UnreadableImage("the WebP is damaged: it names two sizes")
    still = _Placed(0, 0, size_wh, 0, 0, coded)
    return _File((still,), size_wh, icc=icc, has_alpha=has_alpha and coded.lossless), orientation


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        if position + 8 + length > len(data):
            raise UnreadableImage("the WebP is cut off inside a chunk")
        yield data[position : position + 4], data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _u24(data: bytes, offset: int) -> int:
    if offset + 3 > len(data):
        raise UnreadableImage("the WebP is damaged: one of its parts is too short")
    return int.from_bytes(data[offset : offset + 3], "little")


def _read_placed(body: bytes) -> _Placed:
    x, y, width, height, duration = (_u24(body, offset) for offset in range(0, 15, 3))
    if len(body) < 16:
        raise UnreadableImage("the WebP is damaged: a frame is too short")
    coded = _read_coded(list(_chunks(body[16:])))
    return _Placed(2 * x, 2 * y, (width + 1, height + 1), duration, body[15] & 3, coded)


def _read_coded(chunks: Sequence[tuple[bytes, bytes]]) -> _Coded:
    """The first picture among chunks, with the alpha plane before it, if any."""
    alpha = None
    for kind, body in chunks:
        if kind == b"ALPH" and alpha is None:
            alpha = body
        elif kind in (b"VP8 ", b"VP8L"):
            lossless = kind == b"VP8L"
            return _Coded(body, lossless, None if lossless else alpha)
    raise UnreadableImage("the WebP holds no picture")


def _size(coded: _Coded) -> tuple[int, int]:
    """Width and height in the coded data (RFC 6386, 9.1; RFC 9649, 3.4)."""
    if not coded.lossless:
        width, height = struct.unpack_from("<6xHH", coded.data)
        return width & 0x3FFF, height & 0x3FFF
    (bits,) = struct.unpack_from("<xI", coded.data)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _write_file(file: _File) -> bytes:
    if file.animated:
        body = _chunk(b"ANIM", struct.pack("<IH", 0, file.loop)) + b"".join(map(_write_placed, file.frames))
    else:
        body = _write_coded(file.frames[0].coded)
    alpha = file.has_alpha or any(frame.coded.alpha is not None for frame in file.frames)
    flags = alpha * _ALPHA_FLAG | bool(file.icc) * _ICC_FLAG | file.animated * _ANIMATION_FLAG
    if flags and not (flags == _ALPHA_FLAG and file.frames[0].coded.lossless):
        head = bytes([flags, 0, 0, 0]) + b"".join((side - 1).to_bytes(3, "little") for side in file.canvas_wh)
        body = _chunk(b"VP8X", head) + (_chunk(b"ICCP", file.icc) if file.icc else b"") + body
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _write_placed(frame: _Placed) -> bytes:
    numbers = frame.x // 2, frame.y // 2, frame.size_wh[0] - 1, frame.size_wh[1] - 1, frame.duration_ms
    head = b"".join(number.to_bytes(3, "little") for number in numbers) + bytes([frame.flags])
    return _chunk(b"ANMF", head + _write_coded(frame.coded))


def _write_coded(coded: _Coded) -> bytes:
    alpha = b"" if coded.alpha is None else _chunk(b"ALPH", coded.alpha)
    return alpha + _chunk(b"VP8L" if coded.lossless else b"VP8 ", coded.data)


def with_exif(data: bytes, block: bytes) -> bytes:
    """A file of ours with a block of EXIF behind its picture.

    Args:
        data: a whole file without metadata.
        block: EXIF without a prefix.
    """
    chunks = list(_chunks(data[12:]))
    if chunks[0][0] == b"VP8X":
        _, head = chunks.pop(0)
    else:
        coded = _read_coded(chunks)
        # Alpha is the bit behind the two sizes (RFC 9649, 3.4).
        has_alpha = coded.lossless and bool(coded.data[4] & 0x10)
        sides = b"".join((side - 1).to_bytes(3, "little") for side in _size(coded))
        head = bytes([has_alpha * _ALPHA_FLAG, 0, 0, 0]) + sides
    head = bytes([head[0] | _EXIF_FLAG]) + head[1:]
    body = b"".join(_chunk(*each) for each in ((b"VP8X", head), *chunks, (b"EXIF", block)))
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)


def _shortened(file: _File, frames: Sequence[Frame], max_pixels: float) -> bytes | None:
    """A file with lossy coded data cut to what their decoder needs, or None if some cannot be kept.

    Frames of animations must be opaque: the detector did not see the pixels below their alpha.
    """
    coded = [frame.coded for frame in file.frames]
    if any(each.lossless or (file.animated and each.alpha is not None) for each in coded):
        return None
    alpha = None if coded[0].alpha is None else _coded_alpha(frames[0])
    try:
        kept = [replace(each, data=_shortest(each.data, max_pixels), alpha=alpha) for each in coded]
    except ValueError:
        return None
    placed = [replace(frame, coded=each) for frame, each in zip(file.frames, kept, strict=True)]
    clean = _write_file(replace(file, frames=tuple(placed)))
    again = _decode(clean, max_pixels)
    same = len(again) == len(frames) and all(
        np.array_equal(one.pixels, other.pixels) for one, other in zip(again, frames, strict=True)
    )
    return clean if same else None


def _shortest(data: bytes, max_pixels: float) -> bytes:
    """The body of a `VP8 ` chunk, cut; raises `ValueError` if it cannot be parsed."""
    whole = vp8.read(data)
    pixels = _decode_alone(whole, max_pixels)

    def same(frame: vp8.KeyFrame) -> bool:
        try:
            return np.array_equal(_decode_alone(frame, max_pixels), pixels)
        except Exception:  # the decoder's own errors: the data end too early
            return False

    return vp8.write(vp8.shortest(whole, same))


def _decode_alone(frame: vp8.KeyFrame, max_pixels: float) -> Pixels:
    placed = _Placed(0, 0, frame.size_wh, 0, 0, _Coded(vp8.write(frame), False))
    return _decode(_write_file(_File((placed,), frame.size_wh)), max_pixels)[0].pixels


def _coded_alpha(frame: Frame) -> bytes | None:
    """The body of an `ALPH` chunk with the alpha of a frame, lossless; None for an opaque one."""
    pixels = np.zeros((*frame.pixels.shape[:2], 4), np.uint8)
    pixels[..., 3] = frame.pixels[..., -1]
    data = save_frames([Image.fromarray(pixels)], [0], "WEBP", quality=0, method=0)
    return _read_file(data)[0].frames[0].coded.alpha


def encode(frame: Frame, quality: int, rendering: Rendering) -> bytes:
    """Encodes an 8-bit frame as lossy WebP.

    Args:
        frame: in grey or RGB, with or without alpha; no side is longer than `MOST_SIDE`.
        quality: of libwebp, 1 to 100.
        rendering: its profile is written, if it fits RGB.
    """
    icc = clean_profile(rendering.icc, 3) if rendering.icc else None
    placed = _Placed(0, 0, frame.size_wh, 0, 0, _encode_part(frame, quality))
    return _write_file(_File((placed,), frame.size_wh, icc=icc))


def _encode(frames: tuple[Frame, ...], file: _File, lossless: bool, max_pixels: float) -> bytes:
    """Encodes a WebP of 8 bits."""
    settings = (None,) if lossless else _SETTINGS

    def encode(quality: int | None) -> bytes:
        return _encode_once(frames, file, quality)

    return faithful(frames, encode, lambda data: _decode(data, max_pixels), settings)


def _encode_once(frames: tuple[Frame, ...], file: _File, quality: int | None) -> bytes:
    """Encodes each frame where it differs from the one before; lossless if `quality` is None."""
    placed = []
    previous = None
    for frame in frames:
        x, y, width, height = _changed(previous, frame.pixels)
        part = Frame(frame.pixels[y : y + height, x : x + width], frame.colour)
        coded = _encode_part(part, quality)
        flags = _KEEP_CANVAS | _OVERWRITE
        placed.append(_Placed(x, y, (width, height), round(frame.duration_ms), flags, coded))
        previous = frame.pixels
    has_alpha = any(frame.colour.has_alpha for frame in frames)
    animated = len(frames) > 1
    return _write_file(
        replace(
            file,
            frames=tuple(placed),
            canvas_wh=frames[0].size_wh,
            animated=animated,
            has_alpha=has_alpha,
        )
    )


def _changed(before: Pixels | None, after: Pixels) -> tuple[int, int, int, int]:
    """Left, top, width and height of the area that differs; left and top are even, as WebP requires."""
    if before is None:
        return 0, 0, after.shape[1], after.shape[0]
    differs = np.any(before != after, axis=2)
    columns, rows = np.flatnonzero(differs.any(axis=0)), np.flatnonzero(differs.any(axis=1))
    if not len(columns):
        return 0, 0, 1, 1
    x, y = int(columns[0]) & ~1, int(rows[0]) & ~1
    return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y


def _encode_part(frame: Frame, quality: int | None) -> _Coded:
    options = {"lossless": True} if quality is None else {"quality": quality}
    # Colours under transparent pixels are kept.
    data = save_frames([to_image(frame)], [0], "WEBP", exact=True, **options)
    return _read_file(data)[0].frames[0].coded
