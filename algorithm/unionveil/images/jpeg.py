"""JPEG: coefficients are rewritten where possible; otherwise pixels are encoded with the input's own tables.

Only coefficients and tables that a decoder has read reach an output: markers are rewritten (`jpeg_markers`),
blocks under a patch are replaced (`jpeg_blocks`), all others keep their coefficients (`coefficients`). Blocks
at the right and bottom edges also keep the samples beyond the edge, up to 31 rows or columns, which encoders
fill with the last visible ones.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ..errors import ImageTooLarge
from ..formats import ImageFormat
from ..heap import return_free_memory
from .coefficients import Coding, load
from .icc import clean_profile, profile_cicp
from .jpeg_blocks import Grid, are_flat, edits, shown_luma
from .jpeg_markers import Jpeg, Model, head, parse, with_head
from .jpeg_rows import Edit, NotTransformable, Shown
from .orientation import swaps_axes, upright
from .picture import (
    Colour,
    Encoding,
    Frame,
    Patch,
    Patches,
    Picture,
    Pixels,
    Rendering,
    Written,
    painted,
)
from .scaled import LargeFrame, Reduction, ScaledFrame

__all__ = ["MOST_SIDE", "Codec", "encode", "read"]

_MOST_PROGRESSIVE_PIXELS = 50_000_000
"""libjpeg holds all coefficients of a progressive file: above this, pixels are encoded as baseline."""

_MOST_COEFFICIENTS = 500_000_000
"""A transform holds all coefficients; this is a gigabyte: 330 megapixels of 4:2:0, 125 of CMYK. Above it,
pixels are encoded."""

_MANY_COEFFICIENTS = 50_000_000
"""From here on, 33 megapixels of 4:2:0, freed memory is returned before a transform takes 100 MB."""

_MOST_KEPT_BYTES = 96 << 20
"""More pixels than this are dropped after detection; to decode them again takes a fraction of its time."""

_KEPT_SCALE = 4
"""Suffices to check covers of 12 pixels and more."""

_COLOURS = {
    Model.GREY: Colour.GREY,
    Model.YCC: Colour.RGB,
    Model.RGB: Colour.RGB,
    Model.CMYK: Colour.CMYK,
    Model.YCCK: Colour.CMYK,
}


class Codec(Protocol):
    """Reads and writes coded data: `TurboJpeg`, or `PlainJpeg` if libturbojpeg is not installed."""

    @property
    def scales(self) -> bool:
        """Whether it can decode at a fraction of the size."""

    def decode(self, data: bytes, size_wh: tuple[int, int], colour: Colour, scale: int = 1) -> Pixels:
        """See `TurboJpeg.decode`."""

    def rewrite(self, data: bytes, edits: Sequence[Edit], coding: Coding, shown: Shown | None) -> bytes:
        """See `TurboJpeg.rewrite`."""


def read(
    data: bytes, max_pixels: float, codec: Codec | None = None, *, reduction: Reduction | None = None
) -> Picture:
    """Decodes a JPEG; see `images.decode`.

    Args:
        data: a whole file.
        max_pixels: largest number of pixels.
        codec: decodes and rewrites it; libturbojpeg if installed.
        reduction: see `images.decode`.
    """
    jpeg = parse(data)
    if jpeg.size_wh[0] * jpeg.size_wh[1] > max_pixels:
        raise ImageTooLarge(jpeg.size_wh[0] * jpeg.size_wh[1], int(max_pixels))
    codec = codec or load() or _without_libturbojpeg()
    colour = _COLOURS[jpeg.model]
    frame = _frame(jpeg, codec, colour, reduction)
    writer = _Writer(frame, jpeg, codec, _rendering(jpeg, colour))
    return Picture(ImageFormat.JPEG, (frame,), writer, writer.rendering)


def _frame(jpeg: Jpeg, codec: Codec, colour: Colour, reduction: Reduction | None) -> Frame:
    """The upright picture. If a smaller copy suffices for detection, only that is decoded now."""
    scale = reduction(_upright_wh(jpeg)) if reduction and codec.scales and colour is not Colour.CMYK else 1

    def decoded(scale: int) -> Pixels:
        pixels = codec.decode(jpeg.data, jpeg.size_wh, colour, scale)
        if colour is Colour.CMYK:
            # Adobe's files store white as 255 (inverted); Pillow assumes that for all files.
            np.subtract(255, pixels, out=pixels)
        return upright(pixels, jpeg.orientation) if jpeg.orientation != 1 else pixels

    frame = Frame(decoded(scale), colour)
    if scale > 1:
        return ScaledFrame(frame, scale, _upright_wh(jpeg), partial(decoded, 1))
    is_large = frame.pixels.nbytes > _MOST_KEPT_BYTES and codec.scales and colour is not Colour.CMYK
    return LargeFrame(frame, _KEPT_SCALE, decoded) if is_large else frame


def _upright_wh(jpeg: Jpeg) -> tuple[int, int]:
    return jpeg.size_wh[::-1] if swaps_axes(jpeg.orientation) else jpeg.size_wh


def _without_libturbojpeg() -> Codec:
    from .jpeg_plain import PlainJpeg  # loads two more libraries

    return PlainJpeg()


def _rendering(jpeg: Jpeg, colour: Colour) -> Rendering:
    icc = clean_profile(jpeg.icc, colour.channels) if jpeg.icc else None
    density = jpeg.density_xy
    if density and swaps_axes(jpeg.orientation):
        density = density[::-1]
    return Rendering(icc, profile_cicp(icc) if icc else None, density_xy=density)


@dataclass(frozen=True)
class _Writer:
    """Writes one JPEG.

    Attributes:
        frame: as decoded, upright.
        jpeg: its parsed markers.
        codec: rewrites the coefficients.
        rendering: how to show the output.
    """

    frame: Frame
    jpeg: Jpeg
    codec: Codec
    rendering: Rendering

    def __call__(self, patches: Patches) -> Written:
        (laid,) = patches
        grid = Grid.of(self.jpeg)
        shown = shown_luma(self.frame, grid)  # before the patches are painted
        if are_flat(laid):  # no pixels are needed
            with suppress(NotTransformable):
                return self._rewritten(laid, grid, shown)
        with painted((self.frame,), patches):
            if not are_flat(laid):
                with suppress(NotTransformable):
                    return self._rewritten(laid, grid, shown)
            return Written(self._encoded(), Encoding.PIXELS)

    def _rewritten(self, patches: Sequence[Patch], grid: Grid, shown: Shown | None) -> Written:
        if not self.jpeg.whole:
            raise NotTransformable("decoders show more than its coefficients")
        if grid.coefficients > _MOST_COEFFICIENTS:
            raise NotTransformable("its coefficients take too much memory")
        if grid.coefficients > _MANY_COEFFICIENTS:
            return_free_memory()
        coding = Coding(
            self.jpeg.orientation,
            self.jpeg.progressive,
            self.jpeg.standard_tables,
            tuple(part.table for part in grid.components),
        )
        changes = list(edits(self.frame, patches, grid))
        output = self.codec.rewrite(self.jpeg.data, changes, coding, shown)
        return Written(self._headed(output, self.jpeg.model), Encoding.COEFFICIENTS)

    def _headed(self, data: bytes, model: Model) -> bytes:
        start = head(
            model,
            adobe=self.jpeg.adobe,
            density_xy=self.rendering.density_xy,
            icc=self.rendering.icc,
        )
        return with_head(data, start)

    def _encoded(self) -> bytes:
        """Encodes pixels with the quantisation tables and the subsampling of the input."""
        grey = self.frame.colour is Colour.GREY
        pixels = self.frame.pixels[..., 0] if grey else self.frame.pixels
        options: dict[str, Any] = {} if grey else {"subsampling": _subsampling(self.jpeg)}
        out = io.BytesIO()
        Image.fromarray(pixels, self.frame.colour.value).save(
            out,
            "JPEG",
            qtables=_tables(self.jpeg),
            progressive=self.jpeg.progressive and pixels.size <= 3 * _MOST_PROGRESSIVE_PIXELS,
            keep_rgb=self.jpeg.model is Model.RGB,
            **options,
        )
        # Pillow writes YCCK as CMYK.
        model = Model.CMYK if self.jpeg.model is Model.YCCK else self.jpeg.model
        return self._headed(out.getvalue(), model)


def encode(frame: Frame, quality: int, rendering: Rendering) -> bytes:
    """Encodes an 8-bit frame in grey or RGB as baseline JPEG, in 4:2:0 below quality 90 and 4:4:4 from there.

    Args:
        frame: without alpha; no side is longer than `MOST_SIDE`.
        quality: of libjpeg, 1 to 100.
        rendering: its profile and density are written.
    """
    grey = frame.colour is Colour.GREY
    pixels = frame.pixels[..., 0] if grey else frame.pixels
    options: dict[str, Any] = {} if grey else {"subsampling": "4:2:0" if quality < _FULL_CHROMA else "4:4:4"}
    out = io.BytesIO()
    Image.fromarray(pixels, frame.colour.value).save(out, "JPEG", quality=quality, **options)
    model = Model.GREY if grey else Model.YCC
    return with_head(
        out.getvalue(), head(model, adobe=False, density_xy=rendering.density_xy, icc=rendering.icc)
    )


_FULL_CHROMA = 90

MOST_SIDE = 65_500
"""`JPEG_MAX_DIMENSION` of libjpeg; the format itself allows 35 more."""


def _tables(jpeg: Jpeg) -> list[list[int]]:
    """8-bit tables of luma and chroma; transposed if the pixels are, because their blocks are too."""
    first, second = jpeg.components[0].table, jpeg.components[min(1, len(jpeg.components) - 1)].table
    swapped = swaps_axes(jpeg.orientation)
    return [np.minimum(table.T if swapped else table, 255).ravel().tolist() for table in (first, second)]


def _subsampling(jpeg: Jpeg) -> str:
    """Chroma subsampling in Pillow's terms, which knows these three; others become 4:4:4, without loss."""
    luma, chroma = jpeg.components[0], jpeg.components[1]
    ratio = luma.horizontal / chroma.horizontal, luma.vertical / chroma.vertical
    if swaps_axes(jpeg.orientation):
        ratio = ratio[::-1]
    names = {(2.0, 2.0): "4:2:0", (2.0, 1.0): "4:2:2"}
    return names.get(ratio, "4:4:4")
