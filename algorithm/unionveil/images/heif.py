"""HEIC, read and written through libheif.

An image whose every byte is accounted for (`rebuild.py`, `tails.py`) keeps its coded data in a new container;
any other is re-encoded at its own depth and with its own colours.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import ImageFormat
from . import isobmff
from .coded import Cicp, NotAccounted
from .icc import clean_profile
from .lossy import faithful, lossy_writer
from .picture import Colour, Frame, Picture, Pixels, Rendering
from .pillow import check_size
from .rebuild import Rebuilt, check_sizes, rebuild
from .still import read_still, write_still
from .tails import check_tails

__all__ = ["read"]

_SETTINGS: tuple[tuple[int, int | None], ...] = ((60, None), (75, None), (90, None), (100, 444))
"""Quality and chroma sampling of outputs; the next is used if an output does not match its image
(`lossy.py`). None keeps the sampling."""

_ENCODER = {
    "preset": "medium",  # half the time of libheif's default, for 2 % more bytes
    "x265:pools": "none",
    "x265:wpp": "0",
    "x265:frame-threads": "1",
    "x265:info": "0",
}
"""One thread and one stream per image: workers already share the cores, x265 waits forever for a thread that
it cannot start, and a single stream can be accounted for when the output is read back."""

_MODES = {
    "L": Colour.GREY,
    "I": Colour.GREY,
    "LA": Colour.GREY_ALPHA,
    "RGB": Colour.RGB,
    "RGBA": Colour.RGBA,
    "RGBa": Colour.RGBA,
}
"""pillow-heif's names, without the depth."""

_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
"""The matrix coefficients (ITU-T H.273) that libheif can encode: plain luma and colour differences."""

_BT601, _SRGB = 6, (1, 13, 6, True)


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes the primary picture of a HEIC; see `images.decode`."""
    rebuilt = rebuild(data)
    # Rebuilt or not: the detector must see the data that would be written.
    frame, cicp, icc = _decode(rebuilt.source, max_pixels)
    if not rebuilt.items:  # the container was not understood
        rebuilt = replace(rebuilt, icc=clean_profile(icc, frame.colour.channels - frame.colour.has_alpha))
    check_sizes(rebuilt, max_pixels)
    accounted = _check_ends(rebuilt, frame, lambda file: _decode(file, max_pixels)[0].pixels)
    cicp = rebuilt.cicp or cicp
    encode = partial(_encode, rebuilt=rebuilt, cicp=cicp, max_pixels=max_pixels)
    return Picture(
        ImageFormat.HEIC,
        (frame,),
        lossy_writer((frame,), encode, lambda: rebuilt.source if accounted else None),
        Rendering(rebuilt.icc, cicp),
    )


def _check_ends(rebuilt: Rebuilt, frame: Frame, decode: Callable[[bytes], Pixels]) -> bool:
    """Whether every byte is accounted for, including the entropy-coded data.

    Raises:
        UnreadableImage: the coded data end too early, or continue after their image.
    """
    try:
        check_tails(rebuilt.items, decode, frame.pixels if rebuilt.plain else None)
    except NotAccounted:
        return False
    return rebuilt.accounted and not rebuilt.streams


def _decode(data: bytes, max_pixels: float) -> tuple[Frame, Cicp | None, bytes]:
    """Pixels, and the colours and the profile that libheif reports."""
    image = _opened(data)
    check_size(image.size, 1, max_pixels)
    mode, _, deep = image.mode.partition(";")
    if mode not in _MODES:
        raise UnsupportedImage(f"a HEIC with pixels of the kind {image.mode} is not handled")
    try:
        pixels = np.array(np.asarray(image))
    except RuntimeError as error:  # libheif has no decoder for it
        raise UnsupportedImage("a HEIC that is not coded as HEVC is not handled; export a JPEG") from error
    if pixels.dtype != (np.uint16 if deep else np.uint8):
        raise UnreadableImage("the HEIC is damaged: its pixels cannot be decoded")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if mode == "RGBa":
        pixels = _divided(pixels)
    named: Any = image.info.get("nclx_profile")
    cicp = named and (
        named["color_primaries"],
        named["transfer_characteristics"],
        named["matrix_coefficients"],
        bool(named["full_range_flag"]),
    )
    return Frame(pixels, _MODES[mode]), cicp, image.info.get("icc_profile") or b""


def _opened(data: bytes) -> Any:
    """The primary image, not decoded yet."""
    import pillow_heif  # loads libheif, which no other format needs

    try:
        heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    except ValueError as error:
        if b"moov" in isobmff.top_level(data):
            raise UnsupportedImage(
                "a HEIC that holds a video alone is not handled; export its frames"
            ) from error
        raise
    return heif[heif.primary_index]


def _divided(pixels: Pixels) -> Pixels:
    """Colours that were premultiplied by alpha, divided by it."""
    alpha = pixels[..., 3:].astype(np.float32)
    white = np.iinfo(pixels.dtype).max
    colours = pixels[..., :3] * np.float32(white) / np.maximum(alpha, 1)
    return np.concatenate([np.minimum(colours + 0.5, white).astype(pixels.dtype), pixels[..., 3:]], axis=2)


def _encode(frames: tuple[Frame, ...], rebuilt: Rebuilt, cicp: Cicp | None, max_pixels: float) -> bytes:
    """Encodes a HEIC at the input's depth of 8, 10 or 12 bits."""
    (frame,) = frames

    def encode(setting: tuple[int, int | None]) -> bytes:
        quality, chroma = setting
        return _encode_once(frame, rebuilt, cicp, quality, chroma or rebuilt.chroma or 420)

    return faithful(frames, encode, lambda data: [_decode(data, max_pixels)[0]], _SETTINGS)


def _encode_once(frame: Frame, rebuilt: Rebuilt, cicp: Cicp | None, quality: int, chroma: int) -> bytes:
    import pillow_heif

    mode = frame.colour.value + (";16" if frame.pixels.dtype == np.uint16 else "")
    primaries, transfer, matrix, _ = cicp or (_SRGB if rebuilt.icc is None else (2, 2, _BT601, True))
    matrix = matrix if matrix in _MATRICES else _BT601
    pillow_heif.options.SAVE_HDR_TO_12_BIT = (rebuilt.depth or 10) > 10
    out = io.BytesIO()
    pillow_heif.encode(
        mode,
        frame.size_wh,
        frame.pixels.tobytes(),
        out,
        quality=quality,
        chroma=str(420 if chroma == 400 else chroma),
        color_primaries=primaries,
        transfer_characteristics=transfer,
        matrix_coefficients=matrix,
        full_range_flag=1,
        enc_params=dict(_ENCODER),
    )
    still = read_still(isobmff.read(out.getvalue()), own=True)
    colours = primaries, transfer, matrix, True
    return write_still(replace(still, cicp=colours, icc=rebuilt.icc, light_level=rebuilt.light_level))
