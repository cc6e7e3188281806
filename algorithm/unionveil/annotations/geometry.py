"""Sizes of pictures, and the eight EXIF orientations applied to boxes drawn on stored pixels."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ..content import Content
from ..errors import ImageError, InputError, UnreadableImage, cannot_be_read
from ..formats import HEAD_BYTES, ImageFormat, sniff
from ..text import printable

__all__ = ["Geometry", "Pictures", "read_geometry", "turn"]

_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Geometry:
    """Size and orientation of a picture.

    Attributes:
        stored_wh: width and height of the stored pixels.
        orientation: TIFF tag 274, 1 to 8; 1 means upright.
    """

    stored_wh: tuple[int, int]
    orientation: int = 1

    @property
    def upright_wh(self) -> tuple[int, int]:
        """Width and height as a viewer shows it."""
        return self.stored_wh if self.orientation < 5 else (self.stored_wh[1], self.stored_wh[0])


def turn(xyxy: npt.NDArray[np.float64], geometry: Geometry) -> npt.NDArray[np.float64]:
    """Boxes in stored pixels as boxes in upright pixels (TIFF 6.0, page 36).

    Args:
        xyxy: `(N, 4)` in stored pixels.
        geometry: of the picture.
    """
    width, height = geometry.upright_wh
    x0, y0, x1, y1 = xyxy.reshape(-1, 4).T
    if geometry.orientation >= 5:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if geometry.orientation in (2, 3, 6, 7):
        x0, x1 = width - x1, width - x0
    if geometry.orientation in (3, 4, 7, 8):
        y0, y1 = height - y1, height - y0
    return np.stack([x0, y0, x1, y1], axis=1)


def read_geometry(file: BinaryIO) -> Geometry:
    """Size and orientation from a picture's header; no pixels are decoded.

    Args:
        file: at its start and seekable.

    Raises:
        ImageError: the header cannot be read.
    """
    from PIL import UnidentifiedImageError  # slow to import, like all codecs: loaded on first use

    picture_format = sniff(file.read(HEAD_BYTES))
    file.seek(0)
    data = file.read()
    try:
        return _heic(data) if picture_format is ImageFormat.HEIC else _other(data, picture_format)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise UnreadableImage("the picture is damaged: its size cannot be read") from error


def _heic(data: bytes) -> Geometry:
    """HEIC is rotated by its own boxes, in every reader: its pixels count as stored upright."""
    import pillow_heif

    return Geometry(pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False).size)


def _other(data: bytes, picture_format: ImageFormat) -> Geometry:
    from ..images.orientation import read_orientation
    from ..images.pillow import opened

    with opened(data, picture_format.name) as image:
        exif = image.info.get("exif", b"")
        if picture_format is ImageFormat.TIFF:
            orientation = int(image.getexif().get(_ORIENTATION, 1))
        else:
            orientation = read_orientation(exif) if isinstance(exif, bytes) else 1
        geometry = Geometry(image.size, orientation if 1 <= orientation <= 8 else 1)
    # Pillow reports the upright size of a TIFF, and the stored size of everything else.
    return Geometry(geometry.upright_wh, orientation) if picture_format is ImageFormat.TIFF else geometry


class Pictures(Mapping[str, Geometry]):
    """Geometries of pictures by name; a header is read on access.

    Args:
        contents: pictures by name, or their geometries if these are known.
        shared: names that several pictures have; boxes of one must not be laid on another.

    Raises:
        InputError: on access, if the picture's size cannot be read or the name is shared.
    """

    def __init__(
        self, contents: Mapping[str, Content | Geometry], shared: Collection[str] = frozenset()
    ) -> None:
        self._contents = contents
        self._shared = shared

    def __getitem__(self, name: str) -> Geometry:
        content = self._contents[name]
        if name in self._shared:
            raise InputError(
                f"several inputs are named {printable(name)}, so its boxes may be those of another; rename "
                "them, or name the folder that holds them all"
            )
        if isinstance(content, Geometry):
            return content
        try:
            with content.open() as file:
                return read_geometry(file)
        except ImageError as error:
            raise InputError(f"{printable(name)}: {error}") from error
        except OSError as error:
            raise InputError(cannot_be_read(error, printable(name))) from error

    def __contains__(self, name: object) -> bool:
        return name in self._contents

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)
