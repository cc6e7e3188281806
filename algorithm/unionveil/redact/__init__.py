"""New pixels for faces and text: one small file per family, all behind `Redactor`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..config import (
    AnonymizeConfig,
    Average,
    Bilateral,
    Fill,
    Gaussian,
    KSame,
    Median,
    Overlay,
    Pixelate,
    Redaction,
)
from ..detections import Detections
from ..images import Frame, Patch, Pixels, paint
from .blur import average, bilateral, gaussian, median
from .fill import fill
from .mask import Region, cover
from .overlay import load_picture, overlay
from .patches import below
from .pixelate import pixelate

__all__ = ["Redactor", "load_redactor", "redacted", "regions_of"]

Redactor: TypeAlias = Callable[[Frame, Detections], Sequence[Patch]]
"""Returns the patches that replace every pixel of every detection, in the order in which they are drawn."""

_Replace: TypeAlias = Callable[[Frame, Region, Sequence[Patch]], Pixels]
"""Takes a frame, a part of it and the patches drawn on it so far; returns the pixels of that part's
`Patch`."""

_Change: TypeAlias = Callable[[Pixels], Pixels]
"""Takes `(h, w, C)` colour channels of a face with its margin; returns new ones of the same shape."""


def load_redactor(config: AnonymizeConfig) -> Redactor:
    """The redactor that a configuration describes, with every required file already read.

    Args:
        config: redaction, shape and margins.

    Raises:
        ConfigError: the overlay's picture cannot be read.
    """
    replace, replace_text = _replacement(config.redaction), _replacement(config.text_redaction)

    def redact(frame: Frame, found: Detections) -> Sequence[Patch]:
        patches: list[Patch] = []
        is_person = found.is_person
        # Faces lie on top of text, and the best of them last, so that it is on top where two overlap.
        for some, new_pixels in ((found[~is_person], replace_text), (found[is_person], replace)):
            for region in regions_of(some[::-1], frame.size_wh, config):
                rows, columns, mask = region
                patches.append(Patch(rows, columns, new_pixels(frame, region, patches), mask))
        return patches

    return redact


def regions_of(found: Detections, size_wh: tuple[int, int], config: AnonymizeConfig) -> list[Region]:
    """The pixels of each detection that settings cover; see `mask.cover`."""
    return cover(found, size_wh, config.shape, config.margin, config.text_margin)


def redacted(frame: Frame, patches: Sequence[Patch]) -> Frame:
    """A new frame with patches drawn on it; its covered pixels are opaque, all others are unchanged."""
    pixels = frame.pixels.copy()
    paint(pixels, frame.colour, patches)
    return Frame(pixels, frame.colour, frame.duration_ms)


def _replacement(redaction: Redaction) -> _Replace:
    match redaction:
        case Fill(color=color):
            # Needs none of the frame's own pixels, so they need not be decoded.
            return lambda frame, _, __: fill(_rgb(color), frame.colour, frame.look.pixels.dtype)
        case Pixelate(cells=cells):
            return _changed(lambda pixels: pixelate(pixels, cells))
        case Gaussian(strength=strength):
            return _changed(lambda pixels: gaussian(pixels, strength))
        case Median(strength=strength):
            return _changed(lambda pixels: median(pixels, strength))
        case Bilateral(strength=strength):
            return _changed(lambda pixels: bilateral(pixels, strength))
        case Average(strength=strength):
            return _changed(lambda pixels: average(pixels, strength))
        case Overlay(picture=picture, backing=backing):
            return partial(_overlaid, picture=load_picture(picture), backing=_rgb(backing))
        case KSame():
            raise ValueError("k-same needs a plan: see redact.surrogate")


def _changed(change: _Change) -> _Replace:
    return lambda frame, region, patches: change(below(frame, region, patches))


def _overlaid(
    frame: Frame,
    region: Region,
    patches: Sequence[Patch],
    *,
    picture: npt.NDArray[np.uint8],
    backing: tuple[int, int, int],
) -> Pixels:
    return overlay(below(frame, region, patches), picture, backing, frame.colour)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
