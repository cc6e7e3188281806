"""JPEG without libturbojpeg: pixels with every warning seen, and coefficients of files without a face.

The wheel of simplejpeg carries libjpeg-turbo and reports its warnings, but gives no coefficients.
mozjpeg-lossless-optimization codes all of them anew as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import mozjpeg_lossless_optimization as mozjpeg
import numpy as np
import simplejpeg

from ..errors import UnreadableImage, UnsupportedImage
from .coefficients import Edit, NotTransformable, check_warning
from .picture import Colour, Pixels

__all__ = ["PlainJpeg"]

_NAMES = {Colour.GREY: "GRAY", Colour.RGB: "RGB", Colour.CMYK: "CMYK"}


class PlainJpeg:
    """Does what `TurboJpeg` does as far as wheels allow."""

    def decode(self, data: bytes, size_wh: tuple[int, int], colour: Colour) -> Pixels:
        """As `TurboJpeg.decode`.

        Raises:
            UnreadableImage: an error, or a warning that means damage.
            UnsupportedImage: a rare subsampling.
        """
        try:
            simplejpeg.decode_jpeg_header(data, strict=False)
        except ValueError as error:
            raise UnsupportedImage(
                "the JPEG has a rare subsampling, which is handled only where libturbojpeg is installed"
            ) from error
        try:
            pixels = self._decode(data, colour)
        except ValueError as error:
            check_warning(str(error))
            pixels = self._decode(data, colour, strict=False)
        if pixels.shape[1::-1] != size_wh:
            raise UnreadableImage("the JPEG is damaged: it gives two sizes")
        return pixels

    def _decode(self, data: bytes, colour: Colour, *, strict: bool = True) -> Pixels:
        pixels: Pixels = simplejpeg.decode_jpeg(data, _NAMES[colour], strict=strict)
        return pixels

    def rewrite(
        self,
        data: bytes,
        edits: Sequence[Edit],
        *,
        orientation: int,
        progressive: bool,
        standard_tables: bool,
    ) -> bytes:
        """As `TurboJpeg.rewrite`, always progressive.

        Raises:
            NotTransformable: there are edits or the picture is to be turned, mozjpeg refuses the file, or the
                output does not show the same pixels.
        """
        del progressive, standard_tables
        if edits or orientation != 1:
            raise NotTransformable("only libturbojpeg can change coefficients")
        try:
            output: bytes = mozjpeg.optimize(data)
        except ValueError as error:
            raise NotTransformable("mozjpeg refuses it") from error
        # mozjpeg reports no warning, so the result is looked at.
        before, after = (simplejpeg.decode_jpeg(file, strict=False) for file in (data, output))
        if not np.array_equal(before, after):
            raise NotTransformable("mozjpeg has changed the pixels")
        return output
