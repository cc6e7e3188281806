"""HEIC through libheif, AVIF through libavif; a file without a face is rebuilt without decoding it."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import numpy as np
import pillow_heif

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import ImageFormat
from .isobmff import NotUnderstood, rebuild
from .orientation import read_orientation
from .picture import Colour, Frame, Picture, Rendering, writer
from .pillow import check_size, opened, read_frames, save_frames, to_image

__all__ = ["read_avif", "read_heic"]

_QUALITY = 90
"""Quality of lossy outputs for both encoders: a file does not say which it was written with."""


def _clean(data: bytes) -> bytes | None:
    try:
        return rebuild(data)
    except NotUnderstood:
        return None


def read_heic(data: bytes, max_pixels: float) -> Picture:
    """Decodes the primary picture of a HEIC; see `images.decode`."""
    clean = _clean(data)
    # Rebuilt or not, what the detector sees is what would be written.
    heif = pillow_heif.open_heif(io.BytesIO(clean or data), convert_hdr_to_8bit=False)
    image = heif[heif.primary_index]
    check_size(image.size, 1, max_pixels)
    mode, _, deep = image.mode.partition(";")
    if mode not in {colour.value for colour in Colour}:
        raise UnsupportedImage(f"a HEIC with pixels of the kind {image.mode} is not handled")
    pixels = np.array(np.asarray(image))
    if pixels.dtype != (np.uint16 if deep else np.uint8):
        raise UnreadableImage("the HEIC is damaged: its pixels cannot be decoded")
    frame = Frame(pixels.reshape(*pixels.shape[:2], -1), Colour(mode))
    icc: Any = image.info.get("icc_profile")
    return Picture(
        ImageFormat.HEIC, (frame,), writer((frame,), partial(_encode_heic, icc=icc), clean), Rendering(icc)
    )


def _encode_heic(frames: tuple[Frame, ...], icc: bytes | None) -> bytes:
    """Encodes a HEIC; more than 8 bits become 10."""
    (frame,) = frames
    mode = frame.colour.value + (";16" if frame.pixels.dtype == np.uint16 else "")
    out = io.BytesIO()
    options: dict[str, Any] = {"icc_profile": icc} if icc else {}
    pillow_heif.encode(mode, frame.size_wh, frame.pixels.tobytes(), out, quality=_QUALITY, **options)
    return out.getvalue()


def read_avif(data: bytes, max_pixels: float) -> Picture:
    """Decodes an AVIF, all frames of an animation; see `images.decode`."""
    clean = _clean(data)
    with opened(clean or data, "AVIF") as image:
        check_size(image.size, getattr(image, "n_frames", 1), max_pixels)
        icc = image.info.get("icc_profile")
        frames = read_frames(image, orientation=read_orientation(image.info.get("exif", b"")))
    return Picture(
        ImageFormat.AVIF, frames, writer(frames, partial(_encode_avif, icc=icc), clean), Rendering(icc)
    )


def _encode_avif(frames: tuple[Frame, ...], icc: bytes | None) -> bytes:
    """Encodes an AVIF of 8 bits."""
    return save_frames(
        [to_image(frame) for frame in frames],
        [round(frame.duration_ms) for frame in frames],
        "AVIF",
        quality=_QUALITY,
        icc_profile=icc,
    )
