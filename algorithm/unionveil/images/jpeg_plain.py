"""JPEG without libturbojpeg: pixels with every warning reported, and coefficients of files without a face.

The simplejpeg wheel contains libjpeg-turbo and reports its warnings, but gives no access to coefficients.
mozjpeg-lossless-optimization re-encodes all coefficients unchanged.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from ..errors import UnreadableImage, UnsupportedImage
from .coefficients import Coding, check_warning
from .jpeg_rows import BLOCK_SIDE, Comparison, Edit, NotTransformable, Shown
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
    """Does the work of `TurboJpeg`, as far as wheels allow."""

    scales = False

    def decode(self, data: bytes, size_wh: tuple[int, int], colour: Colour, scale: int = 1) -> Pixels:
        """As `TurboJpeg.decode`, but only at full size.

        Raises:
            UnreadableImage: an error, or a warning that means damage.
            UnsupportedImage: a rare subsampling.
        """
        if scale != 1:
            raise ValueError("simplejpeg is used only at the picture's full size")
        try:
            pixels = self._decode(data, colour)
        except ValueError as error:
            if not _header_is_read(data):
                raise UnsupportedImage(
                    "the JPEG has a rare subsampling, which needs libturbojpeg to be installed"
                ) from error
            check_warning(str(error))
            pixels = self._decode(data, colour, strict=False)
        if pixels.shape[1::-1] != size_wh:
            raise UnreadableImage("the JPEG is damaged: it gives two sizes")
        return pixels

    def _decode(self, data: bytes, colour: Colour, *, strict: bool = True) -> Pixels:
        pixels: Pixels = simplejpeg.decode_jpeg(data, _NAMES[colour], strict=strict)
        return pixels

    def rewrite(self, data: bytes, edits: Sequence[Edit], coding: Coding, shown: Shown | None) -> bytes:
        """As `TurboJpeg.rewrite`, always progressive.

        Raises:
            NotTransformable: there are edits, the picture is not upright, mozjpeg refuses the file, or the
                output does not show the same pixels.
        """
        if edits or coding.orientation != 1:
            raise NotTransformable("only libturbojpeg can change coefficients")
        if shown:
            Comparison(shown).add(_grey_levels(data, shown), slice(None))
        output = _optimized(data)
        # mozjpeg reports no warnings, so the result is compared.
        before, after = (simplejpeg.decode_jpeg(file, strict=False) for file in (data, output))
        if not np.array_equal(before, after):
            raise NotTransformable("mozjpeg has changed the pixels")
        return output


def _grey_levels(data: bytes, shown: Shown) -> npt.NDArray[np.uint8]:
    """The luma of a file, in the cells of `shown`."""
    try:
        grey = simplejpeg.decode_jpeg(data, "GRAY", strict=False)[..., 0]
    except ValueError as error:
        raise NotTransformable("only libturbojpeg can read its luma") from error
    rows, columns = (length * BLOCK_SIDE // shown.side for length in shown.levels.shape)
    small = cv2.resize(grey[:rows, :columns], shown.levels.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _header_is_read(data: bytes) -> bool:
    try:
        simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # KeyError: a subsampling that it has no name for
        return False
    return True


def _optimized(data: bytes) -> bytes:
    """MozJPEG's output; in a separate process, because a coefficient out of range terminates it."""
    # Do not import from the current folder, which may hold anything.
    folders = [folder for folder in sys.path if Path(folder).is_absolute()]
    command = [sys.executable, "-I", "-c", _OPTIMIZE, *folders]
    done = subprocess.run(command, input=data, capture_output=True, check=False)  # noqa: S603 - our own program
    if done.returncode or not done.stdout:
        raise NotTransformable("mozjpeg refuses it")
    return done.stdout
