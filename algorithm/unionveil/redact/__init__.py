"""Changing the pixels of faces: one small file a family, all behind `redact`."""

from __future__ import annotations

import numpy as np

from ..config import (
    AnonymizeConfig,
    Average,
    Bilateral,
    Fill,
    Gaussian,
    Median,
    Overlay,
    Pixelate,
    Redaction,
)
from ..faces import Faces
from ..images import Colour, Frame, Pixels
from .blur import average, bilateral, gaussian, median
from .fill import colour_in, fill
from .mask import cover
from .overlay import load_picture, overlay
from .pixelate import pixelate

__all__ = ["redact"]


def redact(frame: Frame, faces: Faces, config: AnonymizeConfig) -> Frame:
    """A new frame in which every pixel of every face is replaced; all others are the same.

    Args:
        frame: any depth and colour model.
        faces: in pixels of the frame.
        config: redaction, shape and margin.

    Returns:
        A frame of the same size, depth and model; its covered pixels are opaque.

    Raises:
        ConfigError: the overlay's picture cannot be read.
    """
    pixels = frame.pixels.copy()
    colours = pixels[..., :-1] if frame.colour.has_alpha else pixels
    # The best face last, so that it lies on top where two overlap.
    for rows, columns, mask in cover(faces.xyxy[::-1], frame.size_wh, config.shape, config.margin):
        patch = colours[rows, columns]
        where = True if mask is None else mask[..., None]
        np.copyto(patch, _replacement(patch, config.redaction, frame.colour), where=where)
        if frame.colour.has_alpha:
            np.copyto(pixels[rows, columns, -1:], frame.white, where=where)
    return Frame(pixels, frame.colour, frame.duration_ms)


def _replacement(patch: Pixels, redaction: Redaction, colour: Colour) -> Pixels:
    match redaction:
        case Fill(color=color):
            return fill(patch, colour_in(_rgb(color), colour, int(np.iinfo(patch.dtype).max)))
        case Pixelate(cells=cells):
            return pixelate(patch, cells)
        case Gaussian(strength=strength):
            return gaussian(patch, strength)
        case Median(strength=strength):
            return median(patch, strength)
        case Bilateral(strength=strength):
            return bilateral(patch, strength)
        case Average(strength=strength):
            return average(patch, strength)
        case Overlay(picture=picture, backing=backing):
            return overlay(patch, load_picture(picture), _rgb(backing), colour)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
