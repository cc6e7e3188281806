"""Pillow's images as frames and back."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from ..errors import ImageTooLarge, UnsupportedImage
from .orientation import upright
from .palette import bands
from .picture import Colour, Frame

__all__ = ["check_size", "opened", "read_frames", "save_frames", "to_frame", "to_image", "to_pixels"]


_STEMS = {
    "AVIF": "AvifImage",
    "BMP": "BmpImage",
    "GIF": "GifImage",
    "JPEG": "JpegImage",
    "PNG": "PngImage",
    "TIFF": "TiffImage",
    "WEBP": "WebPImage",
}
"""Names of Pillow's modules and classes begin with these."""


def check_size(size_wh: tuple[int, int], frames: int, max_pixels: float) -> None:
    """Refuses images with more pixels than the limit, before any of them is decoded.

    Raises:
        ImageTooLarge: more pixels than `max_pixels`.
    """
    pixels = size_wh[0] * size_wh[1] * frames
    if pixels > max_pixels:
        raise ImageTooLarge(pixels, int(max_pixels))


def _reader_of(format_name: str) -> type[ImageFile.ImageFile]:
    """Pillow's class for one format, such as `GifImageFile` of `GifImagePlugin`, loaded when needed."""
    stem = _STEMS[format_name]
    reader: type[ImageFile.ImageFile] = getattr(import_module(f"PIL.{stem}Plugin"), f"{stem}File")
    return reader


@contextmanager
def opened(data: bytes, format_name: str) -> Iterator[Image.Image]:
    """Opens bytes as one format only, by its own class: `check_size` replaces the size limit of `Image.open`.

    That limit belongs to the whole process and may be another program's, so it is not lifted. Pillow's
    readers of WebP and of tiles in TIFF check it too, at twice its value.

    Pillow's warnings about odd tags are not passed on, since no tags are kept.

    Raises:
        UnidentifiedImageError: the bytes are not of this format, or damaged.
        UnsupportedImage: they have more pixels than Pillow reads.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _reader_of(format_name)(io.BytesIO(data)) as image:
                yield image
    except SyntaxError as error:
        raise UnidentifiedImageError(f"not a {format_name} that can be read") from error
    except Image.DecompressionBombError as error:
        raise UnsupportedImage(
            f"Pillow does not read a {format_name} of this size; save it as PNG or JPEG first"
        ) from error


def read_frames(image: Image.Image, *, orientation: int = 1) -> tuple[Frame, ...]:
    """All frames of an opened file, with durations if there are several.

    Raises:
        UnsupportedImage: a mode that `to_frame` does not handle.
    """
    count = getattr(image, "n_frames", 1)
    frames = []
    for index in range(count):
        image.seek(index)
        image.load()
        duration_ms = float(image.info.get("duration", 0)) if count > 1 else 0.0
        frames.append(to_frame(image, orientation=orientation, duration_ms=duration_ms))
    return tuple(frames)


def save_frames(
    images: Sequence[Image.Image], durations_ms: Sequence[float], format_name: str, **options: Any
) -> bytes:
    """Encodes one image, or several as an animation.

    Args:
        images: at least one.
        durations_ms: how long each is shown; ignored for a single image.
        format_name: Pillow's name.
        options: for Pillow's encoder.
    """
    first, *others = images
    if others:
        options |= {"append_images": others, "duration": list(durations_ms)}
    out = io.BytesIO()
    first.save(out, format_name, save_all=bool(others), **options)
    return out.getvalue()


def to_frame(image: Image.Image, *, orientation: int = 1, duration_ms: float = 0) -> Frame:
    """One decoded Pillow image as a frame; palettes, bits and colour keys become plain channels.

    Raises:
        UnsupportedImage: a mode without a plain meaning (floats, Lab...).
    """
    match image.mode:
        case "P" | "PA":
            mode = "RGBA" if image.has_transparency_data else "RGB"
        case "1" | "L":
            mode = "LA" if "transparency" in image.info else "L"
        case "RGB":
            mode = "RGBA" if "transparency" in image.info else "RGB"
        case "RGBX" | "YCbCr":
            mode = "RGB"
        case "LA" | "RGBA" | "CMYK":
            mode = image.mode
        case _:
            raise UnsupportedImage(f"pixels of the kind {image.mode} are not handled; export as 8 or 16 bit")
    pixels = to_pixels(image, mode)
    return Frame(upright(pixels, orientation), Colour(mode), duration_ms)


def to_pixels(image: Image.Image, mode: str) -> npt.NDArray[np.uint8]:
    """An image in one of the 8-bit modes as a new array, `(H, W, C)`.

    Pillow's own conversion would hold the whole picture in memory three times.
    """
    width, height = image.size
    pixels = np.empty((height, width, len(Image.new(mode, (0, 0)).getbands())), np.uint8)
    for rows in bands(height, width):
        band = image.crop((0, rows.start, width, rows.stop))
        band = band if band.mode == mode else band.convert(mode)
        pixels[rows] = np.asarray(band).reshape(-1, width, pixels.shape[2])
    return pixels


def to_image(frame: Frame) -> Image.Image:
    """An 8-bit frame as a Pillow image."""
    pixels = frame.pixels[..., 0] if frame.colour is Colour.GREY else frame.pixels
    return Image.fromarray(pixels, frame.colour.value)
