"""JPEG without libturbojpeg: pixels with every warning seen, and coefficients of files without a face.

The wheel of simplejpeg carries libjpeg-turbo and reports its warnings, but gives no coefficients.
mozjpeg-lossless-optimization codes all of them anew as they are.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg

from ..errors import UnreadableImage, UnsupportedImage
from .coefficients import Coding, Edit, NotTransformable, check_warning
from .picture import Colour, Pixels

__all__ = ["PlainJpeg"]

_OPTIMIZE = """
import sys
sys.path[:] = sys.argv[1:]
import mozjpeg_lossless_optimization as mozjpeg
sys.stdout.buffer.write(mozjpeg.optimize(sys.stdin.buffer.read()))
"""

_NAMES = {Colour.GREY: "GRAY", Colour.RGB: "RGB", Colour.CMYK: "CMYK"}


class PlainJpeg:
    """Does what `TurboJpeg` does as far as wheels allow."""

    scales = False

    def decode(self, data: bytes, size_wh: tuple[int, int], colour: Colour, scale: int = 1) -> Pixels:
        """As `TurboJpeg.decode`, at its own size alone.

        Raises:
            UnreadableImage: an error, or a warning that means damage.
            UnsupportedImage: a rare subsampling.
        """
        if scale != 1:
            raise ValueError("simplejpeg is used at the picture's own size alone")
        try:
            pixels = self._decode(data, colour)
        except ValueError as error:
            if not _header_is_read(data):
                raise UnsupportedImage(
                    "the JPEG has a rare subsampling, which is handled only where libturbojpeg is installed"
                ) from error
            check_warning(str(error))
            pixels = self._decode(data, colour, strict=False)
        if pixels.shape[1::-1] != size_wh:
            raise UnreadableImage("the JPEG is damaged: it gives two sizes")
        return pixels

    def _decode(self, data: bytes, colour: Colour, *, strict: bool = True) -> Pixels:
        pixels: Pixels = simplejpeg.decode_jpeg(data, _NAMES[colour], strict=strict)
        return pixels

    def rewrite(self, data: bytes, edits: Sequence[Edit], coding: Coding) -> bytes:
        """As `TurboJpeg.rewrite`, always progressive.

        Raises:
            NotTransformable: there are edits or the picture is to be turned, mozjpeg refuses the file, or the
                output does not show the same pixels.
        """
        if edits or coding.orientation != 1:
            raise NotTransformable("only libturbojpeg can change coefficients")
        output = _optimized(data)
        # mozjpeg reports no warning, so the result is looked at.
        before, after = (simplejpeg.decode_jpeg(file, strict=False) for file in (data, output))
        if not np.array_equal(before, after):
            raise NotTransformable("mozjpeg has changed the pixels")
        return output


def _header_is_read(data: bytes) -> bool:
    try:
        simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # the latter for subsampling that it has no name for
        return False
    return True


def _optimized(data: bytes) -> bytes:
    """What MozJPEG writes; in a process of its own, because a coefficient out of range ends it."""
    # Not what lies in the current folder, which may hold anything.
    folders = [folder for folder in sys.path if Path(folder).is_absolute()]
    command = [sys.executable, "-I", "-c", _OPTIMIZE, *folders]
    done = subprocess.run(command, input=data, capture_output=True, check=False)  # noqa: S603 - our own program
    if done.returncode or not done.stdout:
        raise NotTransformable("mozjpeg refuses it")
    return done.stdout
