"""One opaque colour in place of a face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..images import Colour, Pixels

__all__ = ["colour_in", "fill", "in_model"]


def colour_in(rgb: tuple[int, int, int], colour: Colour, white: int) -> list[int]:
    """Converts an 8-bit RGB colour to another colour model and depth, without alpha.

    Args:
        rgb: red, green, blue in [0, 255].
        colour: model of the result.
        white: largest value of a channel there.

    Returns:
        One value per colour channel.
    """
    match colour:
        case Colour.GREY | Colour.GREY_ALPHA:
            # ITU-R BT.601 luma, as Pillow and OpenCV convert.
            values = [round(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2])]
        case Colour.CMYK:
            values = [255 - value for value in rgb] + [0]
        case _:
            values = list(rgb)
    return [value * white // 255 for value in values]


def fill(rgb: tuple[int, int, int], colour: Colour, dtype: npt.DTypeLike) -> Pixels:
    """One colour in the form that `Patch` expects.

    Args:
        rgb: red, green, blue in [0, 255].
        colour: model of the result.
        dtype: uint8 or uint16.

    Returns:
        `(1, 1, C)`, without alpha.
    """
    values = colour_in(rgb, colour, int(np.iinfo(np.dtype(dtype)).max))
    return np.asarray(values, dtype).reshape(1, 1, -1)


def in_model(rgb: npt.NDArray[np.float32], colour: Colour, white: int) -> npt.NDArray[np.float32]:
    """Converts 8-bit RGB values of a whole picture, as `colour_in` does for one colour."""
    match colour:
        case Colour.GREY | Colour.GREY_ALPHA:
            values = rgb @ np.asarray([[0.299], [0.587], [0.114]], np.float32)
        case Colour.CMYK:
            values = np.concatenate([255 - rgb, np.zeros_like(rgb[..., :1])], axis=2)
        case _:
            values = rgb
    return np.rint(values * (white / 255))
