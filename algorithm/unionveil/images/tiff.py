"""TIFF: all pages, 8 and 16 bits, written anew with lossless compression.

Tags: TIFF 6.0 (Adobe, 1992), part 1; DNG 1.7 for the raw files that hide behind TIFF's signature.
"""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import cv2
import numpy as np
import tifffile

from ..errors import UnreadableImage, UnsupportedImage
from ..formats import ImageFormat
from .picture import Colour, Frame, Picture, Rendering, swap_red_blue, writer
from .pillow import check_size, opened, to_frame

__all__ = ["read"]

_NEW_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _SAMPLES = 254, 258, 262, 277
_SUB_IFDS, _ICC, _DNG_VERSION = 330, 34675, 50706

_MOST_PAGES = 10_000


def read(data: bytes, max_pixels: float) -> Picture:
    """Decodes all pages of a TIFF; see `images.decode`."""
    with opened(data, "TIFF") as image:
        pages = [_tags(image, index) for index in range(min(getattr(image, "n_frames", 1), _MOST_PAGES + 1))]
        if len(pages) > _MOST_PAGES:
            raise UnsupportedImage(f"a TIFF of more than {_MOST_PAGES} pages is not handled")
        check_size((sum(w * h for (w, h), _ in pages), 1), 1, max_pixels)
        first = pages[0][1]
        if _DNG_VERSION in first or (first.get(_NEW_SUBFILE_TYPE, 0) & 1 and _SUB_IFDS in first):
            raise UnsupportedImage("camera raw files are not handled; export the photo as JPEG or TIFF")
        deep = [index for index, (_, tags) in enumerate(pages) if _is_deep_colour(tags)]
        others = _read_16_bit(data, len(pages)) if deep else []
        frames = []
        for index, (_, tags) in enumerate(pages):
            if index in deep:
                frames.append(_deep_frame(others[index], tags))
            else:
                image.seek(index)
                image.load()
                frames.append(_frame(image, tags))
    found, icc = tuple(frames), first.get(_ICC)
    return Picture(ImageFormat.TIFF, found, writer(found, partial(_encode, icc=icc)), Rendering(icc))


def _tags(image: Any, index: int) -> tuple[tuple[int, int], dict[int, Any]]:
    image.seek(index)
    wanted = (
        _NEW_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _SAMPLES, _SUB_IFDS, _ICC, _DNG_VERSION
    )  # fmt: skip
    return image.size, {tag: image.tag_v2[tag] for tag in wanted if tag in image.tag_v2}


def _is_deep_colour(tags: dict[int, Any]) -> bool:
    """Pillow reads 16-bit colour as 8 bits; these pages go through OpenCV."""
    return tags.get(_SAMPLES, 1) > 1 and 16 in np.atleast_1d(tags.get(_BITS, 1))


def _frame(image: Any, tags: dict[int, Any]) -> Frame:
    if image.mode.startswith("I;16"):
        pixels = np.array(image).astype(np.uint16)
        if tags.get(_PHOTOMETRIC) == 0:  # white is zero; Pillow turns 8 bits round, not 16
            pixels = 65535 - pixels
        return Frame(pixels[..., None], Colour.GREY)
    return to_frame(image)


def _read_16_bit(data: bytes, pages: int) -> list[Any]:
    # OpenCV turns TIFF pages upright whatever the flags say.
    done, decoded = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if not done or len(decoded) != pages:
        raise UnreadableImage("the TIFF is damaged: its 16-bit pages cannot be decoded")
    return list(decoded)


def _deep_frame(pixels: Any, tags: dict[int, Any]) -> Frame:
    if pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise UnsupportedImage("a TIFF with these 16-bit channels is not handled; export it as RGB")
    if tags.get(_PHOTOMETRIC) != 2:
        raise UnsupportedImage("a 16-bit TIFF in colours other than RGB is not handled; export it as RGB")
    return Frame(swap_red_blue(pixels), Colour.RGB if pixels.shape[2] == 3 else Colour.RGBA)


def _encode(frames: tuple[Frame, ...], icc: bytes | None) -> bytes:
    """Encodes all pages with Deflate, the profile with each."""
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for frame in frames:
            photometric = {
                Colour.CMYK: "separated",
                Colour.GREY: "minisblack",
                Colour.GREY_ALPHA: "minisblack",
            }
            writer.write(
                frame.pixels[..., 0] if frame.colour is Colour.GREY else frame.pixels,
                photometric=photometric.get(frame.colour, "rgb"),
                planarconfig=None if frame.colour is Colour.GREY else "contig",
                extrasamples=["unassalpha"] if frame.colour.has_alpha else None,
                compression="zlib",
                iccprofile=icc,
                software=False,
                metadata=None,
            )
    return out.getvalue()
