"""A decoded picture as one that will be written in another format or at another quality.

Samples stay as they are where the output can say what they mean: with a profile, and in PNG always. Otherwise
they are turned into sRGB. JPEG shows transparent pixels over white.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedImage
from ..formats import ImageFormat
from ..outputs import OutputOptions
from .colour import light_transforms, row_bands
from .picture import Colour, Frame, Picture, Rendering, writer

__all__ = ["DEFAULT_QUALITY", "converted"]

DEFAULT_QUALITY = 90


def converted(picture: Picture, options: OutputOptions) -> Picture:
    """A picture whose writer follows the options; the same picture where they ask for nothing.

    Args:
        picture: as decoded.
        options: format and quality of the output.

    Returns:
        A picture of the same size, to be covered, written and checked as any other.

    Raises:
        UnsupportedImage: it has several frames, is in inks, or is too long for the format.
    """
    if not options.converts(picture.format):
        return picture
    target = options.format_of(picture.format)
    if len(picture.frames) > 1:
        raise UnsupportedImage(
            f"an animation or a file of several pages cannot become one {target.name}; leave out "
            "output_format and quality for it"
        )
    (frame,) = picture.frames
    if frame.colour is Colour.CMYK:
        raise UnsupportedImage("a picture in inks (CMYK) is not converted; export it in RGB")
    rendering = frame.rendering or picture.rendering
    if target is ImageFormat.PNG:
        rendering = replace(rendering, cicp=rendering.cicp and (*rendering.cicp[:2], 0, True))
        # A frame that was decoded smaller for the detector is whole here.
        frame = Frame(frame.pixels, frame.colour)
    else:
        frame, rendering = _in_8_bits(frame, rendering, keeps_alpha=target is ImageFormat.WEBP)
    encode = _encoder(target, frame.size_wh, options.quality or DEFAULT_QUALITY, rendering)
    return Picture(target, (frame,), writer((frame,), lambda frames: encode(frames[0])), rendering)


def _encoder(
    target: ImageFormat, size_wh: tuple[int, int], quality: int, rendering: Rendering
) -> Callable[[Frame], bytes]:
    from . import jpeg, png, webp

    if target is ImageFormat.PNG:
        return partial(png.encode, rendering=rendering)
    name, lossy = ("JPEG", jpeg) if target is ImageFormat.JPEG else ("WebP", webp)
    if max(size_wh) > lossy.MOST_SIDE:
        raise UnsupportedImage(
            f"a picture with a side of more than {lossy.MOST_SIDE} pixels cannot become {name}; choose "
            "another output format, or keep its own"
        )
    return partial(lossy.encode, quality=quality, rendering=rendering)


def _in_8_bits(frame: Frame, rendering: Rendering, *, keeps_alpha: bool) -> tuple[Frame, Rendering]:
    """A frame with 8 bits a sample, in its profile's colours or else in sRGB."""
    transform = None if rendering.icc else next(iter(light_transforms(rendering, frame.colour)), None)
    rendering = Rendering(rendering.icc, density_xy=rendering.density_xy)
    has_alpha = frame.colour.has_alpha and bool(frame.pixels[..., -1].min() < frame.white)
    is_grey = frame.colour in (Colour.GREY, Colour.GREY_ALPHA) and transform is None
    if frame.white == 255 and transform is None and not frame.colour.has_alpha:
        return Frame(frame.pixels, frame.colour), rendering
    colour = (Colour.GREY if is_grey else Colour.RGB) if not (has_alpha and keeps_alpha) else Colour.RGBA
    if colour is Colour.RGBA and is_grey:
        rendering = replace(rendering, icc=None)  # a profile of grey does not fit three channels
    height, width = frame.pixels.shape[:2]
    pixels = np.empty((height, width, colour.channels), np.uint8)
    for rows in row_bands(frame.pixels.shape):
        band = _to_8_bits(frame, rows)
        shown = band[..., : frame.colour.channels - frame.colour.has_alpha]
        if shown.shape[2] == 1 and colour is not Colour.GREY:
            shown = np.repeat(shown, 3, axis=2)
        if transform is not None:
            shown = transform(np.ascontiguousarray(shown))
        pixels[rows, :, : shown.shape[2]] = shown
        if colour.has_alpha:
            pixels[rows, :, -1:] = band[..., -1:]
        elif has_alpha:
            pixels[rows] = _over_white(pixels[rows], band[..., -1:])
    return Frame(pixels, colour), rendering


def _to_8_bits(frame: Frame, rows: slice) -> npt.NDArray[np.uint8]:
    band = frame.pixels[rows]
    # 65535 / 255 = 257
    return (band if band.dtype == np.uint8 else (band + np.uint32(128)) // 257).astype(np.uint8)


def _over_white(shown: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    opacity = np.ascontiguousarray(np.broadcast_to(alpha, shown.shape))
    over_black = cv2.multiply(np.ascontiguousarray(shown), opacity, scale=1 / 255)
    blended = cv2.add(over_black, cv2.bitwise_not(opacity))
    return np.asarray(blended, np.uint8).reshape(shown.shape)
