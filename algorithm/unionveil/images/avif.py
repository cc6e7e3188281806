"""AVIF, read through libavif (Pillow; OpenCV for more than 8 bits) and written through them.

A picture of which every byte is accounted for (`rebuild.py`, `tails.py`) keeps its coded data in a new
container; any other is encoded anew, in its depth and with its colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np

from ..errors import UnreadableImage
from ..formats import ImageFormat
from . import isobmff
from .lossy import faithful, lossy_writer
from .orientation import read_orientation, upright
from .picture import Colour, Frame, Picture, Rendering, swap_red_blue
from .pillow import check_size, opened, read_frames, save_frames, to_image
from .rebuild import Rebuilt, check_sizes, rebuild
from .still import read_still, write_still
from .tails import check_tails, end_exactly

__all__ = ["read"]

_SETTINGS: tuple[tuple[int, int | None], ...] = ((90, None), (95, None), (99, None), (100, 444))
"""Quality and chroma sampling of outputs, the next where one does not look like its picture (`lossy.py`);
None keeps the sampling."""

_BT601, _SRGB = 6, (1, 13, 6, True)


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes an AVIF, all frames of an animation; see `images.decode`."""
    rebuilt = rebuild(data)
    # Rebuilt or not, what the detector sees is what would be written.
    frames = _decode(rebuilt.source, max_pixels, rebuilt.depth or 8)
    check_sizes(rebuilt, max_pixels)
    exact = end_exactly(rebuilt.items, _decodes)
    if exact is not True:
        check_tails(rebuilt.items, lambda file: _decode(file, max_pixels, rebuilt.depth or 8)[0].pixels)
    accounted = rebuilt.accounted and (exact or (exact is None and not rebuilt.streams))
    encode = partial(_encode, rebuilt=rebuilt, max_pixels=max_pixels)
    return Picture(
        ImageFormat.AVIF,
        frames,
        lossy_writer(frames, encode, lambda: rebuilt.source if accounted else None),
        Rendering(rebuilt.icc, rebuilt.cicp),
    )


def _decode(data: bytes, max_pixels: float, depth: int) -> tuple[Frame, ...]:
    with opened(data, "AVIF") as image:
        count = getattr(image, "n_frames", 1)
        check_size(image.size, count, max_pixels)
        orientation = read_orientation(image.info.get("exif", b""))
        if depth > 8 and count == 1:
            return (_decode_deep(data, depth, orientation),)
        return read_frames(image, orientation=orientation)


def _decodes(data: bytes) -> bool:
    """Whether OpenCV's decoder, which is libaom, takes a file."""
    return _imdecode(data) is not None


def _imdecode(data: bytes) -> Any:
    """`(H, W)` or `(H, W, C)`, blue first, or None; without a word on standard error."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def _decode_deep(data: bytes, depth: int, orientation: int) -> Frame:
    """A still of more than 8 bits; its samples are spread over 16."""
    pixels = _imdecode(data)
    if pixels is None or pixels.dtype != np.uint16:
        raise UnreadableImage("the AVIF is damaged: its pixels cannot be decoded")
    pixels = swap_red_blue(pixels.reshape(*pixels.shape[:2], -1))
    pixels = np.bitwise_or(pixels << (16 - depth), pixels >> (2 * depth - 16), dtype=np.uint16)
    colour = {1: Colour.GREY, 3: Colour.RGB, 4: Colour.RGBA}[pixels.shape[2]]
    return Frame(upright(pixels, orientation), colour)


def _encode(frames: tuple[Frame, ...], rebuilt: Rebuilt, max_pixels: float) -> bytes:
    """Encodes an AVIF of 8, 10 or 12 bits, as the input."""
    depth = (rebuilt.depth or 10) if frames[0].pixels.dtype == np.uint16 else 8

    def encode(setting: tuple[int, int | None]) -> bytes:
        quality, chroma = setting
        if depth > 8:
            return _retagged(_encode_deep(frames[0], quality, depth), rebuilt)
        data = _encode_shallow(frames, quality, chroma or rebuilt.chroma or 420, rebuilt.icc)
        return _retagged(data, rebuilt) if len(frames) == 1 else data

    return faithful(frames, encode, lambda data: _decode(data, max_pixels, depth), _SETTINGS)


def _encode_shallow(frames: Sequence[Frame], quality: int, chroma: int, icc: bytes | None) -> bytes:
    return save_frames(
        [to_image(frame) for frame in frames],
        [round(frame.duration_ms) for frame in frames],
        "AVIF",
        quality=quality,
        subsampling={400: "4:0:0", 420: "4:2:0", 422: "4:2:2", 444: "4:4:4"}[chroma],
        autotiling=False,  # one stream can be accounted for when the output is read again
        icc_profile=icc,
    )


def _encode_deep(frame: Frame, quality: int, depth: int) -> bytes:
    pixels = swap_red_blue(np.right_shift(frame.pixels, 16 - depth, dtype=np.uint16))
    options = [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_SPEED, 6]
    done, data = cv2.imencode(".avif", pixels, options)
    if not done:
        raise UnreadableImage("the AVIF could not be encoded anew")
    return data.tobytes()


def _retagged(data: bytes, rebuilt: Rebuilt) -> bytes:
    """An encoder's file with the colours of the input, in a container without anything else."""
    still = read_still(isobmff.read(data), own=True)
    primaries, transfer, _, _ = rebuilt.cicp or (_SRGB if rebuilt.icc is None else (2, 2, _BT601, True))
    _, _, matrix, full = still.cicp or still.colours.tiles[0].cicp or _SRGB
    colours = primaries, transfer, matrix, full
    return write_still(replace(still, cicp=colours, icc=rebuilt.icc, light_level=rebuilt.light_level))
