"""A picture over a face, on an opaque background."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ..config import EMOJI
from ..errors import ConfigError
from ..images import Colour, Pixels
from .fill import fill, in_model

__all__ = ["load_picture", "overlay"]


def load_picture(picture: str) -> npt.NDArray[np.uint8]:
    """An emoji or a PNG file as `(h, w, 4)` uint8 RGBA.

    Raises:
        ConfigError: neither an emoji nor a readable PNG.
    """
    if picture in EMOJI:
        from . import emoji  # loads Pillow's drawing, which most runs do not need

        return emoji.draw(picture)
    try:
        with Image.open(Path(picture), formats=["PNG"]) as image:
            return np.array(image.convert("RGBA"))
    except FileNotFoundError:
        raise ConfigError(
            f"picture: {picture!r} is neither an emoji ({', '.join(EMOJI)}) nor a file"
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ConfigError(f"picture: {picture!r} cannot be read as a PNG: {error}") from error


def overlay(
    patch: Pixels, picture: npt.NDArray[np.uint8], backing: tuple[int, int, int], colour: Colour
) -> Pixels:
    """Draws a picture, as large as its proportions allow, over an opaque colour.

    Nothing of the patch shows through: a transparent pixel of the picture shows the background colour.

    Args:
        patch: `(h, w, C)` uint8 or uint16, colour channels only.
        picture: `(h', w', 4)` uint8 RGBA.
        backing: red, green, blue in [0, 255].
        colour: model of the patch.

    Returns:
        The same shape and dtype as the patch.
    """
    height, width = patch.shape[:2]
    white = int(np.iinfo(patch.dtype).max)
    result = np.empty_like(patch)
    result[...] = fill(backing, colour, patch.dtype)
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size_wh = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # Premultiplied before resizing, so that the colour of transparent pixels does not bleed in.
    alpha = picture[..., 3:].astype(np.float32) / 255
    premultiplied = np.concatenate([picture[..., :3] * alpha, alpha], axis=2)
    small = cv2.resize(premultiplied, size_wh, interpolation=interpolation)
    share = np.clip(small[..., 3:], 0, 1)
    rgb = np.clip(small[..., :3] + np.asarray(backing, np.float32) * (1 - share), 0, 255)
    x, y = (width - size_wh[0]) // 2, (height - size_wh[1]) // 2
    result[y : y + size_wh[1], x : x + size_wh[0]] = in_model(rgb, colour, white)
    return result
