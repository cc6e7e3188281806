"""Patches on top of other patches."""

from __future__ import annotations

from collections.abc import Sequence

from ..images import Frame, Patch, Pixels, paint
from .mask import Region

__all__ = ["below"]


def below(frame: Frame, region: Region, patches: Sequence[Patch]) -> Pixels:
    """A copy of a region's colour channels `(h, w, C)`, with the patches so far drawn on it."""
    rows, columns, _ = region
    channels = frame.colour.channels - frame.colour.has_alpha
    pixels = frame.pixels[rows, columns].copy()
    paint(pixels, frame.colour, [part for patch in patches if (part := patch.within(rows, columns))])
    return pixels[..., :channels]
