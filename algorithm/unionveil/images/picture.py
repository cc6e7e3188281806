"""Decoded pictures: pixels in the file's own depth and colours, and what is needed to encode them again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..faces import RgbImage

__all__ = ["Colour", "Frame", "ImageFormat", "Picture", "Pixels"]

Pixels: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""`(H, W, C)` uint8 or uint16, C as the colour model says."""


class ImageFormat(Enum):
    """Formats that are read and written; the value is the extension of an output."""

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"
    TIFF = "tif"
    BMP = "bmp"
    GIF = "gif"
    HEIC = "heic"
    AVIF = "avif"


class Colour(Enum):
    """Meaning of the channels of `Frame.pixels`; the value is Pillow's name."""

    GREY = "L"
    GREY_ALPHA = "LA"
    RGB = "RGB"
    RGBA = "RGBA"
    CMYK = "CMYK"

    @property
    def channels(self) -> int:
        """Number of channels."""
        return {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[self.value]

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self in (Colour.GREY_ALPHA, Colour.RGBA)


@dataclass(frozen=True)
class Frame:
    """One picture, upright.

    Attributes:
        pixels: `(H, W, C)` uint8 or uint16.
        colour: what the channels mean.
        duration_ms: how long an animation shows it; 0 in still pictures.
    """

    pixels: Pixels
    colour: Colour
    duration_ms: float = 0

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] != self.colour.channels or dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"a frame in {self.colour.name} needs (H, W, {self.colour.channels}) uint8 or uint16, "
                f"got {shape} {dtype}"
            )

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def white(self) -> int:
        """Largest value of a channel."""
        return int(np.iinfo(self.pixels.dtype).max)

    def looks(self) -> list[RgbImage]:
        """What a detector must see, as 8-bit RGB.

        One array, or two where an alpha channel hides something: the colours as if all were opaque, because
        a face under transparent pixels is still in the file, and the blend over mid-grey, because a face can
        be drawn by the alpha channel alone.
        """
        pixels = _to_8_bit(self.pixels)
        match self.colour:
            case Colour.RGB:
                return [pixels]
            case Colour.GREY:
                return [cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)]
            case Colour.CMYK:
                # Naive inks to light, enough to see a face: rgb = (1 - cmy) * (1 - k).
                light = 255 - pixels.astype(np.uint16)
                return [(light[..., :3] * light[..., 3:] // 255).astype(np.uint8)]
        alpha = pixels[..., -1:]
        colours = np.ascontiguousarray(np.broadcast_to(pixels[..., :-1], (*pixels.shape[:2], 3)))
        if alpha.min() == 255:
            return [colours]
        share = alpha.astype(np.float32) / 255
        return [colours, (colours * share + 128 * (1 - share)).astype(np.uint8)]


def _to_8_bit(pixels: Pixels) -> npt.NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    # Scanners and sensors often use 10 to 14 of the 16 bits; unscaled, a face there would be black on black.
    brightest = int(pixels.max(initial=1))
    shift = max(0, brightest.bit_length() - 8)
    return (pixels >> shift).astype(np.uint8)


@dataclass(frozen=True)
class Picture:
    """All frames or pages of one file.

    Attributes:
        format: format of the file, and of what will be written.
        frames: at least one.
        icc: colour profile, kept.
        clean: a file that holds exactly these pixels and nothing else, if one could be made without
            encoding them again: the output where nothing is redacted.
        coding: what the format's writer needs to write it as it was (tables, depth, loop count...).
    """

    format: ImageFormat
    frames: tuple[Frame, ...]
    icc: bytes | None = None
    clean: bytes | None = None
    coding: object = None
