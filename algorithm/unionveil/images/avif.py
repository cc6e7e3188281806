"""AVIF, read through libavif (Pillow; OpenCV for more than 8 bits) and written through them.

An image whose every byte is accounted for (`rebuild.py`, `tails.py`) keeps its coded data in a new container;
any other is re-encoded at its own depth and with its own colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import ImageFormat
from . import av1, isobmff
from .coded import NotAccounted
from .lossy import faithful, lossy_writer
from .orientation import read_orientation, upright
from .picture import Colour, Frame, Picture, Pixels, Rendering, swap_red_blue
from .pillow import check_size, opened, read_frames, save_frames, to_image
from .rebuild import Rebuilt, check_sizes, rebuild
from .sequence import settle
from .still import Layer, read_still, write_still
from .tails import check_tails, end_exactly

__all__ = ["decode_in_8_bits", "read"]

_SETTINGS: tuple[tuple[int, int | None], ...] = ((90, None), (95, None), (99, None), (100, 444))
"""Quality and chroma sampling of outputs; the next is used if an output does not match its image
(`lossy.py`). None keeps the sampling."""

_SRGB, _UNSPECIFIED = (1, 13, 6, True), (2, 2)


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes an AVIF, all frames of an animation; see `images.decode`."""
    rebuilt = rebuild(data)
    depth = rebuilt.depth or 8
    # Rebuilt or not: the detector must see the data that would be written.
    frames = _decode(rebuilt.source, max_pixels, depth, rebuilt.crop_xywh)
    check_sizes(rebuilt, max_pixels)
    accounted = _check_ends(rebuilt, lambda file: _decode(file, max_pixels, depth)[0].pixels)
    encode = partial(_encode, rebuilt=rebuilt, max_pixels=max_pixels)
    return Picture(
        ImageFormat.AVIF,
        frames,
        lossy_writer(frames, encode, lambda: rebuilt.source if accounted else None),
        Rendering(rebuilt.icc, rebuilt.cicp),
    )


def decode_in_8_bits(data: bytes) -> tuple[Frame, ...]:
    """All frames of an output, upright, decoded by dav1d."""
    return _decode(data, math.inf, 8)


def _check_ends(rebuilt: Rebuilt, decode: Callable[[bytes], Pixels]) -> bool:
    """Whether every byte is accounted for, including the entropy-coded data.

    Raises:
        UnreadableImage: the coded data end too early, or continue after their image.
    """
    try:
        exact = end_exactly(rebuilt.items, _decodes)
        if exact is not True:
            check_tails(rebuilt.items, decode)
    except NotAccounted:  # in layers
        return False
    return rebuilt.accounted and (exact or (exact is None and not rebuilt.streams))


def _decode(
    data: bytes, max_pixels: float, depth: int, crop_xywh: tuple[int, int, int, int] | None = None
) -> tuple[Frame, ...]:
    with opened(data, "AVIF") as image:
        count = getattr(image, "n_frames", 1)
        check_size(image.size, count, max_pixels)
        orientation = read_orientation(image.info.get("exif", b""))
        deep = depth > 8
        stored = _decode_deep(data, depth, _durations_ms(image, count)) if deep else read_frames(image)
    return tuple(_as_shown(frame, crop_xywh, orientation) for frame in stored)


def _as_shown(frame: Frame, crop_xywh: tuple[int, int, int, int] | None, orientation: int) -> Frame:
    pixels = frame.pixels
    if crop_xywh is not None:
        x, y, width, height = crop_xywh
        pixels = pixels[y : y + height, x : x + width].copy()
    return replace(frame, pixels=upright(pixels, orientation))


def _durations_ms(image: Image.Image, count: int) -> list[float]:
    durations = [0.0] * count
    for index in range(count if count > 1 else 0):
        image.seek(index)
        image.load()
        durations[index] = float(image.info["duration"])
    return durations


def _decodes(data: bytes) -> bool:
    """Whether OpenCV's decoder, which is libaom, accepts a file."""
    return _imdecode(data) is not None


def _imdecode(data: bytes) -> Any:
    """`(H, W)` or `(H, W, C)`, BGR order, or None; prints nothing to standard error."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def _decode_deep(data: bytes, depth: int, durations_ms: Sequence[float]) -> tuple[Frame, ...]:
    """Frames of more than 8 bits; their samples are scaled to 16 bits."""
    if not cv2.haveImageWriter(".avif"):
        raise UnsupportedImage("an AVIF of more than 8 bits needs an OpenCV that was built with libavif")
    if len(durations_ms) == 1:
        stored: Sequence[Any] = [_imdecode(data)]
    else:
        _, stored = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if len(stored) != len(durations_ms) or any(each is None or each.dtype != np.uint16 for each in stored):
        raise UnreadableImage("the AVIF is damaged: its pixels cannot be decoded")
    return tuple(_deep_frame(*each, depth) for each in zip(stored, durations_ms, strict=True))


def _deep_frame(stored: Any, duration_ms: float, depth: int) -> Frame:
    pixels = swap_red_blue(stored.reshape(*stored.shape[:2], -1))
    pixels = np.bitwise_or(pixels << (16 - depth), pixels >> (2 * depth - 16), dtype=np.uint16)
    colour = {1: Colour.GREY, 3: Colour.RGB, 4: Colour.RGBA}[pixels.shape[2]]
    return Frame(pixels, colour, duration_ms)


def _encode(frames: tuple[Frame, ...], rebuilt: Rebuilt, max_pixels: float) -> bytes:
    """Encodes an AVIF at the input's depth of 8, 10 or 12 bits."""
    depth = (rebuilt.depth or 10) if frames[0].pixels.dtype == np.uint16 else 8

    def encode(setting: tuple[int, int | None]) -> bytes:
        quality, chroma = setting
        if depth > 8:
            data = _encode_deep(frames, quality, depth)
        else:
            data = _encode_shallow(frames, quality, chroma or rebuilt.chroma or 420, rebuilt.icc)
        return _retagged(data, rebuilt) if len(frames) == 1 else settle(data, *_named(rebuilt))

    return faithful(frames, encode, lambda data: _decode(data, max_pixels, depth), _SETTINGS)


def _encode_shallow(frames: Sequence[Frame], quality: int, chroma: int, icc: bytes | None) -> bytes:
    return save_frames(
        [to_image(frame) for frame in frames],
        [round(frame.duration_ms) for frame in frames],
        "AVIF",
        quality=quality,
        subsampling={400: "4:0:0", 420: "4:2:0", 422: "4:2:2", 444: "4:4:4"}[chroma],
        autotiling=False,  # a single stream can be accounted for when the output is read back
        icc_profile=icc,
    )


def _encode_deep(frames: Sequence[Frame], quality: int, depth: int) -> bytes:
    stored = [
        swap_red_blue(np.right_shift(frame.pixels, 16 - depth, dtype=np.uint16)).squeeze() for frame in frames
    ]
    options = [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_SPEED, 6]
    if len(frames) == 1:
        done, data = cv2.imencode(".avif", stored[0], options)
    else:
        animation = cv2.Animation()
        animation.frames = stored
        animation.durations = [round(frame.duration_ms) for frame in frames]
        done, data = cv2.imencodeanimation(".avif", animation, options)
    if not done:
        raise UnreadableImage("the AVIF could not be re-encoded")
    return data.tobytes()


def _named(rebuilt: Rebuilt) -> tuple[int, int]:
    """Colour primaries and transfer characteristics of an output."""
    if rebuilt.cicp is not None:
        return rebuilt.cicp[:2]
    return (_SRGB if rebuilt.icc is None else _UNSPECIFIED)[:2]


def _retagged(data: bytes, rebuilt: Rebuilt) -> bytes:
    """An encoder's file with the colours of the input, in a container that holds nothing else."""
    still = read_still(isobmff.read(data), own=True)
    _, _, matrix, full = still.cicp or still.colours.tiles[0].cicp or _SRGB
    primaries, transfer = _named(rebuilt)
    return write_still(
        replace(
            still,
            colours=Layer(tuple(av1.recolour(tile, primaries, transfer) for tile in still.colours.tiles)),
            cicp=(primaries, transfer, matrix, full),
            icc=rebuilt.icc,
            light_level=rebuilt.light_level,
        )
    )
