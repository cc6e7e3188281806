"""Converts RGB to the samples of a video and back: matrices and ranges (ITU-T H.273, 8.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedImage
from ..images import Pixels
from .shape import Colours

__all__ = ["Matrix", "matrix_of", "samples_of"]


@dataclass(frozen=True)
class Matrix:
    """Matrix coefficients.

    Attributes:
        red: KR, the share of red in luma.
        blue: KB, the share of blue in luma.
        swscale: number of the matrix in FFmpeg's scaler.
    """

    red: float
    blue: float
    swscale: int


_BT709 = Matrix(0.2126, 0.0722, 1)
_BT601 = Matrix(0.299, 0.114, 5)
_MATRICES = {
    1: _BT709,
    4: Matrix(0.30, 0.11, 4),
    5: _BT601,
    6: _BT601,
    7: Matrix(0.212, 0.087, 7),
    9: Matrix(0.2627, 0.0593, 9),
}
"""ITU-T H.273, table 4, by number."""

_UNSPECIFIED = (2, 3)
_LEAST_HD_WH = (1280, 720)
"""From this width or height on, players assume BT.709 if a file does not name its matrix; below, BT.601."""


def matrix_of(colours: Colours, size_wh: tuple[int, int]) -> Matrix:
    """The matrix of a video.

    Args:
        colours: its tags.
        size_wh: its width and height, which decide if the tags do not.

    Raises:
        UnsupportedImage: a matrix that is not handled, such as ICtCp or YCgCo.
    """
    if colours.matrix in _UNSPECIFIED:
        is_large = size_wh[0] >= _LEAST_HD_WH[0] or size_wh[1] >= _LEAST_HD_WH[1]
        return _BT709 if is_large else _BT601
    if colours.matrix not in _MATRICES:
        raise UnsupportedImage(
            f"the video's colour matrix (number {colours.matrix} in H.273) is not handled; convert it"
        )
    return _MATRICES[colours.matrix]


def samples_of(pixels: Pixels, matrix: Matrix, bits: int, *, is_full: bool) -> npt.NDArray[np.uint16]:
    """Converts RGB to luma and chroma samples, by H.273, equations 20 to 31.

    Args:
        pixels: `(h, w, 3)` uint8 or uint16.
        matrix: of the video.
        bits: of a sample, 8 to 16.
        is_full: whether samples use their full range.

    Returns:
        `(h, w, 3)` uint16: luma, blue difference, red difference.
    """
    red, green, blue = np.moveaxis(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max, -1, 0)
    luma = matrix.red * red + (1 - matrix.red - matrix.blue) * green + matrix.blue * blue
    differences = (blue - luma) / (2 * (1 - matrix.blue)), (red - luma) / (2 * (1 - matrix.red))
    most = (1 << bits) - 1
    step = 1 << (bits - 8)
    middle = 128 * step
    if is_full:
        parts = [luma * most, *(part * most + middle for part in differences)]
    else:
        parts = [(219 * luma + 16) * step, *((224 * part + 128) * step for part in differences)]
    result: npt.NDArray[np.uint16] = np.clip(np.rint(np.stack(parts, axis=-1)), 0, most).astype(np.uint16)
    return result
