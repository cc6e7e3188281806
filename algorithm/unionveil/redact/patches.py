"""Patches on top of other patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..images import Frame, Patch, Pixels, paint
from .mask import Region

__all__ = ["below"]


def below(frame: Frame, region: Region, patches: Sequence[Patch]) -> Pixels:
    """A copy of a region's colour channels `(h, w, C)`, with the patches so far drawn on it."""
    rows, columns, _ = region
    channels = frame.colour.channels - frame.colour.has_alpha
    pixels = frame.pixels[rows, columns].copy()
    paint(pixels, frame.colour, list(_shifted(patches, region)))
    return pixels[..., :channels]


def _shifted(patches: Sequence[Patch], region: Region) -> Iterator[Patch]:
    """The parts of patches inside a region, in the region's coordinates."""
    rows, columns, _ = region
    for patch in patches:
        y0, y1 = max(rows.start, patch.rows.start), min(rows.stop, patch.rows.stop)
        x0, x1 = max(columns.start, patch.columns.start), min(columns.stop, patch.columns.stop)
        if y0 >= y1 or x0 >= x1:
            continue
        part = np.s_[
            y0 - patch.rows.start : y1 - patch.rows.start, x0 - patch.columns.start : x1 - patch.columns.start
        ]
        one_colour = patch.has_one_colour
        yield Patch(
            slice(y0 - rows.start, y1 - rows.start),
            slice(x0 - columns.start, x1 - columns.start),
            patch.pixels if one_colour else patch.pixels[part],
            None if patch.mask is None else patch.mask[part],
        )
