"""Decoded pictures: pixels at the file's own depth and colours, and everything needed to encode them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ..detections import BoolArray
from ..formats import Encoding, ImageFormat
from .exif import NO_METADATA, Metadata
from .palette import bands

__all__ = [
    "Colour",
    "Encoding",
    "Frame",
    "Patch",
    "Patches",
    "Picture",
    "Pixels",
    "Rendering",
    "Writer",
    "Written",
    "blue_first",
    "paint",
    "painted",
    "swap_red_blue",
    "writer",
]

Pixels: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""`(H, W, C)` uint8 or uint16; the colour model defines C."""


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
        """Whether the last channel is alpha."""
        return self in (Colour.GREY_ALPHA, Colour.RGBA)


@dataclass(frozen=True)
class Frame:
    """One picture, upright.

    Attributes:
        pixels: `(H, W, C)` uint8 or uint16.
        colour: meaning of the channels.
        duration_ms: how long an animation shows it; 0 in still pictures.
        rendering: how to show its samples, for a page with its own profile; None uses the picture's.
    """

    pixels: Pixels
    colour: Colour
    duration_ms: float = 0
    rendering: Rendering | None = None

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

    @property
    def look(self) -> Frame:
        """The image for detectors: the frame, or a smaller copy of it."""
        return self

    @property
    def scale(self) -> int:
        """Number of frame pixels per pixel of `look`, horizontally and vertically."""
        return 1

    def slim(self) -> None:
        """Lets go of pixels that are rarely needed after detection and can be decoded again.

        Raises:
            UnreadableImage: as for `ScaledFrame.pixels`.
        """


def swap_red_blue(pixels: Pixels) -> Pixels:
    """RGB or RGBA as BGR or BGRA and back, `(H, W, 3 or 4)`; grey pixels, `(H, W, 1 or 2)`, unchanged."""
    if pixels.shape[2] < 3:
        return pixels
    swapped: npt.NDArray[Any] = np.concatenate([pixels[..., 2::-1], pixels[..., 3:]], axis=2)
    return swapped


@contextmanager
def blue_first(pixels: Pixels) -> Iterator[Pixels]:
    """RGB or RGBA as BGR or BGRA, `(H, W, 3 or 4)`, swapped in place and back at the end; grey unchanged."""
    if pixels.shape[2] < 3 or not (pixels.flags.c_contiguous and pixels.flags.writeable):
        yield swap_red_blue(pixels)
        return
    _exchange(pixels)
    try:
        yield pixels
    finally:
        _exchange(pixels)


def _exchange(pixels: Pixels) -> None:
    code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    for rows in bands(*pixels.shape[:2]):
        pixels[rows] = cv2.cvtColor(pixels[rows], code)


@dataclass(frozen=True)
class Patch:
    """New pixels for a part of a frame, opaque even over transparent pixels.

    Attributes:
        rows: rows of the frame, half-open, inside it.
        columns: columns of the frame, half-open, inside it.
        pixels: `(h, w, C)`, the colour channels in the frame's depth, or `(1, 1, C)` for one colour.
        mask: `(h, w)`, the pixels to replace; None replaces all of them.
    """

    rows: slice
    columns: slice
    pixels: Pixels
    mask: BoolArray | None = None

    @property
    def has_one_colour(self) -> bool:
        """Whether `pixels` is one colour for the whole part."""
        return self.pixels.shape[:2] == (1, 1)

    def within(self, rows: slice, columns: slice) -> Patch | None:
        """The part of the patch inside an area of the frame, in the area's coordinates; None if none is."""
        y0, y1 = max(rows.start, self.rows.start), min(rows.stop, self.rows.stop)
        x0, x1 = max(columns.start, self.columns.start), min(columns.stop, self.columns.stop)
        if y0 >= y1 or x0 >= x1:
            return None
        part = (
            slice(y0 - self.rows.start, y1 - self.rows.start),
            slice(x0 - self.columns.start, x1 - self.columns.start),
        )
        return Patch(
            slice(y0 - rows.start, y1 - rows.start),
            slice(x0 - columns.start, x1 - columns.start),
            self.pixels if self.has_one_colour else self.pixels[part],
            None if self.mask is None else self.mask[part],
        )


Patches: TypeAlias = Sequence[Sequence[Patch]]
"""The patches of each frame of a picture; later ones lie on top."""


def paint(pixels: Pixels, colour: Colour, patches: Sequence[Patch]) -> None:
    """Draws patches over the pixels of a frame, in place.

    Args:
        pixels: `(H, W, C)`, as `Frame.pixels`.
        colour: meaning of their channels.
        patches: in drawing order.
    """
    channels = colour.channels - colour.has_alpha
    for patch in patches:
        target = pixels[patch.rows, patch.columns]
        where = True if patch.mask is None else patch.mask[..., None]
        np.copyto(target[..., :channels], patch.pixels, where=where)
        if colour.has_alpha:
            np.copyto(target[..., channels:], np.iinfo(pixels.dtype).max, where=where)


@dataclass(frozen=True)
class Written:
    """An encoded picture.

    Attributes:
        data: the whole file.
        encoding: how its coded samples were produced.
    """

    data: bytes
    encoding: Encoding


Writer: TypeAlias = Callable[[Patches], Written]
"""Encodes a picture with patches drawn over its frames; one sequence of patches for each frame."""


@dataclass(frozen=True)
class Rendering:
    """How to show the samples of a picture, for viewers, detectors and outputs.

    Attributes:
        icc: colour profile.
        cicp: colour primaries, transfer characteristics, matrix coefficients (ITU-T H.273) and whether the
            range is full, as given by PNG, HEIC and AVIF.
        gamma: exponent of the samples, usually 1 / 2.2, as given by PNG.
        chromaticities: x and y of white, red, green and blue (CIE 1931), as given by PNG.
        srgb_intent: rendering intent of a PNG marked as sRGB (0 to 3).
        density_xy: pixels per metre; None if unknown.
    """

    icc: bytes | None = None
    cicp: tuple[int, int, int, bool] | None = None
    gamma: float | None = None
    chromaticities: tuple[float, float, float, float, float, float, float, float] | None = None
    srgb_intent: int | None = None
    density_xy: tuple[float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """All frames or pages of one file.

    Attributes:
        format: format of the file and of its output.
        frames: at least one.
        write: encodes the picture in its own format, with its rendering and no other metadata.
        rendering: how to show the samples.
        metadata: what its output keeps of the file's metadata; nothing unless a user asked for it.
    """

    format: ImageFormat
    frames: tuple[Frame, ...]
    write: Writer
    rendering: Rendering = Rendering()
    metadata: Metadata = NO_METADATA


def writer(frames: tuple[Frame, ...], encode: Callable[[tuple[Frame, ...]], bytes]) -> Writer:
    """A writer for a format that encodes whole frames.

    Args:
        frames: as decoded. They hold the patches while the writer runs, since a large picture fits into
            memory only once, and are restored afterwards.
        encode: frames to bytes.
    """

    def write(patches: Patches) -> Written:
        with painted(frames, patches):
            return Written(encode(frames), Encoding.PIXELS)

    return write


@contextmanager
def painted(frames: Sequence[Frame], patches: Patches) -> Iterator[None]:
    """Draws patches over frames in place, and restores the frames at the end."""
    below = [
        (frame.pixels[patch.rows, patch.columns], frame.pixels[patch.rows, patch.columns].copy())
        for frame, some in zip(frames, patches, strict=True)
        for patch in some
    ]
    try:
        for frame, some in zip(frames, patches, strict=True):
            paint(frame.pixels, frame.colour, some)
        yield
    finally:
        for target, before in below:
            target[...] = before
